//! Kills at random instants: whatever dies, and whenever, the store stays true and the same command makes up the rest.
//!
//! `BURSTLAB_KILLS=200 cargo test --release --test suite -- kills:: --nocapture` is the whole check; by default there are few.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Lab, kill, processes_in, workers_of};

const RUNS: usize = 10;
const SWEEP: &str = r#"
max_rows = 1000
[task.next_request]
lookback = 10
features = ["arrival_rate", "burst", "time_of_day"]
[training]
epochs = 6
batch_size = 64
[scheduler]
backoff = "10ms"
retries = 2
[[models]]
[models.persistence]
[[models]]
[models.mean]
[[models]]
[models.dlinear]
kernel = { grid = [3, 5] }
[[models]]
[models.lstm]
hidden = 8
dropout = 0.2
layers = 2
[[models]]
[models.ensemble]
members = ["dlinear", "lstm"]
[search]
seeds = [1, 2]
"#;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Victim {
    Supervisor,
    Worker,
    Both,
}

/// `SplitMix64` (Steele et al., 2014): the same instants every time.
struct Dice(u64);

impl Dice {
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[test]
fn kills_at_random_instants_lose_nothing_and_double_nothing() {
    let kills = std::env::var("BURSTLAB_KILLS").map_or(9, |kills| kills.parse().unwrap());
    let undisturbed = Lab::new();
    let file = undisturbed.azure("kills", SWEEP);
    let started = Instant::now();
    undisturbed.run(&file, &["--slots", "2"]);
    let whole = started.elapsed();
    // Most kills strike while runs go on, some while the program starts, plans or writes its report.
    let runs_end = "select (julianday(max(finished_at)) - julianday(min(at))) * 86400 from attempts, events";
    let busy =
        Duration::from_secs_f64(undisturbed.scalar(runs_end).as_f64().unwrap()).min(whole).mul_f64(1.15);
    let expected =
        Expected { metrics: undisturbed.metrics("kills"), files: run_files(&undisturbed.results()) };
    assert_eq!(expected.files.len(), RUNS);

    let mut dice = Dice(20_261_124);
    let mut landed: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..kills {
        let victim = [Victim::Supervisor, Victim::Worker, Victim::Both][number % 3];
        let span = if number % 4 == 3 { whole } else { busy };
        let instant = span.mul_f64(dice.fraction());
        let told = format!("kill {number} of {victim:?} after {instant:?}");
        let state = one_kill(victim, instant, &expected, &told);
        *landed.entry(format!("{victim:?} while {state}")).or_default() += 1;
    }
    println!("{kills} kills in a sweep of {whole:?}: {landed:?}");
    if kills >= 100 {
        let half_way: usize = landed
            .iter()
            .filter(|(what, _)| what.ends_with("some runs were done"))
            .map(|(_, count)| count)
            .sum();
        assert!(half_way >= kills / 5, "too few kills landed half-way: {landed:?}");
    }
}

struct Expected {
    metrics: Vec<(String, u64)>,
    files: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
}

/// Kills once, checks what is left, lets the same command make up the rest, and checks the whole.
fn one_kill(victim: Victim, instant: Duration, expected: &Expected, told: &str) -> &'static str {
    let lab = Lab::new();
    let file = lab.azure("kills", SWEEP);
    let mut sweep = lab
        .command(&["run", file.to_str().unwrap(), "--slots", "2"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(instant);
    let worker = workers_of(sweep.id()).into_iter().next();
    if let (Victim::Worker | Victim::Both, Some(worker)) = (victim, worker) {
        strike(worker);
    }
    if victim != Victim::Worker || worker.is_none() {
        sweep.kill().unwrap();
    }
    end_of(&mut sweep, &lab, victim == Victim::Worker && worker.is_some(), told);

    let done_before = attempts_done(&lab);
    let runs_done: BTreeSet<&str> = done_before.iter().map(|(run, _)| run.as_str()).collect();
    assert_eq!(runs_done.len(), done_before.len(), "{told}: a run was done twice");
    check_committed(&lab, &runs_done, expected, told);
    check_artefacts(&lab.results(), expected, told);

    let again = lab.run(&file, &["--slots", "2"]);
    let announced = match runs_done.len() {
        0 => format!("{RUNS} runs on 2 slots"),
        RUNS => format!("all {RUNS} runs are done already, nothing to run"),
        some => format!("({some} of {RUNS} are done already)"),
    };
    assert!(again.stderr.contains(&announced), "{told}: `{announced}` expected in\n{}", again.stderr);
    let done_after = attempts_done(&lab);
    assert!(done_before.is_subset(&done_after), "{told}: a committed attempt was lost");
    assert_eq!(done_after.len(), RUNS, "{told}: exactly the missing runs were run");
    assert_eq!(lab.scalar("select count(*) from attempts where status = 'running'"), 0, "{told}");
    assert_eq!(lab.scalar("select count(*) from run_records where status = 'done'"), RUNS, "{told}");
    assert_eq!(lab.metrics("kills"), expected.metrics, "{told}");
    assert_eq!(
        run_files(&lab.results()),
        expected.files,
        "{told}: other files than those of an undisturbed sweep"
    );
    for folder in [lab.results().join("runs"), lab.results().join("kills")] {
        assert_eq!(
            drafts_in(&folder),
            Vec::<String>::new(),
            "{told}: a draft was left in {}",
            folder.display()
        );
    }
    match runs_done.len() {
        0 => "no run was done",
        RUNS => "all runs were done",
        _ => "some runs were done",
    }
}

fn strike(worker: u32) {
    // It may have ended by itself in this very moment, which is one of the instants to be tried.
    let _ =
        std::process::Command::new("kill").args(["-9", &worker.to_string()]).stderr(Stdio::null()).status();
}

/// Waits for the supervisor's end, and makes sure that nothing of it lives on.
fn end_of(sweep: &mut Child, lab: &Lab, must_succeed: bool, told: &str) {
    let status = sweep.wait().unwrap();
    assert!(!must_succeed || status.success(), "{told}: the sweep did not get over it: {status}");
    let started = Instant::now();
    loop {
        let left = processes_in(lab.folder.path());
        if left.is_empty() {
            return;
        }
        if started.elapsed() > Duration::from_secs(5) {
            for &pid in &left {
                kill(pid, "KILL");
            }
            panic!("{told}: {} orphans lived on", left.len());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Every attempt that is recorded as done: its run and its number.
fn attempts_done(lab: &Lab) -> BTreeSet<(String, i64)> {
    if !lab.results().join("burstlab.db").is_file() {
        return BTreeSet::new();
    }
    let outcome = lab.call(&[
        "query",
        "select run_id, attempt_id from attempts where status = 'done'",
        "--format",
        "json",
    ]);
    if outcome.code != 0 {
        // Killed before the tables were made, which happens in one transaction.
        assert!(outcome.stderr.contains("is not a store of burstlab"), "{}", outcome.stderr);
        return BTreeSet::new();
    }
    let rows: Vec<serde_json::Value> = serde_json::from_str(&outcome.stdout).unwrap();
    rows.iter()
        .map(|row| (row["run_id"].as_str().unwrap().to_string(), row["attempt_id"].as_i64().unwrap()))
        .collect()
}

/// What is committed is whole and right: all metrics of the runs that are done, and none of any other.
fn check_committed(lab: &Lab, done: &BTreeSet<&str>, expected: &Expected, told: &str) {
    if done.is_empty() {
        return;
    }
    let of_done: Vec<(String, u64)> = expected
        .metrics
        .iter()
        .filter(|(key, _)| done.contains(key.split(' ').next().unwrap()))
        .cloned()
        .collect();
    assert_eq!(lab.metrics("kills"), of_done, "{told}: committed metrics");
}

/// The files of each run folder that has its final name.
fn run_files(results: &Path) -> BTreeMap<String, BTreeMap<String, Vec<u8>>> {
    let mut runs = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(results.join("runs")) else { return runs };
    for entry in entries {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with('.') {
            continue;
        }
        let files = std::fs::read_dir(entry.path()).unwrap().map(|file| {
            let file = file.unwrap();
            (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())
        });
        runs.insert(name, files.collect());
    }
    runs
}

/// Every file with a final name is whole: run folders bit by bit, reports and plots to their last bytes.
fn check_artefacts(results: &Path, expected: &Expected, told: &str) {
    for (run, files) in run_files(results) {
        assert!(expected.files[&run] == files, "{told}: the files of run {run} are not those it must have");
    }
    let report = results.join("kills");
    let mut reports = vec![report.join("report.html"), report.join("report.md")];
    if let Ok(plots) = std::fs::read_dir(report.join("plots")) {
        reports.extend(plots.map(|plot| plot.unwrap().path()));
    }
    for path in reports {
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let whole = match path.extension().unwrap().to_str().unwrap() {
            "html" => bytes.trim_ascii_end().ends_with(b"</html>"),
            "svg" => bytes.trim_ascii_end().ends_with(b"</svg>"),
            "png" => bytes.windows(4).rev().take(16).any(|end| end == b"IEND"),
            _ => bytes.ends_with(b"\n"),
        };
        assert!(whole, "{told}: {} is not whole", path.display());
    }
}

fn drafts_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".draft-")).collect()
}
