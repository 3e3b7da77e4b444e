//! The axis of a hyperparameter: numbers by size or by their logarithm, as they were searched, with ticks as people write
//! them; or names at equal distances.

use super::axis::{PlotAxis, Tick};
use super::chart::{AxisKind, ChartAxis};
use super::font::{self, Weight};
use super::number;
use super::scale::{Extent, multiples, round_step};
use super::theme::TICK_SIZE;

/// Free space at both ends of an axis, as a share of it, so that marks at an end are whole.
const END_ROOM: f64 = 0.04;
/// Least distance of two labels beside each other.
const LABEL_GAP: f64 = 8.0;
/// How far a label may reach beyond the end of its panel.
const OVERHANG: f64 = 20.0;
/// Least distance of two labels above each other: of values that were listed, and of round numbers, of which fewer will do.
const LINE_HEIGHT: f64 = TICK_SIZE + 4.0;
const ROUND_HEIGHT: f64 = 2.0 * LINE_HEIGHT;

/// The place of a tick from 0 to 1, and its label.
type PlacedLabel = (f64, String);

/// A hyperparameter and how its values are placed.
#[derive(Debug, Clone, PartialEq)]
pub struct HyperparameterAxis {
    /// Its name.
    pub name: String,
    /// Where its values stand.
    pub scale: HyperparameterScale,
}

/// How the values of a hyperparameter are placed.
#[derive(Debug, Clone, PartialEq)]
pub enum HyperparameterScale {
    /// Numbers of a range.
    Range {
        /// The lowest.
        low: f64,
        /// The highest, above the lowest.
        high: f64,
        /// By their logarithm; the lowest is above zero.
        log: bool,
        /// Only whole numbers occur.
        whole: bool,
    },
    /// At least two numbers of a list, increasing; ticks stand at them.
    Numbers {
        /// The numbers.
        values: Vec<f64>,
        /// By their logarithm; the lowest is above zero.
        log: bool,
    },
    /// Names at equal distances. A value is the index of one.
    Names(Vec<String>),
}

impl HyperparameterAxis {
    /// Its name, with a word about a logarithmic scale.
    pub(super) fn title(&self) -> String {
        if self.is_log() { format!("{} (log)", self.name) } else { self.name.clone() }
    }

    /// The axis below a panel of this width.
    pub(super) fn horizontal(&self, width: f64) -> PlotAxis {
        self.with_ticks(|ticks| fits_beside(ticks, width))
    }

    /// The axis beside a panel of this height.
    pub(super) fn vertical(&self, height: f64) -> PlotAxis {
        let is_range = matches!(self.scale, HyperparameterScale::Range { .. });
        let least = if is_range { ROUND_HEIGHT } else { LINE_HEIGHT };
        self.with_ticks(|ticks| ticks.windows(2).all(|pair| (pair[1].0 - pair[0].0).abs() * height >= least))
    }

    /// Whether a panel of this width has room for all names; numbers always find room, since some of their ticks may be left
    /// out.
    pub(super) fn has_room(&self, width: f64) -> bool {
        let HyperparameterScale::Names(_) = self.scale else { return true };
        let axis = self.horizontal(width);
        let scale = axis.scale(0.0, 1.0);
        let placed: Vec<PlacedLabel> =
            axis.ticks.iter().map(|tick| (scale.at(tick.value), tick.label.clone())).collect();
        fits_beside(&placed, width)
    }

    /// The axis of an interactive chart.
    pub(super) fn of_chart(&self) -> ChartAxis {
        match &self.scale {
            HyperparameterScale::Names(names) => ChartAxis::of_categories(&self.name, names.clone()),
            _ if self.is_log() => ChartAxis::new(&self.name, AxisKind::Log),
            _ => ChartAxis::new(&self.name, AxisKind::Value),
        }
    }

    fn is_log(&self) -> bool {
        match self.scale {
            HyperparameterScale::Range { log, .. } | HyperparameterScale::Numbers { log, .. } => log,
            HyperparameterScale::Names(_) => false,
        }
    }

    /// The axis with the most ticks that fit, given by their place from 0 to 1 and their label.
    fn with_ticks(&self, fits: impl Fn(&[PlacedLabel]) -> bool) -> PlotAxis {
        let span = self.span();
        let mut axis = if self.is_log() { PlotAxis::log("", span) } else { PlotAxis::linear("", span, 4) };
        let scale = axis.scale(0.0, 1.0);
        let place = |ticks: &[Tick]| -> Vec<PlacedLabel> {
            ticks.iter().map(|tick| (scale.at(tick.value), tick.label.clone())).collect()
        };
        let mut candidates = self.candidates();
        let chosen = candidates.iter().position(|ticks| fits(&place(ticks)));
        let last = candidates.len().saturating_sub(1);
        axis.ticks = candidates.swap_remove(chosen.unwrap_or(last));
        axis
    }

    /// The numbers that it spans, with room at both ends.
    fn span(&self) -> Extent {
        let (low, high) = match &self.scale {
            HyperparameterScale::Range { low, high, .. } => (*low, *high),
            HyperparameterScale::Numbers { values, .. } => {
                (values.first().copied().unwrap_or(0.0), values.last().copied().unwrap_or(1.0))
            }
            HyperparameterScale::Names(names) => {
                return Extent { lo: -0.5, hi: names.len().max(1) as f64 - 0.5 };
            }
        };
        if self.is_log() {
            let room = (high / low).powf(END_ROOM);
            return Extent { lo: low / room, hi: high * room };
        }
        Extent { lo: low, hi: high }.widened(END_ROOM)
    }

