//! Prophet: a trend of straight pieces and seasons as Fourier sums, both in time (Taylor & Letham, "Forecasting at Scale",
//! *The American Statistician* 72, 2018).
//!
//! One curve is fitted to the training steps of each target, and the forecast of a step depends on its time alone: the time
//! of the last known step plus the median length of the training steps for each step ahead, since the time of a future step
//! is not known better. With refits, it is fitted to the lookback of every n-th window instead.
//!
//! Values are divided by the largest of them, the trend's time runs from 0 to 1 over the training steps, and the slope may
//! change at points that are spread over the first 80 % of the steps: the layout of the authors' package. What they leave to
//! Stan, the most probable parameters, is found in [`super::prophet_posterior`].

use std::f64::consts::TAU;

use rayon::prelude::*;

use super::filter_scale::FilterScale;
use super::parameters::{PIECES, join, split};
use super::prophet_posterior::{Design, Posterior, Prior};
use super::{FitData, FitError, Forecaster, OnEpoch, ParameterValues, Parameters, Shape};
use crate::dataset::Windows;
use crate::spec::{FilterUnits, ProphetSpec, Seasonality};

/// Training steps that are fitted. Of a longer series every n-th step is fitted.
const MOST_STEPS: usize = 200_000;
/// Ticks in a second. Times are whole microseconds, so that two clock times that mean the same are equal.
const TICKS: f64 = 1e6;
/// The clock times, in seconds, whose microseconds a double holds exactly: 285 years before and after zero.
const MOST_SECONDS: f64 = 9e9;
/// Windows that one thread forecasts at a time.
const WINDOWS_AT_ONCE: usize = 256;
/// Share of the training steps within which the slope may change, as in Prophet.
const CHANGEPOINT_RANGE: f64 = 0.8;
/// Scale of the normal priors on the first slope and offset, as in Prophet.
const TREND_PRIOR_SCALE: f64 = 5.0;

/// One curve for each target.
pub struct Prophet {
    shape: Shape,
    spec: ProphetSpec,
    scale: FilterScale,
    /// Of the training steps; none where there are refits.
    curves: Curves,
}

/// A season as a Fourier sum.
#[derive(Debug, Clone, Copy, PartialEq)]
struct FourierSeason {
    period_s: f64,
    order: u32,
}

const DAILY: FourierSeason = FourierSeason { period_s: 86_400.0, order: 4 };
const WEEKLY: FourierSeason = FourierSeason { period_s: 604_800.0, order: 3 };

impl FourierSeason {
    fn width(self) -> usize {
        2 * self.order as usize
    }

    /// Appends sine and cosine of each harmonic at a time.
    fn push(self, ticks: f64, basis: &mut Vec<f64>) {
        let phase = (ticks / (self.period_s * TICKS)).fract();
        for harmonic in 1..=self.order {
            let angle = TAU * phase * f64::from(harmonic);
            basis.extend([libm::sin(angle), libm::cos(angle)]);
        }
    }
}

/// What was fitted. Times are ticks: microseconds of the clock.
#[derive(Debug, Clone, Default, PartialEq)]
struct Curves {
    start: f64,
    /// From the first to the last training step, the unit of time of the trend.
    span: f64,
    /// From one step to the next.
    step: f64,
    /// Where the slope changes, on the trend's scale of time.
    changepoints: Vec<f64>,
    seasons: Vec<FourierSeason>,
    /// `targets x (slope, offset, changes of the slope, Fourier coefficients)`, on the scale that is fitted.
    coefficients: Vec<f64>,
}

impl Curves {
    fn width(&self) -> usize {
        2 + self.changepoints.len() + self.seasons.iter().map(|season| season.width()).sum::<usize>()
    }

    /// What each coefficient is multiplied by at a time.
    fn basis(&self, ticks: f64, basis: &mut Vec<f64>) {
        let time = (ticks - self.start) / self.span;
        basis.clear();
        basis.extend([time, 1.0]);
        basis.extend(self.changepoints.iter().map(|changepoint| (time - changepoint).max(0.0)));
        for season in &self.seasons {
            season.push(ticks, basis);
        }
    }
}

/// A clock time in ticks.
fn ticks(clock_s: f64) -> f64 {
    (clock_s * TICKS).round()
}

fn refused(reason: &str) -> FitError {
    FitError::Prophet(reason.to_string())
}

/// Where the slope may change: at `most` of the times, evenly spread over the first 80 % of them, the first one left out.
fn changepoints(times: &[f64], most: usize) -> Vec<f64> {
    let last = ((times.len() as f64 * CHANGEPOINT_RANGE).floor() as usize).saturating_sub(1);
    let count = most.min(last);
    let at = |index: usize| (index as f64 / count as f64 * last as f64).round() as usize;
    (1..=count).map(|index| times[at(index)]).collect()
}

