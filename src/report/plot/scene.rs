//! A drawing as a list of marks in logical pixels, before any backend paints it.

use plotters::style::RGBColor;

use super::font::{self, Weight};
use super::theme::{BACKGROUND, INK, LABEL_SIZE, WIDTH};

/// Position in logical pixels from the upper left corner.
pub(super) type ScenePoint = (f64, f64);

/// Which end of a text its position names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Center,
    Right,
}

/// How a text is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TextStyle {
    pub(super) size: f64,
    pub(super) weight: Weight,
    pub(super) colour: RGBColor,
    pub(super) align: Align,
}

impl Default for TextStyle {
    fn default() -> Self {
        Self { size: LABEL_SIZE, weight: Weight::Regular, colour: INK, align: Align::Left }
    }
}

/// One thing to paint; later marks cover earlier ones.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mark {
    Path {
        points: Vec<ScenePoint>,
        width: f64,
        colour: RGBColor,
    },
    /// A line that lets through what lies below it: `opacity` is between 0 and 1.
    Veil {
        points: Vec<ScenePoint>,
        width: f64,
        colour: RGBColor,
        opacity: f64,
    },
    Polygon {
        points: Vec<ScenePoint>,
        colour: RGBColor,
    },
    Disc {
        center: ScenePoint,
        radius: f64,
        colour: RGBColor,
    },
    Text {
        at: ScenePoint,
        content: String,
        style: TextStyle,
    },
}

/// A drawing whose height grows as it is laid out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scene {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) marks: Vec<Mark>,
    /// What stands at a point, for readers who ask: shown by a page, not painted.
    pub(super) tips: Vec<(ScenePoint, String)>,
}

impl Default for Scene {
    /// An empty drawing of the common width.
    fn default() -> Self {
        Self::of_width(WIDTH)
    }
}

impl Scene {
    /// An empty drawing.
    pub(super) fn of_width(width: f64) -> Self {
        Self { width, height: 0.0, marks: Vec::new(), tips: Vec::new() }
    }

    /// A line through `points`; a lone point becomes a dot, so that it stays visible.
    pub(super) fn path(&mut self, points: Vec<ScenePoint>, width: f64, colour: RGBColor) {
        match points.as_slice() {
            [] => {}
            [center] => self.disc(*center, width.max(1.0) * 1.5, colour),
            _ => self.marks.push(Mark::Path { points, width, colour }),
        }
    }

    /// A line that lets through what lies below it, for lines so many that they would hide each other.
    pub(super) fn veil(&mut self, points: Vec<ScenePoint>, width: f64, colour: RGBColor, opacity: f64) {
        if opacity >= 1.0 || points.len() < 2 {
            self.path(points, width, colour);
        } else {
            self.marks.push(Mark::Veil { points, width, colour, opacity });
        }
    }

    pub(super) fn line(&mut self, from: ScenePoint, to: ScenePoint, width: f64, colour: RGBColor) {
        self.path(vec![from, to], width, colour);
    }

    /// A line through `points` in dashes of `dash` and gaps of `gap`, both along the line; a lone point
    /// becomes a dot.
    pub(super) fn dashed(
        &mut self,
        points: &[ScenePoint],
        (dash, gap): (f64, f64),
        width: f64,
        colour: RGBColor,
    ) {
        if let [center] = points {
            self.disc(*center, width.max(1.0) * 1.5, colour);
        }
        for piece in dashes(points, dash, gap) {
            self.path(piece, width, colour);
        }
    }

    /// A filled polygon; fewer than three points enclose nothing and are left out.
    pub(super) fn polygon(&mut self, points: Vec<ScenePoint>, colour: RGBColor) {
        if points.len() >= 3 {
            self.marks.push(Mark::Polygon { points, colour });
        }
    }

    /// Filled areas between pairs of lines that run in the same direction.
    pub(super) fn bands(
        &mut self,
        lower: Vec<Vec<ScenePoint>>,
        upper: Vec<Vec<ScenePoint>>,
        colour: RGBColor,
    ) {
        for (lower, upper) in lower.into_iter().zip(upper) {
            self.polygon(upper.into_iter().chain(lower.into_iter().rev()).collect(), colour);
        }
    }

