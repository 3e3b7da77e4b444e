//! A plotters backend that draws into an RGB image with exact area coverage, so that lines and text have
//! smooth edges.
//!
//! The bitmap backend of plotters joins thick lines with mitres that spike on noisy series, and it rounds
//! coordinates to whole pixels; this one draws round joins and takes coordinates in the finer units of
//! [`super::paint`].

use std::convert::Infallible;

use ab_glyph_rasterizer::{Rasterizer, point};
use plotters::style::FontStyle;
use plotters::style::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};

use super::font::{self, Weight};
use super::font::{CENTER_SHIFT_EM, PLOTTERS_PX_PER_EM};

type PaintResult = Result<(), DrawingErrorKind<Infallible>>;
type PixelPoint = (f64, f64);

/// Cosine of the turn between two segments, of about fifteen degrees, up to which their gap cannot be seen.
const SMOOTH_TURN_COSINE: f64 = 0.965;
/// A line whose bounding box has more pixels than this for each pixel of its length is drawn along its length: filling would
/// look at every pixel of the box, which takes seconds for a few thousand lines across a plot.
const SPARSE_BOX: f64 = 64.0;

/// An RGB image to draw on. Text is always set horizontally.
pub(super) struct Raster {
    width_px: usize,
    height_px: usize,
    px_per_unit: f64,
    rgb: Vec<u8>,
    /// Coverage of each pixel by the stroke that is being drawn; zero between strokes.
    coverage: Vec<f32>,
}

impl Raster {
    /// A white image, on which one unit of a drawing coordinate is `px_per_unit` wide.
    pub(super) fn new(width_px: usize, height_px: usize, px_per_unit: f64) -> Self {
        let pixels = width_px * height_px;
        Self { width_px, height_px, px_per_unit, rgb: vec![255; pixels * 3], coverage: vec![0.0; pixels] }
    }

    /// Rows of pixels from the top, three bytes (red, green, blue) to a pixel.
    pub(super) fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    fn to_px(&self, (x, y): BackendCoord) -> PixelPoint {
        (f64::from(x) * self.px_per_unit, f64::from(y) * self.px_per_unit)
    }

