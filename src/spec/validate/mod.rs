//! What a well-typed experiment must also satisfy: ranges, sums, names that refer to something.

mod capacity;
mod kubernetes;
mod scheduler;
mod search;

use super::file::{ExperimentSpec, Schedule, TrainingSpec};
use super::model::{FilterUnits, ModelSpec};
use super::problem::Violation;
use super::task::{EmptyWindows, MeanTokensSpec, TaskSpec};

/// A file with more trials for one model holds a mistake.
pub const MOST_TRIALS: usize = 100_000;
/// More epochs than anybody trains for.
const MOST_EPOCHS: usize = 1_000_000;
/// More runs take too long to plan.
pub const MOST_RUNS: usize = 1_000_000;

/// Checks every value of one typed experiment; the first violation in file order is enough for the user.
pub fn violations(spec: &ExperimentSpec) -> Vec<Violation> {
    let mut check = Check(Vec::new());
    check.name(&spec.name);
    check.dataset(spec);
    check.task(&spec.task);
    check.split(spec);
    check.training(&spec.training);
    check.positive("evaluation.mase_season", spec.evaluation.mase_season);
    check.models(&spec.models, &spec.task);
    check.capacity(spec);
    check.search(spec);
    check.scheduler(spec);
    check.0
}

/// Whether the task leaves windows without requests out.
fn skips(task: &TaskSpec) -> bool {
    matches!(task, TaskSpec::WindowLoad(load) if load.empty_windows == EmptyWindows::Skip)
}

struct Check(Vec<Violation>);

impl Check {
    fn require(&mut self, holds: bool, path: &str, message: impl Into<String>, help: impl Into<String>) {
        if !holds {
            self.0.push(Violation::new(path, message, help));
        }
    }

    fn positive(&mut self, path: &str, value: usize) {
        let key = path.rsplit('.').find(|key| key.parse::<usize>().is_err()).unwrap_or(path);
        let message = format!("{key} must be at least 1, got {value}");
        self.require(value >= 1, path, message, "give a positive integer");
    }

    fn name(&mut self, name: &str) {
        let legal = !name.is_empty()
            && !name.starts_with('.')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && name.len() <= 100
            && !["runs", "slurm", "kubernetes"].contains(&name)
            && !name.starts_with("burstlab.db");
        self.require(
            legal,
            "name",
            format!("`{name}` cannot name an experiment"),
            "the name becomes a folder of results/: use at most 100 letters, digits, `-`, `_` and `.`, and none of `runs`, `slurm` and `kubernetes`",
        );
    }

    fn dataset(&mut self, spec: &ExperimentSpec) {
        let dataset = &spec.dataset;
        if let (Some(start), Some(end)) = (dataset.start, dataset.end) {
            self.require(
                start < end,
                "dataset.end",
                format!("the slice from {start} to {end} is empty"),
                "the end must come after the start",
            );
        }
        if let Some(rows) = dataset.max_rows {
            self.positive("dataset.max_rows", rows);
        }
        if let Some(rows) = dataset.latest_rows {
            self.positive("dataset.latest_rows", rows);
            self.require(
                dataset.max_rows.is_none(),
                "dataset.latest_rows",
                "max_rows and latest_rows exclude each other",
                "keep one: the first rows of the slice, or its latest",
            );
        }
        for (key, list) in [("llms", &dataset.llms), ("log_types", &dataset.log_types)] {
            let empty = list.as_ref().is_some_and(Vec::is_empty);
            self.require(
                !empty,
                &format!("dataset.{key}"),
                "an empty list keeps no request",
                "name at least one, or leave the key out to keep all",
            );
        }
        if let Some(quantile) = dataset.cleaning.clip_quantile {
            self.require(
                quantile > 0.0 && quantile < 1.0,
                "dataset.cleaning.clip_quantile",
                format!("clip_quantile must be between 0 and 1, got {quantile}"),
                "for example 0.99",
            );
        }
    }

