//! Which processes of this machine live, and what it is called.

use rustix::process::{Signal, kill_process_group};
use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

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
    fn a_process_that_has_ended_but_was_not_waited_for_does_not_live() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        let started = std::time::Instant::now();
        while is_alive(pid) {
            assert!(started.elapsed().as_secs() < 10, "its remains pass for a process");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.wait().unwrap();
        assert!(!is_alive(pid));
        assert!(is_alive(std::process::id()));
    }
}
