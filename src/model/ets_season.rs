//! Exponential smoothing with a season that is added (Holt, 1957; Winters, 1960; in state-space form as [`super::ets`]).
//!
//! A season has as many initial states as steps. The errors are linear in them, and what one of them adds to the errors is what
//! its neighbour adds, a step later, so the normal equations of all of them take one pass for each step of the season.
//!
//! A season that is multiplied is not offered: its errors are not linear in its states, and their likelihood is not sound where
//! values come near zero. On the logarithmic scale that loads are learned on, an added season is a factor.

use super::normal_equations::NormalEquations;
use super::simplex::minimum;
use super::smoothing::{Candidate, DAMPING, LEAST_WEIGHT, SmoothingState, SmoothingWeights};

/// Where searches may start, as log-odds between the bounds.
const LEVEL_STARTS: [f64; 3] = [-3.0, -0.5, 2.0];
const SEASON_STARTS: [f64; 2] = [-5.0, -1.0];
const TREND_STARTS: [f64; 2] = [-6.0, -2.0];
const DAMPING_START: f64 = 1.0;
/// A search is made from so many of the best starts.
const SEARCHES: usize = 2;
/// Most steps of a search, for each weight.
const STEPS_PER_WEIGHT: usize = 40;
/// A search ends when the logarithms of the squared errors agree to this.
const AGREEMENT: f64 = 1e-9;

/// How level, trend and season follow the errors.
#[derive(Debug, Clone, Copy)]
struct SeasonalWeights {
    smoothing: SmoothingWeights,
    /// Share of an error that the season takes up: gamma.
    season: f64,
}

impl SeasonalWeights {
    /// From the log-odds of level, season, trend and damping, of which there are the first `N`. Level and season together take
    /// up at most the whole error, the trend at most what the level does.
    fn of<const N: usize>(log_odds: [f64; N]) -> Self {
        let between =
            |low: f64, high: f64, index: usize| low + (high - low) / (1.0 + libm::exp(-log_odds[index]));
        let level = between(LEAST_WEIGHT, 1.0 - 2.0 * LEAST_WEIGHT, 0);
        let season = between(LEAST_WEIGHT, 1.0 - level, 1);
        let trend = if N > 2 { between(LEAST_WEIGHT, level.max(2.0 * LEAST_WEIGHT), 2) } else { 0.0 };
        let damping = if N > 3 { between(DAMPING.0, DAMPING.1, 3) } else { 1.0 };
        Self { smoothing: SmoothingWeights { level, trend, damping }, season }
    }
}

/// Level, slope and season at some step.
#[derive(Debug, Clone)]
struct SeasonalState {
    smoothing: SmoothingState,
    /// By the step in the season.
    season: Vec<f64>,
    /// The step in the season that comes next.
    next: usize,
}

impl SeasonalState {
    fn new(level: f64, slope: f64, season: Vec<f64>) -> Self {
        Self { smoothing: SmoothingState { level, slope }, season, next: 0 }
    }

    /// Moves one step ahead and takes up a value. Returns its error.
    fn observe(&mut self, weights: SeasonalWeights, value: f64) -> f64 {
        let own = &mut self.season[self.next];
        let error = self.smoothing.observe(weights.smoothing, value - *own);
        *own += weights.season * error;
        self.next = (self.next + 1) % self.season.len();
        error
    }

    /// The errors of a series that is zero.
    fn responses(mut self, weights: SeasonalWeights, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.observe(weights, 0.0)).collect()
    }
}

/// A series smoothed from the initial states that leave the least squared errors: these, and the last state.
fn smoothed<const N: usize>(
    values: &[f64],
    season: usize,
    weights: SeasonalWeights,
) -> Option<(f64, SeasonalState)> {
    let count = values.len();
    let none = || vec![0.0; season];
    let mut first = none();
    first[0] = 1.0;
    let mut zero = SeasonalState::new(0.0, 0.0, none());
    let errors: Vec<f64> = values.iter().map(|value| zero.observe(weights, *value)).collect();
    let mut others = vec![SeasonalState::new(1.0, 0.0, none()).responses(weights, count)];
    if N > 2 {
        others.push(SeasonalState::new(0.0, 1.0, none()).responses(weights, count));
    }
    let of_season = SeasonalState::new(0.0, 0.0, first).responses(weights, count);
    // Sums of products of the season's responses that are `lag` steps apart, over the first `steps` of the later one.
    let partial: Vec<Vec<f64>> = (0..season)
        .map(|lag| {
            let mut sum = 0.0;
            let sums = (lag..count).map(|at| {
                sum += of_season[at] * of_season[at - lag];
                sum
            });
            std::iter::once(0.0).chain(sums).collect()
        })
        .collect();
    let dot =
        |left: &[f64], right: &[f64]| left.iter().zip(right).map(|(left, right)| left * right).sum::<f64>();
    let before = others.len();
    // A level that is moved up and a season that is moved down are the same, so the last step of the season starts at zero.
    let mut equations = NormalEquations::new(before + season - 1);
    equations.set(
        |row, column| match (row.checked_sub(before), column.checked_sub(before)) {
            (Some(later), Some(earlier)) => partial[later - earlier][count - later],
            (Some(step), None) => dot(&others[column][step..], &of_season),
            _ => dot(&others[row], &others[column]),
        },
        |row| match row.checked_sub(before) {
            Some(step) => -dot(&errors[step..], &of_season),
            None => -dot(&errors, &others[row]),
        },
    );
    let states = equations.solve(1e-12)?;
    let slope = if N > 2 { states[1] } else { 0.0 };
    let mut seasons = states[before..].to_vec();
    seasons.push(0.0);
    let mut last = SeasonalState::new(states[0], slope, seasons);
    let squares = values.iter().map(|value| last.observe(weights, *value)).map(|error| error * error).sum();
    Some((squares, last))
}

