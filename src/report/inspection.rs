//! What is in a trace, as one self-contained page with plots.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::plot::{BinnedBars, Gaps, Plot, binned_bars, gap_pattern};
use crate::dataset::{BurstState, Inspection, LoadFacts, RequestFacts, TokenCounts, is_profile};

const STYLE: &str = include_str!("report.css");

/// Renders the page. `shape` has the headers and rows of the quantities' distributions, `facts` what else is to be told.
///
/// # Errors
/// A plot that cannot be drawn, which would be a mistake in this program.
pub fn inspection_page(
    file: &str,
    (headers, rows): &(Vec<String>, Vec<Vec<String>>),
    facts: &[(&'static str, String)],
    inspection: &Inspection,
) -> anyhow::Result<String> {
    let plots = match inspection {
        Inspection::Requests(facts) => request_plots(facts)?,
        Inspection::Series(_) => Vec::new(),
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:";
                link rel="icon" href="data:,";
                title { (file) " · burstlab" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { p.kind { "burstlab trace" } h1 { (file) } }
                main {
                    h2 { "Quantities" }
                    div.scroll tabindex="0" role="group" aria-label="Quantities" {
                        table {
                            thead { tr { @for (index, header) in headers.iter().enumerate() { th.n[index > 0] scope="col" { (header) } } } }
                            tbody {
                                @for row in rows {
                                    tr {
                                        @for (index, cell) in row.iter().enumerate() {
                                            @if index == 0 { th scope="row" { (cell) } } @else { td.n { (cell) } }
                                        }
                                    }
                                }
                            }
                        }
                    }
                    @if !facts.is_empty() {
                        h2 { "Facts" }
                        table { tbody { @for (name, fact) in facts { tr { th scope="row" { (name) } td { (fact) } } } } }
                    }
                    @if !plots.is_empty() { h2 { "Plots" } }
                    @for plot in &plots { (figure(plot)) }
                }
                footer { "Written by burstlab " (env!("CARGO_PKG_VERSION")) "." }
            }
        }
    };
    Ok(page.into_string())
}

fn figure(plot: &Plot) -> Markup {
    html! {
        figure { div.scroll tabindex="0" role="group" aria-label=(plot.title) { (PreEscaped(&plot.svg)) } }
    }
}

fn request_plots(facts: &RequestFacts) -> anyhow::Result<Vec<Plot>> {
    let mut plots = Vec::new();
    if let Some(load) = &facts.load {
        plots.push(binned_bars(&over_time(load))?);
    }
    if let Some(arrivals) = &facts.arrivals {
        let shares = BurstState::ALL.iter().zip(arrivals.shares);
        plots.push(gap_pattern(&Gaps {
            edges_s: arrivals.edges_s(),
            counts: arrivals.counts.clone(),
            shares: shares.map(|(state, share)| (state.as_str().to_string(), share)).collect(),
            borders_s: vec![BurstState::BURST_GAP_S, BurstState::SPARSE_GAP_S],
            note: format!(
                "The coefficient of variation is {:.2}; arrivals at random would have 1.",
                arrivals.variation
            ),
        })?);
    }
    for (what, tokens) in
        [("Request", &facts.request_tokens_counts), ("Response", &facts.response_tokens_counts)]
    {
        if !tokens.counts.is_empty() {
            plots.push(binned_bars(&token_histogram(what, tokens, facts.rows))?);
        }
    }
    if let Some(load) = &facts.load {
        if is_profile(&load.by_hour) {
            let hours = known(&load.by_hour);
            plots.push(binned_bars(&profile("hour of the day", "hour", "requests an hour", hours))?);
        }
        if is_profile(&load.by_weekday) {
            let note = "day of the week, from the first day on (a Monday where the date is known)";
            let days = known(&load.by_weekday);
            plots.push(binned_bars(&profile("day of the week", note, "requests a day", days))?);
        }
        for (what, values) in
            [("requests", &load.requests_autocorrelation), ("tokens", &load.tokens_autocorrelation)]
        {
            plots.push(binned_bars(&memory(what, values))?);
        }
    }
    Ok(plots)
}

/// Bins that the trace does not reach are empty.
fn known(values: &[Option<f64>]) -> Vec<f64> {
    values.iter().map(|value| value.unwrap_or(0.0)).collect()
}

fn over_time(load: &LoadFacts) -> BinnedBars {
    let part_h = load.part_minutes as f64 / 60.0;
    BinnedBars {
        title: "Load over time".to_string(),
        x_title: "time since the first request, h".to_string(),
        y_title: "requests a minute".to_string(),
        edges: (0..=load.over_time.len()).map(|edge| edge as f64 * part_h).collect(),
        values: load.over_time.clone(),
        log: false,
        note: format!("Each bar is the mean over {} min.", load.part_minutes),
    }
}

fn token_histogram(what: &str, tokens: &TokenCounts, rows: usize) -> BinnedBars {
    let percent = |count: usize| 100.0 * count as f64 / rows.max(1) as f64;
    BinnedBars {
        title: format!("{what} tokens"),
        x_title: "tokens (log scale)".to_string(),
        y_title: "share of requests in a bin, %".to_string(),
        edges: tokens.edges(),
        values: tokens.counts.iter().map(|count| percent(*count)).collect(),
        log: true,
        note: format!("{:.2} % have none.", percent(tokens.zero)),
    }
}

fn profile(by: &str, x_title: &str, y_title: &str, values: Vec<f64>) -> BinnedBars {
    BinnedBars {
        title: format!("Requests by {by}"),
        x_title: x_title.to_string(),
        y_title: y_title.to_string(),
        edges: (0..=values.len()).map(|edge| edge as f64).collect(),
        values,
        log: false,
        note: "Mean over the whole trace; hours and days that it does not reach are empty.".to_string(),
    }
}

fn memory(what: &str, values: &[f64]) -> BinnedBars {
    BinnedBars {
        title: format!("Autocorrelation of {what} per minute"),
        x_title: "lag, min".to_string(),
        y_title: "autocorrelation".to_string(),
        edges: (0..=values.len()).map(|edge| edge as f64 + 0.5).collect(),
        values: values.to_vec(),
        log: false,
        note: "What is far from zero says how much the last minutes tell of the next.".to_string(),
    }
}
