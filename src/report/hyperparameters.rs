//! The trials of a search as plots take them: where the values of each hyperparameter stand, and what each trial came to.

use serde_json::Value;

use super::plot::{HyperparameterAxis, HyperparameterScale, PlottedState, PlottedTrial, SearchPicture};
use crate::compare::{
    ModelImportance, ModelSearch, SearchTrial, SearchedHyperparameter, TrialState, distinct,
};
use crate::search::Dimension;
use crate::spec::{lookup, shown_value};
use crate::text::number;

/// Hyperparameters that are drawn for one model, the most important ones first.
pub const MOST_AXES: usize = 7;
/// More different numbers, of which no range is known, are placed as a range.
const MOST_LISTED: usize = 12;
/// The name of a value that a trial does not have.
const NOT_SET: &str = "not set";

/// The trials that have come to an end, over the most important hyperparameters. `metric` is the name of the objective.
pub fn picture(search: &ModelSearch, importance: &ModelImportance, metric: &str) -> SearchPicture {
    let ended: Vec<&SearchTrial> =
        search.trials.iter().filter(|trial| trial.state != TrialState::Open).collect();
    let mut hyperparameters: Vec<&SearchedHyperparameter> = search.hyperparameters.iter().collect();
    hyperparameters.sort_by(|a, b| share_of(importance, b).total_cmp(&share_of(importance, a)));
    let placed: Vec<PlacedHyperparameter> =
        hyperparameters.into_iter().filter_map(|own| place(own, &ended)).take(MOST_AXES).collect();
    let startup = search.startup_trials();
    let trials = ended.iter().enumerate().map(|(at, trial)| PlottedTrial {
        number: trial.number,
        label: tooltip(trial, metric),
        state: match trial.state {
            TrialState::Done => PlottedState::Done,
            TrialState::Pruned { epoch } => PlottedState::Pruned(epoch),
            TrialState::Failed | TrialState::Open => PlottedState::Failed,
        },
        is_start: trial.number <= startup,
        objective: trial.objective,
        values: placed.iter().map(|own| own.values[at]).collect(),
    });
    SearchPicture {
        model: search.model.clone(),
        metric: metric.to_string(),
        strategy: search.strategy().map_or("trial", |strategy| strategy.as_str()).to_string(),
        trials: trials.collect(),
        axes: placed.into_iter().map(|own| own.axis).collect(),
    }
}

/// The importance of a hyperparameter, also of one that is judged together with others; zero where it is unknown.
fn share_of(importance: &ModelImportance, hyperparameter: &SearchedHyperparameter) -> f64 {
    let Ok(found) = &importance.importance else { return 0.0 };
    let is_own = |name: &&String| name.split(" + ").any(|part| part == hyperparameter.name);
    let at = importance.names.iter().position(|name| is_own(&name));
    at.and_then(|at| found.shares.get(at)).copied().unwrap_or(0.0)
}

fn tooltip(trial: &SearchTrial, metric: &str) -> String {
    let value = trial.objective.map_or(String::new(), |value| format!("{metric} {}", number(value)));
    let outcome = match trial.state {
        TrialState::Done => value,
        TrialState::Pruned { epoch } if value.is_empty() => format!("pruned after epoch {epoch}"),
        TrialState::Pruned { epoch } => format!("pruned after epoch {epoch} with {value}"),
        TrialState::Failed | TrialState::Open => "failed".to_string(),
    };
    format!("trial {}\n{}\n{outcome}", trial.number, trial.label)
}

/// A hyperparameter's axis with the value of each trial on it.
struct PlacedHyperparameter {
    axis: HyperparameterAxis,
    values: Vec<Option<f64>>,
}

