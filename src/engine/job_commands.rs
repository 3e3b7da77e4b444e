//! What the jobs of every cluster run: parts of a plan, each into a store of its own, and at last what brings them together.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::text::{shell_word, shell_words};

/// The commands of the jobs of one experiment, as lines of a POSIX shell. Paths are those that the jobs see.
#[derive(Debug, Clone)]
pub struct JobCommands {
    /// This program.
    pub program: String,
    /// The results folder that the parts are merged into.
    pub results: String,
    /// The folder of the stores of the parts.
    pub folder: String,
    /// The file that says which run is in which part.
    pub assignment: String,
    /// How many parts there are.
    pub count: usize,
    /// What follows `burstlab run` in every job.
    pub arguments: Vec<String>,
    /// What the parts get beside.
    pub part_arguments: Vec<String>,
}

impl JobCommands {
    /// Runs one part, whose number (from 1) the shell fills in from `number`.
    pub fn part(&self, number: &str) -> String {
        // The only part is the whole plan, ensembles and what a search adds later included.
        let assignment = match self.count {
            1 => String::new(),
            _ => format!(" --assignment {}", shell_word(&self.assignment)),
        };
        format!(
            "export BURSTLAB_RESULTS={}\"{number}\"-of-{count}\nexec {} run {} --partition \"{number}/{count}\"{assignment}\n",
            shell_word(&format!("{}/part-", self.folder)),
            shell_word(&self.program),
            shell_words(self.arguments.iter().chain(&self.part_arguments)),
            count = self.count,
        )
    }

    /// Merges the stores of all parts that have begun, whatever number of parts there was, runs what is left, and writes the
    /// report. Stores that contradict each other do not keep the report from being written, but fail the job after it.
    pub fn last(&self) -> String {
        let program = shell_word(&self.program);
        format!(
            "export BURSTLAB_RESULTS={}\nset --\nfor store in {}/part-*-of-*/burstlab.db; do\n    \
                 if [ -f \"$store\" ]; then set -- \"$@\" \"$store\"; fi\n\
             done\n\
             merged=0\n\
             if [ $# -gt 0 ]; then {program} merge \"$@\" || merged=$?; fi\n\
             set -- run {}\n\
             if [ $merged -eq 0 ]; then exec {program} \"$@\"; fi\n\
             {program} \"$@\"\n\
             exit $merged\n",
            shell_word(&self.results),
            shell_word(&self.folder),
            shell_words(&self.arguments),
        )
    }
}

/// The stores of all parts that have begun, whatever number of parts there was.
///
/// # Errors
/// A folder that cannot be read.
pub fn part_stores(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut stores = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(stores),
        entries => entries.with_context(|| format!("cannot read {}", folder.display()))?,
    };
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        let is_part = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("part-"));
        if is_part && path.join("burstlab.db").is_file() {
            stores.push(path);
        }
    }
    stores.sort();
    Ok(stores)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_last_run_is_started_and_the_job_fails_where_the_stores_contradict_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().display().to_string();
        let store = folder.path().join("x/part-1-of-2");
        std::fs::create_dir_all(&store).unwrap();
        std::fs::write(store.join("burstlab.db"), "").unwrap();
        let program = folder.path().join("program");
        let commands = JobCommands {
            program: program.display().to_string(),
            folder: format!("{results}/x"),
            assignment: format!("{results}/x/parts.json"),
            results,
            count: 2,
            arguments: vec!["an experiment.toml".to_string()],
            part_arguments: Vec::new(),
        };
        for (merge, run, code) in [(0, 0, 0), (1, 0, 1), (6, 0, 6), (0, 3, 3), (6, 3, 3)] {
            let script = format!(
                "if [ $1 = merge ]; then exit {merge}; fi\nprintf '%s|%s\\n' \"$1\" \"$2\"\nexit {run}\n"
            );
            std::fs::write(&program, script).unwrap();
            let run = commands.last().replace(&commands.program, &format!("sh {}", commands.program));
            let output = Command::new("sh").args(["-c", &format!("set -eu\n{run}")]).output().unwrap();
            assert_eq!(output.status.code(), Some(code));
            assert_eq!(String::from_utf8(output.stdout).unwrap(), "run|an experiment.toml\n");
        }
    }

    #[test]
    fn a_folder_is_named_safely_whatever_is_in_its_name() {
        for results in ["/plain/results", "/it's/results", "/two words/$HOME"] {
            let commands = JobCommands {
                program: "/opt/my tools/burstlab".to_string(),
                results: results.to_string(),
                folder: format!("{results}/slurm/x"),
                assignment: format!("{results}/slurm/x/parts.json"),
                count: 2,
                arguments: vec!["an experiment.toml".to_string()],
                part_arguments: Vec::new(),
            };
            let part = commands.part("$NUMBER");
            let line = part.lines().find(|line| line.starts_with("export BURSTLAB_RESULTS")).unwrap();
            let shell = format!("NUMBER=2; {line}; printf %s \"$BURSTLAB_RESULTS\"");
            let output = Command::new("sh").args(["-c", &shell]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{results}/slurm/x/part-2-of-2"));
            for text in [part, commands.last()] {
                let checked = Command::new("sh").args(["-n", "-c", &text]).output().unwrap();
                assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
            }
        }
    }
}
