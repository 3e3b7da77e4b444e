//! Reads a trace file: the layout is recognised by its header, polars reads the values, and none is guessed.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, mpsc};

use polars::prelude::{
    CsvReadOptions, DataFrame, DataType, Field, PlSmallStr, PolarsResult, Schema, SerReader, Series,
};

use super::clock::parse_nanoseconds;
use super::locate::{Block, Expect, TraceFile, shortened};
use super::trace::{Labels, RequestTrace, SeriesTrace, Trace, TraceError};

const BURSTGPT: [&str; 5] = ["Timestamp", "Model", "Request tokens", "Response tokens", "Log Type"];
const AZURE: [&str; 3] = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"];
/// Blocks that are counted before they are read.
const BLOCKS_AHEAD: usize = 2;
const DATE_NAMES: [&str; 4] = ["date", "datetime", "time", "timestamp"];

/// The layouts that are understood, with the positions of the columns they need.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Layout {
    /// `Timestamp,[Session ID,Elapsed time,]Model,Request tokens,Response tokens,Total tokens,Log Type`.
    BurstGpt([usize; 5]),
    /// `TIMESTAMP,ContextTokens,GeneratedTokens`.
    Azure([usize; 3]),
    /// A date column and numeric columns.
    Series { date: usize, columns: Vec<usize> },
}

/// Reads a trace from a file.
///
/// # Errors
/// An unreadable or empty file, an unknown header, or a row that is malformed: with file, line and column.
pub fn read_trace(path: &Path) -> Result<Trace, TraceError> {
    let file = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| TraceError {
        file: file.clone(),
        line: None,
        column: None,
        message: format!("cannot be read: {error}"),
    })?;
    parse_trace(&file, &bytes)
}

/// Reads a trace from bytes; `name` is only named in errors.
///
/// Values are taken as they stand: surplus columns are passed over, and so are blank lines and spaces around a field.
///
/// # Errors
/// As [`read_trace`].
pub fn parse_trace(name: &str, bytes: &[u8]) -> Result<Trace, TraceError> {
    let file = TraceFile::new(name, bytes)?;
    let layout = recognise(&file.header).map_err(|message| file.at_header(&message))?;
    match layout {
        Layout::BurstGpt(columns) => burstgpt(&file, columns).map(Trace::Requests),
        Layout::Azure(columns) => azure(&file, columns).map(Trace::Requests),
        Layout::Series { date, columns } => series(&file, date, &columns).map(Trace::Series),
    }
}

fn recognise(header: &[String]) -> Result<Layout, String> {
    if let Some(columns) = positions(header, "BurstGPT", BURSTGPT)? {
        return Ok(Layout::BurstGpt(columns));
    }
    if let Some(columns) = positions(header, "Azure", AZURE)? {
        return Ok(Layout::Azure(columns));
    }
    let is_date = |name: &String| DATE_NAMES.iter().any(|date| name.eq_ignore_ascii_case(date));
    match header.iter().position(is_date) {
        Some(date) if header.len() > 1 => {
            if let Some(at) = (0..header.len()).find(|&at| header[at].is_empty()) {
                return Err(format!("column {} has no name", at + 1));
            }
            if let Some(at) = (1..header.len()).find(|&at| header[..at].contains(&header[at])) {
                return Err(format!("the column `{}` is there twice", header[at]));
            }
            if header.iter().any(|name| name == "all") {
                return Err(
                    "the column `all` must have another name: `all` stands for the mean over all columns"
                        .into(),
                );
            }
            let columns = (0..header.len()).filter(|&column| column != date).collect();
            Ok(Layout::Series { date, columns })
        }
        _ => Err(format!(
            "the header `{}` is not one that is known; known are BurstGPT (Timestamp,Model,Request tokens,Response \
             tokens,Total tokens,Log Type), Azure (TIMESTAMP,ContextTokens,GeneratedTokens) and numeric tables with \
             a column `date`",
            shortened(&header.join(","))
        )),
    }
}

/// Where the columns of a layout stand; `None` where hardly any of them is there.
fn positions<const N: usize>(
    header: &[String],
    layout: &str,
    wanted: [&str; N],
) -> Result<Option<[usize; N]>, String> {
    let mut positions = [0; N];
    let mut missing = Vec::new();
    for (position, name) in positions.iter_mut().zip(wanted) {
        let mut found = (0..header.len()).filter(|&at| header[at] == name);
        match (found.next(), found.next()) {
            (Some(at), None) => *position = at,
            (Some(_), Some(_)) => return Err(format!("the column `{name}` is there twice")),
            (None, _) => missing.push(format!("`{name}`")),
        }
    }
    match missing.len() {
        0 => Ok(Some(positions)),
        few if few + 2 <= N => {
            Err(format!("the header looks like that of {layout}, but lacks {}", missing.join(", ")))
        }
        _ => Ok(None),
    }
}

