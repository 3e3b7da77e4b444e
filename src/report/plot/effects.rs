//! One-way effects: the score of every trial against each hyperparameter alone.

use anyhow::{Context, Result, ensure};

use super::axis::{PlotAxis, Tick};
use super::font::{self, Weight};
use super::frame::{self, LegendEntry, LegendKey, Panel};
use super::parallel::PlacedAxis;
use super::scale::{Extent, is_drawable};
use super::scene::{Scene, ScenePoint};
use super::theme::{MARGIN, TICK_SIZE, WIDTH, lighter, series_colour};
use super::{Chart, Figure, Plot};

const COLUMNS: usize = 3;
const PANEL_HEIGHT: f64 = 170.0;
const GAP: f64 = 26.0;
/// Stretches of an axis whose medians are joined by a line.
const BINS: usize = 8;
/// Scores that span more than this factor are drawn on a logarithmic axis.
const LOG_FROM_RATIO: f64 = 10.0;

/// One hyperparameter with the trials along it.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// The hyperparameter, from 0 to 1.
    pub axis: PlacedAxis,
    /// The trials, in any order.
    pub trials: Vec<EffectPoint>,
}

/// One trial along a hyperparameter.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectPoint {
    /// Position on the hyperparameter's axis, from 0 to 1.
    pub position: f64,
    /// The trial's score.
    pub score: f64,
    /// The trial's values, for its tooltip.
    pub label: String,
}

/// Draws a panel for each hyperparameter: a dot for each trial, and a line through the medians of its stretches.
///
/// # Errors
/// If no trial has a finite score.
pub fn one_way_effects(title: &str, metric: &str, effects: &[Effect]) -> Result<Plot> {
    figure(title, metric, effects)?.render()
}

fn figure(title: &str, metric: &str, effects: &[Effect]) -> Result<Figure> {
    ensure!(!effects.is_empty(), "there is no hyperparameter to draw");
    let scores = effects.iter().flat_map(|effect| &effect.trials).map(|trial| trial.score);
    let span = Extent::of(scores).context("no trial has a finite score to draw")?;
    let y_axis = if span.lo > 1e-100 && span.hi < 1e100 && span.hi / span.lo > LOG_FROM_RATIO {
        PlotAxis::log(format!("{metric} (log scale)"), Extent { lo: span.lo / 1.1, hi: span.hi * 1.1 })
    } else {
        PlotAxis::linear(metric, span.widened(0.06), 4)
    };

    let mut scene = Scene::default();
    let entries = [
        LegendEntry::new(LegendKey::Dot(lighter(series_colour(0), 0.5)), "trial"),
        LegendEntry::new(LegendKey::Line(series_colour(1)), "median"),
    ];
    let header_end = frame::header(&mut scene, title, &entries);
    frame::y_title(&mut scene, header_end, &y_axis);
    let columns = effects.len().min(COLUMNS);
    let labels = frame::label_width(&y_axis);
    let width = (WIDTH - 2.0 * MARGIN - GAP * (columns - 1) as f64) / columns as f64 - labels;
    let row_height = PANEL_HEIGHT + frame::X_AXIS_HEIGHT;
    let top = header_end + frame::Y_TITLE_HEIGHT;
    for (index, effect) in effects.iter().enumerate() {
        let left = MARGIN + labels + (index % COLUMNS) as f64 * (labels + width + GAP);
        let top = top + (index / COLUMNS) as f64 * row_height;
        let panel = Panel { left, top, right: left + width, bottom: top + PANEL_HEIGHT };
        draw_panel(&mut scene, &panel, &y_axis, effect);
    }
    let rows = effects.len().div_ceil(COLUMNS) as f64;
    frame::finish(&mut scene, top + rows * row_height - 8.0, &[]);
    let names: Vec<&str> = effects.iter().map(|effect| effect.axis.name.as_str()).collect();
    let alt = format!("{metric} of every trial against {}, one panel each.", names.join(", "));
    Ok(Figure { name: "effects".to_owned(), title: title.to_owned(), alt, scene, chart: Chart::default() })
}

