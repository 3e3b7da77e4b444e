//! Revisions, models and runs beside each other, as text, Markdown and a page.

use std::collections::BTreeSet;

use maud::{PreEscaped, html};
use serde_json::Value;

use super::cells::{or_dash, p_value_text};
use super::html::ReportBody;
use super::markup::table;
use super::page::page;
use super::plot::{HistoryLine, IntervalRow, Plot, differences, history};
use super::served_figure::served_figure;
use super::tables::{ReportTable, TableCell, TableRow};
use crate::compare::{
    ChangedSetting, Contender, History, ModelHistory, Pair, PairVerdict, SideBySide, Significance,
};
use crate::text::{counted, number, percent};

/// More values than these are not listed in one cell.
const MOST_VALUES: usize = 4;

/// A comparison laid out once for every format.
pub struct ComparisonSheet {
    title: String,
    sentences: Vec<String>,
    sections: Vec<TitledTable>,
    plot: Option<Plot>,
}

struct TitledTable {
    title: &'static str,
    table: ReportTable,
}

impl ComparisonSheet {
    /// Lays out several references beside the first one.
    ///
    /// # Errors
    /// A plot that cannot be drawn, which would be a bug in this program.
    pub fn of(comparison: &SideBySide) -> anyhow::Result<Self> {
        let title = comparison.references.join(" and ");
        let metric = comparison.pairs.first().map_or(String::new(), Pair::objective_title);
        let mut sections = Vec::new();
        let changed = changed_settings(comparison);
        if !changed.rows.is_empty() {
            sections.push(TitledTable { title: "Settings that differ", table: changed });
        }
        if !comparison.pairs.is_empty() {
            sections.push(TitledTable { title: "Test errors", table: errors(comparison, &metric) });
        }
        if let [pair] = comparison.pairs.as_slice() {
            sections.push(TitledTable { title: "Every metric of the test part", table: every_metric(pair) });
        }
        Ok(Self { title, sentences: sentences(comparison), sections, plot: difference_plot(comparison)? })
    }

    /// Lays out the history of an experiment.
    ///
    /// # Errors
    /// A plot that cannot be drawn, which would be a bug in this program.
    pub fn of_history(past: &History) -> anyhow::Result<Self> {
        let title = format!("{} over its revisions", past.experiment);
        let table = history_table(past);
        let sections = vec![TitledTable { title: "Test error by revision", table }];
        let mut sentences = vec![trend(past)];
        if !past.otherwise_judged.is_empty() {
            let numbers: Vec<String> = past.otherwise_judged.iter().map(ToString::to_string).collect();
            sentences
                .push(format!("Judged by another metric, and left out: revision {}.", numbers.join(", ")));
        }
        Ok(Self { title, sentences, sections, plot: history_plot(past)? })
    }

    /// As text of at most `width` characters a line.
    pub fn to_text(&self, width: usize) -> String {
        let mut lines = Vec::new();
        for TitledTable { title, table } in &self.sections {
            lines.push(format!("{title}\n{}\n", table.to_text(width)));
        }
        lines.extend(self.sentences.iter().cloned());
        lines.join("\n")
    }

    /// As Markdown.
    pub fn to_markdown(&self) -> String {
        let mut lines = vec![format!("# {}", self.title)];
        lines.extend(self.sentences.iter().cloned());
        for TitledTable { title, table } in &self.sections {
            lines.push(format!("## {title}"));
            lines.push(super::markdown::table(table));
        }
        lines.join("\n\n") + "\n"
    }

    /// The parts of its page for the dashboard.
    pub fn served_body(&self) -> ReportBody {
        let header = html! { div.headline { @for sentence in &self.sentences { p { (sentence) } } } };
        let main = html! {
            @if let Some(plot) = &self.plot { (served_figure(plot, "")) }
            @for section in &self.sections { h2 { (section.title) } (table(&section.table, section.title)) }
        };
        ReportBody { header, main }
    }

    /// As one self-contained page.
    pub fn to_page(&self) -> String {
        let body = html! {
            header {
                p.kind { "burstlab comparison" }
                h1 { (self.title) }
                div.headline { @for sentence in &self.sentences { p { (sentence) } } }
            }
            main {
                @if let Some(plot) = &self.plot {
                    figure { div.scroll tabindex="0" role="group" aria-label=(plot.title) { (PreEscaped(&plot.svg)) } }
                }
                @for section in &self.sections { h2 { (section.title) } (table(&section.table, section.title)) }
            }
            footer { "Written by burstlab " (env!("CARGO_PKG_VERSION")) "." }
        };
        page(&format!("{} · burstlab", self.title), None, &body)
    }
}

