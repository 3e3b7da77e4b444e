//! What acting on the forecasts of a board's models costs, beside the policies that need no forecast.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::significance::{Difference, Significance, correct};
use super::window_losses::WindowLosses;
use crate::capacity::{
    CHOSEN, CapacityTotals, HEADROOM_FACTOR, LATE_WORK_SHARE, PlanLevel, Policy, REPLICA_HOURS, metric_of,
};
use crate::spec::CapacitySpec;

/// What acting on forecasts costs in one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct BoardCapacity {
    /// The service.
    pub spec: CapacitySpec,
    /// Seconds of a window.
    pub window_s: f64,
    /// Windows that are replayed in each fold.
    pub windows: usize,
    /// The models: first those that keep late work within its limit, the fewest replica hours first; then the others, the
    /// least late work first.
    pub models: Vec<CapacityRow>,
    /// The policies that need no forecast.
    pub policies: Vec<CapacityRow>,
    /// What `reactive_with_headroom` multiplies by.
    pub headroom_factor: f64,
    /// Whether results are to come, so that no difference is tested.
    pub is_partial: bool,
}

/// One model or policy.
#[derive(Debug, Clone, PartialEq)]
pub struct CapacityRow {
    /// Its name.
    pub name: String,
    /// The forecasts that its runs act on, with the share of the runs that do; none of a policy without a forecast.
    pub plans: Vec<(PlanLevel, f64)>,
    /// What it costs, the mean over runs.
    pub values: CapacityTotals,
    /// Replica hours and late work for every plan, chosen or not.
    pub frontier: Vec<FrontierPoint>,
    /// Difference of the replica hours to `reactive_with_headroom`, over the whole test part.
    pub against_headroom: Option<Difference>,
}

/// A plan on the frontier of replica hours against late work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrontierPoint {
    /// The forecast that is acted on.
    pub level: PlanLevel,
    /// Hours of replicas that are paid for.
    pub replica_hours: f64,
    /// Share of the work that was late.
    pub late_work_share: f64,
}

/// The replays of one model over the test part.
pub(super) struct ModelReplays {
    pub(super) name: String,
    /// Means over runs of what is recorded of replays, by name.
    pub(super) metrics: BTreeMap<String, f64>,
    /// Replica hours of the chosen plan, window by window.
    pub(super) own: Option<WindowLosses>,
    /// The same of `reactive_with_headroom`.
    pub(super) headroom: Option<WindowLosses>,
}

impl ModelReplays {
    fn values(&self, policy: Option<&str>) -> Option<CapacityTotals> {
        CapacityTotals::of_names(|name| {
            let name = policy.map_or_else(|| name.to_string(), |policy| metric_of(name, policy));
            self.metrics.get(&name).copied()
        })
    }

    fn row(&self, spec: &CapacitySpec) -> Option<CapacityRow> {
        let of =
            |name: &str, level: &PlanLevel| self.metrics.get(&metric_of(name, &level.to_string())).copied();
        let levels = &spec.plan_for.0;
        let shares = levels.iter().filter_map(|level| Some((*level, of(CHOSEN, level)?)));
        let frontier = levels.iter().filter_map(|level| {
            let (replica_hours, late_work_share) = (of(REPLICA_HOURS, level)?, of(LATE_WORK_SHARE, level)?);
            Some(FrontierPoint { level: *level, replica_hours, late_work_share })
        });
        let mut plans: Vec<(PlanLevel, f64)> = shares.filter(|(_, share)| *share > 0.0).collect();
        plans.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        Some(CapacityRow {
            name: self.name.clone(),
            plans,
            values: self.values(None)?,
            frontier: frontier.collect(),
            against_headroom: None,
        })
    }

    /// Replica hours are told of the whole test part, so the mean difference of a window counts for all of its windows.
    fn against_headroom(&self) -> Option<Difference> {
        let (own, headroom) = (self.own.as_ref()?, self.headroom.as_ref()?);
        let windows = own.windows_of_a_fold() as f64;
        let difference = Difference::measure(own, headroom)?;
        Some(Difference {
            mean: difference.mean * windows,
            lower: difference.lower * windows,
            upper: difference.upper * windows,
            ..difference
        })
    }
}

impl CapacityRow {
    /// Whether its late work is within the limit.
    pub fn keeps(&self, spec: &CapacitySpec) -> bool {
        self.values.late_work_share <= spec.late_work_at_most
    }

