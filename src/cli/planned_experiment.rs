//! The experiments of a command line, each planned, with the slots that this machine has for it.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::console::Console;
use super::run_args::{Engine, RunArgs};
use super::usage;
use crate::dataset::{Loader, settled_source};
use crate::engine::Sweep;
use crate::engine::local::packing_lines;
use crate::spec::{Bytes, Experiment, ModelSpec, PackSize};
use crate::system::device::{DeviceRequest, Machine, Placement};
use crate::system::memory;
use crate::text::{causes, counted};
use crate::train::{ComputeDevice, PackRoom};

/// The experiments of a command line.
pub(super) struct Plans {
    /// Those that can run, in the order of their files.
    pub planned: Vec<PlannedExperiment>,
    /// Those of a folder whose data are not on this machine.
    pub skipped: Vec<Experiment>,
    /// Has read their data, and prepares those of runs that are planned later.
    pub loader: Loader,
}

/// Reads and plans everything before anything runs: a mistake in the last file must not cost a night.
pub(super) fn plan_all(args: &RunArgs, console: Console) -> anyhow::Result<Plans> {
    let from_folder = args.paths.iter().any(|path| path.is_dir());
    let loader = if args.dry_run { Loader::sharing() } else { Loader::keeping() };
    let mut plans = Plans { planned: Vec::new(), skipped: Vec::new(), loader };
    for file in experiment_files(&args.paths)? {
        let mut experiment = Experiment::load(&file, &args.overrides)?;
        match settled_source(&experiment.spec.dataset.source, &experiment.source_folders()) {
            Ok(source) => experiment.set_source(source),
            Err(missing) if from_folder => {
                console.note(&format!("skipped {}: {}; {}", file.display(), missing.message, missing.help));
                plans.skipped.push(experiment);
                continue;
            }
            Err(missing) => {
                let place = ["dataset", "source"];
                return Err(experiment.error_at(&place, missing.message, "", missing.help).into());
            }
        }
        refuse_same_name(&plans.planned, &experiment, &file)?;
        let planned = PlannedExperiment::new(experiment, args, &mut plans.loader)?;
        let spec = &planned.sweep.experiment.spec;
        if let Some(note) = plans.loader.clock_note(&spec.dataset) {
            console.note(&format!("{}: {note}", spec.name));
        }
        plans.planned.push(planned);
    }
    if let Some(error) = plans.loader.unkept() {
        console.note(&format!(
            "prepared data cannot be cached, so every worker prepares them again: {}",
            causes(&error)
        ));
    }
    if plans.planned.iter().all(|planned| planned.sweep.is_complete()) {
        // Nothing more is planned: what was read would only take memory from the runs.
        plans.loader.forget();
    }
    Ok(plans)
}

/// Two experiments of one name would overwrite each other's report.
fn refuse_same_name(
    planned: &[PlannedExperiment],
    experiment: &Experiment,
    file: &Path,
) -> anyhow::Result<()> {
    let name = &experiment.spec.name;
    match planned.iter().find(|other| other.sweep.experiment.spec.name == *name) {
        Some(other) => Err(usage(format!(
            "{} and {} are both named `{name}` and would overwrite each other's report; rename one",
            other.sweep.experiment.source.path,
            file.display()
        ))),
        None => Ok(()),
    }
}

/// One planned experiment.
pub(super) struct PlannedExperiment {
    /// The experiment with its whole plan, even where only a part of it is requested.
    pub sweep: Sweep,
    /// One placement for each slot; empty where another machine runs the plan.
    pub slots: Vec<Placement>,
    /// What a pack may take of their GPUs.
    pub room: PackRoom,
    /// Device class of the runs: `cpu`, `cuda` or `wgpu`.
    pub class: &'static str,
    /// What `device = "auto"` was decided to be, and why.
    pub device_note: Option<String>,
    /// Why there are fewer slots than the cores or GPUs would allow, if so.
    pub memory_note: Option<String>,
}

