//! The scale that filters and other models of single series run on: that of the networks, or original units.

use super::{ParameterValues, Parameters};
use crate::dataset::{Scaler, Transform};
use crate::spec::FilterUnits;

/// Name of the saved parameter.
const SCALE: &str = "scale";

/// Leads from the scale of the networks to that of a model and back, for each target.
///
/// Mean and deviation of a channel that is not transformed are left as they are: a model whose forecasts move and stretch
/// with its values is not influenced by them.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterScale {
    units: FilterUnits,
    /// For each target: mean, deviation and whether a logarithm is taken (1 or 0), which lead to original units.
    scale: Vec<[f32; 3]>,
}

impl FilterScale {
    /// Before it has seen the scales of the data.
    pub fn new(units: FilterUnits, targets: usize) -> Self {
        Self { units, scale: vec![[0.0, 1.0, 0.0]; targets] }
    }

    /// Takes the scales of the targets, which are the first channels.
    pub fn fit(&mut self, scaler: &Scaler) {
        let scales = scaler.channels.iter().take(self.scale.len());
        self.scale = scales
            .map(|scale| {
                let log = f32::from(u8::from(scale.channel.transform == Transform::Log1p));
                [scale.mean as f32, scale.std as f32, log]
            })
            .collect();
    }

    /// From the scale of the networks to that of the model.
    pub fn filtered_unit(&self, target: usize, value: f32) -> f64 {
        let value = f64::from(value);
        match self.logarithm(target) {
            Some([mean, std]) => libm::expm1(value * std + mean),
            None => value,
        }
    }

    /// From the scale of the model to that of the networks. On a logarithmic scale, what is below zero becomes zero.
    pub fn scaled_unit(&self, target: usize, value: f64) -> f32 {
        let scaled = match self.logarithm(target) {
            Some([mean, std]) => (libm::log1p(value.max(0.0)) - mean) / std,
            None => value,
        };
        scaled as f32
    }

    /// Mean and deviation of the logarithms that the model has to undo; `None` where it has none to undo.
    fn logarithm(&self, target: usize) -> Option<[f64; 2]> {
        let [mean, std, log] = self.scale[target].map(f64::from);
        (self.units == FilterUnits::Original && log > 0.0).then_some([mean, std])
    }

    /// What is saved of it, with its name.
    pub fn parameter(&self) -> (String, ParameterValues) {
        (SCALE.to_string(), ParameterValues { shape: vec![self.scale.len(), 3], data: self.scale.concat() })
    }

    /// Takes up what was saved.
    ///
    /// # Errors
    /// A parameter that is missing or has another shape.
    pub fn load(&mut self, parameters: &Parameters) -> anyhow::Result<()> {
        let (scale, _) = parameters.get(SCALE, &[self.scale.len(), 3])?.data.as_chunks();
        self.scale = scale.to_vec();
        Ok(())
    }
}
