//! Reads a trace row by row as it is written, as CSV or as JSON lines: the layouts, checks and messages of a whole file, for
//! one line at a time.

use std::borrow::Cow;

use serde_json::Value;

use super::clock::{settle_twice, starts_at_s};
use super::dialect::Decimal;
use super::dynamo;
use super::json_lines::{is_array, nanoseconds_of, number_of, object_keys, values_of};
use super::layout::{Layout, layout_of};
use super::locate::{Expect, TraceFile, goes_back, too_late, wrong_length};
use super::prepare_error::PrepareError;
use super::prometheus;
use super::records::{CsvRecord, Malformed, Splitter, without_line_end};
use super::time_column::{Stamp, TimeColumn};
use super::trace::TraceError;
use crate::spec::ColumnsSpec;

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

/// Reads the rows of a trace.
#[derive(Debug, Clone)]
pub struct RowReader {
    name: String,
    /// The names of the columns, or the keys of the first object.
    header: Vec<String>,
    /// What splits the lines of CSV; `None` for JSON lines.
    csv: Option<Splitter>,
    /// What separates the fractions of numbers.
    decimal: Decimal,
    /// The column of time; `None` where the rows are counted.
    time: Option<TimeColumn>,
    /// The other columns that are read.
    columns: Vec<(usize, Expect)>,
    requests: bool,
    first: Option<Stamp>,
    last: Option<(Stamp, String)>,
    /// The most seconds that may pass between a row and the next one.
    longest_gap_s: f64,
    values: Vec<f64>,
}

/// The fields of a row.
enum Fields {
    /// All of them, by their positions in the header.
    Text(CsvRecord),
    /// Those that are read: the time, then the others.
    Json(Vec<Option<Value>>),
}

impl Fields {
    /// The time in its column. Dates come after that of the row before as far as the clocks of their zone allow it.
    fn stamp(&self, time: TimeColumn, before: Option<Stamp>, decimal: &mut Decimal) -> Result<Stamp, String> {
        let settled = |clock_ns: i64| {
            let before = if let Some(Stamp::Date(before)) = before { before } else { i64::MIN };
            Stamp::Date(settle_twice(clock_ns, before, time.zone))
        };
        match (self, time.expect()) {
            (Fields::Text(record), expect @ Expect::DateTime(_)) => {
                expect.nanoseconds(record.field(time.at)).map(settled)
            }
            (Fields::Text(record), expect) => {
                expect.number(record.field(time.at), decimal).map(Stamp::Number)
            }
            (Fields::Json(values), Expect::DateTime(zone)) => {
                nanoseconds_of(values[0].as_ref(), zone).map(settled)
            }
            (Fields::Json(values), expect) => number_of(values[0].as_ref(), expect).map(Stamp::Number),
        }
    }

    /// The number in column `at`, the one that is read as value `index` where the time, if there is one, is the first.
    fn number(&self, index: usize, at: usize, expect: Expect, decimal: &mut Decimal) -> Result<f64, String> {
        match self {
            Fields::Text(record) => expect.number(record.field(at), decimal),
            Fields::Json(values) => number_of(values[index].as_ref(), expect),
        }
    }

    /// The time as it is written.
    fn time_text(&self, at: usize) -> Cow<'_, str> {
        match self {
            Fields::Text(record) => Cow::Borrowed(record.field(at)),
            Fields::Json(values) => Cow::Owned(values[0].as_ref().map(Value::to_string).unwrap_or_default()),
        }
    }
}

