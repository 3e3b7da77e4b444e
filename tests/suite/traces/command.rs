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
    assert_snapshot!(result(&["burstgpt_6_columns.csv"]), @"
    burstgpt_6_columns.csv: 30 requests over 6 min 28 s

                               mean        std     min     p50      p95      p99      max
    ──────────────────────────────────────────────────────────────────────────────────────
     gap (s)                  13.38      21.25       0       2       64       73       73
     request tokens        1,131        618          0   1,130    1,982    1,997    1,997
     response tokens         434        258          0     396      831      887      887
     requests per minute       4.2        1.9        2       4        7        7        7
     tokens per minute     6,236      4,627      1,807   5,037   15,824   15,824   15,824

    order      timestamps never decrease; 5 equal the previous one, 0 requests equal the previous one in every column
    gaps       coefficient of variation 1.588, autocorrelation at lag 1 0.011, 0 above an hour
    bursts     17.24 % of gaps below 10 ms, 24.14 % above 10 s
    failed     2 requests without a response token (6.67 %)
    cleaning   drop_zero_tokens would drop 2 requests, spread_duplicate_timestamps would move 5
    idle       0.00 % of the minutes have no request
    memory     autocorrelation of requests per minute 0.18 at 1; of tokens 0.07 at 1 (lags in minutes)
    llms       ChatGPT 21 (70.00 %), GPT-4 9 (30.00 %)
    log types  API log 13 (43.33 %), Conversation log 17 (56.67 %)
    ");
}

