//! Watching a sweep: what is shown while it runs, and that it runs on undisturbed.

use crate::common::Lab;

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
    for part in
        ["slow  ", "4 runs: ", "1 running", "epoch ", "/25", "validation loss", "best       persistence"]
    {
        assert!(look.stdout.contains(part), "{part} is not in\n{}", look.stdout);
    }
    // A hundred looks a second must not keep the sweep from writing.
    let watched = lab.call(&["watch", "slow", "--interval", "10ms"]);
    assert_eq!(watched.code, 0, "{}", watched.stderr);
    assert!(watched.stdout.ends_with("4 runs: 4 done\nthe sweep is over\n"), "{}", watched.stdout);
    for part in ["/min, ", " left"] {
        assert!(watched.stdout.contains(part), "{part} is not in\n{}", watched.stdout);
    }
    let outcome: crate::common::Outcome = sweep.wait_with_output().unwrap().into();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let last = lab.call(&["watch", "slow"]).stdout;
    let best = last.lines().find(|line| line.starts_with("best       lstm learning_rate=")).unwrap();
    assert!(best.contains(": valid mse ") && best.contains(" by the baseline persistence (-"), "{best}");
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
fn a_sweep_that_was_stopped_is_told_from_one_that_is_over_and_why() {
    let lab = Lab::new();
    let file = lab.azure("slow", SLOW);
    let outcome = lab.call(&["run", file.to_str().unwrap(), "--max-runs", "1"]);
    assert_eq!(outcome.code, 5, "{}", outcome.stderr);
    let watched = lab.call(&["watch", "slow", "--interval", "10ms"]);
    assert_eq!(watched.code, 0, "{}", watched.stderr);
    let told = "the sweep was stopped: as many runs were started as --max-runs allows; `burstlab run` continues it\n";
    assert!(watched.stdout.ends_with(told), "{}", watched.stdout);
    lab.run(&file, &[]);
    assert!(lab.call(&["watch", "slow"]).stdout.ends_with("\nthe sweep is over\n"));
}

#[test]
fn what_failed_is_shown_with_its_reason() {
    let lab = Lab::new();
    let file = lab.azure(
        "fails",
        "max_rows = 1000\n[task.next_request]\nlookback = 20\n[training]\nepochs = 2\nlearning_rate = 1e30\n\
         [search]\nseeds = [1, 2, 3, 4, 5]\n[[models]]\n[models.mean]\n[[models]]\n[models.lstm]\nhidden = 4\n",
    );
    assert_eq!(lab.call(&["run", file.to_str().unwrap()]).code, 3);
    let look = lab.call(&["watch", "fails", "--once"]).stdout;
    let failed: Vec<&str> = look.lines().filter(|line| line.starts_with("failed     ")).collect();
    assert_eq!(failed.len(), 4, "{look}");
    assert_eq!(failed[0], "failed     2 more; `burstlab runs --experiment fails --status failed` lists all");
    assert!(failed[1].contains("lstm seed=") && failed[1].contains("diverged"), "{look}");
    assert!(look.contains("6 runs: 1 done, 5 failed\n"), "{look}");
}

#[test]
fn each_setting_has_a_best_trial_of_its_own() {
    let lab = Lab::new();
    let file = lab.azure(
        "settings",
        "max_rows = 1500\n[task.next_request]\nlookback = 20\nhorizon = { grid = [1, 4] }\n[training]\nepochs = 1\n\
         [[models]]\n[models.mean]\n[[models]]\n[models.persistence]\n[[models]]\n[models.linear]\n",
    );
    lab.run(&file, &[]);
    let look = lab.call(&["watch", "settings", "--once"]).stdout;
    let best: Vec<&str> = look.lines().filter(|line| line.starts_with("best       ")).collect();
    assert_eq!(best.len(), 2, "{look}");
    for horizon in ["horizon=1:", "horizon=4:"] {
        assert_eq!(best.iter().filter(|line| line.contains(horizon)).count(), 1, "{look}");
    }
    // The baseline beside a trial is one of its own setting.
    for line in best.iter().filter(|line| line.contains("by the baseline")) {
        assert_eq!(line.matches("horizon=1").count() % 2, 0, "{line}");
    }
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
    let line = look.lines().find(|line| line.contains("best       lstm")).unwrap();
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
