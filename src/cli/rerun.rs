//! `burstlab rerun`: executes a recorded run again and holds it to what is recorded, to the bit.

use std::path::Path;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::console::Console;
use super::{OutputFormat, usage};
use crate::compare::{ChangedNumber, RunNumbers};
use crate::dataset::Loader;
use crate::engine::Job;
use crate::engine::local::{PACKED, run_alone};
use crate::spec::RunSpec;
use crate::store::{
    AttemptRow, EventRow, RecordRow, RunOrigin, SavedRun, Status, Store, has_files, results_folder,
    run_folder,
};
use crate::system::device::{DeviceRequest, Machine, Placement};
use crate::system::exit_code::Exit;
use crate::system::interrupt;
use crate::text::{counted, table};

/// Numbers that differ and are listed; the others are counted.
const MOST_LISTED: usize = 20;

#[derive(Debug, Args)]
pub(super) struct RerunArgs {
    /// ID of the run, or its first characters
    run: String,
    /// Output format
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
}

pub(super) fn rerun(args: &RerunArgs, console: Console) -> anyhow::Result<Exit> {
    interrupt::listen(move || console.finish_lines(), Exit::Interrupted as u8)?;
    let results = results_folder();
    let mut store = Store::open_read_only(&results)?;
    let recorded = RecordedRun::read(&mut store, &args.run)?;
    let placement = recorded.placement()?;
    recorded.require_same_data()?;
    let members = recorded.members(&results)?;
    let attempts = store.attempts_of_run(&recorded.run_id)?;
    let version =
        attempts.iter().rev().find(|attempt| attempt.status == "done").map(|attempt| &attempt.version);
    if let Some(version) = version.filter(|version| *version != env!("CARGO_PKG_VERSION")) {
        console.note(&format!(
            "burstlab {version} recorded this run, and this is {}",
            env!("CARGO_PKG_VERSION")
        ));
    }
    // The temporary folder must go, also when the program is asked to stop.
    let _held = interrupt::hold();
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    provide(&members, &results, scratch.path())?;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let job = recorded.job(members, scratch.path());
    let packed = is_packed(&attempts, &store.events_of_run(&recorded.run_id)?);
    let repeated = run_alone(job, packed, placement, threads)
        .with_context(|| format!("run {} failed", recorded.run_id))?;
    let Some(repeated) = repeated else {
        console.note(&format!("run {} was stopped before its end; nothing was compared", recorded.run_id));
        return Ok(Exit::Interrupted);
    };
    let then = RunNumbers::recorded(
        &store.metrics_of_run(&recorded.run_id)?,
        &store.breakdowns_of_run(&recorded.run_id)?,
        &store.epochs_of_runs(std::slice::from_ref(&recorded.run_id))?,
    );
    let now = RunNumbers::repeated(&repeated.result.metrics, &repeated.result.breakdowns, &repeated.epochs);
    let changes = then.changes(&now);
    match args.format {
        OutputFormat::Human => console.result(&to_text(&recorded.run_id, &then, &changes, console.width())),
        OutputFormat::Json => console.result(&to_json(&recorded.run_id, &then, &changes).to_string()),
    }
    Ok(if changes.is_empty() { Exit::Ok } else { Exit::Other })
}

/// Whether the attempt that succeeded last was trained in a pack.
fn is_packed(attempts: &[AttemptRow], events: &[EventRow]) -> bool {
    let done = attempts.iter().rev().find(|attempt| attempt.status == "done");
    done.is_some_and(|attempt| {
        let is_of_attempt = |event: &&EventRow| {
            event.at >= attempt.started_at
                && attempt.finished_at.as_ref().is_none_or(|finished| event.at <= *finished)
        };
        events.iter().filter(is_of_attempt).any(|event| event.kind == PACKED)
    })
}

/// A finished run as the store knows it.
struct RecordedRun {
    run_id: String,
    record: RecordRow,
    origin: RunOrigin,
    spec: RunSpec,
}

impl RecordedRun {
    /// Reads a run, and refuses one that has no numbers to compare with.
    fn read(store: &mut Store, prefix: &str) -> anyhow::Result<Self> {
        let run_id = store.resolve_run(prefix)?;
        let record = store.run_record(&run_id)?;
        if record.status != Status::Done {
            return Err(usage(format!(
                "run {run_id} is {}, so no result is recorded that it could be compared with; `burstlab explain {run_id}` \
                 says why",
                record.status.as_str().replace('_', " ")
            )));
        }
        let spec = RunSpec::from_params(&record.params).map_err(|error| {
            usage(format!(
                "this version of burstlab cannot execute run {run_id}: its parameters are those of another ({error})"
            ))
        })?;
        Ok(Self { origin: store.run_origin(&run_id)?, run_id, record, spec })
    }

