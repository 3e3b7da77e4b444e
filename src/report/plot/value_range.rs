//! The range of a vertical axis that fits the bulk of its values.

use super::axis::PlotAxis;
use super::scale::{Extent, is_drawable};

/// Positive values whose bulk spans more than this factor are drawn on a logarithmic axis.
const LOG_FROM_RATIO: f64 = 50.0;
/// Share of the values beyond each end of their bulk.
const TAIL: f64 = 0.01;
/// How far the axis reaches beyond the bulk at most, in widths of it.
const REACH: f64 = 0.75;
/// The same on a logarithmic axis, whose bulk spans decades already.
const LOG_REACH: f64 = 0.3;
/// What lies less than this share of the range beyond it is still in it.
const NEARLY: f64 = 0.15;
/// Fewer values than this have no bulk: all of them are shown.
const FEWEST: usize = 20;

/// The range of an axis of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ValueRange {
    pub(super) span: Extent,
    pub(super) log: bool,
    pub(super) starts_at_zero: bool,
}

impl ValueRange {
    /// The range of some observed values and of what is forecast for them. All observed values are in it, except a few that
    /// lie so far from the others that they would squash them; forecasts may lie further out. `None` without a value.
    pub(super) fn of(
        observed: impl Iterator<Item = f64>,
        forecast: impl Iterator<Item = f64>,
    ) -> Option<Self> {
        let mut observed: Vec<f64> = observed.filter(|value| is_drawable(*value)).collect();
        observed.sort_by(f64::total_cmp);
        let mut forecast: Vec<f64> = forecast.filter(|value| is_drawable(*value)).collect();
        forecast.sort_by(f64::total_cmp);
        let observed_bulk = bulk(&observed)?;
        let all = Extent { lo: observed[0], hi: observed[observed.len() - 1] };
        let log = all.lo > 1e-100
            && all.hi < 1e100
            && observed_bulk.lo > 0.0
            && observed_bulk.hi / observed_bulk.lo > LOG_FROM_RATIO;
        let size = |value: f64| if log { value.ln() } else { value };
        let back = |value: f64| if log { value.exp() } else { value };
        let sized = |span: Extent| Extent { lo: size(span.lo), hi: size(span.hi) };
        let reach = if observed.len() < FEWEST { 1.0 } else { REACH };
        let limit = sized(observed_bulk).widened(if log { LOG_REACH } else { reach });
        let forecast_bulk = if log { bulk(&positive(&forecast)) } else { bulk(&forecast) };
        let mut shown = Extent { lo: sized(all).lo.max(limit.lo), hi: sized(all).hi.min(limit.hi) };
        for end in forecast_bulk.into_iter().flat_map(|bulk| [bulk.lo, bulk.hi]) {
            shown = shown.including(size(end).clamp(limit.lo, limit.hi));
        }
        let nearly = shown.widened(NEARLY);
        for end in forecast.first().into_iter().chain(forecast.last()).filter(|end| !log || **end > 0.0) {
            shown = if nearly.contains(size(*end)) { shown.including(size(*end)) } else { shown };
        }
        let starts_at_zero =
            !log && all.lo >= 0.0 && shown.lo >= -0.02 * shown.hi && shown.lo < 0.5 * shown.hi;
        let wide = shown.widened(0.05);
        let span = match (log, starts_at_zero) {
            (true, _) => Extent { lo: back(wide.lo), hi: back(wide.hi) },
            (false, true) => Extent { lo: 0.0, hi: wide.hi },
            (false, false) => wide,
        };
        Some(Self { span, log, starts_at_zero })
    }

    /// The axis of this range.
    pub(super) fn axis(&self, title: &str) -> PlotAxis {
        if self.log {
            PlotAxis::log(format!("{title} (log scale)"), self.span)
        } else {
            PlotAxis::linear(title, self.span, 6)
        }
    }
}

fn positive(sorted: &[f64]) -> Vec<f64> {
    sorted.iter().copied().filter(|value| *value > 0.0).collect()
}

/// The middle of sorted values; of few, all of them.
fn bulk(sorted: &[f64]) -> Option<Extent> {
    let tail = if sorted.len() < FEWEST { 0 } else { (sorted.len() as f64 * TAIL).ceil() as usize };
    Some(Extent { lo: *sorted.get(tail)?, hi: *sorted.get(sorted.len() - 1 - tail)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(observed: &[f64], forecast: &[f64]) -> ValueRange {
        ValueRange::of(observed.iter().copied(), forecast.iter().copied()).unwrap()
    }

    fn ramp() -> Vec<f64> {
        (0..200).map(|index| 100.0 + f64::from(index % 50)).collect()
    }

    #[test]
    fn a_lone_peak_does_not_squash_the_other_values() {
        let mut values = ramp();
        values[100] = 1e6;
        let span = range(&values, &[]).span;
        assert!(span.hi < 250.0 && span.hi > 149.0, "{span:?}");
        let peaks: Vec<f64> = (0..200).map(|index| if index % 20 == 0 { 300.0 } else { 100.0 }).collect();
        assert!(range(&peaks, &[]).span.contains(300.0), "what happens often is no outlier");
    }

    #[test]
    fn a_forecast_that_diverges_does_not_stretch_the_axis() {
        let span = range(&[1.0, 2.0, 3.0], &[1.0, 1e12]).span;
        assert!(span.hi < 6.0, "{span:?}");
    }

    #[test]
    fn heavy_tailed_positive_values_get_a_logarithmic_axis() {
        assert!(range(&[1.0, 1000.0], &[-1.0, 2.0]).log);
        assert!(!range(&[1.0, 3.0], &[]).log && !range(&[0.0, 1000.0], &[]).log);
        let mut values = ramp();
        values[7] = 1.0;
        assert!(!range(&values, &[]).log, "one small value makes no tail");
    }

    #[test]
    fn values_that_are_never_negative_start_at_zero_where_they_come_near_it() {
        assert!(range(&[0.0, 5.0, 10.0], &[]).starts_at_zero);
        assert!(!range(&[90.0, 95.0, 100.0], &[]).starts_at_zero);
        assert!(ValueRange::of([f64::NAN].into_iter(), [1.0].into_iter()).is_none());
    }
}
