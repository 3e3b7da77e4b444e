//! Searches as a user runs them: the same trials for any number of slots and after a kill, trials that are given up,
//! budgets, and what `explain` says about all of it.

use serde_json::Value;

use crate::common::{Lab, kill, workers_of};

/// `tpe` over two models and a median rule or asha on top where a test adds it; an ensemble chooses at the end.
const TPE: &str = r#"
max_rows = 1200
[task.next_request]
lookback = { int = [5, 20] }
[training]
epochs = 4
batch_size = 64
learning_rate = { log_uniform = [1e-3, 1e-1] }
[[models]]
[models.persistence]
[[models]]
[models.linear]
[[models]]
[models.lstm]
hidden = { int = [2, 8] }
[[models]]
[models.ensemble]
members = ["linear", "lstm"]
[search]
strategy = "tpe"
trials = 12
batch = 4
seeds = [1, 2]
"#;

const ASHA: &str = "[search.pruner.asha]\nreduction_factor = 2\nmin_epochs = 1\n";

/// Every run of an experiment, where it stands, how many epochs it has, and every verdict on it.
fn outcome(lab: &Lab, experiment: &str) -> Vec<Value> {
    lab.query(&format!(
        "select er.position, r.run_id, r.status, (select count(*) from epochs e where e.run_id = r.run_id) as epochs, \
         (select group_concat(detail, '; ') from (select detail from events v where v.run_id = r.run_id \
          and v.kind in ('continued', 'pruned') order by event_id)) as verdicts \
         from experiment_runs er join run_records r using (run_id) where er.experiment = '{experiment}' order by 1"
    ))
}

fn explain(lab: &Lab, run_id: &Value) -> (String, Value) {
    let run_id = run_id.as_str().unwrap();
    let text = lab.call(&["explain", &run_id[..12]]);
    assert_eq!(text.code, 0, "{}", text.stderr);
    let json = lab.call(&["explain", run_id, "--format", "json"]);
    (text.stdout, serde_json::from_str(&json.stdout).unwrap())
}

#[test]
fn tpe_and_asha_come_to_the_same_runs_for_any_number_of_slots() {
    let text = format!("{TPE}{ASHA}");
    let labs: Vec<Lab> = ["1", "2", "3"]
        .iter()
        .map(|slots| {
            let lab = Lab::new();
            lab.run(&lab.azure("search", &text), &["--slots", slots]);
            lab
        })
        .collect();
    let first = outcome(&labs[0], "search");
    assert!(first.len() > 30, "{} runs", first.len());
    let pruned = first.iter().filter(|run| run["status"] == "pruned").count();
    assert!((5..first.len() - 5).contains(&pruned), "{pruned} of {} runs were given up", first.len());
    for lab in &labs[1..] {
        assert_eq!(outcome(lab, "search"), first);
        assert_eq!(lab.metrics("search"), labs[0].metrics("search"));
    }
    let kept = labs[0].query("select * from epochs join run_records using (run_id) where status = 'pruned'");
    assert!(kept.len() >= pruned, "given-up runs keep their epochs");
}

#[test]
fn a_killed_search_goes_on_with_the_trials_of_an_undisturbed_one() {
    let undisturbed = Lab::new();
    undisturbed.run(&undisturbed.azure("search", TPE), &["--slots", "2"]);
    let lab = Lab::new();
    let file = lab.azure("search", TPE);
    let planned = |lab: &Lab| lab.scalar("select count(*) from run_records").as_i64();
    for goal in [2, 20] {
        let mut sweep = lab.start(&file, &["--slots", "2"]);
        lab.wait_for("select count(*) from run_records where status = 'done'", |value| {
            value.as_i64() >= Some(goal)
        });
        sweep.kill().unwrap();
        sweep.wait().unwrap();
        // The last batch is proposed after 33 runs: far from the first kill, however slow this test looks at the store.
        assert!(goal > 2 || planned(&lab) < planned(&undisturbed), "not all was planned yet");
    }
    lab.run(&file, &["--slots", "2"]);
    assert_eq!(outcome(&lab, "search"), outcome(&undisturbed, "search"));
    assert_eq!(lab.metrics("search"), undisturbed.metrics("search"));
    assert_eq!(
        lab.scalar("select count(*) from attempts where status = 'done'"),
        lab.scalar("select count(*) from run_records"),
        "nothing was run twice"
    );
}

