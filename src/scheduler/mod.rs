//! The scheduler: fans the runs of a plan out over worker processes and records what comes back.

mod breakdown;
mod ending;
mod execute;
pub mod interrupt;
mod lab;
mod members;
mod protocol;
mod retry;
mod rung;
mod score;
mod slot;
mod sweep;
mod worker;

pub use execute::{SavedMember, SavedRun, run_folder};
pub use lab::{Budget, Lab, LabOptions, Progress, Spent, Summary, has_files};
pub use protocol::{BreakdownValue, MetricValue, RunResult};
pub use sweep::Sweep;
pub use worker::serve;
