//! The plots of the traffic and of its cost: burst pattern, token load in windows of three lengths, memory and GPUs.

use super::figures::{BoardFigures, FigureSection};
use super::plot::{BandPanel, Gaps, band_panels, gap_pattern};
use super::resources::{cache_gib, gpus};
use super::token_load::{Coverage, LoadForecast, WINDOW_LENGTHS, WindowLength, token_load};
use crate::compare::{Board, Comparison};
use crate::dataset::{ArrivalPattern, BurstState, PredictionTable};
use crate::spec::{ReportSpec, ResourcesSpec, TaskSpec};
use crate::text::{duration, grouped};

/// The load in windows of one length.
struct WindowedLoad {
    length: WindowLength,
    load: LoadForecast,
}

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

/// Adds the token load as forecast by the model of `label`, in windows of three lengths, and the resources it needs.
pub fn draw_load(
    comparison: &Comparison,
    board: &Board,
    label: &str,
    predictions: &PredictionTable,
    figures: &mut BoardFigures,
) {
    let Some(saved) = &board.saved_run else { return };
    let source = match &saved.spec.task {
        TaskSpec::Series(_) => return,
        TaskSpec::NextRequest(_) => {
            "the requests that arrived in it, each forecast when the previous one had arrived"
        }
        TaskSpec::WindowLoad(_) => {
            "the task's windows that it consists of, each forecast when the previous one had ended"
        }
    };
    let mut loads = Vec::new();
    for length in WINDOW_LENGTHS {
        match token_load(predictions, &saved.spec.task, saved.predictions_stride, length.seconds) {
            Ok(load) => loads.push(WindowedLoad { length, load }),
            Err(reason) => figures
                .missing
                .push(format!("The token load in windows of {} is not drawn: {reason}.", length.name)),
        }
    }
    if loads.is_empty() {
        return;
    }
    let panels: Vec<BandPanel> = loads
        .iter()
        .map(|WindowedLoad { length, load }| {
            band_panel(format!("windows of {}", length.name), "tokens", *length, load)
        })
        .collect();
    let coverages: Vec<String> = loads
        .iter()
        .map(|WindowedLoad { length, load }| {
            let Coverage { within, windows } = load.coverage_80();
            format!("{within} of {windows} of {}", length.name)
        })
        .collect();
    let caption = format!(
        "Request and response tokens in windows of three lengths over the test part. The forecast of a window is the sum \
         over {source}, shifted by the median error of earlier sums of as many steps; the bands are the outer quantiles of \
         these errors. No band depends on its own window. Windows within their 80 % band: {}.",
        coverages.join(", ")
    );
    let drawn = band_panels("load", "Token load, observed and forecast", label, [95, 80], &panels);
    figures.add(FigureSection::Traffic, "token load", "load".to_string(), drawn, caption);
    let report: ReportSpec = serde_json::from_str(&comparison.experiment.report).unwrap_or_default();
    // Capacity is planned by the minute; without windows of a minute, the first length that was drawn has to do.
    let planned = loads.iter().find(|load| load.length.seconds == 60.0).or(loads.first());
    if let Some(load) = planned {
        draw_resources(&report.resources, label, load, figures);
    }
}

fn band_panel(title: String, quantity: &str, length: WindowLength, load: &LoadForecast) -> BandPanel {
    BandPanel {
        title,
        quantity: quantity.to_string(),
        time_s: load.time_s.clone(),
        actual: load.actual.clone(),
        forecast: load.forecast.clone(),
        bands: load.bands.clone(),
        step_s: length.seconds,
    }
}

fn draw_resources(
    resources: &ResourcesSpec,
    label: &str,
    windowed: &WindowedLoad,
    figures: &mut BoardFigures,
) {
    let WindowedLoad { length, load } = windowed;
    let cache = load.map(|tokens| cache_gib(tokens, length.seconds, resources));
    let count = load.map(|tokens| gpus(tokens, length.seconds, resources));
    let panels = [
        band_panel("KV cache".to_string(), "GiB", *length, &cache),
        band_panel("GPUs".to_string(), "count, in whole replicas", *length, &count),
    ];
    let caption = format!(
        "The memory and the GPUs that the token load in windows of {} needs. Assumptions, set under `report.resources`: \
         {} bytes of KV cache a token, kept for {} s; replicas of {} GPUs with {} GiB each, of which {} % may be used; {} \
         GiB of weights a replica; {} tokens a second a replica. The GPUs are those of the replicas that the cache and the \
         tokens of a second need. For another model or GPU the figures differ.",
        length.name,
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
            time_s: (0..20).map(|minute| 60.0 * f64::from(minute)).collect(),
            actual: values.clone(),
            forecast: values.clone(),
            bands: [band(), band()],
        };
        let windowed = WindowedLoad { length: WindowLength { seconds: 60.0, name: "1 min" }, load };
        draw_resources(&ResourcesSpec::default(), "lstm", &windowed, &mut figures);
        let caption = &figures.plots[0].caption;
        assert!(caption.contains("327,680 bytes") && caption.contains("90 % may be used"), "{caption}");
    }
}
