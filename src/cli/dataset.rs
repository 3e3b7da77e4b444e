//! `burstlab dataset`: lists, fetches, inspects, cleans and synthesises traces.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::clean::{CleanArgs, clean};
use super::console::Console;
use super::source_args::SourceArgs;
use super::{OutputFormat, usage};
use crate::dataset::{
    Fetched, Inspection, SYNTHETIC, catalog, copy_compiled_in, dataset_folder, fetch, inspect, synthetic,
};
use crate::files::{Existing, OutputFile, begins_with};
use crate::report::{inspection_page, inspection_text};
use crate::spec::ColumnsSpec;
use crate::system::exit_code::Exit;
use crate::text::{nearest, number, table};

/// More requests a second than one service gets, but as many as seconds that are read as milliseconds make of a few.
const SUSPICIOUS_RATE: f64 = 500.0;

#[derive(Debug, Args)]
pub(super) struct DatasetArgs {
    #[command(subcommand)]
    command: DatasetCommand,
}

#[derive(Debug, Subcommand)]
enum DatasetCommand {
    /// List the catalog, and which of its traces are on this machine
    List,
    /// Download a trace of the catalog into the dataset folder, and verify that it is the published file; the few that come
    /// with burstlab are written there without a download
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
        /// With --html, replace the file also if it is no page
        #[arg(long, requires = "html")]
        force: bool,
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
        /// Replace the file if it is there
        #[arg(long)]
        force: bool,
        /// Random seed; the built-in trace uses the default
        #[arg(long, default_value_t = synthetic::DEFAULT_SEED)]
        seed: u64,
    },
}

/// What is odd about the pace of requests, if it may come from a wrong unit of time.
fn doubt_about_unit(inspection: &Inspection, columns: Option<&ColumnsSpec>) -> Option<String> {
    let Inspection::Requests(statistics) = inspection else { return None };
    let rate = statistics.rows as f64 / statistics.span_s;
    let is_given = columns.is_some_and(|columns| columns.requests.is_some());
    (statistics.rows > 1 && statistics.span_s > 0.0 && rate > SUSPICIOUS_RATE).then(|| {
        let remedy = if is_given {
            "check timestamp_unit"
        } else {
            "if its timestamps are in another unit than its layout has, name the columns: --column timestamp=NAME \
             --column timestamp_unit=s --column request_tokens=NAME --column response_tokens=NAME, as in [dataset.columns]"
        };
        format!("note: {} requests a second on average are more than one service gets; {remedy}", number(rate))
    })
}

pub(super) fn dataset(args: &DatasetArgs, console: Console) -> anyhow::Result<Exit> {
    match &args.command {
        DatasetCommand::List => list(console)?,
        DatasetCommand::Fetch { name, url } => fetch_by_name(name, url.as_deref(), console)?,
        DatasetCommand::Inspect { source, format, html, force } => {
            let found = source.find()?;
            let file = found.name();
            let existing =
                Existing::forced(*force, Existing::ReplaceIf(|path| begins_with(path, "<!doctype html")));
            let page = html.as_deref().map(|page| OutputFile::new(page, &[PathBuf::from(&file)], existing));
            let page = page.transpose()?;
            let trace = source.read(&found)?;
            let inspection = inspect(&trace);
            if let Some(page) = &page {
                page.write_bytes(inspection_page(&file, &inspection)?.as_bytes())?;
                console.note(&format!("wrote {}", page.path().display()));
            }
            if let Some(doubt) = doubt_about_unit(&inspection, source.columns()?.as_ref()) {
                console.note(&doubt);
            }
            match format {
                OutputFormat::Human => console.result(&inspection_text(&file, &inspection, console.width())),
                OutputFormat::Json => console.result(&serde_json::to_string(&inspection)?),
            }
        }
        DatasetCommand::Clean(args) => clean(args, console)?,
        DatasetCommand::Synth { rows, out, force, seed } => {
            let output = OutputFile::new(out, &[], Existing::forced(*force, Existing::Keep))?;
            synthesise(*rows, *seed, &output)?;
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
        let status = if dataset_folder().join(&entry.file).is_file() {
            "here"
        } else if entry.compiled_in().is_some() {
            "comes along"
        } else {
            "not here"
        };
        rows.push(vec![
            entry.name,
            status.to_string(),
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
    let fetched = if let (None, Some(bytes)) = (url, entry.compiled_in()) {
        copy_compiled_in(entry, bytes, &dataset_folder())?
    } else {
        let bar = console.download();
        let url = url.unwrap_or(&entry.url);
        fetch(entry, url, &dataset_folder(), &mut |bytes, total| bar.at(bytes, total))?
    };
    match fetched {
        Fetched::AlreadyHere(path) => {
            console.note(&format!("{} is already here and is the published file", path.display()));
        }
        Fetched::Copied(path) => console.note(&format!(
            "wrote {}, which comes with burstlab ({})\nlicence: {}\ncite: {}",
            path.display(),
            entry.title,
            entry.licence,
            entry.citation
        )),
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

fn synthesise(rows: u64, seed: u64, output: &OutputFile) -> anyhow::Result<()> {
    let rows = usize::try_from(rows).context("too many rows")?;
    output.write(|file| {
        let mut writer = BufWriter::new(file);
        synthetic::write_csv(rows, seed, &mut writer)?;
        Ok(writer.flush()?)
    })
}
