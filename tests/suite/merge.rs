//! Shares of a plan on machines of their own, and their stores brought together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::common::{DIVIDED, Lab};

const RUNS: usize = 9;

/// Every table that says something about runs, row by row, without the numbers that a store gives to its rows.
fn contents(lab: &Lab) -> BTreeMap<&'static str, Vec<String>> {
    let tables = [
        (
            "run_records",
            "select run_id, model, seed, fold, status, device, params, dataset_sha256, leak_verdict, note from run_records",
        ),
        ("metrics", "select * from metrics"),
        ("epochs", "select run_id, epoch, train_loss, valid_loss, learning_rate, wall_s from epochs"),
        ("attempts", "select run_id, status, started_at, finished_at, wall_s, owner from attempts"),
        ("events", "select at, experiment, run_id, kind, detail from events"),
        ("revision_runs", "select * from revision_runs"),
        ("revisions", "select experiment, revision, text, overrides from revisions"),
        ("experiments", "select name, text, overrides from experiments"),
    ];
    tables
        .into_iter()
        .map(|(table, sql)| {
            let mut rows: Vec<String> = lab.query(sql).iter().map(Value::to_string).collect();
            rows.sort();
            (table, rows)
        })
        .collect()
}

fn files_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.path().is_file());
    files.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())).collect()
}

fn planned(lab: &Lab, file: &Path, partition: &str) -> BTreeSet<String> {
    let outcome =
        lab.call(&["run", file.to_str().unwrap(), "--dry-run", "--partition", partition, "--format", "json"]);
    let plan: Value = serde_json::from_str(&outcome.stdout).unwrap();
    plan["runs"].as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap().to_string()).collect()
}

#[test]
fn shares_of_a_plan_merge_into_what_one_machine_would_have_done() {
    let whole = Lab::new();
    whole.run(&whole.azure("shared", DIVIDED), &[]);
    let shares: Vec<Lab> = (0..3).map(|_| Lab::new()).collect();
    let merged = Lab::new();
    let file = merged.azure("shared", DIVIDED);
    let mut done_in_shares = 0;
    for (index, share) in shares.iter().enumerate() {
        let partition = format!("{}/3", index + 1);
        let outcome = share.run(&file, &["--partition", &partition]);
        assert!(outcome.stderr.contains(&format!("partition {partition} has")), "{}", outcome.stderr);
        assert!(outcome.stdout.contains("combine the stores with `burstlab merge`"), "{}", outcome.stdout);
        done_in_shares += share.scalar("select count(*) from runs where status = 'done'").as_u64().unwrap();
        assert_eq!(share.scalar("select count(*) from runs"), RUNS, "each store knows the whole plan");
    }
    assert_eq!(done_in_shares, 7, "all but the ensembles, none twice");

    let stores: Vec<String> = shares.iter().map(|share| share.results().display().to_string()).collect();
    let before: Vec<_> = shares.iter().map(|share| files_of(&share.results())).collect();
    let mut arguments = vec!["merge"];
    arguments.extend(stores.iter().map(String::as_str));
    let outcome = merged.call(&arguments);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(merged.scalar("select count(*) from runs where status = 'done'"), 7);
    let first = contents(&merged);
    let everything: usize = shares
        .iter()
        .map(|share| share.scalar("select count(*) from attempts").as_u64().unwrap() as usize)
        .sum();
    assert_eq!(first["attempts"].len(), everything, "no attempt is lost or doubled");

    let again = merged.call(&arguments);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(
        again.stdout.lines().all(|line| line.contains("nothing new, 9 known already")),
        "{}",
        again.stdout
    );
    assert_eq!(contents(&merged), first, "merging again changes nothing");
    let after: Vec<_> = shares.iter().map(|share| files_of(&share.results())).collect();
    assert!(before == after, "the other stores are as they were, file by file");

    let rest = merged.run(&file, &[]);
    assert!(rest.stderr.contains("2 runs on 2 slots (7 of 9 are done already)"), "{}", rest.stderr);
    assert_eq!(merged.metrics("shared"), whole.metrics("shared"));
    assert_eq!(contents(&merged)["epochs"].len(), contents(&whole)["epochs"].len());
    for run in std::fs::read_dir(whole.results().join("runs")).unwrap() {
        let run = run.unwrap();
        let here = merged.results().join("runs").join(run.file_name());
        assert!(files_of(&run.path()) == files_of(&here), "the files of {:?}", run.file_name());
    }
    merged.call(&["report", "shared"]);
    assert!(merged.results().join("shared/report.html").is_file());
}

