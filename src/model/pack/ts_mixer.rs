//! A pack of mixers: every layer of all models as one product.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::composed::{PackForward, dense_on_rows, drop_values};
use crate::model::ts_mixer::EPSILON;
use crate::spec::TsMixerSpec;
use crate::train::{PackNoise, PackWeights};

/// The blocks and the two last layers.
pub(super) struct TsMixerPack {
    blocks: usize,
}

impl TsMixerPack {
    pub fn new(spec: &TsMixerSpec) -> Self {
        Self { blocks: spec.blocks }
    }
}

impl PackForward for TsMixerPack {
    fn forward(
        &self,
        weights: &PackWeights,
        input: Tensor<4>,
        mut noise: Option<&mut PackNoise<'_>>,
    ) -> Tensor<4> {
        let mut mixed = input;
        for block in 0..self.blocks {
            let name = |layer: &str| format!("blocks.{block}.{layer}");
            let steps = layer_norm(weights, &name("time_norm"), mixed.clone()).swap_dims(2, 3);
            let time = relu(dense_on_rows(weights, &name("time"), steps));
            mixed = mixed + drop_values(time, &mut noise).swap_dims(2, 3);
            let normal = layer_norm(weights, &name("feature_norm"), mixed.clone());
            let features = relu(dense_on_rows(weights, &name("fc1"), normal));
            let features = dense_on_rows(weights, &name("fc2"), drop_values(features, &mut noise));
            mixed = mixed + drop_values(features, &mut noise);
        }
        let future = dense_on_rows(weights, "temporal_projection", mixed.swap_dims(2, 3)).swap_dims(2, 3);
        dense_on_rows(weights, "fc_out", future)
    }
}

/// Layer normalisation over steps and channels.
fn layer_norm(weights: &PackWeights, name: &str, input: Tensor<4>) -> Tensor<4> {
    let dims = input.dims();
    let [models, batch, steps, channels] = dims;
    let flat: Tensor<3> = input.reshape([models, batch, steps * channels]);
    let centred = flat.clone() - flat.mean_dim(2);
    let variance = centred.clone().square().mean_dim(2);
    let normal = (centred / variance.add_scalar(EPSILON).sqrt()).reshape(dims);
    let factor: Tensor<3> = weights.get(&format!("{name}.weight"));
    let shift: Tensor<3> = weights.get(&format!("{name}.bias"));
    normal * factor.unsqueeze_dim(1) + shift.unsqueeze_dim(1)
}
