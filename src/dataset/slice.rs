//! Takes the slice of a trace that an experiment names, and cleans it.

use std::borrow::Cow;

use super::row_cleaner::{RowCleaner, RowEffect};
use super::series_clock::SeriesClock;
use super::slice_error::SliceError;
use super::trace::{Labels, RequestTrace, SeriesTrace, Trace};
use crate::spec::{DatasetSpec, Span};
use crate::text::nearest;

/// What slicing and cleaning left out, in rows, and what the task left out, in windows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Removed {
    /// Rows of the whole trace.
    pub read: usize,
    /// Rows outside the slice (`start`, `end`, `max_rows`, `latest_rows`, `llms`, `log_types`).
    pub outside: usize,
    /// Rows dropped for zero tokens.
    pub zero_tokens: usize,
    /// Rows whose timestamp was moved, to spread duplicates.
    pub spread: usize,
    /// Rows that were filled in where they were missing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub filled: usize,
    /// Rows that became one with the row before, whose time they shared.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub merged: usize,
    /// Times of the file that are no row, since a column has no finite value there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub incomplete: usize,
    /// Windows without requests that are no step.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub empty_windows: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Slices and cleans a trace. One that is left as it is is not copied.
///
/// # Errors
/// A filter on a column that the trace does not have, a name that no row carries, or a slice without rows.
pub fn slice<'t>(trace: &'t Trace, spec: &DatasetSpec) -> Result<(Cow<'t, Trace>, Removed), SliceError> {
    if keeps_all(trace.times(), spec) {
        let incomplete = match trace {
            Trace::Requests(_) => 0,
            Trace::Series(series) => series.incomplete,
        };
        let removed = Removed { read: trace.times().len(), incomplete, ..Removed::default() };
        return Ok((Cow::Borrowed(trace), removed));
    }
    let (sliced, removed) = match trace {
        Trace::Requests(trace) => {
            let (trace, removed) = slice_requests(trace, spec)?;
            (Trace::Requests(trace), removed)
        }
        Trace::Series(trace) => {
            let (trace, removed) = slice_series(trace, spec)?;
            (Trace::Series(trace), removed)
        }
    };
    Ok((Cow::Owned(sliced), removed))
}

/// Whether a slice is the whole trace, and its cleaning leaves every row as it is.
fn keeps_all(times: &[f64], spec: &DatasetSpec) -> bool {
    let (start_s, end_s) = bounds(spec);
    let (Some(&first_s), Some(&last_s)) = (times.first(), times.last()) else { return false };
    let cleaning = &spec.cleaning;
    spec.llms.is_none()
        && spec.log_types.is_none()
        && [spec.max_rows, spec.latest_rows].iter().flatten().all(|&most| most >= times.len())
        && first_s == 0.0
        && start_s <= first_s
        && end_s > last_s
        && !cleaning.drop_zero_tokens
        && cleaning.spread_duplicate_timestamps.is_none()
        && cleaning.gaps.is_none()
        && cleaning.repeats.is_none()
}

fn slice_requests(trace: &RequestTrace, spec: &DatasetSpec) -> Result<(RequestTrace, Removed), SliceError> {
    let llms = filter("llms", spec.llms.as_deref(), &trace.llm)?;
    let log_types = filter("log_types", spec.log_types.as_deref(), &trace.log_type)?;
    let keeps = |filter: &Option<Vec<bool>>, row: usize| filter.as_ref().is_none_or(|kept| kept[row]);
    let (start_s, end_s) = bounds(spec);
    let within = |row: usize| trace.arrival_s[row] >= start_s && trace.arrival_s[row] < end_s;
    let all = u32::try_from(trace.len()).map_err(|_| SliceError {
        key: vec!["source"],
        message: format!("the trace has {} rows, more than {} can be sliced", trace.len(), u32::MAX),
        help: "cut the file into several".to_string(),
    })?;
    if let Some(key) = series_rule(spec) {
        return Err(SliceError {
            key: vec!["cleaning", key],
            message: format!(
                "`{key}` is a rule for the rows of a numeric table, and this is a trace of requests"
            ),
            help: "remove this key: requests come at any time".to_string(),
        });
    }
    let mut rows: Vec<u32> = (0..all)
        .filter(|&row| within(row as usize) && keeps(&llms, row as usize) && keeps(&log_types, row as usize))
        .take(spec.max_rows.unwrap_or(usize::MAX))
        .collect();
    keep_latest(&mut rows, spec);
    let mut removed = Removed { read: trace.len(), outside: trace.len() - rows.len(), ..Removed::default() };
    if spec.cleaning.drop_zero_tokens {
        let before = rows.len();
        let counts = |row: usize| trace.request_tokens[row] > 0.0 && trace.response_tokens[row] > 0.0;
        rows.retain(|&row| counts(row as usize));
        removed.zero_tokens = before - rows.len();
    }
    if rows.is_empty() {
        return Err(empty_slice(trace.arrival_s.last().copied(), trace.len()));
    }
    let mut sliced = trace.select(&rows);
    if let Some(step) = spec.cleaning.spread_duplicate_timestamps {
        removed.spread = spread_duplicates(&mut sliced.arrival_s, step.seconds());
    }
    Ok((sliced, removed))
}

