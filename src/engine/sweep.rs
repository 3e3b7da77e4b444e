//! A sweep: the plan of an experiment, what is known of its runs, and what follows from that.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::dataset::Loader;
use crate::plan::{Plan, Run};
use crate::search::{Contest, Finish, RungStatus, RungVerdict, TrialOutcome};
use crate::spec::{Experiment, ExperimentError};
use crate::store::{Pruning, RevisionId, RunResult, RunState, Status, Store, has_files};
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
    known: Vec<KnownRun>,
    /// Whether something was learnt since the plan was last asked to grow.
    has_news: bool,
}

#[derive(Default)]
struct KnownRun {
    status: Option<Status>,
    /// The objective on validation.
    objective: Option<f64>,
    /// The searches that pruned it.
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
            has_news: true,
        };
        sweep.enter_new_runs();
        Ok(sweep)
    }

    /// The runs that are planned so far.
    pub fn runs(&self) -> &[Arc<Run>] {
        &self.plan.runs
    }

    /// A run of the plan.
    pub fn run(&self, run: usize) -> &Arc<Run> {
        &self.plan.runs[run]
    }

    /// The runs of the plan that an ensemble chooses its members from; none for another model.
    pub fn candidates(&self, run: usize) -> Vec<usize> {
        self.run(run).candidates.iter().filter_map(|id| self.index.get(id).copied()).collect()
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

    /// Records the runs that were added to the plan, from a position on.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn record_growth(&self, store: &mut Store, revision: &RevisionId, from: usize) -> anyhow::Result<()> {
        store.extend_plan(revision, &self.experiment, &self.plan, &self.device_class, from)
    }

    /// Takes up what the store knows, and plans whatever follows from it: proposals are functions of earlier results, so
    /// that a sweep that was stopped comes to the same plan again.
    ///
    /// # Errors
    /// A store that cannot be read, or data that changed.
    pub fn replay(&mut self, store: &mut Store, loader: &mut Loader) -> anyhow::Result<()> {
        let mut from = 0;
        loop {
            let all: Vec<usize> = (from..self.runs().len()).collect();
            self.refresh(store, &all)?;
            from = self.runs().len();
            if !self.grow(loader)? {
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
        for (run_id, state) in store.run_states(&ids, &objective)? {
            if let Some(&run) = self.index.get(&run_id) {
                self.learn(run, state);
            }
        }
        self.has_news = true;
        Ok(())
    }

    fn learn(&mut self, run: usize, state: RunState) {
        let RunState { status, objective, losses, pruned_under } = state;
        if let Some(contest) = &mut self.contest {
            for (epoch, loss) in losses {
                contest.epoch(run, epoch, loss);
            }
            let here = contest
                .fingerprint(run)
                .is_some_and(|search| pruned_under.iter().any(|known| known == search));
            match status {
                Status::Done => contest.finish(run, Finish::Done),
                Status::Pruned if here => contest.finish(run, Finish::Stopped),
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

    /// Whether a run need not run: it is done and its files are there, or this very search pruned it.
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

    /// What identifies the search that may prune a run; `None` for a run that is never pruned.
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

    /// A run is done.
    pub fn done(&mut self, run: usize, result: &RunResult) {
        let objective = self.experiment.spec.search.objective.on_validation();
        let metric = result
            .metrics
            .iter()
            .find(|metric| objective.matches(&metric.part, &metric.target, &metric.unit, &metric.name));
        self.known[run].objective = metric.map(|metric| metric.value);
        self.finish(run, Finish::Done);
    }

    /// A run was pruned.
    pub fn pruned(&mut self, run: usize) {
        self.finish(run, Finish::Stopped);
    }

    /// A run failed and is not tried again.
    pub fn failed(&mut self, run: usize) {
        self.known[run].failed = true;
        self.finish(run, Finish::Stopped);
    }

    fn finish(&mut self, run: usize, finish: Finish) {
        self.has_news = true;
        if let Some(contest) = &mut self.contest {
            contest.finish(run, finish);
        }
    }

    /// The objective of a run on validation, if it is done.
    pub fn objective(&self, run: usize) -> Option<f64> {
        self.known[run].objective
    }

    /// Whether a run goes on from a rung, as far as that is certain.
    pub fn rung_status(&mut self, run: usize, epoch: usize) -> RungStatus {
        self.contest.as_mut().map_or(RungStatus::NoRung, |contest| contest.rung_status(run, epoch))
    }

    /// What the store keeps of a verdict that pruned a run.
    pub fn pruning(&self, run: usize, verdict: RungVerdict) -> Option<Pruning> {
        Some(Pruning { search: self.fingerprint(run)?.to_string(), verdict })
    }

    /// Whether this search prunes a run, or would have.
    pub fn is_pruned_by_search(&mut self, run: usize) -> bool {
        self.contest.as_mut().is_some_and(|contest| contest.pruned(run).is_some())
    }

    /// Plans what follows from what was learnt since the last time; returns whether a run was added.
    ///
    /// # Errors
    /// Data that changed.
    pub fn grow(&mut self, loader: &mut Loader) -> anyhow::Result<bool> {
        if !std::mem::take(&mut self.has_news) || self.plan.is_complete() {
            return Ok(false);
        }
        let outcomes: HashMap<String, TrialOutcome> = (0..self.known.len())
            .filter_map(|run| Some((self.plan.runs[run].id.clone(), self.outcome(run)?)))
            .collect();
        let grown =
            self.plan.grow(&self.experiment, loader, &self.device_class, &|id| outcomes.get(id).copied())?;
        self.enter_new_runs();
        // What was added may be known already, and lead to more.
        self.has_news = grown;
        Ok(grown)
    }

    /// What came of a run, once that will not change any more.
    fn outcome(&mut self, run: usize) -> Option<TrialOutcome> {
        if let Some(verdict) = self.contest.as_mut().and_then(|contest| contest.pruned(run)) {
            return Some(TrialOutcome::Pruned { epoch: verdict.epoch, loss: verdict.loss });
        }
        let known = &self.known[run];
        known.objective.map(TrialOutcome::Complete).or(known.failed.then_some(TrialOutcome::Failed))
    }

    fn enter_new_runs(&mut self) {
        for at in self.entered..self.plan.runs.len() {
            let run = &self.plan.runs[at];
            self.index.insert(run.id.clone(), at);
            self.known.push(KnownRun::default());
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
