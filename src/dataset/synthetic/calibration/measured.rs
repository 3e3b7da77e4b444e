//! The statistics of a trace that have published counterparts.

use std::collections::BTreeMap;

use super::super::{Llm, LogType, SyntheticRow};

pub(super) const DAY_S: u32 = 86_400;
const QUIET_S: u32 = 9 * DAY_S;
const WEEK_MINUTES: usize = 7 * 24 * 60;

/// Every statistic of the table, measured on `rows`.
pub(super) fn measure(rows: &[SyntheticRow]) -> BTreeMap<&'static str, f64> {
    let mut measured = BTreeMap::new();
    measured.extend(lengths_and_shares(rows));
    measured.extend(gaps(rows));
    measured.extend(volumes(rows));
    measured.extend(minutes(rows));
    measured.extend(beginnings(rows));
    measured
}

fn lengths_and_shares(rows: &[SyntheticRow]) -> [(&'static str, f64); 12] {
    let is_api = |row: &SyntheticRow| row.log_type == LogType::Api;
    let is_gpt4 = |row: &SyntheticRow| row.llm == Llm::Gpt4;
    let failed_share = |group: &dyn Fn(&SyntheticRow) -> bool| {
        let group: Vec<SyntheticRow> = rows.iter().filter(|row| group(row)).copied().collect();
        share(&group, failed)
    };
    let failed_rows: Vec<SyntheticRow> = rows.iter().copied().filter(failed).collect();
    let longest = |tokens: fn(&SyntheticRow) -> u32| f64::from(rows.iter().map(tokens).fold(0, u32::max));
    [
        ("request tokens, mean", mean_of(rows, |row| row.request_tokens)),
        ("response tokens, mean", mean_of(rows, |row| row.response_tokens)),
        ("request tokens, max", longest(|row| row.request_tokens)),
        ("response tokens, max", longest(|row| row.response_tokens)),
        ("API share", share(rows, is_api)),
        ("conversation rows", (1.0 - share(rows, is_api)) * rows.len() as f64),
        ("GPT-4 share", share(rows, is_gpt4)),
        ("API failed share", failed_share(&is_api)),
        ("conversation failed share", failed_share(&|row| !is_api(row))),
        ("ChatGPT failed share", failed_share(&|row| !is_gpt4(row))),
        ("GPT-4 failed share", failed_share(&is_gpt4)),
        ("failed rows with no request tokens", share(&failed_rows, |row| row.request_tokens == 0)),
    ]
}

fn gaps(rows: &[SyntheticRow]) -> [(&'static str, f64); 10] {
    let gaps_s = sorted(rows.windows(2).map(|pair| pair[1].timestamp_s - pair[0].timestamp_s));
    let count = gaps_s.len() as f64;
    let densest = {
        let mut first = 0;
        let requests_until = rows.iter().enumerate().map(|(last, row)| {
            while row.timestamp_s - rows[first].timestamp_s >= 72 {
                first += 1;
            }
            last - first + 1
        });
        requests_until.fold(0, usize::max) as f64
    };
    [
        ("last timestamp, s", f64::from(last_s(rows))),
        ("gap mean, s", mean(gaps_s.iter().copied().map(f64::from))),
        ("gap coefficient of variation", variation(&gaps_s)),
        ("gap median, s", quantile(&gaps_s, 0.5)),
        ("gap p95, s", quantile(&gaps_s, 0.95)),
        ("gap p99, s", quantile(&gaps_s, 0.99)),
        ("gap max, s", quantile(&gaps_s, 1.0)),
        ("gaps above one hour", gaps_s.iter().filter(|&&gap_s| gap_s > 3_600).count() as f64),
        ("share of repeated timestamps", gaps_s.partition_point(|&gap_s| gap_s == 0) as f64 / count),
        ("requests in the densest 72 s", densest),
    ]
}

fn volumes(rows: &[SyntheticRow]) -> [(&'static str, f64); 7] {
    let quiet = &rows[..rows.partition_point(|row| row.timestamp_s < QUIET_S)];
    // The last day is cut off by the number of rows.
    let whole_days = (last_s(rows) / DAY_S) as usize;
    let mut per_day = vec![0; whole_days + 1];
    for row in rows {
        per_day[(row.timestamp_s / DAY_S) as usize] += 1;
    }
    let per_day = sorted(per_day.into_iter().take(whole_days));
    let top_five: u32 = per_day.iter().rev().take(5).sum();
    [
        ("quiet regime: requests", quiet.len() as f64),
        ("quiet regime: conversation share", share(quiet, |row| row.log_type == LogType::Conversation)),
        ("requests of the least day", quantile(&per_day, 0.0)),
        ("requests of the median day", quantile(&per_day, 0.5)),
        ("requests of the busiest day", quantile(&per_day, 1.0)),
        ("requests per day, coefficient of variation", variation(&per_day)),
        ("share of the five busiest days", f64::from(top_five) / rows.len() as f64),
    ]
}

fn minutes(rows: &[SyntheticRow]) -> [(&'static str, f64); 7] {
    let count = last_s(rows) as usize / 60 + 1;
    let mut tokens = vec![0.0; count];
    let mut occupied = vec![false; count];
    for row in rows {
        let minute = row.timestamp_s as usize / 60;
        tokens[minute] += f64::from(row.request_tokens + row.response_tokens);
        occupied[minute] = true;
    }
    let occupied_share = |minutes: &[bool]| share(minutes, |&occupied| occupied);
    let per_s = tokens.iter().sum::<f64>() / (occupied_share(&occupied) * count as f64 * 60.0);
    let week = &tokens[..WEEK_MINUTES];
    [
        ("non-empty minutes, share", occupied_share(&occupied)),
        ("tokens per second, mean of non-empty minutes", per_s),
        ("tokens per second, fullest minute", tokens.iter().copied().fold(0.0, f64::max) / 60.0),
        ("week 1: empty minutes, share", 1.0 - occupied_share(&occupied[..WEEK_MINUTES])),
        ("week 1: tokens per minute, autocorrelation at 1", autocorrelation(week, 1)),
        ("week 1: tokens per minute, autocorrelation at 15", autocorrelation(week, 15)),
        ("week 1: tokens per minute, autocorrelation at 60", autocorrelation(week, 60)),
    ]
}

fn beginnings(rows: &[SyntheticRow]) -> [(&'static str, f64); 10] {
    let early = &rows[..rows.partition_point(|row| row.timestamp_s < 600_000)];
    let requests = sorted(early.iter().filter(|row| !failed(row)).map(|row| row.request_tokens));
    let responses = sorted(early.iter().filter(|row| !failed(row)).map(|row| row.response_tokens));
    let first = &rows[..59_999];
    [
        ("first 600,000 s: successes", requests.len() as f64),
        ("first 600,000 s: request p50", quantile(&requests, 0.5)),
        ("first 600,000 s: request p95", quantile(&requests, 0.95)),
        ("first 600,000 s: request p99", quantile(&requests, 0.99)),
        ("first 600,000 s: response p50", quantile(&responses, 0.5)),
        ("first 600,000 s: response p95", quantile(&responses, 0.95)),
        ("first 600,000 s: response p99", quantile(&responses, 0.99)),
        ("first 59,999 rows: API share", share(first, |row| row.log_type == LogType::Api)),
        ("first 59,999 rows: request mean", mean_of(first, |row| row.request_tokens)),
        ("first 59,999 rows: response mean", mean_of(first, |row| row.response_tokens)),
    ]
}

/// Timestamp of the last row.
pub(super) fn last_s(rows: &[SyntheticRow]) -> u32 {
    rows[rows.len() - 1].timestamp_s
}

/// Whether the request of a row failed.
pub(super) fn failed(row: &SyntheticRow) -> bool {
    row.response_tokens == 0
}

fn share<T>(items: &[T], belongs: impl Fn(&T) -> bool) -> f64 {
    items.iter().filter(|item| belongs(item)).count() as f64 / items.len() as f64
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

fn mean_of(rows: &[SyntheticRow], tokens: fn(&SyntheticRow) -> u32) -> f64 {
    mean(rows.iter().map(|row| f64::from(tokens(row))))
}

fn variation(values: &[u32]) -> f64 {
    let centre = mean(values.iter().copied().map(f64::from));
    mean(values.iter().map(|&value| (f64::from(value) - centre).powi(2))).sqrt() / centre
}

fn sorted(values: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut values: Vec<u32> = values.collect();
    values.sort_unstable();
    values
}

fn quantile(sorted: &[u32], level: f64) -> f64 {
    f64::from(sorted[((sorted.len() - 1) as f64 * level) as usize])
}

pub(super) fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let (left, right) = (mean(pairs.iter().map(|pair| pair.0)), mean(pairs.iter().map(|pair| pair.1)));
    let sum = |term: &dyn Fn(f64, f64) -> f64| -> f64 {
        pairs.iter().map(|pair| term(pair.0 - left, pair.1 - right)).sum()
    };
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

pub(super) fn autocorrelation(values: &[f64], lag: usize) -> f64 {
    let pairs: Vec<(f64, f64)> = values.iter().copied().zip(values[lag..].iter().copied()).collect();
    correlation(&pairs)
}
