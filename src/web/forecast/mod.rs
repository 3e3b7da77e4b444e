//! The forecast of a saved model that follows a trace, for autoscalers and monitoring: as JSON and as metrics of Prometheus.
//!
//! One thread owns the model, takes rows in and publishes what is known; requests read that and never wait for the model.

mod answer;
mod document;
mod follower;
mod metrics;
mod published;
mod question;
mod rows;
mod served_model;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use super::server::{Clients, Face, Server, ServerPlace, Stop};
use crate::dataset::TraceSource;
use crate::predict::{ReplicaPlan, SavedModel};
use answer::{ForecastFault, json_response};
use document::ForecastAnswer;
use follower::TraceFollower;
use published::Shared;
use question::ForecastQuestion;
use served_model::ServedModel;

/// Bytes of the rows that one request may bring.
const MOST_BODY: usize = 8 << 20;
/// Requests that may bring rows at once.
const MOST_BODIES: usize = 8;
/// Rows are taken in within this time, or their client is sent away.
const LONGEST_INTAKE: Duration = Duration::from_secs(10);

/// What is served.
pub struct ForecastSettings {
    /// Name of the experiment, where the model was chosen by it.
    pub experiment: Option<String>,
    /// The model.
    pub model: SavedModel,
    /// How its forecasts become replicas, where something acts on them.
    pub plan: Option<ReplicaPlan>,
    /// The trace that it follows.
    pub source: TraceSource,
    /// Steps that can be asked for.
    pub steps: usize,
    /// Age of the newest row from which on the input is stale.
    pub stale_after: Duration,
    /// Whether malformed rows of the trace are passed over; else the first one ends the server.
    pub skips_bad_rows: bool,
}

/// A server that has its port, and follows the trace and answers once it is started.
pub struct ForecastServer {
    server: Server,
    face: Arc<ForecastFace>,
    follower: TraceFollower,
}

/// What all requests share.
struct ForecastFace {
    shared: Arc<Shared>,
    model: ServedModel,
    /// The trace, where it is a file: then rows come from there alone.
    file: Option<String>,
    bodies: Semaphore,
}

impl ForecastServer {
    /// Takes the port.
    ///
    /// # Errors
    /// A trace that cannot be opened, and those of the port: it is taken, its address is not of this machine, or other machines
    /// reach it without a token.
    pub fn bind(place: &ServerPlace, settings: ForecastSettings) -> anyhow::Result<Self> {
        let server = Server::bind(place, Clients::Programs)?;
        let model = ServedModel::of(&settings);
        let file = match &settings.source {
            TraceSource::File(_) => Some(settings.source.name()),
            TraceSource::Pipe(_) | TraceSource::Synthetic => None,
        };
        let (follower, shared) = TraceFollower::new(settings)?;
        let face = ForecastFace { shared, model, file, bodies: Semaphore::new(MOST_BODIES) };
        Ok(Self { server, face: Arc::new(face), follower })
    }

    /// The address at which it is asked.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Follows the trace and answers requests until `is_over` says so. `note` tells the user what happens.
    ///
    /// # Errors
    /// A trace that cannot be followed any more, and a system without the means to wait for requests.
    pub fn serve(
        self,
        note: impl Fn(&str) + Send + 'static,
        is_over: impl Fn() -> bool,
    ) -> anyhow::Result<()> {
        let Self { server, face, follower } = self;
        let shared = face.shared.clone();
        follower.start(note)?;
        let served = Face { router: router(face), stopped, longest: LONGEST_INTAKE, threads: 1 };
        server.serve(served, || is_over() || shared.has_failed())?;
        shared.failure().map_or(Ok(()), Err)
    }
}

fn router(face: Arc<ForecastFace>) -> Router {
    Router::new()
        .route("/v1/forecast", get(forecast))
        .route("/metrics", get(metrics_page))
        .route("/v1/rows", post(rows::take_in))
        .fallback(async || {
            ForecastFault::new(StatusCode::NOT_FOUND, "there is nothing at this address")
                .remedy("ask for /v1/forecast or /metrics, or send rows to /v1/rows")
                .into_response()
        })
        .method_not_allowed_fallback(async || {
            ForecastFault::new(StatusCode::METHOD_NOT_ALLOWED, "this address is not asked in this way")
                .remedy("use GET for /v1/forecast and /metrics, and POST for /v1/rows")
                .into_response()
        })
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(face)
}

/// `GET /v1/forecast`.
async fn forecast(State(face): State<Arc<ForecastFace>>, uri: Uri) -> Response {
    let question = match ForecastQuestion::read(&uri, &face.model) {
        Ok(question) => question,
        Err(fault) => return fault.into_response(),
    };
    match ForecastAnswer::new(&face.model, &face.shared.now(), &question) {
        Ok(answer) => json_response(StatusCode::OK, &answer),
        Err(fault) => fault.into_response(),
    }
}

/// `GET /metrics`.
async fn metrics_page(State(face): State<Arc<ForecastFace>>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    let page = metrics::page(&face.model, &face.shared.now());
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], page).into_response()
}

/// The answer to a request that the guard has stopped.
fn stopped(stop: &Stop) -> Response {
    match stop {
        Stop::OtherName(own) => {
            ForecastFault::new(StatusCode::FORBIDDEN, "this server is asked under another name than its own")
                .remedy(format!("ask http://{own}, or start it with --host NAME and a token"))
        }
        Stop::OtherSite => {
            ForecastFault::new(StatusCode::FORBIDDEN, "a page of another site sent this request")
                .remedy("send it from a program")
        }
        // Only browsers are welcomed with a cookie.
        Stop::NoToken | Stop::Welcome { .. } => {
            ForecastFault::new(StatusCode::UNAUTHORIZED, "the token is missing or wrong")
                .remedy("send the header \"Authorization: Bearer TOKEN\"")
        }
    }
    .into_response()
}
