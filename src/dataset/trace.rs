//! A trace as it was read: requests with their tokens, or the columns of a numeric table.

use std::collections::HashMap;
use std::fmt;

use super::frequency::Frequency;
use super::series_clock::SeriesClock;
use super::zone::Zone;

/// A trace of either kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Trace {
    /// One row is one request to an LLM.
    Requests(RequestTrace),
    /// One row is one reading of several quantities.
    Series(SeriesTrace),
}

impl Trace {
    /// Seconds from the first row to each.
    pub(super) fn times(&self) -> &[f64] {
        match self {
            Trace::Requests(trace) => &trace.arrival_s,
            Trace::Series(trace) => &trace.time_s,
        }
    }
}

/// Requests in the order of their arrival.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RequestTrace {
    /// Seconds since the first request, never decreasing.
    pub arrival_s: Vec<f64>,
    /// Prompt tokens of each request.
    pub request_tokens: Vec<f64>,
    /// Generated tokens of each request; 0 means that it failed.
    pub response_tokens: Vec<f64>,
    /// The LLM of each request; empty where the trace does not say.
    pub llm: Labels,
    /// The kind of each request; empty where the trace does not say.
    pub log_type: Labels,
    /// Clock time of the first request, in seconds since a midnight (a Monday's, where the date is known).
    pub clock_s: f64,
    /// Whether the dates of the requests are known.
    pub is_dated: bool,
}

impl RequestTrace {
    /// Number of requests.
    pub fn len(&self) -> usize {
        self.arrival_s.len()
    }

    /// Whether there is no request.
    pub fn is_empty(&self) -> bool {
        self.arrival_s.is_empty()
    }

    /// The requests at these positions, with arrivals counted from the first of them.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        let pick = |values: &[f64]| rows.iter().map(|&row| values[row as usize]).collect::<Vec<_>>();
        let first_s = rows.first().map_or(0.0, |&row| self.arrival_s[row as usize]);
        let arrivals = || rows.iter().map(|&row| self.arrival_s[row as usize] - first_s).collect();
        let ((arrival_s, request_tokens), (response_tokens, (llm, log_type))) = rayon::join(
            || (arrivals(), pick(&self.request_tokens)),
            || (pick(&self.response_tokens), (self.llm.select(rows), self.log_type.select(rows))),
        );
        let clock_s = self.clock_s + first_s;
        let is_dated = self.is_dated;
        Self { arrival_s, request_tokens, response_tokens, llm, log_type, clock_s, is_dated }
    }
}

/// Names that are compared one by one: hashing costs more than a few of these.
const COMPARED: usize = 4;

/// A column of names of which few are distinct: each row holds a small code instead of a text.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    names: Vec<String>,
    codes: Vec<u32>,
    code_of: HashMap<String, u32>,
}

impl Labels {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// Makes room for more rows.
    pub fn reserve(&mut self, rows: usize) {
        self.codes.reserve(rows);
    }

    /// Appends a row.
    pub fn push(&mut self, name: &str) {
        // Most rows carry the name of the row before them.
        if let Some(&last) = self.codes.last()
            && self.names[last as usize] == name
        {
            self.codes.push(last);
            return;
        }
        let code = self.code(name).unwrap_or_else(|| {
            let code = self.names.len() as u32;
            self.names.push(name.to_string());
            self.code_of.insert(name.to_string(), code);
            code
        });
        self.codes.push(code);
    }

    /// The code of a name that was there before.
    fn code(&self, name: &str) -> Option<u32> {
        let early = self.names.iter().take(COMPARED).position(|known| known == name);
        match early {
            Some(code) => Some(code as u32),
            None if self.names.len() > COMPARED => self.code_of.get(name).copied(),
            None => None,
        }
    }

    /// Appends the rows of another column.
    pub fn extend(&mut self, other: &Self) {
        let known: Vec<Option<u32>> = other.names.iter().map(|name| self.code(name)).collect();
        for &code in &other.codes {
            match known[code as usize] {
                Some(own) => self.codes.push(own),
                None => self.push(&other.names[code as usize]),
            }
        }
    }

