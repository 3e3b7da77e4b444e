//! Judges the claims of an experiment by its finished runs.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::metric_means::MeanSpread;
use crate::spec::{ClaimSpec, Expectation};
use crate::store::{RevisionId, RunRow, Status, Store, VerdictRecord};
use crate::text::counted;

/// Whether a claim was reproduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimVerdict {
    /// The claim accepts the value.
    Reproduced,
    /// The claim does not accept the value.
    Refuted,
    /// A run that the claim depends on is not done, so that it cannot be judged.
    NotRun,
}

impl ClaimVerdict {
    /// The verdict as the store writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            ClaimVerdict::Reproduced => "reproduced",
            ClaimVerdict::Refuted => "refuted",
            ClaimVerdict::NotRun => "not_run",
        }
    }

    /// The verdict as reports show it.
    pub fn title(self) -> &'static str {
        match self {
            ClaimVerdict::Reproduced => "REPRODUCED",
            ClaimVerdict::Refuted => "REFUTED",
            ClaimVerdict::NotRun => "NOT RUN",
        }
    }
}

/// A claim with its verdict and the values that it was judged by.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The claim.
    pub claim: ClaimSpec,
    /// Its verdict.
    pub verdict: ClaimVerdict,
    /// Aggregate over the finished runs.
    pub value: Option<f64>,
    /// Standard deviation over the finished runs.
    pub spread: Option<f64>,
    /// Lowest and highest of the finished runs.
    pub range: Option<(f64, f64)>,
    /// Finished runs.
    pub runs: usize,
    /// Runs that the claim depends on.
    pub planned: usize,
    /// Why it was not judged.
    pub note: Option<String>,
}

impl Judgement {
    /// Distance from the reported value, or from the bound that is missed; positive is above.
    pub fn difference(&self) -> Option<f64> {
        let value = self.value?;
        if let Some(reported) = self.claim.reported {
            return Some(value - reported);
        }
        let (lowest, highest) = self.claim.accepted();
        match (lowest.is_finite(), highest.is_finite()) {
            (true, false) => Some(value - lowest),
            (false, true) => Some(value - highest),
            // Two bounds: the distance to the interval between them.
            _ => Some(value - value.clamp(lowest, highest)),
        }
    }

    /// Refuted, and not expected to be: the condition of exit code 4.
    pub fn is_surprise(&self) -> bool {
        self.verdict == ClaimVerdict::Refuted && self.claim.expect.is_none()
    }

    /// Refuted as the experiment file expects.
    pub fn is_known_miss(&self) -> bool {
        self.verdict == ClaimVerdict::Refuted && self.claim.expect == Some(Expectation::Refuted)
    }

    /// Reproduced although the experiment file expects a miss: `expect` is out of date.
    pub fn is_better_than_expected(&self) -> bool {
        self.verdict == ClaimVerdict::Reproduced && self.claim.expect == Some(Expectation::Refuted)
    }

    /// The verdict as a row of the store.
    pub fn record(&self) -> VerdictRecord {
        VerdictRecord {
            verdict: self.verdict.as_str(),
            reproduced: self.value,
            spread: self.spread,
            runs: self.runs,
            planned: self.planned,
        }
    }
}

/// Judges every claim of a revision by what the store holds now.
///
/// # Errors
/// A store that cannot be read.
pub fn judge(store: &mut Store, revision: &RevisionId) -> anyhow::Result<Vec<Judgement>> {
    // Without claims, nothing else has to be read.
    if store.claims(revision)?.is_empty() {
        return Ok(Vec::new());
    }
    let runs = store.planned_runs(revision)?;
    judge_runs(store, revision, &runs)
}

/// Judges every claim of a revision by runs that are already in memory.
///
/// # Errors
/// A store that cannot be read.
pub fn judge_runs(
    store: &mut Store,
    revision: &RevisionId,
    runs: &[RunRow],
) -> anyhow::Result<Vec<Judgement>> {
    let mut values: HashMap<[String; 4], HashMap<String, f64>> = HashMap::new();
    let mut judgements = Vec::new();
    for claim in store.claims(revision)? {
        let key =
            [claim.part.as_str(), &claim.target, claim.unit().as_str(), &claim.metric].map(String::from);
        if !values.contains_key(&key) {
            let found = store.metric_of_runs(revision, key.each_ref().map(String::as_str))?;
            values.insert(key.clone(), found);
        }
        judgements.push(judge_one(claim, runs, &values[&key]));
    }
    Ok(judgements)
}

/// Judges one claim. `values` is its metric by run, of finished runs only.
fn judge_one(claim: ClaimSpec, runs: &[RunRow], values: &HashMap<String, f64>) -> Judgement {
    let matched: Vec<&RunRow> = runs.iter().filter(|run| claim.conditions.hold(&run.params)).collect();
    let found: Vec<f64> = matched.iter().filter_map(|run| values.get(&run.run_id).copied()).collect();
    let value = claim.aggregate.of(&found);
    let several = matched.iter().any(|run| run.params != matched[0].params);
    let note = if matched.is_empty() {
        Some("no planned run matches it".to_string())
    } else if several {
        Some("it matches runs of several settings".to_string())
    } else if found.len() < matched.len() {
        let unfinished = matched.iter().filter(|run| run.status != Status::Done).count();
        Some(if unfinished == 0 {
            format!("its runs have no metric {} of {}", claim.metric, claim.target)
        } else {
            format!("{} of its {} runs are done", matched.len() - unfinished, matched.len())
        })
    } else {
        None
    };
    let (lowest, highest) = claim.accepted();
    let verdict = match value {
        Some(value) if note.is_none() => {
            if value >= lowest && value <= highest {
                ClaimVerdict::Reproduced
            } else {
                ClaimVerdict::Refuted
            }
        }
        _ => ClaimVerdict::NotRun,
    };
    let value = value.filter(|_| !several);
    Judgement {
        verdict,
        value,
        spread: value.and_then(|_| MeanSpread::of(&found).spread),
        range: value.map(|_| {
            let low = found.iter().copied().fold(f64::INFINITY, f64::min);
            (low, found.iter().copied().fold(f64::NEG_INFINITY, f64::max))
        }),
        runs: found.len(),
        planned: matched.len(),
        note,
        claim,
    }
}

