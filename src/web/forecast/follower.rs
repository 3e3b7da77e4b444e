//! The thread that owns the model: it takes rows in, as they come from a file, a pipe or requests, and publishes the forecast.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use anyhow::Context;

use super::ForecastSettings;
use super::published::{Intake, Shared, TakenIn};
use crate::dataset::{TraceSource, file_not_followed, open_pipe};
use crate::predict::{BadRow, LineEvent, LineReader, LiveForecast, ReplicaPlan, SavedModel};
use crate::text::{causes, counted};

/// Requests with rows that may wait for the thread.
const WAITING: usize = 8;
/// Bytes of lines that are given on at once.
const BLOCK: usize = 1 << 18;

/// The thread before it starts.
pub struct TraceFollower {
    shared: Arc<Shared>,
    rows: RowSource,
    model: SavedModel,
    plan: Option<ReplicaPlan>,
    name: String,
    steps: usize,
    skips_bad_rows: bool,
}

/// Where rows come from.
enum RowSource {
    /// A file that grows.
    File { path: PathBuf, lines: LineReader },
    /// A pipe, and requests.
    Intake { pipe: LineReader, sender: SyncSender<Intake>, receiver: Receiver<Intake> },
}

impl TraceFollower {
    /// A thread that is not started yet, and what it shares with requests.
    ///
    /// # Errors
    /// A trace that cannot be opened, or is a file whose rows cannot be followed.
    pub fn new(settings: ForecastSettings) -> anyhow::Result<(Self, Arc<Shared>)> {
        let ForecastSettings { model, plan, source, steps, stale_after, skips_bad_rows, .. } = settings;
        let name = source.name();
        let (rows, intake) = match source {
            TraceSource::File(path) => {
                require_rows(&path, &name, &model)?;
                let lines = LineReader::of_growing(&path)?;
                (RowSource::File { path, lines }, None)
            }
            TraceSource::Pipe(path) => {
                let pipe = open_pipe(&path).with_context(|| format!("cannot open {name}"))?;
                let (sender, receiver) = sync_channel(WAITING);
                let intake = sender.clone();
                (RowSource::Intake { pipe: LineReader::of_pipe(pipe), sender, receiver }, Some(intake))
            }
            TraceSource::Synthetic => anyhow::bail!("{name} is not a file"),
        };
        let shared = Arc::new(Shared::new(stale_after, intake));
        Ok((Self { shared: shared.clone(), rows, model, plan, name, steps, skips_bad_rows }, shared))
    }

    /// Starts the thread, which ends with the program or when the trace cannot be followed any more.
    ///
    /// # Errors
    /// A system without another thread.
    pub fn start(self, note: impl Fn(&str) + Send + 'static) -> anyhow::Result<()> {
        let Self { shared, rows, model, plan, name, steps, skips_bad_rows } = self;
        let rows = match rows {
            RowSource::File { path, lines } => OpenRows::File { path, lines },
            RowSource::Intake { pipe, sender, receiver } => {
                start_thread("pipe", move || read_pipe(pipe, &sender))?;
                OpenRows::Intake(receiver)
            }
        };
        start_thread("follower", move || {
            let alarm = Alarm(shared);
            let shared = &*alarm.0;
            let live = LiveForecast::new(&model, &name, steps, plan);
            let mut thread =
                FollowerThread { live, shared, name: &name, skips_bad_rows, note, published: None };
            let followed = match rows {
                OpenRows::File { path, lines } => thread.follow_file(lines, &path),
                OpenRows::Intake(receiver) => thread.follow_intake(&receiver),
            };
            if let Err(error) = followed {
                shared.fail(error);
            }
        })
    }
}

/// Refuses a file of a kind that cannot be followed.
fn require_rows(path: &Path, name: &str, model: &SavedModel) -> anyhow::Result<()> {
    let columns = model.saved().spec.dataset.columns.as_ref();
    let kind = file_not_followed(path, columns).with_context(|| format!("cannot open {}", path.display()))?;
    match kind {
        None => Ok(()),
        Some(kind) => anyhow::bail!(
            "{name}: this is {kind}; let serve follow CSV or JSON lines that are written as the load comes, or forecast this file \
             once with `burstlab predict`"
        ),
    }
}

/// Where the thread takes rows from.
enum OpenRows {
    File { path: PathBuf, lines: LineReader },
    Intake(Receiver<Intake>),
}

fn start_thread(name: &str, work: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let thread = std::thread::Builder::new().name(name.to_string()).spawn(work);
    thread.map(drop).context("cannot start a thread")
}

