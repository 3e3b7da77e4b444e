//! `predict` while a trace grows, and the library behind it: the same forecasts as for the whole trace, row by row.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use burstlab::dataset::{RequestTrace, Row, RowReader, Trace, parse_trace, read_trace};
use burstlab::predict::{ForecastStep, Predictor, SavedModel};
use common::{Lab, Outcome, azure_excerpt, kill};
use serde_json::Value;

const NEXT: &str = "[dataset.cleaning]\ndrop_zero_tokens = true\nspread_duplicate_timestamps = \"400ms\"\n\
    [task.next_request]\nlookback = 12\nhorizon = 2\nfeatures = [\"arrival_rate\", \"mean_tokens\", \"burst\", \
    \"time_of_day\", \"day_of_week\"]\n[training]\nepochs = 1\nbatch_size = 64\n[[models]]\n[models.lstm]\nhidden = 4\n\
    [[models]]\n[models.dlinear]\nkernel = 5\n[[models]]\n[models.ensemble]\nmembers = [\"lstm\", \"dlinear\"]\n";

const LOAD: &str = "[dataset.cleaning]\ndrop_zero_tokens = true\nspread_duplicate_timestamps = \"1ms\"\n\
    [task.window_load]\nwindow = \"1h\"\nlookback = 6\n[training]\nepochs = 1\n\
    [[models]]\n[models.gru]\nhidden = 4\n[[models]]\n[models.nlinear]\n[[models]]\n[models.prophet]\n";

/// A trace with repeated whole-second timestamps and failed requests.
fn burstgpt(lab: &Lab) -> PathBuf {
    let path = lab.folder.path().join("burstgpt.csv");
    if !path.exists() {
        let outcome = lab.call(&["dataset", "synth", "--rows", "3000", "--out", path.to_str().unwrap()]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    }
    path
}

/// The real excerpt as JSON lines of Mooncake's layout, to the millisecond.
fn mooncake() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let Trace::Requests(trace) = read_trace(&azure_excerpt()).unwrap() else { panic!("no requests") };
        let rows = (0..trace.len()).map(|row| {
            let (at_ms, request) = ((trace.arrival_s[row] * 1e3).round(), trace.request_tokens[row]);
            let response = trace.response_tokens[row];
            format!("{{\"timestamp\": {at_ms}, \"input_length\": {request}, \"output_length\": {response}, \"hash_ids\": [{row}]}}\n")
        });
        rows.collect()
    })
}

/// A numeric table of two columns, one hour apart.
fn table(lab: &Lab) -> PathBuf {
    let rows = (0..400).map(|row| {
        let (day, hour) = (row / 24, row % 24);
        let load = f64::from((row * 7919) % 101) + 10.0 * (f64::from(hour) / 3.8).sin();
        format!("2016-07-{:02} {hour:02}:00:00,{load},{}\n", day + 1, -load / 3.0)
    });
    lab.file("table.csv", &format!("date,load,\"neg, load\"\n{}", rows.collect::<String>()))
}

/// Experiments of every task, run once for all tests of this file.
fn trained() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(|| {
        let lab = Lab::new();
        let source = burstgpt(&lab);
        for (name, rest) in [("next", NEXT), ("load", LOAD)] {
            let text = format!("name = \"{name}\"\n[dataset]\nsource = \"{}\"\n{rest}", source.display());
            lab.run(&lab.file(&format!("{name}.toml"), &text), &[]);
        }
        let text = format!(
            "name = \"rows\"\n[dataset]\nsource = \"{}\"\n[task.series]\nlookback = 24\nhorizon = 3\n[training]\nepochs = 1\n\
             [[models]]\n[models.linear]\n[[models]]\n[models.mean]\n[[models]]\n[models.ets]\n[[models]]\n[models.prophet]\n",
            table(&lab).display()
        );
        lab.run(&lab.file("rows.toml", &text), &[]);
        let text = "[task.next_request]\nlookback = 12\n[training]\nepochs = 1\n[[models]]\n[models.dlinear]\nkernel = 5\n";
        lab.run(&lab.azure("azure", text), &[]);
        lab
    })
}

