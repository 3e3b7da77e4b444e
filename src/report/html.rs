//! The report as one self-contained page, which loads nothing from elsewhere and is readable without its script.

use maud::{Markup, html};

use super::SCRIPT;
use super::board_figures::BoardFigures;
use super::figure_markup::figure_sections;
use super::first_screen::first_screen;
use super::page::{PageHost, page};
use super::table_sections::table_sections;
use crate::compare::Comparison;

/// An experiment's page without its frame.
pub struct ReportBody {
    /// The first screen.
    pub header: Markup,
    /// The contents and the sections: plots before tables.
    pub main: Markup,
}

impl ReportBody {
    /// Renders the page's parts around the plots of each board.
    pub(super) fn of(comparison: &Comparison, figures: &[BoardFigures], host: PageHost) -> Self {
        let mut sections = figure_sections(&comparison.boards, figures, host);
        sections.extend(table_sections(comparison));
        let main = html! {
            nav.contents aria-label="Contents" {
                @for section in &sections { a href={ "#" (section.id) } { (section.title) } }
            }
            @for section in &sections {
                section aria-labelledby=(section.id) {
                    h2 id=(section.id) { (section.title) }
                    (section.body)
                }
            }
        };
        Self { header: first_screen(comparison, figures, host), main }
    }
}

/// Renders the page around the plots of each board.
pub(super) fn render(comparison: &Comparison, figures: &[BoardFigures]) -> String {
    let name = comparison.experiment.reference();
    let ReportBody { header, main } = ReportBody::of(comparison, figures, PageHost::File);
    let body = html! {
        header { (header) }
        main { (main) }
        footer {
            "Written by burstlab " (env!("CARGO_PKG_VERSION")) ". The numbers come from "
            code { "burstlab.db" } "; " code { "burstlab report " (name) } " writes this page again."
        }
    };
    page(&format!("{name} · burstlab report"), Some(SCRIPT), &body)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::figures;
    use super::super::headline::headline;
    use super::*;
    use crate::compare::test_fixtures;

    fn rendered(comparison: &Comparison) -> String {
        render(
            comparison,
            &figures::draw(comparison, Path::new("no/such/folder"), crate::report::PlotSet::Full),
        )
    }

    #[test]
    fn the_page_asks_nothing_of_the_network() {
        let page = rendered(&test_fixtures::comparison()).replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        assert_eq!(page.matches("<script").count(), 1, "the page's own");
        for foreign in ["src=", "fetch(", "<iframe", "@import", "url(", "http://", "https://"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn the_page_holds_every_headline_and_every_model() {
        let comparison = test_fixtures::comparison();
        let page = rendered(&comparison);
        for board in &comparison.boards {
            let text = headline(board, &comparison.objective_title());
            assert!(page.contains(&text), "{text}");
            assert!(board.rows.iter().all(|row| page.contains(&row.label)));
        }
        assert!(page.contains("none of the rows is real"));
        assert!(page.contains("drop_last"));
    }

    #[test]
    fn text_from_an_experiment_is_never_markup() {
        let page = rendered(&test_fixtures::comparison());
        assert!(page.contains("Models &lt;b&gt;compared&lt;/b&gt;"));
        assert!(page.contains("&lt;/pre&gt;&lt;script&gt;"));
    }

    #[test]
    fn failed_runs_are_shown_with_their_errors() {
        let page = rendered(&test_fixtures::comparison());
        assert!(page.contains("Unfinished runs") && page.contains("the loss | is\nnot finite"));
        assert!(page.contains("1 run not started yet"));
    }

    #[test]
    fn an_experiment_without_a_finished_run_still_gives_a_page() {
        let mut comparison = test_fixtures::unstarted();
        let unstarted = rendered(&comparison);
        assert!(unstarted.contains("No run is done") && unstarted.contains("4 runs not started yet"));
        comparison.runs.clear();
        assert!(rendered(&comparison).contains("No run is planned"));
    }
}