/// `20 claims: 17 reproduced, 3 refuted as expected.`
pub fn tally(judgements: &[Judgement]) -> String {
    let count =
        |holds: fn(&Judgement) -> bool| judgements.iter().filter(|judgement| holds(judgement)).count();
    let parts = [
        (count(|judgement| judgement.verdict == ClaimVerdict::Reproduced), "reproduced"),
        (count(Judgement::is_surprise), "refuted"),
        (count(Judgement::is_known_miss), "refuted as expected"),
        (count(|judgement| judgement.verdict == ClaimVerdict::NotRun), "not run"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    format!("{}: {}", counted(judgements.len(), "claim"), parts.join(", "))
}

/// The judgements as JSON.
pub fn to_json(judgements: &[Judgement]) -> Value {
    let one = |judgement: &Judgement| {
        let claim = &judgement.claim;
        let (lowest, highest) = claim.accepted();
        json!({
            "name": claim.name, "where": claim.conditions.to_json(), "part": claim.part.as_str(),
            "target": claim.target, "unit": claim.unit().as_str(), "metric": claim.metric,
            "aggregate": claim.aggregate.as_str(), "source": claim.source, "reported": claim.reported,
            "accepted": [Some(lowest).filter(|low| low.is_finite()), Some(highest).filter(|high| high.is_finite())],
            "verdict": judgement.verdict.as_str(), "reproduced": judgement.value,
            "difference": judgement.difference(), "spread": judgement.spread,
            "min": judgement.range.map(|range| range.0), "max": judgement.range.map(|range| range.1),
            "runs": judgement.runs, "planned": judgement.planned, "note": judgement.note,
            "expect": claim.expect.map(Expectation::as_str), "reason": claim.reason,
        })
    };
    Value::Array(judgements.iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::test_fixtures;

    fn claim(more: &str) -> ClaimSpec {
        toml::from_str(&format!("name = \"c\"\nmetric = \"mse\"\n{more}")).unwrap()
    }

    fn judged(more: &str, values: &[f64]) -> Judgement {
        let runs: Vec<RunRow> = (0..values.len())
            .map(|index| RunRow { run_id: index.to_string(), ..test_fixtures::comparison().runs[0].clone() })
            .collect();
        let values = values.iter().enumerate().map(|(index, value)| (index.to_string(), *value)).collect();
        judge_one(claim(more), &runs, &values)
    }

    #[test]
    fn the_mean_over_seeds_is_held_against_the_tolerance() {
        let near = judged("reported = 0.5\ntolerance = \"10%\"", &[0.4, 0.52]);
        assert_eq!((near.verdict, near.runs), (ClaimVerdict::Reproduced, 2));
        assert!((near.difference().unwrap() + 0.04).abs() < 1e-12);
        let far = judged("reported = 0.5\ntolerance = 0.01", &[0.4, 0.52]);
        assert!(far.is_surprise());
        let best = judged("reported = 0.5\ntolerance = 0.03\naggregate = \"max\"", &[0.4, 0.52]);
        assert_eq!(best.verdict, ClaimVerdict::Reproduced);
    }

    #[test]
    fn a_bound_holds_on_its_own_side() {
        assert_eq!(judged("at_most = 0.5", &[0.5]).verdict, ClaimVerdict::Reproduced);
        assert_eq!(judged("at_most = 0.5", &[0.51]).verdict, ClaimVerdict::Refuted);
        assert_eq!(judged("at_least = 0.5", &[0.51]).verdict, ClaimVerdict::Reproduced);
        assert_eq!(judged("at_least = 0.1\nat_most = 0.2", &[0.5]).difference(), Some(0.3));
    }

    #[test]
    fn a_run_that_is_missing_leaves_the_claim_open() {
        let runs = test_fixtures::comparison().runs;
        let open =
            judge_one(claim("at_most = 9\nwhere = { model.kind = \"dlinear\" }"), &runs, &HashMap::new());
        assert_eq!((open.verdict, open.runs, open.planned), (ClaimVerdict::NotRun, 0, 2));
        assert_eq!(open.note.as_deref(), Some("0 of its 2 runs are done"));
        let none = judge_one(claim("at_most = 9\nwhere = { model.kind = \"gru\" }"), &runs, &HashMap::new());
        assert_eq!(none.note.as_deref(), Some("no planned run matches it"));
    }

    #[test]
    fn an_expected_miss_is_not_a_surprise() {
        let miss = judged("at_most = 0.1\nexpect = \"refuted\"\nreason = \"r\"", &[0.5]);
        assert!(miss.is_known_miss() && !miss.is_surprise());
        let hit = judged("at_most = 0.9\nexpect = \"refuted\"\nreason = \"r\"", &[0.5]);
        assert!(hit.is_better_than_expected());
        assert_eq!(tally(&[miss, hit]), "2 claims: 1 reproduced, 1 refuted as expected");
    }
}
