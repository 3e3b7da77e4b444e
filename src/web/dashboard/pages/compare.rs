//! Several things beside each other: any revisions, models of them, and runs.

use anyhow::bail;
use maud::{Markup, html};

use super::super::address::{experiment_link, link, run_link};
use super::super::answer::{PageAnswer, PageFault};
use super::super::frame::{Page, Tab};
use super::super::widgets::{choice, kept_fields};
use super::super::{Dashboard, Visit};
use super::scatter;
use crate::compare::{History, KnownRuns, SideBySide, compared_runs};
use crate::listing::{SortKey, path_among, paths, unknown};
use crate::report::plot::{AxisKind, Chart, ChartAxis, ParallelChart, ParallelLine};
use crate::report::{ComparisonSheet, ReportBody, ReportTable, TableCell, TableRow, folded_table};
use crate::spec::{lookup, shown_value};
use crate::store::{RunRow, Status, Store, is_store_fault};
use crate::text::{causes, counted, number};

/// References at once.
const MOST_REFERENCES: usize = 50;
/// Runs that the plots show, of all references together.
const MOST_RUNS: usize = 500;
/// Runs whose configurations are shown beside each other.
const MOST_COLUMNS: usize = 12;
/// Fewer runs have no course to see: the tables say all of them.
const FEWEST_PLOTTED: usize = 3;
/// Axes of parallel coordinates beside the metric.
const MOST_AXES: usize = 8;

/// What several references come to.
pub struct Sheet {
    /// The comparison by reference; the reason where there is none.
    body: Result<ReportBody, String>,
    /// The runs of all references.
    runs: Vec<RunRow>,
    /// How many runs there are in all.
    all: usize,
}

/// Makes the page.
pub fn page(visit: &Visit<'_>) -> Result<PageAnswer, PageFault> {
    let address = visit.address;
    let mut references: Vec<String> = Vec::new();
    for reference in address.values("of").flat_map(str::split_whitespace) {
        if !references.iter().any(|known| known == reference) {
            references.push(reference.to_string());
        }
    }
    if references.len() > MOST_REFERENCES {
        return Err(PageFault::Refused(format!(
            "at most {MOST_REFERENCES} things are compared at once; these are {}",
            references.len()
        )));
    }
    if references.is_empty() {
        return Ok(PageAnswer::Page(Page::new(
            Tab::Compare,
            "Compare",
            header(visit, &references),
            start(visit)?,
        )));
    }
    let found = visit
        .dashboard
        .kept
        .comparisons
        .get(&references, visit.stamp(), || read(visit.dashboard, &references))?;
    let sheet = &*found.value;
    let mut store = visit.dashboard.open()?;
    let main = html! {
        @match &sheet.body {
            Ok(body) => { (body.header) (body.main) }
            Err(reason) => { p { (reason) } }
        }
        (over_runs(visit, &mut store, sheet)?)
        (configurations(&sheet.runs))
        (run_table(&mut store, sheet)?)
    };
    let page = Page::new(Tab::Compare, "Compare", header(visit, &references), main);
    Ok(PageAnswer::Page(page.stale(found.stale)))
}

fn read(dashboard: &Dashboard, references: &[String]) -> Result<Sheet, PageFault> {
    let mut store = dashboard.open()?;
    let mut runs: Vec<RunRow> = Vec::new();
    let mut known = KnownRuns::default();
    let mut all = 0;
    for reference in references {
        // Each of them is seen, however many runs another one has.
        let most = MOST_RUNS / references.len();
        let own = compared_runs(&mut store, reference, most, &mut known).map_err(PageFault::of_lookup)?;
        all += own.all;
        runs.extend(own.first);
    }
    let body = match compared(dashboard, &mut store, references) {
        Err(fault) if is_store_fault(&fault) => return Err(PageFault::Store(fault)),
        // The runs, their settings and their errors can be read beside each other all the same.
        body => body.map_err(|reason| causes(&reason)),
    };
    Ok(Sheet { body, runs, all })
}

/// The comparison of what exists: it has none where a run failed, or nothing is done yet.
fn compared(dashboard: &Dashboard, store: &mut Store, references: &[String]) -> anyhow::Result<ReportBody> {
    let sheet = match references {
        [one] if store.names_all_revisions(one).is_ok_and(|all| all) => {
            let revisions = store.revisions(one)?;
            ComparisonSheet::of_history(&History::read(store, revisions)?)?
        }
        [one] => bail!("Select something else to compare with {one}."),
        several => ComparisonSheet::of(&SideBySide::read(store, &dashboard.results, several)?)?,
    };
    Ok(sheet.served_body())
}

