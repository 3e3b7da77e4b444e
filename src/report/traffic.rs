//! The token load in windows of a given length, as it came and as it was forecast, with bands around it.

use std::ops::Range;

use crate::dataset::PredictionTable;
use crate::spec::{ResourcesSpec, TaskSpec};
use crate::stats::signed_quantile;

/// The lengths of windows that are drawn, in seconds, with their names.
pub const SCALES: [(f64, &str); 3] = [(30.0, "30 s"), (60.0, "1 min"), (300.0, "5 min")];

/// The quantiles of the bands, the outer one first, and the median.
const BANDS: [(f64, f64); 2] = [(0.025, 0.975), (0.1, 0.9)];
/// The errors of sums are looked at over the last stretches of a window's length, as many as this, but over no fewer steps
/// than [`FEWEST_STEPS`]: traffic drifts, and old errors mislead.
const REMEMBERED_STRETCHES: usize = 5;
const FEWEST_STEPS: usize = 300;
/// Fewer windows are no picture.
const FEWEST_WINDOWS: usize = 3;
/// A band needs the errors of at least this many stretches of its window's length that lie side by side.
const FEWEST_STRETCHES: usize = 3;

/// A series with what was forecast of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Track {
    /// Start of each window, in seconds since the trace's first row.
    pub time_s: Vec<f64>,
    /// What came.
    pub actual: Vec<f64>,
    /// What was forecast; NaN where too few earlier errors are known.
    pub forecast: Vec<f64>,
    /// Lower and upper end of the bands at 95 and 80 %; NaN as in the forecast.
    pub bands: [(Vec<f64>, Vec<f64>); 2],
}

impl Track {
    /// Of the windows with bands, how many lay within the one at 80 %, and how many there are.
    pub fn within_80(&self) -> (usize, usize) {
        let (lower, upper) = &self.bands[1];
        let with_bands = || {
            let ends = lower.iter().zip(upper);
            self.actual.iter().zip(ends).filter(|(_, (lower, upper))| lower.is_finite() && upper.is_finite())
        };
        let within =
            with_bands().filter(|(actual, (lower, upper))| *lower <= *actual && *actual <= *upper).count();
        (within, with_bands().count())
    }

    /// The same track on another scale, through a function that never decreases.
    #[must_use]
    pub fn map(&self, through: impl Fn(f64) -> f64) -> Self {
        let each = |values: &[f64]| values.iter().map(|&value| through(value)).collect::<Vec<f64>>();
        Self {
            time_s: self.time_s.clone(),
            actual: each(&self.actual),
            forecast: each(&self.forecast),
            bands: [0, 1].map(|band| (each(&self.bands[band].0), each(&self.bands[band].1))),
        }
    }
}

/// One step: a request or a window of the task, with its tokens.
#[derive(Debug, Clone, Copy)]
struct Step {
    time_s: f64,
    actual: f64,
    forecast: f64,
    is_test: bool,
}

/// Tokens, request and response together, in windows of `window_s` seconds over the test part.
///
/// The forecast of a window is the sum of the forecasts one step ahead of the requests that arrived in it, or of the
/// task's windows that make it up. Sums of forecasts on a logarithmic scale are too low, and errors of neighbours add
/// up: so the forecast is moved by the median, and the bands by the outer quantiles, of the errors that sums of as many
/// steps had before the window began.
///
/// # Errors
/// Why there is nothing to draw, as the end of a sentence.
pub fn token_load(
    table: &PredictionTable,
    task: &TaskSpec,
    stride: usize,
    window_s: f64,
) -> Result<Track, String> {
    if stride > 1 {
        return Err(format!("only one window in {stride} of the predictions is kept"));
    }
    let steps = steps(table, task)?;
    let needed = match task {
        TaskSpec::WindowLoad(load) => {
            let ratio = window_s / load.window.seconds();
            if ratio < 1.0 - 1e-9 || (ratio - ratio.round()).abs() > 1e-9 {
                return Err(format!("windows of {} do not make it up", load.window));
            }
            Some(ratio.round() as usize)
        }
        _ => None,
    };
    let windows = windows(&steps, window_s, needed);
    if windows.len() < FEWEST_WINDOWS {
        return Err(format!("the test part holds only {} such windows", windows.len()));
    }
    let errors: Vec<f64> = steps.iter().map(|step| step.actual - step.forecast).collect();
    let mut track = Track::default();
    for (time_s, steps_of_window) in windows {
        let own = &steps[steps_of_window.clone()];
        let forecast: f64 = own.iter().map(|step| step.forecast).sum();
        let remembered = (REMEMBERED_STRETCHES * own.len()).max(FEWEST_STEPS);
        let past = &errors[steps_of_window.start.saturating_sub(remembered)..steps_of_window.start];
        let known = sums(past, own.len());
        let at = |level: f64| {
            let offset = known.as_ref().and_then(|known| signed_quantile(known, level));
            offset.map_or(f64::NAN, |offset| (forecast + offset).max(0.0))
        };
        track.time_s.push(time_s);
        track.actual.push(own.iter().map(|step| step.actual).sum());
        track.forecast.push(at(0.5));
        for ((lower, upper), (lower_level, upper_level)) in track.bands.iter_mut().zip(BANDS) {
            lower.push(at(lower_level));
            upper.push(at(upper_level));
        }
    }
    if track.forecast.iter().all(|value| value.is_nan()) {
        return Err("too few earlier errors are known for sums of this length".to_string());
    }
    Ok(track)
}

