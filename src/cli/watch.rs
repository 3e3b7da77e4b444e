//! `burstlab watch`: the progress of a sweep, read from the store.

use std::time::{Duration, SystemTime};

use clap::Args;

use super::console::Console;
use super::exit_code::Exit;
use crate::spec::{ObjectiveSpec, lookup, run_label};
use crate::store::{LeadingTrial, LiveRun, Status, Store, results_folder};
use crate::text::{counted, duration, number};

/// Cells of the progress bar.
const BAR: usize = 32;
/// Errors are cut after this many characters, so that the frame stays readable; `burstlab show` prints them whole.
const ERROR_LENGTH: usize = 100;

#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// Name of the experiment
    experiment: String,
    /// Time between updates, e.g. 500ms or 5s
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    interval: Duration,
    /// Print the progress once and exit
    #[arg(long)]
    once: bool,
}

pub(super) fn watch(args: &WatchArgs, console: Console) -> anyhow::Result<Exit> {
    let mut shown = String::new();
    let mut was_stopped = false;
    loop {
        // The store is opened for each update and closed at once, so that no snapshot is held that the writer must keep.
        let frame = Frame::read(&mut Store::open_read_only(&results_folder())?, &args.experiment)?;
        let text = frame.to_text(SystemTime::now());
        if text != shown {
            if !console.frame(&text) {
                return Ok(Exit::Ok);
            }
            shown = text;
        }
        // A supervisor that has just begun may not hold its lock yet, so one look is not enough.
        if args.once || frame.is_over() || was_stopped && frame.is_stopped() {
            return Ok(Exit::Ok);
        }
        was_stopped = frame.is_stopped();
        std::thread::sleep(args.interval);
    }
}

/// The state of a sweep at one moment.
struct Frame {
    experiment: String,
    axes: Vec<String>,
    objective: ObjectiveSpec,
    /// Number of runs by status.
    counts: Vec<(Status, usize)>,
    running: Vec<LiveRun>,
    ended: Vec<LiveRun>,
    /// The best trial so far.
    best: Option<LeadingTrial>,
    /// Whether a supervisor works on the store.
    supervised: bool,
    /// Mean seconds of a finished run.
    mean_wall_s: Option<f64>,
}

impl Frame {
    fn read(store: &mut Store, name: &str) -> anyhow::Result<Self> {
        let experiment = store.revision(name)?;
        let revision = &experiment.id();
        let objective: ObjectiveSpec = serde_json::from_str(&experiment.objective)?;
        let axes: Vec<String> = serde_json::from_str(&experiment.axes)?;
        let mut counts = Status::ALL.map(|status| (status, 0)).to_vec();
        for status in store.statuses(revision)?.values() {
            if let Some((_, count)) = counts.iter_mut().find(|(known, _)| known == status) {
                *count += 1;
            }
        }
        let ended = store.last_ended_runs(revision)?;
        let walls: Vec<f64> = ended.iter().filter_map(|run| run.wall_s).collect();
        Ok(Self {
            experiment: experiment.reference(),
            running: store.running_runs(revision)?,
            mean_wall_s: (!walls.is_empty()).then(|| walls.iter().sum::<f64>() / walls.len() as f64),
            ended,
            axes,
            best: store.leading_trial(revision, &objective)?,
            supervised: store.is_supervised()?,
            objective,
            counts,
        })
    }

    fn count(&self, status: Status) -> usize {
        self.counts.iter().find(|(known, _)| *known == status).map_or(0, |(_, count)| *count)
    }

    /// Whether nothing is left to run.
    fn is_over(&self) -> bool {
        self.count(Status::Planned) + self.count(Status::Running) == 0
    }

    /// Whether something is left to run and nobody runs it.
    fn is_stopped(&self) -> bool {
        !self.is_over() && !self.supervised
    }

    fn to_text(&self, now: SystemTime) -> String {
        let total: usize = self.counts.iter().map(|(_, count)| count).sum();
        let settled = total - self.count(Status::Planned) - self.count(Status::Running);
        let filled = (settled * BAR).checked_div(total).unwrap_or(0);
        let bar = format!("{}{}", "█".repeat(filled), "░".repeat(BAR - filled));
        let counts: Vec<String> = self
            .counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(status, count)| format!("{count} {}", status.as_str().replace('_', " ")))
            .collect();
        let mut lines =
            vec![format!("{}  {bar}  {}: {}", self.experiment, counted(total, "run"), counts.join(", "))];
        lines.extend(self.running.iter().map(|run| self.running_line(run, now)));
        if self.is_stopped() {
            lines.push("the sweep was stopped; `burstlab run` continues it".to_string());
        }
        lines.extend(self.ended.iter().map(|run| self.ended_line(run)));
        if let Some(best) = &self.best {
            let label = run_label(&best.params, &self.axes);
            let what = format!("{} {}", self.objective.part.as_str(), self.objective.metric.as_str());
            let over = match (best.done, best.runs) {
                (1, 1) => String::new(),
                (done, runs) if done == runs => format!(", the mean of {runs} runs"),
                (done, runs) => format!(", the mean of {done} of {runs} runs"),
            };
            lines.push(format!("   best  {label}: {what} {}{over}", number(best.objective)));
        }
        if let Some(left) = self.left_s() {
            lines.push(format!("about {} left", duration(left)));
        }
        lines.join("\n")
    }

    /// Seconds left if the next runs take as long as the last ones.
    fn left_s(&self) -> Option<f64> {
        let waiting = self.count(Status::Planned) as f64;
        let slots = self.running.len() as f64;
        (waiting > 0.0 && slots > 0.0).then(|| Some(self.mean_wall_s? * (waiting / slots).ceil()))?
    }

    fn running_line(&self, run: &LiveRun, now: SystemTime) -> String {
        let started = humantime::parse_rfc3339(&run.started_at).ok();
        let elapsed = started.and_then(|started| now.duration_since(started).ok());
        let elapsed =
            elapsed.map_or(String::new(), |time| format!("  {}", duration(time.as_secs_f64().floor())));
        let epochs =
            lookup(&run.params, "training.epochs").map_or(String::new(), |total| format!("/{total}"));
        let epoch = run.epoch.map_or(String::new(), |(epoch, loss)| {
            format!("  epoch {epoch}{epochs}  validation loss {}", number(loss))
        });
        let dead =
            if run.alive { "" } else { "  its supervisor is gone; the next `burstlab run` runs it again" };
        format!("running  {}  {}{elapsed}{epoch}{dead}", self.title(run), run.device)
    }

    fn ended_line(&self, run: &LiveRun) -> String {
        let wall = run.wall_s.map_or(String::new(), |wall_s| format!(" in {}", duration(wall_s)));
        let error = run.error.as_deref().map_or(String::new(), |error| {
            let line = error.lines().next().unwrap_or_default();
            let cut: String = line.chars().take(ERROR_LENGTH).collect();
            format!(": {cut}{}", if cut.len() < error.len() { " ..." } else { "" })
        });
        format!("{:>7}  {}{wall}{error}", run.status.as_str().replace('_', " "), self.title(run))
    }

    fn title(&self, run: &LiveRun) -> String {
        let seed = run.seed.map_or(String::new(), |seed| format!(" seed={seed}"));
        format!("{}{seed}", run_label(&run.params, &self.axes))
    }
}
