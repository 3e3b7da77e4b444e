//! The temporal split: which steps are targets of training, validation and test, and the proof that nothing leaks.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::spec::SplitSpec;

/// A part of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Models learn on it.
    Train,
    /// Early stopping and selection see it.
    Valid,
    /// The later half of what the experiment gives to validation: the intervals are calibrated on it, and nothing else
    /// sees it. Empty where there are no intervals.
    Calibration,
    /// Nothing sees it before the final score.
    Test,
}

impl Part {
    /// All parts, in time order.
    pub const ALL: [Part; 4] = [Part::Train, Part::Valid, Part::Calibration, Part::Test];
    /// The parts that every model is scored on.
    pub const SCORED: [Part; 3] = [Part::Train, Part::Valid, Part::Test];

    /// The part's name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Valid => "valid",
            Part::Calibration => "calibration",
            Part::Test => "test",
        }
    }
}

/// Steps in time order, divided into parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Steps of each part, in time order; [`Split::targets`] leaves the embargo out.
    parts: [Range<usize>; 4],
    /// Whether the later half of validation is kept for calibration.
    calibrated: bool,
    /// First targets of each part but the training part that are left out.
    embargo: usize,
    /// Steps in the whole slice.
    total: usize,
}

/// Parts that do not fit the data or the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SplitError {
    /// The exact sizes ask for more steps than there are.
    Beyond {
        /// Steps asked for.
        asked: usize,
        /// Steps in the slice.
        total: usize,
    },
    /// A part is too short for one window.
    TooShort {
        /// The part.
        part: Part,
        /// Steps it has.
        found: usize,
        /// What it needs, as summands with their names.
        needed: [(usize, &'static str); 2],
        /// Whether it is one half of what the experiment gives to validation.
        half: bool,
        /// Steps in the whole slice.
        total: usize,
    },
}

impl fmt::Display for SplitError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SplitError::Beyond { asked, total } => {
                write!(formatter, "the split asks for {asked} steps, but the slice has {total}")
            }
            SplitError::TooShort {
                part,
                found,
                needed: [(first, first_name), (second, second_name)],
                half,
                total,
            } => {
                let part = match (half, part) {
                    (true, Part::Calibration) => "later half of the valid part, for calibration,",
                    (true, _) => "earlier half of the valid part",
                    (false, part) => &format!("{} part", part.as_str()),
                };
                write!(
                    formatter,
                    "the {part} has {found} of the {total} steps, but needs at least {} = {first} ({first_name}) + \
                     {second} ({second_name})",
                    first.saturating_add(*second),
                )
            }
        }
    }
}

impl Split {
    /// Divides `steps` steps for one fold. With `calibrated`, validation keeps its earlier half, and the later one is
    /// for calibration.
    ///
    /// Fold `k` of `n` ends `n - 1 - k` test lengths before the last fold: the origin rolls forward, the training part
    /// grows, and no two folds test the same step.
    pub fn new(steps: usize, spec: &SplitSpec, fold: usize, calibrated: bool) -> Self {
        let bounds = if let Some([train, valid, test]) = spec.rows {
            let valid_end = train.saturating_add(valid);
            [train, valid_end, valid_end.saturating_add(test)]
        } else {
            // A sum such as 0.7 + 0.15 is a hair below .85: the nudge keeps the boundary where the user put it.
            let at = |fraction: f64| ((fraction * steps as f64 + 1e-6).floor() as usize).min(steps);
            [at(spec.train), at(spec.train + spec.valid), at(spec.train + spec.valid + spec.test)]
        };
        let back = (spec.folds - 1 - fold).saturating_mul(bounds[2] - bounds[1]);
        let [train, valid, test] = bounds.map(|bound| bound.saturating_sub(back));
        let selected = if calibrated { train + (valid - train).div_ceil(2) } else { valid };
        let parts = [0..train, train..selected, selected..valid, valid..test];
        Self { parts, calibrated, embargo: spec.embargo, total: steps }
    }

