//! The losses of a model in each test window, and how those of two models pair.

use std::collections::BTreeSet;
use std::path::Path;

use super::predictions::predictions_of_run;
use crate::capacity::REPLICA_HOURS;
use crate::dataset::{CAPACITY_FILE, CapacityTable, ChannelScale};
use crate::spec::{CapacitySpec, Metric, ObjectiveSpec};
use crate::store::{SavedRun, run_folder};

/// Losses in each test window, run by run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WindowLosses {
    runs: Vec<RunLosses>,
    /// How many successive kept windows share target steps.
    overlap: usize,
    /// The loss: `mae`, `mse` or `replica_hours`.
    loss: &'static str,
}

/// Losses of one run.
#[derive(Debug, Clone, PartialEq)]
struct RunLosses {
    fold: usize,
    /// `None` for a model without randomness, which pairs with every seed.
    seed: Option<u64>,
    losses: Vec<f64>,
}

/// Losses of two models in the same windows.
#[derive(Debug, Clone, PartialEq)]
struct PairedLosses {
    own: Vec<f64>,
    reference: Vec<f64>,
}

/// Replica hours of one run, window by window.
pub(super) struct RunReplicas {
    pub(super) fold: usize,
    /// `None` for a model without randomness.
    pub(super) seed: Option<u64>,
    pub(super) hours: Vec<f64>,
}

/// The replica hours of a policy in the replay that a run has recorded; an empty name is that of the chosen plan.
pub(super) fn replica_hours_of_run(results: &Path, run_id: &str, policy: &str) -> Option<RunReplicas> {
    let saved = SavedRun::read(results, run_id).ok()?;
    let table = CapacityTable::read(&run_folder(results, run_id).join(CAPACITY_FILE)).ok()?;
    let hours = table.policy(policy)?.replica_hours(saved.window_s()?);
    Some(RunReplicas { fold: saved.fold, seed: saved.seed, hours })
}

/// Windows over which the replicas of one decision are felt: its cold start, and until they are stopped.
pub(super) fn overlap(spec: &CapacitySpec, window_s: f64) -> usize {
    let fleet = spec.fleet(window_s);
    1 + fleet.cold_start_windows + fleet.scale_down_windows
}

impl WindowLosses {
    /// Replica hours as losses; `overlap` windows are shaped by one decision. `None` where there is no run.
    pub(super) fn of_replicas(runs: Vec<RunReplicas>, overlap: usize) -> Option<Self> {
        let runs =
            runs.into_iter().map(|run| RunLosses { fold: run.fold, seed: run.seed, losses: run.hours });
        let runs: Vec<RunLosses> = runs.collect();
        (!runs.is_empty()).then_some(Self { runs, overlap, loss: REPLICA_HOURS })
    }

    /// Windows of one fold.
    pub(super) fn windows_of_a_fold(&self) -> usize {
        self.runs.first().map_or(0, |run| run.losses.len())
    }

    /// Reads the test predictions of some runs. `None` where files are gone.
    pub(super) fn read(results: &Path, run_ids: &[String], objective: &ObjectiveSpec) -> Option<Self> {
        let mut runs = run_ids.iter().map(|run_id| losses_of_run(results, run_id, objective));
        let mut all = runs.next()??;
        for run in runs {
            all.runs.extend(run?.runs);
        }
        Some(all)
    }

    /// How many successive kept windows share target steps.
    pub(super) fn overlap(&self) -> usize {
        self.overlap
    }

    /// The loss: `mae`, `mse` or `replica_hours`.
    pub(super) fn loss(&self) -> &'static str {
        self.loss
    }

    /// The differences to a reference, window by window, one fold after the other. Runs are paired on fold and seed, and
    /// the losses are averaged over the seeds of a fold: seeds measure initialisation, windows measure skill.
    ///
    /// `None` when the folds, the windows or the losses differ, or when no seed of a fold is in both.
    pub(super) fn minus(&self, reference: &Self) -> Option<Vec<f64>> {
        if self.loss != reference.loss || self.folds() != reference.folds() {
            return None;
        }
        let mut differences = Vec::new();
        for fold in self.folds() {
            let PairedLosses { own, reference } = self.paired(reference, fold)?;
            if own.len() != reference.len() {
                return None;
            }
            differences.extend(own.iter().zip(&reference).map(|(own, reference)| own - reference));
        }
        Some(differences)
    }

    fn folds(&self) -> BTreeSet<usize> {
        self.runs.iter().map(|run| run.fold).collect()
    }

    fn seeds(&self, fold: usize) -> BTreeSet<u64> {
        self.runs.iter().filter(|run| run.fold == fold).filter_map(|run| run.seed).collect()
    }

    /// Mean losses of both in one fold, over the seeds that both have.
    fn paired(&self, reference: &Self, fold: usize) -> Option<PairedLosses> {
        let (own, other) = (self.seeds(fold), reference.seeds(fold));
        let both_are_random = !own.is_empty() && !other.is_empty();
        let common: BTreeSet<u64> = own.intersection(&other).copied().collect();
        let mean = |losses: &Self| -> Option<Vec<f64>> {
            let takes_part = |run: &&RunLosses| {
                run.fold == fold && (!both_are_random || run.seed.is_some_and(|seed| common.contains(&seed)))
            };
            let runs: Vec<&RunLosses> = losses.runs.iter().filter(takes_part).collect();
            let windows = runs.first()?.losses.len();
            if runs.iter().any(|run| run.losses.len() != windows) {
                return None;
            }
            let count = runs.len() as f64;
            Some((0..windows).map(|at| runs.iter().map(|run| run.losses[at]).sum::<f64>() / count).collect())
        };
        Some(PairedLosses { own: mean(self)?, reference: mean(reference)? })
    }
}

