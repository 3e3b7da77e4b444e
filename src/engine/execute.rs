//! Executes one run: prepare, fit, forecast, score, save.

use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};

use super::breakdown::{Breakdown, ForecastSteps};
use super::capacity::{
    CapacityOutcome, WorkBounds, act_on_forecasts, in_original_units, validation_bounds, work_target,
};
use super::job::Job;
use super::score::{interval_means, score_agreement, score_gaps, score_intervals, score_points};
use crate::dataset::{CAPACITY_FILE, Loader, Part, PredictionTable, Prepared, Windows, write_predictions};
use crate::files::replace_folder;
use crate::model::intervals::{self, Base, Bounds, SavedOffsets, calibrated_steps, target_bounds};
use crate::model::pack::{PackedModel, fit_alone, packing_obstacle};
use crate::model::{BuildContext, Forecaster, Member, Parameters, build};
use crate::spec::RunSpec;
use crate::store::{BreakdownValue, MetricValue, SavedMember, SavedRun, run_folder};
use crate::train::{ComputeDevice, FitData, OnEpoch, Shape};

/// A run that is done, but whose files cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the files of run {run_id} cannot be written")]
pub struct Unsaved {
    /// The run.
    pub run_id: String,
}

/// How well a run did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    /// Every metric.
    pub metrics: Vec<MetricValue>,
    /// Test errors by hour, burst state and size.
    pub breakdowns: Vec<BreakdownValue>,
}

/// Executes a job and leaves its files in place.
pub fn execute(
    job: &Job,
    loader: &mut Loader,
    device: &ComputeDevice,
    on_epoch: OnEpoch<'_>,
) -> anyhow::Result<Scores> {
    let mut execution = PreparedRun::prepare(job, loader, device)?;
    let prepared = execution.prepared.clone();
    let data = execution.fit_data(&prepared);
    let spec = &job.spec.model;
    if device.is_cpu() || packing_obstacle(spec).is_some() {
        execution.forecaster.fit(&data, on_epoch)?;
    } else {
        let context = build_context(job, &prepared, device, Vec::new());
        let learned = fit_alone(PackedModel { spec, context }, &data, on_epoch)?;
        execution.forecaster.take_up(&learned, &data)?;
    }
    execution.conclude()
}

/// A run at work: its data are read and its model is built.
pub struct PreparedRun<'a> {
    /// What to do.
    pub job: &'a Job,
    /// The data that it shares with other runs.
    pub prepared: Arc<Prepared>,
    /// The model.
    pub forecaster: Box<dyn Forecaster>,
    members: Vec<SavedMember>,
    /// Past steps of its windows.
    lookback: usize,
}

impl<'a> PreparedRun<'a> {
    /// Reads the data of a job and builds its model.
    ///
    /// # Errors
    /// Data that are missing, or not those that were planned.
    pub fn prepare(job: &'a Job, loader: &mut Loader, device: &'a ComputeDevice) -> anyhow::Result<Self> {
        let spec = &job.spec;
        let found = loader.sha256(&spec.dataset)?;
        ensure!(
            found == job.dataset_sha256,
            "the data changed while the sweep ran (now {found}, planned {})",
            job.dataset_sha256
        );
        let prepared = loader.prepare(spec, job.fold)?;
        prepared.check(spec)?;
        let (opened, members) = open_members(job, device)?;
        let forecaster = build(&spec.model, build_context(job, &prepared, device, opened));
        // An ensemble's run counts with the longest lookback of all candidates, its chosen members may need less.
        let lookback = forecaster.lookback().max(spec.task.lookback());
        Ok(Self { job, prepared, forecaster, members, lookback })
    }

