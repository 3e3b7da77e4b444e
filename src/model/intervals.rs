//! Intervals around the forecasts of any model: conformal bounds of its errors on steps that nothing else has seen.
//!
//! Errors are signed and in scaled units, and every bound is a quantile of its own. Gaps and tokens are log-transformed
//! there, so an interval around a forecast of 100 tokens is as wide as a factor and not as a number of tokens, and it
//! reaches farther up than down, as the errors do.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use crate::dataset::{ChannelScale, Windows};
use crate::model::{Forecaster, ParameterValues, Parameters};
use crate::spec::ConformalSpec;
use crate::stats::{Conformal, QUANTILES, offsets};

/// Quantiles of one forecast, at [`QUANTILES`], in increasing order.
pub type Bounds = [f32; QUANTILES.len()];

/// The levels of the intervals, in percent.
pub const LEVELS: [u32; 3] = [50, 80, 95];

/// Name of the file that keeps the offsets beside the saved model.
pub const FILE: &str = "intervals.safetensors";

/// The lower and the upper bound of the interval at `LEVELS[index]`.
pub fn interval<T: Copy>(bounds: &[T; QUANTILES.len()], index: usize) -> (T, T) {
    let middle = QUANTILES.len() / 2;
    (bounds[middle - 1 - index], bounds[middle + 1 + index])
}

/// The method that an experiment asks for; `None` without intervals.
pub fn method(spec: ConformalSpec) -> Option<Conformal> {
    match spec {
        ConformalSpec::Adaptive => Some(Conformal::ADAPTIVE),
        ConformalSpec::Split => Some(Conformal::Split),
        ConformalSpec::None => None,
    }
}

/// What a model forecasts for the windows of a part, before calibration: one value for each step and target, or one for
/// each of [`QUANTILES`] from a model with quantile heads.
pub struct Base<'a> {
    windows: &'a Windows<'a>,
    values: Cow<'a, [f32]>,
    heads: usize,
}

impl<'a> Base<'a> {
    /// Asks the model for its quantiles; where it has none, its `forecast` of the windows stands for all of them.
    pub fn new(model: &dyn Forecaster, windows: &'a Windows<'a>, forecast: &'a [f32]) -> Self {
        match model.quantiles(windows) {
            Some(values) => Self { windows, values: Cow::Owned(values), heads: QUANTILES.len() },
            None => Self { windows, values: Cow::Borrowed(forecast), heads: 1 },
        }
    }

    fn at(&self, window: usize, ahead: usize, target: usize, quantile: usize) -> f64 {
        let cell = (window * self.windows.horizon + ahead) * self.windows.steps.target_count + target;
        let head = if self.heads == 1 { 0 } else { quantile };
        f64::from(self.values[cell * self.heads + head])
    }

    /// Actual minus base forecast of every window, in order of time.
    fn errors(&self, ahead: usize, target: usize, quantile: usize) -> Vec<f64> {
        let cell = ahead * self.windows.steps.target_count + target;
        (0..self.windows.len())
            .map(|window| {
                f64::from(self.windows.target(window)[cell]) - self.at(window, ahead, target, quantile)
            })
            .collect()
    }
}

/// The calibrated bounds of one target.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetBounds {
    /// For each window and step ahead, in scaled units.
    pub bounds: Vec<Bounds>,
    /// What is added to the base forecasts after the end of the data, for each step ahead.
    pub next: Vec<Bounds>,
}

/// The target steps that calibration sees.
pub fn calibrated_steps(windows: &Windows<'_>) -> Range<usize> {
    windows.origins.start..(windows.origins.end + windows.horizon).saturating_sub(1)
}

/// Bounds of one target for the windows of `test`, from the errors on `calibration` and, if the method adapts, from
/// those errors on test windows whose steps have come when the forecast is made.
///
/// `None` without a calibration window.
pub fn target_bounds(
    calibration: &Base<'_>,
    test: &Base<'_>,
    target: usize,
    scale: &ChannelScale,
    method: Conformal,
) -> Option<TargetBounds> {
    let (count, horizon) = (test.windows.len(), test.windows.horizon);
    let mut bounds = vec![Bounds::default(); count * horizon];
    let mut next = vec![Bounds::default(); horizon];
    for (ahead, next) in next.iter_mut().enumerate() {
        for (quantile, &level) in QUANTILES.iter().enumerate() {
            let known = calibration.errors(ahead, target, quantile);
            let found = offsets(&known, &test.errors(ahead, target, quantile), ahead + 1, level, method)?;
            for (window, offset) in found.each.iter().enumerate() {
                bounds[window * horizon + ahead][quantile] =
                    (test.at(window, ahead, target, quantile) + offset) as f32;
            }
            next[quantile] = found.next as f32;
        }
    }
    for bounds in &mut bounds {
        settle(bounds, scale);
    }
    Some(TargetBounds { bounds, next })
}

