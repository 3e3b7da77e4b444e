//! The dashboard: pages over the store of a results folder.
//!
//! Pages are rendered here, from the same comparison and by the same functions as reports, and are complete without their
//! script. Every request opens the store anew: it may be moved, replaced or upgraded while pages are open. Tags and notes are
//! all that can be written.

mod address;
mod answer;
mod assets;
mod cache;
mod events;
mod frame;
mod pages;
mod static_file;
mod widgets;

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, RawPathParams, State};
use axum::http::header::{REFRESH, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use tokio::sync::Semaphore;

use address::Address;
use answer::{PageAnswer, PageFault, message};
use cache::PageCache;

use super::server::{Clients, Face, Server, ServerPlace, Stop, is_own_origin};
use crate::store::{QueryLimits, Store, StoreStamp, remedy, store_stamp};
use crate::text::causes;

/// Requests at once; others are sent away, to come again.
const MOST_REQUESTS: usize = 32;
/// Streams of events at once.
const MOST_STREAMS: usize = 64;
/// Bytes of what is written: a note.
const MOST_BODY: usize = 64 * 1024;
/// A page does not wait longer than this for a store that another program keeps locked.
const BUSY: Duration = Duration::from_secs(2);
/// Rows of a result on the page of SQL.
const MOST_ROWS: usize = 5_000;
/// Bytes of such a result.
const MOST_RESULT: usize = 16 << 20;
/// Bytes of a text in it.
const MOST_TEXT: usize = 64 << 10;

/// What the dashboard shows, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The results folder.
    pub results: PathBuf,
    /// How long a query of the SQL page may take.
    pub query_time: Duration,
}

/// A dashboard that has its port, and answers once it is started.
pub struct DashboardServer {
    server: Server,
    dashboard: Arc<Dashboard>,
}

impl DashboardServer {
    /// Takes the port.
    ///
    /// # Errors
    /// A port that is taken, an address that is not of this machine, or one that other machines reach without a token.
    pub fn bind(place: &ServerPlace, settings: Settings) -> anyhow::Result<Self> {
        let server = Server::bind(place, Clients::Browsers)?;
        Ok(Self { server, dashboard: Arc::new(Dashboard::new(settings)) })
    }

    /// The address of its first page.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Answers requests until `is_over` says so.
    ///
    /// # Errors
    /// A system without the means to wait for requests.
    pub fn serve(self, is_over: impl Fn() -> bool) -> anyhow::Result<()> {
        let Self { server, dashboard } = self;
        let face = Face {
            longest: dashboard.query.time,
            router: router(dashboard),
            stopped,
            threads: MOST_REQUESTS + MOST_STREAMS,
        };
        server.serve(face, is_over)
    }
}

/// The page for a request that the guard has stopped.
fn stopped(stop: &Stop) -> Response {
    match stop {
        Stop::OtherName(own) => message(
            StatusCode::FORBIDDEN,
            "Not from here",
            &format!(
                "This server is asked under another name than its own. Open it at http://{own}, or start it with \
                 `--host NAME` if that name is its own."
            ),
            None,
        ),
        Stop::OtherSite => message(
            StatusCode::FORBIDDEN,
            "Not from here",
            "A page of another site sent this request. Open the page here and try again.",
            None,
        ),
        Stop::NoToken => message(
            StatusCode::UNAUTHORIZED,
            "Who are you?",
            "This server wants its token: add ?token=TOKEN to the address once, or send the header \
             \"Authorization: Bearer TOKEN\".",
            None,
        ),
        Stop::Welcome { cookie, place } => welcome(cookie, place),
    }
}

/// The page that sets the cookie. The browser leaves it by itself: after a redirect from another site it would not send the
/// cookie yet.
fn welcome(cookie: &str, place: &str) -> Response {
    let mut response = message(StatusCode::OK, "Welcome", "The token is right. One moment.", None);
    for (name, value) in [(SET_COOKIE, cookie), (REFRESH, &format!("0; url={place}"))] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// What all requests share.
pub struct Dashboard {
    results: PathBuf,
    query: QueryLimits,
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    subjects: PageCache<events::Subject, String, events::SubjectState>,
    kept: pages::KeptPages,
}

impl Dashboard {
    fn new(settings: Settings) -> Self {
        Self {
            results: settings.results,
            query: QueryLimits {
                time: settings.query_time,
                rows: MOST_ROWS,
                bytes: MOST_RESULT,
                cell_bytes: MOST_TEXT,
            },
            requests: Arc::new(Semaphore::new(MOST_REQUESTS)),
            streams: Arc::new(Semaphore::new(MOST_STREAMS)),
            subjects: PageCache::new(MOST_STREAMS),
            kept: pages::KeptPages::default(),
        }
    }

    /// The store, for the time of one request.
    fn open_store(&self) -> anyhow::Result<Store> {
        Store::open_read_only_within(&self.results, BUSY)
    }

    fn open(&self) -> Result<Store, PageFault> {
        self.open_store().map_err(PageFault::Store)
    }

    /// The state of the store's files.
    fn stamp(&self) -> Option<StoreStamp> {
        store_stamp(&self.results)
    }

    /// A short text that changes with the store.
    fn version(&self) -> String {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        self.stamp().map_or(String::new(), |stamp| format!("{:x}", hasher.hash_one(stamp)))
    }

    /// What is wrong with the store, with the remedy.
    fn told_of_store(&self, error: &anyhow::Error) -> String {
        let remedy = self.remedy(error).map_or(String::new(), |remedy| format!("; {remedy}"));
        format!("{}{remedy}", causes(error))
    }

    fn remedy(&self, error: &anyhow::Error) -> Option<String> {
        remedy(error, &self.results.join("burstlab.db"))
    }

    fn fault(&self, fault: PageFault) -> Response {
        let remedy = match &fault {
            PageFault::Store(error) => self.remedy(error),
            _ => None,
        };
        fault.into_response(remedy.as_deref())
    }

    fn busy() -> Response {
        message(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many requests at once",
            &format!("The server answers {MOST_REQUESTS} requests at once."),
            Some("Load this page again in a moment."),
        )
    }

    /// Forgets what was computed before something was written.
    fn forget(&self) {
        self.subjects.clear();
        self.kept.clear();
    }
}

/// One request for a page.
pub struct Visit<'a> {
    dashboard: &'a Arc<Dashboard>,
    address: &'a Address,
    /// The state of the store before the page was made.
    stamp: Option<StoreStamp>,
    /// Whether a page of another site sent the reader here.
    is_from_elsewhere: bool,
}

