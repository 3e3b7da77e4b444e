//! A column with the times of the rows, and a time as it says it.

use super::epoch::MONDAY_SINCE_1970;
use super::locate::Expect;
use super::zone::Zone;
use crate::spec::TimestampUnit;

/// A column with the times of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeColumn {
    /// Its position.
    pub at: usize,
    /// What it holds.
    pub unit: TimestampUnit,
    /// The zone of dates without an offset.
    pub zone: Zone,
    /// Whether numbers count from the first of 1970 and so are dates; else they count from some midnight.
    pub is_epoch: bool,
}

/// Seconds from the first of 1970 to the Monday that dates count from.
const MONDAY_SINCE_1970_S: f64 = MONDAY_SINCE_1970 as f64 * 86_400.0;

impl TimeColumn {
    /// Dates of UTC, or numbers that count from some midnight.
    pub fn new(at: usize, unit: TimestampUnit) -> Self {
        Self { at, unit, zone: Zone::UTC, is_epoch: false }
    }

    /// What its fields must hold.
    pub fn expect(self) -> Expect {
        match self.unit {
            TimestampUnit::DateTime => Expect::DateTime(self.zone),
            unit if self.is_epoch => Expect::Epoch(unit),
            unit => Expect::Stamp(unit),
        }
    }

    /// Whether it says the date of a row.
    pub fn is_dated(self) -> bool {
        self.is_epoch || self.unit == TimestampUnit::DateTime
    }

    /// The clock time of so many seconds of a column of numbers.
    pub fn clock_s(self, seconds: f64) -> f64 {
        if self.is_epoch { seconds - MONDAY_SINCE_1970_S } else { seconds }
    }
}

/// A time as its column says it.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub enum Stamp {
    /// So many of a unit.
    Number(f64),
    /// A date, in nanoseconds of the clock.
    Date(i64),
    /// The number of a row that carries no time.
    Row(usize),
}

impl Stamp {
    /// Seconds of the clock.
    pub fn clock_s(self, column: Option<TimeColumn>) -> f64 {
        match (self, column) {
            (Stamp::Number(ticks), Some(column)) => {
                column.clock_s(ticks / column.unit.per_second().unwrap_or(1.0))
            }
            (Stamp::Date(clock), _) => clock as f64 / 1e9,
            (Stamp::Number(_), None) | (Stamp::Row(_), _) => 0.0,
        }
    }

    /// Seconds since an earlier time of the same column.
    pub fn since(self, first: Self, column: Option<TimeColumn>) -> f64 {
        match (self, first) {
            (Stamp::Date(now), Stamp::Date(first)) => (i128::from(now) - i128::from(first)) as f64 / 1e9,
            (Stamp::Number(now), Stamp::Number(first)) => {
                (now - first) / column.and_then(|column| column.unit.per_second()).unwrap_or(1.0)
            }
            (Stamp::Row(now), Stamp::Row(first)) => (now - first) as f64,
            (now, first) => now.clock_s(column) - first.clock_s(column),
        }
    }
}
