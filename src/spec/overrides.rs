//! `--set PATH=VALUE`: values of the command line, put into the tree of an experiment file.

use std::ops::Range;

use super::base::ONE_OF_SEVERAL;
use super::deserialize::typed;
use super::file::Schedule;
use super::model::ModelSpec;
use super::problem::Problem;
use super::source::ExperimentText;
use super::task::TaskSpec;
use super::tree::{TomlEntry, TomlNode, TomlTable, TomlValue, parse_file, parse_value};
use crate::search::PrunerSpec;

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
    let Some((path, keys)) = keys_of(text) else {
        return Err(Problem::at(Some(offset..offset + text.len()), "an override is written PATH=VALUE")
            .help("for example --set training.epochs=3"));
    };
    let (value, value_offset) = (&text[path.len() + 1..], offset + path.len() + 1);
    let key_span = offset..offset + path.trim_end().len();
    let at_key = |message: String| Problem::at(Some(key_span.clone()), message);
    if keys.len() > DEEPEST_OVERRIDE {
        return Err(at_key("this path is too deep".to_string()).help("for example training.epochs"));
    }
    if keys == ["base"] {
        return Err(at_key("`base` cannot be set on the command line".to_string())
            .help("run a file that derives from the base, or set the keys that differ"));
    }
    let node = match parse_value(value, value_offset) {
        // Plain text is taken as a string, since quoting inside a shell is a nuisance.
        Err(_) if is_plain_text(value) => TomlNode {
            value: TomlValue::String(value.to_string()),
            span: value_offset..value_offset + value.len(),
        },
        parsed => parsed?,
    };
    let keys = located(root, keys, &node, &key_span)?;
    let mut targets = vec![root];
    let (last, parents) =
        keys.split_last().map_or(("", &keys[..]), |(last, parents)| (last.as_str(), parents));
    for key in parents {
        targets = descend(targets, key, &key_span);
        if targets.is_empty() {
            return Err(at_key(format!("`{key}` of this override is not in the file"))
                .help("name a table of the file, and a model as models.lstm.hidden"));
        }
    }
    let last_start = if path.trim_end().ends_with(last) { key_span.end - last.len() } else { key_span.start };
    for target in targets {
        let TomlValue::Table(table) = &mut target.value else {
            return Err(at_key(format!("nothing can be set inside `{}`", path.trim())));
        };
        let key_span = last_start..key_span.end;
        table.set(TomlEntry { key: last.to_string(), key_span, node: node.clone() });
    }
    Ok(())
}

/// The path of an override and its keys: the text before the first `=` that ends a path of TOML, whose keys may be in
/// quotes.
fn keys_of(text: &str) -> Option<(&str, Vec<String>)> {
    let paths = text.match_indices('=').map(|(at, _)| &text[..at]);
    let quoted = || paths.clone().filter(|path| path.contains(['"', '\''])).find_map(toml_keys);
    let first = paths.clone().next()?;
    let plain = || (first, first.trim().split('.').map(str::to_string).collect());
    Some(if first.contains(['"', '\'']) { quoted().unwrap_or_else(plain) } else { plain() })
}

/// A dotted path whose keys may be in quotes; `None` if it is not one.
fn toml_keys(path: &str) -> Option<(&str, Vec<String>)> {
    if path.matches('.').count() > 4 * DEEPEST_OVERRIDE || path.contains('\n') {
        return None;
    }
    let mut node = &parse_file(&format!("{path}=0"), 0).ok()?;
    let mut keys = Vec::new();
    while let TomlValue::Table(table) = &node.value {
        let [entry] = table.entries.as_slice() else { return None };
        keys.push(entry.key.clone());
        node = &entry.node;
    }
    Some((path, keys))
}

/// Whether a value that is not TOML is meant as text: no list, table, quoted string or number that is broken.
fn is_plain_text(value: &str) -> bool {
    let text = value.trim();
    let is_broken = text.starts_with(['[', '{', '"', '\'']) || text.parse::<f64>().is_ok();
    !text.is_empty() && !is_broken && !text.contains(char::is_control)
}

