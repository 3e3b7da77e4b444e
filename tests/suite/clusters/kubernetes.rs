//! The engine `kubernetes`, beside a cluster that is played.

use super::*;

const KUBERNETES: &str = r#"
[scheduler.kubernetes]
image = "example.org/burstlab:0.1"
volume = "stores"
parts = 3
memory = "1GiB"
queue = "lab"
labels = { team = "forecast" }
"#;

/// A cluster in a folder: a `kubectl` that keeps what it is given there, and this test, which runs the pods of its jobs.
struct FakeCluster {
    folder: PathBuf,
}

impl FakeCluster {
    /// `kubectl` as a few lines of shell: `apply` leaves the manifest in `jobs` or `objects`, `get` and `delete` find it there.
    fn new(lab: &Lab) -> Self {
        let folder = lab.folder.path().join("cluster");
        for name in ["bin", "jobs", "objects", "volume", "config"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        let kubectl = folder.join("bin/kubectl");
        let script = format!(
            r#"#!/bin/sh
set -eu
cd '{folder}'
echo "$*" >> calls.txt
case "$*" in version*|*--request-timeout=*) ;; *) echo "this may wait for ever: $*" >&2; exit 1;; esac
while true; do case "$1" in --namespace=*|--request-timeout=*) shift;; *) break;; esac; done
job() {{ case "$1" in *-last) echo jobs/last-job.json;; *) echo jobs/parts-job.json;; esac; }}
case "$1" in
version) echo "Client Version: fake";;
apply|create)
    for path in "$@"; do :; done
    case "$path" in
    *-job.json) cp "$path" incoming && mv -f incoming "jobs/$(basename "$path")";;
    *) cp "$path" "objects/$(basename "$path")";;
    esac;;
get)
    if [ -f outage ]; then rm outage; echo "connection refused" >&2; exit 1; fi
    case "$2" in
    pvc) if [ -f objects/claim.json ]; then echo "persistentvolumeclaim/$3"; fi;;
    *) if [ -f "$(job "$3")" ]; then cat "$(job "$3")"; fi;;
    esac;;
