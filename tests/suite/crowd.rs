//! Many at one store: two supervisors that write, eight readers, and transactions that somebody keeps open; supervisors
//! that are stopped, killed, or out of sight in another container.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{Lab, Outcome, kill};

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

/// Two runs that are long enough to be stopped on their way.
const TWO_LONG: &str = r"
[task.next_request]
lookback = 50
[training]
epochs = 6
[[models]]
[models.lstm]
hidden = 32
layers = 2
[search]
seeds = [1, 2]
";

/// Starts a second supervisor beside one that is at a run, and waits until all that is left for it is that run.
fn second_supervisor_waits(lab: &Lab, file: &std::path::Path) -> Child {
    let second = lab.start(file, &["--slots", "1"]);
    lab.wait_for("select count(*) from runs where status = 'done'", |done| done.as_i64() == Some(1));
    // It looks at the run once a second.
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(lab.scalar("select count(*) from attempts"), 2, "the run of a living supervisor was taken");
    assert_eq!(lab.scalar("select count(*) from runs where status = 'running'"), 1);
    second
}

fn ends_well(supervisor: Child) {
    let outcome: Outcome = supervisor.wait_with_output().unwrap().into();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

#[test]
fn a_supervisor_that_is_stopped_keeps_its_run_and_ends_it_when_it_goes_on() {
    let lab = Lab::new();
    let file = lab.azure("slow", TWO_LONG);
    let first = lab.start(&file, &["--slots", "1"]);
    lab.wait_for("select count(*) from epochs", |value| value.as_i64() > Some(0));
    kill(first.id(), "STOP");
    let second = second_supervisor_waits(&lab, &file);
    kill(first.id(), "CONT");
    ends_well(first);
    ends_well(second);
    assert_eq!(lab.scalar("select count(*) from attempts where status = 'done'"), 2);
    assert_eq!(lab.scalar("select count(*) from attempts"), 2, "no run was done twice");
}

#[test]
fn a_run_is_taken_back_from_a_supervisor_that_is_killed() {
    let lab = Lab::new();
    let file = lab.azure("slow", TWO_LONG);
    let mut first = lab.start(&file, &["--slots", "1"]);
    lab.wait_for("select count(*) from epochs", |value| value.as_i64() > Some(0));
    kill(first.id(), "STOP");
    let second = second_supervisor_waits(&lab, &file);
    first.kill().unwrap();
    // Not waited for yet: what is left of it holds no lock.
    ends_well(second);
    first.wait().unwrap();
    let attempts = lab.query("select status from attempts order by status");
    let statuses: Vec<&str> = attempts.iter().map(|row| row["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["done", "done", "interrupted"]);
    let locks = || std::fs::read_dir(lab.results().join(".supervisors")).unwrap().count();
    assert_eq!(locks(), 1, "that of the killed one");
    lab.run(&file, &[]);
    assert_eq!(locks(), 0);
}

#[test]
fn a_supervisor_in_another_container_keeps_its_run_as_long_as_it_lives() {
    // Another namespace of processes: its numbers mean nothing here, and ours nothing there.
    let namespace = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    let permitted = Command::new("unshare").args(namespace).arg("true").output();
    if !permitted.as_ref().is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("BURSTLAB_REQUIRE_UNSHARE").is_none(), "{permitted:?}");
        println!("no namespace of processes can be made here: {permitted:?}");
        return;
    }
    let lab = Lab::new();
    let file = lab.azure("slow", TWO_LONG);
    let inside = lab.command(&["run", file.to_str().unwrap(), "--slots", "1"]);
    let mut command = Command::new("unshare");
    command.args(namespace).arg(inside.get_program()).args(inside.get_args());
    command.current_dir(lab.folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for (name, value) in inside.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut first = command.spawn().unwrap();
    lab.wait_for("select count(*) from epochs", |value| value.as_i64() > Some(0));
    let supervisor = crate::common::children_of(first.id())[0];
    kill(supervisor, "STOP");
    let second = second_supervisor_waits(&lab, &file);
    first.kill().unwrap();
    first.wait().unwrap();
    ends_well(second);
    assert_eq!(lab.scalar("select count(*) from attempts where status = 'done'"), 2);
    assert_eq!(lab.scalar("select count(*) from attempts where status = 'interrupted'"), 1);
}

/// Checks that a supervisor whose store is reached by another path is seen by one that reaches it directly.
fn is_seen_by_another_path(lab: &Lab, file: &std::path::Path, mut command: Command) {
    let first = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    lab.wait_for("select count(*) from epochs", |value| value.as_i64() > Some(0));
    kill(first.id(), "STOP");
    let second = second_supervisor_waits(lab, file);
    kill(first.id(), "CONT");
    ends_well(first);
    ends_well(second);
    assert_eq!(lab.scalar("select count(*) from attempts where status = 'done'"), 2);
    assert_eq!(lab.scalar("select count(*) from attempts"), 2, "no run was done twice");
}

#[test]
fn a_store_that_a_link_leads_to_is_the_same_store() {
    let lab = Lab::new();
    let file = lab.azure("slow", TWO_LONG);
    std::fs::create_dir(lab.results()).unwrap();
    let link = lab.folder.path().join("link");
    std::os::unix::fs::symlink(lab.results(), &link).unwrap();
    let mut first = lab.command(&["run", file.to_str().unwrap(), "--slots", "1"]);
    first.env("BURSTLAB_RESULTS", &link);
    is_seen_by_another_path(&lab, &file, first);
}

#[test]
fn a_store_that_is_mounted_at_another_place_is_the_same_store() {
    let mounts = ["--mount", "--propagation", "private"];
    let permitted = Command::new("unshare").args(mounts).args(["mount", "--bind", "/tmp", "/mnt"]).output();
    if !permitted.as_ref().is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("BURSTLAB_REQUIRE_UNSHARE").is_none(), "{permitted:?}");
        println!("nothing can be mounted here: {permitted:?}");
        return;
    }
    let lab = Lab::new();
    let file = lab.azure("slow", TWO_LONG);
    let mounted = lab.folder.path().join("mounted");
    for folder in [&lab.results(), &mounted] {
        std::fs::create_dir(folder).unwrap();
    }
    let script = "mount --bind \"$0\" \"$BURSTLAB_RESULTS\" && exec \"$@\"";
    let inside = lab.command(&["run", file.to_str().unwrap(), "--slots", "1"]);
    let mut first = Command::new("unshare");
    first.args(mounts).args(["sh", "-c", script]).arg(lab.results()).arg(inside.get_program());
    first.args(inside.get_args()).current_dir(lab.folder.path());
    first.envs(inside.get_envs().filter_map(|(name, value)| Some((name, value?))));
    first.env("BURSTLAB_RESULTS", &mounted);
    is_seen_by_another_path(&lab, &file, first);
}

