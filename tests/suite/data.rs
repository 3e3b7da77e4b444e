//! What people have as data goes through the whole program: other formats, the latest rows, cleaned copies.

use std::fmt::Write as _;

use serde_json::Value;

use crate::common::{Lab, azure_excerpt};

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

/// The Azure excerpt as a spreadsheet in Berlin would write it: semicolons, quotes, the local time, an index.
fn azure_from_a_spreadsheet(lab: &Lab) -> std::path::PathBuf {
    let text = std::fs::read_to_string(azure_excerpt()).unwrap();
    let mut lines = text.lines();
    let mut written = format!(";{}\n", lines.next().unwrap().replace(',', ";"));
    for (row, line) in lines.enumerate() {
        let [stamp, request, response] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
        // All of the excerpt lies in one hour.
        let local = stamp.replacen(" 18:", " 19:", 1).replace('.', ",");
        assert_ne!(local, stamp.replace('.', ","));
        writeln!(written, "{row};{local}+01:00;\"{request}\";\"{response}\"").unwrap();
    }
    lab.file("azure.csv", &written)
}

const NEXT_REQUEST: &str = "[task.next_request]\nlookback = 12\n[training]\nepochs = 1\n[[models]]\n[models.mean]\n\
                            [[models]]\n[models.dlinear]\nkernel = 5\n";

#[test]
fn a_trace_from_a_spreadsheet_gives_the_metrics_and_forecasts_of_the_original() {
    let lab = Lab::new();
    let path = azure_from_a_spreadsheet(&lab);
    lab.run(&lab.azure("original", NEXT_REQUEST), &[]);
    let file = |name: &str, columns: &str| {
        let text = format!("name = \"{name}\"\n[dataset]\nsource = {path:?}\n{columns}{NEXT_REQUEST}");
        lab.file(&format!("{name}.toml"), &text)
    };
    lab.run(&file("sheet", ""), &[]);
    lab.run(&file("given", "[dataset.columns]\nseparator = \";\"\ndecimal_comma = true\n"), &[]);
    // Runs are ordered by their names, which depend on the bytes of the file.
    let values = |name: &str| {
        let mut values: Vec<u64> = lab.metrics(name).into_iter().map(|(_, value)| value).collect();
        values.sort_unstable();
        values
    };
    assert!(values("original").len() > 20);
    assert_eq!(values("sheet"), values("original"));
    assert_eq!(values("given"), values("original"));
    let ids = |name: &str| lab.query(&format!("select run_id from runs where experiment = '{name}'"));
    let found = ids("sheet");
    assert_eq!(found.len(), 2);
    assert!(ids("given").iter().all(|id| !found.contains(id)), "what is given enters the identity of a run");
    let forecast = |trace: &str| {
        let arguments =
            ["predict", "--experiment", "sheet", "--trace", trace, "--steps", "3", "--format", "json"];
        let outcome = lab.call(&arguments);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        serde_json::from_str::<Value>(&outcome.stdout).unwrap()
    };
    let expected = forecast(path.to_str().unwrap());
    let watched = lab
        .command(&["predict", "--experiment", "sheet", "--trace", "-", "--watch", "--steps", "3"])
        .stdin(std::fs::File::open(&path).unwrap())
        .output()
        .unwrap();
    assert!(watched.status.success(), "{watched:?}");
    let text = String::from_utf8(watched.stdout).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["steps"][0], expected["steps"][0]);
    assert_eq!(last["last_s"], expected["last_s"]);
}

#[test]
fn the_latest_rows_are_the_last_ones_and_not_the_first() {
    let lab = Lab::new();
    let text = "date,load\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n2024-01-04,4\n2024-01-05,5\n";
    lab.file("load.csv", text);
    let slice = |rows: &str| {
        let spec: burstlab::spec::DatasetSpec =
            serde_json::from_str(&format!("{{\"source\": \"x\", {rows}}}")).unwrap();
        let trace = burstlab::dataset::read_trace(&lab.folder.path().join("load.csv")).unwrap();
        match burstlab::dataset::slice(&trace, &spec).unwrap().0.into_owned() {
            burstlab::dataset::Trace::Series(series) => (series.time_s, series.columns),
            burstlab::dataset::Trace::Requests(_) => panic!("a numeric table"),
        }
    };
    assert_eq!(slice("\"latest_rows\": 2"), (vec![0.0, 86_400.0], vec![vec![4.0, 5.0]]));
    assert_eq!(slice("\"max_rows\": 2"), (vec![0.0, 86_400.0], vec![vec![1.0, 2.0]]));
    assert_eq!(slice("\"latest_rows\": 99").1[0].len(), 5);
}

