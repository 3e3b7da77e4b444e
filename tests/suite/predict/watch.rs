//! `predict --watch` on files that grow, and on pipes.

use super::*;

#[test]
fn a_growing_file_of_json_lines_is_followed_through_half_lines_and_rotations() {
    let lab = trained();
    let text = mooncake();
    let lines: Vec<&str> = text.lines().collect();
    let path = lab.file("growing.jsonl", &(lines[..500].join("\n") + "\n"));
    let mut watcher = Watcher::start(lab, &path, &[]);
    assert_eq!(watcher.line(), predicted(lab, &path));
    let (half, rest) = lines[500].split_at(25);
    append(&path, half);
    std::thread::sleep(Duration::from_millis(30));
    append(&path, &format!("{rest}\n"));
    assert_eq!(watcher.line(), predicted(lab, &path));
    // Another file stands in its place: its first line is the next row, where CSV has its header once more.
    std::fs::write(lab.folder.path().join("rotated"), format!("{}\n", lines[501])).unwrap();
    std::fs::rename(lab.folder.path().join("rotated"), &path).unwrap();
    let whole = lab.file("whole.jsonl", &(lines[..502].join("\n") + "\n"));
    assert_eq!(watcher.line(), predicted(lab, &whole));
    let (rest, messages, code) = watcher.end();
    assert_eq!((rest.as_str(), code), ("", 5));
    assert!(messages.contains("was cut short or replaced"), "{messages}");
}

