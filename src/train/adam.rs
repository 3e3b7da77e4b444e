//! The optimizer: Adam or `AdamW`, with the gradients' norm clipped where the experiment asks for it.
//!
//! On the CPU each parameter is updated in place in one pass; on other devices burn's own optimizer does the same.

use std::collections::HashMap;

use burn::backend::Flex;
use burn::module::{ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use burn_optim::decay::WeightDecayConfig;
use burn_optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer};

use super::ComputeDevice;
use crate::kernel::{AdamMoments, AdamStep};
use crate::spec::{Optimizer, TrainingSpec};
use crate::train::Network;

/// PyTorch's constants; burn's default epsilon is a thousand times larger.
pub(super) const BETA_1: f64 = 0.9;
pub(super) const BETA_2: f64 = 0.999;
pub(super) const EPSILON: f64 = 1e-8;

/// An optimizer with its running means.
pub struct Descent {
    decay: f64,
    decoupled: bool,
    clip_norm: Option<f64>,
    state: MomentState,
}

enum MomentState {
    InPlace(HashMap<ParamId, AdamMoments>),
    Composed(Box<ModuleOptimizer>),
}

impl Descent {
    /// The optimizer that the experiment names.
    pub fn new(training: &TrainingSpec, device: &ComputeDevice) -> Self {
        let decay = training.weight_decay;
        let decoupled = training.optimizer == Optimizer::Adamw;
        let state = if device.is_cpu() {
            MomentState::InPlace(HashMap::new())
        } else {
            MomentState::Composed(Box::new(composed(decoupled, decay as f32)))
        };
        Self { decay, decoupled, clip_norm: training.gradient_clip_norm, state }
    }

    /// Moves the parameters by one step.
    pub fn step<N: Network>(&mut self, learning_rate: f64, network: N, mut gradients: GradientsParams) -> N {
        let factor = self.clip_norm.map_or(1.0, |limit| clip_factor(&gradients, &network, limit));
        match &mut self.state {
            MomentState::InPlace(moments) => {
                let settings = AdamStep {
                    learning_rate,
                    beta_1: BETA_1,
                    beta_2: BETA_2,
                    epsilon: EPSILON,
                    decay: self.decay,
                    decoupled: self.decoupled,
                };
                network.map(&mut InPlace { moments, gradients, settings, scale: factor as f32 })
            }
            MomentState::Composed(optimizer) => {
                if factor < 1.0 {
                    network.visit(&mut GradientScale { gradients: &mut gradients, factor });
                }
                optimizer.step(learning_rate, network, gradients)
            }
        }
    }
}

fn composed(decoupled: bool, decay: f32) -> ModuleOptimizer {
    let epsilon = EPSILON as f32;
    if decoupled {
        return AdamWConfig::new().with_epsilon(epsilon).with_weight_decay(decay).init();
    }
    let penalty = (decay > 0.0).then(|| WeightDecayConfig::new(decay));
    AdamConfig::new().with_epsilon(epsilon).with_weight_decay(penalty).init()
}

/// Updates each parameter where it lies.
struct InPlace<'a> {
    moments: &'a mut HashMap<ParamId, AdamMoments>,
    gradients: GradientsParams,
    settings: AdamStep,
    scale: f32,
}

impl ModuleMapper for InPlace<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return param;
        };
        let (id, tensor, mapper) = param.consume();
        let moments = self.moments.entry(id).or_default();
        let tensor = in_place(tensor, gradient, |values, gradient| {
            moments.step(&self.settings, values, gradient, self.scale);
        });
        Param::from_mapped_value(id, tensor, mapper)
    }
}

/// Gives the values of a parameter on the CPU and of its gradient to `update`.
fn in_place<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    update: impl FnOnce(&mut [f32], &[f32]),
) -> Tensor<D> {
    let parts =
        (parameter.clone().inner().try_into_primitive::<Flex>(), gradient.try_into_primitive::<Flex>());
    let (Ok(values), Ok(gradient)) = parts else {
        // The device said that it is the CPU, whose only backend this is.
        unreachable!("a parameter on the CPU");
    };
    // Given up before the values are changed: shared values would be copied first.
    drop(parameter);
    let (mut values, gradient) = (values.to_contiguous(), gradient.to_contiguous());
    update(values.storage_mut(), gradient.storage());
    Tensor::from_primitive::<Flex>(values).autodiff().require_grad()
}

/// What brings the common Euclidean norm of all gradients down to `limit` (Pascanu et al., 2013); 1 if it is below.
fn clip_factor<N: Network>(gradients: &GradientsParams, network: &N, limit: f64) -> f64 {
    let mut norm = GradientNorm { gradients, squared: 0.0 };
    network.visit(&mut norm);
    (limit / norm.squared.sqrt()).min(1.0)
}

struct GradientNorm<'a> {
    gradients: &'a GradientsParams,
    squared: f64,
}

impl ModuleVisitor for GradientNorm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.squared += f64::from(gradient.square().sum().into_scalar::<f32>());
        }
    }
}

struct GradientScale<'a> {
    gradients: &'a mut GradientsParams,
    factor: f64,
}

impl ModuleVisitor for GradientScale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient.mul_scalar(self.factor));
        }
    }
}