fn slice_series(trace: &SeriesTrace, spec: &DatasetSpec) -> Result<(SeriesTrace, Removed), SliceError> {
    for (key, given) in [("llms", spec.llms.is_some()), ("log_types", spec.log_types.is_some())] {
        if given {
            return Err(no_such_column(key));
        }
    }
    if spec.cleaning.drop_zero_tokens || spec.cleaning.spread_duplicate_timestamps.is_some() {
        return Err(SliceError {
            key: vec!["cleaning"],
            message: "a numeric table has no tokens and no arrivals to clean".to_string(),
            help: "remove these keys; gaps, repeats and clip_quantile may stay".to_string(),
        });
    }
    let (start_s, end_s) = bounds(spec);
    let mut rows: Vec<usize> = (0..trace.time_s.len())
        .filter(|&row| trace.time_s[row] >= start_s && trace.time_s[row] < end_s)
        .take(spec.max_rows.unwrap_or(usize::MAX))
        .collect();
    keep_latest(&mut rows, spec);
    let Some(&first) = rows.first() else {
        return Err(empty_slice(trace.time_s.last().copied(), trace.time_s.len()));
    };
    let mut removed = Removed {
        read: trace.time_s.len(),
        outside: trace.time_s.len() - rows.len(),
        incomplete: trace.incomplete,
        ..Removed::default()
    };
    let pick = |values: &Vec<f64>| rows.iter().map(|&row| values[row]).collect::<Vec<f64>>();
    let time_s: Vec<f64> = rows.iter().map(|&row| trace.time_s[row] - trace.time_s[first]).collect();
    let columns = trace.columns.iter().map(pick).collect();
    let clock_s = trace.clock_s + trace.time_s[first];
    let clock = SeriesClock::against(trace.clock.frequency, &time_s, (clock_s, first), trace.zone);
    let (names, is_dated, zone) = (trace.names.clone(), trace.is_dated, trace.zone);
    let incomplete = trace.incomplete;
    let mut sliced = SeriesTrace { time_s, names, columns, clock_s, is_dated, zone, clock, incomplete };
    if series_rule(spec).is_some() {
        let mut cleaner =
            RowCleaner::new(&spec.cleaning, trace.clock.frequency, (clock_s, first), trace.zone);
        clean_rows(&mut sliced, &mut cleaner)?;
        (removed.filled, removed.merged) = (cleaner.filled, cleaner.merged);
    }
    Ok((sliced, removed))
}

/// The key of a rule for the rows of a series, if there is one.
fn series_rule(spec: &DatasetSpec) -> Option<&'static str> {
    let given = [("gaps", spec.cleaning.gaps.is_some()), ("repeats", spec.cleaning.repeats.is_some())];
    given.into_iter().find_map(|(key, given)| given.then_some(key))
}

/// Fills in the rows that are missing and makes one row of those that share a time.
fn clean_rows(trace: &mut SeriesTrace, cleaner: &mut RowCleaner) -> Result<(), SliceError> {
    let width = trace.columns.len();
    let (mut time_s, mut columns) = (Vec::with_capacity(trace.time_s.len()), vec![Vec::new(); width]);
    let mut values = vec![0.0; width];
    for (row, &own_s) in trace.time_s.iter().enumerate() {
        values.iter_mut().zip(&trace.columns).for_each(|(value, column)| *value = column[row]);
        match cleaner.push(own_s, &values)? {
            RowEffect::Adds(rows) => {
                for (row_s, values) in rows {
                    time_s.push(*row_s);
                    columns.iter_mut().zip(values).for_each(|(column, value)| column.push(*value));
                }
            }
            RowEffect::Replaces(values) => {
                for (column, value) in columns.iter_mut().zip(values) {
                    column.pop();
                    column.push(*value);
                }
            }
            RowEffect::LeftOut => {}
        }
    }
    (trace.time_s, trace.columns) = (time_s, columns);
    Ok(())
}

