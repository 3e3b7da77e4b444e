//! What the references of a comparison name, and the runs that a page shows of it.

use std::collections::HashSet;

use super::settings::contender_name;
use crate::store::{Named, RevisionId, RunFilter, RunRow, Store};

/// What a reference of a comparison names, and the one model that is meant: `sweep@2:lstm`.
pub(super) struct ComparedReference<'a> {
    pub(super) named: Named,
    /// The reference without the model.
    pub(super) without_model: &'a str,
    pub(super) model: Option<&'a str>,
}

impl<'a> ComparedReference<'a> {
    pub(super) fn resolve(store: &mut Store, reference: &'a str) -> anyhow::Result<Self> {
        // A name may have a colon itself, so the whole reference comes first.
        match (store.find(reference), reference.rsplit_once(':')) {
            (Ok(named), _) => Ok(Self { named, without_model: reference, model: None }),
            (Err(_), Some((revision, model))) => Ok(Self {
                named: Named::Revisions(store.revisions(revision)?),
                without_model: revision,
                model: Some(model),
            }),
            (Err(unknown), None) => Err(unknown),
        }
    }
}

/// Runs that a reference of a comparison names.
#[derive(Debug, Clone, Default)]
pub(crate) struct ComparedRuns {
    /// The first of them.
    pub(crate) first: Vec<RunRow>,
    /// How many there are.
    pub(crate) all: usize,
}

/// What the references of one comparison have named so far.
#[derive(Debug, Default)]
pub(crate) struct KnownRuns {
    counted: HashSet<String>,
    shown: HashSet<String>,
}

/// The runs that a reference of a comparison names, those of revisions, of one model of them, or one run: the first `most` of
/// those that no earlier reference shows. A run that an earlier one names is not counted again.
///
/// # Errors
/// A reference that names nothing, or a store that cannot be read.
pub(crate) fn compared_runs(
    store: &mut Store,
    reference: &str,
    most: usize,
    known: &mut KnownRuns,
) -> anyhow::Result<ComparedRuns> {
    let ComparedReference { named, model, .. } = ComparedReference::resolve(store, reference)?;
    let mut found = ComparedRuns::default();
    match named {
        Named::Run(run) => {
            found.first = store.runs(&RunFilter::one(&run))?;
            found.all = found.first.iter().filter(|run| known.counted.insert(run.run_id.clone())).count();
            found.first.retain(|run| known.shown.insert(run.run_id.clone()));
        }
        Named::Revisions(revisions) => {
            for revision in revisions {
                let id = revision.id();
                let mut run_ids = match model {
                    Some(model) => runs_of_model(store, &id, model)?,
                    None => store.planned_run_ids(&id)?,
                };
                found.all += run_ids.iter().filter(|run_id| known.counted.insert((*run_id).clone())).count();
                run_ids.retain(|run_id| !known.shown.contains(run_id));
                run_ids.truncate(most - found.first.len());
                known.shown.extend(run_ids.iter().cloned());
                if !run_ids.is_empty() {
                    found.first.extend(store.planned_runs_among(&id, &run_ids)?);
                }
            }
        }
    }
    Ok(found)
}

/// The runs of a revision whose model was asked for.
fn runs_of_model(store: &mut Store, revision: &RevisionId, asked: &str) -> anyhow::Result<Vec<String>> {
    let mut planned = store.planned_models(revision)?;
    planned.retain(|run| is_of_model(asked, &contender_name(&run.model, run.solver.as_deref()), &run.model));
    Ok(planned.into_iter().map(|run| run.run_id).collect())
}

/// Whether a model that was asked for is one that competes under a name, or the kind of it.
pub(super) fn is_of_model(asked: &str, name: &str, kind: &str) -> bool {
    asked == name || asked == kind
}
