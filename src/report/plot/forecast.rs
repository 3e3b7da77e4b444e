//! Observed against forecast values, over time.

use anyhow::{Context, Result, ensure};

use super::axis::PlotAxis;
use super::bands::Band;
use super::frame::{self, LegendEntry, LegendKey, Panel};
use super::number;
use super::scale::{Extent, PanelScales, is_drawable};
use super::scene::{Scene, ScenePoint};
use super::theme::{GREY_FILL, GREY_LINE, lighter, series_colour};
use super::thin::{is_thinned, thinned};
use super::{Chart, Figure, Plot, with_unit};
use crate::files::file_stem;

const PANEL_HEIGHT: f64 = 320.0;
/// More forecasts than this cannot be told apart where they run close together.
const MOST_TRACKS: usize = 3;
/// Positive values that span more than this factor are drawn on a logarithmic axis.
const LOG_FROM_RATIO: f64 = 50.0;
/// Times later than this are clock times rather than times since the start of a trace.
const LATEST_TRACE_TIME_S: f64 = 1000.0 * 86_400.0;

/// One model's forecasts of the drawn series.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastTrack {
    /// Name of the model, shown in the legend.
    pub label: String,
    /// The forecast for each time step, in the unit of the target; NaN where there is none.
    pub forecast: Vec<f64>,
    /// The interval at 80 % for each time step, drawn for the first model.
    pub band: Option<Band>,
}

impl ForecastTrack {
    fn is_finite(&self) -> bool {
        Extent::of(self.forecast.iter().copied()).is_some()
    }
}

/// Draws the observed series of `target` in grey and up to three forecasts in colour over it.
///
/// `time_s` holds increasing times in seconds, and `actual` and each track one value to each of them. Values
/// that are not finite leave a gap. Long series are thinned so that every peak stays. Forecasts that run far
/// beyond all observed values do not stretch the axis: they are drawn at its edge, and the caption says so.
///
/// # Errors
/// If the lengths differ, or if there is no observed value or no forecast to draw.
pub fn actual_and_forecast(
    target: &str,
    unit: &str,
    time_s: &[f64],
    actual: &[f64],
    tracks: &[ForecastTrack],
) -> Result<Plot> {
    figure(target, unit, time_s, actual, tracks)?.render()
}

/// As [`actual_and_forecast`], against the number of each request instead of its time: requests come in bursts, and
/// those of one burst would lie on one vertical line. `first` is the number of the first one.
///
/// # Errors
/// As [`actual_and_forecast`].
pub fn actual_and_forecast_by_request(
    target: &str,
    unit: &str,
    first: usize,
    actual: &[f64],
    tracks: &[ForecastTrack],
) -> Result<Plot> {
    let positions: Vec<f64> = (first..first + actual.len()).map(|number| number as f64).collect();
    let span = Extent::of(positions.iter().copied()).context("there is no request to draw")?;
    let along =
        Along { positions: &positions, zero: 0.0, axis: PlotAxis::whole("request", span.widened(0.0), 8) };
    draw(target, unit, &along, actual, tracks)?.render()
}

/// The horizontal axis, with the position of each value and the position that the axis counts from.
struct Along<'a> {
    positions: &'a [f64],
    zero: f64,
    axis: PlotAxis,
}

fn figure(
    target: &str,
    unit: &str,
    time_s: &[f64],
    actual: &[f64],
    tracks: &[ForecastTrack],
) -> Result<Figure> {
    let window = Window::of(time_s)?;
    let along = Along { positions: time_s, zero: window.zero_s, axis: window.axis() };
    draw(target, unit, &along, actual, tracks)
}

