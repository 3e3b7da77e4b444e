//! Reported against reproduced: the verdict on every claim of an experiment.

mod judge;
mod junit;
mod list;

pub use judge::{Judgement, Verdict, judge, judge_runs, tally, to_json};
pub use junit::junit;
pub use list::{reasons, table};
