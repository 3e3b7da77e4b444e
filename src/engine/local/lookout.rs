//! When the runs of other supervisors are looked at.

use std::time::{Duration, Instant};

/// Pause between looks at the runs of other supervisors.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// When the runs of other supervisors were looked at, for those that wait for them.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    last: Option<Instant>,
}

impl Lookout {
    /// Whether it is time for another look, which then counts as taken.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= LOOK_PAUSE);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_supervisors_are_looked_at_twice_a_second() {
        let (mut lookout, now) = (Lookout::default(), Instant::now());
        assert!(lookout.is_due(now));
        assert!(!lookout.is_due(now + Duration::from_millis(499)));
        assert!(lookout.is_due(now + Duration::from_millis(500)));
    }
}
