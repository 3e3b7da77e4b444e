//! A regression tree on a sample of trials, as the cells that its leaves cut out of the space.

/// Deeper nodes are not split.
const MOST_SPLITS: usize = 64;
/// Splits whose gains differ by less than this share are ties that rounding has parted.
const TIE_TOLERANCE: f64 = 1e-10;

/// What is cut: trials by their parameters, each in its column.
pub(super) struct TrialTable<'a> {
    /// One column for each parameter.
    pub(super) columns: &'a [TrialColumn],
    /// The objective of each trial, standardised: with mean 0 and variance 1.
    pub(super) objectives: &'a [f64],
}

/// The values of one parameter over all trials.
pub(super) enum TrialColumn {
    /// Places in `[0, 1]`.
    Places(Vec<f64>),
    /// Indices of choices, below `count`.
    Choices {
        /// Number of choices.
        count: usize,
        /// The choice of each trial.
        chosen: Vec<usize>,
    },
}

/// The values of one parameter within a cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Side {
    /// A part of `[0, 1]`.
    Interval(f64, f64),
    /// Which choices are in it.
    Subset(Vec<bool>),
}

/// A leaf: a cell of the space and the mean objective in it.
pub(super) struct Leaf {
    /// One side for each parameter.
    pub(super) cell: Vec<Side>,
    /// The mean of the trials in the cell.
    pub(super) value: f64,
}

/// Divides a node's trials in two.
#[derive(Clone, Copy)]
enum TreeSplit {
    /// Places up to this one on the left.
    Threshold(f64),
    /// One choice on the left.
    Choice(usize),
}

impl TrialColumn {
    fn whole(&self) -> Side {
        match self {
            TrialColumn::Places(_) => Side::Interval(0.0, 1.0),
            TrialColumn::Choices { count, .. } => Side::Subset(vec![true; *count]),
        }
    }

    fn is_left(&self, trial: usize, split: TreeSplit) -> bool {
        match (self, split) {
            (TrialColumn::Places(places), TreeSplit::Threshold(threshold)) => places[trial] <= threshold,
            (TrialColumn::Choices { chosen, .. }, TreeSplit::Choice(choice)) => chosen[trial] == choice,
            _ => false,
        }
    }
}

impl Side {
    /// The share of the parameter's values that it holds, each as likely as any other.
    pub(super) fn share(&self) -> f64 {
        match self {
            Side::Interval(from, to) => to - from,
            Side::Subset(choices) => {
                choices.iter().filter(|chosen| **chosen).count() as f64 / choices.len() as f64
            }
        }
    }

    fn divided(&self, split: TreeSplit) -> (Side, Side) {
        match (self, split) {
            (Side::Interval(from, to), TreeSplit::Threshold(threshold)) => {
                (Side::Interval(*from, threshold), Side::Interval(threshold, *to))
            }
            (Side::Subset(choices), TreeSplit::Choice(choice)) => {
                let of = |left: bool| {
                    let kept = |(at, inside): (usize, &bool)| *inside && (at == choice) == left;
                    Side::Subset(choices.iter().enumerate().map(kept).collect())
                };
                (of(true), of(false))
            }
            _ => (self.clone(), self.clone()),
        }
    }
}

impl Leaf {
    /// The share of the space that it covers.
    pub(super) fn share(&self) -> f64 {
        self.cell.iter().map(Side::share).product()
    }

    /// The share of the space of all parameters but one.
    pub(super) fn share_without(&self, parameter: usize) -> f64 {
        let others = self.cell.iter().enumerate().filter(|(at, _)| *at != parameter);
        others.map(|(_, side)| side.share()).product()
    }
}

/// Grows the tree of a sample (indices of trials, with repetitions) until the trials of each leaf have one objective or
/// one place (Breiman et al., *Classification and Regression Trees*, 1984). Every parameter is tried at every node.
/// Where several splits are equally good, the first in the order that `shuffled` gives wins.
pub(super) fn grow(
    table: &TrialTable<'_>,
    sample: Vec<usize>,
    mut shuffled: impl FnMut(usize) -> Vec<usize>,
) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    let whole: Vec<Side> = table.columns.iter().map(TrialColumn::whole).collect();
    let mut nodes = vec![(sample, whole, 0)];
    while let Some((trials, cell, depth)) = nodes.pop() {
        let mean = trials.iter().map(|&trial| table.objectives[trial]).sum::<f64>() / trials.len() as f64;
        let best = if depth < MOST_SPLITS {
            best_split(table, &trials, mean, &shuffled(table.columns.len()))
        } else {
            None
        };
        let Some((column, split)) = best else {
            leaves.push(Leaf { cell, value: mean });
            continue;
        };
        let (left, right): (Vec<usize>, Vec<usize>) =
            trials.iter().partition(|&&trial| table.columns[column].is_left(trial, split));
        let (left_side, right_side) = cell[column].divided(split);
        let mut left_cell = cell.clone();
        left_cell[column] = left_side;
        let mut right_cell = cell;
        right_cell[column] = right_side;
        nodes.push((right, right_cell, depth + 1));
        nodes.push((left, left_cell, depth + 1));
    }
    leaves
}

