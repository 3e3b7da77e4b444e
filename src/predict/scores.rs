//! How the forecasts that could be asked for turned out.

use std::collections::VecDeque;
use std::sync::Arc;

use super::forecast::Forecast;
use crate::model::intervals::{LEVELS, interval};

/// Errors and coverage of published forecasts, for each target and number of steps ahead.
#[derive(Debug, Clone)]
pub struct LiveScores {
    targets: usize,
    /// `targets x steps`.
    cells: Vec<StepScore>,
    /// The forecasts whose last step has not come yet, the oldest first, with the steps that were known when they were made.
    open: VecDeque<(usize, Arc<Forecast>)>,
    /// The last step that was scored, counted from 1.
    scored: usize,
}

/// How the forecasts of one target turned out, so many steps ahead.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StepScore {
    /// Forecasts whose step has come.
    pub count: u64,
    /// Sum of their absolute errors, in original units.
    pub absolute: f64,
    /// Sum of their squared errors.
    pub squared: f64,
    /// How many of them had intervals.
    pub with_intervals: u64,
    /// How many of these contained what came, for each of the levels of the intervals.
    pub covered: [u64; LEVELS.len()],
}

impl StepScore {
    /// The mean absolute error, in original units; `None` before the first forecast.
    pub fn mean_absolute(&self) -> Option<f64> {
        (self.count > 0).then(|| self.absolute / self.count as f64)
    }

    /// The share of the values that lay in the interval at `LEVELS[level]`; `None` without intervals.
    pub fn coverage(&self, level: usize) -> Option<f64> {
        (self.with_intervals > 0).then(|| self.covered[level] as f64 / self.with_intervals as f64)
    }
}

impl LiveScores {
    /// No forecast yet.
    pub fn none(targets: usize, steps: usize) -> Self {
        Self { targets, cells: vec![StepScore::default(); targets * steps], open: VecDeque::new(), scored: 0 }
    }

    /// The score of a target, `ahead` steps ahead counted from 0.
    pub fn of(&self, target: usize, ahead: usize) -> &StepScore {
        &self.cells[ahead * self.targets + target]
    }

    /// From now on a forecast can be asked for that was made after so many steps. It takes the place of another one after the
    /// same steps, whose last has got other values.
    pub(super) fn publish(&mut self, after: usize, forecast: Arc<Forecast>) {
        self.open.pop_back_if(|(other, _)| *other == after);
        self.open.push_back((after, forecast));
    }

    /// Scores what was published of step `number`, counted from 1, which has these values.
    pub(super) fn observe(&mut self, number: usize, values: &[f64]) {
        // A row that replaces the one before it, which has the same time, is no other step.
        if number <= self.scored {
            return;
        }
        self.scored = number;
        for (after, forecast) in &self.open {
            let Some(ahead) = number.checked_sub(after + 1) else { continue };
            let Some(step) = forecast.steps.get(ahead) else { continue };
            let cells = self.cells.iter_mut().skip(ahead * self.targets);
            for (target, (cell, actual)) in cells.zip(values).take(self.targets).enumerate() {
                let error = step.values[target] - actual;
                cell.count += 1;
                cell.absolute += error.abs();
                cell.squared += error * error;
                let Some(bounds) = step.bounds.get(target) else { continue };
                cell.with_intervals += 1;
                for (level, covered) in cell.covered.iter_mut().enumerate() {
                    let (lower, upper) = interval(bounds, level);
                    *covered += u64::from((lower..=upper).contains(actual));
                }
            }
        }
        while self.open.front().is_some_and(|(after, forecast)| after + forecast.steps.len() <= number) {
            self.open.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::ForecastStep;

    fn forecast(values: &[f64]) -> Arc<Forecast> {
        let step = |value: &f64| ForecastStep {
            time_s: 0.0,
            values: vec![*value],
            bounds: vec![[-9.0, -3.0, -1.0, 0.0, 1.0, 3.0, 9.0].map(|offset| value + offset)],
        };
        Arc::new(Forecast {
            targets: Vec::new().into(),
            time_name: "start_s",
            last_s: 0.0,
            steps: values.iter().map(step).collect(),
        })
    }

    #[test]
    fn every_published_forecast_is_scored_once_for_each_of_its_steps() {
        let mut scores = LiveScores::none(1, 2);
        scores.observe(1, &[5.0]);
        scores.publish(1, forecast(&[10.0, 20.0]));
        scores.observe(2, &[12.0]);
        scores.publish(2, forecast(&[30.0, 40.0]));
        scores.observe(3, &[25.0]);
        scores.observe(4, &[40.0]);
        let (next, after) = (scores.of(0, 0), scores.of(0, 1));
        assert_eq!((next.count, next.absolute, next.squared), (2, 7.0, 29.0));
        assert_eq!(next.covered, [0, 1, 2]);
        assert_eq!((after.count, after.absolute, after.covered), (2, 5.0, [1, 1, 2]));
        assert_eq!((after.mean_absolute(), after.coverage(0)), (Some(2.5), Some(0.5)));
        assert!(scores.open.is_empty());
    }

    #[test]
    fn steps_that_came_at_once_are_scored_against_the_forecast_that_could_be_asked_for() {
        let mut scores = LiveScores::none(1, 1);
        scores.publish(3, forecast(&[10.0]));
        for number in 4..9 {
            scores.observe(number, &[10.0]);
        }
        assert_eq!(scores.of(0, 0).count, 1);
        assert_eq!(StepScore::default().mean_absolute(), None);
    }
}
