//! Mistakes in `[search]`: objectives, TPE, pruners.

use super::*;

#[test]
fn selecting_on_the_test_part_is_refused() {
    let text = format!("{VALID}[search]\nobjective = {{ part = \"test\" }}\n");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: unknown value `test`
      --> e.toml:16:22
       |
    16 | objective = { part = "test" }
       |                      ^^^^^^
       |
       = help: known here: train, valid
    "#);
}

#[test]
fn an_objective_on_an_unknown_target_is_refused() {
    let text = format!("{VALID}[search]\nobjective = {{ metric = \"mae\", target = \"respons_tokens\" }}\n");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: `respons_tokens` is not a target of this task
      --> e.toml:16:40
       |
    16 | objective = { metric = "mae", target = "respons_tokens" }
       |                                        ^^^^^^^^^^^^^^^^ did you mean `response_tokens`?
       |
       = help: all, or one of: gap_s, request_tokens, response_tokens
    "#);
}

#[test]
fn an_objective_that_is_not_defined_is_refused() {
    let text =
        format!("{VALID}[search]\nobjective = {{ metric = \"mase\" }}\n[evaluation]\nmase_season = 5000\n");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: mase is not defined: a season of 5000 steps does not fit the 279 training steps
      --> e.toml:18:15
       |
    18 | mase_season = 5000
       |               ^^^^
       |
       = help: give a shorter season, or choose another search.objective.metric
    ");
}

/// An experiment with axes and a search, for mistakes to be put into.
fn search(search: &str) -> String {
    let axis = with("hidden = 4", "hidden = { int = [4, 8] }");
    format!("{axis}[search]\n{search}\n")
}

