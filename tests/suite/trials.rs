//! The trials of a search as a user looks at them: the list, which hyperparameters matter, the best one, and a run that is
//! executed again.

use serde_json::Value;

use crate::common::{Lab, VALID, azure_excerpt};

/// A search over two hyperparameters of two models, with a rule that prunes.
const SEARCH: &str = r#"
max_rows = 900
[task.next_request]
lookback = 5
[training]
epochs = 4
batch_size = 64
learning_rate = { log_uniform = [1e-4, 1e-1] }
[[models]]
[models.persistence]
[[models]]
[models.linear]
[[models]]
[models.gru]
hidden = { grid = [2, 4] }
[search]
strategy = "random"
trials = 12
seeds = [1, 2]
[search.pruner.asha]
reduction_factor = 2
min_epochs = 1
"#;

/// One trained model with two seeds, and an ensemble of it and a baseline.
const ENSEMBLE: &str = r#"
max_rows = 600
[task.next_request]
lookback = 5
[training]
epochs = 2
[[models]]
[models.persistence]
[[models]]
[models.linear]
[[models]]
[models.ensemble]
members = ["linear", "persistence"]
[search]
seeds = [1, 2]
"#;

fn json(lab: &Lab, arguments: &[&str]) -> Value {
    let mut arguments = arguments.to_vec();
    arguments.extend(["--format", "json"]);
    let outcome = lab.call(&arguments);
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.stdout, outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

fn run_of(lab: &Lab, model: &str) -> String {
    let sql = format!("select run_id from runs where model = '{model}' and status = 'done' order by run_id");
    lab.scalar(&sql).as_str().unwrap().to_string()
}

#[test]
fn every_trial_has_a_row_with_what_came_of_it() {
    let lab = Lab::new();
    lab.run(&lab.azure("search", SEARCH), &[]);
    let found = json(&lab, &["trials", "search"]);
    let setting = &found["settings"][0];
    let trials = setting["trials"].as_array().unwrap();
    let runs: usize = trials.iter().map(|trial| trial["run_ids"].as_array().unwrap().len()).sum();
    assert_eq!(Some(runs as i64), lab.scalar("select count(*) from runs").as_i64());
    let objectives: Vec<f64> = trials
        .iter()
        .filter(|trial| trial["done"] == trial["runs"])
        .map(|trial| trial["objective"].as_f64().unwrap())
        .collect();
    assert!(objectives.windows(2).all(|pair| pair[0] <= pair[1]), "{objectives:?}");
    let pruned: Vec<&Value> = trials.iter().filter(|trial| !trial["pruned_at"].is_null()).collect();
    assert!(!pruned.is_empty(), "the rule pruned some trial");
    for trial in pruned {
        assert!(trial["outcome"].as_str().unwrap().starts_with("pruned at epoch "), "{trial}");
        assert!(trial["epochs"][0].as_i64() < Some(4) && trial["most_epochs"] == 4, "{trial}");
        assert_eq!(trial["proposed_by"], "random");
    }
    let baseline = trials.iter().find(|trial| trial["model"] == "persistence").unwrap();
    assert!(baseline["proposed_by"].is_null() && baseline["epochs"].is_null(), "{baseline}");
    let gru = trials.iter().find(|trial| trial["model"] == "gru").unwrap();
    let names: Vec<&String> = gru["hyperparameters"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["hidden", "learning_rate"]);
    let text = lab.call(&["trials", "search", "--limit", "3"]);
    assert!(text.stderr.contains("showing 3 of 25 trials"), "{}", text.stderr);
    assert!(text.stdout.contains("importance of the hyperparameters"), "{}", text.stdout);
}

#[test]
fn a_hyperparameter_that_matters_gets_the_larger_share() {
    let lab = Lab::new();
    let text = SEARCH.replace("trials = 12\nseeds = [1, 2]", "trials = 16\nseeds = [1]");
    let text = text
        .split("[search.pruner")
        .next()
        .unwrap()
        .replace("hidden = { grid = [2, 4] }", "hidden = { grid = [3, 4] }");
    lab.run(&lab.azure("search", &text), &[]);
    let found = json(&lab, &["trials", "search"]);
    let importance = found["settings"][0]["importance"].as_array().unwrap();
    let gru = importance.iter().find(|own| own["model"] == "gru").unwrap();
    let [rate, hidden] = ["learning_rate", "hidden"].map(|name| gru["shares"][name].as_f64().unwrap());
    assert!(
        (rate + hidden - 1.0).abs() < 1e-9 && rate > 0.7,
        "a factor of 1000 in the rate, one unit: {gru}"
    );
    assert_eq!(gru["trials"], 16);
    let text = lab.call(&["trials", "search"]).stdout;
    assert!(text.contains("a rough guess from so few trials"), "{text}");
}

#[test]
fn too_few_trials_have_no_importance_but_a_reason() {
    let lab = Lab::new();
    let text = VALID.replace("hidden = 4", "hidden = { grid = [3, 4] }");
    lab.run(&lab.file("e.toml", &text), &[]);
    let importance = &json(&lab, &["trials", "e"])["settings"][0]["importance"][0];
    assert!(importance["shares"].is_null());
    assert_eq!(importance["unknown_because"], "it takes 10 finished trials, and 2 finished");
    let text = lab.call(&["trials", "e"]).stdout;
    assert!(text.contains("lstm: unknown, since it takes 10 finished trials"), "{text}");
}

#[test]
fn trials_as_csv_have_a_column_for_each_hyperparameter() {
    let lab = Lab::new();
    let text = VALID.replace("hidden = 4", "hidden = { grid = [3, 4] }");
    lab.run(&lab.file("e.toml", &text), &[]);
    let outcome = lab.call(&["trials", "e", "--format", "csv", "--sort", "model"]);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines[0].starts_with("setting,rank,model,valid.mse,spread,test.mse,"), "{}", lines[0]);
    assert!(lines[0].ends_with(",hidden"), "{}", lines[0]);
    assert_eq!(lines.len(), 4);
    assert!(lines[1].contains(",lstm,") && lines[3].contains(",persistence,"), "{lines:?}");
}

