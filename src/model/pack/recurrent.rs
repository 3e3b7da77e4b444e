//! A pack of recurrent networks: the input's part of the gates of all models and steps as one product, then one product
//! a step for the hidden state's part.
//!
//! The way back is written out (backpropagation through time: Werbos, 1990). Autodiff would give every step a gradient as
//! large as the whole sequence, and the sums over the steps that the weights' gradients are would be a product for each step
//! instead of one for all.

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid, tanh};

use super::composed::dense;
use crate::model::CellKind;
use crate::spec::RecurrentSpec;
use crate::train::{PackBackward, PackGradients, PackNetwork, PackNoise, PackWeights, Shape};

/// Stacked recurrent layers and the two-layer head.
pub(super) struct RecurrentPack {
    kind: CellKind,
    layers: usize,
    hidden: usize,
    horizon: usize,
    /// Targets times heads.
    outputs: usize,
}

/// What the way back through a layer needs.
struct LayerTape {
    /// `models x (steps x batch) x inputs`.
    inputs: Tensor<3>,
    steps: Vec<StepTape>,
    /// What its outputs were multiplied by, `models x steps x batch x hidden`.
    mask: Option<Tensor<4>>,
}

/// What the way back through a step needs, each `models x batch x hidden`.
#[expect(clippy::large_enum_variant, reason = "all steps of a pack are of one kind")]
enum StepTape {
    Lstm {
        input: Tensor<3>,
        forget: Tensor<3>,
        candidate: Tensor<3>,
        output: Tensor<3>,
        cell_before: Tensor<3>,
        cell_tanh: Tensor<3>,
        hidden_before: Tensor<3>,
    },
    Gru {
        reset: Tensor<3>,
        update: Tensor<3>,
        candidate: Tensor<3>,
        /// The hidden state's part of the candidate, before the reset.
        by_hidden: Tensor<3>,
        hidden_before: Tensor<3>,
    },
}

impl StepTape {
    fn hidden_before(&self) -> Tensor<3> {
        match self {
            StepTape::Lstm { hidden_before, .. } | StepTape::Gru { hidden_before, .. } => {
                hidden_before.clone()
            }
        }
    }
}

/// What the way back through the head needs.
struct HeadTape {
    last: Tensor<3>,
    inner: Tensor<3>,
}

/// Gradients of a step.
struct StepGradients {
    /// By the input's part of the gates, `models x batch x (gates x hidden)`.
    by_input: Tensor<3>,
    /// By the hidden state's part of the gates; `None` where it is the same.
    by_hidden: Option<Tensor<3>>,
    /// By the hidden state before, apart from what goes through the gates.
    direct: Option<Tensor<3>>,
    /// By the cell state before.
    cell: Option<Tensor<3>>,
}

impl RecurrentPack {
    pub fn new(kind: CellKind, spec: &RecurrentSpec, shape: Shape) -> Self {
        Self {
            kind,
            layers: spec.layers,
            hidden: spec.hidden,
            horizon: shape.horizon,
            outputs: shape.targets * shape.heads,
        }
    }

    fn name(&self, parameter: &str, layer: usize) -> String {
        format!("{}.{parameter}_l{layer}", self.kind.name())
    }

    /// All layers: the last state of the top one, `models x batch x hidden`, and what the way back needs.
    fn layers_forward(
        &self,
        weights: &PackWeights,
        input: Tensor<4>,
        mut noise: Option<&mut PackNoise<'_>>,
    ) -> (Tensor<3>, Vec<LayerTape>) {
        let mut states = input.swap_dims(1, 2);
        let mut tapes = Vec::with_capacity(self.layers);
        loop {
            let layer = tapes.len();
            let (hidden, mut tape) = self.layer_forward(weights, layer, states);
            if layer + 1 == self.layers {
                tapes.push(tape);
                let [models, batch, _] = hidden[0].dims();
                let empty = || Tensor::zeros([models, batch, self.hidden], &hidden[0].device());
                return (hidden.last().cloned().unwrap_or_else(empty), tapes);
            }
            states = Tensor::stack(hidden, 1);
            let [_, steps, batch, _] = states.dims();
            tape.mask = noise.as_mut().and_then(|noise| noise.mask([steps, batch, self.hidden]));
            if let Some(mask) = &tape.mask {
                states = states * mask.clone();
            }
            tapes.push(tape);
        }
    }

