//! The forecast of a linear model as one operation of burn's CPU backend: one node of the autodiff graph.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Shape, Tensor, TensorData};

use crate::kernel::{Fold, Pasts, WindowSizes, window_gradients, window_products};

/// A backend that forecasts a batch of windows at once.
#[backend_extension(Flex, Autodiff)]
pub trait LinearBackend: Backend {
    /// `batch x horizon x targets` from `batch x lookback x channels`, `parts x sets x horizon x lookback` and
    /// `parts x sets x horizon`. The input is a constant: no gradient by it is computed.
    fn linear_forecast(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        fold: Fold,
        sizes: WindowSizes,
    ) -> FloatTensor<Self>;
}

/// Forecasts on the CPU backend.
pub fn linear_forecast(
    input: Tensor<3>,
    weight: Tensor<4>,
    bias: Tensor<3>,
    fold: Fold,
    sizes: WindowSizes,
) -> Tensor<3> {
    Tensor::from_dispatch(<Dispatch as LinearBackend>::linear_forecast(
        input.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        fold,
        sizes,
    ))
}

/// A tensor of burn's CPU backend.
pub(super) type FlexTensor = FloatTensor<Flex>;

fn forecast(
    input: &FlexTensor,
    weight: &FlexTensor,
    bias: &FlexTensor,
    fold: Fold,
    sizes: &WindowSizes,
) -> (FlexTensor, Pasts) {
    let pasts = Pasts::gather(sizes, input.to_contiguous().storage());
    let folded = fold.fold(weight.to_contiguous().storage(), sizes.lookback);
    let bias = bias.to_contiguous();
    let mut parts = bias.storage::<f32>().chunks_exact(sizes.sets * sizes.horizon);
    let mut sum = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
    }
    let values = window_products(sizes, &pasts, &folded, &sum);
    (tensor(values, [sizes.batch, sizes.horizon, sizes.targets]), pasts)
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::from(shape)))
}

impl LinearBackend for Flex {
    fn linear_forecast(
        input: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        fold: Fold,
        sizes: WindowSizes,
    ) -> FlexTensor {
        forecast(&input, &weight, &bias, fold, &sizes).0
    }
}

/// The gradients by weight and bias.
#[derive(Debug)]
struct LinearBackward;

impl Backward<Flex, 2> for LinearBackward {
    type State = (Fold, WindowSizes, Pasts);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let by_forecasts = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (fold, sizes, pasts) = ops.state;
        let WindowSizes { lookback, horizon, sets, .. } = sizes;
        let (by_folded, by_bias) = window_gradients(&sizes, &pasts, by_forecasts.storage());
        let parts = fold.parts();
        let by_weight = tensor(fold.unfold(by_folded, lookback), [parts, sets, horizon, lookback]);
        let by_bias = tensor(by_bias.repeat(parts), [parts, sets, horizon]);
        for (node, gradient) in ops.parents.into_iter().zip([by_weight, by_bias]) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}

impl<C: CheckpointStrategy> LinearBackend for Autodiff<Flex, C> {
    fn linear_forecast(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        fold: Fold,
        sizes: WindowSizes,
    ) -> FloatTensor<Self> {
        let nodes = [&weight, &bias].map(<FloatTensor<Self>>::node);
        let (output, pasts) = forecast(input.primitive(), weight.primitive(), bias.primitive(), fold, &sizes);
        match LinearBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((fold, sizes, pasts), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}
