//! The most likely coefficients of given orders.

use super::likelihood::FilteredSeries;
use super::orders::ArimaOrders;
use super::polynomial::{Coefficients, differences, filtered};
use crate::model::normal_equations::NormalEquations;

/// Most steps of a search.
const MOST_STEPS: usize = 60;
/// A search ends when the squared errors shrink by a smaller share.
const AGREEMENT: f64 = 1e-9;
/// By how much a number is moved to see how the errors change.
const NUDGE: f64 = 1e-6;
/// Damping of the first step, and the one beyond which no step helps.
const FIRST_DAMPING: f64 = 1e-3;
const MOST_DAMPING: f64 = 1e10;
/// Numbers beyond this are as good as a partial autocorrelation of one.
const FARTHEST: f64 = 1e3;

/// A model whose coefficients are known.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedArima {
    /// Its orders.
    pub orders: ArimaOrders,
    /// Its coefficients.
    pub coefficients: Coefficients,
    /// Mean of the differenced series.
    pub mean: f64,
    /// Variance of the errors.
    pub variance: f64,
    /// How likely the series is at the coefficients.
    pub log_likelihood: f64,
    /// The corrected Akaike criterion, over the values that differences leave; infinite where there are too few.
    pub aicc: f64,
}

/// A series with its differences, ready to be fitted by any model of as many differences.
#[derive(Debug, Clone)]
pub struct DifferencedSeries {
    values: Vec<f64>,
    /// Errors of a long autoregression, from which searches find where to start; as many as there are values.
    errors: Vec<f64>,
    mean: f64,
}

impl DifferencedSeries {
    /// Takes the differences of `orders`; the other orders do not matter.
    pub fn new(values: &[f64], orders: ArimaOrders) -> Self {
        let values = filtered(values, &differences(orders));
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
        let errors = long_autoregression(&centred, orders.season);
        Self { values, errors, mean }
    }

    /// The differences.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The most likely model of these orders. Searches start from the regression of Hannan and Rissanen, from a
    /// persistent series under noise, and from `near`, coefficients that were found before; where `thorough`, from more.
    pub fn fit(
        &self,
        orders: ArimaOrders,
        near: Option<&Coefficients>,
        thorough: bool,
    ) -> Option<FittedArima> {
        let starts = self.starts(orders, near, thorough);
        let found = starts.into_iter().filter_map(|start| self.search(orders, start));
        let (free, found) = found.max_by(|(_, a), (_, b)| a.log_likelihood.total_cmp(&b.log_likelihood))?;
        Some(FittedArima {
            orders,
            coefficients: Coefficients::of_free(orders, &free),
            mean: found.mean,
            variance: found.variance,
            log_likelihood: found.log_likelihood,
            aicc: self.aicc(orders, found.log_likelihood),
        })
    }

    /// The corrected Akaike criterion.
    fn aicc(&self, orders: ArimaOrders, log_likelihood: f64) -> f64 {
        let parameters = (orders.coefficients() + usize::from(orders.constant) + 1) as f64;
        let spare = self.values.len() as f64 - parameters - 1.0;
        if spare <= 0.0 {
            return f64::INFINITY;
        }
        -2.0 * log_likelihood + 2.0 * parameters * (1.0 + (parameters + 1.0) / spare)
    }

    fn starts(&self, orders: ArimaOrders, near: Option<&Coefficients>, thorough: bool) -> Vec<Vec<f64>> {
        let count = orders.coefficients();
        if count == 0 {
            return vec![Vec::new()];
        }
        let first_of_each = |ar: f64, ma: f64| {
            let one = |count: usize, first: f64| (0..count).map(move |at| if at == 0 { first } else { 0.0 });
            one(orders.ar, ar)
                .chain(one(orders.ma, ma))
                .chain(one(orders.seasonal_ar, 0.5 * ar))
                .chain(one(orders.seasonal_ma, 0.5 * ma))
                .collect::<Vec<f64>>()
        };
        let mut starts: Vec<Vec<f64>> = near.map(Coefficients::free).into_iter().collect();
        starts.extend(self.regression(orders).map(|start| start.free()));
        if starts.is_empty() || thorough {
            // Numbers of a moving average lead to coefficients of the other sign.
            starts.push(first_of_each(1.5, 0.75));
        }
        if thorough {
            starts.push(first_of_each(-0.75, -0.75));
            starts.push(first_of_each(-0.75, 0.75));
            starts.push(vec![0.1; count]);
        }
        starts
    }

