//! Forecasts lie in the support of their targets: gaps, tokens and counts are never below zero, and a constant stays one.

use std::fmt::Write;

use burstlab::dataset::{Loader, Part, Transform, read_predictions};
use burstlab::store::SavedRun;
use burstlab::train::ComputeDevice;
use serde_json::Value;

use crate::common::{Lab, azure_excerpt};

/// Models that forecast gaps below zero if they are left alone.
const MODELS: &str = "[training]\nepochs = 3\nlearning_rate = 5e-3\n[[models]]\n[models.lstm]\nhidden = 8\n[[models]]\n\
    [models.linear]\nsolver = \"least_squares\"\n[[models]]\n[models.kalman]\nunits = \"scaled\"\n[[models]]\n\
    [models.persistence]\n[[models]]\n[models.boosted_trees]\ntrees = 20\n[[models]]\n[models.ensemble]\n\
    members = [\"lstm\", \"linear\"]\n";

/// Gaps that alternate between none and ten seconds: a linear model goes below zero.
fn bursts(lab: &Lab) -> std::path::PathBuf {
    let mut text = String::from("Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n");
    let mut arrival_s = 0.0;
    for row in 0..600_u32 {
        let (request, response) = (1 + row * 7919 % 13, 1 + (row * 104_729 % 17) * (row % 5));
        writeln!(text, "{arrival_s:.3},ChatGPT,{request},{response},{},API log", request + response).unwrap();
        arrival_s += if row * 31 % 7 < 4 { 0.0 } else { f64::from(row * 37 % 11) };
    }
    lab.file("bursts.csv", &text)
}

/// The numbers below the headers `forecast` of a table that may be folded; its columns end below the ends of their headers.
fn last_forecasts(table: &str) -> Vec<f64> {
    let mut ends: Vec<usize> = Vec::new();
    let mut found = Vec::new();
    for line in table.lines().take_while(|line| !line.starts_with("HOW TO READ")) {
        if line.contains(" forecast") && !line.contains("forecasts") {
            ends = line
                .match_indices("forecast")
                .map(|(at, word)| line[..at].chars().count() + word.len())
                .collect();
        } else if line.trim_start().starts_with(|first: char| first.is_ascii_digit()) {
            found.extend(ends.iter().map(|&end| {
                let before: String = line.chars().take(end).collect();
                before.split_whitespace().last().unwrap().replace(',', "").parse::<f64>().unwrap()
            }));
        }
    }
    found
}

