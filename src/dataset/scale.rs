//! Brings channels to the scale that models learn on, and forecasts back to original units.

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::steps::{Channel, Steps, Transform};
use crate::kernel::ln_1p;
use crate::stats::Moments;

/// The fitted scale of one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelScale {
    /// The channel.
    pub channel: Channel,
    /// Mean of the transformed training rows.
    pub mean: f64,
    /// What the mean lost by rounding: it is felt where the mean is many deviations from zero.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mean_rest: f64,
    /// Standard deviation (divided by n) of the transformed training rows; 1 where they are constant.
    pub std: f64,
    /// Whether the training rows are constant, as far as floating point tells them apart.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub constant: bool,
    /// Inputs are clipped above this value, in original units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl ChannelScale {
    /// A scale with this mean and deviation, without a clip.
    pub fn new(channel: Channel, mean: f64, std: f64) -> Self {
        Self { channel, mean, mean_rest: 0.0, std, constant: false, clip: None }
    }

    /// Fits mean and deviation on some values.
    fn fit(channel: &Channel, mut values: Vec<f64>, clip: Option<f64>) -> Self {
        if channel.transform == Transform::Raw {
            return Self::new(channel.clone(), 0.0, 1.0);
        }
        transform_all(channel.transform, &mut values);
        let Moments { mean, mean_rest, deviation } = Moments::of(&values);
        // A channel that never moves in training carries no scale: leave its units alone. However small its values are, a
        // deviation that floating point can tell from zero beside them is a scale.
        let constant = deviation <= f64::EPSILON * mean.abs();
        let std = if constant { 1.0 } else { deviation };
        Self { channel: channel.clone(), mean, mean_rest, std, constant, clip }
    }

    /// From original units to the scale of the model.
    pub fn scale(&self, value: f64) -> f64 {
        self.standardised(transformed(self.channel.transform, value))
    }

    /// As [`ChannelScale::scale`], of many values at once.
    pub fn scale_all(&self, values: &mut [f64]) {
        transform_all(self.channel.transform, values);
        for value in values {
            *value = self.standardised(*value);
        }
    }

    fn standardised(&self, transformed: f64) -> f64 {
        ((transformed - self.mean) - self.mean_rest) / self.std
    }

    /// Whether an input of this value is clipped.
    pub fn clips(&self, value: f64) -> bool {
        self.clip.is_some_and(|clip| value > clip)
    }

    /// As [`ChannelScale::scale`], clipped: for inputs only.
    pub fn scale_input(&self, value: f64) -> f64 {
        self.scale(self.clip.map_or(value, |clip| value.min(clip)))
    }

    /// The least scaled value that the channel can have; `None` where it has no bound. Gaps, tokens and counts are never
    /// below zero.
    pub fn lowest(&self) -> Option<f32> {
        (self.channel.transform == Transform::Log1p).then(|| self.scale(0.0) as f32)
    }

    /// From the scale of the model back to original units. Where no value can be below zero, none is: what single precision
    /// cannot tell from the least scaled value is exactly zero.
    pub fn unscale(&self, value: f64) -> f64 {
        if self.lowest().is_some_and(|lowest| value as f32 <= lowest) {
            return 0.0;
        }
        let value = value * self.std + self.mean_rest + self.mean;
        match self.channel.transform {
            Transform::Log1p => libm::expm1(value),
            Transform::Identity | Transform::Raw => value,
        }
    }

    /// As [`ChannelScale::unscale`], but a channel that is not transformed is counted from its mean. Differences of such
    /// values are those of values in original units, and lose nothing to a mean that is many deviations from zero.
    pub fn unscale_from_mean(&self, value: f64) -> f64 {
        match self.channel.transform {
            Transform::Log1p => self.unscale(value),
            Transform::Identity | Transform::Raw => value * self.std,
        }
    }

    /// Forecast minus actual value in original units, given the forecast in scaled units.
    pub fn error(&self, scaled_forecast: f64, actual: f64) -> f64 {
        match self.channel.transform {
            Transform::Log1p => self.unscale(scaled_forecast) - actual,
            Transform::Identity | Transform::Raw => (scaled_forecast - self.scale(actual)) * self.std,
        }
    }
}

fn transformed(transform: Transform, value: f64) -> f64 {
    match transform {
        Transform::Log1p => libm::log1p(value),
        Transform::Identity | Transform::Raw => value,
    }
}

fn transform_all(transform: Transform, values: &mut [f64]) {
    match transform {
        Transform::Log1p => ln_1p(values),
        Transform::Identity | Transform::Raw => {}
    }
}

/// The fitted scales of all channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaler {
    /// One scale for each channel.
    pub channels: Vec<ChannelScale>,
    /// The steps it was fitted on.
    pub fitted: Range<usize>,
}