#[test]
fn a_share_depends_on_what_a_run_is_and_not_on_where_it_stands_in_the_file() {
    let lab = Lab::new();
    let file = lab.azure("one", DIVIDED);
    let swapped = DIVIDED
        .replace("models.persistence", "models.x")
        .replace("models.lstm]\nhidden = 4", "models.persistence]")
        .replace("models.x]", "models.lstm]\nhidden = 4");
    let other = lab.azure("two", &swapped);
    let mut union = BTreeSet::new();
    for partition in ["1/3", "2/3", "3/3"] {
        let share = planned(&lab, &file, partition);
        assert_eq!(share, planned(&lab, &other, partition));
        assert!(union.is_disjoint(&share));
        union.extend(share);
    }
    assert_eq!(union.len(), 7);
    assert_eq!(
        planned(&lab, &file, "1/1").len(),
        RUNS,
        "the only share is the whole plan, ensembles included"
    );
}

#[test]
fn a_partition_that_is_none_is_refused() {
    let lab = Lab::new();
    let file = lab.azure("one", DIVIDED);
    for (partition, part) in
        [("4/3", "there is no share 4 of 3"), ("2", "write it as i/n"), ("1/0", "0 shares")]
    {
        let outcome = lab.call(&["run", file.to_str().unwrap(), "--partition", partition]);
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
    }
    let outcome = lab.call(&["run", file.to_str().unwrap(), "--partition", "1/2", "--engine", "slurm"]);
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
}

#[test]
fn a_run_that_both_stores_have_with_other_metrics_is_a_conflict_and_stays() {
    let (here, there) = (Lab::new(), Lab::new());
    let file = here.azure("shared", DIVIDED);
    here.run(&file, &[]);
    there.run(&file, &[]);
    let run = there.scalar("select run_id from runs where model = 'persistence'");
    let run = run.as_str().unwrap();
    there.execute(&format!(
        "UPDATE metric_values SET value = value * 2 WHERE run = (SELECT run FROM run_records WHERE run_id = '{run}') \
         AND metric IN (SELECT metric FROM metric_keys WHERE name = 'mse')"
    ));
    let before = here.metrics("shared");
    let outcome = here.call(&["merge", there.results().to_str().unwrap()]);
    assert_eq!(outcome.code, 6, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains(&format!("conflict: run {run} has other metrics in")),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.stderr.matches("conflict").count(), 1, "{}", outcome.stderr);
    assert_eq!(here.metrics("shared"), before);
    assert_eq!(here.scalar("select count(*) from attempts"), 2 * RUNS, "both machines did run it");
}

#[test]
fn what_has_come_further_wins_whichever_store_it_is_in() {
    let (finished, failed) = (Lab::new(), Lab::new());
    let file = finished.azure("shared", DIVIDED);
    finished.run(&file, &[]);
    failed.run(&file, &["--partition", "1/2"]);
    let (lstm, other) = ("model = 'lstm'", "select status, count(*) as n from runs group by 1 order by 1");
    failed.execute("UPDATE run_records SET status = 'failed' WHERE model = 'lstm'");
    failed
        .execute("DELETE FROM metric_values WHERE run IN (SELECT run FROM run_records WHERE model = 'lstm')");
    failed.execute(
        "UPDATE attempts SET status = 'failed', error = 'elsewhere' WHERE run_id IN \
         (SELECT run_id FROM run_records WHERE model = 'lstm')",
    );
    // An attempt that a dead supervisor left behind.
    failed.execute("UPDATE attempts SET status = 'running', finished_at = NULL WHERE attempt_id = 1");
    let (forth, back) = (Lab::new(), Lab::new());
    for (lab, order) in [(&forth, [&finished, &failed]), (&back, [&failed, &finished])] {
        for store in order {
            let store = store.results().join("burstlab.db");
            assert_eq!(lab.call(&["merge", store.to_str().unwrap()]).code, 0);
        }
        assert_eq!(lab.query(other).len(), 1, "{:?}", lab.query(other));
        assert_eq!(lab.scalar(&format!("select count(*) from runs where {lstm} and status = 'done'")), 2);
        assert_eq!(
            lab.scalar("select count(error) from runs"),
            0,
            "a run that is done shows its good attempt"
        );
        assert_eq!(lab.metrics("shared"), finished.metrics("shared"));
        assert_eq!(lab.scalar("select count(*) from attempts where status = 'running'"), 0);
        assert!(lab.run(&file, &[]).stderr.contains("all 9 runs are done already, nothing to run"));
    }
    // Both stores know the epochs of some runs; which of them they are taken from shows in nothing but their seconds.
    let (forth, back) = (contents(&forth), contents(&back));
    for table in ["run_records", "metrics", "attempts", "revision_runs", "experiments"] {
        assert_eq!(forth[table], back[table], "the order of merges does not matter");
    }
    assert_eq!(forth["epochs"].len(), back["epochs"].len());
}

