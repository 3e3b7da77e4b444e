//! `[search]`: numbers of trials and seeds, and what the strategies and pruners require.

use super::{Check, MOST_TRIALS};
use crate::search::{MOST_SOBOL_POINTS, PrunerSpec, STARTUP_TRIALS};
use crate::spec::file::{ExperimentSpec, SearchSpec, Strategy};

impl Check {
    pub(super) fn search(&mut self, spec: &ExperimentSpec) {
        let search = &spec.search;
        self.positive("search.trials", search.trials);
        self.require(
            search.trials <= MOST_TRIALS,
            "search.trials",
            format!("trials must be at most {MOST_TRIALS}, got {}", search.trials),
            "give fewer trials, or several experiments",
        );
        self.strategy(search);
        self.pruner(search);
        self.require(
            !search.seeds.is_empty(),
            "search.seeds",
            "no seed is given",
            "for example seeds = [1, 2, 3]",
        );
        for (index, seed) in search.seeds.iter().enumerate() {
            let path = format!("search.seeds.{index}");
            let small = i64::try_from(*seed).is_ok();
            self.require(
                small,
                &path,
                format!("a seed must be at most {}, got {seed}", i64::MAX),
                "give a smaller seed",
            );
            self.require(
                !search.seeds[..index].contains(seed),
                &path,
                "this seed is given twice",
                "give it once",
            );
        }
    }

    fn strategy(&mut self, search: &SearchSpec) {
        self.positive("search.batch", search.batch);
        self.require(
            i64::try_from(search.seed).is_ok(),
            "search.seed",
            format!("a seed must be at most {}, got {}", i64::MAX, search.seed),
            "give a smaller seed",
        );
        match search.strategy {
            Strategy::Grid | Strategy::Random => {}
            Strategy::Sobol => self.require(
                search.trials <= MOST_SOBOL_POINTS,
                "search.trials",
                format!("sobol takes at most {MOST_SOBOL_POINTS} trials, got {}", search.trials),
                "give fewer trials, or set search.strategy = \"random\"",
            ),
            Strategy::Tpe => {
                self.require(
                    search.trials > STARTUP_TRIALS,
                    "search.trials",
                    format!("tpe needs more than {STARTUP_TRIALS} trials, got {}", search.trials),
                    format!(
                        "its first {STARTUP_TRIALS} trials are a Sobol sequence: give more, or set search.strategy = \"sobol\""
                    ),
                );
                self.require(
                    search.trials > search.batch,
                    "search.batch",
                    format!("batch must be smaller than trials = {}, got {}", search.trials, search.batch),
                    "tpe learns between batches: give a smaller batch, or more trials",
                );
            }
        }
    }

    fn pruner(&mut self, search: &SearchSpec) {
        match &search.pruner {
            None => {}
            Some(PrunerSpec::Asha(asha)) => {
                self.require(
                    asha.reduction_factor >= 2,
                    "search.pruner.asha.reduction_factor",
                    format!("reduction_factor must be at least 2, got {}", asha.reduction_factor),
                    "3 keeps one run in three at every rung",
                );
                self.positive("search.pruner.asha.min_epochs", asha.min_epochs);
                if let Some(max_epochs) = asha.max_epochs {
                    self.require(
                        max_epochs > asha.min_epochs,
                        "search.pruner.asha.max_epochs",
                        format!(
                            "max_epochs must be above min_epochs = {}, got {max_epochs}",
                            asha.min_epochs
                        ),
                        "leave it out to prune up to training.epochs",
                    );
                }
            }
            Some(PrunerSpec::Median(median)) => {
                self.positive("search.pruner.median.startup_trials", median.startup_trials);
                self.positive("search.pruner.median.warmup_epochs", median.warmup_epochs);
                self.positive("search.pruner.median.interval_epochs", median.interval_epochs);
            }
        }
    }
}
