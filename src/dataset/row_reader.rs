//! Reads a trace row by row as it is written: the layouts, checks and messages of a whole file, for one line at a time.

use std::borrow::Cow;

use super::layout::{Layout, mapped, recognise};
use super::locate::{Expect, TraceFile};
use super::prepare_error::PrepareError;
use super::records::{Records, fields};
use super::trace::TraceError;
use crate::experiment::{ColumnsSpec, TimestampUnit};

/// One row of a trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Row<'a> {
    /// A request.
    Request {
        /// Seconds since the trace's first row.
        arrival_s: f64,
        /// Clock time of its arrival, in seconds since a midnight (a Monday's, where the date is known).
        clock_s: f64,
        /// Prompt tokens.
        request_tokens: f64,
        /// Generated tokens.
        response_tokens: f64,
    },
    /// A row of a numeric table.
    Reading {
        /// Seconds since the trace's first row.
        time_s: f64,
        /// Its clock time, in seconds since a midnight (a Monday's, where the date is known).
        clock_s: f64,
        /// One value for each of [`RowReader::names`].
        values: &'a [f64],
    },
}

/// Reads rows below a header.
#[derive(Debug, Clone)]
pub struct RowReader {
    name: String,
    header: Vec<String>,
    /// The column of time, and what it holds.
    time: (usize, TimestampUnit),
    /// The other columns that are read.
    columns: Vec<(usize, Expect)>,
    requests: bool,
    first: Option<Stamp>,
    last: Option<(Stamp, String)>,
    values: Vec<f64>,
}

/// A time as its column says it.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Stamp {
    /// So many of a unit.
    Number(f64),
    /// A date, in nanoseconds of the clock.
    Date(i64),
}

impl Stamp {
    fn clock_s(self, unit: TimestampUnit) -> f64 {
        match self {
            Stamp::Number(ticks) => ticks / unit.per_second().unwrap_or(1.0),
            Stamp::Date(clock) => clock as f64 / 1e9,
        }
    }

    /// Seconds since an earlier time of the same column.
    fn since(self, first: Self, unit: TimestampUnit) -> f64 {
        match (self, first) {
            (Stamp::Date(now), Stamp::Date(first)) => (now - first) as f64 / 1e9,
            (Stamp::Number(now), Stamp::Number(first)) => (now - first) / unit.per_second().unwrap_or(1.0),
            (now, first) => now.clock_s(unit) - first.clock_s(unit),
        }
    }
}

impl RowReader {
    /// Reads the header, one line of text, with the columns that are named, if they are; `name` is only named in errors.
    ///
    /// # Errors
    /// A header that is none, or not known; a first line of JSON, which is read as a whole file only; a named column
    /// that is not there.
    pub fn new(name: &str, header: &[u8], columns: Option<&ColumnsSpec>) -> Result<Self, PrepareError> {
        if header.trim_ascii_start().starts_with(b"{") {
            return Err(PrepareError::Trace(TraceError {
                file: name.to_string(),
                line: Some(1),
                column: None,
                message: "JSON lines cannot be followed row by row; give the rows as CSV with a header"
                    .to_string(),
            }));
        }
        let file = TraceFile::new(name, header).map_err(PrepareError::Trace)?;
        let layout = match columns {
            Some(columns) => mapped(&file.header, columns).map_err(PrepareError::Slice)?,
            None => recognise(&file.header, false)
                .map_err(|message| PrepareError::Trace(file.at_header(&message)))?,
        };
        let (time, columns, requests) = match layout {
            // Names are not read: no model knows them.
            Layout::Requests { timestamp, request_tokens, response_tokens, .. } => {
                (timestamp, vec![(request_tokens, Expect::Count), (response_tokens, Expect::Count)], true)
            }
            Layout::Series { time, columns } => {
                (time, columns.into_iter().map(|column| (column, Expect::Number)).collect(), false)
            }
        };
        Ok(Self {
            name: name.to_string(),
            header: file.header,
            time,
            columns,
            requests,
            first: None,
            last: None,
            values: Vec::new(),
        })
    }

    /// Whether the rows are requests; else they are those of a numeric table.
    pub fn reads_requests(&self) -> bool {
        self.requests
    }

