//! `burstlab dataset`: what traces there are, and what is in one.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::{OutputFormat, usage};
use crate::console::{Console, table};
use crate::dataset::{
    SYNTHETIC, Source, catalog, dataset_folder, find_source, inspect, read_trace, synthetic,
};
use crate::exit_code::Exit;

#[derive(Debug, Args)]
pub(super) struct DatasetArgs {
    #[command(subcommand)]
    command: DatasetCommand,
}

#[derive(Debug, Subcommand)]
enum DatasetCommand {
    /// The catalog, and what of it is on this machine
    List,
    /// What is in a trace: rows, span, gaps, tokens, bursts, and what cleaning would change
    Inspect {
        /// A file, or a name of the catalog
        source: String,
        /// How it is printed
        #[arg(long, value_enum, default_value = "human")]
        format: OutputFormat,
    },
    /// Write the synthetic BurstGPT-like trace as CSV
    Synth {
        /// Number of requests
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        rows: u64,
        /// The file to write
        #[arg(long)]
        out: PathBuf,
        /// Seed; the built-in trace has the default one
        #[arg(long, default_value_t = synthetic::DEFAULT_SEED)]
        seed: u64,
    },
}

pub(super) fn dataset(args: &DatasetArgs, console: Console) -> anyhow::Result<Exit> {
    match &args.command {
        DatasetCommand::List => list(console)?,
        DatasetCommand::Inspect { source, format } => {
            let path = match find_source(source) {
                Ok(Source::File(path)) => path,
                Ok(Source::Synthetic) => {
                    return Err(usage(format!(
                        "`{SYNTHETIC}` has no file; write one with `burstlab dataset synth`"
                    )));
                }
                Err(missing) => return Err(usage(format!("{}; {}", missing.message, missing.help))),
            };
            let inspection = inspect(&read_trace(&path)?);
            match format {
                OutputFormat::Human => console.result(&inspection.to_text(&path.display().to_string())),
                OutputFormat::Json => console.result(&serde_json::to_string(&inspection)?),
            }
        }
        DatasetCommand::Synth { rows, out, seed } => {
            synthesise(*rows, *seed, out)?;
            console.note(&format!("wrote {rows} synthetic requests to {}", out.display()));
        }
    }
    Ok(Exit::Ok)
}

fn list(console: Console) -> anyhow::Result<()> {
    let mut rows = vec![vec![
        SYNTHETIC.to_string(),
        "built in".to_string(),
        "-".to_string(),
        "-".to_string(),
        "Synthetic, imitates published statistics of BurstGPT".to_string(),
    ]];
    for entry in catalog()? {
        let present = dataset_folder().join(&entry.file).is_file();
        rows.push(vec![
            entry.name,
            if present { "here" } else { "not here" }.to_string(),
            format!("{:.1}", entry.bytes as f64 / 1e6),
            entry.licence,
            entry.title,
        ]);
    }
    console.result(&table(
        &["name", "status", "MB", "licence", "what it is"],
        &rows,
        &[2],
    ));
    console.note(&format!(
        "files are looked for in {} (moved by BURSTLAB_DATASET)",
        dataset_folder().display()
    ));
    Ok(())
}

/// Writes under a temporary name first: a file that is there is whole.
fn synthesise(rows: u64, seed: u64, out: &PathBuf) -> anyhow::Result<()> {
    let folder = out
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(std::path::Path::new("."));
    let failed = || format!("cannot write {}", out.display());
    let draft = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    let mut writer = BufWriter::new(draft);
    synthetic::write_csv(usize::try_from(rows).with_context(failed)?, seed, &mut writer)
        .with_context(failed)?;
    writer.flush().with_context(failed)?;
    let draft = writer
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)
        .with_context(failed)?;
    draft
        .persist(out)
        .map_err(|error| error.error)
        .with_context(failed)?;
    Ok(())
}
