//! Mean tokens of the requests of a window as targets, and what becomes of windows without requests.

use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::Value;

use crate::common::load::{LOAD, load_lab};
use crate::common::{Lab, Outcome};

const HEADER: &str = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n";

/// Requests in two of three minutes, for some hours.
fn sparse(minutes: u64) -> String {
    let mut text = HEADER.to_string();
    for minute in (0..minutes).filter(|minute| minute % 3 != 2) {
        for request in 0..=(minute * 7_919 % 4) {
            let (prompt, answer) =
                (100 + (minute * 31 + request * 17) % 90, 10 + (minute * 13 + request) % 40);
            let at = minute * 60 + request * 9;
            writeln!(text, "{at},ChatGPT,{prompt},{answer},{},API log", prompt + answer).unwrap();
        }
    }
    text
}

fn experiment(name: &str, task: &str) -> String {
    format!(
        "name = \"{name}\"\n[dataset]\nsource = \"sparse.csv\"\n[task.window_load]\nwindow = \"1min\"\nlookback = 6\nhorizon = 2\n{task}\
         [[models]]\n[models.persistence]\n[[models]]\n[models.linear]\nsolver = \"least_squares\"\n[[models]]\n[models.dlinear]\nkernel = 3\n\
         [training]\nepochs = 2\n"
    )
}

fn lab() -> Lab {
    let lab = Lab::new();
    lab.file("sparse.csv", &sparse(900));
    lab
}

