//! A self-exciting process of arrivals: each request makes further ones likelier for a while (Hawkes, "Spectra of some
//! self-exciting and mutually exciting point processes", *Biometrika* 58, 1971), fitted by maximum likelihood (Ozaki,
//! "Maximum likelihood estimation of Hawkes' self-exciting point processes", *Annals of the Institute of Statistical
//! Mathematics* 31, 1979).
//!
//! Requests arrive at the rate `base + branching * decay * sum(exp(-decay * age))`, summed over all earlier requests. A
//! forecast sums over the requests of its lookback window and replaces the sum over older ones by its mean. The forecast is
//! the median of the time to the next request, and its intervals are the quantiles of that time. A forecast further ahead
//! assumes that the steps before it came as forecast. Tokens are forecast by the median of the training rows, with
//! their quantiles as intervals, since the process does not describe them.

use super::gap_distribution::GapDistribution;
use super::renewal::token_quantiles;
use super::simplex::minimum;
use super::{FitData, FitError, Forecaster, OnEpoch, ParameterValues, Parameters, Shape};
use crate::dataset::Windows;
use crate::stats::{MEDIAN, QUANTILES};

/// Steps of the search for the most likely parameters.
const SEARCH_STEPS: usize = 150;

/// A self-exciting process for the first target, the gap.
pub struct Hawkes {
    shape: Shape,
    process: Process,
    /// Mean and deviation of the logarithms of gaps, which lead from the scale of the networks to seconds.
    scale: [f32; 2],
    /// `(targets - 1) x quantiles` of the tokens, in scaled units.
    tokens: Vec<f32>,
}

/// Parameters of the process, times in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Process {
    /// The rate without excitement, in requests per second.
    base: f32,
    /// How many further requests each request excites on average. From 1 on, their number would grow without bound.
    branching: f32,
    /// How fast the excitement decays, per second.
    decay: f32,
}

impl Process {
    /// From a point of the search: the logarithm of the base, the log-odds of the branching ratio, the logarithm of the decay.
    fn of(point: [f64; 3]) -> Self {
        let [base, branching, decay] = point;
        Self {
            base: base.exp() as f32,
            branching: (1.0 / (1.0 + (-branching).exp())) as f32,
            decay: decay.exp() as f32,
        }
    }

    /// The sum of `exp(-decay * age)` at the last of these requests, itself included, given the gaps between them. Requests
    /// before the first one are taken to excite it as much as they do on average.
    fn excitement(self, gaps_s: impl IntoIterator<Item = f64>) -> f64 {
        let Self { base, branching, decay } = self;
        let [base, branching, decay] = [base, branching, decay].map(f64::from);
        let first = 1.0 + base / (1.0 - branching).max(1e-3) / decay;
        gaps_s.into_iter().fold(first, |excitement, gap_s| (-decay * gap_s).exp() * excitement + 1.0)
    }

    /// The distribution of the time from a request to the next one.
    fn next_gap(self, excitement: f64) -> GapDistribution {
        let Self { base, branching, decay } = self;
        let [base, branching, decay] = [base, branching, decay].map(f64::from);
        GapDistribution::Excited { base, excitement: branching * decay * excitement, decay }
    }

    /// Minus the log-likelihood of these gaps. It takes time linear in their number, since the excitement at a request
    /// follows from the one before.
    fn cost(self, gaps_s: &[f64]) -> f64 {
        let Self { base, branching, decay } = self;
        let [base, branching, decay] = [base, branching, decay].map(f64::from);
        let (mut excitement, mut logarithms, mut expected) = (1.0, 0.0, 0.0);
        for gap_s in gaps_s {
            let left = (-decay * gap_s).exp();
            expected += base * gap_s + branching * excitement * (1.0 - left);
            excitement *= left;
            logarithms += (base + branching * decay * excitement).ln();
            excitement += 1.0;
        }
        let cost = expected - logarithms;
        if cost.is_finite() { cost } else { f64::MAX }
    }

    /// The most likely process.
    fn most_likely(gaps_s: &[f64]) -> Self {
        let rate = gaps_s.len() as f64 / gaps_s.iter().sum::<f64>().max(1e-9);
        // Excitement may decay within one gap or last for many gaps. The likelihood can have a peak for each.
        let starts = [0.1, 1.0, 10.0].map(|times| [(rate / 2.0).ln(), 0.0, (rate * times).ln()]);
        let found =
            starts.map(|start| minimum(start, SEARCH_STEPS, 0.0, |point| Self::of(point).cost(gaps_s)));
        let best = found.into_iter().min_by(|(_, a), (_, b)| a.total_cmp(b));
        Self::of(best.map_or(starts[0], |(point, _)| point))
    }
}

impl Hawkes {
    /// A process whose parameters have no meaning until it is fitted or loaded.
    pub fn new(shape: Shape) -> Self {
        let process = Process { base: 1.0, branching: 0.0, decay: 1.0 };
        let tokens = vec![0.0; (shape.targets - 1) * QUANTILES.len()];
        Self { shape, process, scale: [0.0, 1.0], tokens }
    }

    fn gap_s(&self, scaled: f32) -> f64 {
        let [mean, deviation] = self.scale.map(f64::from);
        libm::expm1(f64::from(scaled) * deviation + mean).max(0.0)
    }

    fn scaled(&self, gap_s: f64) -> f32 {
        let [mean, deviation] = self.scale.map(f64::from);
        ((libm::log1p(gap_s) - mean) / deviation) as f32
    }

