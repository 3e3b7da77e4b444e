//! What surrounds the data of a plot: title, legend, grid, axis labels and caption.

use plotters::style::RGBColor;

use super::axis::PlotAxis;
use super::font::{self, Weight};
use super::scale::PanelScales;
use super::scene::{Align, Scene, ScenePoint, TextStyle, text_extent};
use super::theme::{AXIS, CAPTION_SIZE, GRID, LABEL_SIZE, MARGIN, MUTED, TICK_SIZE, TITLE_SIZE};

/// The rectangle that data are drawn in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Panel {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Panel {
    /// A panel of the whole width with the title of its vertical axis, which it draws below `y`. `narrowest_labels` is
    /// the least room for the labels of that axis, so that panels below each other line up.
    pub(super) fn below(
        scene: &mut Scene,
        y: f64,
        y_axis: &PlotAxis,
        height: f64,
        narrowest_labels: f64,
    ) -> Self {
        y_title(scene, y, y_axis);
        let top = y + Y_TITLE_HEIGHT;
        let left = MARGIN + label_width(y_axis).max(narrowest_labels);
        Self { left, top, right: scene.width - MARGIN, bottom: top + height }
    }

    /// The scales of two axes in this panel.
    pub(super) fn scales(&self, x_axis: &PlotAxis, y_axis: &PlotAxis) -> PanelScales {
        PanelScales { x: x_axis.scale(self.left, self.right), y: y_axis.scale(self.bottom, self.top) }
    }
}

/// Sample of a mark beside its name in the legend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum LegendKey {
    Line(RGBColor),
    Dashed(RGBColor),
    Dot(RGBColor),
    Ring(RGBColor),
    Swatch(RGBColor),
    /// A short upright stroke.
    Tick(RGBColor),
    /// A scale of colours.
    Ramp(&'static [RGBColor]),
}

/// One entry of a legend.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LegendEntry {
    pub(super) key: LegendKey,
    pub(super) label: String,
}

impl LegendEntry {
    pub(super) fn new(key: LegendKey, label: impl Into<String>) -> Self {
        Self { key, label: label.into() }
    }
}

/// Dash and gap of dashed data lines.
pub(super) const DASH: (f64, f64) = (6.0, 4.0);
const KEY_WIDTH: f64 = 22.0;
const RAMP_WIDTH: f64 = 72.0;
const KEY_GAP: f64 = 8.0;
const ENTRY_GAP: f64 = 26.0;
const ROW_HEIGHT: f64 = 22.0;
/// Height of a line of the title.
const TITLE_LINE: f64 = 22.0;
/// Least distance of a text from the border of the plot.
const EDGE: f64 = 6.0;
/// Height that the labels and the title of a horizontal axis take below a panel.
pub(super) const X_AXIS_HEIGHT: f64 = 56.0;
/// Height that the title of a vertical axis takes above a panel.
pub(super) const Y_TITLE_HEIGHT: f64 = 34.0;

/// Draws the title and the legend, and returns the height at which they end.
pub(super) fn header(scene: &mut Scene, title: &str, entries: &[LegendEntry]) -> f64 {
    let style = TextStyle { size: TITLE_SIZE, weight: Weight::SemiBold, ..TextStyle::default() };
    let mut y = 32.0;
    // A title wider than the plot continues below.
    for (index, line) in
        wrapped(title, TITLE_SIZE, Weight::SemiBold, scene.width - 2.0 * MARGIN).iter().enumerate()
    {
        y += if index == 0 { 0.0 } else { TITLE_LINE };
        scene.text((MARGIN, y), line, style);
    }
    if entries.is_empty() { y + 14.0 } else { legend(scene, entries, y + 30.0) + 12.0 }
}

/// Sets legend entries in rows from a first row centred on `y`, and returns the lower end of the last one.
fn legend(scene: &mut Scene, entries: &[LegendEntry], mut y: f64) -> f64 {
    let mut x = MARGIN;
    for entry in entries {
        let key_width = key_width(entry.key);
        let room = scene.width - 2.0 * MARGIN - key_width - KEY_GAP;
        // A label wider than the plot continues below.
        let lines = wrapped(&entry.label, LABEL_SIZE, Weight::Regular, room);
        let widest = lines.iter().map(|line| font::width(line, LABEL_SIZE, Weight::Regular));
        let width = key_width + KEY_GAP + widest.fold(0.0, f64::max);
        if x > MARGIN && x + width > scene.width - MARGIN {
            x = MARGIN;
            y += ROW_HEIGHT;
        }
        key(scene, entry.key, (x, y));
        for (index, line) in lines.iter().enumerate() {
            y += if index == 0 { 0.0 } else { ROW_HEIGHT };
            scene.text((x + key_width + KEY_GAP, y), line, TextStyle::default());
        }
        x += width + ENTRY_GAP;
    }
    y + ROW_HEIGHT / 2.0
}

