//! `burstlab dataset`: lists, fetches, inspects, cleans and synthesises traces.

use std::fs::Permissions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};

use super::clean::{CleanArgs, clean};
use super::console::Console;
use super::exit_code::Exit;
use super::{OutputFormat, usage};
use crate::dataset::{
    Fetched, PrepareError, SYNTHETIC, Trace, TraceSource, catalog, dataset_folder, fetch, find_source,
    inspect, read_trace_as, synthetic,
};
use crate::files::write_whole;
use crate::report::{inspection_page, inspection_text};
use crate::spec::ColumnsSpec;
use crate::text::{nearest, table};

#[derive(Debug, Args)]
pub(super) struct DatasetArgs {
    #[command(subcommand)]
    command: DatasetCommand,
}

#[derive(Debug, Subcommand)]
enum DatasetCommand {
    /// List the catalog, and which of its traces are on this machine
    List,
    /// Download a trace of the catalog into the dataset folder, and verify that it is the published file
    Fetch {
        /// Its name in the catalog
        name: String,
        /// Download from here instead
        #[arg(long, hide = true)]
        url: Option<String>,
    },
    /// Show the contents of a trace: rows, span, gaps, tokens, bursts, load over time, and what cleaning would change
    Inspect {
        #[command(flatten)]
        source: SourceArgs,
        /// Output format
        #[arg(long, value_enum, default_value = "human")]
        format: OutputFormat,
        /// Also write a page with plots to this file
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Write a cleaned copy of a trace of requests, and report what was dropped and moved
    Clean(CleanArgs),
    /// Write the synthetic BurstGPT-like trace as CSV
    Synth {
        /// Number of requests
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        rows: u64,
        /// The file to write
        #[arg(long)]
        out: PathBuf,
        /// Random seed; the built-in trace uses the default
        #[arg(long, default_value_t = synthetic::DEFAULT_SEED)]
        seed: u64,
    },
}

/// A trace and the roles of its columns.
#[derive(Debug, Args)]
pub(super) struct SourceArgs {
    /// A file, or a name in the catalog
    source: String,
    /// A column of a file in a layout of its own, as in `[dataset.columns]`: timestamp=at, timestamp_unit=ms,
    /// request_tokens=prompt, response_tokens=answer, llm=model, log_type=kind; or how a CSV file is written:
    /// separator=;, decimal_comma=true
    #[arg(long = "column", value_name = "ROLE=NAME")]
    columns: Vec<String>,
}

impl SourceArgs {
    /// Finds and reads the trace; also returns its path.
    pub(super) fn read(&self) -> anyhow::Result<(PathBuf, Trace)> {
        let path = match find_source(&self.source) {
            Ok(TraceSource::File(path)) => path,
            Ok(TraceSource::Synthetic) => {
                return Err(usage(format!(
                    "`{SYNTHETIC}` is not a file; write one with `burstlab dataset synth`"
                )));
            }
            Err(missing) => return Err(usage(format!("{}; {}", missing.message, missing.help))),
        };
        let trace = read_trace_as(&path, self.columns()?.as_ref()).map_err(|error| match error {
            PrepareError::Trace(error) => error.into(),
            error => usage(format!("{error}; {}", error.help())),
        })?;
        Ok((path, trace))
    }