/// The most likely smoothing with a season and `N` weights: 2 without a trend, 3 with one, 4 with a damped one. `None` where the
/// series is too short for the criterion.
pub(super) fn most_likely<const N: usize>(values: &[f64], season: usize) -> Option<Candidate> {
    let count = values.len() as f64;
    // The weights, the initial states, and the variance.
    let parameters = (N + 1 + usize::from(N > 2) + season - 1 + 1) as f64;
    let spare = count - parameters - 1.0;
    if spare <= 0.0 {
        return None;
    }
    // Smaller sums of squared errors are rounding: a series without noise has no likelihood.
    let squares: f64 = values.iter().map(|value| value * value).sum();
    let least = (f64::EPSILON * squares).max(f64::MIN_POSITIVE);
    let cost = |log_odds: [f64; N]| {
        let squares =
            smoothed::<N>(values, season, SeasonalWeights::of(log_odds)).map(|(squares, _)| squares);
        squares
            .filter(|squares| !squares.is_nan())
            .map_or(f64::INFINITY, |squares| libm::log(squares.max(least)))
    };
    let mut starts: Vec<([f64; N], f64)> = starts().map(|start| (start, cost(start))).collect();
    starts.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    let searches = starts.iter().take(SEARCHES);
    let found = searches.map(|(start, _)| minimum(*start, STEPS_PER_WEIGHT * N, AGREEMENT, cost));
    let (log_odds, cost) = found.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let weights = SeasonalWeights::of(log_odds);
    let (_, mut last) = smoothed::<N>(values, season, weights)?;
    last.season.rotate_left(last.next);
    Some(Candidate {
        criterion: count * cost + 2.0 * parameters * (1.0 + (parameters + 1.0) / spare),
        damping: weights.smoothing.damping,
        last: last.smoothing,
        season: last.season,
    })
}

/// Every combination of the starts of `N` weights.
fn starts<const N: usize>() -> impl Iterator<Item = [f64; N]> {
    let choices: [&[f64]; 4] = [&LEVEL_STARTS, &SEASON_STARTS, &TREND_STARTS, &[DAMPING_START]];
    let count = choices[..N].iter().map(|choice| choice.len()).product::<usize>();
    (0..count).map(move |mut index| {
        std::array::from_fn(|weight| {
            let choice = choices[weight];
            let start = choice[index % choice.len()];
            index /= choice.len();
            start
        })
    })
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use serde_json::Value;

    use super::super::ets::chosen;
    use super::*;

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    }

    #[test]
    fn seasons_are_as_likely_as_the_best_of_statsmodels_and_forecast_the_same() {
        let golden: Value = serde_json::from_str(include_str!("../../tests/golden_ets_season.json")).unwrap();
        for case in golden["cases"].as_array().unwrap() {
            let (values, season) = (numbers(&case["values"]), case["season"].as_u64().unwrap() as usize);
            let relative: Vec<f64> = values.iter().map(|value| value - values[0]).collect();
            let forms = [
                ("ANA", most_likely::<2>(&relative, season), 2 + season + 1),
                ("AAA", most_likely::<3>(&relative, season), 3 + season + 2),
                ("AAdA", most_likely::<4>(&relative, season), 4 + season + 2),
            ];
            for (form, found, parameters) in forms {
                let (found, wanted) = (found.unwrap(), &case["models"][form]);
                let (count, parameters) = (values.len() as f64, parameters as f64);
                let penalty = 2.0 * parameters * (1.0 + (parameters + 1.0) / (count - parameters - 1.0));
                let cost = (found.criterion - penalty) / count;
                let likelihood = -0.5 * count * ((TAU / count).ln() + 1.0 + cost);
                let behind = wanted["log_likelihood"].as_f64().unwrap() - likelihood;
                assert!(behind.abs() < 0.01, "{behind} for {form} of {}", case["series"]);
                for (found, wanted) in found.forecast(6).zip(numbers(&wanted["forecast"])) {
                    let found = found + values[0];
                    assert!((found - wanted).abs() < 1e-3 * wanted.abs(), "{found} against {wanted}");
                }
            }
        }
    }

    #[test]
    fn a_season_is_chosen_where_there_is_one_and_goes_on() {
        let noise = |step: usize| 0.2 * ((step * 7_919 % 101) as f64 / 101.0 - 0.5);
        let season = |step: usize| [2.0, -1.0, 0.5, -1.5][step % 4];
        let values: Vec<f64> = (0..40).map(|step| 10.0 + season(step) + noise(step)).collect();
        let found = chosen(&values, 4).unwrap();
        assert_eq!(found.season.len(), 4);
        for (ahead, value) in found.forecast(6).enumerate() {
            assert!((value - 10.0 - season(40 + ahead)).abs() < 0.3, "{value} at {ahead}");
        }
        let plain: Vec<f64> = (0..40).map(noise).collect();
        assert!(chosen(&plain, 4).unwrap().season.is_empty());
        assert!(chosen(&values[..7], 4).unwrap().season.is_empty(), "seven values are too few for a season");
    }
}
