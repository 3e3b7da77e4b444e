//! A resolved run: one point of the plan with every value filled in, and the identity that follows from it.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::duration::Span;
use super::file::{
    CapacitySpec, DatasetSpec, EvaluationSpec, ExperimentSpec, HUBER_DELTA, Loss, ObjectiveSpec, SplitSpec,
    TrainingSpec, UncertaintySpec,
};
use super::model::{ModelSpec, OWN_LOOKBACK, Season};
use super::params::lookup;
use super::task::TaskSpec;
use crate::search::PrunerSpec;
use crate::text::short_hash;

/// Longer numbers are rounded in labels.
const LONG_NUMBER: usize = 9;

/// Version of what every model's numbers pass through: scaling before it, the support of the targets and the scores after
/// it. It is raised whenever all runs would give other numbers, as [`ModelSpec::version`] is where those of one model would.
///
/// The first version forecast gaps and tokens below zero, and lost digits to the offset of a series.
const NUMBERS_VERSION: u32 = 2;

/// Everything that determines a run's numbers, but the seed, the fold and the data themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// The slice of the trace.
    pub dataset: DatasetSpec,
    /// The division into parts.
    pub split: SplitSpec,
    /// What is forecast; the lookback is the one that the model really reads.
    pub task: TaskSpec,
    /// The model and its hyperparameters.
    pub model: ModelSpec,
    /// Training; keys that the model does not read stand at their defaults.
    pub training: TrainingSpec,
    /// Evaluation.
    pub evaluation: EvaluationSpec,
    /// Intervals.
    pub uncertainty: UncertaintySpec,
    /// The batch that `evaluation.drop_last` counts in: a model that is not trained has no batch size of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation_batch: Option<usize>,
    /// The service that acts on the forecasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<CapacitySpec>,
}

/// The runs that an ensemble chooses its members from; none for every other model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Candidates {
    /// Their identities.
    pub run_ids: Vec<String>,
    /// What makes one better than another.
    pub selection: ObjectiveSpec,
    /// What gives some of them up early.
    pub pruner: Option<PrunerSpec>,
}

impl Candidates {
    /// What the choice depends on: not the order in which the candidates are planned, unless a pruner judges them by it.
    fn identity(&self) -> Value {
        let mut sorted = self.run_ids.clone();
        match &self.pruner {
            _ if sorted.is_empty() => json!([]),
            Some(pruner) => json!([self.run_ids, self.selection, pruner]),
            None => {
                sorted.sort();
                json!([sorted, self.selection])
            }
        }
    }
}

/// What a run's numbers depend on beside its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct DataIdentity {
    /// SHA-256 of the trace's bytes.
    pub sha256: String,
    /// `cpu`, `cuda` or `wgpu`: arithmetic differs between device classes, not between devices of one.
    pub device_class: String,
    /// The calendar that the forecast times of the model follow, in words; `None` where steps are a fixed time apart.
    pub calendar: Option<String>,
}

impl RunSpec {
    /// The run of one `[[models]]` entry of a typed experiment.
    pub fn resolve(spec: &ExperimentSpec, entry: usize) -> Self {
        let model = spec.models[entry].normalised(&spec.task);
        let mut task = spec.task.clone();
        if let Some(own) = model.own_lookback() {
            task.set_lookback(own);
        }
        let evaluation_batch = spec.evaluation.drop_last.then_some(spec.training.batch_size);
        let mut training = if model.is_trained() { spec.training.clone() } else { TrainingSpec::default() };
        if !model.reads_loss() {
            training.loss = TrainingSpec::default().loss;
        }
        training.huber_delta =
            (training.loss == Loss::Huber).then(|| training.huber_delta.unwrap_or(HUBER_DELTA));
        Self {
            dataset: spec.dataset.clone(),
            split: spec.split.clone(),
            task,
            model,
            training,
            evaluation: spec.evaluation.clone(),
            uncertainty: spec.uncertainty.clone(),
            evaluation_batch,
            capacity: spec.capacity.clone(),
        }
    }

