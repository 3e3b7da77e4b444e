//! The effect of a sweep's hyperparameters: one-way effects and parallel coordinates of each model's trials.

use std::collections::HashMap;

use serde_json::Value;

use super::plot::{
    Effect, EffectPoint, PlacedAxis, PlacedTrial, Plot, one_way_effects, parallel_coordinates,
};
use crate::compare::{Comparison, distinct, group_by, tells_trials_apart};
use crate::spec::lookup;
use crate::store::RunRow;
use crate::text::{grouped, number};

/// Models of a board that are drawn, the best on the test part first.
const MOST_MODELS: usize = 4;
/// Hyperparameters that are drawn for one model, in file order.
const MOST_AXES: usize = 7;
/// With fewer trials there is nothing to see.
const FEWEST_TRIALS: usize = 3;
/// Trials that are drawn; more lines and dots cannot be told apart.
const MOST_TRIALS: usize = 300;
/// Up to this many different numbers are placed at equal distances.
const MOST_CATEGORIES: usize = 8;
/// Ticks of an axis of numbers, apart from the one at its foot.
const TICKS: u32 = 4;
/// Numbers that span more than this factor are placed by their logarithm.
const LOG_FROM_RATIO: f64 = 20.0;

/// A plot of one model's trials.
pub struct HyperparameterPlot {
    /// The name of the plot in the sentence about a plot that could not be drawn.
    pub what: String,
    /// Stem of the file's name.
    pub name: String,
    /// The plot.
    pub plot: anyhow::Result<Plot>,
    /// Sentences below it.
    pub caption: String,
}

/// The plots of one board.
pub fn draw(comparison: &Comparison, board: usize) -> Vec<HyperparameterPlot> {
    let axes: Vec<String> = serde_json::from_str(&comparison.experiment.axes).unwrap_or_default();
    let axes: Vec<&String> = axes.iter().filter(|axis| tells_trials_apart(axis)).collect();
    if axes.is_empty() {
        return Vec::new();
    }
    let trials = trials_of(comparison, board);
    let kinds = distinct(comparison.boards[board].rows.iter().map(|row| row.kind.as_str()));
    let drawn = kinds.into_iter().filter_map(|kind| {
        let own: Vec<&ScoredTrial> = trials.iter().filter(|trial| trial.model == kind).collect();
        draw_model(comparison, kind, &axes, &own)
    });
    drawn.take(MOST_MODELS).flatten().collect()
}

/// One trial with its mean objective over seeds and folds.
#[derive(Clone, Copy)]
struct ScoredTrial<'a> {
    model: &'a str,
    params: &'a Value,
    label: &'a str,
    score: f64,
}

/// The finished trials of a board, the best first.
fn trials_of(comparison: &Comparison, board: usize) -> Vec<ScoredTrial<'_>> {
    let runs: HashMap<&str, &RunRow> = comparison.runs.iter().map(|run| (run.run_id.as_str(), run)).collect();
    let scored = comparison.scored.iter().filter(|scored| scored.board == board).filter_map(|scored| {
        let run = runs.get(scored.run_id.as_str())?;
        Some(ScoredTrial {
            model: &run.model,
            params: &run.params,
            label: &scored.label,
            score: scored.valid?,
        })
    });
    let mut trials: Vec<ScoredTrial> = group_by(scored, |trial| trial.params.to_string())
        .into_iter()
        .filter_map(|(_, runs)| {
            let score = runs.iter().map(|run| run.score).sum::<f64>() / runs.len() as f64;
            Some(ScoredTrial { score, ..runs.into_iter().next()? })
        })
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
    trials: &[&ScoredTrial<'_>],
) -> Option<Vec<HyperparameterPlot>> {
    let metric = format!(
        "{} {}",
        comparison.objective.part.as_str().replace("valid", "validation"),
        comparison.objective.metric.as_str()
    );
    // The best trials alone would bias the medians, so the effects are drawn from trials of every rank.
    let stride = trials.len().div_ceil(MOST_TRIALS).max(1);
    let of_every_rank: Vec<ScoredTrial> = trials.iter().step_by(stride).map(|trial| **trial).collect();
    let of_every_rank = ModelDrawing::new(model, &metric, axes, of_every_rank, trials.len());
    if of_every_rank.hyperparameters.is_empty() || of_every_rank.shown.len() < FEWEST_TRIALS {
        return None;
    }
    let mut drawn = vec![of_every_rank.effects()];
    let best = trials.iter().take(MOST_TRIALS).map(|trial| **trial).collect();
    let best = ModelDrawing::new(model, &metric, axes, best, trials.len());
    if best.hyperparameters.len() >= 2 {
        drawn.push(best.parallel());
    }
    Some(drawn)
}

/// A hyperparameter's axis, with the position of each shown trial.
struct PlacedHyperparameter {
    axis: PlacedAxis,
    positions: Vec<f64>,
}

