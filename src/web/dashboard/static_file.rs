//! Sends the files that pages load.

use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::answer::message;
use super::assets;

/// Sends a file.
pub async fn file(Path(name): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(asset) = assets::named(&name) else {
        return message(StatusCode::NOT_FOUND, "There is nothing here", "There is no such file.", None);
    };
    let tag = format!("\"{}\"", asset.version);
    let names = |header, wanted: &str| {
        headers.get(header).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains(wanted))
    };
    let is_versioned = uri.query().is_some_and(|query| query == format!("v={}", asset.version));
    let keep = if is_versioned { "public, max-age=31536000, immutable" } else { "no-cache" };
    let common =
        [(ETAG, tag.clone()), (CACHE_CONTROL, keep.to_string()), (VARY, "accept-encoding".to_string())];
    if names(IF_NONE_MATCH, &tag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let kind = [(CONTENT_TYPE, asset.kind)];
    if names(ACCEPT_ENCODING, "gzip") && !asset.packed.is_empty() {
        return (common, kind, [(CONTENT_ENCODING, "gzip")], asset.packed.as_slice()).into_response();
    }
    (common, kind, asset.bytes).into_response()
}
