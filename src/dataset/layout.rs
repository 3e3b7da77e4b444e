//! The layouts of traces, recognised by the names of the columns or given by the experiment file.

use serde_json::Value;

use super::clock::parse_nanoseconds;
use super::columns::TraceTable;
use super::dynamo;
use super::locate::{Expect, shortened};
use super::prepare_error::PrepareError;
use super::rows::Rows;
use super::slice_error::SliceError;
use super::time_column::TimeColumn;
use super::trace::{Labels, RequestTrace, SeriesTrace, Trace, TraceError};
use super::zone::Zone;
use crate::spec::{ColumnsSpec, RequestColumns, SeriesColumns, TimestampUnit};
use crate::text::nearest;

const BURSTGPT: [&str; 5] = ["Timestamp", "Request tokens", "Response tokens", "Model", "Log Type"];
const AZURE: [&str; 3] = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"];
const MOONCAKE: [&str; 3] = ["timestamp", "input_length", "output_length"];
/// The processed traces of vidur: <https://github.com/microsoft/vidur/tree/main/data/processed_traces>.
const VIDUR: [&str; 3] = ["arrived_at", "num_prefill_tokens", "num_decode_tokens"];
/// The samples of vLLM's semantic router:
/// <https://github.com/vllm-project/semantic-router/tree/main/src/fleet-sim/examples/trace_samples>.
const SEMANTIC_ROUTER: [&str; 3] = ["timestamp", "prompt_tokens", "generated_tokens"];
/// Where its samples say the LLM that was chosen, in the order in which its own reader looks
/// (`src/fleet-sim/fleet_sim/api/trace_ingest.py`).
const SELECTED_MODEL: [&str; 5] =
    ["selected_model", "x_vsr_selected_model", "model", "routed_to", "model_id"];
/// `ServeGen` publishes its client traces without these names.
const SERVEGEN: [&str; 6] = ["start_s", "rate_rps", "cv", "family", "a", "b"];
const DATE_NAMES: [&str; 4] = ["date", "datetime", "time", "timestamp"];

/// A layout, with the positions of the columns it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// One row is one request.
    Requests {
        /// Arrival.
        timestamp: TimeColumn,
        /// Prompt tokens.
        request_tokens: usize,
        /// Generated tokens.
        response_tokens: usize,
        /// The LLM, where the file says it.
        llm: Option<usize>,
        /// The kind of request, where the file says it.
        log_type: Option<usize>,
    },
    /// One row is one reading of several quantities.
    Series {
        /// The time of the row; `None` where the rows are counted.
        time: Option<TimeColumn>,
        /// The quantities.
        columns: Vec<usize>,
    },
}

/// Reads a file whose layout its columns or `[dataset.columns]` give.
///
/// # Errors
/// A layout that is not known, a column that is not there, and whatever is wrong with a row.
pub fn read_rows(rows: Rows<'_>, columns: Option<&ColumnsSpec>) -> Result<Trace, PrepareError> {
    let is_given = columns.is_some_and(|columns| columns.requests.is_some() || columns.series.is_some());
    let rows = match rows {
        Rows::Csv(file) if !is_given && is_headless_servegen(&file.header) => {
            Rows::Csv(file.with_header(&SERVEGEN))
        }
        rows => rows,
    };
    if let Rows::JsonLines(file) = &rows
        && !is_given
        && file.lines().next().is_some_and(|(_, first)| dynamo::is_record(first))
    {
        return dynamo::read(file).map(Trace::Requests).map_err(PrepareError::Trace);
    }
    let is_json = matches!(rows, Rows::JsonLines(_));
    let layout = layout_of(rows.names(), is_json, columns, |message| rows.at_names(message))?;
    let is_given = columns.is_some_and(|columns| columns.requests.is_some());
    let layout = match &rows {
        Rows::JsonLines(file) if !is_given => layout.for_first(|time| file.first_value(time)),
        _ => layout,
    };
    layout.read(&rows).map_err(PrepareError::Trace)
}

