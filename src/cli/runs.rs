//! `burstlab runs`: lists runs.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::console::Console;
use super::filter::FilterArgs;
use super::usage;
use crate::dataset::{ColumnValues, NamedColumn, TableFile, write_table};
use crate::listing::{RunColumn, SortKey, require_model, require_status, sort_runs, tag_list, telling_paths};
use crate::store::{RunFilter, RunRow, Store, results_folder};
use crate::system::exit_code::Exit;
use crate::text::{csv, table};

/// More runs than these are read together with all others.
const MOST_LOOKED_UP: usize = 1_000;

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
    /// Column to sort by: a metric (NAME, PART.NAME or PART.NAME.TARGET, e.g. test.mae.response_tokens), which shows it too,
    /// a parameter, or another column such as started_at
    #[arg(long, default_value = "valid.mse")]
    sort: String,
    /// Sort the other way round
    #[arg(long)]
    reverse: bool,
    /// Columns to show instead of those that tell the runs apart, e.g. run_id,learning_rate,test.mae
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
    /// Show at most this many runs
    #[arg(long)]
    limit: Option<usize>,
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    format: RunsFormat,
}

/// Output format of a list of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RunsFormat {
    /// Text for people.
    Table,
    /// A JSON list of objects.
    Json,
    /// Comma-separated values.
    Csv,
    /// A Parquet file, on standard output that is not a terminal.
    Parquet,
}

pub(super) fn runs(args: &RunsArgs, console: Console) -> anyhow::Result<Exit> {
    args.status.as_deref().map_or(Ok(()), require_status)?;
    args.model.as_deref().map_or(Ok(()), require_model)?;
    let mut store = Store::open_read_only(&results_folder())?;
    let filter = RunFilter {
        model: args.model.clone(),
        status: args.status.clone(),
        ..store.run_filter(args.experiment.as_deref())?
    };
    let filter = first_runs(args, &mut store, filter)?;
    let mut runs = args.filter.conditions()?.runs(&mut store, &filter)?;
    let sort = RunColumn::parse(&args.sort, &mut store, &runs)?;
    sort_runs(&mut runs, &sort, args.reverse);
    runs.truncate(args.limit.unwrap_or(usize::MAX));
    let metric = Some(sort).filter(|sort| matches!(sort, RunColumn::Metric(..)));
    let columns = match args.columns.as_slice() {
        [] => RunColumn::telling(&runs, metric),
        names => {
            let parse = |name: &String| RunColumn::parse(name, &mut store, &runs);
            names.iter().map(parse).collect::<anyhow::Result<Vec<_>>>()?
        }
    };
    match args.format {
        RunsFormat::Table => console.page(&runs_table(&runs, &columns, console.width())),
        RunsFormat::Json => {
            let list: Vec<Value> = runs.iter().map(|run| to_json(run, &columns)).collect();
            console.result(&Value::Array(list).to_string());
        }
        RunsFormat::Csv => {
            let columns = if args.columns.is_empty() { all_columns(columns) } else { columns };
            let header: Vec<String> = columns.iter().map(RunColumn::title).collect();
            let text = |value: Value| match value {
                Value::Null => String::new(),
                Value::String(text) => text,
                other => other.to_string(),
            };
            let rows = runs.iter().map(|run| columns.iter().map(|column| text(column.exact(run))).collect());
            console.result(&csv(&header, rows));
        }
        RunsFormat::Parquet => {
            let columns = if args.columns.is_empty() { all_columns(columns) } else { columns };
            let columns: Vec<NamedColumn> =
                columns.iter().map(|column| named_column(column, &runs)).collect();
            console.bytes(&write_table(&columns, TableFile::Parquet)?).map_err(usage)?;
        }
    }
    Ok(Exit::Ok)
}

/// Narrows a filter to the runs that the list can show. A store of 100,000 runs sorts a metric itself in a moment, while
/// reading every run takes seconds.
fn first_runs(args: &RunsArgs, store: &mut Store, filter: RunFilter) -> anyhow::Result<RunFilter> {
    let limit = args.limit.filter(|limit| *limit <= MOST_LOOKED_UP);
    let (Some(limit), Ok(metric), true) =
        (limit, SortKey::parse(&args.sort), args.filter.conditions()?.pick_all())
    else {
        return Ok(filter);
    };
    let descending = metric.is_higher_better() != args.reverse;
    let run_ids = store.first_runs(&filter, metric.key(), descending, limit)?;
    Ok(RunFilter { run_ids: Some(run_ids), ..filter })
}

fn runs_table(runs: &[RunRow], columns: &[RunColumn], width: usize) -> String {
    let titles: Vec<String> = columns.iter().map(RunColumn::title).collect();
    let headers: Vec<&str> = titles.iter().map(String::as_str).collect();
    let telling = telling_paths(runs);
    let rows: Vec<Vec<String>> =
        runs.iter().map(|run| columns.iter().map(|column| column.shown(run, &telling)).collect()).collect();
    let numeric: Vec<usize> = (0..columns.len()).filter(|&index| columns[index].is_numeric()).collect();
    let list = table(&headers, &rows, &numeric, width);
    match RunColumn::common(runs) {
        Some(common) => format!("{list}\nall: {common}"),
        None => list,
    }
}

/// The columns of a file: the same for every list, so that files can be joined, and the metric at the end.
fn all_columns(telling: Vec<RunColumn>) -> Vec<RunColumn> {
    let fixed = [
        "run_id",
        "experiment",
        "model",
        "seed",
        "fold",
        "status",
        "device",
        "wall_s",
        "revisions",
        "started_at",
        "finished_at",
        "tags",
        "note",
    ];
    let metric = telling.into_iter().filter(|column| matches!(column, RunColumn::Metric(..)));
    fixed.into_iter().map(RunColumn::Named).chain(metric).collect()
}

fn named_column(column: &RunColumn, runs: &[RunRow]) -> NamedColumn {
    let exact = || runs.iter().map(|run| column.exact(run));
    let values = match column {
        RunColumn::Named("seed" | "fold") => {
            ColumnValues::Whole(exact().map(|value| value.as_i64()).collect())
        }
        RunColumn::Named("wall_s") | RunColumn::Metric(..) => {
            ColumnValues::Real(exact().map(|value| value.as_f64()).collect())
        }
        _ => ColumnValues::Text(
            exact()
                .map(|value| match value {
                    Value::Null => None,
                    Value::String(text) => Some(text),
                    other => Some(other.to_string()),
                })
                .collect(),
        ),
    };
    NamedColumn { name: column.title(), values }
}

fn to_json(run: &RunRow, columns: &[RunColumn]) -> Value {
    let metrics = columns.iter().filter_map(|column| {
        let RunColumn::Metric(metric, values) = column else { return None };
        Some((metric.title(), json!(values.get(&run.run_id))))
    });
    let metrics: Map<String, Value> = metrics.collect();
    json!({
        "run_id": run.run_id, "experiment": run.experiment, "revisions": revision_numbers(run), "model": run.model,
        "seed": run.seed, "fold": run.fold, "status": run.status.as_str(), "device": run.device, "params": run.params,
        "started_at": run.started_at, "finished_at": run.finished_at, "wall_s": run.wall_s,
        "peak_rss_bytes": run.peak_rss_bytes, "attempts": run.attempts, "git_commit": run.git_commit,
        "dataset_sha256": run.dataset_sha256, "error": run.error, "tags": tag_list(run.tags.as_deref()),
        "note": run.note, "metrics": metrics,
    })
}

fn revision_numbers(run: &RunRow) -> Vec<i64> {
    run.revisions.split(',').filter_map(|number| number.parse().ok()).collect()
}
