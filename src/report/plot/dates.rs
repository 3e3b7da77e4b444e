//! Ticks of a time axis with dates, at the round times of the calendar (UTC).

use super::axis::{PlotAxis, Tick};
use super::scale::{Extent, multiples, round_step};
use super::time_steps::{DAY_S, STEPS_S};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Days between ticks; weeks begin on a Monday.
const STEPS_DAYS: [f64; 4] = [1.0, 2.0, 7.0, 14.0];
/// The first Monday of 1970, in days since its first.
const FIRST_MONDAY: f64 = 4.0;
const STEPS_MONTHS: [i64; 3] = [1, 3, 6];
const SHORTEST_MONTH_DAYS: f64 = 28.0;
const YEAR_DAYS: f64 = 365.0;

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CalendarDay {
    year: i64,
    /// From 1.
    month: i64,
    /// From 1.
    day: i64,
}

impl CalendarDay {
    /// The day that is so many days after the first of 1970 (Hinnant, "chrono-Compatible Low-Level Date Algorithms",
    /// <https://howardhinnant.github.io/date_algorithms.html>): years begin in March, so that a leap day is their last.
    fn at(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        Self { year: year + era * 400 + i64::from(month <= 2), month, day }
    }

    fn of(time_s: f64) -> Self {
        Self::at((time_s / DAY_S).floor() as i64)
    }

    /// Days from the first of 1970 to this one.
    fn days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let from_march = (self.month + 9) % 12;
        let of_year = (153 * from_march + 2) / 5 + self.day - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    fn month_name(self) -> &'static str {
        MONTHS[(self.month - 1) as usize]
    }

    fn day_and_month(self) -> String {
        format!("{} {}", self.day, self.month_name())
    }
}

/// A time as `16 Nov 2023 18:15`, in UTC.
pub(super) fn moment(time_s: f64) -> String {
    let day = CalendarDay::of(time_s);
    format!("{} {} {}", day.day_and_month(), day.year, time_of_day(time_s, 60.0))
}

impl PlotAxis {
    /// An axis of seconds since 1970-01-01, 0:00 UTC, labelled with dates; its title says what these share.
    pub(super) fn dates(span_s: Extent, max_ticks: usize) -> Self {
        let (ticks, shared) = ticks(span_s, max_ticks);
        let title = if shared.is_empty() { "time (UTC)".to_owned() } else { format!("time (UTC), {shared}") };
        Self { title, ticks, span: span_s, log: false }
    }
}

/// At most about `max_ticks` ticks for a span of seconds since the first of 1970, and what all of them share: a day, a year,
/// or nothing.
fn ticks(span_s: Extent, max_ticks: usize) -> (Vec<Tick>, String) {
    let least_s = span_s.width() / max_ticks as f64;
    let (first, last) = (CalendarDay::of(span_s.lo), CalendarDay::of(span_s.hi));
    let year = if first.year == last.year { first.year.to_string() } else { String::new() };
    let short = if least_s < 1.0 { Some(round_step(least_s)) } else { None };
    if let Some(step_s) = short.or_else(|| STEPS_S.into_iter().find(|step_s| *step_s >= least_s)) {
        let within_a_day = first == last;
        let shared = if within_a_day { format!("{} {}", first.day_and_month(), first.year) } else { year };
        return (times_of_day(span_s, step_s, within_a_day), shared);
    }
    let least_days = least_s / DAY_S;
    if let Some(step) = STEPS_DAYS.into_iter().find(|step| *step >= least_days) {
        return (days(span_s, step, !year.is_empty()), year);
    }
    let months = STEPS_MONTHS.into_iter().find(|months| *months as f64 * SHORTEST_MONTH_DAYS >= least_days);
    let step = months.unwrap_or_else(|| 12 * round_step((least_days / YEAR_DAYS).max(1.0)) as i64);
    (month_ticks(span_s, step), String::new())
}

/// Ticks within days. The first one and every midnight carry the day, unless all are of one.
fn times_of_day(span_s: Extent, step_s: f64, within_a_day: bool) -> Vec<Tick> {
    let label = |(index, time_s): (usize, f64)| {
        let day = CalendarDay::of(time_s).day_and_month();
        let label = match (within_a_day, time_s.rem_euclid(DAY_S) == 0.0) {
            (false, true) => day,
            (false, false) if index == 0 => format!("{day} {}", time_of_day(time_s, step_s)),
            _ => time_of_day(time_s, step_s),
        };
        Tick { value: time_s, label }
    };
    multiples(span_s, step_s).into_iter().enumerate().map(label).collect()
}

