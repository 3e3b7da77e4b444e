//! Files that a user names to be written. They never take the place of what is read, nor of another file unasked, and
//! they replace an older one only whole.

use std::fs::{File, Metadata, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::whole::{draft, hold};

/// What becomes of a file that is there already.
#[derive(Debug, Clone, Copy)]
pub enum Existing {
    /// It stays, and nothing is written.
    Keep,
    /// It is replaced.
    Replace,
    /// It is replaced if this says that it is an older file of the same kind.
    ReplaceIf(fn(&Path) -> bool),
}

impl Existing {
    /// Replaces under `--force`, else as `otherwise` says.
    pub fn forced(force: bool, otherwise: Self) -> Self {
        if force { Existing::Replace } else { otherwise }
    }
}

/// Why nothing is written to a path.
#[derive(Debug, thiserror::Error)]
pub enum OutputRefusal {
    /// It is a folder.
    #[error("{} is a folder; name a file in it", .0.display())]
    Folder(PathBuf),
    /// Its folder is not there.
    #[error("{} cannot be written, since there is no folder {}; make it first", .0.display(), .1.display())]
    NoFolder(PathBuf, PathBuf),
    /// It is what is read.
    #[error("{} is read by this command{} and would be lost; name another file to write", .0.display(), as_path(.0, .1))]
    Input(PathBuf, PathBuf),
    /// It is in a folder of what is read.
    #[error("{} lies among the files of {}, which this command reads; name a file elsewhere", .0.display(), .1.display())]
    AmongInputs(PathBuf, PathBuf),
    /// It is there.
    #[error("{} is there already; name another file, or add --force to replace it", .0.display())]
    Exists(PathBuf),
}

/// A file to write.
#[derive(Debug)]
pub struct OutputFile {
    /// The path as the user gave it.
    path: PathBuf,
    /// Where a link leads that stands there.
    place: PathBuf,
    /// The file that is there.
    older: Option<Metadata>,
}

impl OutputFile {
    /// Looks at a path before anything is computed for it. `inputs` are the files and folders that the command reads, by
    /// whatever names; standard input is one of them.
    ///
    /// # Errors
    /// A path that must not or cannot be written.
    pub fn new(path: &Path, inputs: &[PathBuf], existing: Existing) -> Result<Self, OutputRefusal> {
        let given = || path.to_path_buf();
        // Files are replaced where a link leads: the link itself stays, as with a shell's `>`.
        let place = path.canonicalize().unwrap_or_else(|_| given());
        let older = std::fs::metadata(path).ok();
        let folder = folder_of(&place);
        if older.as_ref().is_some_and(Metadata::is_dir) || path.file_name().is_none() {
            return Err(OutputRefusal::Folder(given()));
        }
        let Ok(folder) = folder.canonicalize() else {
            return Err(OutputRefusal::NoFolder(given(), folder.to_path_buf()));
        };
        for input in inputs {
            if input.is_dir() && input.canonicalize().is_ok_and(|input| folder.starts_with(input)) {
                return Err(OutputRefusal::AmongInputs(given(), input.clone()));
            }
        }
        if let Some(older) = older.as_ref().filter(|older| older.is_file()) {
            let stdin = PathBuf::from("/dev/stdin");
            let is_older = |input: &&PathBuf| identity(input).is_some_and(|input| input == id_of(older));
            if let Some(input) = inputs.iter().chain([&stdin]).find(is_older) {
                return Err(OutputRefusal::Input(given(), input.clone()));
            }
            let replaces = match existing {
                // `mktemp` makes an empty file, of which nothing can be lost.
                _ if older.len() == 0 => true,
                Existing::Keep => false,
                Existing::Replace => true,
                Existing::ReplaceIf(is_of_kind) => is_of_kind(path),
            };
            if !replaces {
                return Err(OutputRefusal::Exists(given()));
            }
        }
        Ok(Self { path: given(), place, older })
    }

    /// The path as the user gave it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file under a temporary name and renames it; an older one keeps its permissions. Pipes and devices have
    /// no older content and are written as they are.
    ///
    /// # Errors
    /// A folder or a device that cannot be written, or what the function fails with.
    pub fn write(&self, write: impl FnOnce(&mut File) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let failed = || format!("cannot write {}", self.path.display());
        if self.older.as_ref().is_some_and(|older| !older.is_file()) {
            let mut device = OpenOptions::new().write(true).open(&self.path).with_context(failed)?;
            return write(&mut device).with_context(failed);
        }
        let mut draft = draft(0o666).tempfile_in(folder_of(&self.place)).with_context(failed)?;
        let _held = hold(draft.path());
        if let Some(older) = &self.older {
            draft.as_file().set_permissions(older.permissions()).with_context(failed)?;
        }
        write(draft.as_file_mut()).with_context(failed)?;
        // A disk that is full may say so only now.
        draft.as_file().sync_all().with_context(failed)?;
        draft.persist(&self.place).map_err(|error| error.error).with_context(failed)?;
        Ok(())
    }

    /// As [`Self::write`], of bytes.
    ///
    /// # Errors
    /// A folder or a device that cannot be written.
    pub fn write_bytes(&self, bytes: &[u8]) -> anyhow::Result<()> {
        self.write(|file| Ok(file.write_all(bytes)?))
    }
}

/// Whether two paths lead to one file, by whatever links, mounts and spellings.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    identity(one).is_some_and(|one| identity(other) == Some(one))
}

