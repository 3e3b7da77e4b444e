//! The frame of every page: its head, the bar with all pages, and the place of what is alive on it.

use std::time::Duration;

use maud::{DOCTYPE, Markup, html};

use super::address::link;
use super::assets;

/// The pages of the bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// None of them.
    None,
    /// All experiments.
    Experiments,
    /// Runs.
    Runs,
    /// Several things beside each other.
    Compare,
    /// Traces.
    Data,
    /// Questions in SQL.
    Sql,
}

const TABS: [(Tab, &str, &str); 5] = [
    (Tab::Experiments, "/", "Experiments"),
    (Tab::Runs, "/runs", "Runs"),
    (Tab::Compare, "/compare", "Compare"),
    (Tab::Data, "/data", "Data"),
    (Tab::Sql, "/sql", "SQL"),
];

/// What a page shows of the store while it is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Live {
    /// Every change.
    Store,
    /// Changes of a revision.
    Experiment(String),
    /// Changes of a run.
    Run(String),
}

impl Live {
    fn events(&self) -> String {
        match self {
            Live::Store => "/events".to_string(),
            Live::Experiment(reference) => link("/events", [("experiment", reference.as_str())]),
            Live::Run(run_id) => link("/events", [("run", run_id.as_str())]),
        }
    }
}

/// A page without its frame.
pub struct Page {
    tab: Tab,
    title: String,
    header: Markup,
    main: Markup,
    live: Option<Live>,
    stale: Option<Duration>,
    is_refusal: bool,
}

impl Page {
    /// A page with its first screen and the rest.
    pub fn new(tab: Tab, title: impl Into<String>, header: Markup, main: Markup) -> Self {
        Self { tab, title: title.into(), header, main, live: None, stale: None, is_refusal: false }
    }

    /// The page shows changes while it is open.
    #[must_use]
    pub fn live(self, live: Live) -> Self {
        Self { live: Some(live), ..self }
    }

    /// The store has changed since the page was computed; when to load it again.
    #[must_use]
    pub fn stale(self, stale: Option<Duration>) -> Self {
        Self { stale, ..self }
    }

    /// The page says why what was asked for was not done.
    #[must_use]
    pub fn refusal(self, is_refusal: bool) -> Self {
        Self { is_refusal, ..self }
    }

    /// Whether the page says why what was asked for was not done.
    pub fn is_refusal(&self) -> bool {
        self.is_refusal
    }

    /// The whole page; `version` is that of the store which it shows.
    pub fn to_html(&self, version: &str) -> String {
        let events = self.live.as_ref().map(Live::events);
        let stale = self.stale.map(|stale| stale.as_millis().max(200).to_string());
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    link rel="icon" href="data:,";
                    title { (self.title) " · burstlab" }
                    @for sheet in assets::styles() { link rel="stylesheet" href=(sheet); }
                    @for script in assets::scripts() { script src=(script) defer {} }
                }
                body data-version=(version) data-events=[events] {
                    a.skip href="#content" { "Skip to the content" }
                    header.bar {
                        a.brand href="/" { "burstlab" }
                        nav aria-label="Pages" {
                            @for (tab, place, name) in TABS {
                                a href=(place) aria-current=[(tab == self.tab).then_some("page")] { (name) }
                            }
                        }
                        span #live role="status" {}
                    }
                    div #page data-stale-ms=[stale] {
                        header { (self.header) }
                        main #content tabindex="-1" { (self.main) }
                    }
                    footer { "burstlab " (env!("CARGO_PKG_VERSION")) }
                }
            }
        }
        .into_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_no_style_and_no_script_of_its_own() {
        let page = Page::new(Tab::Runs, "<b>", html! { h1 { "x" } }, html! {})
            .live(Live::Experiment("a&b".to_string()));
        let page = page.to_html("1");
        assert!(page.contains("&lt;b&gt; · burstlab") && page.contains("/events?experiment=a%26b"));
        assert!(!page.contains("style=") && !page.contains("<style") && !page.contains("<script>"));
        assert_eq!(page.matches("aria-current").count(), 1);
    }
}
