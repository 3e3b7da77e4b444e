//! The data card of a report: the data, the task, the split and the intervals that the numbers rest on.

use serde_json::Value;

use crate::compare::{Comparison, distinct, lookbacks};
use crate::dataset::{Removed, SYNTHETIC, SeriesClock, Transform, catalog};
use crate::spec::{
    BiasCorrection, ConformalSpec, DatasetSpec, EmptyWindows, GapPolicy, RepeatPolicy, RunSpec, Span,
    SplitSpec, TaskSpec, UncertaintySpec, lookup, setting_of,
};
use crate::store::{RunRow, SavedRun};
use crate::text::{counted, grouped, unit_beside};

/// Different values up to this length share a line; longer ones are listed with the titles of their settings.
const SHORT_VALUE: usize = 20;

/// More lookbacks are told by their range.
const MOST_LISTED: usize = 6;

/// One entry of a card, with one value or with one for each setting. Code in a value is in backticks.
#[derive(Debug, Clone, PartialEq)]
pub struct CardEntry {
    /// The label.
    pub label: &'static str,
    /// The values.
    pub values: Vec<String>,
}

impl CardEntry {
    /// An entry with one value.
    pub fn new(label: &'static str, value: impl Into<String>) -> Self {
        Self { label, values: vec![value.into()] }
    }
}

/// The sources of a setting's card: its title, one of its runs, and that run's files if they are still there.
struct Setting<'a> {
    title: &'a str,
    run: &'a RunRow,
    saved: Option<&'a SavedRun>,
    lookbacks: Vec<u64>,
}

/// The data card: entries that all settings share have one value, the others one for each setting.
pub fn data_card(comparison: &Comparison) -> Vec<CardEntry> {
    let cards: Vec<(&str, Vec<CardEntry>)> =
        settings(comparison).iter().map(|setting| (setting.title, entries_of(setting))).collect();
    let mut merged: Vec<CardEntry> = Vec::new();
    for (_, entries) in &cards {
        for entry in entries {
            if merged.iter().all(|known| known.label != entry.label) {
                merged.push(merge(entry.label, &cards));
            }
        }
    }
    merged
}

/// Whether the data are generated.
pub fn is_synthetic(comparison: &Comparison) -> bool {
    comparison
        .runs
        .iter()
        .any(|run| lookup(&run.params, "dataset.source").and_then(Value::as_str) == Some(SYNTHETIC))
}

/// One setting for each board; where no run is done, the setting of the first run.
fn settings(comparison: &Comparison) -> Vec<Setting<'_>> {
    let run_of = |run_id: &String| comparison.runs.iter().find(|run| run.run_id == *run_id);
    let mut settings: Vec<Setting> = comparison
        .boards
        .iter()
        .filter_map(|board| {
            let run = board.rows.iter().flat_map(|row| &row.run_ids).find_map(run_of)?;
            Some(Setting {
                title: &board.title,
                run,
                saved: board.saved_run.as_ref(),
                lookbacks: board.lookbacks.clone(),
            })
        })
        .collect();
    if settings.is_empty() {
        settings.extend(comparison.runs.first().map(|run| Setting {
            title: "",
            run,
            saved: None,
            lookbacks: lookbacks_of_setting(comparison, run),
        }));
    }
    settings
}

/// Lookbacks of the trained models in the setting of a run.
fn lookbacks_of_setting(comparison: &Comparison, run: &RunRow) -> Vec<u64> {
    let setting = setting_of(&run.params);
    lookbacks(comparison.runs.iter().filter(|other| setting_of(&other.params) == setting))
}

fn merge(label: &'static str, cards: &[(&str, Vec<CardEntry>)]) -> CardEntry {
    let found: Vec<(&str, &String)> = cards
        .iter()
        .filter_map(|(title, entries)| {
            let entry = entries.iter().find(|entry| entry.label == label)?;
            Some((*title, entry.values.first()?))
        })
        .collect();
    let different = distinct(found.iter().map(|(_, value)| (*value).clone()));
    let values = if different.len() == 1 {
        different
    } else if different.iter().all(|value| value.len() <= SHORT_VALUE) {
        vec![different.join(", ")]
    } else {
        found.iter().map(|(title, value)| format!("{title}: {value}")).collect()
    };
    CardEntry { label, values }
}

