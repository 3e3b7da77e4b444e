//! Runs: filtered, sorted, with chosen columns, a page at a time.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use maud::{Markup, html};

use super::super::address::{experiment_link, link, run_link};
use super::super::answer::{PageAnswer, PageFault};
use super::super::cache::Cached;
use super::super::frame::{Live, Page, Tab};
use super::super::widgets::{choice, field, kept_fields, page_number, pager, status, tags};
use super::super::{Dashboard, Visit};
use crate::listing::{
    COLUMN_NAMES, Condition, RunColumn, RunConditions, SortKey, parse_moment, path_among, paths,
    require_model, require_status, telling_paths, unknown,
};
use crate::spec::ModelSpec;
use crate::store::{ListOrder, Moment, RunFilter, RunQuery, RunRow, Store, StoreStamp};

/// Rows of a page.
const ROWS: usize = 100;
/// Columns where none are chosen; the metric comes last.
const USUAL_COLUMNS: [&str; 8] =
    ["run_id", "experiment", "model", "parameters", "seed", "status", "started_at", "wall_s"];
/// The metric where none is sorted by.
const USUAL_METRICS: [&str; 2] = ["valid.mse", "test.mse"];
const STATUSES: [&str; 7] = ["planned", "running", "done", "failed", "timed_out", "pruned", "interrupted"];

/// The order of a list, without its rows.
pub struct RunList {
    experiments: Vec<Arc<str>>,
    /// Each run with the index of its experiment.
    keys: Vec<(i64, u32)>,
}

impl RunList {
    fn of(listed: impl Iterator<Item = (i64, String)>) -> Self {
        let mut list = Self { experiments: Vec::new(), keys: Vec::new() };
        for (run, experiment) in listed {
            // Runs of one experiment mostly stand beside each other, at least in turns of few.
            let known = list.experiments.iter().rposition(|known| **known == *experiment);
            let index = known.unwrap_or_else(|| {
                list.experiments.push(experiment.into());
                list.experiments.len() - 1
            });
            list.keys.push((run, index as u32));
        }
        list
    }

    fn slice(&self, first: usize, count: usize) -> Vec<(i64, String)> {
        let keys = self.keys.iter().skip(first).take(count);
        keys.map(|(run, experiment)| (*run, self.experiments[*experiment as usize].to_string())).collect()
    }
}

/// What an address asks for.
struct AskedRuns {
    filter: RunFilter,
    conditions: RunConditions,
    sort: Option<String>,
    descending: bool,
}

/// Makes the page.
pub fn page(visit: &Visit<'_>) -> Result<PageAnswer, PageFault> {
    let address = visit.address;
    let mut store = visit.dashboard.open()?;
    let asked = AskedRuns::read(visit, &mut store)?;
    let names = parameter_names(visit.dashboard, &mut store, &asked.filter, visit.stamp())?;
    let order = order_of(asked.sort.as_deref(), &names)?;
    let Cached { value: list, stale } =
        visit.dashboard.kept.lists.get(&key(visit, &asked.conditions), visit.stamp(), || {
            list_runs(&mut store, &asked, &order, &names)
        })?;
    let page = page_number(address, list.keys.len(), ROWS);
    let rows = store.listed_rows(&list.slice((page - 1) * ROWS, ROWS))?;
    let columns = columns(visit, &mut store, &asked, &names, &rows)?;
    let header = html! {
        h1 { "Runs" }
        (filters(visit, &names))
    };
    let main = html! {
        (pager(address, page, list.keys.len(), ROWS, "run"))
        @if rows.is_empty() {
            p { "No run passes the filter. " a href="/runs" { "Show all" } }
        } @else {
            form method="get" action="/compare" {
                (table(visit, &asked, &columns, &rows))
                p.actions { button { "Compare the selected runs" } }
            }
            (pager(address, page, list.keys.len(), ROWS, "run"))
        }
    };
    let page = Page::new(Tab::Runs, "Runs", header, main);
    Ok(PageAnswer::Page(page.live(asked.live()).stale(stale)))
}

impl AskedRuns {
    fn read(visit: &Visit<'_>, store: &mut Store) -> Result<Self, PageFault> {
        let address = visit.address;
        let filter = store.run_filter(address.value("experiment")).map_err(PageFault::of_lookup)?;
        address.value("status").map_or(Ok(()), require_status)?;
        address.value("model").map_or(Ok(()), require_model)?;
        let moment = |name: &str| address.value(name).map(|text| parse_moment(name, text)).transpose();
        let conditions = RunConditions {
            conditions: address.values("where").map(Condition::parse).collect::<anyhow::Result<_>>()?,
            since: moment("since")?,
            until: moment("until")?,
            tag: address.value("tag").map(str::to_string),
        };
        let filter = RunFilter {
            model: address.value("model").map(str::to_string),
            status: address.value("status").map(str::to_string),
            tag: conditions.tag.clone(),
            ..filter
        };
        let sort = address.value("sort").map(str::to_string);
        let descending = match address.value("order") {
            Some("ascending") => false,
            Some("descending") => true,
            // The latest first, and of everything else the smallest.
            _ => sort.is_none(),
        };
        Ok(Self { filter, conditions, sort, descending })
    }

