//! The store as other programs read it: the questions of docs/querying.md, the sqlite3 shell, exported tables.

use std::process::Command;

use burstlab::dataset::ParquetFile;
use polars_core::prelude::DataType;
use serde_json::Value;

use crate::common::Lab;

/// A store with something to tell for every question: trained and naive models, axes, seeds, a claim, a failure.
fn lab_with_a_past() -> Lab {
    let lab = Lab::new();
    let sweep = "max_rows = 600\n[task.next_request]\nlookback = 8\n[training]\nepochs = 2\n[[models]]\n\
                 [models.persistence]\n[[models]]\n[models.lstm]\nhidden = { grid = [2, 4] }\n[search]\nseeds = [1, 2]\n\
                 [[claims]]\nname = \"a claim\"\nwhere = { model.kind = \"persistence\" }\nmetric = \"mse\"\nat_least = 0\n";
    lab.run(&lab.azure("sweep", sweep), &[]);
    let broken = "max_rows = 600\n[task.next_request]\nlookback = 8\n[training]\nepochs = 1\nlearning_rate = 1e300\n\
                  [[models]]\n[models.linear]\n[scheduler]\nretries = 0\n";
    let outcome = lab.call(&["run", lab.azure("broken", broken).to_str().unwrap()]);
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    lab
}

/// The SQL of the page, each with the heading above it.
fn questions() -> Vec<(String, String)> {
    let page = include_str!("../../docs/querying.md");
    let mut found = Vec::new();
    let mut heading = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = title.to_string();
        } else if line == "```sql" {
            let sql: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push((heading.clone(), sql.join("\n")));
        }
    }
    found
}

#[test]
fn every_question_of_the_page_has_an_answer() {
    let lab = lab_with_a_past();
    let questions = questions();
    assert_eq!(questions.len(), 10);
    for (heading, sql) in questions {
        let rows = lab.query(&sql);
        assert!(!rows.is_empty(), "no answer to {heading}");
        let columns = rows[0].as_object().unwrap();
        for (name, _) in columns {
            // An answer that is empty in all rows is a wrong path in the SQL; only a reason or a last attempt may lack.
            let filled = rows.iter().any(|row| !row[name].is_null());
            let may_lack = ["reason", "difference", "reported", "spread", "git_commit", "git_dirty"];
            assert!(
                filled || may_lack.contains(&name.as_str()),
                "{name} is never there in {heading}: {rows:?}"
            );
        }
    }
}

#[test]
fn the_answers_are_right() {
    let lab = lab_with_a_past();
    let answer = |number: usize| lab.query(&questions()[number - 1].1);
    let overview = answer(1);
    let of = |experiment: &str| overview.iter().find(|row| row["experiment"] == experiment).unwrap().clone();
    assert_eq!((&of("sweep")["done"], &of("broken")["failed"]), (&5.into(), &1.into()));
    let hidden: Vec<String> = answer(3).iter().map(|row| row["hidden"].to_string()).collect();
    assert!(hidden.len() == 2 && hidden.contains(&"2".to_string()), "{hidden:?}");
    assert_eq!(answer(4)[0]["status"], "failed");
    assert_eq!(answer(6).len(), 2, "two epochs");
    assert_eq!(answer(7).len(), 2, "two trials with two seeds");
    assert_eq!(answer(9)[0]["verdict"], "reproduced");
}

#[test]
fn the_sqlite3_shell_opens_the_store() {
    if Command::new("sqlite3").arg("--version").output().is_err() {
        #[expect(
            clippy::print_stderr,
            reason = "who runs the tests must know that this one proves nothing here"
        )]
        {
            eprintln!("SKIPPED the_sqlite3_shell_opens_the_store: there is no sqlite3 on this machine");
        }
        return;
    }
    let lab = lab_with_a_past();
    let store = lab.results().join("burstlab.db");
    let shell = |sql: &str| {
        let output = Command::new("sqlite3").arg("-json").arg(&store).arg(sql).output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    for (heading, sql) in questions() {
        let theirs: Vec<Value> = serde_json::from_str(&shell(&sql)).unwrap();
        let ours = lab.query(&sql);
        assert_eq!(theirs.len(), ours.len(), "{heading}");
    }
    assert!(shell("pragma integrity_check").contains("ok"));
    assert!(shell("pragma foreign_key_check").is_empty());
}

