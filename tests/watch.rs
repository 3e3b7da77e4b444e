//! Watching a sweep: what is shown while it runs, and that it runs on undisturbed.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::Lab;

/// Long enough to be looked at: about a second for each run.
const SLOW: &str = "max_rows = 2000\n[task.next_request]\nlookback = 60\n[training]\nepochs = 25\nlearning_rate = \
                    { grid = [1e-3, 2e-3, 3e-3] }\n[[models]]\n[models.persistence]\n[[models]]\n[models.lstm]\n\
                    hidden = 24\n";

#[test]
fn a_running_sweep_is_shown_until_it_ends_and_is_not_disturbed() {
    let lab = Lab::new();
    let file = lab.azure("slow", SLOW);
    let sweep = lab.start(&file, &["--slots", "1"]);
    lab.wait_for("select count(*) from epochs", |count| count.as_i64() > Some(0));
    let look = lab.call(&["watch", "slow", "--once"]);
    assert_eq!(look.code, 0, "{}", look.stderr);
    for part in ["slow  ", "4 runs: ", "1 running", "epoch ", "/25", "validation loss", "done  persistence"] {
        assert!(look.stdout.contains(part), "{part} is not in\n{}", look.stdout);
    }
    // A hundred looks a second must not keep the sweep from writing.
    let watched = lab.call(&["watch", "slow", "--interval", "10ms"]);
    assert_eq!(watched.code, 0, "{}", watched.stderr);
    assert!(watched.stdout.trim_end().contains("4 runs: 4 done"), "{}", watched.stdout);
    assert!(watched.stdout.contains("left"), "{}", watched.stdout);
    let outcome: common::Outcome = sweep.wait_with_output().unwrap().into();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let last = lab.call(&["watch", "slow"]).stdout;
    assert!(last.contains("best  lstm learning_rate=") && last.contains("valid mse"), "{last}");
}

#[test]
fn a_sweep_whose_supervisor_died_is_told_from_one_that_runs() {
    let lab = Lab::new();
    let file = lab.azure("slow", SLOW);
    let mut sweep = lab.start(&file, &["--slots", "1"]);
    lab.wait_for("select count(*) from epochs", |count| count.as_i64() > Some(0));
    sweep.kill().unwrap();
    sweep.wait().unwrap();
    let look = lab.call(&["watch", "slow", "--once"]).stdout;
    assert!(look.contains("its supervisor is gone"), "{look}");
    let watched = lab.call(&["watch", "slow", "--interval", "10ms"]);
    assert_eq!(watched.code, 0, "{}", watched.stderr);
    assert!(
        watched.stdout.contains("the sweep was stopped; `burstlab run` continues it"),
        "{}",
        watched.stdout
    );
}

#[test]
fn the_best_trial_is_that_of_the_leaderboard_and_not_a_lucky_seed() {
    let lab = Lab::new();
    let file = lab.azure(
        "seeds",
        "max_rows = 1500\n[task.next_request]\nlookback = 20\n[training]\nepochs = 2\nlearning_rate = \
         { grid = [1e-3, 3e-2] }\n[search]\nseeds = [1, 2, 3]\n[[models]]\n[models.lstm]\nhidden = 8\n",
    );
    let outcome = lab.run(&file, &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let best = lab.scalar(
        "select round(min(mean), 3) from (select avg(m.value) mean from metrics m join run_records r using (run_id) \
         where part = 'valid' and target = 'all' and name = 'mse' and unit = 'scaled' group by r.params)",
    );
    let look = lab.call(&["watch", "seeds", "--once"]).stdout;
    let line = look.lines().find(|line| line.contains("best  lstm")).unwrap();
    assert!(line.contains("the mean of 3 runs"), "{line}");
    let shown: f64 = line.split("mse ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    assert!((shown - best.as_f64().unwrap()).abs() < 6e-4, "{line}, {best}");
}

#[test]
fn a_misspelt_experiment_is_answered_with_the_nearest_name() {
    let lab = Lab::new();
    let tiny = "max_rows = 400\n[task.next_request]\nlookback = 8\n[[models]]\n[models.mean]\n";
    lab.run(&lab.azure("tiny", tiny), &[]);
    let outcome = lab.call(&["watch", "tny"]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("did you mean `tiny`"), "{}", outcome.stderr);
}
