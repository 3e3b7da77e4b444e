//! How far apart the rows of a series are meant to be: a fixed time, days or months of a calendar, or no time at all.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::zone::Zone;

/// How far one row of a series is meant to be from the next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frequency {
    /// The rows carry no time: they are counted.
    Rows,
    /// So many seconds.
    Seconds(f64),
    /// So many days of the calendar, which last 23 or 25 hours where the clocks are set.
    Days(u32),
    /// So many months of the calendar.
    Months {
        /// How many: 3 are a quarter, 12 a year.
        count: u32,
        /// The day of the month, or its last day where it is shorter: 31 is the end of every month.
        day: u8,
    },
}

const DAY_NS: i64 = 86_400_000_000_000;
/// A twelfth of 365.25 days.
const MONTH_NS: i64 = 2_629_800_000_000_000;
/// Below this a step cannot be one of months.
const SHORTEST_MONTH_NS: i64 = 27 * DAY_NS;
/// How far a row may be from where it should be: times are kept in seconds, whose last digits are rounded.
const TOLERANCE_NS: i64 = 1_000;
/// From here on a step is a whole number of microseconds.
const WHOLE_MICROSECONDS_NS: i64 = 1_000_000;

impl Frequency {
    /// The frequency of rows at these nanoseconds of the clock, which never go back: the one that most of them keep. `None`
    /// where fewer than half of them keep any.
    pub fn of(times_ns: &[i64], zone: Zone) -> Option<Self> {
        let mut steps: Vec<i64> = times_ns.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
        steps.retain(|step| *step > 0);
        steps.sort_unstable();
        let median = *steps.get(steps.len() / 2)?;
        let mut candidates = Vec::new();
        if median >= SHORTEST_MONTH_NS {
            let count = (median + MONTH_NS / 2) / MONTH_NS;
            candidates.push(Frequency::Months { count: count.max(1) as u32, day: usual_day(times_ns, zone) });
        }
        let days = (median + DAY_NS / 2) / DAY_NS;
        if days > 0 {
            candidates.push(Frequency::Days(days as u32));
        }
        let step = most_common(&steps);
        candidates.push(match step % DAY_NS {
            0 => Frequency::Days((step / DAY_NS) as u32),
            _ => Frequency::Seconds(step as f64 / 1e9),
        });
        let keeps = |frequency: &Frequency| {
            let pairs = times_ns.windows(2);
            pairs.filter(|pair| frequency.steps_between(pair[0], pair[1], zone) == Some(1)).count()
        };
        // The first of equals: months before days before a fixed time.
        let scored = candidates.into_iter().map(|frequency| (keeps(&frequency), frequency)).rev();
        let (kept, best) = scored.max_by_key(|(kept, _)| *kept)?;
        (kept > 0 && 2 * kept >= steps.len()).then_some(best)
    }

    /// The seconds between two rows, where all rows are as far apart.
    pub fn fixed_s(self, zone: Zone) -> Option<f64> {
        match self {
            Frequency::Seconds(step_s) => Some(step_s),
            Frequency::Days(days) if zone.is_utc() => Some(f64::from(days) * DAY_NS as f64 / 1e9),
            Frequency::Rows | Frequency::Days(_) | Frequency::Months { .. } => None,
        }
    }

    /// The seconds between two rows at most; `None` where rows carry no time.
    pub fn longest_s(self) -> Option<f64> {
        const DAY_S: f64 = 86_400.0;
        // A day of 25 hours, and months of 31 days.
        match self {
            Frequency::Rows => None,
            Frequency::Seconds(step_s) => Some(step_s),
            Frequency::Days(days) => Some(f64::from(days) * DAY_S + 3_600.0),
            Frequency::Months { count, .. } => Some(f64::from(count) * 31.0 * DAY_S),
        }
    }

