//! A store that is damaged, strange or out of room: a clear message, exit code 1, and nothing lost.

use std::io::{Seek, SeekFrom, Write};
use std::process::{Command, Stdio};

use crate::common::{Lab, Outcome};

const SWEEP: &str =
    "[task.next_request]\nlookback = 5\n[[models]]\n[models.moving_average]\nwindow = { grid = [2, 3, 4] }\n";

/// Each of these fails with exit code 1, the path of the store, and these words.
fn all_fail(lab: &Lab, file: &str, words: &[&str]) {
    for arguments in [&["run", file][..], &["runs"], &["compare", "sweep"], &["query", "select * from runs"]]
    {
        let outcome = lab.call(arguments);
        assert_eq!(outcome.code, 1, "{arguments:?}: {}{}", outcome.stdout, outcome.stderr);
        assert!(outcome.stderr.contains("results/burstlab.db"), "{arguments:?}: {}", outcome.stderr);
        for words in words {
            assert!(outcome.stderr.contains(words), "{arguments:?}: `{words}` is not in {}", outcome.stderr);
        }
    }
}

#[test]
fn a_file_that_is_no_store_is_left_alone() {
    let lab = Lab::new();
    let file = lab.azure("sweep", SWEEP);
    lab.run(&file, &[]);
    let store = lab.results().join("burstlab.db");
    std::fs::write(&store, "someone saved a note here, long enough to be taken for a file of SQLite's")
        .unwrap();
    let before = std::fs::read(&store).unwrap();
    all_fail(&lab, file.to_str().unwrap(), &["file is not a database", "results/burstlab.db is damaged"]);
    assert_eq!(std::fs::read(&store).unwrap(), before);
}

#[test]
fn a_store_with_damaged_pages_is_told_and_left_alone() {
    let lab = Lab::new();
    let file = lab.azure("sweep", SWEEP);
    lab.run(&file, &[]);
    let store = lab.results().join("burstlab.db");
    let mut damaged = std::fs::OpenOptions::new().write(true).open(&store).unwrap();
    // All but the first page, which holds the schema's beginning.
    let length = damaged.metadata().unwrap().len();
    damaged.seek(SeekFrom::Start(4096)).unwrap();
    damaged.write_all(&vec![0x5a; usize::try_from(length).unwrap() - 4096]).unwrap();
    drop(damaged);
    let before = std::fs::read(&store).unwrap();
    all_fail(&lab, file.to_str().unwrap(), &["malformed", "results/burstlab.db is damaged", ".recover"]);
    assert_eq!(std::fs::read(&store).unwrap(), before);
    let runs = std::fs::read_dir(lab.results().join("runs")).unwrap().count();
    assert_eq!(runs, 3, "the files of finished runs are untouched");
}

#[test]
fn a_store_of_a_newer_version_is_neither_read_nor_written() {
    let lab = Lab::new();
    let file = lab.azure("sweep", SWEEP);
    lab.run(&file, &[]);
    let metrics = lab.metrics("sweep");
    lab.execute(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'from the future', 1, x'00', 0)",
    );
    all_fail(&lab, file.to_str().unwrap(), &["was made by a newer version of burstlab; use that one"]);
    let other = Lab::new();
    let outcome = other.call(&["merge", lab.results().to_str().unwrap()]);
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("newer version of burstlab"), "{}", outcome.stderr);
    lab.execute("DELETE FROM _sqlx_migrations WHERE version = 9999");
    assert_eq!(lab.metrics("sweep"), metrics);
}

#[test]
fn files_that_cannot_grow_end_the_sweep_and_lose_nothing() {
    let lab = Lab::new();
    let first = lab.azure("sweep", SWEEP);
    lab.run(&first, &[]);
    let metrics = lab.metrics("sweep");
    let more = lab.azure("more", &SWEEP.replace("[2, 3, 4]", "[5, 6, 7]"));
    // The first run's files fit into 4 KiB as little as any later one's.
    let limited: Outcome = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_burstlab"), "run"])
        .arg(&more)
        .current_dir(lab.folder.path())
        .env("BURSTLAB_RESULTS", lab.results())
        .stdin(Stdio::null())
        .output()
        .unwrap()
        .into();
    assert_eq!(limited.code, 1, "{}", limited.stderr);
    assert!(limited.stderr.contains("results"), "the path is named: {}", limited.stderr);
    assert!(
        limited.stderr.contains("free some space") || limited.stderr.contains("or is full"),
        "{}",
        limited.stderr
    );
    assert_eq!(lab.metrics("sweep"), metrics);
    assert_eq!(lab.scalar("select count(*) from runs where experiment = 'sweep' and status = 'done'"), 3);
    lab.run(&more, &[]);
    assert_eq!(lab.scalar("select count(*) from runs where status = 'done'"), 6);
    assert_eq!(lab.scalar("select count(*) from attempts where status = 'done'"), 6);
}
