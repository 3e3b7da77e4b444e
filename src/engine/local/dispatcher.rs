//! The dispatcher: the whole life of a sweep in one loop. Runs go out to slots, messages come back, the store is written,
//! and only then is anything announced.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use super::budget::{Spending, Spent};
use super::inbox::{Envelope, Inbox, WorkerMessage};
use super::journal::{Journal, ended};
use super::lookout::Lookout;
use super::options::{DispatchOptions, Progress, Summary};
use super::pace::{Awaited, Pace, RunProgress};
use super::packing::{Packings, lanes};
use super::protocol::{FromWorker, PROTOCOL};
use super::queue::Queue;
use super::retry::Retries;
use super::slot::TimeLimit;
use super::slots::Slots;
use super::worker_process::{Launcher, ProcessLauncher};
use crate::dataset::Loader;
use crate::engine::Sweep;
use crate::store::{Ending, Record, Store};
use crate::system::interrupt::{self, Asked, StopSignal};

/// Longest time without a look at interrupts and deadlines.
const TICK: Duration = Duration::from_millis(100);

/// A sweep at work. Each part owns its state; what they do together stands in this file and in `assignment`, `outcome` and
/// `pruning`.
pub struct Dispatcher<'a> {
    pub(super) options: DispatchOptions,
    /// The plan, and what is known of its runs.
    pub(super) sweep: &'a mut Sweep,
    /// Prepares the data of runs that are planned later.
    loader: &'a mut Loader,
    /// Who is told.
    pub(super) progress: &'a mut dyn Progress,
    /// What is written.
    pub(super) journal: Journal<'a>,
    /// Which runs wait.
    pub(super) queue: Queue,
    /// Which worker does what.
    pub(super) slots: Slots,
    /// What the workers have said.
    inbox: Inbox,
    /// What an attempt costs.
    pub(super) retries: Retries,
    /// What may be spent.
    pub(super) spending: Spending,
    /// When the runs of other supervisors were looked at.
    pub(super) lookout: Lookout,
    /// How long runs take.
    pub(super) pace: Pace,
    /// Which runs are trained together.
    pub(super) packings: Packings,
    pub(super) summary: Summary,
    /// Nothing new is started.
    pub(super) stop: bool,
}

impl<'a> Dispatcher<'a> {
    /// Prepares to run `todo` (indices into the sweep's runs) in worker processes; the others have ended already.
    pub fn new(
        store: &'a mut Store,
        options: DispatchOptions,
        sweep: &'a mut Sweep,
        loader: &'a mut Loader,
        todo: &[usize],
        progress: &'a mut dyn Progress,
    ) -> Self {
        let threads = options.threads_per_run;
        let launcher = |sender| -> Box<dyn Launcher> { Box::new(ProcessLauncher { threads, sender }) };
        Self::with_workers(store, options, sweep, loader, todo, progress, launcher)
    }

    /// As [`Dispatcher::new`], with other workers: `launcher` is given where their messages go.
    pub(super) fn with_workers(
        store: &'a mut Store,
        options: DispatchOptions,
        sweep: &'a mut Sweep,
        loader: &'a mut Loader,
        todo: &[usize],
        progress: &'a mut dyn Progress,
        launcher: impl FnOnce(Sender<Envelope>) -> Box<dyn Launcher>,
    ) -> Self {
        // A plan that grows may need all slots later.
        let most = if sweep.is_complete() { todo.len().max(1) } else { usize::MAX };
        let inbox = Inbox::new();
        let mut queue = Queue::default();
        for &run in todo {
            queue.add(run, sweep.candidates(run));
        }
        Self {
            journal: Journal::new(store, options.revision.experiment.clone()),
            slots: Slots::new(
                options.slots.iter().take(most).map(|&placement| (placement, lanes(placement, options.pack))),
                launcher(inbox.sender()),
            ),
            queue,
            inbox,
            retries: Retries::new(options.retries, options.backoff),
            spending: Spending::new(options.budget),
            lookout: Lookout::default(),
            pace: Pace::default(),
            packings: Packings::default(),
            summary: Summary::default(),
            stop: false,
            options,
            sweep,
            loader,
            progress,
        }
    }