impl Visit<'_> {
    fn results(&self) -> &Path {
        &self.dashboard.results
    }

    /// The stamp of the store as it is cached under.
    fn stamp(&self) -> Option<StoreStamp> {
        self.stamp
    }
}

/// Makes a page.
type MakePage = fn(&Visit<'_>) -> Result<PageAnswer, PageFault>;
/// Writes what a form holds, and says where to go on.
type WriteForm = fn(&Dashboard, &[(String, String)]) -> Result<PageAnswer, PageFault>;

fn router(dashboard: Arc<Dashboard>) -> Router {
    Router::new()
        .route("/", page(pages::experiments::page))
        .route("/experiments/{reference}", page(pages::experiment::page))
        .route("/experiments/{reference}/file", page(pages::experiment::file))
        .route("/runs", page(pages::runs::page))
        .route("/runs/{id}", page(pages::run::page))
        .route("/runs/{id}/files/{*file}", page(pages::run_files::page))
        .route("/trials/{reference}", page(pages::trials::page))
        .route("/compare", page(pages::compare::page))
        .route("/data", page(pages::data::page))
        .route("/data/inspect", page(pages::inspect::page))
        .route("/sql", page(pages::sql::page))
        .route("/tags", form(pages::annotate::tags))
        .route("/note", form(pages::annotate::note))
        .route("/events", get(events::events))
        .route("/static/{name}", get(static_file::file))
        .fallback(async || {
            message(StatusCode::NOT_FOUND, "There is nothing here", "No page has this address.", None)
        })
        .method_not_allowed_fallback(async || {
            message(
                StatusCode::METHOD_NOT_ALLOWED,
                "Not this way",
                "This address is not asked in this way.",
                None,
            )
        })
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(dashboard)
}

fn page(make: MakePage) -> MethodRouter<Arc<Dashboard>> {
    get(
        async move |State(dashboard): State<Arc<Dashboard>>,
                    uri: Uri,
                    headers: HeaderMap,
                    captures: RawPathParams| {
            let is_from_elsewhere = !is_own_origin(&headers);
            let captures =
                captures.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            let Some(address) = Address::read(&uri, captures) else {
                return message(
                    StatusCode::BAD_REQUEST,
                    "This cannot be shown",
                    "The address is not well-formed.",
                    None,
                );
            };
            in_turn(dashboard, move |dashboard| {
                let version = dashboard.version();
                let visit =
                    Visit { dashboard, address: &address, stamp: dashboard.stamp(), is_from_elsewhere };
                make(&visit).map(|answer| answer.into_response(&version))
            })
            .await
        },
    )
}

fn form(write: WriteForm) -> MethodRouter<Arc<Dashboard>> {
    post(async move |State(dashboard): State<Arc<Dashboard>>, Form(fields): Form<Vec<(String, String)>>| {
        in_turn(dashboard, move |dashboard| {
            let answer = write(dashboard, &fields)?;
            dashboard.forget();
            Ok(answer.into_response(""))
        })
        .await
    })
}

/// Does the work of a request on a thread of its own, if there are not too many.
async fn in_turn(
    dashboard: Arc<Dashboard>,
    work: impl FnOnce(&Arc<Dashboard>) -> Result<Response, PageFault> + Send + 'static,
) -> Response {
    let Ok(permit) = dashboard.requests.clone().try_acquire_owned() else { return Dashboard::busy() };
    let answer = move || {
        // A client that has gone does not end the work, so the permit is kept as long as the work takes.
        let _permit = permit;
        work(&dashboard).unwrap_or_else(|fault| dashboard.fault(fault))
    };
    tokio::task::spawn_blocking(answer)
        .await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