/// One curve for each target, whose values at the training steps are given.
fn fit_curves(
    spec: &ProphetSpec,
    times: &[f64],
    targets: impl Iterator<Item = Vec<f64>>,
) -> Result<Curves, FitError> {
    let (Some(&start), Some(&end)) = (times.first(), times.last()) else {
        return Err(refused("there is no training step"));
    };
    if start.abs().max(end.abs()) > MOST_SECONDS * TICKS {
        return Err(refused(
            "its steps lie too far from 2018, or from the zero of a clock without dates: at most 285 years are possible",
        ));
    }
    let mut steps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_by(f64::total_cmp);
    let step = steps.get(steps.len() / 2).copied().unwrap_or(0.0);
    if step <= 0.0 {
        return Err(refused("most of its training steps lie less than a microsecond apart"));
    }
    let covered = |season: &FourierSeason, choice: Seasonality| match choice {
        Seasonality::Always => true,
        Seasonality::Never => false,
        Seasonality::Auto => end - start >= 2.0 * season.period_s * TICKS && step < season.period_s * TICKS,
    };
    let choices = [(DAILY, spec.daily_seasonality), (WEEKLY, spec.weekly_seasonality)];
    let seasons = choices.into_iter().filter(|(season, choice)| covered(season, *choice));
    let seasons: Vec<FourierSeason> = seasons.map(|(season, _)| season).collect();
    let span = end - start;
    let changepoints: Vec<f64> =
        changepoints(times, spec.n_changepoints).iter().map(|time| (time - start) / span).collect();
    let mut priors = vec![Prior::Normal(TREND_PRIOR_SCALE); 2];
    priors.extend(vec![Prior::Laplace(spec.changepoint_prior_scale); changepoints.len()]);
    let mut curves = Curves { start, span, step, changepoints, seasons, coefficients: Vec::new() };
    priors.resize(curves.width(), Prior::Normal(spec.seasonality_prior_scale));
    let mut rows = Vec::with_capacity(times.len() * priors.len());
    let mut basis = Vec::with_capacity(priors.len());
    for &time in times {
        curves.basis(time, &mut basis);
        rows.extend_from_slice(&basis);
    }
    let design = Design::new(rows, priors);
    for mut values in targets {
        let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let scale = if largest == 0.0 { 1.0 } else { largest };
        for value in &mut values {
            *value /= scale;
        }
        let coefficients = Posterior::new(&design, &values).mode().coefficients;
        // As they are read back from a saved model.
        curves.coefficients.extend(coefficients.iter().map(|coefficient| join(&split(coefficient * scale))));
    }
    Ok(curves)
}

impl Prophet {
    /// Curves that have not been fitted yet.
    pub fn new(shape: Shape, spec: &ProphetSpec) -> Self {
        let scale = FilterScale::from_zero(spec.units, shape.targets);
        Self { shape, spec: spec.clone(), scale, curves: Curves::default() }
    }

    /// Curves of the lookback of a window.
    fn fitted_to(&self, windows: &Windows<'_>, index: usize) -> Result<Curves, FitError> {
        let Shape { lookback, channels, targets, .. } = self.shape;
        let origin = windows.origins.start + index;
        let times: Vec<f64> =
            (origin - lookback..origin).map(|step| ticks(windows.times.clock_s(step))).collect();
        let history = windows.history(index, lookback);
        let values = (0..targets).map(|target| {
            let steps = history.chunks_exact(channels);
            steps.map(|step| self.scale.filtered_unit(target, step[target])).collect()
        });
        fit_curves(&self.spec, &times, values)
    }

    /// Forecasts a window from curves, `horizon x targets`.
    fn follow(&self, curves: &Curves, windows: &Windows<'_>, index: usize, forecast: &mut [f32]) {
        let last = ticks(windows.last_clock_s(index));
        let calendar = windows.calendar_clock_s(index);
        let mut basis = Vec::with_capacity(curves.width());
        for (at, cells) in forecast.chunks_exact_mut(self.shape.targets).enumerate() {
            let time = match &calendar {
                Some(times) => ticks(times[at]),
                None => last + (at + 1) as f64 * curves.step,
            };
            curves.basis(time, &mut basis);
            let own = curves.coefficients.chunks_exact(basis.len()).enumerate();
            for ((target, coefficients), cell) in own.zip(cells) {
                let terms = coefficients.iter().zip(&basis).map(|(coefficient, value)| coefficient * value);
                *cell = self.scale.scaled_unit(target, terms.sum());
            }
        }
    }
}

