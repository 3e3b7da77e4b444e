//! Runs at a rung: who goes on, who is pruned, and who has to wait for whom.
//!
//! A run is judged by earlier runs alone, so the earliest run that has not ended never waits. It may still be in the
//! queue while later ones hold all slots (its worker crashed, or another supervisor had it): then the latest of those that
//! wait gives its slot back. So there is always a run that can go on.
//!
//! The runs of a pack wait for each other too, so an early run may stand still because of a late one. It then gives its slot
//! back with the late one, and starts again without it: the late one is behind the runs that it waits for. A run is only
//! ever behind earlier ones, so the earliest that waits can always start.

use std::time::Instant;

use anyhow::bail;

use super::dispatcher::Dispatcher;
use super::journal::ended;
use crate::search::{RungStatus, RungVerdict};
use crate::store::{Ending, Status};

/// A slot whose run waits at a rung for runs that no slot here is at.
struct Waiting {
    slot: usize,
    rivals: Vec<usize>,
}

impl Dispatcher<'_> {
    /// Tells every run at a rung whether it goes on, as far as that is certain.
    pub(super) fn judge_waiting(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let mut waiting = Vec::new();
        for slot in 0..self.slots.len() {
            let Some((run, at)) = self.slots[slot].run_at_rung() else { continue };
            match self.sweep.rung_status(run, at.epoch) {
                RungStatus::Judged(verdict) => self.announce_verdict(slot, run, verdict, now)?,
                RungStatus::WaitsFor(rivals) => {
                    if !at.is_recorded {
                        self.record_wait(slot, run, at.epoch, &rivals)?;
                    }
                    waiting.push(Waiting { slot, rivals });
                }
                RungStatus::NoRung => bail!(
                    "run {} waits after epoch {} for a verdict that the search does not give; please report this",
                    self.sweep.run(run).id,
                    at.epoch
                ),
            }
        }
        // What runs here comes to its rung by itself.
        let here: Vec<usize> = self.slots.running().collect();
        for Waiting { rivals, .. } in &mut waiting {
            rivals.retain(|run| !here.contains(run));
        }
        waiting.retain(|waiting| !waiting.rivals.is_empty());
        if waiting.is_empty() {
            return Ok(());
        }
        if self.stop {
            // Nothing new starts, so these would wait for ever.
            for Waiting { slot, .. } in waiting {
                self.stop_waiting(slot, now)?;
            }
            return Ok(());
        }
        let missing: Vec<usize> = waiting.into_iter().flat_map(|waiting| waiting.rivals).collect();
        if self.lookout.is_due(now) {
            self.sweep.refresh(self.journal.store(), &missing)?;
        }
        // Whatever is still in the queue and could start found no room: somebody who waits for it makes some.
        if missing.iter().any(|run| self.queue.needs_only_slots(*run, now)) {
            let latest = self.slots.iter().filter_map(|slot| Some((slot.run_at_rung()?.0, slot.index))).max();
            if let Some((_, slot)) = latest {
                self.give_slot_back(slot, &missing, now)?;
            }
        }
        Ok(())
    }

    fn announce_verdict(
        &mut self,
        slot: usize,
        run: usize,
        verdict: RungVerdict,
        now: Instant,
    ) -> anyhow::Result<()> {
        let kind = if verdict.goes_on { "continued" } else { "pruned" };
        let run = self.sweep.run(run);
        self.journal.write(&[self.journal.event(run, kind, verdict.to_string())])?;
        self.slots.tell_verdict(slot, run.id.clone(), verdict, now);
        Ok(())
    }

    fn record_wait(&mut self, slot: usize, run: usize, epoch: usize, rivals: &[usize]) -> anyhow::Result<()> {
        let names: Vec<&str> =
            rivals.iter().take(8).map(|&rival| self.sweep.run(rival).id.as_str()).collect();
        let more = if rivals.len() > names.len() { ", ..." } else { "" };
        let detail = format!("epoch {epoch}: for the losses of {}{more}", names.join(", "));
        self.journal.write(&[self.journal.event(self.sweep.run(run), "waiting", detail)])?;
        self.slots[slot].set_wait_recorded();
        Ok(())
    }

    /// Ends an attempt that nobody is charged for; its run starts again after those that it waits for.
    fn give_slot_back(&mut self, slot: usize, rivals: &[usize], now: Instant) -> anyhow::Result<()> {
        self.slots[slot].reap();
        let why = "gave its slot to an earlier run that it waits for";
        // The runs of a pack go with it: they are trained in lockstep, and one that waits makes all wait.
        for lane in self.slots.lanes_beside(slot) {
            if self.settle_verdict(lane, now)? {
                continue;
            }
            let Some(current) = self.slots[lane].free() else { continue };
            self.requeue(lane, &current, "interrupted", why, "it runs again after that one", now)?;
            let run = current.claimed.run;
            let earlier = rivals.iter().copied().filter(|rival| *rival < run).collect();
            self.queue.put_back_behind(run, earlier);
        }
        Ok(())
    }

    /// Ends a run that has been told not to go on, and whose worker is gone before it could say so: it only waited for the
    /// others of its pack. Returns whether the slot was at such a run.
    fn settle_verdict(&mut self, slot: usize, now: Instant) -> anyhow::Result<bool> {
        let Some(current) = self.slots[slot].current() else { return Ok(false) };
        let claimed = current.claimed;
        let Some(verdict) = current.verdict.filter(|verdict| !verdict.goes_on) else { return Ok(false) };
        let Some(pruning) = self.sweep.pruning(claimed.run, verdict) else { return Ok(false) };
        let wall_s = current.elapsed(now).as_secs_f64();
        let ending = Ending::Pruned { pruning, wall_s, peak_rss_bytes: current.peak_rss_bytes };
        self.journal.write(&[ended(self.sweep.run(claimed.run), claimed, ending)])?;
        self.settle_pruned(slot);
        Ok(true)
    }

    /// Ends an attempt whose run waits for one that is not started any more.
    fn stop_waiting(&mut self, slot: usize, now: Instant) -> anyhow::Result<()> {
        self.slots[slot].reap();
        let why = "waits for an earlier run that is not started any more";
        for lane in self.slots.lanes_beside(slot) {
            if self.settle_verdict(lane, now)? {
                continue;
            }
            let Some(current) = self.slots[lane].free() else { continue };
            let run = self.sweep.run(current.claimed.run);
            let ended = self.ending(&current, Status::Interrupted, why, now);
            self.journal.write(&[ended, self.journal.event(run, "interrupted", why)])?;
            self.summary.interrupted += 1;
            self.progress.ended(lane, run, Status::Interrupted, why, None);
        }
        Ok(())
    }
}
