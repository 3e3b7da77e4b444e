//! What holds for any file.

use std::fmt::Write as _;

use burstlab::dataset::{RequestTrace, Trace, parse_trace};
use proptest::prelude::*;

use super::{AZURE, BURSTGPT, BURSTGPT_SESSIONS, SERIES, requests};

/// One change to the bytes of a file; `at` is taken modulo its length.
#[derive(Debug, Clone)]
enum Mutation {
    Replace(usize, u8),
    Insert(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    Cut(usize),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: usize| at % bytes.len().max(1);
        let range = |at: usize, length: usize| place(at)..(place(at) + length).min(bytes.len());
        match *self {
            Mutation::Insert(at, byte) => bytes.insert(place(at), byte),
            Mutation::Replace(at, byte) => {
                bytes.splice(range(at, 1), [byte]);
            }
            Mutation::Remove(at, length) => {
                bytes.drain(range(at, length));
            }
            Mutation::Repeat(at, length) => bytes.extend_from_within(range(at, length)),
            Mutation::Cut(at) => bytes.truncate(place(at)),
        }
    }
}

/// Bytes that mean something in CSV and in numbers come often, all others now and then.
fn byte() -> impl Strategy<Value = u8> {
    let telling = prop::sample::select(b",\"\n\r \t-+.eE0123456789:TZ\0\xff\xef\xbb\xbf#;".to_vec());
    prop_oneof![4 => telling, 1 => any::<u8>()]
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        4 => (any::<usize>(), byte()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        4 => (any::<usize>(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        2 => (any::<usize>(), 1..80_usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        1 => (any::<usize>(), 1..80_usize).prop_map(|(at, length)| Mutation::Repeat(at, length)),
        1 => any::<usize>().prop_map(Mutation::Cut),
    ]
}

fn assert_sound(trace: &Trace) {
    let (times_s, columns) = match trace {
        Trace::Requests(trace) => {
            for labels in [&trace.llm, &trace.log_type] {
                assert!(labels.is_empty() || labels.len() == trace.len());
                assert!(labels.iter().all(|name| !name.is_empty()));
            }
            let tokens = [&trace.request_tokens, &trace.response_tokens];
            assert!(
                tokens.iter().all(|tokens| tokens.iter().all(|&count| count >= 0.0 && count.fract() == 0.0))
            );
            (&trace.arrival_s, tokens.to_vec())
        }
        Trace::Series(trace) => (&trace.time_s, trace.columns.iter().collect()),
    };
    assert!(!times_s.is_empty() && times_s[0] == 0.0);
    assert!(times_s.windows(2).all(|pair| pair[0] <= pair[1]));
    assert!(columns.iter().all(|column| column.len() == times_s.len()));
    assert!(columns.iter().all(|column| column.iter().all(|value| value.is_finite())));
}

/// Names that need quotes, and names that do not.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z0-9-]{1,12}", "[a-z,\"\r\n é]{0,5}[a-z]"]
}

fn quoted(name: &str) -> String {
    if name.chars().all(|character| character.is_ascii_alphanumeric() || character == '-') {
        name.to_string()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_damaged_file_is_read_or_refused_with_its_place(
        fixture in prop::sample::select(vec![BURSTGPT, BURSTGPT_SESSIONS, AZURE, SERIES]),
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let mut bytes = fixture.as_bytes().to_vec();
        for mutation in mutations {
            mutation.apply(&mut bytes);
        }
        match parse_trace("trace.csv", &bytes) {
            Ok(trace) => assert_sound(&trace),
            Err(error) => {
                let whole = ["the file is empty", "the file is UTF-16"];
                let of_whole = whole.iter().any(|start| error.message.starts_with(start));
                let lines = bytes.split(|&byte| byte == b'\n').count();
                prop_assert!(of_whole || error.line.is_some_and(|line| line <= lines), "{error}");
            }
        }
    }

    #[test]
    fn a_trace_that_is_written_is_read_back_exactly(
        start_s in 0.0..1e8,
        rows in prop::collection::vec((0.0..1e4, name(), 0..40_000_u32, 0..10_000_u32, name()), 1..60),
        line_end in prop::sample::select(vec!["\n", "\r\n", "\n\n"]),
    ) {
        let mut text = ["Timestamp,Model,Request tokens,Response tokens,Log Type", line_end].concat();
        let mut stamps_s = vec![];
        let mut stamp_s = start_s;
        for (gap_s, llm, request, response, log_type) in &rows {
            let (llm, log_type) = (quoted(llm), quoted(log_type));
            write!(text, "{stamp_s},{llm},{request},{response},{log_type}{line_end}").unwrap();
            stamps_s.push(stamp_s);
            stamp_s += gap_s;
        }
        let expected = RequestTrace {
            arrival_s: stamps_s.iter().map(|stamp_s| stamp_s - start_s).collect(),
            request_tokens: rows.iter().map(|row| f64::from(row.2)).collect(),
            response_tokens: rows.iter().map(|row| f64::from(row.3)).collect(),
            llm: rows.iter().map(|row| row.1.as_str()).collect(),
            log_type: rows.iter().map(|row| row.4.as_str()).collect(),
            clock_s: start_s,
            is_dated: false,
        };
        prop_assert_eq!(requests(&text), expected);
    }
}
