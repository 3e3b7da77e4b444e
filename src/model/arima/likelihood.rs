//! The exact likelihood of a stationary series by a Kalman filter whose gains follow from the recursions of Chandrasekhar
//! (Morf, Sidhu & Kailath, "Some new algorithms for recursive estimation in constant, linear, discrete-time systems", *IEEE
//! Transactions on Automatic Control* 19, 1974; Mélard, "Algorithm AS 197: A fast algorithm for the exact likelihood of
//! autoregressive-moving average models", *Applied Statistics* 33, 1984).
//!
//! The usual filter moves a matrix of covariances from step to step. In a stationary start that matrix changes by a product
//! of one vector with itself, so a step costs as much as the state is long, which matters for seasons.

use std::f64::consts::TAU;

use super::orders::ArimaOrders;
use super::polynomial::{Coefficients, first_covariances};

/// Once gains change by less than this share, they have arrived.
const ARRIVED: f64 = 1e-16;

/// The filter of one set of coefficients, before its first value.
#[derive(Debug, Clone)]
pub struct ArmaFilter {
    ar: Vec<f64>,
    /// What the states take up of an error once the gains have arrived.
    last_gain: Vec<f64>,
    /// Variance of the next error, as a multiple of that of the errors.
    variance: f64,
    /// What the states take up of an error, times its variance.
    gain: Vec<f64>,
    /// The covariances change by `change_scale x change x change'`.
    change: Vec<f64>,
    change_scale: f64,
    has_arrived: bool,
}

impl ArmaFilter {
    /// `None` for coefficients that are not stationary.
    pub fn new(coefficients: &Coefficients, season: usize) -> Option<Self> {
        let ar = coefficients.full_ar(season);
        let ma = coefficients.full_ma(season);
        let size = ar.len().max(ma.len() + 1);
        let covariances = first_covariances(&ar, &ma, size)?;
        let variance = covariances[0];
        let at = |values: &[f64], index: usize| values.get(index).copied().unwrap_or(0.0);
        let last_gain = (0..size).map(|index| at(&ar, index) + at(&ma, index)).collect();
        let ar: Vec<f64> = (0..size).map(|index| at(&ar, index)).collect();
        let gain = moved(&ar, &covariances);
        let filter = Self {
            ar,
            last_gain,
            variance,
            change: gain.clone(),
            gain,
            change_scale: -1.0 / variance,
            has_arrived: false,
        };
        (variance.is_finite() && variance > 0.0).then_some(filter)
    }

    /// States of a series that starts at its mean.
    pub fn states(&self) -> Vec<f64> {
        vec![0.0; self.ar.len()]
    }

    /// Takes up the next value, whose error is returned.
    pub fn observe(&self, states: &mut [f64], value: f64) -> f64 {
        let first = states[0];
        let error = value - first;
        let own = error / self.variance;
        let last = states.len() - 1;
        for at in 0..last {
            states[at] = self.ar[at] * first + states[at + 1] + self.gain[at] * own;
        }
        states[last] = self.ar[last] * first + self.gain[last] * own;
        error
    }

    /// Moves the gains to the next step.
    pub fn advance(&mut self) {
        if self.has_arrived {
            return;
        }
        let first = self.change[0];
        let before = self.variance;
        let by = self.change_scale * first;
        self.variance += by * first;
        self.change_scale += by * by / before;
        let share = first / self.variance;
        let mut largest = 0.0_f64;
        for at in 0..self.change.len() {
            let next = self.change.get(at + 1).copied().unwrap_or(0.0);
            let moved = self.ar[at] * first + next;
            self.gain[at] += by * moved;
            self.change[at] = moved - self.gain[at] * share;
            largest = largest.max(self.change[at].abs());
        }
        if (self.change_scale * largest * largest).abs() < ARRIVED {
            self.has_arrived = true;
            self.variance = 1.0;
            self.gain.clone_from(&self.last_gain);
        }
    }

    /// Variance of the next error, as a multiple of that of the errors.
    pub fn variance(&self) -> f64 {
        self.variance
    }

    /// The next value that states lead to, which are moved a step ahead without a new value.
    pub fn forecast(&self, states: &mut Vec<f64>) -> f64 {
        let next = states[0];
        *states = moved(&self.ar, states);
        next
    }
}

/// States a step later.
fn moved(ar: &[f64], states: &[f64]) -> Vec<f64> {
    let first = states[0];
    let next = states[1..].iter().copied().chain([0.0]);
    ar.iter().zip(next).map(|(ar, next)| ar * first + next).collect()
}

/// The errors of a series at some coefficients, and how likely they are.
#[derive(Debug, Clone, PartialEq)]
pub struct FilteredSeries {
    /// The mean of the series that leaves the least squared errors; 0 without one.
    pub mean: f64,
    /// Standardised errors. Up to a constant, minus twice the log-likelihood is the count times the logarithm of the sum of
    /// their squares, so the most likely coefficients are those of least squares.
    pub errors: Vec<f64>,
    /// The most likely variance of the errors.
    pub variance: f64,
    /// The log-likelihood at that variance.
    pub log_likelihood: f64,
}

impl FilteredSeries {
    /// Of a series that is differenced already; `None` for coefficients that are not stationary.
    pub fn new(values: &[f64], coefficients: &Coefficients, orders: ArimaOrders) -> Option<Self> {
        let mut filter = ArmaFilter::new(coefficients, orders.season)?;
        let count = values.len() as f64;
        let (mut states, mut states_of_one) = (filter.states(), filter.states());
        let mut errors = Vec::with_capacity(values.len());
        let mut errors_of_one = Vec::with_capacity(if orders.constant { values.len() } else { 0 });
        let mut log_variances = 0.0;
        for &value in values {
            let deviation = libm::sqrt(filter.variance());
            if filter.variance() != 1.0 {
                log_variances += libm::log(filter.variance());
            }
            errors.push(filter.observe(&mut states, value) / deviation);
            if orders.constant {
                errors_of_one.push(filter.observe(&mut states_of_one, 1.0) / deviation);
            }
            filter.advance();
        }
        let mut mean = 0.0;
        if orders.constant {
            // The errors are linear in the mean.
            let of_one: f64 = errors_of_one.iter().map(|one| one * one).sum();
            let common: f64 = errors.iter().zip(&errors_of_one).map(|(error, one)| error * one).sum();
            mean = common / of_one;
            for (error, one) in errors.iter_mut().zip(&errors_of_one) {
                *error -= mean * one;
            }
        }
        // Less is rounding: a series without noise has no likelihood.
        let squares: f64 = values.iter().map(|value| value * value).sum();
        let least = (f64::EPSILON * f64::EPSILON * squares).max(f64::MIN_POSITIVE);
        let sum = errors.iter().map(|error| error * error).sum::<f64>().max(least);
        let variance = sum / count;
        let log_likelihood = -0.5 * (count * (libm::log(TAU * variance) + 1.0) + log_variances);
        let factor = libm::exp(0.5 * log_variances / count);
        for error in &mut errors {
            *error *= factor;
        }
        log_likelihood.is_finite().then_some(Self { mean, errors, variance, log_likelihood })
    }
}
