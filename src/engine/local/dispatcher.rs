//! The lab: the whole life of a sweep in one loop. Runs go out to slots, messages come back, the store is written, and
//! only then is anything announced.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::options::{DispatchOptions, Progress, Spent, Summary};
use super::outcome::ended;
use super::protocol::{FromWorker, PROTOCOL};
use super::pruning::AtRung;
use super::retry::Retries;
use super::slot::{Slot, SlotMessage, Tagged};
use crate::dataset::Loader;
use crate::engine::Sweep;
use crate::plan::Run;
use crate::store::{Ending, Event, Record, RunResult, Store};
use crate::system::interrupt;

/// Longest time without a look at interrupts and deadlines.
const TICK: Duration = Duration::from_millis(100);

/// A sweep at work.
pub struct Dispatcher<'a> {
    pub(super) store: &'a mut Store,
    pub(super) options: DispatchOptions,
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
    pub(super) loader: Loader,
    pub(super) started: HashSet<usize>,
    pub(super) sender: Sender<Tagged>,
    pub(super) receiver: Receiver<Tagged>,
    pub(super) summary: Summary,
    pub(super) stop: bool,
}

impl<'a> Dispatcher<'a> {
    /// Prepares to run `todo` (indices into the sweep's runs); the others are at their end already.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn new(
        store: &'a mut Store,
        options: DispatchOptions,
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
            loader: Loader::sharing(),
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
        self.store.write(&[Record::Event(Event {
            experiment: Some(self.options.experiment.clone()),
            run_id: None,
            kind: "stopped",
            detail: why.to_string(),
        })])
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

    /// Records what has come, then acts on it.
    fn absorb(&mut self, batch: Vec<Tagged>) -> anyhow::Result<()> {
        let mut batch = batch;
        while !batch.is_empty() {
            let rest = after_ends(&mut batch);
            self.absorb_round(batch)?;
            batch = rest;
        }
        Ok(())
    }

    /// Records messages of which at most one ends a run of each slot, then acts on them.
    fn absorb_round(&mut self, round: Vec<Tagged>) -> anyhow::Result<()> {
        let current: Vec<(usize, SlotMessage)> = round
            .into_iter()
            .filter(|tagged| self.slots[tagged.slot].serial() == tagged.worker)
            .map(|tagged| (tagged.slot, tagged.message))
            .collect();
        for (slot, message) in &current {
            self.check_run(*slot, message)?;
        }
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
            self.advance(slot)?;
        }
        for ((slot, run), claim) in next.into_iter().zip(claims) {
            self.take_up(slot, run, claim)?;
        }
        Ok(())
    }

    /// A result must be that of the run that the slot is thought to be at: nothing may ever be recorded for another.
    fn check_run(&self, slot: usize, message: &SlotMessage) -> anyhow::Result<()> {
        let SlotMessage::Event(FromWorker::Done(result)) = message else { return Ok(()) };
        let expected = self.slots[slot].occupied.as_ref().map(|occupied| &self.runs[occupied.run].id);
        anyhow::ensure!(
            expected == Some(&result.run_id),
            "slot {slot} gave the result of run {} where that of {expected:?} was due; please report this",
            result.run_id
        );
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
        Record::Event(Event {
            experiment: Some(self.options.experiment.clone()),
            run_id: Some(self.runs[run].id.clone()),
            kind,
            detail,
        })
    }
}

/// Takes out of a batch, and returns, every message of a slot that comes after the end of a run: it belongs to the next.
fn after_ends(batch: &mut Vec<Tagged>) -> Vec<Tagged> {
    let mut ended = HashSet::new();
    let (now, later): (Vec<Tagged>, Vec<Tagged>) = batch.drain(..).partition(|tagged| {
        let first = !ended.contains(&tagged.slot);
        if !matches!(tagged.message, SlotMessage::Event(FromWorker::Ready { .. } | FromWorker::Epoch(_))) {
            ended.insert(tagged.slot);
        }
        first
    });
    *batch = now;
    later
}