fn time_of_day(time_s: f64, step_s: f64) -> String {
    let of_day = time_s.rem_euclid(DAY_S);
    let minutes = (of_day / 60.0 + 1e-9).floor();
    let (hour, minute) = ((minutes / 60.0).floor(), minutes % 60.0);
    if step_s >= 60.0 {
        return format!("{hour:02}:{minute:02}");
    }
    let seconds = (of_day - minutes * 60.0).max(0.0);
    let decimals = if step_s < 1.0 { (-step_s.log10() - 1e-9).ceil().clamp(1.0, 6.0) as usize } else { 0 };
    let width = if decimals > 0 { decimals + 3 } else { 2 };
    format!("{hour:02}:{minute:02}:{seconds:0width$.decimals$}")
}

/// Ticks at whole days. The first one, and the first of every year, carry the year unless all are of one.
fn days(span_s: Extent, step: f64, within_a_year: bool) -> Vec<Tick> {
    let offset_s = if step >= 7.0 { FIRST_MONDAY * DAY_S } else { 0.0 };
    let moved = Extent { lo: span_s.lo - offset_s, hi: span_s.hi - offset_s };
    let mut before = None;
    let label = |time_s: f64| {
        let time_s = time_s + offset_s;
        let day = CalendarDay::of(time_s);
        let is_new = before.replace(day.year) != Some(day.year) && !within_a_year;
        let year = if is_new { format!(" {}", day.year) } else { String::new() };
        Tick { value: time_s, label: format!("{}{year}", day.day_and_month()) }
    };
    multiples(moved, step * DAY_S).into_iter().map(label).collect()
}

/// Ticks at the first of months, so many months apart; of whole years, the year alone.
fn month_ticks(span_s: Extent, step: i64) -> Vec<Tick> {
    let first = CalendarDay::of(span_s.lo);
    let start = (first.year * 12 + first.month - 1).div_euclid(step) * step;
    let mut ticks: Vec<Tick> = Vec::new();
    for month in (start..).step_by(step as usize) {
        let day = CalendarDay { year: month.div_euclid(12), month: month.rem_euclid(12) + 1, day: 1 };
        let time_s = day.days() as f64 * DAY_S;
        if time_s > span_s.hi {
            break;
        }
        if time_s >= span_s.lo {
            let label = match (step % 12, ticks.is_empty() || day.month <= step.min(12) && day.month == 1) {
                (0, _) => day.year.to_string(),
                (_, true) => format!("{} {}", day.month_name(), day.year),
                (_, false) => day.month_name().to_string(),
            };
            ticks.push(Tick { value: time_s, label });
        }
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(from: (i64, i64, i64), lasts_s: f64) -> (Vec<String>, String) {
        let (year, month, day) = from;
        let lo = CalendarDay { year, month, day }.days() as f64 * DAY_S;
        let (ticks, shared) = ticks(Extent { lo, hi: lo + lasts_s }, 8);
        (ticks.into_iter().map(|tick| tick.label).collect(), shared)
    }

    #[test]
    fn days_of_the_calendar_are_found_and_found_back() {
        for (days, (year, month, day)) in [
            (0, (1970, 1, 1)),
            (17_532, (2018, 1, 1)),
            (19_677, (2023, 11, 16)),
            (11_016, (2000, 2, 29)),
            (-1, (1969, 12, 31)),
        ] {
            assert_eq!(CalendarDay::at(days), CalendarDay { year, month, day });
        }
        for days in -60_000..80_000 {
            assert_eq!(CalendarDay::at(days).days(), days);
        }
    }

    #[test]
    fn a_day_stands_once_beside_its_times() {
        let (labels, shared) = labels((2023, 11, 16), 3.0 * 3600.0);
        assert_eq!(labels[..3], ["00:00", "00:30", "01:00"]);
        assert_eq!(shared, "16 Nov 2023");
        assert_eq!(self::labels((2023, 11, 16), 3.0).0[..2], ["00:00:00.0", "00:00:00.5"]);
    }

    #[test]
    fn midnights_carry_their_day_and_mondays_their_weeks() {
        let (labels, shared) = labels((2016, 7, 1), 2.0 * DAY_S);
        assert_eq!(labels, ["1 Jul", "06:00", "12:00", "18:00", "2 Jul", "06:00", "12:00", "18:00", "3 Jul"]);
        assert_eq!(shared, "2016");
        assert_eq!(self::labels((2016, 7, 1), 40.0 * DAY_S).0[..2], ["4 Jul", "11 Jul"]);
    }

    #[test]
    fn months_and_years_are_ticks_of_long_spans() {
        let (labels, shared) = labels((2016, 7, 1), 600.0 * DAY_S);
        assert_eq!(labels[..4], ["Jul 2016", "Oct", "Jan 2017", "Apr"]);
        assert_eq!(shared, "");
        assert_eq!(self::labels((1990, 5, 1), 9_000.0 * DAY_S).0[..2], ["1995", "2000"]);
        let (labels, _) = self::labels((2016, 12, 28), 8.0 * DAY_S);
        assert_eq!(labels[..5], ["28 Dec 2016", "29 Dec", "30 Dec", "31 Dec", "1 Jan 2017"]);
    }
}
