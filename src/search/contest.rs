//! The contest between trials: who has to wait for whom at a rung, and what the verdict is.
//!
//! A verdict depends on losses alone, never on the order in which they came: a run at a rung is judged when every earlier
//! rival has reached the rung, has ended, or was pruned before it. A run that some other search finished, but this one
//! would have pruned, counts as pruned here, so that a shared store changes no verdict.

use std::collections::{BTreeSet, HashMap};

use super::pruner::{PrunerSpec, RungVerdict};

/// All runs that are judged against each other, in the order of the plan.
#[derive(Debug)]
pub struct Contest {
    pruner: PrunerSpec,
    entrants: HashMap<usize, Entrant>,
    /// Runs that are rivals, in the order of the plan.
    groups: HashMap<String, Vec<usize>>,
}

#[derive(Debug)]
struct Entrant {
    rungs: Vec<usize>,
    /// Earlier runs of its group.
    rivals: Vec<usize>,
    /// Lowest validation loss up to each epoch.
    best: Vec<f64>,
    finish: Option<Finish>,
    verdicts: Vec<RungVerdict>,
    fingerprint: String,
}

/// How an entrant ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It trained as long as it was to: its loss stands for all later epochs.
    Done,
    /// It got no further.
    Stopped,
}

/// What is certain of a run at an epoch.
#[derive(Debug, Clone, PartialEq)]
pub enum RungStatus {
    /// It goes on, or is pruned.
    Judged(RungVerdict),
    /// The losses of these runs, of which there is at least one, are missing for a verdict.
    WaitsFor(Vec<usize>),
    /// No verdict will be given: the epoch is none of the run's rungs, or the run has not reached it.
    NoRung,
}

/// Where an entrant stands at an epoch.
enum Standing {
    In(f64),
    Out,
}

/// The runs, at least one, whose losses are missing for a verdict.
struct Missing(BTreeSet<usize>);

impl Contest {
    /// A contest without entrants.
    pub fn new(pruner: PrunerSpec) -> Self {
        Self { pruner, entrants: HashMap::new(), groups: HashMap::new() }
    }

    /// Enters the next run of the plan. `group` names those that it is compared with.
    pub fn enter(
        &mut self,
        run: usize,
        run_id: &str,
        group: String,
        epochs: usize,
        hash: impl Fn(&str) -> String,
    ) {
        let rivals = self.groups.entry(group).or_default();
        // The verdicts on a run follow from the rule and from the runs before it: together they identify the search.
        let before = rivals.last().and_then(|last| self.entrants.get(last)).map(|last| &last.fingerprint);
        let seed = before.map_or_else(|| format!("{:?}", self.pruner), Clone::clone);
        let fingerprint = hash(&format!("{seed} {run_id}"));
        let entrant = Entrant {
            rungs: self.pruner.rungs(epochs),
            rivals: rivals.clone(),
            best: Vec::new(),
            finish: None,
            verdicts: Vec::new(),
            fingerprint,
        };
        rivals.push(run);
        self.entrants.insert(run, entrant);
    }

    /// The epochs at which a run is judged; none for a run that takes no part.
    pub fn rungs(&self, run: usize) -> &[usize] {
        self.entrants.get(&run).map_or(&[], |entrant| &entrant.rungs)
    }

    /// What identifies the search that a run takes part in: the rule, the run, and everything before it.
    pub fn fingerprint(&self, run: usize) -> Option<&str> {
        self.entrants.get(&run).map(|entrant| entrant.fingerprint.as_str())
    }

    /// A run ended an epoch, counted from 1. An epoch that is known already changes nothing.
    pub fn epoch(&mut self, run: usize, epoch: usize, loss: f64) {
        if let Some(entrant) = self.entrants.get_mut(&run)
            && epoch == entrant.best.len() + 1
        {
            let best = entrant.best.last().map_or(loss, |best| best.min(loss));
            entrant.best.push(best);
        }
    }

    /// A run ended and will not run again.
    pub fn finish(&mut self, run: usize, finish: Finish) {
        if let Some(entrant) = self.entrants.get_mut(&run) {
            entrant.finish = Some(finish);
        }
    }

    /// Whether a run that ended this epoch goes on.
    pub fn rung_status(&mut self, run: usize, epoch: usize) -> RungStatus {
        if let Err(Missing(rivals)) = self.judge_up_to(run, epoch) {
            return RungStatus::WaitsFor(rivals.into_iter().collect());
        }
        let verdicts = self.entrants.get(&run).map_or(&[][..], |entrant| &entrant.verdicts);
        let found = verdicts.iter().find(|verdict| verdict.epoch == epoch);
        found.copied().map_or(RungStatus::NoRung, RungStatus::Judged)
    }