/// The hyperparameters that differ between some trials.
fn place_all(axes: &[&String], trials: &[ScoredTrial<'_>]) -> Vec<PlacedHyperparameter> {
    let placed = axes.iter().filter_map(|axis| {
        let values: Vec<&Value> =
            trials.iter().map(|trial| lookup(trial.params, axis)).collect::<Option<_>>()?;
        place(axis.rsplit('.').next().unwrap_or(axis), &values)
    });
    placed.take(MOST_AXES).collect()
}

/// The trials of one model that are drawn.
struct ModelDrawing<'a> {
    model: &'a str,
    metric: &'a str,
    hyperparameters: Vec<PlacedHyperparameter>,
    shown: Vec<ScoredTrial<'a>>,
    /// Number of trials, including those that are not drawn.
    all: usize,
}

impl<'a> ModelDrawing<'a> {
    fn new(
        model: &'a str,
        metric: &'a str,
        axes: &[&String],
        shown: Vec<ScoredTrial<'a>>,
        all: usize,
    ) -> Self {
        Self { model, metric, hyperparameters: place_all(axes, &shown), shown, all }
    }

    fn effects(&self) -> HyperparameterPlot {
        let Self { model, metric, .. } = self;
        let effects: Vec<Effect> = self
            .hyperparameters
            .iter()
            .map(|PlacedHyperparameter { axis, positions }| Effect {
                axis: axis.clone(),
                trials: positions
                    .iter()
                    .zip(&self.shown)
                    .map(|(position, trial)| EffectPoint {
                        position: *position,
                        score: trial.score,
                        label: self.tooltip(trial),
                    })
                    .collect(),
            })
            .collect();
        HyperparameterPlot {
            what: format!("effects of the hyperparameters of {model}"),
            name: format!("effects-{model}"),
            plot: one_way_effects(&format!("{model}: one hyperparameter at a time"), metric, &effects),
            caption: format!(
                "{} of each trial, averaged over its seeds, against one hyperparameter at a time. The others vary \
                 freely, so a flat line does not prove that a hyperparameter has no effect.{}",
                capitalised(metric),
                self.not_drawn("trials of every rank")
            ),
        }
    }

    fn parallel(&self) -> HyperparameterPlot {
        let Self { model, metric, .. } = self;
        let scores: Vec<f64> = self.shown.iter().map(|trial| trial.score).collect();
        let score = place_numbers(metric, &scores);
        let all_axes = || self.hyperparameters.iter().chain([&score]);
        let axes: Vec<PlacedAxis> = all_axes().map(|placed| placed.axis.clone()).collect();
        let trials: Vec<PlacedTrial> = self
            .shown
            .iter()
            .enumerate()
            .map(|(index, trial)| PlacedTrial {
                positions: all_axes().map(|placed| placed.positions[index]).collect(),
                label: self.tooltip(trial),
            })
            .collect();
        HyperparameterPlot {
            what: format!("parallel coordinates of {model}"),
            name: format!("parallel-{model}"),
            plot: parallel_coordinates(&format!("{model}: every trial"), &axes, &trials),
            caption: format!(
                "Each line is a trial, from its hyperparameters to its {metric}, which is best at the bottom.{}",
                self.not_drawn("best trials")
            ),
        }
    }

    fn tooltip(&self, trial: &ScoredTrial<'_>) -> String {
        format!("{}\n{} {}", trial.label, self.metric, number(trial.score))
    }

    /// A sentence about the trials that are not drawn; empty if all are.
    fn not_drawn(&self, which: &str) -> String {
        let shown = self.shown.len();
        if shown == self.all {
            return String::new();
        }
        format!(" Of {} trials, {} {which} are drawn.", grouped(self.all), grouped(shown))
    }
}

/// Places values on an axis: few or textual ones at equal distances, others by size. `None` if all are equal.
fn place(name: &str, values: &[&Value]) -> Option<PlacedHyperparameter> {
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
    Some(PlacedHyperparameter { axis: PlacedAxis { name: name.to_string(), ticks }, positions })
}

fn place_numbers(name: &str, numbers: &[f64]) -> PlacedHyperparameter {
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
    PlacedHyperparameter {
        axis: PlacedAxis { name, ticks },
        positions: numbers.iter().map(|value| position(*value)).collect(),
    }
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
        let PlacedHyperparameter { axis, positions } =
            place("hidden", &values.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(positions, [1.0, 0.0, 0.5, 0.0]);
        assert_eq!(axis.ticks[2], (1.0, "64".to_string()));
        let many: Vec<Value> =
            (0..20).map(|index| json!(10f64.powf(f64::from(index) / 19.0 * 2.0))).collect();
        let PlacedHyperparameter { axis, positions } =
            place("rate", &many.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(axis.name, "rate (log)");
        assert!((positions[19] - 1.0).abs() < 1e-12 && (axis.ticks[2].0 - 0.5).abs() < 1e-12);
        assert_eq!(axis.ticks[2].1, "10.0");
    }

    #[test]
    fn a_value_that_never_varies_has_no_axis() {
        assert!(place("x", &[&json!(true), &json!(true)]).is_none());
        let PlacedHyperparameter { positions, .. } = place("x", &[&json!(true), &json!(false)]).unwrap();
        assert_eq!(positions, [1.0, 0.0]);
    }
}
