//! Tests that hold the full-length synthetic trace to the published statistics of `BurstGPT_1.csv`.

mod measured;

use std::sync::LazyLock;

use super::calendar::HOURLY_REQUESTS;
use super::{LogType, SyntheticRow, SyntheticTrace};
use measured::{DAY_S, autocorrelation, correlation, failed, last_s, measure};

const PUBLISHED_ROWS: usize = 1_429_737;

static ROWS: LazyLock<Vec<SyntheticRow>> = LazyLock::new(|| SyntheticTrace::new(PUBLISHED_ROWS, 0).collect());

/// Published value and relative tolerance of each statistic. Shares and counts over many bursts hold to a few per
/// cent; extremes, and what hangs on single days, need more room.
const PUBLISHED: [(&str, f64, f64); 46] = [
    ("request tokens, mean", 610.59, 0.08),
    ("response tokens, mean", 123.29, 0.08),
    ("request tokens, max", 29_665.0, 0.2),
    ("response tokens, max", 7_315.0, 0.2),
    ("API share", 0.892, 0.02),
    ("conversation rows", 154_219.0, 0.1),
    ("GPT-4 share", 0.1536, 0.08),
    ("API failed share", 0.0133, 0.06),
    ("conversation failed share", 0.0552, 0.06),
    ("ChatGPT failed share", 0.0173, 0.1),
    ("GPT-4 failed share", 0.0205, 0.1),
    ("failed rows with no request tokens", 25_427.0 / 25_443.0, 0.001),
    ("last timestamp, s", 5_269_973.0, 0.08),
    ("gap mean, s", 3.686, 0.08),
    ("gap coefficient of variation", 13.3, 0.1),
    ("gap median, s", 1.0, 0.0),
    ("gap p95, s", 12.0, 0.15),
    ("gap p99, s", 52.0, 0.2),
    ("gap max, s", 15_240.0, 0.15),
    ("gaps above one hour", 49.0, 0.2),
    ("share of repeated timestamps", 0.456, 0.08),
    ("requests in the densest 72 s", 1_666.0, 0.4),
    ("quiet regime: requests", 27_873.0, 0.1),
    ("quiet regime: conversation share", 0.98, 0.01),
    ("requests of the least day", 1_576.0, 0.4),
    ("requests of the median day", 14_457.0, 0.15),
    ("requests of the busiest day", 149_520.0, 0.25),
    ("requests per day, coefficient of variation", 1.13, 0.15),
    ("share of the five busiest days", 0.32, 0.15),
    ("non-empty minutes, share", 0.69, 0.05),
    ("tokens per second, mean of non-empty minutes", 287.4, 0.1),
    ("tokens per second, fullest minute", 7_310.6, 0.4),
    ("week 1: empty minutes, share", 0.368, 0.15),
    ("week 1: tokens per minute, autocorrelation at 1", 0.53, 0.2),
    ("week 1: tokens per minute, autocorrelation at 15", 0.39, 0.2),
    ("week 1: tokens per minute, autocorrelation at 60", 0.28, 0.3),
    ("first 600,000 s: successes", 17_689.0, 0.15),
    ("first 600,000 s: request p50", 499.0, 0.06),
    ("first 600,000 s: request p95", 1_862.0, 0.06),
    ("first 600,000 s: request p99", 2_389.0, 0.1),
    ("first 600,000 s: response p50", 236.0, 0.06),
    ("first 600,000 s: response p95", 634.0, 0.06),
    ("first 600,000 s: response p99", 934.0, 0.1),
    ("first 59,999 rows: API share", 0.54, 0.1),
    ("first 59,999 rows: request mean", 374.1, 0.12),
    ("first 59,999 rows: response mean", 122.3, 0.1),
];

/// Requests by hour of the day as shares of all.
fn hourly_shares(rows: &[SyntheticRow], log_type: Option<LogType>) -> Vec<f64> {
    let mut hourly = vec![0.0; 24];
    for row in rows.iter().filter(|row| log_type.is_none_or(|kept| row.log_type == kept)) {
        hourly[(row.timestamp_s % DAY_S / 3_600) as usize] += 1.0;
    }
    let all: f64 = hourly.iter().sum();
    hourly.into_iter().map(|requests| requests / all).collect()
}

