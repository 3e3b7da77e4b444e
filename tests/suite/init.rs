//! First experiments: what is written for each layout of a trace is a valid experiment, whose data decide what it asks.

use std::fmt::Write;
use std::path::Path;

use crate::common::Lab;

/// Writes a first experiment for a trace, checks that it can be run, and returns its text.
fn first(lab: &Lab, arguments: &[&str]) -> String {
    let outcome = lab.call(&[&["init"], arguments, &["--output", "first.toml", "--force"]].concat());
    assert_eq!(outcome.code, 0, "{arguments:?}: {}", outcome.stderr);
    let text = std::fs::read_to_string(lab.folder.path().join("first.toml")).unwrap();
    let planned = lab.call(&["run", "first.toml", "--dry-run"]);
    assert_eq!(planned.code, 0, "{}\n{text}", planned.stderr);
    assert!(planned.stdout.contains("lstm"), "{}", planned.stdout);
    text
}

/// The value of a key in a file.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let line = text.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap_or_default();
    line.split(" = ").nth(1).unwrap_or_default().split(" #").next().unwrap_or_default().trim()
}

/// Rows of requests, one every `gap_s`, each as `row` writes it: its number, its time, and two counts of tokens.
fn requests(rows: usize, gap_s: f64, row: impl Fn(usize, f64, usize, usize) -> String) -> String {
    (0..rows).map(|at| row(at, at as f64 * gap_s, 100 + at * 7 % 400, 20 + at * 13 % 90) + "\n").collect()
}

/// Hourly readings with a season of a day.
fn hourly(rows: usize) -> String {
    let mut text = "date,load\n".to_string();
    for hour in 0..rows {
        let load = (hour as f64 / 24.0 * std::f64::consts::TAU).sin() + (hour * 7 % 5) as f64 / 50.0;
        writeln!(
            text,
            "2016-{:02}-{:02} {:02}:00:00,{load:.4}",
            1 + hour / 672,
            1 + hour / 24 % 28,
            hour % 24
        )
        .unwrap();
    }
    text
}

#[test]
fn every_layout_gets_an_experiment_that_can_be_run() {
    let lab = Lab::new();
    let burstgpt = |_: usize, at: f64, input: usize, output: usize| {
        format!("{},ChatGPT,{input},{output},{},Conversation log", at as usize, input + output)
    };
    let sessions = |row: usize, at: f64, input: usize, output: usize| {
        format!("{at:.4},{row},1.5,GPT-4,{input},{output},{},Conversation log", input + output)
    };
    let azure = |_: usize, at: f64, input: usize, output: usize| {
        format!(
            "2023-11-16 {:02}:{:02}:{:07.4},{input},{output}",
            at as usize / 3600,
            at as usize / 60 % 60,
            at % 60.0
        )
    };
    let mooncake = |row: usize, at: f64, input: usize, output: usize| {
        format!(
            "{{\"timestamp\": {}, \"input_length\": {input}, \"output_length\": {output}, \"hash_ids\": [{row}]}}",
            (1e3 * at) as usize
        )
    };
    let own = |_: usize, at: f64, input: usize, output: usize| format!("{at},{input},{output}");
    let six = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n";
    let eight =
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n";
    let files = [
        ("six.csv", format!("{six}{}", requests(400, 30.0, burstgpt))),
        ("eight.csv", format!("{eight}{}", requests(400, 30.0, sessions))),
        ("azure.csv", format!("TIMESTAMP,ContextTokens,GeneratedTokens\n{}", requests(400, 30.0, azure))),
        ("mooncake.jsonl", requests(400, 30.0, mooncake)),
        ("series.csv", hourly(2_000)),
    ];
    for (name, text) in files {
        lab.file(name, &text);
        let first = first(&lab, &[name]);
        assert_eq!(value(&first, "source"), format!("\"{name}\""), "{first}");
        assert_eq!(first.contains("[task.series]"), name == "series.csv", "{first}");
    }
    lab.file("own.csv", &format!("at,in,out\n{}", requests(400, 30.0, own)));
    let columns = ["timestamp=at", "timestamp_unit=s", "request_tokens=in", "response_tokens=out"];
    let columns: Vec<&str> = columns.iter().flat_map(|column| ["--column", column]).collect();
    let first = first(&lab, &[&["own.csv"], columns.as_slice()].concat());
    assert!(first.contains("[dataset.columns]\n") && first.contains("timestamp = \"at\"\n"), "{first}");
}

