//! What the user is told about a mistake in an experiment file: file, line, caret, remedy; exit code 2.

mod axes;
mod base;
mod data;
mod models;
mod scheduler;
mod search;

use insta::assert_snapshot;

use crate::common::{Lab, VALID};

/// Runs a file that must be refused, and returns what is said about it.
fn refusal(text: &str, more: &[&str]) -> String {
    let lab = Lab::new();
    lab.file("e.toml", text);
    let mut arguments = vec!["run", "e.toml"];
    arguments.extend(more);
    let outcome = lab.call(&arguments);
    assert_eq!(outcome.code, 2, "{}\n{}", outcome.stdout, outcome.stderr);
    assert!(!lab.results().exists(), "nothing is recorded of an experiment that is refused");
    outcome.stderr
}

fn with(from: &str, to: &str) -> String {
    assert!(VALID.contains(from), "{from}");
    VALID.replacen(from, to, 1)
}

#[test]
fn the_experiment_without_a_mistake_is_accepted() {
    let lab = Lab::new();
    lab.file("e.toml", VALID);
    let outcome = lab.call(&["run", "e.toml", "--dry-run"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stdout.contains("e: 2 runs on"), "{}", outcome.stdout);
}

#[test]
fn an_unknown_key_is_pointed_at() {
    assert_snapshot!(refusal(&with("lookback", "lookbak"), &[]), @r#"
    error: unknown key `lookbak`
     --> e.toml:6:1
      |
    6 | lookbak = 50
      | ^^^^^^^ did you mean `lookback`?
      |
      = help: known here: lookback, horizon, features
    "#);
}

#[test]
fn a_wrong_type_is_pointed_at() {
    assert_snapshot!(refusal(&with("hidden = 4", "hidden = \"four\""), &[]), @r#"
    error: expected a non-negative integer, got the string "four"
      --> e.toml:14:10
       |
    14 | hidden = "four"
       |          ^^^^^^
    "#);
}

#[test]
fn a_negative_size_is_pointed_at() {
    assert_snapshot!(refusal(&with("lookback = 50", "lookback = -50"), &[]), @r"
    error: expected a non-negative integer, got -50
     --> e.toml:6:12
      |
    6 | lookback = -50
      |            ^^^
    ");
}

#[test]
fn a_missing_key_is_named() {
    assert_snapshot!(refusal(&with("source = \"synthetic-burstgpt\"\n", ""), &[]), @r#"
    error: the key `source` is missing
     --> e.toml:2:1
      |
    2 | [dataset]
      | ^^^^^^^^^ in this table
    "#);
}

#[test]
fn two_tasks_are_one_too_many() {
    assert_snapshot!(refusal(&with("[training]", "[task.window_load]\nwindow = \"1min\"\nlookback = 5\n[training]"), &[]), @r#"
    error: `window_load` is a task beside `next_request`
     --> e.toml:8:7
      |
    8 | [task.window_load]
      |       ^^^^^^^^^^^ one too many
      |
      = help: an experiment has exactly one [task.…] table: keep one
    "#);
}

#[test]
fn a_length_of_time_without_a_unit_is_refused() {
    assert_snapshot!(refusal(&with("max_rows = 400", "end = \"3\""), &[]), @r#"
    error: `3` is not a length of time (time unit needed, for example 3sec or 3ms); write a number and a unit, as in "30s", "5min", "1h 30m"
     --> e.toml:4:7
      |
    4 | end = "3"
      |       ^^^
    "#);
}

#[test]
fn text_that_is_not_toml_is_refused() {
    assert_snapshot!(refusal(&with("lookback = 50", "lookback = = 50"), &[]), @r"
    error: invalid TOML: extra `=`, expected nothing
     --> e.toml:6:12
      |
    6 | lookback = = 50
      |            ^
    ");
}

#[test]
fn a_mistake_on_the_command_line_is_pointed_at() {
    assert_snapshot!(refusal(VALID, &["--set", "models.lstm.hiden=8"]), @r#"
    error: unknown key `hiden`
     --> --set:1:13
      |
    1 | models.lstm.hiden=8
      |             ^^^^^ did you mean `hidden`?
      |
      = help: known here: hidden, layers, dropout
    "#);
    assert_snapshot!(refusal(VALID, &["--set", "training.epochs"]), @r#"
    error: an override is written PATH=VALUE
     --> --set:1:1
      |
    1 | training.epochs
      | ^^^^^^^^^^^^^^^
      |
      = help: for example --set training.epochs=3
    "#);
}

#[test]
fn a_name_that_leaves_the_results_folder_is_refused() {
    assert_snapshot!(refusal(&with("name = \"e\"", "name = \"../e\""), &[]), @r#"
    error: `../e` cannot name an experiment
     --> e.toml:1:8
      |
    1 | name = "../e"
      |        ^^^^^^
      |
      = help: the name becomes a folder of results/: use at most 100 letters, digits, `-`, `_` and `.`, and none of `runs`, `slurm` and `kubernetes`
    "#);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let lab = Lab::new();
    let outcome = lab.call(&["run", "nowhere.toml"]);
    assert_eq!(outcome.code, 2);
    assert_snapshot!(outcome.stderr, @r#"error: there is no experiment file nowhere.toml"#);
}

#[test]
fn a_folder_skips_what_has_no_data_and_runs_the_rest() {
    let lab = Lab::new();
    std::fs::create_dir(lab.folder.path().join("all")).unwrap();
    lab.file("all/a.toml", &with("synthetic-burstgpt", "azure-conv"));
    lab.file("all/b.toml", VALID);
    let outcome = lab.call(&["run", "all"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("skipped all/a.toml"), "{}", outcome.stderr);
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 2);
}

#[test]
fn sizes_beyond_reason_are_refused() {
    assert_snapshot!(refusal(&with("hidden = 4", "hidden = 1000000000"), &[]), @r"
    error: hidden must be between 2 and 8192, got 1000000000
      --> e.toml:14:10
       |
    14 | hidden = 1000000000
       |          ^^^^^^^^^^
       |
       = help: the head halves the hidden units; 32 to 128 are usual
    ");
    assert_snapshot!(refusal(&with("[training]", "[scheduler]\nthreads_per_run = 100000\n[training]"), &[]), @r"
    error: threads_per_run must be at most 256, got 100000
     --> e.toml:9:19
      |
    9 | threads_per_run = 100000
      |                   ^^^^^^
      |
      = help: all slots share the machine's cores
    ");
    let text = format!("{VALID}[search]\nstrategy = \"random\"\ntrials = 1000000000000\n");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: trials must be at most 100000, got 1000000000000
      --> e.toml:17:10
       |
    17 | trials = 1000000000000
       |          ^^^^^^^^^^^^^
       |
       = help: give fewer trials, or several experiments
    ");
    let text = with("models.lstm]\nhidden = 4", "models.dlinear]\nkernel = 1000000000001");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: kernel must be at most 101 for a lookback of 50, got 1000000000001
      --> e.toml:14:10
       |
    14 | kernel = 1000000000001
       |          ^^^^^^^^^^^^^
       |
       = help: a wider average covers the whole lookback at every step
    ");
}

#[test]
fn names_that_would_hurt_the_store_are_refused() {
    refusal(&with("name = \"e\"", "name = \"burstlab.db-wal\""), &[]);
    refusal(&with("name = \"e\"", &format!("name = \"{}\"", "e".repeat(300))), &[]);
}

#[test]
fn an_override_deeper_than_any_key_is_refused() {
    let path = format!("{}=1", vec!["a"; 30_000].join("."));
    let message = refusal(VALID, &["--set", &path]);
    assert!(message.contains("this path is too deep"), "{}", &message[..200]);
}

#[test]
fn two_files_of_one_name_are_refused_together() {
    let lab = Lab::new();
    lab.file("a.toml", VALID);
    lab.file("b.toml", VALID);
    let outcome = lab.call(&["run", "a.toml", "b.toml"]);
    assert_eq!(outcome.code, 2);
    assert_snapshot!(outcome.stderr, @"error: a.toml and b.toml are both named `e` and would overwrite each other's report; rename one");
}

const DERIVED: &str = "base = \"base.toml\"\nname = \"derived\"\n";