    /// A filled rectangle between two opposite corners.
    pub(super) fn rect(&mut self, (x0, y0): ScenePoint, (x1, y1): ScenePoint, colour: RGBColor) {
        self.polygon(vec![(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour);
    }

    pub(super) fn disc(&mut self, center: ScenePoint, radius: f64, colour: RGBColor) {
        self.marks.push(Mark::Disc { center, radius, colour });
    }

    /// A circle that is filled with the background.
    pub(super) fn ring(&mut self, center: ScenePoint, radius: f64, colour: RGBColor) {
        self.disc(center, radius, colour);
        self.disc(center, radius - 1.8, BACKGROUND);
    }

    /// A small triangle that points to what lies beyond an edge: to the left or to the right, or up or down.
    pub(super) fn arrow(&mut self, (x, y): ScenePoint, (right, down): (f64, f64), colour: RGBColor) {
        let (length, half) = (7.0, 4.0);
        let back = (x - right * length, y - down * length);
        let corner = |side: f64| (back.0 + down * half * side, back.1 + right * half * side);
        self.polygon(vec![(x, y), corner(1.0), corner(-1.0)], colour);
    }

    /// What a page shows when the pointer is near a point.
    pub(super) fn tip(&mut self, at: ScenePoint, text: String) {
        self.tips.push((at, text));
    }

    /// A line of text whose capital letters are centred vertically on `at`. Control characters, which XML
    /// forbids, become spaces.
    pub(super) fn text(&mut self, at: ScenePoint, content: &str, style: TextStyle) {
        let content: String = content.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if !content.trim().is_empty() {
            self.marks.push(Mark::Text { at, content, style });
        }
    }
}

/// Horizontal extent of a text that is set at `x`.
pub(super) fn text_extent(x: f64, content: &str, style: &TextStyle) -> (f64, f64) {
    let width = font::width(content, style.size, style.weight);
    let left = match style.align {
        Align::Left => x,
        Align::Center => x - width / 2.0,
        Align::Right => x - width,
    };
    (left, left + width)
}

/// Cuts a line into the pieces that its dashes cover.
fn dashes(points: &[ScenePoint], dash: f64, gap: f64) -> Vec<Vec<ScenePoint>> {
    let mut pieces = Vec::new();
    let mut piece: Vec<ScenePoint> = points.first().copied().into_iter().collect();
    let (mut inked, mut left) = (true, dash);
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let length = (x1 - x0).hypot(y1 - y0);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let at = (x0 + (x1 - x0) * done / length, y0 + (y1 - y0) * done / length);
            if inked {
                piece.push(at);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![at];
            }
            inked = !inked;
            left = if inked { dash } else { gap };
        }
        left -= length - done;
        if inked {
            piece.push((x1, y1));
        }
    }
    if piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(points: &[ScenePoint]) -> f64 {
        points.windows(2).map(|pair| (pair[1].0 - pair[0].0).hypot(pair[1].1 - pair[0].1)).sum()
    }

    #[test]
    fn dashes_cover_their_share_of_the_line_and_turn_with_it() {
        let corner = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0)];
        let pieces = dashes(&corner, 6.0, 2.0);
        let lengths: Vec<f64> = pieces.iter().map(|piece| length(piece)).collect();
        assert_eq!(lengths, [6.0, 6.0, 4.0]);
        assert_eq!(pieces[1], [(8.0, 0.0), (10.0, 0.0), (10.0, 4.0)]);
    }

    #[test]
    fn a_lone_point_is_drawn_as_a_dot_and_no_point_as_nothing() {
        let mut scene = Scene::default();
        scene.path(vec![], 1.0, INK);
        scene.dashed(&[], (4.0, 2.0), 1.0, INK);
        assert!(scene.marks.is_empty());
        scene.path(vec![(1.0, 2.0)], 1.0, INK);
        scene.dashed(&[(3.0, 4.0)], (4.0, 2.0), 1.0, INK);
        assert_eq!(scene.marks.len(), 2);
        assert!(scene.marks.iter().all(|mark| matches!(mark, Mark::Disc { .. })));
    }

    #[test]
    fn control_characters_in_text_become_spaces() {
        let mut scene = Scene::default();
        scene.text((0.0, 0.0), "a\u{1}b\nc", TextStyle::default());
        assert!(matches!(&scene.marks[0], Mark::Text { content, .. } if content == "a b c"));
    }
}
