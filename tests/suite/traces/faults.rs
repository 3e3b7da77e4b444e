//! Every fault is named by line and column, in these words.

use std::path::Path;

use burstlab::dataset::read_trace;
use insta::assert_snapshot;

use super::{AZURE, BURSTGPT, burstgpt, error};

const ROW: &str = "5,ChatGPT,472,18,490,Conversation log";

#[test]
fn too_few_fields() {
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n6,ChatGPT,1,2"))), @r#"trace.csv:3: column "Total tokens": 4 fields, but the header has 6"#);
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n6"))), @r#"trace.csv:3: column "Model": 1 field, but the header has 6"#);
}

#[test]
fn too_many_fields() {
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n{ROW},trailing garbage"))), @"trace.csv:3: 7 fields, but the header has 6");
    assert_snapshot!(error(burstgpt(&format!("{ROW},"))), @"trace.csv:2: 7 fields, but the header has 6");
}

#[test]
fn text_instead_of_a_number() {
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n6,ChatGPT,many,2,3,API log"))), @r#"trace.csv:3: column "Request tokens": `many` is not a number"#);
    assert_snapshot!(error("date,load\n2016-07-01,1\n2016-07-02,1.2.3\n"), @r#"trace.csv:3: column "load": `1.2.3` is not a number"#);
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n12s,ChatGPT,1,2,3,API log"))), @r#"trace.csv:3: column "Timestamp": `12s` is not a number"#);
}

#[test]
fn a_negative_token_count() {
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n6,ChatGPT,1,-2,3,API log"))), @r#"trace.csv:3: column "Response tokens": `-2` is negative; a number of tokens is expected here"#);
}

#[test]
fn a_fractional_token_count() {
    assert_snapshot!(error(burstgpt("5,ChatGPT,472.5,18,490,API log")), @r#"trace.csv:2: column "Request tokens": `472.5` is not a whole number; a number of tokens is expected here"#);
}

#[test]
fn a_token_count_beyond_all_bounds() {
    assert_snapshot!(error(burstgpt("5,ChatGPT,1e300,18,490,API log")), @r#"trace.csv:2: column "Request tokens": `1e300` is too large for a number of tokens"#);
}

#[test]
fn a_nul_byte() {
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n6,Chat\0GPT,1,2,3,API log"))), @r#"trace.csv:3: column "Model": a NUL byte; the file is damaged, was cut while it was written, or is UTF-16"#);
    assert_snapshot!(error("Times\0tamp,Model"), @"trace.csv:1: a NUL byte; the file is damaged, was cut while it was written, or is UTF-16");
}

#[test]
fn a_negative_timestamp_in_the_first_row() {
    assert_snapshot!(error(burstgpt("-5,ChatGPT,472,18,490,API log")), @r#"trace.csv:2: column "Timestamp": `-5` is negative; timestamps count from a midnight on"#);
}

#[test]
fn a_negative_timestamp_later() {
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n-0.5,ChatGPT,472,18,490,API log"))), @r#"trace.csv:3: column "Timestamp": `-0.5` is negative; timestamps count from a midnight on"#);
}

#[test]
fn timestamps_in_milliseconds() {
    assert_snapshot!(error(burstgpt("1700000000000,ChatGPT,472,18,490,API log")), @r#"trace.csv:2: column "Timestamp": `1700000000000` is too large for a number of seconds; if it counts milliseconds, set timestamp_unit = "ms" in [dataset.columns]"#);
}

#[test]
fn a_decreasing_timestamp() {
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n\n{ROW}\n4.5,ChatGPT,1,2,3,API log"))), @r#"trace.csv:5: column "Timestamp": the timestamp goes back from `5` to `4.5`; sort the rows by it"#);
    assert_snapshot!(error(AZURE.replace("18:15:50.99", "18:15:40.99")), @r#"trace.csv:3: column "TIMESTAMP": the timestamp goes back from `2023-11-16 18:15:46.6805900` to `2023-11-16 18:15:40.9951690`; sort the rows by it"#);
}

#[test]
fn an_impossible_date() {
    assert_snapshot!(error("date,load\n2016-02-29,1\n2015-02-29,1\n"), @r#"trace.csv:3: column "date": `2015-02-29` is not a date and time such as 2023-11-16 18:15:46.6805900"#);
    assert_snapshot!(error("TIMESTAMP,ContextTokens,GeneratedTokens\n17,1,2\n"), @r#"trace.csv:2: column "TIMESTAMP": `17` is not a date and time such as 2023-11-16 18:15:46.6805900"#);
}

#[test]
fn an_empty_file() {
    assert_snapshot!(error(""), @"trace.csv: the file is empty; a trace has a header and rows");
    assert_snapshot!(error("\u{feff}"), @"trace.csv: the file is empty; a trace has a header and rows");
}

#[test]
fn blank_lines_only() {
    assert_snapshot!(error("\n\r\n  \n"), @"trace.csv: the file is empty; a trace has a header and rows");
}

#[test]
fn a_header_without_rows() {
    assert_snapshot!(error(burstgpt("")), @"trace.csv:1: there is a header but no row below it");
    assert_snapshot!(error("\n\ndate,load\n\n"), @"trace.csv:3: there is a header but no row below it");
}

#[test]
fn an_unknown_header() {
    assert_snapshot!(error("when,what\n1,2\n"), @r#"trace.csv:1: the header `when,what` is not one that is known; known are BurstGPT (Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type), Azure (TIMESTAMP,ContextTokens,GeneratedTokens), Mooncake (JSON lines with timestamp, input_length, output_length), vidur (arrived_at,num_prefill_tokens,num_decode_tokens), semantic-router (timestamp, prompt_tokens, generated_tokens, selected_model), request traces of Dynamo (dynamo.request.trace.v1), ServeGen clients (start_s,rate_rps,cv,family,a,b), results of Prometheus range queries and numeric tables with a column `date`; name the columns of other requests in [dataset.columns], or the time of another series, with timestamp_unit = "none" where there is none"#);
    assert_snapshot!(error(BURSTGPT.replace(',', "|")), @r#"trace.csv:1: the header `Timestamp|Model|Request tokens|Response tokens|Total tokens|Log Type` is not one that is known; known are BurstGPT (Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type), Azure (TIMESTAMP,ContextTokens,GeneratedTokens), Mooncake (JSON lines with timestamp, input_length, output_length), vidur (arrived_at,num_prefill_tokens,num_decode_tokens), semantic-router (timestamp, prompt_tokens, generated_tokens, selected_model), request traces of Dynamo (dynamo.request.trace.v1), ServeGen clients (start_s,rate_rps,cv,family,a,b), results of Prometheus range queries and numeric tables with a column `date`; name the columns of other requests in [dataset.columns], or the time of another series, with timestamp_unit = "none" where there is none"#);
}

#[test]
fn a_header_that_lacks_a_column() {
    assert_snapshot!(error(BURSTGPT.replace("Log Type", "Kind")), @"trace.csv:1: the header looks like that of BurstGPT, but lacks `Log Type`");
    assert_snapshot!(error("TIMESTAMP,ContextTokens\n1,2\n"), @"trace.csv:1: the header looks like that of Azure, but lacks `GeneratedTokens`");
}

#[test]
fn a_column_that_is_there_twice() {
    assert_snapshot!(error(BURSTGPT.replace("Total tokens", "Request tokens")), @"trace.csv:1: the column `Request tokens` is there twice");
    assert_snapshot!(error("date,load,load\n2016-07-01,1,2\n"), @"trace.csv:1: the column `load` is there twice");
    assert_snapshot!(error("date,load,\n2016-07-01,1,2\n"), @"trace.csv:1: column 3 has no name");
}

#[test]
fn a_missing_value() {
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n6,ChatGPT,1,,3,API log"))), @r#"trace.csv:3: column "Response tokens": the value is missing; a number of tokens is expected here"#);
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n6,\"\",1,2,3,API log"))), @r#"trace.csv:3: column "Model": the value is missing; a name is expected here"#);
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n,ChatGPT,1,2,3,API log"))), @r#"trace.csv:3: column "Timestamp": the value is missing; a number of seconds is expected here"#);
    assert_snapshot!(error("date,load\n2016-07-01,\n"), @r#"trace.csv:2: column "load": the value is missing; a number is expected here"#);
    assert_snapshot!(error("date,load\n,5\n"), @r#"trace.csv:2: column "date": the value is missing; a date and time is expected here"#);
    assert_snapshot!(error(burstgpt("6,ChatGPT,1,2,3,")), @r#"trace.csv:2: column "Log Type": the value is missing; a name is expected here"#);
}

#[test]
fn infinite_numbers_and_those_that_are_none() {
    assert_snapshot!(error(burstgpt(&format!("{ROW}\ninf,ChatGPT,1,2,3,API log"))), @r#"trace.csv:3: column "Timestamp": `inf` is not a finite number"#);
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n6,ChatGPT,NaN,2,3,API log"))), @r#"trace.csv:3: column "Request tokens": `NaN` is not a finite number"#);
    assert_snapshot!(error("date,load\n2016-07-01,-inf\n"), @r#"trace.csv:2: column "load": `-inf` is not a finite number"#);
    assert_snapshot!(error("date,load\n2016-07-01,1e999\n"), @r#"trace.csv:2: column "load": `1e999` is not a finite number"#);
}

#[test]
fn bytes_that_are_not_utf_8() {
    let mut bytes = burstgpt(&format!("{ROW}\n{ROW}")).into_bytes();
    let at = bytes.len() - 12;
    bytes[at] = 0xe9;
    assert_snapshot!(error(bytes), @r#"trace.csv:3: column "Log Type": a byte that is not UTF-8; save the file as UTF-8"#);
    assert_snapshot!(error(b"date,temp\xe9rature\n"), @"trace.csv:1: a byte that is not UTF-8; save the file as UTF-8");
}

#[test]
fn a_quote_that_never_closes() {
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n6,\"ChatGPT,1,2,3,API log\n{ROW}"))), @r#"trace.csv:3: column "Model": a quote that is opened in this record is never closed"#);
    assert_snapshot!(error("date,\"load\n2016-07-01,1\n"), @"trace.csv:1: a quote that is opened in this record is never closed");
}

#[test]
fn quotes_in_the_wrong_place() {
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n6,Chat\"GPT\",1,2,3,API log"))), @r#"trace.csv:3: column "Model": a quote inside a field; put the field in quotes and double this one"#);
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n6,\"Chat\"GPT,1,2,3,API log"))), @r#"trace.csv:3: column "Model": text behind a closing quote; double a quote that belongs to the field"#);
    assert_snapshot!(error(burstgpt(&format!("{ROW}\n6,ChatGPT,1,2,3,\""))), @r#"trace.csv:3: column "Log Type": a quote that is opened in this record is never closed"#);
}

#[test]
fn lines_below_a_quoted_line_end_keep_their_numbers() {
    assert_snapshot!(error(burstgpt("5,\"Chat\r\n\r\nGPT\",1,2,3,API log\r\n\r\n6,x,1,y,3,API log")), @r#"trace.csv:6: column "Response tokens": `y` is not a number"#);
}

#[test]
fn carriage_returns_alone() {
    assert_snapshot!(error(BURSTGPT.replace('\n', "\r")), @"trace.csv:1: a carriage return that no line feed follows; end lines with LF or CRLF");
    assert_snapshot!(error(burstgpt("5,Chat\rGPT,1,2,3,API log")), @r#"trace.csv:2: column "Model": a carriage return that no line feed follows; end lines with LF or CRLF"#);
}

#[test]
fn a_utf_16_file() {
    let utf_16 = |mark: &str| {
        format!("{mark}{BURSTGPT}").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()
    };
    assert_snapshot!(error(utf_16("\u{feff}")), @"trace.csv: the file is UTF-16; save it as UTF-8");
    assert_snapshot!(error(utf_16("")), @"trace.csv:1: a NUL byte; the file is damaged, was cut while it was written, or is UTF-16");
}

#[test]
fn a_long_value_is_shortened_in_the_message() {
    assert_snapshot!(error(burstgpt(&format!("5,ChatGPT,{},2,3,API log", "x\u{1b}".repeat(1_000)))), @r#"trace.csv:2: column "Request tokens": `x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\…` is not a number"#);
}

#[test]
fn a_file_that_cannot_be_read() {
    let message = read_trace(Path::new("tests/no-such-file.csv")).unwrap_err().to_string();
    assert_snapshot!(message, @"tests/no-such-file.csv: cannot be read: No such file or directory (os error 2)");
    let message = read_trace(Path::new("tests")).unwrap_err().to_string();
    assert_snapshot!(message, @"tests: cannot be read: Is a directory (os error 21)");
}
