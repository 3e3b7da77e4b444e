//! The command line: what can be asked, and which module answers.
#![expect(clippy::doc_markdown, reason = "clap shows these comments as help, where backticks are noise")]

mod claims;
mod cleaning;
pub mod console;
mod dataset;
pub mod exit_code;
mod explain;
mod export;
mod follow;
mod gc;
mod inspection;
mod job;
mod merge;
mod outcome;
mod predict;
mod query;
mod report;
mod run;
mod runs;
mod show;
mod slurm;
mod watch;

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};

use crate::engine::local::serve;
use crate::spec::ExperimentError;
use crate::store::Refusal;
use crate::system::device::Placement;
use crate::{files, store};
use console::Console;
use exit_code::Exit;

/// Batch experiments that forecast LLM-serving workload.
///
/// Exit codes: 0 all well, 2 usage or invalid experiment, 3 some run failed, 4 a claim was refuted,
/// 5 interrupted or a budget spent, 1 anything else.
///
/// Results go to results/ (moved by BURSTLAB_RESULTS).
///
/// Traces are looked for in dataset/ (moved by BURSTLAB_DATASET).
///
/// Prepared data of large traces are kept in ~/.cache/burstlab/prepared (moved by BURSTLAB_CACHE, which may say off).
#[derive(Debug, Parser)]
#[command(name = "burstlab", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run experiments: plan, skip what is done, run the rest, write the report
    Run(run::RunArgs),
    /// List runs
    Runs(runs::RunsArgs),
    /// Show everything about one run
    Show(show::ShowArgs),
    /// Show how a running sweep stands, until it ends
    Watch(watch::WatchArgs),
    /// Explain why a run ran, was skipped, retried, pruned, failed, or waits
    Explain(explain::ExplainArgs),
    /// Print the leaderboard of an experiment
    Compare(report::CompareArgs),
    /// Hold reported results against reproduced ones
    Claims(claims::ClaimsArgs),
    /// Ask the store with read-only SQL
    Query(query::QueryArgs),
    /// Write runs with their parameters and metrics as one CSV or Parquet table
    Export(export::ExportArgs),
    /// Write the report of an experiment again
    Report(report::ReportArgs),
    /// Bring stores from other machines into this one
    Merge(merge::MergeArgs),
    /// Remove the files of runs that no experiment plans any more
    Gc(gc::GcArgs),
    /// Forecast the next steps of a trace with a saved model
    Predict(predict::PredictArgs),
    /// Traces: list, fetch, inspect, synthesise
    Dataset(dataset::DatasetArgs),
    /// Print the JSON Schema of the experiment file
    Schema,
    /// Serve runs to a supervisor over standard input and output
    #[command(hide = true)]
    Worker {
        /// Where to compute
        placement: String,
    },
}

/// How a table is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TableFormat {
    /// For people.
    Table,
    /// A JSON list of objects.
    Json,
    /// Comma-separated values.
    Csv,
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    /// For people.
    Human,
    /// One JSON document.
    Json,
}

/// Runs the program on the process's own arguments.
pub fn main() -> Exit {
    call(std::env::args_os())
}

/// Runs the program on given arguments, the first of which is its name.
pub fn call(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Exit {
    let console = Console::detect();
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(message) => {
            // Help and version come this way too; they are no error and go to standard output.
            let _ = message.print();
            return if message.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    match dispatch(cli.command, console) {
        Ok(exit) => exit,
        Err(error) => {
            console.error(&error);
            if let Some(remedy) = remedy(&error) {
                console.note(&format!("help: {remedy}"));
            }
            if error.is::<ExperimentError>() || error.is::<UsageError>() || error.is::<Refusal>() {
                Exit::Usage
            } else {
                Exit::Other
            }
        }
    }
}

fn dispatch(command: Command, console: Console) -> anyhow::Result<Exit> {
    match command {
        Command::Run(args) => run::run(&args, console),
        Command::Runs(args) => runs::runs(&args, console),
        Command::Show(args) => show::show(&args, console),
        Command::Watch(args) => watch::watch(&args, console),
        Command::Explain(args) => explain::explain(&args, console),
        Command::Compare(args) => report::compare(&args, console),
        Command::Claims(args) => claims::claims(&args, console),
        Command::Query(args) => query::query(&args, console),
        Command::Export(args) => export::export(&args, console),
        Command::Report(args) => report::report(&args, console),
        Command::Merge(args) => merge::merge(&args, console),
        Command::Gc(args) => gc::gc(&args, console),
        Command::Predict(args) => predict::predict(&args, console),
        Command::Dataset(args) => dataset::dataset(&args, console),
        Command::Schema => {
            console.result(&crate::spec::json_schema());
            Ok(Exit::Ok)
        }
        Command::Worker { placement } => {
            let placement = Placement::parse(&placement).context("not a placement")?;
            serve(&placement)?;
            Ok(Exit::Ok)
        }
    }
}

/// What to do about an error of the store or of another file.
fn remedy(error: &anyhow::Error) -> Option<String> {
    let file = || error.chain().find_map(|cause| files::remedy(cause.downcast_ref::<std::io::Error>()?));
    let path = store::results_folder().join("burstlab.db");
    store::remedy(error, &path).or_else(|| file().map(str::to_string))
}

/// Something that the user asked for and cannot have; the message says what to ask instead.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

/// A usage error as the general kind.
fn usage(message: impl Into<String>) -> anyhow::Error {
    UsageError(message.into()).into()
}

/// A file that must be there.
fn existing_file(path: &Path) -> anyhow::Result<()> {
    if path.is_file() { Ok(()) } else { Err(usage(format!("there is no file {}", path.display()))) }
}
