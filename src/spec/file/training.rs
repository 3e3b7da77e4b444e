//! The `[training]` table of an experiment file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Default of `training.huber_delta`: where the Huber loss turns from squares to distances, in scaled units.
pub const HUBER_DELTA: f64 = 1.0;

/// How models with parameters are trained, on the scaled targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingSpec {
    /// What training minimises.
    pub loss: Loss,
    /// Error in scaled units beyond which `loss = "huber"` counts distances instead of squares; 1 by default. It is an error
    /// under another loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub huber_delta: Option<f64>,
    /// Weight of each target in the loss, by its name, relative to the others; a target that is not named has weight 1,
    /// e.g. `target_weights = { gap_s = 3.0, request_tokens = 0.5 }`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub target_weights: BTreeMap<String, f64>,
    /// Passes over the training windows.
    pub epochs: usize,
    /// Windows in one gradient step.
    pub batch_size: usize,
    /// Leave out the last batch of an epoch when it is short.
    pub drop_last: bool,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// Learning rate of the first epoch.
    pub learning_rate: f64,
    /// Weight decay: decoupled under `adamw`, added to the gradient under `adam`.
    pub weight_decay: f64,
    /// How the learning rate changes from epoch to epoch.
    pub schedule: Schedule,
    /// Stop after this many epochs without a lower validation loss; the best weights are always restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping_patience: Option<usize>,
    /// Scale each step's gradient down to at most this Euclidean norm over all parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_clip_norm: Option<f64>,
}

impl Default for TrainingSpec {
    fn default() -> Self {
        Self {
            loss: Loss::Mse,
            huber_delta: None,
            target_weights: BTreeMap::new(),
            epochs: 10,
            batch_size: 32,
            drop_last: false,
            optimizer: Optimizer::Adam,
            learning_rate: 1e-3,
            weight_decay: 0.0,
            schedule: Schedule::Constant,
            early_stopping_patience: None,
            gradient_clip_norm: None,
        }
    }
}

/// What training minimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Mean squared error: the model forecasts the mean of the scaled values.
    Mse,
    /// Half the squared error up to `huber_delta`, linear beyond it, so that outliers count for less (Huber, "Robust
    /// estimation of a location parameter", 1964).
    Huber,
    /// Mean pinball loss of the quantiles at 2.5, 10, 25, 50, 75, 90 and 97.5 %, each with a head of its own; the forecast
    /// is the median. Crossing quantiles are sorted, then calibrated like every model's intervals (Romano, Patterson &
    /// Candès, NeurIPS 2019).
    Pinball,
}

/// The optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Kingma & Ba, ICLR 2015.
    Adam,
    /// Loshchilov & Hutter, ICLR 2019.
    Adamw,
}

/// How the learning rate changes from epoch to epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// The same rate in every epoch.
    Constant,
    /// Half the rate of the epoch before, from one epoch on.
    Halve {
        /// The first epoch (counted from 1) whose rate is halved.
        #[serde(default = "second_epoch")]
        from_epoch: usize,
    },
    /// Multiply the rate when the validation loss has not improved for some epochs.
    ReduceOnPlateau {
        /// Epochs without improvement before the rate is reduced.
        #[serde(default = "plateau_patience")]
        patience: usize,
        /// Factor by which the rate is multiplied.
        #[serde(default = "plateau_factor")]
        factor: f64,
    },
    /// Half a cosine from the rate down to `min_learning_rate` in the last epoch (Loshchilov & Hutter, ICLR 2017).
    Cosine {
        /// Learning rate of the last epoch.
        #[serde(default)]
        min_learning_rate: f64,
    },
}

fn second_epoch() -> usize {
    2
}

fn plateau_patience() -> usize {
    2
}

fn plateau_factor() -> f64 {
    0.5
}
