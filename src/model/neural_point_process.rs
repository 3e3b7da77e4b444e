//! Arrivals whose next gap follows from the past through a recurrent network: a mixture of log-normal distributions
//! (Shchur, Biloš & Günnemann, "Intensity-Free Learning of Temporal Point Processes", ICLR 2020), by maximum likelihood.
//!
//! Gated recurrent units read the lookback. For each step ahead the head gives weights, locations and widths of the
//! mixture. What is made likely is not the density at a gap but the probability of all gaps that the clock would show as it:
//! timestamps are whole seconds in many traces, and a density at such points has no upper bound. Tokens get quantile heads,
//! as under `loss = "pinball"`. Forecasts are medians, and intervals start from the quantiles.

use std::f64::consts::TAU;

use super::cell_kind::CellKind;
use super::gap_distribution::{GapDistribution, resolution_s};
use super::network::Trained;
use super::recurrent::Recurrent;
use super::{BuildContext, FitData, FitError, Forecaster, OnEpoch, ParameterValues, Parameters, Shape};
use crate::dataset::Windows;
use crate::spec::{MOST_COMPONENTS, NeuralPointProcessSpec, RecurrentSpec, TrainingSpec};
use crate::stats::closed_form::{LognormalComponent, normal_cdf, normal_density, normal_quantile};
use crate::stats::{MEDIAN, QUANTILES, Stream};
use crate::train::{Criterion, pinball, target_weights};

/// Where the distribution function differs by less than this part between two points, the difference has lost its digits.
const CANCELLED: f64 = 1e-7;
/// Deviations beyond which the normal tail is computed by its expansion.
const FAR: f64 = 30.0;

/// The process and the quantiles of the tokens.
pub struct NeuralPointProcess {
    network: Trained<Recurrent>,
    shape: Shape,
    training: TrainingSpec,
    components: usize,
    scale: GapScale,
}

/// The way from the scale of the networks to seconds, and from seconds to the scale of the mixture.
#[derive(Debug, Clone, Copy, PartialEq)]
struct GapScale {
    /// Mean and deviation of `ln(1 + gap)`, as the channel is scaled.
    channel: [f64; 2],
    /// Mean and deviation of `ln(gap)` over the training gaps.
    logarithm: [f64; 2],
    /// The clock's tick in seconds.
    resolution_s: f64,
}

impl GapScale {
    fn gap_s(&self, scaled: f64) -> f64 {
        let [mean, deviation] = self.channel;
        libm::expm1(scaled * deviation + mean).max(0.0)
    }

    fn scaled(&self, gap_s: f64) -> f32 {
        let [mean, deviation] = self.channel;
        ((libm::log1p(gap_s) - mean) / deviation) as f32
    }

    /// The standardised logarithm of a gap; minus infinity for none.
    fn standard(&self, gap_s: f64) -> f64 {
        let [mean, deviation] = self.logarithm;
        if gap_s > 0.0 { (gap_s.ln() - mean) / deviation } else { f64::NEG_INFINITY }
    }

    /// The gaps that the clock shows as this one, as standardised logarithms: from and to.
    fn shown_as(&self, gap_s: f64) -> [f64; 2] {
        let half = 0.5 * self.resolution_s;
        [gap_s - half, gap_s + half].map(|gap_s| self.standard(gap_s))
    }
}

/// One component of a mixture, on standardised logarithms, as the network gives it.
#[derive(Debug, Clone, Copy)]
struct Component {
    log_weight: f64,
    location: f64,
    width: f64,
    /// Derivative of the logarithm of the width by what the network gives.
    width_slope: f64,
}

/// The mixture that these heads stand for: logits, locations, widths.
fn mixture(heads: &[f32], components: usize) -> impl Iterator<Item = Component> + '_ {
    let at = move |kind: usize, index: usize| f64::from(heads[kind * components + index]);
    let largest = (0..components).fold(f64::NEG_INFINITY, |most, index| most.max(at(0, index)));
    let total: f64 = (0..components).map(|index| (at(0, index) - largest).exp()).sum();
    (0..components).map(move |index| {
        // They start side by side, so that each has a part of the gaps to specialise in.
        let start = normal_quantile((index as f64 + 0.5) / components as f64);
        // Widths stay between a twentieth and three deviations of all gaps.
        let bent = (0.5 * at(2, index)).tanh();
        Component {
            log_weight: at(0, index) - largest - total.ln(),
            location: start + at(1, index),
            width: (2.0 * bent - 1.0).exp(),
            width_slope: 1.0 - bent * bent,
        }
    })
}

