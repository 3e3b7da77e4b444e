//! All revisions with their standings: those that the store keeps, and for others (a sweep goes on, or was killed) what a thread
//! of its own computes while pages go on.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::Dashboard;
use super::super::answer::PageFault;
use super::super::cache::{OLDEST, SHARE};
use crate::compare::RevisionStanding;
use crate::store::{RevisionId, RevisionRow, Store, StoreStamp};

/// How long a page waits for standings that are being computed.
const PATIENCE: Duration = Duration::from_millis(150);
/// When a page asks again for those that were not there in time.
const AGAIN: Duration = Duration::from_millis(500);

/// A revision with its standing.
pub struct Entry {
    /// The revision.
    pub revision: RevisionRow,
    /// How it stands; `None` while that is computed for the first time.
    pub standing: Option<Arc<RevisionStanding>>,
}

/// The standings of all revisions.
#[derive(Default)]
pub struct RevisionStandings {
    state: Mutex<StandingsState>,
    changed: Condvar,
}

#[derive(Default)]
struct StandingsState {
    known: HashMap<RevisionId, Known>,
    /// What all of them were computed from.
    seen: Option<Seen>,
    is_computing: bool,
    /// Not before then they are computed again.
    next: Option<Instant>,
}

/// What standings depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    stamp: Option<StoreStamp>,
    /// The revisions that a supervisor is at work on.
    at_work: Vec<RevisionId>,
}

struct Known {
    mark: String,
    standing: Arc<RevisionStanding>,
}

impl RevisionStandings {
    /// Computes everything at the next question.
    pub fn clear(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.seen = None;
        state.next = None;
    }

    fn mark_of(&self, id: &RevisionId) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.known.get(id).map(|known| known.mark.clone())
    }

    fn put(&self, id: RevisionId, mark: String, standing: RevisionStanding) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.known.insert(id, Known { mark, standing: Arc::new(standing) });
    }

    fn end(&self, seen: Option<Seen>, took: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_computing = false;
        state.seen = seen;
        state.next = Some(Instant::now() + (took * SHARE).min(OLDEST));
        self.changed.notify_all();
    }
}

/// Tells those who wait that the computation is over, however it ends.
struct Computation<'a> {
    standings: &'a RevisionStandings,
    started: Instant,
    /// What was seen, once everything is computed from it.
    seen: Option<Seen>,
}

impl Drop for Computation<'_> {
    fn drop(&mut self) {
        self.standings.end(self.seen.take(), self.started.elapsed());
    }
}

/// Every revision of every experiment: the experiment that ran last first, its revisions by number. The time is that after
/// which some of them will be newer.
pub fn read(
    dashboard: &Arc<Dashboard>,
    stamp: Option<StoreStamp>,
) -> Result<(Vec<Entry>, Option<Duration>), PageFault> {
    let mut store = dashboard.open()?;
    let revisions = store.all_revisions()?;
    // A supervisor that was killed leaves the store as it is.
    let mut at_work = Vec::new();
    if store.is_supervised()? {
        for revision in revisions.iter().filter(|revision| revision.finished_at.is_none()) {
            if store.is_at_work(&revision.experiment, Some(revision.revision))? {
                at_work.push(revision.id());
            }
        }
    }
    let seen = Seen { stamp, at_work };
    let mut kept = kept_standings(&mut store, &seen.at_work)?;
    if revisions.iter().all(|revision| kept.contains_key(&revision.id())) {
        let entry = |revision: RevisionRow| Entry { standing: kept.remove(&revision.id()), revision };
        return Ok((revisions.into_iter().map(entry).collect(), None));
    }
    let standings = &dashboard.kept.standings;
    let mut state = standings.state.lock().unwrap_or_else(PoisonError::into_inner);
    let is_new = state.seen.as_ref() != Some(&seen);
    if is_new && !state.is_computing && state.next.is_none_or(|next| next <= Instant::now()) {
        let (own, seen) = (dashboard.clone(), seen.clone());
        let thread = std::thread::Builder::new().name("standings".to_string());
        // Without a thread the page shows what is known, and says when to ask again.
        state.is_computing = thread.spawn(move || compute(&own, seen)).is_ok();
    }
    if state.is_computing {
        let waited = standings.changed.wait_timeout_while(state, PATIENCE, |state| state.is_computing);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    let stale = (state.seen.as_ref() != Some(&seen)).then(|| match state.next {
        Some(next) if !state.is_computing => next.saturating_duration_since(Instant::now()).max(AGAIN),
        _ => AGAIN,
    });
    let entry = |revision: RevisionRow| {
        let id = revision.id();
        let computed = || state.known.get(&id).map(|known| known.standing.clone());
        Entry { standing: kept.remove(&id).or_else(computed), revision }
    };
    Ok((revisions.into_iter().map(entry).collect(), stale))
}

/// The standings that the store keeps.
fn kept_standings(
    store: &mut Store,
    at_work: &[RevisionId],
) -> Result<HashMap<RevisionId, Arc<RevisionStanding>>, PageFault> {
    let parsed = store.kept_standings()?.into_iter().filter_map(|(id, text)| {
        let mut standing = RevisionStanding::of_kept(&text)?;
        standing.is_running = at_work.contains(&id);
        Some((id, Arc::new(standing)))
    });
    Ok(parsed.collect())
}

/// Computes the standings that have changed, those of the experiments that ran last first.
fn compute(dashboard: &Dashboard, seen: Seen) {
    let standings = &dashboard.kept.standings;
    let mut computation = Computation { standings, started: Instant::now(), seen: None };
    // What is wrong with the store is for the pages to tell, which read it themselves.
    if try_compute(dashboard, &seen.at_work).is_ok() {
        computation.seen = Some(seen);
    }
}

fn try_compute(dashboard: &Dashboard, at_work: &[RevisionId]) -> anyhow::Result<()> {
    let mut store = dashboard.open_store()?;
    let mut revisions = store.all_revisions()?;
    let kept = store.kept_standings()?;
    let is_kept = |revision: &RevisionRow| {
        kept.get(&revision.id()).is_some_and(|text| RevisionStanding::of_kept(text).is_some())
    };
    revisions.retain(|revision| !is_kept(revision));
    let standings = &dashboard.kept.standings;
    for revision in &revisions {
        let id = revision.id();
        let mut mark = store.revision_mark(&id)?;
        mark.push_str(if at_work.contains(&id) { " alive" } else { "" });
        if standings.mark_of(&id).as_ref() != Some(&mark) {
            // A damaged row is told of by the page of its experiment, and costs no other one its standing.
            let Ok(standing) = RevisionStanding::read(&mut store, revision) else { continue };
            standings.put(id, mark, standing);
        }
    }
    let mut state = standings.state.lock().unwrap_or_else(PoisonError::into_inner);
    state.known.retain(|id, _| revisions.iter().any(|revision| revision.id() == *id));
    Ok(())
}
