//! The distribution of the time to the next request, in seconds, with a formula for everything that is asked of it.

use crate::spec::{GapFamily, MOST_COMPONENTS};
use crate::stats::closed_form::{
    LognormalComponent, crps_exponential, crps_gamma, crps_lognormal, crps_lognormal_mixture, crps_weibull,
    normal_cdf, normal_quantile,
};
use crate::stats::gamma::{digamma, regularized_lower_gamma};

/// The least probability that a gap is scored with, so that one gap cannot make a mean infinite.
const RAREST: f64 = 1e-16;
/// Halvings of an interval that exhaust the precision of a double.
const HALVINGS: usize = 80;
/// Halvings that find the logarithm of a quantile to ten digits.
const HALVINGS_OF_LOGARITHM: usize = 45;
/// Pieces of a numerical integral: an even number.
const PIECES: usize = 100;

/// A distribution of the gap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GapDistribution {
    /// No memory at all: requests arrive as a Poisson process.
    Exponential {
        /// Requests per second.
        rate: f64,
    },
    /// Gamma; a shape below 1 is burstier than a Poisson process.
    Gamma {
        /// Shape.
        shape: f64,
        /// Inverse of the scale, per second.
        rate: f64,
    },
    /// Weibull; a shape below 1 is burstier than a Poisson process.
    Weibull {
        /// Shape.
        shape: f64,
        /// Scale in seconds.
        scale: f64,
    },
    /// The logarithm is normal.
    Lognormal {
        /// Mean of the logarithm.
        mean_log: f64,
        /// Standard deviation of the logarithm.
        deviation_log: f64,
    },
    /// A mixture of log-normal distributions. Unused places have weight 0.
    Mixture([LognormalComponent; MOST_COMPONENTS]),
    /// The rate of arrivals falls from `base + excitement` at the last request towards `base`.
    Excited {
        /// The rate without excitement, in requests per second.
        base: f64,
        /// What past requests add to the rate at the last request, in requests per second.
        excitement: f64,
        /// How fast the excitement decays, per second.
        decay: f64,
    },
}

impl GapDistribution {
    /// The distribution of a family with these two parameters, as they stand in a saved model; an exponential one has
    /// only the first.
    pub fn new(family: GapFamily, parameters: [f64; 2]) -> Self {
        let [first, second] = parameters;
        match family {
            GapFamily::Exponential => Self::Exponential { rate: first },
            GapFamily::Gamma => Self::Gamma { shape: first, rate: second },
            GapFamily::Weibull => Self::Weibull { shape: first, scale: second },
            GapFamily::Lognormal => Self::Lognormal { mean_log: first, deviation_log: second },
        }
    }

    /// Probability of a gap of at most `gap_s`.
    pub fn cdf(&self, gap_s: f64) -> f64 {
        if gap_s <= 0.0 {
            return 0.0;
        }
        match *self {
            Self::Exponential { rate } => -(-rate * gap_s).exp_m1(),
            Self::Gamma { shape, rate } => regularized_lower_gamma(shape, rate * gap_s),
            Self::Weibull { shape, scale } => -(-(gap_s / scale).powf(shape)).exp_m1(),
            Self::Lognormal { mean_log, deviation_log } => {
                normal_cdf((gap_s.ln() - mean_log) / deviation_log)
            }
            Self::Mixture(components) => present(&components)
                .map(|one| one.weight * normal_cdf((gap_s.ln() - one.mean_log) / one.deviation_log))
                .sum(),
            Self::Excited { base, excitement, decay } => {
                -(-expected(gap_s, base, excitement, decay)).exp_m1()
            }
        }
    }

