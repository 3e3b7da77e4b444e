//! Which processes of this machine live.

/// Clock ticks from boot to the start of a process; `None` if there is none, or only its remains.
#[cfg(target_os = "linux")]
pub fn start_time(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold spaces and brackets itself, so fields are counted from its end.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let zombie = fields.first().is_some_and(|state| *state == "Z");
    if zombie { None } else { fields.get(19).map(ToString::to_string) }
}

/// Without /proc the process id alone must do.
#[cfg(not(target_os = "linux"))]
pub fn start_time(pid: u32) -> Option<String> {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed())?;
    rustix::process::test_kill_process(pid).ok().map(|()| "unknown".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_but_was_not_waited_for_does_not_live() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        let started = std::time::Instant::now();
        while start_time(pid).is_some() {
            assert!(started.elapsed().as_secs() < 10, "its remains pass for a process");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.wait().unwrap();
        assert!(start_time(std::process::id()).is_some());
    }
}
