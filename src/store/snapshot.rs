//! A copy of a store as it is at one instant, taken without changing anything where it lies.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, ensure};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use super::{Store, fault, has_log, log_of, migrations};
use crate::text::causes;

impl Store {
    /// Copies the store at `path` to `burstlab.db` in `folder`, brought up to this program's tables.
    ///
    /// # Errors
    /// A file that cannot be read, that is no store, or that a newer burstlab made.
    pub fn snapshot(path: &Path, folder: &Path) -> anyhow::Result<()> {
        let copy = folder.join("burstlab.db");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .context("cannot start the runtime of the store")?;
        let failed = || format!("cannot read the store {}", path.display());
        let copied = runtime.block_on(async {
            copy_as_of_now(path, &copy).await.with_context(failed)?;
            let options = SqliteConnectOptions::new().filename(&copy).disable_statement_logging();
            let mut connection = SqliteConnection::connect_with(&options).await.with_context(failed)?;
            let applied = migrations(&mut connection).await.with_context(failed)?;
            ensure!(!applied.is_empty(), "{} is not a store of burstlab", path.display());
            connection.close().await.with_context(failed)
        });
        // What is wrong with the other store is no reason to give advice about this one.
        copied.map_err(|error: anyhow::Error| anyhow!(causes(&error)))?;
        let brought_up = Store::open(folder).and_then(Store::close);
        brought_up.with_context(|| format!("cannot take over the store {}", path.display()))
    }
}

async fn copy_as_of_now(path: &Path, copy: &Path) -> anyhow::Result<()> {
    // SQLite makes a log and a place for its locks beside a store that it reads. Where there is no log nobody has the
    // store open, and it can be read without either; unless somebody comes meanwhile, which the file then shows.
    if !has_log(path) {
        let before = stamp(path)?;
        vacuum_into(path, copy, true).await?;
        if stamp(path)? == before && !has_log(path) {
            return Ok(());
        }
        std::fs::remove_file(copy)?;
    }
    match vacuum_into(path, copy, false).await {
        // The folder cannot be written, so neither can the store: its files do not change while they are copied.
        Err(error) if fault::needs_its_folder(&error) => {
            std::fs::copy(path, copy)?;
            std::fs::copy(log_of(path), log_of(copy))?;
            Ok(())
        }
        done => Ok(done?),
    }
}

async fn vacuum_into(path: &Path, copy: &Path, immutable: bool) -> sqlx::Result<()> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(immutable)
        .busy_timeout(Duration::from_mins(1))
        .disable_statement_logging();
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let place = copy.to_string_lossy().into_owned();
    sqlx::query("VACUUM INTO ?").bind(place).execute(&mut connection).await?;
    connection.close().await
}

fn stamp(path: &Path) -> std::io::Result<(u64, SystemTime)> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.len(), metadata.modified()?))
}

/// The store that a path names: the file itself, or the one in a results folder.
///
/// # Errors
/// A path without a store.
pub fn store_at(path: &Path) -> anyhow::Result<PathBuf> {
    let file = if path.is_dir() { path.join("burstlab.db") } else { path.to_path_buf() };
    ensure!(file.is_file(), "there is no store at {}", file.display());
    Ok(file)
}