    /// Runs the sweep to its end.
    ///
    /// # Errors
    /// A store that cannot be written, or a worker that cannot be started at all.
    pub fn run(mut self) -> anyhow::Result<Summary> {
        loop {
            self.poll_interrupts()?;
            if !self.stop {
                self.grow()?;
                self.fill_slots()?;
            }
            self.judge_waiting()?;
            if self.is_at_end() {
                return self.close();
            }
            for round in self.inbox.wait(TICK) {
                self.handle(round)?;
            }
            self.watch_running();
        }
    }

    fn poll_interrupts(&mut self) -> anyhow::Result<()> {
        match interrupt::asked() {
            Asked::Nothing => {}
            Asked::Finish if self.summary.stopped => {}
            Asked::Finish => {
                self.summary.stopped = true;
                self.stop = true;
                self.tell_stopping();
            }
            Asked::Stop(signal) => self.stop_now(signal)?,
        }
        Ok(())
    }

    fn tell_stopping(&mut self) {
        let (now, limit) = (Instant::now(), self.options.timeout);
        let awaited: Vec<Awaited<'_>> = self
            .slots
            .iter()
            .filter_map(|slot| {
                let current = slot.current()?;
                let run = self.sweep.run(current.claimed.run);
                let progress = RunProgress {
                    kind: run.spec.model.kind(),
                    elapsed: current.elapsed(now),
                    last_epoch: current.last_epoch(),
                    epochs: run.spec.training.epochs,
                };
                Some(Awaited { run, left: self.pace.left(progress, limit) })
            })
            .collect();
        self.progress.stopping(&awaited);
    }

    /// Stops what runs, after what the workers have said already: a run that is done stays done.
    fn stop_now(&mut self, signal: StopSignal) -> anyhow::Result<()> {
        self.summary.stopped = true;
        self.summary.stopped_by = Some(signal);
        self.stop = true;
        for round in self.inbox.wait(Duration::ZERO) {
            self.handle(round)?;
        }
        self.abandon_running(&format!("stopped by {signal}"))
    }

    /// Takes up the runs that follow from the results so far.
    fn grow(&mut self) -> anyhow::Result<()> {
        let mut from = self.sweep.runs().len();
        while self.sweep.grow(self.loader)? {
            let new: Vec<usize> = (from..self.sweep.runs().len()).collect();
            let store = self.journal.store();
            self.sweep.record_growth(store, &self.options.revision, from)?;
            from = self.sweep.runs().len();
            self.sweep.refresh(store, &new)?;
            let (results, forced) = (&self.options.results, self.options.forced);
            let todo: Vec<usize> =
                new.into_iter().filter(|&run| forced || !self.sweep.is_finished(run, results)).collect();
            for &run in &todo {
                self.queue.add(run, self.sweep.candidates(run));
            }
            self.progress.planned(todo.len());
        }
        Ok(())
    }

    fn is_at_end(&self) -> bool {
        self.slots.running().next().is_none() && (self.stop || self.queue.is_empty())
    }

    /// Records a round of messages, then acts on them.
    fn handle(&mut self, round: Vec<Envelope>) -> anyhow::Result<()> {
        let (now, slots) = (Instant::now(), &self.slots);
        let round: Vec<(usize, WorkerMessage)> = round
            .into_iter()
            .filter(|envelope| slots[envelope.slot].is_current(envelope.worker))
            .flat_map(|Envelope { slot, message, .. }| {
                let concerned = slots.concerned(slot, &message);
                concerned.into_iter().map(move |slot| (slot, message.clone()))
            })
            .collect();
        let mut records = Vec::new();
        for (slot, message) in &round {
            records.extend(self.records_of(*slot, message)?);
        }
        let next = self.choose_next(&round, now);
        let requests: Vec<_> =
            next.iter().map(|choice| self.claim_request(choice.slot, choice.run)).collect();
        let claims = self.journal.write_and_claim(&records, &requests)?;
        for (slot, message) in round {
            self.act(slot, message, now)?;
            self.advance(slot, now)?;
        }
        for (choice, claim) in next.into_iter().zip(claims) {
            self.take_up(choice.slot, choice.run, claim, now)?;
        }
        Ok(())
    }

