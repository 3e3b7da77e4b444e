//! What people write about runs and revisions: tags and notes.

use anyhow::Context;
use sqlx::{Connection, SqliteConnection};

use super::{Named, RevisionId, Store};

/// What changes of a run, or of one or more revisions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotation {
    /// Tags that it is given.
    pub added: Vec<String>,
    /// Tags that are taken from it.
    pub removed: Vec<String>,
    /// The note that it is given; the inner `None` takes its note away, the outer one leaves it as it is.
    pub note: Option<Option<String>>,
}

impl Store {
    /// Writes tags and notes, all in one transaction.
    ///
    /// # Errors
    /// A store that cannot be written; then nothing is.
    pub fn annotate(&mut self, target: &Named, annotation: &Annotation) -> anyhow::Result<()> {
        let failed = || "cannot write to the store";
        self.runtime.block_on(async {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
            match target {
                Named::Run(run) => {
                    annotate_run(&mut transaction, run, annotation).await.with_context(failed)?;
                }
                Named::Revisions(revisions) => {
                    for revision in revisions {
                        let id = revision.id();
                        annotate_revision(&mut transaction, &id, annotation).await.with_context(failed)?;
                    }
                }
            }
            transaction.commit().await.with_context(failed)
        })
    }
}

async fn annotate_run(
    connection: &mut SqliteConnection,
    run: &str,
    annotation: &Annotation,
) -> sqlx::Result<()> {
    let Annotation { added, removed, note } = annotation;
    for (tags, sql) in [
        (removed, "DELETE FROM run_tags WHERE run_id = ? AND tag = ?"),
        (added, "INSERT OR IGNORE INTO run_tags (run_id, tag) VALUES (?, ?)"),
    ] {
        for tag in tags {
            sqlx::query(sql).bind(run).bind(tag).execute(&mut *connection).await?;
        }
    }
    if let Some(note) = note {
        let sql = "UPDATE run_records SET note = ? WHERE run_id = ?";
        sqlx::query(sql).bind(note).bind(run).execute(connection).await?;
    }
    Ok(())
}

async fn annotate_revision(
    connection: &mut SqliteConnection,
    id: &RevisionId,
    annotation: &Annotation,
) -> sqlx::Result<()> {
    let RevisionId { experiment, revision } = id;
    let Annotation { added, removed, note } = annotation;
    for (tags, sql) in [
        (removed, "DELETE FROM revision_tags WHERE experiment = ? AND revision = ? AND tag = ?"),
        (added, "INSERT OR IGNORE INTO revision_tags (experiment, revision, tag) VALUES (?, ?, ?)"),
    ] {
        for tag in tags {
            sqlx::query(sql).bind(experiment).bind(revision).bind(tag).execute(&mut *connection).await?;
        }
    }
    if let Some(note) = note {
        let sql = "UPDATE revisions SET note = ? WHERE experiment = ? AND revision = ?";
        sqlx::query(sql).bind(note).bind(experiment).bind(revision).execute(connection).await?;
    }
    Ok(())
}
