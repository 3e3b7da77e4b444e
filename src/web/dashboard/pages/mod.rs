//! The pages, one file each, and what is kept of them.

pub mod annotate;
pub mod compare;
pub mod data;
pub mod experiment;
pub mod experiments;
pub mod inspect;
pub mod overview;
pub mod run;
pub mod run_capacity;
pub mod run_files;
pub mod runs;
pub mod scatter;
pub mod sql;
pub mod trials;

use super::cache::PageCache;
use crate::compare::Trials;
use crate::report::ReportBody;
use crate::store::{RevisionId, StoreStamp};

/// Pages of experiments that are kept.
const MOST_BODIES: usize = 24;
/// Orders of lists that are kept; each takes a few bytes for each run.
const MOST_LISTS: usize = 24;
/// Revisions of which is kept what data they read.
const MOST_DATASETS: usize = 4_096;
/// Inspections of traces that are kept.
const MOST_INSPECTIONS: usize = 8;

/// What was computed for pages.
pub struct KeptPages {
    standings: overview::RevisionStandings,
    bodies: PageCache<RevisionId, String, ReportBody>,
    trials: PageCache<RevisionId, String, Trials>,
    lists: PageCache<String, Option<StoreStamp>, runs::RunList>,
    names: PageCache<String, Option<StoreStamp>, Vec<String>>,
    datasets: PageCache<RevisionId, String, Option<data::ReadDataset>>,
    comparisons: PageCache<Vec<String>, Option<StoreStamp>, compare::Sheet>,
    inspections: PageCache<String, Option<inspect::TraceStamp>, inspect::Inspected>,
}

impl Default for KeptPages {
    fn default() -> Self {
        Self {
            standings: overview::RevisionStandings::default(),
            bodies: PageCache::new(MOST_BODIES),
            trials: PageCache::new(MOST_BODIES),
            lists: PageCache::new(MOST_LISTS),
            names: PageCache::new(MOST_LISTS),
            datasets: PageCache::new(MOST_DATASETS),
            comparisons: PageCache::new(MOST_BODIES),
            inspections: PageCache::new(MOST_INSPECTIONS),
        }
    }
}

impl KeptPages {
    /// Forgets all but what does not depend on the store.
    pub fn clear(&self) {
        self.standings.clear();
        self.bodies.clear();
        self.trials.clear();
        self.lists.clear();
        self.names.clear();
        self.comparisons.clear();
    }
}
