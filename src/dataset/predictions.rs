//! `predictions.parquet`: the forecasts of a run on validation and test beside the observed values, in original units.

use std::ops::Range;
use std::path::Path;

use anyhow::Context;
use polars_core::prelude::{Column, DataFrame, NamedFrom, Series};

use super::parquet::{ParquetFile, write_parquet};
use super::prepared::Prepared;
use super::scale::ChannelScale;
use super::split::Part;
use crate::capacity::WORK;
use crate::stats::QUANTILES;

/// At most this many values of each kind are kept for a part: a plot or a test needs no more, and a sweep with a long
/// horizon would fill the disk.
const MOST_VALUES: usize = 500_000;

/// Forecasts are kept to a millionth of the target's standard deviation, and to less than that.
const FORECAST_BITS: i32 = 20;
/// Quantiles are kept to a ten-thousandth of it.
const QUANTILE_BITS: i32 = 14;

/// Forecasts of one run, one row for each window and step ahead.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PredictionTable {
    /// Every how many windows one is kept.
    pub stride: usize,
    /// The part of each row: `valid`, `calibration` or `test`.
    pub part: Vec<String>,
    /// Time of the forecast step, in seconds since the trace's first row.
    pub time_s: Vec<f64>,
    /// Steps ahead of the last known one, from 1.
    pub ahead: Vec<u32>,
    /// Names of the targets.
    pub targets: Vec<String>,
    /// The observed values of each target, in original units.
    pub actual: Vec<Vec<f64>>,
    /// The forecasts of each target, in original units.
    pub forecast: Vec<Vec<f64>>,
    /// The same in scaled units, as the model gave them; empty in files of versions that did not keep them.
    pub scaled_forecast: Vec<Vec<f32>>,
    /// For each target the calibrated quantiles at the levels of [`QUANTILES`], in original units; NaN outside the test
    /// part, and empty where the run has no intervals. Of the work that a service plans for, the calibration part has
    /// quantiles too: those that its plans are chosen by.
    pub quantiles: Vec<Vec<Vec<f64>>>,
}

impl PredictionTable {
    /// Collects the forecasts of some parts: each with the origins of its windows and its scaled forecasts,
    /// `windows x horizon x targets`.
    pub fn collect(prepared: &Prepared, horizon: usize, parts: &[(Part, Range<usize>, Vec<f32>)]) -> Self {
        let channels = prepared.steps.target_channels();
        let targets = channels.len();
        let longest = parts.iter().map(|(_, origins, _)| origins.len()).max().unwrap_or(0);
        let mut table = Self {
            stride: (longest * horizon * targets).div_ceil(MOST_VALUES).max(1),
            targets: channels.iter().map(|channel| channel.name.clone()).collect(),
            actual: vec![Vec::new(); targets],
            forecast: vec![Vec::new(); targets],
            scaled_forecast: vec![Vec::new(); targets],
            ..Self::default()
        };
        for (part, origins, forecast) in parts {
            for (window, origin) in origins.clone().enumerate().step_by(table.stride) {
                for ahead in 0..horizon {
                    let step = origin + ahead;
                    table.part.push(part.as_str().to_string());
                    table.time_s.push(prepared.steps.time_s[step]);
                    table.ahead.push(ahead as u32 + 1);
                    for target in 0..targets {
                        let scaled = forecast[(window * horizon + ahead) * targets + target];
                        let original = prepared.scaler.channels[target].unscale(f64::from(scaled));
                        table.forecast[target].push(original);
                        table.scaled_forecast[target].push(scaled);
                        table.actual[target]
                            .push(prepared.steps.values[step * prepared.steps.channels.len() + target]);
                    }
                }
            }
        }
        table
    }

    /// Forecast minus observed value of a row in scaled units, exact where the file kept what the model gave.
    pub fn scaled_error(&self, scale: &ChannelScale, target: usize, row: usize) -> f64 {
        self.in_scaled_units(scale, target, row) - scale.scale(self.actual[target][row])
    }

