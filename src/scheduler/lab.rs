//! The lab: the whole life of a sweep in one loop. Runs go out to slots, messages come back, the store is written, and
//! only then is anything announced.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::ending::ended;
use super::execute::run_folder;
use super::interrupt;
use super::protocol::{FromWorker, Job, PROTOCOL, RunResult};
use super::retry::{Fault, Retries};
use super::slot::{Occupied, Slot, SlotMessage, Tagged};
use crate::device::Placement;
use crate::experiment::{ObjectiveSpec, Run};
use crate::model::Epoch;
use crate::store::{Attempt, Claim, Ending, Record, Status, Store};

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
    /// What every attempt records beside its device.
    pub git_commit: Option<String>,
    /// Whether the repository had changes beside the commit.
    pub git_dirty: Option<bool>,
}

/// Who is told how the sweep goes; every call comes after the store's commit.
pub trait Progress {
    /// A slot took up a run.
    fn started(&mut self, slot: usize, run: &Run);
    /// A run ended an epoch.
    fn epoch(&mut self, slot: usize, run: &Run, epoch: &Epoch);
    /// A run is done.
    fn done(&mut self, slot: usize, run: &Run, result: &RunResult);
    /// An attempt ended otherwise; `again` says when and how the run is tried once more, if it is.
    fn ended(&mut self, slot: usize, run: &Run, status: Status, error: &str, again: Option<&str>);
    /// Nothing new will be started.
    fn stopping(&mut self, running: usize);
}

/// What came of a sweep, in runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Done now.
    pub done: usize,
    /// Done by another supervisor meanwhile.
    pub done_elsewhere: usize,
    /// Failed or timed out for good.
    pub failed: usize,
    /// Stopped by the user.
    pub interrupted: usize,
    /// Never started, because the user stopped the sweep or a run failed under `fail_fast`.
    pub not_started: usize,
    /// Whether the user stopped the sweep.
    pub stopped: bool,
}

/// A sweep at work.
pub struct Lab<'a> {
    pub(super) store: &'a mut Store,
    pub(super) options: LabOptions,
    pub(super) runs: &'a [Run],
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
    sender: Sender<Tagged>,
    receiver: Receiver<Tagged>,
    pub(super) summary: Summary,
    pub(super) stop: bool,
}

impl<'a> Lab<'a> {
    /// Prepares to run `todo` (indices into `runs`); the others are done already.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn new(
        store: &'a mut Store,
        options: LabOptions,
        runs: &'a [Run],
        todo: &[usize],
        progress: &'a mut dyn Progress,
    ) -> anyhow::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let placements = options.slots.iter().take(todo.len().max(1));
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
            runs,
            progress,
            slots,
            queue: todo.iter().copied().collect(),
            settled,
            objectives,
            retries,
            attempts: HashMap::new(),
            waiting_until: HashMap::new(),
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
                self.fill_slots()?;
            }
            let running = self.slots.iter().filter(|slot| slot.occupied.is_some()).count();
            if running == 0 && (self.stop || self.queue.is_empty()) {
                break;
            }
            let batch = self.wait();
            self.absorb(batch)?;
            self.watch_running();
        }
        self.summary.not_started = self.queue.len();
        Ok(self.summary)
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

    /// Hands the next runs that are ready to the slots that are free.
    fn fill_slots(&mut self) -> anyhow::Result<()> {
        for index in 0..self.slots.len() {
            while self.slots[index].is_free() {
                let Some(run) = self.next_ready() else {
                    return Ok(());
                };
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
        let ready = |run: &usize| {
            self.runs[*run].candidates.iter().all(|candidate| self.settled.contains(candidate))
                && self.waiting_until.get(run).is_none_or(|until| *until <= now)
        };
        let in_company = self.queue.iter().position(|run| ready(run) && !self.retries.is_alone(*run));
        let at = in_company.or_else(|| idle.then(|| self.queue.iter().position(ready)).flatten())?;
        self.queue.remove(at)
    }

    fn hand_over(&mut self, slot: usize, index: usize) -> anyhow::Result<()> {
        let run = &self.runs[index];
        let attempt = Attempt {
            device: self.slots[slot].placement.to_string(),
            git_commit: self.options.git_commit.clone(),
            git_dirty: self.options.git_dirty,
        };
        let (forced, results) = (self.options.forced, &self.options.results);
        let attempt = match self.store.claim(&run.id, &attempt, || !forced && has_files(results, &run.id))? {
            Claim::Granted(attempt) => attempt,
            Claim::Done => {
                self.summary.done_elsewhere += 1;
                self.objectives = self.store.objectives(&self.options.experiment, &self.options.selection)?;
                self.settled.insert(run.id.clone());
                return Ok(());
            }
            Claim::Taken => {
                self.waiting_until.insert(index, Instant::now() + TAKEN_PAUSE);
                self.queue.push_back(index);
                return Ok(());
            }
        };
        self.attempts.insert(index, attempt);
        let members = match self.choose_members(run) {
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
        let detail = format!("attempt {attempt} on slot {slot} ({})", self.slots[slot].placement);
        let event = self.event(index, "started", detail);
        self.store.write(&[event])?;
        self.progress.started(slot, run);
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
        self.store.write(&records)?;
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
                    if let Some(occupied) = &self.slots[slot].occupied {
                        self.progress.epoch(slot, &self.runs[occupied.run], &epoch);
                    }
                }
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
            _ => Vec::new(),
        }
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
    run_folder(results, run_id).join("run.toml").is_file()
}
