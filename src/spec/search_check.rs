//! What a search requires of the axes: a model reads them, the strategy can use them, the pruner has rungs.

use super::SearchedEntry;
use super::axis::Axis;
use super::document::ExperimentDocument;
use super::file::{ExperimentSpec, Strategy};
use super::problem::Problem;
use crate::search::{MOST_SOBOL_DIMENSIONS, PrunerSpec};
use crate::spec::ModelSpec;

/// Every axis is read by some model, and is one that the strategy can search.
pub(super) fn check_axes_are_read(spec: &ExperimentSpec, axes: &[Axis]) -> Result<(), Problem> {
    for axis in axes {
        if !spec.models.iter().any(|model| reads(spec, model, &axis.name)) {
            return Err(Problem::at(
                Some(axis.span.clone()),
                format!("no model reads the axis `{}`", axis.name),
            )
            .help("give it one value, or add a model that reads it"));
        }
        if spec.search.strategy == Strategy::Grid && axis.domain.grid().is_none() {
            return Err(Problem::at(Some(axis.span.clone()), "a grid search needs a list of values")
                .help("write { grid = [...] }, or set search.strategy = \"random\""));
        }
    }
    Ok(())
}

/// Whether a model's run depends on an axis that all models share.
pub(super) fn reads(spec: &ExperimentSpec, model: &ModelSpec, axis: &str) -> bool {
    match axis.split_once('.') {
        Some(("training", "batch_size")) if spec.evaluation.drop_last => true,
        Some(("training", _)) => model.is_trained(),
        Some(("task", "lookback")) => model.own_lookback().is_none(),
        _ => true,
    }
}

/// `tpe` minimises one objective, so every axis must leave the errors comparable, and there must be an axis.
pub(super) fn check_tpe_can_search(
    document: &ExperimentDocument,
    axes: &[Axis],
    searched: &[SearchedEntry],
) -> Result<(), Problem> {
    let strategy = || document.span_of(&["search", "strategy"]);
    if searched.is_empty() {
        return Err(Problem::at(strategy(), "tpe has nothing to search: no model has an axis")
            .help("give a key several values, e.g. hidden = { int = [8, 64] }, or leave the strategy out"));
    }
    if let Some(wide) = searched.iter().find(|entry| entry.space.len() > MOST_SOBOL_DIMENSIONS) {
        return Err(too_many_axes(strategy(), wide.space.len()));
    }
    let sets_the_task = |axis: &&Axis| {
        axis.entry.is_none()
            && axis.name != "task.lookback"
            && !axis.name.starts_with("task.features")
            && !axis.name.starts_with("training.")
    };
    match axes.iter().find(sets_the_task) {
        Some(axis) => Err(Problem::at(
            Some(axis.span.clone()),
            format!("tpe cannot search `{}`: errors of different settings are not comparable", axis.name),
        )
        .help("give it one value, or set search.strategy = \"grid\", \"random\" or \"sobol\"")),
        None => Ok(()),
    }
}

pub(super) fn too_many_axes(span: Option<std::ops::Range<usize>>, count: usize) -> Problem {
    Problem::at(span, format!("a Sobol sequence has at most {MOST_SOBOL_DIMENSIONS} axes, got {count}"))
        .help("set search.strategy = \"random\"")
}

/// A pruner that never compares anything is a mistake.
pub(super) fn check_pruner_has_rungs(
    document: &ExperimentDocument,
    spec: &ExperimentSpec,
    axes: &[Axis],
) -> Result<(), Problem> {
    let Some(pruner) = &spec.search.pruner else { return Ok(()) };
    let place = |keys: &[&str]| document.span_of(keys);
    if !spec.models.iter().any(ModelSpec::is_trained) {
        return Err(Problem::at(
            place(&["search", "pruner"]),
            "no model of this file is trained in epochs, so none can be pruned",
        )
        .help("leave the pruner out, or add a model that is trained, such as models.lstm"));
    }
    let axis = axes.iter().find(|axis| axis.name == "training.epochs");
    let most = axis.map_or(Some(spec.training.epochs as i64), |axis| axis.domain.largest());
    let most = usize::try_from(most.unwrap_or(i64::MAX)).unwrap_or(0);
    if pruner.rungs(most).is_empty() {
        let (key, name) = match pruner {
            PrunerSpec::Asha(_) => ("min_epochs", "asha"),
            PrunerSpec::Median(_) => ("warmup_epochs", "median"),
        };
        let span = place(&["search", "pruner", name, key]).or_else(|| place(&["search", "pruner", name]));
        return Err(Problem::at(
            span,
            format!("the pruner never compares a run: {key} is not below the last epoch, {most}"),
        )
        .help(format!("give a {key} below training.epochs = {most}, or more epochs")));
    }
    Ok(())
}
