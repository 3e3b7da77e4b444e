//! Models that are saved and asked again.

use super::*;

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
