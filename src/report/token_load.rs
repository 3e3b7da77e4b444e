//! The observed and the forecast token load in windows of a given length, with bands around the forecast.

use std::ops::Range;

use super::plot::Band;
use crate::dataset::PredictionTable;
use crate::spec::{Span, TaskSpec};
use crate::stats::signed_quantile;

/// A length of windows that the token load is drawn in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowLength {
    /// In seconds.
    pub seconds: f64,
    /// As captions name it.
    pub name: &'static str,
}

/// The window lengths that are drawn.
pub const WINDOW_LENGTHS: [WindowLength; 3] = [
    WindowLength { seconds: 30.0, name: "30 s" },
    WindowLength { seconds: 60.0, name: "1 min" },
    WindowLength { seconds: 300.0, name: "5 min" },
];

/// Lower and upper quantile of each band, the wider one first.
const BAND_LEVELS: [(f64, f64); 2] = [(0.025, 0.975), (0.1, 0.9)];
/// The errors of sums are taken from this many of the last stretches of a window's length, but from no fewer steps than
/// [`FEWEST_STEPS`]: traffic drifts, so old errors are misleading.
const REMEMBERED_STRETCHES: usize = 5;
const FEWEST_STEPS: usize = 300;
/// With fewer windows there is nothing to see.
const FEWEST_WINDOWS: usize = 3;
/// A band needs the errors of at least this many adjacent stretches of its window's length.
const FEWEST_STRETCHES: usize = 3;

/// The token load of the test part, window by window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadForecast {
    /// Start of each window, in seconds since the trace's first row.
    pub time_s: Vec<f64>,
    /// The observed load.
    pub actual: Vec<f64>,
    /// The forecast load; NaN where too few earlier errors are known.
    pub forecast: Vec<f64>,
    /// The bands at 95 and 80 %; NaN where the forecast is.
    pub bands: [Band; 2],
}

impl LoadForecast {
    /// How many windows lie within their band at 80 %.
    pub fn coverage_80(&self) -> Coverage {
        let Band { lower, upper } = &self.bands[1];
        let ends = lower.iter().zip(upper);
        let with_band =
            self.actual.iter().zip(ends).filter(|(_, (lower, upper))| lower.is_finite() && upper.is_finite());
        with_band.fold(Coverage::default(), |coverage, (actual, (lower, upper))| Coverage {
            within: coverage.within + usize::from(lower <= actual && actual <= upper),
            windows: coverage.windows + 1,
        })
    }

    /// The same load in another quantity, through a function that never decreases.
    #[must_use]
    pub fn map(&self, through: impl Fn(f64) -> f64) -> Self {
        let each = |values: &[f64]| values.iter().map(|&value| through(value)).collect::<Vec<f64>>();
        Self {
            time_s: self.time_s.clone(),
            actual: each(&self.actual),
            forecast: each(&self.forecast),
            bands: self
                .bands
                .each_ref()
                .map(|band| Band { lower: each(&band.lower), upper: each(&band.upper) }),
        }
    }
}

/// How many windows lie within their band.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Windows whose load lies within the band.
    pub within: usize,
    /// Windows that have a band.
    pub windows: usize,
}

/// Why a token load cannot be drawn, as the end of a sentence.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NoTokenLoad {
    /// The predictions were thinned.
    #[error("only one window in {0} of the predictions is kept")]
    Thinned(usize),
    /// The length is shorter than the task's window, or not a multiple of it.
    #[error("the length is not a multiple of the task's windows of {0}")]
    NotAMultiple(Span),
    /// The test part is too short.
    #[error("the test part contains only {0} such windows")]
    TooFewWindows(usize),
    /// No window has enough earlier errors.
    #[error("too few earlier errors are known for sums of this length")]
    TooFewErrors,
    /// The task is about a numeric table.
    #[error("the rows of a numeric table have no tokens")]
    NumericTable,
    /// The targets are not tokens.
    #[error("the predictions contain no tokens")]
    NoTokens,
}

