//! `burstlab predict`: the next steps of a trace, from a saved model.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use super::{OutputFormat, existing_file};
use crate::console::{Console, number, table};
use crate::dataset::read_trace_as;
use crate::exit_code::Exit;
use crate::intervals::{LEVELS, interval};
use crate::predict::{Forecast, best_run, forecast};
use crate::scheduler::SavedRun;
use crate::store::{Store, results_folder};
use crate::train::ComputeDevice;

/// Index of the interval that people are shown, in [`LEVELS`].
const EIGHTY: usize = 1;

#[derive(Debug, Args)]
pub(super) struct PredictArgs {
    /// The model of this run
    #[arg(long, conflicts_with = "experiment", required_unless_present = "experiment")]
    run: Option<String>,
    /// The model of this experiment that is best on validation
    #[arg(long)]
    experiment: Option<String>,
    /// The trace whose next steps are forecast
    #[arg(long, value_name = "FILE")]
    trace: PathBuf,
    /// How many steps
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// How they are printed
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
}

pub(super) fn predict(args: &PredictArgs, console: Console) -> anyhow::Result<Exit> {
    existing_file(&args.trace)?;
    let results = results_folder();
    let mut store = Store::open_read_only(&results)?;
    let run_id = match (&args.run, &args.experiment) {
        (Some(prefix), _) => store.resolve_run(prefix)?,
        (None, Some(experiment)) => best_run(&mut store, experiment)?,
        (None, None) => return Err(super::usage("give --run or --experiment")),
    };
    let saved = SavedRun::read(&results, &run_id)?;
    let model = saved.load(&results, &ComputeDevice::cpu())?;
    let trace = read_trace_as(&args.trace, saved.spec.dataset.columns.as_ref())?;
    let offsets = saved.offsets(&results)?;
    let forecast = forecast(&saved, model.as_ref(), offsets.as_ref(), &trace, args.steps as usize)?;
    if offsets.is_some() && forecast.steps.iter().any(|step| step.bounds.is_empty()) {
        console.note(&format!(
            "no interval beyond step {}: the trace is too short for a backtest of forecasts that are fed back",
            saved.spec.task.horizon()
        ));
    }
    match args.format {
        OutputFormat::Human => console.result(&for_people(&saved, &forecast)),
        OutputFormat::Json => console.result(&to_json(&saved, &forecast).to_string()),
    }
    Ok(Exit::Ok)
}

fn for_people(saved: &SavedRun, forecast: &Forecast) -> String {
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

fn to_json(saved: &SavedRun, forecast: &Forecast) -> Value {
    let steps: Vec<Value> = forecast
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let mut fields = Map::new();
            fields.insert("step".into(), json!(index + 1));
            fields.insert(forecast.time_name.into(), json!(step.time_s));
            for (target, value) in forecast.targets.iter().zip(&step.values) {
                fields.insert(target.name.clone(), json!(value));
            }
            for (target, bounds) in forecast.targets.iter().zip(&step.bounds) {
                let levels = LEVELS.iter().enumerate().map(|(index, level)| {
                    let (lower, upper) = interval(bounds, index);
                    (level.to_string(), json!([lower, upper]))
                });
                fields.insert(format!("{}_intervals", target.name), Value::Object(levels.collect()));
            }
            Value::Object(fields)
        })
        .collect();
    json!({
        "run_id": saved.run_id, "model": saved.spec.model.kind(), "task": saved.spec.task.kind(),
        "conformal": saved.spec.uncertainty.conformal, "last_s": forecast.last_s, "steps": steps,
    })
}
