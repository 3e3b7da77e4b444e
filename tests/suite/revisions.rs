//! A changed file begins a revision of its experiment; whatever ran before stays, can be found, and can be compared.

use std::path::PathBuf;

use serde_json::Value;

use crate::common::Lab;

const SWEEP: &str = "[task.next_request]\nlookback = 5\n[training]\nepochs = EPOCHS\n[[models]]\n[models.persistence]\n\
     [[models]]\n[models.dlinear]\nkernel = { grid = [3, 5] }\n[search]\nseeds = [1, 2]\n";

/// Runs of each revision: persistence, and two kernels with two seeds.
const RUNS: i64 = 5;

fn sweep(lab: &Lab, epochs: &str) -> PathBuf {
    lab.azure("sweep", &SWEEP.replace("EPOCHS", epochs))
}

fn json(lab: &Lab, arguments: &[&str]) -> Value {
    let outcome = lab.call(&[arguments, &["--format", "json"]].concat());
    assert_eq!(outcome.code, 0, "{arguments:?}: {}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

fn text(lab: &Lab, arguments: &[&str]) -> String {
    let outcome = lab.call(arguments);
    assert_eq!(outcome.code, 0, "{arguments:?}: {}", outcome.stderr);
    outcome.stdout
}

/// A sweep, and then a second one under its name that was stopped early.
fn two_revisions() -> Lab {
    let lab = Lab::new();
    lab.run(&sweep(&lab, "2"), &[]);
    let stopped = lab.call(&[
        "run",
        sweep(&lab, "2").to_str().unwrap(),
        "--set",
        "training.epochs=3",
        "--max-runs",
        "2",
    ]);
    assert_eq!(stopped.code, 5, "{}", stopped.stderr);
    assert!(
        stopped.stderr.contains(
            "sweep: this is revision 2, since its --set overrides differ; `burstlab compare sweep@1 sweep@2` compares it"
        ),
        "{}",
        stopped.stderr
    );
    lab
}

#[test]
fn a_second_sweep_under_the_same_name_takes_nothing_from_the_first() {
    let lab = two_revisions();
    // One run is in both; four of each revision are its own.
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 7);
    assert_eq!(lab.scalar("select revisions from runs where model = 'persistence'"), "1,2");
    let listed = json(&lab, &["experiments"]);
    let listed: Vec<(&Value, &Value, &Value)> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["revision"], &one["runs"]["done"], &one["outcome"]))
        .collect();
    let (one, two): (Value, Value) = (1.into(), 2.into());
    let (all, some): (Value, Value) = (RUNS.into(), 3.into());
    assert_eq!(
        listed,
        [(&one, &all, &Value::from("finished")), (&two, &some, &Value::from("--max-runs was reached"))]
    );
    for (reference, runs) in [("sweep", RUNS), ("sweep@1", RUNS), ("sweep@2", RUNS), ("sweep@all", 9)] {
        let found = json(&lab, &["runs", "--experiment", reference]);
        assert_eq!(found.as_array().unwrap().len() as i64, runs, "{reference}");
    }
    // Both are reported, each where it belongs.
    text(&lab, &["report", "sweep@1"]);
    let report = std::fs::read_to_string(lab.results().join("sweep/revision-1/report.txt")).unwrap();
    assert!(report.contains("sweep@1") && report.contains("5 runs: all done"), "{report}");
    text(&lab, &["report", "sweep"]);
    let report = std::fs::read_to_string(lab.results().join("sweep/report.txt")).unwrap();
    assert!(report.contains("3 done, 2 planned"), "{report}");
    // The first one is found by what it ran, shown with its file, and continued by it.
    assert!(text(&lab, &["show", "sweep@1"]).contains("epochs = 2"));
    let run = lab.scalar("select run_id from runs where revisions = '1' limit 1");
    let shown = text(&lab, &["show", run.as_str().unwrap()]);
    assert!(shown.contains("experiments  sweep@1"), "{shown}");
    assert_eq!(lab.call(&["gc"]).code, 0);
    let again = lab.run(&sweep(&lab, "2"), &[]);
    assert!(
        again.stderr.contains("this is revision 1 again; the last one that ran was 2"),
        "{}",
        again.stderr
    );
    assert!(again.stderr.contains("all 5 runs are done already, nothing to run"), "{}", again.stderr);
    assert_eq!(json(&lab, &["show", "sweep"])["revision"], 1, "the latest revision is the one that ran last");
}

