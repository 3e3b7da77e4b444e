//! `burstlab gc`: removes the files of runs, on request those of finished runs, and compacts the store.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::Args;
use serde_json::json;
use walkdir::WalkDir;

use super::console::{Console, bytes};
use super::{OutputFormat, usage};
use crate::compare::runs_of_best_trials;
use crate::files;
use crate::spec::{ObjectiveSpec, run_label};
use crate::store::{
    RevisionId, RevisionRow, RunFilter, RunRow, Status, Store, results_folder, run_folder, saved_file,
};
use crate::system::exit_code::Exit;
use crate::text::counted;

#[derive(Debug, Args)]
pub(super) struct GcArgs {
    /// Files of finished runs that only these revisions plan: NAME@2, NAME@all. Can be repeated
    #[arg(long = "revision", value_name = "NAME@N")]
    revisions: Vec<String>,
    /// Files of finished runs that only this experiment plans, in whichever revision
    #[arg(long, value_name = "NAME")]
    experiment: Option<String>,
    /// Files of finished runs that ended longer ago than this, e.g. 30d
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Files of finished runs outside the N best trials of each setting of every revision
    #[arg(long, value_name = "N")]
    keep_best: Option<usize>,
    /// Compact the store afterwards: pages that hold nothing any more are returned to the file system
    #[arg(long)]
    vacuum: bool,
    /// Show what would be removed without removing it
    #[arg(long)]
    dry_run: bool,
    /// Remove without asking
    #[arg(long, short)]
    yes: bool,
    /// Output format
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
}

/// A folder that is to be removed.
struct Removal {
    run: String,
    label: String,
    size: u64,
}

pub(super) fn gc(args: &GcArgs, console: Console) -> anyhow::Result<Exit> {
    let results = results_folder();
    let mut removals = chosen(args, &results)?;
    let total = removals.iter().map(|removal| removal.size).sum::<u64>();
    if args.format == OutputFormat::Human {
        for Removal { run, label, size } in &removals {
            console.result(&format!("{run}  {:>10}  {label}", bytes(*size)));
        }
    }
    let what = format!("the files of {}, {}", counted(removals.len(), "run"), bytes(total));
    if !args.dry_run && !removals.is_empty() && !args.yes {
        match console.ask(&format!("Remove {what}?")) {
            Some(true) => {
                // Somebody may have planned or executed some of them while the question stood there.
                let still = chosen(args, &results)?;
                removals.retain(|removal| still.iter().any(|one| one.run == removal.run));
            }
            Some(false) => {
                console.note("nothing was removed");
                return Ok(Exit::Ok);
            }
            None => {
                return Err(usage(format!(
                    "{what}, would be removed, and there is no terminal to ask at; give --yes to remove them, or --dry-run to \
                     see them"
                )));
            }
        }
    }
    if !args.dry_run {
        files::clear_drafts(&results.join("runs"));
        for removal in &removals {
            remove(&results, &removal.run)?;
        }
    }
    let compacted = if args.vacuum && !args.dry_run { Some(compact(&results)?) } else { None };
    match args.format {
        OutputFormat::Human => {
            let done = if args.dry_run { "would be removed" } else { "were removed" };
            let total = removals.iter().map(|removal| removal.size).sum::<u64>();
            let what = format!("the files of {}, {}", counted(removals.len(), "run"), bytes(total));
            console.note(&format!("{what}, {done}; the store keeps what it recorded about them"));
            if let Some((before, after)) = compacted {
                console.note(&format!("the store was {} and is {} now", bytes(before), bytes(after)));
            }
        }
        OutputFormat::Json => {
            let runs: Vec<_> = removals
                .iter()
                .map(
                    |removal| json!({ "run_id": removal.run, "label": removal.label, "bytes": removal.size }),
                )
                .collect();
            let store = compacted.map(|(before, after)| json!({ "before": before, "after": after }));
            let removed = json!({ "removed": !args.dry_run, "runs": runs, "bytes": total, "store": store });
            console.result(&removed.to_string());
        }
    }
    Ok(Exit::Ok)
}

