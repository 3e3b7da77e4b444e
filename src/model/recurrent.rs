//! Recurrent networks, LSTM (Hochreiter & Schmidhuber, 1997) and GRU (Cho et al., 2014), with PyTorch's equations, gate
//! order and names, and a two-layer head: hidden to hidden/2 to output.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid, tanh};

use super::Shape;
use super::cell_kind::CellKind;
use super::network::Dense;
use super::recurrent_op::recurrent_sequence;
use crate::kernel::sequence::Scope;
use crate::spec::RecurrentSpec;
use crate::stats::Stream;
use crate::train::{ComputeDevice, Network, Noise};

/// One recurrent layer. Rows of the weights are the gates in PyTorch's order, `hidden` rows each.
#[derive(Module, Debug)]
pub struct RecurrentLayer {
    weight_ih: Param<Tensor<2>>,
    weight_hh: Param<Tensor<2>>,
    bias_ih: Param<Tensor<1>>,
    bias_hh: Param<Tensor<1>>,
    hidden: usize,
    #[module(skip)]
    kind: CellKind,
    /// Whether the whole sequence is one operation, which only the CPU backend has.
    fused: bool,
}

impl RecurrentLayer {
    /// PyTorch's initialisation: uniform in ±1/√hidden.
    pub fn new(
        kind: CellKind,
        inputs: usize,
        hidden: usize,
        stream: &mut Stream,
        device: &ComputeDevice,
    ) -> Self {
        let bound = 1.0 / (hidden as f32).sqrt();
        let width = kind.gates() * hidden;
        let values = [width * inputs, width * hidden, width, width].map(|count| stream.uniform(count, bound));
        Self::from_values(kind, inputs, hidden, values, device)
    }

    /// A layer with given `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh`, row by row.
    pub fn from_values(
        kind: CellKind,
        inputs: usize,
        hidden: usize,
        values: [Vec<f32>; 4],
        device: &ComputeDevice,
    ) -> Self {
        let [weight_ih, weight_hh, bias_ih, bias_hh] = values;
        let width = kind.gates() * hidden;
        Self {
            weight_ih: device.parameter([width, inputs], weight_ih),
            weight_hh: device.parameter([width, hidden], weight_hh),
            bias_ih: device.parameter([width], bias_ih),
            bias_hh: device.parameter([width], bias_hh),
            hidden,
            kind,
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
            recurrent_sequence(self.kind, input, self.weights(), self.biases(), Scope::All)
        } else {
            Tensor::stack(self.states(&input), 0)
        }
    }

    /// The hidden state after the last step: `steps x batch x inputs` to `batch x hidden`.
    pub fn forward_last(&self, input: Tensor<3>) -> Tensor<2> {
        if self.fused {
            recurrent_sequence(self.kind, input, self.weights(), self.biases(), Scope::Last).squeeze_dim(0)
        } else {
            let [_, batch, _] = input.dims();
            let device = input.device();
            self.states(&input).pop().unwrap_or_else(|| Tensor::zeros([batch, self.hidden], &device))
        }
    }

