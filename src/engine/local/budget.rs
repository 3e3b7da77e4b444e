//! What a sweep may spend, and what it has spent.

use std::collections::HashSet;
use std::time::Instant;

/// What a sweep may spend: beyond it nothing new is started, and what runs is finished.
#[derive(Debug, Clone, Copy, Default)]
pub struct Budget {
    /// Runs that may be started.
    pub runs: Option<usize>,
    /// When the time is up.
    pub deadline: Option<Instant>,
}

/// The budget that was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// As many runs were started as may be.
    Runs,
    /// The time was up.
    Time,
}

/// The account of a sweep: a run counts once, however often it is tried.
#[derive(Debug)]
pub struct Spending {
    budget: Budget,
    started: HashSet<usize>,
}

impl Spending {
    /// Nothing spent yet.
    pub fn new(budget: Budget) -> Self {
        Self { budget, started: HashSet::new() }
    }

    /// A run starts.
    pub fn start(&mut self, run: usize) {
        self.started.insert(run);
    }

    /// Runs that were started.
    pub fn started(&self) -> usize {
        self.started.len()
    }

    /// The budget that allows no further run, when `chosen` more are about to start.
    pub fn spent(&self, chosen: usize, now: Instant) -> Option<Spent> {
        if self.budget.runs.is_some_and(|runs| self.started.len() + chosen >= runs) {
            return Some(Spent::Runs);
        }
        self.budget.deadline.is_some_and(|deadline| now >= deadline).then_some(Spent::Time)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_further_attempt_at_a_run_spends_nothing() {
        let mut spending = Spending::new(Budget { runs: Some(2), deadline: None });
        let now = Instant::now();
        spending.start(4);
        spending.start(4);
        assert_eq!((spending.started(), spending.spent(0, now)), (1, None));
        assert_eq!(spending.spent(1, now), Some(Spent::Runs), "one more is about to start");
        spending.start(5);
        assert_eq!(spending.spent(0, now), Some(Spent::Runs));
    }

    #[test]
    fn the_time_is_up_at_the_deadline() {
        let now = Instant::now();
        let spending = Spending::new(Budget { runs: None, deadline: Some(now + Duration::from_secs(1)) });
        assert_eq!(spending.spent(9, now), None);
        assert_eq!(spending.spent(0, now + Duration::from_secs(1)), Some(Spent::Time));
        assert_eq!(Spending::new(Budget::default()).spent(1_000_000, now), None);
    }
}