    /// The gap that is not exceeded with probability `level`, in `(0, 1)`.
    pub fn quantile(&self, level: f64) -> f64 {
        match *self {
            Self::Exponential { rate } => -(-level).ln_1p() / rate,
            Self::Weibull { shape, scale } => scale * (-(-level).ln_1p()).powf(1.0 / shape),
            Self::Lognormal { mean_log, deviation_log } => {
                (mean_log + deviation_log * normal_quantile(level)).exp()
            }
            Self::Gamma { shape, rate } => {
                // In the logarithm, since small shapes have quantiles very near to zero.
                let below = |logarithm: f64| self.cdf(logarithm.exp()) < level;
                let middle = (shape / rate).ln();
                bisect(middle - 700.0, middle + 20.0, below).exp()
            }
            Self::Mixture(components) => {
                // It lies between the least and the greatest of the components' own.
                let deviations = normal_quantile(level);
                let own = present(&components).map(|one| one.mean_log + one.deviation_log * deviations);
                let (from, to) =
                    own.fold((f64::INFINITY, f64::NEG_INFINITY), |(from, to), at| (from.min(at), to.max(at)));
                let below = |logarithm: f64| self.cdf(logarithm.exp()) < level;
                halve(from, to, HALVINGS_OF_LOGARITHM, below).exp()
            }
            Self::Excited { base, excitement, decay } => {
                // So many requests are expected until then; without excitement it would take longest.
                let count = -(-level).ln_1p();
                bisect(0.0, count / base, |gap_s| expected(gap_s, base, excitement, decay) < count)
            }
        }
    }

    /// `-ln` of the probability of all gaps that a clock of this resolution rounds to `gap_s`. Unlike a density, it is
    /// defined for a gap of zero, and it can be compared between traces of different clocks.
    pub fn log_score(&self, gap_s: f64, resolution_s: f64) -> f64 {
        let half = 0.5 * resolution_s;
        -(self.cdf(gap_s + half) - self.cdf(gap_s - half)).max(RAREST).ln()
    }

    /// The continuous ranked probability score of a gap, in seconds: by its formula, where there is one.
    pub fn crps(&self, gap_s: f64) -> f64 {
        match *self {
            Self::Exponential { rate } => crps_exponential(gap_s, rate),
            Self::Gamma { shape, rate } => crps_gamma(gap_s, shape, rate),
            Self::Weibull { shape, scale } => crps_weibull(gap_s, shape, scale),
            Self::Lognormal { mean_log, deviation_log } => crps_lognormal(gap_s, mean_log, deviation_log),
            Self::Mixture(components) => {
                let components: Vec<LognormalComponent> = present(&components).collect();
                crps_lognormal_mixture(gap_s, &components)
            }
            Self::Excited { .. } => {
                // There is no formula: the definition is integrated, below the gap and above it.
                let below = integral(0.0, gap_s, |at| self.cdf(at).powi(2));
                let above =
                    integral(gap_s, self.quantile(1.0 - 1e-9).max(gap_s), |at| (1.0 - self.cdf(at)).powi(2));
                below + above
            }
        }
    }
}

/// How many requests are expected within `gap_s` of the last one.
fn expected(gap_s: f64, base: f64, excitement: f64, decay: f64) -> f64 {
    base * gap_s - excitement / decay * (-decay * gap_s).exp_m1()
}

/// Simpson's rule.
fn integral(from: f64, to: f64, value: impl Fn(f64) -> f64) -> f64 {
    // With x = from + width u^3 most points lie near `from`, where a decaying rate changes most.
    let width = to - from;
    let at = |step: usize| {
        let share = step as f64 / PIECES as f64;
        value(from + width * share.powi(3)) * 3.0 * share * share
    };
    let inner: f64 = (1..PIECES).map(|step| at(step) * if step % 2 == 1 { 4.0 } else { 2.0 }).sum();
    width * (at(0) + inner + at(PIECES)) / (3.0 * PIECES as f64)
}

