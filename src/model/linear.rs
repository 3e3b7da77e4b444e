//! Linear, NLinear and DLinear: one layer over time (Zeng et al., "Are Transformers Effective for Time Series
//! Forecasting?", AAAI 2023).
//!
//! Each target is forecast from its own past alone, with weights that all targets share or weights of its own; further
//! input channels are not read.

use burn::module::Module;
use burn::tensor::Tensor;

use super::network::{Dense, Network, Noise};
use super::{DlinearSpec, LinearSpec, Shape};
use crate::train::{ComputeDevice, Stream};

/// One layer from `lookback` to `horizon`, shared by all targets or one for each.
#[derive(Module, Debug)]
struct TimeLayer {
    layers: Vec<Dense>,
    targets: usize,
}

impl TimeLayer {
    fn new(shape: Shape, per_channel: bool, stream: &mut Stream, device: &ComputeDevice) -> Self {
        let count = if per_channel { shape.targets } else { 1 };
        let layers = (0..count).map(|_| Dense::new(shape.lookback, shape.horizon, stream, device)).collect();
        Self { layers, targets: shape.targets }
    }

    /// `batch x targets x lookback` to `batch x targets x horizon`.
    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        if let [shared] = self.layers.as_slice() {
            return shared.forward(input);
        }
        let outputs = self
            .layers
            .iter()
            .enumerate()
            .map(|(target, layer)| layer.forward(input.clone().narrow(1, target, 1)))
            .collect();
        Tensor::cat(outputs, 1)
    }

    /// PyTorch's name: `<layer>.weight`, or `<layer>.<target>.weight` with weights of its own for each target.
    fn name(&self, pytorch: &str, path: &str) -> String {
        let mut parts = path.split('.').skip_while(|part| *part != "layers").skip(1);
        let (index, leaf) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if self.layers.len() == 1 { format!("{pytorch}.{leaf}") } else { format!("{pytorch}.{index}.{leaf}") }
    }
}

/// `batch x lookback x channels` to the targets' `batch x targets x lookback`.
fn targets_first(input: Tensor<3>, targets: usize) -> Tensor<3> {
    input.narrow(2, 0, targets).swap_dims(1, 2)
}

/// One linear layer.
#[derive(Module, Debug)]
pub struct Linear {
    linear: TimeLayer,
}

impl Linear {
    /// A freshly initialised network.
    pub fn new(shape: Shape, spec: &LinearSpec, stream: &mut Stream, device: &ComputeDevice) -> Self {
        Self { linear: TimeLayer::new(shape, spec.per_channel, stream, device) }
    }
}

impl Network for Linear {
    fn forward(&self, input: Tensor<3>, _: Noise<'_>) -> Tensor<3> {
        self.linear.forward(targets_first(input, self.linear.targets)).swap_dims(1, 2)
    }

    fn parameter_name(&self, path: &str) -> String {
        self.linear.name("Linear", path)
    }
}

/// One linear layer on the differences from the last value.
#[derive(Module, Debug)]
pub struct NLinear {
    linear: TimeLayer,
}

impl NLinear {
    /// A freshly initialised network.
    pub fn new(shape: Shape, spec: &LinearSpec, stream: &mut Stream, device: &ComputeDevice) -> Self {
        Self { linear: TimeLayer::new(shape, spec.per_channel, stream, device) }
    }
}

impl Network for NLinear {
    fn forward(&self, input: Tensor<3>, _: Noise<'_>) -> Tensor<3> {
        let input = targets_first(input, self.linear.targets);
        let [_, _, lookback] = input.dims();
        let last = input.clone().narrow(2, lookback - 1, 1);
        (self.linear.forward(input - last.clone()) + last).swap_dims(1, 2)
    }

    fn parameter_name(&self, path: &str) -> String {
        self.linear.name("Linear", path)
    }
}

/// Two linear layers: one on the moving average, one on the remainder.
#[derive(Module, Debug)]
pub struct DLinear {
    seasonal: TimeLayer,
    trend: TimeLayer,
    /// `1 x lookback x lookback`, a constant: column `t` holds the weight of each step in the average around step `t`.
    averaging: Tensor<3>,
}

impl DLinear {
    /// A freshly initialised network.
    pub fn new(shape: Shape, spec: &DlinearSpec, stream: &mut Stream, device: &ComputeDevice) -> Self {
        let lookback = shape.lookback;
        let matrix = averaging_matrix(lookback, spec.kernel);
        Self {
            seasonal: TimeLayer::new(shape, spec.per_channel, stream, device),
            trend: TimeLayer::new(shape, spec.per_channel, stream, device),
            averaging: device.training_tensor([1, lookback, lookback], matrix),
        }
    }

    /// The moving average over time with replicated edges, as one matrix product (pooling takes longer on the CPU):
    /// `batch x targets x lookback`.
    fn moving_average(&self, input: Tensor<3>) -> Tensor<3> {
        input.matmul(self.averaging.clone())
    }
}

/// `lookback x lookback`, row by row, for a kernel of odd width.
fn averaging_matrix(lookback: usize, kernel: usize) -> Vec<f32> {
    let mut matrix = vec![0.0; lookback * lookback];
    let half = kernel / 2;
    for center in 0..lookback {
        for offset in 0..kernel {
            let step = (center + offset).saturating_sub(half).min(lookback - 1);
            matrix[step * lookback + center] += 1.0 / kernel as f32;
        }
    }
    matrix
}

impl Network for DLinear {
    fn forward(&self, input: Tensor<3>, _: Noise<'_>) -> Tensor<3> {
        let input = targets_first(input, self.seasonal.targets);
        let trend = self.moving_average(input.clone());
        let seasonal = input - trend.clone();
        (self.seasonal.forward(seasonal) + self.trend.forward(trend)).swap_dims(1, 2)
    }

    fn parameter_name(&self, path: &str) -> String {
        if path.starts_with("seasonal") {
            self.seasonal.name("Linear_Seasonal", path)
        } else {
            self.trend.name("Linear_Trend", path)
        }
    }
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
        assert_eq!(average, [4.0, 6.0, 5.0, 3.0]);
    }

    #[test]
    fn parameters_are_named_as_the_published_code_names_them() {
        let device = ComputeDevice::cpu();
        let shape = Shape { lookback: 4, horizon: 2, channels: 3, targets: 2 };
        let spec = DlinearSpec { kernel: 3, per_channel: true };
        let network = DLinear::new(shape, &spec, &mut Stream::weights(1), &device);
        assert_eq!(network.parameter_name("trend.layers.1.bias"), "Linear_Trend.1.bias");
        let shared = Linear::new(shape, &LinearSpec::default(), &mut Stream::weights(1), &device);
        assert_eq!(shared.parameter_name("linear.layers.0.weight"), "Linear.weight");
    }
}
