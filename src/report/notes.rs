//! Notes beside the numbers: how to read a leaderboard, and cautions about what the numbers rest on.

use crate::compare::{Board, Comparison, FEWEST_BLOCKS};
use crate::model::intervals::LEVELS;
use crate::spec::lookup;
use crate::stats::errors_needed;
use crate::text::counted;

/// With fewer seeds, the spread over seeds is a rough estimate.
const FEW_SEEDS: usize = 5;

/// How to read a leaderboard, with cautions about this one.
pub fn reading_notes(comparison: &Comparison) -> Vec<String> {
    let metric = comparison.objective.metric.as_str();
    let part = match comparison.objective.part.as_str() {
        "valid" => "validation",
        part => part,
    };
    let rows = comparison.boards.iter().flat_map(|board| &board.rows);
    let loss = rows.filter_map(|row| row.against_baseline.as_ref()).map(|difference| difference.loss).next();
    let loss = loss.unwrap_or(metric);
    let mut notes = vec![
        format!(
            "Each model is represented by its trial with the lowest {metric} on {part}; the test part plays no role in \
             that choice. Test errors are means over the runs of the trial, ± the standard deviation over seeds."
        ),
        "Skill is `1 - error / error of the baseline`, where the baseline is the naive one that is best on the test part: \
         the hardest comparison."
            .to_string(),
        format!(
            "The p-value tests for no difference to that baseline: a circular block bootstrap over the test windows, with \
             the loss averaged over the seeds that both models have, and Holm's correction over the models of the board. \
             \"p to best\" is the same test against the model with the lowest error, so that the second row compares the \
             winner with its runner-up. The difference is in {loss}, and negative is better; its 95 % interval comes \
             from the same bootstrap, without the correction."
        ),
    ];
    notes.extend(few_seeds(comparison).map(|caution| format!("Caution: {caution}")));
    notes.extend(few_errors(comparison));
    let pruned = comparison.pruned().count();
    if pruned > 0 {
        notes.push(format!(
            "{} pruned by the search for being worse than earlier trials at the same epoch. A pruned trial never \
             represents its model; `burstlab explain RUN` shows by how much it fell behind.",
            if pruned == 1 { "1 run was".to_string() } else { format!("{pruned} runs were") }
        ));
    }
    notes.extend(few_blocks_note(comparison));
    notes.extend(drop_last_note(comparison));
    notes.extend(judged_steps_note(comparison));
    let stride = comparison
        .boards
        .iter()
        .filter_map(|board| board.saved_run.as_ref())
        .map(|saved| saved.predictions_stride)
        .max()
        .unwrap_or(1);
    if stride > 1 {
        notes.push(format!(
            "For long test parts, only some windows are kept on disk, down to one in {stride}. The bootstrap and the \
             forecast plots use these windows; the errors use all of them."
        ));
    }
    notes
}

/// A caution where a model has fewer than five seeds.
pub fn few_seeds(comparison: &Comparison) -> Option<String> {
    let rows = comparison.boards.iter().flat_map(|board| &board.rows);
    let seeds = rows.map(|row| row.seeds).filter(|seeds| (1..FEW_SEEDS).contains(seeds)).min()?;
    if seeds == 1 {
        let told = "only 1 seed, so nothing says how much the initialisation changes; a lucky one can decide the order of \
                    close models.";
        return Some(told.to_string());
    }
    Some(format!(
        "only {}. With fewer than {FEW_SEEDS} seeds, the spread over seeds is a rough estimate, and a lucky \
         initialisation can decide the order of close models.",
        counted(seeds, "seed")
    ))
}

/// A caution where intervals are calibrated on so few errors that their outer ends are the largest of them.
fn few_errors(comparison: &Comparison) -> Option<String> {
    let needed = errors_needed(f64::from(LEVELS[LEVELS.len() - 1]) / 100.0);
    let fewest = comparison
        .boards
        .iter()
        .filter_map(|board| board.saved_run.as_ref())
        .filter_map(|saved| saved.calibration_windows)
        .min()?;
    (fewest < needed).then(|| {
        format!(
            "Caution: the intervals are calibrated on only {}. With fewer than {needed}, the ends at 95 % are just the \
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
            let blocks = board.fewest_blocks()?;
            let place = if board.title.is_empty() { "of the test part" } else { &board.title };
            (blocks < FEWEST_BLOCKS).then(|| format!("{place} ({})", counted(blocks, "block")))
        })
        .collect();
    (!short.is_empty()).then(|| {
        format!(
            "Caution: neighbouring windows share most of their targets, so the bootstrap draws whole blocks of them. \
             With fewer than {FEWEST_BLOCKS} blocks, its p-values are too small and its intervals too narrow: {}.",
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
         left out, as some published code does; these errors are only comparable with those of such code."
    ))
}

fn judged_steps_note(comparison: &Comparison) -> Option<String> {
    let last = |run: &crate::store::RunRow| {
        lookup(&run.params, "evaluation.steps").and_then(serde_json::Value::as_str) == Some("last")
    };
    comparison.runs.iter().any(last).then(|| {
        "`evaluation.steps` is `last`: only the last step of each forecast's horizon is judged.".to_string()
    })
}

/// A caution where the files of a board's runs are gone.
pub fn missing_files(board: &Board) -> Option<String> {
    (board.saved_run.is_none() && !board.rows.is_empty()).then(|| {
        "The files of these runs are gone from `runs/`, so rows, targets, forecasts and significance cannot be shown. \
         The errors come from the store and are complete."
            .to_string()
    })
}
