//! Date and time as traces write them, to the nanosecond.

use jiff::civil::{DateTime, Time, date};
use jiff::fmt::temporal::{DateTimePrinter, Pieces};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

const DAY_NS: i128 = 86_400_000_000_000;
/// The midnight that clock times count from, a Monday's.
const MONDAY: DateTime = date(2018, 1, 1).at(0, 0, 0, 0);
/// Days from the first of 1970 to that Monday.
const MONDAY_SINCE_1970: i128 = 17_532;
/// Days from that Monday to the first of 1900 and to the first of 2200: the difference of any two times in between is a
/// number of nanoseconds.
const DAYS: std::ops::Range<i128> = -43_099..66_474;

/// Nanoseconds since Monday, 1 January 2018, 0:00 of UTC, of a text such as `2023-11-16 18:15:46.6805900`.
///
/// The date and the time may be separated by a space or a `T`; the time and its fraction may be missing. A time with a UTC
/// offset (`Z`, `+01:00`) is converted to UTC, one without is taken for UTC. Returns `None` for anything else, and for
/// years before 1900 or after 2199.
pub fn parse_nanoseconds(text: &str) -> Option<i64> {
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
    let time: Timestamp = pieces.to_numeric_offset().unwrap_or(Offset::UTC).to_timestamp(time).ok()?;
    since_monday(time.as_nanosecond())
}

/// Nanoseconds since Monday, 1 January 2018, 0:00, of a time that is so many ticks of `tick_ns` nanoseconds after the first
/// of 1970; `None` for the same years as in [`parse_nanoseconds`].
pub fn since_1970(ticks: i64, tick_ns: i64) -> Option<i64> {
    since_monday(i128::from(ticks) * i128::from(tick_ns))
}

fn since_monday(nanoseconds_since_1970: i128) -> Option<i64> {
    let nanoseconds = nanoseconds_since_1970 - MONDAY_SINCE_1970 * DAY_NS;
    let possible = DAYS.start * DAY_NS..DAYS.end * DAY_NS;
    possible.contains(&nanoseconds).then_some(nanoseconds as i64)
}

/// The text of nanoseconds since Monday, 1 January 2018, that [`parse_nanoseconds`] reads back.
pub fn date_text(nanoseconds: i64) -> String {
    let time = MONDAY.saturating_add(SignedDuration::from_nanos(nanoseconds));
    DateTimePrinter::new().separator(b' ').precision(Some(9)).datetime_to_string(&time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_fractional_digits_keep_their_precision() {
        let first = parse_nanoseconds("2023-11-16 18:15:46.6805900").unwrap();
        let second = parse_nanoseconds("2023-11-16 18:15:50.9951690").unwrap();
        assert_eq!(second - first, 4_314_579_000);
    }

    #[test]
    fn the_first_day_of_2018_is_day_zero_and_a_week_later_is_a_monday_again() {
        assert_eq!(parse_nanoseconds("2018-01-01"), Some(0));
        for text in
            ["2018-01-08T00:00:00Z", "2018-01-08 00:00", "2018-01-08Z", "2018-01-08+00:00", " 2018-01-08 "]
        {
            assert_eq!(parse_nanoseconds(text), Some(7 * 86_400 * 1_000_000_000), "{text}");
        }
        assert_eq!(parse_nanoseconds("2020-03-01 00:00:00").unwrap() / 86_400_000_000_000, 790);
    }

    #[test]
    fn a_date_reads_back_what_it_writes() {
        for text in [
            "2023-11-16 18:15:46.680590000",
            "2018-01-01 00:00:00.000000000",
            "1999-12-31 23:59:59.999999999",
        ] {
            assert_eq!(date_text(parse_nanoseconds(text).unwrap()), text);
        }
        for day in -40_000..60_000 {
            let text = date_text(day * 86_400_000_000_000);
            assert_eq!(parse_nanoseconds(&text), Some(day * 86_400_000_000_000), "{text}");
        }
    }

    #[test]
    fn ticks_since_1970_are_the_times_that_their_text_says() {
        let text = "2023-11-16 18:15:46.680590000";
        let (seconds, expected) = (1_700_158_546_i64, parse_nanoseconds(text));
        assert_eq!(since_1970(seconds * 1_000_000_000 + 680_590_000, 1), expected);
        assert_eq!(since_1970(seconds * 1_000_000 + 680_590, 1_000), expected);
        assert_eq!(since_1970(seconds, 1_000_000_000).map(|time| time + 680_590_000), expected);
        assert_eq!(since_1970(17_532, 86_400_000_000_000), Some(0));
        assert_eq!(since_1970(-25_567, 86_400_000_000_000), parse_nanoseconds("1900-01-01"));
        for ticks in [-25_568, 84_006, i64::MIN, i64::MAX] {
            assert_eq!(since_1970(ticks, 86_400_000_000_000), None, "{ticks}");
        }
    }

    #[test]
    fn a_utc_offset_is_converted_to_utc() {
        let utc = parse_nanoseconds("2024-05-12 00:30:00.5");
        for text in [
            "2024-05-12 00:30:00.5Z",
            "2024-05-12T00:30:00.5+00:00",
            "2024-05-12T01:30:00.5+01:00",
            "2024-05-11 19:00:00.500-05:30",
            "2024-05-12 02:30:00.5+0200",
        ] {
            assert_eq!(parse_nanoseconds(text), utc, "{text}");
        }
        assert_eq!(parse_nanoseconds("1900-01-01 00:30:00+01:00"), None, "still 1899 in UTC");
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
            assert_eq!(parse_nanoseconds(text), None, "{text}");
        }
    }
}
