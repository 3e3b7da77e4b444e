//! Samples a synthetic continuation of a trace from the forecast distributions of a model.

use anyhow::ensure;

use super::forecast::ForecastStep;
use super::roll::roll;
use super::saved_model::SavedModel;
use crate::dataset::{ChannelScale, Trace};
use crate::spec::TaskSpec;
use crate::stats::{QUANTILES, Stream};

/// A sampled request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampledRequest {
    /// Seconds after the last request of the trace that is continued.
    pub arrival_s: f64,
    /// Prompt tokens: whole, at least 1.
    pub request_tokens: f64,
    /// Generated tokens: whole, at least 1.
    pub response_tokens: f64,
}

impl SavedModel {
    /// Samples the next `count` requests after a trace, the same for the same seed.
    ///
    /// Each request is drawn from the distribution that the model's calibrated quantiles describe, and then belongs to the
    /// history of the next one. Each quantity is drawn independently as the quantile at a uniformly random level: linear
    /// between the known quantiles on the model's scale, and extrapolated beyond the outermost two.
    ///
    /// # Errors
    /// A model of another task or without intervals, and those of [`SavedModel::forecast`].
    pub fn generate(&self, trace: &Trace, count: usize, seed: u64) -> anyhow::Result<Vec<SampledRequest>> {
        let task = &self.saved().spec.task;
        ensure!(
            matches!(task, TaskSpec::NextRequest(_)),
            "only a model of the task next_request can generate requests, but this one was trained for {}",
            task.kind()
        );
        ensure!(
            self.offsets().is_some(),
            "run {} has no intervals, and therefore no distribution to draw from; train it with uncertainty.conformal = \
             \"adaptive\" or \"split\"",
            self.saved().run_id
        );
        let past = self.past(trace)?;
        let mut history = past.before(past.steps.len());
        let mut stream = Stream::sampling(seed);
        let mut arrival_s = 0.0;
        let mut requests = Vec::with_capacity(count);
        for _ in 0..count {
            let step = roll(self, &history, 1, true).swap_remove(0);
            let [gap_s, request_tokens, response_tokens] = self.draw(&step, &mut stream);
            // The history continues with the rounded values, since these are written.
            let tokens = [request_tokens, response_tokens].map(|tokens| tokens.round().max(1.0));
            history.push_forecast(&[gap_s, tokens[0], tokens[1]]);
            arrival_s += gap_s;
            requests.push(SampledRequest {
                arrival_s,
                request_tokens: tokens[0],
                response_tokens: tokens[1],
            });
        }
        Ok(requests)
    }

    /// The gap in seconds, request and response tokens, none below zero.
    fn draw(&self, step: &ForecastStep, stream: &mut Stream) -> [f64; 3] {
        std::array::from_fn(|target| {
            quantile_at(stream.unit(), &step.bounds[target], &self.saved().scaler.channels[target])
        })
    }
}

/// The quantile at any level, in original units, from those at [`QUANTILES`].
fn quantile_at(level: f64, bounds: &[f64; QUANTILES.len()], scale: &ChannelScale) -> f64 {
    let above = QUANTILES.partition_point(|&known| known < level).clamp(1, QUANTILES.len() - 1);
    let [low, high] = [above - 1, above].map(|index| scale.scale(bounds[index]));
    let share = (level - QUANTILES[above - 1]) / (QUANTILES[above] - QUANTILES[above - 1]);
    scale.unscale(low + share * (high - low))
}

/// Writes requests as CSV in the layout of `BurstGPT`, timestamps to the microsecond.
pub fn to_burstgpt(requests: &[SampledRequest]) -> String {
    let mut text = String::from("Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n");
    for request in requests {
        let SampledRequest { arrival_s, request_tokens, response_tokens } = request;
        let total = request_tokens + response_tokens;
        let row = format!("{arrival_s:.6},ChatGPT,{request_tokens},{response_tokens},{total},API log\n");
        text.push_str(&row);
    }
    text
}

/// Writes requests as JSON lines in the layout of Mooncake, timestamps in whole milliseconds and without shared blocks.
pub fn to_mooncake(requests: &[SampledRequest]) -> String {
    let mut text = String::new();
    for request in requests {
        let timestamp = (request.arrival_s * 1e3).round();
        let row = format!(
            "{{\"timestamp\": {timestamp}, \"input_length\": {}, \"output_length\": {}, \"hash_ids\": []}}\n",
            request.request_tokens, request.response_tokens
        );
        text.push_str(&row);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Channel, Transform};

    #[test]
    fn a_level_between_two_quantiles_lies_between_their_values() {
        let channel = Channel { name: "x".into(), unit: String::new(), transform: Transform::Identity };
        let scale = ChannelScale::new(channel, 3.0, 2.0);
        let bounds = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        for (level, value) in QUANTILES.iter().zip(bounds) {
            assert!((quantile_at(*level, &bounds, &scale) - value).abs() < 1e-9);
        }
        assert!((quantile_at(0.625, &bounds, &scale) - 4.5).abs() < 1e-9);
        // Beyond the outermost ones on their line: 0.025 below 0.025 is a third of the way from 0.025 to 0.1.
        assert!((quantile_at(0.0, &bounds, &scale) - (1.0 - 1.0 / 3.0)).abs() < 1e-9);
    }
}
