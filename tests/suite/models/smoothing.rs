//! Models of trends and seasons: smoothing, filters, ARIMA, Prophet.

use super::*;

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
