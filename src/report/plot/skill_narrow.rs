//! The plot of skills for narrow screens.

use super::axis::PlotAxis;
use super::font;
use super::frame::{self, Panel};
use super::scene::{Align, Scene, ScenePoint, TextStyle, text_extent};
use super::skill_rows::{LINE_HEIGHT, ShownRows, SkillRow, draw_axis, draw_dot, legend, room_for_reference};
use super::theme::{BACKGROUND, LABEL_SIZE, MARGIN, NARROW_WIDTH};

/// How far below its name a row's dot lies.
const DOT_BELOW_NAME: f64 = 20.0;
/// The room between a row's dot and the next name.
const ROW_GAP: f64 = 22.0;
/// The least room between a name and the value on its line.
const VALUE_GAP: f64 = 12.0;

/// The form for narrow screens: names and values stand above the dots, which have the whole width.
pub(super) fn narrow(title: &str, quantity: &str, reference: &str, shown: &ShownRows<'_>) -> Scene {
    let ShownRows { rows: shown, span, caption } = shown;
    let mut scene = Scene::of_width(NARROW_WIDTH);
    let top = frame::header(&mut scene, title, &legend(shown)) + room_for_reference(reference, scene.width);
    let room = scene.width - 2.0 * MARGIN;
    let mut end = top;
    let mut placed = Vec::new();
    for row in shown {
        let own = lines_with_value(row, room);
        let first = end + LINE_HEIGHT;
        end = first + LINE_HEIGHT * (own.len() as f64 - 1.0) + DOT_BELOW_NAME;
        placed.push((row, own, first, end));
        end += ROW_GAP;
    }
    let panel = Panel { left: MARGIN, top, right: scene.width - MARGIN, bottom: end };
    let axis = PlotAxis::linear(quantity, *span, 4);
    draw_axis(&mut scene, &panel, &axis, reference);
    let scale = axis.scale(panel.left, panel.right);
    for (row, lines, first, y) in placed {
        let style = TextStyle { weight: row.weight(), ..TextStyle::default() };
        for (index, (name, value)) in lines.iter().enumerate() {
            let at = first + LINE_HEIGHT * index as f64;
            lettering(&mut scene, (panel.left, at), name, style);
            lettering(&mut scene, (panel.right, at), value, TextStyle { align: Align::Right, ..style });
        }
        draw_dot(&mut scene, row, y, &scale, *span);
    }
    frame::finish(&mut scene, panel.bottom + frame::X_AXIS_HEIGHT - 8.0, caption);
    scene
}

/// A text that no line of the grid runs through.
fn lettering(scene: &mut Scene, (x, y): ScenePoint, text: &str, style: TextStyle) {
    if text.is_empty() {
        return;
    }
    let (left, right) = text_extent(x, text, &style);
    let half = LINE_HEIGHT / 2.0;
    scene.rect((left - 3.0, y - half), (right + 3.0, y + half), BACKGROUND);
    scene.text((x, y), text, style);
}

/// The lines of a row's name with what stands at the end of each: the value at the last one, or below where it has no room.
fn lines_with_value(row: &SkillRow, room: f64) -> Vec<(String, String)> {
    let names = frame::wrapped(&row.label, LABEL_SIZE, row.weight(), room);
    let mut lines: Vec<(String, String)> = names.into_iter().map(|name| (name, String::new())).collect();
    let width = |text: &str| font::width(text, LABEL_SIZE, row.weight());
    match lines.last_mut() {
        Some((name, value)) if width(name) + VALUE_GAP + width(&row.value) <= room => {
            value.clone_from(&row.value);
        }
        _ => lines.push((String::new(), row.value.clone())),
    }
    lines
}
