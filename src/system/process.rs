//! Which processes of this machine live, what it is called, and what its programs answer.

use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process_group};
use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

/// How long a program may take to answer: one that waits for a failed card or a lost file system may never do.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// The standard output of a program; `None` if it cannot be started, fails, or has not ended after twenty seconds.
pub fn answer_of(program: &mut Command) -> Option<String> {
    answer_within(program, ANSWER_LIMIT)
}

fn answer_within(program: &mut Command, limit: Duration) -> Option<String> {
    // A file and no pipe, which a long answer would fill.
    let mut output = tempfile::tempfile().ok()?;
    let to_file = Stdio::from(output.try_clone().ok()?);
    let mut child = program.stdin(Stdio::null()).stdout(to_file).stderr(Stdio::null()).spawn().ok()?;
    let started = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if started.elapsed() < limit => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                // It is not waited for: a program that hangs in its driver may survive even this.
                let _ = child.kill();
                return None;
            }
        }
    };
    let mut answer = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut answer)).ok()?;
    status.success().then(|| String::from_utf8_lossy(&answer).into_owned())
}

/// Whether there is a process with this number that has not ended: one that was not waited for yet does not live.
///
/// Only processes that this one can see count: those of another container look dead. Whether a supervisor lives is
/// therefore told by a lock, and not by its number.
pub fn is_alive(pid: u32) -> bool {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        true,
        ProcessRefreshKind::nothing().without_tasks(),
    );
    let status = system.process(pid).map(sysinfo::Process::status);
    status.is_some_and(|status| !matches!(status, ProcessStatus::Zombie | ProcessStatus::Dead))
}

/// Kills a process together with those that it has started, where it leads a group of its own.
pub fn end_group(leader: u32) {
    let leader = i32::try_from(leader).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(leader) = leader {
        // A group that has ended already is what was wanted.
        let _ = kill_process_group(leader, Signal::KILL);
    }
}

/// The name of this machine, where it has one.
pub fn host_name() -> Option<String> {
    System::host_name()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_answer_is_not_waited_for() {
        let started = Instant::now();
        assert_eq!(answer_within(Command::new("sleep").arg("60"), Duration::from_millis(20)), None);
        assert!(started.elapsed() < Duration::from_secs(30));
        let echo = |words: &str| answer_of(Command::new("sh").args(["-c", words]));
        assert_eq!(echo("echo 81559").as_deref(), Some("81559\n"));
        assert_eq!(echo("echo 81559; exit 1"), None);
        assert_eq!(
            echo("yes | head -n 100000").map(|answer| answer.len()),
            Some(200_000),
            "more than a pipe holds"
        );
        assert_eq!(answer_of(&mut Command::new("no-such-program")), None);
    }

    #[test]
    fn a_process_that_has_ended_but_was_not_waited_for_does_not_live() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = child.id();
        let started = Instant::now();
        while is_alive(pid) {
            assert!(started.elapsed().as_secs() < 10, "its remains pass for a process");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.wait().unwrap();
        assert!(!is_alive(pid));
        assert!(is_alive(std::process::id()));
    }
}
