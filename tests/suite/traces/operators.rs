//! What operators of LLM services have: request traces of Dynamo and vidur, samples of the semantic router, and answers of
//! Prometheus.

use burstlab::dataset::{PrepareError, Trace, parse_trace_as};
use burstlab::spec::ColumnsSpec;
use insta::assert_snapshot;

use super::{AZURE, error, requests, series};

const DYNAMO: &str = include_str!("../../fixtures/dynamo.jsonl");
const VIDUR: &str = include_str!("../../fixtures/vidur.csv");
const ROUTER: &str = include_str!("../../fixtures/semantic_router.jsonl");
const ROUTER_CSV: &str = include_str!("../../fixtures/semantic_router.csv");
const PROMETHEUS: &str = include_str!("../../fixtures/prometheus.json");

/// The records of the Dynamo fixture without the envelopes of the file sink.
fn bare() -> String {
    let lines = DYNAMO.lines().map(|line| line.split_once("\"event\":").unwrap().1);
    lines.map(|event| event.strip_suffix('}').unwrap().to_string() + "\n").collect()
}

#[test]
fn requests_of_dynamo_count_when_they_arrive_and_not_when_they_end() {
    let trace = requests(DYNAMO);
    assert_eq!(trace.arrival_s, [0.0, 0.45, 0.731, 2.9]);
    assert_eq!(trace.request_tokens, [374.0, 396.0, 879.0, 91.0], "of input_tokens, or of the replay");
    assert_eq!(trace.response_tokens, [44.0, 109.0, 55.0, 0.0], "one ended before its first token");
    assert_eq!(trace.llm.iter().collect::<Vec<_>>(), ["llama-70b", "llama-70b", "llama-70b", "llama-8b"]);
    // 27 April 2026, a Monday, 18:00 UTC.
    assert!(trace.is_dated);
    assert_eq!(trace.clock_s.rem_euclid(7.0 * 86_400.0), 18.0 * 3_600.0);
}

#[test]
fn records_of_dynamo_are_read_with_and_without_their_envelopes_and_as_an_array() {
    let trace = requests(DYNAMO);
    assert_eq!(requests(&bare()), trace);
    assert_eq!(requests(&format!("\n{}", DYNAMO.replace('\n', "\r\n\r\n"))), trace);
    assert_eq!(requests(&format!("[{}]", DYNAMO.trim_end().replace('\n', ",\n"))), trace);
    let nameless = requests(&DYNAMO.replacen("\"model\":\"llama-70b\",", "", 1));
    assert!(nameless.llm.is_empty(), "names are known where every request has one");
    assert_eq!(nameless.arrival_s, trace.arrival_s);
}

