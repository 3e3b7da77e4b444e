//! Names of files that follow from names in a trace or an experiment: any of them gives a report.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::common::Lab;

const REST: &str =
    "[task.series]\nlookback = 4\nhorizon = 2\n[[models]]\n[models.persistence]\n[[models]]\n[models.mean]\n";

/// An experiment on a table with these columns.
fn experiment(lab: &Lab, name: &str, columns: &[&str]) -> std::path::PathBuf {
    let mut text = format!("date,{}\n", columns.join(","));
    for hour in 0..120 {
        let values: Vec<String> =
            (0..columns.len()).map(|column| ((hour * (column + 3)) % 7).to_string()).collect();
        let _ = writeln!(text, "2024-01-0{} {:02}:00:00,{}", 1 + hour / 24, hour % 24, values.join(","));
    }
    lab.file("table.csv", &text);
    lab.file(
        &format!("{name}.toml"),
        &format!("name = \"{name}\"\n[dataset]\nsource = \"table.csv\"\n{REST}"),
    )
}

/// The names of the plots of a report, each of which must be linked from it.
fn plots(lab: &Lab, folder: &str) -> BTreeSet<String> {
    let folder = lab.results().join(folder);
    let report = std::fs::read_to_string(folder.join("report.md")).unwrap();
    let entries = std::fs::read_dir(folder.join("plots")).unwrap();
    let names: BTreeSet<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    for name in names.iter().filter(|name| Path::new(name).extension() == Some("png".as_ref())) {
        assert!(
            report.contains(&format!("plots/{name}")) || report.contains(&name.replace(".png", ".svg")),
            "{name}"
        );
    }
    names
}

#[test]
fn any_names_of_columns_give_a_report_with_a_file_for_each_plot() {
    let lab = Lab::new();
    let header = format!(
        "sum by (le) (rate(http_request_duration_seconds_bucket{{{}}}[5m]))",
        "job=~api; ".repeat(24)
    );
    assert!(header.len() > 300);
    let other = format!("{header} offset 1d");
    for (columns, expected) in [
        ([&*header, &*other, "x"], None),
        (["CPU", "cpu", "Cpu"], Some(["forecast-cpu", "forecast-cpu-2", "forecast-cpu-3"])),
        (["a/b", "..", "a b"], Some(["forecast-a-b", "forecast", "forecast-a-b-2"])),
        (["con", "流量", "../../x"], Some(["forecast-con", "forecast", "forecast-x"])),
    ] {
        let file = experiment(&lab, "named", &columns);
        lab.run(&file, &[]);
        let names = plots(&lab, "named");
        for name in expected.into_iter().flatten() {
            assert!(names.contains(&format!("{name}.png")), "{name} is not among {names:?}");
        }
        let whole: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
        assert_eq!(whole.len(), names.len(), "they differ even where case does not count");
        // Three targets, two steps ahead, as SVG and as PNG.
        assert_eq!(names.iter().filter(|name| name.starts_with("forecast")).count(), 12, "{names:?}");
        assert!(names.iter().all(|name| name.len() < 150), "{names:?}");
        let page = std::fs::read_to_string(lab.results().join("named/report.html")).unwrap();
        assert!(!page.contains("could not be"), "every plot is there");
    }
    let outside: Vec<_> =
        std::fs::read_dir(lab.results()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(outside.iter().all(|name| name != "x.png" && name != "x.svg"), "{outside:?}");
}

#[test]
fn plots_that_cannot_be_written_cost_the_report_a_sentence() {
    let lab = Lab::new();
    let file = experiment(&lab, "blocked", &["load"]);
    std::fs::create_dir_all(lab.results().join("blocked")).unwrap();
    std::fs::write(lab.results().join("blocked/plots"), "in the way").unwrap();
    let outcome = lab.run(&file, &[]);
    assert!(outcome.stdout.contains("report: "), "{}", outcome.stdout);
    for name in ["report.html", "report.md"] {
        let text = std::fs::read_to_string(lab.results().join("blocked").join(name)).unwrap();
        assert!(text.contains("could not be written"), "{name}");
    }
    assert_eq!(std::fs::read_to_string(lab.results().join("blocked/plots")).unwrap(), "in the way");
}

#[test]
fn an_experiment_whose_name_means_something_to_a_file_system_gets_another_folder() {
    let lab = Lab::new();
    for name in ["nul", "v1.", "Runs"] {
        let outcome = lab.run(&experiment(&lab, name, &["load"]), &[]);
        assert!(!lab.results().join(name).exists(), "{name}");
        let report = outcome.stdout.lines().find_map(|line| line.strip_prefix("report: ")).unwrap();
        assert!(Path::new(report).is_file(), "{report}");
    }
    lab.run(&experiment(&lab, "Azure-v1.2", &["load"]), &[]);
    assert!(lab.results().join("Azure-v1.2/report.html").is_file(), "an ordinary name stays as it is");
}

#[test]
fn two_experiments_never_share_a_folder() {
    let lab = Lab::new();
    lab.run(&experiment(&lab, "load", &["load"]), &[]);
    // As a file system that takes no notice of case would show it.
    symlink(lab.results().join("load"), lab.results().join("Load")).unwrap();
    let before = std::fs::read(lab.results().join("load/report.md")).unwrap();
    let file = experiment(&lab, "Load", &["load", "more"]);
    let outcome = lab.call(&["run", file.to_str().unwrap()]);
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("rename this one"), "{}", outcome.stderr);
    assert_eq!(std::fs::read(lab.results().join("load/report.md")).unwrap(), before);
}
