//! Files appear under their final name only when whole: whoever opens one sees the old one or the new one.

use std::fs::{File, Permissions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::Context;
use tempfile::TempDir;

use crate::system::process::is_alive;

/// Writes a file under a temporary name and renames it.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_whole_with(path, |file| Ok(file.write_all(bytes)?))
}

/// As [`write_whole`], with a function that writes the content.
///
/// # Errors
/// A folder that cannot be written, or what the function fails with.
pub fn write_whole_with(
    path: &Path,
    write: impl FnOnce(&mut File) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let folder = path.parent().with_context(failed)?;
    let mut draft = draft(0o666).tempfile_in(folder).with_context(failed)?;
    let _held = hold(draft.path());
    write(draft.as_file_mut()).with_context(failed)?;
    draft.persist(path).map_err(|error| error.error).with_context(failed)?;
    Ok(())
}

/// Fills a fresh folder with files and moves it into the place of an older one, of which nothing stays.
///
/// The two change places in one step where the file system can, so that at no instant neither is there.
///
/// # Errors
/// A folder that cannot be written or replaced.
pub fn replace_folder(place: &Path, files: &[(String, &[u8])]) -> anyhow::Result<()> {
    replace_folder_with(place, |folder| {
        files.iter().try_for_each(|(name, bytes)| Ok(std::fs::write(folder.join(name), bytes)?))
    })
}

/// As [`replace_folder`], with a function that fills the fresh folder.
///
/// # Errors
/// A folder that cannot be written or replaced, or what the function fails with.
pub fn replace_folder_with(
    place: &Path,
    fill: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let failed = || format!("cannot replace {}", place.display());
    let parent = place.parent().with_context(failed)?;
    let fresh = draft(0o777).tempdir_in(parent).with_context(failed)?;
    let _held = hold(fresh.path());
    fill(fresh.path()).with_context(failed)?;
    install(fresh, place).with_context(failed)
}

/// Copies the files of a folder into the place of an older one, of which nothing stays.
///
/// # Errors
/// A folder that cannot be read, written or replaced.
pub fn copy_folder(from: &Path, place: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot copy {} to {}", from.display(), place.display());
    let parent = place.parent().with_context(failed)?;
    let fresh = draft(0o777).tempdir_in(parent).with_context(failed)?;
    let _held = hold(fresh.path());
    for entry in std::fs::read_dir(from).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        if entry.file_type().with_context(failed)?.is_file() {
            std::fs::copy(entry.path(), fresh.path().join(entry.file_name())).with_context(failed)?;
        }
    }
    install(fresh, place).with_context(failed)
}

/// A folder for what is needed for a while: hidden, gone with this value, and removed by [`clear_drafts`] if its process dies
/// before.
#[derive(Debug)]
pub struct ScratchFolder {
    folder: TempDir,
    _held: Option<File>,
}

impl ScratchFolder {
    /// Makes one below `parent`.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn below(parent: &Path) -> anyhow::Result<Self> {
        let folder = draft(0o777).tempdir_in(parent);
        let folder = folder.with_context(|| format!("cannot make a folder in {}", parent.display()))?;
        Ok(Self { _held: hold(folder.path()), folder })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Makes a file that this process has locked before others can see its name; the lock ends with the process, or when the
/// file is closed.
///
/// # Errors
/// A folder that cannot be written, a file of this name, or a file system without locks.
pub fn create_locked(path: &Path) -> anyhow::Result<File> {
    create_locked_by(path, File::lock)
}

/// As [`create_locked`], with what takes the lock.
fn create_locked_by(path: &Path, lock: impl FnOnce(&File) -> std::io::Result<()>) -> anyhow::Result<File> {
    let failed = || format!("cannot write {}", path.display());
    let folder = path.parent().with_context(failed)?;
    let draft = draft(0o666).tempfile_in(folder).with_context(failed)?;
    lock(draft.as_file()).with_context(|| cannot_lock(path))?;
    draft.persist_noclobber(path).map_err(|error| error.error).with_context(failed)
}

/// What to say of a lock that cannot be had.
pub fn cannot_lock(path: &Path) -> String {
    format!(
        "cannot lock {}; burstlab knows by such locks who is at which run, so the results folder must be on a file \
         system that has them: a local disk, or NFS with its lock service; set BURSTLAB_RESULTS to one",
        path.display()
    )
}

/// Locks a draft while it is written. Where that cannot be done (a file system without locks, or without locks on
/// folders), the number in its name is all that tells whether its process lives.
pub(super) fn hold(draft: &Path) -> Option<File> {
    let file = File::open(draft).ok()?;
    file.try_lock_shared().ok()?;
    Some(file)
}

/// Whether somebody is writing a draft: in another container that may be a process that looks dead from here.
fn is_held(draft: &Path) -> bool {
    File::open(draft).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Removes what processes that are gone left unfinished in a folder. Drafts of living ones stay.
pub fn clear_drafts(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(DRAFT)?.split('-').next()?.parse().ok());
        if owner.is_some_and(|pid| !is_alive(pid)) && !is_held(&entry.path()) {
            // What cannot be removed is in nobody's way: it is hidden, and has no final name.
            let _ = std::fs::remove_dir_all(entry.path()).or_else(|_| std::fs::remove_file(entry.path()));
        }
    }
}