/// Whether a file begins with this text, in any case.
pub fn begins_with(path: &Path, text: &str) -> bool {
    use std::io::Read;
    let mut start = vec![0; text.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start.eq_ignore_ascii_case(text.as_bytes())
}

/// The path of an input in brackets, where it is not the path that the user gave for the output.
fn as_path(output: &Path, input: &Path) -> String {
    if output == input { String::new() } else { format!(" (as {})", input.display()) }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|metadata| id_of(&metadata))
}

fn id_of(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A folder with the files `a` and `b`.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        folder
    }

    #[test]
    fn an_input_is_never_written_by_whatever_name() {
        let folder = folder();
        let input = folder.path().join("a");
        let (link, hard) = (folder.path().join("link"), folder.path().join("hard"));
        symlink(&input, &link).unwrap();
        std::fs::hard_link(&input, &hard).unwrap();
        let around = folder.path().join("../").join(folder.path().file_name().unwrap()).join("a");
        for path in [&input, &link, &hard, &around] {
            let refused = OutputFile::new(path, std::slice::from_ref(&input), Existing::Replace).unwrap_err();
            assert!(matches!(refused, OutputRefusal::Input(..)), "{}: {refused}", path.display());
        }
        let inside =
            OutputFile::new(&folder.path().join("new"), &[folder.path().to_path_buf()], Existing::Replace);
        assert!(matches!(inside.unwrap_err(), OutputRefusal::AmongInputs(..)));
    }

    #[test]
    fn another_file_is_replaced_only_when_asked_and_then_whole() {
        let folder = folder();
        let path = folder.path().join("b");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let inputs = [folder.path().join("a")];
        let refused = OutputFile::new(&path, &inputs, Existing::Keep).unwrap_err();
        assert!(refused.to_string().contains("--force"), "{refused}");
        let is_b = |path: &Path| begins_with(path, "B");
        assert!(OutputFile::new(&path, &inputs, Existing::ReplaceIf(is_b)).is_ok());
        assert!(OutputFile::new(&path, &inputs, Existing::ReplaceIf(|_| false)).is_err());
        let output = OutputFile::new(&path, &inputs, Existing::Replace).unwrap();
        let cut = output.write(|file| {
            file.write_all(b"half")?;
            anyhow::bail!("no more")
        });
        assert!(cut.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"b", "a write that fails leaves the older file");
        output.write_bytes(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no draft is left");
    }

    #[test]
    fn an_empty_file_is_filled_without_asking() {
        let empty = tempfile::NamedTempFile::new().unwrap();
        OutputFile::new(empty.path(), &[], Existing::Keep).unwrap().write_bytes(b"new").unwrap();
        assert_eq!(std::fs::read(empty.path()).unwrap(), b"new");
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = folder();
        let link = folder.path().join("link");
        symlink(folder.path().join("b"), &link).unwrap();
        OutputFile::new(&link, &[], Existing::Replace).unwrap().write_bytes(b"new").unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read(folder.path().join("b")).unwrap(), b"new");
    }

    #[test]
    fn a_pipe_is_written_and_not_replaced() {
        let folder = folder();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let output = OutputFile::new(&pipe, &[], Existing::Keep).unwrap();
        let read = std::thread::scope(|scope| {
            let reader = scope.spawn(|| std::fs::read(&pipe).unwrap());
            output.write_bytes(b"through").unwrap();
            reader.join().unwrap()
        });
        assert_eq!(read, b"through");
        assert!(!std::fs::metadata(&pipe).unwrap().is_file());
    }

    #[test]
    fn folders_and_missing_folders_are_refused_before_anything_is_computed() {
        let folder = folder();
        let told = |path: &Path| OutputFile::new(path, &[], Existing::Replace).unwrap_err().to_string();
        assert!(told(folder.path()).contains("is a folder"));
        assert!(told(&folder.path().join("no/x.csv")).contains("there is no folder"));
    }
}