fn draw_panel(scene: &mut Scene, panel: &Panel, y_axis: &PlotAxis, effect: &Effect) {
    // A little room at both ends, so that dots at 0 and 1 are whole.
    let mut x_axis = PlotAxis::linear(effect.axis.name.as_str(), Extent { lo: -0.06, hi: 1.06 }, 4);
    let room = (panel.right - panel.left) / effect.axis.ticks.len().max(1) as f64 - 6.0;
    x_axis.ticks = effect
        .axis
        .ticks
        .iter()
        .map(|(value, label)| Tick {
            value: *value,
            label: font::fit(label, TICK_SIZE, Weight::Regular, room.max(30.0)),
        })
        .collect();
    frame::y_grid(scene, panel, y_axis);
    frame::x_axis(scene, panel, &x_axis);
    let scales = panel.scales(&x_axis, y_axis);
    for EffectPoint { position, score, label } in &effect.trials {
        if is_drawable(*position) && is_drawable(*score) {
            let at = scales.at(*position, *score);
            scene.disc(at, 2.6, lighter(series_colour(0), 0.5));
            scene.tip(at, label.clone());
        }
    }
    let line: Vec<ScenePoint> =
        medians(&effect.trials).iter().map(|(position, score)| scales.at(*position, *score)).collect();
    for point in &line {
        scene.disc(*point, 3.2, series_colour(1));
    }
    scene.path(line, 1.6, series_colour(1));
}

/// Median position and median score of each stretch that holds a trial; of few distinct positions, of each of them.
fn medians(trials: &[EffectPoint]) -> Vec<(f64, f64)> {
    let mut sorted: Vec<(f64, f64)> = trials
        .iter()
        .map(|trial| (trial.position, trial.score))
        .filter(|(position, score)| is_drawable(*position) && is_drawable(*score))
        .collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut distinct: Vec<f64> = sorted.iter().map(|point| point.0).collect();
    distinct.dedup();
    let stretch = |position: f64| {
        if distinct.len() <= BINS {
            distinct.iter().position(|other| *other == position).unwrap_or(0)
        } else {
            ((position * BINS as f64) as usize).min(BINS - 1)
        }
    };
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
    };
    sorted
        .chunk_by(|a, b| stretch(a.0) == stretch(b.0))
        .map(|points| {
            (
                median(points.iter().map(|point| point.0).collect()),
                median(points.iter().map(|point| point.1).collect()),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::check::{is_sound, texts_are_apart_and_inside};
    use super::*;

    fn effect(name: &str, labels: &[&str], scores: &[f64]) -> Effect {
        let last = (labels.len() - 1).max(1) as f64;
        let ticks =
            labels.iter().enumerate().map(|(index, label)| (index as f64 / last, (*label).to_owned()));
        let trials = scores.iter().enumerate().map(|(index, score)| EffectPoint {
            position: (index % labels.len()) as f64 / last,
            score: *score,
            label: format!("{name} {index}"),
        });
        Effect {
            axis: PlacedAxis { name: name.to_owned(), ticks: ticks.collect() },
            trials: trials.collect(),
        }
    }

    #[test]
    fn panels_are_apart_for_one_to_seven_hyperparameters() {
        for count in 1..=7 {
            let effects: Vec<Effect> = (0..count)
                .map(|index| {
                    effect(&format!("hyper_{index}"), &["1e-4", "0.001", "0.01"], &[0.3, 0.5, 40.0, 0.2])
                })
                .collect();
            let figure = figure("Effects on lstm", "valid mse", &effects).unwrap();
            texts_are_apart_and_inside(&figure.scene);
            is_sound(&figure.render().unwrap(), &["hyper_0", "valid mse (log scale)", "median"]);
        }
    }

    #[test]
    fn few_values_have_a_median_each_and_many_share_stretches() {
        let few = effect("x", &["a", "b"], &[1.0, 10.0, 3.0, 30.0, 2.0]);
        assert_eq!(medians(&few.trials), [(0.0, 2.0), (1.0, 20.0)]);
        let point = |index: u32| EffectPoint {
            position: f64::from(index) / 99.0,
            score: f64::from(index),
            label: String::new(),
        };
        let many: Vec<EffectPoint> = (0..100).map(point).collect();
        assert_eq!(medians(&many).len(), BINS);
    }

    #[test]
    fn nothing_finite_is_an_error() {
        assert!(figure("t", "mse", &[effect("x", &["a", "b"], &[f64::NAN])]).is_err());
        assert!(figure("t", "mse", &[]).is_err());
    }
}
