//! Whether the claims of a file can be judged: each states what is accepted and picks exactly one planned setting.

use std::ops::Range;

use serde_json::Value;

use super::Trial;
use super::claim::{ClaimSpec, Tolerance, equal};
use super::claim_table::{ClaimPlace, PlacedClaim};
use super::document::ExperimentDocument;
use super::params::lookup;
use super::problem::Problem;
use crate::capacity::{WORK, is_capacity_metric};
use crate::stats::{INTERVAL_NAMES, NAMES};
use crate::text::nearest;

/// More values than these are not listed in a message.
const MOST_VALUES: usize = 8;

/// Checks all claims against the trials of the file.
///
/// `without_overrides` are the trials of the file as it stands: a claim whose setting only an override leaves out is no
/// mistake of the file.
pub(super) fn check_claims(
    document: &ExperimentDocument,
    claims: &[PlacedClaim],
    trials: &[Trial],
    without_overrides: &[Trial],
    axes: &[String],
) -> Result<(), Problem> {
    if claims.is_empty() {
        return Ok(());
    }
    let planned: Vec<Value> = trials.iter().map(|trial| trial.spec.params()).collect();
    let original: Vec<Value> = without_overrides.iter().map(|trial| trial.spec.params()).collect();
    for (index, PlacedClaim { claim, place }) in claims.iter().enumerate() {
        let place = Placed { document, place };
        check_values(place, claim)?;
        if claims[..index].iter().any(|other| other.claim.name == claim.name) {
            return Err(Problem::at(place.key("name"), format!("two claims are named `{}`", claim.name))
                .help("give each claim a name of its own"));
        }
        check_keys(place, claim, &planned.iter().chain(&original))?;
        let mut matched: Vec<&Value> = Vec::new();
        for params in planned.iter().filter(|params| claim.conditions.hold(params)) {
            if !matched.contains(&params) {
                matched.push(params);
            }
        }
        match matched.len() {
            1 => {}
            0 if original.iter().any(|params| claim.conditions.hold(params)) => {}
            0 => return Err(matches_nothing(place, claim, &planned)),
            _ => return Err(is_ambiguous(place, &matched, axes)),
        }
    }
    Ok(())
}

/// A claim's place, with the document that it is in.
#[derive(Clone, Copy)]
struct Placed<'a> {
    document: &'a ExperimentDocument,
    place: &'a ClaimPlace,
}

impl Placed<'_> {
    fn key(self, key: &str) -> Option<Range<usize>> {
        self.place.key(self.document, key)
    }
}

fn check_values(place: Placed<'_>, claim: &ClaimSpec) -> Result<(), Problem> {
    if claim.name.trim().is_empty() {
        return Err(Problem::at(place.key("name"), "a claim needs a name")
            .help("say what is claimed, e.g. \"DLinear, horizon 96\""));
    }
    let known = [&NAMES[..], &INTERVAL_NAMES].concat();
    if !known.contains(&claim.metric.as_str()) && !is_capacity_metric(&claim.metric) {
        let mut problem = Problem::at(place.key("metric"), format!("`{}` is not a metric", claim.metric));
        if let Some(near) = nearest(&claim.metric, known.iter().copied()) {
            problem = problem.label(format!("did you mean `{near}`?"));
        }
        return Err(problem.help(format!("known here: {}", known.join(", "))));
    }
    if is_capacity_metric(&claim.metric) && (claim.target != WORK || claim.unit().as_str() != "original") {
        return Err(Problem::at(
            place.key("metric"),
            format!("`{}` is a metric of the work alone", claim.metric),
        )
        .help(format!("write target = \"{WORK}\", in original units")));
    }
    if claim.target == "all" && claim.unit().as_str() == "original" {
        return Err(Problem::at(place.key("unit"), "a mean over all targets exists in scaled units only")
            .help("write unit = \"scaled\", or name one target"));
    }
    let numbers = [("reported", claim.reported), ("at_most", claim.at_most), ("at_least", claim.at_least)];
    for (key, value) in numbers {
        if let Some(value) = value.filter(|value| !value.is_finite()) {
            return Err(Problem::at(place.key(key), format!("{key} must be finite, got {value}")));
        }
    }
    check_acceptance(place, claim)?;
    match (claim.expect, &claim.reason) {
        (Some(_), None) => Err(Problem::at(place.key("expect"), "an expected miss needs a reason")
            .help("add reason = \"...\" with what is different here, as far as it is known")),
        (None, Some(_)) => {
            Err(Problem::at(place.key("reason"), "`reason` has no effect without expect = \"refuted\"")
                .help("add expect = \"refuted\", or remove the reason"))
        }
        _ => Ok(()),
    }
}