#[test]
fn tpe_learns_from_earlier_batches_only_and_sets_out_like_sobol() {
    let lab = Lab::new();
    let dry = |overrides: &[&str]| {
        let file = lab.azure("search", TPE);
        let mut arguments = vec!["run", file.to_str().unwrap(), "--dry-run", "--format", "json"];
        arguments.extend(overrides);
        let plan: Value = serde_json::from_str(&lab.call(&arguments).stdout).unwrap();
        plan
    };
    let first = dry(&[]);
    assert_eq!(first["complete"], false);
    assert_eq!(first["unproposed_trials"], 16, "two models, eight trials each after the first batch");
    assert_eq!(first["runs"].as_array().unwrap().len(), 1 + 2 * 4 * 2);
    assert_ne!(dry(&["--set", "search.seed=1"])["runs"], first["runs"]);
    let sobol = dry(&["--set", "search.strategy=\"sobol\""]);
    assert_eq!(sobol["complete"], true);
    let ids = |plan: &Value| -> Vec<String> {
        plan["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["run_id"].as_str().unwrap().to_string())
            .collect()
    };
    let sobol = ids(&sobol);
    assert!(
        ids(&first).iter().all(|id| sobol.contains(id)),
        "the first batch is the start of the Sobol sequence"
    );
    assert!(!lab.results().exists(), "a dry run writes nothing");
}

#[test]
fn a_given_up_run_stays_so_under_the_same_search_and_runs_under_another() {
    let lab = Lab::new();
    let text = "max_rows = 1200\n[task.next_request]\nlookback = 10\n[training]\nepochs = 4\n\
                learning_rate = { grid = [1e-2, 1e-4, 2e-4] }\n[[models]]\n[models.linear]\n";
    let with = format!("{text}{ASHA}");
    let file = lab.azure("search", &with);
    let outcome = lab.run(&file, &["--slots", "2"]);
    assert!(outcome.stderr.contains("1 done, 2 pruned in"), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("2 of 3 runs were pruned by the search"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains("not done"), "{}", outcome.stdout);

    let again = lab.run(&file, &[]);
    assert!(again.stderr.contains("all 3 runs are done already, nothing to run"), "{}", again.stderr);
    let forced = lab.run(&file, &["--force"]);
    assert!(forced.stderr.contains("1 done, 2 pruned in"), "{}", forced.stderr);
    assert_eq!(lab.scalar("select sum(attempts) from runs"), 6);

    let pruned = &lab.query("select run_id from runs where status = 'pruned' limit 1")[0]["run_id"];
    let (text_of, json) = explain(&lab, pruned);
    assert!(text_of.contains("The search pruned it at epoch 1: validation loss "), "{text_of}");
    assert!(text_of.contains("earlier run") && text_of.contains("at this epoch allow"), "{text_of}");
    assert_eq!(json["status"], "pruned");
    assert_eq!(json["attempts"].as_array().unwrap().len(), 2);
    assert!(json["next"].as_str().unwrap().contains("another search, or --force"), "{json}");

    let another = lab.run(&file, &["--set", "search.pruner.asha.min_epochs=2"]);
    assert!(another.stderr.contains("2 runs on 2 slots (1 of 3 are done already)"), "{}", another.stderr);
    let without = lab.run(&lab.azure("search", text), &[]);
    assert!(without.stderr.contains("2 runs on 2 slots (1 of 3 are done already)"), "{}", without.stderr);
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 3);
    let back = lab.run(&lab.azure("search", &with), &[]);
    assert!(back.stderr.contains("all 3 runs are done already"), "what is done stays done: {}", back.stderr);
}

#[test]
fn a_shared_store_changes_no_verdict() {
    let text = "max_rows = 1200\n[task.next_request]\nlookback = 10\n[training]\nepochs = 4\n\
                learning_rate = { grid = [1e-3, 1e-4, 3e-3, 2e-3, 1e-2] }\n[[models]]\n[models.linear]\n";
    let fresh = Lab::new();
    fresh.run(&fresh.azure("search", &format!("{text}{ASHA}")), &["--slots", "2"]);
    let shared = Lab::new();
    shared.run(
        &shared.azure("whole", &text.replace("[1e-3, 1e-4, 3e-3, 2e-3, 1e-2]", "[1e-4, 3e-3]")),
        &["--slots", "2"],
    );
    shared.run(&shared.azure("search", &format!("{text}{ASHA}")), &["--slots", "2"]);
    let statuses =
        |lab: &Lab| lab.query("select run_id, status from runs where experiment = 'search' order by 1");
    for (alone, together) in statuses(&fresh).iter().zip(statuses(&shared)) {
        assert_eq!(alone["run_id"], together["run_id"]);
        let whole = shared.scalar(&format!(
            "select count(*) from runs where experiment = 'whole' and run_id = '{}'",
            together["run_id"].as_str().unwrap()
        ));
        let expected = if whole == 1 { &Value::from("done") } else { &alone["status"] };
        assert_eq!(&together["status"], expected);
    }
    let run_id = &shared.query("select run_id from runs where experiment = 'whole' limit 1")[0]["run_id"];
    let (text, json) = explain(&shared, run_id);
    assert!(text.contains("search: found it finished at "), "{text}");
    assert!(text.contains("whole: ran it"), "{text}");
    assert_eq!(json["experiments"][0]["role"], "shared");
    assert_eq!(json["experiments"][1]["role"], "ran");
}

#[test]
fn the_median_rule_gives_up_what_is_worse_than_most() {
    let lab = Lab::new();
    let text = "max_rows = 1200\n[task.next_request]\nlookback = 10\n[training]\nepochs = 3\n\
                learning_rate = { grid = [1e-2, 5e-3, 2e-2, 1e-5, 8e-3] }\n[[models]]\n[models.linear]\n\
                [search.pruner.median]\nstartup_trials = 3\n";
    lab.run(&lab.azure("search", text), &["--slots", "2"]);
    let pruned =
        lab.query("select params->>'$.training.learning_rate' as rate from runs where status = 'pruned'");
    assert!(pruned.iter().any(|run| run["rate"].as_f64() == Some(1e-5)), "{pruned:?}");
    assert_eq!(
        lab.scalar(
            "select count(*) from runs where status = 'done' and params->>'$.training.learning_rate' = 0.01"
        ),
        1
    );
}

/// The first trial is slow and its worker is killed while the second waits for it at a rung.
#[test]
fn an_earlier_run_that_crashes_never_locks_those_that_wait_for_it() {
    let text = format!(
        "[task.next_request]\nlookback = 50\n[training]\nepochs = 4\n[scheduler]\nretries = 3\n[[models]]\n[models.lstm]\nlayers = 2\n\
         hidden = {{ grid = [96, 4, 6, 5] }}\n{ASHA}"
    );
    let undisturbed = Lab::new();
    undisturbed.run(&undisturbed.azure("search", &text), &["--slots", "1"]);
    let lab = Lab::new();
    let file = lab.azure("search", &text);
    let sweep = lab.start(&file, &["--slots", "2"]);
    lab.wait_for("select count(*) from events where kind = 'waiting'", |value| value.as_i64() > Some(0));
    let busy = workers_of(sweep.id()).into_iter().max_by_key(|&pid| cpu_ticks(pid)).unwrap();
    kill(busy, "STOP");
    let waiting = &lab.query("select run_id from events where kind = 'waiting' limit 1")[0]["run_id"];
    let (text, _) = explain(&lab, waiting);
    assert!(text.contains("It is waiting at a rung, epoch 1: for the losses of "), "{text}");
    kill(busy, "KILL");
    let output = sweep.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(lab.metrics("search"), undisturbed.metrics("search"));
    let statuses = |lab: &Lab| lab.query("select run_id, status from runs order by 1");
    assert_eq!(statuses(&lab), statuses(&undisturbed));
    let retried = &lab.query("select run_id from events where kind = 'retried' limit 1")[0]["run_id"];
    let (text, json) = explain(&lab, retried);
    assert!(text.contains("2. ") && text.contains("killed by signal 9"), "{text}");
    assert!(json["events"].as_array().unwrap().iter().any(|event| event["kind"] == "retried"), "{json}");
}

/// Processor time that a process has used.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').map_or(0, |(_, rest)| rest.split_whitespace().nth(11).unwrap().parse().unwrap())
}

