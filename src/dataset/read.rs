//! Reads a trace file with polars: the layout is recognised by its header.

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use polars::prelude::{
    Column, CsvReadOptions, DataFrame, DataType, Field, NullValues, PlSmallStr, Schema, SerReader,
};

use super::clock::parse_nanoseconds;
use super::locate::{Expect, Locator};
use super::trace::{RequestTrace, SeriesTrace, Trace, TraceError};

/// The layouts that are understood, by the columns they need.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Layout {
    /// `Timestamp,[Session ID,Elapsed time,]Model,Request tokens,Response tokens,Total tokens,Log Type`.
    BurstGpt,
    /// `TIMESTAMP,ContextTokens,GeneratedTokens`.
    Azure,
    /// A date column and numeric columns.
    Series { date: String, columns: Vec<String> },
}

const DATE_NAMES: [&str; 4] = ["date", "datetime", "time", "timestamp"];

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
    parse_trace(&file, bytes)
}

/// Reads a trace from bytes; `file` is only named in errors.
///
/// # Errors
/// As [`read_trace`].
pub fn parse_trace(file: &str, bytes: Vec<u8>) -> Result<Trace, TraceError> {
    let locator = Locator::new(file, &bytes)?;
    let header = locator.header()?;
    let layout = recognise(&header).ok_or_else(|| unknown_header(file, &header))?;
    locator.require_rows()?;
    match layout {
        Layout::BurstGpt => burstgpt(&header, &bytes, &locator).map(Trace::Requests),
        Layout::Azure => azure(&bytes, &locator).map(Trace::Requests),
        Layout::Series { date, columns } => series(&date, columns, &bytes, &locator).map(Trace::Series),
    }
}

fn recognise(header: &[String]) -> Option<Layout> {
    let has = |name: &str| header.iter().any(|column| column == name);
    if [
        "Timestamp",
        "Model",
        "Request tokens",
        "Response tokens",
        "Log Type",
    ]
    .iter()
    .all(|name| has(name))
    {
        return Some(Layout::BurstGpt);
    }
    if ["TIMESTAMP", "ContextTokens", "GeneratedTokens"]
        .iter()
        .all(|name| has(name))
    {
        return Some(Layout::Azure);
    }
    let date = header.first()?;
    let is_date = DATE_NAMES.iter().any(|name| date.eq_ignore_ascii_case(name));
    (is_date && header.len() > 1).then(|| Layout::Series {
        date: date.clone(),
        columns: header[1..].to_vec(),
    })
}

fn unknown_header(file: &str, header: &[String]) -> TraceError {
    TraceError {
        file: file.to_string(),
        line: Some(1),
        column: None,
        message: format!(
            "the header `{}` is not one that is known; known are BurstGPT (Timestamp,Model,Request tokens,Response \
             tokens,Total tokens,Log Type), Azure (TIMESTAMP,ContextTokens,GeneratedTokens) and numeric tables whose \
             first column is `date`",
            header.join(",")
        ),
    }
}

fn burstgpt(header: &[String], bytes: &[u8], locator: &Locator<'_>) -> Result<RequestTrace, TraceError> {
    let mut wanted = vec![
        ("Timestamp", DataType::Float64, Expect::Number),
        ("Model", DataType::String, Expect::Text),
        ("Request tokens", DataType::Float64, Expect::Count),
        ("Response tokens", DataType::Float64, Expect::Count),
        ("Log Type", DataType::String, Expect::Text),
    ];
    if header.iter().any(|name| name == "Total tokens") {
        wanted.push(("Total tokens", DataType::Float64, Expect::Count));
    }
    let frame = frame(bytes, &wanted, locator)?;
    let stamps = floats(&frame, "Timestamp", locator)?;
    let first_s = stamps.first().copied().unwrap_or(0.0);
    if first_s < 0.0 {
        return Err(locator.at_row(0, "Timestamp", &format!("the timestamp {first_s} is negative")));
    }
    require_order(&stamps, "Timestamp", locator)?;
    Ok(RequestTrace {
        arrival_s: stamps.iter().map(|stamp| stamp - first_s).collect(),
        request_tokens: counts(&frame, "Request tokens", locator)?,
        response_tokens: counts(&frame, "Response tokens", locator)?,
        llm: texts(&frame, "Model", locator)?,
        log_type: texts(&frame, "Log Type", locator)?,
        clock_s: first_s,
    })
}

fn azure(bytes: &[u8], locator: &Locator<'_>) -> Result<RequestTrace, TraceError> {
    let wanted = [
        ("TIMESTAMP", DataType::String, Expect::DateTime),
        ("ContextTokens", DataType::Float64, Expect::Count),
        ("GeneratedTokens", DataType::Float64, Expect::Count),
    ];
    let frame = frame(bytes, &wanted, locator)?;
    let (time_s, clock_s) = date_times(&frame, "TIMESTAMP", locator)?;
    Ok(RequestTrace {
        arrival_s: time_s,
        request_tokens: counts(&frame, "ContextTokens", locator)?,
        response_tokens: counts(&frame, "GeneratedTokens", locator)?,
        llm: Vec::new(),
        log_type: Vec::new(),
        clock_s,
    })
}