#[test]
fn no_model_forecasts_a_gap_a_token_or_a_count_below_zero() {
    let lab = Lab::new();
    let source = bursts(&lab);
    let mut clamped = 0;
    for (name, task) in [
        ("requests", "[task.next_request]\nlookback = 12\nhorizon = 2\n"),
        ("load", "[task.window_load]\nwindow = \"5s\"\nlookback = 12\nhorizon = 2\n"),
    ] {
        let text = format!("name = \"{name}\"\n[dataset]\nsource = \"{}\"\n{task}{MODELS}", source.display());
        let outcome = lab.run(&lab.file(&format!("{name}.toml"), &text), &[]);
        assert!(!outcome.stdout.contains(" -0.0"), "{}", outcome.stdout);
        for row in lab.query(&format!("select run_id, model from runs where experiment = '{name}'")) {
            let run_id = row["run_id"].as_str().unwrap();
            let path = lab.results().join("runs").join(run_id).join("predictions.parquet");
            let table = read_predictions(&path).unwrap();
            let saved = SavedRun::read(&lab.results(), run_id).unwrap();
            for (target, forecasts) in table.forecast.iter().enumerate() {
                assert!(forecasts.iter().all(|&value| value >= 0.0), "{row} {}", table.targets[target]);
                let quantiles = table.quantiles[target].iter().flatten();
                assert!(quantiles.filter(|value| !value.is_nan()).all(|&value| value >= 0.0), "{row}");
                clamped += forecasts.iter().filter(|&&value| value == 0.0).count();
            }
            // The saved model gives what was scored: the metrics in both units are those of its forecasts.
            let model = saved.load(&lab.results(), &ComputeDevice::cpu()).unwrap();
            let prepared = Loader::default().prepare(&saved.spec, saved.fold).unwrap();
            let windows = prepared.windows(Part::Test, model.lookback(), 2);
            let forecast = model.forecast(&windows);
            for target in 0..3 {
                let scale = &saved.scaler.channels[target];
                assert_eq!(scale.channel.transform, Transform::Log1p);
                let pairs = forecast.iter().skip(target).step_by(3).enumerate().map(|(cell, &value)| {
                    let step = windows.origins.start + cell / 2 + cell % 2;
                    (f64::from(value), prepared.steps.values[step * 3 + target])
                });
                let errors: Vec<(f64, f64)> = pairs
                    .map(|(value, actual)| {
                        ((value - scale.scale(actual)).abs(), (scale.unscale(value) - actual).abs())
                    })
                    .collect();
                let mean =
                    |pick: fn(&(f64, f64)) -> f64| errors.iter().map(pick).sum::<f64>() / errors.len() as f64;
                for (unit, own) in [("scaled", mean(|error| error.0)), ("original", mean(|error| error.1))] {
                    let stored = lab.scalar(&format!(
                        "select value from metrics where run_id = '{run_id}' and part = 'test' and unit = '{unit}' \
                         and name = 'mae' and target = '{}'",
                        table.targets[target]
                    ));
                    let ratio = own / stored.as_f64().unwrap();
                    assert!((ratio - 1.0).abs() < 1e-9, "{row} {unit}: {own} {stored}");
                }
            }
        }
        let trace = source.to_str().unwrap();
        let call = ["predict", "--experiment", name, "--trace", trace, "--steps", "6", "--format", "json"];
        let outcome = lab.call(&call);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let forecast: Value = serde_json::from_str(&outcome.stdout).unwrap();
        for step in forecast["steps"].as_array().unwrap() {
            let numbers = step.as_object().unwrap().values().filter_map(Value::as_f64);
            assert!(numbers.into_iter().all(|value| value >= 0.0), "{step}");
        }
        let report = std::fs::read_to_string(lab.results().join(name).join("report.txt")).unwrap();
        let last = report.split("Last forecasts").nth(1).unwrap();
        assert!(last_forecasts(last).len() >= 3 * 10, "{report}");
        assert!(last_forecasts(last).iter().all(|&forecast| forecast >= 0.0), "{report}");
        let report = std::fs::read_to_string(lab.results().join(name).join("report.md")).unwrap();
        assert!(report.contains("point in 50 %"), "{report}");
    }
    assert!(clamped > 0, "no forecast reached the bound, so that nothing was shown");
}

#[test]
fn a_constant_channel_is_forecast_as_its_constant() {
    let lab = Lab::new();
    let mut text = String::from("date,moves,zero,five,tiny,far\n");
    for row in 0..400_u32 {
        let (day, hour) = (row / 24, row % 24);
        let noise = f64::from(row * 7919 % 101) / 101.0;
        writeln!(text, "2020-01-{:02} {hour:02}:00:00,{noise},0,5,{:e},100000000.5", 1 + day, noise * 1e-30)
            .unwrap();
    }
    let path = lab.file("constants.csv", &text);
    let models = "[training]\nepochs = 2\n[[models]]\n[models.lstm]\nhidden = 4\n[[models]]\n[models.dlinear]\nkernel = 5\n\
        [[models]]\n[models.mean]\n[[models]]\n[models.linear]\nsolver = \"least_squares\"\n[[models]]\n[models.kalman]\n\
        [[models]]\n[models.boosted_trees]\ntrees = 10\n[[models]]\n[models.zero]\n";
    let experiment = format!(
        "name = \"constants\"\n[dataset]\nsource = \"{}\"\n[task.series]\nlookback = 12\nhorizon = 2\n{models}",
        path.display()
    );
    lab.run(&lab.file("constants.toml", &experiment), &[]);
    for row in lab.query("select run_id, model from runs") {
        let run_id = row["run_id"].as_str().unwrap();
        let path = lab.results().join("runs").join(run_id).join("predictions.parquet");
        let table = read_predictions(&path).unwrap();
        for (name, constant) in [("zero", 0.0), ("five", 5.0), ("far", 100_000_000.5)] {
            let wanted = if row["model"] == "zero" { 0.0 } else { constant };
            let target = table.targets.iter().position(|target| target == name).unwrap();
            assert!(
                table.forecast[target].iter().all(|&value| (value - wanted).abs() <= 1e-6 * constant),
                "{row} {name}: {:?}",
                table.forecast[target][0]
            );
        }
        // What is tiny moves, and is scaled like anything else.
        let saved = SavedRun::read(&lab.results(), run_id).unwrap();
        let tiny = saved.scaler.channels.iter().find(|scale| scale.channel.name == "tiny").unwrap();
        assert!(!tiny.constant && tiny.std < 1e-30, "{tiny:?}");
    }
}

