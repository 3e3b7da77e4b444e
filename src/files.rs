//! Files appear under their final name only when whole: whoever opens one sees the old one or the new one.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Writes a file under a temporary name and renames it.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let folder = path.parent().with_context(failed)?;
    let mut draft = draft(0o666).tempfile_in(folder).with_context(failed)?;
    draft.write_all(bytes).with_context(failed)?;
    draft.persist(path).map_err(|error| error.error).with_context(failed)?;
    Ok(())
}

/// Fills a fresh folder with files and moves it into the place of an older one, of which nothing stays.
///
/// # Errors
/// A folder that cannot be written or replaced.
pub fn replace_folder(place: &Path, files: &[(String, &[u8])]) -> anyhow::Result<Vec<PathBuf>> {
    let failed = || format!("cannot replace {}", place.display());
    let parent = place.parent().with_context(failed)?;
    let fresh = draft(0o777).tempdir_in(parent).with_context(failed)?;
    for (name, bytes) in files {
        std::fs::write(fresh.path().join(name), bytes).with_context(failed)?;
    }
    // A folder cannot be renamed over another that holds files, so the older one steps aside first.
    let aside = draft(0o777).tempdir_in(parent).with_context(failed)?;
    if place.exists() {
        std::fs::rename(place, aside.path().join("old")).with_context(failed)?;
    }
    std::fs::rename(fresh.path(), place).with_context(failed)?;
    // It has moved: there is nothing left to remove under its temporary name.
    let _ = fresh.keep();
    Ok(files.iter().map(|(name, _)| place.join(name)).collect())
}

/// Temporary names are hidden, but unlike other temporary files these are for everyone to read that the umask allows.
fn draft(mode: u32) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".draft-").permissions(Permissions::from_mode(mode));
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
        let written = replace_folder(&place, &[("fresh.svg".to_string(), b"new")]).unwrap();
        assert_eq!(written, [place.join("fresh.svg")]);
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
}
