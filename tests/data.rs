//! What people have as data goes through the whole program: other formats, the latest rows, cleaned copies.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fmt::Write as _;

use common::Lab;
use serde_json::Value;

/// Requests at whole milliseconds in a layout that no reader knows, compressed with gzip.
fn chat_log(lab: &Lab, rows: usize) {
    let mut text = String::new();
    for row in 0..rows {
        let (at, prompt, answer) = (row * 250 + row % 7 * 20, 20 + row % 13, 5 + row % 5);
        writeln!(text, "{{\"at\": {at}, \"who\": \"a\", \"prompt\": {prompt}, \"answer\": {answer}}}")
            .unwrap();
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
    std::fs::write(lab.folder.path().join("chat.jsonl.gz"), encoder.finish().unwrap()).unwrap();
}

const CHAT: &str = r#"name = "chat"
[dataset]
source = "chat.jsonl.gz"
latest_rows = 300
[dataset.columns]
timestamp = "at"
timestamp_unit = "ms"
request_tokens = "prompt"
response_tokens = "answer"
llm = "who"
[task.next_request]
lookback = 8
[[models]]
[models.mean]
[[models]]
[models.linear]
solver = "least_squares"
"#;

#[test]
fn requests_of_any_layout_are_learnt_from_and_forecast() {
    let lab = Lab::new();
    chat_log(&lab, 500);
    let file = lab.file("chat.toml", CHAT);
    lab.run(&file, &[]);
    let rows = lab.query("select params->>'$.dataset.latest_rows' as latest, status from runs");
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row["status"] == "done" && row["latest"] == 300), "{rows:?}");
    let saved = lab.scalar("select run_id from runs limit 1");
    let run =
        std::fs::read_to_string(lab.results().join("runs").join(saved.as_str().unwrap()).join("run.toml"));
    let run: toml::Table = run.unwrap().parse().unwrap();
    assert_eq!(run["steps"].as_integer(), Some(299), "one step less than there are requests");
    assert_eq!(run["removed"]["outside"].as_integer(), Some(200));
    let arguments =
        ["predict", "--experiment", "chat", "--trace", "chat.jsonl.gz", "--steps", "3", "--format", "json"];
    let outcome = lab.call(&arguments);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let forecast: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let gap_s = forecast["steps"][0]["gap_s"].as_f64();
    assert!(gap_s.is_some_and(|gap_s| (0.1..0.4).contains(&gap_s)), "{forecast}");
}

#[test]
fn the_latest_rows_are_the_last_ones_and_not_the_first() {
    let lab = Lab::new();
    let text = "date,load\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n2024-01-04,4\n2024-01-05,5\n";
    lab.file("load.csv", text);
    let slice = |rows: &str| {
        let spec: burstlab::experiment::DatasetSpec =
            serde_json::from_str(&format!("{{\"source\": \"x\", {rows}}}")).unwrap();
        let trace = burstlab::dataset::read_trace(&lab.folder.path().join("load.csv")).unwrap();
        match burstlab::dataset::slice(&trace, &spec).unwrap().0 {
            burstlab::dataset::Trace::Series(series) => (series.time_s, series.columns),
            burstlab::dataset::Trace::Requests(_) => panic!("a numeric table"),
        }
    };
    assert_eq!(slice("\"latest_rows\": 2"), (vec![0.0, 86_400.0], vec![vec![4.0, 5.0]]));
    assert_eq!(slice("\"max_rows\": 2"), (vec![0.0, 86_400.0], vec![vec![1.0, 2.0]]));
    assert_eq!(slice("\"latest_rows\": 99").1[0].len(), 5);
}
