//! Tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011): proposes points that are likely among the good
//! trials and unlikely among the others.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::draw::sobol;
use super::parzen::Mixture;
use super::space::{Dimension, Point};

/// Trials before the first estimate: points of a scrambled Sobol sequence.
pub const STARTUP_TRIALS: usize = 8;
/// Candidates that are drawn for one proposal.
const CANDIDATES: usize = 64;
/// Most trials that count as good.
const MOST_GOOD: usize = 25;

/// What came of a trial, over all its seeds and folds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TrialOutcome {
    /// Its mean objective.
    Complete(f64),
    /// It was pruned after this epoch, with this mean validation loss.
    Pruned {
        /// The epoch.
        epoch: usize,
        /// The loss.
        loss: f64,
    },
    /// It has no result.
    Failed,
}

impl TrialOutcome {
    /// What comes of a trial from what came of its runs: it is as good as their mean, and no better than the worst kind.
    pub fn over(runs: &[TrialOutcome]) -> TrialOutcome {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let complete: Vec<f64> = runs
            .iter()
            .filter_map(|run| if let TrialOutcome::Complete(value) = run { Some(*value) } else { None })
            .collect();
        let pruned: Vec<(usize, f64)> = runs
            .iter()
            .filter_map(|run| {
                if let TrialOutcome::Pruned { epoch, loss } = run { Some((*epoch, *loss)) } else { None }
            })
            .collect();
        if runs.is_empty() || complete.len() + pruned.len() < runs.len() {
            return TrialOutcome::Failed;
        }
        match pruned.iter().map(|(epoch, _)| *epoch).min() {
            None => TrialOutcome::Complete(mean(&complete)),
            Some(epoch) => TrialOutcome::Pruned {
                epoch,
                loss: mean(&pruned.iter().map(|(_, loss)| *loss).collect::<Vec<_>>()),
            },
        }
    }
}

/// A trial of an earlier batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// Its point.
    pub point: Point,
    /// What came of it.
    pub outcome: TrialOutcome,
}

/// The next points after `history`, all of whose trials have ended. A pure function: the same history, seed and stream
/// give the same points.
///
/// The points of one batch count as poor for those after them, so that a batch spreads (the "constant liar" of
/// Ginsbourger et al., 2010).
pub fn propose(space: &[Dimension], history: &[Tried], count: usize, seed: u64, stream: u64) -> Vec<Point> {
    let done = history.len();
    if done < STARTUP_TRIALS {
        return sobol(space, done, count, seed, stream);
    }
    let (good, poor) = split(history);
    let points: Vec<&Point> = good.iter().map(|&at| &history[at].point).collect();
    let below = Mixture::weighted(space, &points, improvements(history, &good, &poor));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Every batch of every search draws from a stream of its own: a resumed search needs no generator's state.
    rng.set_stream(stream << 32 | done as u64);
    let mut proposed: Vec<Point> = Vec::with_capacity(count);
    for _ in 0..count {
        let others: Vec<&Point> = poor.iter().map(|&at| &history[at].point).chain(&proposed).collect();
        let above = Mixture::by_age(space, &others);
        let mut best: Option<(f64, Point)> = None;
        for _ in 0..CANDIDATES {
            let candidate = below.sample(&mut rng);
            let gain = below.log_density(&candidate) - above.log_density(&candidate);
            if best.as_ref().is_none_or(|(most, _)| gain > *most) {
                best = Some((gain, candidate));
            }
        }
        proposed.extend(best.map(|(_, point)| point));
    }
    proposed
}

/// Indices of the good tenth of the trials and of the others, each oldest first. Complete trials come before pruned
/// ones, of which those that went further come first.
fn split(history: &[Tried]) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..history.len()).collect();
    let rank = |at: usize| match history[at].outcome {
        TrialOutcome::Complete(value) => (0, 0, value),
        TrialOutcome::Pruned { epoch, loss } => (1, usize::MAX - epoch, loss),
        TrialOutcome::Failed => (2, 0, 0.0),
    };
    order.sort_by(|&a, &b| {
        let ((a_class, a_left, a_value), (b_class, b_left, b_value)) = (rank(a), rank(b));
        a_class.cmp(&b_class).then(a_left.cmp(&b_left)).then(a_value.total_cmp(&b_value))
    });
    let usable = history.iter().filter(|tried| tried.outcome != TrialOutcome::Failed).count();
    let good = history.len().div_ceil(10).min(MOST_GOOD).min(usable);
    let mut poor = order.split_off(good);
    order.sort_unstable();
    poor.sort_unstable();
    (order, poor)
}

