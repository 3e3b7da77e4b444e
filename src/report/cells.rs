//! Numbers of a leaderboard as text, which every format shares.

use crate::compare::{BoardRow, Difference, MeanSpread};
use crate::text::{number, percent, with_decimals};

/// The cells of a leaderboard's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BoardCells {
    pub(super) trials: String,
    pub(super) seeds: String,
    pub(super) valid: String,
    pub(super) test: String,
    pub(super) skill: String,
    /// The corrected p-value of the difference to the best baseline.
    pub(super) p_value: String,
    /// The corrected p-value of the difference to the model with the lowest error.
    pub(super) p_to_best: String,
}

impl BoardCells {
    /// The cells of one model; `-` stands where there is no value.
    pub(super) fn of(row: &BoardRow) -> Self {
        Self {
            trials: match row.trials_done {
                done if done < row.trials => format!("{done} of {}", row.trials),
                _ => row.trials.to_string(),
            },
            seeds: if row.seeds == 0 { "-".to_string() } else { row.seeds.to_string() },
            valid: number(row.valid),
            test: mean_spread(row.test),
            skill: or_dash(row.skill, percent),
            p_value: p_value_cell(row.against_baseline.as_ref()),
            p_to_best: p_value_cell(row.against_best.as_ref()),
        }
    }
}

/// The text of a value, or `-` where there is none.
pub(super) fn or_dash<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "-".to_string(), text)
}

/// `p = 0.003`, or `p < 0.001`.
pub(super) fn p_value_text(p_value: f64) -> String {
    if p_value < 0.001 { "p < 0.001".to_string() } else { format!("p = {p_value:.3}") }
}

fn p_value_cell(difference: Option<&Difference>) -> String {
    or_dash(difference, |difference| {
        p_value_text(difference.holm_p_value).replace("p = ", "").replace("p < ", "< ")
    })
}

/// `1.2031 ± 0.0042`.
pub(super) fn mean_spread(value: MeanSpread) -> String {
    match value.spread {
        Some(spread) => format!("{} ± {}", number(value.mean), number_like(spread, value.mean)),
        None => number(value.mean),
    }
}

/// A number with as many decimals as another one that it stands beside.
pub(super) fn number_like(value: f64, other: f64) -> String {
    match number(other).split_once('.') {
        None => with_decimals(value, 0),
        Some((_, decimals)) if decimals.bytes().all(|byte| byte.is_ascii_digit()) => {
            with_decimals(value, decimals.len())
        }
        // A power of ten.
        Some(_) => number(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_decimals_of_its_mean() {
        let value = MeanSpread { mean: 0.287_22, spread: Some(6.7e-4) };
        assert_eq!(mean_spread(value), "0.2872 ± 0.0007");
    }

    #[test]
    fn a_spread_beside_a_mean_in_powers_of_ten_has_its_own_precision() {
        let value = MeanSpread { mean: 2.5e9, spread: Some(12_345.0) };
        assert_eq!(mean_spread(value), "2.500e9 ± 12,345");
        assert_eq!(mean_spread(MeanSpread { mean: 12_345.0, spread: Some(67.8) }), "12,345 ± 68");
    }
}
