//! Reads a trace file: polars reads the values of CSV, each is checked, and none is guessed.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, mpsc};

use polars::prelude::{
    CsvReadOptions, DataFrame, DataType, Field, PlSmallStr, PolarsResult, Schema, SerReader, Series,
};

use super::clock::parse_nanoseconds;
use super::layout::{mapped, recognised};
use super::locate::{Block, Expect, TraceFile};
use super::prepare_error::PrepareError;
use super::rows::Rows;
use super::trace::{Labels, Trace, TraceError};
use super::unpack::unpack;
use crate::experiment::ColumnsSpec;

/// Blocks that are counted before they are read.
const BLOCKS_AHEAD: usize = 2;
/// Reads a trace from a file.
///
/// # Errors
/// An unreadable or empty file, an unknown layout, or a row that is malformed: with file, line and column.
pub fn read_trace(path: &Path) -> Result<Trace, TraceError> {
    let (file, bytes) = read_bytes(path)?;
    parse_trace(&file, &bytes)
}

/// Reads a trace from a file whose columns are named, if they are.
///
/// # Errors
/// As [`read_trace`], and a column that is not there, with the key of `[dataset]` that names it.
pub fn read_trace_as(path: &Path, columns: Option<&ColumnsSpec>) -> Result<Trace, PrepareError> {
    let (file, bytes) = read_bytes(path).map_err(PrepareError::Trace)?;
    parse_trace_as(&file, &bytes, columns)
}

/// The content of a file, and its name for messages.
pub(super) fn read_bytes(path: &Path) -> Result<(String, Vec<u8>), TraceError> {
    let file = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => Ok((file, bytes)),
        Err(error) => {
            Err(TraceError { file, line: None, column: None, message: format!("cannot be read: {error}") })
        }
    }
}

/// Reads a trace from bytes; `name` is only named in errors.
///
/// Formats (CSV, JSONL, Parquet; gzip and zstd around them) are told by the first bytes, layouts by the names of the
/// columns. Values are taken as they stand: surplus columns are passed over, and so are blank lines and spaces around a
/// field.
///
/// # Errors
/// As [`read_trace`].
pub fn parse_trace(name: &str, bytes: &[u8]) -> Result<Trace, TraceError> {
    let bytes = unpack(name, bytes)?;
    let rows = Rows::of(name, &bytes)?;
    recognised(rows)
}

/// Reads a trace from bytes whose columns are named, if they are.
///
/// # Errors
/// As [`read_trace_as`].
pub fn parse_trace_as(
    name: &str,
    bytes: &[u8],
    columns: Option<&ColumnsSpec>,
) -> Result<Trace, PrepareError> {
    let Some(columns) = columns else {
        return parse_trace(name, bytes).map_err(PrepareError::Trace);
    };
    let bytes = unpack(name, bytes).map_err(PrepareError::Trace)?;
    let rows = Rows::of(name, &bytes).map_err(PrepareError::Trace)?;
    let layout = mapped(rows.names(), columns).map_err(PrepareError::Slice)?;
    layout.read(&rows).map_err(PrepareError::Trace)
}

/// The wanted columns of a trace file, as polars read them.
///
/// Polars takes some rows that are no rows and does not always say where it stumbled. So it is only given rows whose
/// fields were counted, every value is checked, and a bad one is looked up in the file.
pub struct Table(Vec<Column>);

/// The values of one column.
pub enum Column {
    /// Numbers that are what they must be.
    Numbers(Expect, Vec<f64>),
    /// Names of which few are distinct.
    Names(Labels),
    /// Nanoseconds of the clock.
    DateTimes(Vec<i64>),
}

impl Table {
    /// A table of columns of one length.
    pub fn of(columns: Vec<Column>) -> Self {
        Self(columns)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.0.first().is_none_or(Column::is_empty)
    }

    /// Reads the rows of a CSV file: one thread counts fields while another has polars read what was counted.
    ///
    /// # Errors
    /// The first row or value that is malformed.
    pub fn read(file: &TraceFile<'_>, wanted: &[(usize, Expect)]) -> Result<Self, TraceError> {
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
    pub fn numbers(&mut self, index: usize) -> Vec<f64> {
        match &mut self.0[index] {
            Column::Numbers(_, values) => std::mem::take(values),
            Column::Names(_) | Column::DateTimes(_) => Vec::new(),
        }
    }

    /// The values of a column of names; none for any other.
    pub fn labels(&mut self, index: usize) -> Labels {
        match &mut self.0[index] {
            Column::Names(labels) => std::mem::take(labels),
            Column::Numbers(..) | Column::DateTimes(_) => Labels::default(),
        }
    }

    /// A column of dates: seconds since the first row, and the first row's clock time in seconds.
    pub fn date_times(&self, index: usize) -> (Vec<f64>, f64) {
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
    /// A column without rows.
    pub fn new(expect: Expect) -> Self {
        match expect {
            Expect::Name => Column::Names(Labels::default()),
            Expect::DateTime => Column::DateTimes(Vec::new()),
            Expect::Number | Expect::Stamp(_) | Expect::Count => Column::Numbers(expect, Vec::new()),
        }
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Column::Numbers(_, values) => values.len(),
            Column::Names(labels) => labels.len(),
            Column::DateTimes(stamps) => stamps.len(),
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
            Column::DateTimes(stamps) => match parse_nanoseconds(text) {
                Some(stamp) => {
                    stamps.push(stamp);
                    true
                }
                None => false,
            },
            Column::Names(_) | Column::Numbers(..) => false,
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
            Some(Expect::Number | Expect::Stamp(_) | Expect::Count) => DataType::Float64,
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
