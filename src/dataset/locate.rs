//! A trace file as text: its header, its rows, and the line and column of whatever is wrong with it.

use super::clock::{is_never_shown, parse_nanoseconds, since_1970};
use super::dialect::{Decimal, Dialect};
use super::records::{CsvRecord, Malformed, Records};
use super::trace::TraceError;
use super::zone::Zone;
use crate::spec::{ColumnsSpec, TimestampUnit};
use crate::text::duration;

/// What a field must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// A name.
    Name,
    /// A number whose square can be computed with.
    Number,
    /// A time since a midnight, in this unit.
    Stamp(TimestampUnit),
    /// A time since the first of 1970, in this unit.
    Epoch(TimestampUnit),
    /// A number of tokens: whole and not negative.
    Count,
    /// A date with or without a time, of this zone where it has no offset.
    DateTime(Zone),
}

/// Some 3,000 years: what is larger counts milliseconds, or is damaged.
const GREATEST_SECONDS: f64 = 1e11;

/// Sums of the squares of any 100 million smaller numbers can be computed; beyond, variances and errors overflow.
const GREATEST_NUMBER: f64 = 1e150;

/// Up to here every whole number has an `f64` of its own.
const GREATEST_COUNT: f64 = 9_007_199_254_740_992.0;

impl Expect {
    /// Whether a number may stand here.
    pub fn holds(self, value: f64) -> bool {
        match self {
            Expect::Name | Expect::DateTime(_) => false,
            Expect::Number => value.abs() <= GREATEST_NUMBER,
            Expect::Stamp(unit) => {
                unit.per_second().is_some_and(|ticks| (0.0..=GREATEST_SECONDS * ticks).contains(&value))
            }
            Expect::Epoch(unit) => {
                let seconds = unit.per_second().map(|ticks| value / ticks);
                seconds.is_some_and(|seconds| {
                    seconds.is_finite() && since_1970(seconds as i64, 1_000_000_000).is_some()
                })
            }
            Expect::Count => (0.0..=GREATEST_COUNT).contains(&value) && value.fract() == 0.0,
        }
    }

    /// The number that a text says, where a number must stand.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn number(self, text: &str, decimal: &mut Decimal) -> Result<f64, String> {
        let text = text.trim_ascii();
        let number = decimal.number(text);
        number.filter(|&value| self.holds(value)).ok_or_else(|| {
            let hint = if number.is_none() { decimal.hint(text) } else { "" };
            format!("{}{hint}", self.complaint_about(text, number))
        })
    }

    /// The nanoseconds of the clock that a text says, where a date must stand.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn nanoseconds(self, text: &str) -> Result<i64, String> {
        let zone = if let Expect::DateTime(zone) = self { zone } else { Zone::default() };
        parse_nanoseconds(text, zone).ok_or_else(|| self.complaint(text))
    }

    /// What is wrong with a text that is not accepted.
    pub fn complaint(self, text: &str) -> String {
        self.complaint_about(text, text.parse().ok())
    }

    /// What is wrong with a text that is not accepted, and the number that it says, if it does.
    fn complaint_about(self, text: &str, number: Option<f64>) -> String {
        if text.is_empty() {
            let expected = match self {
                Expect::Name => "a name",
                Expect::Number => "a number",
                Expect::Stamp(unit) | Expect::Epoch(unit) => &format!("a number of {}", unit.as_str()),
                Expect::Count => "a number of tokens",
                Expect::DateTime(_) => "a date and time",
            };
            return format!("the value is missing; {expected} is expected here");
        }
        if let Expect::DateTime(zone) = self {
            if is_never_shown(text, zone) {
                let text = shortened(text);
                return format!(
                    "`{text}` is a time that the clocks of {} were set forward over",
                    zone.name()
                );
            }
            if let Some(hint) = number.and_then(epoch_hint) {
                return format!("`{}` is not a date and time; {hint}", shortened(text));
            }
        }
        let fault = match (self, number) {
            (Expect::DateTime(_) | Expect::Name | Expect::Stamp(TimestampUnit::DateTime), _) => {
                "is not a date and time such as 2023-11-16 18:15:46.6805900"
            }
            (Expect::Stamp(_), None) if parse_nanoseconds(text, Zone::UTC).is_some() => {
                "is a date, not a number; set timestamp_unit = \"datetime\" in [dataset.columns]"
            }
            (_, None) => "is not a number",
            (_, Some(value)) if !value.is_finite() => "is not a finite number",
            (Expect::Epoch(_), _) => {
                "lies before 1900 or after 2199 as a time since 1970; check timestamp_unit"
            }
            (Expect::Number, _) => {
                "is too large: variances and errors overflow beyond 1e150; rescale the column"
            }
            (Expect::Stamp(_), Some(value)) if value < 0.0 => {
                "is negative; timestamps count from a midnight on"
            }
            (Expect::Stamp(unit), Some(value)) => {
                let hint = finer_unit_hint(value).unwrap_or_default();
                &format!("is too large for a number of {}{hint}", unit.as_str())
            }
            (_, Some(value)) if value < 0.0 => "is negative; a number of tokens is expected here",
            (_, Some(value)) if value.fract() != 0.0 => {
                "is not a whole number; a number of tokens is expected here"
            }
            _ => "is too large for a number of tokens",
        };
        format!("`{}` {fault}", shortened(text))
    }
}

