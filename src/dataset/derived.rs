//! Targets that follow from the columns of a step: the mean tokens of its requests, and the work of its tokens.

use super::steps::{Channel, TaskError, Transform, WORK_UNIT, channel};
use crate::capacity::WORK;
use crate::spec::{CapacitySpec, MeanTokensSpec, TaskSpec};

/// Unit of the mean tokens of the requests of a step.
pub(super) const MEAN_UNIT: &str = "tokens per request";

/// The targets that a step has besides what is observed, and where the values stand that they follow from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DerivedColumns {
    means: Option<MeanColumns>,
    work: Option<(WorkColumns, CapacitySpec)>,
}

/// Where the requests and the tokens of a step stand.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MeanColumns {
    requests: usize,
    tokens: Vec<usize>,
}

/// Where the tokens of a step stand that are work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WorkColumns {
    request: usize,
    response: usize,
}

impl DerivedColumns {
    /// Those of a task, where what is observed has these names. The task `window_load` counts its own means.
    ///
    /// # Errors
    /// A column that is missing, or one that has the name of a target that is added.
    pub fn of<S: AsRef<str>>(
        task: &TaskSpec,
        capacity: Option<&CapacitySpec>,
        names: &[S],
    ) -> Result<Self, TaskError> {
        match task {
            TaskSpec::WindowLoad(_) => Ok(Self { means: None, work: capacity.map(WorkColumns::of_windows) }),
            TaskSpec::Series(series) => Ok(Self {
                means: series.mean_tokens.as_ref().map(|means| MeanColumns::of(means, names)).transpose()?,
                work: capacity.map(|capacity| WorkColumns::of(capacity, names)).transpose()?,
            }),
            TaskSpec::NextRequest(_) => Ok(Self::default()),
        }
    }

    /// How many targets a task adds to what is observed.
    pub fn count(task: &TaskSpec, capacity: Option<&CapacitySpec>) -> usize {
        let means = match task {
            TaskSpec::Series(series) => series.mean_tokens.as_ref().map_or(0, |means| means.tokens.len()),
            TaskSpec::WindowLoad(_) | TaskSpec::NextRequest(_) => 0,
        };
        means + usize::from(capacity.is_some())
    }

    /// The channels that are added behind those of these names.
    pub fn channels<S: AsRef<str>>(&self, names: &[S]) -> Vec<Channel> {
        let means = self.means.iter().flat_map(|means| &means.tokens);
        let means = means.map(|&at| channel(&mean_name(names[at].as_ref()), MEAN_UNIT, Transform::Identity));
        let work = self.work.iter().map(|_| channel(WORK, WORK_UNIT, Transform::Identity));
        means.chain(work).collect()
    }

    /// The requests of a step whose means are no numbers, since these are no count; `None` where all is well.
    pub fn requests_without_mean(&self, step: &[f64]) -> Option<f64> {
        let means = self.means.as_ref()?;
        let requests = step[means.requests];
        let is_sound = requests == 0.0
            || (requests > 0.0 && means.tokens.iter().all(|&at| (step[at] / requests).is_finite()));
        (!is_sound).then_some(requests)
    }

    /// The values that are added to a step.
    pub fn values(&self, step: &[f64]) -> impl Iterator<Item = f64> {
        let means = self.means.iter().flat_map(move |means| {
            let requests = step[means.requests];
            means.tokens.iter().map(move |&at| if requests == 0.0 { 0.0 } else { step[at] / requests })
        });
        let work = self
            .work
            .iter()
            .map(move |(columns, capacity)| capacity.work(step[columns.request], step[columns.response]));
        means.chain(work)
    }
}

