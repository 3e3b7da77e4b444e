//! One entry of a leaderboard: its bar, its whisker, its name and its value.

use plotters::style::RGBColor;

use super::font::{self, Weight};
use super::number;
use super::scale::{Extent, PixelScale, is_drawable};
use super::scene::{Align, Scene, TextStyle, text_extent};
use super::theme::{BACKGROUND, INK, LABEL_SIZE, MUTED, lighter, series_colour};

const MOST_BARS: usize = 20;
const BAR_HEIGHT: f64 = 18.0;
/// Longer names are cut.
pub(super) const WIDEST_NAME: f64 = 260.0;
/// Distance between the end of a bar or its whisker and its value.
pub(super) const VALUE_GAP: f64 = 8.0;
const BASELINE: RGBColor = RGBColor(176, 184, 192);
const BEST_BASELINE: RGBColor = RGBColor(120, 130, 140);

/// The score of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Name of the model.
    pub label: String,
    /// Its score, in the unit of the metric.
    pub value: f64,
    /// Half of the length of the whisker around the value, such as the standard deviation over seeds.
    pub spread: Option<f64>,
    /// Whether this is the best entry.
    pub highlight: bool,
    /// Whether this is a baseline rather than a trained model.
    pub baseline: bool,
}

impl Bar {
    pub(super) fn spread(&self) -> Option<f64> {
        self.spread.map(f64::abs).filter(|spread| is_drawable(*spread))
    }

    pub(super) fn ends(&self) -> [f64; 2] {
        let spread = self.spread().unwrap_or(0.0);
        [self.value - spread, self.value + spread]
    }

    pub(super) fn colour(&self) -> RGBColor {
        match (self.baseline, self.highlight) {
            (true, true) => BEST_BASELINE,
            (true, false) => BASELINE,
            (false, true) => series_colour(0),
            (false, false) => lighter(series_colour(0), 0.5),
        }
    }

    pub(super) fn weight(&self) -> Weight {
        if self.highlight { Weight::SemiBold } else { Weight::Regular }
    }
}

/// A bar that is drawn, with its value as it is printed.
pub(super) struct BarRow<'a> {
    pub(super) bar: &'a Bar,
    pub(super) text: String,
}

/// The first bars, with values that line up in their decimals.
pub(super) fn rows<'a>(finite: &[&'a Bar]) -> Vec<BarRow<'a>> {
    let shown = &finite[..finite.len().min(MOST_BARS)];
    let units = number::column(shown.iter().map(|bar| bar.value), 4);
    shown
        .iter()
        .zip(units)
        .map(|(bar, unit)| {
            let text = match bar.spread() {
                Some(spread) => unit.text_with_spread(bar.value, spread),
                None => unit.text(bar.value),
            };
            BarRow { bar, text }
        })
        .collect()
}

/// Draws the bar from zero to its value, cut by a gap if it reaches beyond `span`, and its whisker.
pub(super) fn draw_bar(scene: &mut Scene, bar: &Bar, y: f64, scale: &PixelScale, span: Extent) {
    let (zero, end) = (scale.at(0.0), scale.at(bar.value));
    let half = BAR_HEIGHT / 2.0;
    // A bar of no length still shows where its value lies.
    let end = if (end - zero).abs() < 1.5 { zero + 1.5f64.copysign(bar.value) } else { end };
    scene.rect((zero, y - half), (end, y + half), bar.colour());
    if bar.value > span.hi {
        let (near, far) = (end - 22.0, end - 16.0);
        scene.polygon(
            vec![(near, y + half), (near + 5.0, y - half), (far + 5.0, y - half), (far, y + half)],
            BACKGROUND,
        );
    } else if bar.spread().is_some() {
        let [low, high] = bar.ends().map(|value| scale.at(value));
        let colour = if bar.highlight { INK } else { MUTED };
        scene.line((low, y), (high, y), 1.4, colour);
        for x in [low, high] {
            scene.line((x, y - 4.0), (x, y + 4.0), 1.4, colour);
        }
    }
}

/// Writes the name of a bar up to `names_end`, and its value beyond its end on a patch that hides the lines
/// behind it.
pub(super) fn draw_texts(scene: &mut Scene, row: &BarRow<'_>, y: f64, names_end: f64, scale: &PixelScale) {
    let BarRow { bar, text } = row;
    let negative = bar.value < 0.0;
    let [low, high] = bar.ends().map(|value| scale.at(value));
    let (align, x) = if negative {
        (Align::Right, low.min(scale.at(0.0)) - VALUE_GAP)
    } else {
        (Align::Left, high + VALUE_GAP)
    };
    let style = TextStyle { weight: bar.weight(), align, ..TextStyle::default() };
    let (left, right) = text_extent(x, text, &style);
    scene.rect((left - 3.0, y - 9.0), (right + 3.0, y + 9.0), BACKGROUND);
    scene.text((x, y), text, style);

    let name = font::fit(&bar.label, LABEL_SIZE, bar.weight(), WIDEST_NAME);
    scene.text((names_end, y), &name, TextStyle { align: Align::Right, ..style });
}
