//! `burstlab serve` as its clients see it: the program on a port of its own, following a trace.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use common::http::{self, Answer};
use common::{Lab, azure_excerpt, kill};
use insta::assert_snapshot;
use serde_json::Value;

/// Two weeks of load, a row for every ten minutes.
const LOAD: &str = include_str!("../dataset/servegen/servegen-m-large-load.csv");

const NEXT: &str = "[task.next_request]\nlookback = 12\nhorizon = 2\n[training]\nepochs = 1\n[[models]]\n[models.dlinear]\nkernel = 5\n";

const WINDOWS: &str = "[task.window_load]\nwindow = \"2s\"\nlookback = 6\nhorizon = 4\n[capacity]\nprefill_tokens_per_s = 900\n\
    decode_tokens_per_s = 150\ncold_start = \"4s\"\nscale_down_after = \"10s\"\nmax_replicas = 50\n[[models]]\n[models.nlinear]\n\
    solver = \"least_squares\"\n";

const ROWS: &str = "[task.series]\nlookback = 12\nhorizon = 3\n[capacity]\nprefill_tokens_per_s = 6000\ndecode_tokens_per_s = 1500\n\
    cold_start = \"10min\"\nscale_down_after = \"30min\"\nmax_delay = \"60s\"\nmax_replicas = 256\nrequest_tokens = \"request_tokens\"\n\
    response_tokens = \"response_tokens\"\n[[models]]\n[models.nlinear]\nsolver = \"least_squares\"\n";

/// The levels of the quantiles, as they are written.
const LEVELS: [&str; 7] = ["0.025", "0.1", "0.25", "0.5", "0.75", "0.9", "0.975"];

/// Experiments of every task, run once for all tests of this file.
fn trained() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(|| {
        let lab = Lab::new();
        lab.file("load.csv", LOAD);
        let untimed: Vec<&str> = LOAD.lines().map(|line| line.split_once(',').unwrap().1).collect();
        lab.file("untimed.csv", &untimed.join("\n"));
        lab.run(&lab.azure("next", NEXT), &[]);
        lab.run(&lab.azure("windows", WINDOWS), &[]);
        for (name, source, task) in [
            ("rows", "load.csv", ROWS),
            ("repeats", "load.csv", format!("[dataset.cleaning]\nrepeats = \"last\"\n{ROWS}").as_str()),
            (
                "untimed",
                "untimed.csv",
                "[dataset.columns]\ntimestamp_unit = \"none\"\n[task.series]\nlookback = 4\n[[models]]\n[models.persistence]\n",
            ),
        ] {
            let text =
                format!("name = \"{name}\"\n[dataset]\nsource = \"{source}\"\nlatest_rows = 1008\n{task}");
            lab.run(&lab.file(&format!("{name}.toml"), &text), &[]);
        }
        lab
    })
}

/// A server that ends with the test.
struct Served {
    child: Child,
    port: u16,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    fn start(experiment: &str, trace: &str, more: &[&str]) -> Self {
        let mut arguments = vec!["serve", "--experiment", experiment, "--trace", trace, "--port", "0"];
        arguments.extend(more);
        let mut command = trained().command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().trim_end_matches('/').rsplit(':').next().unwrap().parse();
        Self { port: port.unwrap_or_else(|_| panic!("no address: {}", rest_of(&mut child))), child }
    }

    fn get(&self, path: &str) -> Answer {
        http::ask(self.port, "GET", path, "", "")
    }

    fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    fn post(&self, rows: &str) -> Answer {
        http::ask(self.port, "POST", "/v1/rows", "", rows)
    }

