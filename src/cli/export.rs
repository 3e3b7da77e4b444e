//! `burstlab export`: runs with their parameters and metrics as one wide table, for notebooks and spreadsheets.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::console::Console;
use super::filter::FilterArgs;
use super::usage;
use crate::compare::distinct;
use crate::dataset::{ColumnValues, NamedColumn, ParquetFile, TableFile, write_table};
use crate::files::{Existing, OutputFile, begins_with};
use crate::listing::paths;
use crate::spec::lookup;
use crate::store::{MetricRow, RunRow, Store, results_folder, store_files};
use crate::system::exit_code::Exit;
use crate::text::counted;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Experiment: NAME, NAME@2 for its second revision, NAME@all for all of them; by default all experiments
    experiment: Option<String>,
    /// A .csv or .parquet file; by default CSV on standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file also if it is no older export
    #[arg(long, requires = "output")]
    force: bool,
    #[command(flatten)]
    filter: FilterArgs,
}

pub(super) fn export(args: &ExportArgs, console: Console) -> anyhow::Result<Exit> {
    let format = args.output.as_deref().map_or(Ok(TableFile::Csv), format_of)?;
    let results = results_folder();
    let existing = Existing::forced(args.force, Existing::ReplaceIf(is_export));
    let output = args.output.as_deref();
    let output = output.map(|path| OutputFile::new(path, &store_files(&results), existing)).transpose()?;
    let mut store = Store::open_read_only(&results)?;
    let filter = store.run_filter(args.experiment.as_deref())?;
    let runs = args.filter.conditions()?.runs(&mut store, &filter)?;
    let picked: Vec<String> = distinct(runs.iter().map(|run| run.run_id.clone()));
    let metrics = store.all_metrics_of_runs(&picked)?;
    let columns = columns(&runs, &metrics);
    let bytes = write_table(&columns, format)?;
    match &output {
        Some(output) => {
            output.write_bytes(&bytes)?;
            console.note(&format!(
                "wrote {} in {} to {}",
                counted(runs.len(), "run"),
                counted(columns.len(), "column"),
                output.path().display()
            ));
        }
        None => console.result(&String::from_utf8_lossy(&bytes)),
    }
    Ok(Exit::Ok)
}

/// Whether a file is an older export: nothing else has a first column of this name.
fn is_export(path: &Path) -> bool {
    if begins_with(path, "run_id,experiment,") {
        return true;
    }
    let Ok(bytes) = std::fs::read(path) else { return false };
    let name = path.display().to_string();
    ParquetFile::new(&name, &bytes)
        .is_ok_and(|table| table.has_column("run_id") && table.has_column("experiment"))
}

fn format_of(path: &Path) -> anyhow::Result<TableFile> {
    match path.extension().and_then(|end| end.to_str()) {
        Some("csv") => Ok(TableFile::Csv),
        Some("parquet") => Ok(TableFile::Parquet),
        _ => Err(usage(format!(
            "cannot tell the format of {} from its name; let it end in .csv or .parquet",
            path.display()
        ))),
    }
}

/// The columns of the view `runs`, then one for each parameter and one for each metric.
fn columns(runs: &[RunRow], metrics: &[MetricRow]) -> Vec<NamedColumn> {
    let mut columns = run_columns(runs);
    columns.extend(parameter_columns(runs));
    columns.extend(metric_columns(runs, metrics));
    columns
}

fn run_columns(runs: &[RunRow]) -> Vec<NamedColumn> {
    let text = |name: &str, value: &dyn Fn(&RunRow) -> Option<String>| NamedColumn {
        name: name.to_string(),
        values: ColumnValues::Text(runs.iter().map(value).collect()),
    };
    let whole = |name: &str, value: &dyn Fn(&RunRow) -> Option<i64>| NamedColumn {
        name: name.to_string(),
        values: ColumnValues::Whole(runs.iter().map(value).collect()),
    };
    vec![
        text("run_id", &|run| Some(run.run_id.clone())),
        text("experiment", &|run| Some(run.experiment.clone())),
        text("model", &|run| Some(run.model.clone())),
        whole("seed", &|run| run.seed),
        whole("fold", &|run| Some(run.fold)),
        text("status", &|run| Some(run.status.as_str().to_string())),
        text("device", &|run| Some(run.device.clone())),
        text("started_at", &|run| run.started_at.clone()),
        text("finished_at", &|run| run.finished_at.clone()),
        NamedColumn {
            name: "wall_s".to_string(),
            values: ColumnValues::Real(runs.iter().map(|run| run.wall_s).collect()),
        },
        whole("peak_rss_bytes", &|run| run.peak_rss_bytes),
        whole("attempts", &|run| Some(run.attempts)),
        text("git_commit", &|run| run.git_commit.clone()),
        NamedColumn {
            name: "git_dirty".to_string(),
            values: ColumnValues::Flag(runs.iter().map(|run| run.git_dirty).collect()),
        },
        text("dataset_sha256", &|run| Some(run.dataset_sha256.clone())),
        text("version", &|run| run.version.clone()),
        text("error", &|run| run.error.clone()),
    ]
}

/// `params.model.hidden` and the like, each in the narrowest type that holds all its values.
fn parameter_columns(runs: &[RunRow]) -> Vec<NamedColumn> {
    let paths: BTreeSet<String> = runs.iter().flat_map(|run| paths(&run.params)).collect();
    paths
        .into_iter()
        .map(|path| {
            let values: Vec<Option<&Value>> =
                runs.iter().map(|run| lookup(&run.params, &path).filter(|value| !value.is_null())).collect();
            NamedColumn { name: format!("params.{path}"), values: narrowest(&values) }
        })
        .collect()
}

fn narrowest(values: &[Option<&Value>]) -> ColumnValues {
    let all = |fits: fn(&Value) -> bool| values.iter().flatten().all(|value| fits(value));
    if all(Value::is_boolean) {
        ColumnValues::Flag(values.iter().map(|value| value.and_then(Value::as_bool)).collect())
    } else if all(Value::is_i64) {
        ColumnValues::Whole(values.iter().map(|value| value.and_then(Value::as_i64)).collect())
    } else if all(Value::is_number) {
        ColumnValues::Real(values.iter().map(|value| value.and_then(Value::as_f64)).collect())
    } else {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
        ColumnValues::Text(values.iter().map(|value| value.map(text)).collect())
    }
}

/// `test.mae.response_tokens.original` and the like: part, metric, target and unit.
fn metric_columns(runs: &[RunRow], metrics: &[MetricRow]) -> Vec<NamedColumn> {
    let mut by_column: BTreeMap<[&str; 4], HashMap<&str, f64>> = BTreeMap::new();
    for metric in metrics {
        let key = [&metric.part, &metric.name, &metric.target, &metric.unit].map(String::as_str);
        by_column.entry(key).or_default().insert(&metric.run_id, metric.value);
    }
    by_column
        .into_iter()
        .map(|(key, values)| NamedColumn {
            name: key.join("."),
            values: ColumnValues::Real(
                runs.iter().map(|run| values.get(run.run_id.as_str()).copied()).collect(),
            ),
        })
        .collect()
}