/// A tolerance around a reported value, or a bound, but not both.
fn check_acceptance(place: Placed<'_>, claim: &ClaimSpec) -> Result<(), Problem> {
    let bounded = claim.at_most.is_some() || claim.at_least.is_some();
    match (claim.reported, claim.tolerance) {
        (_, Some(_)) if bounded => {
            Err(Problem::at(place.key("tolerance"), "a tolerance and a bound exclude each other")
                .help("keep `tolerance` to compare with a value, or `at_most`/`at_least` for a bound"))
        }
        (None, Some(_)) => Err(Problem::at(place.key("tolerance"), "`tolerance` needs a reported value")
            .help("add reported = ...")),
        (None, None) if !bounded => Err(Problem::at(place.key(""), "this claim states no value")
            .help("add reported = ... with tolerance = \"4%\", or a bound: at_most = ... or at_least = ...")),
        (Some(_), None) if !bounded => {
            Err(Problem::at(place.key("reported"), "a reported value needs a tolerance").help(
                "add tolerance = \"4%\" or tolerance = 0.01, or a bound: at_most = ... or at_least = ...",
            ))
        }
        (_, Some(Tolerance::Absolute(allowed) | Tolerance::Share(allowed)))
            if !allowed.is_finite() || allowed < 0.0 =>
        {
            Err(Problem::at(place.key("tolerance"), "tolerance must be finite and not negative"))
        }
        (Some(0.0), Some(Tolerance::Share(_))) => {
            Err(Problem::at(place.key("tolerance"), "a share of a reported value of zero is zero")
                .help("give the tolerance as a number in the metric's unit"))
        }
        _ => match (claim.at_least, claim.at_most) {
            (Some(least), Some(most)) if least > most => Err(Problem::at(
                place.key("at_most"),
                format!("at_most must not be below at_least = {least}, got {most}"),
            )),
            _ => Ok(()),
        },
    }
}

/// A key that no run has is a typo.
fn check_keys<'p>(
    place: Placed<'_>,
    claim: &ClaimSpec,
    params: &(impl Iterator<Item = &'p Value> + Clone),
) -> Result<(), Problem> {
    for (path, _) in &claim.conditions.0 {
        if params.clone().any(|params| lookup(params, path).is_some_and(|value| !value.is_object())) {
            continue;
        }
        let mut known: Vec<String> = params.clone().flat_map(paths).collect();
        known.sort();
        known.dedup();
        let mut problem = Problem::at(
            place.place.header(place.document, path),
            format!("no run of this file has a parameter `{path}`"),
        );
        if let Some(near) = nearest(path, known.iter().map(String::as_str)) {
            problem = problem.label(format!("did you mean `{near}`?"));
        }
        return Err(problem.help(format!("parameters here: {}", known.join(", "))));
    }
    Ok(())
}

fn matches_nothing(place: Placed<'_>, claim: &ClaimSpec, planned: &[Value]) -> Problem {
    // The first condition that takes away all that the ones before it left is the one to look at.
    let mut left: Vec<&Value> = planned.iter().collect();
    for (path, wanted) in &claim.conditions.0 {
        let values = shown_values(left.iter().copied(), path);
        left.retain(|params| lookup(params, path).is_some_and(|found| equal(found, wanted)));
        if left.is_empty() {
            let remedy = if values.is_empty() {
                format!("none of them has a parameter `{path}`; leave it out")
            } else {
                format!("planned here: {path} = {values}")
            };
            return Problem::at(
                place.place.condition(place.document, path),
                format!("the claim `{}` matches no planned run", claim.name),
            )
            .label("no run has this value")
            .help(remedy);
        }
    }
    Problem::at(place.key("name"), format!("the claim `{}` matches no planned run", claim.name))
}

fn is_ambiguous(place: Placed<'_>, matched: &[&Value], axes: &[String]) -> Problem {
    let differs = |path: &str| matched.iter().any(|params| lookup(params, path) != lookup(matched[0], path));
    let names = std::iter::once("model.kind").chain(axes.iter().map(String::as_str));
    let mut open: Vec<String> = names.filter(|path| differs(path)).map(str::to_string).collect();
    if open.is_empty() {
        // Two [[models]] entries of one kind differ in values that are no axes.
        open = matched.iter().flat_map(|params| paths(params)).filter(|path| differs(path)).collect();
        open.sort();
        open.dedup();
    }
    let choices: Vec<String> =
        open.iter().map(|path| format!("{path} ({})", shown_values(matched.iter().copied(), path))).collect();
    Problem::at(place.key("where"), format!("this claim matches {} settings", matched.len()))
        .label("which of them?")
        .help(format!("pin in `where`: {}", choices.join(", ")))
}

/// The distinct values of a parameter, for people.
fn shown_values<'p>(params: impl Iterator<Item = &'p Value>, path: &str) -> String {
    let mut values: Vec<String> = Vec::new();
    for value in params.filter_map(|params| lookup(params, path)) {
        let text = value.as_str().map_or_else(|| value.to_string(), |text| format!("\"{text}\""));
        if !values.contains(&text) {
            values.push(text);
        }
    }
    let more = if values.len() > MOST_VALUES { ", ..." } else { "" };
    values.truncate(MOST_VALUES);
    format!("{}{more}", values.join(", "))
}

/// Every dotted path of a run's parameters.
fn paths(params: &Value) -> Vec<String> {
    let Value::Object(fields) = params else { return Vec::new() };
    let below = |(key, value): (&String, &Value)| match value {
        Value::Object(_) => paths(value).into_iter().map(|path| format!("{key}.{path}")).collect(),
        _ => vec![key.clone()],
    };
    fields.iter().flat_map(below).collect()
}
