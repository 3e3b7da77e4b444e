//! The history of a search: the objective of each trial in the order in which they were proposed, and the best so far.

use anyhow::Result;
use plotters::style::RGBColor;

use super::axis::PlotAxis;
use super::chart::{AxisKind, ChartAxis, ChartMarks, ChartPanel, ChartSeries};
use super::frame::{self, LegendEntry, LegendKey, Panel};
use super::objective_scale::ObjectiveScale;
use super::plotted_trial::{PlottedState, PlottedTrial};
use super::scale::Extent;
use super::scene::{Scene, TextStyle, text_extent};
use super::theme::{AXIS, GREY_LINE, INK, MARGIN, MUTED, WIDTH, lighter, series_colour};
use super::trials::{SearchPicture, chart_dots, failed_colour, mark};
use super::{Chart, Figure, Plot};

const PANEL_HEIGHT: f64 = 260.0;
/// With more epochs after which trials were pruned, the legend does not name them.
const MOST_NAMED_EPOCHS: usize = 4;
/// Least distance of two texts in a row.
const ENTRY_GAP: f64 = 20.0;

/// Draws a mark for each trial, and a line of steps for the best finished trial so far.
///
/// # Errors
/// If no trial has a finite objective.
pub fn search_history(picture: &SearchPicture) -> Result<Plot> {
    figure(picture)?.render()
}

fn figure(picture: &SearchPicture) -> Result<Figure> {
    let SearchPicture { model, metric, trials, .. } = picture;
    let scale = ObjectiveScale::of(metric, trials)?;
    let last = trials.len() as f64;
    let title = format!("{model}: {metric} of each trial, and the best so far");
    let mut scene = Scene::default();
    let header_end = frame::header(&mut scene, &title, &legend(picture));
    let panel = Panel::below(&mut scene, header_end, &scale.axis, PANEL_HEIGHT, 48.0);
    let x_axis = PlotAxis::whole("trial, in the order of the search", Extent { lo: 0.2, hi: last + 0.8 }, 10);
    frame::y_grid(&mut scene, &panel, &scale.axis);
    frame::x_axis(&mut scene, &panel, &x_axis);
    let scales = panel.scales(&x_axis, &scale.axis);
    if let Some(border) = first_learned(trials) {
        draw_border(&mut scene, &panel, scales.x.at(border), picture);
    }
    let best = best_so_far(trials);
    scene.path(best.iter().map(|[number, value]| scales.at(*number, *value)).collect(), 2.0, INK);
    let drawn = picture.drawn();
    let first_tip = SearchPicture::first_tip(drawn.len(), 1);
    for (index, trial) in drawn.into_iter().enumerate() {
        let x = scales.x.at(trial.number as f64);
        let at = mark(
            &mut scene,
            &panel,
            (x, scales.y),
            (scale.highest, picture.dot_radius()),
            trial,
            colour(trial),
        );
        if index >= first_tip {
            scene.tip(at, trial.label.clone());
        }
    }
    let sentences: Vec<String> = scale
        .sentence_about_those_above()
        .into_iter()
        .chain(picture.sentence_about_those_left_out())
        .collect();
    frame::finish(&mut scene, panel.bottom + frame::X_AXIS_HEIGHT - 8.0, &sentences);
    let alt = format!(
        "{metric} of {} trials of {model} in the order of the search, with a line of steps for the best so far.",
        trials.len()
    );
    let chart = chart(picture, &scale, best);
    Ok(Figure { name: "search-history".to_owned(), title, alt, scene, chart })
}

/// Where the trials begin that learned from others, if there are both.
fn first_learned(trials: &[PlottedTrial]) -> Option<f64> {
    let last = trials.iter().rfind(|trial| trial.is_start)?;
    let is_learned = |trial: &PlottedTrial| !trial.is_start;
    trials.iter().any(is_learned).then_some(last.number as f64 + 0.5)
}

/// A line where the trials begin that learned from others, with its name in the row of the axis' title.
fn draw_border(scene: &mut Scene, panel: &Panel, x: f64, picture: &SearchPicture) {
    scene.dashed(&[(x, panel.top), (x, panel.bottom)], (3.0, 3.0), 1.0, AXIS);
    let style = TextStyle { colour: MUTED, ..TextStyle::default() };
    let name = learned_name(picture);
    let (left, right) = text_extent(x, &name, &style);
    let title_end = text_extent(MARGIN, &picture.metric, &style).1 + ENTRY_GAP;
    if left >= title_end && right <= WIDTH - MARGIN {
        scene.text((x, panel.top - frame::Y_TITLE_HEIGHT + 12.0), &name, style);
    }
}

fn learned_name(picture: &SearchPicture) -> String {
    format!("{} learns from here on", picture.strategy)
}

/// Trials that learned from others are in full colour.
fn colour(trial: &PlottedTrial) -> RGBColor {
    match trial.state {
        PlottedState::Done if trial.is_start => lighter(series_colour(0), 0.5),
        PlottedState::Done => series_colour(0),
        PlottedState::Pruned(_) => GREY_LINE,
        PlottedState::Failed => failed_colour(),
    }
}

