//! Values over bins of one axis: profiles, histograms, autocorrelations.

use anyhow::{Result, ensure};

use super::axis::Axis;
use super::frame::{self, Panel};
use super::scale::{Span, is_drawable};
use super::scene::Scene;
use super::theme::{AXIS, MARGIN, WIDTH, lighter, series_colour};
use super::{Figure, Plot, file_stem};

const PANEL_HEIGHT: f64 = 200.0;

/// One value for each bin of an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct BinnedBars {
    /// Title of the plot.
    pub title: String,
    /// What the bins are of, with its unit.
    pub x_title: String,
    /// What the values are, with their unit.
    pub y_title: String,
    /// Edges of the bins, one more than there are values, increasing.
    pub edges: Vec<f64>,
    /// The values, of either sign.
    pub values: Vec<f64>,
    /// Whether the bins lie on a logarithmic axis.
    pub log: bool,
    /// A sentence about them.
    pub note: String,
}

/// Draws a bar for each bin, from zero to its value.
///
/// # Errors
/// If there is no value, if one is not finite, or if the edges do not fit.
pub fn binned_bars(bars: &BinnedBars) -> Result<Plot> {
    figure(bars)?.render()
}

fn figure(bars: &BinnedBars) -> Result<Figure> {
    ensure!(!bars.values.is_empty(), "there is no value to draw");
    ensure!(bars.edges.len() == bars.values.len() + 1, "the edges do not fit the values");
    ensure!(bars.values.iter().all(|value| is_drawable(*value)), "a value cannot be drawn");
    let mut scene = Scene::default();
    let header_end = frame::header(&mut scene, &bars.title, &[]);
    let highest = bars.values.iter().copied().fold(0.0, f64::max);
    let lowest = bars.values.iter().copied().fold(0.0, f64::min);
    let y_span = Span { lo: lowest * 1.1, hi: highest * 1.1 }.widened(0.0);
    let y_axis = Axis::linear(bars.y_title.as_str(), y_span, 5);
    let span = Span { lo: bars.edges[0], hi: bars.edges[bars.values.len()] };
    let x_axis = if bars.log {
        Axis::log(bars.x_title.as_str(), span)
    } else {
        Axis::linear(bars.x_title.as_str(), span, 12)
    };
    frame::y_title(&mut scene, header_end, &y_axis);
    let top = header_end + frame::Y_TITLE_HEIGHT;
    let left = MARGIN + frame::label_width(&y_axis);
    let panel = Panel { left, top, right: WIDTH - MARGIN, bottom: top + PANEL_HEIGHT };
    frame::y_grid(&mut scene, &panel, &y_axis);
    let (x, y) = (x_axis.scale(panel.left, panel.right), y_axis.scale(panel.bottom, panel.top));
    let colour = lighter(series_colour(0), 0.35);
    // Bars closer than two pixels would vanish behind the gaps between them.
    let gap = if (panel.right - panel.left) / bars.values.len() as f64 > 4.0 { 0.5 } else { 0.0 };
    for (edges, value) in bars.edges.windows(2).zip(&bars.values).filter(|(_, value)| **value != 0.0) {
        let corner = (x.at(edges[0]) + gap, y.at(value.max(0.0)));
        let other = (x.at(edges[1]) - gap, y.at(value.min(0.0)));
        scene.rect(corner, other, colour);
    }
    scene.line((panel.left, y.at(0.0)), (panel.right, y.at(0.0)), 1.0, AXIS);
    frame::x_axis(&mut scene, &panel, &x_axis);
    frame::finish(&mut scene, panel.bottom + frame::X_AXIS_HEIGHT - 4.0, std::slice::from_ref(&bars.note));
    let alt = format!("Bars of {} over {}. {}", bars.y_title, bars.x_title, bars.note);
    Ok(Figure { name: file_stem("bars", &bars.title), title: bars.title.clone(), alt, scene })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;

    fn bars(values: Vec<f64>, log: bool) -> BinnedBars {
        BinnedBars {
            title: "Requests by hour of the day".to_owned(),
            x_title: "hour".to_owned(),
            y_title: "requests an hour".to_owned(),
            edges: (1..=values.len() + 1).map(|edge| edge as f64).collect(),
            values,
            log,
            note: "All of them.".to_owned(),
        }
    }

    #[test]
    fn bars_of_either_sign_are_drawn_and_no_text_overlaps() {
        for log in [false, true] {
            let bars = bars((0..24).map(|hour| f64::from(hour % 7) - 2.0).collect(), log);
            check::texts_are_apart_and_inside(&figure(&bars).unwrap().scene);
            check::is_sound(&binned_bars(&bars).unwrap(), &["requests an hour", "All of them."]);
        }
        assert!(binned_bars(&bars(vec![0.0; 300], false)).is_ok(), "nothing but zeros is drawn, too");
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        assert!(binned_bars(&bars(vec![], false)).is_err());
        assert!(binned_bars(&bars(vec![1.0, f64::NAN], false)).is_err());
    }
}