#[test]
fn standard_input_gives_one_document_for_each_request_and_ends_well() {
    let lab = trained();
    let text = std::fs::read_to_string(azure_excerpt()).unwrap();
    // The last line lacks its line end, as some files do.
    let outcome = piped(lab, text.trim_end(), &["--experiment", "azure"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    // 2,000 requests are 1,999 steps; the first forecast is made after twelve of them.
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 1_999 - 11);
    for (index, line) in lines.iter().enumerate().step_by(331) {
        let rows: Vec<&str> = text.lines().take(1 + 13 + index).collect();
        let prefix = lab.file("prefix.csv", &rows.join("\n"));
        let arguments =
            ["predict", "--experiment", "azure", "--trace", prefix.to_str().unwrap(), "--format", "json"];
        assert_eq!(lab.call(&arguments).stdout.trim_end(), *line);
        let document: Value = serde_json::from_str(line).unwrap();
        assert!(document["steps"][0]["gap_s_intervals"]["95"][1].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn a_window_gives_its_forecast_when_it_is_complete_and_empty_windows_give_theirs() {
    let lab = trained();
    let mut text = String::from("Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n");
    // Requests in hours 0 to 5, then none until hour 9.
    for timestamp in [0, 100, 3_600, 7_300, 10_900, 14_500, 18_100, 33_000] {
        text.extend([timestamp.to_string().as_str(), ",ChatGPT,10,20,30,API log\n"]);
    }
    let outcome = piped(lab, &text, &["--experiment", "load"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let starts: Vec<f64> = outcome
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["steps"][0]["start_s"].as_f64().unwrap())
        .collect();
    assert_eq!(starts, [6.0, 7.0, 8.0, 9.0].map(|hour| hour * 3_600.0));
}

/// `predict --watch` on a file.
struct Watcher {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watcher {
    fn start(lab: &Lab, path: &Path, more: &[&str]) -> Self {
        let mut arguments =
            vec!["predict", "--experiment", "azure", "--watch", "--trace", path.to_str().unwrap()];
        arguments.extend(more);
        let mut child =
            lab.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_string()
    }

    /// Ends it and returns what it had not yet shown: lines, messages and its exit code.
    fn end(mut self) -> (String, String, i32) {
        kill(self.child.id(), "TERM");
        let (mut rest, mut messages) = (String::new(), String::new());
        self.lines.read_to_string(&mut rest).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut messages).unwrap();
        (rest, messages, self.child.wait().unwrap().code().unwrap())
    }
}

fn append(path: &Path, text: &str) {
    File::options().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_growing_file_is_followed_through_half_lines_cuts_and_rotations() {
    let lab = trained();
    let text = std::fs::read_to_string(azure_excerpt()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let path = lab.file("growing.csv", &(lines[..1_000].join("\n") + "\n"));
    let mut watcher = Watcher::start(lab, &path, &[]);
    // The rows that are there are the history: what follows them comes at once.
    assert_eq!(watcher.line(), predicted(lab, &path));
    let (half, rest) = lines[1_000].split_at(20);
    append(&path, half);
    std::thread::sleep(Duration::from_millis(50));
    append(&path, &format!("{rest}\n"));
    assert_eq!(watcher.line(), predicted(lab, &path));
    // Cut short, with the header again: the history goes on.
    std::fs::write(&path, format!("{}\n{}\n", lines[0], lines[1_001])).unwrap();
    let whole = lab.file("so-far.csv", &lines[..1_002].join("\n"));
    assert_eq!(watcher.line(), predicted(lab, &whole));
    // Another file in its place, without a header.
    let next = lab.file("next.csv", &format!("{}\n", lines[1_002]));
    std::fs::rename(next, &path).unwrap();
    let whole = lab.file("so-far.csv", &lines[..1_003].join("\n"));
    assert_eq!(watcher.line(), predicted(lab, &whole));
    let (rest, messages, code) = watcher.end();
    assert_eq!((rest.as_str(), code), ("", 5));
    assert_eq!(messages.matches("cut short or replaced").count(), 2, "{messages}");
}

#[test]
fn from_the_start_every_row_of_a_file_is_forecast_from() {
    let lab = trained();
    let mut watcher = Watcher::start(lab, &azure_excerpt(), &["--from-start"]);
    let lines: Vec<String> = (0..1_999 - 11).map(|_| watcher.line()).collect();
    assert_eq!(lines.last().unwrap(), &predicted(lab, &azure_excerpt()));
    assert_eq!(watcher.end(), (String::new(), String::new(), 5));
}

#[test]
fn a_file_shorter_than_the_lookback_says_what_it_waits_for() {
    let lab = trained();
    let text = std::fs::read_to_string(azure_excerpt()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let path = lab.file("short-growing.csv", &(lines[..9].join("\n") + "\n"));
    let mut watcher = Watcher::start(lab, &path, &[]);
    std::thread::sleep(Duration::from_millis(200));
    append(&path, &(lines[9..14].join("\n") + "\n"));
    assert_eq!(watcher.line(), predicted(lab, &path));
    let (_, messages, _) = watcher.end();
    assert!(messages.contains("the first forecast follows after 5 more steps"), "{messages}");
    let outcome = piped(lab, &lines[..9].join("\n"), &["--experiment", "azure"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, ""));
    assert!(
        outcome.stderr.contains("the trace ended 5 steps before the first forecast"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_malformed_row_ends_the_watch_with_its_line_or_is_passed_over_when_asked() {
    let lab = trained();
    let text = std::fs::read_to_string(azure_excerpt()).unwrap();
    let mut lines: Vec<&str> = text.lines().take(40).collect();
    let sound = piped(lab, &lines.join("\n"), &["--experiment", "azure"]);
    lines.insert(30, "2023-11-16 18:15:46.6805900,12");
    lines.insert(35, "2023-11-16 10:00:00,1,1");
    let bad = lines.join("\n");
    let stopped = piped(lab, &bad, &["--experiment", "azure"]);
    assert_eq!(stopped.code, 1);
    assert!(
        stopped
            .stderr
            .contains("standard input:31: column \"GeneratedTokens\": 2 fields, but the header has 3"),
        "{}",
        stopped.stderr
    );
    // What came before the fault is there, whole.
    assert_eq!(stopped.stdout.lines().count(), 30 - 2 - 11);
    assert!(sound.stdout.starts_with(&stopped.stdout));
    let skipped = piped(lab, &bad, &["--experiment", "azure", "--skip-bad-rows"]);
    assert_eq!((skipped.code, skipped.stdout), (0, sound.stdout));
    assert!(
        skipped.stderr.contains("skipped: standard input:31: column \"GeneratedTokens\": 2 fields"),
        "{}",
        skipped.stderr
    );
    assert!(
        skipped.stderr.contains("skipped: standard input:36: column \"TIMESTAMP\": the timestamp goes back"),
        "{}",
        skipped.stderr
    );
    assert_eq!(skipped.stderr.lines().count(), 2);
}

#[test]
fn rows_of_another_kind_and_no_rows_at_all_are_refused() {
    let lab = trained();
    let table = std::fs::read_to_string(table(lab)).unwrap();
    for (text, experiment, message) in [
        (table.as_str(), "azure", "this is a numeric table; its task is series"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n", "rows", "this is a trace of requests"),
        (
            "date,load\n",
            "rows",
            "the model was trained on the channels load, neg, load, but the trace has load",
        ),
        ("p,q\n1,2\n", "azure", "standard input:1: the header `p,q` is not one that is known"),
        (
            "\n{\"timestamp\": 1, \"input_length\": 2}\n",
            "azure",
            "standard input:2: the header looks like that of Mooncake, but lacks `output_length`",
        ),
        (
            "{\"timestamp\": 1, \"input_length\": 2, \"output_length\": 3}\n",
            "rows",
            "this is a trace of requests",
        ),
        ("", "azure", "standard input: the trace is empty"),
    ] {
        // A header that is wrong is no row to be passed over.
        let outcome = piped(lab, text, &["--experiment", experiment, "--skip-bad-rows"]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""), "{text}");
        assert!(outcome.stderr.contains(message), "{}", outcome.stderr);
    }
}

#[test]
fn a_reader_that_has_enough_ends_the_watch_quietly() {
    let lab = trained();
    let text = std::fs::read_to_string(azure_excerpt()).unwrap();
    let mut child = lab
        .command(&["predict", "--trace", "-", "--watch", "--experiment", "azure"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let rows: Vec<&str> = text.lines().collect();
    input.write_all((rows[..14].join("\n") + "\n").as_bytes()).unwrap();
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.ends_with("}\n"));
    drop(lines);
    // The pipe is closed: it ends at the next forecast, or one later where another test was just starting a program, which
    // holds a copy of every pipe for a moment.
    for row in &rows[14..] {
        if child.try_wait().unwrap().is_some() || input.write_all(format!("{row}\n").as_bytes()).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(input);
    let mut messages = String::new();
    child.stderr.take().unwrap().read_to_string(&mut messages).unwrap();
    assert_eq!((child.wait().unwrap().code(), messages.as_str()), (Some(0), ""));
}

#[test]
fn what_watch_cannot_do_is_a_usage_error() {
    let lab = trained();
    let trace = azure_excerpt();
    for (arguments, message) in [
        (
            vec!["--trace", trace.to_str().unwrap(), "--watch", "--format", "csv"],
            "one JSON document per line",
        ),
        (vec!["--trace", trace.to_str().unwrap(), "--from-start"], "--watch"),
        (vec!["--trace", "nowhere.csv", "--watch"], "`nowhere.csv` is neither a file"),
    ] {
        let outcome = lab.call(&[&["predict", "--experiment", "azure"], arguments.as_slice()].concat());
        assert_eq!(outcome.code, 2, "{arguments:?} {}", outcome.stderr);
        assert!(outcome.stderr.contains(message), "{}", outcome.stderr);
    }
}
