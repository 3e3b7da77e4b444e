//! Tests of paired differences that are independent of one another: Student's t, Wilcoxon's signed ranks, and the
//! bootstrap.

use super::bootstrap::{BootstrapResult, block_bootstrap_mean};
use super::significance::TestResult;
use super::special::student_t_two_sided;
use super::sum::{deviations, mean, sum};

/// The exact distribution of the rank sum is counted for at most this many pairs; it takes time cubic in them.
const MOST_PAIRS: usize = 400;

/// Student's t-test of the mean of `a[i] - b[i]` being zero ("Student", *Biometrika* 6, 1908, pp. 1-25).
///
/// `None` when the samples differ in length, hold fewer than two pairs, or when all differences are equal.
#[must_use]
pub fn paired_t(a: &[f64], b: &[f64]) -> Option<TestResult> {
    let differences = differences(a, b)?;
    let n = differences.len() as f64;
    if differences.len() < 2 {
        return None;
    }
    let variance = sum(deviations(&differences).map(|deviation| deviation * deviation)) / (n - 1.0);
    if !(variance > 0.0 && variance.is_finite()) {
        return None;
    }
    let statistic = mean(&differences) / (variance / n).sqrt();
    Some(TestResult { statistic, p_value: student_t_two_sided(statistic, n - 1.0) })
}

/// Wilcoxon's signed-rank test of `a[i] - b[i]` being symmetric around zero, with the exact distribution of the rank
/// sum ("Individual comparisons by ranking methods", *Biometrics Bulletin* 1, 1945, pp. 80-83). The statistic is the
/// smaller of the two rank sums.
///
/// Differences of zero are left out, and ties share their mean rank; the distribution is that of the ranks as they are,
/// so it is exact with ties, too. With `n` pairs no p-value is below `2 / 2^n`: five seeds never reach .05.
///
/// `None` when the samples differ in length, when no difference is left, or when more than 400 are.
#[must_use]
pub fn wilcoxon_exact(a: &[f64], b: &[f64]) -> Option<TestResult> {
    let mut differences = differences(a, b)?;
    differences.retain(|difference| *difference != 0.0);
    let n = differences.len();
    if n == 0 || n > MOST_PAIRS || differences.iter().any(|difference| difference.is_nan()) {
        return None;
    }
    differences.sort_by(|x, y| x.abs().total_cmp(&y.abs()));
    let doubled = doubled_ranks(&differences);
    let total: usize = doubled.iter().sum();
    let positive: usize = doubled
        .iter()
        .zip(&differences)
        .filter(|(_, difference)| **difference > 0.0)
        .map(|(rank, _)| rank)
        .sum();
    let smaller = positive.min(total - positive);
    // `share[s]` is the probability that the ranks with a positive sign add up to `s / 2`.
    let mut share = vec![0.0; total + 1];
    share[0] = 1.0;
    let mut reached = 0;
    for rank in doubled {
        for sum in (0..=reached).rev() {
            share[sum] *= 0.5;
            share[sum + rank] += share[sum];
        }
        reached += rank;
    }
    let tail = sum(share[..=smaller].iter().copied());
    Some(TestResult { statistic: smaller as f64 / 2.0, p_value: (2.0 * tail).min(1.0) })
}

/// Twice the rank of each value, of values sorted by their size; ties share their mean rank.
fn doubled_ranks(sorted: &[f64]) -> Vec<usize> {
    let mut ranks = Vec::with_capacity(sorted.len());
    while ranks.len() < sorted.len() {
        let first = ranks.len();
        let tied = sorted[first..].iter().take_while(|value| value.abs() == sorted[first].abs()).count();
        // The ranks first + 1 to first + tied, twice their mean.
        ranks.extend(std::iter::repeat_n(2 * first + tied + 1, tied));
    }
    ranks
}

/// Bootstraps the mean of `a[i] - b[i]`, pairs drawn one by one: [`block_bootstrap_mean`] with blocks of one, for pairs
/// that are independent, such as seeds or datasets. Windows of a series are not.
///
/// `None` when the samples differ in length, and where [`block_bootstrap_mean`] gives none.
#[must_use]
pub fn paired_bootstrap(
    a: &[f64],
    b: &[f64],
    resamples: usize,
    level: f64,
    seed: u64,
) -> Option<BootstrapResult> {
    block_bootstrap_mean(&differences(a, b)?, 1, resamples, level, seed)
}

