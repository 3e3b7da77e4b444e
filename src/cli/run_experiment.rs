//! How `burstlab run` runs one planned experiment: record the plan, run what is left, judge the claims, write the report.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::json;

use super::console::Console;
use super::planned_experiment::PlannedExperiment;
use super::run_args::RunArgs;
use super::run_output::{note_failures, note_outcome, opening, print_outcome, print_partial_outcome};
use super::sweep_progress::SweepProgress;
use super::{OutputFormat, usage};
use crate::compare::claims::{self, Judgement};
use crate::compare::{Comparison, keep_standings};
use crate::dataset::Loader;
use crate::engine::local::{Budget, DispatchOptions, Dispatcher, Spent, Summary};
use crate::files;
use crate::report::claims::claims_text;
use crate::report::{self, PlotSet};
use crate::spec::{Experiment, SearchSpec, Strategy};
use crate::store::{
    Execution, PlanRecord, RecordedRevision, RevisionId, RevisionRow, Store, experiment_folder,
    results_folder,
};
use crate::system::process::answer_of;
use crate::system::{self, interrupt};
use crate::text::{causes, counted};

/// The outcome of one experiment.
pub(super) struct ExperimentOutcome {
    pub(super) summary: Summary,
    /// Whether a claim was refuted that was not expected to be.
    pub(super) refuted: bool,
    /// The report, if it was written.
    pub(super) report: Option<PathBuf>,
}

/// Runs what is left of an experiment, then judges its claims and writes its report.
pub(super) fn run_experiment(
    planned: &mut PlannedExperiment,
    args: &RunArgs,
    loader: &mut Loader,
    budget: Budget,
    console: Console,
) -> anyhow::Result<ExperimentOutcome> {
    let results = results_folder();
    let name = planned.sweep.experiment.spec.name.clone();
    interrupt::set_grace(planned.sweep.experiment.spec.scheduler.grace.0);
    let mut store = Store::open(&results)?;
    refuse_shared_folder(&mut store, &results, &name)?;
    recover(&mut store, &results, &name, console)?;
    let _search_lock = lock_search(&planned.sweep.experiment.spec.search, &results, &name)?;
    let execution = execution(planned.class);
    let revision = record_plan(planned, &execution, &mut store, loader, console)?;
    let runs = planned.sweep.runs();
    let requested = args.requested(runs)?;
    let is_left = |&run: &usize| args.force || !planned.sweep.is_finished(run, &results);
    let left: Vec<usize> = requested.iter().copied().filter(is_left).collect();
    if let Some(partition) = &args.partition {
        console.note(&format!(
            "{name}: partition {partition} has {} of {} runs",
            requested.len(),
            runs.len()
        ));
    }
    let all_slots = planned.slots.len();
    let slots = if planned.sweep.is_complete() { all_slots.min(left.len()) } else { all_slots };
    if let Some(opening) = opening(&planned.sweep, requested.len(), left.len(), slots) {
        console.note(&format!("{name}: {opening}"));
    }
    if !left.is_empty() {
        if let Some(note) = planned.device_note.as_ref().filter(|_| planned.class != "cpu") {
            console.note(&format!("{name}: {note}"));
        }
        for line in planned.packing_lines(left.iter().copied()) {
            console.note(&format!("{name}: {line}"));
        }
    }
    if let (Some(note), false) = (&planned.memory_note, left.is_empty()) {
        console.note(&format!("{name}: {note}"));
    }
    let options = dispatch_options(planned, args, budget, &results, &revision, &execution);
    let mut progress = SweepProgress::new(console, &planned.sweep, left.len(), options.lanes());
    let dispatcher = Dispatcher::new(&mut store, options, &mut planned.sweep, loader, &left, &mut progress);
    let summary = dispatcher.run()?;
    let wall_s = progress.finish();
    store.end_revision(&revision, &outcome_of(&summary))?;
    note_outcome(&name, &summary, wall_s, console);
    if let Some(signal) = summary.stopped_by {
        // Who stops the program does not wait for a report, nor for what lists would be quicker with.
        store.close()?;
        console.note(&format!(
            "{name}: {signal} stopped it, and the report is as it was; the same command continues, and `burstlab report {name}` \
             reports what is done"
        ));
        return Ok(ExperimentOutcome { summary, refuted: false, report: None });
    }
    if args.is_partial() {
        print_partial_outcome(&name, args, &summary, wall_s, requested.len(), console);
        if summary.failed > 0 {
            note_failures(&revision, &mut store, console)?;
        }
        keep_standings_for_lists(&name, &mut store, console);
        store.close()?;
        // Claims and the report need the other parts too, which only the merged store has.
        return Ok(ExperimentOutcome { summary, refuted: false, report: None });
    }
    judge_claims(&mut store, &revision)?;
    keep_standings_for_lists(&name, &mut store, console);
    // The report is read through a connection of its own, so that it sees what every reader sees.
    store.close()?;
    let mut store = Store::open_read_only(&results)?;
    // Another process may have begun a later revision meanwhile.
    let comparison = Comparison::read(&mut store, &results, &revision.to_string())?;
    let written = report::write(&comparison, &results, PlotSet::Full)?;
    print_outcome(planned, &summary, wall_s, &comparison, &written, args.format, console);
    if summary.failed > 0 {
        note_failures(&revision, &mut store, console)?;
    }
    let refuted = comparison.claims.iter().any(Judgement::is_surprise);
    Ok(ExperimentOutcome { summary, refuted, report: Some(written.html) })
}

