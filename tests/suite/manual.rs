//! What shells and `man` are told of the command line.

use std::collections::BTreeSet;

use crate::common::Lab;

/// The commands that the help lists.
fn commands(lab: &Lab) -> Vec<String> {
    let help = lab.call(&["--help"]).stdout;
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_string).collect()
}

#[test]
fn the_completions_of_every_shell_name_every_command() {
    let lab = Lab::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let outcome = lab.call(&["completions", shell]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        for command in commands(&lab) {
            assert!(outcome.stdout.contains(&command), "{shell}: {command}");
        }
        assert!(outcome.stdout.contains("on-finish"), "{shell}: flags");
    }
    let outcome = lab.call(&["completions", "cmd"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.stderr.contains("possible values: bash, elvish, fish, powershell, zsh"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn the_shell_accepts_its_completions() {
    let lab = Lab::new();
    let script = lab.call(&["completions", "bash"]).stdout;
    lab.file("burstlab.bash", &script);
    let check = "set -u; source ./burstlab.bash; COMP_WORDS=(burstlab wa); COMP_CWORD=1; _burstlab burstlab wa burstlab; \
                 echo ${COMPREPLY[*]}";
    let output = std::process::Command::new("bash")
        .args(["--norc", "-c", check])
        .current_dir(lab.folder.path())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "watch\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_command_has_a_page() {
    let lab = Lab::new();
    let outcome = lab.call(&["man", "--output", "man"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let folder = lab.folder.path().join("man");
    let pages: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut expected: BTreeSet<String> =
        commands(&lab).iter().map(|name| format!("burstlab-{name}.1")).collect();
    expected.insert("burstlab.1".to_string());
    for command in ["list", "fetch", "inspect", "clean", "synth"] {
        expected.insert(format!("burstlab-dataset-{command}.1"));
    }
    assert_eq!(pages, expected, "and none for the hidden worker");
    let run = std::fs::read_to_string(folder.join("burstlab-run.1")).unwrap();
    assert!(run.contains(".TH burstlab-run 1") && run.contains("on\\-finish"), "{run}");
    let list = std::fs::read_to_string(folder.join("burstlab-dataset-list.1")).unwrap();
    assert!(list.contains("burstlab dataset list"), "{list}");
    // Pages are written again, and other files stay.
    assert_eq!(lab.call(&["man", "--output", "man"]).code, 0);
    std::fs::write(folder.join("burstlab.1"), "mine").unwrap();
    assert_eq!(lab.call(&["man", "--output", "man"]).code, 2);
    let printed = lab.call(&["man"]).stdout;
    assert!(printed.contains(".TH burstlab 1") && printed.contains("burstlab\\-watch(1)"), "{printed}");
}
