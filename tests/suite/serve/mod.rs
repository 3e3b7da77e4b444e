//! `burstlab serve` as its clients see it: the program on a port of its own, following a trace.

mod refusals;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use insta::assert_snapshot;
use serde_json::Value;

use crate::common::http::{self, Answer};
use crate::common::{Lab, azure_excerpt, kill};

/// Two weeks of load, a row for every ten minutes.
const LOAD: &str = include_str!("../../../dataset/servegen/servegen-m-large-load.csv");

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