impl Scaler {
    /// Fits mean, deviation and clip on the steps in `rows` and on no other.
    pub fn fit(steps: &Steps, rows: Range<usize>, clip_quantile: Option<f64>) -> Self {
        let channels = steps
            .channels
            .par_iter()
            .enumerate()
            .map(|(index, channel)| {
                let values: Vec<f64> = steps.channel(index).skip(rows.start).take(rows.len()).collect();
                let clip = match channel.transform {
                    Transform::Raw => None,
                    _ => clip_quantile.map(|level| quantile(&values, level)),
                };
                ChannelScale::fit(channel, values, clip)
            })
            .collect();
        Self { channels, fitted: rows }
    }
}

/// The smallest value that at least a share `level` of the values do not exceed.
fn quantile(values: &[f64], level: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (level * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn steps(values: Vec<f64>, transform: Transform) -> Steps {
        let channel = Channel { name: "x".into(), unit: String::new(), transform };
        Steps {
            channels: vec![channel],
            targets: 1,
            time_s: (0..values.len()).map(|step| step as f64).collect(),
            values: values.into(),
        }
    }

    proptest! {
        #[test]
        fn unscaling_inverts_scaling(values in prop::collection::vec(0.0_f64..1e6, 2..60), probe in 0.0_f64..1e6) {
            for transform in [Transform::Log1p, Transform::Identity, Transform::Raw] {
                let scaler = Scaler::fit(&steps(values.clone(), transform), 0..values.len(), None);
                let back = scaler.channels[0].unscale(scaler.channels[0].scale(probe));
                prop_assert!((back - probe).abs() <= 1e-8 * probe.max(1.0), "{transform:?}: {probe} became {back}");
            }
        }

        #[test]
        fn later_rows_never_change_the_scaler(values in prop::collection::vec(0.0_f64..1e4, 4..60), other in 0.0_f64..1e9) {
            let train = values.len() / 2;
            let mut changed = values.clone();
            for value in &mut changed[train..] {
                *value = other;
            }
            let fit = |values: Vec<f64>| Scaler::fit(&steps(values, Transform::Log1p), 0..train, Some(0.9));
            prop_assert_eq!(fit(values), fit(changed));
        }
    }

    proptest! {
        #[test]
        fn an_offset_does_not_change_scaled_values_and_errors(
            ticks in prop::collection::vec(-100_000_i32..100_000, 3..60), offset in -1_000_000_000_i32..1_000_000_000,
            forecast in -3.0_f64..3.0,
        ) {
            // Sixteenths are not rounded beside any of these offsets.
            let values: Vec<f64> = ticks.iter().map(|&tick| f64::from(tick) / 16.0).collect();
            let moved: Vec<f64> = values.iter().map(|value| value + f64::from(offset)).collect();
            let fit = |values: &[f64]| Scaler::fit(&steps(values.to_vec(), Transform::Identity), 0..values.len(), None);
            let (before, after) = (&fit(&values).channels[0], &fit(&moved).channels[0]);
            prop_assert_eq!(before.constant, after.constant);
            for (value, moved) in values.iter().zip(&moved) {
                let (own, other) = (before.scale(*value), after.scale(*moved));
                prop_assert!((own - other).abs() <= 1e-14 * (1.0 + own.abs()), "{} {}", own, other);
                let (own, other) = (before.error(forecast, *value), after.error(forecast, *moved));
                prop_assert!((own - other).abs() <= 1e-13 * before.std * (3.0 + own.abs()), "{} {}", own, other);
            }
        }

        #[test]
        fn no_scaled_value_leads_below_zero(values in prop::collection::vec(0.0_f64..1e6, 2..60), probe in -1e3_f64..1e3) {
            let scaler = Scaler::fit(&steps(values.clone(), Transform::Log1p), 0..values.len(), None);
            let scale = &scaler.channels[0];
            prop_assert!(scale.unscale(probe) >= 0.0);
            prop_assert_eq!(scale.unscale(f64::from(scale.scale(0.0) as f32)), 0.0);
        }
    }

    #[test]
    fn a_constant_channel_scales_to_zero_not_to_infinity() {
        let scaler = Scaler::fit(&steps(vec![5.0; 10], Transform::Identity), 0..10, None);
        assert_eq!(scaler.channels[0].scale(5.0), 0.0);
        assert_eq!(scaler.channels[0].std, 1.0);
        assert!(scaler.channels[0].constant);
    }

    #[test]
    fn values_however_small_or_far_from_zero_are_scaled() {
        for (size, offset) in [(1e-30, 0.0), (1e-200, 0.0), (1.0, 1e12), (1e200, 0.0)] {
            let values = vec![offset - size, offset + size, offset - size, offset + size];
            let scaler = Scaler::fit(&steps(values, Transform::Identity), 0..4, None);
            let scale = &scaler.channels[0];
            assert!(
                !scale.constant && (scale.scale(offset + size) - 1.0).abs() < 1e-9,
                "{size} {offset}: {scale:?}"
            );
        }
    }
}
