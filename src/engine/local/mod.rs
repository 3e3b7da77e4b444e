//! The local engine: fans the runs of a plan out over worker processes and records what comes back.

mod alone;
mod assignment;
mod budget;
mod dispatcher;
mod inbox;
mod journal;
mod lookout;
mod options;
mod outcome;
mod pace;
mod pack_assignment;
mod packing;
mod protocol;
mod pruning;
mod queue;
mod retry;
mod slot;
mod slots;
mod station;
mod worker;
mod worker_process;

pub use alone::{LoneRun, run_alone};
pub use budget::{Budget, Spent};
pub use dispatcher::Dispatcher;
pub use options::{DispatchOptions, Progress, Summary};
pub use pace::Awaited;
pub use packing::{PACKED, packing_lines};
pub use worker::serve;
