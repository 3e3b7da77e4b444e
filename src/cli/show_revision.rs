//! `burstlab show NAME@2`: one revision with its file.

use serde_json::json;

use super::OutputFormat;
use super::console::Console;
use crate::listing::tag_list;
use crate::store::{RevisionCounts, RevisionRow, Store};
use crate::system::exit_code::Exit;
use crate::text::duration;

pub(super) fn show_revision(
    store: &mut Store,
    revision: &RevisionRow,
    format: OutputFormat,
    console: Console,
) -> anyhow::Result<Exit> {
    let counts = store.counts_of(&revision.id())?;
    match format {
        OutputFormat::Human => console.result(&to_text(revision, &counts)?),
        OutputFormat::Json => {
            let RevisionCounts { planned, done, failed, pruned, running, wall_s } = counts;
            let overrides: serde_json::Value = serde_json::from_str(&revision.overrides)?;
            let shown = json!({
                "experiment": revision.experiment, "revision": revision.revision, "latest": revision.is_latest,
                "description": revision.description, "path": revision.path, "overrides": overrides,
                "command": revision.command, "git_commit": revision.git_commit, "git_dirty": revision.git_dirty,
                "host": revision.host, "device": revision.device, "started_at": revision.started_at,
                "updated_at": revision.updated_at, "finished_at": revision.finished_at, "outcome": revision.outcome,
                "note": revision.note, "tags": tag_list(revision.tags.as_deref()), "archived": revision.archived,
                "runs": { "planned": planned, "done": done, "failed": failed, "pruned": pruned, "running": running },
                "wall_s": wall_s, "text": revision.text, "given": revision.given,
            });
            console.result(&shown.to_string());
        }
    }
    Ok(Exit::Ok)
}

fn to_text(revision: &RevisionRow, counts: &RevisionCounts) -> anyhow::Result<String> {
    let optional = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_string());
    let overrides = revision.override_list()?;
    let overrides = if overrides.is_empty() { "none".to_string() } else { overrides.join(", ") };
    let commit = revision.git_commit.clone().map_or("-".to_string(), |commit| {
        if revision.git_dirty == Some(true) { format!("{commit} (with uncommitted changes)") } else { commit }
    });
    let RevisionCounts { planned, done, failed, pruned, running, wall_s } = counts;
    let entries = [
        ("about", optional(&revision.description)),
        ("file", revision.path.clone()),
        ("overrides", overrides),
        ("command", revision.command.clone()),
        ("git commit", commit),
        ("host", optional(&revision.host)),
        ("device", optional(&revision.device)),
        ("started", revision.started_at.clone()),
        ("last run", revision.updated_at.clone()),
        ("ended", optional(&revision.finished_at)),
        ("outcome", optional(&revision.outcome)),
        ("runs", format!("{planned}: {done} done, {failed} failed, {pruned} pruned, {running} running")),
        ("wall", wall_s.map_or("-".to_string(), duration)),
        ("tags", optional(&revision.tags).replace(',', ", ")),
        ("note", optional(&revision.note)),
    ];
    let entries: Vec<String> = entries.iter().map(|(name, value)| format!("{name:>10}  {value}")).collect();
    let latest = if revision.is_latest { ", the latest" } else { "" };
    let mut text = format!("revision {}{latest}\n{}\n", revision.id(), entries.join("\n"));
    text.extend(["\n", &revision.given]);
    if revision.given != revision.text {
        text.extend(["\n# the same without its base\n", &revision.text]);
    }
    Ok(text)
}
