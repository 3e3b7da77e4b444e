//! Cleans the rows of a series one after the other: rows that are missing are filled in, and those of one time become one.

use super::frequency::{Frequency, clock_ns};
use super::series_clock::{FaultyRow, SeriesClock};
use super::slice_error::SliceError;
use super::zone::Zone;
use crate::spec::{CleaningSpec, GapPolicy, RepeatPolicy};

/// More rows than this are not missing: some time is wrong, and its gap would fill the memory.
const MOST_FILLED: usize = 1_000_000;

/// Cleans rows as they come, so that a trace that grows gives the same rows as the whole file.
#[derive(Debug, Clone)]
pub struct RowCleaner {
    gaps: Option<GapPolicy>,
    repeats: Option<RepeatPolicy>,
    frequency: Option<Frequency>,
    zone: Zone,
    /// Clock time of the first row.
    clock_s: f64,
    /// Rows so far, with those of the file that precede them.
    row: usize,
    /// Time and values of the last row.
    last: Option<(f64, Vec<f64>)>,
    /// Rows that share the last time.
    shared: usize,
    /// Rows that were filled in.
    pub filled: usize,
    /// Rows that became one with the row before.
    pub merged: usize,
    /// The rows to be filled in before the one that was taken up.
    rows: Vec<(f64, Vec<f64>)>,
}

/// What a row does to those before it.
#[derive(Debug, Clone, PartialEq)]
pub enum RowEffect<'a> {
    /// These rows are added; the last of them is the row itself.
    Adds(&'a [(f64, Vec<f64>)]),
    /// The last row has these values instead.
    Replaces(&'a [f64]),
    /// Nothing: the row is left out.
    LeftOut,
}

impl RowCleaner {
    /// Cleans rows of this frequency, the first of which is at `clock_s`, after `before` rows of the file.
    pub fn new(
        cleaning: &CleaningSpec,
        frequency: Option<Frequency>,
        (clock_s, before): (f64, usize),
        zone: Zone,
    ) -> Self {
        Self {
            gaps: cleaning.gaps,
            repeats: cleaning.repeats,
            frequency,
            zone,
            clock_s,
            row: before,
            last: None,
            shared: 0,
            filled: 0,
            merged: 0,
            rows: Vec::new(),
        }
    }

    /// Sets the clock time of the first row.
    pub fn start(&mut self, clock_s: f64) {
        self.clock_s = clock_s;
    }

    /// Takes up a row, `time_s` after the first one.
    ///
    /// # Errors
    /// A row that the rules refuse, and more missing rows than a trace may have.
    pub fn push(&mut self, time_s: f64, values: &[f64]) -> Result<RowEffect<'_>, SliceError> {
        self.row += 1;
        self.rows.clear();
        let after_s = self.last.as_ref().map(|(last_s, _)| time_s - last_s);
        if after_s == Some(0.0)
            && let Some(policy) = self.repeats
        {
            return self.repeat(policy, values);
        }
        if after_s.is_some_and(|after_s| after_s > 0.0)
            && let (Some(policy), Some(frequency)) = (self.gaps, self.frequency)
        {
            self.fill(policy, frequency, (time_s, values))?;
        }
        self.shared = 1;
        self.last = Some((time_s, values.to_vec()));
        self.rows.push((time_s, values.to_vec()));
        Ok(RowEffect::Adds(&self.rows))
    }

    /// Makes one row of the last one and another at its time.
    fn repeat(&mut self, policy: RepeatPolicy, values: &[f64]) -> Result<RowEffect<'_>, SliceError> {
        if policy == RepeatPolicy::Refuse {
            return Err(refused("repeats", self.fault(0.0)));
        }
        self.shared += 1;
        self.merged += 1;
        let share = 1.0 / self.shared as f64;
        let Some((_, last)) = self.last.as_mut().filter(|_| policy != RepeatPolicy::First) else {
            return Ok(RowEffect::LeftOut);
        };
        if policy == RepeatPolicy::Mean {
            last.iter_mut()
                .zip(values)
                .for_each(|(mean, value)| *mean = *mean * (1.0 - share) + value * share);
        } else {
            last.copy_from_slice(values);
        }
        Ok(RowEffect::Replaces(last))
    }

    /// Fills in the rows that are missing between the last one and another.
    fn fill(
        &mut self,
        policy: GapPolicy,
        frequency: Frequency,
        (time_s, values): (f64, &[f64]),
    ) -> Result<(), SliceError> {
        let Some((last_s, last)) = &self.last else { return Ok(()) };
        let [from, to] = [*last_s, time_s].map(|time_s| clock_ns(self.clock_s, time_s));
        let steps = frequency.steps_between(from, to, self.zone);
        let missing = steps.unwrap_or(1) - 1;
        match policy {
            GapPolicy::Refuse if steps != Some(1) => {
                return Err(refused("gaps", self.fault(time_s - last_s)));
            }
            GapPolicy::Refuse | GapPolicy::Keep => return Ok(()),
            GapPolicy::Interpolate | GapPolicy::Last => {}
        }
        if missing as usize > MOST_FILLED.saturating_sub(self.filled) {
            return Err(too_many(&self.fault(time_s - last_s)));
        }
        for step in 1..=missing {
            let share = if policy == GapPolicy::Last { 0.0 } else { step as f64 / (missing + 1) as f64 };
            let between = last.iter().zip(values).map(|(last, value)| last * (1.0 - share) + value * share);
            let ns = frequency.after(from, step, self.zone).unwrap_or(to) - from;
            self.rows.push((last_s + ns as f64 / 1e9, between.collect()));
        }
        self.filled += missing as usize;
        Ok(())
    }

    fn fault(&self, after_s: f64) -> String {
        let clock = SeriesClock { frequency: self.frequency, ..SeriesClock::default() };
        clock.fault_at(FaultyRow { row: self.row, after_s })
    }
}

