//! Traces: the catalog, what is on disk, and what the experiments of the store read.

use std::path::{Path, PathBuf};

use maud::{Markup, html};

use super::super::address::{experiment_link, link};
use super::super::answer::{PageAnswer, PageFault};
use super::super::frame::{Page, Tab};
use super::super::{Dashboard, Visit};
use crate::dataset::{CatalogEntry, SYNTHETIC, TraceSource, catalog, dataset_folder, find_source};
use crate::spec::{ColumnsSpec, Experiment};
use crate::store::RevisionRow;

/// A trace that an experiment of the store names.
pub struct NamedTrace {
    /// As the experiment file says.
    pub source: String,
    /// The file, if it is on this machine.
    pub file: Option<PathBuf>,
    /// The roles of its columns, where the file says them.
    pub columns: Option<ColumnsSpec>,
    /// The last revision that names it.
    pub revision: String,
}

/// The data of a revision.
pub struct ReadDataset {
    source: String,
    /// Where its file is looked for.
    folders: Vec<PathBuf>,
    columns: Option<ColumnsSpec>,
}

/// Makes the page.
pub fn page(visit: &Visit<'_>) -> Result<PageAnswer, PageFault> {
    let named = named_traces(visit.dashboard)?;
    let entries = catalog()?;
    let folder = dataset_folder();
    let header = html! {
        h1 { "Data" }
        p.lead { "Files are read from " code { (folder.display()) } "." }
    };
    let main = html! {
        h2 { "Traces of the experiments" }
        @if named.is_empty() { p { "No experiment names a file of its own." } } @else { (named_table(&named)) }
        h2 { "Catalog" }
        (catalog_table(&entries, &folder))
    };
    Ok(PageAnswer::Page(Page::new(Tab::Data, "Data", header, main)))
}

/// The traces that the experiments of a store name, each file once for each way of reading its columns; those of the
/// catalog and the synthetic one are not among them.
pub fn named_traces(dashboard: &Dashboard) -> Result<Vec<NamedTrace>, PageFault> {
    let mut named: Vec<NamedTrace> = Vec::new();
    let entries = catalog()?;
    for revision in dashboard.open()?.all_revisions()? {
        let id = revision.id();
        // An execution may bring another file of the same text.
        let mark = format!("{} {}", revision.updated_at, revision.path);
        let read = dashboard.kept.datasets.get(&id, mark, || read_dataset(revision))?.value;
        let Some(dataset) = read.as_ref() else { continue };
        let is_known =
            dataset.source == SYNTHETIC || entries.iter().any(|entry| entry.name == dataset.source);
        if is_known {
            continue;
        }
        let file = match find_source(&dataset.source, &dataset.folders) {
            Ok(TraceSource::File(path)) => Some(path),
            _ => None,
        };
        // One name may be another file beside another experiment.
        let is_listed = named.iter().any(|trace| {
            trace.columns == dataset.columns
                && trace.file == file
                && (file.is_some() || trace.source == dataset.source)
        });
        if is_listed {
            continue;
        }
        named.push(NamedTrace {
            source: dataset.source.clone(),
            file,
            columns: dataset.columns.clone(),
            revision: id.to_string(),
        });
    }
    Ok(named)
}

/// What the file of a revision says about its data; a file that this version cannot read names nothing.
fn read_dataset(revision: RevisionRow) -> Result<Option<ReadDataset>, PageFault> {
    let overrides = revision.override_list()?;
    // A file that this version cannot read names nothing.
    let experiment = Experiment::parse_recorded(&revision.path, revision.text, &overrides).ok();
    Ok(experiment.map(|experiment| ReadDataset {
        folders: experiment.source_folders(),
        source: experiment.spec.dataset.source,
        columns: experiment.spec.dataset.columns,
    }))
}

fn named_table(named: &[NamedTrace]) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label="Traces of the experiments" { table.cards {
            thead { tr { th scope="col" { "source" } th scope="col" { "status" } th.n scope="col" { "MB" } th scope="col" { "read by" } } }
            tbody { @for trace in named { tr {
                th scope="row" {
                    @if trace.file.is_some() { a href=(link("/data/inspect", [("source", trace.source.as_str()), ("of", trace.revision.as_str())])) { (trace.source) } }
                    @else { (trace.source) }
                }
                td data-label="Status" { @if trace.file.is_some() { "here" } @else { "not here" } }
                td.n data-label="MB" { (trace.file.as_deref().and_then(megabytes).unwrap_or("-".to_string())) }
                td data-label="Read by" { a href=(experiment_link(&trace.revision)) { (trace.revision) } }
            } } }
        } }
    }
}

fn catalog_table(entries: &[CatalogEntry], folder: &Path) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label="Catalog" { table.cards {
            thead { tr { th scope="col" { "name" } th scope="col" { "status" } th.n scope="col" { "MB" } th scope="col" { "licence" } th scope="col" { "description" } } }
            tbody {
                tr {
                    th scope="row" { (SYNTHETIC) }
                    td data-label="Status" { "built in" }
                    td.n data-label="MB" { "-" }
                    td data-label="Licence" { "-" }
                    td data-label="Description" { "Synthetic; imitates published statistics of BurstGPT" }
                }
                @for entry in entries {
                    @let is_here = folder.join(&entry.file).is_file();
                    tr {
                        th scope="row" {
                            @if is_here { a href=(link("/data/inspect", [("source", entry.name.as_str())])) { (entry.name) } }
                            @else { (entry.name) }
                        }
                        td data-label="Status" {
                            @if is_here { "here" } @else { "not here" p.note { code { "burstlab dataset fetch " (entry.name) } } }
                        }
                        td.n data-label="MB" { (entry.bytes.map_or("-".to_string(), |bytes| format!("{:.1}", bytes as f64 / 1e6))) }
                        td data-label="Licence" { (entry.licence) }
                        td data-label="Description" { (entry.title) }
                    }
                }
            }
        } }
    }
}

fn megabytes(path: &Path) -> Option<String> {
    Some(format!("{:.1}", path.metadata().ok()?.len() as f64 / 1e6))
}
