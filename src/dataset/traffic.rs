//! The traffic of a trace over time: minute by minute, by hour of the day, by day of the week.

use serde::Serialize;

use super::distribution::Distribution;
use super::trace::RequestTrace;

/// Longer traces than this are damaged, or count in another unit.
const MOST_MINUTES: usize = 3 * 366 * 24 * 60;
/// Most lags of the autocorrelations, in minutes; a lag of a day is computed besides.
const LAGS: usize = 60;
const DAY_MINUTES: usize = 1_440;
/// Most parts of the profile over time.
const MOST_PARTS: usize = 200;

/// The traffic over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrafficProfile {
    /// Requests in each whole minute.
    pub requests_per_minute: Distribution,
    /// Prompt and generated tokens in each whole minute.
    pub tokens_per_minute: Distribution,
    /// Share of the minutes without a request.
    pub empty_minutes: f64,
    /// Autocorrelation of the requests per minute at lags of 1, 2, ..., 60 minutes, as far as the trace reaches.
    pub requests_autocorrelation: Vec<f64>,
    /// The same of the tokens per minute.
    pub tokens_autocorrelation: Vec<f64>,
    /// Both at a lag of one day, if the trace is longer than two.
    pub daily_autocorrelation: Option<(f64, f64)>,
    /// Mean requests an hour by hour of the day; `None` for hours that the trace does not cover.
    pub by_hour: Vec<Option<f64>>,
    /// Mean requests a day by day of the week, from the first midnight's day on (a Monday where the date is known).
    pub by_weekday: Vec<Option<f64>>,
    /// Minutes in each part of `over_time`.
    pub part_minutes: usize,
    /// Mean requests a minute in each of up to 200 equal parts.
    pub over_time: Vec<f64>,
}

impl TrafficProfile {
    /// The traffic of a trace; `None` where it is shorter than two minutes or longer than three years.
    pub(super) fn of(trace: &RequestTrace) -> Option<Self> {
        let span_s = trace.arrival_s.last().copied()?;
        let minutes = (span_s / 60.0) as usize;
        if !(2..=MOST_MINUTES).contains(&minutes) {
            return None;
        }
        // The last minute is not complete.
        let (mut requests, mut tokens) = (vec![0.0; minutes], vec![0.0; minutes]);
        for (row, arrival_s) in trace.arrival_s.iter().enumerate() {
            let minute = (arrival_s / 60.0) as usize;
            if minute < minutes {
                requests[minute] += 1.0;
                tokens[minute] += trace.request_tokens[row] + trace.response_tokens[row];
            }
        }
        let lags = LAGS.min(minutes / 2);
        let (request_deviations, token_deviations) = (Deviations::of(&requests), Deviations::of(&tokens));
        let daily = minutes >= 2 * DAY_MINUTES;
        let part_minutes = minutes.div_ceil(MOST_PARTS);
        Some(Self {
            requests_per_minute: Distribution::of(&requests),
            tokens_per_minute: Distribution::of(&tokens),
            empty_minutes: requests.iter().filter(|&&count| count == 0.0).count() as f64 / minutes as f64,
            requests_autocorrelation: request_deviations.autocorrelations(lags),
            tokens_autocorrelation: token_deviations.autocorrelations(lags),
            daily_autocorrelation: daily.then(|| {
                (
                    request_deviations.autocorrelation(DAY_MINUTES),
                    token_deviations.autocorrelation(DAY_MINUTES),
                )
            }),
            by_hour: profile(&requests, trace.clock_s, 3_600.0, 24),
            by_weekday: profile(&requests, trace.clock_s, 86_400.0, 7),
            part_minutes,
            over_time: requests
                .chunks(part_minutes)
                .map(|part| part.iter().sum::<f64>() / part.len() as f64)
                .collect(),
        })
    }
}

/// Whether a profile has more than one bin to compare.
pub fn is_profile(values: &[Option<f64>]) -> bool {
    values.iter().flatten().count() > 1
}

