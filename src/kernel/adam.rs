//! One step of Adam or `AdamW` in a single pass over a parameter, instead of a dozen operations on tensors.

use pulp::{Arch, Simd, WithSimd};

/// Constants of one step that all parameters share (Kingma & Ba, 2015; Loshchilov & Hutter, 2019, for the decay that is
/// decoupled from the gradient).
#[derive(Debug, Clone, Copy)]
pub struct AdamStep {
    /// Learning rate.
    pub learning_rate: f64,
    /// Decay of the mean of the gradients.
    pub beta_1: f64,
    /// Decay of the mean of their squares.
    pub beta_2: f64,
    /// Keeps the division from zero.
    pub epsilon: f64,
    /// Weight decay.
    pub decay: f64,
    /// Whether the decay shrinks the parameter by itself (`AdamW`) or is a part of the gradient (Adam).
    pub decoupled: bool,
}

/// Running means of one parameter.
#[derive(Debug, Clone, Default)]
pub struct AdamMoments {
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
}

impl AdamMoments {
    /// Moves `parameter` by one step along `gradient`, times `scale` (1, or less where a norm is clipped).
    pub fn step(&mut self, settings: &AdamStep, parameter: &mut [f32], gradient: &[f32], scale: f32) {
        self.first.resize(parameter.len(), 0.0);
        self.second.resize(parameter.len(), 0.0);
        self.steps += 1;
        let bias_1 = 1.0 - settings.beta_1.powi(self.steps);
        let bias_2 = 1.0 - settings.beta_2.powi(self.steps);
        let shrink = if settings.decoupled { 1.0 - settings.learning_rate * settings.decay } else { 1.0 };
        Arch::new().dispatch(Update {
            parameter,
            gradient,
            first: &mut self.first,
            second: &mut self.second,
            beta_1: settings.beta_1 as f32,
            beta_2: settings.beta_2 as f32,
            // Subtracted in double precision: 1 - 0.999 in single keeps five digits.
            fresh_1: (1.0 - settings.beta_1) as f32,
            fresh_2: (1.0 - settings.beta_2) as f32,
            // lr * (m / bias_1) / (sqrt(v / bias_2) + epsilon), as PyTorch arranges it.
            rate: (settings.learning_rate / bias_1) as f32,
            root: (1.0 / bias_2.sqrt()) as f32,
            epsilon: settings.epsilon as f32,
            penalty: if settings.decoupled { 0.0 } else { settings.decay as f32 },
            shrink: shrink as f32,
            scale,
        });
    }
}

struct Update<'a> {
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    beta_1: f32,
    beta_2: f32,
    fresh_1: f32,
    fresh_2: f32,
    rate: f32,
    root: f32,
    epsilon: f32,
    penalty: f32,
    shrink: f32,
    scale: f32,
}

impl WithSimd for Update<'_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "what is not inlined is compiled for the oldest processor")]
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let moments = self.first.iter_mut().zip(self.second.iter_mut());
        for ((parameter, gradient), (first, second)) in
            self.parameter.iter_mut().zip(self.gradient).zip(moments)
        {
            let gradient = self.penalty * *parameter + self.scale * gradient;
            *first = self.beta_1 * *first + self.fresh_1 * gradient;
            *second = self.beta_2 * *second + self.fresh_2 * gradient * gradient;
            *parameter =
                self.shrink * *parameter - self.rate * *first / (self.root * second.sqrt() + self.epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three steps of `torch.optim.Adam` and `AdamW` (2.15.0, float64) from [1, -2, 0.5] along the gradients below, with
    /// learning rate 0.1 and weight decay 0.01.
    #[test]
    fn steps_agree_with_pytorch() {
        let gradients = [[0.3_f32, -0.2, 0.0], [0.1, 0.4, -1.0], [-0.5, 0.25, 2.0]];
        let expected = [
            (false, [0.827_509_397_6, -1.981_826_009_9, 0.442_329_122_8]),
            (true, [0.828_221_038_7, -1.986_663_464_9, 0.541_412_150_4]),
        ];
        for (decoupled, expected) in expected {
            let settings = AdamStep {
                learning_rate: 0.1,
                beta_1: 0.9,
                beta_2: 0.999,
                epsilon: 1e-8,
                decay: 0.01,
                decoupled,
            };
            let mut parameter = [1.0_f32, -2.0, 0.5];
            let mut moments = AdamMoments::default();
            for gradient in gradients {
                moments.step(&settings, &mut parameter, &gradient, 1.0);
            }
            for (found, expected) in parameter.iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-6, "{parameter:?}");
            }
        }
    }
}
