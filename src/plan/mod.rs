//! The plan of an experiment: its runs with their identities, how the list grows, what each is expected to cost, and which
//! share of it is whose.

mod array_job;
mod assignment;
mod cost;
mod list;
mod partition;
mod share;
#[cfg(test)]
pub(crate) mod test_runs;

pub use assignment::Assignment;
pub use cost::{KnownCosts, shape};
pub use list::{Plan, Run};
pub use partition::Partition;
pub use share::Share;