/// The keys as the file has them. Plans, claims and `where` leave out the kind of what there is one of, as in `task.horizon`
/// and `model.hidden`.
fn located(
    root: &mut TomlNode,
    keys: Vec<String>,
    value: &TomlNode,
    span: &Range<usize>,
) -> Result<Vec<String>, Problem> {
    if keys[0] == "model" && keys.len() > 1 {
        return of_a_model(root, &keys[1..], value, span);
    }
    let is_below =
        |above: &&&[&str]| keys.len() > above.len() && keys.iter().zip(**above).all(|(a, b)| a == b);
    let Some(above) = ONE_OF_SEVERAL.iter().find(is_below) else { return Ok(keys) };
    let (name, kind, whole) = (above.join("."), &keys[above.len()], keys.len() == above.len() + 1);
    let rest = keys[above.len()..].join(".");
    let is_kind = names_kind(above, kind);
    let Some(node) = above.iter().try_fold(root, |node, key| node.child_mut(key)) else {
        // What is not there is made, if the path says what it is.
        return if is_kind { Ok(keys) } else { Err(without_kind(&name, &rest, span)) };
    };
    if let TomlValue::String(word) = &node.value {
        // A kind without keys, such as `schedule = "cosine"`, is a table without entries.
        let entry = TomlEntry {
            key: word.clone(),
            key_span: node.span.clone(),
            node: TomlNode { value: TomlValue::Table(TomlTable::default()), span: node.span.clone() },
        };
        node.value = TomlValue::Table(TomlTable { entries: vec![entry], inline: true });
    }
    let TomlValue::Table(table) = &mut node.value else { return Ok(keys) };
    let present: Vec<String> = table.entries.iter().map(|entry| entry.key.clone()).collect();
    match present.as_slice() {
        _ if present.contains(kind) => Ok(keys),
        // As in a file with a base, another one replaces the one that is there.
        _ if is_kind && (whole || present.is_empty()) => {
            table.entries.clear();
            Ok(keys)
        }
        [only] if is_kind => {
            Err(Problem::at(Some(span.clone()), format!("`{name}` is `{only}` in this file, not `{kind}`"))
                .help(format!("set {name}.{only}, or all of {name}.{kind} at once: {name}.{kind}={{ ... }}")))
        }
        [only] => {
            let mut keys = keys.clone();
            keys.insert(above.len(), only.clone());
            Ok(keys)
        }
        [] => Err(without_kind(&name, &rest, span)),
        several => {
            let paths: Vec<String> = several.iter().map(|kind| format!("{name}.{kind}.{rest}")).collect();
            Err(Problem::at(Some(span.clone()), format!("`{name}.{rest}` may be in several tables"))
                .help(format!("write {}", paths.join(" or "))))
        }
    }
}

fn without_kind(name: &str, rest: &str, span: &Range<usize>) -> Problem {
    Problem::at(Some(span.clone()), format!("this file has no [{name}.…] table to set `{rest}` in"))
        .help(format!("say which: {name}.KIND.{rest}"))
}

/// The keys of `model.KEY`: those of the one kind of model in the file that has such a key.
fn of_a_model(
    root: &TomlNode,
    keys: &[String],
    value: &TomlNode,
    span: &Range<usize>,
) -> Result<Vec<String>, Problem> {
    let entries = root.child("models").and_then(TomlNode::array).unwrap_or_default();
    let mut kinds: Vec<&str> = Vec::new();
    for entry in entries.iter().filter_map(TomlNode::table).flat_map(|table| &table.entries) {
        if !kinds.contains(&entry.key.as_str()) {
            kinds.push(&entry.key);
        }
    }
    let knows = |kind: &&str| {
        let inner = table_of(&keys[0], KEY, TomlNode { span: ELSEWHERE, ..value.clone() });
        typed::<ModelSpec>(&table_of(kind, ELSEWHERE, inner))
            .err()
            .is_none_or(|problem| problem.span != Some(KEY))
    };
    let rest = keys.join(".");
    match kinds.iter().copied().filter(|kind| knows(kind)).collect::<Vec<_>>().as_slice() {
        [kind] => Ok([&["models".to_string(), (*kind).to_string()], keys].concat()),
        [] => Err(Problem::at(Some(span.clone()), format!("no model of this file has a key `{}`", keys[0]))
            .help(format!("the models are {}", kinds.join(", ")))),
        several => {
            let paths: Vec<String> = several.iter().map(|kind| format!("models.{kind}.{rest}")).collect();
            Err(Problem::at(
                Some(span.clone()),
                format!("several models of this file have a key `{}`", keys[0]),
            )
            .help(format!("write {}", paths.join(" or "))))
        }
    }
}

/// Whether a key names one of the several things of which a table holds one.
fn names_kind(above: &[&str], key: &str) -> bool {
    let node =
        table_of(key, KEY, TomlNode { value: TomlValue::Table(TomlTable::default()), span: ELSEWHERE });
    let problem = match above {
        ["task"] => typed::<TaskSpec>(&node).err(),
        ["search", ..] => typed::<PrunerSpec>(&node).err(),
        _ => typed::<Schedule>(&node).err(),
    };
    problem.is_none_or(|problem| problem.span != Some(KEY))
}

// Places that tell a key that is refused from whatever else is.
const KEY: Range<usize> = 0..1;
const ELSEWHERE: Range<usize> = 1..2;

/// A table of one key, to be asked whether a type knows it.
fn table_of(key: &str, key_span: Range<usize>, node: TomlNode) -> TomlNode {
    let entry = TomlEntry { key: key.to_string(), key_span, node };
    TomlNode { value: TomlValue::Table(TomlTable { entries: vec![entry], inline: true }), span: ELSEWHERE }
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
