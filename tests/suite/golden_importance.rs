//! Holds the importance of hyperparameters to what Optuna's fANOVA makes of the same trials.
//!
//! The values in `golden_importance.json` come from `scripts/importance_golden.py`; its `source` entry names the versions.

use burstlab::stats::{ParameterDomain, importance};
use serde_json::Value;

/// How far one forest may lie from the mean of Optuna's 40, in the deviation of one of these from their mean.
const MOST_DEVIATIONS: f64 = 3.0;
/// What Optuna's weight on combinations of one-hot columns that stand for no choice shifts at most, on these functions.
const MOST_SHIFT: f64 = 0.06;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn studies() -> Vec<Value> {
    let golden: Value = serde_json::from_str(include_str!("../golden_importance.json")).unwrap();
    golden["studies"].as_array().unwrap().clone()
}

/// Our shares for the trials of a study: the logarithm of the learning rate, a whole number from 8 to 128, a fraction, and a
/// choice.
fn shares(study: &Value) -> Vec<f64> {
    let domains = [
        ParameterDomain::Range { low: -4.0, high: -1.0 },
        ParameterDomain::Range { low: 7.5, high: 128.5 },
        ParameterDomain::Range { low: 0.0, high: 0.5 },
        ParameterDomain::Choices(study["choices"].as_u64().unwrap() as usize),
    ];
    let trials: Vec<Vec<f64>> = study["trials"].as_array().unwrap().iter().map(numbers).collect();
    importance(&domains, &trials, &numbers(&study["objectives"])).unwrap().shares
}

#[test]
fn shares_are_those_of_optuna_within_the_spread_of_its_seeds() {
    for study in studies().iter().filter(|study| study["choices"] == 2) {
        let [mean, deviation] = ["mean", "deviation"].map(|key| numbers(&study["as_number"][key]));
        for (parameter, share) in shares(study).into_iter().enumerate() {
            let most = MOST_DEVIATIONS * deviation[parameter];
            assert!(
                (share - mean[parameter]).abs() <= most,
                "{}: parameter {parameter} has {share}, Optuna's mean is {} ± {}",
                study["function"],
                mean[parameter],
                deviation[parameter]
            );
        }
    }
}

#[test]
fn choices_differ_from_optunas_one_hot_columns_by_a_few_hundredths() {
    for study in studies() {
        let mean = numbers(&study["as_categories"]["mean"]);
        for (parameter, share) in shares(&study).into_iter().enumerate() {
            let shift = (share - mean[parameter]).abs();
            assert!(shift <= MOST_SHIFT, "{}: parameter {parameter}: {share}", study["function"]);
        }
    }
}

#[test]
fn three_choices_get_the_share_that_their_formula_gives() {
    // The variance of (log10 rate + 2.5)^2 is 0.45, that of the cells 1.6, 0.8 and 0 is 0.4267, that of the width 0.0049.
    let study = studies().into_iter().find(|study| study["function"] == "three_cells").unwrap();
    let [rate, .., cell] = shares(&study)[..] else { panic!() };
    let whole = 0.45 + 0.4267 + 0.0049;
    assert!((rate - 0.45 / whole).abs() < 0.03 && (cell - 0.4267 / whole).abs() < 0.03, "{rate} {cell}");
}
