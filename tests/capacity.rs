//! `[capacity]`: what is refused, that replays are recorded and can be repeated under other settings, and what a control shows.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::Write;
use std::process::Stdio;

use common::{Lab, Outcome};
use insta::assert_snapshot;
use serde_json::Value;

/// Two weeks of load, a row for every ten minutes.
const LOAD: &str = include_str!("../dataset/servegen/servegen-m-large-load.csv");

/// A valid experiment, for mistakes to be put into.
const VALID: &str = r#"name = "e"
[dataset]
source = "load.csv"
[task.series]
lookback = 6
horizon = 2
[capacity]
prefill_tokens_per_s = 6000
decode_tokens_per_s = 1500
cold_start = "10min"
request_tokens = "request_tokens"
response_tokens = "response_tokens"
[[models]]
[models.persistence]
"#;

fn with(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(VALID.to_string(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

/// A lab with the load, the same without one of its rows, with a column of another name, and without its times.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.file("load.csv", LOAD);
    let lines: Vec<&str> = LOAD.lines().collect();
    lab.file("uneven.csv", &[&lines[..9], &lines[10..]].concat().join("\n"));
    lab.file("work.csv", &LOAD.replacen("requests,", "work_s,", 1));
    let values = |line: &&str| line.split_once(',').unwrap().1.to_string();
    lab.file("untimed.csv", &lines.iter().map(values).collect::<Vec<_>>().join("\n"));
    lab
}

/// Runs a file with mistakes, which must be refused, and returns what is said about it.
fn refusal(changes: &[(&str, &str)]) -> String {
    let lab = lab();
    lab.file("e.toml", &with(changes));
    let outcome = lab.call(&["run", "e.toml"]);
    assert_eq!(outcome.code, 2, "{}\n{}", outcome.stdout, outcome.stderr);
    assert!(!lab.results().exists(), "nothing is recorded of an experiment that is refused");
    outcome.stderr
}

/// A few models with and without randomness on a week of the load.
const MODELS: &str = "[training]\nepochs = 2\n[search]\nseeds = [1, 2]\n[[models]]\n[models.nlinear]\nsolver = \"least_squares\"\n\
                      [[models]]\n[models.gru]\nhidden = 4\n[[models]]\n[models.persistence]\n";
const SERVICE: &str = "[capacity]\nprefill_tokens_per_s = 6000\ndecode_tokens_per_s = 1500\ncold_start = \"10min\"\n\
                       scale_down_after = \"30min\"\nmax_delay = \"60s\"\nmax_replicas = 256\n\
                       request_tokens = \"request_tokens\"\nresponse_tokens = \"response_tokens\"\n";

/// A lab in which the experiment `load` has run.
fn trained(horizon: usize, more: &str) -> Lab {
    let lab = lab();
    let text = format!(
        "name = \"load\"\n[dataset]\nsource = \"load.csv\"\nlatest_rows = 1008\n[task.series]\nlookback = 12\nhorizon = {horizon}\n\
         {SERVICE}{more}{MODELS}"
    );
    let file = lab.file("load.toml", &text);
    lab.run(&file, &[]);
    lab
}

fn json(outcome: &Outcome) -> Value {
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// What the report shows of the replays.
fn recorded(lab: &Lab) -> Value {
    json(&lab.call(&["compare", "load", "--format", "json"]))[0]["capacity"].clone()
}

/// What `burstlab capacity` replays.
fn replayed(lab: &Lab, more: &[&str]) -> Value {
    let arguments = [&["capacity", "load", "--format", "json"], more].concat();
    let mut boards = json(&lab.call(&arguments));
    let mut board = boards[0].take();
    board.as_object_mut().unwrap().remove("setting");
    board
}

fn row<'a>(board: &'a Value, name: &str) -> &'a Value {
    let rows = ["models", "policies"].into_iter().flat_map(|key| board[key].as_array().unwrap());
    rows.into_iter().find(|row| row["name"] == name).unwrap()
}

fn number(board: &Value, name: &str, key: &str) -> f64 {
    row(board, name)[key].as_f64().unwrap()
}

#[test]
fn replays_of_the_saved_forecasts_give_what_is_recorded() {
    let lab = trained(2, "");
    let board = recorded(&lab);
    assert_eq!(board, replayed(&lab, &[]), "without a change");
    assert_eq!(board["models"].as_array().unwrap().len(), 3);
    for policy in ["reactive", "reactive_with_headroom", "static", "oracle"] {
        assert!(number(&board, policy, "replica_hours") > 0.0);
    }
    // Whoever knows the future needs fewer hours than whoever is prepared for the largest work.
    assert!(number(&board, "oracle", "replica_hours") < number(&board, "static", "replica_hours"));
    let seeds = lab.scalar(
        "select count(distinct run_id) from metrics where name = 'replica_hours' and part = 'test' and target = 'work_s'",
    );
    assert_eq!(seeds, 4, "two models without randomness, and two seeds of the third");
    let report = std::fs::read_to_string(lab.results().join("load/report.html")).unwrap();
    assert!(report.contains("What acting on the forecasts costs") && report.contains("acting on it"));
    let plots = lab.results().join("load/plots");
    assert!(plots.join("capacity-frontier.svg").is_file() && plots.join("capacity-replicas.svg").is_file());
}

#[test]
fn other_settings_are_replayed_without_training() {
    let lab = trained(4, "");
    let runs = lab.scalar("select count(*) from runs");
    let usual = replayed(&lab, &[]);
    let lax = replayed(&lab, &["--set", "late_work_at_most=0.5,plan_for=[\"mean\", 0.5]"]);
    let hours = |board: &Value| number(board, "persistence", "replica_hours");
    assert!(hours(&lax) < hours(&usual), "{lax}\n{usual}");
    // Without the wait for replicas, knowing the future is never late.
    let instant = replayed(&lab, &["--set", "cold_start=0s", "--set", "max_replicas=10000"]);
    assert!(number(&instant, "oracle", "late_work_share") <= number(&usual, "oracle", "late_work_share"));
    let priced = replayed(&lab, &["--set", "cost_per_gpu_hour=2.5,gpus_per_replica=4"]);
    let cost = number(&priced, "oracle", "cost");
    assert!((cost - 10.0 * number(&usual, "oracle", "replica_hours")).abs() < 1e-6 * cost);
    let long = lab.call(&["capacity", "load", "--set", "cold_start=41min"]);
    assert_eq!(long.code, 1);
    assert!(
        long.stderr
            .contains("reach 4 windows ahead, but a cold start of 41m needs 6; give at most 3 windows"),
        "{}",
        long.stderr
    );
    let other = lab.call(&["capacity", "load", "--set", "decode_tokens_per_s=9"]);
    assert!(other.stderr.contains("decides what the work is that the models forecast"), "{}", other.stderr);
    let typo = lab.call(&["capacity", "load", "--set", "cold_strat=1s"]);
    assert_eq!(typo.code, 2);
    assert!(typo.stderr.contains("did you mean `cold_start`"), "{}", typo.stderr);
    let csv = lab.call(&["capacity", "load", "--format", "csv"]).stdout;
    assert_eq!(csv.lines().count(), 1 + 3 + 4);
    assert!(csv.starts_with("setting,name,plan_for,replica_hours,"), "{csv}");
    let table = lab.call(&["capacity", "load"]).stdout;
    assert!(table.contains("reactive_with_headroom") && table.contains("replica hours"), "{table}");
    assert_eq!(lab.scalar("select count(*) from runs"), runs);
}

#[test]
fn without_intervals_the_mean_is_acted_on() {
    let lab = trained(2, "plan_for = [\"mean\"]\n[uncertainty]\nconformal = \"none\"\n");
    let board = recorded(&lab);
    assert_eq!(board, replayed(&lab, &[]));
    assert_eq!(row(&board, "persistence")["plans"][0]["plan_for"], "mean");
    // Acting on the last value is what reacting is.
    assert_eq!(number(&board, "persistence", "replica_hours"), number(&board, "reactive", "replica_hours"));
}

#[test]
fn a_run_without_a_service_has_no_work_and_cannot_be_replayed() {
    let lab = lab();
    let text = format!(
        "name = \"load\"\n[dataset]\nsource = \"load.csv\"\nmax_rows = 300\n[task.series]\nlookback = 6\n{MODELS}"
    );
    let file = lab.file("load.toml", &text);
    lab.run(&file, &[]);
    assert_eq!(lab.scalar("select count(*) from metrics where target = 'work_s'"), 0);
    assert_eq!(recorded(&lab), Value::Null);
    let outcome = lab.call(&["capacity", "load"]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("has no [capacity] table"), "{}", outcome.stderr);
}

#[test]
fn a_service_belongs_to_the_identity_of_a_run_and_its_absence_to_that_of_no_run() {
    let lab = lab();
    let id = |text: &str| {
        let file = lab.file("e.toml", text);
        let plan = json(&lab.call(&["run", file.to_str().unwrap(), "--dry-run", "--format", "json"]));
        plan["runs"][0]["run_id"].as_str().unwrap().to_string()
    };
    let (before, after) = VALID.split_once("[capacity]").unwrap();
    let without = format!("{before}{}", &after[after.find("[[models]]").unwrap()..]);
    // As it was before there were services.
    assert_eq!(id(&without.replacen("\"load.csv\"", "\"load.csv\"\nmax_rows = 100", 1)), "57ec84ed1a06bc34");
    let ids = [id(&without), id(VALID), id(&with(&[("10min", "5min")]))];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
}

#[test]
fn the_work_is_forecast_from_a_file_and_row_by_row() {
    let lab = trained(2, "");
    let arguments = ["predict", "--experiment", "load", "--trace", "load.csv", "--format", "json"];
    let whole = lab.call(&arguments);
    let steps = json(&whole)["steps"].clone();
    assert!(steps[0]["work_s"].as_f64().unwrap() > 0.0, "{steps}");
    let work = |step: &Value| step["work_s_intervals"]["80"][1].as_f64().unwrap();
    assert!(work(&steps[0]) > steps[0]["work_s"].as_f64().unwrap());
    let mut child = lab
        .command(&["predict", "--experiment", "load", "--trace", "-", "--watch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || drop(input.write_all(LOAD.as_bytes())));
    let watched: Outcome = child.wait_with_output().unwrap().into();
    feeder.join().unwrap();
    assert_eq!(watched.code, 0, "{}", watched.stderr);
    assert_eq!(watched.stdout.lines().last().unwrap(), whole.stdout.trim_end());
}

#[test]
fn the_work_of_windows_is_the_sum_over_their_requests() {
    let lab = Lab::new();
    let file = lab.azure(
        "load",
        "[task.window_load]\nwindow = \"10s\"\nlookback = 6\nhorizon = 2\n[capacity]\nprefill_tokens_per_s = 2000\n\
         decode_tokens_per_s = 500\ncold_start = \"10s\"\nscale_down_after = \"30s\"\nmax_delay = \"5s\"\n\
         [[models]]\n[models.persistence]\n[[models]]\n[models.ewma]\n",
    );
    lab.run(&file, &[]);
    let board = recorded(&lab);
    assert_eq!(board, replayed(&lab, &[]));
    let trace = common::azure_excerpt();
    let trace = trace.to_str().unwrap();
    let arguments = ["predict", "--experiment", "load", "--trace", trace, "--format", "json"];
    let step = json(&lab.call(&arguments))["steps"][0].clone();
    if step["model"] == "persistence" {
        let of = |key: &str| step[key].as_f64().unwrap();
        let work = of("request_tokens") / 2_000.0 + of("response_tokens") / 500.0;
        assert!((of("work_s") - work).abs() < 1e-3 * work, "{step}");
    }
    assert!(step["work_s"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_search_can_be_steered_by_replica_hours_and_a_claim_can_be_about_them() {
    let lab = lab();
    let text = format!(
        "name = \"load\"\n[dataset]\nsource = \"load.csv\"\nmax_rows = 600\n[task.series]\nlookback = 12\nhorizon = 2\n{SERVICE}\
         [search.objective]\nmetric = \"replica_hours\"\ntarget = \"work_s\"\n\
         [[models]]\n[models.nlinear]\nsolver = \"least_squares\"\nridge = {{ grid = [0.0, 10.0] }}\n[[models]]\n[models.persistence]\n\
         [[claims]]\nname = \"hours of the mean\"\nmetric = \"replica_hours[mean]\"\ntarget = \"work_s\"\nat_least = 1.0\n\
         where = {{ \"model.kind\" = \"persistence\" }}\n"
    );
    let file = lab.file("load.toml", &text);
    lab.run(&file, &[]);
    let best = json(&lab.call(&["compare", "load", "--format", "json"]))[0].clone();
    assert_eq!(best["metric"], "replica_hours");
    let of_trials = "select min(value) from metrics join runs using (run_id) where name = 'replica_hours' and part = 'valid' \
                     and target = 'work_s' and model = 'nlinear'";
    let rows = best["models"].as_array().unwrap();
    let chosen = rows.iter().find(|row| row["label"].as_str().unwrap().starts_with("nlinear")).unwrap();
    assert_eq!(chosen["valid"], lab.scalar(of_trials));
    let claims = lab.call(&["claims", "load", "--format", "json"]);
    assert!(claims.stdout.contains("\"verdict\":\"reproduced\""), "{}", claims.stdout);
}

/// The same rows in an order that is drawn by a fixed rule.
fn shuffled() -> String {
    let lines: Vec<&str> = LOAD.lines().collect();
    let mut values: Vec<&str> = lines[1..].iter().map(|line| line.split_once(',').unwrap().1).collect();
    let mut state = 1_u64;
    for last in (1..values.len()).rev() {
        // Knuth's linear congruential generator.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        values.swap(last, (state >> 33) as usize % (last + 1));
    }
    let rows = lines[1..].iter().zip(values).map(|(line, values)| format!("{},{values}", &line[..19]));
    std::iter::once(lines[0].to_string()).chain(rows).collect::<Vec<_>>().join("\n")
}

#[test]
fn where_the_rows_are_shuffled_no_model_needs_fewer_hours_than_the_mean_of_the_past() {
    let lab = lab();
    lab.file("load.csv", &shuffled());
    let text = format!(
        "name = \"load\"\n[dataset]\nsource = \"load.csv\"\n[task.series]\nlookback = 12\nhorizon = 2\n{SERVICE}plan_for = [0.9]\n\
         [training]\nepochs = 2\n[[models]]\n[models.mean]\n[[models]]\n[models.nlinear]\nsolver = \"least_squares\"\n\
         [[models]]\n[models.dlinear]\n"
    );
    let file = lab.file("load.toml", &text);
    lab.run(&file, &[]);
    let board = recorded(&lab);
    let blind = number(&board, "mean", "replica_hours");
    for model in board["models"].as_array().unwrap() {
        let hours = model["replica_hours"].as_f64().unwrap();
        assert!(hours > 0.97 * blind, "{model} against {blind}");
    }
    // There is something to know all the same.
    assert!(number(&board, "oracle", "replica_hours") < 0.9 * blind, "{board}");
}

#[test]
fn where_the_rows_are_shuffled_no_predictor_of_a_planner_beats_the_naive_baselines() {
    let lab = lab();
    lab.file("load.csv", &shuffled());
    let text = "name = \"load\"\n[dataset]\nsource = \"load.csv\"\n[task.series]\nlookback = 50\nhorizon = 1\n\
                [split]\nfolds = 2\n[[models]]\n[models.mean]\n[[models]]\n[models.persistence]\n\
                [[models]]\n[models.moving_average]\nwindow = 50\n[[models]]\n[models.arima]\nrefit_every = 10\n\
                [[models]]\n[models.arima]\nunits = \"scaled\"\n[[models]]\n[models.kalman]\n[[models]]\n[models.ets]\n\
                [[models]]\n[models.prophet]\nrefit_every = 10\nunits = \"original\"\n";
    let file = lab.file("load.toml", text);
    lab.run(&file, &[]);
    let boards = json(&lab.call(&["compare", "load", "--format", "json"]));
    let rows = boards[0]["models"].as_array().unwrap();
    let others: Vec<&Value> = rows.iter().filter(|row| row["baseline"] == false).collect();
    assert!(others.len() >= 4, "{rows:?}");
    for row in others {
        let (skill, p_value) = (row["skill"].as_f64().unwrap(), row["p_value"].as_f64().unwrap());
        assert!(skill < 0.0 || p_value > 0.05, "{row}");
    }
}

#[test]
fn a_series_names_the_columns_of_its_tokens() {
    assert_snapshot!(refusal(&[("request_tokens = \"request_tokens\"\nresponse_tokens = \"response_tokens\"\n", "response_tokens = \"response_tokens\"\n")]), @r#"
    error: request_tokens is missing: which column of the table holds the request tokens?
     --> e.toml:7:1
      |
    7 | [capacity]
      | ^^^^^^^^^^
      |
      = help: add request_tokens = "..." to [capacity]
    "#);
}

#[test]
fn a_column_that_is_not_there_is_answered_with_the_nearest() {
    assert_snapshot!(refusal(&[("request_tokens = \"request_tokens\"", "request_tokens = \"request_token\"")]), @r#"
    error: the table has no column `request_token`
      --> e.toml:11:18
       |
    11 | request_tokens = "request_token"
       |                  ^^^^^^^^^^^^^^^
       |
       = help: did you mean `request_tokens`? The columns are requests, request_tokens, response_tokens
    "#);
}

#[test]
fn next_requests_have_no_windows() {
    assert_snapshot!(refusal(&[("[task.series]\nlookback = 6\nhorizon = 2\n", "[task.next_request]\nlookback = 6\n"), ("request_tokens = \"request_tokens\"\nresponse_tokens = \"response_tokens\"\n", "")]), @"
    error: [capacity] counts in windows, and next_request has none
     --> e.toml:6:1
      |
    6 | [capacity]
      | ^^^^^^^^^^
      |
      = help: use task.window_load, or leave [capacity] out
    ");
}

#[test]
fn window_loads_count_their_tokens_themselves() {
    assert_snapshot!(refusal(&[("[task.series]\nlookback = 6\nhorizon = 2\n", "[task.window_load]\nwindow = \"1min\"\nlookback = 6\nhorizon = 2\n")]), @r#"
    error: `request_tokens` has no effect: window_load counts the tokens of requests itself
      --> e.toml:12:18
       |
    12 | request_tokens = "request_tokens"
       |                  ^^^^^^^^^^^^^^^^
       |
       = help: leave it out; it names a column for the task series
    "#);
}

#[test]
fn a_horizon_must_reach_beyond_the_cold_start() {
    assert_snapshot!(refusal(&[("cold_start = \"10min\"\n", "cold_start = \"25min\"\n")]), @"
    error: a horizon of 2 does not reach beyond the cold start: it must be at least 4, the next window and the 25m of the cold start, in windows of 10m
     --> e.toml:6:11
      |
    6 | horizon = 2
      |           ^
      |
      = help: set horizon = 4 or more, or give a shorter capacity.cold_start
    ");
}

#[test]
fn a_level_must_be_one_of_the_quantiles() {
    assert_snapshot!(refusal(&[("cold_start = \"10min\"\n", "cold_start = \"10min\"\nplan_for = [\"mean\", 0.8]\n")]), @r#"
    error: there is no quantile at 0.8
      --> e.toml:11:21
       |
    11 | plan_for = ["mean", 0.8]
       |                     ^^^
       |
       = help: known here: "mean", 0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975
    "#);
}

#[test]
fn a_grid_of_levels_is_read_as_a_list() {
    assert_snapshot!(refusal(&[("cold_start = \"10min\"\n", "cold_start = \"10min\"\nplan_for = { grid = [\"mean\", 0.9, 0.9] }\n")]), @r#"
    error: `0.9` is given twice
      --> e.toml:11:35
       |
    11 | plan_for = { grid = ["mean", 0.9, 0.9] }
       |                                   ^^^
       |
       = help: give it once
    "#);
}

#[test]
fn a_level_is_a_number_or_mean() {
    assert_snapshot!(refusal(&[("cold_start = \"10min\"\n", "cold_start = \"10min\"\nplan_for = [\"median\"]\n")]), @r#"
    error: expected "mean" or the level of a quantile, such as 0.9, got the string "median"
      --> e.toml:11:13
       |
    11 | plan_for = ["median"]
       |             ^^^^^^^^
    "#);
}

#[test]
fn some_forecast_must_be_acted_on() {
    assert_snapshot!(refusal(&[("cold_start = \"10min\"\n", "cold_start = \"10min\"\nplan_for = []\n")]), @r#"
    error: no forecast is given to act on
      --> e.toml:11:12
       |
    11 | plan_for = []
       |            ^^
       |
       = help: known here: "mean", 0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975
    "#);
}

#[test]
fn quantiles_need_intervals() {
    assert_snapshot!(refusal(&[("[[models]]", "[uncertainty]\nconformal = \"none\"\n[[models]]")]), @r#"
    error: no interval gives the quantile at 0.5, since uncertainty.conformal is "none"
     --> e.toml:7:1
      |
    7 | [capacity]
      | ^^^^^^^^^^
      |
      = help: set capacity.plan_for = ["mean"], or choose another uncertainty.conformal
    "#);
}

#[test]
fn a_rate_is_positive() {
    assert_snapshot!(refusal(&[("1500", "0")]), @"
    error: decode_tokens_per_s must be positive and finite, got 0
     --> e.toml:9:23
      |
    9 | decode_tokens_per_s = 0
      |                       ^
      |
      = help: give the tokens that one replica handles in a second
    ");
}

#[test]
fn a_utilisation_is_a_share() {
    assert_snapshot!(refusal(&[("cold_start = \"10min\"\n", "cold_start = \"10min\"\ntarget_utilization = 1.5\n")]), @"
    error: target_utilization must be above 0 and at most 1, got 1.5
      --> e.toml:11:22
       |
    11 | target_utilization = 1.5
       |                      ^^^
       |
       = help: give the share of a replica's time that is planned for, such as 0.8
    ");
}

#[test]
fn a_service_has_a_replica() {
    assert_snapshot!(refusal(&[("cold_start = \"10min\"\n", "cold_start = \"10min\"\nmin_replicas = 0\n")]), @"
    error: min_replicas must be between 1 and 1000000, got 0
      --> e.toml:11:16
       |
    11 | min_replicas = 0
       |                ^
       |
       = help: a service without a replica would never serve its backlog
    ");
}

#[test]
fn the_most_replicas_are_no_fewer_than_the_fewest() {
    assert_snapshot!(refusal(&[("cold_start = \"10min\"\n", "cold_start = \"10min\"\nmin_replicas = 9\nmax_replicas = 4\n")]), @"
    error: max_replicas must be between min_replicas = 9 and 1000000, got 4
      --> e.toml:12:16
       |
    12 | max_replicas = 4
       |                ^
       |
       = help: give the most replicas that there may be
    ");
}

#[test]
fn a_replica_has_a_gpu() {
    assert_snapshot!(refusal(&[("cold_start = \"10min\"\n", "cold_start = \"10min\"\ngpus_per_replica = 0\n")]), @"
    error: gpus_per_replica must be between 1 and 1000000, got 0
      --> e.toml:11:20
       |
    11 | gpus_per_replica = 0
       |                    ^
       |
       = help: give the GPUs of one replica
    ");
}

#[test]
fn a_price_is_not_negative() {
    assert_snapshot!(refusal(&[("cold_start = \"10min\"\n", "cold_start = \"10min\"\ncost_per_gpu_hour = -1\n")]), @"
    error: cost_per_gpu_hour must be finite and not negative, got -1
      --> e.toml:11:21
       |
    11 | cost_per_gpu_hour = -1
       |                     ^^
       |
       = help: give what a GPU costs in an hour, or leave it out
    ");
}

#[test]
fn late_work_is_a_share() {
    assert_snapshot!(refusal(&[("cold_start = \"10min\"\n", "cold_start = \"10min\"\nlate_work_at_most = 2\n")]), @"
    error: late_work_at_most must be between 0 and 1, got 2
      --> e.toml:11:21
       |
    11 | late_work_at_most = 2
       |                     ^
       |
       = help: give the share of the work that may be late, such as 0.01
    ");
}

#[test]
fn replica_hours_need_a_service() {
    assert_snapshot!(refusal(&[("[capacity]\nprefill_tokens_per_s = 6000\ndecode_tokens_per_s = 1500\ncold_start = \"10min\"\nrequest_tokens = \"request_tokens\"\nresponse_tokens = \"response_tokens\"\n", "[search.objective]\nmetric = \"replica_hours\"\ntarget = \"work_s\"\n")]), @r#"
    error: replica_hours needs a service that acts on the forecasts
     --> e.toml:8:10
      |
    8 | metric = "replica_hours"
      |          ^^^^^^^^^^^^^^^
      |
      = help: add [capacity], or choose another metric
    "#);
}

#[test]
fn replica_hours_are_of_the_work() {
    assert_snapshot!(refusal(&[("[[models]]", "[search.objective]\nmetric = \"replica_hours\"\n[[models]]")]), @r#"
    error: replica_hours is of the target work_s alone, not of all
      --> e.toml:13:1
       |
    13 | [search.objective]
       | ^^^^^^^^^^^^^^^^^^
       |
       = help: set target = "work_s"
    "#);
}

#[test]
fn replica_hours_are_not_measured_on_training() {
    assert_snapshot!(refusal(&[("[[models]]", "[search.objective]\nmetric = \"replica_hours\"\ntarget = \"work_s\"\npart = \"train\"\n[[models]]")]), @r#"
    error: replica_hours is measured on validation and test alone
      --> e.toml:16:8
       |
    16 | part = "train"
       |        ^^^^^^^
       |
       = help: leave the part out
    "#);
}

#[test]
fn rows_must_be_a_fixed_time_apart() {
    assert_snapshot!(refusal(&[("\"load.csv\"", "\"uneven.csv\"")]), @r#"
    error: [capacity] counts in windows of one length, but row 9 comes 20m after the row before it, but rows come every 10 minutes
     --> e.toml:7:1
      |
    7 | [capacity]
      | ^^^^^^^^^^
      |
      = help: use rows that are a fixed time apart: fix the file, or let [dataset.cleaning] say what to do: gaps = "interpolate" or "last" fills in missing rows, gaps = "keep" takes the rows as they are, and repeats = "first", "last" or "mean" makes one row of those that share a time
    "#);
}

#[test]
fn rows_must_have_a_time() {
    assert_snapshot!(refusal(&[("\"load.csv\"", "\"untimed.csv\"\ncolumns = { timestamp_unit = \"none\" }")]), @r#"
    error: [capacity] counts in windows of one length, but the rows carry no time
     --> e.toml:8:1
      |
    8 | [capacity]
      | ^^^^^^^^^^
      |
      = help: use rows that are a fixed time apart: fix the file, or let [dataset.cleaning] say what to do: gaps = "interpolate" or "last" fills in missing rows, gaps = "keep" takes the rows as they are, and repeats = "first", "last" or "mean" makes one row of those that share a time
    "#);
}

#[test]
fn a_column_cannot_have_the_name_of_the_work() {
    assert_snapshot!(refusal(&[("\"load.csv\"", "\"work.csv\"")]), @"
    error: the table has a column `work_s`, which is the name of the work that [capacity] adds
     --> e.toml:7:1
      |
    7 | [capacity]
      | ^^^^^^^^^^
      |
      = help: give that column another name
    ");
}

#[test]
fn a_replay_needs_two_forecasts() {
    assert_snapshot!(refusal(&[("\"load.csv\"", "\"load.csv\"\nmax_rows = 30\n[split]\nrows = [20, 6, 2]")]), @"
    error: the test part has 1 forecast, but a replay of [capacity] needs at least two
     --> e.toml:5:1
      |
    5 | [split]
      | ^^^^^^^
      |
      = help: use more data, or a larger part
    ");
}

#[test]
fn a_claim_of_replica_hours_is_of_the_work() {
    assert_snapshot!(refusal(&[("[[models]]", "[[claims]]\nname = \"hours\"\nmetric = \"replica_hours[0.9]\"\nat_most = 5000\n[[models]]")]), @r#"
    error: `replica_hours[0.9]` is a metric of the work alone
      --> e.toml:15:10
       |
    15 | metric = "replica_hours[0.9]"
       |          ^^^^^^^^^^^^^^^^^^^^
       |
       = help: write target = "work_s", in original units
    "#);
}
