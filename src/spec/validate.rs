//! What a well-typed experiment must also satisfy: ranges, sums, names that refer to something.

use super::file::{ExperimentSpec, Schedule, SearchSpec, SlurmSpec, Strategy, TaskSpec, TrainingSpec};
use crate::search::{MOST_SOBOL_POINTS, PrunerSpec, STARTUP_TRIALS};
use crate::spec::{FEWEST_STEPS, ModelSpec};

/// More trials than this are a mistake in the file, not a plan.
pub const MOST_TRIALS: usize = 100_000;
/// More runs than this are planned too slowly, and would be asked for by mistake.
pub const MOST_RUNS: usize = 1_000_000;
/// More threads than any machine would give one run.
const MOST_THREADS: usize = 256;
/// Tasks of a job array that Slurm takes by default (`MaxArraySize`).
const MOST_PARTS: usize = 1_000;

/// A value that is well-typed but impossible, and where it stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// Keys from the root, as in the file.
    pub path: Vec<String>,
    /// What is wrong with it.
    pub message: String,
    /// The remedy.
    pub help: String,
}

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
    check.report(spec);
    check.search(spec);
    check.scheduler(spec);
    check.0
}

struct Check(Vec<Violation>);

impl Check {
    fn require(&mut self, holds: bool, path: &str, message: impl Into<String>, help: impl Into<String>) {
        if !holds {
            let path = path.split('.').map(str::to_string).collect();
            self.0.push(Violation { path, message: message.into(), help: help.into() });
        }
    }

    fn positive(&mut self, path: &str, value: usize) {
        self.require(value >= 1, path, "this must be at least 1", "give a positive whole number");
    }

