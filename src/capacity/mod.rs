//! What acting on a forecast of load costs: an autoscaler's decisions replayed over the work that really came. Pure functions on
//! slices.
//!
//! Work is measured in replica-seconds: what one replica needs a second for is a work of 1.

mod fleet;
mod replay;

pub use fleet::Fleet;
pub use replay::{CapacityTotals, Replay, ReplayedWindow, replay};