    /// The verdict that pruned a run; only what is certain already counts.
    pub fn pruned(&mut self, run: usize) -> Option<RungVerdict> {
        let last = self.entrants.get(&run)?.best.len();
        // Missing losses leave the later verdicts open.
        let _ = self.judge_up_to(run, last);
        self.entrants.get(&run)?.verdicts.iter().find(|verdict| !verdict.goes_on).copied()
    }

    /// Judges a run at all its rungs up to an epoch, or up to the rung that pruned it.
    fn judge_up_to(&mut self, run: usize, epoch: usize) -> Result<(), Missing> {
        while let Some(entrant) = self.entrants.get(&run) {
            if entrant.verdicts.last().is_some_and(|verdict| !verdict.goes_on) {
                break;
            }
            let next = entrant.rungs.get(entrant.verdicts.len()).filter(|&&rung| rung <= epoch);
            let Some((&rung, &loss)) = next.and_then(|rung| Some((rung, entrant.best.get(rung - 1)?))) else {
                break;
            };
            let rivals = entrant.rivals.clone();
            let mut losses = Vec::with_capacity(rivals.len());
            let mut missing = BTreeSet::new();
            for rival in rivals {
                match self.standing(rival, rung) {
                    Ok(Standing::In(loss)) => losses.push(loss),
                    Ok(Standing::Out) => {}
                    Err(Missing(others)) => missing.extend(others),
                }
            }
            if !missing.is_empty() {
                return Err(Missing(missing));
            }
            let verdict = self.pruner.judge(rung, loss, losses);
            if let Some(entrant) = self.entrants.get_mut(&run) {
                entrant.verdicts.push(verdict);
            }
        }
        Ok(())
    }