    /// What its model may learn from. The data are given, since the model is changed while it learns.
    pub fn fit_data<'b>(&self, prepared: &'b Prepared) -> FitData<'b> {
        let horizon = self.job.spec.task.horizon();
        FitData {
            train: prepared.windows(Part::Train, self.lookback, horizon),
            valid: prepared.windows(Part::Valid, self.lookback, horizon),
            train_steps: prepared.split.steps(Part::Train),
            scaler: &prepared.scaler,
        }
    }

    /// Forecasts with the fitted model, scores and saves.
    ///
    /// # Errors
    /// Forecasts that are not finite, or files that cannot be written.
    pub fn conclude(self) -> anyhow::Result<Scores> {
        let Self { job, prepared, forecaster, members, lookback, .. } = self;
        let spec = &job.spec;
        let horizon = spec.task.horizon();
        let forecasts = forecast_parts(&prepared, spec, forecaster.as_ref(), lookback);
        let mut metrics = Vec::new();
        for (part, origins, forecast) in forecasts.iter().filter(|(part, ..)| *part != Part::Calibration) {
            metrics.extend(score_points(&prepared, *part, origins.clone(), forecast, spec));
            let windows = prepared.windows_at(origins.clone(), horizon);
            metrics.extend(score_gaps(&prepared, *part, forecaster.as_ref(), &windows));
        }
        let mut table = PredictionTable::collect(&prepared, horizon, &forecasts[1..]);
        let on_part = |part| {
            let found = forecasts.iter().find(|(own, ..)| *own == part);
            found.map_or(&[][..], |(_, _, forecast)| forecast.as_slice())
        };
        let evaluated = Evaluated {
            prepared: &prepared,
            spec,
            model: forecaster.as_ref(),
            lookback,
            on_valid: on_part(Part::Valid),
            on_calibration: on_part(Part::Calibration),
            on_test: on_part(Part::Test),
        };
        let (calibration, breakdowns) = calibrate(&evaluated, &mut table)?;
        let calibrated = calibration.as_ref().map(|calibration| &calibration.steps);
        let leak_verdict = prepared.prove(calibrated, lookback, horizon)?;
        metrics.extend(calibration.iter().flat_map(|calibration| calibration.metrics.iter().cloned()));
        let bounds = calibration.as_ref().and_then(|calibration| calibration.work.as_ref());
        let acted = act_on_forecasts(&prepared, spec, &forecasts, bounds)?;
        metrics.extend(acted.iter().flat_map(|acted| acted.metrics.iter().cloned()));
        if let Some(bad) = metrics.iter().find(|metric| !metric.value.is_finite()) {
            bail!(
                "the {} forecasts of {} are not finite ({} is {})",
                bad.part,
                bad.target,
                bad.name,
                bad.value
            );
        }
        let saved = SavedRun {
            run_id: job.run_id.clone(),
            seed: job.seed,
            fold: job.fold,
            version: env!("CARGO_PKG_VERSION").to_string(),
            dataset_sha256: job.dataset_sha256.clone(),
            steps: prepared.steps.len(),
            removed: prepared.slice.removed,
            arrivals: prepared.slice.arrivals.clone(),
            clock: prepared.slice.clock.clone(),
            starts_at_s: prepared.starts_at_s(),
            calibration_windows: calibration.as_ref().map(|calibration| calibration.windows),
            predictions_stride: table.stride,
            leak_verdict,
            spec: spec.clone(),
            scaler: prepared.scaler.clone(),
            members,
        };
        let offsets = calibration.map(|calibration| calibration.offsets);
        save(&job.results, &saved, &forecaster.parameters(), offsets.as_ref(), &table, acted.as_ref())
            .context(Unsaved { run_id: job.run_id.clone() })?;
        Ok(Scores { metrics, breakdowns })
    }
}

/// What the model of a job is built with, beside its hyperparameters.
pub(super) fn build_context<'a>(
    job: &'a Job,
    prepared: &'a Prepared,
    device: &'a ComputeDevice,
    members: Vec<Member>,
) -> BuildContext<'a> {
    let spec = &job.spec;
    let shape = Shape {
        lookback: spec.task.lookback(),
        horizon: spec.task.horizon(),
        channels: prepared.steps.channels.len(),
        targets: prepared.steps.targets,
        heads: spec.training.loss.heads(),
    };
    BuildContext {
        shape,
        training: &spec.training,
        seed: job.seed.unwrap_or(0),
        device,
        scales: &prepared.scaler.channels,
        correction: spec.evaluation.bias_correction,
        members,
    }
}

/// The forecasts of every part: the origins of its windows, and `windows x horizon x targets` values in scaled units.
fn forecast_parts(
    prepared: &Prepared,
    spec: &RunSpec,
    forecaster: &dyn Forecaster,
    lookback: usize,
) -> Vec<(Part, Range<usize>, Vec<f32>)> {
    let parts = prepared.split.parts().map(|part| {
        let mut windows = prepared.windows(part, lookback, spec.task.horizon());
        if part != Part::Calibration {
            drop_short_batch(&mut windows, spec);
        }
        let forecast = forecaster.forecast(&windows);
        (part, windows.origins, forecast)
    });
    parts.collect()
}

/// What calibration saw and gave.
struct Calibration {
    /// The target steps whose errors it was begun with.
    steps: Range<usize>,
    windows: usize,
    offsets: SavedOffsets,
    metrics: Vec<MetricValue>,
    /// Of a run with a service that acts on the forecasts.
    work: Option<WorkBounds>,
}

/// A fitted model with its forecasts, in scaled units.
struct Evaluated<'a> {
    prepared: &'a Prepared,
    spec: &'a RunSpec,
    model: &'a dyn Forecaster,
    lookback: usize,
    /// Forecasts of the validation windows.
    on_valid: &'a [f32],
    /// Forecasts of the calibration windows.
    on_calibration: &'a [f32],
    /// Forecasts of the test windows.
    on_test: &'a [f32],
}