#[test]
fn a_numeric_table_is_told_by_column() {
    assert_snapshot!(result(&["series.csv"]), @r#"
    series.csv: 24 rows over 23 h

                        mean     std        min         p50        p95        p99        max
    ─────────────────────────────────────────────────────────────────────────────────────────
     step (s)      3,600       0       3,600      3,600       3,600      3,600      3,600
     load             24.39    1.790      20.57      23.71       27.18      27.49      27.49
     temperature       5.625   5.192      -3          5.250      13.50      14.25      14.25

    frequency  rows every hour
    gaps       none
    repeats    none
    irregular  none
    "#);
}

#[test]
fn json_is_one_document_with_stable_keys() {
    assert_snapshot!(result(&["azure_conv.csv", "--format", "json"]), @r#"{"kind":"requests","rows":40,"span_s":24.146296,"failed":0,"zero_tokens":0,"repeated_timestamps":0,"repeated_requests":0,"gaps_above_1_h":0,"gap_s":{"mean":0.6191357948717948,"std":0.8165820131422471,"min":0.005022000000000304,"p50":0.3765470000000022,"p95":3.1276089999999996,"p99":4.314579,"max":4.314579},"gap_cv":1.3189061590459936,"gap_autocorrelation":-0.13498614642536044,"burst_share":0.02564102564102564,"sparse_share":0.0,"request_tokens":{"mean":699.625,"std":1003.3948795838057,"min":27.0,"p50":369.0,"p95":2584.0,"p99":4085.0,"max":4085.0},"response_tokens":{"mean":110.75,"std":60.950697288874395,"min":12.0,"p50":109.0,"p95":194.0,"p99":217.0,"max":217.0},"llms":[],"log_types":[],"arrivals":{"gaps":39,"mean_gap_s":0.6191357948717948,"variation":1.3189061590459936,"shares":[0.02564102564102564,0.9743589743589743,0.0],"counts":[0,0,0,0,0,0,0,0,0,0,0,0,0,1,0,0,0,0,0,2,1,0,0,1,1,3,4,4,5,6,2,2,3,2,0,1,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]},"request_tokens_counts":{"zero":0,"counts":[0,0,0,0,0,0,0,0,0,0,0,2,0,0,0,3,3,0,10,1,12,0,0,1,2,1,1,2,2]},"response_tokens_counts":{"zero":0,"counts":[0,0,0,0,0,0,0,0,1,5,0,0,0,3,4,5,5,11,6]},"load":null}"#);
    assert_snapshot!(result(&["series.csv", "--format", "json"]), @r#"{"kind":"series","rows":24,"span_s":82800.0,"step_s":{"mean":3600.0,"std":0.0,"min":3600.0,"p50":3600.0,"p95":3600.0,"p99":3600.0,"max":3600.0},"clock":{"frequency":{"seconds":3600.0},"usual_s":3600.0,"missing":0,"gaps":{"count":0,"first":[]},"repeats":{"count":0,"first":[]},"irregular":{"count":0,"first":[]}},"columns":[["load",{"mean":24.389749999999996,"std":1.7895320908457233,"min":20.573,"p50":23.713,"p95":27.183,"p99":27.492,"max":27.492}],["temperature",{"mean":5.625,"std":5.191639914323797,"min":-3.0,"p50":5.25,"p95":13.5,"p99":14.25,"max":14.25}]],"courses":[{"name":"load","autocorrelation":[-0.0579840006341549,-0.15929866268990592,0.14165963694636244,-0.10192567930534217,-0.07941582178558004,-0.1991578468804293,-0.10046819254587776,0.11946036273747028,-0.04632649407198982,-0.01215104692306608,0.12592735710284128,-0.1725637383986439],"by_hour":[],"by_weekday":[]},{"name":"temperature","autocorrelation":[0.875,0.7508695652173913,0.6284782608695653,0.508695652173913,0.3923913043478261,0.28043478260869564,0.17369565217391306,0.07304347826086957,-0.020652173913043477,-0.10652173913043478,-0.18369565217391304,-0.25130434782608696],"by_hour":[],"by_weekday":[]}]}"#);
}

#[test]
fn a_trace_of_one_row_has_no_gaps_to_tell() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16,1,2\n").unwrap();
    let path = file.path().display().to_string();
    assert_snapshot!(result(&[&path]).replace(&path, "trace.csv"), @"
    trace.csv: 1 request over 0 s

                       mean   std   min   p50   p95   p99   max
    ────────────────────────────────────────────────────────────
     gap (s)              -     -     -     -     -     -     -
     request tokens       1     0     1     1     1     1     1
     response tokens      2     0     2     2     2     2     2

    order      timestamps never decrease; 0 equal the previous one, 0 requests equal the previous one in every column
    gaps       coefficient of variation -, autocorrelation at lag 1 -, 0 above an hour
    bursts     - of gaps below 10 ms, - above 10 s
    failed     0 requests without a response token (0.00 %)
    cleaning   drop_zero_tokens would drop 0 requests, spread_duplicate_timestamps would move 0
    ");
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
    assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"error: `azure_con.csv` is neither a file nor a dataset of the catalog; did you mean `azure_conv.csv`? looked for azure_con.csv, dataset/azure_con.csv");
}

#[test]
fn a_fault_of_the_columns_names_the_option_and_not_the_experiment_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv").display().to_string();
    std::fs::write(&path, "at,in,out\n1700000000000,1,2\n").unwrap();
    let told = |columns: &[&str]| {
        let columns = columns.iter().flat_map(|column| ["--column", column]);
        let arguments: Vec<&str> = std::iter::once(path.as_str()).chain(columns).collect();
        let output = inspect(&arguments);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap().replace(&path, "t.csv")
    };
    let tokens = ["request_tokens=in", "response_tokens=out"];
    let with = |more: &[&'static str]| [&tokens[..], more].concat();
    assert_snapshot!(told(&with(&["timestamp=at", "timestamp_unit=s"])), @r#"error: t.csv:2: column "at": `1700000000000` is too large for a number of seconds; if it counts milliseconds, add --column timestamp_unit=ms"#);
    assert_snapshot!(told(&with(&["timestamp=when", "timestamp_unit=ms"])), @"error: --column timestamp: the file has no column `when`; it has: at, in, out");
    assert_snapshot!(told(&with(&["timestamp=at"])), @"error: --column timestamp_unit=... is missing: timestamp, timestamp_unit, request_tokens and response_tokens come together");
    assert!(
        told(&[]).contains("name the columns of other requests with --column ROLE=NAME"),
        "{}",
        told(&[])
    );
}

fn dataset(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_burstlab"))
        .arg("dataset")
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"))
        .output()
        .unwrap()
}

#[test]
fn a_page_holds_the_facts_and_a_plot_of_each_kind() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let trace = folder.path().join("trace.csv").display().to_string();
    result_with_note(&["synth", "--rows", "20000", "--out", &trace]);
    result_with_note(&["inspect", &trace, "--html", page.to_str().unwrap()]);
    let text = std::fs::read_to_string(&page).unwrap();
    for title in [
        "Load over time",
        "Burst pattern: the gaps between requests",
        "Request tokens",
        "Response tokens",
        "Requests by hour of the day",
        "Requests by day of the week",
        "Autocorrelation of requests per minute",
        "Autocorrelation of tokens per minute",
    ] {
        assert!(text.contains(&format!("aria-label=\"{title}\"")), "{title}");
    }
    assert_eq!(text.matches("<svg").count(), 8);
    assert!(!text.contains("src=\"http") && !text.contains("<script"), "nothing is asked of the network");
    result_with_note(&["inspect", "burstgpt_6_columns.csv", "--html", page.to_str().unwrap()]);
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains("24.14 % above 10 s") && text.contains("1,131"), "the figures of the text");
    assert_eq!(text.matches("<svg").count(), 6, "six minutes have no profile of a day or a week");
    result_with_note(&["inspect", "series.csv", "--html", page.to_str().unwrap()]);
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains("temperature") && !text.contains("<script"));
    for title in ["Columns over time", "Autocorrelation of the columns"] {
        assert!(text.contains(&format!("aria-label=\"{title}\"")), "{title}");
    }
    assert_eq!(text.matches("<svg").count(), 2, "one day has no profile");
    let rows = (0..600).map(|row| {
        let day = row / 24;
        let values = (0..10).map(|column| format!(",{}", (row * (column + 1)) % 24));
        format!(
            "2016-0{}-{:02} {:02}:00:00{}\n",
            7 + day / 28,
            1 + day % 28,
            row % 24,
            values.collect::<String>()
        )
    });
    let names = (0..10).map(|column| format!(",c{column}"));
    let wide = folder.path().join("wide.csv");
    std::fs::write(&wide, format!("date{}\n{}", names.collect::<String>(), rows.collect::<String>()))
        .unwrap();
    result_with_note(&["inspect", wide.to_str().unwrap(), "--html", page.to_str().unwrap()]);
    let text = std::fs::read_to_string(&page).unwrap();
    for title in ["Columns by hour of the day", "Columns by day of the week"] {
        assert!(text.contains(&format!("aria-label=\"{title}\"")), "{title}");
    }
    assert!(text.contains("The first 8 of 10 columns are drawn."));
    assert_eq!(text.matches("<svg").count(), 4);
}