#[test]
fn a_run_that_comes_without_files_runs_again() {
    let (here, there) = (Lab::new(), Lab::new());
    let file = here.azure("shared", DIVIDED);
    there.run(&file, &[]);
    let run = there.scalar("select run_id from runs where model = 'lstm' limit 1");
    std::fs::remove_dir_all(there.results().join("runs").join(run.as_str().unwrap())).unwrap();
    let outcome = here.call(&["merge", there.results().to_str().unwrap()]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("1 run came without files"), "{}", outcome.stderr);
    let rest = here.run(&file, &[]);
    assert!(rest.stderr.contains("1 run on 1 slot (8 of 9 are done already)"), "{}", rest.stderr);
    assert_eq!(here.metrics("shared"), there.metrics("shared"));
}

#[test]
fn a_merge_that_is_killed_at_any_instant_continues() {
    let parts: Vec<Lab> = (0..3).map(|_| Lab::new()).collect();
    let whole = Lab::new();
    let file = whole.azure("shared", DIVIDED);
    let mut arguments = vec!["merge".to_string()];
    for (index, part) in parts.iter().enumerate() {
        part.run(&file, &["--partition", &format!("{}/3", index + 1)]);
        arguments.push(part.results().display().to_string());
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(whole.call(&arguments).code, 0);
    let killed = Lab::new();
    for delay_ms in [1, 5, 10, 20, 30, 40, 60, 80, 120] {
        let mut merge = killed.command(&arguments).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay_ms));
        merge.kill().unwrap();
        merge.wait().unwrap();
    }
    let outcome = killed.call(&arguments);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(contents(&killed), contents(&whole));
    for folder in [killed.results(), killed.results().join("runs")] {
        let left =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(
            left.filter(|name| name.starts_with(".draft-")).count(),
            0,
            "nothing is left of a killed merge"
        );
    }
    assert!(killed.run(&file, &[]).stderr.contains("(7 of 9 are done already)"));
}

#[test]
fn what_is_no_other_store_is_refused() {
    let lab = Lab::new();
    lab.run(&lab.azure("shared", "[task.next_request]\nlookback = 5\n[[models]]\n[models.zero]\n"), &[]);
    let merge = |store: &str| {
        let outcome = lab.call(&["merge", store]);
        assert_eq!(outcome.code, 1, "{}", outcome.stderr);
        outcome.stderr
    };
    assert!(merge("nowhere").contains("there is no store at nowhere"));
    assert!(merge(lab.results().to_str().unwrap()).contains("cannot be merged into itself"));
    let plain = lab.file("plain.db", "not a database at all, but long enough to be looked at as one");
    assert!(merge(plain.to_str().unwrap()).contains("file is not a database"));
    let empty = lab.file("empty.db", "");
    assert!(merge(empty.to_str().unwrap()).contains("is not a store of burstlab"));
    assert_eq!(std::fs::read(empty).unwrap(), b"", "it was not made into one");
}

#[test]
fn without_slurm_the_engine_says_what_is_missing_and_its_scripts_can_still_be_seen() {
    let lab = Lab::new();
    let slurm = "[scheduler.slurm]\npartition = \"batch\"\nparts = 3\narray_limit = 2\ntime = \"90s\"\ncpus = 4\n\
                 memory = \"1GiB\"\noptions = [\"--account=forecast\"]\n";
    let file = lab.azure("handed-over", &format!("{DIVIDED}{slurm}"));
    let path = file.to_str().unwrap();
    let outcome: crate::common::Outcome =
        lab.command(&["run", path, "--engine", "slurm"]).env("PATH", "/nowhere").output().unwrap().into();
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("`sbatch` is not on PATH: --engine slurm needs Slurm's commands"),
        "{}",
        outcome.stderr
    );
    assert!(!lab.results().exists(), "nothing is written for a Slurm that is not there");

    let shown: crate::common::Outcome = lab
        .command(&["run", path, "--engine", "slurm", "--dry-run", "--set", "description=\"it's\""])
        .env("PATH", "/nowhere")
        .output()
        .unwrap()
        .into();
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    for line in [
        "#SBATCH --job-name=burstlab-handed-over",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --mem=1048576K",
        "#SBATCH --time=2",
        "#SBATCH --partition=batch",
        "#SBATCH --account=forecast",
        "#SBATCH --job-name=burstlab-handed-over-last",
    ] {
        assert!(shown.stdout.lines().any(|shown| shown == line), "{line} is not in\n{}", shown.stdout);
    }
    let array = shown.stdout.lines().find(|line| line.starts_with("#SBATCH --array=")).unwrap();
    assert!(array.ends_with("%2"), "{array}");
    let task =
        shown.stdout.lines().find(|line| line.contains("--partition \"$SLURM_ARRAY_TASK_ID/3\"")).unwrap();
    assert!(task.contains("--device cpu --slots 4 --set 'description=\"it'\\''s\"'"), "{task}");
}