/// Keeps how the revisions stand. Lists compute what is not kept, so a failure costs them time and nobody the report.
fn keep_standings_for_lists(name: &str, store: &mut Store, console: Console) {
    if let Err(error) = keep_standings(store) {
        console.note(&format!("{name}: lists of experiments will take longer: {}", causes(&error)));
    }
}

/// Records the claims of an experiment whose data are missing, and prints them as not run.
pub(super) fn record_skipped(
    experiment: &Experiment,
    args: &RunArgs,
    console: Console,
) -> anyhow::Result<()> {
    if experiment.spec.claims.is_empty() {
        return Ok(());
    }
    let name = &experiment.spec.name;
    let mut store = Store::open(&results_folder())?;
    let revision = store.record_experiment(experiment, &execution(""))?;
    let judgements = judge_claims(&mut store, &revision)?;
    store.end_revision(&revision, "its data are missing")?;
    store.close()?;
    match args.format {
        OutputFormat::Human => {
            console.result(&format!("{name}\n{}", claims_text(&judgements, console.width())));
        }
        OutputFormat::Json => {
            let claims = claims::to_json(&judgements);
            console.result(&json!({ "experiment": name, "skipped": true, "claims": claims }).to_string());
        }
    }
    Ok(())
}

/// Refuses a name that differs from that of another experiment only in its case, where the file system takes the two for
/// one: each would replace the other's report.
fn refuse_shared_folder(store: &mut Store, results: &Path, name: &str) -> anyhow::Result<()> {
    let folder = experiment_folder(results, name);
    for other in store.experiment_names()? {
        let is_other = other != name && other.eq_ignore_ascii_case(name);
        if is_other && files::is_same_file(&experiment_folder(results, &other), &folder) {
            return Err(usage(format!(
                "the reports of `{name}` and of the experiment `{other}` would have one folder on this file system, {}; \
                 rename this one",
                folder.display()
            )));
        }
    }
    Ok(())
}

/// Marks runs whose supervisor died as interrupted, and removes unfinished files.
fn recover(store: &mut Store, results: &Path, name: &str, console: Console) -> anyhow::Result<()> {
    let recovered = store.recover()?;
    for folder in [results.join("runs"), experiment_folder(results, name)] {
        files::clear_drafts(&folder);
    }
    if recovered > 0 {
        let (were, they) = if recovered == 1 { ("was", "it runs") } else { ("were", "they run") };
        console.note(&format!(
            "{} {were} interrupted earlier; {they} again where planned",
            counted(recovered, "run")
        ));
    }
    Ok(())
}

/// Records the plan and says which revision it is, where the experiment has others.
fn record_plan(
    planned: &mut PlannedExperiment,
    execution: &Execution,
    store: &mut Store,
    loader: &mut Loader,
    console: Console,
) -> anyhow::Result<RevisionId> {
    let before = store.revision(&planned.sweep.experiment.spec.name).ok();
    let initial = planned.sweep.runs().len();
    planned.sweep.replay(store, loader)?;
    let recorded = store.record_plan(&PlanRecord {
        experiment: &planned.sweep.experiment,
        plan: planned.sweep.plan(),
        initial,
        execution,
    })?;
    let source = &planned.sweep.experiment.source;
    match before {
        Some(before) if before.id() != recorded.id => {
            console.note(&revision_note(&recorded, &before, &planned.sweep.experiment)?);
        }
        Some(before) if before.path != source.path => {
            let (name, path) = (&recorded.id.experiment, &before.path);
            console.note(&format!(
                "{name}: the same text was last run from {path}, and this continues its revision"
            ));
        }
        _ => {}
    }
    Ok(recorded.id)
}

