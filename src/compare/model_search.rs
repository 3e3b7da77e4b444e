//! The search of one model: its trials in the order in which they were proposed, with what came of each.

use std::sync::Arc;

use serde_json::Value;

use super::grouping::group_by;
use super::parameter_paths::{clear_names, varying_paths};
use super::settings::{Objectives, RunsOfSetting};
use super::trial_importance::{FinishedTrial, ModelImportance, judge};
use super::trials::outline_of;
use crate::search::{Dimension, STARTUP_TRIALS};
use crate::spec::{ObjectivePart, ObjectiveSpec, SearchOutline, Strategy, lookup, shown_value};
use crate::store::{PrunedRun, RevisionRow, RunRow, Status, Store};

/// Importance is judged by at most so many trials, spread evenly over the search: more take long and change little.
const MOST_JUDGED: usize = 1000;

/// The trials of one model in one setting.
#[derive(Debug, Clone)]
pub struct ModelSearch {
    /// Index of the setting's board.
    pub board: usize,
    /// Kind of the model.
    pub model: String,
    /// The hyperparameters in which its trials differ.
    pub hyperparameters: Vec<SearchedHyperparameter>,
    /// The trials, in the order of the plan: that in which a search proposed them.
    pub trials: Vec<SearchTrial>,
    /// What the file says about the search, or why that is unknown.
    pub outline: Arc<Result<SearchOutline, String>>,
}

/// A hyperparameter in which trials differ.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchedHyperparameter {
    /// Its place in the parameters of a run, such as `training.learning_rate`.
    pub path: String,
    /// The shortest name that is clear.
    pub name: String,
    /// The ranges that its values were drawn from; none where the file lists them.
    pub ranges: Vec<Dimension>,
}

/// One trial over its seeds and folds.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchTrial {
    /// Its place in the order of the search, counted from 1.
    pub number: usize,
    /// The resolved run, but for seed and fold.
    pub params: Arc<Value>,
    /// The hyperparameters as labels print them, such as `hidden=64 layers=1`.
    pub label: String,
    /// What became of it.
    pub state: TrialState,
    /// Mean objective of the runs that are done; of a pruned trial the lowest validation loss before it was pruned, where that
    /// measures the same. `None` where nothing is known.
    pub objective: Option<f64>,
}

/// What became of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrialState {
    /// Every run is done.
    Done,
    /// At least one run was pruned.
    Pruned {
        /// The earliest epoch after which one was.
        epoch: i64,
    },
    /// Some run has no result.
    Failed,
    /// Some run is yet to end.
    Open,
}

impl ModelSearch {
    /// Which hyperparameters matter, by the trials that are done.
    pub fn importance(&self) -> ModelImportance {
        let done: Vec<FinishedTrial<'_>> = self
            .trials
            .iter()
            .filter(|trial| trial.state == TrialState::Done)
            .filter_map(|trial| Some(FinishedTrial { params: &trial.params, objective: trial.objective? }))
            .collect();
        let judged: Vec<FinishedTrial<'_>> =
            done.iter().copied().step_by(done.len().div_ceil(MOST_JUDGED).max(1)).collect();
        let paths: Vec<String> = self.hyperparameters.iter().map(|own| own.path.clone()).collect();
        let outline = self.outline.as_ref().as_ref().map_err(String::as_str);
        judge(&self.model, &paths, &judged, outline)
    }

    /// How its trials were chosen; `None` where the file is unknown.
    pub fn strategy(&self) -> Option<Strategy> {
        self.outline.as_ref().as_ref().ok().map(|outline| outline.search.strategy)
    }

    /// How many trials `tpe` drew before it learned from any: whole batches of its start, of each entry of this kind.
    pub fn startup_trials(&self) -> usize {
        match self.outline.as_ref() {
            Ok(outline) if outline.search.strategy == Strategy::Tpe => {
                let batch = outline.search.batch.max(1);
                let entries = outline.models.iter().filter(|kind| **kind == self.model).count();
                STARTUP_TRIALS.div_ceil(batch) * batch * entries
            }
            _ => 0,
        }
    }
}

