//! Gathers the runs that start together on a slot.

use std::time::Instant;

use super::dispatcher::Dispatcher;
use super::packing::{PACKED, Packing};

impl Dispatcher<'_> {
    /// What becomes of a run on a slot that takes packs.
    fn packing(&mut self, run: usize) -> Packing {
        if self.retries.has_lost(run) {
            return Packing::Alone("it has lost an attempt");
        }
        let (sweep, size, room) = (&self.sweep, self.options.pack, self.options.room);
        let known = self.packings.0.entry(run);
        known.or_insert_with(|| Packing::of(sweep.run(run), sweep.rungs(run), size, room)).clone()
    }

    /// The runs that start together with one that was taken out of the queue, that one first.
    pub(super) fn gather_pack(&mut self, slot: usize, first: usize, now: Instant) -> Vec<usize> {
        let mut pack = vec![first];
        let lanes = self.slots.lanes_beside(slot).len();
        if lanes < 2 || self.retries.is_alone(first) {
            return pack;
        }
        let Packing::Together { shape, most } = self.packing(first) else { return pack };
        let mut others = Vec::new();
        for run in self.queue.ready(now) {
            let fits = matches!(self.packing(run), Packing::Together { shape: own, .. } if own == shape);
            if fits && !self.retries.is_alone(run) {
                others.push(run);
            }
        }
        // The free slots that take packs share them, this one included.
        let share = (1 + others.len()).div_ceil(self.slots.free_packers().max(1));
        for run in others.into_iter().take(share.min(most).min(lanes) - 1) {
            if self.spending.spent(pack.len(), now).is_some() {
                break;
            }
            self.queue.take_out(run);
            pack.push(run);
        }
        pack
    }

    /// Kind and particulars of what the store keeps of how a run starts: [`PACKED`] or alone; nothing where no pack could have
    /// been.
    pub(super) fn packing_event(
        &mut self,
        slot: usize,
        run: usize,
        together: usize,
    ) -> Option<(&'static str, String)> {
        if !self.slots.takes_packs(slot) {
            return None;
        }
        if together > 1 {
            let others = if together == 2 { "run" } else { "runs" };
            return Some((PACKED, format!("together with {} other {others} of its shape", together - 1)));
        }
        let why = match self.packing(run) {
            Packing::Alone(why) => why,
            Packing::Together { .. } => "no other run of its shape could start",
        };
        Some(("alone", why.to_string()))
    }
}