fn burstgpt(file: &TraceFile<'_>, columns: [usize; 5]) -> Result<RequestTrace, TraceError> {
    let [timestamp, model, request, response, log_type] = columns;
    let mut table = Table::read(
        file,
        &[
            (timestamp, Expect::Seconds),
            (model, Expect::Name),
            (request, Expect::Count),
            (response, Expect::Count),
            (log_type, Expect::Name),
        ],
    )?;
    let mut arrival_s = table.numbers(0);
    let clock_s = from_first(&mut arrival_s);
    require_order(&arrival_s, timestamp, file)?;
    Ok(RequestTrace {
        arrival_s,
        request_tokens: table.numbers(2),
        response_tokens: table.numbers(3),
        llm: table.labels(1),
        log_type: table.labels(4),
        clock_s,
    })
}

fn azure(file: &TraceFile<'_>, columns: [usize; 3]) -> Result<RequestTrace, TraceError> {
    let [timestamp, request, response] = columns;
    let mut table = Table::read(
        file,
        &[(timestamp, Expect::DateTime), (request, Expect::Count), (response, Expect::Count)],
    )?;
    let (arrival_s, clock_s) = table.date_times(0);
    require_order(&arrival_s, timestamp, file)?;
    Ok(RequestTrace {
        arrival_s,
        request_tokens: table.numbers(1),
        response_tokens: table.numbers(2),
        llm: Labels::default(),
        log_type: Labels::default(),
        clock_s,
    })
}

fn series(file: &TraceFile<'_>, date: usize, columns: &[usize]) -> Result<SeriesTrace, TraceError> {
    let mut wanted = vec![(date, Expect::DateTime)];
    wanted.extend(columns.iter().map(|&column| (column, Expect::Number)));
    let mut table = Table::read(file, &wanted)?;
    let (time_s, _) = table.date_times(0);
    require_order(&time_s, date, file)?;
    Ok(SeriesTrace {
        time_s,
        names: columns.iter().map(|&column| file.header[column].clone()).collect(),
        columns: (1..=columns.len()).map(|index| table.numbers(index)).collect(),
    })
}

/// Turns clock times into seconds since the first one, which is returned.
fn from_first(stamps_s: &mut [f64]) -> f64 {
    let first_s = stamps_s.first().copied().unwrap_or(0.0);
    for stamp_s in stamps_s.iter_mut() {
        *stamp_s -= first_s;
    }
    first_s
}

fn require_order(times_s: &[f64], column: usize, file: &TraceFile<'_>) -> Result<(), TraceError> {
    match times_s.windows(2).position(|pair| pair[1] < pair[0]) {
        Some(row) => Err(file.backwards(row + 1, column)),
        None => Ok(()),
    }
}

/// The wanted columns of a trace file, as polars read them.
///
/// Polars takes some rows that are no rows and does not always say where it stumbled. So it is only given rows whose
/// fields were counted, every value is checked, and a bad one is looked up in the file.
struct Table(Vec<Column>);

/// The values of one column.
enum Column {
    Numbers(Expect, Vec<f64>),
    Names(Labels),
    /// Nanoseconds of the clock.
    DateTimes(Vec<i64>),
}

