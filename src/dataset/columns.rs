//! The columns of a trace file, each value checked for what must stand there.

use polars_core::prelude::{PolarsResult, Series};

use super::clock::{parse_nanoseconds, settle_twice};
use super::locate::Expect;
use super::trace::Labels;
use super::zone::Zone;

/// The wanted columns of a trace file.
pub struct TraceTable(Vec<Column>);

/// The values of one column.
pub enum Column {
    /// Numbers that are what they must be.
    Numbers(Expect, Vec<f64>),
    /// Names of which few are distinct.
    Names(Labels),
    /// Nanoseconds of the clock, and the zone of dates without an offset.
    DateTimes(Zone, Vec<i64>),
}

impl TraceTable {
    /// A table of columns of one length.
    pub fn of(columns: Vec<Column>) -> Self {
        Self(columns)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.0.first().is_none_or(Column::is_empty)
    }

    /// The values of a column of numbers; none for any other.
    pub fn numbers(&mut self, index: usize) -> Vec<f64> {
        match &mut self.0[index] {
            Column::Numbers(_, values) => std::mem::take(values),
            Column::Names(_) | Column::DateTimes(..) => Vec::new(),
        }
    }

    /// The values of a column of names; none for any other.
    pub fn labels(&mut self, index: usize) -> Labels {
        match &mut self.0[index] {
            Column::Names(labels) => std::mem::take(labels),
            Column::Numbers(..) | Column::DateTimes(..) => Labels::default(),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.first().map_or(0, Column::len)
    }

    /// A column of dates: seconds since the first row, and the first row's clock time in seconds.
    pub fn date_times(&self, index: usize) -> (Vec<f64>, f64) {
        let Column::DateTimes(zone, stamps) = &self.0[index] else { return (Vec::new(), 0.0) };
        let first = stamps.first().copied().unwrap_or(0);
        let mut before = i64::MIN;
        let times_s = stamps.iter().map(|&stamp| {
            before = settle_twice(stamp, before, *zone);
            (i128::from(before) - i128::from(first)) as f64 / 1e9
        });
        let times_s = times_s.collect();
        (times_s, first as f64 / 1e9)
    }
}

impl Column {
    /// A column without rows.
    pub fn new(expect: Expect) -> Self {
        match expect {
            Expect::Name => Column::Names(Labels::default()),
            Expect::DateTime(zone) => Column::DateTimes(zone, Vec::new()),
            Expect::Number | Expect::Stamp(_) | Expect::Epoch(_) | Expect::Count => {
                Column::Numbers(expect, Vec::new())
            }
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Column::Numbers(_, values) => values.len(),
            Column::Names(labels) => labels.len(),
            Column::DateTimes(_, stamps) => stamps.len(),
        }
    }

    /// Takes up a number; false if it must not stand here.
    pub fn push_number(&mut self, value: f64) -> bool {
        match self {
            Column::Numbers(expect, values) if expect.holds(value) => {
                values.push(value);
                true
            }
            _ => false,
        }
    }

    /// Takes up a name or a date; false if it must not stand here.
    pub fn push_text(&mut self, text: &str) -> bool {
        match self {
            Column::Names(labels) if !text.is_empty() => {
                labels.push(text);
                true
            }
            Column::DateTimes(zone, stamps) => match parse_nanoseconds(text, *zone) {
                Some(stamp) => {
                    stamps.push(stamp);
                    true
                }
                None => false,
            },
            Column::Names(_) | Column::Numbers(..) => false,
        }
    }

    /// Makes room for more rows.
    pub fn reserve(&mut self, rows: usize) {
        match self {
            Column::Numbers(_, values) => values.reserve(rows),
            Column::Names(labels) => labels.reserve(rows),
            Column::DateTimes(_, stamps) => stamps.reserve(rows),
        }
    }

    /// Takes up the values of a block; false if one of them must not stand here.
    ///
    /// # Errors
    /// A column of another type, which would be a mistake in this program.
    pub fn append(&mut self, block: &Series) -> PolarsResult<bool> {
        match self {
            Column::Numbers(expect, values) => {
                for value in block.f64()?.iter() {
                    let Some(value) = value.filter(|&value| expect.holds(value)) else { return Ok(false) };
                    values.push(value);
                }
            }
            Column::Names(labels) => {
                for name in block.str()?.iter() {
                    let Some(name) = name else { return Ok(false) };
                    labels.push(name);
                }
            }
            Column::DateTimes(zone, stamps) => {
                for text in block.str()?.iter() {
                    let stamp = text.and_then(|text| parse_nanoseconds(text, *zone));
                    let Some(stamp) = stamp else { return Ok(false) };
                    stamps.push(stamp);
                }
            }
        }
        Ok(true)
    }

    /// Takes up the rows of another column of the same kind.
    pub fn extend(&mut self, other: Self) {
        match (self, other) {
            (Column::Numbers(_, values), Column::Numbers(_, more)) => values.extend(more),
            (Column::DateTimes(_, stamps), Column::DateTimes(_, more)) => stamps.extend(more),
            (Column::Names(labels), Column::Names(more)) => labels.extend(&more),
            _ => debug_assert!(false, "columns of two kinds"),
        }
    }
}
