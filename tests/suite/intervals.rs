//! Intervals, from the experiment file to the prediction: on an excerpt of the real Azure trace, asked as a user asks.

use burstlab::dataset::{Loader, Part, read_predictions};
use burstlab::model::intervals::{LEVELS, interval};
use burstlab::stats::{MEDIAN, QUANTILES};
use burstlab::store::SavedRun;
use burstlab::train::ComputeDevice;
use serde_json::Value;

use crate::common::{Lab, azure_excerpt};

const MODELS: &str = "[task.next_request]\nlookback = 12\nhorizon = 2\n[training]\nepochs = 2\nbatch_size = 128\n\
    [[models]]\n[models.mean]\n[[models]]\n[models.moving_average]\n[[models]]\n[models.linear]\n\
    [[models]]\n[models.lstm]\nhidden = 4\n[[models]]\n[models.ensemble]\nmembers = [\"linear\", \"lstm\"]\n";

fn with(setting: &str) -> String {
    format!("{MODELS}[uncertainty]\nconformal = \"{setting}\"\n")
}

#[test]
fn every_model_is_scored_by_how_well_its_intervals_hold() {
    let lab = Lab::new();
    lab.run(&lab.azure("intervals", MODELS), &[]);
    // Five models, three targets in two units and their mean in scaled units, three levels.
    let covered = lab.query(
        "select model, target, unit, name, value from runs join metrics using (run_id) where name like 'coverage%'",
    );
    assert_eq!(covered.len(), 5 * 7 * 3);
    for row in &covered {
        let level: f64 = row["name"].as_str().unwrap().strip_prefix("coverage_").unwrap().parse().unwrap();
        let value = row["value"].as_f64().unwrap();
        // Two hundred and ninety-nine test windows: four deviations of a share are 9 %.
        assert!((100.0 * value - level).abs() < 9.0, "{row}");
    }
    let parts =
        lab.query("select distinct part from metrics where name in ('crps', 'pinball', 'winkler_80')");
    assert_eq!(parts.len(), 1, "intervals are scored on the test part alone: {parts:?}");
    // A value within the interval in one unit is within it in the other.
    let differing = lab.scalar(
        "select count(*) from metrics a join metrics b using (run_id, part, target, name) where a.unit = 'scaled' \
         and b.unit = 'original' and name like 'coverage%' and a.value <> b.value",
    );
    assert_eq!(differing, 0);
}

#[test]
fn the_calibration_half_is_named_in_the_verdict_and_belongs_to_no_other_part() {
    let lab = Lab::new();
    let text = format!("{MODELS}[split]\nembargo = 3\n");
    lab.run(&lab.azure("verdict", &text), &[]);
    // 1,999 steps: validation is 1399..1699, its halves 1399..1549 and 1549..1699, each after an embargo of three.
    for row in lab.query("select leak_verdict from run_records") {
        let verdict = row["leak_verdict"].as_str().unwrap();
        assert!(verdict.contains("valid targets 1402..1549, calibration targets 1552..1699"), "{verdict}");
        assert!(verdict.contains("intervals calibrated on steps 1552..1699"), "{verdict}");
    }
    for row in lab.query("select run_id, leak_verdict from run_records") {
        let saved = SavedRun::read(&lab.results(), row["run_id"].as_str().unwrap()).unwrap();
        assert_eq!(
            saved.leak_verdict.0,
            row["leak_verdict"].as_str().unwrap(),
            "what ran is what was proved"
        );
    }
}

#[test]
fn the_method_changes_the_intervals_and_no_forecast() {
    let lab = Lab::new();
    for setting in ["adaptive", "split"] {
        lab.run(&lab.azure(setting, &with(setting)), &[]);
    }
    let values = |experiment: &str, names: &str| {
        lab.query(&format!(
            "select model, part, target, unit, name, value from runs join metrics using (run_id) \
             where experiment = '{experiment}' and name {names} order by 1, 2, 3, 4, 5"
        ))
    };
    assert_eq!(values("adaptive", "in ('mse', 'mae')"), values("split", "in ('mse', 'mae')"));
    assert_ne!(values("adaptive", "= 'width_80'"), values("split", "= 'width_80'"));
}

#[test]
fn without_intervals_selection_sees_the_whole_validation_part() {
    let lab = Lab::new();
    lab.run(&lab.azure("none", &with("none")), &[]);
    lab.run(&lab.azure("halved", MODELS), &[]);
    let count = "select count(*) from metrics join experiment_runs using (run_id) where experiment = 'none'";
    assert_eq!(lab.scalar(&format!("{count} and name like 'coverage%'")), 0);
    let valid = |experiment: &str| {
        lab.scalar(&format!(
            "select value from runs join metrics using (run_id) where experiment = '{experiment}' and model = 'mean' \
             and part = 'valid' and target = 'all' and name = 'mse'"
        ))
    };
    assert_ne!(valid("none"), valid("halved"), "the halves are not alike");
    let run = lab.scalar("select run_id from runs where experiment = 'none' and model = 'linear'");
    let run = run.as_str().unwrap();
    let verdict = lab.scalar(&format!("select leak_verdict from run_records where run_id = '{run}'"));
    assert!(verdict.as_str().unwrap().contains("valid targets 1399..1699, test"), "{verdict}");
    assert!(!lab.results().join("runs").join(run).join("intervals.safetensors").exists());
    let trace = azure_excerpt();
    let outcome =
        lab.call(&["predict", "--run", run, "--trace", trace.to_str().unwrap(), "--format", "json"]);
    let forecast: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(forecast["conformal"], "none");
    assert!(forecast["steps"][0].get("gap_s_intervals").is_none());
}

