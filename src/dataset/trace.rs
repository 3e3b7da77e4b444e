//! A trace as it was read: requests with their tokens, or the columns of a numeric table.

use std::fmt;

/// A trace of either kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Trace {
    /// One row is one request to an LLM.
    Requests(RequestTrace),
    /// One row is one reading of several quantities.
    Series(SeriesTrace),
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
    pub llm: Vec<String>,
    /// The kind of each request; empty where the trace does not say.
    pub log_type: Vec<String>,
    /// Clock time of the first request, in seconds since a midnight (a Monday's, where the date is known).
    pub clock_s: f64,
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
    pub fn select(&self, rows: &[usize]) -> Self {
        let pick = |values: &[f64]| rows.iter().map(|&row| values[row]).collect::<Vec<_>>();
        let pick_text = |values: &[String]| {
            if values.is_empty() {
                Vec::new()
            } else {
                rows.iter().map(|&row| values[row].clone()).collect()
            }
        };
        let first_s = rows.first().map_or(0.0, |&row| self.arrival_s[row]);
        Self {
            arrival_s: rows.iter().map(|&row| self.arrival_s[row] - first_s).collect(),
            request_tokens: pick(&self.request_tokens),
            response_tokens: pick(&self.response_tokens),
            llm: pick_text(&self.llm),
            log_type: pick_text(&self.log_type),
            clock_s: self.clock_s + first_s,
        }
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