/// The steps one ahead, of calibration and test, in order of time.
fn steps(table: &PredictionTable, task: &TaskSpec) -> Result<Vec<Step>, String> {
    if matches!(task, TaskSpec::Series(_)) {
        return Err("the rows of a table are no tokens".to_string());
    }
    let column = |name: &str| table.targets.iter().position(|target| target == name);
    let (Some(request), Some(response)) = (column("request_tokens"), column("response_tokens")) else {
        return Err("the predictions hold no tokens".to_string());
    };
    let rows = (0..table.part.len()).filter(|&row| table.ahead[row] == 1 && table.part[row] != "valid");
    let steps = rows.map(|row| Step {
        time_s: table.time_s[row],
        actual: table.actual[request][row] + table.actual[response][row],
        forecast: table.forecast[request][row] + table.forecast[response][row],
        is_test: table.part[row] == "test",
    });
    Ok(steps.collect())
}

/// Start and steps of each whole window of the test part. A window of requests is whole when the test part goes on before
/// and after it, one that is made of windows when it has all of them.
fn windows(steps: &[Step], window_s: f64, needed: Option<usize>) -> Vec<(f64, Range<usize>)> {
    let number = |step: &Step| (step.time_s / window_s + 1e-9).floor();
    let Some(first) = steps.iter().position(|step| step.is_test) else {
        return Vec::new();
    };
    let mut windows = Vec::new();
    let mut start = first;
    while start < steps.len() {
        let own = number(&steps[start]);
        let end = start + steps[start..].iter().take_while(|step| number(step) == own).count();
        let whole = match needed {
            Some(count) => end - start == count,
            None => start > first && end < steps.len(),
        };
        if whole {
            windows.push((own * window_s, start..end));
        }
        start = end;
    }
    windows
}

/// The sums of all stretches of `length` successive errors, in increasing order; `None` where too few lie side by side.
fn sums(errors: &[f64], length: usize) -> Option<Vec<f64>> {
    if length == 0 || errors.len() < length * FEWEST_STRETCHES {
        return None;
    }
    let mut total: f64 = errors[..length].iter().sum();
    let mut sums = vec![total];
    for (leaves, enters) in errors.iter().zip(&errors[length..]) {
        total += enters - leaves;
        sums.push(total);
    }
    sums.sort_by(f64::total_cmp);
    Some(sums)
}

/// GiB of KV cache for a load of tokens in windows of `window_s` seconds: the tokens that arrive in a second stay for
/// `seconds_in_cache` (Little's law), `kv_bytes_per_token` each.
pub fn cache_gib(tokens: f64, window_s: f64, resources: &ResourcesSpec) -> f64 {
    tokens / window_s * resources.seconds_in_cache * resources.kv_bytes_per_token / f64::from(1 << 30)
}