    fn task(&mut self, task: &TaskSpec) {
        let kind = task.kind();
        self.positive(&format!("task.{kind}.lookback"), task.lookback());
        self.positive(&format!("task.{kind}.horizon"), task.horizon());
        if let TaskSpec::WindowLoad(load) = task {
            let window = load.window.seconds();
            self.require(
                window > 0.0,
                "task.window_load.window",
                "window must be longer than 0s",
                "for example \"1min\"",
            );
            self.require(
                load.mean_tokens || load.empty_windows != EmptyWindows::Last,
                "task.window_load.empty_windows",
                "empty_windows = \"last\" has no effect without mean_tokens: sums of windows without requests are 0",
                "set mean_tokens = true, or leave empty_windows out",
            );
        }
        if let TaskSpec::Series(series) = task
            && let Some(means) = &series.mean_tokens
        {
            self.mean_tokens(means);
        }
        if let TaskSpec::NextRequest(next) = task {
            let mut seen = Vec::new();
            for (index, feature) in next.features.iter().enumerate() {
                let path = format!("task.next_request.features.{index}");
                self.require(!seen.contains(feature), &path, "this feature is given twice", "give it once");
                seen.push(*feature);
            }
        }
    }

    fn mean_tokens(&mut self, means: &MeanTokensSpec) {
        let path = "task.series.mean_tokens.tokens";
        self.require(
            !means.tokens.is_empty(),
            path,
            "no column with tokens is given",
            "name the columns with tokens, or leave mean_tokens out",
        );
        for (index, name) in means.tokens.iter().enumerate() {
            let path = format!("{path}.{index}");
            let is_new = !means.tokens[..index].contains(name);
            self.require(is_new, &path, format!("the column `{name}` is given twice"), "give it once");
            self.require(
                *name != means.requests,
                &path,
                format!("`{name}` is the column with the requests"),
                "name the columns with tokens, each of which is divided by the requests",
            );
        }
    }

    fn split(&mut self, spec: &ExperimentSpec) {
        let split = &spec.split;
        self.positive("split.folds", split.folds);
        if let Some(rows) = split.rows {
            for (index, count) in rows.iter().enumerate() {
                self.positive(&format!("split.rows.{index}"), *count);
            }
            return;
        }
        for (key, value) in [("train", split.train), ("valid", split.valid), ("test", split.test)] {
            let path = format!("split.{key}");
            let fraction = value > 0.0 && value < 1.0;
            self.require(
                fraction,
                &path,
                format!("{key} must be between 0 and 1, got {value}"),
                "give the fraction of the steps",
            );
        }
        let sum = split.train + split.valid + split.test;
        self.require(
            sum <= 1.0 + 1e-9,
            "split.test",
            format!("train, valid and test must add up to at most 1, got {sum}"),
            "lower one of the fractions",
        );
    }

    fn training(&mut self, training: &TrainingSpec) {
        self.require(
            (1..=MOST_EPOCHS).contains(&training.epochs),
            "training.epochs",
            format!("epochs must be between 1 and {MOST_EPOCHS}, got {}", training.epochs),
            "early stopping ends a run before its last epoch where more of them do not help",
        );
        self.positive("training.batch_size", training.batch_size);
        let rate = training.learning_rate;
        self.require(
            rate > 0.0 && rate.is_finite(),
            "training.learning_rate",
            format!("learning_rate must be positive and finite, got {rate}"),
            "for example 1e-3",
        );
        let decay = training.weight_decay;
        self.require(
            decay >= 0.0 && decay.is_finite(),
            "training.weight_decay",
            format!("weight_decay must be finite and not negative, got {decay}"),
            "give 0 or a small positive number",
        );
        if let Some(delta) = training.huber_delta {
            let positive = delta > 0.0 && delta.is_finite();
            let message = format!("huber_delta must be positive and finite, got {delta}");
            self.require(positive, "training.huber_delta", message, "for example 1.0");
        }
        for (target, weight) in &training.target_weights {
            let path = format!("training.target_weights.{target}");
            let message = format!("a target weight must be finite and not negative, got {weight}");
            self.require(*weight >= 0.0 && weight.is_finite(), &path, message, "give 0 or a positive number");
        }
        if let Some(norm) = training.gradient_clip_norm {
            let path = "training.gradient_clip_norm";
            let message = format!("gradient_clip_norm must be positive and finite, got {norm}");
            self.require(norm > 0.0 && norm.is_finite(), path, message, "for example 1.0");
        }
        if let Some(patience) = training.early_stopping_patience {
            self.positive("training.early_stopping_patience", patience);
        }
        match training.schedule {
            Schedule::ReduceOnPlateau { patience, factor } => {
                self.positive("training.schedule.reduce_on_plateau.patience", patience);
                self.require(
                    factor > 0.0 && factor < 1.0,
                    "training.schedule.reduce_on_plateau.factor",
                    format!("factor must be between 0 and 1, got {factor}"),
                    "give the share of the learning rate that is kept, e.g. 0.5",
                );
            }
            Schedule::Cosine { min_learning_rate } => self.require(
                min_learning_rate >= 0.0 && min_learning_rate <= rate,
                "training.schedule.cosine.min_learning_rate",
                format!(
                    "min_learning_rate must be between 0 and learning_rate = {rate}, got {min_learning_rate}"
                ),
                "give the rate of the last epoch",
            ),
            Schedule::Halve { from_epoch } => {
                self.require(
                    from_epoch >= 2,
                    "training.schedule.halve.from_epoch",
                    format!("from_epoch must be at least 2, got {from_epoch}"),
                    "epochs count from 1, and the first keeps training.learning_rate",
                );
            }
            Schedule::Constant => {}
        }
    }

