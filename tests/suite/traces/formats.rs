//! The same requests in other formats: JSONL, Parquet, compressed, and with columns that the user names.

use std::io::Write;

use burstlab::dataset::{
    ColumnValues, NamedColumn, RequestTrace, TableFile, Trace, parse_trace, parse_trace_as, write_table,
};
use burstlab::spec::{ColumnsSpec, RequestColumns, TimestampUnit};
use flate2::Compression;
use flate2::write::GzEncoder;
use insta::assert_snapshot;

use super::{AZURE, BURSTGPT, error, requests, series};

/// In the form of the published traces of Mooncake; the numbers are made up.
const MOONCAKE: &str = include_str!("../../fixtures/mooncake.jsonl");

/// In the form of the client traces that `ServeGen` publishes; the numbers are made up.
const SERVEGEN: &str = include_str!("../../fixtures/servegen.csv");

fn read(bytes: &[u8], columns: Option<&ColumnsSpec>) -> RequestTrace {
    match parse_trace_as("trace", bytes, columns) {
        Ok(Trace::Requests(trace)) => trace,
        other => panic!("no requests: {other:?}"),
    }
}

fn columns(timestamp: &str, timestamp_unit: TimestampUnit) -> ColumnsSpec {
    ColumnsSpec::from(RequestColumns {
        timestamp: timestamp.to_string(),
        timestamp_unit,
        request_tokens: "in".to_string(),
        response_tokens: "out".to_string(),
        llm: None,
        log_type: None,
    })
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 0).unwrap()
}

fn whole(name: &str, values: &[i64]) -> NamedColumn {
    let values = values.iter().map(|value| Some(*value)).collect();
    NamedColumn { name: name.to_string(), values: ColumnValues::Whole(values) }
}

fn text(name: &str, values: &[&str]) -> NamedColumn {
    let values = values.iter().map(|value| Some((*value).to_string())).collect();
    NamedColumn { name: name.to_string(), values: ColumnValues::Text(values) }
}

fn parquet(columns: &[NamedColumn]) -> Vec<u8> {
    write_table(columns, TableFile::Parquet).unwrap()
}

/// A column of the BurstGPT fixture.
fn burstgpt_column(at: usize) -> Vec<&'static str> {
    BURSTGPT.lines().skip(1).map(|line| line.split(',').nth(at).unwrap()).collect()
}

