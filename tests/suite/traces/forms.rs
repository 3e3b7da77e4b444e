//! The forms that one and the same file comes in.

use std::fmt::Write as _;

use super::{BURSTGPT, burstgpt, requests};

/// Every form must give the trace of the file it was made from.
fn assert_same(form: &str) {
    assert_eq!(requests(form), requests(BURSTGPT), "{form}");
}

/// The fixture with each row's fields changed.
fn rewritten(rewrite: impl Fn(Vec<&str>) -> Vec<String>) -> String {
    let rows = BURSTGPT.lines().map(|line| rewrite(line.split(',').collect()).join(","));
    rows.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn line_ends_may_be_crlf() {
    assert_same(&BURSTGPT.replace('\n', "\r\n"));
}

#[test]
fn the_last_line_end_may_be_missing() {
    assert_same(BURSTGPT.trim_end());
    assert_same(BURSTGPT.replace('\n', "\r\n").trim_end());
    assert_same(&BURSTGPT.trim_end().replace('\n', "\r\n").replace("log\r\n", "log\r\n\r\n"));
}

#[test]
fn a_byte_order_mark_may_stand_first() {
    assert_same(&format!("\u{feff}{BURSTGPT}"));
}

#[test]
fn timestamps_may_be_floats() {
    assert_same(&rewritten(|fields| {
        let stamp =
            if fields[0] == "Timestamp" { "Timestamp".to_string() } else { format!("{}.000", fields[0]) };
        let rest = fields[1..].iter().map(ToString::to_string);
        std::iter::once(stamp).chain(rest).collect()
    }));
}

#[test]
fn fields_may_be_quoted() {
    assert_same(&rewritten(|fields| fields.iter().map(|field| format!("\"{field}\"")).collect()));
}

#[test]
fn quoted_names_may_hold_commas_quotes_and_line_ends() {
    let trace = requests(&burstgpt("5,\"a,b\",1,2,3,\"say \"\"x\"\"\"\n6,\"c\r\nd\",1,2,3,y"));
    assert_eq!(trace.llm.iter().collect::<Vec<_>>(), ["a,b", "c\r\nd"]);
    assert_eq!(trace.log_type.iter().collect::<Vec<_>>(), ["say \"x\"", "y"]);
}

#[test]
fn blank_lines_are_passed_over() {
    assert_same(&BURSTGPT.replace('\n', "\n\n"));
    assert_same(&format!("\n \r\n{BURSTGPT}\n\n   \n"));
}

#[test]
fn spaces_around_a_field_are_passed_over() {
    assert_same(&BURSTGPT.replace(',', " , ").replace('\n', " \n"));
}

#[test]
fn columns_may_be_reordered() {
    assert_same(&rewritten(|fields| fields.iter().rev().map(ToString::to_string).collect()));
}

#[test]
fn unknown_columns_may_be_added_and_need_not_hold_numbers() {
    assert_same(&rewritten(|fields| {
        let mut fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
        fields.insert(0, String::new());
        fields.insert(3, "Note".to_string());
        fields.push("Note".to_string());
        fields
    }));
}

#[test]
fn the_total_may_be_missing() {
    assert_same(&rewritten(|fields| {
        let kept = fields.iter().enumerate().filter(|(at, _)| *at != 4);
        kept.map(|(_, field)| (*field).to_string()).collect()
    }));
}

#[test]
fn a_trace_of_one_row_is_a_trace() {
    assert_eq!(requests(&burstgpt("7,ChatGPT,1,2,3,API log")).arrival_s, [0.0]);
}

#[test]
fn many_rows_with_line_ends_in_quotes_stay_whole() {
    let mut rows = String::new();
    for row in 0..20_000 {
        let _ = writeln!(rows, "{row},\"Chat\n\n,GPT\",{},2,3,API log", row % 100);
    }
    let trace = requests(&burstgpt(&rows));
    assert_eq!(trace.len(), 20_000);
    assert!(trace.arrival_s.iter().enumerate().all(|(row, arrival_s)| row as f64 == *arrival_s));
}
