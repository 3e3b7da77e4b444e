//! How far the share of observed values below each forecast quantile is from the level of that quantile.

use anyhow::{Result, ensure};

use super::axis::{PlotAxis, Tick};
use super::chart::shortened;
use super::frame::{self, LegendEntry, LegendKey, Panel};
use super::number;
use super::scale::{Extent, PanelScales, is_drawable};
use super::scene::Scene;
use super::theme::{GREY_FILL, INK, MARGIN, WIDTH, series_colour};
use super::{AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries, Figure, Plot};

/// Panels beside each other.
const COLUMNS: usize = 3;
/// More models than this cannot be told apart.
const MOST_MODELS: usize = 3;
const PANEL_HEIGHT: f64 = 180.0;
const ROW_GAP: f64 = 92.0;
const LABELS: f64 = 42.0;
const GAP: f64 = 22.0;
/// Standard errors on either side that hold 95 % of what sampling gives.
const TWO_SIDED_95: f64 = 1.96;
/// What the axis reaches on either side at least, in percentage points.
const LEAST_REACH: f64 = 2.0;

/// One target.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrationPanel {
    /// The target.
    pub title: String,
    /// For each model of the legend, the level of each quantile and the share of observed values below it.
    pub models: Vec<Vec<(f64, f64)>>,
    /// How many values the shares are of, were they independent.
    pub count: usize,
}

/// Draws observed share minus level in percentage points against the level, with the band that sampling alone gives. `models`
/// names the models.
///
/// # Errors
/// If there is no point to draw.
pub fn calibration(models: &[String], panels: &[CalibrationPanel]) -> Result<Plot> {
    figure(models, panels)?.render()
}

/// The points of a model as percent and percentage points.
fn deviations(points: &[(f64, f64)]) -> Vec<[f64; 2]> {
    let drawable = points.iter().filter(|(level, share)| is_drawable(*level) && is_drawable(*share));
    drawable.map(|(level, share)| [100.0 * level, 100.0 * (share - level)]).collect()
}

/// Half of the width of the band at a level, in percentage points.
fn sampling(level: f64, count: usize) -> f64 {
    100.0 * TWO_SIDED_95 * (level * (1.0 - level) / count.max(1) as f64).sqrt()
}

fn figure(models: &[String], panels: &[CalibrationPanel]) -> Result<Figure> {
    let shown: Vec<&CalibrationPanel> = panels
        .iter()
        .filter(|panel| panel.models.iter().any(|points| !deviations(points).is_empty()))
        .collect();
    ensure!(!shown.is_empty(), "there is no point to draw");
    let models = &models[..models.len().min(MOST_MODELS)];
    let title = "Calibration: observed share below each quantile, minus its level";
    let mut legend: Vec<LegendEntry> = models
        .iter()
        .enumerate()
        .map(|(index, model)| LegendEntry::new(LegendKey::Line(series_colour(index)), model.as_str()))
        .collect();
    legend.push(LegendEntry::new(LegendKey::Swatch(GREY_FILL), "what sampling alone gives (95 %)"));
    let mut scene = Scene::default();
    let header_end = frame::header(&mut scene, title, &legend);
    let span = span(&shown);
    let y_axis = PlotAxis::linear("observed minus nominal, percentage points", span, 5);
    frame::y_title(&mut scene, header_end, &y_axis);
    let width =
        (WIDTH - 2.0 * MARGIN - COLUMNS as f64 * LABELS - (COLUMNS - 1) as f64 * GAP) / COLUMNS as f64;
    let mut top = header_end + frame::Y_TITLE_HEIGHT + 26.0;
    for (index, data) in shown.iter().enumerate() {
        let column = index % COLUMNS;
        if index > 0 && column == 0 {
            top += PANEL_HEIGHT + ROW_GAP;
        }
        let left = MARGIN + LABELS + column as f64 * (width + LABELS + GAP);
        let panel = Panel { left, top, right: left + width, bottom: top + PANEL_HEIGHT };
        draw(&mut scene, &panel, data, &y_axis, models);
    }
    frame::finish(&mut scene, top + PANEL_HEIGHT + frame::X_AXIS_HEIGHT - 4.0, &[]);
    let targets: Vec<&str> = shown.iter().map(|panel| panel.title.as_str()).collect();
    let alt = format!(
        "Observed share of values below the forecast quantiles, minus the level of the quantile, of {}, for {}.",
        targets.join(", "),
        models.join(", ")
    );
    let chart = Chart::of(shown.iter().map(|data| chart_panel(data, models)).collect());
    Ok(Figure { name: "calibration".to_owned(), title: title.to_owned(), alt, scene, chart })
}

/// The same range for all panels, as far above zero as below.
fn span(shown: &[&CalibrationPanel]) -> Extent {
    let deviation = shown.iter().flat_map(|panel| panel.models.iter().take(MOST_MODELS));
    let deviation = deviation.flat_map(|points| deviations(points)).map(|[_, by]| by.abs());
    let bands = shown.iter().map(|panel| sampling(0.5, panel.count));
    let reach = deviation.chain(bands).fold(LEAST_REACH, f64::max).min(100.0) * 1.1;
    Extent { lo: -reach, hi: reach }
}

/// The levels that quantiles were forecast at, in percent.
fn levels(data: &CalibrationPanel) -> Vec<f64> {
    let most = data.models.iter().map(|points| deviations(points)).max_by_key(Vec::len).unwrap_or_default();
    most.into_iter().map(|[level, _]| level).collect()
}

