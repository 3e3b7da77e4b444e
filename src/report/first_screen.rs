//! The first screen of a report: what won, by how much, whether that is sure, one plot, and what was tried.

use maud::{Markup, html};

use super::board_figures::{BoardFigures, FigureSection};
use super::chooser::{ChooserItem, chooser};
use super::data_card::is_synthetic;
use super::figure_markup::figure;
use super::markup::{prose, table};
use super::notes;
use super::page::PageHost;
use super::reproduction::run_counts;
use super::tables;
use super::verdict::{Verdict, other_winners};
use super::verdict_fact::VerdictFact;
use crate::compare::{Board, Comparison};

/// Renders the first screen.
pub fn first_screen(comparison: &Comparison, figures: &[BoardFigures], host: PageHost) -> Markup {
    let Verdict { title, facts } = Verdict::of(comparison);
    html! {
        p.kind { "burstlab experiment" }
        h1 { (comparison.experiment.reference()) }
        @if let Some(description) = &comparison.experiment.description { p.description { (description) } }
        div.headline {
            p.verdict { (title) }
            @if !facts.is_empty() { (fact_list(&facts)) }
            @for sentence in others(comparison) { p { (prose(&sentence)) } }
            p.tried { (run_counts(comparison)) }
        }
        @if is_synthetic(comparison) {
            p.caution {
                strong { "The data are synthetic: none of the rows is real. " }
                "They show that the tool works and how models compare on such traffic, but nothing about a real service."
            }
        }
        @if let Some(overview) = tables::overview(comparison) { (table(&overview, "Best model of each setting")) }
        (skill_plots(&comparison.boards, figures, host))
        @if let Some(caution) = notes::few_seeds(comparison) { p.caution { "Caution: " (prose(&caution)) } }
    }
}

fn fact_list(facts: &[VerdictFact]) -> Markup {
    // `p = 0.002` and `29 %` stay on one line.
    let unbroken = |note: &str| {
        note.replace("p = ", "p\u{a0}=\u{a0}").replace("p < ", "p\u{a0}<\u{a0}").replace(" %", "\u{a0}%")
    };
    html! {
        dl.facts {
            @for VerdictFact { label, value, note } in facts {
                div { dt { (label) } dd { strong { (value) } " " span { (unbroken(note)) } } }
            }
        }
    }
}

/// Who wins by other measures: a sentence for each setting where anybody does, if the settings are few.
fn others(comparison: &Comparison) -> Vec<String> {
    let found: Vec<(&Board, String)> =
        comparison.boards.iter().filter_map(|board| Some((board, other_winners(board)?))).collect();
    match (comparison.boards.len(), found.as_slice()) {
        (_, []) => Vec::new(),
        (1, [(_, sentence)]) => vec![sentence.clone()],
        (all, several) => vec![format!(
            "Other measures have other winners in {} of {all} settings; the leaderboard of each names them.",
            several.len()
        )],
    }
}

/// The plot of the first screen, with a choice where there are several settings.
fn skill_plots(boards: &[Board], figures: &[BoardFigures], host: PageHost) -> Markup {
    let items = boards.iter().zip(figures).flat_map(|(board, own)| {
        let plots = own.plots.iter().filter(|plot| plot.section == FigureSection::Skill);
        plots.map(|plot| ChooserItem {
            picks: vec![("setting".to_string(), board.title.clone())],
            content: figure(plot, host),
        })
    });
    let items: Vec<ChooserItem> = items.collect();
    if items.is_empty() {
        html! {}
    } else {
        chooser(&items)
    }
}
