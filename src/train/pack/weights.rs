//! The weights of a pack: one row for each model, in which every parameter has its place.

use std::sync::Arc;

use burn::tensor::{Tensor, s};

/// Where each parameter of a model stands in its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLayout {
    entries: Vec<RowEntry>,
    width: usize,
}

/// One parameter of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RowEntry {
    name: String,
    shape: Vec<usize>,
    start: usize,
}

impl RowEntry {
    fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

impl RowLayout {
    /// The layout of parameters with these names and shapes, one after the other.
    pub fn new(parameters: impl IntoIterator<Item = (String, Vec<usize>)>) -> Self {
        let mut width = 0;
        let entries = parameters.into_iter().map(|(name, shape)| {
            let entry = RowEntry { name, shape, start: width };
            width += entry.len();
            entry
        });
        let entries = entries.collect();
        Self { entries, width }
    }

    /// Number of values in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The parameters of a row: name, shape and values.
    pub fn parts<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = (&'a str, &'a [usize], &'a [f32])> {
        self.entries.iter().map(|entry| {
            (entry.name.as_str(), entry.shape.as_slice(), &row[entry.start..entry.start + entry.len()])
        })
    }

    fn position(&self, name: &str) -> usize {
        let found = self.entries.iter().position(|entry| entry.name == name);
        // A network asks for the parameters of the very model that its layout was made from.
        found.unwrap_or_else(|| unreachable!("the parameter `{name}` of a pack"))
    }
}

/// The weights of all models of a pack, parameter by parameter.
#[derive(Debug, Clone)]
pub struct PackWeights {
    layout: Arc<RowLayout>,
    /// `models x values` of each parameter.
    parts: Vec<Tensor<2>>,
}

impl PackWeights {
    /// The parameters of `models x width` rows.
    pub(super) fn new(rows: &Tensor<2>, layout: &Arc<RowLayout>) -> Self {
        let part = |entry: &RowEntry| rows.clone().slice(s![.., entry.start..entry.start + entry.len()]);
        Self { parts: layout.entries.iter().map(part).collect(), layout: layout.clone() }
    }

    /// The same weights as leaves that gradients can be asked of.
    #[must_use]
    pub fn tracked(&self) -> Self {
        let parts = self.parts.iter().map(|part| part.clone().autodiff().require_grad());
        Self { parts: parts.collect(), layout: self.layout.clone() }
    }

    /// A parameter of all models, `models x` its own shape.
    pub fn get<const D: usize>(&self, name: &str) -> Tensor<D> {
        let at = self.layout.position(name);
        let part = self.parts[at].clone();
        let own = &self.layout.entries[at].shape;
        let mut shape = [1; D];
        shape[0] = part.dims()[0];
        shape[1..].copy_from_slice(own);
        part.reshape(shape)
    }

    /// Whether there is a parameter of this name.
    pub fn has(&self, name: &str) -> bool {
        self.layout.entries.iter().any(|entry| entry.name == name)
    }

    /// The gradients of a loss that was computed from [`PackWeights::tracked`].
    pub fn gradients_of(&self, loss: &Tensor<1>) -> PackGradients {
        let mut found = loss.backward();
        let mut gradients = PackGradients::default();
        for (entry, part) in self.layout.entries.iter().zip(&self.parts) {
            if let Some(gradient) = part.grad_remove(&mut found) {
                gradients.put(&entry.name, gradient);
            }
        }
        gradients
    }
}

/// The gradients of a loss by the weights of a pack.
#[derive(Debug, Default)]
pub struct PackGradients(Vec<(String, Tensor<2>)>);

impl PackGradients {
    /// Adds the gradient by a parameter, `models x` its own shape.
    pub fn put<const D: usize>(&mut self, name: &str, gradient: Tensor<D>) {
        let dims = gradient.dims();
        let flat = gradient.reshape([dims[0], dims[1..].iter().product()]);
        self.0.push((name.to_string(), flat));
    }

    /// All of them in the order of the rows, `models x width`; a parameter that the loss does not depend on has zeros.
    pub(super) fn into_rows(self, layout: &RowLayout, rows: &Tensor<2>) -> Tensor<2> {
        let models = rows.dims()[0];
        let parts = layout.entries.iter().map(|entry| {
            let found = self.0.iter().find(|(name, _)| *name == entry.name);
            found.map_or_else(
                || Tensor::zeros([models, entry.len()], &rows.device()),
                |(_, gradient)| gradient.clone(),
            )
        });
        Tensor::cat(parts.collect(), 1)
    }
}
