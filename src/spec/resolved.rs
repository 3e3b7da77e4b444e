//! The whole text of an experiment that derives from others, for the store and for readers: one file without a base.

use std::fmt::Write as _;
use std::path::Path;

use super::source::ExperimentText;
use super::tree::{TomlEntry, TomlNode, TomlTable, TomlValue};

/// The text of a file; of one with a base, the text that says the same without one. Values and lists stand as they are
/// written in their files. Comments between them are left out.
pub(super) fn resolved_text(source: &ExperimentText, root: &TomlNode) -> String {
    if source.bases.is_empty() {
        return source.text.clone();
    }
    let name = |path: &str| {
        Path::new(path).file_name().map_or(path.into(), |name| name.to_string_lossy()).into_owned()
    };
    let bases: Vec<String> = source.bases.iter().map(|base| name(&base.path)).collect();
    let mut writer = Writer { source, text: String::new() };
    let _ =
        writeln!(writer.text, "# {} with what it takes from {}.", name(&source.path), bases.join(" and "));
    if let Some(table) = root.table() {
        // The schema's own keys come first, as people write them.
        let own = |entry: &&TomlEntry| entry.key == "name" || entry.key == "description";
        let mut entries: Vec<_> = table.entries.iter().filter(own).collect();
        entries.extend(table.entries.iter().filter(|entry| !own(entry) && entry.key != "base"));
        writer.section(&mut Vec::new(), &entries);
    }
    writer.text
}

impl TomlNode {
    /// Whether it is written under a header of its own: a table, or tables in a list.
    pub(super) fn is_section(&self) -> bool {
        match &self.value {
            TomlValue::Table(table) => !table.inline,
            TomlValue::Array(items) => {
                !items.is_empty() && items.iter().all(|item| item.table().is_some_and(|table| !table.inline))
            }
            _ => false,
        }
    }
}

struct Writer<'a> {
    source: &'a ExperimentText,
    text: String,
}

impl Writer<'_> {
    /// The keys and values of a table, then the tables below it.
    fn section(&mut self, path: &mut Vec<String>, entries: &[&TomlEntry]) {
        for entry in entries.iter().filter(|entry| !entry.node.is_section()) {
            let value = self.inline(&entry.node);
            let _ = writeln!(self.text, "{} = {value}", key(&entry.key));
        }
        for entry in entries.iter().filter(|entry| entry.node.is_section()) {
            path.push(key(&entry.key));
            let tables: Vec<(&TomlTable, [&str; 2])> = match &entry.node.value {
                TomlValue::Table(table) => vec![(table, ["[", "]"])],
                TomlValue::Array(items) => {
                    items.iter().filter_map(|item| Some((item.table()?, ["[[", "]]"]))).collect()
                }
                _ => Vec::new(),
            };
            for (table, [open, close]) in tables {
                let below: Vec<_> = table.entries.iter().collect();
                // The header of a table that only holds further ones says nothing, but in a list it starts an entry.
                if open == "[[" || below.is_empty() || below.iter().any(|entry| !entry.node.is_section()) {
                    // As people write it, the header of a model follows `[[models]]` at once.
                    let above = self.text.trim_end().rsplit('\n').next().unwrap_or_default();
                    let gap = if above.starts_with("[[") { "" } else { "\n" };
                    let _ = writeln!(self.text, "{gap}{open}{}{close}", path.join("."));
                }
                self.section(path, &below);
            }
            path.pop();
        }
    }

    /// A value within a line; a list keeps its own lines.
    fn inline(&self, node: &TomlNode) -> String {
        match &node.value {
            TomlValue::Table(table) => {
                let fields: Vec<String> = table
                    .entries
                    .iter()
                    .map(|entry| format!("{} = {}", key(&entry.key), self.inline(&entry.node)))
                    .collect();
                if fields.is_empty() { "{}".to_string() } else { format!("{{ {} }}", fields.join(", ")) }
            }
            _ => self.source.slice(&node.span).to_string(),
        }
    }
}

/// A key, in quotes where it needs them.
fn key(name: &str) -> String {
    if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return name.to_string();
    }
    let mut quoted = String::from("\"");
    for c in name.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
