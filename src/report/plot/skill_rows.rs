//! What the wide and the narrow form of the plot of skills share: its rows, its axis, its dots.

use anyhow::{Result, ensure};
use plotters::style::RGBColor;

use super::axis::PlotAxis;
use super::font::Weight;
use super::frame::{self, LegendEntry, LegendKey, Panel};
use super::scale::{Extent, PixelScale, is_drawable};
use super::scene::{Align, Scene, TextStyle, text_extent};
use super::theme::{GREY_LINE, INK, LABEL_SIZE, MARGIN, MUTED, lighter, series_colour};

/// Rows that are drawn; more would be taller than a screen.
const MOST_ROWS: usize = 20;
/// The axis reaches this many times as far below zero as above it, unless half of the rows lie further below: a few very bad
/// models would squash the others.
const REACH_BELOW: f64 = 3.0;
/// What the axis reaches on either side at least, in percent.
const LEAST_REACH: f64 = 2.0;
pub(super) const LINE_HEIGHT: f64 = 16.0;
const DOT: f64 = 5.0;

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkillKind {
    /// A model that is no baseline.
    Model,
    /// A naive baseline.
    Baseline,
}

/// What is known of a row's difference to the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkillEvidence {
    /// It is the reference.
    Reference,
    /// It differs significantly.
    Significant,
    /// It does not, or was not tested.
    NotSignificant,
}

/// One model.
#[derive(Debug, Clone, PartialEq)]
pub struct SkillRow {
    /// Its name.
    pub label: String,
    /// By how many percent its error is below that of the reference.
    pub skill: f64,
    /// The ends of the interval around it; `None` where there is none.
    pub interval: Option<(f64, f64)>,
    /// What it is.
    pub kind: SkillKind,
    /// Whether its error is the lowest of all rows, baselines among them.
    pub is_best: bool,
    /// What is known of the difference.
    pub standing: SkillEvidence,
    /// What stands at the row's end, such as `+10.7 %, p = 0.002`.
    pub value: String,
    /// What a tooltip adds.
    pub details: String,
}

impl SkillRow {
    pub(super) fn colour(&self) -> RGBColor {
        match (self.kind, self.is_best) {
            (SkillKind::Model, true) => series_colour(0),
            (SkillKind::Model, false) => lighter(series_colour(0), 0.5),
            (SkillKind::Baseline, _) => GREY_LINE,
        }
    }

    pub(super) fn weight(&self) -> Weight {
        if self.is_best { Weight::SemiBold } else { Weight::Regular }
    }

    /// What it is called in the legend.
    pub(super) fn name_of_kind(&self) -> &'static str {
        match (self.kind, self.is_best) {
            (SkillKind::Model, true) => "best model",
            (SkillKind::Model, false) => "model",
            (SkillKind::Baseline, _) => "baseline",
        }
    }

    pub(super) fn ends(&self) -> [f64; 2] {
        self.interval.map_or([self.skill; 2], |(lower, upper)| [lower, upper])
    }

    pub(super) fn tip(&self) -> String {
        format!("{}\n{}\n{}", self.label, self.value, self.details)
    }
}

/// The rows that are drawn.
pub(super) struct ShownRows<'a> {
    pub(super) rows: Vec<&'a SkillRow>,
    /// The range of the axis.
    pub(super) span: Extent,
    /// Sentences below the plot.
    pub(super) caption: Vec<String>,
}

impl<'a> ShownRows<'a> {
    pub(super) fn of(rows: &'a [SkillRow]) -> Result<Self> {
        let mut shown: Vec<&SkillRow> = rows.iter().filter(|row| is_drawable(row.skill)).collect();
        ensure!(!shown.is_empty(), "no model has a finite skill to draw");
        let finite = shown.len();
        shown.truncate(MOST_ROWS);
        let span = span(&shown);
        let caption = caption(&shown, span, (finite - shown.len(), rows.len() - finite));
        Ok(Self { rows: shown, span, caption })
    }
}

/// The grid, the line of the reference with its name, and the axis.
pub(super) fn draw_axis(scene: &mut Scene, panel: &Panel, axis: &PlotAxis, reference: &str) {
    let zero = axis.scale(panel.left, panel.right).at(0.0);
    frame::x_grid(scene, panel, axis);
    scene.line((zero, panel.top - 8.0), (zero, panel.bottom), 1.6, INK);
    let lines = reference_lines(reference, scene.width);
    for (index, line) in lines.iter().enumerate() {
        reference_name(scene, line, zero, panel.top - 20.0 - LINE_HEIGHT * (lines.len() - 1 - index) as f64);
    }
    frame::x_axis(scene, panel, axis);
}

