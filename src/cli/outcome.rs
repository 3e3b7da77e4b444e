//! What `burstlab run` says: the plan, what is about to happen, and how it ended.

use serde_json::json;

use super::OutputFormat;
use super::console::Console;
use super::job::Job;
use super::run::RunArgs;
use crate::compare::Comparison;
use crate::compare::claims::to_json;
use crate::engine::Sweep;
use crate::engine::local::{Spent, Summary};
use crate::report;
use crate::store::{Store, results_folder};
use crate::text::table;

/// What is about to happen; nothing to say of a share that has no run.
pub(super) fn opening(sweep: &Sweep, planned: usize, todo: usize, slots: usize) -> Option<String> {
    if todo == 0 && sweep.is_complete() {
        return (planned > 0).then(|| format!("all {planned} runs are done already, nothing to run"));
    }
    let skipped = planned - todo;
    let skipped =
        if skipped > 0 { format!(" ({skipped} of {planned} are done already)") } else { String::new() };
    let later = match sweep.unproposed() {
        0 => String::new(),
        trials => format!("; {trials} more trials follow from their results"),
    };
    let many = if slots == 1 { "slot" } else { "slots" };
    Some(format!("{todo} runs on {slots} {many}{skipped}{later}"))
}

/// The runs of a plan and where they stand.
pub(super) fn print_plan(job: &mut Job, args: &RunArgs, console: Console) -> anyhow::Result<()> {
    let name = &job.sweep.experiment.spec.name.clone();
    // Where there is no store yet, nothing is done yet.
    if let Ok(mut store) = Store::open_read_only(&results_folder()) {
        job.sweep.replay(&mut store)?;
    }
    let sweep = &job.sweep;
    let status = |run: usize| sweep.status(run).as_str();
    let runs = || sweep.runs().iter().enumerate().filter(|(_, run)| args.holds(run));
    if args.format == OutputFormat::Json {
        let runs: Vec<_> = runs()
            .map(|(index, run)| {
                json!({ "run_id": run.id, "label": run.label, "seed": run.seed, "fold": run.fold,
                        "status": status(index), "params": run.spec.params() })
            })
            .collect();
        let plan = json!({
            "experiment": name, "slots": job.slots.len(), "runs": runs, "complete": sweep.is_complete(),
            "unproposed_trials": sweep.unproposed(),
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
    console.result(&table(&["#", "run", "model", "seed", "fold", "status"], &rows, &[0, 3, 4]));
    let verdict = sweep.runs().first().map_or("", |run| run.verdict.0.as_str());
    console.result(&format!("{name}: {} runs on {} slots; split {verdict}", rows.len(), job.slots.len()));
    if sweep.unproposed() > 0 {
        console.result(&format!(
            "{} more trials are proposed later, from the results of these",
            sweep.unproposed()
        ));
    }
    Ok(())
}

/// The leaderboards, the claims and where the report is.
pub(super) fn print_outcome(
    job: &Job,
    summary: &Summary,
    wall_s: f64,
    comparison: &Comparison,
    written: &report::Written,
    format: OutputFormat,
    console: Console,
) {
    let name = &job.sweep.experiment.spec.name;
    if format == OutputFormat::Json {
        let outcome = json!({
            "experiment": name,
            "planned": job.sweep.runs().len(),
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
            "claims": to_json(&comparison.claims),
            "report": written.html,
        });
        console.result(&outcome.to_string());
        return;
    }
    console.result(&comparison.to_text());
    if !comparison.claims.is_empty() {
        console.result(&format!("\n{}", super::claims::to_text(&comparison.claims)));
    }
    console.result(&format!("report: {}", written.html.display()));
}

/// What a share of the plan ends with: there is nothing to compare before the stores are merged.
pub(super) fn print_share(
    job: &Job,
    args: &RunArgs,
    summary: &Summary,
    wall_s: f64,
    planned: usize,
    console: Console,
) {
    let name = &job.sweep.experiment.spec.name;
    let partition = args.partition.map_or(String::new(), |partition| partition.to_string());
    if args.format == OutputFormat::Json {
        let outcome = json!({
            "experiment": name,
            "partition": partition,
            "planned": planned,
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
        "{name}: that was partition {partition}; bring the stores together with `burstlab merge`, then give the \
         command without --partition: it runs ensembles and whatever is left, and writes the report"
    ));
}

/// How the runs ended, in one line.
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
        console.note(&format!("{name}: {budget} is spent; the same command goes on with the rest"));
    }
}

fn budget_name(spent: Spent) -> &'static str {
    match spent {
        Spent::Runs => "--max-runs",
        Spent::Time => "--max-time",
    }
}