    fn live(&self) -> Live {
        match &self.filter.revision {
            Some(revision) => Live::Experiment(revision.to_string()),
            None => Live::Store,
        }
    }
}

/// What tells one list from another, whatever its columns and its page. An age names another moment every minute.
fn key(visit: &Visit<'_>, conditions: &RunConditions) -> String {
    let minutes = [&conditions.since, &conditions.until].map(|moment| moment.as_ref().map(Moment::minute));
    format!("{minutes:?} {}", link("", visit.address.without(&["page", "column"])))
}

/// What a list is sorted by.
fn order_of(sort: Option<&str>, names: &[String]) -> Result<ListOrder, PageFault> {
    let Some(sort) = sort else { return Ok(ListOrder::Latest) };
    if let Some(column) = COLUMN_NAMES.into_iter().find(|known| *known == sort && *known != "parameters") {
        return Ok(ListOrder::Column(column));
    }
    if let Ok(metric) = SortKey::parse(sort) {
        return Ok(ListOrder::Metric(metric.key().map(str::to_string)));
    }
    match path_among(sort, names)? {
        Some(path) => Ok(ListOrder::Parameter(path)),
        None => Err(unknown(sort, names).into()),
    }
}

fn list_runs(
    store: &mut Store,
    asked: &AskedRuns,
    order: &ListOrder,
    names: &[String],
) -> Result<RunList, PageFault> {
    let mut conditions = asked.conditions.conditions.clone();
    for condition in &mut conditions {
        if let Some(path) = path_among(&condition.path, names)? {
            condition.path = path;
            continue;
        }
        // What only few runs have is not among the names; all runs know better.
        let all = store.parameter_samples(&asked.filter, usize::MAX)?;
        let all: BTreeSet<String> = all.iter().flat_map(paths).collect();
        let all: Vec<String> = all.into_iter().collect();
        condition.path = path_among(&condition.path, &all)?.ok_or_else(|| unknown(&condition.path, &all))?;
    }
    let is_timed = asked.conditions.since.is_some() || asked.conditions.until.is_some();
    let query = RunQuery {
        filter: asked.filter.clone(),
        order: order.clone(),
        descending: asked.descending,
        values: conditions.iter().map(|condition| condition.path.clone()).collect(),
        times: is_timed,
    };
    let listed = store.list_runs(&query)?.into_iter().filter(|run| {
        asked.conditions.is_in_time(run.time.as_deref())
            && conditions
                .iter()
                .zip(&run.values)
                .all(|(condition, value)| !value.is_null() && condition.is_met_by(value))
    });
    Ok(RunList::of(listed.map(|run| (run.run, run.experiment))))
}

/// The parameters that runs of a filter have.
pub fn parameter_names(
    dashboard: &Dashboard,
    store: &mut Store,
    filter: &RunFilter,
    stamp: Option<StoreStamp>,
) -> Result<Arc<Vec<String>>, PageFault> {
    let scope = match (&filter.revision, &filter.experiment) {
        (Some(revision), _) => revision.to_string(),
        (None, Some(experiment)) => format!("{experiment}@all"),
        (None, None) => String::new(),
    };
    let found = dashboard.kept.names.get(&scope, stamp, || {
        let samples = store.parameter_samples(filter, SAMPLES)?;
        let mut names: BTreeSet<String> = samples.iter().flat_map(paths).collect();
        names.extend(store.axes_of(filter)?);
        Ok::<_, PageFault>(names.into_iter().collect())
    })?;
    Ok(found.value)
}

/// Runs of each revision whose parameters are looked at.
const SAMPLES: usize = 200;

fn columns(
    visit: &Visit<'_>,
    store: &mut Store,
    asked: &AskedRuns,
    names: &[String],
    rows: &[RunRow],
) -> Result<Vec<RunColumn>, PageFault> {
    let chosen: Vec<&str> = visit.address.values("column").flat_map(|names| names.split(',')).collect();
    let mut wanted: Vec<&str> = if chosen.is_empty() { USUAL_COLUMNS.to_vec() } else { chosen.clone() };
    if let Some(sort) = asked.sort.as_deref().filter(|sort| !wanted.contains(sort)) {
        wanted.push(sort);
    }
    if chosen.is_empty() {
        wanted.extend(USUAL_METRICS.iter().filter(|metric| asked.sort.as_deref() != Some(**metric)));
    }
    let column = |name: &str| -> Result<RunColumn, PageFault> {
        if let Some(name) = COLUMN_NAMES.into_iter().find(|known| *known == name) {
            return Ok(RunColumn::Named(name));
        }
        if let Ok(metric) = SortKey::parse(name) {
            let values = metric.values(store, rows)?;
            return Ok(RunColumn::Metric(metric, values));
        }
        match path_among(name, names)? {
            Some(path) => Ok(RunColumn::Parameter(path)),
            None => Err(unknown(name, names).into()),
        }
    };
    wanted.into_iter().map(column).collect()
}

