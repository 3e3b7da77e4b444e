//! Prophet: a trend of straight pieces and seasons as Fourier sums, both in time (Taylor & Letham, "Forecasting at Scale",
//! *The American Statistician* 72, 2018).
//!
//! One curve is fitted to the training steps of each target, and the forecast of a step depends on its time alone. That is
//! the time of the last known step and so many steps of the training part's median length: the time of a step that is still
//! to come is known no better.
//!
//! augurs lays the model out: the scale of the values, the changepoints, the columns. What its authors leave to Stan, the
//! most probable parameters, is found in [`super::prophet_posterior`]. The fitted curve is evaluated here, by the same code
//! whether the model was fitted or read back, since augurs sums its components in an order that changes from run to run.

use std::cell::RefCell;
use std::f64::consts::TAU;
use std::num::NonZeroU32;

use augurs_prophet::optimizer::{
    Data, Error as OptimizerError, InitialParams, OptimizeOpts, OptimizedParams,
};
use augurs_prophet::{
    Optimizer, PositiveFloat, ProphetOptions, SeasonalityOption, TrainingData, TrendIndicator,
};

use super::prophet_posterior::{Mode, Posterior, Prior};
use super::{FitData, FitError, Forecaster, OnEpoch, Parameters, Shape, Values};
use crate::dataset::Windows;
use crate::spec::{ProphetSpec, Seasonality};

/// Training steps that are fitted: of more every n-th is taken.
const MOST_STEPS: usize = 200_000;
/// augurs counts whole seconds; it is given microseconds in their place, and seasons a million times as long.
const TICKS: f64 = 1e6;
/// Beyond this, seconds are no microseconds that a double holds: some 285 years.
const MOST_SECONDS: f64 = 9e9;
/// Scale of the normal priors on the first slope and offset, as in Prophet.
const TREND_PRIOR_SCALE: f64 = 5.0;
/// A double is kept as the sum of so many singles.
const PIECES: usize = 3;

/// One curve for each target.
pub struct Prophet {
    shape: Shape,
    spec: ProphetSpec,
    curves: Curves,
}

/// A season as a Fourier sum.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Season {
    name: &'static str,
    period_s: f64,
    order: u32,
}

const DAILY: Season = Season { name: "daily", period_s: 86_400.0, order: 4 };
const WEEKLY: Season = Season { name: "weekly", period_s: 604_800.0, order: 3 };

impl Season {
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
    /// In the order of their names.
    seasons: Vec<Season>,
    /// `targets x (slope, offset, changes of the slope, Fourier coefficients)`, in scaled units.
    coefficients: Vec<f64>,
}

impl Curves {
    fn width(&self) -> usize {
        2 + self.changepoints.len() + self.seasons.iter().map(|season| season.width()).sum::<usize>()
    }

    /// What each coefficient counts for at a time.
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

/// Clock time in ticks.
fn ticks(clock_s: f64) -> f64 {
    (clock_s * TICKS).round()
}

/// Finds the parameters for augurs, and keeps them in the order of [`Curves::coefficients`].
#[derive(Debug)]
struct MostProbable<'a> {
    seasons: &'a [Season],
    times: &'a [f64],
    found: RefCell<Option<Found>>,
}

#[derive(Debug, Clone)]
struct Found {
    changepoints: Vec<f64>,
    mode: Mode,
}

impl MostProbable<'_> {
    /// Which column of augurs' features each of ours is: it lays the seasons out in any order.
    fn columns(&self, data: &Data) -> Option<Vec<usize>> {
        let blocks = |reversed: bool| {
            let mut first = 0;
            let mut firsts = vec![0; self.seasons.len()];
            for step in 0..self.seasons.len() {
                let season = if reversed { self.seasons.len() - 1 - step } else { step };
                firsts[season] = first;
                first += self.seasons[season].width();
            }
            let own = self.seasons.iter().zip(firsts);
            own.flat_map(|(season, first)| first..first + season.width()).collect::<Vec<usize>>()
        };
        let features = data.K as usize;
        let distance = |columns: &[usize]| {
            let mut own = Vec::new();
            let rows = self.times.iter().zip(data.X.chunks_exact(features));
            let rows = rows.map(|(&time, row)| {
                own.clear();
                self.seasons.iter().for_each(|season| season.push(time, &mut own));
                own.iter().zip(columns).map(|(own, &column)| (own - row[column]).abs()).fold(0.0, f64::max)
            });
            rows.fold(0.0, f64::max)
        };
        let fits = |columns: &Vec<usize>| columns.len() <= features && distance(columns) < 1e-6;
        [false, true].into_iter().map(blocks).find(fits)
    }
}

