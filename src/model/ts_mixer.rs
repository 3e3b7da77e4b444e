//! Layers that mix the steps of a window and then its channels, in turn (Chen et al., "`TSMixer`: An All-MLP
//! Architecture for Time Series Forecasting", TMLR 2023).
//!
//! Each window is normalised over steps and channels by layer normalisation, where the paper's code takes the statistics
//! of the batch: a forecast then depends on its window alone. A last layer turns channels into targets and their heads.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::Shape;
use super::network::Dense;
use super::recurrent::dropout;
use crate::spec::TsMixerSpec;
use crate::stats::Stream;
use crate::train::{ComputeDevice, Network, Noise};

/// What keeps a constant window from a division by zero, as in PyTorch.
pub(super) const EPSILON: f32 = 1e-5;

/// Layer normalisation over steps and channels, with a factor and a shift for each of them.
#[derive(Module, Debug)]
struct LayerNorm {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<2>>,
}

impl LayerNorm {
    fn new(steps: usize, channels: usize, device: &ComputeDevice) -> Self {
        Self {
            weight: device.parameter([steps, channels], vec![1.0; steps * channels]),
            bias: device.parameter([steps, channels], vec![0.0; steps * channels]),
        }
    }

    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let [batch, steps, channels] = input.dims();
        let flat: Tensor<2> = input.reshape([batch, steps * channels]);
        let centred = flat.clone() - flat.mean_dim(1);
        let variance = centred.clone().square().mean_dim(1);
        let normal: Tensor<3> =
            (centred / variance.add_scalar(EPSILON).sqrt()).reshape([batch, steps, channels]);
        normal * self.weight.val().unsqueeze() + self.bias.val().unsqueeze()
    }
}

/// One layer of each kind, each around a residual connection.
#[derive(Module, Debug)]
struct MixerBlock {
    time_norm: LayerNorm,
    time: Dense,
    feature_norm: LayerNorm,
    fc1: Dense,
    fc2: Dense,
}

impl MixerBlock {
    fn forward(&self, input: Tensor<3>, rate: f64, noise: &mut Noise<'_>) -> Tensor<3> {
        let mut drop = |values: Tensor<3>| match noise.as_deref_mut() {
            Some(stream) if rate > 0.0 => dropout(values, rate, stream),
            _ => values,
        };
        let steps = self.time_norm.forward(input.clone()).swap_dims(1, 2);
        let mixed = input + drop(relu(self.time.forward(steps))).swap_dims(1, 2);
        let features = drop(relu(self.fc1.forward(self.feature_norm.forward(mixed.clone()))));
        mixed + drop(self.fc2.forward(features))
    }
}

/// The blocks, the projection from past to future steps, and the layer from channels to outputs.
#[derive(Module, Debug)]
pub struct TsMixer {
    blocks: Vec<MixerBlock>,
    temporal_projection: Dense,
    fc_out: Dense,
    dropout: f64,
}

impl TsMixer {
    /// A freshly initialised network.
    pub fn new(shape: Shape, spec: &TsMixerSpec, stream: &mut Stream, device: &ComputeDevice) -> Self {
        let Shape { lookback, horizon, channels, targets, heads } = shape;
        let block = |stream: &mut Stream| MixerBlock {
            time_norm: LayerNorm::new(lookback, channels, device),
            time: Dense::new(lookback, lookback, stream, device),
            feature_norm: LayerNorm::new(lookback, channels, device),
            fc1: Dense::new(channels, spec.hidden, stream, device),
            fc2: Dense::new(spec.hidden, channels, stream, device),
        };
        Self {
            blocks: (0..spec.blocks).map(|_| block(stream)).collect(),
            temporal_projection: Dense::new(lookback, horizon, stream, device),
            fc_out: Dense::new(channels, targets * heads, stream, device),
            dropout: spec.dropout,
        }
    }
}

impl Network for TsMixer {
    fn forward(&self, input: Tensor<3>, mut noise: Noise<'_>) -> Tensor<3> {
        let mut mixed = input;
        for block in &self.blocks {
            mixed = block.forward(mixed, self.dropout, &mut noise);
        }
        let future = self.temporal_projection.forward(mixed.swap_dims(1, 2)).swap_dims(1, 2);
        self.fc_out.forward(future)
    }

    fn parameter_names(&self, path: &str) -> Vec<String> {
        vec![path.to_string()]
    }
}