/// Calls one of the training scripts as its users do.
fn train(lab: &Lab, script: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = std::process::Command::new(root.join("scripts").join(script))
        .args(arguments)
        .current_dir(lab.folder.path())
        .env("BURSTLAB", env!("CARGO_BIN_EXE_burstlab"))
        .env("BURSTLAB_RESULTS", lab.results())
        .env("BURSTLAB_DATASET", lab.folder.path().join("dataset"))
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn training_scripts_learn_from_the_latest_rows_and_end_with_a_forecast() {
    let lab = Lab::new();
    let outcome = lab.call(&["dataset", "synth", "--rows", "3000", "--out", "trace.csv"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for (script, name) in [("train-simple.sh", "train-simple"), ("train-cpu.sh", "train-cpu")] {
        let (code, stdout, stderr) =
            train(&lab, script, &["--sample-size", "800", "--data-path", "trace.csv"]);
        assert_eq!(code, Some(0), "{stdout}\n{stderr}");
        let forecast = stdout.split("the next request:").nth(1).unwrap();
        assert!(forecast.contains("arrival_s (s)") && forecast.contains("response_tokens"), "{stdout}");
        let sql = "select count(*) as runs, min(params->>'$.dataset.latest_rows') as rows, sum(status = 'done') as done \
                   from runs where experiment = ";
        let row = &lab.query(&format!("{sql}'{name}'"))[0];
        assert_eq!((&row["runs"], &row["rows"], &row["done"]), (&5.into(), &800.into(), &5.into()));
        let plots = std::fs::read_dir(lab.results().join(name).join("plots")).unwrap();
        let mut plots: Vec<String> =
            plots.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        plots.sort();
        assert!(plots.iter().any(|plot| plot.starts_with("leaderboard")), "{plots:?}");
        assert!(!plots.iter().any(|plot| plot.contains("learning")), "{plots:?}");
        lab.call(&["report", name]);
        assert!(std::fs::read_dir(lab.results().join(name).join("plots")).unwrap().count() > plots.len());
    }
}

#[test]
fn the_production_script_plans_wider_networks_and_an_ensemble() {
    let lab = Lab::new();
    lab.call(&["dataset", "synth", "--rows", "1500", "--out", "trace.csv"]);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/train-production.toml");
    let outcome = lab.call(&["run", file, "--dry-run", "--set", "dataset.source=trace.csv"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stdout.contains("train-production: 15 runs"), "{}", outcome.stdout);
}

#[test]
fn a_training_script_without_its_data_or_with_a_typo_says_what_to_do() {
    let lab = Lab::new();
    let (code, _, stderr) = train(&lab, "train-production.sh", &["--sample-size", "10"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("name one with --data-path, or fetch BurstGPT"), "{stderr}");
    let (code, _, stderr) = train(&lab, "train-simple.sh", &["--samplesize", "10"]);
    assert!(code == Some(2) && stderr.contains("unknown argument --samplesize"), "{stderr}");
    let (code, _, stderr) = train(&lab, "train-cpu.sh", &["--data-path"]);
    assert!(code == Some(2) && stderr.contains("--data-path needs a value"), "{stderr}");
}

#[test]
fn a_large_trace_is_prepared_once_and_a_torn_or_stale_copy_is_never_used() {
    let lab = Lab::new();
    assert_eq!(lab.call(&["dataset", "synth", "--rows", "140000", "--out", "trace.csv"]).code, 0);
    let trace = lab.folder.path().join("trace.csv");
    let file = lab.file(
        "large.toml",
        "name = \"large\"\n[dataset]\nsource = \"trace.csv\"\n[dataset.cleaning]\ndrop_zero_tokens = true\n\
         [task.next_request]\nlookback = 20\n[[models]]\n[models.moving_average]\nwindow = { grid = [5, 10] }\n",
    );
    let entries = || {
        let folder = std::fs::read_dir(lab.folder.path().join("cache"));
        let mut paths: Vec<_> = folder.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let without =
        lab.command(&["run", file.to_str().unwrap()]).env("BURSTLAB_CACHE", "off").output().unwrap();
    assert!(without.status.success());
    assert_eq!(entries(), Vec::<std::path::PathBuf>::new());
    let metrics = lab.metrics("large");
    let again = || {
        std::fs::remove_dir_all(lab.results()).unwrap();
        lab.run(&file, &["--slots", "2"]);
        lab.metrics("large")
    };
    assert_eq!(again(), metrics, "prepared and kept");
    let [entry] = entries().try_into().unwrap();
    let kept = std::fs::read(&entry).unwrap();
    assert_eq!(again(), metrics, "opened");
    let mut torn = kept.clone();
    let middle = torn.len() / 2;
    torn[middle] ^= 1;
    std::fs::write(&entry, &torn).unwrap();
    assert_eq!(again(), metrics, "torn");
    assert_eq!(std::fs::read(&entry).unwrap(), kept, "and kept anew");
    let mut rows = std::fs::read_to_string(&trace).unwrap();
    rows.truncate(rows.trim_end().rfind('\n').unwrap() + 1);
    std::fs::write(&trace, rows).unwrap();
    assert_ne!(again(), metrics, "stale");
    assert_eq!(entries().len(), 2);
    // A folder that cannot be is said, and costs nothing but time.
    let blocked = lab.file("blocked", "");
    std::fs::remove_dir_all(lab.results()).unwrap();
    let outcome =
        lab.command(&["run", file.to_str().unwrap()]).env("BURSTLAB_CACHE", &blocked).output().unwrap();
    let stderr = String::from_utf8(outcome.stderr).unwrap();
    assert!(outcome.status.success() && stderr.contains("every worker prepares them again"), "{stderr}");
}
