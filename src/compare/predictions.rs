//! The saved predictions of a run.

use std::path::Path;

use crate::dataset::{PredictionTable, read_predictions};
use crate::store::run_folder;

/// Reads the predictions of a run from its folder below `results`.
pub(crate) fn predictions_of_run(results: &Path, run_id: &str) -> anyhow::Result<PredictionTable> {
    read_predictions(&run_folder(results, run_id).join("predictions.parquet"))
}