impl Component {
    /// Logarithm of the probability between two points, and its derivatives by location and by the logarithm of the width.
    fn log_probability(&self, points: [f64; 2]) -> [f64; 3] {
        let [low, high] = points.map(|point| (point - self.location) / self.width);
        // By the smaller tail, which has the digits: the distances of the two points on its side.
        let ([near, far], side) = if low > -high { ([low, high], 1.0) } else { ([-high, -low], -1.0) };
        let extent = far - near;
        let log_density = |at: f64| -0.5 * at * at - 0.5 * TAU.ln();
        // In units of the density at the nearer end, where probabilities are too small for numbers.
        let (log_unit, tails, densities) = if near > FAR {
            let ratio = (-extent * (near + 0.5 * extent)).exp();
            (log_density(near), [far_mills_ratio(near), ratio * far_mills_ratio(far)], [1.0, ratio])
        } else {
            (0.0, [near, far].map(|at| normal_cdf(-at)), [near, far].map(normal_density))
        };
        let probability = tails[0] - tails[1];
        if probability < CANCELLED * tails[0] {
            // So narrow that the density is the same all over.
            let at = 0.5 * (near + far);
            let logarithm = log_density(at) + extent.max(f64::MIN_POSITIVE).ln();
            return [logarithm, side * at / self.width, at * at - 1.0];
        }
        let far_moment = if densities[1] > 0.0 { far * densities[1] } else { 0.0 };
        let by_location = side * (densities[0] - densities[1]) / (probability * self.width);
        let by_log_width = (near * densities[0] - far_moment) / probability;
        [log_unit + probability.ln(), by_location, by_log_width]
    }
}

/// The normal tail beyond `z` deviations in units of the density there, for `z` above [`FAR`]: the asymptotic expansion
/// (Abramowitz & Stegun 26.2.12), to eleven digits.
fn far_mills_ratio(z: f64) -> f64 {
    let square = (z * z).recip();
    let series = 1.0 - square * (1.0 - 3.0 * square * (1.0 - 5.0 * square * (1.0 - 7.0 * square)));
    series / z
}

/// The loss: minus the logarithm of the likelihood of the gap, the pinball loss of everything else.
struct Likelihood {
    scale: GapScale,
    components: usize,
    heads: usize,
    weights: Vec<f64>,
}

impl Likelihood {
    /// Loss of one gap; the gradient by its heads is added `by` times.
    fn gap(&self, heads: &[f32], target: f32, gradient: Option<(&mut [f32], f64)>) -> f64 {
        let shown = self.scale.shown_as(self.scale.gap_s(f64::from(target)));
        let terms: Vec<(Component, [f64; 3])> = mixture(heads, self.components)
            .map(|component| (component, component.log_probability(shown)))
            .collect();
        let joint = |(component, [log_probability, ..]): &(Component, [f64; 3])| {
            component.log_weight + log_probability
        };
        let largest = terms.iter().map(joint).fold(f64::NEG_INFINITY, f64::max);
        let total = largest + terms.iter().map(|term| (joint(term) - largest).exp()).sum::<f64>().ln();
        if let Some((gradient, by)) = gradient {
            for (index, term) in terms.iter().enumerate() {
                let (component, [_, by_location, by_width]) = term;
                let share = (joint(term) - total).exp();
                let slopes = [
                    component.log_weight.exp() - share,
                    -share * by_location,
                    -share * by_width * component.width_slope,
                ];
                for (kind, slope) in slopes.into_iter().enumerate() {
                    gradient[kind * self.components + index] = (by * slope) as f32;
                }
            }
        }
        -total
    }
}

impl Criterion for Likelihood {
    fn value(&self, forecast: &[f32], target: &[f32]) -> f64 {
        self.value_and_gradient(forecast, target, &mut vec![0.0; forecast.len()])
    }

