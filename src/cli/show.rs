//! `burstlab show`: everything about one run.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::OutputFormat;
use super::console::Console;
use super::show_revision::show_revision;
use crate::listing::tag_list;
use crate::store::{
    BreakdownRow, EventRow, MetricRow, Named, RunFilter, RunRow, Store, results_folder, run_folder,
};
use crate::system::exit_code::Exit;
use crate::text::{number, table};

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// ID of a run or its first characters, or an experiment: NAME for its latest revision, NAME@2 for the second
    run: String,
    /// Output format
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
}

/// The records and the files of a run.
struct RunDetails {
    run: RunRow,
    experiments: Vec<String>,
    metrics: Vec<MetricRow>,
    breakdowns: Vec<BreakdownRow>,
    events: Vec<EventRow>,
    folder: PathBuf,
}

pub(super) fn show(args: &ShowArgs, console: Console) -> anyhow::Result<Exit> {
    let results = results_folder();
    let mut store = Store::open_read_only(&results)?;
    let run_id = match store.find(&args.run)? {
        Named::Run(run_id) => run_id,
        Named::Revisions(_) => {
            let revision = store.revision(&args.run)?;
            return show_revision(&mut store, &revision, args.format, console);
        }
    };
    let runs = store.runs(&RunFilter::one(&run_id))?;
    let experiments = runs.iter().map(|run| format!("{}@{}", run.experiment, run.revisions)).collect();
    let run = runs.into_iter().next();
    let run = run.with_context(|| format!("run {run_id} was never planned by an experiment"))?;
    let details = RunDetails {
        run,
        experiments,
        metrics: store.metrics_of_run(&run_id)?,
        breakdowns: store.breakdowns_of_run(&run_id)?,
        events: store.events_of_run(&run_id)?,
        folder: run_folder(&results, &run_id),
    };
    match args.format {
        OutputFormat::Human => console.result(&to_text(&details, console.width())?),
        OutputFormat::Json => console.result(&to_json(&details).to_string()),
    }
    Ok(Exit::Ok)
}

fn to_json(details: &RunDetails) -> Value {
    let run = &details.run;
    let metrics: Vec<Value> = details
        .metrics
        .iter()
        .map(|metric| {
            json!({ "part": metric.part, "target": metric.target, "unit": metric.unit, "name": metric.name,
                    "value": metric.value })
        })
        .collect();
    let breakdowns: Vec<Value> = details
        .breakdowns
        .iter()
        .map(|row| {
            json!({ "dimension": row.dimension, "bucket": row.bucket, "target": row.target, "unit": row.unit,
                    "name": row.name, "value": row.value, "forecasts": row.forecasts })
        })
        .collect();
    let events: Vec<Value> = details
        .events
        .iter()
        .map(|event| json!({ "at": event.at, "kind": event.kind, "detail": event.detail }))
        .collect();
    json!({
        "run_id": run.run_id, "experiments": details.experiments, "model": run.model, "seed": run.seed,
        "fold": run.fold, "status": run.status.as_str(), "device": run.device, "params": run.params,
        "wall_s": run.wall_s, "started_at": run.started_at, "finished_at": run.finished_at,
        "peak_rss_bytes": run.peak_rss_bytes, "attempts": run.attempts, "git_commit": run.git_commit,
        "dataset_sha256": run.dataset_sha256, "leak_verdict": run.leak_verdict, "error": run.error,
        "tags": tag_list(run.tags.as_deref()), "note": run.note,
        "metrics": metrics, "breakdowns": breakdowns, "events": events, "folder": details.folder,
    })
}

