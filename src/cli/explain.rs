//! `burstlab explain`: why a run ran, was skipped, retried or pruned, failed, or is waiting.

use clap::Args;
use serde_json::{Value, json};

use super::OutputFormat;
use super::console::Console;
use crate::spec::run_label;
use crate::store::{AttemptRow, EventRow, PlanningRow, Status, Store, results_folder};
use crate::system::exit_code::Exit;
use crate::text::counted;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// ID of the run, or its first characters
    run: String,
    /// Output format
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
}

/// The history of a run in the store.
struct RunHistory {
    run_id: String,
    label: String,
    seed: Option<i64>,
    fold: i64,
    is_ensemble: bool,
    status: Status,
    attempts: Vec<AttemptRow>,
    plannings: Vec<PlanningRow>,
    events: Vec<EventRow>,
    /// Experiments that a live supervisor is running.
    running_experiments: Vec<String>,
}

/// The role of an experiment for the run.
struct Role {
    experiment: String,
    kind: &'static str,
    text: String,
}

pub(super) fn explain(args: &ExplainArgs, console: Console) -> anyhow::Result<Exit> {
    let mut store = Store::open_read_only(&results_folder())?;
    let run_id = store.resolve_run(&args.run)?;
    let history = RunHistory::read(&mut store, run_id)?;
    match args.format {
        OutputFormat::Human => console.result(&history.to_text()),
        OutputFormat::Json => console.result(&history.to_json().to_string()),
    }
    Ok(Exit::Ok)
}

impl RunHistory {
    fn read(store: &mut Store, run_id: String) -> anyhow::Result<Self> {
        let record = store.run_record(&run_id)?;
        let plannings = store.plannings_of_run(&run_id)?;
        let mut axes: Vec<String> = Vec::new();
        let mut running_experiments = Vec::new();
        for planning in &plannings {
            axes.extend(serde_json::from_str::<Vec<String>>(
                &store.revision(&format!("{}@{}", planning.experiment, planning.revision))?.axes,
            )?);
            if store.is_at_work(&planning.experiment, None)? {
                running_experiments.push(planning.experiment.clone());
            }
        }
        axes.sort();
        axes.dedup();
        Ok(Self {
            label: run_label(&record.params, &axes),
            seed: record.seed,
            fold: record.fold,
            is_ensemble: record.model == "ensemble",
            status: record.status,
            attempts: store.attempts_of_run(&run_id)?,
            events: store.events_of_run(&run_id)?,
            run_id,
            plannings,
            running_experiments,
        })
    }

    /// The reason for its status, in one sentence.
    fn why(&self) -> String {
        let last = self.attempts.last();
        let error = last.and_then(|attempt| attempt.error.as_deref()).unwrap_or("no error was recorded");
        let count = self.attempts.len();
        let attempts = counted(count, "attempt");
        match self.status {
            Status::Done => {
                let wall = last
                    .and_then(|attempt| attempt.wall_s)
                    .map_or(String::new(), |s| format!(" in {s:.2} s"));
                match last {
                    // A finished run stays done when a later attempt fails.
                    Some(attempt) if attempt.status != "done" => format!(
                        "It is done since an earlier attempt; the last of {attempts} ended as {}: {error}.",
                        attempt.status
                    ),
                    _ => format!("It is done: {attempts}, of which the last succeeded{wall}."),
                }
            }
            Status::Pruned => match self.last_event("pruned") {
                Some(event) => format!("The search pruned it at {}.", event.detail),
                None => "The search pruned it.".to_string(),
            },
            Status::Failed => format!("It failed after {attempts}: {error}."),
            Status::TimedOut => format!("It timed out after {attempts}: it {error}."),
            Status::Interrupted => format!("It was interrupted: {error}."),
            Status::Running => self.why_running(),
            Status::Planned => self.why_planned(),
        }
    }

    fn why_running(&self) -> String {
        if !self.attempts.last().is_some_and(|attempt| attempt.alive) {
            return "It was running when its supervisor died, and nothing is running it now.".to_string();
        }
        match self.events.last() {
            Some(event) if event.kind == "waiting" => format!("It is waiting at a rung, {}.", event.detail),
            _ => "A worker is running it.".to_string(),
        }
    }

    fn why_planned(&self) -> String {
        let reasons: Vec<String> = self
            .plannings
            .iter()
            .map(|planning| {
                let PlanningRow { experiment, stopped, open, .. } = planning;
                if self.running_experiments.contains(experiment) {
                    let others = if *open == 1 { "1 other run is" } else { &format!("{open} other runs are") };
                    if self.is_ensemble {
                        format!("`{experiment}` is running, and it waits for the runs of its members; {others} left")
                    } else {
                        format!("`{experiment}` is running but has not reached it yet; {others} left")
                    }
                } else if let Some(stopped) = stopped {
                    format!("the sweep of `{experiment}` ended before reaching it, because {stopped}")
                } else {
                    format!("no sweep of `{experiment}` is running")
                }
            })
            .collect();
        if reasons.is_empty() {
            return "It never started, and no experiment plans it any more.".to_string();
        }
        format!("It has not started: {}.", reasons.join("; "))
    }