/// The split that leaves the least squared error, with its column; `None` if there is nothing to divide.
fn best_split(
    table: &TrialTable<'_>,
    trials: &[usize],
    mean: f64,
    order: &[usize],
) -> Option<(usize, TreeSplit)> {
    // Deviations from the mean of the node keep the digits of a gain where the node is far from the overall mean.
    let deviation = |trial: usize| table.objectives[trial] - mean;
    let spread = trials.iter().map(|&trial| deviation(trial).powi(2)).sum::<f64>() / trials.len() as f64;
    if spread <= f64::EPSILON {
        return None;
    }
    let mut best = None;
    let mut most = 0.0;
    for &column in order {
        let mut consider = |count: usize, sum: f64, split: TreeSplit| {
            // The squared error falls by this when the sums of deviations are `sum` and `-sum`.
            let gain = sum * sum * (1.0 / count as f64 + 1.0 / (trials.len() - count) as f64);
            if best.is_none() || gain > most * (1.0 + TIE_TOLERANCE) {
                most = gain;
                best = Some((column, split));
            }
        };
        match &table.columns[column] {
            TrialColumn::Places(places) => {
                let mut sorted: Vec<usize> = trials.to_vec();
                sorted.sort_unstable_by(|a, b| places[*a].total_cmp(&places[*b]).then(a.cmp(b)));
                let mut sum = 0.0;
                for (index, pair) in sorted.windows(2).enumerate() {
                    sum += deviation(pair[0]);
                    let (below, above) = (places[pair[0]], places[pair[1]]);
                    if below < above {
                        let middle = below + (above - below) / 2.0;
                        consider(index + 1, sum, TreeSplit::Threshold(middle.min(above.next_down())));
                    }
                }
            }
            TrialColumn::Choices { count, chosen } => {
                let mut totals = vec![(0, 0.0); *count];
                for &trial in trials {
                    let total = &mut totals[chosen[trial]];
                    *total = (total.0 + 1, total.1 + deviation(trial));
                }
                for (choice, &(count, sum)) in totals.iter().enumerate() {
                    if count > 0 && count < trials.len() {
                        consider(count, sum, TreeSplit::Choice(choice));
                    }
                }
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_divides_the_space_and_predicts_every_trial_that_it_was_grown_on() {
        let count = 30;
        let places: Vec<f64> = (0..count).map(|at| (at * 7 % count) as f64 / count as f64).collect();
        let columns = [
            TrialColumn::Places(places.clone()),
            TrialColumn::Choices { count: 4, chosen: (0..count).map(|at| at % 3).collect() },
        ];
        let objectives: Vec<f64> = (0..count).map(|at| ((at * at) % 11) as f64).collect();
        let table = TrialTable { columns: &columns, objectives: &objectives };
        let leaves = grow(&table, (0..count).collect(), |columns| (0..columns).collect());
        assert!((leaves.iter().map(Leaf::share).sum::<f64>() - 1.0).abs() < 1e-12);
        for trial in 0..count {
            let holds = |leaf: &&Leaf| {
                let Side::Interval(from, to) = leaf.cell[0] else { panic!() };
                let Side::Subset(choices) = &leaf.cell[1] else { panic!() };
                let is_above = from < places[trial] || from == 0.0;
                is_above && places[trial] <= to && choices[trial % 3]
            };
            let held: Vec<&Leaf> = leaves.iter().filter(holds).collect();
            assert_eq!(held.len(), 1);
            assert!((held[0].value - objectives[trial]).abs() < 1e-12);
        }
    }

    #[test]
    fn trials_at_one_place_share_a_leaf_with_their_mean() {
        let columns = [TrialColumn::Places(vec![0.5; 4])];
        let table = TrialTable { columns: &columns, objectives: &[-1.0, 1.0, 3.0, -1.0] };
        let leaves = grow(&table, vec![0, 1, 2, 3], |columns| (0..columns).collect());
        assert_eq!(leaves.iter().map(|leaf| leaf.value).collect::<Vec<_>>(), [0.5]);
    }
}
