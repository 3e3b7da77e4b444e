//! The queue: which runs wait for a slot, and what each of them waits for besides.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Instant;

/// Runs of the plan, by index, that wait for a slot. Earlier runs of the plan come first.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: BTreeSet<usize>,
    /// Runs that wait or are at work: their results may still change.
    open: HashSet<usize>,
    /// The runs that a run chooses from: it starts when none of them is open.
    candidates: HashMap<usize, Vec<usize>>,
    /// Runs that do not start before some instant: another supervisor has them, or they are tried again later.
    not_before: HashMap<usize, Instant>,
    /// Runs that gave their slot to others, with those: they start when none of the others waits.
    behind: HashMap<usize, Vec<usize>>,
}

impl Queue {
    /// Adds a run of the plan, with the runs whose results it needs.
    pub fn add(&mut self, run: usize, candidates: Vec<usize>) {
        self.waiting.insert(run);
        self.open.insert(run);
        if !candidates.is_empty() {
            self.candidates.insert(run, candidates);
        }
    }

    /// Puts a run back to its place in the order of the plan.
    pub fn put_back(&mut self, run: usize) {
        self.waiting.insert(run);
    }

    /// Puts a run back that must not start before an instant.
    pub fn put_back_until(&mut self, run: usize, instant: Instant) {
        self.not_before.insert(run, instant);
        self.waiting.insert(run);
    }

    /// Puts a run back that must not start while one of these waits. They stand before it in the plan: where each run is
    /// only behind earlier ones, no two of them wait for each other.
    pub fn put_back_behind(&mut self, run: usize, others: Vec<usize>) {
        self.behind.insert(run, others);
        self.waiting.insert(run);
    }

    /// A run has ended for good: what chooses from it need not wait for it any more.
    pub fn settle(&mut self, run: usize) {
        self.waiting.remove(&run);
        self.open.remove(&run);
    }

    /// Takes out the first run that can start now and that `admits` lets through.
    pub fn take(&mut self, now: Instant, admits: impl Fn(usize) -> bool) -> Option<usize> {
        let run = self.waiting.iter().copied().find(|&run| self.can_start(run, now) && admits(run))?;
        self.waiting.remove(&run);
        Some(run)
    }

    /// The runs that wait for nothing but a slot, in the order of the plan.
    pub fn ready(&self, now: Instant) -> Vec<usize> {
        self.waiting.iter().copied().filter(|&run| self.can_start(run, now)).collect()
    }

    /// Takes out a run that is ready.
    pub fn take_out(&mut self, run: usize) {
        self.waiting.remove(&run);
    }

    /// Whether a run waits for nothing but slots: for one of its own, or behind runs of which one waits for nothing else.
    pub fn needs_only_slots(&self, run: usize, now: Instant) -> bool {
        let (mut open, mut seen) = (vec![run], HashSet::new());
        while let Some(run) = open.pop() {
            if !self.waiting.contains(&run) || !seen.insert(run) {
                continue;
            }
            if self.can_start(run, now) {
                return true;
            }
            open.extend(self.behind.get(&run).into_iter().flatten());
        }
        false
    }

    fn can_start(&self, run: usize, now: Instant) -> bool {
        self.candidates.get(&run).is_none_or(|needed| !needed.iter().any(|other| self.open.contains(other)))
            && self.not_before.get(&run).is_none_or(|instant| *instant <= now)
            && self.behind.get(&run).is_none_or(|others| !others.iter().any(|run| self.waiting.contains(run)))
    }

    /// Number of runs that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether no run waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn queue_of(runs: usize) -> Queue {
        let mut queue = Queue::default();
        (0..runs).for_each(|run| queue.add(run, Vec::new()));
        queue
    }

    /// Whether a run waits for nothing but a slot.
    fn is_ready(queue: &Queue, run: usize, now: Instant) -> bool {
        queue.waiting.contains(&run) && queue.can_start(run, now)
    }

    #[test]
    fn a_run_that_is_put_back_keeps_its_place_in_the_plan() {
        let (mut queue, now) = (queue_of(3), Instant::now());
        assert_eq!(queue.take(now, |_| true), Some(0));
        assert_eq!(queue.take(now, |_| true), Some(1));
        queue.put_back(0);
        assert_eq!(queue.take(now, |_| true), Some(0));
        assert_eq!((queue.take(now, |_| true), queue.take(now, |_| true)), (Some(2), None));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_run_that_is_not_admitted_lets_later_ones_pass() {
        let (mut queue, now) = (queue_of(2), Instant::now());
        assert_eq!(queue.take(now, |run| run != 0), Some(1));
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn an_ensemble_starts_when_its_last_candidate_has_ended() {
        let (mut queue, now) = (queue_of(2), Instant::now());
        queue.add(2, vec![0, 1]);
        assert!(queue.take(now, |run| run != 2) == Some(0) && queue.take(now, |run| run != 2) == Some(1));
        queue.settle(0);
        assert!(!is_ready(&queue, 2, now), "run 1 is at work");
        queue.settle(1);
        assert_eq!(queue.take(now, |_| true), Some(2));
    }

    #[test]
    fn a_candidate_that_this_supervisor_does_not_run_holds_nothing_up() {
        let mut queue = Queue::default();
        queue.add(5, vec![3]);
        assert!(is_ready(&queue, 5, Instant::now()));
    }

    #[test]
    fn a_run_that_pauses_starts_when_its_time_has_come() {
        let (mut queue, now) = (queue_of(1), Instant::now());
        let run = queue.take(now, |_| true).unwrap();
        queue.put_back_until(run, now + Duration::from_secs(5));
        assert_eq!(queue.take(now + Duration::from_secs(4), |_| true), None);
        assert_eq!(queue.take(now + Duration::from_secs(5), |_| true), Some(run));
    }

    #[test]
    fn a_run_that_gave_its_slot_away_waits_until_the_others_have_one() {
        let (mut queue, now) = (queue_of(3), Instant::now());
        assert_eq!(queue.take(now, |run| run == 2), Some(2));
        queue.put_back_behind(2, vec![1]);
        assert!(!is_ready(&queue, 2, now));
        assert_eq!(queue.take(now, |run| run == 1), Some(1));
        assert!(is_ready(&queue, 2, now), "run 1 is at work, run 0 is not what it waits for");
    }

    #[test]
    fn a_run_behind_one_that_could_start_needs_only_slots() {
        let (mut queue, now) = (queue_of(3), Instant::now());
        (0..3).for_each(|run| queue.take_out(run));
        assert!(!queue.needs_only_slots(2, now), "it is at work");
        queue.put_back_until(0, now + Duration::from_secs(1));
        queue.put_back_behind(1, vec![0]);
        queue.put_back_behind(2, vec![1]);
        assert!(!queue.needs_only_slots(2, now), "run 0 pauses");
        assert!(queue.needs_only_slots(2, now + Duration::from_secs(1)));
    }
}
