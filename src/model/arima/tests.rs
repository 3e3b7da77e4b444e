//! The model beside statsmodels, statsforecast and a textbook filter.

use proptest::prelude::*;
use serde_json::Value;

use super::likelihood::FilteredSeries;
use super::polynomial::{first_covariances, responses};
use super::*;
use crate::stats::Stream;

fn golden() -> Vec<Value> {
    let golden: Value = serde_json::from_str(include_str!("../../../tests/golden_arima.json")).unwrap();
    golden["cases"].as_array().unwrap().clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn three(value: &Value) -> Option<[usize; 3]> {
    let orders = value.as_array()?.iter().map(|order| order.as_u64().unwrap() as usize);
    orders.collect::<Vec<_>>().try_into().ok()
}

fn choice(model: &Value) -> OrderChoice {
    OrderChoice {
        order: three(&model["order"]),
        seasonal_order: Some(three(&model["seasonal_order"]).unwrap_or_default()),
        season: model["season"].as_u64().unwrap_or(0) as usize,
        constant: model["constant"].as_bool(),
        lookback: 1_000,
    }
}

fn assert_close(found: impl IntoIterator<Item = f64>, wanted: &Value, share: f64, of: &Value) {
    for (found, wanted) in found.into_iter().zip(numbers(wanted)) {
        assert!((found - wanted).abs() <= share * wanted.abs(), "{found} against {wanted} of {of}");
    }
}

#[test]
fn likelihoods_and_forecasts_at_given_coefficients_are_those_of_statsmodels() {
    for case in golden() {
        let values = numbers(&case["values"]);
        for model in case["models"].as_array().unwrap() {
            let orders = choice(model).given().unwrap();
            let given = &model["coefficients"];
            let coefficients = Coefficients {
                ar: numbers(&given["ar"]),
                ma: numbers(&given["ma"]),
                seasonal_ar: numbers(&given["seasonal_ar"]),
                seasonal_ma: numbers(&given["seasonal_ma"]),
            };
            let series = DifferencedSeries::new(&values, orders);
            let found = FilteredSeries::new(series.values(), &coefficients, orders).unwrap();
            let wanted = model["log_likelihood"].as_f64().unwrap();
            assert!(
                (found.log_likelihood - wanted).abs() < 1e-5,
                "{} against {wanted}",
                found.log_likelihood
            );
            let fitted = FittedArima {
                orders,
                coefficients,
                mean: found.mean,
                variance: found.variance,
                log_likelihood: found.log_likelihood,
                aicc: 0.0,
            };
            let outlook = Outlook::new(&fitted, 6).unwrap().after(&values);
            assert_close(outlook.iter().map(|(mean, _)| *mean), &model["forecast"], 1e-5, model);
            // Under a drift, statsmodels counts where the drift starts as unknown.
            let deviations = outlook.iter().map(|(_, variance)| variance.sqrt());
            assert_close(deviations, &model["standard_error"], 0.01, model);
        }
    }
}

#[test]
fn fits_are_as_likely_as_the_best_of_statsmodels_and_forecast_the_same() {
    for case in golden() {
        let values = numbers(&case["values"]);
        for model in case["models"].as_array().unwrap() {
            let fitted = choice(model).fit(&values).unwrap();
            let behind = model["log_likelihood"].as_f64().unwrap() - fitted.log_likelihood;
            assert!(behind < 0.05, "less likely by {behind}: {model}");
            if behind.abs() < 0.01 {
                assert!((fitted.aicc - model["aicc"].as_f64().unwrap()).abs() < 0.02, "{model}");
                let outlook = Outlook::new(&fitted, 6).unwrap().after(&values);
                assert_close(outlook.iter().map(|(mean, _)| *mean), &model["forecast"], 0.005, model);
            }
        }
        for model in case["reference"].as_array().unwrap() {
            let fitted = choice(model).fit(&values).unwrap();
            let wanted = model["log_likelihood"].as_f64().unwrap();
            assert!(
                (fitted.log_likelihood - wanted).abs() < 0.01,
                "{} against {model}",
                fitted.log_likelihood
            );
            let outlook = Outlook::new(&fitted, 6).unwrap().after(&values);
            assert_close(outlook.iter().map(|(mean, _)| *mean), &model["forecast"], 0.005, model);
            let deviations = outlook.iter().map(|(_, variance)| variance.sqrt());
            assert_close(deviations, &model["standard_error"], 0.005, model);
        }
    }
}

#[test]
fn chosen_orders_are_no_worse_than_those_of_statsforecast() {
    for case in golden() {
        let values = numbers(&case["values"]);
        for model in case["chosen"].as_array().unwrap() {
            let season = model["season"].as_u64().unwrap() as usize;
            let open =
                OrderChoice { order: None, seasonal_order: None, season, constant: None, lookback: 1_000 };
            let fitted = open.fit(&values).unwrap();
            let [_, differences, _] = three(&model["order"]).unwrap();
            assert_eq!(fitted.orders.differences, differences, "{model}");
            let behind = fitted.aicc - model["aicc"].as_f64().unwrap();
            assert!(behind < 0.1, "worse by {behind}: {:?} against {model}", fitted.orders);
        }
    }
}

/// The filter as textbooks have it, with matrices of covariances (Harvey, 1989, section 3.2): the log-likelihood.
fn textbook(values: &[f64], ar: &[f64], ma: &[f64]) -> f64 {
    let size = ar.len().max(ma.len() + 1);
    let at = |values: &[f64], index: usize| values.get(index).copied().unwrap_or(0.0);
    let noise: Vec<f64> = (0..size).map(|index| if index == 0 { 1.0 } else { at(ma, index - 1) }).collect();
    let step = |covariance: &[Vec<f64>]| {
        let moved = |row: &dyn Fn(usize) -> f64| -> Vec<f64> {
            (0..size).map(|to| at(ar, to) * row(0) + if to + 1 < size { row(to + 1) } else { 0.0 }).collect()
        };
        let half: Vec<Vec<f64>> = (0..size).map(|from| moved(&|to| covariance[to][from])).collect();
        let both: Vec<Vec<f64>> = (0..size).map(|to| moved(&|from| half[from][to])).collect();
        (0..size)
            .map(|row| (0..size).map(|column| both[row][column] + noise[row] * noise[column]).collect())
            .collect::<Vec<Vec<f64>>>()
    };
    // What a stationary series starts with is what many steps lead to.
    let mut covariance = vec![vec![0.0; size]; size];
    for _ in 0..5_000 {
        covariance = step(&covariance);
    }
    let mut states = vec![0.0; size];
    let (mut squares, mut logarithms) = (0.0, 0.0);
    for value in values {
        let (error, variance) = (value - states[0], covariance[0][0]);
        squares += error * error / variance;
        logarithms += variance.ln();
        let gain: Vec<f64> = (0..size).map(|row| covariance[row][0] / variance).collect();
        let first = covariance[0].clone();
        for row in 0..size {
            states[row] += gain[row] * error;
            for column in 0..size {
                covariance[row][column] -= gain[row] * first[column];
            }
        }
        let head = states[0];
        states = (0..size).map(|to| at(ar, to) * head + at(&states, to + 1)).collect();
        covariance = step(&covariance);
    }
    let count = values.len() as f64;
    -0.5 * (count * ((std::f64::consts::TAU * squares / count).ln() + 1.0) + logarithms)
}

/// A series of one model, from random errors.
fn drawn(coefficients: &Coefficients, season: usize, count: usize, seed: u64) -> Vec<f64> {
    let (ar, ma) = (coefficients.full_ar(season), coefficients.full_ma(season));
    let weights = responses(&ar, &ma, 400);
    let errors: Vec<f64> =
        Stream::weights(seed).uniform(count + 400, 1.0).into_iter().map(f64::from).collect();
    (400..count + 400)
        .map(|at| weights.iter().enumerate().map(|(lag, weight)| weight * errors[at - lag]).sum())
        .collect()
}

#[test]
fn coefficients_of_a_drawn_series_are_found_and_so_are_its_orders() {
    let truth = Coefficients { ar: vec![0.6, 0.3], ma: vec![-0.5], ..Coefficients::default() };
    let values = drawn(&truth, 0, 20_000, 3);
    let given = OrderChoice {
        order: Some([2, 0, 1]),
        seasonal_order: None,
        season: 0,
        constant: None,
        lookback: 100,
    };
    let fitted = given.fit(&values).unwrap();
    for (found, truth) in fitted.coefficients.ar.iter().chain(&fitted.coefficients.ma).zip([0.6, 0.3, -0.5]) {
        assert!((found - truth).abs() < 0.05, "{:?}", fitted.coefficients);
    }
    let season = Coefficients { ar: vec![0.5], seasonal_ar: vec![0.6], ..Coefficients::default() };
    let open = OrderChoice { order: None, season: 12, ..given };
    let orders = open.fit(&drawn(&season, 12, 600, 5)).unwrap().orders;
    assert!(orders.seasonal_ar + orders.seasonal_ma > 0 && orders.ar + orders.ma > 0, "{orders:?}");
}

#[test]
fn a_constant_stays_what_it_is_and_a_line_goes_on() {
    let open = OrderChoice { order: None, seasonal_order: None, season: 0, constant: None, lookback: 40 };
    for constant in [0.0, 1.0, -3.5, 1e6] {
        let values = vec![constant; 40];
        for choice in [
            open,
            OrderChoice { order: Some([2, 1, 1]), ..open },
            OrderChoice { order: Some([1, 0, 1]), ..open },
        ] {
            let fitted = choice.fit(&values).unwrap();
            for (mean, variance) in Outlook::new(&fitted, 5).unwrap().after(&values) {
                assert!((mean - constant).abs() <= 1e-6 * constant.abs(), "{mean} after {constant}");
                assert!(variance >= 0.0 && variance <= 1e-12 * constant.abs().max(1.0), "{variance}");
            }
        }
    }
    let line: Vec<f64> = (0..40).map(|step| 2.0 - 0.25 * f64::from(step)).collect();
    let fitted = open.fit(&line).unwrap();
    for (ahead, (mean, _)) in Outlook::new(&fitted, 4).unwrap().after(&line).into_iter().enumerate() {
        let expected = 2.0 - 0.25 * (40 + ahead) as f64;
        assert!((mean - expected).abs() < 1e-6, "{mean} against {expected}");
    }
}

#[test]
fn a_season_is_found_and_repeated() {
    let values: Vec<f64> =
        (0..120).map(|step| [5.0, 1.0, 3.0, 8.0][step % 4] + 0.01 * (step * 7 % 5) as f64).collect();
    let open = OrderChoice { order: None, seasonal_order: None, season: 4, constant: None, lookback: 120 };
    let fitted = open.fit(&values).unwrap();
    assert_eq!(fitted.orders.seasonal_differences, 1);
    for ((mean, _), expected) in
        Outlook::new(&fitted, 4).unwrap().after(&values).into_iter().zip([5.0, 1.0, 3.0, 8.0])
    {
        assert!((mean - expected).abs() < 0.1, "{mean} against {expected}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_recursions_are_the_textbook_filter(
        free in prop::collection::vec(-2.0_f64..2.0, 4),
        values in prop::collection::vec(-3.0_f64..3.0, 5..60),
        ar in 0_usize..3,
    ) {
        let orders = ArimaOrders { ar, ma: 2 - ar.min(2), seasonal_ar: 1, seasonal_ma: 1, season: 3, ..ArimaOrders::default() };
        let coefficients = Coefficients::of_free(orders, &free);
        let found = FilteredSeries::new(&values, &coefficients, orders).unwrap().log_likelihood;
        let wanted = textbook(&values, &coefficients.full_ar(3), &coefficients.full_ma(3));
        prop_assert!((found - wanted).abs() < 1e-6 * wanted.abs().max(1.0), "{found} against {wanted}");
    }

    #[test]
    fn coefficients_lead_back_to_the_numbers_that_they_come_from(free in prop::collection::vec(-3.0_f64..3.0, 6)) {
        let orders = ArimaOrders { ar: 2, ma: 2, seasonal_ar: 1, seasonal_ma: 1, season: 4, ..ArimaOrders::default() };
        let coefficients = Coefficients::of_free(orders, &free);
        prop_assert!(first_covariances(&coefficients.full_ar(4), &coefficients.full_ma(4), 7).is_some());
        for (again, number) in coefficients.free().into_iter().zip(free) {
            prop_assert!((again - number).abs() < 1e-4, "{again} for {number}");
        }
    }

    #[test]
    fn whatever_is_finite_can_be_fitted(
        values in prop::collection::vec(prop_oneof![-4.0_f64..4.0, Just(0.0), -1e6_f64..1e6], 10..60),
        season in prop_oneof![Just(0_usize), Just(4)],
    ) {
        let open = OrderChoice { order: None, seasonal_order: None, season, constant: None, lookback: values.len() };
        let fitted = open.fit(&values).unwrap();
        for (mean, variance) in Outlook::new(&fitted, 5).unwrap().after(&values) {
            prop_assert!(mean.is_finite() && variance >= 0.0 && variance.is_finite(), "{fitted:?}");
        }
    }
}
