//! Keeps what any model forecasts within what its target can be: the only place where forecasts leave a model.
//!
//! Gaps, tokens and counts are never below zero, and a target that has never moved does not begin to where nothing new is
//! seen. Metrics, predictions, intervals and saved models all read the result.

use super::{
    BuildContext, FitData, FitError, Forecaster, GapDistribution, OnEpoch, ParameterValues, Parameters,
};
use crate::dataset::{ChannelScale, Transform, Windows};
use crate::spec::BiasCorrection;
use crate::stats::QUANTILES;
use crate::train::Shape;

/// Name of the saved parameter of [`InSupport::correction`].
const CORRECTION: &str = "bias_correction";

/// A model whose forecasts lie in the support of their targets.
pub struct InSupport {
    model: Box<dyn Forecaster>,
    shape: Shape,
    targets: Vec<TargetSupport>,
    /// What is added to the point forecasts, `horizon x targets`, in scaled units; `None` where means on the logarithmic
    /// scale are not corrected.
    correction: Option<Vec<f32>>,
}

/// What a target can be, in scaled units.
#[derive(Debug, Clone, Copy)]
struct TargetSupport {
    lowest: Option<f32>,
    /// How far from zero a value of a target that was constant in training may be by rounding; `None` where it moved.
    constant_within: Option<f64>,
}

impl TargetSupport {
    fn of(scale: &ChannelScale) -> Self {
        let constant_within = scale.constant.then(|| 4.0 * f64::EPSILON * scale.mean.abs());
        Self { lowest: scale.lowest(), constant_within }
    }

    /// The nearest value of the target; what is not finite stays, so that a model that fails is not taken for one that
    /// forecasts nothing.
    fn nearest(self, value: f32) -> f32 {
        match self.lowest {
            Some(lowest) if value.is_finite() && value < lowest => lowest,
            _ => value,
        }
    }
}

impl InSupport {
    /// Wraps a model. With `repeats_constants`, a target that was constant in training is forecast as that constant while
    /// a window has seen nothing else.
    pub fn new(model: Box<dyn Forecaster>, context: &BuildContext<'_>, repeats_constants: bool) -> Self {
        let shape = context.shape;
        let mut targets: Vec<TargetSupport> =
            context.scales.iter().take(shape.targets).map(TargetSupport::of).collect();
        if !repeats_constants {
            for target in &mut targets {
                target.constant_within = None;
            }
        }
        let corrected = context.correction == BiasCorrection::Smearing;
        let correction = corrected.then(|| vec![0.0; shape.horizon * shape.targets]);
        Self { model, shape, targets, correction }
    }

    /// Brings values into the support, `windows x horizon x targets x each`.
    fn settle(&self, windows: &Windows<'_>, each: usize, values: &mut [f32]) {
        let step = self.shape.targets * each;
        for (target, support) in self.targets.iter().enumerate() {
            if support.lowest.is_some() {
                for cells in values.chunks_exact_mut(step) {
                    for value in &mut cells[target * each..(target + 1) * each] {
                        *value = support.nearest(*value);
                    }
                }
            }
            let Some(within) = support.constant_within else { continue };
            for (index, cells) in values.chunks_exact_mut(self.shape.horizon * step).enumerate() {
                let past = windows.history(index, self.lookback()).chunks_exact(self.shape.channels);
                if past.into_iter().all(|step| f64::from(step[target]).abs() <= within) {
                    // The mean of the training rows, which is the constant, is zero in scaled units.
                    for cells in cells.chunks_exact_mut(step) {
                        cells[target * each..(target + 1) * each].fill(0.0);
                    }
                }
            }
        }
    }

    /// The model's point forecasts in the support, before any correction.
    fn uncorrected(&self, windows: &Windows<'_>) -> Vec<f32> {
        let mut forecasts = self.model.forecast(windows);
        self.settle(windows, 1, &mut forecasts);
        forecasts
    }

    /// Computes the correction, where there is one.
    fn correct(&mut self, data: &FitData<'_>) {
        if self.correction.is_some() {
            self.correction = Some(self.smear(&data.valid, &data.scaler.channels));
        }
    }

    /// The smearing estimate of Duan ("Smearing estimate: a nonparametric retransformation method", *Journal of the
    /// American Statistical Association* 78, 1983): a forecast of ln(1 + x) leads to the mean of 1 + x when it is
    /// multiplied, after the inverse, by the mean of the exponentials of the errors. On the logarithmic scale that is a
    /// term to add, here one for each step ahead and target, from the validation windows.
    fn smear(&self, windows: &Windows<'_>, scales: &[ChannelScale]) -> Vec<f32> {
        let forecasts = self.uncorrected(windows);
        let cells = self.shape.horizon * self.shape.targets;
        let term = |cell: usize| {
            let scale = &scales[cell % self.shape.targets];
            if scale.channel.transform != Transform::Log1p || windows.is_empty() {
                return 0.0;
            }
            let factors = (0..windows.len()).map(|window| {
                let error = windows.target(window)[cell] - forecasts[window * cells + cell];
                (f64::from(error) * scale.std).exp()
            });
            ((factors.sum::<f64>() / windows.len() as f64).ln() / scale.std) as f32
        };
        (0..cells).map(term).collect()
    }
}

impl Forecaster for InSupport {
    fn fit(&mut self, data: &FitData<'_>, on_epoch: OnEpoch<'_>) -> Result<(), FitError> {
        self.model.fit(data, on_epoch)?;
        self.correct(data);
        Ok(())
    }

    fn take_up(&mut self, learned: &Parameters, data: &FitData<'_>) -> anyhow::Result<()> {
        self.model.load(learned)?;
        self.correct(data);
        Ok(())
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        let mut forecasts = self.uncorrected(windows);
        if let Some(correction) = &self.correction {
            for window in forecasts.chunks_exact_mut(correction.len()) {
                for (value, term) in window.iter_mut().zip(correction) {
                    *value += term;
                }
            }
            self.settle(windows, 1, &mut forecasts);
        }
        forecasts
    }

    fn quantiles(&self, windows: &Windows<'_>) -> Option<Vec<f32>> {
        let mut quantiles = self.model.quantiles(windows)?;
        self.settle(windows, QUANTILES.len(), &mut quantiles);
        Some(quantiles)
    }

    fn gap_distributions(&self, windows: &Windows<'_>) -> Option<Vec<GapDistribution>> {
        self.model.gap_distributions(windows)
    }

    fn lookback(&self) -> usize {
        self.model.lookback()
    }

    fn parameters(&self) -> Parameters {
        let mut parameters = self.model.parameters();
        if let Some(correction) = &self.correction {
            let shape = vec![self.shape.horizon, self.shape.targets];
            parameters.insert(CORRECTION.to_string(), ParameterValues { shape, data: correction.clone() });
        }
        parameters
    }

    fn load(&mut self, parameters: &Parameters) -> anyhow::Result<()> {
        if let Some(correction) = &mut self.correction {
            let shape = [self.shape.horizon, self.shape.targets];
            correction.clone_from(&parameters.get(CORRECTION, &shape)?.data);
        }
        self.model.load(parameters)
    }
}
