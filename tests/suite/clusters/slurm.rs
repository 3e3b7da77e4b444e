//! The engine `slurm`, beside commands of Slurm's that are played.

use super::*;

/// A folder for PATH with `sbatch`, whose jobs count from 12 and which refuses its second script, and `squeue`, which shows
/// the jobs that `running` lists.
fn fake_slurm(lab: &Lab) -> PathBuf {
    let folder = lab.folder.path().join("slurm-commands");
    std::fs::create_dir_all(&folder).unwrap();
    let scripts = [
        (
            "sbatch",
            "case \"$*\" in --version) exit 0;; esac\n\
             echo \"$*\" >> calls.txt\n\
             calls=$(wc -l < calls.txt)\n\
             if [ \"$calls\" = 2 ]; then echo 'sbatch: error: the queue is full' >&2; exit 1; fi\n\
             echo $((11 + calls))\n",
        ),
        ("squeue", "for job; do :; done\nif grep -qx \"${job#--jobs=}\" running; then echo RUNNING; fi\n"),
    ];
    for (name, script) in scripts {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\nset -eu\ncd '{}'\n{script}", folder.display())).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::write(folder.join("running"), "").unwrap();
    folder
}

#[test]
fn a_job_array_whose_last_job_was_refused_is_not_handed_over_a_second_time_while_it_runs() {
    let lab = Lab::new();
    let slurm = fake_slurm(&lab);
    let file = lab.azure("handed-over", &format!("{DIVIDED}[scheduler.slurm]\nparts = 3\n"));
    let path = format!("{}:{}", slurm.display(), std::env::var("PATH").unwrap());
    let call = || -> Outcome {
        let arguments = ["run", file.to_str().unwrap(), "--engine", "slurm"];
        lab.command(&arguments).env("PATH", &path).output().unwrap().into()
    };
    let handed_over = || std::fs::read_to_string(slurm.join("calls.txt")).unwrap().lines().count();

    let refused = call();
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("last.sh: sbatch: error: the queue is full"), "{}", refused.stderr);

    std::fs::write(slurm.join("running"), "12\n").unwrap();
    let waiting = call();
    assert_eq!((waiting.code, handed_over()), (0, 2), "{}", waiting.stderr);
    let told = "job array 12 has not ended yet, so nothing is submitted; give this command again when it has, for its last job";
    assert!(waiting.stderr.contains(told), "{}", waiting.stderr);

    std::fs::write(slurm.join("running"), "").unwrap();
    let whole = call();
    assert_eq!((whole.code, handed_over()), (0, 4), "{}", whole.stderr);
    assert!(whole.stdout.contains("job array 14 runs 3 of 3 parts; then job 15 merges"), "{}", whole.stdout);
}
