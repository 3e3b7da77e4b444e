//! `burstlab predict`: forecasts the next steps of a trace with a saved model.

use super::console::Console;
use super::predict_args::{PredictArgs, PredictFormat, TraceLayout};
use super::predict_watch::predict_watch;
use super::source_args::trace_on_command_line;
use super::usage;
use crate::files::{Existing, OutputFile};
use crate::model::intervals::interval;
use crate::predict::{Forecast, ForecastDocument, to_burstgpt, to_mooncake};
use crate::stats::QUANTILES;
use crate::store::{results_folder, store_files};
use crate::system::exit_code::Exit;
use crate::text::{quantities, quantity, table};

/// Positions of intervals among [`crate::model::intervals::LEVELS`]: that in the table, and the narrowest.
const FIFTY: usize = 0;
const EIGHTY: usize = 1;

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
