//! Long short-term memory (Hochreiter & Schmidhuber, 1997) with PyTorch's equations, gate order and names, and a
//! two-layer head: hidden to hidden/2 to output.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid, tanh};

use super::lstm_op::lstm_sequence;
use super::network::{Dense, Network, Noise};
use super::{LstmSpec, Shape};
use crate::train::{ComputeDevice, Stream};

/// One LSTM layer. Rows of the weights are the gates i, f, g, o, `hidden` rows each.
#[derive(Module, Debug)]
pub struct LstmLayer {
    weight_ih: Param<Tensor<2>>,
    weight_hh: Param<Tensor<2>>,
    bias_ih: Param<Tensor<1>>,
    bias_hh: Param<Tensor<1>>,
    hidden: usize,
    /// Whether the whole sequence is one operation, which only the CPU backend has.
    fused: bool,
}

impl LstmLayer {
    /// PyTorch's initialisation: uniform in ±1/√hidden.
    pub fn new(inputs: usize, hidden: usize, stream: &mut Stream, device: &ComputeDevice) -> Self {
        let bound = 1.0 / (hidden as f32).sqrt();
        let mut uniform = |count| stream.uniform(count, bound);
        Self::from_values(
            inputs,
            hidden,
            [
                uniform(4 * hidden * inputs),
                uniform(4 * hidden * hidden),
                uniform(4 * hidden),
                uniform(4 * hidden),
            ],
            device,
        )
    }

    /// A layer with given `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh`, row by row.
    pub fn from_values(inputs: usize, hidden: usize, values: [Vec<f32>; 4], device: &ComputeDevice) -> Self {
        let [weight_ih, weight_hh, bias_ih, bias_hh] = values;
        Self {
            weight_ih: device.parameter([4 * hidden, inputs], weight_ih),
            weight_hh: device.parameter([4 * hidden, hidden], weight_hh),
            bias_ih: device.parameter([4 * hidden], bias_ih),
            bias_hh: device.parameter([4 * hidden], bias_hh),
            hidden,
            fused: device.is_cpu(),
        }
    }

    /// The parameters `weight_ih`, `weight_hh`, as tensors that gradients can be asked of.
    pub fn weights(&self) -> [Tensor<2>; 2] {
        [self.weight_ih.val(), self.weight_hh.val()]
    }

    /// The parameters `bias_ih`, `bias_hh`, as tensors that gradients can be asked of.
    pub fn biases(&self) -> [Tensor<1>; 2] {
        [self.bias_ih.val(), self.bias_hh.val()]
    }

    /// The same layer computed by composed operations, as it is on every device but the CPU.
    #[must_use]
    pub fn composed(self) -> Self {
        Self { fused: false, ..self }
    }

    /// The hidden state after each step, from zero states: `steps x batch x inputs` to `steps x batch x hidden`.
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        if self.fused {
            lstm_sequence(input, self.weights(), self.biases())
        } else {
            self.forward_composed(&input)
        }
    }

    fn forward_composed(&self, input: &Tensor<3>) -> Tensor<3> {
        let weight_ih = self.weight_ih.val().transpose();
        let weight_hh = self.weight_hh.val().transpose();
        let bias = (self.bias_ih.val() + self.bias_hh.val()).unsqueeze::<2>();
        let [steps, _, _] = input.dims();
        let mut outputs = Vec::with_capacity(steps);
        let mut state: Option<(Tensor<2>, Tensor<2>)> = None;
        // The input's part of the gates is one product a step: one product over all steps would be sliced apart
        // again, and each slice's gradient is as large as the whole.
        for step in 0..steps {
            let step: Tensor<2> = input.clone().narrow(0, step, 1).squeeze_dim(0);
            let input = step.matmul(weight_ih.clone()) + bias.clone();
            let gates = match &state {
                Some((hidden, _)) => input + hidden.clone().matmul(weight_hh.clone()),
                None => input,
            };
            let gate = |index: usize| gates.clone().narrow(1, index * self.hidden, self.hidden);
            let admitted = sigmoid(gate(0)) * tanh(gate(2));
            let cell = match state {
                Some((_, cell)) => sigmoid(gate(1)) * cell + admitted,
                None => admitted,
            };
            let hidden = sigmoid(gate(3)) * tanh(cell.clone());
            outputs.push(hidden.clone());
            state = Some((hidden, cell));
        }
        Tensor::stack(outputs, 0)
    }
}

/// Stacked LSTM layers and the head.
#[derive(Module, Debug)]
pub struct Lstm {
    layers: Vec<LstmLayer>,
    fc1: Dense,
    fc2: Dense,
    dropout: f64,
    horizon: usize,
    targets: usize,
}

impl Lstm {
    /// A freshly initialised network.
    pub fn new(shape: Shape, spec: &LstmSpec, stream: &mut Stream, device: &ComputeDevice) -> Self {
        let layers = (0..spec.layers)
            .map(|layer| {
                let inputs = if layer == 0 { shape.channels } else { spec.hidden };
                LstmLayer::new(inputs, spec.hidden, stream, device)
            })
            .collect();
        Self {
            layers,
            fc1: Dense::new(spec.hidden, spec.hidden / 2, stream, device),
            fc2: Dense::new(spec.hidden / 2, shape.horizon * shape.targets, stream, device),
            dropout: spec.dropout,
            horizon: shape.horizon,
            targets: shape.targets,
        }
    }
}

impl Network for Lstm {
    fn forward(&self, input: Tensor<3>, mut noise: Noise<'_>) -> Tensor<3> {
        let [batch, lookback, _] = input.dims();
        let mut states = input.swap_dims(0, 1);
        for (index, layer) in self.layers.iter().enumerate() {
            states = layer.forward(states);
            let last = index + 1 == self.layers.len();
            if let (Some(stream), false, true) = (noise.as_deref_mut(), last, self.dropout > 0.0) {
                states = dropout(states, self.dropout, stream);
            }
        }
        let last: Tensor<2> = states.narrow(0, lookback - 1, 1).squeeze_dim(0);
        let output = self.fc2.forward(relu(self.fc1.forward(last)));
        output.reshape([batch, self.horizon, self.targets])
    }

    fn parameter_name(&self, path: &str) -> String {
        let parts: Vec<&str> = path.split('.').collect();
        match parts.as_slice() {
            ["layers", layer, parameter] => format!("lstm.{parameter}_l{layer}"),
            _ => path.to_string(),
        }
    }
}

/// Drops units with probability `rate` and scales the others up, so that the expectation stays.
fn dropout(input: Tensor<3>, rate: f64, stream: &mut Stream) -> Tensor<3> {
    let shape = input.dims();
    let kept = 1.0 / (1.0 - rate) as f32;
    let count = shape.iter().product();
    let mask: Vec<f32> = (0..count).map(|_| if stream.unit() < rate { 0.0 } else { kept }).collect();
    let mask = Tensor::<1>::from_floats(mask.as_slice(), &input.device()).reshape(shape);
    input * mask
}
