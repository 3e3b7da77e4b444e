//! Which run goes to which slot: runs are chosen in the order of the plan, claimed in the store, and handed over.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::dispatcher::Dispatcher;
use super::inbox::WorkerMessage;
use super::protocol::FromWorker;
use super::retry::Fault;
use super::slot::{ClaimedRun, Handover};
use crate::engine::job::Job;
use crate::store::{Attempt, Claim, ClaimRequest, Status, saved_file};
use crate::system::device::Placement;
use crate::text::causes;

/// Pause before a run that another supervisor has is looked at again.
const TAKEN_PAUSE: Duration = Duration::from_secs(1);

/// Runs that take longer are handed out one by one.
const MOMENT: Duration = Duration::from_millis(50);

/// Short runs that a worker has beside the one that it is at: enough to keep it busy while the store is written.
const AHEAD: usize = 2;

/// Why a run did not begin.
const UNBEGUN: &str = "its worker ended before it began";

/// A run that was taken out of the queue for a slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct NextRun {
    pub slot: usize,
    pub run: usize,
}

impl Dispatcher<'_> {
    /// Hands the next runs that are ready to the slots that are free.
    pub(super) fn fill_slots(&mut self) -> anyhow::Result<()> {
        for lanes in self.slots.workers() {
            while self.slots.are_free(lanes.clone()) {
                let now = Instant::now();
                let Some(first) = self.next_ready(lanes.start, now) else { break };
                if let Some(spent) = self.spending.spent(0, now) {
                    self.queue.put_back(first);
                    self.stop = true;
                    self.summary.spent = Some(spent);
                    self.progress.spent(spent, self.slots.running().count());
                    return Ok(());
                }
                let runs = self.gather_pack(lanes.start, first, now);
                let requests: Vec<_> = runs.iter().map(|&run| self.claim_request(lanes.start, run)).collect();
                let claims = self.journal.write_and_claim(&[], &requests)?;
                let mut granted = Vec::new();
                for (run, claim) in runs.into_iter().zip(claims) {
                    granted.extend(self.take_claim(run, claim, now)?);
                }
                self.note_packing(lanes.start, &granted)?;
                match granted[..] {
                    [] => {}
                    [claimed] => self.begin(lanes.start, claimed, now)?,
                    _ => self.begin_pack(lanes.clone(), &granted, now)?,
                }
            }
        }
        Ok(())
    }

    /// Records with which others the runs are trained that a slot takes up, where it takes packs.
    fn note_packing(&mut self, slot: usize, granted: &[ClaimedRun]) -> anyhow::Result<()> {
        let mut records = Vec::new();
        for claimed in granted {
            let event = self.packing_event(slot, claimed.run, granted.len());
            let run = self.sweep.run(claimed.run);
            records.extend(event.map(|(kind, detail)| self.journal.event(run, kind, detail)));
        }
        if records.is_empty() { Ok(()) } else { self.journal.write(&records) }
    }

    /// Takes the next run that waits for nothing out of the queue. One that is only tried alone comes when nothing else
    /// can, and nothing starts beside it.
    fn next_ready(&mut self, slot: usize, now: Instant) -> Option<usize> {
        let retries = &self.retries;
        if self.slots.running().any(|run| retries.is_alone(run)) {
            return None;
        }
        let is_idle = self.slots.running().next().is_none();
        let (sweep, are_mixed) = (&self.sweep, self.slots.are_mixed());
        let is_on_cpu = self.slots[slot].placement == Placement::Cpu;
        let admits = |run| !are_mixed || is_on_cpu != sweep.run(run).spec.model.computes_on_gpu();
        self.queue
            .take(now, |run| admits(run) && !retries.is_alone(run))
            .or_else(|| if is_idle { self.queue.take(now, admits) } else { None })
    }

    /// Runs for the slots that a round of messages frees. They are claimed in the transaction that records the round: of
    /// short runs the store's work would otherwise be the greater part. What depends on results is left to
    /// [`Self::fill_slots`].
    pub(super) fn choose_next(&mut self, round: &[(usize, WorkerMessage)], now: Instant) -> Vec<NextRun> {
        let mut choices = Vec::new();
        let is_plain = |message: &WorkerMessage| {
            matches!(
                message,
                WorkerMessage::Event(FromWorker::Done(_) | FromWorker::Epoch(_) | FromWorker::Ready { .. })
            )
        };
        if self.stop || self.sweep.learns() || !round.iter().all(|(_, message)| is_plain(message)) {
            return choices;
        }
        for (slot, message) in round {
            let slot = *slot;
            let Some(current) = self.slots[slot].current() else { continue };
            if current.is_overtime() || !matches!(message, WorkerMessage::Event(FromWorker::Done(_))) {
                continue;
            }
            // The other runs of a pack are still at work.
            if self.slots.takes_packs(slot) {
                continue;
            }
            let (before, taken) = (current.claimed.run, current.elapsed(now));
            let has_room =
                |this: &Self, choices: &[NextRun]| this.spending.spent(choices.len(), now).is_none();
            if !has_room(self, &choices) {
                break;
            }
            if self.slots[slot].ahead() == 0 {
                let Some(run) = self.next_ready(slot, now) else { break };
                choices.push(NextRun { slot, run });
            }
            for _ in self.slots[slot].ahead()..AHEAD {
                if !has_room(self, &choices) {
                    return choices;
                }
                let Some(run) = self.next_ahead(slot, before, taken, now) else { break };
                choices.push(NextRun { slot, run });
            }
        }
        choices
    }

    /// A run that a slot's worker may have before it is through with another: one that is over in a moment, as far as the
    /// run before tells. A longer one would be kept from slots that become free meanwhile.
    fn next_ahead(&mut self, slot: usize, before: usize, taken: Duration, now: Instant) -> Option<usize> {
        let before = &self.sweep.run(before).spec.model;
        if before.is_trained() || taken > MOMENT {
            return None;
        }
        let kind = before.kind();
        let next = self.next_ready(slot, now)?;
        let run = self.sweep.run(next);
        if run.spec.model.kind() == kind && run.candidates.is_empty() {
            return Some(next);
        }
        self.queue.put_back(next);
        None
    }

    pub(super) fn claim_request(&self, slot: usize, run: usize) -> ClaimRequest {
        let options = &self.options;
        let run_id = self.sweep.run(run).id.clone();
        ClaimRequest {
            search: self.sweep.fingerprint(run).filter(|_| !options.forced).map(str::to_string),
            kept_by: (!options.forced).then(|| saved_file(&options.results, &run_id)),
            attempt: Attempt {
                experiment: options.revision.experiment.clone(),
                device: self.slots[slot].placement.to_string(),
                slot: self.slots.number(slot),
                git_commit: options.git_commit.clone(),
                git_dirty: options.git_dirty,
            },
            run_id,
        }
    }

    /// Starts a run, if the claim was granted.
    pub(super) fn take_up(
        &mut self,
        slot: usize,
        run: usize,
        claim: Claim,
        now: Instant,
    ) -> anyhow::Result<()> {
        match self.take_claim(run, claim, now)? {
            Some(claimed) => self.begin(slot, claimed, now),
            None => Ok(()),
        }
    }

    /// The attempt that a claim grants; a run that another supervisor has or has done is dealt with.
    fn take_claim(&mut self, run: usize, claim: Claim, now: Instant) -> anyhow::Result<Option<ClaimedRun>> {
        match claim {
            Claim::Granted(attempt) => {
                self.spending.start(run);
                Ok(Some(ClaimedRun { run, attempt }))
            }
            Claim::Done | Claim::Pruned => {
                self.summary.done_elsewhere += 1;
                self.sweep.refresh(self.journal.store(), &[run])?;
                self.queue.settle(run);
                self.progress.elsewhere(self.sweep.run(run));
                Ok(None)
            }
            Claim::Taken => {
                self.queue.put_back_until(run, now + TAKEN_PAUSE);
                Ok(None)
            }
        }
    }

    /// Hands a run to a slot.
    fn begin(&mut self, slot: usize, claimed: ClaimedRun, now: Instant) -> anyhow::Result<()> {
        let run = claimed.run;
        let job = match self.job(run) {
            Ok(job) => job,
            Err(error) => {
                self.slots[slot].begin(claimed, now);
                return self.give_up(slot, Status::Failed, &error.to_string(), now);
            }
        };
        match self.slots.hand_over(slot, claimed, job, now) {
            Ok(Handover::Began) => self.progress.started(slot, self.sweep.run(run)),
            Ok(Handover::Ahead) => {}
            Err(error) => return self.settle_unstarted(slot, &error, now),
        }
        Ok(())
    }

    /// Hands runs of one shape to the lanes of a slot.
    fn begin_pack(
        &mut self,
        lanes: Range<usize>,
        granted: &[ClaimedRun],
        now: Instant,
    ) -> anyhow::Result<()> {
        let mut pack = Vec::with_capacity(granted.len());
        for &claimed in granted {
            pack.push((claimed, self.job(claimed.run)?));
        }
        let busy = lanes.start..lanes.start + granted.len();
        if let Err(error) = self.slots.hand_over_pack(lanes, pack, now) {
            for lane in busy {
                self.settle_unstarted(lane, &error, now)?;
            }
            return Ok(());
        }
        for (lane, claimed) in busy.zip(granted) {
            self.progress.started(lane, self.sweep.run(claimed.run));
        }
        Ok(())
    }

    /// The worker could not be started, or did not take what it was sent.
    fn settle_unstarted(&mut self, slot: usize, error: &anyhow::Error, now: Instant) -> anyhow::Result<()> {
        let end = self.slots[slot].reap();
        let error = format!("{}; {}", causes(error), end.text);
        if self.slots[slot].is_unfit() {
            return self.retire(slot, &error, now);
        }
        self.charge(slot, Status::Failed, &error, Fault::Crash, now)
    }

    /// What a worker needs to know of a run.
    fn job(&mut self, index: usize) -> anyhow::Result<Job> {
        let members = self.sweep.choose_members(index)?;
        let run = self.sweep.run(index);
        Ok(Job {
            run_id: run.id.clone(),
            spec: run.spec.clone(),
            seed: run.seed,
            fold: run.fold,
            dataset_sha256: run.dataset_sha256.clone(),
            members,
            rungs: self.sweep.rungs(index).to_vec(),
            results: self.options.results.clone(),
        })
    }

    /// Puts the first run that a slot's worker has been sent already in the place of the one that ended; or all of them
    /// back into the queue, if that worker is gone.
    pub(super) fn advance(&mut self, slot: usize, now: Instant) -> anyhow::Result<()> {
        if let Some(run) = self.slots[slot].advance(now) {
            self.progress.started(slot, self.sweep.run(run));
        }
        let unbegun = self.slots[slot].take_unbegun();
        let mut records = Vec::new();
        for claimed in unbegun {
            records.push(self.ending_unbegun(claimed, UNBEGUN));
            records.push(self.journal.event(self.sweep.run(claimed.run), "interrupted", UNBEGUN));
            self.queue.put_back(claimed.run);
        }
        self.journal.write(&records)
    }
}
