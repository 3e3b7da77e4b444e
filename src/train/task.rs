//! What a fit is given and what it says: sizes, windows to learn from, epochs, and why it ended.

use std::ops::{ControlFlow, Range};

use crate::dataset::{ScaledSteps, Scaler, Windows};

/// Sizes that a model is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Past steps it sees.
    pub lookback: usize,
    /// Steps it forecasts at once.
    pub horizon: usize,
    /// Input channels.
    pub channels: usize,
    /// Forecast channels: the first ones of the input.
    pub targets: usize,
    /// Values that a network forecasts for each target: 1, or one for each of [`crate::stats::QUANTILES`].
    pub heads: usize,
}

/// What a model may learn from: the training windows, and the validation windows for early stopping and weighting.
pub struct FitData<'a> {
    /// Windows to learn from.
    pub train: Windows<'a>,
    /// Windows to stop, select and weight by.
    pub valid: Windows<'a>,
    /// All steps of the training part, for models that are a statistic of them.
    pub train_steps: Range<usize>,
    /// The scales, to know where zero in original units lies.
    pub scaler: &'a Scaler,
}

impl FitData<'_> {
    /// The scaled values of one target over the training steps.
    pub fn training_values(&self, target: usize) -> Vec<f32> {
        let steps: &ScaledSteps = self.train.steps;
        self.train_steps.clone().map(|step| steps.targets[step * steps.target_count + target]).collect()
    }
}

/// One epoch of training.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean loss over the epoch's batches, in scaled units.
    pub train_loss: f64,
    /// Mean loss on the validation windows after the epoch, in scaled units.
    pub valid_loss: f64,
    /// Learning rate of the epoch.
    pub learning_rate: f64,
    /// Seconds it took, validation included.
    pub wall_s: f64,
}

/// Hears of every epoch, and says whether the training goes on.
pub type OnEpoch<'a> = &'a mut dyn FnMut(Epoch) -> ControlFlow<()>;

/// Why a model was not fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FitError {
    /// The loss stopped being a number, or grew beyond all bounds.
    #[error(
        "diverged at epoch {epoch}: the loss is {loss}; lower training.learning_rate or set training.gradient_clip_norm"
    )]
    Diverged {
        /// Epoch, counted from 1.
        epoch: usize,
        /// The loss.
        loss: f64,
    },
    /// It was told not to go on.
    #[error("stopped after epoch {epoch}")]
    Stopped {
        /// Epoch, counted from 1.
        epoch: usize,
    },
    /// The trees cannot be grown.
    #[error("the trees cannot be grown: {0}")]
    Trees(String),
    /// No order is likely in numbers.
    #[error(
        "no ARIMA model can be fitted: the training steps are too few, or hold values that are not finite"
    )]
    Arima,
    /// The curve through time cannot be fitted.
    #[error("Prophet cannot be fitted: {0}")]
    Prophet(String),
    /// The normal equations have no solution in numbers.
    #[error(
        "the least-squares weights cannot be computed: the training windows hold values that are not finite"
    )]
    Unsolvable,
}