    /// What a message adds to the store by itself; failures are recorded where they are judged.
    fn records_of(&self, slot: usize, message: &WorkerMessage) -> anyhow::Result<Vec<Record>> {
        let WorkerMessage::Event(event) = message else { return Ok(Vec::new()) };
        let current = self.slots[slot].current();
        if let FromWorker::Done(result) = event {
            // Nothing may ever be recorded for another run.
            let expected = current.map(|current| &self.sweep.run(current.claimed.run).id);
            ensure!(
                expected == Some(&result.run_id),
                "slot {slot} gave the result of run {} where that of {expected:?} was due; please report this",
                result.run_id
            );
        }
        let Some(current) = current else { return Ok(Vec::new()) };
        let run = self.sweep.run(current.claimed.run);
        Ok(match event {
            FromWorker::Epoch(epoch) => vec![Record::Epoch { run_id: run.id.clone(), epoch: *epoch }],
            FromWorker::Done(result) => vec![
                ended(run, current.claimed, Ending::Done(result.clone())),
                self.journal.event(run, "done", format!("in {:.2} s", result.wall_s)),
            ],
            FromWorker::Pruned { wall_s, peak_rss_bytes } => {
                let pruning =
                    current.verdict.and_then(|verdict| self.sweep.pruning(current.claimed.run, verdict));
                let ending =
                    |pruning| Ending::Pruned { pruning, wall_s: *wall_s, peak_rss_bytes: *peak_rss_bytes };
                pruning.map(|pruning| ended(run, current.claimed, ending(pruning))).into_iter().collect()
            }
            _ => Vec::new(),
        })
    }

    /// Acts on a message whose records are written.
    fn act(&mut self, slot: usize, message: WorkerMessage, now: Instant) -> anyhow::Result<()> {
        match message {
            WorkerMessage::Event(FromWorker::Ready { protocol }) => {
                ensure!(
                    protocol == PROTOCOL,
                    "the burstlab program was replaced while the sweep ran; start it again"
                );
                self.slots[slot].set_ready();
                Ok(())
            }
            WorkerMessage::Event(FromWorker::Epoch(epoch)) => {
                if let Some(run) = self.slots[slot].run() {
                    self.sweep.epoch(run, epoch.epoch, epoch.valid_loss);
                    self.slots[slot].pass_epoch(epoch.epoch, now);
                    if self.sweep.rungs(run).contains(&epoch.epoch) {
                        self.slots[slot].wait_at_rung(epoch.epoch, now);
                    }
                    self.progress.epoch(slot, self.sweep.run(run), &epoch);
                }
                Ok(())
            }
            WorkerMessage::Event(FromWorker::Pruned { .. }) => {
                self.settle_pruned(slot);
                Ok(())
            }
            WorkerMessage::Event(FromWorker::Done(result)) => {
                self.settle_done(slot, &result);
                Ok(())
            }
            WorkerMessage::Event(FromWorker::Failed { error, out_of_memory, peak_rss_bytes }) => {
                self.settle_failure(slot, &error, out_of_memory, peak_rss_bytes, now)
            }
            WorkerMessage::Event(FromWorker::Unsaved { error }) => self.settle_unsaved(slot, &error, now),
            WorkerMessage::Event(FromWorker::Member { lane, .. }) => {
                bail!("a run of a pack spoke of another in lane {lane}; please report this")
            }
            WorkerMessage::Event(FromWorker::Unreadable { error }) => {
                self.settle_unreadable(slot, &format!("the worker {error}"), now)
            }
            WorkerMessage::Unreadable(error) => {
                self.settle_unreadable(slot, &format!("the supervisor {error}"), now)
            }
            WorkerMessage::Ended => self.settle_crash(slot, now),
        }
    }

    fn watch_running(&mut self) {
        let limit = TimeLimit { timeout: self.options.timeout, grace: self.options.grace };
        self.slots.watch(limit, Instant::now());
    }

    /// What is left over is left for a reason, which the store keeps for those who ask.
    fn close(mut self) -> anyhow::Result<Summary> {
        self.summary.not_started = self.queue.len();
        self.summary.not_proposed = self.sweep.unproposed();
        self.summary.started = self.spending.started();
        let Summary { not_started, not_proposed, interrupted, stopped, stopped_by, spent, .. } = self.summary;
        if not_started + not_proposed + interrupted > 0 {
            let why = match spent {
                _ if stopped => format!("{} stopped it", stopped_by.unwrap_or(StopSignal::Interrupt)),
                Some(Spent::Runs) => "as many runs were started as --max-runs allows".to_string(),
                Some(Spent::Time) => "the time that --max-time allows was up".to_string(),
                None => "a run failed under --fail-fast".to_string(),
            };
            let stopped = self.journal.experiment_event("stopped", why);
            self.journal.write(&[stopped])?;
        }
        Ok(self.summary)
    }
}

#[cfg(test)]
mod tests;
