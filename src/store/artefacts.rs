//! The artefacts of a run: its folder, and `run.toml`, which says what is needed to ask the saved model again.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::dataset::{ArrivalPattern, Channel, LeakVerdict, Removed, Scaler, SeriesClock, Zone};
use crate::files::folder_name;
use crate::model::intervals::{self, SavedOffsets};
use crate::model::{BuildContext, Forecaster, Member, Parameters, build};
use crate::spec::{Loss, ModelSpec, RunSpec, TaskSpec};
use crate::store::RevisionRow;
use crate::train::{ComputeDevice, Shape};

/// Folder of an experiment's report.
pub fn experiment_folder(results: &Path, experiment: &str) -> PathBuf {
    let reserved = ["runs", "slurm", "kubernetes", "burstlab.db", "burstlab.db-wal", "burstlab.db-shm"];
    results.join(&*folder_name(experiment, &reserved))
}

/// Folder of the report of a revision: the experiment's own for the one that ran last, else one of its number below that.
pub fn report_folder(results: &Path, revision: &RevisionRow) -> PathBuf {
    let folder = experiment_folder(results, &revision.experiment);
    if revision.is_latest { folder } else { folder.join(format!("revision-{}", revision.revision)) }
}

/// What a store consists of, and what its commands read: no output may take its place.
pub fn store_files(results: &Path) -> Vec<PathBuf> {
    ["burstlab.db", "burstlab.db-wal", "burstlab.db-shm", "runs", ".supervisors"]
        .map(|name| results.join(name))
        .to_vec()
}

/// Folder of a run's files.
pub fn run_folder(results: &Path, run_id: &str) -> PathBuf {
    results.join("runs").join(run_id)
}

/// Whether the saved files of a run are there; without them a finished run can be neither asked nor plotted.
pub fn has_files(results: &Path, run_id: &str) -> bool {
    saved_file(results, run_id).is_file()
}

/// The file that says what a run is; it is there when all its files are.
pub fn saved_file(results: &Path, run_id: &str) -> PathBuf {
    run_folder(results, run_id).join("run.toml")
}

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
    /// How the requests of the slice follow one another; missing for a numeric table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<ArrivalPattern>,
    /// How the rows of a numeric table follow one another; missing for requests, and in files of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<SeriesClock>,
    /// Seconds from 1970-01-01, 0:00 UTC, to the time that the steps' times count from; missing where the trace has no dates,
    /// and in files of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at_s: Option<f64>,
    /// Windows that the intervals were calibrated on; missing where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_windows: Option<usize>,
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
    /// What it was trained to minimise, which decides its outputs; missing in files of earlier versions, whose members
    /// were trained like their ensemble.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
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
                let mut context = self.context(member.lookback, device, Vec::new());
                context.shape.heads = member.loss.unwrap_or(self.spec.training.loss).heads();
                let forecaster = build(&member.model, context);
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

    /// What the saved model's bounds are made with; `None` where the run has no intervals.
    ///
    /// # Errors
    /// A file that is missing or does not fit.
    pub fn offsets(&self, results: &Path) -> anyhow::Result<Option<SavedOffsets>> {
        if !self.spec.uncertainty.conformal.calibrates() {
            return Ok(None);
        }
        let path = run_folder(results, &self.run_id).join(intervals::FILE);
        SavedOffsets::read(&path, self.targets().len(), self.spec.task.horizon()).map(Some)
    }

    /// Seconds of a window, where all are as long.
    pub fn window_s(&self) -> Option<f64> {
        match &self.spec.task {
            TaskSpec::WindowLoad(load) => Some(load.window.seconds()),
            TaskSpec::Series(_) => {
                // Days of a zone whose clocks are set are refused where windows must be of one length.
                self.clock.as_ref()?.pace(&self.spec.dataset.cleaning)?.fixed_s(Zone::UTC)
            }
            TaskSpec::NextRequest(_) => None,
        }
    }

    /// The channels that the model forecasts.
    pub fn targets(&self) -> Vec<Channel> {
        self.scaler.channels.iter().take(self.target_count()).map(|scale| scale.channel.clone()).collect()
    }

    /// How many channels the model forecasts: the first ones.
    pub fn target_count(&self) -> usize {
        match &self.spec.task {
            TaskSpec::Series(_) => self.scaler.channels.len(),
            TaskSpec::NextRequest(_) => 3,
            TaskSpec::WindowLoad(load) => {
                let means = if load.mean_tokens { 2 } else { 0 };
                3 + means + usize::from(self.spec.capacity.is_some())
            }
        }
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
            heads: self.spec.training.loss.heads(),
        };
        BuildContext {
            shape,
            training: &self.spec.training,
            seed: self.seed.unwrap_or(0),
            device,
            scales: &self.scaler.channels,
            correction: self.spec.evaluation.bias_correction,
            members,
        }
    }
}