#[test]
fn the_fixtures_of_every_layout_get_an_experiment_or_a_reason() {
    let lab = Lab::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut written = 0;
    for folder in [fixtures.clone(), fixtures.join("parquet")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() || path.extension().is_some_and(|extension| extension == "md") {
                continue;
            }
            let path = path.to_str().unwrap();
            let outcome = lab.call(&["init", path, "--output", "first.toml", "--force"]);
            if outcome.code != 0 {
                let is_reason = ["too few for an experiment", "add --column time_zone=Europe/Berlin"]
                    .iter()
                    .any(|reason| outcome.stderr.contains(reason));
                assert!(is_reason, "{path}: {}", outcome.stderr);
                continue;
            }
            first(&lab, &[path]);
            written += 1;
        }
    }
    assert!(written >= 4, "only {written}");
}

#[test]
fn what_is_in_the_trace_decides_the_task_its_windows_and_its_season() {
    let lab = Lab::new();
    let excerpt = crate::common::azure_excerpt();
    let excerpt = first(&lab, &[excerpt.to_str().unwrap()]);
    assert!(excerpt.contains("[task.next_request]"), "2,000 requests have too few windows: {excerpt}");

    lab.call(&["dataset", "synth", "--rows", "60000", "--out", "synthetic.csv"]);
    let synthetic = first(&lab, &["synthetic.csv"]);
    assert!(synthetic.contains("[task.window_load]\nwindow = \""), "{synthetic}");

    lab.file("hourly.csv", &hourly(4_000));
    let hourly_text = first(&lab, &["hourly.csv"]);
    assert_eq!(value(&hourly_text, "season"), "24", "{hourly_text}");
    assert_eq!(
        (value(&hourly_text, "lookback"), value(&hourly_text, "horizon")),
        ("48", "24"),
        "{hourly_text}"
    );

    // The same rows without a clock have no season that anybody could know of.
    let counted: String =
        hourly(4_000).lines().flat_map(|line| [line.split(',').nth(1).unwrap(), "\n"]).collect();
    lab.file("counted.csv", &counted);
    let counted =
        lab.call(&["init", "counted.csv", "--column", "timestamp_unit=none", "--output", "-x.toml"]);
    assert_eq!(counted.code, 2, "a file is not an option: {}", counted.stderr);
    let counted = first(&lab, &["counted.csv", "--column", "timestamp_unit=none"]);
    assert!(counted.contains("no clock") && !counted.contains("seasonal_naive"), "{counted}");
}

#[test]
fn an_experiment_is_named_after_its_trace_and_never_replaces_a_file() {
    let lab = Lab::new();
    lab.file("load 2024.csv", &hourly(500));
    let outcome = lab.call(&["init", "load 2024.csv"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.stderr.starts_with("wrote load-2024.toml; `burstlab run load-2024.toml` runs it"),
        "{}",
        outcome.stderr
    );
    let outcome = lab.call(&["init", "load 2024.csv"]);
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("add --force"), "{}", outcome.stderr);
    assert_eq!(lab.call(&["init", "load 2024.csv", "--force"]).code, 0);
    let outcome = lab.call(&["init", "load 2024.csv", "--output", "load 2024.csv", "--force"]);
    assert_eq!(outcome.code, 2, "the trace itself is kept");
    // From another folder the trace is found, too.
    std::fs::create_dir(lab.folder.path().join("elsewhere")).unwrap();
    assert_eq!(lab.call(&["init", "load 2024.csv", "--output", "elsewhere/first.toml"]).code, 0);
    assert_eq!(lab.call(&["run", "elsewhere/first.toml", "--dry-run"]).code, 0);
}

#[test]
fn a_pipe_and_a_trace_of_a_few_rows_are_refused() {
    let lab = Lab::new();
    let outcome = lab.call(&["init", "-"]);
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("can be read only once"), "{}", outcome.stderr);
    lab.file("short.csv", &hourly(10));
    let outcome = lab.call(&["init", "short.csv"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.stderr.contains("10 rows are too few for an experiment; it needs 24 at least"),
        "{}",
        outcome.stderr
    );
    assert!(!lab.folder.path().join("short.toml").exists());
}