#[test]
fn a_second_supervisor_is_kept_from_a_search_that_learns() {
    let text = format!("{TPE}{ASHA}");
    let one = Lab::new();
    one.run(&one.azure("search", &text), &["--slots", "2"]);
    let lab = Lab::new();
    let file = lab.azure("search", &text);
    let sweeps = [lab.start(&file, &["--slots", "1"]), lab.start(&file, &["--slots", "1"])];
    let outcomes = sweeps.map(|sweep| sweep.wait_with_output().unwrap());
    let mut codes = outcomes.each_ref().map(|output| output.status.code().unwrap());
    codes.sort_unstable();
    // One that starts after the other has ended finds nothing left to do.
    assert!(codes == [0, 1] || codes == [0, 0], "{outcomes:?}");
    for output in outcomes.iter().filter(|output| output.status.code() == Some(1)) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("another burstlab process is running the search `search`"), "{said}");
    }
    let statuses = |lab: &Lab| lab.query("select run_id, status from runs order by 1");
    assert_eq!(statuses(&lab), statuses(&one));
    assert_eq!(lab.metrics("search"), one.metrics("search"));
}

#[test]
fn a_budget_of_runs_stops_cleanly_and_the_same_command_goes_on() {
    let lab = Lab::new();
    let file = lab.azure("search", TPE);
    let path = file.to_str().unwrap();
    let first = lab.call(&["run", path, "--slots", "2", "--max-runs", "5"]);
    assert_eq!(first.code, 5, "{}", first.stderr);
    assert!(first.stdout.contains("the search has yet to propose"), "{}", first.stdout);
    assert!(
        first.stderr.contains("--max-runs is used up; the same command continues with the rest"),
        "{}",
        first.stderr
    );
    assert!(first.stderr.contains("5 done, 12 not started, 16 trials not proposed yet"), "{}", first.stderr);
    assert_eq!(lab.scalar("select count(*) from attempts"), 5);
    assert_eq!(lab.scalar("select count(*) from attempts where status = 'done'"), 5);
    let open = &lab.query("select run_id from runs where status = 'planned' limit 1")[0]["run_id"];
    let (text, _) = explain(&lab, open);
    assert!(
        text.contains("ended before reaching it, because as many runs were started as --max-runs allows"),
        "{text}"
    );
    lab.run(&file, &["--slots", "2"]);
    let undisturbed = Lab::new();
    undisturbed.run(&undisturbed.azure("search", TPE), &["--slots", "2"]);
    assert_eq!(lab.metrics("search"), undisturbed.metrics("search"));
    let whole = lab.call(&["run", path, "--max-runs", "5"]);
    assert_eq!(whole.code, 0, "nothing is left: {}", whole.stderr);
}

