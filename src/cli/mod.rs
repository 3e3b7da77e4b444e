//! The command line: the commands, and the module of each.
#![expect(clippy::doc_markdown, reason = "clap shows these comments as help, where backticks are noise")]

mod annotate;
mod best;
mod capacity;
mod claims;
mod clean;
mod compare;
pub mod console;
mod dataset;
mod diff;
mod experiments;
mod explain;
mod export;
mod filter;
mod first_experiment;
mod gc;
mod handover;
mod hooks;
mod init;
mod kubernetes;
mod live_lines;
mod manual;
mod merge;
mod planned_experiment;
mod predict;
mod predict_args;
mod predict_watch;
mod query;
mod report;
mod rerun;
mod run;
mod run_args;
mod run_experiment;
mod run_output;
mod runs;
mod serve;
mod serving;
mod show;
mod show_revision;
mod slurm;
mod source_args;
mod standings;
mod sweep_progress;
mod sweep_view;
mod trials;
mod ui;
mod watch;

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::engine::local::serve as serve_runs;
use crate::files::OutputRefusal;
use crate::listing::ListingError;
use crate::spec::ExperimentError;
use crate::store::Refusal;
use crate::system::device::Placement;
use crate::system::exit_code::Exit;
use crate::{files, store};
use console::Console;

/// Batch experiments that forecast LLM-serving workload.
///
/// Exit codes: 0 success, 2 wrong usage or invalid experiment, 3 a run failed, 4 a claim was refuted,
/// 5 stopped by Ctrl-C, SIGTERM or SIGHUP, or a budget used up, 6 merged stores contradict each other, 1 any other error,
/// also an output that could not be written.
///
/// Results are written to results/ (change it with BURSTLAB_RESULTS).
///
/// Traces are read from dataset/ (change it with BURSTLAB_DATASET).
///
/// Prepared data of large traces are cached in ~/.cache/burstlab/prepared (change it with BURSTLAB_CACHE, or set that to off).
#[derive(Debug, Parser)]
#[command(name = "burstlab", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run experiments: plan, skip finished runs, run the rest, write the report
    Run(run_args::RunArgs),
    /// List experiments with their revisions
    Experiments(experiments::ExperimentsArgs),
    /// List runs
    Runs(runs::RunsArgs),
    /// Show everything about one run, or about one revision with its file
    Show(show::ShowArgs),
    /// Show the progress of a sweep until it ends
    Watch(watch::WatchArgs),
    /// Serve the dashboard: all experiments, runs and traces in a browser
    Ui(ui::UiArgs),
    /// Explain why a run ran, was skipped, retried or pruned, failed, or is waiting
    Explain(explain::ExplainArgs),
    /// Print the leaderboard of an experiment, compare revisions, models and runs, or show an experiment over time
    Compare(compare::CompareArgs),
    /// Show how two revisions differ: their files and their results
    Diff(diff::DiffArgs),
    /// List the trials of an experiment, and which hyperparameters matter
    Trials(trials::TrialsArgs),
    /// Show the best trial: its metrics, its parameters to paste, its saved model
    Best(best::BestArgs),
    /// Show what acting on the forecasts costs: replica hours and late work, also under a changed service
    Capacity(capacity::CapacityArgs),
    /// Execute a run again and check that every number is the same to the bit
    Rerun(rerun::RerunArgs),
    /// Compare reported results with reproduced ones
    Claims(claims::ClaimsArgs),
    /// Query the store with read-only SQL
    Query(query::QueryArgs),
    /// Export runs with their parameters and metrics as one CSV or Parquet table
    Export(export::ExportArgs),
    /// Write the report of an experiment again
    Report(report::ReportArgs),
    /// Put tags on runs or revisions, or take them away
    Tag(annotate::TagArgs),
    /// Write a note to a run or a revision
    Note(annotate::NoteArgs),
    /// Leave revisions out of lists
    Archive(annotate::ArchiveArgs),
    /// Merge stores from other machines into this one
    ///
    /// Where a run has other metrics there than here, those here are kept, and the exit code is 6.
    Merge(merge::MergeArgs),
    /// Remove files of finished runs by revision, age or rank, and compact the store
    ///
    /// Files are removed only of runs that meet every condition given. Without a condition these are folders of runs that the
    /// store does not know. What the store recorded about runs always stays.
    Gc(gc::GcArgs),
    /// Forecast the next steps of a trace with a saved model
    Predict(predict_args::PredictArgs),
    /// Serve the forecast of a growing trace over HTTP: JSON for autoscalers, and metrics for Prometheus
    Serve(serve::ServeArgs),
    /// List, fetch, inspect, clean and synthesise traces
    Dataset(dataset::DatasetArgs),
    /// Write a first experiment file for a trace
    Init(init::InitArgs),
    /// Print the JSON Schema of the experiment file
    Schema,
    /// Print the script that completes commands and flags in a shell
    Completions(manual::CompletionsArgs),
    /// Print the manual page, or write all pages into a folder
    Man(manual::ManArgs),
    /// Serve runs to a supervisor over standard input and output
    #[command(hide = true)]
    Worker {
        /// The device to compute on
        placement: String,
    },
}

