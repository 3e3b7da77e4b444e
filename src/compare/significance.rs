//! Whether one model's errors are lower than another's, window by window.

use std::collections::BTreeSet;
use std::path::Path;

use crate::dataset::{ChannelScale, read_predictions};
use crate::spec::{Metric, ObjectiveSpec};
use crate::stats::{block_bootstrap_mean, block_length};
use crate::store::{SavedRun, run_folder};

const RESAMPLES: usize = 2_000;
const LEVEL: f64 = 0.95;
/// Below about this many blocks the p-values of a block bootstrap are too small.
pub const FEW_BLOCKS: usize = 10;
/// The resampling must give the same interval each time a report is written.
const SEED: u64 = 1;

/// Losses in each test window, run by run.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowLosses {
    runs: Vec<RunLosses>,
    /// How many successive kept windows share target steps.
    overlap: usize,
    metric: &'static str,
}

/// Losses of one run.
#[derive(Debug, Clone, PartialEq)]
struct RunLosses {
    fold: usize,
    /// `None` for a model without randomness, which pairs with every seed.
    seed: Option<u64>,
    losses: Vec<f64>,
}

/// Mean difference of two models' losses with its 95 % interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Mean loss minus mean loss of the reference: negative is better.
    pub mean: f64,
    /// Lower end of the interval.
    pub lower: f64,
    /// Upper end of the interval.
    pub upper: f64,
    /// Two-sided p-value of no difference.
    pub p_value: f64,
    /// The loss that was compared: `mae` or `mse`.
    pub loss: &'static str,
    /// How many blocks of dependent windows the test part holds.
    pub blocks: usize,
}

impl Difference {
    /// Whether so few blocks were resampled that the p-value is too small to be believed.
    pub fn has_few_blocks(&self) -> bool {
        self.blocks < FEW_BLOCKS
    }
}

impl WindowLosses {
    /// Reads the test predictions of some runs. `None` where files are gone.
    pub fn read(results: &Path, run_ids: &[String], objective: &ObjectiveSpec) -> Option<Self> {
        let mut runs = run_ids.iter().map(|run_id| losses_of_run(results, run_id, objective));
        let mut all = runs.next()??;
        for run in runs {
            all.runs.extend(run?.runs);
        }
        Some(all)
    }

    /// The difference to a reference on the same windows: runs are paired on fold and seed, the losses averaged over the
    /// seeds of a fold (seeds measure initialisation, windows measure skill), and one fold follows the other. `None` when
    /// the folds, the windows or the losses are not the same, or when no seed of a fold is in both.
    pub fn minus(&self, reference: &Self) -> Option<Difference> {
        if self.metric != reference.metric {
            return None;
        }
        let folds = |losses: &Self| losses.runs.iter().map(|run| run.fold).collect::<BTreeSet<usize>>();
        if folds(self) != folds(reference) {
            return None;
        }
        let mut differences = Vec::new();
        for fold in folds(self) {
            let (own, other) = paired(self, reference, fold)?;
            if own.len() != other.len() {
                return None;
            }
            differences.extend(own.iter().zip(&other).map(|(own, other)| own - other));
        }
        // Neighbouring windows share most of their target, so whole blocks are drawn.
        let block = block_length(differences.len(), self.overlap);
        let result = block_bootstrap_mean(&differences, block, RESAMPLES, LEVEL, SEED)?;
        Some(Difference {
            mean: result.mean,
            lower: result.lower,
            upper: result.upper,
            p_value: result.p_value,
            loss: self.metric,
            blocks: differences.len() / block,
        })
    }
}

