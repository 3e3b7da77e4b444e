//! How much better each model is than a reference: a dot with its interval for each, around zero.

use anyhow::{Result, ensure};
use plotters::style::RGBColor;

use super::axis::PlotAxis;
use super::chart::shortened;
use super::font::{self, Weight};
use super::frame::{self, LegendEntry, LegendKey, Panel};
use super::scale::{Extent, PixelScale, is_drawable};
use super::scene::{Align, Scene, TextStyle, text_extent};
use super::skill_narrow::narrow;
use super::theme::{GREY_LINE, INK, LABEL_SIZE, MARGIN, MUTED, lighter, series_colour};
use super::{AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries, Figure, Plot};

/// Rows that are drawn; more would be taller than a screen.
const MOST_ROWS: usize = 20;
/// Names wider than this continue on a second line.
const WIDEST_NAME: f64 = 250.0;
pub(super) const LINE_HEIGHT: f64 = 16.0;
const ROW_PADDING: f64 = 14.0;
const DOT: f64 = 5.0;
/// The axis reaches this many times as far below zero as above it, unless half of the rows lie further below: a few very bad
/// models would squash the others.
const REACH_BELOW: f64 = 3.0;
/// What the axis reaches on either side at least, in percent.
const LEAST_REACH: f64 = 2.0;

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
    fn colour(&self) -> RGBColor {
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
    fn name_of_kind(&self) -> &'static str {
        match (self.kind, self.is_best) {
            (SkillKind::Model, true) => "best model",
            (SkillKind::Model, false) => "model",
            (SkillKind::Baseline, _) => "baseline",
        }
    }

    fn ends(&self) -> [f64; 2] {
        self.interval.map_or([self.skill; 2], |(lower, upper)| [lower, upper])
    }

    fn tip(&self) -> String {
        format!("{}\n{}\n{}", self.label, self.value, self.details)
    }
}

/// Draws up to twenty rows in the given order, which should be from best to worst, wide and narrow. `reference` names the zero,
/// `quantity` the horizontal axis. A significant difference is a filled dot, any other a ring. What lies far below zero is drawn
/// as an arrow at the edge. Rows without a finite value are left out.
///
/// # Errors
/// If no row has a finite value.
pub fn skill_plot(title: &str, quantity: &str, reference: &str, rows: &[SkillRow]) -> Result<Plot> {
    let shown = ShownRows::of(rows)?;
    figure(title, quantity, reference, &shown).render_with_narrow(&narrow(title, quantity, reference, &shown))
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
    fn of(rows: &'a [SkillRow]) -> Result<Self> {
        let mut shown: Vec<&SkillRow> = rows.iter().filter(|row| is_drawable(row.skill)).collect();
        ensure!(!shown.is_empty(), "no model has a finite skill to draw");
        let finite = shown.len();
        shown.truncate(MOST_ROWS);
        let span = span(&shown);
        let caption = caption(&shown, span, (finite - shown.len(), rows.len() - finite));
        Ok(Self { rows: shown, span, caption })
    }
}

/// A row with the lines of its name and where its middle lies.
struct PlacedRow<'a> {
    row: &'a SkillRow,
    lines: Vec<String>,
    y: f64,
}

fn figure(title: &str, quantity: &str, reference: &str, shown: &ShownRows<'_>) -> Figure {
    let ShownRows { rows: shown, span, caption } = shown;
    let mut scene = Scene::default();
    let top = frame::header(&mut scene, title, &legend(shown)) + 34.0;
    let width = |row: &SkillRow, text: &str| font::width(text, LABEL_SIZE, row.weight());
    let placed = place(shown, top);
    let name_widths =
        placed.iter().flat_map(|placed| placed.lines.iter().map(|line| width(placed.row, line)));
    let names_end = MARGIN + name_widths.fold(0.0, f64::max);
    let values = shown.iter().map(|row| width(row, &row.value)).fold(0.0, f64::max);
    let bottom = placed.last().map_or(top, |last| last.y + row_height(&last.lines) / 2.0) + 4.0;
    let panel = Panel { left: names_end + 18.0, top, right: scene.width - MARGIN - values - 18.0, bottom };
    let axis = PlotAxis::linear(quantity, *span, 6);
    draw_axis(&mut scene, &panel, &axis, reference);
    let scale = axis.scale(panel.left, panel.right);
    for placed in &placed {
        draw_row(&mut scene, placed, (names_end, panel.right + 18.0), &scale, *span);
    }
    frame::finish(&mut scene, panel.bottom + frame::X_AXIS_HEIGHT - 8.0, caption);
    let list: Vec<String> = shown.iter().map(|row| format!("{} {}", row.label, row.value)).collect();
    let alt = format!("{title}. {quantity}, a dot with its 95 % interval for each: {}.", list.join("; "));
    let chart = chart(quantity, shown, *span);
    Figure { name: "leaderboard".to_owned(), title: title.to_owned(), alt, scene, chart }
}