fn header(visit: &Visit<'_>, references: &[String]) -> Markup {
    html! {
        h1 { "Compare" }
        @if !references.is_empty() {
            ul.selection aria-label="Selection" { @for reference in references {
                @let others = references.iter().filter(|other| *other != reference).map(|other| ("of", other.as_str()));
                li {
                    (reference) " "
                    a href=(link("/compare", others)) aria-label={ "Remove " (reference) } { "remove" }
                }
            } }
        }
        form.filters method="get" action="/compare" {
            (kept_fields(&visit.address.without(&["add", "page"])))
            label { span { "Add" } input name="of" placeholder="NAME, NAME@2, NAME@2:lstm or a run" autocomplete="off"; }
            button { "Compare" }
        }
    }
}

/// What could be compared, where nothing is selected.
fn start(visit: &Visit<'_>) -> Result<Markup, PageFault> {
    let revisions = visit.dashboard.open()?.all_revisions()?;
    Ok(html! {
        p { "Select revisions here, or runs on the page of " a href="/runs" { "runs" } ", or trials on that of an experiment." }
        form method="get" action="/compare" {
            ul.choices { @for revision in revisions.iter().filter(|revision| !revision.archived) {
                @let reference = revision.id().to_string();
                li { label.check { input type="checkbox" name="of" value=(reference); span { (reference) } } }
            } }
            p.actions { button { "Compare the selection" } }
        }
    })
}

/// Parallel coordinates, and a metric against a parameter.
fn over_runs(visit: &Visit<'_>, store: &mut Store, sheet: &Sheet) -> Result<Markup, PageFault> {
    let done: Vec<&RunRow> = sheet.runs.iter().filter(|run| run.status == Status::Done).collect();
    if done.len() < FEWEST_PLOTTED {
        return Ok(html! {});
    }
    let address = visit.address;
    let metric = SortKey::parse(address.value("y").unwrap_or("test.mse"))?;
    let rows: Vec<RunRow> = done.iter().map(|run| (*run).clone()).collect();
    let values = metric.values(store, &rows)?;
    let differing = differing_paths(&done);
    let mut names: Vec<String> = differing.clone();
    names.extend(["seed".to_string(), "model".to_string()]);
    let x = match address.value("x") {
        Some(x) if ["seed", "model"].contains(&x) => x.to_string(),
        Some(x) => {
            let all: Vec<String> = done
                .iter()
                .flat_map(|run| paths(&run.params))
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect();
            path_among(x, &all)?.ok_or_else(|| unknown(x, &all))?
        }
        // What only some models have would leave the other runs out.
        None => {
            let is_of_all = |path: &&String| done.iter().all(|run| lookup(&run.params, path).is_some());
            differing.iter().find(is_of_all).cloned().unwrap_or("model".to_string())
        }
    };
    let kept = address.without(&["x", "y"]);
    let metrics: Vec<String> = ["train", "valid", "test"]
        .iter()
        .flat_map(|part| crate::stats::NAMES.iter().map(move |name| format!("{part}.{name}")))
        .collect();
    let points: Vec<(serde_json::Value, f64, String)> = done
        .iter()
        .filter_map(|run| {
            let value = values.get(&run.run_id).copied().filter(|value| value.is_finite())?;
            let at = match x.as_str() {
                "seed" => run.seed.into(),
                "model" => run.model.as_str().into(),
                path => lookup(&run.params, path)?.clone(),
            };
            Some((at, value, format!("{} {}", run.model, run.run_id)))
        })
        .collect();
    Ok(html! {
        h2 { "Runs" }
        @if sheet.all > sheet.runs.len() { p { (counted(sheet.runs.len(), "run")) " of " (sheet.all) " are shown: the first of each selection." } }
        @if let Some(chart) = parallel(&done, &differing, &values, &metric) {
            figure data-chart=(chart) {
                figcaption { "Each line is a run, through the parameters in which the runs differ to " (metric.title()) ". Without a script the table below has the same values." }
            }
        }
        form.filters method="get" action="/compare" {
            (kept_fields(&kept))
            (choice("Metric", "y", Some(&metric.title()), "", &metrics))
            (choice("Against", "x", Some(&x), "", &names))
            button { "Draw" }
        }
        (scatter::figure([&x, &metric.title()], &points))
    })
}

/// The parameters in which runs differ.
fn differing_paths(runs: &[&RunRow]) -> Vec<String> {
    let mut all: Vec<String> = runs.iter().flat_map(|run| paths(&run.params)).collect();
    all.sort();
    all.dedup();
    let differs = |path: &String| {
        let first = runs.first().and_then(|run| lookup(&run.params, path));
        runs.iter().any(|run| lookup(&run.params, path) != first)
    };
    all.retain(differs);
    all
}

/// The position of a run on an axis.
type PlaceOnAxis = Box<dyn Fn(&RunRow) -> Option<f64>>;

