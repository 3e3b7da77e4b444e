//! `[capacity]`: rates and limits of the service, and the forecasts that it may act on.

use super::{Check, skips};
use crate::capacity::{PlanLevel, WORK};
use crate::spec::file::{CapacitySpec, ExperimentSpec, Metric, ObjectivePart};
use crate::spec::task::TaskSpec;
use crate::stats::QUANTILES;

/// More replicas than anybody has.
const MOST_REPLICAS: u64 = 1_000_000;

impl Check {
    pub(super) fn capacity(&mut self, spec: &ExperimentSpec) {
        self.objective_of_capacity(spec);
        let Some(capacity) = &spec.capacity else { return };
        self.task_of_capacity(spec, capacity);
        for (key, rate) in [
            ("prefill_tokens_per_s", capacity.prefill_tokens_per_s),
            ("decode_tokens_per_s", capacity.decode_tokens_per_s),
        ] {
            self.require(
                rate > 0.0 && rate.is_finite(),
                &format!("capacity.{key}"),
                format!("{key} must be positive and finite, got {rate}"),
                "give the tokens that one replica handles in a second",
            );
        }
        let utilization = capacity.target_utilization;
        self.require(
            utilization > 0.0 && utilization <= 1.0,
            "capacity.target_utilization",
            format!("target_utilization must be above 0 and at most 1, got {utilization}"),
            "give the share of a replica's time that is planned for, such as 0.8",
        );
        self.require(
            (1..=MOST_REPLICAS).contains(&capacity.min_replicas),
            "capacity.min_replicas",
            format!("min_replicas must be between 1 and {MOST_REPLICAS}, got {}", capacity.min_replicas),
            "a service without a replica would never serve its backlog",
        );
        self.require(
            (capacity.min_replicas..=MOST_REPLICAS).contains(&capacity.max_replicas),
            "capacity.max_replicas",
            format!(
                "max_replicas must be between min_replicas = {} and {MOST_REPLICAS}, got {}",
                capacity.min_replicas, capacity.max_replicas
            ),
            "give the most replicas that there may be",
        );
        self.require(
            (1..=MOST_REPLICAS).contains(&capacity.gpus_per_replica),
            "capacity.gpus_per_replica",
            format!(
                "gpus_per_replica must be between 1 and {MOST_REPLICAS}, got {}",
                capacity.gpus_per_replica
            ),
            "give the GPUs of one replica",
        );
        if let Some(cost) = capacity.cost_per_gpu_hour {
            self.require(
                cost >= 0.0 && cost.is_finite(),
                "capacity.cost_per_gpu_hour",
                format!("cost_per_gpu_hour must be finite and not negative, got {cost}"),
                "give what a GPU costs in an hour, or leave it out",
            );
        }
        let late = capacity.late_work_at_most;
        self.require(
            (0.0..=1.0).contains(&late),
            "capacity.late_work_at_most",
            format!("late_work_at_most must be between 0 and 1, got {late}"),
            "give the share of the work that may be late, such as 0.01",
        );
        self.plans(spec, &capacity.plan_for.0);
    }

    fn task_of_capacity(&mut self, spec: &ExperimentSpec, capacity: &CapacitySpec) {
        self.require(
            !matches!(spec.task, TaskSpec::NextRequest(_)),
            "capacity",
            "[capacity] counts in windows, and next_request has none",
            "use task.window_load, or leave [capacity] out",
        );
        self.require(
            !skips(&spec.task),
            "task.window_load.empty_windows",
            "[capacity] replays every window, and empty_windows = \"skip\" leaves those without requests out",
            "set empty_windows = \"zero\" or \"last\", or leave [capacity] out",
        );
        let is_series = matches!(spec.task, TaskSpec::Series(_));
        for (key, column) in
            [("request_tokens", &capacity.request_tokens), ("response_tokens", &capacity.response_tokens)]
        {
            let path = format!("capacity.{key}");
            if is_series {
                self.require(
                    column.is_some(),
                    "capacity",
                    format!(
                        "{key} is missing: which column of the table holds the {} tokens?",
                        &key[..key.len() - 7]
                    ),
                    format!("add {key} = \"...\" to [capacity]"),
                );
            } else {
                self.require(
                    column.is_none(),
                    &path,
                    format!(
                        "`{key}` has no effect: {} counts the tokens of requests itself",
                        spec.task.kind()
                    ),
                    "leave it out; it names a column for the task series",
                );
            }
        }
    }

    fn plans(&mut self, spec: &ExperimentSpec, levels: &[PlanLevel]) {
        let [least, .., most] = QUANTILES;
        let known = || format!("give \"mean\", or levels of quantiles from {least} to {most}");
        self.require(!levels.is_empty(), "capacity.plan_for", "no forecast is given to act on", known());
        let without_intervals = !spec.uncertainty.conformal.calibrates();
        for (index, level) in levels.iter().enumerate() {
            let path = format!("capacity.plan_for.{index}");
            if let PlanLevel::Quantile(quantile) = level {
                self.require(
                    (least..=most).contains(quantile),
                    &path,
                    format!("no quantile at {quantile} is known: intervals reach from {least} to {most}"),
                    known(),
                );
                self.require(
                    !without_intervals,
                    &path,
                    format!("no interval gives the quantile at {quantile}, since uncertainty.conformal is \"none\""),
                    "set capacity.plan_for = [\"mean\"], or choose another uncertainty.conformal",
                );
            }
            self.require(
                !levels[..index].contains(level),
                &path,
                format!("`{level}` is given twice"),
                "give it once",
            );
        }
    }

    /// An objective that replays give needs a service, and is recorded of the work on validation.
    fn objective_of_capacity(&mut self, spec: &ExperimentSpec) {
        let objective = &spec.search.objective;
        if objective.metric != Metric::ReplicaHours {
            return;
        }
        let name = objective.metric.as_str();
        self.require(
            spec.capacity.is_some(),
            "search.objective.metric",
            format!("{name} needs a service that acts on the forecasts"),
            "add [capacity], or choose another metric",
        );
        self.require(
            objective.target == WORK,
            "search.objective.target",
            format!("{name} is of the target {WORK} alone, not of {}", objective.target),
            format!("set target = \"{WORK}\""),
        );
        self.require(
            objective.part == ObjectivePart::Valid,
            "search.objective.part",
            format!("{name} is measured on validation and test alone"),
            "leave the part out",
        );
    }
}
