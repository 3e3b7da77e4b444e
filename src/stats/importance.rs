//! Which hyperparameters matter: the functional analysis of variance (fANOVA) of a random forest.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::regression_tree::{Leaf, Side, TrialColumn, TrialTable, grow};
use super::sum::Moments;

/// Trees of the forest, as Optuna grows.
const TREES: u64 = 64;
/// The forest is the same for the same trials.
const SEED: u64 = 0;
/// With fewer trials, which hyperparameter seems to matter is mostly chance.
pub const FEWEST_TRIALS: usize = 10;

/// The values that one hyperparameter may take, each as likely as any other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParameterDomain {
    /// Numbers from `low` to `high`. A parameter that is searched by its logarithm is given by its logarithm, and whole
    /// numbers from `a` to `b` are given the range from `a - 0.5` to `b + 0.5`, so that all of them have the same weight.
    Range {
        /// The lowest number.
        low: f64,
        /// The highest number.
        high: f64,
    },
    /// So many choices without an order; a value is the index of one.
    Choices(usize),
}

/// How much of the variance of the objective over the space is due to each hyperparameter alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// The share of each hyperparameter, in the given order; they sum to 1.
    pub shares: Vec<f64>,
    /// The part of the whole variance that these effects explain together; what remains is due to interactions.
    pub explained: f64,
}

/// Why the importance of hyperparameters is unknown.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum UnknownImportance {
    /// Nothing was varied.
    #[error("no hyperparameter varies")]
    NothingVaries,
    /// There is too little to learn from.
    #[error("it takes {FEWEST_TRIALS} finished trials, and {0} finished")]
    FewTrials(usize),
    /// All trials are equally good.
    #[error("all trials have the same objective")]
    ConstantObjective,
    /// A value that the search could not have proposed.
    #[error("a trial has a value outside the range or the choices of its hyperparameter")]
    OutsideDomain,
    /// The effects of single hyperparameters cancel out over the others.
    #[error("no hyperparameter has an effect alone: only combinations of them matter")]
    OnlyInteractions,
}

/// The importance of hyperparameters by fANOVA (Hutter, Hoos & Leyton-Brown, "An Efficient Approach for Assessing
/// Hyperparameter Importance", ICML 2014).
///
/// A random forest of 64 regression trees (bootstrap samples, every parameter tried at every node, depth at most 64) predicts
/// the objective anywhere in the space. In each tree, the variance of the prediction over the space is compared with
/// the variance that is left when one parameter is fixed and the others are averaged over. The mean over the trees of this
/// ratio is the importance, divided by the sum over all parameters. It is what `FanovaImportanceEvaluator` of Optuna
/// computes, except that choices have equal weights here: Optuna gives weight to combinations of its one-hot columns that
/// stand for no choice.
///
/// `trials` holds the values of each trial in the order of `domains`, and `objectives` the objective of each. A pure function:
/// the same trials give the same result on every machine.
///
/// # Errors
/// Why there is no answer; never zeros in its place. A parameter that has one value only has the share 0.
///
/// # Panics
/// If `trials` and `objectives` differ in length, or a trial has another number of values than there are domains.
pub fn importance(
    domains: &[ParameterDomain],
    trials: &[Vec<f64>],
    objectives: &[f64],
) -> Result<Importance, UnknownImportance> {
    assert_eq!(trials.len(), objectives.len(), "an objective for each trial");
    if !domains.iter().any(ParameterDomain::varies) {
        return Err(UnknownImportance::NothingVaries);
    }
    if trials.len() < FEWEST_TRIALS {
        return Err(UnknownImportance::FewTrials(trials.len()));
    }
    let objectives = standardised(objectives).ok_or(UnknownImportance::ConstantObjective)?;
    let columns: Vec<TrialColumn> = domains
        .iter()
        .enumerate()
        .map(|(at, domain)| domain.column(trials.iter().map(|trial| trial[at])))
        .collect::<Option<_>>()
        .ok_or(UnknownImportance::OutsideDomain)?;
    let table = TrialTable { columns: &columns, objectives: &objectives };
    let mut sums = vec![0.0; domains.len()];
    let mut counted = 0.0;
    for tree in 0..TREES {
        let leaves = grow_tree(&table, tree);
        let whole = variance(leaves.iter().map(|leaf| (leaf.share(), leaf.value)));
        if whole > 0.0 {
            counted += 1.0;
            for (at, sum) in sums.iter_mut().enumerate() {
                *sum += marginal_variance(&columns[at], at, &leaves) / whole;
            }
        }
    }
    let total: f64 = sums.iter().sum();
    // What rounding leaves of a variance that is zero.
    if total <= 1e-12 * counted || counted == 0.0 {
        return Err(UnknownImportance::OnlyInteractions);
    }
    Ok(Importance { shares: sums.iter().map(|sum| sum / total).collect(), explained: total / counted })
}

