//! Several GPUs, pretended ones: indexed slots, shares, and a GPU that cannot be used.

#![cfg(not(feature = "cuda"))]

use crate::common::Lab;

const SWEEP: &str = "[task.next_request]\nlookback = 8\n[training]\nepochs = 1\n[[models]]\n[models.nlinear]\n\
                     [search]\nseeds = [1, 2, 3, 4, 5, 6]\n[scheduler]\ndevice = \"cuda\"\nruns_per_gpu = 2\npack = 1\n";

fn sweep(lab: &Lab, gpus: &str) -> (Option<i32>, String) {
    let file = lab.azure("gpus", SWEEP);
    let output =
        lab.command(&["run", file.to_str().unwrap()]).env("BURSTLAB_PRETEND_CUDA", gpus).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn runs_are_spread_over_the_shares_of_all_gpus() {
    let lab = Lab::new();
    let (code, said) = sweep(&lab, "ok,ok");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("6 runs on 4 slots"), "two shares of two GPUs: {said}");
    let devices = lab.query("select device, count(*) as runs from runs group by device order by device");
    let names: Vec<&str> = devices.iter().map(|row| row["device"].as_str().unwrap()).collect();
    assert_eq!(names, ["cuda:0", "cuda:1"]);
}

#[test]
fn a_gpu_that_cannot_be_used_gets_no_more_runs_and_costs_no_run_an_attempt_that_counts() {
    let lab = Lab::new();
    let (code, said) = sweep(&lab, "broken,ok");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("cuda:0 cannot be used"), "{said}");
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done' and device = 'cuda:1'"), 6);
    assert_eq!(lab.scalar("select count(*) from attempts where status = 'failed'"), 0);
    let retired = lab.scalar("select count(*) from events where kind = 'slot retired'").as_i64().unwrap();
    assert!((1..=2).contains(&retired), "each of its two shares fails once at most: {retired}");
}

#[test]
fn without_any_usable_gpu_the_sweep_says_so_and_no_run_has_failed() {
    let lab = Lab::new();
    let (code, said) = sweep(&lab, "broken");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no GPU is left") && said.contains("--device cpu"), "{said}");
    assert_eq!(lab.scalar("select count(*) from runs where status in ('failed', 'running')"), 0);
}

/// Runs that pack, and others that need no GPU.
const PACKS: &str = "[task.next_request]\nlookback = 8\n[training]\nepochs = 2\n[[models]]\n[models.nlinear]\n\
                     [[models]]\n[models.mean]\n[[models]]\n[models.persistence]\n\
                     [search]\nseeds = [1, 2, 3, 4, 5, 6]\n";

#[test]
fn auto_trains_runs_of_one_shape_together_on_gpus_and_leaves_baselines_to_the_cpu() {
    let lab = Lab::new();
    let file = lab.azure("packs", PACKS);
    let run = |more: &[&str]| {
        let mut command = lab.command(&[&["run", file.to_str().unwrap()], more].concat());
        let output = command.env("BURSTLAB_PRETEND_CUDA", "ok,ok").output().unwrap();
        String::from_utf8(if more.is_empty() { output.stderr } else { output.stdout }).unwrap()
    };
    let plan = run(&["--dry-run"]);
    for line in [
        "8 runs on 3 slots",
        "device auto is CUDA, since this machine has 2 CUDA GPUs",
        "6 runs of nlinear together, at most 64 at once",
        "1 run of mean alone: it is not trained by gradient descent",
    ] {
        assert!(plan.contains(line), "`{line}` is missing in\n{plan}");
    }
    let said = run(&[]);
    let devices =
        lab.query("select model, device, count(*) as runs from runs group by model, device order by 1, 2");
    let found: Vec<String> = devices
        .iter()
        .map(|row| format!("{} {} {}", row["model"], row["device"], row["runs"]).replace('"', ""))
        .collect();
    assert_eq!(found, ["mean cpu 1", "nlinear cuda:0 3", "nlinear cuda:1 3", "persistence cpu 1"], "{said}");
    let packed =
        lab.scalar("select count(*) from events where detail = 'together with 2 other runs of its shape'");
    assert_eq!(packed, 6);
}

#[test]
fn a_pack_whose_gpu_cannot_be_used_goes_to_another_and_none_of_its_runs_is_charged() {
    let lab = Lab::new();
    let file = lab.azure("packs", PACKS);
    let output = lab
        .command(&["run", file.to_str().unwrap()])
        .env("BURSTLAB_PRETEND_CUDA", "broken,ok")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done' and device = 'cuda:1'"), 6);
    assert_eq!(lab.scalar("select count(*) from attempts where status = 'failed'"), 0);
    assert_eq!(lab.scalar("select count(*) from events where kind = 'slot retired'"), 3);
}
