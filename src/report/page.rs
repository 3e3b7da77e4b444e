//! What every page has: its frame, which is self-contained and makes no request to the network, and its sections.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::STYLE;

/// Where a page is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageHost {
    /// In one file beside its plots.
    File,
    /// On the dashboard, whose script draws the plots again from their data.
    Server,
}

/// A part of a page with its own entry in the contents.
pub struct PageSection {
    /// Its anchor.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// What stands below the heading.
    pub body: Markup,
}

/// A whole page. Only `script` can run, whatever the body contains.
pub(super) fn page(title: &str, script: Option<&str>, body: &Markup) -> String {
    let scripts = if script.is_some() { "script-src 'unsafe-inline'; " } else { "" };
    let policy = format!("default-src 'none'; style-src 'unsafe-inline'; {scripts}img-src data:");
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(policy);
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (body)
                @if let Some(script) = script { script { (PreEscaped(script)) } }
            }
        }
    }
    .into_string()
}
