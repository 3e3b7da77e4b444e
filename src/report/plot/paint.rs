//! Paints a scene on any plotters backend, and from that the SVG element and the PNG file.

use anyhow::{Context, Result};
use plotters::backend::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, RGBColor, ShapeStyle};
use plotters_backend::{BackendCoord, DrawingBackend, DrawingErrorKind};

use super::font::{self, CENTER_SHIFT_EM, FAMILY, PLOTTERS_PX_PER_EM, Weight};
use super::raster::Raster;
use super::scene::{Align, Mark, Scene, ScenePoint, TextStyle};
use super::theme::BACKGROUND;

/// Plotters takes whole coordinates, so each logical pixel is divided into this many.
const UNITS_PER_LOGICAL_PX: f64 = 10.0;
/// Pixels of the PNG to a logical pixel.
const PNG_PX_PER_LOGICAL_PX: f64 = 2.0;

/// The `<svg>` element of a scene, with a title and a description for assistive technology.
pub(super) fn svg(scene: &Scene, title: &str, alt: &str) -> Result<String> {
    let (width, height) = (units(scene.width) as u32, units(scene.height) as u32);
    let mut drawn = String::new();
    paint(scene, &mut SVGBackend::with_string(&mut drawn, (width, height))).context("cannot draw the SVG")?;
    // The first line is the backend's own root element, of a fixed size and without a name.
    let (_, body) = drawn.split_once('\n').context("the SVG backend drew nothing")?;
    let body = body
        .replace(" opacity=\"1\"", "")
        .replace("dy=\"0.5ex\"", &format!("dy=\"{CENTER_SHIFT_EM:.3}em\""))
        .replace("font-weight=\"bold\"", "font-weight=\"600\"")
        .replace("\n</text>", "</text>")
        .replace(" \"/>", "\"/>");
    let body = with_text_lengths(&body, scene);
    let body = body.trim_end().strip_suffix("</svg>").context("the SVG backend did not end its drawing")?;
    let tips = tips(scene);
    let RGBColor(red, green, blue) = BACKGROUND;
    let corner = units(6.0);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"100%\" \
         role=\"img\" aria-label=\"{alt}\" stroke-linejoin=\"round\" stroke-linecap=\"round\">\n\
         <title>{title}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"{corner}\" \
         fill=\"rgb({red},{green},{blue})\"/>\n{body}{tips}</svg>\n",
        alt = escaped(alt),
        title = escaped(title),
    ))
}

/// Invisible marks with a title each, which browsers show as a tooltip and the report's script as a better one.
fn tips(scene: &Scene) -> String {
    if scene.tips.is_empty() {
        return String::new();
    }
    let marks: Vec<String> = scene
        .tips
        .iter()
        .map(|((x, y), text)| {
            let (x, y) = (units(*x), units(*y));
            let text: Vec<String> = text.lines().map(escaped).collect();
            let text = text.join("\n");
            format!(
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"60\" fill-opacity=\"0\"><title>{text}</title></circle>\n"
            )
        })
        .collect();
    format!("<g class=\"tips\">\n{}</g>\n", marks.concat())
}

/// Gives each text the width that it was laid out with: a fallback font that is wider would run out of the plot.
fn with_text_lengths(body: &str, scene: &Scene) -> String {
    let mut widths = scene.marks.iter().filter_map(|mark| match mark {
        Mark::Text { content, style, .. } => Some(font::width(content, style.size, style.weight)),
        _ => None,
    });
    let mut pieces = body.split("<text ");
    let before = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(before, |sized, piece| match widths.next() {
        Some(width) if width > 0.0 => {
            let length = units(width);
            format!("{sized}<text textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\" {piece}")
        }
        _ => format!("{sized}<text {piece}"),
    })
}

/// The PNG file of a scene.
pub(super) fn png(scene: &Scene) -> Result<Vec<u8>> {
    let px = |logical: f64| (logical * PNG_PX_PER_LOGICAL_PX).round() as usize;
    let (width, height) = (px(scene.width), px(scene.height));
    let mut raster = Raster::new(width, height, PNG_PX_PER_LOGICAL_PX / UNITS_PER_LOGICAL_PX);
    paint(scene, &mut raster).context("cannot draw the PNG")?;

    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // Flat colours compress better, and much faster, without a filter.
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header().context("cannot start the PNG")?;
    writer.write_image_data(raster.rgb()).context("cannot compress the PNG")?;
    writer.finish().context("cannot finish the PNG")?;
    Ok(file)
}

