//! `burstlab show`: everything about one run.

use clap::Args;
use serde_json::json;

use super::OutputFormat;
use crate::console::{Console, number, table};
use crate::exit_code::Exit;
use crate::scheduler::run_folder;
use crate::store::{MetricRow, RunFilter, RunRow, Store, results_folder};

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The run's identity, or its first characters
    run: String,
    /// How it is printed
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
}

pub(super) fn show(args: &ShowArgs, console: Console) -> anyhow::Result<Exit> {
    let results = results_folder();
    let mut store = Store::open_read_only(&results)?;
    let run_id = store.resolve_run(&args.run)?;
    let runs: Vec<RunRow> = store
        .runs(&RunFilter::default())?
        .into_iter()
        .filter(|run| run.run_id == run_id)
        .collect();
    let metrics = store.metrics_of_run(&run_id)?;
    let events = store.events_of_run(&run_id)?;
    let Some(run) = runs.first() else {
        anyhow::bail!(
            "run {run_id} belongs to no experiment any more; its metrics are still in the table `metrics`"
        );
    };
    let experiments: Vec<&str> = runs.iter().map(|run| run.experiment.as_str()).collect();
    let folder = run_folder(&results, &run_id);
    if args.format == OutputFormat::Json {
        let metrics: Vec<_> = metrics
            .iter()
            .map(|metric| {
                json!({ "part": metric.part, "target": metric.target, "unit": metric.unit, "name": metric.name,
                        "value": metric.value })
            })
            .collect();
        let events: Vec<_> = events
            .iter()
            .map(|event| json!({ "at": event.at, "kind": event.kind, "detail": event.detail }))
            .collect();
        let document = json!({
            "run_id": run_id, "experiments": experiments, "model": run.model, "seed": run.seed, "fold": run.fold,
            "status": run.status.as_str(), "device": run.device, "params": run.params, "wall_s": run.wall_s,
            "started_at": run.started_at, "finished_at": run.finished_at, "peak_rss_bytes": run.peak_rss_bytes,
            "attempts": run.attempts, "git_commit": run.git_commit, "dataset_sha256": run.dataset_sha256,
            "leak_verdict": run.leak_verdict, "error": run.error, "metrics": metrics, "events": events,
            "folder": folder,
        });
        console.result(&document.to_string());
        return Ok(Exit::Ok);
    }
    let optional = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_string());
    let mut facts = vec![
        ("experiments", experiments.join(", ")),
        ("model", run.model.clone()),
        ("status", run.status.as_str().to_string()),
        (
            "seed, fold",
            format!(
                "{}, {}",
                run.seed.map_or("none".to_string(), |seed| seed.to_string()),
                run.fold
            ),
        ),
        ("device", run.device.clone()),
        ("attempts", run.attempts.to_string()),
        ("started", optional(&run.started_at)),
        ("finished", optional(&run.finished_at)),
        (
            "wall",
            run.wall_s
                .map_or("-".to_string(), |wall_s| format!("{wall_s:.2} s")),
        ),
        (
            "peak memory",
            run.peak_rss_bytes
                .map_or("-".to_string(), |bytes| format!("{} MiB", bytes >> 20)),
        ),
        ("git commit", optional(&run.git_commit)),
        ("data sha256", run.dataset_sha256.clone()),
        ("split", run.leak_verdict.clone()),
        (
            "files",
            if folder.is_dir() {
                folder.display().to_string()
            } else {
                "none".to_string()
            },
        ),
    ];
    if let Some(error) = &run.error {
        facts.push(("error", error.clone()));
    }
    let facts: Vec<String> = facts
        .iter()
        .map(|(name, value)| format!("{name:>12}  {value}"))
        .collect();
    console.result(&format!("run {run_id}\n{}", facts.join("\n")));
    console.result(&format!(
        "\nparameters\n{}",
        serde_json::to_string_pretty(&run.params)?
    ));
    if !metrics.is_empty() {
        console.result(&format!("\nmetrics\n{}", metric_table(&metrics)));
    }
    let log: Vec<String> = events
        .iter()
        .map(|event| format!("{}  {:<11} {}", event.at, event.kind, event.detail))
        .collect();
    if !log.is_empty() {
        console.result(&format!("\nevents\n{}", log.join("\n")));
    }
    Ok(Exit::Ok)
}

/// One row for each part, target and unit; one column for each metric.
fn metric_table(metrics: &[MetricRow]) -> String {
    let mut keys: Vec<(&str, &str, &str)> = Vec::new();
    let order = |part: &str| ["train", "valid", "test"].iter().position(|name| *name == part);
    for metric in metrics {
        let key = (metric.part.as_str(), metric.target.as_str(), metric.unit.as_str());
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.sort_by_key(|(part, target, unit)| (order(part), *target, *unit));
    let names = crate::metric::NAMES;
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|(part, target, unit)| {
            let value = |name: &&str| {
                metrics
                    .iter()
                    .find(|m| m.part == *part && m.target == *target && m.unit == *unit && m.name == **name)
                    .map_or("-".to_string(), |metric| number(metric.value))
            };
            [part, target, unit]
                .iter()
                .map(ToString::to_string)
                .chain(names.iter().map(value))
                .collect()
        })
        .collect();
    let headers: Vec<&str> = ["part", "target", "unit"].into_iter().chain(names).collect();
    table(&headers, &rows, &(3..headers.len()).collect::<Vec<_>>())
}
