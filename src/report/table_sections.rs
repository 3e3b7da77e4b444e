//! The tables of a page, below its plots: the leaderboard, errors and intervals by target, claims, runs, the data, and how to
//! reproduce it all.

use maud::{Markup, html};

use super::board_sections::sections;
use super::chooser::{ChooserItem, chooser};
use super::claims;
use super::data_card::data_card;
use super::headline::headline;
use super::markup::{card, filterable_table, note_list, prose, table};
use super::notes;
use super::page::PageSection;
use super::reproduction::reproduction;
use super::tables::{self, RunTable};
use super::verdict::other_winners;
use crate::compare::claims::tally;
use crate::compare::{Board, Comparison, Target, group_by};
use crate::files::file_stem;
use crate::text::{counted, unit_beside};

/// The sections of tables that have something to show, in the order of the page.
pub fn table_sections(comparison: &Comparison) -> Vec<PageSection> {
    let mut found = Vec::new();
    let mut add = |title: &str, body: Option<Markup>| {
        found.extend(body.map(|body| PageSection {
            id: file_stem(&[title]),
            title: title.to_string(),
            body,
        }));
    };
    add("Leaderboard", leaderboards(comparison));
    add("Errors by target", errors_by_target(&comparison.boards));
    for (title, body) in board_sections(&comparison.boards) {
        add(title, Some(body));
    }
    add("Claims", claims_section(comparison));
    add("All runs", runs_section(comparison));
    add("Unfinished runs", unfinished_section(comparison));
    add("Data", Some(data_section(comparison)));
    add("Reproduce", Some(reproduce_section(comparison)));
    found
}

/// One item for each board that has a content.
fn by_setting(boards: &[Board], content: impl Fn(&Board) -> Option<Markup>) -> Option<Markup> {
    let items = boards.iter().filter_map(|board| {
        let picks = vec![("setting".to_string(), board.title.clone())];
        Some(ChooserItem { picks, content: content(board)? })
    });
    let items: Vec<ChooserItem> = items.collect();
    (!items.is_empty()).then(|| chooser(&items))
}

fn leaderboards(comparison: &Comparison) -> Option<Markup> {
    let boards = by_setting(&comparison.boards, |board| Some(leaderboard(comparison, board)))?;
    // The first screen says how few the seeds are.
    let told = notes::few_seeds(comparison).map(|caution| format!("Caution: {caution}"));
    let mut reading = notes::reading_notes(comparison);
    reading.retain(|note| Some(note) != told.as_ref());
    Some(html! {
        p { "Sorted by " (comparison.objective_title()) " on the test part; lower is better." }
        (boards)
        (note_list(&reading))
    })
}

fn leaderboard(comparison: &Comparison, board: &Board) -> Markup {
    let metric = comparison.objective.metric.as_str();
    html! {
        p { (headline(board, &comparison.objective_title())) }
        @if let Some(sentence) = other_winners(board) { p { (prose(&sentence)) } }
        @if let Some(missing) = notes::missing_files(board) { p.caution { (prose(&missing)) } }
        @if !board.rows.is_empty() { (filterable_table(&tables::leaderboard(board, metric), "Leaderboard")) }
    }
}

fn errors_by_target(boards: &[Board]) -> Option<Markup> {
    let all: Vec<(&Board, Target)> = boards
        .iter()
        .flat_map(|board| tables::targets(board).into_iter().map(move |target| (board, target)))
        .collect();
    let is_picked = all.len() > 1;
    let items = all.into_iter().map(|(board, Target { name, unit })| {
        let unit = unit_beside(&name, &unit);
        let content = html! {
            // A target that is picked is named by the choice.
            @if !is_picked { p { code { (name) } @if !unit.is_empty() { ", in " (unit) } } }
            @else if !unit.is_empty() { p { "In " (unit) "." } }
            (table(&tables::errors(board, &name), &format!("Errors of {name}")))
        };
        ChooserItem { picks: picks(boards, board, "target", &name), content }
    });
    let items: Vec<ChooserItem> = items.collect();
    (!items.is_empty()).then(|| {
        html! {
            p {
                "On the test part in original units, the mean over runs. The best of each column is bold. Skill is relative to \
                 the naive baseline with the lowest MAE."
            }
            (chooser(&items))
        }
    })
}

