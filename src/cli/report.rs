//! `burstlab report` and `burstlab compare`: what came of an experiment.

use clap::Args;

use super::OutputFormat;
use super::console::Console;
use super::exit_code::Exit;
use crate::compare::Comparison;
use crate::report::{PlotSet, write};
use crate::store::{Store, results_folder};

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Name of the experiment
    experiment: String,
    /// Which plots it has: leaderboard, forecasts and residuals, or all
    #[arg(long, value_enum, default_value = "full")]
    plots: PlotSet,
}

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// Name of the experiment
    experiment: String,
    /// How it is printed
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
}

pub(super) fn report(args: &ReportArgs, console: Console) -> anyhow::Result<Exit> {
    let results = results_folder();
    let comparison = Comparison::read(&mut Store::open_read_only(&results)?, &args.experiment)?;
    let written = write(&comparison, &results, args.plots)?;
    for path in written.all() {
        console.result(&path.display().to_string());
    }
    Ok(Exit::Ok)
}

pub(super) fn compare(args: &CompareArgs, console: Console) -> anyhow::Result<Exit> {
    let comparison = Comparison::read(&mut Store::open_read_only(&results_folder())?, &args.experiment)?;
    match args.format {
        OutputFormat::Human => console.result(&comparison.to_text()),
        OutputFormat::Json => console.result(&comparison.to_json().to_string()),
    }
    Ok(Exit::Ok)
}
