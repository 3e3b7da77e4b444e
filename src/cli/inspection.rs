//! Facts about a trace, as people read them.

use crate::dataset::{Distribution, Inspection, LoadFacts, RequestFacts, is_profile};
use crate::text::{grouped, table};

/// What is in a trace: `file` is named in the first line.
pub(super) fn inspection_text(file: &str, inspection: &Inspection) -> String {
    let (headers, rows) = shape_of(inspection);
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let mut lines = vec![
        headline(file, inspection),
        String::new(),
        table(&headers, &rows, &[1, 2, 3, 4, 5, 6, 7]),
        String::new(),
    ];
    lines.extend(facts_of(inspection).iter().map(|(name, fact)| format!("{name:<10} {fact}")));
    lines.join("\n").trim_end().to_string()
}

/// The distributions of a trace's quantities: headers and rows.
pub(super) fn shape_of(inspection: &Inspection) -> (Vec<String>, Vec<Vec<String>>) {
    let headers = ["", "mean", "std", "min", "p50", "p95", "p99", "max"];
    let quantities: Vec<(&str, Distribution)> = match inspection {
        Inspection::Requests(facts) => {
            let mut quantities = vec![
                ("gap (s)", facts.gap_s),
                ("request tokens", facts.request_tokens),
                ("response tokens", facts.response_tokens),
            ];
            if let Some(load) = &facts.load {
                quantities.push(("requests per minute", load.requests_per_minute));
                quantities.push(("tokens per minute", load.tokens_per_minute));
            }
            quantities
        }
        Inspection::Series(facts) => std::iter::once(("step (s)", facts.step_s))
            .chain(facts.columns.iter().map(|(name, column)| (name.as_str(), *column)))
            .collect(),
    };
    let rows = quantities.iter().map(|(name, values)| {
        let values = [values.mean, values.std, values.min, values.p50, values.p95, values.p99, values.max];
        std::iter::once((*name).to_string()).chain(values.map(figure)).collect()
    });
    (headers.map(ToString::to_string).to_vec(), rows.collect())
}

/// What else is to be told, by subject; nothing of a numeric table.
pub(super) fn facts_of(inspection: &Inspection) -> Vec<(&'static str, String)> {
    match inspection {
        Inspection::Requests(facts) => request_facts(facts),
        Inspection::Series(_) => Vec::new(),
    }
}

fn request_facts(facts: &RequestFacts) -> Vec<(&'static str, String)> {
    let share = |count: usize| percent(count as f64 / facts.rows.max(1) as f64);
    let by_name = |counts: &[(String, usize)]| {
        let counts = counts
            .iter()
            .map(|(name, count)| format!("{name} {} ({})", grouped(*count as u64), share(*count)));
        counts.collect::<Vec<_>>().join(", ")
    };
    let mut told = vec![
        (
            "order",
            format!(
                "timestamps never go back; {} repeat the one before, {} requests repeat the one before in every column",
                grouped(facts.repeated_timestamps as u64),
                grouped(facts.repeated_requests as u64)
            ),
        ),
        (
            "gaps",
            format!(
                "coefficient of variation {}, autocorrelation at lag 1 {}, {} above an hour",
                figure(facts.gap_cv),
                figure(facts.gap_autocorrelation),
                grouped(facts.gaps_above_1_h as u64)
            ),
        ),
        (
            "bursts",
            format!(
                "{} of gaps below 10 ms, {} above 10 s",
                percent(facts.burst_share),
                percent(facts.sparse_share)
            ),
        ),
        (
            "failed",
            format!(
                "{} requests without a response token ({})",
                grouped(facts.failed as u64),
                share(facts.failed)
            ),
        ),
        (
            "cleaning",
            format!(
                "drop_zero_tokens would drop {} requests, spread_duplicate_timestamps would move {}",
                grouped(facts.zero_tokens as u64),
                grouped(facts.repeated_timestamps as u64)
            ),
        ),
    ];
    if let Some(load) = &facts.load {
        told.extend(load_facts(load));
    }
    if !facts.llms.is_empty() {
        told.push(("llms", by_name(&facts.llms)));
    }
    if !facts.log_types.is_empty() {
        told.push(("log types", by_name(&facts.log_types)));
    }
    told
}

