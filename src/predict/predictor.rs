//! The saved models of an experiment.

use std::path::Path;

use anyhow::{Context, bail, ensure};

use super::forecast::Forecast;
use super::saved_model::SavedModel;
use crate::compare::{Board, Comparison};
use crate::dataset::Trace;
use crate::model::intervals::{LEVELS, interval};
use crate::spec::TaskSpec;
use crate::store::{Store, results_folder};

/// Saved models, ready to forecast the next steps of a trace.
///
/// It reads files only while it is opened and can then forecast any number of times. Every forecast comes from the model
/// itself: none is replaced by a statistic of the recent past.
///
/// # Example
///
/// First a tiny model is trained; then every model of the experiment forecasts how the trace continues.
///
/// ```standalone_crate
/// use burstlab::dataset::{Trace, read_trace};
/// use burstlab::predict::Predictor;
///
/// # // A sweep's workers are this program, started with other arguments.
/// # if std::env::args().nth(1).as_deref() == Some("worker") {
/// #     burstlab::cli::main();
/// #     return Ok(());
/// # }
/// # let folder = tempfile::tempdir()?;
/// # std::env::set_current_dir(folder.path())?;
/// # let excerpt = concat!(env!("CARGO_MANIFEST_DIR"), "/dataset/fixtures/azure-conv-excerpt.csv");
/// # std::fs::copy(excerpt, "trace.csv")?;
/// # std::fs::write("tiny.toml", "name = \"tiny\"\n[dataset]\nsource = \"trace.csv\"\n[task.next_request]\n\
/// #     lookback = 8\n[training]\nepochs = 1\n[[models]]\n[models.dlinear]\nkernel = 3\n[[models]]\n[models.mean]\n")?;
/// // The same as `burstlab run tiny.toml`: results are written to results/, or to where BURSTLAB_RESULTS points.
/// burstlab::cli::call(["burstlab", "run", "tiny.toml"]);
///
/// let predictor = Predictor::load("tiny")?;
/// let history = read_trace("trace.csv".as_ref())?;
/// for next in predictor.predict_next_request(&history)? {
///     let (lower, upper) = next.request_tokens_interval(80).ok_or("no intervals")?;
///     println!(
///         "{}: in {:.2} s, {:.0} request tokens (80 %: {lower:.0} to {upper:.0}), {:.0} response tokens",
///         next.model, next.gap_s, next.request_tokens, next.response_tokens
///     );
///     assert!(next.gap_s >= 0.0 && lower <= upper);
/// }
///
/// // Several requests ahead: each model is fed its own forecasts.
/// let ahead = predictor.predict_next_requests(&history, 3)?;
/// assert_eq!((ahead.len(), ahead[0].len()), (2, 3));
/// assert!(ahead[0][2].arrival_s >= ahead[0][1].arrival_s);
/// # assert_eq!(ahead[0][0], predictor.predict_next_request(&history)?[0]);
/// # let Trace::Requests(requests) = &history else { panic!() };
/// # assert!(ahead[0][0].arrival_s >= *requests.arrival_s.last().unwrap());
/// # assert!(Predictor::load("large").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Predictor {
    models: Vec<SavedModel>,
}

/// The next request as one model forecasts it.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestForecast {
    /// The model's kind, such as `lstm`.
    pub model: String,
    /// The run that trained it.
    pub run_id: String,
    /// Its arrival, in seconds since the first row of the history that cleaning keeps.
    pub arrival_s: f64,
    /// Seconds since the previous request; never below zero.
    pub gap_s: f64,
    /// Its prompt tokens, not rounded; never below zero.
    pub request_tokens: f64,
    /// The tokens that will be generated for it, not rounded; never below zero.
    pub response_tokens: f64,
    /// Its intervals at 50, 80 and 95 %, the narrowest first. Empty if the experiment has no intervals, or if the history is
    /// too short for the backtest of steps beyond the model's horizon.
    pub intervals: Vec<Interval>,
}

/// Bounds that contain a share of the observed values, for each quantity by itself, in the units of the forecast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The share, in percent.
    pub level: u32,
    /// Lower and upper bound of the gap, in seconds.
    pub gap_s: (f64, f64),
    /// Lower and upper bound of the request tokens.
    pub request_tokens: (f64, f64),
    /// Lower and upper bound of the response tokens.
    pub response_tokens: (f64, f64),
}

impl RequestForecast {
    /// The bounds of the request tokens at a level in percent: 50, 80 or 95; `None` at others or without intervals.
    pub fn request_tokens_interval(&self, level: u32) -> Option<(f64, f64)> {
        self.interval(level).map(|interval| interval.request_tokens)
    }

    /// The interval at a level in percent: 50, 80 or 95; `None` at others or without intervals.
    pub fn interval(&self, level: u32) -> Option<&Interval> {
        self.intervals.iter().find(|interval| interval.level == level)
    }
}

impl Predictor {
    /// Opens one model of each kind of an experiment, the best on validation first, from the default results folder:
    /// `BURSTLAB_RESULTS`, or `results` where that is not set.
    ///
    /// # Errors
    /// As [`Predictor::load_from`].
    pub fn load(experiment: &str) -> anyhow::Result<Self> {
        Self::load_from(&results_folder(), experiment)
    }

    /// Opens one model of each kind of an experiment, the best on validation first: the best run of the best trial.
    ///
    /// # Errors
    /// An experiment that does not exist, has no finished run, or has several settings, whose errors are not comparable; a
    /// model whose files are missing or damaged.
    pub fn load_from(results: &Path, experiment: &str) -> anyhow::Result<Self> {
        let runs = ranked_runs(results, experiment)?;
        let models = runs.iter().map(|run_id| SavedModel::open(results, run_id));
        Ok(Self { models: models.collect::<anyhow::Result<_>>()? })
    }

