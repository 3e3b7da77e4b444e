//! The store: one SQLite file that remembers every experiment, run, metric and event.

mod annotations;
mod artefacts;
mod attempt;
mod attempt_end;
mod claims;
mod event;
mod fault;
mod history;
mod live;
mod merge;
mod moment;
mod owner;
mod plan;
mod planned_runs;
mod query;
mod query_result;
mod read;
mod result;
mod revision;
mod revision_id;
mod row;
mod run_list;
mod run_row;
mod run_state;
mod script;
mod snapshot;
mod stamp;
mod state_counts;
mod statement;
mod status;
mod summaries;
mod trials;
mod write;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlSafeStr};
use tokio::runtime::Runtime;

use crate::files;

use owner::OwnLock;

pub use annotations::Annotation;
pub use artefacts::{
    SavedMember, SavedRun, experiment_folder, has_files, report_folder, run_folder, saved_file, store_files,
};
pub use attempt::{Attempt, Claim, ClaimRequest};
pub use claims::VerdictRecord;

pub use event::Event;
pub use fault::{is_store_fault, remedy};
pub use history::{AttemptRow, PlanningRow, RecordRow};
pub use live::{EndedAttempt, LeadingTrial, LiveRun, SettingLeader};
pub use merge::Merged;
pub use moment::Moment;
pub use plan::{Execution, PlanRecord, RecordedRevision};
pub use planned_runs::PlannedModel;
pub use query::{Limited, QueryLimits, TooSlow};
pub use query_result::{Cell, Table};
pub use read::{BreakdownRow, EpochRow, EventRow, MetricRow, RunFilter};
pub use result::{BreakdownValue, MetricValue, RunResult};
pub use revision::{Named, RevisionCounts, RevisionRow};
pub use revision_id::RevisionId;
pub use run_list::{ListOrder, ListedRun, RunQuery};
pub use run_row::RunRow;
pub use run_state::RunState;
pub use snapshot::store_at;
pub use stamp::{StoreStamp, store_stamp};
pub use state_counts::StateCounts;
pub use statement::Refusal;
pub use status::Status;
pub use trials::{PrunedRun, RunOrigin};
pub use write::{Ending, Pruning, Record};

/// How long a command waits for a store that another program keeps locked.
const BUSY: Duration = Duration::from_mins(1);

/// Folder of all results: `BURSTLAB_RESULTS`, or `results`.
pub fn results_folder() -> PathBuf {
    std::env::var_os("BURSTLAB_RESULTS").map_or_else(|| PathBuf::from("results"), PathBuf::from)
}

/// An open store.
///
/// One connection, driven to completion by each call: the caller is the only one that writes in its process.
pub struct Store {
    runtime: Runtime,
    connection: SqliteConnection,
    path: PathBuf,
    /// Device and inode of the file that was opened.
    file: Option<(u64, u64)>,
    /// Tells others that this supervisor lives; taken with the first claim.
    own_lock: Option<OwnLock>,
}

impl Store {
    /// Opens the store of a results folder for writing, and makes or upgrades it first.
    ///
    /// # Errors
    /// A folder or file that cannot be written, that is no SQLite file, or that a newer burstlab made.
    pub fn open(results: &Path) -> anyhow::Result<Self> {
        Self::open_within(results, BUSY)
    }

    /// As [`Self::open`], but waits no longer than this for a store that another program keeps locked.
    ///
    /// # Errors
    /// As [`Self::open`], and a store that is locked.
    pub fn open_within(results: &Path, busy: Duration) -> anyhow::Result<Self> {
        std::fs::create_dir_all(results)
            .with_context(|| format!("cannot make the results folder {}", results.display()))?;
        let path = results.join("burstlab.db");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A power cut may cost the last commits, whose runs then run again; it cannot damage the file.
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            // A checkpoint syncs the disk twice; with the default of 1,000 pages short runs would mostly wait for it.
            .pragma("wal_autocheckpoint", "4000")
            .busy_timeout(busy)
            .disable_statement_logging();
        // SQLite has no lock for migrations: two supervisors that start together would both make the tables.
        let lock_path = results.join(".migration.lock");
        let lock = File::create(&lock_path)
            .with_context(|| format!("cannot lock the store in {}", results.display()))?;
        lock.lock().with_context(|| files::cannot_lock(&lock_path))?;
        let mut store = Self::connect(&options, &path)?;
        let applied = store.runtime.block_on(migrations(&mut store.connection));
        let applied = applied.with_context(|| format!("cannot read the store {}", path.display()))?;
        store.refuse_newer(&applied)?;
        if !lacking(&applied).is_empty() {
            let migrated = store.runtime.block_on(migrate(&mut store.connection));
            migrated.with_context(|| format!("cannot make or upgrade the store {}", path.display()))?;
        }
        drop(lock);
        Ok(store)
    }

    /// Opens the store of a results folder for reading only.
    ///
    /// # Errors
    /// A store that is not there or cannot be read.
    pub fn open_read_only(results: &Path) -> anyhow::Result<Self> {
        Self::open_read_only_within(results, BUSY)
    }

