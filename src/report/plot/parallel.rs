//! Parallel coordinates: every trial of a search as a line through its hyperparameter values to its score.

use anyhow::{Result, ensure};

use super::font::{self, Weight};
use super::frame::{self, LegendEntry, LegendKey};
use super::scale::is_drawable;
use super::scene::{Align, Scene, ScenePoint, TextStyle, text_extent};
use super::theme::{
    AXIS, BACKGROUND, GREY_LINE, INK, LABEL_SIZE, MARGIN, MUTED, TICK_SIZE, WIDTH, lighter, series_colour,
};
use super::{Chart, Figure, Plot};

const HEIGHT: f64 = 300.0;
/// Share of the trials that is drawn in colour.
const BEST_SHARE: f64 = 0.1;

/// One vertical axis, from 0 at its foot to 1 at its head.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedAxis {
    /// Name of the hyperparameter, or of the score.
    pub name: String,
    /// Positions with their labels.
    pub ticks: Vec<(f64, String)>,
}

/// One trial.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedTrial {
    /// Its position on each axis.
    pub positions: Vec<f64>,
    /// Its values, for its tooltip.
    pub label: String,
}

/// Draws trials, given from best to worst, through `axes`, of which the last is the score. The best tenth is in colour.
///
/// # Errors
/// If there are fewer than two axes or no trial with a finite position on each.
pub fn parallel_coordinates(title: &str, axes: &[PlacedAxis], trials: &[PlacedTrial]) -> Result<Plot> {
    figure(title, axes, trials)?.render()
}

fn figure(title: &str, axes: &[PlacedAxis], trials: &[PlacedTrial]) -> Result<Figure> {
    ensure!(axes.len() >= 2, "parallel coordinates need two axes");
    let whole: Vec<&PlacedTrial> = trials
        .iter()
        .filter(|trial| trial.positions.len() == axes.len())
        .filter(|trial| trial.positions.iter().all(|position| is_drawable(*position)))
        .collect();
    ensure!(!whole.is_empty(), "no trial has a finite score to draw");
    let best = ((whole.len() as f64 * BEST_SHARE).ceil() as usize).max(1);

    let mut scene = Scene::default();
    let entries = [
        LegendEntry::new(LegendKey::Line(series_colour(0)), "best tenth"),
        LegendEntry::new(LegendKey::Line(lighter(GREY_LINE, 0.4)), "other trials"),
    ];
    let header_end = frame::header(&mut scene, title, &entries[..if best < whole.len() { 2 } else { 1 }]);
    let (top, bottom) = (header_end + 34.0, header_end + 34.0 + HEIGHT);
    let spacing = (WIDTH - 2.0 * MARGIN) / axes.len() as f64;
    let at = |axis: usize, position: f64| -> ScenePoint {
        (MARGIN + spacing * (axis as f64 + 0.5), bottom - (bottom - top) * position.clamp(0.0, 1.0))
    };
    // The best are drawn last, so that the others do not cover them.
    for (rank, trial) in whole.iter().enumerate().rev() {
        let points: Vec<ScenePoint> =
            trial.positions.iter().enumerate().map(|(axis, position)| at(axis, *position)).collect();
        let is_best = rank < best;
        let colour = if is_best { series_colour(0) } else { lighter(GREY_LINE, 0.4) };
        if let Some(last) = points.last() {
            scene.tip(*last, trial.label.clone());
        }
        scene.path(points, if is_best { 1.8 } else { 1.0 }, colour);
    }
    for (index, axis) in axes.iter().enumerate() {
        let ((x, foot), (_, head)) = (at(index, 0.0), at(index, 1.0));
        scene.line((x, foot), (x, head), 1.4, AXIS);
        let score = index + 1 == axes.len();
        let weight = if score { Weight::SemiBold } else { Weight::Regular };
        let name = font::fit(&axis.name, LABEL_SIZE, weight, spacing - 12.0);
        let style = TextStyle { weight, align: Align::Center, ..TextStyle::default() };
        scene.text((x, head - 18.0), &name, style);
        draw_ticks(&mut scene, axis, |position| at(index, position), spacing);
    }
    frame::finish(&mut scene, bottom + 8.0, &[]);
    let names: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
    let alt = format!("Parallel coordinates of {} trials over {}.", whole.len(), names.join(", "));
    Ok(Figure {
        name: "parallel-coordinates".to_owned(),
        title: title.to_owned(),
        alt,
        scene,
        chart: Chart::default(),
    })
}

/// Labels right of their axis, each on a patch that hides the lines behind it; one that would run into another is left
/// out.
fn draw_ticks(scene: &mut Scene, axis: &PlacedAxis, at: impl Fn(f64) -> ScenePoint, spacing: f64) {
    let style = TextStyle { size: TICK_SIZE, colour: INK, ..TextStyle::default() };
    let mut taken: Vec<f64> = Vec::new();
    for (position, label) in &axis.ticks {
        let (x, y) = at(*position);
        scene.line((x - 3.0, y), (x + 3.0, y), 1.2, MUTED);
        if taken.iter().any(|other| (other - y).abs() < TICK_SIZE + 3.0) {
            continue;
        }
        taken.push(y);
        let label = font::fit(label, TICK_SIZE, Weight::Regular, spacing / 2.0 - 10.0);
        let (left, right) = text_extent(x + 8.0, &label, &style);
        scene.rect((left - 2.0, y - 8.0), (right + 2.0, y + 8.0), BACKGROUND);
        scene.text((x + 8.0, y), &label, style);
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{is_sound, texts_are_apart_and_inside};
    use super::*;

    fn axis(name: &str, labels: &[&str]) -> PlacedAxis {
        let last = (labels.len() - 1).max(1) as f64;
        let ticks =
            labels.iter().enumerate().map(|(index, label)| (index as f64 / last, (*label).to_owned()));
        PlacedAxis { name: name.to_owned(), ticks: ticks.collect() }
    }

    fn trials(count: usize, axes: usize) -> Vec<PlacedTrial> {
        (0..count)
            .map(|index| PlacedTrial {
                positions: (0..axes).map(|axis| ((index * (axis + 3)) % 11) as f64 / 10.0).collect(),
                label: format!("trial {index}"),
            })
            .collect()
    }

    #[test]
    fn names_and_ticks_are_there_and_apart() {
        let axes = [
            axis("hidden", &["16", "32", "64"]),
            axis("learning_rate", &["1e-4", "1e-3"]),
            axis("mse", &["0.1", "0.9"]),
        ];
        let figure = figure("Trials of lstm", &axes, &trials(40, 3)).unwrap();
        texts_are_apart_and_inside(&figure.scene);
        is_sound(&figure.render().unwrap(), &["hidden", "learning_rate", "0.9", "best tenth", "trial 39"]);
    }

    #[test]
    fn crowded_ticks_are_thinned_and_eight_axes_fit() {
        let labels: Vec<String> = (0..60).map(|index| index.to_string()).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let axes: Vec<PlacedAxis> =
            (0..8).map(|index| axis(&format!("a_long_name_{index}"), &labels)).collect();
        texts_are_apart_and_inside(&figure("t", &axes, &trials(3, 8)).unwrap().scene);
    }

    #[test]
    fn trials_without_a_finite_score_are_left_out() {
        let axes = [axis("x", &["1"]), axis("mse", &["1"])];
        let odd = PlacedTrial { positions: vec![0.5, f64::NAN], label: String::new() };
        assert!(figure("t", &axes, &[odd]).is_err());
        assert!(figure("t", &axes[..1], &trials(2, 1)).is_err());
    }
}
