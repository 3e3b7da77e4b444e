//! From the tree with axes to typed trials.

use std::collections::HashSet;

use toml::Spanned;
use toml::de::DeValue;

use super::axis::{Axis, Domain, find_axes};
use super::document::{Document, Node, number};
use super::entry_space::EntrySpace;
use super::file::{ExperimentSpec, Strategy};
use super::problem::Problem;
use super::search_check::{check_axes_are_read, check_pruner_has_rungs, check_tpe_can_search};
use super::unread_check::KeysRead;
use super::validate::{MOST_RUNS, violations};
use super::{SearchedEntry, Trial};
use crate::search::{Point, random, sobol};
use crate::text::nearest;

/// What a file comes to.
pub(super) struct Expansion {
    /// The typed file, with the first value of every axis.
    pub spec: ExperimentSpec,
    /// Trials that depend on no result.
    pub trials: Vec<Trial>,
    /// Names of the axes.
    pub axes: Vec<String>,
    /// What `tpe` searches.
    pub searched: Vec<SearchedEntry>,
}

/// Reads and checks the whole file, then lists its trials and the names of its axes.
pub(super) fn expand(document: &Document<'_>) -> Result<Expansion, Problem> {
    let (spec, axes, keys) = read(document)?;
    check_axes_are_read(&spec, &axes)?;
    keys.check(document)?;
    check_pruner_has_rungs(document, &spec, &axes)?;
    let zips = zip_groups(document, &spec, &axes)?;
    let mut trials: Vec<Trial> = Vec::new();
    let mut known = HashSet::new();
    let mut searched = Vec::new();
    let mut runs = 0_usize;
    for entry in 0..spec.models.len() {
        let space = EntrySpace::new(document, &spec, &axes, &zips, entry)?;
        let points = match spec.search.strategy {
            Strategy::Grid => space.grid()?,
            Strategy::Random => random(&space.dimensions, spec.search.trials, spec.search.seed, entry as u64),
            Strategy::Sobol => {
                let trials = if space.dimensions.is_empty() { 1 } else { spec.search.trials };
                sobol(&space.dimensions, 0, trials, spec.search.seed, entry as u64)
            }
            Strategy::Tpe if space.dimensions.is_empty() => vec![Point::new()],
            Strategy::Tpe => {
                runs = runs_of(&spec, entry).saturating_mul(spec.search.trials).saturating_add(runs);
                check_runs(document, &spec, runs)?;
                searched.push(SearchedEntry { entry, space: space.dimensions });
                continue;
            }
        };
        let mut seen = HashSet::new();
        for point in points.iter().filter(|point| seen.insert(format!("{point:?}"))) {
            // A value that the model does not read leaves the resolved run, so such trials coincide.
            let trial = space.trial(point)?;
            if known.insert((entry, trial.spec.params().to_string())) {
                trials.push(trial);
                runs = runs_of(&spec, entry).saturating_add(runs);
                check_runs(document, &spec, runs)?;
            }
        }
    }
    if spec.search.strategy == Strategy::Tpe {
        check_tpe_can_search(document, &axes, &searched)?;
    }
    let mut names: Vec<String> = Vec::new();
    for axis in &axes {
        if !names.contains(&axis.name) {
            names.push(axis.name.clone());
        }
    }
    Ok(Expansion { spec, trials, axes: names, searched })
}

/// Runs of one trial, if its axes leave the folds alone.
fn runs_of(spec: &ExperimentSpec, entry: usize) -> usize {
    let seeds = if spec.models[entry].is_trained() { spec.search.seeds.len() } else { 1 };
    seeds.saturating_mul(spec.split.folds)
}

fn check_runs(document: &Document<'_>, spec: &ExperimentSpec, runs: usize) -> Result<(), Problem> {
    if runs <= MOST_RUNS {
        return Ok(());
    }
    // A grid has no number of trials to point at.
    let keys = match spec.search.strategy {
        Strategy::Grid => ["search", "seeds"],
        _ => ["search", "trials"],
    };
    let place = document.span_of(&keys.map(str::to_string));
    Err(Problem::at(place, format!("this experiment has more than {MOST_RUNS} runs"))
        .help("give fewer trials, seeds or folds, or divide it into several files"))
}

/// The trials at some points of the space of one `[[models]]` entry; a point may combine values that do not fit together.
pub(super) fn trials_at(
    document: &Document<'_>,
    entry: usize,
    points: &[Point],
) -> Result<Vec<Result<Trial, Problem>>, Problem> {
    let (spec, axes, _) = read(document)?;
    let zips = zip_groups(document, &spec, &axes)?;
    let space = EntrySpace::new(document, &spec, &axes, &zips, entry)?;
    Ok(points.iter().map(|point| space.trial(point)).collect())
}

/// The trials at the corners of all spaces that `tpe` searches, but for impossible ones.
pub(super) fn corners(document: &Document<'_>, searched: &[SearchedEntry]) -> Result<Vec<Trial>, Problem> {
    let mut trials = Vec::new();
    for SearchedEntry { entry, space } in searched {
        let found = trials_at(document, *entry, &crate::search::corners(space))?;
        trials.extend(found.into_iter().filter_map(Result::ok));
    }
    Ok(trials)
}

