//! Defines an experiment in Rust, runs it on this machine, and uses its comparison as numbers: what `burstlab run` does
//! with a file, without the command line.
//!
//! ```text
//! cargo run --release --example run_experiment -- dataset/fixtures/azure-conv-excerpt.csv
//! ```
//!
//! Results go to results/, or where `BURSTLAB_RESULTS` points. Run a second time, it trains nothing: what is done is known
//! by its content.
#![expect(clippy::print_stdout, reason = "an example prints")]

use anyhow::Context;
use burstlab::compare::Comparison;
use burstlab::dataset::Loader;
use burstlab::engine::Sweep;
use burstlab::engine::local::{Awaited, Budget, DispatchOptions, Dispatcher, Progress, Spent, serve};
use burstlab::plan::Run;
use burstlab::report::terminal_text;
use burstlab::spec::Experiment;
use burstlab::store::{Execution, PlanRecord, RunResult, Status, Store, results_folder};
use burstlab::system::device::{DeviceRequest, Machine, Placement};
use burstlab::train::{Epoch, PackRoom};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        // Every slot of a sweep is a process of this very program, started with these arguments.
        ["worker", placement] => serve(&Placement::parse(placement).context("not a placement")?),
        [trace] => compare_lookbacks(trace),
        _ => anyhow::bail!("usage: run_experiment TRACE"),
    }
}

/// How many past requests does a forecast of the next one need? A DLinear of each lookback beside the moving average of
/// as many requests.
fn compare_lookbacks(trace: &str) -> anyhow::Result<()> {
    let lookbacks = [4, 16, 64];
    let text = format!(
        "name = \"lookbacks\"\n\
         [dataset]\nsource = {trace:?}\n\
         [task.next_request]\nlookback = {{ grid = {lookbacks:?} }}\n\
         [training]\nepochs = 3\nlearning_rate = 3e-3\n\
         [[models]]\n[models.mean]\n\
         [[models]]\n[models.moving_average]\nwindow = {{ grid = {lookbacks:?} }}\n\
         [[models]]\n[models.dlinear]\nkernel = 3\n\
         [search]\nseeds = [1, 2]\n"
    );
    let comparison = run(Experiment::parse("lookbacks.toml", text, &[])?)?;
    println!("{}", terminal_text(&comparison, usize::MAX));
    let best = comparison.boards.first().and_then(|board| board.rows.first()).context("no run is done")?;
    println!("best on the test part: {}, MSE {:.4}", best.label, best.test.mean);
    Ok(())
}

/// Plans an experiment, runs what is not done yet, and compares everything.
fn run(experiment: Experiment) -> anyhow::Result<Comparison> {
    let results = results_folder();
    let name = experiment.spec.name.clone();
    let scheduler = experiment.spec.scheduler.clone();
    let slots =
        Machine::detect().slots(DeviceRequest::Cpu, scheduler.threads_per_run, scheduler.runs_per_gpu)?;
    // Reads the data, proves that no split leaks, and gives every run its identity.
    let mut loader = Loader::keeping();
    let mut sweep = Sweep::new(experiment, &mut loader, slots[0].class())?;
    let mut store = Store::open(&results)?;
    store.recover()?;
    let initial = sweep.runs().len();
    sweep.replay(&mut store, &mut loader)?;
    let execution = Execution {
        command: "examples/run_experiment.rs".to_string(),
        device_class: slots[0].class().to_string(),
        host: None,
        git_commit: None,
        git_dirty: None,
    };
    // The same file continues its revision; another one begins the next.
    let recorded = store.record_plan(&PlanRecord {
        experiment: &sweep.experiment,
        plan: sweep.plan(),
        initial,
        execution: &execution,
    })?;
    let todo: Vec<usize> = (0..sweep.runs().len()).filter(|&run| !sweep.is_finished(run, &results)).collect();
    println!("{} runs, {} to do on {} slots", sweep.runs().len(), todo.len(), slots.len());
    let options = DispatchOptions {
        revision: recorded.id.clone(),
        results: results.clone(),
        room: PackRoom::of(&slots),
        slots,
        pack: scheduler.pack,
        threads_per_run: scheduler.threads_per_run,
        timeout: scheduler.timeout.map(|timeout| timeout.0),
        grace: scheduler.grace.0,
        retries: scheduler.retries,
        backoff: scheduler.backoff.0,
        fail_fast: false,
        forced: false,
        budget: Budget::default(),
        git_commit: None,
        git_dirty: None,
    };
    let summary = Dispatcher::new(&mut store, options, &mut sweep, &mut loader, &todo, &mut Lines).run()?;
    store.end_revision(&recorded.id, "finished")?;
    store.close()?;
    anyhow::ensure!(
        summary.failed == 0,
        "{} runs failed; burstlab runs --experiment {name} lists them",
        summary.failed
    );
    Comparison::read(&mut Store::open_read_only(&results)?, &results, &name)
}

/// Prints a line for every run that ends.
struct Lines;

impl Progress for Lines {
    fn done(&mut self, _slot: usize, run: &Run, result: &RunResult) {
        println!("{}: done in {:.2} s", run.label, result.wall_s);
    }

    fn ended(&mut self, _slot: usize, run: &Run, status: Status, error: &str, _again: Option<&str>) {
        println!("{}: {}: {error}", run.label, status.as_str());
    }

    fn started(&mut self, _slot: usize, _run: &Run) {}
    fn elsewhere(&mut self, _run: &Run) {}
    fn epoch(&mut self, _slot: usize, _run: &Run, _epoch: &Epoch) {}
    fn pruned(&mut self, _slot: usize, _run: &Run, _verdict: &str) {}
    fn stopping(&mut self, _awaited: &[Awaited<'_>]) {}
    fn spent(&mut self, _spent: Spent, _running: usize) {}
    fn planned(&mut self, _runs: usize) {}
}
