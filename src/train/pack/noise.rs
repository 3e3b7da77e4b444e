//! Dropout masks of a pack: each model's from its own stream, as it would draw them alone.

use burn::tensor::Tensor;

use crate::stats::Stream;
use crate::train::ComputeDevice;

/// Where the dropout masks of a pack's training step come from.
pub struct PackNoise<'a> {
    /// Stream and dropout rate of each model.
    pub(super) sources: Vec<(&'a mut Stream, f64)>,
    pub(super) device: &'a ComputeDevice,
}

impl PackNoise<'_> {
    /// What values of `models x a x b x c` are multiplied by, drawn for each model as for a tensor of `a x b x c`; `None`
    /// where no model drops anything.
    pub fn mask(&mut self, shape: [usize; 3]) -> Option<Tensor<4>> {
        if self.sources.iter().all(|(_, rate)| *rate == 0.0) {
            return None;
        }
        let each: usize = shape.iter().product();
        let mut values = Vec::with_capacity(self.sources.len() * each);
        for (stream, rate) in &mut self.sources {
            if *rate == 0.0 {
                // A model without dropout draws nothing.
                values.resize(values.len() + each, 1.0);
                continue;
            }
            let kept = 1.0 / (1.0 - *rate) as f32;
            values.extend((0..each).map(|_| if stream.unit() < *rate { 0.0 } else { kept }));
        }
        let [a, b, c] = shape;
        Some(self.device.plain_tensor([self.sources.len(), a, b, c], values))
    }
}
