//! Where data may come from: pipes, folders, files beside the experiment, arrays of JSON, dates in quotes, numbers that
//! overflow.

use std::fmt::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::common::{Lab, Outcome, azure_excerpt};

const TASK: &str = "[task.next_request]\nlookback = 8\n[[models]]\n[models.mean]\n";

fn experiment(name: &str, source: &str) -> String {
    format!("name = \"{name}\"\n[dataset]\nsource = \"{source}\"\n{TASK}")
}

/// A lab with a folder `tables`, in which lie an experiment and its data; the current folder is the lab's.
fn beside() -> Lab {
    let lab = Lab::new();
    std::fs::create_dir(lab.folder.path().join("tables")).unwrap();
    std::fs::copy(azure_excerpt(), lab.folder.path().join("tables/own.csv")).unwrap();
    lab.file("tables/e.toml", &experiment("e", "own.csv"));
    lab
}

/// Calls a command line of bash, in which `burstlab` is the program.
fn bash(lab: &Lab, line: &str) -> Outcome {
    let program = env!("CARGO_BIN_EXE_burstlab");
    let mut command = std::process::Command::new("bash");
    let script = format!("burstlab() {{ {program} \"$@\"; }}; {line}");
    command.arg("-c").arg(script).current_dir(lab.folder.path()).stdin(Stdio::null());
    command.env("BURSTLAB_RESULTS", lab.results()).env("BURSTLAB_DATASET", lab.folder.path().join("dataset"));
    command.env("BURSTLAB_CACHE", lab.folder.path().join("cache"));
    command.output().unwrap().into()
}

#[test]
fn a_relative_source_is_looked_for_beside_its_experiment_first() {
    let lab = beside();
    let run = |more: &[&str]| lab.run(&lab.folder.path().join("tables/e.toml"), more);
    run(&["--slots", "1"]);
    let ids = || lab.query("select run_id, dataset_sha256 from runs order by run_id");
    let first = ids();
    // The same data under any other name are the same run.
    std::fs::copy(azure_excerpt(), lab.folder.path().join("elsewhere.csv")).unwrap();
    let outcome = run(&["--set", "dataset.source=elsewhere.csv"]);
    assert!(outcome.stderr.contains("nothing to run") && ids() == first, "{}", outcome.stderr);
    // A file of the current folder does not hide the one beside the experiment.
    let other = std::fs::read_to_string(azure_excerpt()).unwrap();
    lab.file("own.csv", &other.lines().take(400).fold(String::new(), |text, line| text + line + "\n"));
    let outcome = run(&[]);
    assert!(outcome.stderr.contains("nothing to run"), "{}", outcome.stderr);
    // But what is typed is meant from where it is typed.
    run(&["--set", "dataset.source=own.csv"]);
    let hashes = lab.scalar("select count(distinct dataset_sha256) from run_records");
    assert_eq!(hashes, 2);
    // Without the file beside the experiment the current folder is next, and then the dataset folder.
    std::fs::remove_file(lab.folder.path().join("tables/own.csv")).unwrap();
    assert!(run(&[]).stderr.contains("nothing to run"));
    std::fs::create_dir(lab.folder.path().join("dataset")).unwrap();
    std::fs::rename(lab.folder.path().join("own.csv"), lab.folder.path().join("dataset/own.csv")).unwrap();
    assert!(run(&[]).stderr.contains("nothing to run"));
    std::fs::remove_file(lab.folder.path().join("dataset/own.csv")).unwrap();
    let refused = lab.call(&["run", "tables/e.toml"]);
    assert_eq!(refused.code, 2);
    let said = refused.stderr;
    assert!(
        said.contains("looked for tables/own.csv, own.csv, ") && said.contains("dataset/own.csv"),
        "{said}"
    );
    assert!(said.contains("tables/e.toml:3:10"), "{said}");
}

#[test]
fn a_source_that_a_base_says_lies_beside_the_base() {
    let lab = beside();
    let file = lab.file("derived.toml", "base = \"tables/e.toml\"\nname = \"derived\"\n");
    lab.run(&file, &[]);
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 1);
}