fn row(cells: impl IntoIterator<Item = String>) -> TableRow {
    TableRow { cells: cells.into_iter().map(TableCell::from).collect(), ..TableRow::default() }
}

/// The model of a contender with what tells its setting from others.
fn named(one: &Contender) -> String {
    if one.setting.is_empty() { one.model.clone() } else { format!("{}, {}", one.model, one.setting) }
}

/// The model of a pair, or both where they differ.
fn pair_name(pair: &Pair, several_references: bool) -> String {
    let (base, other) = (named(&pair.base), named(&pair.other));
    let name = if base == other { base } else { format!("{base} / {other}") };
    if several_references { format!("{}: {name}", pair.other.reference) } else { name }
}

/// What differs in the settings, once for all pairs in which it does.
fn changed_settings(comparison: &SideBySide) -> ReportTable {
    let mut found: Vec<(String, &ChangedSetting, BTreeSet<String>)> = Vec::new();
    for pair in &comparison.pairs {
        for change in &pair.changed {
            let of = named(&pair.other);
            let known =
                found.iter_mut().find(|(other, one, _)| *other == pair.other.reference && *one == change);
            match known {
                Some((_, _, models)) => {
                    models.insert(of);
                }
                None => found.push((pair.other.reference.clone(), change, BTreeSet::from([of]))),
            }
        }
    }
    let several = comparison.references.len() > 2;
    let value = |value: &Option<Value>| or_dash(value.as_ref(), ToString::to_string);
    let rows = found.into_iter().map(|(reference, change, models)| {
        let models = if models.len() > MOST_VALUES {
            counted(models.len(), "model")
        } else {
            models.into_iter().collect::<Vec<_>>().join("; ")
        };
        let other = value(&change.other);
        let other = if several { format!("{other} ({reference})") } else { other };
        row([change.path.clone(), value(&change.base), other, models])
    });
    let other = if several { "others".to_string() } else { comparison.references[1].clone() };
    ReportTable {
        headers: vec!["setting".to_string(), comparison.references[0].clone(), other, "of".to_string()],
        text_columns: 4,
        rows: rows.collect(),
    }
}

/// One row for each pair.
fn errors(comparison: &SideBySide, metric: &str) -> ReportTable {
    let several = comparison.references.len() > 2;
    let rows = comparison.pairs.iter().map(|pair| {
        let [base, other] = pair.objective_values();
        let change = base.zip(other).filter(|(base, _)| *base > 0.0).map(|(base, other)| other / base - 1.0);
        let (difference, p_value) = match &pair.verdict {
            PairVerdict::Tested(found) => (
                format!("{} ({} to {})", number(found.mean), number(found.lower), number(found.upper)),
                p_value_text(found.holm_p_value).replace("p = ", "").replace("p < ", "< "),
            ),
            PairVerdict::Same => ("the same runs".to_string(), "-".to_string()),
            PairVerdict::Untested(_) => ("not tested".to_string(), "-".to_string()),
            PairVerdict::Apart(_) => ("not comparable".to_string(), "-".to_string()),
        };
        row([
            pair_name(pair, several),
            or_dash(base, number),
            or_dash(other, number),
            or_dash(change, percent),
            difference,
            p_value,
        ])
    });
    let other = if several { "other".to_string() } else { comparison.references[1].clone() };
    let headers = ["model", &comparison.references[0], &other, "change", "difference (95 % interval)", "p"];
    let mut headers = headers.map(str::to_string).to_vec();
    headers[0] = format!("test {metric}");
    ReportTable { headers, text_columns: 1, rows: rows.collect() }
}

/// Every metric that both have.
fn every_metric(pair: &Pair) -> ReportTable {
    let rows = pair.base.metrics.iter().filter_map(|(key, base)| {
        let other = pair.other.metrics.get(key)?;
        Some(row([
            key.target.clone(),
            key.name.clone(),
            key.unit.clone(),
            number(base.mean),
            number(other.mean),
        ]))
    });
    let headers = ["target", "metric", "unit", &pair.base.reference, &pair.other.reference];
    ReportTable { headers: headers.map(str::to_string).to_vec(), text_columns: 3, rows: rows.collect() }
}

