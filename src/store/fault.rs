//! What to do about a store that cannot be read or written.

use std::path::Path;

use sqlx::error::DatabaseError;

/// SQLite's primary result codes (<https://sqlite.org/rescode.html>).
const PERM: u32 = 3;
const BUSY: u32 = 5;
const READONLY: u32 = 8;
const IOERR: u32 = 10;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANTOPEN: u32 = 14;
const NOTADB: u32 = 26;

/// What to do about an error of the store at `path`; `None` for other errors, and for those that say it themselves.
pub fn remedy(error: &anyhow::Error, path: &Path) -> Option<String> {
    let path = path.display();
    let code = error.chain().find_map(|cause| primary_code(cause.downcast_ref::<sqlx::Error>()?))?;
    match code {
        FULL => Some(format!(
            "the disk or the quota of {path} is full: free some space and give the same command again; what is \
             recorded stays, and only the rest runs"
        )),
        READONLY | PERM | CANTOPEN => {
            Some(format!("make {path} and its folder writable, or set BURSTLAB_RESULTS to a folder that is"))
        }
        CORRUPT | NOTADB => Some(format!(
            "{path} is damaged, and nothing was changed in it: restore a copy, or save what can be read with \
             `sqlite3 {path} .recover`, or move it away to start anew; the files of finished runs are under runs/"
        )),
        IOERR => Some(format!(
            "the disk of {path} cannot be read or written, or is full: fix that and give the same command again; \
             what is recorded stays"
        )),
        BUSY => Some(format!("another program keeps {path} locked: end it, or its transaction")),
        _ => None,
    }
}

/// Whether an error came from the store itself, and not from what was asked of it.
pub fn is_store_fault(error: &anyhow::Error) -> bool {
    error.chain().any(<dyn std::error::Error>::is::<sqlx::Error>)
}

/// Whether SQLite could not open a file because it cannot put its locks and its log beside it.
pub(super) fn needs_its_folder(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(CANTOPEN | READONLY | PERM))
}

fn primary_code(error: &sqlx::Error) -> Option<u32> {
    // SQLite puts particulars into the higher bits of an extended code.
    let extended: u32 = error.as_database_error().and_then(DatabaseError::code)?.parse().ok()?;
    Some(extended & 0xff)
}
