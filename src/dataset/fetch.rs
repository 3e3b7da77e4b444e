//! Downloads a trace of the catalog: under a temporary name, resumed where it broke off, checked before it counts.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use sha2::{Digest, Sha256};
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

use super::catalog::CatalogEntry;
use crate::files::write_whole;
use crate::text::hex;

/// How a file came to be in the dataset folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// It was there, and is the published file.
    AlreadyHere(PathBuf),
    /// It came with burstlab and was copied from there.
    Copied(PathBuf),
    /// It was downloaded and is the published file.
    Downloaded(PathBuf),
    /// It is there, but no hash is known that it could be verified against: its path and its SHA-256.
    Unverified(PathBuf, String),
}

/// Brings a trace of the catalog into the dataset folder `folder`, from `url`.
///
/// What has arrived lies in `<file>.part` until it is whole and has an SHA-256 of the catalog, if that has any; then it
/// is renamed. A later call goes on where an earlier one broke off. `progress` is told how many bytes are there, and how
/// many there will be where that is known.
///
/// # Errors
/// A server that cannot be reached, that has no such file, breaks off or sends something else; a folder that cannot
/// be written; a file of that name with other content. Each error names the remedy.
pub fn fetch(
    entry: &CatalogEntry,
    url: &str,
    folder: &Path,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> anyhow::Result<Fetched> {
    let path = folder.join(&entry.file);
    if path.exists() {
        let sha256 =
            File::open(&path).and_then(sha256).with_context(|| format!("cannot read {}", path.display()))?;
        return published(entry, path, sha256);
    }
    let mut part = PartialDownload::open(&path)?;
    if !part.is_whole(entry)? {
        let downloaded = download(entry, url, &path, &mut part, progress);
        if downloaded.is_err() && part.length()? == 0 {
            part.remove()?;
        }
        downloaded?;
    }
    part.finish(entry, &path)
}

/// Puts a trace that comes with burstlab into the dataset folder.
///
/// # Errors
/// A folder that cannot be written; a file of that name with other content.
pub fn copy_compiled_in(entry: &CatalogEntry, bytes: &[u8], folder: &Path) -> anyhow::Result<Fetched> {
    let path = folder.join(&entry.file);
    if path.exists() {
        let sha256 =
            File::open(&path).and_then(sha256).with_context(|| format!("cannot read {}", path.display()))?;
        return published(entry, path, sha256);
    }
    let parent = path.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent).map_err(|error| cannot_write(parent, &error))?;
    write_whole(&path, bytes)?;
    Ok(Fetched::Copied(path))
}

/// A file that somebody else put there is left alone, whatever it is.
fn published(entry: &CatalogEntry, path: PathBuf, sha256: String) -> anyhow::Result<Fetched> {
    if entry.sha256.is_empty() {
        return Ok(Fetched::Unverified(path, sha256));
    }
    if entry.sha256.contains(&sha256) {
        return Ok(Fetched::AlreadyHere(path));
    }
    bail!(
        "{} is there but is not the published file (its SHA-256 is {sha256}); move it away, then fetch again",
        path.display()
    )
}

fn download(
    entry: &CatalogEntry,
    url: &str,
    path: &Path,
    part: &mut PartialDownload,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> anyhow::Result<()> {
    let by_hand = format!("or download the file by hand to {} and fetch again to check it", path.display());
    let (response, start) = request(url, part.length()?).map_err(|error| match error {
        ureq::Error::StatusCode(status) => {
            anyhow!(
                "{url} answers {}; the file may have moved: try again later, {by_hand}",
                status_text(status)
            )
        }
        error => anyhow!("cannot download {url}: {error}; check the network and try again, {by_hand}"),
    })?;
    part.cut_to(start)?;
    let total = entry.bytes.or_else(|| Some(start + response.body().content_length()?));
    let mut body = response.into_body().into_reader();
    let mut buffer = vec![0; 1 << 16];
    let mut length = start;
    loop {
        progress(length, total);
        let count = match body.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => bail!(
                "the connection broke after {length}{} bytes ({error}); run the same command again to go on from there",
                total.map_or(String::new(), |total| format!(" of {total}"))
            ),
        };
        part.write(&buffer[..count])?;
        length += count as u64;
        if let Some(bytes) = entry.bytes
            && length > bytes
        {
            part.cut_to(0)?;
            bail!(
                "{url} sends more than the {bytes} bytes of the published file, and what came was deleted; try again \
                 later, {by_hand}"
            );
        }
    }
}

