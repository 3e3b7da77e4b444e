//! Server-sent events: a page that is open is told when what it shows has changed.
//!
//! They come from the store alone, which is looked at once a second. So it does not matter which process runs a sweep, or on
//! which machine, or whether the dashboard was started before it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawPathParams, State};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::Dashboard;
use super::address::Address;
use super::answer::{Fault, message};
use super::cache::Found;
use crate::store::{RevisionId, RunProgress, Store};

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
    progress: RunProgress,
    /// Epochs of a run.
    epochs: i64,
}

/// What was told last.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    state: SubjectState,
    is_supervised: bool,
    /// Of the whole store, where that is what the page is about.
    version: Option<String>,
}

/// One stream.
struct Watch {
    dashboard: Arc<Dashboard>,
    subject: Subject,
    told: Option<Told>,
    /// What was wrong with the store when it was last looked at.
    fault: Option<String>,
    _permit: OwnedSemaphorePermit,
}

/// Answers with a stream of events.
pub async fn events(
    State(dashboard): State<Arc<Dashboard>>,
    uri: Uri,
    parameters: RawPathParams,
) -> Response {
    drop(parameters);
    let Some(address) = Address::read(&uri, Vec::new()) else {
        return message(
            StatusCode::BAD_REQUEST,
            "This cannot be shown",
            "The address is not well-formed.",
            None,
        );
    };
    let Ok(permit) = dashboard.streams.clone().try_acquire_owned() else {
        return dashboard.busy();
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
    let watch = Watch { dashboard, subject, told: None, fault: None, _permit: permit };
    let stream = Sse::new(watch.into_stream()).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE));
    let mut response = stream.into_response();
    response.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
    response
}

/// What an address asks to be told of.
fn subject(dashboard: &Dashboard, address: &Address) -> Result<Subject, Fault> {
    if let Some(reference) = address.value("experiment") {
        let revision = dashboard.open()?.revision(reference).map_err(Fault::of_lookup)?;
        return Ok(Subject::Revision(revision.id()));
    }
    match address.value("run") {
        Some(run) => Ok(Subject::Run(dashboard.open()?.resolve_run(run).map_err(Fault::of_lookup)?)),
        None => Ok(Subject::Store),
    }
}

impl Watch {
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut watch| async move {
            loop {
                if watch.told.is_some() || watch.fault.is_some() {
                    tokio::time::sleep(LOOK).await;
                }
                let (dashboard, subject, told) =
                    (watch.dashboard.clone(), watch.subject.clone(), watch.told.clone());
                let looked = tokio::task::spawn_blocking(move || look(&dashboard, &subject, told)).await;
                match looked {
                    Ok(Ok(Some(news))) => {
                        let event = news.event(&watch.dashboard);
                        watch.told = Some(news);
                        watch.fault = None;
                        return Some((Ok(event), watch));
                    }
                    Ok(Ok(None)) => watch.fault = None,
                    Ok(Err(fault)) => {
                        if watch.fault.as_deref() != Some(&fault) {
                            // When the store is there again, the page is loaded again.
                            watch.told = None;
                            watch.fault = Some(fault.clone());
                            let event =
                                Event::default().event("fault").data(fault.replace(['\n', '\r'], " "));
                            return Some((Ok(event), watch));
                        }
                    }
                    Err(_) => return None,
                }
            }
        })
    }
}

/// The state of a subject, if it is another than was told.
fn look(dashboard: &Dashboard, subject: &Subject, told: Option<Told>) -> Result<Option<Told>, String> {
    let version = dashboard.version();
    let is_told = told.as_ref().is_some_and(|told| told.state.progress.running == 0);
    if is_told && told.as_ref().and_then(|told| told.version.as_ref()) == Some(&version) {
        return Ok(None);
    }
    let failed = |error: anyhow::Error| dashboard.told_of_store(&error);
    let mut store = dashboard.open_store().map_err(failed)?;
    let Found { value, .. } = dashboard
        .subjects
        .get(subject, version.clone(), || SubjectState::read(&mut store, subject))
        .map_err(failed)?;
    // Where a supervisor was killed the store does not change.
    let is_supervised = value.progress.running > 0 && store.is_supervised().map_err(failed)?;
    let version = matches!(subject, Subject::Store).then_some(version);
    let news = Told { state: (*value).clone(), is_supervised, version };
    Ok((told.as_ref() != Some(&news)).then_some(news))
}

impl SubjectState {
    fn read(store: &mut Store, subject: &Subject) -> anyhow::Result<Self> {
        Ok(match subject {
            Subject::Store => Self { progress: store.progress(None)?, epochs: 0 },
            Subject::Revision(revision) => Self { progress: store.progress(Some(revision))?, epochs: 0 },
            Subject::Run(run_id) => {
                let (progress, epochs) = store.run_mark(run_id)?;
                Self { progress, epochs }
            }
        })
    }
}

impl Told {
    fn event(&self, dashboard: &Dashboard) -> Event {
        let RunProgress { total, ended, running, .. } = self.state.progress;
        let running = if self.is_supervised { running } else { 0 };
        let told =
            json!({ "version": dashboard.version(), "running": running, "done": ended, "total": total });
        Event::default().data(told.to_string())
    }
}
