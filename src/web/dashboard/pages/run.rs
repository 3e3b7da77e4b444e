//! The page of a run: what it was, how it went, what it left.

use std::path::Path;

use maud::{Markup, html};

use super::super::Visit;
use super::super::address::{experiment_link, link, run_link};
use super::super::answer::{PageAnswer, PageFault};
use super::super::frame::{Live, Page, Tab};
use super::super::widgets::{card, plain_table, status, tags};
use super::annotate::annotation_form;
use super::run_capacity::capacity_table;
use super::run_files::{self, RunFile};
use crate::listing::paths;
use crate::report::{RunFigures, run_figures, served_figure};
use crate::spec::{lookup, run_label, shown_value};
use crate::stats::{INTERVAL_NAMES, NAMES};
use crate::store::{
    AttemptRow, BreakdownRow, EventRow, MetricRow, RunFilter, RunRow, Store, has_files, run_folder,
};
use crate::text::{counted, duration, minute, number};

/// Events that are shown; a run that is retried again and again has more.
const MOST_EVENTS: usize = 500;

/// Makes the page.
pub fn page(visit: &Visit<'_>) -> Result<PageAnswer, PageFault> {
    let mut store = visit.dashboard.open()?;
    let run_id = store.resolve_run(visit.address.capture("id")).map_err(PageFault::of_lookup)?;
    let plannings = store.runs(&RunFilter::one(&run_id))?;
    let Some(run) = plannings.first() else {
        return Err(PageFault::Missing(format!("run {run_id} was never planned by an experiment")));
    };
    let epochs = store.epochs_of_runs(std::slice::from_ref(&run_id))?;
    let names: Vec<String> = paths(&run.params)
        .into_iter()
        .filter(|path| path.starts_with("model.") && path != "model.kind")
        .collect();
    let label = run_label(&run.params, &names);
    let figures =
        run_figures(visit.results(), &run_id, &run.model, &epochs, has_files(visit.results(), &run_id));
    let recorded = store.metrics_of_run(&run_id)?;
    let files = run_files::list(visit.results(), &run_id);
    let place = run_link(&run_id);
    let header = html! {
        nav.trail aria-label="This run" {
            @for planning in &plannings {
                @let last = planning.revisions.rsplit(',').next().unwrap_or_default();
                @let reference = format!("{}@{last}", planning.experiment);
                a href=(experiment_link(&reference)) { (reference) }
            }
            a href=(link("/compare", [("of", run_id.as_str())])) { "Compare with others" }
        }
        p.kind { "run " code { (run_id) } }
        h1 { (label) }
        p { (status(run.status)) " " (tags(run.tags.as_deref())) }
        @if let Some(error) = &run.error { p.caution { (error) } }
        @if let Some(note) = &run.note { p.description { (note) } }
    };
    let main = html! {
        (facts(run))
        (plots(&figures))
        (metrics(&recorded))
        (capacity_table(&recorded))
        (breakdowns(&store.breakdowns_of_run(&run_id)?))
        (configuration(run))
        (attempts(&store.attempts_of_run(&run_id)?))
        (events(&mut store, &run_id)?)
        (file_list(&run_id, &files, &run_folder(visit.results(), &run_id)))
        h2 { "Reproduce" }
        p { "This executes the run again and checks that every number is the same to the bit." }
        pre { code { "burstlab rerun " (run_id) } }
        h2 #annotations { "Tags and note" }
        (annotation_form(&run_id, &place, run.tags.as_deref(), run.note.as_deref()))
    };
    let page = Page::new(Tab::Runs, format!("Run {run_id}"), header, main);
    Ok(PageAnswer::Page(page.live(Live::Run(run_id))))
}

fn facts(run: &RunRow) -> Markup {
    let text = |value: &Option<String>| html! { (value.as_deref().unwrap_or("-")) };
    let time = |value: &Option<String>| html! { (value.as_deref().map_or("-".to_string(), minute)) };
    card(&[
        ("Seed", html! { (run.seed.map_or("none".to_string(), |seed| seed.to_string())) }),
        ("Fold", html! { (run.fold) }),
        ("Device", html! { (run.device) }),
        ("Started", time(&run.started_at)),
        ("Ended", time(&run.finished_at)),
        ("Took", html! { (run.wall_s.map_or("-".to_string(), duration)) }),
        ("Attempts", html! { (run.attempts) }),
        (
            "Peak memory",
            html! { (run.peak_rss_bytes.map_or("-".to_string(), |bytes| format!("{} MiB", bytes >> 20))) },
        ),
        ("Version", text(&run.version)),
        (
            "Commit",
            html! { (run.git_commit.as_deref().unwrap_or("-")) @if run.git_dirty == Some(true) { " (with uncommitted changes)" } },
        ),
        ("Data", html! { code { (run.dataset_sha256) } }),
        ("Split", html! { (run.leak_verdict) }),
    ])
}

fn plots(figures: &RunFigures) -> Markup {
    html! {
        @for (plot, caption) in &figures.plots { (served_figure(plot, caption)) }
        @for sentence in &figures.missing { p.caution { (sentence) } }
    }
}

