//! Who owns a running attempt: boot id, process id and the process's start time, so that neither a clock nor a
//! heartbeat is needed to tell whether the owner still lives.

use std::fmt;
use std::sync::OnceLock;

use crate::system::process::start_time;

/// A supervisor process on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    boot: String,
    pid: u32,
    started: String,
}

impl Owner {
    /// This process.
    pub fn this_process() -> &'static Self {
        static OWN: OnceLock<Owner> = OnceLock::new();
        OWN.get_or_init(|| {
            let pid = std::process::id();
            Self { boot: boot_id(), pid, started: start_time(pid).unwrap_or_default() }
        })
    }

    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        let (boot, pid, started) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { boot: boot.to_string(), pid: pid.parse().ok()?, started: started.to_string() })
    }

    /// Whether that very process still runs: the same boot, the same process id, the same start time.
    pub fn is_alive(&self) -> bool {
        self.boot == boot_id() && start_time(self.pid).is_some_and(|started| started == self.started)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.boot, self.pid, self.started)
    }
}

#[cfg(target_os = "linux")]
fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_string()
}

#[cfg(not(target_os = "linux"))]
fn boot_id() -> String {
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_its_name_reads_back() {
        let owner = Owner::this_process();
        assert!(owner.is_alive());
        assert_eq!(Owner::parse(&owner.to_string()).as_ref(), Some(owner));
    }

    #[test]
    fn a_process_that_reuses_the_number_is_not_the_owner() {
        let mut owner = Owner::this_process().clone();
        owner.started.push('1');
        assert!(!owner.is_alive());
    }
}
