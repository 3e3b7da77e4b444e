//! Which run goes to which slot: runs are chosen in the order of the plan, claimed in the store, and handed over.

use std::time::{Duration, Instant};

use super::dispatcher::Dispatcher;
use super::outcome::ended;
use super::protocol::{FromWorker, Job};
use super::retry::Fault;
use super::slot::{Occupied, SlotMessage};
use crate::store::{Attempt, Claim, ClaimRequest, Ending, Status, saved_file};

/// Pause before a run that another supervisor has is looked at again.
const TAKEN_PAUSE: Duration = Duration::from_secs(1);

/// Runs that take longer are handed out one by one.
const MOMENT: Duration = Duration::from_millis(50);

/// Short runs that a worker has beside the one that it is at: enough to keep it busy while the store is written.
const AHEAD: usize = 2;

impl Dispatcher<'_> {
    /// Puts a run back to its place: the queue is in the order of the plan, so that earlier runs come first.
    pub(super) fn requeue(&mut self, run: usize) {
        let at = self.queue.iter().position(|queued| *queued > run).unwrap_or(self.queue.len());
        self.queue.insert(at, run);
    }

    /// Hands the next runs that are ready to the slots that are free.
    pub(super) fn fill_slots(&mut self) -> anyhow::Result<()> {
        for index in 0..self.slots.len() {
            while self.slots[index].is_free() {
                let Some(run) = self.next_ready() else {
                    return Ok(());
                };
                if let Some(spent) = self.options.budget.spent(self.started.len()) {
                    self.requeue(run);
                    self.stop = true;
                    self.summary.spent = Some(spent);
                    let running = self.slots.iter().filter(|slot| slot.occupied.is_some()).count();
                    self.progress.spent(spent, running);
                    return Ok(());
                }
                self.hand_over(index, run)?;
            }
        }
        Ok(())
    }

    /// The next run whose candidates are settled and that need not wait for anything else. One that is only tried alone
    /// comes when nothing else can, and nothing starts beside it.
    fn next_ready(&mut self) -> Option<usize> {
        let mut running = self.slots.iter().filter_map(|slot| slot.occupied.as_ref());
        if running.clone().any(|occupied| self.retries.is_alone(occupied.run)) {
            return None;
        }
        let idle = running.next().is_none();
        let now = Instant::now();
        let ready = |run: &usize| self.is_ready(*run, now);
        let in_company = self.queue.iter().position(|run| ready(run) && !self.retries.is_alone(*run));
        let at = in_company.or_else(|| idle.then(|| self.queue.iter().position(ready)).flatten())?;
        self.queue.remove(at)
    }

    pub(super) fn is_ready(&self, run: usize, now: Instant) -> bool {
        self.runs[run].candidates.iter().all(|candidate| self.settled.contains(candidate))
            && self.waiting_until.get(&run).is_none_or(|until| *until <= now)
            // Those that a run gave its slot back to go first, whatever company they can bear.
            && self.yielded.get(&run).is_none_or(|rivals| !rivals.iter().any(|rival| self.queue.contains(rival)))
    }

    fn hand_over(&mut self, slot: usize, index: usize) -> anyhow::Result<()> {
        let request = self.claim_request(slot, index);
        for claim in self.store.write_and_claim(&[], &[request])? {
            self.take_up(slot, index, claim)?;
        }
        Ok(())
    }

    pub(super) fn claim_request(&self, slot: usize, index: usize) -> ClaimRequest {
        let run_id = self.runs[index].id.clone();
        let forced = self.options.forced;
        let search = self.sweep.fingerprint(index).filter(|_| !forced).map(str::to_string);
        let kept_by = (!forced).then(|| saved_file(&self.options.results, &run_id));
        let attempt = Attempt {
            experiment: self.options.experiment.clone(),
            device: self.slots[slot].placement.to_string(),
            slot,
            git_commit: self.options.git_commit.clone(),
            git_dirty: self.options.git_dirty,
        };
        ClaimRequest { run_id, attempt, search, kept_by }
    }

    /// Runs for the slots that a batch frees. They are claimed in the transaction that records the batch: of short runs
    /// the store's work would otherwise be the greater part. What depends on results is left to [`Self::fill_slots`].
    pub(super) fn next_for(&mut self, batch: &[(usize, SlotMessage)]) -> Vec<(usize, usize)> {
        let mut next = Vec::new();
        let plain = |message: &SlotMessage| {
            matches!(
                message,
                SlotMessage::Event(FromWorker::Done(_) | FromWorker::Epoch(_) | FromWorker::Ready { .. })
            )
        };
        if self.stop || self.sweep.learns() || !batch.iter().all(|(_, message)| plain(message)) {
            return next;
        }
        for (slot, message) in batch {
            let timely =
                self.slots[*slot].occupied.as_ref().is_some_and(|occupied| occupied.overtime.is_none());
            if !timely || !matches!(message, SlotMessage::Event(FromWorker::Done(_))) {
                continue;
            }
            if self.options.budget.spent(self.started.len() + next.len()).is_some() {
                break;
            }
            if self.slots[*slot].ahead.is_empty() {
                let Some(run) = self.next_ready() else { break };
                next.push((*slot, run));
            }
            let ended = self.slots[*slot].occupied.as_ref().map(|ended| (ended.run, ended.started.elapsed()));
            for _ in self.slots[*slot].ahead.len()..AHEAD {
                if self.options.budget.spent(self.started.len() + next.len()).is_some() {
                    return next;
                }
                let Some(run) = ended.and_then(|(run, taken)| self.next_ahead(run, taken)) else { break };
                next.push((*slot, run));
            }
        }
        next
    }

    /// A run that a slot's worker may have before it is through with another: one that is over in a moment, as far as the
    /// run before tells. A longer one would be kept from slots that become free meanwhile.
    fn next_ahead(&mut self, before: usize, taken: Duration) -> Option<usize> {
        let before = &self.runs[before].spec.model;
        if before.is_trained() || taken > MOMENT {
            return None;
        }
        let kind = before.kind();
        let next = self.next_ready()?;
        let run = &self.runs[next];
        if run.spec.model.kind() == kind && run.candidates.is_empty() {
            return Some(next);
        }
        self.requeue(next);
        None
    }

    /// Puts the first run that a slot's worker has been sent already in the place of the one that ended; or all of them
    /// back into the queue, if that worker is gone.
    pub(super) fn advance(&mut self, slot: usize) -> anyhow::Result<()> {
        if self.slots[slot].has_worker() {
            if self.slots[slot].occupied.is_none()
                && let Some(run) = self.slots[slot].ahead.pop_front()
            {
                self.slots[slot].occupied = Some(Occupied::now(run));
                self.progress.started(slot, &self.runs[run]);
            }
            return Ok(());
        }
        let error = "its worker ended before it began";
        let mut records = Vec::new();
        for run in std::mem::take(&mut self.slots[slot].ahead) {
            let ending = Ending::Otherwise {
                status: Status::Interrupted,
                error: error.to_string(),
                wall_s: 0.0,
                peak_rss_bytes: None,
            };
            records.push(ended(&self.runs[run], self.attempts[&run], ending));
            records.push(self.event(run, "interrupted", error.to_string()));
            self.requeue(run);
        }
        self.store.write(&records)
    }

    /// Starts a run, if the claim was granted.
    pub(super) fn take_up(&mut self, slot: usize, index: usize, claim: Claim) -> anyhow::Result<()> {
        let run = self.runs[index].clone();
        let attempt = match claim {
            Claim::Granted(attempt) => attempt,
            Claim::Done | Claim::Pruned => {
                self.summary.done_elsewhere += 1;
                self.sweep.refresh(self.store, &[index])?;
                self.news = true;
                self.objectives = self.store.objectives(&self.options.experiment, &self.options.selection)?;
                self.settled.insert(run.id.clone());
                return Ok(());
            }
            Claim::Taken => {
                self.waiting_until.insert(index, Instant::now() + TAKEN_PAUSE);
                self.requeue(index);
                return Ok(());
            }
        };
        self.attempts.insert(index, attempt);
        self.started.insert(index);
        let members = match self.choose_members(&run) {
            Ok(members) => members,
            Err(error) => {
                self.slots[slot].occupied = Some(Occupied::now(index));
                return self.give_up(slot, Status::Failed, &error);
            }
        };
        let job = Job {
            run_id: run.id.clone(),
            spec: run.spec.clone(),
            seed: run.seed,
            fold: run.fold,
            dataset_sha256: run.dataset_sha256.clone(),
            members,
            rungs: self.sweep.rungs(index).to_vec(),
            results: self.options.results.clone(),
        };
        if self.slots[slot].occupied.is_some() {
            self.slots[slot].ahead.push_back(index);
            // A worker that does not take it is gone, and says so in its last message: then the run goes back.
            let _ = self.slots[slot].send_ahead(job);
            return Ok(());
        }
        self.slots[slot].occupied = Some(Occupied::now(index));
        if let Err(error) = self.slots[slot].send(job, &self.sender) {
            let ending = self.slots[slot].bury();
            let error = format!("{error:#}; {}", ending.text);
            if self.slots[slot].is_unfit() {
                return self.retire(slot, &error);
            }
            return self.charge(slot, Status::Failed, &error, Fault::Crash);
        }
        self.progress.started(slot, &run);
        Ok(())
    }
}
