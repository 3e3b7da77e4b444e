//! `burstlab diff`: how two revisions differ, in their files and in their results.

use clap::Args;
use serde_json::json;
use similar::TextDiff;

use super::OutputFormat;
use super::console::Console;
use crate::compare::SideBySide;
use crate::report::ComparisonSheet;
use crate::store::{RevisionRow, Store, results_folder};
use crate::system::exit_code::Exit;

/// Lines of the file that are shown around a change.
const CONTEXT: usize = 3;

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The revision to start from: NAME@1
    from: String,
    /// The revision that it became: NAME@2, or NAME for the latest
    to: String,
    /// Output format
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
}

pub(super) fn diff(args: &DiffArgs, console: Console) -> anyhow::Result<Exit> {
    let results = results_folder();
    let mut store = Store::open_read_only(&results)?;
    let (from, to) = (store.revision(&args.from)?, store.revision(&args.to)?);
    let (from_text, to_text) = (whole_text(&from)?, whole_text(&to)?);
    let changes = TextDiff::from_lines(&from_text, &to_text);
    let changes = changes
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&from.id().to_string(), &to.id().to_string())
        .to_string();
    let references = [from.id().to_string(), to.id().to_string()];
    // One of the two may have no result yet.
    let compared = SideBySide::read(&mut store, &results, &references);
    match args.format {
        OutputFormat::Human => {
            let files = if changes.is_empty() {
                format!("{} and {} have the same file and the same overrides", references[0], references[1])
            } else {
                changes
            };
            let results = match compared {
                Ok(compared) => ComparisonSheet::of(&compared)?.to_text(console.width()),
                Err(error) => format!("no results to compare: {error}"),
            };
            console.result(&format!("{files}\n\n{results}"));
        }
        OutputFormat::Json => {
            let (results, error) = match compared {
                Ok(compared) => (compared.to_json(), None),
                Err(error) => (serde_json::Value::Null, Some(error.to_string())),
            };
            let shown = json!({ "from": references[0], "to": references[1], "file": changes, "results": results,
                                "no_results": error });
            console.result(&shown.to_string());
        }
    }
    Ok(Exit::Ok)
}

/// The whole file of a revision, and its overrides as they are typed.
fn whole_text(revision: &RevisionRow) -> anyhow::Result<String> {
    let overrides = revision.override_list()?;
    let mut text = revision.text.clone();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.extend(overrides.iter().map(|set| format!("# --set {set}\n")));
    Ok(text)
}
