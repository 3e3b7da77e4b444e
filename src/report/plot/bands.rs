//! Observed and forecast series over time, with bands around the forecast, in panels below each other.

use anyhow::{Context, Result, ensure};

use super::axis::PlotAxis;
use super::chart::shortened;
use super::frame::{self, LegendEntry, LegendKey, Panel};
use super::number;
use super::scale::{Extent, PanelScales, is_drawable};
use super::scene::{Scene, ScenePoint};
use super::theme::{MUTED, lighter, series_colour};
use super::time::TimeOrigin;
use super::{AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries, Figure, Plot, with_unit};

const PANEL_HEIGHT: f64 = 150.0;
const PANEL_GAP: f64 = 64.0;
const BAND_SHADES: [f64; 2] = [0.75, 0.5];
/// Panels with more windows than this have tooltips at every n-th of them.
const MOST_TIPS: usize = 100;

/// Lower and upper ends of an interval for each value of a series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Band {
    /// The lower ends; NaN where there is no interval.
    pub lower: Vec<f64>,
    /// The upper ends; NaN where there is no interval.
    pub upper: Vec<f64>,
}

/// One panel.
#[derive(Debug, Clone, PartialEq)]
pub struct BandPanel {
    /// Name of the panel, above it.
    pub title: String,
    /// Quantity and unit of the vertical axis.
    pub quantity: String,
    /// What times count from.
    pub origin: TimeOrigin,
    /// Start of each window, in seconds.
    pub time_s: Vec<f64>,
    /// The observed value of each window.
    pub actual: Vec<f64>,
    /// The forecast of each window; NaN where there is none.
    pub forecast: Vec<f64>,
    /// Two bands around the forecast, the wider one first.
    pub bands: [Band; 2],
    /// Length of a window in seconds: each value is drawn as a step of this length.
    pub step_s: f64,
}

/// Draws the panels under one title. `levels` name the two bands, in percent.
///
/// # Errors
/// If there is no panel, or one without a finite value or with lists of unequal length.
pub fn band_panels(
    name: &str,
    title: &str,
    model: &str,
    levels: [u32; 2],
    panels: &[BandPanel],
) -> Result<Plot> {
    figure(name, title, model, levels, panels)?.render()
}

fn figure(name: &str, title: &str, model: &str, levels: [u32; 2], panels: &[BandPanel]) -> Result<Figure> {
    ensure!(!panels.is_empty(), "there is no panel to draw");
    let colour = series_colour(0);
    let mut scene = Scene::default();
    let legend = [
        LegendEntry::new(LegendKey::Line(MUTED), "observed"),
        LegendEntry::new(LegendKey::Line(colour), format!("forecast by {model}")),
        LegendEntry::new(LegendKey::Swatch(lighter(colour, BAND_SHADES[1])), band_name(levels[1], model)),
        LegendEntry::new(LegendKey::Swatch(lighter(colour, BAND_SHADES[0])), band_name(levels[0], model)),
    ];
    let mut y = frame::header(&mut scene, title, &legend);
    for data in panels {
        y = panel(&mut scene, y, data)?;
    }
    frame::finish(&mut scene, y, &[]);
    let names: Vec<&str> = panels.iter().map(|panel| panel.title.as_str()).collect();
    let alt = format!(
        "Line charts over time of {}: as observed and as forecast by {model}, with bands at {} and {} %.",
        names.join(", "),
        levels[1],
        levels[0]
    );
    let chart = Chart::of(panels.iter().map(|data| chart_panel(data, model, levels)).collect());
    Ok(Figure { name: name.to_owned(), title: title.to_owned(), alt, scene, chart })
}

fn band_name(level: u32, model: &str) -> String {
    format!("{level} % interval of {model}")
}