/// Places the values of trials as they were searched; `None` if all are equal.
fn place(hyperparameter: &SearchedHyperparameter, trials: &[&SearchTrial]) -> Option<PlacedHyperparameter> {
    let values: Vec<Option<&Value>> = trials
        .iter()
        .map(|trial| lookup(&trial.params, &hyperparameter.path).filter(|value| !value.is_null()))
        .collect();
    let numbers: Vec<Option<f64>> = values.iter().map(|value| value.and_then(Value::as_f64)).collect();
    let are_numbers = values.iter().zip(&numbers).all(|(value, number)| value.is_some() == number.is_some());
    let mut different: Vec<f64> = numbers.iter().flatten().copied().collect();
    different.sort_by(f64::total_cmp);
    different.dedup();
    let some_lack_it = values.iter().any(Option::is_none);
    let is_scale = are_numbers && different.len() >= 2;
    let (scale, values) = if is_scale && (!some_lack_it || different.len() > MOST_LISTED) {
        (scale_of_numbers(&hyperparameter.ranges, different), numbers)
    } else {
        let names = names_of(&values);
        let index = |value: Option<&Value>| names.iter().position(|name| *name == name_of(value));
        let placed = values.iter().map(|value| index(*value).map(|at| at as f64)).collect();
        if names.len() < 2 {
            return None;
        }
        (HyperparameterScale::Names(names), placed)
    };
    Some(PlacedHyperparameter {
        axis: HyperparameterAxis { name: hyperparameter.name.clone(), scale },
        values,
    })
}

/// Numbers stand as they were drawn: by size or by their logarithm over the whole range that was searched. Numbers of a list
/// stand by their logarithm where that spreads them more evenly.
fn scale_of_numbers(ranges: &[Dimension], different: Vec<f64>) -> HyperparameterScale {
    let (mut low, mut high) = (different[0], different[different.len() - 1]);
    if ranges.is_empty() {
        let log = is_geometric(&different);
        if different.len() <= MOST_LISTED {
            return HyperparameterScale::Numbers { values: different, log };
        }
        let whole = different.iter().all(|number| number.fract() == 0.0);
        return HyperparameterScale::Range { low, high, log, whole };
    }
    for range in ranges {
        let (from, to) = match *range {
            Dimension::Uniform(from, to) | Dimension::LogUniform(from, to) => (from, to),
            Dimension::Int(from, to) => (from as f64, to as f64),
            Dimension::Choice(_) => continue,
        };
        (low, high) = (low.min(from), high.max(to));
    }
    let log = low > 0.0 && ranges.iter().any(|range| matches!(range, Dimension::LogUniform(..)));
    let whole = ranges.iter().all(|range| matches!(range, Dimension::Int(..)));
    HyperparameterScale::Range { low, high, log, whole }
}

/// Whether the steps between numbers differ less as factors than as distances; of two numbers, whether they are a factor of
/// ten apart.
fn is_geometric(increasing: &[f64]) -> bool {
    let (low, high) = (increasing[0], increasing[increasing.len() - 1]);
    if low <= 0.0 {
        return false;
    }
    if increasing.len() == 2 {
        return high / low >= 10.0;
    }
    let unevenness = |place: fn(f64) -> f64| {
        let steps: Vec<f64> = increasing.windows(2).map(|pair| place(pair[1]) - place(pair[0])).collect();
        let mean = steps.iter().sum::<f64>() / steps.len() as f64;
        steps.iter().map(|step| (step / mean - 1.0).powi(2)).sum::<f64>()
    };
    unevenness(f64::ln) < unevenness(|number| number)
}

fn name_of(value: Option<&Value>) -> String {
    value.map_or(NOT_SET.to_string(), shown_value)
}

