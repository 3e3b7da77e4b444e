//! Models that are trained by gradient descent: a burn module with a forward pass, wrapped as a [`Forecaster`].

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

use super::{BuildContext, FitData, FitError, Forecaster, OnEpoch, ParameterValues, Parameters, Shape};
use crate::dataset::Windows;
use crate::spec::TrainingSpec;
use crate::stats::{MEDIAN, QUANTILES, Stream};
use crate::train::{ComputeDevice, Criterion, Network, Objective, fit_network, infer};

/// A fully connected layer with PyTorch's layout: weight `out x in`, bias `out`.
#[derive(Module, Debug)]
pub struct Dense {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Dense {
    /// PyTorch's default initialisation: uniform in ±1/√inputs.
    pub fn new(inputs: usize, outputs: usize, stream: &mut Stream, device: &ComputeDevice) -> Self {
        let bound = 1.0 / (inputs as f32).sqrt();
        Self {
            weight: device.parameter([outputs, inputs], stream.uniform(outputs * inputs, bound)),
            bias: device.parameter([outputs], stream.uniform(outputs, bound)),
        }
    }

    /// Applies the layer to the last axis.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let weight = self.weight.val().transpose();
        input.matmul(weight.unsqueeze()) + self.bias.val().unsqueeze()
    }
}

/// A network with what it needs to be trained and asked.
pub struct Trained<N> {
    network: N,
    shape: Shape,
    training: TrainingSpec,
    seed: u64,
    device: ComputeDevice,
}

impl<N: Network> Trained<N> {
    /// Wraps a freshly initialised network.
    pub fn new(network: N, context: &BuildContext<'_>) -> Self {
        Self {
            network,
            shape: context.shape,
            training: context.training.clone(),
            seed: context.seed,
            device: context.device.clone(),
        }
    }
}

impl<N: Network> Trained<N> {
    /// Learns by another criterion than the experiment's loss.
    pub(super) fn fit_by(
        &mut self,
        criterion: &dyn Criterion,
        data: &FitData<'_>,
        on_epoch: OnEpoch<'_>,
    ) -> Result<(), FitError> {
        let start = self.network.clone();
        let (shape, training, device) = (self.shape, &self.training, &self.device);
        self.network = fit_network(start, shape, training, criterion, self.seed, device, data, on_epoch)?;
        Ok(())
    }

    /// Everything that the network forecasts of every window: `windows x horizon x targets x heads`.
    pub(super) fn heads(&self, windows: &Windows<'_>) -> Vec<f32> {
        infer(&self.network.valid(), windows, self.shape, &self.device)
    }
}

impl<N: Network + Send> Forecaster for Trained<N> {
    fn fit(&mut self, data: &FitData<'_>, on_epoch: OnEpoch<'_>) -> Result<(), FitError> {
        let scales = data.scaler.channels.iter().take(self.shape.targets);
        let targets = scales.map(|scale| scale.channel.name.as_str());
        let objective = Objective::new(&self.training, targets);
        self.fit_by(&objective, data, on_epoch)
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        match self.quantiles(windows) {
            Some(quantiles) => quantiles.chunks_exact(QUANTILES.len()).map(|heads| heads[MEDIAN]).collect(),
            None => self.heads(windows),
        }
    }

    /// Heads that cross are put in order.
    fn quantiles(&self, windows: &Windows<'_>) -> Option<Vec<f32>> {
        if self.shape.heads == 1 {
            return None;
        }
        let mut quantiles = self.heads(windows);
        for heads in quantiles.chunks_exact_mut(QUANTILES.len()) {
            heads.sort_by(f32::total_cmp);
        }
        Some(quantiles)
    }

    fn lookback(&self) -> usize {
        self.shape.lookback
    }

    fn parameters(&self) -> Parameters {
        let mut collector = Collector { path: Vec::new(), found: Vec::new() };
        self.network.valid().visit(&mut collector);
        let mut parameters = Parameters::default();
        for (path, ParameterValues { mut shape, data }) in collector.found {
            let names = self.network.parameter_names(&path);
            shape.drain(..self.network.stacked_axes());
            for (name, part) in names.into_iter().zip(data.chunks_exact(shape.iter().product())) {
                parameters.insert(name, ParameterValues { shape: shape.clone(), data: part.to_vec() });
            }
        }
        parameters
    }

    fn load(&mut self, parameters: &Parameters) -> anyhow::Result<()> {
        let names = self.network.clone();
        let mut filler = Filler {
            path: Vec::new(),
            parameters,
            names: &|path| names.parameter_names(path),
            stacked_axes: names.stacked_axes(),
            failure: None,
        };
        let filled = self.network.clone().map(&mut filler);
        if let Some(error) = filler.failure {
            return Err(error);
        }
        self.network = filled;
        Ok(())
    }
}

/// Collects the parameters of a module with their paths.
struct Collector {
    path: Vec<String>,
    found: Vec<(String, ParameterValues)>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let shape = tensor.dims().to_vec();
        let data = tensor.into_data().iter::<f32>().collect();
        self.found.push((self.path.join("."), ParameterValues { shape, data }));
    }
}

/// Puts saved values into a module.
struct Filler<'a> {
    path: Vec<String>,
    parameters: &'a Parameters,
    names: &'a dyn Fn(&str) -> Vec<String>,
    stacked_axes: usize,
    failure: Option<anyhow::Error>,
}

impl ModuleMapper for Filler<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.val().dims();
        let found: anyhow::Result<Vec<f32>> =
            (self.names)(&self.path.join(".")).iter().try_fold(Vec::new(), |mut data, name| {
                data.extend_from_slice(&self.parameters.get(name, &shape[self.stacked_axes..])?.data);
                Ok(data)
            });
        match found {
            Ok(data) => {
                let data = TensorData::new(data, shape);
                param.map(|tensor| {
                    let device = tensor.device();
                    Tensor::from_data(data, &device).require_grad()
                })
            }
            Err(error) => {
                self.failure.get_or_insert(error);
                param
            }
        }
    }
}
