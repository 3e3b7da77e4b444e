//! Kubernetes as the engine of a sweep: an Indexed Job of parts, each with a store of its own on a shared volume, and a last
//! Job that merges.

mod cluster;
mod manifest;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::files::{folder_name, write_whole};

pub use cluster::{Cluster, ClusterJob};
pub use manifest::{Manifests, ObjectNames, assignment_hash, by_hand, is_claim};

/// Where the pods find the volume: it is their working folder, and holds traces in `dataset` and stores in `results`.
pub const VOLUME: &str = "/burstlab";
/// Where the pods find the experiment and the parts.
pub const CONFIG: &str = "/etc/burstlab";
/// The first and the longest pause between two questions after a job.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(10)];

/// How long a cluster may leave questions after a job unanswered: a network or an API server that starts anew is back by then.
const PATIENCE: Duration = Duration::from_mins(5);

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

/// Waits until a job is over, and calls `on_change` when another of its pods has ended. A cluster that does not answer is asked
/// again for some minutes, and `on_silence` is called at the first question that fails.
///
/// # Errors
/// A cluster that does not answer for longer, or a job that somebody removed.
pub fn wait(
    cluster: &Cluster<'_>,
    name: &str,
    mut on_change: impl FnMut(&ClusterJob),
    mut on_silence: impl FnMut(&anyhow::Error),
) -> anyhow::Result<ClusterJob> {
    let [mut pause, longest] = PAUSES;
    let mut seen = (0, 0);
    let mut silent_since = None;
    loop {
        match cluster.job(name) {
            Ok(None) => bail!("the job {name} is gone; the same command hands over what is incomplete"),
            Ok(Some(job)) => {
                silent_since = None;
                let ended = (job.completed.len(), job.failed.len());
                if seen != ended {
                    on_change(&job);
                    seen = ended;
                }
                if job.is_over() {
                    return Ok(job);
                }
            }
            Err(error) => match silent_since {
                None => {
                    on_silence(&error);
                    silent_since = Some(Instant::now());
                }
                Some(since) if since.elapsed() > PATIENCE => {
                    return Err(error.context(format!(
                        "the cluster has not answered for {} minutes; the same command goes on waiting for the job {name}",
                        PATIENCE.as_secs() / 60
                    )));
                }
                Some(_) => {}
            },
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(longest);
    }
}