fn key_width(key: LegendKey) -> f64 {
    if matches!(key, LegendKey::Ramp(_)) { RAMP_WIDTH } else { KEY_WIDTH }
}

fn key(scene: &mut Scene, key: LegendKey, (x, y): ScenePoint) {
    let (from, to) = ((x, y), (x + KEY_WIDTH, y));
    match key {
        LegendKey::Line(colour) => scene.line(from, to, 2.5, colour),
        LegendKey::Dashed(colour) => scene.dashed(&[from, to], DASH, 2.0, colour),
        LegendKey::Dot(colour) => scene.disc((x + KEY_WIDTH / 2.0, y), 4.0, colour),
        LegendKey::Ring(colour) => scene.ring((x + KEY_WIDTH / 2.0, y), 4.5, colour),
        LegendKey::Swatch(colour) => scene.rect((x, y - 6.0), (x + KEY_WIDTH, y + 6.0), colour),
        LegendKey::Tick(colour) => {
            scene.line((x + KEY_WIDTH / 2.0, y - 5.0), (x + KEY_WIDTH / 2.0, y + 5.0), 1.8, colour);
        }
        LegendKey::Ramp(colours) => {
            let step = RAMP_WIDTH / colours.len() as f64;
            for (index, colour) in colours.iter().enumerate() {
                let left = x + step * index as f64;
                scene.rect((left, y - 6.0), (left + step, y + 6.0), *colour);
            }
        }
    }
}

/// Width that the labels of a vertical axis need left of its panel.
pub(super) fn label_width(axis: &PlotAxis) -> f64 {
    let widths = axis.ticks.iter().map(|tick| font::width(&tick.label, TICK_SIZE, Weight::Regular));
    widths.fold(0.0, f64::max) + 10.0
}

/// Writes the title of a vertical axis above the panel whose upper end lies [`Y_TITLE_HEIGHT`] below `y`.
pub(super) fn y_title(scene: &mut Scene, y: f64, axis: &PlotAxis) {
    let title = font::fit(&axis.title, LABEL_SIZE, Weight::Regular, scene.width - 2.0 * MARGIN);
    scene.text((MARGIN, y + 12.0), &title, TextStyle { colour: MUTED, ..TextStyle::default() });
}

/// Draws the horizontal grid lines of a vertical axis, and its labels left of the panel.
pub(super) fn y_grid(scene: &mut Scene, panel: &Panel, axis: &PlotAxis) {
    let scale = axis.scale(panel.bottom, panel.top);
    let style = TextStyle { size: TICK_SIZE, colour: MUTED, align: Align::Right, ..TextStyle::default() };
    for tick in &axis.ticks {
        let y = scale.at(tick.value);
        scene.line((panel.left, y), (panel.right, y), 1.0, GRID);
        scene.text((panel.left - 8.0, y), &tick.label, style);
    }
}

/// Draws the vertical grid lines of a horizontal axis.
pub(super) fn x_grid(scene: &mut Scene, panel: &Panel, axis: &PlotAxis) {
    let scale = axis.scale(panel.left, panel.right);
    for tick in &axis.ticks {
        let x = scale.at(tick.value);
        scene.line((x, panel.top), (x, panel.bottom), 1.0, GRID);
    }
}

/// Draws the line, the labels and the title of a horizontal axis below a panel.
pub(super) fn x_axis(scene: &mut Scene, panel: &Panel, axis: &PlotAxis) {
    scene.line((panel.left, panel.bottom), (panel.right, panel.bottom), 1.0, AXIS);
    let scale = axis.scale(panel.left, panel.right);
    let style = TextStyle { size: TICK_SIZE, colour: MUTED, align: Align::Center, ..TextStyle::default() };
    let mut labelled_up_to = f64::MIN;
    for tick in &axis.ticks {
        let x = scale.at(tick.value);
        scene.line((x, panel.bottom), (x, panel.bottom + 4.0), 1.0, AXIS);
        // A long label at either end moves a little beside its tick, to stay within the plot, and one that would run
        // into its neighbour is left out.
        let (left, right) = text_extent(x, &tick.label, &style);
        let shift = (EDGE - left).max(0.0) - (right - (scene.width - EDGE)).max(0.0);
        if left + shift > labelled_up_to + EDGE {
            scene.text((x + shift, panel.bottom + 16.0), &tick.label, style);
            labelled_up_to = right + shift;
        }
    }
    // A title wider than its panel has the whole plot where nothing stands beside the panel.
    let width = scene.width;
    let is_alone = panel.right >= width - MARGIN - 1e-9 || panel.right - panel.left > width / 3.0;
    let room = if is_alone { width - 2.0 * MARGIN } else { panel.right - panel.left };
    let title = font::fit(&axis.title, LABEL_SIZE, Weight::Regular, room);
    let half = font::width(&title, LABEL_SIZE, Weight::Regular) / 2.0;
    let style = TextStyle { colour: MUTED, align: Align::Center, ..TextStyle::default() };
    let middle = f64::midpoint(panel.left, panel.right).max(MARGIN + half).min(width - MARGIN - half);
    scene.text((middle, panel.bottom + 40.0), &title, style);
}

