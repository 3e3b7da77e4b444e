//! The request trace of NVIDIA Dynamo: JSON lines of the schema `dynamo.request.trace.v1`, one for each request that has ended, in
//! the order in which they ended. A request counts when it arrived.
//!
//! The schema is `RequestTraceRecord` in `lib/llm/src/request_trace/types.rs` of <https://github.com/ai-dynamo/dynamo>; its file
//! sink (`lib/llm/src/recorder.rs`) wraps each record as `{"timestamp": ..., "event": {...}}`, its other sinks do not.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::json_lines::{JsonLines, number_of, object_of};
use super::locate::{Expect, shortened};
use super::time_column::TimeColumn;
use super::trace::{Labels, RequestTrace, TraceError};
use super::zone::Zone;
use crate::spec::TimestampUnit;
use crate::text::counted;

/// The schemas of all versions begin with it.
const SCHEMAS: &str = "dynamo.request.trace.";
/// The schema that is read.
const SCHEMA: &str = "dynamo.request.trace.v1";
/// The event that says that a request has ended; others are about tools and payloads.
const REQUEST_END: &str = "request_end";

/// Why such a trace is not followed row by row.
pub const GROWS_LATE: &str = "a request trace of Dynamo has its lines in the order in which requests end, and those that still run \
                              are not in it yet, so its last windows always look too quiet; forecast without --watch, which reads \
                              the whole file in the order of arrival";

