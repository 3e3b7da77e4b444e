//! Writes how an attempt ended.

use super::now;
use super::script::Script;
use super::status::Status;

/// How an attempt ended.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) status: Status,
    /// Empty where there is none.
    pub(super) error: &'a str,
    pub(super) wall_s: Option<f64>,
    pub(super) peak_rss_bytes: Option<u64>,
}

/// Writes the end of an attempt, and what its run has come to.
pub(super) fn end_attempt(script: &mut Script, run_id: &str, attempt: i64, end: End<'_>) -> sqlx::Result<()> {
    script
        .statement(
            "UPDATE attempts SET status = ?, finished_at = ?, wall_s = ?, error = nullif(?, ''), \
             peak_rss_bytes = coalesce(?, peak_rss_bytes) WHERE attempt_id = ?",
        )
        .bind(end.status.as_str())?
        .bind(now())?
        .bind(end.wall_s)?
        .bind(end.error)?
        .bind(end.peak_rss_bytes.map(u64::cast_signed))?
        .bind(attempt)?;
    // A further attempt that fails takes nothing from a run that was done before: its metrics and files are still there.
    script
        .statement(
            "UPDATE run_records SET status = iif(EXISTS (SELECT 1 FROM metric_values m WHERE m.run = run_records.run), \
             'done', ?) WHERE run_id = ?",
        )
        .bind(end.status.as_str())?
        .bind(run_id)?;
    Ok(())
}