/// One step: a request or a window of the task, with its tokens.
#[derive(Debug, Clone, Copy)]
struct TrafficStep {
    time_s: f64,
    actual: f64,
    forecast: f64,
    is_test: bool,
}

/// Tokens, request and response together, in windows of `window_s` seconds over the test part.
///
/// The forecast of a window is the sum of the one-step-ahead forecasts of the requests that arrived in it, or of the
/// task's windows that it consists of. Sums of forecasts on a logarithmic scale are too low, and errors of neighbours add
/// up. The forecast is therefore shifted by the median error that sums of as many steps had before the window began, and
/// the bands by the outer quantiles of these errors.
///
/// # Errors
/// Why there is nothing to draw.
pub fn token_load(
    table: &PredictionTable,
    task: &TaskSpec,
    stride: usize,
    window_s: f64,
) -> Result<LoadForecast, NoTokenLoad> {
    if stride > 1 {
        return Err(NoTokenLoad::Thinned(stride));
    }
    let steps = steps(table, task)?;
    let steps_per_window = match task {
        TaskSpec::WindowLoad(task) => {
            let ratio = window_s / task.window.seconds();
            if ratio < 1.0 - 1e-9 || (ratio - ratio.round()).abs() > 1e-9 {
                return Err(NoTokenLoad::NotAMultiple(task.window));
            }
            Some(ratio.round() as usize)
        }
        _ => None,
    };
    let windows = windows(&steps, window_s, steps_per_window);
    if windows.len() < FEWEST_WINDOWS {
        return Err(NoTokenLoad::TooFewWindows(windows.len()));
    }
    let errors: Vec<f64> = steps.iter().map(|step| step.actual - step.forecast).collect();
    let mut load = LoadForecast::default();
    for LoadWindow { time_s, steps: steps_of_window } in windows {
        let own = &steps[steps_of_window.clone()];
        let forecast: f64 = own.iter().map(|step| step.forecast).sum();
        let remembered = (REMEMBERED_STRETCHES * own.len()).max(FEWEST_STEPS);
        let past = &errors[steps_of_window.start.saturating_sub(remembered)..steps_of_window.start];
        let known = sums(past, own.len());
        let at = |level: f64| {
            let offset = known.as_ref().and_then(|known| signed_quantile(known, level));
            offset.map_or(f64::NAN, |offset| (forecast + offset).max(0.0))
        };
        load.time_s.push(time_s);
        load.actual.push(own.iter().map(|step| step.actual).sum());
        load.forecast.push(at(0.5));
        for (band, (lower_level, upper_level)) in load.bands.iter_mut().zip(BAND_LEVELS) {
            band.lower.push(at(lower_level));
            band.upper.push(at(upper_level));
        }
    }
    if load.forecast.iter().all(|value| value.is_nan()) {
        return Err(NoTokenLoad::TooFewErrors);
    }
    Ok(load)
}

/// The steps one ahead, of calibration and test, in order of time.
fn steps(table: &PredictionTable, task: &TaskSpec) -> Result<Vec<TrafficStep>, NoTokenLoad> {
    if matches!(task, TaskSpec::Series(_)) {
        return Err(NoTokenLoad::NumericTable);
    }
    let column = |name: &str| table.targets.iter().position(|target| target == name);
    let (Some(request), Some(response)) = (column("request_tokens"), column("response_tokens")) else {
        return Err(NoTokenLoad::NoTokens);
    };
    let rows = (0..table.part.len()).filter(|&row| table.ahead[row] == 1 && table.part[row] != "valid");
    let steps = rows.map(|row| TrafficStep {
        time_s: table.time_s[row],
        actual: table.actual[request][row] + table.actual[response][row],
        forecast: table.forecast[request][row] + table.forecast[response][row],
        is_test: table.part[row] == "test",
    });
    Ok(steps.collect())
}

/// A window of the token load.
struct LoadWindow {
    /// Its start, in seconds since the trace's first row.
    time_s: f64,
    /// The steps in it.
    steps: Range<usize>,
}

