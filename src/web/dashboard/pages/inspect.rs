//! One trace: what is in it, with plots; the same as `burstlab dataset inspect --html`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use maud::{Markup, html};

use super::super::Visit;
use super::super::answer::{PageAnswer, PageFault};
use super::super::frame::{Page, Tab};
use super::data::named_traces;
use crate::dataset::{TraceSource, catalog, dataset_folder, inspect};
use crate::report::inspection_body;
use crate::spec::ColumnsSpec;

/// Size and time of a file.
pub type TraceStamp = (u64, SystemTime);

/// An inspection, rendered.
pub type Inspected = Markup;

/// Makes the page. Only traces of the catalog, and those that experiments of the store name, are read.
pub fn page(visit: &Visit<'_>) -> Result<PageAnswer, PageFault> {
    let source = visit.address.value("source").unwrap_or_default();
    let (file, columns) = find(visit, source)?;
    let key = format!("{} {columns:?}", file.display());
    let found =
        visit.dashboard.kept.inspections.get(&key, stamp(&file), || inspected(&file, columns.as_ref()))?;
    let header = html! { p.kind { "trace" } h1 { (source) } p { code { (file.display()) } } };
    let main = html! { (*found.value) };
    Ok(PageAnswer::Page(Page::new(Tab::Data, source, header, main)))
}

fn stamp(file: &Path) -> Option<TraceStamp> {
    let metadata = file.metadata().ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

fn find(visit: &Visit<'_>, source: &str) -> Result<(PathBuf, Option<ColumnsSpec>), PageFault> {
    if let Some(entry) = catalog()?.into_iter().find(|entry| entry.name == source) {
        let path = dataset_folder().join(&entry.file);
        if path.is_file() {
            return Ok((path, None));
        }
        return Err(PageFault::Missing(format!(
            "the dataset `{source}` is not on this machine; fetch it with: burstlab dataset fetch {source}"
        )));
    }
    let named = named_traces(visit.dashboard)?;
    let of = visit.address.value("of");
    let found = named.into_iter().filter(|trace| trace.source == source);
    let mut found: Vec<_> = found.filter(|trace| of.is_none_or(|of| of == trace.revision)).collect();
    match found.pop().map(|trace| (trace.file, trace.columns)) {
        Some((Some(file), columns)) => Ok((file, columns)),
        Some((None, _)) => Err(PageFault::Missing(format!("the trace `{source}` is not on this machine"))),
        None => Err(PageFault::Missing(format!(
            "no experiment of the store reads `{source}`, and the catalog has no such trace"
        ))),
    }
}

fn inspected(file: &Path, columns: Option<&ColumnsSpec>) -> Result<Inspected, PageFault> {
    let source = TraceSource::File(file.to_path_buf());
    let Some(read) = source.read(columns) else {
        return Err(PageFault::Missing("the built-in trace has no file".to_string()));
    };
    let trace = read.map_err(|error| PageFault::Refused(format!("{error}; {}", error.help())))?;
    Ok(inspection_body(&inspect(&trace))?)
}
