//! All slots of the machine together.

use std::ops::{Index, IndexMut};
use std::time::Instant;

use super::protocol::Job;
use super::slot::{ClaimedRun, Handover, Slot, TimeLimit};
use super::worker_process::Launcher;
use crate::system::device::Placement;

/// All slots, and what starts their workers.
pub struct Slots {
    slots: Vec<Slot>,
    launcher: Box<dyn Launcher>,
}

impl Slots {
    /// A slot for each placement.
    pub fn new(placements: impl IntoIterator<Item = Placement>, launcher: Box<dyn Launcher>) -> Self {
        let slots = placements.into_iter().enumerate();
        Self { slots: slots.map(|(index, placement)| Slot::new(index, placement)).collect(), launcher }
    }

    /// Number of slots.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// The slots.
    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    /// The runs that the slots are at.
    pub fn running(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().filter_map(Slot::run)
    }

    /// Whether some slot may still get runs.
    pub fn any_usable(&self) -> bool {
        self.slots.iter().any(|slot| !slot.retired)
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
        self.slots[slot].hand_over(claimed, job, self.launcher.as_mut(), now)
    }

    /// Looks at every run at work: at its memory and its time.
    pub fn watch(&mut self, limit: TimeLimit, now: Instant) {
        self.slots.iter_mut().for_each(|slot| slot.watch(limit, now));
    }
}

impl Index<usize> for Slots {
    type Output = Slot;

    fn index(&self, slot: usize) -> &Slot {
        &self.slots[slot]
    }
}

impl IndexMut<usize> for Slots {
    fn index_mut(&mut self, slot: usize) -> &mut Slot {
        &mut self.slots[slot]
    }
}
