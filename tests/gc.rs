//! Files of runs that nobody plans any more are removed; records never are.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::Lab;

const SWEEP: &str =
    "[task.next_request]\nlookback = 5\n[[models]]\n[models.moving_average]\nwindow = { grid = WINDOWS }\n";

fn folders(lab: &Lab) -> usize {
    std::fs::read_dir(lab.results().join("runs")).unwrap().count()
}

#[test]
fn files_of_runs_that_no_experiment_plans_are_removed_and_their_metrics_stay() {
    let lab = Lab::new();
    lab.run(&lab.azure("sweep", &SWEEP.replace("WINDOWS", "[2, 3, 4]")), &[]);
    lab.run(&lab.azure("other", &SWEEP.replace("WINDOWS", "[4]")), &[]);
    let metrics = lab.metrics("sweep");
    // The file no longer plans two of the runs.
    lab.run(&lab.azure("sweep", &SWEEP.replace("WINDOWS", "[2]")), &[]);
    let shown = lab.call(&["gc", "--dry-run", "--format", "json"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((shown["removed"].as_bool(), shown["runs"].as_array().unwrap().len()), (Some(false), 1));
    assert!(shown["bytes"].as_u64().unwrap() > 1_000);
    assert_eq!(folders(&lab), 3, "a dry run removes nothing");
    let done = lab.call(&["gc"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("the files of 1 run,"), "{}", done.stderr);
    assert_eq!(folders(&lab), 2);
    // Planned again, it is the only one to run, and it has the same metrics.
    let file = lab.azure("sweep", &SWEEP.replace("WINDOWS", "[2, 3, 4]"));
    let plan = lab.run(&file, &["--dry-run", "--format", "json"]).stdout;
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let planned = plan["runs"].as_array().unwrap().iter().filter(|run| run["status"] == "planned");
    assert_eq!(planned.count(), 1, "a dry run tells what the next command executes: {plan}");
    let again = lab.run(&lab.azure("sweep", &SWEEP.replace("WINDOWS", "[2, 3, 4]")), &[]);
    assert!(again.stderr.contains("1 run on 1 slot (2 of 3 are done already)"), "{}", again.stderr);
    assert_eq!(lab.metrics("sweep"), metrics);
}

#[test]
fn files_of_one_experiment_go_on_request_but_for_those_that_another_plans() {
    let lab = Lab::new();
    lab.run(&lab.azure("sweep", &SWEEP.replace("WINDOWS", "[2, 3, 4]")), &[]);
    lab.run(&lab.azure("other", &SWEEP.replace("WINDOWS", "[4]")), &[]);
    let metrics = lab.metrics("sweep");
    let wrong = lab.call(&["gc", "--experiment", "sweeep"]);
    assert_eq!(wrong.code, 1, "{}", wrong.stdout);
    assert!(wrong.stderr.contains("sweeep"), "{}", wrong.stderr);
    assert_eq!(folders(&lab), 3);
    assert_eq!(lab.call(&["gc", "--experiment", "sweep"]).code, 0);
    assert_eq!(folders(&lab), 1);
    assert_eq!(lab.metrics("sweep"), metrics);
}
