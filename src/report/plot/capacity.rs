//! What acting on forecasts costs: the frontier of replica hours against late work, and replicas over time.

use anyhow::{Context, Result, ensure};

use super::axis::PlotAxis;
use super::chart::{AxisKind, ChartAxis, ChartMarks, ChartPanel, ChartSeries};
use super::frame::{self, DASH, LegendEntry, LegendKey, Panel};
use super::scale::{Extent, is_drawable};
use super::scene::Scene;
use super::theme::{GREY_LINE, INK, series_colour};
use super::thin::thinned;
use super::time::TimeOrigin;
use super::{Chart, Figure, Plot, number};

const FRONTIER_HEIGHT: f64 = 300.0;
const PANEL_HEIGHT: f64 = 170.0;
const PANEL_GAP: f64 = 64.0;

/// Replica hours against late work.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frontier {
    /// The models.
    pub lines: Vec<FrontierLine>,
    /// The policies that need no forecast.
    pub policies: Vec<FrontierMark>,
    /// The share of the work that may be late, in percent.
    pub limit_percent: f64,
}

/// One model.
#[derive(Debug, Clone, PartialEq)]
pub struct FrontierLine {
    /// Its name.
    pub label: String,
    /// The forecasts that it may act on, in the order in which they are joined.
    pub points: Vec<FrontierMark>,
}

/// One plan or policy.
#[derive(Debug, Clone, PartialEq)]
pub struct FrontierMark {
    /// What is acted on, or the policy's name.
    pub label: String,
    /// Hours of replicas that are paid for.
    pub replica_hours: f64,
    /// Share of the work that is late, in percent.
    pub late_percent: f64,
    /// Whether it is the chosen plan.
    pub chosen: bool,
}

/// The replicas of one policy over time.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaTrack {
    /// Its name.
    pub label: String,
    /// Replicas that serve each window.
    pub live: Vec<f64>,
    /// Delay of each window, in seconds.
    pub delay_s: Vec<f64>,
}

/// Draws replica hours against late work, a line for each model and a dot for each policy.
///
/// # Errors
/// If nothing is finite.
pub fn capacity_frontier(frontier: &Frontier) -> Result<Plot> {
    frontier_figure(frontier)?.render()
}

fn frontier_figure(frontier: &Frontier) -> Result<Figure> {
    let marks = || frontier.lines.iter().flat_map(|line| &line.points).chain(&frontier.policies);
    let hours = Extent::of(marks().map(|mark| mark.replica_hours)).context("no replica hours are finite")?;
    let late = marks().map(|mark| mark.late_percent).chain([0.0, frontier.limit_percent]);
    let late = Extent::of(late).context("no late work is finite")?.widened_up_to_zero(0.06);
    let x_axis = PlotAxis::linear("replica hours on the test part", hours.widened(0.05), 8);
    let y_axis = PlotAxis::linear("late work, %", late, 6);
    let mut scene = Scene::default();
    let title = "Replica hours against late work";
    let colour_of_policy = |index: usize| series_colour(frontier.lines.len() + index);
    let models = frontier.lines.iter().enumerate();
    let mut legend: Vec<LegendEntry> = models
        .map(|(index, line)| LegendEntry::new(LegendKey::Line(series_colour(index)), line.label.as_str()))
        .collect();
    legend.extend(frontier.policies.iter().enumerate().map(|(index, policy)| {
        LegendEntry::new(LegendKey::Dot(colour_of_policy(index)), policy.label.as_str())
    }));
    legend.push(LegendEntry::new(LegendKey::Dashed(INK), "limit of late work"));
    let y = frame::header(&mut scene, title, &legend);
    let panel = Panel::below(&mut scene, y, &y_axis, FRONTIER_HEIGHT, 40.0);
    let scales = panel.scales(&x_axis, &y_axis);
    frame::x_grid(&mut scene, &panel, &x_axis);
    frame::y_grid(&mut scene, &panel, &y_axis);
    let limit = scales.y.at(frontier.limit_percent);
    scene.dashed(&[(panel.left, limit), (panel.right, limit)], DASH, 1.2, INK);
    let tip = |name: &str, mark: &FrontierMark| {
        let whose = if name == mark.label { name.to_string() } else { format!("{name}, {}", mark.label) };
        format!(
            "{whose}\n{} replica hours, {} % late",
            number::significant(mark.replica_hours, 4),
            number::significant(mark.late_percent, 2)
        )
    };
    let drawable = |mark: &&FrontierMark| is_drawable(mark.replica_hours) && is_drawable(mark.late_percent);
    let mut series = vec![ChartSeries::new(
        "limit of late work",
        INK,
        ChartMarks::Rule { x: None, y: Some(frontier.limit_percent) },
    )];
    // The best model is drawn last, so that the others do not cover it.
    for (index, line) in frontier.lines.iter().enumerate().rev() {
        let colour = series_colour(index);
        let points: Vec<&FrontierMark> = line.points.iter().filter(drawable).collect();
        scene.path(
            points.iter().map(|mark| scales.at(mark.replica_hours, mark.late_percent)).collect(),
            1.6,
            colour,
        );
        for mark in &points {
            let at = scales.at(mark.replica_hours, mark.late_percent);
            scene.disc(at, if mark.chosen { 6.0 } else { 3.2 }, colour);
            scene.tip(at, tip(&line.label, mark));
        }
        let pairs: Vec<[f64; 2]> =
            points.iter().map(|mark| [mark.replica_hours, mark.late_percent]).collect();
        let labels = points.iter().map(|mark| tip(&line.label, mark)).collect();
        let line_marks = ChartMarks::Line { points: pairs.clone(), dashed: false };
        series.push(ChartSeries::new(line.label.as_str(), colour, line_marks));
        series.push(ChartSeries::new(
            line.label.as_str(),
            colour,
            ChartMarks::Dots { points: pairs, labels },
        ));
    }
    for (index, policy) in frontier.policies.iter().enumerate().filter(|(_, mark)| drawable(mark)) {
        let at = scales.at(policy.replica_hours, policy.late_percent);
        scene.disc(at, 5.0, colour_of_policy(index));
        scene.tip(at, tip(&policy.label, policy));
        series.push(ChartSeries::new(
            policy.label.as_str(),
            colour_of_policy(index),
            ChartMarks::Dots {
                points: vec![[policy.replica_hours, policy.late_percent]],
                labels: vec![tip(&policy.label, policy)],
            },
        ));
    }
    frame::x_axis(&mut scene, &panel, &x_axis);
    frame::finish(&mut scene, panel.bottom + frame::X_AXIS_HEIGHT - 4.0, &[]);
    let names: Vec<&str> = frontier
        .lines
        .iter()
        .map(|line| line.label.as_str())
        .chain(frontier.policies.iter().map(|policy| policy.label.as_str()))
        .collect();
    let chart = Chart::of(vec![ChartPanel {
        title: String::new(),
        x: ChartAxis::new(x_axis.title.as_str(), AxisKind::Value),
        y: ChartAxis::new(y_axis.title.as_str(), AxisKind::Value),
        series,
    }]);
    let alt = format!("Late work against replica hours of {}.", names.join(", "));
    Ok(Figure { name: "capacity-frontier".to_owned(), title: title.to_owned(), alt, scene, chart })
}

