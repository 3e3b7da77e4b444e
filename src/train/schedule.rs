//! Learning-rate schedules, one rate an epoch.

use crate::spec::{Schedule, TrainingSpec};

/// The learning rate from epoch to epoch.
#[derive(Debug, Clone)]
pub struct RateSchedule {
    schedule: Schedule,
    first: f64,
    epochs: usize,
    /// Factor that the plateau rule has arrived at.
    reduction: f64,
    best: f64,
    epochs_without_improvement: usize,
}

impl RateSchedule {
    /// The schedule of a training.
    pub fn new(training: &TrainingSpec) -> Self {
        Self {
            schedule: training.schedule.clone(),
            first: training.learning_rate,
            epochs: training.epochs,
            reduction: 1.0,
            best: f64::INFINITY,
            epochs_without_improvement: 0,
        }
    }

    /// The rate of an epoch, counted from 1.
    pub fn rate(&self, epoch: usize) -> f64 {
        match self.schedule {
            Schedule::Constant => self.first,
            Schedule::Halve { from_epoch } => {
                let halvings = (epoch + 1).saturating_sub(from_epoch);
                self.first * 0.5_f64.powi(halvings.try_into().unwrap_or(i32::MAX))
            }
            Schedule::ReduceOnPlateau { .. } => self.first * self.reduction,
            Schedule::Cosine { min_learning_rate } => {
                let progress = (epoch - 1) as f64 / (self.epochs.max(2) - 1) as f64;
                let share = 0.5 * (1.0 + libm::cos(std::f64::consts::PI * progress));
                min_learning_rate + (self.first - min_learning_rate) * share
            }
        }
    }

    /// Tells the schedule how an epoch went.
    pub fn observe(&mut self, valid_loss: f64) {
        let Schedule::ReduceOnPlateau { patience, factor } = self.schedule else {
            return;
        };
        if valid_loss < self.best {
            self.best = valid_loss;
            self.epochs_without_improvement = 0;
            return;
        }
        self.epochs_without_improvement += 1;
        if self.epochs_without_improvement >= patience {
            self.reduction *= factor;
            self.epochs_without_improvement = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule, losses: &[f64]) -> Vec<f64> {
        let training =
            TrainingSpec { schedule, learning_rate: 0.8, epochs: losses.len(), ..TrainingSpec::default() };
        let mut schedule = RateSchedule::new(&training);
        losses
            .iter()
            .enumerate()
            .map(|(index, &loss)| {
                let rate = schedule.rate(index + 1);
                schedule.observe(loss);
                rate
            })
            .collect()
    }

    #[test]
    fn halving_from_epoch_three_keeps_the_first_two_rates() {
        assert_eq!(rates(Schedule::Halve { from_epoch: 3 }, &[1.0; 5]), [0.8, 0.8, 0.4, 0.2, 0.1]);
    }

    #[test]
    fn a_plateau_reduces_the_rate_after_its_patience() {
        let losses = [1.0, 0.9, 0.95, 0.95, 0.95, 0.95];
        let schedule = Schedule::ReduceOnPlateau { patience: 2, factor: 0.5 };
        assert_eq!(rates(schedule, &losses), [0.8, 0.8, 0.8, 0.8, 0.4, 0.4]);
    }

    #[test]
    fn a_cosine_ends_at_its_minimum() {
        let rates = rates(Schedule::Cosine { min_learning_rate: 0.1 }, &[1.0; 3]);
        assert!(
            (rates[0] - 0.8).abs() < 1e-12
                && (rates[1] - 0.45).abs() < 1e-12
                && (rates[2] - 0.1).abs() < 1e-12
        );
    }
}
