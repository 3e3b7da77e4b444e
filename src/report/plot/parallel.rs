//! Parallel coordinates: every trial of a search as a line through its hyperparameter values to its objective.

use anyhow::{Result, ensure};

use super::axis::{PlotAxis, Tick};
use super::chart::{ParallelChart, ParallelLine};
use super::font::{self, Weight};
use super::frame::{self, DASH, LegendEntry, LegendKey};
use super::hyperparameter_axis::HyperparameterAxis;
use super::objective_scale::ObjectiveScale;
use super::plotted_trial::{PlottedState, PlottedTrial};
use super::scale::{PixelScale, is_drawable};
use super::scene::{Align, Scene, ScenePoint, TextStyle, text_extent};
use super::theme::{AXIS, BACKGROUND, GREY_LINE, INK, LABEL_SIZE, MARGIN, MUTED, TICK_SIZE, WIDTH, lighter};
use super::trials::{SearchPicture, failed_colour, state_colour};
use super::{Chart, Figure, Plot};

const HEIGHT: f64 = 300.0;
const NAME_HEIGHT: f64 = 20.0;
/// Dashes of more lines could not be told apart, and would make a large file.
const MOST_DASHED: usize = 40;
/// More lines are thinner and let through what lies below them, all but those of the best trials.
const MANY_LINES: usize = 150;
const CLEAR_LINES: usize = 20;
const FAINTEST: f64 = 0.1;

/// Draws a line for each trial through the axes to its objective, whose colour it has. Pruned trials are thin and grey; failed
/// ones are dashed and end before the objective.
///
/// # Errors
/// If there is no hyperparameter, or no trial with a finite objective.
pub fn parallel_coordinates(picture: &SearchPicture) -> Result<Plot> {
    figure(picture)?.render()
}

/// One upright axis.
struct Upright {
    name: String,
    x: f64,
    axis: PlotAxis,
    scale: PixelScale,
}

fn figure(picture: &SearchPicture) -> Result<Figure> {
    let SearchPicture { model, metric, axes, trials, .. } = picture;
    ensure!(!axes.is_empty(), "there is no hyperparameter to draw");
    let scale = ObjectiveScale::of(metric, trials)?;
    let title = format!("{model}: every trial through its hyperparameters to {metric}");
    let failed = trials.iter().filter(|trial| trial.state == PlottedState::Failed).count();
    let failed_key = if failed <= MOST_DASHED { LegendKey::Dashed } else { LegendKey::Line };
    let mut entries: Vec<LegendEntry> = vec![scale.legend()];
    entries.extend(picture.other_entries([LegendKey::Line(pruned_colour()), failed_key(failed_colour())]));
    let mut scene = Scene::default();
    let header_end = frame::header(&mut scene, &title, &entries);

    let spacing = (WIDTH - 2.0 * MARGIN) / (axes.len() + 1) as f64;
    let names: Vec<String> = axes.iter().map(HyperparameterAxis::title).chain([metric.clone()]).collect();
    // Long names stand in two rows, so that each has the room of two.
    let is_wide = |name: &String| font::width(name, LABEL_SIZE, Weight::SemiBold) > spacing - 12.0;
    let rows = if names.iter().any(is_wide) { 2 } else { 1 };
    let top = header_end + 14.0 + NAME_HEIGHT * rows as f64;
    let bottom = top + HEIGHT;
    let plot_axes = axes.iter().map(|axis| axis.vertical(HEIGHT)).chain([scale.axis.clone()]);
    let uprights: Vec<Upright> = plot_axes
        .zip(&names)
        .enumerate()
        .map(|(index, (axis, name))| Upright {
            name: name.clone(),
            x: MARGIN + spacing * (index as f64 + 0.5),
            scale: axis.scale(bottom, top),
            axis,
        })
        .collect();
    draw_lines(&mut scene, &uprights, picture, &scale, failed <= MOST_DASHED);
    for (index, upright) in uprights.iter().enumerate() {
        let is_objective = index == axes.len();
        scene.line((upright.x, bottom), (upright.x, top), 1.4, AXIS);
        let y = top - 14.0 - NAME_HEIGHT * ((index + rows - 1) % rows) as f64;
        draw_name(&mut scene, upright, y, spacing * rows as f64 - 12.0, is_objective);
        draw_ticks(&mut scene, upright, spacing);
    }
    let sentences: Vec<String> =
        above(&scale).into_iter().chain(picture.sentence_about_those_left_out()).collect();
    frame::finish(&mut scene, bottom + 8.0, &sentences);
    let alt =
        format!("Parallel coordinates of {} trials of {model} over {}.", trials.len(), names.join(", "));
    let chart = chart(picture, &scale);
    Ok(Figure { name: "parallel-coordinates".to_owned(), title, alt, scene, chart })
}

fn pruned_colour() -> plotters::style::RGBColor {
    lighter(GREY_LINE, 0.35)
}

/// What the picture says about lines that end at the head of the objective's axis.
fn above(scale: &ObjectiveScale) -> Option<String> {
    let lines = match scale.above {
        0 => return None,
        1 => "One line ends".to_owned(),
        count => format!("{count} lines end"),
    };
    Some(format!(
        "{lines} at the head of the last axis, with an objective above {}.",
        crate::text::number(scale.highest)
    ))
}

