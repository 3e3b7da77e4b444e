//! The most probable parameters of Prophet given the data, which its authors leave to Stan's optimizer.
//!
//! Minus the logarithm of the posterior (Taylor & Letham, "Forecasting at Scale", *The American Statistician* 72, 2018), up
//! to a constant, is `sum_i w_i^2 / (2 s_i^2) + sum_j |w_j| / tau_j + 2 sigma^2 + n ln sigma + |y - D w|^2 / (2 sigma^2)`:
//! normal priors on slope, offset and Fourier coefficients, Laplace priors on the changes of the slope, and a half-normal
//! one on the noise. It is minimised in turn over the coefficients, where it is a convex quadratic with an L1 penalty and
//! is solved exactly by an active set (Osborne, Presnell & Turlach, "A new approach to variable selection in least squares
//! problems", *IMA Journal of Numerical Analysis* 20, 2000), and over the noise, where the minimum is a root. No step
//! increases the function.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

/// The smallest variance of the noise. Where the coefficients fit exactly, no variance is the most probable one.
const LEAST_VARIANCE: f64 = 1e-12;
/// The noise before anything is fitted, as Prophet begins.
const FIRST_VARIANCE: f64 = 1.0;
/// Relative change of the variance at which the two steps agree.
const AGREEMENT: f64 = 1e-12;
const MOST_ROUNDS: usize = 500;
/// As a share of the largest moment: a smaller slope is the effect of rounding.
const ROUNDING: f64 = 1e-12;
/// What may be added to a diagonal of ones: nothing, or the least that outweighs rounding.
const RIDGES: [f64; 4] = [0.0, 1e-14, 1e-12, 1e-10];

/// The columns that explain a series, and the priors of their coefficients. Every series has the same.
#[derive(Debug, Clone)]
pub(super) struct Design {
    /// `steps x width`, row by row.
    rows: Vec<f64>,
    width: usize,
    /// `width x width`: products of the columns.
    gram: Vec<f64>,
    priors: Vec<Prior>,
}

impl Design {
    /// Of `steps x priors` numbers, row by row.
    pub(super) fn new(rows: Vec<f64>, priors: Vec<Prior>) -> Self {
        let width = priors.len();
        let mut gram = vec![0.0; width * width];
        for row in rows.chunks_exact(width) {
            for (at, &left) in row.iter().enumerate() {
                for (product, right) in gram[at * width..=at * width + at].iter_mut().zip(row) {
                    *product += left * right;
                }
            }
        }
        for at in 0..width {
            for other in 0..at {
                gram[other * width + at] = gram[at * width + other];
            }
        }
        Self { rows, width, gram, priors }
    }
}

/// The posterior of one series.
pub(super) struct Posterior<'a> {
    design: &'a Design,
    values: &'a [f64],
    /// Products of the columns and the values.
    moments: Vec<f64>,
}

/// The prior of a coefficient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Prior {
    /// Normal around zero, with this scale.
    Normal(f64),
    /// Laplace around zero, with this scale.
    Laplace(f64),
}

impl Prior {
    fn precision(self) -> f64 {
        match self {
            Prior::Normal(scale) => 1.0 / (scale * scale),
            Prior::Laplace(_) => 0.0,
        }
    }

    fn rate(self) -> f64 {
        match self {
            Prior::Normal(_) => 0.0,
            Prior::Laplace(scale) => 1.0 / scale,
        }
    }
}

/// The coefficients and the variance of the noise.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mode {
    pub(super) coefficients: Vec<f64>,
    pub(super) variance: f64,
}

impl<'a> Posterior<'a> {
    /// Of values that a design explains, one value for each of its rows.
    pub(super) fn new(design: &'a Design, values: &'a [f64]) -> Self {
        let mut moments = vec![0.0; design.width];
        for (row, value) in design.rows.chunks_exact(design.width).zip(values) {
            for (moment, left) in moments.iter_mut().zip(row) {
                *moment += left * value;
            }
        }
        Self { design, values, moments }
    }

