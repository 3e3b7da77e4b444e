//! `burstlab dataset clean`: writes a cleaned copy of a trace by the rules of `[dataset.cleaning]`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::console::Console;
use super::source_args::SourceArgs;
use super::{OutputFormat, usage};
use crate::dataset::{CleanFile, Dropped, Removed, Trace, dropped, slice, write_requests};
use crate::files::{Existing, OutputFile};
use crate::spec::{CleaningSpec, DatasetSpec};
use crate::text::grouped;

#[derive(Debug, Args)]
pub(super) struct CleanArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// The file to write: .csv, or .jsonl in the layout of Mooncake
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Keep requests without request or response tokens, which are dropped by default
    #[arg(long)]
    keep_zero_tokens: bool,
    /// Spread requests that share a timestamp by this step, never past the next timestamp; "none" leaves them
    #[arg(long, value_name = "STEP", default_value = "1ms")]
    spread_duplicate_timestamps: String,
    /// Output format
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
}

pub(super) fn clean(args: &CleanArgs, console: Console) -> anyhow::Result<()> {
    let file = match args.out.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => CleanFile::Csv,
        Some("jsonl") => CleanFile::JsonLines,
        _ => {
            return Err(usage(format!(
                "cannot tell the format of {} from its name; let it end in .csv or .jsonl",
                args.out.display()
            )));
        }
    };
    let rules = rules(args)?;
    let source = args.source.find()?;
    let path = PathBuf::from(source.name());
    let existing = Existing::forced(args.force, Existing::Keep);
    let output = OutputFile::new(&args.out, std::slice::from_ref(&path), existing)?;
    let trace = args.source.read(&source)?;
    let numeric_table = || {
        usage(format!("{} is a numeric table, which has no tokens and no arrivals to clean", path.display()))
    };
    let Trace::Requests(requests) = &trace else { return Err(numeric_table()) };
    let dropped = if rules.cleaning.drop_zero_tokens { dropped(requests) } else { Dropped::default() };
    let (cleaned, removed) =
        slice(&trace, &rules).map_err(|error| usage(format!("{}; {}", error.message, error.help)))?;
    let Trace::Requests(cleaned) = cleaned.into_owned() else { return Err(numeric_table()) };
    let mut text = Vec::new();
    write_requests(&cleaned, file, &mut text)?;
    output.write_bytes(&text)?;
    match args.format {
        OutputFormat::Human => {
            let source = path.display().to_string();
            console.result(&summary(&source, args, cleaned.len(), &removed, &dropped));
        }
        OutputFormat::Json => console.result(
            &json!({
                "read": removed.read,
                "dropped": dropped,
                "moved_timestamps": removed.spread,
                "written": cleaned.len(),
            })
            .to_string(),
        ),
    }
    Ok(())
}

fn rules(args: &CleanArgs) -> anyhow::Result<DatasetSpec> {
    let spread = match args.spread_duplicate_timestamps.as_str() {
        "none" => None,
        step => Some(serde_json::from_value(json!(step)).map_err(|error| {
            usage(format!("--spread-duplicate-timestamps {step}: {error}; give \"1ms\" or \"none\""))
        })?),
    };
    let cleaning = CleaningSpec {
        drop_zero_tokens: !args.keep_zero_tokens,
        spread_duplicate_timestamps: spread,
        ..CleaningSpec::default()
    };
    Ok(DatasetSpec::whole(String::new(), None, cleaning))
}

fn summary(source: &str, args: &CleanArgs, written: usize, removed: &Removed, dropped: &Dropped) -> String {
    let line = |count: usize, what: &str| format!("{:>12} {what}", grouped(count as u64));
    [
        line(removed.read, &format!("requests read from {source}")),
        line(dropped.no_tokens, "dropped: neither request nor response tokens"),
        line(dropped.no_response_tokens, "dropped: no response token"),
        line(dropped.no_request_tokens, "dropped: no request token"),
        line(removed.spread, "timestamps moved, since they equalled the previous one"),
        line(written, &format!("requests written to {}", args.out.display())),
    ]
    .join("\n")
}
