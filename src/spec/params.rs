//! The parameters of a resolved run, as JSON.

use serde_json::Value;

/// A value under a dotted path such as `model.hidden`.
pub fn lookup<'a>(params: &'a Value, dotted: &str) -> Option<&'a Value> {
    dotted.split('.').try_fold(params, |value, key| value.get(key))
}