fn draw(
    target: &str,
    unit: &str,
    along: &Along<'_>,
    actual: &[f64],
    tracks: &[ForecastTrack],
) -> Result<Figure> {
    ensure_lengths(along.positions.len(), actual, tracks)?;
    let shown: Vec<&ForecastTrack> =
        tracks.iter().filter(|track| track.is_finite()).take(MOST_TRACKS).collect();
    ensure!(!shown.is_empty(), "no model has a finite forecast of {target} to draw");
    let observed = Extent::of(actual.iter().copied())
        .with_context(|| format!("{target} has no finite observed value to draw"))?;
    let range = value_range(observed, &shown);
    let title = format!("{target}: observed and forecast");

    let mut scene = Scene::default();
    let header_end = frame::header(&mut scene, &title, &legend(&shown));
    let y_axis = if range.log {
        PlotAxis::log(format!("{} (log scale)", with_unit(target, unit)), range.axis)
    } else {
        PlotAxis::linear(with_unit(target, unit), range.axis, 6)
    };
    let panel = Panel::below(&mut scene, header_end, &y_axis, PANEL_HEIGHT, 0.0);
    let x_axis = &along.axis;

    let scales = panel.scales(x_axis, &y_axis);
    let runs = |values: &[f64]| runs(&thinned(along.positions, values), along.zero, scales);
    let observed_runs = runs(actual);
    // An area below the line would be cut in two by a band.
    if range.starts_at_zero && band_of(&shown).is_none() {
        for run in &observed_runs {
            fill_below(&mut scene, run, panel.bottom);
        }
    }
    if let Some(band) = band_of(&shown) {
        scene.bands(runs(&band.lower), runs(&band.upper), lighter(series_colour(0), 0.78));
    }
    frame::x_grid(&mut scene, &panel, x_axis);
    frame::y_grid(&mut scene, &panel, &y_axis);
    for run in observed_runs {
        scene.path(run, 1.2, GREY_LINE);
    }
    // The first track is drawn last, so that the others do not cover it.
    for (index, track) in shown.iter().enumerate().rev() {
        for run in runs(&track.forecast) {
            scene.path(run, 1.5, series_colour(index));
        }
    }
    tips(&mut scene, along, actual, &shown, scales);
    frame::x_axis(&mut scene, &panel, x_axis);
    let caption = caption(tracks.len() - shown.len(), range.cuts_forecasts);
    frame::finish(&mut scene, panel.bottom + frame::X_AXIS_HEIGHT - 8.0, &caption);

    let models: Vec<&str> = shown.iter().map(|track| track.label.as_str()).collect();
    let alt =
        format!("Line chart of {target} over time, as observed and as forecast by {}.", models.join(", "));
    Ok(Figure { name: file_stem(&["forecast", target]), title, alt, scene, chart: Chart::default() })
}

/// A tooltip at each observed value: the value and the forecast of each model.
fn tips(scene: &mut Scene, along: &Along<'_>, actual: &[f64], shown: &[&ForecastTrack], scales: PanelScales) {
    for (index, (position, value)) in along.positions.iter().zip(actual).enumerate() {
        if !is_drawable(*position) || !is_drawable(*value) {
            continue;
        }
        let forecasts: Vec<String> = shown
            .iter()
            .map(|track| format!("{}: {}", track.label, number::significant(track.forecast[index], 4)))
            .collect();
        let text = format!("observed: {}\n{}", number::significant(*value, 4), forecasts.join("\n"));
        scene.tip(scales.at(position - along.zero, *value), text);
    }
}

fn ensure_lengths(times: usize, actual: &[f64], tracks: &[ForecastTrack]) -> Result<()> {
    ensure!(actual.len() == times, "{} observed values for {times} times", actual.len());
    for ForecastTrack { label, forecast, band } in tracks {
        ensure!(forecast.len() == times, "{label:?} has {} forecasts for {times} times", forecast.len());
        if let Some(Band { lower, upper }) = band {
            ensure!(lower.len() == times && upper.len() == times, "{label:?} has a band of another length");
        }
    }
    Ok(())
}

/// The drawn stretch of time, and the time that its axis counts from.
struct Window {
    span_s: Extent,
    zero_s: f64,
}

impl Window {
    fn of(time_s: &[f64]) -> Result<Self> {
        let span_s = Extent::of(time_s.iter().copied()).context("no time is finite")?;
        let zero_s = if span_s.largest() > LATEST_TRACE_TIME_S { span_s.lo } else { 0.0 };
        Ok(Self { span_s, zero_s })
    }

    fn axis(&self) -> PlotAxis {
        let span_s =
            Extent { lo: self.span_s.lo - self.zero_s, hi: self.span_s.hi - self.zero_s }.widened(0.0);
        let title = if self.zero_s == 0.0 { "time" } else { "time since the start of the window" };
        PlotAxis::time(title, span_s, 8)
    }
}

/// The interval of the first model, where the series is short enough to be drawn point by point: thinned, its lower and
/// its upper end would keep different points.
fn band_of<'a>(shown: &[&'a ForecastTrack]) -> Option<&'a Band> {
    let first = shown.first()?;
    first.band.as_ref().filter(|_| !is_thinned(first.forecast.len()))
}

fn legend(shown: &[&ForecastTrack]) -> Vec<LegendEntry> {
    let tracks = shown
        .iter()
        .enumerate()
        .map(|(index, track)| LegendEntry::new(LegendKey::Line(series_colour(index)), track.label.as_str()));
    let band = band_of(shown).map(|_| {
        let label = format!("80 % interval of {}", shown[0].label);
        LegendEntry::new(LegendKey::Swatch(lighter(series_colour(0), 0.78)), label)
    });
    std::iter::once(LegendEntry::new(LegendKey::Line(GREY_LINE), "observed"))
        .chain(tracks)
        .chain(band)
        .collect()
}

