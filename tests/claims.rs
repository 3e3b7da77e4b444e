//! Reported results: what a claim in a file must state, and what becomes of it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use burstlab::spec::Experiment;
use common::Lab;
use insta::assert_snapshot;
use serde_json::Value;

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
    common::sql(
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
fn a_claim_with_an_unknown_key_is_pointed_at() {
    assert_snapshot!(refusal(&claim("a", LINEAR, "at_mst = 1")), @r"
    error: unknown key `at_mst`
      --> e.toml:20:1
       |
    20 | at_mst = 1
       | ^^^^^^ did you mean `at_most`?
       |
       = help: known here: name, where, metric, target, unit, part, aggregate, reported, tolerance, at_most, at_least, source, expect, reason, columns, rows, misses
    ");
}

#[test]
fn a_condition_on_a_parameter_that_no_run_has_is_pointed_at() {
    assert_snapshot!(refusal(&claim("a", "\"task.horizn\" = 2", "at_most = 1")), @r#"
    error: no run of this file has a parameter `task.horizn`
      --> e.toml:18:27
       |
    18 | where = { "task.horizn" = 2 }
       |                           ^ did you mean `task.horizon`?
       |
       = help: parameters here: dataset.cleaning.drop_zero_tokens, dataset.max_rows, dataset.source, evaluation.drop_last, evaluation.mase_season, model.kind, model.per_channel, model.ridge, model.solver, split.embargo, split.folds, split.test, split.train, split.valid, task.features, task.horizon, task.kind, task.lookback, training.batch_size, training.drop_last, training.epochs, training.learning_rate, training.loss, training.optimizer, training.schedule, training.weight_decay, uncertainty.conformal
    "#);
    assert_snapshot!(refusal(&claim("a", "task.horizn = 2", "at_most = 1")), @r"
    error: no run of this file has a parameter `task.horizn`
      --> e.toml:18:25
       |
    18 | where = { task.horizn = 2 }
       |                         ^ did you mean `task.horizon`?
       |
       = help: parameters here: dataset.cleaning.drop_zero_tokens, dataset.max_rows, dataset.source, evaluation.drop_last, evaluation.mase_season, model.kind, model.per_channel, model.ridge, model.solver, split.embargo, split.folds, split.test, split.train, split.valid, task.features, task.horizon, task.kind, task.lookback, training.batch_size, training.drop_last, training.epochs, training.learning_rate, training.loss, training.optimizer, training.schedule, training.weight_decay, uncertainty.conformal
    ");
}

#[test]
fn a_claim_that_matches_no_planned_run_is_pointed_at() {
    assert_snapshot!(refusal(&claim("a", "\"task.horizon\" = 3", "at_most = 1")), @r#"
    error: the claim `a` matches no planned run
      --> e.toml:18:28
       |
    18 | where = { "task.horizon" = 3 }
       |                            ^ no run has this value
       |
       = help: planned here: task.horizon = 1, 2
    "#);
}

#[test]
fn a_claim_that_matches_several_settings_names_the_axis_to_pin() {
    assert_snapshot!(refusal(&claim("a", "\"model.kind\" = \"linear\"", "at_most = 1")), @r#"
    error: this claim matches 2 settings
      --> e.toml:18:9
       |
    18 | where = { "model.kind" = "linear" }
       |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^ which of them?
       |
       = help: pin in `where`: task.horizon (1, 2)
    "#);
}

#[test]
fn a_claim_states_exactly_one_kind_of_value() {
    assert_snapshot!(refusal(&claim("a", LINEAR, "")), @r#"
    error: this claim states no value
      --> e.toml:16:1
       |
    16 | [[claims]]
       | ^^^^^^^^^^
       |
       = help: add reported = ... with tolerance = "4%", or a bound: at_most = ... or at_least = ...
    "#);
    assert_snapshot!(refusal(&claim("a", LINEAR, "reported = 1.0")), @r#"
    error: a reported value needs a tolerance
      --> e.toml:20:12
       |
    20 | reported = 1.0
       |            ^^^
       |
       = help: add tolerance = "4%" or tolerance = 0.01, or a bound: at_most = ... or at_least = ...
    "#);
    assert_snapshot!(refusal(&claim("a", LINEAR, "reported = 1.0\ntolerance = \"4%\"\nat_most = 2")), @r#"
    error: a tolerance and a bound exclude each other
      --> e.toml:21:13
       |
    21 | tolerance = "4%"
       |             ^^^^
       |
       = help: keep `tolerance` to compare with a value, or `at_most`/`at_least` for a bound
    "#);
    assert_snapshot!(refusal(&claim("a", LINEAR, "tolerance = \"4%\"")), @r#"
    error: `tolerance` needs a reported value
      --> e.toml:20:13
       |
    20 | tolerance = "4%"
       |             ^^^^
       |
       = help: add reported = ...
    "#);
    assert_snapshot!(refusal(&claim("a", LINEAR, "reported = 1.0\ntolerance = \"four\"")), @r#"
    error: "four" is not a tolerance; write a number in the metric's unit, or a share as in "4%"
      --> e.toml:21:13
       |
    21 | tolerance = "four"
       |             ^^^^^^
    "#);
    assert_snapshot!(refusal(&claim("a", LINEAR, "at_most = 1\nat_least = 2")), @r"
    error: at_most must not be below at_least = 2, got 1
      --> e.toml:20:11
       |
    20 | at_most = 1
       |           ^
    ");
}

#[test]
fn an_expected_miss_without_a_reason_is_pointed_at() {
    assert_snapshot!(refusal(&claim("a", LINEAR, "at_most = 1\nexpect = \"refuted\"")), @r#"
    error: an expected miss needs a reason
      --> e.toml:21:10
       |
    21 | expect = "refuted"
       |          ^^^^^^^^^
       |
       = help: add reason = "..." with what is different here, as far as it is known
    "#);
}

#[test]
fn a_metric_or_target_that_there_is_not_is_pointed_at() {
    assert_snapshot!(refusal(&claim("a", LINEAR, "at_most = 1").replace("\"mse\"", "\"mze\"")), @r#"
    error: `mze` is not a metric
      --> e.toml:19:10
       |
    19 | metric = "mze"
       |          ^^^^^ did you mean `mae`?
       |
       = help: known here: mae, medae, mse, rmse, smape, wape, mase, r2, bias, coverage_50, width_50, winkler_50, coverage_80, width_80, winkler_80, coverage_95, width_95, winkler_95, pinball, crps
    "#);
    assert_snapshot!(refusal(&claim("a", LINEAR, "at_most = 1\ntarget = \"gap\"")), @r#"
    error: `gap` is not a target of this task
      --> e.toml:21:10
       |
    21 | target = "gap"
       |          ^^^^^ did you mean `gap_s`?
       |
       = help: all, or one of: gap_s, request_tokens, response_tokens
    "#);
    assert_snapshot!(refusal(&claim("a", LINEAR, "at_most = 1\nunit = \"original\"")), @r#"
    error: a mean over all targets exists in scaled units only
      --> e.toml:21:8
       |
    21 | unit = "original"
       |        ^^^^^^^^^^
       |
       = help: write unit = "scaled", or name one target
    "#);
}

#[test]
fn two_claims_of_one_name_are_pointed_at() {
    assert_snapshot!(refusal(&(claim("a", LINEAR, "at_most = 1") + &claim("a", LINEAR, "at_most = 2"))), @r#"
    error: two claims are named `a`
      --> e.toml:22:8
       |
    22 | name = "a"
       |        ^^^
       |
       = help: give each claim a name of its own
    "#);
}

#[test]
fn a_condition_is_one_value() {
    assert_snapshot!(refusal(&claim("a", "\"task.horizon\" = [1, 2]", "at_most = 1")), @r#"
    error: `task.horizon` must be one number, string or boolean; write a claim for each value, or a table with a column
      --> e.toml:18:9
       |
    18 | where = { "task.horizon" = [1, 2] }
       |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
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

/// The claims of a file of `experiments/reproduce`, as JSON.
fn claims_of(name: &str) -> Vec<Value> {
    let path = format!("{}/experiments/reproduce/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let experiment = Experiment::load(Path::new(&path), &[]).unwrap();
    experiment.claims.iter().map(|claim| serde_json::to_value(claim).unwrap()).collect()
}

#[test]
fn every_cell_of_the_published_table_is_claimed() {
    let claims = claims_of("ltsf-etth1");
    // Zeng et al., AAAI 2023, benchmark page of the published code: sums over the table's columns of MSE and of MAE.
    let sum = |metric: &str| -> f64 {
        let values = claims.iter().filter(|claim| claim["metric"].as_str() == Some(metric));
        values.map(|claim| claim["reported"].as_f64().unwrap()).sum()
    };
    assert_eq!(claims.len(), 48);
    assert!((sum("mse") - 10.384).abs() < 1e-9, "{}", sum("mse"));
    assert!((sum("mae") - 10.548).abs() < 1e-9, "{}", sum("mae"));
}

#[test]
fn tables_of_claims_say_what_was_written_out_claim_by_claim() {
    let golden: Value = serde_json::from_str(include_str!("golden_claims.json")).unwrap();
    for (name, claims) in golden.as_object().unwrap() {
        let claims = claims.as_array().unwrap();
        let found = claims_of(name);
        assert_eq!(found.len(), claims.len(), "{name}");
        for (found, claim) in found.iter().zip(claims) {
            assert_eq!(found, claim);
        }
    }
}

#[test]
fn every_cell_of_a_table_is_judged() {
    let lab = Lab::new();
    let claims = r#"[[claims]]
name = "a study"
where = { "model.kind" = "linear" }
tolerance = "90%"
source = "a page"
columns = ["task.horizon", "mse", "mae"]
rows = [[1, 1.5, 1e-6], [2, 1.5, "-"]]
[claims.misses]
"a study, horizon 1, mae" = "of no use"
"#;
    let outcome = lab.run(&with_claims(&lab, claims), &[]);
    assert!(outcome.stdout.contains("3 claims: 2 reproduced, 1 refuted"), "{}", outcome.stdout);
    let found = claims_json(&lab);
    let names: Vec<&str> = found.iter().map(|claim| claim["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a study, horizon 1, mse", "a study, horizon 1, mae", "a study, horizon 2, mse"]);
    assert_eq!(found[1]["reason"], "of no use");
}

/// A table of claims for mistakes to be put into.
const TABLE: &str = r#"[[claims]]
name = "a"
where = { "model.kind" = "linear" }
tolerance = "4%"
columns = ["task.horizon", "mse", "mae"]
rows = [
    [1, 0.5, 0.25],
    [2, 0.5, "-"],
]
"#;

fn table(from: &str, to: &str) -> String {
    assert!(TABLE.contains(from), "{from}");
    TABLE.replacen(from, to, 1)
}

#[test]
fn a_column_that_is_neither_a_metric_nor_a_parameter_is_pointed_at() {
    assert_snapshot!(refusal(&table("\"mae\"", "\"mea\"")), @r#"
    error: `mea` is neither a metric nor a parameter
      --> e.toml:20:35
       |
    20 | columns = ["task.horizon", "mse", "mea"]
       |                                   ^^^^^ did you mean `mae`?
       |
       = help: a column is `name`, a parameter's dotted path such as task.horizon, or one of: mae, medae, mse, rmse, smape, wape, mase, r2, bias, coverage_50, width_50, winkler_50, coverage_80, width_80, winkler_80, coverage_95, width_95, winkler_95, pinball, crps
    "#);
    assert_snapshot!(refusal(&table("\"task.horizon\"", "\"task.horizn\"")), @r#"
    error: no run of this file has a parameter `task.horizn`
      --> e.toml:20:12
       |
    20 | columns = ["task.horizn", "mse", "mae"]
       |            ^^^^^^^^^^^^^ did you mean `task.horizon`?
       |
       = help: parameters here: dataset.cleaning.drop_zero_tokens, dataset.max_rows, dataset.source, evaluation.drop_last, evaluation.mase_season, model.kind, model.per_channel, model.ridge, model.solver, split.embargo, split.folds, split.test, split.train, split.valid, task.features, task.horizon, task.kind, task.lookback, training.batch_size, training.drop_last, training.epochs, training.learning_rate, training.loss, training.optimizer, training.schedule, training.weight_decay, uncertainty.conformal
    "#);
    assert_snapshot!(refusal(&table("\"mae\"", "\"mse\"")), @r#"
    error: the column `mse` is given twice
      --> e.toml:20:35
       |
    20 | columns = ["task.horizon", "mse", "mse"]
       |                                   ^^^^^
    "#);
    assert_snapshot!(refusal(&table("\"mse\", \"mae\"", "\"task.lookback\", \"name\"")), @r#"
    error: no column is a metric
      --> e.toml:20:11
       |
    20 | columns = ["task.horizon", "task.lookback", "name"]
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: add one of: mae, medae, mse, rmse, smape, wape, mase, r2, bias, coverage_50, width_50, winkler_50, coverage_80, width_80, winkler_80, coverage_95, width_95, winkler_95, pinball, crps
    "#);
    assert_snapshot!(refusal(&table("\"model.kind\" = \"linear\"", "\"task.horizon\" = 1")), @r#"
    error: `task.horizon` is a column and a key of `where`
      --> e.toml:20:12
       |
    20 | columns = ["task.horizon", "mse", "mae"]
       |            ^^^^^^^^^^^^^^
       |
       = help: keep the column if it differs between rows, or else the key
    "#);
}

#[test]
fn a_cell_that_does_not_fit_its_column_is_pointed_at() {
    assert_snapshot!(refusal(&table("0.25", "\"low\"")), @r#"
    error: the reported mae must be a number
      --> e.toml:22:14
       |
    22 |     [1, 0.5, "low"],
       |              ^^^^^
       |
       = help: write "-" where no value is reported
    "#);
    assert_snapshot!(refusal(&table("[1, 0.5, 0.25]", "[1, 0.5]")), @r"
    error: this row has 2 cells for 3 columns
      --> e.toml:22:5
       |
    22 |     [1, 0.5],
       |     ^^^^^^^^
       |
       = help: the columns are task.horizon, mse, mae
    ");
    assert_snapshot!(refusal(&table("[1, ", "[[1], ")), @r"
    error: `task.horizon` must be a number, a string or a boolean
      --> e.toml:22:6
       |
    22 |     [[1], 0.5, 0.25],
       |      ^^^
    ");
    assert_snapshot!(refusal(&table("\"task.horizon\"", "\"name\"")), @r"
    error: a row's name must be a string
      --> e.toml:22:6
       |
    22 |     [1, 0.5, 0.25],
       |      ^
    ");
}

#[test]
fn a_row_that_matches_no_planned_run_is_pointed_at_in_its_cell() {
    assert_snapshot!(refusal(&table("[2, ", "[3, ")), @r#"
    error: the claim `a, horizon 3, mse` matches no planned run
      --> e.toml:23:6
       |
    23 |     [3, 0.5, "-"],
       |      ^ no run has this value
       |
       = help: planned here: task.horizon = 1, 2
    "#);
    assert_snapshot!(refusal(&table("[2, 0.5, \"-\"]", "[1, 0.5, \"-\"]")), @r#"
    error: two claims are named `a, horizon 1, mse`
      --> e.toml:23:5
       |
    23 |     [1, 0.5, "-"],
       |     ^^^^^^^^^^^^^
       |
       = help: give each claim a name of its own
    "#);
}

#[test]
fn a_table_of_claims_says_everything_in_its_columns() {
    assert_snapshot!(refusal(&table("tolerance = \"4%\"\n", "")), @r#"
    error: a reported value needs a tolerance
      --> e.toml:21:9
       |
    21 |     [1, 0.5, 0.25],
       |         ^^^
       |
       = help: add tolerance = "4%" or tolerance = 0.01, or a bound: at_most = ... or at_least = ...
    "#);
    assert_snapshot!(refusal(&table("name = \"a\"", "name = \"a\"\nmetric = \"mse\"")), @r#"
    error: `metric` does not belong to a table of claims
      --> e.toml:18:10
       |
    18 | metric = "mse"
       |          ^^^^^
       |
       = help: name the metrics in `columns`
    "#);
    assert_snapshot!(refusal(&table("columns = [\"task.horizon\", \"mse\", \"mae\"]\n", "")), @r#"
    error: these rows have no columns
      --> e.toml:20:8
       |
    20 | rows = [
       |        ^
       |
       = help: add columns, e.g. columns = ["task.horizon", "mse"]
    "#);
    assert_snapshot!(refusal(&format!("{TABLE}[claims.misses]\n\"a, horizon 1, mea\" = \"why\"\n")), @r#"
    error: no claim of this table is named `a, horizon 1, mea`
      --> e.toml:26:1
       |
    26 | "a, horizon 1, mea" = "why"
       | ^^^^^^^^^^^^^^^^^^^ did you mean `a, horizon 1, mae`?
    "#);
    assert_snapshot!(refusal(&format!("{TABLE}[claims.misses]\n\"a, horizon 1, mae\" = \"\"\n")), @r#"
    error: this miss has no reason
      --> e.toml:26:23
       |
    26 | "a, horizon 1, mae" = ""
       |                       ^^
       |
       = help: say what is different here, as far as it is known
    "#);
    assert_snapshot!(refusal("[[claims]]\nwhere = { \"task.horizon\" = 1 }\n"), @r"
    error: the key `name` is missing
      --> e.toml:16:1
       |
    16 | [[claims]]
       | ^^^^^^^^^^ in this table
    ");
}