#[test]
fn columns_of_one_name_are_told_apart_in_json() {
    let lab = lab_with_a_past();
    let rows = lab.query("select 1 as a, 2 as a, 3 as a_2, 4 as a");
    let expected = serde_json::json!([{ "a": 1, "a_3": 2, "a_2": 3, "a_4": 4 }]);
    assert_eq!(Value::Array(rows), expected);
}

#[test]
fn json_keeps_the_order_of_the_columns() {
    let lab = lab_with_a_past();
    let sql = "select 1 as z, null as a, 'x' as m, 2.5 as b union all select 3, 4, null, 5";
    let outcome = lab.call(&["query", sql, "--format", "json"]);
    assert_eq!(
        outcome.stdout,
        "[{\"z\":1,\"a\":null,\"m\":\"x\",\"b\":2.5},{\"z\":3,\"a\":4,\"m\":null,\"b\":5}]\n"
    );
    assert_eq!(lab.call(&["query", "select 1 as a where 0", "--format", "json"]).stdout, "[]\n");
}

#[test]
fn an_error_of_sql_is_told_once() {
    let lab = lab_with_a_past();
    for (sql, told) in [
        ("select nosuch from runs", "no such column: nosuch"),
        ("select * from nowhere", "no such table: nowhere"),
        ("selct 1", "near \"selct\": syntax error"),
    ] {
        let outcome = lab.call(&["query", sql]);
        assert_eq!(outcome.code, 1);
        assert_eq!(outcome.stderr.matches(told).count(), 1, "{}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    }
}

#[test]
fn statements_that_write_or_reach_elsewhere_are_refused() {
    let lab = lab_with_a_past();
    let elsewhere = lab.folder.path().join("elsewhere.db");
    for sql in [
        "insert into events (at, kind, detail) values ('', '', '')",
        &format!("attach '{}' as x", elsewhere.display()),
        "pragma query_only = off",
        "pragma journal_mode = delete",
        "vacuum",
        "select 1; select 2",
        "",
        "-- nothing",
    ] {
        let outcome = lab.call(&["query", sql]);
        assert_eq!(outcome.code, 2, "{sql}: {}", outcome.stderr);
    }
    assert!(!elsewhere.exists());
    assert!(lab.call(&["query", "select 1; select 2"]).stderr.contains("one at a time"));
    assert_eq!(lab.query("pragma table_info(metrics)").len(), 6);
    assert_eq!(lab.query("select 'a;b' as x;").len(), 1);
}

#[test]
fn exported_tables_hold_every_run_with_parameters_and_metrics() {
    let lab = lab_with_a_past();
    let path = lab.folder.path().join("runs.parquet");
    let outcome = lab.call(&["export", "sweep", "--output", path.to_str().unwrap()]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let bytes = std::fs::read(&path).unwrap();
    let table = ParquetFile::new("export.parquet", &bytes).unwrap();
    let hidden = table.series("params.model.hidden").unwrap();
    assert_eq!((hidden.len(), hidden.dtype(), hidden.null_count()), (5, &DataType::Int64, 1));
    let mean =
        lab.scalar("select avg(value) from metrics where part = 'test' and target = 'all' and name = 'mse'");
    let exported = table.series("test.mse.all.scaled").unwrap().mean().unwrap();
    assert!((exported - mean.as_f64().unwrap()).abs() < 1e-12);
    let csv = lab.call(&["export"]);
    assert_eq!(csv.stdout.lines().count(), 7, "both experiments and a header");
    assert!(csv.stdout.starts_with("run_id,experiment,model,seed,fold,status,"), "{}", csv.stdout);
    assert_eq!(lab.call(&["export", "sweep", "--output", "runs.xlsx"]).code, 2);
}
