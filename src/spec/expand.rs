//! From the tree with axes to typed trials.

use std::collections::HashSet;

use super::axis::{Axis, find_axes};
use super::document::ExperimentDocument;
use super::entry_space::{EntrySpace, TrialSpace};
use super::file::{ExperimentSpec, Strategy};
use super::problem::Problem;
use super::search_check::{check_axes_are_read, check_pruner_has_rungs, check_tpe_can_search};
use super::tree::TomlNode;
use super::typed_check::check;
use super::unread_check::KeysRead;
use super::validate::MOST_RUNS;
use super::{SearchedEntry, Trial};
use crate::search::{Point, random, sobol};
use crate::text::nearest;

/// What a file comes to, but for its claims.
pub(super) struct Expansion {
    /// The typed file, with the first value of every axis.
    pub spec: ExperimentSpec,
    /// Trials that depend on no result.
    pub trials: Vec<Trial>,
    /// What `tpe` searches.
    pub searched: Vec<SearchedEntry>,
    /// What trials are made from.
    pub space: TrialSpace,
}

impl Expansion {
    /// Names of the axes, each once.
    pub fn axis_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for axis in &self.space.axes {
            if !names.contains(&axis.name) {
                names.push(axis.name.clone());
            }
        }
        names
    }

    /// The trials that `tpe` might propose at the corners of its spaces.
    pub fn corners(&self) -> impl Iterator<Item = Trial> {
        self.searched.iter().flat_map(move |searched| self.space.corners(searched.entry))
    }
}

/// Reads and checks the whole file but for its claims, then lists its trials.
pub(super) fn expand(document: ExperimentDocument) -> Result<Expansion, Problem> {
    let document = document.with_list_of_plans();
    let (spec, axes, keys) = read(&document)?;
    check_axes_are_read(&spec, &axes)?;
    keys.check(&document)?;
    check_pruner_has_rungs(&document, &spec, &axes)?;
    let zips = zip_groups(&document, &spec, &axes)?;
    let entries = (0..spec.models.len()).map(|entry| EntrySpace::new(&spec, &axes, &zips, entry));
    let entries = entries.collect::<Result<_, Problem>>()?;
    let space = TrialSpace { document, axes, entries };
    let mut trials: Vec<Trial> = Vec::new();
    let mut known = HashSet::new();
    let mut searched = Vec::new();
    let mut runs = 0_usize;
    for entry in 0..spec.models.len() {
        let dimensions = &space.entries[entry].dimensions;
        let points = match spec.search.strategy {
            Strategy::Grid => space.grid(entry)?,
            Strategy::Random => random(dimensions, spec.search.trials, spec.search.seed, entry as u64),
            Strategy::Sobol => {
                let trials = if dimensions.is_empty() { 1 } else { spec.search.trials };
                sobol(dimensions, 0, trials, spec.search.seed, entry as u64)
            }
            Strategy::Tpe if dimensions.is_empty() => vec![Point::new()],
            Strategy::Tpe => {
                runs = runs_of(&spec, entry).saturating_mul(spec.search.trials).saturating_add(runs);
                check_runs(&space.document, &spec, runs)?;
                searched.push(SearchedEntry { entry, space: dimensions.clone() });
                continue;
            }
        };
        let mut seen = HashSet::new();
        for point in points.iter().filter(|point| seen.insert(format!("{point:?}"))) {
            // A value that the model does not read leaves the resolved run, so such trials coincide.
            let trial = space.trial(entry, point)?;
            if known.insert((entry, trial.spec.params().to_string())) {
                trials.push(trial);
                runs = runs_of(&spec, entry).saturating_add(runs);
                check_runs(&space.document, &spec, runs)?;
            }
        }
    }
    if spec.search.strategy == Strategy::Tpe {
        check_tpe_can_search(&space.document, &space.axes, &searched)?;
    }
    Ok(Expansion { spec, trials, searched, space })
}

/// Runs of one trial, if its axes leave the folds alone.
fn runs_of(spec: &ExperimentSpec, entry: usize) -> usize {
    let seeds = if spec.models[entry].is_trained() { spec.search.seeds.len() } else { 1 };
    seeds.saturating_mul(spec.split.folds)
}

