//! From the tree with axes to typed trials.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use toml::Spanned;
use toml::de::DeValue;

use super::Trial;
use super::axis::{Axis, Domain, find_axes};
use super::document::{Document, Node, number};
use super::problem::Problem;
use super::run_spec::RunSpec;
use super::spec::{ExperimentSpec, Strategy};
use super::validate::{MOST_TRIALS, violations};
use crate::model::ModelSpec;
use crate::nearest::nearest;

/// Reads and checks the whole file, then lists its trials and the names of its axes.
pub(super) fn expand(document: &Document<'_>) -> Result<(ExperimentSpec, Vec<Trial>, Vec<String>), Problem> {
    exactly_one_table(document)?;
    let axes = find_axes(document)?;
    let first_texts: Vec<Vec<String>> = axes.iter().map(|axis| axis.domain.probes()).collect();
    let firsts: Vec<Node<'_>> =
        axes.iter().zip(&first_texts).map(|(axis, texts)| first(axis, texts)).collect();
    let spec = check(&with_values(document, &axes, &firsts))?;
    for (at, axis) in axes.iter().enumerate() {
        let grid = axis.domain.grid().unwrap_or_default().iter().skip(1).cloned();
        let ends = first_texts[at].iter().skip(1).map(|text| Spanned::new(axis.span.clone(), number(text)));
        for value in grid.chain(ends) {
            let mut values = firsts.clone();
            values[at] = value;
            check(&with_values(document, &axes, &values))?;
        }
    }
    check_axes_are_read(&spec, &axes)?;
    let zips = zip_groups(document, &spec, &axes)?;
    let mut trials = Vec::new();
    for entry in 0..spec.models.len() {
        trials.extend(trials_of(document, &spec, &axes, &zips, entry)?);
    }
    let mut names: Vec<String> = Vec::new();
    for axis in &axes {
        if !names.contains(&axis.name) {
            names.push(axis.name.clone());
        }
    }
    Ok((spec, trials, names))
}

/// `task` and each `[[models]]` entry hold exactly one table; serde's own message for that names neither.
fn exactly_one_table(document: &Document<'_>) -> Result<(), Problem> {
    if let Some(node) = document.get(&["task"]) {
        one_key(node, "a task", "an experiment has exactly one [task.…] table: keep one")?;
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

fn with_values<'s>(document: &Document<'s>, axes: &[Axis<'s>], values: &[Node<'s>]) -> Document<'s> {
    let pairs: Vec<_> = axes.iter().map(|axis| &axis.path).zip(values).collect();
    document.with(&pairs)
}

/// Types and ranges of one choice of values.
fn check(document: &Document<'_>) -> Result<ExperimentSpec, Problem> {
    let spec: ExperimentSpec = document.typed()?;
    match violations(&spec).into_iter().next() {
        None => Ok(spec),
        Some(violation) => {
            Err(Problem::at(document.span_of(&violation.path), violation.message).help(violation.help))
        }
    }
}