fn burstgpt_numbers(at: usize) -> Vec<i64> {
    burstgpt_column(at).iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn json_lines_of_mooncake_are_read_exactly() {
    let trace = requests(MOONCAKE);
    assert_eq!(trace.arrival_s, [0.0, 0.04, 27.482]);
    assert_eq!(trace.request_tokens, [6758.0, 7322.0, 6955.0]);
    assert_eq!(trace.response_tokens, [500.0, 490.0, 52.0]);
    assert!(trace.llm.is_empty() && trace.log_type.is_empty());
    let spaced = MOONCAKE.replace('\n', "\r\n\r\n").replace("\"timestamp\"", "\"time\\u0073tamp\"");
    assert_eq!(requests(&spaced), trace, "blank lines, CRLF and escapes change nothing");
}

#[test]
fn a_fault_in_json_lines_is_named_by_line_and_key() {
    let with = |from: &str, to: &str| error(MOONCAKE.replacen(from, to, 1));
    assert_snapshot!(with("7322", "-1"), @r#"trace.csv:2: column "input_length": `-1` is negative; a number of tokens is expected here"#);
    assert_snapshot!(with("7322", "\"7322\""), @r#"trace.csv:2: column "input_length": `\"7322\"` is no JSON number"#);
    assert_snapshot!(with("7322", "null"), @r#"trace.csv:2: column "input_length": the value is missing; a number of tokens is expected here"#);
    assert_snapshot!(with("7322", "7322.5"), @r#"trace.csv:2: column "input_length": `7322.5` is not a whole number; a number of tokens is expected here"#);
    assert_snapshot!(with("7322", "1e400"), @"trace.csv:2: this line is not one JSON object: number out of range (character 39)");
    assert_snapshot!(with("\"input_length\": 7322, ", ""), @r#"trace.csv:2: column "input_length": the value is missing; a number of tokens is expected here"#);
    assert_snapshot!(with("7322,", "7322, \"input_length\": 1,"), @r#"trace.csv:2: this line is not one JSON object: the key "input_length" is there twice (character 54)"#);
    assert_snapshot!(with("\"hash_ids\": [0, 14]}", "\"hash_ids\": [0, 14]"), @"trace.csv:2: this line is not one JSON object: EOF while parsing an object (character 81)");
    assert_snapshot!(with("\"hash_ids\": [0, 14]}", "\"hash_ids\": [0, 14]} {}"), @"trace.csv:2: this line is not one JSON object: trailing characters (character 84)");
    assert_snapshot!(with("27482", "12"), @r#"trace.csv:3: column "timestamp": the timestamp goes back from `40` to `12`; sort the rows by it"#);
    assert_snapshot!(error(MOONCAKE.replace("input_length", "prompt")), @"trace.csv:1: the header looks like that of Mooncake, but lacks `input_length`");
    assert_snapshot!(error(MOONCAKE.replace("input_length", "prompt").replace("output_length", "answer")), @r#"trace.csv:1: the header `timestamp,prompt,answer,hash_ids` is not one that is known; known are BurstGPT (Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type), Azure (TIMESTAMP,ContextTokens,GeneratedTokens), Mooncake (JSON lines with timestamp, input_length, output_length), vidur (arrived_at,num_prefill_tokens,num_decode_tokens), semantic-router (timestamp, prompt_tokens, generated_tokens, selected_model), request traces of Dynamo (dynamo.request.trace.v1), ServeGen clients (start_s,rate_rps,cv,family,a,b), results of Prometheus range queries and numeric tables with a column `date`; name the columns of other requests in [dataset.columns], or the time of another series, with timestamp_unit = "none" where there is none"#);
    assert_snapshot!(error([MOONCAKE.as_bytes(), b"\xff\n"].concat()), @"trace.csv:4: a byte that is not UTF-8; save the file as UTF-8");
}

#[test]
fn client_traces_of_servegen_are_series_of_rate_and_variation() {
    let trace = series(SERVEGEN);
    assert_eq!(trace.names, ["rate_rps", "cv"]);
    assert_eq!(trace.time_s, [0.0, 600.0, 1200.0]);
    assert_eq!(trace.columns, [vec![1.25, 0.0, 0.15], vec![8.5, 0.0, 4.0]]);
    assert_eq!(series(&format!("start_s,rate_rps,cv,family,a,b\n{SERVEGEN}")), trace);
    let idle_first = "0,0,0,,0,0\n600,0.5,1.5,Gamma,1,2\n";
    assert_eq!(series(idle_first).columns[0], [0.0, 0.5]);
    assert_snapshot!(error(SERVEGEN.replace("0.15", "fast")), @r#"trace.csv:3: column "rate_rps": `fast` is not a number"#);
    assert_snapshot!(error(SERVEGEN.replace("1200,", "120,")), @r#"trace.csv:3: column "start_s": the timestamp goes back from `600` to `120`; sort the rows by it"#);
}

#[test]
fn stamps_of_azure_2024_have_an_offset_and_may_lack_the_fraction() {
    let text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-12 00:00:00+00:00,2162,5\n\
                2024-05-12 00:00:00.001163+00:00,2399,6\n2024-05-12 00:00:01.5+00:00,76,15\n";
    let trace = requests(text);
    assert_eq!(trace.arrival_s, [0.0, 0.001_163, 1.5]);
    assert_eq!(trace.clock_s % 86_400.0, 0.0);
}

#[test]
fn compressed_files_hold_what_they_held_before() {
    for content in [AZURE, BURSTGPT, MOONCAKE] {
        let plain = parse_trace("trace", content.as_bytes()).unwrap();
        assert_eq!(parse_trace("trace", &gzip(content)).unwrap(), plain);
        assert_eq!(parse_trace("trace", &zstd(content)).unwrap(), plain);
    }
    let (head, tail) = AZURE.split_at(400);
    let members = [gzip(head), gzip(tail)].concat();
    assert_eq!(parse_trace("trace", &members).unwrap(), parse_trace("trace", AZURE.as_bytes()).unwrap());
}

#[test]
fn a_compressed_file_that_was_cut_is_refused() {
    for packed in [gzip(AZURE), zstd(AZURE)] {
        for length in [packed.len() - 1, packed.len() / 2, 12] {
            let message = error(&packed[..length]);
            assert!(message.contains("is damaged or was cut after"), "{length}: {message}");
        }
    }
    let mut flipped = gzip(AZURE);
    let at = flipped.len() - 6;
    flipped[at] ^= 1;
    assert!(error(flipped).contains("the gzip stream is damaged"), "the checksum counts");
}

#[test]
fn parquet_holds_the_same_requests_as_csv() {
    let bytes = parquet(&[
        whole("Timestamp", &burstgpt_numbers(0)),
        text("Model", &burstgpt_column(1)),
        whole("Request tokens", &burstgpt_numbers(2)),
        whole("Response tokens", &burstgpt_numbers(3)),
        text("Log Type", &burstgpt_column(5)),
    ]);
    assert_eq!(read(&bytes, None), requests(BURSTGPT));
}

#[test]
fn a_fault_in_parquet_is_named_by_row_and_column() {
    let file = |tokens: &[i64], stamps: &[i64]| {
        parquet(&[
            whole("Timestamp", stamps),
            text("Model", &["a", "b", "c"]),
            whole("Request tokens", tokens),
            whole("Response tokens", &[1, 2, 3]),
            text("Log Type", &["x", "y", "z"]),
        ])
    };
    assert_snapshot!(error(file(&[1, -2, 3], &[0, 1, 2])), @r#"trace.csv: column "Request tokens": row 2: `-2.0` is negative; a number of tokens is expected here"#);
    assert_snapshot!(error(file(&[1, 2, 3], &[0, 5, 2])), @r#"trace.csv: column "Timestamp": row 3: the timestamp goes back in time; sort the rows by it"#);
    let missing = NamedColumn {
        name: "Request tokens".into(),
        values: ColumnValues::Whole(vec![Some(1), None, Some(3)]),
    };
    let mut columns = vec![
        whole("Timestamp", &[0, 1, 2]),
        text("Model", &["a", "b", "c"]),
        missing,
        whole("Response tokens", &[1, 2, 3]),
        text("Log Type", &["x", "y", "z"]),
    ];
    assert_snapshot!(error(parquet(&columns)), @r#"trace.csv: column "Request tokens": row 2: the value is missing; a number of tokens is expected here"#);
    columns[2] = text("Request tokens", &["1", "2", "3"]);
    assert_snapshot!(error(parquet(&columns)), @r#"trace.csv: column "Request tokens": the column holds values of type str; numbers are expected"#);
    columns.remove(2);
    assert_snapshot!(error(parquet(&columns)), @"trace.csv: the header looks like that of BurstGPT, but lacks `Request tokens`");
}

#[test]
fn a_parquet_file_that_was_cut_is_refused() {
    let bytes = parquet(&[
        text("TIMESTAMP", &["2024-05-12 00:00:00", "2024-05-12 00:00:01"]),
        whole("ContextTokens", &[1, 2]),
        whole("GeneratedTokens", &[3, 4]),
    ]);
    assert_eq!(read(&bytes, None).request_tokens, [1.0, 2.0]);
    for length in 4..bytes.len() {
        let message = error(&bytes[..length]);
        assert!(message.contains("this Parquet file cannot be read"), "{length}: {message}");
    }
}

#[test]
fn columns_may_be_named_in_every_format_and_unit() {
    let csv = "out,note,at,in\n2,x,1700000000000,10\n3,y,1700000001500,20\n";
    let json =
        "{\"at\": 1700000000000, \"in\": 10, \"out\": 2}\n{\"out\": 3, \"in\": 20, \"at\": 1700000001500}\n";
    let bytes = parquet(&[
        whole("at", &[1_700_000_000_000, 1_700_000_001_500]),
        whole("in", &[10, 20]),
        whole("out", &[2, 3]),
    ]);
    let spec = columns("at", TimestampUnit::Milliseconds);
    for content in [csv.as_bytes(), json.as_bytes(), &bytes, &gzip(csv), &zstd(json)] {
        let trace = read(content, Some(&spec));
        assert_eq!(trace.arrival_s, [0.0, 1.5]);
        assert_eq!((trace.request_tokens, trace.response_tokens), (vec![10.0, 20.0], vec![2.0, 3.0]));
        assert_eq!(trace.clock_s, 1_700_000_000.0);
    }
    let units = [
        (TimestampUnit::Seconds, "1.5"),
        (TimestampUnit::Microseconds, "1500000"),
        (TimestampUnit::Nanoseconds, "1500000000"),
    ];
    for (unit, stamp) in units {
        let trace = read(format!("at,in,out\n0,1,2\n{stamp},3,4\n").as_bytes(), Some(&columns("at", unit)));
        assert_eq!(trace.arrival_s, [0.0, 1.5], "{unit:?}");
    }
    let dated = "at,in,out\n2024-05-12T00:00:00Z,1,2\n2024-05-12T00:00:01.5Z,3,4\n";
    assert_eq!(read(dated.as_bytes(), Some(&columns("at", TimestampUnit::DateTime))).arrival_s, [0.0, 1.5]);
}

#[test]
fn a_timestamp_in_the_wrong_unit_is_refused() {
    let csv = "at,in,out\n1700000000000,1,2\n";
    let refused = |unit| parse_trace_as("t.csv", csv.as_bytes(), Some(&columns("at", unit))).unwrap_err();
    assert_snapshot!(refused(TimestampUnit::Seconds), @r#"t.csv:2: column "at": `1700000000000` is too large for a number of seconds; if it counts milliseconds, set timestamp_unit = "ms" in [dataset.columns]"#);
    assert_snapshot!(refused(TimestampUnit::DateTime), @r#"t.csv:2: column "at": `1700000000000` is not a date and time; if it counts from 1970, set timestamp_unit = "ms" in [dataset.columns]"#);
}

#[test]
fn a_numeric_table_may_have_columns_that_servegen_has_too() {
    let trace = series("date,a,b,family\n2024-01-01 00:00:00,1,2,3\n2024-01-01 01:00:00,4,5,6\n");
    assert_eq!(trace.names, ["a", "b", "family"]);
    assert_eq!(trace.columns[1], [2.0, 5.0]);
}