/// Gives the lines of a pipe to the thread that owns the model, until the pipe ends: requests may bring rows still.
fn read_pipe(mut pipe: LineReader, sender: &SyncSender<Intake>) {
    let (mut text, mut first) = (Vec::new(), 1);
    loop {
        let event = match pipe.next_event() {
            Ok(event) => event,
            Err(error) => {
                // Nobody is there to be told where the receiver is gone.
                let _ = sender.send(Intake::Broken(error));
                return;
            }
        };
        let has_ended = event == LineEvent::End;
        let is_pause = has_ended || event == LineEvent::CaughtUp;
        if let LineEvent::Line(line) = event {
            text.extend_from_slice(pipe.text(line));
            text.push(b'\n');
        }
        if text.len() >= BLOCK || is_pause && !text.is_empty() {
            let lines = Intake::Lines { text: std::mem::take(&mut text), first };
            if sender.send(lines).is_err() {
                return;
            }
            first = pipe.number() + 1;
        }
        if has_ended {
            return;
        }
    }
}

/// Tells of a thread that a bug has ended: without it, old forecasts would be served for ever.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(anyhow::anyhow!(
                "the thread that follows the trace has ended; this is a bug in burstlab"
            ));
        }
    }
}

/// The thread while it runs.
struct FollowerThread<'a, N> {
    live: LiveForecast<'a>,
    shared: &'a Shared,
    name: &'a str,
    skips_bad_rows: bool,
    note: N,
    /// Rows that were known at the last publication; none before the first.
    published: Option<u64>,
}

impl<N: Fn(&str)> FollowerThread<'_, N> {
    /// Follows a file for ever.
    fn follow_file(&mut self, mut lines: LineReader, path: &Path) -> anyhow::Result<()> {
        loop {
            match lines.next_event()? {
                LineEvent::Line(line) => {
                    let number = lines.number();
                    self.line(lines.text(line), number)?;
                }
                // The rows that are there at first are as old as the file.
                LineEvent::CaughtUp if self.published.is_none() => {
                    if let Some(line) = lines.unfinished() {
                        (self.note)(&format!(
                            "{}: line {line} has no line end yet; it is read once it has one",
                            self.name
                        ));
                    }
                    self.publish(age_of(path));
                }
                LineEvent::CaughtUp => self.publish(Duration::ZERO),
                LineEvent::Replaced => {
                    (self.note)(&format!(
                        "{}: the file was cut short or replaced; reading it from the beginning",
                        self.name
                    ));
                    self.live.begin_again();
                }
                LineEvent::End => return Ok(()),
            }
        }
    }

    /// Takes in the lines of a pipe and the rows of requests.
    fn follow_intake(&mut self, receiver: &Receiver<Intake>) -> anyhow::Result<()> {
        self.publish(Duration::ZERO);
        for intake in receiver {
            match intake {
                Intake::Request { text, reply } => {
                    let taken = self.live.take_all(&text, "the request");
                    if taken.is_ok() {
                        self.publish(Duration::ZERO);
                    }
                    let (known_steps, missing_steps) = (self.live.known_steps(), self.live.missing_steps());
                    // A client that has gone does not undo what its rows have changed.
                    let _ = reply.send(taken.map(|rows| TakenIn { rows, known_steps, missing_steps }));
                }
                Intake::Lines { text, first } => {
                    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
                        self.line(line.strip_suffix(b"\n").unwrap_or(line), first + index)?;
                    }
                    self.publish(Duration::ZERO);
                }
                Intake::Broken(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], number: usize) -> anyhow::Result<()> {
        match self.live.line(line, number) {
            Err(error) if self.skips_bad_rows && error.is::<BadRow>() => {
                (self.note)(&format!("skipped: {}", causes(&error)));
                self.live.skip_row();
                Ok(())
            }
            taken => taken,
        }
    }

    /// Publishes what is known; `age` is that of the newest row, where one has come.
    fn publish(&mut self, age: Duration) {
        let rows = self.live.rows();
        let has_news = rows > self.published.unwrap_or(0);
        if self.published.is_none() && self.live.missing_steps() > 0 {
            let missing = counted(self.live.missing_steps(), "more step");
            (self.note)(&format!("{}: the first forecast follows after {missing}", self.name));
        }
        self.published = Some(rows);
        self.shared.publish(self.live.publish(), has_news.then_some(age));
    }
}

/// How long ago a file was written.
fn age_of(path: &Path) -> Duration {
    let written = std::fs::metadata(path).and_then(|file| file.modified());
    // A clock that was set back makes nothing older.
    written.ok().and_then(|written| SystemTime::now().duration_since(written).ok()).unwrap_or_default()
}
