//! Types and ranges of an experiment in which every axis has a value.

use super::axis_forms::not_an_axis;
use super::document::ExperimentDocument;
use super::file::ExperimentSpec;
use super::problem::Problem;
use super::tree::{TomlNode, TomlValue};
use super::validate::violations;

/// Types and ranges of one choice of values.
pub(super) fn check(document: &ExperimentDocument) -> Result<ExperimentSpec, Problem> {
    let spec: ExperimentSpec = document.typed().map_err(|problem| explained(document, problem))?;
    match violations(&spec).into_iter().next() {
        None => Ok(spec),
        Some(violation) => {
            Err(Problem::at(document.span_of(&violation.path), violation.message).help(violation.help))
        }
    }
}

/// What a type refuses, as the writer thinks of it: a number beyond the range of its key, or several values.
fn explained(document: &ExperimentDocument, problem: Problem) -> Problem {
    let explained = too_large(document, &problem).or_else(|| not_an_axis(document, &problem));
    explained.unwrap_or(problem)
}

/// A whole number beyond 64 bits, where a key of whole numbers has a range of its own.
fn too_large(document: &ExperimentDocument, problem: &Problem) -> Option<Problem> {
    let span = problem.span.clone()?;
    let path = document.root().path_to(&span)?;
    let written = document.source.slice(&span);
    let whole = !written.contains(['.', 'e', 'E', 'n']) && problem.message.starts_with("expected a non-neg");
    match document.get(&path)?.value {
        TomlValue::Float(number) if whole && number > 0.0 => {}
        _ => return None,
    }
    let greatest = TomlNode { value: TomlValue::Integer(u64::MAX.into()), span: span.clone() };
    let refused = check(&document.with([(&path, greatest)])).err().filter(|other| other.span == Some(span));
    let got = |number: &str| format!("got {number}");
    let most = u64::MAX.to_string();
    let key = path.iter().rfind(|key| key.parse::<usize>().is_err())?;
    Some(match refused {
        Some(refused) if refused.message.contains(&got(&most)) => {
            Problem { message: refused.message.replace(&got(&most), &got(written)), ..refused }
        }
        _ => Problem { message: format!("{key} must be at most {most}, got {written}"), ..problem.clone() },
    })
}
