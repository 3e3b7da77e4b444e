//! Which runs an ensemble is made of.

use super::dispatcher::Dispatcher;
use crate::plan::Run;
use crate::spec::ModelSpec;

impl Dispatcher<'_> {
    /// The best trial on validation of each member of an ensemble. All of a member's trials must be done, but for
    /// those that the search gives up: which one is best must not depend on which of them happened to fail.
    pub(super) fn choose_members(&mut self, run: &Run) -> Result<Vec<String>, String> {
        let ModelSpec::Ensemble(ensemble) = &run.spec.model else {
            return Ok(Vec::new());
        };
        ensemble
            .members
            .iter()
            .map(|member| {
                let mut best: Option<(f64, &String)> = None;
                for (index, other) in self.runs.iter().enumerate() {
                    let candidate = run.candidates.contains(&other.id) && other.spec.model.kind() == member;
                    if !candidate || self.sweep.gives_up(index) {
                        continue;
                    }
                    let value = *self.objectives.get(&other.id).ok_or_else(|| {
                        format!("the member `{member}` is missing: its run {} is not done", other.id)
                    })?;
                    if best.is_none_or(|(lowest, _)| value < lowest) {
                        best = Some((value, &other.id));
                    }
                }
                let (_, id) =
                    best.ok_or_else(|| format!("the member `{member}` is missing: it has no run"))?;
                Ok(id.clone())
            })
            .collect()
    }
}
