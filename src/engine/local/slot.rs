//! A slot: it has a worker, the run that the worker is at, and the runs that it does next. A slot that takes packs has as many
//! lanes as runs are trained together; each lane is a slot of its own, and they share the worker.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::protocol::ToWorker;
use super::station::Station;
use super::worker_process::{Launcher, WorkerExit};
use crate::engine::job::Job;
use crate::search::RungVerdict;
use crate::system::device::Placement;
use crate::system::{interrupt, memory};

/// Time between two looks at the memory of a worker.
const SAMPLE_PAUSE: Duration = Duration::from_millis(100);

/// A run of the plan with the attempt that the store granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedRun {
    /// Index of the run in the plan.
    pub run: usize,
    /// The attempt.
    pub attempt: i64,
}

/// A run that waits for its verdict at a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtRung {
    /// The epoch.
    pub epoch: usize,
    /// Since when.
    since: Instant,
    /// Whether the store knows that it waits for others.
    pub is_recorded: bool,
}

/// The run that a slot is at.
#[derive(Debug)]
pub struct CurrentRun {
    /// The run.
    pub claimed: ClaimedRun,
    /// When it was handed over; later by the time that it waited for verdicts.
    started: Instant,
    /// Its last epoch, and the time that it had taken by then.
    last_epoch: Option<(usize, Duration)>,
    /// When its worker was asked to end, because its time was up.
    overtime: Option<Instant>,
    /// Largest resident set of its worker so far; what a worker cannot report when it is killed.
    pub peak_rss_bytes: Option<u64>,
    /// When that was looked at.
    sampled: Instant,
    /// The rung at which it waits for its verdict.
    at_rung: Option<AtRung>,
    /// Its last verdict.
    pub verdict: Option<RungVerdict>,
    /// Whether its worker is at others too, as a pack.
    pub is_packed: bool,
    /// What [`memory::kernel_kills`] counted when it was handed over.
    kernel_kills: Option<u64>,
}

impl CurrentRun {
    fn new(claimed: ClaimedRun, now: Instant) -> Self {
        Self {
            claimed,
            started: now,
            last_epoch: None,
            overtime: None,
            peak_rss_bytes: None,
            sampled: now,
            at_rung: None,
            verdict: None,
            is_packed: false,
            kernel_kills: memory::kernel_kills(),
        }
    }

    /// Time that the run has taken so far.
    pub fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// Its last epoch, and the time that it had taken by then.
    pub fn last_epoch(&self) -> Option<(usize, Duration)> {
        self.last_epoch
    }

    /// Whether its time was up.
    pub fn is_overtime(&self) -> bool {
        self.overtime.is_some()
    }

    /// Whether the kernel has killed a process for lack of memory since the run was handed over.
    fn saw_kernel_kill(&self) -> bool {
        matches!((self.kernel_kills, memory::kernel_kills()), (Some(before), Some(now)) if now > before)
    }
}

/// How long a run may take.
#[derive(Debug, Clone, Copy)]
pub struct TimeLimit {
    /// Longest time for a run; `None` for no limit.
    pub timeout: Option<Duration>,
    /// Time that it then has to end by itself.
    pub grace: Duration,
}

/// How a worker ended, as its slot tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerEnd {
    /// The exit code or the signal, and what the worker said last.
    pub text: String,
    /// Whether it lacked memory.
    pub out_of_memory: bool,
    /// Whether it was ended by a signal that is sent to whole groups of processes.
    pub by_group_signal: bool,
}

/// Where a run went that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// Its worker is at it.
    Began,
    /// Its worker does it after the current one.
    Ahead,
}

/// A slot of the machine, or a lane of one.
pub struct Slot {
    /// Index among the slots.
    pub index: usize,
    /// Where it computes.
    pub placement: Placement,
    /// Its worker, which other lanes may share.
    station: Rc<RefCell<Station>>,
    current: Option<CurrentRun>,
    /// The runs that its worker does next, and has been sent already.
    ahead: VecDeque<ClaimedRun>,
}

impl Slot {
    /// A slot whose worker has this place.
    pub fn new(index: usize, station: Rc<RefCell<Station>>) -> Self {
        let placement = station.borrow().placement();
        Self { index, placement, station, current: None, ahead: VecDeque::new() }
    }