    /// The names of the rows.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.codes.iter().map(|&code| self.names[code as usize].as_str())
    }

    /// Whether a row carries the name of the row before it; so they do where there are no names.
    pub fn repeats(&self, row: usize) -> bool {
        self.codes.is_empty() || self.codes[row] == self.codes[row - 1]
    }

    /// For each row, whether it carries one of these names.
    pub fn carries(&self, wanted: &[String]) -> Vec<bool> {
        let of_code: Vec<bool> = self.names.iter().map(|name| wanted.contains(name)).collect();
        self.codes.iter().map(|&code| of_code[code as usize]).collect()
    }

    /// Each name that a row carries, in alphabetical order, with the number of its rows.
    pub fn counts(&self) -> Vec<(String, usize)> {
        let mut rows = vec![0; self.names.len()];
        for &code in &self.codes {
            rows[code as usize] += 1;
        }
        let mut counts: Vec<(String, usize)> = self.names.iter().cloned().zip(rows).collect();
        counts.retain(|(_, rows)| *rows > 0);
        counts.sort();
        counts
    }

    /// The rows at these positions; none where there are no rows at all.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        let rows = if self.is_empty() { &[] } else { rows };
        Self {
            codes: rows.iter().map(|&row| self.codes[row as usize]).collect(),
            names: self.names.clone(),
            code_of: self.code_of.clone(),
        }
    }
}

impl<'a> FromIterator<&'a str> for Labels {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut labels = Self::default();
        names.into_iter().for_each(|name| labels.push(name));
        labels
    }
}

/// Equal where the names of the rows are, whatever their codes.
impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// A numeric table in time order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeriesTrace {
    /// Seconds since the first row.
    pub time_s: Vec<f64>,
    /// Names of the columns.
    pub names: Vec<String>,
    /// One vector for each column.
    pub columns: Vec<Vec<f64>>,
    /// Clock time of the first row, in seconds since a midnight (a Monday's, where the date is known).
    pub clock_s: f64,
    /// Whether the dates of the rows are known.
    pub is_dated: bool,
    /// The time zone whose days and months the rows follow.
    pub zone: Zone,
    /// How far apart the rows are meant to be, found from the whole file, and which of these rows are not.
    pub clock: SeriesClock,
    /// Times of the file that are no row, since a column has no finite value there.
    pub incomplete: usize,
}

impl SeriesTrace {
    /// A table of rows at these seconds after the first, which is at `clock_s` of the clock.
    pub fn timed(
        (time_s, clock_s): (Vec<f64>, f64),
        (is_dated, zone): (bool, Zone),
        names: Vec<String>,
        columns: Vec<Vec<f64>>,
    ) -> Self {
        let clock = SeriesClock::of(&time_s, clock_s, zone);
        Self { time_s, names, columns, clock_s, is_dated, zone, clock, incomplete: 0 }
    }

    /// A table of rows that carry no time and are counted.
    pub fn counted(rows: usize, names: Vec<String>, columns: Vec<Vec<f64>>) -> Self {
        let time_s = (0..rows).map(|row| row as f64).collect();
        let clock = SeriesClock::counted();
        Self { time_s, names, columns, clock_s: 0.0, is_dated: false, zone: Zone::UTC, clock, incomplete: 0 }
    }

    /// The same rows held against a frequency that is known from elsewhere.
    #[must_use]
    pub fn paced(self, frequency: Frequency) -> Self {
        let clock = SeriesClock::against(Some(frequency), &self.time_s, (self.clock_s, 0), self.zone);
        Self { clock, ..self }
    }
}

/// What is wrong with a trace file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceError {
    /// The file.
    pub file: String,
    /// Line, counted from 1.
    pub line: Option<usize>,
    /// Name of the column.
    pub column: Option<String>,
    /// What is wrong and what to do about it.
    pub message: String,
}

impl fmt::Display for TraceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(formatter, ":{line}")?;
        }
        if let Some(column) = &self.column {
            write!(formatter, ": column \"{column}\"")?;
        }
        write!(formatter, ": {}", self.message)
    }
}

impl std::error::Error for TraceError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_equal_by_name_and_count_only_names_that_are_carried() {
        let labels: Labels = ["GPT-4", "ChatGPT", "GPT-4"].into_iter().collect();
        let picked = labels.select(&[1]);
        assert_eq!(picked, ["ChatGPT"].into_iter().collect());
        assert_eq!(picked.counts(), [("ChatGPT".to_string(), 1)]);
        assert_eq!(labels.counts(), [("ChatGPT".to_string(), 1), ("GPT-4".to_string(), 2)]);
        assert_eq!(labels.carries(&["GPT-4".to_string()]), [true, false, true]);
    }

    #[test]
    fn a_trace_without_labels_keeps_none_when_rows_are_selected() {
        assert!(Labels::default().select(&[0, 1]).is_empty());
    }
}
