//! The only place that prints: results on standard output, everything else on standard error.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::engine::local::{Awaited, Progress, Spent};
use crate::plan::Run;
use crate::spec::ExperimentError;
use crate::store::{RunResult, Status};
use crate::text::{causes, counted, duration, number};
use crate::train::Epoch;

/// Runs that are named when a stop waits for them.
const NAMED: usize = 3;

/// Held while something is written, so that an interrupt does not cut a line.
static OUTPUT: Mutex<Output> = Mutex::new(Output::Open);

/// Standard output, as far as it is known.
enum Output {
    /// Everything so far was written.
    Open,
    /// Its reader has closed the pipe, as `head` does, and needs nothing more.
    Closed,
    /// Something could not be written.
    Failed(std::io::Error),
}

/// Results that could not be written to standard output.
///
/// The cause is in the text alone: what helps against a full disk of results does not help here.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output, so the results there are not complete: {0}")]
pub struct OutputError(String);

/// The terminal: whether it shows colours and progress bars.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    colour: bool,
    live: bool,
}

impl Console {
    /// Looks at the terminal and at `NO_COLOR`.
    pub fn detect() -> Self {
        let live = std::io::stderr().is_terminal();
        let colour = live && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colour, live }
    }

    /// Characters that a line of a table may have: those of the terminal, or any number where nobody looks.
    pub fn width(self) -> usize {
        console::Term::stdout().size_checked().map_or(usize::MAX, |(_, columns)| usize::from(columns))
    }

    /// A result, on standard output. What cannot be written there is told by [`Self::end`].
    pub fn result(self, text: &str) {
        self.lines(format!("{}\n", text.strip_suffix('\n').unwrap_or(text)).as_bytes());
    }

    /// Whole lines of results, written at once; false when nothing more can be written, since the reader is gone or
    /// something was lost.
    pub fn lines(self, bytes: &[u8]) -> bool {
        write_output(|| {
            let mut out = std::io::stdout().lock();
            out.write_all(bytes)?;
            out.flush()
        })
    }

    /// A long result: through a pager (`PAGER`, or `less`) where standard output is a terminal that it does not fit.
    pub fn page(self, text: &str) {
        let term = console::Term::stdout();
        let rows = term.size_checked().map_or(usize::MAX, |(rows, _)| usize::from(rows));
        if !term.is_term() || text.lines().count() < rows || !through_pager(text) {
            self.result(text);
        }
    }

    /// Bytes that are no text, on standard output.
    ///
    /// # Errors
    /// A terminal, which cannot show them.
    pub fn bytes(self, bytes: &[u8]) -> Result<(), String> {
        if std::io::stdout().is_terminal() {
            return Err("this format is not text; write it to a file, e.g. with > runs.parquet".to_string());
        }
        self.lines(bytes);
        Ok(())
    }

    /// A view that replaces the previous one on a terminal, and is printed after it elsewhere; false as in
    /// [`Self::lines`].
    pub fn frame(self, text: &str) -> bool {
        // Moving the cursor home and clearing to the end does not flicker, unlike clearing everything first.
        let over = if std::io::stdout().is_terminal() { "\u{1b}[H\u{1b}[J" } else { "" };
        self.lines(format!("{over}{text}\n").as_bytes())
    }

    /// Help, the version, or what is wrong with the arguments, as clap prints it.
    pub fn usage(self, message: &clap::Error) {
        if message.use_stderr() {
            let _ = message.print();
        } else {
            write_output(|| message.print().and_then(|()| std::io::stdout().flush()));
        }
    }

    /// Ends the output.
    ///
    /// # Errors
    /// Results that could not be written. A reader that has closed the pipe wanted no more of them.
    pub fn end(self) -> Result<(), OutputError> {
        let mut output = OUTPUT.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *output, Output::Open) {
            Output::Failed(error) => Err(OutputError(error.to_string())),
            Output::Open | Output::Closed => Ok(()),
        }
    }

    /// Waits until the lines that are being written are complete, but not for a reader that has stopped reading.
    pub fn finish_lines(self) {
        for _ in 0..100 {
            if OUTPUT.try_lock().is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A note, on standard error.
    pub fn note(self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Asks a question that is answered with yes or no; `None` where no person is at a terminal.
    pub fn ask(self, question: &str) -> Option<bool> {
        if !(std::io::stdin().is_terminal() && self.live) {
            return None;
        }
        let _ = write!(std::io::stderr(), "{question} [y/N] ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).ok()?;
        Some(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// An error, on standard error; an error in an experiment file is shown with its place.
    pub fn error(self, error: &anyhow::Error) {
        match error.downcast_ref::<ExperimentError>() {
            Some(error) => self.note(&error.render(self.colour)),
            None => self.note(&format!("{}: {}", self.paint("error", "1;31"), causes(error))),
        }
    }

    fn paint(self, text: &str, code: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }

    /// Progress of a sweep of `total` runs: a line for each slot and a bar on a terminal, plain lines elsewhere.
    pub fn sweep(self, total: usize, slots: usize) -> SweepProgress {
        SweepProgress::new(self, total, slots)
    }

    /// Progress of a download: a bar on a terminal, nothing elsewhere.
    pub fn download(self) -> DownloadProgress {
        let bar = if self.live { ProgressBar::no_length() } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template(
            "{bar:32} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar());
        DownloadProgress(bar.with_style(style))
    }
}

/// Shows a text in the user's pager; false where there is none.
fn through_pager(text: &str) -> bool {
    let pager = std::env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty());
    let pager = pager.unwrap_or_else(|| "less -FRSX".to_string());
    let started = Command::new("sh").args(["-c", &pager]).stdin(Stdio::piped()).spawn();
    let Ok(mut pager) = started else { return false };
    if let Some(mut input) = pager.stdin.take() {
        // A reader that has seen enough closes the pipe.
        let _ = input.write_all(text.as_bytes()).and_then(|()| input.write_all(b"\n"));
    }
    // The shell says with 127 that there is no such program.
    pager.wait().is_ok_and(|status| status.code() != Some(127))
}

/// Everything that goes to standard output goes through here.
fn write_output(write: impl FnOnce() -> std::io::Result<()>) -> bool {
    let mut output = OUTPUT.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*output, Output::Open)
        && let Err(error) = write()
    {
        *output = if error.kind() == ErrorKind::BrokenPipe { Output::Closed } else { Output::Failed(error) };
    }
    matches!(*output, Output::Open)
}

/// A size for people, such as `1.50 MiB`.
pub fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// The progress of a download; dropping it removes the bar.
pub struct DownloadProgress(ProgressBar);

impl DownloadProgress {
    /// Shows the bytes downloaded so far, of a total where that is known.
    pub fn at(&self, bytes: u64, total: Option<u64>) {
        if let Some(total) = total {
            self.0.set_length(total);
        }
        // The speed of a resumed download must not count the bytes that are there from before.
        let resumed = self.0.position() == 0;
        self.0.set_position(bytes);
        if resumed {
            self.0.reset_eta();
        }
    }
}

impl Drop for DownloadProgress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// The progress of a sweep.
pub struct SweepProgress {
    console: Console,
    started: Instant,
    total: usize,
    finished: usize,
    bars: Option<Bars>,
}

struct Bars {
    all: MultiProgress,
    overall: ProgressBar,
    slots: Vec<ProgressBar>,
}

impl SweepProgress {
    fn new(console: Console, total: usize, slots: usize) -> Self {
        let bars = (console.live && total > 0).then(|| Bars::new(total, slots));
        Self { console, started: Instant::now(), total, finished: 0, bars }
    }

    fn line(&self, text: &str) {
        match &self.bars {
            Some(bars) => {
                // Printing above the bars can only fail when the terminal is gone.
                let _ = bars.all.println(text);
            }
            None => self.console.note(text),
        }
    }

    fn slot(&self, slot: usize, text: String) {
        if let Some(bar) = self.bars.as_ref().and_then(|bars| bars.slots.get(slot)) {
            bar.set_message(text);
        }
    }

    fn advance(&mut self) -> String {
        self.finished += 1;
        if let Some(bars) = &self.bars {
            bars.overall.set_position(self.finished as u64);
        }
        let width = self.total.to_string().len();
        format!("[{:>width$}/{}]", self.finished, self.total)
    }

    /// Removes the bars and returns the seconds since the start.
    pub fn finish(self) -> f64 {
        if let Some(bars) = &self.bars {
            for bar in &bars.slots {
                bar.finish_and_clear();
            }
            bars.overall.finish_and_clear();
        }
        self.started.elapsed().as_secs_f64()
    }
}

impl Bars {
    fn new(total: usize, slots: usize) -> Self {
        let all = MultiProgress::new();
        let line = ProgressStyle::with_template("{spinner} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let slots = (0..slots)
            .map(|_| {
                let bar = all.add(ProgressBar::new_spinner().with_style(line.clone()));
                bar.enable_steady_tick(Duration::from_millis(120));
                bar.set_message("idle");
                bar
            })
            .collect();
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} runs, {elapsed} elapsed, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let overall = all.add(ProgressBar::new(total as u64).with_style(style));
        overall.enable_steady_tick(Duration::from_millis(500));
        Self { all, overall, slots }
    }
}

/// The title of a run in progress lines.
fn title(run: &Run) -> String {
    let seed = run.seed.map_or(String::new(), |seed| format!(" seed={seed}"));
    let fold = if run.spec.split.folds > 1 { format!(" fold={}", run.fold) } else { String::new() };
    format!("{}{seed}{fold}", run.label)
}

impl Progress for SweepProgress {
    fn started(&mut self, slot: usize, run: &Run) {
        self.slot(slot, title(run));
    }

    fn epoch(&mut self, slot: usize, run: &Run, epoch: &Epoch) {
        let total = run.spec.training.epochs;
        let loss = number(epoch.valid_loss);
        self.slot(slot, format!("{}  epoch {}/{total}  validation loss {loss}", title(run), epoch.epoch));
    }

    fn done(&mut self, slot: usize, run: &Run, result: &RunResult) {
        let position = self.advance();
        let mse = result
            .metrics
            .iter()
            .find(|metric| metric.part == "valid" && metric.target == "all" && metric.name == "mse");
        let mse = mse.map_or(String::new(), |metric| format!(", validation mse {}", number(metric.value)));
        let done = self.console.paint("done", "32");
        self.line(&format!("{position} {done} {} in {:.1} s{mse}", title(run), result.wall_s));
        self.slot(slot, "idle".to_string());
    }

    fn ended(&mut self, slot: usize, run: &Run, status: Status, error: &str, again: Option<&str>) {
        let position = if again.is_some() { String::new() } else { format!("{} ", self.advance()) };
        let what = self.console.paint(status.as_str(), "31");
        let next = again.map_or(String::new(), |again| format!("; {again}"));
        self.line(&format!("{position}{what} {}: {error}{next}", title(run)));
        self.slot(slot, "idle".to_string());
    }

    fn pruned(&mut self, slot: usize, run: &Run, verdict: &str) {
        let position = self.advance();
        let pruned = self.console.paint("pruned", "33");
        self.line(&format!("{position} {pruned} {} at {verdict}", title(run)));
        self.slot(slot, "idle".to_string());
    }

    fn spent(&mut self, spent: Spent, running: usize) {
        let budget = match spent {
            Spent::Runs => "--max-runs is reached",
            Spent::Time => "--max-time is over",
        };
        self.line(&format!(
            "{budget}: {} still running will be finished, and none will be started",
            counted(running, "run")
        ));
    }

    fn planned(&mut self, runs: usize) {
        self.total += runs;
        if let Some(bars) = &self.bars {
            bars.overall.set_length(self.total as u64);
        }
    }

    fn stopping(&mut self, awaited: &[Awaited<'_>]) {
        if awaited.is_empty() {
            self.line("stopping: nothing is running, and nothing will be started");
            return;
        }
        let named: Vec<String> = awaited.iter().take(NAMED).map(|awaited| title(awaited.run)).collect();
        let more = match awaited.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        // The longest of them decides; one that nothing is known of may be that.
        let left = awaited.iter().map(|awaited| awaited.left).collect::<Option<Vec<_>>>();
        let left = left.and_then(|left| left.into_iter().max()).map_or(
            "how long that takes is not known yet, since no run like them has ended".to_string(),
            |left| format!("that may take up to {}", duration(left.as_secs_f64().ceil())),
        );
        self.line(&format!(
            "stopping: {} still running will be finished first ({}{more}); {left}; press Ctrl-C again to stop now",
            counted(awaited.len(), "run"),
            named.join(", ")
        ));
    }
}
