//! Causal convolutions whose reach doubles from block to block (Bai, Kolter & Koltun, "An Empirical Evaluation of Generic
//! Convolutional and Recurrent Networks for Sequence Modeling", 2018).
//!
//! A block is two convolutions over time, each followed by a rectifier and dropout, around a residual connection. The paper
//! normalises the weights; here they are learned as they are. A last layer reads the state after the last step.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::Shape;
use super::network::Dense;
use super::recurrent::dropout;
use crate::spec::TcnSpec;
use crate::stats::Stream;
use crate::train::{ComputeDevice, Network, Noise};

/// A convolution over time that reads no later step, in PyTorch's layout: weight `out x in x kernel`, bias `out`.
#[derive(Module, Debug)]
struct CausalConv {
    weight: Param<Tensor<3>>,
    bias: Param<Tensor<1>>,
    dilation: usize,
}

impl CausalConv {
    /// PyTorch's default initialisation: uniform in ±1/√(inputs · kernel).
    fn new(
        (inputs, outputs): (usize, usize),
        (kernel, dilation): (usize, usize),
        stream: &mut Stream,
        device: &ComputeDevice,
    ) -> Self {
        let bound = 1.0 / ((inputs * kernel) as f32).sqrt();
        let weights = stream.uniform(outputs * inputs * kernel, bound);
        Self {
            weight: device.parameter([outputs, inputs, kernel], weights),
            bias: device.parameter([outputs], stream.uniform(outputs, bound)),
            dilation,
        }
    }

    /// `batch x steps x inputs` to `batch x steps x outputs`; steps before the first count as zero.
    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let [batch, steps, inputs] = input.dims();
        let weight = self.weight.val();
        let [outputs, _, kernel] = weight.dims();
        let reach = (kernel - 1) * self.dilation;
        let before = Tensor::zeros([batch, reach, inputs], &input.device());
        let padded = Tensor::cat(vec![before, input], 1);
        // Every tap is the whole sequence, moved by its distance: side by side they make one matrix product.
        let taps = (0..kernel).map(|tap| padded.clone().narrow(1, tap * self.dilation, steps)).collect();
        let weight = weight.permute([2, 1, 0]).reshape([kernel * inputs, outputs]);
        let bias: Tensor<3> = self.bias.val().unsqueeze();
        Tensor::cat(taps, 2).matmul(weight.unsqueeze()) + bias
    }
}

/// Two convolutions around a residual connection.
#[derive(Module, Debug)]
struct ConvBlock {
    conv1: CausalConv,
    conv2: CausalConv,
    /// Brings the input to the width of the output, where they differ.
    downsample: Option<Dense>,
}

impl ConvBlock {
    fn forward(&self, input: Tensor<3>, rate: f64, noise: &mut Noise<'_>) -> Tensor<3> {
        let mut drop = |values: Tensor<3>| match noise.as_deref_mut() {
            Some(stream) if rate > 0.0 => dropout(values, rate, stream),
            _ => values,
        };
        let inner = drop(relu(self.conv1.forward(input.clone())));
        let inner = drop(relu(self.conv2.forward(inner)));
        let residual = match &self.downsample {
            Some(dense) => dense.forward(input),
            None => input,
        };
        relu(inner + residual)
    }
}

/// The blocks, and the layer from the last state to all steps of the horizon.
#[derive(Module, Debug)]
pub struct Tcn {
    blocks: Vec<ConvBlock>,
    fc_out: Dense,
    dropout: f64,
    horizon: usize,
    /// Targets times heads.
    outputs: usize,
}

impl Tcn {
    /// A freshly initialised network.
    pub fn new(shape: Shape, spec: &TcnSpec, stream: &mut Stream, device: &ComputeDevice) -> Self {
        let TcnSpec { hidden, kernel, blocks, dropout } = *spec;
        let mut inputs = shape.channels;
        let blocks = (0..blocks).map(|block| {
            let reach = (kernel, 1 << block);
            let made = ConvBlock {
                conv1: CausalConv::new((inputs, hidden), reach, stream, device),
                conv2: CausalConv::new((hidden, hidden), reach, stream, device),
                downsample: (inputs != hidden).then(|| Dense::new(inputs, hidden, stream, device)),
            };
            inputs = hidden;
            made
        });
        let blocks = blocks.collect();
        let outputs = shape.targets * shape.heads;
        Self {
            blocks,
            fc_out: Dense::new(hidden, shape.horizon * outputs, stream, device),
            dropout,
            horizon: shape.horizon,
            outputs,
        }
    }
}

impl Network for Tcn {
    fn forward(&self, input: Tensor<3>, mut noise: Noise<'_>) -> Tensor<3> {
        let [batch, steps, _] = input.dims();
        let mut states = input;
        for block in &self.blocks {
            states = block.forward(states, self.dropout, &mut noise);
        }
        let last: Tensor<2> = states.narrow(1, steps - 1, 1).squeeze_dim(1);
        self.fc_out.forward(last).reshape([batch, self.horizon, self.outputs])
    }

    fn parameter_names(&self, path: &str) -> Vec<String> {
        vec![path.to_string()]
    }
}
