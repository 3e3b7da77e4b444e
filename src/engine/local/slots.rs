//! All slots of the machine together.

use std::cell::RefCell;
use std::ops::{Index, IndexMut, Range};
use std::rc::Rc;
use std::time::Instant;

use super::inbox::WorkerMessage;
use super::protocol::FromWorker;
use super::slot::{ClaimedRun, Handover, Slot, TimeLimit};
use super::station::Station;
use super::worker_process::Launcher;
use crate::engine::job::Job;
use crate::search::RungVerdict;
use crate::system::device::Placement;

/// All slots, and what starts their workers. A slot that takes packs has several lanes, each a slot to those who ask.
pub struct Slots {
    all: Vec<Slot>,
    /// The lanes of each worker.
    lanes: Vec<Range<usize>>,
    launcher: Box<dyn Launcher>,
}

impl Slots {
    /// A slot for each placement, with so many lanes.
    pub fn new(
        placements: impl IntoIterator<Item = (Placement, usize)>,
        launcher: Box<dyn Launcher>,
    ) -> Self {
        let (mut all, mut lanes) = (Vec::new(), Vec::new());
        for (placement, count) in placements {
            let own = all.len()..all.len() + count;
            let station = Rc::new(RefCell::new(Station::new(placement, own.start)));
            all.extend(own.clone().map(|lane| Slot::new(lane, station.clone())));
            lanes.push(own);
        }
        Self { all, lanes, launcher }
    }

    /// Number of slots, with all lanes.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// The slots.
    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.all.iter()
    }

    /// The lanes of each worker.
    pub fn workers(&self) -> Vec<Range<usize>> {
        self.lanes.clone()
    }

    /// The lanes that share a slot's worker.
    pub fn lanes_beside(&self, slot: usize) -> Range<usize> {
        self.lanes.iter().find(|lanes| lanes.contains(&slot)).cloned().unwrap_or(slot..slot + 1)
    }

    /// The number of the slot that a lane belongs to.
    pub fn number(&self, slot: usize) -> usize {
        self.lanes.iter().position(|lanes| lanes.contains(&slot)).unwrap_or(slot)
    }

    /// Whether a slot takes packs.
    pub fn takes_packs(&self, slot: usize) -> bool {
        self.lanes_beside(slot).len() > 1
    }

    /// Whether none of these lanes is at a run, and their worker may get some.
    pub fn are_free(&self, lanes: Range<usize>) -> bool {
        self.all[lanes].iter().all(Slot::is_free)
    }

    /// Number of workers that take packs, may get runs and have none.
    pub fn free_packers(&self) -> usize {
        self.lanes.iter().filter(|lanes| lanes.len() > 1 && self.are_free((*lanes).clone())).count()
    }

    /// Whether some slots are on the CPU and others on GPUs: those on the CPU then take what does not compute on a GPU.
    pub fn are_mixed(&self) -> bool {
        let is_cpu = |slot: &Slot| slot.placement == Placement::Cpu;
        self.all.iter().any(is_cpu) && !self.all.iter().all(is_cpu)
    }

    /// The slots that a message of a slot's worker is about: all runs of a pack end with its worker.
    pub fn concerned(&self, slot: usize, message: &WorkerMessage) -> Vec<usize> {
        let ends_worker = matches!(
            message,
            WorkerMessage::Ended
                | WorkerMessage::Unreadable(_)
                | WorkerMessage::Event(FromWorker::Unreadable { .. })
        );
        if !ends_worker {
            return vec![slot];
        }
        let busy: Vec<usize> =
            self.lanes_beside(slot).filter(|lane| self.all[*lane].current().is_some()).collect();
        if busy.is_empty() { vec![slot] } else { busy }
    }

    /// The runs that the slots are at.
    pub fn running(&self) -> impl Iterator<Item = usize> {
        self.all.iter().filter_map(Slot::run)
    }

    /// Whether some slot may still get runs, on a GPU if any is there.
    pub fn any_usable(&self) -> bool {
        let are_mixed = self.are_mixed();
        let counts = |slot: &&Slot| !are_mixed || slot.placement != Placement::Cpu;
        self.all.iter().filter(counts).any(|slot| !slot.is_retired())
    }

    /// As [`Slot::hand_over`].
    ///
    /// # Errors
    /// A worker that cannot be started or does not take the job; the slot is at the run nevertheless.
    pub fn hand_over(
        &mut self,
        slot: usize,
        claimed: ClaimedRun,
        job: Job,
        now: Instant,
    ) -> anyhow::Result<Handover> {
        self.all[slot].hand_over(claimed, job, self.launcher.as_mut(), now)
    }

    /// Hands the runs of a pack to the worker of these lanes, one for each of the first lanes.
    ///
    /// # Errors
    /// A worker that cannot be started or does not take the jobs; the lanes are at the runs nevertheless.
    pub fn hand_over_pack(
        &mut self,
        lanes: Range<usize>,
        pack: Vec<(ClaimedRun, Job)>,
        now: Instant,
    ) -> anyhow::Result<()> {
        let home = lanes.start;
        let is_packed = pack.len() > 1;
        let mut jobs = Vec::with_capacity(pack.len());
        for (lane, (claimed, job)) in lanes.zip(pack) {
            self.all[lane].begin(claimed, now);
            if let Some(current) = self.all[lane].current_mut() {
                current.is_packed = is_packed;
            }
            jobs.push(job);
        }
        self.all[home].hand_over_pack(jobs, self.launcher.as_mut())
    }

    /// Tells a worker the verdict on one of its runs. The time that a worker waits for verdicts is not the time of its runs:
    /// it ends with the last of those that are due, and all runs of a pack have waited for it.
    pub fn tell_verdict(&mut self, slot: usize, run_id: String, verdict: RungVerdict, now: Instant) {
        let Some(since) = self.all[slot].tell_verdict(run_id, verdict) else { return };
        let lanes = self.lanes_beside(slot);
        let lanes = &mut self.all[lanes];
        if let Some(other) = lanes.iter_mut().find(|lane| lane.run_at_rung().is_some()) {
            other.wait_since(since);
            return;
        }
        let waited = now.saturating_duration_since(since);
        for lane in lanes {
            lane.discount(waited);
        }
    }

    /// Looks at every run at work: at its memory and its time.
    pub fn watch(&mut self, limit: TimeLimit, now: Instant) {
        for lanes in &self.lanes {
            let lanes = &mut self.all[lanes.clone()];
            let waits = lanes.iter().any(|lane| lane.run_at_rung().is_some());
            for slot in lanes.iter_mut() {
                slot.watch(limit, waits, now);
            }
            let is_overtime = |slot: &Slot| slot.current().is_some_and(super::slot::CurrentRun::is_overtime);
            if lanes.iter().any(is_overtime) {
                for slot in lanes {
                    slot.set_overtime(now);
                }
            }
        }
    }
}

