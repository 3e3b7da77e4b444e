//! How attempts end other than well: what a crash, a timeout, a failure or the user's second Ctrl-C leaves in the store,
//! and whether the run is tried again.

use super::lab::Lab;
use crate::experiment::Run;
use crate::store::{Ending, Record, Status};

impl Lab<'_> {
    /// Second Ctrl-C: what runs is stopped and marked, so that the store stays true.
    pub(super) fn abandon_running(&mut self) -> anyhow::Result<()> {
        let mut records = Vec::new();
        let mut abandoned = Vec::new();
        let mut interrupted = Vec::new();
        for slot in &mut self.slots {
            if let Some(occupied) = slot.occupied.take() {
                slot.kill();
                let wall_s = occupied.started.elapsed().as_secs_f64();
                let ending = Ending::Otherwise {
                    status: Status::Interrupted,
                    error: "stopped by the user".into(),
                    wall_s,
                };
                records.push(ended(&self.runs[occupied.run], self.attempts[&occupied.run], ending));
                interrupted.push(occupied.run);
                abandoned.push((slot.index, occupied.run));
            }
        }
        records.extend(
            interrupted.iter().map(|run| self.event(*run, "interrupted", "stopped by the user".into())),
        );
        self.store.write(&records)?;
        for (slot, run) in abandoned {
            self.summary.interrupted += 1;
            self.progress.ended(slot, &self.runs[run], Status::Interrupted, "stopped by the user", false);
        }
        Ok(())
    }

    /// The worker is gone: its run, if it had one, is tried again as often as the experiment allows.
    pub(super) fn settle_crash(&mut self, slot: usize) -> anyhow::Result<()> {
        let ending = self.slots[slot].bury();
        let Some(occupied) = &self.slots[slot].occupied else {
            return Ok(());
        };
        let (status, error) = if occupied.timed_out {
            let limit = humantime::format_duration(self.options.timeout.unwrap_or_default());
            (Status::TimedOut, format!("took longer than {limit}"))
        } else {
            (Status::Failed, ending)
        };
        self.charge(slot, status, &error)
    }

    /// Ends an attempt that a further one may make good.
    pub(super) fn charge(&mut self, slot: usize, status: Status, error: &str) -> anyhow::Result<()> {
        let Some(occupied) = &self.slots[slot].occupied else { return Ok(()) };
        let charged = self.charged.entry(occupied.run).or_default();
        *charged += 1;
        let again = *charged <= self.options.retries && !self.stop;
        self.settle_failure(slot, status, error, again)
    }

    pub(super) fn settle_failure(
        &mut self,
        slot: usize,
        status: Status,
        error: &str,
        again: bool,
    ) -> anyhow::Result<()> {
        let Some(occupied) = self.slots[slot].occupied.take() else {
            return Ok(());
        };
        let run = &self.runs[occupied.run];
        let wall_s = occupied.started.elapsed().as_secs_f64();
        let ending = Ending::Otherwise { status, error: error.to_string(), wall_s };
        let mut records = vec![
            ended(run, self.attempts[&occupied.run], ending),
            self.event(occupied.run, status.as_str(), error.to_string()),
        ];
        if again {
            records.push(self.event(occupied.run, "retried", "queued for another attempt".to_string()));
        }
        self.store.write(&records)?;
        if again {
            self.queue.push_front(occupied.run);
        } else {
            self.settled.insert(run.id.clone());
            self.summary.failed += 1;
            self.stop |= self.options.fail_fast;
        }
        self.progress.ended(slot, run, status, error, again);
        Ok(())
    }

    pub(super) fn enforce_timeouts(&mut self) {
        let Some(timeout) = self.options.timeout else {
            return;
        };
        for slot in &mut self.slots {
            let late = slot.occupied.as_mut().filter(|run| !run.timed_out && run.started.elapsed() > timeout);
            if let Some(occupied) = late {
                occupied.timed_out = true;
                slot.kill();
            }
        }
    }
}

/// The record that ends an attempt.
pub(super) fn ended(run: &Run, attempt: i64, ending: Ending) -> Record {
    Record::Ended { run_id: run.id.clone(), attempt, ending }
}
