//! The plots of the traffic and of its cost: burst pattern, token load of the next windows, memory and GPUs.

use super::figures::{BoardFigures, FigureSection};
use super::forecast_figures::origin_of;
use super::plot::{BandPanel, Gaps, TimeOrigin, band_panels, gap_pattern};
use super::resources::{cache_gib, gpus};
use super::token_load::{Coverage, LoadForecast, token_load};
use crate::compare::{Board, Comparison};
use crate::dataset::{ArrivalPattern, BurstState, PredictionTable};
use crate::spec::{ReportSpec, ResourcesSpec, TaskSpec};
use crate::text::{duration, grouped};

/// Capacity is planned by the minute.
const PLANNED_S: f64 = 60.0;

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

/// Adds the token load of the next window, and of all windows that the task forecasts, as forecast by the model of `label`, and
/// the resources that it needs. A forecast of single requests has none: how many will arrive is not known.
pub fn draw_load(
    comparison: &Comparison,
    board: &Board,
    label: &str,
    predictions: &PredictionTable,
    figures: &mut BoardFigures,
) {
    let Some(saved) = &board.saved_run else { return };
    let TaskSpec::WindowLoad(task) = &saved.spec.task else { return };
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
    let report: ReportSpec = serde_json::from_str(&comparison.experiment.report).unwrap_or_default();
    let distance = |load: &LoadForecast| (load.length_s / PLANNED_S).ln().abs();
    if let Some(planned) = loads.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))) {
        draw_resources(&report.resources, label, origin, planned, figures);
    }
}

/// The length of the stretches of a load, without decimals that say nothing.
fn length_text(load: &LoadForecast) -> String {
    duration(load.length_s).replace(".0 s", " s")
}

fn band_panel(title: String, quantity: &str, origin: TimeOrigin, load: &LoadForecast) -> BandPanel {
    BandPanel {
        title,
        quantity: quantity.to_string(),
        multiples_of: None,
        origin,
        time_s: load.time_s.clone(),
        actual: load.actual.clone(),
        forecast: load.forecast.clone(),
        bands: load.bands.clone(),
        step_s: load.length_s,
    }
}

fn draw_resources(
    resources: &ResourcesSpec,
    label: &str,
    origin: TimeOrigin,
    load: &LoadForecast,
    figures: &mut BoardFigures,
) {
    let cache = load.map(|tokens| cache_gib(tokens, load.length_s, resources));
    let count = load.map(|tokens| gpus(tokens, load.length_s, resources));
    let panels = [
        band_panel("KV cache".to_string(), "GiB", origin, &cache),
        BandPanel {
            multiples_of: Some(resources.gpus_per_replica as f64),
            ..band_panel("GPUs, in whole replicas".to_string(), "", origin, &count)
        },
    ];
    let caption = format!(
        "The memory and the GPUs that the token load of the next {} needs. Assumptions, set under `report.resources`: \
         {} bytes of KV cache a token, kept for {} s; replicas of {} GPUs with {} GiB each, of which {} % may be used; {} \
         GiB of weights a replica; {} tokens a second a replica. The GPUs are those of the replicas that the cache and the \
         tokens of a second need. For another model or GPU the figures differ.",
        length_text(load),
        grouped(resources.kv_bytes_per_token as usize),
        resources.seconds_in_cache,
        resources.gpus_per_replica,
        resources.gpu_memory_gib,
        (1_000.0 * resources.usable_memory).round() / 10.0,
        resources.weights_gib,
        grouped(resources.tokens_per_second as usize)
    );
    let drawn = band_panels("resources", "Resources that the token load needs", label, [95, 80], &panels);
    figures.add(FigureSection::Traffic, "resource forecast", "resources".to_string(), drawn, caption);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::Band;

    #[test]
    fn the_caption_states_the_assumptions_behind_the_resources() {
        let mut figures = BoardFigures::default();
        let values: Vec<f64> = (0..20).map(|minute| 1e5 + 1e3 * f64::from(minute)).collect();
        let band = || Band { lower: values.clone(), upper: values.clone() };
        let load = LoadForecast {
            length_s: 60.0,
            time_s: (0..20).map(|minute| 60.0 * f64::from(minute)).collect(),
            actual: values.clone(),
            forecast: values.clone(),
            bands: [band(), band()],
        };
        draw_resources(&ResourcesSpec::default(), "lstm", TimeOrigin::TraceStart, &load, &mut figures);
        let caption = &figures.plots[0].caption;
        assert!(caption.contains("327,680 bytes") && caption.contains("90 % may be used"), "{caption}");
    }
}