#[test]
fn commands_that_read_once_read_pipes() {
    let lab = beside();
    let whole = lab.call(&["dataset", "inspect", "tables/own.csv", "--format", "json"]).stdout;
    for line in [
        "burstlab dataset inspect - --format json < tables/own.csv",
        "cat tables/own.csv | burstlab dataset inspect - --format json",
        "gzip -c tables/own.csv | burstlab dataset inspect /dev/stdin --format json",
        "burstlab dataset inspect <(cat tables/own.csv) --format json",
        "mkfifo pipe; cat tables/own.csv > pipe & burstlab dataset inspect pipe --format json",
    ] {
        let outcome = bash(&lab, line);
        assert_eq!((outcome.code, &outcome.stdout), (0, &whole), "{line}: {}", outcome.stderr);
    }
    let cut = bash(&lab, "(cat tables/own.csv; echo x) | burstlab dataset inspect -");
    assert!(cut.code == 1 && cut.stderr.contains("standard input:"), "{}", cut.stderr);
    lab.run(&lab.folder.path().join("tables/e.toml"), &[]);
    let predict =
        |trace: &str| bash(&lab, &format!("burstlab predict --experiment e --format json --trace {trace}"));
    let whole = predict("tables/own.csv").stdout;
    assert!(!whole.is_empty());
    for trace in ["- < tables/own.csv", "<(cat tables/own.csv)"] {
        let outcome = predict(trace);
        assert_eq!((outcome.code, &outcome.stdout), (0, &whole), "{trace}: {}", outcome.stderr);
    }
    let watched = predict("<(cat tables/own.csv) --watch");
    assert!(watched.code == 0 && watched.stdout.lines().count() > 10, "{}", watched.stderr);
}

#[test]
fn a_run_refuses_what_can_be_read_only_once() {
    let lab = beside();
    for source in ["-", "/dev/stdin", "<(cat tables/own.csv)"] {
        let line = format!(
            "f() {{ burstlab run tables/e.toml --set dataset.source=$1; }}; f {source} < tables/own.csv"
        );
        let outcome = bash(&lab, &line);
        assert_eq!(outcome.code, 2, "{line}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("can be read only once"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("write the rows to a file first"), "{}", outcome.stderr);
    }
}

#[test]
fn a_folder_or_a_device_is_answered_with_what_to_name() {
    let lab = beside();
    let refused = |arguments: &[&str]| {
        let outcome = lab.call(arguments);
        assert_eq!(outcome.code, 2, "{arguments:?} {}", outcome.stderr);
        outcome.stderr
    };
    let said = refused(&["dataset", "inspect", "tables"]);
    assert!(said.contains("is a folder") && said.contains("such as tables/own.csv"), "{said}");
    assert!(refused(&["run", "tables/e.toml", "--set", "dataset.source=tables"]).contains("is a folder"));
    assert!(refused(&["predict", "--experiment", "e", "--trace", "tables"]).contains("is a folder"));
    assert!(refused(&["dataset", "inspect", "/dev/null"]).contains("is a device"));
    assert!(
        refused(&["dataset", "inspect", "~/x.csv"]).contains("stands for the home folder in a shell only")
    );
    assert!(refused(&["dataset", "inspect", "tables/onw.csv"]).contains("did you mean `tables/own.csv`?"));
    let file = burstlab::dataset::catalog().unwrap()[0].file.clone();
    let path = lab.folder.path().join("shared").join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "x").unwrap();
    let said = refused(&["dataset", "inspect", "shared"]);
    assert!(said.contains("set BURSTLAB_DATASET=shared and name one, such as"), "{said}");
}

/// Requests as Mooncake writes them, one in 250 ms, with the time as `time` writes it.
fn mooncake(rows: u64, time: impl Fn(u64) -> String) -> Vec<String> {
    let row = |row| {
        format!(
            "{{\"timestamp\": {}, \"input_length\": {}, \"output_length\": 5}}",
            time(row * 250),
            20 + row
        )
    };
    (0..rows).map(row).collect()
}

fn inspected(lab: &Lab, name: &str, text: &str) -> (Value, String) {
    lab.file(name, text);
    let outcome = lab.call(&["dataset", "inspect", name, "--format", "json"]);
    assert_eq!(outcome.code, 0, "{text}\n{}", outcome.stderr);
    (serde_json::from_str(&outcome.stdout).unwrap(), outcome.stderr)
}

