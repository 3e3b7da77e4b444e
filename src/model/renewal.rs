//! Renewal processes: gaps that are drawn independently from one distribution (Cox, *Renewal Theory*, 1962), fitted by
//! maximum likelihood on the training gaps.
//!
//! The forecast of the gap is the median of that distribution, and its intervals are its quantiles. Tokens are forecast by
//! the median of the training rows, with their quantiles as intervals, since the process does not describe them.

use super::gap_distribution::{GapDistribution, most_likely, resolution_s};
use super::{FitData, FitError, Forecaster, OnEpoch, ParameterValues, Parameters, Shape};
use crate::dataset::Windows;
use crate::spec::GapFamily;
use crate::stats::{MEDIAN, QUANTILES};

/// A renewal process for the first target, the gap.
pub struct Renewal {
    shape: Shape,
    family: GapFamily,
    /// Parameters of the gap's distribution, in seconds.
    gap: [f32; 2],
    /// `targets x quantiles`, in scaled units.
    quantiles: Vec<f32>,
}

impl Renewal {
    /// A process of this family, whose parameters have no meaning until it is fitted or loaded.
    pub fn new(shape: Shape, family: GapFamily) -> Self {
        Self { shape, family, gap: [1.0; 2], quantiles: vec![0.0; shape.targets * QUANTILES.len()] }
    }

    fn distribution(&self) -> GapDistribution {
        GapDistribution::new(self.family, self.gap.map(f64::from))
    }
}

/// The quantiles of a target over the training steps, in scaled units.
pub fn token_quantiles(data: &FitData<'_>, target: usize) -> [f32; QUANTILES.len()] {
    let mut values = data.training_values(target);
    values.sort_by(f32::total_cmp);
    let rank = |level: f64| ((level * values.len() as f64).ceil() as usize).saturating_sub(1);
    QUANTILES.map(|level| values.get(rank(level)).copied().unwrap_or(0.0))
}

impl Forecaster for Renewal {
    fn fit(&mut self, data: &FitData<'_>, _: OnEpoch<'_>) -> Result<(), FitError> {
        let scale = &data.scaler.channels[0];
        let scaled = data.training_values(0);
        let gaps_s: Vec<f64> = scaled.iter().map(|&value| scale.unscale(f64::from(value))).collect();
        // A gap that the clock shows as zero is at most half a tick long.
        let least = 0.5 * resolution_s(gaps_s.iter().copied());
        let gaps_s: Vec<f64> = gaps_s.into_iter().map(|gap| gap.max(least)).collect();
        self.gap = most_likely(self.family, &gaps_s).map(|parameter| parameter as f32);
        let distribution = self.distribution();
        self.quantiles =
            QUANTILES.iter().map(|&level| scale.scale(distribution.quantile(level)) as f32).collect();
        for target in 1..self.shape.targets {
            self.quantiles.extend(token_quantiles(data, target));
        }
        Ok(())
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        let medians: Vec<f32> =
            self.quantiles.chunks_exact(QUANTILES.len()).map(|quantiles| quantiles[MEDIAN]).collect();
        medians.repeat(windows.len() * self.shape.horizon)
    }

    fn quantiles(&self, windows: &Windows<'_>) -> Option<Vec<f32>> {
        Some(self.quantiles.repeat(windows.len() * self.shape.horizon))
    }

    fn gap_distributions(&self, windows: &Windows<'_>) -> Option<Vec<GapDistribution>> {
        Some(vec![self.distribution(); windows.len()])
    }

    fn lookback(&self) -> usize {
        1
    }

    fn parameters(&self) -> Parameters {
        let shape = vec![self.shape.targets, QUANTILES.len()];
        Parameters::from([
            ("gap".to_string(), ParameterValues::vector(self.gap.to_vec())),
            ("quantiles".to_string(), ParameterValues { shape, data: self.quantiles.clone() }),
        ])
    }

    fn load(&mut self, parameters: &Parameters) -> anyhow::Result<()> {
        let gap = &parameters.get("gap", &[2])?.data;
        self.gap = [gap[0], gap[1]];
        self.quantiles.clone_from(&parameters.get("quantiles", &[self.shape.targets, QUANTILES.len()])?.data);
        Ok(())
    }
}