    fn value_and_gradient(&self, forecast: &[f32], target: &[f32], gradient: &mut [f32]) -> f64 {
        let count = target.len().max(1) as f64;
        let cells = forecast.chunks_exact(self.heads).zip(gradient.chunks_exact_mut(self.heads)).zip(target);
        let mut total = 0.0;
        for (cell, ((heads, gradient), &target)) in cells.enumerate() {
            let weight = self.weights[cell % self.weights.len()];
            gradient.fill(0.0);
            if cell % self.weights.len() == 0 {
                total += weight * self.gap(heads, target, Some((gradient, weight / count)));
                continue;
            }
            let share = weight / QUANTILES.len() as f64;
            for (head, level) in QUANTILES.into_iter().enumerate() {
                let (value, slope) = pinball(f64::from(target - heads[head]), level);
                total += share * value;
                gradient[head] = (share * slope / count) as f32;
            }
        }
        total / count
    }
}

impl NeuralPointProcess {
    /// A freshly initialised process; it knows nothing of the scale of gaps until it is fitted or loaded.
    pub fn new(spec: &NeuralPointProcessSpec, context: &BuildContext<'_>) -> Self {
        let heads = (3 * spec.components).max(QUANTILES.len());
        let shape = Shape { heads, ..context.shape };
        let recurrent = RecurrentSpec { hidden: spec.hidden, layers: spec.layers, dropout: spec.dropout };
        let mut stream = Stream::weights(context.seed);
        let network = Recurrent::new(CellKind::Gru, shape, &recurrent, &mut stream, context.device);
        Self {
            network: Trained::new(network, &BuildContext { shape, members: Vec::new(), ..*context }),
            shape,
            training: context.training.clone(),
            components: spec.components,
            scale: GapScale { channel: [0.0, 1.0], logarithm: [0.0, 1.0], resolution_s: 1.0 },
        }
    }

    fn distribution(&self, heads: &[f32]) -> GapDistribution {
        let [mean, deviation] = self.scale.logarithm;
        let unused = LognormalComponent { weight: 0.0, mean_log: 0.0, deviation_log: 1.0 };
        let mut components = [unused; MOST_COMPONENTS];
        for (place, component) in components.iter_mut().zip(mixture(heads, self.components)) {
            *place = LognormalComponent {
                weight: component.log_weight.exp(),
                mean_log: mean + deviation * component.location,
                deviation_log: deviation * component.width,
            };
        }
        GapDistribution::Mixture(components)
    }
}

impl Forecaster for NeuralPointProcess {
    fn fit(&mut self, data: &FitData<'_>, on_epoch: OnEpoch<'_>) -> Result<(), FitError> {
        let channel = &data.scaler.channels[0];
        self.scale.channel = [channel.mean, channel.std].map(|value| f64::from(value as f32));
        let gaps_s = data.training_values(0).into_iter().map(|gap| self.scale.gap_s(f64::from(gap)));
        let gaps_s: Vec<f64> = gaps_s.collect();
        self.scale.resolution_s = f64::from(resolution_s(gaps_s.iter().copied()) as f32);
        let least = 0.5 * self.scale.resolution_s;
        let logarithms: Vec<f64> = gaps_s.iter().map(|gap| gap.max(least).ln()).collect();
        let count = logarithms.len().max(1) as f64;
        let mean = logarithms.iter().sum::<f64>() / count;
        let variance = logarithms.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        // Gaps that are all the same would leave no width at all.
        self.scale.logarithm = [mean, variance.sqrt().max(1e-3)].map(|value| f64::from(value as f32));
        let targets =
            data.scaler.channels.iter().take(self.shape.targets).map(|scale| scale.channel.name.as_str());
        let likelihood = Likelihood {
            scale: self.scale,
            components: self.components,
            heads: self.shape.heads,
            weights: target_weights(&self.training, targets),
        };
        self.network.fit_by(&likelihood, data, on_epoch)
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        let quantiles = self.quantiles(windows).unwrap_or_default();
        quantiles.chunks_exact(QUANTILES.len()).map(|quantiles| quantiles[MEDIAN]).collect()
    }

    /// Token heads that cross are put in order.
    fn quantiles(&self, windows: &Windows<'_>) -> Option<Vec<f32>> {
        let heads = self.network.heads(windows);
        let cells = heads.chunks_exact(self.shape.heads).enumerate();
        let quantiles = cells.flat_map(|(cell, heads)| {
            let mut own = QUANTILES;
            if cell.is_multiple_of(self.shape.targets) {
                let distribution = self.distribution(heads);
                return QUANTILES.map(|level| self.scale.scaled(distribution.quantile(level)));
            }
            own.iter_mut().zip(heads).for_each(|(own, head)| *own = f64::from(*head));
            own.sort_by(f64::total_cmp);
            own.map(|value| value as f32)
        });
        Some(quantiles.collect())
    }

