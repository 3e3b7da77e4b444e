//! A stable share of a plan, for machines that do not share a store.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::sync::Arc;

use super::Run;
use super::array_job::share_of_array_job;
use super::cost::{KnownCosts, expected_costs};
use super::share::Share;

/// A share of the plan, or a share of one: `3/4:1/2` is the first half of the third quarter.
///
/// Shares are of nearly equal expected cost. What a run costs is computed from its parameters alone, and which share it
/// belongs to from the costs and identities of all runs, so that every machine that plans the same file comes to the same
/// division, in whatever order the file lists its models. An ensemble belongs to no share of several: what it chooses from
/// lies in different stores until they are merged, and the command without a partition runs it then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Each a share of the one before it; at least one.
    levels: Vec<Share>,
}

impl Partition {
    /// Reads a partition. In the place of a share, `auto` is that of the array job whose environment `variable` looks up.
    ///
    /// # Errors
    /// What is wrong with the text or the environment, in a sentence.
    pub fn parse(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let share = |text: &str| match text {
            "auto" => share_of_array_job(&variable),
            text => Share::parse(text),
        };
        Ok(Self { levels: text.split(':').map(share).collect::<Result<_, _>>()? })
    }

    /// Whether it is the whole plan.
    pub fn is_whole(&self) -> bool {
        self.levels.iter().all(|share| share.count == 1)
    }

    /// The only share that it consists of; `None` for a share of a share.
    pub fn share(&self) -> Option<Share> {
        (self.levels.len() == 1).then(|| self.levels[0])
    }

    /// The runs of a plan that belong to it, by their position.
    pub fn select(&self, runs: &[Arc<Run>]) -> Vec<usize> {
        if self.is_whole() {
            return (0..runs.len()).collect();
        }
        let mut chosen: Vec<usize> = (0..runs.len()).filter(|&run| runs[run].candidates.is_empty()).collect();
        let costs = expected_costs(chosen.iter().map(|&run| runs[run].as_ref()), &KnownCosts::new());
        let mut weighed: Vec<(usize, u64)> = chosen.iter().copied().zip(costs).collect();
        for share in &self.levels {
            let items: Vec<(u64, &str)> =
                weighed.iter().map(|&(run, cost)| (cost, runs[run].id.as_str())).collect();
            let shares = divide(&items, share.count);
            weighed = weighed
                .into_iter()
                .zip(shares)
                .filter(|(_, of)| *of == share.index)
                .map(|(item, _)| item)
                .collect();
        }
        chosen.clear();
        chosen.extend(weighed.into_iter().map(|(run, _)| run));
        chosen
    }
}

/// The share (from 1) of each run, given by its cost and its identity: the costliest run first, each to the share that has the
/// least so far. No share then has more than the mean of all and the costliest run together (Graham, "Bounds on
/// multiprocessing timing anomalies", 1969). The order of the runs does not matter.
pub(super) fn divide(runs: &[(u64, &str)], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by_key(|&run| (Reverse(runs[run].0), runs[run].1));
    let mut shares = vec![0; runs.len()];
    let mut loads: BinaryHeap<Reverse<(u128, usize)>> =
        (1..=count).map(|share| Reverse((0, share))).collect();
    for run in order {
        if let Some(Reverse((load, share))) = loads.pop() {
            shares[run] = share;
            loads.push(Reverse((load + u128::from(runs[run].0), share)));
        }
    }
    shares
}

