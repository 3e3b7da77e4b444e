//! Facts about a trace, as people read them.

use crate::console::{grouped, table};
use crate::dataset::{Distribution, Inspection, RequestFacts, SeriesFacts};

/// What is in a trace: `file` is named in the first line.
pub(super) fn inspection_text(file: &str, inspection: &Inspection) -> String {
    match inspection {
        Inspection::Requests(facts) => request_text(file, facts),
        Inspection::Series(facts) => series_text(file, facts),
    }
}

fn request_text(file: &str, facts: &RequestFacts) -> String {
    let share = |count: usize| percent(count as f64 / facts.rows.max(1) as f64);
    let by_name = |counts: &[(String, usize)]| {
        let counts = counts
            .iter()
            .map(|(name, count)| format!("{name} {} ({})", grouped(*count as u64), share(*count)));
        counts.collect::<Vec<_>>().join(", ")
    };
    let mut lines = vec![
        headline(file, facts.rows, "request", facts.span_s),
        String::new(),
        distributions(&[
            ("gap (s)", facts.gap_s),
            ("request tokens", facts.request_tokens),
            ("response tokens", facts.response_tokens),
        ]),
        String::new(),
        format!(
            "gaps       coefficient of variation {}, autocorrelation at lag 1 {}",
            figure(facts.gap_cv),
            figure(facts.gap_autocorrelation)
        ),
        format!(
            "bursts     {} of gaps below 10 ms, {} above 10 s",
            percent(facts.burst_share),
            percent(facts.sparse_share)
        ),
        format!(
            "failed     {} requests without a response token ({})",
            grouped(facts.failed as u64),
            share(facts.failed)
        ),
        format!(
            "cleaning   drop_zero_tokens would drop {} requests, spread_duplicate_timestamps would move {}",
            grouped(facts.zero_tokens as u64),
            grouped(facts.repeated_timestamps as u64)
        ),
    ];
    if !facts.llms.is_empty() {
        lines.push(format!("llms       {}", by_name(&facts.llms)));
        lines.push(format!("log types  {}", by_name(&facts.log_types)));
    }
    lines.join("\n")
}

fn series_text(file: &str, facts: &SeriesFacts) -> String {
    let mut rows = vec![("step (s)", facts.step_s)];
    rows.extend(facts.columns.iter().map(|(name, column)| (name.as_str(), *column)));
    let headline = headline(file, facts.rows, "row", facts.span_s);
    format!("{headline}\n\n{}", distributions(&rows))
}

fn headline(file: &str, rows: usize, noun: &str, span_s: f64) -> String {
    let plural = if rows == 1 { "" } else { "s" };
    format!("{file}: {} {noun}{plural} over {}", grouped(rows as u64), span(span_s))
}

fn distributions(rows: &[(&str, Distribution)]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|(name, values)| {
            let values =
                [values.mean, values.std, values.min, values.p50, values.p95, values.p99, values.max];
            std::iter::once((*name).to_string()).chain(values.map(figure)).collect()
        })
        .collect();
    let headers = ["", "mean", "std", "min", "p50", "p95", "p99", "max"];
    table(&headers, &rows, &[1, 2, 3, 4, 5, 6, 7])
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
