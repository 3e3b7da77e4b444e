//! The names under which replays are recorded.

use super::replay::CapacityTotals;

/// Hours of replicas that are paid for.
pub const REPLICA_HOURS: &str = "replica_hours";
/// Share of the windows whose work exceeds what their live replicas can do.
pub const UNDER_PROVISIONED_SHARE: &str = "under_provisioned_share";
/// Share of the work that is late.
pub const LATE_WORK_SHARE: &str = "late_work_share";
/// The longest delay, in seconds.
pub const MAX_DELAY_S: &str = "max_delay_s";
/// Windows at whose end replicas were ordered or stopped.
pub const SCALE_EVENTS: &str = "scale_events";

/// The metrics of a replay. That of a certain plan or policy has its name in brackets behind: `replica_hours[oracle]`.
pub const CAPACITY_NAMES: [&str; 6] = [
    REPLICA_HOURS,
    "idle_replica_hours",
    UNDER_PROVISIONED_SHARE,
    LATE_WORK_SHARE,
    MAX_DELAY_S,
    SCALE_EVENTS,
];

/// `chosen[0.9]` is 1 in a run that acts on that forecast, and 0 in one that acts on another: the mean over runs is their share.
pub const CHOSEN: &str = "chosen";
/// What `reactive_with_headroom` multiplies the work by that it has just seen.
pub const HEADROOM_FACTOR: &str = "headroom_factor";
/// The largest work of a window of the training part, which `static` plans for.
pub const LARGEST_WORK: &str = "largest_work";

/// The name of a metric of one plan or policy.
pub fn metric_of(name: &str, policy: &str) -> String {
    format!("{name}[{policy}]")
}

/// Whether this is the name of a metric of a replay, of the chosen plan or of any other.
pub fn is_capacity_metric(name: &str) -> bool {
    let plain = match name.split_once('[') {
        Some((plain, rest)) if rest.ends_with(']') && rest.len() > 1 => plain,
        Some(_) => return false,
        None => name,
    };
    CAPACITY_NAMES.contains(&plain)
}

impl CapacityTotals {
    /// The values with their names, in the order of [`CAPACITY_NAMES`].
    pub fn named(&self) -> [(&'static str, f64); CAPACITY_NAMES.len()] {
        let values = [
            self.replica_hours,
            self.idle_replica_hours,
            self.under_provisioned_share,
            self.late_work_share,
            self.max_delay_s,
            self.scale_events as f64,
        ];
        std::array::from_fn(|at| (CAPACITY_NAMES[at], values[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_may_say_whose_it_is() {
        for name in ["replica_hours", "late_work_share[0.9]", "scale_events[reactive_with_headroom]"] {
            assert!(is_capacity_metric(name), "{name}");
        }
        for name in ["mae", "replica_hours[", "replica_hours[]", "mae[0.9]", "chosen[0.9]"] {
            assert!(!is_capacity_metric(name), "{name}");
        }
        assert_eq!(metric_of(REPLICA_HOURS, "oracle"), "replica_hours[oracle]");
    }
}
