//! As much of the endless synthetic trace as a slice can need.

use super::slice_error::SliceError;
use super::synthetic::{DEFAULT_SEED, Llm, LogType, SyntheticTrace};
use super::trace::RequestTrace;
use crate::spec::{DatasetSpec, Span};

/// Requests when a slice names neither an end nor a number of rows.
const DEFAULT_ROWS: usize = 20_000;
/// More requests than this are not generated: they would fill the memory of a laptop.
const MOST_ROWS: usize = 20_000_000;
/// Requests that are enough to tell which names the trace knows.
const ENOUGH_FOR_NAMES: usize = 1_000;

/// Generates requests until the slice is full.
///
/// # Errors
/// A slice that is not full after 20 million requests.
pub(super) fn generate(spec: &DatasetSpec) -> Result<RequestTrace, SliceError> {
    let start_s = spec.start.map_or(0.0, Span::seconds);
    let end_s = spec.end.map_or(f64::INFINITY, Span::seconds);
    if spec.columns.is_some() {
        return Err(SliceError {
            key: vec!["columns"],
            message: "the built-in trace has no file whose columns could be named".to_string(),
            help: "remove this table".to_string(),
        });
    }
    let wanted = match (spec.max_rows, spec.end) {
        (Some(rows), _) => rows,
        (None, Some(_)) => usize::MAX,
        // The trace is endless: without an end, its latest rows are those of as many as are there by default.
        (None, None) => spec.latest_rows.unwrap_or(0).max(DEFAULT_ROWS),
    };
    let names_are_known = all_known(spec.llms.as_deref(), &[Llm::ChatGpt, Llm::Gpt4].map(Llm::as_str))
        && all_known(spec.log_types.as_deref(), &[LogType::Conversation, LogType::Api].map(LogType::as_str));
    let keeps = |names: &Option<Vec<String>>, name: &str| {
        names.as_ref().is_none_or(|names| names.iter().any(|other| other == name))
    };
    let mut trace = RequestTrace::default();
    let mut kept = 0;
    for row in SyntheticTrace::new(usize::MAX, DEFAULT_SEED) {
        if trace.is_empty() {
            trace.clock_s = f64::from(row.timestamp_s);
        }
        let arrival_s = f64::from(row.timestamp_s) - trace.clock_s;
        // A name that no request will ever carry is refused when the slice is taken: no need to wait for it.
        if arrival_s >= end_s || kept >= wanted || (!names_are_known && trace.len() >= ENOUGH_FOR_NAMES) {
            return Ok(trace);
        }
        if trace.len() >= MOST_ROWS {
            break;
        }
        let (llm, log_type) = (row.llm.as_str(), row.log_type.as_str());
        if arrival_s >= start_s && keeps(&spec.llms, llm) && keeps(&spec.log_types, log_type) {
            kept += 1;
        }
        trace.arrival_s.push(arrival_s);
        trace.request_tokens.push(f64::from(row.request_tokens));
        trace.response_tokens.push(f64::from(row.response_tokens));
        trace.llm.push(llm);
        trace.log_type.push(log_type);
    }
    Err(SliceError {
        key: vec![if spec.max_rows.is_some() { "max_rows" } else { "end" }],
        message: format!("this slice is not full after {MOST_ROWS} synthetic requests"),
        help: "ask for fewer rows, or for an earlier slice".to_string(),
    })
}

fn all_known(wanted: Option<&[String]>, known: &[&str]) -> bool {
    wanted.unwrap_or_default().iter().all(|name| known.contains(&name.as_str()))
}
