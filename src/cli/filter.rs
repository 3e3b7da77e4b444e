//! Which runs a command picks, as options.

use clap::Args;

use crate::listing::{Condition, RunConditions, parse_moment};

/// Conditions that runs must meet.
#[derive(Debug, Args)]
pub(super) struct FilterArgs {
    /// Only runs that meet this condition, as labels print it: hidden=64, "learning_rate<0.01", "lookback in 20,50". The
    /// operators are = != < <= > >= and in; the end of a parameter's path is enough. Can be repeated
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// Only runs that ended since then: an age such as 7d or 12h, or a date or time of UTC such as 2026-11-01
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only runs that ended until then, as in --since; a date includes its day
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only runs with this tag, or of a revision with it
    #[arg(long)]
    tag: Option<String>,
}

impl FilterArgs {
    /// The conditions, understood.
    pub(super) fn conditions(&self) -> anyhow::Result<RunConditions> {
        let moment = |flag: &str, text: &Option<String>| {
            text.as_deref().map(|text| parse_moment(flag, text)).transpose()
        };
        Ok(RunConditions {
            conditions: self
                .conditions
                .iter()
                .map(|text| Condition::parse(text))
                .collect::<anyhow::Result<_>>()?,
            since: moment("--since", &self.since)?,
            until: moment("--until", &self.until)?,
            tag: self.tag.clone(),
        })
    }
}
