//! The orders of a series, chosen step by step (Hyndman & Khandakar, "Automatic time series forecasting: the forecast
//! package for R", *Journal of Statistical Software* 27, 2008).
//!
//! Tests choose how often differences are taken. From four models the search then moves to the best neighbour by the
//! corrected Akaike criterion, until no neighbour is better.

use std::collections::HashSet;

use super::estimate::{DifferencedSeries, FittedArima};
use super::orders::ArimaOrders;

/// Largest orders that are tried.
const MOST_LAGS: usize = 5;
const MOST_SEASONAL_LAGS: usize = 2;
const MOST_DIFFERENCES: usize = 2;
/// Most models that are tried.
const MOST_MODELS: usize = 94;
/// The value that the KPSS statistic of a stationary series exceeds with a probability of 5 % (Kwiatkowski et al., 1992,
/// table 1).
const KPSS_BOUND: f64 = 0.463;
/// A season of this strength calls for differences between seasons.
const STRONG_SEASON: f64 = 0.64;

/// What is given, and what is left to be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderChoice {
    /// `(p, d, q)`; `None` to have them chosen.
    pub order: Option<[usize; 3]>,
    /// `(P, D, Q)`; `None` to have them chosen.
    pub seasonal_order: Option<[usize; 3]>,
    /// Steps of a season; 0 without one.
    pub season: usize,
    /// Whether there is a constant; `None` to have it chosen where orders are, and otherwise to have one where no
    /// difference is taken.
    pub constant: Option<bool>,
    /// Values that a forecast can read.
    pub lookback: usize,
}

impl OrderChoice {
    /// The orders, where none is left to be chosen.
    pub fn given(self) -> Option<ArimaOrders> {
        let [ar, differences, ma] = self.order?;
        let [seasonal_ar, seasonal_differences, seasonal_ma] =
            if self.season > 0 { self.seasonal_order? } else { [0; 3] };
        let orders = ArimaOrders {
            ar,
            differences,
            ma,
            seasonal_ar,
            seasonal_differences,
            seasonal_ma,
            season: self.season,
            constant: false,
        };
        Some(ArimaOrders { constant: self.constant.unwrap_or(orders.all_differences() == 0), ..orders })
    }

    /// The most likely model of a series: of the given orders, or of those that are chosen. `None` for a series that is too
    /// short for any.
    pub fn fit(self, values: &[f64]) -> Option<FittedArima> {
        if let Some(orders) = self.given() {
            return DifferencedSeries::new(values, orders).fit(orders, None, true);
        }
        let differenced = self.differenced(values);
        let mut search = Search {
            choice: self,
            series: DifferencedSeries::new(values, differenced),
            seen: HashSet::new(),
            untrusted: None,
        };
        let best = search.run(differenced)?;
        // The orders stand; the likelihood of them may have a higher peak.
        search.series.fit(best.orders, Some(&best.coefficients), true)
    }

    /// How often differences are taken; of the other orders, those that are given.
    fn differenced(self, values: &[f64]) -> ArimaOrders {
        let mut orders = ArimaOrders { season: self.season, ..ArimaOrders::default() };
        if self.season > 0 {
            orders.seasonal_differences = match self.seasonal_order {
                Some([_, given, _]) => given,
                None => usize::from(seasonal_strength(values, self.season) > STRONG_SEASON),
            };
        }
        orders.differences = if let Some([_, given, _]) = self.order {
            given
        } else {
            let mut left = DifferencedSeries::new(values, orders).values().to_vec();
            let mut taken = 0;
            while taken < MOST_DIFFERENCES && kpss(&left) > KPSS_BOUND {
                left = left.windows(2).map(|pair| pair[1] - pair[0]).collect();
                taken += 1;
            }
            taken
        };
        orders
    }

