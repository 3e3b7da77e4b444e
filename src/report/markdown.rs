//! The report as GitHub Markdown, for pasting.

use super::board_figures::{BoardFigures, Captioned, FigureSection};
use super::board_sections::sections;
use super::capacity_section;
use super::claims;
use super::data_card::{CardEntry, data_card, is_synthetic};
use super::headline::headline;
use super::notes;
use super::reproduction::{reproduction, run_counts};
use super::tables::{self, ReportTable, RunTable, TableCell};
use super::verdict::other_winners;
use crate::compare::claims::tally;
use crate::compare::{Comparison, Target, group_by};
use crate::text::{counted, unit_beside};

/// Renders the report; the plots are linked by their paths beside it.
pub fn render(comparison: &Comparison, figures: &[BoardFigures]) -> String {
    let mut lines = vec![format!("# {}", comparison.experiment.reference())];
    lines.extend(comparison.experiment.description.clone());
    headlines(comparison, &mut lines);
    if is_synthetic(comparison) {
        lines.push("**The data are synthetic: none of the rows is real.**".to_string());
    }
    plots(comparison, figures, &mut lines);
    boards(comparison, &mut lines);
    claims_section(comparison, &mut lines);
    unfinished(comparison, &mut lines);
    lines.push("## Data".to_string());
    lines.push(card(&data_card(comparison)));
    reproduce(comparison, &mut lines);
    let mut text = lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n\n");
    text.push('\n');
    text
}

fn headlines(comparison: &Comparison, lines: &mut Vec<String>) {
    let metric = comparison.objective_title();
    if comparison.boards.is_empty() {
        lines.push("**No run is done, so there is nothing to compare.**".to_string());
    }
    for board in &comparison.boards {
        let title = if board.title.is_empty() { String::new() } else { format!("{}: ", board.title) };
        lines.push(format!("**{title}{}**", headline(board, &metric)));
        lines.extend(other_winners(board));
        lines.extend(capacity_section::sentence(board));
    }
    lines.push(run_counts(comparison));
}

/// The plots of every board, section by section: the first one shows who won.
fn plots(comparison: &Comparison, figures: &[BoardFigures], lines: &mut Vec<String>) {
    for section in FigureSection::ALL {
        let of_section = comparison.boards.iter().zip(figures).flat_map(|(board, own)| {
            own.plots.iter().filter(move |plot| plot.section == section).map(move |plot| (board, plot))
        });
        let groups = group_by(of_section, |(board, plot)| {
            let group = plot.choice.as_ref().map_or(&plot.plot.name, |choice| &choice.group);
            (board.title.as_str(), group.as_str())
        });
        for (index, ((setting, _), plots)) in groups.into_iter().enumerate() {
            if index == 0 {
                lines.push(format!("## {}", section.title()));
            }
            let mut plots = plots.into_iter().map(|(_, plot)| plot);
            lines.extend(plots.next().map(|first| pictured(setting, first)));
            lines.push(linked(&plots.collect::<Vec<_>>()));
        }
    }
    lines.extend(figures.iter().flat_map(|own| own.missing.iter().cloned()));
}

/// A plot as a picture with its caption.
fn pictured(setting: &str, Captioned { plot, caption, .. }: &Captioned) -> String {
    let alt = plot.alt.replace(['[', ']', '\n'], " ");
    let setting = if setting.is_empty() { String::new() } else { format!("{setting}: ") };
    format!("![{alt}](plots/{}.png)\n\n*{setting}{caption}*", plot.name)
}

/// Further plots of a kind, by what they stand for; empty where there are none.
fn linked(plots: &[&Captioned]) -> String {
    let link = |captioned: &&Captioned| {
        let picks = captioned.choice.iter().flat_map(|choice| &choice.picks);
        let picks: Vec<String> = picks.map(|(name, value)| format!("{name} {value}")).collect();
        format!("[{}](plots/{}.png)", picks.join(", ").replace(['[', ']', '\n'], " "), captioned.plot.name)
    };
    let links: Vec<String> = plots.iter().map(link).collect();
    if links.is_empty() { String::new() } else { format!("Others: {}.", links.join(" · ")) }
}

fn boards(comparison: &Comparison, lines: &mut Vec<String>) {
    if comparison.boards.is_empty() {
        return;
    }
    lines.push("## Leaderboard".to_string());
    lines.push(format!("Sorted by {} on the test part; lower is better.", comparison.objective_title()));
    lines.extend(tables::overview(comparison).map(|overview| table(&overview)));
    let notes = notes::reading_notes(comparison);
    let notes: Vec<String> = notes.iter().map(|note| format!("- {note}")).collect();
    for board in &comparison.boards {
        if !board.title.is_empty() {
            lines.push(format!("### {}", board.title));
        }
        lines.extend(notes::missing_files(board));
        if !board.rows.is_empty() {
            let metric = comparison.objective.metric.as_str();
            lines.push(table(&tables::leaderboard(board, metric)));
        }
        for Target { name, unit } in tables::targets(board) {
            let unit = match unit_beside(&name, &unit) {
                "" => String::new(),
                unit => format!(" in {unit}"),
            };
            lines.push(format!(
                "Test errors of `{name}`{unit}; skill is relative to the naive baseline with the lowest MAE:"
            ));
            lines.push(table(&tables::errors(board, &name)));
        }
        for section in sections(board) {
            lines.push(format!("#### {}", section.title));
            lines.push(section.note.clone());
            for (caption, data) in &section.tables {
                lines.push(format!("{caption}:"));
                lines.push(table(data));
            }
        }
    }
    lines.push("### How to read it".to_string());
    lines.push(notes.join("\n"));
}