impl MeanColumns {
    fn of<S: AsRef<str>>(means: &MeanTokensSpec, names: &[S]) -> Result<Self, TaskError> {
        let place =
            |key: &'static str, name: &String| place_of(&["task", "series", "mean_tokens", key], name, names);
        for name in means.tokens.iter().map(|name| mean_name(name)) {
            if names.iter().any(|own| own.as_ref() == name) {
                return Err(TaskError::MeanName(name));
            }
        }
        Ok(Self {
            requests: place("requests", &means.requests)?,
            tokens: means.tokens.iter().map(|name| place("tokens", name)).collect::<Result<_, _>>()?,
        })
    }
}

impl WorkColumns {
    /// Those of the task `window_load`, behind the number of requests.
    fn of_windows(capacity: &CapacitySpec) -> (Self, CapacitySpec) {
        (Self { request: 1, response: 2 }, capacity.clone())
    }

    /// Those that `[capacity]` names, among the columns of a numeric table.
    fn of<S: AsRef<str>>(capacity: &CapacitySpec, names: &[S]) -> Result<(Self, CapacitySpec), TaskError> {
        if names.iter().any(|name| name.as_ref() == WORK) {
            return Err(TaskError::WorkColumn);
        }
        let unnamed = String::new();
        let request = capacity.request_tokens.as_ref().unwrap_or(&unnamed);
        let response = capacity.response_tokens.as_ref().unwrap_or(&unnamed);
        let columns = Self {
            request: place_of(&["capacity", "request_tokens"], request, names)?,
            response: place_of(&["capacity", "response_tokens"], response, names)?,
        };
        Ok((columns, capacity.clone()))
    }
}

/// Where a column stands that a key of the experiment file names.
fn place_of<S: AsRef<str>>(key: &[&'static str], name: &str, names: &[S]) -> Result<usize, TaskError> {
    names.iter().position(|own| own.as_ref() == name).ok_or_else(|| TaskError::Column {
        key: key.to_vec(),
        name: name.to_string(),
        columns: names.iter().map(|name| name.as_ref().to_string()).collect(),
    })
}

/// The name of the target that has the mean tokens of a column.
fn mean_name(column: &str) -> String {
    format!("{column}_mean")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["requests", "prompt", "answer"];

    fn task(json: &str) -> TaskSpec {
        serde_json::from_str(&format!(r#"{{"series": {{"lookback": 1, "mean_tokens": {json}}}}}"#)).unwrap()
    }

    fn capacity() -> CapacitySpec {
        serde_json::from_str(
            r#"{"prefill_tokens_per_s": 10, "decode_tokens_per_s": 5, "cold_start": "0s", "request_tokens": "prompt",
                "response_tokens": "answer"}"#,
        )
        .unwrap()
    }

    #[test]
    fn means_and_work_follow_from_the_columns_of_a_step() {
        let (task, capacity) =
            (task(r#"{"requests": "requests", "tokens": ["answer", "prompt"]}"#), capacity());
        let derived = DerivedColumns::of(&task, Some(&capacity), &NAMES).unwrap();
        let names: Vec<String> = derived.channels(&NAMES).into_iter().map(|channel| channel.name).collect();
        assert_eq!(names, ["answer_mean", "prompt_mean", WORK]);
        assert_eq!(names.len(), DerivedColumns::count(&task, Some(&capacity)));
        assert_eq!(derived.values(&[4.0, 100.0, 20.0]).collect::<Vec<f64>>(), [5.0, 25.0, 14.0]);
        assert_eq!(derived.values(&[0.0, 0.0, 0.0]).collect::<Vec<f64>>(), [0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_column_that_is_missing_or_has_the_name_of_a_mean_is_refused() {
        let missing = task(r#"{"requests": "count", "tokens": ["prompt"]}"#);
        assert!(matches!(
            DerivedColumns::of(&missing, None, &NAMES),
            Err(TaskError::Column { name, .. }) if name == "count"
        ));
        let means = task(r#"{"requests": "requests", "tokens": ["prompt"]}"#);
        assert_eq!(
            DerivedColumns::of(&means, None, &["requests", "prompt", "prompt_mean"]),
            Err(TaskError::MeanName("prompt_mean".to_string()))
        );
    }
}
