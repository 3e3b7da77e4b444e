//! `burstlab predict --watch`: a forecast after each new step of a growing trace.

use std::path::Path;

use anyhow::Context;

use super::console::Console;
use super::predict_args::PredictArgs;
use crate::dataset::{TraceSource, file_not_followed, open_pipe};
use crate::predict::{BadRow, ForecastDocument, LineEvent, LineReader, SavedModel, TraceFeed, Watch};
use crate::system::exit_code::Exit;
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
        TraceSource::File(path) => {
            require_rows(path, &source.name(), model)?;
            LineReader::of_growing(path)?
        }
        TraceSource::Synthetic => LineReader::of_growing(&args.trace)?,
    };
    let mut follower = Follower {
        model,
        feed: TraceFeed::new(&source.name(), model.watch(args.steps as usize)),
        forecasts: reads_once || args.from_start,
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
                    Err(error) if args.skip_bad_rows && error.is::<BadRow>() => {
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
                    follower.feed.name()
                ));
                follower.feed.begin_again();
            }
            LineEvent::End => return follower.end(console),
        }
    }
}

/// Refuses a file whose rows cannot be followed.
fn require_rows(path: &Path, name: &str, model: &SavedModel) -> anyhow::Result<()> {
    let columns = model.saved().spec.dataset.columns.as_ref();
    match file_not_followed(path, columns).with_context(|| format!("cannot open {}", path.display()))? {
        None => Ok(()),
        Some(kind) => anyhow::bail!(
            "{name}: this is {kind}; forecast it without --watch, or give --watch CSV or JSON lines that are written as the load comes"
        ),
    }
}

struct Follower<'a> {
    model: &'a SavedModel,
    feed: TraceFeed<'a>,
    /// Whether steps are followed by a forecast; the rows that the file has at first only serve as history.
    forecasts: bool,
    /// Forecasts that are not written yet.
    unwritten: Vec<u8>,
}

impl Follower<'_> {
    fn line(&mut self, bytes: &[u8], number: usize) -> anyhow::Result<()> {
        let Self { model, feed, forecasts, unwritten } = self;
        feed.line(bytes, number, &mut |watch| {
            if *forecasts { forecast(watch, model, unwritten) } else { Ok(()) }
        })?;
        Ok(())
    }

    /// The rows that the file had at first are read, and the first forecast follows them.
    fn caught_up(&mut self, console: Console) -> anyhow::Result<()> {
        if self.forecasts || self.feed.reader().is_none() {
            return Ok(());
        }
        self.forecasts = true;
        match self.feed.watch().missing_steps() {
            0 => forecast(self.feed.watch(), self.model, &mut self.unwritten),
            steps => {
                console.note(&format!(
                    "{}: the first forecast follows after {}",
                    self.feed.name(),
                    counted(steps, "more step")
                ));
                Ok(())
            }
        }
    }

    fn end(&self, console: Console) -> anyhow::Result<Exit> {
        match self.feed.reader() {
            None => anyhow::bail!("{}: the trace is empty; it needs at least a header", self.feed.name()),
            Some(_) if self.feed.watch().missing_steps() > 0 => {
                console.note(&format!(
                    "{}: the trace ended {} before the first forecast; the model looks back {}",
                    self.feed.name(),
                    counted(self.feed.watch().missing_steps(), "step"),
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