    /// The hidden states of a layer after each step of `models x steps x batch x inputs`.
    fn layer_forward(
        &self,
        weights: &PackWeights,
        layer: usize,
        input: Tensor<4>,
    ) -> (Vec<Tensor<3>>, LayerTape) {
        let [models, steps, batch, inputs] = input.dims();
        let inputs: Tensor<3> = input.reshape([models, steps * batch, inputs]);
        let weight_ih: Tensor<3> = weights.get(&self.name("weight_ih", layer));
        let weight_hh: Tensor<3> = weights.get(&self.name("weight_hh", layer));
        let bias_ih: Tensor<2> = weights.get(&self.name("bias_ih", layer));
        let bias_hh: Tensor<2> = weights.get(&self.name("bias_hh", layer));
        let by_input = inputs.clone().matmul(weight_ih.swap_dims(1, 2)) + bias_ih.unsqueeze_dim(1);
        let weight_hh = weight_hh.swap_dims(1, 2);
        let bias_hh: Tensor<3> = bias_hh.unsqueeze_dim(1);
        let mut hidden: Tensor<3> = Tensor::zeros([models, batch, self.hidden], &inputs.device());
        let mut cell = hidden.clone();
        let mut outputs = Vec::with_capacity(steps);
        let mut tapes = Vec::with_capacity(steps);
        for step in 0..steps {
            let by_input = by_input.clone().narrow(1, step * batch, batch);
            let by_hidden = hidden.clone().matmul(weight_hh.clone()) + bias_hh.clone();
            let (hidden_after, cell_after, tape) = self.step_forward(by_input, by_hidden, hidden, cell);
            (hidden, cell) = (hidden_after, cell_after);
            outputs.push(hidden.clone());
            tapes.push(tape);
        }
        (outputs, LayerTape { inputs, steps: tapes, mask: None })
    }

    fn step_forward(
        &self,
        by_input: Tensor<3>,
        by_hidden: Tensor<3>,
        hidden_before: Tensor<3>,
        cell_before: Tensor<3>,
    ) -> (Tensor<3>, Tensor<3>, StepTape) {
        let size = self.hidden;
        let part = |sums: &Tensor<3>, gate: usize| sums.clone().narrow(2, gate * size, size);
        match self.kind {
            CellKind::Lstm => {
                let sums = by_input + by_hidden;
                let gates = sigmoid(sums.clone());
                let (input, forget, output) = (part(&gates, 0), part(&gates, 1), part(&gates, 3));
                let candidate = tanh(part(&sums, 2));
                let cell = forget.clone() * cell_before.clone() + input.clone() * candidate.clone();
                let cell_tanh = tanh(cell.clone());
                let hidden = output.clone() * cell_tanh.clone();
                let tape = StepTape::Lstm {
                    input,
                    forget,
                    candidate,
                    output,
                    cell_before,
                    cell_tanh,
                    hidden_before,
                };
                (hidden, cell, tape)
            }
            CellKind::Gru => {
                let both = by_input.clone().narrow(2, 0, 2 * size) + by_hidden.clone().narrow(2, 0, 2 * size);
                let gates = sigmoid(both);
                let (reset, update) = (part(&gates, 0), part(&gates, 1));
                let by_hidden = part(&by_hidden, 2);
                let candidate = tanh(part(&by_input, 2) + reset.clone() * by_hidden.clone());
                let hidden = candidate.clone() + update.clone() * (hidden_before.clone() - candidate.clone());
                (hidden, cell_before, StepTape::Gru { reset, update, candidate, by_hidden, hidden_before })
            }
        }
    }

