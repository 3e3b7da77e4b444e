//! The plots of forecasts beside the observed values, and of their residuals.

use std::ops::Range;
use std::path::Path;

use anyhow::Context;

use super::figures::{BoardFigures, FigureSection, MOST_TARGETS, shown_rows, shown_run, which_run};
use super::plot::{
    Band, ForecastTrack, Residuals, actual_and_forecast, actual_and_forecast_by_request, residual_histogram,
};
use super::tables;
use crate::compare::{Board, BoardRow, Comparison, Target, predictions_of_run};
use crate::files::file_stem;
use crate::store::{RunRow, SavedRun};
use crate::text::{counted, grouped};

/// Steps of one plot; more cannot be told apart.
const MOST_STEPS: usize = 300;
/// Positions of the ends of the interval at 80 % among the quantiles.
const LOWER_80: usize = 1;
const UPPER_80: usize = 5;

/// The forecasts of one model on the test part, one step ahead.
struct TestForecasts<'a> {
    label: &'a str,
    run: &'a RunRow,
    time_s: Vec<f64>,
    /// For each drawn target.
    targets: Vec<TargetForecasts>,
}

/// The forecasts of one target.
struct TargetForecasts {
    actual: Vec<f64>,
    forecast: Vec<f64>,
    /// The interval at 80 %; `None` where the run has no intervals.
    band: Option<Band>,
}

/// Adds a forecast plot and a residual plot for each of the first targets of a board.
pub fn draw_forecasts(comparison: &Comparison, board: &Board, results: &Path, figures: &mut BoardFigures) {
    let targets = tables::targets(board);
    let (drawn, rest) = targets.split_at(targets.len().min(MOST_TARGETS));
    let mut models: Vec<TestForecasts> = Vec::new();
    for row in shown_rows(board) {
        match read_forecasts(comparison, row, drawn, results) {
            Ok(model) if models.first().is_none_or(|first| first.time_s == model.time_s) => {
                models.push(model);
            }
            Ok(_) => figures.missing.push(format!(
                "The forecasts of {} are not drawn, since they are of other windows.",
                row.label
            )),
            Err(_) => figures.missing.push(format!(
                "The forecasts of {} are not drawn, since its predictions are gone.",
                row.label
            )),
        }
    }
    if models.is_empty() {
        return;
    }
    let several_folds = comparison.scored.iter().any(|run| run.fold > 0);
    let runs: Vec<&RunRow> = models.iter().map(|model| model.run).collect();
    let which = Some(which_run(&runs, several_folds)).filter(|which| !which.is_empty());
    let which = which.map_or(String::new(), |which| format!(" ({which})"));
    let drawing = Drawing { saved: board.saved_run.as_ref(), models, which };
    for (index, target) in drawn.iter().enumerate() {
        let rest = if index + 1 == drawn.len() { rest } else { &[] };
        drawing.add_forecasts(index, target, rest, figures);
        drawing.add_residuals(index, target, figures);
    }
}

fn read_forecasts<'a>(
    comparison: &'a Comparison,
    row: &'a BoardRow,
    targets: &[Target],
    results: &Path,
) -> anyhow::Result<TestForecasts<'a>> {
    let run = shown_run(comparison, row).context("its run is not in the store any more")?;
    let predictions = predictions_of_run(results, &run.run_id)?;
    let rows: Vec<usize> = predictions.test_rows_one_ahead().collect();
    let pick = |values: &[f64]| -> Vec<f64> { rows.iter().map(|&row| values[row]).collect() };
    let targets = targets
        .iter()
        .map(|target| {
            let index = predictions.targets.iter().position(|name| *name == target.name)?;
            let band = predictions.quantiles.get(index).map(|quantiles| Band {
                lower: pick(&quantiles[LOWER_80]),
                upper: pick(&quantiles[UPPER_80]),
            });
            let (actual, forecast) = (&predictions.actual[index], &predictions.forecast[index]);
            Some(TargetForecasts { actual: pick(actual), forecast: pick(forecast), band })
        })
        .collect::<Option<Vec<_>>>()
        .context("its predictions have other targets")?;
    Ok(TestForecasts { label: &row.label, run, time_s: pick(&predictions.time_s), targets })
}

