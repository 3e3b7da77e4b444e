//! Plans on clusters: parts of array jobs under the variables that batch systems set, a part that is split again, and a sweep
//! that `kubectl` takes through a cluster, which this test plays.

mod kubernetes;
mod slurm;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{DIVIDED, Lab, Outcome};

/// Every variable that `--partition auto` reads.
const VARIABLES: [&str; 10] = [
    "SLURM_ARRAY_TASK_ID",
    "SLURM_ARRAY_TASK_COUNT",
    "SLURM_ARRAY_TASK_MIN",
    "SLURM_ARRAY_TASK_MAX",
    "JOB_COMPLETION_INDEX",
    "SKYPILOT_JOB_RANK",
    "SKYPILOT_NUM_JOBS",
    "HQ_TASK_ID",
    "PBS_ARRAY_INDEX",
    "BURSTLAB_PARTS",
];

/// A task of an array job: `--partition auto` under these variables and no others.
fn task(lab: &Lab, file: &Path, partition: &str, variables: &[(&str, String)]) -> Outcome {
    let mut command = lab.command(&["run", file.to_str().unwrap(), "--partition", partition]);
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.envs(variables.iter().map(|(name, value)| (name, value))).output().unwrap().into()
}

fn merge(into: &Lab, stores: &[&Lab]) {
    let mut arguments = vec!["merge".to_string()];
    arguments.extend(stores.iter().map(|store| store.results().display().to_string()));
    let outcome = into.call(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

fn done(lab: &Lab) -> u64 {
    lab.scalar("select count(*) from runs where status = 'done'").as_u64().unwrap()
}

#[test]
fn the_tasks_of_an_array_job_run_the_whole_plan_whichever_system_numbers_them() {
    let whole = Lab::new();
    whole.run(&whole.azure("shared", DIVIDED), &[]);
    let variables = |system: usize, task: usize| -> Vec<(&'static str, String)> {
        match system {
            // Its last task is one that is submitted again, alone.
            0 => {
                let (count, first, last) = if task < 2 { (3, 1, 3) } else { (1, task + 1, task + 1) };
                vec![
                    ("SLURM_ARRAY_TASK_ID", (task + 1).to_string()),
                    ("SLURM_ARRAY_TASK_COUNT", count.to_string()),
                    ("SLURM_ARRAY_TASK_MIN", first.to_string()),
                    ("SLURM_ARRAY_TASK_MAX", last.to_string()),
                    ("BURSTLAB_PARTS", if task < 2 { "" } else { "3" }.to_string()),
                ]
            }
            1 => vec![("JOB_COMPLETION_INDEX", task.to_string()), ("BURSTLAB_PARTS", "3".to_string())],
            2 => vec![("SKYPILOT_JOB_RANK", task.to_string()), ("SKYPILOT_NUM_JOBS", "3".to_string())],
            3 => vec![("HQ_TASK_ID", (task + 1).to_string()), ("BURSTLAB_PARTS", "3".to_string())],
            _ => vec![("PBS_ARRAY_INDEX", (task + 1).to_string()), ("BURSTLAB_PARTS", "3".to_string())],
        }
    };
    // Each system sets its own variables, but all three tasks together are the plan: one system after the other takes a task.
    for systems in [[0, 1, 2], [3, 4, 0]] {
        let merged = Lab::new();
        let file = merged.azure("shared", DIVIDED);
        let parts: Vec<Lab> = (0..3).map(|_| Lab::new()).collect();
        for (number, part) in parts.iter().enumerate() {
            let outcome = task(part, &file, "auto", &variables(systems[number], number));
            assert_eq!(outcome.code, 0, "{}", outcome.stderr);
            assert!(
                outcome.stderr.contains(&format!("partition {}/3 has", number + 1)),
                "{}",
                outcome.stderr
            );
            assert!(done(part) >= 2, "seven runs of nearly equal cost are spread evenly");
        }
        assert_eq!(parts.iter().map(done).sum::<u64>(), 7, "all but the ensembles, none twice");
        merge(&merged, &parts.iter().collect::<Vec<_>>());
        merged.run(&file, &[]);
        assert_eq!(merged.metrics("shared"), whole.metrics("shared"), "bit for bit");
    }
}

#[test]
fn a_task_whose_part_is_not_known_says_which_variable_is_missing() {
    let lab = Lab::new();
    let file = lab.azure("shared", DIVIDED);
    for (variables, part) in [
        (vec![], "none of SLURM_ARRAY_TASK_ID (Slurm), JOB_COMPLETION_INDEX (Kubernetes)"),
        (
            vec![("HQ_TASK_ID", "1".to_string())],
            "HQ_TASK_ID is set, but nothing says how many parts there are",
        ),
        (
            vec![("PBS_ARRAY_INDEX", "9".to_string()), ("BURSTLAB_PARTS", "3".to_string())],
            "PBS_ARRAY_INDEX is 9, which is none of the 3 parts",
        ),
    ] {
        let outcome = task(&lab, &file, "auto", &variables);
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
    }
    assert!(!lab.results().exists());
}

#[test]
fn a_straggler_is_split_again_and_what_it_did_is_not_repeated() {
    let whole = Lab::new();
    let file = whole.azure("shared", DIVIDED);
    whole.run(&file, &[]);
    let (first, straggler) = (Lab::new(), Lab::new());
    first.run(&file, &["--partition", "1/2"]);
    let stopped = straggler.call(&["run", file.to_str().unwrap(), "--partition", "2/2", "--max-runs", "1"]);
    assert_eq!(stopped.code, 5, "{}", stopped.stderr);
    // Three machines take it over, after a merge that tells them what is done.
    let thirds: Vec<Lab> = (0..3).map(|_| Lab::new()).collect();
    for (number, third) in thirds.iter().enumerate() {
        merge(third, &[&straggler]);
        let variables = [("JOB_COMPLETION_INDEX", number.to_string()), ("BURSTLAB_PARTS", "3".to_string())];
        let outcome = task(third, &file, "2/2:auto", &variables);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert!(
            outcome.stderr.contains(&format!("partition 2/2:{}/3 has", number + 1)),
            "{}",
            outcome.stderr
        );
    }
    let merged = Lab::new();
    let mut stores = vec![&first, &straggler];
    stores.extend(&thirds);
    merge(&merged, &stores);
    assert_eq!(done(&merged), 7);
    let attempts = "select count(*) from attempts where status = 'done'";
    assert_eq!(merged.scalar(attempts), 7, "no run was done twice");
    merged.run(&file, &[]);
    assert_eq!(merged.metrics("shared"), whole.metrics("shared"), "bit for bit");
}

#[test]
fn parts_that_are_handed_over_hold_what_their_file_says() {
    let lab = Lab::new();
    let file = lab.azure("shared", DIVIDED);
    let path = file.to_str().unwrap();
    let plan = lab.call(&["run", path, "--dry-run", "--format", "json"]);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let run = plan["runs"][0]["run_id"].clone();
    let parts = lab.file("parts.json", &json!({ "parts": [[run], []], "done": [] }).to_string());
    let shown = |partition: &str, file: &Path| {
        lab.call(&[
            "run",
            path,
            "--dry-run",
            "--partition",
            partition,
            "--assignment",
            file.to_str().unwrap(),
            "--format",
            "json",
        ])
    };
    let first: Value = serde_json::from_str(&shown("1/2", &parts).stdout).unwrap();
    assert_eq!(first["runs"].as_array().unwrap().len(), 1);
    let other = shown("1/3", &parts);
    assert_eq!(other.code, 1, "{}", other.stderr);
    assert!(other.stderr.contains("divided into 2 parts, of which 1/3 is none"), "{}", other.stderr);
    let none = shown("1/2", Path::new("nowhere.json"));
    assert!(none.stderr.contains("there is no nowhere.json"), "{}", none.stderr);
}
