//! Colours and sizes shared by all plots.

use plotters::style::RGBColor;

/// Width of every plot in logical pixels.
pub(super) const WIDTH: f64 = 880.0;
/// Width of the form of a plot that phones show: that of a common phone less the borders of the page.
pub(super) const NARROW_WIDTH: f64 = 340.0;
/// Free space between the drawing and the plot's border.
pub(super) const MARGIN: f64 = 24.0;

pub(super) const TITLE_SIZE: f64 = 17.0;
pub(super) const LABEL_SIZE: f64 = 13.0;
pub(super) const TICK_SIZE: f64 = 12.5;
pub(super) const CAPTION_SIZE: f64 = 12.5;

pub(super) const BACKGROUND: RGBColor = RGBColor(255, 255, 255);
pub(super) const INK: RGBColor = RGBColor(31, 41, 51);
pub(super) const MUTED: RGBColor = RGBColor(88, 100, 112);
pub(super) const GRID: RGBColor = RGBColor(229, 233, 237);
pub(super) const AXIS: RGBColor = RGBColor(160, 170, 180);
pub(super) const GREY_FILL: RGBColor = RGBColor(232, 235, 239);
pub(super) const GREY_LINE: RGBColor = RGBColor(134, 145, 156);

/// The Okabe–Ito colours that stay readable on white, which readers with any common colour vision deficiency
/// can tell apart (Okabe and Ito 2008, "Color Universal Design", <https://jfly.uni-koeln.de/color/>); yellow
/// is left out.
const OKABE_ITO: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];
/// How many series can be told apart by colour.
pub(super) const SERIES_COLOURS: usize = OKABE_ITO.len();

/// Colour of the series at `index`; colours repeat after [`SERIES_COLOURS`].
pub(super) fn series_colour(index: usize) -> RGBColor {
    OKABE_ITO[index % SERIES_COLOURS]
}

/// `colour` mixed with white; a `share` of 0 leaves it as it is and 1 gives white.
pub(super) fn lighter(RGBColor(red, green, blue): RGBColor, share: f64) -> RGBColor {
    let mix = |channel: u8| (f64::from(channel) + (255.0 - f64::from(channel)) * share).round() as u8;
    RGBColor(mix(red), mix(green), mix(blue))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lightening_moves_every_channel_towards_white() {
        assert_eq!(lighter(RGBColor(0, 100, 255), 0.5), RGBColor(128, 178, 255));
        assert_eq!(lighter(INK, 0.0), INK);
        assert_eq!(lighter(INK, 1.0), RGBColor(255, 255, 255));
    }

    #[test]
    fn all_series_colours_differ() {
        for a in 0..SERIES_COLOURS {
            for b in 0..a {
                assert_ne!(series_colour(a), series_colour(b));
            }
        }
    }
}
