//! The inspection of a trace as one self-contained page with plots.

use maud::{Markup, PreEscaped, html};

use super::inspection_summary::{QuantityTable, findings, quantities};
use super::page::page;
use super::plot::{
    Band, BinnedBars, Plot, ProfileAxis, ProfilePanel, bar_panels, binned_bars, gap_pattern, profile_panels,
};
use super::served_figure::served_figure;
use super::traffic_figures::gaps_of;
use crate::dataset::{
    ColumnProfile, Inspection, ProfileBin, RequestStatistics, SeriesStatistics, TokenCounts, TrafficProfile,
    is_profile,
};

/// Renders the page; `file` is its title.
///
/// # Errors
/// A plot that cannot be drawn, which would be a bug in this program.
pub fn inspection_page(file: &str, inspection: &Inspection) -> anyhow::Result<String> {
    let main = body(inspection, figure)?;
    let body = html! {
        header { p.kind { "burstlab trace" } h1 { (file) } }
        main { (main) }
        footer { "Written by burstlab " (env!("CARGO_PKG_VERSION")) "." }
    };
    Ok(page(&format!("{file} · burstlab"), None, &body))
}

/// The same without its frame, for the dashboard.
///
/// # Errors
/// As [`inspection_page`].
pub fn inspection_body(inspection: &Inspection) -> anyhow::Result<Markup> {
    body(inspection, |plot| served_figure(plot, ""))
}

fn body(inspection: &Inspection, figure: impl Fn(&Plot) -> Markup) -> anyhow::Result<Markup> {
    let QuantityTable { headers, rows } = quantities(inspection);
    let findings = findings(inspection);
    let (plots, note) = match inspection {
        Inspection::Requests(statistics) => (request_plots(statistics)?, None),
        Inspection::Series(statistics) => (series_plots(statistics)?, left_out(statistics)),
    };
    Ok(html! {
        h2 { "Quantities" }
        div.scroll tabindex="0" role="group" aria-label="Quantities" {
            table {
                thead { tr { @for (index, header) in headers.iter().enumerate() { th.n[index > 0] scope="col" { (header) } } } }
                tbody {
                    @for row in &rows {
                        tr {
                            @for (index, cell) in row.iter().enumerate() {
                                @if index == 0 { th scope="row" { (cell) } } @else { td.n { (cell) } }
                            }
                        }
                    }
                }
            }
        }
        @if !findings.is_empty() {
            h2 { "Findings" }
            table { tbody { @for finding in &findings { tr { th scope="row" { (finding.subject) } td { (finding.text) } } } } }
        }
        @if !plots.is_empty() { h2 { "Plots" } }
        @if let Some(note) = &note { p { (note) } }
        @for plot in &plots { (figure(plot)) }
    })
}

fn figure(plot: &Plot) -> Markup {
    html! {
        figure { div.scroll tabindex="0" role="group" aria-label=(plot.title) { (PreEscaped(&plot.svg)) } }
    }
}

fn request_plots(statistics: &RequestStatistics) -> anyhow::Result<Vec<Plot>> {
    let mut plots = Vec::new();
    if let Some(traffic) = &statistics.traffic {
        plots.push(binned_bars(&over_time(traffic))?);
    }
    if let Some(arrivals) = &statistics.arrivals {
        let note = format!(
            "The coefficient of variation is {:.2}; that of random (Poisson) arrivals is 1.",
            arrivals.variation
        );
        plots.push(gap_pattern(&gaps_of(arrivals, note))?);
    }
    for (what, tokens) in
        [("Request", &statistics.request_tokens_counts), ("Response", &statistics.response_tokens_counts)]
    {
        if !tokens.counts.is_empty() {
            plots.push(binned_bars(&token_histogram(what, tokens, statistics.rows))?);
        }
    }
    if let Some(traffic) = &statistics.traffic {
        if is_profile(&traffic.by_hour) {
            let hours = known(&traffic.by_hour);
            plots.push(binned_bars(&profile("hour of the day", "hour", "requests an hour", hours))?);
        }
        if is_profile(&traffic.by_weekday) {
            let note = "day of the week, from the first day on (a Monday where the date is known)";
            let days = known(&traffic.by_weekday);
            plots.push(binned_bars(&profile("day of the week", note, "requests a day", days))?);
        }
        for (what, values) in
            [("requests", &traffic.requests_autocorrelation), ("tokens", &traffic.tokens_autocorrelation)]
        {
            plots.push(binned_bars(&autocorrelation(what, values))?);
        }
    }
    Ok(plots)
}

/// The values of a profile, with 0 for bins that the trace does not cover.
fn known(values: &[Option<f64>]) -> Vec<f64> {
    values.iter().map(|value| value.unwrap_or(0.0)).collect()
}

fn over_time(traffic: &TrafficProfile) -> BinnedBars {
    let part_h = traffic.part_minutes as f64 / 60.0;
    BinnedBars {
        title: "Load over time".to_string(),
        x_title: "time since the first request, h".to_string(),
        y_title: "requests a minute".to_string(),
        edges: (0..=traffic.over_time.len()).map(|edge| edge as f64 * part_h).collect(),
        values: traffic.over_time.clone(),
        log: false,
        note: format!("Each bar is the mean over {} min.", traffic.part_minutes),
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
        note: format!("{:.2} % of the requests have none.", percent(tokens.zero)),
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
        note: "Mean over the whole trace; hours and days that it does not cover are empty.".to_string(),
    }
}