/// The typed file with the first value of every axis, the axes, and what is read under their values; the file is checked
/// under every value of each axis.
fn read<'s>(document: &Document<'s>) -> Result<(ExperimentSpec, Vec<Axis<'s>>, KeysRead), Problem> {
    exactly_one_table(document)?;
    let axes = find_axes(document)?;
    let first_texts: Vec<Vec<String>> = axes.iter().map(|axis| axis.domain.probes()).collect();
    let firsts: Vec<Node<'_>> =
        axes.iter().zip(&first_texts).map(|(axis, texts)| first(axis, texts)).collect();
    let spec = check(&with_values(document, &axes, &firsts))?;
    let mut keys = KeysRead::default();
    keys.see(&spec);
    for (at, axis) in axes.iter().enumerate() {
        let grid = axis.domain.grid().unwrap_or_default().iter().skip(1).cloned();
        let ends = first_texts[at].iter().skip(1).map(|text| Spanned::new(axis.span.clone(), number(text)));
        for value in grid.chain(ends) {
            let mut values = firsts.clone();
            values[at] = value;
            keys.see(&check(&with_values(document, &axes, &values))?);
        }
    }
    Ok((spec, axes, keys))
}

/// `task` and each `[[models]]` entry hold exactly one table; serde's own message for that names neither.
fn exactly_one_table(document: &Document<'_>) -> Result<(), Problem> {
    if let Some(node) = document.get(&["task"]) {
        one_key(node, "a task", "an experiment has exactly one [task.…] table: keep one")?;
    }
    if let Some(node) = document.get(&["search", "pruner"]) {
        one_key(node, "a pruner", "a search has at most one [search.pruner.…] table: keep one")?;
    }
    let Some(DeValue::Array(entries)) = document.get(&["models"]).map(Spanned::get_ref) else {
        return Ok(());
    };
    for entry in entries {
        one_key(entry, "a model", "start each with its own [[models]]")?;
    }
    Ok(())
}

fn one_key(node: &Node<'_>, what: &str, help: &str) -> Result<(), Problem> {
    let DeValue::Table(table) = node.get_ref() else {
        return Ok(());
    };
    let mut keys = table.keys();
    match (keys.next(), keys.next()) {
        (None, _) => {
            Err(Problem::at(Some(node.span()), format!("this table names {what}, but is empty")).help(help))
        }
        (Some(first), Some(second)) => Err(Problem::at(
            Some(second.span()),
            format!("`{}` is {what} beside `{}`", second.get_ref(), first.get_ref()),
        )
        .label("one too many")
        .help(help)),
        _ => Ok(()),
    }
}

fn first<'t>(axis: &Axis<'t>, texts: &'t [String]) -> Node<'t> {
    match &axis.domain {
        Domain::Grid(values) => values[0].clone(),
        _ => Spanned::new(axis.span.clone(), number(&texts[0])),
    }
}

pub(super) fn with_values<'s>(
    document: &Document<'s>,
    axes: &[Axis<'s>],
    values: &[Node<'s>],
) -> Document<'s> {
    let pairs: Vec<_> = axes.iter().map(|axis| &axis.path).zip(values).collect();
    document.with(&pairs)
}

/// Types and ranges of one choice of values.
pub(super) fn check(document: &Document<'_>) -> Result<ExperimentSpec, Problem> {
    let spec: ExperimentSpec = document.typed()?;
    match violations(&spec).into_iter().next() {
        None => Ok(spec),
        Some(violation) => {
            Err(Problem::at(document.span_of(&violation.path), violation.message).help(violation.help))
        }
    }
}

/// Groups of axes that move together: indices into `axes`.
fn zip_groups(
    document: &Document<'_>,
    spec: &ExperimentSpec,
    axes: &[Axis<'_>],
) -> Result<Vec<Vec<usize>>, Problem> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (at, names) in spec.search.zip.iter().enumerate() {
        let mut group: Vec<usize> = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let path = ["search", "zip", &at.to_string(), &index.to_string()].map(str::to_string);
            let found: Vec<usize> = (0..axes.len()).filter(|&axis| axes[axis].name == *name).collect();
            if found.is_empty() {
                let mut problem =
                    Problem::at(document.span_of(&path), format!("`{name}` is not an axis of this file"));
                if let Some(known) = nearest(name, axes.iter().map(|axis| axis.name.as_str())) {
                    problem = problem.label(format!("did you mean `{known}`?"));
                }
                let known: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
                return Err(problem.help(format!("axes of this file: {}", known.join(", "))));
            }
            let again = group.iter().chain(groups.iter().flatten()).any(|axis| found.contains(axis));
            if again {
                return Err(Problem::at(document.span_of(&path), format!("`{name}` is zipped twice"))
                    .help("an axis moves with one group of axes"));
            }
            group.extend(found);
        }
        let lengths: Vec<usize> =
            group.iter().map(|&axis| axes[axis].domain.grid().map_or(0, <[Node<'_>]>::len)).collect();
        if lengths.iter().any(|&length| length == 0 || length != lengths[0]) {
            let path = ["search", "zip", &at.to_string()].map(str::to_string);
            return Err(Problem::at(
                document.span_of(&path),
                "axes that move together are grids of equal length",
            )
            .help(format!("their lengths are {lengths:?}")));
        }
        groups.push(group);
    }
    Ok(groups)
}
