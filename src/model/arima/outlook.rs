//! What follows a series under a fitted model: means and variances of the next values.

use super::estimate::FittedArima;
use super::likelihood::ArmaFilter;
use super::polynomial::{differences, filtered, product, responses};

/// A fitted model, ready to forecast from any past.
#[derive(Debug, Clone)]
pub struct Outlook {
    filter: ArmaFilter,
    differences: Vec<f64>,
    mean: f64,
    /// Variances of the errors of forecasts, from one step ahead on, once the gains of the filter have arrived.
    variances: Vec<f64>,
}

impl Outlook {
    /// For forecasts of `horizon` steps. `None` for coefficients that are not stationary, which no fit gives.
    pub fn new(fitted: &FittedArima, horizon: usize) -> Option<Self> {
        let (orders, coefficients) = (fitted.orders, &fitted.coefficients);
        let filter = ArmaFilter::new(coefficients, orders.season)?;
        let differences = differences(orders);
        let ar = product(&coefficients.full_ar(orders.season), &differences);
        let mut sum = 0.0;
        let variances =
            responses(&ar, &coefficients.full_ma(orders.season), horizon).into_iter().map(|response| {
                sum += response * response;
                sum * fitted.variance
            });
        Some(Self { filter, differences, mean: fitted.mean, variances: variances.collect() })
    }

    /// Mean and variance of each of the next values after `past`, which has more values than the differences use up.
    pub fn after(&self, past: &[f64]) -> Vec<(f64, f64)> {
        let mut filter = self.filter.clone();
        let mut states = filter.states();
        for value in filtered(past, &self.differences) {
            filter.observe(&mut states, value - self.mean);
            filter.advance();
        }
        let mut values = past[past.len() - self.differences.len()..].to_vec();
        let next = self.variances.iter().map(|variance| {
            let change = filter.forecast(&mut states) + self.mean;
            let before = values.iter().rev().zip(&self.differences);
            let value = change + before.map(|(value, weight)| value * weight).sum::<f64>();
            values.push(value);
            // Gains that have not arrived yet: exact one step ahead, and nearly so beyond.
            (value, variance * filter.variance())
        });
        next.collect()
    }
}
