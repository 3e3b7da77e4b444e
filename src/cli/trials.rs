//! `burstlab trials`: the trials of an experiment and which hyperparameters matter.

use std::collections::HashMap;

use clap::{Args, ValueEnum};

use super::TableFormat;
use super::console::Console;
use crate::compare::{ModelImportance, TrialRow, TrialSetting, Trials};
use crate::spec::ObjectiveSpec;
use crate::store::{Store, results_folder};
use crate::system::exit_code::Exit;
use crate::text::{counted, csv, number, table};

#[derive(Debug, Args)]
pub(super) struct TrialsArgs {
    /// Name of the experiment: NAME for its latest revision, NAME@2 for the second
    experiment: String,
    /// What the trials are sorted by
    #[arg(long, value_enum, default_value = "objective")]
    sort: TrialOrder,
    /// Show at most this many trials of each setting
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

/// An order of trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TrialOrder {
    /// The lowest objective first.
    Objective,
    /// The lowest error on the test part first.
    Test,
    /// The smallest spread over seeds first.
    Spread,
    /// The most epochs first.
    Epochs,
    /// By model, the lowest objective first.
    Model,
}

pub(super) fn trials(args: &TrialsArgs, console: Console) -> anyhow::Result<Exit> {
    let mut store = Store::open_read_only(&results_folder())?;
    let mut trials = Trials::read(&mut store, &args.experiment)?;
    let mut shown = 0;
    let mut all = 0;
    for setting in &mut trials.settings {
        sort(&mut setting.trials, args.sort);
        all += setting.trials.len();
        setting.trials.truncate(args.limit.unwrap_or(usize::MAX));
        shown += setting.trials.len();
    }
    match args.format {
        TableFormat::Table => {
            let texts: Vec<String> = trials
                .settings
                .iter()
                .map(|setting| to_text(setting, &trials.objective, console.width()))
                .collect();
            let none = || format!("`{}` has no trials yet", args.experiment);
            console.result(&if texts.is_empty() { none() } else { texts.join("\n\n") });
            if shown < all {
                console.note(&format!("showing {shown} of {}", counted(all, "trial")));
            }
        }
        TableFormat::Json => console.result(&trials.to_json().to_string()),
        TableFormat::Csv => console.result(&to_csv(&trials)),
    }
    Ok(Exit::Ok)
}

/// Sorts trials that stand in the order of their objective; what has no value comes last.
fn sort(trials: &mut [TrialRow], order: TrialOrder) {
    let mean = |value: Option<crate::compare::MeanSpread>| value.map_or(f64::INFINITY, |value| value.mean);
    let spread = |trial: &TrialRow| trial.objective.and_then(|value| value.spread).unwrap_or(f64::INFINITY);
    match order {
        TrialOrder::Objective => {}
        TrialOrder::Test => trials.sort_by(|a, b| mean(a.test).total_cmp(&mean(b.test))),
        TrialOrder::Spread => trials.sort_by(|a, b| spread(a).total_cmp(&spread(b))),
        TrialOrder::Epochs => trials.sort_by_key(|trial| -trial.epochs.map_or(0, |(_, most)| most)),
        TrialOrder::Model => trials.sort_by(|a, b| a.model.cmp(&b.model)),
    }
}

fn to_text(setting: &TrialSetting, objective: &ObjectiveSpec, width: usize) -> String {
    let [valid, test] = titles(objective);
    let headers = [
        "rank",
        "model",
        "hyperparameters",
        &valid,
        "±",
        &test,
        "runs",
        "epochs",
        "outcome",
        "by",
        "best run",
    ];
    let mean =
        |value: Option<crate::compare::MeanSpread>| value.map_or("-".to_string(), |value| number(value.mean));
    let spread =
        |trial: &TrialRow| trial.objective.and_then(|value| value.spread).map_or("-".to_string(), number);
    let rows: Vec<Vec<String>> = setting
        .trials
        .iter()
        .map(|trial| {
            vec![
                trial.rank.map_or("-".to_string(), |rank| rank.to_string()),
                trial.model.clone(),
                trial.label(),
                mean(trial.objective),
                spread(trial),
                mean(trial.test),
                format!("{}/{}", trial.done, trial.run_ids.len()),
                epochs(trial),
                trial.outcome(),
                trial.proposed_by.unwrap_or("-").to_string(),
                trial.best_run.clone().unwrap_or("-".to_string()),
            ]
        })
        .collect();
    let mut text = String::new();
    if !setting.title.is_empty() {
        text = format!("{}\n", setting.title);
    }
    text.push_str(&table(&headers, &rows, &[3, 4, 5], width));
    if !setting.importance.is_empty() {
        text.push_str("\n\nimportance of the hyperparameters, as shares of what each changes alone");
        for own in &setting.importance {
            text += &["\n  ", &importance_text(own)].concat();
        }
    }
    text
}

