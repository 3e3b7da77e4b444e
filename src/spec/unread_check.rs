//! Keys that have no effect because of another key: whoever wrote them believes that they do something.

use super::document::ExperimentDocument;
use super::file::{ExperimentSpec, Loss};
use super::problem::Problem;
use crate::spec::{DlinearSpec, LinearSpec, ModelSpec, NeuralPointProcessSpec, RecurrentSpec, Solver};

/// What is read of the keys that depend on others, in the typed file under each value of each axis: a loss or a solver may
/// be an axis of which one value alone reads a key.
#[derive(Default)]
pub(super) struct KeysRead {
    rows: bool,
    /// Given where a model is trained, read where one minimises it.
    loss: Reading,
    huber: bool,
    models: Vec<ModelKeys>,
}

/// The same of one entry of `[[models]]`.
#[derive(Default)]
struct ModelKeys {
    kind: &'static str,
    dropout: Reading,
    ridge: Reading,
}

/// What becomes of a key.
#[derive(Default)]
struct Reading {
    /// It says something somewhere: of a number, other than zero.
    given: bool,
    /// It is somewhere read.
    read: bool,
}

impl Reading {
    fn see(&mut self, value: Option<(f64, bool)>) {
        if let Some((value, read)) = value {
            self.given |= value != 0.0;
            self.read |= read;
        }
    }

    fn is_lost(&self) -> bool {
        self.given && !self.read
    }
}

impl KeysRead {
    /// Records the file under some values of its axes.
    pub(super) fn see(&mut self, spec: &ExperimentSpec) {
        self.rows |= spec.split.rows.is_some();
        self.loss.given |= spec.models.iter().any(ModelSpec::is_trained);
        self.loss.read |= spec.models.iter().any(ModelSpec::reads_loss);
        self.huber |= spec.training.loss == Loss::Huber;
        self.models.resize_with(spec.models.len(), ModelKeys::default);
        for (keys, model) in self.models.iter_mut().zip(&spec.models) {
            keys.kind = model.kind();
            keys.dropout.see(dropout(model));
            keys.ridge.see(ridge(model));
        }
    }

    /// Refuses the first key that nothing reads.
    pub(super) fn check(&self, document: &ExperimentDocument) -> Result<(), Problem> {
        let refuse = |path: &[&str], message: &str, help: &str| match document.key_span_of(path) {
            Some(span) => Err(Problem::at(Some(span), message).help(help)),
            None => Ok(()),
        };
        if self.rows {
            for key in ["train", "valid", "test"] {
                refuse(
                    &["split", key],
                    &format!("`{key}` has no effect: `rows` gives the steps of each part"),
                    "keep rows, or keep train, valid and test",
                )?;
            }
        }
        if self.loss.is_lost() {
            refuse(
                &["training", "loss"],
                "`loss` has no effect: no model of this file minimises it",
                "leave it out, or add a model that minimises it, such as models.lstm",
            )?;
        }
        if !self.huber {
            refuse(
                &["training", "huber_delta"],
                "`huber_delta` has no effect: it belongs to the Huber loss",
                "set training.loss = \"huber\", or leave it out",
            )?;
        }
        for (entry, ModelKeys { kind, dropout, ridge }) in self.models.iter().enumerate() {
            let index = entry.to_string();
            if dropout.is_lost() {
                refuse(
                    &["models", &index, kind, "dropout"],
                    "`dropout` has no effect: it acts between layers, and there is only one",
                    "give layers = 2 or more, or leave it out",
                )?;
            }
            if ridge.is_lost() {
                refuse(
                    &["models", &index, kind, "ridge"],
                    "`ridge` has no effect: it belongs to solver = \"least_squares\"",
                    "set solver = \"least_squares\", or leave it out; training.weight_decay penalises trained weights",
                )?;
            }
        }
        Ok(())
    }
}

/// The value of a key, and whether it is read.
fn dropout(model: &ModelSpec) -> Option<(f64, bool)> {
    match model {
        ModelSpec::Lstm(RecurrentSpec { dropout, layers, .. })
        | ModelSpec::Gru(RecurrentSpec { dropout, layers, .. })
        | ModelSpec::NeuralPointProcess(NeuralPointProcessSpec { dropout, layers, .. }) => {
            Some((*dropout, *layers > 1))
        }
        _ => None,
    }
}

/// As [`dropout`].
fn ridge(model: &ModelSpec) -> Option<(f64, bool)> {
    match model {
        ModelSpec::Linear(LinearSpec { ridge, solver, .. })
        | ModelSpec::Nlinear(LinearSpec { ridge, solver, .. })
        | ModelSpec::Dlinear(DlinearSpec { ridge, solver, .. }) => {
            Some((*ridge, *solver == Solver::LeastSquares))
        }
        _ => None,
    }
}
