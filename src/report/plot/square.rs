//! Square panels beside each other in which the ideal lies on the diagonal: calibration and Q–Q plots.

use anyhow::{Result, ensure};

use super::axis::PlotAxis;
use super::frame::{self, DASH, LegendEntry, LegendKey, Panel};
use super::scale::{Extent, is_drawable};
use super::scene::Scene;
use super::theme::{INK, MARGIN, WIDTH, series_colour};
use super::{Chart, Figure, Plot};

/// More panels than this do not fit beside each other.
const MOST_PANELS: usize = 3;
/// More models than this cannot be told apart.
const MOST_MODELS: usize = 3;
const LABELS: f64 = 42.0;
const GAP: f64 = 22.0;

/// One target, with the points of each model.
#[derive(Debug, Clone, PartialEq)]
pub struct SquarePanel {
    /// The target.
    pub title: String,
    /// For each model of the legend its points, in increasing order of the first coordinate.
    pub models: Vec<Vec<(f64, f64)>>,
}

/// Draws for each target which share of the values lay below each forecast quantile. `models` names the models; the
/// points of a panel are `(level, share)`, both from 0 to 1.
///
/// # Errors
/// If there is no point to draw.
pub fn calibration_curves(models: &[String], panels: &[SquarePanel]) -> Result<Plot> {
    let percent: Vec<SquarePanel> = panels
        .iter()
        .map(|panel| SquarePanel {
            title: panel.title.clone(),
            models: panel
                .models
                .iter()
                .map(|points| points.iter().map(|(level, share)| (100.0 * level, 100.0 * share)).collect())
                .collect(),
        })
        .collect();
    let look = Look {
        name: "calibration",
        title: "Calibration: share of observed values below each forecast quantile",
        x: "nominal, %",
        y: "observed, %",
        span: Extent { lo: 0.0, hi: 100.0 },
        reference: "perfectly calibrated",
        joined: true,
        alt: "Observed against nominal share of values below the forecast quantiles",
    };
    figure(&look, models, &percent)?.render()
}

/// Draws for each target the standardised residuals of the models against the quantiles of the normal distribution.
///
/// # Errors
/// If there is no point to draw.
pub fn qq_plot(models: &[String], panels: &[SquarePanel]) -> Result<Plot> {
    let look = Look {
        name: "qq",
        title: "Q–Q plot: residuals against the normal distribution",
        x: "normal quantile",
        y: "residual in scaled units, standardised",
        span: Extent { lo: -5.0, hi: 5.0 },
        reference: "normal",
        joined: false,
        alt: "Quantiles of the standardised residuals against those of the normal distribution",
    };
    figure(&look, models, panels)?.render()
}

/// The differences between the two plots.
struct Look {
    name: &'static str,
    title: &'static str,
    x: &'static str,
    y: &'static str,
    span: Extent,
    /// Legend of the diagonal.
    reference: &'static str,
    /// Whether the points of a model are joined by a line.
    joined: bool,
    alt: &'static str,
}