impl Optimizer for &MostProbable<'_> {
    fn optimize(
        &self,
        _: &InitialParams,
        data: &Data,
        _: &OptimizeOpts,
    ) -> Result<OptimizedParams, OptimizerError> {
        if data.trend_indicator != TrendIndicator::Linear || data.s_m.iter().any(|&column| column != 0) {
            return Err(OptimizerError::static_str("only a linear trend with additive seasons is known"));
        }
        let columns = self
            .columns(data)
            .ok_or_else(|| OptimizerError::static_str("the columns are not those of the seasons"))?;
        let (features, changes) = (data.K as usize, data.t_change.len());
        let rows = data.t.iter().zip(data.X.chunks_exact(features));
        let design = rows.flat_map(|(&time, row)| {
            let hinges = data.t_change.iter().map(move |changepoint| (time - changepoint).max(0.0));
            [time, 1.0].into_iter().chain(hinges).chain(columns.iter().map(move |&column| row[column]))
        });
        let mut priors = vec![Prior::Normal(TREND_PRIOR_SCALE); 2];
        priors.extend(vec![Prior::Laplace(*data.tau); changes]);
        priors.extend(columns.iter().map(|&column| Prior::Normal(*data.sigmas[column])));
        let mode = Posterior::new(design.collect(), data.y.clone(), priors).mode();
        let sigma_obs = PositiveFloat::try_new(mode.variance.sqrt()).map_err(OptimizerError::custom)?;
        let mut beta = vec![0.0; features];
        for (&column, coefficient) in columns.iter().zip(&mode.coefficients[2 + changes..]) {
            beta[column] = *coefficient;
        }
        let params = OptimizedParams {
            k: mode.coefficients[0],
            m: mode.coefficients[1],
            sigma_obs,
            delta: mode.coefficients[2..2 + changes].to_vec(),
            beta,
            trend: Vec::new(),
        };
        *self.found.borrow_mut() = Some(Found { changepoints: data.t_change.clone(), mode });
        Ok(params)
    }
}

fn refused(error: impl std::fmt::Display) -> FitError {
    FitError::Prophet(error.to_string())
}