    /// Forecast minus observed value of a row in original units, as exact as [`PredictionTable::scaled_error`].
    pub fn error(&self, scale: &ChannelScale, target: usize, row: usize) -> f64 {
        scale.error(self.in_scaled_units(scale, target, row), self.actual[target][row])
    }

    fn in_scaled_units(&self, scale: &ChannelScale, target: usize, row: usize) -> f64 {
        match self.scaled_forecast.get(target) {
            Some(forecasts) => f64::from(forecasts[row]),
            None => scale.scale(self.forecast[target][row]),
        }
    }

    /// The rows of the test part.
    pub fn test_rows(&self) -> impl Iterator<Item = usize> {
        self.rows_of(Part::Test)
    }

    /// The rows of a part.
    pub fn rows_of(&self, part: Part) -> impl Iterator<Item = usize> {
        (0..self.part.len()).filter(move |&row| self.part[row] == part.as_str())
    }

    /// The rows of the test part that are one step ahead.
    pub fn test_rows_one_ahead(&self) -> impl Iterator<Item = usize> {
        self.test_rows().filter(|&row| self.ahead[row] == 1)
    }

    /// Adds the quantiles of one target, in original units for each test window and step ahead; targets come in order.
    pub fn add_bounds(&mut self, target: usize, horizon: usize, bounds: &[[f64; QUANTILES.len()]]) {
        let first = self.part.iter().position(|part| part == Part::Test.as_str()).unwrap_or(self.part.len());
        let mut columns = vec![vec![f64::NAN; first]; QUANTILES.len()];
        for window in bounds.chunks_exact(horizon).step_by(self.stride) {
            for bounds in window {
                for (column, &bound) in columns.iter_mut().zip(bounds) {
                    column.push(bound);
                }
            }
        }
        debug_assert_eq!(self.quantiles.len(), target, "targets come in order");
        self.quantiles.push(columns);
    }
}

impl PredictionTable {
    /// Adds quantiles of a part to those of a target that has its own on the test part already.
    pub fn add_bounds_of(
        &mut self,
        part: Part,
        target: usize,
        horizon: usize,
        bounds: &[[f64; QUANTILES.len()]],
    ) {
        let rows: Vec<usize> = self.rows_of(part).collect();
        let Some(columns) = self.quantiles.get_mut(target) else { return };
        let kept = bounds.chunks_exact(horizon).step_by(self.stride).flatten();
        for (row, bounds) in rows.into_iter().zip(kept) {
            for (column, &bound) in columns.iter_mut().zip(bounds) {
                column[row] = bound;
            }
        }
    }
}

/// The bytes of a Parquet file.
///
/// # Errors
/// Columns that polars refuses, which would be a mistake in this program.
pub fn write_predictions(table: &PredictionTable) -> anyhow::Result<Vec<u8>> {
    let mut columns = vec![
        column("part", &table.part),
        Column::from(Series::new("time_s".into(), &table.time_s)),
        Column::from(Series::new("ahead".into(), &table.ahead)),
    ];
    for (index, target) in table.targets.iter().enumerate() {
        let deviation = deviation(&table.actual[index]);
        columns.push(numbers(&format!("{target}_actual"), &table.actual[index]));
        let forecast = rounded(&table.forecast[index], deviation, FORECAST_BITS);
        columns.push(numbers(&format!("{target}_forecast"), &forecast));
        if let Some(scaled) = table.scaled_forecast.get(index) {
            columns.push(Column::from(Series::new(scaled_column(target).into(), scaled)));
        }
        for (level, values) in QUANTILES.iter().zip(table.quantiles.get(index).into_iter().flatten()) {
            // Replays of the file must give what is recorded.
            let is_exact = target == WORK;
            let values = if is_exact { values.clone() } else { rounded(values, deviation, QUANTILE_BITS) };
            columns.push(numbers(&quantile_column(target, *level), &values));
        }
    }
    let mut frame =
        DataFrame::new_infer_height(columns).context("the predictions have columns of unequal length")?;
    write_parquet(&mut frame).context("the predictions cannot be written as Parquet")
}

