//! What the user is told about a mistake in an experiment file: file, line, caret, remedy; exit code 2.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Lab, VALID};
use insta::assert_snapshot;

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
fn an_unknown_model_is_pointed_at() {
    assert_snapshot!(refusal(&with("models.lstm", "models.lstmm"), &[]), @r#"
    error: unknown value `lstmm`
      --> e.toml:13:9
       |
    13 | [models.lstmm]
       |         ^^^^^ did you mean `lstm`?
       |
       = help: known here: zero, mean, median, persistence, moving_average, seasonal_naive, ewma, ets, arima, prophet, kalman, linear, nlinear, dlinear, lstm, gru, ts_mixer, tcn, boosted_trees, renewal, hawkes, neural_point_process, ensemble
    "#);
}

#[test]
fn a_penalty_below_zero_is_pointed_at() {
    let linear = "models.linear]\nsolver = \"least_squares\"\nridge = -0.5\n[[models]]\n[models.lstm";
    assert_snapshot!(refusal(&with("models.lstm", linear), &[]), @r"
    error: ridge must be finite and not negative, got -0.5
      --> e.toml:15:9
       |
    15 | ridge = -0.5
       |         ^^^^
       |
       = help: give 0 or a small positive number
    ");
}

#[test]
fn an_unknown_solver_is_pointed_at() {
    let linear = "models.linear]\nsolver = \"least_square\"\n[[models]]\n[models.lstm";
    assert_snapshot!(refusal(&with("models.lstm", linear), &[]), @r#"
    error: unknown value `least_square`
      --> e.toml:14:10
       |
    14 | solver = "least_square"
       |          ^^^^^^^^^^^^^^ did you mean `least_squares`?
       |
       = help: known here: gradient_descent, least_squares
    "#);
}

#[test]
fn a_day_of_requests_is_pointed_at() {
    let seasonal = "models.seasonal_naive]\nseason = \"1d\"\n[[models]]\n[models.lstm";
    assert_snapshot!(refusal(&with("models.lstm", seasonal), &[]), @r#"
    error: 1day is not a fixed number of steps: a step of this task is one request
      --> e.toml:14:10
       |
    14 | season = "1d"
       |          ^^^^
       |
       = help: give the season as a number of steps, e.g. season = 24 for the day of an hourly table
    "#);
}

#[test]
fn a_season_of_no_whole_number_of_windows_is_pointed_at() {
    let text = with("[task.next_request]\n", "[task.window_load]\nwindow = \"7s\"\n");
    let text = text.replace("[models.lstm]\nhidden = 4", "[models.seasonal_naive]\nseason = \"1d\"");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: 1day is not a whole number of windows of 7s
      --> e.toml:15:10
       |
    15 | season = "1d"
       |          ^^^^
       |
       = help: give a multiple of 7s, or a number of windows
    "#);
}

#[test]
fn a_season_that_is_neither_a_number_nor_a_time_is_pointed_at() {
    let seasonal =
        |season: &str| format!("models.seasonal_naive]\nseason = {season}\n[[models]]\n[models.lstm");
    assert_snapshot!(refusal(&with("models.lstm", &seasonal("\"daily\"")), &[]), @r#"
    error: `daily` is not a length of time (expected number at 0); write a number and a unit, as in "30s", "5min", "1h 30m"
      --> e.toml:14:10
       |
    14 | season = "daily"
       |          ^^^^^^^
    "#);
    assert_snapshot!(refusal(&with("models.lstm", &seasonal("1.5")), &[]), @r#"
    error: expected a number of steps or a length of time such as "1d", got 1.5
      --> e.toml:14:10
       |
    14 | season = 1.5
       |          ^^^
    "#);
    assert_snapshot!(refusal(&with("models.lstm", &seasonal("0")), &[]), @r"
    error: season must be at least 1, got 0
      --> e.toml:14:10
       |
    14 | season = 0
       |          ^
       |
       = help: give a positive integer
    ");
}

#[test]
fn a_smoothing_weight_beyond_one_is_pointed_at() {
    let ewma = "models.ewma]\nalpha = 1.5\n[[models]]\n[models.lstm";
    assert_snapshot!(refusal(&with("models.lstm", ewma), &[]), @r"
    error: alpha must be above 0 and at most 1, got 1.5
      --> e.toml:14:9
       |
    14 | alpha = 1.5
       |         ^^^
       |
       = help: give the weight of the newest step, or leave it out to have it chosen
    ");
}

#[test]
fn a_filter_without_a_variance_is_pointed_at() {
    let kalman = |key: &str| format!("models.kalman]\n{key} = -1.0\n[[models]]\n[models.lstm");
    assert_snapshot!(refusal(&with("models.lstm", &kalman("trend_variance")), &[]), @r"
    error: trend_variance must be finite and not negative, got -1
      --> e.toml:14:18
       |
    14 | trend_variance = -1.0
       |                  ^^^^
       |
       = help: give 0 or a positive number
    ");
    assert_snapshot!(refusal(&with("models.lstm", &kalman("observation_variance")), &[]), @r"
    error: observation_variance must be finite and positive, got -1
      --> e.toml:14:24
       |
    14 | observation_variance = -1.0
       |                        ^^^^
       |
       = help: give a positive number
    ");
}

#[test]
fn a_weight_of_no_target_is_pointed_at() {
    let weights = |weights: &str| with("epochs = 1", &format!("epochs = 1\ntarget_weights = {weights}"));
    assert_snapshot!(refusal(&weights("{ gaps = 2.0 }"), &[]), @r#"
    error: `gaps` is not a target of this task
      --> e.toml:10:27
       |
    10 | target_weights = { gaps = 2.0 }
       |                           ^^^
       |
       = help: did you mean `gap_s`? The targets are gap_s, request_tokens, response_tokens
    "#);
    assert_snapshot!(refusal(&weights("{ gap_s = -2.0 }"), &[]), @r"
    error: a target weight must be finite and not negative, got -2
      --> e.toml:10:28
       |
    10 | target_weights = { gap_s = -2.0 }
       |                            ^^^^
       |
       = help: give 0 or a positive number
    ");
    assert_snapshot!(refusal(&weights("{ gap_s = 0, request_tokens = 0, response_tokens = 0 }"), &[]), @r#"
    error: no target counts in the loss
      --> e.toml:10:18
       |
    10 | target_weights = { gap_s = 0, request_tokens = 0, response_tokens = 0 }
       |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: give some target a positive weight
    "#);
}

#[test]
fn a_renewal_process_of_windows_is_pointed_at() {
    let text = with("[task.next_request]\n", "[task.window_load]\nwindow = \"7s\"\n");
    let text = text.replace("[models.lstm]\nhidden = 4", "[models.renewal]\ndistribution = \"gamma\"");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: a renewal process models arrivals, which window_load does not forecast
      --> e.toml:14:1
       |
    14 | [models.renewal]
       | ^^^^^^^^^^^^^^^^
       |
       = help: leave it out, or use task.next_request
    ");
}

#[test]
fn prophet_of_requests_is_pointed_at() {
    assert_snapshot!(refusal(&with("[models.lstm]\nhidden = 4", "[models.prophet]"), &[]), @r"
    error: prophet needs steps at known times, which requests do not have
      --> e.toml:13:1
       |
    13 | [models.prophet]
       | ^^^^^^^^^^^^^^^^
       |
       = help: leave it out, or use task.window_load
    ");
}

#[test]
fn a_prior_without_a_scale_is_pointed_at() {
    let text = with("[task.next_request]\n", "[task.window_load]\nwindow = \"7s\"\n");
    let text = text.replace("[models.lstm]\nhidden = 4", "[models.prophet]\nchangepoint_prior_scale = 0.0");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: changepoint_prior_scale must be between 1e-6 and 1e6, got 0
      --> e.toml:15:27
       |
    15 | changepoint_prior_scale = 0.0
       |                           ^^^
       |
       = help: 0.001 to 0.5 are usual
    ");
}

#[test]
fn a_lookback_that_exponential_smoothing_cannot_be_chosen_on_is_pointed_at() {
    let text = with("[models.lstm]\nhidden = 4", "[models.ets]");
    let text = text.replace("lookback = 50", "lookback = { grid = [50, 6] }");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: ets needs a lookback of at least 7, got 6
     --> e.toml:6:26
      |
    6 | lookback = { grid = [50, 6] }
      |                          ^
      |
      = help: ets is fitted to the lookback alone: give more steps, or leave ets out
    ");
}

#[test]
fn orders_that_no_model_has_are_pointed_at() {
    let arima = |keys: &str| with("models.lstm", &format!("models.arima]\n{keys}\n[[models]]\n[models.lstm"));
    assert_snapshot!(refusal(&arima("order = [1, 0]"), &[]), @r#"
    error: expected a list of three orders such as [2, 1, 1], got 2 of them
      --> e.toml:14:9
       |
    14 | order = [1, 0]
       |         ^^^^^^
    "#);
    assert_snapshot!(refusal(&arima("order = [30, 0, 0]"), &[]), @r#"
    error: order has at most 24 lags of either kind and 2 differences, got [30, 0, 0]
      --> e.toml:14:9
       |
    14 | order = [30, 0, 0]
       |         ^^^^^^^^^^
       |
       = help: two lags are usual, or "auto" to have them chosen
    "#);
    assert_snapshot!(refusal(&arima("season = 1"), &[]), @r#"
    error: a season must have at least 2 steps, got 1
      --> e.toml:14:10
       |
    14 | season = 1
       |          ^
       |
       = help: give the number of steps after which the pattern repeats, or leave season out
    "#);
    assert_snapshot!(refusal(&arima("seasonal_order = [1, 0, 0]"), &[]), @r#"
    error: a seasonal_order needs a season
      --> e.toml:14:18
       |
    14 | seasonal_order = [1, 0, 0]
       |                  ^^^^^^^^^
       |
       = help: give season as well, e.g. season = "1d" or season = 24, or leave seasonal_order out
    "#);
    assert_snapshot!(refusal(&arima("order = [1, 2, 0]\nconstant = \"always\""), &[]), @r#"
    error: a series that is differenced twice has no constant
      --> e.toml:15:12
       |
    15 | constant = "always"
       |            ^^^^^^^^
       |
       = help: a constant there would be a parabola: leave constant out, or take one difference
    "#);
    assert_snapshot!(refusal(&arima("order_search = \"every_refit\""), &[]), @r#"
    error: without refit_every there is no refit that could choose orders
      --> e.toml:14:16
       |
    14 | order_search = "every_refit"
       |                ^^^^^^^^^^^^^
       |
       = help: give refit_every, e.g. refit_every = 1, or leave order_search out
    "#);
    assert_snapshot!(refusal(&arima("refit_every = 0"), &[]), @r#"
    error: refit_every must be at least 1, got 0
      --> e.toml:14:15
       |
    14 | refit_every = 0
       |               ^
       |
       = help: give a positive integer, or leave it out to estimate once
    "#);
}

#[test]
fn orders_that_the_lookback_is_too_short_for_are_pointed_at() {
    let arima = |keys: &str| with("models.lstm", &format!("models.arima]\n{keys}\n[[models]]\n[models.lstm"));
    assert_snapshot!(refusal(&arima("order = [2, 1, 2]\nseasonal_order = [2, 0, 0]\nseason = 24"), &[]), @r#"
    error: arima with order [2, 1, 2] and seasonal_order [2, 0, 0] needs a lookback of at least 61, got 50
     --> e.toml:6:12
      |
    6 | lookback = 50
      |            ^^
      |
      = help: a forecast follows from its lookback alone: give more steps, or smaller orders and a shorter season
    "#);
    assert_snapshot!(refusal(&arima("season = 24"), &[]), @r#"
    error: arima with order auto and seasonal_order auto needs a lookback of at least 58, got 50
     --> e.toml:6:12
      |
    6 | lookback = 50
      |            ^^
      |
      = help: a forecast follows from its lookback alone: give more steps, or smaller orders and a shorter season
    "#);
    let prophet = "[task.window_load]\nwindow = \"1s\"\n";
    let text = with("[task.next_request]\n", prophet).replace("lookback = 50", "lookback = 6");
    let text = text.replace("[models.lstm]\nhidden = 4", "[models.prophet]\nrefit_every = 1");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: prophet with refit_every needs a lookback of at least 7, got 6
     --> e.toml:7:12
      |
    7 | lookback = 6
      |            ^
      |
      = help: it is fitted to the lookback then: give more steps, or leave refit_every out
    "#);
}

#[test]
fn an_unknown_distribution_is_pointed_at() {
    let renewal = "models.renewal]\ndistribution = \"gama\"\n[[models]]\n[models.lstm";
    assert_snapshot!(refusal(&with("models.lstm", renewal), &[]), @r#"
    error: unknown value `gama`
      --> e.toml:14:16
       |
    14 | distribution = "gama"
       |                ^^^^^^ did you mean `gamma`?
       |
       = help: known here: exponential, gamma, weibull, lognormal
    "#);
}

#[test]
fn a_mixer_without_blocks_is_pointed_at() {
    let mixer = "models.ts_mixer]\nblocks = 0\n[[models]]\n[models.lstm";
    assert_snapshot!(refusal(&with("models.lstm", mixer), &[]), @r"
    error: blocks must be between 1 and 32, got 0
      --> e.toml:14:10
       |
    14 | blocks = 0
       |          ^
       |
       = help: two to eight blocks are usual
    ");
}

#[test]
fn trees_that_would_add_nothing_are_pointed_at() {
    let trees = "models.boosted_trees]\nlearning_rate = 0.0\n[[models]]\n[models.lstm";
    assert_snapshot!(refusal(&with("models.lstm", trees), &[]), @r"
    error: learning_rate must be above 0 and at most 1, got 0
      --> e.toml:14:17
       |
    14 | learning_rate = 0.0
       |                 ^^^
       |
       = help: give the share of each tree's values that is added, e.g. 0.05
    ");
}

#[test]
fn a_huber_loss_that_turns_nowhere_is_pointed_at() {
    let text = with("epochs = 1", "epochs = 1\nloss = \"huber\"\nhuber_delta = 0.0");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: huber_delta must be positive and finite, got 0
      --> e.toml:11:15
       |
    11 | huber_delta = 0.0
       |               ^^^
       |
       = help: for example 1.0
    ");
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
fn two_models_under_one_entry_are_told_apart() {
    assert_snapshot!(refusal(&with("[[models]]\n[models.lstm]", "[models.lstm]"), &[]), @r#"
    error: `lstm` is a model beside `persistence`
      --> e.toml:12:9
       |
    12 | [models.lstm]
       |         ^^^^ one too many
       |
       = help: start each with its own [[models]]
    "#);
}

#[test]
fn an_empty_grid_is_pointed_at() {
    assert_snapshot!(refusal(&with("hidden = 4", "hidden = { grid = [] }"), &[]), @r#"
    error: this grid is empty
      --> e.toml:14:19
       |
    14 | hidden = { grid = [] }
       |                   ^^
       |
       = help: give at least one value
    "#);
}

#[test]
fn an_inverted_range_is_pointed_at() {
    let text = with("epochs = 1", "learning_rate = { log_uniform = [1e-2, 1e-4] }");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: the range from 0.01 to 0.0001 is empty
     --> e.toml:9:33
      |
    9 | learning_rate = { log_uniform = [1e-2, 1e-4] }
      |                                 ^^^^^^^^^^^^ lowest value first
      |
      = help: log_uniform = [0.0001, 0.01]
    "#);
}

#[test]
fn a_range_in_a_grid_search_is_refused() {
    let text = with("epochs = 1", "learning_rate = { log_uniform = [1e-4, 1e-2] }");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: a grid search needs a list of values
     --> e.toml:9:17
      |
    9 | learning_rate = { log_uniform = [1e-4, 1e-2] }
      |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write { grid = [...] }, or set search.strategy = "random"
    "#);
}

#[test]
fn every_value_of_an_axis_is_checked() {
    assert_snapshot!(refusal(&with("hidden = 4", "hidden = { grid = [4, 1] }"), &[]), @r"
    error: hidden must be between 2 and 8192, got 1
      --> e.toml:14:23
       |
    14 | hidden = { grid = [4, 1] }
       |                       ^
       |
       = help: the head halves the hidden units; 32 to 128 are usual
    ");
}

#[test]
fn an_axis_where_none_may_stand_is_refused() {
    assert_snapshot!(refusal(&with("name = \"e\"", "name = { grid = [\"e\", \"f\"] }"), &[]), @r#"
    error: `name` cannot be an axis
     --> e.toml:1:8
      |
    1 | name = { grid = ["e", "f"] }
      |        ^^^^^^^^^^^^^^^^^^^^^ several values
      |
      = help: axes are allowed in task, training and models, and at dataset.max_rows and dataset.latest_rows
    "#);
}

#[test]
fn an_axis_that_nothing_reads_is_refused() {
    let text = with("[[models]]\n[models.lstm]\nhidden = 4\n", "")
        .replace("epochs = 1", "epochs = { grid = [1, 2] }");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: no model reads the axis `training.epochs`
     --> e.toml:9:10
      |
    9 | epochs = { grid = [1, 2] }
      |          ^^^^^^^^^^^^^^^^^
      |
      = help: give it one value, or add a model that reads it
    "#);
}

#[test]
fn a_zip_of_unequal_lengths_is_refused() {
    let text = with("hidden = 4", "hidden = { grid = [4, 8, 16] }")
        .replace("epochs = 1", "epochs = { grid = [1, 2] }");
    let text = format!("{text}[search]\nzip = [[\"model.hidden\", \"training.epochs\"]]\n");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: axes that move together must be grids of equal length
      --> e.toml:16:8
       |
    16 | zip = [["model.hidden", "training.epochs"]]
       |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: their lengths are [3, 2]
    "#);
}

#[test]
fn a_zip_of_an_unknown_axis_is_refused() {
    let text =
        format!("{}[search]\nzip = [[\"model.hiden\"]]\n", with("hidden = 4", "hidden = { grid = [4, 8] }"));
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: `model.hiden` is not an axis of this file
      --> e.toml:16:9
       |
    16 | zip = [["model.hiden"]]
       |         ^^^^^^^^^^^^^ did you mean `model.hidden`?
       |
       = help: axes of this file: model.hidden
    "#);
}

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
fn selecting_on_the_test_part_is_refused() {
    let text = format!("{VALID}[search]\nobjective = {{ part = \"test\" }}\n");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: unknown value `test`
      --> e.toml:16:22
       |
    16 | objective = { part = "test" }
       |                      ^^^^^^
       |
       = help: known here: train, valid
    "#);
}

#[test]
fn a_member_that_is_no_model_of_the_file_is_refused() {
    let text = format!("{VALID}[[models]]\n[models.ensemble]\nmembers = [\"lstm\", \"dlinear\"]\n");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: the member `dlinear` is not a model of this file
      --> e.toml:17:20
       |
    17 | members = ["lstm", "dlinear"]
       |                    ^^^^^^^^^
       |
       = help: give kinds of models of this file, other than ensemble
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
fn a_device_that_is_not_there_is_an_error_not_a_fallback() {
    assert_snapshot!(refusal(VALID, &["--device", "cuda"]), @r#"error: device `cuda` cannot be used: this binary was built without it (build with `cargo build --release --features cuda`); use --device cpu, or auto"#);
    assert_snapshot!(refusal(VALID, &["--device", "tpu"]), @r#"error: `tpu` is not a device; give auto, cpu, cuda, cuda:0 or wgpu"#);
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
fn an_objective_on_an_unknown_target_is_refused() {
    let text = format!("{VALID}[search]\nobjective = {{ metric = \"mae\", target = \"respons_tokens\" }}\n");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: `respons_tokens` is not a target of this task
      --> e.toml:16:40
       |
    16 | objective = { metric = "mae", target = "respons_tokens" }
       |                                        ^^^^^^^^^^^^^^^^ did you mean `response_tokens`?
       |
       = help: all, or one of: gap_s, request_tokens, response_tokens
    "#);
}

#[test]
fn an_axis_in_two_zips_is_refused() {
    let text = with("hidden = 4", "hidden = { grid = [4, 8] }")
        .replace("epochs = 1", "epochs = { grid = [1, 2] }")
        .replace("horizon = 10", "horizon = { grid = [1, 2] }");
    let text = format!(
        "{text}[search]\nzip = [[\"model.hidden\", \"training.epochs\"], [\"training.epochs\", \"task.horizon\"]]\n"
    );
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: `training.epochs` is zipped twice
      --> e.toml:16:46
       |
    16 | zip = [["model.hidden", "training.epochs"], ["training.epochs", "task.horizon"]]
       |                                              ^^^^^^^^^^^^^^^^^
       |
       = help: an axis belongs to at most one group
    "#);
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

#[test]
fn a_window_of_a_baseline_that_does_not_fit_is_pointed_at() {
    let text = format!("{VALID}[[models]]\n[models.moving_average]\nwindow = 5000\n");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: the train part has 279 of the 399 steps, but needs at least 5010 = 5000 (window) + 10 (horizon)
      --> e.toml:17:10
       |
    17 | window = 5000
       |          ^^^^
       |
       = help: use more data, a smaller window or a shorter horizon
    ");
}

#[test]
fn a_batch_that_drop_last_would_leave_nothing_of_is_refused_before_anything_runs() {
    let text = with("epochs = 1", "epochs = 1\nbatch_size = 200\n[evaluation]\ndrop_last = true");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: the valid part has 21 windows, not one batch of 200
      --> e.toml:10:14
       |
    10 | batch_size = 200
       |              ^^^
       |
       = help: use a smaller batch, or leave evaluation.drop_last out
    ");
}

#[test]
fn an_objective_that_is_not_defined_is_refused() {
    let text =
        format!("{VALID}[search]\nobjective = {{ metric = \"mase\" }}\n[evaluation]\nmase_season = 5000\n");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: mase is not defined: a season of 5000 steps does not fit the 279 training steps
      --> e.toml:18:15
       |
    18 | mase_season = 5000
       |               ^^^^
       |
       = help: give a shorter season, or choose another search.objective.metric
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

#[test]
fn a_range_is_read_in_the_base_it_is_written_in() {
    let lab = Lab::new();
    let text = with("models.persistence]", "models.moving_average]\nwindow = { int = [0x10, 0x14] }");
    lab.file("e.toml", &format!("{text}[search]\nstrategy = \"random\"\ntrials = 30\n"));
    let outcome = lab.call(&["run", "e.toml", "--dry-run"]);
    for window in 16..=20 {
        assert!(outcome.stdout.contains(&format!("window={window} ")), "{}", outcome.stdout);
    }
    assert!(!outcome.stdout.contains("window=10 "), "{}", outcome.stdout);
}

#[test]
fn amounts_and_times_of_the_scheduler_have_units() {
    let text = with("[training]", "[scheduler]\nmemory_per_run = \"two GiB\"\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: `two GiB` is not an amount of memory; write a number and a unit, as in "512MiB" or "2GiB"
     --> e.toml:9:18
      |
    9 | memory_per_run = "two GiB"
      |                  ^^^^^^^^^
    "#);
    let text = with("[training]", "[scheduler]\nmemory_per_run = \"0GiB\"\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: memory_per_run must be positive
     --> e.toml:9:18
      |
    9 | memory_per_run = "0GiB"
      |                  ^^^^^^
      |
      = help: for example "2GiB"
    "#);
    let text = with("[training]", "[scheduler]\ngrace = 10\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: expected a string, got 10
     --> e.toml:9:9
      |
    9 | grace = 10
      |         ^^
    ");
    let text = with("[training]", "[scheduler]\nbackof = \"1s\"\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: unknown key `backof`
     --> e.toml:9:1
      |
    9 | backof = "1s"
      | ^^^^^^ did you mean `backoff`?
      |
      = help: known here: device, threads_per_run, runs_per_gpu, pack, memory_per_run, timeout, grace, retries, backoff, slurm, kubernetes
    "#);
}

#[test]
fn what_slurm_would_refuse_is_refused_before() {
    let text = with("[training]", "[scheduler.slurm]\nparts = 0\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: parts must be at least 1, got 0
     --> e.toml:9:9
      |
    9 | parts = 0
      |         ^
      |
      = help: give a positive integer
    ");
    let text = with("[training]", "[scheduler.slurm]\nparts = 5000\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: parts must be at most 1000, got 5000
     --> e.toml:9:9
      |
    9 | parts = 5000
      |         ^^^^
      |
      = help: each part is a task of the job array
    ");
    let text = with("[training]", "[scheduler.slurm]\ntime = \"0s\"\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: time must be longer than 0s
     --> e.toml:9:8
      |
    9 | time = "0s"
      |        ^^^^
      |
      = help: for example "4h"
    "#);
    let text = with("[training]", "[scheduler.slurm]\nmemory = \"8\"\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: `8` is not an amount of memory; write a number and a unit, as in "512MiB" or "2GiB"
     --> e.toml:9:10
      |
    9 | memory = "8"
      |          ^^^
    "#);
    let text = with("[training]", "[scheduler.slurm]\npartition = \"a b\"\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: `a b` is not the name of a partition
     --> e.toml:9:13
      |
    9 | partition = "a b"
      |             ^^^^^
      |
      = help: `sinfo` lists the partitions; separate several by commas
    "#);
    let text = with("[training]", "[scheduler.slurm]\noptions = [\"--exclusive\", \"-A x\"]\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: `-A x` is not an option of sbatch
     --> e.toml:9:27
      |
    9 | options = ["--exclusive", "-A x"]
      |                           ^^^^^^
      |
      = help: write its long name, as in "--account=forecast"
    "#);
    let text = with("[training]", "[scheduler.slurm]\ncpu = 4\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: unknown key `cpu`
     --> e.toml:9:1
      |
    9 | cpu = 4
      | ^^^ did you mean `cpus`?
      |
      = help: known here: partition, parts, array_limit, time, cpus, gpus, memory, options
    ");
}

#[test]
fn what_kubernetes_would_refuse_is_refused_before() {
    for (line, message) in [
        ("parts = 0", "parts must be at least 1, got 0"),
        ("parts = 5000", "parts must be at most 1000, got 5000"),
        ("parallelism = 0", "parallelism must be at least 1, got 0"),
        ("retries = 101", "retries must be at most 100, got 101"),
        ("cpus = 0", "cpus must be at least 1, got 0"),
        ("memory = \"0B\"", "memory must be positive"),
        ("image = \"two words\"", "`two words` is not the name of an image"),
        ("namespace = \"Forecast\"", "`Forecast` cannot be the name of a namespace"),
        ("volume = \"stores-\"", "`stores-` cannot be the name of a volume"),
        ("queue = \"a.b\"", "`a.b` cannot be the name of a queue"),
        ("volume_size = \"1GiB\"", "volume_size is given, but the claim has no name"),
        ("labels = { \"a b\" = \"c\" }", "`a b = c` cannot be a label"),
        (
            "labels = { \"app.kubernetes.io/name\" = \"x\" }",
            "the label `app.kubernetes.io/name` is set by burstlab",
        ),
        ("image_name = \"x\"", "unknown key `image_name`"),
    ] {
        let text = with("[training]", &format!("[scheduler.kubernetes]\n{line}\n[training]"));
        let refused = refusal(&text, &[]);
        assert!(refused.contains(message), "{message} is not in\n{refused}");
        assert!(refused.contains("--> e.toml:9:"), "{refused}");
    }
}

#[test]
fn the_old_table_of_resources_is_answered_with_what_took_its_place() {
    let text = format!("{VALID}[report.resources]\ngpus_per_replica = 4\ntokens_per_second = 6000\n");
    assert_snapshot!(refusal(&text, &[]), @"
    error: [report.resources] was removed: [capacity] says what the load needs
      --> e.toml:15:2
       |
    15 | [report.resources]
       |  ^^^^^^ remove this table
       |
       = help: write [capacity] with prefill_tokens_per_s and decode_tokens_per_s in place of tokens_per_second, gpus_per_replica as it was, and cold_start; the report then tells replica hours and GPU hours
    ");
    assert_snapshot!(refusal(VALID, &["--set", "report.resources.weights_gib=70"]), @"
    error: [report.resources] was removed: [capacity] says what the load needs
     --> --set:1:1
      |
    1 | report.resources.weights_gib=70
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ remove this table
      |
      = help: write [capacity] with prefill_tokens_per_s and decode_tokens_per_s in place of tokens_per_second, gpus_per_replica as it was, and cold_start; the report then tells replica hours and GPU hours
    ");
}

#[test]
fn a_key_that_another_one_leaves_without_effect_is_pointed_at() {
    assert_snapshot!(refusal(&with("epochs = 1", "epochs = 1\nhuber_delta = 0.5"), &[]), @r#"
    error: `huber_delta` has no effect: it belongs to the Huber loss
      --> e.toml:10:1
       |
    10 | huber_delta = 0.5
       | ^^^^^^^^^^^
       |
       = help: set training.loss = "huber", or leave it out
    "#);
    assert_snapshot!(refusal(VALID, &["--set", "training.huber_delta=0.5"]), @r#"
    error: `huber_delta` has no effect: it belongs to the Huber loss
     --> --set:1:10
      |
    1 | training.huber_delta=0.5
      |          ^^^^^^^^^^^
      |
      = help: set training.loss = "huber", or leave it out
    "#);
    assert_snapshot!(refusal(&with("hidden = 4", "dropout = { grid = [0.0, 0.1] }"), &[]), @r"
    error: `dropout` has no effect: it acts between layers, and there is only one
      --> e.toml:14:1
       |
    14 | dropout = { grid = [0.0, 0.1] }
       | ^^^^^^^
       |
       = help: give layers = 2 or more, or leave it out
    ");
    assert_snapshot!(refusal(&with("models.lstm]\nhidden = 4", "models.dlinear]\nridge = 0.1"), &[]), @r#"
    error: `ridge` has no effect: it belongs to solver = "least_squares"
      --> e.toml:14:1
       |
    14 | ridge = 0.1
       | ^^^^^
       |
       = help: set solver = "least_squares", or leave it out; training.weight_decay penalises trained weights
    "#);
    let point_process = with("models.lstm]\nhidden = 4", "models.neural_point_process]");
    assert_snapshot!(refusal(&point_process.replace("epochs = 1", "loss = \"mse\""), &[]), @r#"
    error: `loss` has no effect: no model of this file minimises it
     --> e.toml:9:1
      |
    9 | loss = "mse"
      | ^^^^
      |
      = help: leave it out, or add a model that minimises it, such as models.lstm
    "#);
    assert_snapshot!(refusal(&with("[training]", "[split]\nrows = [200, 80, 80]\nvalid = 0.2\n[training]"), &[]), @r"
    error: `valid` has no effect: `rows` gives the steps of each part
      --> e.toml:10:1
       |
    10 | valid = 0.2
       | ^^^^^
       |
       = help: keep rows, or keep train, valid and test
    ");
}

#[test]
fn a_key_that_one_value_of_an_axis_reads_is_accepted() {
    let lab = Lab::new();
    let text = with("epochs = 1", "loss = { grid = [\"mse\", \"huber\"] }\nhuber_delta = 0.5");
    lab.file("e.toml", &text.replace("hidden = 4", "dropout = 0.1\nlayers = { int = [1, 2] }"));
    let search = ["--set", "search.strategy=\"random\""];
    let outcome = lab.call(&[&["run", "e.toml", "--dry-run"], &search[..]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

#[test]
fn a_loss_that_is_not_known_is_pointed_at() {
    assert_snapshot!(refusal(&with("epochs = 1", "loss = \"pinbal\""), &[]), @r#"
    error: unknown value `pinbal`
     --> e.toml:9:8
      |
    9 | loss = "pinbal"
      |        ^^^^^^^^ did you mean `pinball`?
      |
      = help: known here: mse, huber, pinball
    "#);
}

/// An experiment with axes and a search, for mistakes to be put into.
fn search(search: &str) -> String {
    let axis = with("hidden = 4", "hidden = { int = [4, 8] }");
    format!("{axis}[search]\n{search}\n")
}

#[test]
fn a_search_without_a_mistake_is_accepted() {
    let lab = Lab::new();
    let pruner = "[search.pruner.asha]\nreduction_factor = 2";
    lab.file(
        "e.toml",
        &search(&format!("strategy = \"tpe\"\ntrials = 9\n{pruner}")).replace("epochs = 1", "epochs = 4"),
    );
    let outcome = lab.call(&["run", "e.toml", "--dry-run"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stdout.contains("1 further trial will be proposed"), "{}", outcome.stdout);
}

#[test]
fn tpe_without_an_axis_has_nothing_to_search() {
    assert_snapshot!(refusal(&format!("{VALID}[search]\nstrategy = \"tpe\"\n"), &[]), @r#"
    error: tpe has nothing to search: no model has an axis
      --> e.toml:16:12
       |
    16 | strategy = "tpe"
       |            ^^^^^
       |
       = help: give a key several values, e.g. hidden = { int = [8, 64] }, or leave the strategy out
    "#);
}

#[test]
fn tpe_needs_more_trials_than_its_start() {
    assert_snapshot!(refusal(&search("strategy = \"tpe\"\ntrials = 8"), &[]), @r#"
    error: tpe needs more than 8 trials, got 8
      --> e.toml:17:10
       |
    17 | trials = 8
       |          ^
       |
       = help: its first 8 trials are a Sobol sequence: give more, or set search.strategy = "sobol"
    "#);
}

#[test]
fn tpe_needs_more_than_one_batch() {
    assert_snapshot!(refusal(&search("strategy = \"tpe\"\ntrials = 20\nbatch = 20"), &[]), @r"
    error: batch must be smaller than trials = 20, got 20
      --> e.toml:18:9
       |
    18 | batch = 20
       |         ^^
       |
       = help: tpe learns between batches: give a smaller batch, or more trials
    ");
}

#[test]
fn a_batch_of_nothing_is_refused() {
    assert_snapshot!(refusal(&search("strategy = \"tpe\"\nbatch = 0"), &[]), @r"
    error: batch must be at least 1, got 0
      --> e.toml:17:9
       |
    17 | batch = 0
       |         ^
       |
       = help: give a positive integer
    ");
}

#[test]
fn tpe_does_not_search_what_is_forecast() {
    let text = search("strategy = \"tpe\"").replace("horizon = 10", "horizon = { grid = [1, 10] }");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: tpe cannot search `task.horizon`: errors of different settings are not comparable
     --> e.toml:7:11
      |
    7 | horizon = { grid = [1, 10] }
      |           ^^^^^^^^^^^^^^^^^^
      |
      = help: give it one value, or set search.strategy = "grid", "random" or "sobol"
    "#);
}

#[test]
fn a_sobol_sequence_has_an_end() {
    assert_snapshot!(refusal(&search("strategy = \"sobol\"\ntrials = 70000"), &[]), @r#"
    error: sobol takes at most 65536 trials, got 70000
      --> e.toml:17:10
       |
    17 | trials = 70000
       |          ^^^^^
       |
       = help: give fewer trials, or set search.strategy = "random"
    "#);
}

#[test]
fn an_experiment_has_at_most_a_million_runs() {
    let text = search("strategy = \"random\"\ntrials = 50000\nseeds = [1, 2, 3, 4, 5, 6, 7]")
        .replace("epochs = 1", "epochs = 1\nlearning_rate = { log_uniform = [1e-4, 1e-2] }");
    let text = format!("{text}[split]\nfolds = 3\n");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: this experiment has more than 1000000 runs
      --> e.toml:18:10
       |
    18 | trials = 50000
       |          ^^^^^
       |
       = help: give fewer trials, seeds or folds, or split it into several files
    ");
}

#[test]
fn a_pruner_that_never_judges_is_pointed_at() {
    assert_snapshot!(refusal(&search("strategy = \"random\"\n[search.pruner.asha]\nmin_epochs = 3"), &[]), @r"
    error: the pruner never compares a run: min_epochs is not below the last epoch, 1
      --> e.toml:18:14
       |
    18 | min_epochs = 3
       |              ^
       |
       = help: give a min_epochs below training.epochs = 1, or more epochs
    ");
    assert_snapshot!(refusal(&search("strategy = \"random\"\n[search.pruner.median]\nstartup_trials = 2"), &[]), @r"
    error: the pruner never compares a run: warmup_epochs is not below the last epoch, 1
      --> e.toml:17:1
       |
    17 | [search.pruner.median]
       | ^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: give a warmup_epochs below training.epochs = 1, or more epochs
    ");
}

#[test]
fn a_pruner_without_a_model_that_has_epochs_is_pointed_at() {
    let text = VALID.replace("[[models]]\n[models.lstm]\nhidden = 4\n", "");
    assert_snapshot!(refusal(&format!("{text}[search.pruner.asha]\nmin_epochs = 1\n"), &[]), @r"
    error: no model of this file is trained in epochs, so none can be pruned
      --> e.toml:12:9
       |
    12 | [search.pruner.asha]
       |         ^^^^^^
       |
       = help: leave the pruner out, or add a model that is trained, such as models.lstm
    ");
}

#[test]
fn two_pruners_are_one_too_many() {
    assert_snapshot!(refusal(&search("[search.pruner.asha]\nmin_epochs = 1\n[search.pruner.median]\nwarmup_epochs = 1"), &[]), @r#"
    error: `median` is a pruner beside `asha`
      --> e.toml:18:16
       |
    18 | [search.pruner.median]
       |                ^^^^^^ one too many
       |
       = help: a search has at most one [search.pruner.…] table: keep one
    "#);
}

#[test]
fn a_rule_that_gives_nothing_up_is_pointed_at() {
    let asha = |keys: &str| {
        search(&format!("[search.pruner.asha]\n{keys}")).replace("epochs = 1\n[[", "epochs = 9\n[[")
    };
    assert_snapshot!(refusal(&asha("reduction_factor = 1"), &[]), @r"
    error: reduction_factor must be at least 2, got 1
      --> e.toml:17:20
       |
    17 | reduction_factor = 1
       |                    ^
       |
       = help: 3 keeps one run in three at every rung
    ");
    assert_snapshot!(refusal(&asha("min_epochs = 0"), &[]), @r"
    error: min_epochs must be at least 1, got 0
      --> e.toml:17:14
       |
    17 | min_epochs = 0
       |              ^
       |
       = help: give a positive integer
    ");
    assert_snapshot!(refusal(&asha("min_epochs = 4\nmax_epochs = 3"), &[]), @r"
    error: max_epochs must be above min_epochs = 4, got 3
      --> e.toml:18:14
       |
    18 | max_epochs = 3
       |              ^
       |
       = help: leave it out to prune up to training.epochs
    ");
    let median = search("[search.pruner.median]\nstartup_trials = 0");
    assert_snapshot!(refusal(&median, &[]), @r"
    error: startup_trials must be at least 1, got 0
      --> e.toml:17:18
       |
    17 | startup_trials = 0
       |                  ^
       |
       = help: give a positive integer
    ");
}

#[test]
fn an_unknown_strategy_is_pointed_at() {
    assert_snapshot!(refusal(&search("strategy = \"tpee\""), &[]), @r#"
    error: unknown value `tpee`
      --> e.toml:16:12
       |
    16 | strategy = "tpee"
       |            ^^^^^^ did you mean `tpe`?
       |
       = help: known here: grid, random, sobol, tpe
    "#);
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

/// A file that derives from the valid one, which stands beside it as `base.toml`, and must be refused.
fn derived_refusal(text: &str, base: &str, more: &[&str]) -> String {
    let lab = Lab::new();
    lab.file("base.toml", base);
    lab.file("e.toml", text);
    let mut arguments = vec!["run", "e.toml"];
    arguments.extend(more);
    let outcome = lab.call(&arguments);
    assert_eq!(outcome.code, 2, "{}\n{}", outcome.stdout, outcome.stderr);
    assert!(!lab.results().exists(), "nothing is recorded of an experiment that is refused");
    outcome.stderr
}

const DERIVED: &str = "base = \"base.toml\"\nname = \"derived\"\n";

#[test]
fn a_base_that_is_not_there_is_answered_with_the_nearest() {
    assert_snapshot!(derived_refusal(&DERIVED.replace("base.toml", "bse.toml"), VALID, &[]), @r#"
    error: cannot read the base bse.toml: No such file or directory (os error 2)
     --> e.toml:1:8
      |
    1 | base = "bse.toml"
      |        ^^^^^^^^^^ did you mean `base.toml`?
      |
      = help: give the path of an experiment file, relative to this file
    "#);
    assert_snapshot!(derived_refusal(&DERIVED.replace("\"base.toml\"", "3"), VALID, &[]), @r#"
    error: `base` must be the path of an experiment file
     --> e.toml:1:8
      |
    1 | base = 3
      |        ^
      |
      = help: for example base = "other.toml", relative to this file
    "#);
    let folder = derived_refusal(&DERIVED.replace("base.toml", "."), VALID, &[]);
    assert!(folder.contains("cannot read the base .: it is not a file"), "{folder}");
}

#[test]
fn files_that_derive_from_each_other_are_refused() {
    assert_snapshot!(derived_refusal(DERIVED, &format!("base = \"e.toml\"\n{VALID}"), &[]), @r#"
    error: e.toml would derive from itself
     --> base.toml:1:8
      |
    1 | base = "e.toml"
      |        ^^^^^^^^ already in the chain
      |
      = note: e.toml derives from this file
      = help: remove `base` from one of the files
    "#);
    let lab = Lab::new();
    for index in 0..12 {
        lab.file(&format!("{index}.toml"), &format!("base = \"{}.toml\"\nname = \"e\"\n", index + 1));
    }
    let outcome = lab.call(&["run", "0.toml"]);
    assert_eq!(outcome.code, 2);
    assert_snapshot!(outcome.stderr, @r#"
    error: more than 8 files derive from each other
     --> 8.toml:1:8
      |
    1 | base = "9.toml"
      |        ^^^^^^^^
      |
      = note: 0.toml derives from this file
      = help: derive from one of the first files of the chain
    "#);
}

#[test]
fn a_derived_experiment_has_a_name_of_its_own() {
    assert_snapshot!(derived_refusal("base = \"base.toml\"\n", VALID, &[]), @r#"
    error: this experiment has no name of its own
     --> e.toml:1:1
      |
    1 | base = "base.toml"
      | ^^^^
      |
      = help: add name = "...": the name of a base is not taken over
    "#);
    let lab = Lab::new();
    lab.file("base.toml", VALID);
    lab.file("e.toml", "base = \"base.toml\"\n");
    let outcome = lab.call(&["run", "e.toml", "--dry-run", "--set", "name=other"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

#[test]
fn a_mistake_is_pointed_at_in_the_file_that_makes_it() {
    assert_snapshot!(derived_refusal(DERIVED, &with("lookback", "lookbak"), &[]), @r"
    error: unknown key `lookbak`
     --> base.toml:6:1
      |
    6 | lookbak = 50
      | ^^^^^^^ did you mean `lookback`?
      |
      = note: e.toml derives from this file
      = help: known here: lookback, horizon, features
    ");
    let own = format!("{DERIVED}[training]\nepoch = 2\n");
    assert_snapshot!(derived_refusal(&own, VALID, &[]), @r"
    error: unknown key `epoch`
     --> e.toml:4:1
      |
    4 | epoch = 2
      | ^^^^^ did you mean `epochs`?
      |
      = help: known here: loss, huber_delta, target_weights, epochs, batch_size, drop_last, optimizer, learning_rate, weight_decay, schedule, early_stopping_patience, gradient_clip_norm
    ");
    assert_snapshot!(derived_refusal(DERIVED, &with("epochs = 1", "epochs = = 1"), &[]), @r"
    error: invalid TOML: extra `=`, expected nothing
     --> base.toml:9:10
      |
    9 | epochs = = 1
      |          ^
      |
      = note: e.toml derives from this file
    ");
    // A lookback that only the derived file makes too short for a model of the base.
    let short = format!("{DERIVED}[task.next_request]\nlookback = 5\n");
    let base = with("models.lstm]\nhidden = 4", "models.dlinear]\nkernel = 25");
    assert_snapshot!(derived_refusal(&short, &base, &[]), @r"
    error: kernel must be at most 11 for a lookback of 5, got 25
      --> base.toml:14:10
       |
    14 | kernel = 25
       |          ^^
       |
       = note: e.toml derives from this file
       = help: a wider average covers the whole lookback at every step
    ");
    let data = format!("{DERIVED}[dataset]\nmax_rows = 60\n");
    assert_snapshot!(derived_refusal(&data, VALID, &[]), @r"
    error: the train part has 41 of the 59 steps, but needs at least 60 = 50 (lookback) + 10 (horizon)
     --> base.toml:6:12
      |
    6 | lookback = 50
      |            ^^
      |
      = note: e.toml derives from this file
      = help: use more data, a smaller lookback or a shorter horizon
    ");
}

#[test]
fn overrides_change_a_base_but_do_not_name_one() {
    assert_snapshot!(derived_refusal(DERIVED, VALID, &["--set", "models.lstm.hiden=8"]), @r"
    error: unknown key `hiden`
     --> --set:1:13
      |
    1 | models.lstm.hiden=8
      |             ^^^^^ did you mean `hidden`?
      |
      = help: known here: hidden, layers, dropout
    ");
    assert_snapshot!(derived_refusal(DERIVED, VALID, &["--set", "base=other.toml"]), @r"
    error: `base` cannot be set on the command line
     --> --set:1:1
      |
    1 | base=other.toml
      | ^^^^
      |
      = help: run a file that derives from the base, or set the keys that differ
    ");
}

#[test]
fn a_stored_experiment_can_be_read_without_its_base() {
    let lab = Lab::new();
    lab.file("base.toml", &with("hidden = 4", "hidden = { grid = [4, 6] }"));
    let derived = lab.file("e.toml", &format!("{DERIVED}[training]\nlearning_rate = 3e-3\n"));
    lab.run(&derived, &["--set", "task.next_request.horizon=2"]);
    let planned =
        || lab.query("select run_id from experiment_runs where experiment = 'derived' order by position");
    let before = planned();
    assert_eq!(before.len(), 3);
    let text = lab.scalar("select text from experiments where name = 'derived'");
    assert_snapshot!(text.as_str().unwrap(), @r#"
    # e.toml with what it takes from base.toml.
    name = "derived"

    [dataset]
    source = "synthetic-burstgpt"
    max_rows = 400

    [task.next_request]
    lookback = 50
    horizon = 10

    [training]
    epochs = 1
    learning_rate = 3e-3

    [[models]]
    [models.persistence]

    [[models]]
    [models.lstm]
    hidden = { grid = [4, 6] }
    "#);
    std::fs::remove_file(lab.folder.path().join("base.toml")).unwrap();
    lab.file("e.toml", text.as_str().unwrap());
    let outcome = lab.run(&derived, &["--set", "task.next_request.horizon=2"]);
    assert!(outcome.stderr.contains("nothing to run"), "{}", outcome.stderr);
    assert_eq!(planned(), before);
}
