//! The plots of a single run: its learning curves, and its forecasts beside the observed values.

use std::path::Path;

use super::board_figures::MOST_TARGETS;
use super::forecast_figures::{middle, origin_of};
use super::plot::{
    Along, Band, Curve, ForecastPlot, ForecastTrack, Plot, actual_and_forecast, learning_curves,
};
use crate::compare::predictions_of_run;
use crate::store::{EpochRow, SavedRun};
use crate::text::{causes, grouped};

/// Steps of one picture; more cannot be told apart.
const MOST_STEPS: usize = 300;
/// Steps of one chart that a reader can zoom.
const MOST_CHART_STEPS: usize = 2_000;
/// Positions of the ends of the interval at 80 % among the quantiles.
const LOWER_80: usize = 1;
const UPPER_80: usize = 5;

/// The plots of a run, with their captions.
#[derive(Debug, Default)]
pub struct RunFigures {
    /// What could be drawn.
    pub plots: Vec<(Plot, String)>,
    /// Sentences about what could not.
    pub missing: Vec<String>,
}

/// Draws the plots of a run from its epochs, and from its files below `results` if it has any.
pub fn run_figures(
    results: &Path,
    run_id: &str,
    label: &str,
    epochs: &[EpochRow],
    has_files: bool,
) -> RunFigures {
    let mut figures = RunFigures::default();
    if !epochs.is_empty() {
        let points = |loss: fn(&EpochRow) -> f64| {
            epochs.iter().map(|epoch| (epoch.epoch as f64, loss(epoch))).collect()
        };
        let curve = Curve {
            label: label.to_string(),
            train: points(|epoch| epoch.train_loss),
            valid: points(|epoch| epoch.valid_loss),
        };
        let caption = "Loss by epoch. The dot marks the epoch whose weights were tested.";
        figures.add("learning curves", learning_curves(&[curve]), caption.to_string());
    }
    if has_files && let Err(error) = figures.add_forecasts(results, run_id, label) {
        figures.missing.push(format!("The forecasts could not be drawn: {}.", causes(&error)));
    }
    figures
}

impl RunFigures {
    fn add(&mut self, what: &str, drawn: anyhow::Result<Plot>, caption: String) {
        match drawn {
            Ok(plot) => self.plots.push((plot, caption)),
            Err(error) => self.missing.push(format!("The {what} could not be drawn: {}.", causes(&error))),
        }
    }

    fn add_forecasts(&mut self, results: &Path, run_id: &str, label: &str) -> anyhow::Result<()> {
        let saved = SavedRun::read(results, run_id)?;
        let predictions = predictions_of_run(results, run_id)?;
        let rows: Vec<usize> = predictions.test_rows_one_ahead().collect();
        let kept = middle(rows.len(), MOST_CHART_STEPS);
        let shown = middle(kept.len(), MOST_STEPS);
        let [start, end] = [shown.start, shown.end].map(|step| kept.start + step);
        let part =
            |values: &[f64]| -> Vec<f64> { rows[kept.clone()].iter().map(|&row| values[row]).collect() };
        let is_next_request = saved.spec.task.kind() == "next_request";
        for (index, target) in saved.targets().iter().enumerate().take(MOST_TARGETS) {
            let (Some(actual), Some(forecast)) =
                (predictions.actual.get(index), predictions.forecast.get(index))
            else {
                continue;
            };
            let band = predictions.quantiles.get(index).map(|quantiles| Band {
                lower: part(&quantiles[LOWER_80]),
                upper: part(&quantiles[UPPER_80]),
            });
            let has_band = band.is_some();
            let track = ForecastTrack { label: label.to_string(), forecast: part(forecast), band };
            let along = if is_next_request {
                Along::Requests(kept.start + 1)
            } else {
                Along::Time(origin_of(&saved), part(&predictions.time_s))
            };
            let (name, unit) = (target.name.clone(), target.unit.clone());
            let drawn = actual_and_forecast(&ForecastPlot {
                target: name.clone(),
                unit,
                ahead: None,
                along,
                actual: part(actual),
                tracks: vec![track],
                shown: shown.clone(),
            });
            let thinned = if predictions.stride > 1 {
                format!(", of which one in {} is kept", predictions.stride)
            } else {
                String::new()
            };
            let covers = if has_band { " The band covers 80 %." } else { "" };
            let caption = format!(
                "One step ahead on the test part: steps {} to {} of {}{thinned}.{covers}",
                grouped(start + 1),
                grouped(end),
                grouped(rows.len())
            );
            self.add(&format!("forecast of {name}"), drawn, caption);
        }
        Ok(())
    }
}
