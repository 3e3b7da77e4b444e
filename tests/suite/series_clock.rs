//! The clock of a series, from the file to the forecast: how far apart its rows are, and what becomes of those that are not.

use std::fmt::Write as _;
use std::path::PathBuf;

use burstlab::dataset::{Frequency, RowReader, SeriesTrace, Trace, parse_trace, parse_trace_as, slice};
use burstlab::predict::Predictor;
use burstlab::spec::{ColumnsSpec, DatasetSpec};
use proptest::prelude::*;
use serde_json::Value;

use crate::common::{Lab, Outcome};

/// Hours from the first of July 2016, with a slope and a day.
fn hourly(rows: std::ops::Range<usize>) -> Vec<String> {
    rows.map(|hour| {
        let value = 0.01 * hour as f64 + 5.0 * (hour as f64 / 24.0 * std::f64::consts::TAU).sin();
        format!("2016-07-{:02} {:02}:00:00,{value}", 1 + hour / 24, hour % 24)
    })
    .collect()
}

/// The first of each month from January 1960 on.
fn monthly(rows: usize) -> Vec<String> {
    (0..rows).map(|month| format!("{}-{:02}-01,{}", 1960 + month / 12, 1 + month % 12, month % 12)).collect()
}

fn table(rows: &[String]) -> String {
    format!("date,load\n{}\n", rows.join("\n"))
}

const MODELS: &str = "[[models]]\n[models.prophet]\n[[models]]\n[models.mean]\n[[models]]\n[models.linear]\nsolver = \"least_squares\"\n";

/// Writes a table and an experiment on it.
fn experiment(lab: &Lab, name: &str, text: &str, dataset: &str, rest: &str) -> PathBuf {
    lab.file(&format!("{name}.csv"), text);
    let toml = format!("name = \"{name}\"\n[dataset]\nsource = \"{name}.csv\"\n{dataset}{rest}");
    lab.file(&format!("{name}.toml"), &toml)
}

const SERIES: &str = "[task.series]\nlookback = 12\nhorizon = 2\n";

fn predicted(lab: &Lab, experiment: &str, trace: &str, steps: usize) -> (Value, Outcome) {
    let steps = steps.to_string();
    let run = lab.scalar(&format!(
        "select run_id from runs where params->>'$.model.kind' = 'prophet' and experiment = '{experiment}'"
    ));
    let arguments =
        ["predict", "--run", run.as_str().unwrap(), "--trace", trace, "--steps", &steps, "--format", "json"];
    let outcome = lab.call(&arguments);
    (serde_json::from_str(&outcome.stdout).unwrap_or_default(), outcome)
}

fn times(forecast: &Value) -> Vec<f64> {
    forecast["steps"].as_array().unwrap().iter().map(|step| step["start_s"].as_f64().unwrap()).collect()
}

