//! Each layout is recognised by its header, and its values are read exactly.

use super::{AZURE, BURSTGPT, BURSTGPT_SESSIONS, SERIES, requests, series};

#[test]
fn six_columns_of_burstgpt_are_read_exactly() {
    let trace = requests(BURSTGPT);
    assert_eq!(trace.len(), 30);
    assert_eq!(trace.clock_s, 5.0);
    assert_eq!(trace.arrival_s[..3], [0.0, 40.0, 113.0]);
    assert_eq!(trace.request_tokens[..3], [472.0, 1087.0, 417.0]);
    assert_eq!(trace.response_tokens[..3], [18.0, 230.0, 276.0]);
    assert_eq!(trace.llm.iter().take(3).collect::<Vec<_>>(), ["ChatGPT", "ChatGPT", "GPT-4"]);
    assert_eq!(trace.log_type.iter().next(), Some("Conversation log"));
}

#[test]
fn eight_columns_of_burstgpt_are_read_with_and_without_a_session() {
    let trace = requests(BURSTGPT_SESSIONS);
    assert_eq!(trace.len(), 24);
    let sessions = BURSTGPT_SESSIONS.lines().skip(1).map(|line| line.split(',').nth(1) != Some(""));
    let conversations = trace.log_type.iter().map(|name| name == "Conversation log");
    assert!(sessions.eq(conversations), "API rows have no session");
    let stamps = BURSTGPT_SESSIONS.lines().skip(1).map(|line| {
        let (stamp, _) = line.split_once(',').unwrap();
        stamp.parse::<f64>().unwrap()
    });
    assert!(stamps.eq(trace.arrival_s.iter().map(|arrival_s| trace.clock_s + arrival_s)));
}

#[test]
fn seven_fractional_digits_of_azure_timestamps_count() {
    let trace = requests(AZURE);
    assert_eq!(trace.len(), 40);
    assert_eq!(trace.arrival_s[1], 4.314_579_0);
    assert_eq!((trace.request_tokens[0], trace.response_tokens[0]), (374.0, 44.0));
    assert!(trace.llm.is_empty() && trace.log_type.is_empty());
    let clock_s = 18.0 * 3_600.0 + 15.0 * 60.0 + 46.680_59;
    assert!((trace.clock_s % 86_400.0 - clock_s).abs() < 1e-6);
}

#[test]
fn a_numeric_table_keeps_the_order_of_its_columns() {
    let trace = series(SERIES);
    assert_eq!(trace.names, ["load", "temperature"]);
    assert_eq!(trace.time_s.len(), 24);
    assert_eq!(trace.time_s[..3], [0.0, 3_600.0, 7_200.0]);
    assert_eq!(trace.columns[1][..3], [-3.0, -2.25, -1.5]);
}

#[test]
fn a_date_column_need_not_be_the_first() {
    let trace = series("load,Date\n1.5,2016-07-01\n-2e3,2016-07-02\n");
    assert_eq!((trace.names, trace.columns), (vec!["load".to_string()], vec![vec![1.5, -2_000.0]]));
    assert_eq!(trace.time_s, [0.0, 86_400.0]);
}
