//! `burstlab tag`, `note` and `archive`: what people write about runs and revisions.

use clap::Args;

use super::console::Console;
use super::usage;
use crate::store::{Annotation, Named, Store, results_folder};
use crate::system::exit_code::Exit;

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

pub(super) fn tag(args: &TagArgs, console: Console) -> anyhow::Result<Exit> {
    let is_word = |tag: &&String| !tag.is_empty() && !tag.contains(|c: char| c == ',' || c.is_whitespace());
    if let Some(tag) = args.tags.iter().find(|tag| !is_word(tag)) {
        return Err(usage(format!("`{tag}` is not a tag: a tag is one word without spaces and commas")));
    }
    let mut store = Store::open(&results_folder())?;
    let target = store.find(&args.target)?;
    let tags = args.tags.clone();
    let (added, removed) = if args.remove { (Vec::new(), tags) } else { (tags, Vec::new()) };
    let annotation = Annotation { added, removed, note: None };
    store.annotate(&target, &annotation)?;
    store.close()?;
    let done = if args.remove { "no longer tagged" } else { "tagged" };
    console.note(&format!("{} {done} {}", name_of(&target), args.tags.join(", ")));
    Ok(Exit::Ok)
}

pub(super) fn note(args: &NoteArgs, console: Console) -> anyhow::Result<Exit> {
    let mut store = Store::open(&results_folder())?;
    let target = store.find(&args.target)?;
    let text = args.text.clone().filter(|_| !args.remove);
    store.annotate(&target, &Annotation { note: Some(text), ..Annotation::default() })?;
    store.close()?;
    console.note(&format!(
        "{}: the note was {}",
        name_of(&target),
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

/// What something is written about, for people.
fn name_of(target: &Named) -> String {
    match target {
        Named::Run(run) => format!("run {run}"),
        Named::Revisions(revisions) => {
            revisions.iter().map(|revision| revision.id().to_string()).collect::<Vec<_>>().join(", ")
        }
    }
}
