//! Every model, task and flag on a real trace: trained, scored, saved, read back.

mod arrivals;
mod saved;
mod smoothing;
mod training;

use std::fmt::Write;
use std::path::Path;

use burstlab::dataset::{Loader, Part, read_predictions};
use burstlab::store::SavedRun;
use burstlab::train::ComputeDevice;
use serde_json::Value;

use crate::common::{Lab, azure_excerpt};

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

fn read_azure_tokens() -> Vec<f64> {
    let text = std::fs::read_to_string(azure_excerpt()).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect()
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
