//! What commands write: results that cannot be printed are an error, and files that are read are never written over.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::common::{Lab, Outcome, azure_excerpt, kill};

const SWEEP: &str = r#"
max_rows = 600
[task.next_request]
lookback = 5
[[models]]
[models.persistence]
[[models]]
[models.moving_average]
window = { grid = [2, 3] }
[[claims]]
name = "the mean"
reported = 1.0
tolerance = 100.0
[claims.model]
kind = "persistence"
"#;

/// A sweep that is done, and a copy of its store.
fn lab() -> &'static Lab {
    static LAB: LazyLock<Lab> = LazyLock::new(|| {
        let lab = Lab::new();
        lab.run(&lab.azure("sweep", &SWEEP[..SWEEP.find("[[claims]]").unwrap()]), &[]);
        let copied =
            Command::new("cp").arg("-r").arg(lab.results()).arg(lab.folder.path().join("other")).status();
        assert!(copied.unwrap().success());
        lab
    });
    &LAB
}

/// Every command that prints a result, in every format.
fn printing(lab: &Lab) -> Vec<Vec<String>> {
    let run = lab.scalar("select run_id from runs where model = 'persistence'");
    let run = run.as_str().unwrap();
    let file = lab.folder.path().join("sweep.toml").display().to_string();
    let trace = azure_excerpt().display().to_string();
    let other = lab.folder.path().join("other").display().to_string();
    let commands = [
        "--help".to_string(),
        "--version".to_string(),
        "help query".to_string(),
        "schema".to_string(),
        "runs|table,json,csv".to_string(),
        format!("show {run}|human,json"),
        "watch sweep --once".to_string(),
        format!("explain {run}|human,json"),
        "compare sweep|human,json".to_string(),
        "claims|json".to_string(),
        "export".to_string(),
        "report sweep".to_string(),
        format!("merge {other}|human,json"),
        "gc --experiment sweep --dry-run|human,json".to_string(),
        format!("run {file}|human,json"),
        format!("run {file} --dry-run|human,json"),
        format!("run {file} --dry-run --engine slurm --force|human,json"),
        format!("predict --run {run} --trace {trace}|human,json,csv"),
        format!("predict --run {run} --trace - --watch|json"),
        "dataset list".to_string(),
        format!("dataset inspect {trace}|human,json"),
    ];
    let mut all: Vec<Vec<String>> = Vec::new();
    for command in commands {
        let (words, formats) = command.split_once('|').unwrap_or((&command, ""));
        let words: Vec<String> = words.split(' ').map(str::to_string).collect();
        for format in formats.split(',') {
            let format = if format.is_empty() { Vec::new() } else { vec!["--format".into(), format.into()] };
            all.push([words.clone(), format].concat());
        }
    }
    for format in ["table", "json", "csv"] {
        all.push(["query", "select * from metrics", "--format", format].map(str::to_string).to_vec());
    }
    for (index, format) in ["human", "json"].into_iter().enumerate() {
        let out = lab.folder.path().join(format!("clean-{index}.csv")).display().to_string();
        all.push(
            ["dataset", "clean", &trace, "--out", &out, "--force", "--format", format]
                .map(str::to_string)
                .to_vec(),
        );
    }
    all
}

