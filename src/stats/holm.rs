//! Holm's correction of p-values for making several tests at once.

/// Adjusts p-values in `[0, 1]` so that rejecting those at most `α` makes any false rejection at most `α`
/// likely, whatever their dependence (Holm, "A simple sequentially rejective multiple test procedure",
/// *Scandinavian Journal of Statistics* 6, 1979, pp. 65-70).
///
/// The adjusted values stand in the order of the given ones.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut ascending: Vec<usize> = (0..p.len()).collect();
    ascending.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    let mut adjusted = vec![0.0; p.len()];
    let mut largest_yet: f64 = 0.0;
    for (rank, index) in ascending.into_iter().enumerate() {
        let still_tested = (p.len() - rank) as f64;
        largest_yet = largest_yet.max(still_tested * p[index]).min(1.0);
        adjusted[index] = largest_yet;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn holm_of_nothing_is_nothing() {
        assert_eq!(holm(&[]), Vec::<f64>::new());
    }

    #[test]
    fn holm_leaves_a_single_p_value_alone() {
        assert_eq!(holm(&[0.03]), [0.03]);
    }

    proptest! {
        #[test]
        fn holm_lies_between_the_p_value_and_bonferroni(p in prop::collection::vec(0.0..=1.0, 0..20)) {
            for (&before, after) in p.iter().zip(holm(&p)) {
                prop_assert!(before <= after && after <= (p.len() as f64 * before).min(1.0));
            }
        }

        #[test]
        fn holm_keeps_the_order_of_the_p_values(p in prop::collection::vec(0.0..=1.0, 0..20)) {
            let mut pairs: Vec<(f64, f64)> = p.iter().copied().zip(holm(&p)).collect();
            pairs.sort_by(|left, right| left.0.total_cmp(&right.0));
            prop_assert!(pairs.is_sorted_by(|left, right| left.1 <= right.1));
        }
    }
}