/// The range of the axis: all rows and their intervals, but no further below and above zero than what tells most rows apart.
pub(super) fn span(shown: &[&SkillRow]) -> Extent {
    let mut skills: Vec<f64> = shown.iter().map(|row| row.skill).collect();
    skills.sort_by(f64::total_cmp);
    let (lowest, highest) = (skills[0], skills[skills.len() - 1]);
    let median = skills[skills.len() / 2];
    let reach = shown.iter().map(|row| row.ends()[1].min(2.0 * row.skill.max(0.0))).fold(highest, f64::max);
    let reach = reach.max(LEAST_REACH);
    // Where most models are bad, their differences are what there is to see.
    let below = (-REACH_BELOW * reach).min(1.5 * median.min(0.0));
    let below = if shown.len() < 3 { below.min(lowest) } else { below };
    // What lies beyond is an arrow, which needs no more room than itself.
    let within = shown.iter().filter(|row| row.skill >= below).flat_map(|row| row.ends());
    let within = Extent::of(within.chain([0.0])).unwrap_or(Extent { lo: 0.0, hi: 0.0 });
    Extent { lo: within.lo.max(below), hi: within.hi.min((2.0 * reach).max(highest)) }
        .including(-LEAST_REACH / 2.0)
        .including(LEAST_REACH / 2.0)
        .widened(0.06)
}

pub(super) fn legend(shown: &[&SkillRow]) -> Vec<LegendEntry> {
    let kinds = ["best model", "model", "baseline"].into_iter().filter_map(|name| {
        let row = shown.iter().find(|row| row.name_of_kind() == name)?;
        Some(LegendEntry::new(LegendKey::Dot(row.colour()), name))
    });
    let mut entries: Vec<LegendEntry> = kinds.collect();
    if shown.iter().any(|row| row.standing == SkillEvidence::Significant) {
        entries.push(LegendEntry::new(LegendKey::Dot(MUTED), "filled: significant"));
    }
    if shown.iter().any(|row| row.standing == SkillEvidence::NotSignificant) {
        entries.push(LegendEntry::new(LegendKey::Ring(MUTED), "hollow: not significant"));
    }
    entries
}

/// The name of the reference in the lines that stand above a panel.
fn reference_lines(reference: &str, width: f64) -> Vec<String> {
    frame::wrapped(reference, LABEL_SIZE, Weight::Regular, width - 2.0 * MARGIN)
}

/// The room above a panel for the name of the reference.
pub(super) fn room_for_reference(reference: &str, width: f64) -> f64 {
    18.0 + LINE_HEIGHT * reference_lines(reference, width).len() as f64
}

fn reference_name(scene: &mut Scene, label: &str, x: f64, y: f64) {
    let width = scene.width;
    let mut style = TextStyle { align: Align::Center, colour: MUTED, ..TextStyle::default() };
    let (left, right) = text_extent(x, label, &style);
    let mut at = x;
    if left < MARGIN {
        (style.align, at) = (Align::Left, MARGIN);
    } else if right > width - MARGIN {
        (style.align, at) = (Align::Right, width - MARGIN);
    }
    scene.text((at, y), label, style);
}

/// The dot of a row with its interval; an arrow where it lies beyond the axis.
pub(super) fn draw_dot(scene: &mut Scene, row: &SkillRow, y: f64, scale: &PixelScale, span: Extent) {
    let colour = row.colour();
    if let Some((lower, upper)) = row.interval {
        scene.line((scale.at(lower), y), (scale.at(upper), y), 2.2, colour);
        if span.contains(row.skill) {
            if lower < span.lo {
                scene.arrow((scale.at(span.lo) - 3.0, y), (-1.0, 0.0), colour);
            }
            if upper > span.hi {
                scene.arrow((scale.at(span.hi) + 3.0, y), (1.0, 0.0), colour);
            }
        }
    }
    let x = scale.at(row.skill);
    if !span.contains(row.skill) {
        let direction = if row.skill < span.lo { -1.0 } else { 1.0 };
        scene.arrow((x + direction * 4.0, y), (direction, 0.0), colour);
    } else if row.standing != SkillEvidence::NotSignificant {
        scene.disc((x, y), DOT, colour);
    } else {
        scene.ring((x, y), DOT, colour);
    }
    scene.tip((x, y), row.tip());
}

fn caption(shown: &[&SkillRow], span: Extent, (more, without_value): (usize, usize)) -> Vec<String> {
    let mut sentences = Vec::new();
    if shown.iter().any(|row| row.ends().iter().any(|end| !span.contains(*end)) || !span.contains(row.skill))
    {
        sentences.push("Arrows point to what lies beyond the axis.".to_owned());
    }
    if more > 0 {
        sentences.push(format!("Not shown: {more} more, with larger errors."));
    }
    if without_value > 0 {
        sentences.push(format!("{without_value} without a finite value are left out."));
    }
    sentences
}
