//! Signals as terminals, shells, Slurm and systemd send them: what they stop, how soon, and what they leave.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Lab, Outcome, kill, processes_in, workers_of};

/// A run of hours, and others behind it.
const LONG: &str = r"
max_rows = 2000
[task.next_request]
lookback = 20
[training]
epochs = 1_000_000
[[models]]
[models.lstm]
hidden = 16
[search]
seeds = [1, 2, 3]
";

/// Runs of some seconds.
const SLOW: &str = r"
max_rows = 2000
[task.next_request]
lookback = 20
[training]
epochs = 40
[[models]]
[models.lstm]
hidden = 16
[search]
seeds = [1, 2, 3]
";

fn running(text: &str, more: &[&str]) -> (Lab, Child) {
    let lab = Lab::new();
    let file = lab.azure("sweep", text);
    let sweep = lab.start(&file, more);
    lab.wait_for("select count(*) from epochs", |epochs| epochs.as_i64() > Some(1));
    (lab, sweep)
}

/// Waits for the end of a sweep that was told to stop, which must be within the grace period, and checks what is left.
fn stopped(lab: &Lab, sweep: Child, by: &str, interrupted: u64) -> Outcome {
    let started = Instant::now();
    let outcome: Outcome = sweep.wait_with_output().unwrap().into();
    assert!(started.elapsed() < Duration::from_secs(10), "longer than the grace period");
    assert_eq!(outcome.code, 5, "{}", outcome.stderr);
    assert!(outcome.stderr.contains(&format!("stopped by {by}")), "{}", outcome.stderr);
    assert_eq!(processes_in(lab.folder.path()), Vec::<u32>::new(), "nothing lives on");
    assert_eq!(lab.scalar("select count(*) from runs where status = 'interrupted'"), interrupted);
    assert_eq!(lab.scalar("select count(*) from runs where status in ('running', 'failed')"), 0);
    assert_eq!(lab.scalar("select count(*) from attempts where status not in ('interrupted', 'done')"), 0);
    assert_eq!(lab.scalar("pragma integrity_check"), "ok");
    let run = lab.scalar("select run_id from runs where status = 'interrupted'");
    let why = lab.call(&["explain", run.as_str().unwrap()]).stdout;
    assert!(why.contains(&format!("It was interrupted: stopped by {by}.")), "{why}");
    outcome
}

#[test]
fn sigterm_and_sighup_stop_a_sweep_within_the_grace_period() {
    for signal in ["TERM", "HUP"] {
        let (lab, sweep) = running(LONG, &["--slots", "2"]);
        kill(sweep.id(), signal);
        let outcome = stopped(&lab, sweep, &format!("SIG{signal}"), 2);
        assert!(outcome.stdout.is_empty(), "{}", outcome.stdout);
        assert!(outcome.stderr.contains("burstlab report sweep"), "{}", outcome.stderr);
        let resumed = lab.start(&lab.folder.path().join("sweep.toml"), &["--slots", "1"]);
        lab.wait_for("select count(*) from attempts", |attempts| attempts.as_i64() == Some(3));
        kill(resumed.id(), "TERM");
        stopped(&lab, resumed, "SIGTERM", 2);
    }
}

#[test]
fn a_signal_to_the_whole_group_costs_no_attempt() {
    // As systemd and Slurm send it: to every process, in any order.
    let (lab, sweep) = running(LONG, &["--slots", "2", "--set", "scheduler.retries=0"]);
    for worker in workers_of(sweep.id()) {
        kill(worker, "TERM");
    }
    std::thread::sleep(Duration::from_millis(100));
    kill(sweep.id(), "TERM");
    stopped(&lab, sweep, "SIGTERM", 2);
}

#[test]
fn a_worker_that_alone_is_terminated_costs_one_attempt() {
    let (lab, sweep) = running(SLOW, &["--slots", "1"]);
    kill(workers_of(sweep.id())[0], "TERM");
    let outcome: Outcome = sweep.wait_with_output().unwrap().into();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(lab.scalar("select count(*) from attempts where status = 'failed'"), 1);
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 3);
}

#[test]
fn the_first_ctrl_c_says_what_it_waits_for_and_the_second_stops() {
    let (lab, sweep) = running(SLOW, &["--slots", "1", "--set", "search.seeds=[1, 2]"]);
    // To the whole group, as some supervisors do: the worker leaves it to its own.
    for process in workers_of(sweep.id()).into_iter().chain([sweep.id()]) {
        kill(process, "INT");
    }
    let outcome: Outcome = sweep.wait_with_output().unwrap().into();
    assert_eq!(outcome.code, 5, "{}", outcome.stderr);
    let told = "stopping: 1 run still running will be finished first (lstm seed=1); that may take up to ";
    assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("press Ctrl-C again to stop now"), "{}", outcome.stderr);
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 1);

    let (lab, sweep) = running(LONG, &["--slots", "1"]);
    kill(sweep.id(), "INT");
    std::thread::sleep(Duration::from_millis(300));
    kill(sweep.id(), "INT");
    stopped(&lab, sweep, "the user", 1);
}

#[test]
fn a_sweep_under_nohup_takes_no_notice_of_a_terminal_that_closes() {
    let lab = Lab::new();
    let file = lab.azure("sweep", SLOW);
    let inside = lab.command(&["run", file.to_str().unwrap(), "--slots", "1", "--set", "search.seeds=[1]"]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(inside.get_program()).args(inside.get_args());
    command.current_dir(lab.folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, value) in inside.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let sweep = command.spawn().unwrap();
    lab.wait_for("select count(*) from epochs", |epochs| epochs.as_i64() > Some(0));
    kill(sweep.id(), "HUP");
    let outcome: Outcome = sweep.wait_with_output().unwrap().into();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 1);
}
