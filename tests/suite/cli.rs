//! The commands that ask the store, and what the program says of itself.

use insta::assert_snapshot;
use serde_json::Value;

use crate::common::Lab;

const TINY: &str = "max_rows = 600\n[task.next_request]\nlookback = 8\n[training]\nepochs = 1\n[[models]]\n\
                    [models.persistence]\n[[models]]\n[models.linear]\nper_channel = { grid = [false, true] }\n";

fn tiny() -> Lab {
    let lab = Lab::new();
    lab.run(&lab.azure("tiny", TINY), &[]);
    lab
}

#[test]
fn the_committed_schema_is_the_one_that_the_program_prints() {
    let outcome = Lab::new().call(&["schema"]);
    let committed = include_str!("../../experiments/experiment.schema.json");
    assert!(outcome.stdout == committed, "run: burstlab schema > experiments/experiment.schema.json");
}

#[test]
fn every_key_of_the_schema_is_described() {
    let schema: Value =
        serde_json::from_str(include_str!("../../experiments/experiment.schema.json")).unwrap();
    let mut undescribed = Vec::new();
    for (name, definition) in schema["definitions"].as_object().unwrap() {
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            let described = property.get("description").is_some() || property.get("$ref").is_some();
            if !described && name != "Axis" {
                undescribed.push(format!("{name}.{key}"));
            }
        }
    }
    assert!(undescribed.is_empty(), "{undescribed:?}");
}

#[test]
fn help_of_a_command_says_what_its_one_line_leaves_out() {
    for (command, said) in [
        ("merge", "those here are kept, and the exit code is 6"),
        ("gc", "What the store recorded about runs always stays"),
    ] {
        let outcome = Lab::new().call(&[command, "--help"]);
        assert!(outcome.stdout.contains(said), "{}", outcome.stdout);
    }
}

