//! `burstlab watch`: the progress of a sweep of another process, read from the store.

use std::time::{Duration, Instant, SystemTime};

use clap::Args;

use super::console::{Console, DrawnOn};
use super::sweep_view::{FailureLine, Leader, RunningLine, Settled, SweepView};
use crate::spec::{ObjectiveSpec, lookup, run_label};
use crate::store::{LeadingTrial, LiveRun, RevisionId, SettingLeader, Status, Store, results_folder};
use crate::system::exit_code::Exit;

/// Time between two drawings: what is shown may change its width at any time.
const TICK: Duration = Duration::from_millis(100);
/// Columns of the view where nobody looks at it.
const WIDTH: usize = 200;
/// Ended runs that the pace is measured over.
const PACED: usize = 50;

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
    let is_drawn = console.draws_output() && !args.once;
    loop {
        // The store is opened for each update and closed at once, so that no snapshot is held that the writer must keep.
        let frame = Frame::read(&mut Store::open_read_only(&results_folder())?, &args.experiment)?;
        if !is_drawn {
            let text = frame.to_text(console.width().min(WIDTH));
            if text != shown && !console.lines(format!("{text}\n").as_bytes()) {
                return Ok(Exit::Ok);
            }
            shown = text;
        }
        // A supervisor that has just begun may not hold its lock yet, so one look is not enough.
        let is_last = args.once || frame.is_over() || was_stopped && frame.is_stopped();
        if is_drawn {
            frame.draw(if is_last { Duration::ZERO } else { args.interval }, console);
        } else if !is_last {
            std::thread::sleep(args.interval);
        }
        if is_last {
            console.leave_view();
            return Ok(Exit::Ok);
        }
        was_stopped = frame.is_stopped();
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
    /// The last runs that failed, the latest first.
    failed: Vec<LiveRun>,
    leaders: Vec<SettingLeader>,
    /// Trials that its search has yet to propose.
    unproposed: i64,
    /// Whether a supervisor works on the store.
    supervised: bool,
    /// What ended the last sweep early.
    stop: Option<String>,
    /// Runs that end in a minute.
    per_minute: Option<f64>,
}

impl Frame {
    fn read(store: &mut Store, name: &str) -> anyhow::Result<Self> {
        let experiment = store.revision(name)?;
        let revision = &experiment.id();
        let objective: ObjectiveSpec = serde_json::from_str(&experiment.objective)?;
        let objective = objective.on_validation();
        let axes: Vec<String> = serde_json::from_str(&experiment.axes)?;
        let mut counts = Status::ALL.map(|status| (status, 0)).to_vec();
        for status in store.statuses(revision)?.values() {
            if let Some((_, count)) = counts.iter_mut().find(|(known, _)| known == status) {
                *count += 1;
            }
        }
        Ok(Self {
            experiment: experiment.reference(),
            running: store.running_runs(revision)?,
            failed: store.last_failed_runs(revision)?,
            leaders: store.setting_leaders(revision, &objective)?,
            unproposed: experiment.unproposed,
            supervised: store.is_supervised()?,
            stop: store.last_stop(revision)?,
            per_minute: pace(store, revision)?,
            axes,
            objective,
            counts,
        })
    }

    fn count(&self, status: Status) -> usize {
        self.counts.iter().find(|(known, _)| *known == status).map_or(0, |(_, count)| *count)
    }

    /// Whether nothing is left to run.
    fn is_over(&self) -> bool {
        let left =
            self.count(Status::Planned) + self.count(Status::Running) + self.count(Status::Interrupted);
        left == 0 && self.unproposed == 0
    }

    /// Whether something is left to run and nobody runs it.
    fn is_stopped(&self) -> bool {
        let is_at_work = self.running.iter().any(|run| run.alive);
        !self.is_over() && !is_at_work && (!self.supervised || self.stop.is_some())
    }

