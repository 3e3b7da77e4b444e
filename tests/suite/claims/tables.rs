//! Claims that are given as a table.

use super::*;

/// The claims of a file of `experiments/reproduce`, as JSON.
fn claims_of(name: &str) -> Vec<Value> {
    let path = format!("{}/experiments/reproduce/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let experiment = Experiment::load(Path::new(&path), &[]).unwrap();
    experiment.claims.iter().map(|claim| serde_json::to_value(claim).unwrap()).collect()
}

#[test]
fn every_cell_of_the_published_table_is_claimed() {
    let claims = claims_of("ltsf-etth1");
    // Zeng et al., AAAI 2023, benchmark page of the published code: sums over the table's columns of MSE and of MAE.
    let sum = |metric: &str| -> f64 {
        let values = claims.iter().filter(|claim| claim["metric"].as_str() == Some(metric));
        values.map(|claim| claim["reported"].as_f64().unwrap()).sum()
    };
    assert_eq!(claims.len(), 48);
    assert!((sum("mse") - 10.384).abs() < 1e-9, "{}", sum("mse"));
    assert!((sum("mae") - 10.548).abs() < 1e-9, "{}", sum("mae"));
}

#[test]
fn tables_of_claims_say_what_was_written_out_claim_by_claim() {
    let golden: Value = serde_json::from_str(include_str!("../../golden_claims.json")).unwrap();
    for (name, claims) in golden.as_object().unwrap() {
        let claims = claims.as_array().unwrap();
        let found = claims_of(name);
        assert_eq!(found.len(), claims.len(), "{name}");
        for (found, claim) in found.iter().zip(claims) {
            assert_eq!(found, claim);
        }
    }
}

#[test]
fn every_cell_of_a_table_is_judged() {
    let lab = Lab::new();
    let claims = r#"[[claims]]
name = "a study"
where = { "model.kind" = "linear" }
tolerance = "90%"
source = "a page"
columns = ["task.horizon", "mse", "mae"]
rows = [[1, 1.5, 1e-6], [2, 1.5, "-"]]
[claims.misses]
"a study, horizon 1, mae" = "of no use"
"#;
    let outcome = lab.run(&with_claims(&lab, claims), &[]);
    assert!(outcome.stdout.contains("3 claims: 2 reproduced, 1 refuted"), "{}", outcome.stdout);
    let found = claims_json(&lab);
    let names: Vec<&str> = found.iter().map(|claim| claim["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a study, horizon 1, mse", "a study, horizon 1, mae", "a study, horizon 2, mse"]);
    assert_eq!(found[1]["reason"], "of no use");
}

/// A table of claims for mistakes to be put into.
const TABLE: &str = r#"[[claims]]
name = "a"
where = { "model.kind" = "linear" }
tolerance = "4%"
columns = ["task.horizon", "mse", "mae"]
rows = [
    [1, 0.5, 0.25],
    [2, 0.5, "-"],
]
"#;

fn table(from: &str, to: &str) -> String {
    assert!(TABLE.contains(from), "{from}");
    TABLE.replacen(from, to, 1)
}

#[test]
fn a_column_that_is_neither_a_metric_nor_a_parameter_is_pointed_at() {
    assert_snapshot!(refusal(&table("\"mae\"", "\"mea\"")), @r#"
    error: `mea` is neither a metric nor a parameter
      --> e.toml:20:35
       |
    20 | columns = ["task.horizon", "mse", "mea"]
       |                                   ^^^^^ did you mean `mae`?
       |
       = help: a column is `name`, a parameter's dotted path such as task.horizon, or one of: mae, medae, mse, rmse, smape, wape, mase, r2, bias, coverage_50, width_50, winkler_50, coverage_80, width_80, winkler_80, coverage_95, width_95, winkler_95, pinball, crps
    "#);
    assert_snapshot!(refusal(&table("\"task.horizon\"", "\"task.horizn\"")), @r#"
    error: no run of this file has a parameter `task.horizn`
      --> e.toml:20:12
       |
    20 | columns = ["task.horizn", "mse", "mae"]
       |            ^^^^^^^^^^^^^ did you mean `task.horizon`?
       |
       = help: parameters here: dataset.cleaning.drop_zero_tokens, dataset.max_rows, dataset.source, evaluation.drop_last, evaluation.mase_season, model.kind, model.per_channel, model.ridge, model.solver, split.embargo, split.folds, split.test, split.train, split.valid, task.features, task.horizon, task.kind, task.lookback, training.batch_size, training.drop_last, training.epochs, training.learning_rate, training.loss, training.optimizer, training.schedule, training.weight_decay, uncertainty.conformal
    "#);
    assert_snapshot!(refusal(&table("\"mae\"", "\"mse\"")), @r#"
    error: the column `mse` is given twice
      --> e.toml:20:35
       |
    20 | columns = ["task.horizon", "mse", "mse"]
       |                                   ^^^^^
    "#);
    assert_snapshot!(refusal(&table("\"mse\", \"mae\"", "\"task.lookback\", \"name\"")), @r#"
    error: no column is a metric
      --> e.toml:20:11
       |
    20 | columns = ["task.horizon", "task.lookback", "name"]
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: add one of: mae, medae, mse, rmse, smape, wape, mase, r2, bias, coverage_50, width_50, winkler_50, coverage_80, width_80, winkler_80, coverage_95, width_95, winkler_95, pinball, crps
    "#);
    assert_snapshot!(refusal(&table("\"model.kind\" = \"linear\"", "\"task.horizon\" = 1")), @r#"
    error: `task.horizon` is a column and a key of `where`
      --> e.toml:20:12
       |
    20 | columns = ["task.horizon", "mse", "mae"]
       |            ^^^^^^^^^^^^^^
       |
       = help: keep the column if it differs between rows, or else the key
    "#);
}

#[test]
fn a_cell_that_does_not_fit_its_column_is_pointed_at() {
    assert_snapshot!(refusal(&table("0.25", "\"low\"")), @r#"
    error: the reported mae must be a number
      --> e.toml:22:14
       |
    22 |     [1, 0.5, "low"],
       |              ^^^^^
       |
       = help: write "-" where no value is reported
    "#);
    assert_snapshot!(refusal(&table("[1, 0.5, 0.25]", "[1, 0.5]")), @r"
    error: this row has 2 cells for 3 columns
      --> e.toml:22:5
       |
    22 |     [1, 0.5],
       |     ^^^^^^^^
       |
       = help: the columns are task.horizon, mse, mae
    ");
    assert_snapshot!(refusal(&table("[1, ", "[[1], ")), @r"
    error: `task.horizon` must be a number, a string or a boolean
      --> e.toml:22:6
       |
    22 |     [[1], 0.5, 0.25],
       |      ^^^
    ");
    assert_snapshot!(refusal(&table("\"task.horizon\"", "\"name\"")), @r"
    error: a row's name must be a string
      --> e.toml:22:6
       |
    22 |     [1, 0.5, 0.25],
       |      ^
    ");
}

#[test]
fn a_row_that_matches_no_planned_run_is_pointed_at_in_its_cell() {
    assert_snapshot!(refusal(&table("[2, ", "[3, ")), @r#"
    error: the claim `a, horizon 3, mse` matches no planned run
      --> e.toml:23:6
       |
    23 |     [3, 0.5, "-"],
       |      ^ no run has this value
       |
       = help: planned here: task.horizon = 1, 2
    "#);
    assert_snapshot!(refusal(&table("[2, 0.5, \"-\"]", "[1, 0.5, \"-\"]")), @r#"
    error: two claims are named `a, horizon 1, mse`
      --> e.toml:23:5
       |
    23 |     [1, 0.5, "-"],
       |     ^^^^^^^^^^^^^
       |
       = help: give each claim a name of its own
    "#);
}

#[test]
fn a_table_of_claims_says_everything_in_its_columns() {
    assert_snapshot!(refusal(&table("tolerance = \"4%\"\n", "")), @r#"
    error: a reported value needs a tolerance
      --> e.toml:21:9
       |
    21 |     [1, 0.5, 0.25],
       |         ^^^
       |
       = help: add tolerance = "4%" or tolerance = 0.01, or a bound: at_most = ... or at_least = ...
    "#);
    assert_snapshot!(refusal(&table("name = \"a\"", "name = \"a\"\nmetric = \"mse\"")), @r#"
    error: `metric` does not belong to a table of claims
      --> e.toml:18:10
       |
    18 | metric = "mse"
       |          ^^^^^
       |
       = help: name the metrics in `columns`
    "#);
    assert_snapshot!(refusal(&table("columns = [\"task.horizon\", \"mse\", \"mae\"]\n", "")), @r#"
    error: these rows have no columns
      --> e.toml:20:8
       |
    20 | rows = [
       |        ^
       |
       = help: add columns, e.g. columns = ["task.horizon", "mse"]
    "#);
    assert_snapshot!(refusal(&format!("{TABLE}[claims.misses]\n\"a, horizon 1, mea\" = \"why\"\n")), @r#"
    error: no claim of this table is named `a, horizon 1, mea`
      --> e.toml:26:1
       |
    26 | "a, horizon 1, mea" = "why"
       | ^^^^^^^^^^^^^^^^^^^ did you mean `a, horizon 1, mae`?
    "#);
    assert_snapshot!(refusal(&format!("{TABLE}[claims.misses]\n\"a, horizon 1, mae\" = \"\"\n")), @r#"
    error: this miss has no reason
      --> e.toml:26:23
       |
    26 | "a, horizon 1, mae" = ""
       |                       ^^
       |
       = help: say what is different here, as far as it is known
    "#);
    assert_snapshot!(refusal("[[claims]]\nwhere = { \"task.horizon\" = 1 }\n"), @r"
    error: the key `name` is missing
      --> e.toml:16:1
       |
    16 | [[claims]]
       | ^^^^^^^^^^ in this table
    ");
}
