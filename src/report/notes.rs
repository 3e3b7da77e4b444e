//! What a reader must know beside the numbers: what was tried, how to read a leaderboard, how to run it again.

use std::collections::HashSet;

use super::data_card::Fact;
use crate::compare::{Board, Comparison, FEW_BLOCKS};
use crate::model::intervals::LEVELS;
use crate::spec::lookup;
use crate::stats::errors_needed;
use crate::store::Status;
use crate::text::{counted, distinct, duration};

/// Fewer seeds than this say little about the spread over seeds.
const FEW_SEEDS: usize = 5;

/// `7 models in 9 trials and 15 runs: 14 done, 1 failed.`
pub fn what_was_tried(comparison: &Comparison) -> String {
    let models = distinct(comparison.runs.iter().map(|run| &run.model)).len();
    let params: HashSet<String> = comparison.runs.iter().map(|run| run.params.to_string()).collect();
    let trials = params.len();
    let mut by_status: Vec<(Status, usize)> = Vec::new();
    for run in &comparison.runs {
        match by_status.iter_mut().find(|(status, _)| *status == run.status) {
            Some((_, count)) => *count += 1,
            None => by_status.push((run.status, 1)),
        }
    }
    let statuses = match by_status.as_slice() {
        [(Status::Done, 1)] => "done".to_string(),
        [(Status::Done, _)] => "all done".to_string(),
        several => several
            .iter()
            .map(|(status, count)| format!("{count} {}", status.as_str().replace('_', " ")))
            .collect::<Vec<_>>()
            .join(", "),
    };
    if comparison.runs.is_empty() {
        return "No run is planned.".to_string();
    }
    let seeds = distinct(comparison.runs.iter().filter_map(|run| run.seed)).len();
    let seeds = if seeds > 1 { format!(", {}", counted(seeds, "seed")) } else { String::new() };
    format!(
        "{} in {}{seeds}, {}: {statuses}.",
        counted(models, "model"),
        counted(trials, "trial"),
        counted(comparison.runs.len(), "run")
    )
}

/// How a leaderboard is to be read.
pub fn reading_notes(comparison: &Comparison) -> Vec<String> {
    let metric = comparison.objective.metric.as_str();
    let part = match comparison.objective.part.as_str() {
        "valid" => "validation",
        part => part,
    };
    let differences = comparison.boards.iter().flat_map(|board| &board.rows);
    let loss = differences
        .filter_map(|row| row.difference.as_ref())
        .map(|difference| difference.loss)
        .next()
        .unwrap_or(metric);
    let mut notes = vec![
        format!(
            "Of each model's trials the one with the lowest {metric} on {part} stands for it; the test part has no say \
             in that choice. Test errors are means over the trial's runs, ± the standard deviation over seeds."
        ),
        "Skill is `1 - error / baseline's error` against the naive baseline that is best on the test part, which is \
         the hardest comparison."
            .to_string(),
        format!(
            "The p-value is of no difference to that baseline: a circular block bootstrap over the test windows of the loss, \
         averaged over the seeds that both have, then Holm's correction over the models of the board; \"p to best\" is the \
             same against the model with the lowest error, so that of the second row is of winner and runner-up. The difference is in {loss}, negative \
             is better; its 95 % interval is of the same bootstrap, without the correction."
        ),
    ];
    notes.extend(few_seeds(comparison).map(|caution| format!("Caution: {caution}")));
    notes.extend(few_errors(comparison));
    let pruned = comparison.pruned().count();
    if pruned > 0 {
        notes.push(format!(
            "{} given up early by the search, as worse than earlier trials at the same epoch. Such a trial stands for no \
             model; `burstlab explain RUN` tells by how much it fell behind.",
            if pruned == 1 { "1 run was".to_string() } else { format!("{pruned} runs were") }
        ));
    }
    notes.extend(few_blocks_note(comparison));
    notes.extend(drop_last_note(comparison));
    notes.extend(judged_steps_note(comparison));
    let stride = comparison
        .boards
        .iter()
        .filter_map(|board| board.card.as_ref())
        .map(|card| card.predictions_stride)
        .max()
        .unwrap_or(1);
    if stride > 1 {
        notes.push(format!(
            "Of long test parts only some windows are kept on disk, down to one in {stride}: the bootstrap and the \
             forecast plots rest on these, the errors on all windows."
        ));
    }
    notes
}

/// What to think of fewer seeds than five, where a model has fewer.
pub fn few_seeds(comparison: &Comparison) -> Option<String> {
    let rows = comparison.boards.iter().flat_map(|board| &board.rows);
    let seeds = rows.map(|row| row.seeds).filter(|seeds| (1..FEW_SEEDS).contains(seeds)).min()?;
    Some(format!(
        "{} only. Below {FEW_SEEDS} seeds the spread over seeds is a rough guess, and a lucky initialisation can decide \
         the order of close models.",
        counted(seeds, "seed")
    ))
}

