//! Reported results: what a claim in a file must state, and what becomes of it.

mod mistakes;
mod tables;

use std::path::Path;

use burstlab::spec::Experiment;
use insta::assert_snapshot;
use serde_json::Value;

use crate::common::Lab;

const BASE: &str = r"max_rows = 600
[task.next_request]
lookback = 8
horizon = { grid = [1, 2] }
[training]
epochs = 1
[[models]]
[models.persistence]
[[models]]
[models.linear]
[search]
seeds = [1, 2, 3]
";

/// An experiment of four settings with these claims, on the Azure excerpt.
fn with_claims(lab: &Lab, claims: &str) -> std::path::PathBuf {
    lab.azure("c", &format!("{BASE}{claims}"))
}

fn claim(name: &str, conditions: &str, more: &str) -> String {
    format!("[[claims]]\nname = \"{name}\"\nwhere = {{ {conditions} }}\nmetric = \"mse\"\n{more}\n")
}

const LINEAR: &str = "\"model.kind\" = \"linear\", \"task.horizon\" = 2";

fn claims_json(lab: &Lab) -> Vec<Value> {
    let outcome = lab.call(&["claims", "c", "--format", "json"]);
    let list: Value = serde_json::from_str(&outcome.stdout).unwrap();
    list[0]["claims"].as_array().unwrap().clone()
}

fn refusal(claims: &str) -> String {
    let lab = Lab::new();
    // The source comes first in the file and holds the path of the checkout, which snapshots must not.
    let text = format!("name = \"e\"\n[dataset]\nsource = \"synthetic-burstgpt\"\n{BASE}{claims}");
    lab.file("e.toml", &text);
    let outcome = lab.call(&["run", "e.toml"]);
    assert_eq!(outcome.code, 2, "{}\n{}", outcome.stdout, outcome.stderr);
    assert!(!lab.results().exists(), "nothing is recorded of an experiment that is refused");
    outcome.stderr
}

#[test]
fn a_claim_is_judged_by_the_mean_over_seeds_and_keeps_its_spread() {
    let lab = Lab::new();
    let claims = claim("near", LINEAR, "reported = 1.5\ntolerance = \"90%\"")
        + &claim("bounded", "\"model.kind\" = \"persistence\", \"task.horizon\" = 1", "at_least = 0.001");
    let outcome = lab.run(&with_claims(&lab, &claims), &[]);
    assert!(outcome.stdout.contains("2 claims: 2 reproduced"), "{}", outcome.stdout);
    let found = claims_json(&lab);
    let mean = lab.scalar(
        "select avg(value) from runs join metrics using (run_id) where model = 'linear' and part = 'test' \
         and target = 'all' and name = 'mse' and params->>'$.task.horizon' = 2",
    );
    let reproduced = found[0]["reproduced"].as_f64().unwrap();
    assert!((reproduced - mean.as_f64().unwrap()).abs() < 1e-12);
    assert_eq!((found[0]["runs"].as_i64(), found[0]["verdict"].as_str()), (Some(3), Some("reproduced")));
    assert!(found[0]["spread"].as_f64().unwrap() > 0.0);
    assert!((found[0]["difference"].as_f64().unwrap() - (reproduced - 1.5)).abs() < 1e-12);
    assert_eq!(found[1]["runs"], 1, "a model without randomness runs once");
    let stored = lab.query("select name, verdict, reproduced, runs, planned from claims order by position");
    assert_eq!(stored[0]["reproduced"].as_f64(), Some(reproduced));
    assert_eq!((&stored[0]["verdict"], &stored[0]["planned"]), (&"reproduced".into(), &3.into()));
}