#[test]
fn help_names_every_command() {
    let outcome = Lab::new().call(&["--help"]);
    assert_eq!(outcome.code, 0);
    assert_snapshot!(outcome.stdout, @r#"
    Batch experiments that forecast LLM-serving workload.

    Exit codes: 0 success, 2 wrong usage or invalid experiment, 3 a run failed, 4 a claim was refuted, 5 stopped by Ctrl-C, SIGTERM or SIGHUP, or a budget used up, 6 merged stores contradict each other, 1 any other error, also an output that could not be written.

    Results are written to results/ (change it with BURSTLAB_RESULTS).

    Traces are read from dataset/ (change it with BURSTLAB_DATASET).

    Prepared data of large traces are cached in ~/.cache/burstlab/prepared (change it with BURSTLAB_CACHE, or set that to off).

    Usage: burstlab <COMMAND>

    Commands:
      run          Run experiments: plan, skip finished runs, run the rest, write the report
      experiments  List experiments with their revisions
      runs         List runs
      show         Show everything about one run, or about one revision with its file
      watch        Show the progress of a sweep until it ends
      ui           Serve the dashboard: all experiments, runs and traces in a browser
      explain      Explain why a run ran, was skipped, retried or pruned, failed, or is waiting
      compare      Print the leaderboard of an experiment, compare revisions, models and runs, or show an experiment over time
      diff         Show how two revisions differ: their files and their results
      trials       List the trials of an experiment, and which hyperparameters matter
      best         Show the best trial: its metrics, its parameters to paste, its saved model
      capacity     Show what acting on the forecasts costs: replica hours and late work, also under a changed service
      rerun        Execute a run again and check that every number is the same to the bit
      claims       Compare reported results with reproduced ones
      query        Query the store with read-only SQL
      export       Export runs with their parameters and metrics as one CSV or Parquet table
      report       Write the report of an experiment again
      tag          Put tags on runs or revisions, or take them away
      note         Write a note to a run or a revision
      archive      Leave revisions out of lists
      merge        Merge stores from other machines into this one
      gc           Remove files of finished runs by revision, age or rank, and compact the store
      predict      Forecast the next steps of a trace with a saved model
      serve        Serve the forecast of a growing trace over HTTP: JSON for autoscalers, and metrics for Prometheus
      dataset      List, fetch, inspect, clean and synthesise traces
      init         Write a first experiment file for a trace
      schema       Print the JSON Schema of the experiment file
      completions  Print the script that completes commands and flags in a shell
      man          Print the manual page, or write all pages into a folder
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version
    "#);
}

#[test]
fn help_of_capacity_says_what_can_be_changed() {
    let help = Lab::new().call(&["capacity", "--help"]).stdout;
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    assert_snapshot!(lines.join("\n"), @r#"
    Show what acting on the forecasts costs: replica hours and late work, also under a changed service

    Usage: burstlab capacity [OPTIONS] <EXPERIMENT>

    Arguments:
      <EXPERIMENT>
              The experiment: NAME, or NAME@2 for its second revision

    Options:
          --set <KEY=VALUE>
              Change a setting of the service: cold_start=3min, max_delay=30s, late_work_at_most=0.02, plan_for=[0.9]. Several may be given with commas between them or one by one. Nothing is trained and nothing recorded

          --format <FORMAT>
              Output format

              Possible values:
              - table: Text for people
              - json:  A JSON list of objects
              - csv:   Comma-separated values

              [default: table]

      -h, --help
              Print help (see a summary with '-h')
    "#);
}

#[test]
fn help_of_run_names_every_flag() {
    let help = Lab::new().call(&["run", "--help"]).stdout;
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    assert_snapshot!(lines.join("\n"), @r#"
    Run experiments: plan, skip finished runs, run the rest, write the report

    Usage: burstlab run [OPTIONS] <PATH>...

    Arguments:
      <PATH>...
              Experiment files, or folders of them

    Options:
          --dry-run
              Print the plan without running anything

          --slots <N>
              Number of concurrent runs; by default as many as the cores or GPUs allow

          --device <DEVICE>
              Device instead of the experiment's: auto, cpu, cuda, cuda:0 or wgpu

          --set <PATH=VALUE>
              Override a key of the experiment file, e.g. training.epochs=3 or models.lstm.hidden=64

          --fail-fast
              Stop at the first run that fails

          --force
              Run everything again, including finished runs

          --partition <I/N>
              Run one of N fixed parts of the plan, e.g. 2/4, or auto in a task of an array job; 2/4:1/3 is the first third of that part; `burstlab merge` combines the stores of the parts

          --engine <ENGINE>
              Where the plan runs: on this machine, or on a cluster

              Possible values:
              - local:      Worker processes on this machine
              - slurm:      A job array on a Slurm cluster
              - kubernetes: An Indexed Job on a Kubernetes cluster

              [default: local]

          --apply
              Hand the manifests of --engine kubernetes to kubectl, wait for the parts, then hand over the last job

          --max-runs <N>
              Start at most N runs, finish them, and stop; the same command continues later

          --max-time <DURATION>
              Start no run after this time, e.g. 90min or 8h, finish the running ones, and stop; the same command continues later

          --on-finish <COMMAND>
              Shell command to call when an experiment has ended, with its outcome as JSON on standard input

          --on-failure <COMMAND>
              Shell command to call, beside that of --on-finish, when a run failed, a claim was refuted, or the sweep was stopped

          --format <FORMAT>
              Output format

              Possible values:
              - human: Text for people
              - json:  One JSON document

              [default: human]

      -h, --help
              Print help (see a summary with '-h')
    "#);
}

#[test]
fn wrong_usage_is_exit_code_two() {
    let lab = Lab::new();
    assert_eq!(lab.call(&["frobnicate"]).code, 2);
    assert_eq!(lab.call(&["run"]).code, 2);
    assert_eq!(lab.call(&["runs", "--status", "dnoe"]).code, 2);
}

#[test]
fn without_a_store_the_user_is_told_where_it_was_looked_for() {
    let lab = Lab::new();
    let outcome = lab.call(&["runs"]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("there is no store at") && outcome.stderr.contains("BURSTLAB_RESULTS"));
}

#[test]
fn a_dry_run_prints_the_plan_and_records_nothing() {
    let lab = Lab::new();
    let file = lab.azure("tiny", TINY);
    let outcome = lab.run(&file, &["--dry-run"]);
    for label in ["persistence", "linear per_channel=false", "linear per_channel=true", "planned"] {
        assert!(outcome.stdout.contains(label), "{}", outcome.stdout);
    }
    assert!(!lab.results().exists());
    let json: Value =
        serde_json::from_str(&lab.run(&file, &["--dry-run", "--format", "json"]).stdout).unwrap();
    assert_eq!(json["runs"].as_array().unwrap().len(), 3);
    assert_eq!(json["runs"][1]["params"]["model"]["per_channel"], false);
}

#[test]
fn the_outcome_of_a_run_is_one_json_document_on_request() {
    let lab = Lab::new();
    let outcome = lab.run(&lab.azure("tiny", TINY), &["--format", "json"]);
    let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(json["done"], 3);
    assert_eq!(json["leaderboards"][0]["models"].as_array().unwrap().len(), 2);
    assert!(std::path::Path::new(json["report"].as_str().unwrap()).is_file());
}

#[test]
fn runs_are_filtered_sorted_and_limited() {
    let lab = tiny();
    let list = |arguments: &[&str]| -> Vec<Value> {
        let mut all = vec!["runs", "--format", "json"];
        all.extend(arguments);
        let outcome = lab.call(&all);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        serde_json::from_str(&outcome.stdout).unwrap()
    };
    assert_eq!(list(&[]).len(), 3);
    assert_eq!(list(&["--model", "linear"]).len(), 2);
    let found = list(&["--where", "model.per_channel=true"]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["params"]["model"]["per_channel"], true);
    assert_eq!(
        list(&["--where", "task.lookback=8"]).len(),
        2,
        "persistence reads one step, whatever the lookback"
    );
    let sorted = list(&["--sort", "test.mae.response_tokens", "--limit", "2"]);
    let values: Vec<f64> =
        sorted.iter().map(|run| run["metrics"]["test.mae.response_tokens"].as_f64().unwrap()).collect();
    assert!(values.len() == 2 && values[0] <= values[1], "{values:?}");
    let csv = lab.call(&["runs", "--format", "csv"]).stdout;
    assert_eq!(csv.lines().count(), 4);
    assert!(csv.starts_with("run_id,experiment,model,seed,"), "{csv}");
    let unknown = lab.call(&["runs", "--experiment", "tny"]);
    assert!(unknown.stderr.contains("did you mean `tiny`"), "{}", unknown.stderr);
}

/// A search whose learning rates are drawn, so that labels round them.
fn drawn() -> Lab {
    let lab = tiny();
    let text = "max_rows = 600\n[task.next_request]\nlookback = 8\n[training]\nepochs = 1\n\
                learning_rate = { log_uniform = [1e-4, 1e-2] }\n[[models]]\n[models.linear]\n[[models]]\n[models.dlinear]\n\
                kernel = 5\n[search]\nstrategy = \"random\"\ntrials = 3\n";
    lab.run(&lab.azure("drawn", text), &[]);
    lab
}

fn listed(lab: &Lab, arguments: &[&str]) -> Vec<Value> {
    let outcome = lab.call(&[&["runs", "--format", "json"], arguments].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
fn what_a_leaderboard_prints_of_a_run_finds_it() {
    let lab = drawn();
    let board = lab.call(&["compare", "drawn"]).stdout;
    let printed: Vec<&str> =
        board.split_whitespace().filter(|word| word.starts_with("learning_rate=")).collect();
    assert!(printed.len() >= 2, "{board}");
    for condition in printed {
        let found = listed(&lab, &["--where", condition]);
        let whole = listed(&lab, &["--where", &format!("training.{condition}")]);
        // Both models draw from one sequence.
        assert!((1..=2).contains(&found.len()) && found == whole, "{condition}: {found:?}");
        assert!(found.iter().all(|run| run["experiment"] == "drawn"));
    }
}

#[test]
fn filters_compare_numbers_and_take_the_end_of_a_path() {
    let lab = drawn();
    let count = |conditions: &[&str]| {
        let arguments: Vec<&str> = conditions.iter().flat_map(|condition| ["--where", *condition]).collect();
        listed(&lab, &arguments).len()
    };
    assert_eq!((count(&[]), count(&["experiment=drawn"]), count(&["lookback=8"])), (9, 6, 8));
    assert_eq!((count(&["lookback in 1, 8"]), count(&["lookback!=8"]), count(&["lookback<8"])), (9, 1, 1));
    assert_eq!((count(&["learning_rate<0.01", "model=dlinear"]), count(&["kernel>=5"])), (3, 3));
    let lower = count(&["experiment=drawn", "learning_rate<1e-3"]);
    assert_eq!(lower + count(&["experiment=drawn", "learning_rate >= 0.001"]), 6);
    assert_eq!(
        listed(&lab, &["--model", "linear", "--where", "kernel=5"]).len(),
        0,
        "no linear model has it"
    );
    assert_eq!((count(&["seed=1"]), count(&["seed in 1, 2", "status=done"])), (9 - 1, 9 - 1));
}

#[test]
fn a_filter_that_means_nothing_is_refused_with_what_it_could_mean() {
    let lab = drawn();
    let refusal = |arguments: &[&str]| {
        let outcome = lab.call(&[&["runs"], arguments].concat());
        assert_eq!(outcome.code, 2, "{}", outcome.stdout);
        outcome.stderr
    };
    for (arguments, message) in [
        (["--where", "kind=linear"], "`kind` is the end of several parameters: model.kind, task.kind"),
        (["--where", "lookbak=8"], "no run has a parameter `lookbak`; did you mean `lookback`?"),
        (["--where", "trainning.epochs=8"], "did you mean `training.epochs`?"),
        (["--where", "lookback"], "`lookback` is not a condition; write a parameter, an operator"),
        (["--where", "model.kind<linear"], "`linear` is neither a number nor a length of time"),
        (["--since", "yesterday"], "--since yesterday: this is neither an age nor a date"),
    ] {
        let said = refusal(&arguments);
        assert!(said.contains(message), "{said}");
    }
}

#[test]
fn runs_are_picked_by_the_time_they_ended() {
    let lab = tiny();
    let sql = "update attempts set started_at = '2026-11-01T10:00:00.000Z', finished_at = '2026-11-01T23:30:00.000Z' \
               where run_id = (select run_id from runs where model = 'persistence')";
    lab.execute(sql);
    let count = |arguments: &[&str]| listed(&lab, arguments).len();
    assert_eq!((count(&["--since", "1h"]), count(&["--since", "2026-11-01"])), (2, 3));
    assert_eq!((count(&["--until", "2026-11-01"]), count(&["--until", "2026-11-01T23:00"])), (1, 0));
    assert_eq!(count(&["--since", "2026-11-01", "--until", "2026-11-02"]), 1);
    let exported = lab.call(&["export", "tiny", "--until", "2026-11-01"]).stdout;
    assert_eq!(exported.lines().count(), 2, "{exported}");
    let exported = lab.call(&["export", "--where", "per_channel=true"]).stdout;
    assert_eq!(exported.lines().count(), 2, "{exported}");
}

#[test]
fn show_tells_everything_about_a_run_by_the_first_characters_of_its_name() {
    let lab = tiny();
    let run_id = lab.scalar("select run_id from runs where model = 'linear' limit 1");
    let run_id = run_id.as_str().unwrap();
    let text = lab.call(&["show", &run_id[..10]]).stdout;
    for part in [run_id, "parameters", "metrics", "events", "clean: train targets", "started", "done"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let json: Value = serde_json::from_str(&lab.call(&["show", run_id, "--format", "json"]).stdout).unwrap();
    assert_eq!(json["status"], "done");
    assert!(json["peak_rss_bytes"].as_i64().unwrap() > 1 << 20);
    let unknown = lab.call(&["show", "zzzz"]);
    assert!(
        unknown.code == 1
            && unknown.stderr.contains("no experiment `zzzz`")
            && unknown.stderr.contains("no run begins with it either"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn query_answers_and_refuses_to_write() {
    let lab = tiny();
    let outcome = lab.call(&["query", "select model, count(*) as n from runs group by 1 order by 1"]);
    assert_snapshot!(outcome.stdout, @r#"
     model         n
    ─────────────────
     linear        2
     persistence   1
    "#);
    let csv = lab.call(&["query", "select 'a,b' as x, null as y, 1.5 as z", "--format", "csv"]).stdout;
    assert_eq!(csv, "x,y,z\n\"a,b\",,1.5\n");
    let before = lab.metrics("tiny");
    for sql in [
        "delete from run_records",
        "insert into events (at, kind, detail) values ('', '', '')",
        "update run_records set status = 'planned'",
        "drop table metrics",
        "create table x (y)",
    ] {
        let outcome = lab.call(&["query", sql]);
        assert_eq!(outcome.code, 2, "{sql}");
        assert!(outcome.stderr.contains("the store is read-only here"), "{}", outcome.stderr);
    }
    assert_eq!(lab.metrics("tiny"), before);
    let wrong = lab.call(&["query", "selct 1"]);
    assert!(wrong.code == 1 && wrong.stderr.contains("syntax error"), "{}", wrong.stderr);
}

#[test]
fn compare_and_report_say_the_same_of_an_experiment() {
    let lab = tiny();
    let text = lab.call(&["compare", "tiny"]).stdout;
    let headline = text.lines().find(|line| line.contains("has the lowest")).unwrap().to_string();
    assert!(headline.contains("naive baseline"), "{text}");
    std::fs::remove_dir_all(lab.results().join("tiny")).unwrap();
    let outcome = lab.call(&["report", "tiny"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let page = std::fs::read_to_string(lab.results().join("tiny/report.html")).unwrap();
    assert!(page.contains(&headline), "{headline}");
    for path in outcome.stdout.lines() {
        assert!(std::path::Path::new(path).is_file(), "{path}");
    }
}

#[test]
fn a_corrupted_store_is_a_clear_error_and_is_left_alone() {
    let lab = Lab::new();
    std::fs::create_dir_all(lab.results()).unwrap();
    let path = lab.results().join("burstlab.db");
    std::fs::write(&path, "this is no database, but it may be somebody's letter".repeat(50)).unwrap();
    let before = std::fs::read(&path).unwrap();
    let file = lab.azure("tiny", TINY);
    let outcome = lab.call(&["run", file.to_str().unwrap()]);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.contains("burstlab.db") && outcome.stderr.contains("not a database"),
        "{}",
        outcome.stderr
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn another_file_that_takes_over_a_name_is_announced() {
    let lab = tiny();
    let text = std::fs::read_to_string(lab.folder.path().join("tiny.toml")).unwrap();
    let outcome = lab.run(&lab.file("other.toml", &text), &[]);
    assert!(outcome.stderr.contains("tiny: the same text was last run from"), "{}", outcome.stderr);
    let again = lab.run(&lab.folder.path().join("other.toml"), &[]);
    assert!(!again.stderr.contains("was last run from"), "{}", again.stderr);
}
