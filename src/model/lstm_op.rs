//! The LSTM layer as one operation of burn's CPU backend, with its own backward pass: one node of the autodiff graph
//! for a whole sequence, where composed operations are a dozen nodes a step.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor, TensorData};

use super::lstm_kernel::{Sizes, Trace, Weights, backward, forward};

/// A backend that runs a whole LSTM layer at once.
#[backend_extension(Flex, Autodiff)]
pub trait LstmBackend: Backend {
    /// Hidden states of every step, `steps x batch x hidden`, from `steps x batch x inputs` and PyTorch's parameters.
    fn lstm_sequence(
        input: FloatTensor<Self>,
        weight_ih: FloatTensor<Self>,
        weight_hh: FloatTensor<Self>,
        bias_ih: FloatTensor<Self>,
        bias_hh: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// Runs a layer on the CPU backend. The parameters are `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`.
pub fn lstm_sequence(input: Tensor<3>, weights: [Tensor<2>; 2], biases: [Tensor<1>; 2]) -> Tensor<3> {
    let [weight_ih, weight_hh] = weights;
    let [bias_ih, bias_hh] = biases;
    Tensor::from_dispatch(<Dispatch as LstmBackend>::lstm_sequence(
        input.into_dispatch(),
        weight_ih.into_dispatch(),
        weight_hh.into_dispatch(),
        bias_ih.into_dispatch(),
        bias_hh.into_dispatch(),
    ))
}

type FlexTensor = FloatTensor<Flex>;

/// Contiguous tensors of a call, kept for the backward pass.
#[derive(Debug, Clone)]
struct Call {
    input: FlexTensor,
    parameters: [FlexTensor; 4],
}

impl Call {
    fn new(input: &FlexTensor, parameters: [&FlexTensor; 4]) -> Self {
        Self { input: input.to_contiguous(), parameters: parameters.map(FlexTensor::to_contiguous) }
    }

    fn sizes(&self) -> Sizes {
        let shape = self.input.shape();
        let hidden = self.parameters[1].shape()[1];
        Sizes { steps: shape[0], batch: shape[1], inputs: shape[2], hidden }
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

    fn forward(&self) -> Trace {
        forward(self.sizes(), self.input.storage(), self.weights())
    }

    fn output(&self, trace: &Trace) -> FlexTensor {
        let Sizes { steps, batch, hidden, .. } = self.sizes();
        tensor(trace.hidden.clone(), [steps, batch, hidden])
    }
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::from(shape)))
}

impl LstmBackend for Flex {
    fn lstm_sequence(
        input: FlexTensor,
        weight_ih: FlexTensor,
        weight_hh: FlexTensor,
        bias_ih: FlexTensor,
        bias_hh: FlexTensor,
    ) -> FlexTensor {
        let call = Call::new(&input, [&weight_ih, &weight_hh, &bias_ih, &bias_hh]);
        call.output(&call.forward())
    }
}

/// The backward pass of a whole sequence.
#[derive(Debug)]
struct LstmBackward;

impl Backward<Flex, 5> for LstmBackward {
    type State = (Call, Arc<Trace>);

    fn backward(self, ops: Ops<Self::State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let by_output = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (call, trace) = ops.state;
        let sizes @ Sizes { steps, batch, inputs, hidden } = call.sizes();
        let with_input = ops.parents[0].is_some();
        let found =
            backward(sizes, call.input.storage(), call.weights(), &trace, by_output.storage(), with_input);
        let width = 4 * hidden;
        let gradients = [
            found.input.map(|values| tensor(values, [steps, batch, inputs])),
            Some(tensor(found.weight_ih, [width, inputs])),
            Some(tensor(found.weight_hh, [width, hidden])),
            Some(tensor(found.bias.clone(), [width])),
            Some(tensor(found.bias, [width])),
        ];
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}

impl<C: CheckpointStrategy> LstmBackend for Autodiff<Flex, C> {
    fn lstm_sequence(
        input: FloatTensor<Self>,
        weight_ih: FloatTensor<Self>,
        weight_hh: FloatTensor<Self>,
        bias_ih: FloatTensor<Self>,
        bias_hh: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let parameters = [&weight_ih, &weight_hh, &bias_ih, &bias_hh];
        let nodes = [&input, &weight_ih, &weight_hh, &bias_ih, &bias_hh].map(<FloatTensor<Self>>::node);
        let call = Call::new(input.primitive(), parameters.map(<FloatTensor<Self>>::primitive));
        let trace = call.forward();
        let output = call.output(&trace);
        match LstmBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((call, Arc::new(trace)), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}
