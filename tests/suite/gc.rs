//! Files of finished runs are removed on request alone; records never are.

use serde_json::Value;

use crate::common::Lab;

const SWEEP: &str =
    "[task.next_request]\nlookback = 5\n[[models]]\n[models.moving_average]\nwindow = { grid = WINDOWS }\n";

fn folders(lab: &Lab) -> usize {
    std::fs::read_dir(lab.results().join("runs")).unwrap().count()
}

/// What a dry run would remove.
fn shown(lab: &Lab, arguments: &[&str]) -> Vec<Value> {
    let shown = lab.call(&[&["gc", "--dry-run", "--format", "json"], arguments].concat());
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["removed"].as_bool(), Some(false));
    shown["runs"].as_array().unwrap().clone()
}

#[test]
fn what_an_earlier_revision_ran_is_kept_until_its_removal_is_asked_for_and_confirmed() {
    let lab = Lab::new();
    lab.run(&lab.azure("sweep", &SWEEP.replace("WINDOWS", "[2, 3, 4]")), &[]);
    lab.run(&lab.azure("other", &SWEEP.replace("WINDOWS", "[4]")), &[]);
    let metrics = lab.metrics("sweep");
    lab.run(&lab.azure("sweep", &SWEEP.replace("WINDOWS", "[2]")), &[]);
    assert_eq!(shown(&lab, &[]).len(), 0);
    assert_eq!(lab.call(&["gc"]).code, 0, "there is nothing to confirm");
    assert_eq!(folders(&lab), 3);
    // Of the first revision's three runs, the second plans one, and another experiment one.
    let unconfirmed = lab.call(&["gc", "--revision", "sweep@1"]);
    assert_eq!(unconfirmed.code, 2, "{}", unconfirmed.stderr);
    assert!(unconfirmed.stderr.contains("the files of 1 run, "), "{}", unconfirmed.stderr);
    assert!(unconfirmed.stderr.contains("give --yes to remove them"), "{}", unconfirmed.stderr);
    let named = shown(&lab, &["--revision", "sweep@1"]);
    assert_eq!(named.len(), 1);
    assert_eq!(named[0]["label"], "sweep  moving_average window=3");
    assert!(named[0]["bytes"].as_u64().unwrap() > 1_000);
    assert_eq!(folders(&lab), 3, "neither removes anything");
    assert_eq!(lab.call(&["gc", "--revision", "sweep@1", "--yes"]).code, 0);
    assert_eq!(folders(&lab), 2);
    // Run again, it is the only one that is left to run, and it has the same metrics.
    let file = lab.azure("sweep", &SWEEP.replace("WINDOWS", "[2, 3, 4]"));
    let plan = lab.run(&file, &["--dry-run", "--format", "json"]).stdout;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let planned = plan["runs"].as_array().unwrap().iter().filter(|run| run["status"] == "planned");
    assert_eq!(planned.count(), 1, "a dry run tells what the next command executes: {plan}");
    let again = lab.run(&file, &[]);
    assert!(again.stderr.contains("1 run on 1 slot (2 of 3 are done already)"), "{}", again.stderr);
    assert_eq!(lab.metrics("sweep"), metrics);
}

#[test]
fn files_of_one_experiment_go_on_request_but_for_those_that_another_plans() {
    let lab = Lab::new();
    lab.run(&lab.azure("sweep", &SWEEP.replace("WINDOWS", "[2, 3, 4]")), &[]);
    lab.run(&lab.azure("other", &SWEEP.replace("WINDOWS", "[4]")), &[]);
    let metrics = lab.metrics("sweep");
    let wrong = lab.call(&["gc", "--experiment", "sweeep", "--yes"]);
    assert_eq!(wrong.code, 1, "{}", wrong.stdout);
    assert!(wrong.stderr.contains("sweeep"), "{}", wrong.stderr);
    assert_eq!(folders(&lab), 3);
    assert_eq!(lab.call(&["gc", "--experiment", "sweep", "--yes"]).code, 0);
    assert_eq!(folders(&lab), 1);
    assert_eq!(lab.metrics("sweep"), metrics);
}

#[test]
fn files_go_by_age_and_by_rank_and_the_store_is_compacted() {
    let lab = Lab::new();
    lab.run(&lab.azure("sweep", &SWEEP.replace("WINDOWS", "[2, 3, 4]")), &[]);
    assert_eq!(shown(&lab, &["--older-than", "1h"]).len(), 0);
    assert_eq!(shown(&lab, &["--older-than", "0s"]).len(), 3);
    let best = lab.scalar(
        "select run_id from runs join metrics using (run_id) where part = 'valid' and target = 'all' and name = 'mse' \
         order by value limit 1",
    );
    let others = shown(&lab, &["--keep-best", "1"]);
    assert_eq!(others.len(), 2);
    assert!(others.iter().all(|run| run["run_id"] != best));
    lab.execute("CREATE TABLE ballast AS SELECT randomblob(1000000)");
    lab.execute("DROP TABLE ballast");
    let compacted = lab.call(&["gc", "--keep-best", "1", "--yes", "--vacuum", "--format", "json"]);
    assert_eq!(compacted.code, 0, "{}", compacted.stderr);
    let compacted: Value = serde_json::from_str(&compacted.stdout).unwrap();
    let store = &compacted["store"];
    assert!(store["before"].as_u64().unwrap() > store["after"].as_u64().unwrap() + 900_000, "{store}");
    assert_eq!(folders(&lab), 1);
    assert!(lab.results().join("runs").join(best.as_str().unwrap()).is_dir());
}

#[test]
fn conditions_narrow_the_choice() {
    let lab = Lab::new();
    lab.run(&lab.azure("sweep", &SWEEP.replace("WINDOWS", "[2, 3, 4]")), &[]);
    lab.run(&lab.azure("sweep", &SWEEP.replace("WINDOWS", "[2]")), &[]);
    assert_eq!(shown(&lab, &["--experiment", "sweep"]).len(), 3);
    assert_eq!(shown(&lab, &["--experiment", "sweep", "--revision", "sweep@1"]).len(), 2);
    assert_eq!(shown(&lab, &["--revision", "sweep@1", "--older-than", "1h"]).len(), 0);
}

#[test]
fn a_folder_of_no_run_is_removed() {
    let lab = Lab::new();
    lab.run(&lab.azure("sweep", &SWEEP.replace("WINDOWS", "[2]")), &[]);
    std::fs::create_dir(lab.results().join("runs/0123456789abcdef")).unwrap();
    assert_eq!(lab.call(&["gc", "--yes"]).code, 0);
    assert_eq!(folders(&lab), 1);
}
