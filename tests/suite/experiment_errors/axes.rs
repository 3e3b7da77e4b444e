//! Mistakes in axes, grids, ranges and zips.

use super::*;

#[test]
fn an_empty_grid_is_pointed_at() {
    assert_snapshot!(refusal(&with("hidden = 4", "hidden = { grid = [] }"), &[]), @r#"
    error: this grid is empty
      --> e.toml:14:19
       |
    14 | hidden = { grid = [] }
       |                   ^^
       |
       = help: give at least one value
    "#);
}

#[test]
fn an_inverted_range_is_pointed_at() {
    let text = with("epochs = 1", "learning_rate = { log_uniform = [1e-2, 1e-4] }");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: the range from 0.01 to 0.0001 is empty
     --> e.toml:9:33
      |
    9 | learning_rate = { log_uniform = [1e-2, 1e-4] }
      |                                 ^^^^^^^^^^^^ lowest value first
      |
      = help: log_uniform = [0.0001, 0.01]
    "#);
}

#[test]
fn a_range_in_a_grid_search_is_refused() {
    let text = with("epochs = 1", "learning_rate = { log_uniform = [1e-4, 1e-2] }");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: a grid search needs a list of values
     --> e.toml:9:17
      |
    9 | learning_rate = { log_uniform = [1e-4, 1e-2] }
      |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write { grid = [...] }, or set search.strategy = "random"
    "#);
}

#[test]
fn every_value_of_an_axis_is_checked() {
    assert_snapshot!(refusal(&with("hidden = 4", "hidden = { grid = [4, 1] }"), &[]), @r"
    error: hidden must be between 2 and 8192, got 1
      --> e.toml:14:23
       |
    14 | hidden = { grid = [4, 1] }
       |                       ^
       |
       = help: the head halves the hidden units; 32 to 128 are usual
    ");
}

#[test]
fn an_axis_where_none_may_stand_is_refused() {
    assert_snapshot!(refusal(&with("name = \"e\"", "name = { grid = [\"e\", \"f\"] }"), &[]), @r#"
    error: `name` cannot be an axis
     --> e.toml:1:8
      |
    1 | name = { grid = ["e", "f"] }
      |        ^^^^^^^^^^^^^^^^^^^^^ several values
      |
      = help: axes are allowed in task, training and models, and at dataset.max_rows and dataset.latest_rows
    "#);
}

#[test]
fn an_axis_that_nothing_reads_is_refused() {
    let text = with("[[models]]\n[models.lstm]\nhidden = 4\n", "")
        .replace("epochs = 1", "epochs = { grid = [1, 2] }");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: no model reads the axis `training.epochs`
     --> e.toml:9:10
      |
    9 | epochs = { grid = [1, 2] }
      |          ^^^^^^^^^^^^^^^^^
      |
      = help: give it one value, or add a model that reads it
    "#);
}

#[test]
fn a_zip_of_unequal_lengths_is_refused() {
    let text = with("hidden = 4", "hidden = { grid = [4, 8, 16] }")
        .replace("epochs = 1", "epochs = { grid = [1, 2] }");
    let text = format!("{text}[search]\nzip = [[\"model.hidden\", \"training.epochs\"]]\n");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: axes that move together must be grids of equal length
      --> e.toml:16:8
       |
    16 | zip = [["model.hidden", "training.epochs"]]
       |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: their lengths are [3, 2]
    "#);
}

#[test]
fn a_zip_of_an_unknown_axis_is_refused() {
    let text =
        format!("{}[search]\nzip = [[\"model.hiden\"]]\n", with("hidden = 4", "hidden = { grid = [4, 8] }"));
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: `model.hiden` is not an axis of this file
      --> e.toml:16:9
       |
    16 | zip = [["model.hiden"]]
       |         ^^^^^^^^^^^^^ did you mean `model.hidden`?
       |
       = help: axes of this file: model.hidden
    "#);
}

#[test]
fn an_axis_in_two_zips_is_refused() {
    let text = with("hidden = 4", "hidden = { grid = [4, 8] }")
        .replace("epochs = 1", "epochs = { grid = [1, 2] }")
        .replace("horizon = 10", "horizon = { grid = [1, 2] }");
    let text = format!(
        "{text}[search]\nzip = [[\"model.hidden\", \"training.epochs\"], [\"training.epochs\", \"task.horizon\"]]\n"
    );
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: `training.epochs` is zipped twice
      --> e.toml:16:46
       |
    16 | zip = [["model.hidden", "training.epochs"], ["training.epochs", "task.horizon"]]
       |                                              ^^^^^^^^^^^^^^^^^
       |
       = help: an axis belongs to at most one group
    "#);
}

#[test]
fn a_range_is_read_in_the_base_it_is_written_in() {
    let lab = Lab::new();
    let text = with("models.persistence]", "models.moving_average]\nwindow = { int = [0x10, 0x14] }");
    lab.file("e.toml", &format!("{text}[search]\nstrategy = \"random\"\ntrials = 30\n"));
    let outcome = lab.call(&["run", "e.toml", "--dry-run"]);
    for window in 16..=20 {
        assert!(outcome.stdout.contains(&format!("window={window} ")), "{}", outcome.stdout);
    }
    assert!(!outcome.stdout.contains("window=10 "), "{}", outcome.stdout);
}

#[test]
fn a_key_that_another_one_leaves_without_effect_is_pointed_at() {
    assert_snapshot!(refusal(&with("epochs = 1", "epochs = 1\nhuber_delta = 0.5"), &[]), @r#"
    error: `huber_delta` has no effect: it belongs to the Huber loss
      --> e.toml:10:1
       |
    10 | huber_delta = 0.5
       | ^^^^^^^^^^^
       |
       = help: set training.loss = "huber", or leave it out
    "#);
    assert_snapshot!(refusal(VALID, &["--set", "training.huber_delta=0.5"]), @r#"
    error: `huber_delta` has no effect: it belongs to the Huber loss
     --> --set:1:10
      |
    1 | training.huber_delta=0.5
      |          ^^^^^^^^^^^
      |
      = help: set training.loss = "huber", or leave it out
    "#);
    assert_snapshot!(refusal(&with("hidden = 4", "dropout = { grid = [0.0, 0.1] }"), &[]), @r"
    error: `dropout` has no effect: it acts between layers, and there is only one
      --> e.toml:14:1
       |
    14 | dropout = { grid = [0.0, 0.1] }
       | ^^^^^^^
       |
       = help: give layers = 2 or more, or leave it out
    ");
    assert_snapshot!(refusal(&with("models.lstm]\nhidden = 4", "models.dlinear]\nridge = 0.1"), &[]), @r#"
    error: `ridge` has no effect: it belongs to solver = "least_squares"
      --> e.toml:14:1
       |
    14 | ridge = 0.1
       | ^^^^^
       |
       = help: set solver = "least_squares", or leave it out; training.weight_decay penalises trained weights
    "#);
    let point_process = with("models.lstm]\nhidden = 4", "models.neural_point_process]");
    assert_snapshot!(refusal(&point_process.replace("epochs = 1", "loss = \"mse\""), &[]), @r#"
    error: `loss` has no effect: no model of this file minimises it
     --> e.toml:9:1
      |
    9 | loss = "mse"
      | ^^^^
      |
      = help: leave it out, or add a model that minimises it, such as models.lstm
    "#);
    assert_snapshot!(refusal(&with("[training]", "[split]\nrows = [200, 80, 80]\nvalid = 0.2\n[training]"), &[]), @r"
    error: `valid` has no effect: `rows` gives the steps of each part
      --> e.toml:10:1
       |
    10 | valid = 0.2
       | ^^^^^
       |
       = help: keep rows, or keep train, valid and test
    ");
}

#[test]
fn a_key_that_one_value_of_an_axis_reads_is_accepted() {
    let lab = Lab::new();
    let text = with("epochs = 1", "loss = { grid = [\"mse\", \"huber\"] }\nhuber_delta = 0.5");
    lab.file("e.toml", &text.replace("hidden = 4", "dropout = 0.1\nlayers = { int = [1, 2] }"));
    let search = ["--set", "search.strategy=\"random\""];
    let outcome = lab.call(&[&["run", "e.toml", "--dry-run"], &search[..]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}
