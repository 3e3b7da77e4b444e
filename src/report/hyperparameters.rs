//! What the hyperparameters of a sweep do: parallel coordinates and one-way effects of each model's trials.

use std::collections::HashMap;

use serde_json::Value;

use super::plot::{Effect, PlacedAxis, PlacedTrial, Plot, one_way_effects, parallel_coordinates};
use crate::compare::{Comparison, tells_trials_apart};
use crate::spec::lookup;
use crate::store::RunRow;
use crate::text::{grouped, number};

/// Models of a board that are drawn, the best on the test part first.
const MOST_MODELS: usize = 4;
/// Hyperparameters that are drawn for one model, in file order.
const MOST_AXES: usize = 7;
/// Fewer trials say nothing.
const FEWEST_TRIALS: usize = 3;
/// More lines and dots than these cannot be told apart.
const MOST_TRIALS: usize = 300;
/// Up to so many numbers are placed at equal distances.
const MOST_CATEGORIES: usize = 8;
/// Ticks of an axis of numbers, but for the one at its foot.
const TICKS: u32 = 4;
/// Numbers that span more than this factor are placed by their logarithm.
const LOG_FROM_RATIO: f64 = 20.0;

/// A plot of one model's trials: what it is, the stem of its files, the drawing and its caption.
pub struct Drawn {
    /// What is drawn, for the sentence that says that it could not be.
    pub what: String,
    /// Stem of the file's name.
    pub name: String,
    /// The plot.
    pub plot: anyhow::Result<Plot>,
    /// Sentences below it.
    pub caption: String,
}

/// The plots of one board.
pub fn draw(comparison: &Comparison, board: usize) -> Vec<Drawn> {
    let axes: Vec<String> = serde_json::from_str(&comparison.experiment.axes).unwrap_or_default();
    let axes: Vec<&String> = axes.iter().filter(|axis| tells_trials_apart(axis)).collect();
    if axes.is_empty() {
        return Vec::new();
    }
    let trials = trials_of(comparison, board);
    let mut kinds: Vec<&str> = Vec::new();
    for row in &comparison.boards[board].rows {
        if !kinds.contains(&row.kind.as_str()) {
            kinds.push(&row.kind);
        }
    }
    let drawn = kinds.into_iter().filter_map(|kind| {
        let own: Vec<&Trial> = trials.iter().filter(|trial| trial.model == kind).collect();
        draw_model(comparison, kind, &axes, &own)
    });
    drawn.take(MOST_MODELS).flatten().collect()
}

/// One trial with its mean objective over seeds and folds.
struct Trial<'a> {
    model: &'a str,
    params: &'a Value,
    label: &'a str,
    score: f64,
}

/// The finished trials of a board, the best first.
fn trials_of(comparison: &Comparison, board: usize) -> Vec<Trial<'_>> {
    let runs: HashMap<&str, &RunRow> = comparison.runs.iter().map(|run| (run.run_id.as_str(), run)).collect();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut trials: Vec<(Trial, Vec<f64>)> = Vec::new();
    for scored in comparison.scored.iter().filter(|scored| scored.board == board) {
        let (Some(run), Some(valid)) = (runs.get(scored.run_id.as_str()), scored.valid) else { continue };
        let place = *places.entry(run.params.to_string()).or_insert(trials.len());
        if place == trials.len() {
            let trial =
                Trial { model: &run.model, params: &run.params, label: &scored.label, score: f64::NAN };
            trials.push((trial, Vec::new()));
        }
        trials[place].1.push(valid);
    }
    let mut trials: Vec<Trial> = trials
        .into_iter()
        .map(|(trial, values)| Trial { score: values.iter().sum::<f64>() / values.len() as f64, ..trial })
        .filter(|trial| trial.score.is_finite())
        .collect();
    trials.sort_by(|a, b| a.score.total_cmp(&b.score));
    trials
}