/// Mean requests in one period by its position in a cycle of `bins`: each minute belongs to the bin that it starts in.
fn profile(requests: &[f64], clock_s: f64, period_s: f64, bins: usize) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0.0); bins];
    for (minute, count) in requests.iter().enumerate() {
        let bin = bin_of(clock_s + minute as f64 * 60.0, period_s, bins);
        sums[bin].0 += count;
        sums[bin].1 += 60.0;
    }
    sums.into_iter().map(|(count, seconds)| (seconds > 0.0).then(|| count / seconds * period_s)).collect()
}

/// The bin of a cycle of `bins`, each `period_s` long, that a clock time lies in; the clock may be before its midnight.
pub(super) fn bin_of(clock_s: f64, period_s: f64, bins: usize) -> usize {
    (clock_s / period_s).floor().rem_euclid(bins as f64) as usize % bins
}

/// The distances of a series from its mean.
pub(super) struct Deviations(Vec<f64>);

impl Deviations {
    pub(super) fn of(values: &[f64]) -> Self {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Self(values.iter().map(|value| value - mean).collect())
    }

    /// Autocovariance at a lag over the variance, both divided by n; 0 for a constant series.
    fn autocorrelation(&self, lag: usize) -> f64 {
        let variance: f64 = self.0.iter().map(|value| value * value).sum();
        let covariance: f64 = self.0.iter().zip(&self.0[lag..]).map(|(early, late)| early * late).sum();
        if variance > 0.0 { covariance / variance } else { 0.0 }
    }

    pub(super) fn autocorrelations(&self, most: usize) -> Vec<f64> {
        (1..=most).map(|lag| self.autocorrelation(lag)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One request a minute in even hours of the day and three in odd ones, from six in the morning on.
    fn trace(hours: usize) -> RequestTrace {
        let mut arrival_s = Vec::new();
        for minute in 0..=hours * 60 {
            let count = if (minute / 60) % 2 == 0 { 1 } else { 3 };
            arrival_s.extend(vec![minute as f64 * 60.0; count]);
        }
        let tokens = vec![10.0; arrival_s.len()];
        RequestTrace {
            request_tokens: tokens.clone(),
            response_tokens: tokens,
            arrival_s,
            clock_s: 6.0 * 3_600.0,
            ..RequestTrace::default()
        }
    }

    #[test]
    fn the_profile_of_a_day_knows_the_clock() {
        let traffic = TrafficProfile::of(&trace(3)).unwrap();
        assert_eq!(traffic.by_hour[6..10], [Some(60.0), Some(180.0), Some(60.0), None]);
        assert_eq!(traffic.by_weekday[1], None);
        assert_eq!((traffic.tokens_per_minute.min, traffic.tokens_per_minute.max), (20.0, 60.0));
        assert_eq!(traffic.daily_autocorrelation, None);
    }

    #[test]
    fn what_repeats_every_two_hours_is_correlated_with_itself_a_day_later() {
        let traffic = TrafficProfile::of(&trace(72)).unwrap();
        let (requests, tokens) = traffic.daily_autocorrelation.unwrap();
        assert!((requests - 2.0 / 3.0).abs() < 0.01 && requests == tokens, "{requests}");
        assert!(traffic.requests_autocorrelation[59] < -0.9, "an hour later all is the other way round");
        assert_eq!(traffic.over_time.len(), (72 * 60_usize).div_ceil(traffic.part_minutes));
        assert_eq!(traffic.empty_minutes, 0.0);
    }

    #[test]
    fn a_short_trace_and_an_endless_one_have_no_load() {
        assert_eq!(TrafficProfile::of(&RequestTrace::default()), None);
        let endless = RequestTrace {
            arrival_s: vec![0.0, 1e11],
            request_tokens: vec![1.0; 2],
            response_tokens: vec![1.0; 2],
            ..RequestTrace::default()
        };
        assert_eq!(TrafficProfile::of(&endless), None);
    }
}