/// Why this is not the revision that ran last.
fn revision_note(
    recorded: &RecordedRevision,
    before: &RevisionRow,
    experiment: &Experiment,
) -> anyhow::Result<String> {
    let RecordedRevision { id, is_new } = recorded;
    let (name, number) = (&id.experiment, before.revision);
    if !is_new {
        return Ok(format!(
            "{name}: this is revision {} again; the last one that ran was {number}",
            id.revision
        ));
    }
    let overrides = before.override_list()?;
    let change = if before.path != experiment.source.path && before.text != experiment.text {
        format!("it is another file than {}", before.path)
    } else if before.text != experiment.text {
        "the file has changed".to_string()
    } else if overrides != experiment.source.overrides {
        "its --set overrides differ".to_string()
    } else {
        "the data, the device class or the program's numbers have changed".to_string()
    };
    Ok(format!(
        "{name}: this is revision {}, since {change}; `burstlab compare {name}@{number} {name}@{}` compares it with the last one",
        id.revision, id.revision
    ))
}

/// Judges the claims of a revision and records the verdicts.
fn judge_claims(store: &mut Store, revision: &RevisionId) -> anyhow::Result<Vec<Judgement>> {
    let judgements = claims::judge(store, revision)?;
    let records: Vec<_> = judgements.iter().map(Judgement::record).collect();
    store.record_verdicts(revision, &records)?;
    Ok(judgements)
}

/// This process, as the store remembers it.
fn execution(device_class: &str) -> Execution {
    // A look that takes no lock keeps no other git of this folder waiting.
    let git = |arguments: &[&str]| {
        let answer = answer_of(Command::new("git").arg("--no-optional-locks").args(arguments))?;
        Some(answer.trim().to_string())
    };
    Execution {
        command: std::env::args().collect::<Vec<_>>().join(" "),
        device_class: device_class.to_string(),
        host: system::host_name(),
        git_commit: git(&["rev-parse", "HEAD"]),
        git_dirty: git(&["status", "--porcelain"]).map(|changes| !changes.is_empty()),
    }
}

/// How an execution ended, in a few words.
fn outcome_of(summary: &Summary) -> String {
    if let Some(signal) = summary.stopped_by {
        return format!("stopped by {signal}");
    }
    if summary.stopped {
        return "stopped by Ctrl-C".to_string();
    }
    match (summary.spent, summary.failed) {
        (Some(Spent::Runs), _) => "--max-runs was reached".to_string(),
        (Some(Spent::Time), _) => "--max-time was over".to_string(),
        (None, 0) => "finished".to_string(),
        (None, failed) => format!("finished, {} failed", counted(failed, "run")),
    }
}

/// Locks a search whose plan grows or whose runs are judged by each other: a second supervisor would grow a plan of its
/// own. The lock ends with this process, however that ends.
fn lock_search(search: &SearchSpec, results: &Path, name: &str) -> anyhow::Result<Option<File>> {
    if search.strategy != Strategy::Tpe && search.pruner.is_none() {
        return Ok(None);
    }
    let path = results.join(format!(".search-{name}.lock"));
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => bail!(
            "another burstlab process is running the search `{name}`, whose runs depend on each other; wait for it or stop it"
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

fn dispatch_options(
    planned: &PlannedExperiment,
    args: &RunArgs,
    budget: Budget,
    results: &Path,
    revision: &RevisionId,
    execution: &Execution,
) -> DispatchOptions {
    let spec = &planned.sweep.experiment.spec;
    DispatchOptions {
        revision: revision.clone(),
        results: results.to_path_buf(),
        slots: planned.slots.clone(),
        pack: spec.scheduler.pack,
        room: planned.room,
        threads_per_run: spec.scheduler.threads_per_run,
        timeout: spec.scheduler.timeout.map(|timeout| timeout.0),
        grace: spec.scheduler.grace.0,
        retries: spec.scheduler.retries,
        backoff: spec.scheduler.backoff.0,
        fail_fast: args.fail_fast,
        forced: args.force,
        budget,
        git_commit: execution.git_commit.clone(),
        git_dirty: execution.git_dirty,
    }
}