    fn blend(&mut self, x: i32, y: i32, colour: BackendColor, coverage: f64) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else {
            return;
        };
        if x >= self.width_px || y >= self.height_px {
            return;
        }
        let weight = (coverage * colour.alpha).clamp(0.0, 1.0);
        let start = (y * self.width_px + x) * 3;
        let (red, green, blue) = colour.rgb;
        for (channel, target) in self.rgb[start..start + 3].iter_mut().zip([red, green, blue]) {
            let old = f64::from(*channel);
            *channel = (old + (f64::from(target) - old) * weight).round() as u8;
        }
    }

    /// Draws a line through points pixel by pixel along its length.
    fn stroke_along(&mut self, points: &[PixelPoint], radius: f64, colour: BackendColor) {
        let mut touched = Vec::new();
        for pair in points.windows(2) {
            self.cover_segment(pair[0], pair[1], radius, &mut touched);
        }
        for (x, y) in touched {
            let share = std::mem::take(&mut self.coverage[y * self.width_px + x]);
            if share > 0.0 {
                self.blend(x as i32, y as i32, colour, f64::from(share));
            }
        }
    }

    /// Notes the coverage of the pixels around one segment, by the distance of their middles from it.
    fn cover_segment(
        &mut self,
        from: PixelPoint,
        to: PixelPoint,
        radius: f64,
        touched: &mut Vec<(usize, usize)>,
    ) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let square = dx * dx + dy * dy;
        let length = square.sqrt();
        // Along the longer side there are few pixels across.
        let is_flat = dx.abs() >= dy.abs();
        let turned = |(x, y): PixelPoint| if is_flat { (x, y) } else { (y, x) };
        let ((start, across), (end, _)) = (turned(from), turned(to));
        let slope = if is_flat { dy / dx } else { dx / dy };
        let reach = (radius + 0.5) * length / dx.abs().max(dy.abs());
        let (along_px, across_px) =
            if is_flat { (self.width_px, self.height_px) } else { (self.height_px, self.width_px) };
        for at in pixels(start.min(end) - radius - 1.0, start.max(end) + radius + 1.0, along_px) {
            let middle = across + (at as f64 + 0.5 - start) * slope;
            for beside in pixels(middle - reach, middle + reach, across_px) {
                let (x, y) = if is_flat { (at, beside) } else { (beside, at) };
                let (px, py) = (x as f64 + 0.5 - from.0, y as f64 + 0.5 - from.1);
                let share = ((px * dx + py * dy) / square).clamp(0.0, 1.0);
                let (away_x, away_y) = (px - share * dx, py - share * dy);
                let distance = (away_x * away_x + away_y * away_y).sqrt();
                let coverage = (radius + 0.5 - distance).clamp(0.0, (2.0 * radius).min(1.0)) as f32;
                let known = &mut self.coverage[y * self.width_px + x];
                if coverage > *known {
                    *known = coverage;
                    touched.push((x, y));
                }
            }
        }
    }

    /// Fills the union of `outlines`, which must all turn the same way.
    fn fill(&mut self, outlines: &[Vec<PixelPoint>], colour: BackendColor) {
        let (mut low, mut high) = ((f64::MAX, f64::MAX), (f64::MIN, f64::MIN));
        for (x, y) in outlines.iter().flatten() {
            low = (low.0.min(*x), low.1.min(*y));
            high = (high.0.max(*x), high.1.max(*y));
        }
        let (max_x, max_y) = (self.width_px as f64, self.height_px as f64);
        let left = low.0.floor().clamp(0.0, max_x);
        let top = low.1.floor().clamp(0.0, max_y);
        let width = high.0.ceil().clamp(left, max_x) - left;
        let height = high.1.ceil().clamp(top, max_y) - top;
        let mut coverage = Rasterizer::new(width as usize + 1, height as usize + 1);
        let local = |(x, y): PixelPoint| {
            point((x - left).clamp(0.0, width) as f32, (y - top).clamp(0.0, height) as f32)
        };
        for outline in outlines {
            let ends = outline.iter().cycle().skip(1);
            for (from, to) in outline.iter().zip(ends) {
                coverage.draw_line(local(*from), local(*to));
            }
        }
        coverage.for_each_pixel_2d(|x, y, share| {
            // What is below half a step of an 8-bit channel is rounding error of the running sum.
            if share > 1.0 / 512.0 {
                self.blend(
                    left as i32 + x.cast_signed(),
                    top as i32 + y.cast_signed(),
                    colour,
                    f64::from(share).min(1.0),
                );
            }
        });
    }
}

/// Whether the bounding box of a line is large for its length.
fn is_sparse(points: &[PixelPoint], radius: f64) -> bool {
    let length: f64 =
        points.windows(2).map(|pair| (pair[1].0 - pair[0].0).hypot(pair[1].1 - pair[0].1)).sum();
    let extent = |side: fn(&PixelPoint) -> f64| {
        let values = || points.iter().map(side);
        values().fold(f64::MIN, f64::max) - values().fold(f64::MAX, f64::min)
    };
    points.len() > 1 && extent(|at| at.0) * extent(|at| at.1) > SPARSE_BOX * length * radius.max(1.0)
}

/// The pixels of a row that lie between two positions.
fn pixels(from: f64, to: f64, count: usize) -> std::ops::Range<usize> {
    let (from, to) = (from.floor().max(0.0) as usize, to.ceil().max(0.0) as usize);
    from.min(count)..to.min(count)
}

/// A regular polygon that is close enough to a circle of a few pixels.
fn circle((x, y): PixelPoint, radius: f64) -> Vec<PixelPoint> {
    let corners = (8.0 + radius * 2.0).min(64.0) as usize;
    (0..corners)
        .map(|corner| {
            let angle = std::f64::consts::TAU * corner as f64 / corners as f64;
            (x + radius * angle.cos(), y + radius * angle.sin())
        })
        .collect()
}