#[test]
fn a_search_without_a_mistake_is_accepted() {
    let lab = Lab::new();
    let pruner = "[search.pruner.asha]\nreduction_factor = 2";
    lab.file(
        "e.toml",
        &search(&format!("strategy = \"tpe\"\ntrials = 9\n{pruner}")).replace("epochs = 1", "epochs = 4"),
    );
    let outcome = lab.call(&["run", "e.toml", "--dry-run"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stdout.contains("1 further trial will be proposed"), "{}", outcome.stdout);
}

#[test]
fn tpe_without_an_axis_has_nothing_to_search() {
    assert_snapshot!(refusal(&format!("{VALID}[search]\nstrategy = \"tpe\"\n"), &[]), @r#"
    error: tpe has nothing to search: no model has an axis
      --> e.toml:16:12
       |
    16 | strategy = "tpe"
       |            ^^^^^
       |
       = help: give a key several values, e.g. hidden = { int = [8, 64] }, or leave the strategy out
    "#);
}

#[test]
fn tpe_needs_more_trials_than_its_start() {
    assert_snapshot!(refusal(&search("strategy = \"tpe\"\ntrials = 8"), &[]), @r#"
    error: tpe needs more than 8 trials, got 8
      --> e.toml:17:10
       |
    17 | trials = 8
       |          ^
       |
       = help: its first 8 trials are a Sobol sequence: give more, or set search.strategy = "sobol"
    "#);
}

#[test]
fn tpe_needs_more_than_one_batch() {
    assert_snapshot!(refusal(&search("strategy = \"tpe\"\ntrials = 20\nbatch = 20"), &[]), @r"
    error: batch must be smaller than trials = 20, got 20
      --> e.toml:18:9
       |
    18 | batch = 20
       |         ^^
       |
       = help: tpe learns between batches: give a smaller batch, or more trials
    ");
}

#[test]
fn a_batch_of_nothing_is_refused() {
    assert_snapshot!(refusal(&search("strategy = \"tpe\"\nbatch = 0"), &[]), @r"
    error: batch must be at least 1, got 0
      --> e.toml:17:9
       |
    17 | batch = 0
       |         ^
       |
       = help: give a positive integer
    ");
}

#[test]
fn tpe_does_not_search_what_is_forecast() {
    let text = search("strategy = \"tpe\"").replace("horizon = 10", "horizon = { grid = [1, 10] }");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: tpe cannot search `task.horizon`: errors of different settings are not comparable
     --> e.toml:7:11
      |
    7 | horizon = { grid = [1, 10] }
      |           ^^^^^^^^^^^^^^^^^^
      |
      = help: give it one value, or set search.strategy = "grid", "random" or "sobol"
    "#);
}

#[test]
fn a_sobol_sequence_has_an_end() {
    assert_snapshot!(refusal(&search("strategy = \"sobol\"\ntrials = 70000"), &[]), @r#"
    error: sobol takes at most 65536 trials, got 70000
      --> e.toml:17:10
       |
    17 | trials = 70000
       |          ^^^^^
       |
       = help: give fewer trials, or set search.strategy = "random"
    "#);
}

#[test]
fn an_experiment_has_at_most_a_million_runs() {
    let text = search("strategy = \"random\"\ntrials = 50000\nseeds = [1, 2, 3, 4, 5, 6, 7]")
        .replace("epochs = 1", "epochs = 1\nlearning_rate = { log_uniform = [1e-4, 1e-2] }");
    let text = format!("{text}[split]\nfolds = 3\n");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: this experiment has more than 1000000 runs
      --> e.toml:18:10
       |
    18 | trials = 50000
       |          ^^^^^
       |
       = help: give fewer trials, seeds or folds, or split it into several files
    ");
}

#[test]
fn a_pruner_that_never_judges_is_pointed_at() {
    assert_snapshot!(refusal(&search("strategy = \"random\"\n[search.pruner.asha]\nmin_epochs = 3"), &[]), @r"
    error: the pruner never compares a run: min_epochs is not below the last epoch, 1
      --> e.toml:18:14
       |
    18 | min_epochs = 3
       |              ^
       |
       = help: give a min_epochs below training.epochs = 1, or more epochs
    ");
    assert_snapshot!(refusal(&search("strategy = \"random\"\n[search.pruner.median]\nstartup_trials = 2"), &[]), @r"
    error: the pruner never compares a run: warmup_epochs is not below the last epoch, 1
      --> e.toml:17:1
       |
    17 | [search.pruner.median]
       | ^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: give a warmup_epochs below training.epochs = 1, or more epochs
    ");
}

#[test]
fn a_pruner_without_a_model_that_has_epochs_is_pointed_at() {
    let text = VALID.replace("[[models]]\n[models.lstm]\nhidden = 4\n", "");
    assert_snapshot!(refusal(&format!("{text}[search.pruner.asha]\nmin_epochs = 1\n"), &[]), @r"
    error: no model of this file is trained in epochs, so none can be pruned
      --> e.toml:12:9
       |
    12 | [search.pruner.asha]
       |         ^^^^^^
       |
       = help: leave the pruner out, or add a model that is trained, such as models.lstm
    ");
}

#[test]
fn two_pruners_are_one_too_many() {
    assert_snapshot!(refusal(&search("[search.pruner.asha]\nmin_epochs = 1\n[search.pruner.median]\nwarmup_epochs = 1"), &[]), @r#"
    error: `median` is a pruner beside `asha`
      --> e.toml:18:16
       |
    18 | [search.pruner.median]
       |                ^^^^^^ one too many
       |
       = help: a search has at most one [search.pruner.…] table: keep one
    "#);
}

#[test]
fn a_rule_that_gives_nothing_up_is_pointed_at() {
    let asha = |keys: &str| {
        search(&format!("[search.pruner.asha]\n{keys}")).replace("epochs = 1\n[[", "epochs = 9\n[[")
    };
    assert_snapshot!(refusal(&asha("reduction_factor = 1"), &[]), @r"
    error: reduction_factor must be at least 2, got 1
      --> e.toml:17:20
       |
    17 | reduction_factor = 1
       |                    ^
       |
       = help: 3 keeps one run in three at every rung
    ");
    assert_snapshot!(refusal(&asha("min_epochs = 0"), &[]), @r"
    error: min_epochs must be at least 1, got 0
      --> e.toml:17:14
       |
    17 | min_epochs = 0
       |              ^
       |
       = help: give a positive integer
    ");
    assert_snapshot!(refusal(&asha("min_epochs = 4\nmax_epochs = 3"), &[]), @r"
    error: max_epochs must be above min_epochs = 4, got 3
      --> e.toml:18:14
       |
    18 | max_epochs = 3
       |              ^
       |
       = help: leave it out to prune up to training.epochs
    ");
    let median = search("[search.pruner.median]\nstartup_trials = 0");
    assert_snapshot!(refusal(&median, &[]), @r"
    error: startup_trials must be at least 1, got 0
      --> e.toml:17:18
       |
    17 | startup_trials = 0
       |                  ^
       |
       = help: give a positive integer
    ");
}

#[test]
fn an_unknown_strategy_is_pointed_at() {
    assert_snapshot!(refusal(&search("strategy = \"tpee\""), &[]), @r#"
    error: unknown value `tpee`
      --> e.toml:16:12
       |
    16 | strategy = "tpee"
       |            ^^^^^^ did you mean `tpe`?
       |
       = help: known here: grid, random, sobol, tpe
    "#);
}