    /// GPU hours.
    pub fn gpu_hours(&self, spec: &CapacitySpec) -> f64 {
        self.values.replica_hours * spec.gpus_per_replica as f64
    }

    /// What the GPUs cost, where the price is known.
    pub fn cost(&self, spec: &CapacitySpec) -> Option<f64> {
        Some(self.gpu_hours(spec) * spec.cost_per_gpu_hour?)
    }

    /// The verdict on the difference to `reactive_with_headroom`.
    pub fn significance(&self) -> Significance {
        Significance::of(self.against_headroom.as_ref())
    }
}

impl BoardCapacity {
    /// The rows of replayed models; `None` where there is no model.
    pub(super) fn of(
        spec: CapacitySpec,
        window_s: f64,
        replays: &[ModelReplays],
        is_partial: bool,
    ) -> Option<Self> {
        let first = replays.iter().find(|replays| replays.values(None).is_some())?;
        let mut models: Vec<CapacityRow> = replays
            .iter()
            .filter_map(|replays| {
                let against_headroom = if is_partial { None } else { replays.against_headroom() };
                Some(CapacityRow { against_headroom, ..replays.row(&spec)? })
            })
            .collect();
        correct(models.iter_mut().filter_map(|row| row.against_headroom.as_mut()));
        models.sort_by(|a, b| {
            let first = |row: &CapacityRow| {
                if row.keeps(&spec) { row.values.replica_hours } else { row.values.late_work_share }
            };
            b.keeps(&spec).cmp(&a.keeps(&spec)).then(first(a).total_cmp(&first(b)))
        });
        let policies = Policy::WITHOUT_FORECAST.iter().filter_map(|policy| {
            let name = policy.to_string();
            let values = first.values(Some(&name))?;
            Some(CapacityRow {
                name,
                plans: Vec::new(),
                values,
                frontier: Vec::new(),
                against_headroom: None,
            })
        });
        Some(Self {
            policies: policies.collect(),
            headroom_factor: first.metrics.get(HEADROOM_FACTOR).copied().unwrap_or(1.0),
            windows: first.own.as_ref().map_or(0, WindowLosses::windows_of_a_fold),
            spec,
            window_s,
            models,
            is_partial,
        })
    }

    /// The row of a policy that needs no forecast.
    pub fn policy(&self, policy: Policy) -> Option<&CapacityRow> {
        let name = policy.to_string();
        self.policies.iter().find(|row| row.name == name)
    }

    /// The rows as JSON.
    pub fn to_json(&self) -> Value {
        let spec = &self.spec;
        let row = |row: &CapacityRow| {
            let CapacityTotals {
                replica_hours,
                idle_replica_hours,
                under_provisioned_share,
                late_work_share,
                max_delay_s,
                scale_events,
            } = row.values;
            let plans: Vec<Value> = row
                .plans
                .iter()
                .map(|(level, share)| json!({ "plan_for": level, "share_of_runs": share }))
                .collect();
            let frontier: Vec<Value> = row
                .frontier
                .iter()
                .map(|point| {
                    json!({ "plan_for": point.level, "replica_hours": point.replica_hours,
                            "late_work_share": point.late_work_share })
                })
                .collect();
            let difference = row.against_headroom.as_ref().map(|difference| {
                json!({ "replica_hours": difference.mean, "lower": difference.lower, "upper": difference.upper,
                        "p_value": difference.holm_p_value, "blocks": difference.blocks })
            });
            json!({
                "name": row.name, "plans": plans, "replica_hours": replica_hours,
                "idle_replica_hours": idle_replica_hours, "under_provisioned_share": under_provisioned_share,
                "late_work_share": late_work_share, "max_delay_s": max_delay_s, "scale_events": scale_events,
                "gpu_hours": row.gpu_hours(spec), "cost": row.cost(spec), "keeps_limit": row.keeps(spec),
                "against_reactive_with_headroom": difference, "frontier": frontier,
            })
        };
        let rows = |rows: &[CapacityRow]| rows.iter().map(row).collect::<Vec<_>>();
        json!({
            "capacity": spec, "window_s": self.window_s, "windows": self.windows,
            "headroom_factor": self.headroom_factor, "models": rows(&self.models), "policies": rows(&self.policies),
        })
    }
}
