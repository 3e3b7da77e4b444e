//! Prepared data on disk: large sources are parsed once, and workers share the pages of one file.
//!
//! An entry is found by the content of its source and by everything that its preparation depends on, so that one that is
//! stale is never asked for. Each says how long it is and carries checksums, so that one that is torn is never used.
//! Entries may be removed at any time.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use bytemuck::Pod;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::prepared::{Prepared, SliceFacts};
use super::scale::Scaler;
use super::steps::{Channel, Steps};
use super::values::{MappedFile, Values};
use super::windows::ScaledSteps;
use super::zone::Zone;
use crate::files;
use crate::spec::RunSpec;
use crate::text::hex;

/// Sources of fewer bytes are parsed faster than an entry is looked up and written.
pub(super) const SMALLEST_SOURCE: u64 = 4 << 20;

/// Entries that nobody used for so long are removed when another is kept.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(14 * 24);

/// Raised whenever the preparation gives other numbers, or an entry another form.
const FORMAT: u32 = 3;

/// The first bytes of an entry. Read as numbers on a machine of the other byte order, nothing behind them would fit.
const MAGIC: &[u8; 8] = b"burstlab";

/// Numbers begin at a multiple of this, as wide registers like them.
const ALIGNMENT: usize = 64;

const SUFFIX: &str = "prepared";

/// A folder of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cache {
    folder: PathBuf,
}

/// What stands before the numbers.
#[derive(Serialize, Deserialize)]
struct Header {
    channels: Vec<Channel>,
    targets: usize,
    scaler: Scaler,
    #[serde(flatten)]
    slice: SliceFacts,
    /// Bytes and checksum of the steps' times, their values, the inputs and the targets.
    blocks: [Block; 4],
}

#[derive(Serialize, Deserialize, Clone, Copy)]
struct Block {
    bytes: usize,
    crc32: u32,
}

impl Block {
    fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len(), crc32: crc32fast::hash(bytes) }
    }
}

