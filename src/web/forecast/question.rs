//! What the address of a forecast asks for.

use axum::extract::Query;
use axum::http::{StatusCode, Uri};

use super::answer::ForecastFault;
use super::served_model::ServedModel;
use crate::stats::QUANTILES;
use crate::text::nearest;

/// The parameters of `/v1/forecast`.
const PARAMETERS: [&str; 2] = ["steps", "quantiles"];

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForecastQuestion {
    /// How many steps.
    pub steps: usize,
    /// Which quantiles, by their positions in [`QUANTILES`].
    pub quantiles: Vec<usize>,
}

impl ForecastQuestion {
    /// Reads an address; without parameters everything is asked for.
    ///
    /// # Errors
    /// A parameter that is not known, is given twice, or asks for what the model does not forecast.
    pub fn read(uri: &Uri, model: &ServedModel) -> Result<Self, ForecastFault> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let Query(pairs) = pairs.map_err(|_| {
            ForecastFault::new(StatusCode::BAD_REQUEST, "the address is not well-formed")
                .remedy("ask for /v1/forecast?steps=1&quantiles=0.5,0.9")
        })?;
        for (index, (name, _)) in pairs.iter().enumerate() {
            if !PARAMETERS.contains(&name.as_str()) {
                let meant = nearest(name, PARAMETERS).map(|known| format!("did you mean `{known}`? "));
                let remedy = format!("{}the parameters are steps and quantiles", meant.unwrap_or_default());
                return Err(ForecastFault::of_parameter(name, format!("unknown parameter `{name}`"), remedy));
            }
            if pairs[..index].iter().any(|(before, _)| before == name) {
                let error = format!("the parameter `{name}` is given twice");
                return Err(ForecastFault::of_parameter(name, error, "give it once"));
            }
        }
        let value = |name: &str| pairs.iter().find(|(own, _)| own == name).map(|(_, value)| value.trim());
        Ok(Self {
            steps: value("steps").map_or(Ok(model.steps), |value| steps(value, model))?,
            quantiles: match value("quantiles") {
                Some(value) => quantiles(value, model)?,
                None if model.has_quantiles => (0..QUANTILES.len()).collect(),
                None => Vec::new(),
            },
        })
    }
}

fn steps(value: &str, model: &ServedModel) -> Result<usize, ForecastFault> {
    let most = model.steps;
    let range = if most == 1 { "give 1".to_string() } else { format!("give 1 to {most}") };
    match value.parse::<usize>() {
        Ok(steps) if (1..=most).contains(&steps) => Ok(steps),
        Ok(steps) if steps > most => {
            let error = format!("steps: {steps} is more than the {most} that this server forecasts");
            let remedy = format!("{range}, or start the server with --steps {steps}");
            Err(ForecastFault::of_parameter("steps", error, remedy))
        }
        _ => {
            let error = format!("steps: `{value}` is not a number of steps");
            Err(ForecastFault::of_parameter("steps", error, range))
        }
    }
}

fn quantiles(value: &str, model: &ServedModel) -> Result<Vec<usize>, ForecastFault> {
    if !model.has_quantiles {
        return Err(ForecastFault::of_parameter(
            "quantiles",
            format!("quantiles: run {} has no intervals, and so no quantiles", model.run_id),
            "leave the parameter out, or train with uncertainty.conformal = \"adaptive\" or \"split\"",
        ));
    }
    let known = QUANTILES.map(|level| level.to_string()).join(", ");
    let index = |text: &str| {
        let level = text.trim().parse::<f64>().ok();
        let index = level.and_then(|level| QUANTILES.iter().position(|own| *own == level));
        index.ok_or_else(|| {
            let error = match level {
                Some(_) => format!("quantiles: there is no quantile at `{}`", text.trim()),
                None => format!("quantiles: `{}` is not a level between 0 and 1", text.trim()),
            };
            ForecastFault::of_parameter(
                "quantiles",
                error,
                format!("give some of {known}, with commas between"),
            )
        })
    };
    value.split(',').map(index).collect()
}
