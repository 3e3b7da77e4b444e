//! Executes runs of one shape together: they are trained as one program, and each is then forecast, scored and saved by
//! itself.

use super::execute::{PreparedRun, Scores, build_context};
use super::job::Job;
use crate::dataset::Loader;
use crate::model::Parameters;
use crate::model::pack::{PackedModel, PackedModelAudience, fit_together};
use crate::train::{ComputeDevice, Epoch, FitData, FitError};

/// Who is told how the runs of a pack go; they are numbered as their jobs.
pub trait PackListener {
    /// These runs ended an epoch; says of each whether it goes on.
    fn epochs(&mut self, epochs: &[(usize, Epoch)]) -> Vec<bool>;

    /// A run has ended.
    fn ended(&mut self, run: usize, outcome: anyhow::Result<Scores>);
}

/// Executes the jobs of a pack and leaves the files of each in place, as soon as it has ended.
pub fn execute_pack(
    jobs: &[Job],
    loader: &mut Loader,
    device: &ComputeDevice,
    listener: &mut dyn PackListener,
) {
    let mut runs = Vec::with_capacity(jobs.len());
    for (run, job) in jobs.iter().enumerate() {
        match PreparedRun::prepare(job, loader, device) {
            Ok(execution) => runs.push((run, execution)),
            Err(error) => listener.ended(run, Err(error)),
        }
    }
    let Some((_, first)) = runs.first() else { return };
    let prepared = first.prepared.clone();
    let data = first.fit_data(&prepared);
    let models = runs.iter().map(|(_, execution)| PackedModel {
        spec: &execution.job.spec.model,
        context: build_context(execution.job, &prepared, device, Vec::new()),
    });
    let models: Vec<PackedModel<'_>> = models.collect();
    let runs = runs.into_iter().map(|(run, execution)| (run, Some(execution))).collect();
    fit_together(&models, &data, &mut PackedRuns { runs, data: &data, listener });
}

/// The runs whose models are trained together.
struct PackedRuns<'a> {
    /// Number and state of each model's run; `None` once it has ended.
    runs: Vec<(usize, Option<PreparedRun<'a>>)>,
    data: &'a FitData<'a>,
    listener: &'a mut dyn PackListener,
}

impl PackedModelAudience for PackedRuns<'_> {
    fn epochs(&mut self, epochs: &[(usize, Epoch)]) -> Vec<bool> {
        let of_runs: Vec<_> = epochs.iter().map(|(model, epoch)| (self.runs[*model].0, *epoch)).collect();
        self.listener.epochs(&of_runs)
    }

    fn ended(&mut self, model: usize, outcome: Result<Parameters, FitError>) {
        let (run, execution) = &mut self.runs[model];
        let Some(mut execution) = execution.take() else { return };
        let scores = outcome.map_err(anyhow::Error::new).and_then(|learned| {
            execution.forecaster.take_up(&learned, self.data)?;
            execution.conclude()
        });
        self.listener.ended(*run, scores);
    }
}
