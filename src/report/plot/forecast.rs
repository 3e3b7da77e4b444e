//! Observed against forecast values, over time or request by request.

use std::ops::Range;

use anyhow::{Context, Result, ensure};

use super::axis::PlotAxis;
use super::bands::Band;
use super::chart::shortened;
use super::frame::{self, LegendEntry, LegendKey, Panel};
use super::number;
use super::scale::{Extent, PanelScales, is_drawable};
use super::scene::{Scene, ScenePoint};
use super::theme::{GREY_FILL, GREY_LINE, lighter, series_colour};
use super::time::TimeOrigin;
use super::value_range::ValueRange;
use super::{AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries, Figure, Plot, with_unit};
use crate::files::file_stem;

const PANEL_HEIGHT: f64 = 300.0;
/// More forecasts than this cannot be told apart where they run close together.
const MOST_TRACKS: usize = 3;
const BAND_SHADE: f64 = 0.75;
/// Tooltips of one plot: each costs as much as the points of all its lines.
const MOST_TIPS: usize = 60;
/// Arrows at the edge that are closer than this would merge.
const ARROW_GAP: f64 = 6.0;

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

/// What the values lie along.
#[derive(Debug, Clone, PartialEq)]
pub enum Along {
    /// Increasing times in seconds.
    Time(TimeOrigin, Vec<f64>),
    /// The numbers of the requests, of which this is the first: requests come in bursts, and those of one burst would lie on
    /// one vertical line.
    Requests(usize),
}

/// What a plot of forecasts shows.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastPlot {
    /// Name of the forecast quantity.
    pub target: String,
    /// Its unit; may be empty.
    pub unit: String,
    /// How many steps ahead the forecasts are; `None` where there is only one.
    pub ahead: Option<usize>,
    /// Where each value lies.
    pub along: Along,
    /// The observed values.
    pub actual: Vec<f64>,
    /// The forecasts, the best model first, of which up to three are drawn.
    pub tracks: Vec<ForecastTrack>,
    /// The values that the picture shows; a page with a script has all of them.
    pub shown: Range<usize>,
}

/// Draws the observed series in grey and the forecasts in colour over it.
///
/// Values that are not finite leave a gap. The axis fits the bulk of the values: arrows at its edge mark those far beyond.
///
/// # Errors
/// If the lengths differ, or if there is no observed value or no forecast to draw.
pub fn actual_and_forecast(plot: &ForecastPlot) -> Result<Plot> {
    figure(plot)?.render()
}

/// The tracks that are drawn.
fn shown_tracks(plot: &ForecastPlot) -> Vec<&ForecastTrack> {
    let has_values =
        |track: &&ForecastTrack| track.forecast[plot.shown.clone()].iter().any(|value| is_drawable(*value));
    plot.tracks.iter().filter(has_values).take(MOST_TRACKS).collect()
}

