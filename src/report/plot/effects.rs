//! One-way effects: the objective of every trial against each hyperparameter alone, beside the importance of each.

use anyhow::{Result, ensure};

use super::chart::{ChartMarks, ChartPanel, ChartSeries};
use super::frame::{self, LegendEntry, LegendKey, Panel};
use super::hyperparameter_axis::HyperparameterAxis;
use super::importance::{self, ImportanceBars, draw_importance};
use super::objective_scale::ObjectiveScale;
use super::plotted_trial::{PlottedState, PlottedTrial};
use super::scale::is_drawable;
use super::scene::Scene;
use super::theme::{GREY_LINE, INK, MARGIN, WIDTH};
use super::trials::{SearchPicture, chart_dots, failed_colour, mark, state_colour};
use super::{Chart, Figure, Plot};
use crate::compare::group_by;

const MOST_COLUMNS: usize = 3;
const PANEL_HEIGHT: f64 = 170.0;
/// Height of a panel's title above it and of the labels below it.
const TITLE_HEIGHT: f64 = 32.0;
const LABELS_HEIGHT: f64 = 34.0;
const GAP: f64 = 26.0;
/// Stretches of an axis whose medians are joined by a line.
const BINS: usize = 8;

/// Draws the importance of the hyperparameters, or the sentence why it is unknown, and a panel for each of them: a mark for
/// each trial, and a line through the medians of the finished ones.
///
/// # Errors
/// If no trial has a finite objective.
pub fn importance_and_effects(
    picture: &SearchPicture,
    importance: Result<&ImportanceBars, &str>,
) -> Result<Plot> {
    figure(picture, importance)?.render()
}

fn figure(picture: &SearchPicture, importance: Result<&ImportanceBars, &str>) -> Result<Figure> {
    let SearchPicture { model, metric, axes, trials, .. } = picture;
    ensure!(!axes.is_empty(), "there is no hyperparameter to draw");
    let scale = ObjectiveScale::of(metric, trials)?;
    let title = format!("{model}: which hyperparameters matter, and {metric} against each");
    let mut scene = Scene::default();
    let mut entries = vec![scale.legend()];
    entries.extend(picture.other_entries([LegendKey::Ring(GREY_LINE), LegendKey::Tick(failed_colour())]));
    entries.push(LegendEntry::new(LegendKey::Line(INK), "median of finished trials"));
    let header_end = frame::header(&mut scene, &title, &entries);

    let labels = frame::label_width(&scale.axis);
    let columns = columns(axes, labels);
    let width = cell_width(columns);
    let cell = |index: usize| {
        let left = MARGIN + (index % columns) as f64 * (width + GAP);
        let row = (index / columns) as f64 * (TITLE_HEIGHT + PANEL_HEIGHT + LABELS_HEIGHT);
        let top = header_end + TITLE_HEIGHT + row;
        Panel { left, top, right: left + width, bottom: top + PANEL_HEIGHT }
    };
    draw_importance(&mut scene, &cell(0), importance);
    let mut last = cell(0).bottom;
    for (index, axis) in axes.iter().enumerate() {
        let cell = cell(index + 1);
        let panel = Panel { left: cell.left + labels, ..cell };
        frame::panel_title(&mut scene, (cell.left, cell.top - 16.0), &axis.title(), width);
        draw_panel(&mut scene, &panel, &scale, picture, index);
        last = last.max(panel.bottom);
    }
    let sentences: Vec<String> = scale
        .sentence_about_those_above()
        .into_iter()
        .chain(picture.sentence_about_those_left_out())
        .collect();
    frame::finish(&mut scene, last + LABELS_HEIGHT - 8.0, &sentences);
    let names: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
    let names = names.join(", ");
    let alt = format!("Importance of {names} for {model}, and {metric} of every trial against each of them.");
    let chart = chart(picture, &scale, importance.ok());
    Ok(Figure { name: "hyperparameters".to_owned(), title, alt, scene, chart })
}

fn cell_width(columns: usize) -> f64 {
    (WIDTH - 2.0 * MARGIN - GAP * (columns - 1) as f64) / columns as f64
}