/// The folders that the conditions pick, in order.
fn chosen(args: &GcArgs, results: &Path) -> anyhow::Result<Vec<Removal>> {
    let store = &mut Store::open_read_only(results)?;
    let folders = runs_with_files(results)?;
    let size = |run: &str| size_of(&run_folder(results, run));
    let experiment: Vec<String> = args.experiment.iter().map(|name| format!("{name}@all")).collect();
    if args.revisions.is_empty()
        && experiment.is_empty()
        && args.older_than.is_none()
        && args.keep_best.is_none()
    {
        let known = store.known_runs()?;
        let unknown = folders.into_iter().filter(|run| !known.contains(run));
        let label = "no run of the store".to_string();
        return Ok(unknown.map(|run| Removal { size: size(&run), label: label.clone(), run }).collect());
    }
    let mut finished: HashMap<String, RunRow> = HashMap::new();
    for run in store.runs(&RunFilter { archived: true, ..RunFilter::default() })? {
        if run.status == Status::Done {
            finished.insert(run.run_id.clone(), run);
        }
    }
    // Each condition narrows the choice.
    for references in [&args.revisions, &experiment] {
        for run in planned_elsewhere(store, references)? {
            finished.remove(&run);
        }
    }
    if let Some(age) = args.older_than {
        let latest = SystemTime::now().checked_sub(age).map(humantime::format_rfc3339_millis);
        let latest = latest.map_or(String::new(), |time| time.to_string());
        finished.retain(|_, run| run.finished_at.as_ref().is_some_and(|ended| *ended < latest));
    }
    if let Some(count) = args.keep_best {
        for run in best_runs(store, count)? {
            finished.remove(&run);
        }
    }
    let mut axes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for revision in store.all_revisions()? {
        axes.entry(revision.experiment)
            .or_default()
            .extend(serde_json::from_str::<Vec<String>>(&revision.axes)?);
    }
    let label = |run: &RunRow| {
        let seed = run.seed.map_or(String::new(), |seed| format!(" seed={seed}"));
        let mut axes = axes.get(&run.experiment).cloned().unwrap_or_default();
        axes.sort();
        axes.dedup();
        format!("{}  {}{seed}", run.experiment, run_label(&run.params, &axes))
    };
    let picked =
        folders.into_iter().filter_map(|run| finished.get(&run).map(|row| (run.clone(), label(row))));
    Ok(picked.map(|(run, label)| Removal { size: size(&run), label, run }).collect())
}

/// The runs that a revision outside of those named plans, or did; none where nothing is named.
fn planned_elsewhere(store: &mut Store, references: &[String]) -> anyhow::Result<HashSet<String>> {
    let mut named: HashSet<RevisionId> = HashSet::new();
    for reference in references {
        // A misspelt name must not look like an experiment without files.
        named.extend(store.revisions(reference)?.iter().map(RevisionRow::id));
    }
    let mut elsewhere = HashSet::new();
    if !named.is_empty() {
        for revision in store.all_revisions()?.iter().filter(|revision| !named.contains(&revision.id())) {
            elsewhere.extend(store.runs_of(&revision.id())?);
        }
    }
    Ok(elsewhere)
}

/// The runs of the best trials of every revision.
fn best_runs(store: &mut Store, count: usize) -> anyhow::Result<HashSet<String>> {
    let mut best = HashSet::new();
    for revision in store.all_revisions()? {
        let objective: ObjectiveSpec = serde_json::from_str(&revision.objective)?;
        let key = [objective.part.as_str(), &objective.target, objective.unit(), objective.metric.as_str()];
        let values = store.metric_of_runs(&revision.id(), key)?;
        let runs = store.runs(&RunFilter::of(&revision.id()))?;
        best.extend(runs_of_best_trials(&runs, &values, count).into_iter().map(str::to_string));
    }
    Ok(best)
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

/// Compacts the store, and returns its bytes before and after.
fn compact(results: &Path) -> anyhow::Result<(u64, u64)> {
    let mut store = Store::open(results)?;
    let path = store.path().to_path_buf();
    let size = || std::fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()));
    let before = size()?.len();
    store.vacuum()?;
    store.close()?;
    Ok((before, size()?.len()))
}