/// What is sure, and why the rest is not.
fn sentences(comparison: &SideBySide) -> Vec<String> {
    let base = &comparison.references[0];
    let mut sentences = Vec::new();
    for reference in &comparison.references[1..] {
        let pairs: Vec<&Pair> =
            comparison.pairs.iter().filter(|pair| pair.other.reference == *reference).collect();
        match pairs.as_slice() {
            [] => sentences.push(format!("{reference} has no model that {base} has.")),
            [pair] => sentences.push(sentence(pair)),
            several => sentences.push(summary(base, reference, several)),
        }
        let mut told = BTreeSet::new();
        for pair in pairs.iter().filter(|_| pairs.len() > 1) {
            if let PairVerdict::Apart(reasons) = &pair.verdict
                && told.insert(reasons.clone())
            {
                sentences.push(apart(pair, reasons));
            }
        }
    }
    let mut untested: Vec<&str> = Vec::new();
    for pair in &comparison.pairs {
        if let PairVerdict::Untested(reason) = &pair.verdict
            && comparison.pairs.len() > 1
            && !untested.contains(reason)
        {
            untested.push(*reason);
        }
    }
    sentences.extend(untested.iter().map(|reason| format!("Where a difference is not tested, {reason}.")));
    if comparison.pairs.iter().any(Pair::is_over_common_seeds) {
        sentences.push(
            "Differences are over the seeds that both have; the errors beside them are over all seeds of each.".to_string(),
        );
    }
    let contenders = comparison.pairs.iter().flat_map(|pair| [&pair.base, &pair.other]);
    let mut unfinished: Vec<(&str, usize, usize)> = contenders
        .filter_map(|one| one.to_come.map(|(left, runs)| (one.reference.as_str(), left, runs)))
        .collect();
    unfinished.sort_unstable();
    unfinished.dedup();
    sentences.extend(unfinished.into_iter().map(|(reference, left, runs)| {
        format!(
            "{reference} is not finished: {left} of {} to come, so another of its trials may be better.",
            counted(runs, "run")
        )
    }));
    let alone: Vec<String> =
        comparison.alone.iter().map(|one| format!("{} ({})", named(one), one.reference)).collect();
    if !alone.is_empty() {
        sentences.push(format!("Without a counterpart: {}.", alone.join(", ")));
    }
    sentences
}

fn sentence(pair: &Pair) -> String {
    let (base, other) = (&pair.base, &pair.other);
    let name = |one: &Contender| format!("{} ({})", one.label, one.reference);
    let difference = match &pair.verdict {
        PairVerdict::Same => return format!("{} and {} are the same runs.", name(base), name(other)),
        PairVerdict::Apart(reasons) => return apart(pair, reasons),
        PairVerdict::Untested(reason) => {
            return format!(
                "{} and {} were judged on the same windows, but their difference is not tested: {reason}.",
                name(base),
                name(other)
            );
        }
        PairVerdict::Tested(difference) => difference,
    };
    let direction = if difference.mean < 0.0 { "lower" } else { "higher" };
    let verdict = match Significance::of(Some(difference)) {
        Significance::Significant { p_value } => {
            format!("the difference is significant ({})", p_value_text(p_value))
        }
        Significance::TooFewBlocks { p_value, blocks } => format!(
            "the test part is too short to call the difference significant ({}, but from {blocks} blocks of windows)",
            p_value_text(p_value)
        ),
        _ => format!(
            "the difference is not significant ({}): either may be better",
            p_value_text(difference.holm_p_value)
        ),
    };
    format!(
        "{} has a {direction} test {} than {}; {verdict}.",
        name(other),
        // The loss of each window, which need not be the metric itself.
        difference.loss,
        name(base)
    )
}

fn apart(pair: &Pair, reasons: &[String]) -> String {
    format!(
        "The errors of {} ({}) and {} ({}) cannot be compared: {}.",
        pair.base.label,
        pair.base.reference,
        pair.other.label,
        pair.other.reference,
        reasons.join("; ")
    )
}

/// How many models of a reference are better or worse than those of the first one.
fn summary(base: &str, reference: &str, pairs: &[&Pair]) -> String {
    let [mut better, mut worse, mut unsure, mut same, mut untested, mut apart] = [0_usize; 6];
    for pair in pairs {
        match &pair.verdict {
            PairVerdict::Same => same += 1,
            PairVerdict::Untested(_) => untested += 1,
            PairVerdict::Apart(_) => apart += 1,
            PairVerdict::Tested(difference) => match Significance::of(Some(difference)) {
                Significance::Significant { .. } if difference.mean < 0.0 => better += 1,
                Significance::Significant { .. } => worse += 1,
                _ => unsure += 1,
            },
        }
    }
    let counts = [
        (better, "significantly better"),
        (worse, "significantly worse"),
        (unsure, "without a significant difference"),
        (same, "the same runs"),
        (untested, "not tested"),
        (apart, "not comparable"),
    ];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!("{reference} against {base}, {}: {}.", counted(pairs.len(), "model"), parts.join(", "))
}

