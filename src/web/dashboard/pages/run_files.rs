//! The files of a run, and nothing else of this machine.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use super::super::Visit;
use super::super::address::{encoded, run_link};
use super::super::answer::{PageAnswer, PageFault};
use crate::store::run_folder;
use crate::text::grouped;

/// Files that are listed; there are more in an ensemble of many members.
const MOST_FILES: usize = 200;

/// A file of a run.
pub struct RunFile {
    /// Below the run's folder.
    path: PathBuf,
    bytes: u64,
}

impl RunFile {
    /// Its path below the run's folder, for people.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Its size, for people.
    pub fn size(&self) -> String {
        match self.bytes {
            bytes if bytes < 10_000 => format!("{} bytes", grouped(bytes)),
            bytes if bytes < 10_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
            bytes => format!("{:.0} MB", bytes as f64 / 1e6),
        }
    }

    /// Where it is sent from.
    pub fn link(&self, run_id: &str) -> String {
        let parts = self.path.components().map(|part| encoded(&part.as_os_str().to_string_lossy()));
        format!("{}/files/{}", run_link(run_id), parts.collect::<Vec<_>>().join("/"))
    }
}

/// The first files of a run, and how many it has; links are not followed.
pub fn list(results: &Path, run_id: &str) -> (Vec<RunFile>, usize) {
    let folder = run_folder(results, run_id);
    let entries = WalkDir::new(&folder).sort_by_file_name().into_iter().filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_file()).filter_map(|entry| {
        let bytes = entry.metadata().ok()?.len();
        Some(RunFile { path: entry.path().strip_prefix(&folder).ok()?.to_path_buf(), bytes })
    });
    let mut files: Vec<RunFile> = files.collect();
    let count = files.len();
    files.truncate(MOST_FILES);
    (files, count)
}

/// Sends a file.
pub fn page(visit: &Visit<'_>) -> Result<PageAnswer, PageFault> {
    let mut store = visit.dashboard.open()?;
    let run_id = store.resolve_run(visit.address.capture("id")).map_err(PageFault::of_lookup)?;
    let asked = visit.address.capture("file");
    let missing = || PageFault::Missing(format!("run {run_id} has no file `{asked}`"));
    let folder = run_folder(visit.results(), &run_id);
    let file = open_within(&folder, asked).ok_or_else(missing)?;
    let bytes = file.metadata().map_err(|_| missing())?.len();
    let name = Path::new(asked).file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
    Ok(PageAnswer::Stream { name: format!("{run_id}-{name}"), file, bytes })
}

/// Opens a file below a folder; `None` for anything that is not one, or that lies elsewhere, as a link may.
fn open_within(folder: &Path, asked: &str) -> Option<File> {
    let relative = Path::new(asked);
    if asked.contains('\0') || !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let whole = folder.canonicalize().ok()?;
    let path = whole.join(relative).canonicalize().ok()?;
    (path.starts_with(&whole) && path.is_file()).then(|| File::open(path).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_folder_are_opened() {
        let results = tempfile::tempdir().unwrap();
        let folder = results.path().join("runs/abc");
        std::fs::create_dir_all(folder.join("plots")).unwrap();
        std::fs::write(folder.join("run.toml"), "x").unwrap();
        std::fs::write(folder.join("plots/a b.svg"), "x").unwrap();
        std::fs::write(results.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(results.path().join("secret"), folder.join("link")).unwrap();
        std::os::unix::fs::symlink(results.path(), folder.join("way")).unwrap();
        for inside in ["run.toml", "plots/a b.svg"] {
            assert!(open_within(&folder, inside).is_some(), "{inside}");
        }
        let secret = results.path().join("secret").display().to_string();
        for outside in [
            "../../secret",
            "plots/../../../secret",
            "link",
            "way/secret",
            "plots",
            "",
            ".",
            "nosuch",
            &secret,
            "a\0b",
        ] {
            assert!(open_within(&folder, outside).is_none(), "{outside}");
        }
        let (listed, count) = list(results.path(), "abc");
        let listed: Vec<String> = listed.iter().map(RunFile::name).collect();
        assert_eq!((listed, count), (vec!["plots/a b.svg".to_string(), "run.toml".to_string()], 2));
    }
}
