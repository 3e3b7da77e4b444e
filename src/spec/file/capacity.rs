//! The `[capacity]` table of an experiment file: the service that acts on the forecasts.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use crate::capacity::{Fleet, PlanLevel};
use crate::spec::duration::Span;

/// The service whose replicas follow the forecasts. The work of a window becomes a target of its own, `work_s`, and every
/// model is judged by what acting on its forecast of it costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapacitySpec {
    /// Request (prompt) tokens that one replica processes in a second.
    pub prefill_tokens_per_s: f64,
    /// Response (generated) tokens that one replica produces in a second.
    pub decode_tokens_per_s: f64,
    /// The share of a replica's time that is planned for.
    #[serde(default = "target_utilization")]
    pub target_utilization: f64,
    /// Time from the order of a replica until it serves. The horizon must reach beyond it: at the end of a window, replicas
    /// are ordered for the window after the next `cold_start`.
    pub cold_start: Span,
    /// How long replicas stay that are not needed any more.
    #[serde(default = "scale_down_after")]
    pub scale_down_after: Span,
    /// The delay beyond which work counts as late.
    #[serde(default = "max_delay")]
    pub max_delay: Span,
    /// The fewest replicas.
    #[serde(default = "min_replicas")]
    pub min_replicas: u64,
    /// The most replicas.
    #[serde(default = "max_replicas")]
    pub max_replicas: u64,
    /// GPUs of one replica.
    #[serde(default = "gpus_per_replica")]
    pub gpus_per_replica: u64,
    /// What a GPU costs in an hour, in any currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_per_gpu_hour: Option<f64>,
    /// The share of the work that may be late. Plans and headroom are chosen on validation among those that keep it.
    #[serde(default = "late_work_at_most")]
    pub late_work_at_most: f64,
    /// The forecasts that may be acted on: `"mean"`, the point forecast, and levels of quantiles from 0.025 to 0.975. Levels
    /// between those that intervals consist of (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975) lie on a straight line between their
    /// neighbours. Which one is best is chosen on validation; more of them cost no training. `{ grid = [...] }` means the same
    /// list.
    #[serde(default)]
    pub plan_for: PlanFor,
    /// Column with the request tokens of a window; for the task `series`, which needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_tokens: Option<String>,
    /// Column with the response tokens of a window; for the task `series`, which needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_tokens: Option<String>,
}

fn target_utilization() -> f64 {
    0.8
}

fn scale_down_after() -> Span {
    Span(std::time::Duration::from_mins(5))
}

fn max_delay() -> Span {
    Span(std::time::Duration::from_secs(10))
}

fn min_replicas() -> u64 {
    1
}

fn max_replicas() -> u64 {
    64
}

fn gpus_per_replica() -> u64 {
    1
}

fn late_work_at_most() -> f64 {
    0.01
}

/// The forecasts that may be acted on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanFor(pub Vec<PlanLevel>);

impl Default for PlanFor {
    fn default() -> Self {
        let quantiles = [0.5, 0.75, 0.9, 0.975].map(PlanLevel::Quantile);
        Self([PlanLevel::Mean].into_iter().chain(quantiles).collect())
    }
}

impl<'de> Deserialize<'de> for PlanFor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for PlanFor {
    fn schema_name() -> Cow<'static, str> {
        "PlanFor".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let list = json!({ "type": "array", "items": generator.subschema_for::<PlanLevel>(), "minItems": 1 });
        json_schema!({
            "anyOf": [
                list,
                { "type": "object", "properties": { "grid": list }, "required": ["grid"], "additionalProperties": false }
            ]
        })
    }
}

impl CapacitySpec {
    /// The work of a window with these tokens, in replica-seconds.
    pub fn work(&self, request_tokens: f64, response_tokens: f64) -> f64 {
        request_tokens / self.prefill_tokens_per_s + response_tokens / self.decode_tokens_per_s
    }

    /// Windows that a cold start takes, rounded up.
    pub fn cold_start_windows(&self, window_s: f64) -> usize {
        whole_windows(self.cold_start, window_s)
    }

    /// The least horizon that reaches beyond the cold start.
    pub fn least_horizon(&self, window_s: f64) -> usize {
        self.cold_start_windows(window_s).saturating_add(1)
    }

    /// The service, given the seconds of a window.
    pub fn fleet(&self, window_s: f64) -> Fleet {
        Fleet {
            window_s,
            target_utilization: self.target_utilization,
            cold_start_windows: self.cold_start_windows(window_s),
            scale_down_windows: whole_windows(self.scale_down_after, window_s).max(1),
            min_replicas: self.min_replicas,
            max_replicas: self.max_replicas,
            max_delay_s: self.max_delay.seconds(),
        }
    }
}

/// Windows in a length of time, rounded up.
fn whole_windows(span: Span, window_s: f64) -> usize {
    // A quotient such as 0.6 / 0.2 exceeds the whole number it stands for by its rounding.
    (span.seconds() / window_s - 1e-9).ceil() as usize
}
