//! The plots of a search in a report, as a user finds them below the results.

use crate::common::Lab;

/// A search of two models by the logarithm of the rate: some trials are pruned, and those at the highest rates fail.
const SEARCH: &str = r#"
max_rows = 900
[task.next_request]
lookback = 5
[training]
epochs = 4
batch_size = 64
learning_rate = { log_uniform = [1e-4, 1e4] }
[[models]]
[models.persistence]
[[models]]
[models.linear]
[[models]]
[models.gru]
hidden = { grid = [2, 4, 8] }
[search]
strategy = "random"
trials = 16
seeds = [1, 2]
[search.pruner.asha]
reduction_factor = 2
min_epochs = 1
"#;

/// A plot of the report of the experiment.
fn svg(lab: &Lab, name: &str) -> String {
    let path = lab.results().join("search/plots").join(format!("{name}.svg"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether a plot has a text, as a whole.
fn says(svg: &str, text: &str) -> bool {
    svg.lines().any(|line| line.strip_suffix("</text>") == Some(text))
}

fn count(lab: &Lab, condition: &str) -> usize {
    let sql = format!("select count(distinct params) from runs where {condition}");
    lab.scalar(&sql).as_i64().unwrap() as usize
}

#[test]
fn a_search_by_the_logarithm_has_its_history_effects_and_every_trial_in_the_report() {
    let lab = Lab::new();
    let file = lab.azure("search", SEARCH);
    let outcome = lab.call(&["run", file.to_str().unwrap(), "--slots", "2"]);
    assert!(outcome.stderr.contains("diverged"), "{}", outcome.stderr);
    let [failed, pruned] =
        ["failed", "pruned"].map(|status| count(&lab, &format!("model = 'gru' and status = '{status}'")));
    assert!(failed > 0 && pruned > 0, "{failed} trials failed and {pruned} were pruned");

    let history = svg(&lab, "search-history-gru");
    assert_eq!(
        history.matches("<title>trial ").count(),
        count(&lab, "model = 'gru'"),
        "every trial is drawn"
    );
    for text in ["best so far", "pruned after epoch", "failed ("] {
        assert!(history.contains(text), "{text} is missing");
    }
    let effects = svg(&lab, "hyperparameters-gru");
    let texts = ["importance", "learning_rate (log)", "hidden (log)", "1", "8", "median of finished trials"];
    for text in texts {
        assert!(says(&effects, text), "{text} is missing");
    }
    let parallel = svg(&lab, "parallel-gru");
    assert_eq!(
        parallel.matches("<title>trial ").count(),
        count(&lab, "model = 'gru'"),
        "every trial is a line"
    );
    assert!(says(&parallel, "validation mse"), "the objective has an axis");
    // One hyperparameter alone has an effect, and no line to draw through others.
    assert!(says(&svg(&lab, "hyperparameters-linear"), "learning_rate (log)"));
    assert!(!lab.results().join("search/plots/parallel-persistence.svg").exists());
}

#[test]
fn a_grid_has_a_tick_at_each_of_its_values() {
    let lab = Lab::new();
    let text = "max_rows = 700\n[task.next_request]\nlookback = { grid = [5, 10, 20] }\n[training]\nepochs = 1\n\
                learning_rate = { grid = [0.001, 0.01] }\noptimizer = { grid = [\"adam\", \"adamw\"] }\n\
                [[models]]\n[models.persistence]\n[[models]]\n[models.linear]\n";
    lab.run(&lab.azure("search", text), &["--slots", "2"]);
    let effects = svg(&lab, "hyperparameters-linear");
    for value in ["0.001", "0.01", "5", "10", "20", "adam", "adamw"] {
        assert!(says(&effects, value), "{value} is missing");
    }
    assert!(says(&svg(&lab, "search-history-linear"), "grid"), "the way in which trials were chosen");
}
