//! The same requests as other programs write them: other separators, decimal commas, quotes, UTC offsets, an index column.

use burstlab::dataset::{PrepareError, Row, RowReader, Trace, parse_trace_as};
use burstlab::spec::{ColumnsSpec, RequestColumns, Separator, TimestampUnit};
use insta::assert_snapshot;
use proptest::prelude::*;

use super::{AZURE, BURSTGPT, SERIES, error, requests, series};

/// The text with every point of a number as a comma, and every comma between fields as another separator.
fn continental(text: &str, separator: &str) -> String {
    text.replace(',', separator).replace('.', ",")
}

/// The text with a first column that numbers the rows, as pandas writes its index.
fn with_index(text: &str) -> String {
    let mut lines = text.lines();
    let header = format!(",{}\n", lines.next().unwrap());
    lines.enumerate().fold(header, |rows, (row, line)| format!("{rows}{row},{line}\n"))
}

fn quoted(text: &str) -> String {
    let quoted = |line: &str| format!("\"{}\"", line.replace(',', "\",\""));
    text.lines().map(quoted).collect::<Vec<_>>().join("\n") + "\n"
}

/// The rows of a file one by one, each with its time, its clock time and its values.
fn one_by_one(text: &str, columns: Option<&ColumnsSpec>) -> Result<Vec<Vec<f64>>, String> {
    let mut lines = text.lines().enumerate();
    let header = lines.next().unwrap().1;
    let mut reader =
        RowReader::new("trace.csv", header.as_bytes(), columns).map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    for (index, line) in lines {
        match reader.read(line, index + 1).map_err(|error| error.to_string())? {
            Some(Row::Request { arrival_s, clock_s, request_tokens, response_tokens }) => {
                rows.push(vec![arrival_s, clock_s, request_tokens, response_tokens]);
            }
            Some(Row::Reading { time_s, clock_s, values }) => {
                rows.push([&[time_s, clock_s], values].concat());
            }
            None => {}
        }
    }
    Ok(rows)
}

/// The same rows of the file read at once.
fn at_once(text: &str, columns: Option<&ColumnsSpec>) -> Result<Vec<Vec<f64>>, String> {
    let trace = match parse_trace_as("trace.csv", text.as_bytes(), columns) {
        Ok(trace) => trace,
        Err(PrepareError::Trace(error)) => return Err(error.to_string()),
        Err(error) => panic!("{error}"),
    };
    let (times_s, clock_s, columns) = match trace {
        Trace::Requests(trace) => {
            (trace.arrival_s, trace.clock_s, vec![trace.request_tokens, trace.response_tokens])
        }
        Trace::Series(trace) => (trace.time_s, trace.clock_s, trace.columns),
    };
    let row = |row: usize| {
        let values = columns.iter().map(|column| column[row]);
        [times_s[row], clock_s + times_s[row]].into_iter().chain(values).collect()
    };
    Ok((0..times_s.len()).map(row).collect())
}

fn written(separator: Option<Separator>, decimal_comma: Option<bool>) -> ColumnsSpec {
    ColumnsSpec { separator, decimal_comma, ..ColumnsSpec::default() }
}

#[test]
fn semicolons_and_tabs_are_found_from_the_header() {
    for separator in [";", "\t"] {
        assert_eq!(requests(&BURSTGPT.replace(',', separator)), requests(BURSTGPT));
        assert_eq!(requests(&AZURE.replace(',', separator)), requests(AZURE));
        assert_eq!(series(&SERIES.replace(',', separator)), series(SERIES), "with decimal points");
        let spaced = BURSTGPT.replace(',', &format!(" {separator} ")).replace('\n', "\r\n\r\n");
        assert_eq!(requests(&spaced), requests(BURSTGPT));
    }
}

#[test]
fn decimal_commas_are_found_where_no_comma_separates_fields() {
    assert!(SERIES.contains('.'));
    for separator in [";", "\t"] {
        assert_eq!(series(&continental(SERIES, separator)), series(SERIES));
    }
    let stamps = "Timestamp;Model;Request tokens;Response tokens;Log Type\n5;a;1;2;x\n5,25;a;3;4;y\n";
    assert_eq!(requests(stamps).arrival_s, [0.0, 0.25]);
    let fraction = "date;load\n2024-01-01 00:00:00,5;1,5\n2024-01-01 00:00:01,5;2\n";
    assert_eq!(series(fraction).time_s, [0.0, 1.0], "seconds may have a decimal comma too");
}

