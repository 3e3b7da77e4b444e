//! What is trained by gradient descent: a burn module with a forward pass.

use burn::module::Module;
use burn::tensor::Tensor;

use super::{ComputeDevice, Shape};
use crate::dataset::Windows;
use crate::stats::Stream;

/// Windows in one inference batch: large enough for the matrix products, small enough for the cache.
const INFERENCE_BATCH: usize = 256;

/// Where the dropout masks of a training step come from; `None` in inference.
pub type Noise<'a> = Option<&'a mut Stream>;

/// A burn module that maps histories to forecasts.
pub trait Network: Module {
    /// `batch x lookback x channels` to `batch x horizon x (targets x heads)`.
    fn forward(&self, input: Tensor<3>, noise: Noise<'_>) -> Tensor<3>;

    /// The names that PyTorch gives the parameters at this path of the module: usually one. Where PyTorch has several
    /// that are stacked here, the first axes count them, in the order of the names.
    fn parameter_names(&self, path: &str) -> Vec<String>;

    /// How many first axes of each parameter stack parameters of PyTorch.
    fn stacked_axes(&self) -> usize {
        0
    }
}

/// Forecasts of a network without autodiff, batch by batch: `windows x horizon x targets x heads`.
pub(crate) fn infer<N: Network>(
    network: &N,
    windows: &Windows<'_>,
    shape: Shape,
    device: &ComputeDevice,
) -> Vec<f32> {
    let mut forecasts = Vec::with_capacity(windows.len() * shape.horizon * shape.targets * shape.heads);
    let indices: Vec<usize> = (0..windows.len()).collect();
    for batch in indices.chunks(INFERENCE_BATCH) {
        let input = device.plain_tensor(
            [batch.len(), shape.lookback, shape.channels],
            windows.gather_histories(batch, shape.lookback),
        );
        forecasts.extend(device.values(network.forward(input, None)));
    }
    forecasts
}
