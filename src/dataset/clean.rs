//! Writes a cleaned copy of a trace of requests, and says what cleaning drops.

use std::io::{self, Write};

use serde::Serialize;

use super::clock::date_text;
use super::trace::RequestTrace;

/// The layout of a cleaned copy; each is read back as what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanFile {
    /// BurstGPT's columns where the trace has names, else Azure's.
    Csv,
    /// Mooncake's JSON lines; names are lost.
    JsonLines,
}

/// Requests that `drop_zero_tokens` drops, kind by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Neither request nor response tokens.
    pub no_tokens: usize,
    /// Request tokens but no response token: a request that failed.
    pub no_response_tokens: usize,
    /// Response tokens but no request token.
    pub no_request_tokens: usize,
}

impl Dropped {
    /// All of them.
    pub fn total(&self) -> usize {
        self.no_tokens + self.no_response_tokens + self.no_request_tokens
    }
}

/// Counts the requests that `drop_zero_tokens` drops.
pub fn dropped(trace: &RequestTrace) -> Dropped {
    let mut dropped = Dropped::default();
    for (&request, &response) in trace.request_tokens.iter().zip(&trace.response_tokens) {
        match (request == 0.0, response == 0.0) {
            (true, true) => dropped.no_tokens += 1,
            (false, true) => dropped.no_response_tokens += 1,
            (true, false) => dropped.no_request_tokens += 1,
            (false, false) => {}
        }
    }
    dropped
}

/// Writes the requests of a trace. Times are kept to the nanosecond.
///
/// # Errors
/// What the writer fails with.
pub fn write_requests(trace: &RequestTrace, file: CleanFile, out: &mut impl Write) -> io::Result<()> {
    let labelled = trace.llm.len() == trace.len() && trace.log_type.len() == trace.len();
    match file {
        CleanFile::Csv if labelled => write_burstgpt(trace, out),
        CleanFile::Csv => write_azure(trace, out),
        CleanFile::JsonLines => write_mooncake(trace, out),
    }
}

fn write_burstgpt(trace: &RequestTrace, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type")?;
    for (row, (llm, log_type)) in trace.llm.iter().zip(trace.log_type.iter()).enumerate() {
        let (request, response) = (trace.request_tokens[row], trace.response_tokens[row]);
        let stamp_s = nanoseconds(trace, row) as f64 / 1e9;
        let (llm, log_type) = (quoted(llm), quoted(log_type));
        writeln!(out, "{stamp_s},{llm},{request},{response},{},{log_type}", request + response)?;
    }
    Ok(())
}

fn write_azure(trace: &RequestTrace, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "TIMESTAMP,ContextTokens,GeneratedTokens")?;
    for row in 0..trace.len() {
        let stamp = date_text(nanoseconds(trace, row));
        writeln!(out, "{stamp},{},{}", trace.request_tokens[row], trace.response_tokens[row])?;
    }
    Ok(())
}

fn write_mooncake(trace: &RequestTrace, out: &mut impl Write) -> io::Result<()> {
    for row in 0..trace.len() {
        let stamp_ms = nanoseconds(trace, row) as f64 / 1e6;
        let (request, response) = (trace.request_tokens[row], trace.response_tokens[row]);
        writeln!(
            out,
            "{{\"timestamp\": {stamp_ms}, \"input_length\": {request}, \"output_length\": {response}, \"hash_ids\": []}}"
        )?;
    }
    Ok(())
}

/// Nanoseconds of the clock at which a request arrives. The clock of the first one is a number of seconds that holds a
/// tenth of a microsecond, the finest that traces have.
fn nanoseconds(trace: &RequestTrace, row: usize) -> i64 {
    (trace.clock_s * 1e7).round() as i64 * 100 + (trace.arrival_s[row] * 1e9).round() as i64
}

fn quoted(name: &str) -> String {
    let plain = !name.contains([',', '"', '\n', '\r']) && name.trim_ascii().len() == name.len();
    if plain { name.to_string() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