#[test]
fn a_refuted_claim_is_exit_code_four_unless_it_was_announced() {
    let lab = Lab::new();
    let miss = claim("miss", LINEAR, "reported = 1e-6\ntolerance = 1e-9");
    let outcome = lab.call(&["run", with_claims(&lab, &miss).to_str().unwrap()]);
    assert_eq!(outcome.code, 4, "{}\n{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.contains("REFUTED") && outcome.stdout.contains("1 claim: 1 refuted"));
    assert_eq!(lab.call(&["claims", "c"]).code, 4);
    let announced = format!("{miss}expect = \"refuted\"\nreason = \"the paper counts otherwise\"\n");
    let outcome = lab.run(&with_claims(&lab, &announced), &[]);
    assert!(outcome.stdout.contains("REFUTED (expected)"), "{}", outcome.stdout);
    assert!(
        outcome.stdout.contains("Expected miss: the paper counts otherwise: miss."),
        "{}",
        outcome.stdout
    );
    assert_eq!(lab.call(&["claims"]).code, 0);
}

#[test]
fn a_failed_run_comes_before_a_refuted_claim() {
    let lab = Lab::new();
    // A learning rate that no loss survives: the runs fail, and the claim on them is open rather than refuted.
    let text = format!(
        "{BASE}[[models]]\n[models.nlinear]\n{}{}",
        claim("miss", "\"model.kind\" = \"persistence\", \"task.horizon\" = 1", "at_most = 1e-9"),
        claim("open", LINEAR, "at_most = 1e-9")
    );
    let file = lab.azure("c", &text);
    let outcome = lab.call(&["run", file.to_str().unwrap(), "--set", "training.learning_rate=1e300"]);
    assert_eq!(outcome.code, 3, "{}\n{}", outcome.stdout, outcome.stderr);
    let verdicts: Vec<String> =
        claims_json(&lab).iter().map(|claim| claim["verdict"].as_str().unwrap().to_string()).collect();
    assert_eq!(verdicts, ["refuted", "not_run"]);
    assert_eq!(lab.call(&["claims", "c"]).code, 4, "asked alone, the claims answer for themselves");
}

#[test]
fn a_setting_that_an_override_leaves_out_is_not_run() {
    let lab = Lab::new();
    let claims = claim("one", "\"model.kind\" = \"linear\", \"task.horizon\" = 1", "at_least = 0")
        + &claim("two", LINEAR, "at_least = 0");
    let file = with_claims(&lab, &claims);
    let outcome = lab.run(&file, &["--set", "task.next_request.horizon=1"]);
    assert!(outcome.stdout.contains("2 claims: 1 reproduced, 1 not run"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("no planned run matches it"), "{}", outcome.stdout);
    // What neither the file nor the override plans is still a mistake.
    let wrong = with_claims(&lab, &claim("three", "\"task.horizon\" = 3", "at_least = 0"));
    let outcome = lab.call(&["run", wrong.to_str().unwrap(), "--set", "task.next_request.horizon=1"]);
    assert_eq!(outcome.code, 2);
}

#[test]
fn a_claim_waits_for_all_its_runs() {
    let lab = Lab::new();
    let file = with_claims(&lab, &claim("two", LINEAR, "at_least = 0"));
    lab.run(&file, &[]);
    let run_id =
        lab.scalar("select run_id from runs where model = 'linear' and params->>'$.task.horizon' = 2");
    let store = lab.results().join("burstlab.db");
    crate::common::sql(
        &store,
        &format!(
            "update run_records set status = 'interrupted' where run_id = '{}'",
            run_id.as_str().unwrap()
        ),
    );
    let found = claims_json(&lab);
    assert_eq!(
        (&found[0]["verdict"], &found[0]["note"]),
        (&"not_run".into(), &"2 of its 3 runs are done".into())
    );
}

#[test]
fn junit_tells_failures_from_what_was_expected_or_not_run() {
    let lab = Lab::new();
    let claims =
        claim("holds & is <fine>", "\"model.kind\" = \"persistence\", \"task.horizon\" = 1", "at_least = 0")
            + &claim("miss", LINEAR, "at_most = 1e-9\nsource = \"a page\"")
            + &claim("known", LINEAR, "at_most = 1e-9\nexpect = \"refuted\"\nreason = \"r \\\"q\\\"\"")
            + &claim("open", "\"model.kind\" = \"linear\", \"task.horizon\" = 1", "at_least = 0");
    let file = with_claims(&lab, &claims);
    lab.call(&["run", file.to_str().unwrap(), "--set", "task.next_request.horizon=2"]);
    let path = lab.folder.path().join("out.xml");
    let outcome = lab.call(&["claims", "c", "--junit", path.to_str().unwrap()]);
    assert_eq!(outcome.code, 4);
    let text = std::fs::read_to_string(path).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
    let counts = ["name", "tests", "failures", "skipped"].map(|key| suite.attribute(key).unwrap());
    assert_eq!(counts, ["c", "4", "1", "2"]);
    let case = |name: &str| {
        let found = suite.children().find(|node| node.attribute("name") == Some(name));
        found.unwrap_or_else(|| panic!("{name} in {text}"))
    };
    let child = |name: &str| case(name).children().find(roxmltree::Node::is_element).unwrap();
    assert_eq!(child("holds & is <fine>").tag_name().name(), "skipped");
    assert_eq!(child("open").tag_name().name(), "skipped");
    let failure = child("miss");
    assert_eq!((failure.tag_name().name(), failure.text()), ("failure", Some("a page")));
    assert!(failure.attribute("message").unwrap().contains("over 3 runs"), "{text}");
    assert!(child("known").text().unwrap().contains("refuted as expected: r \"q\""));
}

#[test]
fn a_missing_dataset_of_a_folder_leaves_its_claims_not_run_and_of_a_file_is_refused() {
    let lab = Lab::new();
    std::fs::create_dir(lab.folder.path().join("all")).unwrap();
    let text = format!(
        "name = \"far\"\n[dataset]\nsource = \"burstgpt-1\"\n{BASE}{}",
        claim("far away", LINEAR, "at_least = 0")
    );
    let far = lab.file("all/far.toml", &text);
    with_claims(&lab, "");
    std::fs::rename(lab.folder.path().join("c.toml"), lab.folder.path().join("all/c.toml")).unwrap();
    let outcome = lab.call(&["run", "all"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("burstlab dataset fetch burstgpt-1"), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("NOT RUN") && outcome.stdout.contains("1 claim: 1 not run"));
    let listed = lab.call(&["claims"]);
    assert!(listed.code == 0 && listed.stdout.contains("far away"), "{}", listed.stdout);
    assert_eq!(lab.scalar("select count(*) from runs where experiment = 'c'"), 8);
    let alone = lab.call(&["run", far.to_str().unwrap()]);
    assert_eq!(alone.code, 2);
    assert!(alone.stderr.contains("burstlab dataset fetch burstgpt-1"), "{}", alone.stderr);
}

#[test]
fn every_report_shows_the_claims() {
    let lab = Lab::new();
    let claims =
        claim("a known miss", LINEAR, "at_most = 1e-9\nexpect = \"refuted\"\nreason = \"of no use\"");
    lab.run(&with_claims(&lab, &claims), &[]);
    for file in ["report.html", "report.md"] {
        let text = std::fs::read_to_string(lab.results().join("c").join(file)).unwrap();
        for part in ["Claims", "a known miss", "REFUTED", "of no use"] {
            assert!(text.contains(part), "{part} is not in {file}");
        }
    }
}

#[test]
fn every_file_to_reproduce_is_valid_and_what_lacks_its_data_is_skipped() {
    let lab = Lab::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/reproduce");
    let outcome = lab.call(&["run", folder, "--dry-run"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(outcome.stderr.matches("skipped ").count(), files - 1, "{}", outcome.stderr);
    assert!(outcome.stdout.contains("original-window: "), "the synthetic trace is always there");
}
