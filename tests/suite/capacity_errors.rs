//! `[capacity]`: what is refused, with the place and the remedy.

use insta::assert_snapshot;

use crate::common::load::{load_lab, with};

/// Runs a file with mistakes, which must be refused, and returns what is said about it.
fn refusal(changes: &[(&str, &str)]) -> String {
    let lab = load_lab();
    lab.file("e.toml", &with(changes));
    let outcome = lab.call(&["run", "e.toml"]);
    assert_eq!(outcome.code, 2, "{}\n{}", outcome.stdout, outcome.stderr);
    assert!(!lab.results().exists(), "nothing is recorded of an experiment that is refused");
    outcome.stderr
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
fn a_level_must_lie_within_the_intervals() {
    assert_snapshot!(refusal(&[("cold_start = \"10min\"\n", "cold_start = \"10min\"\nplan_for = [\"mean\", 0.99]\n")]), @r#"
    error: no quantile at 0.99 is known: intervals reach from 0.025 to 0.975
      --> e.toml:11:21
       |
    11 | plan_for = ["mean", 0.99]
       |                     ^^^^
       |
       = help: give "mean", or levels of quantiles from 0.025 to 0.975
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
       = help: give "mean", or levels of quantiles from 0.025 to 0.975
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
