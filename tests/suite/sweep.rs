//! Sweeps, as a user runs, interrupts and resumes them.

use std::time::Duration;

use crate::common::{Lab, is_alive, kill, workers_of};

/// Six runs of a second or so altogether.
const SMALL: &str = r#"
max_rows = 1500
[task.next_request]
lookback = 10
features = ["arrival_rate", "mean_tokens", "burst", "time_of_day", "day_of_week"]
[training]
epochs = 2
batch_size = 64
[[models]]
[models.persistence]
[[models]]
[models.dlinear]
kernel = 5
[[models]]
[models.lstm]
hidden = { grid = [4, 8] }
layers = 2
dropout = 0.2
[[models]]
[models.ensemble]
members = ["dlinear", "lstm"]
[search]
seeds = [1, 2]
"#;

/// Four runs that take some seconds each, to have time to interfere.
const SLOW: &str = r"
[task.next_request]
lookback = 50
[training]
epochs = 8
[[models]]
[models.lstm]
hidden = 64
layers = 2
[search]
seeds = [1, 2, 3, 4]
";

#[test]
fn the_same_file_again_runs_nothing_and_a_deleted_run_runs_alone() {
    let lab = Lab::new();
    let file = lab.azure("small", SMALL);
    lab.run(&file, &[]);
    let first = lab.metrics("small");
    let again = lab.run(&file, &[]);
    assert!(again.stderr.contains("all 9 runs are done already, nothing to run"), "{}", again.stderr);

    let run_id = lab.scalar("select run_id from runs where model = 'lstm' limit 1");
    delete_run(&lab, run_id.as_str().unwrap());
    let third = lab.run(&file, &[]);
    assert!(third.stderr.contains("1 run on 1 slot (8 of 9 are done already)"), "{}", third.stderr);
    assert_eq!(lab.metrics("small"), first, "the deleted run came back bit by bit");
}

/// Deletes a run's row through the view, as the documentation says.
fn delete_run(lab: &Lab, run_id: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use sqlx::Connection;
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(lab.results().join("burstlab.db"))
            .foreign_keys(true);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query("DELETE FROM runs WHERE run_id = ?").bind(run_id).execute(&mut connection).await.unwrap();
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM metrics WHERE run_id = ?")
            .bind(run_id)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(left, 0, "a run's metrics go with it");
        connection.close().await.unwrap();
    });
}

#[test]
fn metrics_are_bitwise_the_same_for_any_slots_and_threads() {
    let (one, two, threaded) = (Lab::new(), Lab::new(), Lab::new());
    one.run(&one.azure("small", SMALL), &["--slots", "1"]);
    two.run(&two.azure("small", SMALL), &["--slots", "2"]);
    threaded.run(&threaded.azure("small", SMALL), &["--slots", "1", "--set", "scheduler.threads_per_run=2"]);
    let metrics = one.metrics("small");
    assert!(metrics.len() > 9 * 3 * 7 * 8, "{} metrics", metrics.len());
    assert_eq!(metrics, two.metrics("small"));
    assert_eq!(metrics, threaded.metrics("small"));
}

#[test]
fn a_run_after_another_equals_the_run_in_a_fresh_worker() {
    let (together, alone) = (Lab::new(), Lab::new());
    together.run(&together.azure("small", SMALL), &["--slots", "1"]);
    alone.run(&alone.azure("small", SMALL), &["--slots", "1", "--set", "search.seeds=[2]"]);
    let all = together.metrics("small");
    for metric in alone.metrics("small") {
        assert!(all.contains(&metric), "{} differs", metric.0);
    }
}

#[test]
fn a_killed_worker_costs_one_attempt_and_the_sweep_goes_on() {
    let lab = Lab::new();
    let file = lab.azure("slow", SLOW);
    let sweep = lab.start(&file, &["--slots", "1"]);
    lab.wait_for("select count(*) from epochs", |value| value.as_i64() > Some(0));
    kill(workers_of(sweep.id())[0], "KILL");
    let output = sweep.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("the worker was killed by signal 9; it is tried again"), "{stderr}");
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 4);
    assert_eq!(lab.scalar("select sum(attempts) from runs"), 5);
    assert_eq!(lab.scalar("select count(*) from events where kind = 'retried'"), 1);
}

#[test]
fn a_killed_supervisor_loses_nothing_and_leaves_no_worker_behind() {
    let lab = Lab::new();
    let file = lab.azure("slow", SLOW);
    let mut sweep = lab.start(&file, &["--slots", "2"]);
    lab.wait_for("select count(*) from runs where status = 'done'", |value| value.as_i64() > Some(0));
    let workers = workers_of(sweep.id());
    assert_eq!(workers.len(), 2);
    sweep.kill().unwrap();
    sweep.wait().unwrap();
    let started = std::time::Instant::now();
    while workers.iter().any(|&worker| is_alive(worker)) {
        assert!(started.elapsed() < Duration::from_secs(5), "an orphan worker lives on");
        std::thread::sleep(Duration::from_millis(20));
    }
    let done = lab.scalar("select count(*) from runs where status = 'done'").as_i64().unwrap();
    let resumed = lab.run(&file, &[]);
    assert!(resumed.stderr.contains(&format!("({done} of 4 are done already)")), "{}", resumed.stderr);
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 4);

    let undisturbed = Lab::new();
    undisturbed.run(&undisturbed.azure("slow", SLOW), &[]);
    assert_eq!(lab.metrics("slow"), undisturbed.metrics("slow"));
}

