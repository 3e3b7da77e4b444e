//! The plots of the errors: residuals, Q–Q, and the error by step ahead.

use std::path::Path;

use super::board_figures::{BoardFigures, DRAWN_TARGETS, FigureSection, PlotChoice};
use super::forecast_figures::which_runs;
use super::labels::ModelLabels;
use super::plot::{
    Residuals, SquarePanel, StepErrorLine, StepErrors, qq_plot, residual_histogram, step_errors,
};
use super::shown_models::ShownModel;
use super::tables;
use crate::compare::{Board, BoardRow, Comparison, Target};
use crate::dataset::PredictionTable;
use crate::files::file_stem;
use crate::stats::closed_form::normal_quantile;
use crate::text::{counted, grouped};

/// Models whose errors are drawn by step ahead, the best ones, apart from the best baseline.
const MOST_MODELS: usize = 5;
/// Points of a Q–Q plot.
const QQ_POINTS: usize = 120;
/// With fewer residuals, a tail says nothing.
const FEWEST_RESIDUALS: usize = 20;

/// The choice between the plots of several targets; `None` where there is only one.
fn of_target(group: &str, name: &str, targets: &[Target]) -> Option<PlotChoice> {
    let picks = vec![("target", name.to_string())];
    (targets.len() > 1).then(|| PlotChoice { group: group.to_string(), picks })
}

/// The targets that are drawn, and a sentence about the others.
fn drawn_targets(board: &Board) -> (Vec<Target>, String) {
    let mut targets = tables::targets(board);
    let rest = targets.split_off(targets.len().min(DRAWN_TARGETS));
    let names: Vec<&str> = rest.iter().map(|target| target.name.as_str()).collect();
    let note = if rest.is_empty() {
        String::new()
    } else {
        format!(" Not drawn: {} ({}).", counted(rest.len(), "further target"), names.join(", "))
    };
    (targets, note)
}