/// The layout of a file with columns of these names, which `[dataset.columns]` may say more about. `at_names` makes an error of
/// a fault in the names.
///
/// # Errors
/// A layout that is not known, a column that is not there, and a time zone that is not known.
pub fn layout_of(
    names: &[String],
    is_json: bool,
    columns: Option<&ColumnsSpec>,
    at_names: impl Fn(&str) -> TraceError,
) -> Result<Layout, PrepareError> {
    let at_names = |message: String| PrepareError::Trace(at_names(&message));
    let time_zone = columns.and_then(|columns| columns.time_zone.as_deref());
    let zone = Zone::named(time_zone).map_err(PrepareError::Slice)?;
    let series = columns.and_then(|columns| columns.series.as_ref());
    let mut layout = match (columns.and_then(|columns| columns.requests.as_ref()), series) {
        (Some(requests), _) => mapped(names, requests).map_err(PrepareError::Slice)?,
        (None, Some(SeriesColumns { timestamp_unit: Some(TimestampUnit::Absent), timestamp })) => {
            if let Some(timestamp) = timestamp {
                return Err(PrepareError::Slice(SliceError {
                    key: vec!["columns", "timestamp"],
                    message: format!(
                        "`{}` is named as the time of rows that have none",
                        shortened(timestamp)
                    ),
                    help: "remove this key, or say in timestamp_unit what the column holds".to_string(),
                }));
            }
            Layout::Series { time: None, columns: quantities(names, None).map_err(at_names)? }
        }
        (None, Some(SeriesColumns { timestamp: Some(timestamp), .. })) => {
            let at = position_of(names, "timestamp", timestamp).map_err(PrepareError::Slice)?;
            let columns = quantities(names, Some(at)).map_err(at_names)?;
            Layout::Series { time: Some(TimeColumn::new(at, TimestampUnit::DateTime)), columns }
        }
        (None, _) => recognise(names, is_json).map_err(at_names)?,
    };
    let unit = series.and_then(|series| series.timestamp_unit);
    match &mut layout {
        Layout::Requests { timestamp, .. } => {
            timestamp.zone = zone;
            timestamp.unit = unit.unwrap_or(timestamp.unit);
        }
        Layout::Series { time: Some(time), .. } => {
            time.zone = zone;
            if let Some(unit) = unit {
                (time.unit, time.is_epoch) = (unit, unit != TimestampUnit::DateTime);
            }
        }
        Layout::Series { time: None, .. } => {}
    }
    Ok(layout)
}

/// Whether a first record is the first row of a client trace: `0,1.33,8.6,Weibull,0.375,0.397` or `0,0,0,,0,0`.
fn is_headless_servegen(header: &[String]) -> bool {
    let is_number = |at: usize| header[at].parse::<f64>().is_ok();
    header.len() == SERVEGEN.len() && [0, 1, 2, 4, 5].into_iter().all(is_number) && !is_number(3)
}