#[test]
fn a_run_that_takes_too_long_is_stopped_and_marked() {
    let lab = Lab::new();
    let file = lab.azure("slow", SLOW);
    let overrides =
        ["--set", "scheduler.timeout=\"300ms\"", "--set", "scheduler.retries=0", "--set", "search.seeds=[1]"];
    let mut arguments = vec!["run", file.to_str().unwrap(), "--set", "training.epochs=1000"];
    arguments.extend(overrides);
    let outcome = lab.call(&arguments);
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("timed_out lstm seed=1: took longer than 300ms"), "{}", outcome.stderr);
    assert_eq!(lab.scalar("select status from runs"), "timed_out");
}

#[test]
fn the_first_interrupt_finishes_what_runs_and_the_second_stops_it() {
    let lab = Lab::new();
    let file = lab.azure("slow", SLOW);
    let sweep = lab.start(&file, &["--slots", "1"]);
    lab.wait_for("select count(*) from epochs", |value| value.as_i64() > Some(0));
    kill(sweep.id(), "INT");
    let output = sweep.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(lab.scalar("select count(*) from runs where status = 'running'"), 0);
    let done = lab.scalar("select count(*) from runs where status = 'done'").as_i64().unwrap();
    assert!((1..4).contains(&done), "{done} runs are done");

    let sweep = lab.start(&file, &["--slots", "1"]);
    let epochs = lab.scalar("select count(*) from epochs").as_i64();
    lab.wait_for("select count(*) from epochs", |value| value.as_i64() > epochs);
    kill(sweep.id(), "INT");
    std::thread::sleep(Duration::from_millis(250));
    kill(sweep.id(), "INT");
    let output = sweep.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(lab.scalar("select count(*) from runs where status = 'interrupted'"), 1);
    lab.run(&file, &[]);
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 4);
}

#[test]
fn a_run_that_diverges_fails_at_once_and_the_others_are_recorded() {
    let lab = Lab::new();
    let file = lab.azure("small", SMALL);
    let file = file.to_str().unwrap();
    let outcome = lab.call(&["run", file, "--set", "training.learning_rate=1e30"]);
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    assert_eq!(lab.scalar("select status from runs where model = 'persistence'"), "done");
    let error = lab.scalar("select error from runs where model = 'lstm'");
    assert!(error.as_str().unwrap().starts_with("diverged at epoch 1"), "{error}");
    assert_eq!(
        lab.scalar("select max(attempts) from runs where model = 'lstm'"),
        1,
        "it would only fail again"
    );
    let error = lab.scalar("select error from runs where model = 'ensemble'");
    assert!(error.as_str().unwrap().contains("is missing: its run"), "{error}");
}

#[test]
fn fail_fast_stops_at_the_first_failure() {
    let lab = Lab::new();
    let file = lab.azure("small", SMALL);
    let outcome = lab.call(&[
        "run",
        file.to_str().unwrap(),
        "--fail-fast",
        "--slots",
        "1",
        "--set",
        "training.learning_rate=1e30",
    ]);
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    assert_eq!(lab.scalar("select count(*) from runs where status = 'failed'"), 1);
    assert!(outcome.stderr.contains("not started"), "{}", outcome.stderr);
}

#[test]
fn force_adds_an_attempt_with_the_same_metrics() {
    let lab = Lab::new();
    let file = lab.azure("small", SMALL);
    lab.run(&file, &[]);
    let first = lab.metrics("small");
    lab.run(&file, &["--force"]);
    assert_eq!(lab.metrics("small"), first);
    assert_eq!(lab.scalar("select min(attempts) || ' ' || max(attempts) from runs"), "2 2");
}

#[test]
fn two_files_that_share_a_run_share_the_work() {
    let lab = Lab::new();
    lab.run(&lab.azure("one", SMALL), &[]);
    let outcome = lab.run(&lab.azure("two", SMALL), &[]);
    assert!(outcome.stderr.contains("two: all 9 runs are done already"), "{}", outcome.stderr);
    assert_eq!(lab.scalar("select count(*) from runs"), 18);
    assert_eq!(lab.scalar("select count(*) from run_records"), 9);
}

#[test]
fn two_supervisors_divide_the_work() {
    let lab = Lab::new();
    let file = lab.azure("slow", SLOW);
    let first = lab.start(&file, &["--slots", "1"]);
    let second = lab.start(&file, &["--slots", "1"]);
    for sweep in [first, second] {
        let output = sweep.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 4);
    assert_eq!(lab.scalar("select sum(attempts) from runs"), 4, "no run was done twice");
    assert_eq!(lab.scalar("select count(distinct owner) from attempts"), 2, "both took their share");
}

