//! Values over bins of one axis: profiles, histograms, autocorrelations.

use anyhow::{Result, ensure};

use super::axis::{PlotAxis, Tick};
use super::chart::shortened;
use super::frame::{self, Panel};
use super::scale::{Extent, PanelScales, is_drawable};
use super::scene::Scene;
use super::theme::{AXIS, lighter, series_colour};
use super::time::TimeOrigin;
use super::{AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries, Figure, Plot};
use crate::files::file_stem;

const PANEL_HEIGHT: f64 = 200.0;
/// Of each panel where there are several.
const SMALL_PANEL_HEIGHT: f64 = 110.0;
const PANEL_GAP: f64 = 60.0;

/// What the bins of an axis are.
#[derive(Debug, Clone, PartialEq)]
pub enum BinAxis {
    /// Ranges of any numbers.
    Numbers,
    /// Ranges of positive numbers on a logarithmic axis.
    Logarithmic,
    /// Numbers that are counted, each in the middle of its bin.
    Counts,
    /// Stretches of time, in seconds.
    Times(TimeOrigin),
    /// Lengths of time in seconds, each in the middle of its bin.
    Durations,
    /// Names, each in the middle of its bin.
    Names(Vec<String>),
}

/// One value for each bin of an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct BinnedBars {
    /// Title of the plot.
    pub title: String,
    /// Quantity and unit of the bins; a time has its own.
    pub x_title: String,
    /// Quantity and unit of the values.
    pub y_title: String,
    /// Edges of the bins, one more than there are values, increasing.
    pub edges: Vec<f64>,
    /// The values, of either sign.
    pub values: Vec<f64>,
    /// What the bins are.
    pub axis: BinAxis,
    /// The sentence below the plot.
    pub note: String,
}

/// Draws a bar for each bin, from zero to its value.
///
/// # Errors
/// If there is no value, if one is not finite, or if the edges do not fit.
pub fn binned_bars(bars: &BinnedBars) -> Result<Plot> {
    figure(bars)?.render()
}

/// Draws several of them below each other under one title; their own titles stand above their axes.
///
/// # Errors
/// As [`binned_bars`], and if there is none.
pub fn bar_panels(title: &str, panels: &[BinnedBars], note: &str) -> Result<Plot> {
    panels_figure(title, panels, note)?.render()
}

fn figure(bars: &BinnedBars) -> Result<Figure> {
    let mut scene = Scene::default();
    let header_end = frame::header(&mut scene, &bars.title, &[]);
    let bottom = panel(&mut scene, header_end, &bars.y_title, bars, PANEL_HEIGHT)?;
    frame::finish(&mut scene, bottom + frame::X_AXIS_HEIGHT - 4.0, std::slice::from_ref(&bars.note));
    let alt = format!("Bars of {} over {}. {}", bars.y_title, bars.x_title, bars.note);
    Ok(Figure {
        name: file_stem(&["bars", &bars.title]),
        title: bars.title.clone(),
        alt,
        scene,
        chart: Chart::of(vec![chart_panel(bars, &bars.y_title)]),
    })
}

fn panels_figure(title: &str, panels: &[BinnedBars], note: &str) -> Result<Figure> {
    ensure!(!panels.is_empty(), "there is no panel to draw");
    let mut scene = Scene::default();
    let mut y = frame::header(&mut scene, title, &[]);
    let mut bottom = y;
    for bars in panels {
        bottom = panel(&mut scene, y, &bars.title, bars, SMALL_PANEL_HEIGHT)?;
        y = bottom + PANEL_GAP;
    }
    frame::finish(&mut scene, bottom + frame::X_AXIS_HEIGHT - 4.0, &[note.to_string()]);
    let names: Vec<&str> = panels.iter().map(|bars| bars.title.as_str()).collect();
    let alt = format!("{title}: bars for {}. {note}", names.join(", "));
    Ok(Figure {
        name: file_stem(&["bars", title]),
        title: title.to_owned(),
        alt,
        scene,
        chart: Chart::of(panels.iter().map(|bars| chart_panel(bars, &bars.title)).collect()),
    })
}

/// Draws one axis of bars below `y`, with a text above it, and returns where it ends.
fn panel(scene: &mut Scene, y: f64, above: &str, bars: &BinnedBars, height: f64) -> Result<f64> {
    ensure!(!bars.values.is_empty(), "there is no value to draw");
    ensure!(bars.edges.len() == bars.values.len() + 1, "the edges do not fit the values");
    ensure!(bars.values.iter().all(|value| is_drawable(*value)), "a value cannot be drawn");
    let highest = bars.values.iter().copied().fold(0.0, f64::max);
    let lowest = bars.values.iter().copied().fold(0.0, f64::min);
    let y_span = Extent { lo: lowest * 1.1, hi: highest * 1.1 }.widened(0.0);
    let y_axis = PlotAxis::linear(above, y_span, if height < PANEL_HEIGHT { 4 } else { 5 });
    let x_axis = x_axis(bars);
    let panel = Panel::below(scene, y, &y_axis, height, 0.0);
    frame::y_grid(scene, &panel, &y_axis);
    let PanelScales { x, y } = panel.scales(&x_axis, &y_axis);
    let colour = lighter(series_colour(0), 0.35);
    // Bars closer than two pixels would vanish behind the gaps between them.
    let gap = if (panel.right - panel.left) / bars.values.len() as f64 > 4.0 { 0.5 } else { 0.0 };
    for (edges, value) in bars.edges.windows(2).zip(&bars.values).filter(|(_, value)| **value != 0.0) {
        let corner = (x.at(placed(bars, edges[0])) + gap, y.at(value.max(0.0)));
        let other = (x.at(placed(bars, edges[1])) - gap, y.at(value.min(0.0)));
        scene.rect(corner, other, colour);
    }
    scene.line((panel.left, y.at(0.0)), (panel.right, y.at(0.0)), 1.0, AXIS);
    frame::x_axis(scene, &panel, &x_axis);
    Ok(panel.bottom)
}