#[test]
fn a_filter_in_original_units_follows_a_series_far_from_zero() {
    let lab = Lab::new();
    let mut text = String::from("date,near,far\n");
    for row in 0..400_u32 {
        let (day, hour) = (row / 24, row % 24);
        let noise = f64::from(row * 7919 % 101) / 32.0;
        writeln!(text, "2020-01-{:02} {hour:02}:00:00,{noise},{}", 1 + day, noise + 1e6).unwrap();
    }
    let path = lab.file("far.csv", &text);
    let experiment = format!(
        "name = \"far\"\n[dataset]\nsource = \"{}\"\n[task.series]\nlookback = 24\n[[models]]\n[models.kalman]\n",
        path.display()
    );
    lab.run(&lab.file("far.toml", &experiment), &[]);
    let mse = |target: &str| {
        let sql = format!(
            "select value from metrics where part = 'test' and unit = 'original' and name = 'mse' and target = '{target}'"
        );
        lab.scalar(&sql).as_f64().unwrap()
    };
    assert!((mse("near") / mse("far") - 1.0).abs() < 1e-9, "{} {}", mse("near"), mse("far"));
    let trace = path.to_str().unwrap();
    let shown = lab.call(&["predict", "--experiment", "far", "--trace", trace, "--steps", "2"]);
    let line = shown.stdout.lines().last().unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let to = words.iter().rposition(|word| *word == "to").unwrap();
    assert_ne!(words[to - 1], words[to + 1], "{}", shown.stdout);
}

#[test]
fn the_units_of_prophet_matter_for_a_series_and_those_of_arima_are_refused() {
    let lab = Lab::new();
    let mut text = String::from("date,level\n");
    for row in 0..400_u32 {
        let (day, hour) = (row / 24, row % 24);
        let level = 1_000 + row * 7919 % 101 + if row % 100 < 50 { 3 * (row % 100) } else { 0 };
        writeln!(text, "2020-01-{:02} {hour:02}:00:00,{level}", 1 + day).unwrap();
    }
    let path = lab.file("far.csv", &text);
    let experiment = |model: &str| {
        format!(
            "name = \"far\"\n[dataset]\nsource = \"{}\"\n[task.series]\nlookback = 24\n[[models]]\n{model}",
            path.display()
        )
    };
    let units = "[models.prophet]\nunits = { grid = [\"original\", \"scaled\"] }\n";
    lab.run(&lab.file("far.toml", &experiment(units)), &[]);
    let mse = lab.query(
        "select value from metrics where part = 'test' and unit = 'original' and name = 'mse' and target = 'level'",
    );
    // A change of the slope is penalised as a share of the largest value, which is another one when the mean is zero.
    let [original, scaled] = [0, 1].map(|at: usize| mse[at]["value"].as_f64().unwrap());
    assert!((original / scaled - 1.0).abs() > 1e-3, "{original} beside {scaled}");
    // The saved curve is the one that was scored.
    let run_id = lab.scalar("select run_id from runs where params like '%original%'");
    let saved = SavedRun::read(&lab.results(), run_id.as_str().unwrap()).unwrap();
    let model = saved.load(&lab.results(), &ComputeDevice::cpu()).unwrap();
    let prepared = Loader::default().prepare(&saved.spec, 0).unwrap();
    let again = model.forecast(&prepared.windows(Part::Test, saved.spec.task.lookback(), 1));
    let folder = lab.results().join("runs").join(run_id.as_str().unwrap());
    let table = read_predictions(&folder.join("predictions.parquet")).unwrap();
    let kept: Vec<f32> = table.test_rows().map(|row| table.scaled_forecast[0][row]).collect();
    assert_eq!(again, kept);
    let file = lab.file("far.toml", &experiment("[models.arima]\nunits = \"scaled\"\n"));
    let refused = lab.call(&["run", file.to_str().unwrap()]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("units = \"scaled\" has no effect") && refused.stderr.contains("^^^^^^^^"),
        "{}",
        refused.stderr
    );
}

