//! Tables, cards and prose of a page.

use maud::{Markup, html};

use super::data_card::CardEntry;
use super::tables::{ReportTable, TableCell, TableRow};
use crate::text::{counted, short_hash};

/// Longer tables show their first rows until the reader asks for all.
const MOST_ROWS: usize = 12;

/// A card: labels with their values.
pub fn card(entries: &[CardEntry]) -> Markup {
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
pub fn note_list(notes: &[String]) -> Markup {
    let (cautions, others): (Vec<&String>, Vec<&String>) =
        notes.iter().partition(|note| note.starts_with("Caution:"));
    html! {
        @for note in cautions { p.caution { (prose(note)) } }
        @if !others.is_empty() {
            details {
                summary { "How to read it" }
                ul.notes { @for note in others { li { (prose(note)) } } }
            }
        }
    }
}

/// Text with its code, which is in backticks, as markup.
pub fn prose(text: &str) -> Markup {
    html! {
        @for (index, piece) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

/// A table; a long one shows its first rows, and how many there are.
pub fn table(table: &ReportTable, caption: &str) -> Markup {
    render_table(table, caption, false)
}

/// A table that the page's script can filter.
pub fn filterable_table(table: &ReportTable, caption: &str) -> Markup {
    render_table(table, caption, true)
}

fn render_table(table: &ReportTable, caption: &str, filter: bool) -> Markup {
    let rows = table.rows.len();
    let folds = rows > MOST_ROWS;
    let id = format!("all-{}", short_hash(&format!("{caption}{:?}", table.rows.first())));
    html! {
        div.fold[folds] {
            @if folds {
                input type="checkbox" id=(id);
                label for=(id) { "Show all " (counted(rows, "row")) }
            }
            div.scroll tabindex="0" role="group" aria-label=(caption) {
                table data-filter[filter] {
                    thead { tr { @for (index, name) in table.headers.iter().enumerate() {
                        th scope="col" class=[class(table, index)] { (name) }
                    } } }
                    tbody { @for row in &table.rows { tr class=[row_class(row)] {
                        @for (index, cell) in row.cells.iter().enumerate() {
                            td class=[class(table, index)] { (cell_content(cell)) }
                        }
                    } } }
                }
            }
        }
    }
}

fn class(table: &ReportTable, column: usize) -> Option<&'static str> {
    if column >= table.text_columns {
        return Some("n");
    }
    (table.headers[column] == "error").then_some("wide")
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
        @if let Some(detail) = &cell.detail { " " small { (detail) } }
        @for mark in &cell.marks { span.mark { (mark) } }
    }
}