/// What tells the runs of each experiment apart; of one that is listed once, what tells it from all others.
fn telling_by_experiment(rows: &[RunRow]) -> HashMap<&str, Vec<String>> {
    let mut own: HashMap<&str, Vec<RunRow>> = HashMap::new();
    for row in rows {
        own.entry(row.experiment.as_str()).or_default().push(row.clone());
    }
    let all = telling_paths(rows);
    let telling = |runs: Vec<RunRow>| if runs.len() > 1 { telling_paths(&runs) } else { all.clone() };
    own.into_iter().map(|(experiment, runs)| (experiment, telling(runs))).collect()
}

fn table(visit: &Visit<'_>, asked: &AskedRuns, columns: &[RunColumn], rows: &[RunRow]) -> Markup {
    let telling = telling_by_experiment(rows);
    html! {
        div.rows.lines tabindex="0" role="group" aria-label="Runs" {
            table {
                thead { tr {
                    th scope="col" { span.hidden { "Select" } }
                    @for column in columns { (head(visit, asked, column)) }
                } }
                tbody { @for run in rows { tr {
                    td { input type="checkbox" name="of" value=(run.run_id) aria-label={ "Select run " (run.run_id) }; }
                    @for column in columns { (cell(column, run, telling.get(run.experiment.as_str()).map_or(&[], Vec::as_slice))) }
                } } }
            }
        }
    }
}

/// The header of a column, which sorts by it.
fn head(visit: &Visit<'_>, asked: &AskedRuns, column: &RunColumn) -> Markup {
    let name = match column {
        RunColumn::Named(name) => (*name).to_string(),
        RunColumn::Parameter(path) => path.clone(),
        RunColumn::Metric(metric, _) => metric.title(),
    };
    let is_sorted =
        asked.sort.as_deref().is_some_and(|sort| sort == name || name.ends_with(&format!(".{sort}")));
    let next = if is_sorted && !asked.descending { "descending" } else { "ascending" };
    let now = is_sorted.then_some(if asked.descending { "descending" } else { "ascending" });
    html! {
        th.n[column.is_numeric()] scope="col" aria-sort=[now] {
            @if name == "parameters" { (column.title()) }
            @else { a href=(visit.address.with(&[("sort", Some(&name)), ("order", Some(next))])) { (column.title()) } }
        }
    }
}

fn cell(column: &RunColumn, run: &RunRow, telling: &[String]) -> Markup {
    if matches!(column, RunColumn::Named("parameters")) {
        // A list of many is cut at its end; the whole of it is under the pointer, and on the page of the run.
        let shown = column.shown(run, telling);
        return html! { td.long title=(shown) { (shown) } };
    }
    html! {
        td.n[column.is_numeric()] {
            @match column {
                RunColumn::Named("run_id") => { a href=(run_link(&run.run_id)) { code { (run.run_id) } } }
                RunColumn::Named("experiment") => { a href=(experiment_link(&run.experiment)) { (run.experiment) } }
                RunColumn::Named("status") => { (status(run.status)) }
                RunColumn::Named("tags") => { (tags(run.tags.as_deref())) }
                _ => { (column.shown(run, telling)) }
            }
        }
    }
}

fn filters(visit: &Visit<'_>, names: &[String]) -> Markup {
    let address = visit.address;
    let statuses = STATUSES.map(str::to_string);
    let models: Vec<String> = ModelSpec::KINDS.iter().map(ToString::to_string).collect();
    let chosen: Vec<&str> = address.values("column").flat_map(|names| names.split(',')).collect();
    let conditions: Vec<&str> = address.values("where").collect();
    let sort = [("sort", address.value("sort")), ("order", address.value("order"))];
    let sort: Vec<(&str, &str)> = sort.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    html! {
        form.filters method="get" action="/runs" {
            (field("Experiment", "experiment", address.value("experiment"), "NAME, NAME@2 or NAME@all"))
            (choice("Model", "model", address.value("model"), "any", &models))
            (choice("Status", "status", address.value("status"), "any", &statuses))
            @for condition in &conditions { (field("Where", "where", Some(condition), "")) }
            (field("Where", "where", None, "learning_rate<0.01"))
            (field("Tag", "tag", address.value("tag"), "paper"))
            (field("Ended since", "since", address.value("since"), "7d, 2026-11-01"))
            (field("Ended until", "until", address.value("until"), "2026-11-01"))
            (kept_fields(&sort))
            details.columns {
                summary { "Columns" }
                div.checks {
                    @for name in COLUMN_NAMES.into_iter().chain(USUAL_METRICS).chain(names.iter().map(String::as_str)) {
                        label.check {
                            input type="checkbox" name="column" value=(name) checked[chosen.contains(&name)];
                            span { (name) }
                        }
                    }
                    @for name in chosen.iter().filter(|name| !is_offered(name, names)) {
                        label.check { input type="checkbox" name="column" value=(name) checked; span { (name) } }
                    }
                }
            }
            button { "Filter" }
            a href="/runs" { "Reset" }
        }
    }
}

fn is_offered(name: &str, names: &[String]) -> bool {
    COLUMN_NAMES.contains(&name) || USUAL_METRICS.contains(&name) || names.iter().any(|known| known == name)
}
