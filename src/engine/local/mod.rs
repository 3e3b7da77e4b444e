//! The local engine: fans the runs of a plan out over worker processes and records what comes back.

mod assignment;
mod dispatcher;
mod ensemble_selection;
mod options;
mod outcome;
mod protocol;
mod pruning;
mod retry;
mod slot;
mod worker;

pub use dispatcher::Dispatcher;
pub use options::{Budget, DispatchOptions, Progress, Spent, Summary};
pub use protocol::Job;
pub use worker::serve;
