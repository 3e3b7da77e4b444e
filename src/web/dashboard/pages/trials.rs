//! The trials of a revision: sets of hyperparameters with what they came to.

use std::cmp::Ordering;

use maud::{Markup, html};

use super::super::Visit;
use super::super::address::{encoded, experiment_link, link, run_link};
use super::super::answer::{PageAnswer, PageFault};
use super::super::frame::{Live, Page, Tab};
use super::super::widgets::{choice, field, kept_fields, page_number, pager};
use crate::compare::{ModelImportance, TrialRow, TrialSetting, Trials, distinct};
use crate::listing::{CONDITION_COLUMNS, Condition, path_among};
use crate::spec::{lookup, shown_value};
use crate::text::{counted, number};

/// Rows of a page.
const ROWS: usize = 100;
/// With fewer trials, the shares of hyperparameters are a rough guess.
const FEW_TRIALS: usize = 30;
/// What trials are sorted by, beside a hyperparameter.
const ORDERS: [&str; 8] =
    ["rank", "model", "objective", "spread", "test", "epochs", "outcome", "proposed_by"];

/// A trial with its setting.
struct Listed<'a> {
    setting: &'a TrialSetting,
    trial: &'a TrialRow,
}

/// Makes the page.
pub fn page(visit: &Visit<'_>) -> Result<PageAnswer, PageFault> {
    let address = visit.address;
    let mut store = visit.dashboard.open()?;
    let revision = store.revision(address.capture("reference")).map_err(PageFault::of_lookup)?;
    let id = revision.id();
    let reference = id.to_string();
    let mark = store.revision_mark(&id)?;
    let found = visit.dashboard.kept.trials.get(&id, mark, || Trials::read(&mut store, &reference))?;
    let trials = &*found.value;
    let mut listed: Vec<Listed<'_>> = trials
        .settings
        .iter()
        .flat_map(|setting| setting.trials.iter().map(move |trial| Listed { setting, trial }))
        .collect();
    let models = distinct(listed.iter().map(|one| one.trial.model.clone()));
    let settings =
        distinct(listed.iter().map(|one| one.setting.title.clone()).filter(|title| !title.is_empty()));
    let names = distinct(
        listed.iter().flat_map(|one| one.trial.hyperparameters.iter().map(|(name, _)| name.clone())),
    );
    filter(visit, &mut listed)?;
    let sort_by = address.value("sort").unwrap_or("rank");
    let descending = address.value("order") == Some("descending");
    sort(&mut listed, sort_by, descending, &names)?;
    let page = page_number(address, listed.len(), ROWS);
    let shown: Vec<&Listed<'_>> = listed.iter().skip((page - 1) * ROWS).take(ROWS).collect();
    let chosen: Vec<&str> = address.values("column").collect();
    let columns: Vec<&String> =
        names.iter().filter(|name| chosen.is_empty() || chosen.contains(&name.as_str())).collect();
    let target = if trials.objective.target == "all" {
        String::new()
    } else {
        format!(".{}", trials.objective.target)
    };
    let metric = format!("{}{target}", trials.objective.metric.as_str());
    let titles = [format!("{}.{metric}", trials.objective.part.as_str()), format!("test.{metric}")];
    let path = format!("/trials/{}", encoded(&reference));
    let header = html! {
        nav.trail aria-label="This experiment" {
            a href=(experiment_link(&reference)) { (reference) }
            a href=(link("/runs", [("experiment", reference.as_str())])) { "Runs" }
        }
        h1 { "Trials of " (reference) }
        form.filters method="get" action=(path) {
            @if models.len() > 1 { (choice("Model", "model", address.value("model"), "any", &models)) }
            @if settings.len() > 1 { (choice("Setting", "setting", address.value("setting"), "any", &settings)) }
            @for condition in address.values("where") { (field("Where", "where", Some(condition), "")) }
            (field("Where", "where", None, "hidden>=64"))
            (kept_fields(&[("sort", sort_by), ("order", if descending { "descending" } else { "ascending" })]))
            @if names.len() > 1 {
                details.columns {
                    summary { "Columns" }
                    div.checks { @for name in &names {
                        label.check { input type="checkbox" name="column" value=(name) checked[chosen.contains(&name.as_str())]; span { (name) } }
                    } }
                }
            }
            button { "Filter" }
            a href=(path) { "Reset" }
        }
    };
    let main = html! {
        (pager(address, page, listed.len(), ROWS, "trial"))
        @if shown.is_empty() {
            p { "There is no such trial." }
        } @else {
            form method="get" action="/compare" {
                (table(visit, &shown, &columns, &titles, settings.len() > 1))
                p.actions { button { "Compare the best runs of the selected trials" } }
            }
            (pager(address, page, listed.len(), ROWS, "trial"))
        }
        (importance(trials))
    };
    let page = Page::new(Tab::Experiments, format!("Trials of {reference}"), header, main);
    Ok(PageAnswer::Page(page.live(Live::Experiment(reference)).stale(found.stale)))
}