fn recognise(names: &[String], is_json: bool) -> Result<Layout, String> {
    let requests = |timestamp, unit, request_tokens, response_tokens| Layout::Requests {
        timestamp: TimeColumn::new(timestamp, unit),
        request_tokens,
        response_tokens,
        llm: None,
        log_type: None,
    };
    if let Some([timestamp, request_tokens, response_tokens, llm, log_type]) =
        positions(names, "BurstGPT", BURSTGPT)?
    {
        return Ok(Layout::Requests {
            timestamp: TimeColumn::new(timestamp, TimestampUnit::Seconds),
            request_tokens,
            response_tokens,
            llm: Some(llm),
            log_type: Some(log_type),
        });
    }
    if let Some([timestamp, request, response]) = positions(names, "Azure", AZURE)? {
        return Ok(requests(timestamp, TimestampUnit::DateTime, request, response));
    }
    // In CSV a column `timestamp` holds dates, and stands beside quantities of any name.
    if is_json && let Some([timestamp, request, response]) = positions(names, "Mooncake", MOONCAKE)? {
        return Ok(requests(timestamp, TimestampUnit::Milliseconds, request, response));
    }
    if let Some([timestamp, request, response]) = all_of(names, VIDUR) {
        return Ok(requests(timestamp, TimestampUnit::Seconds, request, response));
    }
    if let Some([timestamp, request_tokens, response_tokens]) = all_of(names, SEMANTIC_ROUTER) {
        let llm = SELECTED_MODEL.iter().find_map(|model| names.iter().position(|name| name == model));
        // A numeric table may have these columns, and a date; it has no names of LLMs.
        if is_json || llm.is_some() {
            return Ok(Layout::Requests {
                timestamp: TimeColumn::new(timestamp, TimestampUnit::Seconds),
                request_tokens,
                response_tokens,
                llm,
                log_type: names.iter().position(|name| name == "category"),
            });
        }
    }
    // `a`, `b` and `family` are names that any table may have; `rate_rps` is not.
    if names.iter().any(|name| name == SERVEGEN[1])
        && let Some([start, rate, cv, ..]) = positions(names, "ServeGen", SERVEGEN)?
    {
        let time = Some(TimeColumn::new(start, TimestampUnit::Seconds));
        return Ok(Layout::Series { time, columns: vec![rate, cv] });
    }
    // pandas writes the numbers of the rows as a first column without a name.
    let index = usize::from(names.first().is_some_and(String::is_empty));
    let is_date = |name: &String| DATE_NAMES.iter().any(|date| name.eq_ignore_ascii_case(date));
    match names.iter().position(is_date) {
        Some(date) if names.len() > 1 + index && !is_json => {
            let time = Some(TimeColumn::new(date, TimestampUnit::DateTime));
            Ok(Layout::Series { time, columns: quantities(names, Some(date))? })
        }
        _ => Err(format!(
            "the header `{}` is not one that is known; known are BurstGPT (Timestamp,Model,Request tokens,Response \
             tokens,Total tokens,Log Type), Azure (TIMESTAMP,ContextTokens,GeneratedTokens), Mooncake (JSON lines with \
             timestamp, input_length, output_length), vidur (arrived_at,num_prefill_tokens,num_decode_tokens), semantic-router \
             (timestamp, prompt_tokens, generated_tokens, selected_model), request traces of Dynamo \
             (dynamo.request.trace.v1), ServeGen clients (start_s,rate_rps,cv,family,a,b), results of Prometheus range \
             queries and numeric tables with a column `date`; name the columns of other requests in [dataset.columns], or the time of another series, \
             with timestamp_unit = \"none\" where there is none",
            shortened(&names.join(","))
        )),
    }
}

/// Where the quantities of a series stand: in all columns but that of the time, and one without a name that counts the rows.
pub(super) fn quantities(names: &[String], time: Option<usize>) -> Result<Vec<usize>, String> {
    let index = usize::from(names.first().is_some_and(String::is_empty));
    if let Some(at) = (index..names.len()).find(|&at| names[at].is_empty()) {
        return Err(format!("column {} has no name", at + 1));
    }
    if let Some(at) = (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
        return Err(format!("the column `{}` is there twice", names[at]));
    }
    if names.iter().any(|name| name == "all") {
        return Err(
            "the column `all` must have another name: `all` stands for the mean over all columns".into()
        );
    }
    let columns: Vec<usize> = (index..names.len()).filter(|&column| Some(column) != time).collect();
    if columns.is_empty() {
        Err("there is no column beside that of the time".to_string())
    } else {
        Ok(columns)
    }
}

/// Where the columns of a layout stand; `None` unless each of them is there, once.
fn all_of<const N: usize>(names: &[String], wanted: [&str; N]) -> Option<[usize; N]> {
    let mut positions = [0; N];
    for (position, wanted) in positions.iter_mut().zip(wanted) {
        let mut found = (0..names.len()).filter(|&at| names[at] == wanted);
        *position = found.next()?;
        if found.next().is_some() {
            return None;
        }
    }
    Some(positions)
}

