//! What acting on saved forecasts would cost under another service: replays without training.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, bail, ensure};

use super::board::{Board, BoardRow};
use super::capacity::{BoardCapacity, ModelReplays};
use super::comparison::Comparison;
use super::metric_means::mean_metrics;
use super::predictions::predictions_of_run;
use super::window_losses::{RunReplicas, WindowLosses, overlap};
use crate::capacity::{
    Evaluation, Evaluator, LARGEST_WORK, PlanLevel, PlannedWindows, Policy, PolicyReplay, WORK,
};
use crate::dataset::{Part, PolicyWindows, PredictionTable};
use crate::spec::{CapacitySpec, Experiment};
use crate::stats::quantile_between;
use crate::store::{MetricRow, SavedRun, Store};
use crate::text::counted;

/// Keys of `[capacity]` that say what the work is: models have learned to forecast it.
const KEYS_OF_THE_WORK: [&str; 4] =
    ["prefill_tokens_per_s", "decode_tokens_per_s", "request_tokens", "response_tokens"];

/// The boards of an experiment replayed under changed settings, each with its title.
///
/// `changes` are `KEY=VALUE` for keys of `[capacity]`; without any, the replays are those that are recorded.
///
/// # Errors
/// An experiment without `[capacity]` or without a finished run; a change that is no setting of a service or that needs
/// training; predictions that are gone or thinned, or that do not reach beyond the cold start.
pub fn what_if(
    store: &mut Store,
    results: &Path,
    reference: &str,
    changes: &[String],
) -> anyhow::Result<Vec<(String, BoardCapacity)>> {
    let comparison = Comparison::read(store, results, reference)?;
    let name = comparison.experiment.reference();
    ensure!(!comparison.boards.is_empty(), "the experiment `{name}` has no finished run");
    let spec = changed_spec(&comparison, changes)?;
    let replayed = comparison.boards.iter().map(|board| {
        let capacity = replay_board(store, results, board, &spec)?;
        Ok((board.title.clone(), capacity))
    });
    replayed.collect()
}

/// The service that the experiment's file describes, with changes.
fn changed_spec(comparison: &Comparison, changes: &[String]) -> anyhow::Result<CapacitySpec> {
    let experiment = &comparison.experiment;
    let mut overrides = experiment.override_list()?;
    for change in changes {
        let key = change.split('=').next().unwrap_or_default().trim();
        let key = key.strip_prefix("capacity.").unwrap_or(key);
        if KEYS_OF_THE_WORK.contains(&key) {
            bail!(
                "{key} decides what the work is that the models forecast; train them for another one with: burstlab run {} \
                 --set capacity.{}",
                experiment.path,
                change.trim_start_matches("capacity.")
            );
        }
        overrides.push(format!("capacity.{}", change.trim_start_matches("capacity.")));
    }
    let parsed = Experiment::parse_recorded(&experiment.path, experiment.text.clone(), &overrides)?;
    parsed.spec.capacity.with_context(|| {
        format!(
            "the experiment `{}` has no [capacity] table, so its models forecast no work",
            experiment.reference()
        )
    })
}

fn replay_board(
    store: &mut Store,
    results: &Path,
    board: &Board,
    spec: &CapacitySpec,
) -> anyhow::Result<BoardCapacity> {
    let mut models = Vec::new();
    let mut window_s = 0.0;
    for row in &board.rows {
        let largest = largest_work(store, row)?;
        let mut runs = Vec::new();
        for run_id in &row.run_ids {
            let saved = SavedRun::read(results, run_id)?;
            window_s = saved.window_s().context("the rows of this run are not a fixed time apart")?;
            let largest_work = largest.get(run_id).copied();
            let largest_work = largest_work.with_context(|| format!("run {run_id} has recorded no work"))?;
            let evaluation = evaluate(results, &saved, spec, window_s, largest_work)?;
            runs.push((saved, evaluation));
        }
        models.push(model_replays(row, &runs, spec, window_s));
    }
    BoardCapacity::of(spec.clone(), window_s, &models, board.completion.is_partial())
        .context("no model of this setting has a result")
}

/// The largest work of the training part of each run.
fn largest_work(store: &mut Store, row: &BoardRow) -> anyhow::Result<HashMap<String, f64>> {
    let metrics = store.metrics_of_runs(&row.run_ids, Part::Train.as_str())?;
    let own = metrics.into_iter().filter(|metric| metric.target == WORK && metric.name == LARGEST_WORK);
    Ok(own.map(|metric| (metric.run_id, metric.value)).collect())
}