fn entries_of(setting: &Setting<'_>) -> Vec<CardEntry> {
    let params = &setting.run.params;
    let mut entries = Vec::new();
    let dataset = part::<DatasetSpec>(params, "dataset");
    if let Some(dataset) = &dataset {
        entries.push(CardEntry::new("Source", source(&dataset.source)));
    }
    match setting.saved {
        Some(saved) => {
            let rows = format!("{} read", grouped(saved.removed.read));
            entries.push(CardEntry::new("Rows", rows));
            entries.push(CardEntry::new("Left out", left_out(&saved.removed, &saved.spec.dataset)));
            entries.push(CardEntry::new("Steps", grouped(saved.steps)));
            entries.extend(saved.clock.as_ref().map(|clock| CardEntry::new("Clock", clock_of(clock, saved))));
        }
        None => entries.extend(dataset.as_ref().map(|dataset| CardEntry::new("Slice", slice(dataset)))),
    }
    entries.extend(task(params, setting.saved));
    let horizon = lookup(params, "task.horizon").and_then(Value::as_u64);
    entries.extend(horizon.map(|horizon| CardEntry::new("Horizon", counted(horizon as usize, "step"))));
    entries.push(CardEntry::new("Lookback", lookback(&setting.lookbacks)));
    if let Some(saved) = setting.saved {
        entries.push(CardEntry::new("Scaled units", scaling(saved)));
        entries.extend(point_forecasts(saved).map(|text| CardEntry::new("Point forecasts", text)));
    }
    if let Some(split) = part::<SplitSpec>(params, "split") {
        entries.push(CardEntry::new("Split", parts(&split)));
        entries.push(CardEntry::new("Embargo", counted(split.embargo, "step")));
        entries.push(CardEntry::new("Folds", folds(&split)));
    }
    if let Some(uncertainty) = part::<UncertaintySpec>(params, "uncertainty") {
        entries.push(CardEntry::new("Intervals", intervals(uncertainty.conformal)));
    }
    entries.push(CardEntry::new("Leak check", setting.run.leak_verdict.clone()));
    entries.push(CardEntry::new("SHA-256", format!("`{}`", setting.run.dataset_sha256)));
    entries
}

fn part<T: serde::de::DeserializeOwned>(params: &Value, key: &str) -> Option<T> {
    serde_json::from_value(params.get(key)?.clone()).ok()
}

fn source(name: &str) -> String {
    if name == SYNTHETIC {
        return format!("`{name}`, generated by burstlab: none of its rows is real");
    }
    let entries = catalog().unwrap_or_default();
    match entries.iter().find(|entry| entry.name == name) {
        Some(entry) => format!("`{name}`: {} ({}, {})", entry.title, entry.citation, entry.licence),
        None => format!("`{name}`"),
    }
}

/// `from 9d to the end, at most 6,000 rows`.
fn slice(dataset: &DatasetSpec) -> String {
    let mut parts = Vec::new();
    match (dataset.start, dataset.end) {
        (None, None) => {}
        (Some(start), None) => parts.push(format!("from {} on", spaced(start))),
        (None, Some(end)) => parts.push(format!("up to {}", spaced(end))),
        (Some(start), Some(end)) => parts.push(format!("from {} up to {}", spaced(start), spaced(end))),
    }
    parts.extend(dataset.max_rows.map(|rows| format!("at most {} rows", grouped(rows))));
    parts.extend(dataset.latest_rows.map(|rows| format!("the latest {} rows", grouped(rows))));
    let names = |what: &str, names: &Option<Vec<String>>| {
        names.as_ref().map(|names| format!("{what} {}", names.join(", ")))
    };
    parts.extend(names("requests to", &dataset.llms));
    parts.extend(names("requests of kind", &dataset.log_types));
    if parts.is_empty() { "the whole trace".to_string() } else { parts.join("; ") }
}

