//! Profiles of columns over a shared axis: a line of means within a band, in panels below each other.

use anyhow::{Context, Result, ensure};

use super::axis::{PlotAxis, Tick};
use super::bands::Band;
use super::chart::shortened;
use super::frame::{self, LegendEntry, LegendKey, Panel};
use super::scale::{Extent, PanelScales, is_drawable};
use super::scene::{Scene, ScenePoint};
use super::theme::{lighter, series_colour};
use super::time::TimeOrigin;
use super::{AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries, Figure, Plot};
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
    /// Its quantity; times have a title of their own.
    pub title: String,
    /// Edges of its parts, one more than there are parts.
    pub edges: Vec<f64>,
    /// What its parts are.
    pub parts: ProfileParts,
}

/// What the parts of the axis are.
#[derive(Debug, Clone, PartialEq)]
pub enum ProfileParts {
    /// Stretches of time, in seconds.
    Times(TimeOrigin),
    /// Names, each in the middle of its part.
    Names(Vec<String>),
}

impl ProfileAxis {
    fn plot_axis(&self) -> Result<PlotAxis> {
        let span = Extent::of(self.edges.iter().copied()).context("no edge is finite")?;
        Ok(match &self.parts {
            ProfileParts::Times(origin) => origin.axis(span, 8),
            ProfileParts::Names(names) => {
                let middles = self.edges.windows(2).map(|edges| f64::midpoint(edges[0], edges[1]));
                let ticks = middles.zip(names).map(|(value, name)| Tick { value, label: name.clone() });
                PlotAxis::linear(self.title.as_str(), span.widened(0.0), 12).with_ticks(ticks)
            }
        })
    }

    /// Where an edge lies on the axis.
    fn placed(&self, edge: f64) -> f64 {
        if let ProfileParts::Times(origin) = self.parts { origin.at(edge) } else { edge }
    }

    /// The axis for a page's script, and the middle of each part on it.
    fn chart_axis(&self) -> (ChartAxis, Vec<f64>) {
        match &self.parts {
            ProfileParts::Times(origin) => {
                let span = Extent::of(self.edges.iter().copied()).unwrap_or(Extent { lo: 0.0, hi: 0.0 });
                let (axis, unit) = origin.chart_axis(span);
                let middle =
                    |edges: &[f64]| f64::midpoint(self.placed(edges[0]), self.placed(edges[1])) / unit;
                (axis, self.edges.windows(2).map(middle).collect())
            }
            ProfileParts::Names(names) => {
                let axis = ChartAxis::of_categories(self.title.as_str(), names.clone());
                (axis, (0..names.len()).map(|index| index as f64).collect())
            }
        }
    }
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
        chart: Chart::of(panels.iter().map(|data| chart_panel(axis, band, data)).collect()),
    })
}

/// One column as data: a point in the middle of each part.
fn chart_panel(axis: &ProfileAxis, band: &str, data: &ProfilePanel) -> ChartPanel {
    let (x, middles) = axis.chart_axis();
    let ends = data.band.lower.iter().zip(&data.band.upper);
    let ends =
        middles.iter().zip(ends).map(|(at, (lower, upper))| [*at, shortened(*lower), shortened(*upper)]);
    let mean = middles.iter().zip(&data.mean).map(|(at, mean)| [*at, shortened(*mean)]);
    let colour = series_colour(0);
    ChartPanel {
        title: data.title.clone(),
        x,
        y: ChartAxis::new(data.title.as_str(), AxisKind::Value),
        series: vec![
            ChartSeries::new(band, lighter(colour, 0.75), ChartMarks::Band { points: ends.collect() }),
            ChartSeries::new("mean", colour, ChartMarks::Line { points: mean.collect(), dashed: false }),
        ],
    }
}

/// Draws one column below `y` and returns where its panel ends.
fn panel(scene: &mut Scene, y: f64, axis: &ProfileAxis, data: &ProfilePanel) -> Result<f64> {
    for values in [&data.mean, &data.band.lower, &data.band.upper] {
        ensure!(axis.edges.len() == values.len() + 1, "{} does not fit the axis", data.title);
    }
    let all = data.mean.iter().chain(&data.band.lower).chain(&data.band.upper).copied();
    let span = Extent::of(all).with_context(|| format!("{} has no finite value to draw", data.title))?;
    let y_axis = PlotAxis::linear(data.title.as_str(), span.widened(0.05), 4);
    let x_axis = axis.plot_axis()?;
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
            piece.extend([0, 1].map(|end| scales.at(axis.placed(edges[end]), value)));
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
        let names = (0..count).map(|part| part.to_string()).collect();
        let parts =
            if is_time { ProfileParts::Times(TimeOrigin::Date(1.7e9)) } else { ProfileParts::Names(names) };
        ProfileAxis { title: "time".to_owned(), edges, parts }
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
