//! Traces as operators of LLM services have them, through the whole program: experiments, forecasts and live traces.

use std::fmt::Write as _;
use std::path::Path;

use burstlab::dataset::{Trace, read_trace};
use serde_json::{Value, json};

use crate::common::{Lab, Outcome, azure_excerpt};

/// Some requests of the Azure excerpt: milliseconds since the first, prompt tokens, generated tokens.
fn excerpt(count: usize) -> Vec<(u64, u64, u64)> {
    let Ok(Trace::Requests(trace)) = read_trace(&azure_excerpt()) else { panic!("requests are expected") };
    let whole = |value: f64| value.round() as u64;
    let row = |row: usize| {
        let arrival_ms = whole(trace.arrival_s[row] * 1e3);
        (arrival_ms, whole(trace.request_tokens[row]), whole(trace.response_tokens[row]))
    };
    (0..count).map(row).collect()
}

/// The same requests in each layout, with the name of its file.
fn layouts(requests: &[(u64, u64, u64)]) -> [(&'static str, String); 4] {
    let seconds = |ms: u64| ms as f64 / 1e3;
    let mut mooncake = String::new();
    let mut vidur = String::from("arrived_at,num_prefill_tokens,num_decode_tokens\n");
    let mut router = String::new();
    let mut ended = Vec::new();
    for (index, &(at, input, output)) in requests.iter().enumerate() {
        writeln!(mooncake, "{{\"timestamp\": {at}, \"input_length\": {input}, \"output_length\": {output}}}")
            .unwrap();
        writeln!(vidur, "{},{input},{output}", seconds(at)).unwrap();
        let sample = json!({ "timestamp": seconds(at), "prompt_tokens": input, "generated_tokens": output, "selected_model": "m" });
        writeln!(router, "{sample}").unwrap();
        // Each token takes 20 ms, so that requests end in another order than they arrive.
        let (received, end) = (1_777_312_800_000 + at, 1_777_312_800_100 + at + 20 * output);
        let event = json!({
            "schema": "dynamo.request.trace.v1", "event_type": "request_end", "event_time_unix_ms": end,
            "request": { "request_id": format!("r-{index}"), "model": "m", "request_received_ms": received,
                         "input_tokens": input, "output_tokens": output, "total_time_ms": end - received },
        });
        ended.push((end, json!({ "timestamp": end - 1_777_312_800_000, "event": event })));
    }
    ended.sort_by_key(|(end, _)| *end);
    assert!(!ended.is_sorted_by_key(|(_, event)| event["event"]["request"]["request_received_ms"].as_u64()));
    let mut dynamo = String::new();
    for (_, event) in ended {
        writeln!(dynamo, "{event}").unwrap();
    }
    [("mooncake.jsonl", mooncake), ("vidur.csv", vidur), ("router.jsonl", router), ("dynamo.jsonl", dynamo)]
}

/// Runs an experiment on a file of the lab, and returns its test metrics to the bit.
fn metrics(lab: &Lab, name: &str, source: &str) -> Vec<(String, u64)> {
    let text = format!(
        "name = \"{name}\"\n[dataset]\nsource = \"{source}\"\n[task.window_load]\nwindow = \"5s\"\nlookback = 6\nhorizon = 2\n\
         [[models]]\n[models.persistence]\n[[models]]\n[models.linear]\nsolver = \"least_squares\"\n"
    );
    lab.run(&lab.file(&format!("{name}.toml"), &text), &[]);
    let sql = format!(
        "select model || ' ' || m.target || ' ' || m.unit || ' ' || m.name as key, m.value from metrics m join runs r \
         using (run_id) where r.experiment = '{name}' and m.part = 'test' order by 1"
    );
    let rows = lab.query(&sql);
    assert!(rows.len() > 30, "{}", rows.len());
    rows.iter()
        .map(|row| (row["key"].as_str().unwrap().to_string(), row["value"].as_f64().unwrap().to_bits()))
        .collect()
}

fn watched(lab: &Lab, experiment: &str, text: &str) -> Outcome {
    lab.call_with_input(&["predict", "--experiment", experiment, "--trace", "-", "--watch"], text)
}

fn predicted(lab: &Lab, experiment: &str, file: &str) -> Outcome {
    lab.call(&["predict", "--experiment", experiment, "--trace", file, "--format", "json"])
}

#[test]
fn the_same_requests_give_the_same_numbers_in_every_layout() {
    let lab = Lab::new();
    let layouts = layouts(&excerpt(900));
    let mut found = Vec::new();
    for (file, text) in &layouts {
        lab.file(file, text);
        let name = file.split('.').next().unwrap();
        found.push(metrics(&lab, name, file));
    }
    for (own, (file, _)) in found.iter().zip(&layouts).skip(1) {
        assert_eq!(*own, found[0], "{file}");
    }
    // Every file can be forecast from, whatever the model was trained on, and all forecasts are the same.
    let forecasts = layouts.iter().map(|(file, _)| {
        let outcome = predicted(&lab, "vidur", file);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let steps = serde_json::from_str::<Value>(&outcome.stdout).unwrap()["steps"].clone();
        (steps, outcome.stdout)
    });
    let forecasts: Vec<(Value, String)> = forecasts.collect();
    assert!(forecasts.iter().all(|(steps, _)| *steps == forecasts[0].0));
    // Those whose rows come as requests arrive can be followed.
    for index in [1, 2] {
        let outcome = watched(&lab, "vidur", &layouts[index].1);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert_eq!(outcome.stdout.lines().last().unwrap(), forecasts[index].1.trim_end());
    }
    let refused = watched(&lab, "vidur", &layouts[3].1);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("standard input:1") && refused.stderr.contains("forecast without --watch"),
        "{}",
        refused.stderr
    );
    let inspected = lab.call(&["dataset", "inspect", "dynamo.jsonl"]);
    assert!(inspected.stdout.contains("900 requests over"), "{}{}", inspected.stdout, inspected.stderr);
}

