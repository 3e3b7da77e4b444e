//! What the machine says about memory: how much is available, how much a process took, and whether the kernel killed for it.
//!
//! What every system knows comes from `sysinfo`. Three things only Linux knows, and there they are read from `/proc` and
//! `/sys`, for which there is no portable library: a peak of memory that can be started anew, what a control group (a
//! container, a Slurm job) still allows, and how often the kernel has killed for lack of memory. Elsewhere the first is
//! made up from samples, and the other two are unknown.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Bytes that new processes may still take: what the system reckons to be available, or what the control group of this
/// process still allows, whichever is less. `None` where the system does not say.
pub fn available_bytes() -> Option<u64> {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    if system.total_memory() == 0 {
        return None;
    }
    let available = system.available_memory();
    Some(ControlGroup::of_this_process().headroom_bytes().map_or(available, |room| room.min(available)))
}

/// Largest resident set of a process since it was started, or since it called [`reset_peak_rss`]. Outside of Linux the
/// resident set at this moment, so that the peak is at least the largest that was seen.
pub fn peak_rss_bytes(pid: u32) -> Option<u64> {
    if cfg!(target_os = "linux") {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        return Some(field(&status, "VmHWM:")? * 1024);
    }
    rss_bytes(pid)
}

/// As [`peak_rss_bytes`], of this process.
pub fn own_peak_rss_bytes() -> Option<u64> {
    peak_rss_bytes(std::process::id())
}

/// The peak of a run after another look at its process.
pub fn updated_peak(before: Option<u64>, now: Option<u64>) -> Option<u64> {
    if cfg!(target_os = "linux") {
        // The latest figure, not the largest: the first may still be that of the run before.
        now.or(before)
    } else {
        before.max(now)
    }
}

/// Resident set of a process at this moment.
fn rss_bytes(pid: u32) -> Option<u64> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    let what = ProcessRefreshKind::nothing().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, what);
    Some(system.process(pid)?.memory())
}

/// Starts the peak of this process anew, so that it belongs to one run; only Linux can.
pub fn reset_peak_rss() {
    if cfg!(target_os = "linux") {
        // Failure leaves the peak of an earlier run in place, which only makes the figure an upper bound.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
    }
}

/// How often the kernel has killed a process for lack of memory: in the control group of this process, to which its
/// workers belong, or on the whole machine where there is no such count. Only Linux counts.
pub fn kernel_kills() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    ControlGroup::of_this_process().kills().or_else(|| {
        let counters = std::fs::read_to_string("/proc/vmstat").ok()?;
        field(&counters, "oom_kill")
    })
}

/// Has the kernel prefer this process over others when it must kill one: a worker is replaced, a supervisor is not. Only
/// Linux can be told.
pub fn prefer_for_kernel_kill() {
    if cfg!(target_os = "linux") {
        // Where this fails, the kernel chooses by size, and a worker is larger than its supervisor anyway.
        let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    }
}

/// The memory control group of a process, in either version of Linux's interface; outside of Linux there is none.
struct ControlGroup {
    unified: Option<PathBuf>,
    memory: Option<PathBuf>,
}

impl ControlGroup {
    /// A process is put into its group when it is started, and stays there.
    fn of_this_process() -> &'static Self {
        static OWN: OnceLock<ControlGroup> = OnceLock::new();
        OWN.get_or_init(Self::read)
    }

    fn read() -> Self {
        let lines = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut group = Self { unified: None, memory: None };
        for line in lines.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
            let path = path.trim_start_matches('/');
            if controllers.is_empty() {
                group.unified = existing(&["/sys/fs/cgroup", "/sys/fs/cgroup/unified"], path);
            } else if controllers.split(',').any(|controller| controller == "memory") {
                group.memory = existing(&["/sys/fs/cgroup/memory"], path);
            }
        }
        group
    }

    fn headroom_bytes(&self) -> Option<u64> {
        let unified = self.unified.as_ref().and_then(|folder| {
            let limit = number(&folder.join("memory.max"))?;
            Some(limit.saturating_sub(number(&folder.join("memory.current"))?))
        });
        let memory = self.memory.as_ref().and_then(|folder| {
            let limit = number(&folder.join("memory.limit_in_bytes"))?;
            Some(limit.saturating_sub(number(&folder.join("memory.usage_in_bytes"))?))
        });
        unified.into_iter().chain(memory).min()
    }

    fn kills(&self) -> Option<u64> {
        let count = |folder: &Option<PathBuf>, file: &str| {
            let text = std::fs::read_to_string(folder.as_ref()?.join(file)).ok()?;
            field(&text, "oom_kill")
        };
        count(&self.unified, "memory.events").or_else(|| count(&self.memory, "memory.oom_control"))
    }
}

/// The folder of a control group under one of these mounts; inside a container the path may be that of the host, and
/// the mount itself is the group.
fn existing(mounts: &[&str], path: &str) -> Option<PathBuf> {
    let candidates = mounts.iter().flat_map(|mount| [PathBuf::from(mount).join(path), PathBuf::from(mount)]);
    candidates.into_iter().find(|folder| {
        ["memory.max", "memory.events", "memory.oom_control"].iter().any(|file| folder.join(file).exists())
    })
}

/// The number that a file holds alone; `None` for `max`.
fn number(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The number after a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        if words.next() == Some(name) { words.next()?.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(field(text, "oom_kill"), Some(3));
        assert_eq!(field("MemAvailable:   22570920 kB", "MemAvailable:"), Some(22_570_920));
        assert_eq!(field(text, "oom"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_of_a_run_does_not_count_what_came_before() {
        let block = std::hint::black_box(vec![1_u8; 200 << 20]);
        let before = own_peak_rss_bytes().unwrap();
        assert!(before > 200 << 20, "{before}");
        drop(block);
        reset_peak_rss();
        let after = own_peak_rss_bytes().unwrap();
        assert!(after < before - (100 << 20), "{before} then {after}");
        assert!(available_bytes().unwrap() > 0);
    }

    #[test]
    fn the_resident_set_of_this_process_is_known_on_every_system() {
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(rss_bytes(std::process::id()).unwrap() > 64 << 20);
        drop(block);
        assert!(available_bytes().unwrap() > 0);
    }
}