    /// Whether a model is among those that are searched.
    fn allows(self, orders: ArimaOrders) -> bool {
        let most = |given: Option<[usize; 3]>, own: [usize; 2], most: usize| match given {
            Some([ar, _, ma]) => own == [ar, ma],
            None => own.iter().all(|order| *order <= most),
        };
        let seasonal = [orders.seasonal_ar, orders.seasonal_ma];
        most(self.order, [orders.ar, orders.ma], MOST_LAGS)
            && if self.season > 0 {
                most(self.seasonal_order, seasonal, MOST_SEASONAL_LAGS)
            } else {
                seasonal == [0; 2]
            }
            && self.constant.is_none_or(|given| orders.constant == given)
            && !(orders.constant && orders.all_differences() > 1)
            && orders.reach() < self.lookback
    }
}

struct Search {
    choice: OrderChoice,
    series: DifferencedSeries,
    seen: HashSet<ArimaOrders>,
    /// The best of the models that are not to be trusted, in case there is no other.
    untrusted: Option<FittedArima>,
}

impl Search {
    fn run(&mut self, differenced: ArimaOrders) -> Option<FittedArima> {
        let with = |[ar, ma]: [usize; 2], [seasonal_ar, seasonal_ma]: [usize; 2]| {
            let of =
                |given: Option<[usize; 3]>, usual: [usize; 2]| given.map_or(usual, |[ar, _, ma]| [ar, ma]);
            let [ar, ma] = of(self.choice.order, [ar, ma]);
            let seasonal = if self.choice.season > 0 { [seasonal_ar, seasonal_ma] } else { [0; 2] };
            let [seasonal_ar, seasonal_ma] =
                of(self.choice.seasonal_order.filter(|_| self.choice.season > 0), seasonal);
            ArimaOrders { ar, ma, seasonal_ar, seasonal_ma, ..differenced }
        };
        let plain = [with([2, 2], [1, 1]), with([0, 0], [0, 0]), with([1, 0], [1, 0]), with([0, 1], [0, 1])];
        let first = plain
            .into_iter()
            .flat_map(|orders| [true, false].map(|constant| ArimaOrders { constant, ..orders }));
        // A constant comes first; without one only the simplest model is tried besides, unless there can be none.
        let simplest = plain[1];
        let first = first.filter(|orders| {
            orders.constant
                || *orders == simplest
                || !self.choice.allows(ArimaOrders { constant: true, ..*orders })
        });
        let mut best = None;
        for orders in first.collect::<Vec<_>>() {
            best = better(best, self.attempt(orders));
        }
        let Some(mut best) = best else { return self.untrusted.take() };
        loop {
            let found = neighbours(best.orders)
                .into_iter()
                .find_map(|orders| self.attempt(orders).filter(|found| found.aicc < best.aicc));
            match found {
                Some(found) => best = found,
                None => return Some(best),
            }
        }
    }

    /// Fits a model, unless it was tried before or is not to be trusted.
    fn attempt(&mut self, orders: ArimaOrders) -> Option<FittedArima> {
        if self.seen.len() >= MOST_MODELS || !self.choice.allows(orders) || !self.seen.insert(orders) {
            return None;
        }
        let fitted = self.series.fit(orders, None, false)?;
        if fitted.aicc.is_finite() && fitted.coefficients.keeps_off_the_unit_circle() {
            return Some(fitted);
        }
        self.untrusted = better(self.untrusted.take(), Some(fitted));
        None
    }
}

fn better(best: Option<FittedArima>, found: Option<FittedArima>) -> Option<FittedArima> {
    match (best, found) {
        (Some(best), Some(found)) => Some(if found.aicc < best.aicc { found } else { best }),
        (best, found) => best.or(found),
    }
}

