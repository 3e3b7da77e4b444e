//! What acting on a forecast of load costs: an autoscaler's decisions replayed over the work that really came. Pure functions on
//! slices.
//!
//! Work is measured in replica-seconds: what one replica needs a second for is a work of 1.

mod evaluation;
mod fleet;
mod metrics;
mod plan_level;
mod replay;

pub use evaluation::{Evaluation, Evaluator, PlannedWindows, Policy, PolicyReplay};
pub use fleet::{Fleet, RecentNeeds};
pub use metrics::{
    CAPACITY_NAMES, CHOSEN, HEADROOM_FACTOR, IDLE_REPLICA_HOURS, LARGEST_WORK, LATE_WORK_SHARE, MAX_DELAY_S,
    REPLICA_HOURS, SCALE_EVENTS, UNDER_PROVISIONED_SHARE, is_capacity_metric, metric_of, policy_of,
};
pub use plan_level::PlanLevel;
pub use replay::{CapacityTotals, Replay, ReplayedWindow, replay};

/// The target that forecasts are acted on: the work of a window, in replica-seconds.
pub const WORK: &str = "work_s";