fn figure(plot: &ForecastPlot) -> Result<Figure> {
    ensure_lengths(plot)?;
    let ForecastPlot { target, unit, shown, .. } = plot;
    let tracks = shown_tracks(plot);
    ensure!(!tracks.is_empty(), "no model has a finite forecast of {target} to draw");
    let band = tracks[0].band.as_ref();
    let ends = band.into_iter().flat_map(|band| [&band.lower, &band.upper]);
    let forecasts = tracks.iter().map(|track| &track.forecast).chain(ends);
    let range = ValueRange::of(
        plot.actual[shown.clone()].iter().copied(),
        forecasts.flat_map(|values| values[shown.clone()].iter().copied()),
    )
    .with_context(|| format!("{target} has no finite observed value to draw"))?;
    let ahead = plot.ahead.map_or(String::new(), |ahead| format!(", {}", steps_ahead(ahead)));
    let title = format!("{target}: observed and forecast{ahead}");

    let mut scene = Scene::default();
    let header_end = frame::header(&mut scene, &title, &legend(&tracks));
    let y_axis = range.axis(&with_unit(target, unit));
    let x_axis = x_axis(plot)?;
    let panel = Panel::below(&mut scene, header_end, &y_axis, PANEL_HEIGHT, 0.0);
    let scales = panel.scales(&x_axis, &y_axis);
    let lines = |values: &[f64]| lines(plot, values, scales);
    let observed = lines(&plot.actual);
    // An area below the line would be cut in two by a band.
    if range.starts_at_zero && band.is_none() {
        for line in &observed {
            fill_below(&mut scene, line, panel.bottom);
        }
    }
    if let Some(band) = band {
        scene.bands(lines(&band.lower), lines(&band.upper), lighter(series_colour(0), BAND_SHADE));
    }
    frame::x_grid(&mut scene, &panel, &x_axis);
    frame::y_grid(&mut scene, &panel, &y_axis);
    for line in observed {
        scene.path(line, 1.3, GREY_LINE);
    }
    // The first track is drawn last, so that the others do not cover it.
    for (index, track) in tracks.iter().enumerate().rev() {
        for line in lines(&track.forecast) {
            scene.path(line, 1.5, series_colour(index));
        }
    }
    let mut clipped = vec![arrows(&mut scene, plot, (&plot.actual, range.span), scales, GREY_LINE)];
    for (index, track) in tracks.iter().enumerate().rev() {
        let values = (&track.forecast[..], range.span);
        clipped.push(arrows(&mut scene, plot, values, scales, series_colour(index)));
    }
    tips(&mut scene, plot, &tracks, scales);
    frame::x_axis(&mut scene, &panel, &x_axis);
    let caption = caption(plot.tracks.len() - tracks.len(), &clipped);
    frame::finish(&mut scene, panel.bottom + frame::X_AXIS_HEIGHT - 8.0, &caption);

    let models: Vec<&str> = tracks.iter().map(|track| track.label.as_str()).collect();
    let alt = format!(
        "Line chart of {target}{ahead}, as observed and as forecast by {}, along {}.",
        models.join(", "),
        x_axis.title
    );
    let chart = chart(plot, &tracks, range);
    Ok(Figure { name: file_stem(&["forecast", target]), title, alt, scene, chart })
}

/// `1 step ahead`, `12 steps ahead`.
pub fn steps_ahead(ahead: usize) -> String {
    format!("{ahead} step{} ahead", if ahead == 1 { "" } else { "s" })
}

fn ensure_lengths(plot: &ForecastPlot) -> Result<()> {
    let count = plot.actual.len();
    ensure!(
        plot.shown.end <= count && !plot.shown.is_empty(),
        "there is no value of {} to draw",
        plot.target
    );
    if let Along::Time(_, time_s) = &plot.along {
        ensure!(time_s.len() == count, "{count} observed values for {} times", time_s.len());
    }
    for ForecastTrack { label, forecast, band } in &plot.tracks {
        ensure!(forecast.len() == count, "{label:?} has {} forecasts for {count} values", forecast.len());
        if let Some(Band { lower, upper }) = band {
            ensure!(lower.len() == count && upper.len() == count, "{label:?} has a band of another length");
        }
    }
    Ok(())
}

/// Where a value lies on the horizontal axis.
fn position(plot: &ForecastPlot, index: usize) -> f64 {
    match &plot.along {
        Along::Time(origin, time_s) => origin.at(time_s[index]),
        Along::Requests(first) => (first + index) as f64,
    }
}

fn x_axis(plot: &ForecastPlot) -> Result<PlotAxis> {
    match &plot.along {
        Along::Time(origin, time_s) => {
            let span = Extent::of(time_s[plot.shown.clone()].iter().copied()).context("no time is finite")?;
            Ok(origin.axis(span, 8))
        }
        Along::Requests(first) => {
            let span =
                Extent { lo: (first + plot.shown.start) as f64, hi: (first + plot.shown.end - 1) as f64 };
            Ok(PlotAxis::whole("request", span.widened(0.0), 8))
        }
    }
}