/// The different values as names: numbers by size, then the others by name.
fn names_of(values: &[Option<&Value>]) -> Vec<String> {
    let mut named: Vec<(f64, String)> = distinct(values.iter().copied())
        .into_iter()
        .map(|value| (value.and_then(Value::as_f64).unwrap_or(f64::INFINITY), name_of(value)))
        .collect();
    named.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    named.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trials(values: &[Value]) -> Vec<SearchTrial> {
        let trial = |(at, value): (usize, &Value)| SearchTrial {
            number: at + 1,
            params: json!({ "model": { "x": value } }).into(),
            label: format!("x={value}"),
            state: TrialState::Done,
            objective: Some(1.0),
        };
        values.iter().enumerate().map(trial).collect()
    }

    fn placed(values: &[Value], ranges: &[Dimension]) -> Option<(HyperparameterScale, Vec<Option<f64>>)> {
        let hyperparameter = SearchedHyperparameter {
            path: "model.x".to_string(),
            name: "x".to_string(),
            ranges: ranges.to_vec(),
        };
        let trials = trials(values);
        let own = place(&hyperparameter, &trials.iter().collect::<Vec<_>>())?;
        Some((own.axis.scale, own.values))
    }

    #[test]
    fn a_searched_range_is_drawn_whole_and_by_its_logarithm_where_it_was_searched_so() {
        let values = [json!(1e-3), json!(5e-4), json!(2e-3)];
        let (scale, places) = placed(&values, &[Dimension::LogUniform(1e-4, 1e-2)]).unwrap();
        assert_eq!(scale, HyperparameterScale::Range { low: 1e-4, high: 1e-2, log: true, whole: false });
        assert_eq!(places, [Some(1e-3), Some(5e-4), Some(2e-3)]);
        let (scale, _) = placed(&values, &[Dimension::Uniform(0.0, 1e-2)]).unwrap();
        assert_eq!(scale, HyperparameterScale::Range { low: 0.0, high: 1e-2, log: false, whole: false });
        let (scale, _) = placed(&[json!(5), json!(9)], &[Dimension::Int(4, 24)]).unwrap();
        assert_eq!(scale, HyperparameterScale::Range { low: 4.0, high: 24.0, log: false, whole: true });
    }

    #[test]
    fn listed_numbers_stand_by_their_logarithm_where_they_are_geometric() {
        let (scale, _) = placed(&[json!(64), json!(16), json!(32), json!(16)], &[]).unwrap();
        assert_eq!(scale, HyperparameterScale::Numbers { values: vec![16.0, 32.0, 64.0], log: true });
        let (scale, _) = placed(&[json!(10), json!(20), json!(30)], &[]).unwrap();
        assert_eq!(scale, HyperparameterScale::Numbers { values: vec![10.0, 20.0, 30.0], log: false });
        let (scale, _) = placed(&[json!(0.0), json!(0.1)], &[]).unwrap();
        assert!(matches!(scale, HyperparameterScale::Numbers { log: false, .. }));
        assert!(is_geometric(&[0.0003, 0.001, 0.003, 0.01]) && !is_geometric(&[1.0, 2.0]));
    }

    #[test]
    fn many_numbers_of_which_no_range_is_known_are_a_range() {
        let values: Vec<Value> = (0..20).map(|at| json!(10_f64.powf(f64::from(at) / 10.0))).collect();
        let (scale, _) = placed(&values, &[]).unwrap();
        assert!(matches!(scale, HyperparameterScale::Range { log: true, whole: false, .. }), "{scale:?}");
    }

    #[test]
    fn words_booleans_and_what_is_not_set_are_names() {
        let (scale, places) = placed(&[json!(true), json!(false)], &[]).unwrap();
        assert_eq!(scale, HyperparameterScale::Names(vec!["false".to_string(), "true".to_string()]));
        assert_eq!(places, [Some(1.0), Some(0.0)]);
        let (scale, places) = placed(&[json!(1.5), json!(null), json!(0.5)], &[]).unwrap();
        assert_eq!(scale, HyperparameterScale::Names(["0.5", "1.5", NOT_SET].map(str::to_string).to_vec()));
        assert_eq!(places, [Some(1.0), Some(2.0), Some(0.0)]);
        assert!(placed(&[json!(true), json!(true)], &[]).is_none());
    }
}