fn figure(look: &Look, models: &[String], panels: &[SquarePanel]) -> Result<Figure> {
    let drawable =
        |panel: &&SquarePanel| panel.models.iter().flatten().any(|(x, y)| is_drawable(*x) && is_drawable(*y));
    let shown: Vec<&SquarePanel> = panels.iter().filter(drawable).take(MOST_PANELS).collect();
    ensure!(!shown.is_empty(), "there is no point to draw");
    let mut scene = Scene::default();
    let mut legend: Vec<LegendEntry> = models
        .iter()
        .take(MOST_MODELS)
        .enumerate()
        .map(|(index, model)| LegendEntry::new(LegendKey::Dot(series_colour(index)), model.as_str()))
        .collect();
    legend.push(LegendEntry::new(LegendKey::Dashed(INK), look.reference));
    let header_end = frame::header(&mut scene, look.title, &legend);
    let x_axis = PlotAxis::linear(look.x, look.span, 5);
    let y_axis = PlotAxis::linear(look.y, look.span, 5);
    frame::y_title(&mut scene, header_end, &y_axis);
    let side = (WIDTH - 2.0 * MARGIN - MOST_PANELS as f64 * LABELS - (MOST_PANELS - 1) as f64 * GAP)
        / MOST_PANELS as f64;
    let top = header_end + frame::Y_TITLE_HEIGHT + 26.0;
    for (index, data) in shown.iter().enumerate() {
        let left = MARGIN + LABELS + index as f64 * (side + LABELS + GAP);
        let panel = Panel { left, top, right: left + side, bottom: top + side };
        frame::panel_title(&mut scene, (left, top - 14.0), &data.title, side);
        frame::x_grid(&mut scene, &panel, &x_axis);
        frame::y_grid(&mut scene, &panel, &y_axis);
        let scales = panel.scales(&x_axis, &y_axis);
        scene.dashed(&[(panel.left, panel.bottom), (panel.right, panel.top)], DASH, 1.2, INK);
        // The first model is drawn last, so that the others do not cover it.
        for (model, points) in data.models.iter().take(MOST_MODELS).enumerate().rev() {
            let points: Vec<_> = points
                .iter()
                .filter(|(from, to)| is_drawable(*from) && is_drawable(*to))
                .map(|(from, to)| scales.at(*from, *to))
                .collect();
            for point in &points {
                // Models that agree lie on one another: those behind stand out as rings.
                let radius = if look.joined { 3.5 } else { 1.6 };
                scene.disc(*point, radius * (1.0 + 0.3 * model as f64), series_colour(model));
            }
            if look.joined {
                scene.path(points, 1.5, series_colour(model));
            }
        }
        frame::x_axis(&mut scene, &panel, &x_axis);
    }
    frame::finish(&mut scene, top + side + frame::X_AXIS_HEIGHT - 4.0, &[]);
    let targets: Vec<&str> = shown.iter().map(|panel| panel.title.as_str()).collect();
    let alt = format!("{} of {}, for {}.", look.alt, targets.join(", "), models.join(", "));
    Ok(Figure {
        name: look.name.to_owned(),
        title: look.title.to_owned(),
        alt,
        scene,
        chart: Chart::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;

    fn panels(count: usize) -> Vec<SquarePanel> {
        let points = |bend: f64| {
            (1..=7).map(|index| (f64::from(index) / 8.0, f64::from(index) / 8.0 * bend)).collect()
        };
        (0..count)
            .map(|index| SquarePanel {
                title: format!("target {index}"),
                models: vec![points(1.0), points(0.9)],
            })
            .collect()
    }

    #[test]
    fn the_plots_hold_their_labels_and_nothing_overlaps() {
        let models = ["lstm hidden=32".to_owned(), "moving_average (baseline)".to_owned()];
        for count in 1..=3 {
            let plot = calibration_curves(&models, &panels(count)).unwrap();
            check::is_sound(&plot, &["target 0", "lstm hidden=32", "nominal, %", "perfectly calibrated"]);
        }
        let look = Look {
            name: "x",
            title: "x",
            x: "nominal, %",
            y: "observed, %",
            span: Extent { lo: -5.0, hi: 5.0 },
            reference: "x",
            joined: false,
            alt: "x",
        };
        check::texts_are_apart_and_inside(&figure(&look, &models, &panels(3)).unwrap().scene);
        check::is_sound(&qq_plot(&models, &panels(3)).unwrap(), &["normal quantile", "target 2"]);
    }

    #[test]
    fn without_a_finite_point_there_is_no_plot() {
        let empty = SquarePanel { title: "none".to_owned(), models: vec![vec![(f64::NAN, 1.0)], Vec::new()] };
        assert!(qq_plot(&["mean".to_owned()], &[empty]).is_err());
    }
}