/// The drawn part of a series, split at its gaps.
fn lines(plot: &ForecastPlot, values: &[f64], scales: PanelScales) -> Vec<Vec<ScenePoint>> {
    let points: Vec<(f64, f64)> =
        plot.shown.clone().map(|index| (position(plot, index), values[index])).collect();
    points
        .split(|(at, value)| !is_drawable(*value) || !is_drawable(*at))
        .filter(|run| !run.is_empty())
        .map(|run| run.iter().map(|(at, value)| scales.at(*at, *value)).collect())
        .collect()
}

fn fill_below(scene: &mut Scene, line: &[ScenePoint], bottom: f64) {
    if let (Some(first), Some(last)) = (line.first(), line.last()) {
        let floor = [(last.0, bottom), (first.0, bottom)];
        scene.polygon(line.iter().copied().chain(floor).collect(), GREY_FILL);
    }
}

/// The lowest and the highest of the values beyond the axis, as far as there are any.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Beyond {
    lowest: Option<f64>,
    highest: Option<f64>,
}

/// Marks the values of a series beyond the axis with arrows at its edge.
fn arrows(
    scene: &mut Scene,
    plot: &ForecastPlot,
    (values, span): (&[f64], Extent),
    scales: PanelScales,
    colour: plotters::style::RGBColor,
) -> Beyond {
    let mut beyond = Beyond::default();
    let mut last = [f64::NEG_INFINITY; 2];
    for index in plot.shown.clone().filter(|index| is_drawable(values[*index])) {
        let value = values[index];
        let (edge, direction) = if value > span.hi {
            beyond.highest = Some(beyond.highest.map_or(value, |highest| highest.max(value)));
            (0, -1.0)
        } else if value < span.lo {
            beyond.lowest = Some(beyond.lowest.map_or(value, |lowest| lowest.min(value)));
            (1, 1.0)
        } else {
            continue;
        };
        let (x, y) = scales.at(position(plot, index), value);
        if x - last[edge] >= ARROW_GAP {
            scene.arrow((x, y + 5.0 * direction), (0.0, direction), colour);
            last[edge] = x;
        }
    }
    beyond
}

/// A tooltip at observed values: the value and the forecast of each model.
fn tips(scene: &mut Scene, plot: &ForecastPlot, tracks: &[&ForecastTrack], scales: PanelScales) {
    let every = plot.shown.len().div_ceil(MOST_TIPS).max(1);
    for index in plot.shown.clone().step_by(every) {
        let (at, value) = (position(plot, index), plot.actual[index]);
        if !is_drawable(at) || !is_drawable(value) {
            continue;
        }
        let forecasts: Vec<String> = tracks
            .iter()
            .filter(|track| is_drawable(track.forecast[index]))
            .map(|track| format!("{}: {}", track.label, number::significant(track.forecast[index], 4)))
            .collect();
        let when = match &plot.along {
            Along::Time(origin, time_s) => origin.moment(time_s[index]),
            Along::Requests(_) => format!("request {at}\n"),
        };
        let text = format!("{when}observed: {}\n{}", number::significant(value, 4), forecasts.join("\n"));
        scene.tip(scales.at(at, value), text);
    }
}

fn band_name(track: &ForecastTrack) -> String {
    format!("80 % interval of {}", track.label)
}

fn legend(tracks: &[&ForecastTrack]) -> Vec<LegendEntry> {
    let lines = tracks
        .iter()
        .enumerate()
        .map(|(index, track)| LegendEntry::new(LegendKey::Line(series_colour(index)), track.label.as_str()));
    let band = tracks[0].band.as_ref().map(|_| {
        let key = LegendKey::Swatch(lighter(series_colour(0), BAND_SHADE));
        LegendEntry::new(key, band_name(tracks[0]))
    });
    std::iter::once(LegendEntry::new(LegendKey::Line(GREY_LINE), "observed"))
        .chain(lines)
        .chain(band)
        .collect()
}