/// Puts crossing bounds in order, which is the nearest set of quantiles (Chernozhukov, Fernández-Val & Galichon,
/// "Quantile and probability curves without crossing", *Econometrica* 78, 2010), and lifts those below zero where no
/// value can be.
fn settle(bounds: &mut Bounds, scale: &ChannelScale) {
    bounds.sort_by(f32::total_cmp);
    if let Some(lowest) = scale.lowest() {
        for bound in bounds {
            *bound = bound.max(lowest);
        }
    }
}

/// What a saved model adds to its base forecasts to get its bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedOffsets {
    horizon: usize,
    /// `targets x horizon`.
    offsets: Vec<Bounds>,
}

impl SavedOffsets {
    /// The offsets of all targets.
    pub fn new(horizon: usize, targets: &[TargetBounds]) -> Self {
        Self { horizon, offsets: targets.iter().flat_map(|target| target.next.iter().copied()).collect() }
    }

    /// The bytes of [`FILE`]: one tensor `offsets` of shape `targets x horizon x quantiles`.
    ///
    /// # Errors
    /// Never for offsets of a run.
    pub fn to_bytes(&self) -> anyhow::Result<Vec<u8>> {
        let targets = self.offsets.len() / self.horizon;
        let data = self.offsets.iter().flatten().copied().collect();
        let values = ParameterValues { shape: vec![targets, self.horizon, QUANTILES.len()], data };
        Parameters::from([("offsets".to_string(), values)]).to_safetensors()
    }

    /// Reads [`FILE`].
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn read(path: &Path, targets: usize, horizon: usize) -> anyhow::Result<Self> {
        let parameters = Parameters::read(path)?;
        let values = parameters.get("offsets", &[targets, horizon, QUANTILES.len()])?;
        let (offsets, _) = values.data.as_chunks();
        Ok(Self { horizon, offsets: offsets.to_vec() })
    }

    /// Bounds of the forecast of a window beyond the end of the data, in original units.
    pub fn bounds(
        &self,
        base: &Base<'_>,
        (ahead, target): (usize, usize),
        scale: &ChannelScale,
    ) -> [f64; QUANTILES.len()] {
        let mut bounds = self.offsets[target * self.horizon + ahead];
        for (quantile, bound) in bounds.iter_mut().enumerate() {
            *bound += base.at(0, ahead, target, quantile) as f32;
        }
        settle(&mut bounds, scale);
        bounds.map(|bound| scale.unscale(f64::from(bound)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Channel, Transform};

    fn scale(transform: Transform) -> ChannelScale {
        let channel = Channel { name: "x".into(), unit: String::new(), transform };
        ChannelScale::new(channel, 1.0, 2.0)
    }

    #[test]
    fn intervals_are_nested_around_the_median() {
        let bounds: Bounds = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        assert_eq!([0, 1, 2].map(|index| interval(&bounds, index)), [(3.0, 5.0), (2.0, 6.0), (1.0, 7.0)]);
        for (index, level) in LEVELS.iter().enumerate() {
            let middle = QUANTILES.len() / 2;
            let share = QUANTILES[middle + 1 + index] - QUANTILES[middle - 1 - index];
            assert!((share - f64::from(*level) / 100.0).abs() < 1e-12);
        }
    }

    #[test]
    fn crossing_bounds_are_put_in_order_and_no_count_is_negative() {
        let mut bounds: Bounds = [-3.0, 0.0, -1.0, 1.0, 2.0, 4.0, 3.0];
        settle(&mut bounds, &scale(Transform::Identity));
        assert_eq!(bounds, [-3.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
        settle(&mut bounds, &scale(Transform::Log1p));
        assert_eq!(bounds, [-0.5, -0.5, 0.0, 1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn saved_offsets_read_back() {
        let targets =
            [TargetBounds { bounds: Vec::new(), next: vec![[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.5]; 2] }; 1];
        let saved = SavedOffsets::new(2, &targets);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), saved.to_bytes().unwrap()).unwrap();
        assert_eq!(SavedOffsets::read(file.path(), 1, 2).unwrap(), saved);
        assert!(SavedOffsets::read(file.path(), 2, 1).is_err());
    }
}
