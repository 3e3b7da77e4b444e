//! Which hyperparameters of a model matter, from the trials of a search.

use std::collections::BTreeMap;

use serde_json::Value;

use super::grouping::distinct;
use super::parameter_paths::clear_names;
use crate::search::Dimension;
use crate::spec::{SearchOutline, lookup};
use crate::stats::{Importance, ParameterDomain, UnknownImportance, importance};

/// With fewer trials, the shares of hyperparameters are a rough guess.
const FEW_TRIALS: usize = 30;

/// The importance of one model's hyperparameters.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelImportance {
    /// Name under which the model competes.
    pub model: String,
    /// Its finished trials.
    pub trials: usize,
    /// The hyperparameters that vary; those that move together are one, such as `hidden + layers`.
    pub names: Vec<String>,
    /// What each of them contributes, or why that is unknown.
    pub importance: Result<Importance, String>,
}

impl ModelImportance {
    /// Whether there are too few trials for more than a rough guess.
    pub fn is_rough(&self) -> bool {
        self.trials < FEW_TRIALS
    }
}

/// A finished trial.
#[derive(Debug, Clone, Copy)]
pub(super) struct FinishedTrial<'a> {
    pub(super) params: &'a Value,
    pub(super) objective: f64,
}

/// Judges the hyperparameters at these paths of the parameters, by all finished trials of a model.
pub(super) fn judge(
    model: &str,
    paths: &[String],
    trials: &[FinishedTrial<'_>],
    outline: Result<&SearchOutline, &str>,
) -> ModelImportance {
    let groups = outline.map_or_else(
        |_| paths.iter().map(|path| vec![path.as_str()]).collect(),
        |outline| moving_together(paths, &outline.search.zip),
    );
    let clear = clear_names(paths);
    let name = |path: &&str| {
        let at = paths.iter().position(|other| other == path);
        at.map_or_else(|| (*path).to_string(), |at| clear[at].clone())
    };
    let names = groups.iter().map(|group| group.iter().map(name).collect::<Vec<_>>().join(" + ")).collect();
    let judged = outline.map_err(str::to_string).and_then(|outline| {
        let columns: Vec<(ParameterDomain, Vec<f64>)> =
            groups.iter().map(|group| column(group, model, trials, outline)).collect();
        let rows: Vec<Vec<f64>> = (0..trials.len())
            .map(|trial| columns.iter().map(|(_, values)| values[trial]).collect())
            .collect();
        let domains: Vec<ParameterDomain> = columns.iter().map(|(domain, _)| *domain).collect();
        let objectives: Vec<f64> = trials.iter().map(|trial| trial.objective).collect();
        importance(&domains, &rows, &objectives).map_err(|reason: UnknownImportance| reason.to_string())
    });
    ModelImportance { model: model.to_string(), trials: trials.len(), names, importance: judged }
}

/// The paths in groups: what the file zips has no effect that could be told from that of its companions.
fn moving_together<'a>(paths: &'a [String], zips: &[Vec<String>]) -> Vec<Vec<&'a str>> {
    let mut groups: Vec<Vec<&str>> = Vec::new();
    for path in paths {
        let companions = zips.iter().find(|zip| zip.contains(path));
        let joins = |group: &&mut Vec<&str>| {
            companions.is_some_and(|zip| group.iter().any(|other| zip.iter().any(|name| name == other)))
        };
        match groups.iter_mut().find(joins) {
            Some(group) => group.push(path),
            None => groups.push(vec![path]),
        }
    }
    groups
}

