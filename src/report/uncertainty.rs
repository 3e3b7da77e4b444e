//! The plots of the forecasts' uncertainty: calibration and Q–Q.

use std::path::Path;

use super::figures::{BoardFigures, FigureSection, MOST_TARGETS, shown_rows, shown_run};
use super::plot::{SquarePanel, calibration_curves, qq_plot};
use super::tables;
use crate::compare::{Board, BoardRow, Comparison, MetricKey, predictions_of_run};
use crate::dataset::{ChannelScale, PredictionTable};
use crate::stats::QUANTILES;
use crate::stats::closed_form::normal_quantile;
use crate::store::SavedRun;

/// Points of a Q–Q plot.
const QQ_POINTS: usize = 120;

/// The predictions of one of the shown models.
pub struct ShownModel<'a> {
    /// The model.
    pub row: &'a BoardRow,
    /// Its predictions on all parts.
    pub predictions: PredictionTable,
    /// The scales of its channels, the targets first.
    pub scales: Vec<ChannelScale>,
}

/// The predictions of the best model, the runner-up and the best baseline, as far as the files are there.
pub fn shown_models<'a>(comparison: &Comparison, board: &'a Board, results: &Path) -> Vec<ShownModel<'a>> {
    let models = shown_rows(board).into_iter().filter_map(|row| {
        let run = shown_run(comparison, row)?;
        // Missing predictions are reported where the forecasts would be drawn.
        let predictions = predictions_of_run(results, &run.run_id).ok()?;
        let scales = SavedRun::read(results, &run.run_id).ok()?.scaler.channels;
        Some(ShownModel { row, predictions, scales })
    });
    models.collect()
}