fn check_runs(document: &ExperimentDocument, spec: &ExperimentSpec, runs: usize) -> Result<(), Problem> {
    if runs <= MOST_RUNS {
        return Ok(());
    }
    // A grid has no number of trials to point at.
    let keys = match spec.search.strategy {
        Strategy::Grid => ["search", "seeds"],
        _ => ["search", "trials"],
    };
    let place = document.span_of(&keys);
    Err(Problem::at(place, format!("this experiment has more than {MOST_RUNS} runs"))
        .help("give fewer trials, seeds or folds, or split it into several files"))
}

/// The typed file with the first value of every axis, the axes, and what is read under their values; the file is checked
/// under every value of each axis.
fn read(document: &ExperimentDocument) -> Result<(ExperimentSpec, Vec<Axis>, KeysRead), Problem> {
    own_name(document)?;
    exactly_one_table(document)?;
    let axes = find_axes(document)?;
    let probes: Vec<Vec<TomlNode>> = axes.iter().map(Axis::probes).collect();
    let firsts: Vec<TomlNode> = probes.iter().map(|probes| probes[0].clone()).collect();
    let with_values = |values: Vec<TomlNode>| document.with(axes.iter().map(|axis| &axis.path).zip(values));
    let spec = check(&with_values(firsts.clone()))?;
    let mut keys = KeysRead::default();
    keys.see(&spec);
    for (at, probes) in probes.iter().enumerate() {
        for value in &probes[1..] {
            let mut values = firsts.clone();
            values[at] = value.clone();
            keys.see(&check(&with_values(values))?);
        }
    }
    Ok((spec, axes, keys))
}

/// The name of a base is not taken over: results of the two would overwrite each other.
fn own_name(document: &ExperimentDocument) -> Result<(), Problem> {
    if document.source.bases.is_empty() || document.get(&["name"]).is_some() {
        return Ok(());
    }
    Err(Problem::at(document.key_span_of(&["base"]), "this experiment has no name of its own")
        .help("add name = \"...\": the name of a base is not taken over"))
}

/// `task` and each `[[models]]` entry hold exactly one table; serde's own message for that names neither.
fn exactly_one_table(document: &ExperimentDocument) -> Result<(), Problem> {
    if let Some(node) = document.get(&["task"]) {
        one_key(node, "a task", "an experiment has exactly one [task.…] table: keep one")?;
    }
    if let Some(node) = document.get(&["search", "pruner"]) {
        one_key(node, "a pruner", "a search has at most one [search.pruner.…] table: keep one")?;
    }
    for entry in document.get(&["models"]).and_then(TomlNode::array).unwrap_or_default() {
        one_key(entry, "a model", "start each with its own [[models]]")?;
    }
    Ok(())
}

fn one_key(node: &TomlNode, what: &str, help: &str) -> Result<(), Problem> {
    match node.table().map(|table| table.entries.as_slice()) {
        Some([]) => {
            Err(Problem::at(Some(node.span.clone()), format!("this table must name {what}, but is empty"))
                .help(help))
        }
        Some([first, second, ..]) => Err(Problem::at(
            Some(second.key_span.clone()),
            format!("`{}` is {what} beside `{}`", second.key, first.key),
        )
        .label("one too many")
        .help(help)),
        _ => Ok(()),
    }
}

/// Groups of axes that move together: indices into `axes`.
fn zip_groups(
    document: &ExperimentDocument,
    spec: &ExperimentSpec,
    axes: &[Axis],
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
                    .help("an axis belongs to at most one group"));
            }
            group.extend(found);
        }
        let lengths: Vec<usize> =
            group.iter().map(|&axis| axes[axis].domain.grid().map_or(0, <[TomlNode]>::len)).collect();
        if lengths.iter().any(|&length| length == 0 || length != lengths[0]) {
            let path = ["search", "zip", &at.to_string()].map(str::to_string);
            return Err(Problem::at(
                document.span_of(&path),
                "axes that move together must be grids of equal length",
            )
            .help(format!("their lengths are {lengths:?}")));
        }
        groups.push(group);
    }
    Ok(groups)
}