/// The grid, the line of the reference with its name, and the axis.
pub(super) fn draw_axis(scene: &mut Scene, panel: &Panel, axis: &PlotAxis, reference: &str) {
    let zero = axis.scale(panel.left, panel.right).at(0.0);
    frame::x_grid(scene, panel, axis);
    scene.line((zero, panel.top - 8.0), (zero, panel.bottom), 1.6, INK);
    reference_name(scene, reference, zero, panel.top - 20.0);
    frame::x_axis(scene, panel, axis);
}

fn row_height(lines: &[String]) -> f64 {
    LINE_HEIGHT * lines.len().max(1) as f64 + ROW_PADDING
}

fn place<'a>(shown: &[&'a SkillRow], top: f64) -> Vec<PlacedRow<'a>> {
    let mut end = top;
    let place = |row: &&'a SkillRow| {
        let lines = frame::wrapped(&row.label, LABEL_SIZE, row.weight(), WIDEST_NAME);
        let height = row_height(&lines);
        end += height;
        PlacedRow { row, lines, y: end - height / 2.0 }
    };
    shown.iter().map(place).collect()
}

/// The range of the axis: all rows and their intervals, but no further below and above zero than what tells most rows apart.
fn span(shown: &[&SkillRow]) -> Extent {
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

fn reference_name(scene: &mut Scene, reference: &str, x: f64, y: f64) {
    let width = scene.width;
    let label = font::fit(reference, LABEL_SIZE, Weight::Regular, width - 2.0 * MARGIN);
    let mut style = TextStyle { align: Align::Center, colour: MUTED, ..TextStyle::default() };
    let (left, right) = text_extent(x, &label, &style);
    let mut at = x;
    if left < MARGIN {
        (style.align, at) = (Align::Left, MARGIN);
    } else if right > width - MARGIN {
        (style.align, at) = (Align::Right, width - MARGIN);
    }
    scene.text((at, y), &label, style);
}

fn draw_row(
    scene: &mut Scene,
    placed: &PlacedRow<'_>,
    (names_end, values_at): (f64, f64),
    scale: &PixelScale,
    span: Extent,
) {
    let PlacedRow { row, lines, y } = placed;
    draw_dot(scene, row, *y, scale, span);
    let style = TextStyle { weight: row.weight(), align: Align::Right, ..TextStyle::default() };
    let first = y - LINE_HEIGHT * (lines.len() as f64 - 1.0) / 2.0;
    for (index, line) in lines.iter().enumerate() {
        scene.text((names_end, first + LINE_HEIGHT * index as f64), line, style);
    }
    scene.text((values_at, *y), &row.value, TextStyle { align: Align::Left, ..style });
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

/// The rows as data. What lies beyond the axis of the picture is held at its edge here, too.
fn chart(quantity: &str, shown: &[&SkillRow], span: Extent) -> Chart {
    let within = |value: f64| shortened(value.clamp(span.lo, span.hi));
    let names = shown.iter().map(|row| row.label.clone()).collect();
    let mut series = vec![ChartSeries::new("reference", INK, ChartMarks::Rule { x: Some(0.0), y: None })];
    for name in ["baseline", "model", "best model"] {
        for significant in [false, true] {
            let is_own = |row: &SkillRow| {
                row.name_of_kind() == name && (row.standing == SkillEvidence::Significant) == significant
            };
            let own: Vec<(usize, &&SkillRow)> =
                shown.iter().enumerate().filter(|(_, row)| is_own(row)).collect();
            let Some((_, first)) = own.first() else { continue };
            let point = |(at, row): &(usize, &&SkillRow)| {
                let [lower, upper] = row.ends();
                [within(row.skill), within(lower), within(upper), *at as f64]
            };
            let note = if significant { ", significant" } else { "" };
            let marks = ChartMarks::Intervals {
                points: own.iter().map(point).collect(),
                labels: own.iter().map(|(_, row)| row.tip()).collect(),
            };
            series.push(ChartSeries::new(format!("{name}{note}"), first.colour(), marks));
        }
    }
    Chart::of(vec![ChartPanel {
        title: String::new(),
        x: ChartAxis::new(quantity, AxisKind::Value),
        y: ChartAxis::of_categories("", names),
        series,
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;

    fn row(label: &str, skill: f64, significant: bool) -> SkillRow {
        SkillRow {
            label: label.to_owned(),
            skill,
            interval: Some((skill - 2.0, skill + 1.5)),
            kind: SkillKind::Model,
            is_best: false,
            standing: if significant { SkillEvidence::Significant } else { SkillEvidence::NotSignificant },
            value: format!("{skill:+.1} %, p = 0.002"),
            details: "mse 1.2".to_owned(),
        }
    }

    fn drawn(rows: &[SkillRow]) -> Figure {
        let shown = ShownRows::of(rows).unwrap();
        let texts = ["Skill against persistence", "reduction of the test mse, %", "persistence"];
        let figure = figure(texts[0], texts[1], texts[2], &shown);
        check::texts_are_apart_and_inside(&figure.scene);
        check::texts_are_apart_and_inside(&narrow(texts[0], texts[1], texts[2], &shown));
        figure
    }

    #[test]
    fn each_row_has_its_name_and_its_value_and_nothing_overlaps() {
        let rows = [
            SkillRow { is_best: true, ..row("lstm hidden=16", 10.7, true) },
            row("nlinear", 1.0, false),
            SkillRow {
                kind: SkillKind::Baseline,
                standing: SkillEvidence::Reference,
                interval: None,
                ..row("persistence", 0.0, false)
            },
        ];
        let figure = drawn(&rows);
        check::is_sound(
            &figure.render().unwrap(),
            &["lstm hidden=16", "+10.7 %, p = 0.002", "persistence", "hollow: not significant"],
        );
    }

    #[test]
    fn the_narrow_form_has_the_same_rows_on_the_width_of_a_phone() {
        let rows = [
            SkillRow { is_best: true, ..row("lstm hidden=16", 10.7, true) },
            row("a model whose name and value do not stand on one line", -2.0, false),
        ];
        let plot =
            skill_plot("Skill", "reduction of the test mse, %", "persistence: mse 1.2", &rows).unwrap();
        let narrow = plot.narrow_svg.unwrap();
        assert!(narrow.contains("viewBox=\"0 0 3400 "), "{narrow}");
        for text in ["lstm hidden=16", "+10.7 %, p = 0.002", "-2.0 %, p = 0.002", "persistence: mse 1.2"] {
            assert!(narrow.contains(text) && plot.svg.contains(text), "{text}");
        }
    }

    #[test]
    fn no_model_is_called_the_best_where_a_baseline_is() {
        let baseline = SkillRow { kind: SkillKind::Baseline, is_best: true, ..row("mean", 0.0, false) };
        let plot = drawn(&[baseline, row("lstm", -1.0, false)]).render().unwrap();
        assert!(!plot.svg.contains("best model") && plot.svg.contains("\nmodel<"), "{}", plot.svg);
        let names: Vec<&str> =
            plot.chart.panels[0].series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["reference", "baseline", "model"]);
    }

    #[test]
    fn a_long_name_takes_several_lines_and_is_never_cut() {
        let long =
            "lstm lookback=20 learning_rate=0.001 hidden=32 dropout=0.1 weight_decay=0.0001 batch_size=64";
        let svg = drawn(&[row(long, 3.0, true), row("mean", -1.0, false)]).render().unwrap().svg;
        assert!(!svg.contains('…'));
        assert!(long.split(' ').all(|word| svg.contains(word)));
    }

    #[test]
    fn a_very_bad_model_does_not_squash_the_others() {
        let rows: Vec<SkillRow> =
            [10.7, 10.1, 3.0, 0.0, -500.0].map(|skill| row("model", skill, true)).to_vec();
        let span = span(&rows.iter().collect::<Vec<_>>());
        assert!(span.lo > -50.0 && span.hi < 25.0, "{span:?}");
        let plot = drawn(&rows).render().unwrap();
        assert!(plot.svg.contains("Arrows point") && plot.svg.contains("-500.0 %"));
        let ChartMarks::Intervals { points, .. } = &plot.chart.panels[0].series[1].marks else { panic!() };
        assert!(points.iter().all(|point| point[1] > -50.0), "{points:?}");
    }

    #[test]
    fn where_all_are_bad_their_differences_are_seen() {
        let rows = [-200.0, -210.0, -220.0].map(|skill| row("model", skill, true));
        let span = span(&rows.iter().collect::<Vec<_>>());
        assert!(span.lo < -222.0, "{span:?}");
        assert!(self::span(&[&row("a", -80.0, true)]).contains(-80.0), "a lone one is drawn where it is");
    }

    #[test]
    fn twenty_rows_are_drawn_and_the_others_counted() {
        let rows: Vec<SkillRow> =
            (0..25).map(|index| row(&format!("m{index}"), 25.0 - f64::from(index), false)).collect();
        let svg = drawn(&rows).render().unwrap().svg;
        assert!(svg.contains("\nm19<") && !svg.contains("\nm20<"));
        assert!(svg.contains("Not shown: 5 more"));
    }

    #[test]
    fn odd_values_are_drawn_and_nothing_at_all_is_an_error() {
        for skill in [0.0, 100.0, -1e12, 1e-9] {
            let rows = [row("odd", skill, false), row("none", f64::NAN, false)];
            check::is_sound(&drawn(&rows).render().unwrap(), &["odd", "left out"]);
        }
        assert!(skill_plot("t", "q", "r", &[row("a", f64::NAN, false)]).is_err());
    }
}