#[test]
fn the_smearing_correction_turns_medians_into_means() {
    let lab = Lab::new();
    let text = |name: &str, more: &str| {
        format!(
            "name = \"{name}\"\n[dataset]\nsource = \"{}\"\n[task.next_request]\nlookback = 12\nhorizon = 2\n{more}\
             [[models]]\n[models.mean]\n[[models]]\n[models.linear]\nsolver = \"least_squares\"\n[[models]]\n\
             [models.ensemble]\nmembers = [\"mean\", \"linear\"]\n",
            azure_excerpt().display()
        )
    };
    lab.run(&lab.file("median.toml", &text("median", "")), &[]);
    lab.run(&lab.file("mean.toml", &text("mean", "[evaluation]\nbias_correction = \"smearing\"\n")), &[]);
    let bias = |experiment: &str, model: &str, target: &str| {
        lab.scalar(&format!(
            "select value from runs join metrics using (run_id) where experiment = '{experiment}' and model = '{model}' \
             and part = 'valid' and unit = 'original' and name = 'bias' and target = '{target}'"
        ))
        .as_f64()
        .unwrap()
    };
    for model in ["mean", "linear", "ensemble"] {
        for target in ["gap_s", "request_tokens", "response_tokens"] {
            let (before, after) = (bias("median", model, target), bias("mean", model, target));
            assert!(before < 0.0 && after.abs() < 0.5 * before.abs(), "{model} {target}: {before} {after}");
        }
        // Intervals are of the same errors, so that the correction does not move them.
        let widths = lab.query(&format!(
            "select value from runs join metrics using (run_id) where model = '{model}' and name = 'width_80' and \
             unit = 'scaled' and target = 'request_tokens' order by experiment"
        ));
        let [mean, median] = [0, 1].map(|index: usize| widths[index]["value"].as_f64().unwrap());
        assert!((mean / median - 1.0).abs() < 0.02, "{model}: {mean} {median}");
    }
    let report = |name: &str| std::fs::read_to_string(lab.results().join(name).join("report.txt")).unwrap();
    assert!(report("median").contains("and so a median") && report("mean").contains("smearing estimate"));
    // The correction is saved with the model.
    let trace = azure_excerpt();
    let predicted = |experiment: &str| -> f64 {
        let run = lab.scalar(&format!(
            "select run_id from runs where experiment = '{experiment}' and model = 'linear'"
        ));
        let run = run.as_str().unwrap();
        let call = ["predict", "--run", run, "--trace", trace.to_str().unwrap(), "--format", "json"];
        let outcome = lab.call(&call);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let forecast: Value = serde_json::from_str(&outcome.stdout).unwrap();
        forecast["steps"][0]["gap_s"].as_f64().unwrap()
    };
    assert!(predicted("mean") > predicted("median"));
}