/// The parameters under which these positive gaps are most likely.
pub fn most_likely(family: GapFamily, gaps_s: &[f64]) -> [f64; 2] {
    let count = gaps_s.len().max(1) as f64;
    let mean = gaps_s.iter().sum::<f64>() / count;
    let logarithms: Vec<f64> = gaps_s.iter().map(|gap| gap.ln()).collect();
    let mean_log = logarithms.iter().sum::<f64>() / count;
    match family {
        GapFamily::Exponential => [1.0 / mean, 0.0],
        GapFamily::Gamma => {
            // ln k - digamma(k) falls from infinity to zero; by how much the mean exceeds the geometric mean.
            let excess = mean.ln() - mean_log;
            let above = |logarithm: f64| logarithm - digamma(logarithm.exp()) > excess;
            let shape = bisect(-12.0, 12.0, above).exp();
            [shape, shape / mean]
        }
        GapFamily::Weibull => {
            let largest = logarithms.iter().fold(f64::NEG_INFINITY, |most, value| most.max(*value));
            // Powers are taken relative to the largest gap: none overflows.
            let powers = |shape: f64| {
                logarithms.iter().fold((0.0, 0.0), |(sum, weighted), value| {
                    let power = (shape * (value - largest)).exp();
                    (sum + power, weighted + power * value)
                })
            };
            let below = |logarithm: f64| {
                let shape = logarithm.exp();
                let (sum, weighted) = powers(shape);
                weighted / sum - 1.0 / shape - mean_log < 0.0
            };
            let shape = bisect(-7.0, 7.0, below).exp();
            let scale = ((powers(shape).0 / count).ln() / shape + largest).exp();
            [shape, scale]
        }
        GapFamily::Lognormal => {
            let variance = logarithms.iter().map(|value| (value - mean_log).powi(2)).sum::<f64>() / count;
            // Gaps that are all the same would leave no width at all.
            [mean_log, variance.sqrt().max(1e-6)]
        }
    }
}

/// The places of a mixture that are used.
fn present(components: &[LognormalComponent]) -> impl Iterator<Item = LognormalComponent> + '_ {
    components.iter().copied().filter(|component| component.weight > 0.0)
}

/// Where `before` turns from true to false.
fn bisect(from: f64, to: f64, before: impl Fn(f64) -> bool) -> f64 {
    halve(from, to, HALVINGS, before)
}

fn halve(mut from: f64, mut to: f64, times: usize, before: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..times {
        let middle = 0.5 * (from + to);
        if before(middle) { from = middle } else { to = middle }
    }
    0.5 * (from + to)
}

