//! A pack of linear models: the layers of all models and targets as one product.

use burn::tensor::{Tensor, TensorData};

use super::composed::PackForward;
use crate::kernel::Fold;
use crate::model::linear::{averaging_matrix, parameter_names};
use crate::train::{PackNoise, PackWeights, Shape};

/// Linear, `NLinear` or `DLinear`, with weights that all targets share or weights of its own for each.
pub(super) struct LinearPack {
    fold: Fold,
    targets: usize,
    heads: usize,
    /// Names of the layers' parameters without their last word: each part's sets.
    layers: Vec<Vec<String>>,
}

impl LinearPack {
    pub fn new(fold: Fold, per_channel: bool, shape: Shape) -> Self {
        let sets = if per_channel { shape.targets } else { 1 };
        let names = parameter_names(fold, sets, "");
        let names: Vec<String> = names.iter().map(|name| name.trim_end_matches('.').to_string()).collect();
        let layers = names.chunks_exact(sets).map(<[String]>::to_vec).collect();
        Self { fold, targets: shape.targets, heads: shape.heads, layers }
    }

    /// One part's layer on `models x targets x batch x lookback`: `models x targets x batch x steps`.
    fn layer(&self, weights: &PackWeights, part: usize, pasts: Tensor<4>) -> Tensor<4> {
        let sets = &self.layers[part];
        let of = |leaf: &str| -> Vec<Tensor<3>> {
            let get = |name: &String| {
                let name = format!("{name}.{leaf}");
                if leaf == "bias" {
                    weights.get::<2>(&name).unsqueeze_dim(1)
                } else {
                    weights.get::<3>(&name)
                }
            };
            sets.iter().map(get).collect()
        };
        let weight: Tensor<4> = Tensor::stack(of("weight"), 1);
        let bias: Tensor<4> = Tensor::stack(of("bias"), 1);
        // One set serves all targets.
        pasts.matmul(weight.swap_dims(2, 3)) + bias
    }
}

impl PackForward for LinearPack {
    fn forward(&self, weights: &PackWeights, input: Tensor<4>, _: Option<&mut PackNoise<'_>>) -> Tensor<4> {
        let [models, batch, lookback, _] = input.dims();
        let pasts = input.narrow(3, 0, self.targets).permute([0, 3, 1, 2]);
        let forecasts = match self.fold {
            Fold::Plain => self.layer(weights, 0, pasts),
            Fold::Last => {
                let last = pasts.clone().narrow(3, lookback - 1, 1);
                self.layer(weights, 0, pasts - last.clone()) + last
            }
            Fold::Trend { kernel } => {
                let averaging = averaging_matrix(lookback, kernel);
                let averaging = TensorData::new(averaging, [1, 1, lookback, lookback]);
                let trend = pasts.clone().matmul(Tensor::from_data(averaging, &pasts.device()));
                self.layer(weights, 0, pasts - trend.clone()) + self.layer(weights, 1, trend)
            }
        };
        // To the layers a head is one more step.
        let [_, _, _, steps] = forecasts.dims();
        let horizon = steps / self.heads;
        let apart: Tensor<5> = forecasts.reshape([models, self.targets, batch, horizon, self.heads]);
        apart.permute([0, 2, 3, 1, 4]).reshape([models, batch, horizon, self.targets * self.heads])
    }
}