/// Asks for the bytes from `start` on. Returns the answer and where it starts: at 0 if the server knows no ranges, or
/// has fewer bytes than are here.
fn request(url: &str, start: u64) -> Result<(Response<Body>, u64), ureq::Error> {
    let agent: Agent = Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_per_read(Some(Duration::from_mins(1)))
        .user_agent(concat!("burstlab/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    if start == 0 {
        return Ok((agent.get(url).call()?, 0));
    }
    match agent.get(url).header(header::RANGE, format!("bytes={start}-")).call() {
        Ok(response) if response.status() != StatusCode::PARTIAL_CONTENT => Ok((response, 0)),
        Ok(response) if starts_at(&response, start) => Ok((response, start)),
        Ok(_) | Err(ureq::Error::StatusCode(416)) => Ok((agent.get(url).call()?, 0)),
        Err(error) => Err(error),
    }
}

fn starts_at(response: &Response<Body>, start: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE);
    range.is_some_and(|range| range.as_bytes().starts_with(format!("bytes {start}-").as_bytes()))
}

fn status_text(status: u16) -> String {
    StatusCode::from_u16(status).map_or_else(|_| status.to_string(), |status| status.to_string())
}

/// The file that a download is written to; it is locked, so that two downloads never mix.
struct PartialDownload {
    path: PathBuf,
    file: File,
}

impl PartialDownload {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let part_path = PathBuf::from(name);
        let opened = part_path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| {
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&part_path)
        });
        let part = Self { file: opened.map_err(|error| cannot_write(&part_path, &error))?, path: part_path };
        match part.file.try_lock() {
            Ok(()) => Ok(part),
            Err(TryLockError::WouldBlock) => {
                bail!("{} is being downloaded by another process; wait for it", part.path.display())
            }
            Err(TryLockError::Error(error)) => Err(part.failed(&error)),
        }
    }

    /// Whether nothing is left to download: by its size where that is known, else by its content.
    fn is_whole(&mut self, entry: &CatalogEntry) -> anyhow::Result<bool> {
        let length = self.length()?;
        match entry.bytes {
            Some(bytes) => Ok(length >= bytes),
            None => Ok(length > 0 && entry.sha256.contains(&self.sha256()?)),
        }
    }

    fn sha256(&mut self) -> anyhow::Result<String> {
        self.file.rewind().and_then(|()| sha256(&self.file)).map_err(|error| self.failed(&error))
    }

    fn length(&self) -> anyhow::Result<u64> {
        let metadata = self.file.metadata().map_err(|error| self.failed(&error))?;
        Ok(metadata.len())
    }

    /// Keeps the first `length` bytes; the next write comes behind them.
    fn cut_to(&mut self, length: u64) -> anyhow::Result<()> {
        if self.length()? != length {
            self.file.set_len(length).map_err(|error| self.failed(&error))?;
        }
        self.file.seek(SeekFrom::Start(length)).map_err(|error| self.failed(&error))?;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| self.failed(&error))
    }

    fn remove(&self) -> anyhow::Result<()> {
        std::fs::remove_file(&self.path).map_err(|error| self.failed(&error))
    }

    /// Gives the file its name if it is the published one, and deletes it otherwise.
    fn finish(mut self, entry: &CatalogEntry, path: &Path) -> anyhow::Result<Fetched> {
        self.file.sync_all().map_err(|error| self.failed(&error))?;
        let found = self.sha256()?;
        if !entry.sha256.is_empty() && !entry.sha256.contains(&found) {
            let length = self.length()?;
            self.remove()?;
            bail!(
                "the {length} bytes that came are not the published file (SHA-256 {found}, expected {}) and were \
                 deleted; fetch again, and if that does not help the publisher has changed the file",
                entry.sha256.join(" or ")
            )
        }
        std::fs::rename(&self.path, path).map_err(|error| cannot_write(path, &error))?;
        if entry.sha256.is_empty() {
            return Ok(Fetched::Unverified(path.to_path_buf(), found));
        }
        Ok(Fetched::Downloaded(path.to_path_buf()))
    }

    fn failed(&self, error: &io::Error) -> anyhow::Error {
        cannot_write(&self.path, error)
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> anyhow::Error {
    let remedy = if error.kind() == io::ErrorKind::StorageFull {
        "free some space, or choose a folder on another disk with BURSTLAB_DATASET"
    } else {
        "make the folder writable, or choose another with BURSTLAB_DATASET"
    };
    anyhow!("cannot write {}: {error}; {remedy}", path.display())
}

fn sha256(mut file: impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hasher.finalize())),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
