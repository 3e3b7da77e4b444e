//! `burstlab serve`: serves the forecast of a saved model that follows a trace.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::console::Console;
use super::serving::PlaceArgs;
use super::source_args::trace_on_command_line;
use super::usage;
use crate::dataset::TraceSource;
use crate::predict::{Predictor, ReplicaPlan};
use crate::store::results_folder;
use crate::system::exit_code::Exit;
use crate::system::interrupt::{self, Asked};
use crate::text::duration;
use crate::web::forecast::{ForecastServer, ForecastSettings};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Serve the model of this experiment that is best on validation
    #[arg(long, required_unless_present = "run")]
    experiment: Option<String>,
    /// Serve the model of this run
    #[arg(long, conflicts_with = "experiment")]
    run: Option<String>,
    /// The trace to follow: a file that grows, or - for standard input and for rows that requests bring
    #[arg(long, value_name = "FILE")]
    trace: PathBuf,
    /// The port to listen on; 0 for any that is free
    #[arg(long, default_value_t = 7118)]
    port: u16,
    #[command(flatten)]
    place: PlaceArgs,
    /// Number of steps that can be asked for; the horizon of the model by default
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    steps: Option<u32>,
    /// Serve the last known load once no row has come for so long; two windows by default, and for single requests a hundred
    /// mean gaps, at least a minute
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    stale_after: Option<Duration>,
    /// Pass over malformed rows of the trace with a message instead of ending at the first
    #[arg(long)]
    skip_bad_rows: bool,
}

pub(super) fn serve(args: &ServeArgs, console: Console) -> anyhow::Result<Exit> {
    if args.stale_after.is_some_and(|time| time.is_zero()) {
        return Err(usage("--stale-after must be longer than 0s"));
    }
    let place = args.place.place(args.port)?;
    let source = trace_on_command_line(&args.trace)?;
    let results = results_folder();
    let predictor = match (&args.run, &args.experiment) {
        (Some(run), _) => Predictor::load_run(&results, run)?,
        (None, Some(experiment)) => Predictor::load_best(&results, experiment)?,
        (None, None) => return Err(usage("give --run or --experiment")),
    };
    let model = predictor.into_best();
    let plan = ReplicaPlan::of_run(&results, model.saved())?;
    let stale_after = args.stale_after.or_else(|| model.longest_silence());
    let stale_after = stale_after.filter(|time| !time.is_zero()).ok_or_else(|| {
        usage("the rows of this experiment carry no time, so nothing says when their input is stale; give --stale-after, for example 5min")
    })?;
    let horizon = model.saved().spec.task.horizon();
    let steps = args.steps.map_or(horizon, |steps| steps as usize);
    let accepts_rows = matches!(source, TraceSource::Pipe(_));
    if model.offsets().is_some() && steps > horizon {
        console.note(&format!(
            "no intervals beyond step {horizon}: those of later steps come from a backtest, which serve does not run"
        ));
    }
    interrupt::listen(move || console.finish_lines(), Exit::Ok as u8)?;
    let _held = interrupt::hold();
    let model_line = format!("{} of run {}", model.saved().spec.model.kind(), model.saved().run_id);
    let acts =
        plan.as_ref().map_or(String::new(), |plan| format!(", replicas for {}", plan.level().in_words()));
    let settings = ForecastSettings {
        experiment: args.experiment.clone(),
        model,
        plan,
        source,
        steps,
        stale_after,
        skips_bad_rows: args.skip_bad_rows,
    };
    let server = ForecastServer::bind(&place, settings)?;
    console.result(&server.url());
    let rows = if accepts_rows { ", POST /v1/rows" } else { "" };
    console.note(&format!(
        "{model_line}{acts}; stale after {}; GET /v1/forecast, GET /metrics{rows}; Ctrl-C ends it",
        duration(stale_after.as_secs_f64())
    ));
    server.serve(move |message| console.note(message), || interrupt::asked() != Asked::Nothing)?;
    Ok(Exit::Ok)
}