    /// Checks that every part has room for one window.
    ///
    /// `reach` are the past steps that a model reads, and the name of the key that says so.
    ///
    /// # Errors
    /// The first part that has not.
    pub fn require_room(&self, reach: (usize, &'static str), horizon: usize) -> Result<(), SplitError> {
        let asked = self.steps(Part::Test).end;
        if asked > self.total {
            return Err(SplitError::Beyond { asked, total: self.total });
        }
        for part in self.parts() {
            let first = if part == Part::Train { reach } else { (self.embargo, "embargo") };
            let found = self.steps(part).len();
            if found < first.0.saturating_add(horizon) {
                let needed = [first, (horizon, "horizon")];
                let half = self.calibrated && matches!(part, Part::Valid | Part::Calibration);
                return Err(SplitError::TooShort { part, found, needed, half, total: self.total });
            }
        }
        Ok(())
    }

    /// The parts that there are, in time order.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        let calibrated = self.calibrated;
        Part::ALL.into_iter().filter(move |part| calibrated || *part != Part::Calibration)
    }

    /// Whether the later half of validation is kept for calibration.
    pub fn is_calibrated(&self) -> bool {
        self.calibrated
    }

    /// The target steps that intervals may be calibrated on; `None` where there are no intervals.
    pub fn calibration_targets(&self, lookback: usize, horizon: usize) -> Option<Range<usize>> {
        self.calibrated.then(|| {
            let origins = self.origins(Part::Calibration, lookback, horizon);
            origins.start..(origins.end + horizon).saturating_sub(1)
        })
    }

    /// Steps that belong to a part, its embargo included.
    pub fn steps(&self, part: Part) -> Range<usize> {
        self.parts[part as usize].clone()
    }

    /// Steps of a part that may be targets.
    pub fn targets(&self, part: Part) -> Range<usize> {
        let Range { start, end } = self.steps(part);
        let embargo = if part == Part::Train { 0 } else { self.embargo };
        (start + embargo).min(end)..end
    }

    /// First target steps of a part's windows: each window's whole target lies in the part.
    pub fn origins(&self, part: Part, lookback: usize, horizon: usize) -> Range<usize> {
        let targets = self.targets(part);
        let start = targets.start.max(lookback);
        start..(targets.end + 1).saturating_sub(horizon).max(start)
    }

    /// Proves that nothing leaks, or says what does.
    ///
    /// `fitted` are the steps that scalers, clips and other fitted statistics saw, `calibrated` the target steps that
    /// the intervals were calibrated on.
    ///
    /// # Errors
    /// The leak, in one sentence.
    pub fn prove(
        &self,
        fitted: &Range<usize>,
        calibrated: Option<&Range<usize>>,
        lookback: usize,
        horizon: usize,
    ) -> Result<LeakVerdict, String> {
        let mut last_target = None;
        let mut clauses = Vec::new();
        for part in self.parts() {
            let origins = self.origins(part, lookback, horizon);
            if origins.is_empty() {
                return Err(format!("the {} part has no window", part.as_str()));
            }
            let targets = origins.start..origins.end + horizon - 1;
            if last_target.is_some_and(|last| targets.start <= last) {
                return Err(format!("step {} is a target in two parts", targets.start));
            }
            if part != Part::Train && targets.start < self.steps(part).start + self.embargo {
                return Err(format!("the {} part scores a step inside its embargo", part.as_str()));
            }
            last_target = Some(targets.end - 1);
            clauses.push(format!("{} targets {}..{}", part.as_str(), targets.start, targets.end));
        }
        let train = self.steps(Part::Train);
        if fitted.start < train.start || fitted.end > train.end {
            return Err(format!(
                "a statistic was fitted on steps {}..{}, beyond the training part {}..{}",
                fitted.start, fitted.end, train.start, train.end
            ));
        }
        let mut calibration = String::new();
        if let Some(calibrated) = calibrated {
            let allowed = self.targets(Part::Calibration);
            if calibrated.start < allowed.start || calibrated.end > allowed.end {
                return Err(format!(
                    "intervals were calibrated on steps {}..{}, beyond the calibration part {}..{}",
                    calibrated.start, calibrated.end, allowed.start, allowed.end
                ));
            }
            calibration = format!("; intervals calibrated on steps {}..{}", calibrated.start, calibrated.end);
        }
        Ok(LeakVerdict(format!(
            "clean: {}; embargo {}; statistics fitted on steps {}..{}{calibration}",
            clauses.join(", "),
            self.embargo,
            fitted.start,
            fitted.end
        )))
    }
}