#[test]
fn the_kept_quantiles_cover_what_the_store_says() {
    let lab = Lab::new();
    lab.run(&lab.azure("kept", MODELS), &[]);
    let runs = lab.query("select run_id from runs");
    assert_eq!(runs.len(), 5);
    for row in runs {
        let run_id = row["run_id"].as_str().unwrap();
        let path = lab.results().join("runs").join(run_id).join("predictions.parquet");
        let table = read_predictions(&path).unwrap();
        assert!(table.part.iter().any(|part| part == "calibration"));
        for (target, name) in table.targets.iter().enumerate() {
            for (index, level) in LEVELS.iter().enumerate() {
                let mut within = 0;
                let mut all = 0;
                for row in (0..table.part.len()).filter(|&row| table.part[row] == "test") {
                    let bounds: [f64; 7] =
                        std::array::from_fn(|quantile| table.quantiles[target][quantile][row]);
                    assert!(bounds.is_sorted() && bounds[0] >= 0.0, "{bounds:?}");
                    let (lower, upper) = interval(&bounds, index);
                    all += 1;
                    // The file rounds to single precision: a value on the edge may end up a hair beyond it.
                    let slack = 1e-6 * (1.0 + upper.abs());
                    within +=
                        usize::from((lower - slack..=upper + slack).contains(&table.actual[target][row]));
                }
                let stored = lab.scalar(&format!(
                    "select value from metrics where run_id = '{run_id}' and target = '{name}' and \
                     unit = 'original' and name = 'coverage_{level}'"
                ));
                let share = within as f64 / all as f64;
                assert!((share - stored.as_f64().unwrap()).abs() < 1e-9, "{share} {stored}");
            }
        }
        let calibrated = (0..table.part.len()).filter(|&row| table.part[row] != "test");
        assert!(calibrated.into_iter().all(|row| table.quantiles[0][0][row].is_nan()));
    }
}

#[test]
fn errors_are_broken_down_by_hour_burst_state_and_size() {
    let lab = Lab::new();
    lab.run(&lab.azure("where", MODELS), &[]);
    // Each dimension divides the same forecasts: the parts make up the whole.
    let whole = lab.query(
        "select run_id, target, value from metrics where part = 'test' and unit = 'original' and name = 'mae'",
    );
    assert_eq!(whole.len(), 5 * 3);
    for row in &whole {
        let (run_id, target) = (row["run_id"].as_str().unwrap(), row["target"].as_str().unwrap());
        for dimension in ["hour", "burst_state", "size"] {
            let parts = lab.query(&format!(
                "select sum(forecasts) as n, sum(value * forecasts) / sum(forecasts) as mae from breakdowns \
                 where run_id = '{run_id}' and target = '{target}' and dimension = '{dimension}' and name = 'mae'"
            ));
            assert_eq!(parts[0]["n"], 299 * 2, "{dimension}");
            let ratio = parts[0]["mae"].as_f64().unwrap() / row["value"].as_f64().unwrap();
            assert!((ratio - 1.0).abs() < 1e-9, "{dimension} {ratio}");
        }
    }
    let hours = lab.query("select distinct bucket from breakdowns where dimension = 'hour'");
    assert_eq!(hours[0]["bucket"], "18", "the excerpt starts at 18:15");
    assert_eq!(lab.query("select distinct bucket from breakdowns where dimension = 'size'").len(), 4);
    let run = whole[0]["run_id"].as_str().unwrap();
    let shown = lab.call(&["show", run]);
    assert!(shown.stdout.contains("burst_state") && shown.stdout.contains("coverage_80"), "{}", shown.stdout);
    let json: Value = serde_json::from_str(&lab.call(&["show", run, "--format", "json"]).stdout).unwrap();
    assert!(json["breakdowns"].as_array().unwrap().len() > 3 * 3);
    assert_eq!(lab.call(&["runs", "--sort", "test.coverage_80.gap_s"]).code, 0);
}