/// The rectangle that a pen of a given radius covers between two points, turning the same way as [`circle`].
fn stroke_segment((x0, y0): PixelPoint, (x1, y1): PixelPoint, radius: f64) -> Vec<PixelPoint> {
    let length = (x1 - x0).hypot(y1 - y0);
    let (nx, ny) = ((y1 - y0) / length * radius, (x0 - x1) / length * radius);
    vec![(x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny)]
}

/// Where a stroke needs a round cap or join: at its ends, and where it turns enough for a gap between its
/// segments to show. Joins along a smooth line would add to the partly covered pixels of its edge and make it
/// look beaded.
fn caps_and_bends(points: &[PixelPoint]) -> impl Iterator<Item = PixelPoint> {
    let turns = |(before, at, after): (PixelPoint, PixelPoint, PixelPoint)| {
        let (from, to) = ((at.0 - before.0, at.1 - before.1), (after.0 - at.0, after.1 - at.1));
        let cosine = (from.0 * to.0 + from.1 * to.1) / (from.0.hypot(from.1) * to.0.hypot(to.1));
        cosine < SMOOTH_TURN_COSINE
    };
    let bends = points.windows(3).filter(move |three| turns((three[0], three[1], three[2])));
    points.first().into_iter().chain(points.last()).copied().chain(bends.map(|three| three[1]))
}