    /// Draws it for some time, and once at least.
    fn draw(&self, time: Duration, console: Console) {
        let started = Instant::now();
        loop {
            console.draw(DrawnOn::Output, |size| self.view(SystemTime::now()).lines(size.columns, size.rows));
            let left = time.saturating_sub(started.elapsed());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(TICK));
        }
    }

    fn to_text(&self, width: usize) -> String {
        let lines = self.view(SystemTime::now()).lines(width, usize::MAX);
        lines.into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n")
    }

    fn view(&self, now: SystemTime) -> SweepView {
        let settled = Settled {
            done: self.count(Status::Done),
            pruned: self.count(Status::Pruned),
            failed: self.count(Status::Failed) + self.count(Status::TimedOut),
        };
        let notice = match &self.stop {
            _ if self.is_over() => Some("the sweep is over".to_string()),
            _ if !self.is_stopped() => None,
            Some(why) => Some(format!("the sweep was stopped: {why}; `burstlab run` continues it")),
            None => Some("the sweep was stopped; `burstlab run` continues it".to_string()),
        };
        SweepView {
            name: self.experiment.clone(),
            total: self.counts.iter().map(|(_, count)| count).sum(),
            settled,
            interrupted: self.count(Status::Interrupted),
            running: self.running.iter().map(|run| self.running_line(run, now)).collect(),
            failures: self.failed.iter().rev().map(|run| self.failure_line(run)).collect(),
            leaders: self.leaders.iter().map(|leader| self.leader(leader)).collect(),
            objective: format!("{} {}", self.objective.part.as_str(), self.objective.metric.as_str()),
            elapsed_s: None,
            per_minute: self.per_minute,
            is_stopping: self.is_stopped(),
            notices: notice.into_iter().collect(),
        }
    }

    fn running_line(&self, run: &LiveRun, now: SystemTime) -> RunningLine {
        let epochs =
            lookup(&run.params, "training.epochs").map_or(String::new(), |total| format!("/{total}"));
        RunningLine {
            title: format!("{}  {}", self.title(run), run.device),
            elapsed_s: seconds_since(&run.started_at, now),
            epoch: run.epoch.map(|(epoch, _)| format!("epoch {epoch}{epochs}")),
            loss: run.epoch.map(|(_, loss)| loss),
            trouble: (!run.alive).then_some("its supervisor is gone; the next `burstlab run` runs it again"),
        }
    }

    fn failure_line(&self, run: &LiveRun) -> FailureLine {
        let reason = run.error.clone().unwrap_or_else(|| "without a message".to_string());
        FailureLine { word: run.status.as_str().replace('_', " "), title: self.title(run), reason }
    }

    fn leader(&self, leader: &SettingLeader) -> Leader {
        let best = &leader.best;
        let label = |trial: &LeadingTrial| run_label(&trial.params, &self.axes);
        let baseline = leader.baseline.as_ref().filter(|_| !best.is_baseline);
        Leader {
            label: label(best),
            value: best.objective,
            done: usize::try_from(best.done).unwrap_or_default(),
            runs: usize::try_from(best.runs).unwrap_or_default(),
            is_baseline: best.is_baseline,
            baseline: baseline.map(|baseline| (label(baseline), baseline.objective)),
        }
    }

    fn title(&self, run: &LiveRun) -> String {
        let seed = run.seed.map_or(String::new(), |seed| format!(" seed={seed}"));
        format!("{}{seed}", run_label(&run.params, &self.axes))
    }
}

/// Runs that end in a minute, over the last that the supervisors at work have ended.
fn pace(store: &mut Store, revision: &RevisionId) -> anyhow::Result<Option<f64>> {
    let ends = store.last_ends(revision, PACED)?;
    let since = ends.last().and_then(|first| seconds_since(&first.started_at, SystemTime::now()));
    Ok(since.filter(|since| *since > 0.0).map(|since| 60.0 * ends.len() as f64 / since))
}

fn seconds_since(time: &str, now: SystemTime) -> Option<f64> {
    let time = humantime::parse_rfc3339(time).ok()?;
    now.duration_since(time).ok().map(|since| since.as_secs_f64())
}