fn filter(visit: &Visit<'_>, listed: &mut Vec<Listed<'_>>) -> Result<(), PageFault> {
    let address = visit.address;
    let mut conditions = address.values("where").map(Condition::parse).collect::<anyhow::Result<Vec<_>>>()?;
    let mut known: Vec<String> = Vec::new();
    if !conditions.is_empty() {
        known = listed.iter().flat_map(|one| crate::listing::paths(&one.trial.params)).collect();
        known.sort();
        known.dedup();
    }
    for condition in &mut conditions {
        match path_among(&condition.path, &known)? {
            Some(path)
                if path != "model"
                    && CONDITION_COLUMNS.contains(&path.as_str())
                    && !known.contains(&path) =>
            {
                return Err(PageFault::Refused(format!(
                    "`{path}` is of a run, and a trial may have several; give the condition on the page of runs"
                )));
            }
            Some(path) => condition.path = path,
            None => return Err(crate::listing::unknown(&condition.path, &known).into()),
        }
    }
    listed.retain(|one| {
        address.value("model").is_none_or(|model| one.trial.model == model)
            && address.value("setting").is_none_or(|title| one.setting.title == title)
            && conditions.iter().all(|condition| match condition.path.as_str() {
                "model" => condition.is_met_by(&one.trial.model.as_str().into()),
                path => lookup(&one.trial.params, path).is_some_and(|value| condition.is_met_by(value)),
            })
    });
    Ok(())
}

/// Sorts trials; those without a value come last in either direction.
fn sort(listed: &mut [Listed<'_>], by: &str, descending: bool, names: &[String]) -> Result<(), PageFault> {
    if !ORDERS.contains(&by) && !names.iter().any(|name| name == by) {
        return Err(PageFault::Refused(format!(
            "trials are not sorted by `{by}`; they are by {} and {}",
            ORDERS.join(", "),
            names.join(", ")
        )));
    }
    let amount = |one: &Listed<'_>| -> Option<f64> {
        let trial = one.trial;
        match by {
            "rank" => trial.rank.map(|rank| rank as f64),
            "objective" => trial.objective.map(|value| value.mean),
            "spread" => trial.objective.and_then(|value| value.spread),
            "test" => trial.test.map(|value| value.mean),
            "epochs" => trial.epochs.map(|(_, most)| most as f64),
            _ => trial
                .hyperparameters
                .iter()
                .find(|(name, _)| name == by)
                .and_then(|(_, value)| value.as_f64()),
        }
    };
    let word = |one: &Listed<'_>| -> Option<String> {
        let trial = one.trial;
        match by {
            "model" => Some(trial.model.clone()),
            "outcome" => Some(trial.outcome()),
            "proposed_by" => trial.proposed_by.map(ToString::to_string),
            _ => {
                trial.hyperparameters.iter().find(|(name, _)| name == by).map(|(_, value)| value.to_string())
            }
        }
    };
    listed.sort_by(|a, b| {
        let order = match (amount(a), amount(b)) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (None, None) => match (word(a), word(b)) {
                (Some(a), Some(b)) => a.cmp(&b),
                (Some(_), None) => return Ordering::Less,
                (None, Some(_)) => return Ordering::Greater,
                (None, None) => Ordering::Equal,
            },
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
        };
        if descending { order.reverse() } else { order }
    });
    Ok(())
}

