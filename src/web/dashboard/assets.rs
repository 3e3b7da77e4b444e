//! Files that pages load, all of them in the program itself.

use std::io::Write;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::answer::message;
use crate::report;
use crate::text::short_hash;

/// The files, styles and scripts each in the order in which pages load them.
const FILES: [(&str, &[u8]); 8] = [
    ("report.css", report::STYLE.as_bytes()),
    ("app.css", include_bytes!("assets/app.css")),
    ("charts.css", include_bytes!("assets/charts.css")),
    ("app.js", include_bytes!("assets/app.js")),
    ("report.js", report::SCRIPT.as_bytes()),
    ("echarts.min.js", include_bytes!("assets/echarts.min.js")),
    ("chart-option.js", include_bytes!("assets/chart-option.js")),
    ("charts.js", include_bytes!("assets/charts.js")),
];

const STYLE_KIND: &str = "text/css; charset=utf-8";
const SCRIPT_KIND: &str = "text/javascript; charset=utf-8";

/// A file with what is sent of it.
struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    /// The same, compressed.
    packed: Vec<u8>,
    /// Changes with the content.
    version: String,
    /// With the version, so that a browser never asks for the same content twice.
    address: String,
}

static ASSETS: LazyLock<Vec<Asset>> =
    LazyLock::new(|| FILES.iter().map(|(name, bytes)| Asset::new(name, bytes)).collect());

impl Asset {
    fn new(name: &'static str, bytes: &'static [u8]) -> Self {
        let version = short_hash(&String::from_utf8_lossy(bytes));
        let is_style = name.rsplit('.').next() == Some("css");
        let kind = if is_style { STYLE_KIND } else { SCRIPT_KIND };
        // Without a packed form the plain one is sent.
        let packed = pack(bytes).unwrap_or_default();
        Self { name, kind, bytes, packed, address: format!("/static/{name}?v={version}"), version }
    }
}

fn pack(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Addresses of the style sheets.
pub fn styles() -> impl Iterator<Item = &'static str> {
    of_kind(STYLE_KIND)
}

/// Addresses of the scripts.
pub fn scripts() -> impl Iterator<Item = &'static str> {
    of_kind(SCRIPT_KIND)
}

fn of_kind(kind: &'static str) -> impl Iterator<Item = &'static str> {
    ASSETS.iter().filter(move |asset| asset.kind == kind).map(|asset| asset.address.as_str())
}

/// Sends a file.
pub async fn file(Path(name): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
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