/// Models that differ by one in one order, in both orders of the steps or in both of the seasons, or in the constant.
fn neighbours(orders: ArimaOrders) -> Vec<ArimaOrders> {
    let moves: [[i64; 4]; 16] = [
        [0, 0, -1, 0],
        [0, 0, 0, -1],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
        [0, 0, -1, -1],
        [0, 0, 1, 1],
        [0, 0, -1, 1],
        [0, 0, 1, -1],
        [-1, 0, 0, 0],
        [0, -1, 0, 0],
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [-1, -1, 0, 0],
        [1, 1, 0, 0],
        [-1, 1, 0, 0],
        [1, -1, 0, 0],
    ];
    let moved = moves.into_iter().filter_map(|[ar, ma, seasonal_ar, seasonal_ma]| {
        let by = |order: usize, by: i64| usize::try_from(order as i64 + by).ok();
        Some(ArimaOrders {
            ar: by(orders.ar, ar)?,
            ma: by(orders.ma, ma)?,
            seasonal_ar: by(orders.seasonal_ar, seasonal_ar)?,
            seasonal_ma: by(orders.seasonal_ma, seasonal_ma)?,
            ..orders
        })
    });
    moved.chain([ArimaOrders { constant: !orders.constant, ..orders }]).collect()
}

/// The statistic of the test whether a series is stationary around a level (Kwiatkowski, Phillips, Schmidt & Shin, "Testing
/// the null hypothesis of stationarity against the alternative of a unit root", *Journal of Econometrics* 54, 1992), with
/// `3 sqrt(n) / 13` lags, as the authors of the search have it; 0 for a constant series.
fn kpss(values: &[f64]) -> f64 {
    let count = values.len();
    let mean = values.iter().sum::<f64>() / count.max(1) as f64;
    let errors: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let mut total = 0.0;
    let mut partial_sums = 0.0;
    for error in &errors {
        total += error;
        partial_sums += total * total;
    }
    let lags = (3.0 * libm::sqrt(count as f64) / 13.0) as usize;
    let covariance = |lag: usize| -> f64 { (lag..count).map(|at| errors[at] * errors[at - lag]).sum() };
    let weighted = (1..=lags).map(|lag| (1.0 - lag as f64 / (lags + 1) as f64) * covariance(lag));
    let variance = covariance(0) + 2.0 * weighted.sum::<f64>();
    let scale: f64 = values.iter().map(|value| value * value).sum::<f64>() * f64::EPSILON * f64::EPSILON;
    if variance > scale { partial_sums / (count as f64 * variance) } else { 0.0 }
}

/// How much of what moves around the trend is a season, from 0 to 1 (Wang, Smith & Hyndman, "Characteristic-based clustering
/// for time series data", *Data Mining and Knowledge Discovery* 13, 2006), with the trend and the season of the classical
/// decomposition; 0 for fewer values than two seasons and one.
fn seasonal_strength(values: &[f64], season: usize) -> f64 {
    if values.len() <= 2 * season || season < 2 {
        return 0.0;
    }
    // A centred average over a season: of an even one, the steps at both ends count half.
    let half = season / 2;
    let odd = !season.is_multiple_of(2);
    let trend = |at: usize| {
        let window = &values[at - half..=at + half];
        let all: f64 = window.iter().sum();
        let ends = if odd { 0.0 } else { 0.5 * (window[0] + window[window.len() - 1]) };
        (all - ends) / season as f64
    };
    let around: Vec<(usize, f64)> =
        (half..values.len() - half).map(|at| (at % season, values[at] - trend(at))).collect();
    let (mut sums, mut counts) = (vec![0.0; season], vec![0.0_f64; season]);
    for &(phase, value) in &around {
        sums[phase] += value;
        counts[phase] += 1.0;
    }
    let seasonal = |phase: usize| sums[phase] / counts[phase].max(1.0);
    let variance = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>()
    };
    let whole = variance(&around.iter().map(|(_, value)| *value).collect::<Vec<f64>>());
    let rest = variance(&around.iter().map(|&(phase, value)| value - seasonal(phase)).collect::<Vec<f64>>());
    if whole > 0.0 { (1.0 - rest / whole).max(0.0) } else { 0.0 }
}
