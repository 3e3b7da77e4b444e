//! Parquet files as pandas, pyarrow and polars write them (`scripts/parquet-fixtures.py`), and damaged ones.

use std::path::Path;

use burstlab::dataset::{RequestTrace, SeriesTrace, Trace, parse_trace, parse_trace_as};
use burstlab::spec::{ColumnsSpec, RequestColumns, TimestampUnit};
use insta::assert_snapshot;

use super::{AZURE, requests};

fn bytes(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parquet");
    std::fs::read(folder.join(format!("{name}.parquet"))).unwrap()
}

fn requests_in(name: &str) -> RequestTrace {
    match parse_trace(name, &bytes(name)) {
        Ok(Trace::Requests(trace)) => trace,
        other => panic!("no requests: {other:?}"),
    }
}

fn series_in(name: &str) -> SeriesTrace {
    match parse_trace(name, &bytes(name)) {
        Ok(Trace::Series(trace)) => trace,
        other => panic!("no series: {other:?}"),
    }
}

#[test]
fn a_timestamp_column_of_any_unit_is_the_clock_time_that_its_text_says() {
    let first: Vec<&str> = AZURE.lines().take(13).collect();
    let text = requests(&first.join("\n"));
    for name in ["azure-pandas-ns", "azure-pandas-utc", "azure-pyarrow-int96"] {
        assert_eq!(requests_in(name), text, "{name}");
    }
    for name in ["hours-polars-ms", "hours-polars-us", "hours-pyarrow-s"] {
        let trace = series_in(name);
        assert_eq!(trace.time_s, [0.0, 3_600.0, 7_200.0, 10_800.0, 14_400.0, 18_000.0], "{name}");
        assert_eq!(trace.columns, [[1.5, 2.0, 3.25, 2.0, 1.0, 0.5]], "{name}");
        // 1 July 2016 was a Friday.
        assert_eq!(trace.clock_s.rem_euclid(7.0 * 86_400.0), 4.0 * 86_400.0, "{name}");
    }
    for name in ["days-polars", "days-pyarrow-date64"] {
        let trace = series_in(name);
        assert_eq!(trace.time_s, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0].map(|day| day * 86_400.0), "{name}");
        assert_eq!(trace.names, ["load"]);
    }
}

#[test]
fn a_category_of_pandas_is_text() {
    let trace = requests_in("burstgpt-pandas-categories");
    let llms: Vec<&str> = trace.llm.iter().collect();
    assert_eq!(llms, ["ChatGPT", "GPT-4", "ChatGPT"]);
    assert_eq!(trace.arrival_s, [0.0, 40.0, 113.0]);
}

#[test]
fn a_time_zone_and_a_date_in_the_wrong_place_are_refused() {
    let refused = |name: &str| parse_trace("t.parquet", &bytes(name)).unwrap_err().to_string();
    assert_snapshot!(refused("azure-pandas-berlin"), @r#"t.parquet: column "TIMESTAMP": the times belong to the time zone Europe/Berlin; set time_zone = "Europe/Berlin" in [dataset.columns], or convert them to UTC or to clock times without a zone"#);
    let berlin: ColumnsSpec = toml::from_str("time_zone = \"Europe/Berlin\"").unwrap();
    let read = parse_trace_as("t.parquet", &bytes("azure-pandas-berlin"), Some(&berlin)).unwrap();
    assert_eq!(read, Trace::Requests(requests_in("azure-pandas-ns")));
    let mapped = |timestamp: &str, request_tokens: &str, unit: TimestampUnit| {
        let columns = ColumnsSpec::from(RequestColumns {
            timestamp: timestamp.to_string(),
            timestamp_unit: unit,
            request_tokens: request_tokens.to_string(),
            response_tokens: "GeneratedTokens".to_string(),
            llm: None,
            log_type: None,
        });
        parse_trace_as("t.parquet", &bytes("azure-pandas-ns"), Some(&columns)).unwrap_err().to_string()
    };
    assert_snapshot!(mapped("TIMESTAMP", "ContextTokens", TimestampUnit::Milliseconds), @r#"t.parquet: column "TIMESTAMP": the column holds values of type datetime; numbers are expected, or set timestamp_unit = "datetime" in [dataset.columns]"#);
    assert_snapshot!(mapped("ContextTokens", "TIMESTAMP", TimestampUnit::Milliseconds), @r#"t.parquet: column "TIMESTAMP": the column holds values of type datetime; numbers are expected"#);
    assert_snapshot!(mapped("ContextTokens", "TIMESTAMP", TimestampUnit::DateTime), @r#"t.parquet: column "ContextTokens": the column holds values of type i64; dates are expected"#);
}

/// A file of the fixtures with some of its bytes changed, and what is said about it.
fn damaged(name: &str, at: impl Fn(&[u8]) -> usize, with: &[u8]) -> String {
    let mut file = bytes(name);
    let at = at(&file);
    file[at..at + with.len()].copy_from_slice(with);
    parse_trace("t.parquet", &file).unwrap_err().to_string()
}

#[test]
fn a_footer_that_claims_more_than_the_file_holds_is_refused_before_room_is_made_for_it() {
    let name = "hours-polars-ms";
    let footer = |file: &[u8]| {
        let length: [u8; 4] = file[file.len() - 8..file.len() - 4].try_into().unwrap();
        file.len() - 8 - u32::from_le_bytes(length) as usize
    };
    // The version (two bytes), and then the list of columns: three structs become two thousand million.
    assert_eq!(bytes(name)[footer(&bytes(name)) + 2..][..2], [0x19, 0x3c]);
    let message = damaged(name, |file| footer(file) + 3, &[0xfc, 0xff, 0xff, 0xff, 0xff, 0x07]);
    assert_snapshot!(message, @"t.parquet: this Parquet file cannot be read: its footer claims more than it holds");
    let message = damaged(name, |file| file.len() - 8, &[0xff, 0xff, 0xff, 0x7f]);
    assert_snapshot!(message, @"t.parquet: this Parquet file cannot be read: its end is not that of a Parquet file; it was cut");
}

#[test]
fn a_file_with_any_byte_changed_is_read_or_refused() {
    for name in ["hours-polars-ms", "azure-pyarrow-int96", "days-pyarrow-date64"] {
        let sound = bytes(name);
        let (mut read, mut refused) = (0, 0);
        for at in 0..sound.len() {
            for change in [0x00, 0x7f, 0x80, 0xff, sound[at] ^ 1, sound[at] ^ 0x10] {
                let mut file = sound.clone();
                file[at] = change;
                match parse_trace("t.parquet", &file) {
                    Ok(_) => read += 1,
                    Err(error) => {
                        assert!(!error.to_string().is_empty());
                        refused += 1;
                    }
                }
            }
        }
        assert!(read > 100 && refused > 100, "{name}: {read} read, {refused} refused");
    }
}
