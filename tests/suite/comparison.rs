//! What a comparison says and a report shows, on an excerpt of the real Azure trace: folds, the runner-up, intervals,
//! breakdowns.

use std::ops::Range;

use serde_json::Value;

use crate::common::Lab;

const MODELS: &str = "[task.next_request]\nlookback = 8\n[training]\nepochs = 2\nbatch_size = 128\n\
    [[models]]\n[models.mean]\n[[models]]\n[models.persistence]\n[[models]]\n[models.linear]\n\
    [[models]]\n[models.lstm]\nhidden = 4\n[search]\nseeds = [1, 2]\n";

/// A longer test part: two thousand requests last six minutes.
const LONG_TEST: &str = "[split]\ntrain = 0.3\nvalid = 0.2\ntest = 0.5\n";

/// The load of windows of three seconds.
const WINDOWS: &str = "[task.window_load]\nwindow = \"3s\"\nlookback = 4\n[[models]]\n[models.mean]\n\
    [[models]]\n[models.persistence]\n[split]\ntrain = 0.4\nvalid = 0.3\ntest = 0.3\n";

/// The target steps of a part that a verdict names.
fn steps(verdict: &str, part: &str) -> Range<usize> {
    let rest = verdict.split_once(&format!("{part} targets ")).unwrap().1;
    let (start, rest) = rest.split_once("..").unwrap();
    let end: String = rest.chars().take_while(char::is_ascii_digit).collect();
    start.parse().unwrap()..end.parse().unwrap()
}

#[test]
fn folds_are_proved_one_by_one_and_reported_beside_one_another() {
    let lab = Lab::new();
    let text = format!("{MODELS}[split]\ntrain = 0.4\nvalid = 0.2\ntest = 0.1\nfolds = 3\nembargo = 2\n");
    lab.run(&lab.azure("folds", &text), &[]);
    // Two naive models once a fold, two trained ones twice.
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 3 * (2 + 2 * 2));
    let verdicts =
        lab.query("select distinct fold, leak_verdict from run_records where model = 'lstm' order by fold");
    assert_eq!(verdicts.len(), 3);
    let tested: Vec<Range<usize>> =
        verdicts.iter().map(|row| steps(row["leak_verdict"].as_str().unwrap(), "test")).collect();
    for (fold, row) in verdicts.iter().enumerate() {
        let verdict = row["leak_verdict"].as_str().unwrap();
        let order = ["train", "valid", "calibration", "test"].map(|part| steps(verdict, part));
        assert!(order.windows(2).all(|pair| pair[0].end + 2 <= pair[1].start), "{verdict}");
        if fold > 0 {
            assert!(tested[fold - 1].end <= tested[fold].start, "{tested:?}");
        }
    }
    let boards: Value =
        serde_json::from_str(&lab.call(&["compare", "folds", "--format", "json"]).stdout).unwrap();
    for row in boards[0]["models"].as_array().unwrap() {
        // The spread is over seeds: what differs between folds is no spread.
        let has_seeds = row["seeds"].as_i64().unwrap() > 0;
        assert_eq!(row["test_spread"].is_number(), has_seeds, "{row}");
    }
    let page = std::fs::read_to_string(lab.results().join("folds/report.html")).unwrap();
    for text in ["Errors by fold", "fold 0", "fold 2", "3 rolling origins"] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn compare_judges_the_winner_against_the_baseline_and_the_runner_up() {
    let lab = Lab::new();
    lab.run(&lab.azure("judge", MODELS), &[]);
    let text = lab.call(&["compare", "judge"]).stdout;
    assert!(text.contains("Against the runner-up"), "{text}");
    assert!(text.contains("caution: only 2 seeds"), "{text}");
    let boards: Value =
        serde_json::from_str(&lab.call(&["compare", "judge", "--format", "json"]).stdout).unwrap();
    let models = boards[0]["models"].as_array().unwrap();
    assert_eq!(models.len(), 4);
    assert!(models[0]["p_value_against_best"].is_null(), "the best is not compared with itself");
    for row in &models[1..] {
        let p_value = row["p_value_against_best"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&p_value), "{row}");
    }
    // Persistence is far behind on this trace, and the test tells it apart.
    let last = models.last().unwrap();
    assert_eq!(last["model"], "persistence");
    assert!(last["p_value_against_best"].as_f64().unwrap() < 0.05, "{last}");
    let five = MODELS.replace("[1, 2]", "[1, 2, 3, 4, 5]");
    lab.run(&lab.azure("five", &five), &[]);
    assert!(!lab.call(&["compare", "five"]).stdout.contains("caution"));
}

