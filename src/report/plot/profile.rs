//! Profiles of columns over a shared axis: a line of means within a band, in panels below each other.

use anyhow::{Context, Result, ensure};

use super::axis::PlotAxis;
use super::bands::Band;
use super::frame::{self, LegendEntry, LegendKey, Panel};
use super::scale::{Extent, PanelScales, is_drawable};
use super::scene::{Scene, ScenePoint};
use super::theme::{lighter, series_colour};
use super::{Chart, Figure, Plot};
use crate::files::file_stem;

const PANEL_HEIGHT: f64 = 110.0;
const PANEL_GAP: f64 = 60.0;

/// The profile of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfilePanel {
    /// Name of the column.
    pub title: String,
    /// Its mean in each part of the axis; NaN where it has no value.
    pub mean: Vec<f64>,
    /// The band around the mean in each part.
    pub band: Band,
}

/// The axis that the columns share.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileAxis {
    /// Its quantity, with the unit unless it is time.
    pub title: String,
    /// Edges of its parts, one more than there are parts.
    pub edges: Vec<f64>,
    /// Whether it counts seconds, which are labelled as time.
    pub is_time: bool,
}

/// Draws the columns under one title. `band` names the band in the legend; `note` is the sentence below the panels.
///
/// # Errors
/// If there is no panel, or one without a finite value or with lists of another length than the axis.
pub fn profile_panels(
    title: &str,
    band: &str,
    axis: &ProfileAxis,
    panels: &[ProfilePanel],
    note: &str,
) -> Result<Plot> {
    figure(title, band, axis, panels, note)?.render()
}

fn figure(
    title: &str,
    band: &str,
    axis: &ProfileAxis,
    panels: &[ProfilePanel],
    note: &str,
) -> Result<Figure> {
    ensure!(!panels.is_empty(), "there is no column to draw");
    let colour = series_colour(0);
    let mut scene = Scene::default();
    let legend = [
        LegendEntry::new(LegendKey::Line(colour), "mean"),
        LegendEntry::new(LegendKey::Swatch(lighter(colour, 0.75)), band),
    ];
    let mut y = frame::header(&mut scene, title, &legend);
    let mut bottom = y;
    for data in panels {
        bottom = panel(&mut scene, y, axis, data)?;
        y = bottom + PANEL_GAP;
    }
    frame::finish(&mut scene, bottom + frame::X_AXIS_HEIGHT - 4.0, &[note.to_string()]);
    let names: Vec<&str> = panels.iter().map(|panel| panel.title.as_str()).collect();
    let alt = format!("Line charts of {} over {}: mean and {band}.", names.join(", "), axis.title);
    Ok(Figure {
        name: file_stem(&["profile", title]),
        title: title.to_owned(),
        alt,
        scene,
        chart: Chart::default(),
    })
}

/// Draws one column below `y` and returns where its panel ends.
fn panel(scene: &mut Scene, y: f64, axis: &ProfileAxis, data: &ProfilePanel) -> Result<f64> {
    for values in [&data.mean, &data.band.lower, &data.band.upper] {
        ensure!(axis.edges.len() == values.len() + 1, "{} does not fit the axis", data.title);
    }
    let all = data.mean.iter().chain(&data.band.lower).chain(&data.band.upper).copied();
    let span = Extent::of(all).with_context(|| format!("{} has no finite value to draw", data.title))?;
    let y_axis = PlotAxis::linear(data.title.as_str(), span.widened(0.05), 4);
    let x_span = Extent::of(axis.edges.iter().copied()).context("no edge is finite")?.widened(0.0);
    let x_axis = if axis.is_time {
        PlotAxis::time(&axis.title, x_span, 8)
    } else {
        PlotAxis::whole(axis.title.as_str(), x_span, 12)
    };
    let panel = Panel::below(scene, y, &y_axis, PANEL_HEIGHT, 48.0);
    let scales = panel.scales(&x_axis, &y_axis);
    frame::x_grid(scene, &panel, &x_axis);
    let band = lighter(series_colour(0), 0.75);
    scene.bands(steps(axis, &data.band.lower, scales), steps(axis, &data.band.upper, scales), band);
    frame::y_grid(scene, &panel, &y_axis);
    for run in steps(axis, &data.mean, scales) {
        scene.path(run, 1.5, series_colour(0));
    }
    frame::x_axis(scene, &panel, &x_axis);
    Ok(panel.bottom)
}

/// The outline of values that each hold for a part of the axis, one piece for each stretch without a gap.
fn steps(axis: &ProfileAxis, values: &[f64], scales: PanelScales) -> Vec<Vec<ScenePoint>> {
    let mut pieces: Vec<Vec<ScenePoint>> = vec![Vec::new()];
    for (edges, &value) in axis.edges.windows(2).zip(values) {
        if !is_drawable(value) {
            pieces.push(Vec::new());
        } else if let Some(piece) = pieces.last_mut() {
            piece.extend([scales.at(edges[0], value), scales.at(edges[1], value)]);
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;
    use crate::report::plot::scale::PixelScale;

    fn data(count: usize, size: f64) -> ProfilePanel {
        let values: Vec<f64> = (0..count).map(|index| size * (10.0 + (index % 9) as f64)).collect();
        let times = |by: f64| values.iter().map(|value| value * by).collect::<Vec<f64>>();
        ProfilePanel {
            title: "OT".to_owned(),
            band: Band { lower: times(0.8), upper: times(1.3) },
            mean: values,
        }
    }

    fn axis(count: usize, is_time: bool) -> ProfileAxis {
        let edges = (0..=count).map(|edge| edge as f64 * if is_time { 90_000.0 } else { 1.0 }).collect();
        ProfileAxis { title: "time".to_owned(), edges, is_time }
    }

    #[test]
    fn the_plot_holds_its_labels_and_nothing_overlaps() {
        for (count, is_time) in [(200, true), (24, false), (7, false), (1, true)] {
            let panels = [data(count, 1.0), data(count, -1e-5), data(count, 1e9)];
            let figure = figure("Columns", "lowest to highest", &axis(count, is_time), &panels, "All.");
            let figure = figure.unwrap();
            check::texts_are_apart_and_inside(&figure.scene);
            check::is_sound(&figure.render().unwrap(), &["OT", "lowest to highest", "All."]);
        }
    }

    #[test]
    fn a_part_without_a_value_is_a_gap_and_nothing_at_all_is_an_error() {
        let mut gap = data(10, 1.0);
        gap.mean[4] = f64::NAN;
        let scale = PixelScale::new(Extent { lo: 0.0, hi: 20.0 }, false, 0.0, 100.0);
        let scales = PanelScales { x: scale, y: scale };
        assert_eq!(steps(&axis(10, false), &gap.mean, scales).len(), 2);
        let draw = |panels: &[ProfilePanel]| profile_panels("T", "b", &axis(3, false), panels, "n");
        assert!(draw(&[]).is_err() && draw(&[data(4, 1.0)]).is_err());
        assert!(draw(&[data(3, f64::NAN)]).is_err());
        assert!(draw(&[data(3, 0.0)]).is_ok());
    }
}