/// The values of one hyperparameter, as the forest takes them.
fn column(
    group: &[&str],
    model: &str,
    trials: &[FinishedTrial<'_>],
    outline: &SearchOutline,
) -> (ParameterDomain, Vec<f64>) {
    let values: Vec<Vec<&Value>> = trials
        .iter()
        .map(|trial| group.iter().map(|path| lookup(trial.params, path).unwrap_or(&Value::Null)).collect())
        .collect();
    let [path] = group else { return choices(&values) };
    let numbers: Option<Vec<f64>> = values.iter().map(|value| value[0].as_f64()).collect();
    let Some(numbers) = numbers else { return choices(&values) };
    let ranges = outline.ranges(path, model);
    if ranges.is_empty() { levels(&numbers) } else { range(&ranges, &numbers) }
}

/// Numbers of a list: each of them weighs the same, and they are in order.
fn levels(numbers: &[f64]) -> (ParameterDomain, Vec<f64>) {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.dedup();
    let level = |number: &f64| sorted.partition_point(|other| other < number) as f64;
    let domain = ParameterDomain::Range { low: -0.5, high: sorted.len() as f64 - 0.5 };
    (domain, numbers.iter().map(level).collect())
}

/// Numbers of a range. Several entries of one kind may give several ranges, and an earlier revision numbers outside of them.
fn range(ranges: &[Dimension], numbers: &[f64]) -> (ParameterDomain, Vec<f64>) {
    let mut low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let mut high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut margin = 0.0;
    for dimension in ranges {
        let (from, to) = match *dimension {
            Dimension::Uniform(from, to) | Dimension::LogUniform(from, to) => (from, to),
            Dimension::Int(from, to) => {
                margin = 0.5;
                (from as f64, to as f64)
            }
            Dimension::Choice(_) => continue,
        };
        (low, high) = (low.min(from), high.max(to));
    }
    let is_log = low > 0.0 && ranges.iter().any(|range| matches!(range, Dimension::LogUniform(..)));
    if is_log {
        let logarithms = numbers.iter().map(|number| libm::log(*number)).collect();
        return (ParameterDomain::Range { low: libm::log(low), high: libm::log(high) }, logarithms);
    }
    (ParameterDomain::Range { low: low - margin, high: high + margin }, numbers.to_vec())
}

/// Values without an order.
fn choices(values: &[Vec<&Value>]) -> (ParameterDomain, Vec<f64>) {
    let texts: Vec<String> = values
        .iter()
        .map(|value| value.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        .collect();
    let known: BTreeMap<String, usize> =
        distinct(texts.iter().cloned()).into_iter().enumerate().map(|(at, text)| (text, at)).collect();
    let chosen = texts.iter().map(|text| known.get(text).map_or(0.0, |at| *at as f64)).collect();
    (ParameterDomain::Choices(known.len()), chosen)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_range_that_is_searched_by_its_logarithm_is_judged_by_it() {
        let (domain, values) = range(&[Dimension::LogUniform(1e-4, 1e-2)], &[1e-3, 1e-4]);
        let ParameterDomain::Range { low, high } = domain else { panic!() };
        assert!(
            (high - low - 100_f64.ln()).abs() < 1e-12 && (values[0] - values[1] - 10_f64.ln()).abs() < 1e-12
        );
        // A number of an earlier revision widens the range.
        let (domain, _) = range(&[Dimension::Int(2, 8)], &[4.0, 12.0]);
        assert_eq!(domain, ParameterDomain::Range { low: 1.5, high: 12.5 });
    }

    #[test]
    fn listed_numbers_weigh_the_same_and_other_values_have_no_order() {
        let (domain, values) = levels(&[64.0, 8.0, 64.0, 16.0]);
        assert_eq!(
            (domain, values),
            (ParameterDomain::Range { low: -0.5, high: 2.5 }, vec![2.0, 0.0, 2.0, 1.0])
        );
        let (cosine, constant) = (json!({ "cosine": {} }), json!("constant"));
        let (domain, values) = choices(&[vec![&cosine], vec![&constant], vec![&cosine]]);
        assert_eq!((domain, values), (ParameterDomain::Choices(2), vec![0.0, 1.0, 0.0]));
    }

    #[test]
    fn axes_that_move_together_are_judged_as_one() {
        let text = "[[models]]\n[models.lstm]\nhidden = { grid = [4, 8] }\nlayers = { grid = [1, 2] }\n\
                    [search]\nzip = [[\"model.hidden\", \"model.layers\"]]\n";
        let outline = SearchOutline::parse("e.toml", text.to_string(), &[]).unwrap();
        let params: Vec<Value> = (0..12)
            .map(|at| json!({ "model": { "hidden": ([4, 8][at % 2]), "layers": ([1, 2][at % 2]) } }))
            .collect();
        let trials: Vec<FinishedTrial<'_>> = params
            .iter()
            .enumerate()
            .map(|(at, params)| FinishedTrial { params, objective: (at % 2) as f64 })
            .collect();
        let paths = ["model.hidden".to_string(), "model.layers".to_string()];
        let judged = judge("lstm", &paths, &trials, Ok(&outline));
        assert_eq!(
            (judged.names, judged.importance.unwrap().shares),
            (vec!["hidden + layers".to_string()], vec![1.0])
        );
    }
}
