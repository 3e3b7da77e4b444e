//! Axes: places in the experiment file that hold several values instead of one.

use std::ops::Range;

use super::document::{ExperimentDocument, KeyPath};
use super::problem::Problem;
use super::source::ExperimentText;
use super::tree::{TomlNode, TomlTable, TomlValue};
use crate::search::{Coordinate, Dimension};

/// The tables that may hold axes, beside `dataset.max_rows` and `dataset.latest_rows`.
const AXIS_TABLES: [&str; 3] = ["task", "training", "models"];

/// One axis of the search.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Where it stands in the file.
    pub path: KeyPath,
    /// Its name in plans, `zip` and queries: `task.horizon`, `training.learning_rate`, `model.hidden`.
    pub name: String,
    /// The `[[models]]` entry that it belongs to; `None` for an axis that all models share.
    pub entry: Option<usize>,
    /// The values it may take.
    pub domain: Domain,
    /// Its place, for errors.
    pub span: Range<usize>,
}

/// The values that an axis may take.
#[derive(Debug, Clone)]
pub enum Domain {
    /// A list of values.
    Grid(Vec<TomlNode>),
    /// A real number, uniform in `[low, high)`.
    Uniform(f64, f64),
    /// A real number whose logarithm is uniform in `[ln low, ln high)`.
    LogUniform(f64, f64),
    /// A whole number, uniform in `low..=high`.
    Int(i64, i64),
}

impl Axis {
    /// Values that must be valid for the whole axis to be: every grid value, or both ends of a range. There is at least
    /// one.
    pub fn probes(&self) -> Vec<TomlNode> {
        match self.domain {
            Domain::Grid(ref values) => values.clone(),
            Domain::Uniform(low, high) | Domain::LogUniform(low, high) => {
                [low, high].map(|number| self.node(TomlValue::Float(number))).to_vec()
            }
            Domain::Int(low, high) => {
                [low, high].map(|number| self.node(TomlValue::Integer(number.into()))).to_vec()
            }
        }
    }

    /// The value at a coordinate of the axis' dimension.
    pub fn value(&self, coordinate: Coordinate) -> TomlNode {
        match (&self.domain, coordinate) {
            (Domain::Grid(values), Coordinate::Listed(index)) => values[index].clone(),
            (_, Coordinate::Listed(index)) => self.node(TomlValue::Integer(index as i128)),
            (_, Coordinate::Real(number)) => self.node(TomlValue::Float(number)),
            (_, Coordinate::Whole(number)) => self.node(TomlValue::Integer(number.into())),
        }
    }

    /// A value that the file does not write out, at the place of the axis.
    fn node(&self, value: TomlValue) -> TomlNode {
        TomlNode { value, span: self.span.clone() }
    }
}

impl Domain {
    /// The domain as a dimension of the space that is searched.
    pub fn dimension(&self) -> Dimension {
        match *self {
            Domain::Grid(ref values) => Dimension::Choice(values.len()),
            Domain::Uniform(low, high) => Dimension::Uniform(low, high),
            Domain::LogUniform(low, high) => Dimension::LogUniform(low, high),
            Domain::Int(low, high) => Dimension::Int(low, high),
        }
    }

    /// The largest whole number among the values; `None` if there is none.
    pub fn largest(&self) -> Option<i64> {
        match self {
            Domain::Grid(values) => values.iter().filter_map(integer_of).max(),
            Domain::Int(_, high) => Some(*high),
            Domain::Uniform(..) | Domain::LogUniform(..) => None,
        }
    }

    /// The values of a grid.
    pub fn grid(&self) -> Option<&[TomlNode]> {
        match self {
            Domain::Grid(values) => Some(values),
            _ => None,
        }
    }
}

/// Whether an axis may stand at a path.
pub fn may_be_axis(path: &[String]) -> bool {
    AXIS_TABLES.contains(&path[0].as_str())
        || ["dataset.max_rows", "dataset.latest_rows"].contains(&path.join(".").as_str())
}

/// Several values where only one may stand.
pub fn cannot_be_axis(path: &[String], span: Range<usize>) -> Problem {
    Problem::at(Some(span), format!("`{}` cannot be an axis", path.join("."))).label("several values").help(
        "axes are allowed in task, training and models, and at dataset.max_rows and dataset.latest_rows",
    )
}

/// Finds every axis of the file, in file order.
///
/// # Errors
/// An axis where none may stand, an empty grid, an inverted range.
pub fn find_axes(document: &ExperimentDocument) -> Result<Vec<Axis>, Problem> {
    let mut axes = Vec::new();
    for entry in document.root().table().into_iter().flat_map(|table| &table.entries) {
        walk(&document.source, &mut vec![entry.key.clone()], &entry.node, &mut axes)?;
    }
    Ok(axes)
}

