//! The manifests of a sweep: JSON, which is YAML that no name or text can break. They follow from a plan alone, so that they
//! can be shown without a cluster.

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Map, Value, json};

use super::{CONFIG, VOLUME};
use crate::engine::JobCommands;
use crate::plan::Assignment;
use crate::spec::{Bytes, KubernetesSpec};
use crate::system::exit_code::Exit;
use crate::text::{shell_word, short_hash};

/// Annotation with the hash of the assignment that a job was made for.
pub const ASSIGNMENT: &str = "burstlab/assignment";
/// Annotation with the parts that the indices of a job stand for.
pub const PARTS: &str = "burstlab/parts";
/// The file of the volume claim.
const CLAIM_FILE: &str = "claim.json";
/// The only container of a pod.
const CONTAINER: &str = "burstlab";
/// The user and group of the image.
const USER: u32 = 10_001;
/// What the objects of a cluster hold at most, with room for the rest of the manifest.
const MOST_BYTES: usize = 1_000_000;
/// Longest name of a job from which its pods can take theirs.
const LONGEST_NAME: usize = 45;
/// What a pod has to end beside the grace of its runs.
const ENDING: Duration = Duration::from_secs(20);

/// The names of an experiment's objects in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectNames {
    /// Of the Indexed Job and of what its pods read.
    pub parts: String,
    /// Of the last Job.
    pub last: String,
}

impl ObjectNames {
    /// The names for an experiment: its own where that can name an object, else one that is like it and no other's.
    pub fn of(experiment: &str) -> Self {
        let plain: String = experiment
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .collect();
        let name = format!("burstlab-{plain}");
        let parts = if plain == experiment && name.len() <= LONGEST_NAME && !name.ends_with('-') {
            name
        } else {
            let hash = &short_hash(experiment)[..8];
            let kept = name[..name.len().min(LONGEST_NAME - 9)].trim_end_matches('-');
            format!("{kept}-{hash}")
        };
        Self { last: format!("{parts}-last"), parts }
    }
}

/// What the manifests of one experiment are made of.
#[derive(Debug, Clone)]
pub struct Manifests<'a> {
    /// Name of the experiment.
    pub experiment: &'a str,
    /// The whole experiment as one file.
    pub text: &'a str,
    /// What each pod gets.
    pub kubernetes: &'a KubernetesSpec,
    /// The container image.
    pub image: &'a str,
    /// The volume claim.
    pub volume: &'a str,
    /// What a run has to end.
    pub grace: Duration,
    /// What the pods run.
    pub commands: JobCommands,
    /// Which run is in which part.
    pub assignment: Assignment,
    /// The parts that have something to run, counted from 1.
    pub parts: Vec<usize>,
}

/// A short name of an assignment.
///
/// # Errors
/// None that is known.
pub fn assignment_hash(assignment: &Assignment) -> anyhow::Result<String> {
    Ok(short_hash(&assignment.to_text()?))
}

