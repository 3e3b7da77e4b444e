//! Mistakes in the tables of models.

use super::*;

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
