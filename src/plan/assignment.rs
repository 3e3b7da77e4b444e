//! Which part of a divided plan each run belongs to, decided once by whoever hands the parts over.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

use super::Run;
use super::cost::{KnownCosts, expected_costs};
use super::partition::{Partition, divide};

/// The runs that were left to do when a plan was divided, part by part. Ensembles are in no part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// Identities of the runs of each part.
    parts: Vec<Vec<String>>,
    /// Runs that were done already.
    done: Vec<String>,
}

impl Assignment {
    /// Divides what is left of a plan into parts of nearly equal expected cost. Nothing else decides, so that parts may be
    /// of other costs than those that every machine would compute by itself.
    pub fn new<'a>(
        runs: impl Iterator<Item = &'a Run>,
        known: &KnownCosts,
        done: &HashSet<String>,
        parts: usize,
    ) -> Self {
        let divisible = runs.filter(|run| run.candidates.is_empty());
        let (done, left): (Vec<&Run>, Vec<&Run>) = divisible.partition(|run| done.contains(&run.id));
        let costs = expected_costs(left.iter().copied(), known);
        let items: Vec<(u64, &str)> = costs.into_iter().zip(left.iter().map(|run| run.id.as_str())).collect();
        let mut assignment = Self {
            parts: vec![Vec::new(); parts],
            done: done.into_iter().map(|run| run.id.clone()).collect(),
        };
        for ((_, run), part) in items.iter().zip(divide(&items, parts)) {
            assignment.parts[part - 1].push((*run).to_string());
        }
        for ids in assignment.parts.iter_mut().chain([&mut assignment.done]) {
            ids.sort_unstable();
        }
        assignment
    }

    /// How many parts there are.
    pub fn part_count(&self) -> usize {
        self.parts.len()
    }

    /// The parts (from 1) of which a run is not among those that are done.
    pub fn incomplete(&self, done: &HashSet<String>) -> Vec<usize> {
        let is_incomplete = |part: &usize| self.parts[part - 1].iter().any(|run| !done.contains(run));
        (1..=self.parts.len()).filter(is_incomplete).collect()
    }

    /// Whether it still divides a plan: every run that is left is in one of as many parts.
    pub fn covers<'a>(
        &self,
        mut runs: impl Iterator<Item = &'a Run>,
        done: &HashSet<String>,
        parts: usize,
    ) -> bool {
        let assigned: HashSet<&str> = self.parts.iter().flatten().map(String::as_str).collect();
        self.parts.len() == parts
            && runs.all(|run| {
                !run.candidates.is_empty() || done.contains(&run.id) || assigned.contains(run.id.as_str())
            })
    }

    /// The runs that are done if these are the parts (from 1) that are not: those of all others, and what was done before.
    pub fn done_but_for(&self, incomplete: &[usize]) -> impl Iterator<Item = &String> {
        let complete = (1..).zip(&self.parts).filter(|(part, _)| !incomplete.contains(part));
        complete.flat_map(|(_, runs)| runs).chain(&self.done)
    }

    /// The runs of a partition, by their position in the plan.
    ///
    /// # Errors
    /// A partition into another number of parts.
    pub fn select(&self, partition: &Partition, runs: &[impl AsRef<Run>]) -> anyhow::Result<Vec<usize>> {
        let Some(share) = partition.share().filter(|share| share.count == self.parts.len()) else {
            bail!("the plan was divided into {} parts, of which {partition} is none", self.parts.len());
        };
        let own: HashSet<&str> = self.parts[share.index - 1].iter().map(String::as_str).collect();
        Ok((0..runs.len()).filter(|&run| own.contains(runs[run].as_ref().id.as_str())).collect())
    }

    /// As it is written to a file.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_text(&self) -> anyhow::Result<String> {
        serde_json::to_string(self).context("the parts cannot be written as JSON")
    }

    /// Reads the file of an assignment; `None` where there is none.
    ///
    /// # Errors
    /// A file that cannot be read, or that says something else.
    pub fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let assignment: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} does not say which run is in which part", path.display()))?;
        ensure!(!assignment.parts.is_empty(), "{} names no part", path.display());
        Ok(Some(assignment))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::plan::cost::shape;
    use crate::plan::test_runs::run;

    fn plan() -> Vec<Arc<Run>> {
        (0..12).map(|seed| Arc::new(run("[models.linear]", 1, seed))).collect()
    }

    fn new(runs: &[Arc<Run>], done: &HashSet<String>, parts: usize) -> Assignment {
        Assignment::new(runs.iter().map(AsRef::as_ref), &KnownCosts::new(), done, parts)
    }

    #[test]
    fn what_is_done_is_in_no_part_and_everything_else_in_one() {
        let runs = plan();
        let done: HashSet<String> = runs[..3].iter().map(|run| run.id.clone()).collect();
        let assignment = new(&runs, &done, 4);
        let part = |index: usize| {
            let partition = Partition::parse(&format!("{index}/4"), |_| None).unwrap();
            assignment.select(&partition, &runs).unwrap()
        };
        let mut all: Vec<usize> = (1..=4).flat_map(part).collect();
        all.sort_unstable();
        assert_eq!(all, (3..12).collect::<Vec<_>>());
        let other = Partition::parse("1/3", |_| None).unwrap();
        let error = assignment.select(&other, &runs).unwrap_err().to_string();
        assert_eq!(error, "the plan was divided into 4 parts, of which 1/3 is none");
    }

    #[test]
    fn a_division_is_kept_while_it_covers_what_is_left() {
        let runs = plan();
        let none = HashSet::new();
        let assignment = new(&runs[..8], &none, 2);
        let covers = |runs: &[Arc<Run>], done: &HashSet<String>, parts: usize| {
            assignment.covers(runs.iter().map(AsRef::as_ref), done, parts)
        };
        assert!(covers(&runs[..8], &none, 2) && covers(&runs[2..6], &none, 2));
        assert!(!covers(&runs[..8], &none, 3), "into more parts it is divided again");
        assert!(!covers(&runs, &none, 2), "it lacks four runs");
        let later: HashSet<String> = runs[8..].iter().map(|run| run.id.clone()).collect();
        assert!(covers(&runs, &later, 2));
        let first: HashSet<String> = assignment.done_but_for(&[2]).cloned().collect();
        assert_eq!(assignment.incomplete(&first), [2]);
    }

    #[test]
    fn known_costs_decide_over_those_from_parameters() {
        let mut runs = plan();
        let odd = run("[models.persistence]", 1, 99);
        let shapes = [&odd, runs[0].as_ref()].map(|run| shape(&run.spec.params()));
        let known: KnownCosts = shapes.into_iter().zip([3_600.0, 1.0]).collect();
        runs.push(Arc::new(odd));
        let assignment = Assignment::new(runs.iter().map(AsRef::as_ref), &known, &HashSet::new(), 2);
        let sizes: Vec<usize> = assignment.parts.iter().map(Vec::len).collect();
        assert!(sizes.contains(&1), "what took an hour stands alone: {sizes:?}");
    }

    #[test]
    fn a_division_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("parts.json");
        assert_eq!(Assignment::read(&path).unwrap(), None);
        let assignment = new(&plan(), &HashSet::new(), 3);
        std::fs::write(&path, assignment.to_text().unwrap()).unwrap();
        assert_eq!(Assignment::read(&path).unwrap(), Some(assignment));
        std::fs::write(&path, "{\"parts\":[],\"done\":[]}").unwrap();
        assert!(Assignment::read(&path).unwrap_err().to_string().contains("names no part"));
    }
}