delete) shift 2; rm -f "$(job "$1")";;
*) echo "error: unknown command $1" >&2; exit 1;;
esac
"#,
            folder = folder.display()
        );
        std::fs::write(&kubectl, script).unwrap();
        std::fs::set_permissions(&kubectl, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_burstlab"), folder.join("bin/burstlab")).unwrap();
        Self { folder }
    }

    fn path(&self) -> String {
        format!("{}:{}", self.folder.join("bin").display(), std::env::var("PATH").unwrap())
    }

    /// Runs `burstlab` on a machine that can reach the cluster, while the cluster runs what it is given. A pod whose part is in
    /// `broken` fails.
    fn call(&self, lab: &Lab, arguments: &[&str], broken: &[usize]) -> Outcome {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let controller = scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    self.run_jobs(broken);
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
            let outcome = lab.command(arguments).env("PATH", self.path()).output().unwrap().into();
            over.store(true, Ordering::SeqCst);
            controller.join().unwrap();
            outcome
        })
    }

    /// Runs every pod of every job that is not over.
    fn run_jobs(&self, broken: &[usize]) {
        let jobs = std::fs::read_dir(self.folder.join("jobs")).unwrap();
        for path in jobs.map(|entry| entry.unwrap().path()) {
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let mut job: Value = serde_json::from_str(&text).unwrap();
            if job.get("status").is_some() {
                continue;
            }
            self.mount_config();
            let spec = &job["spec"];
            let pods = spec["completions"].as_u64().unwrap_or(1);
            let container = &spec["template"]["spec"]["containers"][0];
            let (completed, failed): (Vec<u64>, Vec<u64>) =
                (0..pods).partition(|&index| self.run_pod(container, index, broken));
            let list = |indices: &[u64]| indices.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
            let condition = if failed.is_empty() { "Complete" } else { "Failed" };
            job["status"] = json!({
                "completedIndexes": list(&completed), "failedIndexes": list(&failed),
                "conditions": [{ "type": condition, "status": "True" }],
            });
            let fresh = self.folder.join("status");
            std::fs::write(&fresh, format!("{job:#}\n")).unwrap();
            std::fs::rename(fresh, path).unwrap();
        }
    }

    /// The files of the config map, where pods look for them.
    fn mount_config(&self) {
        let text = std::fs::read_to_string(self.folder.join("objects/config.json")).unwrap();
        let config: Value = serde_json::from_str(&text).unwrap();
        for (name, text) in config["data"].as_object().unwrap() {
            std::fs::write(self.folder.join("config").join(name), text.as_str().unwrap()).unwrap();
        }
    }

    /// Runs one pod as a kubelet would, but that the volume and the config map lie in folders of their own.
    fn run_pod(&self, container: &Value, index: u64, broken: &[usize]) -> bool {
        let here = |text: &str| {
            text.replace("/etc/burstlab", &self.folder.join("config").display().to_string())
                .replace("/burstlab/", &format!("{}/", self.folder.join("volume").display()))
        };
        let command: Vec<String> = container["command"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| here(&word.as_str().unwrap().replace("$$", "$")))
            .collect();
        let mut pod = Command::new(&command[0]);
        pod.args(&command[1..])
            .current_dir(self.folder.join("volume"))
            .env("PATH", self.path())
            .env("JOB_COMPLETION_INDEX", index.to_string());
        for variable in container["env"].as_array().unwrap() {
            pod.env(variable["name"].as_str().unwrap(), here(variable["value"].as_str().unwrap()));
        }
        pod.env("BURSTLAB_CACHE", self.folder.join("cache"));
        let parts: Vec<usize> = command[2]
            .lines()
            .find_map(|line| {
                line.strip_prefix("set -- ")?.split(' ').map(|part| part.parse().ok()).collect::<Option<_>>()
            })
            .unwrap_or_default();
        if parts.get(index as usize).is_some_and(|part| broken.contains(part)) {
            return false;
        }
        let output = pod.output().unwrap();
        let log =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        std::fs::write(self.folder.join(format!("pod-{index}.log")), log).unwrap();
        output.status.success()
    }

    fn calls(&self, verb: &str) -> usize {
        let calls = std::fs::read_to_string(self.folder.join("calls.txt")).unwrap();
        calls.lines().filter(|call| call.contains(verb)).count()
    }

    fn logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.extension().is_some_and(|end| end == "log") {
                text += &std::fs::read_to_string(entry).unwrap();
            }
        }
        text
    }
}

