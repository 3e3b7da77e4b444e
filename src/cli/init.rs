//! `burstlab init`: a first experiment file for a trace.

use std::path::{Path, PathBuf};

use clap::Args;

use super::console::Console;
use super::first_experiment::FirstExperiment;
use super::source_args::SourceArgs;
use super::usage;
use crate::dataset::{TraceSource, catalog, inspect};
use crate::files::{Existing, OutputFile};
use crate::system::exit_code::Exit;

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// The file to write; by default NAME.toml in the current folder, after the name of the trace
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

pub(super) fn init(args: &InitArgs, console: Console) -> anyhow::Result<Exit> {
    let refused =
        |missing: crate::dataset::MissingSource| usage(format!("{}; {}", missing.message, missing.help));
    let found = args.source.find()?.lasting().map_err(refused)?;
    let name = experiment_name(args.source.given());
    let output = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.toml")));
    let existing = Existing::forced(args.force, Existing::Keep);
    let output = OutputFile::new(&output, &[PathBuf::from(found.name())], existing)?;
    let source = source_for(args.source.given(), &found, output.path())?;
    let inspection = inspect(&args.source.read(&found)?);
    let columns = args.source.columns()?;
    let first =
        FirstExperiment { name: &name, source: &source, columns: columns.as_ref(), inspection: &inspection };
    let text = first.text().map_err(|message| usage(format!("{}: {message}", found.name())))?;
    output.write_bytes(text.as_bytes())?;
    let path = output.path().display();
    console.note(&format!("wrote {path}; `burstlab run {path}` runs it, and with --dry-run shows its runs"));
    Ok(Exit::Ok)
}

/// A name for an experiment, after its trace.
fn experiment_name(source: &str) -> String {
    let file = Path::new(source).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = file.split('.').find(|part| !part.is_empty()).unwrap_or_default();
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    let name: String = stem.chars().map(|letter| if is_allowed(letter) { letter } else { '-' }).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "first".to_string() } else { name.to_string() }
}

/// How the file names the trace: a name of the catalog and an absolute path stay as they are, and so does a path that is
/// found beside the file.
fn source_for(given: &str, found: &TraceSource, output: &Path) -> anyhow::Result<String> {
    let is_name = catalog()?.iter().any(|entry| entry.name == given);
    let is_beside = output.parent().is_none_or(|folder| folder.as_os_str().is_empty());
    if is_name || is_beside && Path::new(given).is_file() || Path::new(given).is_absolute() {
        return Ok(given.to_string());
    }
    let path = std::path::absolute(found.name())?;
    Ok(path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experiment_is_named_after_its_trace() {
        let names = ["data/BurstGPT_1.csv", "azure-conv", "load 2024 (ä).csv.gz", "...", "/x/.hidden.csv"];
        assert_eq!(names.map(experiment_name), ["BurstGPT_1", "azure-conv", "load-2024", "first", "hidden"]);
    }
}
