//! The summary of a trace, which the terminal and the page share: its quantities and the findings about it.

use crate::dataset::{
    Distribution, Frequency, Inspection, RequestStatistics, SeriesClock, TrafficProfile, is_profile,
};
use crate::text::{counted, duration, grouped, quantity, with_decimals};

/// Whole numbers from here on have a power of ten.
const WHOLE_BELOW: f64 = 1e15;

/// The distributions of a trace's quantities.
pub(super) struct QuantityTable {
    pub(super) headers: Vec<String>,
    /// The rows, each with the name of a quantity and a figure for every other header.
    pub(super) rows: Vec<Vec<String>>,
}

/// A finding about a trace.
pub(super) struct Finding {
    pub(super) subject: &'static str,
    pub(super) text: String,
}

fn finding(subject: &'static str, text: String) -> Finding {
    Finding { subject, text }
}

/// The distributions of a trace's quantities.
pub(super) fn quantities(inspection: &Inspection) -> QuantityTable {
    let headers = ["", "mean", "std", "min", "p50", "p95", "p99", "max"];
    let distributions: Vec<(&str, &str, Distribution)> = match inspection {
        Inspection::Requests(statistics) => {
            let mut distributions = vec![
                ("gap (s)", "s", statistics.gap_s),
                ("request tokens", "tokens", statistics.request_tokens),
                ("response tokens", "tokens", statistics.response_tokens),
            ];
            if let Some(traffic) = &statistics.traffic {
                distributions.push(("requests per minute", "requests", traffic.requests_per_minute));
                distributions.push(("tokens per minute", "tokens", traffic.tokens_per_minute));
            }
            distributions
        }
        Inspection::Series(statistics) => std::iter::once(("step (s)", "s", statistics.step_s))
            .chain(statistics.columns.iter().map(|(name, column)| (name.as_str(), "", *column)))
            .collect(),
    };
    let rows = distributions.iter().map(|(name, unit, values)| {
        let values = [values.mean, values.std, values.min, values.p50, values.p95, values.p99, values.max];
        std::iter::once((*name).to_string()).chain(values.map(|value| figure(value, unit))).collect()
    });
    QuantityTable { headers: headers.map(String::from).to_vec(), rows: rows.collect() }
}

/// The findings about a trace.
pub(super) fn findings(inspection: &Inspection) -> Vec<Finding> {
    match inspection {
        Inspection::Requests(statistics) => request_findings(statistics),
        Inspection::Series(statistics) => {
            let mut findings = clock_findings(&statistics.clock);
            if statistics.incomplete > 0 {
                let count = counted(statistics.incomplete, "time");
                findings.push(finding("left out", format!("{count} at which a column has no finite value")));
            }
            findings
        }
    }
}

fn clock_findings(clock: &SeriesClock) -> Vec<Finding> {
    let frequency = match clock.frequency {
        Some(frequency) => format!("rows {frequency}"),
        None => "none: the rows are at no fixed distance".to_string(),
    };
    let mut findings = vec![finding("frequency", frequency)];
    if clock.frequency.is_none_or(|frequency| frequency == Frequency::Rows) {
        return findings;
    }
    let none = |text: Option<String>| text.unwrap_or_else(|| "none".to_string());
    findings.push(finding("gaps", none(clock.gaps_text())));
    findings.push(finding("repeats", none(clock.repeats_text())));
    findings.push(finding("irregular", none(clock.irregular_text())));
    findings
}

