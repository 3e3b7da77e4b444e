//! Commands of the user that `run` calls at its end: when, with what on standard input, and that they keep nobody waiting.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Lab, Outcome, kill, processes_in};

const TINY: &str = "max_rows = 600\n[task.next_request]\nlookback = 8\n[training]\nepochs = 1\n[[models]]\n\
                    [models.persistence]\n[[models]]\n[models.linear]\n[search]\nseeds = [1, 2]\n";

/// One model diverges.
const FAILING: &str = "max_rows = 600\n[task.next_request]\nlookback = 8\n[training]\nepochs = 2\nlearning_rate = 1e30\n\
                       [[models]]\n[models.persistence]\n[[models]]\n[models.lstm]\nhidden = 4\n";

/// Runs of hours.
const LONG: &str = "max_rows = 2000\n[task.next_request]\nlookback = 20\n[training]\nepochs = 1_000_000\n[[models]]\n\
                    [models.lstm]\nhidden = 16\n";

/// What a command wrote, one JSON document a line.
fn documents(lab: &Lab, file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(lab.folder.path().join(file)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn run(lab: &Lab, arguments: &[&str]) -> Outcome {
    let hooks = ["--on-finish", "cat >> finish.json", "--on-failure", "cat >> failure.json"];
    lab.call(&[&["run"], arguments, &hooks].concat())
}

#[test]
fn each_experiment_tells_its_outcome_once() {
    let lab = Lab::new();
    lab.azure("one", TINY);
    lab.azure("two", TINY);
    let outcome = run(&lab, &["one.toml", "two.toml"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let finished = documents(&lab, "finish.json");
    assert_eq!(finished.len(), 2);
    let one = &finished[0];
    assert_eq!(one["experiment"], "one");
    assert_eq!((&one["outcome"], &one["exit_code"]), (&"finished".into(), &0.into()));
    assert_eq!((&one["runs"]["done"], &one["runs"]["failed"]), (&3.into(), &0.into()));
    assert!(one["wall_s"].as_f64() > Some(0.0) && one["error"].is_null() && one["stopped_by"].is_null());
    let report = one["report"].as_str().unwrap();
    assert!(report.ends_with("one/report.html") && std::path::Path::new(report).is_file(), "{report}");
    let best = &one["best"][0];
    assert_eq!((&best["objective"], &best["baseline"]), (&"valid mse".into(), &false.into()));
    assert!(
        best["model"] == "linear" && best["runs"] == 2 && best["best_baseline"]["model"] == "persistence"
    );
    assert!(best["value"].as_f64() < best["best_baseline"]["value"].as_f64());
    assert_eq!(finished[1]["experiment"], "two");
    assert_eq!(documents(&lab, "failure.json"), Vec::<Value>::new());
}

#[test]
fn a_failed_run_and_a_refuted_claim_call_both_commands() {
    let lab = Lab::new();
    lab.azure("fails", FAILING);
    assert_eq!(run(&lab, &["fails.toml"]).code, 3);
    let claim = "[[claims]]\nname = \"x\"\nwhere = { \"model.kind\" = \"linear\" }\nmetric = \"mse\"\nat_most = 1e-9\n";
    lab.azure("refuted", &format!("{TINY}{claim}"));
    assert_eq!(run(&lab, &["refuted.toml"]).code, 4);
    let failures = documents(&lab, "failure.json");
    assert_eq!(failures, documents(&lab, "finish.json"));
    let told: Vec<_> = failures.iter().map(|told| (&told["outcome"], &told["exit_code"])).collect();
    assert_eq!(told, [(&"failed".into(), &3.into()), (&"refuted".into(), &4.into())]);
    assert_eq!(failures[0]["runs"]["failed"], 1);
}

#[test]
fn a_budget_that_is_used_up_is_no_failure() {
    let lab = Lab::new();
    lab.azure("one", TINY);
    assert_eq!(run(&lab, &["one.toml", "--max-runs", "1"]).code, 5);
    assert_eq!(documents(&lab, "finish.json")[0]["outcome"], "budget_spent");
    assert_eq!(documents(&lab, "failure.json"), Vec::<Value>::new());
}

#[test]
fn a_command_that_fails_costs_a_note_and_its_output_is_no_result() {
    let lab = Lab::new();
    lab.azure("one", TINY);
    let outcome = lab.call(&[
        "run",
        "one.toml",
        "--format",
        "json",
        "--on-finish",
        "echo said; exit 7",
        "--on-failure",
        "x",
    ]);
    assert_eq!(outcome.code, 0);
    let told = "one: the command of --on-finish ended with exit status: 7: echo said; exit 7\n";
    assert!(outcome.stderr.contains("said\n") && outcome.stderr.ends_with(told), "{}", outcome.stderr);
    serde_json::from_str::<Value>(&outcome.stdout).unwrap();
}

#[test]
fn a_dry_run_calls_nothing_and_slurm_refuses() {
    let lab = Lab::new();
    lab.azure("one", TINY);
    assert_eq!(run(&lab, &["one.toml", "--dry-run"]).code, 0);
    assert_eq!(documents(&lab, "finish.json"), Vec::<Value>::new());
    let outcome = run(&lab, &["one.toml", "--engine", "slurm"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.stderr.contains("--on-finish and --on-failure need --engine local"),
        "{}",
        outcome.stderr
    );
}

/// A sweep of hours that is stopped by a signal, with these commands.
fn stopped_by_sigterm(hooks: &[&str]) -> (Lab, Outcome) {
    let lab = Lab::new();
    let file = lab.azure("long", LONG);
    let sweep = lab.start(&file, hooks);
    lab.wait_for("select count(*) from epochs", |epochs| epochs.as_i64() > Some(1));
    let started = Instant::now();
    kill(sweep.id(), "TERM");
    let outcome: Outcome = sweep.wait_with_output().unwrap().into();
    assert!(started.elapsed() < Duration::from_secs(10), "longer than the grace period");
    assert_eq!(outcome.code, 5, "{}", outcome.stderr);
    (lab, outcome)
}

#[test]
fn a_sweep_that_a_signal_stops_calls_the_command_for_failures_alone() {
    let hooks = ["--on-finish", "cat >> finish.json", "--on-failure", "cat >> failure.json"];
    let (lab, _) = stopped_by_sigterm(&hooks);
    assert_eq!(documents(&lab, "finish.json"), Vec::<Value>::new());
    let failures = documents(&lab, "failure.json");
    assert_eq!(failures.len(), 1);
    assert_eq!((&failures[0]["outcome"], &failures[0]["stopped_by"]), (&"stopped".into(), &"SIGTERM".into()));
    assert_eq!((&failures[0]["exit_code"], &failures[0]["runs"]["interrupted"]), (&5.into(), &1.into()));
}

#[test]
fn a_command_that_does_not_end_does_not_keep_a_stopped_sweep_alive() {
    let (lab, outcome) = stopped_by_sigterm(&["--on-failure", "sleep 600 & sleep 600"]);
    let told = "the command of --on-failure was ended, since whoever stops a sweep does not wait for it";
    assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
    assert_eq!(processes_in(lab.folder.path()), Vec::<u32>::new(), "nothing lives on");

    // A signal ends a command that runs already as well.
    let lab = Lab::new();
    let file = lab.azure("one", TINY);
    let sweep = lab.start(&file, &["--on-finish", "touch called; sleep 600"]);
    let begun = Instant::now();
    while !lab.folder.path().join("called").exists() {
        assert!(begun.elapsed() < Duration::from_mins(1), "the command was not called");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill(sweep.id(), "INT");
    let outcome: Outcome = sweep.wait_with_output().unwrap().into();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("was ended, since burstlab was asked to stop"), "{}", outcome.stderr);
    assert_eq!(processes_in(lab.folder.path()), Vec::<u32>::new(), "nothing lives on");
}