/// As many columns as there are cells and as let all names of values be read.
fn columns(axes: &[HyperparameterAxis], labels: f64) -> usize {
    let cells = axes.len() + 1;
    // Four cells fill two rows of two.
    let most = if cells == 4 { 2 } else { cells.min(MOST_COLUMNS) };
    let has_room = |columns: &usize| axes.iter().all(|axis| axis.has_room(cell_width(*columns) - labels));
    (1..=most).rev().find(has_room).unwrap_or(1)
}

/// The trials with their value on an axis.
fn placed<'a>(
    trials: impl IntoIterator<Item = &'a PlottedTrial>,
    axis: usize,
) -> Vec<(f64, &'a PlottedTrial)> {
    let value =
        |trial: &PlottedTrial| trial.values.get(axis).copied().flatten().filter(|value| is_drawable(*value));
    trials.into_iter().filter_map(|trial| Some((value(trial)?, trial))).collect()
}

fn draw_panel(
    scene: &mut Scene,
    panel: &Panel,
    scale: &ObjectiveScale,
    picture: &SearchPicture,
    axis: usize,
) {
    let x_axis = picture.axes[axis].horizontal(panel.right - panel.left);
    frame::y_grid(scene, panel, &scale.axis);
    frame::x_axis(scene, panel, &x_axis);
    let scales = panel.scales(&x_axis, &scale.axis);
    let drawn = placed(picture.drawn(), axis);
    let first_tip = SearchPicture::first_tip(drawn.len(), picture.axes.len());
    for (index, (value, trial)) in drawn.iter().enumerate() {
        let colour = state_colour(trial, scale);
        let at = mark(
            scene,
            panel,
            (scales.x.at(*value), scales.y),
            (scale.highest, picture.dot_radius()),
            trial,
            colour,
        );
        if index >= first_tip {
            scene.tip(at, trial.label.clone());
        }
    }
    let place = x_axis.scale(0.0, 1.0);
    let medians = medians(&placed(&picture.trials, axis), |value| place.at(value));
    let line = medians.iter().map(|[value, objective]| scales.at(*value, *objective)).collect();
    scene.path(line, 2.0, INK);
}

/// Median value and median objective of the finished trials in each stretch of an axis that holds one; of few distinct
/// values, of each of them. `place` gives the place of a value from 0 to 1.
fn medians(trials: &[(f64, &PlottedTrial)], place: impl Fn(f64) -> f64) -> Vec<[f64; 2]> {
    let mut sorted: Vec<(f64, f64)> = trials
        .iter()
        .filter(|(_, trial)| trial.state == PlottedState::Done)
        .filter_map(|(value, trial)| Some((*value, trial.height()?)))
        .collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut distinct: Vec<f64> = sorted.iter().map(|point| point.0).collect();
    distinct.dedup();
    let stretch = |value: f64| {
        if distinct.len() <= BINS {
            distinct.partition_point(|other| *other < value)
        } else {
            ((place(value) * BINS as f64) as usize).min(BINS - 1)
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
            let [values, objectives] = [|point: &(f64, f64)| point.0, |point: &(f64, f64)| point.1];
            [median(points.iter().map(values).collect()), median(points.iter().map(objectives).collect())]
        })
        .collect()
}

fn chart(picture: &SearchPicture, scale: &ObjectiveScale, importance: Option<&ImportanceBars>) -> Chart {
    let effect = |(index, axis): (usize, &HyperparameterAxis)| {
        let drawn = placed(picture.drawn(), index);
        let colour = |trial: &PlottedTrial| state_colour(trial, scale);
        let groups = group_by(drawn, |(_, trial)| {
            let plotters::style::RGBColor(red, green, blue) = colour(trial);
            (trial.state.name(), [red, green, blue])
        });
        let label = |trial: &PlottedTrial| trial.label.clone();
        let dots = groups.into_iter().filter_map(|((name, _), trials)| {
            chart_dots(name, colour(trials[0].1), &trials, scale.highest, label)
        });
        let place = axis.horizontal(cell_width(MOST_COLUMNS)).scale(0.0, 1.0);
        let points = medians(&placed(&picture.trials, index), |value| place.at(value));
        let median =
            ChartSeries::new("median of finished trials", INK, ChartMarks::Line { points, dashed: false });
        ChartPanel {
            title: axis.title(),
            x: axis.of_chart(),
            y: scale.of_chart(),
            series: dots.chain([median]).collect(),
        }
    };
    let effects = picture.axes.iter().enumerate().map(effect);
    Chart::of(importance.map(importance::chart_panel).into_iter().chain(effects).collect())
}

