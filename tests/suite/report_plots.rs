//! The plots of a report: every target and the first and the last step ahead, with dates where the data have dates.

use std::fmt::Write as _;
use std::path::Path;

use crate::common::Lab;

const MODELS: &str = "[[models]]\n[models.mean]\n[[models]]\n[models.persistence]\n[[models]]\n\
    [models.moving_average]\nwindow = 4\n";
const HORIZON: usize = 6;
/// The steps ahead of that horizon that are drawn.
const STEPS: [usize; 4] = [1, 2, 3, 6];

/// A table of three columns with a row an hour, and an experiment about it.
fn series(lab: &Lab, name: &str, columns: &str) -> std::path::PathBuf {
    let mut text = "date,north,south,west\n".to_string();
    for hour in 0..600 {
        let (day, hour_of_day) = (1 + hour / 24, hour % 24);
        let value = |period: usize| 10.0 + ((hour % period) as f64) + ((hour * 7 % 11) as f64) / 3.0;
        let _ = writeln!(
            text,
            "2024-03-{day:02} {hour_of_day:02}:00:00,{},{},{}",
            value(24),
            value(12),
            value(7)
        );
    }
    lab.file("table.csv", &text);
    let text = format!(
        "name = \"{name}\"\n[dataset]\nsource = \"table.csv\"\n{columns}[task.series]\nlookback = 24\n\
         horizon = {HORIZON}\n{MODELS}"
    );
    lab.file(&format!("{name}.toml"), &text)
}

fn svg(folder: &Path, name: &str) -> String {
    let path = folder.join("plots").join(format!("{name}.svg"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn stem(target: &str, step: usize) -> String {
    if step == 1 { format!("forecast-{target}") } else { format!("forecast-{target}-step-{step}") }
}

#[test]
fn every_target_has_a_plot_for_the_first_and_the_last_step_with_dates() {
    let lab = Lab::new();
    lab.run(&series(&lab, "dated", ""), &[]);
    let folder = lab.results().join("dated");
    for target in ["north", "south", "west"] {
        for step in STEPS {
            let svg = svg(&folder, &stem(target, step));
            assert!(svg.contains("time (UTC), 2024") && svg.contains(" Mar<"), "{target} {step}");
            let ahead = if step == 1 { "1 step ahead".to_string() } else { format!("{step} steps ahead") };
            assert!(svg.contains(&ahead), "{target} {step}");
        }
        let errors = svg(&folder, &format!("error-by-step-{target}"));
        assert!(errors.contains("steps ahead") && errors.contains("mean absolute error"), "{target}");
        assert!(svg(&folder, &format!("residuals-{target}")).contains("forecast minus observed"));
    }
    assert!(svg(&folder, "leaderboard").contains("\nbest of all</text>"), "the best of baselines alone");
    assert!(svg(&folder, "calibration").contains("percentage points"));
    let markdown = std::fs::read_to_string(folder.join("report.md")).unwrap();
    assert!(markdown.contains("Of 6 steps ahead, 1, 2, 3, 6 are drawn."), "what is not drawn is told");
    assert!(markdown.contains(" Mar 2024 "), "the caption says when");
    let pictured =
        markdown.lines().filter(|line| line.starts_with("![") && line.contains("(plots/forecast-"));
    assert_eq!(pictured.count(), 1, "one forecast is shown, and the others are linked");
    assert_eq!(markdown.matches("](plots/forecast-").count(), 3 * STEPS.len());
}

#[test]
fn rows_that_carry_no_time_are_counted() {
    let lab = Lab::new();
    let columns = "[dataset.columns]\ntimestamp_unit = \"none\"\n";
    let file = series(&lab, "counted", columns);
    // The column of dates is no quantity.
    let table = lab.folder.path().join("table.csv");
    let text = std::fs::read_to_string(&table).unwrap();
    let lines: Vec<&str> = text.lines().map(|line| line.split_once(',').unwrap().1).collect();
    std::fs::write(&table, lines.join("\n")).unwrap();
    lab.run(&file, &[]);
    let svg = svg(&lab.results().join("counted"), "forecast-north");
    assert!(svg.contains("\nrow<") && !svg.contains("UTC"), "rows are counted");
}

#[test]
fn loads_have_dates_and_are_forecast_from_what_was_known() {
    let lab = Lab::new();
    let rest = format!(
        "[task.window_load]\nwindow = \"3s\"\nlookback = 4\nhorizon = {HORIZON}\n{MODELS}\
         [split]\ntrain = 0.4\nvalid = 0.3\ntest = 0.3\n"
    );
    lab.run(&lab.azure("loads", &rest), &[]);
    let folder = lab.results().join("loads");
    for target in ["requests", "request-tokens", "response-tokens"] {
        for step in [1, HORIZON] {
            assert!(svg(&folder, &stem(target, step)).contains("time (UTC), 16 Nov 2023"), "{target} {step}");
        }
    }
    let load = svg(&folder, "load");
    for text in
        ["the next 3 s, tokens", "the next 18 s, tokens", "time (UTC), 16 Nov 2023", "80 % interval of"]
    {
        assert!(load.contains(text), "{text}");
    }
}

#[test]
fn requests_are_numbered_and_their_load_is_not_pretended_to_be_known() {
    let lab = Lab::new();
    let rest = format!("[task.next_request]\nlookback = 8\nhorizon = {HORIZON}\n{MODELS}");
    lab.run(&lab.azure("requests", &rest), &[]);
    let folder = lab.results().join("requests");
    for target in ["gap-s", "request-tokens", "response-tokens"] {
        for step in [1, HORIZON] {
            assert!(svg(&folder, &stem(target, step)).contains("\nrequest<"), "{target} {step}");
        }
    }
    assert!(!folder.join("plots/load.svg").exists());
    let markdown = std::fs::read_to_string(folder.join("report.md")).unwrap();
    assert!(markdown.contains("16 Nov 2023 "), "the caption says when");
}