impl Index<usize> for Slots {
    type Output = Slot;

    fn index(&self, slot: usize) -> &Slot {
        &self.all[slot]
    }
}

impl IndexMut<usize> for Slots {
    fn index_mut(&mut self, slot: usize) -> &mut Slot {
        &mut self.all[slot]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::local::protocol::ToWorker;
    use crate::engine::local::worker_process::{Worker, WorkerExit};

    /// A worker that only notes that it was asked to end.
    struct Patient(Rc<RefCell<usize>>);

    impl Worker for Patient {
        fn send(&mut self, _: &ToWorker) -> anyhow::Result<()> {
            Ok(())
        }

        fn terminate(&mut self) {
            *self.0.borrow_mut() += 1;
        }

        fn kill(&mut self) {}

        fn peak_rss_bytes(&self) -> Option<u64> {
            None
        }

        fn reap(self: Box<Self>) -> WorkerExit {
            WorkerExit { how: "exited with code 1".to_string(), signal: None, last_words: String::new() }
        }
    }

    /// Nothing is launched here.
    struct NoLauncher;

    impl Launcher for NoLauncher {
        fn launch(&mut self, _: usize, _: u64, _: Placement) -> anyhow::Result<Box<dyn Worker>> {
            anyhow::bail!("nothing is launched here")
        }
    }

    /// Slots whose one worker is at so many runs.
    fn busy(runs: usize, now: Instant) -> (Slots, Rc<RefCell<usize>>) {
        let asked = Rc::new(RefCell::new(0));
        let worker = Box::new(Patient(asked.clone()));
        let station = Rc::new(RefCell::new(Station::with_worker(Placement::Cpu, worker)));
        let mut all: Vec<Slot> = (0..runs).map(|lane| Slot::new(lane, station.clone())).collect();
        for (run, slot) in all.iter_mut().enumerate() {
            slot.begin(ClaimedRun { run, attempt: 1 }, now);
        }
        (Slots { all, lanes: std::iter::once(0..runs).collect(), launcher: Box::new(NoLauncher) }, asked)
    }

    fn goes_on(epoch: usize) -> RungVerdict {
        RungVerdict { epoch, goes_on: true, loss: 0.5, threshold: None, rivals: 0 }
    }

    #[test]
    fn the_time_at_a_rung_does_not_count() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let (mut slots, asked) = busy(1, start);
        let limit = TimeLimit { timeout: Some(second * 10), grace: second };
        slots[0].wait_at_rung(1, start + second * 4);
        slots.watch(limit, start + second * 60);
        slots.tell_verdict(0, "run".to_string(), goes_on(1), start + second * 64);
        slots.watch(limit, start + second * 69);
        assert_eq!(*asked.borrow(), 0);
        assert_eq!(slots[0].current().unwrap().elapsed(start + second * 69), second * 9);
        slots.watch(limit, start + second * 71);
        assert_eq!(*asked.borrow(), 1);
    }

    #[test]
    fn a_run_with_its_verdict_waits_on_while_others_of_its_pack_have_none() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let (mut slots, asked) = busy(3, start);
        let limit = TimeLimit { timeout: Some(second * 10), grace: second };
        (0..3).for_each(|lane| slots[lane].wait_at_rung(1, start + second * 4));
        for (lane, told) in [(1, 5), (0, 30), (2, 64)] {
            slots.watch(limit, start + second * told);
            slots.tell_verdict(lane, format!("run {lane}"), goes_on(1), start + second * told);
        }
        slots.watch(limit, start + second * 69);
        assert_eq!(*asked.borrow(), 0);
        for lane in 0..3 {
            assert_eq!(slots[lane].current().unwrap().elapsed(start + second * 69), second * 9);
        }
        slots.watch(limit, start + second * 71);
        assert!((0..3).all(|lane| slots[lane].current().unwrap().is_overtime()));
    }
}
