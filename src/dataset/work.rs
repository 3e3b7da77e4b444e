//! The work of a step, from the tokens in it.

use super::steps::TaskError;
use crate::capacity::WORK;
use crate::spec::{CapacitySpec, TaskSpec};

/// Where the tokens of a step stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkColumns {
    /// Index of the request tokens.
    request: usize,
    /// Index of the response tokens.
    response: usize,
}

impl WorkColumns {
    /// Those of the task `window_load`, behind the number of requests.
    pub const OF_WINDOWS: Self = Self { request: 1, response: 2 };

    /// Those that `[capacity]` names, among the columns of a numeric table.
    ///
    /// # Errors
    /// A column that is missing, or one that has the name of the work.
    pub fn of<S: AsRef<str>>(capacity: &CapacitySpec, names: &[S]) -> Result<Self, TaskError> {
        if names.iter().any(|name| name.as_ref() == WORK) {
            return Err(TaskError::WorkColumn);
        }
        let place = |key, name: Option<&String>| {
            let name = name.map_or("", String::as_str);
            let columns = || names.iter().map(|name| name.as_ref().to_string()).collect();
            names.iter().position(|own| own.as_ref() == name).ok_or_else(|| TaskError::Column {
                key,
                name: name.to_string(),
                columns: columns(),
            })
        };
        Ok(Self {
            request: place("request_tokens", capacity.request_tokens.as_ref())?,
            response: place("response_tokens", capacity.response_tokens.as_ref())?,
        })
    }

    /// Those of a task whose other channels have these names.
    ///
    /// # Errors
    /// As [`WorkColumns::of`].
    pub fn of_task<S: AsRef<str>>(
        capacity: &CapacitySpec,
        task: &TaskSpec,
        names: &[S],
    ) -> Result<Self, TaskError> {
        match task {
            TaskSpec::WindowLoad(_) => Ok(Self::OF_WINDOWS),
            TaskSpec::Series(_) | TaskSpec::NextRequest(_) => Self::of(capacity, names),
        }
    }

    /// The work of a step, in replica-seconds.
    pub fn work(self, step: &[f64], capacity: &CapacitySpec) -> f64 {
        capacity.work(step[self.request], step[self.response])
    }
}