    /// The nanoseconds of the clock so many steps after a row; `None` where there is no such time.
    pub fn after(self, clock_ns: i64, steps: i64, zone: Zone) -> Option<i64> {
        match self {
            Frequency::Rows => clock_ns.checked_add(steps.checked_mul(1_000_000_000)?),
            Frequency::Seconds(step_s) => clock_ns.checked_add((step_s * 1e9 * steps as f64).round() as i64),
            Frequency::Days(days) if zone.is_utc() => {
                clock_ns.checked_add(steps.checked_mul(i64::from(days))?.checked_mul(DAY_NS)?)
            }
            Frequency::Days(days) => {
                let days = jiff::Span::new().try_days(steps.checked_mul(i64::from(days))?).ok()?;
                zone.reached(zone.local(clock_ns).checked_add(days).ok()?)
            }
            Frequency::Months { count, day } => {
                let from = zone.local(clock_ns);
                let months = month_of(from.date()).checked_add(steps.checked_mul(i64::from(count))?)?;
                let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
                let first = Date::new(i16::try_from(year).ok()?, month as i8, 1).ok()?;
                let day = (day as i8).clamp(1, first.days_in_month());
                let date = Date::new(first.year(), first.month(), day).ok()?;
                zone.reached(date.to_datetime(from.time()))
            }
        }
    }

    /// How many whole steps lie between two rows; `None` where they are not a whole number of steps apart.
    pub fn steps_between(self, from_ns: i64, to_ns: i64, zone: Zone) -> Option<i64> {
        let apart = to_ns.checked_sub(from_ns)?;
        let steps = match self {
            Frequency::Rows => (apart as f64 / 1e9).round() as i64,
            Frequency::Seconds(step_s) => (apart as f64 / (step_s * 1e9)).round() as i64,
            Frequency::Days(days) => (apart as f64 / (f64::from(days) * DAY_NS as f64)).round() as i64,
            Frequency::Months { count, .. } => {
                let months = month_of(zone.local(to_ns).date()) - month_of(zone.local(from_ns).date());
                (months % i64::from(count) == 0).then(|| months / i64::from(count))?
            }
        };
        let reached = self.after(from_ns, steps, zone)?;
        let tolerance = TOLERANCE_NS.saturating_mul(steps.saturating_abs().saturating_add(1));
        (steps > 0 && reached.abs_diff(to_ns) <= tolerance.unsigned_abs()).then_some(steps)
    }

    /// The time of the row after one at `last_s`, where both count in seconds from a row at `clock_s` of the clock.
    pub fn next_s(self, clock_s: f64, last_s: f64, zone: Zone) -> f64 {
        match self {
            Frequency::Rows => last_s + 1.0,
            Frequency::Seconds(step_s) => last_s + step_s,
            Frequency::Days(_) | Frequency::Months { .. } => {
                let now = clock_ns(clock_s, last_s);
                let next = self.after(now, 1, zone).unwrap_or(now);
                last_s + (next - now) as f64 / 1e9
            }
        }
    }

    /// How many steps a length of time is; `None` where it is not a whole number of them.
    pub fn steps_in(self, seconds: f64) -> Option<usize> {
        // A year of 365.25 days is twelve months, and so is twelve times a month of 30.44 days.
        let (step_s, tolerance) = match self {
            Frequency::Rows => return None,
            Frequency::Seconds(step_s) => (step_s, 1e-9),
            Frequency::Days(days) => (f64::from(days) * 86_400.0, 1e-9),
            Frequency::Months { count, .. } => (f64::from(count) * MONTH_NS as f64 / 1e9, 1e-3),
        };
        let steps = seconds / step_s;
        let whole = steps.round();
        (whole >= 1.0 && (steps - whole).abs() <= tolerance * whole).then_some(whole as usize)
    }

    /// Whether its steps differ in length, so that a fixed time does not stand for them.
    pub fn follows_a_calendar(self, zone: Zone) -> bool {
        match self {
            Frequency::Rows | Frequency::Seconds(_) => false,
            Frequency::Days(_) => !zone.is_utc(),
            Frequency::Months { .. } => true,
        }
    }
}