#[test]
fn workers_that_are_killed_again_and_again_never_end_the_sweep() {
    let windows: Vec<String> = (1..=400).map(|window| window.to_string()).collect();
    let text = format!(
        "[task.next_request]\nlookback = 5\n[scheduler]\nretries = 1000\n[[models]]\n[models.moving_average]\n\
         window = {{ grid = [{}] }}\n",
        windows.join(", ")
    );
    let undisturbed = Lab::new();
    undisturbed.run(&undisturbed.azure("many", &text), &[]);
    let lab = Lab::new();
    let file = lab.azure("many", &text);
    let mut sweep = lab.start(&file, &["--slots", "2"]);
    while sweep.try_wait().unwrap().is_none() {
        for worker in workers_of(sweep.id()) {
            // It may have ended by itself meanwhile.
            let _ = std::process::Command::new("kill").args(["-9", &worker.to_string()]).output();
        }
        std::thread::sleep(Duration::from_millis(120));
    }
    let output = sweep.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 400);
    assert_eq!(
        lab.scalar("select count(*) from attempts where status = 'done'"),
        400,
        "none is counted twice"
    );
    // Short runs are sent to a worker ahead; those that it did not come to are no one's fault.
    let unbegun = "from attempts where error = 'its worker ended before it began'";
    assert_ne!(lab.scalar(&format!("select count(*) {unbegun}")), 0);
    assert_eq!(lab.scalar(&format!("select count(*) {unbegun} and status <> 'interrupted'")), 0);
    assert_eq!(lab.metrics("many"), undisturbed.metrics("many"), "every result is that of its own run");
}

#[test]
fn a_store_that_is_removed_while_the_sweep_runs_stops_it() {
    let lab = Lab::new();
    let file = lab.azure("slow", SLOW);
    let sweep = lab.start(&file, &["--slots", "1"]);
    lab.wait_for("select count(*) from epochs", |value| value.as_i64() > Some(0));
    std::fs::remove_dir_all(lab.results()).unwrap();
    let output = sweep.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("was removed or replaced while the sweep ran"), "{stderr}");
}

#[test]
fn a_forced_attempt_that_fails_takes_nothing_from_the_run() {
    let lab = Lab::new();
    let file = lab.azure("small", SMALL);
    lab.run(&file, &[]);
    let first = lab.metrics("small");
    let path = file.to_str().unwrap();
    let timeout = ["--set", "scheduler.timeout=\"1ms\"", "--set", "scheduler.retries=0"];
    let outcome = lab.call(&[["run", path, "--force", "--slots"].as_slice(), &["1"], &timeout].concat());
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    assert_eq!(lab.metrics("small"), first);
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 9);
    assert_ne!(lab.scalar("select count(*) from attempts where status = 'timed_out'"), 0);
}

#[test]
fn a_run_whose_files_are_gone_runs_again() {
    let lab = Lab::new();
    let file = lab.azure("small", SMALL);
    lab.run(&file, &[]);
    let first = lab.metrics("small");
    let run_id = lab.scalar("select run_id from runs where model = 'dlinear' limit 1");
    let folder = lab.results().join("runs").join(run_id.as_str().unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    let again = lab.run(&file, &[]);
    assert!(again.stderr.contains("(8 of 9 are done already)"), "{}", again.stderr);
    assert!(folder.join("model.safetensors").is_file());
    assert_eq!(lab.metrics("small"), first);
}

#[test]
fn an_ensemble_chosen_by_another_objective_is_another_run() {
    let lab = Lab::new();
    let file = lab.azure("small", SMALL);
    lab.run(&file, &[]);
    let outcome = lab.run(&file, &["--set", "search.objective={ metric = \"medae\", target = \"gap_s\" }"]);
    assert!(outcome.stderr.contains("2 runs on 2 slots (7 of 9 are done already)"), "{}", outcome.stderr);
}

#[test]
fn a_trial_that_lacks_runs_stands_back_behind_one_that_is_whole() {
    let lab = Lab::new();
    let text = "[task.next_request]\nlookback = 10\n[training]\nepochs = 1\nlearning_rate = { grid = [1e-3, 1e-2] }\n\
                [[models]]\n[models.linear]\n[search]\nseeds = [1, 2, 3]\n";
    lab.run(&lab.azure("trials", text), &[]);
    let best = |lab: &Lab| {
        let outcome = lab.call(&["compare", "trials", "--format", "json"]);
        let boards: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        boards[0]["models"][0]["label"].as_str().unwrap().to_string()
    };
    let winner = best(&lab);
    let rate = winner.rsplit('=').next().unwrap().to_string();
    let sql = format!(
        "UPDATE run_records SET status = 'failed' WHERE seed > 1 AND params->>'$.training.learning_rate' = {rate}"
    );
    lab.execute(&sql);
    let loser = best(&lab);
    assert_ne!(winner, loser, "the trial with one run of three no longer stands for the model");
    lab.execute("UPDATE run_records SET status = 'failed' WHERE seed > 1");
    assert!(best(&lab).ends_with("(1 of 3 runs)"), "{}", best(&lab));
}
