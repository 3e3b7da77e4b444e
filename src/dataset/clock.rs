//! Date and time as traces write them, to the nanosecond.

use jiff::civil::{DateTime, Time, date};
use jiff::fmt::temporal::{DateTimePrinter, Pieces};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::epoch::{MONDAY_SINCE_1970, since_monday};
use super::zone::{LocalTime, Zone};

/// The midnight that clock times count from, a Monday's.
const MONDAY: DateTime = date(2018, 1, 1).at(0, 0, 0, 0);

/// Nanoseconds since Monday, 1 January 2018, 0:00 of UTC, of a text such as `2023-11-16 18:15:46.6805900`.
///
/// The date and the time may be separated by a space or a `T`; the time and its fraction may be missing. A time with a UTC
/// offset (`Z`, `+01:00`) is converted to UTC, one without is taken for a time of the zone. Of two times that the clocks of the
/// zone show twice it is the first: see [`settle_twice`]. Returns `None` for anything else, for times that the clocks never
/// show, and for years before 1900 or after 2199.
pub fn parse_nanoseconds(text: &str, zone: Zone) -> Option<i64> {
    let text = text.trim();
    // A date without a time may be said to be of UTC, which jiff does not read.
    let day_of_utc =
        || text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00")).filter(|day| day.len() == 10);
    let pieces = Pieces::parse(text).ok().or_else(|| Pieces::parse(day_of_utc()?).ok())?;
    // The name of a time zone means nothing without the rules of that place.
    if pieces.time_zone_annotation().is_some() {
        return None;
    }
    let time = pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight()));
    let time: Timestamp = match pieces.to_numeric_offset() {
        Some(offset) => offset.to_timestamp(time).ok()?,
        None if zone.is_utc() => Offset::UTC.to_timestamp(time).ok()?,
        None => {
            return match zone.instant(time) {
                LocalTime::Once(clock_ns) | LocalTime::Twice(clock_ns, _) => Some(clock_ns),
                LocalTime::Never => None,
            };
        }
    };
    since_monday(time.as_nanosecond())
}

/// Settles which of two instants a time of a zone is that its clocks show twice: the later one where the row would otherwise
/// not come after the row before it.
pub fn settle_twice(clock_ns: i64, before_ns: i64, zone: Zone) -> i64 {
    if clock_ns > before_ns || zone.is_utc() {
        return clock_ns;
    }
    match zone.instant(zone.local(clock_ns)) {
        LocalTime::Twice(first, second) if first == clock_ns && second > before_ns => second,
        _ => clock_ns,
    }
}

/// Whether the clocks of a zone never show the time that a text says, since they are set forward over it.
pub fn is_never_shown(text: &str, zone: Zone) -> bool {
    let time = Pieces::parse(text.trim())
        .ok()
        .map(|pieces| pieces.date().to_datetime(pieces.time().unwrap_or_default()));
    parse_nanoseconds(text, zone).is_none()
        && parse_nanoseconds(text, Zone::default()).is_some()
        && time.is_some_and(|time| matches!(zone.instant(time), LocalTime::Never))
}

/// Nanoseconds since Monday, 1 January 2018, 0:00, of a time that is so many ticks of `tick_ns` nanoseconds after the first
/// of 1970; `None` for the same years as in [`parse_nanoseconds`].
pub fn since_1970(ticks: i64, tick_ns: i64) -> Option<i64> {
    since_monday(i128::from(ticks) * i128::from(tick_ns))
}

/// Seconds from 1970-01-01, 0:00 UTC, to the first row of a trace, which is at `clock_s` of the clock; `None` where that clock
/// knows no date. Numbers that begin in 1970 count from the start of their trace.
pub(super) fn starts_at_s(is_dated: bool, clock_s: f64) -> Option<f64> {
    const YEAR_S: f64 = 365.0 * 86_400.0;
    let start_s = is_dated.then_some(clock_s + MONDAY_SINCE_1970 as f64 * 86_400.0);
    start_s.filter(|start_s| !(0.0..YEAR_S).contains(start_s))
}