#[cfg(test)]
mod tests {
    use super::super::check::{is_sound, texts_are_apart_and_inside};
    use super::super::hyperparameter_axis::HyperparameterScale;
    use super::super::trials::fixtures;
    use super::*;

    fn bars() -> ImportanceBars {
        let shares = [("learning_rate", 0.8), ("hidden", 0.2), ("optimizer", 0.0)];
        ImportanceBars {
            shares: shares.map(|(name, share)| (name.to_owned(), share)).to_vec(),
            explained: 0.9,
        }
    }

    #[test]
    fn panels_are_apart_for_one_to_seven_hyperparameters() {
        for count in 1..=7 {
            let mut picture = fixtures::picture(40);
            let own = picture.axes.clone();
            picture.axes = own.iter().cycle().take(count).cloned().collect();
            for trial in &mut picture.trials {
                trial.values = trial.values.iter().cycle().take(count).copied().collect();
            }
            let figure = figure(&picture, Ok(&bars())).unwrap();
            texts_are_apart_and_inside(&figure.scene);
            assert_eq!(figure.chart.panels.len(), count + 1);
            is_sound(
                &figure.render().unwrap(),
                &["learning_rate (log)", "0.001", "importance", "median", "failed (5)"],
            );
        }
    }

    #[test]
    fn long_names_of_values_get_wider_panels() {
        let mut picture = fixtures::picture(20);
        let names = ["a schedule that falls in steps", "a schedule that falls along a cosine"];
        picture.axes[2].scale = HyperparameterScale::Names(names.map(str::to_owned).to_vec());
        let figure = figure(&picture, Err("it takes 10 finished trials, and 4 finished")).unwrap();
        texts_are_apart_and_inside(&figure.scene);
        is_sound(&figure.render().unwrap(), &names);
    }

    #[test]
    fn the_charts_have_the_colours_of_the_objective_and_the_true_values() {
        let picture = fixtures::picture(40);
        let figure = figure(&picture, Ok(&bars())).unwrap();
        let panel = &figure.chart.panels[1];
        let done: Vec<&ChartSeries> = panel.series.iter().filter(|series| series.name == "done").collect();
        assert!(done.len() > 3, "one series for each colour");
        let points = panel.series.iter().filter_map(|series| match &series.marks {
            ChartMarks::Dots { points, .. } => Some(points.len()),
            _ => None,
        });
        assert_eq!(points.sum::<usize>(), 40, "every trial is there");
    }

    #[test]
    fn few_values_have_a_median_each_and_many_share_stretches() {
        let picture = fixtures::picture(4);
        let hidden: Vec<[f64; 2]> = medians(&placed(&picture.trials, 1), |value| value / 64.0);
        assert_eq!(hidden.iter().map(|point| point[0]).collect::<Vec<_>>(), [16.0, 32.0, 64.0]);
        let mut many = fixtures::picture(1).trials[0].clone();
        many.values = vec![None];
        let trials: Vec<PlottedTrial> =
            (0..100).map(|at| PlottedTrial { values: vec![Some(f64::from(at))], ..many.clone() }).collect();
        assert_eq!(medians(&placed(&trials, 0), |value| value / 99.0).len(), BINS);
    }

    #[test]
    fn nothing_finite_is_an_error() {
        let mut picture = fixtures::picture(3);
        for trial in &mut picture.trials {
            trial.objective = None;
        }
        assert!(figure(&picture, Ok(&bars())).is_err());
    }
}
