//! Revisions: every text of an experiment's file that was run, each with what it planned.

use std::collections::HashSet;

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};
use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;

use super::row::from_row;
use super::{RevisionId, RunFilter, Store, now};
use crate::text::nearest;

/// A revision as recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct RevisionRow {
    /// Name of the experiment.
    pub experiment: String,
    /// Counted from 1; 0 holds the runs of earlier files, which an old store did not keep.
    pub revision: i64,
    /// Whether it ran last of all revisions of its experiment.
    pub is_latest: bool,
    /// What the experiment is for.
    pub description: Option<String>,
    /// The file.
    pub path: String,
    /// The whole experiment as one file, without overrides.
    pub text: String,
    /// The file as it was given; differs from `text` if it has a base.
    pub given: String,
    /// JSON list of `--set` overrides.
    pub overrides: String,
    /// JSON list of axis names.
    pub axes: String,
    /// JSON of metric, target and part.
    pub objective: String,
    /// Trials that its search had yet to propose when its plan was last recorded.
    pub unproposed: i64,
    /// The command line of its last execution.
    pub command: String,
    /// Commit of the folder that it was last started in.
    pub git_commit: Option<String>,
    /// Whether there were changes beside that commit.
    pub git_dirty: Option<bool>,
    /// The machine of its last execution.
    pub host: Option<String>,
    /// Device class of its runs.
    pub device: Option<String>,
    /// When it first ran.
    pub started_at: String,
    /// When it last ran.
    pub updated_at: String,
    /// When its last execution ended; `None` while it goes on, and if it was killed.
    pub finished_at: Option<String>,
    /// How that ended.
    pub outcome: Option<String>,
    /// What a person wrote about it.
    pub note: Option<String>,
    /// Whether lists leave it out.
    pub archived: bool,
    /// Its tags, with commas between them.
    pub tags: Option<String>,
}

from_row!(RevisionRow {
    experiment,
    revision,
    is_latest,
    description,
    path,
    text,
    given,
    overrides,
    axes,
    objective,
    unproposed,
    command,
    git_commit,
    git_dirty,
    host,
    device,
    started_at,
    updated_at,
    finished_at,
    outcome,
    note,
    archived,
    tags
});

impl RevisionRow {
    /// What names it.
    pub fn id(&self) -> RevisionId {
        RevisionId { experiment: self.experiment.clone(), revision: self.revision }
    }

    /// Its `--set` overrides, as they were typed.
    ///
    /// # Errors
    /// A store that holds something else.
    pub fn override_list(&self) -> anyhow::Result<Vec<String>> {
        let damaged = || format!("the store holds damaged overrides of {}", self.id());
        serde_json::from_str(&self.overrides).with_context(damaged)
    }

    /// The name that finds it: the experiment's for the latest revision, else with its number.
    pub fn reference(&self) -> String {
        if self.is_latest { self.experiment.clone() } else { self.id().to_string() }
    }
}

/// How many runs of a revision stand where.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RevisionCounts {
    /// Runs that it plans.
    pub planned: i64,
    /// Runs that are done.
    pub done: i64,
    /// Runs that failed or timed out.
    pub failed: i64,
    /// Runs that its search pruned.
    pub pruned: i64,
    /// Runs that are running.
    pub running: i64,
    /// Seconds that its finished attempts took together.
    pub wall_s: Option<f64>,
}

from_row!(RevisionCounts { planned, done, failed, pruned, running, wall_s });

/// What a reference names.
#[derive(Debug, Clone, PartialEq)]
pub enum Named {
    /// Revisions of an experiment; at least one.
    Revisions(Vec<RevisionRow>),
    /// A run.
    Run(String),
}

/// Which revisions of an experiment are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    Latest,
    Number(i64),
    All,
}

