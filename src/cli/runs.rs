//! `burstlab runs`: lists runs.

use std::collections::HashMap;

use clap::Args;
use serde_json::{Map, Value, json};

use super::console::Console;
use super::exit_code::Exit;
use super::filter::FilterArgs;
use super::{TableFormat, usage};
use crate::spec::ModelSpec;
use crate::store::{RunFilter, RunRow, Status, Store, results_folder};
use crate::text::{csv, nearest, number, table};

#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    /// Only runs of this experiment: NAME for its latest revision, NAME@2 for the second, NAME@all for all
    #[arg(long)]
    experiment: Option<String>,
    /// Only runs of this model kind
    #[arg(long)]
    model: Option<String>,
    /// Only runs with this status: planned, running, done, failed, timed_out, pruned, interrupted
    #[arg(long)]
    status: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Metric to show and sort by: NAME, PART.NAME or PART.NAME.TARGET, e.g. test.mae.response_tokens
    #[arg(long, default_value = "valid.mse")]
    sort: String,
    /// Show at most this many runs
    #[arg(long)]
    limit: Option<usize>,
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

pub(super) fn runs(args: &RunsArgs, console: Console) -> anyhow::Result<Exit> {
    if let Some(status) = &args.status
        && Status::parse(status).is_none()
    {
        return Err(usage(format!(
            "`{status}` is not a status; use planned, running, done, failed, timed_out, pruned or interrupted"
        )));
    }
    let kinds = ModelSpec::KINDS;
    if let Some(model) = &args.model
        && !kinds.contains(&model.as_str())
    {
        let hint = nearest(model, kinds).map_or(String::new(), |near| format!("did you mean `{near}`? "));
        return Err(usage(format!(
            "`{model}` is not a model kind; {hint}the kinds are {}",
            kinds.join(", ")
        )));
    }
    let sort = SortKey::parse(&args.sort)?;
    let mut store = Store::open_read_only(&results_folder())?;
    let filter = RunFilter {
        model: args.model.clone(),
        status: args.status.clone(),
        ..store.run_filter(args.experiment.as_deref())?
    };
    let mut runs = args.filter.runs(&mut store, &filter)?;
    let values = sort.values(&mut store, &runs)?;
    // The best run comes first; runs without the metric come last, in the order of their plans.
    let sign = if crate::stats::lower_is_better(&sort.name) { 1.0 } else { -1.0 };
    runs.sort_by(|a, b| {
        let value = |run: &RunRow| values.get(&run.run_id).map_or(f64::INFINITY, |value| sign * value);
        value(a).total_cmp(&value(b))
    });
    runs.truncate(args.limit.unwrap_or(usize::MAX));
    match args.format {
        TableFormat::Table => {
            console.result(&runs_table(&runs, &values, &sort, console.width()));
        }
        TableFormat::Json => {
            let list: Vec<Value> = runs.iter().map(|run| to_json(run, &values, &sort)).collect();
            console.result(&Value::Array(list).to_string());
        }
        TableFormat::Csv => {
            let mut header = COLUMNS.map(str::to_string).to_vec();
            header.push(sort.title());
            let rows = runs.iter().map(|run| cells(run, &values));
            console.result(&csv(&header, rows));
        }
    }
    Ok(Exit::Ok)
}

/// The metric that the list is sorted by.
pub(super) struct SortKey {
    pub(super) part: String,
    pub(super) name: String,
    target: String,
}

impl SortKey {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let parts: Vec<&str> = text.splitn(3, '.').collect();
        let (part, name, target) = match parts.as_slice() {
            [name] => ("valid", *name, "all"),
            [part, name] => (*part, *name, "all"),
            [part, name, target] => (*part, *name, *target),
            _ => ("", "", ""),
        };
        let known = [&crate::stats::NAMES[..], &crate::stats::INTERVAL_NAMES].concat();
        if !["train", "valid", "test"].contains(&part) || !known.contains(&name) {
            return Err(usage(format!(
                "`{text}` is not a metric; write NAME, PART.NAME or PART.NAME.TARGET with a part of train, valid, test \
                 and a name of {}",
                known.join(", ")
            )));
        }
        Ok(Self { part: part.into(), name: name.into(), target: target.into() })
    }

    pub(super) fn title(&self) -> String {
        if self.target == "all" {
            format!("{}.{}", self.part, self.name)
        } else {
            format!("{}.{}.{}", self.part, self.name, self.target)
        }
    }

    /// The metric of each run: scaled for `all`, in original units for one target.
    pub(super) fn values(&self, store: &mut Store, runs: &[RunRow]) -> anyhow::Result<HashMap<String, f64>> {
        let unit = if self.target == "all" { "scaled" } else { "original" };
        let run_ids: Vec<&str> = runs.iter().map(|run| run.run_id.as_str()).collect();
        store.metric_of([&self.part, &self.target, unit, &self.name], &run_ids)
    }
}

fn runs_table(runs: &[RunRow], values: &HashMap<String, f64>, sort: &SortKey, width: usize) -> String {
    let title = sort.title();
    let headers: Vec<&str> = COLUMNS.into_iter().chain([title.as_str(), "model parameters"]).collect();
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            let mut row = cells(run, values);
            row[7] = run.wall_s.map_or("-".to_string(), |wall_s| format!("{wall_s:.2}"));
            row[8] = values.get(&run.run_id).map_or("-".to_string(), |value| number(*value));
            row.push(parameters(&run.params));
            row
        })
        .collect();
    table(&headers, &rows, &[3, 4, 7, 8], width)
}

/// The columns of [`cells`], without the metric at the end.
const COLUMNS: [&str; 8] = ["run_id", "experiment", "model", "seed", "fold", "status", "device", "wall_s"];

fn cells(run: &RunRow, values: &HashMap<String, f64>) -> Vec<String> {
    vec![
        run.run_id.clone(),
        run.experiment.clone(),
        run.model.clone(),
        run.seed.map_or(String::new(), |seed| seed.to_string()),
        run.fold.to_string(),
        run.status.as_str().to_string(),
        run.device.clone(),
        run.wall_s.map_or(String::new(), |wall_s| wall_s.to_string()),
        values.get(&run.run_id).map_or(String::new(), f64::to_string),
    ]
}

/// The parameters of the model, such as `hidden=64 layers=1`.
fn parameters(params: &Value) -> String {
    let Some(Value::Object(model)) = params.get("model") else {
        return String::new();
    };
    let parts = model.iter().filter(|(key, _)| *key != "kind").map(|(key, value)| format!("{key}={value}"));
    parts.collect::<Vec<_>>().join(" ")
}

fn to_json(run: &RunRow, values: &HashMap<String, f64>, sort: &SortKey) -> Value {
    let mut metric = Map::new();
    metric.insert(sort.title(), json!(values.get(&run.run_id)));
    json!({
        "run_id": run.run_id, "experiment": run.experiment, "model": run.model, "seed": run.seed, "fold": run.fold,
        "status": run.status.as_str(), "device": run.device, "params": run.params, "started_at": run.started_at,
        "finished_at": run.finished_at, "wall_s": run.wall_s, "peak_rss_bytes": run.peak_rss_bytes,
        "attempts": run.attempts, "git_commit": run.git_commit, "dataset_sha256": run.dataset_sha256,
        "error": run.error, "metrics": metric,
    })
}
