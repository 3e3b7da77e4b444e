//! The plots of the traffic: burst pattern, and token load of the next windows.

use super::board_figures::{BoardFigures, FigureSection};
use super::forecast_figures::origin_of;
use super::plot::{BandPanel, Gaps, TimeOrigin, band_panels, gap_pattern};
use super::token_load::{Coverage, LoadForecast, token_load};
use crate::compare::Board;
use crate::dataset::{ArrivalPattern, BurstState, PredictionTable};
use crate::spec::{EmptyWindows, TaskSpec};
use crate::text::{duration, grouped};

/// The histogram of a trace's gaps, coloured by burst state.
pub fn gaps_of(pattern: &ArrivalPattern, note: String) -> Gaps {
    let states = BurstState::ALL.iter().map(|state| state.as_str().to_string());
    Gaps {
        edges_s: pattern.edges_s(),
        counts: pattern.counts.clone(),
        shares: states.zip(pattern.shares).collect(),
        borders_s: vec![BurstState::BURST_GAP_S, BurstState::SPARSE_GAP_S],
        note,
    }
}

/// Adds the burst pattern of the slice.
pub fn draw_gaps(board: &Board, figures: &mut BoardFigures) {
    let Some(pattern) = board.saved_run.as_ref().and_then(|saved| saved.arrivals.as_ref()) else { return };
    let ArrivalPattern { gaps, mean_gap_s, variation, .. } = pattern;
    let caption = format!(
        "All {} gaps of the slice: mean {}, coefficient of variation {variation:.2}. Gaps below 10 ms are bursts, gaps \
         above 10 s sparse traffic.",
        grouped(*gaps),
        duration(*mean_gap_s)
    );
    let note = "Random (Poisson) arrivals have a coefficient of variation of 1; above 1 they come in bursts. The first bin \
                contains all shorter gaps.";
    let drawn = gap_pattern(&gaps_of(pattern, note.to_string()));
    figures.add(FigureSection::Traffic, "burst pattern", "burst-pattern".to_string(), drawn, caption);
}

/// Adds the token load of the next window, and of all windows that the task forecasts, as forecast by the model of `label`. A
/// forecast of single requests has none: how many will arrive is not known.
pub fn draw_load(board: &Board, label: &str, predictions: &PredictionTable, figures: &mut BoardFigures) {
    let Some(saved) = &board.saved_run else { return };
    let TaskSpec::WindowLoad(task) = &saved.spec.task else { return };
    // Windows with requests between which others are left out are no stretch of time.
    if task.empty_windows == EmptyWindows::Skip {
        return;
    }
    let mut lengths = vec![1, task.horizon];
    lengths.dedup();
    let loads: Vec<LoadForecast> =
        lengths.into_iter().filter_map(|windows| token_load(predictions, task, windows)).collect();
    if loads.is_empty() {
        return;
    }
    let origin = origin_of(saved);
    let panels: Vec<BandPanel> = loads
        .iter()
        .map(|load| band_panel(format!("the next {}", length_text(load)), "tokens", origin, load))
        .collect();
    let coverages: Vec<String> = loads
        .iter()
        .filter(|load| load.coverage_80().windows > 0)
        .map(|load| {
            let Coverage { within, windows } = load.coverage_80();
            format!("{within} of {windows} over {}", length_text(load))
        })
        .collect();
    let within = if coverages.is_empty() {
        String::new()
    } else {
        format!(" Stretches within their 80 % interval: {}.", coverages.join(", "))
    };
    let caption = format!(
        "Request and response tokens over the test part. The forecast of a stretch is made when it begins: the sum of what was \
         then forecast for its windows, shifted by the median error of the stretches that had ended by then. The intervals are \
         the outer quantiles of those errors.{within}"
    );
    let drawn = band_panels("load", "Token load, observed and forecast", label, [95, 80], &panels);
    figures.add(FigureSection::Traffic, "token load", "load".to_string(), drawn, caption);
}

/// The length of the stretches of a load, without decimals that say nothing.
fn length_text(load: &LoadForecast) -> String {
    duration(load.length_s).replace(".0 s", " s")
}

fn band_panel(title: String, quantity: &str, origin: TimeOrigin, load: &LoadForecast) -> BandPanel {
    BandPanel {
        title,
        quantity: quantity.to_string(),
        origin,
        time_s: load.time_s.clone(),
        actual: load.actual.clone(),
        forecast: load.forecast.clone(),
        bands: load.bands.clone(),
        step_s: load.length_s,
    }
}
