//! The frame of every page: self-contained, without any request to the network.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::STYLE;

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
