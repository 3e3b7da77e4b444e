//! What is learned by gradient descent, and by trees.

use super::*;

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