impl DrawingBackend for Raster {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        let units = |px: usize| (px as f64 / self.px_per_unit).round() as u32;
        (units(self.width_px), units(self.height_px))
    }

    fn ensure_prepared(&mut self) -> PaintResult {
        Ok(())
    }

    fn present(&mut self) -> PaintResult {
        Ok(())
    }

    fn draw_pixel(&mut self, at: BackendCoord, colour: BackendColor) -> PaintResult {
        self.draw_rect(at, (at.0 + 1, at.1 + 1), &colour, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> PaintResult {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (x0, y0): BackendCoord,
        (x1, y1): BackendCoord,
        style: &S,
        fill: bool,
    ) -> PaintResult {
        let corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)];
        if fill {
            self.fill_polygon(corners, style)
        } else {
            self.draw_path(corners.into_iter().chain([corners[0]]), style)
        }
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> PaintResult {
        let mut points: Vec<PixelPoint> = path.into_iter().map(|at| self.to_px(at)).collect();
        points.dedup();
        let radius = f64::from(style.stroke_width()) * self.px_per_unit / 2.0;
        if is_sparse(&points, radius) {
            self.stroke_along(&points, radius, style.color());
            return Ok(());
        }
        let joins = caps_and_bends(&points).map(|at| circle(at, radius));
        let segments = points.windows(2).map(|pair| stroke_segment(pair[0], pair[1], radius));
        self.fill(&joins.chain(segments).collect::<Vec<_>>(), style.color());
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> PaintResult {
        let outline = circle(self.to_px(center), f64::from(radius) * self.px_per_unit);
        if fill {
            self.fill(&[outline], style.color());
        } else {
            let units = |px: f64| (px / self.px_per_unit).round() as i32;
            let around: Vec<BackendCoord> =
                outline.iter().chain(outline.first()).map(|(x, y)| (units(*x), units(*y))).collect();
            self.draw_path(around, style)?;
        }
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> PaintResult {
        let outline = corners.into_iter().map(|at| self.to_px(at)).collect();
        self.fill(&[outline], style.color());
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> PaintResult {
        let size_px = style.size() / PLOTTERS_PX_PER_EM * self.px_per_unit;
        let weight =
            if matches!(style.style(), FontStyle::Bold) { Weight::SemiBold } else { Weight::Regular };
        let width = font::width(text, size_px, weight);
        let (x, y) = self.to_px(at);
        let left = match style.anchor().h_pos {
            HPos::Left => x,
            HPos::Center => x - width / 2.0,
            HPos::Right => x - width,
        };
        let baseline = match style.anchor().v_pos {
            VPos::Top => y + 0.76 * size_px,
            VPos::Center => y + CENTER_SHIFT_EM * size_px,
            VPos::Bottom => y - 0.27 * size_px,
        };
        font::for_each_covered_pixel(text, size_px, weight, (left, baseline), |x, y, coverage| {
            self.blend(x, y, style.color(), coverage);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use plotters::style::{BLACK, Color, RGBColor, ShapeStyle};

    use super::*;

    fn grey_levels(raster: &Raster) -> Vec<u8> {
        raster.rgb().chunks(3).map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn a_half_covered_pixel_is_half_as_dark() {
        let mut raster = Raster::new(3, 1, 0.5);
        raster.draw_rect((1, 0), (4, 2), &BLACK, true).unwrap();
        assert_eq!(grey_levels(&raster), [128, 0, 255]);
    }

    #[test]
    fn a_line_that_folds_back_on_itself_is_drawn_once() {
        let pen = ShapeStyle { color: RGBColor(0, 0, 0).mix(0.5), filled: false, stroke_width: 2 };
        let mut raster = Raster::new(12, 3, 1.0);
        raster.draw_path([(2, 1), (10, 1), (4, 1), (8, 1)], &pen).unwrap();
        assert_eq!(grey_levels(&raster)[6], 128);
        assert_eq!(grey_levels(&raster)[30], 255, "the row below the line stays white");
    }

    #[test]
    fn a_straight_line_has_no_beads_at_its_points() {
        let mut raster = Raster::new(24, 3, 0.5);
        let points = (4..44).step_by(4).map(|x| (x, 3));
        raster.draw_path(points, &ShapeStyle::from(BLACK).stroke_width(3)).unwrap();
        let top_row = &grey_levels(&raster)[4..18];
        assert!(top_row.iter().all(|level| *level == top_row[0]), "{top_row:?}");
    }

    #[test]
    fn a_long_slanted_line_is_as_dark_along_its_length_as_a_filled_one() {
        let pen = ShapeStyle::from(BLACK).stroke_width(2);
        let points = [(10, 10), (390, 290), (790, 20)];
        let mut along = Raster::new(800, 300, 1.0);
        along.draw_path(points, &pen).unwrap();
        let px = points.map(|(x, y)| (f64::from(x), f64::from(y)));
        assert!(is_sparse(&px, 1.0));
        let mut filled = Raster::new(800, 300, 1.0);
        let segments = px.windows(2).map(|pair| stroke_segment(pair[0], pair[1], 1.0));
        filled.fill(&segments.collect::<Vec<_>>(), BLACK.to_backend_color());
        let ink = |raster: &Raster| -> f64 {
            grey_levels(raster).into_iter().map(|level| f64::from(255 - level)).sum()
        };
        assert!((ink(&along) / ink(&filled) - 1.0).abs() < 0.03, "{} {}", ink(&along), ink(&filled));
        assert!(along.coverage.iter().all(|coverage| *coverage == 0.0));
    }

    #[test]
    fn what_lies_outside_the_image_is_cut_off() {
        let mut raster = Raster::new(4, 4, 1.0);
        raster.draw_rect((-10, -10), (2, 2), &BLACK, true).unwrap();
        raster.draw_circle((50, 50), 5, &BLACK, true).unwrap();
        let dark = grey_levels(&raster).into_iter().filter(|level| *level == 0).count();
        assert_eq!(dark, 4);
    }

    #[test]
    fn an_outlined_circle_leaves_its_middle_white() {
        let mut raster = Raster::new(21, 21, 1.0);
        raster.draw_circle((10, 10), 8, &ShapeStyle::from(BLACK).stroke_width(2), false).unwrap();
        let levels = grey_levels(&raster);
        assert_eq!(levels[10 * 21 + 10], 255);
        assert!(levels[10 * 21 + 18] < 128);
    }
}