/// Calibrates the intervals, scores them on the test part and adds them to the table of predictions; breaks the errors
/// down with them.
fn calibrate(
    evaluated: &Evaluated<'_>,
    table: &mut PredictionTable,
) -> anyhow::Result<(Option<Calibration>, Vec<BreakdownValue>)> {
    let &Evaluated { prepared, spec, model, lookback, on_valid, on_calibration, on_test } = evaluated;
    let horizon = spec.task.horizon();
    let mut test_windows = prepared.windows(Part::Test, lookback, horizon);
    drop_short_batch(&mut test_windows, spec);
    let breakdown = Breakdown::new(prepared, spec);
    let judged =
        ForecastSteps { origins: test_windows.origins.clone(), ahead: spec.evaluation.steps.of(horizon) };
    let break_down =
        |target, bounds: Option<&[Bounds]>| breakdown.of_target(prepared, target, &judged, on_test, bounds);
    let Some(method) = intervals::method(spec.uncertainty.conformal) else {
        let breakdowns = (0..prepared.steps.targets).flat_map(|target| break_down(target, None));
        return Ok((None, breakdowns.collect()));
    };
    let calibration_windows = prepared.windows(Part::Calibration, lookback, horizon);
    let mut breakdowns = Vec::new();
    let calibration = Base::new(model, &calibration_windows, on_calibration);
    let test = Base::new(model, &test_windows, on_test);
    let mut metrics = Vec::new();
    let mut targets = Vec::new();
    let mut work = None;
    for target in 0..prepared.steps.targets {
        let scale = &prepared.scaler.channels[target];
        let mut own = target_bounds(&calibration, &test, target, scale, method)
            .context("the calibration part has no window")?;
        let original = in_original_units(prepared, target, &own.bounds);
        let origins = &test_windows.origins;
        metrics.extend(score_intervals(prepared, target, origins, &own.bounds, spec));
        metrics.extend(score_agreement(prepared, target, on_test, &own.bounds));
        table.add_bounds(target, horizon, &original);
        if Some(target) == work_target(prepared) && spec.capacity.is_some() {
            let mut valid_windows = prepared.windows(Part::Valid, lookback, horizon);
            drop_short_batch(&mut valid_windows, spec);
            let valid = Base::new(model, &valid_windows, on_valid);
            let bounds = validation_bounds(prepared, target, &valid, &calibration, method)
                .context("the validation part has no window")?;
            table.add_bounds_of(Part::Calibration, target, horizon, &bounds);
            work = Some(WorkBounds { valid: bounds, test: original });
        }
        breakdowns.extend(break_down(target, Some(&own.bounds)));
        // What is scored and kept is not needed any more: long horizons make it large.
        own.bounds = Vec::new();
        targets.push(own);
    }
    metrics.extend(interval_means(&metrics));
    let offsets = SavedOffsets::new(horizon, &targets);
    let steps = calibrated_steps(&calibration_windows);
    Ok((Some(Calibration { steps, windows: calibration_windows.len(), offsets, metrics, work }), breakdowns))
}

/// Loads the chosen members of an ensemble.
fn open_members(job: &Job, device: &ComputeDevice) -> anyhow::Result<(Vec<Member>, Vec<SavedMember>)> {
    let mut members = Vec::new();
    let mut saved_members = Vec::new();
    for run_id in &job.members {
        let saved = SavedRun::read(&job.results, run_id)?;
        members.push(Member { run_id: run_id.clone(), forecaster: saved.load(&job.results, device)? });
        saved_members.push(SavedMember {
            run_id: run_id.clone(),
            lookback: saved.spec.task.lookback(),
            model: saved.spec.model,
            loss: Some(saved.spec.training.loss),
        });
    }
    Ok((members, saved_members))
}

/// Leaves out the last windows that do not fill a batch, where the experiment's protocol does.
fn drop_short_batch(windows: &mut Windows<'_>, spec: &RunSpec) {
    if let Some(batch) = spec.evaluation_batch {
        windows.origins.end -= windows.len() % batch;
    }
}

/// Writes the run's files; a forced run replaces those of the attempt before it.
fn save(
    results: &Path,
    saved: &SavedRun,
    parameters: &Parameters,
    offsets: Option<&SavedOffsets>,
    table: &PredictionTable,
    acted: Option<&CapacityOutcome>,
) -> anyhow::Result<()> {
    let runs = results.join("runs");
    // The results folder itself is not made again: if it was removed, so was the store.
    match std::fs::create_dir(&runs) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("cannot make the folder {}", runs.display()));
        }
        _ => {}
    }
    let run = toml::to_string(saved).context("the run cannot be written as TOML")?;
    let model = parameters.to_safetensors()?;
    let predictions = write_predictions(table)?;
    let offsets = offsets.map(SavedOffsets::to_bytes).transpose()?;
    let mut files = vec![
        ("run.toml".to_string(), run.as_bytes()),
        ("model.safetensors".to_string(), model.as_slice()),
        ("predictions.parquet".to_string(), predictions.as_slice()),
    ];
    files.extend(offsets.iter().map(|offsets| (intervals::FILE.to_string(), offsets.as_slice())));
    let replays = acted.map(|acted| acted.table.to_bytes()).transpose()?;
    files.extend(replays.iter().map(|replays| (CAPACITY_FILE.to_string(), replays.as_slice())));
    replace_folder(&run_folder(results, &saved.run_id), &files)?;
    Ok(())
}
