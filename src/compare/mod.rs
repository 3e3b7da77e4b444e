//! One comparison of what the store remembers: leaderboards, the significance of differences, verdicts on claims.

mod best;
mod board;
mod capacity;
mod capacity_what_if;
pub mod claims;
mod compared_runs;
mod comparison;
mod grouping;
mod history;
mod leaders;
mod metric_means;
mod model_search;
mod parameter_paths;
mod predictions;
mod rank;
mod recorded_capacity;
mod repetition;
mod settings;
mod side_by_side;
mod significance;
mod standing;
#[cfg(test)]
pub(crate) mod test_fixtures;
mod trial_importance;
mod trials;
mod window_losses;

pub(crate) use best::{BestTrial, best_trials, metrics_over_seeds};
pub(crate) use board::lookbacks;
pub use board::{Board, BoardRow, Completion, FoldError, Target};
pub use capacity::{BoardCapacity, CapacityRow, FrontierPoint};
pub use capacity_what_if::what_if;
pub(crate) use compared_runs::{KnownRuns, compared_runs};
pub use comparison::{Comparison, ScoredRun};
pub(crate) use grouping::{distinct, group_by};
pub use history::{History, HistoryPoint, ModelHistory};
pub use metric_means::{MeanSpread, MetricKey};
pub use model_search::{ModelSearch, SearchTrial, SearchedHyperparameter, TrialState};
pub(crate) use predictions::predictions_of_run;
pub(crate) use rank::runs_of_best_trials;
pub use repetition::{ChangedNumber, RunNumbers};
pub use side_by_side::{ChangedSetting, Contender, Pair, PairVerdict, SideBySide};
pub use significance::{Difference, FEWEST_BLOCKS, SIGNIFICANCE_LEVEL, Significance};
pub use standing::{BestModel, RevisionStanding, keep_standings};
pub use trial_importance::ModelImportance;
pub use trials::{TrialRow, TrialSetting, Trials};
