//! A pack of convolutional networks: the taps of all models as one product.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::composed::{PackForward, dense, dense_on_rows, drop_values};
use crate::spec::TcnSpec;
use crate::train::{PackNoise, PackWeights, Shape};

/// The blocks and the last layer.
pub(super) struct TcnPack {
    blocks: usize,
    horizon: usize,
    /// Targets times heads.
    outputs: usize,
}

impl TcnPack {
    pub fn new(spec: &TcnSpec, shape: Shape) -> Self {
        Self { blocks: spec.blocks, horizon: shape.horizon, outputs: shape.targets * shape.heads }
    }
}

impl PackForward for TcnPack {
    fn forward(
        &self,
        weights: &PackWeights,
        input: Tensor<4>,
        mut noise: Option<&mut PackNoise<'_>>,
    ) -> Tensor<4> {
        let [models, batch, steps, _] = input.dims();
        let mut states = input;
        for block in 0..self.blocks {
            let name = |layer: &str| format!("blocks.{block}.{layer}");
            let dilation = 1 << block;
            let inner = relu(causal_convolution(weights, &name("conv1"), dilation, states.clone()));
            let inner = drop_values(inner, &mut noise);
            let inner = relu(causal_convolution(weights, &name("conv2"), dilation, inner));
            let inner = drop_values(inner, &mut noise);
            let downsample = name("downsample");
            let residual = if weights.has(&format!("{downsample}.weight")) {
                dense_on_rows(weights, &downsample, states)
            } else {
                states
            };
            states = relu(inner + residual);
        }
        let last: Tensor<3> = states.narrow(2, steps - 1, 1).squeeze_dim(2);
        dense(weights, "fc_out", last).reshape([models, batch, self.horizon, self.outputs])
    }
}

/// `models x batch x steps x inputs` to `models x batch x steps x outputs`; steps before the first count as zero.
fn causal_convolution(weights: &PackWeights, name: &str, dilation: usize, input: Tensor<4>) -> Tensor<4> {
    let [models, batch, steps, inputs] = input.dims();
    let weight: Tensor<4> = weights.get(&format!("{name}.weight"));
    let bias: Tensor<2> = weights.get(&format!("{name}.bias"));
    let [_, outputs, _, kernel] = weight.dims();
    let reach = (kernel - 1) * dilation;
    let padded = if reach > 0 {
        let before = Tensor::zeros([models, batch, reach, inputs], &input.device());
        Tensor::cat(vec![before, input], 2)
    } else {
        input
    };
    // Every tap is the whole sequence, moved by its distance: side by side they make one matrix product.
    let taps = (0..kernel).map(|tap| padded.clone().narrow(2, tap * dilation, steps)).collect();
    let taps = Tensor::cat(taps, 3).reshape([models, batch * steps, kernel * inputs]);
    let weight = weight.permute([0, 3, 2, 1]).reshape([models, kernel * inputs, outputs]);
    let output: Tensor<3> = taps.matmul(weight) + bias.unsqueeze_dim(1);
    output.reshape([models, batch, steps, outputs])
}