/// The store on the volume, as a lab whose other commands read it.
fn metrics_on_volume(lab: &Lab, cluster: &FakeCluster, sql: &str) -> Vec<Value> {
    let outcome: Outcome = lab
        .command(&["query", sql, "--format", "json"])
        .env("BURSTLAB_RESULTS", cluster.folder.join("volume/results"))
        .output()
        .unwrap()
        .into();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

const METRICS: &str = "select run_id, part, target, unit, name, value from metrics order by 1, 2, 3, 4, 5";

const MODELS: &str = "select owner, group_concat(distinct model) as models from runs join attempts using (run_id) group by owner";

#[test]
fn a_cluster_runs_the_parts_and_only_those_that_failed_are_handed_over_again() {
    let lab = Lab::new();
    let whole = Lab::new();
    let sweep = format!("{DIVIDED}{KUBERNETES}");
    whole.run(&whole.azure("It.s", &sweep), &[]);
    let file = lab.azure("It.s", &sweep);
    let path = file.to_str().unwrap();
    let cluster = FakeCluster::new(&lab);
    let hostile = "description=\"it's $(HOME) `x` $HOME \\\" & more\"";
    let command = ["run", path, "--engine", "kubernetes", "--apply", "--set", hostile];

    // The last job runs what a part that was given up left.
    let outcome = cluster.call(&lab, &command, &[2]);
    assert_eq!(outcome.code, 0, "{}\n{}\n{}", outcome.stdout, outcome.stderr, cluster.logs());
    for line in [
        "runs 3 of 3 parts",
        "2 of 3 parts complete, 1 part given up",
        "1 part did not complete, and the last job runs what is left; `kubectl logs",
        "merges the stores, runs what is left and writes the report",
    ] {
        assert!(outcome.stderr.contains(line), "{line} is not in\n{}", outcome.stderr);
    }
    assert!(
        outcome.stdout.contains("the report is results/It.s/report.html on the volume stores"),
        "{}",
        outcome.stdout
    );
    assert!(cluster.folder.join("volume/results/It.s/report.html").is_file());
    assert_eq!(metrics_on_volume(&lab, &cluster, METRICS), whole.query(METRICS), "bit for bit");
    assert_eq!(metrics_on_volume(&lab, &cluster, MODELS).len(), 3, "two parts and the last job");
    let text = metrics_on_volume(&lab, &cluster, "select description from revisions");
    assert_eq!(
        text[0]["description"], "it's $(HOME) `x` $HOME \" & more",
        "no shell and no cluster changed it"
    );

    // Only the part that failed is handed over again, and finds everything else done.
    std::fs::remove_dir_all(cluster.folder.join("volume/results/runs")).unwrap();
    std::fs::remove_file(cluster.folder.join("volume/results/burstlab.db")).unwrap();
    let outcome = cluster.call(&lab, &command, &[]);
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.stderr, cluster.logs());
    assert!(outcome.stderr.contains("runs 1 of 3 parts"), "{}", outcome.stderr);
    assert_eq!(metrics_on_volume(&lab, &cluster, METRICS), whole.query(METRICS));
    let attempts = metrics_on_volume(&lab, &cluster, MODELS);
    let last: Vec<&Value> = attempts.iter().filter(|row| row["models"] == "ensemble").collect();
    assert_eq!((attempts.len(), last.len()), (4, 1), "the last job ran the ensembles alone: {attempts:?}");

    let before = cluster.calls("apply");
    let outcome = cluster.call(&lab, &command, &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("all parts and the last job are done, nothing to run"),
        "{}",
        outcome.stderr
    );
    assert_eq!(cluster.calls("apply"), before, "nothing is handed over");
}

#[test]
fn a_job_that_is_under_way_is_waited_for_and_not_handed_over_again() {
    let lab = Lab::new();
    let file = lab.azure("shared", &format!("{DIVIDED}{KUBERNETES}"));
    let path = file.to_str().unwrap();
    let cluster = FakeCluster::new(&lab);
    let command = ["run", path, "--engine", "kubernetes", "--apply"];
    // The cluster takes the parts, but no pod of theirs starts before the command is gone.
    let mut first = lab.command(&command).env("PATH", cluster.path()).spawn().unwrap();
    let job = cluster.folder.join("jobs/parts-job.json");
    while !job.is_file() {
        std::thread::sleep(Duration::from_millis(20));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let other = cluster_refusal(&lab, &cluster, path);
    assert!(other.contains("the job burstlab-shared runs the parts of another plan"), "{other}");

    let outcome = cluster.call(&lab, &command, &[]);
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.stderr, cluster.logs());
    assert!(outcome.stderr.contains("the job burstlab-shared is under way"), "{}", outcome.stderr);
    assert_eq!(cluster.calls("parts-job.json"), 1, "the parts are handed over once");
    let runs = metrics_on_volume(&lab, &cluster, "select count(*) as n from runs where status = 'done'");
    assert_eq!(runs[0]["n"], 9);
}

