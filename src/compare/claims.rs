//! Judges claims by the runs that are done.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::compare::MeanSpread;
use crate::spec::{ClaimSpec, Expectation};
use crate::store::{RunFilter, RunRow, Store, VerdictRecord};

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The value is one that the claim accepts.
    Reproduced,
    /// It is not.
    Refuted,
    /// Some run that it rests on is not done, so that nothing can be said.
    NotRun,
}

impl Verdict {
    /// The verdict as the store writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Reproduced => "reproduced",
            Verdict::Refuted => "refuted",
            Verdict::NotRun => "not_run",
        }
    }

    /// The verdict as people read it.
    pub fn title(self) -> &'static str {
        match self {
            Verdict::Reproduced => "REPRODUCED",
            Verdict::Refuted => "REFUTED",
            Verdict::NotRun => "NOT RUN",
        }
    }
}

/// A claim with its verdict and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The claim.
    pub claim: ClaimSpec,
    /// What became of it.
    pub verdict: Verdict,
    /// What the finished runs gave, taken together.
    pub value: Option<f64>,
    /// Standard deviation over the finished runs.
    pub spread: Option<f64>,
    /// Lowest and highest of the finished runs.
    pub range: Option<(f64, f64)>,
    /// Runs that are done.
    pub runs: usize,
    /// Runs that it rests on.
    pub planned: usize,
    /// Why it was not judged.
    pub note: Option<String>,
}

impl Judgement {
    /// Distance from the reported value, or by how much a bound is missed; positive is above.
    pub fn difference(&self) -> Option<f64> {
        let value = self.value?;
        if let Some(reported) = self.claim.reported {
            return Some(value - reported);
        }
        let (lowest, highest) = self.claim.accepted();
        match (lowest.is_finite(), highest.is_finite()) {
            (true, false) => Some(value - lowest),
            (false, true) => Some(value - highest),
            // Between two bounds: how far outside of them.
            _ => Some(value - value.clamp(lowest, highest)),
        }
    }

    /// Refuted though nobody said that it would be: what exit code 4 is for.
    pub fn is_surprise(&self) -> bool {
        self.verdict == Verdict::Refuted && self.claim.expect.is_none()
    }

    /// A known miss, as announced.
    pub fn is_known_miss(&self) -> bool {
        self.verdict == Verdict::Refuted && self.claim.expect == Some(Expectation::Refuted)
    }

    /// The claim held though a miss was announced: the announcement is out of date.
    pub fn is_better_than_expected(&self) -> bool {
        self.verdict == Verdict::Reproduced && self.claim.expect == Some(Expectation::Refuted)
    }

    /// The verdict as the store keeps it.
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

/// Judges every claim of an experiment by what the store holds now.
///
/// # Errors
/// A store that cannot be read.
pub fn judge(store: &mut Store, experiment: &str) -> anyhow::Result<Vec<Judgement>> {
    // Without claims nothing else need be read.
    if store.claims(experiment)?.is_empty() {
        return Ok(Vec::new());
    }
    let filter = RunFilter { experiment: Some(experiment.to_string()), ..RunFilter::default() };
    let runs = store.runs(&filter)?;
    judge_runs(store, experiment, &runs)
}

/// Judges every claim of an experiment by runs that were read already.
///
/// # Errors
/// A store that cannot be read.
pub fn judge_runs(store: &mut Store, experiment: &str, runs: &[RunRow]) -> anyhow::Result<Vec<Judgement>> {
    let mut values: HashMap<[String; 4], HashMap<String, f64>> = HashMap::new();
    let mut judgements = Vec::new();
    for claim in store.claims(experiment)? {
        let key =
            [claim.part.as_str(), &claim.target, claim.unit().as_str(), &claim.metric].map(String::from);
        if !values.contains_key(&key) {
            let found = store.metric_of_runs(experiment, key.each_ref().map(String::as_str))?;
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
        Some("no run of it is planned here".to_string())
    } else if several {
        Some("it matches several settings here".to_string())
    } else if found.len() < matched.len() {
        let unfinished = matched.iter().filter(|run| run.status != crate::store::Status::Done).count();
        Some(if unfinished == 0 {
            format!("its runs have no {} of {}", claim.metric, claim.target)
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
                Verdict::Reproduced
            } else {
                Verdict::Refuted
            }
        }
        _ => Verdict::NotRun,
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
        (count(|judgement| judgement.verdict == Verdict::Reproduced), "reproduced"),
        (count(Judgement::is_surprise), "refuted"),
        (count(Judgement::is_known_miss), "refuted as expected"),
        (count(|judgement| judgement.verdict == Verdict::NotRun), "not run"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let plural = if judgements.len() == 1 { "" } else { "s" };
    format!("{} claim{plural}: {}", judgements.len(), parts.join(", "))
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
pub(super) mod tests {
    use super::*;
    use crate::compare::test_fixtures;

    pub(crate) fn claim(more: &str) -> ClaimSpec {
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
        assert_eq!((near.verdict, near.runs), (Verdict::Reproduced, 2));
        assert!((near.difference().unwrap() + 0.04).abs() < 1e-12);
        let far = judged("reported = 0.5\ntolerance = 0.01", &[0.4, 0.52]);
        assert!(far.is_surprise());
        let best = judged("reported = 0.5\ntolerance = 0.03\naggregate = \"max\"", &[0.4, 0.52]);
        assert_eq!(best.verdict, Verdict::Reproduced);
    }

    #[test]
    fn a_bound_holds_on_its_own_side() {
        assert_eq!(judged("at_most = 0.5", &[0.5]).verdict, Verdict::Reproduced);
        assert_eq!(judged("at_most = 0.5", &[0.51]).verdict, Verdict::Refuted);
        assert_eq!(judged("at_least = 0.5", &[0.51]).verdict, Verdict::Reproduced);
        assert_eq!(judged("at_least = 0.1\nat_most = 0.2", &[0.5]).difference(), Some(0.3));
    }

    #[test]
    fn a_run_that_is_missing_leaves_the_claim_open() {
        let runs = test_fixtures::comparison().runs;
        let open =
            judge_one(claim("at_most = 9\nwhere = { model.kind = \"dlinear\" }"), &runs, &HashMap::new());
        assert_eq!((open.verdict, open.runs, open.planned), (Verdict::NotRun, 0, 2));
        assert_eq!(open.note.as_deref(), Some("0 of its 2 runs are done"));
        let none = judge_one(claim("at_most = 9\nwhere = { model.kind = \"gru\" }"), &runs, &HashMap::new());
        assert_eq!(none.note.as_deref(), Some("no run of it is planned here"));
    }

    #[test]
    fn an_announced_miss_is_no_surprise() {
        let miss = judged("at_most = 0.1\nexpect = \"refuted\"\nreason = \"r\"", &[0.5]);
        assert!(miss.is_known_miss() && !miss.is_surprise());
        let hit = judged("at_most = 0.9\nexpect = \"refuted\"\nreason = \"r\"", &[0.5]);
        assert!(hit.is_better_than_expected());
        assert_eq!(tally(&[miss, hit]), "2 claims: 1 reproduced, 1 refuted as expected");
    }
}
