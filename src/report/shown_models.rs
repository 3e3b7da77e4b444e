//! The models whose forecasts a report shows, with their predictions on the test part.

use std::path::Path;

use super::board_figures::{BoardFigures, shown_rows, shown_run};
use super::labels::ModelLabels;
use crate::compare::{Board, BoardRow, Comparison, predictions_of_run};
use crate::dataset::{ChannelScale, PredictionTable};
use crate::store::{RunRow, SavedRun};

/// A model with the predictions of one of its runs.
pub struct ShownModel<'a> {
    /// The model.
    pub row: &'a BoardRow,
    /// Its name in plots.
    pub label: String,
    /// The run.
    pub run: &'a RunRow,
    /// Its predictions on all parts.
    pub predictions: PredictionTable,
    /// The scales of its channels, the targets first.
    pub scales: Vec<ChannelScale>,
}

impl<'a> ShownModel<'a> {
    /// Reads the predictions of a model. `None` where its files are gone.
    pub fn read(
        comparison: &'a Comparison,
        row: &'a BoardRow,
        labels: &ModelLabels,
        results: &Path,
    ) -> Option<Self> {
        let run = shown_run(comparison, row)?;
        let predictions = predictions_of_run(results, &run.run_id).ok()?;
        let scales = SavedRun::read(results, &run.run_id).ok()?.scaler.channels;
        Some(Self { row, label: labels.short(row), run, predictions, scales })
    }

    /// Position of a target among its targets.
    pub fn target(&self, name: &str) -> Option<usize> {
        self.predictions.targets.iter().position(|target| target == name)
    }

    /// Whether it forecast the same steps.
    pub fn has_windows_of(&self, other: &Self) -> bool {
        let (own, other) = (&self.predictions, &other.predictions);
        own.targets == other.targets
            && own
                .test_rows()
                .map(|row| (own.time_s[row], own.ahead[row]))
                .eq(other.test_rows().map(|row| (other.time_s[row], other.ahead[row])))
    }
}

/// The best model, the runner-up and the best baseline, as far as their files are there and hold forecasts of the same windows;
/// the others are named in a sentence.
pub fn shown_models<'a>(
    comparison: &'a Comparison,
    board: &'a Board,
    labels: &ModelLabels,
    results: &Path,
    figures: &mut BoardFigures,
) -> Vec<ShownModel<'a>> {
    let mut models: Vec<ShownModel> = Vec::new();
    for row in shown_rows(board) {
        match ShownModel::read(comparison, row, labels, results) {
            Some(model) if models.first().is_none_or(|first| model.has_windows_of(first)) => {
                models.push(model);
            }
            Some(_) => figures.missing.push(format!(
                "The forecasts of {} are not drawn, since they are of other windows.",
                row.label
            )),
            None => figures.missing.push(format!(
                "The forecasts of {} are not drawn, since its predictions are gone.",
                row.label
            )),
        }
    }
    models
}
