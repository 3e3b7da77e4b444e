//! How long the runs at work still take, as far as their epochs and the runs before them tell.

use std::collections::HashMap;
use std::time::Duration;

use crate::plan::Run;

/// A run that a stop waits for.
#[derive(Debug, Clone)]
pub struct Awaited<'a> {
    /// The run.
    pub run: &'a Run,
    /// How long it still takes at most, by its pace so far; `None` where nothing tells.
    pub left: Option<Duration>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct RunProgress {
    /// Kind of its model.
    pub kind: &'static str,
    /// Time that it has taken so far.
    pub elapsed: Duration,
    /// Its last epoch, and the time that it had taken by then.
    pub last_epoch: Option<(usize, Duration)>,
    /// Epochs that it has at most.
    pub epochs: usize,
}

/// The longest time of a finished run of each kind of model.
#[derive(Debug, Default)]
pub struct Pace(HashMap<&'static str, Duration>);

impl Pace {
    /// A run of this kind of model is done.
    pub fn done(&mut self, kind: &'static str, wall_s: f64) {
        let taken = Duration::try_from_secs_f64(wall_s).unwrap_or_default();
        let longest = self.0.entry(kind).or_default();
        *longest = taken.max(*longest);
    }

    /// How long a run still takes: its epochs so far say it best, then other runs of its model. A run whose time is limited
    /// takes no longer than that. Early stopping may end it sooner.
    pub fn left(&self, run: RunProgress, limit: Option<Duration>) -> Option<Duration> {
        let by_epochs = run.last_epoch.and_then(|(epoch, taken)| {
            Duration::try_from_secs_f64(taken.as_secs_f64() * run.epochs as f64 / epoch as f64).ok()
        });
        let whole = by_epochs.or_else(|| self.0.get(run.kind).copied());
        // A run that is beyond its estimate has none any more.
        let whole = whole.filter(|whole| *whole >= run.elapsed);
        let whole = match (whole, limit) {
            (Some(whole), Some(limit)) => Some(whole.min(limit)),
            (whole, limit) => whole.or(limit),
        };
        whole.map(|whole| whole.saturating_sub(run.elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_s(earlier_s: Option<f64>, last_epoch: Option<(usize, u64)>, limit_s: Option<u64>) -> Option<u64> {
        let mut pace = Pace::default();
        for wall_s in earlier_s.into_iter().flat_map(|longest| [1.0, longest, 2.0]) {
            pace.done("lstm", wall_s);
        }
        let run = RunProgress {
            kind: "lstm",
            elapsed: Duration::from_secs(10),
            last_epoch: last_epoch.map(|(epoch, taken_s)| (epoch, Duration::from_secs(taken_s))),
            epochs: 20,
        };
        pace.left(run, limit_s.map(Duration::from_secs)).map(|left| left.as_secs())
    }

    #[test]
    fn the_epochs_of_a_run_say_how_long_it_takes_then_runs_of_its_model_then_its_limit() {
        assert_eq!(left_s(Some(50.0), Some((4, 8)), None), Some(30));
        assert_eq!(left_s(Some(50.0), None, None), Some(40));
        assert_eq!(left_s(Some(50.0), None, Some(30)), Some(20));
        assert_eq!(left_s(None, None, Some(30)), Some(20));
        assert_eq!(left_s(None, None, None), None);
    }

    #[test]
    fn a_run_that_takes_longer_than_all_before_it_has_no_estimate() {
        assert_eq!(left_s(Some(9.0), None, None), None);
        assert_eq!(left_s(Some(9.0), None, Some(60)), Some(50));
    }
}
