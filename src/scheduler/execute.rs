//! Executes one run: prepare, fit, forecast, score, save.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

use super::protocol::{Job, MetricValue};
use crate::dataset::{
    Channel, LeakVerdict, Loader, Part, PredictionTable, Prepared, Removed, Scaler, Windows,
    write_predictions,
};
use crate::experiment::{RunSpec, TaskSpec};
use crate::files::replace_folder;
use crate::metric::{PointMetrics, point_metrics, seasonal_scale};
use crate::model::{BuildContext, FitData, Forecaster, Member, ModelSpec, OnEpoch, Parameters, Shape, build};
use crate::train::ComputeDevice;

/// `run.toml`: everything that is needed to ask the saved model again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedRun {
    /// The run's identity.
    pub run_id: String,
    /// Seed of its random stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Fold of the rolling origin.
    pub fold: usize,
    /// Version of burstlab.
    pub version: String,
    /// SHA-256 of the data.
    pub dataset_sha256: String,
    /// Steps of the task in the slice.
    pub steps: usize,
    /// What slicing and cleaning left out.
    pub removed: Removed,
    /// Every how many windows `predictions.parquet` keeps one.
    pub predictions_stride: usize,
    /// Outcome of the split's proof.
    pub leak_verdict: LeakVerdict,
    /// The resolved run.
    pub spec: RunSpec,
    /// How the channels were scaled.
    pub scaler: Scaler,
    /// Members of an ensemble.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<SavedMember>,
}

/// A member of a saved ensemble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedMember {
    /// The run it comes from.
    pub run_id: String,
    /// Its lookback.
    pub lookback: usize,
    /// The model.
    pub model: ModelSpec,
}

impl SavedRun {
    /// Reads `run.toml` of a run.
    ///
    /// # Errors
    /// A run without saved files, or files of another version.
    pub fn read(results: &Path, run_id: &str) -> anyhow::Result<Self> {
        let path = run_folder(results, run_id).join("run.toml");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("run {run_id} has no {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} cannot be understood", path.display()))
    }

    /// The saved model, ready to forecast.
    ///
    /// # Errors
    /// Parameters that are missing or do not fit.
    pub fn load(&self, results: &Path, device: &ComputeDevice) -> anyhow::Result<Box<dyn Forecaster>> {
        let parameters = Parameters::read(&run_folder(results, &self.run_id).join("model.safetensors"))?;
        let members = self
            .members
            .iter()
            .map(|member| {
                let forecaster = build(&member.model, self.context(member.lookback, device, Vec::new()));
                Member { run_id: member.run_id.clone(), forecaster }
            })
            .collect();
        let mut forecaster =
            build(&self.spec.model, self.context(self.spec.task.lookback(), device, members));
        forecaster
            .load(&parameters)
            .with_context(|| format!("the saved model of run {} does not fit", self.run_id))?;
        Ok(forecaster)
    }

    /// The channels that the model forecasts.
    pub fn targets(&self) -> Vec<Channel> {
        let count = match self.spec.task {
            TaskSpec::Series(_) => self.scaler.channels.len(),
            TaskSpec::NextRequest(_) | TaskSpec::WindowLoad(_) => 3,
        };
        self.scaler.channels.iter().take(count).map(|scale| scale.channel.clone()).collect()
    }

    fn context<'a>(
        &'a self,
        lookback: usize,
        device: &'a ComputeDevice,
        members: Vec<Member>,
    ) -> BuildContext<'a> {
        let shape = Shape {
            lookback,
            horizon: self.spec.task.horizon(),
            channels: self.scaler.channels.len(),
            targets: self.targets().len(),
        };
        BuildContext { shape, training: &self.spec.training, seed: self.seed.unwrap_or(0), device, members }
    }
}

/// A run that is done, but whose files cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the files of run {run_id} cannot be written")]
pub struct Unsaved {
    /// The run.
    pub run_id: String,
}

/// Folder of a run's files.
pub fn run_folder(results: &Path, run_id: &str) -> PathBuf {
    results.join("runs").join(run_id)
}

