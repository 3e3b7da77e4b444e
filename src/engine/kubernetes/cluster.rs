//! A cluster as `kubectl` shows it: manifests are applied, and jobs asked how far they are.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use super::manifest::{ASSIGNMENT, PARTS};
use crate::system::process::{NoAnswer, output_within};

/// How long a cluster may take to answer: `kubectl` itself would wait for ever.
const REQUEST_TIMEOUT: &str = "--request-timeout=30s";
/// How long `kubectl` may take in all: a program that it asks for credentials may wait for somebody to log in.
const LIMIT: Duration = Duration::from_mins(2);

/// The cluster that `kubectl` talks to.
#[derive(Debug, Clone, Copy)]
pub struct Cluster<'a> {
    /// The namespace of the jobs; `None` for that of the current context.
    pub namespace: Option<&'a str>,
}

/// A job of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterJob {
    /// Which assignment of runs to parts it was made for.
    pub assignment: String,
    /// The parts (from 1) that its indices stand for, in their order.
    pub parts: Vec<usize>,
    /// Parts whose pods succeeded.
    pub completed: Vec<usize>,
    /// Parts that are given up.
    pub failed: Vec<usize>,
    /// Whether it succeeded as a whole; `None` while it is under way.
    pub success: Option<bool>,
}

impl Cluster<'_> {
    /// Checks that `kubectl` is there before anything is written for it.
    ///
    /// # Errors
    /// A machine without it.
    pub fn require(&self) -> anyhow::Result<()> {
        output(Command::new("kubectl").args(["version", "--client"])).map(drop)
    }

    /// What is known of a job; `None` where there is none of this name.
    ///
    /// # Errors
    /// A cluster that does not answer.
    pub fn job(&self, name: &str) -> anyhow::Result<Option<ClusterJob>> {
        let answer = self.call(&["get", "job", name, "--ignore-not-found", "--output=json"])?;
        if answer.trim().is_empty() {
            return Ok(None);
        }
        let job: Value = serde_json::from_str(&answer)
            .with_context(|| format!("kubectl says of the job {name} what is no JSON"))?;
        Ok(Some(ClusterJob::read(&job)))
    }

    /// Hands over a manifest. The cluster itself compares it with what is there: `kubectl` would keep a copy in an annotation,
    /// which holds less than a plan may take.
    ///
    /// # Errors
    /// A cluster that refuses it.
    pub fn apply(&self, manifest: &Path) -> anyhow::Result<()> {
        let path = manifest.display().to_string();
        self.call(&["apply", "--server-side", "--force-conflicts", "--filename", &path]).map(drop)
    }

    /// Makes a volume claim where there is none of its name; one that is there stays as it is, whatever its size.
    ///
    /// # Errors
    /// A cluster that refuses it.
    pub fn make_claim(&self, name: &str, manifest: &Path) -> anyhow::Result<()> {
        let found = self.call(&["get", "pvc", name, "--ignore-not-found", "--output=name"])?;
        if !found.trim().is_empty() {
            return Ok(());
        }
        let path = manifest.display().to_string();
        self.call(&["create", "--filename", &path]).map(drop)
    }

    /// Removes a job that is over, so that another of its name can be made.
    ///
    /// # Errors
    /// A cluster that refuses it.
    pub fn remove(&self, job: &str) -> anyhow::Result<()> {
        self.call(&["delete", "job", job, "--ignore-not-found"]).map(drop)
    }

    /// How a person reads what the pods of a job printed.
    pub fn logs_command(&self, job: &str) -> String {
        let namespace = self.namespace.map_or(String::new(), |name| format!(" --namespace={name}"));
        format!("kubectl logs{namespace} --prefix --tail=20 --selector=batch.kubernetes.io/job-name={job}")
    }

    fn call(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new("kubectl");
        command.arg(REQUEST_TIMEOUT);
        if let Some(namespace) = self.namespace {
            command.arg(format!("--namespace={namespace}"));
        }
        let answer = output(command.args(arguments))?;
        if !answer.status.success() {
            let complaint = String::from_utf8_lossy(&answer.stderr);
            bail!("kubectl {} failed: {}", arguments.join(" "), complaint.trim());
        }
        Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
    }
}

fn output(command: &mut Command) -> anyhow::Result<Output> {
    output_within(command, LIMIT).map_err(|error| match error {
        NoAnswer::Missing(_) => anyhow::anyhow!(
            "`kubectl` is not on PATH: --apply needs it; without --apply the manifests are only written"
        ),
        error => error.into(),
    })
}

impl ClusterJob {
    /// Whether nothing of it runs any more.
    pub fn is_over(&self) -> bool {
        self.success.is_some()
    }

    /// The parts that did not succeed.
    pub fn incomplete(&self) -> Vec<usize> {
        self.parts.iter().copied().filter(|part| !self.completed.contains(part)).collect()
    }

    fn read(job: &Value) -> Self {
        let text = |path: &str| job.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let annotation = |key: &str| text(&format!("/metadata/annotations/{}", key.replace('/', "~1")));
        let parts: Vec<usize> = annotation(PARTS).split(',').filter_map(|part| part.parse().ok()).collect();
        let parts_at = |path: &str| -> Vec<usize> {
            indices(text(path)).into_iter().filter_map(|index| parts.get(index).copied()).collect()
        };
        let conditions = job.pointer("/status/conditions").and_then(Value::as_array);
        let is_met = |kind: &str| {
            conditions
                .into_iter()
                .flatten()
                .any(|condition| condition["type"] == kind && condition["status"] == "True")
        };
        let success = if is_met("Complete") { Some(true) } else { is_met("Failed").then_some(false) };
        Self {
            assignment: annotation(ASSIGNMENT).to_string(),
            completed: parts_at("/status/completedIndexes"),
            failed: parts_at("/status/failedIndexes"),
            parts,
            success,
        }
    }
}

/// The numbers of `0,2-4`, as the status of an Indexed Job lists them.
fn indices(text: &str) -> Vec<usize> {
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    text.split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_state_of_a_job_is_told_in_parts() {
        let mut job = json!({
            "metadata": { "annotations": { ASSIGNMENT: "abc", PARTS: "2,5,7,8" } },
            "status": { "active": 1, "completedIndexes": "0,2-3", "failedIndexes": "1",
                        "conditions": [{ "type": "FailureTarget", "status": "True" }, { "type": "Failed", "status": "False" }] },
        });
        let state = ClusterJob::read(&job);
        assert_eq!(
            (state.assignment.as_str(), &*state.completed, &*state.failed),
            ("abc", &[2, 7, 8][..], &[5][..])
        );
        assert_eq!(
            (state.incomplete(), state.success),
            (vec![5], None),
            "it is about to fail, but pods may still run"
        );
        job["status"]["conditions"][1]["status"] = json!("True");
        assert_eq!(ClusterJob::read(&job).success, Some(false));
        job["status"]["conditions"] = json!([{ "type": "Complete", "status": "True" }]);
        assert_eq!(ClusterJob::read(&job).success, Some(true));
        assert_eq!(ClusterJob::read(&json!({})), ClusterJob::default());
    }
}
