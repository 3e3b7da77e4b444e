//! Hyperparameters that are well-typed but impossible.

use std::ops::RangeInclusive;

use super::tables::{BoostedTreesSpec, KalmanSpec, ProphetSpec};
use super::{MOST_COMPONENTS, ModelSpec, Season};
use crate::spec::problem::Violation;

/// Largest size of a layer, and most layers: beyond them a mistake is likelier than a model.
const MOST_HIDDEN: usize = 8_192;
const MOST_LAYERS: usize = 32;
/// The convolutions of the tenth block read steps that are 512 apart.
const MOST_CONVOLUTIONS: usize = 10;
/// More trees would only repeat the noise of the training windows.
const MOST_TREES: usize = 10_000;
/// A deeper tree has more leaves than there are windows.
const MOST_DEPTH: usize = 16;
/// A trend with more changepoints follows the noise.
const MOST_CHANGEPOINTS: usize = 200;
/// More blocks reach further than wider kernels.
const MOST_TAPS: usize = 16;

/// A violation of `key` unless `holds`.
fn check(key: &str, holds: bool, message: String, help: &str) -> Option<Violation> {
    (!holds).then(|| Violation::new(key, message, help))
}

fn positive(key: &str, value: usize) -> Option<Violation> {
    check(key, value > 0, format!("{key} must be at least 1, got {value}"), "give a positive integer")
}

fn within(key: &str, value: usize, allowed: RangeInclusive<usize>, help: &str) -> Option<Violation> {
    let message = format!("{key} must be between {} and {}, got {value}", allowed.start(), allowed.end());
    check(key, allowed.contains(&value), message, help)
}

fn penalty(key: &str, value: f64) -> Option<Violation> {
    let message = format!("{key} must be finite and not negative, got {value}");
    check(key, value >= 0.0 && value.is_finite(), message, "give 0 or a small positive number")
}

/// The scale of a prior, within what can be computed with.
fn prior(key: &str, scale: f64, help: &str) -> Option<Violation> {
    let message = format!("{key} must be between 1e-6 and 1e6, got {scale}");
    check(key, (1e-6..=1e6).contains(&scale), message, help)
}

fn dropout(rate: f64) -> Option<Violation> {
    let message = format!("dropout must be at least 0 and below 1, got {rate}");
    check(
        "dropout",
        (0.0..1.0).contains(&rate),
        message,
        "give the share of the units that is dropped, e.g. 0.1",
    )
}

fn of_prophet(spec: &ProphetSpec) -> Vec<Violation> {
    [
        within("n_changepoints", spec.n_changepoints, 0..=MOST_CHANGEPOINTS, "25 are usual"),
        prior("changepoint_prior_scale", spec.changepoint_prior_scale, "0.001 to 0.5 are usual"),
        prior("seasonality_prior_scale", spec.seasonality_prior_scale, "0.01 to 10 are usual"),
        spec.refit_every.and_then(|every| positive("refit_every", every)),
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
        let (bound, help) = if key == "observation_variance" || key == "initial_variance" {
            ("positive", "give a positive number")
        } else {
            ("not negative", "give 0 or a positive number")
        };
        check(key, holds && value.is_finite(), format!("{key} must be finite and {bound}, got {value}"), help)
    })
    .collect()
}

