//! What a search needs to know of runs: where they stand, how good they are, and how they got there.

use std::collections::HashMap;

use anyhow::Context;
use serde_json::json;

use super::{Status, Store};
use crate::spec::ObjectiveSpec;

/// What the store knows of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunState {
    /// Where it stands.
    pub status: Status,
    /// Its objective, if it is done.
    pub objective: Option<f64>,
    /// Epochs, counted from 1, with their validation losses.
    pub losses: Vec<(usize, f64)>,
    /// The searches that pruned it.
    pub pruned_under: Vec<String>,
}

impl Store {
    /// What is known of some runs; those that the store does not know are left out.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn run_states(
        &mut self,
        run_ids: &[&str],
        objective: &ObjectiveSpec,
    ) -> anyhow::Result<HashMap<String, RunState>> {
        let ids = json!(run_ids).to_string();
        let failed = || "cannot read the runs from the store";
        self.runtime.block_on(async {
            let rows: Vec<(String, String, Option<f64>)> = sqlx::query_as(
                "SELECT r.run_id, r.status, m.value FROM json_each(?) id JOIN run_records r ON r.run_id = id.value \
                 LEFT JOIN metric_values m ON m.run = r.run AND r.status = 'done' AND m.metric = \
                 (SELECT metric FROM metric_keys WHERE part = ? AND target = ? AND unit = ? AND name = ?)",
            )
            .bind(&ids)
            .bind(objective.part.as_str())
            .bind(&objective.target)
            .bind(objective.unit())
            .bind(objective.metric.as_str())
            .fetch_all(&mut self.connection)
            .await
            .with_context(failed)?;
            let mut states = HashMap::with_capacity(rows.len());
            for (run_id, status, objective) in rows {
                let status = Status::parse(&status).with_context(|| format!("unknown status `{status}`"))?;
                states.insert(run_id, RunState { status, objective, losses: Vec::new(), pruned_under: Vec::new() });
            }
            let epochs: Vec<(String, i64, f64)> = sqlx::query_as(
                "SELECT r.run_id, e.epoch, e.valid_loss FROM json_each(?) id JOIN run_records r ON r.run_id = id.value \
                 JOIN epoch_values e USING (run) ORDER BY r.run_id, e.epoch",
            )
            .bind(&ids)
            .fetch_all(&mut self.connection)
            .await
            .with_context(failed)?;
            for (run_id, epoch, loss) in epochs {
                if let Some(state) = states.get_mut(&run_id) {
                    state.losses.push((epoch as usize, loss));
                }
            }
            let prunings: Vec<(String, String)> = sqlx::query_as(
                "SELECT p.run_id, p.search FROM json_each(?) id JOIN prunings p ON p.run_id = id.value",
            )
            .bind(&ids)
            .fetch_all(&mut self.connection)
            .await
            .with_context(failed)?;
            for (run_id, search) in prunings {
                if let Some(state) = states.get_mut(&run_id) {
                    state.pruned_under.push(search);
                }
            }
            Ok(states)
        })
    }
}
