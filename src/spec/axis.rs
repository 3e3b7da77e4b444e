//! Axes: places in the experiment file that hold several values instead of one.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Document, Node, Path};
use super::problem::Problem;
use crate::search::Dimension;

/// The tables that may hold axes, beside `dataset.max_rows` and `dataset.latest_rows`.
const AXIS_TABLES: [&str; 3] = ["task", "training", "models"];
const DOMAINS: [&str; 4] = ["grid", "uniform", "log_uniform", "int"];

/// One axis of the search.
#[derive(Debug, Clone)]
pub struct Axis<'t> {
    /// Where it stands in the file.
    pub path: Path,
    /// Its name in plans, `zip` and queries: `task.horizon`, `training.learning_rate`, `model.hidden`.
    pub name: String,
    /// The `[[models]]` entry that it belongs to; `None` for an axis that all models share.
    pub entry: Option<usize>,
    /// The values it may take.
    pub domain: Domain<'t>,
    /// Its place, for errors.
    pub span: Range<usize>,
}

/// The values that an axis may take.
#[derive(Debug, Clone)]
pub enum Domain<'t> {
    /// A list of values.
    Grid(Vec<Node<'t>>),
    /// A real number, uniform in `[low, high)`.
    Uniform(f64, f64),
    /// A real number whose logarithm is uniform in `[ln low, ln high)`.
    LogUniform(f64, f64),
    /// A whole number, uniform in `low..=high`.
    Int(i64, i64),
}

impl<'t> Domain<'t> {
    /// Values that must be valid for the whole axis to be: every grid value, or both ends of a range.
    pub fn probes(&self) -> Vec<String> {
        match self {
            Domain::Grid(_) => Vec::new(),
            Domain::Uniform(low, high) | Domain::LogUniform(low, high) => {
                vec![format!("{low:?}"), format!("{high:?}")]
            }
            Domain::Int(low, high) => vec![low.to_string(), high.to_string()],
        }
    }

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
    pub fn grid(&self) -> Option<&[Node<'t>]> {
        match self {
            Domain::Grid(values) => Some(values),
            _ => None,
        }
    }
}

/// Finds every axis of the file, in file order.
///
/// # Errors
/// An axis where none may stand, an empty grid, an inverted range, a domain that is misspelt.
pub fn find_axes<'t>(document: &Document<'t>) -> Result<Vec<Axis<'t>>, Problem> {
    let mut axes = Vec::new();
    let DeValue::Table(root) = document.root().get_ref() else {
        return Ok(axes);
    };
    for (key, node) in root {
        walk(&mut vec![key.get_ref().to_string()], node, &mut axes)?;
    }
    Ok(axes)
}

fn walk<'t>(path: &mut Path, node: &Node<'t>, axes: &mut Vec<Axis<'t>>) -> Result<(), Problem> {
    match node.get_ref() {
        DeValue::Table(table) => {
            if let Some(domain) = domain_of(table, &node.span())? {
                axes.push(axis(path, domain, node.span())?);
                return Ok(());
            }
            for (key, value) in table {
                path.push(key.get_ref().to_string());
                walk(path, value, axes)?;
                path.pop();
            }
        }
        DeValue::Array(array) => {
            for (index, value) in array.iter().enumerate() {
                path.push(index.to_string());
                walk(path, value, axes)?;
                path.pop();
            }
        }
        _ => {}
    }
    Ok(())
}

fn axis<'t>(path: &Path, domain: Domain<'t>, span: Range<usize>) -> Result<Axis<'t>, Problem> {
    let allowed = AXIS_TABLES.contains(&path[0].as_str())
        || ["dataset.max_rows", "dataset.latest_rows"].contains(&path.join(".").as_str());
    if !allowed {
        return Err(Problem::at(Some(span), format!("`{}` cannot be an axis", path.join(".")))
            .label("several values")
            .help(
                "axes may stand under task, training, models and at dataset.max_rows and dataset.latest_rows",
            ));
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

/// Reads a table as the domain of an axis; `None` if it is an ordinary table.
fn domain_of<'t>(table: &DeTable<'t>, span: &Range<usize>) -> Result<Option<Domain<'t>>, Problem> {
    let mut keys = table.iter();
    let (Some((key, value)), None) = (keys.next(), keys.next()) else {
        return Ok(None);
    };
    let name = key.get_ref().as_ref();
    if !DOMAINS.contains(&name) {
        return Ok(None);
    }
    let place = Some(value.span());
    let DeValue::Array(items) = value.get_ref() else {
        return Err(Problem::at(place, format!("`{name}` takes a list"))
            .help("for example { grid = [32, 64] } or { log_uniform = [1e-4, 1e-2] }"));
    };
    if name == "grid" {
        if items.is_empty() {
            return Err(Problem::at(place, "this grid is empty").help("give at least one value"));
        }
        if let Some(item) = items.iter().find(|item| item.get_ref().is_table() || item.get_ref().is_array()) {
            return Err(Problem::at(Some(item.span()), "a grid holds numbers, strings and booleans"));
        }
        return Ok(Some(Domain::Grid(items.iter().cloned().collect())));
    }
    let ends: Vec<f64> = items.iter().filter_map(number_of).collect();
    let (&[low, high], 2) = (ends.as_slice(), items.len()) else {
        return Err(Problem::at(place, format!("`{name}` takes two numbers, the lowest and the highest")));
    };
    if low >= high {
        return Err(Problem::at(place, format!("the range from {low} to {high} is empty"))
            .label("lowest value first")
            .help(format!("{name} = [{high}, {low}]")));
    }
    match name {
        "uniform" => Ok(Some(Domain::Uniform(low, high))),
        "log_uniform" if low <= 0.0 => Err(Problem::at(place, "a log_uniform range starts above zero")),
        "log_uniform" => Ok(Some(Domain::LogUniform(low, high))),
        _ => match items.iter().map(integer_of).collect::<Option<Vec<i64>>>().as_deref() {
            Some(&[low, high]) => Ok(Some(Domain::Int(low, high))),
            _ => Err(Problem::at(Some(span.clone()), "`int` takes whole numbers")),
        },
    }
}

/// A whole number of the file, in whatever base it is written.
fn integer_of(node: &Spanned<DeValue<'_>>) -> Option<i64> {
    let number = node.get_ref().as_integer()?;
    i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
}

fn number_of(node: &Spanned<DeValue<'_>>) -> Option<f64> {
    match node.get_ref() {
        DeValue::Integer(_) => integer_of(node).map(|number| number as f64),
        DeValue::Float(number) => number.as_str().replace('_', "").parse().ok(),
        _ => None,
    }
}
