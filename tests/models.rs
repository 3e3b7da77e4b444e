//! Every model, task and flag on a real trace: trained, scored, saved, read back.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fmt::Write;
use std::path::Path;

use burstlab::dataset::{Loader, Part, read_predictions};
use burstlab::store::SavedRun;
use burstlab::train::ComputeDevice;
use common::{Lab, azure_excerpt};
use serde_json::Value;

/// Every model on the next request, and more than one request ahead.
const ZOO: &str = r#"
[dataset.cleaning]
drop_zero_tokens = true
spread_duplicate_timestamps = "1ms"
clip_quantile = 0.99
[task.next_request]
lookback = 24
horizon = 3
features = ["arrival_rate", "burst"]
[split]
embargo = 5
[training]
epochs = 3
batch_size = 64
learning_rate = 3e-3
early_stopping_patience = 2
gradient_clip_norm = 1.0
[[models]]
[models.zero]
[[models]]
[models.mean]
[[models]]
[models.median]
[[models]]
[models.persistence]
[[models]]
[models.moving_average]
window = 30
[[models]]
[models.seasonal_naive]
season = 40
[[models]]
[models.ewma]
[[models]]
[models.ewma]
alpha = 0.3
[[models]]
[models.ets]
[[models]]
[models.arima]
[[models]]
[models.arima]
order = [1, 0, 1]
seasonal_order = [1, 0, 0]
season = 4
refit_every = 20
units = "scaled"
[[models]]
[models.arima]
refit_every = 150
order_search = "every_refit"
[[models]]
[models.kalman]
units = { grid = ["original", "scaled"] }
[[models]]
[models.linear]
per_channel = { grid = [false, true] }
solver = { grid = ["gradient_descent", "least_squares"] }
[[models]]
[models.nlinear]
per_channel = { grid = [false, true] }
[[models]]
[models.dlinear]
kernel = 7
per_channel = { grid = [false, true] }
solver = { grid = ["gradient_descent", "least_squares"] }
ridge = { grid = [0.0, 0.1] }
[[models]]
[models.lstm]
hidden = 8
layers = 2
dropout = 0.1
[[models]]
[models.gru]
hidden = 20
layers = 2
[[models]]
[models.ts_mixer]
hidden = 6
dropout = 0.1
[[models]]
[models.tcn]
hidden = 6
blocks = 3
dropout = 0.1
[[models]]
[models.boosted_trees]
trees = 40
min_leaf_windows = 20
[[models]]
[models.hawkes]
[[models]]
[models.neural_point_process]
hidden = 6
[[models]]
[models.renewal]
distribution = { grid = ["exponential", "gamma", "weibull", "lognormal"] }
[[models]]
[models.ensemble]
members = ["lstm", "nlinear", "moving_average"]
"#;

/// Runs the zoo once for all tests of this file that only look at it.
fn zoo() -> &'static Lab {
    static ZOO_LAB: std::sync::OnceLock<Lab> = std::sync::OnceLock::new();
    ZOO_LAB.get_or_init(|| {
        let lab = Lab::new();
        lab.run(&lab.azure("zoo", ZOO), &[]);
        lab
    })
}

#[test]
fn every_model_is_scored_on_every_part_target_and_unit() {
    let lab = zoo();
    let rows = lab.query(
        "select model, count(*) as metrics, count(distinct part || target || unit) as groups from runs \
         join metrics using (run_id) group by run_id",
    );
    // The penalty belongs to the closed form: gradient descent runs once for both of its values.
    assert_eq!(rows.len(), 38);
    for row in rows {
        // Three targets in two units and the mean over them in scaled units, on three parts.
        assert_eq!(row["groups"], 3 * 7, "{row}");
        assert!(row["metrics"].as_i64().unwrap() >= 3 * 7 * 8, "{row}");
    }
    assert_eq!(lab.scalar("select count(*) from metrics where value is null or abs(value) > 1e300"), 0);
}

#[test]
fn zero_is_zero_in_original_units_and_the_mean_has_no_bias_in_scaled_ones() {
    let lab = zoo();
    let bias =
        "select abs(value) from metrics join runs using (run_id) where name = 'bias' and part = 'train'";
    let actual_mean =
        lab.query(&format!("{bias} and model = 'zero' and unit = 'original' and target = 'request_tokens'"));
    let tokens: Vec<f64> = read_azure_tokens();
    // 24 of the steps are before the first training window's target; the mean moves little for them.
    let mean = tokens[2..1400].iter().sum::<f64>() / 1398.0;
    let found = actual_mean[0]["abs(value)"].as_f64().unwrap();
    assert!((found / mean - 1.0).abs() < 0.02, "{found} against {mean}");
    let scaled =
        lab.query(&format!("{bias} and model = 'mean' and unit = 'scaled' and target = 'request_tokens'"));
    assert!(scaled[0]["abs(value)"].as_f64().unwrap() < 0.02);
}

fn read_azure_tokens() -> Vec<f64> {
    let text = std::fs::read_to_string(azure_excerpt()).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect()
}

#[test]
fn a_saved_model_read_back_gives_the_same_predictions() {
    let lab = zoo();
    for row in lab.query("select run_id, model from runs") {
        let run_id = row["run_id"].as_str().unwrap();
        let saved = SavedRun::read(&lab.results(), run_id).unwrap();
        let device = ComputeDevice::cpu();
        let model = saved.load(&lab.results(), &device).unwrap();
        let prepared = Loader::default().prepare(&saved.spec, saved.fold).unwrap();
        let windows = prepared.windows(Part::Test, model.lookback(), saved.spec.task.horizon());
        let forecast = model.forecast(&windows);
        let table =
            read_predictions(&lab.results().join("runs").join(run_id).join("predictions.parquet")).unwrap();
        let rows: Vec<usize> = (0..table.part.len()).filter(|&row| table.part[row] == "test").collect();
        assert_eq!(forecast.len(), rows.len() * 3);
        for (at, &row) in rows.iter().enumerate() {
            for target in 0..3 {
                let (scale, again) = (&saved.scaler.channels[target], forecast[at * 3 + target]);
                assert_eq!(again, table.scaled_forecast[target][row], "row {row} of {run_id}");
                // In original units a millionth of the deviation is kept; far below the mean of a logarithm it is a larger share.
                let kept = scale.scale(table.forecast[target][row]);
                let allowed = 1e-5 * f64::from(again).abs().max(1.0);
                assert!(
                    (kept - f64::from(again)).abs() < allowed,
                    "row {row} of {run_id}: {kept} for {again}"
                );
            }
        }
    }
}

