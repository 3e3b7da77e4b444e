//! Commands of the user that `burstlab run` calls when an experiment has ended: `--on-finish` and `--on-failure`.

use std::io::{Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use super::console::Console;
use super::run_args::RunArgs;
use super::run_experiment::ExperimentOutcome;
use crate::spec::{ObjectiveSpec, run_label};
use crate::store::{LeadingTrial, Status, Store, results_folder};
use crate::system::exit_code::Exit;
use crate::system::interrupt;
use crate::system::process::end_group;
use crate::text::causes;

/// Pause between two looks at a command.
const LOOK: Duration = Duration::from_millis(20);
/// Longest time for a command when a signal has stopped the sweep: who sent it does not wait.
const AFTER_SIGNAL: Duration = Duration::from_secs(3);

/// How an experiment has ended, as far as the commands are told.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) experiment: String,
    pub(super) exit: Exit,
    /// The signal or the user that stopped the runs at work.
    pub(super) stopped_by: Option<String>,
    /// What ended the program.
    pub(super) error: Option<String>,
    pub(super) report: Option<PathBuf>,
    pub(super) wall_s: f64,
    /// Whether a budget is used up, which was asked for and is no failure.
    pub(super) is_budget_spent: bool,
}

impl Finished {
    /// How an experiment has ended.
    pub(super) fn of(
        experiment: String,
        outcome: &anyhow::Result<ExperimentOutcome>,
        wall: Duration,
    ) -> Self {
        let (exit, summary, report) = match outcome {
            Ok(outcome) => (exit_of(outcome), Some(&outcome.summary), outcome.report.clone()),
            Err(_) => (Exit::Other, None, None),
        };
        Self {
            experiment,
            exit,
            stopped_by: summary.and_then(|summary| summary.stopped_by).map(|signal| signal.to_string()),
            error: outcome.as_ref().err().map(causes),
            report,
            wall_s: wall.as_secs_f64(),
            is_budget_spent: summary.is_some_and(|summary| summary.spent.is_some() && !summary.stopped),
        }
    }

    /// What became of the experiment, in one word.
    fn outcome(&self) -> &'static str {
        match self.exit {
            _ if self.error.is_some() => "error",
            Exit::Interrupted if self.is_budget_spent => "budget_spent",
            Exit::Interrupted => "stopped",
            Exit::RunFailed => "failed",
            Exit::Refuted => "refuted",
            _ => "finished",
        }
    }

    fn is_failure(&self) -> bool {
        !matches!(self.outcome(), "finished" | "budget_spent")
    }

    /// What the commands read on standard input.
    fn document(&self) -> Value {
        let mut document = json!({
            "experiment": self.experiment,
            "revision": Value::Null,
            "outcome": self.outcome(),
            "exit_code": self.exit as u8,
            "stopped_by": self.stopped_by,
            "error": self.error,
            "runs": Value::Null,
            "best": [],
            "report": self.report.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
            "wall_s": self.wall_s,
        });
        // A store that cannot be read may be the very reason for the call.
        if let Ok(stored) = stored(&self.experiment) {
            document["revision"] = stored.revision.into();
            document["runs"] = stored.runs;
            document["best"] = stored.best;
        }
        document
    }
}

/// The exit code of the program if this is its only experiment.
fn exit_of(outcome: &ExperimentOutcome) -> Exit {
    let summary = &outcome.summary;
    if summary.stopped || summary.spent.is_some() {
        Exit::Interrupted
    } else if summary.failed > 0 {
        Exit::RunFailed
    } else if outcome.refuted {
        Exit::Refuted
    } else {
        Exit::Ok
    }
}

/// What the store knows of the experiment.
struct Stored {
    revision: i64,
    /// The number of runs by status.
    runs: Value,
    /// The best trial of each setting.
    best: Value,
}

fn stored(experiment: &str) -> anyhow::Result<Stored> {
    let mut store = Store::open_read_only(&results_folder())?;
    let row = store.revision(experiment)?;
    let revision = row.id();
    let axes: Vec<String> = serde_json::from_str(&row.axes)?;
    let objective: ObjectiveSpec = serde_json::from_str(&row.objective)?;
    let objective = objective.on_validation();
    let mut counts = json!({});
    let statuses = store.statuses(&revision)?;
    for status in Status::ALL {
        counts[status.as_str()] = statuses.values().filter(|known| **known == status).count().into();
    }
    let name = format!("{} {}", objective.part.as_str(), objective.metric.as_str());
    let trial = |trial: &LeadingTrial| {
        json!({ "model": run_label(&trial.params, &axes), "objective": name, "value": trial.objective,
                "runs": trial.done, "baseline": trial.is_baseline })
    };
    let leaders = store.setting_leaders(&revision, &objective)?;
    let best = leaders.iter().map(|leader| {
        let mut best = trial(&leader.best);
        best["best_baseline"] = leader.baseline.as_ref().map(trial).into();
        best
    });
    Ok(Stored { revision: row.revision, runs: counts, best: best.collect() })
}

/// Calls the commands that are to be called after this.
pub(super) fn call(args: &RunArgs, finished: &Finished, console: Console) {
    let on_failure = args.on_failure.as_deref().filter(|_| finished.is_failure());
    // The end of what a signal has stopped is still to come: the same command continues.
    let on_finish = args.on_finish.as_deref().filter(|_| finished.stopped_by.is_none());
    let commands = [("--on-failure", on_failure), ("--on-finish", on_finish)];
    let commands = commands.into_iter().filter_map(|(flag, command)| Some((flag, command?)));
    for (flag, command) in commands {
        let limit = finished.stopped_by.as_ref().map(|_| AFTER_SIGNAL);
        let trouble = match call_one(command, &finished.document(), limit) {
            Ok(CommandEnd::Ended(status)) if status.success() => continue,
            Ok(CommandEnd::Ended(status)) => format!("ended with {status}"),
            Ok(CommandEnd::Killed(why)) => format!("was ended, since {why}"),
            Err(error) => causes(&error),
        };
        console.note(&format!("{}: the command of {flag} {trouble}: {command}", finished.experiment));
    }
}

/// How a command came to its end.
enum CommandEnd {
    Ended(ExitStatus),
    /// It was killed, and why.
    Killed(&'static str),
}

fn call_one(command: &str, document: &Value, limit: Option<Duration>) -> anyhow::Result<CommandEnd> {
    // A file and no pipe: a command that does not read its input keeps nobody waiting.
    let mut input = tempfile::tempfile().context("cannot write its input")?;
    writeln!(input, "{document}").and_then(|()| input.rewind()).context("cannot write its input")?;
    let asked = interrupt::asked();
    let started = Instant::now();
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(input)
        // Standard output is for results.
        .stdout(Stdio::from(std::io::stderr()))
        .process_group(0)
        .spawn()
        .context("cannot be started")?;
    loop {
        if let Some(status) = child.try_wait().context("cannot be waited for")? {
            return Ok(CommandEnd::Ended(status));
        }
        let why = if interrupt::asked() != asked {
            Some("burstlab was asked to stop")
        } else if limit.is_some_and(|limit| started.elapsed() > limit) {
            Some("whoever stops a sweep does not wait for it")
        } else {
            None
        };
        if let Some(why) = why {
            end_group(child.id());
            let _ = child.wait();
            return Ok(CommandEnd::Killed(why));
        }
        std::thread::sleep(LOOK);
    }
}