/// A length of time with a space before each unit, such as `9 d` or `1 ms`.
fn spaced(span: Span) -> String {
    let mut text = String::new();
    for character in span.to_string().chars() {
        if character.is_alphabetic() && text.ends_with(|last: char| last.is_ascii_digit()) {
            text.push(' ');
        }
        text.push(character);
    }
    text
}

/// `rows every hour; 1 gap with 2 rows missing, before row 6: filled in on a straight line`.
fn clock_of(clock: &SeriesClock, saved: &SavedRun) -> String {
    let cleaning = &saved.spec.dataset.cleaning;
    let mut parts = vec![clock.to_string()];
    let filled = counted(saved.removed.filled, "row");
    match cleaning.gaps.filter(|_| saved.removed.filled > 0) {
        Some(GapPolicy::Interpolate) => parts.push(format!(
            "{filled} filled in on straight lines, which reveal the next observed row to the windows that end before it"
        )),
        Some(GapPolicy::Last) => parts.push(format!("{filled} filled in with the last values before them")),
        _ => {}
    }
    let merged = counted(saved.removed.merged, "row");
    match cleaning.repeats.filter(|_| saved.removed.merged > 0) {
        Some(RepeatPolicy::First) => {
            parts.push(format!("{merged} left out, since the first of a time stays"));
        }
        Some(RepeatPolicy::Last) => parts.push(format!("{merged} left out, since the last of a time stays")),
        Some(RepeatPolicy::Mean) => {
            parts.push(format!("{merged} left out, since rows of one time become their mean"));
        }
        _ => {}
    }
    let time_zone = saved.spec.dataset.columns.as_ref().and_then(|columns| columns.time_zone.as_deref());
    parts.extend(time_zone.map(|time_zone| format!("days and months of {time_zone}")));
    parts.join("; ")
}

fn left_out(removed: &Removed, dataset: &DatasetSpec) -> String {
    let mut parts = vec![format!("{} outside the slice ({})", grouped(removed.outside), slice(dataset))];
    if removed.incomplete > 0 {
        let count = counted(removed.incomplete, "time");
        parts.push(format!("{count} of the file at which a column has no finite value"));
    }
    if dataset.cleaning.drop_zero_tokens {
        parts.push(format!("{} with zero tokens", grouped(removed.zero_tokens)));
    }
    if let Some(step) = dataset.cleaning.spread_duplicate_timestamps {
        parts.push(format!(
            "{} kept with a moved timestamp, since duplicates are spread by {}",
            grouped(removed.spread),
            spaced(step)
        ));
    }
    if let Some(quantile) = dataset.cleaning.clip_quantile {
        parts.push(format!(
            "inputs, but never targets, clipped above the {quantile} quantile of the training part"
        ));
    }
    parts.join("; ")
}

fn task(params: &Value, saved: Option<&SavedRun>) -> Vec<CardEntry> {
    let kind = lookup(params, "task.kind").and_then(Value::as_str).unwrap_or_default();
    let window = lookup(params, "task.window").and_then(Value::as_str).unwrap_or_default();
    let meaning = match kind {
        "next_request" => "one step is one request".to_string(),
        "window_load" => format!("one step is a window of {window}{}", empty_windows(params, saved)),
        _ => "one step is one row of the table".to_string(),
    };
    let mut entries = vec![CardEntry::new("Task", format!("`{kind}`: {meaning}"))];
    if let Some(saved) = saved {
        let named = |name: &str, unit: &str| match unit_beside(name, unit) {
            "" => format!("`{name}`"),
            unit => format!("`{name}` ({unit})"),
        };
        let targets = saved.targets();
        let names: Vec<String> = targets.iter().map(|target| named(&target.name, &target.unit)).collect();
        entries.push(CardEntry::new("Targets", names.join(", ")));
        let further: Vec<String> = saved
            .scaler
            .channels
            .iter()
            .skip(targets.len())
            .map(|scale| named(&scale.channel.name, &scale.channel.unit))
            .collect();
        if !further.is_empty() {
            entries.push(CardEntry::new("Further inputs", further.join(", ")));
        }
    }
    entries
}