fn walk(
    source: &ExperimentText,
    path: &mut KeyPath,
    node: &TomlNode,
    axes: &mut Vec<Axis>,
) -> Result<(), Problem> {
    match &node.value {
        TomlValue::Table(table) if table.is_axis() => {
            axes.push(axis(path, domain_of(source, table)?, node.span.clone())?);
        }
        TomlValue::Table(table) => {
            for entry in &table.entries {
                path.push(entry.key.clone());
                walk(source, path, &entry.node, axes)?;
                path.pop();
            }
        }
        TomlValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                walk(source, path, item, axes)?;
                path.pop();
            }
        }
        _ => {}
    }
    Ok(())
}

fn axis(path: &KeyPath, domain: Domain, span: Range<usize>) -> Result<Axis, Problem> {
    if !may_be_axis(path) {
        return Err(cannot_be_axis(path, span));
    }
    // `task.<kind>.x` and `models.<n>.<kind>.x` are known to the user as `task.x` and `model.x`.
    let (entry, name) = match path[0].as_str() {
        "models" => (
            path.get(1).and_then(|n| n.parse().ok()),
            format!("model.{}", path[3.min(path.len())..].join(".")),
        ),
        "task" => (None, format!("task.{}", path[2.min(path.len())..].join("."))),
        _ => (None, path.join(".")),
    };
    Ok(Axis { path: path.clone(), name, entry, domain, span })
}

/// Reads the table of an axis.
fn domain_of(source: &ExperimentText, table: &TomlTable) -> Result<Domain, Problem> {
    let (name, node) = (table.entries[0].key.as_str(), &table.entries[0].node);
    let place = Some(node.span.clone());
    let written = source.slice(&node.span);
    let Some(items) = node.array() else {
        let problem = Problem::at(place, format!("`{name}` takes a list"));
        return Err(match name {
            "grid" if node.table().is_none() => problem.help(format!("write {{ grid = [{written}] }}")),
            "grid" => problem.help("for example { grid = [32, 64] }"),
            _ => problem.help(format!("write {{ {name} = [low, high] }}")),
        });
    };
    if name == "grid" {
        if items.is_empty() {
            return Err(Problem::at(place, "this grid is empty").help("give at least one value"));
        }
        if let Some(item) = items.iter().find(|item| item.table().is_some() || item.array().is_some()) {
            return Err(Problem::at(Some(item.span.clone()), "a grid holds numbers, strings and booleans"));
        }
        return Ok(Domain::Grid(items.to_vec()));
    }
    let ends: Vec<f64> = items.iter().filter_map(number_of).collect();
    let (&[low, high], 2) = (ends.as_slice(), items.len()) else {
        let problem = Problem::at(place, format!("`{name}` takes two numbers, the lowest and the highest"));
        let lists_values = !items.is_empty() && ends.len() == items.len();
        let list = || format!("to try each of these values, write {{ grid = {written} }}");
        return Err(if lists_values { problem.help(list()) } else { problem });
    };
    if !(low.is_finite() && high.is_finite()) {
        return Err(Problem::at(place, format!("the ends of a range must be finite, got {low} and {high}")));
    }
    if low == high {
        return Err(Problem::at(place, format!("the range from {low} to {high} is empty"))
            .help(format!("write the value {low} alone, or two different ends")));
    }
    if low > high {
        return Err(Problem::at(place, format!("the range from {low} to {high} is empty"))
            .label("lowest value first")
            .help(format!("{name} = [{high}, {low}]")));
    }
    match name {
        "uniform" => Ok(Domain::Uniform(low, high)),
        "log_uniform" if low <= 0.0 => Err(Problem::at(place, "a log_uniform range must start above zero")
            .help(format!("write {{ uniform = {written} }}, or a lowest value above zero"))),
        "log_uniform" => Ok(Domain::LogUniform(low, high)),
        _ => match items.iter().map(integer_of).collect::<Option<Vec<i64>>>().as_deref() {
            Some(&[low, high]) => Ok(Domain::Int(low, high)),
            _ if low.fract() == 0.0 && high.fract() == 0.0 => {
                Err(Problem::at(place, "`int` takes whole numbers of at most 64 bits, without a point"))
            }
            _ => Err(Problem::at(place, "`int` takes whole numbers")
                .help(format!("for real numbers, write {{ uniform = {written} }}"))),
        },
    }
}

fn integer_of(node: &TomlNode) -> Option<i64> {
    match node.value {
        TomlValue::Integer(number) => i64::try_from(number).ok(),
        _ => None,
    }
}

fn number_of(node: &TomlNode) -> Option<f64> {
    match node.value {
        TomlValue::Integer(number) => Some(number as f64),
        TomlValue::Float(number) => Some(number),
        _ => None,
    }
}
