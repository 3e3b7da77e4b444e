//! Events: what the scheduler did that a person may ask about.

use sqlx::SqliteConnection;

use super::now;
use super::script::Script;

/// One thing that a person may ask about.
#[derive(Debug, Clone)]
pub struct Event {
    /// The experiment, if it is about one.
    pub experiment: Option<String>,
    /// The run, if it is about one.
    pub run_id: Option<String>,
    /// What happened, in one word.
    pub kind: &'static str,
    /// The particulars.
    pub detail: String,
}

/// Writes events.
pub(super) async fn insert_events(connection: &mut SqliteConnection, events: &[Event]) -> sqlx::Result<()> {
    let mut script = Script::default();
    for Event { experiment, run_id, kind, detail } in events {
        script
            .statement("INSERT INTO events (at, experiment, run_id, kind, detail) VALUES (?, ?, ?, ?, ?)")
            .bind(now())?
            .bind(experiment)?
            .bind(run_id)?
            .bind(*kind)?
            .bind(detail)?;
    }
    if events.is_empty() { Ok(()) } else { script.execute(connection).await }
}