#[test]
fn revisions_are_compared_side_by_side_and_told_apart() {
    let lab = two_revisions();
    lab.run(&sweep(&lab, "2"), &["--set", "training.epochs=3"]);
    let compared = json(&lab, &["compare", "sweep@1", "sweep@2"]);
    let pairs = compared["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 2, "{compared}");
    let pair = |model: &str| pairs.iter().find(|pair| pair["base"]["model"] == model).unwrap();
    assert_eq!(pair("persistence")["same_runs"], true);
    let dlinear = pair("dlinear");
    let changed: Vec<&Value> =
        dlinear["changed"].as_array().unwrap().iter().map(|one| &one["path"]).collect();
    assert!(changed.contains(&&Value::from("training.epochs")), "{changed:?}");
    // The interval holds the difference of the means, which both were judged by on the same windows.
    let difference = &dlinear["difference"];
    let mean = |side: &str| {
        let test = dlinear[side]["test"].as_array().unwrap();
        let found =
            test.iter().find(|one| one["target"] == "all" && one["name"] == "mse" && one["unit"] == "scaled");
        found.unwrap()["mean"].as_f64().unwrap()
    };
    let expected = mean("other") - mean("base");
    assert!((difference["mean"].as_f64().unwrap() - expected).abs() < 1e-9, "{difference} for {expected}");
    assert!(difference["lower"].as_f64() <= difference["mean"].as_f64());
    let diff = text(&lab, &["diff", "sweep@1", "sweep@2"]);
    assert!(diff.contains("+# --set training.epochs=3"), "{diff}");
    // A model of each, and two runs.
    let one = text(&lab, &["compare", "sweep@1:dlinear", "sweep@2:dlinear"]);
    assert!(one.contains("Every metric of the test part"), "{one}");
    let runs = lab
        .query("select run_id from runs where model = 'dlinear' and seed = 1 and revisions = '2' order by 1");
    let ids: Vec<&str> = runs.iter().map(|run| run["run_id"].as_str().unwrap()).collect();
    assert!(text(&lab, &["compare", ids[0], ids[1]]).contains("model.kernel"));
    // As Markdown and as a page with its plot.
    let page = lab.folder.path().join("compared.html");
    let page = page.to_str().unwrap();
    text(&lab, &["compare", "sweep@1", "sweep@2", "--output", page]);
    assert!(std::fs::read_to_string(page).unwrap().contains("<svg"));
    assert!(
        text(&lab, &["compare", "sweep@1", "sweep@2", "--format", "markdown"])
            .starts_with("# sweep@1 and sweep@2")
    );
    let history = json(&lab, &["compare", "sweep@all"]);
    assert_eq!(history["revisions"].as_array().unwrap().len(), 2);
    assert_eq!(history["models"][0]["points"].as_array().unwrap().len(), 2, "{history}");
}

#[test]
fn what_was_not_judged_on_the_same_windows_is_said_to_be_so() {
    let lab = Lab::new();
    lab.run(&sweep(&lab, "2"), &[]);
    lab.run(&sweep(&lab, "2"), &["--set", "split.test=0.2", "--set", "split.train=0.65"]);
    let compared = json(&lab, &["compare", "sweep@1:dlinear", "sweep@2:dlinear"]);
    let pair = &compared["pairs"][0];
    assert_eq!((&pair["comparable"], &pair["difference"]), (&Value::from(false), &Value::Null));
    let reasons = pair["reasons"].to_string();
    assert!(reasons.contains("split.test is 0.15 and 0.2"), "{reasons}");
    let shown = text(&lab, &["compare", "sweep@1", "sweep@2"]);
    assert!(shown.contains("cannot be compared: split.test"), "{shown}");
}

#[test]
fn tags_and_notes_are_shown_and_found_and_an_archived_revision_leaves_only_the_lists() {
    let lab = two_revisions();
    let run = lab.scalar("select run_id from runs where model = 'dlinear' and revisions = '1' limit 1");
    let run = run.as_str().unwrap();
    text(&lab, &["tag", run, "keep", "paper"]);
    text(&lab, &["tag", "sweep@2", "wip"]);
    text(&lab, &["note", "sweep@1", "the numbers of the paper"]);
    assert_eq!(lab.scalar(&format!("select tags from runs where run_id = '{run}'")), "keep,paper");
    let tagged = |tag: &str| json(&lab, &["runs", "--tag", tag]).as_array().unwrap().len();
    assert_eq!((tagged("keep"), tagged("wip"), tagged("other")), (1, 5, 0));
    let listed = text(&lab, &["experiments"]);
    assert!(listed.contains("wip") && listed.contains("the numbers of the paper"), "{listed}");
    text(&lab, &["tag", run, "keep", "--remove"]);
    assert_eq!(tagged("keep"), 0);
    text(&lab, &["archive", "sweep@1"]);
    assert_eq!(json(&lab, &["experiments"]).as_array().unwrap().len(), 1);
    assert_eq!(json(&lab, &["runs"]).as_array().unwrap().len(), 5);
    assert_eq!(lab.scalar("select count(*) from runs"), 9, "SQL shows everything");
    text(&lab, &["archive", "sweep@1", "--undo"]);
    assert_eq!(json(&lab, &["runs"]).as_array().unwrap().len(), 9);
    let refused = lab.call(&["tag", run, "two words"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("a tag is one word"), "{}", refused.stderr);
}

#[test]
fn a_reference_that_names_nothing_says_what_there_is() {
    let lab = two_revisions();
    for (arguments, wanted) in [
        (&["show", "sweep@7"][..], "there is no `sweep@7`; the revisions of `sweep` are 1, 2"),
        (&["compare", "sweeep"], "did you mean `sweep`?"),
        (&["report", "sweep@all"], "`sweep@all` names all revisions, and one is needed here"),
        (
            &["compare", "sweep@1:lstm", "sweep@2"],
            "has no finished run of `lstm`; it has dlinear, persistence",
        ),
        (&["diff", "sweep@1", "other"], "no experiment `other`"),
        (&["note", "nothing", "text"], "no experiment `nothing`"),
    ] {
        let outcome = lab.call(arguments);
        assert_ne!(outcome.code, 0, "{arguments:?}: {}", outcome.stdout);
        assert!(outcome.stderr.contains(wanted), "{arguments:?}: {}", outcome.stderr);
    }
}

#[test]
fn a_merge_joins_equal_revisions_and_numbers_others_anew() {
    let (here, there) = (Lab::new(), Lab::new());
    here.run(&sweep(&here, "2"), &[]);
    let other = here.azure("sweep", &SWEEP.replace("EPOCHS", "4"));
    there.run(&other, &[]);
    there.run(&sweep(&here, "2"), &[]);
    text(&there, &["tag", "sweep@1", "elsewhere"]);
    text(&there, &["note", "sweep@2", "the same as here"]);
    let merged = json(&here, &["merge", there.results().to_str().unwrap()]);
    let renumbered = merged[0]["renumbered"].as_array().unwrap();
    let numbers: Vec<(i64, i64)> = renumbered
        .iter()
        .map(|one| (one["there"].as_i64().unwrap(), one["here"].as_i64().unwrap()))
        .collect();
    assert_eq!(numbers, [(1, 2), (2, 1)]);
    assert_eq!(here.scalar("select count(*) from revisions"), 2);
    assert_eq!(here.scalar("select count(*) from runs where status = 'done'"), 9);
    assert_eq!(here.scalar("select tag from revision_tags where revision = 2"), "elsewhere");
    assert_eq!(here.scalar("select note from revisions where revision = 1"), "the same as here");
    let before = here.query("select * from revision_runs");
    json(&here, &["merge", there.results().to_str().unwrap()]);
    assert_eq!(here.query("select * from revision_runs"), before, "merging again changes nothing");
}

#[test]
fn an_older_store_keeps_everything_and_what_no_experiment_held_comes_back_as_revision_0() {
    let lab = Lab::new();
    std::fs::create_dir_all(lab.results()).unwrap();
    std::fs::write(lab.results().join("burstlab.db"), "").unwrap();
    lab.execute(include_str!("../stores/version-6.sql"));
    let refused = lab.call(&["runs"]);
    assert!(refused.stderr.contains("was made by an older version"), "{}", refused.stderr);
    // Any command that writes upgrades it.
    text(&lab, &["note", "sweep", "before the upgrade"]);
    let runs =
        lab.query("select run_id, revisions, params->>'$.model.window' as window from runs order by window");
    let runs: Vec<(&str, i64)> = runs
        .iter()
        .map(|run| (run["revisions"].as_str().unwrap(), run["window"].as_i64().unwrap()))
        .collect();
    assert_eq!(
        runs,
        [("1", 2), ("0", 3), ("0", 4)],
        "the file's last change had taken two of them out of view"
    );
    assert_eq!(lab.scalar("select count(*) from metrics"), 12);
    assert_eq!(lab.scalar("select count(*) from breakdowns where forecasts > 0"), 12);
    assert_eq!(lab.scalar("select count(*) from attempts"), 3);
    assert_eq!(lab.scalar("select verdict from claims where revision = 1"), "reproduced");
    let found = json(&lab, &["compare", "sweep@0"]);
    assert_eq!(found[0]["done"], 2, "{found}");
    // It is never the latest, though its runs may have ended after the file was last planned.
    lab.execute("UPDATE revisions SET updated_at = '2099-01-01T00:00:00.000Z' WHERE revision = 0");
    // The same text continues revision 1.
    assert_eq!(json(&lab, &["show", "sweep"])["revision"], 1);
}

#[test]
fn two_revisions_of_one_text_stay_two_in_a_merge() {
    let (here, there) = (Lab::new(), Lab::new());
    there.run(&sweep(&there, "2"), &[]);
    // The same text once more, as it is after the data have changed: other runs.
    there.execute(
        "INSERT INTO revisions SELECT experiment, 2, description, path, text, given, overrides, axes, objective, report, \
         unproposed, command, git_commit, git_dirty, host, device, started_at, updated_at, finished_at, outcome, note, archived \
         FROM revisions",
    );
    there.execute("UPDATE revision_runs SET revision = 2 WHERE position > 2");
    // Here the revision has no runs yet.
    here.run(&sweep(&here, "2"), &["--partition", "1/2"]);
    here.execute("DELETE FROM revision_runs");
    for _ in 0..2 {
        json(&here, &["merge", there.results().to_str().unwrap()]);
        assert_eq!(here.scalar("select count(*) from revisions"), 2);
        assert_eq!(
            here.scalar("select max(n) from (select count(*) n from revision_runs group by revision)"),
            3
        );
    }
}

#[test]
fn what_keeps_two_runs_from_being_tested_is_said() {
    let lab = Lab::new();
    lab.run(&sweep(&lab, "2"), &["--set", "split.folds=2"]);
    let run = |condition: &str| {
        let sql = format!(
            "select run_id from runs where model = 'dlinear' and {condition} order by run_id limit 1"
        );
        lab.scalar(&sql).as_str().unwrap().to_string()
    };
    let (first, second) = (run("seed = 1 and fold = 0"), run("seed = 1 and fold = 1"));
    let other_seed = run("seed = 2 and fold = 0");
    assert!(
        text(&lab, &["compare", &first, &second]).contains("cannot be compared: their folds are 0 and 1")
    );
    let shown = text(&lab, &["compare", &first, &other_seed]);
    assert!(shown.contains("their difference is not tested: no seed is in both"), "{shown}");
    let shown = text(&lab, &["compare", "sweep:dlinear", "sweep:persistence"]);
    assert!(
        shown.contains("has a higher test mse than") || shown.contains("has a lower test mse than"),
        "{shown}"
    );
}

#[test]
fn a_revision_that_is_judged_by_another_metric_has_no_place_in_the_history() {
    let lab = Lab::new();
    lab.run(&sweep(&lab, "2"), &[]);
    lab.run(&sweep(&lab, "2"), &["--set", "search.objective.metric=mae"]);
    let shown = text(&lab, &["compare", "sweep@all"]);
    assert!(shown.contains("Judged by another metric, and left out: revision 1."), "{shown}");
    let compared = text(&lab, &["compare", "sweep@1:dlinear", "sweep@2:dlinear"]);
    assert!(
        compared.contains("the same runs") || compared.contains("one is judged by the mse"),
        "{compared}"
    );
}

#[test]
fn the_same_file_on_other_data_begins_a_revision() {
    let lab = Lab::new();
    let rows = |count: u32| {
        let row = |at: u32| {
            format!(
                "2026-11-01 {:02}:{:02}:{:02}.0,{},{}\n",
                at / 3600,
                at / 60 % 60,
                at % 60,
                10 + at % 7,
                20 + at % 11
            )
        };
        let rows: String = (0..count).map(row).collect();
        format!("TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}")
    };
    lab.file("trace.csv", &rows(300));
    let file = lab.file(
        "own.toml",
        "name = \"own\"\n[dataset]\nsource = \"trace.csv\"\n[task.next_request]\nlookback = 5\n[[models]]\n[models.mean]\n",
    );
    lab.run(&file, &[]);
    lab.file("trace.csv", &rows(330));
    let second = lab.run(&file, &[]);
    assert!(
        second.stderr.contains("this is revision 2, since the data, the device class"),
        "{}",
        second.stderr
    );
    let compared = text(&lab, &["compare", "own@1", "own@2"]);
    assert!(compared.contains("their data differ (SHA-256 "), "{compared}");
}