fn result_with_note(arguments: &[&str]) -> String {
    let output = dataset(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_cleaned_copy_says_kind_by_kind_what_went_and_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (csv, jsonl) = (path("clean.csv"), path("clean.jsonl"));
    let told = result_with_note(&["clean", "burstgpt_6_columns.csv", "--out", &csv]);
    assert_snapshot!(told.replace(&csv, "clean.csv"), @"
    30 requests read from burstgpt_6_columns.csv
     2 dropped: neither request nor response tokens
     0 dropped: no response token
     0 dropped: no request token
     4 timestamps moved, since they equalled the previous one
    28 requests written to clean.csv
    ");
    let facts = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&result_with_note(&[arguments, &["--format", "json"]].concat())).unwrap()
    };
    let cleaned = facts(&["inspect", &csv]);
    assert_eq!(cleaned["rows"], 28);
    assert_eq!((&cleaned["zero_tokens"], &cleaned["repeated_timestamps"]), (&0.into(), &0.into()));
    assert_eq!(cleaned["llms"][0][0], "ChatGPT");
    // The copy is clean already, and cleaning it again changes nothing.
    let again = facts(&["clean", &csv, "--out", &path("again.csv")]);
    assert_eq!((&again["dropped"]["no_tokens"], &again["moved_timestamps"]), (&0.into(), &0.into()));
    assert_eq!(std::fs::read(&csv).unwrap(), std::fs::read(path("again.csv")).unwrap());
    let as_lines = facts(&["clean", "burstgpt_6_columns.csv", "--out", &jsonl]);
    assert_eq!(as_lines["written"], 28);
    assert_eq!(facts(&["inspect", &jsonl])["request_tokens"], cleaned["request_tokens"]);
    let kept = ["--keep-zero-tokens", "--spread-duplicate-timestamps", "none"];
    let kept = facts(&[&["clean", "azure_conv.csv", "--force", "--out", &csv][..], &kept].concat());
    assert_eq!((&kept["read"], &kept["written"]), (&40.into(), &40.into()));
    assert_eq!(
        facts(&["inspect", &csv]),
        facts(&["inspect", "azure_conv.csv"]),
        "to the tenth of a microsecond"
    );
}