fn claims_section(comparison: &Comparison, lines: &mut Vec<String>) {
    if comparison.claims.is_empty() {
        return;
    }
    lines.push("## Claims".to_string());
    lines.push(format!("{}.", tally(&comparison.claims)));
    lines.push(table(&claims::table(&comparison.claims)));
    let reasons: Vec<String> =
        claims::reasons(&comparison.claims).iter().map(|sentence| format!("- {sentence}")).collect();
    lines.push(reasons.join("\n"));
}

fn unfinished(comparison: &Comparison, lines: &mut Vec<String>) {
    let all = comparison.unfinished().count();
    if all == 0 {
        return;
    }
    let RunTable { table: runs, folded } = tables::unfinished_runs(comparison);
    lines.push("## Runs that are not done".to_string());
    if !runs.rows.is_empty() {
        lines.push(table(&runs));
    }
    if folded > 0 {
        lines.push(format!("{} not shown.", counted(folded, "more run")));
    }
    let not_started = all - runs.rows.len() - folded;
    if not_started > 0 {
        lines.push(format!("{} not started yet.", counted(not_started, "run")));
    }
}

fn reproduce(comparison: &Comparison, lines: &mut Vec<String>) {
    let experiment = &comparison.experiment;
    lines.push("## Reproduce".to_string());
    lines.push(fenced("sh", &experiment.command));
    lines.push(card(&reproduction(comparison)));
    lines.push(format!(
        "<details><summary>The experiment file</summary>\n\n{}\n\n</details>",
        fenced("toml", &experiment.text)
    ));
}

/// A code block whose fence is longer than any run of backticks within.
fn fenced(language: &str, text: &str) -> String {
    let mut fence = "```".to_string();
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}{language}\n{}\n{fence}", text.trim_end())
}

fn card(entries: &[CardEntry]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let rows = entries.iter().map(|entry| {
        let values: Vec<String> = entry.values.iter().map(|value| escaped(value)).collect();
        format!("| {} | {} |", entry.label, values.join("<br>"))
    });
    let head = ["| | |".to_string(), "|---|---|".to_string()];
    head.into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

pub(super) fn table(table: &ReportTable) -> String {
    let row = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let rule = (0..table.headers.len())
        .map(|index| if index < table.text_columns { "---" } else { "---:" })
        .collect::<Vec<_>>()
        .join("|");
    let mut lines = vec![row(table.headers.iter().map(|name| escaped(name)).collect()), format!("|{rule}|")];
    lines.extend(
        table
            .rows
            .iter()
            .map(|cells| row(cells.cells.iter().map(|cell| cell_text(cell, cells.winner)).collect())),
    );
    lines.join("\n")
}

fn cell_text(cell: &TableCell, strong: bool) -> String {
    let mut text = escaped(&cell.whole_text());
    if (strong || cell.best) && text != "-" {
        text = format!("**{text}**");
    }
    if !cell.marks.is_empty() {
        text = format!("{text} ({})", cell.marks.join(", "));
    }
    text
}

/// Text escaped for a cell: a bar would end the cell, a line break the table. In code, which is in backticks, only bars
/// are escaped.
fn escaped(text: &str) -> String {
    let text = text.lines().collect::<Vec<_>>().join("<br>");
    let pieces = text.split('`').enumerate().map(|(index, piece)| {
        let prose = index % 2 == 0;
        let piece = if prose {
            piece.replace('\\', "\\\\").replace('<', "&lt;").replace("&lt;br>", "<br>").replace('_', "\\_")
        } else {
            piece.to_string()
        };
        piece.replace('|', "\\|")
    });
    pieces.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::figures;
    use super::*;
    use crate::compare::test_fixtures;

    fn text(comparison: &Comparison) -> String {
        render(
            comparison,
            &figures::draw(comparison, Path::new("no/such/folder"), crate::report::PlotSet::Full),
        )
    }

    #[test]
    fn every_table_has_as_many_cells_in_each_row() {
        let text = text(&test_fixtures::comparison());
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        let mut tables = 0;
        for block in text.split("\n\n").filter(|block| block.trim_start().starts_with('|')) {
            let lines: Vec<&str> = block.trim().lines().collect();
            assert!(lines.iter().all(|line| cells(line) == cells(lines[0])), "{block}");
            tables += 1;
        }
        assert!(tables >= 6, "{tables} tables");
    }

    #[test]
    fn plots_are_linked_beside_the_text() {
        let text = text(&test_fixtures::comparison());
        assert!(text.contains("](plots/horizon-1-leaderboard.png)"));
        assert!(text.contains("](plots/horizon-12-learning-curves.png)"));
    }

    #[test]
    fn an_experiment_without_a_finished_run_still_gives_a_text() {
        assert!(text(&test_fixtures::unstarted()).contains("**No run is done"));
    }

    #[test]
    fn text_in_a_cell_is_escaped_but_for_its_code() {
        assert_eq!(
            escaped("a_b | <i>\nnext `next_request | x`"),
            "a\\_b \\| &lt;i><br>next `next_request \\| x`"
        );
    }

    #[test]
    fn a_fence_is_longer_than_any_within() {
        assert_eq!(fenced("sh", "a ``` b"), "````sh\na ``` b\n````");
    }
}
