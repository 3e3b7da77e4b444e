//! Networks of a pack whose gradients burn derives from their forward pass.

use burn::tensor::Tensor;

use crate::train::{PackBackward, PackNetwork, PackNoise, PackWeights};

/// The forward pass of a pack, on tensors that gradients can be asked of.
pub(super) trait PackForward {
    /// `models x batch x lookback x channels` to `models x batch x horizon x outputs`; without noise in inference.
    fn forward(
        &self,
        weights: &PackWeights,
        input: Tensor<4>,
        noise: Option<&mut PackNoise<'_>>,
    ) -> Tensor<4>;
}

/// A network with its gradients.
pub(super) struct Composed<N>(pub N);

impl<N: PackForward> PackNetwork for Composed<N> {
    fn forecast(&self, weights: &PackWeights, input: Tensor<4>) -> Tensor<4> {
        self.0.forward(weights, input, None)
    }

    fn learn(
        &self,
        weights: &PackWeights,
        input: Tensor<4>,
        noise: &mut PackNoise<'_>,
    ) -> (Tensor<4>, PackBackward<'_>) {
        let leaves = weights.tracked();
        let forecast = self.0.forward(&leaves, input.autodiff(), Some(noise));
        let values = forecast.clone().inner();
        // The product of the forecast with the loss's gradient, held constant, has that gradient.
        let backward =
            move |by_forecast: Tensor<4>| leaves.gradients_of(&(forecast * by_forecast.autodiff()).sum());
        (values, Box::new(backward))
    }
}

/// A fully connected layer on the last axis: `models x rows x inputs` to `models x rows x outputs`.
pub(super) fn dense(weights: &PackWeights, name: &str, input: Tensor<3>) -> Tensor<3> {
    let weight: Tensor<3> = weights.get(&format!("{name}.weight"));
    let bias: Tensor<2> = weights.get(&format!("{name}.bias"));
    input.matmul(weight.swap_dims(1, 2)) + bias.unsqueeze_dim(1)
}

/// As [`dense`], with a further axis: `models x batch x rows x inputs`.
pub(super) fn dense_on_rows(weights: &PackWeights, name: &str, input: Tensor<4>) -> Tensor<4> {
    let [models, batch, rows, inputs] = input.dims();
    let output = dense(weights, name, input.reshape([models, batch * rows, inputs]));
    let [_, _, outputs] = output.dims();
    output.reshape([models, batch, rows, outputs])
}

/// Drops values as each model would alone.
pub(super) fn drop_values(values: Tensor<4>, noise: &mut Option<&mut PackNoise<'_>>) -> Tensor<4> {
    let [_, a, b, c] = values.dims();
    match noise.as_mut().and_then(|noise| noise.mask([a, b, c])) {
        Some(mask) if values.is_autodiff() => values * mask.autodiff(),
        Some(mask) => values * mask,
        None => values,
    }
}
