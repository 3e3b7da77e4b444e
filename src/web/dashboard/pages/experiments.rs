//! All experiments: how each stands, its best model, and the course of its objective.

use maud::{Markup, html};

use super::super::Visit;
use super::super::address::{experiment_link, link};
use super::super::answer::{PageAnswer, PageFault};
use super::super::frame::{Live, Page, Tab};
use super::super::widgets::{field, progress, sparkline, tags};
use super::overview::{self, Entry};
use crate::compare::RevisionStanding;
use crate::listing::{parse_moment, tag_list};
use crate::store::{RevisionCounts, RevisionRow};
use crate::text::{counted, minute, percent};

/// Makes the page.
pub fn page(visit: &Visit<'_>) -> Result<PageAnswer, PageFault> {
    let address = visit.address;
    let since = address.value("since").map(|text| parse_moment("since", text)).transpose()?;
    let (entries, stale) = overview::read(visit.dashboard, visit.stamp())?;
    let words = address.value("q").map(str::to_lowercase);
    let is_shown = |entry: &&Entry| {
        let row = &entry.revision;
        let text = [Some(&row.experiment), row.description.as_ref(), row.note.as_ref()];
        let text = text.into_iter().flatten().map(|text| text.to_lowercase()).collect::<Vec<_>>().join(" ");
        (address.value("archived").is_some() || !row.archived)
            && since.as_ref().is_none_or(|since| since.is_reached_at(&row.updated_at))
            && address.value("tag").is_none_or(|tag| tag_list(row.tags.as_deref()).contains(&tag))
            && words.as_ref().is_none_or(|words| words.split_whitespace().all(|word| text.contains(word)))
    };
    let shown: Vec<&Entry> = entries.iter().filter(is_shown).collect();
    // The revision that ran last stands for its experiment, or the last of those that pass the filter.
    let mut rows: Vec<(&Entry, Vec<&Entry>)> = Vec::new();
    for entry in shown {
        match rows.iter_mut().find(|(first, _)| first.revision.experiment == entry.revision.experiment) {
            Some((first, others)) => {
                let newer = entry.revision.is_latest || !first.revision.is_latest;
                let other = if newer { std::mem::replace(first, entry) } else { entry };
                others.push(other);
            }
            None => rows.push((entry, Vec::new())),
        }
    }
    rows.sort_by_key(|(entry, _)| !is_running(entry));
    let running = rows.iter().filter(|(entry, _)| is_running(entry)).count();
    let header = html! {
        h1 { "Experiments" }
        p.lead {
            (counted(rows.len(), "experiment"))
            @if running > 0 { ", " (running) " running" }
        }
        form.filters method="get" action="/" {
            (field("Search", "q", address.value("q"), "name, description, note"))
            (field("Tag", "tag", address.value("tag"), "paper"))
            (field("Ran since", "since", address.value("since"), "7d, 2026-11-01"))
            label.check { input type="checkbox" name="archived" value="1" checked[address.value("archived").is_some()]; span { "also archived" } }
            button { "Filter" }
        }
    };
    let main = html! {
        @if entries.is_empty() {
            p { "The store has no experiment yet. " code { "burstlab run experiments/quickstart.toml" } " makes the first one." }
        } @else if rows.is_empty() {
            p { "No experiment passes the filter. " a href="/" { "Show all" } }
        } @else {
            (table(&rows))
        }
    };
    Ok(PageAnswer::Page(
        Page::new(Tab::Experiments, "Experiments", header, main).live(Live::Store).stale(stale),
    ))
}

fn table(rows: &[(&Entry, Vec<&Entry>)]) -> Markup {
    html! {
        div.rows tabindex="0" role="group" aria-label="Experiments" {
            table.cards {
                thead { tr {
                    th scope="col" { "Experiment" }
                    th scope="col" { "State" }
                    th scope="col" { "Best model on test" }
                    th.n scope="col" { "Skill" }
                    th scope="col" { "Objective by trial" }
                    th scope="col" { "Last activity" }
                } }
                tbody { @for (entry, others) in rows { (row(entry, others)) } }
            }
        }
    }
}

fn is_running(entry: &Entry) -> bool {
    entry.standing.as_ref().is_some_and(|standing| standing.is_running)
}

fn row(entry: &Entry, others: &[&Entry]) -> Markup {
    let Entry { revision, standing } = entry;
    let reference = revision.id().to_string();
    let ended = revision.finished_at.as_ref().unwrap_or(&revision.updated_at);
    html! {
        tr.running[is_running(entry)] {
            th scope="row" {
                a href=(experiment_link(&reference)) { (reference) }
                @if revision.archived { " " span.mark { "archived" } }
                @if let Some(description) = &revision.description { p.note { (description) } }
                @if let Some(note) = &revision.note { p.note { (note) } }
                @if revision.tags.is_some() { p.note { (tags(revision.tags.as_deref())) } }
                @if !others.is_empty() {
                    p.note {
                        "revisions: "
                        @for other in others {
                            a href=(experiment_link(&other.revision.id().to_string())) { (other.revision.revision) } " "
                        }
                        a href=(link("/compare", [("of", format!("{}@all", revision.experiment).as_str())])) { "history" }
                    }
                }
            }
            @match standing {
                Some(standing) => {
                    td data-label="State" { (state(revision, standing)) }
                    td data-label="Best model" { (best(standing)) }
                    td.n data-label="Skill" { (standing.skill().map_or("-".to_string(), percent)) }
                    td data-label="Objective" { (course(standing)) }
                }
                None => {
                    td data-label="State" { span.note { "being computed" } }
                    td data-label="Best model" { "-" }
                    td.n data-label="Skill" { "-" }
                    td data-label="Objective" { "-" }
                }
            }
            td data-label="Last activity" { time datetime=(ended) { (minute(ended)) } }
        }
    }
}

fn best(standing: &RevisionStanding) -> Markup {
    html! {
        @match standing.best.as_slice() {
            [] => { "-" }
            [best] => { (best.label) }
            [best, others @ ..] => { (best.label) " " span.note { "+ " (counted(others.len(), "setting")) } }
        }
    }
}

fn course(standing: &RevisionStanding) -> Markup {
    let objective = &standing.objective;
    let trials = counted(standing.course.len(), "trial");
    let label = format!("{} {} over {trials}", objective.part.as_str(), objective.metric.as_str());
    sparkline(&standing.course, &label)
}

fn state(revision: &RevisionRow, standing: &RevisionStanding) -> Markup {
    let RevisionCounts { planned, done, failed, pruned, running, .. } = standing.counts;
    let class = match standing.ended(revision).as_str() {
        "running" => "running",
        "finished" => "done",
        _ => "interrupted",
    };
    html! {
        span class={ "state " (class) } { (standing.ended(revision)) }
        @if standing.is_running { (progress(done + pruned + failed, planned)) }
        p.note {
            (done) " of " (planned) " done"
            @for (count, what) in [(running, "running"), (pruned, "pruned"), (failed, "failed")] {
                @if count > 0 && (what != "running" || standing.is_running) { ", " (count) " " (what) }
            }
        }
    }
}