fn check_axes_are_read(spec: &ExperimentSpec, axes: &[Axis<'_>]) -> Result<(), Problem> {
    for axis in axes {
        let read = match axis.name.split_once('.') {
            Some(("training", _)) => spec.models.iter().any(ModelSpec::is_trained),
            Some(("task", "lookback")) => spec.models.iter().any(|model| model.own_lookback().is_none()),
            _ => true,
        };
        if !read {
            return Err(Problem::at(
                Some(axis.span.clone()),
                format!("no model reads the axis `{}`", axis.name),
            )
            .help("give it one value, or add a model that reads it"));
        }
        if spec.search.strategy == Strategy::Grid && axis.domain.grid().is_none() {
            return Err(Problem::at(Some(axis.span.clone()), "a grid search needs values to list")
                .help("write { grid = [...] }, or set search.strategy = \"random\""));
        }
    }
    Ok(())
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

/// The distinct trials of one `[[models]]` entry.
fn trials_of(
    document: &Document<'_>,
    spec: &ExperimentSpec,
    axes: &[Axis<'_>],
    zips: &[Vec<usize>],
    entry: usize,
) -> Result<Vec<Trial>, Problem> {
    let mine: Vec<usize> =
        (0..axes.len()).filter(|&at| axes[at].entry.is_none_or(|owner| owner == entry)).collect();
    // Axes that move together count as one dimension, led by the first of them.
    let mut dimensions: Vec<Vec<usize>> = Vec::new();
    for &at in &mine {
        if dimensions.iter().any(|dimension| dimension.contains(&at)) {
            continue;
        }
        dimensions.push(match zips.iter().find(|group| group.contains(&at)) {
            Some(group) => group.iter().copied().filter(|axis| mine.contains(axis)).collect(),
            None => vec![at],
        });
    }
    let choices = match spec.search.strategy {
        Strategy::Grid => grid_choices(axes, &dimensions)?,
        Strategy::Random => random_choices(axes, &dimensions, spec.search.trials, entry),
    };
    let mut trials: Vec<Trial> = Vec::new();
    for choice in &choices {
        let nodes: Vec<(usize, Node<'_>)> = choice
            .iter()
            .map(|(at, value)| match value {
                Choice::Listed(index) => (*at, axes[*at].domain.grid().unwrap_or_default()[*index].clone()),
                Choice::Drawn(text) => (*at, Spanned::new(axes[*at].span.clone(), number(text))),
            })
            .collect();
        let pairs: Vec<_> = nodes.iter().map(|(at, node)| (&axes[*at].path, node)).collect();
        let rest: Vec<(usize, String)> = other_entries(axes, entry);
        let rest_nodes: Vec<(usize, Node<'_>)> = rest
            .iter()
            .map(|(at, text)| match axes[*at].domain.grid() {
                Some(values) => (*at, values[0].clone()),
                None => (*at, Spanned::new(axes[*at].span.clone(), number(text))),
            })
            .collect();
        let pairs: Vec<_> =
            pairs.into_iter().chain(rest_nodes.iter().map(|(at, node)| (&axes[*at].path, node))).collect();
        let typed = check(&document.with(&pairs))?;
        // A value that the model does not read leaves the resolved run, so such trials coincide.
        let trial = Trial { entry, spec: RunSpec::resolve(&typed, entry) };
        if !trials.contains(&trial) {
            trials.push(trial);
        }
    }
    Ok(trials)
}

/// Axes inside other entries must hold some value for the file to be typed; which one does not matter here.
fn other_entries(axes: &[Axis<'_>], entry: usize) -> Vec<(usize, String)> {
    (0..axes.len())
        .filter(|&at| axes[at].entry.is_some_and(|owner| owner != entry))
        .map(|at| (at, axes[at].domain.probes().into_iter().next().unwrap_or_default()))
        .collect()
}

enum Choice {
    Listed(usize),
    Drawn(String),
}

fn grid_choices(axes: &[Axis<'_>], dimensions: &[Vec<usize>]) -> Result<Vec<Vec<(usize, Choice)>>, Problem> {
    let lengths: Vec<usize> =
        dimensions.iter().map(|group| axes[group[0]].domain.grid().map_or(1, <[Node<'_>]>::len)).collect();
    let total = lengths.iter().try_fold(1_usize, |product, &length| product.checked_mul(length));
    let total = total.filter(|&total| total <= MOST_TRIALS).ok_or_else(|| {
        Problem::at(
            Some(axes[0].span.clone()),
            format!("this grid has more than {MOST_TRIALS} trials for one model"),
        )
        .help("shorten an axis, or use search.strategy = \"random\" with search.trials")
    })?;
    Ok((0..total)
        .map(|mut point| {
            // The last dimension varies fastest, as in nested loops.
            let mut indices = vec![0; lengths.len()];
            for (index, &length) in indices.iter_mut().zip(&lengths).rev() {
                *index = point % length;
                point /= length;
            }
            let choose = |(group, index): (&Vec<usize>, usize)| {
                group.iter().map(move |&at| (at, Choice::Listed(index))).collect::<Vec<_>>()
            };
            dimensions.iter().zip(indices).flat_map(choose).collect()
        })
        .collect())
}

fn random_choices(
    axes: &[Axis<'_>],
    dimensions: &[Vec<usize>],
    trials: usize,
    entry: usize,
) -> Vec<Vec<(usize, Choice)>> {
    let mut rng = ChaCha8Rng::seed_from_u64(entry as u64);
    let mut unit = || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    (0..trials)
        .map(|_| {
            let mut choices = Vec::new();
            for group in dimensions {
                let u = unit();
                for &at in group {
                    let choice = match &axes[at].domain {
                        Domain::Grid(values) => Choice::Listed((u * values.len() as f64) as usize),
                        Domain::Uniform(low, high) => Choice::Drawn(format!("{:?}", low + u * (high - low))),
                        Domain::LogUniform(low, high) => {
                            let value = libm::exp(libm::log(*low) + u * (libm::log(*high) - libm::log(*low)));
                            Choice::Drawn(format!("{value:?}"))
                        }
                        Domain::Int(low, high) => {
                            let width = i128::from(*high) - i128::from(*low) + 1;
                            let drawn = i128::from(*low) + (u * width as f64) as i128;
                            Choice::Drawn(drawn.min(i128::from(*high)).to_string())
                        }
                    };
                    choices.push((at, choice));
                }
            }
            choices
        })
        .collect()
}
