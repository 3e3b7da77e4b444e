//! Every plan and every policy replayed over validation and test: what is chosen on the one is judged on the other.

use std::borrow::Cow;
use std::fmt;

use super::fleet::Fleet;
use super::metrics::{CHOSEN, HEADROOM_FACTOR, metric_of};
use super::plan_level::PlanLevel;
use super::replay::{CapacityTotals, Replay, replay};

/// Headroom factors that are tried, in hundredths: 1.00, 1.05, ..., 3.00.
const HEADROOM_PERCENT: std::ops::RangeInclusive<u32> = 100..=300;
const HEADROOM_STEP: usize = 5;

/// Consecutive windows of a part, and what was expected of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlannedWindows {
    /// Work that came in each window, in replica-seconds.
    pub work: Vec<f64>,
    /// For each plan, in the order of the levels: the work that is expected of window t + 1 + c at the end of window t.
    pub plans: Vec<Vec<f64>>,
    /// The work that came in window t + 1 + c.
    pub came: Vec<f64>,
}

impl PlannedWindows {
    /// The windows of `count` consecutive forecasts: each begins one window after the one before it. `came(i, ahead)` is the
    /// work that came in the step `ahead` of forecast `i`, counted from 0, and `expected(level, i, ahead)` what was forecast.
    ///
    /// The first window is the one that forecast 0 begins with. Forecast 1 is made at its end, and its step 1 + c says what is
    /// planned for there; the window of the last forecast is left out, since no forecast follows it.
    pub fn of_forecasts(
        count: usize,
        cold_start_windows: usize,
        levels: &[PlanLevel],
        came: impl Fn(usize, usize) -> f64,
        expected: impl Fn(PlanLevel, usize, usize) -> f64,
    ) -> Self {
        let windows = 0..count.saturating_sub(1);
        let plan = |level: &PlanLevel| {
            windows.clone().map(|at| expected(*level, at + 1, cold_start_windows)).collect()
        };
        Self {
            work: windows.clone().map(|at| came(at, 0)).collect(),
            plans: levels.iter().map(plan).collect(),
            came: windows.clone().map(|at| came(at + 1, cold_start_windows)).collect(),
        }
    }
}

/// What decides how many replicas there are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Policy {
    /// Acts on a forecast.
    Plan(PlanLevel),
    /// Plans for the work that it has just seen.
    Reactive,
    /// Plans for the work that it has just seen, times a factor that is chosen on validation.
    ReactiveWithHeadroom,
    /// Plans for the largest work of the training part.
    Static,
    /// Knows the work that is to come.
    Oracle,
}

impl Policy {
    /// The policies that need no forecast.
    pub const WITHOUT_FORECAST: [Policy; 4] =
        [Policy::Reactive, Policy::ReactiveWithHeadroom, Policy::Static, Policy::Oracle];
}

impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::Plan(level) => level.fmt(formatter),
            Policy::Reactive => formatter.write_str("reactive"),
            Policy::ReactiveWithHeadroom => formatter.write_str("reactive_with_headroom"),
            Policy::Static => formatter.write_str("static"),
            Policy::Oracle => formatter.write_str("oracle"),
        }
    }
}

/// The replay of one policy.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyReplay {
    /// The policy.
    pub policy: Policy,
    /// Its windows.
    pub replay: Replay,
    /// What it cost.
    pub totals: CapacityTotals,
}

/// What replays depend on beside the windows.
#[derive(Debug, Clone, Copy)]
pub struct Evaluator<'a> {
    /// The service.
    pub fleet: &'a Fleet,
    /// The forecasts that may be acted on.
    pub levels: &'a [PlanLevel],
    /// The share of the work that may be late.
    pub late_work_at_most: f64,
    /// The largest work of a window of the training part.
    pub largest_work: f64,
}

/// Every policy on validation and on test.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Index of the plan that is chosen on validation.
    pub chosen: usize,
    /// The factor of `reactive_with_headroom`.
    pub headroom: f64,
    /// Replays over the validation windows: the plans in the order of their levels, then the other policies.
    pub valid: Vec<PolicyReplay>,
    /// Replays over the test windows, in the same order.
    pub test: Vec<PolicyReplay>,
}

