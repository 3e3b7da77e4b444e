//! The examples do what they say: an experiment is run from Rust, and its saved models are asked.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs an example, which `cargo test` has built beside this test, and returns what it printed.
fn example(name: &str, results: &Path, arguments: &[&str]) -> String {
    let test = std::env::current_exe().unwrap();
    let program: PathBuf = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(program.is_file(), "{} is missing; run cargo build --release --examples", program.display());
    let mut command = Command::new(program);
    let output = command.args(arguments).env("BURSTLAB_RESULTS", results).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_experiment_defined_in_rust_is_run_once_and_its_models_forecast() {
    let folder = tempfile::tempdir().unwrap();
    let trace = Path::new(env!("CARGO_MANIFEST_DIR")).join("dataset/fixtures/azure-conv-excerpt.csv");
    let trace = trace.to_str().unwrap();

    let first = example("run_experiment", folder.path(), &[trace]);
    assert!(first.contains("10 runs, 10 to do"), "{first}");
    assert_eq!(first.matches(": done in ").count(), 10, "{first}");
    let best = |output: &str| {
        output.lines().find(|line| line.starts_with("best on the test part")).map(str::to_string)
    };
    assert!(best(&first).is_some(), "{first}");
    let again = example("run_experiment", folder.path(), &[trace]);
    assert!(again.contains("10 runs, 0 to do"), "{again}");
    assert_eq!(best(&first), best(&again));

    let forecasts = example("predict_next_request", folder.path(), &["lookbacks", trace, "2"]);
    for model in ["mean", "moving_average", "dlinear"] {
        let own = forecasts.lines().filter(|line| line.starts_with(&format!("{model}: in ")));
        assert_eq!(own.count(), 2, "{forecasts}");
    }
}