#[test]
fn a_budget_of_time_finishes_what_runs() {
    let lab = Lab::new();
    let text = "[task.next_request]\nlookback = 50\n[training]\nepochs = 6\n[[models]]\n[models.lstm]\nhidden = 48\n\
                layers = 2\n[search]\nseeds = [1, 2, 3, 4, 5, 6]\n";
    let file = lab.azure("slow", text);
    let outcome = lab.call(&["run", file.to_str().unwrap(), "--slots", "1", "--max-time", "300ms"]);
    assert_eq!(outcome.code, 5, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("--max-time is used up"), "{}", outcome.stderr);
    let done = lab.scalar("select count(*) from runs where status = 'done'").as_i64().unwrap();
    assert!((1..6).contains(&done), "{done} runs are done");
    assert_eq!(lab.scalar("select count(*) from attempts where status <> 'done'"), 0, "nothing was cut off");
}

#[test]
fn a_failed_run_is_explained_and_counts_as_a_bad_trial() {
    let lab = Lab::new();
    let text = TPE
        .replace("log_uniform = [1e-3, 1e-1]", "grid = [1e-2, 1e30]")
        .replace("[\"linear\", \"lstm\"]", "[\"linear\"]");
    let file = lab.azure("search", &text);
    let outcome = lab.call(&["run", file.to_str().unwrap(), "--slots", "2"]);
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    assert_eq!(lab.scalar("select count(*) from run_records where status in ('planned', 'running')"), 0);
    let failed =
        &lab.query("select run_id from runs where status = 'failed' and model = 'lstm' limit 1")[0]["run_id"];
    let (text, json) = explain(&lab, failed);
    assert!(text.contains("It failed after 1 attempt: diverged at epoch 1"), "{text}");
    assert!(json["next"].as_str().unwrap().contains("tries it again"), "{json}");
    let late = "select avg(params->>'$.training.learning_rate' > 1) from runs where model = 'lstm'";
    assert!(lab.scalar(late).as_f64() < Some(0.5), "most proposals are learning rates that work");
}

#[test]
fn a_run_that_was_skipped_is_explained() {
    let lab = Lab::new();
    let file = lab.azure(
        "small",
        "max_rows = 1200\n[task.next_request]\nlookback = 10\n[[models]]\n[models.persistence]\n",
    );
    lab.run(&file, &[]);
    lab.run(&file, &[]);
    let run_id = lab.query("select run_id from runs")[0]["run_id"].clone();
    let (text, json) = explain(&lab, &run_id);
    assert!(text.contains("It is done: 1 attempt, of which the last succeeded in"), "{text}");
    assert!(
        text.contains("small: ran it; found it finished at ") && text.contains("and skipped it"),
        "{text}"
    );
    assert!(json["next"].as_str().unwrap().contains("--force runs it again"), "{json}");
    let unknown = lab.call(&["explain", "ffffffff"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.stderr.contains("no run `ffffffff`"), "{}", unknown.stderr);
}

#[test]
fn a_search_that_learns_is_not_divided_over_stores() {
    let lab = Lab::new();
    for (text, reason) in [
        (TPE.to_string(), "tpe proposes trials"),
        (format!("{TPE}{ASHA}").replace("\"tpe\"", "\"sobol\""), "asha judges trials"),
    ] {
        let file = lab.azure("search", &text);
        let outcome = lab.call(&["run", file.to_str().unwrap(), "--partition", "1/2"]);
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        assert!(outcome.stderr.contains("the plan of `search` cannot be divided"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(reason), "{}", outcome.stderr);
    }
    assert!(!lab.results().exists());
}