/// The outcome of a successful proof, as stored with the run and printed in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeakVerdict(pub String);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(train: f64, valid: f64, embargo: usize, folds: usize) -> SplitSpec {
        SplitSpec { train, valid, test: 1.0 - train - valid, rows: None, embargo, folds }
    }

    #[test]
    fn the_published_etth1_protocol_gives_its_window_counts() {
        let spec = SplitSpec { rows: Some([8640, 2880, 2880]), ..SplitSpec::default() };
        let split = Split::new(17_420, &spec, 0, false);
        split.require_room((336, "lookback"), 96).unwrap();
        assert_eq!(split.origins(Part::Train, 336, 96).len(), 8_209);
        assert_eq!(split.origins(Part::Test, 336, 96).len(), 2_785);
    }

    #[test]
    fn sixty_steps_are_needed_for_fifty_and_ten() {
        let spec = SplitSpec { rows: Some([59, 20, 20]), ..SplitSpec::default() };
        let error = Split::new(99, &spec, 0, false).require_room((50, "lookback"), 10).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the train part has 59 of the 99 steps, but needs at least 60 = 50 (lookback) + 10 (horizon)"
        );
    }

    proptest! {
        #[test]
        fn no_target_is_in_two_parts_and_the_embargo_is_kept(
            steps in 1_usize..3_000, train in 0.05_f64..0.9, share in 0.05_f64..0.95,
            calibrated in any::<bool>(), embargo in 0_usize..40, folds in 1_usize..5, fold in 0_usize..5, lookback in 1_usize..80, horizon in 1_usize..40,
        ) {
            prop_assume!(fold < folds);
            let spec = spec(train, (1.0 - train) * share, embargo, folds);
            let split = Split::new(steps, &spec, fold, calibrated);
            prop_assume!(split.require_room((lookback, "lookback"), horizon).is_ok());
            let mut owner = vec![None; steps];
            for part in split.parts() {
                let origins = split.origins(part, lookback, horizon);
                prop_assert!(!origins.is_empty());
                for origin in origins {
                    prop_assert!(origin >= lookback, "a window reaches back before the data");
                    if part != Part::Train {
                        prop_assert!(origin >= split.steps(part).start + embargo);
                    }
                    for owner in &mut owner[origin..origin + horizon] {
                        prop_assert!(owner.is_none_or(|other| other == part));
                        *owner = Some(part);
                    }
                }
            }
            let targets = split.calibration_targets(lookback, horizon);
            prop_assert_eq!(targets.is_some(), calibrated);
            prop_assert!(split.prove(&split.steps(Part::Train), targets.as_ref(), lookback, horizon).is_ok());
        }

        #[test]
        fn calibrating_on_a_step_of_selection_or_test_is_caught(before in 0_usize..200, after in 0_usize..200) {
            let split = Split::new(1_000, &SplitSpec { embargo: 5, ..SplitSpec::default() }, 0, true);
            let own = split.calibration_targets(10, 3).unwrap();
            let reached = own.start - before..own.end + after;
            let proved = split.prove(&split.steps(Part::Train), Some(&reached), 10, 3);
            prop_assert_eq!(proved.is_ok(), before == 0 && after == 0);
        }

        #[test]
        fn the_halves_of_validation_differ_by_one_step_at_most(steps in 20_usize..3_000) {
            let whole = Split::new(steps, &SplitSpec::default(), 0, false);
            let split = Split::new(steps, &SplitSpec::default(), 0, true);
            let [selection, calibration] = [Part::Valid, Part::Calibration].map(|part| split.steps(part));
            prop_assert_eq!(selection.start..calibration.end, whole.steps(Part::Valid));
            prop_assert_eq!(selection.end, calibration.start);
            prop_assert!(selection.len() - calibration.len() <= 1);
            prop_assert_eq!(split.steps(Part::Test), whole.steps(Part::Test));
        }

        #[test]
        fn a_statistic_fitted_on_a_later_row_is_caught(extra in 1_usize..100) {
            let split = Split::new(1_000, &SplitSpec::default(), 0, false);
            let train = split.steps(Part::Train);
            prop_assert!(split.prove(&(train.start..train.end + extra), None, 10, 1).is_err());
        }

        #[test]
        fn rolling_origins_never_test_a_step_twice(steps in 300_usize..2_000, folds in 2_usize..4) {
            let spec = spec(0.4, 0.2, 3, folds);
            let mut tested = std::collections::HashSet::new();
            for fold in 0..folds {
                for step in Split::new(steps, &spec, fold, true).steps(Part::Test) {
                    prop_assert!(tested.insert(step));
                }
            }
        }
    }
}
