//! `[dataset.columns]`: which column of a table holds what, and how a CSV file is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which columns of the file hold the requests or the time of a series, and how its text is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ColumnsTable", into = "ColumnsTable")]
pub struct ColumnsSpec {
    /// The columns that hold the requests; without them the layout must be one that is known.
    pub requests: Option<RequestColumns>,
    /// Where a series has its time; without it, a column of a usual name holds dates.
    pub series: Option<SeriesColumns>,
    /// The time zone of dates without a UTC offset; without it, they are of UTC.
    pub time_zone: Option<String>,
    /// What separates the fields of a CSV file; without it, the header decides.
    pub separator: Option<Separator>,
    /// Whether the numbers of a CSV file have a decimal comma; without it, the separator and the numbers decide.
    pub decimal_comma: Option<bool>,
}

/// The columns of a table of requests whose layout is not one that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestColumns {
    /// Column with the arrival time of each request; the rows must be in its order.
    pub timestamp: String,
    /// What `timestamp` holds.
    pub timestamp_unit: TimestampUnit,
    /// Column with the prompt tokens of each request.
    pub request_tokens: String,
    /// Column with the generated tokens of each request.
    pub response_tokens: String,
    /// Column with the name of the LLM, for `dataset.llms`.
    pub llm: Option<String>,
    /// Column with the kind of each request, for `dataset.log_types`.
    pub log_type: Option<String>,
}

/// Where a table has its time, in a file whose other columns are known or are the numbers of a series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesColumns {
    /// Column with the time of each row; without it, one of a usual name.
    pub timestamp: Option<String>,
    /// What it holds; without it, dates.
    pub timestamp_unit: Option<TimestampUnit>,
}

impl From<RequestColumns> for ColumnsSpec {
    fn from(requests: RequestColumns) -> Self {
        Self { requests: Some(requests), ..Self::default() }
    }
}

/// Which columns of a CSV, JSONL or Parquet file hold the requests, for files whose layout is not one that is known; which
/// column holds the time of a series; and how a CSV file is written. The keys of tokens come together and with a timestamp, or
/// not at all.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ColumnsSpec")]
struct ColumnsTable {
    /// Column with the arrival time of each request, or with the time of each row of a series; the rows must be in its
    /// order.
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    /// What `timestamp` holds. Numbers of a series count from the first of 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp_unit: Option<TimestampUnit>,
    /// The time zone of dates without a UTC offset, such as `"Europe/Berlin"`; by default UTC. Days and months of a series are
    /// those of this zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    /// Column with the prompt tokens of each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_tokens: Option<String>,
    /// Column with the generated tokens of each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    response_tokens: Option<String>,
    /// Column with the name of the LLM, for `dataset.llms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    llm: Option<String>,
    /// Column with the kind of each request, for `dataset.log_types`.
    #[serde(skip_serializing_if = "Option::is_none")]
    log_type: Option<String>,
    /// What separates the fields of a CSV file. By default a comma, or a semicolon or tab where the header has no comma.
    #[serde(skip_serializing_if = "Option::is_none")]
    separator: Option<Separator>,
    /// Whether the numbers of a CSV file have a decimal comma, as in `3,5`. By default they have a decimal point where
    /// commas separate the fields, and otherwise whichever of the two comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    decimal_comma: Option<bool>,
}

impl TryFrom<ColumnsTable> for ColumnsSpec {
    type Error = String;

    fn try_from(table: ColumnsTable) -> Result<Self, String> {
        let ColumnsTable {
            timestamp,
            timestamp_unit,
            time_zone,
            request_tokens,
            response_tokens,
            llm,
            log_type,
            separator,
            decimal_comma,
        } = table;
        let names_any = [&request_tokens, &response_tokens, &llm, &log_type].into_iter().any(Option::is_some);
        let missing = |key| move || format!("missing field `{key}`");
        let has_time = timestamp.is_some() || timestamp_unit.is_some();
        let (requests, series) = if names_any {
            if timestamp_unit == Some(TimestampUnit::Absent) {
                return Err("`timestamp_unit = \"none\"` is for a series; requests need a time".to_string());
            }
            let requests = RequestColumns {
                timestamp: timestamp.ok_or_else(missing("timestamp"))?,
                timestamp_unit: timestamp_unit.ok_or_else(missing("timestamp_unit"))?,
                request_tokens: request_tokens.ok_or_else(missing("request_tokens"))?,
                response_tokens: response_tokens.ok_or_else(missing("response_tokens"))?,
                llm,
                log_type,
            };
            (Some(requests), None)
        } else {
            (None, has_time.then_some(SeriesColumns { timestamp, timestamp_unit }))
        };
        Ok(Self { requests, series, time_zone, separator, decimal_comma })
    }
}