fn table(
    visit: &Visit<'_>,
    shown: &[&Listed<'_>],
    columns: &[&String],
    titles: &[String; 2],
    has_settings: bool,
) -> Markup {
    let address = visit.address;
    let head = |name: &str, title: &str, is_number: bool| {
        let is_sorted = address.value("sort").unwrap_or("rank") == name;
        let descending = address.value("order") == Some("descending");
        let next = if is_sorted && !descending { "descending" } else { "ascending" };
        let now = is_sorted.then_some(if descending { "descending" } else { "ascending" });
        html! {
            th.n[is_number] scope="col" aria-sort=[now] {
                a href=(address.with(&[("sort", Some(name)), ("order", Some(next))])) { (title) }
            }
        }
    };
    let mean = |value: Option<f64>| value.map_or("-".to_string(), number);
    html! {
        div.rows tabindex="0" role="group" aria-label="Trials" {
            table {
                thead { tr {
                    th scope="col" { span.hidden { "Select" } }
                    (head("rank", "rank", true))
                    @if has_settings { th scope="col" { "setting" } }
                    (head("model", "model", false))
                    @for name in columns { (head(name, name, false)) }
                    (head("objective", &titles[0], true))
                    (head("spread", "±", true))
                    (head("test", &titles[1], true))
                    th.n scope="col" { "runs" }
                    (head("epochs", "epochs", true))
                    (head("outcome", "outcome", false))
                    (head("proposed_by", "by", false))
                    th scope="col" { "best run" }
                } }
                tbody { @for one in shown { @let trial = one.trial; tr {
                    td { @if let Some(run) = &trial.best_run { input type="checkbox" name="of" value=(run) aria-label={ "Select trial " (trial.model) " " (trial.label()) }; } }
                    td.n { (trial.rank.map_or("-".to_string(), |rank| rank.to_string())) }
                    @if has_settings { td { (one.setting.title) } }
                    td { (trial.model) }
                    @for name in columns {
                        td { (trial.hyperparameters.iter().find(|(known, _)| known == *name).map_or("-".to_string(), |(_, value)| shown_value(value))) }
                    }
                    td.n { (mean(trial.objective.map(|value| value.mean))) }
                    td.n { (mean(trial.objective.and_then(|value| value.spread))) }
                    td.n { (mean(trial.test.map(|value| value.mean))) }
                    td.n { (trial.done) "/" (trial.run_ids.len()) }
                    td.n { (trial.epochs.map_or("-".to_string(), |(least, most)| if least == most { most.to_string() } else { format!("{least}-{most}") })) }
                    td { (trial.outcome()) }
                    td { (trial.proposed_by.unwrap_or("-")) }
                    td { @if let Some(run) = &trial.best_run { a href=(run_link(run)) { code { (run) } } } @else { "-" } }
                } } }
            }
        }
    }
}

fn importance(trials: &Trials) -> Markup {
    let all: Vec<(&TrialSetting, &ModelImportance)> = trials
        .settings
        .iter()
        .flat_map(|setting| setting.importance.iter().map(move |own| (setting, own)))
        .collect();
    html! {
        @if !all.is_empty() {
            h2 { "Importance of the hyperparameters" }
            p { "Shares of what each hyperparameter changes alone; interactions are the rest." }
            ul { @for (setting, own) in all {
                li {
                    strong { (own.model) } @if !setting.title.is_empty() { ", " (setting.title) }
                    " (" (counted(own.trials, "trial")) "): "
                    @match &own.importance {
                        Err(reason) => { "unknown, since " (reason) }
                        Ok(found) => {
                            @for (index, (name, share)) in ranked(own, &found.shares).into_iter().enumerate() {
                                @if index > 0 { ", " } (name) " " (format!("{:.0} %", 100.0 * share))
                            }
                            @if own.trials < FEW_TRIALS { "; a rough guess from so few trials" }
                        }
                    }
                }
            } }
        }
    }
}

fn ranked<'a>(own: &'a ModelImportance, shares: &[f64]) -> Vec<(&'a String, f64)> {
    let mut ranked: Vec<(&String, f64)> = own.names.iter().zip(shares.iter().copied()).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked
}
