//! A sweep: the plan of an experiment, what is known of its runs, and what follows from that.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::dataset::Loader;
use crate::plan::{Plan, Run};
use crate::search::{Contest, End, Missing, Outcome, Verdict};
use crate::spec::{Experiment, ExperimentError};
use crate::store::{Pruning, RunState, Status, Store, has_files};
use crate::text::short_hash;

/// A planned experiment with what is known of its runs.
pub struct Sweep {
    /// The experiment.
    pub experiment: Experiment,
    plan: Plan,
    device_class: String,
    contest: Option<Contest>,
    /// Runs of the plan that have entered the contest.
    entered: usize,
    index: HashMap<String, usize>,
    /// What is known of each run.
    known: Vec<Known>,
}

#[derive(Default)]
struct Known {
    status: Option<Status>,
    /// The objective on validation.
    objective: Option<f64>,
    /// The searches that gave it up.
    pruned_under: Vec<String>,
    /// It failed in this sweep and will not be tried again.
    failed: bool,
}

impl Sweep {
    /// Plans an experiment as far as no result is needed.
    ///
    /// # Errors
    /// Data that are missing, malformed or too short, at the key of the file that asks for them.
    pub fn new(
        experiment: Experiment,
        loader: &mut Loader,
        device_class: &str,
    ) -> Result<Self, ExperimentError> {
        let plan = Plan::new(&experiment, loader, device_class)?;
        let contest = experiment.spec.search.pruner.clone().map(Contest::new);
        let mut sweep = Self {
            experiment,
            plan,
            device_class: device_class.to_string(),
            contest,
            entered: 0,
            index: HashMap::new(),
            known: Vec::new(),
        };
        sweep.enter_new_runs();
        Ok(sweep)
    }

    /// The runs that are planned so far.
    pub fn runs(&self) -> &[Arc<Run>] {
        &self.plan.runs
    }

    /// Device class of the runs: `cpu`, `cuda` or `wgpu`.
    pub fn device_class(&self) -> &str {
        &self.device_class
    }

    /// Whether no run will be added any more.
    pub fn is_complete(&self) -> bool {
        self.plan.is_complete()
    }

    /// Whether what runs next depends on results.
    pub fn learns(&self) -> bool {
        !self.is_complete() || self.contest.is_some()
    }

    /// Trials that `tpe` has yet to propose.
    pub fn unproposed(&self) -> usize {
        self.plan.unproposed(&self.experiment)
    }

    /// Takes up what the store knows, and plans whatever follows from it: proposals are functions of earlier results, so
    /// that a sweep that was stopped comes to the same plan again.
    ///
    /// # Errors
    /// A store that cannot be read, or data that changed.
    pub fn replay(&mut self, store: &mut Store) -> anyhow::Result<()> {
        let mut from = 0;
        let mut loader = Loader::sharing();
        loop {
            let all: Vec<usize> = (from..self.runs().len()).collect();
            self.refresh(store, &all)?;
            from = self.runs().len();
            if !self.grow(&mut loader)? {
                return Ok(());
            }
        }
    }

