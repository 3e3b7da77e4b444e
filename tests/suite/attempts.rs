//! Attempts that go wrong: killed, out of time, out of memory, diverged. Each costs what it must, and no more.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Lab, kill, workers_of};

/// One run that takes minutes, and three that take an instant.
const LONG_AND_SHORT: &str = r"
[task.next_request]
lookback = 20
[training]
epochs = 100_000
[[models]]
[models.lstm]
hidden = 16
[[models]]
[models.moving_average]
window = { grid = [5, 10] }
[[models]]
[models.zero]
";

#[test]
fn a_run_that_kills_its_worker_every_time_is_given_up_and_marked_with_the_signal() {
    let lab = Lab::new();
    let file = lab.azure("deadly", LONG_AND_SHORT);
    let more = ["--slots", "1", "--set", "scheduler.retries=2", "--set", "scheduler.backoff=\"700ms\""];
    let mut sweep = lab.start(&file, &more);
    let mut killed = std::collections::HashSet::new();
    while sweep.try_wait().unwrap().is_none() {
        // Only a worker that is at the long run.
        let started = "select count(*) from attempts join run_records using (run_id) \
                       where model = 'lstm' and attempts.status = 'running'";
        let outcome = lab.call(&["query", started, "--format", "csv"]);
        if outcome.stdout.trim().ends_with('1') {
            for worker in workers_of(sweep.id()) {
                if killed.insert(worker) {
                    kill(worker, "ABRT");
                }
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = sweep.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("the worker was killed by signal 6; it is tried again in 700ms"), "{stderr}");
    assert!(stderr.contains("the worker was killed by signal 6; it is tried again in 1s 400ms"), "{stderr}");
    let failed = lab.scalar("select run_id from runs where status = 'failed'");
    assert_eq!(
        stderr.trim_end().lines().last().unwrap(),
        format!(
            "failed: lstm seed=1: the worker was killed by signal 6; `burstlab show {}` tells more",
            failed.as_str().unwrap()
        )
    );
    let lstm = "from attempts join run_records using (run_id) where model = 'lstm'";
    assert_eq!(lab.scalar(&format!("select count(*) {lstm}")), 3, "one attempt and two more");
    assert_eq!(
        lab.scalar("select status || ': ' || error from runs where model = 'lstm'"),
        "failed: the worker was killed by signal 6"
    );
    let gaps = lab.query(&format!(
        "select (julianday(started_at) - julianday(lag(finished_at) over (order by attempt_id))) * 86400 as gap {lstm}"
    ));
    let gaps: Vec<f64> = gaps.iter().filter_map(|row| row["gap"].as_f64()).collect();
    assert!(gaps.len() == 2 && gaps[0] >= 0.69 && gaps[1] >= 1.39, "the pause doubles: {gaps:?}");
    let meanwhile = "select count(*) from runs where model <> 'lstm' and status = 'done' and finished_at < \
                     (select max(started_at) from attempts join run_records using (run_id) where model = 'lstm')";
    assert_eq!(lab.scalar(meanwhile), 3, "other runs went on during the pauses");
}

#[test]
fn a_worker_that_does_not_heed_the_request_to_end_is_killed_after_the_grace_period() {
    let lab = Lab::new();
    let file = lab.azure("deaf", LONG_AND_SHORT);
    let more = [
        "--slots",
        "1",
        "--set",
        "scheduler.retries=0",
        "--set",
        "scheduler.timeout=\"1s\"",
        "--set",
        "scheduler.grace=\"1500ms\"",
    ];
    let started = Instant::now();
    let sweep = lab.start(&file, &more);
    lab.wait_for("select count(*) from epochs", |value| value.as_i64() > Some(0));
    // A stopped process takes no notice of SIGTERM; only SIGKILL ends it.
    kill(workers_of(sweep.id())[0], "STOP");
    let output = sweep.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(started.elapsed() >= Duration::from_millis(2500), "{:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    let lstm = lab.query("select status, error, wall_s, peak_rss_bytes from runs where model = 'lstm'");
    assert_eq!(lstm[0]["status"], "timed_out");
    assert_eq!(lstm[0]["error"], "took longer than 1s");
    assert!(lstm[0]["wall_s"].as_f64().unwrap() >= 2.5, "{lstm:?}");
    assert!(lstm[0]["peak_rss_bytes"].as_i64() > Some(1 << 20), "a killed run has its peak too: {lstm:?}");
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 3);
}

#[test]
fn a_worker_that_gets_a_line_it_cannot_read_says_which_and_ends() {
    let lab = Lab::new();
    let mut worker = lab
        .command(&["worker", "cpu"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = worker.stdin.take().unwrap();
    input.write_all(b"{\"halt\":true}\n").unwrap();
    // The pipe stays open: it is the line that ends the worker.
    let output = worker.wait_with_output().unwrap();
    drop(input);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let error = last["unreadable"]["error"].as_str().unwrap();
    assert!(error.starts_with("cannot read the line `{\"halt\":true}`: unknown variant `halt`"), "{error}");
}

#[cfg(target_os = "linux")] // Elsewhere `ulimit -v` limits nothing.
#[test]
fn a_run_that_is_out_of_memory_is_tried_once_more_while_nothing_else_runs() {
    let lab = Lab::new();
    let text = "max_rows = 400\n[task.next_request]\nlookback = 5\n[training]\nepochs = 1\n\
                [[models]]\n[models.lstm]\nhidden = { grid = [8, 8192] }\n[search]\nseeds = [1, 2]\n";
    let file = lab.azure("hungry", text);
    // The larger model needs 1 GiB for one of its matrices, and no process may have more than 2.
    let burstlab = env!("CARGO_BIN_EXE_burstlab");
    let outcome: crate::common::Outcome = Command::new("sh")
        .args(["-c", "ulimit -v 2000000; exec \"$@\"", "sh", burstlab, "run"])
        .arg(&file)
        .args(["--slots", "2", "--set", "scheduler.retries=0", "--set", "scheduler.backoff=\"10ms\""])
        .env("BURSTLAB_RESULTS", lab.results())
        .stdin(Stdio::null())
        .output()
        .unwrap()
        .into();
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("it is tried again in 10ms, while nothing else runs"),
        "{}",
        outcome.stderr
    );
    let hungry = lab.query("select status, error, attempts from runs where params->>'$.model.hidden' = 8192");
    assert_eq!(hungry.len(), 2);
    for run in hungry {
        assert_eq!(run["status"], "failed");
        assert!(
            run["error"].as_str().unwrap().starts_with("out of memory: the worker was killed by signal 6"),
            "{run}"
        );
        assert_eq!(run["attempts"], 2, "once, and once alone");
    }
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 2, "the small ones are done");
    let overlaps = "select count(*) from attempts a join attempts b on a.attempt_id < b.attempt_id \
                    and b.started_at < a.finished_at and a.started_at < b.finished_at \
                    where (select count(*) from attempts c where c.run_id = b.run_id and c.attempt_id < b.attempt_id) > 0";
    assert_eq!(lab.scalar(overlaps), 0, "nothing ran beside a second attempt");
}

#[test]
fn no_more_runs_go_on_at_once_than_fit_into_memory() {
    let lab = Lab::new();
    let file = lab.azure(
        "roomy",
        "[task.next_request]\nlookback = 5\n[[models]]\n[models.zero]\n[[models]]\n[models.mean]\n",
    );
    // Two thirds of what is available never fit twice.
    let available_mib = burstlab::system::memory::available_bytes().unwrap() >> 20;
    let each = format!("scheduler.memory_per_run=\"{}MiB\"", available_mib * 2 / 3);
    let outcome = lab.run(&file, &["--slots", "2", "--set", &each]);
    assert!(
        outcome.stderr.contains("memory suffices for 1 run at once, not 2: each may use"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("2 runs on 1 slot"), "{}", outcome.stderr);

    let path = file.to_str().unwrap();
    let outcome = lab.call(&["run", path, "--set", "scheduler.memory_per_run=\"4096TiB\""]);
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("no run fits into memory: scheduler.memory_per_run is 4096TiB"),
        "{}",
        outcome.stderr
    );
}

#[cfg(target_os = "linux")] // Elsewhere a peak cannot be started anew.
#[test]
fn every_run_records_its_own_peak_of_memory() {
    let lab = Lab::new();
    let text = "max_rows = 200\n[task.next_request]\nlookback = 2\n[training]\nepochs = 1\n\
                [[models]]\n[models.zero]\n[[models]]\n[models.lstm]\nhidden = 2048\n";
    lab.run(&lab.azure("peaks", text), &["--slots", "1"]);
    let peak = |model: &str| {
        lab.scalar(&format!("select peak_rss_bytes from runs where model = '{model}'")).as_i64().unwrap()
    };
    assert_eq!(lab.scalar("select count(distinct owner) from attempts"), 1);
    let (large, small) = (peak("lstm"), peak("zero"));
    // Weights, gradients and two moments of 2048 x 2048 x 4 numbers each are 256 MiB.
    assert!(large > 256 << 20 && small > 1 << 20 && small < large - (200 << 20), "{small} then {large}");
}

#[test]
fn a_loss_that_explodes_ends_the_run_at_once() {
    let lab = Lab::new();
    let text = "[task.next_request]\nlookback = 10\n[training]\nepochs = 50\nlearning_rate = 1e5\n\
                [[models]]\n[models.linear]\n[[models]]\n[models.zero]\n";
    let file = lab.azure("explodes", text);
    let outcome = lab.call(&["run", file.to_str().unwrap()]);
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    let error = lab.scalar("select status || ': ' || error from runs where model = 'linear'");
    let error = error.as_str().unwrap();
    assert!(error.starts_with("failed: diverged at epoch 1: the loss is "), "{error}");
    assert!(!error.contains("NaN") && !error.contains("inf"), "it is still a number: {error}");
    assert_eq!(lab.scalar("select count(*) from epochs"), 0);
    assert_eq!(
        lab.scalar("select attempts from runs where model = 'linear'"),
        1,
        "it would only diverge again"
    );
}