impl Table {
    /// One thread counts fields while another has polars read what was counted.
    fn read(file: &TraceFile<'_>, wanted: &[(usize, Expect)]) -> Result<Self, TraceError> {
        let mut columns: Vec<Column> = wanted.iter().map(|(_, expect)| Column::new(*expect)).collect();
        let (sender, blocks) = mpsc::sync_channel(BLOCKS_AHEAD);
        std::thread::scope(|scope| {
            let walk = scope.spawn(move || {
                file.walk(|block| match sender.send(block) {
                    Ok(()) => ControlFlow::Continue(()),
                    // The reader stumbled: its error comes earlier in the file.
                    Err(_) => ControlFlow::Break(()),
                })
            });
            for block in blocks {
                if let Some(column) = columns.first()
                    && column.is_empty()
                {
                    // Growing step by step would copy each column several times.
                    let rows = file.rows_at_most(&block);
                    for column in &mut columns {
                        column.reserve(rows);
                    }
                }
                append(file, wanted, &mut columns, &block)?;
            }
            walk.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        Ok(Self(columns))
    }

    /// The values of a column of numbers; none for any other.
    fn numbers(&mut self, index: usize) -> Vec<f64> {
        match &mut self.0[index] {
            Column::Numbers(_, values) => std::mem::take(values),
            Column::Names(_) | Column::DateTimes(_) => Vec::new(),
        }
    }

    /// The values of a column of names; none for any other.
    fn labels(&mut self, index: usize) -> Labels {
        match &mut self.0[index] {
            Column::Names(labels) => std::mem::take(labels),
            Column::Numbers(..) | Column::DateTimes(_) => Labels::default(),
        }
    }

    /// A column of dates: seconds since the first row, and the first row's clock time in seconds.
    fn date_times(&self, index: usize) -> (Vec<f64>, f64) {
        let Column::DateTimes(stamps) = &self.0[index] else { return (Vec::new(), 0.0) };
        let first = stamps.first().copied().unwrap_or(0);
        let times_s = stamps.iter().map(|stamp| (stamp - first) as f64 / 1e9).collect();
        (times_s, first as f64 / 1e9)
    }
}

/// Has polars read a block and adds its values to the columns.
fn append(
    file: &TraceFile<'_>,
    wanted: &[(usize, Expect)],
    columns: &mut [Column],
    block: &Block<'_>,
) -> Result<(), TraceError> {
    let frame = read_frame(block.text.as_bytes(), file.header.len(), wanted)
        .map_err(|error| file.first_bad(wanted, &format!("cannot be read: {error}")))?;
    if frame.height() != block.rows {
        let message = format!("{} rows were read as {}", block.rows, frame.height());
        return Err(file.first_bad(wanted, &message));
    }
    for (column, (at, _)) in columns.iter_mut().zip(wanted) {
        let sound = frame
            .column(&at.to_string())
            .and_then(|values| column.append(values.as_materialized_series()))
            .map_err(|error| file.whole(&format!("cannot be read: {error}")))?;
        if !sound {
            return Err(file.first_bad(wanted, "a value cannot be read"));
        }
    }
    Ok(())
}

impl Column {
    fn new(expect: Expect) -> Self {
        match expect {
            Expect::Name => Column::Names(Labels::default()),
            Expect::DateTime => Column::DateTimes(Vec::new()),
            Expect::Number | Expect::Seconds | Expect::Count => Column::Numbers(expect, Vec::new()),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Column::Numbers(_, values) => values.is_empty(),
            Column::Names(labels) => labels.is_empty(),
            Column::DateTimes(stamps) => stamps.is_empty(),
        }
    }

    fn reserve(&mut self, rows: usize) {
        match self {
            Column::Numbers(_, values) => values.reserve(rows),
            Column::Names(labels) => labels.reserve(rows),
            Column::DateTimes(stamps) => stamps.reserve(rows),
        }
    }

    /// Takes up the values of a block; false if one of them must not stand here.
    fn append(&mut self, block: &Series) -> PolarsResult<bool> {
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
            Column::DateTimes(stamps) => {
                for text in block.str()?.iter() {
                    let Some(stamp) = text.and_then(parse_nanoseconds) else { return Ok(false) };
                    stamps.push(stamp);
                }
            }
        }
        Ok(true)
    }
}

/// Columns are named by their positions, since a header may repeat a name that nobody wants.
fn read_frame(rows: &[u8], columns: usize, wanted: &[(usize, Expect)]) -> PolarsResult<DataFrame> {
    let name = |column: usize| PlSmallStr::from_string(column.to_string());
    let schema = (0..columns).map(|column| {
        let expect = wanted.iter().find(|(at, _)| *at == column).map(|(_, expect)| expect);
        let dtype = match expect {
            Some(Expect::Number | Expect::Seconds | Expect::Count) => DataType::Float64,
            Some(Expect::Name | Expect::DateTime) | None => DataType::String,
        };
        Field::new(name(column), dtype)
    });
    CsvReadOptions::default()
        .with_has_header(false)
        .with_schema(Some(Arc::new(schema.collect::<Schema>())))
        .with_columns(Some(wanted.iter().map(|&(column, _)| name(column)).collect()))
        .into_reader_with_file_handle(Cursor::new(rows))
        .finish()
}