/// The text of nanoseconds since Monday, 1 January 2018, that [`parse_nanoseconds`] reads back.
pub fn date_text(nanoseconds: i64) -> String {
    let time = MONDAY.saturating_add(SignedDuration::from_nanos(nanoseconds));
    DateTimePrinter::new().separator(b' ').precision(Some(9)).datetime_to_string(&time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_utc(text: &str) -> Option<i64> {
        parse_nanoseconds(text, Zone::default())
    }

    #[test]
    fn seven_fractional_digits_keep_their_precision() {
        let first = of_utc("2023-11-16 18:15:46.6805900").unwrap();
        let second = of_utc("2023-11-16 18:15:50.9951690").unwrap();
        assert_eq!(second - first, 4_314_579_000);
    }

    #[test]
    fn the_first_day_of_2018_is_day_zero_and_a_week_later_is_a_monday_again() {
        assert_eq!(of_utc("2018-01-01"), Some(0));
        for text in
            ["2018-01-08T00:00:00Z", "2018-01-08 00:00", "2018-01-08Z", "2018-01-08+00:00", " 2018-01-08 "]
        {
            assert_eq!(of_utc(text), Some(7 * 86_400 * 1_000_000_000), "{text}");
        }
        assert_eq!(of_utc("2020-03-01 00:00:00").unwrap() / 86_400_000_000_000, 790);
    }

    #[test]
    fn a_date_reads_back_what_it_writes() {
        for text in [
            "2023-11-16 18:15:46.680590000",
            "2018-01-01 00:00:00.000000000",
            "1999-12-31 23:59:59.999999999",
        ] {
            assert_eq!(date_text(of_utc(text).unwrap()), text);
        }
        for day in -40_000..60_000 {
            let text = date_text(day * 86_400_000_000_000);
            assert_eq!(of_utc(&text), Some(day * 86_400_000_000_000), "{text}");
        }
    }

    #[test]
    fn ticks_since_1970_are_the_times_that_their_text_says() {
        let text = "2023-11-16 18:15:46.680590000";
        let (seconds, expected) = (1_700_158_546_i64, of_utc(text));
        assert_eq!(since_1970(seconds * 1_000_000_000 + 680_590_000, 1), expected);
        assert_eq!(since_1970(seconds * 1_000_000 + 680_590, 1_000), expected);
        assert_eq!(since_1970(seconds, 1_000_000_000).map(|time| time + 680_590_000), expected);
        assert_eq!(since_1970(17_532, 86_400_000_000_000), Some(0));
        assert_eq!(since_1970(-25_567, 86_400_000_000_000), of_utc("1900-01-01"));
        for ticks in [-25_568, 84_006, i64::MIN, i64::MAX] {
            assert_eq!(since_1970(ticks, 86_400_000_000_000), None, "{ticks}");
        }
    }

    #[test]
    fn a_trace_starts_at_a_date_only_where_one_is_known() {
        assert_eq!(starts_at_s(true, 0.0), Some(1_514_764_800.0));
        assert_eq!(starts_at_s(false, 0.0), None);
        let of_1970 = -(MONDAY_SINCE_1970 as f64) * 86_400.0;
        assert_eq!(starts_at_s(true, of_1970 + 5.0), None, "it counts from its own start");
    }

    #[test]
    fn a_utc_offset_is_converted_to_utc() {
        let utc = of_utc("2024-05-12 00:30:00.5");
        for text in [
            "2024-05-12 00:30:00.5Z",
            "2024-05-12T00:30:00.5+00:00",
            "2024-05-12T01:30:00.5+01:00",
            "2024-05-11 19:00:00.500-05:30",
            "2024-05-12 02:30:00.5+0200",
        ] {
            assert_eq!(of_utc(text), utc, "{text}");
        }
        assert_eq!(of_utc("1900-01-01 00:30:00+01:00"), None, "still 1899 in UTC");
    }

    #[test]
    fn impossible_dates_are_refused() {
        for text in [
            "2023-02-29 00:00:00",
            "2023-13-01",
            "16/11/2023",
            "2023-11-16 25:00:00",
            "",
            "12",
            "0001-01-01",
            "2023-11-16 10:00:00:00",
            "2023-11-16 10:00:00.0123456789",
            "2023-11-16 10:00:00+01:00[Europe/Berlin]",
            "2023-11-16 10:00:00+26:00",
            "2023-11-16 10:00:00ZZ",
            "2200-01-01",
        ] {
            assert_eq!(of_utc(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_of_a_zone_is_an_instant_whatever_its_clocks_do() {
        let berlin = Zone::named(Some("Europe/Berlin")).unwrap();
        let of = |text: &str| parse_nanoseconds(text, berlin);
        assert_eq!(of("2024-01-15 12:00"), of_utc("2024-01-15 11:00"));
        assert_eq!(of("2024-07-15 12:00"), of_utc("2024-07-15 10:00"));
        assert_eq!(of("2024-07-15T12:00Z"), of_utc("2024-07-15 12:00"), "an offset says more than the zone");
        assert!(of("2024-03-31 02:30").is_none() && is_never_shown("2024-03-31 02:30", berlin));
        assert!(!is_never_shown("2024-03-31 02:30Z", berlin) && !is_never_shown("x", berlin));
        let twice = of("2024-10-27 02:30").unwrap();
        assert_eq!(Some(twice), of_utc("2024-10-27 00:30"));
        assert_eq!(Some(settle_twice(twice, twice, berlin)), of_utc("2024-10-27 01:30"));
        assert_eq!(settle_twice(twice, twice - 1, berlin), twice);
        let noon = of("2024-10-27 12:00").unwrap();
        assert_eq!(settle_twice(noon, noon, berlin), noon, "a repeat of a time that is shown once stays one");
    }
}