impl Forecaster for Prophet {
    fn fit(&mut self, data: &FitData<'_>, _: OnEpoch<'_>) -> Result<(), FitError> {
        self.scale.fit(data.scaler);
        if self.spec.refit_every.is_some() {
            return Ok(());
        }
        let stride = data.train_steps.len().div_ceil(MOST_STEPS).max(1);
        let times: Vec<f64> =
            data.train_steps.clone().map(|step| ticks(data.train.times.clock_s(step))).collect();
        let fitted: Vec<f64> = times.iter().copied().step_by(stride).collect();
        let targets = (0..self.shape.targets).map(|target| {
            let values = data.training_values(target).into_iter().step_by(stride);
            values.map(|value| self.scale.filtered_unit(target, value)).collect()
        });
        self.curves = fit_curves(&self.spec, &fitted, targets)?;
        self.curves.step /= stride as f64;
        Ok(())
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        let cells = self.shape.horizon * self.shape.targets;
        let mut forecasts = vec![f32::NAN; windows.len() * cells];
        let at_once = self.spec.refit_every.unwrap_or(WINDOWS_AT_ONCE);
        // Windows with curves of their own are forecast by themselves, so any number of threads gives the same forecasts.
        forecasts.par_chunks_mut(at_once.saturating_mul(cells)).enumerate().for_each(|(chunk, forecasts)| {
            let first = chunk * at_once;
            let own = self.spec.refit_every.map(|_| self.fitted_to(windows, first));
            // Steps whose times do not move leave NaN, which fails the run.
            let Ok(curves) = own.as_ref().map_or(Ok(&self.curves), |own| own.as_ref()) else { return };
            for (index, forecast) in forecasts.chunks_exact_mut(cells).enumerate() {
                self.follow(curves, windows, first + index, forecast);
            }
        });
        forecasts
    }

    fn lookback(&self) -> usize {
        self.shape.lookback
    }

    fn parameters(&self) -> Parameters {
        if self.spec.refit_every.is_some() {
            return Parameters::from([self.scale.parameter()]);
        }
        let Curves { start, span, step, changepoints, seasons, coefficients } = &self.curves;
        let doubles = |values: &[f64], mut shape: Vec<usize>| {
            shape.push(PIECES);
            ParameterValues { shape, data: values.iter().flat_map(|&value| split(value)).collect() }
        };
        let width = self.curves.width();
        let seasons = seasons.iter().flat_map(|season| [season.period_s as f32, season.order as f32]);
        let seasons: Vec<f32> = seasons.collect();
        let mut parameters = Parameters::from([
            ("time".to_string(), doubles(&[*start, *span, *step], vec![3])),
            ("changepoints".to_string(), doubles(changepoints, vec![changepoints.len()])),
            ("seasons".to_string(), ParameterValues { shape: vec![seasons.len() / 2, 2], data: seasons }),
            ("coefficients".to_string(), doubles(coefficients, vec![coefficients.len() / width, width])),
        ]);
        if self.spec.units == FilterUnits::Original {
            let (name, scale) = self.scale.parameter();
            parameters.insert(name, scale);
        }
        parameters
    }

