//! `burstlab predict --watch`: a forecast after each new step of a trace that grows.

use std::io::ErrorKind;

use super::console::Console;
use super::exit_code::Exit;
use super::predict::PredictArgs;
use crate::dataset::{PrepareError, RowReader, TraceError};
use crate::predict::{Document, Event, Lines, SavedModel, Watch};
use crate::system::interrupt;

/// Lines are handed over when so many bytes have come together, or when there is nothing left to read.
const BLOCK: usize = 1 << 16;

pub(super) fn follow(args: &PredictArgs, model: &SavedModel, console: Console) -> anyhow::Result<Exit> {
    interrupt::end_at_once(move || console.finish_lines(), Exit::Interrupted as u8)?;
    let mut lines = if args.reads_input() { Lines::of_input() } else { Lines::of_growing(&args.trace)? };
    let mut follower = Follower {
        name: if args.reads_input() {
            "standard input".to_string()
        } else {
            args.trace.display().to_string()
        },
        model,
        watch: model.watch(args.steps as usize),
        reader: None,
        speaks: args.reads_input() || args.from_start,
        replaced: false,
        printed: Vec::with_capacity(2 * BLOCK),
    };
    let horizon = model.saved().spec.task.horizon();
    if model.offsets().is_some() && args.steps as usize > horizon {
        console.note(&format!(
            "no interval beyond step {horizon}: forecasts that are fed back have some only without --watch, from a backtest"
        ));
    }
    loop {
        let event = lines.next_event()?;
        if event == Event::Dry {
            follower.caught_up(console)?;
        }
        if matches!(event, Event::Dry | Event::End) || follower.printed.len() >= BLOCK {
            match console.lines(&follower.printed) {
                // Whoever read the forecasts has closed the pipe, as `head` does: it has all it wants.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Exit::Ok),
                written => written?,
            }
            follower.printed.clear();
        }
        match event {
            Event::Line(line) => {
                let number = lines.number();
                match follower.line(lines.text(line), number) {
                    Err(error) if args.skip_bad_rows && is_bad_row(&error) => {
                        console.note(&format!("skipped: {error:#}"));
                    }
                    done => done.inspect_err(|_| {
                        // What was forecast before the fault is not lost; a closed pipe is no worse than the fault.
                        let _ = console.lines(&follower.printed);
                    })?,
                }
            }
            Event::Dry => {}
            Event::Replaced => {
                console.note(&format!(
                    "{}: the file was cut short or replaced; reading its beginning",
                    follower.name
                ));
                follower.replaced = true;
            }
            Event::End => return follower.end(console),
        }
    }
}

/// A row that is malformed, below a header that is not.
fn is_bad_row(error: &anyhow::Error) -> bool {
    error.downcast_ref::<BadRow>().is_some()
}

/// A malformed row; the next one may be sound.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BadRow(TraceError);

/// The first line that is not blank need not be line 1.
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
    /// Whether steps are forecast from; the rows that a file holds at first are the history only.
    speaks: bool,
    /// Whether the next line is the first one of another file.
    replaced: bool,
    /// Forecasts that are not handed over yet.
    printed: Vec<u8>,
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
        let (speaks, model, printed) = (self.speaks, self.model, &mut self.printed);
        self.watch.push(row, &mut |watch| if speaks { print(watch, model, printed) } else { Ok(()) })
    }

    /// The rows that the file held are read: what follows them is the first forecast.
    fn caught_up(&mut self, console: Console) -> anyhow::Result<()> {
        if self.speaks || self.reader.is_none() {
            return Ok(());
        }
        self.speaks = true;
        match self.watch.lacking() {
            0 => print(&self.watch, self.model, &mut self.printed),
            steps => {
                console.note(&format!("{}: the first forecast follows after {steps} more steps", self.name));
                Ok(())
            }
        }
    }

    fn end(&self, console: Console) -> anyhow::Result<Exit> {
        match &self.reader {
            None => anyhow::bail!("{}: there is no trace: not even a header", self.name),
            Some(_) if self.watch.lacking() > 0 => {
                console.note(&format!(
                    "{}: {} more steps were needed for a forecast: the model looks back {}",
                    self.name,
                    self.watch.lacking(),
                    self.model.lookback()
                ));
            }
            Some(_) => {}
        }
        Ok(Exit::Ok)
    }
}

fn print(watch: &Watch<'_>, model: &SavedModel, printed: &mut Vec<u8>) -> anyhow::Result<()> {
    if let Some(forecast) = watch.forecast() {
        serde_json::to_writer(&mut *printed, &Document { model, forecast: &forecast })?;
        printed.push(b'\n');
    }
    Ok(())
}