impl ParameterDomain {
    fn varies(&self) -> bool {
        match *self {
            ParameterDomain::Range { low, high } => low < high,
            ParameterDomain::Choices(count) => count > 1,
        }
    }

    /// The values as a column of the table; `None` if one lies outside.
    fn column(&self, values: impl Iterator<Item = f64>) -> Option<TrialColumn> {
        match *self {
            ParameterDomain::Range { low, high } => {
                let width = if low < high { high - low } else { 1.0 };
                let place = |value: f64| {
                    // The logarithm of an end may be rounded to just outside.
                    let place = (value - low) / width;
                    (-1e-9..=1.0 + 1e-9).contains(&place).then(|| place.clamp(0.0, 1.0))
                };
                values.map(place).collect::<Option<_>>().map(TrialColumn::Places)
            }
            ParameterDomain::Choices(count) => {
                let choice = |value: f64| {
                    (value >= 0.0 && value < count as f64 && value.fract() == 0.0).then_some(value as usize)
                };
                values.map(choice).collect::<Option<_>>().map(|chosen| TrialColumn::Choices { count, chosen })
            }
        }
    }
}

/// The values with mean 0 and variance 1, so that no unit of the objective changes a tree; `None` if they are all equal, or
/// not all finite.
fn standardised(values: &[f64]) -> Option<Vec<f64>> {
    let Moments { mean, mean_rest, deviation } = Moments::of(values);
    // The deviation of values that are equal but for rounding is a few units in the last place.
    let varies = deviation.is_finite() && deviation > 1e-14 * mean.abs();
    varies.then(|| values.iter().map(|value| ((value - mean) - mean_rest) / deviation).collect())
}

/// One tree on its own bootstrap sample of the trials.
fn grow_tree(table: &TrialTable<'_>, tree: u64) -> Vec<Leaf> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    rng.set_stream(tree);
    let count = table.objectives.len();
    let sample: Vec<usize> = (0..count).map(|_| rng.random_range(0..count)).collect();
    grow(table, sample, |columns| {
        let mut order: Vec<usize> = (0..columns).collect();
        for last in (1..columns).rev() {
            order.swap(last, rng.random_range(0..=last));
        }
        order
    })
}

/// The variance over one parameter of the prediction's mean over all others.
fn marginal_variance(column: &TrialColumn, parameter: usize, leaves: &[Leaf]) -> f64 {
    match column {
        TrialColumn::Places(_) => {
            let mut cuts: Vec<f64> = leaves
                .iter()
                .flat_map(|leaf| match leaf.cell[parameter] {
                    Side::Interval(from, to) => [from, to],
                    Side::Subset(_) => [0.0, 1.0],
                })
                .collect();
            cuts.sort_unstable_by(f64::total_cmp);
            cuts.dedup();
            // Every leaf adds to the pieces from its first to its last: sums of differences take one step for each end.
            let mut changes = vec![0.0; cuts.len()];
            let at = |cut: f64| cuts.partition_point(|other| *other < cut);
            for leaf in leaves {
                if let Side::Interval(from, to) = leaf.cell[parameter] {
                    let part = leaf.value * leaf.share_without(parameter);
                    changes[at(from)] += part;
                    changes[at(to)] -= part;
                }
            }
            let mut marginal = 0.0;
            variance(cuts.windows(2).zip(&changes).map(|(piece, change)| {
                marginal += change;
                (piece[1] - piece[0], marginal)
            }))
        }
        TrialColumn::Choices { count, .. } => {
            let mut marginals = vec![0.0; *count];
            for leaf in leaves {
                let part = leaf.value * leaf.share_without(parameter);
                if let Side::Subset(choices) = &leaf.cell[parameter] {
                    for (marginal, _) in marginals.iter_mut().zip(choices).filter(|(_, inside)| **inside) {
                        *marginal += part;
                    }
                }
            }
            variance(marginals.iter().map(|marginal| (1.0 / *count as f64, *marginal)))
        }
    }
}