    fn name(&mut self, name: &str) {
        let legal = !name.is_empty()
            && !name.starts_with('.')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && name.len() <= 100
            && name != "runs"
            && name != "slurm"
            && !name.starts_with("burstlab.db");
        self.require(
            legal,
            "name",
            format!("`{name}` cannot name an experiment"),
            "it becomes a folder under results/: use at most 100 letters, digits, `-`, `_` and `.`, and neither `runs` nor `slurm`",
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
                "the first rows of the slice and its latest ones cannot both be chosen",
                "give either max_rows or latest_rows",
            );
        }
        for (key, list) in [("llms", &dataset.llms), ("log_types", &dataset.log_types)] {
            let empty = list.as_ref().is_some_and(Vec::is_empty);
            self.require(
                !empty,
                &format!("dataset.{key}"),
                "this list keeps no request",
                "name at least one",
            );
        }
        if let Some(quantile) = dataset.cleaning.clip_quantile {
            self.require(
                quantile > 0.0 && quantile < 1.0,
                "dataset.cleaning.clip_quantile",
                format!("{quantile} is not a quantile"),
                "give a number between 0 and 1, e.g. 0.99",
            );
        }
    }

    fn task(&mut self, task: &TaskSpec) {
        let kind = task.kind();
        self.positive(&format!("task.{kind}.lookback"), task.lookback());
        self.positive(&format!("task.{kind}.horizon"), task.horizon());
        if let TaskSpec::WindowLoad(load) = task {
            let window = load.window.seconds();
            self.require(window > 0.0, "task.window_load.window", "a window has a width", "e.g. \"1min\"");
        }
        if let TaskSpec::NextRequest(next) = task {
            let mut seen = Vec::new();
            for (index, feature) in next.features.iter().enumerate() {
                let path = format!("task.next_request.features.{index}");
                self.require(!seen.contains(feature), &path, "this feature is named twice", "name it once");
                seen.push(*feature);
            }
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
                format!("{value} is not a fraction of the steps"),
                "between 0 and 1",
            );
        }
        let sum = split.train + split.valid + split.test;
        self.require(
            sum <= 1.0 + 1e-9,
            "split.test",
            format!("train + valid + test = {sum}, more than the whole"),
            "the three fractions add up to at most 1",
        );
    }

    fn training(&mut self, training: &TrainingSpec) {
        self.positive("training.epochs", training.epochs);
        self.positive("training.batch_size", training.batch_size);
        let rate = training.learning_rate;
        self.require(
            rate > 0.0 && rate.is_finite(),
            "training.learning_rate",
            format!("{rate} is not a learning rate"),
            "give a positive number, e.g. 1e-3",
        );
        let decay = training.weight_decay;
        self.require(
            decay >= 0.0 && decay.is_finite(),
            "training.weight_decay",
            format!("{decay} is not a weight decay"),
            "give 0 or a small positive number",
        );
        if let Some(delta) = training.huber_delta {
            let positive = delta > 0.0 && delta.is_finite();
            let message = format!("{delta} is no distance where the Huber loss could turn");
            self.require(positive, "training.huber_delta", message, "give a positive number, e.g. 1.0");
        }
        for (target, weight) in &training.target_weights {
            let path = format!("training.target_weights.{target}");
            let message = format!("{weight} is no weight");
            self.require(*weight >= 0.0 && weight.is_finite(), &path, message, "give 0 or a positive number");
        }
        if let Some(norm) = training.gradient_clip_norm {
            let path = "training.gradient_clip_norm";
            self.require(norm > 0.0, path, format!("no gradient has norm {norm}"), "give a positive number");
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
                    format!("a factor of {factor} does not reduce the learning rate"),
                    "between 0 and 1",
                );
            }
            Schedule::Cosine { min_learning_rate } => self.require(
                min_learning_rate >= 0.0 && min_learning_rate <= rate,
                "training.schedule.cosine.min_learning_rate",
                format!("the rate cannot fall from {rate} to {min_learning_rate}"),
                "give a rate between 0 and training.learning_rate",
            ),
            Schedule::Halve { from_epoch } => {
                self.require(
                    from_epoch >= 2,
                    "training.schedule.halve.from_epoch",
                    "the first epoch has no rate before it to halve",
                    "epochs count from 1: give 2 or more",
                );
            }
            Schedule::Constant => {}
        }
    }

    fn models(&mut self, models: &[ModelSpec], task: &TaskSpec) {
        self.require(
            !models.is_empty(),
            "models",
            "no model is named",
            "add [[models]] and [models.persistence]",
        );
        for (index, model) in models.iter().enumerate() {
            for (key, message, help) in model.violations() {
                self.require(false, &format!("models.{index}.{}.{key}", model.kind()), message, help);
            }
            if let ModelSpec::SeasonalNaive(spec) = model
                && let Err(message) = spec.season.steps_of(task)
            {
                let help = match task {
                    TaskSpec::WindowLoad(load) => format!("give a multiple of {}, or a number of windows", load.window),
                    _ => "give the season as a number of steps, e.g. season = 24 for the day of an hourly table".to_string(),
                };
                self.require(false, &format!("models.{index}.seasonal_naive.season"), message, help);
            }
            if let ModelSpec::Ets(_) = model {
                self.require(
                    task.lookback() >= FEWEST_STEPS,
                    &format!("task.{}.lookback", task.kind()),
                    format!(
                        "a lookback of {} is too short for ets, which is fitted to it alone",
                        task.lookback()
                    ),
                    format!("give at least {FEWEST_STEPS}, or leave ets out"),
                );
            }
            if let ModelSpec::Prophet(_) = model {
                self.require(
                    !matches!(task, TaskSpec::NextRequest(_)),
                    &format!("models.{index}.prophet"),
                    "prophet forecasts what comes at times that are known ahead, which those of requests are not",
                    "leave it out, or take task.window_load",
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
                    format!(
                        "a {process} process is one of arrivals, which {} does not forecast",
                        task.kind()
                    ),
                    "leave it out, or take task.next_request",
                );
            }
            if let ModelSpec::Dlinear(dlinear) = model {
                // Beyond this every average covers the whole lookback.
                let widest = task.lookback().saturating_mul(2).saturating_add(1);
                self.require(
                    dlinear.kernel <= widest,
                    &format!("models.{index}.dlinear.kernel"),
                    format!("a kernel of {} is wider than the lookback on both sides", dlinear.kernel),
                    format!("give at most {widest}"),
                );
            }
            let ModelSpec::Ensemble(ensemble) = model else {
                continue;
            };
            for (member, name) in ensemble.members.iter().enumerate() {
                let path = format!("models.{index}.ensemble.members.{member}");
                let twice = ensemble.members[..member].contains(name);
                self.require(!twice, &path, format!("the member `{name}` is named twice"), "name it once");
                let known = models.iter().any(|other| other.kind() == name && name != "ensemble");
                self.require(
                    known,
                    &format!("models.{index}.ensemble.members.{member}"),
                    format!("the member `{name}` is not a model of this file"),
                    "name models of this file, other than an ensemble, by their kind",
                );
            }
        }
    }

    fn report(&mut self, spec: &ExperimentSpec) {
        let resources = &spec.report.resources;
        for (key, value) in [
            ("kv_bytes_per_token", resources.kv_bytes_per_token),
            ("seconds_in_cache", resources.seconds_in_cache),
            ("weights_gib", resources.weights_gib),
            ("gpu_memory_gib", resources.gpu_memory_gib),
            ("tokens_per_second", resources.tokens_per_second),
        ] {
            self.require(
                value > 0.0 && value.is_finite(),
                &format!("report.resources.{key}"),
                format!("{value} is not a positive number"),
                "give a positive number",
            );
        }
        self.positive("report.resources.gpus_per_replica", resources.gpus_per_replica);
        let usable = resources.usable_memory;
        self.require(
            usable > 0.0 && usable <= 1.0,
            "report.resources.usable_memory",
            format!("{usable} is not a share of the memory"),
            "give a number above 0, up to 1",
        );
        let held = resources.gpus_per_replica as f64 * resources.gpu_memory_gib * usable;
        self.require(
            resources.weights_gib < held,
            "report.resources.weights_gib",
            format!("weights of {} GiB leave no room for a cache", resources.weights_gib),
            format!("the GPUs of a replica have {held:.0} GiB to use; give more GPUs"),
        );
    }

    fn search(&mut self, spec: &ExperimentSpec) {
        let search = &spec.search;
        self.positive("search.trials", search.trials);
        self.require(
            search.trials <= MOST_TRIALS,
            "search.trials",
            format!("{} trials for each model are more than {MOST_TRIALS}", search.trials),
            "give a smaller number",
        );
        self.strategy(search);
        self.pruner(search);
        self.require(!search.seeds.is_empty(), "search.seeds", "no seed is given", "e.g. seeds = [1, 2, 3]");
        for (index, seed) in search.seeds.iter().enumerate() {
            let path = format!("search.seeds.{index}");
            let small = i64::try_from(*seed).is_ok();
            self.require(
                small,
                &path,
                format!("the seed {seed} is too large"),
                "at most 9223372036854775807",
            );
            self.require(
                !search.seeds[..index].contains(seed),
                &path,
                "this seed is given twice",
                "give it once",
            );
        }
    }

    fn strategy(&mut self, search: &SearchSpec) {
        self.positive("search.batch", search.batch);
        self.require(
            i64::try_from(search.seed).is_ok(),
            "search.seed",
            format!("the seed {} is too large", search.seed),
            "at most 9223372036854775807",
        );
        match search.strategy {
            Strategy::Grid | Strategy::Random => {}
            Strategy::Sobol => self.require(
                search.trials <= MOST_SOBOL_POINTS,
                "search.trials",
                format!("a Sobol sequence has {MOST_SOBOL_POINTS} points, not {}", search.trials),
                "give a smaller number, or set search.strategy = \"random\"",
            ),
            Strategy::Tpe => {
                self.require(
                    search.trials > STARTUP_TRIALS,
                    "search.trials",
                    format!("{} trials leave tpe nothing to learn from", search.trials),
                    format!(
                        "its first {STARTUP_TRIALS} are a Sobol sequence: give more, or set search.strategy = \"sobol\""
                    ),
                );
                self.require(
                    search.trials > search.batch,
                    "search.batch",
                    format!("a batch of {} holds all {} trials", search.batch, search.trials),
                    "tpe learns between batches: give a smaller batch or more search.trials",
                );
            }
        }
    }

    fn pruner(&mut self, search: &SearchSpec) {
        match &search.pruner {
            None => {}
            Some(PrunerSpec::Asha(asha)) => {
                self.require(
                    asha.reduction_factor >= 2,
                    "search.pruner.asha.reduction_factor",
                    format!("a reduction factor of {} gives nothing up", asha.reduction_factor),
                    "give 2 or more; 3 keeps one run in three at every rung",
                );
                self.positive("search.pruner.asha.min_epochs", asha.min_epochs);
                if let Some(max_epochs) = asha.max_epochs {
                    self.require(
                        max_epochs > asha.min_epochs,
                        "search.pruner.asha.max_epochs",
                        format!("no rung lies between {} and {max_epochs} epochs", asha.min_epochs),
                        "give more than min_epochs, or leave it out for training.epochs",
                    );
                }
            }
            Some(PrunerSpec::Median(median)) => {
                self.positive("search.pruner.median.startup_trials", median.startup_trials);
                self.positive("search.pruner.median.warmup_epochs", median.warmup_epochs);
                self.positive("search.pruner.median.interval_epochs", median.interval_epochs);
            }
        }
    }

    fn scheduler(&mut self, spec: &ExperimentSpec) {
        let scheduler = &spec.scheduler;
        self.positive("scheduler.threads_per_run", scheduler.threads_per_run);
        self.require(
            scheduler.threads_per_run <= MOST_THREADS,
            "scheduler.threads_per_run",
            format!("{} threads for each run", scheduler.threads_per_run),
            format!("give at most {MOST_THREADS}; the machine's cores are shared by all slots"),
        );
        self.positive("scheduler.runs_per_gpu", scheduler.runs_per_gpu);
        if let Err(message) = crate::system::device::DeviceRequest::parse(&scheduler.device) {
            self.require(false, "scheduler.device", message, "auto, cpu, cuda, cuda:0 or wgpu");
        }
        if let Some(timeout) = scheduler.timeout {
            let positive = timeout.seconds() > 0.0;
            self.require(positive, "scheduler.timeout", "a run needs some time", "e.g. \"30min\"");
        }
        if let Some(memory) = scheduler.memory_per_run {
            let positive = memory.0 > 0;
            self.require(positive, "scheduler.memory_per_run", "a run needs some memory", "e.g. \"2GiB\"");
        }
        self.slurm(&scheduler.slurm);
    }

    fn slurm(&mut self, slurm: &SlurmSpec) {
        self.positive("scheduler.slurm.parts", slurm.parts);
        self.require(
            slurm.parts <= MOST_PARTS,
            "scheduler.slurm.parts",
            format!("a job array of {} tasks", slurm.parts),
            format!("give at most {MOST_PARTS}"),
        );
        self.positive("scheduler.slurm.cpus", slurm.cpus);
        if let Some(limit) = slurm.array_limit {
            self.positive("scheduler.slurm.array_limit", limit);
        }
        if let Some(time) = slurm.time {
            let positive = time.seconds() > 0.0;
            self.require(positive, "scheduler.slurm.time", "a job needs some time", "e.g. \"4h\"");
        }
        if let Some(memory) = slurm.memory {
            let positive = memory.0 > 0;
            self.require(positive, "scheduler.slurm.memory", "a job needs some memory", "e.g. \"8GiB\"");
        }
        if let Some(partition) = &slurm.partition {
            let plain = !partition.is_empty()
                && !partition.starts_with('-')
                && partition.chars().all(|c| c.is_ascii_alphanumeric() || "-_.,".contains(c));
            self.require(
                plain,
                "scheduler.slurm.partition",
                format!("`{partition}` cannot name a partition"),
                "`sinfo` lists them; several are separated by commas",
            );
        }
        for (index, option) in slurm.options.iter().enumerate() {
            let plain = option.starts_with("--") && !option.chars().any(char::is_control);
            self.require(
                plain,
                &format!("scheduler.slurm.options.{index}"),
                format!("`{}` is not an option of sbatch", option.escape_debug()),
                "write each with its long name, as in \"--account=forecast\"",
            );
        }
    }
}
