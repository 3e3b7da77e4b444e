//! A recurrent layer as one operation of burn's CPU backend, with its own backward pass: one node of the autodiff graph
//! for a whole sequence, where composed operations are a dozen nodes a step.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor, TensorData};

use super::cell_kind::CellKind;
use super::linear_op::FlexTensor;
use crate::kernel::sequence::{self, Input, Scope, Sizes, Tape, Weights};
use crate::kernel::{GruCell, LstmCell};

/// A backend that runs a whole recurrent layer at once.
#[backend_extension(Flex, Autodiff)]
pub trait RecurrentBackend: Backend {
    /// Hidden states from `steps x batch x inputs` and PyTorch's parameters: `steps x batch x hidden` for all steps,
    /// `1 x batch x hidden` for the last.
    fn recurrent_sequence(
        input: FloatTensor<Self>,
        weight_ih: FloatTensor<Self>,
        weight_hh: FloatTensor<Self>,
        bias_ih: FloatTensor<Self>,
        bias_hh: FloatTensor<Self>,
        kind: CellKind,
        scope: Scope,
    ) -> FloatTensor<Self>;
}

/// Runs a layer on the CPU backend. The parameters are `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`.
pub fn recurrent_sequence(
    kind: CellKind,
    input: Tensor<3>,
    weights: [Tensor<2>; 2],
    biases: [Tensor<1>; 2],
    scope: Scope,
) -> Tensor<3> {
    let [weight_ih, weight_hh] = weights;
    let [bias_ih, bias_hh] = biases;
    Tensor::from_dispatch(<Dispatch as RecurrentBackend>::recurrent_sequence(
        input.into_dispatch(),
        weight_ih.into_dispatch(),
        weight_hh.into_dispatch(),
        bias_ih.into_dispatch(),
        bias_hh.into_dispatch(),
        kind,
        scope,
    ))
}

/// What a call is made of.
#[derive(Debug, Clone)]
struct Call {
    kind: CellKind,
    scope: Scope,
    sizes: Sizes,
    /// `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`, each in one piece.
    parameters: [FlexTensor; 4],
}

impl Call {
    fn new(input: &FlexTensor, parameters: [&FlexTensor; 4], kind: CellKind, scope: Scope) -> Self {
        let shape = input.shape();
        let parameters = parameters.map(FlexTensor::to_contiguous);
        let hidden = parameters[1].shape()[1];
        let sizes = Sizes { steps: shape[0], batch: shape[1], inputs: shape[2], hidden };
        Self { kind, scope, sizes, parameters }
    }

    fn weights(&self) -> Weights<'_> {
        let [weight_ih, weight_hh, bias_ih, bias_hh] = &self.parameters;
        Weights {
            weight_ih: weight_ih.storage(),
            weight_hh: weight_hh.storage(),
            bias_ih: bias_ih.storage(),
            bias_hh: bias_hh.storage(),
        }
    }

    fn infer(&self, input: &FlexTensor) -> FlexTensor {
        let kept = lined_up(input);
        let run = match self.kind {
            CellKind::Lstm => sequence::infer::<LstmCell>,
            CellKind::Gru => sequence::infer::<GruCell>,
        };
        self.output(run(self.sizes, view(&kept), self.weights(), self.scope))
    }

    fn forward(&self, input: &FlexTensor) -> (FlexTensor, Tape) {
        let kept = lined_up(input);
        let run = match self.kind {
            CellKind::Lstm => sequence::forward::<LstmCell>,
            CellKind::Gru => sequence::forward::<GruCell>,
        };
        let (output, tape) = run(self.sizes, view(&kept), self.weights(), self.scope);
        (self.output(output), tape)
    }

    fn output(&self, values: Vec<f32>) -> FlexTensor {
        let steps = if self.scope == Scope::All { self.sizes.steps } else { 1 };
        tensor(values, [steps, self.sizes.batch, self.sizes.hidden])
    }
}

/// The same values with the units of a step side by side; steps and rows may stay exchanged.
fn lined_up(input: &FlexTensor) -> FlexTensor {
    let strides = input.layout().strides();
    if strides[2] == 1 && strides[0] >= 0 && strides[1] >= 0 { input.clone() } else { input.to_contiguous() }
}

fn view(input: &FlexTensor) -> Input<'_> {
    let layout = input.layout();
    let values: &[f32] = input.storage();
    Input {
        values: &values[layout.start_offset()..],
        step_stride: layout.strides()[0].unsigned_abs(),
        row_stride: layout.strides()[1].unsigned_abs(),
    }
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::from(shape)))
}

impl RecurrentBackend for Flex {
    fn recurrent_sequence(
        input: FlexTensor,
        weight_ih: FlexTensor,
        weight_hh: FlexTensor,
        bias_ih: FlexTensor,
        bias_hh: FlexTensor,
        kind: CellKind,
        scope: Scope,
    ) -> FlexTensor {
        Call::new(&input, [&weight_ih, &weight_hh, &bias_ih, &bias_hh], kind, scope).infer(&input)
    }
}

/// The backward pass of a whole sequence.
#[derive(Debug)]
struct RecurrentBackward;

impl Backward<Flex, 5> for RecurrentBackward {
    type State = (Call, Tape);

    fn backward(self, ops: Ops<Self::State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let by_output = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (call, tape) = ops.state;
        let Sizes { steps, batch, inputs, hidden } = call.sizes;
        let run = match call.kind {
            CellKind::Lstm => sequence::backward::<LstmCell>,
            CellKind::Gru => sequence::backward::<GruCell>,
        };
        let with_input = ops.parents[0].is_some();
        let found = run(call.sizes, call.weights(), tape, by_output.storage(), call.scope, with_input);
        let width = found.bias_ih.len();
        let gradients = [
            found.input.map(|values| tensor(values, [steps, batch, inputs])),
            Some(tensor(found.weight_ih, [width, inputs])),
            Some(tensor(found.weight_hh, [width, hidden])),
            Some(tensor(found.bias_ih, [width])),
            Some(tensor(found.bias_hh, [width])),
        ];
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}

impl<C: CheckpointStrategy> RecurrentBackend for Autodiff<Flex, C> {
    fn recurrent_sequence(
        input: FloatTensor<Self>,
        weight_ih: FloatTensor<Self>,
        weight_hh: FloatTensor<Self>,
        bias_ih: FloatTensor<Self>,
        bias_hh: FloatTensor<Self>,
        kind: CellKind,
        scope: Scope,
    ) -> FloatTensor<Self> {
        let parameters = [&weight_ih, &weight_hh, &bias_ih, &bias_hh];
        let nodes = [&input, &weight_ih, &weight_hh, &bias_ih, &bias_hh].map(<FloatTensor<Self>>::node);
        let call = Call::new(input.primitive(), parameters.map(<FloatTensor<Self>>::primitive), kind, scope);
        match RecurrentBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let (output, tape) = call.forward(input.primitive());
                prepared.finish((call, tape), output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(call.infer(input.primitive())),
        }
    }
}