    /// The forecast once it meets a condition.
    fn forecast_when(&self, meets: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = self.get("/v1/forecast");
            let forecast: Value = serde_json::from_str(&answer.body).unwrap();
            if answer.status == 200 && meets(&forecast) {
                return forecast;
            }
            assert!(Instant::now() < end, "{} {forecast}", answer.status);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The lines of the page of metrics with this beginning.
    fn metrics(&self, beginning: &str) -> Vec<String> {
        let page = self.get("/metrics");
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, "text/plain; version=0.0.4; charset=utf-8")
        );
        page.body.lines().filter(|line| line.starts_with(beginning)).map(str::to_string).collect()
    }

    /// The value of a metric with these labels, once there is one.
    fn metric(&self, name_and_labels: &str) -> f64 {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(line) = self.metrics(&format!("{name_and_labels} ")).first() {
                return line.rsplit(' ').next().unwrap().parse().unwrap();
            }
            assert!(Instant::now() < end, "no {name_and_labels}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end; the exit code, and what was said.
    fn end(mut self) -> (i32, String) {
        let said = rest_of(&mut self.child);
        (self.child.wait().unwrap().code().unwrap_or(-1), said)
    }
}

fn rest_of(child: &mut Child) -> String {
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    said
}

/// What `predict` prints for a file.
fn predicted(experiment: &str, path: &Path, steps: usize) -> Value {
    let steps = steps.to_string();
    let arguments = [
        "predict",
        "--experiment",
        experiment,
        "--trace",
        path.to_str().unwrap(),
        "--steps",
        &steps,
        "--format",
        "json",
    ];
    let outcome = trained().call(&arguments);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// Checks that a served forecast holds the numbers of `predict`, to the bit.
fn assert_same(served: &Value, predicted: &Value) {
    let bits = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} in {served}")).to_bits();
    assert_eq!(bits(&served["last_s"]), bits(&predicted["last_s"]));
    let (own, whole) = (served["steps"].as_array().unwrap(), predicted["steps"].as_array().unwrap());
    assert_eq!(own.len(), whole.len());
    for (own, whole) in own.iter().zip(whole) {
        let time = if own.get("arrival_s").is_some() { "arrival_s" } else { "start_s" };
        assert_eq!(bits(&own[time]), bits(&whole[time]));
        for (target, point) in own["points"].as_object().unwrap() {
            assert_eq!(bits(point), bits(&whole[target]), "{target}");
            for (interval, lower, upper) in [("50", 2, 4), ("80", 1, 5), ("95", 0, 6)] {
                let bounds = &whole[format!("{target}_intervals")][interval];
                let quantiles = &own["quantiles"][target];
                assert_eq!(bits(&quantiles[LEVELS[lower]]), bits(&bounds[0]), "{target} {interval}");
                assert_eq!(bits(&quantiles[LEVELS[upper]]), bits(&bounds[1]), "{target} {interval}");
            }
        }
    }
}

/// Lines of a text from one to another, the header being line 0.
fn lines(text: &str, range: std::ops::Range<usize>) -> String {
    text.split_inclusive('\n').skip(range.start).take(range.len()).collect()
}

fn azure() -> String {
    std::fs::read_to_string(azure_excerpt()).unwrap()
}

#[test]
fn what_is_served_of_a_growing_file_is_what_predict_prints_for_it() {
    for (experiment, text, horizon) in
        [("next", azure(), 2), ("windows", azure(), 4), ("rows", LOAD.to_string(), 3)]
    {
        let path = trained().file(&format!("growing-{experiment}.csv"), &lines(&text, 0..900));
        let server = Served::start(experiment, path.to_str().unwrap(), &[]);
        let first = server.forecast_when(|_| true);
        assert_eq!((&first["stale"], &first["source"]), (&Value::from(false), &Value::from("forecast")));
        assert_same(&first, &predicted(experiment, &path, horizon));
        let mut file = File::options().append(true).open(&path).unwrap();
        for range in [900..950, 950..951, 951..1_400] {
            let known = server.metric("burstlab_rows_total");
            let added = lines(&text, range);
            file.write_all(added.as_bytes()).unwrap();
            let wanted = known + added.lines().count() as f64;
            let end = Instant::now() + Duration::from_secs(30);
            while server.metric("burstlab_rows_total") < wanted && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
            assert_same(&server.json("/v1/forecast"), &predicted(experiment, &path, horizon));
        }
        let part = server.json("/v1/forecast?steps=1&quantiles=0.9,0.1");
        assert_eq!(part["steps"].as_array().unwrap().len(), 1);
        let quantiles = part["steps"][0]["quantiles"].as_object().unwrap().values().next().unwrap();
        assert_eq!(quantiles.as_object().unwrap().len(), 2);
        assert_eq!(server.post(&text).status, 409, "rows of a file come from the file");
    }
}

#[test]
fn replicas_are_those_of_the_chosen_forecast_at_the_end_of_a_cold_start() {
    let lab = trained();
    for (experiment, text, window_s, most) in
        [("windows", azure(), 2.0, 50), ("rows", LOAD.to_string(), 600.0, 256)]
    {
        let path = lab.file(&format!("replicas-{experiment}.csv"), &lines(&text, 0..700));
        let server = Served::start(experiment, path.to_str().unwrap(), &[]);
        let forecast = server.forecast_when(|_| true);
        let replicas = &forecast["replicas"];
        let chosen = lab.scalar(&format!(
            "select m.name from metrics m join experiment_runs using (run_id) where experiment = '{experiment}' \
             and part = 'valid' and m.name like 'chosen[%' and m.value = 1"
        ));
        let level = match &replicas["plan_for"] {
            Value::String(mean) => mean.clone(),
            level => level.to_string(),
        };
        assert_eq!(chosen, format!("chosen[{level}]"));
        let step = replicas["step"].as_u64().unwrap();
        assert_eq!(step, if experiment == "windows" { 3 } else { 2 });
        let planned = &forecast["steps"][step as usize - 1];
        let work = if level == "mean" {
            &planned["points"]["work_s"]
        } else {
            &planned["quantiles"]["work_s"][&level]
        };
        assert_eq!(work, &replicas["work_s"]);
        let needed = ((work.as_f64().unwrap() / (window_s * 0.8)).ceil() as u64).clamp(1, most);
        assert_eq!(replicas["needed"].as_u64(), Some(needed));
        assert!(replicas["wanted"].as_u64().unwrap() >= needed);
        assert_eq!(
            server.metric("burstlab_replicas_wanted{stale=\"false\"}"),
            replicas["wanted"].as_f64().unwrap()
        );
        // A server that starts again wants as many as one that has seen every row by itself.
        let watched = Served::start(experiment, "-", &[]);
        for line in 1..700 {
            let rows = if line == 1 { lines(&text, 0..2) } else { lines(&text, line..line + 1) };
            assert_eq!(watched.post(&rows).status, 200, "line {line}");
        }
        assert_eq!(&watched.json("/v1/forecast")["replicas"], replicas);
    }
}

#[test]
fn rows_of_a_request_are_taken_in_all_or_none() {
    let text = azure();
    let path = trained().file("posted.csv", &lines(&text, 0..302));
    let server = Served::start("next", "-", &[]);
    assert_eq!(server.metric("burstlab_rows_total"), 0.0);
    let unknown = server.get("/v1/forecast");
    assert_eq!((unknown.status, unknown.header("retry-after")), (503, "5"));
    assert_snapshot!(unknown.body, @r#"{"error":"no forecast is known yet: 0 steps came, and 12 more must come before the first","remedy":"add rows to the trace, or send them to /v1/rows","missing_steps":12}"#);
    assert_eq!(server.metric("burstlab_forecast_known"), 0.0);
    assert_eq!(server.metric("burstlab_stale"), 1.0);
    assert!(server.metrics("burstlab_forecast{").is_empty());
    let taken = server.post(&lines(&text, 0..200));
    assert_eq!(
        (taken.status, taken.body.as_str()),
        (200, r#"{"known_steps":198,"missing_steps":0,"rows":199}"#)
    );
    let before = server.json("/v1/forecast");
    let bad = lines(&text, 200..202) + "2023-11-16 18:17:00.0,12,many\n" + &lines(&text, 202..204);
    for (rows, status) in [
        (bad.as_str(), 400),
        (&lines(&text, 150..151), 400),
        ("{\"timestamp\": 1, \"input_length\": 2, \"output_length\": 3}\n", 400),
        ("\n\n", 400),
        (&lines(&text, 0..1), 400),
        ("1,2\n", 400),
    ] {
        let refused = server.post(rows);
        assert_eq!(refused.status, status, "{rows}: {}", refused.body);
    }
    assert_snapshot!(server.post(&bad).body, @r#"{"error":"`many` is not a number","line":3,"column":"GeneratedTokens","remedy":"correct this row and send all rows again: none of them was taken in"}"#);
    assert_snapshot!(server.post("{\"timestamp\": 1}").body, @r#"{"error":"the rows before these came as CSV, but these are JSON lines; send CSV","line":1,"remedy":"correct this row and send all rows again: none of them was taken in"}"#);
    let turned = "ContextTokens,TIMESTAMP,GeneratedTokens\n12,2023-11-16 18:17:30.0,3\n";
    assert_snapshot!(server.post(turned).body, @r#"{"error":"the columns are TIMESTAMP, ContextTokens, GeneratedTokens; send them in this order","line":1,"remedy":"correct this row and send all rows again: none of them was taken in"}"#);
    let after = server.json("/v1/forecast");
    assert_eq!((&after["steps"], &after["known_steps"]), (&before["steps"], &before["known_steps"]));
    // The header may come again, and the last line may lack its end.
    assert_eq!(server.post(&(lines(&text, 0..1) + &lines(&text, 200..300))).status, 200);
    assert_eq!(server.post(lines(&text, 300..302).trim_end()).status, 200);
    assert_same(&server.json("/v1/forecast"), &predicted("next", &path, 2));
    let huge =
        "POST /v1/rows HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 9000000\r\n\r\n";
    assert_eq!(http::raw(server.port, huge).status, 413);
    assert_eq!(server.get("/v1/rows").status, 405);
}

#[test]
fn a_row_that_replaces_the_last_one_renews_the_forecast_and_the_replicas() {
    let lab = trained();
    let server = Served::start("repeats", "-", &[]);
    let text = lines(LOAD, 0..200);
    assert_eq!(server.post(&text).status, 200);
    let before = server.json("/v1/forecast");
    let last = lines(LOAD, 199..200);
    let (time, values) = last.trim_end().split_once(',').unwrap();
    let larger =
        format!(",{}", values.split(',').map(|value| format!("{value}0")).collect::<Vec<_>>().join(","));
    let other = format!("{time}{larger}\n");
    assert_eq!(server.post(&other).status, 200);
    let renewed = server.json("/v1/forecast");
    assert_eq!(renewed["known_steps"], before["known_steps"]);
    assert_ne!(renewed["steps"], before["steps"]);
    assert_ne!(renewed["replicas"]["needed"], before["replicas"]["needed"]);
    assert_same(&renewed, &predicted("repeats", &lab.file("replaced.csv", &(text + &other)), 3));
    // What the replaced row needed is not remembered, neither alone nor with a row after it.
    assert_eq!(server.post(&last).status, 200);
    let back = server.json("/v1/forecast");
    assert_eq!((&back["steps"], &back["replicas"]), (&before["steps"], &before["replicas"]));
    assert_eq!(server.post(&other).status, 200);
    assert_eq!(server.post(&lines(LOAD, 199..201)).status, 200);
    let plain = Served::start("repeats", "-", &[]);
    assert_eq!(plain.post(&lines(LOAD, 0..201)).status, 200);
    let (found, wanted) = (server.json("/v1/forecast"), plain.json("/v1/forecast"));
    assert_eq!((&found["steps"], &found["replicas"]), (&wanted["steps"], &wanted["replicas"]));
}

#[test]
fn a_row_years_ahead_is_refused_with_both_times_and_changes_nothing() {
    let lab = trained();
    let text = azure();
    let path = lab.file("years-ahead.csv", &lines(&text, 0..301));
    let server = Served::start("windows", "-", &[]);
    assert_eq!(server.post(&lines(&text, 0..300)).status, 200);
    let refused = server.post("2093-11-16 18:17:03.9799600,374,44\n");
    assert_eq!(refused.status, 400, "{}", refused.body);
    let fault: Value = serde_json::from_str(&refused.body).unwrap();
    let said = fault["error"].as_str().unwrap();
    let before = text.lines().nth(299).unwrap().split(',').next().unwrap();
    for part in ["`2093-11-16 18:17:03.9799600` is ", before, "at most 2 d 7 h may pass without a row"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!((&fault["line"], &fault["column"]), (&Value::from(1), &Value::from("TIMESTAMP")));
    assert_eq!(server.post(&lines(&text, 300..301)).status, 200);
    assert_same(&server.json("/v1/forecast"), &predicted("windows", &path, 4));
    // In a file it is a malformed row, which is passed over where this is asked for.
    let ahead = lines(&text, 0..300) + "2093-11-16 18:17:03.9799600,374,44\n" + &lines(&text, 300..301);
    let ahead = lab.file("ahead.csv", &ahead);
    let server = Served::start("windows", ahead.to_str().unwrap(), &["--skip-bad-rows"]);
    let served = server.forecast_when(|_| true);
    assert_same(&served, &predicted("windows", &path, 4));
    assert_eq!(server.metric("burstlab_rows_skipped_total"), 1.0);
}

#[test]
fn json_lines_and_a_pipe_are_followed_too() {
    let lab = trained();
    let object = |(number, line): (usize, &str)| {
        let tokens: Vec<&str> = line.split(',').skip(1).collect();
        let (request, response) = (tokens[0], tokens[1]);
        format!(
            "{{\"timestamp\": {}, \"input_length\": {request}, \"output_length\": {response}, \"hash_ids\": []}}\n",
            number * 150
        )
    };
    let rows: String = azure().lines().skip(1).take(100).enumerate().map(object).collect();
    let path = lab.file("hundred.jsonl", &rows);
    let server = Served::start("next", "-", &[]);
    let taken = server.post(&rows);
    assert_eq!(taken.status, 200, "{}", taken.body);
    assert_same(&server.json("/v1/forecast"), &predicted("next", &path, 2));
    // The rows of standard input come first here, and its end does not end the server.
    let arguments = ["serve", "--experiment", "rows", "--trace", "-", "--port", "0"];
    let mut command = lab.command(&arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines(LOAD, 0..61).as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    let server = Served { child, port };
    let path = lab.file("hundred.csv", &lines(LOAD, 0..101));
    server.forecast_when(|forecast| forecast["known_steps"] == 60);
    assert_eq!(server.post(&lines(LOAD, 61..101)).status, 200);
    assert_same(&server.json("/v1/forecast"), &predicted("rows", &path, 3));
}

#[test]
fn a_stale_input_is_answered_with_the_last_known_load_and_says_so() {
    let lab = trained();
    let path = lab.file("silent.csv", &lines(LOAD, 0..401));
    let server = Served::start("rows", path.to_str().unwrap(), &["--stale-after", "5s"]);
    let fresh = server.forecast_when(|_| true);
    assert_eq!(fresh["stale"], false);
    let stale = server.forecast_when(|forecast| forecast["stale"] == true);
    assert_eq!((&stale["source"], &stale["last_known"]), (&Value::from("last_known"), &fresh["last_known"]));
    assert!(stale["age_s"].as_f64().unwrap() >= 5.0);
    let last: Vec<f64> =
        LOAD.lines().nth(400).unwrap().split(',').skip(1).filter_map(|v| v.parse().ok()).collect();
    assert_eq!(stale["last_known"]["requests"], last[0]);
    for step in stale["steps"].as_array().unwrap() {
        assert_eq!(step["points"], stale["last_known"]);
        assert_eq!(step["quantiles"]["work_s"]["0.975"], stale["last_known"]["work_s"]);
    }
    let replicas = &stale["replicas"];
    assert!(replicas["wanted"].as_u64() >= fresh["replicas"]["wanted"].as_u64());
    assert_eq!((&replicas["plan_for"], &replicas["work_s"]), (&Value::Null, &stale["last_known"]["work_s"]));
    assert_eq!(server.metric("burstlab_stale"), 1.0);
    for metric in ["burstlab_forecast{", "burstlab_forecast_quantile{", "burstlab_replicas_wanted{"] {
        let values = server.metrics(metric);
        assert!(
            !values.is_empty() && values.iter().all(|line| line.contains("stale=\"true\"")),
            "{values:?}"
        );
    }
    assert!(server.metric("burstlab_forecast{target=\"work_s\",step=\"2\",stale=\"true\"}") > 0.0);
    File::options().append(true).open(&path).unwrap().write_all(lines(LOAD, 401..402).as_bytes()).unwrap();
    let fresh = server.forecast_when(|forecast| forecast["stale"] == false);
    assert_eq!((&fresh["known_steps"], &fresh["source"]), (&Value::from(401), &Value::from("forecast")));
    // The rows of a file are as old as the file.
    let hour = SystemTime::now() - Duration::from_hours(1);
    File::options().append(true).open(&path).unwrap().set_modified(hour).unwrap();
    let server = Served::start("rows", path.to_str().unwrap(), &[]);
    let old = server.forecast_when(|_| true);
    assert_eq!((&old["stale"], &old["stale_after_s"]), (&Value::from(true), &Value::from(1_200.0)));
    assert!(old["age_s"].as_f64().unwrap() >= 3_600.0);
}

#[test]
fn errors_and_coverage_are_those_of_the_forecasts_that_could_be_asked_for() {
    let server = Served::start("rows", "-", &[]);
    assert_eq!(server.post(&lines(LOAD, 0..201)).status, 200);
    let (mut errors, mut covered) = (Vec::new(), 0);
    for line in 201..221 {
        let forecast = server.json("/v1/forecast");
        assert_eq!(server.post(&lines(LOAD, line..line + 1)).status, 200);
        let came = server.json("/v1/forecast")["last_known"]["work_s"].as_f64().unwrap();
        let step = &forecast["steps"][0];
        errors.push((step["points"]["work_s"].as_f64().unwrap() - came).abs());
        let bound = |level: &str| step["quantiles"]["work_s"][level].as_f64().unwrap();
        covered += usize::from((bound("0.1")..=bound("0.9")).contains(&came));
    }
    let next = "target=\"work_s\",step=\"1\"";
    assert_eq!(server.metric(&format!("burstlab_forecasts_scored_total{{{next}}}")), 20.0);
    let mean = server.metric(&format!("burstlab_forecast_mean_absolute_error{{{next}}}"));
    assert!((mean - errors.iter().sum::<f64>() / 20.0).abs() < 1e-9, "{mean}");
    let held = server.metric(&format!("burstlab_forecast_covered_total{{{next},interval=\"80\"}}"));
    assert_eq!(held, covered as f64);
    let share = server.metric(&format!("burstlab_forecast_coverage_ratio{{{next},interval=\"80\"}}"));
    assert_eq!(share, covered as f64 / 20.0);
    assert_eq!(server.metric("burstlab_forecasts_scored_total{target=\"work_s\",step=\"3\"}"), 18.0);
    // Many rows at once are scored against the one forecast that could be asked for before them.
    assert_eq!(server.post(&lines(LOAD, 221..251)).status, 200);
    assert_eq!(server.metric(&format!("burstlab_forecasts_scored_total{{{next}}}")), 21.0);
}

#[test]
fn a_bad_question_names_the_parameter_and_the_remedy() {
    let path = trained().file("asked.csv", &lines(LOAD, 0..401));
    let server = Served::start("rows", path.to_str().unwrap(), &[]);
    server.forecast_when(|_| true);
    let answers: Vec<String> = [
        "/v1/forecast?steps=x",
        "/v1/forecast?steps=0",
        "/v1/forecast?steps=4",
        "/v1/forecast?steps=",
        "/v1/forecast?quantiles=0.3",
        "/v1/forecast?quantiles=0.5,high",
        "/v1/forecast?step=1",
        "/v1/forecast?steps=1&steps=2",
        "/v1/nothing",
    ]
    .iter()
    .map(|path| {
        let answer = server.get(path);
        assert_eq!(answer.header("content-type"), "application/json");
        format!("{path} {} {}", answer.status, answer.body)
    })
    .collect();
    assert_snapshot!(answers.join("\n"), @r#"
    /v1/forecast?steps=x 400 {"error":"steps: `x` is not a number of steps","parameter":"steps","remedy":"give 1 to 3"}
    /v1/forecast?steps=0 400 {"error":"steps: `0` is not a number of steps","parameter":"steps","remedy":"give 1 to 3"}
    /v1/forecast?steps=4 400 {"error":"steps: 4 is more than the 3 that this server forecasts","parameter":"steps","remedy":"give 1 to 3, or start the server with --steps 4"}
    /v1/forecast?steps= 400 {"error":"steps: `` is not a number of steps","parameter":"steps","remedy":"give 1 to 3"}
    /v1/forecast?quantiles=0.3 400 {"error":"quantiles: there is no quantile at `0.3`","parameter":"quantiles","remedy":"give some of 0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975, with commas between"}
    /v1/forecast?quantiles=0.5,high 400 {"error":"quantiles: `high` is not a level between 0 and 1","parameter":"quantiles","remedy":"give some of 0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975, with commas between"}
    /v1/forecast?step=1 400 {"error":"unknown parameter `step`","parameter":"step","remedy":"did you mean `steps`? the parameters are steps and quantiles"}
    /v1/forecast?steps=1&steps=2 400 {"error":"the parameter `steps` is given twice","parameter":"steps","remedy":"give it once"}
    /v1/nothing 404 {"error":"there is nothing at this address","remedy":"ask for /v1/forecast or /metrics, or send rows to /v1/rows"}
    "#);
    assert_eq!(server.post("").status, 409);
    assert_eq!(http::ask(server.port, "DELETE", "/metrics", "", "").status, 405);
    assert_eq!(http::ask(server.port, "HEAD", "/v1/forecast", "", "").status, 200);
    // More steps than the horizon have no quantiles.
    let server = Served::start("rows", path.to_str().unwrap(), &["--steps", "5"]);
    let far = server.forecast_when(|_| true);
    assert!(far["steps"][2]["quantiles"].is_object() && far["steps"][4]["quantiles"].is_null());
    assert_eq!(far["steps"].as_array().unwrap().len(), 5);
    let points = &predicted("rows", &path, 5)["steps"][4];
    assert_eq!(far["steps"][4]["points"]["work_s"], points["work_s"]);
}

#[test]
fn documents_that_are_no_rows_are_refused_with_what_to_send_instead() {
    let server = Served::start("rows", "-", &[]);
    let answer = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1435781400,"1"]]}]}}"#;
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(answer).unwrap()).unwrap();
    let ended =
        r#"{"schema":"dynamo.request.trace.v1","event_type":"request_end","request":{"request_id":"a"}}"#;
    for (document, kind) in [
        (answer, "the answer to a query of Prometheus"),
        (pretty.as_str(), "the answer to a query of Prometheus"),
        (ended, "a request trace of Dynamo"),
    ] {
        let refused = server.post(document);
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(
            refused.body.contains(kind) && refused.body.contains("as one JSON object on each line"),
            "{}",
            refused.body
        );
    }
    assert_eq!(server.metric("burstlab_rows_total"), 0.0);
}

#[test]
fn strangers_are_refused() {
    let path = trained().file("guarded.csv", &lines(LOAD, 0..101));
    let path = path.to_str().unwrap();
    let server = Served::start("rows", "-", &[]);
    assert_eq!(
        http::raw(server.port, "GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
            .status,
        403
    );
    for header in ["Origin: http://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        assert_eq!(
            http::ask(server.port, "POST", "/v1/rows", header, &lines(LOAD, 0..3)).status,
            403,
            "{header}"
        );
    }
    assert_eq!(server.metric("burstlab_rows_total"), 0.0);
    let token = "0123456789abcdef";
    let server = Served::start("rows", path, &["--host", "0.0.0.0", "--token", token]);
    for headers in [
        String::new(),
        "Authorization: Bearer 0123456789abcdeF\r\n".to_string(),
        format!("Cookie: burstlab_key_{}=x\r\n", server.port),
    ] {
        let refused = http::ask(server.port, "GET", "/metrics", &headers, "");
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, "Bearer realm=\"burstlab\""));
        assert!(refused.body.contains("Authorization: Bearer TOKEN"), "{}", refused.body);
    }
    assert_eq!(
        server.get(&format!("/metrics?token={token}")).status,
        401,
        "a token is no part of an address"
    );
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(http::ask(server.port, "GET", "/metrics", &bearer, "").status, 200);
    let inside = format!(
        "GET /metrics HTTP/1.1\r\nHost: burstlab.serving.svc:7118\r\nConnection: close\r\n{bearer}\r\n"
    );
    assert_eq!(http::raw(server.port, &inside).status, 200);
    for more in [vec!["--host", "0.0.0.0"], vec!["--token", "short"]] {
        let mut arguments = vec!["serve", "--experiment", "rows", "--trace", path];
        arguments.extend(more);
        assert_eq!(trained().call(&arguments).code, 2);
    }
}