#[test]
fn an_ensemble_of_members_that_minimise_different_losses_is_read_back() {
    let lab = Lab::new();
    let text = "max_rows = 600\n[task.next_request]\nlookback = 8\n[training]\nepochs = 2\n\
                loss = { grid = [\"mse\", \"pinball\"] }\n[[models]]\n[models.dlinear]\nkernel = 3\n[[models]]\n[models.linear]\n\
                [[models]]\n[models.ensemble]\nmembers = [\"dlinear\", \"linear\"]\n";
    lab.run(&lab.azure("losses", text), &[]);
    let ensembles = lab.query("select run_id from runs where model = 'ensemble' and status = 'done'");
    assert!(!ensembles.is_empty());
    for row in ensembles {
        let run_id = row["run_id"].as_str().unwrap();
        let saved = SavedRun::read(&lab.results(), run_id).unwrap();
        let model = saved.load(&lab.results(), &ComputeDevice::cpu()).unwrap();
        let prepared = Loader::default().prepare(&saved.spec, saved.fold).unwrap();
        let forecast = model.forecast(&prepared.windows(Part::Test, model.lookback(), 1));
        let table =
            read_predictions(&lab.results().join("runs").join(run_id).join("predictions.parquet")).unwrap();
        let kept: Vec<f32> = table.test_rows().map(|row| table.scaled_forecast[0][row]).collect();
        assert_eq!(forecast.chunks_exact(3).map(|step| step[0]).collect::<Vec<f32>>(), kept, "{run_id}");
    }
}

