//! Runs for tests, planned from small files.

#![allow(clippy::unwrap_used, reason = "tests")]

use crate::dataset::LeakVerdict;
use crate::plan::Run;
use crate::spec::Experiment;
use crate::train::Shape;

/// A run of one model, with an identity of its own for each seed.
pub fn run(model: &str, epochs: usize, seed: u64) -> Run {
    let text = format!(
        "name = \"e\"\n[dataset]\nsource = \"synthetic-burstgpt\"\n[task.next_request]\nlookback = 20\n\
         [training]\nepochs = {epochs}\n[[models]]\n{model}\n"
    );
    let experiment = Experiment::parse("e.toml", text, &[]).unwrap();
    let spec = experiment.trials[0].spec.clone();
    let id = crate::text::short_hash(&format!("{model} {epochs} {seed}"));
    Run {
        id,
        spec,
        seed: Some(seed),
        fold: 0,
        entry: 0,
        candidates: Vec::new(),
        label: model.to_string(),
        dataset_sha256: String::new(),
        verdict: LeakVerdict(String::new()),
        windows: 500,
        shape: Shape { lookback: 20, horizon: 1, channels: 3, targets: 3, heads: 1 },
    }
}
