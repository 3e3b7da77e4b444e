//! `predict` while a trace grows, and the library behind it: the same forecasts as for the whole trace, row by row.

mod generate;
mod watch;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use burstlab::dataset::{RequestTrace, Row, RowReader, Trace, parse_trace, read_trace};
use burstlab::predict::{ForecastStep, Predictor, SavedModel};
use serde_json::Value;

use crate::common::{Lab, Outcome, azure_excerpt, kill};

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

/// Feeds a text to `predict --watch` on standard input.
fn piped(lab: &Lab, text: &str, more: &[&str]) -> Outcome {
    let mut arguments = vec!["predict", "--trace", "-", "--watch"];
    arguments.extend(more);
    lab.call_with_input(&arguments, text)
}

fn predicted(lab: &Lab, path: &Path) -> String {
    let arguments =
        ["predict", "--experiment", "azure", "--format", "json", "--trace", path.to_str().unwrap()];
    lab.call(&arguments).stdout.trim_end().to_string()
}