/// The answer to a range query for the rates of prompt and generated tokens, a minute apart; one minute has no value.
fn answer(minutes: u64) -> String {
    let series = |metric: &str, scale: u64| {
        let values: Vec<Value> = (0..minutes)
            .map(|minute| {
                let rate = scale * (50 + (minute * 7_919) % 31 + 20 * u64::from(minute % 60 < 30));
                let rate = if minute == 100 { "NaN".to_string() } else { rate.to_string() };
                json!([1_777_312_800 + 60 * minute, rate])
            })
            .collect();
        json!({ "metric": { "__name__": metric, "job": "vllm" }, "values": values })
    };
    let result = [series("prompt", 20), series("generation", 3)];
    json!({ "status": "success", "data": { "resultType": "matrix", "result": result } }).to_string()
}

#[test]
fn a_range_query_of_prometheus_is_learnt_from_and_its_load_is_replayed() {
    let lab = Lab::new();
    let text = answer(600);
    lab.file("rates.json", &text);
    let file = lab.file(
        "rates.toml",
        "name = \"rates\"\n[dataset]\nsource = \"rates.json\"\n[dataset.cleaning]\ngaps = \"last\"\n[task.series]\nlookback = 30\n\
         horizon = 3\n[capacity]\nprefill_tokens_per_s = 100\ndecode_tokens_per_s = 20\ncold_start = \"2min\"\n\
         plan_for = { grid = [\"mean\", 0.5, 0.8, 0.9, 0.95] }\n\
         request_tokens = 'prompt{job=\"vllm\"}'\nresponse_tokens = 'generation{job=\"vllm\"}'\n\
         [[models]]\n[models.persistence]\n[[models]]\n[models.linear]\nsolver = \"least_squares\"\n",
    );
    lab.run(&file, &[]);
    let targets = lab.query("select distinct target from metrics where part = 'test' order by 1");
    let targets: Vec<&str> = targets.iter().map(|row| row["target"].as_str().unwrap()).collect();
    assert_eq!(targets, ["all", "generation{job=\"vllm\"}", "prompt{job=\"vllm\"}", "work_s"]);
    let report = std::fs::read_to_string(lab.results().join("rates/report.md")).unwrap();
    assert!(report.contains("rows every 1 min") || report.contains("1 row filled in"), "{report}");
    let outcome = predicted(&lab, "rates", "rates.json");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(report.contains("1 time of the file at which a column has no finite value"), "{report}");
    let inspected = lab.call(&["dataset", "inspect", "rates.json"]);
    assert!(
        inspected.stdout.contains("1 time at which a column has no finite value"),
        "{}",
        inspected.stdout
    );
    let refused = watched(&lab, "rates", &format!("{text}\n"));
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("a whole document that does not grow"), "{}", refused.stderr);
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&text).unwrap()).unwrap();
    let refused = watched(&lab, "rates", &pretty);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("as jq -c . does"), "{}", refused.stderr);
    // Without a line end, a file of one line would never give a row.
    let refused = lab.call(&["predict", "--experiment", "rates", "--trace", "rates.json", "--watch"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("forecast it without --watch"), "{}", refused.stderr);
    let vector = lab.file("vector.json", &text.replace("matrix", "vector"));
    let refused = lab.call(&["dataset", "inspect", vector.to_str().unwrap()]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("ask /api/v1/query_range"), "{}", refused.stderr);
}

#[test]
fn a_faulty_trace_is_refused_before_anything_runs() {
    let lab = Lab::new();
    let dynamo = &layouts(&excerpt(300))[3].1;
    lab.file("twice.jsonl", &dynamo.replacen("\"r-7\"", "\"r-3\"", 1));
    let file = lab.file(
        "twice.toml",
        "name = \"twice\"\n[dataset]\nsource = \"twice.jsonl\"\n[task.next_request]\nlookback = 5\n[[models]]\n[models.mean]\n",
    );
    let outcome = lab.call(&["run", file.to_str().unwrap()]);
    assert_eq!(outcome.code, 2);
    for part in ["twice.jsonl:", "request.request_id", "the request `r-3` ended on line", "--> "] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
    assert!(!lab.results().exists() && Path::new(&file).exists());
}
