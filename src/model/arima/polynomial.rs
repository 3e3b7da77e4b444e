//! Polynomials of lags, written as the sequence `a` of `1 - a_1 B - a_2 B^2 - ...`, and the autocovariances that they imply.

use super::orders::ArimaOrders;

/// Partial autocorrelations are searched between minus and plus this, so that no root reaches the unit circle.
const MOST_PARTIAL: f64 = 1.0 - 1e-6;
/// A model whose polynomials have a root closer to the unit circle is close to one with a difference more or less, and its
/// estimates are not to be trusted: the bound of the authors' R package.
const LEAST_ROOT: f64 = 1.01;

/// The coefficients of one model, each polynomial by itself. Those of moving averages have the usual sign: `1 + b_1 B + ...`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Coefficients {
    /// Autoregressive, `p` of them.
    pub ar: Vec<f64>,
    /// Of the moving average, `q`.
    pub ma: Vec<f64>,
    /// Autoregressive over whole seasons, `P`.
    pub seasonal_ar: Vec<f64>,
    /// Of the moving average over whole seasons, `Q`.
    pub seasonal_ma: Vec<f64>,
}

impl Coefficients {
    /// Stationary and invertible coefficients from any numbers: each becomes a partial autocorrelation, and these become
    /// coefficients (Monahan, "A note on enforcing stationarity in autoregressive-moving average models", *Biometrika* 71,
    /// 1984).
    pub fn of_free(orders: ArimaOrders, free: &[f64]) -> Self {
        let mut rest = free;
        let mut take = |count: usize| {
            let (own, others) = rest.split_at(count);
            rest = others;
            own.iter().map(|x| MOST_PARTIAL * x / libm::sqrt(1.0 + x * x)).collect::<Vec<f64>>()
        };
        let ar = from_partial(&take(orders.ar));
        let ma = negated(from_partial(&take(orders.ma)));
        let seasonal_ar = from_partial(&take(orders.seasonal_ar));
        let seasonal_ma = negated(from_partial(&take(orders.seasonal_ma)));
        Self { ar, ma, seasonal_ar, seasonal_ma }
    }

    /// The numbers that lead to these coefficients, which are moved towards zero until they are stationary and invertible.
    pub fn free(&self) -> Vec<f64> {
        let of = |polynomial: Vec<f64>| {
            let mut shrunk = polynomial;
            let partial = loop {
                if let Some(partial) = partial_of(&shrunk).filter(|all| all.iter().all(|r| r.abs() < 0.99)) {
                    break partial;
                }
                // Multiplying the roots by more than one moves them away from the circle.
                let mut factor = 1.0;
                for value in &mut shrunk {
                    factor *= 0.9;
                    *value *= factor;
                }
            };
            partial.into_iter().map(|r| r / libm::sqrt(1.0 - r * r))
        };
        let ma = negated(self.ma.clone());
        let seasonal_ma = negated(self.seasonal_ma.clone());
        of(self.ar.clone()).chain(of(ma)).chain(of(self.seasonal_ar.clone())).chain(of(seasonal_ma)).collect()
    }

    /// The whole autoregressive polynomial, seasons included.
    pub fn full_ar(&self, season: usize) -> Vec<f64> {
        product(&self.ar, &spread(&self.seasonal_ar, season))
    }

    /// The whole moving average, seasons included, with the usual sign.
    pub fn full_ma(&self, season: usize) -> Vec<f64> {
        let seasonal = spread(&negated(self.seasonal_ma.clone()), season);
        negated(product(&negated(self.ma.clone()), &seasonal))
    }

    /// Whether every root of every polynomial keeps its distance from the unit circle.
    pub fn keeps_off_the_unit_circle(&self) -> bool {
        let far = |polynomial: &[f64]| {
            let mut factor = 1.0;
            let nearer = polynomial.iter().map(|value| {
                factor *= LEAST_ROOT;
                value * factor
            });
            partial_of(&nearer.collect::<Vec<f64>>()).is_some()
        };
        far(&self.ar)
            && far(&negated(self.ma.clone()))
            && far(&self.seasonal_ar)
            && far(&negated(self.seasonal_ma.clone()))
    }
}

fn negated(mut values: Vec<f64>) -> Vec<f64> {
    for value in &mut values {
        *value = -*value;
    }
    values
}

/// The polynomial in whole seasons, as one in steps.
pub fn spread(polynomial: &[f64], season: usize) -> Vec<f64> {
    let mut steps = vec![0.0; polynomial.len() * season];
    for (value, step) in
        polynomial.iter().zip(steps.iter_mut().skip(season.saturating_sub(1)).step_by(season.max(1)))
    {
        *step = *value;
    }
    steps
}

/// The product of two polynomials.
pub fn product(left: &[f64], right: &[f64]) -> Vec<f64> {
    let mut product = vec![0.0; left.len() + right.len()];
    for (at, value) in left.iter().enumerate() {
        product[at] += value;
    }
    for (at, value) in right.iter().enumerate() {
        product[at] += value;
        for (other_at, other) in left.iter().enumerate() {
            product[at + other_at + 1] -= value * other;
        }
    }
    product
}