    /// What happens to it next.
    fn next(&self) -> &'static str {
        match self.status {
            Status::Done => "The same command skips it; --force runs it again.",
            Status::Pruned => {
                "The same search skips it; another search, or --force, runs it from the beginning."
            }
            Status::Running if self.attempts.last().is_some_and(|attempt| attempt.alive) => {
                "Other sweeps wait for its result instead of running it too."
            }
            Status::Running | Status::Planned | Status::Interrupted => "The same command runs it.",
            Status::Failed | Status::TimedOut => "The same command tries it again.",
        }
    }

    fn last_event(&self, kind: &str) -> Option<&EventRow> {
        self.events.iter().rev().find(|event| event.kind == kind)
    }

    /// The role of each experiment.
    fn roles(&self) -> Vec<Role> {
        self.plannings
            .iter()
            .map(|planning| {
                let PlanningRow { experiment, revision, is_latest, planned_at, ran, .. } = planning;
                let finished = self
                    .attempts
                    .iter()
                    .filter(|attempt| attempt.status == "done" || attempt.status == "pruned")
                    .filter_map(|attempt| attempt.finished_at.as_deref())
                    .next_back();
                let ended = matches!(self.status, Status::Done | Status::Pruned);
                let found = ended && finished.is_some_and(|finished| finished < planned_at.as_str());
                let (kind, text) = match (ran, found) {
                    (true, true) => {
                        ("ran", format!("ran it; found it finished at {planned_at} and skipped it"))
                    }
                    (true, false) => ("ran", "ran it".to_string()),
                    (false, true) => {
                        ("shared", format!("found it finished at {planned_at} and uses that result"))
                    }
                    (false, false) if ended => ("shared", "uses the result of another sweep".to_string()),
                    (false, false) => ("plans", "plans it".to_string()),
                };
                let experiment =
                    &if *is_latest { experiment.clone() } else { format!("{experiment}@{revision}") };
                Role { experiment: experiment.clone(), kind, text }
            })
            .collect()
    }

    fn to_text(&self) -> String {
        let seed = self.seed.map_or(String::new(), |seed| format!(", seed {seed}"));
        let fold = if self.fold > 0 { format!(", fold {}", self.fold) } else { String::new() };
        let mut lines = vec![
            format!("run {}: {}{seed}{fold}", self.run_id, self.label),
            format!("status {}", self.status.as_str()),
            String::new(),
            self.why(),
            self.next().to_string(),
        ];
        let roles = self.roles();
        if !roles.is_empty() {
            lines.extend([String::new(), "experiments".to_string()]);
            lines.extend(roles.iter().map(|role| format!("  {}: {}", role.experiment, role.text)));
        }
        if !self.attempts.is_empty() {
            lines.extend([String::new(), "attempts".to_string()]);
            for (number, attempt) in self.attempts.iter().enumerate() {
                let wall = attempt.wall_s.map_or(String::new(), |wall_s| format!(" after {wall_s:.2} s"));
                let error = attempt.error.as_ref().map_or(String::new(), |error| format!(": {error}"));
                lines.push(format!(
                    "  {}. {} on {}, {}{wall}{error}",
                    number + 1,
                    attempt.started_at,
                    attempt.device,
                    attempt.status
                ));
            }
        }
        if !self.events.is_empty() {
            lines.extend([String::new(), "events".to_string()]);
            lines.extend(
                self.events
                    .iter()
                    .map(|event| format!("  {}  {:<11} {}", event.at, event.kind, event.detail)),
            );
        }
        lines.join("\n")
    }

    fn to_json(&self) -> Value {
        let attempts: Vec<Value> = self
            .attempts
            .iter()
            .map(|attempt| {
                json!({ "status": attempt.status, "started_at": attempt.started_at,
                        "finished_at": attempt.finished_at, "wall_s": attempt.wall_s, "device": attempt.device,
                        "version": attempt.version, "error": attempt.error })
            })
            .collect();
        let experiments: Vec<Value> = self
            .roles()
            .iter()
            .map(|role| json!({ "experiment": role.experiment, "role": role.kind, "text": role.text }))
            .collect();
        let events: Vec<Value> = self
            .events
            .iter()
            .map(|event| json!({ "at": event.at, "kind": event.kind, "detail": event.detail }))
            .collect();
        json!({ "run_id": self.run_id, "label": self.label, "seed": self.seed, "fold": self.fold,
                "status": self.status.as_str(), "why": self.why(), "next": self.next(), "experiments": experiments,
                "attempts": attempts, "events": events })
    }
}
