//! All slots of the machine together.

use std::cell::RefCell;
use std::ops::{Index, IndexMut, Range};
use std::rc::Rc;
use std::time::Instant;

use super::inbox::WorkerMessage;
use super::protocol::{FromWorker, Job};
use super::slot::{ClaimedRun, Handover, Slot, TimeLimit};
use super::station::Station;
use super::worker_process::Launcher;
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

    /// Number of workers that may get runs and have none.
    pub fn free_workers(&self) -> usize {
        self.lanes.iter().filter(|lanes| self.are_free((*lanes).clone())).count()
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
        let mut jobs = Vec::with_capacity(pack.len());
        for (lane, (claimed, job)) in lanes.zip(pack) {
            self.all[lane].begin(claimed, now);
            jobs.push(job);
        }
        self.all[home].hand_over_pack(jobs, self.launcher.as_mut())
    }

    /// Looks at every run at work: at its memory and its time.
    pub fn watch(&mut self, limit: TimeLimit, now: Instant) {
        for lanes in &self.lanes {
            let lanes = &mut self.all[lanes.clone()];
            for slot in lanes.iter_mut() {
                slot.watch(limit, now);
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
