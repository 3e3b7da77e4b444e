//! Packs: runs of one shape that are trained as one program, each recorded by itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::common::{Lab, kill, workers_of};

/// Three shapes that pack, and three kinds that do not.
const MIXED: &str = r#"
max_rows = 700
[task.next_request]
lookback = 8
horizon = 2
features = ["burst"]
[training]
epochs = 3
batch_size = 64
learning_rate = { grid = [1e-3, 3e-3] }
early_stopping_patience = 2
gradient_clip_norm = 1.0
[[models]]
[models.lstm]
hidden = 6
layers = 2
dropout = { grid = [0.0, 0.2] }
[[models]]
[models.dlinear]
kernel = 3
[[models]]
[models.tcn]
hidden = 4
blocks = 2
[[models]]
[models.nlinear]
solver = "least_squares"
[[models]]
[models.persistence]
[[models]]
[models.ensemble]
members = ["lstm", "dlinear"]
[search]
seeds = [1, 2]
"#;

/// Every metric of every run.
fn metrics(lab: &Lab) -> BTreeMap<String, f64> {
    let rows = lab.query(
        "select run_id || ' ' || part || ' ' || target || ' ' || unit || ' ' || name as key, value from metrics \
         union all select run_id || ' epoch ' || epoch, valid_loss from epochs",
    );
    let pair =
        |row: &serde_json::Value| (row["key"].as_str().unwrap().to_string(), row["value"].as_f64().unwrap());
    rows.iter().map(pair).collect()
}

#[test]
fn packed_runs_have_the_numbers_of_the_runs_alone_and_are_recorded_each_by_itself() {
    let (alone, packed) = (Lab::new(), Lab::new());
    alone.run(&alone.azure("mixed", MIXED), &["--slots", "1"]);
    let file = packed.azure("mixed", MIXED);
    let set = ["--slots", "1", "--set", "scheduler.pack=6"];
    let plan = packed.run(&file, &[&set[..], &["--dry-run"]].concat()).stdout;
    for line in [
        "8 runs of lstm together, at most 6 at once",
        "4 runs of dlinear together, at most 6 at once",
        "1 run of persistence alone: it is not trained by gradient descent",
        "alone: an ensemble is chosen from other runs",
    ] {
        assert!(plan.contains(line), "`{line}` is missing in\n{plan}");
    }
    packed.run(&file, &set);
    let (expected, found) = (metrics(&alone), metrics(&packed));
    assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    for (key, expected) in &expected {
        let apart = (found[key] - expected).abs() / expected.abs().max(1e-3);
        // A share of forecasts that hit an interval jumps by whole windows.
        let is_count = ["coverage", "share", "sign"].iter().any(|name| key.contains(name));
        assert!(apart < if is_count { 0.05 } else { 1e-4 }, "{key}: {} not {expected}", found[key]);
    }
    let runs = packed.query(
        "select r.run_id, r.status, r.model, (select count(*) from attempts a where a.run_id = r.run_id) as attempts, \
         (select kind || ': ' || detail from events e where e.run_id = r.run_id and kind in ('packed', 'alone')) as packed from runs r",
    );
    assert_eq!(runs.len(), expected_runs(&alone));
    for run in &runs {
        assert_eq!((run["status"].as_str(), run["attempts"].as_i64()), (Some("done"), Some(1)), "{run}");
        let folder = packed.results().join("runs").join(run["run_id"].as_str().unwrap());
        assert!(folder.join("model.safetensors").exists() && folder.join("predictions.parquet").exists());
        let packed = run["packed"].as_str().unwrap();
        let expected = match run["model"].as_str().unwrap() {
            "lstm" => [
                "packed: together with 5 other runs of its shape",
                "packed: together with 1 other run of its shape",
            ],
            "dlinear" | "tcn" => ["packed: together with 3 other runs of its shape"; 2],
            "ensemble" => ["alone: an ensemble is chosen from other runs"; 2],
            _ => ["alone: it is not trained by gradient descent"; 2],
        };
        assert!(expected.contains(&packed), "{run}");
    }
    let lstm = runs.iter().find(|run| run["model"] == "lstm").unwrap()["run_id"].as_str().unwrap();
    let explained = packed.call(&["explain", lstm]).stdout;
    assert!(explained.contains("packed      together with 5 other runs of its shape"), "{explained}");
    let again = packed.call(&["rerun", lstm]);
    assert!(
        again.stdout.contains("gave the same numbers again, to the bit"),
        "{} {}",
        again.stdout,
        again.stderr
    );
}

