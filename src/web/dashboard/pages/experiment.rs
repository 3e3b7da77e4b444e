//! The page of one revision: its report, alive while it runs.

use maud::{Markup, html};

use super::super::address::{encoded, experiment_link, link};
use super::super::answer::{PageAnswer, PageFault};
use super::super::cache::Cached;
use super::super::frame::{Live, Page, Tab};
use super::super::widgets::{progress, tags};
use super::super::{Dashboard, Visit};
use super::annotate::annotation_form;
use crate::compare::Comparison;
use crate::report::{ReportBody, served_body};
use crate::store::{RevisionRow, Store};

/// Makes the page.
pub fn page(visit: &Visit<'_>) -> Result<PageAnswer, PageFault> {
    let reference = visit.address.capture("reference");
    let mut store = visit.dashboard.open()?;
    let revision = store.revision(reference).map_err(PageFault::of_lookup)?;
    let others = store.revisions(&format!("{}@all", revision.experiment)).map_err(PageFault::of_lookup)?;
    let Cached { value: body, stale } = body(visit.dashboard, &mut store, &revision)?;
    let id = revision.id();
    let counts = store.progress(Some(&id))?;
    let is_running = revision.finished_at.is_none() && store.is_at_work(&id.experiment, Some(id.revision))?;
    let reference = id.to_string();
    let header = html! {
        (links(&revision, &reference, &others))
        @if is_running {
            p.running { span class="state running" { "running" } " " (progress(counts.ended, counts.total)) " " (counts.ended) " of " (counts.total) " runs" }
        }
        (body.header)
    };
    let main = html! {
        (body.main)
        h2 #annotations { "Tags and note" }
        p { (tags(revision.tags.as_deref())) }
        (annotation_form(&reference, &experiment_link(&reference), revision.tags.as_deref(), revision.note.as_deref()))
    };
    let page = Page::new(Tab::Experiments, reference.as_str(), header, main);
    Ok(PageAnswer::Page(page.live(Live::Experiment(reference)).stale(stale)))
}

/// The report of a revision, from what is kept or computed anew.
pub fn body(
    dashboard: &Dashboard,
    store: &mut Store,
    revision: &RevisionRow,
) -> Result<Cached<ReportBody>, PageFault> {
    let id = revision.id();
    let mark = store.revision_mark(&id)?;
    dashboard.kept.bodies.get(&id, mark, || {
        let comparison = Comparison::of_revision(store, &dashboard.results, revision.clone())?;
        Ok(served_body(&comparison, &dashboard.results))
    })
}

fn links(revision: &RevisionRow, reference: &str, others: &[RevisionRow]) -> Markup {
    html! {
        nav.trail aria-label="This experiment" {
            a href=(link("/runs", [("experiment", reference)])) { "Runs" }
            a href={ "/trials/" (encoded(reference)) } { "Trials" }
            a href={ (experiment_link(reference)) "/file" } download { "Experiment file" }
            a href="#annotations" { "Tags and note" }
            @if others.len() > 1 {
                span { "Revisions:" }
                @for other in others {
                    @let id = other.id().to_string();
                    a href=(experiment_link(&id)) aria-current=[(other.revision == revision.revision).then_some("page")] { (other.revision) }
                }
                a href=(link("/compare", [("of", format!("{}@all", revision.experiment).as_str())])) { "History" }
                @if let Some(before) = others.iter().rfind(|other| other.revision < revision.revision) {
                    a href=(link("/compare", [("of", before.id().to_string().as_str()), ("of", reference)])) {
                        "Compare with revision " (before.revision)
                    }
                }
            }
        }
    }
}

/// The experiment file as it was given.
pub fn file(visit: &Visit<'_>) -> Result<PageAnswer, PageFault> {
    let reference = visit.address.capture("reference");
    let revision = visit.dashboard.open()?.revision(reference).map_err(PageFault::of_lookup)?;
    Ok(PageAnswer::File {
        name: format!("{}-{}.toml", revision.experiment, revision.revision),
        kind: "application/toml; charset=utf-8",
        bytes: revision.given.into_bytes(),
    })
}
