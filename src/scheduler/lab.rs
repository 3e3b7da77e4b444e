//! The lab: the whole life of a sweep in one loop. Runs go out to slots, messages come back, the store is written, and
//! only then is anything announced.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::ending::ended;
use super::execute::run_folder;
use super::interrupt;
use super::protocol::{FromWorker, Job, PROTOCOL, RunResult};
use super::retry::{Fault, Retries};
use super::rung::AtRung;
use super::slot::{Occupied, Slot, SlotMessage, Tagged};
use super::sweep::Sweep;
use crate::dataset::Loader;
use crate::device::Placement;
use crate::experiment::{ObjectiveSpec, Run};
use crate::model::Epoch;
use crate::store::{Attempt, Claim, ClaimRequest, Ending, Record, Status, Store};

/// Longest time without a look at interrupts and deadlines.
const TICK: Duration = Duration::from_millis(100);
/// Pause before a run that another supervisor has is looked at again.
const TAKEN_PAUSE: Duration = Duration::from_secs(1);

/// How a sweep is run.
#[derive(Debug, Clone)]
pub struct LabOptions {
    /// Name of the experiment.
    pub experiment: String,
    /// What makes one member of an ensemble better than another: the experiment's objective, on validation.
    pub selection: ObjectiveSpec,
    /// The results folder.
    pub results: PathBuf,
    /// One placement for each slot.
    pub slots: Vec<Placement>,
    /// CPU threads of each run.
    pub threads_per_run: usize,
    /// Longest time for a run.
    pub timeout: Option<Duration>,
    /// Time that a run whose time is up has to end by itself.
    pub grace: Duration,
    /// Further attempts after a crash or a timeout.
    pub retries: usize,
    /// Pause before the first of them.
    pub backoff: Duration,
    /// Stop at the first run that fails.
    pub fail_fast: bool,
    /// Run what is done already once more.
    pub forced: bool,
    /// What the sweep may spend.
    pub budget: Budget,
    /// What every attempt records beside its device.
    pub git_commit: Option<String>,
    /// Whether the repository had changes beside the commit.
    pub git_dirty: Option<bool>,
}

/// What a sweep may spend: beyond it nothing new is started, and what runs is finished.
#[derive(Debug, Clone, Copy, Default)]
pub struct Budget {
    /// Runs that may be started.
    pub runs: Option<usize>,
    /// When the time is up.
    pub deadline: Option<Instant>,
}

/// The budget that was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// As many runs were started as may be.
    Runs,
    /// The time was up.
    Time,
}

impl Budget {
    fn spent(&self, started: usize) -> Option<Spent> {
        if self.runs.is_some_and(|runs| started >= runs) {
            return Some(Spent::Runs);
        }
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline).then_some(Spent::Time)
    }
}

/// Who is told how the sweep goes; every call comes after the store's commit.
pub trait Progress {
    /// A slot took up a run.
    fn started(&mut self, slot: usize, run: &Run);
    /// A run ended an epoch.
    fn epoch(&mut self, slot: usize, run: &Run, epoch: &Epoch);
    /// A run is done.
    fn done(&mut self, slot: usize, run: &Run, result: &RunResult);
    /// A run was given up early.
    fn pruned(&mut self, slot: usize, run: &Run, verdict: &str);
    /// An attempt ended otherwise; `again` says when and how the run is tried once more, if it is.
    fn ended(&mut self, slot: usize, run: &Run, status: Status, error: &str, again: Option<&str>);
    /// Nothing new will be started.
    fn stopping(&mut self, running: usize);
    /// A budget is spent: nothing new will be started.
    fn spent(&mut self, spent: Spent, running: usize);
    /// So many runs more follow from the results so far.
    fn planned(&mut self, runs: usize);
}

/// What came of a sweep, in runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Done now.
    pub done: usize,
    /// Done or given up by another supervisor meanwhile.
    pub done_elsewhere: usize,
    /// Given up early by the search.
    pub pruned: usize,
    /// Taken up for the first time.
    pub started: usize,
    /// Failed or timed out for good.
    pub failed: usize,
    /// Stopped by the user.
    pub interrupted: usize,
    /// Never started, because the user stopped the sweep, a budget is spent, or a run failed under `fail_fast`.
    pub not_started: usize,
    /// Trials that were not proposed, for the same reasons.
    pub not_proposed: usize,
    /// The budget that ended the sweep before its end.
    pub spent: Option<Spent>,
    /// Whether the user stopped the sweep.
    pub stopped: bool,
}

