//! `burstlab claims`: reported results beside reproduced ones.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::OutputFormat;
use super::console::Console;
use super::exit_code::Exit;
use crate::compare::claims::{self, Judgement};
use crate::files::write_whole;
use crate::report::claims::{claims_text, junit};
use crate::store::{Store, results_folder};

#[derive(Debug, Args)]
pub(super) struct ClaimsArgs {
    /// Name of the experiment; by default all experiments with claims
    experiment: Option<String>,
    /// Also write the verdicts as a JUnit XML file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Output format
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
        let judgements = claims::judge(&mut store, &name)?;
        judged.push((name, judgements));
    }
    if let Some(path) = &args.junit {
        write_whole(path, junit(&judged).as_bytes())?;
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
