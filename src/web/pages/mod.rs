//! The pages, one file each, and what is kept of them.

pub mod annotate;
pub mod compare;
pub mod data;
pub mod experiment;
pub mod experiments;
pub mod inspect;
pub mod overview;
pub mod run;
pub mod run_files;
pub mod runs;
pub mod scatter;
pub mod sql;
pub mod trials;

use std::sync::Arc;

use super::Dashboard;
use super::cache::Cache;
use crate::compare::{RevisionStanding, Trials};
use crate::report::ReportBody;
use crate::store::{RevisionId, RevisionRow, StoreStamp};

/// Pages of experiments that are kept.
const MOST_BODIES: usize = 24;
/// Orders of lists that are kept; each takes a few bytes for each run.
const MOST_LISTS: usize = 24;
/// Revisions whose standing is kept.
const MOST_STANDINGS: usize = 2_000;
/// Inspections of traces that are kept.
const MOST_INSPECTIONS: usize = 8;
/// Pages of experiments that are made before anybody asks.
const WARM_BODIES: usize = 8;

/// What was computed for pages.
pub struct Kept {
    overview: Cache<(), Option<StoreStamp>, Vec<overview::Entry>>,
    standings: Cache<RevisionId, String, RevisionStanding>,
    bodies: Cache<RevisionId, String, ReportBody>,
    trials: Cache<RevisionId, String, Trials>,
    lists: Cache<String, Option<StoreStamp>, runs::RunList>,
    names: Cache<String, Option<StoreStamp>, Vec<String>>,
    comparisons: Cache<Vec<String>, Option<StoreStamp>, compare::Sheet>,
    inspections: Cache<String, Option<inspect::FileStamp>, inspect::Inspected>,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            overview: Cache::new(1),
            standings: Cache::new(MOST_STANDINGS),
            bodies: Cache::new(MOST_BODIES),
            trials: Cache::new(MOST_BODIES),
            lists: Cache::new(MOST_LISTS),
            names: Cache::new(MOST_LISTS),
            comparisons: Cache::new(MOST_BODIES),
            inspections: Cache::new(MOST_INSPECTIONS),
        }
    }
}

impl Kept {
    /// Forgets all but what does not depend on the store.
    pub fn clear(&self) {
        self.overview.clear();
        self.standings.clear();
        self.bodies.clear();
        self.trials.clear();
        self.lists.clear();
        self.names.clear();
        self.comparisons.clear();
    }
}

/// Computes what the first pages show before anybody asks.
pub fn warm(dashboard: &Dashboard) {
    // Whatever is wrong with the store, the page itself says it.
    let Ok(found) = overview::read(dashboard, dashboard.stamp()) else { return };
    let latest: Vec<&Arc<RevisionRow>> =
        found.value.iter().map(|entry| &entry.revision).take(WARM_BODIES).collect();
    for revision in latest {
        let Ok(mut store) = dashboard.open_store() else { return };
        if experiment::body(dashboard, &mut store, revision).is_err() {
            return;
        }
    }
}