#[test]
fn an_experiment_that_is_not_there_is_refused_with_the_names_that_are() {
    let lab = Lab::new();
    lab.run(&lab.file("e.toml", VALID), &[]);
    for arguments in [&["trials", "f"][..], &["best", "--experiment", "f"]] {
        let outcome = lab.call(arguments);
        assert_ne!(outcome.code, 0);
        assert!(outcome.stderr.contains("no experiment `f`"), "{}", outcome.stderr);
    }
}

#[test]
fn the_best_trial_comes_with_its_keys_its_files_and_its_command() {
    let lab = Lab::new();
    lab.run(&lab.azure("search", SEARCH), &[]);
    let best = &json(&lab, &["best"])[0];
    let first = json(&lab, &["trials", "search"])["settings"][0]["trials"][0].clone();
    assert_eq!((&best["model"], &best["value"]), (&first["model"], &first["objective"]));
    assert_eq!(best["best_run"], first["best_run"]);
    assert!(
        std::path::Path::new(best["folder"].as_str().unwrap()).join("run.toml").is_file()
            || best["saved"] == true
    );
    // The keys make an experiment of that one trial, whose runs are the recorded ones.
    let keys = best["keys"].as_str().unwrap();
    assert!(keys.contains("[[models]]"), "{keys}");
    let text = lab.call(&["best", "--experiment", "search", "--since", "1h", "--metric", "test.mae"]);
    assert_eq!(text.code, 0, "{}", text.stderr);
    assert!(text.stdout.contains("reproduce  burstlab rerun "), "{}", text.stdout);
    assert!(text.stderr.contains("chosen on the test part"), "{}", text.stderr);
}

