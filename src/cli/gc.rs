//! `burstlab gc`: removes the files of runs that no experiment plans any more.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;
use walkdir::WalkDir;

use super::OutputFormat;
use super::console::{Console, bytes};
use super::exit_code::Exit;
use crate::files;
use crate::store::{Store, results_folder, run_folder, saved_file};
use crate::text::counted;

#[derive(Debug, Args)]
pub(super) struct GcArgs {
    /// Also remove the files of this experiment's runs, unless another experiment plans them
    #[arg(long)]
    experiment: Option<String>,
    /// Show what would be removed without removing it
    #[arg(long)]
    dry_run: bool,
    /// Output format
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
}

pub(super) fn gc(args: &GcArgs, console: Console) -> anyhow::Result<Exit> {
    let results = results_folder();
    let mut store = Store::open_read_only(&results)?;
    if let Some(name) = &args.experiment {
        // A misspelt name must not look like an experiment without files.
        store.experiment(name)?;
    }
    let kept = store.planned_or_running(args.experiment.as_deref())?;
    if !args.dry_run {
        files::clear_drafts(&results.join("runs"));
    }
    let mut removed = Vec::new();
    for run in runs_with_files(&results)? {
        if kept.contains(&run) {
            continue;
        }
        let size = size_of(&run_folder(&results, &run));
        if !args.dry_run {
            remove(&results, &run)?;
        }
        removed.push((run, size));
    }
    let total = removed.iter().map(|(_, size)| size).sum::<u64>();
    match args.format {
        OutputFormat::Human => {
            for (run, size) in &removed {
                console.result(&format!("{run}  {}", bytes(*size)));
            }
            let done = if args.dry_run { "would be removed" } else { "were removed" };
            console.note(&format!(
                "the files of {}, {}, {done}; the store keeps what it recorded about them",
                counted(removed.len(), "run"),
                bytes(total)
            ));
        }
        OutputFormat::Json => {
            let runs: Vec<_> =
                removed.iter().map(|(run, size)| json!({ "run_id": run, "bytes": size })).collect();
            console.result(&json!({ "removed": !args.dry_run, "runs": runs, "bytes": total }).to_string());
        }
    }
    Ok(Exit::Ok)
}

/// The runs that have a folder, in order; the drafts of live workers are left alone.
fn runs_with_files(results: &Path) -> anyhow::Result<Vec<String>> {
    let folder = results.join("runs");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let failed = || format!("cannot list {}", folder.display());
    let mut runs = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(failed)? {
        let name = entry.with_context(failed)?.file_name();
        runs.extend(name.to_str().filter(|name| !name.starts_with('.')).map(str::to_string));
    }
    runs.sort();
    Ok(runs)
}

fn size_of(folder: &Path) -> u64 {
    let entries = WalkDir::new(folder).into_iter().filter_map(Result::ok);
    entries
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|file| file.len())
        .sum()
}

/// Removes the files of a run, first the one that makes it count as saved: an interrupted removal leaves no saved run.
fn remove(results: &Path, run: &str) -> anyhow::Result<()> {
    let folder: PathBuf = run_folder(results, run);
    let saved = saved_file(results, run);
    if saved.exists() {
        std::fs::remove_file(&saved).with_context(|| format!("cannot remove {}", saved.display()))?;
    }
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))
}
