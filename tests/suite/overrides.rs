//! What people write for several values, for numbers out of range and after `--set`: taken as it is meant, or answered with
//! what to write.

use crate::common::{Lab, Outcome, VALID};

fn dry_run(text: &str, sets: &[&str]) -> (Outcome, Lab) {
    let lab = Lab::new();
    lab.file("e.toml", text);
    let mut arguments = vec!["run", "e.toml", "--dry-run", "--format", "json"];
    arguments.extend(sets.iter().flat_map(|set| ["--set", *set]));
    (lab.call(&arguments), lab)
}

/// What is said about a file, or about overrides of it, that must be refused.
fn refusal(text: &str, sets: &[&str]) -> String {
    let (outcome, _) = dry_run(text, sets);
    assert_eq!(outcome.code, 2, "{sets:?}\n{}\n{}", outcome.stdout, outcome.stderr);
    outcome.stderr
}

/// The planned runs of a file with overrides, as JSON text.
fn plan_of(text: &str, sets: &[&str]) -> String {
    let (outcome, _) = dry_run(text, sets);
    assert_eq!(outcome.code, 0, "{sets:?}\n{}", outcome.stderr);
    let plan: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    plan["runs"].to_string()
}

fn plan(sets: &[&str]) -> String {
    plan_of(VALID, sets)
}

fn with(from: &str, to: &str) -> String {
    assert!(VALID.contains(from), "{from}");
    VALID.replacen(from, to, 1)
}

#[test]
fn an_axis_in_the_form_of_another_tool_is_rewritten() {
    for (typed, form) in [
        ("{ values = [4, 8] }", "write { grid = [4, 8] }"),
        ("{ choices = [4, 8] }", "write { grid = [4, 8] }"),
        ("[4, 8]", "write { grid = [4, 8] }"),
        ("{ min = 4, max = 8 }", "write { int = [4, 8] }"),
        ("{ low = 4, high = 8, log = true }", "write { log_uniform = [4, 8] }"),
        ("{ distribution = \"log_uniform\", min = 4, max = 8 }", "write { log_uniform = [4, 8] }"),
        ("{ range = [4, 8] }", "write { int = [4, 8] }"),
        ("{ grid = [4, 8], seed = 1 }", "write { grid = [4, 8] }"),
        ("{ grid = 4 }", "write { grid = [4] }"),
        ("{ int = 4 }", "write { int = [low, high] }"),
        ("{ int = [4, 6, 8] }", "write { grid = [4, 6, 8] }"),
        ("{ int = [4.5, 8] }", "write { uniform = [4.5, 8] }"),
        ("{ start = 4, stop = 16, step = 4 }", "the forms of an axis are { grid = [a, b, c] }"),
    ] {
        let said = refusal(&with("hidden = 4", &format!("hidden = {typed}")), &[]);
        assert!(said.contains(form) && said.contains("e.toml:14"), "{typed}: {said}");
        // The same on the command line, at its place in the override.
        let said = refusal(VALID, &[&format!("models.lstm.hidden={typed}")]);
        assert!(said.contains(form) && said.contains("--set:1:"), "{typed}: {said}");
    }
    for (typed, form) in [
        ("{ min = 1e-4, max = 1e-2 }", "write { uniform = [1e-4, 1e-2] }"),
        ("{ min = 0, max = 1 }", "write { uniform = [0, 1] }"),
        ("{ log = [1e-4, 1e-2] }", "write { log_uniform = [1e-4, 1e-2] }"),
        ("{ loguniform = [1e-4, 1e-2] }", "write { log_uniform = [1e-4, 1e-2] }"),
        ("{ log_uniform = [0, 1] }", "write { uniform = [0, 1] }"),
        ("[1e-4, 1e-2]", "write { grid = [1e-4, 1e-2] }"),
    ] {
        let said = refusal(&with("epochs = 1", &format!("learning_rate = {typed}")), &[]);
        assert!(said.contains(form), "{typed}: {said}");
    }
    // A choice of words is an axis like any other.
    let said = refusal(&with("epochs = 1", "loss = { values = [\"mse\", \"mae\"] }"), &[]);
    assert!(said.contains("write { grid = [\"mse\", \"mae\"] }"), "{said}");
    let said = refusal(&with("epochs = 1", "loss = [\"mse\", \"mae\"]"), &[]);
    assert!(said.contains("write { grid = [\"mse\", \"mae\"] }"), "{said}");
    // Ranges without an end are told apart from empty ones.
    let said = refusal(&with("epochs = 1", "learning_rate = { uniform = [0.1, inf] }"), &[]);
    assert!(said.contains("must be finite"), "{said}");
}