/// Output format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TableFormat {
    /// Text for people.
    Table,
    /// A JSON list of objects.
    Json,
    /// Comma-separated values.
    Csv,
}

/// Output format of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    /// Text for people.
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
            // Help and version arrive here too; they are not errors and go to standard output.
            console.usage(&message);
            return end(if message.use_stderr() { Exit::Usage } else { Exit::Ok }, console);
        }
    };
    let exit = match dispatch(cli.command, console) {
        Ok(exit) => exit,
        Err(error) => {
            console.error(&error);
            if let Some(remedy) = remedy(&error) {
                console.note(&format!("help: {remedy}"));
            }
            if error.is::<ExperimentError>()
                || error.is::<UsageError>()
                || error.is::<ListingError>()
                || error.is::<Refusal>()
                || error.is::<OutputRefusal>()
            {
                Exit::Usage
            } else {
                Exit::Other
            }
        }
    };
    end(exit, console)
}

/// Whoever reads a result must know that it is whole: where something could not be written, the program has failed.
fn end(exit: Exit, console: Console) -> Exit {
    match console.end() {
        Ok(()) => exit,
        Err(error) => {
            console.error(&error.into());
            Exit::Other
        }
    }
}

fn dispatch(command: Command, console: Console) -> anyhow::Result<Exit> {
    match command {
        Command::Run(args) => run::run(&args, console),
        Command::Runs(args) => runs::runs(&args, console),
        Command::Show(args) => show::show(&args, console),
        Command::Watch(args) => watch::watch(&args, console),
        Command::Ui(args) => ui::ui(&args, console),
        Command::Explain(args) => explain::explain(&args, console),
        Command::Experiments(args) => experiments::experiments(&args, console),
        Command::Compare(args) => compare::compare(&args, console),
        Command::Diff(args) => diff::diff(&args, console),
        Command::Tag(args) => annotate::tag(&args, console),
        Command::Note(args) => annotate::note(&args, console),
        Command::Archive(args) => annotate::archive(&args, console),
        Command::Trials(args) => trials::trials(&args, console),
        Command::Best(args) => best::best(&args, console),
        Command::Capacity(args) => capacity::capacity(&args, console),
        Command::Rerun(args) => rerun::rerun(&args, console),
        Command::Claims(args) => claims::claims(&args, console),
        Command::Query(args) => query::query(&args, console),
        Command::Export(args) => export::export(&args, console),
        Command::Report(args) => report::report(&args, console),
        Command::Merge(args) => merge::merge(&args, console),
        Command::Gc(args) => gc::gc(&args, console),
        Command::Predict(args) => predict::predict(&args, console),
        Command::Serve(args) => serve::serve(&args, console),
        Command::Dataset(args) => dataset::dataset(&args, console),
        Command::Init(args) => init::init(&args, console),
        Command::Completions(args) => Ok(manual::completions(&args, Cli::command(), console)),
        Command::Man(args) => manual::man(&args, Cli::command(), console),
        Command::Schema => {
            console.result(&crate::spec::json_schema());
            Ok(Exit::Ok)
        }
        Command::Worker { placement } => {
            let placement = Placement::parse(&placement)
                .with_context(|| format!("`{placement}` is not a placement such as cpu or cuda:0"))?;
            serve_runs(&placement)?;
            Ok(Exit::Ok)
        }
    }
}

/// The remedy for an error of the store or of another file, if one is known.
fn remedy(error: &anyhow::Error) -> Option<String> {
    let file = || error.chain().find_map(|cause| files::remedy(cause.downcast_ref::<std::io::Error>()?));
    let path = store::results_folder().join("burstlab.db");
    store::remedy(error, &path).or_else(|| file().map(str::to_string))
}

/// A request that cannot be fulfilled; the message says what to request instead.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

/// A [`UsageError`] as a general error.
fn usage(message: impl Into<String>) -> anyhow::Error {
    UsageError(message.into()).into()
}

/// Refuses a path that is not a file.
fn require_file(path: &Path) -> anyhow::Result<()> {
    if path.is_file() { Ok(()) } else { Err(usage(format!("there is no file {}", path.display()))) }
}