    fn gap_distributions(&self, windows: &Windows<'_>) -> Option<Vec<GapDistribution>> {
        let heads = self.network.heads(windows);
        let of_window = self.shape.horizon * self.shape.targets * self.shape.heads;
        Some(
            heads
                .chunks_exact(of_window)
                .map(|heads| self.distribution(&heads[..self.shape.heads]))
                .collect(),
        )
    }

    fn lookback(&self) -> usize {
        self.shape.lookback
    }

    fn parameters(&self) -> Parameters {
        let GapScale { channel, logarithm, resolution_s } = self.scale;
        let gap = [channel[0], channel[1], logarithm[0], logarithm[1], resolution_s];
        let mut parameters = self.network.parameters();
        parameters.insert("gap".to_string(), ParameterValues::vector(gap.map(|value| value as f32).to_vec()));
        parameters
    }

    fn load(&mut self, parameters: &Parameters) -> anyhow::Result<()> {
        self.network.load(parameters)?;
        let gap: Vec<f64> = parameters.get("gap", &[5])?.data.iter().copied().map(f64::from).collect();
        self.scale =
            GapScale { channel: [gap[0], gap[1]], logarithm: [gap[2], gap[3]], resolution_s: gap[4] };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn likelihood(resolution_s: f64) -> Likelihood {
        Likelihood {
            scale: GapScale { channel: [0.6, 0.7], logarithm: [-0.8, 1.3], resolution_s },
            components: 3,
            heads: 9,
            weights: vec![1.5, 0.9, 0.6],
        }
    }

    #[test]
    fn what_is_minimised_is_the_log_score_of_the_distribution_that_is_forecast() {
        let likelihood = likelihood(0.5);
        let heads = [0.3, -0.2, 0.1, 0.4, 0.0, -0.5, 0.2, 1.0, -0.7_f32];
        let unused = LognormalComponent { weight: 0.0, mean_log: 0.0, deviation_log: 1.0 };
        let mut components = [unused; MOST_COMPONENTS];
        for (place, one) in components.iter_mut().zip(mixture(&heads, 3)) {
            *place = LognormalComponent {
                weight: one.log_weight.exp(),
                mean_log: -0.8 + 1.3 * one.location,
                deviation_log: 1.3 * one.width,
            };
        }
        let distribution = GapDistribution::Mixture(components);
        for gap_s in [0.0, 0.5, 2.0, 40.0] {
            let target = likelihood.scale.scaled(gap_s);
            let (own, theirs) = (likelihood.gap(&heads, target, None), distribution.log_score(gap_s, 0.5));
            assert!((own - theirs).abs() < 1e-5, "{gap_s}: {own} against {theirs}");
        }
    }

    #[test]
    fn a_gap_far_out_in_the_tail_still_has_a_slope() {
        let far =
            |location: f64, width: f64| Component { log_weight: 0.0, location, width, width_slope: 1.0 };
        for points in [[4.0, 4.01], [4.0, 9.0], [-5.0, -4.0], [f64::NEG_INFINITY, -4.0]] {
            let [value, by_location, by_width] = far(0.0, 0.1).log_probability(points);
            assert!(value < -700.0 && value.is_finite(), "{points:?}: {value}");
            let moved = |location: f64, width: f64| far(location, width).log_probability(points)[0];
            let slope = (moved(1e-4, 0.1) - moved(-1e-4, 0.1)) / 2e-4;
            assert!((slope / by_location - 1.0).abs() < 1e-3, "{points:?}: {slope} {by_location}");
            let slope = (moved(0.0, 0.1 * 1.0001) - moved(0.0, 0.1 / 1.0001)) / 2e-4;
            assert!((slope / by_width - 1.0).abs() < 1e-3, "{points:?}: {slope} {by_width}");
        }
    }

    #[test]
    fn the_expansion_of_the_tail_takes_over_without_a_step() {
        let at = |near: f64, extent: f64| {
            let component = Component { log_weight: 0.0, location: 0.0, width: 1.0, width_slope: 1.0 };
            component.log_probability([near, near + extent])
        };
        for extent in [1e-9, 1e-6, 1e-3, 0.1, 5.0, f64::INFINITY] {
            let (before, behind) = (at(30.0, extent), at(30.0 + 1e-9, extent));
            for (before, behind) in before.into_iter().zip(behind) {
                assert!((behind / before - 1.0).abs() < 1e-7, "{extent}: {before} {behind}");
            }
        }
    }

    #[test]
    fn far_tails_agree_with_the_reference() {
        // Logarithm of the probability, derivatives by location and by the logarithm of the width, by mpmath with 50 digits.
        let golden = [
            ([31.0, 31.5], [-484.853_963_788_323_26, 31.032_191_196_287_74, 961.997_924_544_349_5]),
            ([30.5, 30.501], [-472.966_905_217_466_55, 30.500_497_458_331_16, 929.280_345_288_995]),
            ([100.0, 100.001], [-5_007.876_277_342_747, 100.000_491_668_013_86, 9_999.098_333_927_801]),
            ([-1000.001, -1000.0], [-500_008.285_369_084_6, -1_000.000_418_023_256_1, 999_999.836_046_766_3]),
        ];
        let component = Component { log_weight: 0.0, location: 0.0, width: 1.0, width_slope: 1.0 };
        for (points, golden) in golden {
            for (got, want) in component.log_probability(points).into_iter().zip(golden) {
                assert!((got / want - 1.0).abs() < 5e-11, "{points:?}: {got} {want}");
            }
        }
    }

    /// Heads and targets are multiples of this, so that a step from one of them is exact.
    const GRID: f32 = 1.0 / 8192.0;

    fn on_grid(value: f32) -> f32 {
        (value / GRID).round() * GRID
    }

    /// The loss's derivative by one head, by differences of fourth order. Those of second order need smaller steps than a
    /// 32-bit head can take: some deviations out in the tail, the loss bends within a thousandth of it.
    fn slope(likelihood: &Likelihood, forecast: &[f32], target: &[f32], head: usize) -> f64 {
        let moved = |steps: f32| {
            let mut moved = forecast.to_vec();
            moved[head] += steps * GRID;
            likelihood.value(&moved, target)
        };
        (8.0 * (moved(1.0) - moved(-1.0)) - (moved(2.0) - moved(-2.0))) / (12.0 * f64::from(GRID))
    }

    /// The first head whose gradient is not the slope of the loss: the head, the slope, the gradient.
    fn first_wrong(likelihood: &Likelihood, forecast: &[f32], target: &[f32]) -> Option<(usize, f64, f64)> {
        let mut gradient = vec![0.0; forecast.len()];
        likelihood.value_and_gradient(forecast, target, &mut gradient);
        // Off the kinks of the pinball loss.
        let smooth = |&head: &usize| head < 9 || (target[head / 9] - forecast[head]).abs() > 4.0 * GRID;
        (0..forecast.len())
            .filter(smooth)
            .map(|head| (head, slope(likelihood, forecast, target, head), f64::from(gradient[head])))
            .find(|(_, slope, gradient)| (slope - gradient).abs() > 1e-5 + 5e-4 * slope.abs())
    }

    #[test]
    fn the_gradient_is_right_where_two_components_compete_for_a_gap_in_their_tails() {
        let heads = [0.0, 1.345_55, 0.0, 1.497_78, -1.469_87, -0.619_81, -1.129_18, -0.220_01, -1.130_42];
        let mut forecast = vec![0.0; 27];
        forecast[..9].copy_from_slice(&heads.map(on_grid));
        let wrong = first_wrong(&likelihood(1e-3), &forecast, &[on_grid(1.990_70), 0.5, 0.5]);
        assert_eq!(wrong, None);
    }

    proptest! {
        #[test]
        fn the_gradient_is_that_of_finite_differences(
            forecast in prop::collection::vec(-1.5_f32..1.5, 27), target in prop::collection::vec(-0.8_f32..2.5, 3),
            resolution_s in prop::sample::select(vec![1.0, 1e-3]),
        ) {
            let forecast: Vec<f32> = forecast.into_iter().map(on_grid).collect();
            let target: Vec<f32> = target.into_iter().map(on_grid).collect();
            prop_assert_eq!(first_wrong(&likelihood(resolution_s), &forecast, &target), None);
        }
    }
}