/// Draws demand and replicas, and below them the delays. `demand` is in replicas; `max_delay_s` is the limit of the delay.
///
/// # Errors
/// If there is no window, or lists of unequal length.
pub fn replicas_over_time(
    origin: TimeOrigin,
    time_s: &[f64],
    demand: &[f64],
    tracks: &[ReplicaTrack],
    max_delay_s: f64,
) -> Result<Plot> {
    replicas_figure(origin, time_s, demand, tracks, max_delay_s)?.render()
}

fn replicas_figure(
    origin: TimeOrigin,
    time_s: &[f64],
    demand: &[f64],
    tracks: &[ReplicaTrack],
    max_delay_s: f64,
) -> Result<Figure> {
    ensure!(!time_s.is_empty(), "there is no window to draw");
    let lists = tracks.iter().flat_map(|track| [&track.live, &track.delay_s]);
    ensure!(
        lists.map(Vec::len).chain([demand.len()]).all(|count| count == time_s.len()),
        "the windows do not fit"
    );
    let title = "Demand, replicas and delay over time";
    let names = tracks.iter().enumerate();
    let mut legend = vec![LegendEntry::new(LegendKey::Line(GREY_LINE), "busy replicas (demand)")];
    legend.extend(
        names.map(|(index, track)| LegendEntry::new(LegendKey::Line(series_colour(index)), &track.label)),
    );
    legend.push(LegendEntry::new(LegendKey::Dashed(INK), "limit of the delay"));
    let mut scene = Scene::default();
    let y = frame::header(&mut scene, title, &legend);
    let demand = PanelLine { label: "busy replicas (demand)", colour: GREY_LINE, values: demand };
    let line_of = |values: fn(&ReplicaTrack) -> &[f64]| {
        tracks
            .iter()
            .enumerate()
            .map(move |(index, track)| PanelLine {
                label: track.label.as_str(),
                colour: series_colour(index),
                values: values(track),
            })
            .rev()
    };
    let live: Vec<PanelLine<'_>> =
        std::iter::once(demand).chain(line_of(|track| track.live.as_slice())).collect();
    let delays: Vec<PanelLine<'_>> = line_of(|track| track.delay_s.as_slice()).collect();
    let (bottom, replicas) = panel(&mut scene, y, origin, time_s, "replicas", &live, None)?;
    let (bottom, delay) =
        panel(&mut scene, bottom + PANEL_GAP, origin, time_s, "delay, s", &delays, Some(max_delay_s))?;
    frame::finish(&mut scene, bottom + frame::X_AXIS_HEIGHT - 4.0, &[]);
    let labels: Vec<&str> = tracks.iter().map(|track| track.label.as_str()).collect();
    let alt = format!(
        "Line charts over time: the replicas that the work keeps busy beside those of {}, and their delays.",
        labels.join(" and ")
    );
    let chart = Chart::of(vec![replicas, delay]);
    Ok(Figure { name: "capacity-replicas".to_owned(), title: title.to_owned(), alt, scene, chart })
}

