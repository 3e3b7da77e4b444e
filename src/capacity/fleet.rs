//! The replicas that an autoscaler starts and stops.

use std::collections::VecDeque;

/// What is known of a service's replicas, and how they are scaled.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet {
    /// Seconds of a window.
    pub window_s: f64,
    /// The share of a replica's time that is planned for, above 0 and at most 1.
    pub target_utilization: f64,
    /// Whole windows from the order of a replica to its first served window, beyond the next one.
    pub cold_start_windows: usize,
    /// Windows whose largest need keeps replicas from being stopped, the current one included; at least 1.
    pub scale_down_windows: usize,
    /// The fewest replicas, at least 1.
    pub min_replicas: u64,
    /// The most replicas.
    pub max_replicas: u64,
    /// Seconds of delay beyond which work counts as late.
    pub max_delay_s: f64,
}

impl Fleet {
    /// Replicas that a window with this work needs.
    pub fn need(&self, work: f64) -> u64 {
        let replicas = (work / (self.window_s * self.target_utilization)).ceil();
        // A work that is not finite, or beyond all integers, needs as many as there may be.
        let replicas = if replicas.is_finite() { replicas.max(0.0) as u64 } else { self.max_replicas };
        replicas.clamp(self.min_replicas, self.max_replicas)
    }
}

/// What the last windows needed: replicas that one of them needed are not let go.
#[derive(Debug, Clone)]
pub struct RecentNeeds {
    windows: usize,
    needs: VecDeque<u64>,
}

impl RecentNeeds {
    /// No window yet.
    pub fn none(fleet: &Fleet) -> Self {
        Self { windows: fleet.scale_down_windows.max(1), needs: VecDeque::new() }
    }

    /// Adds what another window needs, and tells how many replicas are wanted: the most of the last windows.
    pub fn push(&mut self, need: u64) -> u64 {
        self.needs.push_back(need);
        if self.needs.len() > self.windows {
            self.needs.pop_front();
        }
        self.needs.iter().copied().max().unwrap_or(need)
    }

    /// Takes back the last need, for another one in its place.
    pub fn pop(&mut self) {
        self.needs.pop_back();
    }
}

/// Replicas that are live, and those that were ordered.
#[derive(Debug, Clone, Default)]
pub(super) struct Replicas {
    pub(super) live: u64,
    /// The window from which they are live, and how many; the oldest order first.
    orders: VecDeque<(usize, u64)>,
}

impl Replicas {
    pub(super) fn live(count: u64) -> Self {
        Self { live: count, orders: VecDeque::new() }
    }

    pub(super) fn starting(&self) -> u64 {
        self.orders.iter().map(|(_, count)| count).sum()
    }

    /// Takes in the orders that are ready at the start of a window.
    pub(super) fn begin(&mut self, window: usize) {
        while let Some((_, count)) = self.orders.pop_front_if(|(ready, _)| *ready <= window) {
            self.live += count;
        }
    }

    pub(super) fn order(&mut self, ready: usize, count: u64) {
        self.orders.push_back((ready, count));
    }

    /// Lets replicas go: first those that are still starting, the newest orders first, then live ones.
    pub(super) fn release(&mut self, mut surplus: u64) {
        while let Some((_, count)) = self.orders.back_mut().filter(|_| surplus > 0) {
            let gone = surplus.min(*count);
            *count -= gone;
            surplus -= gone;
            if *count == 0 {
                self.orders.pop_back();
            }
        }
        self.live -= surplus.min(self.live);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_orders_go_before_older_ones_and_before_live_replicas() {
        let mut replicas = Replicas::live(3);
        replicas.order(5, 2);
        replicas.order(6, 2);
        replicas.release(3);
        assert_eq!((replicas.live, replicas.starting()), (3, 1));
        replicas.release(2);
        assert_eq!((replicas.live, replicas.starting()), (2, 0));
    }

    #[test]
    fn need_is_rounded_up_and_kept_within_its_limits() {
        let fleet = Fleet {
            window_s: 10.0,
            target_utilization: 0.5,
            cold_start_windows: 0,
            scale_down_windows: 1,
            min_replicas: 2,
            max_replicas: 9,
            max_delay_s: 1.0,
        };
        assert_eq!([0.0, 15.1, 1e9, f64::INFINITY, f64::NAN].map(|work| fleet.need(work)), [2, 4, 9, 9, 9]);
    }
}
