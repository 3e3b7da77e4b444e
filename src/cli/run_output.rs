//! The output of `burstlab run`: the plan, what is about to run, and the outcome.

use serde_json::json;

use crate::dataset::Loader;

use super::OutputFormat;
use super::console::Console;
use super::planned_experiment::PlannedExperiment;
use super::run_args::RunArgs;
use crate::compare::{Comparison, claims};
use crate::engine::Sweep;
use crate::engine::local::{Spent, Summary};
use crate::report::claims::claims_text;
use crate::report::{ReportFiles, terminal_text};
use crate::spec::run_label;
use crate::store::{RevisionId, RunFilter, RunRow, Status, Store, results_folder};
use crate::text::{counted, table};

/// What is about to run; `None` for a part of the plan without a run.
pub(super) fn opening(sweep: &Sweep, requested: usize, left: usize, slots: usize) -> Option<String> {
    if left == 0 && sweep.is_complete() {
        return match requested {
            0 => None,
            1 => Some("its only run is done already, nothing to run".to_string()),
            _ => Some(format!("all {requested} runs are done already, nothing to run")),
        };
    }
    let done = requested - left;
    let done = if done > 0 { format!(" ({done} of {requested} are done already)") } else { String::new() };
    let later = match sweep.unproposed() {
        0 => String::new(),
        trials => format!("; {} will be proposed from their results", counted(trials, "further trial")),
    };
    Some(format!("{} on {}{done}{later}", counted(left, "run"), counted(slots, "slot")))
}

/// Prints the runs of a plan with their status.
pub(super) fn print_plan(
    planned: &mut PlannedExperiment,
    args: &RunArgs,
    loader: &mut Loader,
    console: Console,
) -> anyhow::Result<()> {
    let name = &planned.sweep.experiment.spec.name.clone();
    // Without a store, nothing is done yet.
    if let Ok(mut store) = Store::open_read_only(&results_folder()) {
        planned.sweep.replay(&mut store, loader)?;
    }
    let sweep = &planned.sweep;
    let results = results_folder();
    // A run whose files are gone, or that another search pruned, runs again.
    let status = |run: usize| match sweep.status(run) {
        Status::Done | Status::Pruned if !sweep.is_finished(run, &results) => Status::Planned.as_str(),
        status => status.as_str(),
    };
    let requested = args.requested(sweep.runs())?;
    let runs = || requested.iter().map(|&index| (index, sweep.run(index)));
    let indices = || runs().map(|(index, _)| index);
    if args.format == OutputFormat::Json {
        let runs: Vec<_> = runs()
            .map(|(index, run)| {
                json!({ "run_id": run.id, "label": run.label, "seed": run.seed, "fold": run.fold,
                        "status": status(index), "params": run.spec.params() })
            })
            .collect();
        let packing = planned.packing_lines(indices());
        let plan = json!({
            "experiment": name, "slots": planned.slots.len(), "runs": runs, "complete": sweep.is_complete(),
            "unproposed_trials": sweep.unproposed(), "packing": packing, "device": planned.device_note,
        });
        console.result(&plan.to_string());
        return Ok(());
    }
    let rows: Vec<Vec<String>> = runs()
        .map(|(index, run)| {
            vec![
                (index + 1).to_string(),
                run.id.clone(),
                run.label.clone(),
                run.seed.map_or("-".to_string(), |seed| seed.to_string()),
                run.fold.to_string(),
                status(index).to_string(),
            ]
        })
        .collect();
    console.result(&table(
        &["#", "run", "model", "seed", "fold", "status"],
        &rows,
        &[0, 3, 4],
        console.width(),
    ));
    let verdict = sweep.runs().first().map_or("", |run| run.verdict.0.as_str());
    console.result(&format!(
        "{name}: {} on {}; split {verdict}",
        counted(rows.len(), "run"),
        counted(planned.slots.len(), "slot")
    ));
    for line in planned.device_note.iter().cloned().chain(planned.packing_lines(indices())) {
        console.result(&line);
    }
    if sweep.unproposed() > 0 {
        console.result(&format!(
            "{} will be proposed from the results of these",
            counted(sweep.unproposed(), "further trial")
        ));
    }
    Ok(())
}