/// The setting, where there are several, and one more pick.
fn picks(boards: &[Board], board: &Board, name: &str, value: &str) -> Vec<(String, String)> {
    let setting = (boards.len() > 1).then(|| ("setting".to_string(), board.title.clone()));
    setting.into_iter().chain([(name.to_string(), value.to_string())]).collect()
}

/// The sections that only some boards have, each with a choice of its tables.
fn board_sections(boards: &[Board]) -> Vec<(&'static str, Markup)> {
    let own =
        boards.iter().flat_map(|board| sections(board).into_iter().map(move |section| (board, section)));
    let by_title = group_by(own, |(_, section)| section.title);
    let rendered = by_title.into_iter().filter_map(|(title, sections)| {
        let note = sections.first()?.1.note.clone();
        let is_picked = sections.iter().map(|(_, section)| section.tables.len()).sum::<usize>() > 1;
        let items = sections.iter().flat_map(|(board, section)| {
            section.tables.iter().map(|(caption, data)| {
                let plain = caption.replace('`', "");
                let content = html! { @if !is_picked { p { (prose(caption)) } } (table(data, &plain)) };
                ChooserItem { picks: picks(boards, board, "table", &plain), content }
            })
        });
        Some((title, html! { p { (prose(&note)) } (chooser(&items.collect::<Vec<_>>())) }))
    });
    rendered.collect()
}

fn claims_section(comparison: &Comparison) -> Option<Markup> {
    (!comparison.claims.is_empty()).then(|| {
        html! {
            p {
                "Reported results beside those of these runs: the mean over seeds and folds, or the aggregate that the claim \
                 names, ± the standard deviation. " (tally(&comparison.claims)) "."
            }
            (filterable_table(&claims::table(&comparison.claims), "Claims"))
            ul.notes { @for sentence in claims::reasons(&comparison.claims) { li { (prose(&sentence)) } } }
        }
    })
}

fn runs_section(comparison: &Comparison) -> Option<Markup> {
    let RunTable { table: runs, folded } = tables::scored_runs(comparison);
    (!runs.rows.is_empty()).then(|| {
        html! {
            p { "Every finished run, the best on validation first. Runs of the trial that represents its model are dark, the others grey." }
            (filterable_table(&runs, "All runs"))
            @if folded > 0 {
                p { (counted(folded, "more run")) " not shown; " code { "burstlab runs --experiment " (comparison.experiment.reference()) } " lists all." }
            }
        }
    })
}

fn unfinished_section(comparison: &Comparison) -> Option<Markup> {
    let RunTable { table: runs, folded } = tables::unfinished_runs(comparison);
    let all = comparison.unfinished().count();
    let not_started = all.saturating_sub(runs.rows.len() + folded);
    (all > 0).then(|| {
        html! {
            @if !runs.rows.is_empty() { (filterable_table(&runs, "Unfinished runs")) }
            @if folded > 0 { p { (counted(folded, "more run")) " not shown." } }
            @if not_started > 0 {
                p { (counted(not_started, "run")) " not started yet. The command below continues where it stopped." }
            }
        }
    })
}

fn data_section(comparison: &Comparison) -> Markup {
    let entries = data_card(comparison);
    html! {
        @if entries.is_empty() { p { "No run is planned, so no data have been read." } }
        @else { (card(&entries)) }
    }
}

fn reproduce_section(comparison: &Comparison) -> Markup {
    let experiment = &comparison.experiment;
    html! {
        pre tabindex="0" { code { (experiment.command) } }
        (card(&reproduction(comparison)))
        details {
            summary { "The experiment file" }
            pre tabindex="0" { code { (experiment.text) } }
        }
    }
}
