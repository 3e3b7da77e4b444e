//! Whether a run whose attempt was lost is tried again, after which pause, and in which company.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// The longest pause before a further attempt.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// What cost an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The worker ended: a crash, a signal, an exit.
    Crash,
    /// The run's time was up.
    Timeout,
    /// The worker, or the kernel, ran out of memory.
    OutOfMemory,
}

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The run is tried again.
    Again {
        /// Not before this time has passed; other runs go on meanwhile.
        pause: Duration,
        /// Only while nothing else runs.
        alone: bool,
    },
    /// The run is given up.
    GivenUp,
}

/// The attempts that each run has lost.
#[derive(Debug, Default)]
pub struct Retries {
    limit: usize,
    backoff: Duration,
    charged: HashMap<usize, usize>,
    alone: HashSet<usize>,
}

impl Retries {
    /// `limit` further attempts for each run; the first of them `backoff` after the loss.
    pub fn new(limit: usize, backoff: Duration) -> Self {
        Self { limit, backoff, ..Self::default() }
    }

    /// Judges a lost attempt of a run.
    ///
    /// The pause doubles with each further attempt. A run that was out of memory is tried once more whatever the limit
    /// is, since it may have been the runs beside it that took the memory.
    pub fn judge(&mut self, run: usize, fault: Fault) -> Verdict {
        if fault == Fault::OutOfMemory {
            let first = self.alone.insert(run);
            return if first {
                Verdict::Again { pause: self.backoff, alone: true }
            } else {
                Verdict::GivenUp
            };
        }
        let charged = self.charged.entry(run).or_default();
        *charged += 1;
        if *charged > self.limit {
            return Verdict::GivenUp;
        }
        let doublings = u32::try_from(*charged - 1).unwrap_or(u32::MAX);
        let pause = self.backoff.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_PAUSE);
        Verdict::Again { pause, alone: self.is_alone(run) }
    }

    /// Whether a run is only tried while nothing else runs.
    pub fn is_alone(&self, run: usize) -> bool {
        self.alone.contains(&run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses_s(retries: &mut Retries, run: usize, fault: Fault) -> Vec<Option<u64>> {
        let mut pause = || match retries.judge(run, fault) {
            Verdict::Again { pause, .. } => Some(pause.as_secs()),
            Verdict::GivenUp => None,
        };
        (0..12).map(|_| pause()).collect()
    }

    #[test]
    fn pauses_double_up_to_five_minutes_and_end_with_the_limit() {
        let mut retries = Retries::new(10, Duration::from_secs(1));
        let pauses = pauses_s(&mut retries, 0, Fault::Crash);
        let expected = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300].map(Some);
        assert_eq!(pauses[..10], expected);
        assert_eq!(pauses[10..], [None, None]);
    }

    #[test]
    fn each_run_has_its_own_count() {
        let mut retries = Retries::new(1, Duration::ZERO);
        assert_eq!(pauses_s(&mut retries, 0, Fault::Timeout)[..2], [Some(0), None]);
        assert_eq!(pauses_s(&mut retries, 1, Fault::Timeout)[..2], [Some(0), None]);
    }

    #[test]
    fn a_run_out_of_memory_is_tried_once_alone_whatever_the_limit() {
        let mut retries = Retries::new(0, Duration::ZERO);
        assert_eq!(
            retries.judge(7, Fault::OutOfMemory),
            Verdict::Again { pause: Duration::ZERO, alone: true }
        );
        assert!(retries.is_alone(7) && !retries.is_alone(8));
        assert_eq!(retries.judge(7, Fault::OutOfMemory), Verdict::GivenUp);
    }
}
