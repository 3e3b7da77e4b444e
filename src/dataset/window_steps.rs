//! The steps of the task `window_load`: the requests and tokens of each window, and how many tokens a request has on average.

use super::derived::MEAN_UNIT;
use super::steps::{Channel, MOST_WINDOWS, Steps, TaskError, Transform, WORK_UNIT, channel};
use super::trace::RequestTrace;
use crate::capacity::WORK;
use crate::spec::{CapacitySpec, EmptyWindows, TaskSpec, WindowLoadSpec};

/// Requests, request tokens and response tokens of a window.
pub type WindowSums = [f64; 3];

/// Turns the sums of windows, one after the other, into the channels of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowChannels {
    mean_tokens: bool,
    empty_windows: EmptyWindows,
    /// Mean request and response tokens of the last window that had requests.
    last_means: [f64; 2],
}

impl WindowChannels {
    /// Those of a task, before its first window.
    pub fn of(spec: &WindowLoadSpec) -> Self {
        Self { mean_tokens: spec.mean_tokens, empty_windows: spec.empty_windows, last_means: [0.0; 2] }
    }

    /// The channels but for the work, in order: the sums, then the means where they are asked for.
    fn channels(&self) -> Vec<Channel> {
        let sums = [("requests", "requests"), ("request_tokens", "tokens"), ("response_tokens", "tokens")];
        let means = ["request_tokens_mean", "response_tokens_mean"].map(|name| (name, MEAN_UNIT));
        let means = means.into_iter().filter(|_| self.mean_tokens);
        sums.into_iter().chain(means).map(|(name, unit)| channel(name, unit, Transform::Log1p)).collect()
    }

    /// Appends the values of the next window; false where it is left out.
    pub fn push(&mut self, sums: WindowSums, values: &mut Vec<f64>) -> bool {
        let [requests, request_tokens, response_tokens] = sums;
        let is_empty = requests == 0.0;
        if is_empty && self.empty_windows == EmptyWindows::Skip {
            return false;
        }
        values.extend(sums);
        if self.mean_tokens {
            let means = match self.empty_windows {
                EmptyWindows::Last if is_empty => self.last_means,
                _ if is_empty => [0.0; 2],
                _ => [request_tokens / requests, response_tokens / requests],
            };
            self.last_means = means;
            values.extend(means);
        }
        true
    }
}

/// Whole windows from the first request on; the last one, which the trace may end inside of, is left out.
pub(super) fn window_steps(
    trace: &RequestTrace,
    spec: &WindowLoadSpec,
    capacity: Option<&CapacitySpec>,
) -> Result<Steps, TaskError> {
    let width_s = spec.window.seconds();
    let windows = whole_windows(trace, width_s);
    if windows > MOST_WINDOWS as f64 {
        return Err(TaskError::Window(windows));
    }
    let windows = windows as usize;
    let mut own = WindowChannels::of(spec);
    let mut channels = own.channels();
    channels.extend(capacity.map(|_| channel(WORK, WORK_UNIT, Transform::Log1p)));
    let expected = if spec.empty_windows == EmptyWindows::Skip { 0 } else { windows };
    let mut time_s = Vec::with_capacity(expected);
    let mut values = Vec::with_capacity(expected * channels.len());
    // Requests come in the order of their arrival.
    let mut row = 0;
    for window in 0..windows {
        let mut sums = [0.0; 3];
        while row < trace.len() && (trace.arrival_s[row] / width_s) as usize <= window {
            let tokens = [1.0, trace.request_tokens[row], trace.response_tokens[row]];
            sums.iter_mut().zip(tokens).for_each(|(sum, value)| *sum += value);
            row += 1;
        }
        if own.push(sums, &mut values) {
            time_s.push(window as f64 * width_s);
            values.extend(capacity.map(|capacity| capacity.work(sums[1], sums[2])));
        }
    }
    Ok(Steps { targets: channels.len(), channels, time_s: time_s.into(), values: values.into() })
}

/// Windows that are over when the last request arrives.
fn whole_windows(trace: &RequestTrace, width_s: f64) -> f64 {
    let span_s = trace.arrival_s.last().copied().unwrap_or(0.0);
    (span_s / width_s).floor()
}

