//! The midnight that clock times count from: Monday, 1 January 2018.

const DAY_NS: i128 = 86_400_000_000_000;
/// Days from the first of 1970 to that Monday.
pub(super) const MONDAY_SINCE_1970: i128 = 17_532;
/// Nanoseconds from the first of 1970 to that Monday.
pub(super) const NEW_YEAR_2018_NS: i64 = MONDAY_SINCE_1970 as i64 * DAY_NS as i64;
/// Days from that Monday to the first of 1900 and to the first of 2200: the difference of any two times in between is a
/// number of nanoseconds.
const DAYS: std::ops::Range<i128> = -43_099..66_474;

/// Nanoseconds since Monday, 1 January 2018, of a time since 1970; `None` for the same years as in [`super::clock::parse_nanoseconds`].
pub(super) fn since_monday(nanoseconds_since_1970: i128) -> Option<i64> {
    let nanoseconds = nanoseconds_since_1970 - MONDAY_SINCE_1970 * DAY_NS;
    let possible = DAYS.start * DAY_NS..DAYS.end * DAY_NS;
    possible.contains(&nanoseconds).then_some(nanoseconds as i64)
}
