//! The names under which replays are recorded.

use super::replay::CapacityTotals;

/// Hours of replicas that are paid for.
pub const REPLICA_HOURS: &str = "replica_hours";
/// Hours of live replicas that had nothing to do.
pub const IDLE_REPLICA_HOURS: &str = "idle_replica_hours";
/// Share of the windows whose work exceeds what their live replicas can do.
pub const UNDER_PROVISIONED_SHARE: &str = "under_provisioned_share";
/// Share of the work that is late.
pub const LATE_WORK_SHARE: &str = "late_work_share";
/// The longest delay, in seconds.
pub const MAX_DELAY_S: &str = "max_delay_s";
/// Windows at whose end replicas were ordered or stopped.
pub const SCALE_EVENTS: &str = "scale_events";

/// The metrics of a replay. That of a certain plan or policy has its name in brackets behind: `replica_hours[oracle]`.
pub const CAPACITY_NAMES: [&str; 6] =
    [REPLICA_HOURS, IDLE_REPLICA_HOURS, UNDER_PROVISIONED_SHARE, LATE_WORK_SHARE, MAX_DELAY_S, SCALE_EVENTS];

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

/// The metric and the plan or policy that a name is of; no policy is the plan that was chosen.
pub fn policy_of(name: &str) -> (&str, Option<&str>) {
    let parts = name.strip_suffix(']').and_then(|inner| inner.split_once('['));
    parts
        .filter(|(_, policy)| !policy.is_empty())
        .map_or((name, None), |(plain, policy)| (plain, Some(policy)))
}

/// Whether this is the name of a metric of a replay, of the chosen plan or of any other.
pub fn is_capacity_metric(name: &str) -> bool {
    CAPACITY_NAMES.contains(&policy_of(name).0)
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
            self.scale_events,
        ];
        std::array::from_fn(|at| (CAPACITY_NAMES[at], values[at]))
    }

    /// The values of which `value` knows the names; `None` where it lacks one.
    pub fn of_names(value: impl Fn(&'static str) -> Option<f64>) -> Option<Self> {
        Some(Self {
            replica_hours: value(REPLICA_HOURS)?,
            idle_replica_hours: value(IDLE_REPLICA_HOURS)?,
            under_provisioned_share: value(UNDER_PROVISIONED_SHARE)?,
            late_work_share: value(LATE_WORK_SHARE)?,
            max_delay_s: value(MAX_DELAY_S)?,
            scale_events: value(SCALE_EVENTS)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_told_and_read_by_the_same_names() {
        let values = [1.5, 0.25, 0.5, 0.125, 30.0, 7.0];
        let of = |name: &str| CAPACITY_NAMES.iter().position(|own| *own == name).map(|at| values[at]);
        let totals = CapacityTotals::of_names(of).unwrap();
        assert_eq!(totals.named().map(|(_, value)| value), values);
        assert_eq!(CapacityTotals::of_names(|name| of(name).filter(|value| *value > 1.0)), None);
    }

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
