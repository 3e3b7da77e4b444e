//! All revisions with their standings, computed once for each state of the store.

use std::sync::Arc;

use super::super::Dashboard;
use super::super::answer::Fault;
use super::super::cache::Found;
use crate::compare::RevisionStanding;
use crate::store::{RevisionRow, StoreStamp};

/// A revision with its standing.
pub struct Entry {
    /// The revision.
    pub revision: Arc<RevisionRow>,
    /// How it stands.
    pub standing: Arc<RevisionStanding>,
}

/// Every revision of every experiment: the experiment that ran last first, its revisions by number.
pub fn read(dashboard: &Dashboard, stamp: Option<StoreStamp>) -> Result<Found<Vec<Entry>>, Fault> {
    dashboard.kept.overview.get(&(), stamp, || {
        let mut store = dashboard.open()?;
        let mut entries = Vec::new();
        for revision in store.all_revisions()? {
            let id = revision.id();
            let mut mark = store.revision_mark(&id)?;
            // A supervisor that was killed leaves the store as it is.
            let is_alive = revision.finished_at.is_none() && store.is_supervised()?;
            mark.push_str(if is_alive { " alive" } else { "" });
            let standing =
                dashboard.kept.standings.get(&id, mark, || RevisionStanding::read(&mut store, &revision))?;
            entries.push(Entry { revision: Arc::new(revision), standing: standing.value });
        }
        Ok(entries)
    })
}
