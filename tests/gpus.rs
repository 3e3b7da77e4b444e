//! Several GPUs, pretended ones: indexed slots, shares, and a GPU that cannot be used.

#![allow(clippy::unwrap_used, reason = "tests")]
#![cfg(not(feature = "cuda"))]

mod common;

use common::Lab;

const SWEEP: &str = "[task.next_request]\nlookback = 8\n[training]\nepochs = 1\n[[models]]\n[models.nlinear]\n\
                     [search]\nseeds = [1, 2, 3, 4, 5, 6]\n[scheduler]\ndevice = \"cuda\"\nruns_per_gpu = 2\n";

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