    /// The season of the model where only the rows of the data say how many steps it is.
    pub fn season_of_rows(&self) -> Option<Span> {
        match (self.model.season(), &self.task) {
            (Some(Season::Time(span)), TaskSpec::Series(_)) => Some(span),
            _ => None,
        }
    }

    /// The same run with a season of so many steps.
    #[must_use]
    pub fn with_season(mut self, steps: usize) -> Self {
        self.model.set_season(steps);
        if let Some(own) = self.model.own_lookback() {
            self.task.set_lookback(own);
        }
        self
    }

    /// The resolved run as the JSON that the store keeps and that dotted paths such as `model.hidden` refer to. Every table
    /// of a file has a JSON form: its keys are strings, and its numbers are finite.
    pub fn params(&self) -> Value {
        let mut params = Map::new();
        params.insert("dataset".into(), json!(self.dataset));
        params.insert("split".into(), json!(self.split));
        params.insert("task".into(), with_kind(json!(self.task)));
        params.insert("model".into(), with_kind(json!(self.model)));
        if self.model.is_trained() {
            params.insert("training".into(), json!(self.training));
        }
        let mut evaluation = json!(self.evaluation);
        if let (Some(batch), Value::Object(map)) = (self.evaluation_batch, &mut evaluation) {
            map.insert("batch_size".into(), json!(batch));
        }
        params.insert("evaluation".into(), evaluation);
        params.insert("uncertainty".into(), json!(self.uncertainty));
        if let Some(capacity) = &self.capacity {
            params.insert("capacity".into(), json!(capacity));
        }
        Value::Object(params)
    }

    /// The run that [`RunSpec::params`] wrote.
    ///
    /// # Errors
    /// Parameters of a version whose tables had other keys.
    pub fn from_params(params: &Value) -> serde_json::Result<Self> {
        let mut table = params.clone();
        for key in ["task", "model"] {
            if let Some(value) = table.get_mut(key) {
                *value = with_tag(value.take());
            }
        }
        let batch = table
            .get_mut("evaluation")
            .and_then(Value::as_object_mut)
            .and_then(|map| map.remove("batch_size"));
        if let Value::Object(map) = &mut table {
            map.extend(batch.map(|batch| ("evaluation_batch".to_string(), batch)));
            // A model that is not trained has the defaults, which are not written.
            map.entry("training").or_insert_with(|| json!({}));
        }
        let mut spec: Self = serde_json::from_value(table)?;
        if spec.training.loss == Loss::Huber {
            spec.training.huber_delta.get_or_insert(HUBER_DELTA);
        }
        Ok(spec)
    }

    /// What a run's identity takes from its parameters.
    ///
    /// The source's name is left out, since the data's own hash stands for it.
    pub fn identity(&self) -> Identity {
        let mut params = self.params();
        if let Some(Value::Object(dataset)) = params.get_mut("dataset") {
            dataset.remove("source");
        }
        Identity { params: canonical(&params), model_version: self.model.version() }
    }

    /// What two runs must share for their errors to be comparable: data, split, target and evaluation, but not what
    /// the model sees or how it learns.
    pub fn setting(&self) -> Value {
        setting_of(&self.params())
    }
}

/// The part of a run's identity that all seeds and folds share.
pub struct Identity {
    /// Canonical JSON of the parameters.
    params: String,
    model_version: u32,
}

