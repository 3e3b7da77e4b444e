//! Statistics of a trace, to look at before forecasting it.

use serde::Serialize;

use super::clock::starts_at_s;
use super::distribution::Distribution;
use super::pattern::ArrivalPattern;
use super::profile::ColumnProfile;
use super::series_clock::SeriesClock;
use super::trace::{RequestTrace, SeriesTrace, Trace};
use super::traffic::TrafficProfile;

/// Statistics of a trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Inspection {
    /// A trace of requests.
    Requests(Box<RequestStatistics>),
    /// A numeric table.
    Series(Box<SeriesStatistics>),
}

/// Statistics of a trace of requests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RequestStatistics {
    /// Number of requests.
    pub rows: usize,
    /// Seconds from 1970-01-01, 0:00 UTC, to the first of them; `None` where no date is known.
    #[serde(skip)]
    pub starts_at_s: Option<f64>,
    /// Seconds from the first to the last request.
    pub span_s: f64,
    /// Requests without a response token.
    pub failed: usize,
    /// Requests that `drop_zero_tokens` would drop.
    pub zero_tokens: usize,
    /// Requests with the timestamp of the one before, which `spread_duplicate_timestamps` would move.
    pub repeated_timestamps: usize,
    /// Requests that repeat the one before in every column.
    pub repeated_requests: usize,
    /// Gaps of more than an hour.
    pub gaps_above_1_h: usize,
    /// Seconds between one request and the next.
    pub gap_s: Distribution,
    /// Coefficient of variation of the gaps: 1 for a Poisson process, above for bursts.
    pub gap_cv: f64,
    /// Autocorrelation of the gaps at lag 1.
    pub gap_autocorrelation: f64,
    /// Share of gaps below 10 ms.
    pub burst_share: f64,
    /// Share of gaps above 10 s.
    pub sparse_share: f64,
    /// Prompt tokens.
    pub request_tokens: Distribution,
    /// Generated tokens.
    pub response_tokens: Distribution,
    /// Requests by LLM, where the trace has that column.
    pub llms: Vec<(String, usize)>,
    /// Requests by kind, where the trace has that column.
    pub log_types: Vec<(String, usize)>,
    /// Histogram of the gaps; none with fewer than two requests.
    pub arrivals: Option<ArrivalPattern>,
    /// Histogram of the prompt tokens.
    pub request_tokens_counts: TokenCounts,
    /// Histogram of the generated tokens.
    pub response_tokens_counts: TokenCounts,
    /// The traffic over time; `None` for a trace that is shorter than two minutes or longer than three years.
    #[serde(rename = "load")]
    pub traffic: Option<TrafficProfile>,
}

/// Histogram of tokens: bin `i` starts at `10^(i/8)`, and requests without tokens are counted separately.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TokenCounts {
    /// Requests with no token.
    pub zero: usize,
    /// Requests in each bin, up to the last that has any.
    pub counts: Vec<usize>,
}

impl TokenCounts {
    const BINS_PER_DECADE: f64 = 8.0;

    fn of(tokens: &[f64]) -> Self {
        let mut histogram = Self::default();
        for &tokens in tokens {
            if tokens < 1.0 {
                histogram.zero += 1;
                continue;
            }
            let bin = (libm::log10(tokens) * Self::BINS_PER_DECADE + 1e-9) as usize;
            if histogram.counts.len() <= bin {
                histogram.counts.resize(bin + 1, 0);
            }
            histogram.counts[bin] += 1;
        }
        histogram
    }

    /// Edges of the bins in tokens, one more than there are bins.
    pub fn edges(&self) -> Vec<f64> {
        (0..=self.counts.len()).map(|edge| libm::pow(10.0, edge as f64 / Self::BINS_PER_DECADE)).collect()
    }
}

/// Statistics of a numeric table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesStatistics {
    /// Number of rows.
    pub rows: usize,
    /// Seconds from 1970-01-01, 0:00 UTC, to the first of them; `None` where no date is known.
    #[serde(skip)]
    pub starts_at_s: Option<f64>,
    /// Seconds from the first to the last row.
    pub span_s: f64,
    /// Seconds between one row and the next.
    pub step_s: Distribution,
    /// How far apart the rows are meant to be, and which are not.
    pub clock: SeriesClock,
    /// Times of the file that are no row, since a column has no finite value there.
    #[serde(skip_serializing_if = "is_zero")]
    pub incomplete: usize,
    /// Each column's name and values.
    pub columns: Vec<(String, Distribution)>,
    /// The profiles of the first eight columns.
    #[serde(rename = "courses")]
    pub profiles: Vec<ColumnProfile>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Computes the statistics of a trace.
pub fn inspect(trace: &Trace) -> Inspection {
    match trace {
        Trace::Requests(trace) => Inspection::Requests(Box::new(inspect_requests(trace))),
        Trace::Series(trace) => Inspection::Series(Box::new(inspect_series(trace))),
    }
}