/// The loss of one run in each test window, in the objective's unit.
fn losses_of_run(results: &Path, run_id: &str, objective: &ObjectiveSpec) -> Option<WindowLosses> {
    let saved = SavedRun::read(results, run_id).ok()?;
    if objective.metric == Metric::ReplicaHours {
        let overlap = overlap(saved.spec.capacity.as_ref()?, saved.window_s()?);
        return WindowLosses::of_replicas(vec![replica_hours_of_run(results, run_id, "")?], overlap);
    }
    let table = predictions_of_run(results, run_id).ok()?;
    let horizon = saved.spec.task.horizon();
    let judged_steps = saved.spec.evaluation.steps.of(horizon);
    let absolute =
        matches!(objective.metric, Metric::Mae | Metric::Medae | Metric::Wape | Metric::Mase | Metric::Smape);
    let targets: Vec<usize> = (0..table.targets.len())
        .filter(|&target| objective.target == "all" || table.targets[target] == objective.target)
        .collect();
    let scaled = objective.target == "all";
    let error = |scale: &ChannelScale, target: usize, row: usize| {
        if scaled { table.scaled_error(scale, target, row) } else { table.error(scale, target, row) }
    };
    let rows: Vec<usize> = table.test_rows().collect();
    let losses = rows
        .chunks_exact(horizon)
        .map(|window| {
            let window = &window[judged_steps.clone()];
            let total: f64 = window
                .iter()
                .flat_map(|&row| targets.iter().map(move |&target| (row, target)))
                .map(|(row, target)| {
                    let error = error(&saved.scaler.channels[target], target, row);
                    if absolute { error.abs() } else { error * error }
                })
                .sum();
            total / (window.len() * targets.len()) as f64
        })
        .collect();
    Some(WindowLosses {
        runs: vec![RunLosses { fold: saved.fold, seed: saved.seed, losses }],
        overlap: horizon.div_ceil(saved.predictions_stride.max(1)),
        loss: if absolute { "mae" } else { "mse" },
    })
}

#[cfg(test)]
mod tests {
    use super::super::significance::Difference;
    use super::*;

    fn losses(runs: &[(usize, Option<u64>, &[f64])]) -> WindowLosses {
        let runs = runs.iter().map(|&(fold, seed, losses)| RunLosses { fold, seed, losses: losses.to_vec() });
        WindowLosses { runs: runs.collect(), overlap: 1, loss: "mse" }
    }

    fn pair(own: [f64; 2], reference: [f64; 2]) -> PairedLosses {
        PairedLosses { own: own.to_vec(), reference: reference.to_vec() }
    }

    #[test]
    fn runs_pair_on_the_seeds_that_both_have() {
        let own =
            losses(&[(0, Some(1), &[1.0, 2.0]), (0, Some(2), &[3.0, 4.0]), (0, Some(3), &[50.0, 60.0])]);
        let other = losses(&[(0, Some(1), &[0.0, 0.0]), (0, Some(2), &[1.0, 1.0])]);
        assert_eq!(own.paired(&other, 0), Some(pair([2.0, 3.0], [0.5, 0.5])));
        let apart = losses(&[(0, Some(9), &[0.0, 0.0])]);
        assert_eq!(own.paired(&apart, 0), None);
    }

    #[test]
    fn a_model_without_randomness_pairs_with_every_seed() {
        let own = losses(&[(0, Some(1), &[1.0, 2.0]), (0, Some(2), &[3.0, 4.0])]);
        let baseline = losses(&[(0, None, &[1.0, 1.0])]);
        assert_eq!(own.paired(&baseline, 0), Some(pair([2.0, 3.0], [1.0, 1.0])));
    }

    #[test]
    fn folds_follow_one_another_and_must_be_the_same() {
        let own = losses(&[(1, None, &[5.0, 6.0]), (0, None, &[1.0, 2.0])]);
        let other = losses(&[(0, None, &[0.0, 0.0]), (1, None, &[0.0, 0.0])]);
        assert_eq!(own.minus(&other), Some(vec![1.0, 2.0, 5.0, 6.0]));
        let difference = Difference::measure(&own, &other).unwrap();
        assert!((difference.mean - 3.5).abs() < 1e-12);
        assert_eq!(own.minus(&losses(&[(0, None, &[0.0, 0.0])])), None);
    }

    #[test]
    fn seeds_of_unequal_length_are_not_compared() {
        let own = losses(&[(0, Some(1), &[1.0, 2.0]), (0, Some(2), &[3.0])]);
        assert_eq!(own.minus(&losses(&[(0, None, &[0.0, 0.0])])), None);
    }
}