/// Leaves the last rows of a slice only, where `latest_rows` says how many.
fn keep_latest<T>(rows: &mut Vec<T>, spec: &DatasetSpec) {
    if let Some(latest) = spec.latest_rows {
        rows.drain(..rows.len().saturating_sub(latest));
    }
}

fn bounds(spec: &DatasetSpec) -> (f64, f64) {
    (spec.start.map_or(0.0, Span::seconds), spec.end.map_or(f64::INFINITY, Span::seconds))
}

fn empty_slice(last_s: Option<f64>, rows: usize) -> SliceError {
    let span = last_s.unwrap_or(0.0).ceil() as u64;
    let span = humantime::format_duration(std::time::Duration::from_secs(span));
    SliceError {
        key: vec![],
        message: "this slice of the trace holds no row".to_string(),
        help: format!("the trace has {rows} rows over {span}; widen start, end or the filters"),
    }
}

fn no_such_column(key: &'static str) -> SliceError {
    SliceError {
        key: vec![key],
        message: format!("this trace does not say the `{key}` of its rows"),
        help: "remove this filter: only BurstGPT traces have it, and files whose [dataset.columns] name it"
            .to_string(),
    }
}

/// For each row whether a list of names keeps it; `None` keeps all.
fn filter(
    key: &'static str,
    wanted: Option<&[String]>,
    labels: &Labels,
) -> Result<Option<Vec<bool>>, SliceError> {
    let Some(names) = wanted else {
        return Ok(None);
    };
    if labels.is_empty() {
        return Err(no_such_column(key));
    }
    let counts = labels.counts();
    let known: Vec<&str> = counts.iter().map(|(name, _)| name.as_str()).collect();
    if let Some(stranger) = names.iter().find(|name| !known.contains(&name.as_str())) {
        let hint = nearest(stranger, known.iter().copied());
        let hint = hint.map_or(String::new(), |name| format!("did you mean `{name}`? "));
        return Err(SliceError {
            key: vec![key],
            message: format!("no row carries `{stranger}`"),
            help: format!("{hint}this trace has: {}", known.join(", ")),
        });
    }
    Ok(Some(labels.carries(names)))
}

/// Moves the second, third, ... of equal timestamps by `step_s` each, but never up to the next distinct one, so that
/// the order of the requests stays. Returns how many were moved.
fn spread_duplicates(arrival_s: &mut [f64], step_s: f64) -> usize {
    let mut moved = 0;
    let mut start = 0;
    while start < arrival_s.len() {
        let first_s = arrival_s[start];
        let end = start + arrival_s[start..].iter().take_while(|&&arrival| arrival == first_s).count();
        let count = end - start;
        if count > 1 {
            let room_s = arrival_s.get(end).map_or(f64::INFINITY, |next| next - first_s);
            let step_s = step_s.min(room_s / count as f64);
            for (rank, arrival) in arrival_s[start..end].iter_mut().enumerate() {
                *arrival = first_s + rank as f64 * step_s;
            }
            moved += count - 1;
        }
        start = end;
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_duplicates_keep_their_order_and_stay_before_the_next_request() {
        let mut arrival_s = vec![0.0, 1.0, 1.0, 1.0, 1.002, 5.0, 5.0];
        assert_eq!(spread_duplicates(&mut arrival_s, 0.001), 3);
        assert!(arrival_s.windows(2).all(|pair| pair[0] < pair[1]), "{arrival_s:?}");
        assert_eq!(arrival_s[6], 5.001);
        assert!((arrival_s[2] - (1.0 + 0.002 / 3.0)).abs() < 1e-12, "the step shrinks to fit");
    }

    #[test]
    fn a_name_that_no_row_carries_is_named_with_its_nearest() {
        let trace = RequestTrace {
            is_dated: false,
            arrival_s: vec![0.0, 1.0],
            request_tokens: vec![1.0; 2],
            response_tokens: vec![1.0; 2],
            llm: ["ChatGPT", "GPT-4"].into_iter().collect(),
            log_type: ["API log"; 2].into_iter().collect(),
            clock_s: 0.0,
        };
        let mut spec: DatasetSpec = serde_json::from_str(r#"{"source": "x", "llms": ["ChatGTP"]}"#).unwrap();
        let error = slice_requests(&trace, &spec).unwrap_err();
        assert!(error.help.contains("did you mean `ChatGPT`"), "{error:?}");
        spec.llms = Some(vec!["GPT-4".into()]);
        assert_eq!(slice_requests(&trace, &spec).unwrap().0.len(), 1);
    }
}