/// The searches of some settings; a model whose trials do not differ has none.
pub(super) fn searches(
    store: &mut Store,
    revision: &RevisionRow,
    objective: &ObjectiveSpec,
    objectives: &Objectives,
    settings: &[RunsOfSetting<'_>],
) -> anyhow::Result<Vec<ModelSearch>> {
    let any_pruned = settings.iter().flat_map(|(_, runs)| runs).any(|run| run.status == Status::Pruned);
    let outcomes = Outcomes {
        objective,
        objectives,
        pruned: if any_pruned { store.pruned_runs(&revision.id())? } else { Vec::new() },
    };
    let outline = Arc::new(outline_of(revision)?);
    let of_setting = |(board, (_, runs)): (usize, &RunsOfSetting<'_>)| {
        let models = group_by(runs.iter().copied(), |run| run.model.clone());
        let searches =
            models.into_iter().filter_map(|(model, runs)| search(board, model, &runs, &outcomes, &outline));
        searches.collect::<Vec<_>>()
    };
    Ok(settings.iter().enumerate().flat_map(of_setting).collect())
}

/// What came of runs.
struct Outcomes<'a> {
    objective: &'a ObjectiveSpec,
    objectives: &'a Objectives,
    /// Sorted by their identities.
    pruned: Vec<PrunedRun>,
}

fn search(
    board: usize,
    model: String,
    runs: &[&RunRow],
    outcomes: &Outcomes<'_>,
    outline: &Arc<Result<SearchOutline, String>>,
) -> Option<ModelSearch> {
    let groups = group_by(runs.iter().copied(), |run| &run.params);
    let params: Vec<&Value> = groups.iter().map(|(_, runs)| &*runs[0].params).collect();
    let paths = varying_paths(&params);
    if paths.is_empty() {
        return None;
    }
    let ranges = |path: &str| outline.as_ref().as_ref().map_or(Vec::new(), |own| own.ranges(path, &model));
    let hyperparameters: Vec<SearchedHyperparameter> = paths
        .iter()
        .zip(clear_names(&paths))
        .map(|(path, name)| SearchedHyperparameter { path: path.clone(), name, ranges: ranges(path) })
        .collect();
    let trials =
        groups.iter().enumerate().map(|(at, (_, runs))| outcomes.trial(at + 1, runs, &hyperparameters));
    let trials = trials.collect();
    Some(ModelSearch { board, model, hyperparameters, trials, outline: Arc::clone(outline) })
}

impl Outcomes<'_> {
    fn trial(
        &self,
        number: usize,
        runs: &[&RunRow],
        hyperparameters: &[SearchedHyperparameter],
    ) -> SearchTrial {
        let params = &runs[0].params;
        let state = self.state(runs);
        let values: Vec<f64> = match state {
            TrialState::Pruned { .. } if !is_objective_the_loss(params, self.objective) => Vec::new(),
            TrialState::Pruned { .. } => {
                runs.iter().filter_map(|run| Some(self.pruned(&run.run_id)?.valid_loss)).collect()
            }
            _ => runs.iter().filter_map(|run| self.objectives.chosen.get(&run.run_id).copied()).collect(),
        };
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let parts = hyperparameters.iter().filter_map(|own| {
            lookup(params, &own.path).map(|value| format!("{}={}", own.name, shown_value(value)))
        });
        SearchTrial {
            number,
            params: params.clone(),
            label: parts.collect::<Vec<_>>().join(" "),
            state,
            objective: mean.is_finite().then_some(mean),
        }
    }

    fn state(&self, runs: &[&RunRow]) -> TrialState {
        let is_any = |wanted: &[Status]| runs.iter().any(|run| wanted.contains(&run.status));
        let pruned_at = runs.iter().filter(|run| run.status == Status::Pruned);
        let pruned_at = pruned_at.map(|run| self.pruned(&run.run_id).map_or(0, |pruned| pruned.epoch)).min();
        match pruned_at {
            _ if is_any(&[Status::Failed, Status::TimedOut]) => TrialState::Failed,
            Some(epoch) => TrialState::Pruned { epoch },
            None if runs.iter().all(|run| run.status == Status::Done) => TrialState::Done,
            None => TrialState::Open,
        }
    }

    fn pruned(&self, run_id: &str) -> Option<&PrunedRun> {
        let at = self.pruned.binary_search_by(|pruned| pruned.run_id.as_str().cmp(run_id)).ok()?;
        self.pruned.get(at)
    }
}