fn inspect_requests(trace: &RequestTrace) -> RequestStatistics {
    let gaps = differences(&trace.arrival_s);
    let gap_s = Distribution::of(&gaps);
    let share = |count: usize| count as f64 / gaps.len() as f64;
    let repeats = |row: usize| {
        trace.arrival_s[row] == trace.arrival_s[row - 1]
            && trace.request_tokens[row] == trace.request_tokens[row - 1]
            && trace.response_tokens[row] == trace.response_tokens[row - 1]
            && trace.llm.repeats(row)
            && trace.log_type.repeats(row)
    };
    let zero = |row: usize| trace.request_tokens[row] == 0.0 || trace.response_tokens[row] == 0.0;
    RequestStatistics {
        rows: trace.len(),
        starts_at_s: starts_at_s(trace.is_dated, trace.clock_s),
        span_s: trace.arrival_s.last().copied().unwrap_or(0.0),
        failed: trace.response_tokens.iter().filter(|&&tokens| tokens == 0.0).count(),
        zero_tokens: (0..trace.len()).filter(|&row| zero(row)).count(),
        repeated_timestamps: gaps.iter().filter(|&&gap| gap == 0.0).count(),
        repeated_requests: (1..trace.len()).filter(|&row| repeats(row)).count(),
        gaps_above_1_h: gaps.iter().filter(|&&gap| gap > 3_600.0).count(),
        gap_cv: gap_s.std / gap_s.mean,
        gap_autocorrelation: autocorrelation(&gaps, &gap_s),
        burst_share: share(gaps.iter().filter(|&&gap| gap < 0.010).count()),
        sparse_share: share(gaps.iter().filter(|&&gap| gap > 10.0).count()),
        gap_s,
        request_tokens: Distribution::of(&trace.request_tokens),
        response_tokens: Distribution::of(&trace.response_tokens),
        llms: trace.llm.counts(),
        log_types: trace.log_type.counts(),
        arrivals: ArrivalPattern::of(trace),
        request_tokens_counts: TokenCounts::of(&trace.request_tokens),
        response_tokens_counts: TokenCounts::of(&trace.response_tokens),
        traffic: TrafficProfile::of(trace),
    }
}

fn inspect_series(trace: &SeriesTrace) -> SeriesStatistics {
    let step_s = Distribution::of(&differences(&trace.time_s));
    SeriesStatistics {
        rows: trace.time_s.len(),
        starts_at_s: starts_at_s(trace.is_dated, trace.clock_s),
        span_s: trace.time_s.last().copied().unwrap_or(0.0),
        profiles: ColumnProfile::of_each(trace, step_s.p50),
        step_s,
        clock: trace.clock.clone(),
        incomplete: trace.incomplete,
        columns: trace
            .names
            .iter()
            .zip(&trace.columns)
            .map(|(name, values)| (name.clone(), Distribution::of(values)))
            .collect(),
    }
}

fn differences(values: &[f64]) -> Vec<f64> {
    values.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn autocorrelation(values: &[f64], distribution: &Distribution) -> f64 {
    let covariance: f64 =
        values.windows(2).map(|pair| (pair[0] - distribution.mean) * (pair[1] - distribution.mean)).sum();
    covariance / (values.len().max(1) as f64 * distribution.std.powi(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_count_failures_duplicates_and_bursts() {
        let trace = RequestTrace {
            arrival_s: vec![0.0, 0.0, 0.005, 20.005],
            request_tokens: vec![10.0, 0.0, 30.0, 40.0],
            response_tokens: vec![1.0, 0.0, 3.0, 0.0],
            ..RequestTrace::default()
        };
        let statistics = inspect_requests(&trace);
        assert_eq!((statistics.failed, statistics.zero_tokens, statistics.repeated_timestamps), (2, 2, 1));
        assert!(
            (statistics.burst_share - 2.0 / 3.0).abs() < 1e-12
                && (statistics.sparse_share - 1.0 / 3.0).abs() < 1e-12
        );
        assert_eq!(statistics.request_tokens.p50, 10.0);
        assert_eq!((statistics.repeated_requests, statistics.gaps_above_1_h), (0, 0));
        assert_eq!(statistics.request_tokens_counts.zero, 1);
        assert_eq!(statistics.request_tokens_counts.counts.iter().sum::<usize>(), 3);
    }

    #[test]
    fn a_request_repeats_another_only_in_every_column() {
        let mut trace = RequestTrace {
            arrival_s: vec![0.0, 0.0, 0.0, 4_000.0],
            request_tokens: vec![10.0; 4],
            response_tokens: vec![5.0; 4],
            llm: ["a", "a", "b", "b"].into_iter().collect(),
            ..RequestTrace::default()
        };
        assert_eq!(inspect_requests(&trace).repeated_requests, 1);
        assert_eq!(inspect_requests(&trace).gaps_above_1_h, 1);
        trace.response_tokens[1] = 6.0;
        assert_eq!(inspect_requests(&trace).repeated_requests, 0);
    }
}
