//! Labs with two weeks of load, for experiments that have a service.

use super::Lab;

/// Two weeks of load, a row for every ten minutes.
pub const LOAD: &str = include_str!("../../../dataset/servegen/servegen-m-large-load.csv");

/// A valid experiment, for mistakes to be put into.
pub const VALID: &str = r#"name = "e"
[dataset]
source = "load.csv"
[task.series]
lookback = 6
horizon = 2
[capacity]
prefill_tokens_per_s = 6000
decode_tokens_per_s = 1500
cold_start = "10min"
request_tokens = "request_tokens"
response_tokens = "response_tokens"
[[models]]
[models.persistence]
"#;

/// The valid experiment with some texts replaced, each by another.
pub fn with(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(VALID.to_string(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

/// A lab with the load, the same without one of its rows, with a column of another name, and without its times.
pub fn load_lab() -> Lab {
    let lab = Lab::new();
    lab.file("load.csv", LOAD);
    let lines: Vec<&str> = LOAD.lines().collect();
    lab.file("uneven.csv", &[&lines[..9], &lines[10..]].concat().join("\n"));
    lab.file("work.csv", &LOAD.replacen("requests,", "work_s,", 1));
    let values = |line: &&str| line.split_once(',').unwrap().1.to_string();
    lab.file("untimed.csv", &lines.iter().map(values).collect::<Vec<_>>().join("\n"));
    lab
}