/// What to do about a time that is too large for its unit: it may be one of a finer unit.
fn finer_unit_hint(value: f64) -> Option<String> {
    let units = [
        TimestampUnit::Seconds,
        TimestampUnit::Milliseconds,
        TimestampUnit::Microseconds,
        TimestampUnit::Nanoseconds,
    ];
    let unit = units.into_iter().find(|unit| Expect::Stamp(*unit).holds(value))?;
    let (name, key) = (unit.as_str(), unit.key());
    Some(format!("; if it counts {name}, set timestamp_unit = \"{key}\" in [dataset.columns]"))
}

/// What to set for a number where a date is expected, if it is a time since 1970 in some unit.
fn epoch_hint(number: f64) -> Option<String> {
    // From 1990 on the units cannot be confused.
    let units = [("s", 1.0), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)];
    let (unit, _) = units.into_iter().find(|(_, ticks)| (6.3e8..7.3e9).contains(&(number / ticks)))?;
    Some(format!("if it counts from 1970, set timestamp_unit = \"{unit}\" in [dataset.columns]"))
}

/// A text that fits on a line of an error message.
pub fn shortened(text: &str) -> String {
    const LONGEST: usize = 100;
    let mut short: String = text.escape_debug().take(LONGEST).collect();
    if text.chars().count() > LONGEST {
        short.push('…');
    }
    short
}

/// A trace file whose text and header are sound.
pub struct TraceFile<'a> {
    name: &'a str,
    text: &'a str,
    header_line: usize,
    /// The names of the columns.
    pub header: Vec<String>,
    /// How the file is written.
    pub dialect: Dialect,
    /// The text of the rows.
    pub rows: &'a str,
    /// Whether the first record holds values, and the names come from elsewhere.
    headless: bool,
}

