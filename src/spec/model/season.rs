//! The length of a season: in steps, or as a length of time that the task's windows or the rows of a series turn into steps.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::spec::{EmptyWindows, Span, TaskSpec};

/// The length of a season.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Season {
    /// In steps.
    Steps(usize),
    /// In time, written as `"1d"`.
    Time(Span),
}

impl Season {
    /// The length in steps; `None` while it is a length of time.
    pub fn steps(self) -> Option<usize> {
        match self {
            Season::Steps(steps) => Some(steps),
            Season::Time(_) => None,
        }
    }

    /// The length in steps of a task; `None` where only the data say how long a step is.
    ///
    /// # Errors
    /// A length of time that is not a positive, whole number of steps.
    pub fn steps_of(self, task: &TaskSpec) -> Result<Option<usize>, SeasonError> {
        let season = match self {
            Season::Steps(steps) => return Ok(Some(steps)),
            Season::Time(span) => span,
        };
        match task {
            TaskSpec::WindowLoad(load) if load.empty_windows == EmptyWindows::Skip => {
                Err(SeasonError::OfKeptWindows(season))
            }
            TaskSpec::WindowLoad(load) => {
                let window = load.window;
                let (season_ns, window_ns) = (season.0.as_nanos(), window.0.as_nanos());
                let steps = season_ns.checked_div(window_ns);
                steps
                    .filter(|steps| *steps > 0 && steps * window_ns == season_ns)
                    .and_then(|steps| usize::try_from(steps).ok())
                    .map(Some)
                    .ok_or(SeasonError::BetweenWindows { season, window })
            }
            TaskSpec::NextRequest(_) => Err(SeasonError::OfRequests(season)),
            TaskSpec::Series(_) => Ok(None),
        }
    }
}

/// A length of time that is not a number of steps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeasonError {
    /// The windows do not divide it.
    #[error("{season} is not a whole number of windows of {window}")]
    BetweenWindows {
        /// The length of the season.
        season: Span,
        /// The width of a window.
        window: Span,
    },
    /// The task leaves windows without requests out.
    #[error("{0} is not a fixed number of steps: windows without requests are left out")]
    OfKeptWindows(Span),
    /// Requests arrive at any time.
    #[error("{0} is not a fixed number of steps: a step of this task is one request")]
    OfRequests(Span),
    /// The rows of a table do not divide it.
    #[error("{season} is not a whole number of rows: the table has rows {frequency}")]
    BetweenRows {
        /// The length of the season.
        season: Span,
        /// How far apart the rows are, in words.
        frequency: String,
    },
    /// The rows of a table have no fixed distance.
    #[error("{0} is not a fixed number of steps: the rows of this table are at no fixed distance")]
    OfRows(Span),
}

impl Serialize for Season {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Season::Steps(steps) => serializer.serialize_u64(*steps as u64),
            Season::Time(span) => span.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Season {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SeasonVisitor)
    }
}

struct SeasonVisitor;

impl Visitor<'_> for SeasonVisitor {
    type Value = Season;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number of steps or a length of time such as \"1d\"")
    }

    fn visit_u64<E: Error>(self, steps: u64) -> Result<Season, E> {
        usize::try_from(steps)
            .map(Season::Steps)
            .map_err(|_| E::invalid_value(Unexpected::Unsigned(steps), &self))
    }

    fn visit_i64<E: Error>(self, steps: i64) -> Result<Season, E> {
        usize::try_from(steps)
            .map(Season::Steps)
            .map_err(|_| E::invalid_value(Unexpected::Signed(steps), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Season, E> {
        Span::deserialize(serde::de::value::StrDeserializer::new(text)).map(Season::Time)
    }
}

impl JsonSchema for Season {
    fn schema_name() -> Cow<'static, str> {
        "Season".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of steps, or a length of time with its unit, e.g. \"1d\".",
            "anyOf": [
                { "type": "integer", "minimum": 1 },
                { "type": "string", "pattern": "^\\s*(\\d+\\s*[a-zA-Z]+\\s*)+$" }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn season(json: &str) -> Season {
        serde_json::from_str(json).unwrap()
    }

    fn task(json: &str) -> TaskSpec {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_day_is_as_many_steps_as_windows_fit_into_it() {
        let minutes = task(r#"{"window_load": {"window": "5min", "lookback": 1}}"#);
        assert_eq!(season("\"1d\"").steps_of(&minutes), Ok(Some(288)));
        assert_eq!(season("\"1w\"").steps_of(&minutes), Ok(Some(2_016)));
        assert_eq!(season("12").steps_of(&minutes), Ok(Some(12)));
        let odd = task(r#"{"window_load": {"window": "7s", "lookback": 1}}"#);
        let kept = task(r#"{"window_load": {"window": "5min", "lookback": 1, "empty_windows": "skip"}}"#);
        assert!(season("\"1d\"").steps_of(&kept).is_err() && season("12").steps_of(&kept).is_ok());
        assert!(season("\"1d\"").steps_of(&odd).is_err() && season("\"6s\"").steps_of(&odd).is_err());
    }

    #[test]
    fn a_day_is_no_number_of_requests_and_only_the_data_say_how_many_rows_it_is() {
        let [requests, rows] =
            [r#"{"next_request": {"lookback": 1}}"#, r#"{"series": {"lookback": 1}}"#].map(task);
        assert!(season("\"1d\"").steps_of(&requests).is_err());
        assert_eq!(season("\"1d\"").steps_of(&rows), Ok(None));
        assert_eq!([&requests, &rows].map(|task| season("24").steps_of(task)), [Ok(Some(24)), Ok(Some(24))]);
    }

    #[test]
    fn a_season_reads_back_what_it_writes() {
        for text in ["24", "\"1day\"", "\"7days\""] {
            assert_eq!(serde_json::to_string(&season(text)).unwrap(), text);
        }
    }
}