impl Evaluator<'_> {
    /// Chooses the plan and the headroom on the validation windows, and replays all policies over both parts.
    ///
    /// The least replica hours are chosen of what keeps late work within its limit; where nothing does, the least late work.
    pub fn evaluate(&self, valid: &PlannedWindows, test: &PlannedWindows) -> Evaluation {
        let factors: Vec<f64> =
            HEADROOM_PERCENT.step_by(HEADROOM_STEP).map(|percent| f64::from(percent) / 100.0).collect();
        let tried = factors.iter().map(|&factor| {
            let planned: Vec<f64> = valid.work.iter().map(|work| work * factor).collect();
            replay(self.fleet, &valid.work, &planned).totals(self.fleet)
        });
        let headroom = factors[self.choose(tried)];
        let replayed = |windows: &PlannedWindows| self.replay_all(windows, headroom);
        let (valid, test) = (replayed(valid), replayed(test));
        let chosen = self.choose(valid[..self.levels.len()].iter().map(|policy| policy.totals));
        Evaluation { chosen, headroom, valid, test }
    }

    /// Index of the least replica hours whose late work keeps its limit; else of the least late work.
    fn choose(&self, totals: impl Iterator<Item = CapacityTotals>) -> usize {
        let rank = |totals: &CapacityTotals| {
            let keeps = totals.late_work_share <= self.late_work_at_most;
            let first = if keeps { totals.replica_hours } else { totals.late_work_share };
            (!keeps, first, totals.replica_hours)
        };
        let ranked = totals.map(|totals| rank(&totals)).enumerate();
        let best =
            ranked.min_by(|(_, a), (_, b)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.total_cmp(&b.2)));
        best.map_or(0, |(index, _)| index)
    }

    fn replay_all(&self, windows: &PlannedWindows, headroom: f64) -> Vec<PolicyReplay> {
        let plans = self.levels.iter().map(|level| Policy::Plan(*level)).zip(&windows.plans);
        let plans = plans.map(|(policy, planned)| (policy, Cow::Borrowed(planned.as_slice())));
        let others = Policy::WITHOUT_FORECAST.map(|policy| {
            let planned = match policy {
                Policy::Oracle => Cow::Borrowed(windows.came.as_slice()),
                Policy::Static => Cow::Owned(vec![self.largest_work; windows.work.len()]),
                Policy::ReactiveWithHeadroom => windows.work.iter().map(|work| work * headroom).collect(),
                Policy::Reactive | Policy::Plan(_) => Cow::Borrowed(windows.work.as_slice()),
            };
            (policy, planned)
        });
        plans
            .chain(others)
            .map(|(policy, planned)| {
                let replay = replay(self.fleet, &windows.work, &planned);
                let totals = replay.totals(self.fleet);
                PolicyReplay { policy, replay, totals }
            })
            .collect()
    }
}

impl Evaluation {
    /// The replay of the chosen plan over the test windows.
    pub fn chosen_on_test(&self) -> &PolicyReplay {
        &self.test[self.chosen]
    }

    /// What is recorded of the validation windows.
    pub fn valid_metrics(&self) -> Vec<(String, f64)> {
        self.metrics(&self.valid)
    }

    /// What is recorded of the test windows.
    pub fn test_metrics(&self) -> Vec<(String, f64)> {
        self.metrics(&self.test)
    }

