//! How much better each model is than a reference: a dot with its interval for each, around zero.

use anyhow::Result;

use super::axis::PlotAxis;
use super::chart::shortened;
use super::font;
use super::frame::{self, Panel};
use super::scale::{Extent, PixelScale};
use super::scene::{Align, Scene, TextStyle};
use super::skill_narrow::narrow;
use super::skill_rows::{
    LINE_HEIGHT, ShownRows, SkillEvidence, SkillRow, draw_axis, draw_dot, legend, room_for_reference,
};
use super::theme::{INK, LABEL_SIZE, MARGIN};
use super::{AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries, Figure, Plot};

/// Names wider than this continue on a second line.
const WIDEST_NAME: f64 = 250.0;
const ROW_PADDING: f64 = 14.0;

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

/// A row with the lines of its name and where its middle lies.
struct PlacedRow<'a> {
    row: &'a SkillRow,
    lines: Vec<String>,
    y: f64,
}

fn figure(title: &str, quantity: &str, reference: &str, shown: &ShownRows<'_>) -> Figure {
    let ShownRows { rows: shown, span, caption } = shown;
    let mut scene = Scene::default();
    let top = frame::header(&mut scene, title, &legend(shown)) + room_for_reference(reference, scene.width);
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
    use crate::report::plot::scene::Mark;
    use crate::report::plot::skill_rows::{SkillKind, span};

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
        let (title, quantity) = ("Skill against persistence", "reduction of the test mse, %");
        for reference in ["persistence", "lstm lookback=20 learning_rate=0.001 hidden=32 layers=2: mse 1.234"]
        {
            for scene in [
                &figure(title, quantity, reference, &shown).scene,
                &narrow(title, quantity, reference, &shown),
            ] {
                check::texts_are_apart_and_inside(scene);
                let is_cut =
                    |mark: &Mark| matches!(mark, Mark::Text { content, .. } if content.contains('…'));
                assert!(!scene.marks.iter().any(is_cut), "{reference} is cut");
            }
        }
        figure(title, quantity, "persistence", &shown)
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