/// Replays the saved forecasts of a run.
fn evaluate(
    results: &Path,
    saved: &SavedRun,
    spec: &CapacitySpec,
    window_s: f64,
    largest_work: f64,
) -> anyhow::Result<Evaluation> {
    let run_id = &saved.run_id;
    let stride = saved.predictions_stride;
    ensure!(
        stride == 1,
        "the predictions of run {run_id} are thinned to one window in {stride}, so they cannot be replayed; a shorter test \
         part or horizon keeps all of them"
    );
    let (horizon, needed) = (saved.spec.task.horizon(), spec.least_horizon(window_s));
    ensure!(
        needed <= horizon,
        "the forecasts of run {run_id} reach {} ahead, but a cold start of {} needs {needed}; give at most {}, or train with \
         a horizon of {needed}",
        counted(horizon, "window"),
        spec.cold_start,
        counted(horizon - 1, "window"),
    );
    let table = predictions_of_run(results, run_id)?;
    let work = table.targets.iter().position(|target| target == WORK);
    let work = work.with_context(|| format!("run {run_id} forecasts no work"))?;
    let fleet = spec.fleet(window_s);
    let levels = &spec.plan_for.0;
    let replayed = |part| planned(saved, &table, work, part, fleet.cold_start_windows, levels);
    let chosen_on =
        if saved.spec.uncertainty.conformal.calibrates() { Part::Calibration } else { Part::Valid };
    let evaluator =
        Evaluator { fleet: &fleet, levels, late_work_at_most: spec.late_work_at_most, largest_work };
    Ok(evaluator.evaluate(&replayed(chosen_on), &replayed(Part::Test)))
}

/// The windows of a part as the saved predictions have them.
fn planned(
    saved: &SavedRun,
    table: &PredictionTable,
    work: usize,
    part: Part,
    cold_start_windows: usize,
    levels: &[PlanLevel],
) -> PlannedWindows {
    let horizon = saved.spec.task.horizon();
    let rows: Vec<usize> = table.rows_of(part).collect();
    let scale = &saved.scaler.channels[work];
    PlannedWindows::of_forecasts(
        rows.len() / horizon,
        cold_start_windows,
        levels,
        |forecast, ahead| table.actual[work][rows[forecast * horizon + ahead]],
        |level, forecast, ahead| {
            let row = rows[forecast * horizon + ahead];
            match level {
                PlanLevel::Mean => scale.unscale(f64::from(table.scaled_forecast[work][row])),
                PlanLevel::Quantile(level) => {
                    let own = std::array::from_fn(|index| table.quantiles[work][index][row]);
                    quantile_between(&own, level)
                }
            }
        },
    )
}

/// The means over the runs of a model, and the replica hours of each window.
fn model_replays(
    row: &BoardRow,
    runs: &[(SavedRun, Evaluation)],
    spec: &CapacitySpec,
    window_s: f64,
) -> ModelReplays {
    let metrics = runs.iter().flat_map(|(saved, evaluation)| {
        evaluation.test_metrics().into_iter().map(|(name, value)| MetricRow {
            run_id: saved.run_id.clone(),
            part: Part::Test.as_str().to_string(),
            target: WORK.to_string(),
            unit: "original".to_string(),
            name,
            value,
        })
    });
    let seeds: HashMap<&str, Option<i64>> = runs
        .iter()
        .map(|(saved, _)| (saved.run_id.as_str(), saved.seed.and_then(|seed| i64::try_from(seed).ok())))
        .collect();
    let means = mean_metrics(metrics.collect(), &seeds);
    let metrics: BTreeMap<String, f64> =
        means.into_iter().map(|(key, value)| (key.name, value.mean)).collect();
    let hours = |pick: &dyn Fn(&Evaluation) -> Option<&PolicyReplay>| {
        let own = runs.iter().map(|(saved, evaluation)| {
            let windows = PolicyWindows::of("", &pick(evaluation)?.replay);
            Some(RunReplicas { fold: saved.fold, seed: saved.seed, hours: windows.replica_hours(window_s) })
        });
        WindowLosses::of_replicas(own.collect::<Option<_>>()?, overlap(spec, window_s))
    };
    let with_headroom = |evaluation: &Evaluation| {
        evaluation.test.iter().position(|own| own.policy == Policy::ReactiveWithHeadroom)
    };
    ModelReplays {
        name: row.model.clone(),
        metrics,
        own: hours(&|evaluation| Some(evaluation.chosen_on_test())),
        headroom: hours(&|evaluation| evaluation.test.get(with_headroom(evaluation)?)),
    }
}
