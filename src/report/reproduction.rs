//! How much was run, how to reproduce it, and the software and devices that it ran on.

use std::collections::HashSet;

use super::data_card::CardEntry;
use crate::compare::{Comparison, distinct, group_by};
use crate::store::Status;
use crate::text::{causes, counted, duration};

/// How much was run, such as `7 models in 9 trials, 15 runs: 14 done, 1 failed.`
pub fn run_counts(comparison: &Comparison) -> String {
    let models = distinct(comparison.runs.iter().map(|run| &run.model)).len();
    let params: HashSet<String> = comparison.runs.iter().map(|run| run.params.to_string()).collect();
    let trials = params.len();
    let by_status = group_by(comparison.runs.iter(), |run| run.status);
    let statuses = match by_status.as_slice() {
        [(Status::Done, runs)] if runs.len() == 1 => "done".to_string(),
        [(Status::Done, _)] => "all done".to_string(),
        several => several
            .iter()
            .map(|(status, runs)| format!("{} {}", runs.len(), status.as_str().replace('_', " ")))
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

/// How to reproduce the results, and what they were produced with.
pub fn reproduction(comparison: &Comparison) -> Vec<CardEntry> {
    let experiment = &comparison.experiment;
    let revision = match (experiment.revision, experiment.is_latest) {
        (0, _) => "0: runs of earlier files, which were not kept".to_string(),
        (number, true) => number.to_string(),
        (number, false) => format!("{number}, not the one that ran last"),
    };
    let mut entries = vec![CardEntry::new("Revision", revision)];
    entries.push(CardEntry::new("Experiment file", format!("`{}`", experiment.path)));
    let overrides = match experiment.override_list() {
        Ok(none) if none.is_empty() => "none".to_string(),
        Ok(some) => some.iter().map(|set| format!("`--set {set}`")).collect::<Vec<_>>().join(", "),
        Err(error) => format!("unknown: {}", causes(&error)),
    };
    entries.push(CardEntry::new("Overrides", overrides));
    let started = || comparison.runs.iter().filter(|run| run.attempts > 0);
    let listed = |values: Vec<String>| {
        if values.is_empty() { "unknown".to_string() } else { values.join(", ") }
    };
    let versions = distinct(started().filter_map(|run| run.version.clone()));
    entries.push(CardEntry::new("burstlab", listed(versions)));
    let commits = distinct(started().filter_map(|run| {
        let commit = run.git_commit.as_ref()?;
        let state = match run.git_dirty {
            Some(true) => " (with uncommitted changes)",
            Some(false) => " (clean)",
            None => "",
        };
        Some(format!("`{commit}`{state}"))
    }));
    entries.push(CardEntry::new("Git commit", listed(commits)));
    let devices = distinct(started().map(|run| run.device.clone()));
    entries.push(CardEntry::new("Device", listed(devices)));
    let wall_s: f64 = started().filter_map(|run| run.wall_s).sum();
    entries.push(CardEntry::new("Wall time", format!("{}, summed over runs", duration(wall_s))));
    let peak = started().filter_map(|run| run.peak_rss_bytes).max();
    let peak =
        peak.map_or("unknown".to_string(), |bytes| format!("{} MiB, the largest of any run", bytes >> 20));
    entries.push(CardEntry::new("Peak memory", peak));
    entries.push(CardEntry::new("Last run", experiment.updated_at.clone()));
    let cores = std::thread::available_parallelism()
        .map_or(String::new(), |cores| format!(", {}", counted(cores.get(), "core")));
    let (system, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    entries.push(CardEntry::new("Written on", format!("{system}, {architecture}{cores}")));
    entries
}
