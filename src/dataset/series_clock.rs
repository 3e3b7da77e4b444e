//! The clock of a series: how far apart its rows are meant to be, and which rows are not.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::frequency::{Frequency, clock_ns};
use super::zone::Zone;
use crate::spec::{CleaningSpec, GapPolicy, Span};
use crate::text::{counted, grouped};

/// How far apart the rows of a series are meant to be, and which rows are not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SeriesClock {
    /// What most rows keep; none where they keep nothing.
    #[serde(default)]
    pub frequency: Option<Frequency>,
    /// Median of the seconds between one row and the next.
    pub usual_s: f64,
    /// Rows that are missing.
    pub missing: usize,
    /// Rows before which others are missing.
    pub gaps: FaultyRows,
    /// Rows at the time of the row before.
    pub repeats: FaultyRows,
    /// Rows that are not a whole number of steps after the row before.
    pub irregular: FaultyRows,
}

/// Rows with one fault.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultyRows {
    /// How many they are.
    pub count: usize,
    /// The first of them.
    pub first: Vec<FaultyRow>,
}

/// A row with a fault.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FaultyRow {
    /// Which row of the file it is, counted from 1 below the header.
    pub row: usize,
    /// Seconds since the row before it.
    pub after_s: f64,
}

/// Rows of each fault that are kept by number.
const FIRST: usize = 5;

impl FaultyRows {
    fn add(&mut self, row: usize, after_s: f64) {
        self.count += 1;
        if self.first.len() < FIRST {
            self.first.push(FaultyRow { row, after_s });
        }
    }

    fn numbers(&self) -> String {
        let rows: Vec<String> = self.first.iter().map(|faulty| grouped(faulty.row as u64)).collect();
        let more = if self.count > rows.len() { ", ..." } else { "" };
        format!("{} {}{more}", if self.count == 1 { "row" } else { "rows" }, rows.join(", "))
    }
}

impl SeriesClock {
    /// The clock of rows at these seconds after the first of them, which is at `clock_s` of the clock.
    pub fn of(time_s: &[f64], clock_s: f64, zone: Zone) -> Self {
        let times_ns: Vec<i64> = time_s.iter().map(|&time_s| clock_ns(clock_s, time_s)).collect();
        Self::against(Frequency::of(&times_ns, zone), time_s, (clock_s, 0), zone)
    }

    /// The clock of rows that carry no time.
    pub fn counted() -> Self {
        Self { frequency: Some(Frequency::Rows), usual_s: 1.0, ..Self::default() }
    }

    /// The same rows held against a frequency that is known. The first of them is at `clock_s`, and `before` rows of the file
    /// precede it.
    pub fn against(
        frequency: Option<Frequency>,
        time_s: &[f64],
        (clock_s, before): (f64, usize),
        zone: Zone,
    ) -> Self {
        let mut steps: Vec<f64> = time_s.windows(2).map(|pair| pair[1] - pair[0]).collect();
        steps.sort_by(f64::total_cmp);
        let usual_s = steps.get(steps.len() / 2).copied().unwrap_or(0.0);
        let mut clock = Self { frequency, usual_s, ..Self::default() };
        let at = |row: usize| clock_ns(clock_s, time_s[row]);
        // The last row that is where it should be.
        let mut anchor = 0;
        for row in 1..time_s.len() {
            let (number, after_s) = (before + row + 1, time_s[row] - time_s[row - 1]);
            if after_s == 0.0 {
                clock.repeats.add(number, after_s);
                continue;
            }
            let Some(frequency) = frequency else {
                if after_s != usual_s {
                    clock.irregular.add(number, after_s);
                }
                continue;
            };
            let after = |earlier: usize| frequency.steps_between(at(earlier), at(row), zone);
            // Rows that go on regularly from one that stands between two steps have a new beginning there.
            match after(anchor).or_else(|| after(row - 1).filter(|steps| *steps == 1)) {
                Some(1) => anchor = row,
                Some(steps) => {
                    // A row in between that is irregular does not stand for one that is missing.
                    clock.missing += steps as usize - 1;
                    clock.gaps.add(number, after_s);
                    anchor = row;
                }
                None => clock.irregular.add(number, after_s),
            }
        }
        clock
    }

    /// What the times of later rows follow: the frequency, or with `gaps = "keep"` the usual distance of rows that have none.
    pub fn pace(&self, cleaning: &CleaningSpec) -> Option<Frequency> {
        let usual = || {
            let keeps = cleaning.gaps == Some(GapPolicy::Keep) && self.usual_s > 0.0;
            keeps.then_some(Frequency::Seconds(self.usual_s))
        };
        self.frequency.or_else(usual)
    }

    /// Whether every row is one step after the row before it.
    pub fn is_regular(&self) -> bool {
        self.frequency.is_some() && self.gaps.count + self.repeats.count + self.irregular.count == 0
    }

