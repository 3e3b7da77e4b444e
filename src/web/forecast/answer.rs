//! What a request comes to that gets no forecast: a message and a remedy, as JSON.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Why there is no forecast in an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForecastFault {
    #[serde(skip)]
    status: StatusCode,
    /// What is wrong.
    error: Box<str>,
    /// The parameter that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<Box<str>>,
    /// The line of the rows that is at fault, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// The column that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<Box<str>>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<Box<str>>,
    /// Steps that are missing for the first forecast.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_steps: Option<usize>,
    /// Seconds until it is worth asking again.
    #[serde(skip)]
    retry_after_s: Option<u64>,
}

impl ForecastFault {
    /// A fault.
    pub fn new(status: StatusCode, error: impl Into<Box<str>>) -> Self {
        Self {
            status,
            error: error.into(),
            parameter: None,
            line: None,
            column: None,
            remedy: None,
            missing_steps: None,
            retry_after_s: None,
        }
    }

    /// A parameter of the address that cannot be answered.
    pub fn of_parameter(name: &str, error: impl Into<Box<str>>, remedy: impl Into<Box<str>>) -> Self {
        let fault = Self::new(StatusCode::BAD_REQUEST, error).remedy(remedy);
        Self { parameter: Some(name.into()), ..fault }
    }

    /// With what to do.
    #[must_use]
    pub fn remedy(self, remedy: impl Into<Box<str>>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// With the place in the rows.
    #[must_use]
    pub fn at(self, line: usize, column: Option<String>) -> Self {
        Self { line: Some(line), column: column.map(Into::into), ..self }
    }

    /// With the steps that are missing.
    #[must_use]
    pub fn missing(self, steps: usize) -> Self {
        Self { missing_steps: Some(steps), ..self }
    }

    /// With the time until it is worth asking again.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }
}

/// An answer as JSON.
pub fn json_response(status: StatusCode, answer: &impl Serialize) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    match serde_json::to_vec(answer) {
        Ok(body) => (status, headers, body).into_response(),
        // Objects of texts and numbers can always be written.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl IntoResponse for ForecastFault {
    fn into_response(self) -> Response {
        let mut response = json_response(self.status, &self);
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