#[test]
fn predict_gives_nested_intervals_with_every_step() {
    let lab = Lab::new();
    lab.run(&lab.azure("steps", MODELS), &[]);
    let trace = azure_excerpt();
    let arguments = ["predict", "--experiment", "steps", "--trace", trace.to_str().unwrap(), "--steps", "5"];
    let outcome = lab.call(&[&arguments[..], &["--format", "json"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let forecast: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(forecast["conformal"], "adaptive");
    let steps = forecast["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 5);
    let mut widths = Vec::new();
    for step in steps {
        for target in ["gap_s", "request_tokens", "response_tokens"] {
            let ends = |level: &str, end: usize| {
                step[format!("{target}_intervals")][level][end].as_f64().unwrap_or_else(|| panic!("{step}"))
            };
            let lower = [ends("95", 0), ends("80", 0), ends("50", 0)];
            let upper = [ends("50", 1), ends("80", 1), ends("95", 1)];
            assert!(
                lower.is_sorted() && upper.is_sorted() && lower[2] <= upper[0] && lower[0] >= 0.0,
                "{step}"
            );
        }
        let ratio = step["request_tokens_intervals"]["80"][1].as_f64().unwrap() + 1.0;
        widths.push(ratio / (step["request_tokens"].as_f64().unwrap() + 1.0));
    }
    // Beyond the horizon of two the model is fed its own forecasts, and its intervals never shrink.
    assert!(widths[2] >= widths[1] * 0.999 && widths[4] >= widths[2] * 0.999, "{widths:?}");
    let human = lab.call(&arguments);
    assert!(human.stdout.contains("80 % of gap_s") && human.stdout.contains(" to "), "{}", human.stdout);
}

#[test]
fn a_trace_too_short_for_a_backtest_has_no_interval_beyond_the_horizon_and_predict_says_so() {
    let lab = Lab::new();
    lab.run(&lab.azure("brief", MODELS), &[]);
    let text = std::fs::read_to_string(azure_excerpt()).unwrap();
    let short = lab.file("short.csv", &text.lines().take(40).collect::<Vec<_>>().join("\n"));
    let outcome = lab.call(&[
        "predict",
        "--experiment",
        "brief",
        "--trace",
        short.to_str().unwrap(),
        "--steps",
        "3",
        "--format",
        "json",
    ]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("no intervals beyond step 2"), "{}", outcome.stderr);
    let forecast: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert!(forecast["steps"][1].get("gap_s_intervals").is_some());
    assert!(forecast["steps"][2].get("gap_s_intervals").is_none());
}

#[test]
fn quantile_heads_are_trained_saved_and_calibrated() {
    let lab = Lab::new();
    let text = "[task.next_request]\nlookback = 12\nhorizon = 2\n\
        [training]\nloss = { grid = [\"mse\", \"pinball\"] }\nepochs = 4\nbatch_size = 64\nlearning_rate = 5e-3\n\
        [[models]]\n[models.mean]\n[[models]]\n[models.linear]\n[[models]]\n[models.nlinear]\nper_channel = true\n\
        [[models]]\n[models.dlinear]\nkernel = 5\n[[models]]\n[models.lstm]\nhidden = 4\n[[models]]\n[models.gru]\nhidden = 4\n\
        [[models]]\n[models.ts_mixer]\nhidden = 4\nblocks = 1\n[[models]]\n[models.tcn]\nhidden = 4\nblocks = 2\n";
    lab.run(&lab.azure("heads", text), &[]);
    // A model without heads reads no loss and runs once.
    assert_eq!(lab.scalar("select count(*) from runs"), 1 + 7 * 2);
    let runs = lab.query("select run_id, model from runs where params->>'$.training.loss' = 'pinball'");
    assert_eq!(runs.len(), 7);
    for row in runs {
        let run_id = row["run_id"].as_str().unwrap();
        let losses =
            lab.query(&format!("select train_loss from epochs where run_id = '{run_id}' order by epoch"));
        let loss = |epoch: usize| losses[epoch]["train_loss"].as_f64().unwrap();
        assert!(loss(3) < loss(0), "{row}: {losses:?}");
        // The pinball loss of a standard normal's true quantiles is about .2, its squared error 1.
        assert!(loss(3) < 0.5, "{row}: {losses:?}");
        let saved = SavedRun::read(&lab.results(), run_id).unwrap();
        let model = saved.load(&lab.results(), &ComputeDevice::cpu()).unwrap();
        let prepared = Loader::default().prepare(&saved.spec, saved.fold).unwrap();
        let windows = prepared.windows(Part::Test, model.lookback(), 2);
        let quantiles = model.quantiles(&windows).unwrap();
        assert_eq!(quantiles.len(), windows.len() * 2 * 3 * QUANTILES.len());
        assert!(
            quantiles.chunks_exact(QUANTILES.len()).all(<[f32]>::is_sorted),
            "heads that cross are sorted"
        );
        let medians: Vec<f32> = quantiles.chunks_exact(QUANTILES.len()).map(|heads| heads[MEDIAN]).collect();
        assert_eq!(model.forecast(&windows), medians);
        // Each head learned a quantile of its own: the outer ones are apart from the median nearly everywhere.
        let apart = quantiles.chunks_exact(QUANTILES.len()).filter(|heads| heads[6] - heads[0] > 0.5).count();
        assert!(apart * 10 > 9 * medians.len(), "{row}: {apart} of {}", medians.len());
    }
    let covered = lab.query(
        "select model, target, value from runs join metrics using (run_id) where name = 'coverage_80' and \
         unit = 'scaled' and target <> 'all' and params->>'$.training.loss' = 'pinball'",
    );
    assert_eq!(covered.len(), 7 * 3);
    for row in covered {
        assert!((row["value"].as_f64().unwrap() - 0.8).abs() < 0.09, "{row}");
    }
}
