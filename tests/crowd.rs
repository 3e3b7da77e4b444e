//! Many at one store: two supervisors that write, eight readers, and transactions that somebody keeps open.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::{Lab, Outcome};

const RUNS: usize = 64;

/// Runs of some hundredths of a second each, so that claims and results follow closely on each other.
const CROWD: &str = r"
max_rows = 1500
[task.next_request]
lookback = 20
[training]
epochs = 3
batch_size = 64
[[models]]
[models.lstm]
hidden = { grid = [4, 8, 12, 16] }
[[models]]
[models.dlinear]
kernel = { grid = [3, 5, 7, 9] }
[search]
seeds = [1, 2, 3, 4, 5, 6, 7, 8]
";

#[test]
fn two_supervisors_eight_readers_and_open_transactions_never_lock_each_other_out() {
    let lab = Lab::new();
    lab.run(&lab.azure("first", "[task.next_request]\nlookback = 5\n[[models]]\n[models.zero]\n"), &[]);
    let count = "SELECT count(*) FROM metrics;";
    let before = lab.scalar("select count(*) from metrics").to_string();
    let mut shell = Shell::open(&lab, count);
    if let Some(shell) = &mut shell {
        assert_eq!(shell.line(), before);
    }
    let file = lab.azure("crowd", CROWD);
    let supervisors = [lab.start(&file, &["--slots", "1"]), lab.start(&file, &["--slots", "1"])];
    let (ended, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        for reader in 0..8 {
            let (lab, ended, asked) = (&lab, &ended, &asked);
            scope.spawn(move || {
                while !ended.load(Ordering::SeqCst) {
                    let arguments: &[&str] = match reader % 4 {
                        0 => &["runs", "--format", "json"],
                        1 => &[
                            "query",
                            "select model, count(*) from runs join metrics using (run_id) group by 1",
                        ],
                        2 => &["report", "first"],
                        _ => &["compare", "first"],
                    };
                    let outcome = lab.call(arguments);
                    assert_eq!(outcome.code, 0, "{arguments:?}: {}", outcome.stderr);
                    assert!(!outcome.stderr.contains("locked"), "{arguments:?}: {}", outcome.stderr);
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let outcomes =
            supervisors.into_iter().map(|child| child.wait_with_output().unwrap().into()).collect();
        ended.store(true, Ordering::SeqCst);
        outcomes
    });
    for outcome in &outcomes {
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("locked"), "{}", outcome.stderr);
    }
    let asked = asked.into_inner();
    assert!(asked >= 40, "the readers asked {asked} times");
    let crowd = "from attempts join experiment_runs using (run_id) where experiment = 'crowd'";
    assert_eq!(lab.scalar(&format!("select count(*) {crowd} and status = 'done'")), RUNS);
    assert_eq!(lab.scalar(&format!("select count(*) {crowd}")), RUNS, "no run was done twice");
    let shares = lab.query(&format!("select owner, count(*) as runs {crowd} group by 1"));
    assert_eq!(shares.len(), 2, "both took their share: {shares:?}");
    for share in &shares {
        assert!(share["runs"].as_u64() >= Some(RUNS as u64 / 8), "the work was divided: {shares:?}");
    }
    // The transaction was open all the time: it still sees the store as it was before.
    if let Some(shell) = &mut shell {
        shell.say(count);
        assert_eq!(shell.line(), before);
    }
    assert_ne!(lab.scalar("select count(*) from metrics").to_string(), before);
    println!("{asked} answers to readers, shares {shares:?}, sqlite3 shell: {}", shell.is_some());
}

/// A `sqlite3` shell that holds a read transaction.
struct Shell {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Shell {
    /// Opens a transaction and asks a first question in it; `None` where the program is not installed, unless
    /// `BURSTLAB_REQUIRE_SQLITE3` insists on it.
    fn open(lab: &Lab, question: &str) -> Option<Self> {
        let mut command = Command::new("sqlite3");
        command.arg("-batch").arg(lab.results().join("burstlab.db"));
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
        let mut process = match spawned {
            Ok(process) => process,
            Err(error) => {
                let required = std::env::var_os("BURSTLAB_REQUIRE_SQLITE3").is_some();
                assert!(!required, "cannot start sqlite3: {error}");
                println!("without a sqlite3 shell: {error}");
                return None;
            }
        };
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut shell = Self { process, input, output };
        shell.say("BEGIN;");
        shell.say(question);
        Some(shell)
    }

    fn say(&mut self, statement: &str) {
        writeln!(self.input, "{statement}").unwrap();
        self.input.flush().unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_string()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
