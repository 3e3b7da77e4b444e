//! Mistakes in `[scheduler]`, and what a cluster would refuse.

use super::*;

#[test]
fn a_device_that_is_not_there_is_an_error_not_a_fallback() {
    assert_snapshot!(refusal(VALID, &["--device", "cuda"]), @r#"error: device `cuda` cannot be used: this binary was built without it (build with `cargo build --release --features cuda`); use --device cpu, or auto"#);
    assert_snapshot!(refusal(VALID, &["--device", "tpu"]), @r#"error: `tpu` is not a device; give auto, cpu, cuda, cuda:0 or wgpu"#);
}

#[test]
fn amounts_and_times_of_the_scheduler_have_units() {
    let text = with("[training]", "[scheduler]\nmemory_per_run = \"two GiB\"\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: `two GiB` is not an amount of memory; write a number and a unit, as in "512MiB" or "2GiB"
     --> e.toml:9:18
      |
    9 | memory_per_run = "two GiB"
      |                  ^^^^^^^^^
    "#);
    let text = with("[training]", "[scheduler]\nmemory_per_run = \"0GiB\"\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: memory_per_run must be positive
     --> e.toml:9:18
      |
    9 | memory_per_run = "0GiB"
      |                  ^^^^^^
      |
      = help: for example "2GiB"
    "#);
    let text = with("[training]", "[scheduler]\ngrace = 10\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: expected a string, got 10
     --> e.toml:9:9
      |
    9 | grace = 10
      |         ^^
    ");
    let text = with("[training]", "[scheduler]\nbackof = \"1s\"\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: unknown key `backof`
     --> e.toml:9:1
      |
    9 | backof = "1s"
      | ^^^^^^ did you mean `backoff`?
      |
      = help: known here: device, threads_per_run, runs_per_gpu, pack, memory_per_run, timeout, grace, retries, backoff, slurm, kubernetes
    "#);
}

#[test]
fn what_slurm_would_refuse_is_refused_before() {
    let text = with("[training]", "[scheduler.slurm]\nparts = 0\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: parts must be at least 1, got 0
     --> e.toml:9:9
      |
    9 | parts = 0
      |         ^
      |
      = help: give a positive integer
    ");
    let text = with("[training]", "[scheduler.slurm]\nparts = 5000\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: parts must be at most 1000, got 5000
     --> e.toml:9:9
      |
    9 | parts = 5000
      |         ^^^^
      |
      = help: each part is a task of the job array
    ");
    let text = with("[training]", "[scheduler.slurm]\ntime = \"0s\"\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: time must be longer than 0s
     --> e.toml:9:8
      |
    9 | time = "0s"
      |        ^^^^
      |
      = help: for example "4h"
    "#);
    let text = with("[training]", "[scheduler.slurm]\nmemory = \"8\"\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: `8` is not an amount of memory; write a number and a unit, as in "512MiB" or "2GiB"
     --> e.toml:9:10
      |
    9 | memory = "8"
      |          ^^^
    "#);
    let text = with("[training]", "[scheduler.slurm]\npartition = \"a b\"\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: `a b` is not the name of a partition
     --> e.toml:9:13
      |
    9 | partition = "a b"
      |             ^^^^^
      |
      = help: `sinfo` lists the partitions; separate several by commas
    "#);
    let text = with("[training]", "[scheduler.slurm]\noptions = [\"--exclusive\", \"-A x\"]\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r#"
    error: `-A x` is not an option of sbatch
     --> e.toml:9:27
      |
    9 | options = ["--exclusive", "-A x"]
      |                           ^^^^^^
      |
      = help: write its long name, as in "--account=forecast"
    "#);
    let text = with("[training]", "[scheduler.slurm]\ncpu = 4\n[training]");
    assert_snapshot!(refusal(&text, &[]), @r"
    error: unknown key `cpu`
     --> e.toml:9:1
      |
    9 | cpu = 4
      | ^^^ did you mean `cpus`?
      |
      = help: known here: partition, parts, array_limit, time, cpus, gpus, memory, options
    ");
}

#[test]
fn what_kubernetes_would_refuse_is_refused_before() {
    for (line, message) in [
        ("parts = 0", "parts must be at least 1, got 0"),
        ("parts = 5000", "parts must be at most 1000, got 5000"),
        ("parallelism = 0", "parallelism must be at least 1, got 0"),
        ("retries = 101", "retries must be at most 100, got 101"),
        ("cpus = 0", "cpus must be at least 1, got 0"),
        ("memory = \"0B\"", "memory must be positive"),
        ("image = \"two words\"", "`two words` is not the name of an image"),
        ("namespace = \"Forecast\"", "`Forecast` cannot be the name of a namespace"),
        ("volume = \"stores-\"", "`stores-` cannot be the name of a volume"),
        ("queue = \"a.b\"", "`a.b` cannot be the name of a queue"),
        ("volume_size = \"1GiB\"", "volume_size is given, but the claim has no name"),
        ("labels = { \"a b\" = \"c\" }", "`a b = c` cannot be a label"),
        (
            "labels = { \"app.kubernetes.io/name\" = \"x\" }",
            "the label `app.kubernetes.io/name` is set by burstlab",
        ),
        ("image_name = \"x\"", "unknown key `image_name`"),
    ] {
        let text = with("[training]", &format!("[scheduler.kubernetes]\n{line}\n[training]"));
        let refused = refusal(&text, &[]);
        assert!(refused.contains(message), "{message} is not in\n{refused}");
        assert!(refused.contains("--> e.toml:9:"), "{refused}");
    }
}

#[test]
fn the_old_table_of_resources_is_answered_with_what_took_its_place() {
    let text = format!("{VALID}[report.resources]\ngpus_per_replica = 4\ntokens_per_second = 6000\n");
    assert_snapshot!(refusal(&text, &[]), @"
    error: [report.resources] was removed: [capacity] says what the load needs
      --> e.toml:15:2
       |
    15 | [report.resources]
       |  ^^^^^^ remove this table
       |
       = help: write [capacity] with prefill_tokens_per_s and decode_tokens_per_s in place of tokens_per_second, gpus_per_replica as it was, and cold_start; the report then tells replica hours and GPU hours
    ");
    assert_snapshot!(refusal(VALID, &["--set", "report.resources.weights_gib=70"]), @"
    error: [report.resources] was removed: [capacity] says what the load needs
     --> --set:1:1
      |
    1 | report.resources.weights_gib=70
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ remove this table
      |
      = help: write [capacity] with prefill_tokens_per_s and decode_tokens_per_s in place of tokens_per_second, gpus_per_replica as it was, and cold_start; the report then tells replica hours and GPU hours
    ");
}