/// Nanoseconds of the clock of a row `time_s` after one at `clock_s`, which holds a tenth of a microsecond.
pub fn clock_ns(clock_s: f64, time_s: f64) -> i64 {
    ((clock_s * 1e7).round() as i64).saturating_mul(100).saturating_add((time_s * 1e9).round() as i64)
}

fn month_of(date: Date) -> i64 {
    i64::from(date.year()) * 12 + i64::from(date.month()) - 1
}

/// The day of the month of most rows; 31 where all of them are the last of their months.
fn usual_day(times_ns: &[i64], zone: Zone) -> u8 {
    let mut of_day = [0_usize; 32];
    let mut ends = true;
    for &time_ns in times_ns {
        let date = zone.local(time_ns).date();
        ends &= date.day() == date.days_in_month();
        of_day[date.day() as usize] += 1;
    }
    let usual = (1..=31_u8).rev().max_by_key(|&day| of_day[usize::from(day)]).unwrap_or(1);
    // A file that only has Februaries says nothing of longer months.
    if ends { 31 } else { usual }
}

/// The most common of some sorted steps, and the shortest of equally common ones. Steps that differ by no more than times are
/// rounded by are one.
fn most_common(sorted: &[i64]) -> i64 {
    let (mut best, mut most) = (0, 0);
    let mut start = 0;
    while start < sorted.len() {
        let end = start + sorted[start..].partition_point(|step| step - sorted[start] <= TOLERANCE_NS);
        if end - start > most {
            most = end - start;
            best = sorted[start + (end - start) / 2];
        }
        start = end;
    }
    if best < WHOLE_MICROSECONDS_NS { best } else { (best + 500) / 1_000 * 1_000 }
}

