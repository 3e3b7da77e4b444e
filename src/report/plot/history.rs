//! A metric of several models over the revisions of an experiment.

use anyhow::{Context, Result, ensure};

use super::axis::{PlotAxis, Tick};
use super::chart::shortened;
use super::font::{self, Weight};
use super::frame::{self, LegendEntry, LegendKey, Panel};
use super::scale::{Extent, is_drawable};
use super::scene::Scene;
use super::theme::{SERIES_COLOURS, TICK_SIZE, series_colour};
use super::{AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries, Figure, Plot};

const PANEL_HEIGHT: f64 = 260.0;

/// One model.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryLine {
    /// Its name.
    pub label: String,
    /// Its value at each tick; `None` where it has none.
    pub values: Vec<Option<f64>>,
}

/// Draws a line for each model over `ticks`, such as revisions with their dates; the first lines keep a colour of their own.
///
/// # Errors
/// If nothing has a finite value.
pub fn history(title: &str, metric: &str, ticks: &[String], lines: &[HistoryLine]) -> Result<Plot> {
    figure(title, metric, ticks, lines)?.render()
}

fn figure(title: &str, metric: &str, ticks: &[String], lines: &[HistoryLine]) -> Result<Figure> {
    let lines = &lines[..lines.len().min(SERIES_COLOURS)];
    let values =
        lines.iter().flat_map(|line| &line.values).flatten().copied().filter(|value| is_drawable(*value));
    let span = Extent::of(values).with_context(|| format!("no {metric} is finite"))?;
    ensure!(!ticks.is_empty(), "there is no revision to draw");
    let y_axis = PlotAxis::linear(metric, span.widened(0.08), 5);
    let last = ticks.len().saturating_sub(1).max(1) as f64;
    let mut x_axis = PlotAxis::linear("revision", Extent { lo: -0.06 * last, hi: 1.06 * last }, 4);
    let entries: Vec<LegendEntry> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| LegendEntry::new(LegendKey::Line(series_colour(index)), line.label.clone()))
        .collect();
    let mut scene = Scene::default();
    let y = frame::header(&mut scene, title, &entries);
    let panel = Panel::below(&mut scene, y, &y_axis, PANEL_HEIGHT, 48.0);
    let room = (panel.right - panel.left) / ticks.len() as f64 - 6.0;
    let widest = ticks.iter().map(|label| font::width(label, TICK_SIZE, Weight::Regular)).fold(0.0, f64::max);
    let every = (widest / room.max(1.0)).ceil().max(1.0) as usize;
    x_axis.ticks = ticks
        .iter()
        .enumerate()
        .step_by(every)
        .map(|(index, label)| Tick { value: index as f64, label: label.clone() })
        .collect();
    frame::y_grid(&mut scene, &panel, &y_axis);
    frame::x_axis(&mut scene, &panel, &x_axis);
    let scales = panel.scales(&x_axis, &y_axis);
    for (index, line) in lines.iter().enumerate() {
        let points = line.values.iter().enumerate().filter_map(|(at, value)| Some((at, (*value)?)));
        let points: Vec<(usize, f64)> = points.filter(|(_, value)| is_drawable(*value)).collect();
        let places: Vec<_> = points.iter().map(|(at, value)| scales.at(*at as f64, *value)).collect();
        for ((at, value), place) in points.iter().zip(&places) {
            scene.disc(*place, 3.6, series_colour(index));
            scene.tip(
                *place,
                format!("{}\n{}: {value}", line.label, ticks.get(*at).map_or("", String::as_str)),
            );
        }
        scene.path(places, 1.8, series_colour(index));
    }
    frame::finish(&mut scene, panel.bottom + frame::X_AXIS_HEIGHT - 8.0, &[]);
    let names: Vec<&str> = lines.iter().map(|line| line.label.as_str()).collect();
    let alt = format!("Line chart of {metric} over {} revisions for {}.", ticks.len(), names.join(", "));
    let chart = chart(metric, ticks, lines);
    Ok(Figure { name: "history".to_owned(), title: title.to_owned(), alt, scene, chart })
}

/// The lines as data.
fn chart(metric: &str, ticks: &[String], lines: &[HistoryLine]) -> Chart {
    let line = |(index, line): (usize, &HistoryLine)| {
        let points = line.values.iter().enumerate();
        let points = points.filter_map(|(at, value)| Some([at as f64, shortened((*value)?)])).collect();
        ChartSeries::new(line.label.clone(), series_colour(index), ChartMarks::Line { points, dashed: false })
    };
    Chart::of(vec![ChartPanel {
        title: String::new(),
        x: ChartAxis::of_categories("revision", ticks.to_vec()),
        y: ChartAxis::new(metric, AxisKind::Value),
        series: lines.iter().enumerate().map(line).collect(),
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;

    #[test]
    fn a_model_that_some_revisions_lack_is_drawn_where_it_is() {
        let ticks: Vec<String> =
            (1..=12).map(|revision| format!("{revision}: 2026-11-{revision:02}")).collect();
        let line = |label: &str, from: usize| HistoryLine {
            label: label.to_owned(),
            values: (0..12).map(|at| (at >= from).then_some(1.0 + 0.01 * at as f64)).collect(),
        };
        let figure =
            figure("History of sweep", "test mse", &ticks, &[line("lstm", 0), line("tcn", 5)]).unwrap();
        check::texts_are_apart_and_inside(&figure.scene);
        let plot = figure.render().unwrap();
        check::is_sound(&plot, &["lstm", "tcn", "test mse", "revision"]);
        assert!(!plot.svg.contains('…'), "no date is cut");
        assert!(history("t", "m", &ticks, &[]).is_err());
    }
}
