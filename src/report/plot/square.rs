//! Square panels beside each other with a diagonal: Q–Q plots.

use anyhow::{Result, ensure};

use super::axis::PlotAxis;
use super::chart::shortened;
use super::frame::{self, DASH, LegendEntry, LegendKey, Panel};
use super::scale::{Extent, is_drawable};
use super::scene::Scene;
use super::theme::{INK, MARGIN, WIDTH, series_colour};
use super::{AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries, Figure, Plot};

/// Panels beside each other.
const COLUMNS: usize = 3;
/// More models than this cannot be told apart.
const MOST_MODELS: usize = 3;
const LABELS: f64 = 42.0;
const GAP: f64 = 22.0;
const ROW_GAP: f64 = 92.0;
/// Points beyond this are drawn at the edge.
const REACH: f64 = 4.0;
const TITLE: &str = "Q–Q plot: residuals against the normal distribution";
const X_TITLE: &str = "normal quantile";
const Y_TITLE: &str = "residual in scaled units, standardised";

/// One target, with the points of each model.
#[derive(Debug, Clone, PartialEq)]
pub struct SquarePanel {
    /// The target.
    pub title: String,
    /// For each model of the legend its points, in increasing order of the first coordinate.
    pub models: Vec<Vec<(f64, f64)>>,
}

/// Draws for each target the standardised residuals of the models against the quantiles of the normal distribution.
///
/// # Errors
/// If there is no point to draw.
pub fn qq_plot(models: &[String], panels: &[SquarePanel]) -> Result<Plot> {
    figure(models, panels)?.render()
}

fn drawable(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    points.iter().copied().filter(|(x, y)| is_drawable(*x) && is_drawable(*y))
}

fn figure(models: &[String], panels: &[SquarePanel]) -> Result<Figure> {
    let has_points =
        |panel: &&SquarePanel| panel.models.iter().any(|points| drawable(points).next().is_some());
    let shown: Vec<&SquarePanel> = panels.iter().filter(has_points).collect();
    ensure!(!shown.is_empty(), "there is no point to draw");
    let models = &models[..models.len().min(MOST_MODELS)];
    let mut scene = Scene::default();
    let mut legend: Vec<LegendEntry> = models
        .iter()
        .enumerate()
        .map(|(index, model)| LegendEntry::new(LegendKey::Line(series_colour(index)), model.as_str()))
        .collect();
    legend.push(LegendEntry::new(LegendKey::Dashed(INK), "normal"));
    let header_end = frame::header(&mut scene, TITLE, &legend);
    let span = Extent { lo: -REACH, hi: REACH };
    let x_axis = PlotAxis::linear(X_TITLE, span, 5);
    let y_axis = PlotAxis::linear(Y_TITLE, span, 5);
    frame::y_title(&mut scene, header_end, &y_axis);
    let side = (WIDTH - 2.0 * MARGIN - COLUMNS as f64 * LABELS - (COLUMNS - 1) as f64 * GAP) / COLUMNS as f64;
    let mut top = header_end + frame::Y_TITLE_HEIGHT + 26.0;
    for (index, data) in shown.iter().enumerate() {
        let column = index % COLUMNS;
        if index > 0 && column == 0 {
            top += side + ROW_GAP;
        }
        let left = MARGIN + LABELS + column as f64 * (side + LABELS + GAP);
        let panel = Panel { left, top, right: left + side, bottom: top + side };
        frame::panel_title(&mut scene, (left, top - 14.0), &data.title, side);
        frame::x_grid(&mut scene, &panel, &x_axis);
        frame::y_grid(&mut scene, &panel, &y_axis);
        let scales = panel.scales(&x_axis, &y_axis);
        scene.dashed(&[(panel.left, panel.bottom), (panel.right, panel.top)], DASH, 1.2, INK);
        // The first model is drawn last, so that the others do not cover it.
        for (model, points) in data.models.iter().take(models.len()).enumerate().rev() {
            let line = drawable(points).map(|(x, y)| scales.at(x, y)).collect();
            scene.path(line, 1.8, series_colour(model));
        }
        frame::x_axis(&mut scene, &panel, &x_axis);
    }
    frame::finish(&mut scene, top + side + frame::X_AXIS_HEIGHT - 4.0, &[]);
    let targets: Vec<&str> = shown.iter().map(|panel| panel.title.as_str()).collect();
    let alt = format!(
        "Quantiles of the standardised residuals against those of the normal distribution of {}, for {}.",
        targets.join(", "),
        models.join(", ")
    );
    let chart = Chart::of(shown.iter().map(|data| chart_panel(data, models)).collect());
    Ok(Figure { name: "qq".to_owned(), title: TITLE.to_owned(), alt, scene, chart })
}

fn chart_panel(data: &SquarePanel, models: &[String]) -> ChartPanel {
    let diagonal = ChartMarks::Line { points: vec![[-REACH, -REACH], [REACH, REACH]], dashed: true };
    let mut series = vec![ChartSeries::new("normal", INK, diagonal)];
    for (index, (model, points)) in models.iter().zip(&data.models).enumerate().rev() {
        let points = drawable(points).map(|(x, y)| [shortened(x), shortened(y)]).collect();
        let marks = ChartMarks::Line { points, dashed: false };
        series.push(ChartSeries::new(model.clone(), series_colour(index), marks));
    }
    ChartPanel {
        title: data.title.clone(),
        x: ChartAxis::new(X_TITLE, AxisKind::Value),
        y: ChartAxis::new(Y_TITLE, AxisKind::Value),
        series,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;

    fn panels(count: usize) -> Vec<SquarePanel> {
        let points = |bend: f64| {
            (-9..=9).map(|index| (f64::from(index) / 4.0, f64::from(index) / 4.0 * bend)).collect()
        };
        (0..count)
            .map(|index| SquarePanel {
                title: format!("target {index}"),
                models: vec![points(1.0), points(0.9)],
            })
            .collect()
    }

    #[test]
    fn the_plot_holds_its_labels_and_nothing_overlaps() {
        let models = ["lstm hidden=32".to_owned(), "moving_average".to_owned()];
        for count in 1..=6 {
            let figure = figure(&models, &panels(count)).unwrap();
            check::texts_are_apart_and_inside(&figure.scene);
            let plot = figure.render().unwrap();
            check::is_sound(&plot, &["normal quantile", "target 0", "lstm hidden=32"]);
            assert_eq!(plot.chart.panels.len(), count);
        }
    }

    #[test]
    fn without_a_finite_point_there_is_no_plot() {
        let empty = SquarePanel { title: "none".to_owned(), models: vec![vec![(f64::NAN, 1.0)], Vec::new()] };
        assert!(qq_plot(&["mean".to_owned()], &[empty]).is_err());
    }
}
