//! Who owns a running attempt: a supervisor that holds a lock on a file of its own for as long as it lives.
//!
//! The operating system gives the lock back when the process ends, however it ends, and not before: a supervisor that is
//! stopped (SIGSTOP) still owns its runs. Neither a clock nor a heartbeat is needed, and neither are numbers of processes,
//! which say nothing across containers and hosts. All of that rests on the locks of the file system that holds the results;
//! where it has none, no run can be claimed.

use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::files;
use crate::system::process::host_name;

/// Folder of the lock files, in the results folder.
const FOLDER: &str = ".supervisors";

/// What the owner of an attempt begins with where it names a lock file.
const LOCK: &str = "lock ";

/// A supervisor's own lock. While it is held, what it claims is its own.
#[derive(Debug)]
pub struct OwnLock {
    id: String,
    path: PathBuf,
    /// Holds the lock.
    _file: File,
}

impl OwnLock {
    /// Takes a lock under a name that nobody has had before.
    ///
    /// # Errors
    /// A folder that cannot be written, or a file system without locks.
    pub fn take(results: &Path) -> anyhow::Result<Self> {
        let folder = results.join(FOLDER);
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("cannot make the folder {}", folder.display()));
            }
            _ => {}
        }
        let id = unused_id();
        let path = folder.join(&id);
        let file = files::create_locked(&path)?;
        Ok(Self { id, path, _file: file })
    }

    /// The owner, as attempts name it.
    pub fn owner(&self) -> String {
        format!("{LOCK}{}", self.id)
    }
}

impl Drop for OwnLock {
    fn drop(&mut self) {
        // Without the file its owner counts as dead just as well; one that stays is removed by the next supervisor.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether the owner of an attempt still lives.
///
/// # Errors
/// A file system that does not tell.
pub fn is_alive(results: &Path, owner: &str) -> anyhow::Result<bool> {
    let Some(id) = owner.strip_prefix(LOCK) else {
        return Ok(ProcessOwner::parse(owner).is_some_and(|process| process.is_alive()));
    };
    let path = results.join(FOLDER).join(id);
    is_locked(&path)
        .with_context(|| files::cannot_lock(&path))
        .with_context(|| format!("cannot tell whether the supervisor {id} lives"))
}

/// Whether any supervisor of these results still lives.
///
/// # Errors
/// A file system that does not tell.
pub fn any_alive(results: &Path) -> anyhow::Result<bool> {
    let Ok(entries) = std::fs::read_dir(results.join(FOLDER)) else { return Ok(false) };
    for entry in entries.flatten() {
        let path = entry.path();
        if is_locked(&path).with_context(|| files::cannot_lock(&path))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes the lock files of supervisors that are dead.
pub fn clear_dead(results: &Path) {
    let folder = results.join(FOLDER);
    files::clear_drafts(&folder);
    let Ok(entries) = std::fs::read_dir(&folder) else { return };
    for entry in entries.flatten() {
        let is_draft = entry.file_name().to_str().is_none_or(files::is_draft);
        let path = entry.path();
        // A name is never used again, so nobody can lock the file between the two.
        if !is_draft && is_locked(&path).is_ok_and(|locked| !locked) {
            // One that cannot be removed does no harm.
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// Whether some process holds the lock on a file. A shared lock asks: those who ask do not take each other for the owner.
fn is_locked(path: &Path) -> std::io::Result<bool> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A name for a lock file: host and process for people who look, and a random number that makes it the only one.
fn unused_id() -> String {
    let host = host_name().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let host: String = host.chars().take(64).map(plain).collect();
    let random = RandomState::new().build_hasher().finish();
    format!("{host}-{}-{random:016x}", std::process::id())
}

/// The owner as attempts of earlier versions name it: a process by boot id, number and start time. It is judged by them
/// still, so that a run of a supervisor that was started before an upgrade is not taken away from it.
#[derive(Debug, PartialEq)]
struct ProcessOwner {
    boot: String,
    pid: u32,
    started: String,
}

impl ProcessOwner {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        let (boot, pid, started) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { boot: boot.to_string(), pid: pid.parse().ok()?, started: started.to_string() })
    }

    /// Whether that very process still runs. Only on Linux did those versions know boots and start times; elsewhere they
    /// wrote neither, and such an owner is dead.
    fn is_alive(&self) -> bool {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        self.boot == boot.trim() && start_time(self.pid).is_some_and(|started| started == self.started)
    }
}

/// Clock ticks from boot to the start of a process; `None` if there is none, or only its remains. No library gives the
/// ticks, and in seconds two processes of one number could be taken for each other.
fn start_time(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold spaces and brackets itself, so fields are counted from its end.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let is_zombie = fields.first().is_some_and(|state| *state == "Z");
    if is_zombie { None } else { fields.get(19).map(ToString::to_string) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_lives_as_long_as_its_lock_is_held() {
        let results = tempfile::tempdir().unwrap();
        let (one, other) = (OwnLock::take(results.path()).unwrap(), OwnLock::take(results.path()).unwrap());
        let owners = [one.owner(), other.owner()];
        assert_ne!(owners[0], owners[1]);
        assert!(owners.iter().all(|owner| is_alive(results.path(), owner).unwrap()));
        drop(one);
        assert_eq!(owners.map(|owner| is_alive(results.path(), &owner).unwrap()), [false, true]);
    }

    #[test]
    fn those_who_ask_do_not_take_each_other_for_the_owner() {
        let results = tempfile::tempdir().unwrap();
        let own = OwnLock::take(results.path()).unwrap();
        let (owner, path) = (own.owner(), own.path.clone());
        std::mem::forget(own);
        let dead = path.with_file_name("dead");
        std::fs::write(&dead, "").unwrap();
        let asking = File::open(&dead).unwrap();
        asking.try_lock_shared().unwrap();
        assert!(!is_alive(results.path(), "lock dead").unwrap());
        assert!(is_alive(results.path(), &owner).unwrap());
    }

    #[test]
    fn the_files_of_dead_owners_are_cleared_and_those_of_living_ones_stay() {
        let results = tempfile::tempdir().unwrap();
        clear_dead(results.path());
        let living = OwnLock::take(results.path()).unwrap();
        let dead = living.path.with_file_name("dead");
        std::fs::write(&dead, "").unwrap();
        clear_dead(results.path());
        assert!(!dead.exists() && living.path.exists());
        assert!(is_alive(results.path(), &living.owner()).unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn owners_of_earlier_versions_are_judged_by_boot_number_and_start() {
        let results = tempfile::tempdir().unwrap();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let (boot, pid) = (boot.trim(), std::process::id());
        let started = start_time(pid).unwrap();
        let alive = |owner: String| is_alive(results.path(), &owner).unwrap();
        assert!(alive(format!("{boot} {pid} {started}")));
        assert!(!alive(format!("{boot} {pid} {started}1")), "another process has the number now");
        assert!(!alive(format!("another-boot {pid} {started}")));
        assert!(!alive(String::new()));
    }
}
