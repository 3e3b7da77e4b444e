//! Whether one model's errors are lower than another's, window by window.

use std::collections::BTreeMap;
use std::path::Path;

use crate::dataset::{ChannelScale, read_predictions};
use crate::experiment::{Metric, ObjectiveSpec};
use crate::metric::{block_bootstrap_mean, block_length};
use crate::scheduler::{SavedRun, run_folder};

const RESAMPLES: usize = 2_000;
const LEVEL: f64 = 0.95;
/// Below about this many blocks the p-values of a block bootstrap are too small.
pub(super) const FEW_BLOCKS: usize = 10;
/// The resampling must give the same interval each time a report is written.
const SEED: u64 = 1;

/// Loss of each test window, averaged over the runs of a trial: seeds measure initialisation, windows measure skill.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowLosses {
    losses: Vec<f64>,
    /// How many successive kept windows share target steps.
    overlap: usize,
    metric: &'static str,
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
    /// Reads the test predictions of some runs: mean over the seeds of a fold, one fold after the other. `None` where
    /// files are gone.
    pub fn read(results: &Path, run_ids: &[String], objective: &ObjectiveSpec) -> Option<Self> {
        let runs = run_ids
            .iter()
            .map(|run_id| losses_of_run(results, run_id, objective))
            .collect::<Option<Vec<_>>>()?;
        Self::join(&runs)
    }

    /// Joins the losses of runs, each given with its fold: seeds test the same windows, folds test different ones.
    fn join(runs: &[(usize, Self)]) -> Option<Self> {
        let (_, first) = runs.first()?;
        let mut folds: BTreeMap<usize, Vec<&Self>> = BTreeMap::new();
        for (fold, losses) in runs {
            folds.entry(*fold).or_default().push(losses);
        }
        let mut joined = Self { losses: Vec::new(), ..first.clone() };
        for seeds in folds.values() {
            let windows = seeds[0].losses.len();
            if seeds.iter().any(|seed| seed.losses.len() != windows) {
                return None;
            }
            joined.losses.extend((0..windows).map(|window| {
                let total: f64 = seeds.iter().map(|seed| seed.losses[window]).sum();
                total / seeds.len() as f64
            }));
        }
        Some(joined)
    }

    /// The difference to a reference on the same windows.
    pub fn minus(&self, reference: &Self) -> Option<Difference> {
        if self.losses.len() != reference.losses.len() || self.metric != reference.metric {
            return None;
        }
        let differences: Vec<f64> =
            self.losses.iter().zip(&reference.losses).map(|(own, other)| own - other).collect();
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

/// Fold of a run and its loss in each test window, in the objective's unit.
fn losses_of_run(results: &Path, run_id: &str, objective: &ObjectiveSpec) -> Option<(usize, WindowLosses)> {
    let saved = SavedRun::read(results, run_id).ok()?;
    let table = read_predictions(&run_folder(results, run_id).join("predictions.parquet")).ok()?;
    let horizon = saved.spec.task.horizon();
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
            let total: f64 = window
                .iter()
                .flat_map(|&row| targets.iter().map(move |&target| (row, target)))
                .map(|(row, target)| {
                    let error = error(&saved.scaler.channels[target], target, row);
                    if absolute { error.abs() } else { error * error }
                })
                .sum();
            total / (horizon * targets.len()) as f64
        })
        .collect();
    let losses = WindowLosses {
        losses,
        overlap: horizon.div_ceil(saved.predictions_stride.max(1)),
        metric: if absolute { "mae" } else { "mse" },
    };
    Some((saved.fold, losses))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(losses: &[f64]) -> WindowLosses {
        WindowLosses { losses: losses.to_vec(), overlap: 1, metric: "mse" }
    }

    #[test]
    fn seeds_are_averaged_and_folds_follow_one_another() {
        let runs = [(1, losses(&[5.0, 6.0])), (0, losses(&[1.0, 2.0])), (0, losses(&[3.0, 4.0]))];
        let joined = WindowLosses::join(&runs).unwrap();
        assert_eq!(joined.losses, [2.0, 3.0, 5.0, 6.0]);
    }

    #[test]
    fn seeds_of_unequal_length_are_not_compared() {
        let runs = [(0, losses(&[1.0, 2.0])), (0, losses(&[3.0]))];
        assert_eq!(WindowLosses::join(&runs), None);
    }
}
