//! Trace files as people have them: every layout is read exactly, every fault is named by line and column.

mod command;
mod dialects;
mod faults;
mod formats;
mod forms;
mod layouts;
mod operators;
mod parquet;
mod properties;

use burstlab::dataset::{RequestTrace, SeriesTrace, Trace, parse_trace};

const BURSTGPT: &str = include_str!("../../fixtures/burstgpt_6_columns.csv");
const BURSTGPT_SESSIONS: &str = include_str!("../../fixtures/burstgpt_8_columns.csv");
const AZURE: &str = include_str!("../../fixtures/azure_conv.csv");
const SERIES: &str = include_str!("../../fixtures/series.csv");

fn requests(text: &str) -> RequestTrace {
    match parse_trace("trace.csv", text.as_bytes()) {
        Ok(Trace::Requests(trace)) => trace,
        other => panic!("no requests: {other:?}"),
    }
}

fn series(text: &str) -> SeriesTrace {
    match parse_trace("trace.csv", text.as_bytes()) {
        Ok(Trace::Series(trace)) => trace,
        other => panic!("no series: {other:?}"),
    }
}

fn error(bytes: impl AsRef<[u8]>) -> String {
    parse_trace("trace.csv", bytes.as_ref()).expect_err("the file is wrong").to_string()
}

/// A `BurstGPT` file with these rows.
fn burstgpt(rows: &str) -> String {
    format!("Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n{rows}\n")
}