/// The whole windows of the test part. A window of requests is whole when the test part continues before and after it, a
/// window that consists of the task's windows when it has all of them.
fn windows(steps: &[TrafficStep], window_s: f64, steps_per_window: Option<usize>) -> Vec<LoadWindow> {
    let number = |step: &TrafficStep| (step.time_s / window_s + 1e-9).floor();
    let Some(first) = steps.iter().position(|step| step.is_test) else {
        return Vec::new();
    };
    let mut windows = Vec::new();
    let mut start = first;
    while start < steps.len() {
        let own = number(&steps[start]);
        let end = start + steps[start..].iter().take_while(|step| number(step) == own).count();
        let whole = match steps_per_window {
            Some(count) => end - start == count,
            None => start > first && end < steps.len(),
        };
        if whole {
            windows.push(LoadWindow { time_s: own * window_s, steps: start..end });
        }
        start = end;
    }
    windows
}

/// The sums of all stretches of `length` successive errors, in increasing order; `None` where there are too few.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{NextRequestSpec, WindowLoadSpec};

    /// Requests every two seconds from calibration through test, forecast `bias` tokens too low.
    fn table(count: usize, bias: f64) -> PredictionTable {
        let actual: Vec<f64> = (0..count).map(|row| 100.0 + (row % 7) as f64).collect();
        PredictionTable {
            scaled_forecast: Vec::new(),
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
        let load = token_load(&table(2_000, 5.0), &requests(), 1, 30.0).unwrap();
        for (actual, forecast) in load.actual.iter().zip(&load.forecast) {
            assert!((actual - forecast).abs() < 1e-6, "{actual} {forecast}");
        }
        // Half of 4,000 seconds are test; the first and the last window may be cut off.
        assert!((64..=66).contains(&load.time_s.len()), "{}", load.time_s.len());
        assert!(load.actual.iter().all(|tokens| (1_600.0..1_750.0).contains(tokens)));
        let windows = load.time_s.len();
        assert_eq!(load.coverage_80(), Coverage { within: windows, windows });
    }

    #[test]
    fn no_band_depends_on_its_own_window_or_a_later_one() {
        let before = token_load(&table(2_000, 5.0), &requests(), 1, 30.0).unwrap();
        let mut changed = table(2_000, 5.0);
        for row in 1_500..2_000 {
            changed.actual[1][row] += 1_000.0;
        }
        let after = token_load(&changed, &requests(), 1, 30.0).unwrap();
        let until = before.time_s.iter().filter(|time_s| **time_s + 30.0 <= 3_000.0).count() + 1;
        assert_eq!(before.bands[0].upper[..until], after.bands[0].upper[..until]);
        assert!(after.bands[0].upper.last() > before.bands[0].upper.last());
    }

    #[test]
    fn windows_of_the_task_make_up_longer_ones_and_no_shorter_ones() {
        let window = serde_json::from_str("\"1min\"").unwrap();
        let task = TaskSpec::WindowLoad(WindowLoadSpec { window, lookback: 1, horizon: 1 });
        let mut minutes = table(400, 5.0);
        minutes.time_s = (0..400).map(|minute| 60.0 * f64::from(minute)).collect();
        assert_eq!(token_load(&minutes, &task, 1, 300.0).unwrap().time_s.len(), 40);
        assert_eq!(token_load(&minutes, &task, 1, 60.0).unwrap().time_s.len(), 200);
        assert_eq!(token_load(&minutes, &task, 1, 30.0), Err(NoTokenLoad::NotAMultiple(window)));
        assert_eq!(token_load(&minutes, &task, 4, 60.0), Err(NoTokenLoad::Thinned(4)));
    }

    #[test]
    fn a_test_part_of_two_windows_is_not_drawn() {
        assert_eq!(token_load(&table(100, 5.0), &requests(), 1, 60.0), Err(NoTokenLoad::TooFewWindows(1)));
    }
}
