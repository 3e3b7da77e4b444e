//! `burstlab claims`: reported against reproduced.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::OutputFormat;
use super::console::Console;
use super::exit_code::Exit;
use crate::compare::claims::{Judgement, judge, tally, to_json};
use crate::files::write_whole;
use crate::report::claims;
use crate::store::{Store, results_folder};
use crate::text::table;

#[derive(Debug, Args)]
pub(super) struct ClaimsArgs {
    /// Name of the experiment; all that have claims without it
    experiment: Option<String>,
    /// Also write the verdicts as a JUnit XML file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// How they are printed
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
}

pub(super) fn claims(args: &ClaimsArgs, console: Console) -> anyhow::Result<Exit> {
    let mut store = Store::open_read_only(&results_folder())?;
    let names = match &args.experiment {
        Some(name) => vec![store.experiment(name)?.name],
        None => store.claiming_experiments()?,
    };
    let mut judged = Vec::new();
    for name in names {
        let judgements = judge(&mut store, &name)?;
        judged.push((name, judgements));
    }
    if let Some(path) = &args.junit {
        write_whole(path, claims::junit(&judged).as_bytes())?;
    }
    match args.format {
        OutputFormat::Json => {
            let list: Vec<_> = judged
                .iter()
                .map(|(name, judgements)| json!({ "experiment": name, "claims": to_json(judgements) }))
                .collect();
            console.result(&json!(list).to_string());
        }
        OutputFormat::Human => {
            if judged.iter().all(|(_, judgements)| judgements.is_empty()) {
                console
                    .note("no experiment here has claims; an experiment file states them under [[claims]]");
            }
            for (name, judgements) in judged.iter().filter(|(_, judgements)| !judgements.is_empty()) {
                console.result(&format!("{name}\n{}", to_text(judgements)));
            }
        }
    }
    let surprise = judged.iter().any(|(_, judgements)| judgements.iter().any(Judgement::is_surprise));
    Ok(if surprise { Exit::Refuted } else { Exit::Ok })
}

/// The claims as a table for the terminal, with what is to be said about them.
pub(super) fn to_text(judgements: &[Judgement]) -> String {
    let list = claims::table(judgements);
    let headers: Vec<&str> = list.headers.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = list
        .rows
        .iter()
        .map(|row| {
            let marked = |cell: &crate::report::Cell| match cell.marks.as_slice() {
                [] => cell.text.clone(),
                marks => format!("{} ({})", cell.text, marks.join(", ")),
            };
            row.cells.iter().map(marked).collect()
        })
        .collect();
    let numeric: Vec<usize> = (list.text_columns..headers.len()).collect();
    let mut lines = vec![table(&headers, &rows, &numeric)];
    lines.extend(claims::reasons(judgements));
    lines.push(tally(judgements));
    lines.join("\n")
}