#[test]
fn json_arrays_and_times_in_quotes_are_the_rows_that_they_hold() {
    let lab = Lab::new();
    let rows = mooncake(40, |ms| ms.to_string());
    let (expected, _) = inspected(&lab, "lines.jsonl", &rows.join("\n"));
    let pretty = rows.join(",\n").replace(", \"", ",\n  \"");
    for array in
        [format!("[{}]", rows.join(",")), format!("\n[\n{}\n]\n", rows.join(",\n")), format!("[ {pretty} ]")]
    {
        assert_eq!(inspected(&lab, "array.json", &array).0, expected);
    }
    let quoted = mooncake(40, |ms| format!("\"{ms}\"")).join("\n");
    assert_eq!(inspected(&lab, "quoted.jsonl", &quoted).0, expected);
    let dates =
        mooncake(40, |ms| format!("\"2024-05-12T10:00:{:02}.{:03}Z\"", ms / 1_000, ms % 1_000)).join("\n");
    let (dated, _) = inspected(&lab, "dates.jsonl", &dates);
    assert_eq!((&dated["span_s"], &dated["gap_s"]), (&expected["span_s"], &expected["gap_s"]));
    let refused = |text: &str| {
        lab.file("bad.json", text);
        let outcome = lab.call(&["dataset", "inspect", "bad.json"]);
        assert_eq!(outcome.code, 1, "{text}");
        outcome.stderr
    };
    let cut = format!("[\n{}", rows.join(",\n"));
    assert!(refused(&cut).contains("bad.json:41: the array is not closed"), "{}", refused(&cut));
    for (wrong, line) in [("[\n{\"timestamp\": 1},\n3]", 2), ("[{}\n,\n\n]", 1), ("[]", 1)] {
        assert!(refused(wrong).contains(&format!("bad.json:{line}")), "{wrong}: {}", refused(wrong));
    }
    let mut behind = rows.clone();
    behind[20] = "7".to_string();
    assert!(
        refused(&format!("[{}]", behind.join(",\n")))
            .contains("bad.json:21: this line is not one JSON object")
    );
    let columns = [
        "--column",
        "timestamp=timestamp",
        "--column",
        "timestamp_unit=s",
        "--column",
        "request_tokens=input_length",
        "--column",
        "response_tokens=output_length",
    ];
    let said = lab.call(&[&["dataset", "inspect", "dates.jsonl"], &columns[..]].concat()).stderr;
    assert!(said.contains("add --column timestamp_unit=datetime"), "{said}");
}

#[test]
fn an_array_that_grows_cannot_be_followed_and_says_how_it_could() {
    let lab = beside();
    lab.run(&lab.folder.path().join("tables/e.toml"), &[]);
    lab.file("array.json", &format!("[\n{}\n]", mooncake(40, |ms| ms.to_string()).join(",\n")));
    let outcome = bash(&lab, "burstlab predict --experiment e --watch --trace - < array.json");
    assert!(outcome.code == 1 && outcome.stderr.contains("jq -c '.[]'"), "{}", outcome.stderr);
    let outcome = lab.call(&["predict", "--experiment", "e", "--trace", "array.json"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

#[test]
fn a_pace_that_no_service_has_points_at_the_unit_of_time() {
    let lab = Lab::new();
    let in_seconds = mooncake(400, |ms| format!("{}", ms as f64 / 1_000.0)).join("\n");
    let (_, said) = inspected(&lab, "seconds.jsonl", &in_seconds);
    assert!(said.contains("requests a second on average") && said.contains("timestamp_unit=s"), "{said}");
    let (_, said) = inspected(&lab, "milliseconds.jsonl", &mooncake(400, |ms| ms.to_string()).join("\n"));
    assert_eq!(said, "");
}

#[test]
fn a_number_whose_square_overflows_is_named_by_row_and_column() {
    let lab = Lab::new();
    let table = |value: &str| {
        let mut text = "date,load,other\n".to_string();
        for day in 1..=30 {
            writeln!(text, "2024-01-{day:02},{},{day}", if day == 17 { value } else { "1.5" }).unwrap();
        }
        text
    };
    let run = |value: &str| {
        lab.file("t.csv", &table(value));
        let text = "name = \"t\"\n[dataset]\nsource = \"t.csv\"\n[task.series]\nlookback = 2\n[[models]]\n[models.mean]\n";
        lab.file("t.toml", text);
        lab.call(&["run", "t.toml"])
    };
    for value in ["1e300", "-1e300", "1e155"] {
        let outcome = run(value);
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        let said = outcome.stderr;
        assert!(said.contains(&format!("t.csv:18: column \"load\": `{value}` is too large")), "{said}");
        assert!(!said.contains("forecast"), "{said}");
    }
    let outcome = run("1e30");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}
