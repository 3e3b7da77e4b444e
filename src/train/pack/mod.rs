//! Runs of one shape, trained as one program whose tensors have a leading axis of models (horizontal fusion: Wang et al.,
//! "Horizontally Fused Training Array", `MLSys` 2021).
//!
//! One small model leaves a GPU idle, since the start of each operation takes longer than the operation. Many of them side by
//! side take hardly longer than one. Each keeps its own shuffles, dropout, learning rate, early stopping and best weights.

mod descent;
mod fit;
mod member;
mod noise;
mod weights;

use burn::tensor::Tensor;

pub(crate) use fit::{PackAudience, fit_pack, inference_batch};
pub(crate) use member::PackMember;
pub use noise::PackNoise;
pub use weights::{PackGradients, PackWeights, RowLayout};

/// Turns the gradient of the loss by the forecasts into the gradients by the weights.
pub type PackBackward<'a> = Box<dyn FnOnce(Tensor<4>) -> PackGradients + 'a>;

/// A network whose weights and values have a leading axis of models. Its tensors have no autodiff of their own.
pub trait PackNetwork {
    /// Forecasts without dropout: `models x batch x lookback x channels` to `models x batch x horizon x outputs`.
    fn forecast(&self, weights: &PackWeights, input: Tensor<4>) -> Tensor<4>;

    /// As [`PackNetwork::forecast`] with dropout, and the way back.
    fn learn(
        &self,
        weights: &PackWeights,
        input: Tensor<4>,
        noise: &mut PackNoise<'_>,
    ) -> (Tensor<4>, PackBackward<'_>);
}
