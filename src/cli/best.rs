//! `burstlab best`: the best trial over its seeds, with what is needed to use it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::console::Console;
use super::{OutputFormat, usage};
use crate::compare::{BestTrial, MeanSpread, MetricKey, best_trials, metrics_over_seeds};
use crate::listing::{SortKey, parse_moment};
use crate::spec::{ObjectiveSpec, RunSpec, lookup};
use crate::stats::{NAMES, lower_is_better};
use crate::store::{RunRow, Store, has_files, results_folder, run_folder};
use crate::system::exit_code::Exit;
use crate::text::{counted, number, table};

#[derive(Debug, Args)]
pub(super) struct BestArgs {
    /// Only trials of this experiment: NAME for its latest revision, NAME@2 for the second, NAME@all for all. Without it and
    /// --since, the experiment that ran last
    #[arg(long, value_name = "NAME")]
    experiment: Option<String>,
    /// Only trials of which a run ended since then: an age such as 7d or 12h, or a date or time of UTC such as 2026-11-01
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Metric to choose by: NAME, PART.NAME or PART.NAME.TARGET, e.g. valid.mae.response_tokens; by default the experiment's
    /// objective, or valid.mse with --since alone
    #[arg(long)]
    metric: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
}

/// A best trial with what is shown of it.
struct ShownTrial {
    trial: BestTrial,
    /// The setting in words.
    setting: String,
    /// Metrics of validation and test, each over seeds.
    metrics: [(&'static str, BTreeMap<MetricKey, MeanSpread>); 2],
    /// The keys to paste into an experiment file, or why there are none.
    keys: Result<String, String>,
    /// Whether the files of the best run are there.
    saved: bool,
}

pub(super) fn best(args: &BestArgs, console: Console) -> anyhow::Result<Exit> {
    let results = results_folder();
    let since = args.since.as_deref().map(|text| parse_moment("--since", text)).transpose()?;
    let given = args.metric.as_deref().map(metric_to_choose_by).transpose()?;
    let mut store = Store::open_read_only(&results)?;
    let reference = match (&args.experiment, &since) {
        (Some(reference), _) => Some(reference.clone()),
        (None, Some(_)) => None,
        (None, None) => store.experiment_names()?.into_iter().next(),
    };
    let metric = match (given, &reference) {
        (Some(metric), _) => metric,
        (None, Some(reference)) => objective_of(&mut store, reference)?,
        (None, None) => SortKey::parse("valid.mse")?,
    };
    let filter = store.run_filter(reference.as_deref())?;
    let runs = store.runs(&filter)?;
    let values = metric.values(&mut store, &runs)?;
    let is_in_time = |run: &RunRow| {
        let ended = run.finished_at.as_deref();
        since.as_ref().is_none_or(|since| ended.is_some_and(|ended| since.is_reached_at(ended)))
    };
    let best = best_trials(&runs, &values, lower_is_better(&metric.name), is_in_time);
    if best.is_empty() {
        return Err(nothing_found(args, reference.as_deref(), &metric));
    }
    let shown: Vec<ShownTrial> = best
        .into_iter()
        .map(|trial| ShownTrial::read(trial, &mut store, &results, &runs))
        .collect::<anyhow::Result<_>>()?;
    match args.format {
        OutputFormat::Human => {
            let texts: Vec<String> =
                shown.iter().map(|shown| shown.to_text(&metric.title(), &results, console.width())).collect();
            console.result(&texts.join("\n\n"));
            note_choice(&metric, shown.len(), console);
        }
        OutputFormat::Json => {
            let list: Vec<Value> =
                shown.iter().map(|shown| shown.to_json(&metric.title(), &results)).collect();
            console.result(&Value::Array(list).to_string());
        }
    }
    Ok(Exit::Ok)
}

/// The given metric, if it tells which forecasts are better.
fn metric_to_choose_by(text: &str) -> anyhow::Result<SortKey> {
    let metric = SortKey::parse(text)?;
    let is_no_error =
        |name: &str| ["coverage_", "width_"].iter().any(|start| name.starts_with(start)) || name == "bias";
    if is_no_error(&metric.name) {
        return Err(usage(format!(
            "`{}` does not tell which of two forecasts is better; choose by an error such as {}.mse, or by crps or a winkler \
             score",
            metric.name, metric.part
        )));
    }
    Ok(metric)
}

/// The objective of an experiment, as a metric is typed; that of the last of several revisions.
fn objective_of(store: &mut Store, reference: &str) -> anyhow::Result<SortKey> {
    let revision = store.revisions(reference)?.pop().context("the store holds no such experiment")?;
    let objective: ObjectiveSpec =
        serde_json::from_str(&revision.objective).context("the store holds a damaged objective")?;
    SortKey::parse(&format!("{}.{}.{}", objective.part.as_str(), objective.metric.as_str(), objective.target))
}

fn nothing_found(args: &BestArgs, experiment: Option<&str>, metric: &SortKey) -> anyhow::Error {
    let of = experiment.map_or("the store".to_string(), |name| format!("`{name}`"));
    let since = args.since.as_ref().map_or(String::new(), |since| format!(" that ended since {since}"));
    usage(format!(
        "no run of {of}{since} is done and has the metric {}; `burstlab runs` lists the runs",
        metric.title()
    ))
}

fn note_choice(metric: &SortKey, settings: usize, console: Console) {
    if metric.part == "test" {
        console.note(
            "these trials were chosen on the test part, so their test errors are lower than those to expect",
        );
    }
    if settings > 1 {
        console.note(&format!(
            "{settings} settings: their errors are not comparable, so each has a best trial of its own"
        ));
    }
}

impl ShownTrial {
    fn read(trial: BestTrial, store: &mut Store, results: &Path, runs: &[RunRow]) -> anyhow::Result<Self> {
        let mut metrics_of = |part: &'static str| -> anyhow::Result<_> {
            Ok((part, metrics_over_seeds(store.metrics_of_runs(&trial.run_ids, part)?, runs)))
        };
        let metrics = [metrics_of("valid")?, metrics_of("test")?];
        let keys = RunSpec::from_params(&trial.params)
            .map_err(|error| error.to_string())
            .and_then(|spec| spec.to_keys().map_err(|error| error.to_string()));
        Ok(Self {
            setting: setting_in_words(&trial.params),
            saved: has_files(results, &trial.run_ids[0]),
            metrics,
            keys,
            trial,
        })
    }

    fn to_text(&self, metric: &str, results: &Path, width: usize) -> String {
        let Self { trial, setting, .. } = self;
        let run_id = &trial.run_ids[0];
        let plural = if trial.experiments.len() == 1 { "" } else { "s" };
        let folder = run_folder(results, run_id);
        let files = if self.saved { folder.display().to_string() } else { "its files are gone".to_string() };
        let mut text = format!(
            "{} of experiment{plural} {}, {setting}\n{metric} {}, the best of {}; {} of {} done{}\n\nbest run   {run_id}\nsaved in   \
             {files}\nreproduce  burstlab rerun {run_id}",
            trial.model,
            trial.experiments.join(", "),
            shown(trial.value),
            counted(trial.trials, "trial"),
            trial.run_ids.len(),
            counted(trial.planned, "run"),
            if trial.seeds > 1 { format!(", {} seeds", trial.seeds) } else { String::new() },
        );
        if trial.run_ids.len() > 1 {
            text += &["\nall runs   ", &trial.run_ids.join(" ")].concat();
        }
        text += &["\n\n", &self.metric_table(width), "\n\n"].concat();
        text += &match &self.keys {
            Ok(keys) => ["# keys of an experiment file\n", keys.trim_end()].concat(),
            Err(reason) => ["its keys are those of another version of burstlab: ", reason].concat(),
        };
        text
    }

    /// One row for each part and target, one column for each metric.
    fn metric_table(&self, width: usize) -> String {
        let mut rows = Vec::new();
        for (part, metrics) in &self.metrics {
            let mut targets: Vec<(&str, &str)> = Vec::new();
            for key in metrics.keys() {
                let target = (key.target.as_str(), key.unit.as_str());
                if !targets.contains(&target) {
                    targets.push(target);
                }
            }
            for (target, unit) in targets {
                let cell = |name: &&str| {
                    let wanted = MetricKey {
                        target: target.to_string(),
                        unit: unit.to_string(),
                        name: (*name).to_string(),
                    };
                    metrics.get(&wanted).map_or("-".to_string(), |value| number(value.mean))
                };
                let row = [*part, target, unit].map(str::to_string);
                rows.push(row.into_iter().chain(NAMES.iter().map(cell)).collect::<Vec<_>>());
            }
        }
        let headers: Vec<&str> = ["part", "target", "unit"].into_iter().chain(NAMES).collect();
        table(&headers, &rows, &(3..headers.len()).collect::<Vec<_>>(), width)
    }

    fn to_json(&self, metric: &str, results: &Path) -> Value {
        let Self { trial, .. } = self;
        let run_id = &trial.run_ids[0];
        let metrics: Vec<Value> = self
            .metrics
            .iter()
            .flat_map(|(part, metrics)| metrics.iter().map(move |(key, value)| (part, key, value)))
            .map(|(part, key, value)| {
                json!({ "part": part, "target": key.target, "unit": key.unit, "name": key.name, "value": value.mean,
                        "spread": value.spread })
            })
            .collect();
        json!({
            "experiments": trial.experiments, "model": trial.model, "setting": self.setting, "metric": metric,
            "value": trial.value.mean, "spread": trial.value.spread, "trials": trial.trials, "runs": trial.planned,
            "run_ids": trial.run_ids, "best_run": run_id, "folder": run_folder(results, run_id), "saved": self.saved,
            "reproduce": format!("burstlab rerun {run_id}"), "keys": self.keys.as_ref().ok(), "params": trial.params,
            "metrics": metrics,
        })
    }
}

/// `0.4213 ± 0.0031`.
fn shown(value: MeanSpread) -> String {
    match value.spread {
        Some(spread) => format!("{} ± {}", number(value.mean), number(spread)),
        None => number(value.mean),
    }
}

/// What is forecast: `next_request, horizon 10, on synthetic-burstgpt`.
fn setting_in_words(params: &Value) -> String {
    let text = |path: &str| {
        lookup(params, path)
            .map_or("?".to_string(), |value| value.as_str().map_or_else(|| value.to_string(), str::to_string))
    };
    format!("{}, horizon {}, on {}", text("task.kind"), text("task.horizon"), text("dataset.source"))
}
