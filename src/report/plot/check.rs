//! Checks that the tests of every plot share: texts that do not overlap, well-formed SVG, a PNG of the right size.

use super::Plot;
use super::scene::{Mark, Scene, text_extent};
use super::theme::WIDTH;

/// Fails if two texts overlap or one leaves the plot.
pub(super) fn texts_are_apart_and_inside(scene: &Scene) {
    let boxes: Vec<(&str, [f64; 4])> = scene
        .marks
        .iter()
        .filter_map(|mark| match mark {
            Mark::Text { at, content, style } => {
                let (left, right) = text_extent(at.0, content, style);
                let half = style.size * 0.45;
                Some((content.as_str(), [left, at.1 - half, right, at.1 + half]))
            }
            _ => None,
        })
        .collect();
    for (index, (text, [left, top, right, bottom])) in boxes.iter().enumerate() {
        assert!(
            *left >= 0.0 && *right <= scene.width && *top >= 0.0 && *bottom <= scene.height,
            "{text:?} leaves the plot: {left} {top} {right} {bottom}"
        );
        for (other, [left_2, top_2, right_2, bottom_2]) in &boxes[..index] {
            let apart = right < left_2 || right_2 < left || bottom < top_2 || bottom_2 < top;
            assert!(apart, "{text:?} overlaps {other:?}");
        }
    }
}

/// Fails if the SVG is not well-formed, lacks one of `labels`, or disagrees in size with the PNG.
pub(super) fn is_sound(plot: &Plot, labels: &[&str]) {
    assert!(!plot.name.is_empty() && !plot.title.is_empty() && !plot.alt.is_empty());
    let texts = texts_of_well_formed(&plot.svg);
    for label in labels {
        assert!(texts.iter().any(|text| text.contains(label)), "{label:?} is missing in {texts:?}");
    }
    let png = plot.png().unwrap();
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    let view_box = format!("viewBox=\"0 0 {} {}\"", side(16) * 5, side(20) * 5);
    assert_eq!(side(16), 2 * WIDTH as u32);
    assert!(plot.svg.contains(&view_box), "no {view_box}");
    for broken in ["NaN", "2147483647", "inf"] {
        assert!(!plot.svg.contains(broken), "{broken} in {}", plot.svg);
    }
}

/// Text content of an XML element; fails if tags do not match, or if a special character stands unescaped.
fn texts_of_well_formed(xml: &str) -> Vec<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut texts = Vec::new();
    for (index, piece) in xml.split('<').enumerate() {
        if index == 0 {
            assert!(piece.is_empty(), "text before the first element");
            continue;
        }
        let (tag, text) = piece.split_once('>').expect("every tag ends");
        assert!(!text.contains('>') && tag.matches('"').count() % 2 == 0, "{piece}");
        for reference in piece.split('&').skip(1) {
            assert!(
                ["amp;", "lt;", "gt;", "quot;", "apos;"].iter().any(|name| reference.starts_with(name)),
                "{piece}"
            );
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            assert!(index == 1 || !open.is_empty(), "a second root element");
            open.push(tag.split_whitespace().next().unwrap_or(tag));
        }
        texts.push(text.to_owned());
    }
    assert!(open.is_empty(), "{open:?} stay open");
    texts
}
