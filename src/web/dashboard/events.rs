//! Server-sent events: a page that is open is told when what it shows has changed.
//!
//! They come from the store alone, which is looked at once a second. So it does not matter which process runs a sweep, or on
//! which machine, or whether the dashboard was started before it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::Dashboard;
use super::address::Address;
use super::answer::{PageFault, message};
use super::cache::Cached;
use crate::store::{RevisionId, StateCounts, Store};

/// Time between two looks at the store.
const LOOK: Duration = Duration::from_secs(1);
/// A stream without news sends a sign of life, which also finds out that its page was closed.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// What a stream is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Every change.
    Store,
    /// Changes of a revision.
    Revision(RevisionId),
    /// Changes of a run.
    Run(String),
}

/// The state of a subject.
#[derive(Debug, Clone, PartialEq)]
pub struct SubjectState {
    counts: StateCounts,
    /// Changes with everything that pages show of the subject.
    mark: String,
}

/// What was told last.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    state: SubjectState,
    is_supervised: bool,
    /// Of the store that was looked at.
    version: String,
}

/// One stream.
struct EventStream {
    dashboard: Arc<Dashboard>,
    subject: Subject,
    told: Option<Told>,
    /// What was wrong with the store when it was last looked at.
    fault: Option<String>,
    _permit: OwnedSemaphorePermit,
}

/// Answers with a stream of events.
pub async fn events(State(dashboard): State<Arc<Dashboard>>, uri: Uri) -> Response {
    let Some(address) = Address::read(&uri, Vec::new()) else {
        return message(
            StatusCode::BAD_REQUEST,
            "This cannot be shown",
            "The address is not well-formed.",
            None,
        );
    };
    let Ok(permit) = dashboard.streams.clone().try_acquire_owned() else {
        return Dashboard::busy();
    };
    let found = {
        let dashboard = dashboard.clone();
        tokio::task::spawn_blocking(move || subject(&dashboard, &address)).await
    };
    let subject = match found {
        Ok(Ok(subject)) => subject,
        Ok(Err(fault)) => return dashboard.fault(fault),
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let events = EventStream { dashboard, subject, told: None, fault: None, _permit: permit };
    let stream = Sse::new(events.into_stream()).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE));
    let mut response = stream.into_response();
    response.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
    response
}

/// What an address asks to be told of.
fn subject(dashboard: &Dashboard, address: &Address) -> Result<Subject, PageFault> {
    if let Some(reference) = address.value("experiment") {
        let revision = dashboard.open()?.revision(reference).map_err(PageFault::of_lookup)?;
        return Ok(Subject::Revision(revision.id()));
    }
    match address.value("run") {
        Some(run) => Ok(Subject::Run(dashboard.open()?.resolve_run(run).map_err(PageFault::of_lookup)?)),
        None => Ok(Subject::Store),
    }
}

impl EventStream {
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut stream| async move {
            loop {
                if stream.told.is_some() || stream.fault.is_some() {
                    tokio::time::sleep(LOOK).await;
                }
                let (dashboard, subject, told) =
                    (stream.dashboard.clone(), stream.subject.clone(), stream.told.clone());
                let looked =
                    tokio::task::spawn_blocking(move || look(&dashboard, &subject, told.as_ref())).await;
                match looked {
                    Ok(Ok(Some(found))) => {
                        let is_news = stream.told.as_ref().is_none_or(|told| !told.says(&found));
                        stream.fault = None;
                        let event = is_news.then(|| found.event(&stream.dashboard));
                        stream.told = Some(found);
                        if let Some(event) = event {
                            return Some((Ok(event), stream));
                        }
                    }
                    Ok(Ok(None)) => stream.fault = None,
                    Ok(Err(fault)) => {
                        if stream.fault.as_deref() != Some(&fault) {
                            // When the store is there again, the page is loaded again.
                            stream.told = None;
                            stream.fault = Some(fault.clone());
                            let event =
                                Event::default().event("fault").data(fault.replace(['\n', '\r'], " "));
                            return Some((Ok(event), stream));
                        }
                    }
                    Err(_) => return None,
                }
            }
        })
    }
}

/// Looks at a subject; `None` if nothing can have changed.
fn look(dashboard: &Dashboard, subject: &Subject, told: Option<&Told>) -> Result<Option<Told>, String> {
    let version = dashboard.version();
    if told.is_some_and(|told| told.version == version && told.state.counts.running == 0) {
        return Ok(None);
    }
    let failed = |error: anyhow::Error| dashboard.told_of_store(&error);
    let mut store = dashboard.open_store().map_err(failed)?;
    let Cached { value, stale } = dashboard
        .subjects
        .get(subject, version.clone(), || SubjectState::read(&mut store, subject))
        .map_err(failed)?;
    let state = (*value).clone();
    // Where a supervisor was killed the store does not change.
    let is_supervised = state.counts.running > 0 && is_at_work(&mut store, subject).map_err(failed)?;
    // What is not new is looked at again.
    let version = if stale.is_some() { String::new() } else { version };
    Ok(Some(Told { state, is_supervised, version }))
}

/// Whether a living supervisor is at work on a subject.
fn is_at_work(store: &mut Store, subject: &Subject) -> anyhow::Result<bool> {
    match subject {
        Subject::Store => store.is_supervised(),
        Subject::Revision(RevisionId { experiment, revision }) => {
            store.is_at_work(experiment, Some(*revision))
        }
        Subject::Run(run_id) => store.is_run_at_work(run_id),
    }
}

impl SubjectState {
    fn read(store: &mut Store, subject: &Subject) -> anyhow::Result<Self> {
        Ok(match subject {
            Subject::Store => {
                let counts = store.progress(None)?;
                Self { counts, mark: store.latest_mark()? }
            }
            Subject::Revision(revision) => {
                Self { counts: store.progress(Some(revision))?, mark: store.revision_mark(revision)? }
            }
            Subject::Run(run_id) => {
                let (counts, mark) = store.run_mark(run_id)?;
                Self { counts, mark }
            }
        })
    }
}

impl Told {
    /// Whether it tells what another one does.
    fn says(&self, other: &Told) -> bool {
        (&self.state, self.is_supervised) == (&other.state, other.is_supervised)
    }

    fn event(&self, dashboard: &Dashboard) -> Event {
        let StateCounts { total, ended, running, .. } = self.state.counts;
        let running = if self.is_supervised { running } else { 0 };
        let told = json!({ "version": dashboard.version(), "running": running, "done": ended, "total": total,
                           "supervised": self.is_supervised });
        Event::default().data(told.to_string())
    }
}