/// How many windows of a trace are left out, of which `kept` are steps.
pub(super) fn left_out_windows(trace: &RequestTrace, task: &TaskSpec, kept: usize) -> usize {
    match task {
        TaskSpec::WindowLoad(load) => {
            (whole_windows(trace, load.window.seconds()) as usize).saturating_sub(kept)
        }
        TaskSpec::NextRequest(_) | TaskSpec::Series(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(mean_tokens: bool, empty_windows: EmptyWindows) -> WindowLoadSpec {
        let window = serde_json::from_str("\"10s\"").unwrap();
        WindowLoadSpec { window, lookback: 1, horizon: 1, mean_tokens, empty_windows }
    }

    fn trace(rows: &[(f64, u32, u32)]) -> RequestTrace {
        RequestTrace {
            arrival_s: rows.iter().map(|row| row.0).collect(),
            request_tokens: rows.iter().map(|row| f64::from(row.1)).collect(),
            response_tokens: rows.iter().map(|row| f64::from(row.2)).collect(),
            ..RequestTrace::default()
        }
    }

    /// Three requests in the first window, none in the second and third, one in the fourth, and an end within the fifth.
    fn sparse() -> RequestTrace {
        trace(&[(0.0, 10, 1), (0.005, 20, 2), (0.5, 30, 3), (30.5, 40, 4), (41.0, 1, 1)])
    }

    #[test]
    fn windows_count_requests_and_tokens_and_leave_the_unfinished_one_out() {
        let steps = window_steps(&sparse(), &spec(false, EmptyWindows::Zero), None).unwrap();
        assert_eq!(*steps.values, [3.0, 60.0, 6.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 40.0, 4.0]);
        assert_eq!(*steps.time_s, [0.0, 10.0, 20.0, 30.0]);
        assert_eq!(left_out_windows(&sparse(), &TaskSpec::WindowLoad(spec(false, EmptyWindows::Zero)), 4), 0);
    }

    #[test]
    fn an_empty_window_has_the_means_that_the_file_asks_for_or_is_left_out() {
        let means = |empty| {
            let steps = window_steps(&sparse(), &spec(true, empty), None).unwrap();
            (
                steps.channel(3).collect::<Vec<f64>>(),
                steps.channel(4).collect::<Vec<f64>>(),
                steps.time_s.to_vec(),
            )
        };
        let clock = vec![0.0, 10.0, 20.0, 30.0];
        assert_eq!(
            means(EmptyWindows::Zero),
            (vec![20.0, 0.0, 0.0, 40.0], vec![2.0, 0.0, 0.0, 4.0], clock.clone())
        );
        assert_eq!(
            means(EmptyWindows::Last),
            (vec![20.0, 20.0, 20.0, 40.0], vec![2.0, 2.0, 2.0, 4.0], clock)
        );
        assert_eq!(means(EmptyWindows::Skip), (vec![20.0, 40.0], vec![2.0, 4.0], vec![0.0, 30.0]));
        let task = TaskSpec::WindowLoad(spec(true, EmptyWindows::Skip));
        assert_eq!(left_out_windows(&sparse(), &task, 2), 2);
    }

    proptest! {
        #[test]
        fn means_times_counts_are_sums_and_what_is_skipped_is_empty(
            mut rows in prop::collection::vec((0.0..400.0_f64, 0_u32..5_000, 0_u32..900), 1..60),
        ) {
            rows.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows[0].0 = 0.0;
            let trace = trace(&rows);
            let steps = |empty| window_steps(&trace, &spec(true, empty), None).unwrap();
            let (zero, last, skip) = (steps(EmptyWindows::Zero), steps(EmptyWindows::Last), steps(EmptyWindows::Skip));
            for steps in [&zero, &last, &skip] {
                for window in steps.values.chunks_exact(5) {
                    for (sum, mean) in [(window[1], window[3]), (window[2], window[4])] {
                        prop_assert!((mean * window[0] - sum).abs() <= 1e-9 * sum.max(1.0));
                    }
                }
            }
            prop_assert!(skip.channel(0).all(|requests| requests > 0.0));
            let kept: Vec<usize> = (0..zero.len()).filter(|&window| zero.values[window * 5] > 0.0).collect();
            prop_assert_eq!(skip.time_s.to_vec(), kept.iter().map(|&window| zero.time_s[window]).collect::<Vec<f64>>());
            prop_assert_eq!(skip.channel(1).sum::<f64>(), zero.channel(1).sum::<f64>());
            prop_assert_eq!(left_out_windows(&trace, &TaskSpec::WindowLoad(spec(true, EmptyWindows::Skip)), skip.len()), zero.len() - kept.len());
        }
    }
}
