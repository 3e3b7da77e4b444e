//! The profiles of a numeric table's columns: over time, by hour, by weekday, and their autocorrelation.

use serde::Serialize;

use super::trace::SeriesTrace;
use super::traffic::{Deviations, bin_of};

/// Columns that are profiled; a table may have thousands.
pub const MOST_PROFILES: usize = 8;
/// Most parts of a profile over time.
const MOST_PARTS: usize = 200;
/// Most lags of an autocorrelation: enough for a week of quarters of an hour.
const MOST_LAGS: usize = 720;
const FEWEST_LAGS: usize = 48;
/// Most products of an autocorrelation; with more rows there are fewer lags.
const MOST_PRODUCTS: usize = 200_000_000;
const HOUR_S: f64 = 3_600.0;
const DAY_S: f64 = 86_400.0;

/// The profile of one column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnProfile {
    /// Name of the column.
    pub name: String,
    /// Its values in up to 200 equally long parts of the table; for plots, and left out of JSON.
    #[serde(skip)]
    pub over_time: Vec<ProfileBin>,
    /// Autocorrelation at lags of 1, 2, ... rows: over a little more than a week where that is at most 720 rows, otherwise over
    /// a day, and never over more than half of the table.
    pub autocorrelation: Vec<f64>,
    /// Its values by hour of the day; empty for a table that is shorter than two days.
    pub by_hour: Vec<ProfileBin>,
    /// Its values by day of the week, from the first midnight's day on (a Monday where the date is known); empty for a table
    /// that is shorter than two weeks.
    pub by_weekday: Vec<ProfileBin>,
}

/// The values in one part, hour or day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ProfileBin {
    /// Number of values; if it is 0, all else is 0.
    pub rows: usize,
    /// Mean.
    pub mean: f64,
    /// Standard deviation (divided by n).
    pub std: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

impl ColumnProfile {
    /// The profiles of the first columns of a table.
    pub(super) fn of_each(trace: &SeriesTrace, step_s: f64) -> Vec<Self> {
        let span_s = trace.time_s.last().copied().unwrap_or(0.0);
        let rows = trace.time_s.len();
        let parts = MOST_PARTS.min(rows);
        let part = |row: usize| {
            let part = (trace.time_s[row] / span_s * parts as f64) as usize;
            part.min(parts.saturating_sub(1))
        };
        let cycle = |bins: usize, period_s: f64| {
            move |row: usize| bin_of(trace.clock_s + trace.time_s[row], period_s, bins)
        };
        let lags = lags(rows, step_s);
        let columns = trace.names.iter().zip(&trace.columns).take(MOST_PROFILES);
        let profile = |(name, values): (&String, &Vec<f64>)| Self {
            name: name.clone(),
            over_time: bins(values, parts, part),
            autocorrelation: Deviations::of(values).autocorrelations(lags),
            by_hour: if span_s >= 2.0 * DAY_S { bins(values, 24, cycle(24, HOUR_S)) } else { Vec::new() },
            by_weekday: if span_s >= 14.0 * DAY_S { bins(values, 7, cycle(7, DAY_S)) } else { Vec::new() },
        };
        columns.map(profile).collect()
    }
}

/// Number of lags of an autocorrelation.
fn lags(rows: usize, step_s: f64) -> usize {
    // A little beyond the period, so that both sides of its peak are visible.
    let reach = |period_s: f64| (period_s * 1.05 / step_s).round();
    let wanted = [7.0 * DAY_S, DAY_S].map(reach).into_iter().find(|lags| *lags <= MOST_LAGS as f64);
    let wanted = wanted.map_or(0, |lags| lags as usize).max(FEWEST_LAGS);
    wanted.min(rows / 2).min(MOST_PRODUCTS / rows.max(1))
}

/// The values of a column by the bin that each row belongs to.
fn bins(values: &[f64], count: usize, bin_of_row: impl Fn(usize) -> usize) -> Vec<ProfileBin> {
    let mut bins = vec![ProfileBin::default(); count];
    for (row, &value) in values.iter().enumerate() {
        let bin = &mut bins[bin_of_row(row)];
        // Welford's running mean and sum of squares.
        bin.rows += 1;
        let from_mean = value - bin.mean;
        bin.mean += from_mean / bin.rows as f64;
        bin.std += from_mean * (value - bin.mean);
        bin.min = if bin.rows == 1 { value } else { bin.min.min(value) };
        bin.max = if bin.rows == 1 { value } else { bin.max.max(value) };
    }
    for bin in &mut bins {
        bin.std = (bin.std / bin.rows.max(1) as f64).sqrt();
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hourly rows from a Wednesday, six in the morning, before 2018 on: the hour of the day, and a constant.
    fn table(rows: usize) -> SeriesTrace {
        let hour = |row: usize| ((row + 6) % 24) as f64;
        SeriesTrace {
            time_s: (0..rows).map(|row| row as f64 * HOUR_S).collect(),
            names: vec!["hour".to_string(), "constant".to_string()],
            columns: vec![(0..rows).map(hour).collect(), vec![7.0; rows]],
            clock_s: -5.0 * DAY_S + 6.0 * HOUR_S,
            ..SeriesTrace::default()
        }
    }

    #[test]
    fn a_profile_knows_the_clock_and_a_period_is_found() {
        let profiles = ColumnProfile::of_each(&table(24 * 21), HOUR_S);
        let hour = &profiles[0];
        assert_eq!(hour.by_hour[6], ProfileBin { rows: 21, mean: 6.0, std: 0.0, min: 6.0, max: 6.0 });
        assert_eq!(hour.by_weekday.iter().map(|day| day.rows).sum::<usize>(), 24 * 21);
        assert_eq!(hour.by_weekday[2].rows, 18 + 24 + 24 + 6);
        assert_eq!(hour.autocorrelation.len(), 176);
        assert!(hour.autocorrelation[23] > 0.9 && hour.autocorrelation[11] < 0.0);
        assert_eq!(hour.over_time.iter().map(|part| part.rows).sum::<usize>(), 24 * 21);
        assert!(profiles[1].autocorrelation.iter().all(|value| *value == 0.0), "a constant repeats nothing");
    }

    #[test]
    fn a_short_table_has_no_profile_and_half_as_many_lags_as_rows() {
        let profile = &ColumnProfile::of_each(&table(20), HOUR_S)[0];
        assert!(profile.by_hour.is_empty() && profile.by_weekday.is_empty());
        assert_eq!((profile.autocorrelation.len(), profile.over_time.len()), (10, 20));
        assert_eq!(ColumnProfile::of_each(&table(1), f64::NAN)[0].autocorrelation, Vec::<f64>::new());
        let wide = SeriesTrace {
            names: (0..20).map(|name| name.to_string()).collect(),
            columns: vec![vec![1.0; 9]; 20],
            ..table(9)
        };
        assert_eq!(ColumnProfile::of_each(&wide, HOUR_S).len(), MOST_PROFILES);
    }

    #[test]
    fn lags_reach_over_a_week_or_a_day_or_a_few_rows() {
        assert_eq!(lags(100_000, 900.0), 706);
        assert_eq!(lags(100_000, 300.0), 302);
        assert_eq!(lags(100_000, 1.0), 48);
        assert_eq!(lags(100_000, DAY_S), 48);
        assert_eq!(lags(10_000_000, 900.0), 20);
    }
}
