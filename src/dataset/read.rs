//! Reads a trace file: unpacks it, tells its format and layout, and guesses nothing.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::dynamo;
use super::layout::read_rows;
use super::prepare_error::PrepareError;
use super::prometheus;
use super::rows::Rows;
use super::stream::read_plain_file;
use super::trace::{Trace, TraceError};
use super::unpack::unpack;
use crate::spec::ColumnsSpec;
use crate::text::hex;

/// Reads a trace from a file.
///
/// # Errors
/// An unreadable or empty file, an unknown layout, or a row that is malformed: with file, line and column.
pub fn read_trace(path: &Path) -> Result<Trace, TraceError> {
    match read_plain_file(path, None) {
        Some((trace, _)) => Ok(trace),
        None => read_bytes(path).and_then(|(file, bytes)| parse_trace(&file, &bytes)),
    }
}

/// Reads a trace from a file whose columns are named, if they are.
///
/// # Errors
/// As [`read_trace`], and a column that is not there, with the key of `[dataset]` that names it.
pub fn read_trace_as(path: &Path, columns: Option<&ColumnsSpec>) -> Result<Trace, PrepareError> {
    read_hashed(path, columns).map(|(trace, _)| trace)
}

/// As [`read_trace_as`], with the SHA-256 of the file's content.
///
/// # Errors
/// As [`read_trace_as`].
pub(super) fn read_hashed(
    path: &Path,
    columns: Option<&ColumnsSpec>,
) -> Result<(Trace, String), PrepareError> {
    if let Some(read) = read_plain_file(path, columns) {
        return Ok(read);
    }
    let (file, bytes) = read_bytes(path).map_err(PrepareError::Trace)?;
    let (hash, trace) =
        rayon::join(|| hex(&Sha256::digest(&bytes)), || parse_trace_as(&file, &bytes, columns));
    Ok((trace?, hash))
}

/// The SHA-256 of a file's content.
///
/// # Errors
/// A file that cannot be read.
pub(super) fn hash_file(path: &Path) -> Result<String, TraceError> {
    let hash = || {
        let mut file = File::open(path)?;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; HASHED_AT_ONCE]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hex(&hash.finalize())),
                read => hash.update(&buffer[..read]),
            }
        }
    };
    hash().map_err(|error| unreadable(path, &error))
}

/// Bytes that are read and hashed at a time.
const HASHED_AT_ONCE: usize = 1 << 18;

/// The content of a file, and its name for messages.
fn read_bytes(path: &Path) -> Result<(String, Vec<u8>), TraceError> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    Ok((path.display().to_string(), bytes))
}

/// A file that cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> TraceError {
    let file = path.display().to_string();
    TraceError { file, line: None, column: None, message: format!("cannot be read: {error}") }
}

/// Reads a trace from bytes; `name` is only named in errors.
///
/// Formats (CSV, JSONL, Parquet, answers of Prometheus; gzip and zstd around them) are told by the first bytes, layouts by the
/// names of the columns. Values are taken as they stand: surplus columns are passed over, and so are blank lines and spaces around a
/// field.
///
/// # Errors
/// As [`read_trace`].
pub fn parse_trace(name: &str, bytes: &[u8]) -> Result<Trace, TraceError> {
    parse_trace_as(name, bytes, None).map_err(|error| match error {
        PrepareError::Trace(error) => error,
        // Without columns of the experiment file there is nothing else that can be wrong.
        error => TraceError { file: name.to_string(), line: None, column: None, message: error.to_string() },
    })
}

/// Reads a trace from bytes whose columns and whose form are given, if they are.
///
/// # Errors
/// As [`read_trace_as`].
pub fn parse_trace_as(
    name: &str,
    bytes: &[u8],
    columns: Option<&ColumnsSpec>,
) -> Result<Trace, PrepareError> {
    let bytes = unpack(name, bytes).map_err(PrepareError::Trace)?;
    if prometheus::is_answer(&bytes) {
        return prometheus::read(name, &bytes, columns);
    }
    let rows = Rows::of(name, &bytes, columns).map_err(PrepareError::Trace)?;
    read_rows(rows, columns)
}

/// So many bytes say what a file is.
const HEAD: u64 = 1 << 20;

/// What a file is, if its rows cannot be followed as they are written. Such a file may be one line without an end, which would
/// never come as a row.
///
/// # Errors
/// A file that cannot be read.
pub fn file_not_followed(path: &Path, columns: Option<&ColumnsSpec>) -> io::Result<Option<&'static str>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    Ok(not_followed(&head, columns))
}

/// What a text is, by its first bytes, if its rows cannot be followed as they are written.
pub fn not_followed(head: &[u8], columns: Option<&ColumnsSpec>) -> Option<&'static str> {
    if prometheus::is_answer(head) {
        return Some("the answer to a query of Prometheus, a whole document that does not grow");
    }
    let head = head.trim_ascii_start();
    let first = head.split(|byte| *byte == b'\n').next().unwrap_or(head);
    let is_named = columns.is_some_and(|columns| columns.requests.is_some());
    let is_record = !is_named && std::str::from_utf8(first).is_ok_and(dynamo::is_record);
    is_record.then_some(
        "a request trace of Dynamo, whose lines stand in the order in which requests end, so its last windows always look too quiet",
    )
}
