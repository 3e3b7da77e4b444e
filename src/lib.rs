//! burstlab: batch experiments that forecast LLM-serving workload.
//!
//! An [`experiment`] file names a slice of a trace ([`dataset`]), a task and [`model`]s. It is expanded into a plan of
//! runs, which the [`scheduler`] fans out over worker processes that [`train`] and score ([`metric`]) them,
//! with [`intervals`] around each forecast. The [`store`] remembers everything, and the [`report`] compares.

pub mod cli;
pub mod console;
pub mod dataset;
pub mod device;
pub mod exit_code;
pub mod experiment;
pub mod files;
pub mod intervals;
pub mod kernel;
pub mod memory;
pub mod metric;
pub mod model;
mod nearest;
pub mod predict;
mod process;
pub mod report;
pub mod scheduler;
pub mod search;
pub mod slurm;
pub mod store;
pub mod train;
