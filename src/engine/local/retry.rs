//! Whether a run whose attempt was lost is tried again, after which pause, and in which company.

use std::collections::{HashMap, HashSet};
use std::fmt;
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
    /// The worker ended, or lacked memory, while it was at a pack: it may have been any run of the pack, or all together.
    Pack,
    /// Supervisor and worker did not understand each other.
    Unreadable,
}

/// A further attempt at a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// It does not start before this time has passed; other runs go on meanwhile.
    pub pause: Duration,
    /// Whether it only starts while nothing else runs.
    pub alone: bool,
}

impl fmt::Display for Retry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("it is tried again")?;
        if !self.pause.is_zero() {
            write!(formatter, " in {}", humantime::format_duration(self.pause))?;
        }
        if self.alone { formatter.write_str(", while nothing else runs") } else { Ok(()) }
    }
}

/// The attempts that each run has lost.
#[derive(Debug, Default)]
pub struct Retries {
    limit: usize,
    backoff: Duration,
    charged: HashMap<usize, usize>,
    alone: HashSet<usize>,
    unread: HashSet<usize>,
}

impl Retries {
    /// `limit` further attempts for each run; the first of them `backoff` after the loss.
    pub fn new(limit: usize, backoff: Duration) -> Self {
        Self { limit, backoff, ..Self::default() }
    }

    /// The attempt that follows a lost one; `None` if the run has failed for good.
    ///
    /// A crash and a timeout consume a retry, and the pause doubles with each. A run that was out of memory is tried once
    /// more whatever the limit is, since it may have been the runs beside it that took the memory. So is a run whose
    /// messages could not be read, since that says nothing about the run. A pack that is lost consumes a retry of each of its
    /// runs, but even without one left each is tried once more, outside of a pack: most of them are not to blame.
    pub fn after(&mut self, run: usize, fault: Fault) -> Option<Retry> {
        match fault {
            Fault::OutOfMemory => {
                self.alone.insert(run).then_some(Retry { pause: self.backoff, alone: true })
            }
            Fault::Unreadable => {
                let retry = Retry { pause: Duration::ZERO, alone: self.is_alone(run) };
                self.unread.insert(run).then_some(retry)
            }
            Fault::Crash | Fault::Timeout | Fault::Pack => {
                let charged = self.charged.entry(run).or_default();
                *charged += 1;
                // A run is in no pack after this, so this does not happen to it again.
                if *charged > self.limit && fault != Fault::Pack {
                    return None;
                }
                let doublings = u32::try_from(*charged - 1).unwrap_or(u32::MAX);
                let pause = self.backoff.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_PAUSE);
                Some(Retry { pause, alone: self.is_alone(run) })
            }
        }
    }

    /// Whether a run has lost an attempt. It may have been its fault, so it takes no other run along.
    pub fn has_lost(&self, run: usize) -> bool {
        self.charged.contains_key(&run) || self.unread.contains(&run) || self.is_alone(run)
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
        (0..12).map(|_| retries.after(run, fault).map(|retry| retry.pause.as_secs())).collect()
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
        let alone = Retry { pause: Duration::ZERO, alone: true };
        assert_eq!(retries.after(7, Fault::OutOfMemory), Some(alone));
        assert!(retries.is_alone(7) && !retries.is_alone(8));
        assert_eq!(retries.after(7, Fault::OutOfMemory), None);
    }

    #[test]
    fn a_run_that_is_lost_with_its_pack_is_tried_outside_of_one_whatever_the_limit() {
        let mut retries = Retries::new(0, Duration::ZERO);
        let again = Retry { pause: Duration::ZERO, alone: false };
        assert_eq!(retries.after(2, Fault::Pack), Some(again));
        assert!(retries.has_lost(2) && !retries.is_alone(2), "it may run beside others");
        assert_eq!(retries.after(2, Fault::OutOfMemory), Some(Retry { alone: true, ..again }));
        assert_eq!(retries.after(2, Fault::Crash), None, "the pack has consumed a retry");
    }

    #[test]
    fn a_message_that_cannot_be_read_is_charged_to_nobody_the_first_time() {
        let mut retries = Retries::new(1, Duration::from_secs(9));
        let at_once = Retry { pause: Duration::ZERO, alone: false };
        assert_eq!(retries.after(3, Fault::Unreadable), Some(at_once));
        assert_eq!(pauses_s(&mut retries, 3, Fault::Crash)[..2], [Some(9), None], "its retry is still there");
        assert_eq!(retries.after(3, Fault::Unreadable), None);
        assert_eq!(retries.after(4, Fault::Unreadable), Some(at_once));
    }

    #[test]
    fn a_further_attempt_says_when_and_how_it_starts() {
        let told = |pause_ms, alone| Retry { pause: Duration::from_millis(pause_ms), alone }.to_string();
        assert_eq!(told(0, false), "it is tried again");
        assert_eq!(told(1400, true), "it is tried again in 1s 400ms, while nothing else runs");
    }
}
