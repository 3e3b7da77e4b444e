//! A synthetic request trace that imitates the published statistics of `BurstGPT`; no row of it is real.
//!
//! It stands in for the trace where that is not at hand, in tests and demonstrations. Figures measured on it say
//! how the tool behaves, never how well a method forecasts real traffic.
//!
//! It imitates, near the published length of 1,429,737 rows: the six columns, the quiet first nine days and the
//! flood on the day after, the daily profile, API bursts between idle times, repeated whole-second timestamps,
//! long gaps, failures, and the token lengths of both streams with their correlation.
//!
//! It does not imitate: what no statistic was published of, such as how long API bursts last, how they differ in
//! their prompts, or how GPT-4 spreads over them (all three are guesses); the users behind the conversations; the
//! real order of the days after the flood; or the second and third published file.
//!
//! The published figures are those of Wang et al., `BurstGPT`, KDD 2025, and of their file `BurstGPT_1.csv`.

mod arrivals;
mod calendar;
#[cfg(test)]
mod calibration;
mod csv;
mod draws;
mod tokens;

use arrivals::{ApiArrivals, ConversationArrivals};
use calendar::Outages;
use draws::Draws;
use tokens::{ApiTokens, ConversationTokens};

pub use csv::write_csv;

/// Seed of the built-in trace.
pub const DEFAULT_SEED: u64 = 0;

/// What stands for the content hash of the built-in trace; the version is raised whenever its rows change.
pub const IDENTITY: &str = "synthetic-burstgpt version 1 seed 0";

/// The language model that a request addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Llm {
    /// `ChatGPT`, the published name of GPT-3.5.
    ChatGpt,
    /// GPT-4.
    Gpt4,
}

impl Llm {
    /// The name in the `Model` column.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatGpt => "ChatGPT",
            Self::Gpt4 => "GPT-4",
        }
    }
}

/// The stream that a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogType {
    /// A turn of a person's conversation.
    Conversation,
    /// A call by a program.
    Api,
}

impl LogType {
    /// The name in the `Log Type` column.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conversation => "Conversation log",
            Self::Api => "API log",
        }
    }
}

/// One request of the synthetic trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SyntheticRow {
    /// Seconds since midnight of the first day; never decreases from row to row.
    pub timestamp_s: u32,
    /// The model addressed.
    pub llm: Llm,
    /// Tokens of the request, at most 29,665; zero for nearly every failed request.
    pub request_tokens: u32,
    /// Tokens of the response, at most 7,315; zero for a failed request and for no other.
    pub response_tokens: u32,
    /// The stream of the request.
    pub log_type: LogType,
}

/// The rows of a synthetic trace, in time order and without end but for the number asked for.
///
/// The same seed gives the same rows on every platform, and a shorter trace is a prefix of a longer one. Timestamps
/// stop at `u32::MAX`, after some 136 years or a billion rows.
#[derive(Clone, Debug)]
pub struct SyntheticTrace {
    remaining: usize,
    outages: Outages,
    conversation_arrivals: ConversationArrivals,
    conversation_tokens: ConversationTokens,
    next_conversation_s: f64,
    api_arrivals: ApiArrivals,
    api_tokens: ApiTokens,
    next_api_s: f64,
}

impl SyntheticTrace {
    /// The first `rows` rows of the trace under `seed`.
    #[must_use]
    pub fn new(rows: usize, seed: u64) -> Self {
        let mut conversation_arrivals = ConversationArrivals::new(Draws::new(seed, 0));
        let mut api_arrivals = ApiArrivals::new(Draws::new(seed, 1));
        Self {
            remaining: rows,
            outages: Outages::new(Draws::new(seed, 2)),
            next_conversation_s: conversation_arrivals.next_s(),
            conversation_arrivals,
            conversation_tokens: ConversationTokens::new(Draws::new(seed, 3)),
            next_api_s: api_arrivals.next_s(),
            api_arrivals,
            api_tokens: ApiTokens::new(Draws::new(seed, 4)),
        }
    }

    fn row(&mut self, time_s: f64, log_type: LogType) -> SyntheticRow {
        let content = match log_type {
            LogType::Conversation => self.conversation_tokens.next_content(),
            LogType::Api => self.api_tokens.next_content(self.api_arrivals.workload()),
        };
        SyntheticRow {
            timestamp_s: time_s as u32,
            llm: content.llm,
            request_tokens: content.request_tokens,
            response_tokens: content.response_tokens,
            log_type,
        }
    }

    fn advance(&mut self, log_type: LogType) {
        match log_type {
            LogType::Conversation => self.next_conversation_s = self.conversation_arrivals.next_s(),
            LogType::Api => self.next_api_s = self.api_arrivals.next_s(),
        }
    }
}

impl Iterator for SyntheticTrace {
    type Item = SyntheticRow;

    fn next(&mut self) -> Option<SyntheticRow> {
        self.remaining = self.remaining.checked_sub(1)?;
        loop {
            let (time_s, log_type) = if self.next_api_s < self.next_conversation_s {
                (self.next_api_s, LogType::Api)
            } else {
                (self.next_conversation_s, LogType::Conversation)
            };
            // The row comes before the advance, which may already start the next burst.
            let row = (!self.outages.cover(time_s)).then(|| self.row(time_s, log_type));
            self.advance(log_type);
            if row.is_some() {
                return row;
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for SyntheticTrace {}

impl std::iter::FusedIterator for SyntheticTrace {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_published_columns() {
        assert_eq!([Llm::ChatGpt, Llm::Gpt4].map(Llm::as_str), ["ChatGPT", "GPT-4"]);
        let log_types = [LogType::Conversation, LogType::Api].map(LogType::as_str);
        assert_eq!(log_types, ["Conversation log", "API log"]);
    }

    #[test]
    fn a_shorter_trace_is_a_prefix_of_a_longer_one() {
        let long: Vec<SyntheticRow> = SyntheticTrace::new(50_000, 7).collect();
        let short: Vec<SyntheticRow> = SyntheticTrace::new(31_000, 7).collect();
        assert_eq!(short, long[..31_000]);
    }

    #[test]
    fn a_trace_knows_its_length_and_stays_ended() {
        let mut trace = SyntheticTrace::new(3, 7);
        assert_eq!(trace.len(), 3);
        assert_eq!(trace.by_ref().count(), 3);
        assert_eq!((trace.len(), trace.next()), (0, None));
    }

    #[test]
    fn another_seed_gives_other_rows() {
        let first: Vec<SyntheticRow> = SyntheticTrace::new(100, 1).collect();
        let second: Vec<SyntheticRow> = SyntheticTrace::new(100, 2).collect();
        assert_ne!(first, second);
    }
}