/// One panel as data: a point in the middle of each window.
fn chart_panel(data: &BandPanel, model: &str, levels: [u32; 2]) -> ChartPanel {
    let ends = data.time_s.iter().flat_map(|time_s| [*time_s, time_s + data.step_s]);
    let (x, unit) = data.origin.chart_axis(Extent::of(ends).unwrap_or(Extent { lo: 0.0, hi: 0.0 }));
    let at = |index: usize| {
        let middle = data.origin.at(data.time_s[index] + data.step_s / 2.0);
        (middle / unit * 1e3).round() / 1e3
    };
    let line = |values: &[f64]| ChartMarks::Line {
        points: values.iter().enumerate().map(|(index, value)| [at(index), shortened(*value)]).collect(),
        dashed: false,
    };
    let colour = series_colour(0);
    let bands = data.bands.iter().zip(levels).zip(BAND_SHADES).map(|((band, level), shade)| {
        let ends = band.lower.iter().zip(&band.upper).enumerate();
        let points = ends.map(|(index, (lower, upper))| [at(index), shortened(*lower), shortened(*upper)]);
        let marks = ChartMarks::Band { points: points.collect() };
        ChartSeries::new(band_name(level, model), lighter(colour, shade), marks)
    });
    let mut series: Vec<ChartSeries> = bands.collect();
    series.push(ChartSeries::new("observed", MUTED, line(&data.actual)));
    series.push(ChartSeries::new(format!("forecast by {model}"), colour, line(&data.forecast)));
    let y = ChartAxis::new(with_unit(&data.title, &data.quantity), AxisKind::Value);
    ChartPanel { title: data.title.clone(), x, y, series }
}

/// Draws one panel below `y` and returns where it ends.
fn panel(scene: &mut Scene, y: f64, data: &BandPanel) -> Result<f64> {
    let count = data.time_s.len();
    let ends = data.bands.iter().flat_map(|band| [&band.lower, &band.upper]);
    for values in [&data.actual, &data.forecast].into_iter().chain(ends.clone()) {
        ensure!(values.len() == count, "{} values for {count} windows", values.len());
    }
    let all = data.actual.iter().chain(&data.forecast).chain(ends.flatten()).copied();
    let span = Extent::of(all).with_context(|| format!("{} has no finite value to draw", data.title))?;
    // A load of nothing at all is drawn, too.
    let span = span.including(0.0).widened_up_to_zero(0.05).widened(0.0);
    let times = Extent::of(data.time_s.iter().flat_map(|time_s| [*time_s, time_s + data.step_s]));
    let times = times.context("no time is finite")?;
    let title = with_unit(&data.title, &data.quantity);
    let y_axis = PlotAxis::linear(title, span, 4);
    let x_axis = data.origin.axis(times, 8);
    let panel = Panel::below(scene, y, &y_axis, PANEL_HEIGHT, 48.0);
    let scales = panel.scales(&x_axis, &y_axis);
    frame::x_grid(scene, &panel, &x_axis);
    for (band, shade) in data.bands.iter().zip(BAND_SHADES) {
        let (lower, upper) = (steps(data, &band.lower, scales), steps(data, &band.upper, scales));
        scene.bands(lower, upper, lighter(series_colour(0), shade));
    }
    frame::y_grid(scene, &panel, &y_axis);
    for run in steps(data, &data.actual, scales) {
        scene.path(run, 1.6, MUTED);
    }
    for run in steps(data, &data.forecast, scales) {
        scene.path(run, 1.6, series_colour(0));
    }
    for index in (0..count).step_by(count.div_ceil(MOST_TIPS).max(1)) {
        let (actual, forecast) = (data.actual[index], data.forecast[index]);
        if is_drawable(actual) {
            let when = data.origin.moment(data.time_s[index]);
            let observed = number::significant(actual, 4);
            let forecast = if is_drawable(forecast) {
                format!("\nforecast: {}", number::significant(forecast, 4))
            } else {
                String::new()
            };
            let at = scales.at(data.origin.at(data.time_s[index] + data.step_s / 2.0), actual);
            scene.tip(at, format!("{when}observed: {observed}{forecast}"));
        }
    }
    frame::x_axis(scene, &panel, &x_axis);
    Ok(panel.bottom + PANEL_GAP)
}