fn json(outcome: &Outcome) -> Value {
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

fn watched(lab: &Lab, experiment: &str, text: &str) -> Outcome {
    lab.call_with_input(&["predict", "--experiment", experiment, "--trace", "-", "--watch"], text)
}

#[test]
fn means_are_targets_like_any_other_and_what_is_left_out_is_counted() {
    let lab = lab();
    for (name, task, card) in [
        ("zero", "mean_tokens = true\n", "without requests, its mean tokens are 0"),
        ("last", "mean_tokens = true\nempty_windows = \"last\"\n", "those of the window before it"),
        ("skip", "mean_tokens = true\nempty_windows = \"skip\"\n", "299 windows without requests left out"),
    ] {
        lab.run(&lab.file(&format!("{name}.toml"), &experiment(name, task)), &[]);
        let markdown = std::fs::read_to_string(lab.results().join(name).join("report.md")).unwrap();
        assert!(markdown.contains(card), "{name}: {markdown}");
        assert!(markdown.contains("`request_tokens_mean` (tokens per request)"), "{name}");
        let targets = lab.query(&format!(
            "select distinct m.target from metrics m join runs r using (run_id) where r.experiment = '{name}' order by 1"
        ));
        let targets: Vec<&str> = targets.iter().map(|row| row["target"].as_str().unwrap()).collect();
        assert_eq!(
            targets,
            [
                "all",
                "request_tokens",
                "request_tokens_mean",
                "requests",
                "response_tokens",
                "response_tokens_mean"
            ]
        );
        let arguments =
            ["predict", "--experiment", name, "--trace", "sparse.csv", "--steps", "2", "--format", "json"];
        let whole = lab.call(&arguments);
        let steps = json(&whole)["steps"].clone();
        for step in steps.as_array().unwrap() {
            assert!(step["request_tokens_mean"].as_f64().unwrap() >= 0.0, "{step}");
            assert!(step["response_tokens_mean_intervals"]["95"][0].as_f64().unwrap() >= 0.0, "{step}");
        }
        let arguments = ["predict", "--experiment", name, "--trace", "sparse.csv", "--format", "json"];
        let followed = watched(&lab, name, &sparse(900));
        assert_eq!(followed.code, 0, "{}", followed.stderr);
        assert_eq!(followed.stdout.lines().last().unwrap(), lab.call(&arguments).stdout.trim_end(), "{name}");
    }
    // Where requests always come, their mean is what is forecast; zeros in between make it smaller.
    let mean = |name: &str| {
        let arguments = ["predict", "--experiment", name, "--trace", "sparse.csv", "--format", "json"];
        json(&lab.call(&arguments))["steps"][0]["request_tokens_mean"].as_f64().unwrap()
    };
    assert!((100.0..190.0).contains(&mean("skip")), "{}", mean("skip"));
    assert!(
        !lab.results().join("skip/plots/load.svg").exists()
            && lab.results().join("zero/plots/load.svg").exists()
    );
}

#[test]
fn a_task_without_these_keys_keeps_its_identity_and_its_numbers() {
    let lab = lab();
    let ids = |task: &str| {
        let file = lab.file("same.toml", &experiment("same", task));
        let plan = json(&lab.call(&["run", file.to_str().unwrap(), "--dry-run", "--format", "json"]));
        plan["runs"].as_array().unwrap().iter().map(|run| run["run_id"].clone()).collect::<Vec<_>>()
    };
    let plain = ids("");
    assert_eq!(ids("mean_tokens = false\nempty_windows = \"zero\"\n"), plain);
    // As it was before there were these keys.
    assert_eq!(plain[0], "ddf14f592b349421");
    let others = [ids("mean_tokens = true\n"), ids("empty_windows = \"skip\"\n")];
    assert!(others[0][0] != plain[0] && others[1][0] != plain[0] && others[0][0] != others[1][0]);
}

/// Runs a file with a mistake, which must be refused.
fn refusal(task: &str, more: &str) -> String {
    let lab = lab();
    lab.file("e.toml", &(experiment("e", task) + more));
    let outcome = lab.call(&["run", "e.toml"]);
    assert_eq!(outcome.code, 2, "{}\n{}", outcome.stdout, outcome.stderr);
    outcome.stderr
}

#[test]
fn a_replay_needs_every_window() {
    let capacity = "[capacity]\nprefill_tokens_per_s = 20\ndecode_tokens_per_s = 5\ncold_start = \"1min\"\n";
    assert_snapshot!(refusal("empty_windows = \"skip\"\n", capacity), @r#"
    error: [capacity] replays every window, and empty_windows = "skip" leaves those without requests out
     --> e.toml:8:17
      |
    8 | empty_windows = "skip"
      |                 ^^^^^^
      |
      = help: set empty_windows = "zero" or "last", or leave [capacity] out
    "#);
    let lab = lab();
    lab.run(
        &lab.file(
            "acted.toml",
            &(experiment("acted", "mean_tokens = true\nempty_windows = \"last\"\n") + capacity),
        ),
        &[],
    );
    let arguments = ["capacity", "acted", "--format", "json"];
    assert!(json(&lab.call(&arguments))[0]["models"].as_array().unwrap().len() == 3);
    let targets =
        lab.query("select distinct target from metrics where target like '%work_s%' or target like '%mean'");
    assert_eq!(targets.len(), 3, "{targets:?}");
}

#[test]
fn repeated_means_need_means() {
    assert_snapshot!(refusal("empty_windows = \"last\"\n", ""), @r#"
    error: empty_windows = "last" has no effect without mean_tokens: sums of windows without requests are 0
     --> e.toml:8:17
      |
    8 | empty_windows = "last"
      |                 ^^^^^^
      |
      = help: set mean_tokens = true, or leave empty_windows out
    "#);
    assert_snapshot!(refusal("empty_windows = \"first\"\n", ""), @r#"
    error: unknown value `first`
     --> e.toml:8:17
      |
    8 | empty_windows = "first"
      |                 ^^^^^^^
      |
      = help: known here: zero, last, skip
    "#);
}

#[test]
fn what_needs_a_regular_clock_is_refused_where_windows_are_left_out() {
    assert_snapshot!(refusal("empty_windows = \"skip\"\n", "[[models]]\n[models.prophet]\n"), @r#"
    error: prophet needs steps at known times, and empty_windows = "skip" leaves windows out
      --> e.toml:20:1
       |
    20 | [models.prophet]
       | ^^^^^^^^^^^^^^^^
       |
       = help: leave it out, or set empty_windows = "zero" or "last"
    "#);
    assert_snapshot!(refusal("empty_windows = \"skip\"\n", "[[models]]\n[models.seasonal_naive]\nseason = \"1h\"\n"), @r#"
    error: 1h is not a fixed number of steps: windows without requests are left out
      --> e.toml:21:10
       |
    21 | season = "1h"
       |          ^^^^
       |
       = help: give the season as a number of windows with requests, or set empty_windows = "zero"
    "#);
}

/// An experiment on a table of load that forecasts the mean tokens of its columns.
fn table(means: &str) -> String {
    format!(
        "name = \"table\"\n[dataset]\nsource = \"load.csv\"\nlatest_rows = 720\n[task.series]\nlookback = 12\nhorizon = 2\n\
         mean_tokens = {means}\n[capacity]\nprefill_tokens_per_s = 6000\ndecode_tokens_per_s = 1500\ncold_start = \"10min\"\n\
         max_replicas = 256\nrequest_tokens = \"request_tokens\"\nresponse_tokens = \"response_tokens\"\n\
         [[models]]\n[models.persistence]\n[[models]]\n[models.nlinear]\nsolver = \"least_squares\"\n"
    )
}

const MEANS: &str = "{ requests = \"requests\", tokens = [\"request_tokens\", \"response_tokens\"] }";

#[test]
fn a_table_of_load_has_the_mean_tokens_of_its_rows_beside_their_work() {
    let lab = load_lab();
    lab.run(&lab.file("table.toml", &table(MEANS)), &[]);
    let targets = lab.query("select distinct target from metrics where part = 'test' order by 1");
    let targets: Vec<&str> = targets.iter().map(|row| row["target"].as_str().unwrap()).collect();
    assert_eq!(
        targets,
        [
            "all",
            "request_tokens",
            "request_tokens_mean",
            "requests",
            "response_tokens",
            "response_tokens_mean",
            "work_s"
        ]
    );
    let report = std::fs::read_to_string(lab.results().join("table/report.md")).unwrap();
    assert!(report.contains("`request_tokens_mean` (tokens per request)"), "{report}");
    // What repeats the last row repeats its means.
    let run_id = lab.scalar("select run_id from runs where model = 'persistence'");
    let arguments = ["predict", "--run", run_id.as_str().unwrap(), "--trace", "load.csv", "--format", "json"];
    let step = json(&lab.call(&arguments))["steps"][0].clone();
    let value = |name: &str| step[name].as_f64().unwrap();
    let mean = value("request_tokens") / value("requests");
    assert!((value("request_tokens_mean") / mean - 1.0).abs() < 1e-5, "{step}");
    // Followed row by row, the means are computed as they come.
    let whole = lab.call(&["predict", "--experiment", "table", "--trace", "load.csv", "--format", "json"]);
    let followed = watched(&lab, "table", LOAD);
    assert_eq!(followed.code, 0, "{}", followed.stderr);
    assert_eq!(followed.stdout.lines().last().unwrap(), whole.stdout.trim_end());
    // A row whose mean is no number is refused wherever it comes.
    let negative = format!("{}\n2024-01-15 00:00:00,-5,100,100\n", LOAD.trim_end());
    let refused = watched(&lab, "table", &negative);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("a row of -5 requests has no mean tokens"), "{}", refused.stderr);
    lab.file("negative.csv", &negative);
    lab.file("negative.toml", &table(MEANS).replace("load.csv", "negative.csv"));
    let refused = lab.call(&["run", "negative.toml"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("has no mean tokens: -5 requests"), "{}", refused.stderr);
    let replayed = json(&lab.call(&["capacity", "table", "--format", "json"]));
    assert!(replayed[0]["models"].as_array().is_some_and(|models| !models.is_empty()), "{replayed}");
}

#[test]
fn files_of_a_run_that_do_not_fit_together_are_refused() {
    let lab = load_lab();
    lab.run(&lab.file("table.toml", &table(MEANS)), &[]);
    let run_id = lab.scalar("select run_id from runs where model = 'persistence'");
    let run_id = run_id.as_str().unwrap();
    let file = lab.results().join("runs").join(run_id).join("run.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let damaged = text.replace("requests = \"requests\"", "requests = \"calls\"");
    assert_ne!(text, damaged);
    std::fs::write(&file, damaged).unwrap();
    let refused = lab.call(&["predict", "--run", run_id, "--trace", "load.csv"]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("do not fit together"), "{}", refused.stderr);
    assert!(refused.stderr.contains("no column `calls`"), "{}", refused.stderr);
}

#[test]
fn mean_tokens_of_a_table_need_its_columns() {
    let refusal = |means: &str, source: Option<String>| {
        let lab = load_lab();
        if let Some(text) = source {
            lab.file("load.csv", &text);
        }
        lab.file("table.toml", &table(means));
        let outcome = lab.call(&["run", "table.toml"]);
        assert_eq!(outcome.code, 2, "{}\n{}", outcome.stdout, outcome.stderr);
        outcome.stderr
    };
    for (means, message, help) in [
        (
            "{ requests = \"request\", tokens = [\"request_tokens\"] }",
            "the table has no column `request`",
            "did you mean `requests`?",
        ),
        (
            "{ requests = \"requests\", tokens = [\"request_tokens\", \"requests\"] }",
            "`requests` is the column with the requests",
            "name the columns with tokens",
        ),
        (
            "{ requests = \"requests\", tokens = [] }",
            "no column with tokens is given",
            "leave mean_tokens out",
        ),
    ] {
        let text = refusal(means, None);
        assert!(text.contains(message) && text.contains(help) && text.contains("mean_tokens = {"), "{text}");
    }
    let clash = LOAD.replacen("response_tokens", "request_tokens_mean", 1);
    assert!(refusal(MEANS, Some(clash)).contains("the name of the mean that mean_tokens adds"));
}