fn load_facts(load: &LoadFacts) -> Vec<(&'static str, String)> {
    let at = |values: &[f64], day: Option<f64>| {
        let lags = [1, 5, 15, 60].into_iter().filter_map(|lag| Some((lag, *values.get(lag - 1)?)));
        let lags = lags.chain(day.map(|value| (1_440, value)));
        lags.map(|(lag, value)| format!("{value:.2} at {lag}")).collect::<Vec<_>>().join(", ")
    };
    let (day_requests, day_tokens) = load.daily_autocorrelation.unzip();
    let profile = |values: &[Option<f64>], unit: &str| {
        let known = || values.iter().flatten();
        let (lowest, highest) =
            known().fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(*value), high.max(*value)));
        format!("{} requests {unit}, {} to {}", sparkline(values), figure(lowest), figure(highest))
    };
    let mut told = vec![
        ("idle", format!("{} of minutes have no request", percent(load.empty_minutes))),
        (
            "memory",
            format!(
                "autocorrelation of requests per minute {}; of tokens {} (lags in minutes)",
                at(&load.requests_autocorrelation, day_requests),
                at(&load.tokens_autocorrelation, day_tokens)
            ),
        ),
    ];
    if is_profile(&load.by_hour) {
        told.push(("by hour", profile(&load.by_hour, "an hour from 0 to 23 h")));
    }
    if is_profile(&load.by_weekday) {
        told.push(("by day", profile(&load.by_weekday, "a day of the week")));
    }
    told
}

/// A bar for each value, from none to the largest; a dot where there is none.
fn sparkline(values: &[Option<f64>]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = values.iter().flatten().copied().fold(0.0, f64::max);
    let bar = |value: &f64| BARS[((value / highest * 8.0) as usize).min(7)];
    values.iter().map(|value| value.as_ref().map_or('·', bar)).collect()
}

fn headline(file: &str, inspection: &Inspection) -> String {
    let (rows, noun, span_s) = match inspection {
        Inspection::Requests(facts) => (facts.rows, "request", facts.span_s),
        Inspection::Series(facts) => (facts.rows, "row", facts.span_s),
    };
    let plural = if rows == 1 { "" } else { "s" };
    format!("{file}: {} {noun}{plural} over {}", grouped(rows as u64), span(span_s))
}

/// Whole numbers in full, all others with three decimals; `-` where there is nothing to tell.
fn figure(value: f64) -> String {
    let sign = if value < 0.0 { "-" } else { "" };
    match value.abs() {
        size if !size.is_finite() => "-".to_string(),
        size if size >= 1e15 => format!("{value:.3e}"),
        size if size.fract() == 0.0 => format!("{sign}{}", grouped(size as u64)),
        size if size >= 1_000.0 => {
            let tenths = (size * 10.0).round() as u64;
            format!("{sign}{}.{}", grouped(tenths / 10), tenths % 10)
        }
        _ => format!("{value:.3}"),
    }
}

fn percent(share: f64) -> String {
    if share.is_nan() {
        return "-".to_string();
    }
    format!("{:.2} %", 100.0 * share)
}

/// A time span in its two largest units.
fn span(seconds: f64) -> String {
    let total = seconds.max(0.0) as u64;
    let units =
        [(total / 86_400, "d"), (total / 3_600 % 24, "h"), (total / 60 % 60, "min"), (total % 60, "s")];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let parts = units[first..].iter().take(2).filter(|(count, _)| *count > 0);
    let text: Vec<String> = parts.map(|(count, unit)| format!("{count} {unit}")).collect();
    if text.is_empty() { format!("{} s", figure(seconds)) } else { text.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_grouped_and_say_when_there_is_none() {
        let figures = [14_050.0, -1_154.697, 0.0, -2.5, f64::NAN, 999.9996, 9_999.96].map(figure);
        assert_eq!(figures, ["14,050", "-1,154.7", "0", "-2.500", "-", "1000.000", "10,000.0"]);
    }

    #[test]
    fn a_span_is_told_in_its_two_largest_units() {
        let spans = [5_269_968.0, 3_501.7, 7_200.0, 0.25, 0.0].map(span);
        assert_eq!(spans, ["60 d 23 h", "58 min 21 s", "2 h", "0.250 s", "0 s"]);
    }
}