#[test]
fn a_last_job_that_is_under_way_is_waited_for_and_nothing_is_handed_over_beside_it() {
    let lab = Lab::new();
    let file = lab.azure("shared", &format!("{DIVIDED}{KUBERNETES}volume_size = \"5GiB\"\n"));
    let path = file.to_str().unwrap();
    let cluster = FakeCluster::new(&lab);
    let command = ["run", path, "--engine", "kubernetes", "--apply"];
    let appear = |name: &str| {
        while !cluster.folder.join(name).is_file() {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let mut first = lab.command(&command).env("PATH", cluster.path()).stderr(Stdio::piped()).spawn().unwrap();
    appear("jobs/parts-job.json");
    // One question stays without an answer, and one part fails; then the command is gone before the last job starts.
    std::fs::write(cluster.folder.join("outage"), "").unwrap();
    while cluster.folder.join("outage").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    cluster.run_jobs(&[2]);
    appear("jobs/last-job.json");
    first.kill().unwrap();
    let said = String::from_utf8(first.wait_with_output().unwrap().stderr).unwrap();
    assert!(said.contains("the cluster does not answer and is asked again"), "{said}");
    assert!(said.contains("connection refused"), "{said}");
    let other = cluster_refusal(&lab, &cluster, path);
    assert!(other.contains("the job burstlab-shared-last runs the parts of another plan"), "{other}");

    let deleted = cluster.calls("delete");
    let outcome = cluster.call(&lab, &command, &[]);
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.stderr, cluster.logs());
    assert!(outcome.stderr.contains("the job burstlab-shared-last is under way"), "{}", outcome.stderr);
    assert_eq!(cluster.calls("parts-job.json"), 1, "the parts are handed over once");
    assert_eq!(cluster.calls("last-job.json"), 1, "and so is the last job");
    assert_eq!(cluster.calls("delete"), deleted, "nothing is removed");
    let runs = metrics_on_volume(&lab, &cluster, "select count(*) as n from runs where status = 'done'");
    assert_eq!(runs[0]["n"], 9);

    // Only the part that failed is left; the claim is there, and stays as it is.
    let outcome = cluster.call(&lab, &command, &[]);
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.stderr, cluster.logs());
    assert!(outcome.stderr.contains("runs 1 of 3 parts"), "{}", outcome.stderr);
    assert_eq!(cluster.calls("claim.json"), 1, "the claim is made once");
}

fn cluster_refusal(lab: &Lab, cluster: &FakeCluster, path: &str) -> String {
    let outcome: Outcome = lab
        .command(&["run", path, "--engine", "kubernetes", "--apply", "--set", "training.epochs=3"])
        .env("PATH", cluster.path())
        .output()
        .unwrap()
        .into();
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    outcome.stderr
}

#[test]
fn manifests_are_shown_and_written_without_a_cluster() {
    let lab = Lab::new();
    let file = lab
        .azure("shared", &format!("{DIVIDED}{KUBERNETES}namespace = \"forecast\"\nvolume_size = \"5GiB\"\n"));
    let call = |more: &[&str]| -> Outcome {
        let mut arguments = vec!["run", file.to_str().unwrap(), "--engine", "kubernetes"];
        arguments.extend(more);
        lab.command(&arguments).env("PATH", "/nowhere").output().unwrap().into()
    };
    let shown = call(&["--dry-run", "--format", "json"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let kinds: Vec<&str> = shown["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|manifest| manifest["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["PersistentVolumeClaim", "ConfigMap", "Job", "Job"]);
    assert!(
        shown["manifests"].as_array().unwrap().iter().all(|one| one["metadata"]["namespace"] == "forecast")
    );
    assert_eq!(shown["parts"], json!([1, 2, 3]));
    assert!(!lab.results().exists(), "a dry run writes nothing");

    let refused = call(&["--apply"]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("`kubectl` is not on PATH: --apply needs it"), "{}", refused.stderr);
    assert!(!lab.results().exists(), "nothing is written for a cluster that cannot be reached");

    let written = call(&[]);
    assert_eq!(written.code, 0, "{}", written.stderr);
    let files: BTreeSet<String> = std::fs::read_dir(lab.results().join("kubernetes/shared"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = ["claim.json", "config.json", "last-job.json", "parts-job.json", "parts.json"];
    assert!(files.iter().eq(&expected), "{files:?}");
    assert!(
        written.stdout.contains("kubectl --namespace=forecast apply --server-side --force-conflicts -f "),
        "{}",
        written.stdout
    );
    let other = lab.call(&["run", file.to_str().unwrap(), "--apply"]);
    assert_eq!(other.code, 2, "{}", other.stderr);
    assert!(other.stderr.contains("--apply needs --engine kubernetes"), "{}", other.stderr);
}
