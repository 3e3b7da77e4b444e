//! How the objective of trials is placed and coloured: one axis and one scale of colours for all plots of a search.

use anyhow::{Context, Result};
use plotters::style::RGBColor;

use super::axis::PlotAxis;
use super::chart::{AxisKind, ChartAxis};
use super::frame::{LegendEntry, LegendKey};
use super::plotted_trial::{PlottedState, PlottedTrial};
use super::scale::{Extent, is_drawable};
use crate::text::number;

/// From the best trial to a poor one: viridis without its lightest fifth, which is too faint on white.
const COLOURS: [RGBColor; 9] = [
    RGBColor(0x44, 0x01, 0x54),
    RGBColor(0x48, 0x24, 0x75),
    RGBColor(0x41, 0x44, 0x87),
    RGBColor(0x35, 0x5f, 0x8d),
    RGBColor(0x2a, 0x78, 0x8e),
    RGBColor(0x21, 0x91, 0x8c),
    RGBColor(0x22, 0xa8, 0x84),
    RGBColor(0x44, 0xbf, 0x70),
    RGBColor(0x7a, 0xd1, 0x51),
];
/// The axis ends at this many times the distance from the best trial to the last of the better three quarters: trials that
/// diverged would leave no room for the others.
const LONGEST: f64 = 6.0;
/// Share of the finished trials that the colours tell apart; the poorest have the last one. Few are all told apart.
const COLOURED_SHARE: f64 = 0.75;
const FEW_TRIALS: usize = 12;
/// Objectives that span more than this factor are drawn on a logarithmic axis.
const LOG_FROM_RATIO: f64 = 10.0;

/// The axis and the colours of an objective, lower is better.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ObjectiveScale {
    pub(super) axis: PlotAxis,
    /// The highest objective that has a place on the axis.
    pub(super) highest: f64,
    /// How many trials lie above it.
    pub(super) above: usize,
    metric: String,
    log: bool,
    coloured: Extent,
    highest_done: f64,
}

impl ObjectiveScale {
    /// The scale for some trials, of which some must have an objective.
    pub(super) fn of(metric: &str, trials: &[PlottedTrial]) -> Result<Self> {
        let known = sorted(trials.iter().filter(|trial| trial.state != PlottedState::Failed));
        let all = Extent::of(known.iter().copied()).context("no trial has a finite objective to draw")?;
        let limit = all.lo + LONGEST * (upper_quartile(&known, all.lo) - all.lo);
        let highest = known.iter().copied().filter(|value| *value <= limit).fold(all.lo, f64::max);
        let span = Extent { lo: all.lo, hi: highest };
        let log = span.lo > 1e-100 && span.hi < 1e100 && span.hi / span.lo > LOG_FROM_RATIO;
        let axis = if log {
            let room = (span.hi / span.lo).powf(0.06);
            PlotAxis::log(format!("{metric} (log scale)"), Extent { lo: span.lo / room, hi: span.hi * room })
        } else {
            PlotAxis::linear(metric, span.widened(0.06), 4)
        };
        let done = sorted(trials.iter().filter(|trial| trial.state == PlottedState::Done));
        let done = if done.is_empty() { known.clone() } else { done };
        let share = if done.len() < FEW_TRIALS { 1.0 } else { COLOURED_SHARE };
        let poorest = done[((done.len() - 1) as f64 * share).round() as usize];
        let coloured = Extent { lo: done[0], hi: poorest.min(highest) };
        let above = known.iter().filter(|value| **value > highest).count();
        let highest_done = done[done.len() - 1];
        Ok(Self { axis, highest, above, metric: metric.to_owned(), log, coloured, highest_done })
    }

    /// The colour of a finished trial.
    pub(super) fn colour(&self, objective: f64) -> RGBColor {
        let size = |value: f64| if self.log { value.max(1e-300).ln() } else { value };
        let width = size(self.coloured.hi) - size(self.coloured.lo);
        let share = if width > 0.0 { (size(objective) - size(self.coloured.lo)) / width } else { 0.0 };
        COLOURS[((share.clamp(0.0, 1.0) * COLOURS.len() as f64) as usize).min(COLOURS.len() - 1)]
    }

