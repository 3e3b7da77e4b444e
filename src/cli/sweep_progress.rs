//! The progress of a sweep that this process runs: a view that is drawn again and again on a terminal, plain lines elsewhere.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::console::{Console, DrawnOn};
use super::standings::Standings;
use super::sweep_view::{FailureLine, NAMED_FAILURES, RETRY, RunningLine, SettlePace, SweepView};
use crate::engine::Sweep;
use crate::engine::local::{Awaited, Progress, Spent};
use crate::plan::Run;
use crate::spec::ObjectiveSpec;
use crate::store::{RunResult, Status};
use crate::text::{counted, duration, number};
use crate::train::Epoch;

/// Time between two drawings.
const TICK: Duration = Duration::from_millis(100);
/// Bytes of an error beyond which it is not repeated line after line: the runs of a pack fail together, all with the same one.
const LONG_ERROR: usize = 80;
/// Runs that are named when a stop waits for them.
const NAMED: usize = 3;

/// The progress of a sweep.
pub(super) struct SweepProgress {
    console: Console,
    started: Instant,
    total: usize,
    finished: usize,
    objective: ObjectiveSpec,
    view: Option<DrawnView>,
    /// The error of the line above, if it tells one.
    last_error: String,
}

/// A view on a terminal, and the thread that draws it.
struct DrawnView {
    state: Arc<Mutex<ViewState>>,
    end: Sender<()>,
    drawer: Option<JoinHandle<()>>,
}

/// What the view is made from.
struct ViewState {
    started: Instant,
    view: SweepView,
    slots: Vec<Option<SlotState>>,
    /// Runs of the failures in the view, in their order.
    failed: Vec<String>,
    standings: Standings,
    has_news: bool,
    pace: SettlePace,
}

struct SlotState {
    since: Instant,
    line: RunningLine,
}

impl SweepProgress {
    /// The progress of `total` runs of a sweep.
    pub(super) fn new(console: Console, sweep: &Sweep, total: usize, slots: usize) -> Self {
        let started = Instant::now();
        let view = (console.is_live() && total > 0)
            .then(|| DrawnView::start(ViewState::new(sweep, total, slots, started), console));
        let objective = sweep.experiment.spec.search.objective.clone();
        let (view, last_error) = (view.flatten(), String::new());
        Self { console, started, total, finished: 0, objective, view, last_error }
    }

    /// Ends the view, of which only the failures stay, and returns the seconds since the start.
    pub(super) fn finish(mut self) -> f64 {
        if let Some(view) = self.view.take() {
            let state = view.state.clone();
            drop(view);
            let state = lock(&state);
            for line in state.view.failure_lines(self.console.error_width(), NAMED_FAILURES + 1) {
                self.console.note_line(&line);
            }
        }
        self.started.elapsed().as_secs_f64()
    }

    fn update(&self, change: impl FnOnce(&mut ViewState)) {
        if let Some(view) = &self.view {
            change(&mut lock(&view.state));
        }
    }

    /// A line, where there is no view.
    fn line(&self, text: impl FnOnce() -> String) {
        if self.view.is_none() {
            self.console.note(&text());
        }
    }

    /// Something to say beside the runs.
    fn notice(&self, text: String) {
        self.line(|| text.clone());
        self.update(|state| {
            state.view.is_stopping = true;
            state.view.notices = vec![text];
        });
    }

    fn advance(&mut self) -> String {
        self.finished += 1;
        let width = self.total.to_string().len();
        format!("[{:>width$}/{}]", self.finished, self.total)
    }
}

impl DrawnView {
    /// Nothing without a thread to draw it.
    fn start(state: ViewState, console: Console) -> Option<Self> {
        let state = Arc::new(Mutex::new(state));
        let (end, ended) = channel();
        let drawn = state.clone();
        let draw = move || {
            while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                console.draw(DrawnOn::Error, |size| lock(&drawn).current().lines(size.columns, size.rows));
            }
        };
        let drawer = std::thread::Builder::new().name("view".to_string()).spawn(draw).ok()?;
        Some(Self { state, end, drawer: Some(drawer) })
    }
}

impl Drop for DrawnView {
    fn drop(&mut self) {
        // A drawer that is gone already needs no word, and one that panicked has left nothing to wait for.
        let _ = self.end.send(());
        if let Some(drawer) = self.drawer.take() {
            let _ = drawer.join();
        }
        Console::erase_view();
    }
}

fn lock(state: &Mutex<ViewState>) -> MutexGuard<'_, ViewState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ViewState {
    fn new(sweep: &Sweep, total: usize, slots: usize, started: Instant) -> Self {
        let standings = Standings::of(sweep);
        let view = SweepView {
            name: sweep.experiment.spec.name.clone(),
            total,
            objective: standings.objective(),
            ..SweepView::default()
        };
        let slots = (0..slots).map(|_| None).collect();
        let pace = SettlePace::default();
        Self { started, view, slots, failed: Vec::new(), standings, has_news: true, pace }
    }

    /// The view as it is now.
    fn current(&mut self) -> &SweepView {
        let elapsed_s = self.started.elapsed().as_secs_f64();
        self.view.elapsed_s = Some(elapsed_s);
        self.view.per_minute = self.pace.per_minute(elapsed_s);
        if std::mem::take(&mut self.has_news) {
            self.view.leaders = self.standings.leaders();
        }
        let line = |slot: &SlotState| RunningLine {
            elapsed_s: Some(slot.since.elapsed().as_secs_f64()),
            ..slot.line.clone()
        };
        self.view.running = self.slots.iter().flatten().map(line).collect();
        &self.view
    }

    fn begin(&mut self, slot: usize, run: &Run) {
        let line = RunningLine { title: title(run), elapsed_s: None, epoch: None, loss: None, trouble: None };
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(SlotState { since: Instant::now(), line });
        }
    }

    fn free(&mut self, slot: usize) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = None;
        }
    }

    /// A run is over; what was said of its earlier attempts has no meaning any more.
    fn settle(&mut self, run: &Run) {
        self.forget(run);
        self.pace.settle(self.started.elapsed().as_secs_f64());
    }

    fn forget(&mut self, run: &Run) {
        if let Some(at) = self.failed.iter().position(|failed| *failed == run.id) {
            self.failed.remove(at);
            self.view.failures.remove(at);
        }
    }

    fn fail(&mut self, run: &Run, word: &str, reason: String) {
        self.forget(run);
        if self.failed.len() == NAMED_FAILURES {
            self.failed.remove(0);
            self.view.failures.remove(0);
        }
        self.failed.push(run.id.clone());
        self.view.failures.push(FailureLine { word: word.to_string(), title: title(run), reason });
    }
}