/// The resolution of the clock that measured these gaps: a second if all are whole seconds, as in BurstGPT, else a
/// millisecond.
pub fn resolution_s(gaps_s: impl IntoIterator<Item = f64>) -> f64 {
    let whole = gaps_s.into_iter().all(|gap| (gap - gap.round()).abs() < 1e-4);
    if whole { 1.0 } else { 1e-3 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::Stream;

    const FAMILIES: [GapFamily; 4] =
        [GapFamily::Exponential, GapFamily::Gamma, GapFamily::Weibull, GapFamily::Lognormal];

    fn truth(family: GapFamily) -> GapDistribution {
        GapDistribution::new(family, [0.6, 1.7])
    }

    #[test]
    fn maximum_likelihood_finds_the_distribution_that_gaps_were_drawn_from() {
        for family in FAMILIES {
            let mut stream = Stream::weights(7);
            let gaps: Vec<f64> =
                (0..40_000).map(|_| truth(family).quantile(stream.unit().max(1e-9))).collect();
            let [first, second] = most_likely(family, &gaps);
            assert!((first - 0.6).abs() < 0.02, "{family:?}: {first}");
            assert!(family == GapFamily::Exponential || (second - 1.7).abs() < 0.05, "{family:?}: {second}");
        }
    }

    #[test]
    fn no_other_parameters_are_more_likely() {
        let gaps: Vec<f64> = (1..300_u16).map(|step| (f64::from(step) * 0.37).sin().abs() + 0.01).collect();
        for family in FAMILIES {
            let best = most_likely(family, &gaps);
            let score = |parameters: [f64; 2]| -> f64 {
                let distribution = GapDistribution::new(family, parameters);
                gaps.iter().map(|&gap| distribution.log_score(gap, 1e-4)).sum()
            };
            for (first, second) in [(1.02, 1.0), (0.98, 1.0), (1.0, 1.02), (1.0, 0.98)] {
                let other = score([best[0] * first, best[1] * second]);
                assert!(score(best) <= other + 1e-6, "{family:?}: {} against {other}", score(best));
            }
        }
    }

    #[test]
    fn the_probabilities_of_all_rounded_gaps_sum_to_one() {
        for family in FAMILIES {
            let distribution = truth(family);
            let total: f64 = (0..200_000_u32)
                .map(|step| (-distribution.log_score(f64::from(step) * 0.5, 0.5)).exp())
                .sum();
            assert!((total - 1.0).abs() < 1e-3, "{family:?}: {total}");
        }
    }

    #[test]
    fn whole_seconds_are_a_clock_of_seconds() {
        assert_eq!(resolution_s([0.0, 3.0, 17.0]), 1.0);
        assert_eq!(resolution_s([0.0, 3.5]), 1e-3);
    }

    #[test]
    fn a_rate_that_nothing_excites_is_an_exponential_law() {
        let excited = GapDistribution::Excited { base: 0.6, excitement: 0.0, decay: 2.0 };
        let exponential = truth(GapFamily::Exponential);
        for value in [0.01, 0.3, 0.9] {
            assert!((excited.quantile(value) - exponential.quantile(value)).abs() < 1e-9);
            assert!((excited.crps(value) - exponential.crps(value)).abs() < 1e-6);
        }
    }

    #[test]
    fn the_quantile_of_an_excited_rate_undoes_its_distribution_function() {
        let excited = GapDistribution::Excited { base: 0.6, excitement: 5.0, decay: 3.0 };
        for level in [0.01, 0.3, 0.99] {
            assert!((excited.cdf(excited.quantile(level)) - level).abs() < 1e-9);
        }
        assert!(excited.quantile(0.5) < truth(GapFamily::Exponential).quantile(0.5));
    }

    const UNUSED: LognormalComponent = LognormalComponent { weight: 0.0, mean_log: 0.0, deviation_log: 1.0 };

    /// Two components.
    fn mixed() -> GapDistribution {
        let mut components = [UNUSED; MOST_COMPONENTS];
        components[0] = LognormalComponent { weight: 0.7, mean_log: -1.0, deviation_log: 0.5 };
        components[1] = LognormalComponent { weight: 0.3, mean_log: 1.5, deviation_log: 0.9 };
        GapDistribution::Mixture(components)
    }

    #[test]
    fn a_mixture_of_one_is_its_component() {
        let mut components = [UNUSED; MOST_COMPONENTS];
        components[2] = LognormalComponent { weight: 1.0, mean_log: 0.6, deviation_log: 1.7 };
        let (mixture, single) = (GapDistribution::Mixture(components), truth(GapFamily::Lognormal));
        for value in [0.01, 0.5, 0.99] {
            assert!((mixture.quantile(value) / single.quantile(value) - 1.0).abs() < 1e-9);
            assert!((mixture.crps(value) - single.crps(value)).abs() < 1e-9);
        }
    }

    #[test]
    fn the_crps_of_a_mixture_is_the_integral_that_defines_it() {
        let mixture = mixed();
        for gap_s in [0.0, 0.2, 1.0, 9.0] {
            let below = integral(0.0, gap_s, |at| mixture.cdf(at).powi(2));
            let above = integral(gap_s, 2_000.0, |at| (1.0 - mixture.cdf(at)).powi(2));
            assert!((mixture.crps(gap_s) - below - above).abs() < 2e-2, "{gap_s}");
        }
        for level in [0.01, 0.3, 0.7, 0.99] {
            assert!((mixture.cdf(mixture.quantile(level)) - level).abs() < 1e-9);
        }
    }

    proptest! {
        #[test]
        fn the_quantile_undoes_the_distribution_function(
            first in 0.2_f64..4.0, second in 0.2_f64..4.0, level in 0.01_f64..0.99,
        ) {
            for family in FAMILIES {
                let distribution = GapDistribution::new(family, [first, second]);
                prop_assert!((distribution.cdf(distribution.quantile(level)) - level).abs() < 1e-9);
            }
        }
    }
}
