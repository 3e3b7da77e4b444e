//! What a run is expected to cost, so that shares of a plan take equally long.
//!
//! Costs are whole numbers: their sums are the same in whatever order they are added up, on every machine.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::Run;
use crate::spec::{ArimaOrder, ModelSpec, OrderSearch, RunSpec, lookup};

/// Channels of the tasks on requests; that of a table is the same for all runs of a plan.
const CHANNELS: f64 = 3.0;
/// A step of training goes through the model once forth and about twice back.
const PASSES: f64 = 3.0;
/// What a run costs beside its model, in products: to be prepared, scored and saved.
const OVERHEAD: f64 = 2e7;
/// Steps that `arima` is fitted to at most.
const ARIMA_STEPS: f64 = 10_000.0;
/// Coefficients of an `arima` whose orders are chosen: about those of all the orders that are tried, and of the one that is taken.
const SEARCHED: f64 = 50.0;
const CHOSEN: f64 = 5.0;
/// A microsecond, in which known costs are counted.
const PER_SECOND: f64 = 1e6;

/// Seconds of earlier runs by their shape, as [`shape`] names it.
pub type KnownCosts = BTreeMap<String, f64>;

/// The expected cost of each run, in units that mean something beside each other only. A run whose shape is known costs what
/// its like did; another what its parameters say, at the rate of those that are known.
pub fn expected_costs<'a>(runs: impl Iterator<Item = &'a Run> + Clone, known: &KnownCosts) -> Vec<u64> {
    let shapes: Vec<(String, f64)> =
        runs.clone().map(|run| (shape(&run.spec.params()), products(&run.spec, run.windows))).collect();
    // Seconds and products of the known runs: first of one kind of model, then of all.
    let mut rates: HashMap<&str, (f64, f64)> = HashMap::new();
    for (run, (shape, products)) in runs.clone().zip(&shapes) {
        if let Some(seconds) = known.get(shape) {
            for kind in [run.spec.model.kind(), ""] {
                let rate = rates.entry(kind).or_default();
                *rate = (rate.0 + seconds, rate.1 + products);
            }
        }
    }
    let cost = |run: &Run, shape: &String, products: f64| match known.get(shape) {
        Some(seconds) => seconds * PER_SECOND,
        None => match rates.get(run.spec.model.kind()).or(rates.get("")) {
            Some((seconds, of)) => products * seconds / of * PER_SECOND,
            None => products,
        },
    };
    // A cost of zero would let any number of runs pile up in one share.
    runs.zip(&shapes).map(|(run, (shape, products))| (cost(run, shape, *products) as u64).max(1)).collect()
}

/// What runs that take equally long have in common, from the parameters of a run as the store keeps them: everything but what
/// changes numbers without changing their count.
pub fn shape(params: &Value) -> String {
    let training = ["epochs", "batch_size", "loss"].map(|key| lookup(params, &format!("training.{key}")));
    json!([params.get("model"), params.get("task"), params.get("dataset"), params.get("split"), training])
        .to_string()
}

