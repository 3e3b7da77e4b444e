//! The report as one self-contained page, which loads nothing from elsewhere and is readable without its script.

use maud::{Markup, PreEscaped, html};

use super::board_sections::sections;
use super::claims;
use super::data_card::{CardEntry, data_card, is_synthetic};
use super::figures::{BoardFigures, Captioned, MOST_TARGETS};
use super::headline::headline;
use super::notes;
use super::page::page;
use super::reproduction::{reproduction, run_counts};
use super::tables::{self, ReportTable, RunTable, TableCell, TableRow};
use crate::compare::claims::tally;
use crate::compare::{Board, Comparison, Target};
use crate::text::{counted, unit_beside};

const SCRIPT: &str = include_str!("report.js");

/// Where a page is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageHost {
    /// In one file beside its plots.
    File,
    /// On the dashboard, whose script draws the plots again from their data.
    Server,
}

/// An experiment's page without its frame.
pub struct ReportBody {
    /// The first screen.
    pub header: Markup,
    /// The sections.
    pub main: Markup,
}

impl ReportBody {
    /// Renders the page's parts around the plots of each board.
    pub(super) fn of(comparison: &Comparison, figures: &[BoardFigures], host: PageHost) -> Self {
        let main = html! {
            (data_section(comparison))
            (boards_section(comparison, figures, host))
            (claims_section(comparison))
            (runs_section(comparison))
            (unfinished_section(comparison))
            (reproduce_section(comparison))
        };
        Self { header: header(comparison), main }
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

fn header(comparison: &Comparison) -> Markup {
    let metric = comparison.objective_title();
    let unfinished = tables::unfinished_runs(comparison).table;
    html! {
            p.kind { "burstlab experiment" }
            h1 { (comparison.experiment.reference()) }
            @if let Some(description) = &comparison.experiment.description {
                p.description { (description) }
            }
            div.headline {
                @if comparison.boards.is_empty() {
                    p { "No run is done, so there is nothing to compare." }
                }
                @for board in &comparison.boards {
                    p {
                        @if !board.title.is_empty() { strong { (board.title) ": " } }
                        (headline(board, &metric))
                    }
                }
                p.tried { (run_counts(comparison)) }
            }
            @if is_synthetic(comparison) {
                p.caution {
                    strong { "The data are synthetic: none of the rows is real. " }
                    "They show that the tool works and how models compare on such traffic, but nothing about a real service."
                }
            }
            nav aria-label="Sections" {
                a href="#data" { "Data" }
                @if !comparison.boards.is_empty() {
                    a href="#leaderboard" { "Leaderboard" }
                    @if !comparison.claims.is_empty() { a href="#claims" { "Claims" } }
                    a href="#runs" { "All runs" }
                }
                @if !unfinished.rows.is_empty() { a href="#unfinished" { "Unfinished runs" } }
                a href="#reproduce" { "Reproduce" }
            }
    }
}

fn data_section(comparison: &Comparison) -> Markup {
    let entries = data_card(comparison);
    html! {
        h2 id="data" { "Data" }
        @if entries.is_empty() { p { "No run is planned, so no data have been read." } }
        @else { (card(&entries)) }
    }
}

fn boards_section(comparison: &Comparison, figures: &[BoardFigures], host: PageHost) -> Markup {
    if comparison.boards.is_empty() {
        return html! {};
    }
    html! {
        h2 id="leaderboard" { "Leaderboard" }
        p { "Sorted by " (comparison.objective_title()) " on the test part; lower is better." }
        @if let Some(overview) = tables::overview(comparison) {
            (table(&overview, "Best model of each setting"))
            nav aria-label="Settings" {
                @for (index, board) in comparison.boards.iter().enumerate() {
                    a href={ "#board-" (index) } { (board.title) }
                }
            }
        } @else {
            @for board in &comparison.boards { (leaderboard(comparison, board)) }
        }
        (note_list(&notes::reading_notes(comparison)))
        @for (index, board) in comparison.boards.iter().enumerate() {
            @if comparison.boards.len() > 1 {
                h2 id={ "board-" (index) } { (board.title) }
                p { (headline(board, &comparison.objective_title())) }
                (leaderboard(comparison, board))
            }
            (board_details(board, figures.get(index), host))
        }
    }
}

fn leaderboard(comparison: &Comparison, board: &Board) -> Markup {
    let metric = comparison.objective.metric.as_str();
    html! {
        @if let Some(missing) = notes::missing_files(board) { p.caution { (prose(&missing)) } }
        @if !board.rows.is_empty() { (filterable_table(&tables::leaderboard(board, metric), "Leaderboard")) }
    }
}

/// Errors by target and plots; the first plot is the leaderboard's and stands next to it.
fn board_details(board: &Board, figures: Option<&BoardFigures>, host: PageHost) -> Markup {
    let targets = tables::targets(board);
    let (shown, folded) = targets.split_at(targets.len().min(MOST_TARGETS));
    let plots = figures.map_or(&[][..], |figures| &figures.plots);
    let missing = figures.map_or(&[][..], |figures| &figures.missing);
    html! {
        @if !targets.is_empty() {
            h3 { "Errors by target " small { "test part, original units, mean over runs; the best of each column is bold; skill is relative to the naive baseline with the lowest MAE" } }
            @for target in shown { (target_table(board, target)) }
            @if !folded.is_empty() {
                details {
                    summary { (counted(folded.len(), "further target")) }
                    @for target in folded { (target_table(board, target)) }
                }
            }
        }
        @for section in sections(board) {
            h3 { (section.title) }
            p { (prose(&section.note)) }
            @for (caption, data) in &section.tables {
                p { (prose(caption)) }
                (table(data, &caption.replace('`', "")))
            }
        }
        @if !plots.is_empty() || !missing.is_empty() { h3 { "Plots" } }
        @for sentence in missing { p.caution { (sentence) } }
        @for plot in plots { (figure(plot, host)) }
    }
}

fn target_table(board: &Board, target: &Target) -> Markup {
    let Target { name, unit } = target;
    let unit = unit_beside(name, unit);
    html! {
        p { code { (name) } @if !unit.is_empty() { ", in " (unit) } }
        (table(&tables::errors(board, name), &format!("Errors of {name}")))
    }
}

fn figure(captioned: &Captioned, host: PageHost) -> Markup {
    let Captioned { plot, caption, .. } = captioned;
    let chart = (host == PageHost::Server && !plot.chart.is_empty()).then_some(&plot.chart);
    // Numbers and strings in maps with text keys: there is nothing that JSON cannot hold.
    let chart = chart.and_then(|chart| serde_json::to_string(chart).ok());
    html! {
        figure data-chart=[chart] {
            div.scroll tabindex="0" role="group" aria-label=(plot.title) { (PreEscaped(&plot.svg)) }
            figcaption {
                (caption) " "
                @if host == PageHost::File {
                    span.files {
                        a href={ "plots/" (plot.name) ".png" } { "PNG" } " "
                        a href={ "plots/" (plot.name) ".svg" } { "SVG" }
                    }
                }
            }
        }
    }
}

fn claims_section(comparison: &Comparison) -> Markup {
    if comparison.claims.is_empty() {
        return html! {};
    }
    html! {
        h2 id="claims" { "Claims" }
        p {
            "Reported results beside those of these runs: the mean over seeds and folds, or the aggregate that the claim names, "
            "± the standard deviation. " (tally(&comparison.claims)) "."
        }
        (filterable_table(&claims::table(&comparison.claims), "Claims"))
        ul.notes { @for sentence in claims::reasons(&comparison.claims) { li { (prose(&sentence)) } } }
    }
}

fn runs_section(comparison: &Comparison) -> Markup {
    let RunTable { table: runs, folded } = tables::scored_runs(comparison);
    if runs.rows.is_empty() {
        return html! {};
    }
    html! {
        h2 id="runs" { "All runs" }
        p { "Every finished run, the best on validation first. Runs of the trial that represents its model are dark, the others grey." }
        (filterable_table(&runs, "All runs"))
        @if folded > 0 {
            p { (counted(folded, "more run")) " not shown; " code { "burstlab runs --experiment " (comparison.experiment.reference()) } " lists all." }
        }
    }
}

fn unfinished_section(comparison: &Comparison) -> Markup {
    let RunTable { table: runs, folded } = tables::unfinished_runs(comparison);
    let all = comparison.unfinished().count();
    if all == 0 {
        return html! {};
    }
    let not_started = all - runs.rows.len() - folded;
    html! {
        h2 id="unfinished" { "Runs that are not done" }
        @if !runs.rows.is_empty() { (filterable_table(&runs, "Runs that are not done")) }
        @if folded > 0 { p { (counted(folded, "more run")) " not shown." } }
        @if not_started > 0 {
            p { (counted(not_started, "run")) " not started yet. The command below continues where it stopped." }
        }
    }
}

fn reproduce_section(comparison: &Comparison) -> Markup {
    let experiment = &comparison.experiment;
    html! {
        h2 id="reproduce" { "Reproduce" }
        pre { code { (experiment.command) } }
        (card(&reproduction(comparison)))
        details {
            summary { "The experiment file" }
            pre { code { (experiment.text) } }
        }
    }
}

fn card(entries: &[CardEntry]) -> Markup {
    html! {
        dl {
            @for entry in entries {
                dt { (entry.label) }
                dd { @for value in &entry.values { p { (prose(value)) } } }
            }
        }
    }
}

/// Notes as a list, with cautions set apart.
fn note_list(notes: &[String]) -> Markup {
    let (cautions, others): (Vec<&String>, Vec<&String>) =
        notes.iter().partition(|note| note.starts_with("Caution:"));
    html! {
        ul.notes { @for note in others { li { (prose(note)) } } }
        @for note in cautions { p.caution { (prose(note)) } }
    }
}

/// Text with its code, which is in backticks, as markup.
fn prose(text: &str) -> Markup {
    html! {
        @for (index, piece) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

fn table(table: &ReportTable, caption: &str) -> Markup {
    render_table(table, caption, false)
}

/// A table that the page's script can filter.
fn filterable_table(table: &ReportTable, caption: &str) -> Markup {
    render_table(table, caption, true)
}

fn render_table(table: &ReportTable, caption: &str, filter: bool) -> Markup {
    let class = |index: usize| {
        if index < table.text_columns {
            (table.headers[index] == "error").then_some("wide")
        } else {
            Some("n")
        }
    };
    html! {
        div.scroll tabindex="0" role="group" aria-label=(caption) {
            table data-filter[filter] {
                thead {
                    tr { @for (index, name) in table.headers.iter().enumerate() { th scope="col" class=[class(index)] { (name) } } }
                }
                tbody {
                    @for row in &table.rows {
                        tr class=[row_class(row)] {
                            @for (index, cell) in row.cells.iter().enumerate() { td class=[class(index)] { (cell_content(cell)) } }
                        }
                    }
                }
            }
        }
    }
}

fn row_class(row: &TableRow) -> Option<&'static str> {
    match (row.winner, row.baseline) {
        (true, true) => Some("winner baseline"),
        (true, false) => Some("winner"),
        (false, true) => Some("baseline"),
        (false, false) => None,
    }
}

fn cell_content(cell: &TableCell) -> Markup {
    html! {
        @if cell.best { b { (cell.text) } } @else { (cell.text) }
        @for mark in &cell.marks { span.mark { (mark) } }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::figures;
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
        assert!(page.contains("Runs that are not done") && page.contains("the loss | is\nnot finite"));
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