    fn columns(&self) -> anyhow::Result<Option<ColumnsSpec>> {
        if self.columns.is_empty() {
            return Ok(None);
        }
        let mut table = toml::Table::new();
        for column in &self.columns {
            let (role, name) = column
                .split_once('=')
                .ok_or_else(|| usage(format!("`--column {column}` names no column; give ROLE=NAME")))?;
            let value = match (role, name.parse()) {
                ("decimal_comma", Ok(decimal_comma)) => toml::Value::Boolean(decimal_comma),
                _ => name.into(),
            };
            table.insert(role.to_string(), value);
        }
        let columns: ColumnsSpec = table.try_into().map_err(|error| {
            usage(format!("--column: {}", error.to_string().trim_end().replace('\n', " ")))
        })?;
        Ok(Some(columns))
    }
}

pub(super) fn dataset(args: &DatasetArgs, console: Console) -> anyhow::Result<Exit> {
    match &args.command {
        DatasetCommand::List => list(console)?,
        DatasetCommand::Fetch { name, url } => fetch_by_name(name, url.as_deref(), console)?,
        DatasetCommand::Inspect { source, format, html } => {
            let (path, trace) = source.read()?;
            let file = path.display().to_string();
            let inspection = inspect(&trace);
            if let Some(page) = html {
                write_whole(page, inspection_page(&file, &inspection)?.as_bytes())?;
                console.note(&format!("wrote {}", page.display()));
            }
            match format {
                OutputFormat::Human => console.result(&inspection_text(&file, &inspection, console.width())),
                OutputFormat::Json => console.result(&serde_json::to_string(&inspection)?),
            }
        }
        DatasetCommand::Clean(args) => clean(args, console)?,
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
        "Synthetic; imitates published statistics of BurstGPT".to_string(),
    ]];
    for entry in catalog()? {
        let present = dataset_folder().join(&entry.file).is_file();
        rows.push(vec![
            entry.name,
            if present { "here" } else { "not here" }.to_string(),
            entry.bytes.map_or("-".to_string(), |bytes| format!("{:.1}", bytes as f64 / 1e6)),
            entry.licence,
            entry.title,
        ]);
    }
    console.result(&table(&["name", "status", "MB", "licence", "description"], &rows, &[2], console.width()));
    let folder = dataset_folder();
    console.note(&format!("files are read from {} (change it with BURSTLAB_DATASET)", folder.display()));
    Ok(())
}

fn fetch_by_name(name: &str, url: Option<&str>, console: Console) -> anyhow::Result<()> {
    if name == SYNTHETIC {
        return Err(usage(format!("`{SYNTHETIC}` is built in; there is nothing to fetch")));
    }
    let entries = catalog()?;
    let Some(entry) = entries.iter().find(|entry| entry.name == name) else {
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        let hint = nearest(name, names.iter().copied());
        let hint = hint.map_or(String::new(), |name| format!("did you mean `{name}`? "));
        return Err(usage(format!(
            "there is no dataset `{name}` in the catalog; {hint}the catalog has: {}",
            names.join(", ")
        )));
    };
    let url = url.unwrap_or(&entry.url);
    let bar = console.download();
    let fetched = fetch(entry, url, &dataset_folder(), &mut |bytes, total| bar.at(bytes, total));
    drop(bar);
    match fetched? {
        Fetched::AlreadyHere(path) => {
            console.note(&format!("{} is already here and is the published file", path.display()));
        }
        Fetched::Downloaded(path) => console.note(&format!(
            "downloaded {} ({})\nlicence: {}\ncite: {}",
            path.display(),
            entry.title,
            entry.licence,
            entry.citation
        )),
        Fetched::Unverified(path, sha256) => console.note(&format!(
            "warning: unverified: the catalog has no hash of {}; {} has the SHA-256 {sha256}: compare it with a copy that \
             you trust\nlicence: {}\ncite: {}",
            entry.name,
            path.display(),
            entry.licence,
            entry.citation
        )),
    }
    Ok(())
}

/// Writes under a temporary name first, so that a file with the final name is complete.
fn synthesise(rows: u64, seed: u64, out: &Path) -> anyhow::Result<()> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = || format!("cannot write {}", out.display());
    // Temporary files are private to their owner, but this one becomes an ordinary file.
    let draft = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .with_context(failed)?;
    let mut writer = BufWriter::new(draft);
    synthetic::write_csv(usize::try_from(rows).with_context(failed)?, seed, &mut writer)
        .with_context(failed)?;
    writer.flush().with_context(failed)?;
    let draft = writer.into_inner().map_err(std::io::IntoInnerError::into_error).with_context(failed)?;
    draft.persist(out).map_err(|error| error.error).with_context(failed)?;
    Ok(())
}