/// `d` differences, and `D` of whole seasons, as one polynomial.
pub fn differences(orders: ArimaOrders) -> Vec<f64> {
    let once = (0..orders.differences).fold(Vec::new(), |all, _| product(&all, &[1.0]));
    let of_season = spread(&[1.0], orders.season);
    (0..orders.seasonal_differences).fold(once, |all, _| product(&all, &of_season))
}

/// What a polynomial leaves of each value but the first ones, which it needs.
pub fn filtered(values: &[f64], polynomial: &[f64]) -> Vec<f64> {
    let past = |at: usize| -> f64 {
        polynomial.iter().enumerate().map(|(lag, value)| value * values[at - lag - 1]).sum()
    };
    (polynomial.len()..values.len()).map(|at| values[at] - past(at)).collect()
}

/// From partial autocorrelations to the coefficients of a stationary autoregression (Durbin's recursion).
fn from_partial(partial: &[f64]) -> Vec<f64> {
    let mut all: Vec<f64> = Vec::with_capacity(partial.len());
    for &last in partial {
        let before = all.clone();
        for (at, value) in all.iter_mut().enumerate() {
            *value -= last * before[before.len() - 1 - at];
        }
        all.push(last);
    }
    all
}

/// From coefficients back to partial autocorrelations; `None` unless the polynomial is stationary.
fn partial_of(polynomial: &[f64]) -> Option<Vec<f64>> {
    let mut all = polynomial.to_vec();
    let mut partial = vec![0.0; all.len()];
    while let Some(last) = all.pop() {
        if last.is_nan() || last.abs() >= 1.0 {
            return None;
        }
        partial[all.len()] = last;
        let after = all.clone();
        for (at, value) in all.iter_mut().enumerate() {
            *value = (*value + last * after[after.len() - 1 - at]) / (1.0 - last * last);
        }
    }
    Some(partial)
}

/// Autocovariances at the lags 0 to `lags` of the autoregression whose errors have variance 1; `None` unless it is
/// stationary.
fn ar_autocovariances(ar: &[f64], lags: usize) -> Option<Vec<f64>> {
    let partial = partial_of(ar)?;
    let mut variance = partial.iter().fold(1.0, |variance, r| variance / (1.0 - r * r));
    let mut covariances = vec![variance];
    let mut shorter: Vec<f64> = Vec::with_capacity(ar.len());
    for &last in &partial {
        let lag = covariances.len();
        let explained: f64 =
            shorter.iter().enumerate().map(|(at, value)| value * covariances[lag - 1 - at]).sum();
        covariances.push(explained + last * variance);
        variance *= 1.0 - last * last;
        let before = shorter.clone();
        for (at, value) in shorter.iter_mut().enumerate() {
            *value -= last * before[before.len() - 1 - at];
        }
        shorter.push(last);
    }
    while covariances.len() <= lags {
        let lag = covariances.len();
        covariances.push(ar.iter().enumerate().map(|(at, value)| value * covariances[lag - 1 - at]).sum());
    }
    Some(covariances)
}

/// What each error adds to the values from its own step on, `count` of them.
pub fn responses(ar: &[f64], ma: &[f64], count: usize) -> Vec<f64> {
    let mut responses: Vec<f64> = Vec::with_capacity(count);
    for step in 0..count {
        let own = if step == 0 { 1.0 } else { ma.get(step - 1).copied().unwrap_or(0.0) };
        let past: f64 =
            ar.iter().take(step).enumerate().map(|(at, value)| value * responses[step - 1 - at]).sum();
        responses.push(own + past);
    }
    responses
}

/// Covariances of the first state with each of `size` states, in the form of Harvey (1989), of an autoregression with a
/// moving average whose errors have variance 1: the first column of the covariance that a stationary filter starts from.
/// `None` unless it is stationary.
///
/// State `i` is what the values and errors up to the last step add to the value `i` steps after it.
pub fn first_covariances(ar: &[f64], ma: &[f64], size: usize) -> Option<Vec<f64>> {
    let reach = ma.len();
    let of_ar = ar_autocovariances(ar, size + reach)?;
    let weight = |lag: usize| if lag == 0 { 1.0 } else { ma[lag - 1] };
    let of_ma: Vec<f64> =
        (0..=reach).map(|lag| (lag..=reach).map(|at| weight(at) * weight(at - lag)).sum()).collect();
    let covariance = |lag: usize| -> f64 {
        let beyond = (1..=reach).map(|at| of_ma[at] * (of_ar[lag + at] + of_ar[lag.abs_diff(at)]));
        of_ma[0] * of_ar[lag] + beyond.sum::<f64>()
    };
    let covariances: Vec<f64> = (0..=size).map(covariance).collect();
    let responses = responses(ar, ma, size);
    let state = |at: usize| -> f64 {
        if at == 0 {
            return covariances[0];
        }
        let of_values: f64 = (at..ar.len()).map(|lag| ar[lag] * covariances[lag - at + 1]).sum();
        let of_errors: f64 = (at..=ma.len()).map(|lag| ma[lag - 1] * responses[lag - at]).sum();
        of_values + of_errors
    };
    Some((0..size).map(state).collect())
}
