//! Slurm as the engine of a sweep: a job array of partitions, each with a store of its own, and a last job that merges.

mod queue;
mod script;

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::files::{folder_name, write_whole};

pub use script::Scripts;

/// What was handed to Slurm for an experiment; kept beside the scripts, so that the same command does not hand it over
/// again while it is under way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jobs {
    /// Number of the job array; `None` when every part was done already.
    pub array: Option<u64>,
    /// Number of the last job; `None` until it is handed over too.
    pub last: Option<u64>,
}

impl Jobs {
    /// The job that ends last, in words.
    pub fn end(&self) -> String {
        match (self.last, self.array) {
            (Some(last), _) => format!("job {last}"),
            (None, Some(array)) => format!("job array {array}"),
            (None, None) => "no job".to_string(),
        }
    }
}

/// The folder of an experiment's scripts, logs and parts.
pub fn folder(results: &Path, experiment: &str) -> PathBuf {
    results.join("slurm").join(&*folder_name(experiment, &[]))
}

/// The jobs of an experiment that are still under way.
///
/// # Errors
/// A Slurm that does not answer.
pub fn under_way(folder: &Path) -> anyhow::Result<Option<Jobs>> {
    let path = folder.join("jobs.json");
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let jobs: Jobs = serde_json::from_str(&text)
        .with_context(|| format!("{} does not list jobs; remove it if none of them runs", path.display()))?;
    let numbers: Vec<u64> = jobs.array.into_iter().chain(jobs.last).collect();
    Ok(queue::any_under_way(&numbers)?.then_some(jobs))
}

/// Writes the scripts and hands them to Slurm; the last job waits for the array, however that ends.
///
/// # Errors
/// A folder that cannot be written, or a Slurm that refuses a script.
pub fn submit(scripts: &Scripts<'_>) -> anyhow::Result<Jobs> {
    queue::require()?;
    let folder = &scripts.folder;
    let logs = folder.join("logs");
    std::fs::create_dir_all(&logs).with_context(|| format!("cannot make the folder {}", logs.display()))?;
    let mut jobs = Jobs::default();
    let assignment = scripts.assignment.to_text()?;
    write_whole(Path::new(&scripts.commands.assignment), assignment.as_bytes())?;
    if let Some(text) = scripts.array() {
        let path = folder.join("array.sh");
        write_whole(&path, text.as_bytes())?;
        jobs.array = Some(queue::submit(&path, &logs.join("part-%a.log"), &logs, scripts.working, None)?);
        // Should the last job not be taken, the array is not handed over a second time while it runs.
        remember(folder, &jobs)?;
    }
    let path = folder.join("last.sh");
    write_whole(&path, scripts.last().as_bytes())?;
    jobs.last = Some(queue::submit(&path, &logs.join("last.log"), &logs, scripts.working, jobs.array)?);
    remember(folder, &jobs)?;
    Ok(jobs)
}

fn remember(folder: &Path, jobs: &Jobs) -> anyhow::Result<()> {
    let text = serde_json::to_string(jobs).context("the jobs cannot be written as JSON")?;
    write_whole(&folder.join("jobs.json"), text.as_bytes())
}
