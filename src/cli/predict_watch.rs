//! `burstlab predict --watch`: a forecast after each new step of a growing trace.

use anyhow::Context;

use super::console::Console;
use super::exit_code::Exit;
use super::predict::PredictArgs;
use crate::dataset::{PrepareError, RowReader, TraceError, TraceSource, open_pipe};
use crate::predict::{ForecastDocument, LineEvent, LineReader, SavedModel, Watch};
use crate::system::interrupt;
use crate::text::{causes, counted};

/// Forecasts are written once they fill this many bytes, or when there is nothing left to read.
const BLOCK: usize = 1 << 16;

pub(super) fn predict_watch(
    args: &PredictArgs,
    source: &TraceSource,
    model: &SavedModel,
    console: Console,
) -> anyhow::Result<Exit> {
    interrupt::listen(move || console.finish_lines(), Exit::Interrupted as u8)?;
    let reads_once = matches!(source, TraceSource::Pipe(_));
    let mut lines = match source {
        TraceSource::Pipe(path) => {
            let pipe = open_pipe(path).with_context(|| format!("cannot open {}", source.name()))?;
            LineReader::of_pipe(pipe)
        }
        TraceSource::File(path) => LineReader::of_growing(path)?,
        TraceSource::Synthetic => LineReader::of_growing(&args.trace)?,
    };
    let mut follower = Follower {
        name: source.name(),
        model,
        watch: model.watch(args.steps as usize),
        reader: None,
        forecasts: reads_once || args.from_start,
        replaced: false,
        unwritten: Vec::with_capacity(2 * BLOCK),
    };
    let horizon = model.saved().spec.task.horizon();
    if model.offsets().is_some() && args.steps as usize > horizon {
        console.note(&format!(
            "no intervals beyond step {horizon}: those of later steps come from a backtest, which --watch does not run"
        ));
    }
    loop {
        let event = lines.next_event()?;
        if event == LineEvent::CaughtUp {
            follower.caught_up(console)?;
        }
        if matches!(event, LineEvent::CaughtUp | LineEvent::End) || follower.unwritten.len() >= BLOCK {
            if !console.lines(&follower.unwritten) {
                return Ok(Exit::Ok);
            }
            follower.unwritten.clear();
        }
        match event {
            LineEvent::Line(line) => {
                let number = lines.number();
                match follower.line(lines.text(line), number) {
                    Err(error) if args.skip_bad_rows && is_bad_row(&error) => {
                        console.note(&format!("skipped: {}", causes(&error)));
                    }
                    done => done.inspect_err(|_| {
                        // Forecasts before the bad row are written too; the bad row is reported even if that fails.
                        console.lines(&follower.unwritten);
                    })?,
                }
            }
            LineEvent::CaughtUp => {}
            LineEvent::Replaced => {
                console.note(&format!(
                    "{}: the file was cut short or replaced; reading it from the beginning",
                    follower.name
                ));
                follower.replaced = true;
            }
            LineEvent::End => return follower.end(console),
        }
    }
}

/// Whether the error is a malformed row below a sound header.
fn is_bad_row(error: &anyhow::Error) -> bool {
    error.downcast_ref::<BadRow>().is_some()
}

/// A malformed row, which does not affect the following rows.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BadRow(TraceError);

/// The error with its line: the first line that is not blank need not be line 1.
fn at_line(error: PrepareError, number: usize) -> PrepareError {
    match error {
        PrepareError::Trace(fault) => PrepareError::Trace(TraceError { line: Some(number), ..fault }),
        other => other,
    }
}

struct Follower<'a> {
    name: String,
    model: &'a SavedModel,
    watch: Watch<'a>,
    reader: Option<RowReader>,
    /// Whether steps are followed by a forecast; the rows that the file has at first only serve as history.
    forecasts: bool,
    /// Whether the next line is the first of another file.
    replaced: bool,
    /// Forecasts that are not written yet.
    unwritten: Vec<u8>,
}

impl Follower<'_> {
    fn line(&mut self, bytes: &[u8], number: usize) -> anyhow::Result<()> {
        let first = std::mem::take(&mut self.replaced);
        if self.reader.is_none() {
            if bytes.trim_ascii().is_empty() {
                return Ok(());
            }
            let columns = self.model.saved().spec.dataset.columns.as_ref();
            let reader =
                RowReader::new(&self.name, bytes, columns).map_err(|error| at_line(error, number))?;
            self.watch.accept(&reader)?;
            let begins_with_a_row = reader.begins_with_a_row();
            self.reader = Some(reader);
            if !begins_with_a_row {
                return Ok(());
            }
        }
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let Ok(text) = std::str::from_utf8(bytes) else {
            let message = "a byte that is not UTF-8; save the trace as UTF-8".to_string();
            let error = TraceError { file: self.name.clone(), line: Some(number), column: None, message };
            return Err(BadRow(error).into());
        };
        if first && reader.is_header(text) {
            return Ok(());
        }
        let Some(row) = reader.read(text, number).map_err(BadRow)? else { return Ok(()) };
        let (forecasts, model, unwritten) = (self.forecasts, self.model, &mut self.unwritten);
        self.watch.push(row, &mut |watch| if forecasts { forecast(watch, model, unwritten) } else { Ok(()) })
    }

    /// The rows that the file had at first are read, and the first forecast follows them.
    fn caught_up(&mut self, console: Console) -> anyhow::Result<()> {
        if self.forecasts || self.reader.is_none() {
            return Ok(());
        }
        self.forecasts = true;
        match self.watch.missing_steps() {
            0 => forecast(&self.watch, self.model, &mut self.unwritten),
            steps => {
                console.note(&format!(
                    "{}: the first forecast follows after {}",
                    self.name,
                    counted(steps, "more step")
                ));
                Ok(())
            }
        }
    }

    fn end(&self, console: Console) -> anyhow::Result<Exit> {
        match &self.reader {
            None => anyhow::bail!("{}: the trace is empty; it needs at least a header", self.name),
            Some(_) if self.watch.missing_steps() > 0 => {
                console.note(&format!(
                    "{}: the trace ended {} before the first forecast; the model looks back {}",
                    self.name,
                    counted(self.watch.missing_steps(), "step"),
                    counted(self.model.lookback(), "step")
                ));
            }
            Some(_) => {}
        }
        Ok(Exit::Ok)
    }
}

/// Appends the forecast after the last known step, as a line of JSON.
fn forecast(watch: &Watch<'_>, model: &SavedModel, unwritten: &mut Vec<u8>) -> anyhow::Result<()> {
    if let Some(forecast) = watch.forecast() {
        serde_json::to_writer(&mut *unwritten, &ForecastDocument { model, forecast: &forecast })?;
        unwritten.push(b'\n');
    }
    Ok(())
}
