//! The lines of a trace that grows, as rows for a [`Watch`].

use super::watch::Watch;
use crate::dataset::{PrepareError, RowReader, TraceError};

/// Reads the lines of a trace, the first of which tells how the others are read.
#[derive(Clone)]
pub struct TraceFeed<'a> {
    /// The trace, for messages.
    name: String,
    watch: Watch<'a>,
    reader: Option<RowReader>,
    /// Whether the next line is the first of another file.
    is_replaced: bool,
}

/// A malformed row, which does not affect the following rows.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadRow(pub TraceError);

impl<'a> TraceFeed<'a> {
    /// A feed without a line; `name` is only named in errors.
    pub fn new(name: &str, watch: Watch<'a>) -> Self {
        Self { name: name.to_string(), watch, reader: None, is_replaced: false }
    }

    /// The steps so far, and their forecast.
    pub fn watch(&self) -> &Watch<'a> {
        &self.watch
    }

    /// What reads the rows; `None` before the first line.
    pub fn reader(&self) -> Option<&RowReader> {
        self.reader.as_ref()
    }

    /// The name of the trace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says that the next line is the first of another file or request, which may begin with the header once more.
    pub fn begin_again(&mut self) {
        self.is_replaced = true;
    }

    /// Names the trace differently in errors.
    pub(super) fn rename(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        if let Some(reader) = &mut self.reader {
            reader.rename(name);
        }
    }

    /// Takes in line `number`, counted from 1, and calls `on_step` after each step that it completes. Tells whether it is a row:
    /// a blank line and a header are none.
    ///
    /// # Errors
    /// A first line that does not suit the model, a header with its columns in another order, a [`BadRow`], and those of [`Watch::push`].
    pub fn line(
        &mut self,
        bytes: &[u8],
        number: usize,
        on_step: &mut dyn FnMut(&Watch<'a>) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        let is_blank = bytes.trim_ascii().is_empty();
        let is_first = !is_blank && std::mem::take(&mut self.is_replaced);
        if self.reader.is_none() {
            if is_blank {
                return Ok(false);
            }
            let columns = self.watch.model().saved().spec.dataset.columns.as_ref();
            let mut reader =
                RowReader::new(&self.name, bytes, columns).map_err(|error| at_line(error, number))?;
            self.watch.accept(&reader)?;
            reader.refuse_gaps(self.watch.longest_gap_s());
            let begins_with_a_row = reader.begins_with_a_row();
            self.reader = Some(reader);
            if !begins_with_a_row {
                return Ok(false);
            }
        }
        let Some(reader) = &mut self.reader else { return Ok(false) };
        let Ok(text) = std::str::from_utf8(bytes) else {
            let message = "a byte that is not UTF-8; save the trace as UTF-8".to_string();
            let error = TraceError { file: self.name.clone(), line: Some(number), column: None, message };
            return Err(BadRow(error).into());
        };
        if is_first && reader.is_header(text, number).map_err(PrepareError::Trace)? {
            return Ok(false);
        }
        let Some(row) = reader.read(text, number).map_err(BadRow)? else { return Ok(false) };
        self.watch.push(row, on_step)?;
        Ok(true)
    }
}

/// The error with its line: the first line that is not blank need not be line 1.
fn at_line(error: PrepareError, number: usize) -> PrepareError {
    match error {
        PrepareError::Trace(fault) => PrepareError::Trace(TraceError { line: Some(number), ..fault }),
        other => other,
    }
}