/// Whether the validation loss of training measures what the objective does: the same error, over all targets alike.
fn is_objective_the_loss(params: &Value, objective: &ObjectiveSpec) -> bool {
    let loss = lookup(params, "training.loss").and_then(Value::as_str);
    loss == Some(objective.metric.as_str())
        && objective.target == "all"
        && objective.part == ObjectivePart::Valid
        && lookup(params, "training.target_weights").is_none()
        && lookup(params, "evaluation.steps").is_none()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;
    use crate::compare::test_fixtures::run;

    fn gru(run_id: &str, hidden: i64, seed: i64, status: Status) -> RunRow {
        let mut run = run(run_id, "gru", Some(seed), status);
        Arc::make_mut(&mut run.params)["model"]["hidden"] = json!(hidden);
        Arc::make_mut(&mut run.params)["training"] = json!({ "epochs": 9, "loss": "mse" });
        run
    }

    fn pruned(run_id: &str, epoch: i64, valid_loss: f64) -> PrunedRun {
        PrunedRun { run_id: run_id.to_string(), epoch, valid_loss }
    }

    fn found(runs: &[RunRow], objective: &ObjectiveSpec, text: &str) -> ModelSearch {
        let chosen: HashMap<String, f64> = [("a1", 0.4), ("a2", 0.6), ("b1", 0.1), ("c1", 0.3)]
            .map(|(id, value)| (id.to_string(), value))
            .into();
        let objectives = Objectives { test: HashMap::new(), chosen };
        let pruned = vec![pruned("c2", 1, 0.9), pruned("d1", 3, 0.7), pruned("d2", 1, 0.8)];
        let outcomes = Outcomes { objective, objectives: &objectives, pruned };
        let outline =
            Arc::new(SearchOutline::parse("e.toml", text.to_string(), &[]).map_err(|_| String::new()));
        search(0, "gru".to_string(), &runs.iter().collect::<Vec<_>>(), &outcomes, &outline).unwrap()
    }

    fn runs() -> [RunRow; 10] {
        [
            gru("a1", 2, 1, Status::Done),
            gru("a2", 2, 2, Status::Done),
            gru("b1", 4, 1, Status::Done),
            gru("b2", 4, 2, Status::Failed),
            gru("c1", 8, 1, Status::Done),
            gru("c2", 8, 2, Status::Pruned),
            gru("d1", 16, 1, Status::Pruned),
            gru("d2", 16, 2, Status::Pruned),
            gru("e1", 32, 1, Status::Running),
            gru("e2", 32, 2, Status::Planned),
        ]
    }

    #[test]
    fn trials_keep_the_order_of_the_plan_and_say_what_became_of_them() {
        let search = found(&runs(), &ObjectiveSpec::default(), "");
        let told: Vec<(usize, TrialState, Option<f64>)> =
            search.trials.iter().map(|trial| (trial.number, trial.state, trial.objective)).collect();
        let expected = [
            (1, TrialState::Done, Some(0.5)),
            (2, TrialState::Failed, Some(0.1)),
            (3, TrialState::Pruned { epoch: 1 }, Some(0.9)),
            (4, TrialState::Pruned { epoch: 1 }, Some(0.75)),
            (5, TrialState::Open, None),
        ];
        assert_eq!(told, expected);
        assert_eq!(search.trials[4].label, "hidden=32");
        assert!(
            search
                .importance()
                .importance
                .unwrap_err()
                .contains("it takes 10 finished trials, and 1 finished")
        );
    }

    #[test]
    fn a_pruned_trial_has_no_objective_where_the_loss_measures_something_else() {
        let objective = ObjectiveSpec { target: "gap_s".to_string(), ..ObjectiveSpec::default() };
        assert_eq!(found(&runs(), &objective, "").trials[3].objective, None);
    }

    #[test]
    fn tpe_sets_out_with_whole_batches() {
        let text =
            "[[models]]\n[models.gru]\nhidden = { int = [2, 32] }\n[search]\nstrategy = \"tpe\"\nbatch = 5\n";
        let search = found(&runs(), &ObjectiveSpec::default(), text);
        assert_eq!((search.startup_trials(), search.strategy()), (10, Some(Strategy::Tpe)));
        assert_eq!(search.hyperparameters[0].ranges, [Dimension::Int(2, 32)]);
        assert_eq!(found(&runs(), &ObjectiveSpec::default(), "").startup_trials(), 0);
    }

    #[test]
    fn a_model_whose_trials_do_not_differ_was_not_searched() {
        let runs = [gru("a1", 2, 1, Status::Done), gru("a2", 2, 2, Status::Done)];
        let objective = ObjectiveSpec::default();
        let objectives = Objectives { test: HashMap::new(), chosen: HashMap::new() };
        let outcomes = Outcomes { objective: &objective, objectives: &objectives, pruned: Vec::new() };
        let outline = Arc::new(Err("its file is lost".to_string()));
        assert!(search(0, "gru".into(), &runs.iter().collect::<Vec<_>>(), &outcomes, &outline).is_none());
    }
}