/// Intervals from so few errors that their outer ends are the largest of them.
fn few_errors(comparison: &Comparison) -> Option<String> {
    let needed = errors_needed(f64::from(LEVELS[LEVELS.len() - 1]) / 100.0);
    let fewest = comparison
        .boards
        .iter()
        .filter_map(|board| board.card.as_ref())
        .filter_map(|card| card.calibration_windows)
        .min()?;
    (fewest < needed).then(|| {
        format!(
            "Caution: the intervals are calibrated on {} only. Below {needed} the ends at 95 % are no more than the \
             largest errors among them.",
            counted(fewest, "window")
        )
    })
}

fn few_blocks_note(comparison: &Comparison) -> Option<String> {
    let short: Vec<String> = comparison
        .boards
        .iter()
        .filter_map(|board| {
            let differences = board.rows.iter().filter_map(|row| row.difference.as_ref());
            let blocks = differences.map(|difference| difference.blocks).min()?;
            let place = if board.title.is_empty() { "of the test part" } else { &board.title };
            (blocks < FEW_BLOCKS).then(|| format!("{place} ({})", counted(blocks, "block")))
        })
        .collect();
    (!short.is_empty()).then(|| {
        format!(
            "Caution: neighbouring windows share most of their targets, so the bootstrap draws whole blocks of them. \
             Below {FEW_BLOCKS} blocks its p-values are too small and its intervals too narrow: {}.",
            short.join(", ")
        )
    })
}

fn drop_last_note(comparison: &Comparison) -> Option<String> {
    let run = comparison.runs.iter().find(|run| {
        lookup(&run.params, "evaluation.drop_last").and_then(serde_json::Value::as_bool) == Some(true)
    })?;
    let batch =
        lookup(&run.params, "evaluation.batch_size").map_or(String::new(), |batch| format!(" of {batch}"));
    Some(format!(
        "Caution: `evaluation.drop_last` is set. The last windows of each part that do not fill a batch{batch} are \
         left out, as some published code does; these errors compare with that code only."
    ))
}

fn judged_steps_note(comparison: &Comparison) -> Option<String> {
    let last = |run: &crate::store::RunRow| {
        lookup(&run.params, "evaluation.steps").and_then(serde_json::Value::as_str) == Some("last")
    };
    comparison.runs.iter().any(last).then(|| {
        "`evaluation.steps` is `last`: of each forecast only the last step of its horizon is judged."
            .to_string()
    })
}

/// What is missing from a board's files, if anything.
pub fn missing_files(board: &Board) -> Option<String> {
    (board.card.is_none() && !board.rows.is_empty()).then(|| {
        "The files of these runs are gone from `runs/`, so that rows, targets, forecasts and significance cannot be \
         shown. The errors come from the store and are whole."
            .to_string()
    })
}

/// How to run it again, and what it ran on.
pub fn reproduction(comparison: &Comparison) -> Vec<Fact> {
    let experiment = &comparison.experiment;
    let mut facts = vec![Fact::new("Experiment file", format!("`{}`", experiment.path))];
    let overrides: Vec<String> = serde_json::from_str(&experiment.overrides).unwrap_or_default();
    if overrides.is_empty() {
        facts.push(Fact::new("Overrides", "none"));
    } else {
        let list: Vec<String> = overrides.iter().map(|set| format!("`--set {set}`")).collect();
        facts.push(Fact::new("Overrides", list.join(", ")));
    }
    let started = || comparison.runs.iter().filter(|run| run.attempts > 0);
    let listed = |values: Vec<String>| {
        if values.is_empty() { "unknown".to_string() } else { values.join(", ") }
    };
    let versions = distinct(started().filter_map(|run| run.version.clone()));
    facts.push(Fact::new("burstlab", listed(versions)));
    let commits = distinct(started().filter_map(|run| {
        let commit = run.git_commit.as_ref()?;
        let state = match run.git_dirty {
            Some(true) => " (with uncommitted changes)",
            Some(false) => " (clean)",
            None => "",
        };
        Some(format!("`{commit}`{state}"))
    }));
    facts.push(Fact::new("Git commit", listed(commits)));
    let devices = distinct(started().map(|run| run.device.clone()));
    facts.push(Fact::new("Device", listed(devices)));
    let wall_s: f64 = started().filter_map(|run| run.wall_s).sum();
    facts.push(Fact::new("Wall time", format!("{}, summed over runs", duration(wall_s))));
    let peak = started().filter_map(|run| run.peak_rss_bytes).max();
    let peak =
        peak.map_or("unknown".to_string(), |bytes| format!("{} MiB, the largest of a run", bytes >> 20));
    facts.push(Fact::new("Peak memory", peak));
    facts.push(Fact::new("Last run", experiment.updated_at.clone()));
    let cores = std::thread::available_parallelism()
        .map_or(String::new(), |cores| format!(", {}", counted(cores.get(), "core")));
    let (system, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    facts.push(Fact::new("Written on", format!("{system}, {architecture}{cores}")));
    facts
}