/// The models that are drawn, and what their captions share.
struct Drawing<'a> {
    saved: Option<&'a SavedRun>,
    /// At least one.
    models: Vec<TestForecasts<'a>>,
    /// Which run of each model is shown, in brackets; empty where there is no choice.
    which: String,
}

impl Drawing<'_> {
    /// Adds the forecasts of one target; `rest` are the targets that are not drawn.
    fn add_forecasts(&self, index: usize, target: &Target, rest: &[Target], figures: &mut BoardFigures) {
        let Target { name, unit } = target;
        let first_model = &self.models[0];
        let total = first_model.time_s.len();
        // The middle of the test part is as far from the training steps as from the end of the data.
        let start = total.saturating_sub(MOST_STEPS) / 2;
        let window = start..(start + MOST_STEPS).min(total);
        let part = |values: &[f64]| values[window.clone()].to_vec();
        let tracks: Vec<ForecastTrack> = self
            .models
            .iter()
            .map(|model| {
                let TargetForecasts { forecast, band, .. } = &model.targets[index];
                let band =
                    band.as_ref().map(|band| Band { lower: part(&band.lower), upper: part(&band.upper) });
                ForecastTrack { label: model.label.to_string(), forecast: part(forecast), band }
            })
            .collect();
        let actual = part(&first_model.targets[index].actual);
        let per_request = self.saved.map(|saved| saved.spec.task.kind()) == Some("next_request");
        let drawn = if per_request {
            actual_and_forecast_by_request(name, unit, window.start + 1, &actual, &tracks)
        } else {
            actual_and_forecast(name, unit, &part(&first_model.time_s), &actual, &tracks)
        };
        let mut caption = format!("One step ahead{}, {}.", self.which, excerpt(&window, total, self.saved));
        if !rest.is_empty() {
            let names: Vec<&str> = rest.iter().map(|target| target.name.as_str()).collect();
            let further = counted(rest.len(), "further target");
            caption = format!("{caption} Not drawn: {further} ({}).", names.join(", "));
        }
        figures.add(
            FigureSection::Forecasts,
            &format!("forecast of {name}"),
            file_stem(&["forecast", name]),
            drawn,
            caption,
        );
    }

    fn add_residuals(&self, index: usize, target: &Target, figures: &mut BoardFigures) {
        let Target { name, unit } = target;
        let residuals: Vec<Residuals> = self
            .models
            .iter()
            .map(|model| {
                let TargetForecasts { actual, forecast, .. } = &model.targets[index];
                Residuals {
                    label: model.label.to_string(),
                    values: forecast.iter().zip(actual).map(|(forecast, actual)| forecast - actual).collect(),
                }
            })
            .collect();
        let caption = format!(
            "A residual is forecast minus observed: right of zero, the forecast was too high. One step ahead{}, all {} of \
             the test part.",
            self.which,
            counted(self.models[0].time_s.len(), "window")
        );
        let drawn = residual_histogram(name, unit, &residuals);
        figures.add(
            FigureSection::Errors,
            &format!("residuals of {name}"),
            file_stem(&["residuals", name]),
            drawn,
            caption,
        );
    }
}

/// The stretch of the test part that a plot shows, as part of a sentence.
fn excerpt(window: &Range<usize>, total: usize, saved: Option<&SavedRun>) -> String {
    let step = match saved.map(|saved| saved.spec.task.kind()) {
        Some("next_request") => "request",
        Some("window_load") => "time window",
        _ => "step",
    };
    let stride = saved.map_or(1, |saved| saved.predictions_stride);
    let kept = if stride > 1 { format!(", of which one in {stride} is kept") } else { String::new() };
    if window.len() == total {
        return format!("the whole test part: {}{kept}", counted(total, step));
    }
    format!(
        "an excerpt from the middle of the test part: {step}s {} to {} of {}{kept}",
        grouped(window.start + 1),
        grouped(window.end),
        grouped(total)
    )
}
