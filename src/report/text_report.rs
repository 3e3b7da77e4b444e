//! The report as plain text in ruled sections, for terminals, mails and log files.

use std::path::Path;

use super::data_card::{Fact, data_card, is_synthetic};
use super::tables::{self, ReportTable};
use super::{claims, notes};
use crate::compare::claims::tally;
use crate::compare::{Board, Comparison};
use crate::dataset::read_predictions;
use crate::store::run_folder;
use crate::text::{number, table as console_table};

/// Characters of a line of prose and of a rule; tables may be wider.
const WIDTH: usize = 100;
/// Column at which values begin.
const VALUES: usize = 17;
/// Forecasts that are listed beside what came.
const SAMPLE: usize = 10;

/// Renders the report; predictions are read from below `results`.
pub fn render(comparison: &Comparison, results: &Path) -> String {
    let experiment = &comparison.experiment;
    let mut lines = vec!["=".repeat(WIDTH), "PREDICTION REPORT".to_string(), "=".repeat(WIDTH)];
    let mut about = vec![Fact::new("Experiment", experiment.name.clone())];
    about.extend(experiment.description.iter().map(|description| Fact::new("About", description.clone())));
    about.push(Fact::new("Last run", experiment.updated_at.clone()));
    about.push(Fact::new("Runs", notes::what_was_tried(comparison)));
    facts(&about, &mut lines);
    section("DATA", &mut lines);
    if is_synthetic(comparison) {
        lines.push("The data are synthetic: no row of them is real.".to_string());
    }
    facts(&data_card(comparison), &mut lines);
    for board in &comparison.boards {
        let title =
            if board.title.is_empty() { String::new() } else { format!(": {}", board.title.to_uppercase()) };
        section(&format!("RESULTS{title}"), &mut lines);
        wrap("", &board.headline(&comparison.objective_title()), 0, &mut lines);
        lines.push(String::new());
        lines.push(set(&tables::leaderboard(board, comparison.objective.metric.as_str())));
        predictions(board, results, &mut lines);
    }
    if comparison.boards.is_empty() {
        section("RESULTS", &mut lines);
        lines.push("No run is done: there is nothing to compare.".to_string());
    }
    if !comparison.claims.is_empty() {
        section("CLAIMS", &mut lines);
        lines.push(set(&claims::table(&comparison.claims)));
        for sentence in claims::reasons(&comparison.claims) {
            wrap("- ", &sentence, 2, &mut lines);
        }
        lines.push(tally(&comparison.claims));
    }
    let (unfinished, folded) = tables::unfinished_runs(comparison);
    if !unfinished.rows.is_empty() {
        section("RUNS THAT ARE NOT DONE", &mut lines);
        lines.push(set(&unfinished));
        if folded > 0 {
            lines.push(format!("and {folded} more"));
        }
    }
    section("HOW TO READ IT", &mut lines);
    for note in notes::reading_notes(comparison) {
        wrap("- ", &plain(&note), 2, &mut lines);
    }
    section("REPRODUCE", &mut lines);
    facts(&[Fact::new("Command", experiment.command.clone())], &mut lines);
    facts(&notes::reproduction(comparison), &mut lines);
    lines.push("=".repeat(WIDTH));
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

fn section(title: &str, lines: &mut Vec<String>) {
    lines.extend([String::new(), title.to_string(), "-".repeat(WIDTH)]);
}

fn facts(facts: &[Fact], lines: &mut Vec<String>) {
    for fact in facts {
        for (index, value) in fact.values.iter().enumerate() {
            let label = if index == 0 { format!("{}:", fact.label) } else { String::new() };
            wrap(&format!("{label:<VALUES$}"), &plain(value), VALUES, lines);
        }
    }
}

/// Sets text after `start`, broken at spaces; further lines begin at `indent`.
fn wrap(start: &str, text: &str, indent: usize, lines: &mut Vec<String>) {
    let mut line = start.to_string();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
}

/// Code needs no backticks here.
fn plain(text: &str) -> String {
    text.replace('`', "")
}

/// A table with its marks in brackets.
fn set(table: &ReportTable) -> String {
    let headers: Vec<&str> = table.headers.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = table
        .rows
        .iter()
        .map(|row| {
            let cells = row.cells.iter().map(|cell| {
                let text = cell.text.replace('\n', " ");
                if cell.marks.is_empty() { text } else { format!("{text} ({})", cell.marks.join(", ")) }
            });
            cells.collect()
        })
        .collect();
    let numeric: Vec<usize> = (table.text_columns..headers.len()).collect();
    console_table(&headers, &rows, &numeric)
}

/// The last forecasts of the best model on the test part, one step ahead, beside what came.
fn predictions(board: &Board, results: &Path, lines: &mut Vec<String>) {
    let Some(row) = board.rows.first() else { return };
    let read = row.run_ids.first().map(|run_id| run_folder(results, run_id).join("predictions.parquet"));
    let Some(table) = read.and_then(|path| read_predictions(&path).ok()) else { return };
    let rows: Vec<usize> =
        (0..table.part.len()).filter(|&row| table.part[row] == "test" && table.ahead[row] == 1).collect();
    let last = &rows[rows.len().saturating_sub(SAMPLE)..];
    let targets = tables::targets(board);
    let shown: Vec<(usize, &String)> =
        table.targets.iter().enumerate().take(super::figures::MOST_TARGETS).collect();
    let mut headers = vec!["time_s".to_string()];
    for (_, name) in &shown {
        let unit = targets.iter().find(|(other, _)| other == *name).map_or("", |(_, unit)| unit.as_str());
        let unit = if unit.is_empty() { String::new() } else { format!(" ({unit})") };
        headers.extend([format!("{name}{unit}"), "forecast".to_string(), "error".to_string()]);
    }
    let cells = last.iter().map(|&row| {
        let of_target = shown.iter().flat_map(|(target, _)| {
            let (actual, forecast) = (table.actual[*target][row], table.forecast[*target][row]);
            [number(actual), number(forecast), number(forecast - actual)]
        });
        std::iter::once(number(table.time_s[row])).chain(of_target).collect()
    });
    let cells: Vec<Vec<String>> = cells.collect();
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let numeric: Vec<usize> = (0..headers.len()).collect();
    lines.push(String::new());
    lines.push(format!("Last forecasts of {} on the test part, one step ahead:", row.label));
    lines.push(console_table(&headers, &cells, &numeric));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::test_fixtures;

    #[test]
    fn the_text_holds_every_section_and_no_markup() {
        let text = render(&test_fixtures::comparison(), Path::new("no/such/folder"));
        for part in [
            "PREDICTION REPORT",
            "no row of them is real",
            "RESULTS: HORIZON 12",
            "CLAIMS",
            "it stops early & often",
            "RUNS THAT ARE NOT DONE",
            "the loss | is not finite",
            "burstlab run experiments/sample.toml",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains('`'), "{text}");
    }

    #[test]
    fn prose_is_broken_at_spaces_and_keeps_its_indent() {
        let mut lines = Vec::new();
        wrap("- ", &"word ".repeat(30), 2, &mut lines);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("- word") && lines[1].starts_with("  word"), "{lines:?}");
        assert!(lines.iter().all(|line| line.len() <= WIDTH));
        wrap("", &"x".repeat(2 * WIDTH), 0, &mut lines);
        assert_eq!(lines[2].len(), 2 * WIDTH, "a word is never cut");
    }

    #[test]
    fn an_experiment_without_a_finished_run_still_gives_a_text() {
        let text = render(&test_fixtures::unstarted(), Path::new("no/such/folder"));
        assert!(text.contains("No run is done"));
    }
}
