//! `burstlab merge`: merges stores from other machines into this one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use rayon::prelude::*;
use serde_json::json;

use super::OutputFormat;
use super::console::Console;
use crate::compare::keep_standings;
use crate::files::{self, ScratchFolder};
use crate::store::{Merged, Store, has_files, results_folder, run_folder, store_at};
use crate::system::exit_code::Exit;
use crate::text::counted;

#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// Other stores: their burstlab.db files or their results folders
    #[arg(required = true, value_name = "STORE")]
    stores: Vec<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
}

pub(super) fn merge(args: &MergeArgs, console: Console) -> anyhow::Result<Exit> {
    let results = results_folder();
    let others = args.stores.iter().map(|path| store_at(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut store = Store::open(&results)?;
    // What a merge left that was killed: this one brings it whole.
    for folder in [results.join("runs"), results.clone()] {
        files::clear_drafts(&folder);
    }
    let mut exit = Exit::Ok;
    let mut documents = Vec::new();
    for other in &others {
        ensure!(
            !files::is_same_file(other, store.path()),
            "{} cannot be merged into itself",
            other.display()
        );
        let outcome = merge_one(&mut store, other, &results)
            .with_context(|| format!("cannot merge {} into {}", other.display(), results.display()))?;
        if !outcome.merged.conflicts.is_empty() {
            exit = Exit::Conflict;
        }
        match args.format {
            OutputFormat::Human => print(other, &outcome, console),
            OutputFormat::Json => documents.push(to_json(other, &outcome)),
        }
    }
    // Once for all of them: until then standings are computed where they are asked for.
    keep_standings(&mut store)?;
    if args.format == OutputFormat::Json {
        console.result(&json!(documents).to_string());
    }
    store.close()?;
    Ok(exit)
}

/// What a merge changed in the store and in the files.
struct MergeOutcome {
    merged: Merged,
    /// Finished runs whose files are missing in the other store.
    without_files: usize,
}

fn merge_one(store: &mut Store, other: &Path, results: &Path) -> anyhow::Result<MergeOutcome> {
    let folder = ScratchFolder::below(results)?;
    Store::snapshot(other, folder.path())?;
    let lacking = store.attach(&folder.path().join("burstlab.db"), |run| has_files(results, run))?;
    let theirs = other.parent().unwrap_or(Path::new("."));
    let (with_files, without): (Vec<String>, Vec<String>) =
        lacking.into_iter().partition(|run| has_files(theirs, run));
    if !with_files.is_empty() {
        let runs = results.join("runs");
        std::fs::create_dir_all(&runs)
            .with_context(|| format!("cannot create the folder {}", runs.display()))?;
    }
    let copy = |run: &String| files::copy_folder(&run_folder(theirs, run), &run_folder(results, run));
    // The disk brings the files while the store takes in the rows. As after a run, the files are there before the rows are
    // committed, so that every run that the store calls done has its files, also if this merge is killed.
    let merged = std::thread::scope(|scope| {
        let copying = scope.spawn(|| with_files.par_iter().try_for_each(copy));
        store
            .merge(|| copying.join().unwrap_or_else(|_| bail!("copying the files of the runs was cut short")))
    })?;
    Ok(MergeOutcome { merged, without_files: without.len() })
}

fn print(other: &Path, outcome: &MergeOutcome, console: Console) {
    let MergeOutcome { merged, without_files } = outcome;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, status) in &merged.adopted {
        *counts.entry(status).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let taken = match merged.adopted.len() {
        0 => "nothing new".to_string(),
        runs => format!("{} ({})", counted(runs, "run"), counts.join(", ")),
    };
    console.result(&format!("{}: {taken}, {} known already", other.display(), merged.known));
    if *without_files > 0 {
        console.note(&format!(
            "{} came without files and will run again where planned",
            counted(*without_files, "run")
        ));
    }
    for (name, there, here) in &merged.renumbered {
        console.note(&format!("revision {there} of `{name}` there is revision {here} here"));
    }
    for run in &merged.conflicts {
        console.note(&format!(
            "conflict: run {run} has other metrics in {} than here; those here are kept",
            other.display()
        ));
    }
}

fn to_json(other: &Path, outcome: &MergeOutcome) -> serde_json::Value {
    let runs: Vec<_> = outcome
        .merged
        .adopted
        .iter()
        .map(|(run, status)| json!({ "run_id": run, "status": status }))
        .collect();
    json!({
        "store": other, "runs": runs, "known": outcome.merged.known, "attempts": outcome.merged.attempts,
        "without_files": outcome.without_files, "conflicts": outcome.merged.conflicts,
        "renumbered": outcome.merged.renumbered.iter().map(|(name, there, here)| {
            json!({ "experiment": name, "there": there, "here": here })
        }).collect::<Vec<_>>(),
    })
}
