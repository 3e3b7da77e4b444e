//! Pruning: which trials end at which epoch, judged by their validation losses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How trials are pruned: which of them end early. Each run is judged against the runs of earlier trials of the same
/// `[[models]]` entry with the same seed and fold, never against later ones, so that the outcome is the same for any
/// number of slots. Models that are not trained in epochs are never pruned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PrunerSpec {
    /// Asynchronous successive halving (Li et al., 2020): at each rung only the best of those that reached it go
    /// on.
    Asha(AshaSpec),
    /// The median rule (Golovin et al., KDD 2017): a run that is worse than the median of the earlier ones at the same
    /// epoch ends.
    Median(MedianSpec),
}

/// Asynchronous successive halving. The rungs are at `min_epochs`, `min_epochs * reduction_factor`, and so on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AshaSpec {
    /// One of so many goes on from a rung, and the next rung is so many times as far.
    pub reduction_factor: usize,
    /// Epochs before the first rung.
    pub min_epochs: usize,
    /// No rung is at or after this epoch; by default `training.epochs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_epochs: Option<usize>,
}

impl Default for AshaSpec {
    fn default() -> Self {
        Self { reduction_factor: 3, min_epochs: 1, max_epochs: None }
    }
}

/// The median rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MedianSpec {
    /// No run ends before so many earlier ones have reached the same epoch.
    pub startup_trials: usize,
    /// Epochs before the first judgement.
    pub warmup_epochs: usize,
    /// Epochs between judgements.
    pub interval_epochs: usize,
}

impl Default for MedianSpec {
    fn default() -> Self {
        Self { startup_trials: 5, warmup_epochs: 1, interval_epochs: 1 }
    }
}

/// A run is judged at most so many times: more says nothing new.
const MOST_RUNGS: usize = 1000;

/// What the losses at a rung say about a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RungVerdict {
    /// Epoch of the rung.
    pub epoch: usize,
    /// Whether the run goes on.
    pub goes_on: bool,
    /// Its lowest validation loss so far.
    pub loss: f64,
    /// The largest loss that goes on; `None` if there are too few rivals to judge.
    pub threshold: Option<f64>,
    /// Earlier runs that reached the rung.
    pub rivals: usize,
}

impl PrunerSpec {
    /// The rule's name.
    pub fn name(&self) -> &'static str {
        match self {
            PrunerSpec::Asha(_) => "asha",
            PrunerSpec::Median(_) => "median",
        }
    }

    /// The epochs after which a run of so many epochs is judged: all before its last, at most 1000 of them.
    pub fn rungs(&self, epochs: usize) -> Vec<usize> {
        match self {
            PrunerSpec::Asha(asha) => {
                let end = asha.max_epochs.unwrap_or(epochs).min(epochs);
                let next = |rung: &usize| rung.checked_mul(asha.reduction_factor.max(2));
                std::iter::successors(Some(asha.min_epochs.max(1)), next)
                    .take_while(|&rung| rung < end)
                    .collect()
            }
            PrunerSpec::Median(median) => {
                let every = median.interval_epochs.max(1);
                (median.warmup_epochs.max(1)..epochs).step_by(every).take(MOST_RUNGS).collect()
            }
        }
    }

    /// Judges a run by its own loss and those of its rivals, in any order.
    pub fn judge(&self, epoch: usize, loss: f64, mut rivals: Vec<f64>) -> RungVerdict {
        let count = rivals.len();
        let threshold = match self {
            PrunerSpec::Asha(asha) => {
                rivals.push(loss);
                rivals.sort_by(f64::total_cmp);
                // With few at the rung the best alone goes on: a sweep must not wait for rivals that may never come.
                let kept = (rivals.len() / asha.reduction_factor.max(2)).max(1);
                Some(rivals[kept - 1])
            }
            PrunerSpec::Median(median) if count < median.startup_trials.max(1) => None,
            PrunerSpec::Median(_) => {
                rivals.sort_by(f64::total_cmp);
                Some(f64::midpoint(rivals[(count - 1) / 2], rivals[count / 2]))
            }
        };
        let goes_on = threshold.is_none_or(|threshold| loss <= threshold);
        RungVerdict { epoch, goes_on, loss, threshold, rivals: count }
    }
}

impl std::fmt::Display for RungVerdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let RungVerdict { epoch, loss, rivals, .. } = self;
        let runs = if *rivals == 1 { "run" } else { "runs" };
        write!(formatter, "epoch {epoch}: validation loss {loss:.6}")?;
        match self.threshold {
            Some(threshold) if *rivals > 0 => {
                let compared = if self.goes_on { "within" } else { "above" };
                write!(
                    formatter,
                    ", {compared} the {threshold:.6} that {rivals} earlier {runs} at this epoch allow"
                )
            }
            Some(_) => write!(formatter, ", the first to reach this epoch"),
            None => write!(formatter, ", {rivals} earlier {runs} at this epoch are too few to judge by"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_grow_by_the_reduction_factor_and_end_before_the_last_epoch() {
        let asha = |max_epochs| PrunerSpec::Asha(AshaSpec { reduction_factor: 3, min_epochs: 2, max_epochs });
        assert_eq!(asha(None).rungs(60), [2, 6, 18, 54]);
        assert_eq!(asha(None).rungs(54), [2, 6, 18]);
        assert_eq!(asha(Some(10)).rungs(60), [2, 6]);
        assert!(asha(None).rungs(2).is_empty());
        let median =
            PrunerSpec::Median(MedianSpec { startup_trials: 1, warmup_epochs: 3, interval_epochs: 2 });
        assert_eq!(median.rungs(8), [3, 5, 7]);
    }

    #[test]
    fn asha_keeps_the_best_third_and_at_least_the_best() {
        let asha = PrunerSpec::Asha(AshaSpec::default());
        assert!(asha.judge(1, 0.5, vec![]).goes_on);
        assert!(!asha.judge(1, 0.5, vec![0.4]).goes_on);
        assert!(asha.judge(1, 0.5, vec![0.4, 0.6, 0.7, 0.8, 0.9]).goes_on, "second of six");
        assert!(!asha.judge(1, 0.5, vec![0.4, 0.45, 0.7, 0.8, 0.9]).goes_on, "third of six");
    }

    #[test]
    fn the_median_rule_needs_enough_rivals() {
        let median = PrunerSpec::Median(MedianSpec { startup_trials: 3, ..MedianSpec::default() });
        assert!(median.judge(1, 9.0, vec![1.0, 2.0]).goes_on);
        assert!(!median.judge(1, 2.5, vec![1.0, 2.0, 3.0]).goes_on);
        assert!(median.judge(1, 2.5, vec![1.0, 2.0, 3.0, 4.0]).goes_on, "as good as the median");
    }
}
