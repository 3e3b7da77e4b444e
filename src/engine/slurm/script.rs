//! The scripts that Slurm runs: text that follows from a plan alone, so that it can be shown without a Slurm.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::engine::JobCommands;
use crate::plan::Assignment;
use crate::spec::SlurmSpec;
use crate::text::shell_word;

/// What the scripts of one experiment are made of. All paths are absolute.
#[derive(Debug, Clone)]
pub struct Scripts<'a> {
    /// Name of the experiment.
    pub experiment: &'a str,
    /// What each job gets.
    pub slurm: &'a SlurmSpec,
    /// The folder of traces.
    pub dataset: &'a Path,
    /// The folder that the command was given in.
    pub working: &'a Path,
    /// The folder of the scripts and the parts.
    pub folder: PathBuf,
    /// What the jobs run.
    pub commands: JobCommands,
    /// Which run is in which part.
    pub assignment: Assignment,
    /// The parts that have something to run, counted from 1.
    pub parts: Vec<usize>,
}

impl Scripts<'_> {
    /// The job array, one task for each part; `None` where no part has anything to run.
    pub fn array(&self) -> Option<String> {
        if self.parts.is_empty() {
            return None;
        }
        let limit = self.slurm.array_limit.map_or(String::new(), |limit| format!("%{limit}"));
        let head = self.head("", &format!("#SBATCH --array={}{limit}\n", ranges(&self.parts)));
        // The number of the part is the only thing that the shell fills in.
        Some(head + &self.commands.part("$SLURM_ARRAY_TASK_ID"))
    }

    /// The last job: merges the stores of the parts, runs what is left, and writes the report.
    pub fn last(&self) -> String {
        self.head("-last", "") + &self.commands.last()
    }

    /// What both scripts begin with.
    fn head(&self, suffix: &str, more: &str) -> String {
        let slurm = self.slurm;
        let mut text =
            format!("#!/bin/bash\n#SBATCH --job-name=burstlab-{}{suffix}\n{more}", self.experiment);
        let mut option = |option: String| text.extend(["#SBATCH ", &option, "\n"]);
        option("--ntasks=1".to_string());
        option(format!("--cpus-per-task={}", slurm.cpus));
        if slurm.gpus > 0 {
            option(format!("--gpus={}", slurm.gpus));
        }
        if let Some(memory) = slurm.memory {
            option(format!("--mem={}K", memory.0.div_ceil(1024)));
        }
        if let Some(time) = slurm.time {
            option(format!("--time={}", time.0.as_secs().div_ceil(60).max(1)));
        }
        if let Some(partition) = &slurm.partition {
            option(format!("--partition={partition}"));
        }
        slurm.options.iter().map(|text| directive(text)).for_each(option);
        let _ = write!(
            text,
            "set -eu\ncd {}\nexport BURSTLAB_DATASET={}\n",
            shell_word(&self.working.display().to_string()),
            shell_word(&self.dataset.display().to_string())
        );
        text
    }
}

/// `1,3-5`: numbers in rising order as Slurm writes them.
fn ranges(numbers: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut().filter(|range| range.1 + 1 == number) {
            Some(range) => range.1 = number,
            None => ranges.push((number, number)),
        }
    }
    let texts: Vec<String> = ranges
        .into_iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    texts.join(",")
}

/// One option in a line of `#SBATCH`, which has quotes like the shell's but is not read by it.
fn directive(option: &str) -> String {
    if option.chars().any(|c| c.is_whitespace() || "\"'\\#".contains(c)) {
        format!("\"{}\"", option.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        option.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_joined_into_ranges() {
        assert_eq!(ranges(&[1, 2, 3, 5, 7, 8]), "1-3,5,7-8");
        assert_eq!(ranges(&[4]), "4");
    }
}