impl Manifests<'_> {
    /// All manifests with their files, in the order in which they are applied; the last one when the parts have ended.
    ///
    /// # Errors
    /// A plan that is too large for a cluster.
    pub fn all(&self) -> anyhow::Result<Vec<(&'static str, Value)>> {
        let mut all = Vec::new();
        if let Some(size) = self.kubernetes.volume_size {
            all.push((CLAIM_FILE, self.claim(size)));
        }
        all.push(("config.json", self.config()?));
        let names = ObjectNames::of(self.experiment);
        let annotations =
            json!({ ASSIGNMENT: assignment_hash(&self.assignment)?, PARTS: self.part_list(",") });
        if !self.parts.is_empty() {
            all.push(("parts-job.json", self.job(&names.parts, &annotations, &self.indexed())));
        }
        let last = Map::from_iter([
            ("backoffLimit".to_string(), json!(self.kubernetes.retries)),
            ("podFailurePolicy".to_string(), failure_policy("FailJob")),
            ("template".to_string(), self.pod(&names.last, &self.commands.last())),
        ]);
        all.push(("last-job.json", self.job(&names.last, &annotations, &last)));
        Ok(all)
    }

    fn part_list(&self, between: &str) -> String {
        self.parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
    }

    fn claim(&self, size: Bytes) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": self.metadata(self.volume),
            "spec": {
                "accessModes": ["ReadWriteMany"],
                "resources": { "requests": { "storage": amount(size) } },
            },
        })
    }

    fn config(&self) -> anyhow::Result<Value> {
        let assignment = self.assignment.to_text()?;
        let bytes = assignment.len() + self.text.len();
        ensure!(
            bytes <= MOST_BYTES,
            "the experiment and its parts are {bytes} bytes, and a cluster takes {MOST_BYTES} in one object: a plan of more than \
             about 50,000 runs has to be several experiments"
        );
        Ok(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": self.metadata(&ObjectNames::of(self.experiment).parts),
            "data": { "experiment.toml": self.text, "parts.json": assignment },
        }))
    }

    fn indexed(&self) -> Map<String, Value> {
        let kubernetes = self.kubernetes;
        let names = ObjectNames::of(self.experiment);
        let pods = self.parts.len();
        // The index stands for a place in the list of parts; the shell fills in nothing else.
        let script = format!(
            "set -- {}\nshift \"$JOB_COMPLETION_INDEX\"\n{}",
            self.part_list(" "),
            self.commands.part("$1")
        );
        Map::from_iter([
            ("completionMode".to_string(), json!("Indexed")),
            ("completions".to_string(), json!(pods)),
            ("parallelism".to_string(), json!(kubernetes.parallelism.unwrap_or(pods).min(pods))),
            ("backoffLimitPerIndex".to_string(), json!(kubernetes.retries)),
            ("podFailurePolicy".to_string(), failure_policy("FailIndex")),
            // A part that is given up stops no other.
            ("maxFailedIndexes".to_string(), json!(pods)),
            ("template".to_string(), self.pod(&names.parts, &script)),
        ])
    }

    fn job(&self, name: &str, annotations: &Value, spec: &Map<String, Value>) -> Value {
        let mut metadata = self.metadata(name);
        metadata["annotations"] = annotations.clone();
        metadata["annotations"]["burstlab/experiment"] = json!(self.experiment);
        if let Some(queue) = &self.kubernetes.queue {
            metadata["labels"]["kueue.x-k8s.io/queue-name"] = json!(queue);
        }
        json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec })
    }

    fn pod(&self, name: &str, script: &str) -> Value {
        let names = ObjectNames::of(self.experiment);
        let script = format!("set -eu\n{script}");
        json!({
            "metadata": { "labels": self.labels(name) },
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": (self.grace + ENDING).as_secs(),
                "securityContext": {
                    "runAsNonRoot": true,
                    "runAsUser": USER,
                    "runAsGroup": USER,
                    "fsGroup": USER,
                    "fsGroupChangePolicy": "OnRootMismatch",
                    "seccompProfile": { "type": "RuntimeDefault" },
                },
                "containers": [{
                    "name": CONTAINER,
                    "image": self.image,
                    // The cluster reads `$(NAME)` in a command as a variable of its own, and `$$` as `$`.
                    "command": ["/bin/sh", "-c", script.replace('$', "$$")],
                    "workingDir": VOLUME,
                    "env": [
                        { "name": "BURSTLAB_DATASET", "value": format!("{VOLUME}/dataset") },
                        { "name": "BURSTLAB_CACHE", "value": "/tmp/burstlab-cache" },
                    ],
                    "resources": self.resources(),
                    "securityContext": {
                        "allowPrivilegeEscalation": false,
                        "capabilities": { "drop": ["ALL"] },
                    },
                    "volumeMounts": [
                        { "name": "stores", "mountPath": VOLUME },
                        { "name": "experiment", "mountPath": CONFIG, "readOnly": true },
                    ],
                }],
                "volumes": [
                    { "name": "stores", "persistentVolumeClaim": { "claimName": self.volume } },
                    { "name": "experiment", "configMap": { "name": names.parts } },
                ],
            },
        })
    }

    /// Requests and limits are the same: a pod that takes more than it asked for disturbs the times of others.
    fn resources(&self) -> Value {
        let KubernetesSpec { cpus, gpus, memory, .. } = self.kubernetes;
        let mut amounts = json!({ "cpu": cpus.to_string() });
        if let Some(memory) = memory {
            amounts["memory"] = json!(amount(*memory));
        }
        if *gpus > 0 {
            amounts["nvidia.com/gpu"] = json!(gpus.to_string());
        }
        json!({ "requests": amounts, "limits": amounts })
    }

    fn metadata(&self, name: &str) -> Value {
        let mut metadata =
            json!({ "name": name, "labels": self.labels(&ObjectNames::of(self.experiment).parts) });
        if let Some(namespace) = &self.kubernetes.namespace {
            metadata["namespace"] = json!(namespace);
        }
        metadata
    }

    fn labels(&self, instance: &str) -> Value {
        let mut labels = json!(self.kubernetes.labels);
        labels["app.kubernetes.io/name"] = json!("burstlab");
        labels["app.kubernetes.io/instance"] = json!(instance);
        labels
    }
}