/// Logarithms of the request and response tokens of the successes of one stream.
fn log_lengths(log_type: LogType) -> Vec<(f64, f64)> {
    let successes = ROWS.iter().filter(|row| row.log_type == log_type && !failed(row));
    successes.map(|row| (f64::from(row.request_tokens).ln(), f64::from(row.response_tokens).ln())).collect()
}

#[test]
fn every_statistic_is_near_the_published_one() {
    let measured = measure(&ROWS);
    assert_eq!(measured.len(), PUBLISHED.len());
    let mut misses = Vec::new();
    for (name, published, tolerance) in PUBLISHED {
        let deviation = measured[name] / published - 1.0;
        if deviation.abs() > tolerance {
            misses.push(format!("{name}: {} is not near {published}", measured[name]));
        }
    }
    assert!(misses.is_empty(), "{}", misses.join("\n"));
}

#[test]
fn other_seeds_come_near_the_published_totals() {
    for seed in [1, 2] {
        let rows: Vec<SyntheticRow> = SyntheticTrace::new(PUBLISHED_ROWS, seed).collect();
        let measured = measure(&rows);
        for (name, published, tolerance) in PUBLISHED.into_iter().filter(|statistic| statistic.2 <= 0.1) {
            let deviation = measured[name] / published - 1.0;
            assert!(deviation.abs() <= 1.6 * tolerance, "seed {seed}, {name}: {}", measured[name]);
        }
    }
}

#[test]
fn hours_of_the_day_follow_the_published_profile() {
    let published_sum: f64 = HOURLY_REQUESTS.iter().sum();
    for (log_type, least_correlation, greatest_distance) in
        [(None, 0.92, 0.1), (Some(LogType::Conversation), 0.92, 0.12)]
    {
        let shares = hourly_shares(&ROWS, log_type);
        let pairs: Vec<(f64, f64)> =
            shares.into_iter().zip(HOURLY_REQUESTS.map(|requests| requests / published_sum)).collect();
        let distance =
            pairs.iter().map(|(reached, published)| (reached - published).abs()).sum::<f64>() / 2.0;
        assert!(correlation(&pairs) > least_correlation && distance < greatest_distance, "{log_type:?}");
    }
}

#[test]
fn request_and_response_lengths_correlate_within_both_streams() {
    for log_type in [LogType::Conversation, LogType::Api] {
        let correlation = correlation(&log_lengths(log_type));
        assert!((0.15..0.6).contains(&correlation), "{log_type:?}: {correlation}");
    }
}

#[test]
fn api_lengths_persist_from_row_to_row_and_conversation_lengths_do_not() {
    let persistence = |log_type| {
        let logs: Vec<f64> = log_lengths(log_type).into_iter().map(|lengths| lengths.0).collect();
        autocorrelation(&logs, 1)
    };
    assert!(persistence(LogType::Api) > 0.7);
    assert!(persistence(LogType::Conversation).abs() < 0.05);
}

#[test]
fn api_load_persists_from_minute_to_minute() {
    let mut per_minute = vec![0.0; last_s(&ROWS) as usize / 60 + 1];
    for row in ROWS.iter().filter(|row| row.log_type == LogType::Api) {
        per_minute[row.timestamp_s as usize / 60] += 1.0;
    }
    assert!(autocorrelation(&per_minute, 1) > 0.7);
    assert!((0.2..0.7).contains(&autocorrelation(&per_minute, 10)));
}

#[test]
fn timestamps_never_decrease_and_no_length_exceeds_the_published_maxima() {
    assert!(ROWS.is_sorted_by_key(|row| row.timestamp_s));
    assert!(ROWS.iter().all(|row| row.request_tokens <= 29_665 && row.response_tokens <= 7_315));
    assert!(ROWS.iter().all(|row| failed(row) || row.request_tokens > 0));
}