/// GPUs for a load of tokens in windows of `window_s` seconds: whole replicas, enough for the cache beside the weights
/// and for the tokens of a second.
pub fn gpus(tokens: f64, window_s: f64, resources: &ResourcesSpec) -> f64 {
    if tokens.is_nan() {
        return tokens;
    }
    let per_replica = resources.gpus_per_replica as f64;
    let room_gib = per_replica * resources.gpu_memory_gib * resources.usable_memory - resources.weights_gib;
    let for_cache = (cache_gib(tokens, window_s, resources) / room_gib).ceil();
    let for_speed = (tokens / window_s / resources.tokens_per_second).ceil();
    per_replica * for_cache.max(for_speed).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{NextRequestSpec, WindowLoadSpec};

    /// Requests every two seconds from calibration through test, forecast `bias` tokens too low.
    fn table(count: usize, bias: f64) -> PredictionTable {
        let actual: Vec<f64> = (0..count).map(|row| 100.0 + (row % 7) as f64).collect();
        PredictionTable {
            stride: 1,
            part: (0..count)
                .map(|row| if row < count / 2 { "calibration" } else { "test" }.to_string())
                .collect(),
            time_s: (0..count).map(|row| 2.0 * row as f64).collect(),
            ahead: vec![1; count],
            targets: ["gap_s", "request_tokens", "response_tokens"].map(String::from).to_vec(),
            actual: vec![vec![2.0; count], actual.clone(), vec![10.0; count]],
            forecast: vec![
                vec![2.0; count],
                actual.iter().map(|value| value - bias).collect(),
                vec![10.0; count],
            ],
            quantiles: Vec::new(),
        }
    }

    fn requests() -> TaskSpec {
        TaskSpec::NextRequest(NextRequestSpec { lookback: 1, horizon: 1, features: Vec::new() })
    }

    #[test]
    fn a_constant_bias_is_known_from_earlier_windows_and_taken_out() {
        let track = token_load(&table(2_000, 5.0), &requests(), 1, 30.0).unwrap();
        for (actual, forecast) in track.actual.iter().zip(&track.forecast) {
            assert!((actual - forecast).abs() < 1e-6, "{actual} {forecast}");
        }
        // Half of 4,000 seconds are test; the first and the last window may be cut off.
        assert!((64..=66).contains(&track.time_s.len()), "{}", track.time_s.len());
        assert!(track.actual.iter().all(|tokens| (1_600.0..1_750.0).contains(tokens)));
        assert_eq!(track.within_80(), (track.time_s.len(), track.time_s.len()));
    }

    #[test]
    fn no_band_looks_at_its_own_window_or_a_later_one() {
        let before = token_load(&table(2_000, 5.0), &requests(), 1, 30.0).unwrap();
        let mut changed = table(2_000, 5.0);
        for row in 1_500..2_000 {
            changed.actual[1][row] += 1_000.0;
        }
        let after = token_load(&changed, &requests(), 1, 30.0).unwrap();
        let until = before.time_s.iter().filter(|time_s| **time_s + 30.0 <= 3_000.0).count() + 1;
        assert_eq!(before.bands[0].1[..until], after.bands[0].1[..until]);
        assert!(after.bands[0].1.last() > before.bands[0].1.last());
    }

    #[test]
    fn windows_of_the_task_make_up_longer_ones_and_no_shorter_ones() {
        let window = serde_json::from_str("\"1min\"").unwrap();
        let task = TaskSpec::WindowLoad(WindowLoadSpec { window, lookback: 1, horizon: 1 });
        let mut minutes = table(400, 5.0);
        minutes.time_s = (0..400).map(|minute| 60.0 * f64::from(minute)).collect();
        assert_eq!(token_load(&minutes, &task, 1, 300.0).unwrap().time_s.len(), 40);
        assert_eq!(token_load(&minutes, &task, 1, 60.0).unwrap().time_s.len(), 200);
        assert!(token_load(&minutes, &task, 1, 30.0).unwrap_err().contains("do not make it up"));
        assert!(token_load(&minutes, &task, 4, 60.0).unwrap_err().contains("one window in 4"));
    }

    #[test]
    fn a_test_part_of_two_windows_is_not_drawn() {
        assert!(token_load(&table(100, 5.0), &requests(), 1, 60.0).unwrap_err().contains("only 1 such"));
    }

    #[test]
    fn gpus_come_in_whole_replicas_for_memory_and_for_speed() {
        let resources = ResourcesSpec { kv_bytes_per_token: f64::from(1 << 20), ..ResourcesSpec::default() };
        // 6,144 tokens in 60 s are 102.4 a second, of which 1,024 lie in the cache at a time.
        assert!((cache_gib(6_144.0, 60.0, &resources) - 1.0).abs() < 1e-9);
        assert_eq!(gpus(6_144.0, 60.0, &resources), 4.0);
        // 158 GiB are free in a replica; 200 GiB need two.
        assert_eq!(gpus(200.0 * 6_144.0, 60.0, &resources), 16.0, "speed asks for four replicas");
        let fast = ResourcesSpec { tokens_per_second: 1e9, ..resources };
        assert_eq!(gpus(200.0 * 6_144.0, 60.0, &fast), 8.0);
        assert!(gpus(f64::NAN, 60.0, &fast).is_nan());
    }
}