#[test]
fn parameters_carry_the_names_that_pytorch_gives_them() {
    let lab = zoo();
    let names = |sql: &str| {
        let run_id = lab.scalar(sql);
        let path = lab.results().join("runs").join(run_id.as_str().unwrap()).join("model.safetensors");
        let parameters = burstlab::model::Parameters::read(&path).unwrap();
        parameters
            .iter()
            .map(|(name, values)| format!("{name} {:?}", values.shape))
            .collect::<Vec<_>>()
            .join("\n")
    };
    insta::assert_snapshot!(names("select run_id from runs where model = 'lstm'"), @r#"
    fc1.bias [4]
    fc1.weight [4, 8]
    fc2.bias [9]
    fc2.weight [9, 4]
    lstm.bias_hh_l0 [32]
    lstm.bias_hh_l1 [32]
    lstm.bias_ih_l0 [32]
    lstm.bias_ih_l1 [32]
    lstm.weight_hh_l0 [32, 8]
    lstm.weight_hh_l1 [32, 8]
    lstm.weight_ih_l0 [32, 5]
    lstm.weight_ih_l1 [32, 8]
    "#);
    insta::assert_snapshot!(names("select run_id from runs where model = 'ts_mixer'"), @r#"
    blocks.0.fc1.bias [6]
    blocks.0.fc1.weight [6, 5]
    blocks.0.fc2.bias [5]
    blocks.0.fc2.weight [5, 6]
    blocks.0.feature_norm.bias [24, 5]
    blocks.0.feature_norm.weight [24, 5]
    blocks.0.time.bias [24]
    blocks.0.time.weight [24, 24]
    blocks.0.time_norm.bias [24, 5]
    blocks.0.time_norm.weight [24, 5]
    blocks.1.fc1.bias [6]
    blocks.1.fc1.weight [6, 5]
    blocks.1.fc2.bias [5]
    blocks.1.fc2.weight [5, 6]
    blocks.1.feature_norm.bias [24, 5]
    blocks.1.feature_norm.weight [24, 5]
    blocks.1.time.bias [24]
    blocks.1.time.weight [24, 24]
    blocks.1.time_norm.bias [24, 5]
    blocks.1.time_norm.weight [24, 5]
    fc_out.bias [3]
    fc_out.weight [3, 5]
    temporal_projection.bias [3]
    temporal_projection.weight [3, 24]
    "#);
    insta::assert_snapshot!(names("select run_id from runs where model = 'tcn'"), @r#"
    blocks.0.conv1.bias [6]
    blocks.0.conv1.weight [6, 5, 3]
    blocks.0.conv2.bias [6]
    blocks.0.conv2.weight [6, 6, 3]
    blocks.0.downsample.bias [6]
    blocks.0.downsample.weight [6, 5]
    blocks.1.conv1.bias [6]
    blocks.1.conv1.weight [6, 6, 3]
    blocks.1.conv2.bias [6]
    blocks.1.conv2.weight [6, 6, 3]
    blocks.2.conv1.bias [6]
    blocks.2.conv1.weight [6, 6, 3]
    blocks.2.conv2.bias [6]
    blocks.2.conv2.weight [6, 6, 3]
    fc_out.bias [9]
    fc_out.weight [9, 6]
    "#);
    insta::assert_snapshot!(
        names("select run_id from runs where model = 'dlinear' and params->>'$.model.per_channel' and seed is not null"), @r#"
    Linear_Seasonal.0.bias [3]
    Linear_Seasonal.0.weight [3, 24]
    Linear_Seasonal.1.bias [3]
    Linear_Seasonal.1.weight [3, 24]
    Linear_Seasonal.2.bias [3]
    Linear_Seasonal.2.weight [3, 24]
    Linear_Trend.0.bias [3]
    Linear_Trend.0.weight [3, 24]
    Linear_Trend.1.bias [3]
    Linear_Trend.1.weight [3, 24]
    Linear_Trend.2.bias [3]
    Linear_Trend.2.weight [3, 24]
    "#);
    insta::assert_snapshot!(
        names("select run_id from runs where model = 'nlinear' and not params->>'$.model.per_channel'"), @r#"
    Linear.bias [3]
    Linear.weight [3, 24]
    "#);
}

#[test]
fn the_closed_form_is_the_optimum_of_what_training_approaches() {
    let lab = zoo();
    let loss = |model: &str, solver: &str, per_channel: bool, ridge: &str| {
        let sql = format!(
            "select value from runs join metrics using (run_id) where model = '{model}' and part = 'train' \
             and target = 'all' and name = 'mse' and params->>'$.model.solver' = '{solver}' \
             and params->>'$.model.per_channel' = {per_channel} and params->>'$.model.ridge' = {ridge}"
        );
        lab.scalar(&sql).as_f64().unwrap()
    };
    for per_channel in [false, true] {
        for model in ["linear", "dlinear"] {
            let trained = loss(model, "gradient_descent", per_channel, "0.0");
            let exact = loss(model, "least_squares", per_channel, "0.0");
            assert!(exact < trained, "{model}, per channel {per_channel}: {exact} against {trained}");
        }
        // Trend and remainder are linear maps of the past: without a penalty both models have one optimum.
        let linear = loss("linear", "least_squares", per_channel, "0.0");
        let dlinear = loss("dlinear", "least_squares", per_channel, "0.0");
        assert!((linear / dlinear - 1.0).abs() < 1e-4, "{linear} against {dlinear}");
        assert!(loss("dlinear", "least_squares", per_channel, "0.1") > dlinear, "a penalty costs fit");
        assert!(
            loss("linear", "least_squares", true, "0.0") <= loss("linear", "least_squares", false, "0.0"),
            "weights of their own fit at least as well as shared ones"
        );
    }
    let seeds = lab.query("select seed from runs where params->>'$.model.solver' = 'least_squares'");
    assert!(seeds.len() == 6 && seeds.iter().all(|row| row["seed"].is_null()), "nothing is random in it");
    assert_eq!(
        lab.scalar(
            "select count(*) from epochs join runs using (run_id) where params->>'$.model.solver' = 'least_squares'"
        ),
        0
    );
}

#[test]
fn a_renewal_process_is_scored_by_its_own_distribution() {
    let lab = zoo();
    let score = |family: &str, part: &str, name: &str| {
        let sql = format!(
            "select value from runs join metrics using (run_id) where model = 'renewal' and part = '{part}' and \
             target = 'gap_s' and unit = 'original' and name = '{name}' and params->>'$.model.distribution' = '{family}'"
        );
        lab.scalar(&sql).as_f64().unwrap()
    };
    // The exponential law is the gamma and the Weibull law with shape 1: where these are fitted, they fit no worse.
    for family in ["gamma", "weibull"] {
        assert!(score(family, "train", "nll") <= score("exponential", "train", "nll") + 1e-3, "{family}");
    }
    for family in ["exponential", "gamma", "weibull", "lognormal"] {
        let (nll, crps) = (score(family, "test", "nll"), score(family, "test", "crps_model"));
        assert!(nll > 0.0 && nll < 20.0 && crps > 0.0 && crps < 1.0, "{family}: {nll}, {crps}");
        // Calibrated and on seven quantiles instead of all, it is nearly the same score.
        let quantiles = score(family, "test", "crps");
        assert!((crps / quantiles - 1.0).abs() < 0.2, "{family}: {crps} against {quantiles}");
    }
    let others = "select count(*) from runs join metrics using (run_id) where name = 'nll' and model not in ('renewal', 'hawkes', 'neural_point_process')";
    assert_eq!(lab.scalar(others), 0);
}

#[test]
fn a_self_exciting_process_is_at_least_as_likely_as_one_without_memory() {
    let lab = zoo();
    let nll = |model: &str, part: &str| {
        let sql = format!(
            "select min(value) from runs join metrics using (run_id) where model = '{model}' and part = '{part}' and \
             target = 'gap_s' and name = 'nll' and (model = 'hawkes' or params->>'$.model.distribution' = 'exponential')"
        );
        lab.scalar(&sql).as_f64().unwrap()
    };
    // A process that excites nothing is a Poisson process. Forecasts see the lookback only, hence the margin.
    let (hawkes, poisson) = (nll("hawkes", "train"), nll("renewal", "train"));
    assert!(hawkes <= poisson + 5e-3, "{hawkes} against {poisson}");
    let sql = "select value from runs join metrics using (run_id) where model = 'hawkes' and part = 'test' and \
               target = 'gap_s' and unit = 'original' and name = ";
    let [own, quantiles] =
        ["'crps_model'", "'crps'"].map(|name| lab.scalar(&format!("{sql}{name}")).as_f64().unwrap());
    assert!((own / quantiles - 1.0).abs() < 0.2, "{own} against {quantiles}");
}

#[test]
fn a_neural_point_process_learns_to_be_likelier_than_one_law_for_all_gaps() {
    let lab = Lab::new();
    let file = lab.azure(
        "arrivals",
        "[task.next_request]\nlookback = 10\n[training]\nepochs = 12\nlearning_rate = 5e-3\nloss = \"huber\"\n\
         [[models]]\n[models.linear]\n[[models]]\n[models.neural_point_process]\nhidden = 8\ncomponents = 3\n\
         [[models]]\n[models.renewal]\ndistribution = { grid = [\"exponential\", \"weibull\", \"lognormal\"] }\n",
    );
    lab.run(&file, &[]);
    let score = |model: &str, part: &str, name: &str| {
        let sql = format!(
            "select min(value) from runs join metrics using (run_id) where model = '{model}' and part = '{part}' and \
             target = 'gap_s' and unit = 'original' and name = '{name}'"
        );
        lab.scalar(&sql).as_f64().unwrap()
    };
    let [own, best_law] = ["neural_point_process", "renewal"].map(|model| score(model, "train", "nll"));
    assert!(own < best_law, "{own} against {best_law}");
    let [own, quantiles] = ["crps_model", "crps"].map(|name| score("neural_point_process", "test", name));
    assert!((own / quantiles - 1.0).abs() < 0.2, "{own} against {quantiles}");
    let loss = "select params->>'$.training.loss' from runs where model = 'neural_point_process'";
    assert_eq!(lab.scalar(loss), "mse", "what it minimises is its own, so the key leaves its run");
}

#[test]
fn boosted_trees_learn_a_rule_that_no_linear_model_has() {
    let lab = Lab::new();
    // The logistic map: the next value is a parabola of the last one, and hardly correlated with it.
    let levels = std::iter::successors(Some(0.3_f64), |level| Some(3.9 * level * (1.0 - level)));
    let rows = (0..2_000_u32).zip(levels).map(|(step, level)| {
        let (day, hour) = (step / 24, step % 24);
        format!("2024-{:02}-{:02} {hour:02}:00:00,{level}\n", 1 + day / 28, 1 + day % 28)
    });
    lab.file("map.csv", &format!("date,level\n{}", rows.collect::<String>()));
    let file = lab.file(
        "map.toml",
        "name = \"map\"\n[dataset]\nsource = \"map.csv\"\n[task.series]\nlookback = 4\nhorizon = 2\n\
         [[models]]\n[models.boosted_trees]\nlearning_rate = 0.2\nmin_leaf_windows = 5\n\
         [[models]]\n[models.linear]\nsolver = \"least_squares\"\n",
    );
    let outcome = lab.call(&["run", file.to_str().unwrap()]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let mse = |model: &str| {
        let sql = format!(
            "select value from runs join metrics using (run_id) where model = '{model}' and part = 'test' \
             and target = 'all' and name = 'mse'"
        );
        lab.scalar(&sql).as_f64().unwrap()
    };
    assert!(mse("linear") > 0.5, "{}", mse("linear"));
    assert!(mse("boosted_trees") < 0.05, "{}", mse("boosted_trees"));
}

#[test]
fn exponential_smoothing_leaves_out_the_noise_that_persistence_repeats() {
    let lab = zoo();
    let mse = |model: &str, target: &str| test_metric(lab, "zoo", model, target, "mse");
    for target in ["gap_s", "request_tokens", "response_tokens"] {
        assert!(mse("ets", target) < 0.8 * mse("persistence", target), "{target}: {}", mse("ets", target));
    }
}

#[test]
fn a_chosen_smoothing_weight_is_at_least_as_good_in_training_as_a_given_one() {
    let lab = zoo();
    let mse = |condition: &str| {
        let sql = format!(
            "select value from runs join metrics using (run_id) where model = 'ewma' and part = 'train' \
             and target = 'all' and name = 'mse' and params->>'$.model.alpha' {condition}"
        );
        lab.scalar(&sql).as_f64().unwrap()
    };
    assert!(mse("is null") < mse("= 0.3"), "{} against {}", mse("is null"), mse("= 0.3"));
    let lookback = lab.scalar("select params->>'$.task.lookback' from runs where model = 'ewma'");
    assert_eq!(lookback, 24, "it reads the task's lookback");
}

/// The test metric of one target in original units, by model.
fn test_metric(lab: &Lab, experiment: &str, model: &str, target: &str, name: &str) -> f64 {
    let sql = format!(
        "select value from runs join metrics using (run_id) join experiment_runs using (run_id) \
         where experiment_runs.experiment = '{experiment}' and model = '{model}' and part = 'test' and target = '{target}' \
         and name = '{name}' order by unit limit 1"
    );
    lab.scalar(&sql).as_f64().unwrap()
}

#[test]
fn a_season_given_as_a_length_of_time_is_that_many_windows() {
    let lab = Lab::new();
    let text = |season: &str| {
        format!(
            "[task.window_load]\nwindow = \"5s\"\nlookback = 4\nhorizon = 2\n[[models]]\n\
             [models.seasonal_naive]\nseason = {season}\n"
        )
    };
    lab.run(&lab.azure("time", &text("\"30s\"")), &[]);
    lab.run(&lab.azure("steps", &text("6")), &[]);
    assert_eq!(
        lab.scalar("select count(distinct run_id) from runs"),
        1,
        "thirty seconds are six windows: one run"
    );
    assert_eq!(lab.scalar("select params->>'$.model.season' from runs"), 6);
    let grid = lab.azure("grid", &text("{ grid = [\"30s\", \"1min\"] }"));
    lab.run(&grid, &[]);
    assert_eq!(lab.scalar("select count(distinct run_id) from runs"), 2);
}

/// A load that rises by two requests in every window: what a trend follows and a level does not.
fn rising_trace(lab: &Lab) -> std::path::PathBuf {
    let mut text = String::from("TIMESTAMP,ContextTokens,GeneratedTokens\n");
    for window in 0..60 {
        let count = 5 + 2 * window;
        for request in 0..count {
            let second = f64::from(window * 10) + 10.0 * f64::from(request) / f64::from(count);
            let (minute, second) = ((second / 60.0).floor(), second % 60.0);
            writeln!(
                text,
                "2023-11-16 18:{minute:02}:{second:09.6},{},{}",
                100 + request % 7,
                20 + request % 5
            )
            .unwrap();
        }
    }
    lab.file("rising.csv", &text)
}

#[test]
fn the_kalman_filter_follows_a_trend_that_smoothing_lags_behind() {
    let lab = Lab::new();
    let path = rising_trace(&lab);
    let text = format!(
        "name = \"rising\"\n[dataset]\nsource = \"{}\"\n[task.window_load]\nwindow = \"10s\"\nlookback = 12\n\
         horizon = 2\n[[models]]\n[models.kalman]\n[[models]]\n[models.ewma]\n[[models]]\n[models.persistence]\n",
        path.display()
    );
    lab.run(&lab.file("rising.toml", &text), &[]);
    let mae = |model: &str| test_metric(&lab, "rising", model, "requests", "mae");
    // One and two windows ahead persistence is off by 2 and 4 requests.
    assert!((mae("persistence") - 3.0).abs() < 0.2, "{}", mae("persistence"));
    assert!(mae("kalman") < 0.5, "{}", mae("kalman"));
    assert!(mae("ewma") > 2.5, "{}", mae("ewma"));
}

/// An hourly series of a season of a day and noise that lasts for a while, for `days` days.
fn seasonal_series(lab: &Lab, days: u32) -> std::path::PathBuf {
    let mut text = String::from("date,level\n");
    let (mut state, mut noise) = (7_u64, 0.0);
    for hour in 0..days * 24 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise = 0.6 * noise + 2.0 * ((state >> 33) as f64 / f64::from(1_u32 << 31) - 0.5);
        let season = 5.0 * (std::f64::consts::TAU * f64::from(hour) / 24.0).sin();
        let (day, hour) = (hour / 24, hour % 24);
        writeln!(text, "2024-01-{:02} {hour:02}:00:00,{}", 1 + day, 50.0 + season + noise).unwrap();
    }
    lab.file("days.csv", &text)
}

#[test]
fn arima_finds_a_season_its_quantiles_hold_and_predict_agrees_with_a_fit_of_the_newest_window() {
    let lab = Lab::new();
    let path = seasonal_series(&lab, 28);
    let text = format!(
        "name = \"days\"\n[dataset]\nsource = \"{}\"\n[task.series]\nlookback = 72\nhorizon = 2\n\
         [uncertainty]\nconformal = \"split\"\n\
         [[models]]\n[models.arima]\nseason = \"1d\"\n[[models]]\n[models.arima]\norder = [1, 0, 0]\nrefit_every = 24\n\
         [[models]]\n[models.persistence]\n[[models]]\n[models.seasonal_naive]\nseason = \"1d\"\n",
        path.display()
    );
    lab.run(&lab.file("days.toml", &text), &[]);
    let of = |model: &str, metric: &str| test_metric(&lab, "days", model, "level", metric);
    let seasonal = |metric: &str| {
        let sql = format!(
            "select value from runs join metrics using (run_id) where params->>'$.model.season' = 24 and model = 'arima' \
             and part = 'test' and target = 'level' and unit = 'original' and name = '{metric}'"
        );
        lab.scalar(&sql).as_f64().unwrap()
    };
    assert!(seasonal("mse") < 0.8 * of("persistence", "mse"), "{}", seasonal("mse"));
    assert!(seasonal("mse") < 0.8 * of("seasonal_naive", "mse"), "{}", seasonal("mse"));
    assert!((seasonal("coverage_80") - 0.8).abs() < 0.12, "{}", seasonal("coverage_80"));
    let refit = lab.scalar("select run_id from runs where params->>'$.model.refit_every' = 24");
    let ask = |more: &[&str]| {
        let arguments =
            ["predict", "--run", refit.as_str().unwrap(), "--trace", "days.csv", "--format", "json"];
        lab.call(&[&arguments[..], more].concat())
    };
    let once = ask(&[]);
    assert_eq!(once.code, 0, "{}", once.stderr);
    assert_eq!(once.stdout, ask(&[]).stdout);
    let forecast: Value = serde_json::from_str(&once.stdout).unwrap();
    let step = &forecast["steps"][0];
    let bounds = &step["level_intervals"]["80"];
    let [low, point, high] = [&bounds[0], &step["level"], &bounds[1]].map(|value| value.as_f64().unwrap());
    assert!(low < point && point < high && high - low < 10.0, "{step}");
}

#[test]
fn prophet_that_is_fitted_anew_follows_what_its_old_curve_has_never_seen() {
    let lab = Lab::new();
    let path = rising_trace(&lab);
    let text = format!(
        "name = \"anew\"\n[dataset]\nsource = \"{}\"\n[task.window_load]\nwindow = \"10s\"\nlookback = 24\n\
         [[models]]\n[models.prophet]\nrefit_every = 1\nunits = \"original\"\n[[models]]\n[models.persistence]\n",
        path.display()
    );
    lab.run(&lab.file("anew.toml", &text), &[]);
    let mae = |model: &str| test_metric(&lab, "anew", model, "requests", "mae");
    assert!(mae("prophet") < 0.5 * mae("persistence"), "{} beside {}", mae("prophet"), mae("persistence"));
    let run_id = lab.scalar("select run_id from runs where model = 'prophet'");
    let saved = SavedRun::read(&lab.results(), run_id.as_str().unwrap()).unwrap();
    let model = saved.load(&lab.results(), &ComputeDevice::cpu()).unwrap();
    let prepared = Loader::default().prepare(&saved.spec, 0).unwrap();
    let again = model.forecast(&prepared.windows(Part::Test, 24, 1));
    let folder = lab.results().join("runs").join(run_id.as_str().unwrap());
    let table = read_predictions(&folder.join("predictions.parquet")).unwrap();
    let kept: Vec<f32> = table.test_rows().map(|row| table.scaled_forecast[0][row]).collect();
    assert_eq!(again.chunks_exact(3).map(|step| step[0]).collect::<Vec<f32>>(), kept);
}

#[test]
fn the_weight_of_a_target_and_a_robust_loss_change_what_is_learned() {
    let lab = Lab::new();
    let text = |setting: &str| {
        format!(
            "[task.next_request]\nlookback = 12\n[training]\nepochs = 8\nlearning_rate = 5e-3\n{setting}\n\
             [[models]]\n[models.lstm]\nhidden = 6\n"
        )
    };
    let settings = [
        ("plain", ""),
        ("equal", "target_weights = { gap_s = 7.0, request_tokens = 7.0, response_tokens = 7.0 }"),
        ("weighted", "target_weights = { gap_s = 0.0, request_tokens = 0.0 }"),
        ("huber", "loss = \"huber\""),
        ("narrow", "loss = \"huber\"\nhuber_delta = 0.1"),
        ("both", "loss = { grid = [\"mse\", \"huber\"] }\nhuber_delta = 0.1"),
    ];
    for (name, setting) in settings {
        lab.run(&lab.azure(name, &text(setting)), &[]);
    }
    let mse = |name: &str, target: &str| test_metric(&lab, name, "lstm", target, "mse");
    assert_eq!(mse("plain", "gap_s"), mse("equal", "gap_s"), "equal weights are none");
    // The gap has no weight: its head stays where it was drawn.
    assert!(mse("weighted", "gap_s") > 1.1 * mse("plain", "gap_s"));
    let mae = |name: &str| test_metric(&lab, name, "lstm", "request_tokens", "mae");
    assert!(
        mae("narrow") < mae("plain"),
        "a narrow Huber loss seeks the median: {} {}",
        mae("narrow"),
        mae("plain")
    );
    assert_ne!(mae("narrow"), mae("huber"));
    assert_eq!(
        lab.scalar("select count(distinct run_id) from runs"),
        5,
        "without its loss, delta is no part of a run"
    );
    let delta = "select params->>'$.training.huber_delta' from runs join experiment_runs using (run_id) where experiment_runs.experiment";
    assert_eq!(lab.scalar(&format!("{delta} = 'huber'")), 1.0);
}

#[test]
fn the_weight_of_a_target_may_be_an_axis() {
    let lab = Lab::new();
    let text = "[task.next_request]\nlookback = 8\n[training]\nepochs = 4\nlearning_rate = 5e-3\n\
        target_weights = { gap_s = { grid = [0.0, 1.0] }, request_tokens = 1.0 }\n\
        [[models]]\n[models.mean]\n[[models]]\n[models.lstm]\nhidden = 6\n";
    let outcome = lab.run(&lab.azure("weights", text), &[]);
    // The mean reads no weight and runs once.
    assert_eq!(lab.scalar("select count(*) from runs"), 3, "{}", outcome.stdout);
    let mse = |weight: &str| {
        let sql = format!(
            "select value from runs join metrics using (run_id) where model = 'lstm' and part = 'test' and \
             target = 'gap_s' and unit = 'scaled' and name = 'mse' and \
             params->>'$.training.target_weights.gap_s' = {weight}"
        );
        lab.scalar(&sql).as_f64().unwrap()
    };
    assert!(mse("0.0") > 1.1 * mse("1.0"), "without weight its head stays where it was drawn");
    assert!(outcome.stdout.contains("lstm gap_s=1.0"), "its trials go by the weight: {}", outcome.stdout);
    // An axis of a target that is not there is pointed at like a single value.
    let file = lab.azure("wrong", &text.replace("gap_s =", "gap ="));
    let outcome = lab.call(&["run", file.to_str().unwrap()]);
    assert_eq!(outcome.code, 2);
    for part in ["`gap` is not a target of this task", "wrong.toml:9:26", "did you mean `gap_s`?"] {
        assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
    }
}

#[test]
fn an_ensemble_weighs_its_members_and_names_them() {
    let lab = zoo();
    let run_id = lab.scalar("select run_id from runs where model = 'ensemble'");
    let saved = SavedRun::read(&lab.results(), run_id.as_str().unwrap()).unwrap();
    let kinds: Vec<&str> = saved.members.iter().map(|member| member.model.kind()).collect();
    assert_eq!(kinds, ["lstm", "nlinear", "moving_average"]);
    // The member of two nlinear trials is the one that is better on validation.
    let best = lab.scalar(
        "select run_id from runs join metrics using (run_id) where model = 'nlinear' and part = 'valid' \
         and target = 'all' and name = 'mse' order by value limit 1",
    );
    assert_eq!(best, saved.members[1].run_id.as_str());
    let path = lab.results().join("runs").join(run_id.as_str().unwrap()).join("model.safetensors");
    let parameters = burstlab::model::Parameters::read(&path).unwrap();
    let weights = &parameters.get("weights", &[3, 3]).unwrap().data;
    for target in 0..3 {
        let sum: f32 = (0..3).map(|member| weights[member * 3 + target]).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{weights:?}");
    }
}

#[test]
fn clipping_touches_inputs_and_never_what_a_forecast_is_judged_against() {
    let lab = zoo();
    let unclipped = Lab::new();
    unclipped.run(&unclipped.azure("zoo", &ZOO.replace("clip_quantile = 0.99\n", "")), &[]);
    let zero = |lab: &Lab| {
        lab.query(
            "select part, target, name, value from runs join metrics using (run_id) \
             where model = 'zero' and unit = 'original' order by 1, 2, 3",
        )
    };
    assert_eq!(zero(lab), zero(&unclipped), "the actual values are the same");
    let persistence = |lab: &Lab| {
        lab.scalar(
            "select value from runs join metrics using (run_id) where model = 'persistence' and name = 'mse' \
             and unit = 'original' and part = 'test' and target = 'request_tokens'",
        )
    };
    assert_ne!(persistence(lab), persistence(&unclipped), "the inputs are not");
}

#[test]
fn optimizers_and_schedules_each_train_differently() {
    let lab = Lab::new();
    let base = "[task.next_request]\nlookback = 10\n[training]\nepochs = 4\nbatch_size = 128\nlearning_rate = 1e-2\n\
                SETTING\n[[models]]\n[models.linear]\n";
    let settings = [
        ("adam", "optimizer = \"adam\""),
        ("decay", "optimizer = \"adam\"\nweight_decay = 0.1"),
        ("adamw", "optimizer = \"adamw\"\nweight_decay = 0.1"),
        ("halve", "schedule = { halve = { from_epoch = 2 } }"),
        ("plateau", "schedule = { reduce_on_plateau = { patience = 1, factor = 0.1 } }"),
        ("cosine", "schedule = { cosine = {} }"),
        ("drop-last", "drop_last = true"),
        ("clip", "gradient_clip_norm = 0.01"),
    ];
    for (name, setting) in settings {
        lab.run(&lab.azure(name, &base.replace("SETTING", setting)), &[]);
    }
    let rates = |name: &str| -> Vec<f64> {
        let sql = format!(
            "select learning_rate from epochs join experiment_runs using (run_id) where experiment = '{name}' order by epoch"
        );
        lab.query(&sql).iter().map(|row| row["learning_rate"].as_f64().unwrap()).collect()
    };
    assert_eq!(rates("adam"), [1e-2; 4]);
    assert_eq!(rates("halve"), [1e-2, 5e-3, 2.5e-3, 1.25e-3]);
    assert!(rates("cosine")[3] < 1e-12 && rates("cosine")[1] < 1e-2);
    let losses: Vec<String> = settings
        .iter()
        .map(|(name, _)| {
            let sql = format!(
                "select train_loss from epochs join experiment_runs using (run_id) where experiment = '{name}' \
                 order by epoch desc limit 1"
            );
            lab.scalar(&sql).to_string()
        })
        .collect();
    // A plateau that never comes trains like a constant rate; all the others must differ from one another.
    for (index, loss) in losses.iter().enumerate().filter(|(index, _)| settings[*index].0 != "plateau") {
        let twin =
            losses[..index].iter().position(|other| other == loss).filter(|&at| settings[at].0 != "plateau");
        assert_eq!(twin, None, "{} trains like another", settings[index].0);
    }
}

#[test]
fn early_stopping_restores_the_best_epoch() {
    let lab = Lab::new();
    let text = "[task.next_request]\nlookback = 10\n[training]\nepochs = 60\nlearning_rate = 0.05\n\
                early_stopping_patience = 3\n[[models]]\n[models.dlinear]\nkernel = 3\n";
    lab.run(&lab.azure("early", text), &[]);
    let best = lab.scalar("select min(valid_loss) from epochs").as_f64().unwrap();
    let epochs = lab.scalar("select count(*) from epochs").as_i64().unwrap();
    let best_epoch = lab.scalar("select epoch from epochs order by valid_loss limit 1").as_i64().unwrap();
    assert!(epochs < 60 && epochs == best_epoch + 3, "{epochs} epochs, the best was {best_epoch}");
    let valid =
        lab.scalar("select value from metrics where part = 'valid' and target = 'all' and name = 'mse'");
    let found = valid.as_f64().unwrap();
    assert!((found / best - 1.0).abs() < 1e-5, "{found} against {best}");
}

#[test]
fn window_loads_are_forecast_from_windows() {
    let lab = Lab::new();
    let text = "[task.window_load]\nwindow = \"5s\"\nlookback = 6\nhorizon = 2\n[training]\nepochs = 2\n\
                [[models]]\n[models.persistence]\n[[models]]\n[models.lstm]\nhidden = 4\n[split]\nfolds = 2\n";
    lab.run(&lab.azure("loads", text), &[]);
    let targets = lab.query("select distinct target from metrics where unit = 'original' order by 1");
    let targets: Vec<&str> = targets.iter().map(|row| row["target"].as_str().unwrap()).collect();
    assert_eq!(targets, ["request_tokens", "requests", "response_tokens"]);
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 4, "two models on two folds");
}

/// A numeric table with a daily season.
fn series_file(lab: &Lab) -> std::path::PathBuf {
    let mut text = String::from("date,load,temperature\n");
    for hour in 0..600 {
        let phase = f64::from(hour) / 24.0 * std::f64::consts::TAU;
        let wobble = f64::from(hour * 7919 % 101) / 101.0;
        let (day, of_day) = (1 + hour / 24, hour % 24);
        let month = 1 + (day - 1) / 28;
        writeln!(
            text,
            "2020-{month:02}-{:02} {of_day:02}:00:00,{:.4},{:.4}",
            1 + (day - 1) % 28,
            10.0 + 4.0 * phase.sin() + wobble,
            20.0 + 3.0 * phase.cos()
        )
        .unwrap();
    }
    lab.file("series.csv", &text)
}

#[test]
fn a_seasonal_series_is_forecast_better_by_its_season_than_by_its_last_value() {
    let lab = Lab::new();
    let path = series_file(&lab);
    let text = format!(
        "name = \"series\"\n[dataset]\nsource = \"{}\"\n[task.series]\nlookback = 48\nhorizon = {{ grid = [6, 12] }}\n\
         [split]\nrows = [400, 100, 100]\n[training]\nepochs = 3\n[evaluation]\ndrop_last = true\nmase_season = 24\n\
         [[models]]\n[models.persistence]\n[[models]]\n[models.seasonal_naive]\nseason = 24\n\
         [[models]]\n[models.nlinear]\n",
        path.display()
    );
    let outcome = lab.run(&lab.file("series.toml", &text), &[]);
    assert!(
        outcome.stdout.contains("horizon 6") && outcome.stdout.contains("horizon 12"),
        "{}",
        outcome.stdout
    );
    let mse = |model: &str| {
        let sql = format!(
            "select value from runs join metrics using (run_id) where model = '{model}' and part = 'test' and \
             target = 'all' and name = 'mse' and params->>'$.task.horizon' = 12"
        );
        lab.scalar(&sql).as_f64().unwrap()
    };
    assert!(mse("seasonal_naive") < 0.2 * mse("persistence"));
    // 100 test rows and horizon 6 give 95 windows; the last 31 fill no batch of 32.
    let run_id =
        lab.scalar("select run_id from runs where model = 'nlinear' and params->>'$.task.horizon' = 6");
    let table = read_predictions(
        &lab.results().join("runs").join(run_id.as_str().unwrap()).join("predictions.parquet"),
    )
    .unwrap();
    assert_eq!(table.part.iter().filter(|part| *part == "test").count(), 64 * 6);
}

#[test]
fn prophet_finds_the_day_of_a_table_and_gives_the_same_bits_wherever_it_runs() {
    let lab = Lab::new();
    let path = series_file(&lab);
    let text = |name: &str, more: &str| {
        format!(
            "name = \"{name}\"\n[dataset]\nsource = \"{}\"\n[task.series]\nlookback = 24\nhorizon = 12\n\
             [split]\nrows = [400, 100, 100]\n[[models]]\n[models.persistence]\n[[models]]\n[models.ets]\n\
             [[models]]\n[models.prophet]\n[[models]]\n[models.prophet]\ndaily_seasonality = \"never\"\n\
             weekly_seasonality = \"never\"\n{more}",
            path.display()
        )
    };
    lab.run(&lab.file("seasons.toml", &text("seasons", "")), &[]);
    let mse = |model: &str, more: &str| {
        let sql = format!(
            "select value from runs join metrics using (run_id) where model = '{model}' and part = 'test' and \
             target = 'all' and name = 'mse' and unit = 'scaled' {more}"
        );
        lab.scalar(&sql).as_f64().unwrap()
    };
    let daily = |choice: &str| format!("and params->>'$.model.daily_seasonality' = '{choice}'");
    assert!(mse("prophet", &daily("auto")) < 0.05, "{}", mse("prophet", &daily("auto")));
    assert!(mse("prophet", &daily("never")) > 0.5, "without its season it is a line");
    // The same bits on other slots and threads, and in another process.
    let again = Lab::new();
    again.run(
        &again.file("seasons.toml", &text("seasons", "[scheduler]\nthreads_per_run = 2\n")),
        &["--slots", "1"],
    );
    assert_eq!(lab.metrics("seasons"), again.metrics("seasons"));
    // Read back, they forecast the same.
    for row in lab.query("select run_id from runs") {
        let run_id = row["run_id"].as_str().unwrap();
        let saved = SavedRun::read(&lab.results(), run_id).unwrap();
        let model = saved.load(&lab.results(), &ComputeDevice::cpu()).unwrap();
        let prepared = Loader::default().prepare(&saved.spec, saved.fold).unwrap();
        let forecast = model.forecast(&prepared.windows(Part::Test, model.lookback(), 12));
        let table =
            read_predictions(&lab.results().join("runs").join(run_id).join("predictions.parquet")).unwrap();
        let rows = (0..table.part.len()).filter(|&row| table.part[row] == "test");
        let kept: Vec<f32> = rows.map(|row| table.scaled_forecast[1][row]).collect();
        let own = forecast.chunks_exact(2).map(|step| step[1]);
        assert_eq!(own.collect::<Vec<f32>>(), kept, "{run_id}");
    }
}

#[test]
fn prophet_knows_what_time_it_is_wherever_a_trace_begins() {
    let lab = Lab::new();
    let path = series_file(&lab);
    let text = format!(
        "name = \"clock\"\n[dataset]\nsource = \"{}\"\n[task.series]\nlookback = 1\nhorizon = 6\n[[models]]\n[models.prophet]\n",
        path.display()
    );
    lab.run(&lab.file("clock.toml", &text), &[]);
    let rows = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = rows.lines().collect();
    // The last two rows alone, at five in the morning of another day, tell as much as all of them.
    let tail = lab.file("tail.csv", &[&lines[..1], &lines[570..600]].concat().join("\n"));
    let whole = lab.file("whole.csv", &lines[..600].join("\n"));
    let predicted = |trace: &Path| -> Vec<f64> {
        let trace = trace.to_str().unwrap();
        let outcome = lab.call(&[
            "predict",
            "--experiment",
            "clock",
            "--trace",
            trace,
            "--steps",
            "6",
            "--format",
            "json",
        ]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let forecast: Value = serde_json::from_str(&outcome.stdout).unwrap();
        forecast["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["temperature"].as_f64().unwrap())
            .collect()
    };
    assert_eq!(predicted(&whole), predicted(&tail));
    // The temperature is 20 + 3 cos(hour / 24); the last row is of hour 598.
    for (ahead, value) in predicted(&whole).into_iter().enumerate() {
        let came = 20.0 + 3.0 * ((599 + ahead) as f64 / 24.0 * std::f64::consts::TAU).cos();
        assert!((value - came).abs() < 0.3, "{value} against {came}");
    }
}

#[test]
fn prophet_forecasts_loads_in_windows_narrower_than_a_second() {
    let lab = Lab::new();
    let text = "[task.window_load]\nwindow = \"500ms\"\nlookback = 8\nhorizon = 2\n[[models]]\n[models.mean]\n\
                [[models]]\n[models.prophet]\n[[models]]\n[models.ets]\n";
    lab.run(&lab.azure("narrow", text), &[]);
    let ratio = test_metric(&lab, "narrow", "prophet", "requests", "mse")
        / test_metric(&lab, "narrow", "mean", "requests", "mse");
    assert!((0.7..2.0).contains(&ratio), "{ratio}");
    let trace = azure_excerpt();
    for model in ["prophet", "ets"] {
        let run_id = lab.scalar(&format!("select run_id from runs where model = '{model}'"));
        let outcome = lab.call(&[
            "predict",
            "--run",
            run_id.as_str().unwrap(),
            "--trace",
            trace.to_str().unwrap(),
            "--steps",
            "5",
            "--format",
            "json",
        ]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let forecast: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let steps = forecast["steps"].as_array().unwrap();
        assert!(
            steps.len() == 5 && steps.iter().all(|step| step["requests"].as_f64().is_some()),
            "{forecast}"
        );
    }
}

/// The next steps of the Azure excerpt, from the ensemble of the zoo.
fn predictions(lab: &Lab, trace: &Path, more: &[&str]) -> Value {
    let run = ensemble(lab);
    let mut arguments =
        vec!["predict", "--run", &run, "--trace", trace.to_str().unwrap(), "--format", "json"];
    arguments.extend(more);
    let outcome = lab.call(&arguments);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

fn ensemble(lab: &Lab) -> String {
    lab.scalar("select run_id from runs where model = 'ensemble'").as_str().unwrap().to_string()
}

#[test]
fn predict_asks_the_model_of_an_experiment_that_is_best_on_validation() {
    let lab = zoo();
    let trace = azure_excerpt();
    let outcome =
        lab.call(&["predict", "--experiment", "zoo", "--trace", trace.to_str().unwrap(), "--format", "json"]);
    let forecast: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let best = lab.scalar(
        "select run_id from runs join metrics using (run_id) where part = 'valid' and target = 'all' and name = 'mse' \
         order by value limit 1",
    );
    assert_eq!(forecast["run_id"], best);
}

#[test]
fn predict_gives_the_next_requests_in_order_of_their_arrival() {
    let lab = zoo();
    let forecast = predictions(lab, &azure_excerpt(), &["--steps", "7"]);
    let steps = forecast["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 7);
    let mut last_s = forecast["last_s"].as_f64().unwrap();
    for step in steps {
        let arrival_s = step["arrival_s"].as_f64().unwrap();
        assert!((arrival_s - last_s - step["gap_s"].as_f64().unwrap()).abs() < 1e-6, "{step}");
        assert!(arrival_s >= last_s && step["request_tokens"].as_f64().unwrap() > 0.0, "{step}");
        last_s = arrival_s;
    }
}

#[test]
fn a_prediction_depends_on_the_trace_and_not_on_how_much_of_it_lies_further_back() {
    let lab = zoo();
    let text = std::fs::read_to_string(azure_excerpt()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let recent = lab.file("recent.csv", &[&lines[..1], &lines[1001..]].concat().join("\n"));
    let early = lab.file("early.csv", &lines[..1500].join("\n"));
    let gaps = |value: &Value| {
        value["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["gap_s"].as_f64().unwrap())
            .collect::<Vec<_>>()
    };
    let whole = gaps(&predictions(lab, &azure_excerpt(), &["--steps", "5"]));
    let tail = gaps(&predictions(lab, &recent, &["--steps", "5"]));
    for (a, b) in whole.iter().zip(&tail) {
        assert!((a / b - 1.0).abs() < 1e-4, "{whole:?} against {tail:?}");
    }
    assert_ne!(whole, gaps(&predictions(lab, &early, &["--steps", "5"])));
}

#[test]
fn a_trace_shorter_than_the_lookback_is_refused_by_predict() {
    let lab = zoo();
    let text = std::fs::read_to_string(azure_excerpt()).unwrap();
    let short = lab.file("short.csv", &text.lines().take(8).collect::<Vec<_>>().join("\n"));
    let outcome = lab.call(&["predict", "--run", &ensemble(lab), "--trace", short.to_str().unwrap()]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("steps, but the trace has only 6"), "{}", outcome.stderr);
}

#[test]
fn the_last_step_of_a_forecast_can_be_judged_alone() {
    let lab = Lab::new();
    let path = series_file(&lab);
    let text = |name: &str, evaluation: &str| {
        format!(
            "name = \"{name}\"\n[dataset]\nsource = \"{}\"\n[task.series]\nlookback = 24\nhorizon = 24\n[split]\n\
             rows = [400, 100, 100]\n{evaluation}[[models]]\n[models.persistence]\n",
            path.display()
        )
    };
    lab.run(&lab.file("all.toml", &text("all", "")), &[]);
    let last = lab.run(&lab.file("last.toml", &text("last", "[evaluation]\nsteps = \"last\"\n")), &[]);
    assert_eq!(last.code, 0);
    let mse = |experiment: &str, target: &str| {
        let sql = format!(
            "select value from runs join metrics using (run_id) where experiment = '{experiment}' and part = 'test' and \
             target = '{target}' and unit = 'original' and name = 'mse'"
        );
        lab.scalar(&sql).as_f64().unwrap()
    };
    // The temperature repeats itself every 24 steps: the last value is right 24 steps ahead, and wrong in between.
    assert!(mse("last", "temperature") < 1e-9, "{}", mse("last", "temperature"));
    assert!(mse("all", "temperature") > 1.0);
    assert!(mse("last", "load") > 1e-6, "the load has noise");
    let report = std::fs::read_to_string(lab.results().join("last/report.md")).unwrap();
    assert!(report.contains("only the last step of each forecast's horizon is judged"));
}
