//! Decides whether the difference between two models is significant: the only place that does.

use super::window_losses::WindowLosses;
use crate::stats::{block_bootstrap_mean, block_length, holm};

/// A difference is significant if its p-value, after Holm's correction, is at most this.
pub const SIGNIFICANCE_LEVEL: f64 = 0.05;
/// With fewer blocks of windows than this, the p-values of a block bootstrap are too small.
pub const FEWEST_BLOCKS: usize = 10;

/// Resamples of the block bootstrap.
const RESAMPLES: usize = 2_000;
/// Level of the interval around a difference.
const INTERVAL_LEVEL: f64 = 0.95;
/// Fixed, so that a report that is written again shows the same intervals.
const SEED: u64 = 1;

/// The verdict on the difference between two models.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Significance {
    /// The p-value is at most [`SIGNIFICANCE_LEVEL`].
    Significant {
        /// After Holm's correction.
        p_value: f64,
    },
    /// The p-value is at most [`SIGNIFICANCE_LEVEL`], but comes from fewer than [`FEWEST_BLOCKS`] blocks of windows, so
    /// that it is too small to be trusted.
    TooFewBlocks {
        /// After Holm's correction.
        p_value: f64,
        /// Blocks of dependent windows in the test part.
        blocks: usize,
    },
    /// The p-value is above [`SIGNIFICANCE_LEVEL`].
    NotSignificant {
        /// After Holm's correction.
        p_value: f64,
    },
    /// The two models were not compared window by window.
    NotTested,
}

impl Significance {
    /// The verdict on a difference, which is `None` where it was not measured.
    pub fn of(difference: Option<&Difference>) -> Self {
        let Some(&Difference { holm_p_value: p_value, blocks, .. }) = difference else {
            return Self::NotTested;
        };
        if p_value > SIGNIFICANCE_LEVEL {
            Self::NotSignificant { p_value }
        } else if blocks < FEWEST_BLOCKS {
            Self::TooFewBlocks { p_value, blocks }
        } else {
            Self::Significant { p_value }
        }
    }
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
    /// Two-sided p-value of no difference, of this test alone.
    pub p_value: f64,
    /// The p-value after Holm's correction over the models of the board.
    pub holm_p_value: f64,
    /// The loss that was compared: `mae`, `mse` or `replica_hours`.
    pub loss: &'static str,
    /// Blocks of dependent windows in the test part.
    pub blocks: usize,
}

impl Difference {
    /// Measures the difference to a reference on the same windows. Until it is corrected, `holm_p_value` is the p-value
    /// of this test alone.
    ///
    /// `None` where the losses do not pair, or where the windows are too few to resample.
    pub(super) fn measure(own: &WindowLosses, reference: &WindowLosses) -> Option<Self> {
        let differences = own.minus(reference)?;
        // Neighbouring windows share most of their target, so whole blocks are drawn.
        let block = block_length(differences.len(), own.overlap());
        let result = block_bootstrap_mean(&differences, block, RESAMPLES, INTERVAL_LEVEL, SEED)?;
        Some(Self {
            mean: result.mean,
            lower: result.lower,
            upper: result.upper,
            p_value: result.p_value,
            holm_p_value: result.p_value,
            loss: own.loss(),
            blocks: differences.len() / block,
        })
    }
}

/// Applies Holm's correction over some differences.
pub(super) fn correct<'a>(differences: impl Iterator<Item = &'a mut Difference>) {
    let differences: Vec<&mut Difference> = differences.collect();
    let p_values: Vec<f64> = differences.iter().map(|difference| difference.p_value).collect();
    for (difference, corrected) in differences.into_iter().zip(holm(&p_values)) {
        difference.holm_p_value = corrected;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(holm_p_value: f64, blocks: usize) -> Significance {
        let difference = Difference {
            mean: -1.0,
            lower: -2.0,
            upper: 0.0,
            p_value: 0.001,
            holm_p_value,
            loss: "mse",
            blocks,
        };
        Significance::of(Some(&difference))
    }

    #[test]
    fn the_corrected_p_value_decides() {
        assert_eq!(verdict(0.05, 10), Significance::Significant { p_value: 0.05 });
        assert_eq!(verdict(0.051, 10), Significance::NotSignificant { p_value: 0.051 });
    }

    #[test]
    fn few_blocks_never_make_a_difference_significant() {
        assert_eq!(verdict(0.01, 9), Significance::TooFewBlocks { p_value: 0.01, blocks: 9 });
        assert_eq!(verdict(0.2, 9), Significance::NotSignificant { p_value: 0.2 });
    }

    #[test]
    fn what_was_not_measured_is_not_tested() {
        assert_eq!(Significance::of(None), Significance::NotTested);
    }
}
