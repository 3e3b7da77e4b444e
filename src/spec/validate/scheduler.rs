//! `[scheduler]`: what is said of machines.

use super::Check;
use crate::spec::PackSize;
use crate::spec::file::{ExperimentSpec, SlurmSpec};
use crate::system::device::DeviceRequest;

/// More threads than any machine would give one run.
const MOST_THREADS: usize = 256;
/// More runs than any device would train together.
const MOST_PACKED: usize = 1_024;
/// Tasks of a job array that Slurm takes by default (`MaxArraySize`); no more anywhere.
pub(super) const MOST_PARTS: usize = 1_000;

impl Check {
    pub(super) fn scheduler(&mut self, spec: &ExperimentSpec) {
        let scheduler = &spec.scheduler;
        self.positive("scheduler.threads_per_run", scheduler.threads_per_run);
        self.require(
            scheduler.threads_per_run <= MOST_THREADS,
            "scheduler.threads_per_run",
            format!("threads_per_run must be at most {MOST_THREADS}, got {}", scheduler.threads_per_run),
            "all slots share the machine's cores",
        );
        self.positive("scheduler.runs_per_gpu", scheduler.runs_per_gpu);
        if let PackSize::Runs(runs) = scheduler.pack {
            self.positive("scheduler.pack", runs);
            self.require(
                runs <= MOST_PACKED,
                "scheduler.pack",
                format!("pack must be at most {MOST_PACKED}, got {runs}"),
                "the runs of a pack take the memory of one device together",
            );
        }
        if let Err(error) = DeviceRequest::parse(&scheduler.device) {
            self.require(false, "scheduler.device", error.to_string(), "auto, cpu, cuda, cuda:0 or wgpu");
        }
        if let Some(timeout) = scheduler.timeout {
            let positive = timeout.seconds() > 0.0;
            self.require(
                positive,
                "scheduler.timeout",
                "timeout must be longer than 0s",
                "for example \"30min\"",
            );
        }
        if let Some(memory) = scheduler.memory_per_run {
            let positive = memory.0 > 0;
            self.require(
                positive,
                "scheduler.memory_per_run",
                "memory_per_run must be positive",
                "for example \"2GiB\"",
            );
        }
        self.slurm(&scheduler.slurm);
        self.kubernetes(&scheduler.kubernetes);
    }

    fn slurm(&mut self, slurm: &SlurmSpec) {
        self.positive("scheduler.slurm.parts", slurm.parts);
        self.require(
            slurm.parts <= MOST_PARTS,
            "scheduler.slurm.parts",
            format!("parts must be at most {MOST_PARTS}, got {}", slurm.parts),
            "each part is a task of the job array",
        );
        self.positive("scheduler.slurm.cpus", slurm.cpus);
        if let Some(limit) = slurm.array_limit {
            self.positive("scheduler.slurm.array_limit", limit);
        }
        if let Some(time) = slurm.time {
            let positive = time.seconds() > 0.0;
            self.require(
                positive,
                "scheduler.slurm.time",
                "time must be longer than 0s",
                "for example \"4h\"",
            );
        }
        if let Some(memory) = slurm.memory {
            let positive = memory.0 > 0;
            self.require(
                positive,
                "scheduler.slurm.memory",
                "memory must be positive",
                "for example \"8GiB\"",
            );
        }
        if let Some(partition) = &slurm.partition {
            let plain = !partition.is_empty()
                && !partition.starts_with('-')
                && partition.chars().all(|c| c.is_ascii_alphanumeric() || "-_.,".contains(c));
            self.require(
                plain,
                "scheduler.slurm.partition",
                format!("`{partition}` is not the name of a partition"),
                "`sinfo` lists the partitions; separate several by commas",
            );
        }
        for (index, option) in slurm.options.iter().enumerate() {
            let plain = option.starts_with("--") && !option.chars().any(char::is_control);
            self.require(
                plain,
                &format!("scheduler.slurm.options.{index}"),
                format!("`{}` is not an option of sbatch", option.escape_debug()),
                "write its long name, as in \"--account=forecast\"",
            );
        }
    }
}
