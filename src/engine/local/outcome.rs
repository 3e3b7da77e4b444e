//! How attempts end: what a result, a crash, a timeout, a failure or a signal to stop leaves in the store, and whether the
//! run is tried again.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use super::dispatcher::Dispatcher;
use super::journal::ended;
use super::retry::{Fault, Retry};
use super::slot::{ClaimedRun, CurrentRun};
use crate::store::{Ending, Record, RunResult, Status};
use crate::system::interrupt;

/// Time for this process to be sent the signal that has ended a worker, if it was sent to both.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

impl Dispatcher<'_> {
    /// Its worker stopped it, as it was told.
    pub(super) fn settle_pruned(&mut self, slot: usize) {
        let Some(current) = self.slots[slot].free() else { return };
        let run = current.claimed.run;
        self.queue.settle(run);
        self.sweep.pruned(run);
        self.summary.pruned += 1;
        let verdict = current.verdict.map_or(String::new(), |verdict| verdict.to_string());
        self.progress.pruned(slot, self.sweep.run(run), &verdict);
    }

    pub(super) fn settle_done(&mut self, slot: usize, result: &RunResult) {
        let Some(current) = self.slots[slot].free() else { return };
        if current.is_overtime() {
            // It finished in the moment its time was up: the result counts, but its worker is being killed.
            self.slots[slot].reap();
        }
        let run = current.claimed.run;
        self.queue.settle(run);
        self.sweep.done(run, result);
        self.pace.done(self.sweep.run(run).spec.model.kind(), result.wall_s);
        self.summary.done += 1;
        self.progress.done(slot, self.sweep.run(run), result);
    }

    /// What runs is stopped and marked, so that the store stays true.
    pub(super) fn abandon_running(&mut self, why: &str) -> anyhow::Result<()> {
        let now = Instant::now();
        let mut records = Vec::new();
        let mut abandoned = Vec::new();
        for slot in 0..self.slots.len() {
            self.slots[slot].kill();
            if let Some(current) = self.slots[slot].free() {
                records.push(self.ending(&current, Status::Interrupted, why, now));
                abandoned.push((slot, current.claimed.run));
            }
            for claimed in self.slots[slot].take_ahead() {
                records.push(self.ending_unbegun(claimed, why));
                abandoned.push((slot, claimed.run));
            }
        }
        for &(_, run) in &abandoned {
            records.push(self.journal.event(self.sweep.run(run), "interrupted", why));
        }
        self.journal.write(&records)?;
        for (slot, run) in abandoned {
            self.summary.interrupted += 1;
            self.progress.ended(slot, self.sweep.run(run), Status::Interrupted, why, None);
        }
        Ok(())
    }

    /// The worker is gone: its run, if it had one, is tried again as often as the experiment allows.
    pub(super) fn settle_crash(&mut self, slot: usize, now: Instant) -> anyhow::Result<()> {
        let end = self.slots[slot].reap();
        let Some(current) = self.slots[slot].current() else { return Ok(()) };
        if self.slots[slot].is_unfit() {
            return self.retire(slot, &end.text, now);
        }
        if current.is_overtime() {
            let limit = humantime::format_duration(self.options.timeout.unwrap_or_default());
            let error = format!("took longer than {limit}");
            return self.charge(slot, Status::TimedOut, &error, Fault::Timeout, now);
        }
        // systemd and Slurm send their signal to the worker too, and its end may be noticed first.
        if end.by_group_signal && interrupt::is_stopped_within(SAME_SIGNAL) {
            return Ok(());
        }
        let fault = if end.out_of_memory { Fault::OutOfMemory } else { Fault::Crash };
        self.charge(slot, Status::Failed, &end.text, fault, now)
    }

    /// The slot's GPU cannot be used. Its run is not to blame: it waits for another slot, and this one gets no more, since
    /// a GPU that fails at once would otherwise fail all runs one after the other.
    pub(super) fn retire(&mut self, slot: usize, error: &str, now: Instant) -> anyhow::Result<()> {
        self.slots[slot].retire();
        let placement = self.slots[slot].placement;
        let error = format!("{placement} cannot be used: {error}");
        for lane in self.slots.lanes_beside(slot) {
            if let Some(current) = self.slots[lane].free() {
                let again = "it goes to another slot";
                self.requeue(lane, &current, "slot retired", &error, again, now)?;
            }
        }
        ensure!(self.slots.any_usable(), "no GPU is left: {error}; use --device cpu");
        Ok(())
    }

    /// The run ended in an error of its own. It would only fail again, unless it lacked memory.
    pub(super) fn settle_failure(
        &mut self,
        slot: usize,
        error: &str,
        out_of_memory: bool,
        peak_rss_bytes: Option<u64>,
        now: Instant,
    ) -> anyhow::Result<()> {
        if let Some(current) = self.slots[slot].current_mut() {
            current.peak_rss_bytes = peak_rss_bytes.or(current.peak_rss_bytes);
        }
        if out_of_memory {
            let error = format!("out of memory: {error}");
            return self.charge(slot, Status::Failed, &error, Fault::OutOfMemory, now);
        }
        self.give_up(slot, Status::Failed, error, now)
    }

    /// The run's files cannot be written. Nor could those of any other run, so the sweep ends here; the run has not
    /// failed, and runs again when there is room.
    pub(super) fn settle_unsaved(&mut self, slot: usize, error: &str, now: Instant) -> anyhow::Result<()> {
        // Where the whole folder is gone that is the better thing to say.
        self.journal.store().require_in_place()?;
        if let Some(current) = self.slots[slot].free() {
            let ended = self.ending(&current, Status::Interrupted, error, now);
            let event = self.journal.event(self.sweep.run(current.claimed.run), "interrupted", error);
            // On a full disk this may fail too. Then the run's owner is found dead by the next sweep.
            let _ = self.journal.write(&[ended, event]);
        }
        bail!("{error}")
    }

    /// Supervisor and worker did not understand each other. The worker is ended, and its run is tried once more without
    /// consuming a retry: the line may have been damaged by something else that printed to the pipe. If it happens again
    /// with the same run, that run has failed.
    pub(super) fn settle_unreadable(&mut self, slot: usize, error: &str, now: Instant) -> anyhow::Result<()> {
        self.slots[slot].reap();
        let error = format!("{error}; the worker was ended");
        let Some(run) = self.slots[slot].run() else {
            let event = self.journal.experiment_event("unreadable", format!("slot {slot}: {error}"));
            return self.journal.write(&[event]);
        };
        let Some(retry) = self.retries.after(run, Fault::Unreadable) else {
            return self.give_up(slot, Status::Failed, &format!("{error}, for the second time"), now);
        };
        let Some(current) = self.slots[slot].free() else { return Ok(()) };
        self.requeue(slot, &current, "unreadable", &error, &retry.to_string(), now)
    }

    /// Ends an attempt that a further one may make good.
    pub(super) fn charge(
        &mut self,
        slot: usize,
        status: Status,
        error: &str,
        fault: Fault,
        now: Instant,
    ) -> anyhow::Result<()> {
        let Some(current) = self.slots[slot].current() else { return Ok(()) };
        let run = current.claimed.run;
        let fault = match fault {
            Fault::Crash | Fault::OutOfMemory if current.is_packed => Fault::Pack,
            fault => fault,
        };
        match self.retries.after(run, fault) {
            Some(retry) if !self.stop => self.try_again(slot, status, error, retry, now),
            _ => self.give_up(slot, status, error, now),
        }
    }

    fn try_again(
        &mut self,
        slot: usize,
        status: Status,
        error: &str,
        retry: Retry,
        now: Instant,
    ) -> anyhow::Result<()> {
        let Some(current) = self.slots[slot].free() else { return Ok(()) };
        let index = current.claimed.run;
        let ended = self.ending(&current, status, error, now);
        let (run, again) = (self.sweep.run(index), retry.to_string());
        let records = [
            ended,
            self.journal.event(run, status.as_str(), error),
            self.journal.event(run, "retried", again.clone()),
        ];
        self.journal.write(&records)?;
        self.queue.put_back_until(index, now + retry.pause);
        self.progress.ended(slot, run, status, error, Some(&again));
        Ok(())
    }

    /// Ends an attempt that nobody is charged for, and puts its run back into the queue.
    pub(super) fn requeue(
        &mut self,
        slot: usize,
        current: &CurrentRun,
        kind: &'static str,
        why: &str,
        again: &str,
        now: Instant,
    ) -> anyhow::Result<()> {
        let ended = self.ending(current, Status::Interrupted, why, now);
        let run = self.sweep.run(current.claimed.run);
        self.journal.write(&[ended, self.journal.event(run, kind, why)])?;
        self.queue.put_back(current.claimed.run);
        self.progress.ended(slot, run, Status::Interrupted, why, Some(again));
        Ok(())
    }

    /// Ends an attempt for good.
    pub(super) fn give_up(
        &mut self,
        slot: usize,
        status: Status,
        error: &str,
        now: Instant,
    ) -> anyhow::Result<()> {
        let Some(current) = self.slots[slot].free() else { return Ok(()) };
        let index = current.claimed.run;
        let ended = self.ending(&current, status, error, now);
        let event = self.journal.event(self.sweep.run(index), status.as_str(), error);
        self.journal.write(&[ended, event])?;
        self.queue.settle(index);
        self.sweep.failed(index);
        self.summary.failed += 1;
        self.stop |= self.options.fail_fast;
        self.progress.ended(slot, self.sweep.run(index), status, error, None);
        Ok(())
    }

    /// The record that ends an attempt without a result.
    pub(super) fn ending(&self, current: &CurrentRun, status: Status, error: &str, now: Instant) -> Record {
        let ending = Ending::Otherwise {
            status,
            error: error.to_string(),
            wall_s: current.elapsed(now).as_secs_f64(),
            peak_rss_bytes: current.peak_rss_bytes,
        };
        ended(self.sweep.run(current.claimed.run), current.claimed, ending)
    }

    /// The record that ends the attempt at a run that its worker did not come to.
    pub(super) fn ending_unbegun(&self, claimed: ClaimedRun, why: &str) -> Record {
        let ending = Ending::Otherwise {
            status: Status::Interrupted,
            error: why.to_string(),
            wall_s: 0.0,
            peak_rss_bytes: None,
        };
        ended(self.sweep.run(claimed.run), claimed, ending)
    }
}