/// Which failures of a pod consume a retry, and which end the job at once: the eviction of a pod consumes none, and a refuted
/// claim or stores that contradict each other stay so. An experiment that is refused (2) may lack a volume or a GPU of its node.
fn failure_policy(giving_up: &str) -> Value {
    let permanent = [Exit::Refuted, Exit::Conflict].map(|exit| exit as u8);
    json!({ "rules": [
        { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
        { "action": giving_up, "onExitCodes": { "containerName": CONTAINER, "operator": "In", "values": permanent } },
    ] })
}

/// The commands that a person gives instead of `--apply`.
pub fn by_hand(files: &super::ManifestFiles, namespace: Option<&str>, experiment: &str) -> Vec<String> {
    let kubectl =
        format!("kubectl{}", namespace.map_or(String::new(), |name| format!(" --namespace={name}")));
    let word = |path: &std::path::Path| shell_word(&path.display().to_string());
    let names = ObjectNames::of(experiment);
    let mut commands =
        vec![format!("{kubectl} delete job --ignore-not-found {} {}", names.parts, names.last)];
    let apply =
        |path: &std::path::Path| format!("{kubectl} apply --server-side --force-conflicts -f {}", word(path));
    commands.extend(files.first.iter().map(|file| match word(file) {
        // The size of a claim that is there cannot be set again.
        claim if is_claim(file) => format!("{kubectl} get -f {claim} || {kubectl} create -f {claim}"),
        _ => apply(file),
    }));
    if files.first.iter().any(|file| file.ends_with("parts-job.json")) {
        // Nothing waits for a job that may succeed or fail.
        commands
            .push(format!("{kubectl} get job {} --watch    # until it is Complete or Failed", names.parts));
    }
    commands.push(apply(&files.last));
    commands
}

/// Whether a file holds the volume claim, which is made only where it is absent.
pub fn is_claim(file: &std::path::Path) -> bool {
    file.ends_with(CLAIM_FILE)
}

/// An amount of memory as clusters write it.
fn amount(bytes: Bytes) -> String {
    for (unit, suffix) in [(1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")] {
        if bytes.0.is_multiple_of(unit) {
            return format!("{}{suffix}", bytes.0 / unit);
        }
    }
    bytes.0.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::plan::{KnownCosts, Run};

    fn manifests(kubernetes: &KubernetesSpec, parts: Vec<usize>) -> Manifests<'_> {
        Manifests {
            experiment: "My.Sweep",
            text: "name = \"My.Sweep\" # '$(HOME)' \"\n",
            kubernetes,
            image: "example.org/burstlab:0.1",
            volume: "stores",
            grace: Duration::from_secs(10),
            commands: JobCommands {
                program: "burstlab".to_string(),
                results: "/burstlab/results".to_string(),
                folder: "/burstlab/results/kubernetes/My.Sweep".to_string(),
                assignment: "/etc/burstlab/parts.json".to_string(),
                count: 8,
                arguments: vec![
                    "/etc/burstlab/experiment.toml".to_string(),
                    "description=\"$(HOME) it's\"".to_string(),
                ],
                part_arguments: Vec::new(),
            },
            assignment: Assignment::new(std::iter::empty::<&Run>(), &KnownCosts::new(), &HashSet::new(), 8),
            parts,
        }
    }

    fn command(manifest: &Value) -> String {
        manifest["spec"]["template"]["spec"]["containers"][0]["command"][2].as_str().unwrap().to_string()
    }

    #[test]
    fn an_index_stands_for_a_part_and_the_cluster_fills_in_nothing() {
        let spec = KubernetesSpec {
            queue: Some("lab".into()),
            retries: 3,
            parallelism: Some(2),
            ..KubernetesSpec::default()
        };
        let all = manifests(&spec, vec![2, 5, 7]).all().unwrap();
        assert_eq!(
            all.iter().map(|(file, _)| *file).collect::<Vec<_>>(),
            ["config.json", "parts-job.json", "last-job.json"]
        );
        let job = &all[1].1;
        assert_eq!(job["spec"]["completions"], 3);
        assert_eq!(job["spec"]["parallelism"], 2);
        assert_eq!(job["spec"]["backoffLimitPerIndex"], 3);
        for (manifest, action) in [(job, "FailIndex"), (&all[2].1, "FailJob")] {
            let rules = &manifest["spec"]["podFailurePolicy"]["rules"];
            assert_eq!(rules[0]["action"], "Ignore", "a pod that is evicted has not failed");
            assert_eq!(rules[1]["action"], action);
            assert_eq!(rules[1]["onExitCodes"]["values"], json!([4, 6]));
        }
        assert_eq!(job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"], "lab");
        assert_eq!(job["metadata"]["annotations"][PARTS], "2,5,7");
        let command = command(job);
        // Every dollar is doubled, so none begins a variable of the cluster.
        assert!(!command.replace("$$", "").contains('$'), "{command}");
        let script =
            command.replace("$$", "$").replace("exec burstlab", "printf '%s\\n' \"$BURSTLAB_RESULTS\"");
        let shell = std::process::Command::new("sh")
            .args(["-c", &script])
            .env("JOB_COMPLETION_INDEX", "1")
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(shell.stdout).unwrap(),
            "/burstlab/results/kubernetes/My.Sweep/part-5-of-8\nrun\n/etc/burstlab/experiment.toml\n\
             description=\"$(HOME) it's\"\n--partition\n5/8\n--assignment\n/etc/burstlab/parts.json\n"
        );
    }

    #[test]
    fn where_every_part_is_done_only_the_last_job_is_left() {
        let spec = KubernetesSpec { volume_size: Some(Bytes(5 << 30)), ..KubernetesSpec::default() };
        let all = manifests(&spec, Vec::new()).all().unwrap();
        assert_eq!(
            all.iter().map(|(file, _)| *file).collect::<Vec<_>>(),
            ["claim.json", "config.json", "last-job.json"]
        );
        assert_eq!(all[0].1["spec"]["resources"]["requests"]["storage"], "5Gi");
        assert!(command(&all[2].1).contains("merge"));
    }

    #[test]
    fn names_of_objects_are_legal_and_no_two_experiments_share_them() {
        assert_eq!(ObjectNames::of("sweep-1").parts, "burstlab-sweep-1");
        let long = "a".repeat(100);
        let odd = ["Sweep-1", "sweep_1", "sweep.1", "sweep-", "-", &long, &format!("{long}b")];
        let names: HashSet<String> = odd.iter().map(|name| ObjectNames::of(name).last).collect();
        assert_eq!(names.len(), odd.len());
        for name in names {
            assert!(name.len() <= 50 && !name.contains("--last"), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
        }
    }

    #[test]
    fn amounts_are_exact() {
        assert_eq!(amount(Bytes(3 << 29)), "1536Mi");
        assert_eq!(amount(Bytes(1_000_000_001)), "1000000001");
    }
}