/// The best are drawn last, so that the others do not cover them.
fn draw_lines(
    scene: &mut Scene,
    uprights: &[Upright],
    picture: &SearchPicture,
    scale: &ObjectiveScale,
    may_dash: bool,
) {
    let drawn = picture.drawn();
    let count = drawn.len();
    let faint = (MANY_LINES as f64 / count as f64).clamp(FAINTEST, 1.0);
    let width = if count > MANY_LINES { 1.0 } else { 1.5 };
    let first_tip = SearchPicture::first_tip(drawn.len(), 1);
    for (index, trial) in drawn.into_iter().enumerate() {
        let points: Vec<ScenePoint> = values(trial, uprights.len())
            .zip(uprights)
            .filter_map(|(value, upright)| Some((upright.x, upright.scale.at(value?))))
            .collect();
        if let Some(last) = points.last().filter(|_| index >= first_tip) {
            scene.tip(*last, trial.label.clone());
        }
        match trial.state {
            PlottedState::Failed if may_dash => scene.dashed(&points, DASH, 1.0, failed_colour()),
            PlottedState::Failed => scene.veil(points, 0.8, failed_colour(), faint),
            PlottedState::Pruned(_) => scene.veil(points, 0.8, pruned_colour(), faint),
            PlottedState::Done if index + CLEAR_LINES >= count => {
                scene.path(points, 1.5, state_colour(trial, scale));
            }
            PlottedState::Done => scene.veil(points, width, state_colour(trial, scale), faint),
        }
    }
}

/// The value of a trial on each axis, its objective at the end.
fn values(trial: &PlottedTrial, axes: usize) -> impl Iterator<Item = Option<f64>> {
    let own = trial.values.iter().copied().map(|value| value.filter(|value| is_drawable(*value)));
    own.chain([trial.height()]).take(axes)
}

/// The name of an axis above it, moved to stay within the plot.
fn draw_name(scene: &mut Scene, upright: &Upright, y: f64, room: f64, is_objective: bool) {
    let weight = if is_objective { Weight::SemiBold } else { Weight::Regular };
    let name = font::fit(&upright.name, LABEL_SIZE, weight, room);
    let half = font::width(&name, LABEL_SIZE, weight) / 2.0;
    let x = upright.x.clamp(MARGIN + half, (WIDTH - MARGIN - half).max(MARGIN + half));
    scene.text((x, y), &name, TextStyle { weight, align: Align::Center, ..TextStyle::default() });
}

/// Labels right of their axis, each on a patch that hides the lines behind it.
fn draw_ticks(scene: &mut Scene, upright: &Upright, spacing: f64) {
    let style = TextStyle { size: TICK_SIZE, colour: INK, ..TextStyle::default() };
    let room = spacing.min(WIDTH - upright.x) - 16.0;
    let mut taken = f64::INFINITY;
    for Tick { value, label } in &upright.axis.ticks {
        let (x, y) = (upright.x, upright.scale.at(*value));
        scene.line((x - 3.0, y), (x + 3.0, y), 1.2, MUTED);
        if (taken - y).abs() < TICK_SIZE + 3.0 {
            continue;
        }
        taken = y;
        let label = font::fit(label, TICK_SIZE, Weight::Regular, room);
        let (left, right) = text_extent(x + 8.0, &label, &style);
        scene.rect((left - 2.0, y - 8.0), (right + 2.0, y + 8.0), BACKGROUND);
        scene.text((x + 8.0, y), &label, style);
    }
}

fn chart(picture: &SearchPicture, scale: &ObjectiveScale) -> Chart {
    let axes: Vec<_> =
        picture.axes.iter().map(HyperparameterAxis::of_chart).chain([scale.of_chart()]).collect();
    let line = |trial: &&PlottedTrial| ParallelLine {
        label: trial.label.clone(),
        values: values(trial, axes.len()).collect(),
        state: trial.state.name().to_owned(),
    };
    let lines = picture.drawn().iter().map(line).collect();
    Chart { panels: Vec::new(), parallel: Some(ParallelChart { axes, lines }) }
}

#[cfg(test)]
mod tests {
    use super::super::check::{is_sound, texts_are_apart_and_inside};
    use super::super::hyperparameter_axis::HyperparameterScale;
    use super::super::trials::fixtures;
    use super::*;

    #[test]
    fn names_and_ticks_are_there_and_apart() {
        let figure = figure(&fixtures::picture(60)).unwrap();
        texts_are_apart_and_inside(&figure.scene);
        let labels =
            ["learning_rate (log)", "0.001", "32", "adamw", "validation mse", "trial 57", "failed (8)"];
        is_sound(&figure.render().unwrap(), &labels);
    }

    #[test]
    fn a_failed_trial_has_no_objective_and_every_trial_has_a_line() {
        let chart = figure(&fixtures::picture(60)).unwrap().chart;
        let parallel = chart.parallel.unwrap();
        assert_eq!((parallel.axes.len(), parallel.lines.len()), (4, 60));
        let failed = parallel.lines.iter().find(|line| line.state == "failed").unwrap();
        assert!(failed.values[0].is_some() && failed.values[3].is_none());
        let pruned = parallel.lines.iter().find(|line| line.state == "pruned").unwrap();
        assert!(pruned.values[3].is_some());
    }

    #[test]
    fn crowded_ticks_are_thinned_and_eight_axes_with_long_names_fit() {
        let values: Vec<f64> = (0..60).map(f64::from).collect();
        let mut picture = fixtures::picture(3);
        picture.axes = (0..8)
            .map(|index| HyperparameterAxis {
                name: format!("a_long_name_{index}"),
                scale: HyperparameterScale::Numbers { values: values.clone(), log: false },
            })
            .collect();
        for trial in &mut picture.trials {
            trial.values = vec![Some(3.0); 8];
        }
        texts_are_apart_and_inside(&figure(&picture).unwrap().scene);
    }

    #[test]
    fn thousands_of_lines_stay_a_picture_of_bounded_size() {
        let plot = parallel_coordinates(&fixtures::picture(9000)).unwrap();
        assert!(plot.svg.len() < 1_500_000, "{}", plot.svg.len());
    }
}
