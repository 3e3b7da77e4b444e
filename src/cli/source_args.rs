//! A trace on the command line: a file, a pipe or a name of the catalog, and the roles of its columns.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{require_file, usage};
use crate::dataset::{
    MissingSource, PrepareError, SYNTHETIC, SliceError, Trace, TraceError, TraceSource, find_source,
};
use crate::spec::ColumnsSpec;

/// A trace and the roles of its columns.
#[derive(Debug, Args)]
pub(super) struct SourceArgs {
    /// A file, a name in the catalog, or - for standard input
    source: String,
    /// A column of a file in a layout of its own, as in `[dataset.columns]`: timestamp=at, timestamp_unit=ms,
    /// request_tokens=prompt, response_tokens=answer, llm=model, log_type=kind; where a series has its time:
    /// timestamp=at, timestamp_unit=s, time_zone=Europe/Berlin; or how a CSV file is written: separator=;,
    /// decimal_comma=true
    #[arg(long = "column", value_name = "ROLE=NAME")]
    columns: Vec<String>,
}

impl SourceArgs {
    /// The trace, as the user gave it.
    pub(super) fn given(&self) -> &str {
        &self.source
    }

    /// Finds the trace.
    pub(super) fn find(&self) -> anyhow::Result<TraceSource> {
        trace_on_command_line(Path::new(&self.source))
    }

    /// Reads the trace that was found.
    pub(super) fn read(&self, source: &TraceSource) -> anyhow::Result<Trace> {
        let trace =
            source.read(self.columns()?.as_ref()).unwrap_or_else(|| Err(PrepareError::Missing(built_in())));
        trace.map_err(|error| match error {
            PrepareError::Trace(error) => {
                TraceError { message: with_options(&error.message), ..error }.into()
            }
            PrepareError::Slice(SliceError { key, message, help }) => {
                let role =
                    key.strip_prefix(&["columns"]).map(|role| format!("--column {}: ", role.join(".")));
                usage(format!("{}{message}; {help}", role.unwrap_or_default()))
            }
            error => usage(format!("{error}; {}", error.help())),
        })
    }

    /// The roles of its columns, where the user gave any.
    pub(super) fn columns(&self) -> anyhow::Result<Option<ColumnsSpec>> {
        if self.columns.is_empty() {
            return Ok(None);
        }
        let mut table = toml::Table::new();
        for column in &self.columns {
            let (role, name) = column
                .split_once('=')
                .ok_or_else(|| usage(format!("`--column {column}` names no column; give ROLE=NAME")))?;
            let value = match (role, name.parse()) {
                ("decimal_comma", Ok(decimal_comma)) => toml::Value::Boolean(decimal_comma),
                _ => name.into(),
            };
            table.insert(role.to_string(), value);
        }
        let columns: ColumnsSpec = table.try_into().map_err(|error: toml::de::Error| {
            let missing = error.message().strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
            usage(match missing {
                Some(role) => format!(
                    "--column {role}=... is missing: timestamp, timestamp_unit, request_tokens and response_tokens come \
                     together"
                ),
                None => format!("--column: {}", error.to_string().trim_end().replace('\n', " ")),
            })
        })?;
        Ok(Some(columns))
    }
}

/// A message about a trace that names the option of this command where others name the table of the experiment file.
fn with_options(message: &str) -> String {
    const PLACE: &str = " in [dataset.columns]";
    let mut text = String::new();
    let mut rest = message;
    while let Some((before, after)) = rest.split_once(PLACE) {
        let setting = before
            .rsplit_once("set ")
            .and_then(|(before, setting)| Some((before, setting.split_once(" = ")?)));
        text = match setting {
            Some((before, (key, value))) => {
                format!("{text}{before}add --column {key}={}", value.trim_matches('"'))
            }
            None => format!("{text}{before} with --column ROLE=NAME"),
        };
        rest = after;
    }
    text + rest
}

/// The file, the pipe or the trace of the catalog that an argument names.
pub(super) fn trace_on_command_line(source: &Path) -> anyhow::Result<TraceSource> {
    let Some(name) = source.to_str() else {
        require_file(source)?;
        return Ok(TraceSource::File(source.to_path_buf()));
    };
    let refused = |missing: MissingSource| usage(format!("{}; {}", missing.message, missing.help));
    match find_source(name, &[PathBuf::new()]).map_err(refused)? {
        TraceSource::Synthetic => Err(refused(built_in())),
        found => Ok(found),
    }
}

fn built_in() -> MissingSource {
    MissingSource {
        message: format!("`{SYNTHETIC}` is not a file"),
        help: "write one with `burstlab dataset synth`".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_its_option_and_not_the_key_of_an_experiment_file() {
        for (told, expected) in [
            (
                "`1` is large; set timestamp_unit = \"ms\" in [dataset.columns]",
                "`1` is large; add --column timestamp_unit=ms",
            ),
            (
                "set decimal_comma = true in [dataset.columns], or not",
                "add --column decimal_comma=true, or not",
            ),
            ("name the columns in [dataset.columns]", "name the columns with --column ROLE=NAME"),
            ("`x` is not a number", "`x` is not a number"),
        ] {
            assert_eq!(with_options(told), expected);
        }
    }
}