/// Follows a trace and asks for the whole prefix after every so many rows; returns how many forecasts were compared.
fn compare(model: &SavedModel, path: &Path, every: usize, count: usize) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut reader = RowReader::new("x.csv", lines[0].as_bytes(), None).unwrap();
    let mut watch = model.watch(count);
    watch.accept(&reader).unwrap();
    let horizon = model.saved().spec.task.horizon();
    let mut compared = 0;
    let header = usize::from(!reader.begins_with_a_row());
    for (index, line) in lines.iter().enumerate().skip(header) {
        let row: Row<'_> = reader.read(line, index + 1).unwrap().unwrap();
        let mut stepped = false;
        watch
            .push(row, &mut |_| {
                stepped = true;
                Ok(())
            })
            .unwrap();
        if index % every != 0 {
            continue;
        }
        let prefix = lines[..=index].join("\n");
        let whole = model.forecast(&parse_trace("x.csv", prefix.as_bytes()).unwrap(), count);
        match watch.forecast() {
            None => assert!(whole.is_err(), "row {index}: {whole:?}"),
            Some(mut own) => {
                let mut whole = whole.unwrap();
                // What is fed back has intervals only from a backtest, which needs the whole trace.
                for forecast in [&mut own, &mut whole] {
                    forecast
                        .steps
                        .iter_mut()
                        .skip(horizon)
                        .for_each(|step: &mut ForecastStep| step.bounds.clear());
                }
                assert_eq!(own, whole, "row {index}");
                assert!(own.steps[..horizon.min(count)].iter().all(|step| !step.bounds.is_empty()));
                compared += 1;
            }
        }
    }
    compared
}

#[test]
fn after_every_row_a_watched_trace_gives_the_forecast_of_the_whole_trace_so_far() {
    let lab = trained();
    for (experiment, path, every, count, least) in [
        ("next", burstgpt(lab), 97, 2, 25),
        ("next", burstgpt(lab), 501, 5, 5),
        ("load", burstgpt(lab), 97, 1, 20),
        ("next", lab.file("all.jsonl", mooncake()), 97, 2, 15),
        ("rows", table(lab), 31, 5, 10),
    ] {
        let predictor = Predictor::load_from(&lab.results(), experiment).unwrap();
        assert!(predictor.models().len() > 1);
        for model in predictor.models() {
            let compared = compare(model, &path, every, count);
            assert!(compared >= least, "{experiment} {model:?}: {compared}");
        }
    }
}

#[test]
fn json_lines_are_followed_from_their_first_row_on() {
    let lab = trained();
    let text = mooncake();
    let mut lines: Vec<&str> = text.lines().collect();
    let sound = piped(lab, text.trim_end(), &["--experiment", "azure"]);
    assert_eq!((sound.code, sound.stderr.as_str()), (0, ""));
    let documents: Vec<&str> = sound.stdout.lines().collect();
    assert_eq!(documents.len(), 1_999 - 11);
    for (index, document) in documents.iter().enumerate().step_by(397) {
        let prefix = lab.file("prefix.jsonl", &(lines[..13 + index].join("\n") + "\n"));
        assert_eq!(predicted(lab, &prefix), *document);
    }
    lines.insert(30, "{\"timestamp\": 99999999, \"input_length\": 1.5, \"output_length\": 3}");
    lines.insert(35, "{\"timestamp\": 1, \"input_length\": 1, \"output_length\": 3}");
    lines.insert(37, "{\"timestamp\": 9");
    let skipped = piped(lab, &lines.join("\n"), &["--experiment", "azure", "--skip-bad-rows"]);
    assert_eq!((skipped.code, skipped.stdout == sound.stdout), (0, true));
    for message in [
        "skipped: standard input:31: column \"input_length\": `1.5` is not a whole number",
        "skipped: standard input:36: column \"timestamp\": the timestamp goes back",
        "skipped: standard input:38: this line is not one JSON object: EOF while parsing",
    ] {
        assert!(skipped.stderr.contains(message), "{}", skipped.stderr);
    }
    assert_eq!(skipped.stderr.lines().count(), 3);
}

