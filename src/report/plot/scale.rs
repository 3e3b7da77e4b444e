//! Ranges of values, round numbers within them, and the map from values to pixels.

use super::scene::ScenePoint;

/// Values beyond this size are skipped like infinite ones: differences between them could overflow.
const LARGEST_DRAWABLE: f64 = 1e300;

/// Whether a value can be placed on an axis.
pub(super) fn is_drawable(value: f64) -> bool {
    value.abs() <= LARGEST_DRAWABLE
}

/// A closed range of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Extent {
    pub(super) lo: f64,
    pub(super) hi: f64,
}

impl Extent {
    /// The smallest range that holds all drawable values, if there are any.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        values.into_iter().filter(|value| is_drawable(*value)).fold(None, |span: Option<Self>, value| {
            Some(span.map_or(Self { lo: value, hi: value }, |span| span.including(value)))
        })
    }

    pub(super) fn including(self, value: f64) -> Self {
        Self { lo: self.lo.min(value), hi: self.hi.max(value) }
    }

    pub(super) fn width(self) -> f64 {
        self.hi - self.lo
    }

    /// Largest absolute value in the range.
    pub(super) fn largest(self) -> f64 {
        self.lo.abs().max(self.hi.abs())
    }

    /// The range with `share` of its width added at both ends. A range so narrow that ticks in it could not
    /// be told apart is opened to a tenth of its size on either side, or to ±1 around zero.
    pub(super) fn widened(self, share: f64) -> Self {
        let largest = self.largest();
        let extra = if self.width() > largest * 1e-9 && largest > 1e-290 {
            self.width() * share
        } else if largest > 1e-290 {
            largest * 0.1
        } else {
            1.0
        };
        Self { lo: self.lo - extra, hi: self.hi + extra }
    }

    /// The range widened by `share`, but not across zero when no value lies beyond zero.
    pub(super) fn widened_up_to_zero(self, share: f64) -> Self {
        let wide = self.widened(share);
        Self {
            lo: if self.lo >= 0.0 && self.hi > 0.0 { wide.lo.max(0.0) } else { wide.lo },
            hi: if self.hi <= 0.0 && self.lo < 0.0 { wide.hi.min(0.0) } else { wide.hi },
        }
    }

    pub(super) fn contains(self, value: f64) -> bool {
        self.lo <= value && value <= self.hi
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `least`.
pub(super) fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// All multiples of `step` within a span, in increasing order.
pub(super) fn multiples(span: Extent, step: f64) -> Vec<f64> {
    let slack = 1e-9;
    let first = (span.lo / step - slack).ceil();
    let count = ((span.hi / step + slack).floor() - first).max(-1.0) as usize + 1;
    let within = if (span.hi / step + slack).floor() < first { 0 } else { count };
    (0..within).map(|index| (first + index as f64) * step).collect()
}

/// Values of 1, 2 and 5 times a power of ten within a positive span, or only powers of ten when it spans
/// many.
pub(super) fn log_ticks(span: Extent) -> Vec<f64> {
    let (first, last) = (span.lo.log10().floor() as i32, span.hi.log10().ceil() as i32);
    let decades = span.hi.log10() - span.lo.log10();
    let factors: &[f64] = if decades < 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let stride = (decades / 7.0).ceil().max(1.0) as usize;
    (first..=last)
        .step_by(stride)
        .flat_map(|decade| factors.iter().map(move |factor| factor * 10f64.powi(decade)))
        .filter(|value| span.contains(*value))
        .collect()
}

/// Maps values to pixels, linearly in the value or in its logarithm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PixelScale {
    span: Extent,
    log: bool,
    from_px: f64,
    to_px: f64,
}

impl PixelScale {
    /// Maps the ends of `span` to `from_px` and `to_px`. With `log`, the span must be positive.
    pub(super) fn new(span: Extent, log: bool, from_px: f64, to_px: f64) -> Self {
        Self { span, log, from_px, to_px }
    }

    /// Pixel of a value; values outside the span are drawn at its nearer end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let position = |value: f64| if self.log { value.log10() } else { value };
        let (lo, hi) = (position(self.span.lo), position(self.span.hi));
        let share = (position(value.clamp(self.span.lo, self.span.hi)) - lo) / (hi - lo);
        self.from_px + share * (self.to_px - self.from_px)
    }
}

/// The scales of a panel's two axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PanelScales {
    pub(super) x: PixelScale,
    pub(super) y: PixelScale,
}

impl PanelScales {
    /// Position of a pair of values.
    pub(super) fn at(&self, x: f64, y: f64) -> ScenePoint {
        (self.x.at(x), self.y.at(y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(lo: f64, hi: f64) -> Extent {
        Extent { lo, hi }
    }

    #[test]
    fn a_span_skips_what_cannot_be_drawn() {
        assert_eq!(Extent::of([f64::NAN, 2.0, f64::INFINITY, -1.0, f64::MAX]), Some(span(-1.0, 2.0)));
        assert_eq!(Extent::of([f64::NAN, f64::NEG_INFINITY]), None);
    }

    #[test]
    fn widening_opens_a_constant_and_stops_at_zero() {
        assert_eq!(span(10.0, 10.0).widened(0.1), span(9.0, 11.0));
        assert_eq!(span(0.0, 0.0).widened(0.1), span(-1.0, 1.0));
        assert!(span(1e-310, 2e-310).widened(0.1).hi > 0.99);
        assert_eq!(span(0.0, 10.0).widened_up_to_zero(0.1), span(0.0, 11.0));
        assert_eq!(span(-10.0, -1.0).widened_up_to_zero(1.0), span(-19.0, 0.0));
        assert_eq!(span(-10.0, 10.0).widened_up_to_zero(0.5), span(-20.0, 20.0));
    }

    #[test]
    fn steps_are_one_two_or_five_times_a_power_of_ten() {
        let steps: Vec<f64> = [0.7, 1.0, 1.1, 3.0, 7.0, 120.0].into_iter().map(round_step).collect();
        assert_eq!(steps, [1.0, 1.0, 2.0, 5.0, 10.0, 200.0]);
    }

    #[test]
    fn multiples_lie_within_the_span() {
        assert_eq!(multiples(span(-1.0, 1.0), 0.5), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert_eq!(multiples(span(0.1, 0.9), 1.0), [0.0; 0]);
        assert_eq!(multiples(span(0.1, 1.9), 1.0), [1.0]);
    }

    #[test]
    fn log_ticks_thin_out_as_the_span_grows() {
        assert_eq!(log_ticks(span(0.9, 22.0)), [1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(log_ticks(span(0.5, 2000.0)).len(), 4);
        assert!(log_ticks(span(1e-20, 1e20)).len() <= 8);
    }

    #[test]
    fn a_scale_maps_its_ends_and_holds_outliers_there() {
        let linear = PixelScale::new(span(0.0, 10.0), false, 100.0, 0.0);
        let log = PixelScale::new(span(1.0, 100.0), true, 0.0, 10.0);
        for (scale, value, px) in
            [(linear, 0.0, 100.0), (linear, 5.0, 50.0), (linear, 99.0, 0.0), (log, 10.0, 5.0)]
        {
            assert!((scale.at(value) - px).abs() < 1e-12);
        }
    }
}
