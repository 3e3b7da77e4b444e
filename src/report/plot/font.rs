//! The embedded typeface: widths of text and the outlines of its glyphs.
//!
//! plotters 0.3.7 can also register fonts with `ab_glyph`, but its text drawing drops the left side bearing
//! of each glyph and rounds the pen position to whole pixels, which spaces letters unevenly.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, GlyphId, PxScale, point};

/// CSS font stack of the SVG text: the embedded typeface where the reader has it, a system font elsewhere.
pub(super) const FAMILY: &str = "Inter, system-ui, sans-serif";
/// Height of a capital letter or a digit of Inter, as a share of the font size.
pub(super) const CAP_HEIGHT_EM: f64 = 0.727;
/// Plotters divides a font size by this before it becomes the height of an em.
pub(super) const PLOTTERS_PX_PER_EM: f64 = 1.24;
/// How far below the middle of a text its baseline lies, in font sizes.
pub(super) const CENTER_SHIFT_EM: f64 = CAP_HEIGHT_EM / 2.0;

/// How heavy text is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    SemiBold,
}

static REGULAR: LazyLock<FontRef<'static>> =
    LazyLock::new(|| parse(include_bytes!("font/Inter-Regular.ttf")));
static SEMI_BOLD: LazyLock<FontRef<'static>> =
    LazyLock::new(|| parse(include_bytes!("font/Inter-SemiBold.ttf")));

#[expect(clippy::expect_used, reason = "the bytes are compiled in, and a test parses both files")]
fn parse(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the embedded font is a valid TrueType file")
}

fn face(weight: Weight) -> &'static FontRef<'static> {
    match weight {
        Weight::Regular => &REGULAR,
        Weight::SemiBold => &SEMI_BOLD,
    }
}

/// Size of one em in the unscaled units of the font's advances.
fn units_per_em(face: &FontRef<'_>) -> f64 {
    f64::from(face.units_per_em().unwrap_or(1000.0))
}

/// Advance of a glyph as a share of the font size.
fn advance_em(face: &FontRef<'_>, glyph: GlyphId) -> f64 {
    f64::from(face.h_advance_unscaled(glyph)) / units_per_em(face)
}

/// Width of `text` at a font size, in the unit of `size`.
pub(super) fn width(text: &str, size: f64, weight: Weight) -> f64 {
    let face = face(weight);
    text.chars().map(|c| advance_em(face, face.glyph_id(c))).sum::<f64>() * size
}

/// `text` as it is if it is no wider than `max_width`, and otherwise its beginning with an ellipsis.
pub(super) fn fit(text: &str, size: f64, weight: Weight, max_width: f64) -> String {
    if width(text, size, weight) <= max_width {
        return text.to_owned();
    }
    let mut kept: Vec<char> = text.chars().collect();
    loop {
        let shortened = format!("{}…", kept.iter().collect::<String>().trim_end());
        if kept.pop().is_none() || width(&shortened, size, weight) <= max_width {
            return shortened;
        }
    }
}

/// Calls `cover(x_px, y_px, coverage)` for every pixel that `text` touches, when its baseline starts at
/// `origin` and its font size is `size_px`.
pub(super) fn for_each_covered_pixel(
    text: &str,
    size_px: f64,
    weight: Weight,
    origin: (f64, f64),
    mut cover: impl FnMut(i32, i32, f64),
) {
    let face = face(weight);
    // ab_glyph scales by the distance from ascender to descender, not by the em.
    let scale = PxScale::from((size_px * f64::from(face.height_unscaled()) / units_per_em(face)) as f32);
    let mut pen_x = origin.0;
    for c in text.chars() {
        let id = face.glyph_id(c);
        let glyph = id.with_scale_and_position(scale, point(pen_x as f32, origin.1 as f32));
        if let Some(outline) = face.outline_glyph(glyph) {
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, coverage| {
                cover(
                    corner.x as i32 + x.cast_signed(),
                    corner.y as i32 + y.cast_signed(),
                    f64::from(coverage),
                );
            });
        }
        pen_x += advance_em(face, id) * size_px;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Weight; 2] = [Weight::Regular, Weight::SemiBold];

    #[test]
    fn both_faces_hold_latin_1_and_the_symbols_of_the_plots() {
        let latin_1 = (' '..='~').chain('\u{a0}'..='\u{ff}');
        for c in latin_1.chain("−–—·×≤≥±σµμ…".chars()) {
            assert!(BOTH.iter().all(|weight| face(*weight).glyph_id(c).0 != 0), "{c:?} is missing");
        }
    }

    #[test]
    fn width_grows_with_text_size_and_weight() {
        let regular = width("validation", 12.0, Weight::Regular);
        assert!(regular > 40.0 && regular < 80.0, "{regular}");
        assert!((width("validation", 24.0, Weight::Regular) - 2.0 * regular).abs() < 1e-9);
        assert!(width("validation", 12.0, Weight::SemiBold) > regular);
    }

    #[test]
    fn a_digit_is_as_high_as_a_capital_letter() {
        let (mut top, mut bottom) = (i32::MAX, i32::MIN);
        for_each_covered_pixel("8H", 1000.0, Weight::Regular, (0.0, 0.0), |_, y, _| {
            top = top.min(y);
            bottom = bottom.max(y);
        });
        let height_em = f64::from(bottom - top) / 1000.0;
        assert!((height_em - CAP_HEIGHT_EM).abs() < 0.03, "{height_em}");
    }

    #[test]
    fn text_that_does_not_fit_ends_in_an_ellipsis() {
        assert_eq!(fit("short", 12.0, Weight::Regular, 100.0), "short");
        let cut = fit("a very long model name", 12.0, Weight::Regular, 60.0);
        assert!(cut.ends_with('…') && cut.starts_with("a very"), "{cut}");
        assert!(width(&cut, 12.0, Weight::Regular) <= 60.0);
        assert_eq!(fit("long", 12.0, Weight::Regular, 0.0), "…");
    }
}