/// The plots of one model; `None` if nothing was varied, or too little to see anything.
fn draw_model(
    comparison: &Comparison,
    model: &str,
    axes: &[&String],
    trials: &[&Trial<'_>],
) -> Option<Vec<Drawn>> {
    let metric = format!(
        "{} {}",
        comparison.objective.part.as_str().replace("valid", "validation"),
        comparison.objective.metric.as_str()
    );
    // The best alone would bend the medians: for the effects, trials of every rank are drawn.
    let stride = trials.len().div_ceil(MOST_TRIALS).max(1);
    let sample: Vec<&Trial> = trials.iter().step_by(stride).copied().collect();
    let placed = place_all(axes, &sample);
    if placed.is_empty() || sample.len() < FEWEST_TRIALS {
        return None;
    }
    let mut drawn = vec![effects(model, &metric, &placed, &sample, trials.len())];
    let best = &trials[..trials.len().min(MOST_TRIALS)];
    let placed = place_all(axes, best);
    if placed.len() >= 2 {
        drawn.push(parallel(model, &metric, &placed, best, trials.len()));
    }
    Some(drawn)
}

/// The hyperparameters that differ between some trials, with the position of each trial.
fn place_all(axes: &[&String], trials: &[&Trial<'_>]) -> Vec<(PlacedAxis, Vec<f64>)> {
    let placed = axes.iter().filter_map(|axis| {
        let values: Vec<&Value> =
            trials.iter().map(|trial| lookup(trial.params, axis)).collect::<Option<_>>()?;
        place(axis.rsplit('.').next().unwrap_or(axis), &values)
    });
    placed.take(MOST_AXES).collect()
}

/// A trial in words, for a tooltip.
fn described(trial: &Trial<'_>, metric: &str) -> String {
    format!("{}\n{metric} {}", trial.label, number(trial.score))
}

fn effects(
    model: &str,
    metric: &str,
    placed: &[(PlacedAxis, Vec<f64>)],
    shown: &[&Trial<'_>],
    all: usize,
) -> Drawn {
    let effects: Vec<Effect> = placed
        .iter()
        .map(|(axis, positions)| Effect {
            axis: axis.clone(),
            trials: positions
                .iter()
                .zip(shown)
                .map(|(position, trial)| (*position, trial.score, described(trial, metric)))
                .collect(),
        })
        .collect();
    let folded = if shown.len() < all {
        format!(" Of {} trials {} of every rank are drawn.", grouped(all), grouped(shown.len()))
    } else {
        String::new()
    };
    Drawn {
        what: format!("effects of the hyperparameters of {model}"),
        name: format!("effects-{model}"),
        plot: one_way_effects(&format!("{model}: one hyperparameter at a time"), metric, &effects),
        caption: format!(
            "{} of each trial, mean over its seeds, by each hyperparameter alone. The others vary freely, so a flat line \
             does not prove that a hyperparameter is without effect.{folded}",
            capitalised(metric)
        ),
    }
}

fn parallel(
    model: &str,
    metric: &str,
    placed: &[(PlacedAxis, Vec<f64>)],
    shown: &[&Trial<'_>],
    all: usize,
) -> Drawn {
    let scores: Vec<f64> = shown.iter().map(|trial| trial.score).collect();
    let (score_axis, score_positions) = place_numbers(metric, &scores);
    let axes: Vec<PlacedAxis> = placed.iter().map(|(axis, _)| axis.clone()).chain([score_axis]).collect();
    let trials: Vec<PlacedTrial> = (0..shown.len())
        .map(|index| PlacedTrial {
            positions: placed
                .iter()
                .map(|(_, positions)| positions[index])
                .chain([score_positions[index]])
                .collect(),
            label: described(shown[index], metric),
        })
        .collect();
    let folded = if shown.len() < all {
        format!(" The best {} of {} trials are drawn.", grouped(shown.len()), grouped(all))
    } else {
        String::new()
    };
    Drawn {
        what: format!("parallel coordinates of {model}"),
        name: format!("parallel-{model}"),
        plot: parallel_coordinates(&format!("{model}: every trial"), &axes, &trials),
        caption: format!(
            "Each line is a trial, from its hyperparameters to its {metric}, which is best at the foot.{folded}"
        ),
    }
}

/// Places values on an axis: few or textual ones at equal distances, others by size. `None` if all are the same.
fn place(name: &str, values: &[&Value]) -> Option<(PlacedAxis, Vec<f64>)> {
    let numbers: Option<Vec<f64>> = values.iter().map(|value| value.as_f64()).collect();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let mut categories: Vec<(Option<f64>, String)> =
        values.iter().map(|value| (value.as_f64(), text(value))).collect();
    categories.sort_by(|a, b| {
        let by_number = a.0.unwrap_or(f64::INFINITY).total_cmp(&b.0.unwrap_or(f64::INFINITY));
        by_number.then_with(|| a.1.cmp(&b.1))
    });
    categories.dedup();
    if categories.len() < 2 {
        return None;
    }
    if let Some(numbers) = numbers.filter(|_| categories.len() > MOST_CATEGORIES) {
        return Some(place_numbers(name, &numbers));
    }
    let last = (categories.len() - 1) as f64;
    let position = |value: &Value| {
        let wanted = text(value);
        categories.iter().position(|(_, text)| *text == wanted).map_or(f64::NAN, |index| index as f64 / last)
    };
    let positions = values.iter().map(|value| position(value)).collect();
    let ticks =
        categories.iter().enumerate().map(|(index, (_, text))| (index as f64 / last, text.clone())).collect();
    Some((PlacedAxis { name: name.to_string(), ticks }, positions))
}

fn place_numbers(name: &str, numbers: &[f64]) -> (PlacedAxis, Vec<f64>) {
    let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log = low > 0.0 && high / low > LOG_FROM_RATIO;
    let size = |value: f64| if log { value.ln() } else { value };
    let width = size(high) - size(low);
    let position = |value: f64| if width > 0.0 { (size(value) - size(low)) / width } else { 0.5 };
    let ticks = (0..=TICKS)
        .map(|index| {
            let at = f64::from(index) / f64::from(TICKS);
            let value = size(low) + at * width;
            let value = if log { value.exp() } else { value };
            (position(value), short(value))
        })
        .collect();
    let name = if log { format!("{name} (log)") } else { name.to_string() };
    (PlacedAxis { name, ticks }, numbers.iter().map(|value| position(*value)).collect())
}

/// About three digits.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_string(),
        size if !(1e-3..1e5).contains(&size) => format!("{value:.1e}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size => {
            let decimals = (2.0 - size.log10().floor()).clamp(0.0, 5.0) as usize;
            format!("{value:.decimals$}")
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn few_values_stand_at_equal_distances_and_many_by_size() {
        let values = [json!(64), json!(16), json!(32), json!(16)];
        let (axis, positions) = place("hidden", &values.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(positions, [1.0, 0.0, 0.5, 0.0]);
        assert_eq!(axis.ticks[2], (1.0, "64".to_string()));
        let many: Vec<Value> =
            (0..20).map(|index| json!(10f64.powf(f64::from(index) / 19.0 * 2.0))).collect();
        let (axis, positions) = place("rate", &many.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(axis.name, "rate (log)");
        assert!((positions[19] - 1.0).abs() < 1e-12 && (axis.ticks[2].0 - 0.5).abs() < 1e-12);
        assert_eq!(axis.ticks[2].1, "10.0");
    }

    #[test]
    fn a_value_that_never_varies_is_no_axis() {
        assert!(place("x", &[&json!(true), &json!(true)]).is_none());
        let (_, positions) = place("x", &[&json!(true), &json!(false)]).unwrap();
        assert_eq!(positions, [1.0, 0.0]);
    }
}