impl RowReader {
    /// Reads the first line: the header of a CSV file, or an object of JSON lines, which is a row as well (see
    /// [`RowReader::begins_with_a_row`]). `columns` are those that are named, if they are; `name` is only named in errors.
    ///
    /// # Errors
    /// A header or a first object that is none, or not known; a named column that is not there.
    pub fn new(name: &str, first: &[u8], columns: Option<&ColumnsSpec>) -> Result<Self, PrepareError> {
        let is_json = first.trim_ascii_start().starts_with(b"{");
        let at_first = |message: String| {
            PrepareError::Trace(TraceError { file: name.to_string(), line: Some(1), column: None, message })
        };
        if is_array(first) || first.trim_ascii() == b"[" {
            let message = "this is a JSON array, which ends only with its last row; write one object on each line, as \
                           jq -c '.[]' does";
            return Err(at_first(message.to_string()));
        }
        if first.trim_ascii() == b"{" {
            let message = "this is a JSON document over many lines; write one object on each line, as jq -c . does (the answer to a \
                           query of Prometheus does not grow: forecast it without --watch)";
            return Err(at_first(message.to_string()));
        }
        if prometheus::is_answer(first) {
            return Err(at_first(prometheus::DOES_NOT_GROW.to_string()));
        }
        let is_given = columns.is_some_and(|columns| columns.requests.is_some());
        let (header, csv, decimal) = if is_json {
            let text = std::str::from_utf8(first)
                .map_err(|_| at_first("a byte that is not UTF-8; save the file as UTF-8".to_string()))?;
            if !is_given && dynamo::is_record(text) {
                return Err(at_first(dynamo::GROWS_LATE.to_string()));
            }
            (object_keys(text.trim_ascii()).map_err(at_first)?, None, Decimal::Point)
        } else {
            let file = TraceFile::new(name, first, columns).map_err(PrepareError::Trace)?;
            (file.header, Some(Splitter::new(file.dialect.separator)), file.dialect.decimal)
        };
        let at_names = |message: &str| TraceError {
            file: name.to_string(),
            line: Some(1),
            column: None,
            message: message.to_string(),
        };
        let layout = layout_of(&header, is_json, columns, at_names)?;
        let layout = if is_json && !is_given {
            let text = std::str::from_utf8(first).unwrap_or_default().trim_ascii();
            layout.for_first(|key| values_of(text, vec![header[key].as_str()]).ok()?.pop()?)
        } else {
            layout
        };
        let (time, columns, requests) = match layout {
            // Names are not read: no model knows them.
            Layout::Requests { timestamp, request_tokens, response_tokens, .. } => (
                Some(timestamp),
                vec![(request_tokens, Expect::Count), (response_tokens, Expect::Count)],
                true,
            ),
            Layout::Series { time, columns } => {
                (time, columns.into_iter().map(|column| (column, Expect::Number)).collect(), false)
            }
        };
        Ok(Self {
            name: name.to_string(),
            header,
            csv,
            decimal,
            time,
            columns,
            requests,
            first: None,
            last: None,
            longest_gap_s: f64::INFINITY,
            values: Vec::new(),
        })
    }

    /// Names the trace differently in errors.
    pub fn rename(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    /// Refuses rows that come more than so many seconds after the row before: their time is wrong.
    pub fn refuse_gaps(&mut self, longest_gap_s: f64) {
        self.longest_gap_s = longest_gap_s;
    }

    /// Whether the first line is a row, to be given to [`RowReader::read`] like all others; else it is a header.
    pub fn begins_with_a_row(&self) -> bool {
        self.csv.is_none()
    }

    /// Seconds from 1970-01-01, 0:00 UTC, to a clock time of a row; `None` where the times of the rows say no date.
    pub fn starts_at_s(&self, clock_s: f64) -> Option<f64> {
        starts_at_s(self.time.is_some_and(TimeColumn::is_dated), clock_s)
    }

    /// Whether the rows are requests; else they are those of a numeric table.
    pub fn reads_requests(&self) -> bool {
        self.requests
    }

    /// The names of the numeric columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|&(column, _)| self.header[column].as_str())
    }

    /// Whether line `line` is the header once more, as a file begins that was rotated.
    ///
    /// # Errors
    /// A header with the same columns in another order: the rows below it would be misread.
    pub fn is_header(&mut self, text: &str, line: usize) -> Result<bool, TraceError> {
        let text = without_line_end(text);
        let csv = self.csv.as_mut().filter(|csv| !csv.is_blank(text));
        let Some(Ok(names)) = csv.map(|csv| csv.split(text, 1).map(|record| record.to_vec())) else {
            return Ok(false);
        };
        let mut sorted = [names.clone(), self.header.clone()];
        for names in &mut sorted {
            names.sort_unstable();
        }
        // Columns may be named by numbers, and then a row may look like them.
        let is_a_row = names.iter().all(|name| name.parse::<f64>().is_ok());
        if names != self.header && sorted[0] == sorted[1] && !is_a_row {
            let message = format!("the columns are {}; send them in this order", self.header.join(", "));
            return Err(TraceError { file: self.name.clone(), line: Some(line), column: None, message });
        }
        Ok(names == self.header)
    }