#[test]
fn a_growing_file_of_json_lines_is_followed_through_half_lines_and_rotations() {
    let lab = trained();
    let text = mooncake();
    let lines: Vec<&str> = text.lines().collect();
    let path = lab.file("growing.jsonl", &(lines[..500].join("\n") + "\n"));
    let mut watcher = Watcher::start(lab, &path, &[]);
    assert_eq!(watcher.line(), predicted(lab, &path));
    let (half, rest) = lines[500].split_at(25);
    append(&path, half);
    std::thread::sleep(Duration::from_millis(30));
    append(&path, &format!("{rest}\n"));
    assert_eq!(watcher.line(), predicted(lab, &path));
    // Another file stands in its place: its first line is the next row, where CSV has its header once more.
    std::fs::write(lab.folder.path().join("rotated"), format!("{}\n", lines[501])).unwrap();
    std::fs::rename(lab.folder.path().join("rotated"), &path).unwrap();
    let whole = lab.file("whole.jsonl", &(lines[..502].join("\n") + "\n"));
    assert_eq!(watcher.line(), predicted(lab, &whole));
    let (rest, messages, code) = watcher.end();
    assert_eq!((rest.as_str(), code), ("", 5));
    assert!(messages.contains("was cut short or replaced"), "{messages}");
}

/// Feeds a text to `predict --watch` on standard input.
fn piped(lab: &Lab, text: &str, more: &[&str]) -> Outcome {
    let mut arguments = vec!["predict", "--trace", "-", "--watch"];
    arguments.extend(more);
    let mut child = lab
        .command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = text.to_string();
    // It may end before it has read everything.
    let feeder = std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    let outcome = child.wait_with_output().unwrap().into();
    feeder.join().unwrap();
    outcome
}

