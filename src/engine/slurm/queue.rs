//! Slurm's own commands: `sbatch` to hand over a script, `squeue` to see whether a job is under way.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::system::process::{NoAnswer, output_within};

/// How long a command of Slurm's may take: `sbatch` itself tries for two minutes and more where the queue is full, and then
/// says why it gives up.
const LIMIT: Duration = Duration::from_mins(5);

/// Checks that Slurm is there before anything is written for it.
pub fn require() -> anyhow::Result<()> {
    run(Command::new("sbatch").arg("--version")).map(drop)
}

/// Hands over a script and returns the job's number. `output` may hold Slurm's patterns after `logs`, its folder.
pub fn submit(
    script: &Path,
    output: &Path,
    logs: &Path,
    working: &Path,
    after: Option<u64>,
) -> anyhow::Result<u64> {
    let mut command = Command::new("sbatch");
    command.arg("--parsable").arg("--chdir").arg(working);
    command.arg("--output").arg(escaped(output, logs)).arg("--open-mode=append");
    if let Some(after) = after {
        command.arg(format!("--dependency=afterany:{after}"));
    }
    let answer = match output_within(command.arg(script), LIMIT) {
        Err(late @ NoAnswer::Late { .. }) => bail!(
            "{late}; whether Slurm took {} is not known: see with `squeue --me` before you give this command again",
            script.display()
        ),
        answer => answer.map_err(explained)?,
    };
    if !answer.status.success() {
        bail!("sbatch refused {}: {}", script.display(), String::from_utf8_lossy(&answer.stderr).trim());
    }
    // `123`, or `123;cluster`.
    let text = String::from_utf8_lossy(&answer.stdout);
    let number = text.trim().split(';').next().unwrap_or_default();
    number
        .parse()
        .with_context(|| format!("sbatch answered `{}`, which is not the number of a job", text.trim()))
}

/// Whether one of these jobs waits or runs.
pub fn any_under_way(jobs: &[u64]) -> anyhow::Result<bool> {
    for job in jobs {
        let answer =
            run(Command::new("squeue").args(["--noheader", "--format=%T"]).arg(format!("--jobs={job}")))?;
        let complaint = String::from_utf8_lossy(&answer.stderr);
        if answer.status.success() {
            let states = String::from_utf8_lossy(&answer.stdout);
            if states.lines().any(|state| !state.trim().is_empty()) {
                return Ok(true);
            }
        } else if !complaint.contains("Invalid job id") {
            // A job that Slurm has forgotten has ended; anything else must not pass for that. Both end squeue with the
            // same exit code, so its text is all that tells them apart.
            bail!("squeue cannot say whether job {job} is under way: {}", complaint.trim());
        }
    }
    Ok(false)
}

fn run(command: &mut Command) -> anyhow::Result<Output> {
    output_within(command, LIMIT).map_err(explained)
}

fn explained(error: NoAnswer) -> anyhow::Error {
    match error {
        NoAnswer::Missing(name) => anyhow::anyhow!(
            "`{name}` is not on PATH: --engine slurm needs Slurm's commands; give the command on a machine of the \
             cluster, or run here without --engine slurm"
        ),
        error => error.into(),
    }
}

/// In the name of an output file `%` begins a pattern of Slurm's; those of the folder's own name are not meant so.
fn escaped(output: &Path, logs: &Path) -> String {
    let folder = logs.display().to_string().replace('%', "%%");
    let file = output.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
    format!("{folder}/{file}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_sign_of_the_folder_is_not_a_pattern() {
        let logs = Path::new("/data/100%/logs");
        assert_eq!(escaped(&logs.join("part-%a.log"), logs), "/data/100%%/logs/part-%a.log");
    }
}
