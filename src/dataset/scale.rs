//! Brings channels to the scale that models learn on, and forecasts back to original units.

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::steps::{Channel, Steps, Transform};
use crate::kernel::ln_1p;

/// The fitted scale of one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelScale {
    /// The channel.
    pub channel: Channel,
    /// Mean of the transformed training rows.
    pub mean: f64,
    /// Standard deviation (divided by n) of the transformed training rows; 1 where they are constant.
    pub std: f64,
    /// Inputs are clipped above this value, in original units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
}

impl ChannelScale {
    /// From original units to the scale of the model.
    pub fn scale(&self, value: f64) -> f64 {
        (transformed(self.channel.transform, value) - self.mean) / self.std
    }

    /// As [`ChannelScale::scale`], of many values at once.
    pub fn scale_all(&self, values: &mut [f64]) {
        transform_all(self.channel.transform, values);
        for value in values {
            *value = (*value - self.mean) / self.std;
        }
    }

    /// Whether an input of this value is clipped.
    pub fn clips(&self, value: f64) -> bool {
        self.clip.is_some_and(|clip| value > clip)
    }

    /// As [`ChannelScale::scale`], clipped: for inputs only.
    pub fn scale_input(&self, value: f64) -> f64 {
        self.scale(self.clip.map_or(value, |clip| value.min(clip)))
    }

    /// From the scale of the model back to original units.
    pub fn unscale(&self, value: f64) -> f64 {
        let value = value * self.std + self.mean;
        match self.channel.transform {
            Transform::Log1p => libm::expm1(value),
            Transform::Identity | Transform::Raw => value,
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
                let (mean, std) = match channel.transform {
                    Transform::Raw => (0.0, 1.0),
                    transform => {
                        let mut values = values;
                        transform_all(transform, &mut values);
                        mean_and_deviation(&values)
                    }
                };
                ChannelScale { channel: channel.clone(), mean, std, clip }
            })
            .collect();
        Self { channels, fitted: rows }
    }
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    // A channel that never moves in training carries no scale: leave its units alone.
    let std = if variance.sqrt() > 1e-12 * mean.abs().max(1e-12) { variance.sqrt() } else { 1.0 };
    (mean, std)
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

    #[test]
    fn a_constant_channel_scales_to_zero_not_to_infinity() {
        let scaler = Scaler::fit(&steps(vec![5.0; 10], Transform::Identity), 0..10, None);
        assert_eq!(scaler.channels[0].scale(5.0), 0.0);
        assert_eq!(scaler.channels[0].std, 1.0);
    }
}