/// Prints the leaderboards, the claims and the path of the report.
pub(super) fn print_outcome(
    planned: &PlannedExperiment,
    summary: &Summary,
    wall_s: f64,
    comparison: &Comparison,
    written: &ReportFiles,
    format: OutputFormat,
    console: Console,
) {
    let name = &planned.sweep.experiment.spec.name;
    if format == OutputFormat::Json {
        let outcome = json!({
            "experiment": name,
            "planned": planned.sweep.runs().len(),
            "done": summary.done,
            "done_elsewhere": summary.done_elsewhere,
            "pruned": summary.pruned,
            "failed": summary.failed,
            "interrupted": summary.interrupted,
            "not_started": summary.not_started,
            "not_proposed_trials": summary.not_proposed,
            "spent_budget": summary.spent.map(budget_name),
            "wall_s": wall_s,
            "leaderboards": comparison.to_json(),
            "claims": claims::to_json(&comparison.claims),
            "report": written.html,
        });
        console.result(&outcome.to_string());
        return;
    }
    console.result(&terminal_text(comparison, console.width()));
    if !comparison.claims.is_empty() {
        console.result(&format!("\n{}", claims_text(&comparison.claims, console.width())));
    }
    console.result(&format!("report: {}", written.html.display()));
}

/// Prints the outcome of a part of the plan; the comparison has to wait until the stores are merged.
pub(super) fn print_partial_outcome(
    name: &str,
    args: &RunArgs,
    summary: &Summary,
    wall_s: f64,
    requested: usize,
    console: Console,
) {
    let partition = args.partition.as_ref().map_or(String::new(), ToString::to_string);
    if args.format == OutputFormat::Json {
        let outcome = json!({
            "experiment": name,
            "partition": partition,
            "planned": requested,
            "done": summary.done,
            "done_elsewhere": summary.done_elsewhere,
            "failed": summary.failed,
            "interrupted": summary.interrupted,
            "not_started": summary.not_started,
            "wall_s": wall_s,
        });
        console.result(&outcome.to_string());
        return;
    }
    console.result(&format!(
        "{name}: partition {partition} is finished; combine the stores with `burstlab merge`, then run the same command \
         without --partition: it runs the ensembles and whatever is left, and writes the report"
    ));
}

/// Notes how the runs ended, in one line.
pub(super) fn note_outcome(name: &str, summary: &Summary, wall_s: f64, console: Console) {
    let mut parts = vec![format!("{} done", summary.done + summary.done_elsewhere)];
    for (count, what) in [
        (summary.pruned, "pruned"),
        (summary.failed, "failed"),
        (summary.interrupted, "interrupted"),
        (summary.not_started, "not started"),
        (summary.not_proposed, "trials not proposed yet"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let spent = summary.spent.map(budget_name);
    if summary.done + summary.pruned + summary.failed + summary.interrupted > 0 || spent.is_some() {
        console.note(&format!("{name}: {} in {wall_s:.1} s", parts.join(", ")));
    }
    if let Some(budget) = spent {
        console.note(&format!("{name}: {budget} is used up; the same command continues with the rest"));
    }
}

/// Notes which runs failed and how to see why: the last line of what `run` prints.
pub(super) fn note_failures(
    revision: &RevisionId,
    store: &mut Store,
    console: Console,
) -> anyhow::Result<()> {
    let name = &revision.experiment;
    let axes: Vec<String> = serde_json::from_str(&store.revision(&revision.to_string())?.axes)?;
    let runs = store.runs(&RunFilter::of(revision))?;
    let is_failed = |run: &&RunRow| matches!(run.status, Status::Failed | Status::TimedOut);
    let failed: Vec<&RunRow> = runs.iter().filter(is_failed).collect();
    let Some(first) = failed.first() else { return Ok(()) };
    let seed = first.seed.map_or(String::new(), |seed| format!(" seed={seed}"));
    let error = first.error.as_deref().and_then(|error| error.lines().next()).unwrap_or("without a message");
    let others = match failed.len() - 1 {
        0 => String::new(),
        _ => format!("; `burstlab runs --experiment {name} --status failed` lists all {}", failed.len()),
    };
    console.note(&format!(
        "failed: {}{seed}: {error}; `burstlab show {}` tells more{others}",
        run_label(&first.params, &axes),
        first.run_id
    ));
    Ok(())
}

fn budget_name(spent: Spent) -> &'static str {
    match spent {
        Spent::Runs => "--max-runs",
        Spent::Time => "--max-time",
    }
}
