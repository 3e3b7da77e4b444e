//! The replay: window by window, what was planned for, what came, and what was late.

use super::fleet::{Fleet, RecentNeeds, Replicas};

/// One replayed window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplayedWindow {
    /// Replicas that served it.
    pub live: u64,
    /// Replicas that were ordered and not live yet.
    pub starting: u64,
    /// Work that came in it, in replica-seconds.
    pub work: f64,
    /// Work that was served in it, in replica-seconds.
    pub served: f64,
    /// Seconds until its last work is done, beyond its end.
    pub delay_s: f64,
}

/// A replay over consecutive windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// The windows.
    pub windows: Vec<ReplayedWindow>,
    /// Windows at whose end replicas were ordered or stopped.
    pub scale_events: usize,
}

/// What a replay cost, or the means over several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CapacityTotals {
    /// Hours of replicas that were live or starting: both are paid for.
    pub replica_hours: f64,
    /// Hours of live replicas that had nothing to do.
    pub idle_replica_hours: f64,
    /// Share of the windows whose work exceeds what their live replicas can do.
    pub under_provisioned_share: f64,
    /// Share of the work that came in windows whose delay exceeds the limit.
    pub late_work_share: f64,
    /// The longest delay, in seconds.
    pub max_delay_s: f64,
    /// Windows at whose end replicas were ordered or stopped.
    pub scale_events: f64,
}

/// Replays a policy over consecutive windows.
///
/// `work[t]` is the work of window t in replica-seconds, `planned_for[t]` the work that the policy expects in window
/// t + 1 + c at the end of window t, c being the cold start in windows. The replay begins with the replicas that the first
/// window needs.
///
/// - If more are needed than are live or starting, the difference is ordered and is live from window t + 1 + c on.
/// - If the largest need of the last `scale_down_windows` windows is less than there are, the surplus goes.
/// - A window serves at most its live replicas' time of its backlog and its own work; the rest is backlog. Its delay is the
///   backlog at its end, divided by the live replicas.
///
/// # Panics
/// If the two slices have different lengths.
pub fn replay(fleet: &Fleet, work: &[f64], planned_for: &[f64]) -> Replay {
    assert_eq!(work.len(), planned_for.len(), "one plan for each window");
    let mut recent = RecentNeeds::none(fleet);
    let mut replicas = Replicas::live(work.first().map_or(0, |&first| fleet.need(first)));
    let mut backlog = 0.0;
    let mut scale_events = 0;
    let mut windows = Vec::with_capacity(work.len());
    for (index, &work) in work.iter().enumerate() {
        replicas.begin(index);
        let due = backlog + work;
        let served = due.min(replicas.live as f64 * fleet.window_s);
        backlog = due - served;
        windows.push(ReplayedWindow {
            live: replicas.live,
            starting: replicas.starting(),
            work,
            served,
            delay_s: backlog / replicas.live as f64,
        });
        let have = replicas.live + replicas.starting();
        // More than there are can only be the need of this window: those before it were met when they came.
        let wanted = recent.push(fleet.need(planned_for[index]));
        if wanted > have {
            replicas.order(index + 1 + fleet.cold_start_windows, wanted - have);
            scale_events += 1;
        } else if wanted < have {
            replicas.release(have - wanted);
            scale_events += 1;
        }
    }
    Replay { windows, scale_events }
}

impl Replay {
    /// What it cost.
    pub fn totals(&self, fleet: &Fleet) -> CapacityTotals {
        let Self { windows, scale_events } = self;
        let hours = |seconds: f64| seconds / 3_600.0;
        let paid: u64 = windows.iter().map(|window| window.live + window.starting).sum();
        let idle_s = windows.iter().map(|window| window.live as f64 * fleet.window_s - window.served);
        let under = windows.iter().filter(|window| window.work > window.live as f64 * fleet.window_s).count();
        let late = windows.iter().filter(|window| window.delay_s > fleet.max_delay_s);
        // A sum of nothing would be -0.
        let late = late.fold(0.0, |late, window| late + window.work);
        let all: f64 = windows.iter().map(|window| window.work).sum();
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        CapacityTotals {
            replica_hours: hours(paid as f64 * fleet.window_s),
            idle_replica_hours: hours(idle_s.sum()),
            under_provisioned_share: share(under as f64, windows.len() as f64),
            late_work_share: share(late, all),
            max_delay_s: windows.iter().map(|window| window.delay_s).fold(0.0, f64::max),
            scale_events: *scale_events as f64,
        }
    }
}
