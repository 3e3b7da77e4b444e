//! Whether a store has changed, as its files tell: far cheaper than any question to SQLite.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::log_of;

/// The state of a store's files. Two equal stamps mean that nothing was written between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StoreStamp {
    file: FileStamp,
    /// The latest commits stand in the log until it is merged into the file; `None` while it is empty.
    log: Option<FileStamp>,
}

/// Device, inode, size and time of the last change.
type FileStamp = (u64, u64, u64, i64, i64);

/// The stamp of the store in a results folder; `None` where there is none.
pub fn store_stamp(results: &Path) -> Option<StoreStamp> {
    let path = results.join("burstlab.db");
    let log = file_stamp(&log_of(&path)).filter(|(_, _, bytes, ..)| *bytes > 0);
    Some(StoreStamp { file: file_stamp(&path)?, log })
}

fn file_stamp(path: &Path) -> Option<FileStamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::super::{Event, Record, Store};
    use super::*;

    #[test]
    fn reading_leaves_the_stamp_and_writing_changes_it() {
        let results = tempfile::tempdir().unwrap();
        assert_eq!(store_stamp(results.path()), None);
        Store::open(results.path()).unwrap().close().unwrap();
        let before = store_stamp(results.path());
        assert!(before.is_some());
        Store::open_read_only(results.path()).unwrap().query("select count(*) from runs").unwrap();
        assert_eq!(store_stamp(results.path()), before);
        let mut store = Store::open(results.path()).unwrap();
        let event = Event { experiment: None, run_id: None, kind: "noted", detail: String::new() };
        store.write(&[Record::Event(event)]).unwrap();
        assert_ne!(store_stamp(results.path()), before);
    }
}
