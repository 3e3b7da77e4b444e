//! `burstlab dataset inspect`, as people and scripts see it.

use std::process::{Command, Output};

use insta::assert_snapshot;

fn inspect(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_burstlab"))
        .args(["dataset", "inspect"])
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"))
        .output()
        .unwrap()
}

fn result(arguments: &[&str]) -> String {
    let output = inspect(arguments);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn requests_are_told_with_their_failures_and_kinds() {
    assert_snapshot!(result(&["burstgpt_6_columns.csv"]), @r#"
    burstgpt_6_columns.csv: 30 requests over 6 min 28 s

                          mean       std   min     p50     p95     p99     max
    ───────────────────────────────────────────────────────────────────────────
     gap (s)            13.379    21.246     0       2      64      73      73
     request tokens    1,130.7   618.116     0   1,130   1,982   1,997   1,997
     response tokens   433.600   257.624     0     396     831     887     887

    gaps       coefficient of variation 1.588, autocorrelation at lag 1 0.011
    bursts     17.24 % of gaps below 10 ms, 24.14 % above 10 s
    failed     2 requests without a response token (6.67 %)
    cleaning   drop_zero_tokens would drop 2 requests, spread_duplicate_timestamps would move 5
    llms       ChatGPT 21 (70.00 %), GPT-4 9 (30.00 %)
    log types  API log 13 (43.33 %), Conversation log 17 (56.67 %)
    "#);
}

#[test]
fn a_numeric_table_is_told_by_column() {
    assert_snapshot!(result(&["series.csv"]), @r#"
    series.csv: 24 rows over 23 h

                     mean     std      min      p50      p95      p99      max
    ───────────────────────────────────────────────────────────────────────────
     step (s)       3,600       0    3,600    3,600    3,600    3,600    3,600
     load          24.390   1.790   20.573   23.713   27.183   27.492   27.492
     temperature    5.625   5.192       -3    5.250   13.500   14.250   14.250
    "#);
}

#[test]
fn json_is_one_document_with_stable_keys() {
    assert_snapshot!(result(&["azure_conv.csv", "--format", "json"]), @r#"{"kind":"requests","rows":40,"span_s":24.146296,"failed":0,"zero_tokens":0,"repeated_timestamps":0,"gap_s":{"mean":0.6191357948717948,"std":0.8165820131422471,"min":0.005022000000000304,"p50":0.3765470000000022,"p95":3.1276089999999996,"p99":4.314579,"max":4.314579},"gap_cv":1.3189061590459936,"gap_autocorrelation":-0.13498614642536044,"burst_share":0.02564102564102564,"sparse_share":0.0,"request_tokens":{"mean":699.625,"std":1003.3948795838057,"min":27.0,"p50":369.0,"p95":2584.0,"p99":4085.0,"max":4085.0},"response_tokens":{"mean":110.75,"std":60.950697288874395,"min":12.0,"p50":109.0,"p95":194.0,"p99":217.0,"max":217.0},"llms":[],"log_types":[]}"#);
    assert_snapshot!(result(&["series.csv", "--format", "json"]), @r#"{"kind":"series","rows":24,"span_s":82800.0,"step_s":{"mean":3600.0,"std":0.0,"min":3600.0,"p50":3600.0,"p95":3600.0,"p99":3600.0,"max":3600.0},"columns":[["load",{"mean":24.389749999999996,"std":1.7895320908457233,"min":20.573,"p50":23.713,"p95":27.183,"p99":27.492,"max":27.492}],["temperature",{"mean":5.625,"std":5.191639914323797,"min":-3.0,"p50":5.25,"p95":13.5,"p99":14.25,"max":14.25}]]}"#);
}

#[test]
fn a_trace_of_one_row_has_no_gaps_to_tell() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16,1,2\n").unwrap();
    let path = file.path().display().to_string();
    assert_snapshot!(result(&[&path]).replace(&path, "trace.csv"), @r#"
    trace.csv: 1 request over 0 s

                       mean   std   min   p50   p95   p99   max
    ────────────────────────────────────────────────────────────
     gap (s)              -     -     -     -     -     -     -
     request tokens       1     0     1     1     1     1     1
     response tokens      2     0     2     2     2     2     2

    gaps       coefficient of variation -, autocorrelation at lag 1 -
    bursts     - of gaps below 10 ms, - above 10 s
    failed     0 requests without a response token (0.00 %)
    cleaning   drop_zero_tokens would drop 0 requests, spread_duplicate_timestamps would move 0
    "#);
    let facts: serde_json::Value = serde_json::from_str(&result(&[&path, "--format", "json"])).unwrap();
    assert!(facts["gap_s"]["mean"].is_null() && facts["gap_cv"].is_null(), "{facts}");
}

#[test]
fn a_malformed_file_is_named_with_its_line_on_standard_error() {
    let output = inspect(&["README.md"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.starts_with("error: README.md:1: the header `# Small traces"), "{message}");
}

#[test]
fn a_file_that_is_not_there_is_a_usage_error() {
    let output = inspect(&["azure_con.csv"]);
    assert_eq!(output.status.code(), Some(2));
    assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"error: `azure_con.csv` is neither a file nor a dataset of the catalog; did you mean `azure-conv`? the catalog has: azure-conv, etth1, burstgpt-1, burstgpt-1-without-fails, burstgpt-2, burstgpt-2-without-fails, burstgpt-3, synthetic-burstgpt");
}
