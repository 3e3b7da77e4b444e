//! The plots of how sure the forecasts are, of the traffic itself, and of what it costs: calibration, Q–Q, bands in
//! windows of three lengths, burst pattern, memory and GPUs.

use std::path::Path;

use super::figures::{BoardFigures, MOST_TARGETS, shown_rows, shown_run};
use super::plot::{BandPanel, Gaps, SquarePanel, band_panels, calibration_curves, gap_pattern, qq_plot};
use super::tables;
use super::traffic::{SCALES, Track, cache_gib, gpus, token_load};
use crate::compare::{Board, BoardRow, Comparison};
use crate::dataset::{ArrivalPattern, BurstState, ChannelScale, PredictionTable, read_predictions};
use crate::spec::{ReportSpec, ResourcesSpec};
use crate::stats::QUANTILES;
use crate::stats::closed_form::normal_quantile;
use crate::store::run_folder;
use crate::text::{grouped, number};

/// Points of a Q–Q plot.
const QQ_POINTS: usize = 120;

/// What one model forecast on the test part.
struct Shown<'a> {
    row: &'a BoardRow,
    table: PredictionTable,
    /// Rows of the table that are of the test part.
    rows: Vec<usize>,
}

/// Adds the plots of one board.
pub fn draw(comparison: &Comparison, board: &Board, results: &Path, figures: &mut BoardFigures) {
    let shown: Vec<Shown> = shown_rows(board)
        .into_iter()
        .filter_map(|row| {
            let run = shown_run(comparison, row)?;
            let path = run_folder(results, &run.run_id).join("predictions.parquet");
            // That predictions are gone is said where the forecasts would be.
            let table = read_predictions(&path).ok()?;
            let rows = (0..table.part.len()).filter(|&row| table.part[row] == "test").collect();
            Some(Shown { row, table, rows })
        })
        .collect();
    let names: Vec<String> =
        tables::targets(board).into_iter().take(MOST_TARGETS).map(|(name, _)| name).collect();
    draw_calibration(board, &names, &shown, figures);
    draw_qq(board, &names, &shown, figures);
    draw_gaps(board, figures);
    draw_load(comparison, board, shown.first(), figures);
}

