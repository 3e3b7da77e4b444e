//! Mistakes about data: sources, columns, parts, and tasks that do not fit them.

use super::*;

#[test]
fn a_missing_dataset_names_the_fetch_command() {
    assert_snapshot!(refusal(&with("synthetic-burstgpt", "azure-conv"), &[]).replace(
        &std::env::temp_dir().display().to_string(), "TMP").split("(looked for").next().unwrap().to_string(), @r#"error: the dataset `azure-conv` is not on this machine"#);
    let message = refusal(&with("synthetic-burstgpt", "azure-conv"), &[]);
    assert!(message.contains("burstlab dataset fetch azure-conv"), "{message}");
}

#[test]
fn a_misspelt_dataset_is_answered_with_the_nearest() {
    assert_snapshot!(refusal(&with("synthetic-burstgpt", "synthetic-burstgtp"), &[]), @r#"
    error: `synthetic-burstgtp` is neither a file nor a dataset of the catalog
     --> e.toml:3:10
      |
    3 | source = "synthetic-burstgtp"
      |          ^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `synthetic-burstgpt`? the catalog has: azure-conv, azure-code, azure-2024-conv, azure-2024-code, etth1, etth2, ettm1, ettm2, burstgpt-1, burstgpt-1-without-fails, burstgpt-2, burstgpt-2-without-fails, burstgpt-3, burstgpt-3-without-fails, mooncake-conversation, mooncake-toolagent, mooncake-synthetic, mooncake-arxiv, servegen-m-large, servegen-m-large-load, servegen-m-mid, servegen-m-small, servegen-deepseek-r1, servegen-mm-image, synthetic-burstgpt
    "#);
}

#[test]
fn data_too_short_for_the_horizon_say_what_is_needed() {
    assert_snapshot!(refusal(&with("max_rows = 400", "max_rows = 60"), &[]), @r"
    error: the train part has 41 of the 59 steps, but needs at least 60 = 50 (lookback) + 10 (horizon)
     --> e.toml:6:12
      |
    6 | lookback = 50
      |            ^^
      |
      = help: use more data, a smaller lookback or a shorter horizon
    ");
    assert_snapshot!(refusal(&with("horizon = 10", "horizon = 2000"), &[]), @r"
    error: the train part has 279 of the 399 steps, but needs at least 2050 = 50 (lookback) + 2000 (horizon)
     --> e.toml:7:11
      |
    7 | horizon = 2000
      |           ^^^^
      |
      = help: use more data, a smaller lookback or a shorter horizon
    ");
}

#[test]
fn an_embargo_that_leaves_nothing_is_refused() {
    assert_snapshot!(refusal(&with("[training]", "[split]\nembargo = 70\n[training]"), &[]), @r#"
    error: the earlier half of the valid part has 30 of the 399 steps, but needs at least 80 = 70 (embargo) + 10 (horizon)
     --> e.toml:9:11
      |
    9 | embargo = 70
      |           ^^
      |
      = help: use more data, a smaller embargo or a shorter horizon; or give the whole valid part to selection, with uncertainty.conformal = "none"
    "#);
    let whole = "[split]\nembargo = 70\n[uncertainty]\nconformal = \"none\"\n[training]";
    assert_snapshot!(refusal(&with("[training]", whole), &[]), @r"
    error: the valid part has 60 of the 399 steps, but needs at least 80 = 70 (embargo) + 10 (horizon)
     --> e.toml:9:11
      |
    9 | embargo = 70
      |           ^^
      |
      = help: use more data, a smaller embargo or a shorter horizon
    ");
}

#[test]
fn a_way_to_calibrate_that_is_not_known_is_pointed_at() {
    let text = with("[training]", "[uncertainty]\nconformal = \"adaptve\"\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: unknown value `adaptve`
     --> e.toml:9:13
      |
    9 | conformal = "adaptve"
      |             ^^^^^^^^^ did you mean `adaptive`?
      |
      = help: known here: adaptive, split, none
    "#);
}

#[test]
fn a_task_that_does_not_fit_the_trace_is_refused() {
    assert_snapshot!(refusal(&with("[task.next_request]", "[task.series]"), &[]), @r#"
    error: this is a trace of requests; its tasks are next_request and window_load
     --> e.toml:5:1
      |
    5 | [task.series]
      | ^^^^^^^^^^^^^
      |
      = help: choose a task that fits the data
    "#);
}

#[test]
fn fractions_above_the_whole_are_refused() {
    assert_snapshot!(refusal(&with("[training]", "[split]\ntrain = 0.8\nvalid = 0.2\ntest = 0.2\n[training]"), &[]), @r"
    error: train, valid and test must add up to at most 1, got 1.2
      --> e.toml:11:8
       |
    11 | test = 0.2
       |        ^^^
       |
       = help: lower one of the fractions
    ");
}

#[test]
fn a_name_that_no_synthetic_request_carries_is_refused_at_once() {
    assert_snapshot!(refusal(&with("max_rows = 400", "llms = [\"ChatGTP\"]"), &[]), @r#"
    error: no row carries `ChatGTP`
     --> e.toml:4:8
      |
    4 | llms = ["ChatGTP"]
      |        ^^^^^^^^^^^
      |
      = help: did you mean `ChatGPT`? this trace has: ChatGPT, GPT-4
    "#);
}

#[test]
fn a_window_of_a_nanosecond_is_refused() {
    let text = with(
        "[task.next_request]\nlookback = 50\nhorizon = 10",
        "[task.window_load]\nwindow = \"1ns\"\nlookback = 5",
    );
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: windows this narrow are 23641000000000 in this slice, more than 20000000
     --> e.toml:6:10
      |
    6 | window = "1ns"
      |          ^^^^^
      |
      = help: give a wider window
    "#);
}

#[test]
fn a_split_beyond_the_data_says_so() {
    assert_snapshot!(refusal(&with("[training]", "[split]\nrows = [300, 100, 100]\n[training]"), &[]), @r"
    error: the split asks for 500 steps, but the slice has 399
     --> e.toml:9:8
      |
    9 | rows = [300, 100, 100]
      |        ^^^^^^^^^^^^^^^
      |
      = help: use more data, or smaller parts
    ");
}

/// An experiment on a file of requests in a layout of its own.
fn mapped(lab: &Lab, columns: &str) -> String {
    lab.file("requests.csv", "at_ms,prompt,answer\n0,10,2\n1500,20,3\n");
    let text = format!(
        "name = \"e\"\n[dataset]\nsource = \"requests.csv\"\n[dataset.columns]\n{columns}\n\
         [task.next_request]\nlookback = 1\n[[models]]\n[models.persistence]\n"
    );
    lab.file("e.toml", &text);
    let outcome = lab.call(&["run", "e.toml"]);
    assert_eq!(outcome.code, 2, "{}\n{}", outcome.stdout, outcome.stderr);
    outcome.stderr
}

#[test]
fn a_column_that_the_file_lacks_is_pointed_at() {
    let columns = "timestamp = \"at\"\ntimestamp_unit = \"ms\"\nrequest_tokens = \"promt\"\nresponse_tokens = \"answer\"";
    assert_snapshot!(mapped(&Lab::new(), &columns.replace("\"at\"", "\"at_ms\"")), @r#"
    error: the file has no column `promt`
     --> e.toml:7:18
      |
    7 | request_tokens = "promt"
      |                  ^^^^^^^
      |
      = help: did you mean `prompt`? it has: at_ms, prompt, answer
    "#);
    assert_snapshot!(mapped(&Lab::new(), columns), @r#"
    error: the file has no column `at`
     --> e.toml:5:13
      |
    5 | timestamp = "at"
      |             ^^^^
      |
      = help: it has: at_ms, prompt, answer
    "#);
}

#[test]
fn a_column_that_two_keys_name_is_pointed_at_where_it_is_named_again() {
    let columns = "timestamp = \"at_ms\"\ntimestamp_unit = \"ms\"\nrequest_tokens = \"prompt\"\nresponse_tokens = \"prompt\"";
    assert_snapshot!(mapped(&Lab::new(), columns), @r#"
    error: the column `prompt` is named as `request_tokens` already
     --> e.toml:8:19
      |
    8 | response_tokens = "prompt"
      |                   ^^^^^^^^
      |
      = help: each of these keys needs a column of its own
    "#);
}

#[test]
fn an_unknown_unit_of_a_timestamp_is_pointed_at() {
    let columns = "timestamp = \"at_ms\"\ntimestamp_unit = \"minutes\"\nrequest_tokens = \"prompt\"\nresponse_tokens = \"answer\"";
    assert_snapshot!(mapped(&Lab::new(), columns), @r#"
    error: unknown value `minutes`
     --> e.toml:6:18
      |
    6 | timestamp_unit = "minutes"
      |                  ^^^^^^^^^
      |
      = help: known here: s, ms, us, ns, datetime, none
    "#);
}

#[test]
fn columns_of_the_built_in_trace_cannot_be_named() {
    let columns = "max_rows = 400\n[dataset.columns]\ntimestamp = \"t\"\ntimestamp_unit = \"s\"\nrequest_tokens = \"i\"\nresponse_tokens = \"o\"\n";
    assert_snapshot!(refusal(&with("max_rows = 400\n", columns), &[]), @"
    error: the built-in trace has no file whose columns could be named
     --> e.toml:5:1
      |
    5 | [dataset.columns]
      | ^^^^^^^^^^^^^^^^^
      |
      = help: remove this table
    ");
}

#[test]
fn first_and_latest_rows_cannot_both_be_chosen() {
    assert_snapshot!(refusal(&with("max_rows = 400\n", "max_rows = 400\nlatest_rows = 50\n"), &[]), @r"
    error: max_rows and latest_rows exclude each other
     --> e.toml:5:15
      |
    5 | latest_rows = 50
      |               ^^
      |
      = help: keep one: the first rows of the slice, or its latest
    ");
}