/// `valid.mse` and `test.mse`.
fn titles(objective: &ObjectiveSpec) -> [String; 2] {
    let target = if objective.target == "all" { String::new() } else { format!(".{}", objective.target) };
    let name = objective.metric.as_str();
    [format!("{}.{name}{target}", objective.part.as_str()), format!("test.{name}{target}")]
}

/// `3`, `1-3 of 10`: the epochs that the runs reached, of how many where they stopped before.
fn epochs(trial: &TrialRow) -> String {
    let Some((least, most)) = trial.epochs else { return "-".to_string() };
    let reached = if least == most { most.to_string() } else { format!("{least}-{most}") };
    match trial.most_epochs {
        Some(planned) if u64::try_from(least).is_ok_and(|least| least < planned) => {
            format!("{reached} of {planned}")
        }
        _ => reached,
    }
}

/// `lstm (24 trials): learning_rate 81 %, hidden 19 %; together 92 % of the variance`.
fn importance_text(own: &ModelImportance) -> String {
    let trials = counted(own.trials, "trial");
    match &own.importance {
        Err(reason) => format!("{}: unknown, since {reason}", own.model),
        Ok(found) => {
            let percent = |share: f64| format!("{:.0} %", 100.0 * share);
            let mut shares: Vec<(&String, f64)> =
                own.names.iter().zip(found.shares.iter().copied()).collect();
            shares.sort_by(|a, b| b.1.total_cmp(&a.1));
            let shares: Vec<String> =
                shares.into_iter().map(|(name, share)| format!("{name} {}", percent(share))).collect();
            let rough = if own.is_rough() { "; a rough guess from so few trials" } else { "" };
            format!(
                "{} ({trials}): {}; together {} of the variance, interactions the rest{rough}",
                own.model,
                shares.join(", "),
                percent(found.explained.min(1.0))
            )
        }
    }
}

/// One row for each trial, with a column for every hyperparameter that varies in some model.
fn to_csv(trials: &Trials) -> String {
    let rows: Vec<(&TrialSetting, &TrialRow)> = trials
        .settings
        .iter()
        .flat_map(|setting| setting.trials.iter().map(move |trial| (setting, trial)))
        .collect();
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in rows.iter().flat_map(|(_, trial)| &trial.hyperparameters) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let [valid, test] = titles(&trials.objective);
    let first = [
        "setting",
        "rank",
        "model",
        &valid,
        "spread",
        &test,
        "test_spread",
        "done",
        "runs",
        "epochs",
        "outcome",
    ];
    let last = ["proposed_by", "best_run"];
    let header: Vec<String> = first
        .into_iter()
        .map(str::to_string)
        .chain(last.map(str::to_string))
        .chain(names.iter().map(ToString::to_string))
        .collect();
    let optional = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    csv(
        &header,
        rows.iter().map(|(setting, trial)| {
            let values: HashMap<&String, String> = trial
                .hyperparameters
                .iter()
                .map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_string)))
                .collect();
            let mut cells = vec![
                setting.title.clone(),
                trial.rank.map_or(String::new(), |rank| rank.to_string()),
                trial.model.clone(),
                optional(trial.objective.map(|value| value.mean)),
                optional(trial.objective.and_then(|value| value.spread)),
                optional(trial.test.map(|value| value.mean)),
                optional(trial.test.and_then(|value| value.spread)),
                trial.done.to_string(),
                trial.run_ids.len().to_string(),
                trial.epochs.map_or(String::new(), |(_, most)| most.to_string()),
                trial.outcome(),
                trial.proposed_by.unwrap_or_default().to_string(),
                trial.best_run.clone().unwrap_or_default(),
            ];
            cells.extend(names.iter().map(|name| values.get(name).cloned().unwrap_or_default()));
            cells
        }),
    )
}