#[test]
fn it_ends_cleanly_on_a_signal_also_with_a_client_that_sends_half_a_request() {
    let path = trained().file("ended.csv", &lines(LOAD, 0..101));
    for signal in ["TERM", "INT"] {
        for trace in [path.to_str().unwrap(), "-"] {
            let server = Served::start("rows", trace, &[]);
            let mut slow = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
            slow.write_all(b"POST /v1/rows HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le").unwrap();
            assert_eq!(server.get("/metrics").status, 200);
            let asked = Instant::now();
            kill(server.child.id(), signal);
            let (code, said) = server.end();
            assert_eq!(code, 0, "{said}");
            assert!(asked.elapsed() < Duration::from_secs(5));
        }
    }
}

#[test]
fn a_crowd_of_connections_is_answered_or_waits() {
    let path = trained().file("crowded.csv", &lines(LOAD, 0..101));
    let server = Served::start("rows", path.to_str().unwrap(), &[]);
    server.forecast_when(|_| true);
    let crowd: Vec<TcpStream> =
        (0..300).map(|_| TcpStream::connect(("127.0.0.1", server.port)).unwrap()).collect();
    drop(crowd);
    assert_eq!(server.get("/v1/forecast").status, 200);
}

#[test]
fn what_cannot_be_served_says_why() {
    let lab = trained();
    let serve = |experiment: &str, trace: &str, more: &[&str]| {
        let mut arguments = vec!["serve", "--port", "0", "--experiment", experiment, "--trace", trace];
        arguments.extend(more);
        let outcome = lab.call(&arguments);
        (outcome.code, outcome.stderr)
    };
    for (experiment, trace, code, said) in [
        ("rows", "nowhere.csv", 2, "`nowhere.csv` is neither a file"),
        ("rows", "synthetic-burstgpt", 2, "is not a file"),
        ("untimed", "untimed.csv", 2, "give --stale-after"),
    ] {
        let (ended, stderr) = serve(experiment, trace, &[]);
        assert!(ended == code && stderr.contains(said), "{experiment} {trace}: {ended} {stderr}");
    }
    let (code, stderr) = serve("rows", "load.csv", &["--stale-after", "0s"]);
    assert!(code == 2 && stderr.contains("--stale-after must be longer than 0s"), "{code} {stderr}");
    // A whole document is refused before an address is said, though its one line has no end.
    let answer = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
    let record = r#"{"schema":"dynamo.request.trace.v1","event_type":"request_end"}"#;
    for (file, text, kind) in [("answer.json", answer, "Prometheus"), ("dynamo.jsonl", record, "Dynamo")] {
        lab.file(file, text);
        let outcome = lab.call(&["serve", "--port", "0", "--experiment", "rows", "--trace", file]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(kind) && outcome.stderr.contains("once with `burstlab predict`"));
    }
    // A trace of another kind, and a malformed row, end the server.
    let (code, stderr) = serve("rows", azure_excerpt().to_str().unwrap(), &[]);
    assert!(code == 1 && stderr.contains("trace of requests"), "{code} {stderr}");
    let bad = lines(LOAD, 0..51) + "2026-01-01 00:00:00,x\n" + &lines(LOAD, 51..61);
    let path = lab.file("bad.csv", &bad);
    let (code, stderr) = serve("rows", path.to_str().unwrap(), &[]);
    assert!(code == 1 && stderr.contains("bad.csv:52"), "{code} {stderr}");
    let server = Served::start("rows", path.to_str().unwrap(), &["--skip-bad-rows"]);
    server.forecast_when(|forecast| forecast["known_steps"] == 60);
    assert_eq!(server.metric("burstlab_rows_skipped_total"), 1.0);
    let server = Served::start("untimed", "untimed.csv", &["--stale-after", "1h"]);
    assert!(server.forecast_when(|_| true)["replicas"].is_null());
}