#[test]
fn a_missing_row_before_the_end_changes_no_forecast_time_and_is_said() {
    let lab = Lab::new();
    let rows = hourly(0..600);
    lab.run(&experiment(&lab, "hours", &table(&rows), "", &format!("{SERIES}{MODELS}")), &[]);
    let mut gap = rows.clone();
    gap.remove(598);
    lab.file("gap.csv", &table(&gap));
    let (whole, _) = predicted(&lab, "hours", "hours.csv", 12);
    let (forecast, outcome) = predicted(&lab, "hours", "gap.csv", 12);
    assert_eq!(times(&forecast).last(), Some(&((599.0 + 12.0) * 3_600.0)));
    let values = |forecast: &Value| -> Vec<Value> {
        forecast["steps"].as_array().unwrap().iter().map(|step| step["load"].clone()).collect()
    };
    assert_eq!(values(&forecast), values(&whole), "prophet reads nothing but the time");
    assert!(
        outcome.stderr.contains("gap.csv: rows every hour; 1 gap with 1 row missing, before row 599"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_run_that_recorded_no_clock_finds_it_in_the_whole_trace_that_it_is_asked_about() {
    let lab = Lab::new();
    let rows = hourly(0..600);
    lab.run(&experiment(&lab, "hours", &table(&rows), "", &format!("{SERIES}{MODELS}")), &[]);
    let mut gap = rows.clone();
    gap.remove(598);
    lab.file("gap.csv", &table(&gap));
    let (recorded, _) = predicted(&lab, "hours", "gap.csv", 12);
    for run in std::fs::read_dir(lab.results().join("runs")).unwrap() {
        let path = run.unwrap().path().join("run.toml");
        let mut run: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        assert!(run.remove("clock").is_some());
        std::fs::write(&path, run.to_string()).unwrap();
    }
    assert_eq!(predicted(&lab, "hours", "gap.csv", 12).0, recorded);
}

#[test]
fn a_repeated_row_at_the_end_changes_no_forecast_time_and_is_said() {
    let lab = Lab::new();
    let rows = hourly(0..600);
    lab.run(&experiment(&lab, "hours", &table(&rows), "", &format!("{SERIES}{MODELS}")), &[]);
    let mut repeated = rows.clone();
    repeated.push(rows[599].clone());
    lab.file("repeated.csv", &table(&repeated));
    let (forecast, outcome) = predicted(&lab, "hours", "repeated.csv", 3);
    assert_eq!(times(&forecast), [600.0, 601.0, 602.0].map(|hour| hour * 3_600.0));
    assert!(
        outcome.stderr.contains("1 row repeats the time of the row before: row 601"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn the_month_after_december_is_january_and_months_end_on_their_last_day() {
    let lab = Lab::new();
    let rows = monthly(144);
    assert!(rows[143].starts_with("1971-12-01"));
    let text = table(&rows);
    lab.run(&experiment(&lab, "months", &text, "", &format!("{SERIES}{MODELS}")), &[]);
    let (forecast, outcome) = predicted(&lab, "months", "months.csv", 14);
    assert_eq!(outcome.stderr, "");
    let seconds_of = |text: &str| {
        let Trace::Series(series) = parse_trace("x.csv", table(&[format!("{text},1")]).as_bytes()).unwrap()
        else {
            panic!("a series")
        };
        series.clock_s
    };
    let after = |date: &str| seconds_of(date) - seconds_of("1960-01-01");
    let expected: Vec<f64> =
        (0..14).map(|month| after(&format!("{}-{:02}-01", 1972 + month / 12, 1 + month % 12))).collect();
    assert_eq!(times(&forecast), expected);
    assert_eq!(expected[0] - forecast["last_s"].as_f64().unwrap(), 31.0 * 86_400.0, "1 January 1972");
    let ends: Vec<String> = [
        "01-31", "02-28", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31", "09-30", "10-31", "11-30",
        "12-31",
    ]
    .iter()
    .flat_map(|end| (2010..2022).map(move |year| format!("{year}-{end}")))
    .collect();
    let mut ends: Vec<String> = ends
        .into_iter()
        .map(|date| {
            date.replace("2012-02-28", "2012-02-29")
                .replace("2016-02-28", "2016-02-29")
                .replace("2020-02-28", "2020-02-29")
        })
        .collect();
    ends.sort();
    let rows: Vec<String> =
        ends.iter().enumerate().map(|(row, date)| format!("{date},{}", row % 12)).collect();
    lab.run(&experiment(&lab, "ends", &table(&rows), "", &format!("{SERIES}{MODELS}")), &[]);
    let (forecast, _) = predicted(&lab, "ends", "ends.csv", 3);
    let after = |date: &str| seconds_of(date) - seconds_of("2010-01-31");
    assert_eq!(times(&forecast), ["2022-01-31", "2022-02-28", "2022-03-31"].map(after));
}

#[test]
fn irregular_rows_are_refused_where_a_clock_is_needed_and_said_otherwise() {
    let lab = Lab::new();
    let mut rows = hourly(0..300);
    rows.remove(250);
    rows.insert(100, rows[99].clone());
    let refused = |name: &str, dataset: &str, models: &str| {
        let file = experiment(&lab, name, &table(&rows), dataset, &format!("{SERIES}{models}"));
        let outcome = lab.call(&["run", file.to_str().unwrap()]);
        (outcome.code, outcome.stderr)
    };
    let (code, stderr) = refused("asked", "", MODELS);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("row 101 has the time of the row before it, but rows come every hour, and this prophet needs rows at regular times"), "{stderr}");
    assert!(stderr.contains("[models.prophet]") && stderr.contains("gaps = \"interpolate\""), "{stderr}");
    let (code, stderr) = refused("said", "", "[[models]]\n[models.mean]\n");
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stderr.contains("said: rows every hour; 1 gap with 1 row missing, before row 252; 1 row repeats"),
        "{stderr}"
    );
    let (code, stderr) = refused(
        "strict",
        "[dataset.cleaning]\ngaps = \"refuse\"\nrepeats = \"mean\"\n",
        "[[models]]\n[models.mean]\n",
    );
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("row 252 comes 2h after the row before it, but rows come every hour"),
        "{stderr}"
    );
    assert!(stderr.contains("gaps = \"refuse\""), "{stderr}");
    let (code, stderr) = refused("kept", "[dataset.cleaning]\ngaps = \"keep\"\nrepeats = \"last\"\n", MODELS);
    assert_eq!(code, 0, "{stderr}");
    let (code, stderr) =
        refused("filled", "[dataset.cleaning]\ngaps = \"interpolate\"\nrepeats = \"first\"\n", MODELS);
    assert_eq!(code, 0, "{stderr}");
    let report = std::fs::read_to_string(lab.results().join("filled/report.md")).unwrap();
    assert!(report.contains("rows every hour; 1 gap with 1 row missing"), "{report}");
    assert!(
        report.contains("1 row filled in on straight lines") && report.contains("the first of a time stays"),
        "{report}"
    );
    let filled = lab.query("select run_id from experiment_runs where experiment = 'filled'");
    let run = lab.results().join("runs").join(filled[0]["run_id"].as_str().unwrap()).join("run.toml");
    let run: toml::Table = std::fs::read_to_string(run).unwrap().parse().unwrap();
    assert_eq!(run["steps"].as_integer(), Some(300));
    assert_eq!(
        (run["removed"]["filled"].as_integer(), run["removed"]["merged"].as_integer()),
        (Some(1), Some(1))
    );
    assert_eq!(run["clock"]["frequency"]["seconds"].as_float(), Some(3_600.0));
}

#[test]
fn rows_at_random_have_no_forecast_times_unless_they_are_kept_as_they_are() {
    let lab = Lab::new();
    let rows: Vec<String> = (0..200_usize)
        .map(|row| {
            let second = row * 60 + row * row * 7_919 % 59;
            format!("2016-07-01 {:02}:{:02}:{:02},{}", second / 3_600, second / 60 % 60, second % 60, row % 7)
        })
        .collect();
    let mean = "[[models]]\n[models.mean]\n";
    let outcome = lab.run(&experiment(&lab, "random", &table(&rows), "", &format!("{SERIES}{mean}")), &[]);
    assert!(outcome.stderr.contains("random: rows at no fixed distance"), "{}", outcome.stderr);
    let predict = |name: &str| {
        lab.call(&[
            "predict",
            "--experiment",
            name,
            "--trace",
            "random.csv",
            "--format",
            "json",
            "--steps",
            "2",
        ])
    };
    let outcome = predict("random");
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.contains("at no fixed distance: row ") && outcome.stderr.contains("gaps = \"keep\""),
        "{}",
        outcome.stderr
    );
    let keep = "[dataset.cleaning]\ngaps = \"keep\"\n";
    lab.run(&experiment(&lab, "kept", &table(&rows), keep, &format!("{SERIES}{mean}")), &[]);
    let outcome = predict("kept");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

#[test]
fn a_watched_series_is_filled_in_and_merged_as_the_whole_file_is() {
    let lab = Lab::new();
    let rows = hourly(0..300);
    let mut faulty = hourly(0..80);
    faulty.drain(40..43);
    faulty.insert(30, faulty[29].replace(',', ",1"));
    faulty.insert(30, faulty[29].replace(',', ",2"));
    faulty.insert(55, faulty[54].replace(":00:00", ":20:00"));
    for (gaps, repeats) in [("interpolate", "mean"), ("last", "last"), ("keep", "first")] {
        let cleaning = format!("[dataset.cleaning]\ngaps = \"{gaps}\"\nrepeats = \"{repeats}\"\n");
        lab.run(&experiment(&lab, gaps, &table(&rows), &cleaning, &format!("{SERIES}{MODELS}")), &[]);
        let predictor = Predictor::load_from(&lab.results(), gaps).unwrap();
        for model in predictor.models() {
            let mut reader = RowReader::new("x.csv", b"date,load", None).unwrap();
            let mut watch = model.watch(3);
            let mut compared = 0;
            for (index, line) in faulty.iter().enumerate() {
                let row = reader.read(line, index + 2).unwrap().unwrap();
                watch.push(row, &mut |_| Ok(())).unwrap();
                let whole = parse_trace("x.csv", table(&faulty[..=index]).as_bytes()).unwrap();
                let whole = model.forecast(&whole, 3);
                let Some(mut own) = watch.forecast() else {
                    assert!(whole.is_err(), "{gaps}, row {index}");
                    continue;
                };
                let mut whole = whole.unwrap();
                for forecast in [&mut own, &mut whole] {
                    forecast.steps.iter_mut().skip(2).for_each(|step| step.bounds.clear());
                }
                assert_eq!(own, whole, "{gaps}, row {index}");
                compared += 1;
            }
            assert!(compared > 60, "{compared}");
        }
    }
}

#[test]
fn a_file_of_other_rows_than_those_of_the_training_is_refused() {
    let lab = Lab::new();
    lab.run(&experiment(&lab, "hours", &table(&hourly(0..300)), "", &format!("{SERIES}{MODELS}")), &[]);
    lab.file("months.csv", &table(&monthly(40)));
    let (_, outcome) = predicted(&lab, "hours", "months.csv", 1);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.contains(
            "trained on rows every hour, but the trace has rows every month, on day 1 of the month"
        ),
        "{}",
        outcome.stderr
    );
}

fn series(text: &str, columns: &str) -> SeriesTrace {
    let columns: ColumnsSpec = toml::from_str(columns).unwrap();
    match parse_trace_as("x.csv", text.as_bytes(), Some(&columns)).unwrap() {
        Trace::Series(series) => series,
        Trace::Requests(_) => panic!("a series"),
    }
}

#[test]
fn times_since_1970_in_any_unit_are_those_of_the_dates_that_they_say() {
    let dates = table(&hourly(0..50));
    let dated = series(&dates, "");
    for (unit, ticks) in [("s", 1_i64), ("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000)] {
        let mut text = String::from("at,load\n");
        for (row, value) in dated.columns[0].iter().enumerate() {
            writeln!(text, "{},{value}", (1_467_331_200 + row as i64 * 3_600) * ticks).unwrap();
        }
        let found = series(&text, &format!("timestamp = \"at\"\ntimestamp_unit = \"{unit}\""));
        assert_eq!(found, dated, "{unit}");
        let named = series(&text.replace("at,", "timestamp,"), &format!("timestamp_unit = \"{unit}\""));
        assert_eq!(named, dated, "{unit}");
    }
    let old = series("date,x\n-86400,1\n0,2\n86400,3\n", "timestamp_unit = \"s\"");
    assert_eq!((old.clock.frequency, old.clock_s), (Some(Frequency::Days(1)), -17_533.0 * 86_400.0));
    let error = parse_trace("x.csv", b"date,x\n1467331200000,1\n").unwrap_err().to_string();
    assert!(
        error.contains("if it counts from 1970, set timestamp_unit = \"ms\" in [dataset.columns]"),
        "{error}"
    );
    let columns: ColumnsSpec = toml::from_str("timestamp_unit = \"s\"").unwrap();
    let error =
        parse_trace_as("x.csv", b"date,x\n1467331200000,1\n", Some(&columns)).unwrap_err().to_string();
    assert!(
        error.contains("lies before 1900 or after 2199 as a time since 1970; check timestamp_unit"),
        "{error}"
    );
}

#[test]
fn hours_of_berlin_are_hours_whatever_its_clocks_do() {
    let local = |day: &str, hours: &[usize]| -> String {
        let rows = hours.iter().enumerate().map(|(row, hour)| format!("{day} {hour:02}:00,{row}\n"));
        format!("date,x\n{}", rows.collect::<String>())
    };
    let zone = "time_zone = \"Europe/Berlin\"";
    let spring = series(&local("2024-03-31", &[0, 1, 3, 4, 5]), zone);
    assert!(spring.clock.is_regular(), "{}", spring.clock);
    assert_eq!(spring.time_s, [0.0, 1.0, 2.0, 3.0, 4.0].map(|hour| hour * 3_600.0));
    let autumn_text = local("2024-10-27", &[0, 1, 2, 2, 3, 4]);
    let autumn = series(&autumn_text, zone);
    assert!(autumn.clock.is_regular(), "{}", autumn.clock);
    assert_eq!(autumn.clock.frequency, Some(Frequency::Seconds(3_600.0)));
    let columns: ColumnsSpec = toml::from_str(zone).unwrap();
    let mut reader = RowReader::new("x.csv", b"date,x", Some(&columns)).unwrap();
    for (row, line) in autumn_text.lines().skip(1).enumerate() {
        match reader.read(line, row + 2).unwrap() {
            Some(burstlab::dataset::Row::Reading { time_s, .. }) => assert_eq!(time_s, autumn.time_s[row]),
            other => panic!("{other:?}"),
        }
    }
    let error = |text: &str, columns: &str| {
        let columns: ColumnsSpec = toml::from_str(columns).unwrap();
        parse_trace_as("x.csv", text.as_bytes(), Some(&columns)).unwrap_err().to_string()
    };
    let never = error(&local("2024-03-31", &[1, 2, 3]), zone);
    assert!(
        never.contains("x.csv:3") && never.contains("clocks of Europe/Berlin were set forward over"),
        "{never}"
    );
    let unknown = error(&local("2024-03-31", &[1]), "time_zone = \"Berlin\"");
    assert!(unknown.contains("the time zone `Berlin` is not known on this machine"), "{unknown}");
    let days: String = (28..32)
        .map(|day| format!("2024-03-{day},1\n"))
        .chain((1..4).map(|day| format!("2024-04-{day:02},1\n")))
        .collect();
    let days = series(&format!("date,x\n{days}"), zone);
    assert_eq!(days.clock.frequency, Some(Frequency::Days(1)));
    assert!(days.clock.is_regular() && days.time_s[4] - days.time_s[3] == 82_800.0, "{:?}", days.time_s);
}

#[test]
fn rows_without_a_time_are_counted() {
    let lab = Lab::new();
    let mut text = String::from("load,temperature\n");
    for row in 0..200 {
        writeln!(text, "{},{}", row % 7, row % 5).unwrap();
    }
    let file = experiment(
        &lab,
        "counted",
        &text,
        "[dataset.columns]\ntimestamp_unit = \"none\"\n",
        &format!("{SERIES}{MODELS}"),
    );
    lab.run(&file, &[]);
    let (forecast, outcome) = predicted(&lab, "counted", "counted.csv", 3);
    assert_eq!(outcome.stderr, "");
    assert_eq!(times(&forecast), [200.0, 201.0, 202.0]);
    let watched = lab
        .command(&["predict", "--experiment", "counted", "--trace", "-", "--watch", "--steps", "3"])
        .stdin(std::fs::File::open(lab.folder.path().join("counted.csv")).unwrap())
        .output()
        .unwrap();
    let watched = String::from_utf8(watched.stdout).unwrap();
    let last: Value = serde_json::from_str(watched.lines().last().unwrap()).unwrap();
    assert_eq!(times(&last), [200.0, 201.0, 202.0]);
    let outcome = lab.call(&["dataset", "inspect", "counted.csv", "--column", "timestamp_unit=none"]);
    assert!(outcome.stdout.contains("200 rows without a time"), "{}", outcome.stdout);
    let outcome = lab.call(&["dataset", "inspect", "counted.csv"]);
    assert!(outcome.code != 0 && outcome.stderr.contains("timestamp_unit = \"none\""), "{}", outcome.stderr);
}

#[test]
fn inspect_says_how_far_apart_rows_are_and_which_are_not() {
    let lab = Lab::new();
    let mut rows = hourly(0..100);
    rows.drain(50..52);
    rows.insert(20, rows[19].clone());
    lab.file("hours.csv", &table(&rows));
    let outcome = lab.call(&["dataset", "inspect", "hours.csv"]);
    for line in [
        "frequency  rows every hour",
        "gaps       1 gap with 2 rows missing, before row 52",
        "repeats    1 row repeats the time of the row before: row 21",
        "irregular  none",
    ] {
        assert!(outcome.stdout.contains(line), "{line}: {}", outcome.stdout);
    }
    let outcome = lab.call(&["dataset", "inspect", "hours.csv", "--format", "json"]);
    let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(json["clock"]["frequency"]["seconds"], 3_600.0);
    assert_eq!(json["clock"]["gaps"]["first"][0]["row"], 52);
}

#[test]
fn a_season_as_a_length_of_time_is_the_run_with_as_many_rows() {
    let lab = Lab::new();
    let naive = |season: &str| format!("{SERIES}[[models]]\n[models.seasonal_naive]\nseason = {season}\n");
    let ids = |name: &str, text: &str, dataset: &str, season: &str| {
        lab.run(&experiment(&lab, name, text, dataset, &naive(season)), &[]);
        lab.query(&format!("select run_id from experiment_runs where experiment = '{name}'"))
    };
    let hours = table(&hourly(0..400));
    assert_eq!(ids("day", &hours, "", "\"1d\""), ids("steps", &hours, "", "24"));
    let months = table(&monthly(144));
    assert_eq!(ids("year", &months, "", "\"1y\""), ids("twelve", &months, "", "12"));
    let refused = |name: &str, rows: &[String], season: &str| {
        let file = experiment(&lab, name, &table(rows), "", &naive(season));
        let outcome = lab.call(&["run", file.to_str().unwrap()]);
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        outcome.stderr
    };
    let between = refused("between", &hourly(0..400), "\"90min\"");
    assert!(
        between.contains("1h 30m is not a whole number of rows: the table has rows every hour"),
        "{between}"
    );
    let mut gap = hourly(0..400);
    gap.remove(200);
    let gap = refused("gap", &gap, "\"1d\"");
    assert!(gap.contains("row 201 comes 2h after the row before it") && gap.contains("gaps = "), "{gap}");
}

proptest! {
    #[test]
    fn cleaning_restores_the_clock_whatever_is_missing_or_repeated(
        missing in prop::collection::btree_set(2_usize..58, 0..8),
        repeated in prop::collection::btree_map(0_usize..60, 1_usize..4, 0..8),
        in_months in any::<bool>(),
    ) {
        let rows = if in_months { monthly(60) } else { hourly(0..60) };
        let whole = series(&table(&rows), "");
        let mut faulty = Vec::new();
        for (row, text) in rows.iter().enumerate().filter(|(row, _)| !missing.contains(row)) {
            faulty.extend(std::iter::repeat_n(text.clone(), 1 + repeated.get(&row).copied().unwrap_or(0)));
        }
        let found = series(&table(&faulty), "");
        prop_assert_eq!(found.clock.frequency, whole.clock.frequency);
        prop_assert_eq!(found.clock.missing, missing.len());
        prop_assert_eq!(found.clock.repeats.count + rows.len() - missing.len(), faulty.len());
        prop_assert_eq!(found.clock.irregular.count, 0);
        let spec: DatasetSpec = toml::from_str("source = \"x\"\ncleaning = { gaps = \"last\", repeats = \"first\" }").unwrap();
        let found = Trace::Series(found);
        let (cleaned, removed) = slice(&found, &spec).unwrap();
        let Trace::Series(cleaned) = &*cleaned else { panic!("a series") };
        prop_assert_eq!(&cleaned.time_s, &whole.time_s);
        prop_assert_eq!(removed.filled, missing.len());
    }
}