#[test]
fn the_report_shows_intervals_and_errors() {
    let lab = Lab::new();
    lab.run(&lab.azure("shown", &format!("{MODELS}{LONG_TEST}")), &[]);
    let folder = lab.results().join("shown");
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    let markdown = std::fs::read_to_string(folder.join("report.md")).unwrap();
    for text in [
        "Intervals",
        "within 80 %",
        "skill (CRPS)",
        "Breakdowns",
        "By the gap before the forecast",
        "skill (MAE)",
    ] {
        assert!(page.contains(text) && markdown.contains(text), "{text}");
    }
    assert!(page.contains("80 % interval of"), "the forecast plots carry a band");
    for plot in ["leaderboard", "calibration", "qq", "burst-pattern", "forecast-gap-s", "residuals-gap-s"] {
        for kind in ["svg", "png"] {
            let path = folder.join("plots").join(format!("{plot}.{kind}"));
            assert!(path.is_file(), "{}", path.display());
        }
        assert!(markdown.contains(&format!("plots/{plot}.png")), "{plot}");
    }
}

#[test]
fn the_load_of_the_next_window_is_drawn_and_its_traffic_is_steady() {
    let lab = Lab::new();
    lab.run(&lab.azure("loads", WINDOWS), &[]);
    let page = std::fs::read_to_string(lab.results().join("loads/report.html")).unwrap();
    assert!(page.contains("the next 3 s, tokens"));
    let states =
        lab.query("select distinct bucket from breakdowns where dimension = 'burst_state' order by 1");
    assert_eq!(states.len(), 1, "{states:?}");
    assert_eq!(states[0]["bucket"], "steady");
}

#[test]
fn a_partial_sweep_says_so_and_calls_nothing_significant() {
    let lab = Lab::new();
    let file = lab.azure("part", MODELS);
    let first = lab.call(&["run", file.to_str().unwrap(), "--slots", "1", "--max-runs", "4"]);
    assert_eq!(first.code, 5, "{}", first.stderr);
    assert!(first.stdout.contains("Not finished: 4 of 6 runs are done"), "{}", first.stdout);
    assert!(
        first.stdout.contains("Differences are tested once all runs are done. So far "),
        "{}",
        first.stdout
    );
    assert!(!first.stdout.contains("significant"), "{}", first.stdout);
    let json = lab.call(&["compare", "part", "--format", "json"]).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    let board = &json[0];
    assert_eq!((&board["complete"], &board["runs"], &board["done"]), (&false.into(), &6.into(), &4.into()));
    for model in board["models"].as_array().unwrap() {
        assert_eq!(model["p_value"], Value::Null, "{model}");
        assert_eq!(model["p_value_against_best"], Value::Null, "{model}");
    }
    let whole = lab.run(&file, &[]);
    assert!(!whole.stdout.contains("Not finished"), "{}", whole.stdout);
    assert!(whole.stdout.contains("significant"), "{}", whole.stdout);
}

#[test]
fn trials_that_are_not_done_are_not_counted_as_done() {
    let lab = Lab::new();
    let models = "[task.next_request]\nlookback = 8\n[[models]]\n[models.moving_average]\nwindow = { grid = [2, 3, 4] }\n\
                  [[models]]\n[models.mean]\n";
    let file = lab.azure("trials", models);
    let partial = lab.call(&["run", file.to_str().unwrap(), "--slots", "1", "--max-runs", "2"]);
    assert_eq!(partial.code, 5, "{}", partial.stderr);
    assert!(partial.stdout.contains("2 of 3"), "{}", partial.stdout);
    assert!(partial.stdout.contains("mean has no result"), "{}", partial.stdout);
}