/// Where an edge lies on the axis.
fn placed(bars: &BinnedBars, edge: f64) -> f64 {
    if let BinAxis::Times(origin) = bars.axis { origin.at(edge) } else { edge }
}

fn x_axis(bars: &BinnedBars) -> PlotAxis {
    let span = Extent { lo: bars.edges[0], hi: bars.edges[bars.values.len()] };
    let title = bars.x_title.as_str();
    match &bars.axis {
        BinAxis::Numbers => PlotAxis::linear(title, span, 12),
        BinAxis::Logarithmic => PlotAxis::log(title, span),
        BinAxis::Counts => PlotAxis::whole(title, span, 12),
        BinAxis::Times(origin) => origin.axis(span, 10),
        BinAxis::Durations => PlotAxis::time(title, span, 10),
        BinAxis::Names(names) => {
            let middles = bars.edges.windows(2).map(|edges| f64::midpoint(edges[0], edges[1]));
            let ticks = middles.zip(names).map(|(value, name)| Tick { value, label: name.clone() });
            PlotAxis::linear(title, span, 12).with_ticks(ticks)
        }
    }
}

/// The bars as data.
fn chart_panel(bars: &BinnedBars, quantity: &str) -> ChartPanel {
    let span = Extent { lo: bars.edges[0], hi: bars.edges[bars.values.len()] };
    let (x, unit) = match &bars.axis {
        BinAxis::Numbers | BinAxis::Counts => (ChartAxis::new(bars.x_title.as_str(), AxisKind::Value), 1.0),
        BinAxis::Logarithmic => (ChartAxis::new(bars.x_title.as_str(), AxisKind::Log), 1.0),
        BinAxis::Times(origin) => origin.chart_axis(span),
        BinAxis::Durations => (ChartAxis::new(format!("{}, h", bars.x_title), AxisKind::Value), 3_600.0),
        BinAxis::Names(names) => (ChartAxis::of_categories(bars.x_title.as_str(), names.clone()), 1.0),
    };
    let middle = |(index, edges): (usize, &[f64])| match &bars.axis {
        BinAxis::Names(_) => index as f64,
        BinAxis::Logarithmic => (edges[0] * edges[1]).sqrt(),
        _ => f64::midpoint(placed(bars, edges[0]), placed(bars, edges[1])) / unit,
    };
    let middles = bars.edges.windows(2).enumerate().map(middle);
    let points = middles.zip(&bars.values).map(|(middle, value)| [middle, shortened(*value)]).collect();
    let width =
        if matches!(bars.axis, BinAxis::Names(_)) { 1.0 } else { (bars.edges[1] - bars.edges[0]) / unit };
    let colour = lighter(series_colour(0), 0.35);
    ChartPanel {
        title: bars.title.clone(),
        x,
        y: ChartAxis::new(quantity, AxisKind::Value),
        series: vec![ChartSeries::new(quantity, colour, ChartMarks::Bars { points, width })],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;

    fn bars(values: Vec<f64>, axis: BinAxis) -> BinnedBars {
        BinnedBars {
            title: "Requests by hour of the day".to_owned(),
            x_title: "hour".to_owned(),
            y_title: "requests an hour".to_owned(),
            edges: (1..=values.len() + 1).map(|edge| edge as f64).collect(),
            values,
            axis,
            note: "All of them.".to_owned(),
        }
    }

    #[test]
    fn bars_of_either_sign_are_drawn_and_no_text_overlaps() {
        let hours = (0..24).map(|hour| hour.to_string()).collect();
        for axis in [BinAxis::Numbers, BinAxis::Logarithmic, BinAxis::Counts, BinAxis::Names(hours)] {
            let bars = bars((0..24).map(|hour| f64::from(hour % 7) - 2.0).collect(), axis);
            check::texts_are_apart_and_inside(&figure(&bars).unwrap().scene);
            check::is_sound(&binned_bars(&bars).unwrap(), &["requests an hour", "All of them."]);
        }
        assert!(
            binned_bars(&bars(vec![0.0; 300], BinAxis::Numbers)).is_ok(),
            "nothing but zeros is drawn, too"
        );
    }

    #[test]
    fn panels_have_a_title_each_and_no_text_overlaps() {
        let values = |size: f64| (0..50).map(|lag| size * (f64::from(lag) / 4.0).cos()).collect();
        let panels = [
            BinnedBars { title: "HUFL".to_owned(), ..bars(values(1.0), BinAxis::Numbers) },
            BinnedBars { title: "OT".to_owned(), ..bars(values(1e6), BinAxis::Numbers) },
        ];
        for axis in [BinAxis::Counts, BinAxis::Durations, BinAxis::Times(TimeOrigin::Date(1.7e9))] {
            let panels = panels.clone().map(|bars| BinnedBars { axis: axis.clone(), ..bars });
            let figure = panels_figure("Columns", &panels, "Both.").unwrap();
            check::texts_are_apart_and_inside(&figure.scene);
            check::is_sound(&figure.render().unwrap(), &["HUFL", "OT", "Both."]);
        }
        assert!(bar_panels("Columns", &[], "None.").is_err());
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        assert!(binned_bars(&bars(vec![], BinAxis::Numbers)).is_err());
        assert!(binned_bars(&bars(vec![1.0, f64::NAN], BinAxis::Numbers)).is_err());
    }
}
