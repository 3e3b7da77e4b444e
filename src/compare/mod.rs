//! One comparison of what the store remembers: leaderboards, the significance of differences, verdicts on claims.

mod board;
pub mod claims;
mod comparison;
mod significance;
#[cfg(test)]
pub(crate) mod test_fixtures;

pub use board::{Board, BoardRow, MeanSpread};
pub use comparison::{Comparison, ScoredRun, tells_trials_apart};
pub use significance::FEW_BLOCKS;