fn request_findings(statistics: &RequestStatistics) -> Vec<Finding> {
    let share = |count: usize| percent(count as f64 / statistics.rows.max(1) as f64);
    let by_name = |counts: &[(String, usize)]| {
        let counts = counts
            .iter()
            .map(|(name, count)| format!("{name} {} ({})", grouped(*count as u64), share(*count)));
        counts.collect::<Vec<_>>().join(", ")
    };
    let mut findings = vec![
        finding(
            "order",
            format!(
                "timestamps never decrease; {} equal the previous one, {} requests equal the previous one in every column",
                grouped(statistics.repeated_timestamps as u64),
                grouped(statistics.repeated_requests as u64)
            ),
        ),
        finding(
            "gaps",
            format!(
                "coefficient of variation {}, autocorrelation at lag 1 {}, {} above an hour",
                ratio(statistics.gap_cv),
                ratio(statistics.gap_autocorrelation),
                grouped(statistics.gaps_above_1_h as u64)
            ),
        ),
        finding(
            "bursts",
            format!(
                "{} of gaps below 10 ms, {} above 10 s",
                percent(statistics.burst_share),
                percent(statistics.sparse_share)
            ),
        ),
        finding(
            "failed",
            format!(
                "{} requests without a response token ({})",
                grouped(statistics.failed as u64),
                share(statistics.failed)
            ),
        ),
        finding(
            "cleaning",
            format!(
                "drop_zero_tokens would drop {} requests, spread_duplicate_timestamps would move {}",
                grouped(statistics.zero_tokens as u64),
                grouped(statistics.repeated_timestamps as u64)
            ),
        ),
    ];
    if let Some(traffic) = &statistics.traffic {
        findings.extend(traffic_findings(traffic));
    }
    if !statistics.llms.is_empty() {
        findings.push(finding("llms", by_name(&statistics.llms)));
    }
    if !statistics.log_types.is_empty() {
        findings.push(finding("log types", by_name(&statistics.log_types)));
    }
    findings
}

fn traffic_findings(traffic: &TrafficProfile) -> Vec<Finding> {
    let at = |values: &[f64], day: Option<f64>| {
        let lags = [1, 5, 15, 60].into_iter().filter_map(|lag| Some((lag, *values.get(lag - 1)?)));
        let lags = lags.chain(day.map(|value| (1_440, value)));
        lags.map(|(lag, value)| format!("{value:.2} at {lag}")).collect::<Vec<_>>().join(", ")
    };
    let (day_requests, day_tokens) = traffic.daily_autocorrelation.unzip();
    let profile = |values: &[Option<f64>], unit: &str| {
        let known = || values.iter().flatten();
        let (lowest, highest) =
            known().fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(*value), high.max(*value)));
        format!(
            "{} requests {unit}, {} to {}",
            sparkline(values),
            figure(lowest, "requests"),
            figure(highest, "requests")
        )
    };
    let mut findings = vec![
        finding("idle", format!("{} of the minutes have no request", percent(traffic.empty_minutes))),
        finding(
            "memory",
            format!(
                "autocorrelation of requests per minute {}; of tokens {} (lags in minutes)",
                at(&traffic.requests_autocorrelation, day_requests),
                at(&traffic.tokens_autocorrelation, day_tokens)
            ),
        ),
    ];
    if is_profile(&traffic.by_hour) {
        findings.push(finding("by hour", profile(&traffic.by_hour, "an hour from 0 to 23 h")));
    }
    if is_profile(&traffic.by_weekday) {
        findings.push(finding("by day", profile(&traffic.by_weekday, "a day of the week")));
    }
    findings
}

/// A bar for each value, scaled to the largest; a dot where there is no value.
fn sparkline(values: &[Option<f64>]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = values.iter().flatten().copied().fold(0.0, f64::max);
    let bar = |value: &f64| BARS[((value / highest * 8.0) as usize).min(7)];
    values.iter().map(|value| value.as_ref().map_or('·', bar)).collect()
}

/// Length and duration of a trace, such as `120 requests over 2 h`.
pub(super) fn extent(inspection: &Inspection) -> String {
    let (rows, noun, span_s) = match inspection {
        Inspection::Requests(statistics) => (statistics.rows, "request", statistics.span_s),
        Inspection::Series(statistics) if statistics.clock.frequency == Some(Frequency::Rows) => {
            return format!("{} without a time", counted(statistics.rows, "row"));
        }
        Inspection::Series(statistics) => (statistics.rows, "row", statistics.span_s),
    };
    format!("{} over {}", counted(rows, noun), duration(span_s.max(0.0)))
}

/// A quantity, whole where its value is; `-` where there is no finite value.
fn figure(value: f64, unit: &str) -> String {
    match value {
        _ if !value.is_finite() => "-".to_string(),
        _ if value.fract() == 0.0 && value.abs() < WHOLE_BELOW => with_decimals(value, 0),
        _ => quantity(value, unit),
    }
}

/// A ratio or a correlation, or `-` where there is none.
fn ratio(value: f64) -> String {
    if value.is_finite() { with_decimals(value, 3) } else { "-".to_string() }
}

fn percent(share: f64) -> String {
    if share.is_nan() {
        return "-".to_string();
    }
    format!("{:.2} %", 100.0 * share)
}