fn differences(a: &[f64], b: &[f64]) -> Option<Vec<f64>> {
    (a.len() == b.len()).then(|| a.iter().zip(b).map(|(a, b)| a - b).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The two-sided p-value by trying every assignment of signs.
    fn by_enumeration(ranks: &[f64], statistic: f64) -> f64 {
        let total: f64 = ranks.iter().sum();
        let sums = (0..1_u32 << ranks.len()).map(|signs| {
            let positive: f64 =
                ranks.iter().enumerate().filter(|(i, _)| signs >> i & 1 == 1).map(|(_, rank)| rank).sum();
            positive.min(total - positive)
        });
        sums.filter(|sum| *sum <= statistic).count() as f64 / f64::from(1_u32 << ranks.len())
    }

    #[test]
    fn five_pairs_never_reach_five_percent() {
        let result = wilcoxon_exact(&[1.0, 2.0, 3.0, 4.0, 5.0], &[0.0; 5]).unwrap();
        assert_eq!((result.statistic, result.p_value), (0.0, 0.0625));
    }

    #[test]
    fn ties_share_their_mean_rank_and_zeros_are_left_out() {
        // |1|, |1|, |1|, |2| have the ranks 2, 2, 2, 4; the negative one of them is 2.
        let result = wilcoxon_exact(&[1.0, -1.0, 1.0, 2.0, 0.0], &[0.0; 5]).unwrap();
        assert_eq!(result.statistic, 2.0);
        assert!((result.p_value - by_enumeration(&[2.0, 2.0, 2.0, 4.0], 2.0)).abs() < 1e-15);
    }

    #[test]
    fn what_cannot_be_tested_has_no_result() {
        assert_eq!(wilcoxon_exact(&[1.0, 2.0], &[1.0, 2.0]), None);
        assert_eq!(wilcoxon_exact(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(paired_t(&[1.0, 2.0], &[0.0, 1.0]), None);
        assert_eq!(paired_t(&[1.0], &[0.0]), None);
        assert_eq!(paired_bootstrap(&[1.0], &[1.0, 2.0], 99, 0.9, 1), None);
    }

    proptest! {
        #[test]
        fn the_exact_p_value_is_that_of_every_assignment_of_signs(
            values in prop::collection::vec((1_i32..6, any::<bool>()), 1..11),
        ) {
            let a: Vec<f64> =
                values.iter().map(|&(size, plus)| f64::from(if plus { size } else { -size })).collect();
            let result = wilcoxon_exact(&a, &vec![0.0; a.len()]).unwrap();
            let mut sorted = a.clone();
            sorted.sort_by(|x, y| x.abs().total_cmp(&y.abs()));
            let ranks: Vec<f64> = doubled_ranks(&sorted).iter().map(|rank| *rank as f64 / 2.0).collect();
            prop_assert!((ranks.iter().sum::<f64>() - (a.len() * (a.len() + 1)) as f64 / 2.0).abs() < 1e-9);
            prop_assert!((result.p_value - by_enumeration(&ranks, result.statistic)).abs() < 1e-12);
        }

        #[test]
        fn exchanging_the_samples_changes_the_sign_alone(
            pairs in prop::collection::vec((-9.0_f64..9.0, -9.0_f64..9.0), 3..30),
        ) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let (one, other) = (paired_t(&a, &b).unwrap(), paired_t(&b, &a).unwrap());
            prop_assert!((one.statistic + other.statistic).abs() < 1e-9 * one.statistic.abs().max(1.0));
            prop_assert_eq!(wilcoxon_exact(&a, &b).unwrap(), wilcoxon_exact(&b, &a).unwrap());
            let mean = a.iter().zip(&b).map(|(a, b)| a - b).sum::<f64>() / a.len() as f64;
            let boot = paired_bootstrap(&a, &b, 199, 0.9, 1).unwrap();
            prop_assert!((boot.mean - mean).abs() < 1e-9);
        }
    }
}
