//! The scheduler: fans the runs of a plan out over worker processes and records what comes back.

mod breakdown;
mod ending;
mod execute;
mod handing;
pub mod interrupt;
mod lab;
mod members;
mod protocol;
mod retry;
mod rung;
mod score;
mod slot;
mod sweep;
mod terms;
mod worker;

pub use execute::{SavedMember, SavedRun, run_folder};
pub use handing::{has_files, saved_file};
pub use lab::Lab;
pub use protocol::{BreakdownValue, MetricValue, RunResult};
pub use sweep::Sweep;
pub use terms::{Budget, LabOptions, Progress, Spent, Summary};
pub use worker::serve;