/// Draws every mark of a scene in order.
fn paint<DB: DrawingBackend>(scene: &Scene, backend: &mut DB) -> Result<(), DrawingErrorKind<DB::ErrorType>> {
    for mark in &scene.marks {
        match mark {
            Mark::Path { points, width, colour } => {
                let pen = ShapeStyle::from(colour).stroke_width(units(*width).max(1) as u32);
                backend.draw_path(points.iter().copied().map(at), &pen)?;
            }
            Mark::Veil { points, width, colour, opacity } => {
                let pen = ShapeStyle::from(colour.mix(*opacity)).stroke_width(units(*width).max(1) as u32);
                backend.draw_path(points.iter().copied().map(at), &pen)?;
            }
            Mark::Polygon { points, colour } => {
                backend.fill_polygon(points.iter().copied().map(at), &colour.filled())?;
            }
            Mark::Disc { center, radius, colour } => {
                backend.draw_circle(at(*center), units(*radius) as u32, &colour.filled(), true)?;
            }
            Mark::Text { at: position, content, style } => {
                backend.draw_text(content, &plotters_style(style), at(*position))?;
            }
        }
    }
    backend.present()
}

fn units(logical: f64) -> i32 {
    (logical * UNITS_PER_LOGICAL_PX).round() as i32
}

fn at((x, y): ScenePoint) -> BackendCoord {
    (units(x), units(y))
}

fn plotters_style(style: &TextStyle) -> plotters::style::TextStyle<'static> {
    let weight = match style.weight {
        Weight::Regular => FontStyle::Normal,
        Weight::SemiBold => FontStyle::Bold,
    };
    let h_pos = match style.align {
        Align::Left => HPos::Left,
        Align::Center => HPos::Center,
        Align::Right => HPos::Right,
    };
    let size = style.size * UNITS_PER_LOGICAL_PX * PLOTTERS_PX_PER_EM;
    plotters::style::TextStyle {
        font: FontDesc::new(FontFamily::Name(FAMILY), size, weight),
        color: style.colour.to_backend_color(),
        pos: Pos::new(h_pos, VPos::Center),
    }
}

/// `text` as it may stand in XML content and in a double-quoted attribute.
fn escaped(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::theme::INK;

    fn scene() -> Scene {
        let mut scene = Scene { height: 100.0, ..Scene::default() };
        scene.path(vec![(0.0, 0.0), (10.04, 20.0), (30.0, 5.5)], 1.5, INK);
        scene.text(
            (40.0, 50.0),
            "5 < 6 & \"x\"",
            TextStyle { weight: Weight::SemiBold, ..TextStyle::default() },
        );
        scene
    }

    #[test]
    fn the_svg_scales_to_its_container_and_names_itself() {
        let svg = svg(&scene(), "A & B", "five < six").unwrap();
        assert!(svg.starts_with("<svg xmlns="));
        assert!(
            svg.contains(
                "viewBox=\"0 0 8800 1000\" width=\"100%\" role=\"img\" aria-label=\"five &lt; six\""
            )
        );
        assert!(svg.contains("<title>A &amp; B</title>"));
        assert!(!svg.contains(" height=\"100%\""));
    }

    #[test]
    fn svg_text_is_escaped_and_falls_back_to_system_fonts() {
        let svg = svg(&scene(), "", "").unwrap();
        assert!(svg.contains("5 &lt; 6 &amp; &quot;x&quot;</text>"));
        assert!(svg.contains("font-family=\"Inter, system-ui, sans-serif\" font-size=\"130\""), "{svg}");
        assert!(svg.contains("font-weight=\"600\""));
    }

    #[test]
    fn svg_text_keeps_the_width_it_was_laid_out_with() {
        let svg = svg(&scene(), "", "").unwrap();
        let width = units(font::width("5 < 6 & \"x\"", 13.0, Weight::SemiBold));
        assert!(svg.contains(&format!("<text textLength=\"{width}\" lengthAdjust")), "{svg}");
    }

    #[test]
    fn svg_coordinates_keep_a_tenth_of_a_pixel() {
        let svg = svg(&scene(), "", "").unwrap();
        assert!(svg.contains("stroke-width=\"15\" points=\"0,0 100,200 300,55\"/>"), "{svg}");
    }

    #[test]
    fn the_png_has_two_pixels_to_a_logical_pixel() {
        let file = png(&scene()).unwrap();
        assert_eq!(&file[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(file[16..24], [0, 0, 6, 224, 0, 0, 0, 200]);
    }
}
