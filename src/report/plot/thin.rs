//! Thins long series to what a plot can show, without losing a peak.

use super::scale::is_drawable;

/// Longer series keep the lowest and the highest value of each of this many stretches.
const STRETCHES: usize = 750;

/// Whether a series of this length loses points.
fn is_thinned(length: usize) -> bool {
    length > 2 * STRETCHES
}

/// Time and value of each point to draw, with NaN for a gap. Of a stretch of many points, its lowest and its
/// highest are kept in their order.
pub(super) fn thinned(time_s: &[f64], values: &[f64]) -> Vec<(f64, f64)> {
    let timed: Vec<(f64, f64)> =
        time_s.iter().copied().zip(values.iter().copied()).filter(|(time, _)| is_drawable(*time)).collect();
    if !is_thinned(timed.len()) {
        return timed;
    }
    let by_value = |a: &usize, b: &usize| timed[*a].1.total_cmp(&timed[*b].1);
    let mut kept = Vec::with_capacity(2 * STRETCHES);
    let length = timed.len().div_ceil(STRETCHES);
    for start in (0..timed.len()).step_by(length) {
        let drawable =
            || (start..timed.len().min(start + length)).filter(|index| is_drawable(timed[*index].1));
        match (drawable().min_by(by_value), drawable().max_by(by_value)) {
            (Some(low), Some(high)) if low != high => {
                kept.extend([timed[low.min(high)], timed[low.max(high)]]);
            }
            (Some(only), _) => kept.push(timed[only]),
            _ => kept.push((timed[start].0, f64::NAN)),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_peaks_and_the_gaps() {
        let time_s: Vec<f64> = (0..100_000).map(f64::from).collect();
        let mut values = vec![1.0; 100_000];
        values[54_321] = 99.0;
        values[54_322] = -99.0;
        values[70_000..80_000].fill(f64::NAN);
        let kept = thinned(&time_s, &values);
        assert!(kept.len() <= 2 * STRETCHES);
        assert!(kept.contains(&(54_321.0, 99.0)) && kept.contains(&(54_322.0, -99.0)));
        assert!(kept.iter().any(|point| point.1.is_nan()));
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn a_short_series_is_not_thinned() {
        assert_eq!(thinned(&[1.0, 2.0], &[5.0, f64::NAN]).len(), 2);
    }
}