    /// Reads what the store knows of some runs.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn refresh(&mut self, store: &mut Store, runs: &[usize]) -> anyhow::Result<()> {
        let ids: Vec<&str> = runs.iter().map(|&run| self.plan.runs[run].id.as_str()).collect();
        let objective = self.experiment.spec.search.objective.on_validation();
        for (run_id, facts) in store.facts(&ids, &objective)? {
            if let Some(&run) = self.index.get(&run_id) {
                self.learn(run, facts);
            }
        }
        Ok(())
    }

    fn learn(&mut self, run: usize, facts: RunState) {
        let RunState { status, objective, losses, pruned_under } = facts;
        if let Some(contest) = &mut self.contest {
            for (epoch, loss) in losses {
                contest.epoch(run, epoch, loss);
            }
            let here = contest
                .fingerprint(run)
                .is_some_and(|search| pruned_under.iter().any(|known| known == search));
            match status {
                Status::Done => contest.end(run, End::Done),
                Status::Pruned if here => contest.end(run, End::Stopped),
                _ => {}
            }
        }
        let known = &mut self.known[run];
        known.status = Some(status);
        known.objective = objective;
        known.pruned_under = pruned_under;
    }

    /// Where a run stands in the store.
    pub fn status(&self, run: usize) -> Status {
        self.known[run].status.unwrap_or(Status::Planned)
    }

    /// Whether a run need not run: it is done and its files are there, or this very search gave it up.
    pub fn is_finished(&self, run: usize, results: &Path) -> bool {
        match self.status(run) {
            // A run whose files are gone can be neither asked nor plotted: it runs again.
            Status::Done => has_files(results, &self.plan.runs[run].id),
            Status::Pruned => self
                .fingerprint(run)
                .is_some_and(|search| self.known[run].pruned_under.iter().any(|known| known == search)),
            _ => false,
        }
    }

    /// What identifies the search that may give a run up; `None` for a run that nothing gives up.
    pub fn fingerprint(&self, run: usize) -> Option<&str> {
        self.contest.as_ref()?.fingerprint(run)
    }

    /// Epochs after which a run is judged.
    pub fn rungs(&self, run: usize) -> &[usize] {
        self.contest.as_ref().map_or(&[], |contest| contest.rungs(run))
    }

    /// A run ended an epoch.
    pub fn epoch(&mut self, run: usize, epoch: usize, loss: f64) {
        if let Some(contest) = &mut self.contest {
            contest.epoch(run, epoch, loss);
        }
    }

    /// A run is done, with this objective on validation.
    pub fn done(&mut self, run: usize, objective: Option<f64>) {
        self.known[run].objective = objective;
        self.end(run, End::Done);
    }

    /// A run was given up.
    pub fn pruned(&mut self, run: usize) {
        self.end(run, End::Stopped);
    }

    /// A run failed and is not tried again.
    pub fn failed(&mut self, run: usize) {
        self.known[run].failed = true;
        self.end(run, End::Stopped);
    }

    fn end(&mut self, run: usize, end: End) {
        if let Some(contest) = &mut self.contest {
            contest.end(run, end);
        }
    }

    /// The verdict on a run at a rung.
    ///
    /// # Errors
    /// The runs that it has to wait for.
    pub fn verdict(&mut self, run: usize, epoch: usize) -> Result<Verdict, Missing> {
        self.contest.as_mut().ok_or_else(Vec::new)?.verdict(run, epoch)
    }

    /// What the store keeps of a verdict that gave a run up.
    pub fn pruning(&self, run: usize, verdict: Verdict) -> Option<Pruning> {
        Some(Pruning { search: self.fingerprint(run)?.to_string(), verdict })
    }

    /// Whether this search gives a run up, or would have.
    pub fn gives_up(&mut self, run: usize) -> bool {
        self.contest.as_mut().is_some_and(|contest| contest.given_up(run).is_some())
    }

    /// Plans what follows from what is known now; returns whether a run was added.
    ///
    /// # Errors
    /// Data that changed.
    pub fn grow(&mut self, loader: &mut Loader) -> anyhow::Result<bool> {
        if self.plan.is_complete() {
            return Ok(false);
        }
        let outcomes: HashMap<String, Outcome> = (0..self.known.len())
            .filter_map(|run| Some((self.plan.runs[run].id.clone(), self.outcome(run)?)))
            .collect();
        let grown =
            self.plan.grow(&self.experiment, loader, &self.device_class, &|id| outcomes.get(id).copied())?;
        self.enter_new_runs();
        Ok(grown)
    }

    /// What came of a run, once that will not change any more.
    fn outcome(&mut self, run: usize) -> Option<Outcome> {
        if let Some(verdict) = self.contest.as_mut().and_then(|contest| contest.given_up(run)) {
            return Some(Outcome::Pruned { epoch: verdict.epoch, loss: verdict.loss });
        }
        let known = &self.known[run];
        known.objective.map(Outcome::Complete).or(known.failed.then_some(Outcome::Failed))
    }

    fn enter_new_runs(&mut self) {
        for at in self.entered..self.plan.runs.len() {
            let run = &self.plan.runs[at];
            self.index.insert(run.id.clone(), at);
            self.known.push(Known::default());
            if let Some(contest) = &mut self.contest
                && run.spec.model.is_trained()
            {
                // Losses of other settings, seeds or folds do not compare.
                let group = format!("{} {:?} {} {}", run.entry, run.seed, run.fold, run.spec.setting());
                contest.enter(at, &run.id, group, run.spec.training.epochs, short_hash);
            }
        }
        self.entered = self.plan.runs.len();
    }

    /// The plan itself.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}
