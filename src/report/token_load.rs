//! The observed and the forecast token load of the next windows, with intervals around the forecast.

use super::plot::Band;
use crate::dataset::PredictionTable;
use crate::spec::{Span, WindowLoadSpec};
use crate::stats::{errors_needed, signed_quantile};

/// Lower and upper quantile of each band, the wider one first.
const BAND_LEVELS: [(f64, f64); 2] = [(0.025, 0.975), (0.1, 0.9)];
/// The levels of the bands.
const LEVELS: [f64; 2] = [0.95, 0.8];
/// Traffic drifts, so only so many of the last errors are used.
const REMEMBERED: usize = 300;
/// With fewer windows there is nothing to see.
const FEWEST_WINDOWS: usize = 3;

/// The load of successive stretches of the test part, each forecast when the stretch began.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadForecast {
    /// How long each stretch is, in seconds.
    pub length_s: f64,
    /// Start of each stretch, in seconds since the trace's first row.
    pub time_s: Vec<f64>,
    /// The observed load.
    pub actual: Vec<f64>,
    /// The forecast load.
    pub forecast: Vec<f64>,
    /// The bands at 95 and 80 %; NaN where too few earlier errors are known.
    pub bands: [Band; 2],
}

impl LoadForecast {
    /// How many stretches lie within their band at 80 %.
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
}

/// How many windows lie within their band, of those that have one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Windows within their band.
    pub within: usize,
    /// Windows with a band.
    pub windows: usize,
}

/// The tokens, request and response together, of the next `windows` windows of the task, as forecast when the first of them
/// began.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    start_s: f64,
    actual: f64,
    forecast: f64,
    is_test: bool,
}

/// Tokens, request and response together, of the next `windows` windows of the task.
///
/// The forecast of a stretch is the sum of what was forecast for its windows when the first of them began: all that could be
/// known then. Sums of forecasts on a logarithmic scale are too low, so a forecast is shifted by the median error of earlier
/// stretches, and the bands by the outer quantiles of these errors. Only stretches that had ended by then are earlier. The
/// drawn stretches do not overlap. `None` where the test part has too few of them to see anything.
pub fn token_load(table: &PredictionTable, task: &WindowLoadSpec, windows: usize) -> Option<LoadForecast> {
    let length_s = task.window.seconds() * windows as f64;
    let stretches = stretches(table, task.window, windows)?;
    let mut load = LoadForecast { length_s, ..LoadForecast::default() };
    // The ends are sums of seconds, which may miss each other by their rounding.
    let ends_before =
        |stretch: &Stretch, start_s: f64| stretch.start_s + length_s <= start_s + 1e-6 * length_s;
    let mut end_s = f64::NEG_INFINITY;
    for (index, stretch) in stretches.iter().enumerate() {
        if !stretch.is_test || stretch.start_s + 1e-6 * length_s < end_s {
            continue;
        }
        end_s = stretch.start_s + length_s;
        let known = stretches[..index].iter().rev().filter(|earlier| ends_before(earlier, stretch.start_s));
        let mut errors: Vec<f64> =
            known.take(REMEMBERED).map(|earlier| earlier.actual - earlier.forecast).collect();
        errors.sort_by(f64::total_cmp);
        let at =
            |level: f64| signed_quantile(&errors, level).map(|offset| (stretch.forecast + offset).max(0.0));
        load.time_s.push(stretch.start_s);
        load.actual.push(stretch.actual);
        load.forecast.push(at(0.5).unwrap_or(stretch.forecast));
        for ((band, (lower, upper)), level) in load.bands.iter_mut().zip(BAND_LEVELS).zip(LEVELS) {
            let has_enough = errors.len() >= errors_needed(level);
            let end = |level: f64| at(level).filter(|_| has_enough).unwrap_or(f64::NAN);
            band.lower.push(end(lower));
            band.upper.push(end(upper));
        }
    }
    (load.time_s.len() >= FEWEST_WINDOWS).then_some(load)
}