    /// A device of the class that the run was computed on: numbers of different classes differ.
    fn placement(&self) -> anyhow::Result<Placement> {
        let class = &self.origin.device_class;
        let request =
            DeviceRequest::parse(class).with_context(|| format!("run {} ran on `{class}`", self.run_id))?;
        let slots = Machine::detect().slots(request, 1, 1).map_err(|error| {
            usage(format!(
                "run {} was computed on {class}, and other devices give other numbers: {error:#}. Execute it on a machine \
                 with {class}",
                self.run_id
            ))
        })?;
        slots.first().copied().context("this machine has no slot")
    }

    /// Refuses data that are gone or not what they were.
    fn require_same_data(&self) -> anyhow::Result<()> {
        let source = &self.spec.dataset.source;
        let found = Loader::sharing().sha256(&self.spec.dataset).map_err(|error| {
            usage(format!("the data of run {} cannot be read: {error}. {}", self.run_id, error.help()))
        })?;
        if found == self.origin.dataset_sha256 {
            return Ok(());
        }
        Err(usage(format!(
            "the data of run {} changed: {source} has the SHA-256 {found}, and the run was computed from {}; bring the file \
             back as it was",
            self.run_id, self.origin.dataset_sha256
        )))
    }

    /// The chosen members of an ensemble; none of another model.
    fn members(&self, results: &Path) -> anyhow::Result<Vec<String>> {
        if self.record.model != "ensemble" {
            return Ok(Vec::new());
        }
        let of_files = |run_id: &str| {
            usage(format!(
                "run {} is an ensemble, and the saved files of run {run_id} are gone, without which its members are unknown or \
                 cannot forecast; run its experiment again",
                self.run_id
            ))
        };
        if !has_files(results, &self.run_id) {
            return Err(of_files(&self.run_id));
        }
        let saved = SavedRun::read(results, &self.run_id)?;
        let members: Vec<String> = saved.members.into_iter().map(|member| member.run_id).collect();
        match members.iter().find(|member| !has_files(results, member)) {
            Some(missing) => Err(of_files(missing)),
            None => Ok(members),
        }
    }

    fn job(&self, members: Vec<String>, results: &Path) -> Job {
        Job {
            run_id: self.run_id.clone(),
            spec: self.spec.clone(),
            seed: self.record.seed.and_then(|seed| u64::try_from(seed).ok()),
            fold: usize::try_from(self.record.fold).unwrap_or_default(),
            dataset_sha256: self.origin.dataset_sha256.clone(),
            members,
            // The run is recorded as done, so no verdict stopped it.
            rungs: Vec::new(),
            results: results.to_path_buf(),
        }
    }
}

/// Makes the files of an ensemble's members readable below the temporary folder.
fn provide(members: &[String], results: &Path, scratch: &Path) -> anyhow::Result<()> {
    let results = std::path::absolute(results).context("cannot find the results folder")?;
    for member in members {
        let link = run_folder(scratch, member);
        let runs = link.parent().unwrap_or(scratch);
        std::fs::create_dir_all(runs)
            .with_context(|| format!("cannot make the folder {}", runs.display()))?;
        std::os::unix::fs::symlink(run_folder(&results, member), &link)
            .with_context(|| format!("cannot write {}", link.display()))?;
    }
    Ok(())
}

fn to_text(run_id: &str, recorded: &RunNumbers, changes: &[ChangedNumber], width: usize) -> String {
    let all = counts(recorded);
    if changes.is_empty() {
        return format!("run {run_id} gave the same numbers again, to the bit: {all}");
    }
    let shown = |value: Option<f64>| value.map_or("-".to_string(), |value| value.to_string());
    let distance = |change: &ChangedNumber| match (change.recorded, change.repeated) {
        (Some(recorded), Some(repeated)) => format!("{:.1e}", (repeated - recorded).abs()),
        _ => "-".to_string(),
    };
    let rows: Vec<Vec<String>> = changes
        .iter()
        .take(MOST_LISTED)
        .map(|change| {
            vec![change.name.clone(), shown(change.recorded), shown(change.repeated), distance(change)]
        })
        .collect();
    let more = changes.len().saturating_sub(MOST_LISTED);
    let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
    format!(
        "run {run_id} gave other numbers: {} of {all} differ\n{}{more}\nThe numbers of a run depend on the version of burstlab, \
         on the class of the device, and on the width of the processor's registers.",
        changes.len(),
        table(&["number", "recorded", "now", "difference"], &rows, &[], width)
    )
}

fn counts(numbers: &RunNumbers) -> String {
    let parts = [
        counted(numbers.metrics.len(), "metric"),
        counted(numbers.breakdowns.len(), "error") + " by bucket",
        counted(numbers.losses.len(), "loss").replace("losss", "losses"),
    ];
    format!("{}, {} and {}", parts[0], parts[1], parts[2])
}

fn to_json(run_id: &str, recorded: &RunNumbers, changes: &[ChangedNumber]) -> Value {
    let changes: Vec<Value> = changes
        .iter()
        .map(|change| json!({ "name": change.name, "recorded": change.recorded, "now": change.repeated }))
        .collect();
    json!({
        "run_id": run_id, "same": changes.is_empty(), "metrics": recorded.metrics.len(),
        "breakdowns": recorded.breakdowns.len(), "losses": recorded.losses.len(), "changes": changes,
    })
}