impl Identity {
    /// The run's identity: equal for two runs exactly when they must give the same numbers.
    ///
    /// `candidates` are the runs that an ensemble chooses its members from, and what it chooses by.
    pub fn run_id(
        &self,
        seed: Option<u64>,
        fold: usize,
        data: &DataIdentity,
        candidates: &Candidates,
    ) -> String {
        // Canonical JSON again: the keys are in order, and the parameters need not be written anew for every run.
        // Only what follows a calendar says so: runs of all other data keep the identity that they had before calendars.
        let calendar = data
            .calendar
            .as_ref()
            .map_or(String::new(), |calendar| format!(r#""calendar":{},"#, json!(calendar)));
        short_hash(&format!(
            r#"{{{calendar}"candidates":{},"dataset":{},"device":{},"fold":{fold},"model_version":{},"numbers_version":{NUMBERS_VERSION},"params":{},"seed":{}}}"#,
            canonical(&candidates.identity()),
            json!(data.sha256),
            json!(data.device_class),
            self.model_version,
            self.params,
            json!(seed),
        ))
    }
}

/// The [`RunSpec::setting`] of stored parameters.
pub fn setting_of(params: &Value) -> Value {
    let mut setting = json!({});
    for (table, key, value) in setting_parts(params) {
        match key {
            Some(key) => setting[table][key] = value.clone(),
            None if params[table].is_object() => setting[table] = json!({}),
            None => setting[table] = value.clone(),
        }
    }
    setting
}

/// What tells one setting from another: a table, a key of it, and its value. A table comes first by itself, without a key.
pub type SettingParts<'a> = Vec<(&'static str, Option<&'a str>, &'a Value)>;

/// As [`setting_of`], without copies: to group many runs by.
pub fn setting_parts(params: &Value) -> SettingParts<'_> {
    let is_shared = |table: &str, key: &str| match table {
        // The same data may be named in two ways; their rows are told apart by the rest.
        "dataset" => key != "source",
        "task" => key != "lookback" && key != "features",
        _ => true,
    };
    let mut parts = SettingParts::new();
    for table in ["dataset", "split", "task", "evaluation", "uncertainty", "capacity"] {
        match params.get(table) {
            Some(Value::Object(fields)) => {
                parts.push((table, None, &Value::Null));
                let fields = fields.iter().filter(|(key, _)| is_shared(table, key));
                parts.extend(fields.map(|(key, value)| (table, Some(key.as_str()), value)));
            }
            Some(other) => parts.push((table, None, other)),
            None => {}
        }
    }
    parts
}

/// `lstm hidden=64 learning_rate=0.001`: the model and the values of the axes that it reads.
pub fn run_label<'a>(params: &Value, axes: impl IntoIterator<Item = &'a String>) -> String {
    let text = shown_value;
    let mut label = lookup(params, "model.kind").map_or(String::new(), text);
    for axis in axes {
        // The lookback of many models is their own and no axis.
        let kind = lookup(params, "model.kind").and_then(Value::as_str);
        let has_own = kind.is_some_and(|kind| OWN_LOOKBACK.contains(&kind))
            && lookup(params, "model.refit_every").is_none();
        if axis == "task.lookback" && has_own {
            continue;
        }
        if let Some(value) = lookup(params, axis) {
            let name = axis.rsplit('.').next().unwrap_or(axis);
            label.extend([" ", name, "=", &text(value)]);
        }
    }
    label
}

/// A value for people: a drawn number to four significant digits, everything else as it is.
pub(crate) fn shown_value(value: &Value) -> String {
    let exact = value.as_str().map_or_else(|| value.to_string(), str::to_string);
    match value.as_f64().filter(|_| value.is_f64() && exact.len() > LONG_NUMBER) {
        // Reading the rounded number back lets its shortest form be chosen: 0.00579, 1.234e-7.
        Some(number) => {
            format!("{number:.3e}").parse().map_or(exact, |rounded: f64| Value::from(rounded).to_string())
        }
        None => exact,
    }
}

/// `{"lstm": {...}}` as `{"kind": "lstm", ...}`.
fn with_kind(tagged: Value) -> Value {
    let Value::Object(map) = tagged else { return tagged };
    let mut flat = Map::new();
    for (kind, fields) in map {
        flat.insert("kind".into(), Value::String(kind));
        if let Value::Object(fields) = fields {
            flat.extend(fields);
        }
    }
    Value::Object(flat)
}

/// `{"kind": "lstm", ...}` as `{"lstm": {...}}`.
fn with_tag(flat: Value) -> Value {
    let Value::Object(mut fields) = flat else { return flat };
    match fields.remove("kind") {
        Some(Value::String(kind)) => json!({ kind: fields }),
        _ => Value::Object(fields),
    }
}

/// JSON text with sorted keys, whatever order the map type of the day keeps.
fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<(&String, &Value)> = map.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (at, (key, value)) in fields.into_iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                // Writing to a string cannot fail.
                let _ = write!(text, "{}:", json!(key));
                write_canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                write_canonical(item, text);
            }
            text.push(']');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}
