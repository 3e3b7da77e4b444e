//! The scale that filters and other models of single series run on: that of the networks, or original units.

use super::{ParameterValues, Parameters};
use crate::dataset::{Scaler, Transform};
use crate::spec::FilterUnits;

/// Name of the saved parameter.
const SCALE: &str = "scale";
/// How a channel is brought to the model's scale, as it is saved.
const AS_IT_IS: f32 = 0.0;
const LOGARITHM: f32 = 1.0;
const STANDARDISED: f32 = 2.0;

/// Leads from the scale of the networks to that of a model and back, for each target.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterScale {
    units: FilterUnits,
    /// Whether the mean and the deviation of a channel that is not transformed are undone too.
    undoes_standardising: bool,
    /// For each target: mean, deviation and how these lead to the model's scale.
    scale: Vec<[f32; 3]>,
}

impl FilterScale {
    /// Of a model whose forecasts move and stretch with its values, before it has seen the scales of the data: a channel that is
    /// not transformed is left as it is, since that would not change a forecast.
    pub fn new(units: FilterUnits, targets: usize) -> Self {
        Self { units, undoes_standardising: false, scale: vec![[0.0, 1.0, AS_IT_IS]; targets] }
    }

    /// Of a model for which it matters where zero is.
    pub fn from_zero(units: FilterUnits, targets: usize) -> Self {
        Self { undoes_standardising: true, ..Self::new(units, targets) }
    }

    /// Takes the scales of the targets, which are the first channels.
    pub fn fit(&mut self, scaler: &Scaler) {
        let scales = scaler.channels.iter().take(self.scale.len());
        self.scale = scales
            .map(|scale| {
                let form = match scale.channel.transform {
                    Transform::Log1p => LOGARITHM,
                    Transform::Identity if self.undoes_standardising => STANDARDISED,
                    Transform::Identity | Transform::Raw => AS_IT_IS,
                };
                [scale.mean as f32, scale.std as f32, form]
            })
            .collect();
    }

    /// From the scale of the networks to that of the model.
    pub fn filtered_unit(&self, target: usize, value: f32) -> f64 {
        let value = f64::from(value);
        let [mean, std, _] = self.scale[target].map(f64::from);
        match self.form(target) {
            LOGARITHM => libm::expm1(value * std + mean),
            STANDARDISED => value * std + mean,
            _ => value,
        }
    }

    /// From the scale of the model to that of the networks. On a logarithmic scale, what is below zero becomes zero.
    pub fn scaled_unit(&self, target: usize, value: f64) -> f32 {
        let [mean, std, _] = self.scale[target].map(f64::from);
        let scaled = match self.form(target) {
            LOGARITHM => (libm::log1p(value.max(0.0)) - mean) / std,
            STANDARDISED => (value - mean) / std,
            _ => value,
        };
        scaled as f32
    }

    /// What the model has to undo.
    fn form(&self, target: usize) -> f32 {
        if self.units == FilterUnits::Original { self.scale[target][2] } else { AS_IT_IS }
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
