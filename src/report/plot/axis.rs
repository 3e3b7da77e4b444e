//! Axes: a range, its title and its ticks.

use super::number;
use super::scale::{Extent, PixelScale, log_ticks, multiples, round_step};

/// A labelled position on an axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: String,
}

/// One axis of a panel. Its span must be wider than nothing, as [`Extent::widened`] makes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PlotAxis {
    pub(super) title: String,
    pub(super) ticks: Vec<Tick>,
    pub(super) span: Extent,
    pub(super) log: bool,
}

impl PlotAxis {
    /// About `max_ticks` ticks at round values.
    pub(super) fn linear(title: impl Into<String>, span: Extent, max_ticks: usize) -> Self {
        Self::stepped(title, span, round_step(span.width() / max_ticks as f64))
    }

    /// Like [`PlotAxis::linear`], for what is counted in whole numbers.
    pub(super) fn whole(title: impl Into<String>, span: Extent, max_ticks: usize) -> Self {
        let step = round_step((span.width() / max_ticks as f64).max(1.0));
        let ticks =
            multiples(span, step).into_iter().map(|value| Tick { value, label: number::whole(value) });
        Self { title: title.into(), ticks: ticks.collect(), span, log: false }
    }

    fn stepped(title: impl Into<String>, span: Extent, step: f64) -> Self {
        let ticks = multiples(span, step)
            .into_iter()
            .map(|value| Tick { value, label: number::tick(value, step, span.largest()) })
            .collect();
        Self { title: title.into(), ticks, span, log: false }
    }

    /// A logarithmic axis over a positive span.
    pub(super) fn log(title: impl Into<String>, span: Extent) -> Self {
        let ticks = log_ticks(span)
            .into_iter()
            .map(|value| Tick { value, label: number::tick(value, value, value) })
            .collect();
        Self { title: title.into(), ticks, span, log: true }
    }

    /// The same range with ticks at these values, as far as they lie in it.
    pub(super) fn with_ticks(mut self, ticks: impl IntoIterator<Item = Tick>) -> Self {
        self.ticks = ticks.into_iter().filter(|tick| self.span.contains(tick.value)).collect();
        self
    }

    /// The same range with only the ticks within `span`.
    pub(super) fn within(mut self, span: Extent) -> Self {
        self.ticks.retain(|tick| span.contains(tick.value));
        self
    }

    /// The map from this axis to the pixels between two positions.
    pub(super) fn scale(&self, from_px: f64, to_px: f64) -> PixelScale {
        PixelScale::new(self.span, self.log, from_px, to_px)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &PlotAxis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn whole_numbers_are_never_split() {
        assert_eq!(labels(&PlotAxis::whole("epoch", Extent { lo: 0.0, hi: 2.0 }, 8)), ["0", "1", "2"]);
        let requests = PlotAxis::whole("request", Extent { lo: 1_390.0, hi: 1_510.0 }, 4);
        assert_eq!(labels(&requests), ["1,400", "1,450", "1,500"]);
    }

    #[test]
    fn tick_labels_never_repeat() {
        for (lo, hi) in [(0.0, 1e-7), (1e12, 1.000_001e12), (-3.0, 1e12), (0.999, 1.001), (950.0, 1050.0)] {
            let axis = PlotAxis::linear("", Extent { lo, hi }, 6);
            let mut unique = labels(&axis);
            unique.dedup();
            assert_eq!(unique, labels(&axis));
            assert!(unique.len() >= 2, "{unique:?}");
        }
    }

    #[test]
    fn log_ticks_are_labelled_each_by_its_own_size() {
        let axis = PlotAxis::log("loss", Extent { lo: 0.05, hi: 2.5 });
        assert_eq!(labels(&axis), ["0.05", "0.1", "0.2", "0.5", "1", "2"]);
    }
}