/// What becomes of windows without requests, where that is not the rule or decides a mean.
fn empty_windows(params: &Value, saved: Option<&SavedRun>) -> String {
    let Some(TaskSpec::WindowLoad(load)) = RunSpec::from_params(params).ok().map(|spec| spec.task) else {
        return String::new();
    };
    match load.empty_windows {
        EmptyWindows::Skip => {
            let count =
                saved.map_or("those".to_string(), |saved| counted(saved.removed.empty_windows, "window"));
            format!(
                "; {count} without requests left out, so that lookback and horizon count windows with requests"
            )
        }
        EmptyWindows::Last => {
            "; without requests, its mean tokens are those of the window before it".to_string()
        }
        EmptyWindows::Zero if load.mean_tokens => "; without requests, its mean tokens are 0".to_string(),
        EmptyWindows::Zero => String::new(),
    }
}

fn lookback(lookbacks: &[u64]) -> String {
    let baselines = "each naive baseline has its own lookback";
    if lookbacks.is_empty() {
        return baselines.to_string();
    }
    let steps = match lookbacks {
        [first, .., last] if lookbacks.len() > MOST_LISTED => {
            format!("{first} to {last} steps, {} of them", counted(lookbacks.len(), "value"))
        }
        few => few.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ") + " steps",
    };
    format!("{steps}; {baselines}")
}

/// The transforms that lead to scaled units.
fn scaling(saved: &SavedRun) -> String {
    let targets = saved.targets();
    let named = |wanted: Transform| -> Vec<&str> {
        targets
            .iter()
            .filter(|target| target.transform == wanted)
            .map(|target| target.name.as_str())
            .collect()
    };
    let sentence = |names: Vec<&str>, what: &str| match names.len() {
        0 => None,
        count if count == targets.len() => Some(format!("every target is {what}")),
        _ => Some(format!("{}: {what}", names.join(", "))),
    };
    let statistics = "with the mean and the standard deviation of the training steps";
    [
        sentence(named(Transform::Log1p), &format!("log-transformed, ln(1 + x), then z-scored {statistics}")),
        sentence(named(Transform::Identity), &format!("z-scored {statistics}")),
        sentence(named(Transform::Raw), "not scaled"),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join("; ")
}

/// What a point forecast is of a target that models learn as its logarithm; `None` where there is none.
fn point_forecasts(saved: &SavedRun) -> Option<String> {
    if saved.targets().iter().all(|target| target.transform != Transform::Log1p) {
        return None;
    }
    let text = match saved.spec.evaluation.bias_correction {
        BiasCorrection::None => {
            "the inverse of a forecast logarithm, and so a median (exactly if errors are symmetric on the logarithmic scale), \
             which lies below the mean; `evaluation.bias_correction = \"smearing\"` gives the mean"
        }
        BiasCorrection::Smearing => {
            "means: the inverse of a forecast logarithm, corrected by the smearing estimate from the validation part"
        }
    };
    Some(format!("{text}; never below zero"))
}

fn parts(split: &SplitSpec) -> String {
    if let Some([train, valid, test]) = split.rows {
        return format!(
            "in time order: {} steps train, {} validation, {} test",
            grouped(train),
            grouped(valid),
            grouped(test)
        );
    }
    let percent = |share: f64| format!("{} %", (1_000.0 * share).round() / 10.0);
    format!(
        "in time order: {} train, {} validation, {} test",
        percent(split.train),
        percent(split.valid),
        percent(split.test)
    )
}

fn intervals(conformal: ConformalSpec) -> String {
    let halves = "the first half of the validation part serves early stopping, selection and ensemble weights, the second \
                  half calibration";
    match conformal {
        ConformalSpec::Adaptive => format!("conformal, adapted after each known error; {halves}"),
        ConformalSpec::Split => format!("conformal, calibrated once; {halves}"),
        ConformalSpec::None => {
            "none: the whole validation part serves early stopping, selection and ensemble weights"
                .to_string()
        }
    }
}

fn folds(split: &SplitSpec) -> String {
    if split.folds <= 1 {
        return "1: a single split".to_string();
    }
    format!("{} rolling origins; errors are averaged over them", split.folds)
}
