//! `--set PATH=VALUE`: values of the command line, put into the tree of an experiment file.

use std::ops::Range;

use super::problem::Problem;
use super::source::ExperimentText;
use super::tree::{TomlEntry, TomlNode, TomlTable, TomlValue, parse_value};

/// Keys of the longest path that an override may have.
const DEEPEST_OVERRIDE: usize = 16;

/// Puts override number `index` of the source into the tree.
///
/// # Errors
/// A syntax error, or a path that leads nowhere, at its place in the override.
pub(super) fn apply_override(
    root: &mut TomlNode,
    source: &ExperimentText,
    index: usize,
) -> Result<(), Problem> {
    let offset = source.override_offset(index);
    let text = source.overrides[index].as_str();
    let Some((path, value)) = text.split_once('=') else {
        return Err(Problem::at(Some(offset..offset + text.len()), "an override is written PATH=VALUE")
            .help("for example --set training.epochs=3"));
    };
    let value_offset = offset + path.len() + 1;
    let keys: Vec<&str> = path.trim().split('.').collect();
    let key_span = offset..offset + path.len();
    let at_key = |message: String| Problem::at(Some(key_span.clone()), message);
    if keys.len() > DEEPEST_OVERRIDE {
        return Err(at_key("this path is too deep".to_string()).help("for example training.epochs"));
    }
    if keys == ["base"] {
        return Err(at_key("`base` cannot be set on the command line".to_string())
            .help("run a file that derives from the base, or set the keys that differ"));
    }
    let node = match parse_value(value, value_offset) {
        // A bare word is taken as a string, since quoting inside a shell is a nuisance.
        Err(_) if is_bare_word(value) => TomlNode {
            value: TomlValue::String(value.to_string()),
            span: value_offset..value_offset + value.len(),
        },
        parsed => parsed?,
    };
    let mut targets = vec![root];
    let (last, parents) = keys.split_last().unwrap_or((&"", &[]));
    for key in parents {
        targets = descend(targets, key, &key_span);
        if targets.is_empty() {
            return Err(at_key(format!("`{key}` of this override is not in the file"))
                .help("name a table of the file, and a model as models.lstm.hidden"));
        }
    }
    let last_span = key_span.end - last.len()..key_span.end;
    for target in targets {
        let TomlValue::Table(table) = &mut target.value else {
            return Err(at_key(format!("nothing can be set inside `{path}`")));
        };
        table.set(TomlEntry { key: (*last).to_string(), key_span: last_span.clone(), node: node.clone() });
    }
    Ok(())
}

fn is_bare_word(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| c.is_alphanumeric() || "-_./:".contains(c))
}

/// One level down for an override: a missing table is made; in `[[models]]` a key names the entries of its kind.
fn descend<'a>(nodes: Vec<&'a mut TomlNode>, key: &str, span: &Range<usize>) -> Vec<&'a mut TomlNode> {
    let mut found = Vec::new();
    for node in nodes {
        match &mut node.value {
            TomlValue::Table(table) => {
                if table.get(key).is_none() {
                    let node = TomlNode { value: TomlValue::Table(TomlTable::default()), span: span.clone() };
                    table.set(TomlEntry { key: key.to_string(), key_span: span.clone(), node });
                }
                found.extend(table.get_mut(key));
            }
            TomlValue::Array(items) => {
                found.extend(items.iter_mut().filter_map(|item| match &mut item.value {
                    TomlValue::Table(table) => table.get_mut(key),
                    _ => None,
                }));
            }
            _ => {}
        }
    }
    found
}
