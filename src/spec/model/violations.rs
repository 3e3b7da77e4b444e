//! Hyperparameters that are well-typed but impossible.

use super::tables::{KalmanSpec, ProphetSpec};
use super::{MOST_COMPONENTS, ModelSpec};

/// A key of a model's table, what is wrong with its value, and the remedy.
pub type Violation = (&'static str, String, &'static str);

/// Largest size of a layer, and most layers: beyond them a mistake is likelier than a model.
const MOST_HIDDEN: usize = 8_192;
const MOST_LAYERS: usize = 32;
/// The last of so many blocks reads steps that are 512 apart.
const MOST_CONVOLUTIONS: usize = 10;
/// More trees would only repeat the noise of the training windows.
const MOST_TREES: usize = 10_000;
/// A tree of so many questions has more leaves than there are windows.
const MOST_QUESTIONS: usize = 16;
/// More times at which a slope may change than that are a curve and no trend.
const MOST_CHANGEPOINTS: usize = 200;
/// Wider kernels are better made of more blocks.
const MOST_TAPS: usize = 16;

/// `value` must satisfy `holds`.
fn check(key: &'static str, holds: bool, message: String, help: &'static str) -> Option<Violation> {
    (!holds).then_some((key, message, help))
}

fn positive(key: &'static str, value: usize) -> Option<Violation> {
    check(key, value > 0, "this must be at least 1".to_string(), "give a positive whole number")
}

fn within(
    key: &'static str,
    value: usize,
    (least, most): (usize, usize),
    help: &'static str,
) -> Option<Violation> {
    check(key, (least..=most).contains(&value), format!("{value} is not between {least} and {most}"), help)
}

fn penalty(ridge: f64) -> Option<Violation> {
    let message = format!("{ridge} is no penalty");
    check("ridge", ridge >= 0.0 && ridge.is_finite(), message, "give 0 or a small positive number")
}

/// The scale of a prior, within what can be computed with.
fn prior(key: &'static str, scale: f64, help: &'static str) -> Option<Violation> {
    check(key, (1e-6..=1e6).contains(&scale), format!("{scale} is no scale of a prior"), help)
}

fn dropout(rate: f64) -> Option<Violation> {
    let message = format!("{rate} is not a share of the units");
    check("dropout", (0.0..1.0).contains(&rate), message, "give a number from 0 to below 1")
}

