//! How a plan is executed: on this machine ([`local`]) or by a cluster's scheduler ([`slurm`], [`kubernetes`]), and what one run does.

mod breakdown;
mod capacity;
mod ensemble_selection;
mod execute;
mod job;
mod job_commands;
pub mod kubernetes;
pub mod local;
mod pack;
mod score;
pub mod slurm;
mod sweep;

pub use job::Job;
pub use job_commands::{JobCommands, part_stores};
pub use sweep::Sweep;