    /// The most probable coefficients and noise.
    pub(super) fn mode(&self) -> Mode {
        let mut mode = Mode { coefficients: vec![0.0; self.design.width], variance: FIRST_VARIANCE };
        for _ in 0..MOST_ROUNDS {
            self.choose_coefficients(mode.variance, &mut mode.coefficients);
            let before = mode.variance;
            mode.variance = self.best_variance(&mode.coefficients);
            if (mode.variance - before).abs() <= AGREEMENT * before {
                break;
            }
        }
        mode
    }

    fn squared_errors(&self, coefficients: &[f64]) -> f64 {
        let rows = self.design.rows.chunks_exact(self.design.width).zip(self.values);
        rows.map(|(row, value)| (value - dot(row, coefficients)).powi(2)).sum()
    }

    /// The root of `4 v^2 + n v - e = 0`, where `e` are the squared errors.
    fn best_variance(&self, coefficients: &[f64]) -> f64 {
        let (count, errors) = (self.values.len() as f64, self.squared_errors(coefficients));
        (2.0 * errors / (count + (count * count + 16.0 * errors).sqrt())).max(LEAST_VARIANCE)
    }

    /// The slope of the smooth part, times the variance.
    fn slopes(&self, variance: f64, coefficients: &[f64]) -> Vec<f64> {
        let rows = self.design.gram.chunks_exact(self.design.width).zip(&self.moments).enumerate();
        rows.map(|(at, (row, moment))| {
            dot(row, coefficients) - moment + variance * self.design.priors[at].precision() * coefficients[at]
        })
        .collect()
    }

    /// The best coefficients at a variance, found from those given.
    ///
    /// Those with a Laplace prior are zero, or have a sign. While the signs hold, the minimum solves a linear system. On
    /// the way there a coefficient that would change its sign becomes zero; once there, the one whose slope is too steep
    /// for zero gets a sign.
    fn choose_coefficients(&self, variance: f64, coefficients: &mut [f64]) {
        let rates: Vec<f64> = self.design.priors.iter().map(|prior| variance * prior.rate()).collect();
        let mut signs: Vec<f64> = coefficients
            .iter()
            .zip(&rates)
            .map(|(&value, &rate)| if rate > 0.0 && value != 0.0 { value.signum() } else { 0.0 })
            .collect();
        let largest = self.moments.iter().fold(0.0_f64, |largest, moment| largest.max(moment.abs()));
        let mut left_alone = vec![false; self.design.width];
        for _ in 0..50 * self.design.width {
            let goal = self.signed_minimum(variance, &rates, &signs);
            let mut share = 1.0;
            let mut crossing = None;
            for at in (0..self.design.width).filter(|&at| signs[at] != 0.0 && goal[at] * signs[at] <= 0.0) {
                let own = if coefficients[at] == 0.0 {
                    0.0
                } else {
                    coefficients[at] / (coefficients[at] - goal[at])
                };
                if own < share || crossing.is_none() {
                    (share, crossing) = (own, Some(at));
                }
            }
            for (coefficient, goal) in coefficients.iter_mut().zip(&goal) {
                *coefficient += share * (goal - *coefficient);
            }
            if let Some(at) = crossing {
                (coefficients[at], signs[at]) = (0.0, 0.0);
                // Only rounding sends back a coefficient that has just left zero; it would go to and fro forever.
                left_alone[at] |= share == 0.0;
                continue;
            }
            coefficients.copy_from_slice(&goal);
            let slopes = self.slopes(variance, coefficients);
            let too_steep = |at: usize| {
                let excess = slopes[at].abs() - rates[at] * (1.0 + ROUNDING) - ROUNDING * largest;
                (rates[at] > 0.0 && signs[at] == 0.0 && !left_alone[at] && excess > 0.0)
                    .then_some((excess, at))
            };
            match (0..self.design.width).filter_map(too_steep).max_by(|a, b| a.0.total_cmp(&b.0)) {
                Some((_, at)) => signs[at] = -slopes[at].signum(),
                None => return,
            }
        }
    }

