//! Time axes: what times count from, and ticks in the steps and the format that people count time in.

use super::axis::{PlotAxis, Tick};
use super::chart::{AxisKind, ChartAxis};
use super::scale::{Extent, multiples, round_step};
use super::time_steps::{DAY_S, HOUR_S, MINUTE_S, STEPS_S};
use super::{dates, number};

/// Longer spans are drawn in hours by a page's script.
const LONG_S: f64 = 2.0 * HOUR_S;

/// What the times of a plot count from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TimeOrigin {
    /// The start of a trace, so many seconds after 1970-01-01, 0:00 UTC.
    Date(f64),
    /// The start of a trace whose dates are not known.
    TraceStart,
    /// The rows of a trace without times: a time is the number of a row.
    FirstRow,
}

impl TimeOrigin {
    /// The axis of a span of times.
    pub(super) fn axis(self, span_s: Extent, max_ticks: usize) -> PlotAxis {
        let span_s = span_s.widened(0.0);
        match self {
            Self::Date(zero_s) => {
                PlotAxis::dates(Extent { lo: span_s.lo + zero_s, hi: span_s.hi + zero_s }, max_ticks)
            }
            Self::TraceStart => PlotAxis::time("time since the start of the trace", span_s, max_ticks),
            Self::FirstRow => PlotAxis::whole("row", span_s, max_ticks),
        }
    }

    /// Where a time lies on that axis.
    pub(super) fn at(self, time_s: f64) -> f64 {
        if let Self::Date(zero_s) = self { time_s + zero_s } else { time_s }
    }

    /// The axis for a page's script, with what its values are divided by.
    pub(super) fn chart_axis(self, span_s: Extent) -> (ChartAxis, f64) {
        match self {
            Self::Date(_) => (ChartAxis::new("time (UTC)", AxisKind::Time), 1.0),
            Self::TraceStart if span_s.largest() > LONG_S => {
                (ChartAxis::new("time since the start of the trace, h", AxisKind::Value), HOUR_S)
            }
            Self::TraceStart => {
                (ChartAxis::new("time since the start of the trace, s", AxisKind::Value), 1.0)
            }
            Self::FirstRow => (ChartAxis::new("row", AxisKind::Value), 1.0),
        }
    }

    /// A time as the first line of a tooltip; empty without a date.
    pub(super) fn moment(self, time_s: f64) -> String {
        if let Self::Date(zero_s) = self {
            format!("{}\n", dates::moment(time_s + zero_s))
        } else {
            String::new()
        }
    }

    /// A stretch of time in words; empty where only rows are counted.
    pub fn stretch(self, from_s: f64, to_s: f64) -> String {
        match self {
            Self::Date(zero_s) => {
                format!("{} to {} UTC", dates::moment(from_s + zero_s), dates::moment(to_s + zero_s))
            }
            Self::TraceStart | Self::FirstRow => String::new(),
        }
    }
}

impl PlotAxis {
    /// A time axis; the format of its labels is added to the title.
    pub(super) fn time(title: &str, span_s: Extent, max_ticks: usize) -> Self {
        let (ticks, format) = ticks(span_s, max_ticks);
        Self { title: format!("{title}, {format}"), ticks, span: span_s, log: false }
    }
}