#[test]
fn several_values_where_no_axis_may_stand_are_told_where_they_may() {
    for (from, to) in [
        ("source = \"synthetic-burstgpt\"", "source = [\"a\", \"b\"]"),
        ("source = \"synthetic-burstgpt\"", "source = { values = [\"a\", \"b\"] }"),
        ("[training]", "[split]\nembargo = { min = 1, max = 2 }\n[training]"),
    ] {
        let said = refusal(&with(from, to), &[]);
        assert!(
            said.contains("cannot be an axis") && said.contains("axes are allowed in task"),
            "{to}: {said}"
        );
    }
    // A table that has keys of its own keeps its own message.
    let said = refusal(&with("[training]", "[dataset.cleaning]\nmax = 3\n[training]"), &[]);
    assert!(said.contains("unknown key `max`"), "{said}");
}

#[test]
fn a_number_beyond_64_bits_is_answered_with_the_range_of_its_key() {
    for (set, message) in [
        (
            "training.epochs=99999999999999999999",
            "epochs must be between 1 and 1000000, got 99999999999999999999",
        ),
        ("training.epochs={grid=[1,99999999999999999999]}", "got 99999999999999999999"),
        (
            "models.lstm.hidden=99999999999999999999",
            "hidden must be between 2 and 8192, got 99999999999999999999",
        ),
        (
            "task.horizon=340282366920938463463374607431768211456000",
            "got 340282366920938463463374607431768211456000",
        ),
        ("split.embargo=99999999999999999999", "embargo must be at most 18446744073709551615, got 9999"),
        ("search.seeds=[99999999999999999999]", "a seed must be at most 9223372036854775807, got 9999"),
        ("training.epochs=-99999999999999999999", "expected a non-negative integer, got -"),
        ("training.epochs=-3", "expected a non-negative integer, got -3"),
        ("training.epochs=3.0", "expected a non-negative integer, got 3.0"),
        ("training.epochs=1e3", "write 1000"),
        ("training.epochs=2.5", "expected a non-negative integer, got 2.5"),
        ("training.learning_rate=1e999", "out of range"),
    ] {
        let said = refusal(VALID, &[set]);
        assert!(said.contains(message), "{set}: {said}");
        assert!(!said.contains("i128") && !said.contains("usize"), "{said}");
    }
    // A real number may be written as a whole one of any size.
    assert!(plan(&["training.learning_rate=100000000000000000000"]).contains("lstm"));
}

#[test]
fn an_override_takes_plain_text_as_it_is_meant() {
    let said = refusal(VALID, &["dataset.source=/x/year=2019/my file, v2.csv"]);
    assert!(said.contains("`/x/year=2019/my file, v2.csv` is neither a file"), "{said}");
    let said = refusal(VALID, &["training.target_weights.\"a=b\"=2"]);
    assert!(said.contains("`a=b` is not a target"), "{said}");
    // What begins as TOML and is broken stays a mistake of TOML.
    for broken in ["search.seeds=[1, 2", "name=\"e", "training.schedule={ cosine = {"] {
        assert!(refusal(VALID, &[broken]).contains("invalid TOML"), "{broken}");
    }
    assert!(refusal(VALID, &["training.epochs="]).contains("invalid TOML"));
}

#[test]
fn an_override_takes_the_names_that_plans_and_labels_print() {
    let long = plan(&["task.next_request.horizon=3", "models.lstm.hidden=8"]);
    assert_eq!(plan(&["task.horizon=3", "model.hidden=8"]), long);
    assert_ne!(long, plan(&[]));
    let cosine = with("epochs = 1", "epochs = 1\nschedule = { cosine = { min_learning_rate = 1e-6 } }");
    let long = plan_of(&cosine, &["training.schedule.cosine.min_learning_rate=1e-5"]);
    assert_eq!(plan_of(&cosine, &["training.schedule.min_learning_rate=1e-5"]), long);
    let replaced = plan_of(&cosine, &["training.schedule.halve={ from_epoch = 3 }"]);
    assert!(replaced.contains("halve") && !replaced.contains("cosine"), "{replaced}");
    // Another one of several tables, given as a whole, replaces the one that is there, as in a file with a base.
    assert!(plan(&["task.window_load={ window = \"10s\", lookback = 2 }"]).contains("window_load"));
    for (sets, messages) in [
        (
            ["task.window_load.horizon=3"],
            ["`task` is `next_request` in this file", "set task.next_request, or all"],
        ),
        (
            ["model.kernel=3"],
            ["no model of this file has a key `kernel`", "the models are persistence, lstm"],
        ),
        (["task.horizn=3"], ["unknown key `horizn`", "did you mean `horizon`?"]),
        (["search.pruner.min_epochs=3"], ["no [search.pruner.…] table", "search.pruner.KIND.min_epochs"]),
    ] {
        let said = refusal(VALID, &sets);
        assert!(messages.iter().all(|message| said.contains(message)), "{said}");
    }
    let two = format!("{VALID}[[models]]\n[models.gru]\n");
    let said = refusal(&two, &["model.hidden=8"]);
    assert!(said.contains("write models.lstm.hidden or models.gru.hidden"), "{said}");
    let said = refusal(&with("[task.next_request]\nlookback = 50\nhorizon = 10\n", ""), &["task.horizon=8"]);
    assert!(said.contains("no [task.…] table to set `horizon` in"), "{said}");
}