    fn standing(&mut self, run: usize, epoch: usize) -> Result<Standing, Missing> {
        self.judge_up_to(run, epoch - 1)?;
        let Some(entrant) = self.entrants.get(&run) else { return Ok(Standing::Out) };
        if entrant.verdicts.iter().any(|verdict| !verdict.goes_on && verdict.epoch < epoch) {
            return Ok(Standing::Out);
        }
        match (entrant.best.get(epoch - 1), entrant.best.last(), entrant.finish) {
            (Some(&loss), ..) | (None, Some(&loss), Some(Finish::Done)) => Ok(Standing::In(loss)),
            (None, _, Some(_)) => Ok(Standing::Out),
            (None, _, None) => Err(Missing(BTreeSet::from([run]))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::search::{AshaSpec, MedianSpec};

    fn asha() -> PrunerSpec {
        PrunerSpec::Asha(AshaSpec { reduction_factor: 2, min_epochs: 1, max_epochs: None })
    }

    fn judged(contest: &mut Contest, run: usize, epoch: usize) -> RungVerdict {
        match contest.rung_status(run, epoch) {
            RungStatus::Judged(verdict) => verdict,
            other => panic!("run {run} at epoch {epoch}: {other:?}"),
        }
    }

    fn contest(pruner: PrunerSpec, runs: usize, epochs: usize) -> Contest {
        let mut contest = Contest::new(pruner);
        for run in 0..runs {
            contest.enter(run, &format!("run{run}"), "all".into(), epochs, |text| text.replace(' ', "/"));
        }
        contest
    }

    #[test]
    fn a_run_waits_for_earlier_ones_and_never_for_later_ones() {
        let mut contest = contest(asha(), 3, 4);
        contest.epoch(1, 1, 0.5);
        assert_eq!(contest.rung_status(1, 1), RungStatus::WaitsFor(vec![0]));
        contest.epoch(0, 1, 0.4);
        let first = judged(&mut contest, 0, 1);
        assert!(first.goes_on && first.rivals == 0);
        let second = judged(&mut contest, 1, 1);
        assert_eq!((second.goes_on, second.threshold, second.rivals), (false, Some(0.4), 1));
    }

    #[test]
    fn a_run_that_ended_before_the_rung_is_waited_for_no_longer() {
        let mut contest = contest(asha(), 3, 4);
        contest.finish(0, Finish::Stopped);
        contest.epoch(1, 1, 0.5);
        assert_eq!(judged(&mut contest, 1, 1).rivals, 0);
        contest.finish(1, Finish::Done);
        contest.epoch(2, 1, 0.6);
        contest.epoch(2, 2, 0.55);
        assert_eq!(contest.pruned(2).unwrap().epoch, 1);
        assert_eq!(contest.rung_status(2, 2), RungStatus::NoRung);
    }

    #[test]
    fn an_epoch_without_a_verdict_is_told_from_one_that_waits() {
        let mut contest = contest(asha(), 2, 4);
        for epoch in 1..=3 {
            contest.epoch(0, epoch, 0.4);
        }
        assert_eq!(contest.rung_status(0, 3), RungStatus::NoRung, "the rungs are at 1 and 2");
        assert_eq!(contest.rung_status(1, 1), RungStatus::NoRung, "it has not come so far");
        assert_eq!(contest.rung_status(7, 1), RungStatus::NoRung, "it takes no part");
    }

    #[test]
    fn a_whole_run_that_this_search_would_have_pruned_is_no_rival_later() {
        let mut contest = contest(asha(), 3, 4);
        for (run, loss) in [(0, 0.4), (1, 0.5)] {
            for epoch in 1..=4 {
                contest.epoch(run, epoch, loss);
            }
            contest.finish(run, Finish::Done);
        }
        contest.epoch(2, 1, 0.3);
        contest.epoch(2, 2, 0.3);
        assert!(judged(&mut contest, 2, 1).goes_on);
        assert_eq!(judged(&mut contest, 2, 2).rivals, 1, "run1 ended at the first rung");
    }

    #[test]
    fn another_rule_or_other_runs_before_make_another_search() {
        let fingerprint = |pruner, first| {
            let mut contest = Contest::new(pruner);
            contest.enter(0, first, "all".into(), 4, str::to_string);
            contest.enter(1, "run1", "all".into(), 4, str::to_string);
            contest.fingerprint(1).unwrap().to_string()
        };
        assert_eq!(fingerprint(asha(), "run0"), fingerprint(asha(), "run0"));
        assert_ne!(fingerprint(asha(), "run0"), fingerprint(asha(), "other"));
        assert_ne!(
            fingerprint(asha(), "run0"),
            fingerprint(PrunerSpec::Median(MedianSpec::default()), "run0")
        );
    }

    /// Lets runs advance in a random order on some slots, in the order of the plan, and returns every verdict.
    fn play(
        pruner: &PrunerSpec,
        losses: &[Vec<f64>],
        slots: usize,
        mut random: impl FnMut(usize) -> usize,
    ) -> Vec<Vec<RungVerdict>> {
        let epochs = losses[0].len();
        let mut contest = contest(pruner.clone(), losses.len(), epochs);
        let mut verdicts = vec![Vec::new(); losses.len()];
        let mut next = 0;
        let mut running: Vec<(usize, usize)> = Vec::new();
        while next < losses.len() || !running.is_empty() {
            while running.len() < slots && next < losses.len() {
                running.push((next, 0));
                next += 1;
            }
            // Whoever is not at a rung without a verdict may go on; somebody always may.
            let free: Vec<usize> = (0..running.len())
                .filter(|&at| {
                    let (run, epoch) = running[at];
                    !contest.rungs(run).contains(&epoch)
                        || matches!(contest.rung_status(run, epoch), RungStatus::Judged(_))
                })
                .collect();
            assert!(!free.is_empty(), "all wait for each other");
            let at = free[random(free.len())];
            let (run, epoch) = running[at];
            if contest.rungs(run).contains(&epoch) {
                let verdict = judged(&mut contest, run, epoch);
                verdicts[run].push(verdict);
                if !verdict.goes_on {
                    contest.finish(run, Finish::Stopped);
                    running.remove(at);
                    continue;
                }
            }
            if epoch == epochs {
                contest.finish(run, Finish::Done);
                running.remove(at);
                continue;
            }
            contest.epoch(run, epoch + 1, losses[run][epoch]);
            running[at].1 = epoch + 1;
        }
        verdicts
    }

    proptest! {
        #[test]
        fn verdicts_are_the_same_for_any_slots_and_any_order(
            losses in prop::collection::vec(prop::collection::vec(0.0..1.0_f64, 6), 1..14),
            slots in 1..5_usize,
            order in prop::collection::vec(0..1000_usize, 200),
            median in any::<bool>(),
        ) {
            let pruner = if median {
                PrunerSpec::Median(MedianSpec { startup_trials: 2, warmup_epochs: 1, interval_epochs: 2 })
            } else {
                asha()
            };
            let alone = play(&pruner, &losses, 1, |_| 0);
            let mut turn = 0;
            let together = play(&pruner, &losses, slots, |free| {
                turn += 1;
                order[turn % order.len()] % free
            });
            prop_assert_eq!(alone, together);
        }
    }
}