/// One line, as far as it is read. Values are checked one by one, so that an error can name them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
struct TraceRecord {
    schema: Option<Value>,
    event_type: Option<Value>,
    request: Option<RequestFields>,
    /// The record within the envelope of the file sink.
    event: Option<Box<TraceRecord>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
struct RequestFields {
    request_id: Option<Value>,
    model: Option<Value>,
    input_tokens: Option<Value>,
    output_tokens: Option<Value>,
    request_received_ms: Option<Value>,
    replay: Option<ReplayFields>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
struct ReplayFields {
    input_length: Option<Value>,
}

/// A request that has ended.
struct EndedRequest {
    id: String,
    model: Option<String>,
    received_ms: f64,
    input_tokens: f64,
    output_tokens: f64,
}

/// Whether a first line is one of a request trace of Dynamo, of whatever version.
pub fn is_record(line: &str) -> bool {
    // The lines of other files are not parsed twice.
    if !line.contains(SCHEMAS) {
        return false;
    }
    let Ok(value) = serde_json::from_str::<Value>(line) else { return false };
    let record = value.get("event").filter(|event| event.is_object()).unwrap_or(&value);
    record.get("schema").and_then(Value::as_str).is_some_and(|schema| schema.starts_with(SCHEMAS))
}

/// Reads the requests of a trace, in the order of their arrival.
///
/// A request without `output_tokens` ended before its first token: it counts as failed, with 0 response tokens. Input tokens are
/// those of `input_tokens`, or else of `replay.input_length`. LLMs are known where every request names its own.
///
/// # Errors
/// The first line that is no record, whose values are missing or not what they must be, or that ends a request once more; and a
/// trace without a request.
pub fn read(file: &JsonLines<'_>) -> Result<RequestTrace, TraceError> {
    let mut ended: Vec<EndedRequest> = Vec::new();
    let mut ended_on: HashMap<String, usize> = HashMap::new();
    let mut lines = 0;
    for (line, text) in file.lines() {
        lines += 1;
        let request = request_of(text).map_err(|(key, message)| file.fault(line, key, message))?;
        let Some(request) = request else { continue };
        if let Some(before) = ended_on.insert(request.id.clone(), line) {
            let message = format!(
                "the request `{}` ended on line {before} already; a request counts once, so remove one of the two lines",
                shortened(&request.id)
            );
            return Err(file.fault(line, Some("request.request_id"), message));
        }
        ended.push(request);
    }
    if ended.is_empty() {
        let message =
            format!("no line is a {REQUEST_END}, so there is no request in it ({})", counted(lines, "line"));
        return Err(file.at_first(&message));
    }
    ended.sort_by(|a, b| a.received_ms.total_cmp(&b.received_ms));
    Ok(trace_of(&ended))
}

/// The request that a line ends; `None` for any other event.
fn request_of(text: &str) -> Result<Option<EndedRequest>, (Option<&'static str>, String)> {
    let line: TraceRecord = object_of(text).map_err(|message| (None, message))?;
    let record = match line.event {
        Some(event) => *event,
        None => line,
    };
    match record.schema.as_ref().map(Value::as_str) {
        Some(Some(SCHEMA)) => {}
        None => return Err((Some("schema"), format!("the value is missing; `{SCHEMA}` is expected here"))),
        Some(_) => {
            let schema = shortened(&plain(&record.schema.unwrap_or_default()));
            return Err((Some("schema"), format!("`{schema}` is not known; `{SCHEMA}` is")));
        }
    }
    match record.event_type.as_ref().map(Value::as_str) {
        Some(Some(REQUEST_END)) => {}
        Some(Some(_)) => return Ok(None),
        _ => return Err((Some("event_type"), "the name of an event is expected here".to_string())),
    }
    let Some(request) = record.request else {
        return Err((Some("request"), format!("the value is missing; a {REQUEST_END} says which request")));
    };
    let text_of = |key: &'static str, value: Option<Value>| match value {
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        None | Some(Value::Null) => Ok(None),
        Some(value) => Err((Some(key), format!("`{}` is not a name", shortened(&value.to_string())))),
    };
    let id = text_of("request.request_id", request.request_id)?.ok_or_else(|| {
        (
            Some("request.request_id"),
            "the value is missing; the name of the request is expected here".to_string(),
        )
    })?;
    let Some(received) = request.request_received_ms.filter(|value| !value.is_null()) else {
        let message = "the value is missing, so it is not known when the request arrived; record the trace with a version of \
                       Dynamo that writes it, or remove this line";
        return Err((Some("request.request_received_ms"), message.to_string()));
    };
    let received_ms =
        number_of(Some(&received), Expect::Epoch(TimestampUnit::Milliseconds)).map_err(|_| {
            let text = shortened(&plain(&received));
            (
                Some("request.request_received_ms"),
                format!("`{text}` is not a time in milliseconds since 1970"),
            )
        })?;
    let (key, input_tokens) = match (request.input_tokens, request.replay) {
        (None | Some(Value::Null), Some(replay)) => ("request.replay.input_length", replay.input_length),
        (tokens, _) => ("request.input_tokens", tokens),
    };
    let input_tokens =
        number_of(input_tokens.as_ref(), Expect::Count).map_err(|message| (Some(key), message))?;
    let output_tokens = match request.output_tokens {
        None | Some(Value::Null) => 0.0,
        Some(tokens) => number_of(Some(&tokens), Expect::Count)
            .map_err(|message| (Some("request.output_tokens"), message))?,
    };
    let model = text_of("request.model", request.model)?;
    Ok(Some(EndedRequest { id, model, received_ms, input_tokens, output_tokens }))
}

/// A value as text, without the quotes of a string.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

fn trace_of(ended: &[EndedRequest]) -> RequestTrace {
    let column = TimeColumn { at: 0, unit: TimestampUnit::Milliseconds, zone: Zone::UTC, is_epoch: true };
    let first_ms = ended.first().map_or(0.0, |request| request.received_ms);
    let models: Option<Vec<&str>> = ended.iter().map(|request| request.model.as_deref()).collect();
    RequestTrace {
        arrival_s: ended.iter().map(|request| (request.received_ms - first_ms) / 1e3).collect(),
        request_tokens: ended.iter().map(|request| request.input_tokens).collect(),
        response_tokens: ended.iter().map(|request| request.output_tokens).collect(),
        llm: models.map_or_else(Labels::default, |models| models.into_iter().collect()),
        log_type: Labels::default(),
        clock_s: column.clock_s(first_ms / 1e3),
        is_dated: column.is_dated(),
    }
}
