//! Which runs an ensemble is made of.

use super::Sweep;
use crate::spec::ModelSpec;

/// A member of an ensemble that has no run to choose.
#[derive(Debug, thiserror::Error)]
pub enum MissingMember {
    /// One of its runs has no result.
    #[error("the member `{member}` is missing: its run {run_id} is not done")]
    NotDone {
        /// The model.
        member: String,
        /// The run.
        run_id: String,
    },
    /// None of its runs belongs to the ensemble.
    #[error("the member `{member}` is missing: it has no run")]
    NoRun {
        /// The model.
        member: String,
    },
}

impl Sweep {
    /// The best trial on validation of each member of an ensemble; none for another model.
    ///
    /// # Errors
    /// A member of which a trial is not done, unless the search pruned it: which one is best must not depend on which of
    /// them happened to fail.
    pub fn choose_members(&mut self, run: usize) -> Result<Vec<String>, MissingMember> {
        let run = self.run(run).clone();
        let ModelSpec::Ensemble(ensemble) = &run.spec.model else { return Ok(Vec::new()) };
        ensemble.members.iter().map(|member| self.best_of(member, &run.candidates)).collect()
    }

    fn best_of(&mut self, member: &str, candidates: &[String]) -> Result<String, MissingMember> {
        let mut best: Option<(f64, String)> = None;
        for index in 0..self.runs().len() {
            let other = self.run(index).clone();
            let is_candidate = candidates.contains(&other.id) && other.spec.model.kind() == member;
            if !is_candidate || self.is_pruned_by_search(index) {
                continue;
            }
            let value = self.objective(index).ok_or_else(|| MissingMember::NotDone {
                member: member.to_string(),
                run_id: other.id.clone(),
            })?;
            if best.as_ref().is_none_or(|(lowest, _)| value < *lowest) {
                best = Some((value, other.id.clone()));
            }
        }
        best.map(|(_, id)| id).ok_or_else(|| MissingMember::NoRun { member: member.to_string() })
    }
}
