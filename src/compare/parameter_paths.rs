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
            let below = params.get(table).into_iter().flat_map(leaves);
            for path in below.map(|path| format!("{table}.{path}")) {
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

/// The dotted paths of all values of a table that are no tables.
pub(super) fn leaves(params: &Value) -> Vec<String> {
    let Value::Object(fields) = params else { return Vec::new() };
    let below = |(key, value): (&String, &Value)| match value {
        Value::Object(_) => leaves(value).into_iter().map(|path| format!("{key}.{path}")).collect(),
        _ => vec![key.clone()],
    };
    fields.iter().flat_map(below).collect()
}

/// The last part of each path, or the whole path where two end alike.
pub(super) fn clear_names(paths: &[String]) -> Vec<String> {
    let end = |path: &String| path.rsplit('.').next().unwrap_or(path).to_string();
    let is_clear = |path: &String| paths.iter().filter(|other| end(other) == end(path)).count() == 1;
    paths.iter().map(|path| if is_clear(path) { end(path) } else { path.clone() }).collect()
}