fn of_boosted_trees(spec: &BoostedTreesSpec) -> Vec<Violation> {
    [
        within("trees", spec.trees, 1..=MOST_TREES, "100 to 1000 are usual"),
        within("max_depth", spec.max_depth, 1..=MOST_DEPTH, "3 to 6 are usual"),
        positive("min_leaf_windows", spec.min_leaf_windows),
        within("patience", spec.patience, 1..=MOST_TREES, "10 to 50 are usual"),
        check(
            "learning_rate",
            spec.learning_rate > 0.0 && spec.learning_rate <= 1.0,
            format!("learning_rate must be above 0 and at most 1, got {}", spec.learning_rate),
            "give the share of each tree's values that is added, e.g. 0.05",
        ),
        penalty("l2", spec.l2),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl ModelSpec {
    /// Impossible hyperparameters, in the order of the keys.
    pub fn violations(&self) -> Vec<Violation> {
        match self {
            ModelSpec::Zero(_) | ModelSpec::Mean(_) | ModelSpec::Median(_) | ModelSpec::Persistence(_) => {
                Vec::new()
            }
            ModelSpec::Linear(spec) | ModelSpec::Nlinear(spec) => {
                Vec::from_iter(penalty("ridge", spec.ridge))
            }
            ModelSpec::MovingAverage(spec) => Vec::from_iter(positive("window", spec.window)),
            ModelSpec::SeasonalNaive(spec) => {
                Vec::from_iter(spec.season.steps().and_then(|steps| positive("season", steps)))
            }
            ModelSpec::Ewma(spec) => {
                let alpha = spec.alpha.unwrap_or(1.0);
                let message = format!("alpha must be above 0 and at most 1, got {alpha}");
                let help = "give the weight of the newest step, or leave it out to have it chosen";
                Vec::from_iter(check("alpha", alpha > 0.0 && alpha <= 1.0, message, help))
            }
            ModelSpec::Ets(spec) => Vec::from_iter(
                spec.season.and_then(Season::steps).and_then(|steps| positive("season", steps)),
            ),
            ModelSpec::Arima(spec) => spec.violations(),
            ModelSpec::Prophet(spec) => of_prophet(spec),
            ModelSpec::Kalman(spec) => of_kalman(spec),
            ModelSpec::Dlinear(spec) => {
                let message = format!("kernel must be odd, got {}", spec.kernel);
                let odd = !spec.kernel.is_multiple_of(2);
                let kernel = check(
                    "kernel",
                    odd,
                    message,
                    "give an odd number, so that the average is centred, e.g. 25",
                );
                kernel.into_iter().chain(penalty("ridge", spec.ridge)).collect()
            }
            ModelSpec::Lstm(spec) | ModelSpec::Gru(spec) => [
                within(
                    "hidden",
                    spec.hidden,
                    2..=MOST_HIDDEN,
                    "the head halves the hidden units; 32 to 128 are usual",
                ),
                within("layers", spec.layers, 1..=MOST_LAYERS, "one or two layers are usual"),
                dropout(spec.dropout),
            ]
            .into_iter()
            .flatten()
            .collect(),
            ModelSpec::TsMixer(spec) => [
                within("hidden", spec.hidden, 1..=MOST_HIDDEN, "16 to 64 are usual"),
                within("blocks", spec.blocks, 1..=MOST_LAYERS, "two to eight blocks are usual"),
                dropout(spec.dropout),
            ]
            .into_iter()
            .flatten()
            .collect(),
            ModelSpec::Tcn(spec) => [
                within("hidden", spec.hidden, 1..=MOST_HIDDEN, "16 to 64 are usual"),
                within("kernel", spec.kernel, 2..=MOST_TAPS, "3 to 7 are usual"),
                within("blocks", spec.blocks, 1..=MOST_CONVOLUTIONS, "four to eight blocks are usual"),
                dropout(spec.dropout),
            ]
            .into_iter()
            .flatten()
            .collect(),
            ModelSpec::BoostedTrees(spec) => of_boosted_trees(spec),
            ModelSpec::NeuralPointProcess(spec) => [
                within(
                    "hidden",
                    spec.hidden,
                    2..=MOST_HIDDEN,
                    "the head halves the hidden units; 32 to 128 are usual",
                ),
                within("layers", spec.layers, 1..=MOST_LAYERS, "one or two layers are usual"),
                within("components", spec.components, 1..=MOST_COMPONENTS, "three to five are usual"),
                dropout(spec.dropout),
            ]
            .into_iter()
            .flatten()
            .collect(),
            ModelSpec::Renewal(_) | ModelSpec::Hawkes(_) => Vec::new(),
            ModelSpec::Ensemble(spec) => {
                let message = "an ensemble needs at least one member".to_string();
                let help = "e.g. members = [\"lstm\", \"dlinear\"]";
                Vec::from_iter(check("members", !spec.members.is_empty(), message, help))
            }
        }
    }
}
