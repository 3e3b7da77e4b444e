//! Mistakes in a claim, each pointed at.

use super::*;

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
