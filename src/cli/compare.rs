//! `burstlab compare`: the leaderboard of an experiment, several things beside each other, or an experiment over time.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::console::Console;
use super::usage;
use crate::compare::{Comparison, History, SideBySide};
use crate::files::{Existing, OutputFile, begins_with};
use crate::report::{ComparisonSheet, terminal_text};
use crate::store::{Store, results_folder, store_files};
use crate::system::exit_code::Exit;

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// One experiment for its leaderboard: NAME, NAME@2 for its second revision, or NAME@all for its history. Or several things
    /// to compare with the first one: revisions, models of them such as NAME@2:lstm, runs by the first characters of their IDs
    #[arg(required = true, value_name = "WHAT")]
    references: Vec<String>,
    /// Output format
    #[arg(long, value_enum, default_value = "human")]
    format: CompareFormat,
    /// Write it to a file: .html for a page with plots, .md, .json or .txt
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file also if it is no older comparison
    #[arg(long, requires = "output")]
    force: bool,
}

/// How a comparison is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompareFormat {
    /// Text for people.
    Human,
    /// One JSON document.
    Json,
    /// Markdown.
    Markdown,
    /// A page with plots, for a file.
    #[value(skip)]
    Page,
}

pub(super) fn compare(args: &CompareArgs, console: Console) -> anyhow::Result<Exit> {
    let results = results_folder();
    let existing = Existing::forced(args.force, Existing::ReplaceIf(is_comparison));
    let output = args.output.as_deref();
    let format = output.map_or(Ok(args.format), format_of)?;
    let output = output.map(|path| OutputFile::new(path, &store_files(&results), existing)).transpose()?;
    let mut store = Store::open_read_only(&results)?;
    // A file has lines of the length of a report's.
    let width = if output.is_some() { 100 } else { console.width() };
    let text = match args.references.as_slice() {
        [one] if store.names_all_revisions(one)? => {
            let revisions = store.revisions(one)?;
            let history = History::read(&mut store, revisions)?;
            rendered(format, &ComparisonSheet::of_history(&history)?, &history.to_json(), width)
        }
        [one] => leaderboard(&mut store, &results, one, format, width)?,
        several => {
            let compared = SideBySide::read(&mut store, &results, several)?;
            rendered(format, &ComparisonSheet::of(&compared)?, &compared.to_json(), width)
        }
    };
    match &output {
        Some(output) => {
            output.write_bytes(text.as_bytes())?;
            console.note(&format!("wrote {}", output.path().display()));
        }
        None => console.result(&text),
    }
    Ok(Exit::Ok)
}

fn rendered(format: CompareFormat, layout: &ComparisonSheet, json: &Value, width: usize) -> String {
    match format {
        CompareFormat::Human => layout.to_text(width),
        CompareFormat::Json => json.to_string(),
        CompareFormat::Markdown => layout.to_markdown(),
        CompareFormat::Page => layout.to_page(),
    }
}

fn leaderboard(
    store: &mut Store,
    results: &Path,
    reference: &str,
    format: CompareFormat,
    width: usize,
) -> anyhow::Result<String> {
    let comparison = Comparison::read(store, results, reference)?;
    match format {
        CompareFormat::Human => Ok(terminal_text(&comparison, width)),
        CompareFormat::Json => Ok(comparison.to_json().to_string()),
        CompareFormat::Markdown | CompareFormat::Page => Err(usage(format!(
            "the leaderboard of one experiment comes as text or JSON; `burstlab report {reference}` writes it as Markdown and as a \
             page, and a second thing to compare gives a comparison in any format"
        ))),
    }
}

fn format_of(path: &Path) -> anyhow::Result<CompareFormat> {
    match path.extension().and_then(|end| end.to_str()) {
        Some("html") => Ok(CompareFormat::Page),
        Some("md") => Ok(CompareFormat::Markdown),
        Some("json") => Ok(CompareFormat::Json),
        Some("txt") => Ok(CompareFormat::Human),
        _ => Err(usage(format!(
            "cannot tell the format of {} from its name; let it end in .html, .md, .json or .txt",
            path.display()
        ))),
    }
}

/// Whether a file is an older comparison.
fn is_comparison(path: &Path) -> bool {
    let is_page = || std::fs::read_to_string(path).is_ok_and(|text| text.contains("burstlab comparison"));
    begins_with(path, "{\"references\":")
        || begins_with(path, "# ")
        || begins_with(path, "Settings that differ")
        || is_page()
}
