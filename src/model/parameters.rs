//! What a model has learned, by name, and its safetensors file.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// One parameter: its values in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterValues {
    /// Size of each dimension.
    pub shape: Vec<usize>,
    /// The values.
    pub data: Vec<f32>,
}

impl ParameterValues {
    /// A parameter of one dimension.
    pub fn vector(data: Vec<f32>) -> Self {
        Self { shape: vec![data.len()], data }
    }
}

/// All parameters of a model, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters(BTreeMap<String, ParameterValues>);

impl<const N: usize> From<[(String, ParameterValues); N]> for Parameters {
    fn from(entries: [(String, ParameterValues); N]) -> Self {
        Self(BTreeMap::from(entries))
    }
}

impl Parameters {
    /// Adds a parameter.
    pub fn insert(&mut self, name: String, values: ParameterValues) {
        self.0.insert(name, values);
    }

    /// A parameter that must have this shape.
    ///
    /// # Errors
    /// A missing parameter or another shape.
    pub fn get(&self, name: &str, shape: &[usize]) -> anyhow::Result<&ParameterValues> {
        let values =
            self.0.get(name).with_context(|| format!("the saved model has no parameter `{name}`"))?;
        ensure!(
            values.shape == shape,
            "the parameter `{name}` of the saved model has shape {:?}, but the model expects {shape:?}",
            values.shape
        );
        Ok(values)
    }

    /// All parameters in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &ParameterValues)> {
        self.0.iter()
    }

    /// Whether nothing was learned.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds all parameters of another model under a prefix.
    pub fn extend_under(&mut self, prefix: &str, others: &Parameters) {
        for (name, values) in others.iter() {
            self.insert(format!("{prefix}{name}"), values.clone());
        }
    }

    /// The parameters below a prefix, with the prefix taken off.
    #[must_use]
    pub fn below(&self, prefix: &str) -> Self {
        let own = self.0.iter().filter_map(|(name, values)| {
            name.strip_prefix(prefix).map(|rest| (rest.to_string(), values.clone()))
        });
        Self(own.collect())
    }

    /// The bytes of a safetensors file, the same for the same parameters.
    ///
    /// # Errors
    /// Never for parameters of a model: their sizes match their shapes.
    pub fn to_safetensors(&self) -> anyhow::Result<Vec<u8>> {
        let bytes: Vec<Vec<u8>> = self
            .0
            .values()
            .map(|values| values.data.iter().flat_map(|value| value.to_le_bytes()).collect())
            .collect();
        let views = self
            .0
            .iter()
            .zip(&bytes)
            .map(|((name, values), bytes)| {
                Ok((name.as_str(), TensorView::new(Dtype::F32, values.shape.clone(), bytes)?))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(safetensors::serialize(views, None)?)
    }

    /// Reads a safetensors file.
    ///
    /// # Errors
    /// A file that is missing, damaged, or holds anything but 32-bit floats.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read the saved model {}", path.display()))?;
        let tensors = SafeTensors::deserialize(&bytes)
            .with_context(|| format!("{} is not a safetensors file", path.display()))?;
        let mut parameters = Self::default();
        for (name, view) in tensors.tensors() {
            ensure!(
                view.dtype() == Dtype::F32,
                "the parameter `{name}` in {} is not of type F32",
                path.display()
            );
            let data = view
                .data()
                .chunks_exact(4)
                .map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]));
            parameters.insert(name, ParameterValues { shape: view.shape().to_vec(), data: data.collect() });
        }
        Ok(parameters)
    }
}

/// Saved models hold singles: a double is saved as the sum of three.
pub(super) const PIECES: usize = 3;

/// A double as a sum of singles.
pub(super) fn split(value: f64) -> [f32; PIECES] {
    let mut rest = value;
    [(); PIECES].map(|()| {
        let piece = rest as f32;
        rest -= f64::from(piece);
        piece
    })
}

/// The double that [`split`] took apart.
pub(super) fn join(pieces: &[f32]) -> f64 {
    pieces.iter().rev().copied().map(f64::from).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_saved_model_reads_back_bit_by_bit() {
        let mut parameters = Parameters::default();
        parameters.insert(
            "lstm.weight_ih_l0".into(),
            ParameterValues { shape: vec![2, 2], data: vec![1.5, -0.0, 3e-40, f32::MAX] },
        );
        parameters.insert("fc1.bias".into(), ParameterValues::vector(vec![0.1]));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), parameters.to_safetensors().unwrap()).unwrap();
        assert_eq!(Parameters::read(file.path()).unwrap(), parameters);
    }

    #[test]
    fn a_parameter_of_another_shape_is_refused_by_name() {
        let parameters = Parameters::from([("fc1.bias".to_string(), ParameterValues::vector(vec![0.1]))]);
        let message = parameters.get("fc1.bias", &[2]).unwrap_err().to_string();
        assert!(
            message.contains("fc1.bias") && message.contains("[1]") && message.contains("[2]"),
            "{message}"
        );
    }

    proptest! {
        #[test]
        fn a_double_is_the_sum_of_its_pieces(value in -1e15_f64..1e15, exponent in -20_i32..1) {
            let value = value * 10_f64.powi(exponent);
            prop_assert_eq!(join(&split(value)), value);
        }
    }
}