    /// Coefficients by regression on past values and past errors (Hannan & Rissanen, "Recursive estimation of mixed
    /// autoregressive-moving average order", *Biometrika* 69, 1982). Products of the two polynomials are ignored.
    fn regression(&self, orders: ArimaOrders) -> Option<Coefficients> {
        let lags = |count: usize, by: usize| (1..=count).map(move |at| at * by);
        let of_values: Vec<usize> =
            lags(orders.ar, 1).chain(lags(orders.seasonal_ar, orders.season)).collect();
        let of_errors: Vec<usize> =
            lags(orders.ma, 1).chain(lags(orders.seasonal_ma, orders.season)).collect();
        let width = of_values.len() + of_errors.len();
        let first = of_values.iter().chain(&of_errors).copied().max()?;
        let mean = if orders.constant { self.mean } else { 0.0 };
        let mut normal = NormalEquations::new(width);
        let mut row = vec![0.0; width];
        for at in first..self.values.len() {
            let values = of_values.iter().map(|lag| self.values[at - lag] - mean);
            let errors = of_errors.iter().map(|lag| self.errors[at - lag]);
            for (cell, value) in row.iter_mut().zip(values.chain(errors)) {
                *cell = value;
            }
            normal.add(&row, self.values[at] - mean);
        }
        let found = normal.solve(1e-6)?;
        let (of_values, of_errors) = found.split_at(of_values.len());
        let (ar, seasonal_ar) = of_values.split_at(orders.ar);
        let (ma, seasonal_ma) = of_errors.split_at(orders.ma);
        Some(Coefficients {
            ar: ar.to_vec(),
            ma: ma.to_vec(),
            seasonal_ar: seasonal_ar.to_vec(),
            seasonal_ma: seasonal_ma.to_vec(),
        })
    }

    /// From a start to the nearest peak of the likelihood, which is a least-squares problem: by damped steps (Levenberg
    /// 1944; Marquardt 1963).
    fn search(&self, orders: ArimaOrders, mut free: Vec<f64>) -> Option<(Vec<f64>, FilteredSeries)> {
        let likelihood =
            |free: &[f64]| FilteredSeries::new(&self.values, &Coefficients::of_free(orders, free), orders);
        let squares = |found: &FilteredSeries| found.errors.iter().map(|error| error * error).sum::<f64>();
        let mut here = likelihood(&free)?;
        let mut damping = FIRST_DAMPING;
        for _ in 0..if free.is_empty() { 0 } else { MOST_STEPS } {
            let Some(normal) = slopes(&free, &here, likelihood) else { break };
            let before = squares(&here);
            let mut gained = 0.0;
            while damping <= MOST_DAMPING {
                let Some(step) = normal.solve(damping) else { break };
                let next: Vec<f64> =
                    free.iter().zip(&step).map(|(from, by)| (from + by).clamp(-FARTHEST, FARTHEST)).collect();
                if let Some(there) = likelihood(&next).filter(|there| squares(there) < before) {
                    gained = (before - squares(&there)) / before;
                    (free, here) = (next, there);
                    damping *= 0.1;
                    break;
                }
                damping *= 8.0;
            }
            if gained < AGREEMENT {
                break;
            }
        }
        Some((free, here))
    }
}

/// The equations of a step that would leave the least squared errors if these were linear.
fn slopes(
    free: &[f64],
    here: &FilteredSeries,
    likelihood: impl Fn(&[f64]) -> Option<FilteredSeries>,
) -> Option<NormalEquations> {
    let mut columns = Vec::with_capacity(free.len());
    for at in 0..free.len() {
        let mut moved = free.to_vec();
        // Towards zero, so that no number leaves what is searched.
        let by = if moved[at] > 0.0 { -NUDGE } else { NUDGE } * moved[at].abs().max(1.0);
        moved[at] += by;
        let there = likelihood(&moved)?;
        let column = there.errors.iter().zip(&here.errors).map(|(there, here)| (there - here) / by);
        columns.push(column.collect::<Vec<f64>>());
    }
    let mut normal = NormalEquations::new(free.len());
    let mut row = vec![0.0; free.len()];
    for (step, error) in here.errors.iter().enumerate() {
        for (cell, column) in row.iter_mut().zip(&columns) {
            *cell = column[step];
        }
        normal.add(&row, -error);
    }
    Some(normal)
}

/// Errors of an autoregression that is long enough to leave little of what can be explained, by the method of Yule and
/// Walker. The first ones, which lack a past, are the values themselves.
fn long_autoregression(centred: &[f64], season: usize) -> Vec<f64> {
    let count = centred.len();
    let usual = (10.0 * libm::log10(count.max(1) as f64)) as usize;
    let longest = usual.max(season + 2).min(count / 3);
    let covariance =
        |lag: usize| -> f64 { (lag..count).map(|at| centred[at] * centred[at - lag]).sum::<f64>() };
    let covariances: Vec<f64> = (0..=longest).map(covariance).collect();
    let mut ar: Vec<f64> = Vec::with_capacity(longest);
    let mut left = covariances[0];
    for lag in 1..=longest {
        if left <= f64::EPSILON * covariances[0] {
            break;
        }
        let explained: f64 = ar.iter().enumerate().map(|(at, value)| value * covariances[lag - 1 - at]).sum();
        let last = (covariances[lag] - explained) / left;
        let before = ar.clone();
        for (at, value) in ar.iter_mut().enumerate() {
            *value -= last * before[before.len() - 1 - at];
        }
        ar.push(last);
        left *= 1.0 - last * last;
    }
    let error = |at: usize| {
        let past = ar.iter().take(at).enumerate().map(|(lag, value)| value * centred[at - lag - 1]);
        centred[at] - past.sum::<f64>()
    };
    (0..count).map(error).collect()
}
