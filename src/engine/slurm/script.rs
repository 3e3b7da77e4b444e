//! The scripts that Slurm runs: text that follows from a plan alone, so that it can be shown without a Slurm.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::spec::SlurmSpec;

/// What the scripts of one experiment are made of. All paths are absolute.
#[derive(Debug, Clone)]
pub struct Scripts<'a> {
    /// Name of the experiment.
    pub experiment: &'a str,
    /// What each job gets.
    pub slurm: &'a SlurmSpec,
    /// This program.
    pub program: &'a Path,
    /// The results folder that the parts are merged into.
    pub results: &'a Path,
    /// The folder of traces.
    pub dataset: &'a Path,
    /// The folder that the command was given in.
    pub working: &'a Path,
    /// The folder of the scripts and the parts.
    pub folder: PathBuf,
    /// What follows `burstlab run` in every job.
    pub arguments: Vec<String>,
    /// What the parts get beside.
    pub part_arguments: Vec<String>,
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
        let parts = self.slurm.parts;
        let mut text = self.head("", &format!("#SBATCH --array={}{limit}\n", ranges(&self.parts)));
        // The number of the part is the only thing that the shell fills in.
        let place = quoted(&self.folder.join("part-").display().to_string());
        let _ = writeln!(text, "export BURSTLAB_RESULTS={place}\"$SLURM_ARRAY_TASK_ID\"-of-{parts}");
        let _ = writeln!(
            text,
            "exec {} run {} --partition \"$SLURM_ARRAY_TASK_ID/{parts}\"",
            quoted(&self.program.display().to_string()),
            words(self.arguments.iter().chain(&self.part_arguments)),
        );
        Some(text)
    }

    /// The last job: merges the stores of the parts, runs what is left, and writes the report.
    pub fn last(&self) -> String {
        let mut text = self.head("-last", "");
        let program = quoted(&self.program.display().to_string());
        let _ = write!(
            text,
            "export BURSTLAB_RESULTS={results}\n\
             stores=()\n\
             for store in {folder}/part-*-of-*/burstlab.db; do\n    \
                 if [ -f \"$store\" ]; then stores+=(\"$store\"); fi\n\
             done\n\
             if [ ${{#stores[@]}} -gt 0 ]; then {program} merge \"${{stores[@]}}\"; fi\n\
             exec {program} run {arguments}\n",
            results = quoted(&self.results.display().to_string()),
            folder = quoted(&self.folder.display().to_string()),
            arguments = words(&self.arguments),
        );
        text
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
            quoted(&self.working.display().to_string()),
            quoted(&self.dataset.display().to_string())
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

fn words<'a>(arguments: impl IntoIterator<Item = &'a String>) -> String {
    arguments.into_iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(" ")
}

/// One word of the shell, whatever is in it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_string()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
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

    #[test]
    fn the_shell_gives_back_every_word_as_it_was() {
        for word in ["plain", "two words", "it's", "$HOME `x` \"y\" \\", "*", "", "a\nb", "é;|&"] {
            let script = format!("printf %s {}", quoted(word));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }

    #[test]
    fn a_folder_is_named_safely_whatever_is_in_its_name() {
        for results in ["/plain/results", "/it's/results", "/two words/$HOME"] {
            check_folder(results);
        }
    }

    fn check_folder(results: &str) {
        let scripts = Scripts {
            experiment: "x",
            slurm: &SlurmSpec { parts: 2, ..SlurmSpec::default() },
            program: Path::new("/opt/my tools/burstlab"),
            results: Path::new(results),
            dataset: Path::new("/data"),
            working: Path::new("/home/a b"),
            folder: Path::new(results).join("slurm/x"),
            arguments: vec!["an experiment.toml".to_string()],
            part_arguments: Vec::new(),
            parts: vec![1, 2],
        };
        let array = scripts.array().unwrap();
        let line = array.lines().find(|line| line.starts_with("export BURSTLAB_RESULTS")).unwrap();
        let shell = format!("SLURM_ARRAY_TASK_ID=2; {line}; printf %s \"$BURSTLAB_RESULTS\"");
        let output = std::process::Command::new("bash").args(["-c", &shell]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{results}/slurm/x/part-2-of-2"));
        for text in [array, scripts.last()] {
            let checked = std::process::Command::new("bash").args(["-n", "-c", &text]).output().unwrap();
            assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        }
    }
}
