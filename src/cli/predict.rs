//! `burstlab predict`: the next steps of a trace, from a saved model.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::console::Console;
use super::exit_code::Exit;
use super::{existing_file, follow, usage};
use crate::dataset::read_trace_as;
use crate::files::write_whole;
use crate::model::intervals::interval;
use crate::predict::{Document, Predictor, to_burstgpt, to_mooncake};
use crate::store::results_folder;
use crate::text::{number, table};

/// Index of the interval that people are shown, in [`crate::model::intervals::LEVELS`].
const EIGHTY: usize = 1;

#[derive(Debug, Args)]
pub(super) struct PredictArgs {
    /// The model of this run
    #[arg(long, conflicts_with = "experiment", required_unless_present = "experiment")]
    run: Option<String>,
    /// The model of this experiment that is best on validation
    #[arg(long)]
    experiment: Option<String>,
    /// The trace whose next steps are forecast; `-` is standard input, with --watch
    #[arg(long, value_name = "FILE")]
    pub(super) trace: PathBuf,
    /// How many steps
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) steps: u32,
    /// How they are printed; --watch prints one JSON document a line
    #[arg(long, value_enum)]
    format: Option<PredictFormat>,
    /// Go on with the rows that are added to the file, or that come on standard input: a forecast after each new step
    #[arg(long)]
    watch: bool,
    /// With --watch, forecast after each of the rows that are in the file already, too
    #[arg(long, requires = "watch")]
    pub(super) from_start: bool,
    /// With --watch, pass over malformed rows with a message instead of ending at the first
    #[arg(long, requires = "watch")]
    pub(super) skip_bad_rows: bool,
    /// Instead of a forecast, sample the next N requests from the model's distribution, as a trace that can be replayed
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..),
        conflicts_with_all = ["watch", "format", "steps"],
        requires = "out"
    )]
    generate: Option<u32>,
    /// With --generate, where the trace goes
    #[arg(long, value_name = "FILE", requires = "generate")]
    out: Option<PathBuf>,
    /// With --generate, its layout
    #[arg(long = "as", value_enum, default_value = "burstgpt", requires = "generate")]
    layout: TraceLayout,
    /// With --generate, the seed: the same one gives the same trace
    #[arg(long, default_value = "0", requires = "generate")]
    seed: u64,
}

/// The layout of a generated trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TraceLayout {
    /// BurstGPT: CSV with timestamps in seconds.
    Burstgpt,
    /// Mooncake: JSON lines with timestamps in milliseconds.
    Mooncake,
}

/// How forecasts are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PredictFormat {
    /// For people.
    Human,
    /// One JSON document.
    Json,
    /// Comma-separated values.
    Csv,
}

impl PredictArgs {
    /// Whether the rows come on standard input.
    pub(super) fn reads_input(&self) -> bool {
        self.trace == Path::new("-")
    }

    fn load(&self) -> anyhow::Result<Predictor> {
        let results = results_folder();
        match (&self.run, &self.experiment) {
            (Some(run), _) => Predictor::load_run(&results, run),
            (None, Some(experiment)) => Predictor::load_best(&results, experiment),
            (None, None) => Err(usage("give --run or --experiment")),
        }
    }
}

pub(super) fn predict(args: &PredictArgs, console: Console) -> anyhow::Result<Exit> {
    if !args.reads_input() {
        existing_file(&args.trace)?;
    } else if !args.watch {
        return Err(usage("standard input is read with --watch; name a file, or add --watch"));
    }
    if args.watch {
        if matches!(args.format, Some(PredictFormat::Human | PredictFormat::Csv)) {
            return Err(usage("--watch prints one JSON document a line; leave --format away, or give json"));
        }
        return follow::follow(args, args.load()?.best(), console);
    }
    let predictor = args.load()?;
    let model = predictor.best();
    let trace = read_trace_as(&args.trace, model.saved().spec.dataset.columns.as_ref())?;
    if let (Some(count), Some(out)) = (args.generate, &args.out) {
        let requests = model.generate(&trace, count as usize, args.seed)?;
        let text = match args.layout {
            TraceLayout::Burstgpt => to_burstgpt(&requests),
            TraceLayout::Mooncake => to_mooncake(&requests),
        };
        write_whole(out, text.as_bytes())?;
        let last_s = requests.last().map_or(0.0, |request| request.arrival_s);
        console.note(&format!(
            "{}: {count} requests over {last_s:.3} s, sampled from the {} of run {} with seed {}",
            out.display(),
            model.saved().spec.model.kind(),
            model.saved().run_id,
            args.seed
        ));
        return Ok(Exit::Ok);
    }
    let forecast = model.forecast(&trace, args.steps as usize)?;
    if model.offsets().is_some() && forecast.steps.iter().any(|step| step.bounds.is_empty()) {
        console.note(&format!(
            "no interval beyond step {}: the trace is too short for a backtest of forecasts that are fed back",
            model.saved().spec.task.horizon()
        ));
    }
    let document = Document { model, forecast: &forecast };
    match args.format.unwrap_or(PredictFormat::Human) {
        PredictFormat::Human => console.result(&for_people(&document)),
        PredictFormat::Json => console.result(&serde_json::to_string(&document)?),
        PredictFormat::Csv => console.result(&document.to_csv()),
    }
    Ok(Exit::Ok)
}

fn for_people(document: &Document<'_>) -> String {
    let (saved, forecast) = (document.model.saved(), document.forecast);
    let has_intervals = forecast.steps.iter().any(|step| !step.bounds.is_empty());
    let headers: Vec<String> = ["step".to_string(), format!("{} (s)", forecast.time_name)]
        .into_iter()
        .chain(forecast.targets.iter().flat_map(|target| {
            let interval = has_intervals.then(|| format!("80 % of {}", target.name));
            std::iter::once(target.name.clone()).chain(interval)
        }))
        .collect();
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = forecast
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let values = step.values.iter().enumerate().flat_map(|(target, value)| {
                let interval = has_intervals.then(|| match step.bounds.get(target) {
                    Some(bounds) => {
                        let (lower, upper) = interval(bounds, EIGHTY);
                        format!("{} to {}", number(lower), number(upper))
                    }
                    None => "-".to_string(),
                });
                std::iter::once(number(*value)).chain(interval)
            });
            [(index + 1).to_string(), format!("{:.3}", step.time_s)].into_iter().chain(values).collect()
        })
        .collect();
    format!(
        "{} of run {}, after {:.3} s of trace\n{}",
        saved.spec.model.kind(),
        saved.run_id,
        forecast.last_s,
        table(&headers, &rows, &(0..headers.len()).collect::<Vec<_>>())
    )
}