/// The stretches that begin where a forecast was made, of calibration and test, in order of time.
fn stretches(table: &PredictionTable, window: Span, windows: usize) -> Option<Vec<Stretch>> {
    let column = |name: &str| table.targets.iter().position(|target| target == name);
    let (request, response) = (column("request_tokens")?, column("response_tokens")?);
    let begins = (0..table.part.len()).filter(|&row| table.ahead[row] == 1 && table.part[row] != "valid");
    let stretches = begins.filter_map(|first| {
        let rows = first..first + windows;
        let is_whole = rows.end <= table.part.len()
            && table.ahead[rows.end - 1] as usize == windows
            && table.part[rows.end - 1] == table.part[first];
        let sum = |values: &[Vec<f64>]| {
            rows.clone().map(|row| values[request][row] + values[response][row]).sum::<f64>()
        };
        is_whole.then(|| Stretch {
            // Windows begin at whole multiples of their length.
            start_s: (table.time_s[first] / window.seconds()).round() * window.seconds(),
            actual: sum(&table.actual),
            forecast: sum(&table.forecast),
            is_test: table.part[first] == "test",
        })
    });
    Some(stretches.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HORIZON: usize = 3;

    fn task() -> WindowLoadSpec {
        serde_json::from_value(serde_json::json!({ "window": "1min", "lookback": 1, "horizon": HORIZON }))
            .unwrap()
    }

    /// Forecasts of the next three minutes at every minute, from calibration through test, each `bias` tokens too low.
    fn table(count: usize, bias: f64) -> PredictionTable {
        let mut table = PredictionTable {
            stride: 1,
            targets: ["requests", "request_tokens", "response_tokens"].map(String::from).to_vec(),
            actual: vec![Vec::new(); 3],
            forecast: vec![Vec::new(); 3],
            ..PredictionTable::default()
        };
        for origin in 0..count {
            for ahead in 0..HORIZON {
                let tokens = 100.0 + ((origin + ahead) % 7) as f64;
                table.part.push(if origin < count / 2 { "calibration" } else { "test" }.to_string());
                table.time_s.push(60.0 * (origin + ahead) as f64);
                table.ahead.push(ahead as u32 + 1);
                for (target, value) in [2.0, tokens, 10.0].into_iter().enumerate() {
                    table.actual[target].push(value);
                    table.forecast[target].push(value - if target == 1 { bias } else { 0.0 });
                }
            }
        }
        table
    }

    #[test]
    fn a_constant_bias_is_known_from_earlier_stretches_and_taken_out() {
        for windows in [1, HORIZON] {
            let load = token_load(&table(300, 5.0), &task(), windows).unwrap();
            for (actual, forecast) in load.actual.iter().zip(&load.forecast) {
                assert!((actual - forecast).abs() < 1e-6, "{actual} {forecast}");
            }
            assert_eq!((load.time_s.len(), load.length_s), (150 / windows, 60.0 * windows as f64));
            let all = load.time_s.len();
            assert_eq!(load.coverage_80(), Coverage { within: all, windows: all });
        }
    }

    #[test]
    fn the_forecast_of_a_stretch_uses_nothing_that_came_after_its_start() {
        let before = token_load(&table(300, 5.0), &task(), HORIZON).unwrap();
        let mut changed = table(300, 5.0);
        // Everything that is observed or forecast from minute 200 on.
        for row in 0..changed.part.len() {
            let origin = row / HORIZON;
            if origin >= 200 {
                changed.forecast[1][row] += 1_000.0;
            }
            if changed.time_s[row] >= 12_000.0 {
                changed.actual[1][row] += 3_000.0;
            }
        }
        let after = token_load(&changed, &task(), HORIZON).unwrap();
        let until = before.time_s.iter().filter(|time_s| **time_s < 12_000.0).count();
        assert_eq!(before.forecast[..until], after.forecast[..until]);
        assert_eq!(before.bands[0].upper[..until], after.bands[0].upper[..until]);
        assert!(after.forecast.last() > before.forecast.last());
    }

    #[test]
    fn stretches_do_not_overlap_and_few_of_them_are_not_drawn() {
        let load = token_load(&table(300, 0.0), &task(), HORIZON).unwrap();
        assert!(load.time_s.windows(2).all(|pair| pair[1] - pair[0] >= 180.0));
        assert_eq!(token_load(&table(10, 0.0), &task(), HORIZON), None, "two stretches");
        let mut other = table(10, 0.0);
        other.targets[1] = "OT".to_string();
        assert_eq!(token_load(&other, &task(), 1), None, "no tokens");
    }

    #[test]
    fn without_enough_earlier_errors_there_is_no_band() {
        let mut short = table(20, 1.0);
        short.part.fill("test".to_string());
        let load = token_load(&short, &task(), 1).unwrap();
        assert!(load.bands[0].upper.iter().all(|end| end.is_nan()));
        assert!(load.bands[1].upper[0].is_nan() && load.bands[1].upper[12].is_finite());
        assert!(load.forecast.iter().all(|value| value.is_finite()));
    }
}