/// Where the columns of a layout stand; `None` where hardly any of them is there.
fn positions<const N: usize>(
    names: &[String],
    layout: &str,
    wanted: [&str; N],
) -> Result<Option<[usize; N]>, String> {
    let mut positions = [0; N];
    let mut missing = Vec::new();
    for (position, name) in positions.iter_mut().zip(wanted) {
        let mut found = (0..names.len()).filter(|&at| names[at] == name);
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

/// The layout that `[dataset.columns]` gives.
///
/// # Errors
/// A column that is not there, with the nearest name, that is there twice, or that two keys name.
fn mapped(names: &[String], columns: &RequestColumns) -> Result<Layout, SliceError> {
    refuse_shared_columns(columns)?;
    let position = |key: &'static str, wanted: &str| position_of(names, key, wanted);
    let optional = |key: &'static str, wanted: &Option<String>| {
        wanted.as_ref().map(|wanted| position(key, wanted)).transpose()
    };
    Ok(Layout::Requests {
        timestamp: TimeColumn::new(position("timestamp", &columns.timestamp)?, columns.timestamp_unit),
        request_tokens: position("request_tokens", &columns.request_tokens)?,
        response_tokens: position("response_tokens", &columns.response_tokens)?,
        llm: optional("llm", &columns.llm)?,
        log_type: optional("log_type", &columns.log_type)?,
    })
}

/// Where the column that a key names stands.
fn position_of(names: &[String], key: &'static str, wanted: &str) -> Result<usize, SliceError> {
    let mut found = (0..names.len()).filter(|&at| names[at] == wanted);
    match (found.next(), found.next()) {
        (Some(at), None) => Ok(at),
        (Some(_), Some(_)) => Err(SliceError {
            key: vec!["columns", key],
            message: format!("the column `{wanted}` is there twice"),
            help: "rename one of them in the file".to_string(),
        }),
        (None, _) => {
            let hint = nearest(wanted, names.iter().map(String::as_str));
            let hint = hint.map_or(String::new(), |name| format!("did you mean `{name}`? "));
            Err(SliceError {
                key: vec!["columns", key],
                message: format!("the file has no column `{}`", shortened(wanted)),
                help: format!("{hint}it has: {}", shortened(&names.join(", "))),
            })
        }
    }
}

/// Refuses a column that two keys name: it would be read for one of them only.
fn refuse_shared_columns(columns: &RequestColumns) -> Result<(), SliceError> {
    let named = [
        ("timestamp", Some(&columns.timestamp)),
        ("request_tokens", Some(&columns.request_tokens)),
        ("response_tokens", Some(&columns.response_tokens)),
        ("llm", columns.llm.as_ref()),
        ("log_type", columns.log_type.as_ref()),
    ];
    for (index, (key, column)) in named.iter().enumerate() {
        let earlier = named[..index].iter().find(|(_, other)| column.is_some() && other == column);
        if let (Some((other, _)), Some(column)) = (earlier, column) {
            return Err(SliceError {
                key: vec!["columns", key],
                message: format!("the column `{}` is named as `{other}` already", shortened(column)),
                help: "each of these keys needs a column of its own".to_string(),
            });
        }
    }
    Ok(())
}

impl Layout {
    /// The layout of JSON objects the first of which holds these values. Their times may be dates, whatever numbers the
    /// layout's publisher writes.
    #[must_use]
    pub fn for_first(mut self, value: impl FnOnce(usize) -> Option<Value>) -> Self {
        if let Layout::Requests { timestamp, .. } = &mut self
            && value(timestamp.at)
                .as_ref()
                .and_then(Value::as_str)
                .is_some_and(|text| parse_nanoseconds(text, timestamp.zone).is_some())
        {
            timestamp.unit = TimestampUnit::DateTime;
        }
        self
    }

    /// Reads the rows of a file.
    ///
    /// # Errors
    /// The first row that is malformed, and a timestamp that goes back.
    pub fn read(&self, rows: &Rows<'_>) -> Result<Trace, TraceError> {
        let table = rows.read(&self.wanted())?;
        self.trace(table, rows.names()).map_err(|Backwards { row, column }| rows.backwards(row, column))
    }

    /// The columns to read, by their positions: the time first, where there is one.
    pub fn wanted(&self) -> Vec<(usize, Expect)> {
        let (time, others): (_, Vec<_>) = match self {
            Layout::Requests { timestamp, request_tokens, response_tokens, llm, log_type } => {
                let counts = [(*request_tokens, Expect::Count), (*response_tokens, Expect::Count)];
                let names = llm.iter().chain(log_type).map(|column| (*column, Expect::Name));
                (Some(*timestamp), counts.into_iter().chain(names).collect())
            }
            Layout::Series { time, columns } => {
                (*time, columns.iter().map(|&column| (column, Expect::Number)).collect())
            }
        };
        time.into_iter().map(|time| (time.at, time.expect())).chain(others).collect()
    }

    /// The trace that a table of the wanted columns holds, of a file with columns of these names.
    ///
    /// # Errors
    /// A timestamp that goes back.
    pub fn trace(&self, mut table: TraceTable, names: &[String]) -> Result<Trace, Backwards> {
        match self {
            Layout::Requests { timestamp, llm, log_type, .. } => {
                let (arrival_s, clock_s) = times(&mut table, *timestamp)?;
                let mut next = 3;
                let mut labels = |column: Option<usize>| match column {
                    Some(_) => {
                        next += 1;
                        table.labels(next - 1)
                    }
                    None => Labels::default(),
                };
                let (llm, log_type) = (labels(*llm), labels(*log_type));
                let (request_tokens, response_tokens) = (table.numbers(1), table.numbers(2));
                Ok(Trace::Requests(RequestTrace {
                    arrival_s,
                    request_tokens,
                    response_tokens,
                    llm,
                    log_type,
                    clock_s,
                    is_dated: timestamp.is_dated(),
                }))
            }
            Layout::Series { time, columns } => {
                let rows = table.len();
                let names = columns.iter().map(|&column| names[column].clone()).collect();
                let first = usize::from(time.is_some());
                let values = |table: &mut TraceTable| {
                    (first..first + columns.len()).map(|index| table.numbers(index)).collect()
                };
                let Some(time) = time else {
                    return Ok(Trace::Series(SeriesTrace::counted(rows, names, values(&mut table))));
                };
                let times = times(&mut table, *time)?;
                Ok(Trace::Series(SeriesTrace::timed(
                    times,
                    (time.is_dated(), time.zone),
                    names,
                    values(&mut table),
                )))
            }
        }
    }
}

/// A row whose timestamp is earlier than that of the row before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backwards {
    /// The row, counted from 0.
    pub row: usize,
    /// The column of its timestamp.
    pub column: usize,
}

/// The first column of a table as seconds since the first row, and the first row's clock time in seconds.
fn times(table: &mut TraceTable, column: TimeColumn) -> Result<(Vec<f64>, f64), Backwards> {
    let (times_s, clock_s) = match column.unit.per_second() {
        None => table.date_times(0),
        Some(per_second) => {
            let mut times_s = table.numbers(0);
            let first = times_s.first().copied().unwrap_or(0.0);
            for time in &mut times_s {
                *time = (*time - first) / per_second;
            }
            (times_s, column.clock_s(first / per_second))
        }
    };
    match times_s.windows(2).position(|pair| pair[1] < pair[0]) {
        Some(row) => Err(Backwards { row: row + 1, column: column.at }),
        None => Ok((times_s, clock_s)),
    }
}