    fn load(&mut self, parameters: &Parameters) -> anyhow::Result<()> {
        // Models of earlier versions, and those on the scale of the networks, need no scale.
        if self.spec.units == FilterUnits::Original || self.spec.refit_every.is_some() {
            self.scale.load(parameters)?;
        }
        if self.spec.refit_every.is_some() {
            return Ok(());
        }
        let rows = |name: &str, width: usize| {
            let found = parameters.iter().find(|(own, _)| *own == name);
            let rows = found.map_or(0, |(_, values)| values.data.len() / width);
            Ok::<_, anyhow::Error>(parameters.get(name, &[rows, width])?.data.chunks_exact(width))
        };
        let time: Vec<f64> =
            parameters.get("time", &[3, PIECES])?.data.chunks_exact(PIECES).map(join).collect();
        let known = |row: &[f32]| {
            [DAILY, WEEKLY].into_iter().find(|season| [season.period_s as f32, season.order as f32] == *row)
        };
        let seasons: Option<Vec<FourierSeason>> = rows("seasons", 2)?.map(known).collect();
        let mut curves = Curves {
            start: time[0],
            span: time[1],
            step: time[2],
            changepoints: rows("changepoints", PIECES)?.map(join).collect(),
            seasons: seasons
                .ok_or_else(|| anyhow::anyhow!("the saved model has a season other than a day or a week"))?,
            coefficients: Vec::new(),
        };
        let shape = [self.shape.targets, curves.width(), PIECES];
        curves.coefficients =
            parameters.get("coefficients", &shape)?.data.chunks_exact(PIECES).map(join).collect();
        self.curves = curves;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const HOUR: f64 = 3_600.0 * TICKS;

    /// Three weeks of hours: a slope that doubles after half the time, a day, a week, and some noise.
    fn weeks(step: usize) -> f64 {
        let hours = step as f64;
        let slope = 0.002 * hours + 0.002 * (hours - 250.0).max(0.0);
        let day = (TAU * hours / 24.0).sin() + 0.5 * (TAU * hours / 12.0).cos();
        let week = 0.3 * (TAU * hours / 168.0).sin();
        slope + day + week + 0.1 * ((step * 7919 % 101) as f64 / 101.0 - 0.5)
    }

    fn times(count: usize) -> Vec<f64> {
        (0..count).map(|step| (100_000 + step) as f64 * HOUR).collect()
    }

    fn value(curves: &Curves, ticks: f64) -> f64 {
        let mut basis = Vec::new();
        curves.basis(ticks, &mut basis);
        curves.coefficients.iter().zip(&basis).map(|(coefficient, value)| coefficient * value).sum()
    }

    /// Requests at uneven times, and values whose trend bends.
    fn requests() -> (Vec<f64>, Vec<f64>) {
        let gap = |step: usize| ((step * 7919 % 101) as f64 / 50.0 * TICKS).round() + 1.0;
        let times = (0..300).scan(184_000_000.0 * TICKS, |clock, step| {
            *clock += gap(step);
            Some(*clock)
        });
        let value = |step: usize| {
            let trend = 0.01 * step as f64 - 0.03 * (step as f64 - 200.0).max(0.0);
            ((step * 31 % 17) as f64 - 8.0) / 8.0 + trend
        };
        (times.collect(), (0..300).map(value).collect())
    }

    #[test]
    fn curves_are_those_of_augurs() {
        let golden: Value = serde_json::from_str(include_str!("../../tests/golden_prophet.json")).unwrap();
        let numbers = |value: &Value| -> Vec<f64> {
            value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
        };
        for case in golden["cases"].as_array().unwrap() {
            let (times, values) = match case["series"].as_str().unwrap() {
                "weeks" => (times(504), (0..504).map(weeks).collect()),
                "requests" => requests(),
                name => (times(504), numbers(&golden[name])),
            };
            let choice = |name: &str| {
                let has = case["seasons"].as_array().unwrap().iter().any(|season| season == name);
                if has { Seasonality::Always } else { Seasonality::Never }
            };
            let spec = ProphetSpec {
                n_changepoints: case["n_changepoints"].as_u64().unwrap() as usize,
                daily_seasonality: choice("daily"),
                weekly_seasonality: choice("weekly"),
                ..ProphetSpec::default()
            };
            let curves = fit_curves(&spec, &times, std::iter::once(values)).unwrap();
            if spec.n_changepoints > 0 {
                assert_eq!(curves.changepoints, numbers(&case["changepoints"]));
            }
            for (time, want) in numbers(&case["ticks"]).into_iter().zip(numbers(&case["yhat"])) {
                let got = value(&curves, time);
                assert!(
                    (got - want).abs() <= 1e-9 * want.abs().max(1.0),
                    "{got} against {want} in {}",
                    case["series"]
                );
            }
        }
    }

    #[test]
    fn slopes_and_seasons_are_found_and_go_on() {
        let (times, values) = (times(504), (0..504).map(weeks).collect::<Vec<f64>>());
        let curves = fit_curves(&ProphetSpec::default(), &times, std::iter::once(values)).unwrap();
        assert_eq!(curves.seasons, [DAILY, WEEKLY], "three weeks of hours cover both");
        for step in 504..552 {
            let (found, came) = (value(&curves, times[0] + step as f64 * HOUR), weeks(step));
            assert!((found - came).abs() < 0.15, "{found} against {came} at {step}");
        }
    }

    #[test]
    fn a_season_counts_where_it_is_covered_twice() {
        let seasons = |count: usize| {
            let values = (0..count).map(weeks).collect::<Vec<f64>>();
            fit_curves(&ProphetSpec::default(), &times(count), std::iter::once(values)).unwrap().seasons
        };
        assert_eq!(seasons(48), []);
        assert_eq!(seasons(49), [DAILY]);
        assert_eq!(seasons(336), [DAILY]);
        assert_eq!(seasons(337), [DAILY, WEEKLY]);
    }

    #[test]
    fn times_that_do_not_move_are_refused() {
        let fit = |times: &[f64]| {
            let values = std::iter::once(vec![1.0; times.len()]);
            fit_curves(&ProphetSpec::default(), times, values).unwrap_err().to_string()
        };
        assert!(fit(&[5.0; 10]).contains("less than a microsecond apart"));
        assert!(fit(&[1e16, 2e16]).contains("too far"));
        assert!(fit(&[]).contains("no training step"));
    }
}