/// The outline of a series as steps, one piece for each stretch without a gap.
fn steps(data: &BandPanel, values: &[f64], scales: PanelScales) -> Vec<Vec<ScenePoint>> {
    let mut pieces: Vec<Vec<ScenePoint>> = Vec::new();
    let mut last_end = f64::NAN;
    for (&time_s, &value) in data.time_s.iter().zip(values) {
        if !is_drawable(value) {
            last_end = f64::NAN;
            continue;
        }
        let [from, to] = [time_s, time_s + data.step_s].map(|time_s| data.origin.at(time_s));
        let own = [scales.at(from, value), scales.at(to, value)];
        match pieces.last_mut() {
            Some(piece) if (time_s - last_end).abs() < 1e-6 * data.step_s.max(1.0) => piece.extend(own),
            _ => pieces.push(own.to_vec()),
        }
        last_end = time_s + data.step_s;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;
    use crate::report::plot::scale::PixelScale;

    fn data(count: usize) -> BandPanel {
        let values: Vec<f64> = (0..count).map(|index| 1_000.0 + 100.0 * (index % 9) as f64).collect();
        let moved = |by: f64| values.iter().map(|value| value + by).collect::<Vec<f64>>();
        BandPanel {
            title: "1 min".to_owned(),
            quantity: "tokens".to_owned(),
            origin: TimeOrigin::TraceStart,
            time_s: (0..count).map(|index| 60.0 * index as f64).collect(),
            actual: moved(17.0),
            forecast: values.clone(),
            bands: [(-200.0, 300.0), (-90.0, 120.0)]
                .map(|(lower, upper)| Band { lower: moved(lower), upper: moved(upper) }),
            step_s: 60.0,
        }
    }

    #[test]
    fn the_plot_holds_its_labels_and_nothing_overlaps() {
        let panels = [data(40), BandPanel { title: "5 min".to_owned(), ..data(8) }];
        let figure = figure("load", "Token load", "lstm", [95, 80], &panels).unwrap();
        check::texts_are_apart_and_inside(&figure.scene);
        check::is_sound(
            &figure.render().unwrap(),
            &["observed", "forecast by lstm", "80 % interval of lstm", "5 min, tokens"],
        );
        let dated = panels.map(|panel| BandPanel { origin: TimeOrigin::Date(1.7e9), ..panel });
        let plot = band_panels("load", "Token load", "lstm", [95, 80], &dated).unwrap();
        check::is_sound(&plot, &["time (UTC), 14 Nov 2023"]);
        assert_eq!(plot.chart.panels[1].series.len(), 4);
    }

    #[test]
    fn a_gap_parts_the_line_and_the_band() {
        let mut gap = data(10);
        gap.forecast[4] = f64::NAN;
        let scale = PixelScale::new(Extent { lo: 0.0, hi: 2_000.0 }, false, 0.0, 100.0);
        let scales = PanelScales { x: scale, y: scale };
        assert_eq!(steps(&gap, &gap.forecast, scales).len(), 2);
        gap.time_s.drain(5..7);
        gap.actual.drain(5..7);
        assert_eq!(steps(&gap, &gap.actual, scales).len(), 2);
    }

    #[test]
    fn odd_values_are_drawn_and_nothing_at_all_is_an_error() {
        for value in [0.0, 1e12, 1e-9] {
            let mut odd = data(3);
            odd.actual = vec![value; 3];
            odd.forecast = vec![f64::NAN; 3];
            odd.bands = std::array::from_fn(|_| Band { lower: vec![f64::NAN; 3], upper: vec![f64::NAN; 3] });
            let plot = band_panels("odd", "Odd", "mean", [95, 80], &[odd]).unwrap();
            check::is_sound(&plot, &["1 min"]);
        }
        assert!(band_panels("none", "None", "mean", [95, 80], &[]).is_err());
        assert!(
            band_panels("none", "None", "mean", [95, 80], &[BandPanel { actual: Vec::new(), ..data(3) }])
                .is_err()
        );
    }
}