    /// The first fault that cleaning leaves, in one sentence.
    pub fn first_fault(&self, cleaning: &CleaningSpec) -> Option<String> {
        let fills = matches!(cleaning.gaps, Some(GapPolicy::Interpolate | GapPolicy::Last));
        let keeps = cleaning.gaps == Some(GapPolicy::Keep);
        let gap = self.gaps.first.first().filter(|_| !fills && !keeps);
        let irregular = self.irregular.first.first().filter(|_| !keeps);
        let repeat = self.repeats.first.first().filter(|_| cleaning.repeats.is_none());
        let first = [gap, irregular, repeat].into_iter().flatten().min_by_key(|faulty| faulty.row)?;
        Some(self.fault_at(*first))
    }

    /// What is wrong with a row.
    pub fn fault_at(&self, FaultyRow { row, after_s }: FaultyRow) -> String {
        let row = grouped(row as u64);
        let usual = match self.frequency {
            Some(frequency) => format!("rows come {frequency}"),
            None => format!("the median distance is {}", span(self.usual_s)),
        };
        if after_s == 0.0 {
            return format!("row {row} has the time of the row before it, but {usual}");
        }
        format!("row {row} comes {} after the row before it, but {usual}", span(after_s))
    }

    /// The gaps in a few words; `None` where there is none.
    pub fn gaps_text(&self) -> Option<String> {
        (self.gaps.count > 0).then(|| {
            format!(
                "{} with {} missing, before {}",
                counted(self.gaps.count, "gap"),
                counted(self.missing, "row"),
                self.gaps.numbers()
            )
        })
    }

    /// The repeats in a few words; `None` where there is none.
    pub fn repeats_text(&self) -> Option<String> {
        (self.repeats.count > 0).then(|| {
            let noun = if self.repeats.count == 1 { "repeats" } else { "repeat" };
            format!(
                "{} {noun} the time of the row before: {}",
                counted(self.repeats.count, "row"),
                self.repeats.numbers()
            )
        })
    }

    /// The irregular rows in a few words; `None` where there is none.
    pub fn irregular_text(&self) -> Option<String> {
        (self.irregular.count > 0).then(|| {
            let noun = if self.irregular.count == 1 { "stands" } else { "stand" };
            format!(
                "{} {noun} between two steps: {}",
                counted(self.irregular.count, "row"),
                self.irregular.numbers()
            )
        })
    }
}

impl fmt::Display for SeriesClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.frequency {
            Some(frequency) => write!(formatter, "rows {frequency}")?,
            None => write!(formatter, "rows at no fixed distance, {} in the median", span(self.usual_s))?,
        }
        let faults = [
            self.gaps_text(),
            self.repeats_text(),
            self.irregular_text().filter(|_| self.frequency.is_some()),
        ];
        faults.into_iter().flatten().try_for_each(|fault| write!(formatter, "; {fault}"))
    }
}

/// A length of time for people.
pub fn span(seconds: f64) -> String {
    Duration::try_from_secs_f64((seconds * 1e6).round() / 1e6)
        .map_or_else(|_| "-".to_string(), |time| Span(time).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: f64 = 3_600.0;

    fn hours(hours: &[f64]) -> SeriesClock {
        let time_s: Vec<f64> = hours.iter().map(|hour| hour * HOUR).collect();
        SeriesClock::of(&time_s, 0.0, Zone::default())
    }

    fn rows(faulty: &FaultyRows) -> Vec<usize> {
        faulty.first.iter().map(|faulty| faulty.row).collect()
    }

    #[test]
    fn gaps_repeats_and_irregular_rows_are_told_by_their_numbers() {
        let clock = hours(&[0.0, 1.0, 2.0, 2.0, 3.0, 6.0, 7.0, 7.5, 8.0, 9.0, 10.0]);
        assert_eq!(clock.frequency, Some(Frequency::Seconds(HOUR)));
        assert_eq!(
            (rows(&clock.repeats), rows(&clock.gaps), rows(&clock.irregular)),
            (vec![4], vec![6], vec![8])
        );
        assert_eq!(clock.missing, 2);
        assert_eq!(
            clock.to_string(),
            "rows every hour; 1 gap with 2 rows missing, before row 6; 1 row repeats the time of the row before: row 4; \
             1 row stands between two steps: row 8"
        );
        let none = CleaningSpec::default();
        let fault = "row 4 has the time of the row before it, but rows come every hour";
        assert_eq!(clock.first_fault(&none).as_deref(), Some(fault));
        assert!(!clock.is_regular() && hours(&[0.0, 1.0, 2.0]).is_regular());
    }

    #[test]
    fn rows_that_go_on_from_a_new_beginning_are_irregular_once() {
        let clock = hours(&[0.0, 1.0, 2.0, 3.25, 4.25, 5.25, 6.25]);
        assert_eq!(rows(&clock.irregular), [4]);
        assert_eq!(clock.gaps.count, 0);
    }

    #[test]
    fn rows_at_random_have_no_frequency_and_a_usual_distance() {
        let clock = hours(&[0.0, 0.3, 1.0, 2.7, 3.1]);
        assert_eq!(clock.frequency, None);
        assert!(!clock.is_regular() && clock.irregular.count > 0);
        assert_eq!(clock.pace(&CleaningSpec::default()), None);
        let keep = CleaningSpec { gaps: Some(GapPolicy::Keep), ..CleaningSpec::default() };
        assert_eq!(clock.pace(&keep), Some(Frequency::Seconds(clock.usual_s)));
    }
}
