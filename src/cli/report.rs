//! `burstlab report`: writes the report of an experiment again.

use clap::{Args, ValueEnum};

use super::console::Console;
use crate::compare::Comparison;
use crate::report::{PlotSet, write};
use crate::store::{Store, results_folder};
use crate::system::exit_code::Exit;

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The experiment: NAME, or NAME@2 for its second revision
    experiment: String,
    /// Which plots the report has
    #[arg(long, value_enum, default_value = "full")]
    plots: ReportPlots,
}

/// Which plots a report has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReportPlots {
    /// The leaderboard, the forecasts beside the observed values, and their residuals.
    Simple,
    /// All plots.
    Full,
}

impl From<ReportPlots> for PlotSet {
    fn from(plots: ReportPlots) -> Self {
        match plots {
            ReportPlots::Simple => Self::Simple,
            ReportPlots::Full => Self::Full,
        }
    }
}

pub(super) fn report(args: &ReportArgs, console: Console) -> anyhow::Result<Exit> {
    let results = results_folder();
    let comparison = Comparison::read(&mut Store::open_read_only(&results)?, &results, &args.experiment)?;
    let written = write(&comparison, &results, args.plots.into())?;
    for path in written.all() {
        console.result(&path.display().to_string());
    }
    Ok(Exit::Ok)
}
