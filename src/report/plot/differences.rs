//! Differences between pairs with their intervals, around zero.

use anyhow::{Result, ensure};

use super::axis::PlotAxis;
use super::chart::shortened;
use super::font::{self, Weight};
use super::frame::{self, LegendEntry, LegendKey, Panel};
use super::number;
use super::scale::{Extent, is_drawable};
use super::scene::{Align, Scene, TextStyle};
use super::theme::{GREY_LINE, INK, LABEL_SIZE, MARGIN, MUTED, WIDTH, series_colour};
use super::{AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries, Figure, Plot};

const ROW_PADDING: f64 = 14.0;
const LINE_HEIGHT: f64 = 16.0;
/// Names wider than this continue on a second line.
const WIDEST_NAME: f64 = 300.0;

/// A difference with its interval.
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalRow {
    /// What is compared.
    pub label: String,
    /// The difference.
    pub value: f64,
    /// Lower end of its interval.
    pub lower: f64,
    /// Upper end of its interval.
    pub upper: f64,
    /// Whether it is significant.
    pub significant: bool,
}

/// Draws each difference as a dot with its interval, in the given order. `quantity` is the horizontal axis.
///
/// # Errors
/// If no difference is finite.
pub fn differences(title: &str, quantity: &str, rows: &[IntervalRow]) -> Result<Plot> {
    figure(title, quantity, rows)?.render()
}

fn figure(title: &str, quantity: &str, rows: &[IntervalRow]) -> Result<Figure> {
    let drawn: Vec<&IntervalRow> =
        rows.iter().filter(|row| [row.value, row.lower, row.upper].into_iter().all(is_drawable)).collect();
    ensure!(!drawn.is_empty(), "no difference is finite");
    let ends = drawn.iter().flat_map(|row| [row.lower, row.upper]).chain([0.0]);
    let span = Extent::of(ends).unwrap_or(Extent { lo: -1.0, hi: 1.0 }).widened(0.06);
    let entries = [
        LegendEntry::new(LegendKey::Dot(series_colour(0)), "significant"),
        LegendEntry::new(LegendKey::Dot(GREY_LINE), "not significant"),
    ];
    let mut scene = Scene::default();
    let top = frame::header(&mut scene, title, &entries) + 8.0;
    let labels: Vec<Vec<String>> = drawn
        .iter()
        .map(|row| frame::wrapped(&row.label, LABEL_SIZE, Weight::Regular, WIDEST_NAME))
        .collect();
    let width = |line: &String| font::width(line, LABEL_SIZE, Weight::Regular);
    let names = labels.iter().flatten().map(width).fold(0.0, f64::max);
    let height = |lines: &Vec<String>| LINE_HEIGHT * lines.len().max(1) as f64 + ROW_PADDING;
    let panel = Panel {
        left: MARGIN + names + 14.0,
        top,
        right: WIDTH - MARGIN,
        bottom: top + labels.iter().map(height).sum::<f64>() + 6.0,
    };
    let axis = PlotAxis::linear(quantity, span, 6);
    let scale = axis.scale(panel.left, panel.right);
    frame::x_grid(&mut scene, &panel, &axis);
    scene.line((scale.at(0.0), panel.top), (scale.at(0.0), panel.bottom), 1.2, MUTED);
    let mut row_top = panel.top + 3.0;
    for (row, lines) in drawn.iter().zip(&labels) {
        let y = row_top + height(lines) / 2.0;
        row_top += height(lines);
        let colour = if row.significant { series_colour(0) } else { GREY_LINE };
        scene.line((scale.at(row.lower), y), (scale.at(row.upper), y), 2.0, colour);
        scene.disc((scale.at(row.value), y), 4.5, colour);
        let style = TextStyle { align: Align::Left, colour: INK, ..TextStyle::default() };
        let first = y - LINE_HEIGHT * (lines.len() as f64 - 1.0) / 2.0;
        for (index, line) in lines.iter().enumerate() {
            scene.text((MARGIN, first + LINE_HEIGHT * index as f64), line, style);
        }
        let text = |value: f64| number::significant(value, 3);
        let tip = format!("{}\n{} ({} to {})", row.label, text(row.value), text(row.lower), text(row.upper));
        scene.tip((scale.at(row.value), y), tip);
    }
    frame::x_axis(&mut scene, &panel, &axis);
    frame::finish(&mut scene, panel.bottom + frame::X_AXIS_HEIGHT - 8.0, &[]);
    let list: Vec<String> =
        drawn.iter().map(|row| format!("{} {}", row.label, number::significant(row.value, 3))).collect();
    let alt = format!("{quantity}, a dot with its interval for each: {}.", list.join(", "));
    Ok(Figure {
        name: "differences".to_owned(),
        title: title.to_owned(),
        alt,
        scene,
        chart: chart(quantity, &drawn),
    })
}

/// The differences as data.
fn chart(quantity: &str, drawn: &[&IntervalRow]) -> Chart {
    let mut series =
        vec![ChartSeries::new("no difference", MUTED, ChartMarks::Rule { x: Some(0.0), y: None })];
    for (significant, name, colour) in
        [(true, "significant", series_colour(0)), (false, "not significant", GREY_LINE)]
    {
        let own = || drawn.iter().enumerate().filter(|(_, row)| row.significant == significant);
        if own().next().is_none() {
            continue;
        }
        let point = |(at, row): (usize, &&IntervalRow)| {
            [shortened(row.value), shortened(row.lower), shortened(row.upper), at as f64]
        };
        let marks = ChartMarks::Intervals {
            points: own().map(point).collect(),
            labels: own().map(|(_, row)| row.label.clone()).collect(),
        };
        series.push(ChartSeries::new(name, colour, marks));
    }
    Chart::of(vec![ChartPanel {
        title: String::new(),
        x: ChartAxis::new(quantity, AxisKind::Value),
        y: ChartAxis::of_categories("", drawn.iter().map(|row| row.label.clone()).collect()),
        series,
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;

    fn row(label: &str, value: f64, significant: bool) -> IntervalRow {
        IntervalRow { label: label.to_owned(), value, lower: value - 0.1, upper: value + 0.1, significant }
    }

    #[test]
    fn each_difference_is_named_and_nothing_overlaps() {
        let long = "dlinear lookback=336 learning_rate=0.001 hidden=64 dropout=0.1 weight_decay=0.01";
        let rows = [row("lstm", -0.3, true), row(long, 0.02, false)];
        let figure = figure("sweep@2 against sweep@1", "difference of the mse", &rows).unwrap();
        check::texts_are_apart_and_inside(&figure.scene);
        let plot = figure.render().unwrap();
        check::is_sound(&plot, &["lstm", "difference of the mse", "not significant", "weight_decay=0.01"]);
        assert!(!plot.svg.contains('…'), "no name is cut");
    }

    #[test]
    fn differences_without_a_finite_value_are_an_error() {
        assert!(differences("t", "q", &[]).is_err());
        assert!(differences("t", "q", &[row("a", f64::NAN, false)]).is_err());
    }
}