impl fmt::Display for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (level, share) in self.levels.iter().enumerate() {
            write!(formatter, "{}{share}", if level == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::plan::test_runs::run;

    fn parse(text: &str) -> Result<Partition, String> {
        Partition::parse(text, |_| None)
    }

    fn loads(costs: &[u64], shares: &[usize], count: usize) -> Vec<u64> {
        let mut loads = vec![0; count];
        for (cost, share) in costs.iter().zip(shares) {
            loads[share - 1] += cost;
        }
        loads
    }

    proptest! {
        #[test]
        fn every_run_has_one_share_and_none_has_more_than_its_part_and_one_run(
            costs in prop::collection::vec(1_u64..1_000_000, 0..200), count in 1_usize..20,
        ) {
            let ids: Vec<String> = (0..costs.len()).map(|run| format!("{run:016x}")).collect();
            let runs: Vec<(u64, &str)> = costs.iter().copied().zip(ids.iter().map(String::as_str)).collect();
            let shares = divide(&runs, count);
            prop_assert!(shares.iter().all(|share| (1..=count).contains(share)));
            let largest = costs.iter().copied().max().unwrap_or(0);
            let mean = costs.iter().sum::<u64>() as f64 / count as f64;
            for load in loads(&costs, &shares, count) {
                prop_assert!(load as f64 <= mean + largest as f64, "{load} of {mean} and {largest}");
            }
        }

        #[test]
        fn the_order_of_the_plan_moves_no_run(
            mut runs in prop::collection::vec((1_u64..50, 0_u64..1_000_000), 1..100)
                .prop_map(|runs| {
                    let mut seen = BTreeSet::new();
                    runs.into_iter().filter(|(_, id)| seen.insert(*id)).collect::<Vec<_>>()
                }),
            count in 1_usize..9, turn in 0_usize..100,
        ) {
            let of = |runs: &[(u64, u64)]| {
                let ids: Vec<String> = runs.iter().map(|(_, id)| format!("{id:016x}")).collect();
                let items: Vec<(u64, &str)> =
                    runs.iter().map(|(cost, _)| *cost).zip(ids.iter().map(String::as_str)).collect();
                let mut shares: Vec<(u64, usize)> =
                    runs.iter().map(|(_, id)| *id).zip(divide(&items, count)).collect();
                shares.sort_unstable();
                shares
            };
            let before = of(&runs);
            let turn = turn % runs.len();
            runs.rotate_left(turn);
            prop_assert_eq!(&before, &of(&runs));
            runs.reverse();
            prop_assert_eq!(&before, &of(&runs));
        }
    }

    #[test]
    fn long_runs_do_not_meet_in_one_share() {
        let mut runs: Vec<Arc<Run>> =
            (0..4).map(|seed| Arc::new(run("[models.lstm]\nhidden = 64", 5, seed))).collect();
        runs.extend((0..20).map(|seed| Arc::new(run("[models.linear]", 1, seed))));
        for index in 1..=4 {
            let share = parse(&format!("{index}/4")).unwrap().select(&runs);
            let long = share.iter().filter(|&&at| runs[at].label.contains("lstm")).count();
            assert_eq!((long, share.len()), (1, 6));
        }
    }

    #[test]
    fn shares_of_a_share_are_disjoint_and_together_the_share() {
        let runs: Vec<Arc<Run>> =
            (0..31).map(|seed| Arc::new(run("[models.linear]", 1 + seed as usize % 3, seed))).collect();
        let select = |text: &str| parse(text).unwrap().select(&runs);
        let whole: BTreeSet<usize> = select("2/3").into_iter().collect();
        let mut halves: Vec<usize> = select("2/3:1/2");
        halves.extend(select("2/3:2/2"));
        assert_eq!(halves.len(), whole.len());
        assert_eq!(halves.into_iter().collect::<BTreeSet<_>>(), whole);
        assert_eq!(select("1/1:1/1").len(), runs.len());
    }

    #[test]
    fn what_is_no_partition_is_refused_with_the_form_it_has() {
        for (text, part) in [
            ("2", "write it as i/n"),
            ("a/2", "`a` is not a number"),
            ("0/2", "there is no share 0 of 2"),
            ("3/2", "there is no share 3 of 2"),
            ("1/0", "cannot be divided into 0 shares"),
            ("1/2/3", "`2/3` is not a number"),
            ("1/2:", "write it as i/n"),
            ("1/2:3/2", "there is no share 3 of 2"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(parse("2/4").unwrap().to_string(), "2/4");
        assert_eq!(parse("2/4:1/3").unwrap().to_string(), "2/4:1/3");
    }
}