/// The title of a run in progress lines.
fn title(run: &Run) -> String {
    let seed = run.seed.map_or(String::new(), |seed| format!(" seed={seed}"));
    let fold = if run.spec.split.folds > 1 { format!(" fold={}", run.fold) } else { String::new() };
    format!("{}{seed}{fold}", run.label)
}

/// An error as a line tells it below one that tells `last`.
fn told_once<'a>(last: &mut String, error: &'a str) -> &'a str {
    if error.len() > LONG_ERROR && error == last {
        return "the same error as above";
    }
    error.clone_into(last);
    error
}

impl Progress for SweepProgress {
    fn started(&mut self, slot: usize, run: &Run) {
        self.update(|state| state.begin(slot, run));
    }

    fn epoch(&mut self, slot: usize, run: &Run, epoch: &Epoch) {
        let total = run.spec.training.epochs;
        self.update(|state| {
            if let Some(SlotState { line, .. }) = state.slots.get_mut(slot).and_then(Option::as_mut) {
                line.epoch = Some(format!("epoch {}/{total}", epoch.epoch));
                line.loss = Some(epoch.valid_loss);
            }
        });
    }

    fn done(&mut self, slot: usize, run: &Run, result: &RunResult) {
        let position = self.advance();
        self.last_error.clear();
        self.line(|| {
            let value = result.metrics.iter().find(|metric| {
                self.objective.matches(&metric.part, &metric.target, &metric.unit, &metric.name)
            });
            let value = value.map_or(String::new(), |metric| {
                format!(", {} {}", self.objective.in_words(), number(metric.value))
            });
            format!("{position} done {} in {:.1} s{value}", title(run), result.wall_s)
        });
        self.update(|state| {
            state.free(slot);
            state.settle(run);
            state.view.settled.done += 1;
            state.standings.done(run, result);
            state.has_news = true;
        });
    }

    fn elsewhere(&mut self, run: &Run) {
        self.update(|state| {
            state.settle(run);
            state.view.settled.done += 1;
        });
    }

    fn pruned(&mut self, slot: usize, run: &Run, verdict: &str) {
        let position = self.advance();
        self.last_error.clear();
        self.line(|| format!("{position} pruned {} at {verdict}", title(run)));
        self.update(|state| {
            state.free(slot);
            state.settle(run);
            state.view.settled.pruned += 1;
        });
    }

    fn ended(&mut self, slot: usize, run: &Run, status: Status, error: &str, again: Option<&str>) {
        let position = if again.is_some() { String::new() } else { format!("{} ", self.advance()) };
        let next = again.map_or(String::new(), |again| format!("; {again}"));
        let told = told_once(&mut self.last_error, error);
        self.line(|| format!("{position}{} {}: {told}{next}", status.as_str(), title(run)));
        self.update(|state| {
            state.free(slot);
            match (status, again) {
                (_, Some(_)) => state.fail(run, RETRY, format!("{error}{next}")),
                (Status::Interrupted, None) => state.view.interrupted += 1,
                (_, None) => {
                    state.settle(run);
                    state.view.settled.failed += 1;
                    state.fail(run, &status.as_str().replace('_', " "), error.to_string());
                }
            }
        });
    }

    fn spent(&mut self, spent: Spent, running: usize) {
        let budget = match spent {
            Spent::Runs => "--max-runs is reached",
            Spent::Time => "--max-time is over",
        };
        self.notice(format!(
            "{budget}: {} still running will be finished, and none will be started",
            counted(running, "run")
        ));
    }

    fn planned(&mut self, runs: usize) {
        self.total += runs;
        let total = self.total;
        self.update(|state| state.view.total = total);
    }

    fn stopping(&mut self, awaited: &[Awaited<'_>]) {
        if awaited.is_empty() {
            self.notice("stopping: nothing is running, and nothing will be started".to_string());
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
        self.notice(format!(
            "stopping: {} still running will be finished first ({}{more}); {left}; press Ctrl-C again to stop now",
            counted(awaited.len(), "run"),
            named.join(", ")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_error_is_told_once_where_the_runs_of_a_pack_share_it() {
        let mut last = String::new();
        let long = "can't allocate a buffer; ".repeat(10);
        assert_eq!(told_once(&mut last, &long), long);
        assert_eq!(told_once(&mut last, &long), "the same error as above");
        for short in ["took longer than 1s", "took longer than 1s", &long] {
            assert_eq!(told_once(&mut last, short), short);
        }
    }
}
