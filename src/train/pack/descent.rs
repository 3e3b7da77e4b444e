//! Adam and `AdamW` for all models of a pack at once, each with its own learning rate, weight decay and clipping.

use burn::tensor::Tensor;

use super::member::ActiveMember;
use crate::spec::Optimizer;
use crate::train::ComputeDevice;
use crate::train::adam::{BETA_1, BETA_2, EPSILON};

/// A norm that no gradient has: what is clipped to it stays as it is. Infinity is no number to every GPU.
const NO_LIMIT: f32 = 1e30;
/// Keeps the division by the norm of a gradient that is zero from overflowing.
const LEAST_NORM: f32 = 1e-6;

/// The optimizer of a pack with its running means, `models x width` as the weights.
pub(super) struct PackDescent {
    first: Tensor<2>,
    second: Tensor<2>,
    steps: i32,
}

impl PackDescent {
    /// An optimizer that has seen no gradient yet.
    pub fn new(rows: &Tensor<2>) -> Self {
        let zeros = Tensor::zeros(rows.dims(), &rows.device());
        Self { first: zeros.clone(), second: zeros, steps: 0 }
    }

    /// Keeps the running means of these models only.
    pub fn keep(&mut self, select: impl Fn(Tensor<2>) -> Tensor<2>) {
        self.first = select(self.first.clone());
        self.second = select(self.second.clone());
    }

    /// Moves the weights by one step.
    pub fn step(
        &mut self,
        rows: Tensor<2>,
        mut gradients: Tensor<2>,
        members: &[ActiveMember<'_>],
        device: &ComputeDevice,
    ) -> Tensor<2> {
        let column = |value: &dyn Fn(&ActiveMember<'_>) -> f64| {
            let values = members.iter().map(|member| value(member) as f32).collect();
            device.plain_tensor([members.len(), 1], values)
        };
        let is_decoupled = |member: &ActiveMember<'_>| member.training.optimizer == Optimizer::Adamw;
        let has_decay = |decoupled: bool| {
            let decays = |member: &ActiveMember<'_>| {
                member.training.weight_decay > 0.0 && is_decoupled(member) == decoupled
            };
            members.iter().any(decays)
        };
        self.steps += 1;
        let bias_1 = 1.0 - BETA_1.powi(self.steps);
        let bias_2 = 1.0 - BETA_2.powi(self.steps);
        if members.iter().any(|member| member.training.gradient_clip_norm.is_some()) {
            let limit =
                column(&|member| member.training.gradient_clip_norm.unwrap_or_else(|| f64::from(NO_LIMIT)));
            let norm = gradients.clone().square().sum_dim(1).sqrt().clamp_min(LEAST_NORM);
            gradients = gradients * (limit / norm).clamp_max(1.0);
        }
        if has_decay(false) {
            let penalty =
                column(&|member| if is_decoupled(member) { 0.0 } else { member.training.weight_decay });
            gradients = gradients + rows.clone() * penalty;
        }
        let fresh_first = gradients.clone().mul_scalar((1.0 - BETA_1) as f32);
        self.first = self.first.clone().mul_scalar(BETA_1 as f32) + fresh_first;
        let fresh_second = gradients.square().mul_scalar((1.0 - BETA_2) as f32);
        self.second = self.second.clone().mul_scalar(BETA_2 as f32) + fresh_second;
        let rate = column(&|member| member.learning_rate / bias_1);
        let root = (1.0 / bias_2.sqrt()) as f32;
        let divisor = self.second.clone().sqrt().mul_scalar(root).add_scalar(EPSILON as f32);
        let moved = self.first.clone() * rate / divisor;
        if !has_decay(true) {
            return rows - moved;
        }
        let shrink = column(&|member| {
            let decay = if is_decoupled(member) { member.training.weight_decay } else { 0.0 };
            1.0 - member.learning_rate * decay
        });
        rows * shrink - moved
    }
}
