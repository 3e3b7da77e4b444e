//! Holds the replay of an autoscaler to values of an independent implementation, and to what must be true of every replay.

use burstlab::capacity::{Fleet, replay};
use proptest::prelude::*;
use serde_json::Value;

fn fleet(case: &Value) -> Fleet {
    let real = |name: &str| case[name].as_f64().unwrap();
    let whole = |name: &str| case[name].as_u64().unwrap();
    Fleet {
        window_s: real("window_s"),
        target_utilization: real("target_utilization"),
        cold_start_windows: whole("cold_start_windows") as usize,
        scale_down_windows: whole("scale_down_windows") as usize,
        min_replicas: whole("min_replicas"),
        max_replicas: whole("max_replicas"),
        max_delay_s: real("max_delay_s"),
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn the_replay_agrees_with_the_reference() {
    let golden: Value = serde_json::from_str(include_str!("../golden_capacity.json")).unwrap();
    let mut compared = 0;
    for case in golden["cases"].as_array().unwrap() {
        let (fleet, work) = (fleet(case), numbers(&case["work"]));
        for (policy, expected) in case["policies"].as_object().unwrap() {
            let what = format!("{}, {policy}", case["name"]);
            let replayed = replay(&fleet, &work, &numbers(&expected["planned_for"]));
            let live: Vec<u64> = replayed.windows.iter().map(|window| window.live).collect();
            assert_eq!(Value::from(live), expected["live"], "{what}");
            let totals = replayed.totals(&fleet);
            for (name, value) in [
                ("replica_hours", totals.replica_hours),
                ("idle_replica_hours", totals.idle_replica_hours),
                ("under_provisioned_share", totals.under_provisioned_share),
                ("late_work_share", totals.late_work_share),
                ("max_delay_s", totals.max_delay_s),
                ("scale_events", totals.scale_events),
            ] {
                let want = expected[name].as_f64().unwrap();
                assert!((value - want).abs() <= 1e-9, "{what}: {name} is {value} and should be {want}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 4 * 4 * 6);
}

prop_compose! {
    fn any_fleet()(
        window_s in 1.0..600.0_f64, target_utilization in 0.2..1.0_f64, cold_start_windows in 0..8_usize,
        scale_down_windows in 1..10_usize, min_replicas in 1..4_u64, more in 0..60_u64, max_delay_s in 0.0..60.0_f64,
    ) -> Fleet {
        let max_replicas = min_replicas + more;
        Fleet { window_s, target_utilization, cold_start_windows, scale_down_windows, min_replicas, max_replicas, max_delay_s }
    }
}

proptest! {
    #[test]
    fn replicas_stay_within_their_limits_and_no_work_is_lost(
        fleet in any_fleet(), load in prop::collection::vec((0.0..5_000.0_f64, 0.0..5_000.0_f64), 1..80),
    ) {
        let (work, planned): (Vec<f64>, Vec<f64>) = load.into_iter().unzip();
        let replayed = replay(&fleet, &work, &planned);
        for window in &replayed.windows {
            prop_assert!(window.live >= fleet.min_replicas.min(fleet.max_replicas));
            prop_assert!(window.live + window.starting <= fleet.max_replicas);
        }
        let last = replayed.windows.last().unwrap();
        let backlog = last.delay_s * last.live as f64;
        let served: f64 = replayed.windows.iter().map(|window| window.served).sum();
        let came: f64 = work.iter().sum();
        prop_assert!((served + backlog - came).abs() <= 1e-6 * came.max(1.0));
    }

    #[test]
    fn whoever_knows_the_work_and_has_replicas_enough_is_never_late(
        window_s in 1.0..600.0_f64, cold_start_windows in 0..5_usize, work in prop::collection::vec(0.0..5_000.0_f64, 12..60),
    ) {
        let fleet = Fleet {
            window_s, target_utilization: 1.0, cold_start_windows, scale_down_windows: 1 + cold_start_windows, min_replicas: 1,
            max_replicas: 1_000_000, max_delay_s: 1e-6,
        };
        let ahead = 1 + cold_start_windows;
        let known: Vec<f64> = (0..work.len()).map(|index| work.get(index + ahead).copied().unwrap_or(0.0)).collect();
        let replayed = replay(&fleet, &work, &known);
        // What was ordered before the first plan could be ready is not the policy's doing.
        for window in &replayed.windows[ahead..] {
            if window.work > window.live as f64 * window_s * (1.0 + 1e-9) {
                prop_assert!(false, "{window:?}");
            }
        }
    }

    #[test]
    fn planning_for_more_work_never_serves_less(
        fleet in any_fleet(), load in prop::collection::vec((0.0..5_000.0_f64, 0.0..5_000.0_f64), 1..60),
    ) {
        let (work, planned): (Vec<f64>, Vec<f64>) = load.into_iter().unzip();
        let most = vec![f64::MAX; work.len()];
        let late = |planned: &[f64]| replay(&fleet, &work, planned).totals(&fleet).late_work_share;
        prop_assert!(late(&most) <= late(&planned) + 1e-12);
    }
}
