//! Mistakes in experiments that are derived from another one.

use super::*;

/// A file that derives from the valid one, which stands beside it as `base.toml`, and must be refused.
fn derived_refusal(text: &str, base: &str, more: &[&str]) -> String {
    let lab = Lab::new();
    lab.file("base.toml", base);
    lab.file("e.toml", text);
    let mut arguments = vec!["run", "e.toml"];
    arguments.extend(more);
    let outcome = lab.call(&arguments);
    assert_eq!(outcome.code, 2, "{}\n{}", outcome.stdout, outcome.stderr);
    assert!(!lab.results().exists(), "nothing is recorded of an experiment that is refused");
    outcome.stderr
}

#[test]
fn a_base_that_is_not_there_is_answered_with_the_nearest() {
    assert_snapshot!(derived_refusal(&DERIVED.replace("base.toml", "bse.toml"), VALID, &[]), @r#"
    error: cannot read the base bse.toml: No such file or directory (os error 2)
     --> e.toml:1:8
      |
    1 | base = "bse.toml"
      |        ^^^^^^^^^^ did you mean `base.toml`?
      |
      = help: give the path of an experiment file, relative to this file
    "#);
    assert_snapshot!(derived_refusal(&DERIVED.replace("\"base.toml\"", "3"), VALID, &[]), @r#"
    error: `base` must be the path of an experiment file
     --> e.toml:1:8
      |
    1 | base = 3
      |        ^
      |
      = help: for example base = "other.toml", relative to this file
    "#);
    let folder = derived_refusal(&DERIVED.replace("base.toml", "."), VALID, &[]);
    assert!(folder.contains("cannot read the base .: it is not a file"), "{folder}");
}

#[test]
fn files_that_derive_from_each_other_are_refused() {
    assert_snapshot!(derived_refusal(DERIVED, &format!("base = \"e.toml\"\n{VALID}"), &[]), @r#"
    error: e.toml would derive from itself
     --> base.toml:1:8
      |
    1 | base = "e.toml"
      |        ^^^^^^^^ already in the chain
      |
      = note: e.toml derives from this file
      = help: remove `base` from one of the files
    "#);
    let lab = Lab::new();
    for index in 0..12 {
        lab.file(&format!("{index}.toml"), &format!("base = \"{}.toml\"\nname = \"e\"\n", index + 1));
    }
    let outcome = lab.call(&["run", "0.toml"]);
    assert_eq!(outcome.code, 2);
    assert_snapshot!(outcome.stderr, @r#"
    error: more than 8 files derive from each other
     --> 8.toml:1:8
      |
    1 | base = "9.toml"
      |        ^^^^^^^^
      |
      = note: 0.toml derives from this file
      = help: derive from one of the first files of the chain
    "#);
}

#[test]
fn a_derived_experiment_has_a_name_of_its_own() {
    assert_snapshot!(derived_refusal("base = \"base.toml\"\n", VALID, &[]), @r#"
    error: this experiment has no name of its own
     --> e.toml:1:1
      |
    1 | base = "base.toml"
      | ^^^^
      |
      = help: add name = "...": the name of a base is not taken over
    "#);
    let lab = Lab::new();
    lab.file("base.toml", VALID);
    lab.file("e.toml", "base = \"base.toml\"\n");
    let outcome = lab.call(&["run", "e.toml", "--dry-run", "--set", "name=other"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

#[test]
fn a_mistake_is_pointed_at_in_the_file_that_makes_it() {
    assert_snapshot!(derived_refusal(DERIVED, &with("lookback", "lookbak"), &[]), @r"
    error: unknown key `lookbak`
     --> base.toml:6:1
      |
    6 | lookbak = 50
      | ^^^^^^^ did you mean `lookback`?
      |
      = note: e.toml derives from this file
      = help: known here: lookback, horizon, features
    ");
    let own = format!("{DERIVED}[training]\nepoch = 2\n");
    assert_snapshot!(derived_refusal(&own, VALID, &[]), @r"
    error: unknown key `epoch`
     --> e.toml:4:1
      |
    4 | epoch = 2
      | ^^^^^ did you mean `epochs`?
      |
      = help: known here: loss, huber_delta, target_weights, epochs, batch_size, drop_last, optimizer, learning_rate, weight_decay, schedule, early_stopping_patience, gradient_clip_norm
    ");
    assert_snapshot!(derived_refusal(DERIVED, &with("epochs = 1", "epochs = = 1"), &[]), @r"
    error: invalid TOML: extra `=`, expected nothing
     --> base.toml:9:10
      |
    9 | epochs = = 1
      |          ^
      |
      = note: e.toml derives from this file
    ");
    // A lookback that only the derived file makes too short for a model of the base.
    let short = format!("{DERIVED}[task.next_request]\nlookback = 5\n");
    let base = with("models.lstm]\nhidden = 4", "models.dlinear]\nkernel = 25");
    assert_snapshot!(derived_refusal(&short, &base, &[]), @r"
    error: kernel must be at most 11 for a lookback of 5, got 25
      --> base.toml:14:10
       |
    14 | kernel = 25
       |          ^^
       |
       = note: e.toml derives from this file
       = help: a wider average covers the whole lookback at every step
    ");
    let data = format!("{DERIVED}[dataset]\nmax_rows = 60\n");
    assert_snapshot!(derived_refusal(&data, VALID, &[]), @r"
    error: the train part has 41 of the 59 steps, but needs at least 60 = 50 (lookback) + 10 (horizon)
     --> base.toml:6:12
      |
    6 | lookback = 50
      |            ^^
      |
      = note: e.toml derives from this file
      = help: use more data, a smaller lookback or a shorter horizon
    ");
}

#[test]
fn overrides_change_a_base_but_do_not_name_one() {
    assert_snapshot!(derived_refusal(DERIVED, VALID, &["--set", "models.lstm.hiden=8"]), @r"
    error: unknown key `hiden`
     --> --set:1:13
      |
    1 | models.lstm.hiden=8
      |             ^^^^^ did you mean `hidden`?
      |
      = help: known here: hidden, layers, dropout
    ");
    assert_snapshot!(derived_refusal(DERIVED, VALID, &["--set", "base=other.toml"]), @r"
    error: `base` cannot be set on the command line
     --> --set:1:1
      |
    1 | base=other.toml
      | ^^^^
      |
      = help: run a file that derives from the base, or set the keys that differ
    ");
}

#[test]
fn a_stored_experiment_can_be_read_without_its_base() {
    let lab = Lab::new();
    lab.file("base.toml", &with("hidden = 4", "hidden = { grid = [4, 6] }"));
    let derived = lab.file("e.toml", &format!("{DERIVED}[training]\nlearning_rate = 3e-3\n"));
    lab.run(&derived, &["--set", "task.next_request.horizon=2"]);
    let planned =
        || lab.query("select run_id from experiment_runs where experiment = 'derived' order by position");
    let before = planned();
    assert_eq!(before.len(), 3);
    let text = lab.scalar("select text from experiments where name = 'derived'");
    assert_snapshot!(text.as_str().unwrap(), @r#"
    # e.toml with what it takes from base.toml.
    name = "derived"

    [dataset]
    source = "synthetic-burstgpt"
    max_rows = 400

    [task.next_request]
    lookback = 50
    horizon = 10

    [training]
    epochs = 1
    learning_rate = 3e-3

    [[models]]
    [models.persistence]

    [[models]]
    [models.lstm]
    hidden = { grid = [4, 6] }
    "#);
    std::fs::remove_file(lab.folder.path().join("base.toml")).unwrap();
    lab.file("e.toml", text.as_str().unwrap());
    let outcome = lab.run(&derived, &["--set", "task.next_request.horizon=2"]);
    assert!(outcome.stderr.contains("nothing to run"), "{}", outcome.stderr);
    assert_eq!(planned(), before);
}
