//! Every metric of a run: how far its forecasts lie from what came, and how well its intervals hold it.

use std::ops::Range;

use crate::dataset::{Part, Prepared, TargetSeries, Windows};
use crate::model::intervals::{Bounds, LEVELS, interval};
use crate::model::{Forecaster, GapDistribution, resolution_s};
use crate::spec::RunSpec;
use crate::stats::{
    INTERVAL_NAMES, NAMES, POINT_WITHIN, PointMetrics, QUANTILES, crps_quantile, interval_score, pinball,
    point_metrics, score_errors, seasonal_scale,
};
use crate::store::MetricValue;

/// Every point metric of one part, given the origins of its windows and the scaled forecasts.
pub fn score_points(
    prepared: &Prepared,
    part: Part,
    origins: Range<usize>,
    forecast: &[f32],
    spec: &RunSpec,
) -> Vec<MetricValue> {
    let targets = prepared.steps.targets;
    let horizon = spec.task.horizon();
    let train = prepared.split.steps(Part::Train);
    let season = spec.evaluation.mase_season;
    let judged = spec.evaluation.steps.of(horizon);
    let mut values = Vec::new();
    let mut scaled_scores: Vec<PointMetrics> = Vec::new();
    for target in 0..targets {
        let scale = &prepared.scaler.channels[target];
        let TargetSeries { original, scaled } = &prepared.series()[target];
        let steps = origins.clone().flat_map(|origin| judged.clone().map(move |ahead| origin + ahead));
        let scaled_forecast: Vec<f64> = forecast
            .chunks_exact(horizon * targets)
            .flat_map(|window| judged.clone().map(move |ahead| f64::from(window[ahead * targets + target])))
            .collect();
        let pick = |series: &[f64]| steps.clone().map(|step| series[step]).collect::<Vec<f64>>();
        let scaled_score =
            point_metrics(&pick(scaled), &scaled_forecast, seasonal_scale(&scaled[train.clone()], season));
        let actual = pick(original);
        let errors = scaled_forecast.iter().zip(&actual).map(|(&value, &actual)| scale.error(value, actual));
        let original_score = score_errors(
            &actual,
            &errors.collect::<Vec<f64>>(),
            seasonal_scale(&original[train.clone()], season),
        );
        let name = &prepared.steps.channels[target].name;
        values.extend(scaled_score.named().map(|(score, value)| metric(part, name, "scaled", score, value)));
        values.extend(
            original_score.named().map(|(score, value)| metric(part, name, "original", score, value)),
        );
        scaled_scores.push(scaled_score);
    }
    for name in NAMES {
        let each = scaled_scores.iter().map(|score| score.named().find(|(other, _)| *other == name));
        let each: Option<Vec<f64>> = each.map(|found| found.map(|(_, value)| value)).collect();
        values.extend(each.and_then(|each| mean_of(part, name, &each)));
    }
    values
}

/// How well the model's own distributions of the gap held the first gap after each window: `nll`, the mean of `-ln` of the
/// probability of the gap as the clock shows it, and `crps_model`, the mean CRPS in seconds, both before calibration.
/// None for a model without such distributions.
pub fn score_gaps(
    prepared: &Prepared,
    part: Part,
    model: &dyn Forecaster,
    windows: &Windows<'_>,
) -> Vec<MetricValue> {
    let Some(distributions) = model.gap_distributions(windows) else { return Vec::new() };
    let gaps_s: Vec<f64> = prepared.steps.channel(0).collect();
    let resolution_s = resolution_s(gaps_s[prepared.split.steps(Part::Train)].iter().copied());
    let mean = |score: &dyn Fn(&GapDistribution, f64) -> f64| {
        let each = windows.origins.clone().zip(&distributions);
        each.map(|(origin, distribution)| score(distribution, gaps_s[origin])).sum::<f64>()
            / windows.len() as f64
    };
    let name = &prepared.steps.channels[0].name;
    [
        ("nll", mean(&|distribution, gap_s| distribution.log_score(gap_s, resolution_s))),
        ("crps_model", mean(&|distribution, gap_s| distribution.crps(gap_s))),
    ]
    .map(|(score, value)| metric(part, name, "original", score, value))
    .to_vec()
}

