//! What the store keeps of results that lists and leaderboards ask for again and again: the scores of each run, and how each
//! revision stands.

use std::collections::HashMap;

use anyhow::Context;
use sqlx::Connection;

use super::row::from_row;
use super::{RevisionId, RevisionRow, Store};

/// The columns of the table `run_scores`: metrics over all targets in scaled units, named by their part and metric.
const SCORES: [&str; 38] = [
    "train_mae",
    "train_medae",
    "train_mse",
    "train_rmse",
    "train_smape",
    "train_wape",
    "train_mase",
    "train_bias",
    "train_r2",
    "valid_mae",
    "valid_medae",
    "valid_mse",
    "valid_rmse",
    "valid_smape",
    "valid_wape",
    "valid_mase",
    "valid_bias",
    "valid_r2",
    "test_mae",
    "test_medae",
    "test_mse",
    "test_rmse",
    "test_smape",
    "test_wape",
    "test_mase",
    "test_bias",
    "test_r2",
    "test_coverage_50",
    "test_width_50",
    "test_winkler_50",
    "test_coverage_80",
    "test_width_80",
    "test_winkler_80",
    "test_coverage_95",
    "test_width_95",
    "test_winkler_95",
    "test_pinball",
    "test_crps",
];

/// The column of `run_scores` that holds a metric; `None` for one that stands in `metric_values` alone.
pub(super) fn score_column([part, target, unit, name]: [&str; 4]) -> Option<&'static str> {
    if target != "all" || unit != "scaled" {
        return None;
    }
    let is_column =
        |column: &&str| column.strip_prefix(part).and_then(|rest| rest.strip_prefix('_')) == Some(name);
    SCORES.into_iter().find(is_column)
}

struct KeptStanding {
    experiment: String,
    revision: i64,
    standing: String,
}

from_row!(KeptStanding { experiment, revision, standing });

impl Store {
    /// How revisions stand, as [`Self::keep_standing`] was told; those of which something has changed since are left out.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn kept_standings(&mut self) -> anyhow::Result<HashMap<RevisionId, String>> {
        let rows: Vec<KeptStanding> = self
            .runtime
            .block_on(
                sqlx::query_as("SELECT experiment, revision, standing FROM revision_standings")
                    .fetch_all(&mut self.connection),
            )
            .context("cannot read the experiments from the store")?;
        let of = |row: KeptStanding| {
            (RevisionId { experiment: row.experiment, revision: row.revision }, row.standing)
        };
        Ok(rows.into_iter().map(of).collect())
    }

    /// How one revision stands; `None` where something has changed since that was kept.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn kept_standing(&mut self, revision: &RevisionId) -> anyhow::Result<Option<String>> {
        Ok(self.kept(revision)?.map(|[standing, _]| standing))
    }

    /// The leaders of one revision, as [`Self::keep_standing`] was told; `None` where something has changed since.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn kept_leaders(&mut self, revision: &RevisionId) -> anyhow::Result<Option<String>> {
        Ok(self.kept(revision)?.map(|[_, leaders]| leaders))
    }

    fn kept(&mut self, revision: &RevisionId) -> anyhow::Result<Option<[String; 2]>> {
        let query = "SELECT standing, leaders FROM revision_standings WHERE experiment = ? AND revision = ?";
        let row = self.runtime.block_on(
            sqlx::query_as::<_, (String, String)>(query)
                .bind(&revision.experiment)
                .bind(revision.revision)
                .fetch_optional(&mut self.connection),
        );
        Ok(row.context("cannot read the experiments from the store")?.map(<[String; 2]>::from))
    }

    /// The revisions whose last execution has ended, and of which no standing is kept that can be read with its leaders.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn revisions_without_standing(
        &mut self,
        is_readable: impl Fn([&str; 2]) -> bool,
    ) -> anyhow::Result<Vec<RevisionRow>> {
        let mut missing = Vec::new();
        for revision in self.all_revisions()? {
            let kept = if revision.finished_at.is_some() { self.kept(&revision.id())? } else { continue };
            if !kept.is_some_and(|kept| is_readable(kept.each_ref().map(String::as_str))) {
                missing.push(revision);
            }
        }
        Ok(missing)
    }

    /// Keeps how a revision stands and its leaders, unless it has changed since it had this mark ([`Self::revision_mark`]).
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn keep_standing(
        &mut self,
        revision: &RevisionId,
        mark: &str,
        [standing, leaders]: [&str; 2],
    ) -> anyhow::Result<()> {
        let failed = || "cannot write to the store";
        self.require_in_place()?;
        self.runtime.block_on(async {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
            if super::state_counts::revision_mark(&mut transaction, revision).await? == mark {
                sqlx::query("INSERT OR REPLACE INTO revision_standings (experiment, revision, standing, leaders) VALUES (?, ?, ?, ?)")
                    .bind(&revision.experiment)
                    .bind(revision.revision)
                    .bind(standing)
                    .bind(leaders)
                    .execute(&mut *transaction)
                    .await
                    .with_context(failed)?;
            }
            transaction.commit().await.with_context(failed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{INTERVAL_NAMES, NAMES};

    #[test]
    fn every_metric_over_all_targets_has_a_column() {
        for name in NAMES {
            assert!(
                ["train", "valid", "test"]
                    .iter()
                    .all(|part| score_column([part, "all", "scaled", name]).is_some()),
                "{name}"
            );
        }
        for name in INTERVAL_NAMES {
            assert!(score_column(["test", "all", "scaled", name]).is_some(), "{name}");
        }
        assert_eq!(score_column(["test", "gap_s", "original", "mae"]), None);
        assert_eq!(score_column(["test", "all", "scaled", "width_50; DROP"]), None);
    }
}