/// The range of the value axis.
struct ValueRange {
    axis: Extent,
    log: bool,
    starts_at_zero: bool,
    cuts_forecasts: bool,
}

/// The axis holds all observed values, and the forecasts up to one width of the observed range beyond them.
/// It starts at zero when nothing is negative and the lowest value is far below the highest.
fn value_range(observed: Extent, shown: &[&ForecastTrack]) -> ValueRange {
    let band = band_of(shown).into_iter().flat_map(|band| band.lower.iter().chain(&band.upper));
    let all = shown.iter().flat_map(|track| &track.forecast).chain(band);
    let forecast = Extent::of(all.copied()).unwrap_or(observed);
    if observed.lo > 1e-100 && observed.hi < 1e100 && observed.hi / observed.lo > LOG_FROM_RATIO {
        return log_range(observed, forecast);
    }
    let limit = observed.widened(1.0);
    let mut all = observed;
    for end in [forecast.lo, forecast.hi] {
        all = all.including(end.clamp(limit.lo, limit.hi));
    }
    let starts_at_zero = observed.lo >= 0.0 && all.lo >= -0.02 * all.hi && all.lo < 0.5 * all.hi;
    let wide = all.widened(0.05);
    ValueRange {
        axis: if starts_at_zero { Extent { lo: 0.0, hi: wide.hi } } else { wide },
        log: false,
        starts_at_zero,
        cuts_forecasts: !(limit.contains(forecast.lo) && limit.contains(forecast.hi)),
    }
}

/// A logarithmic axis: heavy-tailed quantities would lie flat on a linear one, below a few peaks.
fn log_range(observed: Extent, forecast: Extent) -> ValueRange {
    let limit = Extent { lo: observed.lo / 2.0, hi: observed.hi * 2.0 };
    let all = observed
        .including(forecast.lo.clamp(limit.lo, limit.hi))
        .including(forecast.hi.clamp(limit.lo, limit.hi));
    ValueRange {
        axis: Extent { lo: all.lo / 1.1, hi: all.hi * 1.1 },
        log: true,
        starts_at_zero: false,
        cuts_forecasts: !(limit.contains(forecast.lo) && limit.contains(forecast.hi)),
    }
}

/// Positions of the points, split at the gaps.
fn runs(points: &[(f64, f64)], start_s: f64, scales: PanelScales) -> Vec<Vec<ScenePoint>> {
    points
        .split(|(_, value)| !is_drawable(*value))
        .filter(|run| !run.is_empty())
        .map(|run| run.iter().map(|(time_s, value)| scales.at(time_s - start_s, *value)).collect())
        .collect()
}

fn fill_below(scene: &mut Scene, run: &[ScenePoint], bottom: f64) {
    if let (Some(first), Some(last)) = (run.first(), run.last()) {
        let floor = [(last.0, bottom), (first.0, bottom)];
        scene.polygon(run.iter().copied().chain(floor).collect(), GREY_FILL);
    }
}

