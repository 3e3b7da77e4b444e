//! `burstlab claims`: reported results beside reproduced ones.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::OutputFormat;
use super::console::Console;
use crate::compare::claims::{self, Judgement};
use crate::files::{Existing, OutputFile, begins_with};
use crate::report::claims::{claims_text, junit};
use crate::store::{Store, results_folder, store_files};
use crate::system::exit_code::Exit;

#[derive(Debug, Args)]
pub(super) struct ClaimsArgs {
    /// Name of the experiment; by default all experiments with claims
    experiment: Option<String>,
    /// Also write the verdicts as a JUnit XML file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// With --junit, replace the file also if it is no XML
    #[arg(long, requires = "junit")]
    force: bool,
    /// Output format
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
}

pub(super) fn claims(args: &ClaimsArgs, console: Console) -> anyhow::Result<Exit> {
    let results = results_folder();
    let existing = Existing::forced(args.force, Existing::ReplaceIf(|path| begins_with(path, "<?xml")));
    let junit_file = args.junit.as_deref();
    let junit_file =
        junit_file.map(|path| OutputFile::new(path, &store_files(&results), existing)).transpose()?;
    let mut store = Store::open_read_only(&results)?;
    let names = match &args.experiment {
        Some(name) => vec![name.clone()],
        None => store.claiming_experiments()?,
    };
    let mut judged = Vec::new();
    for name in names {
        for revision in store.revisions(&name)? {
            let judgements = claims::judge(&mut store, &revision.id())?;
            judged.push((revision.reference(), judgements));
        }
    }
    if let Some(file) = &junit_file {
        file.write_bytes(junit(&judged).as_bytes())?;
    }
    match args.format {
        OutputFormat::Json => {
            let list: Vec<_> = judged
                .iter()
                .map(
                    |(name, judgements)| json!({ "experiment": name, "claims": claims::to_json(judgements) }),
                )
                .collect();
            console.result(&json!(list).to_string());
        }
        OutputFormat::Human => {
            if judged.iter().all(|(_, judgements)| judgements.is_empty()) {
                console.note("no experiment here has claims; experiment files state them under [[claims]]");
            }
            for (name, judgements) in judged.iter().filter(|(_, judgements)| !judgements.is_empty()) {
                console.result(&format!("{name}\n{}", claims_text(judgements, console.width())));
            }
        }
    }
    let surprise = judged.iter().any(|(_, judgements)| judgements.iter().any(Judgement::is_surprise));
    Ok(if surprise { Exit::Refuted } else { Exit::Ok })
}
