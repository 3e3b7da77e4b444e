//! The answer of a Prometheus server to a range query, `/api/v1/query_range`: a matrix of labelled series, which becomes a table
//! with one column for each.
//!
//! <https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries>

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::layout::quantities;
use super::locate::{Expect, shortened};
use super::prepare_error::PrepareError;
use super::slice_error::SliceError;
use super::time_column::TimeColumn;
use super::trace::{SeriesTrace, Trace, TraceError};
use super::zone::Zone;
use crate::spec::{ColumnsSpec, TimestampUnit};

/// So many bytes say what a file is.
const HEAD: usize = 4_096;
/// The label that holds the name of a metric.
const NAME: &str = "__name__";

/// Why such a file is not followed row by row.
pub const DOES_NOT_GROW: &str = "this is the answer to a query of Prometheus, a whole document that does not grow; forecast without \
                                 --watch, and ask the query again for later times";

#[derive(Debug, Deserialize)]
#[serde(expecting = "the answer to a query of Prometheus")]
struct QueryAnswer {
    status: Value,
    #[serde(default)]
    data: Option<QueryData>,
    #[serde(default, rename = "errorType")]
    error_type: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "the data of a query of Prometheus")]
struct QueryData {
    #[serde(rename = "resultType")]
    result_type: Value,
    result: Value,
}

/// One labelled series of a matrix.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "a series of a matrix")]
struct MatrixSeries {
    metric: BTreeMap<String, String>,
    values: Vec<Value>,
    histograms: Vec<Value>,
}