/// Weights of the good trials: by how much each is better than the best of the others, 1 on average (Watanabe,
/// "Tree-Structured Parzen Estimator: Understanding Its Algorithm Components", 2023). Equal where that says nothing.
fn improvements(history: &[Tried], good: &[usize], poor: &[usize]) -> Vec<f64> {
    let value = |at: &usize| match history[*at].outcome {
        TrialOutcome::Complete(value) => Some(value),
        _ => None,
    };
    let threshold = poor.iter().filter_map(value).fold(f64::INFINITY, f64::min);
    let gains: Option<Vec<f64>> = good.iter().map(|at| Some(threshold - value(at)?)).collect();
    let total: f64 = gains.iter().flatten().sum();
    match gains {
        Some(gains) if total > 0.0 && total.is_finite() => {
            gains.iter().map(|gain| gain / total * good.len() as f64).collect()
        }
        _ => vec![1.0; good.len()],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::search::Coordinate;

    fn space() -> Vec<Dimension> {
        vec![
            Dimension::Choice(3),
            Dimension::Uniform(-1.0, 1.0),
            Dimension::LogUniform(1e-4, 1.0),
            Dimension::Int(1, 9),
        ]
    }

    fn history(outcomes: &[TrialOutcome]) -> Vec<Tried> {
        let points = sobol(&space(), 0, outcomes.len(), 3, 0);
        points.into_iter().zip(outcomes).map(|(point, &outcome)| Tried { point, outcome }).collect()
    }

    fn any_outcome() -> impl Strategy<Value = TrialOutcome> {
        prop_oneof![
            (-1e3..1e3_f64).prop_map(TrialOutcome::Complete),
            (1..20_usize, -1e3..1e3_f64).prop_map(|(epoch, loss)| TrialOutcome::Pruned { epoch, loss }),
            Just(TrialOutcome::Failed),
        ]
    }

    proptest! {
        #[test]
        fn proposals_are_a_function_of_the_history_and_stay_in_the_space(
            outcomes in prop::collection::vec(any_outcome(), 0..40), count in 1..12_usize, seed in any::<u64>(),
        ) {
            let history = history(&outcomes);
            let points = propose(&space(), &history, count, seed, 0);
            prop_assert_eq!(points.len(), count);
            prop_assert_eq!(&points, &propose(&space(), &history, count, seed, 0));
            for point in points {
                prop_assert!(matches!(point[0], Coordinate::Listed(0..3)));
                prop_assert!(matches!(point[1], Coordinate::Real(x) if (-1.0..1.0).contains(&x)));
                prop_assert!(matches!(point[2], Coordinate::Real(x) if (1e-4..=1.0).contains(&x)));
                prop_assert!(matches!(point[3], Coordinate::Whole(1..=9)));
            }
        }
    }

    #[test]
    fn proposals_gather_where_the_good_trials_are() {
        let points = sobol(&space(), 0, 40, 3, 0);
        let history: Vec<Tried> = points
            .into_iter()
            .map(|point| {
                let Coordinate::Real(x) = point[1] else { panic!("{point:?}") };
                Tried { point, outcome: TrialOutcome::Complete((x - 0.5).powi(2)) }
            })
            .collect();
        let near = propose(&space(), &history, 16, 0, 0)
            .iter()
            .filter(|point| matches!(point[1], Coordinate::Real(x) if (x - 0.5).abs() < 0.25))
            .count();
        assert!(near >= 12, "{near} of 16 are near the best value, of a quarter of the range");
    }

    #[test]
    fn a_trial_is_as_good_as_the_mean_of_its_runs_and_no_better_than_the_worst_kind() {
        let (two, four) = (TrialOutcome::Complete(2.0), TrialOutcome::Complete(4.0));
        let pruned = TrialOutcome::Pruned { epoch: 3, loss: 9.0 };
        assert_eq!(TrialOutcome::over(&[two, four]), TrialOutcome::Complete(3.0));
        assert_eq!(TrialOutcome::over(&[two, pruned]), pruned);
        assert_eq!(TrialOutcome::over(&[two, pruned, TrialOutcome::Failed]), TrialOutcome::Failed);
        assert_eq!(TrialOutcome::over(&[]), TrialOutcome::Failed);
    }

    #[test]
    fn complete_trials_come_before_pruned_ones_and_failed_ones_are_never_good() {
        let far = TrialOutcome::Pruned { epoch: 9, loss: 5.0 };
        let near = TrialOutcome::Pruned { epoch: 1, loss: 1.0 };
        let outcomes = [TrialOutcome::Failed, near, far, TrialOutcome::Complete(7.0)];
        assert_eq!(split(&history(&outcomes)).0, [3]);
        let many: Vec<TrialOutcome> = [vec![TrialOutcome::Failed; 30], vec![near, far]].concat();
        assert_eq!(split(&history(&many)).0, [30, 31]);
        assert!(split(&history(&[TrialOutcome::Failed; 12])).0.is_empty());
    }
}