fn to_text(details: &RunDetails, width: usize) -> anyhow::Result<String> {
    let run = &details.run;
    let optional = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_string());
    let mut entries = vec![
        ("experiments", details.experiments.join(", ")),
        ("model", run.model.clone()),
        ("status", run.status.as_str().to_string()),
        ("seed", run.seed.map_or("none".to_string(), |seed| seed.to_string())),
        ("fold", run.fold.to_string()),
        ("device", run.device.clone()),
        ("attempts", run.attempts.to_string()),
        ("started", optional(&run.started_at)),
        ("finished", optional(&run.finished_at)),
        ("wall", run.wall_s.map_or("-".to_string(), |wall_s| format!("{wall_s:.2} s"))),
        ("peak memory", run.peak_rss_bytes.map_or("-".to_string(), |bytes| format!("{} MiB", bytes >> 20))),
        ("git commit", optional(&run.git_commit)),
        ("data sha256", run.dataset_sha256.clone()),
        ("split", run.leak_verdict.clone()),
        (
            "files",
            if details.folder.is_dir() { details.folder.display().to_string() } else { "none".to_string() },
        ),
    ];
    if let Some(tags) = &run.tags {
        entries.push(("tags", tags.replace(',', ", ")));
    }
    if let Some(note) = &run.note {
        entries.push(("note", note.clone()));
    }
    if let Some(error) = &run.error {
        entries.push(("error", error.clone()));
    }
    let entries: Vec<String> = entries.iter().map(|(name, value)| format!("{name:>12}  {value}")).collect();
    let mut text = format!("run {}\n{}\n\nparameters\n", run.run_id, entries.join("\n"));
    text.push_str(&serde_json::to_string_pretty(&run.params)?);
    if !details.metrics.is_empty() {
        text.push_str("\n\nmetrics\n");
        text.push_str(&metric_table(&details.metrics, &crate::stats::NAMES, width));
    }
    let is_interval = |metric: &&MetricRow| crate::stats::INTERVAL_NAMES.contains(&metric.name.as_str());
    let intervals: Vec<MetricRow> = details.metrics.iter().filter(is_interval).cloned().collect();
    if !intervals.is_empty() {
        text.push_str("\n\nintervals\n");
        text.push_str(&metric_table(&intervals, &crate::stats::INTERVAL_NAMES, width));
    }
    if !details.breakdowns.is_empty() {
        text.push_str("\n\ntest errors by hour, burst state before the forecast, and request tokens\n");
        text.push_str(&breakdown_table(&details.breakdowns, width));
    }
    let log: Vec<String> = details
        .events
        .iter()
        .map(|event| format!("{}  {:<11} {}", event.at, event.kind, event.detail))
        .collect();
    if !log.is_empty() {
        text.push_str("\n\nevents\n");
        text.push_str(&log.join("\n"));
    }
    Ok(text)
}

/// One row for each bucket and target.
fn breakdown_table(breakdowns: &[BreakdownRow], width: usize) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let columns = [("original", "mae"), ("original", "bias"), ("scaled", "mse"), ("original", "coverage_80")];
    for group in breakdowns
        .chunk_by(|a, b| (&a.dimension, &a.bucket, &a.target) == (&b.dimension, &b.bucket, &b.target))
    {
        let value = |(unit, name): &(&str, &str)| {
            let found = group.iter().find(|row| row.unit == *unit && row.name == *name);
            found.map_or("-".to_string(), |row| number(row.value))
        };
        let first = &group[0];
        let names = [
            first.dimension.clone(),
            first.bucket.clone(),
            first.target.clone(),
            first.forecasts.to_string(),
        ];
        rows.push(names.into_iter().chain(columns.iter().map(value)).collect());
    }
    let headers = ["by", "bucket", "target", "forecasts", "mae", "bias", "mse (scaled)", "coverage_80"];
    table(&headers, &rows, &[3, 4, 5, 6, 7], width)
}

/// One row for each part, target and unit; one column for each metric.
fn metric_table(metrics: &[MetricRow], names: &[&'static str], width: usize) -> String {
    let mut keys: Vec<(&str, &str, &str)> = Vec::new();
    let order = |part: &str| ["train", "valid", "test"].iter().position(|name| *name == part);
    for metric in metrics {
        let key = (metric.part.as_str(), metric.target.as_str(), metric.unit.as_str());
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.sort_by_key(|(part, target, unit)| (order(part), *target, *unit));
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|(part, target, unit)| {
            let value = |name: &&str| {
                metrics
                    .iter()
                    .find(|m| m.part == *part && m.target == *target && m.unit == *unit && m.name == **name)
                    .map_or("-".to_string(), |metric| number(metric.value))
            };
            [part, target, unit].iter().map(ToString::to_string).chain(names.iter().map(value)).collect()
        })
        .collect();
    let headers: Vec<&str> = ["part", "target", "unit"].into_iter().chain(names.iter().copied()).collect();
    table(&headers, &rows, &(3..headers.len()).collect::<Vec<_>>(), width)
}