impl PlannedExperiment {
    /// Plans an experiment for the requested engine.
    fn new(experiment: Experiment, args: &RunArgs, loader: &mut Loader) -> anyhow::Result<Self> {
        let scheduler = &experiment.spec.scheduler;
        let elsewhere = match args.engine {
            Engine::Local => None,
            Engine::Slurm => Some(("slurm", scheduler.slurm.parts, scheduler.slurm.gpus)),
            Engine::Kubernetes => Some(("kubernetes", scheduler.kubernetes.parts, scheduler.kubernetes.gpus)),
        };
        let divided = args.is_partial() || elsewhere.is_some_and(|(_, parts, _)| parts > 1);
        if divided && let Some(reason) = experiment.indivisible() {
            return Err(usage(format!(
                "the plan of `{}` cannot be divided: {reason}; run it whole, on one machine or with \
                 scheduler.{}.parts = 1",
                experiment.spec.name,
                elsewhere.map_or("slurm", |(engine, _, _)| engine)
            )));
        }
        let device = args.device.as_deref().unwrap_or(&scheduler.device);
        let request = DeviceRequest::parse(device)
            .map_err(|error| usage(format!("{error}; give auto, cpu, cuda, cuda:0 or wgpu")))?;
        if let Some((_, _, gpus)) = elsewhere {
            let needs_gpu = experiment.spec.models.iter().any(ModelSpec::computes_on_gpu);
            let class = class_elsewhere(request, needs_gpu, gpus);
            let sweep = Sweep::new(experiment, loader, class)?;
            let room = PackRoom::default();
            return Ok(Self { sweep, slots: Vec::new(), room, class, device_note: None, memory_note: None });
        }
        let machine = Machine::detect();
        let models = &experiment.spec.models;
        let choice = (request == DeviceRequest::Auto).then(|| {
            machine.choose(models.iter().any(ModelSpec::computes_on_gpu), ComputeDevice::wgpu_adapters)
        });
        let request = choice.as_ref().map_or(request, |choice| choice.request);
        let mut slots = machine
            .slots(request, scheduler.threads_per_run, scheduler.runs_per_gpu)
            .map_err(|error| usage(error.to_string()))?;
        if let Some(wanted) = args.slots {
            slots = slots.iter().copied().cycle().take(usize::from(wanted)).collect();
        } else if slots[0] != Placement::Cpu && models.iter().any(|model| !model.computes_on_gpu()) {
            // Beside the GPUs, for the models that do not compute on one.
            slots.push(Placement::Cpu);
        }
        let memory_note = match scheduler.memory_per_run {
            Some(each) => limit_by_memory(&mut slots, each)?,
            None => None,
        };
        let room = match scheduler.pack {
            PackSize::Runs(1) => PackRoom::default(),
            _ => PackRoom::of(&slots),
        };
        let class = slots[0].class();
        let sweep = Sweep::new(experiment, loader, class)?;
        let device_note = choice.map(|choice| choice.to_string());
        Ok(Self { sweep, slots, room, class, device_note, memory_note })
    }
}

impl PlannedExperiment {
    /// What is trained together of some runs of the plan, in words; nothing where no slot takes packs.
    pub(super) fn packing_lines(&self, runs: impl IntoIterator<Item = usize>) -> Vec<String> {
        let Some(&placement) = self.slots.first() else { return Vec::new() };
        let sweep = &self.sweep;
        let runs = runs.into_iter().map(|run| (sweep.run(run).as_ref(), sweep.rungs(run)));
        packing_lines(runs, placement, sweep.experiment.spec.scheduler.pack, self.room)
    }
}

/// The device class on other machines: `auto` means the GPUs that the cluster's jobs request, if they request any and a
/// model computes on one.
fn class_elsewhere(request: DeviceRequest, needs_gpu: bool, gpus: usize) -> &'static str {
    match request {
        DeviceRequest::Cuda(_) => "cuda",
        DeviceRequest::Auto if gpus > 0 && needs_gpu => "cuda",
        DeviceRequest::Cpu | DeviceRequest::Auto => "cpu",
        DeviceRequest::Wgpu => "wgpu",
    }
}

/// Reduces the slots to as many as there is memory for, and returns a note where that is fewer or unknown.
fn limit_by_memory(slots: &mut Vec<Placement>, each: Bytes) -> anyhow::Result<Option<String>> {
    let Some(available) = memory::available_bytes().map(Bytes) else {
        return Ok(Some(format!(
            "the available memory is unknown on this system: {} concurrent runs may use {each} each",
            slots.len()
        )));
    };
    let fitting = usize::try_from(available.0 / each.0).unwrap_or(usize::MAX);
    if fitting == 0 {
        return Err(usage(format!(
            "no run fits into memory: scheduler.memory_per_run is {each}, but only {} are available; free some memory, or \
             lower scheduler.memory_per_run",
            available.rounded()
        )));
    }
    let wanted = slots.len();
    slots.truncate(fitting);
    Ok((fitting < wanted).then(|| {
        format!(
            "memory suffices for {} at once, not {wanted}: each may use {each}, and {} are available",
            counted(fitting, "run"),
            available.rounded()
        )
    }))
}

/// The given files, and every `.toml` file below a given folder, in the order of their names.
fn experiment_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
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
