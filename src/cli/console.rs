//! The only place that prints: results on standard output, everything else on standard error.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use console::{Term, measure_text_width};
use indicatif::{ProgressBar, ProgressStyle};

use super::live_lines::{DrawnLine, LiveLines, Size};
use super::sweep_view::{Tone, ViewLine};
use crate::spec::ExperimentError;
use crate::text::causes;

/// The least rows that a view may have, if the terminal has as many.
const VIEW_ROWS: usize = 10;

/// Held while something is written, so that an interrupt does not cut a line.
static OUTPUT: Mutex<Output> = Mutex::new(Output::Open);

/// What is drawn on the terminal at the moment. Whatever else is printed there erases it first.
static VIEW: Mutex<DrawnLines> =
    Mutex::new(DrawnLines { lines: LiveLines::new(), stream: DrawnOn::Error, seen: None });

struct DrawnLines {
    lines: LiveLines,
    stream: DrawnOn,
    /// The size of the terminal when it was last looked at.
    seen: Option<Size>,
}

/// Where something is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DrawnOn {
    Output,
    Error,
}

impl DrawnOn {
    fn term(self) -> Term {
        match self {
            DrawnOn::Output => Term::stdout(),
            DrawnOn::Error => Term::stderr(),
        }
    }

    /// The size of the terminal, if this is one.
    fn size(self) -> Option<Size> {
        let (rows, columns) = self.term().size_checked()?;
        Some(Size { rows: usize::from(rows), columns: usize::from(columns) })
    }

    /// Writes what moves the cursor and erases; it can only fail when the terminal is gone.
    fn write(self, bytes: &str) {
        match self {
            DrawnOn::Output => {
                write_output(|| {
                    let mut out = std::io::stdout().lock();
                    out.write_all(bytes.as_bytes())?;
                    out.flush()
                });
            }
            DrawnOn::Error => {
                let _ = std::io::stderr().write_all(bytes.as_bytes());
            }
        }
    }
}

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

/// The terminal: whether it shows colours, and lines that are drawn again and again.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    colour: bool,
    live: bool,
}

impl Console {
    /// Looks at the terminal and at `NO_COLOR`.
    pub fn detect() -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let live = std::io::stderr().is_terminal() && !is_dumb;
        let colour = live && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colour, live }
    }

    /// Characters that a line of a table may have: those of the terminal, or any number where nobody looks.
    pub fn width(self) -> usize {
        Term::stdout().size_checked().map_or(usize::MAX, |(_, columns)| usize::from(columns))
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
        let term = Term::stdout();
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

    /// Whether standard error is a terminal that lines can be drawn on.
    pub(super) fn is_live(self) -> bool {
        self.live
    }

    /// Whether standard output is a terminal that lines can be drawn on.
    pub fn draws_output(self) -> bool {
        DrawnOn::Output.term().is_term() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// Columns of the terminal that standard error is, or any number where nobody looks.
    pub fn error_width(self) -> usize {
        DrawnOn::Error.size().map_or(usize::MAX, |size| size.columns)
    }

    /// Draws a view in the place of the one before. The view is given the columns and the rows that it may take.
    pub(super) fn draw(self, stream: DrawnOn, view: impl FnOnce(Size) -> Vec<ViewLine>) {
        let Some(size) = stream.size() else { return };
        let mut drawn = locked_view();
        // While a window is dragged, its rows are broken again and again. That is waited for.
        if drawn.seen.replace(size).is_some_and(|seen| seen != size) {
            return;
        }
        // Of a view that is as high as the terminal, a smaller terminal would lose rows that nobody can erase.
        let rows = (size.rows / 2).max(VIEW_ROWS).min(size.rows.saturating_sub(1));
        let paint =
            |line: ViewLine| DrawnLine { columns: measure_text_width(&line.text), text: self.painted(&line) };
        let lines: Vec<DrawnLine> = view(Size { rows, ..size }).into_iter().map(paint).collect();
        drawn.stream = stream;
        let bytes = drawn.lines.draw(&lines, size);
        stream.write(&bytes);
    }

    /// Leaves the view as it is now, so that what is printed next comes below it.
    pub fn leave_view(self) {
        locked_view().lines.forget();
    }

    /// Erases the view, if there is one.
    pub(super) fn erase_view() {
        locked_view().erase();
    }

    /// A line of a view with its first word in colour.
    pub(super) fn painted(self, line: &ViewLine) -> String {
        let code = match line.tone {
            Tone::Plain => return line.text.clone(),
            Tone::Good => "32",
            Tone::Bad => "31",
        };
        let (word, rest) = line.text.split_at(line.text.find("  ").unwrap_or(line.text.len()));
        format!("{}{rest}", self.paint(word, code))
    }

    /// A line of a view as a note.
    pub(super) fn note_line(self, line: &ViewLine) {
        self.note(&self.painted(line));
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
            if let Ok(mut view) = VIEW.try_lock()
                && OUTPUT.try_lock().is_ok()
            {
                view.erase();
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A note, on standard error.
    pub fn note(self, text: &str) {
        let mut view = locked_view();
        view.erase();
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

impl DrawnLines {
    fn erase(&mut self) {
        if let Some(size) = self.stream.size() {
            let bytes = self.lines.erase(size);
            if !bytes.is_empty() {
                self.stream.write(&bytes);
            }
        }
    }
}

fn locked_view() -> MutexGuard<'static, DrawnLines> {
    VIEW.lock().unwrap_or_else(PoisonError::into_inner)
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