impl<'a> TraceFile<'a> {
    /// Refuses what is no text: an empty file, UTF-16, a NUL byte, bytes that are not UTF-8.
    ///
    /// # Errors
    /// Those, and a header that is malformed.
    pub fn new(name: &'a str, bytes: &'a [u8], columns: Option<&ColumnsSpec>) -> Result<Self, TraceError> {
        let dialect = Dialect::of("", columns);
        let mut file =
            Self { name, text: "", header_line: 1, header: Vec::new(), dialect, rows: "", headless: false };
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(file.whole("the file is UTF-16; save it as UTF-8"));
        }
        if let Some(at) = memchr::memchr(0, bytes) {
            let message = "a NUL byte; the file is damaged, was cut while it was written, or is UTF-16";
            return Err(file.at_byte(bytes, at, columns, message));
        }
        file.text = std::str::from_utf8(bytes)
            .map_err(|error| {
                let message = "a byte that is not UTF-8; save the file as UTF-8";
                file.at_byte(bytes, error.valid_up_to(), columns, message)
            })?
            .trim_start_matches('\u{feff}');
        file.dialect = dialect_of(file.text, columns);
        let mut records = Records::of(file.text, file.dialect.separator);
        let header = match records.next() {
            None => return Err(file.whole("the file is empty; a trace has a header and rows")),
            Some(record) => record.map_err(|malformed| file.malformed(&malformed))?,
        };
        file.header_line = header.line;
        file.header = header.to_vec();
        file.rows = records.rest();
        Ok(file)
    }

    /// Takes the first record for a row, of a file that is published without a header.
    #[must_use]
    pub fn with_header(self, names: &[&str]) -> Self {
        let header = names.iter().map(ToString::to_string).collect();
        Self { header, headless: true, rows: self.text, ..self }
    }

    /// The records below the header, each with as many fields as that.
    pub fn records(&self) -> impl Iterator<Item = Result<CsvRecord, TraceError>> {
        let records = Records::of(self.text, self.dialect.separator).skip(usize::from(!self.headless));
        records.map(|record| {
            let record = record.map_err(|malformed| self.malformed(&malformed))?;
            if record.len() == self.header.len() { Ok(record) } else { Err(self.wrong_length(&record)) }
        })
    }

    /// An error about the file as a whole.
    pub fn whole(&self, message: &str) -> TraceError {
        self.error(None, None, message)
    }

    /// An error about the header.
    pub fn at_header(&self, message: &str) -> TraceError {
        self.at_line(self.header_line, None, message)
    }

    /// An error about a line of the file, counted from 1.
    pub fn at_line(&self, line: usize, column: Option<usize>, message: &str) -> TraceError {
        self.error(Some(line), column, message)
    }

    /// An error about a timestamp that is earlier than that of the row before, `row - 1`.
    pub fn backwards(&self, row: usize, column: usize) -> TraceError {
        let mut records = self.records().filter_map(Result::ok).skip(row - 1);
        match (records.next(), records.next()) {
            (Some(before), Some(record)) => {
                let message = goes_back(before.field(column), record.field(column));
                self.at_line(record.line, Some(column), &message)
            }
            _ => self.whole("a timestamp goes back in time; sort the rows by it"),
        }
    }

    fn wrong_length(&self, record: &CsvRecord) -> TraceError {
        let message = wrong_length(record.len(), self.header.len());
        self.at_line(record.line, Some(record.len()), &message)
    }

    fn malformed(&self, malformed: &Malformed) -> TraceError {
        self.at_line(malformed.line, Some(malformed.field), malformed.message)
    }

    /// An error at a byte of a file that is not, or not yet, known to be text.
    fn at_byte(&self, bytes: &[u8], at: usize, columns: Option<&ColumnsSpec>, message: &str) -> TraceError {
        let sound = String::from_utf8_lossy(&bytes[..at]);
        let sound = sound.trim_start_matches('\u{feff}');
        let line = 1 + sound.matches('\n').count();
        let separator = dialect_of(sound, columns).separator;
        let (Some(Ok(header)), true) = (Records::of(sound, separator).next(), line > 1) else {
            return self.at_line(line, None, message);
        };
        let start = sound.rfind('\n').map_or(0, |newline| newline + 1);
        let column = sound[start..].matches(separator as char).count();
        TraceError { column: header.to_vec().into_iter().nth(column), ..self.at_line(line, None, message) }
    }

    fn error(&self, line: Option<usize>, column: Option<usize>, message: &str) -> TraceError {
        TraceError {
            file: self.name.to_string(),
            line,
            column: column.and_then(|column| self.header.get(column).cloned()),
            message: message.to_string(),
        }
    }
}

/// The dialect of a text whose first line that is not blank is the header.
fn dialect_of(text: &str, columns: Option<&ColumnsSpec>) -> Dialect {
    let header = text.lines().find(|line| !line.trim_ascii().is_empty());
    Dialect::of(header.unwrap_or_default(), columns)
}

/// What is said about a row with too few or too many fields.
pub fn wrong_length(found: usize, expected: usize) -> String {
    format!("{found} {}, but the header has {expected}", if found == 1 { "field" } else { "fields" })
}

/// What is said about a timestamp so many seconds after the one before, where only so many may pass.
pub fn too_late(before: &str, stamp: &str, [gap_s, longest_s]: [f64; 2]) -> String {
    format!(
        "`{stamp}` is {} after `{before}`, the time of the row before, and at most {} may pass without a row; correct the time, \
         or start again with a trace that begins here",
        duration(gap_s),
        duration(longest_s)
    )
}

/// What is said about a timestamp that is earlier than the one before.
pub fn goes_back(before: &str, stamp: &str) -> String {
    format!("the timestamp goes back from `{before}` to `{stamp}`; sort the rows by it")
}
