//! The plan of an experiment: its runs with their identities, how the list grows, and which share of it is whose.

mod list;
mod partition;

pub use list::{Plan, Run};
pub use partition::Partition;
