//! Holds the metrics to values computed by independent packages.
//!
//! The values in `golden_metrics.json` come from scoringrules 0.10.0, scipy 1.17.1, statsmodels and numpy; its `source`
//! entry states the definitions.

use burstlab::stats::closed_form::{crps_exponential, crps_gamma, crps_lognormal};
use burstlab::stats::{
    crps_quantile, holm, interval_score, pinball, point_metrics, seasonal_scale, signed_quantile,
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden_metrics.json")).unwrap()
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
        members.sort_by(f64::total_cmp);
        let levels: Vec<f64> = (0..8).map(|member| (f64::from(member) + 0.5) / 8.0).collect();
        let crps = crps_quantile(actual, &levels, &members).unwrap();
        assert_golden("the CRPS", crps, number(&want["crps_nrg"][index]));
    }
}

#[test]
fn closed_forms_agree_with_the_reference() {
    let golden = golden();
    let cases = [
        ("lognormal(y=3,mulog=0.1,sigmalog=0.9)", crps_lognormal(3.0, 0.1, 0.9)),
        ("gamma(y=0.2,shape=1.1,rate=0.7)", crps_gamma(0.2, 1.1, 0.7)),
        ("exponential(y=3,rate=0.7)", crps_exponential(3.0, 0.7)),
    ];
    let listed = golden["crps_closed"].as_object().unwrap();
    assert_eq!(cases.len(), listed.len(), "every reference value is compared");
    for (name, got) in cases {
        assert_golden(name, got, number(&listed[name]));
    }
}

#[test]
fn the_split_conformal_width_agrees_with_the_reference() {
    let golden = golden();
    let want = &golden["split_conformal"];
    let mut errors = numbers(&want["absolute_residuals"]);
    errors.sort_by(f64::total_cmp);
    let half_width = signed_quantile(&errors, 0.9).unwrap();
    assert_golden("the half-width", half_width, number(&want["alpha_0.1_half_width"]));
}