fn expected_runs(lab: &Lab) -> usize {
    lab.query("select run_id from runs").len()
}

/// Runs of one shape that take some seconds together.
const LONG: &str = r#"
max_rows = 1500
[task.next_request]
lookback = 24
[training]
epochs = 20
batch_size = 32
[scheduler]
pack = 4
backoff = "10ms"
[[models]]
[models.lstm]
hidden = 12
[search]
seeds = [1, 2, 3, 4]
"#;

fn wait_for(lab: &Lab, sql: &str, least: i64) {
    let started = Instant::now();
    while !lab.results().join("burstlab.db").exists()
        || lab.call(&["query", sql]).code != 0
        || lab.scalar(sql).as_i64().unwrap() < least
    {
        assert!(started.elapsed() < Duration::from_mins(2), "{sql}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_pack_that_dies_costs_each_of_its_runs_one_attempt_and_they_are_tried_again_alone() {
    let lab = Lab::new();
    let file = lab.azure("long", LONG);
    let mut sweep = lab.start(&file, &["--slots", "1", "--set", "training.epochs=12"]);
    wait_for(&lab, "select count(*) from epochs", 4);
    let workers = workers_of(sweep.id());
    assert_eq!(workers.len(), 1, "a pack has one worker");
    kill(workers[0], "KILL");
    assert!(sweep.wait().unwrap().success());
    let attempts =
        lab.query("select status, count(*) as count from attempts group by status order by status");
    let counts: Vec<_> = attempts
        .iter()
        .map(|row| (row["status"].as_str().unwrap(), row["count"].as_i64().unwrap()))
        .collect();
    assert_eq!(counts, [("done", 4), ("failed", 4)]);
    assert_eq!(
        lab.scalar("select count(*) from events where kind = 'alone' and detail = 'it has lost an attempt'"),
        4
    );
    let epochs =
        lab.query("select run_id, count(*) as epochs, max(epoch) as last from epochs group by run_id");
    assert!(epochs.iter().all(|row| row["epochs"] == 12 && row["last"] == 12), "{epochs:?}");
}

#[test]
fn a_supervisor_that_is_killed_in_a_pack_loses_nothing() {
    let lab = Lab::new();
    let file = lab.azure("long", LONG);
    let mut sweep = lab.start(&file, &["--slots", "1"]);
    wait_for(&lab, "select count(*) from epochs", 8);
    sweep.kill().unwrap();
    sweep.wait().unwrap();
    let again = lab.run(&file, &["--slots", "1", "--set", "scheduler.pack=2"]);
    assert!(again.stderr.contains("interrupted earlier"), "{}", again.stderr);
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 4);
    assert_eq!(lab.scalar("select count(*) from attempts where status = 'running'"), 0);
    assert_eq!(lab.scalar("select count(*) from attempts where status = 'done'"), 4);
    let packs = lab.query("select detail from events where kind = 'packed' order by event_id desc limit 4");
    assert!(packs.iter().all(|row| row["detail"] == "together with 1 other run of its shape"), "{packs:?}");
}

#[test]
fn a_run_of_a_pack_fails_by_itself_and_the_others_are_done() {
    let lab = Lab::new();
    let text = "max_rows = 500\n[task.next_request]\nlookback = 6\n[training]\nepochs = 2\n\
                learning_rate = { grid = [1e-3, 1e30] }\n[[models]]\n[models.gru]\nhidden = 4\n\
                [scheduler]\npack = 8\n[search]\nseeds = [1, 2]\n";
    let outcome = lab.call(&["run", lab.azure("diverges", text).to_str().unwrap(), "--slots", "1"]);
    assert_ne!(outcome.code, 0, "{}", outcome.stderr);
    let runs = lab.query("select status, error from runs order by status");
    let statuses: Vec<_> = runs.iter().map(|run| run["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["done", "done", "failed", "failed"]);
    assert!(runs[3]["error"].as_str().unwrap().contains("diverged at epoch 1"), "{runs:?}");
    assert_eq!(lab.scalar("select count(*) from attempts"), 4, "a run that diverges is not tried again");
}

#[test]
fn a_pruner_prunes_the_same_runs_in_a_pack() {
    let text = "max_rows = 600\n[task.next_request]\nlookback = 6\n[training]\nepochs = 4\n\
                learning_rate = { grid = [1e-2, 3e-3, 1e-3, 1e-4, 1e-5] }\n[[models]]\n[models.linear]\n\
                [search.pruner.asha]\nreduction_factor = 2\nmin_epochs = 1\n";
    let pruned = |pack: &str| {
        let lab = Lab::new();
        let set = format!("scheduler.pack={pack}");
        lab.run(&lab.azure("asha", text), &["--slots", "1", "--set", &set]);
        let rows = lab.query(
            "select run_id, status, (select max(epoch) from epochs e where e.run_id = r.run_id) as epochs \
             from runs r order by run_id",
        );
        rows.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let alone = pruned("1");
    assert!(alone.iter().any(|row| row.contains("pruned")) && alone.iter().any(|row| row.contains("done")));
    assert_eq!(pruned("5"), alone);
    assert_eq!(pruned("2"), alone, "a pack whose rivals are in the queue");
}

#[test]
fn packs_that_wait_for_runs_of_each_other_come_to_an_end_with_the_same_verdicts() {
    // One slot, packs of two, three shapes: the second run of a pack is judged by runs of the other packs.
    let text = "max_rows = 600\n[task.next_request]\nlookback = 6\n[training]\nepochs = 9\n\
                learning_rate = { grid = [1e-3, 3e-3] }\n[[models]]\n[models.lstm]\n\
                hidden = { grid = [12, 8, 4] }\n[search.pruner.asha]\nreduction_factor = 3\nmin_epochs = 1\n";
    let swept = |pack: &str| {
        let lab = Lab::new();
        let set = format!("scheduler.pack={pack}");
        let mut sweep = lab.start(&lab.azure("asha", text), &["--slots", "1", "--set", &set]);
        let started = Instant::now();
        let status = loop {
            if let Some(status) = sweep.try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > Duration::from_mins(3) {
                sweep.kill().unwrap();
                sweep.wait().unwrap();
                panic!("packs of {pack} stand still: {:?}", lab.query("select run_id, status from runs"));
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        assert!(status.success(), "packs of {pack}");
        let rows = lab.query("select run_id, status from runs order by run_id");
        rows.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let alone = swept("1");
    assert_eq!(alone.len(), 6);
    assert!(alone.iter().all(|row| row.contains("pruned") || row.contains("done")), "{alone:?}");
    assert_eq!(swept("2"), alone);
}

#[test]
fn runs_whose_time_is_up_in_a_pack_are_all_marked_so() {
    let lab = Lab::new();
    let file = lab.azure("long", LONG);
    let set = ["--slots", "1", "--set", "scheduler.timeout=\"700ms\"", "--set", "scheduler.retries=0"];
    let outcome =
        lab.call(&[&["run", file.to_str().unwrap()], &set[..], &["--set", "training.epochs=4000"]].concat());
    assert_ne!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(lab.scalar("select count(*) from runs where status = 'timed_out'"), 4, "{}", outcome.stderr);
}

#[test]
fn a_pack_size_that_is_none_is_refused_at_its_place() {
    let lab = Lab::new();
    for (value, told) in [
        ("0", "pack must be at least 1, got 0"),
        ("\"all\"", "\"auto\" or a number of runs"),
        ("2000", "pack must be at most 1024"),
    ] {
        let text = format!(
            "[task.next_request]\nlookback = 6\n[scheduler]\npack = {value}\n[[models]]\n[models.zero]\n"
        );
        let outcome = lab.call(&["run", lab.azure("wrong", &text).to_str().unwrap()]);
        assert_ne!(outcome.code, 0);
        assert!(
            outcome.stderr.contains(told) && outcome.stderr.contains("wrong.toml:7:8"),
            "{}",
            outcome.stderr
        );
    }
}