    /// The distributions of the gaps of a window's horizon.
    fn ahead(&self, windows: &Windows<'_>, index: usize) -> Vec<GapDistribution> {
        let history = windows.history(index, self.shape.lookback);
        let gaps_s = history.chunks_exact(self.shape.channels).map(|step| self.gap_s(step[0]));
        let mut excitement = self.process.excitement(gaps_s);
        let mut ahead = Vec::with_capacity(self.shape.horizon);
        for _ in 0..self.shape.horizon {
            let next = self.process.next_gap(excitement);
            excitement = (-f64::from(self.process.decay) * next.quantile(0.5)).exp() * excitement + 1.0;
            ahead.push(next);
        }
        ahead
    }
}

impl Forecaster for Hawkes {
    fn fit(&mut self, data: &FitData<'_>, _: OnEpoch<'_>) -> Result<(), FitError> {
        let scale = &data.scaler.channels[0];
        self.scale = [scale.mean as f32, scale.std as f32];
        let gaps_s: Vec<f64> = data.training_values(0).into_iter().map(|gap| self.gap_s(gap)).collect();
        self.process = Process::most_likely(&gaps_s);
        self.tokens = (1..self.shape.targets).flat_map(|target| token_quantiles(data, target)).collect();
        Ok(())
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        let medians = self.tokens.chunks_exact(QUANTILES.len()).map(|quantiles| quantiles[MEDIAN]);
        let medians: Vec<f32> = medians.collect();
        let gaps = (0..windows.len()).flat_map(|index| self.ahead(windows, index));
        gaps.flat_map(|gap| std::iter::once(self.scaled(gap.quantile(0.5))).chain(medians.iter().copied()))
            .collect()
    }

    fn quantiles(&self, windows: &Windows<'_>) -> Option<Vec<f32>> {
        let gaps = (0..windows.len()).flat_map(|index| self.ahead(windows, index));
        let rows = gaps.flat_map(|gap| {
            let own = QUANTILES.map(|level| self.scaled(gap.quantile(level)));
            own.into_iter().chain(self.tokens.iter().copied())
        });
        Some(rows.collect())
    }

    fn gap_distributions(&self, windows: &Windows<'_>) -> Option<Vec<GapDistribution>> {
        Some((0..windows.len()).map(|index| self.ahead(windows, index)[0]).collect())
    }

    fn lookback(&self) -> usize {
        self.shape.lookback
    }

    fn parameters(&self) -> Parameters {
        let Process { base, branching, decay } = self.process;
        let shape = vec![self.shape.targets - 1, QUANTILES.len()];
        Parameters::from([
            ("process".to_string(), ParameterValues::vector(vec![base, branching, decay])),
            ("scale".to_string(), ParameterValues::vector(self.scale.to_vec())),
            ("tokens".to_string(), ParameterValues { shape, data: self.tokens.clone() }),
        ])
    }

    fn load(&mut self, parameters: &Parameters) -> anyhow::Result<()> {
        let process = &parameters.get("process", &[3])?.data;
        self.process = Process { base: process[0], branching: process[1], decay: process[2] };
        let scale = &parameters.get("scale", &[2])?.data;
        self.scale = [scale[0], scale[1]];
        self.tokens.clone_from(&parameters.get("tokens", &[self.shape.targets - 1, QUANTILES.len()])?.data);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Stream;

    /// Gaps of a process, each drawn from its distribution given the gaps before.
    fn drawn(process: Process, count: usize) -> Vec<f64> {
        let mut stream = Stream::weights(11);
        let mut excitement = 1.0;
        let draw = |_| {
            let gap_s = process.next_gap(excitement).quantile(stream.unit().max(1e-12));
            excitement = (-f64::from(process.decay) * gap_s).exp() * excitement + 1.0;
            gap_s
        };
        (0..count).map(draw).collect()
    }

    #[test]
    fn maximum_likelihood_finds_the_process_that_gaps_were_drawn_from() {
        let truth = Process { base: 0.5, branching: 0.6, decay: 2.0 };
        let gaps_s = drawn(truth, 20_000);
        let rate = gaps_s.len() as f64 / gaps_s.iter().sum::<f64>();
        assert!(
            (rate / (0.5 / 0.4) - 1.0).abs() < 0.1,
            "base / (1 - branching) requests a second, not {rate}"
        );
        let found = Process::most_likely(&gaps_s);
        for (found, truth) in
            [(found.base, truth.base), (found.branching, truth.branching), (found.decay, truth.decay)]
        {
            assert!((found / truth - 1.0).abs() < 0.1, "{found} for {truth}");
        }
    }

    #[test]
    fn the_likelihood_is_the_product_of_the_densities_of_the_gaps() {
        let process = Process { base: 0.3, branching: 0.7, decay: 1.5 };
        let gaps_s = [0.2, 1.7, 0.0, 0.4];
        let mut excitement = 1.0;
        let mut product = 0.0;
        for gap_s in gaps_s {
            let next = process.next_gap(excitement);
            let nudge = 1e-6;
            // The distribution function has no part below zero, so its slope at a gap of zero is taken from above.
            product -= ((next.cdf(gap_s + nudge) - next.cdf((gap_s - nudge).max(0.0)))
                / (gap_s + nudge - (gap_s - nudge).max(0.0)))
            .ln();
            excitement = 1.0 + excitement * (-1.5 * gap_s).exp();
        }
        assert!((product - process.cost(&gaps_s)).abs() < 1e-5, "{product} {}", process.cost(&gaps_s));
    }
}