    /// As [`Self::open_read_only`], but waits no longer than this for a store that another program keeps locked.
    ///
    /// # Errors
    /// A store that is not there, is locked, or cannot be read.
    pub fn open_read_only_within(results: &Path, busy: Duration) -> anyhow::Result<Self> {
        let path = results.join("burstlab.db");
        if !path.is_file() {
            bail!(
                "there is no store at {}; run an experiment first, or set BURSTLAB_RESULTS to where it is",
                path.display()
            );
        }
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .read_only(true)
            .pragma("query_only", "on")
            .busy_timeout(busy)
            .disable_statement_logging();
        let mut store = Self::connect(&options, &path)?;
        let probe = store.runtime.block_on(migrations(&mut store.connection));
        let applied = match probe {
            Err(error) if fault::needs_its_folder(&error) && !has_log(&path) => {
                // In a folder that cannot be written SQLite has no place for its locks; but then nobody can write to
                // the file either, and without a log beside it the file is all there is.
                store = Self::connect(&options.immutable(true), &path)?;
                store.runtime.block_on(migrations(&mut store.connection))
            }
            probe => probe,
        };
        let applied = applied.with_context(|| format!("cannot read the store {}", path.display()))?;
        ensure!(!applied.is_empty(), "{} is not a store of burstlab", path.display());
        store.refuse_newer(&applied)?;
        ensure!(
            lacking(&applied).is_empty(),
            "{} was made by an older version of burstlab; the next `burstlab run` upgrades it",
            path.display()
        );
        Ok(store)
    }

    /// Refuses a store with tables that this program does not know.
    fn refuse_newer(&self, applied: &[i64]) -> anyhow::Result<()> {
        ensure!(
            applied.iter().all(|version| known().any(|known| known == *version)),
            "{} was made by a newer version of burstlab; use that one",
            self.path.display()
        );
        Ok(())
    }

    fn connect(options: &SqliteConnectOptions, path: &Path) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .context("cannot start the runtime of the store")?;
        let connection = runtime
            .block_on(SqliteConnection::connect_with(options))
            .with_context(|| format!("cannot open the store {}", path.display()))?;
        Ok(Self { runtime, connection, path: path.to_path_buf(), file: identity(path), own_lock: None })
    }

    /// Closes the store: what its log holds goes into the file, which is then whole without it. A store that is only
    /// dropped loses nothing either, but may leave the log beside it.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn close(self) -> anyhow::Result<()> {
        let Self { runtime, connection, path, .. } = self;
        runtime
            .block_on(connection.close())
            .with_context(|| format!("cannot close the store {}", path.display()))
    }

    /// The file of the store.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The results folder.
    fn results(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// The lock that tells others that this supervisor lives, until the store is closed.
    fn own_lock(&mut self) -> anyhow::Result<&OwnLock> {
        let lock = match self.own_lock.take() {
            Some(lock) => lock,
            None => OwnLock::take(self.results())?,
        };
        Ok(self.own_lock.insert(lock))
    }

    /// Checks that the file is still the one that was opened: what is written to a removed file is lost with it.
    pub(crate) fn require_in_place(&self) -> anyhow::Result<()> {
        ensure!(
            identity(&self.path) == self.file,
            "the store {} was removed or replaced while the sweep ran; start it again to record the rest",
            self.path.display()
        );
        Ok(())
    }
}

/// The migrations that this program knows.
fn known() -> impl Iterator<Item = i64> {
    (1..).take(MIGRATIONS.len())
}

/// The migrations in their order: what each does, and its statements. A store keeps a hash of the statements, so a migration
/// that has been released never changes.
const MIGRATIONS: [(&str, &str); 8] = [
    ("foundation", include_str!("../../migrations/0001_foundation.sql")),
    ("search", include_str!("../../migrations/0002_search.sql")),
    ("standing attempt", include_str!("../../migrations/0003_standing_attempt.sql")),
    ("claims", include_str!("../../migrations/0004_claims.sql")),
    ("intervals", include_str!("../../migrations/0005_intervals.sql")),
    ("unproposed trials", include_str!("../../migrations/0006_unproposed.sql")),
    ("revisions", include_str!("../../migrations/0007_revisions.sql")),
    ("summaries", include_str!("../../migrations/0008_summaries.sql")),
];

fn migrator() -> Migrator {
    let migrations = known().zip(MIGRATIONS).map(|(version, (description, statements))| {
        let statements = statements.into_sql_str();
        Migration::new(version, description.into(), MigrationType::Simple, statements, false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// The migrations that a store lacks.
fn lacking(applied: &[i64]) -> Vec<i64> {
    known().filter(|version| !applied.contains(version)).collect()
}

/// The migrations that a store has had; none where there are no tables of burstlab yet.
async fn migrations(connection: &mut SqliteConnection) -> sqlx::Result<Vec<i64>> {
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let tables: i64 = sqlx::query_scalar(tables).fetch_one(&mut *connection).await?;
    if tables == 0 {
        return Ok(Vec::new());
    }
    sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY version").fetch_all(connection).await
}

/// Makes or upgrades the tables, all in one transaction: a process that is killed on the way leaves none of them.
async fn migrate(connection: &mut SqliteConnection) -> Result<(), MigrateError> {
    let mut whole = connection.begin().await?;
    migrator().run(&mut *whole).await?;
    Ok(whole.commit().await?)
}

/// Whether there is a log beside the store, in which its latest commits stand.
fn has_log(path: &Path) -> bool {
    std::fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 0)
}

fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    PathBuf::from(log)
}

/// Device and inode of a file; `None` if it is not there.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Now, as the store writes it: RFC 3339 in UTC, to the millisecond.
pub(crate) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}
