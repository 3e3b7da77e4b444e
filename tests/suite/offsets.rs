//! A series that is moved or measured in another unit is the same series: its statistics do not change.

use std::collections::BTreeMap;
use std::fmt::Write;

use proptest::prelude::*;
use serde_json::Value;

use crate::common::Lab;

/// Models whose forecasts move with the series. `zero` is not among them: it stays where it is.
const MODELS: &str = "[[models]]\n[models.persistence]\n[[models]]\n[models.mean]\n[[models]]\n[models.moving_average]\n\
    window = 4\n[[models]]\n[models.ewma]\n[[models]]\n[models.linear]\nsolver = \"least_squares\"\n[[models]]\n\
    [models.dlinear]\nkernel = 5\nsolver = \"least_squares\"\n[[models]]\n[models.kalman]\n";

const ROWS: usize = 2_000;

/// Noise that follows itself a little, and a wave, in sixteenths: they are not rounded beside an offset of 1e8.
fn series(seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut level = 0.0_f64;
    let mut step = |row: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = ((state >> 40) as f64 / f64::from(1_u32 << 24) - 0.5) * 32.0;
        level = 0.6 * level + noise;
        let wave = 12.0 * (row as f64 / 24.0 * std::f64::consts::TAU).sin();
        ((level + wave) * 16.0).round() / 16.0
    };
    (0..ROWS).map(&mut step).collect()
}

/// What a run and a comparison of it say: p-values, errors and coverages, by name.
struct Statistics {
    /// Those that neither offset nor unit may change.
    fixed: BTreeMap<String, f64>,
    /// Those in the unit of the series.
    in_unit: BTreeMap<String, f64>,
}

fn statistics(values: &[f64]) -> Statistics {
    let lab = Lab::new();
    let mut text = String::from("date,value\n");
    for (row, value) in values.iter().enumerate() {
        let (day, hour) = (row / 24, row % 24);
        writeln!(text, "2020-{:02}-{:02} {hour:02}:00:00,{value:?}", 1 + day / 28, 1 + day % 28).unwrap();
    }
    let path = lab.file("series.csv", &text);
    let file = lab.file(
        "moved.toml",
        &format!(
            "name = \"moved\"\n[dataset]\nsource = \"{}\"\n[task.series]\nlookback = 24\nhorizon = 2\n{MODELS}",
            path.display()
        ),
    );
    lab.run(&file, &[]);
    let mut fixed = BTreeMap::new();
    let boards: Value =
        serde_json::from_str(&lab.call(&["compare", "moved", "--format", "json"]).stdout).unwrap();
    for row in boards[0]["models"].as_array().unwrap() {
        for key in ["p_value", "p_value_against_best", "skill", "test", "valid"] {
            if let Some(value) = row[key].as_f64() {
                fixed.insert(format!("{} {key}", row["model"]), value);
            }
        }
    }
    let mut in_unit = BTreeMap::new();
    // Errors relative to the size of the values are larger beside an offset, as they should be.
    let metrics = lab.query(
        "select model, part, target, unit, name, value from runs join metrics using (run_id) \
         where name not in ('smape', 'wape')",
    );
    assert_eq!(lab.query("select run_id from runs").len(), 7);
    for row in metrics {
        let name = row["name"].as_str().unwrap();
        let key = format!("{} {} {} {} {name}", row["model"], row["part"], row["target"], row["unit"]);
        let has_unit = row["unit"] == "original"
            && (["mae", "medae", "rmse", "bias", "pinball", "crps"].contains(&name)
                || name.starts_with("width")
                || name.starts_with("winkler"));
        let value = row["value"].as_f64().unwrap();
        match name {
            "mse" if row["unit"] == "original" => in_unit.insert(key, value.sqrt()),
            _ if has_unit => in_unit.insert(key, value),
            _ => fixed.insert(key, value),
        };
    }
    let breakdowns = lab.query(
        "select model, bucket, unit, b.name as name, value from runs join breakdowns b using (run_id)",
    );
    for row in breakdowns {
        let key = format!("{} {} {} {}", row["model"], row["bucket"], row["unit"], row["name"]);
        let fixed_name = row["unit"] == "scaled" || row["name"] == "coverage_80";
        let value = row["value"].as_f64().unwrap();
        if fixed_name {
            fixed.insert(key, value)
        } else {
            in_unit.insert(key, value)
        };
    }
    Statistics { fixed, in_unit }
}

/// Compares every statistic with that of the same series elsewhere, to 1e-9 of the largest error that could be meant.
fn assert_same(own: &Statistics, other: &Statistics, unit: f64) {
    assert!(own.fixed.keys().any(|key| key.contains("p_value")) && own.fixed.len() > 100);
    assert_eq!(own.fixed.keys().collect::<Vec<_>>(), other.fixed.keys().collect::<Vec<_>>());
    for (key, value) in &own.fixed {
        let moved = other.fixed[key];
        assert!((value - moved).abs() <= 1e-9 * (1.0 + value.abs()), "{key}: {value} became {moved}");
    }
    for (key, value) in &own.in_unit {
        let moved = other.in_unit[key] / unit;
        assert!((value - moved).abs() <= 1e-9 * (1.0 + value.abs()), "{key}: {value} became {moved}");
    }
}

#[test]
fn no_statistic_depends_on_the_offset_or_the_unit_of_a_series() {
    let values = series(7);
    let own = statistics(&values);
    let smallest = own.fixed.iter().filter(|(key, _)| key.contains("p_value")).map(|(_, value)| *value);
    assert!(smallest.fold(1.0, f64::min) < 0.01, "the models differ, so that a lost digit would be felt");
    for (offset, unit) in [(1e8, 1.0), (0.0, 1e-6), (0.0, 1e6), (0.0, 1e-30), (-1e8, 1e6)] {
        let moved: Vec<f64> = values.iter().map(|value| (value + offset) * unit).collect();
        assert_same(&own, &statistics(&moved), unit);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2, max_shrink_iters: 0, ..ProptestConfig::default() })]
    #[test]
    fn any_series_may_be_moved_and_measured_in_another_unit(
        seed in any::<u64>(), offset in -100_000_000_i32..100_000_000, exponent in -20_i32..=20,
    ) {
        let values = series(seed);
        // Any other unit rounds what stands beside a large offset, before any statistic is computed.
        let unit = 2.0_f64.powi(exponent);
        let moved: Vec<f64> = values.iter().map(|value| (value + f64::from(offset)) * unit).collect();
        assert_same(&statistics(&values), &statistics(&moved), unit);
    }
}