fn labels(shown: &[&Shown<'_>]) -> Vec<String> {
    shown.iter().map(|model| model.row.label.clone()).collect()
}

fn draw_calibration(board: &Board, names: &[String], shown: &[Shown<'_>], figures: &mut BoardFigures) {
    let calibrated: Vec<&Shown> = shown.iter().filter(|model| !model.table.quantiles.is_empty()).collect();
    if calibrated.is_empty() {
        return;
    }
    let panels: Vec<SquarePanel> = names
        .iter()
        .map(|name| SquarePanel {
            title: name.clone(),
            models: calibrated.iter().map(|model| shares_below(model, name)).collect(),
        })
        .collect();
    let coverage = |level: u32| {
        let key = ("all".to_string(), "scaled".to_string(), format!("coverage_{level}"));
        let found = calibrated.first().and_then(|model| model.row.metrics.get(&key));
        found.map(|value| format!("{:.1} % within {level} %", 100.0 * value.mean))
    };
    let coverages: Vec<String> = [50, 80, 95].into_iter().filter_map(coverage).collect();
    let method = board.card.as_ref().map(|card| card.spec.uncertainty.conformal);
    let method = method.and_then(|method| serde_json::to_value(method).ok());
    let method = method.as_ref().and_then(|method| method.as_str()).unwrap_or("conformal");
    let caption = format!(
        "For each of the seven quantiles that bound the intervals, the share of test values at most as large, all steps \
         ahead; on the diagonal the forecast is calibrated. Intervals of {} ({method}): {}, means over the targets.",
        calibrated[0].row.label,
        coverages.join(", ")
    );
    let drawn = calibration_curves(&labels(&calibrated), &panels);
    figures.add("calibration", "calibration".to_string(), drawn, caption);
}

/// `(level, share of the test values at most as large as that quantile)`.
fn shares_below(model: &Shown<'_>, name: &str) -> Vec<(f64, f64)> {
    let Some(target) = model.table.targets.iter().position(|target| target == name) else {
        return Vec::new();
    };
    let actual = &model.table.actual[target];
    let quantiles = QUANTILES.iter().zip(&model.table.quantiles[target]);
    quantiles
        .map(|(&level, quantile)| {
            // Values that equal their bound came from the same rounding to single precision.
            let below =
                |row: &&usize| actual[**row] <= quantile[**row] + 1e-6 * (1.0 + quantile[**row].abs());
            (level, model.rows.iter().filter(below).count() as f64 / model.rows.len().max(1) as f64)
        })
        .collect()
}

fn draw_qq(board: &Board, names: &[String], shown: &[Shown<'_>], figures: &mut BoardFigures) {
    let Some(card) = &board.card else { return };
    let scale = |name: &String| card.scaler.channels.iter().find(|scale| scale.channel.name == **name);
    let panels: Vec<SquarePanel> = names
        .iter()
        .filter_map(|name| Some((name, scale(name)?)))
        .map(|(name, scale)| SquarePanel {
            title: name.clone(),
            models: shown.iter().map(|model| normal_points(model, name, scale)).collect(),
        })
        .collect();
    if panels.is_empty() || shown.is_empty() {
        return;
    }
    let caption = "Residuals one step ahead in scaled units, less their mean and over their deviation, against the quantiles \
                   of the normal law. Points that leave the line at the ends show tails that are heavier, or on one side \
                   lighter, than normal: the reason why the intervals are quantiles of errors and not multiples of a \
                   deviation. Beyond ±5 they stand at the edge."
        .to_string();
    let all: Vec<&Shown> = shown.iter().collect();
    figures.add("Q–Q plot", "qq".to_string(), qq_plot(&labels(&all), &panels), caption);
}

fn normal_points(model: &Shown<'_>, name: &str, scale: &ChannelScale) -> Vec<(f64, f64)> {
    let Some(target) = model.table.targets.iter().position(|target| target == name) else {
        return Vec::new();
    };
    let (actual, forecast) = (&model.table.actual[target], &model.table.forecast[target]);
    let one_ahead = model.rows.iter().filter(|&&row| model.table.ahead[row] == 1);
    let mut residuals: Vec<f64> =
        one_ahead.map(|&row| scale.scale(forecast[row]) - scale.scale(actual[row])).collect();
    residuals.sort_by(f64::total_cmp);
    let count = residuals.len() as f64;
    let mean = residuals.iter().sum::<f64>() / count;
    let deviation = (residuals.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    if residuals.is_empty() || deviation <= 0.0 {
        return Vec::new();
    }
    let points = QQ_POINTS.min(residuals.len());
    (0..points)
        .map(|point| {
            let level = (point as f64 + 0.5) / points as f64;
            let residual = residuals[((level * count) as usize).min(residuals.len() - 1)];
            (normal_quantile(level), (residual - mean) / deviation)
        })
        .collect()
}

fn draw_gaps(board: &Board, figures: &mut BoardFigures) {
    let Some(pattern) = board.card.as_ref().and_then(|card| card.arrivals.as_ref()) else { return };
    let ArrivalPattern { gaps, mean_gap_s, variation, .. } = pattern;
    let caption = format!(
        "All {} gaps of the slice: mean {} s, coefficient of variation {variation:.2}. A burst is a gap below 10 ms, sparse \
         one above 10 s.",
        grouped(*gaps),
        number(*mean_gap_s)
    );
    let data = Gaps {
        edges_s: pattern.edges_s(),
        counts: pattern.counts.clone(),
        shares: BurstState::ALL.iter().map(|state| state.as_str().to_string()).zip(pattern.shares).collect(),
        borders_s: vec![BurstState::BURST_GAP_S, BurstState::SPARSE_GAP_S],
        note: "Arrivals at random have a coefficient of variation of 1; above it they come in bursts. The first bin holds \
               all shorter gaps."
            .to_string(),
    };
    figures.add("burst pattern", "burst-pattern".to_string(), gap_pattern(&data), caption);
}

/// Token loads in windows of three lengths, and what they cost.
fn draw_load(comparison: &Comparison, board: &Board, best: Option<&Shown<'_>>, figures: &mut BoardFigures) {
    let (Some(card), Some(best)) = (&board.card, best) else { return };
    if card.spec.task.kind() == "series" {
        return;
    }
    let mut tracks = Vec::new();
    for (window_s, name) in SCALES {
        match token_load(&best.table, &card.spec.task, card.predictions_stride, window_s) {
            Ok(track) => tracks.push((window_s, name, track)),
            Err(reason) => {
                figures.missing.push(format!("The token load in windows of {name} is not drawn: {reason}."));
            }
        }
    }
    if tracks.is_empty() {
        return;
    }
    let label = &best.row.label;
    let panels: Vec<BandPanel> = tracks
        .iter()
        .map(|(window_s, name, track)| band_panel(format!("windows of {name}"), "tokens", *window_s, track))
        .collect();
    let of_what = match card.spec.task.kind() {
        "next_request" => "the requests that arrived in it, each forecast when the one before it had come",
        _ => "the task's windows that make it up, each forecast when the one before it had ended",
    };
    let held: Vec<String> = tracks
        .iter()
        .map(|(_, name, track)| {
            let (within, all) = track.within_80();
            format!("{within} of {all} of {name}")
        })
        .collect();
    let caption = format!(
        "Request and response tokens in windows of three lengths over the test part. The forecast of a window is the sum \
         over {of_what}, moved by the median error of earlier sums of as many steps; the bands are the outer quantiles of \
         these errors. Nothing in a band looks at its own window. Windows that lay within their 80 % band: {}.",
        held.join(", ")
    );
    let title = "Token load, observed and forecast";
    let drawn = band_panels("load", title, label, [95, 80], &panels);
    figures.add("token load", "load".to_string(), drawn, caption);
    let report: ReportSpec = serde_json::from_str(&comparison.experiment.report).unwrap_or_default();
    // A minute where there is one, as loads are planned by; else the next best.
    let by_minute = tracks.iter().find(|(window_s, ..)| *window_s == 60.0).or(tracks.first());
    if let Some((window_s, name, track)) = by_minute {
        draw_resources(&report.resources, label, (*window_s, name), track, figures);
    }
}

fn band_panel(title: String, quantity: &str, window_s: f64, track: &Track) -> BandPanel {
    BandPanel {
        title,
        quantity: quantity.to_string(),
        time_s: track.time_s.clone(),
        actual: track.actual.clone(),
        forecast: track.forecast.clone(),
        bands: track.bands.clone(),
        step_s: window_s,
    }
}

fn draw_resources(
    resources: &ResourcesSpec,
    label: &str,
    (window_s, name): (f64, &str),
    track: &Track,
    figures: &mut BoardFigures,
) {
    let cache = track.map(|tokens| cache_gib(tokens, window_s, resources));
    let count = track.map(|tokens| gpus(tokens, window_s, resources));
    let panels = [
        band_panel("KV cache".to_string(), "GiB", window_s, &cache),
        band_panel("GPUs".to_string(), "count, in whole replicas", window_s, &count),
    ];
    let caption = format!(
        "The token load of windows of {name} as memory and GPUs. Assumed, and set under `report.resources`: {} bytes of KV \
         cache a token, kept for {} s; a replica of {} GPUs with {} GiB each, of which {} % may be used; {} GiB of weights \
         a replica; {} tokens a second a replica. GPUs are the replicas that both the cache and the tokens of a second \
         need. Any other model or GPU gives other figures.",
        grouped(resources.kv_bytes_per_token as usize),
        resources.seconds_in_cache,
        resources.gpus_per_replica,
        resources.gpu_memory_gib,
        (1_000.0 * resources.usable_memory).round() / 10.0,
        resources.weights_gib,
        grouped(resources.tokens_per_second as usize)
    );
    let title = "Resources that the token load needs";
    let drawn = band_panels("resources", title, label, [95, 80], &panels);
    figures.add("resource forecast", "resources".to_string(), drawn, caption);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::test_fixtures;

    fn shown(comparison: &Comparison) -> Shown<'_> {
        let count = 400_u16;
        let actual: Vec<f64> = (0..count).map(f64::from).collect();
        let table = PredictionTable {
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
        Shown { row: &comparison.boards[0].rows[0], rows: (0..400).collect(), table }
    }

    #[test]
    fn calibrated_quantiles_lie_on_the_diagonal() {
        let comparison = test_fixtures::comparison();
        for (level, share) in shares_below(&shown(&comparison), "gap_s") {
            assert!((level - share).abs() < 1e-9, "{level} {share}");
        }
        let mut figures = BoardFigures::default();
        draw_calibration(&comparison.boards[0], &["gap_s".to_string()], &[shown(&comparison)], &mut figures);
        assert_eq!(figures.plots[0].plot.name, "calibration");
        assert_eq!(figures.missing, Vec::<String>::new());
    }

    #[test]
    fn the_assumptions_stand_beside_the_resources() {
        let mut figures = BoardFigures::default();
        let values: Vec<f64> = (0..20).map(|minute| 1e5 + 1e3 * f64::from(minute)).collect();
        let track = Track {
            time_s: (0..20).map(|minute| 60.0 * f64::from(minute)).collect(),
            actual: values.clone(),
            forecast: values.clone(),
            bands: std::array::from_fn(|_| (values.clone(), values.clone())),
        };
        draw_resources(&ResourcesSpec::default(), "lstm", (60.0, "1 min"), &track, &mut figures);
        let caption = &figures.plots[0].caption;
        assert!(caption.contains("327,680 bytes") && caption.contains("90 % may be used"), "{caption}");
    }
}
