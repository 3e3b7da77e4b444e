//! The parameters in which trials differ, by their paths.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::spec::lookup;

/// The paths of model, training and lookback at which some trials differ.
pub(super) fn varying_paths(params: &[&Value]) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    let mut known = BTreeSet::new();
    for params in params {
        for table in ["model", "training"] {
            for path in params.get(table).into_iter().flat_map(|value| leaves(table, value)) {
                if known.insert(path.clone()) {
                    paths.push(path);
                }
            }
        }
    }
    paths.push("task.lookback".to_string());
    paths.retain(|path| {
        let first = params.first().and_then(|params| lookup(params, path));
        params.iter().any(|params| lookup(params, path) != first)
    });
    paths
}

/// The paths of all values of a table that are no tables.
fn leaves(path: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            fields.iter().flat_map(|(key, value)| leaves(&format!("{path}.{key}"), value)).collect()
        }
        _ => vec![path.to_string()],
    }
}

/// The last part of each path, or the whole path where two end alike.
pub(super) fn clear_names(paths: &[String]) -> Vec<String> {
    let end = |path: &String| path.rsplit('.').next().unwrap_or(path).to_string();
    let is_clear = |path: &String| paths.iter().filter(|other| end(other) == end(path)).count() == 1;
    paths.iter().map(|path| if is_clear(path) { end(path) } else { path.clone() }).collect()
}
