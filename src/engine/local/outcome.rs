//! How attempts end other than well: what a crash, a timeout, a failure or the user's second Ctrl-C leaves in the store,
//! and whether the run is tried again.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use super::dispatcher::Dispatcher;
use super::retry::{Fault, Verdict};
use super::slot::{Occupied, speaks_of_memory};
use crate::plan::Run;
use crate::store::{Ending, Record, Status};

/// Why a run has no result although nothing is wrong with it.
const STOPPED: &str = "stopped by the user";

impl Dispatcher<'_> {
    /// Second Ctrl-C: what runs is stopped and marked, so that the store stays true.
    pub(super) fn abandon_running(&mut self) -> anyhow::Result<()> {
        let mut records = Vec::new();
        let mut abandoned = Vec::new();
        for slot in 0..self.slots.len() {
            self.slots[slot].kill();
            while let Some((run, ended)) = self.end(slot, Status::Interrupted, STOPPED) {
                records.extend([ended, self.event(run, "interrupted", STOPPED.to_string())]);
                abandoned.push((slot, run));
                self.slots[slot].occupied = self.slots[slot].ahead.pop_front().map(Occupied::now);
            }
        }
        self.store.write(&records)?;
        for (slot, run) in abandoned {
            self.summary.interrupted += 1;
            self.progress.ended(slot, &self.runs[run], Status::Interrupted, STOPPED, None);
        }
        Ok(())
    }

    /// The worker is gone: its run, if it had one, is tried again as often as the experiment allows.
    pub(super) fn settle_crash(&mut self, slot: usize) -> anyhow::Result<()> {
        let ending = self.slots[slot].bury();
        let Some(occupied) = &self.slots[slot].occupied else {
            return Ok(());
        };
        if self.slots[slot].is_unfit() {
            return self.retire(slot, &ending.text);
        }
        if occupied.overtime.is_some() {
            let limit = humantime::format_duration(self.options.timeout.unwrap_or_default());
            let error = format!("took longer than {limit}");
            return self.charge(slot, Status::TimedOut, &error, Fault::Timeout);
        }
        let fault = if ending.out_of_memory { Fault::OutOfMemory } else { Fault::Crash };
        self.charge(slot, Status::Failed, &ending.text, fault)
    }

    /// The slot's GPU cannot be used. Its run is not to blame: it waits for another slot, and this one gets no more, since
    /// a GPU that fails at once would otherwise fail all runs one after the other.
    pub(super) fn retire(&mut self, slot: usize, error: &str) -> anyhow::Result<()> {
        self.slots[slot].retired = true;
        let placement = self.slots[slot].placement;
        let error = format!("{placement} cannot be used: {error}");
        if let Some((run, ended)) = self.end(slot, Status::Interrupted, &error) {
            self.store.write(&[ended, self.event(run, "slot retired", error.clone())])?;
            self.queue.push_front(run);
            self.progress.ended(
                slot,
                &self.runs[run],
                Status::Interrupted,
                &error,
                Some("goes to another slot"),
            );
        }
        ensure!(self.slots.iter().any(|slot| !slot.retired), "no GPU is left: {error}; use --device cpu");
        Ok(())
    }

    /// The run ended in an error of its own. It would only fail again, unless it was memory that it lacked.
    pub(super) fn settle_failure(
        &mut self,
        slot: usize,
        error: &str,
        peak_rss_bytes: Option<u64>,
    ) -> anyhow::Result<()> {
        if let Some(occupied) = &mut self.slots[slot].occupied {
            occupied.peak_rss_bytes = peak_rss_bytes.or(occupied.peak_rss_bytes);
        }
        if speaks_of_memory(error) {
            let error = format!("out of memory: {error}");
            return self.charge(slot, Status::Failed, &error, Fault::OutOfMemory);
        }
        self.give_up(slot, Status::Failed, error)
    }

    /// The run's files cannot be written. Nor could those of any other run, so the sweep ends here; the run has not
    /// failed, and runs again when there is room.
    pub(super) fn settle_unsaved(&mut self, slot: usize, error: &str) -> anyhow::Result<()> {
        // Where the whole folder is gone that is the better thing to say.
        self.store.require_in_place()?;
        if let Some((run, ended)) = self.end(slot, Status::Interrupted, error) {
            let event = self.event(run, "interrupted", error.to_string());
            // On a full disk this may fail too. Then the run's owner is found dead by the next sweep.
            let _ = self.store.write(&[ended, event]);
        }
        bail!("{error}")
    }

    /// Ends an attempt that a further one may make good.
    pub(super) fn charge(
        &mut self,
        slot: usize,
        status: Status,
        error: &str,
        fault: Fault,
    ) -> anyhow::Result<()> {
        let Some(occupied) = &self.slots[slot].occupied else { return Ok(()) };
        let index = occupied.run;
        let Verdict::Again { pause, alone } = self.retries.judge(index, fault) else {
            return self.give_up(slot, status, error);
        };
        if self.stop {
            return self.give_up(slot, status, error);
        }
        let Some((_, ended)) = self.end(slot, status, error) else { return Ok(()) };
        let again = again_in_words(pause, alone);
        let records = [
            ended,
            self.event(index, status.as_str(), error.to_string()),
            self.event(index, "retried", again.clone()),
        ];
        self.store.write(&records)?;
        self.waiting_until.insert(index, Instant::now() + pause);
        self.requeue(index);
        self.progress.ended(slot, &self.runs[index], status, error, Some(&again));
        Ok(())
    }

    /// Ends an attempt for good.
    pub(super) fn give_up(&mut self, slot: usize, status: Status, error: &str) -> anyhow::Result<()> {
        let Some((index, ended)) = self.end(slot, status, error) else { return Ok(()) };
        self.store.write(&[ended, self.event(index, status.as_str(), error.to_string())])?;
        self.settled.insert(self.runs[index].id.clone());
        self.sweep.failed(index);
        self.news = true;
        self.summary.failed += 1;
        self.stop |= self.options.fail_fast;
        self.progress.ended(slot, &self.runs[index], status, error, None);
        Ok(())
    }

    /// Frees a slot, and gives its run with the record that ends the attempt.
    pub(super) fn end(&mut self, slot: usize, status: Status, error: &str) -> Option<(usize, Record)> {
        let occupied = self.slots[slot].occupied.take()?;
        let ending = Ending::Otherwise {
            status,
            error: error.to_string(),
            wall_s: occupied.started.elapsed().as_secs_f64(),
            peak_rss_bytes: occupied.peak_rss_bytes,
        };
        Some((occupied.run, ended(&self.runs[occupied.run], self.attempts[&occupied.run], ending)))
    }

    /// Looks at the memory of what runs, asks runs whose time is up to end, and kills those that do not.
    pub(super) fn watch_running(&mut self) {
        for slot in &mut self.slots {
            slot.sample_memory();
            let (Some(timeout), Some(occupied)) = (self.options.timeout, &mut slot.occupied) else {
                continue;
            };
            match occupied.overtime {
                // Waiting for a verdict is not the run's own time.
                None if occupied.at_rung.is_none() && occupied.started.elapsed() > timeout => {
                    occupied.overtime = Some(Instant::now());
                    slot.terminate();
                }
                Some(asked) if asked.elapsed() > self.options.grace => slot.kill(),
                _ => {}
            }
        }
    }
}

/// `it is tried again in 2s, alone`.
fn again_in_words(pause: Duration, alone: bool) -> String {
    let when = if pause.is_zero() {
        "it is tried again".to_string()
    } else {
        format!("it is tried again in {}", humantime::format_duration(pause))
    };
    if alone { format!("{when}, while nothing else runs") } else { when }
}

/// The record that ends an attempt.
pub(super) fn ended(run: &Run, attempt: i64, ending: Ending) -> Record {
    Record::Ended { run_id: run.id.clone(), attempt, ending }
}