    /// The entry of the legend.
    pub(super) fn legend(&self) -> LegendEntry {
        let Extent { lo, hi } = self.coloured;
        let label = match self.highest_done {
            highest if lo < hi && hi < highest => {
                format!("{} {} to {} and above", self.metric, number(lo), number(hi))
            }
            _ if lo < hi => format!("{} {} to {}", self.metric, number(lo), number(hi)),
            _ => format!("{} {}", self.metric, number(lo)),
        };
        LegendEntry::new(LegendKey::Ramp(&COLOURS), label)
    }

    /// The axis of an interactive chart.
    pub(super) fn of_chart(&self) -> ChartAxis {
        ChartAxis::new(&self.metric, if self.log { AxisKind::Log } else { AxisKind::Value })
    }

    /// What the picture says about trials that lie above its axis.
    pub(super) fn sentence_about_those_above(&self) -> Option<String> {
        let at = number(self.highest);
        match self.above {
            0 => None,
            1 => Some(format!("One trial above {at} stands at the upper edge, as a triangle.")),
            count => Some(format!("{count} trials above {at} stand at the upper edge, as triangles.")),
        }
    }
}

fn sorted<'a>(trials: impl Iterator<Item = &'a PlottedTrial>) -> Vec<f64> {
    let mut values: Vec<f64> =
        trials.filter_map(|trial| trial.objective).filter(|value| is_drawable(*value)).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The upper quartile; where three quarters of the trials are as good as the best, a value further up that is not.
fn upper_quartile(sorted: &[f64], lowest: f64) -> f64 {
    let last = sorted.len() - 1;
    let at = [0.75, 0.9, 1.0].map(|share| sorted[(last as f64 * share).round() as usize]);
    let differs = |value: &f64| value - lowest > 1e-9 * lowest.abs();
    at.into_iter().find(differs).unwrap_or(sorted[last])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trials(objectives: &[f64]) -> Vec<PlottedTrial> {
        let trial = |(at, objective): (usize, &f64)| PlottedTrial {
            number: at + 1,
            label: String::new(),
            state: PlottedState::Done,
            is_start: false,
            objective: Some(*objective),
            values: Vec::new(),
        };
        objectives.iter().enumerate().map(trial).collect()
    }

    #[test]
    fn the_best_is_darkest_and_the_poorest_quarter_has_one_colour() {
        let values: Vec<f64> = (0..41).map(|at| 1.0 + f64::from(at) / 40.0).collect();
        let scale = ObjectiveScale::of("mse", &trials(&values)).unwrap();
        assert_eq!((scale.colour(1.0), scale.above), (COLOURS[0], 0));
        assert_eq!(scale.colour(1.4), COLOURS[4]);
        assert_eq!((scale.colour(1.75), scale.colour(9.0)), (COLOURS[8], COLOURS[8]));
        assert_eq!(scale.legend().label, "mse 1.000 to 1.750 and above");
    }

    #[test]
    fn what_diverged_leaves_room_for_the_others() {
        let scale = ObjectiveScale::of("mse", &trials(&[1.0, 1.1, 1.2, 1.3, 1.3, 1.3, 1e9])).unwrap();
        assert_eq!((scale.highest, scale.above), (1.3, 1));
        assert_eq!(
            scale.sentence_about_those_above().unwrap(),
            "One trial above 1.300 stands at the upper edge, as a triangle."
        );
    }

    #[test]
    fn equal_objectives_and_one_alone_have_an_axis() {
        for values in [&[2.0][..], &[2.0, 2.0, 2.0], &[0.0, 0.0], &[2.0, 2.0, 2.0, 3.0]] {
            let scale = ObjectiveScale::of("mse", &trials(values)).unwrap();
            assert!(scale.axis.ticks.len() >= 2 && scale.above == 0, "{values:?}: {scale:?}");
        }
        assert!(ObjectiveScale::of("mse", &trials(&[f64::NAN])).is_err());
    }
}