/// Standard deviation of the observed values.
fn deviation(values: &[f64]) -> f64 {
    let known: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    let count = known.len() as f64;
    let mean = known.iter().sum::<f64>() / count;
    (known.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}

/// Values rounded to a power of two that is at most `2^-bits` of the deviation. The digits below say nothing: forecasts come
/// from single precision, and quantiles from a few thousand windows. Left in, they are most of the file.
fn rounded(values: &[f64], deviation: f64, bits: i32) -> Vec<f64> {
    let quantum = (deviation.log2().floor() - f64::from(bits)).exp2();
    if !(quantum.is_normal() && (1.0 / quantum).is_normal()) {
        return values.to_vec();
    }
    let exact = (2.0_f64).powi(f64::MANTISSA_DIGITS as i32 - 1);
    let round = |value: f64| {
        let steps = value / quantum;
        if steps.abs() < exact { steps.round() * quantum } else { value }
    };
    values.iter().copied().map(round).collect()
}

/// `gap_s_q025` for the quantile at 0.025: its level in thousandths.
fn quantile_column(target: &str, level: f64) -> String {
    format!("{target}_q{:03.0}", level * 1_000.0)
}

fn scaled_column(target: &str) -> String {
    format!("{target}_forecast_scaled")
}

/// Double precision, since a target may lie millions of its deviations from zero. What there is none of is null.
fn numbers(name: &str, values: &[f64]) -> Column {
    let values: Vec<Option<f64>> = values.iter().map(|&value| (!value.is_nan()).then_some(value)).collect();
    Column::from(Series::new(name.into(), values))
}

fn column(name: &str, values: &[String]) -> Column {
    Column::from(Series::new(name.into(), values))
}

/// Reads `predictions.parquet`.
///
/// # Errors
/// A file that is missing or damaged.
pub fn read_predictions(path: &Path) -> anyhow::Result<PredictionTable> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot open {}", path.display()))?;
    let damaged = || format!("{} is not a table of predictions", path.display());
    let name = path.display().to_string();
    let file = ParquetFile::new(&name, &bytes).with_context(damaged)?;
    // Earlier versions kept single precision.
    let numbers = |name: &str| file.numbers(name).with_context(damaged);
    let part = file.series("part").with_context(damaged)?;
    let ahead = file.series("ahead").with_context(damaged)?;
    let targets = file.columns.iter().filter_map(|name| name.strip_suffix("_actual").map(str::to_string));
    let targets: Vec<String> = targets.collect();
    let has_quantiles =
        targets.first().is_some_and(|target| file.columns.contains(&quantile_column(target, QUANTILES[0])));
    let quantiles = targets.iter().filter(|_| has_quantiles).map(|target| {
        QUANTILES.iter().map(|level| numbers(&quantile_column(target, *level))).collect::<anyhow::Result<_>>()
    });
    let of_each = |suffix: &str| -> anyhow::Result<Vec<Vec<f64>>> {
        targets.iter().map(|name| numbers(&format!("{name}{suffix}"))).collect()
    };
    let kept_scaled = targets.iter().filter(|target| file.columns.contains(&scaled_column(target)));
    let scaled_forecast = kept_scaled.map(|target| {
        let series = file.series(&scaled_column(target)).with_context(damaged)?;
        let values = series.f32().with_context(damaged)?;
        Ok(values.iter().map(|value| value.unwrap_or(f32::NAN)).collect())
    });
    Ok(PredictionTable {
        stride: 1,
        scaled_forecast: scaled_forecast.collect::<anyhow::Result<_>>()?,
        quantiles: quantiles.collect::<anyhow::Result<_>>()?,
        part: part
            .str()
            .with_context(damaged)?
            .iter()
            .map(|text| text.unwrap_or_default().to_string())
            .collect(),
        time_s: numbers("time_s")?,
        ahead: ahead.u32().with_context(damaged)?.iter().map(|value| value.unwrap_or(0)).collect(),
        actual: of_each("_actual")?,
        forecast: of_each("_forecast")?,
        targets,
    })
}

