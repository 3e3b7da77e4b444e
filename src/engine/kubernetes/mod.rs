//! Kubernetes as the engine of a sweep: an Indexed Job of parts, each with a store of its own on a shared volume, and a last
//! Job that merges.

mod cluster;
mod manifest;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::files::{folder_name, write_whole};

pub use cluster::{Cluster, ClusterJob};
pub use manifest::{Manifests, ObjectNames, assignment_hash, by_hand};

/// Where the pods find the volume: it is their working folder, and holds traces in `dataset` and stores in `results`.
pub const VOLUME: &str = "/burstlab";
/// Where the pods find the experiment and the parts.
pub const CONFIG: &str = "/etc/burstlab";
/// The first and the longest pause between two questions after a job.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(10)];

/// The folder of an experiment's manifests on this machine, and of its parts on the volume.
pub fn folder(results: &Path, experiment: &str) -> PathBuf {
    results.join("kubernetes").join(&*folder_name(experiment, &[]))
}

/// The manifests as files: what is applied first, and the last Job, which is applied when the parts have ended.
#[derive(Debug, Clone)]
pub struct ManifestFiles {
    /// The volume claim, where one is to be made, the experiment with its parts, and the Job of the parts, if any has runs left.
    pub first: Vec<PathBuf>,
    /// The last Job.
    pub last: PathBuf,
}

/// Writes the manifests, and the parts for the next time.
///
/// # Errors
/// A folder that cannot be written, or a plan that is too large for a cluster.
pub fn write(manifests: &Manifests<'_>, folder: &Path) -> anyhow::Result<ManifestFiles> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut files: Vec<PathBuf> = Vec::new();
    for (name, manifest) in manifests.all()? {
        let path = folder.join(name);
        write_whole(&path, format!("{manifest:#}\n").as_bytes())?;
        files.push(path);
    }
    write_whole(&folder.join("parts.json"), manifests.assignment.to_text()?.as_bytes())?;
    let last = files.pop().context("there is no last manifest")?;
    Ok(ManifestFiles { first: files, last })
}

/// Waits until a job is over, and calls `on_change` when another of its pods has ended.
///
/// # Errors
/// A cluster that does not answer, or a job that somebody removed.
pub fn wait(
    cluster: &Cluster<'_>,
    name: &str,
    mut on_change: impl FnMut(&ClusterJob),
) -> anyhow::Result<ClusterJob> {
    let [mut pause, longest] = PAUSES;
    let mut seen = (0, 0);
    loop {
        let Some(job) = cluster.job(name)? else {
            bail!("the job {name} is gone; the same command hands over what is incomplete");
        };
        let ended = (job.completed.len(), job.failed.len());
        if seen != ended {
            on_change(&job);
            seen = ended;
        }
        if job.is_over() {
            return Ok(job);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(longest);
    }
}
