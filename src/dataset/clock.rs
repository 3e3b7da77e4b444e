//! Date and time as traces write them, to the nanosecond.

/// Nanoseconds since Monday, 1 January 2018, 0:00, of a text such as `2023-11-16 18:15:46.6805900`.
///
/// The date and the time may be separated by a space or a `T`; the time, its fraction and a UTC suffix (`Z`,
/// `+00:00`) may be missing. Returns `None` for anything else, and for years before 1900 or after 2199: the difference
/// of any two times is then a number of nanoseconds.
pub fn parse_nanoseconds(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00")).unwrap_or(text);
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (date, time),
        None => (text, "00:00:00"),
    };
    let mut parts = date.split('-');
    let (year, month, day) =
        (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let possible = (1900..2200).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day);
    if parts.next().is_some() || !possible {
        return None;
    }
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = clock.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second = parts.next().map_or(Some(0), |text| digits(text, 2))?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = day_number(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(seconds * 1_000_000_000 + nanoseconds(fraction)?)
}

fn digits(text: &str, length: usize) -> Option<i64> {
    if text.len() != length || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn nanoseconds(fraction: &str) -> Option<i64> {
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{fraction:0<9}").parse().ok()
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the first of 1970 to that of 2018.
const FROM_EPOCH_TO_2018: i64 = 17_532;

/// Days since 1 January 2018 in the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level date
/// algorithms").
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468 - FROM_EPOCH_TO_2018
}

/// Nanoseconds since Monday, 1 January 2018, 0:00, of a time that is so many ticks of `tick_ns` nanoseconds after the first
/// of 1970; `None` for the same years as in [`parse_nanoseconds`].
pub fn since_1970(ticks: i64, tick_ns: i64) -> Option<i64> {
    const DAY: i128 = 86_400_000_000_000;
    let time = i128::from(ticks) * i128::from(tick_ns) - i128::from(FROM_EPOCH_TO_2018) * DAY;
    let day = time.div_euclid(DAY);
    let possible = i128::from(day_number(1900, 1, 1))..i128::from(day_number(2200, 1, 1));
    if possible.contains(&day) { i64::try_from(time).ok() } else { None }
}

/// The text of nanoseconds since Monday, 1 January 2018, that [`parse_nanoseconds`] reads back.
pub fn date_text(nanoseconds: i64) -> String {
    const DAY: i64 = 86_400_000_000_000;
    let (year, month, day) = civil_date(nanoseconds.div_euclid(DAY));
    let rest = nanoseconds.rem_euclid(DAY);
    let (seconds, fraction) = (rest / 1_000_000_000, rest % 1_000_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{fraction:09}")
}

/// The date of a [`day_number`], by the same source.
fn civil_date(day_number: i64) -> (i64, i64, i64) {
    let days = day_number + FROM_EPOCH_TO_2018 + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
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
        assert_eq!(parse_nanoseconds("2018-01-08T00:00:00Z"), Some(7 * 86_400 * 1_000_000_000));
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
        ] {
            assert_eq!(parse_nanoseconds(text), None, "{text}");
        }
    }
}