#[test]
fn what_cannot_be_cleaned_is_a_usage_error_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.csv").display().to_string();
    let refused = |arguments: &[&str]| {
        let output = dataset(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert_snapshot!(refused(&["clean", "series.csv", "--out", &out]), @"error: series.csv is a numeric table, which has no tokens and no arrivals to clean");
    assert_snapshot!(refused(&["clean", "azure_conv.csv", "--out", "clean.xlsx"]), @"error: cannot tell the format of clean.xlsx from its name; let it end in .csv or .jsonl");
    assert_snapshot!(refused(&["clean", "azure_conv.csv", "--out", &out, "--spread-duplicate-timestamps", "soon"]), @r#"error: --spread-duplicate-timestamps soon: `soon` is not a length of time (expected number at 0); write a number and a unit, as in "30s", "5min", "1h 30m"; give "1ms" or "none""#);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn columns_are_named_on_the_command_line_as_in_an_experiment_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.csv").display().to_string();
    std::fs::write(&file, "at,prompt,answer\n0,10,2\n1500,20,3\n").unwrap();
    let columns = ["timestamp=at", "timestamp_unit=ms", "request_tokens=prompt", "response_tokens=answer"];
    let with = |columns: &[&str]| {
        let mut arguments = vec!["inspect", file.as_str(), "--format", "json"];
        arguments.extend(columns.iter().flat_map(|column| ["--column", column]));
        dataset(&arguments)
    };
    let facts: serde_json::Value = serde_json::from_slice(&with(&columns).stdout).unwrap();
    assert_eq!((&facts["rows"], &facts["span_s"]), (&2.into(), &1.5.into()));
    let facts_of_file = facts;
    std::fs::write(&file, "at\tprompt\tanswer\n0\t10\t2\n1500,0\t20\t3\n").unwrap();
    let written = ["separator=tab", "decimal_comma=true"];
    let facts: serde_json::Value =
        serde_json::from_slice(&with(&[&columns[..], &written].concat()).stdout).unwrap();
    assert_eq!(facts, facts_of_file);
    let message = |columns: &[&str]| {
        let output = with(columns);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert_snapshot!(message(&["timestamp=when", columns[1], columns[2], columns[3]]), @"error: --column timestamp: the file has no column `when`; it has: at, prompt, answer");
    assert_snapshot!(message(&columns[..3]), @"error: --column response_tokens=... is missing: timestamp, timestamp_unit, request_tokens and response_tokens come together");
    assert!(message(&["decimal_comma=maybe"]).starts_with("error: --column: invalid type: string \"maybe\""));
    assert!(message(&["separator=|"]).starts_with("error: --column: unknown variant `|`"));
    assert_snapshot!(message(&["timestamp"]), @"error: `--column timestamp` names no column; give ROLE=NAME");
}