/// What takes the place of the operating system's locks: a file system that has none for some files.
const WITHOUT_LOCKS: &str = r#"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int flock(int file, int operation) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    (void)operation;
    if (!strstr(path, getenv("WITHOUT_LOCKS"))) return 0;
    errno = ENOLCK;
    return -1;
}
"#;

#[cfg(target_os = "linux")]
#[test]
fn a_file_system_without_locks_is_refused_before_anything_runs() {
    let lab = Lab::new();
    let source = lab.file("flock.c", WITHOUT_LOCKS);
    let library = lab.folder.path().join("flock.so");
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).output();
    if !compiled.as_ref().is_ok_and(|output| output.status.success()) {
        println!("there is no C compiler here: {compiled:?}");
        return;
    }
    let file = lab.azure("tiny", "[task.next_request]\nlookback = 5\n[[models]]\n[models.zero]\n");
    // First the store itself cannot be locked, then the supervisors' folder alone.
    for place in ["results/", ".supervisors/"] {
        let mut command = lab.command(&["run", file.to_str().unwrap()]);
        command.env("LD_PRELOAD", &library).env("WITHOUT_LOCKS", place);
        let outcome: Outcome = command.output().unwrap().into();
        assert_eq!(outcome.code, 1, "{place}: {}", outcome.stderr);
        for told in ["cannot lock", "a local disk, or NFS with its lock service; set BURSTLAB_RESULTS to one"]
        {
            assert!(outcome.stderr.contains(told), "{place}: {}", outcome.stderr);
        }
        if place == ".supervisors/" {
            assert_eq!(lab.scalar("select count(*) from attempts"), 0, "nothing was started");
        }
    }
    lab.run(&file, &[]);
    assert_eq!(lab.scalar("select count(*) from attempts where status = 'done'"), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_of_a_supervisor_of_an_earlier_version_is_its_own_as_long_as_that_lives() {
    let lab = Lab::new();
    let file = lab.azure("old", "[task.next_request]\nlookback = 5\n[[models]]\n[models.zero]\n");
    lab.run(&file, &[]);
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let started = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap();
    let owner = format!("{} {} {started}", boot.trim(), std::process::id());
    // As that version would have left it: this test is the process that is at the run.
    lab.execute("DELETE FROM metric_values");
    lab.execute("UPDATE run_records SET status = 'running'");
    lab.execute(&format!("UPDATE attempts SET status = 'running', owner = '{owner}'"));
    let mut sweep = lab.start(&file, &[]);
    std::thread::sleep(Duration::from_millis(2500));
    assert!(sweep.try_wait().unwrap().is_none(), "it waits");
    assert_eq!(lab.scalar("select count(*) from attempts"), 1);
    lab.execute(&format!("UPDATE attempts SET owner = '{owner}0'"));
    ends_well(sweep);
    let attempts = lab.query("select status from attempts order by attempt_id");
    assert_eq!(
        (attempts.len(), &attempts[0]["status"], &attempts[1]["status"]),
        (2, &"interrupted".into(), &"done".into())
    );
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
