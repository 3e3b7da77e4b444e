//! The dashboard: a local web server over the store of a results folder.
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
mod guard;
mod listener;
mod pages;
mod widgets;

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, RawPathParams, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use futures_util::future::{Either, select};
use tokio::sync::Semaphore;

use address::Address;
use answer::{PageAnswer, PageFault, message};
use cache::PageCache;
use guard::{Admission, Guard};
use listener::BoundedListener;

use crate::store::{QueryLimits, Store, StoreStamp, remedy, store_stamp};
use crate::system::process::host_name;
use crate::text::causes;

/// Requests at once; others are sent away, to come again.
const MOST_REQUESTS: usize = 32;
/// Streams of events at once.
const MOST_STREAMS: usize = 64;
/// Bytes of what is written: a note.
const MOST_BODY: usize = 64 * 1024;
/// A page does not wait longer than this for a store that another program keeps locked.
const BUSY: Duration = Duration::from_secs(2);
/// Pause between two looks at whether the server is asked to end.
const LOOK: Duration = Duration::from_millis(50);
/// Requests that go on when the server ends have so long.
const GRACE: Duration = Duration::from_secs(1);
/// Rows of a result on the page of SQL.
const MOST_ROWS: usize = 5_000;
/// Bytes of such a result.
const MOST_RESULT: usize = 16 << 20;
/// Bytes of a text in it.
const MOST_TEXT: usize = 64 << 10;

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens; a name or an address.
    pub host: Option<String>,
    /// The port; 0 for any that is free.
    pub port: u16,
    /// What a client must know; required where others than this machine can ask.
    pub token: Option<String>,
    /// The results folder.
    pub results: PathBuf,
    /// How long a query of the SQL page may take.
    pub query_time: Duration,
}

/// A server that has its port, and answers once it is started.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    dashboard: Arc<Dashboard>,
    guard: Guard,
}

impl Server {
    /// Takes the port.
    ///
    /// # Errors
    /// A port that is taken, or an address that is not of this machine.
    pub fn bind(settings: Settings) -> anyhow::Result<Self> {
        let host = settings.host.as_deref().unwrap_or("127.0.0.1");
        let place = format!("{host}:{}", settings.port);
        let addresses: Vec<SocketAddr> = (host.trim_matches(['[', ']']), settings.port)
            .to_socket_addrs()
            .with_context(|| format!("{host} is not an address of this machine"))?
            .collect();
        if settings.token.is_none() && !addresses.iter().all(|address| address.ip().is_loopback()) {
            bail!("{host} can be reached from other machines, so a token is needed");
        }
        let listener = TcpListener::bind(addresses.as_slice()).map_err(|error| {
            let port = settings.port;
            match error.kind() {
                std::io::ErrorKind::AddrInUse => anyhow!(
                    "port {port} is taken, perhaps by another `burstlab ui`; give another with --port, or --port 0 for any \
                     that is free"
                ),
                std::io::ErrorKind::PermissionDenied => {
                    anyhow!("port {port} is not for ordinary users; give one above 1023 with --port")
                }
                _ => anyhow::Error::new(error).context(format!("cannot listen at {place}")),
            }
        })?;
        listener.set_nonblocking(true).context("cannot listen")?;
        let address = listener.local_addr().context("cannot listen")?;
        let guard = Guard::new(address, settings.host.as_deref(), settings.token.as_deref());
        Ok(Self { listener, address, dashboard: Arc::new(Dashboard::new(settings)), guard })
    }

    /// The address of its first page.
    pub fn url(&self) -> String {
        let ip = self.address.ip();
        // Nobody can ask an address that stands for all of this machine's.
        let name = if ip.is_unspecified() { host_name() } else { None };
        format!("http://{}/", guard::authority(&name.unwrap_or(ip.to_string()), self.address.port()))
    }

    /// Answers requests until `is_over` says so.
    ///
    /// # Errors
    /// A system without the means to wait for requests.
    pub fn serve(self, is_over: impl Fn() -> bool) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(MOST_REQUESTS + MOST_STREAMS)
            .build()
            .context("cannot start the server")?;
        let Self { listener, dashboard, guard, .. } = self;
        let served = runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).context("cannot listen")?;
            let listener = BoundedListener::new(listener, dashboard.query.time);
            let server = axum::serve(listener, router(dashboard, guard));
            let end = async {
                while !is_over() {
                    tokio::time::sleep(LOOK).await;
                }
            };
            match select(std::pin::pin!(server.into_future()), std::pin::pin!(end)).await {
                Either::Left((served, _)) => served.context("the server has failed"),
                Either::Right(((), _)) => Ok(()),
            }
        });
        runtime.shutdown_timeout(GRACE);
        served
    }
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

fn router(dashboard: Arc<Dashboard>, guard: Guard) -> Router {
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
        .route("/static/{name}", get(assets::file))
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
        .layer(from_fn_with_state(Arc::new(guard), guarded))
        .with_state(dashboard)
}

async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = match guard.judge(&request) {
        Admission::Pass => next.run(request).await,
        Admission::Stop(response) => *response,
    };
    guard::protect(&mut response);
    response
}

fn page(make: MakePage) -> MethodRouter<Arc<Dashboard>> {
    get(
        async move |State(dashboard): State<Arc<Dashboard>>,
                    uri: Uri,
                    headers: HeaderMap,
                    captures: RawPathParams| {
            let is_from_elsewhere = !guard::is_own_origin(&headers);
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