    fn states(&self, input: &Tensor<3>) -> Vec<Tensor<2>> {
        let weight_ih = self.weight_ih.val().transpose();
        let weight_hh = self.weight_hh.val().transpose();
        let bias_ih = self.bias_ih.val().unsqueeze::<2>();
        let bias_hh = self.bias_hh.val().unsqueeze::<2>();
        let [steps, batch, inputs] = input.dims();
        let zeros = || Tensor::zeros([batch, self.hidden], &input.device());
        let (mut hidden, mut cell): (Tensor<2>, Tensor<2>) = (zeros(), zeros());
        let gate = |sums: &Tensor<2>, index: usize| sums.clone().narrow(1, index * self.hidden, self.hidden);
        let project = |rows: Tensor<2>| rows.matmul(weight_ih.clone()) + bias_ih.clone();
        // The input's part of the gates is one product for all steps, except where gradients are asked for: the gradient of
        // each step's slice would be as large as the whole.
        let all_steps =
            (!input.is_autodiff()).then(|| project(input.clone().reshape([steps * batch, inputs])));
        (0..steps)
            .map(|step| {
                let by_input = match &all_steps {
                    Some(sums) => sums.clone().narrow(0, step * batch, batch),
                    None => project(input.clone().narrow(0, step, 1).squeeze_dim(0)),
                };
                let by_hidden = hidden.clone().matmul(weight_hh.clone()) + bias_hh.clone();
                hidden = match self.kind {
                    CellKind::Lstm => {
                        let sums = by_input + by_hidden;
                        let gates = sigmoid(sums.clone());
                        let admitted = gate(&gates, 0) * tanh(gate(&sums, 2));
                        cell = gate(&gates, 1) * cell.clone() + admitted;
                        gate(&gates, 3) * tanh(cell.clone())
                    }
                    CellKind::Gru => {
                        let reset = sigmoid(gate(&by_input, 0) + gate(&by_hidden, 0));
                        let update = sigmoid(gate(&by_input, 1) + gate(&by_hidden, 1));
                        let candidate = tanh(gate(&by_input, 2) + reset * gate(&by_hidden, 2));
                        candidate.clone() + update * (hidden.clone() - candidate)
                    }
                };
                hidden.clone()
            })
            .collect()
    }
}

/// Stacked recurrent layers and the head.
#[derive(Module, Debug)]
pub struct Recurrent {
    below: Vec<RecurrentLayer>,
    top: RecurrentLayer,
    fc1: Dense,
    fc2: Dense,
    dropout: f64,
    horizon: usize,
    /// Targets times heads.
    outputs: usize,
    #[module(skip)]
    kind: CellKind,
}

impl Recurrent {
    /// A freshly initialised network.
    pub fn new(
        kind: CellKind,
        shape: Shape,
        spec: &RecurrentSpec,
        stream: &mut Stream,
        device: &ComputeDevice,
    ) -> Self {
        let mut inputs = shape.channels;
        let mut layer = |stream: &mut Stream| {
            let layer = RecurrentLayer::new(kind, inputs, spec.hidden, stream, device);
            inputs = spec.hidden;
            layer
        };
        Self {
            below: (1..spec.layers).map(|_| layer(stream)).collect(),
            top: layer(stream),
            fc1: Dense::new(spec.hidden, spec.hidden / 2, stream, device),
            fc2: Dense::new(spec.hidden / 2, shape.horizon * shape.targets * shape.heads, stream, device),
            dropout: spec.dropout,
            horizon: shape.horizon,
            outputs: shape.targets * shape.heads,
            kind,
        }
    }
}

impl Network for Recurrent {
    fn forward(&self, input: Tensor<3>, mut noise: Noise<'_>) -> Tensor<3> {
        let [batch, _, _] = input.dims();
        let mut states = input.swap_dims(0, 1);
        for layer in &self.below {
            states = layer.forward(states);
            if let (Some(stream), true) = (noise.as_deref_mut(), self.dropout > 0.0) {
                states = dropout(states, self.dropout, stream);
            }
        }
        let last = self.top.forward_last(states);
        let output = self.fc2.forward(relu(self.fc1.forward(last)));
        output.reshape([batch, self.horizon, self.outputs])
    }

    fn parameter_names(&self, path: &str) -> Vec<String> {
        let parts: Vec<&str> = path.split('.').collect();
        let name = self.kind.name();
        vec![match parts.as_slice() {
            ["below", layer, parameter] => format!("{name}.{parameter}_l{layer}"),
            ["top", parameter] => format!("{name}.{parameter}_l{}", self.below.len()),
            _ => path.to_string(),
        }]
    }
}

/// Drops units with probability `rate` and scales the others up, so that the expectation stays.
pub(super) fn dropout(input: Tensor<3>, rate: f64, stream: &mut Stream) -> Tensor<3> {
    let shape = input.dims();
    let kept = 1.0 / (1.0 - rate) as f32;
    let count = shape.iter().product();
    let mask: Vec<f32> = (0..count).map(|_| if stream.unit() < rate { 0.0 } else { kept }).collect();
    let mask = Tensor::<1>::from_floats(mask.as_slice(), &input.device()).reshape(shape);
    input * mask
}