fn call_into(lab: &Lab, arguments: &[String], stdout: Stdio) -> Outcome {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let trace = File::open(azure_excerpt()).unwrap();
    lab.command(&arguments).stdin(trace).stdout(stdout).stderr(Stdio::piped()).output().unwrap().into()
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_printed_is_an_error_of_every_command() {
    let lab = lab();
    for arguments in printing(lab) {
        let printed = call_into(lab, &arguments, Stdio::piped());
        assert!(printed.code == 0 && !printed.stdout.is_empty(), "{arguments:?}: {}", printed.stderr);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let lost = call_into(lab, &arguments, full.into());
        assert_eq!(lost.code, 1, "{arguments:?}: {}", lost.stderr);
        let told =
            "error: cannot write to standard output, so the results there are not complete: No space left";
        assert_eq!(lost.stderr.matches(told).count(), 1, "{arguments:?}: {}", lost.stderr);
        assert!(!lost.stderr.contains("help:"), "what helps a full store is no help here: {}", lost.stderr);
    }
}

#[test]
fn a_reader_that_has_closed_the_pipe_ends_a_command_silently() {
    let lab = lab();
    for arguments in printing(lab) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let outcome = call_into(lab, &arguments, writer.into());
        assert_eq!(outcome.code, 0, "{arguments:?}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("error"), "{arguments:?}: {}", outcome.stderr);
    }
}

#[test]
fn watching_ends_when_nobody_reads_any_more() {
    let lab = Lab::new();
    let text = "[task.next_request]\nlookback = 20\n[training]\nepochs = 100_000\n[[models]]\n[models.lstm]\nhidden = 16\n";
    let sweep = lab.start(&lab.azure("long", text), &[]);
    lab.wait_for("select count(*) from epochs", |epochs| epochs.as_i64() > Some(0));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let started = Instant::now();
    let watched = lab.command(&["watch", "long", "--interval", "50ms"]).stdout(writer).status().unwrap();
    assert_eq!(watched.code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(20));
    kill(sweep.id(), "TERM");
    assert_eq!(sweep.wait_with_output().unwrap().status.code(), Some(5));
}

#[test]
fn rows_that_are_empty_are_printed_too() {
    let outcome = lab().call(&["query", "select null as x union all select null", "--format", "csv"]);
    assert_eq!(outcome.stdout, "x\n\"\"\n\"\"\n");
}

#[test]
fn a_file_that_is_read_is_never_written_over() {
    let lab = lab();
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.csv");
    std::fs::copy(azure_excerpt(), &trace).unwrap();
    let link = folder.path().join("link.csv");
    symlink(&trace, &link).unwrap();
    let store = lab.results().join("burstlab.db");
    let before = (std::fs::read(&trace).unwrap(), std::fs::read(&store).unwrap());
    let text = |path: &Path| path.display().to_string();
    let (read, run) = (text(&trace), lab.scalar("select run_id from runs where model = 'persistence'"));
    let run = run.as_str().unwrap();
    let model = text(&lab.results().join("runs").join(run).join("model.safetensors"));
    for out in [
        &read,
        &text(&link),
        &text(&folder.path().join("../").join(folder.path().file_name().unwrap()).join("trace.csv")),
    ] {
        for arguments in [
            vec!["dataset", "clean", &read, "--out", out],
            vec!["dataset", "inspect", &read, "--html", out],
            vec!["predict", "--run", run, "--trace", &read, "--generate", "5", "--out", out],
        ] {
            for force in [&[][..], &["--force"]] {
                let outcome = lab.call(&[&arguments, force].concat());
                assert_eq!(outcome.code, 2, "{arguments:?}: {}", outcome.stderr);
                assert!(outcome.stderr.contains("is read by this command"), "{}", outcome.stderr);
            }
        }
    }
    for arguments in [
        vec!["predict", "--run", run, "--trace", &read, "--generate", "5", "--force", "--out", &model],
        vec![
            "predict",
            "--run",
            run,
            "--trace",
            &read,
            "--generate",
            "5",
            "--force",
            "--out",
            store.to_str().unwrap(),
        ],
        vec!["claims", "--force", "--junit", store.to_str().unwrap()],
        vec!["claims", "--force", "--junit", &model],
    ] {
        let outcome = lab.call(&arguments);
        assert_eq!(outcome.code, 2, "{arguments:?}: {}", outcome.stderr);
    }
    assert_eq!((std::fs::read(&trace).unwrap(), std::fs::read(&store).unwrap()), before);
}

#[test]
fn another_file_is_replaced_only_with_force_or_by_its_successor() {
    let lab = lab();
    let folder = tempfile::tempdir().unwrap();
    let trace = azure_excerpt().display().to_string();
    let run = lab.scalar("select run_id from runs where model = 'persistence'");
    let run = run.as_str().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    for (is_asked_again, out, arguments) in [
        (true, path("clean.csv"), vec!["dataset", "clean", &trace, "--out"]),
        (true, path("synth.csv"), vec!["dataset", "synth", "--rows", "50", "--out"]),
        (
            true,
            path("more.csv"),
            vec!["predict", "--run", run, "--trace", &trace, "--generate", "5", "--out"],
        ),
        (false, path("page.html"), vec!["dataset", "inspect", &trace, "--html"]),
        (false, path("verdicts.xml"), vec!["claims", "--junit"]),
        (false, path("runs.csv"), vec!["export", "--output"]),
        (false, path("runs.parquet"), vec!["export", "--output"]),
    ] {
        let call = |more: &[&str]| lab.call(&[&arguments, &[out.as_str()][..], more].concat());
        let refused = |outcome: Outcome| {
            assert_eq!(outcome.code, 2, "{arguments:?}: {}", outcome.stderr);
            assert!(
                outcome.stderr.contains("is there already") && outcome.stderr.contains("--force"),
                "{}",
                outcome.stderr
            );
        };
        std::fs::write(&out, "somebody's letter").unwrap();
        refused(call(&[]));
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "somebody's letter");
        assert_eq!(call(&["--force"]).code, 0, "{arguments:?}");
        let written = std::fs::read(&out).unwrap();
        assert!(written.len() > 20, "{arguments:?}");
        let again = call(&[]);
        if is_asked_again {
            refused(again);
        } else {
            assert_eq!(again.code, 0, "{arguments:?}: {}", again.stderr);
        }
        assert_eq!(std::fs::read(&out).unwrap(), written, "{arguments:?}");
    }
    let missing = lab.call(&["dataset", "synth", "--rows", "50", "--out", &path("no/such/x.csv")]);
    assert!(missing.code == 2 && missing.stderr.contains("make it first"), "{}", missing.stderr);
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 7, "{left:?}");
}