#[cfg(test)]
mod tests {
    proptest::proptest! {
        #[test]
        fn rounding_keeps_a_value_to_its_share_of_the_deviation(
            value in -1e9_f64..1e9, deviation in 1e-9_f64..1e9, bits in 10_i32..24,
        ) {
            let kept = rounded(&[value], deviation, bits)[0];
            proptest::prop_assert!((kept - value).abs() <= deviation * 2.0_f64.powi(-bits));
            proptest::prop_assert_eq!(rounded(&[kept], deviation, bits)[0], kept);
        }
    }

    #[test]
    fn values_without_a_deviation_are_kept_as_they_are() {
        for deviation in [0.0, f64::NAN, f64::INFINITY, 1e-320] {
            assert_eq!(rounded(&[0.1, -3.7e300], deviation, 14), [0.1, -3.7e300]);
        }
        assert!(rounded(&[f64::NAN], 1.0, 14)[0].is_nan());
    }

    use super::*;
    use crate::dataset::{Channel, Transform};

    fn table() -> PredictionTable {
        PredictionTable {
            stride: 1,
            part: vec!["valid".to_string(), "test".to_string()],
            time_s: vec![0.0, 1.0],
            ahead: vec![1, 1],
            targets: vec!["x".to_string()],
            actual: vec![vec![1e8 + 0.25, 1e8 + 0.5]],
            forecast: vec![vec![1e8, 1e8 + 1.0]],
            scaled_forecast: vec![vec![-1.0, 1.0]],
            quantiles: vec![vec![vec![f64::NAN, 1e8 + 0.125]; QUANTILES.len()]],
        }
    }

    fn read(bytes: &[u8]) -> PredictionTable {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read_predictions(file.path()).unwrap()
    }

    #[test]
    fn what_is_kept_loses_no_digit() {
        let (kept, again) = (table(), read(&write_predictions(&table()).unwrap()));
        assert_eq!((again.actual, again.forecast), (kept.actual, kept.forecast));
        assert_eq!(again.scaled_forecast, kept.scaled_forecast);
        assert!(again.quantiles[0][6][0].is_nan() && again.quantiles[0][6][1] == 1e8 + 0.125);
    }

    #[test]
    fn a_column_that_holds_no_numbers_is_named() {
        let texts = ["1".to_string(), "2".to_string()];
        let columns = [column("part", &table().part), column("time_s", &texts)];
        let ahead = Column::from(Series::new("ahead".into(), &table().ahead));
        let mut frame = DataFrame::new_infer_height([columns.to_vec(), vec![ahead]].concat()).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), write_parquet(&mut frame).unwrap()).unwrap();
        let error = format!("{:#}", read_predictions(file.path()).unwrap_err());
        let path = file.path().display();
        let place = format!(r#"{path}: column "time_s": numbers are expected, not values of type str"#);
        assert_eq!(error, format!("{path} is not a table of predictions: {place}"));
    }

    #[test]
    fn files_in_single_precision_are_still_read() {
        let single = |name: &str, values: [f32; 2]| Column::from(Series::new(name.into(), values));
        let mut frame = DataFrame::new_infer_height(vec![
            column("part", &table().part),
            Column::from(Series::new("time_s".into(), &table().time_s)),
            Column::from(Series::new("ahead".into(), &table().ahead)),
            single("x_actual", [1.0, 2.0]),
            single("x_forecast", [1.5, 2.5]),
        ])
        .unwrap();
        let old = read(&write_parquet(&mut frame).unwrap());
        assert_eq!((&old.actual[0], &old.forecast[0]), (&vec![1.0, 2.0], &vec![1.5, 2.5]));
        assert!(old.scaled_forecast.is_empty() && old.quantiles.is_empty());
        let channel = Channel { name: "x".to_string(), unit: String::new(), transform: Transform::Identity };
        let scale = ChannelScale::new(channel, 0.0, 0.25);
        assert_eq!((old.scaled_error(&scale, 0, 1), old.error(&scale, 0, 1)), (2.0, 0.5));
    }
}