    /// Whether a message comes from the slot's current worker.
    pub fn is_current(&self, serial: u64) -> bool {
        self.station.borrow().is_current(serial)
    }

    /// The run that it is at.
    pub fn current(&self) -> Option<&CurrentRun> {
        self.current.as_ref()
    }

    /// As [`Slot::current`], to be changed.
    pub fn current_mut(&mut self) -> Option<&mut CurrentRun> {
        self.current.as_mut()
    }

    /// Index in the plan of the run that it is at.
    pub fn run(&self) -> Option<usize> {
        self.current.as_ref().map(|current| current.claimed.run)
    }

    /// The run that waits at a rung, with the rung.
    pub fn run_at_rung(&self) -> Option<(usize, AtRung)> {
        let current = self.current.as_ref()?;
        Some((current.claimed.run, current.at_rung?))
    }

    /// Whether it can take up a run.
    pub fn is_free(&self) -> bool {
        self.current.is_none() && !self.is_retired()
    }

    /// Number of runs that its worker has been sent beside the current one.
    pub fn ahead(&self) -> usize {
        self.ahead.len()
    }

    /// Whether its worker ended, on a GPU, before it had opened that GPU.
    pub fn is_unfit(&self) -> bool {
        self.station.borrow().is_unfit()
    }

    /// Its worker has opened the device.
    pub fn set_ready(&mut self) {
        self.station.borrow_mut().set_ready();
    }

    /// Whether it gets no more runs.
    pub fn is_retired(&self) -> bool {
        self.station.borrow().is_retired()
    }

    /// It gets no more runs.
    pub fn retire(&mut self) {
        self.station.borrow_mut().retire();
    }

    fn has_worker(&self) -> bool {
        self.station.borrow().has_worker()
    }

    /// Takes the run away that it is at: that has ended.
    pub fn free(&mut self) -> Option<CurrentRun> {
        self.current.take()
    }

    /// Begins a run without a worker, for an attempt that ends before it could be sent to one.
    pub fn begin(&mut self, claimed: ClaimedRun, now: Instant) {
        self.current = Some(CurrentRun::new(claimed, now));
    }

    /// Begins the first run that its worker has been sent already, if it is at none; returns that run.
    pub fn advance(&mut self, now: Instant) -> Option<usize> {
        if !self.has_worker() || self.current.is_some() {
            return None;
        }
        let next = self.ahead.pop_front()?;
        self.begin(next, now);
        Some(next.run)
    }

    /// Takes away the runs that a worker was sent and did not begin, if that worker is gone.
    pub fn take_unbegun(&mut self) -> Vec<ClaimedRun> {
        if self.has_worker() { Vec::new() } else { self.ahead.drain(..).collect() }
    }

    /// Takes away the runs that its worker was sent and did not begin.
    pub fn take_ahead(&mut self) -> Vec<ClaimedRun> {
        self.ahead.drain(..).collect()
    }

    /// Its run has ended an epoch.
    pub fn pass_epoch(&mut self, epoch: usize, now: Instant) {
        if let Some(current) = &mut self.current {
            current.last_epoch = Some((epoch, current.elapsed(now)));
        }
    }

    /// Its run waits for the verdict after an epoch.
    pub fn wait_at_rung(&mut self, epoch: usize, now: Instant) {
        if let Some(current) = &mut self.current {
            current.at_rung = Some(AtRung { epoch, since: now, is_recorded: false });
        }
    }

    /// The store knows that its run waits for others.
    pub fn set_wait_recorded(&mut self) {
        if let Some(at_rung) = self.current.as_mut().and_then(|current| current.at_rung.as_mut()) {
            at_rung.is_recorded = true;
        }
    }

    /// Tells the worker the verdict on its run, and returns since when that waited for it.
    pub(super) fn tell_verdict(&mut self, run_id: String, verdict: RungVerdict) -> Option<Instant> {
        let message = ToWorker::Verdict { run_id, epoch: verdict.epoch, goes_on: verdict.goes_on };
        self.station.borrow_mut().tell(&message);
        let current = self.current.as_mut()?;
        current.verdict = Some(verdict);
        current.at_rung.take().map(|at_rung| at_rung.since)
    }

    /// Its run, which is at a rung, counts as waiting since then at the latest.
    pub(super) fn wait_since(&mut self, since: Instant) {
        if let Some(at_rung) = self.current.as_mut().and_then(|current| current.at_rung.as_mut()) {
            at_rung.since = at_rung.since.min(since);
        }
    }