/// Mean losses of both in one fold, over the seeds that both have.
fn paired(own: &WindowLosses, other: &WindowLosses, fold: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let seeds = |losses: &WindowLosses| -> BTreeSet<u64> {
        losses.runs.iter().filter(|run| run.fold == fold).filter_map(|run| run.seed).collect()
    };
    let (first, second) = (seeds(own), seeds(other));
    let both_are_random = !first.is_empty() && !second.is_empty();
    let common: BTreeSet<u64> = first.intersection(&second).copied().collect();
    let mean = |losses: &WindowLosses| -> Option<Vec<f64>> {
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
    Some((mean(own)?, mean(other)?))
}

/// The loss of one run in each test window, in the objective's unit.
fn losses_of_run(results: &Path, run_id: &str, objective: &ObjectiveSpec) -> Option<WindowLosses> {
    let saved = SavedRun::read(results, run_id).ok()?;
    let table = read_predictions(&run_folder(results, run_id).join("predictions.parquet")).ok()?;
    let horizon = saved.spec.task.horizon();
    let judged = saved.spec.evaluation.steps.of(horizon);
    let absolute =
        matches!(objective.metric, Metric::Mae | Metric::Medae | Metric::Wape | Metric::Mase | Metric::Smape);
    let targets: Vec<usize> = (0..table.targets.len())
        .filter(|&target| objective.target == "all" || table.targets[target] == objective.target)
        .collect();
    let scaled = objective.target == "all";
    let error = |scale: &ChannelScale, target: usize, row: usize| {
        let (actual, forecast) = (table.actual[target][row], table.forecast[target][row]);
        if scaled { scale.scale(forecast) - scale.scale(actual) } else { forecast - actual }
    };
    let rows: Vec<usize> = (0..table.part.len()).filter(|&row| table.part[row] == "test").collect();
    let losses = rows
        .chunks_exact(horizon)
        .map(|window| {
            let window = &window[judged.clone()];
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
        metric: if absolute { "mae" } else { "mse" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(runs: &[(usize, Option<u64>, &[f64])]) -> WindowLosses {
        let runs = runs.iter().map(|&(fold, seed, losses)| RunLosses { fold, seed, losses: losses.to_vec() });
        WindowLosses { runs: runs.collect(), overlap: 1, metric: "mse" }
    }

    #[test]
    fn runs_pair_on_the_seeds_that_both_have() {
        let own =
            losses(&[(0, Some(1), &[1.0, 2.0]), (0, Some(2), &[3.0, 4.0]), (0, Some(3), &[50.0, 60.0])]);
        let other = losses(&[(0, Some(1), &[0.0, 0.0]), (0, Some(2), &[1.0, 1.0])]);
        assert_eq!(paired(&own, &other, 0), Some((vec![2.0, 3.0], vec![0.5, 0.5])));
        let apart = losses(&[(0, Some(9), &[0.0, 0.0])]);
        assert_eq!(paired(&own, &apart, 0), None);
    }

    #[test]
    fn a_model_without_randomness_pairs_with_every_seed() {
        let own = losses(&[(0, Some(1), &[1.0, 2.0]), (0, Some(2), &[3.0, 4.0])]);
        let baseline = losses(&[(0, None, &[1.0, 1.0])]);
        assert_eq!(paired(&own, &baseline, 0), Some((vec![2.0, 3.0], vec![1.0, 1.0])));
    }

    #[test]
    fn folds_follow_one_another_and_must_be_the_same() {
        let own = losses(&[(1, None, &[5.0, 6.0]), (0, None, &[1.0, 2.0])]);
        let other = losses(&[(0, None, &[0.0, 0.0]), (1, None, &[0.0, 0.0])]);
        let difference = own.minus(&other).unwrap();
        assert!((difference.mean - 3.5).abs() < 1e-12);
        assert_eq!(own.minus(&losses(&[(0, None, &[0.0, 0.0])])), None);
    }

    #[test]
    fn seeds_of_unequal_length_are_not_compared() {
        let own = losses(&[(0, Some(1), &[1.0, 2.0]), (0, Some(2), &[3.0])]);
        assert_eq!(own.minus(&losses(&[(0, None, &[0.0, 0.0])])), None);
    }
}