    /// The way back through a layer: gradients by its weights go into `gradients`; by its inputs,
    /// `models x (steps x batch) x inputs`, if they are wanted. `by_outputs` has a gradient for each step.
    fn layer_backward(
        &self,
        weights: &PackWeights,
        layer: usize,
        tape: LayerTape,
        mut by_outputs: Vec<Option<Tensor<3>>>,
        gradients: &mut PackGradients,
        wants_inputs: bool,
    ) -> Option<Tensor<3>> {
        let weight_hh: Tensor<3> = weights.get(&self.name("weight_hh", layer));
        let hidden_before: Vec<Tensor<3>> = tape.steps.iter().map(StepTape::hidden_before).collect();
        let (mut by_hidden, mut by_cell): (Option<Tensor<3>>, Option<Tensor<3>>) = (None, None);
        let (mut by_input_gates, mut by_hidden_gates) = (Vec::new(), Vec::new());
        for step in tape.steps.into_iter().rev() {
            let by_output = match (by_outputs.pop().flatten(), by_hidden.take()) {
                (Some(own), Some(later)) => own + later,
                (Some(one), None) | (None, Some(one)) => one,
                // Nothing of the loss depends on this step or a later one.
                (None, None) => {
                    let [models, batch, _] = hidden_before[0].dims();
                    Tensor::zeros([models, batch, self.hidden], &hidden_before[0].device())
                }
            };
            let back = step_backward(step, by_output, by_cell.take());
            let by_gates = back.by_hidden.clone().unwrap_or_else(|| back.by_input.clone());
            let through_gates = by_gates.matmul(weight_hh.clone());
            by_hidden = Some(match back.direct {
                Some(direct) => direct + through_gates,
                None => through_gates,
            });
            by_cell = back.cell;
            by_input_gates.push(back.by_input);
            by_hidden_gates.extend(back.by_hidden);
        }
        let in_order = |mut steps: Vec<Tensor<3>>| {
            steps.reverse();
            Tensor::cat(steps, 1)
        };
        let by_input_gates = in_order(by_input_gates);
        let by_hidden_gates =
            if by_hidden_gates.is_empty() { by_input_gates.clone() } else { in_order(by_hidden_gates) };
        let hidden_before = Tensor::cat(hidden_before, 1);
        let sum = |by_gates: &Tensor<3>| by_gates.clone().sum_dim(1);
        gradients.put(&self.name("bias_ih", layer), sum(&by_input_gates));
        gradients.put(&self.name("bias_hh", layer), sum(&by_hidden_gates));
        let by_weight_hh = by_hidden_gates.swap_dims(1, 2).matmul(hidden_before);
        gradients.put(&self.name("weight_hh", layer), by_weight_hh);
        let by_weight_ih = by_input_gates.clone().swap_dims(1, 2).matmul(tape.inputs);
        gradients.put(&self.name("weight_ih", layer), by_weight_ih);
        wants_inputs.then(|| by_input_gates.matmul(weights.get(&self.name("weight_ih", layer))))
    }

    /// The way back through all layers, from the gradient by the last state.
    fn layers_backward(
        &self,
        weights: &PackWeights,
        mut tapes: Vec<LayerTape>,
        by_last: Tensor<3>,
        gradients: &mut PackGradients,
    ) {
        let [models, batch, _] = by_last.dims();
        let steps = tapes.last().map_or(0, |tape| tape.steps.len());
        let mut by_outputs: Vec<Option<Tensor<3>>> = vec![None; steps];
        if let Some(last) = by_outputs.last_mut() {
            *last = Some(by_last);
        }
        while let Some(tape) = tapes.pop() {
            let layer = tapes.len();
            let outputs = std::mem::take(&mut by_outputs);
            let by_inputs = self.layer_backward(weights, layer, tape, outputs, gradients, layer > 0);
            let (Some(by_inputs), Some(below)) = (by_inputs, tapes.last()) else { return };
            let mut by_states = by_inputs.reshape([models, steps, batch, self.hidden]);
            if let Some(mask) = &below.mask {
                by_states = by_states * mask.clone();
            }
            let step = |at: usize| Some(by_states.clone().narrow(1, at, 1).squeeze_dim(1));
            by_outputs = (0..steps).map(step).collect();
        }
    }

    fn head_forward(&self, weights: &PackWeights, last: Tensor<3>) -> (Tensor<4>, HeadTape) {
        let [models, batch, _] = last.dims();
        let inner = relu(dense(weights, "fc1", last.clone()));
        let output = dense(weights, "fc2", inner.clone());
        (output.reshape([models, batch, self.horizon, self.outputs]), HeadTape { last, inner })
    }

