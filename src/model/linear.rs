//! Linear, NLinear and DLinear: one layer over time (Zeng et al., "Are Transformers Effective for Time Series
//! Forecasting?", AAAI 2023), trained by gradient descent.
//!
//! Each target is forecast from its own past alone, with weights that all targets share or weights of its own; further
//! input channels are not read.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};

use super::Shape;
use super::linear_op::linear_forecast;
use crate::kernel::{Fold, WindowSizes};
use crate::stats::Stream;
use crate::train::{ComputeDevice, Network, Noise};

/// A linear model: which one is a matter of how its weights are folded.
#[derive(Module, Debug)]
pub struct Linear {
    /// `parts x sets x (horizon x heads) x lookback`: a part for each layer, a set for all targets or for each.
    weight: Param<Tensor<4>>,
    /// `parts x sets x (horizon x heads)`.
    bias: Param<Tensor<3>>,
    #[module(skip)]
    fold: Fold,
    targets: usize,
    heads: usize,
    /// Whether the forecast is one operation, which only the CPU backend has.
    fused: bool,
}

impl Linear {
    /// PyTorch's default initialisation: uniform in ±1/√lookback.
    pub fn new(
        fold: Fold,
        shape: Shape,
        per_channel: bool,
        stream: &mut Stream,
        device: &ComputeDevice,
    ) -> Self {
        let Shape { lookback, targets, heads, .. } = shape;
        // To the layers a head is one more step.
        let horizon = shape.horizon * heads;
        let sets = if per_channel { targets } else { 1 };
        let parts = fold.parts();
        let bound = 1.0 / (lookback as f32).sqrt();
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for _ in 0..parts * sets {
            weight.extend(stream.uniform(horizon * lookback, bound));
            bias.extend(stream.uniform(horizon, bound));
        }
        Self {
            weight: device.parameter([parts, sets, horizon, lookback], weight),
            bias: device.parameter([parts, sets, horizon], bias),
            fold,
            targets,
            heads,
            fused: device.is_cpu(),
        }
    }

    /// The same model computed by composed operations, as it is on every device but the CPU.
    #[cfg(test)]
    fn composed(self) -> Self {
        Self { fused: false, ..self }
    }

    /// `batch x (horizon x heads) x targets` to `batch x horizon x (targets x heads)`.
    fn heads_last(&self, forecast: Tensor<3>) -> Tensor<3> {
        if self.heads == 1 {
            return forecast;
        }
        let [batch, steps, targets] = forecast.dims();
        let horizon = steps / self.heads;
        let apart: Tensor<4> = forecast.reshape([batch, horizon, self.heads, targets]);
        apart.swap_dims(2, 3).reshape([batch, horizon, targets * self.heads])
    }

    /// One part's layer on `batch x targets x lookback`: `batch x targets x horizon`.
    fn layer(&self, part: usize, pasts: &Tensor<3>) -> Tensor<3> {
        let weight: Tensor<3> = self.weight.val().narrow(0, part, 1).squeeze_dim(0);
        let bias: Tensor<2> = self.bias.val().narrow(0, part, 1).squeeze_dim(0);
        // `targets x batch x lookback` by `sets x lookback x horizon`: one set serves all targets.
        let products = pasts.clone().swap_dims(0, 1).matmul(weight.swap_dims(1, 2));
        (products + bias.unsqueeze_dim(1)).swap_dims(0, 1)
    }

    fn forward_composed(&self, input: Tensor<3>) -> Tensor<3> {
        let pasts = input.narrow(2, 0, self.targets).swap_dims(1, 2);
        let [_, _, lookback] = pasts.dims();
        let forecasts = match self.fold {
            Fold::Plain => self.layer(0, &pasts),
            Fold::Last => {
                let last = pasts.clone().narrow(2, lookback - 1, 1);
                self.layer(0, &(pasts - last.clone())) + last
            }
            Fold::Trend { kernel } => {
                let averaging = TensorData::new(averaging_matrix(lookback, kernel), [1, lookback, lookback]);
                let trend = pasts.clone().matmul(Tensor::from_data(averaging, &pasts.device()));
                self.layer(0, &(pasts - trend.clone())) + self.layer(1, &trend)
            }
        };
        forecasts.swap_dims(1, 2)
    }
}