/// Corners of the line through the best objective of the finished trials so far, up to the last trial.
fn best_so_far(trials: &[PlottedTrial]) -> Vec<[f64; 2]> {
    let mut corners: Vec<[f64; 2]> = Vec::new();
    for trial in trials.iter().filter(|trial| trial.state == PlottedState::Done) {
        let Some(value) = trial.height() else { continue };
        let number = trial.number as f64;
        match corners.last() {
            Some([_, best]) if value >= *best => {}
            Some([_, best]) => corners.extend([[number, *best], [number, value]]),
            None => corners.push([number, value]),
        }
    }
    let end = trials.last().map_or(0.0, |trial| trial.number as f64);
    corners.extend(corners.last().filter(|[number, _]| *number < end).map(|[_, best]| [end, *best]));
    corners
}

/// The name of a finished trial by what proposed it.
fn proposer(picture: &SearchPicture, is_start: bool) -> String {
    if is_start { format!("start of {}", picture.strategy) } else { picture.strategy.clone() }
}

fn legend(picture: &SearchPicture) -> Vec<LegendEntry> {
    let done = |is_start: bool| {
        let mut own = picture.trials.iter().filter(|trial| trial.state == PlottedState::Done);
        let first = own.find(|trial| trial.is_start == is_start)?;
        Some(LegendEntry::new(LegendKey::Dot(colour(first)), proposer(picture, is_start)))
    };
    let mut entries: Vec<LegendEntry> = [true, false].into_iter().filter_map(done).collect();
    let keys = [LegendKey::Ring(GREY_LINE), LegendKey::Tick(failed_colour())];
    let mut others = picture.other_entries(keys);
    let epochs = pruned_epochs(picture);
    if !epochs.is_empty() && epochs.len() <= MOST_NAMED_EPOCHS {
        let parts: Vec<String> = epochs.iter().map(|(epoch, count)| format!("{epoch} ({count})")).collect();
        others[0].label = format!("pruned after epoch {}", parts.join(", "));
    }
    entries.append(&mut others);
    entries.push(LegendEntry::new(LegendKey::Line(INK), "best so far"));
    entries
}

/// The epochs after which trials were pruned, with how many were.
fn pruned_epochs(picture: &SearchPicture) -> Vec<(i64, usize)> {
    let mut epochs = std::collections::BTreeMap::new();
    for trial in &picture.trials {
        if let PlottedState::Pruned(epoch) = trial.state {
            *epochs.entry(epoch).or_insert(0) += 1;
        }
    }
    epochs.into_iter().collect()
}

fn chart(picture: &SearchPicture, scale: &ObjectiveScale, best: Vec<[f64; 2]>) -> Chart {
    let drawn = picture.drawn();
    let few_epochs = pruned_epochs(picture).len() <= MOST_NAMED_EPOCHS;
    let name = |trial: &PlottedTrial| match trial.state {
        PlottedState::Done => proposer(picture, trial.is_start),
        PlottedState::Pruned(epoch) if few_epochs => format!("pruned after epoch {epoch}"),
        state => state.name().to_owned(),
    };
    let groups = crate::compare::group_by(drawn, |trial| name(trial));
    let mut series: Vec<ChartSeries> = groups
        .into_iter()
        .filter_map(|(name, trials)| {
            let colour = colour(trials[0]);
            let placed: Vec<(f64, &PlottedTrial)> =
                trials.into_iter().map(|trial| (trial.number as f64, trial)).collect();
            chart_dots(&name, colour, &placed, scale.highest, |trial| trial.label.clone())
        })
        .collect();
    let border = first_learned(&picture.trials);
    series.extend(border.map(|x| {
        let rule = ChartMarks::Rule { x: Some(x), y: None };
        ChartSeries::new(learned_name(picture), AXIS, rule)
    }));
    series.push(ChartSeries::new("best so far", INK, ChartMarks::Line { points: best, dashed: false }));
    Chart::of(vec![ChartPanel {
        title: String::new(),
        x: ChartAxis::new("trial", AxisKind::Value),
        y: scale.of_chart(),
        series,
    }])
}

#[cfg(test)]
mod tests {
    use super::super::check::{is_sound, texts_are_apart_and_inside};
    use super::super::trials::fixtures;
    use super::*;

    #[test]
    fn the_best_so_far_goes_down_in_steps_to_the_last_trial() {
        let mut trials = fixtures::picture(7).trials;
        let objectives = [0.9, 0.95, 0.7, 0.8, 0.1, 0.7, 0.0];
        for (trial, objective) in trials.iter_mut().zip(objectives) {
            trial.objective = Some(objective);
        }
        // The fifth was pruned and the seventh failed: neither has a result.
        assert_eq!(best_so_far(&trials), [[1.0, 0.9], [3.0, 0.9], [3.0, 0.7], [7.0, 0.7]]);
        assert!(best_so_far(&[]).is_empty());
    }

    #[test]
    fn start_pruned_and_failed_trials_are_told_apart() {
        let picture = fixtures::picture(60);
        let figure = figure(&picture).unwrap();
        texts_are_apart_and_inside(&figure.scene);
        let names: Vec<&str> =
            figure.chart.panels[0].series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "failed",
                "pruned after epoch 1",
                "pruned after epoch 3",
                "tpe",
                "start of tpe",
                "tpe learns from here on",
                "best so far"
            ]
        );
        let labels = ["start of tpe", "failed (8)", "pruned after epoch 1 (", "best so far", "trial 60"];
        is_sound(&figure.render().unwrap(), &labels);
    }

    #[test]
    fn a_search_of_thousands_stays_a_picture_of_bounded_size() {
        let plot = search_history(&fixtures::picture(9000)).unwrap();
        assert!(plot.svg.len() < 1_000_000 && plot.svg.contains("Of 9000 trials,"), "{}", plot.svg.len());
    }
}
