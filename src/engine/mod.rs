//! How a plan is executed: on this machine ([`local`]) or by a cluster's scheduler ([`slurm`]), and what one run does.

mod breakdown;
mod capacity;
mod ensemble_selection;
mod execute;
pub mod local;
mod pack;
mod score;
pub mod slurm;
mod sweep;

pub use sweep::Sweep;