/// Adds the calibration curves and the Q–Q plots of one board.
pub fn draw_uncertainty(board: &Board, shown: &[ShownModel<'_>], figures: &mut BoardFigures) {
    let names: Vec<String> =
        tables::targets(board).into_iter().take(MOST_TARGETS).map(|target| target.name).collect();
    draw_calibration(board, &names, shown, figures);
    draw_qq(&names, shown, figures);
}

fn labels(shown: &[&ShownModel<'_>]) -> Vec<String> {
    shown.iter().map(|model| model.row.label.clone()).collect()
}

fn draw_calibration(board: &Board, names: &[String], shown: &[ShownModel<'_>], figures: &mut BoardFigures) {
    let calibrated: Vec<&ShownModel> =
        shown.iter().filter(|model| !model.predictions.quantiles.is_empty()).collect();
    if calibrated.is_empty() {
        return;
    }
    let panels: Vec<SquarePanel> = names
        .iter()
        .map(|name| SquarePanel {
            title: name.clone(),
            models: calibrated.iter().map(|model| shares_below(model, name).unwrap_or_default()).collect(),
        })
        .collect();
    let coverage = |level: u32| {
        let key = MetricKey::all_scaled(&format!("coverage_{level}"));
        let found = calibrated.first().and_then(|model| model.row.metrics.get(&key));
        found.map(|value| format!("{:.1} % within {level} %", 100.0 * value.mean))
    };
    let coverages: Vec<String> = [50, 80, 95].into_iter().filter_map(coverage).collect();
    let method = board.saved_run.as_ref().map(|saved| saved.spec.uncertainty.conformal);
    let method = method.and_then(|method| serde_json::to_value(method).ok());
    let method = method.as_ref().and_then(|method| method.as_str()).unwrap_or("conformal");
    let caption = format!(
        "For each of the seven quantiles that bound the intervals, the share of test values that do not exceed it, over \
         all steps ahead; calibrated forecasts lie on the diagonal. Intervals of {} ({method}), averaged over the targets: \
         {}.",
        calibrated[0].row.label,
        coverages.join(", ")
    );
    let drawn = calibration_curves(&labels(&calibrated), &panels);
    figures.add(FigureSection::Intervals, "calibration", "calibration".to_string(), drawn, caption);
}

/// The level of each quantile, and the share of the test values that do not exceed it.
fn shares_below(model: &ShownModel<'_>, name: &str) -> Option<Vec<(f64, f64)>> {
    let target = model.predictions.targets.iter().position(|target| target == name)?;
    let scale = model.scales.get(target)?;
    let actual = &model.predictions.actual[target];
    let quantiles = QUANTILES.iter().zip(&model.predictions.quantiles[target]);
    let rows: Vec<usize> = model.predictions.test_rows().collect();
    let shares = quantiles.map(|(&level, quantile)| {
        // Models compute in single precision: the tolerance lets a value that equals its bound count as below it.
        let below = |row: &&usize| {
            let bound = scale.scale(quantile[**row]);
            scale.scale(actual[**row]) <= bound + 1e-6 * (1.0 + bound.abs())
        };
        (level, rows.iter().filter(below).count() as f64 / rows.len().max(1) as f64)
    });
    Some(shares.collect())
}

fn draw_qq(names: &[String], shown: &[ShownModel<'_>], figures: &mut BoardFigures) {
    let panels: Vec<SquarePanel> = names
        .iter()
        .map(|name| SquarePanel {
            title: name.clone(),
            models: shown.iter().map(|model| normal_points(model, name).unwrap_or_default()).collect(),
        })
        .collect();
    if panels.is_empty() || shown.is_empty() {
        return;
    }
    let caption = "One-step-ahead residuals in scaled units, standardised, against the quantiles of the normal distribution. \
                   Points that leave the line at its ends show tails that are heavier, or lighter, than normal, which is \
                   why the intervals are quantiles of errors and not multiples of a standard deviation. Points beyond ±5 \
                   are drawn at the edge."
        .to_string();
    let all: Vec<&ShownModel> = shown.iter().collect();
    figures.add(
        FigureSection::Errors,
        "Q–Q plot",
        "qq".to_string(),
        qq_plot(&labels(&all), &panels),
        caption,
    );
}

fn normal_points(model: &ShownModel<'_>, name: &str) -> Option<Vec<(f64, f64)>> {
    let target = model.predictions.targets.iter().position(|target| target == name)?;
    let scale = model.scales.get(target)?;
    let rows = model.predictions.test_rows_one_ahead();
    let mut residuals: Vec<f64> =
        rows.map(|row| model.predictions.scaled_error(scale, target, row)).collect();
    residuals.sort_by(f64::total_cmp);
    let count = residuals.len() as f64;
    let mean = residuals.iter().sum::<f64>() / count;
    let deviation = (residuals.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    if residuals.is_empty() || deviation <= 0.0 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::test_fixtures;
    use crate::dataset::{Channel, Transform};

    fn shown(comparison: &Comparison) -> ShownModel<'_> {
        let count = 400_u16;
        let actual: Vec<f64> = (0..count).map(f64::from).collect();
        let predictions = PredictionTable {
            part: vec!["test".to_string(); usize::from(count)],
            ahead: vec![1; usize::from(count)],
            time_s: actual.clone(),
            targets: vec!["gap_s".to_string()],
            quantiles: vec![
                QUANTILES.iter().map(|level| vec![level * f64::from(count) - 1.0; 400]).collect(),
            ],
            forecast: vec![vec![200.0; 400]],
            actual: vec![actual],
            ..PredictionTable::default()
        };
        let channel =
            Channel { name: "gap_s".to_string(), unit: String::new(), transform: Transform::Identity };
        let scales = vec![ChannelScale::new(channel, 200.0, 100.0)];
        ShownModel { row: &comparison.boards[0].rows[0], predictions, scales }
    }

    #[test]
    fn calibrated_quantiles_lie_on_the_diagonal() {
        let comparison = test_fixtures::comparison();
        for (level, share) in shares_below(&shown(&comparison), "gap_s").unwrap() {
            assert!((level - share).abs() < 1e-9, "{level} {share}");
        }
        let mut figures = BoardFigures::default();
        draw_calibration(&comparison.boards[0], &["gap_s".to_string()], &[shown(&comparison)], &mut figures);
        assert_eq!(figures.plots[0].plot.name, "calibration");
        assert_eq!(figures.missing, Vec::<String>::new());
    }
}
