//! A Parzen estimator: a density over the space as a mixture of kernels, one around each point that was tried and a
//! broad one over everything, the prior.

use rand_chacha::ChaCha8Rng;

use super::draw::unit;
use super::space::{Coordinate, Dimension, Point};

/// The newest points that all weigh fully; older ones weigh the less the older they are.
const FULL_WEIGHTS: usize = 25;
/// How fast the narrowest kernel narrows with the number of points: somewhat faster than Optuna's 1, which makes up for
/// the results that a proposal in a batch does not know yet.
const NARROWING: f64 = 1.25;

/// The density: its kernels are products over the dimensions, so that dimensions that only do well together are
/// proposed together.
pub(super) struct Mixture {
    /// Weight of each kernel; they sum to 1, the prior's is the last.
    weights: Vec<f64>,
    marginals: Vec<Marginal>,
}

/// All kernels along one dimension.
enum Marginal {
    /// Normal distributions, cut to the range.
    Normal { kernels: Vec<Normal>, scale: NumericScale },
    /// For each kernel the probability of each choice.
    Choice(Vec<Vec<f64>>),
}

/// What a real number along a numeric dimension stands for.
#[derive(Clone, Copy)]
struct NumericScale {
    dimension: Dimension,
    low: f64,
    high: f64,
}

#[derive(Clone, Copy)]
struct Normal {
    mean: f64,
    deviation: f64,
    /// The normal distribution's mass inside the range.
    mass: f64,
}

impl Mixture {
    /// The density of these points, oldest first: the older of many count less.
    pub fn by_age(space: &[Dimension], points: &[&Point]) -> Self {
        Self::weighted(space, points, age_weights(points.len()))
    }

    /// The density of these points with weights of their own; the prior's is 1.
    pub fn weighted(space: &[Dimension], points: &[&Point], mut weights: Vec<f64>) -> Self {
        weights.push(1.0);
        let total: f64 = weights.iter().sum();
        for weight in &mut weights {
            *weight /= total;
        }
        let marginals =
            space.iter().enumerate().map(|(at, dimension)| Marginal::new(*dimension, at, points)).collect();
        Self { weights, marginals }
    }

    /// Draws a point.
    pub fn sample(&self, rng: &mut ChaCha8Rng) -> Point {
        let kernel = pick(&self.weights, unit(rng));
        self.marginals.iter().map(|marginal| marginal.sample(kernel, rng)).collect()
    }

    /// Logarithm of the density at a point.
    pub fn log_density(&self, point: &Point) -> f64 {
        let logs: Vec<f64> = self
            .weights
            .iter()
            .enumerate()
            .map(|(kernel, weight)| {
                let marginals = self.marginals.iter().zip(point);
                libm::log(*weight)
                    + marginals.map(|(marginal, place)| marginal.log_density(kernel, *place)).sum::<f64>()
            })
            .collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return largest;
        }
        largest + libm::log(logs.iter().map(|log| libm::exp(log - largest)).sum::<f64>())
    }
}

/// 1 for the newest [`FULL_WEIGHTS`], rising evenly from `1 / count` to 1 before them.
fn age_weights(count: usize) -> Vec<f64> {
    let ramp = count.saturating_sub(FULL_WEIGHTS);
    let first = 1.0 / count.max(1) as f64;
    (0..count)
        .map(|age| match ramp {
            _ if age >= ramp => 1.0,
            1 => first,
            _ => first + (1.0 - first) * age as f64 / (ramp - 1) as f64,
        })
        .collect()
}

/// The first index at which the running sum exceeds `unit`.
fn pick(weights: &[f64], unit: f64) -> usize {
    let mut sum = 0.0;
    let found = weights.iter().position(|weight| {
        sum += weight;
        unit < sum
    });
    found.unwrap_or(weights.len() - 1)
}

impl Marginal {
    fn new(dimension: Dimension, at: usize, points: &[&Point]) -> Self {
        if let Dimension::Choice(count) = dimension {
            return Marginal::choice(count, at, points);
        }
        let scale = NumericScale::new(dimension);
        let means: Vec<f64> = points.iter().map(|point| scale.inner(point[at])).collect();
        let range = scale.high - scale.low;
        let mut kernels: Vec<Normal> = means
            .iter()
            .zip(widths(&means, scale.low, scale.high))
            .map(|(&mean, deviation)| Normal::new(mean, deviation, scale))
            .collect();
        kernels.push(Normal::new(0.5 * (scale.low + scale.high), range, scale));
        Marginal::Normal { kernels, scale }
    }

