//! The plot of the intervals: calibration.

use super::board_figures::{BoardFigures, DRAWN_TARGETS, FigureSection};
use super::plot::{CalibrationPanel, calibration};
use super::shown_models::ShownModel;
use super::tables;
use crate::compare::{Board, MetricKey};
use crate::stats::QUANTILES;
use crate::text::{counted, grouped};

/// Adds how far the share of observed values below each quantile is from its level.
pub fn draw_calibration(board: &Board, shown: &[ShownModel<'_>], figures: &mut BoardFigures) {
    let calibrated: Vec<&ShownModel> =
        shown.iter().filter(|model| !model.predictions.quantiles.is_empty()).collect();
    let Some(first) = calibrated.first() else { return };
    let targets = tables::targets(board);
    let (drawn, rest) = targets.split_at(targets.len().min(DRAWN_TARGETS));
    // Forecasts of one step from several windows are no further values.
    let windows = first.predictions.test_rows_one_ahead().count();
    let panels: Vec<CalibrationPanel> = drawn
        .iter()
        .map(|target| CalibrationPanel {
            title: target.name.clone(),
            models: calibrated
                .iter()
                .map(|model| shares_below(model, &target.name).unwrap_or_default())
                .collect(),
            count: windows,
        })
        .collect();
    let coverage = |level: u32| {
        let key = MetricKey::all_scaled(&format!("coverage_{level}"));
        let found = first.row.metrics.get(&key);
        found.map(|value| format!("{:.1} % within {level} %", 100.0 * value.mean))
    };
    let coverages: Vec<String> = [50, 80, 95].into_iter().filter_map(coverage).collect();
    let held = if coverages.is_empty() {
        String::new()
    } else {
        format!(
            " Intervals of {}{}, averaged over the targets: {}.",
            first.label,
            method(board),
            coverages.join(", ")
        )
    };
    let rest = if rest.is_empty() {
        String::new()
    } else {
        let names: Vec<&str> = rest.iter().map(|target| target.name.as_str()).collect();
        format!(" Not drawn: {} ({}).", counted(rest.len(), "further target"), names.join(", "))
    };
    let caption = format!(
        "For each of the seven quantiles that bound the intervals, the share of test values that do not exceed it, over all \
         steps ahead, minus its level: above zero, too many values lie below it. The band holds 95 % of what {} independent \
         windows would give by chance; neighbouring windows are alike, so that chance alone reaches further.{held}{rest}",
        grouped(windows)
    );
    let labels: Vec<String> = calibrated.iter().map(|model| model.label.clone()).collect();
    let drawn = calibration(&labels, &panels);
    figures.add(FigureSection::Intervals, "calibration", "calibration".to_string(), drawn, caption);
}

/// How the intervals were calibrated, in brackets; empty where that is not known.
fn method(board: &Board) -> String {
    let method = board.saved_run.as_ref().map(|saved| saved.spec.uncertainty.conformal);
    let method = method.and_then(|method| serde_json::to_value(method).ok());
    method.as_ref().and_then(|method| method.as_str()).map_or(String::new(), |method| format!(" ({method})"))
}

/// The level of each quantile, and the share of the test values that do not exceed it.
fn shares_below(model: &ShownModel<'_>, name: &str) -> Option<Vec<(f64, f64)>> {
    let target = model.target(name)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Comparison, test_fixtures};
    use crate::dataset::{Channel, ChannelScale, PredictionTable, Transform};

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
        let row = &comparison.boards[0].rows[0];
        ShownModel { row, label: row.label.clone(), run: &comparison.runs[0], predictions, scales }
    }

    #[test]
    fn calibrated_quantiles_have_shares_of_their_levels() {
        let comparison = test_fixtures::comparison();
        for (level, share) in shares_below(&shown(&comparison), "gap_s").unwrap() {
            assert!((level - share).abs() < 1e-9, "{level} {share}");
        }
        let mut figures = BoardFigures::default();
        draw_calibration(&comparison.boards[0], &[shown(&comparison)], &mut figures);
        assert_eq!(figures.plots[0].plot.name, "calibration");
        assert_eq!(figures.missing, Vec::<String>::new());
    }
}
