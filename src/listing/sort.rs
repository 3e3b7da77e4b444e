//! Sorts a list of runs.

use super::columns::RunColumn;
use crate::store::RunRow;

/// Sorts a list: by a metric the best run first, and runs without a value last.
pub fn sort_runs(runs: &mut [RunRow], column: &RunColumn, reverse: bool) {
    if let RunColumn::Metric(metric, values) = column {
        let sign = if metric.is_higher_better() == reverse { 1.0 } else { -1.0 };
        runs.sort_by(|a, b| {
            let value = |run: &RunRow| values.get(&run.run_id).map_or(f64::INFINITY, |value| sign * value);
            value(a).total_cmp(&value(b))
        });
        return;
    }
    runs.sort_by(|a, b| {
        let (a, b) = (column.exact(a), column.exact(b));
        let order = match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => a.is_null().cmp(&b.is_null()).then_with(|| a.as_str().cmp(&b.as_str())),
        };
        if reverse { order.reverse() } else { order }
    });
}