    /// Sets of ticks, the densest first; never empty.
    fn candidates(&self) -> Vec<Vec<Tick>> {
        let written = |values: Vec<f64>| -> Vec<Tick> {
            values.into_iter().map(|value| Tick { value, label: number::as_written(value) }).collect()
        };
        match &self.scale {
            HyperparameterScale::Range { low, high, log, whole } => {
                let range = Extent { lo: *low, hi: *high };
                let mut sets = if *log { logarithmic(range) } else { Vec::new() };
                sets.retain(|values| values.len() >= 2);
                if sets.is_empty() {
                    sets = linear(range, *whole);
                }
                sets.into_iter().map(written).collect()
            }
            HyperparameterScale::Numbers { values, .. } => {
                let every = |step: usize| values.iter().copied().step_by(step).collect();
                (1..=values.len().max(1)).map(|step| written(every(step))).collect()
            }
            HyperparameterScale::Names(names) => {
                let ticks = names.iter().enumerate();
                vec![ticks.map(|(at, name)| Tick { value: at as f64, label: name.clone() }).collect()]
            }
        }
    }
}

/// Whether labels, each centred on its place, have room below a panel.
fn fits_beside(ticks: &[PlacedLabel], width: f64) -> bool {
    let mut end = -OVERHANG - LABEL_GAP;
    ticks.iter().all(|(place, label)| {
        let half = font::width(label, TICK_SIZE, Weight::Regular) / 2.0;
        let is_apart = place * width - half >= end + LABEL_GAP;
        end = place * width + half;
        is_apart && end <= width + OVERHANG
    })
}

/// Round numbers of a logarithmic range: 1, 2 and 5 times each power of ten, 1 and 3 times, each power, every second, ...
fn logarithmic(range: Extent) -> Vec<Vec<f64>> {
    let (first, last) = (range.lo.log10().floor() as i32, range.hi.log10().ceil() as i32);
    let set = |factors: &[f64], stride: usize| -> Vec<f64> {
        (first..=last)
            .step_by(stride)
            // A power of ten as people write it: 1e-4, not 10 to the power of -4.
            .filter_map(|decade| format!("1e{decade}").parse::<f64>().ok())
            .flat_map(|power| factors.iter().map(move |factor| factor * power))
            .filter(|value| range.lo * (1.0 - 1e-9) <= *value && *value <= range.hi * (1.0 + 1e-9))
            .collect()
    };
    let mut sets = vec![set(&[1.0, 2.0, 5.0], 1), set(&[1.0, 3.0], 1)];
    sets.extend((1..=(last - first).unsigned_abs().max(1) as usize).map(|stride| set(&[1.0], stride)));
    sets
}

/// Multiples of a round step within a range.
fn linear(range: Extent, whole: bool) -> Vec<Vec<f64>> {
    let step = |count: f64| {
        let step = round_step(range.width() / count);
        if whole { step.max(1.0) } else { step }
    };
    [8.0, 6.0, 5.0, 4.0, 3.0, 2.0].map(|count| multiples(range, step(count))).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(scale: HyperparameterScale) -> HyperparameterAxis {
        HyperparameterAxis { name: "x".to_owned(), scale }
    }

    fn labels(axis: &PlotAxis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn a_logarithmic_range_has_ticks_as_people_write_them() {
        let rate = |low, high| axis(HyperparameterScale::Range { low, high, log: true, whole: false });
        assert_eq!(labels(&rate(3e-4, 3e-2).horizontal(230.0)), ["0.0003", "0.001", "0.003", "0.01", "0.03"]);
        assert_eq!(labels(&rate(1e-5, 1e-1).horizontal(230.0)), ["1e−5", "0.0001", "0.001", "0.01", "0.1"]);
        assert!((2..=4).contains(&labels(&rate(1e-12, 1.0).horizontal(120.0)).len()));
        // Half a decade holds a few round numbers only.
        assert_eq!(labels(&rate(0.011, 0.016).horizontal(230.0))[0], "0.012");
        let placed = rate(1e-4, 1e-2).vertical(300.0);
        let scale = placed.scale(0.0, 1.0);
        assert!((scale.at(1e-3) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn whole_numbers_have_whole_ticks_by_size() {
        let hidden = axis(HyperparameterScale::Range { low: 4.0, high: 24.0, log: false, whole: true });
        assert_eq!(labels(&hidden.horizontal(230.0)), ["5", "10", "15", "20"]);
        let few = axis(HyperparameterScale::Range { low: 1.0, high: 3.0, log: false, whole: true });
        assert_eq!(labels(&few.horizontal(230.0)), ["1", "2", "3"]);
    }

    #[test]
    fn listed_numbers_have_a_tick_each_while_there_is_room() {
        let values = vec![8.0, 16.0, 32.0, 64.0, 128.0];
        let widths = axis(HyperparameterScale::Numbers { values, log: true });
        let placed = widths.horizontal(230.0);
        assert_eq!(labels(&placed), ["8", "16", "32", "64", "128"]);
        let scale = placed.scale(0.0, 1.0);
        assert!((scale.at(32.0) - 0.5).abs() < 1e-9);
        assert_eq!(labels(&widths.horizontal(70.0)), ["8", "32", "128"]);
    }

    #[test]
    fn names_that_do_not_fit_ask_for_a_wider_panel() {
        let names = ["adam", "a very long name of a schedule", "constant"].map(str::to_owned).to_vec();
        let schedule = axis(HyperparameterScale::Names(names));
        assert!(!schedule.has_room(230.0) && schedule.has_room(700.0));
        assert_eq!(labels(&schedule.vertical(300.0)).len(), 3);
    }
}