    /// The names of the numeric columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|&(column, _)| self.header[column].as_str())
    }

    /// Whether a line is the header once more, as a file begins that was rotated.
    pub fn is_header(&self, text: &str) -> bool {
        Records::of(text)
            .next()
            .is_some_and(|record| record.is_ok_and(|record| fields(&record) == self.header))
    }

    /// Reads the row on line `line` of the file, counted from 1; `None` for a blank line.
    ///
    /// # Errors
    /// A row with too few or too many fields, with a value that must not stand there, or with a time before that of
    /// the row before it. Such a row changes nothing: the next one is read as if it were not there.
    pub fn read(&mut self, text: &str, line: usize) -> Result<Option<Row<'_>>, TraceError> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Ok(None);
        }
        let error = |column: Option<usize>, message: String| TraceError {
            file: self.name.clone(),
            line: Some(line),
            column: column.and_then(|column| self.header.get(column).cloned()),
            message,
        };
        let quoted = text.contains('"');
        let own: Vec<Cow<'_, str>> = if quoted {
            match Records::of(text).next() {
                Some(Ok(record)) => fields(&record),
                Some(Err(malformed)) => {
                    return Err(error(Some(malformed.field), malformed.message.to_string()));
                }
                None => return Ok(None),
            }
        } else {
            text.split(',').map(|field| Cow::Borrowed(field.trim_ascii())).collect()
        };
        if own.len() != self.header.len() {
            let fields = if own.len() == 1 { "field" } else { "fields" };
            let message = format!("{} {fields}, but the header has {}", own.len(), self.header.len());
            return Err(error(Some(own.len()), message));
        }
        let (at, unit) = self.time;
        let stamp = match unit {
            TimestampUnit::DateTime => Expect::DateTime.nanoseconds(&own[at]).map(Stamp::Date),
            unit => Expect::Stamp(unit).number(&own[at]).map(Stamp::Number),
        };
        let stamp = stamp.map_err(|message| error(Some(at), message))?;
        if let Some((_, before)) = self.last.as_ref().filter(|(last, _)| stamp < *last) {
            let message =
                format!("the timestamp goes back from `{before}` to `{}`; sort the rows by it", own[at]);
            return Err(error(Some(at), message));
        }
        self.values.clear();
        for &(column, expect) in &self.columns {
            let value = expect.number(&own[column]).map_err(|message| error(Some(column), message))?;
            self.values.push(value);
        }
        let first = *self.first.get_or_insert(stamp);
        let (last, text) = self.last.get_or_insert_with(|| (stamp, String::new()));
        *last = stamp;
        text.clear();
        text.push_str(&own[at]);
        let time_s = stamp.since(first, unit);
        let clock_s = first.clock_s(unit) + time_s;
        Ok(Some(match (self.requests, self.values.as_slice()) {
            (true, &[request_tokens, response_tokens]) => {
                Row::Request { arrival_s: time_s, clock_s, request_tokens, response_tokens }
            }
            (_, values) => Row::Reading { time_s, clock_s, values },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Trace, parse_trace};

    const BURSTGPT: &str = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
        5,ChatGPT,472,18,490,Conversation log\n\n45, \"GPT-4\" ,1087,230,1317,API log\n45,ChatGPT,0,0,0,API log\n";
    const SERIES: &str = "date,x,y\n2016-07-01 00:00:00,1.5,-2\n2016-07-01 01:00:00,1e3,0.1\n";

    fn rows(text: &str) -> Vec<Vec<f64>> {
        let mut lines = text.lines();
        let mut reader = RowReader::new("x.csv", lines.next().unwrap().as_bytes(), None).unwrap();
        let mut found = Vec::new();
        for (index, line) in lines.enumerate() {
            match reader.read(line, index + 2).unwrap() {
                Some(Row::Request { arrival_s, clock_s, request_tokens, response_tokens }) => {
                    found.push(vec![arrival_s, clock_s, request_tokens, response_tokens]);
                }
                Some(Row::Reading { time_s, clock_s, values }) => {
                    found.push([&[time_s, clock_s], values].concat());
                }
                None => {}
            }
        }
        found
    }

    #[test]
    fn rows_read_one_by_one_are_those_of_the_whole_file() {
        // A space before a quote is malformed in either reading.
        let text = BURSTGPT.replace(", \"GPT-4\" ,", ", \"GPT-4\",");
        assert!(parse_trace("x.csv", text.as_bytes()).is_err());
        let text = BURSTGPT.replace(", \"GPT-4\" ,", ",\"GPT-4\",");
        let Trace::Requests(whole) = parse_trace("x.csv", text.as_bytes()).unwrap() else { panic!() };
        let found = rows(&text);
        for (row, found) in found.iter().enumerate() {
            let arrival_s = whole.arrival_s[row];
            let clock_s = whole.clock_s + arrival_s;
            assert_eq!(*found, [arrival_s, clock_s, whole.request_tokens[row], whole.response_tokens[row]]);
        }
        assert_eq!(found.len(), whole.len());
        let Trace::Series(whole) = parse_trace("x.csv", SERIES.as_bytes()).unwrap() else { panic!() };
        let found = rows(SERIES);
        for (row, found) in found.iter().enumerate() {
            let clock_s = whole.clock_s + whole.time_s[row];
            assert_eq!(*found, [whole.time_s[row], clock_s, whole.columns[0][row], whole.columns[1][row]]);
        }
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_bad_row_is_named_as_in_a_whole_file_and_changes_nothing() {
        let header = BURSTGPT.lines().next().unwrap();
        let mut reader = RowReader::new("x.csv", header.as_bytes(), None).unwrap();
        assert!(reader.read("5,ChatGPT,472,18,490,API log", 2).unwrap().is_some());
        for bad in [
            "4,ChatGPT,1,1,2,API log",
            "6,ChatGPT,1.5,1,2,API log",
            "6,ChatGPT,1",
            "6,\"ChatGPT,1,1,2,x",
            "x,a,1,1,2,b",
        ] {
            let found = reader.read(bad, 3).unwrap_err();
            let whole = format!("{header}\n5,ChatGPT,472,18,490,API log\n{bad}\n");
            assert_eq!(found, parse_trace("x.csv", whole.as_bytes()).unwrap_err());
        }
        let row = reader.read("6,ChatGPT,1,2,3,API log", 4).unwrap().unwrap();
        assert_eq!(
            row,
            Row::Request { arrival_s: 1.0, clock_s: 6.0, request_tokens: 1.0, response_tokens: 2.0 }
        );
        assert!(reader.is_header(header) && !reader.is_header("6,ChatGPT,1,2,3,API log"));
    }
}