/// A sweep at work.
pub struct Lab<'a> {
    pub(super) store: &'a mut Store,
    pub(super) options: LabOptions,
    pub(super) sweep: &'a mut Sweep,
    /// The sweep's runs.
    pub(super) runs: Vec<Arc<Run>>,
    pub(super) progress: &'a mut dyn Progress,
    pub(super) slots: Vec<Slot>,
    pub(super) queue: VecDeque<usize>,
    /// Runs of the plan that will not change any more.
    pub(super) settled: HashSet<String>,
    /// Objective of the runs that are done, for the members of an ensemble.
    pub(super) objectives: HashMap<String, f64>,
    /// Attempts that were lost, and what follows from them.
    pub(super) retries: Retries,
    pub(super) attempts: HashMap<usize, i64>,
    /// Runs that are not looked at before some instant: another supervisor has them, or they are to be tried again.
    pub(super) waiting_until: HashMap<usize, Instant>,
    /// Runs that gave their slot back, with those that they wait for.
    pub(super) yielded: HashMap<usize, Vec<usize>>,
    /// When the runs of other supervisors were looked at, for those that wait for them.
    pub(super) looked_at: Option<Instant>,
    /// Whether a run has ended since the plan was last asked to grow.
    pub(super) news: bool,
    loader: Loader,
    started: HashSet<usize>,
    sender: Sender<Tagged>,
    receiver: Receiver<Tagged>,
    pub(super) summary: Summary,
    pub(super) stop: bool,
}