/// Executes a job and leaves its files in place.
pub fn execute(
    job: &Job,
    loader: &mut Loader,
    device: &ComputeDevice,
    on_epoch: OnEpoch<'_>,
) -> anyhow::Result<Vec<MetricValue>> {
    let spec = &job.spec;
    let found = loader.sha256(&spec.dataset)?;
    ensure!(
        found == job.dataset_sha256,
        "the data changed while the sweep ran (now {found}, planned {})",
        job.dataset_sha256
    );
    let prepared = loader.prepare(spec, job.fold)?;
    let leak_verdict = prepared.check(spec)?;
    let (members, saved_members) = open_members(job, device)?;
    let shape = Shape {
        lookback: spec.task.lookback(),
        horizon: spec.task.horizon(),
        channels: prepared.steps.channels.len(),
        targets: prepared.steps.targets,
    };
    let context =
        BuildContext { shape, training: &spec.training, seed: job.seed.unwrap_or(0), device, members };
    let mut forecaster = build(&spec.model, context);
    // An ensemble's run counts with the longest lookback of all candidates, its chosen members may need less.
    let lookback = forecaster.lookback().max(spec.task.lookback());
    let data = FitData {
        train: prepared.windows(Part::Train, lookback, shape.horizon),
        valid: prepared.windows(Part::Valid, lookback, shape.horizon),
        train_steps: prepared.split.steps(Part::Train),
        scaler: &prepared.scaler,
    };
    forecaster.fit(&data, on_epoch)?;
    let forecasts: Vec<_> = Part::ALL
        .into_iter()
        .map(|part| {
            let mut windows = prepared.windows(part, lookback, shape.horizon);
            drop_short_batch(&mut windows, spec);
            let forecast = forecaster.forecast(&windows);
            (part, windows.origins, forecast)
        })
        .collect();
    let mut metrics = Vec::new();
    for (part, origins, forecast) in &forecasts {
        metrics.extend(score(&prepared, *part, origins.clone(), forecast, spec));
    }
    if let Some(bad) = metrics.iter().find(|metric| !metric.value.is_finite()) {
        bail!("the {} forecasts of {} are not finite ({} is {})", bad.part, bad.target, bad.name, bad.value);
    }
    let table = PredictionTable::collect(&prepared, shape.horizon, &forecasts[1..]);
    let saved = SavedRun {
        run_id: job.run_id.clone(),
        seed: job.seed,
        fold: job.fold,
        version: env!("CARGO_PKG_VERSION").to_string(),
        dataset_sha256: job.dataset_sha256.clone(),
        steps: prepared.steps.len(),
        removed: prepared.removed,
        predictions_stride: table.stride,
        leak_verdict,
        spec: spec.clone(),
        scaler: prepared.scaler.clone(),
        members: saved_members,
    };
    save(&job.results, &saved, &forecaster.parameters(), &table)
        .context(Unsaved { run_id: job.run_id.clone() })?;
    Ok(metrics)
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

/// Every metric of one part.
fn score(
    prepared: &Prepared,
    part: Part,
    origins: std::ops::Range<usize>,
    forecast: &[f32],
    spec: &RunSpec,
) -> Vec<MetricValue> {
    let targets = prepared.steps.targets;
    let horizon = spec.task.horizon();
    let train = prepared.split.steps(Part::Train);
    let season = spec.evaluation.mase_season;
    let mut values = Vec::new();
    let mut scaled_scores: Vec<PointMetrics> = Vec::new();
    for target in 0..targets {
        let scale = &prepared.scaler.channels[target];
        let original: Vec<f64> = prepared.steps.channel(target).collect();
        let scaled: Vec<f64> = original.iter().map(|&value| scale.scale(value)).collect();
        let steps = origins.clone().flat_map(|origin| origin..origin + horizon);
        let scaled_forecast: Vec<f64> =
            forecast.iter().skip(target).step_by(targets).map(|&value| f64::from(value)).collect();
        let original_forecast: Vec<f64> = scaled_forecast.iter().map(|&value| scale.unscale(value)).collect();
        let pick = |series: &[f64]| steps.clone().map(|step| series[step]).collect::<Vec<f64>>();
        let scaled_score =
            point_metrics(&pick(&scaled), &scaled_forecast, seasonal_scale(&scaled[train.clone()], season));
        let original_score = point_metrics(
            &pick(&original),
            &original_forecast,
            seasonal_scale(&original[train.clone()], season),
        );
        let name = &prepared.steps.channels[target].name;
        push(&mut values, part, name, "scaled", &scaled_score);
        push(&mut values, part, name, "original", &original_score);
        scaled_scores.push(scaled_score);
    }
    push_means(&mut values, part, &scaled_scores);
    values
}

fn push(values: &mut Vec<MetricValue>, part: Part, target: &str, unit: &str, score: &PointMetrics) {
    values.extend(score.named().map(|(name, value)| MetricValue {
        part: part.as_str().to_string(),
        target: target.to_string(),
        unit: unit.to_string(),
        name: name.to_string(),
        value,
    }));
}

/// The target `all`: the mean over the targets of each metric that all of them have.
fn push_means(values: &mut Vec<MetricValue>, part: Part, scores: &[PointMetrics]) {
    for name in crate::metric::NAMES {
        let each: Vec<f64> = scores
            .iter()
            .filter_map(|score| score.named().find(|(other, _)| *other == name).map(|(_, value)| value))
            .collect();
        if each.len() == scores.len() && !each.is_empty() {
            values.push(MetricValue {
                part: part.as_str().to_string(),
                target: "all".to_string(),
                unit: "scaled".to_string(),
                name: name.to_string(),
                value: each.iter().sum::<f64>() / each.len() as f64,
            });
        }
    }
}

/// Writes the run's files; a forced run replaces those of the attempt before it.
fn save(
    results: &Path,
    saved: &SavedRun,
    parameters: &Parameters,
    table: &PredictionTable,
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
    let files = [
        ("run.toml".to_string(), run.as_bytes()),
        ("model.safetensors".to_string(), model.as_slice()),
        ("predictions.parquet".to_string(), predictions.as_slice()),
    ];
    replace_folder(&run_folder(results, &saved.run_id), &files)?;
    Ok(())
}