/// Whether a text begins as the answers of Prometheus do, on one line or on many.
pub fn is_answer(bytes: &[u8]) -> bool {
    let head = bytes.iter().take(HEAD).filter(|byte| !byte.is_ascii_whitespace());
    let head: Vec<u8> = head.copied().collect();
    let begins = |start: &str| head.starts_with(start.as_bytes());
    let holds = |part: &str| memchr::memmem::find(&head, part.as_bytes()).is_some();
    let says_what = holds(r#""resultType":"#) || holds(r#""errorType":"#) || holds(r#""error":"#);
    // Tools that sort keys put the data first.
    begins(r#"{"data":{"result"#)
        || (begins(r#"{"status":"success""#) || begins(r#"{"status":"error""#)) && says_what
}

/// Reads the series of an answer. A row is a time at which every series has a finite value: a time at which one has none, NaN or
/// an infinite value is a missing row, which is counted. `[dataset.cleaning]` may fill in those between two rows.
///
/// # Errors
/// An error that Prometheus answered with, a result that is no matrix or empty, a sample that is malformed, series that share no
/// time, and `[dataset.columns]`, which has nothing to name here but a time zone.
pub fn read(name: &str, bytes: &[u8], columns: Option<&ColumnsSpec>) -> Result<Trace, PrepareError> {
    if columns.is_some_and(|columns| columns.requests.is_some() || columns.series.is_some()) {
        return Err(PrepareError::Slice(SliceError {
            key: vec!["columns"],
            message:
                "the answer to a query of Prometheus has no columns to name: its series carry their times"
                    .to_string(),
            help: "remove this table, or leave only time_zone in it".to_string(),
        }));
    }
    let zone = Zone::named(columns.and_then(|columns| columns.time_zone.as_deref()));
    let zone = zone.map_err(PrepareError::Slice)?;
    let fault = |line: Option<usize>, column: Option<String>, message: String| {
        PrepareError::Trace(TraceError { file: name.to_string(), line, column, message })
    };
    let matrix = matrix_of(bytes).map_err(|(line, message)| fault(line, None, message))?;
    let names: Vec<String> = matrix.iter().map(|series| name_of(&series.metric)).collect();
    if let Some(at) = (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
        let message =
            "two series have the same labels; let the query tell them apart, with a label or another name";
        return Err(fault(None, Some(names[at].clone()), message.to_string()));
    }
    quantities(&names, None).map_err(|message| fault(None, None, message))?;
    let mut rows: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    let mut times_ms: BTreeSet<i64> = BTreeSet::new();
    for (index, (series, name)) in matrix.iter().zip(&names).enumerate() {
        let samples = samples_of(series).map_err(|message| fault(None, Some(name.clone()), message))?;
        for (time_ms, value) in samples {
            times_ms.insert(time_ms);
            let Some(value) = value else { continue };
            if index == 0 {
                rows.insert(time_ms, vec![value]);
            } else if let Some(row) = rows.get_mut(&time_ms) {
                row.push(value);
            }
        }
        rows.retain(|_, row| row.len() == index + 1);
    }
    let Some((&first_ms, _)) = rows.first_key_value() else {
        let message = format!(
            "there is no time at which all {} series have a finite value; aggregate them in the query, as in sum by (job) (...), or \
             fill them up with `or vector(0)`",
            matrix.len()
        );
        return Err(fault(None, None, message));
    };
    let column = TimeColumn { at: 0, unit: TimestampUnit::Seconds, zone, is_epoch: true };
    let time_s = rows.keys().map(|time_ms| (time_ms - first_ms) as f64 / 1e3).collect();
    let clock_s = column.clock_s(first_ms as f64 / 1e3);
    let values = (0..names.len()).map(|index| rows.values().map(|row| row[index]).collect()).collect();
    let series = SeriesTrace::timed((time_s, clock_s), (column.is_dated(), zone), names, values);
    Ok(Trace::Series(SeriesTrace { incomplete: times_ms.len() - rows.len(), ..series }))
}

/// The series of an answer; else what is wrong with it, and the line.
fn matrix_of(bytes: &[u8]) -> Result<Vec<MatrixSeries>, (Option<usize>, String)> {
    let answer: QueryAnswer = serde_json::from_slice(bytes).map_err(|error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        (
            Some(error.line()),
            format!(
                "this is not a whole answer of Prometheus: {message} (character {}); ask the query again",
                error.column()
            ),
        )
    })?;
    if answer.status.as_str() != Some("success") {
        let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(shortened);
        let kind = text(&answer.error_type).map_or(String::new(), |kind| format!("{kind}: "));
        let error = text(&answer.error).unwrap_or_else(|| "it does not say which".to_string());
        return Err((
            None,
            format!("Prometheus answered with an error, {kind}{error}; correct the query and ask again"),
        ));
    }
    let Some(QueryData { result_type, result }) = answer.data else {
        return Err((None, "the answer has no data; ask the query again".to_string()));
    };
    if result_type.as_str() != Some("matrix") {
        return Err((
            None,
            format!(
                "the result is of the type `{}`, not a matrix over time; ask /api/v1/query_range, which gives one",
                shortened(result_type.as_str().unwrap_or("unknown"))
            ),
        ));
    }
    let matrix: Vec<MatrixSeries> = serde_json::from_value(result)
        .map_err(|error| (None, format!("the matrix cannot be understood: {error}; ask the query again")))?;
    if matrix.is_empty() {
        let message = "the matrix is empty: nothing matches the query in this range of time; correct the query and ask again";
        return Err((None, message.to_string()));
    }
    Ok(matrix)
}

/// The times of a series, in milliseconds since the first of 1970, and its values; `None` for one that is not finite.
fn samples_of(series: &MatrixSeries) -> Result<Vec<(i64, Option<f64>)>, String> {
    if !series.histograms.is_empty() {
        return Err(
            "the values are histograms; take a number from each, as histogram_count, histogram_sum and \
                    histogram_quantile do"
                .to_string(),
        );
    }
    let mut samples: Vec<(i64, Option<f64>)> = Vec::with_capacity(series.values.len());
    let mut before = i64::MIN;
    for sample in &series.values {
        let malformed =
            || format!("`{}` is not a time and a value in quotes", shortened(&sample.to_string()));
        let Some([time, value]) = sample.as_array().map(Vec::as_slice) else { return Err(malformed()) };
        let (Some(time_s), Some(text)) = (time.as_f64(), value.as_str()) else { return Err(malformed()) };
        let expect = Expect::Epoch(TimestampUnit::Seconds);
        if !expect.holds(time_s) {
            return Err(format!("`{time_s}` is not a time in seconds since 1970"));
        }
        let time_ms = (time_s * 1e3).round() as i64;
        if time_ms <= before {
            return Err(format!(
                "the time {time_s} does not come after the one before it; ask the query again"
            ));
        }
        before = time_ms;
        let value: f64 =
            text.parse().map_err(|_| format!("at {time_s}: {}", Expect::Number.complaint(text)))?;
        if value.is_finite() && !Expect::Number.holds(value) {
            return Err(format!("at {time_s}: {}", Expect::Number.complaint(text)));
        }
        samples.push((time_ms, value.is_finite().then_some(value)));
    }
    Ok(samples)
}

/// A series as `PromQL` writes it, `http_requests_total{job="a"}`, its labels in order; `value` for one without labels.
fn name_of(metric: &BTreeMap<String, String>) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let name = metric.get(NAME).map_or("", String::as_str);
    let labels = metric.iter().filter(|(label, _)| *label != NAME);
    let labels: Vec<String> =
        labels.map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
    match (name, labels.as_slice()) {
        ("", []) => "value".to_string(),
        (name, []) => name.to_string(),
        (name, labels) => format!("{name}{{{}}}", labels.join(",")),
    }
}