    /// Takes time that was waited from the time of its run.
    pub(super) fn discount(&mut self, waited: Duration) {
        if let Some(current) = &mut self.current {
            current.started += waited;
        }
    }

    /// Hands a run to the worker, and starts one first if there is none. A worker that died while it was idle is
    /// replaced: that costs no run an attempt. A worker that is still at another run does this one after it.
    ///
    /// # Errors
    /// A worker that cannot be started or does not take the job; the slot is at the run nevertheless.
    pub(super) fn hand_over(
        &mut self,
        claimed: ClaimedRun,
        job: Job,
        launcher: &mut dyn Launcher,
        now: Instant,
    ) -> anyhow::Result<Handover> {
        let message = ToWorker::Run(Box::new(job));
        if self.current.is_some() {
            self.ahead.push_back(claimed);
            // A worker that does not take it is gone, and says so in its last message: then the run goes back.
            self.station.borrow_mut().tell(&message);
            return Ok(Handover::Ahead);
        }
        self.begin(claimed, now);
        self.station.borrow_mut().hand_over(&message, launcher)?;
        Ok(Handover::Began)
    }

    /// Hands the worker the jobs of a pack, whose lanes have begun their runs.
    ///
    /// # Errors
    /// A worker that cannot be started or does not take the jobs.
    pub(super) fn hand_over_pack(
        &mut self,
        jobs: Vec<Job>,
        launcher: &mut dyn Launcher,
    ) -> anyhow::Result<()> {
        self.station.borrow_mut().hand_over(&ToWorker::Pack(jobs), launcher)
    }

    /// Takes the worker away and tells how it ended. One that still lives is killed.
    pub fn reap(&mut self) -> WorkerEnd {
        let Some(exit) = self.station.borrow_mut().reap() else {
            let text = "the worker never started".to_string();
            return WorkerEnd { text, out_of_memory: false, by_group_signal: false };
        };
        let killed_by_kernel = exit.is_killed()
            && self.current.as_ref().is_some_and(|run| !run.is_overtime() && run.saw_kernel_kill());
        describe(&exit, killed_by_kernel)
    }

    /// Kills the worker and everything it started.
    pub fn kill(&mut self) {
        self.station.borrow_mut().kill();
    }

    /// Looks at the memory that the run takes, asks its worker to end when its time is up, and kills it when it does not.
    /// While its worker waits for a verdict no time counts.
    pub(super) fn watch(&mut self, limit: TimeLimit, waits: bool, now: Instant) {
        let mut station = self.station.borrow_mut();
        let Some(current) = self.current.as_mut().filter(|_| station.has_worker()) else { return };
        if now.saturating_duration_since(current.sampled) >= SAMPLE_PAUSE {
            current.sampled = now;
            current.peak_rss_bytes = memory::updated_peak(current.peak_rss_bytes, station.peak_rss_bytes());
        }
        let Some(timeout) = limit.timeout else { return };
        match current.overtime {
            None if !waits && current.elapsed(now) > timeout => {
                current.overtime = Some(now);
                station.terminate();
            }
            Some(asked) if now.saturating_duration_since(asked) > limit.grace => station.kill(),
            _ => {}
        }
    }

    /// The time of another run of its pack is up, so that its worker ends: its own is up too.
    pub fn set_overtime(&mut self, now: Instant) {
        if let Some(current) = &mut self.current {
            current.overtime.get_or_insert(now);
        }
    }
}

