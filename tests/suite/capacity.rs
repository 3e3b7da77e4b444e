//! `[capacity]`: replays are recorded and can be repeated under other settings, and what a control shows.

use serde_json::Value;

use crate::common::load::{LOAD, VALID, load_lab, with};
use crate::common::{Lab, Outcome};

/// A few models with and without randomness on a week of the load.
const MODELS: &str = "[training]\nepochs = 2\n[search]\nseeds = [1, 2]\n[[models]]\n[models.nlinear]\nsolver = \"least_squares\"\n\
                      [[models]]\n[models.gru]\nhidden = 4\n[[models]]\n[models.persistence]\n";
const SERVICE: &str = "[capacity]\nprefill_tokens_per_s = 6000\ndecode_tokens_per_s = 1500\ncold_start = \"10min\"\n\
                       scale_down_after = \"30min\"\nmax_delay = \"60s\"\nmax_replicas = 256\n\
                       request_tokens = \"request_tokens\"\nresponse_tokens = \"response_tokens\"\n";

/// A lab in which the experiment `load` has run.
fn trained(horizon: usize, more: &str) -> Lab {
    let lab = load_lab();
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
fn levels_between_the_quantiles_cost_as_much_as_lies_between_their_neighbours() {
    let lab = trained(2, "plan_for = { grid = [\"mean\", 0.75, 0.8, 0.9, 0.95, 0.975] }\n");
    let board = recorded(&lab);
    assert_eq!(board, replayed(&lab, &[]), "saved quantiles give the same levels");
    for model in board["models"].as_array().unwrap() {
        let points = model["frontier"].as_array().unwrap();
        let levels: Vec<Value> = points.iter().map(|point| point["plan_for"].clone()).collect();
        assert_eq!(Value::from(levels), serde_json::json!(["mean", 0.75, 0.8, 0.9, 0.95, 0.975]));
        let hours: Vec<f64> =
            points.iter().skip(1).map(|point| point["replica_hours"].as_f64().unwrap()).collect();
        assert!(hours.is_sorted() && hours[1] < hours[4], "{hours:?}");
    }
    // The service chooses among other levels without training.
    let grid = ["--set", "plan_for=[\"mean\",0.5,0.8,0.9,0.95]"];
    let other = replayed(&lab, &grid);
    assert_eq!(other["models"][0]["frontier"].as_array().unwrap().len(), 5);
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
    let lab = load_lab();
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
    let lab = load_lab();
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
    let watched = lab.call_with_input(&["predict", "--experiment", "load", "--trace", "-", "--watch"], LOAD);
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
    let trace = crate::common::azure_excerpt();
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
    let lab = load_lab();
    let text = format!(
        "name = \"load\"\n[dataset]\nsource = \"load.csv\"\nmax_rows = 600\n[task.series]\nlookback = 12\nhorizon = 2\n{SERVICE}\
         [search.objective]\nmetric = \"replica_hours\"\ntarget = \"work_s\"\n\
         [[models]]\n[models.nlinear]\nsolver = \"least_squares\"\nridge = {{ grid = [0.0, 10.0] }}\n[[models]]\n[models.persistence]\n\
         [[claims]]\nname = \"hours of the mean\"\nmetric = \"replica_hours[mean]\"\ntarget = \"work_s\"\nat_least = 1.0\n\
         where = {{ \"model.kind\" = \"persistence\" }}\n"
    );
    let file = lab.file("load.toml", &text);
    let swept = lab.run(&file, &[]).stderr;
    assert!(swept.contains("validation replica_hours of work_s") && !swept.contains("mse"), "{swept}");
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
    let lab = load_lab();
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
    let lab = load_lab();
    lab.file("load.csv", &shuffled());
    let text = "name = \"load\"\n[dataset]\nsource = \"load.csv\"\n[task.series]\nlookback = 50\nhorizon = 1\n\
                [split]\nfolds = 2\n[[models]]\n[models.mean]\n[[models]]\n[models.persistence]\n\
                [[models]]\n[models.moving_average]\nwindow = 50\n[[models]]\n[models.arima]\nrefit_every = 10\n\
                [[models]]\n[models.arima]\n[[models]]\n[models.kalman]\n[[models]]\n[models.ets]\n\
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