    /// Each kernel prefers its own choice; the less, the fewer points there are.
    fn choice(count: usize, at: usize, points: &[&Point]) -> Self {
        let share = 1.0 / (points.len() + 1) as f64;
        let total = 1.0 + share * count as f64;
        let around = |point: &&Point| {
            let mut row = vec![share / total; count];
            if let Coordinate::Listed(index) = point[at] {
                row[index] += 1.0 / total;
            }
            row
        };
        let mut rows: Vec<Vec<f64>> = points.iter().map(around).collect();
        rows.push(vec![1.0 / count as f64; count]);
        Marginal::Choice(rows)
    }

    fn sample(&self, kernel: usize, rng: &mut ChaCha8Rng) -> Coordinate {
        match self {
            Marginal::Choice(rows) => Coordinate::Listed(pick(&rows[kernel], unit(rng))),
            Marginal::Normal { kernels, scale } => loop {
                // No deviation exceeds the range and every mean lies in it: at least a third of the draws is accepted.
                let drawn = kernels[kernel].mean + kernels[kernel].deviation * standard_normal(rng);
                if drawn >= scale.low && drawn < scale.high {
                    return scale.outer(drawn);
                }
            },
        }
    }

    fn log_density(&self, kernel: usize, place: Coordinate) -> f64 {
        match (self, place) {
            (Marginal::Choice(rows), Coordinate::Listed(index)) => libm::log(rows[kernel][index]),
            (Marginal::Normal { kernels, scale }, place) => {
                kernels[kernel].log_density(scale.inner(place), *scale)
            }
            (Marginal::Choice(_), _) => f64::NEG_INFINITY,
        }
    }
}

/// The width of each kernel: the larger distance to its neighbours, so that kernels reach each other; never so narrow
/// that a few good points end the search around them ("magic clip", Bergstra et al., ICML 2013).
fn widths(means: &[f64], low: f64, high: f64) -> Vec<f64> {
    let count = means.len();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| means[a].total_cmp(&means[b]));
    let narrowest = (high - low) / (NARROWING * (count as f64 + 2.0)).min(100.0);
    let mut widths = vec![0.0; count];
    for (rank, &at) in order.iter().enumerate() {
        let below = if rank > 0 { Some(means[at] - means[order[rank - 1]]) } else { None };
        let above = order.get(rank + 1).map(|&next| means[next] - means[at]);
        let width = match (below, above) {
            (Some(below), Some(above)) => below.max(above),
            (Some(gap), None) | (None, Some(gap)) => gap,
            (None, None) => (means[at] - low).max(high - means[at]),
        };
        widths[at] = width.clamp(narrowest, high - low);
    }
    widths
}

impl NumericScale {
    fn new(dimension: Dimension) -> Self {
        let (low, high) = match dimension {
            Dimension::Uniform(low, high) => (low, high),
            Dimension::LogUniform(low, high) => (libm::log(low), libm::log(high)),
            // Every whole number owns the half before and the half after it.
            Dimension::Int(low, high) => (low as f64 - 0.5, high as f64 + 0.5),
            Dimension::Choice(count) => (0.0, count as f64),
        };
        Self { dimension, low, high }
    }

    fn inner(self, place: Coordinate) -> f64 {
        match (place, self.dimension) {
            (Coordinate::Real(value), Dimension::LogUniform(..)) => libm::log(value),
            (Coordinate::Real(value), _) => value,
            (Coordinate::Whole(value), _) => value as f64,
            (Coordinate::Listed(index), _) => index as f64,
        }
    }

    fn outer(self, value: f64) -> Coordinate {
        match self.dimension {
            Dimension::LogUniform(low, high) => Coordinate::Real(libm::exp(value).clamp(low, high)),
            Dimension::Int(low, high) => Coordinate::Whole((libm::round(value) as i64).clamp(low, high)),
            _ => Coordinate::Real(value),
        }
    }
}

impl Normal {
    fn new(mean: f64, deviation: f64, scale: NumericScale) -> Self {
        let mut normal = Self { mean, deviation, mass: 1.0 };
        normal.mass = normal.between(scale.low, scale.high);
        normal
    }

    /// The probability of a value in `[from, to)`.
    fn between(&self, from: f64, to: f64) -> f64 {
        let cumulative =
            |value: f64| 0.5 * libm::erf((value - self.mean) / (self.deviation * std::f64::consts::SQRT_2));
        cumulative(to) - cumulative(from)
    }

    fn log_density(&self, value: f64, scale: NumericScale) -> f64 {
        if matches!(scale.dimension, Dimension::Int(..)) {
            return libm::log(self.between(value - 0.5, value + 0.5) / self.mass);
        }
        let standard = (value - self.mean) / self.deviation;
        -0.5 * standard * standard
            - libm::log(self.deviation * self.mass * libm::sqrt(2.0 * std::f64::consts::PI))
    }
}

/// Box and Muller, 1958.
fn standard_normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - unit(rng)));
    radius * libm::cos(2.0 * std::f64::consts::PI * unit(rng))
}