#[test]
fn standard_input_gives_one_document_for_each_request_and_ends_well() {
    let lab = trained();
    let text = std::fs::read_to_string(azure_excerpt()).unwrap();
    // The last line lacks its line end, as some files do.
    let outcome = piped(lab, text.trim_end(), &["--experiment", "azure"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    // 2,000 requests are 1,999 steps; the first forecast is made after twelve of them.
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 1_999 - 11);
    for (index, line) in lines.iter().enumerate().step_by(331) {
        let rows: Vec<&str> = text.lines().take(1 + 13 + index).collect();
        let prefix = lab.file("prefix.csv", &rows.join("\n"));
        let arguments =
            ["predict", "--experiment", "azure", "--trace", prefix.to_str().unwrap(), "--format", "json"];
        assert_eq!(lab.call(&arguments).stdout.trim_end(), *line);
        let document: Value = serde_json::from_str(line).unwrap();
        assert!(document["steps"][0]["gap_s_intervals"]["95"][1].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn a_window_gives_its_forecast_when_it_is_complete_and_empty_windows_give_theirs() {
    let lab = trained();
    let mut text = String::from("Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n");
    // Requests in hours 0 to 5, then none until hour 9.
    for timestamp in [0, 100, 3_600, 7_300, 10_900, 14_500, 18_100, 33_000] {
        text.extend([timestamp.to_string().as_str(), ",ChatGPT,10,20,30,API log\n"]);
    }
    let outcome = piped(lab, &text, &["--experiment", "load"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let starts: Vec<f64> = outcome
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["steps"][0]["start_s"].as_f64().unwrap())
        .collect();
    assert_eq!(starts, [6.0, 7.0, 8.0, 9.0].map(|hour| hour * 3_600.0));
}

/// `predict --watch` on a file.
struct Watcher {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watcher {
    fn start(lab: &Lab, path: &Path, more: &[&str]) -> Self {
        let mut arguments =
            vec!["predict", "--experiment", "azure", "--watch", "--trace", path.to_str().unwrap()];
        arguments.extend(more);
        let mut child =
            lab.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_string()
    }

    /// Ends it and returns what it had not yet shown: lines, messages and its exit code.
    fn end(mut self) -> (String, String, i32) {
        kill(self.child.id(), "TERM");
        let (mut rest, mut messages) = (String::new(), String::new());
        self.lines.read_to_string(&mut rest).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut messages).unwrap();
        (rest, messages, self.child.wait().unwrap().code().unwrap())
    }
}

fn predicted(lab: &Lab, path: &Path) -> String {
    let arguments =
        ["predict", "--experiment", "azure", "--format", "json", "--trace", path.to_str().unwrap()];
    lab.call(&arguments).stdout.trim_end().to_string()
}

fn append(path: &Path, text: &str) {
    File::options().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_growing_file_is_followed_through_half_lines_cuts_and_rotations() {
    let lab = trained();
    let text = std::fs::read_to_string(azure_excerpt()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let path = lab.file("growing.csv", &(lines[..1_000].join("\n") + "\n"));
    let mut watcher = Watcher::start(lab, &path, &[]);
    // The rows that are there are the history: what follows them comes at once.
    assert_eq!(watcher.line(), predicted(lab, &path));
    let (half, rest) = lines[1_000].split_at(20);
    append(&path, half);
    std::thread::sleep(Duration::from_millis(50));
    append(&path, &format!("{rest}\n"));
    assert_eq!(watcher.line(), predicted(lab, &path));
    // Cut short, with the header again: the history goes on.
    std::fs::write(&path, format!("{}\n{}\n", lines[0], lines[1_001])).unwrap();
    let whole = lab.file("so-far.csv", &lines[..1_002].join("\n"));
    assert_eq!(watcher.line(), predicted(lab, &whole));
    // Another file in its place, without a header.
    let next = lab.file("next.csv", &format!("{}\n", lines[1_002]));
    std::fs::rename(next, &path).unwrap();
    let whole = lab.file("so-far.csv", &lines[..1_003].join("\n"));
    assert_eq!(watcher.line(), predicted(lab, &whole));
    let (rest, messages, code) = watcher.end();
    assert_eq!((rest.as_str(), code), ("", 5));
    assert_eq!(messages.matches("cut short or replaced").count(), 2, "{messages}");
}

#[test]
fn from_the_start_every_row_of_a_file_is_forecast_from() {
    let lab = trained();
    let mut watcher = Watcher::start(lab, &azure_excerpt(), &["--from-start"]);
    let lines: Vec<String> = (0..1_999 - 11).map(|_| watcher.line()).collect();
    assert_eq!(lines.last().unwrap(), &predicted(lab, &azure_excerpt()));
    assert_eq!(watcher.end(), (String::new(), String::new(), 5));
}

#[test]
fn a_file_shorter_than_the_lookback_says_what_it_waits_for() {
    let lab = trained();
    let text = std::fs::read_to_string(azure_excerpt()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let path = lab.file("short-growing.csv", &(lines[..9].join("\n") + "\n"));
    let mut watcher = Watcher::start(lab, &path, &[]);
    std::thread::sleep(Duration::from_millis(200));
    append(&path, &(lines[9..14].join("\n") + "\n"));
    assert_eq!(watcher.line(), predicted(lab, &path));
    let (_, messages, _) = watcher.end();
    assert!(messages.contains("the first forecast follows after 5 more steps"), "{messages}");
    let outcome = piped(lab, &lines[..9].join("\n"), &["--experiment", "azure"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, ""));
    assert!(
        outcome.stderr.contains("the trace ended 5 steps before the first forecast"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_malformed_row_ends_the_watch_with_its_line_or_is_passed_over_when_asked() {
    let lab = trained();
    let text = std::fs::read_to_string(azure_excerpt()).unwrap();
    let mut lines: Vec<&str> = text.lines().take(40).collect();
    let sound = piped(lab, &lines.join("\n"), &["--experiment", "azure"]);
    lines.insert(30, "2023-11-16 18:15:46.6805900,12");
    lines.insert(35, "2023-11-16 10:00:00,1,1");
    let bad = lines.join("\n");
    let stopped = piped(lab, &bad, &["--experiment", "azure"]);
    assert_eq!(stopped.code, 1);
    assert!(
        stopped
            .stderr
            .contains("standard input:31: column \"GeneratedTokens\": 2 fields, but the header has 3"),
        "{}",
        stopped.stderr
    );
    // What came before the fault is there, whole.
    assert_eq!(stopped.stdout.lines().count(), 30 - 2 - 11);
    assert!(sound.stdout.starts_with(&stopped.stdout));
    let skipped = piped(lab, &bad, &["--experiment", "azure", "--skip-bad-rows"]);
    assert_eq!((skipped.code, skipped.stdout), (0, sound.stdout));
    assert!(
        skipped.stderr.contains("skipped: standard input:31: column \"GeneratedTokens\": 2 fields"),
        "{}",
        skipped.stderr
    );
    assert!(
        skipped.stderr.contains("skipped: standard input:36: column \"TIMESTAMP\": the timestamp goes back"),
        "{}",
        skipped.stderr
    );
    assert_eq!(skipped.stderr.lines().count(), 2);
}

#[test]
fn rows_of_another_kind_and_no_rows_at_all_are_refused() {
    let lab = trained();
    let table = std::fs::read_to_string(table(lab)).unwrap();
    for (text, experiment, message) in [
        (table.as_str(), "azure", "this is a numeric table; its task is series"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n", "rows", "this is a trace of requests"),
        (
            "date,load\n",
            "rows",
            "the model was trained on the channels load, neg, load, but the trace has load",
        ),
        ("p,q\n1,2\n", "azure", "standard input:1: the header `p,q` is not one that is known"),
        (
            "\n{\"timestamp\": 1, \"input_length\": 2}\n",
            "azure",
            "standard input:2: the header looks like that of Mooncake, but lacks `output_length`",
        ),
        (
            "{\"timestamp\": 1, \"input_length\": 2, \"output_length\": 3}\n",
            "rows",
            "this is a trace of requests",
        ),
        ("", "azure", "standard input: the trace is empty"),
    ] {
        // A header that is wrong is no row to be passed over.
        let outcome = piped(lab, text, &["--experiment", experiment, "--skip-bad-rows"]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""), "{text}");
        assert!(outcome.stderr.contains(message), "{}", outcome.stderr);
    }
}

#[test]
fn a_reader_that_has_enough_ends_the_watch_quietly() {
    let lab = trained();
    let text = std::fs::read_to_string(azure_excerpt()).unwrap();
    let mut child = lab
        .command(&["predict", "--trace", "-", "--watch", "--experiment", "azure"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let rows: Vec<&str> = text.lines().collect();
    input.write_all((rows[..14].join("\n") + "\n").as_bytes()).unwrap();
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.ends_with("}\n"));
    drop(lines);
    // The pipe is closed: it ends at the next forecast, or one later where another test was just starting a program, which
    // holds a copy of every pipe for a moment.
    for row in &rows[14..] {
        if child.try_wait().unwrap().is_some() || input.write_all(format!("{row}\n").as_bytes()).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(input);
    let mut messages = String::new();
    child.stderr.take().unwrap().read_to_string(&mut messages).unwrap();
    assert_eq!((child.wait().unwrap().code(), messages.as_str()), (Some(0), ""));
}

#[test]
fn what_watch_cannot_do_is_a_usage_error() {
    let lab = trained();
    let trace = azure_excerpt();
    for (arguments, message) in [
        (
            vec!["--trace", trace.to_str().unwrap(), "--watch", "--format", "csv"],
            "one JSON document per line",
        ),
        (vec!["--trace", trace.to_str().unwrap(), "--from-start"], "--watch"),
        (vec!["--trace", "nowhere.csv", "--watch"], "`nowhere.csv` is neither a file"),
    ] {
        let outcome = lab.call(&[&["predict", "--experiment", "azure"], arguments.as_slice()].concat());
        assert_eq!(outcome.code, 2, "{arguments:?} {}", outcome.stderr);
        assert!(outcome.stderr.contains(message), "{}", outcome.stderr);
    }
}

#[test]
fn csv_says_what_json_says() {
    let lab = trained();
    for (experiment, trace) in [("next", burstgpt(lab)), ("rows", table(lab))] {
        let arguments = |format: &'static str| {
            let trace = trace.to_str().unwrap().to_string();
            ["predict", "--experiment", experiment, "--steps", "4", "--format", format, "--trace"]
                .map(str::to_string)
                .into_iter()
                .chain([trace])
                .collect::<Vec<String>>()
        };
        let ask = |format| {
            let arguments = arguments(format);
            let outcome = lab.call(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(outcome.code, 0, "{}", outcome.stderr);
            outcome.stdout
        };
        let json: Value = serde_json::from_str(&ask("json")).unwrap();
        let csv = ask("csv");
        let mut rows = csv.lines();
        let header = rows.next().unwrap();
        assert!(header.starts_with("step,"), "{header}");
        if experiment == "rows" {
            assert!(header.contains(",\"neg, load\",\"neg, load_lower_50\""), "{header}");
        }
        for (row, step) in rows.by_ref().zip(json["steps"].as_array().unwrap()) {
            let found: Vec<f64> = row.split(',').map(|field| field.parse().unwrap()).collect();
            let targets: &[&str] = if experiment == "rows" {
                &["load", "neg, load"]
            } else {
                &["gap_s", "request_tokens", "response_tokens"]
            };
            let time = if experiment == "rows" { "start_s" } else { "arrival_s" };
            let mut expected = vec![step["step"].as_f64().unwrap(), step[time].as_f64().unwrap()];
            for target in targets {
                expected.push(step[*target].as_f64().unwrap());
                for level in ["50", "80", "95"] {
                    let ends = &step[format!("{target}_intervals")][level];
                    expected.extend([ends[0].as_f64().unwrap(), ends[1].as_f64().unwrap()]);
                }
            }
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                // The reader of JSON rounds the last digit otherwise.
                assert!((found - expected).abs() <= 1e-14 * expected.abs(), "{found} {expected}");
            }
        }
        assert_eq!(csv.lines().count(), 5);
    }
}

#[test]
fn a_predictor_holds_one_model_of_each_kind_the_best_first() {
    let lab = trained();
    let predictor = Predictor::load_from(&lab.results(), "next").unwrap();
    let kinds: Vec<&str> = predictor.models().iter().map(|model| model.saved().spec.model.kind()).collect();
    let ranked = lab.query(
        "select model from runs join metrics using (run_id) where experiment = 'next' and part = 'valid' and \
         target = 'all' and name = 'mse' order by value",
    );
    let ranked: Vec<&str> = ranked.iter().map(|row| row["model"].as_str().unwrap()).collect();
    assert_eq!(kinds, ranked);
    let trace = parse_trace("x.csv", &std::fs::read(burstgpt(lab)).unwrap()).unwrap();
    let next = predictor.predict_next_request(&trace).unwrap();
    assert_eq!(next.len(), 3);
    for (forecast, model) in next.iter().zip(predictor.models()) {
        assert_eq!(forecast.run_id, model.saved().run_id);
        let whole = model.forecast(&trace, 1).unwrap();
        assert_eq!(
            [forecast.gap_s, forecast.request_tokens, forecast.response_tokens].as_slice(),
            whole.steps[0].values
        );
        assert_eq!(
            forecast.intervals.iter().map(|interval| interval.level).collect::<Vec<_>>(),
            [50, 80, 95]
        );
        let [narrow, _, wide] = forecast.intervals.as_slice() else { panic!() };
        assert!(wide.gap_s.0 <= narrow.gap_s.0 && narrow.gap_s.1 <= wide.gap_s.1);
    }
    assert_ne!(next[0].gap_s, next[1].gap_s);
    let best = Predictor::load_best(&lab.results(), "next").unwrap();
    assert_eq!(best.models().len(), 1);
    assert_eq!(best.best().saved().run_id, next[0].run_id);
    let load = Predictor::load_from(&lab.results(), "load").unwrap();
    let error = load.predict_next_request(&trace).unwrap_err().to_string();
    assert!(error.contains("trained for the task window_load, not for next_request"), "{error}");
    assert!(load.predict_steps(&trace, 0).is_err());
    assert!(Predictor::load_from(&lab.results(), "nothing").is_err());
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn gaps(trace: &RequestTrace) -> Vec<f64> {
    trace.arrival_s.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn a_generated_trace_reads_back_is_like_the_one_it_continues_and_follows_its_seed() {
    let lab = trained();
    let trace = azure_excerpt();
    let generated = |name: &str, layout: &str, seed: &str| {
        let out = lab.folder.path().join(name);
        let outcome = lab.call(&[
            "predict",
            "--experiment",
            "azure",
            "--trace",
            trace.to_str().unwrap(),
            "--generate",
            "1500",
            "--out",
            out.to_str().unwrap(),
            "--as",
            layout,
            "--seed",
            seed,
        ]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (0, ""), "{}", outcome.stderr);
        let Trace::Requests(trace) = read_trace(&out).unwrap() else { panic!("{name}") };
        (std::fs::read(&out).unwrap(), trace)
    };
    let (bytes, sampled) = generated("a.csv", "burstgpt", "1");
    assert_eq!(sampled.len(), 1_500);
    assert!(sampled.request_tokens.iter().chain(&sampled.response_tokens).all(|&tokens| tokens >= 1.0));
    let Trace::Requests(real) = read_trace(&trace).unwrap() else { panic!() };
    for (name, sampled, real) in [
        ("gap", median(gaps(&sampled)), median(gaps(&real))),
        ("request tokens", median(sampled.request_tokens.clone()), median(real.request_tokens.clone())),
        ("response tokens", median(sampled.response_tokens.clone()), median(real.response_tokens.clone())),
    ] {
        assert!(
            (0.5..2.0).contains(&(sampled / real)),
            "the median {name} is {sampled}, that of the trace {real}"
        );
    }
    // Draws, not the forecast over and over: as spread out as the trace is, within a factor of two.
    let spread = |values: &[f64]| {
        let logs: Vec<f64> = values.iter().map(|value| value.ln_1p()).collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / logs.len() as f64).sqrt()
    };
    let ratio = spread(&sampled.request_tokens) / spread(&real.request_tokens);
    assert!((0.5..2.0).contains(&ratio), "{ratio}");
    assert_eq!(bytes, generated("again.csv", "burstgpt", "1").0);
    assert_ne!(bytes, generated("other.csv", "burstgpt", "2").0);
    let (_, mooncake) = generated("a.jsonl", "mooncake", "1");
    assert_eq!(mooncake.request_tokens, sampled.request_tokens);
    assert_eq!(mooncake.response_tokens, sampled.response_tokens);
    for (milliseconds, seconds) in gaps(&mooncake).iter().zip(gaps(&sampled)) {
        assert!((milliseconds - seconds).abs() < 1.1e-3, "{milliseconds} {seconds}");
    }
}

#[test]
fn a_model_without_a_distribution_of_requests_generates_none() {
    let lab = trained();
    let text =
        "[task.next_request]\nlookback = 1\n[uncertainty]\nconformal = \"none\"\n[[models]]\n[models.mean]\n";
    lab.run(&lab.azure("unsure", text), &[]);
    let out = lab.folder.path().join("none.csv");
    for (experiment, trace, message) in [
        (
            "unsure",
            azure_excerpt(),
            "has no intervals, and therefore no distribution to draw from; train it with uncertainty",
        ),
        ("load", burstgpt(lab), "only a model of the task next_request can generate requests"),
    ] {
        let outcome = lab.call(&[
            "predict",
            "--experiment",
            experiment,
            "--trace",
            trace.to_str().unwrap(),
            "--generate",
            "5",
            "--out",
            out.to_str().unwrap(),
        ]);
        assert_eq!(outcome.code, 1);
        assert!(outcome.stderr.contains(message), "{}", outcome.stderr);
        assert!(!out.exists());
    }
    let outcome = lab.call(&["predict", "--experiment", "azure", "--trace", "x.csv", "--generate", "5"]);
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
}
