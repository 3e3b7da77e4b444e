//! Which processes of this machine live, what it is called, and what its programs answer.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process_group};
use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

/// How long a program or a driver of this machine may take to answer: one that waits for a failed card or a lost file system
/// may never do.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How long a program that was killed is waited for: one that hangs in its driver may survive even that.
const DEATH_LIMIT: Duration = Duration::from_secs(1);

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// There is no such program.
    #[error("`{0}` is not on PATH")]
    Missing(String),
    /// It cannot be started or waited for.
    #[error("cannot run `{0}`")]
    Broken(String, #[source] std::io::Error),
    /// It had not ended when its time was up, and was killed.
    #[error("`{program}` has not answered within {}{}", humantime::format_duration(*.limit), last_words(.said))]
    Late {
        /// Its name.
        program: String,
        /// How long it was waited for.
        limit: Duration,
        /// What it wrote to its standard error.
        said: String,
    },
}

/// The last line of what a program has said, as the end of a sentence.
fn last_words(said: &str) -> String {
    said.trim().lines().last().map_or(String::new(), |line| format!("; it said: {line}"))
}

/// The standard output of a program; `None` if it cannot be started, fails, or has not ended after twenty seconds.
pub fn answer_of(program: &mut Command) -> Option<String> {
    let output = output_within(program, ANSWER_LIMIT).ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What a program prints, and how it ends. It has no standard input.
///
/// # Errors
/// A program that cannot be started, or that has not ended within the limit.
pub fn output_within(program: &mut Command, limit: Duration) -> Result<Output, NoAnswer> {
    let name = program.get_program().to_string_lossy().into_owned();
    let broken = |error| NoAnswer::Broken(name.clone(), error);
    // Files and no pipes, which a long answer would fill.
    let mut stdout = tempfile::tempfile().map_err(broken)?;
    let mut stderr = tempfile::tempfile().map_err(broken)?;
    program.stdin(Stdio::null());
    program.stdout(Stdio::from(stdout.try_clone().map_err(broken)?));
    program.stderr(Stdio::from(stderr.try_clone().map_err(broken)?));
    let mut child = program.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => NoAnswer::Missing(name.clone()),
        _ => broken(error),
    })?;
    let whole = |file: &mut File| {
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map(|_| bytes)
    };
    let Some(status) = status_within(&mut child, limit).map_err(broken)? else {
        let _ = child.kill();
        let _ = status_within(&mut child, DEATH_LIMIT);
        let said = whole(&mut stderr).map_err(broken)?;
        return Err(NoAnswer::Late {
            program: name,
            limit,
            said: String::from_utf8_lossy(&said).into_owned(),
        });
    };
    Ok(Output {
        status,
        stdout: whole(&mut stdout).map_err(broken)?,
        stderr: whole(&mut stderr).map_err(broken)?,
    })
}

/// How a process has ended; `None` if it has not within the limit.
fn status_within(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        match child.try_wait()? {
            None if started.elapsed() < limit => std::thread::sleep(Duration::from_millis(5)),
            status => return Ok(status),
        }
    }
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
        let slow = "echo starting >&2; echo the queue is full >&2; exec sleep 60";
        let late = output_within(Command::new("sh").args(["-c", slow]), Duration::from_secs(2)).unwrap_err();
        assert_eq!(late.to_string(), "`sh` has not answered within 2s; it said: the queue is full");
        assert!(started.elapsed() < Duration::from_secs(30));
        let echo = |words: &str| answer_of(Command::new("sh").args(["-c", words]));
        assert_eq!(echo("echo 81559").as_deref(), Some("81559\n"));
        assert_eq!(echo("echo 81559; exit 1"), None);
        assert_eq!(
            echo("yes | head -n 100000").map(|answer| answer.len()),
            Some(200_000),
            "more than a pipe holds"
        );
        let missing = output_within(&mut Command::new("no-such-program"), ANSWER_LIMIT).unwrap_err();
        assert_eq!(missing.to_string(), "`no-such-program` is not on PATH");
        let told =
            output_within(Command::new("sh").args(["-c", "echo 81559 >&2; exit 3"]), ANSWER_LIMIT).unwrap();
        assert_eq!((told.status.code(), &*told.stdout, &*told.stderr), (Some(3), &b""[..], &b"81559\n"[..]));
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