fn caption(left_out: usize, cuts_forecasts: bool) -> Vec<String> {
    let mut sentences = Vec::new();
    if cuts_forecasts {
        sentences
            .push("Forecasts far beyond all observed values are drawn at the edge of the axis.".to_owned());
    }
    if left_out > 0 {
        sentences.push(format!("Not shown: {left_out} more."));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;

    fn track(label: &str, forecast: &[f64]) -> ForecastTrack {
        ForecastTrack { label: label.to_owned(), forecast: forecast.to_vec(), band: None }
    }

    fn steps(count: usize, step_s: f64) -> Vec<f64> {
        (0..count).map(|step| step as f64 * step_s).collect()
    }

    #[test]
    fn the_plot_holds_its_labels_and_nothing_overlaps() {
        let time_s = steps(300, 10.0);
        let actual: Vec<f64> = time_s.iter().map(|t| 5.0 + (t / 300.0).sin() * 4.0).collect();
        let late: Vec<f64> = time_s.iter().map(|t| 5.0 + (t / 300.0 - 0.2).sin() * 4.0).collect();
        let tracks = [track("DLinear", &late), track("naive <last>", &actual)];
        let figure = figure("requests", "requests/s", &time_s, &actual, &tracks).unwrap();
        check::texts_are_apart_and_inside(&figure.scene);
        let plot = figure.render().unwrap();
        let labels =
            ["requests, requests/s", "observed", "DLinear", "naive &lt;last&gt;", "time, h:mm", "0:30"];
        check::is_sound(&plot, &labels);
        assert_eq!(plot.name, "forecast-requests");
    }

    #[test]
    fn odd_values_are_drawn() {
        for values in [
            &[1.0][..],
            &[4.0, 4.0, 4.0],
            &[-1.0, f64::NAN, -3.0],
            &[1e12, 0.0, f64::INFINITY],
            &[1e-9, 2e-9],
            &[0.0, 0.0],
        ] {
            let time_s = steps(values.len(), 60.0);
            let figure = figure("odd", "", &time_s, values, &[track("same", values)]).unwrap();
            check::texts_are_apart_and_inside(&figure.scene);
            check::is_sound(&figure.render().unwrap(), &["odd", "same"]);
        }
    }

    #[test]
    fn a_forecast_that_diverges_does_not_stretch_the_axis() {
        let diverged = track("diverged", &[1.0, 2.0, 1e12]);
        let range = value_range(Extent { lo: 1.0, hi: 3.0 }, &[&diverged]);
        assert!(range.cuts_forecasts && range.axis.hi < 6.0);
        let plot = actual_and_forecast("load", "", &steps(3, 1.0), &[1.0, 2.0, 3.0], &[diverged]).unwrap();
        assert!(plot.svg.contains("at the edge of the axis"));
    }

    #[test]
    fn heavy_tailed_positive_values_get_a_logarithmic_axis() {
        let svg = |actual: &[f64]| {
            let tracks = [track("a", &[-1.0, 2.0])];
            actual_and_forecast("load", "", &[0.0, 1.0], actual, &tracks).unwrap().svg
        };
        let heavy = svg(&[1.0, 1000.0]);
        assert!(heavy.contains("log scale") && heavy.contains("at the edge of the axis"));
        assert!(!svg(&[1.0, 3.0]).contains("log scale"));
        assert!(!svg(&[0.0, 1000.0]).contains("log scale"));
    }

    #[test]
    fn requests_are_counted_along_the_axis() {
        let values = [3.0, 1.0, 2.0, 2.5, 4.0];
        let plot =
            actual_and_forecast_by_request("gap_s", "s", 294, &values, &[track("a", &values)]).unwrap();
        check::is_sound(&plot, &["request", "295", "gap_s"]);
        assert!(actual_and_forecast_by_request("gap_s", "s", 1, &[], &[]).is_err());
    }

    #[test]
    fn labels_of_any_stretch_of_time_are_apart() {
        for start_s in [0.0, 13.0, 3599.0, 86_000.0, 172_799.0, 9e5, 8e7, -5e4] {
            for step_s in [1e-6, 0.01, 1.0, 7.0, 60.0, 250.0, 3600.0, 1e5, 1e7] {
                let time_s: Vec<f64> = steps(60, step_s).iter().map(|t| t + start_s).collect();
                let values = vec![1e6; 60];
                let figure = figure("load", "", &time_s, &values, &[track("a", &values)]).unwrap();
                check::texts_are_apart_and_inside(&figure.scene);
            }
        }
    }

    #[test]
    fn clock_times_are_counted_from_the_start_of_the_window() {
        let time_s: Vec<f64> = steps(4, 900.0).iter().map(|t| t + 1.7e9).collect();
        let values = [1.0, 2.0, 3.0, 2.0];
        let plot = actual_and_forecast("load", "", &time_s, &values, &[track("a", &values)]).unwrap();
        assert!(plot.svg.contains("time since the start of the window") && plot.svg.contains("0:30"));
    }

    #[test]
    fn missing_values_and_lengths_that_differ_are_errors() {
        let draw = |actual: &[f64], forecast: &[f64]| {
            actual_and_forecast("load", "", &[0.0, 1.0], actual, &[track("a", forecast)])
        };
        let nan = f64::NAN;
        assert!(draw(&[1.0, 2.0], &[1.0, nan]).is_ok());
        assert!(draw(&[nan, nan], &[1.0, 2.0]).is_err());
        assert!(draw(&[1.0, 2.0], &[nan, nan]).is_err());
        assert!(draw(&[1.0], &[1.0, 2.0]).is_err());
        assert!(draw(&[1.0, 2.0], &[1.0]).is_err());
        assert!(actual_and_forecast("load", "", &[], &[], &[]).is_err());
    }

    #[test]
    fn a_fourth_forecast_is_counted_but_not_drawn() {
        let tracks: Vec<ForecastTrack> =
            ["a", "b", "c", "left out"].map(|label| track(label, &[1.0, 2.0])).to_vec();
        let plot = actual_and_forecast("load", "", &[0.0, 1.0], &[1.0, 2.0], &tracks).unwrap();
        assert!(plot.svg.contains("Not shown: 1 more.") && !plot.svg.contains("left out"));
    }
}