    fn models(&mut self, models: &[ModelSpec], task: &TaskSpec) {
        self.require(
            !models.is_empty(),
            "models",
            "no model is given",
            "add [[models]] and [models.persistence]",
        );
        for (index, model) in models.iter().enumerate() {
            for mut violation in model.violations() {
                violation.path.splice(0..0, ["models", &index.to_string(), model.kind()].map(str::to_string));
                self.0.push(violation);
            }
            if let Some(season) = model.season()
                && let Err(error) = season.steps_of(task)
            {
                let help = match task {
                    TaskSpec::WindowLoad(load) if load.empty_windows == EmptyWindows::Skip => {
                        "give the season as a number of windows with requests, or set empty_windows = \"zero\"".to_string()
                    }
                    TaskSpec::WindowLoad(load) => format!("give a multiple of {}, or a number of windows", load.window),
                    _ => "give the season as a number of steps, e.g. season = 24 for the day of an hourly table".to_string(),
                };
                self.require(
                    false,
                    &format!("models.{index}.{}.season", model.kind()),
                    error.to_string(),
                    help,
                );
            }
            if let Some(misfit) = model.misfit(task) {
                let place = misfit.place(model, task, index).join(".");
                self.require(false, &place, misfit.message, misfit.help);
            }
            if let ModelSpec::Arima(arima) = model {
                self.require(
                    arima.units == FilterUnits::Original || !matches!(task, TaskSpec::Series(_)),
                    &format!("models.{index}.arima.units"),
                    "units = \"scaled\" has no effect: the columns of a series are only moved and stretched, and so are the forecasts of arima",
                    "leave it out",
                );
            }
            if let ModelSpec::Prophet(_) = model {
                self.require(
                    !matches!(task, TaskSpec::NextRequest(_)),
                    &format!("models.{index}.prophet"),
                    "prophet needs steps at known times, which requests do not have",
                    "leave it out, or use task.window_load",
                );
                self.require(
                    !skips(task),
                    &format!("models.{index}.prophet"),
                    "prophet needs steps at known times, and empty_windows = \"skip\" leaves windows out",
                    "leave it out, or set empty_windows = \"zero\" or \"last\"",
                );
            }
            let process = match model {
                ModelSpec::Renewal(_) => Some("renewal"),
                ModelSpec::Hawkes(_) => Some("Hawkes"),
                ModelSpec::NeuralPointProcess(_) => Some("neural point"),
                _ => None,
            };
            if let Some(process) = process {
                self.require(
                    matches!(task, TaskSpec::NextRequest(_)),
                    &format!("models.{index}.{}", model.kind()),
                    format!("a {process} process models arrivals, which {} does not forecast", task.kind()),
                    "leave it out, or use task.next_request",
                );
            }
            if let ModelSpec::Dlinear(dlinear) = model {
                // Beyond this every average covers the whole lookback.
                let widest = task.lookback().saturating_mul(2).saturating_add(1);
                self.require(
                    dlinear.kernel <= widest,
                    &format!("models.{index}.dlinear.kernel"),
                    format!(
                        "kernel must be at most {widest} for a lookback of {}, got {}",
                        task.lookback(),
                        dlinear.kernel
                    ),
                    "a wider average covers the whole lookback at every step",
                );
            }
            let ModelSpec::Ensemble(ensemble) = model else {
                continue;
            };
            for (member, name) in ensemble.members.iter().enumerate() {
                let path = format!("models.{index}.ensemble.members.{member}");
                let twice = ensemble.members[..member].contains(name);
                self.require(!twice, &path, format!("the member `{name}` is given twice"), "give it once");
                let known = models.iter().any(|other| other.kind() == name && name != "ensemble");
                self.require(
                    known,
                    &format!("models.{index}.ensemble.members.{member}"),
                    format!("the member `{name}` is not a model of this file"),
                    "give kinds of models of this file, other than ensemble",
                );
            }
        }
    }
}