/// Whether a file of this name is one that is not finished, or never was.
pub fn is_draft(name: &str) -> bool {
    name.starts_with(DRAFT)
}

/// Moves a finished draft to its place. Others may do the same at the same time: then the last one stays.
fn install(fresh: TempDir, place: &Path) -> std::io::Result<()> {
    loop {
        match std::fs::rename(fresh.path(), place) {
            Ok(()) => {
                // It has moved: there is nothing left to remove under its temporary name.
                let _ = fresh.keep();
                return Ok(());
            }
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
            }
            Err(error) => return Err(error),
        }
        match exchange(fresh.path(), place) {
            // The older folder now has the temporary name, and goes with it.
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => step_aside(place)?,
        }
    }
}

/// Swaps two folders in one step: `renameat2` on Linux, `renameatx_np` on macOS.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn exchange(one: &Path, other: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

/// Other systems cannot swap: the older folder steps aside first.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn exchange(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Moves an older folder out of the way, on file systems that cannot swap.
fn step_aside(place: &Path) -> std::io::Result<()> {
    let parent = place.parent().unwrap_or(Path::new("."));
    let aside = draft(0o777).tempdir_in(parent)?;
    match std::fs::rename(place, aside.path().join("old")) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What to do about a file that cannot be written; `None` where the error says it all.
pub fn remedy(error: &std::io::Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Some(
            "free some space, or raise the quota, and give the same command again: what is recorded stays, and only \
             the rest runs",
        ),
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            Some("make the results folder writable, or set BURSTLAB_RESULTS to one that is")
        }
        _ => None,
    }
}

const DRAFT: &str = ".draft-";

/// Temporary names are hidden and name their process, so that what it leaves behind can be told from what it is at. But
/// unlike other temporary files these are for everyone to read that the umask allows.
pub(super) fn draft(mode: u32) -> tempfile::Builder<'static, 'static> {
    static PREFIX: LazyLock<String> = LazyLock::new(|| format!("{DRAFT}{}-", std::process::id()));
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX.as_str()).permissions(Permissions::from_mode(mode));
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_folder_keeps_nothing_of_the_older_one() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("plots");
        replace_folder(&place, &[("stale.svg".to_string(), b"old")]).unwrap();
        replace_folder(&place, &[("fresh.svg".to_string(), b"new")]).unwrap();
        assert!(!place.join("stale.svg").exists());
        assert_eq!(std::fs::read(place.join("fresh.svg")).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_written_file_replaces_the_older_one_whole() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("report.md");
        write_whole(&path, b"a long first text").unwrap();
        write_whole(&path, b"short").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"short");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o400, 0o400);
    }

    #[test]
    fn a_folder_is_always_there_while_many_replace_it() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("run");
        replace_folder(&place, &[("run.toml".to_string(), b"0")]).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4_u8 {
                let place = &place;
                scope.spawn(move || {
                    for _ in 0..50 {
                        replace_folder(place, &[("run.toml".to_string(), &[writer])]).unwrap();
                    }
                });
            }
            for _ in 0..1000 {
                assert!(place.is_dir());
            }
        });
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn drafts_of_dead_processes_are_cleared_and_those_of_living_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = folder.path().join(format!("{DRAFT}{}-abc", child.id()));
        child.wait().unwrap();
        let living = folder.path().join(format!("{DRAFT}{}-abc", std::process::id()));
        for path in [&dead, &living] {
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join("model.safetensors"), b"half").unwrap();
        }
        clear_drafts(folder.path());
        assert!(!dead.exists() && living.exists());
    }

    #[test]
    fn a_draft_that_somebody_holds_stays_although_its_process_looks_dead() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let draft = folder.path().join(format!("{DRAFT}{}-abc", child.id()));
        child.wait().unwrap();
        std::fs::create_dir(&draft).unwrap();
        let held = hold(&draft);
        assert!(held.is_some());
        clear_drafts(folder.path());
        assert!(draft.exists());
        drop(held);
        clear_drafts(folder.path());
        assert!(!draft.exists());
    }

    #[test]
    fn a_locked_file_is_locked_from_the_first_moment_and_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let file = create_locked(&path).unwrap();
        assert!(is_held(&path));
        assert!(create_locked(&path).unwrap_err().to_string().contains("cannot write"));
        drop(file);
        assert!(!is_held(&path));
    }

    #[test]
    fn a_file_system_without_locks_leaves_no_file_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let error = create_locked_by(&path, |_| Err(ErrorKind::Unsupported.into())).unwrap_err();
        assert!(format!("{error:#}").starts_with(&format!("cannot lock {}", path.display())), "{error:#}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_lock_that_cannot_be_had_is_told_with_what_to_do() {
        let told = cannot_lock(Path::new("/mnt/share/results/.supervisors/a"));
        assert!(told.contains("/mnt/share/results/.supervisors/a"), "{told}");
        assert!(told.contains("set BURSTLAB_RESULTS"), "{told}");
    }
}