    /// Reads the row on line `line` of the file, counted from 1; `None` for a blank line.
    ///
    /// # Errors
    /// A row with too few or too many fields, with a value that must not stand there, or with a time before that of
    /// the row before it or too long after it. Such a row changes nothing: the next one is read as if it were not there.
    pub fn read(&mut self, text: &str, line: usize) -> Result<Option<Row<'_>>, TraceError> {
        let text = without_line_end(text);
        if self.csv.as_ref().map_or_else(|| text.trim_ascii().is_empty(), |csv| csv.is_blank(text)) {
            return Ok(None);
        }
        let error = |column: Option<usize>, message: String| TraceError {
            file: self.name.clone(),
            line: Some(line),
            column: column.and_then(|column| self.header.get(column).cloned()),
            message,
        };
        let mut decimal = self.decimal;
        let fields = match &mut self.csv {
            None => {
                let columns = self.columns.iter().map(|&(column, _)| column);
                let keys = self.time.map(|time| time.at).into_iter().chain(columns);
                let values =
                    values_of(text.trim_ascii(), keys.map(|key| self.header[key].as_str()).collect());
                Fields::Json(values.map_err(|message| error(None, message))?)
            }
            Some(csv) => {
                let malformed = |fault: Malformed| error(Some(fault.field), fault.message.to_string());
                let record = csv.split(text, line).map_err(malformed)?;
                if record.len() != self.header.len() {
                    let message = wrong_length(record.len(), self.header.len());
                    return Err(error(Some(record.len()), message));
                }
                Fields::Text(record)
            }
        };
        let before = self.last.as_ref().map(|(last, _)| *last);
        let stamp = match self.time {
            Some(time) => {
                fields.stamp(time, before, &mut decimal).map_err(|message| error(Some(time.at), message))?
            }
            None => Stamp::Row(if let Some(Stamp::Row(row)) = before { row + 1 } else { 0 }),
        };
        let at = self.time.map_or(0, |time| time.at);
        if let Some((_, before)) = self.last.as_ref().filter(|(last, _)| stamp < *last) {
            let message = goes_back(before, &fields.time_text(at));
            return Err(error(Some(at), message));
        }
        if let Some((last, before)) = &self.last {
            let gap_s = stamp.since(*last, self.time);
            if gap_s > self.longest_gap_s {
                let message = too_late(before, &fields.time_text(at), [gap_s, self.longest_gap_s]);
                return Err(error(Some(at), message));
            }
        }
        let read_before = usize::from(self.time.is_some());
        self.values.clear();
        for (index, &(column, expect)) in self.columns.iter().enumerate() {
            let value = fields.number(index + read_before, column, expect, &mut decimal);
            let value = value.map_err(|message| error(Some(column), message))?;
            self.values.push(value);
        }
        let first = *self.first.get_or_insert(stamp);
        let (last, text) = self.last.get_or_insert_with(|| (stamp, String::new()));
        *last = stamp;
        text.clear();
        text.push_str(&fields.time_text(at));
        self.decimal = decimal;
        let time_s = stamp.since(first, self.time);
        let clock_s = first.clock_s(self.time) + time_s;
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
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::{Trace, parse_trace, parse_trace_as};
    use crate::spec::{RequestColumns, TimestampUnit};

    const BURSTGPT: &str = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
        5,ChatGPT,472,18,490,Conversation log\n\n45, \"GPT-4\" ,1087,230,1317,API log\n45,ChatGPT,0,0,0,API log\n";
    const SERIES: &str = "date,x,y\n2016-07-01 00:00:00,1.5,-2\n2016-07-01 01:00:00,1e3,0.1\n";

    fn rows(text: &str) -> Vec<Vec<f64>> {
        one_by_one(text, None).unwrap()
    }

