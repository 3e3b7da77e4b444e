//! Files that pages load, all of them in the program itself.

use std::io::Write;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;

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
pub(super) struct Asset {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) bytes: &'static [u8],
    /// The same, compressed.
    pub(super) packed: Vec<u8>,
    /// Changes with the content.
    pub(super) version: String,
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

/// The file of a name.
pub(super) fn named(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}