/// A name with its revisions: `NAME`, `NAME@2` or `NAME@all`.
fn parse(reference: &str) -> (&str, Which) {
    match reference.rsplit_once('@') {
        Some((name, "all")) => (name, Which::All),
        Some((name, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            number.parse().map_or((reference, Which::Latest), |number| (name, Which::Number(number)))
        }
        _ => (reference, Which::Latest),
    }
}

/// Whether a reference that was resolved to a revision, among others, means all revisions of its experiment.
fn is_all(reference: &str, one: &RevisionRow) -> bool {
    one.experiment != reference && parse(reference).1 == Which::All
}

const SELECT: &str = "SELECT v.experiment, v.revision, v.revision = e.revision AS is_latest, v.description, v.path, v.text, \
     v.given, v.overrides, v.axes, v.objective, v.unproposed, v.command, v.git_commit, v.git_dirty, v.host, \
     v.device, v.started_at, v.updated_at, v.finished_at, v.outcome, v.note, v.archived, \
     (SELECT group_concat(tag, ',') FROM revision_tags t WHERE t.experiment = v.experiment AND t.revision = v.revision) AS tags \
     FROM revisions v JOIN experiments e ON e.name = v.experiment WHERE ?1 IS NULL OR v.experiment = ?1 \
     ORDER BY e.updated_at DESC, v.experiment, v.revision";

impl Store {
    /// Every revision of every experiment: the experiment that ran last first, its revisions by number.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn all_revisions(&mut self) -> anyhow::Result<Vec<RevisionRow>> {
        self.select_revisions(None)
    }

    /// The revisions that a reference names: `NAME` the one that ran last, `NAME@2` the second, `NAME@all` all by number.
    ///
    /// # Errors
    /// A name that no experiment has, or a number that it has not, with those that there are.
    pub fn revisions(&mut self, reference: &str) -> anyhow::Result<Vec<RevisionRow>> {
        // A name may end like a reference itself.
        let whole = self.select_revisions(Some(reference))?;
        if !whole.is_empty() {
            return Ok(whole.into_iter().filter(|revision| revision.is_latest).collect());
        }
        let (name, which) = parse(reference);
        let all = self.select_revisions(Some(name))?;
        if all.is_empty() {
            return Err(self.unknown_experiment(name)?);
        }
        let numbers: Vec<String> = all.iter().map(|revision| revision.revision.to_string()).collect();
        let chosen: Vec<RevisionRow> = all
            .into_iter()
            .filter(|revision| match which {
                Which::Latest => revision.is_latest,
                Which::Number(number) => revision.revision == number,
                Which::All => true,
            })
            .collect();
        if chosen.is_empty() {
            bail!("there is no `{reference}`; the revisions of `{name}` are {}", numbers.join(", "));
        }
        Ok(chosen)
    }

    /// The one revision that a reference names.
    ///
    /// # Errors
    /// As [`Self::revisions`]; and `NAME@all`, which is not one.
    pub fn revision(&mut self, reference: &str) -> anyhow::Result<RevisionRow> {
        match self.revisions(reference)?.pop() {
            Some(one) if !is_all(reference, &one) => Ok(one),
            _ => {
                let (name, _) = parse(reference);
                bail!(
                    "`{reference}` names all revisions, and one is needed here; give `{name}` for the latest, or `{name}@1`"
                )
            }
        }
    }

    /// Whether a reference means all revisions of an experiment: `NAME@all`.
    ///
    /// # Errors
    /// As [`Self::revisions`].
    pub fn names_all_revisions(&mut self, reference: &str) -> anyhow::Result<bool> {
        Ok(self.revisions(reference)?.first().is_some_and(|one| is_all(reference, one)))
    }

    /// What a reference names: revisions of an experiment, or a run by the first characters of its identity. A name comes
    /// before a run that begins with the same characters.
    ///
    /// # Errors
    /// A reference that names neither, or several runs.
    pub fn find(&mut self, reference: &str) -> anyhow::Result<Named> {
        let no_revision = match self.revisions(reference) {
            Ok(revisions) => return Ok(Named::Revisions(revisions)),
            Err(error) => error,
        };
        // Only the identity of a run has hexadecimal digits alone.
        match self.resolve_run(reference) {
            Ok(run) => Ok(Named::Run(run)),
            Err(no_run) if reference.bytes().all(|byte| byte.is_ascii_hexdigit()) => Err(no_run),
            Err(_) => Err(anyhow!("{no_revision}; no run begins with it either")),
        }
    }

    /// The filter that a reference stands for: the runs that one revision plans, those of all revisions of an experiment, or
    /// without a reference those of all experiments.
    ///
    /// # Errors
    /// As [`Self::revisions`].
    pub fn run_filter(&mut self, reference: Option<&str>) -> anyhow::Result<RunFilter> {
        let Some(reference) = reference else { return Ok(RunFilter::default()) };
        match self.revisions(reference)?.as_slice() {
            [one] if !is_all(reference, one) => Ok(RunFilter::of(&one.id())),
            several => Ok(RunFilter {
                experiment: several.first().map(|one| one.experiment.clone()),
                archived: true,
                ..RunFilter::default()
            }),
        }
    }

    fn select_revisions(&mut self, experiment: Option<&str>) -> anyhow::Result<Vec<RevisionRow>> {
        self.runtime
            .block_on(sqlx::query_as(SELECT).bind(experiment).fetch_all(&mut self.connection))
            .context("cannot read the experiments from the store")
    }

    fn unknown_experiment(&mut self, name: &str) -> anyhow::Result<anyhow::Error> {
        let names = self.experiment_names()?;
        let hint = nearest(name, names.iter().map(String::as_str));
        let hint = hint.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
        Ok(anyhow!("no experiment `{name}` in {}{hint}; it has: {}", self.path.display(), names.join(", ")))
    }

    /// How many runs of a revision are planned, done, failed, pruned and running, and the time they took.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn counts_of(&mut self, revision: &RevisionId) -> anyhow::Result<RevisionCounts> {
        self.runtime
            .block_on(
                sqlx::query_as(
                    "SELECT count(*) AS planned, coalesce(sum(r.status = 'done'), 0) AS done, \
                     coalesce(sum(r.status IN ('failed', 'timed_out')), 0) AS failed, \
                     coalesce(sum(r.status = 'pruned'), 0) AS pruned, coalesce(sum(r.status = 'running'), 0) AS running, \
                     sum((SELECT sum(a.wall_s) FROM attempts a WHERE a.run_id = r.run_id)) AS wall_s \
                     FROM revision_runs h JOIN run_records r USING (run_id) \
                     WHERE h.experiment = ? AND h.revision = ? AND (h.position IS NOT NULL OR r.status <> 'planned')",
                )
                .bind(&revision.experiment)
                .bind(revision.revision)
                .fetch_one(&mut self.connection),
            )
            .context("cannot read the runs from the store")
    }

    /// Every run of the store.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn known_runs(&mut self) -> anyhow::Result<HashSet<String>> {
        let runs: Vec<String> = self
            .runtime
            .block_on(sqlx::query_scalar("SELECT run_id FROM run_records").fetch_all(&mut self.connection))
            .context("cannot read the runs from the store")?;
        Ok(runs.into_iter().collect())
    }

    /// Every run that a revision plans or did.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn runs_of(&mut self, revision: &RevisionId) -> anyhow::Result<Vec<String>> {
        self.runtime
            .block_on(
                sqlx::query_scalar("SELECT run_id FROM revision_runs WHERE experiment = ? AND revision = ?")
                    .bind(&revision.experiment)
                    .bind(revision.revision)
                    .fetch_all(&mut self.connection),
            )
            .context("cannot read the runs from the store")
    }

    /// Returns pages that hold nothing any more to the file system.
    ///
    /// # Errors
    /// A store that is being read or written, or a disk without room for a second copy of it.
    pub fn vacuum(&mut self) -> anyhow::Result<()> {
        self.require_in_place()?;
        self.runtime
            .block_on(sqlx::query("VACUUM").execute(&mut self.connection))
            .context("cannot compact the store")?;
        Ok(())
    }

    /// Records that an execution of a revision ended, and how.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn end_revision(&mut self, revision: &RevisionId, outcome: &str) -> anyhow::Result<()> {
        self.require_in_place()?;
        let sql = "UPDATE revisions SET finished_at = ?, outcome = ? WHERE experiment = ? AND revision = ?";
        self.change(
            sqlx::query(sql).bind(now()).bind(outcome).bind(&revision.experiment).bind(revision.revision),
        )
    }

    /// Hides a revision from lists, or shows it again.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn archive_revision(&mut self, revision: &RevisionId, archived: bool) -> anyhow::Result<()> {
        let sql = "UPDATE revisions SET archived = ? WHERE experiment = ? AND revision = ?";
        self.change(sqlx::query(sql).bind(archived).bind(&revision.experiment).bind(revision.revision))
    }

    fn change(&mut self, query: Query<'_, Sqlite, SqliteArguments>) -> anyhow::Result<()> {
        let changed = self.runtime.block_on(query.execute(&mut self.connection));
        changed.map(|_| ()).context("cannot write to the store")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_name_with_or_without_its_revisions() {
        assert_eq!(parse("sweep"), ("sweep", Which::Latest));
        assert_eq!(parse("sweep@2"), ("sweep", Which::Number(2)));
        assert_eq!(parse("sweep@all"), ("sweep", Which::All));
        assert_eq!(parse("me@home@10"), ("me@home", Which::Number(10)));
        for name in ["me@home", "sweep@", "sweep@-1", "sweep@99999999999999999999"] {
            assert_eq!(parse(name), (name, Which::Latest));
        }
    }
}
