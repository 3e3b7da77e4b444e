//! What a page comes to: an answer, or a fault with what can be done about it.

use std::fs::File;
use std::io::{self, Read};

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use maud::html;

use super::frame::{Page, Tab};
use crate::listing::ListingError;
use crate::store::{Refusal, TooSlow, is_store_fault};
use crate::text::causes;

/// Bytes of a file that are in memory while it is sent.
const PIECE: usize = 64 << 10;

/// What is sent for a page that could be made.
pub enum PageAnswer {
    /// A page.
    Page(Page),
    /// A file to be saved.
    File {
        /// Its name.
        name: String,
        /// Its media type.
        kind: &'static str,
        /// Its content.
        bytes: Vec<u8>,
    },
    /// A file that is sent as it is read.
    Stream {
        /// Its name.
        name: String,
        /// The file.
        file: File,
        /// Its size.
        bytes: u64,
    },
    /// The page to go to after something was written.
    SeeOther(String),
}

/// Why a page could not be made.
#[derive(Debug)]
pub enum PageFault {
    /// There is nothing at this address.
    Missing(String),
    /// What was asked for cannot be done; the message says what to ask for instead.
    Refused(String),
    /// The store, or the folder of results, cannot be read.
    Store(anyhow::Error),
    /// A bug, or a file that is damaged.
    Broken(anyhow::Error),
}

impl PageFault {
    /// The fault of something that was looked for by its name.
    pub fn of_lookup(error: anyhow::Error) -> Self {
        if is_store_fault(&error) { Self::Store(error) } else { Self::Missing(causes(&error)) }
    }
}

impl From<anyhow::Error> for PageFault {
    fn from(error: anyhow::Error) -> Self {
        if error.is::<ListingError>() || error.is::<Refusal>() || error.is::<TooSlow>() {
            Self::Refused(causes(&error))
        } else if is_store_fault(&error) {
            Self::Store(error)
        } else {
            Self::Broken(error)
        }
    }
}

impl PageAnswer {
    /// The response; `version` is that of the store which the page shows.
    pub fn into_response(self, version: &str) -> Response {
        match self {
            PageAnswer::Page(page) => {
                let status = if page.is_refusal() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
                html_response(status, &page, version)
            }
            PageAnswer::File { name, kind, bytes } => (attachment(&name, kind), bytes).into_response(),
            PageAnswer::Stream { name, file, bytes } => {
                let length = [(CONTENT_LENGTH, bytes.to_string())];
                (attachment(&name, "application/octet-stream"), length, streamed(file, bytes)).into_response()
            }
            PageAnswer::SeeOther(place) => match HeaderValue::from_str(&place) {
                Ok(place) => (StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response(),
                Err(_) => StatusCode::NO_CONTENT.into_response(),
            },
        }
    }
}

/// The headers of something to be saved under a name.
fn attachment(name: &str, kind: &str) -> [(HeaderName, String); 3] {
    // Only letters, digits, dots and dashes of the name are sent: no name can end the header early.
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    [
        (CONTENT_TYPE, kind.to_string()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (CACHE_CONTROL, "no-store".to_string()),
    ]
}

/// The first `bytes` of a file, of which one piece at a time is in memory.
fn streamed(file: File, bytes: u64) -> Body {
    Body::from_stream(stream::try_unfold(file.take(bytes), async |mut file| {
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; PIECE];
            let count = file.read(&mut piece)?;
            piece.truncate(count);
            Ok::<_, io::Error>((count > 0).then_some((piece, file)))
        });
        read.await.map_err(io::Error::other)?
    }))
}

impl PageFault {
    /// The page that tells of it. `remedy` is what can be done about a store.
    pub fn into_response(self, remedy: Option<&str>) -> Response {
        match self {
            PageFault::Missing(told) => message(StatusCode::NOT_FOUND, "There is nothing here", &told, None),
            PageFault::Refused(told) => message(StatusCode::BAD_REQUEST, "This cannot be shown", &told, None),
            PageFault::Store(error) => {
                let remedy = remedy.unwrap_or("Load this page again when that has changed.");
                let title = "The store cannot be read";
                message(StatusCode::SERVICE_UNAVAILABLE, title, &causes(&error), Some(remedy))
            }
            PageFault::Broken(error) => {
                message(StatusCode::INTERNAL_SERVER_ERROR, "This page cannot be made", &causes(&error), None)
            }
        }
    }
}

/// A page with a message.
pub fn message(status: StatusCode, title: &str, told: &str, remedy: Option<&str>) -> Response {
    let page = Page::new(
        Tab::None,
        title,
        html! {
            h1 { (title) }
            p.caution role="alert" { (told) }
            @if let Some(remedy) = remedy { p { (remedy) } }
        },
        html! { p { a href="/" { "All experiments" } } },
    );
    let mut response = html_response(status, &page, "");
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

fn html_response(status: StatusCode, page: &Page, version: &str) -> Response {
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (status, headers, Body::from(page.to_html(version))).into_response()
}