/// `lookback x lookback`, row by row: column `t` holds the weight of each step in the average around step `t`.
pub(super) fn averaging_matrix(lookback: usize, kernel: usize) -> Vec<f32> {
    // What the second part's weights become when each is one in turn is the average's own matrix.
    let mut weights = vec![0.0; 2 * lookback * lookback];
    for step in 0..lookback {
        weights[lookback * lookback + step * lookback + step] = 1.0;
    }
    let rows = Fold::Trend { kernel }.fold(&weights, lookback);
    (0..lookback * lookback).map(|at| rows[(at % lookback) * lookback + at / lookback]).collect()
}

impl Network for Linear {
    fn forward(&self, input: Tensor<3>, _: Noise<'_>) -> Tensor<3> {
        if !self.fused {
            return self.heads_last(self.forward_composed(input));
        }
        let [batch, lookback, channels] = input.dims();
        let [_, sets, horizon, _] = self.weight.dims();
        let sizes = WindowSizes { batch, lookback, channels, targets: self.targets, horizon, sets };
        self.heads_last(linear_forecast(input, self.weight.val(), self.bias.val(), self.fold, sizes))
    }

    fn parameter_names(&self, path: &str) -> Vec<String> {
        let [_, sets, _, _] = self.weight.dims();
        parameter_names(self.fold, sets, path)
    }

    /// The axes of the parts and of the sets.
    fn stacked_axes(&self) -> usize {
        2
    }
}

/// The names in the published code of each part's and each set's `weight` or `bias`: `<layer>.weight`, or
/// `<layer>.<target>.weight` with weights of its own for each target.
pub fn parameter_names(fold: Fold, sets: usize, leaf: &str) -> Vec<String> {
    let layers: &[&str] = match fold {
        Fold::Plain | Fold::Last => &["Linear"],
        Fold::Trend { .. } => &["Linear_Seasonal", "Linear_Trend"],
    };
    let name = |layer: &str, set: usize| {
        if sets == 1 { format!("{layer}.{leaf}") } else { format!("{layer}.{set}.{leaf}") }
    };
    layers.iter().flat_map(|layer| (0..sets).map(move |set| name(layer, set))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moving_average_replicates_the_edges() {
        let matrix = averaging_matrix(4, 3);
        let series = [3.0_f32, 6.0, 9.0, 0.0];
        let average: Vec<f32> =
            (0..4).map(|center| (0..4).map(|step| series[step] * matrix[step * 4 + center]).sum()).collect();
        for (found, expected) in average.iter().zip([4.0, 6.0, 5.0, 3.0]) {
            assert!((found - expected).abs() < 1e-6, "{average:?}");
        }
    }

    #[test]
    fn parameters_are_named_as_the_published_code_names_them() {
        let trend = Fold::Trend { kernel: 3 };
        assert_eq!(
            parameter_names(trend, 2, "bias"),
            [
                "Linear_Seasonal.0.bias",
                "Linear_Seasonal.1.bias",
                "Linear_Trend.0.bias",
                "Linear_Trend.1.bias"
            ]
        );
        assert_eq!(parameter_names(Fold::Plain, 1, "weight"), ["Linear.weight"]);
    }

    #[test]
    fn the_fused_and_the_composed_model_agree_in_forecasts_and_gradients() {
        let device = ComputeDevice::cpu();
        let shape = Shape { lookback: 7, horizon: 3, channels: 4, targets: 2, heads: 7 };
        for fold in [Fold::Plain, Fold::Last, Fold::Trend { kernel: 5 }] {
            for per_channel in [false, true] {
                let fused = Linear::new(fold, shape, per_channel, &mut Stream::weights(3), &device);
                let input = Stream::weights(4).uniform(5 * 7 * 4, 1.0);
                let outcome = |model: &Linear| {
                    let input = device.training_tensor([5, 7, 4], input.clone());
                    let output = model.forward(input, None);
                    let gradients = output.clone().square().sum().backward();
                    let weight = model.weight.val().grad(&gradients).map(|gradient| device.values(gradient));
                    let bias = model.bias.val().grad(&gradients).map(|gradient| device.values(gradient));
                    [Some(device.values(output)), weight, bias].map(Option::unwrap_or_default)
                };
                let expected = outcome(&fused.clone().composed());
                for (found, expected) in outcome(&fused).iter().zip(&expected) {
                    assert!(!expected.is_empty() && found.len() == expected.len());
                    for (found, expected) in found.iter().zip(expected) {
                        assert!((found - expected).abs() < 1e-4, "{fold:?}: {found} not {expected}");
                    }
                }
            }
        }
    }
}
