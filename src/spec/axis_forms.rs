//! What people write where they mean an axis: the forms of other tools, told with the form that this one has.

use std::ops::Range;

use super::axis::{cannot_be_axis, may_be_axis};
use super::document::{ExperimentDocument, KeyPath};
use super::file::ExperimentSpec;
use super::problem::Problem;
use super::tree::{TomlNode, TomlTable, TomlValue};

/// The forms of an axis.
const FORMS: &str = "the forms of an axis are { grid = [a, b, c] }, { uniform = [low, high] }, \
                     { log_uniform = [low, high] } and { int = [low, high] }";

// Names that other tools have for the parts of an axis.
const LISTS: [&str; 10] =
    ["grid", "values", "value", "choice", "choices", "options", "list", "in", "categorical", "enum"];
const RANGES: [&str; 16] = [
    "uniform",
    "log_uniform",
    "loguniform",
    "int",
    "range",
    "between",
    "interval",
    "bounds",
    "log",
    "logspace",
    "linear",
    "float",
    "real",
    "integer",
    "randint",
    "quniform",
];
const LOWS: [&str; 6] = ["min", "low", "lower", "from", "start", "minimum"];
const HIGHS: [&str; 8] = ["max", "high", "upper", "to", "stop", "end", "maximum", "until"];
/// These leave values out of a range, which no form of a range does.
const STEPS: [&str; 6] = ["step", "steps", "num", "count", "n", "q"];

/// What to write instead, where a typed value was refused since several were given in a form that is none of an axis.
pub fn not_an_axis(document: &ExperimentDocument, problem: &Problem) -> Option<Problem> {
    let place = problem.span.as_ref()?;
    let (path, node) = key_at(document, place)?;
    // A key that takes a table or a list of its own has faults of its own.
    let own_form = ["expected a list", "expected a table", "unknown key", "the key"];
    let has_own_form = own_form.iter().any(|start| problem.message.starts_with(start));
    let explained = match &node.value {
        _ if has_own_form => return None,
        TomlValue::Array(_) if node.span == *place => problem.clone(),
        TomlValue::Table(table) if is_meant_as_axis(table) => {
            Problem::at(Some(node.span.clone()), "this is not a form of an axis")
        }
        TomlValue::Table(_) if problem.message.ends_with(", got a table") => problem.clone(),
        _ => return None,
    };
    if !may_be_axis(&path) {
        return Some(cannot_be_axis(&path, node.span.clone()));
    }
    Some(match rewritten(document, &path, node) {
        Some(form) => explained.help(format!("write {form}; {FORMS}")),
        None => explained.help(FORMS),
    })
}

/// The key of a table of the file whose value holds a place, with that value.
fn key_at<'d>(document: &'d ExperimentDocument, place: &Range<usize>) -> Option<(KeyPath, &'d TomlNode)> {
    let mut path = document.root().path_to(place)?;
    let depth = match path.first()?.as_str() {
        // `models.<n>.<kind>.<key>` and `task.<kind>.<key>`.
        "models" => 4,
        "task" => 3,
        _ => 2,
    };
    if path.len() < depth {
        return None;
    }
    path.truncate(depth);
    let node = document.get(&path)?;
    Some((path, node))
}

fn is_meant_as_axis(table: &TomlTable) -> bool {
    let is_part = |name: &str| {
        LISTS.contains(&name) || RANGES.contains(&name) || LOWS.contains(&name) || HIGHS.contains(&name)
    };
    table.entries.iter().any(|entry| is_part(&plain(&entry.key)))
}

/// A name as it is looked up: `log-uniform` and `LogUniform` are `loguniform`.
fn plain(key: &str) -> String {
    key.to_lowercase().replace('-', "_")
}

/// The form that says what was meant.
fn rewritten(document: &ExperimentDocument, path: &KeyPath, node: &TomlNode) -> Option<String> {
    let written = |node: &TomlNode| document.source.slice(&node.span);
    let table = match &node.value {
        TomlValue::Array(items) => {
            return (!items.is_empty()).then(|| format!("{{ grid = {} }}", written(node)));
        }
        TomlValue::Table(table) => table,
        _ => return None,
    };
    let named = |names: &[&str]| {
        table
            .entries
            .iter()
            .find(|entry| names.contains(&plain(&entry.key).as_str()))
            .map(|entry| &entry.node)
    };
    if let Some(list) = named(&LISTS).filter(|list| list.array().is_some()) {
        return Some(format!("{{ grid = {} }}", written(list)));
    }
    if named(&STEPS).is_some() {
        return None;
    }
    let (low, high) = match named(&RANGES).and_then(TomlNode::array) {
        Some([low, high]) => (low, high),
        Some(_) => return None,
        None => (named(&LOWS)?, named(&HIGHS)?),
    };
    let is = |node: &TomlNode, whole: bool| match node.value {
        TomlValue::Integer(_) => true,
        TomlValue::Float(_) => !whole,
        _ => false,
    };
    let both = |whole| is(low, whole) && is(high, whole);
    let logarithmic = table.entries.iter().any(|entry| {
        let says = |text: &str| plain(text).contains("log");
        entry.node.string().is_some_and(says)
            || (says(&entry.key) && entry.node.value != TomlValue::Boolean(false))
    });
    let form = match (both(false), both(true)) {
        (false, _) => return None,
        _ if logarithmic => "log_uniform",
        (_, true) if !takes_fractions(document, path) => "int",
        _ => "uniform",
    };
    Some(format!("{{ {form} = [{}, {}] }}", written(low), written(high)))
}

/// Whether a key takes numbers with a fraction.
fn takes_fractions(document: &ExperimentDocument, path: &KeyPath) -> bool {
    let Some(node) = document.get(path) else { return false };
    let half = TomlNode { value: TomlValue::Float(0.5), span: node.span.clone() };
    let typed = document.with([(path, half)]).typed::<ExperimentSpec>();
    typed.err().is_none_or(|problem| problem.span != Some(node.span.clone()))
}