    fn metrics(&self, replays: &[PolicyReplay]) -> Vec<(String, f64)> {
        let own = replays[self.chosen].totals.named().map(|(name, value)| (name.to_string(), value));
        let mut metrics = own.to_vec();
        for (index, PolicyReplay { policy, totals, .. }) in replays.iter().enumerate() {
            let suffix = policy.to_string();
            metrics.extend(totals.named().map(|(name, value)| (metric_of(name, &suffix), value)));
            if let Policy::Plan(_) = policy {
                metrics.push((metric_of(CHOSEN, &suffix), f64::from(u8::from(index == self.chosen))));
            }
        }
        metrics.push((HEADROOM_FACTOR.to_string(), self.headroom));
        metrics
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fleet() -> Fleet {
        Fleet {
            window_s: 10.0,
            target_utilization: 1.0,
            cold_start_windows: 1,
            scale_down_windows: 2,
            min_replicas: 1,
            max_replicas: 1_000,
            max_delay_s: 0.0,
        }
    }

    const LEVELS: [PlanLevel; 2] = [PlanLevel::Mean, PlanLevel::Quantile(0.9)];

    /// Windows that a perfect mean and a quantile of one half more are expected of.
    fn windows(work: &[f64]) -> PlannedWindows {
        let count = work.len() - 2;
        let came = work[2..].to_vec();
        let more = came.iter().map(|work| work * 1.5).collect();
        PlannedWindows { work: work[..count].to_vec(), plans: vec![came.clone(), more], came }
    }

    #[test]
    fn a_perfect_forecast_is_as_good_as_the_oracle_and_its_mean_is_chosen() {
        let part = windows(&[10.0, 10.0, 30.0, 80.0, 60.0, 20.0, 20.0, 90.0, 10.0]);
        let fleet = fleet();
        let evaluator =
            Evaluator { fleet: &fleet, levels: &LEVELS, late_work_at_most: 0.0, largest_work: 100.0 };
        let evaluation = evaluator.evaluate(&part, &part);
        assert_eq!(evaluation.chosen, 0);
        assert_eq!(evaluation.test[0].replay, evaluation.test[5].replay);
        assert_eq!(evaluation.test[5].policy, Policy::Oracle);
        let metrics = evaluation.test_metrics();
        let of = |name: &str| metrics.iter().find(|(own, _)| own == name).unwrap().1;
        assert_eq!(of("replica_hours"), of("replica_hours[oracle]"));
        assert_eq!((of("chosen[mean]"), of("chosen[0.9]")), (1.0, 0.0));
    }

    #[test]
    fn where_nothing_keeps_the_limit_the_least_late_work_is_chosen() {
        let fleet = fleet();
        let evaluator =
            Evaluator { fleet: &fleet, levels: &LEVELS, late_work_at_most: 0.01, largest_work: 1.0 };
        let of = |late_work_share, replica_hours| CapacityTotals {
            replica_hours,
            idle_replica_hours: 0.0,
            under_provisioned_share: 0.0,
            late_work_share,
            max_delay_s: 0.0,
            scale_events: 0.0,
        };
        assert_eq!(evaluator.choose([of(0.3, 1.0), of(0.2, 9.0)].into_iter()), 1);
        assert_eq!(evaluator.choose([of(0.01, 3.0), of(0.0, 4.0), of(0.02, 1.0)].into_iter()), 0);
    }

    #[test]
    fn a_plan_looks_one_window_and_the_cold_start_ahead_of_the_window_at_whose_end_it_is_made() {
        // Forecast i begins with window i, and says 100 i + ahead.
        let expected = |_: PlanLevel, forecast: usize, ahead: usize| (100 * forecast + ahead) as f64;
        let came = |forecast: usize, ahead: usize| (forecast + ahead) as f64;
        let windows = PlannedWindows::of_forecasts(4, 2, &LEVELS[..1], came, expected);
        assert_eq!(windows.work, [0.0, 1.0, 2.0]);
        assert_eq!(windows.plans, [[102.0, 202.0, 302.0]]);
        // At the end of window 0 the plan is for window 0 + 1 + 2.
        assert_eq!(windows.came, [3.0, 4.0, 5.0]);
    }

    proptest! {
        #[test]
        fn what_is_chosen_on_validation_does_not_depend_on_the_test_windows(
            valid in prop::collection::vec(0.0_f64..500.0, 4..40),
            test in prop::collection::vec(0.0_f64..500.0, 4..40),
        ) {
            let fleet = fleet();
            let evaluator =
                Evaluator { fleet: &fleet, levels: &LEVELS, late_work_at_most: 0.01, largest_work: 500.0 };
            let (valid, test) = (windows(&valid), windows(&test));
            let one = evaluator.evaluate(&valid, &test);
            let other = evaluator.evaluate(&valid, &valid);
            prop_assert_eq!((one.chosen, one.headroom), (other.chosen, other.headroom));
            prop_assert_eq!(&one.valid, &other.valid);
        }

        #[test]
        fn a_static_fleet_for_the_largest_work_is_late_at_most_while_it_starts(
            work in prop::collection::vec(0.0_f64..500.0, 8..40),
        ) {
            let fleet = fleet();
            let largest = work.iter().copied().fold(0.0, f64::max);
            let evaluator =
                Evaluator { fleet: &fleet, levels: &LEVELS, late_work_at_most: 0.01, largest_work: largest };
            let part = windows(&work);
            let evaluation = evaluator.evaluate(&part, &part);
            let replicas = evaluation.test[4].replay.windows.iter().skip(2).map(|window| window.live);
            prop_assert!(replicas.clone().all(|live| live == fleet.need(largest)));
        }
    }
}