    /// The way back through the head; returns the gradient by the last state.
    fn head_backward(
        &self,
        weights: &PackWeights,
        tape: HeadTape,
        by_forecast: Tensor<4>,
        gradients: &mut PackGradients,
    ) -> Tensor<3> {
        let [models, batch, _, _] = by_forecast.dims();
        let by_output: Tensor<3> = by_forecast.reshape([models, batch, self.horizon * self.outputs]);
        let is_dead = tape.inner.clone().equal_elem(0.0);
        let by_inner = dense_backward(weights, "fc2", tape.inner, by_output, gradients);
        dense_backward(weights, "fc1", tape.last, by_inner.mask_fill(is_dead, 0.0), gradients)
    }
}

/// The way back through a step of a cell.
fn step_backward(tape: StepTape, by_output: Tensor<3>, by_cell: Option<Tensor<3>>) -> StepGradients {
    // Of a sigmoid and of a hyperbolic tangent, by their values.
    let sigmoid_slope = |value: &Tensor<3>| value.clone() - value.clone().square();
    let tanh_slope = |value: &Tensor<3>| value.clone().square().neg().add_scalar(1.0);
    match tape {
        StepTape::Lstm { input, forget, candidate, output, cell_before, cell_tanh, .. } => {
            let by_output_gate = by_output.clone() * cell_tanh.clone() * sigmoid_slope(&output);
            let through_output = by_output * output * tanh_slope(&cell_tanh);
            let by_cell = match by_cell {
                Some(later) => through_output + later,
                None => through_output,
            };
            let by_input_gate = by_cell.clone() * candidate.clone() * sigmoid_slope(&input);
            let by_forget_gate = by_cell.clone() * cell_before * sigmoid_slope(&forget);
            let by_candidate = by_cell.clone() * input * tanh_slope(&candidate);
            let by_gates = Tensor::cat(vec![by_input_gate, by_forget_gate, by_candidate, by_output_gate], 2);
            StepGradients { by_input: by_gates, by_hidden: None, direct: None, cell: Some(by_cell * forget) }
        }
        StepTape::Gru { reset, update, candidate, by_hidden, hidden_before } => {
            let by_update_gate =
                by_output.clone() * (hidden_before - candidate.clone()) * sigmoid_slope(&update);
            let by_candidate =
                (by_output.clone() - by_output.clone() * update.clone()) * tanh_slope(&candidate);
            let by_reset_gate = by_candidate.clone() * by_hidden * sigmoid_slope(&reset);
            let gates =
                |candidate| Tensor::cat(vec![by_reset_gate.clone(), by_update_gate.clone(), candidate], 2);
            StepGradients {
                by_input: gates(by_candidate.clone()),
                by_hidden: Some(gates(by_candidate * reset)),
                direct: Some(by_output * update),
                cell: None,
            }
        }
    }
}

/// The way back through a fully connected layer; returns the gradient by its input.
fn dense_backward(
    weights: &PackWeights,
    name: &str,
    input: Tensor<3>,
    by_output: Tensor<3>,
    gradients: &mut PackGradients,
) -> Tensor<3> {
    let (weight_name, bias_name) = (format!("{name}.weight"), format!("{name}.bias"));
    gradients.put(&weight_name, by_output.clone().swap_dims(1, 2).matmul(input));
    gradients.put(&bias_name, by_output.clone().sum_dim(1));
    by_output.matmul(weights.get(&weight_name))
}

impl PackNetwork for RecurrentPack {
    fn forecast(&self, weights: &PackWeights, input: Tensor<4>) -> Tensor<4> {
        let (last, _) = self.layers_forward(weights, input, None);
        self.head_forward(weights, last).0
    }

    fn learn(
        &self,
        weights: &PackWeights,
        input: Tensor<4>,
        noise: &mut PackNoise<'_>,
    ) -> (Tensor<4>, PackBackward<'_>) {
        let (last, tapes) = self.layers_forward(weights, input, Some(noise));
        let (forecast, head) = self.head_forward(weights, last);
        let weights = weights.clone();
        let backward = move |by_forecast: Tensor<4>| {
            let mut gradients = PackGradients::default();
            let by_last = self.head_backward(&weights, head, by_forecast, &mut gradients);
            self.layers_backward(&weights, tapes, by_last, &mut gradients);
            gradients
        };
        (forecast, Box::new(backward))
    }
}
