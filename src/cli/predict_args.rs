//! What `burstlab predict` is asked for on the command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::usage;
use crate::predict::Predictor;
use crate::store::results_folder;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command")]
pub(super) struct PredictArgs {
    /// Use the model of this run
    #[arg(long, conflicts_with = "experiment", required_unless_present = "experiment")]
    pub(super) run: Option<String>,
    /// Use the model of this experiment that is best on validation
    #[arg(long)]
    pub(super) experiment: Option<String>,
    /// The trace to forecast: a file, a name in the catalog, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(super) trace: PathBuf,
    /// Number of steps
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) steps: u32,
    /// Output format; --watch always prints one JSON document per line
    #[arg(long, value_enum)]
    pub(super) format: Option<PredictFormat>,
    /// Keep reading rows as they are added to the file or arrive on standard input, and forecast after each new step
    #[arg(long)]
    pub(super) watch: bool,
    /// With --watch, also forecast after each row that is already in the file
    #[arg(long, requires = "watch")]
    pub(super) from_start: bool,
    /// With --watch, skip malformed rows with a message instead of stopping at the first
    #[arg(long, requires = "watch")]
    pub(super) skip_bad_rows: bool,
    /// Instead of a forecast, sample the next N requests from the model's distribution, as a trace for replay
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..),
        conflicts_with_all = ["watch", "format", "steps"],
        requires = "out"
    )]
    pub(super) generate: Option<u32>,
    /// With --generate, the file to write
    #[arg(long, value_name = "FILE", requires = "generate")]
    pub(super) out: Option<PathBuf>,
    /// With --generate, replace the file if it is there
    #[arg(long, requires = "generate")]
    pub(super) force: bool,
    /// With --generate, the layout of the trace
    #[arg(long = "as", value_enum, default_value = "burstgpt", requires = "generate")]
    pub(super) layout: TraceLayout,
    /// With --generate, the random seed: the same seed gives the same trace
    #[arg(long, default_value = "0", requires = "generate")]
    pub(super) seed: u64,
}

/// The layout of a generated trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TraceLayout {
    /// BurstGPT: CSV with timestamps in seconds.
    Burstgpt,
    /// Mooncake: JSON lines with timestamps in milliseconds.
    Mooncake,
}

/// Output format of forecasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PredictFormat {
    /// A table for people.
    Human,
    /// One JSON document.
    Json,
    /// Comma-separated values.
    Csv,
}

impl PredictArgs {
    /// Loads the model that is asked for.
    pub(super) fn load(&self) -> anyhow::Result<Predictor> {
        let results = results_folder();
        match (&self.run, &self.experiment) {
            (Some(run), _) => Predictor::load_run(&results, run),
            (None, Some(experiment)) => Predictor::load_best(&results, experiment),
            (None, None) => Err(usage("give --run or --experiment")),
        }
    }
}
