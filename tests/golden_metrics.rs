//! Holds the metrics and tests to values computed by independent packages.
//!
//! The values in `golden_metrics.json` come from scoringrules 0.10.0, scipy 1.17.1, statsmodels,
//! dieboldmariano and numpy; its `source` entry states the definitions.

#![allow(clippy::unwrap_used, reason = "a malformed reference file must fail the test")]

use burstlab::stats::closed_form::{
    crps_exponential, crps_gamma, crps_logistic, crps_lognormal, crps_normal, crps_poisson,
    log_score_exponential, log_score_gamma, log_score_lognormal,
};
use burstlab::stats::{
    crps_ensemble, crps_ensemble_fair, crps_quantile, diebold_mariano, holm, interval_score, paired_t,
    pinball, point_metrics, seasonal_scale, split_half_width, wilcoxon_exact,
};
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

#[test]
fn the_pinball_loss_agrees_with_the_reference() {
    let golden = golden();
    let (actual, forecast) = (numbers(&golden["series"]["actual"]), numbers(&golden["series"]["forecast_a"]));
    let cases = golden["pinball"].as_object().unwrap();
    assert_eq!(cases.len(), 5);
    for (level, want) in cases {
        assert_golden("the pinball loss", pinball(&actual, &forecast, level.parse().unwrap()), number(want));
    }
}

#[test]
fn interval_scores_agree_with_the_reference() {
    let golden = golden();
    let want = &golden["interval"];
    let (actual, forecast) = (numbers(&golden["series"]["actual"]), numbers(&golden["series"]["forecast_a"]));
    let lower: Vec<f64> = forecast.iter().map(|value| value - 2.0).collect();
    let upper: Vec<f64> = forecast.iter().map(|value| value + 3.0).collect();
    let score = interval_score(&actual, &lower, &upper, 1.0 - number(&want["alpha"]));
    assert_golden("the coverage", score.coverage, number(&want["coverage"]));
    assert_golden("the width", score.width, number(&want["mean_width"]));
    assert_golden("the Winkler score", score.winkler, number(&want["winkler"]));
}

#[test]
fn the_crps_of_an_ensemble_agrees_with_the_reference() {
    let golden = golden();
    let want = &golden["crps_ensemble"];
    for (index, actual) in numbers(&want["actual"]).into_iter().enumerate() {
        let mut members = numbers(&want["members"][index]);
        let plain = number(&want["crps_nrg"][index]);
        assert_golden("the CRPS", crps_ensemble(actual, &members).unwrap(), plain);
        let fair = crps_ensemble_fair(actual, &members).unwrap();
        assert_golden("the fair CRPS", fair, number(&want["crps_fair"][index]));
        members.sort_by(f64::total_cmp);
        let levels: Vec<f64> = (0..8).map(|member| (f64::from(member) + 0.5) / 8.0).collect();
        assert_golden("the CRPS by quantiles", crps_quantile(actual, &levels, &members).unwrap(), plain);
    }
}

#[test]
fn closed_forms_agree_with_the_reference() {
    let golden = golden();
    let cases = [
        ("crps_closed", "normal(y=0.3,mu=0.1,sigma=0.7)", crps_normal(0.3, 0.1, 0.7)),
        ("crps_closed", "lognormal(y=3,mulog=0.1,sigmalog=0.9)", crps_lognormal(3.0, 0.1, 0.9)),
        ("crps_closed", "gamma(y=0.2,shape=1.1,rate=0.7)", crps_gamma(0.2, 1.1, 0.7)),
        ("crps_closed", "exponential(y=3,rate=0.7)", crps_exponential(3.0, 0.7)),
        ("crps_closed", "poisson(y=1,mean=3)", crps_poisson(1.0, 3.0)),
        ("crps_closed", "logistic(y=0.5,loc=0.2,scale=0.4)", crps_logistic(0.5, 0.2, 0.4)),
        ("log_score", "gamma(y=0.2,shape=1.1,rate=0.7)", log_score_gamma(0.2, 1.1, 0.7)),
        ("log_score", "lognormal(y=3,mulog=0.1,sigmalog=0.9)", log_score_lognormal(3.0, 0.1, 0.9)),
        ("log_score", "exponential(y=3,rate=0.7)", log_score_exponential(3.0, 0.7)),
    ];
    let listed: usize =
        ["crps_closed", "log_score"].map(|kind| golden[kind].as_object().unwrap().len()).iter().sum();
    assert_eq!(cases.len(), listed, "every reference value is compared");
    for (kind, name, got) in cases {
        assert_golden(name, got, number(&golden[kind][name]));
    }
}

#[test]
fn paired_tests_agree_with_the_reference() {
    let golden = golden();
    let paired = &golden["paired"];
    let (a, b) = (numbers(&paired["a"]), numbers(&paired["b"]));
    let ranks = wilcoxon_exact(&a, &b).unwrap();
    assert_golden("the rank sum", ranks.statistic, number(&paired["wilcoxon_exact_two_sided"]["statistic"]));
    assert_golden("its p-value", ranks.p_value, number(&paired["wilcoxon_exact_two_sided"]["p"]));
    let t = paired_t(&a, &b).unwrap();
    assert_golden("t", t.statistic, number(&paired["t_test"]["statistic"]));
    assert_golden("its p-value", t.p_value, number(&paired["t_test"]["p"]));
}

#[test]
fn the_split_conformal_width_agrees_with_the_reference() {
    let golden = golden();
    let want = &golden["split_conformal"];
    let width = split_half_width(&numbers(&want["absolute_residuals"]), 0.9);
    assert_golden("the half-width", width, number(&want["alpha_0.1_half_width"]));
}
