//! What a command line asks to run: its experiment files, each planned, with the slots that this machine has for it.

use std::path::PathBuf;

use walkdir::WalkDir;

use super::run::{Engine, RunArgs};
use super::usage;
use crate::dataset::Loader;
use crate::engine::Sweep;
use crate::spec::{Bytes, Experiment, SlurmSpec};
use crate::system::device::{DeviceRequest, Machine, Placement};
use crate::system::memory;

/// One planned experiment.
pub(super) struct Job {
    /// The experiment with its plan: all of it, whichever share is asked for.
    pub sweep: Sweep,
    /// One placement for each slot; none where another machine runs the job.
    pub slots: Vec<Placement>,
    /// Device class of the runs.
    pub class: &'static str,
    /// Why there are fewer slots than cores or GPUs would carry, if there are.
    pub tight: Option<String>,
}

impl Job {
    /// Plans an experiment for the engine that is asked for.
    pub(super) fn new(experiment: Experiment, args: &RunArgs, loader: &mut Loader) -> anyhow::Result<Self> {
        let scheduler = &experiment.spec.scheduler;
        let divided = args.is_share() || (args.engine == Engine::Slurm && scheduler.slurm.parts > 1);
        if divided && let Some(reason) = experiment.indivisible() {
            return Err(usage(format!(
                "the plan of `{}` cannot be divided: {reason}; run it whole, on one machine or with \
                 scheduler.slurm.parts = 1",
                experiment.spec.name
            )));
        }
        let device = args.device.as_deref().unwrap_or(&scheduler.device);
        let request = DeviceRequest::parse(device)
            .map_err(|message| usage(format!("{message}; give auto, cpu, cuda, cuda:0 or wgpu")))?;
        if args.engine == Engine::Slurm {
            let class = class_elsewhere(request, &scheduler.slurm);
            let sweep = Sweep::new(experiment, loader, class)?;
            return Ok(Self { sweep, slots: Vec::new(), class, tight: None });
        }
        let machine = Machine::detect();
        let mut slots = machine
            .slots(request, scheduler.threads_per_run, scheduler.runs_per_gpu)
            .map_err(|error| usage(error.to_string()))?;
        if let Some(wanted) = args.slots {
            slots = slots.iter().copied().cycle().take(usize::from(wanted)).collect();
        }
        let tight = scheduler.memory_per_run.map(|each| admit(&mut slots, each)).transpose()?.flatten();
        let class = slots[0].class();
        let sweep = Sweep::new(experiment, loader, class)?;
        Ok(Self { sweep, slots, class, tight })
    }
}

/// The device class on machines that are not this one: `auto` means the GPUs that a job asks for, if it does.
fn class_elsewhere(request: DeviceRequest, slurm: &SlurmSpec) -> &'static str {
    match request {
        DeviceRequest::Cuda(_) => "cuda",
        DeviceRequest::Auto if slurm.gpus > 0 => "cuda",
        DeviceRequest::Cpu | DeviceRequest::Auto => "cpu",
        DeviceRequest::Wgpu => "wgpu",
    }
}

/// Leaves as many slots as there is memory for, and says so where that is fewer.
fn admit(slots: &mut Vec<Placement>, each: Bytes) -> anyhow::Result<Option<String>> {
    let Some(available) = memory::available_bytes().map(Bytes) else {
        return Ok(Some(format!(
            "this system does not say how much memory is available: {} runs at once may take {each} each",
            slots.len()
        )));
    };
    let fitting = usize::try_from(available.0 / each.0).unwrap_or(usize::MAX);
    if fitting == 0 {
        return Err(usage(format!(
            "no run fits into memory: scheduler.memory_per_run is {each}, and {} are available; \
             free some memory, or lower scheduler.memory_per_run",
            available.rounded()
        )));
    }
    let wanted = slots.len();
    slots.truncate(fitting);
    Ok((fitting < wanted).then(|| {
        let (runs, available) = (if fitting == 1 { "run" } else { "runs" }, available.rounded());
        format!("memory for {fitting} {runs} at once, not {wanted}: each may take {each}, {available} are available")
    }))
}

/// The files themselves, and every `.toml` below a folder, in the order of their names.
pub(super) fn experiment_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let mut found = Vec::new();
            for entry in WalkDir::new(path).sort_by_file_name() {
                let entry = entry?;
                if entry.file_type().is_file() && entry.path().extension().is_some_and(|end| end == "toml") {
                    found.push(entry.into_path());
                }
            }
            if found.is_empty() {
                return Err(usage(format!("there is no .toml file below {}", path.display())));
            }
            files.extend(found);
        } else if path.is_file() {
            files.push(path.clone());
        } else {
            return Err(usage(format!("there is no experiment file {}", path.display())));
        }
    }
    Ok(files)
}
