//! The replays that the runs of a board recorded.

use std::path::Path;

use super::board::Board;
use super::capacity::{BoardCapacity, ModelReplays};
use super::metric_means::MetricKey;
use super::window_losses::{WindowLosses, overlap, replica_hours_of_run};
use crate::capacity::{Policy, WORK};

/// What the store and the files below `results` hold of a board's runs; `None` without a service that acts on the
/// forecasts, or where the files are gone.
pub(super) fn recorded_capacity(board: &Board, results: &Path) -> Option<BoardCapacity> {
    let saved = board.saved_run.as_ref()?;
    let (spec, window_s) = (saved.spec.capacity.clone()?, saved.window_s()?);
    let is_partial = board.completion.is_partial();
    let headroom = Policy::ReactiveWithHeadroom.to_string();
    let models = board.rows.iter().map(|row| {
        let is_work = |key: &&MetricKey| key.target == WORK && key.unit == "original";
        let recorded = row.metrics.iter().filter(|(key, _)| is_work(key));
        let hours = |policy: &str| {
            let runs = row.run_ids.iter().map(|run_id| replica_hours_of_run(results, run_id, policy));
            WindowLosses::of_replicas(runs.collect::<Option<_>>()?, overlap(&spec, window_s))
        };
        ModelReplays {
            name: row.model.clone(),
            metrics: recorded.map(|(key, value)| (key.name.clone(), value.mean)).collect(),
            own: hours(""),
            headroom: hours(&headroom),
        }
    });
    BoardCapacity::of(spec.clone(), window_s, &models.collect::<Vec<_>>(), is_partial)
}