#[test]
fn what_chooses_no_trial_is_refused() {
    let lab = Lab::new();
    lab.run(&lab.file("e.toml", VALID), &[]);
    let refused = |arguments: &[&str], reason: &str| {
        let outcome = lab.call(arguments);
        assert_eq!(outcome.code, 2, "{arguments:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(reason), "{}", outcome.stderr);
    };
    refused(&["best", "--metric", "valid.coverage_80"], "does not tell which of two forecasts is better");
    refused(&["best", "--metric", "nonsense"], "is not a metric");
    refused(&["best", "--since", "yesterday"], "neither an age nor a date");
    refused(&["best", "--since", "2100-01-01"], "no run of the store");
    refused(&["trials", "e", "--sort", "nonsense"], "invalid value");
}

#[test]
fn a_run_that_is_executed_again_gives_the_same_numbers_and_leaves_the_store_alone() {
    let lab = Lab::new();
    lab.run(&lab.azure("e", ENSEMBLE), &[]);
    let state = |lab: &Lab| {
        lab.query(
            "select (select count(*) from attempts) as a, (select count(*) from events) as e, \
                   (select group_concat(status) from run_records) as s",
        )
    };
    let (before, metrics) = (state(&lab), lab.metrics("e"));
    for model in ["linear", "persistence", "ensemble"] {
        let run_id = run_of(&lab, model);
        let saved = std::fs::metadata(lab.results().join("runs").join(&run_id).join("run.toml")).unwrap();
        let outcome = lab.call(&["rerun", &run_id[..12]]);
        assert_eq!(outcome.code, 0, "{model}: {}{}", outcome.stdout, outcome.stderr);
        assert!(outcome.stdout.contains("the same numbers again, to the bit"), "{}", outcome.stdout);
        let after = std::fs::metadata(lab.results().join("runs").join(&run_id).join("run.toml")).unwrap();
        assert_eq!(saved.modified().unwrap(), after.modified().unwrap());
    }
    assert_eq!((state(&lab), lab.metrics("e")), (before, metrics));
}

#[test]
fn a_number_that_is_not_what_it_was_is_named() {
    let lab = Lab::new();
    lab.run(&lab.azure("e", ENSEMBLE), &[]);
    let run_id = run_of(&lab, "persistence");
    lab.execute(
        "update metric_values set value = value + 1e-9 where metric = (select metric from metric_keys where part = 'test' \
         and target = 'all' and unit = 'scaled' and name = 'mse')",
    );
    let outcome = lab.call(&["rerun", &run_id]);
    assert_eq!(outcome.code, 1, "{}{}", outcome.stdout, outcome.stderr);
    assert!(
        outcome.stdout.contains("1 of ") && outcome.stdout.contains("test all scaled mse"),
        "{}",
        outcome.stdout
    );
    let outcome = lab.call(&["rerun", &run_id, "--format", "json"]);
    let found: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((&found["same"], found["changes"].as_array().unwrap().len()), (&Value::Bool(false), 1));
}

#[test]
fn a_run_that_cannot_be_compared_is_refused_before_it_runs() {
    let lab = Lab::new();
    let source = lab.folder.path().join("trace.csv");
    std::fs::copy(azure_excerpt(), &source).unwrap();
    let text = format!("name = \"e\"\n[dataset]\nsource = \"{}\"\n{ENSEMBLE}", source.display());
    lab.run(&lab.file("e.toml", &text), &[]);
    let refused = |run_id: &str, reason: &str| {
        let outcome = lab.call(&["rerun", run_id]);
        assert_eq!(outcome.code, 2, "{}{}", outcome.stdout, outcome.stderr);
        assert!(outcome.stderr.contains(reason), "{}", outcome.stderr);
    };
    let (linear, ensemble) = (run_of(&lab, "linear"), run_of(&lab, "ensemble"));
    let member = run_of(&lab, "persistence");
    std::fs::remove_dir_all(lab.results().join("runs").join(&ensemble)).unwrap();
    refused(&ensemble, "is an ensemble, and the saved files of run");
    lab.execute(&format!("update run_records set device = 'cuda' where run_id = '{linear}'"));
    refused(&linear, "was computed on cuda, and other devices give other numbers");
    lab.execute(&format!(
        "update run_records set device = 'cpu', status = 'failed' where run_id = '{linear}'"
    ));
    refused(&linear, "is failed, so no result is recorded");
    let mut rows = std::fs::read_to_string(&source).unwrap();
    rows.truncate(rows.trim_end().rfind('\n').unwrap() + 1);
    std::fs::write(&source, rows).unwrap();
    refused(&member, "the data of run");
    std::fs::remove_file(&source).unwrap();
    refused(&member, "cannot be read");
    let unknown = lab.call(&["rerun", "ffffffff"]);
    assert!(unknown.code != 0 && unknown.stderr.contains("no run `ffffffff`"), "{}", unknown.stderr);
}
