//! `burstlab experiments`: lists experiments with their revisions.

use clap::Args;
use serde_json::{Value, json};

use super::TableFormat;
use super::console::Console;
use crate::compare::RevisionStanding;
use crate::listing::{parse_moment, tag_list};
use crate::store::{RevisionCounts, RevisionRow, Store, results_folder};
use crate::system::exit_code::Exit;
use crate::text::{counted, csv, duration, minute, percent, table};

#[derive(Debug, Args)]
pub(super) struct ExperimentsArgs {
    /// Only this experiment: NAME or NAME@2; by default all revisions of all experiments
    experiment: Option<String>,
    /// Only revisions that ran since then: an age such as 7d, or a date or time of UTC such as 2026-11-01
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only revisions with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Also archived revisions
    #[arg(long)]
    archived: bool,
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

/// A revision as a row of the list.
struct ListedRevision {
    revision: RevisionRow,
    standing: RevisionStanding,
}

pub(super) fn experiments(args: &ExperimentsArgs, console: Console) -> anyhow::Result<Exit> {
    let since = args.since.as_deref().map(|text| parse_moment("--since", text)).transpose()?;
    let mut store = Store::open_read_only(&results_folder())?;
    let mut revisions = match &args.experiment {
        Some(reference) if reference.contains('@') => store.revisions(reference)?,
        Some(name) => store.revisions(&format!("{name}@all"))?,
        None => store.all_revisions()?,
    };
    let asked = args.archived || args.experiment.is_some();
    let total = revisions.len();
    revisions.retain(|revision| {
        (asked || !revision.archived)
            && since.as_ref().is_none_or(|since| since.is_reached_at(&revision.updated_at))
            && args.tag.as_deref().is_none_or(|tag| has_tag(revision.tags.as_deref(), tag))
    });
    let standings: Vec<ListedRevision> = revisions
        .into_iter()
        .map(|revision| ListedRevision::read(&mut store, revision))
        .collect::<anyhow::Result<_>>()?;
    match args.format {
        TableFormat::Table if standings.is_empty() => {
            let hidden =
                if total > 0 { format!("; {} left out", counted(total, "revision")) } else { String::new() };
            console.note(&format!("no experiment to list{hidden}"));
        }
        TableFormat::Table => {
            let rows: Vec<Vec<String>> = standings.iter().map(ListedRevision::cells).collect();
            let headers = [
                "experiment",
                "started",
                "took",
                "runs",
                "best model on test",
                "skill",
                "ended",
                "tags",
                "note",
            ];
            console.page(&table(&headers, &rows, &[2, 5], console.width()));
        }
        TableFormat::Json => {
            let list: Vec<Value> = standings.iter().map(ListedRevision::to_json).collect();
            console.result(&Value::Array(list).to_string());
        }
        TableFormat::Csv => {
            let header = [
                "experiment",
                "revision",
                "started_at",
                "finished_at",
                "wall_s",
                "planned",
                "done",
                "failed",
                "pruned",
                "best",
                "skill",
                "outcome",
                "tags",
                "note",
            ];
            let rows = standings.iter().map(ListedRevision::csv_cells);
            console.result(&csv(&header.map(str::to_string), rows));
        }
    }
    Ok(Exit::Ok)
}

/// Whether a list with commas between its tags has one.
pub(super) fn has_tag(tags: Option<&str>, tag: &str) -> bool {
    tags.is_some_and(|tags| tags.split(',').any(|one| one == tag))
}

impl ListedRevision {
    fn read(store: &mut Store, revision: RevisionRow) -> anyhow::Result<Self> {
        Ok(Self { standing: RevisionStanding::read(store, &revision)?, revision })
    }

    fn runs(&self) -> String {
        let RevisionCounts { planned, done, failed, pruned, running, .. } = self.standing.counts;
        let mut parts = vec![format!("{done} of {planned} done")];
        for (count, what) in [(running, "running"), (pruned, "pruned"), (failed, "failed")] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        parts.join(", ")
    }

    fn best(&self) -> String {
        match self.standing.best.as_slice() {
            [] => "-".to_string(),
            [best] => best.label.clone(),
            [best, others @ ..] => format!("{} (+ {})", best.label, counted(others.len(), "setting")),
        }
    }

    fn cells(&self) -> Vec<String> {
        let revision = &self.revision;
        let archived = if revision.archived { " (archived)" } else { "" };
        vec![
            format!("{}{archived}", revision.id()),
            minute(&revision.started_at),
            self.standing.counts.wall_s.map_or("-".to_string(), duration),
            self.runs(),
            self.best(),
            self.standing.skill().map_or("-".to_string(), percent),
            self.standing.ended(revision),
            revision.tags.clone().unwrap_or_default().replace(',', ", "),
            revision.note.clone().unwrap_or_default(),
        ]
    }

    fn csv_cells(&self) -> Vec<String> {
        let RevisionRow { experiment, revision, started_at, finished_at, outcome, tags, note, .. } =
            &self.revision;
        let RevisionCounts { planned, done, failed, pruned, wall_s, .. } = &self.standing.counts;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let real = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        vec![
            experiment.clone(),
            revision.to_string(),
            started_at.clone(),
            text(finished_at),
            real(*wall_s),
            planned.to_string(),
            done.to_string(),
            failed.to_string(),
            pruned.to_string(),
            self.standing.best.first().map_or(String::new(), |best| best.label.clone()),
            real(self.standing.skill()),
            text(outcome),
            text(tags),
            text(note),
        ]
    }

    fn to_json(&self) -> Value {
        let row = &self.revision;
        let best: Vec<Value> = self
            .standing
            .best
            .iter()
            .map(|best| json!({ "label": best.label, "skill": best.skill }))
            .collect();
        let RevisionCounts { planned, done, failed, pruned, running, wall_s } = &self.standing.counts;
        json!({
            "experiment": row.experiment, "revision": row.revision, "latest": row.is_latest, "path": row.path,
            "description": row.description, "command": row.command, "host": row.host, "device": row.device,
            "git_commit": row.git_commit, "started_at": row.started_at, "updated_at": row.updated_at,
            "finished_at": row.finished_at, "outcome": row.outcome, "running": self.standing.is_running, "wall_s": wall_s,
            "runs": { "planned": planned, "done": done, "failed": failed, "pruned": pruned, "running": running },
            "best": best, "tags": tag_list(row.tags.as_deref()), "note": row.note, "archived": row.archived,
        })
    }
}