/// Ticks for a span in seconds, at most `max_ticks` of them and one more, with the name of their format for
/// the axis title: seconds for less than some seconds, `h:mm:ss` or `h:mm` for up to two days, and days with
/// the time of day or whole days beyond.
fn ticks(span_s: Extent, max_ticks: usize) -> (Vec<Tick>, &'static str) {
    let least_s = span_s.width() / max_ticks as f64;
    let step_s = if least_s < STEPS_S[0] {
        round_step(least_s)
    } else {
        let days = || round_step((least_s / DAY_S).max(1.0)) * DAY_S;
        STEPS_S.into_iter().find(|step| *step >= least_s).unwrap_or_else(days)
    };
    let in_days = span_s.largest() >= 2.0 * DAY_S;
    let (format, label): (_, fn(f64) -> String) = match (step_s, in_days) {
        (..1.0, _) => return (counted_ticks(span_s, step_s, 1.0), "s"),
        (DAY_S.., _) => return (counted_ticks(span_s, step_s, DAY_S), "days"),
        (MINUTE_S.., false) => ("h:mm", |t| hours_and_minutes(t)),
        (_, false) => ("h:mm:ss", |t| hours_minutes_and_seconds(t)),
        (MINUTE_S.., true) => ("days and h:mm", |t| with_days(t, hours_and_minutes)),
        (_, true) => ("days and h:mm:ss", |t| with_days(t, hours_minutes_and_seconds)),
    };
    let ticks = multiples(span_s, step_s).into_iter().map(|value| Tick { value, label: label(value) });
    (ticks.collect(), format)
}

/// Ticks labelled with how many units of `unit_s` they count.
fn counted_ticks(span_s: Extent, step_s: f64, unit_s: f64) -> Vec<Tick> {
    let label = |time_s: f64| number::tick(time_s / unit_s, step_s / unit_s, span_s.largest() / unit_s);
    multiples(span_s, step_s).into_iter().map(|value| Tick { value, label: label(value) }).collect()
}

fn sign(time_s: f64) -> &'static str {
    if time_s < 0.0 { "−" } else { "" }
}

fn hours_and_minutes(time_s: f64) -> String {
    let minutes = (time_s.abs() / MINUTE_S).round() as u64;
    format!("{}{}:{:02}", sign(time_s), minutes / 60, minutes % 60)
}

fn hours_minutes_and_seconds(time_s: f64) -> String {
    let seconds = time_s.abs().round() as u64;
    format!("{}{}:{:02}:{:02}", sign(time_s), seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn with_days(time_s: f64, time_of_day: fn(f64) -> String) -> String {
    let days = (time_s / DAY_S).floor();
    format!("{}d {}", number::tick(days, 1.0, days.abs()), time_of_day(time_s - days * DAY_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(lo: f64, hi: f64) -> (Vec<String>, &'static str) {
        let (ticks, format) = ticks(Extent { lo, hi }, 6);
        (ticks.into_iter().map(|tick| tick.label).collect(), format)
    }

    #[test]
    fn minutes_are_labelled_with_seconds_only_where_the_step_needs_them() {
        assert_eq!(labels(0.0, 120.0).0, ["0:00:00", "0:00:30", "0:01:00", "0:01:30", "0:02:00"]);
        assert_eq!(labels(0.0, 3.0 * HOUR_S).0[..3], ["0:00", "0:30", "1:00"]);
        assert_eq!(labels(0.0, 120.0).1, "h:mm:ss");
    }

    #[test]
    fn long_spans_are_labelled_in_days() {
        assert_eq!(labels(0.0, 6.0 * DAY_S).0, ["0", "1", "2", "3", "4", "5", "6"]);
        assert_eq!(labels(0.0, 6.0 * DAY_S).1, "days");
        assert_eq!(labels(3.0 * DAY_S, 3.5 * DAY_S).0[..2], ["3d 0:00", "3d 2:00"]);
        assert_eq!(labels(0.0, 4000.0 * DAY_S).0[1], "1k");
    }

    #[test]
    fn spans_of_less_than_some_seconds_are_labelled_in_seconds() {
        assert_eq!(labels(0.0, 2.0), (["0", "0.5", "1.0", "1.5", "2.0"].map(String::from).to_vec(), "s"));
    }

    #[test]
    fn times_before_zero_carry_a_minus_sign() {
        assert_eq!(hours_and_minutes(-90.0 * MINUTE_S), "−1:30");
        assert_eq!(with_days(-HOUR_S, hours_and_minutes), "−1d 23:00");
    }
}