impl<'a> Lab<'a> {
    /// Prepares to run `todo` (indices into the sweep's runs); the others are at their end already.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn new(
        store: &'a mut Store,
        options: LabOptions,
        sweep: &'a mut Sweep,
        todo: &[usize],
        progress: &'a mut dyn Progress,
    ) -> anyhow::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let runs = sweep.runs().to_vec();
        // A plan that grows may need all slots later.
        let most = if sweep.is_complete() { todo.len().max(1) } else { usize::MAX };
        let placements = options.slots.iter().take(most);
        let slots = placements
            .enumerate()
            .map(|(index, placement)| Slot::new(index, *placement, options.threads_per_run))
            .collect();
        let retries = Retries::new(options.retries, options.backoff);
        let objectives = store.objectives(&options.experiment, &options.selection)?;
        let waiting: HashSet<usize> = todo.iter().copied().collect();
        let settled = (0..runs.len())
            .filter(|index| !waiting.contains(index))
            .map(|index| runs[index].id.clone())
            .collect();
        Ok(Self {
            store,
            options,
            sweep,
            runs,
            progress,
            slots,
            queue: todo.iter().copied().collect(),
            settled,
            objectives,
            retries,
            attempts: HashMap::new(),
            waiting_until: HashMap::new(),
            yielded: HashMap::new(),
            looked_at: None,
            news: true,
            loader: Loader::default(),
            started: HashSet::new(),
            sender,
            receiver,
            summary: Summary::default(),
            stop: false,
        })
    }

    /// Runs the sweep to its end.
    ///
    /// # Errors
    /// A store that cannot be written, or a worker that cannot be started at all.
    pub fn run(mut self) -> anyhow::Result<Summary> {
        loop {
            self.heed_interrupts()?;
            if !self.stop {
                self.grow()?;
                self.fill_slots()?;
            }
            self.judge_waiting()?;
            let running = self.slots.iter().filter(|slot| slot.occupied.is_some()).count();
            if running == 0 && (self.stop || self.queue.is_empty()) {
                break;
            }
            let batch = self.wait();
            self.absorb(batch)?;
            self.watch_running();
        }
        self.summary.not_started = self.queue.len();
        self.summary.not_proposed = self.sweep.unproposed();
        self.summary.started = self.started.len();
        self.record_stop()?;
        Ok(self.summary)
    }

    /// What is left over is left for a reason, which the store keeps for those who ask.
    fn record_stop(&mut self) -> anyhow::Result<()> {
        let Summary { not_started, not_proposed, interrupted, stopped, spent, .. } = self.summary;
        if not_started + not_proposed + interrupted == 0 {
            return Ok(());
        }
        let why = match spent {
            _ if stopped => "the user stopped it",
            Some(Spent::Runs) => "as many runs were started as --max-runs allows",
            Some(Spent::Time) => "the time that --max-time allows was up",
            None => "a run failed under --fail-fast",
        };
        self.store.write(&[Record::Event {
            experiment: Some(self.options.experiment.clone()),
            run_id: None,
            kind: "stopped",
            detail: why.to_string(),
        }])
    }

    fn heed_interrupts(&mut self) -> anyhow::Result<()> {
        let asked = interrupt::asked();
        if asked >= 1 && !self.summary.stopped {
            self.summary.stopped = true;
            self.stop = true;
            let running = self.slots.iter().filter(|slot| slot.occupied.is_some()).count();
            self.progress.stopping(running);
        }
        if asked >= 2 {
            self.abandon_running()?;
        }
        Ok(())
    }

    /// Takes up the runs that follow from the results so far.
    fn grow(&mut self) -> anyhow::Result<()> {
        while std::mem::take(&mut self.news) && self.sweep.grow(&mut self.loader)? {
            let new: Vec<usize> = (self.runs.len()..self.sweep.runs().len()).collect();
            self.runs = self.sweep.runs().to_vec();
            self.store.extend_plan(
                &self.options.experiment,
                self.sweep.plan(),
                self.sweep.device_class(),
                new[0],
            )?;
            self.sweep.refresh(self.store, &new)?;
            self.objectives = self.store.objectives(&self.options.experiment, &self.options.selection)?;
            let (results, forced) = (&self.options.results, self.options.forced);
            let (finished, todo): (Vec<usize>, Vec<usize>) =
                new.into_iter().partition(|&run| !forced && self.sweep.is_finished(run, results));
            self.settled.extend(finished.iter().map(|&run| self.runs[run].id.clone()));
            self.queue.extend(&todo);
            self.progress.planned(todo.len());
            self.news = true;
        }
        Ok(())
    }

    /// Puts a run back to its place: the queue is in the order of the plan, so that earlier runs come first.
    pub(super) fn requeue(&mut self, run: usize) {
        let at = self.queue.iter().position(|queued| *queued > run).unwrap_or(self.queue.len());
        self.queue.insert(at, run);
    }

    /// Hands the next runs that are ready to the slots that are free.
    fn fill_slots(&mut self) -> anyhow::Result<()> {
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

    fn claim_request(&self, slot: usize, index: usize) -> ClaimRequest {
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
    fn next_for(&mut self, batch: &[(usize, SlotMessage)]) -> Vec<(usize, usize)> {
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
            let Some(run) = self.next_ready() else { break };
            next.push((*slot, run));
        }
        next
    }

    /// Starts a run, if the claim was granted.
    fn take_up(&mut self, slot: usize, index: usize, claim: Claim) -> anyhow::Result<()> {
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

    /// Waits for a message, then takes all that have come: together they make one transaction.
    fn wait(&self) -> Vec<Tagged> {
        let mut batch = Vec::new();
        match self.receiver.recv_timeout(TICK) {
            Ok(message) => batch.push(message),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return batch,
        }
        batch.extend(self.receiver.try_iter());
        batch
    }

    /// Records a batch, then acts on it.
    fn absorb(&mut self, batch: Vec<Tagged>) -> anyhow::Result<()> {
        let current: Vec<(usize, SlotMessage)> = batch
            .into_iter()
            .filter(|tagged| self.slots[tagged.slot].serial() == tagged.worker)
            .map(|tagged| (tagged.slot, tagged.message))
            .collect();
        let records: Vec<Record> =
            current.iter().flat_map(|(slot, message)| self.records_of(*slot, message)).collect();
        let next = self.next_for(&current);
        let requests: Vec<_> = next.iter().map(|&(slot, run)| self.claim_request(slot, run)).collect();
        let claims = self.store.write_and_claim(&records, &requests)?;
        for (slot, message) in current {
            match message {
                SlotMessage::Event(FromWorker::Ready { protocol }) => {
                    anyhow::ensure!(
                        protocol == PROTOCOL,
                        "the burstlab program was replaced while the sweep ran; start it again"
                    );
                    self.slots[slot].ready = true;
                }
                SlotMessage::Event(FromWorker::Epoch(epoch)) => {
                    if let Some(occupied) = &mut self.slots[slot].occupied {
                        self.sweep.epoch(occupied.run, epoch.epoch, epoch.valid_loss);
                        if self.sweep.rungs(occupied.run).contains(&epoch.epoch) {
                            occupied.at_rung = Some(AtRung::new(epoch.epoch));
                        }
                        self.progress.epoch(slot, &self.runs[occupied.run], &epoch);
                    }
                }
                SlotMessage::Event(FromWorker::Pruned { .. }) => self.settle_pruned(slot),
                SlotMessage::Event(FromWorker::Done(result)) => self.settle_done(slot, &result),
                SlotMessage::Event(FromWorker::Failed { error, peak_rss_bytes }) => {
                    self.settle_failure(slot, &error, peak_rss_bytes)?;
                }
                SlotMessage::Event(FromWorker::Unsaved { error }) => {
                    return self.settle_unsaved(slot, &error);
                }
                SlotMessage::Ended => self.settle_crash(slot)?,
            }
        }
        for ((slot, run), claim) in next.into_iter().zip(claims) {
            self.take_up(slot, run, claim)?;
        }
        Ok(())
    }

    /// What a message adds to the store by itself; failures are recorded where they are judged.
    fn records_of(&self, slot: usize, message: &SlotMessage) -> Vec<Record> {
        let Some(occupied) = &self.slots[slot].occupied else {
            return Vec::new();
        };
        let run = &self.runs[occupied.run];
        match message {
            SlotMessage::Event(FromWorker::Epoch(epoch)) => {
                vec![Record::Epoch { run_id: run.id.clone(), epoch: *epoch }]
            }
            SlotMessage::Event(FromWorker::Done(result)) => vec![
                ended(run, self.attempts[&occupied.run], Ending::Done(result.clone())),
                self.event(occupied.run, "done", format!("in {:.2} s", result.wall_s)),
            ],
            SlotMessage::Event(FromWorker::Pruned { wall_s, peak_rss_bytes }) => {
                let verdict = occupied.verdict.and_then(|verdict| self.sweep.pruning(occupied.run, verdict));
                let ending =
                    |pruning| Ending::Pruned { pruning, wall_s: *wall_s, peak_rss_bytes: *peak_rss_bytes };
                verdict
                    .map(|pruning| ended(run, self.attempts[&occupied.run], ending(pruning)))
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// Its worker stopped it, as it was told.
    fn settle_pruned(&mut self, slot: usize) {
        let Some(occupied) = self.slots[slot].occupied.take() else {
            return;
        };
        let run = &self.runs[occupied.run];
        self.settled.insert(run.id.clone());
        self.sweep.pruned(occupied.run);
        self.news = true;
        self.summary.pruned += 1;
        let verdict = occupied.verdict.map_or(String::new(), |verdict| verdict.to_string());
        self.progress.pruned(slot, run, &verdict);
    }

    fn settle_done(&mut self, slot: usize, result: &RunResult) {
        let Some(occupied) = self.slots[slot].occupied.take() else {
            return;
        };
        if occupied.overtime.is_some() {
            // It finished in the moment its time was up: the result counts, but its worker is being killed.
            self.slots[slot].bury();
        }
        let run = &self.runs[occupied.run];
        let selection = &self.options.selection;
        let value = result
            .metrics
            .iter()
            .find(|metric| selection.matches(&metric.part, &metric.target, &metric.unit, &metric.name));
        if let Some(value) = value {
            self.objectives.insert(run.id.clone(), value.value);
        }
        self.settled.insert(run.id.clone());
        self.sweep.done(occupied.run, value.map(|metric| metric.value));
        self.news = true;
        self.summary.done += 1;
        self.progress.done(slot, run, result);
    }

    pub(super) fn event(&self, run: usize, kind: &'static str, detail: String) -> Record {
        Record::Event {
            experiment: Some(self.options.experiment.clone()),
            run_id: Some(self.runs[run].id.clone()),
            kind,
            detail,
        }
    }
}

/// Whether the saved files of a run are there; without them a finished run can be neither asked nor plotted.
pub fn has_files(results: &Path, run_id: &str) -> bool {
    saved_file(results, run_id).is_file()
}

/// The file that says what a run is; it is there when all its files are.
fn saved_file(results: &Path, run_id: &str) -> PathBuf {
    run_folder(results, run_id).join("run.toml")
}