/// Every metric of the intervals of one target on the test part, given its bounds in scaled units.
pub fn score_intervals(
    prepared: &Prepared,
    target: usize,
    origins: &Range<usize>,
    bounds: &[Bounds],
    spec: &RunSpec,
) -> Vec<MetricValue> {
    let channel = &prepared.scaler.channels[target];
    let horizon = spec.task.horizon();
    let judged = spec.evaluation.steps.of(horizon);
    let targets = prepared.scaled.target_count;
    // A bound is often a value that came before, and that comes again: rounded alike, the two are equal in either unit.
    let came: Vec<f32> = origins
        .clone()
        .flat_map(|origin| judged.clone().map(move |ahead| origin + ahead))
        .map(|step| prepared.scaled.targets[step * targets + target])
        .collect();
    let judged_bounds = || {
        let each = bounds.iter().enumerate().filter(|(cell, _)| judged.contains(&(cell % horizon)));
        each.map(|(_, bounds)| bounds.map(f64::from))
    };
    let scaled: Vec<f64> = came.iter().map(|&value| f64::from(value)).collect();
    // These metrics are of differences alone, so it does not matter what the values are counted from.
    let original: Vec<f64> = scaled.iter().map(|&value| channel.unscale_from_mean(value)).collect();
    let original_bounds = judged_bounds().map(|bounds| bounds.map(|bound| channel.unscale_from_mean(bound)));
    let (scaled_bounds, original_bounds): (Vec<_>, Vec<_>) =
        (judged_bounds().collect(), original_bounds.collect());
    let mut values = Vec::new();
    for (unit, actual, bounds) in [("scaled", scaled, scaled_bounds), ("original", original, original_bounds)]
    {
        let named = INTERVAL_NAMES.into_iter().zip(interval_metrics(&actual, &bounds));
        values.extend(
            named.map(|(score, value)| metric(Part::Test, &channel.channel.name, unit, score, value)),
        );
    }
    values
}

/// The values of [`INTERVAL_NAMES`].
fn interval_metrics(actual: &[f64], bounds: &[[f64; QUANTILES.len()]]) -> [f64; INTERVAL_NAMES.len()] {
    let mut values = Vec::with_capacity(INTERVAL_NAMES.len());
    for (index, level) in LEVELS.iter().enumerate() {
        let (lower, upper): (Vec<f64>, Vec<f64>) =
            bounds.iter().map(|bounds| interval(bounds, index)).unzip();
        let score = interval_score(actual, &lower, &upper, f64::from(*level) / 100.0);
        values.extend([score.coverage, score.width, score.winkler]);
    }
    let losses = QUANTILES.iter().enumerate().map(|(quantile, &level)| {
        let forecast: Vec<f64> = bounds.iter().map(|bounds| bounds[quantile]).collect();
        pinball(actual, &forecast, level)
    });
    values.push(losses.sum::<f64>() / QUANTILES.len() as f64);
    let scores =
        actual.iter().zip(bounds).filter_map(|(&actual, bounds)| crps_quantile(actual, &QUANTILES, bounds));
    values.push(scores.sum::<f64>() / actual.len() as f64);
    std::array::from_fn(|index| values[index])
}

/// The share of the point forecasts of one target that lie within their own interval at 50 %: the two are learned from
/// different steps, and need not agree.
pub fn score_agreement(
    prepared: &Prepared,
    target: usize,
    forecast: &[f32],
    bounds: &[Bounds],
) -> Option<MetricValue> {
    let points = forecast.iter().skip(target).step_by(prepared.steps.targets);
    let within = points.zip(bounds).filter(|(point, bounds)| {
        let (lower, upper) = interval(bounds, 0);
        (lower..=upper).contains(*point)
    });
    let share = within.count() as f64 / bounds.len() as f64;
    let name = &prepared.steps.channels[target].name;
    (!bounds.is_empty()).then(|| metric(Part::Test, name, "original", POINT_WITHIN, share))
}

/// The target `all` of the interval metrics: their means over the targets, in scaled units.
pub fn interval_means(values: &[MetricValue]) -> Vec<MetricValue> {
    INTERVAL_NAMES
        .into_iter()
        .filter_map(|name| {
            let each: Vec<f64> = values
                .iter()
                .filter(|metric| metric.unit == "scaled" && metric.name == name)
                .map(|metric| metric.value)
                .collect();
            mean_of(Part::Test, name, &each)
        })
        .collect()
}

fn mean_of(part: Part, name: &str, each: &[f64]) -> Option<MetricValue> {
    let mean = each.iter().sum::<f64>() / each.len() as f64;
    (!each.is_empty()).then(|| metric(part, "all", "scaled", name, mean))
}

fn metric(part: Part, target: &str, unit: &str, name: &str, value: f64) -> MetricValue {
    MetricValue {
        part: part.as_str().to_string(),
        target: target.to_string(),
        unit: unit.to_string(),
        name: name.to_string(),
        value,
    }
}
