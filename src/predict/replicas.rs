//! How many replicas a forecast of work asks for, by the rule that replays judge.

use std::path::Path;

use anyhow::Context;

use super::forecast::Forecast;
use crate::capacity::{CHOSEN, Fleet, PlanLevel, RecentNeeds, WORK, metric_of};
use crate::dataset::Part;
use crate::stats::QUANTILES;
use crate::store::{SavedRun, Store};

/// Turns forecasts of work into numbers of replicas.
#[derive(Debug, Clone)]
pub struct ReplicaPlan {
    fleet: Fleet,
    level: PlanLevel,
    /// Index of the work among the targets.
    work: usize,
    recent: RecentNeeds,
}

/// How many replicas are wanted, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplicasWanted {
    /// Replicas that there should be, those that are starting included.
    pub wanted: u64,
    /// Replicas that the work needs by itself; more are wanted where one of the last windows needed more.
    pub needed: u64,
    /// The work that is planned for, in replica-seconds.
    pub work_s: f64,
    /// Which forecast of it that is; `None` where it is not forecast, but the last work that is known.
    pub plan_for: Option<PlanLevel>,
    /// The step that is planned for, counted from 1: the first one in which a replica that is ordered now serves.
    pub step: usize,
}

impl ReplicaPlan {
    /// The plan of a run: its service, and the forecast that was chosen on validation. `None` where nothing acts on its
    /// forecasts.
    ///
    /// # Errors
    /// A run that has recorded no choice, and a store that cannot be read.
    pub fn of_run(results: &Path, saved: &SavedRun) -> anyhow::Result<Option<Self>> {
        let Some(capacity) = &saved.spec.capacity else { return Ok(None) };
        let run_id = &saved.run_id;
        let window_s = saved.window_s();
        let window_s =
            window_s.with_context(|| format!("the rows of run {run_id} are not a fixed time apart"))?;
        let metrics = Store::open_read_only(results)?
            .metrics_of_runs(std::slice::from_ref(run_id), Part::Valid.as_str())?;
        let is_chosen = |level: &&PlanLevel| {
            let name = metric_of(CHOSEN, &level.to_string());
            metrics.iter().any(|metric| metric.target == WORK && metric.name == name && metric.value > 0.5)
        };
        let chosen = capacity.plan_for.0.iter().find(is_chosen).copied();
        let level = chosen.with_context(|| {
            format!("run {run_id} has recorded no choice among plan_for; run its experiment again with this version")
        })?;
        let fleet = capacity.fleet(window_s);
        let recent = RecentNeeds::none(&fleet);
        Ok(Some(Self { fleet, level, work: saved.target_count() - 1, recent }))
    }

    /// The forecast that is planned for.
    pub fn level(&self) -> PlanLevel {
        self.level
    }

    /// Steps that a forecast must reach ahead.
    pub fn least_steps(&self) -> usize {
        self.fleet.cold_start_windows + 1
    }

    /// Windows whose needs decide.
    pub fn windows(&self) -> usize {
        self.fleet.scale_down_windows
    }

    /// What is wanted at the end of a window, given the forecast of the next ones.
    pub(super) fn decide(&mut self, forecast: &Forecast) -> Option<ReplicasWanted> {
        let step = forecast.steps.get(self.fleet.cold_start_windows)?;
        let quantile = match self.level {
            PlanLevel::Mean => None,
            PlanLevel::Quantile(level) => QUANTILES.iter().position(|own| *own == level),
        };
        // As in replays, a model without intervals is planned for by its point.
        let bounds = quantile.and_then(|quantile| Some(step.bounds.get(self.work)?[quantile]));
        let work_s = bounds.unwrap_or(step.values[self.work]);
        let needed = self.fleet.need(work_s);
        let wanted = self.recent.push(needed);
        Some(ReplicasWanted { wanted, needed, work_s, plan_for: Some(self.level), step: self.least_steps() })
    }

    /// Takes back the last decision, for another one in its place: the values of its window have changed.
    pub(super) fn take_back(&mut self) {
        self.recent.pop();
    }

    /// What is wanted while nothing new is known: what the last known work needs, and no fewer than were wanted before.
    pub(super) fn hold(&self, before: &ReplicasWanted, last_values: &[f64]) -> ReplicasWanted {
        let work_s = last_values.get(self.work).copied().unwrap_or(before.work_s);
        let needed = self.fleet.need(work_s);
        let wanted = before.wanted.max(needed);
        ReplicasWanted { wanted, needed, work_s, plan_for: None, step: before.step }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::capacity::replay;
    use crate::predict::ForecastStep;

    fn plan(level: PlanLevel) -> ReplicaPlan {
        let fleet = Fleet {
            window_s: 10.0,
            target_utilization: 0.5,
            cold_start_windows: 1,
            scale_down_windows: 3,
            min_replicas: 1,
            max_replicas: 40,
            max_delay_s: 1.0,
        };
        ReplicaPlan { recent: RecentNeeds::none(&fleet), fleet, level, work: 0 }
    }

    fn forecast(work: f64) -> Forecast {
        let step = |work: f64| ForecastStep {
            time_s: 0.0,
            values: vec![work],
            bounds: vec![[0.0, 0.0, 0.0, 0.0, 0.0, 2.0 * work, 0.0]],
        };
        let steps = vec![step(0.0), step(work)];
        Forecast { targets: Vec::new().into(), time_name: "start_s", last_s: 0.0, steps }
    }

    #[test]
    fn a_silent_input_never_lets_replicas_go() {
        let mut plan = plan(PlanLevel::Quantile(0.9));
        let wanted = plan.decide(&forecast(20.0)).unwrap();
        assert_eq!((wanted.wanted, wanted.needed, wanted.work_s, wanted.step), (8, 8, 40.0, 2));
        let held = plan.hold(&wanted, &[10.0]);
        assert_eq!((held.wanted, held.needed, held.work_s, held.plan_for), (8, 2, 10.0, None));
        assert_eq!(plan.hold(&wanted, &[75.0]).wanted, 15);
    }

    proptest! {
        #[test]
        fn live_decisions_are_those_of_a_replay(
            work in prop::collection::vec(0.0_f64..300.0, 1..40),
            planned in prop::collection::vec(0.0_f64..300.0, 40),
        ) {
            let mut plan = plan(PlanLevel::Mean);
            let replayed = replay(&plan.fleet, &work, &planned[..work.len()]);
            for (window, planned) in replayed.windows.iter().skip(1).zip(&planned) {
                let wanted = plan.decide(&forecast(*planned)).unwrap().wanted;
                prop_assert_eq!(window.live + window.starting, wanted);
            }
        }
    }
}
