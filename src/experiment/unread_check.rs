//! Keys that another key leaves without effect: whoever wrote them believes that they do something.

use super::document::Document;
use super::problem::Problem;
use super::spec::{ExperimentSpec, Loss};
use crate::model::{DlinearSpec, LinearSpec, ModelSpec, NeuralPointProcessSpec, RecurrentSpec, Solver};

/// Every key that depends on another is read under some value of that one.
///
/// `probes` are the typed file under each value of each axis, so that a loss or a solver may be an axis of which one
/// value alone reads the key.
pub(super) fn check_keys_are_read(document: &Document<'_>, probes: &[ExperimentSpec]) -> Result<(), Problem> {
    let refuse = |path: &[&str], message: &str, help: &str| {
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        match document.key_span_of(&path) {
            Some(span) => Err(Problem::at(Some(span), message).help(help)),
            None => Ok(()),
        }
    };
    if probes.iter().any(|spec| spec.split.rows.is_some()) {
        for key in ["train", "valid", "test"] {
            refuse(
                &["split", key],
                &format!("`{key}` has no effect: `rows` says how many steps each part has"),
                "give either rows, or train, valid and test",
            )?;
        }
    }
    let is_trained = probes.iter().flat_map(|spec| &spec.models).any(ModelSpec::is_trained);
    if is_trained && !probes.iter().flat_map(|spec| &spec.models).any(ModelSpec::reads_loss) {
        refuse(
            &["training", "loss"],
            "`loss` has no effect: no model of this file minimises it in training",
            "leave it out, or add a model that does, such as models.lstm",
        )?;
    }
    if probes.iter().all(|spec| spec.training.loss != Loss::Huber) {
        refuse(
            &["training", "huber_delta"],
            "`huber_delta` has no effect: it belongs to the Huber loss",
            "set training.loss = \"huber\", or leave it out",
        )?;
    }
    for entry in 0..probes.first().map_or(0, |spec| spec.models.len()) {
        let models = || probes.iter().filter_map(|spec| spec.models.get(entry));
        let Some(kind) = models().next().map(ModelSpec::kind) else { continue };
        let index = entry.to_string();
        if is_lost(models(), dropout) {
            refuse(
                &["models", &index, kind, "dropout"],
                "`dropout` has no effect: it acts between layers, and there is one",
                "give layers = 2 or more, or leave it out",
            )?;
        }
        if is_lost(models(), ridge) {
            refuse(
                &["models", &index, kind, "ridge"],
                "`ridge` has no effect: it belongs to the closed form",
                "set solver = \"least_squares\", or leave it out; training.weight_decay shrinks weights that are trained",
            )?;
        }
    }
    Ok(())
}

/// Whether a value other than zero is given, and never read. `value` tells the value, and whether it is read.
fn is_lost<'a>(
    models: impl Iterator<Item = &'a ModelSpec>,
    value: impl Fn(&ModelSpec) -> Option<(f64, bool)>,
) -> bool {
    let values: Vec<(f64, bool)> = models.filter_map(value).collect();
    values.iter().any(|(value, _)| *value != 0.0) && values.iter().all(|(_, is_read)| !is_read)
}

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