#[test]
fn a_fault_in_a_record_of_dynamo_is_named_by_line_and_key() {
    let with = |from: &str, to: &str| {
        assert!(DYNAMO.contains(from), "{from}");
        error(DYNAMO.replacen(from, to, 1))
    };
    assert_snapshot!(with("\"request_received_ms\":1777312800450,", ""), @r#"trace.csv:2: column "request.request_received_ms": the value is missing, so it is not known when the request arrived; record the trace with a version of Dynamo that writes it, or remove this line"#);
    assert_snapshot!(with("1777312800450", "\"early\""), @r#"trace.csv:2: column "request.request_received_ms": `early` is not a time in milliseconds since 1970"#);
    assert_snapshot!(with("1777312800450", "-1e18"), @r#"trace.csv:2: column "request.request_received_ms": `-1e+18` is not a time in milliseconds since 1970"#);
    assert_snapshot!(with("\"input_tokens\":396,", ""), @r#"trace.csv:2: column "request.input_tokens": the value is missing; a number of tokens is expected here"#);
    assert_snapshot!(with("\"input_tokens\":396", "\"input_tokens\":39.6"), @r#"trace.csv:2: column "request.input_tokens": `39.6` is not a whole number; a number of tokens is expected here"#);
    assert_snapshot!(with("\"input_length\":374", "\"input_length\":-374"), @r#"trace.csv:3: column "request.replay.input_length": `-374` is negative; a number of tokens is expected here"#);
    assert_snapshot!(with("\"output_tokens\":109", "\"output_tokens\":\"109\""), @r#"trace.csv:2: column "request.output_tokens": `\"109\"` is no JSON number"#);
    assert_snapshot!(with("\"request_id\":\"r-2\",", ""), @r#"trace.csv:2: column "request.request_id": the value is missing; the name of the request is expected here"#);
    assert_snapshot!(with("\"request_id\":\"r-3\"", "\"request_id\":\"r-2\""), @r#"trace.csv:6: column "request.request_id": the request `r-2` ended on line 2 already; a request counts once, so remove one of the two lines"#);
    assert_snapshot!(with("\"request\":{\"request_id\":\"r-2\"", "\"other\":{\"request_id\":\"r-2\""), @r#"trace.csv:2: column "request": the value is missing; a request_end says which request"#);
    assert_snapshot!(with("\"request\":{\"request_id\":\"r-4\",\"model\":\"llama-8b\",\"input_tokens\":91,\"request_received_ms\":1777312802900}", "\"request\":4"), @"trace.csv:5: this line is not one JSON object: invalid type: integer `4`, expected an object (character 159)");
    assert_snapshot!(with("\"event_type\":\"request_end\",\"event_time_unix_ms\":1777312802920,", ""), @r#"trace.csv:5: column "event_type": the name of an event is expected here"#);
    assert_snapshot!(error(DYNAMO.replace("trace.v1", "trace.v2")), @r#"trace.csv:1: column "schema": `dynamo.request.trace.v2` is not known; `dynamo.request.trace.v1` is"#);
    assert_snapshot!(with("trace.v1\",\"event_type\":\"request_payload\"", "other.v1\",\"event_type\":\"request_payload\""), @r#"trace.csv:4: column "schema": `dynamo.request.other.v1` is not known; `dynamo.request.trace.v1` is"#);
    assert_snapshot!(error(&DYNAMO[..DYNAMO.len() - 40]), @"trace.csv:6: this line is not one JSON object: EOF while parsing a value (character 258)");
    assert_snapshot!(error(DYNAMO.lines().next().unwrap()), @"trace.csv:1: no line is a request_end, so there is no request in it (1 line)");
}

#[test]
fn traces_of_vidur_are_read_exactly() {
    let trace = requests(VIDUR);
    assert_eq!(trace.len(), 20);
    // It was made from the Azure trace.
    let azure = requests(AZURE);
    assert_eq!(trace.request_tokens, azure.request_tokens[..20]);
    assert_eq!(trace.response_tokens, azure.response_tokens[..20]);
    let pairs = trace.arrival_s.iter().zip(&azure.arrival_s);
    assert!(pairs.clone().all(|(own, azure)| (own - azure).abs() < 1e-6), "{:?}", pairs.collect::<Vec<_>>());
    assert!(!trace.is_dated && trace.llm.is_empty());
    assert_snapshot!(error(VIDUR.replacen("396,109", "396,1.5", 1)), @r#"trace.csv:3: column "num_decode_tokens": `1.5` is not a whole number; a number of tokens is expected here"#);
    assert_snapshot!(error(VIDUR.replacen("4.541877", "4.1", 1)), @r#"trace.csv:4: column "arrived_at": the timestamp goes back from `4.314579` to `4.1`; sort the rows by it"#);
    let lengths = VIDUR.lines().map(|line| line.split_once(',').unwrap().1.to_string() + "\n");
    assert!(
        error(lengths.collect::<String>())
            .contains("vidur (arrived_at,num_prefill_tokens,num_decode_tokens)")
    );
}

#[test]
fn samples_of_the_semantic_router_say_which_llm_was_chosen() {
    let trace = requests(ROUTER);
    assert_eq!(trace.len(), 12);
    assert!((trace.arrival_s[1] - 0.316).abs() < 1e-12);
    assert_eq!((trace.request_tokens[1], trace.response_tokens[1]), (2_548.0, 198.0));
    assert_eq!(trace.llm.iter().take(2).collect::<Vec<_>>(), ["llama8b", "llama70b"]);
    assert_eq!(trace.log_type.iter().take(3).collect::<Vec<_>>(), ["prose", "rag", "mixed"]);
    let other = requests(&ROUTER.replace("selected_model", "routed_to"));
    assert_eq!(other.llm, trace.llm);
    let table = requests(ROUTER_CSV);
    assert_eq!((table.len(), table.arrival_s[3] > 0.0), (12, true));
    assert_eq!(table.llm.iter().next(), Some("llama-8b"));
    let plain = requests("{\"timestamp\": 1.5, \"prompt_tokens\": 3, \"generated_tokens\": 4}\n");
    assert!(plain.llm.is_empty() && plain.log_type.is_empty());
    assert_snapshot!(error(ROUTER.replacen("\"selected_model\":\"llama70b\",", "", 1)), @r#"trace.csv:2: column "selected_model": the value is missing; a name is expected here"#);
    assert_snapshot!(error(ROUTER.replacen("\"timestamp\":0.767", "\"timestamp\":0.1", 1)), @r#"trace.csv:2: column "timestamp": the timestamp goes back from `0.451` to `0.1`; sort the rows by it"#);
}

#[test]
fn a_table_of_tokens_by_date_is_no_sample_of_the_router() {
    let table = series("timestamp,prompt_tokens,generated_tokens\n2016-07-01,5,6\n2016-07-02,7,8\n");
    assert_eq!(table.names, ["prompt_tokens", "generated_tokens"]);
}

#[test]
fn a_range_query_of_prometheus_is_a_table_of_its_labelled_series() {
    let trace = series(PROMETHEUS);
    assert_eq!(
        trace.names,
        [
            r#"vllm:prompt_tokens:rate1m{job="vllm",model_name="m"}"#,
            r#"vllm:generation_tokens:rate1m{job="vllm",model_name="m"}"#
        ]
    );
    // A time at which one of them has no value, NaN or an infinite one is a missing row.
    assert_eq!(trace.time_s, [0.0, 120.0, 180.0, 300.0, 360.0]);
    assert_eq!(trace.incomplete, 2);
    assert_eq!(trace.columns[0], [1_200.5, 0.0, 980.25, 1_500.0, 1_410.0]);
    assert_eq!(trace.columns[1], [310.0, 0.0, 295.0, 333.0, 301.0]);
    assert!(trace.is_dated);
    // 1 July 2015, 20:10:30.781 UTC.
    assert!((trace.clock_s.rem_euclid(86_400.0) - (20.0 * 3_600.0 + 630.781)).abs() < 1e-6);
    let packed: String = PROMETHEUS.split('\n').map(str::trim).collect();
    assert_eq!(series(&packed), trace, "on one line, as Prometheus writes it");
    let sorted = serde_json::from_str::<serde_json::Value>(PROMETHEUS).unwrap().to_string();
    assert_eq!(series(&sorted), trace);
}

#[test]
fn missing_times_of_a_range_query_are_told_as_missing_rows() {
    let values =
        (0..30).filter(|step| *step != 7).map(|step| format!("[{}, \"{step}\"]", 1_435_781_400 + 60 * step));
    let values: Vec<String> = values.collect();
    let text = format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{}]}}]}}}}"#,
        values.join(",")
    );
    let trace = series(&text);
    assert_eq!(trace.names, ["value"], "a sum over everything has no labels");
    assert_eq!(trace.clock.gaps.count, 1);
    assert_snapshot!(trace.clock.to_string(), @"rows every minute; 1 gap with 1 row missing, before row 8");
}

#[test]
fn what_is_wrong_with_an_answer_of_prometheus_is_said_with_its_remedy() {
    let with = |from: &str, to: &str| {
        assert!(PROMETHEUS.contains(from), "{from}");
        error(PROMETHEUS.replacen(from, to, 1))
    };
    assert_snapshot!(error(r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:5: parse error"}"#), @r#"trace.csv: Prometheus answered with an error, bad_data: invalid parameter \"query\": 1:5: parse error; correct the query and ask again"#);
    assert_snapshot!(error(r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1435781430.781,"1"]}]}}"#), @"trace.csv: the result is of the type `vector`, not a matrix over time; ask /api/v1/query_range, which gives one");
    assert_snapshot!(error(r#"{"status":"success","data":{"resultType":"scalar","result":[1435781430.781,"1"]}}"#), @"trace.csv: the result is of the type `scalar`, not a matrix over time; ask /api/v1/query_range, which gives one");
    assert_snapshot!(error(r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#), @"trace.csv: the matrix is empty: nothing matches the query in this range of time; correct the query and ask again");
    assert_snapshot!(with("\"1340\"", "1340"), @r#"trace.csv: column "vllm:prompt_tokens:rate1m{job="vllm",model_name="m"}": `[1435781490.781,1340]` is not a time and a value in quotes"#);
    assert_snapshot!(with("\"1340\"", "\"many\""), @r#"trace.csv: column "vllm:prompt_tokens:rate1m{job="vllm",model_name="m"}": at 1435781490.781: `many` is not a number"#);
    assert_snapshot!(with("\"1340\"", "\"1e200\""), @r#"trace.csv: column "vllm:prompt_tokens:rate1m{job="vllm",model_name="m"}": at 1435781490.781: `1e200` is too large: variances and errors overflow beyond 1e150; rescale the column"#);
    assert_snapshot!(with("1435781490.781", "1435781430.781"), @r#"trace.csv: column "vllm:prompt_tokens:rate1m{job="vllm",model_name="m"}": the time 1435781430.781 does not come after the one before it; ask the query again"#);
    assert_snapshot!(with("1435781490.781", "\"noon\""), @r#"trace.csv: column "vllm:prompt_tokens:rate1m{job="vllm",model_name="m"}": `[\"noon\",\"1340\"]` is not a time and a value in quotes"#);
    assert_snapshot!(with("\"values\": [", "\"histograms\": [[1435781430.781, {\"count\": \"5\"}]], \"values\": ["), @r#"trace.csv: column "vllm:prompt_tokens:rate1m{job="vllm",model_name="m"}": the values are histograms; take a number from each, as histogram_count, histogram_sum and histogram_quantile do"#);
    assert_snapshot!(with("vllm:generation_tokens:rate1m", "vllm:prompt_tokens:rate1m"), @r#"trace.csv: column "vllm:prompt_tokens:rate1m{job="vllm",model_name="m"}": two series have the same labels; let the query tell them apart, with a label or another name"#);
    assert_snapshot!(with("\"job\": \"vllm\"", "\"job\": 5"), @"trace.csv: the matrix cannot be understood: invalid type: integer `5`, expected a string; ask the query again");
    assert_snapshot!(error(&PROMETHEUS[..700]), @"trace.csv:23: this is not a whole answer of Prometheus: EOF while parsing a string (character 30); ask the query again");
    let series =
        |time: u32, value: &str| format!(r#"{{"metric":{{"job":"{time}"}},"values":[[{time},"{value}"]]}}"#);
    let pair = |one: String, other: String| {
        error(format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{one},{other}]}}}}"#))
    };
    assert_snapshot!(pair(series(1_435_781_430, "1"), series(1_435_781_490, "1")), @"trace.csv: there is no time at which all 2 series have a finite value; aggregate them in the query, as in sum by (job) (...), or fill them up with `or vector(0)`");
    assert_snapshot!(pair(series(1_435_781_430, "NaN"), series(1_435_781_490, "-Inf")), @"trace.csv: there is no time at which all 2 series have a finite value; aggregate them in the query, as in sum by (job) (...), or fill them up with `or vector(0)`");
}

#[test]
fn an_answer_of_prometheus_has_no_columns_to_name_but_may_have_a_time_zone() {
    let columns: ColumnsSpec = toml::from_str("time_zone = \"Europe/Berlin\"").unwrap();
    let Ok(Trace::Series(trace)) = parse_trace_as("answer.json", PROMETHEUS.as_bytes(), Some(&columns))
    else {
        panic!("a series is expected")
    };
    assert_eq!(trace.zone.name(), "Europe/Berlin");
    let columns: ColumnsSpec = toml::from_str("timestamp = \"at\"\ntimestamp_unit = \"ms\"").unwrap();
    match parse_trace_as("answer.json", PROMETHEUS.as_bytes(), Some(&columns)) {
        Err(PrepareError::Slice(error)) => assert!(error.message.contains("no columns to name"), "{error:?}"),
        other => panic!("{other:?}"),
    }
}