fn describe(exit: &WorkerExit, killed_by_kernel: bool) -> WorkerEnd {
    let WorkerExit { how, last_words, .. } = exit;
    let out_of_memory = killed_by_kernel || exit.tells_of_failed_allocation();
    let text = match (out_of_memory, last_words.is_empty()) {
        (true, _) if killed_by_kernel => format!("out of memory: the worker {how} by the kernel"),
        (true, _) => format!("out of memory: the worker {how}: {last_words}"),
        (false, true) => format!("the worker {how}"),
        (false, false) => format!("the worker {how}: {last_words}"),
    };
    let by_group_signal = exit.signal.is_some_and(interrupt::is_sent_to_groups);
    WorkerEnd { text, out_of_memory, by_group_signal }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::local::worker_process::Worker;

    /// A worker that only notes what is done to it.
    struct Noting {
        notes: Rc<RefCell<Vec<&'static str>>>,
        exit: WorkerExit,
    }

    impl Worker for Noting {
        fn send(&mut self, _: &ToWorker) -> anyhow::Result<()> {
            self.notes.borrow_mut().push("send");
            Ok(())
        }

        fn terminate(&mut self) {
            self.notes.borrow_mut().push("terminate");
        }

        fn kill(&mut self) {
            self.notes.borrow_mut().push("kill");
        }

        fn peak_rss_bytes(&self) -> Option<u64> {
            Some(7)
        }

        fn reap(self: Box<Self>) -> WorkerExit {
            self.exit.clone()
        }
    }

    fn exit(how: &str, last_words: &str) -> WorkerExit {
        WorkerExit { how: how.to_string(), signal: None, last_words: last_words.to_string() }
    }

    fn busy_slot(claimed: ClaimedRun, now: Instant) -> (Slot, Rc<RefCell<Vec<&'static str>>>) {
        busy_slot_on(Placement::Cpu, claimed, now)
    }

    fn busy_slot_on(
        placement: Placement,
        claimed: ClaimedRun,
        now: Instant,
    ) -> (Slot, Rc<RefCell<Vec<&'static str>>>) {
        let notes = Rc::new(RefCell::new(Vec::new()));
        let worker = Box::new(Noting { notes: notes.clone(), exit: exit("exited with code 1", "") });
        let station = Rc::new(RefCell::new(Station::with_worker(placement, worker)));
        let mut slot = Slot::new(0, station);
        slot.begin(claimed, now);
        (slot, notes)
    }

    const RUN: ClaimedRun = ClaimedRun { run: 4, attempt: 1 };
    const NEXT: ClaimedRun = ClaimedRun { run: 5, attempt: 2 };

    #[test]
    fn a_run_whose_time_is_up_is_asked_to_end_once_and_killed_after_the_grace_period() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let (mut slot, notes) = busy_slot(RUN, start);
        let limit = TimeLimit { timeout: Some(second * 10), grace: second * 5 };
        slot.watch(limit, false, start + second * 10);
        assert!(notes.borrow().is_empty());
        slot.watch(limit, false, start + second * 11);
        slot.watch(limit, false, start + second * 16);
        assert_eq!(*notes.borrow(), ["terminate"]);
        slot.watch(limit, false, start + second * 17);
        assert_eq!(*notes.borrow(), ["terminate", "kill"]);
        assert_eq!(slot.current().unwrap().peak_rss_bytes, Some(7));
    }

    #[test]
    fn runs_that_were_sent_ahead_follow_in_their_order_and_come_back_when_the_worker_is_gone() {
        let now = Instant::now();
        let (mut slot, _) = busy_slot(RUN, now);
        slot.ahead.extend([NEXT, ClaimedRun { run: 6, attempt: 3 }]);
        assert_eq!(slot.advance(now), None, "it is still at a run");
        slot.free();
        assert_eq!((slot.advance(now), slot.run()), (Some(5), Some(5)));
        assert!(slot.take_unbegun().is_empty(), "its worker lives");
        slot.reap();
        assert_eq!(slot.take_unbegun(), [ClaimedRun { run: 6, attempt: 3 }]);
    }

    #[test]
    fn the_end_of_a_worker_is_told_with_its_last_words() {
        let told = |exit: WorkerExit, by_kernel| describe(&exit, by_kernel).text;
        assert_eq!(told(exit("exited with code 1", ""), false), "the worker exited with code 1");
        assert_eq!(told(exit("exited with code 1", "no"), false), "the worker exited with code 1: no");
        assert_eq!(
            told(exit("was killed by signal 9", ""), true),
            "out of memory: the worker was killed by signal 9 by the kernel"
        );
        let failed = exit("was killed by signal 6", "memory allocation of 64 bytes failed");
        assert!(describe(&failed, false).out_of_memory);
    }

    #[test]
    fn a_slot_is_unfit_when_its_worker_ended_before_the_gpu_was_open() {
        let now = Instant::now();
        let (mut slot, _) = busy_slot_on(Placement::Cuda(0), RUN, now);
        assert!(!slot.is_unfit(), "its worker lives");
        slot.reap();
        assert!(slot.is_unfit());
        slot.set_ready();
        assert!(!slot.is_unfit());
    }
}