fn difference_plot(comparison: &SideBySide) -> anyhow::Result<Option<Plot>> {
    let several = comparison.references.len() > 2;
    let mut loss = "";
    let rows: Vec<IntervalRow> = comparison
        .pairs
        .iter()
        .filter_map(|pair| {
            let PairVerdict::Tested(found) = &pair.verdict else { return None };
            loss = found.loss;
            Some(IntervalRow {
                label: pair_name(pair, several),
                value: found.mean,
                lower: found.lower,
                upper: found.upper,
                significant: matches!(Significance::of(Some(found)), Significance::Significant { .. }),
            })
        })
        .collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let title = format!("{} against {}", comparison.references[1..].join(", "), comparison.references[0]);
    differences(&title, &format!("difference of the test {loss}; below zero is better"), &rows).map(Some)
}

/// One row for each revision, one column for each model.
fn history_table(past: &History) -> ReportTable {
    let mut headers = vec!["revision".to_string(), "started".to_string()];
    headers.extend(past.lines.iter().map(|line| {
        if line.setting.is_empty() { line.model.clone() } else { format!("{}, {}", line.model, line.setting) }
    }));
    let rows = past.revisions.iter().enumerate().map(|(at, revision)| {
        let started = revision.started_at.get(..16).unwrap_or_default().replace('T', " ");
        let tests =
            past.lines.iter().map(|line| or_dash(line.points[at].as_ref(), |point| number(point.test)));
        row([revision.revision.to_string(), started].into_iter().chain(tests))
    });
    ReportTable { headers, text_columns: 2, rows: rows.collect() }
}

/// What the last revision has of the best model, beside the first one that has it.
fn trend(past: &History) -> String {
    let last = past.revisions.len().saturating_sub(1);
    let models = past.lines.iter().filter(|line| !line.baseline);
    let best = models
        .filter_map(|line| Some((line, line.points.get(last)?.as_ref()?)))
        .min_by(|a, b| a.1.test.total_cmp(&b.1.test));
    let Some((line, point)) = best else {
        return "The last revision has no finished model beside the baselines.".to_string();
    };
    let skill =
        |value: Option<f64>| value.map_or(String::new(), |skill| format!(", skill {}", percent(skill)));
    let first = line.points.iter().enumerate().find_map(|(at, point)| Some((at, point.as_ref()?)));
    let before = match first {
        Some((at, first)) if at < last => format!(
            "; in revision {} it had {}{}",
            past.revisions[at].revision,
            number(first.test),
            skill(first.skill)
        ),
        _ => String::new(),
    };
    format!(
        "In the last revision the best model beside the naive baselines is {}, with a test {} of {}{}{before}. Where the data \
         differ, compare the skill: errors of different data are not comparable.",
        point.label,
        past.metric,
        number(point.test),
        skill(point.skill)
    )
}

fn history_plot(past: &History) -> anyhow::Result<Option<Plot>> {
    let ticks: Vec<String> = past
        .revisions
        .iter()
        .map(|revision| {
            format!("{} ({})", revision.revision, revision.started_at.get(..10).unwrap_or_default())
        })
        .collect();
    let mean = |line: &&ModelHistory| {
        let tests: Vec<f64> = line.points.iter().flatten().map(|point| point.test).collect();
        tests.iter().sum::<f64>() / tests.len() as f64
    };
    // A baseline that is far off would press all others into one line.
    let best_baseline =
        past.lines.iter().filter(|line| line.baseline).min_by(|a, b| mean(a).total_cmp(&mean(b)));
    let models = past.lines.iter().filter(|line| !line.baseline);
    let lines: Vec<HistoryLine> = models
        .chain(best_baseline)
        .map(|line| HistoryLine {
            label: if line.setting.is_empty() {
                line.model.clone()
            } else {
                format!("{}, {}", line.model, line.setting)
            },
            values: line.points.iter().map(|point| point.as_ref().map(|point| point.test)).collect(),
        })
        .collect();
    if lines.is_empty() {
        return Ok(None);
    }
    history(&format!("History of {}", past.experiment), &format!("test {}", past.metric), &ticks, &lines)
        .map(Some)
}
