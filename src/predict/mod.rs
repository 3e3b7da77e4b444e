//! Asks a saved model for the next steps of a trace.

mod backtest;
mod history;

use anyhow::{Context, bail, ensure};

use crate::dataset::{Channel, ScaledSteps, Trace, Windows, slice};
use crate::experiment::{DatasetSpec, TaskSpec};
use crate::intervals::{Base, SavedOffsets};
use crate::model::{Forecaster, QUANTILES};
use crate::report::Comparison;
use crate::scheduler::SavedRun;
use crate::store::Store;

use history::History;

/// The next steps of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// What is forecast, in the order of [`ForecastStep::values`].
    pub targets: Vec<Channel>,
    /// What [`ForecastStep::time_s`] is: `arrival_s` or `start_s`.
    pub time_name: &'static str,
    /// Time of the last known step, in seconds since the trace's first row.
    pub last_s: f64,
    /// The steps, the next one first.
    pub steps: Vec<ForecastStep>,
}

/// One forecast step.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastStep {
    /// When it happens, in seconds since the trace's first row.
    pub time_s: f64,
    /// The targets in original units. Gaps, counts and tokens are never below zero.
    pub values: Vec<f64>,
    /// For each target the quantiles at the levels of [`QUANTILES`], in original units; empty where there are none.
    pub bounds: Vec<[f64; QUANTILES.len()]>,
}

/// The run that stands for an experiment: of the model whose chosen trial is best on validation, the run that is.
///
/// # Errors
/// An experiment that is not there, has no finished run, or has several settings, whose errors do not compare.
pub fn best_run(store: &mut Store, experiment: &str) -> anyhow::Result<String> {
    let comparison = Comparison::read(store, experiment)?;
    let board = match comparison.boards.as_slice() {
        [] => bail!("the experiment `{experiment}` has no finished run"),
        [board] => board,
        several => bail!(
            "the experiment `{experiment}` has {} settings ({}), whose errors do not compare; name a run with --run \
             (burstlab runs --experiment {experiment} lists them)",
            several.len(),
            several.iter().map(|board| board.title.as_str()).collect::<Vec<_>>().join("; ")
        ),
    };
    let best = board.rows.iter().min_by(|a, b| a.valid.total_cmp(&b.valid));
    let best = best.with_context(|| format!("the experiment `{experiment}` has no finished run"))?;
    let own = comparison.scored.iter().filter(|run| best.run_ids.contains(&run.run_id));
    let run =
        own.min_by(|a, b| a.valid.unwrap_or(f64::INFINITY).total_cmp(&b.valid.unwrap_or(f64::INFINITY)));
    run.map(|run| run.run_id.clone())
        .with_context(|| format!("the experiment `{experiment}` has no scored run"))
}

/// Forecasts the next `count` steps. A model that forecasts fewer at once is fed its own forecasts.
///
/// Steps within the model's horizon have the intervals that its run ended with. Those of later steps come from a
/// backtest on the given trace: they have none where it is too short for one.
///
/// # Errors
/// A trace of the wrong kind, or one that is shorter than the model's lookback.
pub fn forecast(
    saved: &SavedRun,
    model: &dyn Forecaster,
    offsets: Option<&SavedOffsets>,
    trace: &Trace,
    count: usize,
) -> anyhow::Result<Forecast> {
    // The slice of the experiment is not taken again, but its cleaning is: the model knows no other rows.
    let cleaning = DatasetSpec {
        start: None,
        end: None,
        max_rows: None,
        latest_rows: None,
        llms: None,
        log_types: None,
        ..saved.spec.dataset.clone()
    };
    let (trace, _) =
        slice(trace, &cleaning).map_err(|error| anyhow::anyhow!("{}; {}", error.message, error.help))?;
    let history = History::new(saved, trace)?;
    let lookback = model.lookback();
    ensure!(
        history.steps.len() >= lookback,
        "the model looks back {lookback} steps, but the trace has only {}",
        history.steps.len()
    );
    let time_name = if matches!(saved.spec.task, TaskSpec::NextRequest(_)) { "arrival_s" } else { "start_s" };
    let end = history.steps.len();
    let mut steps = roll(saved, model, offsets, history.before(end), count)?;
    if offsets.is_some() {
        backtest::widen(saved, model, &history, &mut steps)?;
    }
    Ok(Forecast { targets: saved.targets(), time_name, last_s: history.last_s(), steps })
}

/// Forecasts `count` steps after a history; those within the model's horizon get their intervals.
fn roll(
    saved: &SavedRun,
    model: &dyn Forecaster,
    offsets: Option<&SavedOffsets>,
    mut history: History<'_>,
    count: usize,
) -> anyhow::Result<Vec<ForecastStep>> {
    let targets = saved.targets().len();
    let horizon = saved.spec.task.horizon();
    let mut steps: Vec<ForecastStep> = Vec::with_capacity(count);
    while steps.len() < count {
        let scaled = ScaledSteps::from_steps(&history.steps, &saved.scaler);
        let origin = scaled.len();
        let windows = Windows { steps: &scaled, origins: origin..origin + 1, horizon };
        let forecast = model.forecast(&windows);
        let first = offsets.filter(|_| steps.is_empty());
        let base = first.map(|offsets| (offsets, Base::new(model, &windows, &forecast)));
        for (ahead, row) in forecast.chunks_exact(targets).enumerate() {
            let scales = saved.scaler.channels.iter().enumerate();
            let values = row.iter().zip(scales.clone()).map(|(&value, (_, scale))| {
                let value = scale.unscale(f64::from(value));
                // A request cannot arrive before the last one, and no count is negative.
                if saved.spec.task.kind() == "series" { value } else { value.max(0.0) }
            });
            let values: Vec<f64> = values.collect();
            let bounds = base.iter().flat_map(|(offsets, base)| {
                let own = scales.clone().take(targets);
                own.map(move |(target, scale)| offsets.bounds(base, (ahead, target), scale))
            });
            let bounds = bounds.collect();
            let time_s = history.append(&values)?;
            steps.push(ForecastStep { time_s, values, bounds });
        }
    }
    steps.truncate(count);
    Ok(steps)
}
