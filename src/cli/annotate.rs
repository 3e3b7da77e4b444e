//! `burstlab tag`, `note` and `archive`: what people write about runs and revisions.

use clap::Args;

use super::console::Console;
use super::exit_code::Exit;
use super::usage;
use crate::store::{RevisionId, Store, results_folder};

#[derive(Debug, Args)]
pub(super) struct TagArgs {
    /// A run, by the first characters of its ID, or an experiment: NAME for its latest revision, NAME@2, NAME@all
    target: String,
    /// The tags: words without spaces and commas
    #[arg(required = true)]
    tags: Vec<String>,
    /// Take the tags away
    #[arg(long)]
    remove: bool,
}

#[derive(Debug, Args)]
pub(super) struct NoteArgs {
    /// A run, by the first characters of its ID, or an experiment: NAME for its latest revision, NAME@2
    target: String,
    /// The note; it replaces the one before
    #[arg(required_unless_present = "remove")]
    text: Option<String>,
    /// Take the note away
    #[arg(long, conflicts_with = "text")]
    remove: bool,
}

#[derive(Debug, Args)]
pub(super) struct ArchiveArgs {
    /// The revisions: NAME for the latest, NAME@2, NAME@all
    #[arg(required = true, value_name = "NAME@N")]
    revisions: Vec<String>,
    /// Show them in lists again
    #[arg(long)]
    undo: bool,
}

/// What something is written about.
enum Target {
    Run(String),
    Revisions(Vec<RevisionId>),
}

pub(super) fn tag(args: &TagArgs, console: Console) -> anyhow::Result<Exit> {
    let is_word = |tag: &&String| !tag.is_empty() && !tag.contains(|c: char| c == ',' || c.is_whitespace());
    if let Some(tag) = args.tags.iter().find(|tag| !is_word(tag)) {
        return Err(usage(format!("`{tag}` is not a tag: a tag is one word without spaces and commas")));
    }
    let mut store = Store::open(&results_folder())?;
    let target = find(&mut store, &args.target)?;
    for tag in &args.tags {
        match &target {
            Target::Run(run) => store.tag_run(run, tag, args.remove)?,
            Target::Revisions(revisions) => {
                for revision in revisions {
                    store.tag_revision(revision, tag, args.remove)?;
                }
            }
        }
    }
    store.close()?;
    let done = if args.remove { "no longer tagged" } else { "tagged" };
    console.note(&format!("{} {done} {}", target.name(), args.tags.join(", ")));
    Ok(Exit::Ok)
}

pub(super) fn note(args: &NoteArgs, console: Console) -> anyhow::Result<Exit> {
    let mut store = Store::open(&results_folder())?;
    let target = find(&mut store, &args.target)?;
    let text = args.text.as_deref().filter(|_| !args.remove);
    match &target {
        Target::Run(run) => store.note_run(run, text)?,
        Target::Revisions(revisions) => {
            for revision in revisions {
                store.note_revision(revision, text)?;
            }
        }
    }
    store.close()?;
    console.note(&format!(
        "{}: the note was {}",
        target.name(),
        if args.remove { "removed" } else { "written" }
    ));
    Ok(Exit::Ok)
}

pub(super) fn archive(args: &ArchiveArgs, console: Console) -> anyhow::Result<Exit> {
    let mut store = Store::open(&results_folder())?;
    for reference in &args.revisions {
        for revision in store.revisions(reference)? {
            store.archive_revision(&revision.id(), !args.undo)?;
            let done = if args.undo {
                "is shown in lists again"
            } else {
                "is left out of lists; SQL still shows it"
            };
            console.note(&format!("{} {done}", revision.id()));
        }
    }
    store.close()?;
    Ok(Exit::Ok)
}

/// A run or the revisions of an experiment; a name comes before a run that begins with the same characters.
fn find(store: &mut Store, reference: &str) -> anyhow::Result<Target> {
    match store.revisions(reference) {
        Ok(revisions) => Ok(Target::Revisions(revisions.iter().map(|revision| revision.id()).collect())),
        Err(no_revision) => match store.resolve_run(reference) {
            Ok(run) => Ok(Target::Run(run)),
            // Only a run's ID has hexadecimal digits alone.
            Err(no_run) if reference.bytes().all(|byte| byte.is_ascii_hexdigit()) => Err(no_run),
            Err(_) => Err(no_revision),
        },
    }
}

impl Target {
    fn name(&self) -> String {
        match self {
            Target::Run(run) => format!("run {run}"),
            Target::Revisions(revisions) => {
                revisions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            }
        }
    }
}