impl fmt::Display for Frequency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut every = |count: u64, unit: &str| match count {
            1 => write!(formatter, "every {unit}"),
            _ => write!(formatter, "every {count} {unit}s"),
        };
        match *self {
            Frequency::Rows => formatter.write_str("without a time, counted"),
            Frequency::Seconds(step_s) => {
                let ns = (step_s * 1e9).round() as u64;
                let units = [
                    (3_600_000_000_000, "hour"),
                    (60_000_000_000, "minute"),
                    (1_000_000_000, "second"),
                    (1_000_000, "millisecond"),
                    (1_000, "microsecond"),
                ];
                match units.into_iter().find(|(unit_ns, _)| ns >= *unit_ns && ns.is_multiple_of(*unit_ns)) {
                    Some((unit_ns, unit)) => every(ns / unit_ns, unit),
                    None => every(ns, "nanosecond"),
                }
            }
            Frequency::Days(days) if days % 7 == 0 => every(u64::from(days / 7), "week"),
            Frequency::Days(days) => every(u64::from(days), "day"),
            Frequency::Months { count, day } => {
                match count {
                    _ if count % 12 == 0 => every(u64::from(count / 12), "year"),
                    3 => every(1, "quarter"),
                    _ => every(u64::from(count), "month"),
                }?;
                if day == 31 {
                    formatter.write_str(", at the end of the month")
                } else {
                    write!(formatter, ", on day {day} of the month")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::clock::parse_nanoseconds;
    use super::*;

    fn at(text: &str) -> i64 {
        parse_nanoseconds(text, Zone::default()).unwrap()
    }

    fn found(texts: &[&str]) -> Option<Frequency> {
        Frequency::of(&texts.iter().map(|text| at(text)).collect::<Vec<_>>(), Zone::default())
    }

    #[test]
    fn months_quarters_years_and_their_ends_are_found() {
        let months = |count, day| Some(Frequency::Months { count, day });
        assert_eq!(found(&["1971-10-01", "1971-11-01", "1971-12-01"]), months(1, 1));
        assert_eq!(found(&["2023-01-31", "2023-02-28", "2023-03-31", "2023-04-30"]), months(1, 31));
        assert_eq!(found(&["2023-11-30", "2023-12-30", "2024-01-30", "2024-02-29"]), months(1, 30));
        assert_eq!(found(&["2020-01-01", "2020-04-01", "2020-07-01", "2020-10-01"]), months(3, 1));
        assert_eq!(found(&["2019-12-31", "2020-12-31", "2021-12-31"]), months(12, 31));
        assert_eq!(found(&["2020-06-15 12:30", "2020-07-15 12:30"]), months(1, 15));
    }

    #[test]
    fn days_weeks_and_fixed_times_are_found() {
        assert_eq!(found(&["2016-07-01", "2016-07-02", "2016-07-03"]), Some(Frequency::Days(1)));
        assert_eq!(found(&["2016-07-01", "2016-07-08", "2016-07-15"]), Some(Frequency::Days(7)));
        assert_eq!(found(&["2016-01-01", "2016-01-31", "2016-03-01"]), Some(Frequency::Days(30)));
        let hours = found(&["2016-07-01 00:00", "2016-07-01 01:00", "2016-07-01 02:00", "2016-07-01 04:00"]);
        assert_eq!(hours, Some(Frequency::Seconds(3_600.0)));
        assert_eq!(
            found(&["2016-07-01 00:00:00.00", "2016-07-01 00:00:00.25"]),
            Some(Frequency::Seconds(0.25))
        );
    }

    #[test]
    fn one_row_and_rows_at_random_have_no_frequency() {
        assert_eq!(found(&["2016-07-01"]), None);
        assert_eq!(found(&["2016-07-01", "2016-07-01"]), None);
        assert_eq!(
            found(&["2016-07-01 00:00", "2016-07-01 00:07", "2016-07-01 00:09", "2016-07-01 00:40"]),
            None
        );
    }

    #[test]
    fn the_month_after_december_is_january_and_a_short_month_does_not_stay_short() {
        let months = Frequency::Months { count: 1, day: 1 };
        assert_eq!(months.after(at("1971-12-01"), 1, Zone::default()), Some(at("1972-01-01")));
        let ends = Frequency::Months { count: 1, day: 31 };
        let reached: Vec<_> =
            (1..4).map(|steps| ends.after(at("2024-01-31"), steps, Zone::default())).collect();
        assert_eq!(reached, ["2024-02-29", "2024-03-31", "2024-04-30"].map(|text| Some(at(text))));
        assert_eq!(ends.after(at("2023-02-28"), 1, Zone::default()), Some(at("2023-03-31")));
    }

    #[test]
    fn a_day_lasts_as_long_as_the_clocks_of_its_zone_say() {
        let berlin = Zone::named(Some("Europe/Berlin")).unwrap();
        let midnights: Vec<i64> =
            ["2024-03-29T23:00Z", "2024-03-30T23:00Z", "2024-03-31T22:00Z", "2024-04-01T22:00Z"]
                .map(at)
                .to_vec();
        assert_eq!(Frequency::of(&midnights, berlin), Some(Frequency::Days(1)));
        assert_eq!(Frequency::Days(1).after(midnights[1], 1, berlin), Some(midnights[2]));
        assert_eq!(Frequency::Days(1).steps_between(midnights[0], midnights[3], berlin), Some(3));
        let months = ["2024-02-29T23:00Z", "2024-03-31T22:00Z", "2024-04-30T22:00Z"].map(at);
        assert_eq!(Frequency::of(&months, berlin), Some(Frequency::Months { count: 1, day: 1 }));
    }

    #[test]
    fn a_length_of_time_is_a_number_of_steps_or_none() {
        assert_eq!(Frequency::Seconds(3_600.0).steps_in(86_400.0), Some(24));
        assert_eq!(Frequency::Seconds(0.1).steps_in(1.0), Some(10));
        assert_eq!(Frequency::Days(1).steps_in(604_800.0), Some(7));
        assert_eq!(Frequency::Months { count: 1, day: 1 }.steps_in(31_557_600.0), Some(12));
        assert_eq!(Frequency::Months { count: 3, day: 31 }.steps_in(12.0 * 2_630_016.0), Some(4));
        for seconds in [0.0, 1_800.0, 5_400.0] {
            assert_eq!(Frequency::Seconds(3_600.0).steps_in(seconds), None);
        }
        assert_eq!(Frequency::Rows.steps_in(86_400.0), None);
    }

    #[test]
    fn a_frequency_is_said_in_words() {
        let said = |frequency: Frequency| frequency.to_string();
        assert_eq!(said(Frequency::Seconds(3_600.0)), "every hour");
        assert_eq!(said(Frequency::Seconds(900.0)), "every 15 minutes");
        assert_eq!(said(Frequency::Seconds(0.25)), "every 250 milliseconds");
        assert_eq!(said(Frequency::Days(1)), "every day");
        assert_eq!(said(Frequency::Days(14)), "every 2 weeks");
        assert_eq!(said(Frequency::Months { count: 1, day: 31 }), "every month, at the end of the month");
        assert_eq!(said(Frequency::Months { count: 12, day: 1 }), "every year, on day 1 of the month");
        assert_eq!(said(Frequency::Months { count: 3, day: 1 }), "every quarter, on day 1 of the month");
    }

    fn frequency() -> impl Strategy<Value = Frequency> {
        prop_oneof![
            (1_i64..10_000_000).prop_map(|ms| match ms % 86_400_000 {
                0 => Frequency::Days((ms / 86_400_000) as u32),
                _ => Frequency::Seconds(ms as f64 / 1e3),
            }),
            (1_u32..27).prop_map(Frequency::Days),
            (
                prop::sample::select(vec![1_u32, 2, 3, 6, 12]),
                prop::sample::select(vec![1_u8, 5, 15, 28, 30, 31])
            )
                .prop_map(|(count, day)| Frequency::Months { count, day }),
        ]
    }

    proptest! {
        #[test]
        fn the_frequency_that_rows_were_written_with_is_found_whatever_few_of_them_are_missing_or_repeated(
            frequency in frequency(), start in 0_i64..600, rows in 30_usize..80,
            missing in prop::collection::btree_set(2_usize..28, 0..4), repeated in prop::collection::btree_set(1_usize..29, 0..4),
        ) {
            let zone = Zone::default();
            // A month's day as far as that month has it.
            let begin = at("1990-01-01 06:30") + start * DAY_NS;
            let begin = match frequency {
                Frequency::Months { .. } => frequency.after(begin, 1, zone).unwrap(),
                _ => begin,
            };
            let mut times = Vec::new();
            for row in 0..rows {
                let time = frequency.after(begin, row as i64, zone).unwrap();
                if !missing.contains(&row) {
                    times.push(time);
                    if repeated.contains(&row) {
                        times.push(time);
                    }
                }
            }
            // The last of a month may be its end or that day of it: what counts is where rows stand.
            let found = Frequency::of(&times, zone).unwrap();
            for step in [1, rows as i64 - 1, rows as i64] {
                prop_assert_eq!(found.after(begin, step, zone), frequency.after(begin, step, zone));
            }
            let all: i64 = times.windows(2).filter(|pair| pair[1] > pair[0])
                .map(|pair| frequency.steps_between(pair[0], pair[1], zone).unwrap()).sum();
            prop_assert_eq!(all, rows as i64 - 1);
        }

        #[test]
        fn the_next_row_is_one_step_away(frequency in frequency(), start in 0_i64..20_000, row in 0_i64..100) {
            let zone = Zone::default();
            let begin = frequency.after(at("1960-01-01 06:30") + start * DAY_NS, 1, zone).unwrap();
            let last = frequency.after(begin, row, zone).unwrap();
            let (clock_s, last_s) = (begin as f64 / 1e9, (last - begin) as f64 / 1e9);
            let next = clock_ns(clock_s, frequency.next_s(clock_s, last_s, zone));
            let wanted = frequency.after(begin, row + 1, zone).unwrap();
            prop_assert!((next - wanted).abs() <= TOLERANCE_NS, "{} and {}", next, wanted);
        }
    }
}