fn autocorrelation(what: &str, values: &[f64]) -> BinnedBars {
    BinnedBars {
        title: format!("Autocorrelation of {what} per minute"),
        x_title: "lag, min".to_string(),
        y_title: "autocorrelation".to_string(),
        edges: (0..=values.len()).map(|edge| edge as f64 + 0.5).collect(),
        values: values.to_vec(),
        log: false,
        note: "Values far from zero mean that the last minutes say much about the next.".to_string(),
    }
}

/// The note about the columns of a wide table that are not drawn.
fn left_out(statistics: &SeriesStatistics) -> Option<String> {
    let (drawn, all) = (statistics.profiles.len(), statistics.columns.len());
    (drawn < all).then(|| format!("The first {drawn} of {all} columns are drawn."))
}

fn series_plots(statistics: &SeriesStatistics) -> anyhow::Result<Vec<Plot>> {
    let profiles = &statistics.profiles;
    let mut plots = Vec::new();
    let Some(parts) = profiles.first().map(|profile| profile.over_time.len()).filter(|parts| *parts > 1)
    else {
        return Ok(plots);
    };
    let axis = ProfileAxis {
        title: "time since the first row".to_string(),
        edges: (0..=parts).map(|edge| statistics.span_s * edge as f64 / parts as f64).collect(),
        is_time: true,
    };
    let band = |bin: &ProfileBin| Ends { lower: bin.min, upper: bin.max };
    let note = format!(
        "The mean, the lowest and the highest value of the rows in each of {parts} equally long parts of the table."
    );
    let panels = panels(profiles, |profile| &profile.over_time, band);
    plots.push(profile_panels("Columns over time", "lowest to highest", &axis, &panels, &note)?);
    for (choose, title, x_title) in [
        (by_hour as ProfileOf, "Columns by hour of the day", "hour"),
        (
            by_weekday,
            "Columns by day of the week",
            "day, from the first day on (a Monday where the date is known)",
        ),
    ] {
        let count = choose(&profiles[0]).len();
        if choose(&profiles[0]).iter().filter(|bin| bin.rows > 0).count() < 2 {
            continue;
        }
        let edges = (0..=count).map(|edge| edge as f64).collect();
        let axis = ProfileAxis { title: x_title.to_string(), edges, is_time: false };
        let band = |bin: &ProfileBin| Ends { lower: bin.mean - bin.std, upper: bin.mean + bin.std };
        let note = "Mean over the whole table; the band is one standard deviation wide on either side.";
        let panels = self::panels(profiles, choose, band);
        plots.push(profile_panels(title, "mean ± standard deviation", &axis, &panels, note)?);
    }
    if profiles[0].autocorrelation.len() > 1 {
        // Lags are counted in rows, which translate to time only where all rows are equally long.
        let step_s = statistics.step_s;
        let is_time = step_s.p50 > 0.0 && step_s.std < 0.01 * step_s.p50;
        let (x_title, width) = if is_time { ("lag", step_s.p50) } else { ("lag, rows", 1.0) };
        let panels = profiles.iter().map(|profile| BinnedBars {
            title: profile.name.clone(),
            x_title: x_title.to_string(),
            y_title: "autocorrelation".to_string(),
            edges: (0..=profile.autocorrelation.len()).map(|edge| (edge as f64 + 0.5) * width).collect(),
            values: profile.autocorrelation.clone(),
            log: false,
            note: String::new(),
        });
        let note = "How much each row says about a later one: a peak away from the left is a period, a slow decline is a drift.";
        let panels: Vec<BinnedBars> = panels.collect();
        plots.push(bar_panels("Autocorrelation of the columns", &panels, is_time, note)?);
    }
    Ok(plots)
}

/// Chooses one of the profiles of a column.
type ProfileOf = fn(&ColumnProfile) -> &Vec<ProfileBin>;

/// The ends of a band.
struct Ends {
    lower: f64,
    upper: f64,
}

fn by_hour(profile: &ColumnProfile) -> &Vec<ProfileBin> {
    &profile.by_hour
}

fn by_weekday(profile: &ColumnProfile) -> &Vec<ProfileBin> {
    &profile.by_weekday
}

/// One of the profiles of each column, with the band around each bin; bins without a row are gaps.
fn panels(
    profiles: &[ColumnProfile],
    choose: impl Fn(&ColumnProfile) -> &Vec<ProfileBin>,
    band: impl Fn(&ProfileBin) -> Ends,
) -> Vec<ProfilePanel> {
    let panel = |profile: &ColumnProfile| {
        let known = |value: &dyn Fn(&ProfileBin) -> f64| {
            let bins = choose(profile).iter();
            bins.map(|bin| if bin.rows > 0 { value(bin) } else { f64::NAN }).collect::<Vec<f64>>()
        };
        ProfilePanel {
            title: profile.name.clone(),
            mean: known(&|bin| bin.mean),
            band: Band { lower: known(&|bin| band(bin).lower), upper: known(&|bin| band(bin).upper) },
        }
    };
    profiles.iter().map(panel).collect()
}
