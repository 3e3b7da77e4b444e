//! Runs at a rung: who goes on, who is given up, and who has to wait for whom.
//!
//! A run is judged by earlier runs alone, so the earliest run that is not at its end never waits. It may still be in the
//! queue while later ones hold all slots (its worker crashed, or another supervisor had it): then the latest of those that
//! wait gives its slot back. So there is always a run that can go on.

use std::time::{Duration, Instant};

use super::dispatcher::Dispatcher;
use crate::search::{Missing, Verdict};
use crate::store::Status;

/// Pause between looks at the runs of other supervisors.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// A run at a rung.
#[derive(Debug, Clone, Copy)]
pub(super) struct AtRung {
    /// The epoch.
    pub epoch: usize,
    /// Since when.
    since: Instant,
    /// Whether it is known to wait for others.
    waits: bool,
}

impl AtRung {
    pub(super) fn new(epoch: usize) -> Self {
        Self { epoch, since: Instant::now(), waits: false }
    }
}

impl Dispatcher<'_> {
    /// Tells every run at a rung whether it goes on, as far as that is certain.
    pub(super) fn judge_waiting(&mut self) -> anyhow::Result<()> {
        let mut waiting: Vec<(usize, Missing)> = Vec::new();
        for slot in 0..self.slots.len() {
            let Some((run, at)) = self.at_rung(slot) else { continue };
            match self.sweep.verdict(run, at.epoch) {
                Ok(verdict) => self.announce_verdict(slot, verdict)?,
                Err(rivals) => {
                    self.announce_waiting(slot, &rivals)?;
                    waiting.push((slot, rivals));
                }
            }
        }
        // What runs here comes to its rung by itself.
        let here: Vec<usize> = self
            .slots
            .iter()
            .filter_map(|slot| slot.occupied.as_ref().map(|occupied| occupied.run))
            .collect();
        for (_, rivals) in &mut waiting {
            rivals.retain(|run| !here.contains(run));
        }
        waiting.retain(|(_, rivals)| !rivals.is_empty());
        if waiting.is_empty() {
            return Ok(());
        }
        if self.stop {
            // Nothing new starts, so these would wait for ever.
            for (slot, _) in waiting {
                self.give_back(slot, "waits for an earlier run that is not started any more")?;
            }
            return Ok(());
        }
        let missing: Vec<usize> = waiting.into_iter().flat_map(|(_, rivals)| rivals).collect();
        let now = Instant::now();
        if self.looked_at.is_none_or(|looked| now - looked >= LOOK_PAUSE) {
            self.looked_at = Some(now);
            self.sweep.refresh(self.store, &missing)?;
        }
        // Whatever is still in the queue and could start found no room: somebody who waits for it makes some.
        if missing.iter().any(|run| self.queue.contains(run) && self.is_ready(*run, now)) {
            let latest =
                (0..self.slots.len()).filter_map(|slot| self.at_rung(slot).map(|(run, _)| (run, slot))).max();
            if let Some((run, slot)) = latest {
                self.yielded.insert(run, missing);
                self.give_back(slot, "gave its slot to an earlier run that it waits for")?;
            }
        }
        Ok(())
    }

    fn at_rung(&self, slot: usize) -> Option<(usize, AtRung)> {
        let occupied = self.slots[slot].occupied.as_ref()?;
        Some((occupied.run, occupied.at_rung?))
    }

    fn announce_verdict(&mut self, slot: usize, verdict: Verdict) -> anyhow::Result<()> {
        let Some((run, at)) = self.at_rung(slot) else { return Ok(()) };
        let kind = if verdict.goes_on { "continued" } else { "pruned" };
        let event = self.event(run, kind, verdict.to_string());
        self.store.write(&[event])?;
        if let Some(occupied) = &mut self.slots[slot].occupied {
            // Waiting for others is not the run's own time.
            occupied.started += at.since.elapsed();
            occupied.at_rung = None;
            occupied.verdict = Some(verdict);
        }
        let run_id = self.runs[run].id.clone();
        // A worker that is gone meanwhile is noticed by the end of its output.
        let _ = self.slots[slot].tell_verdict(run_id, verdict.epoch, verdict.goes_on);
        Ok(())
    }

    fn announce_waiting(&mut self, slot: usize, rivals: &[usize]) -> anyhow::Result<()> {
        let Some((run, at)) = self.at_rung(slot) else { return Ok(()) };
        if at.waits {
            return Ok(());
        }
        let names: Vec<&str> = rivals.iter().take(8).map(|rival| self.runs[*rival].id.as_str()).collect();
        let more = if rivals.len() > names.len() { ", ..." } else { "" };
        let detail = format!("epoch {}: for the losses of {}{more}", at.epoch, names.join(", "));
        let event = self.event(run, "waiting", detail);
        self.store.write(&[event])?;
        if let Some(at) = self.slots[slot].occupied.as_mut().and_then(|occupied| occupied.at_rung.as_mut()) {
            at.waits = true;
        }
        Ok(())
    }

    /// Ends an attempt that is charged to nobody; the run goes back to its place in the queue, unless nothing starts any
    /// more.
    fn give_back(&mut self, slot: usize, why: &str) -> anyhow::Result<()> {
        self.slots[slot].bury();
        let Some((run, ended)) = self.end(slot, Status::Interrupted, why) else { return Ok(()) };
        let event = self.event(run, "interrupted", why.to_string());
        self.store.write(&[ended, event])?;
        let again = if self.stop {
            self.summary.interrupted += 1;
            None
        } else {
            self.requeue(run);
            Some("it runs again after that one")
        };
        self.progress.ended(slot, &self.runs[run], Status::Interrupted, why, again);
        Ok(())
    }
}
