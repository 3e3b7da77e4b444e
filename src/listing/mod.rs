//! Lists of runs: which ones they pick, by what they sort them, and what they show of each; for the command line and the
//! dashboard alike.

mod columns;
mod condition;
mod sort;
mod sort_key;

use crate::spec::ModelSpec;
use crate::store::Status;
use crate::text::nearest;

pub use columns::{COLUMN_NAMES, RunColumn, telling_paths};
pub use condition::{CONDITION_COLUMNS, Condition, RunConditions, parse_moment, path_among, paths, unknown};
pub use sort::sort_runs;
pub use sort_key::SortKey;

/// A list that cannot be made; the message says what to ask for instead.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ListingError(String);

/// A [`ListingError`] as a general error.
fn refusal(message: impl Into<String>) -> anyhow::Error {
    ListingError(message.into()).into()
}

/// Refuses a status that does not exist: it must not look like an empty answer.
///
/// # Errors
/// Such a status, with those that there are.
pub fn require_status(status: &str) -> anyhow::Result<()> {
    match Status::parse(status) {
        Some(_) => Ok(()),
        None => Err(refusal(format!(
            "`{status}` is not a status; use planned, running, done, failed, timed_out, pruned or interrupted"
        ))),
    }
}

/// Refuses a kind of model that does not exist.
///
/// # Errors
/// Such a kind, with those that there are.
pub fn require_model(model: &str) -> anyhow::Result<()> {
    let kinds = ModelSpec::KINDS;
    if kinds.contains(&model) {
        return Ok(());
    }
    let hint = nearest(model, kinds).map_or(String::new(), |near| format!("did you mean `{near}`? "));
    Err(refusal(format!("`{model}` is not a model kind; {hint}the kinds are {}", kinds.join(", "))))
}

/// A list with commas between its tags, taken apart.
pub fn tag_list(tags: Option<&str>) -> Vec<&str> {
    tags.map_or(Vec::new(), |tags| tags.split(',').collect())
}