fn level_text(level: f64) -> String {
    let text = format!("{level:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// The band at each level: the position of the level among the others, and the ends.
fn band(levels: &[f64], count: usize) -> Vec<[f64; 3]> {
    let at = |(index, level): (usize, &f64)| {
        let half = sampling(level / 100.0, count);
        [index as f64, -half, half]
    };
    levels.iter().enumerate().map(at).collect()
}

/// The points of a model at the positions of their levels.
fn placed(levels: &[f64], points: &[(f64, f64)]) -> Vec<[f64; 2]> {
    let place = |[level, by]: [f64; 2]| Some([levels.iter().position(|other| *other == level)? as f64, by]);
    deviations(points).into_iter().filter_map(place).collect()
}

fn draw(scene: &mut Scene, panel: &Panel, data: &CalibrationPanel, y_axis: &PlotAxis, models: &[String]) {
    // At equal distances: the outer levels, which matter most, lie close together.
    let levels = levels(data);
    let span = Extent { lo: -0.3, hi: levels.len() as f64 - 0.7 };
    let tick = |(index, level): (usize, &f64)| Tick { value: index as f64, label: level_text(*level) };
    let x_axis = PlotAxis::linear("nominal, %", span, 5).with_ticks(levels.iter().enumerate().map(tick));
    let scales: PanelScales = panel.scales(&x_axis, y_axis);
    frame::panel_title(scene, (panel.left, panel.top - 14.0), &data.title, panel.right - panel.left);
    let band = band(&levels, data.count);
    let upper = band.iter().map(|[level, _, upper]| scales.at(*level, *upper));
    let lower = band.iter().rev().map(|[level, lower, _]| scales.at(*level, *lower));
    scene.polygon(upper.chain(lower).collect(), GREY_FILL);
    frame::x_grid(scene, panel, &x_axis);
    frame::y_grid(scene, panel, y_axis);
    let zero = scales.y.at(0.0);
    scene.line((panel.left, zero), (panel.right, zero), 1.4, INK);
    // The first model is drawn last, so that the others do not cover it.
    for (index, points) in data.models.iter().take(models.len()).enumerate().rev() {
        let points = placed(&levels, points);
        let places: Vec<_> = points.iter().map(|[level, by]| scales.at(*level, *by)).collect();
        for ([position, by], place) in points.iter().zip(&places) {
            scene.disc(*place, 3.2, series_colour(index));
            let sign = if *by > 0.0 { "+" } else { "" };
            let by = number::significant(*by, 3);
            let level = level_text(levels[*position as usize]);
            scene.tip(*place, format!("{}\n{level} %: {sign}{by} points", models[index]));
        }
        scene.path(places, 1.5, series_colour(index));
    }
    frame::x_axis(scene, panel, &x_axis);
}

fn chart_panel(data: &CalibrationPanel, models: &[String]) -> ChartPanel {
    let levels = levels(data);
    let band = band(&levels, data.count).into_iter().map(|point| point.map(shortened)).collect();
    let band = ChartMarks::Band { points: band };
    let mut series = vec![
        ChartSeries::new("what sampling alone gives (95 %)", GREY_FILL, band),
        ChartSeries::new("calibrated", INK, ChartMarks::Rule { x: None, y: Some(0.0) }),
    ];
    for (index, (model, points)) in models.iter().zip(&data.models).enumerate().rev() {
        let points = placed(&levels, points).into_iter().map(|point| point.map(shortened)).collect();
        let marks = ChartMarks::Line { points, dashed: false };
        series.push(ChartSeries::new(model.clone(), series_colour(index), marks));
    }
    ChartPanel {
        title: data.title.clone(),
        x: ChartAxis::of_categories("nominal, %", levels.iter().copied().map(level_text).collect()),
        y: ChartAxis::new("observed minus nominal, percentage points", AxisKind::Value),
        series,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;

    const LEVELS: [f64; 7] = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975];

    fn panels(count: usize, bend: f64) -> Vec<CalibrationPanel> {
        let points = |bend: f64| LEVELS.map(|level| (level, level + bend * level * (1.0 - level))).to_vec();
        let panel = |index| CalibrationPanel {
            title: format!("target {index}"),
            models: vec![points(bend), points(-bend / 2.0)],
            count: 400,
        };
        (0..count).map(panel).collect()
    }

    #[test]
    fn the_plot_holds_its_labels_and_nothing_overlaps() {
        let models = ["lstm hidden=32".to_owned(), "moving_average".to_owned()];
        for count in 1..=6 {
            let figure = figure(&models, &panels(count, 0.1)).unwrap();
            check::texts_are_apart_and_inside(&figure.scene);
            let plot = figure.render().unwrap();
            check::is_sound(&plot, &["target 0", "lstm hidden=32", "nominal, %", "97.5", "sampling alone"]);
            assert_eq!(plot.chart.panels.len(), count);
        }
    }

    #[test]
    fn zero_is_in_the_middle_and_small_deviations_are_seen() {
        let data = panels(1, 0.01);
        let span = span(&data.iter().collect::<Vec<_>>());
        assert!(span.hi < 6.0 && (span.lo + span.hi).abs() < 1e-12, "{span:?}");
        assert!((sampling(0.5, 400) - 4.9).abs() < 0.01);
    }

    #[test]
    fn without_a_finite_point_there_is_no_plot() {
        let empty = CalibrationPanel {
            title: "none".to_owned(),
            models: vec![vec![(f64::NAN, 1.0)], Vec::new()],
            count: 0,
        };
        assert!(calibration(&["mean".to_owned()], &[empty]).is_err());
    }
}