fn series(
    date: &str,
    names: Vec<String>,
    bytes: &[u8],
    locator: &Locator<'_>,
) -> Result<SeriesTrace, TraceError> {
    let mut wanted = vec![(date, DataType::String, Expect::DateTime)];
    wanted.extend(
        names
            .iter()
            .map(|name| (name.as_str(), DataType::Float64, Expect::Number)),
    );
    let frame = frame(bytes, &wanted, locator)?;
    let (time_s, _) = date_times(&frame, date, locator)?;
    let columns = names
        .iter()
        .map(|name| floats(&frame, name, locator))
        .collect::<Result<_, _>>()?;
    Ok(SeriesTrace {
        time_s,
        names,
        columns,
    })
}

/// Reads the wanted columns with their types. Polars says that a file is malformed but not always where, so a failure
/// is looked up again, line by line.
fn frame(
    bytes: &[u8],
    wanted: &[(&str, DataType, Expect)],
    locator: &Locator<'_>,
) -> Result<DataFrame, TraceError> {
    let schema = Schema::from_iter(
        wanted
            .iter()
            .map(|(name, dtype, _)| Field::new(PlSmallStr::from_str(name), dtype.clone())),
    );
    let columns: Arc<[PlSmallStr]> = wanted
        .iter()
        .map(|(name, _, _)| PlSmallStr::from_str(name))
        .collect();
    let read = CsvReadOptions::default()
        .with_schema_overwrite(Some(Arc::new(schema)))
        .with_columns(Some(columns))
        .with_infer_schema_length(Some(0))
        .map_parse_options(|options| options.with_null_values(None::<NullValues>))
        .into_reader_with_file_handle(Cursor::new(bytes))
        .finish();
    let expectations: Vec<(&str, Expect)> = wanted.iter().map(|(name, _, expect)| (*name, *expect)).collect();
    let mut frame = read.map_err(|error| locator.first_bad(&expectations, &error.to_string()))?;
    for (name, _, expect) in wanted {
        let nulls = frame.column(name).map_or(1, Column::null_count);
        if nulls > 0 && *expect != Expect::Text {
            return Err(locator.first_bad(&expectations, "a value is missing"));
        }
    }
    frame.rechunk_mut();
    Ok(frame)
}

fn floats(frame: &DataFrame, name: &str, locator: &Locator<'_>) -> Result<Vec<f64>, TraceError> {
    let column = frame
        .column(name)
        .and_then(|column| column.as_materialized_series().f64().cloned());
    let values: Vec<f64> = column
        .map_err(|error| locator.whole(&format!("column \"{name}\" cannot be read: {error}")))?
        .into_no_null_iter()
        .collect();
    match values.iter().position(|value| !value.is_finite()) {
        Some(row) => Err(locator.at_row(row, name, &format!("`{}` is not a finite number", values[row]))),
        None => Ok(values),
    }
}

fn counts(frame: &DataFrame, name: &str, locator: &Locator<'_>) -> Result<Vec<f64>, TraceError> {
    let values = floats(frame, name, locator)?;
    match values
        .iter()
        .position(|&value| value < 0.0 || value.fract() != 0.0)
    {
        Some(row) => Err(locator.at_row(row, name, &format!("`{}` is not a number of tokens", values[row]))),
        None => Ok(values),
    }
}

fn texts(frame: &DataFrame, name: &str, locator: &Locator<'_>) -> Result<Vec<String>, TraceError> {
    let column = frame
        .column(name)
        .and_then(|column| column.as_materialized_series().str().cloned());
    let column =
        column.map_err(|error| locator.whole(&format!("column \"{name}\" cannot be read: {error}")))?;
    Ok(column
        .iter()
        .map(|text| text.unwrap_or_default().to_string())
        .collect())
}

/// Seconds since the first row, and the first row's clock time in seconds.
fn date_times(frame: &DataFrame, name: &str, locator: &Locator<'_>) -> Result<(Vec<f64>, f64), TraceError> {
    let stamps = texts(frame, name, locator)?
        .iter()
        .enumerate()
        .map(|(row, text)| {
            parse_nanoseconds(text)
                .ok_or_else(|| locator.at_row(row, name, &Expect::DateTime.complaint(text)))
        })
        .collect::<Result<Vec<i64>, _>>()?;
    let first = stamps.first().copied().unwrap_or(0);
    let time_s: Vec<f64> = stamps.iter().map(|stamp| (stamp - first) as f64 / 1e9).collect();
    require_order(&time_s, name, locator)?;
    Ok((time_s, first as f64 / 1e9))
}

fn require_order(stamps: &[f64], name: &str, locator: &Locator<'_>) -> Result<(), TraceError> {
    match stamps.windows(2).position(|pair| pair[1] < pair[0]) {
        Some(row) => Err(locator.at_row(
            row + 1,
            name,
            &format!(
                "the timestamp goes back in time by {} s; sort the file by it first",
                stamps[row] - stamps[row + 1]
            ),
        )),
        None => Ok(()),
    }
}