/// Ends the scene at `y`, with the sentences of a caption below if there are any; long captions take several
/// lines.
pub(super) fn finish(scene: &mut Scene, mut y: f64, caption: &[String]) {
    let style = TextStyle { size: CAPTION_SIZE, colour: MUTED, ..TextStyle::default() };
    for line in wrapped(&caption.join(" "), CAPTION_SIZE, Weight::Regular, scene.width - 2.0 * MARGIN) {
        y += 18.0;
        scene.text((MARGIN, y), &line, style);
    }
    scene.height = (y + 18.0).ceil();
}

/// Breaks text at spaces into lines of at most `max_width`, and words that are longer than a line where they must be.
pub(super) fn wrapped(text: &str, size: f64, weight: Weight, max_width: f64) -> Vec<String> {
    let fits = |line: &str| font::width(line, size, weight) <= max_width;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if fits(&format!("{line} {word}")) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(String::new()),
        }
        if lines.last().is_some_and(String::is_empty) {
            for letter in word.chars() {
                match lines.last_mut() {
                    Some(line) if line.is_empty() || fits(&format!("{line}{letter}")) => line.push(letter),
                    _ => lines.push(letter.to_string()),
                }
            }
        }
    }
    lines
}

/// The name of one of several panels, centred on the height of `at` and cut at `max_width`.
pub(super) fn panel_title(scene: &mut Scene, at: ScenePoint, label: &str, max_width: f64) {
    let style = TextStyle { weight: Weight::SemiBold, ..TextStyle::default() };
    scene.text(at, &font::fit(label, LABEL_SIZE, Weight::SemiBold, max_width), style);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;
    use crate::report::plot::scale::Extent;
    use crate::report::plot::scene::Mark;
    use crate::report::plot::theme::INK;

    fn texts(scene: &Scene) -> Vec<(&str, ScenePoint)> {
        scene
            .marks
            .iter()
            .filter_map(|mark| match mark {
                Mark::Text { at, content, .. } => Some((content.as_str(), *at)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_long_legend_continues_in_a_second_row() {
        let entries: Vec<LegendEntry> = (0..9)
            .map(|index| LegendEntry::new(LegendKey::Line(INK), format!("forecast model number {index}")))
            .collect();
        let mut scene = Scene::default();
        let end = header(&mut scene, "Title", &entries);
        let rows: Vec<f64> = texts(&scene)[1..].iter().map(|(_, at)| at.1).collect();
        assert!(rows[0] < rows[8] && rows[8] < end, "{rows:?}");
    }

    #[test]
    fn tick_labels_that_would_overlap_are_left_out() {
        let axis = PlotAxis::linear("", Extent { lo: 1e6, hi: 1.000_01e6 }, 10);
        let mut scene = Scene::default();
        x_axis(&mut scene, &Panel { left: 600.0, top: 0.0, right: 856.0, bottom: 100.0 }, &axis);
        scene.height = 200.0;
        check::texts_are_apart_and_inside(&scene);
        let labels = texts(&scene).len();
        assert!(labels >= 2 && labels < axis.ticks.len(), "{labels}");
    }

    #[test]
    fn words_are_broken_only_where_they_are_longer_than_a_line() {
        let lines = |text: &str, width: f64| wrapped(text, 13.0, Weight::Regular, width);
        assert_eq!(lines("lstm hidden=32 lookback=20", 120.0), ["lstm hidden=32", "lookback=20"]);
        let broken = lines(&format!("x {}", "ab".repeat(40)), 120.0);
        assert!(broken.len() > 3 && broken[0] == "x", "{broken:?}");
        assert_eq!(broken[1..].concat(), "ab".repeat(40));
        assert!(lines("", 10.0).is_empty());
    }

    #[test]
    fn a_caption_wraps_and_its_lines_set_the_height() {
        let mut short = Scene::default();
        finish(&mut short, 100.0, &["One sentence.".to_owned()]);
        let mut long = Scene::default();
        finish(&mut long, 100.0, &["A sentence that goes on for quite some time. ".repeat(6)]);
        assert_eq!(texts(&short).len(), 1);
        assert_eq!(texts(&long).len(), 2);
        assert!((long.height - short.height - 18.0).abs() < 1e-9);
    }
}