#[test]
fn one_file_has_decimal_points_or_decimal_commas() {
    let mixed = "date;load\n2016-07-01;1,5\n2016-07-02;1234\n2016-07-03;1.234\n";
    assert_snapshot!(error(mixed), @r#"trace.csv:4: column "load": `1.234` is not a number; the numbers of this file have a decimal comma"#);
    let mixed = "date;load\n2016-07-01;1.5\n2016-07-02;1,234\n";
    assert_snapshot!(error(mixed), @r#"trace.csv:3: column "load": `1,234` is not a number; if it has a decimal comma, set decimal_comma = true in [dataset.columns]"#);
    assert_snapshot!(error("date;load\n2016-07-01;1.234,5\n"), @r#"trace.csv:2: column "load": `1.234,5` is not a number"#);
}

#[test]
fn the_separator_and_the_decimal_comma_may_be_given() {
    let comma_in_the_header = "load, of the day;date\n1.5;2024-01-01\n2;2024-01-02\n";
    assert_snapshot!(error(comma_in_the_header)[..58], @"trace.csv:1: the header `load,of the day;date` is not one");
    let semicolon = written(Some(Separator::Semicolon), None);
    let quoted_header = comma_in_the_header.replace("load, of the day", "\"load, of the day\"");
    let found = series(&quoted_header);
    assert_eq!(
        (&found.names, &found.columns),
        (&vec!["load, of the day".to_string()], &vec![vec![1.5, 2.0]])
    );
    let given = parse_trace_as("t", comma_in_the_header.as_bytes(), Some(&semicolon)).unwrap();
    assert_eq!(given, Trace::Series(found));
    let quoted_commas = quoted(SERIES).replace('.', ",");
    assert_snapshot!(error(&quoted_commas), @r#"trace.csv:2: column "load": `26,261` is not a number; if it has a decimal comma, set decimal_comma = true in [dataset.columns]"#);
    let comma = written(None, Some(true));
    assert_eq!(at_once(&quoted_commas, Some(&comma)), at_once(SERIES, None));
    let refused = |text: &str, comma: bool| at_once(text, Some(&written(None, Some(comma)))).unwrap_err();
    assert_snapshot!(refused("date;load\n2024-01-01;1.5\n", true), @r#"trace.csv:2: column "load": `1.5` is not a number; the numbers of this file have a decimal comma"#);
    assert_snapshot!(refused("date;load\n2024-01-01;1,5\n", false), @r#"trace.csv:2: column "load": `1,5` is not a number; if it has a decimal comma, set decimal_comma = true in [dataset.columns]"#);
}

#[test]
fn a_file_with_named_columns_may_be_written_in_any_way() {
    let requests = RequestColumns {
        timestamp: "at".to_string(),
        timestamp_unit: TimestampUnit::Seconds,
        request_tokens: "in".to_string(),
        response_tokens: "out".to_string(),
        llm: None,
        log_type: None,
    };
    let plain = "at,in,out\n0.5,1,2\n1.75,3,4\n";
    let spec = ColumnsSpec::from(requests);
    let expected = at_once(plain, Some(&spec)).unwrap();
    assert_eq!(expected[1][0], 1.25);
    assert_eq!(at_once(&continental(plain, ";"), Some(&spec)).unwrap(), expected);
    let given = ColumnsSpec { separator: Some(Separator::Tab), decimal_comma: Some(true), ..spec };
    assert_eq!(at_once(&continental(plain, "\t"), Some(&given)).unwrap(), expected);
}

#[test]
fn numbers_may_be_quoted() {
    assert_eq!(requests(&quoted(AZURE)), requests(AZURE));
    assert_eq!(series(&quoted(SERIES)), series(SERIES));
    let half_quoted =
        "Timestamp,Model,Request tokens,Response tokens,Log Type\n\"5\",a,\"1\",2,x\n6,\"a\",1,\"2\",x\n";
    assert_eq!(requests(half_quoted).request_tokens, [1.0, 1.0]);
}

#[test]
fn times_with_an_offset_are_converted_to_utc() {
    let rows = |stamps: [&str; 3]| {
        let [a, b, c] = stamps;
        format!("TIMESTAMP,ContextTokens,GeneratedTokens\n{a},1,2\n{b},3,4\n{c},5,6\n")
    };
    let utc = requests(&rows(["2024-03-31 00:30:00", "2024-03-31 01:00:00.25", "2024-03-31 23:00:00"]));
    let berlin = ["2024-03-31 01:30:00+01:00", "2024-03-31 03:00:00.25+02:00", "2024-04-01T01:00:00+02:00"];
    assert_eq!(requests(&rows(berlin)), utc, "the clocks went forward in between");
    let mixed = ["2024-03-30T20:00:00-04:30", "2024-03-31 01:00:00.25Z", "2024-03-31 23:00:00"];
    assert_eq!(requests(&rows(mixed)), utc);
    let zone = rows(["2024-03-31 01:30:00+01:00[Europe/Berlin]", "", ""]);
    assert!(error(zone).contains("is not a date and time such as 2023-11-16 18:15:46.6805900"));
}

#[test]
fn an_index_column_without_a_name_is_passed_over() {
    assert_eq!(series(&with_index(SERIES)), series(SERIES));
    assert_eq!(requests(&with_index(BURSTGPT)), requests(BURSTGPT));
    assert_eq!(series(&with_index(SERIES).replace(',', ";")), series(SERIES));
    assert_snapshot!(error("date,,load\n2016-07-01,1,2\n"), @"trace.csv:1: column 2 has no name");
    assert_snapshot!(error(",date\n0,2016-07-01\n")[..47], @"trace.csv:1: the header `,date` is not one that");
}

#[test]
fn a_fault_is_named_by_line_and_column_whatever_separates_the_fields() {
    let fault = |from: &str, to: &str| error(BURSTGPT.replace(',', ";").replacen(from, to, 1));
    assert_snapshot!(fault(";1087;", ";many;"), @r#"trace.csv:3: column "Request tokens": `many` is not a number"#);
    assert_snapshot!(fault(";1087;", ";;"), @r#"trace.csv:3: column "Request tokens": the value is missing; a number of tokens is expected here"#);
    assert_snapshot!(fault(";1087;", ";"), @r#"trace.csv:3: column "Log Type": 5 fields, but the header has 6"#);
    assert_snapshot!(fault(";1087;", ";1\0;"), @r#"trace.csv:3: column "Request tokens": a NUL byte; the file is damaged, was cut while it was written, or is UTF-16"#);
    assert_snapshot!(error("date\tload\n2024-01-01\t1\n\t\n"), @r#"trace.csv:3: column "date": the value is missing; a date and time is expected here"#);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_of_any_form_are_read_one_by_one_as_at_once(
        rows in prop::collection::vec(("[0-9]{1,4}([.,][0-9]{1,3})?", "[a-c;, ]{0,3}", "[0-9]{0,3}|[0-9],[0-9]"), 1..12),
        separator in prop::sample::select(vec![",", ";", "\t"]),
        quote in prop::sample::select(vec!["", "\""]),
        index in any::<bool>(),
        offset in prop::sample::select(vec!["", "Z", "+01:00", "-0330"]),
        comma in prop::sample::select(vec![None, Some(true), Some(false)]),
    ) {
        let line = |first: &str, fields: [String; 4]| {
            let fields = fields.map(|field| format!("{quote}{field}{quote}"));
            let first = if index { vec![first.to_string()] } else { vec![] };
            [first, fields.to_vec()].concat().join(separator) + "\n"
        };
        let mut text = line("", ["load", "date", "other", "third"].map(String::from));
        for (row, (load, other, third)) in rows.iter().enumerate() {
            let date = format!("2024-01-01 10:00:{row:02}{offset}");
            let other = if other.is_empty() { "7".to_string() } else { other.clone() };
            text += &line(&row.to_string(), [load.clone(), date, other, third.clone()]);
        }
        let columns = written(None, comma);
        prop_assert_eq!(one_by_one(&text, Some(&columns)), at_once(&text, Some(&columns)));
    }
}
