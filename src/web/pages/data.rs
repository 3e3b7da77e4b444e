//! Traces: the catalog, what is on disk, and what the experiments of the store read.

use std::path::{Path, PathBuf};

use maud::{Markup, html};

use super::super::Visit;
use super::super::address::{experiment_link, link};
use super::super::answer::{PageAnswer, PageFault};
use super::super::frame::{Page, Tab};
use crate::dataset::{CatalogEntry, SYNTHETIC, TraceSource, catalog, dataset_folder, find_source};
use crate::spec::{ColumnsSpec, Experiment};
use crate::store::Store;

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

/// Makes the page.
pub fn page(visit: &Visit<'_>) -> Result<PageAnswer, PageFault> {
    let mut store = visit.dashboard.open()?;
    let named = named_traces(&mut store)?;
    let entries = catalog()?;
    let folder = dataset_folder();
    let header = html! {
        h1 { "Data" }
        p.lead { "Files are read from " code { (folder.display()) } "." }
    };
    let main = html! {
        h2 { "Traces of the experiments" }
        @if named.is_empty() { p { "No experiment reads a file." } } @else { (named_table(&named)) }
        h2 { "Catalog" }
        (catalog_table(&entries, &folder))
    };
    Ok(PageAnswer::Page(Page::new(Tab::Data, "Data", header, main)))
}

/// The traces that the experiments of a store name, each file once for each way of reading its columns; those of the
/// catalog and the synthetic one are not among them.
pub fn named_traces(store: &mut Store) -> Result<Vec<NamedTrace>, PageFault> {
    let mut named: Vec<NamedTrace> = Vec::new();
    let entries = catalog()?;
    for revision in store.all_revisions()? {
        let id = revision.id().to_string();
        let overrides = revision.override_list()?;
        // A file that this version cannot read names nothing.
        let Ok(experiment) = Experiment::parse_recorded(&revision.path, revision.text, &overrides) else {
            continue;
        };
        let dataset = &experiment.spec.dataset;
        let is_known =
            dataset.source == SYNTHETIC || entries.iter().any(|entry| entry.name == dataset.source);
        if is_known {
            continue;
        }
        let file = match find_source(&dataset.source, &experiment.source_folders()) {
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
            revision: id,
        });
    }
    Ok(named)
}

fn named_table(named: &[NamedTrace]) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label="Traces of the experiments" { table {
            thead { tr { th scope="col" { "source" } th scope="col" { "status" } th.n scope="col" { "MB" } th scope="col" { "read by" } } }
            tbody { @for trace in named { tr {
                th scope="row" {
                    @if trace.file.is_some() { a href=(link("/data/inspect", [("source", trace.source.as_str()), ("of", trace.revision.as_str())])) { (trace.source) } }
                    @else { (trace.source) }
                }
                td { @if trace.file.is_some() { "here" } @else { "not here" } }
                td.n { (trace.file.as_deref().and_then(megabytes).unwrap_or("-".to_string())) }
                td { a href=(experiment_link(&trace.revision)) { (trace.revision) } }
            } } }
        } }
    }
}

fn catalog_table(entries: &[CatalogEntry], folder: &Path) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label="Catalog" { table {
            thead { tr { th scope="col" { "name" } th scope="col" { "status" } th.n scope="col" { "MB" } th scope="col" { "licence" } th scope="col" { "description" } } }
            tbody {
                tr { th scope="row" { (SYNTHETIC) } td { "built in" } td.n { "-" } td { "-" } td { "Synthetic; imitates published statistics of BurstGPT" } }
                @for entry in entries {
                    @let is_here = folder.join(&entry.file).is_file();
                    tr {
                        th scope="row" {
                            @if is_here { a href=(link("/data/inspect", [("source", entry.name.as_str())])) { (entry.name) } }
                            @else { (entry.name) }
                        }
                        td { @if is_here { "here" } @else { "not here: " code { "burstlab dataset fetch " (entry.name) } } }
                        td.n { (entry.bytes.map_or("-".to_string(), |bytes| format!("{:.1}", bytes as f64 / 1e6))) }
                        td { (entry.licence) }
                        td { (entry.title) }
                    }
                }
            }
        } }
    }
}

fn megabytes(path: &Path) -> Option<String> {
    Some(format!("{:.1}", path.metadata().ok()?.len() as f64 / 1e6))
}