/// What is said where rows are not where they should be.
pub const REMEDY: &str = "fix the file, or let [dataset.cleaning] say what to do: gaps = \"interpolate\" or \"last\" fills in \
                          missing rows, gaps = \"keep\" takes the rows as they are, and repeats = \"first\", \"last\" or \
                          \"mean\" makes one row of those that share a time";

fn refused(key: &'static str, message: String) -> SliceError {
    let help = match key {
        "gaps" => {
            "give \"interpolate\" or \"last\" to fill in missing rows, or \"keep\" to take the rows as they are"
        }
        _ => "give \"first\", \"last\" or \"mean\" to make one row of those that share a time",
    };
    SliceError { key: vec!["cleaning", key], message, help: help.to_string() }
}

fn too_many(message: &str) -> SliceError {
    SliceError {
        key: vec!["cleaning", "gaps"],
        message: format!("{message}: more than {MOST_FILLED} rows would be filled in"),
        help: "check the time of this row, or give a slice without the gap".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(
        gaps: Option<GapPolicy>,
        repeats: Option<RepeatPolicy>,
        rows: &[(f64, f64)],
    ) -> Result<Vec<(f64, f64)>, SliceError> {
        let cleaning = CleaningSpec { gaps, repeats, ..CleaningSpec::default() };
        let mut cleaner =
            RowCleaner::new(&cleaning, Some(Frequency::Seconds(10.0)), (0.0, 0), Zone::default());
        let mut found: Vec<(f64, f64)> = Vec::new();
        for &(time_s, value) in rows {
            match cleaner.push(time_s, &[value])? {
                RowEffect::Adds(rows) => {
                    found.extend(rows.iter().map(|(time_s, values)| (*time_s, values[0])));
                }
                RowEffect::Replaces(values) => found.last_mut().unwrap().1 = values[0],
                RowEffect::LeftOut => {}
            }
        }
        Ok(found)
    }

    const ROWS: [(f64, f64); 5] = [(0.0, 1.0), (10.0, 2.0), (10.0, 5.0), (10.0, 8.0), (40.0, 11.0)];

    #[test]
    fn missing_rows_are_interpolated_or_take_the_last_value() {
        let rows = [(0.0, 1.0), (10.0, 2.0), (40.0, 11.0)];
        let filled = cleaned(Some(GapPolicy::Interpolate), None, &rows).unwrap();
        let expected = [(0.0, 1.0), (10.0, 2.0), (20.0, 5.0), (30.0, 8.0), (40.0, 11.0)];
        assert!(
            filled
                .iter()
                .zip(expected)
                .all(|(found, wanted)| found.0 == wanted.0 && (found.1 - wanted.1).abs() < 1e-12),
            "{filled:?}"
        );
        assert_eq!(filled.len(), expected.len());
        let held = cleaned(Some(GapPolicy::Last), None, &rows).unwrap();
        assert_eq!(held, [(0.0, 1.0), (10.0, 2.0), (20.0, 2.0), (30.0, 2.0), (40.0, 11.0)]);
        assert_eq!(cleaned(Some(GapPolicy::Keep), None, &rows).unwrap(), rows);
        let error = cleaned(Some(GapPolicy::Refuse), None, &rows).unwrap_err();
        assert_eq!(error.message, "row 3 comes 30s after the row before it, but rows come every 10 seconds");
    }

    #[test]
    fn rows_of_one_time_become_one() {
        let of = |policy| cleaned(None, Some(policy), &ROWS).unwrap()[1];
        assert_eq!(of(RepeatPolicy::First), (10.0, 2.0));
        assert_eq!(of(RepeatPolicy::Last), (10.0, 8.0));
        assert!((of(RepeatPolicy::Mean).1 - 5.0).abs() < 1e-12);
        assert_eq!(cleaned(None, None, &ROWS).unwrap(), ROWS);
        let error = cleaned(None, Some(RepeatPolicy::Refuse), &ROWS).unwrap_err();
        assert_eq!(error.message, "row 3 has the time of the row before it, but rows come every 10 seconds");
    }

    #[test]
    fn a_date_far_off_does_not_fill_the_memory() {
        let error = cleaned(Some(GapPolicy::Last), None, &[(0.0, 1.0), (10.0, 1.0), (5e9, 1.0)]).unwrap_err();
        assert!(error.message.contains("more than 1000000 rows would be filled in"), "{error:?}");
    }
}