    /// The rows of a trace up to its end or its first fault.
    fn one_by_one(text: &str, columns: Option<&ColumnsSpec>) -> Result<Vec<Vec<f64>>, TraceError> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim_ascii().is_empty()).peekable();
        let first = lines.peek().unwrap().1;
        let mut reader = RowReader::new("x.csv", first.as_bytes(), columns).unwrap();
        let header = usize::from(!reader.begins_with_a_row());
        let mut found = Vec::new();
        for (index, line) in lines.skip(header) {
            match reader.read(line, index + 1)? {
                Some(Row::Request { arrival_s, clock_s, request_tokens, response_tokens }) => {
                    found.push(vec![arrival_s, clock_s, request_tokens, response_tokens]);
                }
                Some(Row::Reading { time_s, clock_s, values }) => {
                    found.push([&[time_s, clock_s], values].concat());
                }
                None => {}
            }
        }
        Ok(found)
    }

    /// The same rows of the whole file, read at once.
    fn at_once(text: &str, columns: Option<&ColumnsSpec>) -> Result<Vec<Vec<f64>>, TraceError> {
        let trace = match parse_trace_as("x.csv", text.as_bytes(), columns) {
            Ok(Trace::Requests(trace)) => trace,
            Ok(Trace::Series(_)) => panic!("a table"),
            Err(PrepareError::Trace(error)) => return Err(error),
            Err(error) => panic!("{error}"),
        };
        let row = |row: usize| {
            let arrival_s = trace.arrival_s[row];
            vec![arrival_s, trace.clock_s + arrival_s, trace.request_tokens[row], trace.response_tokens[row]]
        };
        Ok((0..trace.len()).map(row).collect())
    }

    const MOONCAKE: &str = include_str!("../../tests/fixtures/mooncake.jsonl");

    fn chat(timestamp_unit: TimestampUnit) -> ColumnsSpec {
        ColumnsSpec::from(RequestColumns {
            timestamp: "at".to_string(),
            timestamp_unit,
            request_tokens: "in".to_string(),
            response_tokens: "out".to_string(),
            llm: None,
            log_type: None,
        })
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
        assert!(reader.is_header(header, 1).unwrap());
        assert!(!reader.is_header("6,ChatGPT,1,2,3,API log", 1).unwrap());
        let turned = header.split(',').rev().collect::<Vec<_>>().join(",");
        assert!(reader.is_header(&turned, 1).unwrap_err().message.ends_with("send them in this order"));
    }

    #[test]
    fn json_lines_read_one_by_one_are_those_of_the_whole_file() {
        for text in [MOONCAKE.to_string(), format!("\n{}", MOONCAKE.replace('\n', "\r\n\r\n"))] {
            let found = one_by_one(&text, None).unwrap();
            assert_eq!((found.len(), &found), (3, &at_once(&text, None).unwrap()));
        }
        let dated = "{\"at\": \"2024-05-12T00:00:00Z\", \"in\": 1, \"out\": 2}\n\
                     {\"out\": 3, \"note\": \"{\", \"in\": 4, \"at\": \"2024-05-12 00:00:01.5\"}\n";
        let columns = chat(TimestampUnit::DateTime);
        assert_eq!(one_by_one(dated, Some(&columns)).unwrap(), at_once(dated, Some(&columns)).unwrap());
    }

    #[test]
    fn a_first_line_of_json_that_is_no_object_of_a_known_layout_is_refused_as_in_a_whole_file() {
        for text in
            ["{\"timestamp\": 1", "{}", "{\"timestamp\": 1, \"input_length\": 2}", "{\"a\": \"\u{e9}\"} x"]
        {
            let found = RowReader::new("x.csv", text.as_bytes(), None).unwrap_err();
            assert_eq!(found.to_string(), parse_trace("x.csv", text.as_bytes()).unwrap_err().to_string());
        }
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            40 => (0..100_000_u32).prop_map(|number| number.to_string()),
            1 => prop::sample::select(vec![
                "null", "-1", "1.5", "1e3", "1e17", "\"7\"", "[1, {\"in\": 2}]", "true", "", "0x1", "1e400",
                "\"2024-05-12 10:00:00\"", "\"2024-05-12\"", "9007199254740993",
            ]).prop_map(String::from),
        ]
    }

    /// A line whose time is `AT`, and a time.
    fn object() -> impl Strategy<Value = (String, String)> {
        let parts = (value(), value(), value(), prop::sample::select(vec![0, 0, 0, 0, 1, 2, 3, 4, 5]));
        parts.prop_map(|(at, request, response, form)| {
            let line = match form {
                1 => format!("{{\"out\":{response}, \"\\u0061t\": AT, \"more\": [{{}}], \"in\" :{request}}}"),
                2 => format!("  {{\"at\": AT, \"in\": {request}, \"out\": {response}, \"in\": 5}}"),
                3 => format!("{{\"at\": AT, \"in\": {request}}}"),
                4 => format!("{{\"at\": AT, \"in\": {request}, \"out\": {response}}} {{}}"),
                5 => String::new(),
                _ => format!("{{\"at\": AT, \"in\": {request}, \"out\": {response}}}\r"),
            };
            (line, at)
        })
    }

    proptest! {
        #[test]
        fn rows_of_json_are_read_one_by_one_as_at_once(
            rows in prop::collection::vec(object(), 0..8), sorted in any::<bool>(), dated in any::<bool>(),
        ) {
            let unit = if dated { TimestampUnit::DateTime } else { TimestampUnit::Milliseconds };
            let time = |row: usize| if dated { format!("\"2020-01-01 10:00:{row:02}\"") } else { format!("{row}e2") };
            let mut text = format!("{{\"at\": {}, \"in\": 1, \"out\": 2}}\n", time(0));
            for (row, (line, at)) in rows.into_iter().enumerate() {
                text.push_str(&line.replace("AT", &if sorted { time(row / 2) } else { at }));
                text.push('\n');
            }
            let columns = chat(unit);
            match (one_by_one(&text, Some(&columns)), at_once(&text, Some(&columns))) {
                // A whole file is searched for bad values first, and then for times that go back.
                (Err(early), Err(late)) if early.message.contains("goes back") && early != late => {
                    prop_assert!(early.line <= late.line && !late.message.contains("goes back"));
                }
                (found, whole) => prop_assert_eq!(found, whole),
            }
        }
    }
}