    /// The minimum while every signed coefficient has its sign, and all others with a rate are zero.
    fn signed_minimum(&self, variance: f64, rates: &[f64], signs: &[f64]) -> Vec<f64> {
        let free: Vec<usize> =
            (0..self.design.width).filter(|&at| rates[at] == 0.0 || signs[at] != 0.0).collect();
        let matrix = Mat::from_fn(free.len(), free.len(), |row, column| {
            let (row, column) = (free[row], free[column]);
            let precision = if row == column { self.design.priors[row].precision() } else { 0.0 };
            self.design.gram[row * self.design.width + column] + variance * precision
        });
        let right = Mat::from_fn(free.len(), 1, |row, _| {
            self.moments[free[row]] - rates[free[row]] * signs[free[row]]
        });
        let solution = solve_positive(&matrix, &right);
        let mut minimum = vec![0.0; self.design.width];
        for (row, &at) in free.iter().enumerate() {
            minimum[at] = solution[(row, 0)];
        }
        minimum
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

/// Solves a positive semidefinite system by Cholesky's decomposition (faer) of the system with ones on its diagonal. Where
/// columns are so alike that rounding leaves no positive pivot, the least ridge that gives one is added.
fn solve_positive(matrix: &Mat<f64>, right: &Mat<f64>) -> Mat<f64> {
    let size = matrix.nrows();
    let scale = |at: usize| 1.0 / matrix[(at, at)].max(f64::MIN_POSITIVE).sqrt();
    let scales: Vec<f64> = (0..size).map(scale).collect();
    let right = Mat::from_fn(size, 1, |row, _| right[(row, 0)] * scales[row]);
    let with_ridge = |ridge: f64| {
        let scaled = Mat::from_fn(size, size, |row, column| {
            let own = if row == column { ridge } else { 0.0 };
            matrix[(row, column)] * scales[row] * scales[column] + own
        });
        scaled.llt(Side::Lower).ok()
    };
    let solution = RIDGES.into_iter().find_map(with_ridge).map(|factor| factor.solve(&right));
    let solution = solution.unwrap_or_else(|| Mat::full(size, 1, f64::NAN));
    Mat::from_fn(size, 1, |row, _| solution[(row, 0)] * scales[row])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Posterior<'_> {
        /// Minus the logarithm of the density, up to a constant.
        fn loss(&self, mode: &Mode) -> f64 {
            let penalties: f64 = mode
                .coefficients
                .iter()
                .zip(&self.design.priors)
                .map(|(value, prior)| prior.precision() * value * value / 2.0 + prior.rate() * value.abs())
                .sum();
            let count = self.values.len() as f64;
            penalties
                + 2.0 * mode.variance
                + count * mode.variance.ln() / 2.0
                + self.squared_errors(&mode.coefficients) / (2.0 * mode.variance)
        }

        /// How far the mode is from having no slope, in terms of the largest moment.
        fn slope_left(&self, mode: &Mode) -> f64 {
            let largest = self.moments.iter().fold(0.0_f64, |largest, moment| largest.max(moment.abs()));
            let slopes = self.slopes(mode.variance, &mode.coefficients);
            let left = (0..self.design.width).map(|at| {
                let (slope, rate) = (slopes[at], mode.variance * self.design.priors[at].rate());
                match mode.coefficients[at] {
                    0.0 => (slope.abs() - rate).max(0.0),
                    value => (slope + rate * value.signum()).abs(),
                }
            });
            left.fold(0.0, f64::max) / largest
        }
    }

    /// A trend with hinges and a season, as Prophet lays them out, and values of a random walk and noise.
    fn hinged(steps: usize, hinges: usize, scale: f64, noise: &[f64]) -> (Design, Vec<f64>) {
        let time = |step: usize| step as f64 / (steps - 1) as f64;
        let rows = (0..steps).flat_map(|step| {
            let own =
                (1..=hinges).map(move |hinge| (time(step) - 0.8 * hinge as f64 / hinges as f64).max(0.0));
            let angle = time(step) * 40.0;
            [time(step), 1.0].into_iter().chain(own).chain([angle.sin(), angle.cos()]).collect::<Vec<_>>()
        });
        let rows = rows.collect();
        let values: Vec<f64> = (0..steps)
            .scan(0.0, |level, step| {
                *level += noise[step % noise.len()];
                Some(*level + noise[(7 * step + 3) % noise.len()])
            })
            .collect();
        let largest = values.iter().fold(1e-9_f64, |largest, value| largest.max(value.abs()));
        let values = values.iter().map(|value| value / largest).collect();
        let mut priors = vec![Prior::Normal(5.0); 2];
        priors.extend(vec![Prior::Laplace(scale); hinges]);
        priors.extend(vec![Prior::Normal(10.0); 2]);
        (Design::new(rows, priors), values)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn the_mode_has_no_slope_and_nothing_near_it_is_likelier(
            steps in 40_usize..400, hinges in 1_usize..26, scale in 0.001_f64..1.0,
            noise in prop::collection::vec(-1.0_f64..1.0, 5..40),
            shifts in prop::collection::vec(-1.0_f64..1.0, 32), size in -8_i32..0,
        ) {
            let (design, values) = hinged(steps, hinges, scale, &noise);
            let posterior = Posterior::new(&design, &values);
            let mode = posterior.mode();
            prop_assert!(posterior.slope_left(&mode) < 1e-9, "{}", posterior.slope_left(&mode));
            let best = posterior.best_variance(&mode.coefficients);
            prop_assert!((mode.variance / best - 1.0).abs() < 1e-9, "{} and {best}", mode.variance);
            let found = posterior.loss(&mode);
            let size = 10_f64.powi(size);
            let mut other = mode.clone();
            for (coefficient, shift) in other.coefficients.iter_mut().zip(&shifts) {
                *coefficient += size * shift;
            }
            other.variance *= (size * shifts[31]).exp();
            prop_assert!(posterior.loss(&other) >= found - 1e-9 * found.abs(), "{} below {found}", posterior.loss(&other));
        }
    }

    #[test]
    fn a_stiff_prior_leaves_a_straight_line_and_a_loose_one_finds_the_bend() {
        // A slope of 1 that becomes -1 at the middle, and a wave.
        let steps = 500;
        let line = |step: usize| {
            let time = step as f64 / (steps - 1) as f64;
            time.min(1.0 - time)
                + 0.1 * (time * 40.0).sin()
                + 0.01 * ((step * 7919 % 101) as f64 / 101.0 - 0.5)
        };
        let with = |scale: f64| {
            let (design, _) = hinged(steps, 16, scale, &[0.0]);
            let values: Vec<f64> = (0..steps).map(line).collect();
            Posterior::new(&design, &values).mode()
        };
        let stiff = with(1e-6);
        assert!(stiff.coefficients[2..18].iter().all(|change| *change == 0.0), "{stiff:?}");
        let loose = with(0.05);
        assert!((loose.coefficients[0] - 1.0).abs() < 0.05, "{loose:?}");
        // The hinges lie 0.05 apart, the tenth at 0.5.
        assert!((loose.coefficients[11] + 2.0).abs() < 0.05, "{loose:?}");
        assert!((loose.coefficients[18] - 0.1).abs() < 0.002, "{loose:?}");
        assert!((loose.variance.sqrt() - 0.01 / 12.0_f64.sqrt()).abs() < 1e-3, "{loose:?}");
        assert!(loose.coefficients[2..18].iter().filter(|change| **change == 0.0).count() >= 4, "{loose:?}");
    }

    #[test]
    fn a_singular_system_has_a_finite_solution() {
        let found = solve_positive(&Mat::full(2, 2, 4.0), &Mat::full(2, 1, 8.0));
        assert!((found[(0, 0)] + found[(1, 0)] - 2.0).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn values_without_noise_are_fitted_and_nothing_is_infinite() {
        let (design, _) = hinged(50, 5, 0.05, &[0.0]);
        let mode = Posterior::new(&design, &[1.0; 50]).mode();
        assert!((mode.coefficients[1] - 1.0).abs() < 1e-6 && mode.variance >= LEAST_VARIANCE, "{mode:?}");
    }
}
