//! `capacity.parquet`: the replay of a run's chosen plan and of the policies beside it, window by window.

use std::path::Path;

use anyhow::Context;

use super::parquet::ParquetFile;
use super::table::{ColumnValues, NamedColumn, TableFile, write_table};
use crate::capacity::{Replay, metric_of};

/// Name of the file in a run's folder.
pub const CAPACITY_FILE: &str = "capacity.parquet";

/// Replays over the test part.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CapacityTable {
    /// Start of each window, in seconds since the trace's first row.
    pub time_s: Vec<f64>,
    /// Work that came in each window, in replica-seconds.
    pub work_s: Vec<f64>,
    /// The replays: first that of the chosen plan, whose name is empty, then those of the policies.
    pub policies: Vec<PolicyWindows>,
}

/// The windows of one policy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PolicyWindows {
    /// Its name; empty for the chosen plan.
    pub name: String,
    /// Replicas that served each window.
    pub live: Vec<f64>,
    /// Replicas that were starting.
    pub starting: Vec<f64>,
    /// Seconds until the last work of a window is done, beyond its end.
    pub delay_s: Vec<f64>,
}

impl PolicyWindows {
    /// The windows of a replay.
    pub fn of(name: &str, replay: &Replay) -> Self {
        let each =
            |value: fn(&crate::capacity::ReplayedWindow) -> f64| replay.windows.iter().map(value).collect();
        Self {
            name: name.to_string(),
            live: each(|window| window.live as f64),
            starting: each(|window| window.starting as f64),
            delay_s: each(|window| window.delay_s),
        }
    }

    /// Hours of replicas that are paid for, window by window.
    pub fn replica_hours(&self, window_s: f64) -> Vec<f64> {
        self.live
            .iter()
            .zip(&self.starting)
            .map(|(live, starting)| (live + starting) * window_s / 3_600.0)
            .collect()
    }
}

/// The name of a policy's column.
fn column_of(name: &str, policy: &str) -> String {
    if policy.is_empty() { name.to_string() } else { metric_of(name, policy) }
}

impl CapacityTable {
    /// The windows of a policy; those of the chosen plan for an empty name.
    pub fn policy(&self, name: &str) -> Option<&PolicyWindows> {
        self.policies.iter().find(|policy| policy.name == name)
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// Columns of unequal length, which would be a mistake in this program.
    pub fn to_bytes(&self) -> anyhow::Result<Vec<u8>> {
        let column = |name: String, values: &[f64]| NamedColumn {
            name,
            values: ColumnValues::Real(values.iter().copied().map(Some).collect()),
        };
        let mut columns =
            vec![column("time_s".to_string(), &self.time_s), column("work_s".to_string(), &self.work_s)];
        for PolicyWindows { name, live, starting, delay_s } in &self.policies {
            for (key, values) in [("live", live), ("starting", starting), ("delay_s", delay_s)] {
                columns.push(column(column_of(key, name), values));
            }
        }
        write_table(&columns, TableFile::Parquet)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot open {}", path.display()))?;
        let damaged = || format!("{} is not a table of replays", path.display());
        let name = path.display().to_string();
        let file = ParquetFile::new(&name, &bytes).with_context(damaged)?;
        let numbers = |name: &str| file.numbers(name).with_context(damaged);
        let names = file.columns.iter().filter_map(|name| {
            let rest = name.strip_prefix("live")?;
            Some(rest.trim_start_matches('[').trim_end_matches(']').to_string())
        });
        let policies = names.map(|name| {
            Ok(PolicyWindows {
                live: numbers(&column_of("live", &name))?,
                starting: numbers(&column_of("starting", &name))?,
                delay_s: numbers(&column_of("delay_s", &name))?,
                name,
            })
        });
        Ok(Self {
            time_s: numbers("time_s")?,
            work_s: numbers("work_s")?,
            policies: policies.collect::<anyhow::Result<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replays_read_back() {
        let policy = |name: &str, live: f64| PolicyWindows {
            name: name.to_string(),
            live: vec![live, 2.0],
            starting: vec![0.0, 1.0],
            delay_s: vec![0.0, 3.5],
        };
        let table = CapacityTable {
            time_s: vec![0.0, 60.0],
            work_s: vec![10.0, 20.0],
            policies: vec![policy("", 1.0), policy("reactive_with_headroom", 4.0)],
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), table.to_bytes().unwrap()).unwrap();
        assert_eq!(CapacityTable::read(file.path()).unwrap(), table);
        assert_eq!(table.policy("").unwrap().replica_hours(1_800.0), [0.5, 1.5]);
    }
}