    /// Opens the model of an experiment that is best on validation, and no other.
    ///
    /// # Errors
    /// As [`Predictor::load_from`].
    pub fn load_best(results: &Path, experiment: &str) -> anyhow::Result<Self> {
        let runs = ranked_runs(results, experiment)?;
        Ok(Self { models: vec![SavedModel::open(results, &runs[0])?] })
    }

    /// Opens the model of one run, given by its ID or the beginning of it.
    ///
    /// # Errors
    /// No such run, several of them, or one without files.
    pub fn load_run(results: &Path, run_id: &str) -> anyhow::Result<Self> {
        let run_id = Store::open_read_only(results)?.resolve_run(run_id)?;
        Ok(Self { models: vec![SavedModel::open(results, &run_id)?] })
    }

    /// The models, the best on validation first; there is at least one.
    pub fn models(&self) -> &[SavedModel] {
        &self.models
    }

    /// The best of the models, by itself.
    pub fn into_best(mut self) -> SavedModel {
        self.models.swap_remove(0)
    }

    /// The best of the models.
    pub fn best(&self) -> &SavedModel {
        &self.models[0]
    }

    /// The next request after a trace, one forecast for each model in the order of [`Predictor::models`].
    ///
    /// # Errors
    /// Models of another task than `next_request`, a trace of the wrong kind, or one that is shorter than a model's
    /// lookback.
    pub fn predict_next_request(&self, history: &Trace) -> anyhow::Result<Vec<RequestForecast>> {
        let each = self.predict_next_requests(history, 1)?;
        Ok(each.into_iter().flatten().collect())
    }

    /// The next `count` requests after a trace: for each model, in the order of [`Predictor::models`], the requests in
    /// the order of their arrival. Beyond its horizon a model is fed its own forecasts.
    ///
    /// # Errors
    /// As [`Predictor::predict_next_request`], and a count of 0.
    pub fn predict_next_requests(
        &self,
        history: &Trace,
        count: usize,
    ) -> anyhow::Result<Vec<Vec<RequestForecast>>> {
        let task = &self.best().saved().spec.task;
        ensure!(
            matches!(task, TaskSpec::NextRequest(_)),
            "these models were trained for the task {}, not for next_request; use predict_steps",
            task.kind()
        );
        let forecasts = self.models.iter().zip(self.predict_steps(history, count)?);
        Ok(forecasts.map(|(model, forecast)| requests(model, &forecast)).collect())
    }

    /// The next `count` steps after a trace, whatever the task: one forecast for each model in the order of
    /// [`Predictor::models`].
    ///
    /// # Errors
    /// A trace of the wrong kind, one that is shorter than a model's lookback, or a count of 0.
    pub fn predict_steps(&self, history: &Trace, count: usize) -> anyhow::Result<Vec<Forecast>> {
        ensure!(count > 0, "the number of steps must be at least 1");
        self.models.iter().map(|model| model.forecast(history, count)).collect()
    }
}

fn requests(model: &SavedModel, forecast: &Forecast) -> Vec<RequestForecast> {
    let steps = forecast.steps.iter().map(|step| RequestForecast {
        model: model.saved().spec.model.kind().to_string(),
        run_id: model.saved().run_id.clone(),
        arrival_s: step.time_s,
        gap_s: step.values[0],
        request_tokens: step.values[1],
        response_tokens: step.values[2],
        intervals: match step.bounds.as_slice() {
            [gap, request, response] => {
                let of = |(index, &level)| Interval {
                    level,
                    gap_s: interval(gap, index),
                    request_tokens: interval(request, index),
                    response_tokens: interval(response, index),
                };
                LEVELS.iter().enumerate().map(of).collect()
            }
            _ => Vec::new(),
        },
    });
    steps.collect()
}

/// The best run of each model of an experiment, the best on validation first; at least one.
fn ranked_runs(results: &Path, experiment: &str) -> anyhow::Result<Vec<String>> {
    let comparison = Comparison::read(&mut Store::open_read_only(results)?, results, experiment)?;
    let board = match comparison.boards.as_slice() {
        [] => bail!("the experiment `{experiment}` has no finished run"),
        [board] => board,
        several => bail!(
            "the experiment `{experiment}` has {} settings ({}), whose errors are not comparable; choose a run with --run \
             (burstlab runs --experiment {experiment} lists them)",
            several.len(),
            several.iter().map(|board| board.title.as_str()).collect::<Vec<_>>().join("; ")
        ),
    };
    let runs = best_runs(board, &comparison);
    runs.first().with_context(|| format!("the experiment `{experiment}` has no finished run"))?;
    Ok(runs)
}

fn best_runs(board: &Board, comparison: &Comparison) -> Vec<String> {
    let mut rows: Vec<_> = board.rows.iter().collect();
    rows.sort_by(|a, b| a.valid.total_cmp(&b.valid));
    let best_of = |run_ids: &[String]| {
        let own = comparison.scored.iter().filter(|run| run_ids.contains(&run.run_id));
        own.min_by(|a, b| a.valid.unwrap_or(f64::INFINITY).total_cmp(&b.valid.unwrap_or(f64::INFINITY)))
    };
    rows.iter().filter_map(|row| best_of(&row.run_ids)).map(|run| run.run_id.clone()).collect()
}