/// Fits augurs' Prophet to one target.
fn fit_target<'o>(
    spec: &ProphetSpec,
    optimizer: &'o MostProbable<'o>,
    values: Vec<f64>,
) -> Result<augurs_prophet::Prophet<&'o MostProbable<'o>>, FitError> {
    let off = SeasonalityOption::Manual(false);
    let options = ProphetOptions {
        n_changepoints: spec.n_changepoints as u32,
        changepoint_prior_scale: PositiveFloat::try_new(spec.changepoint_prior_scale).map_err(refused)?,
        seasonality_prior_scale: PositiveFloat::try_new(spec.seasonality_prior_scale).map_err(refused)?,
        yearly_seasonality: off,
        weekly_seasonality: off,
        daily_seasonality: off,
        uncertainty_samples: 0,
        ..ProphetOptions::default()
    };
    let mut prophet = augurs_prophet::Prophet::new(options, optimizer);
    for season in optimizer.seasons {
        let period = PositiveFloat::try_new(season.period_s / DAILY.period_s * TICKS).map_err(refused)?;
        let order = NonZeroU32::new(season.order).ok_or_else(|| refused("a season has harmonics"))?;
        let own = augurs_prophet::Seasonality::new(period, order);
        prophet.add_seasonality(season.name.to_string(), own).map_err(refused)?;
    }
    let times = optimizer.times.iter().map(|&time| time as i64).collect();
    let data = TrainingData::new(times, values).map_err(refused)?;
    prophet.fit(data, OptimizeOpts::default()).map_err(refused)?;
    Ok(prophet)
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
            "its steps lie too far from the year 2018, or from the zero of a clock without dates",
        ));
    }
    let mut steps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_by(f64::total_cmp);
    let step = steps.get(steps.len() / 2).copied().unwrap_or(0.0);
    if step <= 0.0 {
        return Err(refused("most of its training steps lie less than a microsecond apart"));
    }
    let covered = |season: &Season, choice: Seasonality| match choice {
        Seasonality::Always => true,
        Seasonality::Never => false,
        Seasonality::Auto => end - start >= 2.0 * season.period_s * TICKS && step < season.period_s * TICKS,
    };
    let choices = [(DAILY, spec.daily_seasonality), (WEEKLY, spec.weekly_seasonality)];
    let seasons = choices.into_iter().filter(|(season, choice)| covered(season, *choice));
    let seasons: Vec<Season> = seasons.map(|(season, _)| season).collect();
    let mut curves = Curves { start, span: end - start, step, seasons: seasons.clone(), ..Curves::default() };
    for values in targets {
        let optimizer = MostProbable { seasons: &seasons, times, found: RefCell::new(None) };
        // The scale that augurs brings values to.
        let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let scale = if largest == 0.0 { 1.0 } else { largest };
        fit_target(spec, &optimizer, values)?;
        let found = optimizer.found.take().ok_or_else(|| refused("its parameters were not sought"))?;
        let own = found.mode.coefficients.iter().map(|coefficient| join(&split(coefficient * scale)));
        curves.coefficients.extend(own);
        curves.changepoints = found.changepoints.iter().map(|&time| join(&split(time))).collect();
    }
    Ok(curves)
}

impl Prophet {
    /// Curves that are yet to be fitted.
    pub fn new(shape: Shape, spec: &ProphetSpec) -> Self {
        Self { shape, spec: spec.clone(), curves: Curves::default() }
    }
}

impl Forecaster for Prophet {
    fn fit(&mut self, data: &FitData<'_>, _: OnEpoch<'_>) -> Result<(), FitError> {
        let stride = data.train_steps.len().div_ceil(MOST_STEPS).max(1);
        let times: Vec<f64> =
            data.train_steps.clone().map(|step| ticks(data.train.times.clock_s(step))).collect();
        let fitted: Vec<f64> = times.iter().copied().step_by(stride).collect();
        let targets = (0..self.shape.targets).map(|target| {
            let values = data.training_values(target).into_iter().map(f64::from);
            values.step_by(stride).collect()
        });
        self.curves = fit_curves(&self.spec, &fitted, targets)?;
        self.curves.step /= stride as f64;
        Ok(())
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        let Shape { horizon, targets, .. } = self.shape;
        let mut forecasts = Vec::with_capacity(windows.len() * horizon * targets);
        let mut basis = Vec::with_capacity(self.curves.width());
        for index in 0..windows.len() {
            let last = ticks(windows.last_clock_s(index));
            for ahead in 1..=horizon {
                self.curves.basis(last + ahead as f64 * self.curves.step, &mut basis);
                let curves = self.curves.coefficients.chunks_exact(basis.len());
                forecasts.extend(curves.map(|coefficients| {
                    let terms =
                        coefficients.iter().zip(&basis).map(|(coefficient, value)| coefficient * value);
                    terms.sum::<f64>() as f32
                }));
            }
        }
        forecasts
    }

    fn lookback(&self) -> usize {
        1
    }