fn parallel(
    runs: &[&RunRow],
    differing: &[String],
    values: &std::collections::HashMap<String, f64>,
    metric: &SortKey,
) -> Option<String> {
    // What only some of the models have, with one value, tells nothing on an axis.
    let varies = |path: &&String| {
        let mut found = runs.iter().filter_map(|run| lookup(&run.params, path));
        let first = found.next();
        found.any(|value| Some(value) != first)
    };
    let drawn: Vec<&String> = differing.iter().filter(varies).take(MOST_AXES).collect();
    if drawn.is_empty() {
        return None;
    }
    let mut axes = Vec::new();
    let mut places: Vec<PlaceOnAxis> = Vec::new();
    for path in drawn {
        let found: Vec<&serde_json::Value> =
            runs.iter().filter_map(|run| lookup(&run.params, path)).collect();
        let name = path.rsplit('.').next().unwrap_or(path);
        if found.iter().all(|value| value.is_number()) {
            axes.push(ChartAxis::new(name, AxisKind::Value));
            let path = path.clone();
            places.push(Box::new(move |run| lookup(&run.params, &path)?.as_f64()));
        } else {
            let mut categories: Vec<String> = found.iter().map(|value| shown_value(value)).collect();
            categories.sort();
            categories.dedup();
            axes.push(ChartAxis::of_categories(name, categories.clone()));
            let path = path.clone();
            places.push(Box::new(move |run| {
                let shown = shown_value(lookup(&run.params, &path)?);
                categories.iter().position(|known| *known == shown).map(|index| index as f64)
            }));
        }
    }
    axes.push(ChartAxis::new(metric.title(), AxisKind::Value));
    let lines = runs.iter().map(|run| ParallelLine {
        label: format!("{} {}", run.model, run.run_id),
        values: places.iter().map(|place| place(run)).chain([values.get(&run.run_id).copied()]).collect(),
        state: run.status.as_str().to_string(),
    });
    let chart = Chart { panels: Vec::new(), parallel: Some(ParallelChart { axes, lines: lines.collect() }) };
    serde_json::to_string(&chart).ok()
}

/// Where the configurations of a few runs differ.
fn configurations(runs: &[RunRow]) -> Markup {
    let shown: Vec<&RunRow> = runs.iter().take(MOST_COLUMNS).collect();
    if shown.len() < 2 || runs.len() > MOST_COLUMNS {
        return html! {};
    }
    let differing = differing_paths(&shown);
    let headers: Vec<String> =
        std::iter::once("parameter".to_string()).chain(shown.iter().map(|run| run.run_id.clone())).collect();
    let rows = differing.iter().map(|path| {
        let value = |run: &&RunRow| lookup(&run.params, path).map_or("-".to_string(), shown_value);
        let cells = std::iter::once(path.clone()).chain(shown.iter().map(value));
        TableRow { cells: cells.map(TableCell::from).collect(), ..TableRow::default() }
    });
    let table = ReportTable { text_columns: headers.len(), headers, rows: rows.collect() };
    html! {
        h2 { "Configurations" }
        @if differing.is_empty() { p { "These runs have the same configuration, but for their seeds and folds." } }
        @else { (folded_table(&table, "Configurations")) }
    }
}

/// The runs with what tells them apart; the same values as in the plots.
fn run_table(store: &mut Store, sheet: &Sheet) -> Result<Markup, PageFault> {
    const MOST: usize = 50;
    let rows: Vec<RunRow> = sheet.runs.iter().take(MOST).cloned().collect();
    let shown: Vec<&RunRow> = rows.iter().collect();
    let differing: Vec<String> = differing_paths(&shown).into_iter().take(MOST_AXES).collect();
    let mut metrics = Vec::new();
    for name in ["valid.mse", "test.mse"] {
        let metric = SortKey::parse(name)?;
        metrics.push((name, metric.values(store, &rows)?));
    }
    Ok(html! {
        details open[sheet.runs.len() <= MOST_COLUMNS] {
            summary { (counted(sheet.all, "run")) }
            @if sheet.all > rows.len() { p { "The first " (rows.len()) " are listed." } }
            div.scroll tabindex="0" role="group" aria-label="Runs" { table {
                thead { tr {
                    th scope="col" { "run" } th scope="col" { "experiment" } th scope="col" { "model" } th.n scope="col" { "seed" }
                    @for path in &differing { th scope="col" { (path.rsplit('.').next().unwrap_or(path)) } }
                    @for (name, _) in &metrics { th.n scope="col" { (name) } }
                } }
                tbody { @for run in &rows { tr {
                    th scope="row" { a href=(run_link(&run.run_id)) { code { (run.run_id) } } }
                    td { a href=(experiment_link(&run.experiment)) { (run.experiment) } }
                    td { (run.model) }
                    td.n { (run.seed.map_or("-".to_string(), |seed| seed.to_string())) }
                    @for path in &differing { td { (lookup(&run.params, path).map_or("-".to_string(), shown_value)) } }
                    @for (_, values) in &metrics { td.n { (values.get(&run.run_id).map_or("-".to_string(), |value| number(*value))) } }
                } } }
            } }
        }
    })
}
