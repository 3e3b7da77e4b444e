//! What the store keeps so that lists need not compute it: it is always what computing it anew would give.

use serde_json::Value;

use crate::common::Lab;

const SWEEP: &str = "max_rows = 400\n[task.next_request]\nlookback = 5\n[[models]]\n[models.persistence]\n[[models]]\n\
    [models.moving_average]\nwindow = { grid = [2, 3] }\n";

fn experiments(lab: &Lab) -> Value {
    let outcome = lab.call(&["experiments", "--format", "json"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// The scores of the runs beside the metrics that they are copies of, where they differ.
const WRONG_SCORES: &str = "select count(*) from runs r left join run_records n using (run_id) left join run_scores s using (run) \
    where r.status = 'done' and (s.test_mse is not (select value from metrics m where m.run_id = r.run_id and part = 'test' \
    and target = 'all' and unit = 'scaled' and name = 'mse') or s.valid_mae is not (select value from metrics m \
    where m.run_id = r.run_id and part = 'valid' and target = 'all' and unit = 'scaled' and name = 'mae') or s.test_mse is null)";

#[test]
fn a_store_of_the_version_before_gets_its_summaries() {
    let lab = Lab::new();
    std::fs::create_dir_all(lab.results()).unwrap();
    std::fs::write(lab.results().join("burstlab.db"), "").unwrap();
    lab.execute(include_str!("../stores/version-7.sql"));
    let refused = lab.call(&["experiments"]);
    assert!(refused.stderr.contains("was made by an older version"), "{}", refused.stderr);
    let noted = lab.call(&["note", "sweep", "upgraded"]);
    assert_eq!(noted.code, 0, "{}", noted.stderr);
    assert_eq!(lab.scalar("select count(*) from run_scores"), 2);
    assert_eq!(lab.scalar(WRONG_SCORES), 0);
    assert_eq!(experiments(&lab)[0]["best"][0]["label"], "moving_average window=3 (baseline)");
    // The next run keeps how every revision stands, also those that it has nothing to do with.
    lab.run(&lab.azure("other", SWEEP), &[]);
    assert_eq!(lab.scalar("select count(*) from revision_standings"), 2);
    assert_eq!(experiments(&lab)[1]["best"][0]["label"], "moving_average window=3 (baseline)");
}

#[test]
fn what_is_kept_is_what_is_computed() {
    let lab = Lab::new();
    lab.run(&lab.azure("sweep", SWEEP), &[]);
    assert_eq!(lab.scalar("select count(*) from revision_standings"), 1);
    assert_eq!(lab.scalar(WRONG_SCORES), 0);
    let compared = || {
        [&["compare", "sweep", "sweep:moving_average"][..], &["compare", "sweep@all"]].map(|arguments| {
            let outcome = lab.call(&[arguments, &["--format", "json"]].concat());
            assert_eq!(outcome.code, 0, "{}", outcome.stderr);
            outcome.stdout
        })
    };
    let kept = (experiments(&lab), compared());
    lab.execute("DELETE FROM revision_standings");
    assert_eq!((experiments(&lab), compared()), kept);
}

#[test]
fn a_comparison_starts_from_the_leaders_that_are_kept() {
    let lab = Lab::new();
    lab.run(&lab.azure("sweep", SWEEP), &[]);
    assert_eq!(
        lab.scalar("select json_array_length(leaders -> '$.settings[0].models') from revision_standings"),
        2
    );
    // Were the leaders computed, the label would be the model's own.
    lab.execute(
        "UPDATE revision_standings SET leaders = json_set(leaders, '$.settings[0].models[0].label', 'as kept')",
    );
    let shown = lab.call(&["compare", "sweep@all", "--format", "json"]);
    assert!(shown.stdout.contains("as kept"), "{}", shown.stdout);
    // Leaders of another meaning are computed anew.
    lab.execute("UPDATE revision_standings SET leaders = json_set(leaders, '$.version', 0)");
    let shown = lab.call(&["compare", "sweep@all", "--format", "json"]);
    assert!(!shown.stdout.contains("as kept") && shown.code == 0, "{}", shown.stdout);
    // Those that cannot be read are computed, and kept again by whoever ends an execution next.
    lab.execute("UPDATE revision_standings SET leaders = '{broken'");
    assert_eq!(lab.call(&["compare", "sweep@all", "--format", "json"]).stdout, shown.stdout);
    lab.run(&lab.azure("another", &SWEEP.replace("400", "300")), &[]);
    assert_eq!(lab.scalar("select sum(json_valid(leaders)) from revision_standings"), 2);
}

#[test]
fn a_run_that_is_done_no_more_loses_its_scores() {
    let lab = Lab::new();
    lab.run(&lab.azure("sweep", SWEEP), &[]);
    lab.execute("UPDATE run_records SET status = 'running' WHERE run = 1");
    assert_eq!(lab.scalar("select group_concat(run) from run_scores"), "2,3");
    let listed = lab.call(&["runs", "--sort", "test.mse", "--format", "json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let running = listed.as_array().unwrap().iter().position(|run| run["status"] == "running");
    assert_eq!(running, Some(2), "a run without a score comes last: {listed}");
}

#[test]
fn a_change_of_a_run_removes_the_standing_of_each_revision_that_has_it() {
    for change in [
        "UPDATE run_records SET status = 'failed' WHERE run = 1",
        "DELETE FROM runs WHERE model = 'persistence'",
        "UPDATE revision_runs SET position = NULL WHERE position = 1",
        "INSERT OR REPLACE INTO revision_runs SELECT * FROM revision_runs LIMIT 1",
        "UPDATE revisions SET unproposed = 2",
        "INSERT INTO attempts (run_id, status, started_at, device, version, owner) \
         SELECT run_id, 'failed', '', 'cpu', '', '' FROM run_records LIMIT 1",
    ] {
        let lab = Lab::new();
        lab.run(&lab.azure("sweep", SWEEP), &[]);
        let kept = || lab.scalar("select count(*) from revision_standings");
        assert_eq!(kept(), 1, "before {change}");
        lab.execute(change);
        assert_eq!(kept(), 0, "{change}");
    }
}

#[test]
fn merged_runs_bring_their_scores() {
    let (here, there) = (Lab::new(), Lab::new());
    here.run(&here.azure("sweep", SWEEP), &["--partition", "1/2"]);
    there.run(&there.azure("sweep", SWEEP), &["--partition", "2/2"]);
    let merged = here.call(&["merge", there.results().to_str().unwrap()]);
    assert_eq!(merged.code, 0, "{}", merged.stderr);
    assert_eq!(here.scalar("select count(*) from run_scores"), 3);
    assert_eq!(here.scalar(WRONG_SCORES), 0);
    assert_eq!(here.scalar("select standing ->> '$.counts.done' from revision_standings"), 3);
}

#[test]
fn a_run_that_another_version_ends_gets_its_scores() {
    let lab = Lab::new();
    lab.run(&lab.azure("sweep", SWEEP), &[]);
    lab.execute("DELETE FROM run_scores; UPDATE run_records SET status = 'running'");
    lab.execute("UPDATE run_records SET status = 'done'");
    assert_eq!(lab.scalar("select count(*) from run_scores"), 3);
    assert_eq!(lab.scalar(WRONG_SCORES), 0);
}

#[test]
fn a_damaged_run_costs_no_other_experiment_its_report() {
    let lab = Lab::new();
    lab.run(&lab.azure("damaged", SWEEP), &[]);
    lab.execute("UPDATE run_records SET params = '{broken'; DELETE FROM revision_standings");
    let ran = lab.run(&lab.azure("sound", &SWEEP.replace("400", "300")), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(lab.results().join("sound/report.html").is_file());
    assert_eq!(lab.scalar("select experiment from revision_standings"), "sound");
}

#[test]
fn a_standing_of_another_meaning_is_computed_anew() {
    let lab = Lab::new();
    let file = lab.azure("sweep", SWEEP);
    lab.run(&file, &[]);
    let kept = experiments(&lab);
    lab.execute(
        "UPDATE revision_standings SET standing = json_set(standing, '$.version', 0, '$.best', json('[]'))",
    );
    assert_eq!(experiments(&lab), kept);
    lab.run(&lab.azure("other", SWEEP), &[]);
    assert_eq!(lab.scalar("select count(*) from revision_standings where standing ->> '$.version' = 0"), 0);
}
