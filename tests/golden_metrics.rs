//! Holds the metrics and tests to values computed by independent packages.
//!
//! The values in `golden_metrics.json` come from scoringrules 0.10.0, scipy 1.17.1, statsmodels,
//! dieboldmariano and numpy; its `source` entry states the definitions.

#![allow(clippy::unwrap_used, reason = "a malformed reference file must fail the test")]

use burstlab::metric::{diebold_mariano, holm, point_metrics, seasonal_scale};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden_metrics.json")).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn assert_golden(what: &str, got: f64, want: f64) {
    assert!((got - want).abs() <= 1e-9 * want.abs(), "{what} is {got} and should be {want}");
}

#[test]
fn point_metrics_agree_with_the_reference() {
    let golden = golden();
    let (series, point) = (&golden["series"], &golden["point"]);
    let (actual, forecast) = (numbers(&series["actual"]), numbers(&series["forecast_a"]));
    let train = numbers(&series["train"]);
    for (season, mase) in [(1, "mase_season1"), (7, "mase_season7")] {
        let scored = point_metrics(&actual, &forecast, seasonal_scale(&train, season));
        let names: Vec<_> = scored
            .named()
            .map(|(name, value)| {
                let entry = match name {
                    "medae" => "median_absolute_error",
                    "smape" => "smape_percent",
                    "mase" => mase,
                    "bias" => "bias_mean_forecast_minus_actual",
                    other => other,
                };
                assert_golden(name, value, number(&point[entry]));
                name
            })
            .collect();
        assert_eq!(names, ["mae", "medae", "mse", "rmse", "smape", "wape", "mase", "r2", "bias"]);
    }
}

#[test]
fn diebold_mariano_agrees_with_the_reference() {
    let golden = golden();
    let series = &golden["series"];
    let actual = numbers(&series["actual"]);
    for case in golden["diebold_mariano_hln"].as_array().unwrap() {
        let losses = |forecast: &str| -> Vec<f64> {
            let errors = numbers(&series[forecast]).into_iter().zip(&actual).map(|(f, y)| f - y);
            if case["loss"] == "squared" {
                errors.map(|e| e * e).collect()
            } else {
                errors.map(f64::abs).collect()
            }
        };
        let horizon = case["horizon"].as_u64().unwrap() as usize;
        let result = diebold_mariano(&losses("forecast_a"), &losses("forecast_b"), horizon).unwrap();
        assert_golden("the statistic", result.statistic, number(&case["statistic"]));
        assert_golden("the p-value", result.p_value, number(&case["p_two_sided"]));
    }
}

#[test]
fn holm_agrees_with_the_reference() {
    let golden = golden();
    let adjusted = holm(&numbers(&golden["holm"]["p"]));
    let expected = numbers(&golden["holm"]["adjusted"]);
    assert_eq!(adjusted.len(), expected.len());
    for (got, want) in adjusted.into_iter().zip(expected) {
        assert_golden("the adjusted p-value", got, want);
    }
}