fn of_prophet(spec: &ProphetSpec) -> Vec<Violation> {
    [
        within("n_changepoints", spec.n_changepoints, (0, MOST_CHANGEPOINTS), "25 are usual"),
        prior("changepoint_prior_scale", spec.changepoint_prior_scale, "0.001 to 0.5 are usual"),
        prior("seasonality_prior_scale", spec.seasonality_prior_scale, "0.01 to 10 are usual"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn of_kalman(spec: &KalmanSpec) -> Vec<Violation> {
    [
        ("level_variance", spec.level_variance, spec.level_variance >= 0.0),
        ("trend_variance", spec.trend_variance, spec.trend_variance >= 0.0),
        ("observation_variance", spec.observation_variance, spec.observation_variance > 0.0),
        ("initial_variance", spec.initial_variance, spec.initial_variance > 0.0),
    ]
    .into_iter()
    .filter_map(|(key, value, holds)| {
        let help = if key == "observation_variance" || key == "initial_variance" {
            "give a positive number"
        } else {
            "give 0 or a positive number"
        };
        check(key, holds && value.is_finite(), format!("{value} is no variance"), help)
    })
    .collect()
}

impl ModelSpec {
    /// Impossible hyperparameters, in the order of the keys.
    pub fn violations(&self) -> Vec<Violation> {
        match self {
            ModelSpec::Zero(_) | ModelSpec::Mean(_) | ModelSpec::Median(_) | ModelSpec::Persistence(_) => {
                Vec::new()
            }
            ModelSpec::Linear(spec) | ModelSpec::Nlinear(spec) => Vec::from_iter(penalty(spec.ridge)),
            ModelSpec::MovingAverage(spec) => Vec::from_iter(positive("window", spec.window)),
            ModelSpec::SeasonalNaive(spec) => {
                Vec::from_iter(spec.season.steps().and_then(|steps| positive("season", steps)))
            }
            ModelSpec::Ewma(spec) => {
                let alpha = spec.alpha.unwrap_or(1.0);
                let message = format!("{alpha} is not a weight of the newest step");
                let help = "give a number above 0, up to 1, or leave it out";
                Vec::from_iter(check("alpha", alpha > 0.0 && alpha <= 1.0, message, help))
            }
            ModelSpec::Prophet(spec) => of_prophet(spec),
            ModelSpec::Kalman(spec) => of_kalman(spec),
            ModelSpec::Dlinear(spec) => {
                let message = format!("a kernel of {} has no middle", spec.kernel);
                let odd = !spec.kernel.is_multiple_of(2);
                let kernel = check("kernel", odd, message, "give an odd number, e.g. 25");
                kernel.into_iter().chain(penalty(spec.ridge)).collect()
            }
            ModelSpec::Lstm(spec) | ModelSpec::Gru(spec) => [
                within("hidden", spec.hidden, (2, MOST_HIDDEN), "the head halves the hidden units"),
                within("layers", spec.layers, (1, MOST_LAYERS), "one or two layers are usual"),
                dropout(spec.dropout),
            ]
            .into_iter()
            .flatten()
            .collect(),
            ModelSpec::TsMixer(spec) => [
                within("hidden", spec.hidden, (1, MOST_HIDDEN), "16 to 64 are usual"),
                within("blocks", spec.blocks, (1, MOST_LAYERS), "two to eight blocks are usual"),
                dropout(spec.dropout),
            ]
            .into_iter()
            .flatten()
            .collect(),
            ModelSpec::Tcn(spec) => [
                within("hidden", spec.hidden, (1, MOST_HIDDEN), "16 to 64 are usual"),
                within("kernel", spec.kernel, (2, MOST_TAPS), "3 to 7 are usual"),
                within("blocks", spec.blocks, (1, MOST_CONVOLUTIONS), "four to eight blocks are usual"),
                dropout(spec.dropout),
            ]
            .into_iter()
            .flatten()
            .collect(),
            ModelSpec::BoostedTrees(spec) => [
                within("trees", spec.trees, (1, MOST_TREES), "100 to 1000 are usual"),
                within("max_depth", spec.max_depth, (1, MOST_QUESTIONS), "3 to 6 are usual"),
                within("min_leaf_windows", spec.min_leaf_windows, (1, usize::MAX), "20 to 200 are usual"),
                within("patience", spec.patience, (1, MOST_TREES), "10 to 50 are usual"),
                check(
                    "learning_rate",
                    spec.learning_rate > 0.0 && spec.learning_rate <= 1.0,
                    format!("{} is no share of a tree", spec.learning_rate),
                    "give a number above 0 and up to 1, e.g. 0.05",
                ),
                check(
                    "l2",
                    spec.l2 >= 0.0 && spec.l2.is_finite(),
                    format!("{} is no penalty", spec.l2),
                    "give 0 or a positive number",
                ),
            ]
            .into_iter()
            .flatten()
            .collect(),
            ModelSpec::NeuralPointProcess(spec) => [
                within("hidden", spec.hidden, (2, MOST_HIDDEN), "the head halves the hidden units"),
                within("layers", spec.layers, (1, MOST_LAYERS), "one or two layers are usual"),
                within("components", spec.components, (1, MOST_COMPONENTS), "three to five are usual"),
                dropout(spec.dropout),
            ]
            .into_iter()
            .flatten()
            .collect(),
            ModelSpec::Ets(_) | ModelSpec::Renewal(_) | ModelSpec::Hawkes(_) => Vec::new(),
            ModelSpec::Ensemble(spec) => {
                let message = "an ensemble has members".to_string();
                let help = "e.g. members = [\"lstm\", \"dlinear\"]";
                Vec::from_iter(check("members", !spec.members.is_empty(), message, help))
            }
        }
    }
}