/// One row for each part, target and unit; one column for each metric.
fn metrics(metrics: &[MetricRow]) -> Markup {
    let groups: Vec<&[MetricRow]> =
        metrics.chunk_by(|a, b| (&a.part, &a.target, &a.unit) == (&b.part, &b.target, &b.unit)).collect();
    let order = |part: &str| ["train", "valid", "test"].iter().position(|known| *known == part);
    let mut groups = groups;
    groups.sort_by_key(|group| order(&group[0].part));
    let table = |title: &str, names: &[&str]| {
        let present: Vec<&&str> =
            names.iter().filter(|name| metrics.iter().any(|metric| metric.name == **name)).collect();
        let headers: Vec<String> = ["part", "target", "unit"]
            .iter()
            .chain(present.iter().copied())
            .map(ToString::to_string)
            .collect();
        let own = |metric: &MetricRow| present.iter().any(|name| metric.name == **name);
        let rows = groups.iter().filter(|group| group.iter().any(own)).map(|group| {
            let first = &group[0];
            let value = |name: &&&str| {
                group
                    .iter()
                    .find(|metric| metric.name == ***name)
                    .map_or("-".to_string(), |metric| number(metric.value))
            };
            [&first.part, &first.target, &first.unit]
                .into_iter()
                .cloned()
                .chain(present.iter().map(value))
                .collect()
        });
        html! { @if !present.is_empty() { h2 { (title) } (plain_table(title, &headers, 3, rows)) } }
    };
    html! { (table("Metrics", &NAMES)) (table("Intervals", &INTERVAL_NAMES)) }
}

fn breakdowns(rows: &[BreakdownRow]) -> Markup {
    let columns = [("original", "mae"), ("original", "bias"), ("scaled", "mse"), ("original", "coverage_80")];
    let headers = ["by", "bucket", "target", "forecasts", "mae", "bias", "mse (scaled)", "coverage_80"];
    let groups =
        rows.chunk_by(|a, b| (&a.dimension, &a.bucket, &a.target) == (&b.dimension, &b.bucket, &b.target));
    let lines = groups.map(|group| {
        let value = |(unit, name): &(&str, &str)| {
            let found = group.iter().find(|row| row.unit == *unit && row.name == *name);
            found.map_or("-".to_string(), |row| number(row.value))
        };
        let first = &group[0];
        [
            first.dimension.replace('_', " "),
            first.bucket.clone(),
            first.target.clone(),
            first.forecasts.to_string(),
        ]
        .into_iter()
        .chain(columns.iter().map(value))
        .collect()
    });
    html! {
        @if !rows.is_empty() {
            details {
                summary { "Test errors by hour, burst state and size" }
                (plain_table("Test errors by bucket", &headers.map(str::to_string), 3, lines))
            }
        }
    }
}

fn configuration(run: &RunRow) -> Markup {
    let rows = paths(&run.params).into_iter().map(|path| {
        let value = lookup(&run.params, &path).map_or(String::new(), shown_value);
        vec![path, value]
    });
    html! {
        h2 { "Configuration" }
        (plain_table("Configuration", &["parameter".to_string(), "value".to_string()], 2, rows))
    }
}

fn attempts(attempts: &[AttemptRow]) -> Markup {
    let headers = ["status", "started", "took", "device", "version", "error"].map(str::to_string);
    let rows = attempts.iter().map(|attempt| {
        let killed = attempt.status == "running" && !attempt.alive;
        vec![
            if killed { "killed".to_string() } else { attempt.status.clone() },
            minute(&attempt.started_at),
            attempt.wall_s.map_or("-".to_string(), duration),
            attempt.device.clone(),
            attempt.version.clone(),
            attempt.error.clone().unwrap_or("-".to_string()),
        ]
    });
    html! {
        h2 { "Attempts" }
        @if attempts.is_empty() { p { "It was not started yet." } } @else { (plain_table("Attempts", &headers, 6, rows)) }
    }
}

fn events(store: &mut Store, run_id: &str) -> Result<Markup, PageFault> {
    let events: Vec<EventRow> = store.events_of_run(run_id)?;
    let skipped = events.len().saturating_sub(MOST_EVENTS);
    let headers = ["at", "event", "particulars"].map(str::to_string);
    let rows = events
        .iter()
        .skip(skipped)
        .map(|event| vec![event.at.clone(), event.kind.clone(), event.detail.clone()]);
    Ok(html! {
        @if !events.is_empty() {
            details {
                summary { "Events (" (events.len()) ")" }
                @if skipped > 0 { p { "The first " (skipped) " are left out." } }
                (plain_table("Events", &headers, 3, rows))
            }
        }
    })
}

fn file_list(run_id: &str, (files, count): &(Vec<RunFile>, usize), folder: &Path) -> Markup {
    html! {
        h2 { "Files" }
        @if *count > files.len() { p { "The first " (files.len()) " of " (counted(*count, "file")) "; all are in " code { (folder.display()) } "." } }
        @if files.is_empty() { p { "It has no files." } }
        @else {
            ul { @for file in files {
                li { a href=(file.link(run_id)) download { (file.name()) } " " span.note { (file.size()) } }
            } }
        }
    }
}