/// The variance of values with weights that sum to 1.
fn variance(weighted: impl Iterator<Item = (f64, f64)>) -> f64 {
    let weighted: Vec<(f64, f64)> = weighted.collect();
    let mean: f64 = weighted.iter().map(|(weight, value)| weight * value).sum();
    weighted.iter().map(|(weight, value)| weight * (value - mean).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use ParameterDomain::{Choices, Range};

    const DOMAINS: [ParameterDomain; 3] =
        [Range { low: -2.0, high: 3.0 }, Range { low: 0.5, high: 8.5 }, Choices(3)];

    /// Trials of [`DOMAINS`], and noise.
    fn trials() -> impl Strategy<Value = (Vec<Vec<f64>>, Vec<f64>)> {
        let trial = (-2.0..3.0_f64, 1..9_i32, 0..3_i32)
            .prop_map(|(real, whole, choice)| vec![real, f64::from(whole), f64::from(choice)]);
        (FEWEST_TRIALS..40).prop_flat_map(move |count| {
            (prop::collection::vec(trial.clone(), count), prop::collection::vec(-1.0..1.0_f64, count))
        })
    }

    /// The variance of the mean prediction, from every combination of pieces that no leaf cuts through.
    fn enumerated_marginal_variance(parameter: usize, leaves: &[Leaf]) -> f64 {
        let pieces: Vec<Vec<Side>> = (0..leaves[0].cell.len())
            .map(|at| {
                let mut ends: Vec<f64> = Vec::new();
                for leaf in leaves {
                    match &leaf.cell[at] {
                        Side::Interval(from, to) => ends.extend([from, to]),
                        Side::Subset(choices) => {
                            let one =
                                |chosen| Side::Subset((0..choices.len()).map(|at| at == chosen).collect());
                            return (0..choices.len()).map(one).collect();
                        }
                    }
                }
                ends.sort_by(f64::total_cmp);
                ends.dedup();
                ends.windows(2).map(|ends| Side::Interval(ends[0], ends[1])).collect()
            })
            .collect();
        let inside = |piece: &Side, side: &Side| match (piece, side) {
            (Side::Interval(from, to), Side::Interval(low, high)) => low <= from && to <= high,
            (Side::Subset(one), Side::Subset(several)) => {
                one.iter().zip(several).all(|(one, all)| !one || *all)
            }
            _ => false,
        };
        let mut means = vec![0.0; pieces[parameter].len()];
        for first in 0..pieces[0].len() {
            for second in 0..pieces[1].len() {
                for third in 0..pieces[2].len() {
                    let at = [first, second, third];
                    let cell: Vec<&Side> = pieces.iter().zip(at).map(|(pieces, at)| &pieces[at]).collect();
                    let holds =
                        |leaf: &&Leaf| cell.iter().zip(&leaf.cell).all(|(piece, side)| inside(piece, side));
                    let holders: Vec<&Leaf> = leaves.iter().filter(holds).collect();
                    assert_eq!(holders.len(), 1, "the leaves divide the space");
                    let others = (0..3).filter(|other| *other != parameter);
                    let weight: f64 = others.map(|other| cell[other].share()).product();
                    means[at[parameter]] += weight * holders[0].value;
                }
            }
        }
        variance(pieces[parameter].iter().map(Side::share).zip(means))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn shares_are_between_zero_and_one_and_sum_to_one((trials, objectives) in trials()) {
            let found = importance(&DOMAINS, &trials, &objectives).unwrap();
            prop_assert!(found.shares.iter().all(|share| (0.0..=1.0).contains(share)), "{found:?}");
            prop_assert!((found.shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            // Effects of single parameters are orthogonal: together they explain no more than there is.
            prop_assert!((0.0..1.0 + 1e-9).contains(&found.explained), "{found:?}");
        }

        #[test]
        fn neither_the_unit_nor_the_offset_nor_the_sign_of_the_objective_matters(
            (trials, objectives) in trials(), factor in 0.001..1000.0_f64, offset in -1000.0..1000.0_f64, down in any::<bool>(),
        ) {
            let factor = if down { -factor } else { factor };
            let other: Vec<f64> = objectives.iter().map(|value| value * factor + offset).collect();
            let before = importance(&DOMAINS, &trials, &objectives).unwrap();
            let after = importance(&DOMAINS, &trials, &other).unwrap();
            for (before, after) in before.shares.iter().zip(&after.shares) {
                prop_assert!((before - after).abs() < 1e-6, "{} {}", before, after);
            }
        }

        #[test]
        fn the_unit_of_a_parameter_does_not_matter((trials, objectives) in trials()) {
            // A power of two scales without rounding.
            let domains = [Range { low: -256.0, high: 384.0 }, DOMAINS[1], DOMAINS[2]];
            let scaled: Vec<Vec<f64>> =
                trials.iter().map(|trial| vec![trial[0] * 128.0, trial[1], trial[2]]).collect();
            prop_assert_eq!(
                importance(&DOMAINS, &trials, &objectives),
                importance(&domains, &scaled, &objectives)
            );
        }

        #[test]
        fn a_marginal_variance_is_what_enumerating_the_space_gives((trials, objectives) in trials()) {
            let columns: Vec<TrialColumn> = DOMAINS
                .iter()
                .enumerate()
                .map(|(at, domain)| domain.column(trials.iter().map(|trial| trial[at])).unwrap())
                .collect();
            let objectives = standardised(&objectives).unwrap();
            let leaves = grow_tree(&TrialTable { columns: &columns, objectives: &objectives }, 0);
            for (at, column) in columns.iter().enumerate() {
                let (fast, slow) = (marginal_variance(column, at, &leaves), enumerated_marginal_variance(at, &leaves));
                prop_assert!((fast - slow).abs() < 1e-12, "{}: {} {}", at, fast, slow);
            }
        }
    }

    /// 64 trials at the points of a grid over four parameters.
    fn factorial(objective: impl Fn(&[f64]) -> f64) -> Result<Importance, UnknownImportance> {
        let domains = [Choices(4), Range { low: -0.5, high: 3.5 }, Choices(2), Choices(2)];
        let trials: Vec<Vec<f64>> = (0..64)
            .map(|at| vec![at % 4, at / 4 % 4, at / 16 % 2, at / 32].into_iter().map(f64::from).collect())
            .collect();
        let objectives: Vec<f64> = trials.iter().map(|trial| objective(trial)).collect();
        importance(&domains, &trials, &objectives)
    }

    #[test]
    fn a_parameter_that_does_not_matter_gets_nearly_nothing() {
        let found = factorial(|trial| [5.0, 1.0, 2.0, 0.0][trial[0] as usize] + 0.5 * trial[2]).unwrap();
        assert!(found.shares[1] < 0.005 && found.shares[3] < 0.005, "{found:?}");
        // The variances of the two effects are 3.5 and 0.0625.
        assert!((found.shares[0] - 3.5 / 3.5625).abs() < 0.01, "{found:?}");
        assert!(found.explained > 0.97, "{found:?}");
    }

    #[test]
    fn a_parameter_with_one_value_has_no_share() {
        let trials: Vec<Vec<f64>> = (0..12).map(|at| vec![f64::from(at), 0.0, 7.0]).collect();
        let objectives: Vec<f64> = (0..12).map(f64::from).collect();
        let domains = [Range { low: 0.0, high: 11.0 }, Choices(1), Range { low: 7.0, high: 7.0 }];
        assert_eq!(importance(&domains, &trials, &objectives).unwrap().shares, [1.0, 0.0, 0.0]);
        assert_eq!(
            importance(&domains[1..], &vec![vec![0.0, 7.0]; 12], &objectives),
            Err(UnknownImportance::NothingVaries)
        );
    }

    #[test]
    fn what_cannot_be_known_has_a_reason() {
        let domains = [Range { low: 0.0, high: 20.0 }];
        let trials: Vec<Vec<f64>> = (0..20).map(|at| vec![f64::from(at)]).collect();
        let varying: Vec<f64> = (0..20).map(f64::from).collect();
        assert_eq!(importance(&domains, &trials[..3], &varying[..3]), Err(UnknownImportance::FewTrials(3)));
        for constant in [0.0, 0.1, -1e300] {
            let found = importance(&domains, &trials, &[constant; 20]);
            assert_eq!(found, Err(UnknownImportance::ConstantObjective), "{constant}");
        }
        let narrow = [Range { low: 0.0, high: 10.0 }];
        assert_eq!(importance(&narrow, &trials, &varying), Err(UnknownImportance::OutsideDomain));
        assert_eq!(importance(&[Choices(19)], &trials, &varying), Err(UnknownImportance::OutsideDomain));
    }

    #[test]
    fn two_switches_that_matter_only_together_explain_little_alone() {
        let found = factorial(|trial| f64::from(trial[2] == trial[3])).unwrap();
        // Bootstrap samples are never quite balanced, so the trees see small effects.
        assert!(found.explained < 0.1, "{found:?}");
    }
}
