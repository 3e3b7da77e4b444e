//! `burstlab predict`: forecasts the next steps of a trace with a saved model.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::console::Console;
use super::dataset::trace_on_command_line;
use super::exit_code::Exit;
use super::predict_watch::predict_watch;
use super::usage;
use crate::files::{Existing, OutputFile};
use crate::model::intervals::interval;
use crate::predict::{Forecast, ForecastDocument, Predictor, to_burstgpt, to_mooncake};
use crate::stats::QUANTILES;
use crate::store::{results_folder, store_files};
use crate::text::{quantities, quantity, table};

/// Positions of intervals among [`crate::model::intervals::LEVELS`]: that in the table, and the narrowest.
const FIFTY: usize = 0;
const EIGHTY: usize = 1;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command")]
pub(super) struct PredictArgs {
    /// Use the model of this run
    #[arg(long, conflicts_with = "experiment", required_unless_present = "experiment")]
    run: Option<String>,
    /// Use the model of this experiment that is best on validation
    #[arg(long)]
    experiment: Option<String>,
    /// The trace to forecast: a file, a name in the catalog, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(super) trace: PathBuf,
    /// Number of steps
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) steps: u32,
    /// Output format; --watch always prints one JSON document per line
    #[arg(long, value_enum)]
    format: Option<PredictFormat>,
    /// Keep reading rows as they are added to the file or arrive on standard input, and forecast after each new step
    #[arg(long)]
    watch: bool,
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
    generate: Option<u32>,
    /// With --generate, the file to write
    #[arg(long, value_name = "FILE", requires = "generate")]
    out: Option<PathBuf>,
    /// With --generate, replace the file if it is there
    #[arg(long, requires = "generate")]
    force: bool,
    /// With --generate, the layout of the trace
    #[arg(long = "as", value_enum, default_value = "burstgpt", requires = "generate")]
    layout: TraceLayout,
    /// With --generate, the random seed: the same seed gives the same trace
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

/// Output format of forecasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PredictFormat {
    /// A table for people.
    Human,
    /// One JSON document.
    Json,
    /// Comma-separated values.
    Csv,
}

impl PredictArgs {
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
    let source = trace_on_command_line(&args.trace)?;
    if args.watch {
        if matches!(args.format, Some(PredictFormat::Human | PredictFormat::Csv)) {
            return Err(usage(
                "--watch prints one JSON document per line; omit --format, or use --format json",
            ));
        }
        return predict_watch(args, &source, args.load()?.best(), console);
    }
    let out = args.out.as_deref().map(|path| {
        let inputs = [store_files(&results_folder()), vec![args.trace.clone()]].concat();
        OutputFile::new(path, &inputs, Existing::forced(args.force, Existing::Keep))
    });
    let out = out.transpose()?;
    let predictor = args.load()?;
    let model = predictor.best();
    let Some(trace) = source.read(model.saved().spec.dataset.columns.as_ref()).transpose()? else {
        return Err(usage(format!("{} is not a file", source.name())));
    };
    if let Some(note) = model.clock_note(&trace) {
        console.note(&format!("{}: {note}", source.name()));
    }
    if let (Some(count), Some(out)) = (args.generate, &out) {
        let requests = model.generate(&trace, count as usize, args.seed)?;
        let text = match args.layout {
            TraceLayout::Burstgpt => to_burstgpt(&requests),
            TraceLayout::Mooncake => to_mooncake(&requests),
        };
        out.write_bytes(text.as_bytes())?;
        let last_s = requests.last().map_or(0.0, |request| request.arrival_s);
        console.note(&format!(
            "wrote {count} requests over {last_s:.3} s to {}, sampled from the {} of run {} with seed {}",
            out.path().display(),
            model.saved().spec.model.kind(),
            model.saved().run_id,
            args.seed
        ));
        return Ok(Exit::Ok);
    }
    let forecast = model.forecast(&trace, args.steps as usize)?;
    if model.offsets().is_some() && forecast.steps.iter().any(|step| step.bounds.is_empty()) {
        console.note(&format!(
            "no intervals beyond step {}: the trace is too short for the backtest that they come from",
            model.saved().spec.task.horizon()
        ));
    }
    let document = ForecastDocument { model, forecast: &forecast };
    match args.format.unwrap_or(PredictFormat::Human) {
        PredictFormat::Human => {
            note_points_outside(&forecast, console);
            console.result(&to_text(&document, console.width()));
        }
        PredictFormat::Json => console.result(&serde_json::to_string(&document)?),
        PredictFormat::Csv => console.result(&document.to_csv()),
    }
    Ok(Exit::Ok)
}

/// Says so where a point lies outside its own interval at 50 %: the two are learned from different steps.
fn note_points_outside(forecast: &Forecast, console: Console) {
    let cells = forecast.steps.iter().flat_map(|step| step.values.iter().zip(&step.bounds));
    let outside = |(value, bounds): &(&f64, &[f64; QUANTILES.len()])| {
        let (lower, upper) = interval(bounds, FIFTY);
        **value < lower || **value > upper
    };
    let (total, outside) = (cells.clone().count(), cells.filter(outside).count());
    if outside > 0 {
        console.note(&format!(
            "{outside} of {total} points lie outside their own 50 % interval: points are what the model learned in \
             training, intervals come from its latest errors"
        ));
    }
}

fn to_text(document: &ForecastDocument<'_>, width: usize) -> String {
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
                let bounds = step.bounds.get(target).map(|bounds| interval(bounds, EIGHTY));
                let unit = &forecast.targets[target].unit;
                let (value, bounds) = match bounds {
                    Some((lower, upper)) => {
                        let [value, lower, upper] = quantities([*value, lower, upper], unit);
                        (value, format!("{lower} to {upper}"))
                    }
                    None => (quantity(*value, unit), "-".to_string()),
                };
                std::iter::once(value).chain(has_intervals.then_some(bounds))
            });
            [(index + 1).to_string(), format!("{:.3}", step.time_s)].into_iter().chain(values).collect()
        })
        .collect();
    format!(
        "{} of run {}, after {:.3} s of trace\n{}",
        saved.spec.model.kind(),
        saved.run_id,
        forecast.last_s,
        table(&headers, &rows, &(0..headers.len()).collect::<Vec<_>>(), width)
    )
}