/// Adds the histograms of the residuals, target by target.
pub fn draw_residuals(
    comparison: &Comparison,
    board: &Board,
    models: &[ShownModel<'_>],
    figures: &mut BoardFigures,
) {
    let Some(first) = models.first() else { return };
    let (targets, note) = drawn_targets(board);
    let count = first.predictions.test_rows().count();
    let horizon = horizon(&first.predictions);
    let steps = if horizon > 1 { format!(", 1 to {} steps ahead", grouped(horizon)) } else { String::new() };
    let caption = format!(
        "Forecast minus observed: right of the line at zero, the forecast was too high. All {} of the test part{steps}{}.{note}",
        counted(count, "forecast"),
        which_runs(comparison, models)
    );
    for Target { name, unit } in &targets {
        let residuals = models.iter().filter_map(|model| {
            let (target, table) = (model.target(name)?, &model.predictions);
            let residual = |row| table.forecast[target][row] - table.actual[target][row];
            Some(Residuals { label: model.label.clone(), values: table.test_rows().map(residual).collect() })
        });
        let residuals: Vec<Residuals> = residuals.collect();
        figures.add_choice(
            FigureSection::Errors,
            of_target("residuals", name, &targets),
            &format!("residuals of {name}"),
            file_stem(&["residuals", name]),
            residual_histogram(name, unit, &residuals),
            caption.clone(),
        );
    }
}

fn horizon(table: &PredictionTable) -> usize {
    table.ahead.iter().max().map_or(1, |ahead| *ahead as usize)
}

/// Adds the error by step ahead, target by target, where a forecast has several steps. `shown` are models whose predictions are
/// read already.
pub fn draw_step_errors(
    comparison: &Comparison,
    board: &Board,
    labels: &ModelLabels,
    results: &Path,
    shown: &[ShownModel<'_>],
    figures: &mut BoardFigures,
) {
    let steps = shown.first().map_or(1, |model| horizon(&model.predictions));
    if steps < 2 {
        return;
    }
    let (targets, note) = drawn_targets(board);
    let baseline = board.best_baseline();
    let is_baseline = |row: &BoardRow| baseline.is_some_and(|baseline| baseline.run_ids == row.run_ids);
    // Further baselines are bad in a way that everyone knows; without a model they are what there is to compare.
    let models: Vec<&BoardRow> = board.rows.iter().filter(|row| !row.baseline).collect();
    let baselines = || board.rows.iter().filter(|row| !is_baseline(row)).collect();
    let others: Vec<&BoardRow> = if models.is_empty() { baselines() } else { models };
    let read = |row: &BoardRow| -> Option<Vec<StepErrorLine>> {
        if let Some(model) = shown.iter().find(|model| model.row.run_ids == row.run_ids) {
            return Some(by_step(model, &targets, steps));
        }
        // The predictions of a model that is drawn nowhere else are not kept.
        Some(by_step(&ShownModel::read(comparison, row, labels, results)?, &targets, steps))
    };
    let models: Vec<Vec<StepErrorLine>> =
        others.iter().take(MOST_MODELS).filter_map(|row| read(row)).collect();
    let baseline = baseline.and_then(read);
    let more = others.len().saturating_sub(MOST_MODELS);
    let more = if more > 0 {
        format!(" Not drawn: {}, with larger errors.", counted(more, "further model"))
    } else {
        String::new()
    };
    let caption = format!(
        "Mean absolute error over the test part by how far ahead a forecast is{}.{more}{note}",
        which_runs(comparison, shown)
    );
    for (index, Target { name, unit }) in targets.iter().enumerate() {
        let data = StepErrors {
            target: name.clone(),
            unit: unit.clone(),
            models: models.iter().map(|lines| lines[index].clone()).collect(),
            baseline: baseline.as_ref().map(|lines| lines[index].clone()),
        };
        figures.add_choice(
            FigureSection::Errors,
            of_target("error by step", name, &targets),
            &format!("error of {name} by step ahead"),
            file_stem(&["error-by-step", name]),
            step_errors(&data),
            caption.clone(),
        );
    }
}

/// The mean absolute error of a model at each step ahead, for each target.
fn by_step(model: &ShownModel<'_>, targets: &[Target], steps: usize) -> Vec<StepErrorLine> {
    let table = &model.predictions;
    let of_target = |name: &str| -> Vec<f64> {
        let mut sums = vec![(0.0, 0.0); steps];
        if let Some(target) = model.target(name) {
            for row in table.test_rows() {
                if let Some((sum, count)) = sums.get_mut((table.ahead[row] as usize).wrapping_sub(1)) {
                    *sum += (table.forecast[target][row] - table.actual[target][row]).abs();
                    *count += 1.0;
                }
            }
        }
        sums.into_iter().map(|(sum, count)| sum / count).collect()
    };
    let line =
        |target: &Target| StepErrorLine { label: model.label.clone(), errors: of_target(&target.name) };
    targets.iter().map(line).collect()
}

/// Adds the Q–Q plots.
pub fn draw_qq(board: &Board, models: &[ShownModel<'_>], figures: &mut BoardFigures) {
    let (targets, note) = drawn_targets(board);
    let panels: Vec<SquarePanel> = targets
        .iter()
        .map(|target| SquarePanel {
            title: target.name.clone(),
            models: models
                .iter()
                .map(|model| normal_points(model, &target.name).unwrap_or_default())
                .collect(),
        })
        .collect();
    if panels.iter().flat_map(|panel| &panel.models).all(Vec::is_empty) {
        return;
    }
    let caption = format!(
        "One-step-ahead residuals in scaled units, standardised, against the quantiles of the normal distribution. Lines \
         that leave the diagonal at its ends show tails that are heavier, or lighter, than normal, which is why the intervals \
         are quantiles of errors and not multiples of a standard deviation. What lies beyond ±4 is drawn at the edge.{note}"
    );
    let labels: Vec<String> = models.iter().map(|model| model.label.clone()).collect();
    figures.add(FigureSection::Errors, "Q–Q plot", "qq".to_string(), qq_plot(&labels, &panels), caption);
}

fn normal_points(model: &ShownModel<'_>, name: &str) -> Option<Vec<(f64, f64)>> {
    let target = model.target(name)?;
    let scale = model.scales.get(target)?;
    let rows = model.predictions.test_rows_one_ahead();
    let mut residuals: Vec<f64> =
        rows.map(|row| model.predictions.scaled_error(scale, target, row)).collect();
    residuals.sort_by(f64::total_cmp);
    let count = residuals.len() as f64;
    let mean = residuals.iter().sum::<f64>() / count;
    let deviation = (residuals.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    if residuals.len() < FEWEST_RESIDUALS || deviation <= 0.0 {
        return None;
    }
    let points = QQ_POINTS.min(residuals.len());
    let point = |point: usize| {
        let level = (point as f64 + 0.5) / points as f64;
        let residual = residuals[((level * count) as usize).min(residuals.len() - 1)];
        (normal_quantile(level), (residual - mean) / deviation)
    };
    Some((0..points).map(point).collect())
}
