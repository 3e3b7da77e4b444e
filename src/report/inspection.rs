//! What is in a trace, as one self-contained page with plots.

use maud::{Markup, PreEscaped, html};

use super::page::page;
use super::plot::{
    BinnedBars, CourseAxis, CoursePanel, Gaps, Plot, bar_panels, binned_bars, course_panels, gap_pattern,
};
use crate::dataset::{
    BurstState, Course, Inspection, LoadFacts, Place, RequestFacts, SeriesFacts, TokenCounts, is_profile,
};

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
    let (plots, note) = match inspection {
        Inspection::Requests(facts) => (request_plots(facts)?, None),
        Inspection::Series(facts) => (series_plots(facts)?, left_out(facts)),
    };
    let body = html! {
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
            @if let Some(note) = &note { p { (note) } }
            @for plot in &plots { (figure(plot)) }
        }
        footer { "Written by burstlab " (env!("CARGO_PKG_VERSION")) "." }
    };
    Ok(page(&format!("{file} · burstlab"), None, &body))
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

/// What is not drawn of a wide table.
fn left_out(facts: &SeriesFacts) -> Option<String> {
    let (drawn, all) = (facts.courses.len(), facts.columns.len());
    (drawn < all).then(|| format!("The first {drawn} of {all} columns are drawn."))
}

fn series_plots(facts: &SeriesFacts) -> anyhow::Result<Vec<Plot>> {
    let courses = &facts.courses;
    let mut plots = Vec::new();
    let Some(parts) = courses.first().map(|course| course.over_time.len()).filter(|parts| *parts > 1) else {
        return Ok(plots);
    };
    let axis = CourseAxis {
        title: "time since the first row".to_string(),
        edges: (0..=parts).map(|edge| facts.span_s * edge as f64 / parts as f64).collect(),
        is_time: true,
    };
    let band = |place: &Place| (place.min, place.max);
    let note = format!(
        "Each of {parts} equally long parts of the table: the mean of its rows, and their lowest and highest value."
    );
    let panels = panels(courses, |course| &course.over_time, band);
    plots.push(course_panels("Columns over time", "lowest to highest", &axis, &panels, &note)?);
    for (places, title, x_title) in [
        (by_hour as Choice, "Columns by hour of the day", "hour"),
        (
            by_weekday,
            "Columns by day of the week",
            "day, from the first day on (a Monday where the date is known)",
        ),
    ] {
        let count = places(&courses[0]).len();
        if places(&courses[0]).iter().filter(|place| place.rows > 0).count() < 2 {
            continue;
        }
        let edges = (0..=count).map(|edge| edge as f64).collect();
        let axis = CourseAxis { title: x_title.to_string(), edges, is_time: false };
        let band = |place: &Place| (place.mean - place.std, place.mean + place.std);
        let note = "Mean over the whole table; the band is one standard deviation wide on either side.";
        let panels = self::panels(courses, places, band);
        plots.push(course_panels(title, "mean ± standard deviation", &axis, &panels, note)?);
    }
    if courses[0].autocorrelation.len() > 1 {
        // Lags are counted in rows, which are a time only where each is as long as the others.
        let step_s = facts.step_s;
        let is_time = step_s.p50 > 0.0 && step_s.std < 0.01 * step_s.p50;
        let (x_title, width) = if is_time { ("lag", step_s.p50) } else { ("lag, rows", 1.0) };
        let panels = courses.iter().map(|course| BinnedBars {
            title: course.name.clone(),
            x_title: x_title.to_string(),
            y_title: "autocorrelation".to_string(),
            edges: (0..=course.autocorrelation.len()).map(|edge| (edge as f64 + 0.5) * width).collect(),
            values: course.autocorrelation.clone(),
            log: false,
            note: String::new(),
        });
        let note = "How far each row tells of a later one: a peak away from the left is a period, a slow fall a drift.";
        let panels: Vec<BinnedBars> = panels.collect();
        plots.push(bar_panels("Autocorrelation of the columns", &panels, is_time, note)?);
    }
    Ok(plots)
}

/// One of the profiles of a column.
type Choice = fn(&Course) -> &Vec<Place>;

fn by_hour(course: &Course) -> &Vec<Place> {
    &course.by_hour
}

fn by_weekday(course: &Course) -> &Vec<Place> {
    &course.by_weekday
}

/// The columns at some places, with what `band` makes of each; places without a row are gaps.
fn panels(
    courses: &[Course],
    places: impl Fn(&Course) -> &Vec<Place>,
    band: impl Fn(&Place) -> (f64, f64),
) -> Vec<CoursePanel> {
    let panel = |course: &Course| {
        let known = |value: &dyn Fn(&Place) -> f64| {
            let values = places(course).iter();
            values.map(|place| if place.rows > 0 { value(place) } else { f64::NAN }).collect::<Vec<f64>>()
        };
        CoursePanel {
            title: course.name.clone(),
            mean: known(&|place| place.mean),
            low: known(&|place| band(place).0),
            high: known(&|place| band(place).1),
        }
    };
    courses.iter().map(panel).collect()
}