    fn parameters(&self) -> Parameters {
        let Curves { start, span, step, changepoints, seasons, coefficients } = &self.curves;
        let doubles = |values: &[f64], mut shape: Vec<usize>| {
            shape.push(PIECES);
            Values { shape, data: values.iter().flat_map(|&value| split(value)).collect() }
        };
        let width = self.curves.width();
        let seasons = seasons.iter().flat_map(|season| [season.period_s as f32, season.order as f32]);
        let seasons: Vec<f32> = seasons.collect();
        Parameters::from([
            ("time".to_string(), doubles(&[*start, *span, *step], vec![3])),
            ("changepoints".to_string(), doubles(changepoints, vec![changepoints.len()])),
            ("seasons".to_string(), Values { shape: vec![seasons.len() / 2, 2], data: seasons }),
            ("coefficients".to_string(), doubles(coefficients, vec![coefficients.len() / width, width])),
        ])
    }

    fn load(&mut self, parameters: &Parameters) -> anyhow::Result<()> {
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
        let seasons: Option<Vec<Season>> = rows("seasons", 2)?.map(known).collect();
        let mut curves = Curves {
            start: time[0],
            span: time[1],
            step: time[2],
            changepoints: rows("changepoints", PIECES)?.map(join).collect(),
            seasons: seasons
                .ok_or_else(|| anyhow::anyhow!("the saved model has a season that is not known"))?,
            coefficients: Vec::new(),
        };
        let shape = [self.shape.targets, curves.width(), PIECES];
        curves.coefficients =
            parameters.get("coefficients", &shape)?.data.chunks_exact(PIECES).map(join).collect();
        self.curves = curves;
        Ok(())
    }
}

/// A double as a sum of singles.
fn split(value: f64) -> [f32; PIECES] {
    let mut rest = value;
    [(); PIECES].map(|()| {
        let piece = rest as f32;
        rest -= f64::from(piece);
        piece
    })
}

fn join(pieces: &[f32]) -> f64 {
    pieces.iter().rev().copied().map(f64::from).sum()
}

#[cfg(test)]
mod tests {
    use augurs_prophet::PredictionData;
    use proptest::prelude::*;

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

    #[test]
    fn a_curve_is_the_one_that_augurs_predicts() {
        let (times, values) = (times(504), (0..504).map(weeks).collect::<Vec<f64>>());
        let later: Vec<f64> = (0..600).map(|step| times[0] + f64::from(step) * HOUR + 7.0 * TICKS).collect();
        for (seasons, n_changepoints) in
            [(vec![DAILY, WEEKLY], 25), (vec![DAILY], 3), (vec![], 25), (vec![WEEKLY], 0)]
        {
            let choice = |season: Season| {
                if seasons.contains(&season) { Seasonality::Always } else { Seasonality::Never }
            };
            let spec = ProphetSpec {
                n_changepoints,
                daily_seasonality: choice(DAILY),
                weekly_seasonality: choice(WEEKLY),
                ..ProphetSpec::default()
            };
            let optimizer = MostProbable { seasons: &seasons, times: &times, found: RefCell::new(None) };
            let theirs = fit_target(&spec, &optimizer, values.clone()).unwrap();
            let data = PredictionData::new(later.iter().map(|&time| time as i64).collect());
            let theirs = theirs.predict(data).unwrap().yhat.point;
            let ours = fit_curves(&spec, &times, std::iter::once(values.clone())).unwrap();
            for (&time, theirs) in later.iter().zip(theirs) {
                let ours = value(&ours, time);
                assert!((ours - theirs).abs() <= 1e-9 * theirs.abs().max(1.0), "{ours} against {theirs}");
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
    fn the_same_data_give_the_same_bits_in_whatever_order_augurs_lays_out_its_columns() {
        let values = (0..504).map(weeks).collect::<Vec<f64>>();
        let fit =
            || fit_curves(&ProphetSpec::default(), &times(504), std::iter::once(values.clone())).unwrap();
        let first = fit();
        for _ in 0..20 {
            assert_eq!(fit(), first);
        }
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

    proptest! {
        #[test]
        fn a_double_is_the_sum_of_its_pieces(value in -1e15_f64..1e15, exponent in -20_i32..1) {
            let value = value * 10_f64.powi(exponent);
            prop_assert_eq!(join(&split(value)), value);
        }
    }
}
