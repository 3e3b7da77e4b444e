//! How a sweep is run, who is told how it goes, and what came of it.

use std::path::PathBuf;
use std::time::Duration;

use super::budget::{Budget, Spent};
use super::pace::Awaited;
use super::packing::lanes;
use crate::plan::Run;
use crate::spec::PackSize;
use crate::store::{RevisionId, RunResult, Status};
use crate::system::device::Placement;
use crate::system::interrupt::StopSignal;
use crate::train::{Epoch, PackRoom};

/// How a sweep is run.
#[derive(Debug, Clone)]
pub struct DispatchOptions {
    /// The revision of the experiment.
    pub revision: RevisionId,
    /// The results folder.
    pub results: PathBuf,
    /// One placement for each slot.
    pub slots: Vec<Placement>,
    /// Runs that a slot trains together.
    pub pack: PackSize,
    /// What a pack may take.
    pub room: PackRoom,
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

impl DispatchOptions {
    /// Runs that can be at work at once.
    pub fn lanes(&self) -> usize {
        self.slots.iter().map(|placement| lanes(*placement, self.pack)).sum()
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
    /// Another supervisor has done or pruned a run meanwhile.
    fn elsewhere(&mut self, run: &Run);
    /// A run was pruned.
    fn pruned(&mut self, slot: usize, run: &Run, verdict: &str);
    /// An attempt ended otherwise; `again` says when and how the run is tried once more, if it is.
    fn ended(&mut self, slot: usize, run: &Run, status: Status, error: &str, again: Option<&str>);
    /// Nothing new will be started; these runs will be finished first.
    fn stopping(&mut self, awaited: &[Awaited<'_>]);
    /// A budget is spent: nothing new will be started.
    fn spent(&mut self, spent: Spent, running: usize);
    /// This many more runs follow from the results so far.
    fn planned(&mut self, runs: usize);
}

/// What came of a sweep, in runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Done now.
    pub done: usize,
    /// Done or pruned by another supervisor meanwhile.
    pub done_elsewhere: usize,
    /// Pruned by the search.
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
    /// Whether the user or a signal stopped the sweep.
    pub stopped: bool,
    /// What stopped the sweep at once, together with the runs at work.
    pub stopped_by: Option<StopSignal>,
}
