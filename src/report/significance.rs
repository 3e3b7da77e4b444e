//! Whether one model's errors are lower than another's, window by window.

use std::path::Path;

use crate::dataset::{ChannelScale, read_predictions};
use crate::experiment::{Metric, ObjectiveSpec};
use crate::metric::{block_bootstrap_mean, block_length};
use crate::scheduler::{SavedRun, run_folder};

const RESAMPLES: usize = 2_000;
const LEVEL: f64 = 0.95;
/// The resampling must give the same interval each time a report is written.
const SEED: u64 = 1;

/// Loss of each test window, averaged over the runs of a trial: seeds measure initialisation, windows measure skill.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowLosses {
    losses: Vec<f64>,
    horizon: usize,
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
}

impl WindowLosses {
    /// Reads the test predictions of some runs; `None` where their files are gone.
    pub fn read(results: &Path, run_ids: &[String], objective: &ObjectiveSpec) -> Option<Self> {
        let mut total: Option<Self> = None;
        for run_id in run_ids {
            let losses = losses_of_run(results, run_id, objective)?;
            total = Some(match total {
                None => losses,
                Some(mut total) if total.losses.len() == losses.losses.len() => {
                    for (sum, loss) in total.losses.iter_mut().zip(&losses.losses) {
                        *sum += loss;
                    }
                    total
                }
                // Folds test different windows: they follow one another.
                Some(mut total) => {
                    total.losses.extend(losses.losses);
                    total
                }
            });
        }
        total.map(|mut total| {
            for loss in &mut total.losses {
                *loss /= run_ids.len() as f64;
            }
            total
        })
    }

    /// The difference to a reference on the same windows.
    pub fn minus(&self, reference: &Self) -> Option<Difference> {
        if self.losses.len() != reference.losses.len() || self.metric != reference.metric {
            return None;
        }
        let differences: Vec<f64> = self
            .losses
            .iter()
            .zip(&reference.losses)
            .map(|(own, other)| own - other)
            .collect();
        // Neighbouring windows share most of their target, so whole blocks are drawn.
        let block = block_length(differences.len(), self.horizon);
        let result = block_bootstrap_mean(&differences, block, RESAMPLES, LEVEL, SEED)?;
        Some(Difference {
            mean: result.mean,
            lower: result.lower,
            upper: result.upper,
            p_value: result.p_value,
            loss: self.metric,
        })
    }
}

/// Loss of each test window of one run, in the objective's unit.
fn losses_of_run(results: &Path, run_id: &str, objective: &ObjectiveSpec) -> Option<WindowLosses> {
    let saved = SavedRun::read(results, run_id).ok()?;
    let table = read_predictions(&run_folder(results, run_id).join("predictions.parquet")).ok()?;
    let horizon = saved.spec.task.horizon();
    let absolute = matches!(
        objective.metric,
        Metric::Mae | Metric::Medae | Metric::Wape | Metric::Mase | Metric::Smape
    );
    let targets: Vec<usize> = (0..table.targets.len())
        .filter(|&target| objective.target == "all" || table.targets[target] == objective.target)
        .collect();
    let scaled = objective.target == "all";
    let error = |scale: &ChannelScale, target: usize, row: usize| {
        let (actual, forecast) = (table.actual[target][row], table.forecast[target][row]);
        if scaled {
            scale.scale(forecast) - scale.scale(actual)
        } else {
            forecast - actual
        }
    };
    let rows: Vec<usize> = (0..table.part.len())
        .filter(|&row| table.part[row] == "test")
        .collect();
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
    Some(WindowLosses {
        losses,
        horizon,
        metric: if absolute { "mae" } else { "mse" },
    })
}