impl Cache {
    /// The folder that `BURSTLAB_CACHE` names, or that is usual; `None` where it says `off`, or nothing is usual.
    pub fn usual() -> Option<Self> {
        let folder = match std::env::var_os("BURSTLAB_CACHE") {
            Some(off) if off == "off" => return None,
            Some(folder) => PathBuf::from(folder),
            None => {
                let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
                let caches = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)?;
                caches.join("burstlab").join("prepared")
            }
        };
        Some(Self { folder })
    }

    /// The entry of a source with this content, prepared in this way.
    pub fn entry(&self, source_sha256: &str, preparation: &str) -> PathBuf {
        let version = env!("CARGO_PKG_VERSION");
        let key = json!([FORMAT, version, source_sha256, preparation, cfg!(target_endian = "big")]);
        self.folder.join(format!("{}.{SUFFIX}", hex(&Sha256::digest(key.to_string().as_bytes()))))
    }

    /// Keeps prepared data for other processes, and forgets what nobody uses.
    ///
    /// # Errors
    /// A folder that cannot be written. Nothing is left half.
    pub fn keep(&self, entry: &Path, prepared: &Prepared) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make the folder {}", self.folder.display()))?;
        self.forget();
        files::write_whole_with(entry, |file| write(prepared, &mut BufWriter::new(file)))
    }

    /// Removes entries, and drafts of them, that nobody touched for long. Whether the writer of a draft still lives cannot
    /// be asked here: other machines may use the same folder.
    fn forget(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let age = entry.metadata().and_then(|found| found.modified()).ok();
            let age = age.and_then(|modified| SystemTime::now().duration_since(modified).ok());
            let path = entry.path();
            let is_own = path.extension().is_some_and(|suffix| suffix == SUFFIX)
                || entry.file_name().to_str().is_some_and(files::is_draft);
            if is_own && age.is_some_and(|age| age > FORGOTTEN_AFTER) {
                // One that cannot be removed is tried again the next time.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// The prepared data of an entry; `None` where there is none, or none that is whole.
pub(super) fn open(entry: &Path, spec: &RunSpec, fold: usize) -> Option<Prepared> {
    let file = File::open(entry).ok()?;
    // Whoever uses it wants it to stay; on a file system that is only read, it ages all the same.
    let _ = file.set_modified(SystemTime::now());
    read(&Arc::new(MappedFile::map(&file).ok()?), spec, fold).ok()
}

fn write(prepared: &Prepared, file: &mut impl Write) -> anyhow::Result<()> {
    let (steps, scaled) = (&prepared.steps, &prepared.scaled);
    let blocks: [&[u8]; 4] = [
        bytemuck::cast_slice(&steps.time_s),
        bytemuck::cast_slice(&steps.values),
        bytemuck::cast_slice(&scaled.inputs),
        bytemuck::cast_slice(&scaled.targets),
    ];
    let header = Header {
        channels: steps.channels.clone(),
        targets: steps.targets,
        scaler: prepared.scaler.clone(),
        slice: prepared.slice.clone(),
        blocks: blocks.map(Block::of),
    };
    let header = serde_json::to_vec(&header)?;
    file.write_all(MAGIC)?;
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&u64::from(crc32fast::hash(&header)).to_le_bytes())?;
    file.write_all(&header)?;
    let mut written = HEADER_AT + header.len();
    for block in blocks {
        let begin = written.next_multiple_of(ALIGNMENT);
        file.write_all(&[0; ALIGNMENT][..begin - written])?;
        file.write_all(block)?;
        written = begin + block.len();
    }
    Ok(file.flush()?)
}

/// Where the header begins: behind the magic bytes, its length and its checksum.
const HEADER_AT: usize = 24;

fn read(file: &Arc<MappedFile>, spec: &RunSpec, fold: usize) -> anyhow::Result<Prepared> {
    let bytes = file.bytes();
    let number = |at: Range<usize>| -> anyhow::Result<u64> {
        Ok(u64::from_le_bytes(bytes.get(at).context("too short")?.try_into()?))
    };
    ensure!(bytes.starts_with(MAGIC), "no entry");
    let (length, crc32) = (usize::try_from(number(8..16)?)?, number(16..HEADER_AT)?);
    let end = HEADER_AT.checked_add(length).context("too long")?;
    let header = bytes.get(HEADER_AT..end).context("too short")?;
    ensure!(u64::from(crc32fast::hash(header)) == crc32, "a damaged header");
    let header: Header = serde_json::from_slice(header)?;
    let mut at = end;
    let mut ranges = header.blocks.iter().map(|block| {
        let begin = at.next_multiple_of(ALIGNMENT);
        at = begin.checked_add(block.bytes).context("too long")?;
        ensure!(
            crc32fast::hash(bytes.get(begin..at).context("too short")?) == block.crc32,
            "damaged numbers"
        );
        Ok(begin..at)
    });
    let mut next = || ranges.next().context("no such block")?;
    let time_s = numbers(file, next()?)?;
    let values = numbers(file, next()?)?;
    let inputs = numbers(file, next()?)?;
    let targets = numbers(file, next()?)?;
    ensure!(at == bytes.len(), "too long");
    let scaled =
        ScaledSteps { inputs, targets, channels: header.channels.len(), target_count: header.targets };
    let steps = Steps { channels: header.channels, targets: header.targets, time_s, values };
    let Header { scaler, mut slice, .. } = header;
    let time_zone = spec.dataset.columns.as_ref().and_then(|columns| columns.time_zone.as_deref());
    slice.zone = Zone::named(time_zone).map_err(|error| anyhow::anyhow!(error.message))?;
    Ok(Prepared::whole(steps, scaler, scaled, slice, (spec, fold)))
}

fn numbers<T: Pod>(file: &Arc<MappedFile>, bytes: Range<usize>) -> anyhow::Result<Values<T>> {
    file.values(bytes).context("numbers that do not lie as they must")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Loader;
    use crate::spec::ExperimentSpec;

    fn prepared(folder: &Path) -> (RunSpec, Prepared) {
        let rows: String = (0..60)
            .fold(String::new(), |rows, row| format!("{rows}{row}.5,x,{},7,{},API log\n", row + 1, row + 8));
        let trace = folder.join("x.csv");
        let header = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n";
        std::fs::write(&trace, format!("{header}{rows}")).unwrap();
        let text = format!(
            "name = \"x\"\n[dataset]\nsource = {trace:?}\n[task.next_request]\nlookback = 2\n[[models]]\n[models.nlinear]\n"
        );
        let spec: ExperimentSpec = toml::from_str(&text).unwrap();
        let spec = RunSpec::resolve(&spec, 0);
        let prepared = Loader::default().prepare(&spec, 0).unwrap();
        (spec, Prepared::clone(&prepared))
    }

    #[test]
    fn an_entry_is_what_was_kept_and_a_torn_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (spec, prepared) = prepared(folder.path());
        let cache = Cache { folder: folder.path().join("deep/cache") };
        let entry = cache.entry("content", "preparation");
        assert!(open(&entry, &spec, 0).is_none());
        cache.keep(&entry, &prepared).unwrap();
        assert_eq!(open(&entry, &spec, 0).unwrap(), prepared);
        let whole = std::fs::read(&entry).unwrap();
        for end in (0..whole.len()).step_by(37) {
            std::fs::write(&entry, &whole[..end]).unwrap();
            assert!(open(&entry, &spec, 0).is_none(), "cut after {end} bytes");
        }
        for at in (0..whole.len()).step_by(23) {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            std::fs::write(&entry, &changed).unwrap();
            // Bytes between the blocks belong to nothing.
            assert!(open(&entry, &spec, 0).is_none_or(|found| found == prepared), "byte {at} is changed");
        }
        std::fs::write(&entry, [whole.as_slice(), b"more"].concat()).unwrap();
        assert!(open(&entry, &spec, 0).is_none());
    }

    #[test]
    fn an_entry_is_of_one_content_and_one_preparation_and_is_forgotten_unused() {
        let folder = tempfile::tempdir().unwrap();
        let (_, prepared) = prepared(folder.path());
        let cache = Cache { folder: folder.path().to_path_buf() };
        let entries = [("a", "x"), ("a", "y"), ("b", "x")].map(|(content, way)| cache.entry(content, way));
        assert!(entries[0] != entries[1] && entries[0] != entries[2] && entries[1] != entries[2]);
        cache.keep(&entries[0], &prepared).unwrap();
        cache.keep(&entries[1], &prepared).unwrap();
        let old = SystemTime::now() - FORGOTTEN_AFTER - Duration::from_mins(1);
        let draft = folder.path().join(".draft-1-abc");
        std::fs::write(&draft, "half").unwrap();
        for path in [&entries[0], &draft, &folder.path().join("x.csv")] {
            File::open(path).unwrap().set_modified(old).unwrap();
        }
        cache.keep(&entries[2], &prepared).unwrap();
        assert_eq!(entries.map(|entry| entry.exists()), [false, true, true]);
        assert!(!draft.exists());
        assert!(folder.path().join("x.csv").exists(), "what is no entry is not touched");
    }
}