/// One line of a panel.
struct PanelLine<'a> {
    label: &'a str,
    colour: plotters::style::RGBColor,
    values: &'a [f64],
}

/// Draws lines below `y`; returns where the panel ends, and its data.
fn panel(
    scene: &mut Scene,
    y: f64,
    origin: TimeOrigin,
    time_s: &[f64],
    quantity: &str,
    lines: &[PanelLine<'_>],
    limit: Option<f64>,
) -> Result<(f64, ChartPanel)> {
    let all = lines.iter().flat_map(|line| line.values.iter().copied()).chain(limit).chain([0.0]);
    let span = Extent::of(all).context("there is no finite value to draw")?.widened_up_to_zero(0.05);
    let times = Extent::of(time_s.iter().copied()).context("no time is finite")?;
    let y_axis = PlotAxis::linear(quantity, span.widened(0.0), 4);
    let x_axis = origin.axis(times, 8);
    let (chart_axis, divisor) = origin.chart_axis(times);
    let panel = Panel::below(scene, y, &y_axis, PANEL_HEIGHT, 48.0);
    let scales = panel.scales(&x_axis, &y_axis);
    frame::x_grid(scene, &panel, &x_axis);
    frame::y_grid(scene, &panel, &y_axis);
    let mut series = Vec::new();
    if let Some(limit) = limit {
        let y = scales.y.at(limit);
        scene.dashed(&[(panel.left, y), (panel.right, y)], DASH, 1.2, INK);
        let rule = ChartMarks::Rule { x: None, y: Some(limit) };
        series.push(ChartSeries::new("limit of the delay", INK, rule));
    }
    for line in lines {
        let points: Vec<(f64, f64)> =
            thinned(time_s, line.values).into_iter().filter(|(_, value)| is_drawable(*value)).collect();
        scene.path(
            points.iter().map(|&(time, value)| scales.at(origin.at(time), value)).collect(),
            1.5,
            line.colour,
        );
        let points = points.iter().map(|&(time, value)| [origin.at(time) / divisor, value]).collect();
        series.push(ChartSeries::new(line.label, line.colour, ChartMarks::Line { points, dashed: false }));
    }
    frame::x_axis(scene, &panel, &x_axis);
    let chart = ChartPanel {
        title: String::new(),
        x: chart_axis,
        y: ChartAxis::new(quantity, AxisKind::Value),
        series,
    };
    Ok((panel.bottom, chart))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;

    fn mark(label: &str, replica_hours: f64, late_percent: f64) -> FrontierMark {
        FrontierMark { label: label.to_owned(), replica_hours, late_percent, chosen: label == "0.9" }
    }

    fn frontier() -> Frontier {
        let line = |label: &str, more: f64| FrontierLine {
            label: label.to_owned(),
            points: vec![mark("mean", 3_500.0 + more, 23.0), mark("0.9", 4_640.0 + more, 0.4)],
        };
        Frontier {
            lines: vec![line("dlinear", 0.0), line("nlinear", 40.0), line("lstm", 90.0)],
            policies: vec![
                mark("reactive", 3_737.0, 13.9),
                mark("reactive_with_headroom", 4_840.0, 0.9),
                mark("static", 9_238.0, 0.0),
                mark("oracle", 3_753.0, 0.0),
            ],
            limit_percent: 1.0,
        }
    }

    #[test]
    fn the_frontier_names_models_and_policies_and_nothing_overlaps() {
        let figure = frontier_figure(&frontier()).unwrap();
        check::texts_are_apart_and_inside(&figure.scene);
        assert_eq!(figure.chart.panels[0].series.len(), 1 + 2 * 3 + 4);
        check::is_sound(&figure.render().unwrap(), &["dlinear", "reactive_with_headroom", "late work, %"]);
        assert!(capacity_frontier(&Frontier::default()).is_err());
    }

    #[test]
    fn replicas_and_delays_are_drawn_below_each_other() {
        for count in [1_usize, 40, 5_000] {
            let values: Vec<f64> = (0..count).map(|at| 50.0 + (at % 7) as f64).collect();
            let time_s: Vec<f64> = (0..count).map(|at| 600.0 * at as f64).collect();
            let track = |label: &str| ReplicaTrack {
                label: label.to_owned(),
                live: values.clone(),
                delay_s: vec![0.0; count],
            };
            let figure = replicas_figure(
                TimeOrigin::TraceStart,
                &time_s,
                &values,
                &[track("dlinear"), track("with headroom")],
                60.0,
            )
            .unwrap();
            check::texts_are_apart_and_inside(&figure.scene);
            assert_eq!(figure.chart.panels.len(), 2);
            check::is_sound(&figure.render().unwrap(), &["replicas", "delay, s", "with headroom"]);
        }
        assert!(replicas_over_time(TimeOrigin::TraceStart, &[], &[], &[], 60.0).is_err());
        assert!(replicas_over_time(TimeOrigin::TraceStart, &[0.0], &[1.0, 2.0], &[], 60.0).is_err());
    }
}
