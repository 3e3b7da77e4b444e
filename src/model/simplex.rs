//! The least value of a function of a few numbers, without its slopes (Nelder & Mead, "A simplex method for function
//! minimization", *The Computer Journal* 7, 1965).

/// Searches from a point for at most so many steps, and until the costs of all corners of the simplex lie within
/// `tolerance`. Returns the best point with its cost.
pub fn minimum<const N: usize>(
    start: [f64; N],
    steps: usize,
    tolerance: f64,
    cost: impl Fn([f64; N]) -> f64,
) -> ([f64; N], f64) {
    let mut corners: Vec<([f64; N], f64)> = vec![(start, cost(start))];
    for axis in 0..N {
        let mut corner = start;
        corner[axis] += 1.0;
        corners.push((corner, cost(corner)));
    }
    for _ in 0..steps {
        corners.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        let (worst, worst_cost) = corners[N];
        if worst_cost - corners[0].1 < tolerance {
            break;
        }
        let middle: [f64; N] = std::array::from_fn(|axis| {
            corners[..N].iter().map(|(corner, _)| corner[axis]).sum::<f64>() / N as f64
        });
        // On the line from the worst corner through the middle of the others, `times` as far beyond the middle.
        let beyond = |times: f64| -> ([f64; N], f64) {
            let point = std::array::from_fn(|axis| middle[axis] + times * (middle[axis] - worst[axis]));
            (point, cost(point))
        };
        let reflected = beyond(1.0);
        if reflected.1 < corners[0].1 {
            let expanded = beyond(2.0);
            corners[N] = if expanded.1 < reflected.1 { expanded } else { reflected };
        } else if reflected.1 < corners[N - 1].1 {
            corners[N] = reflected;
        } else {
            let contracted = beyond(if reflected.1 < worst_cost { 0.5 } else { -0.5 });
            if contracted.1 < worst_cost.min(reflected.1) {
                corners[N] = contracted;
            } else {
                let best = corners[0].0;
                for (corner, value) in &mut corners[1..] {
                    *corner = std::array::from_fn(|axis| 0.5 * (corner[axis] + best[axis]));
                    *value = cost(*corner);
                }
            }
        }
    }
    corners.into_iter().min_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap_or((start, f64::INFINITY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bottom_of_a_curved_valley_is_found() {
        let (point, cost) = minimum([-1.2, 1.0], 300, 0.0, |[x, y]: [f64; 2]| {
            (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2)
        });
        assert!(cost < 1e-12, "{cost}");
        assert!((point[0] - 1.0).abs() < 1e-5 && (point[1] - 1.0).abs() < 1e-5, "{point:?}");
    }
}