impl From<ColumnsSpec> for ColumnsTable {
    fn from(spec: ColumnsSpec) -> Self {
        let ColumnsSpec { requests, series, time_zone, separator, decimal_comma } = spec;
        let named =
            |name: fn(&RequestColumns) -> &String| requests.as_ref().map(|requests| name(requests).clone());
        let SeriesColumns { timestamp, timestamp_unit } = series.unwrap_or_default();
        Self {
            timestamp: named(|requests| &requests.timestamp).or(timestamp),
            timestamp_unit: requests.as_ref().map(|requests| requests.timestamp_unit).or(timestamp_unit),
            time_zone,
            request_tokens: named(|requests| &requests.request_tokens),
            response_tokens: named(|requests| &requests.response_tokens),
            llm: requests.as_ref().and_then(|requests| requests.llm.clone()),
            log_type: requests.as_ref().and_then(|requests| requests.log_type.clone()),
            separator,
            decimal_comma,
        }
    }
}

/// What separates the fields of a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Separator {
    /// `,`
    #[serde(rename = ",")]
    Comma,
    /// `;`
    #[serde(rename = ";")]
    Semicolon,
    /// A tab; `tab` stands for it where it is hard to write.
    #[serde(rename = "\t", alias = "tab")]
    Tab,
}

impl Separator {
    /// The character.
    pub fn byte(self) -> u8 {
        match self {
            Separator::Comma => b',',
            Separator::Semicolon => b';',
            Separator::Tab => b'\t',
        }
    }
}

/// What a column of timestamps holds. Numbers count from some midnight, as Unix time does, and those of a series from the first
/// of 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TimestampUnit {
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Microseconds.
    #[serde(rename = "us")]
    Microseconds,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanoseconds,
    /// A date and time such as `2023-11-16 18:15:46.6805900` or `2024-05-12T01:00:00+01:00`, or Parquet's timestamps and
    /// dates. Times with a UTC offset are converted to UTC.
    #[serde(rename = "datetime")]
    DateTime,
    /// There is no time: the rows of a series are counted.
    #[serde(rename = "none")]
    Absent,
}

impl TimestampUnit {
    /// How many of them make a second; `None` for dates and where there is no time.
    pub fn per_second(self) -> Option<f64> {
        match self {
            TimestampUnit::Seconds => Some(1.0),
            TimestampUnit::Milliseconds => Some(1e3),
            TimestampUnit::Microseconds => Some(1e6),
            TimestampUnit::Nanoseconds => Some(1e9),
            TimestampUnit::DateTime | TimestampUnit::Absent => None,
        }
    }

    /// The unit as experiment files write it.
    pub fn key(self) -> &'static str {
        match self {
            TimestampUnit::Seconds => "s",
            TimestampUnit::Milliseconds => "ms",
            TimestampUnit::Microseconds => "us",
            TimestampUnit::Nanoseconds => "ns",
            TimestampUnit::DateTime => "datetime",
            TimestampUnit::Absent => "none",
        }
    }

    /// The unit's name.
    pub fn as_str(self) -> &'static str {
        match self {
            TimestampUnit::Seconds => "seconds",
            TimestampUnit::Milliseconds => "milliseconds",
            TimestampUnit::Microseconds => "microseconds",
            TimestampUnit::Nanoseconds => "nanoseconds",
            TimestampUnit::DateTime => "dates",
            TimestampUnit::Absent => "rows",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_leaves_no_trace_in_the_identity_of_a_run() {
        let text =
            r#"{"timestamp":"at","timestamp_unit":"ms","request_tokens":"in","response_tokens":"out"}"#;
        let spec: ColumnsSpec = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&spec).unwrap(), text);
        let text = r#"{"separator":";","decimal_comma":true}"#;
        let spec: ColumnsSpec = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&spec).unwrap(), text);
        assert_eq!(spec.requests, None);
        let text = r#"{"timestamp":"at","timestamp_unit":"ms","time_zone":"Europe/Berlin"}"#;
        let spec: ColumnsSpec = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&spec).unwrap(), text);
        assert!(spec.requests.is_none() && spec.series.is_some());
    }

    #[test]
    fn the_columns_of_requests_are_named_together_or_not_at_all() {
        let error = |text: &str| toml::from_str::<ColumnsSpec>(text).unwrap_err().message().to_string();
        assert_eq!(error("request_tokens = \"a\"\ntimestamp_unit = \"s\""), "missing field `timestamp`");
        assert_eq!(error("timestamp = \"at\"\nresponse_tokens = \"a\""), "missing field `timestamp_unit`");
        assert!(
            error("llm = \"a\"\ntimestamp = \"t\"\ntimestamp_unit = \"none\"")
                .contains("requests need a time")
        );
        assert_eq!(error("separator = \"tab\"\nllm = \"x\""), "missing field `timestamp`");
        assert!(error("seperator = \";\"").starts_with("unknown field `seperator`, expected one of"));
        assert!(error("separator = \"|\"").starts_with("unknown variant `|`"));
        let tab: ColumnsSpec = toml::from_str("separator = \"tab\"").unwrap();
        assert_eq!(tab, toml::from_str("separator = \"\\t\"").unwrap());
    }
}
