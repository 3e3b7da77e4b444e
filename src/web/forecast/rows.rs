//! `POST /v1/rows`: rows of a trace that is not a file.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::oneshot;

use super::answer::{ForecastFault, json_response};
use super::published::{Intake, TakenIn};
use super::{ForecastFace, LONGEST_INTAKE, MOST_BODIES, MOST_BODY};

/// Seconds after which a client may send rows again that found no place.
const RETRY_S: u64 = 1;

/// Takes in all rows of a request, or none of them.
pub async fn take_in(State(face): State<Arc<ForecastFace>>, request: Request) -> Response {
    match taken(&face, request).await {
        Ok(TakenIn { rows, known_steps, missing_steps }) => {
            let taken = json!({ "rows": rows, "known_steps": known_steps, "missing_steps": missing_steps });
            json_response(StatusCode::OK, &taken)
        }
        Err(fault) => fault.into_response(),
    }
}

async fn taken(face: &ForecastFace, request: Request) -> Result<TakenIn, ForecastFault> {
    if let Some(file) = &face.file {
        return Err(ForecastFault::new(StatusCode::CONFLICT, format!("this server follows {file}"))
            .remedy("add the rows to that file, or start the server with --trace - to send rows to it"));
    }
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if length.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > MOST_BODY as u64) {
        return Err(too_large());
    }
    // The body is read only once it has a place, so that bodies take a bounded memory.
    let _place =
        face.bodies.try_acquire().map_err(|_| busy(&format!("{MOST_BODIES} requests bring rows at once")))?;
    let text = Bytes::from_request(request, &()).await.map_err(|rejection| unreadable(&rejection))?;
    let (reply, outcome) = oneshot::channel();
    let intake = Intake::Request { text: text.to_vec(), reply };
    face.shared.take_in(intake).map_err(|_| busy("rows come faster than they are taken in"))?;
    match tokio::time::timeout(LONGEST_INTAKE, outcome).await {
        Ok(Ok(taken)) => taken.map_err(|fault| {
            ForecastFault::new(StatusCode::BAD_REQUEST, fault.message)
                .at(fault.line, fault.column)
                .remedy("correct this row and send all rows again: none of them was taken in")
        }),
        Ok(Err(_)) => Err(ForecastFault::new(StatusCode::SERVICE_UNAVAILABLE, "the server is about to end")),
        Err(_) => Err(ForecastFault::new(
            StatusCode::GATEWAY_TIMEOUT,
            "the rows wait to be taken in; whether they were is told by known_steps of /v1/forecast",
        )),
    }
}

fn busy(error: &str) -> ForecastFault {
    ForecastFault::new(StatusCode::SERVICE_UNAVAILABLE, error).remedy("send them again").retry_after(RETRY_S)
}

fn too_large() -> ForecastFault {
    let error = format!("the rows have more than {MOST_BODY} bytes");
    ForecastFault::new(StatusCode::PAYLOAD_TOO_LARGE, error)
        .remedy("send them in several requests, or start the server with the older rows on standard input")
}

fn unreadable(rejection: &BytesRejection) -> ForecastFault {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        status => ForecastFault::new(status, rejection.body_text()),
    }
}
