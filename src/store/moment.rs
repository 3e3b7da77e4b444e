//! Points in time as people give them: an age, a day, a time of UTC.

use std::time::SystemTime;

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};

/// A point in time, or a whole day of UTC.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    first: Timestamp,
    last: Timestamp,
}

impl Moment {
    /// Reads an age such as `7d`, a date, or a time with or without a UTC offset; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let instant = |time: Timestamp| Self { first: time, last: time };
        if let Ok(age) = humantime::parse_duration(text) {
            let then = SystemTime::now().checked_sub(age)?;
            return Timestamp::try_from(then).ok().map(instant);
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Some(instant(time));
        }
        let in_utc = |time: DateTime| Offset::UTC.to_timestamp(time).ok();
        let is_date = !text.contains(['T', ':', ' ']);
        if is_date && let Ok(day) = text.parse::<Date>() {
            let next = in_utc(day.tomorrow().ok()?.at(0, 0, 0, 0))?;
            // Times in the store have milliseconds.
            let last = next.checked_sub(1.millisecond()).ok()?;
            return Some(Self { first: in_utc(day.at(0, 0, 0, 0))?, last });
        }
        text.parse().ok().and_then(in_utc).map(instant)
    }

    /// The minute that it begins in, counted from 1970.
    pub fn minute(&self) -> i64 {
        self.first.as_second().div_euclid(60)
    }

    /// Whether a time of the store is not before this.
    pub fn is_reached_at(&self, time: &str) -> bool {
        time.parse::<Timestamp>().is_ok_and(|time| time >= self.first)
    }

    /// Whether a time of the store is not after this.
    pub fn is_not_over_at(&self, time: &str) -> bool {
        time.parse::<Timestamp>().is_ok_and(|time| time <= self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_whole_day_and_an_age_an_instant() {
        let day = Moment::parse("2026-11-01").unwrap();
        assert_eq!(
            [day.first, day.last].map(|time| time.to_string()),
            ["2026-11-01T00:00:00Z", "2026-11-01T23:59:59.999Z"]
        );
        assert!(
            day.is_reached_at("2026-11-01T00:00:00.000Z") && !day.is_reached_at("2026-10-31T23:59:59.999Z")
        );
        assert!(
            day.is_not_over_at("2026-11-01T23:59:59.999Z") && !day.is_not_over_at("2026-11-02T00:00:00.000Z")
        );
        let first = |text: &str| Moment::parse(text).unwrap().first;
        assert_eq!(first("2026-11-01T08:30").to_string(), "2026-11-01T08:30:00Z");
        assert_eq!(first("2026-11-01 08:30+01:00").to_string(), "2026-11-01T07:30:00Z");
        assert!(first("7d") < Timestamp::now());
        assert_eq!(Moment::parse("1970-01-01T00:01:59").unwrap().minute(), 1);
        for wrong in ["yesterday", "2026-13-01", "7", "", "99999999999 years"] {
            assert_eq!(Moment::parse(wrong), None, "{wrong}");
        }
    }
}