fn caption(left_out: usize, clipped: &[Beyond]) -> Vec<String> {
    let highest = clipped.iter().filter_map(|beyond| beyond.highest).reduce(f64::max);
    let lowest = clipped.iter().filter_map(|beyond| beyond.lowest).reduce(f64::min);
    let text = |value: f64| number::significant(value, 3);
    let up_to = highest.map(|value| format!("up to {}", text(value)));
    let down_to = lowest.map(|value| format!("down to {}", text(value)));
    let ends: Vec<String> = up_to.into_iter().chain(down_to).collect();
    let mut sentences = Vec::new();
    if !ends.is_empty() {
        sentences.push(format!("Arrows at the edge mark values beyond the axis, {}.", ends.join(" and ")));
    }
    if left_out > 0 {
        sentences.push(format!("Not shown: {left_out} more."));
    }
    sentences
}

/// All values as data, also those beyond the picture.
fn chart(plot: &ForecastPlot, tracks: &[&ForecastTrack], range: ValueRange) -> Chart {
    let (x_axis, unit) = match &plot.along {
        Along::Time(origin, time_s) => {
            let span = Extent::of(time_s.iter().copied()).unwrap_or(Extent { lo: 0.0, hi: 0.0 });
            origin.chart_axis(span)
        }
        Along::Requests(_) => (ChartAxis::new("request", AxisKind::Value), 1.0),
    };
    // A thousandth of a second tells any two steps apart.
    let at = |index: usize| (position(plot, index) / unit * 1e3).round() / 1e3;
    let line = |values: &[f64]| ChartMarks::Line {
        points: values.iter().enumerate().map(|(index, value)| [at(index), shortened(*value)]).collect(),
        dashed: false,
    };
    let mut series = Vec::new();
    if let Some(Band { lower, upper }) = &tracks[0].band {
        let ends = lower.iter().zip(upper).enumerate();
        let points = ends.map(|(index, (lower, upper))| [at(index), shortened(*lower), shortened(*upper)]);
        let colour = lighter(series_colour(0), BAND_SHADE);
        series.push(ChartSeries::new(
            band_name(tracks[0]),
            colour,
            ChartMarks::Band { points: points.collect() },
        ));
    }
    series.push(ChartSeries::new("observed", GREY_LINE, line(&plot.actual)));
    for (index, track) in tracks.iter().enumerate().rev() {
        series.push(ChartSeries::new(track.label.clone(), series_colour(index), line(&track.forecast)));
    }
    // Forecasts of positive quantities may be zero or below, which a logarithmic axis cannot show.
    let kind = if range.log { AxisKind::Log } else { AxisKind::Value };
    Chart::of(vec![ChartPanel {
        title: String::new(),
        x: x_axis,
        y: ChartAxis::new(with_unit(&plot.target, &plot.unit), kind),
        series,
    }])
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

    fn plot(time_s: Vec<f64>, actual: &[f64], tracks: Vec<ForecastTrack>) -> ForecastPlot {
        ForecastPlot {
            target: "load".to_owned(),
            unit: "requests/s".to_owned(),
            ahead: Some(3),
            along: Along::Time(TimeOrigin::TraceStart, time_s),
            actual: actual.to_vec(),
            tracks,
            shown: 0..actual.len(),
        }
    }

    fn drawn(plot: &ForecastPlot) -> Plot {
        let figure = figure(plot).unwrap();
        check::texts_are_apart_and_inside(&figure.scene);
        figure.render().unwrap()
    }

    #[test]
    fn the_plot_holds_its_labels_and_nothing_overlaps() {
        let time_s = steps(200, 10.0);
        let actual: Vec<f64> = time_s.iter().map(|t| 5.0 + (t / 300.0).sin() * 4.0).collect();
        let late: Vec<f64> = time_s.iter().map(|t| 5.0 + (t / 300.0 - 0.2).sin() * 4.0).collect();
        let band = Band { lower: vec![1.0; 200], upper: vec![9.0; 200] };
        let first = ForecastTrack { band: Some(band), ..track("DLinear", &late) };
        let mut data = plot(time_s, &actual, vec![first, track("naive <last>", &actual)]);
        let labels =
            ["load, requests/s", "observed", "naive &lt;last&gt;", "80 % interval of DLinear", "0:30"];
        check::is_sound(&drawn(&data), &labels);
        let Along::Time(origin, _) = &mut data.along else { panic!() };
        *origin = TimeOrigin::Date(1_700_158_546.0);
        let dated = drawn(&data);
        check::is_sound(&dated, &["time (UTC), 16 Nov 2023", "18:20", "3 steps ahead"]);
        assert_eq!(dated.chart.panels[0].x.kind, AxisKind::Time);
        assert_eq!(dated.chart.panels[0].series.len(), 4);
        assert!(dated.name == "forecast-load" && dated.svg.matches("<circle").count() <= MOST_TIPS);
    }

    #[test]
    fn the_chart_holds_more_than_the_picture() {
        let values: Vec<f64> = (0..500).map(f64::from).collect();
        let data =
            ForecastPlot { shown: 100..150, ..plot(steps(500, 60.0), &values, vec![track("a", &values)]) };
        let ChartMarks::Line { points, .. } = &drawn(&data).chart.panels[0].series[0].marks else { panic!() };
        assert_eq!((points.len(), points[60]), (500, [1.0, 60.0]));
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
            for origin in [TimeOrigin::TraceStart, TimeOrigin::FirstRow, TimeOrigin::Date(1.7e9)] {
                let mut data = plot(steps(values.len(), 60.0), values, vec![track("same", values)]);
                data.along = Along::Time(origin, steps(values.len(), 60.0));
                check::is_sound(&drawn(&data), &["same"]);
            }
        }
    }

    #[test]
    fn what_lies_beyond_the_axis_is_marked_and_told() {
        let mut values: Vec<f64> = (0..100).map(|index| f64::from(index % 10)).collect();
        (values[30], values[40]) = (5e4, -7e3);
        let svg = drawn(&plot(steps(100, 1.0), &values, vec![track("a", &[5.0; 100])])).svg;
        assert!(svg.contains("beyond the axis, up to 50.0k and down to −7.00k."), "{svg}");
    }

    #[test]
    fn requests_are_counted_along_the_axis() {
        let values = [3.0, 1.0, 2.0, 2.5, 4.0];
        let mut data = plot(steps(5, 1.0), &values, vec![track("a", &values)]);
        data.along = Along::Requests(294);
        check::is_sound(&drawn(&data), &["request", "295"]);
    }

    #[test]
    fn labels_of_any_stretch_of_time_are_apart() {
        for start_s in [0.0, 13.0, 3599.0, 86_000.0, 172_799.0, 9e5, 8e7, -5e4] {
            for step_s in [1e-6, 0.01, 1.0, 7.0, 60.0, 250.0, 3600.0, 1e5, 1e7] {
                for origin in [TimeOrigin::TraceStart, TimeOrigin::Date(1_467_331_200.0)] {
                    let time_s: Vec<f64> = steps(60, step_s).iter().map(|t| t + start_s).collect();
                    let values = vec![1e6; 60];
                    let mut data = plot(Vec::new(), &values, vec![track("a", &values)]);
                    data.along = Along::Time(origin, time_s);
                    check::texts_are_apart_and_inside(&figure(&data).unwrap().scene);
                }
            }
        }
    }

    #[test]
    fn missing_values_and_lengths_that_differ_are_errors() {
        let draw = |actual: &[f64], forecast: &[f64]| {
            actual_and_forecast(&plot(steps(2, 1.0), actual, vec![track("a", forecast)]))
        };
        let nan = f64::NAN;
        assert!(draw(&[1.0, 2.0], &[1.0, nan]).is_ok());
        assert!(draw(&[nan, nan], &[1.0, 2.0]).is_err());
        assert!(draw(&[1.0, 2.0], &[nan, nan]).is_err());
        assert!(draw(&[1.0], &[1.0, 2.0]).is_err());
        assert!(draw(&[1.0, 2.0], &[1.0]).is_err());
        assert!(draw(&[], &[]).is_err());
    }

    #[test]
    fn a_fourth_forecast_is_counted_but_not_drawn() {
        let tracks = ["a", "b", "c", "left out"].map(|label| track(label, &[1.0, 2.0])).to_vec();
        let svg = drawn(&plot(steps(2, 1.0), &[1.0, 2.0], tracks)).svg;
        assert!(svg.contains("Not shown: 1 more.") && !svg.contains("left out"));
    }
}