/// About how many products of numbers a run takes.
fn products(spec: &RunSpec, windows: usize) -> f64 {
    let windows = windows as f64;
    let (lookback, horizon) = (spec.task.lookback() as f64, spec.task.horizon() as f64);
    let read = lookback * CHANNELS;
    let recurrent = |gates: f64, hidden: usize, layers: usize| {
        let (hidden, layers) = (hidden as f64, layers as f64);
        lookback * gates * hidden * (CHANNELS + hidden + (layers - 1.0) * 2.0 * hidden)
    };
    let forward = match &spec.model {
        ModelSpec::Linear(_) | ModelSpec::Nlinear(_) => read * horizon,
        ModelSpec::Dlinear(_) => 2.0 * read * horizon,
        ModelSpec::Lstm(model) => recurrent(4.0, model.hidden, model.layers),
        ModelSpec::Gru(model) => recurrent(3.0, model.hidden, model.layers),
        ModelSpec::NeuralPointProcess(model) => {
            recurrent(3.0, model.hidden, model.layers)
                + lookback * (model.hidden * model.components) as f64 * CHANNELS
        }
        ModelSpec::TsMixer(model) => {
            model.blocks as f64 * read * (lookback + 2.0 * model.hidden as f64) + read * horizon
        }
        ModelSpec::Tcn(model) => {
            let hidden = model.hidden as f64;
            2.0 * model.blocks as f64 * lookback * hidden * hidden * model.kernel as f64
        }
        ModelSpec::BoostedTrees(model) => {
            let trees = (model.trees * model.max_depth) as f64 * horizon * CHANNELS;
            return OVERHEAD + windows * read * trees;
        }
        // Each lookback is fitted anew, in many forms.
        ModelSpec::Ets(_) => return OVERHEAD + windows * read * 3_000.0,
        ModelSpec::Arima(model) => {
            let coefficients = |order: ArimaOrder| order.given().map(|[ar, _, ma]| (ar + ma) as f64);
            let seasonal = model.season.map_or(Some(0.0), |_| coefficients(model.seasonal_order));
            let given = coefficients(model.order).zip(seasonal).map(|(own, seasonal)| 1.0 + own + seasonal);
            let searched = given.unwrap_or(SEARCHED);
            // Orders that were chosen once are few.
            let refitted = match model.order_search {
                OrderSearch::Once => given.unwrap_or(CHOSEN),
                OrderSearch::EveryRefit => searched,
            };
            let fitted = match model.refit_every {
                Some(every) => refits(windows, every) * read * refitted,
                None => windows.min(ARIMA_STEPS) * CHANNELS * searched,
            };
            return OVERHEAD + fitted * 3_000.0 + windows * read * 10.0;
        }
        ModelSpec::Prophet(model) => {
            // Without refits, one curve is fitted to all steps.
            let fitted = model.refit_every.map_or(windows * CHANNELS, |every| refits(windows, every) * read);
            return OVERHEAD + fitted * (20 + model.n_changepoints) as f64 * 50.0 + windows * read * 10.0;
        }
        // A few passes over the windows.
        _ => return OVERHEAD + windows * read * 10.0,
    };
    let passes = if spec.model.is_trained() {
        PASSES * spec.training.epochs as f64 + 1.0
    } else {
        // In closed form: the products of every two inputs.
        1.0 + lookback
    };
    OVERHEAD + windows * forward * passes
}

/// How often a model is fitted that is fitted anew for every so many windows.
fn refits(windows: f64, every: usize) -> f64 {
    (windows / every.max(1) as f64).ceil()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::test_runs::run;
    use crate::spec::{ArimaSpec, ProphetSpec};

    fn costs(runs: &[Run], known: &KnownCosts) -> Vec<u64> {
        expected_costs(runs.iter(), known)
    }

    #[test]
    fn what_has_more_to_compute_costs_more() {
        let lstm =
            |hidden: usize, epochs: usize| run(&format!("[models.lstm]\nhidden = {hidden}"), epochs, 0);
        let runs = [
            run("[models.persistence]", 1, 0),
            run("[models.linear]", 1, 0),
            lstm(8, 1),
            lstm(8, 4),
            lstm(64, 4),
        ];
        let costs = costs(&runs, &KnownCosts::new());
        assert!(costs.is_sorted_by(|one, next| one < next), "{costs:?}");
    }

    #[test]
    fn a_model_costs_more_the_more_often_it_is_fitted_anew() {
        let arima = |order_search, refit_every| {
            ModelSpec::Arima(ArimaSpec { refit_every, order_search, ..ArimaSpec::default() })
        };
        let models: [&dyn Fn(Option<usize>) -> ModelSpec; 3] = [
            &|refit_every| arima(OrderSearch::Once, refit_every),
            &|refit_every| arima(OrderSearch::EveryRefit, refit_every),
            &|refit_every| ModelSpec::Prophet(ProphetSpec { refit_every, ..ProphetSpec::default() }),
        ];
        for model in models {
            let runs = [Some(50), Some(10), Some(1)].map(|refit_every| {
                let mut run = run("[models.zero]", 1, 0);
                run.spec.model = model(refit_every);
                run
            });
            let costs = costs(&runs, &KnownCosts::new());
            assert!(costs.is_sorted_by(|one, next| one < next), "{costs:?}");
        }
    }

    #[test]
    fn a_run_costs_what_its_like_did_and_others_are_measured_by_it() {
        let runs = [run("[models.lstm]\nhidden = 8", 4, 0), run("[models.lstm]\nhidden = 8", 4, 1)];
        let mut slow = run("[models.lstm]\nhidden = 8", 4, 2);
        slow.spec.training.learning_rate = 0.5;
        let larger = run("[models.lstm]\nhidden = 16", 4, 0);
        let known = KnownCosts::from([(shape(&runs[0].spec.params()), 2.0)]);
        let all = [runs[0].clone(), runs[1].clone(), slow, larger];
        let costs = costs(&all, &known);
        assert_eq!(costs[..3], [2_000_000; 3], "neither a seed nor a rate makes a run longer");
        assert!(costs[3] > 2_000_000 && costs[3] < 8_000_000, "{costs:?}");
    }
}
