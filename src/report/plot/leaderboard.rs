//! The score of each model as a bar.

use anyhow::{Result, ensure};

use super::axis::PlotAxis;
use super::font::{self, Weight};
use super::frame::{self, LegendEntry, LegendKey, Panel};
use super::leaderboard_bar::{Bar, BarRow, VALUE_GAP, WIDEST_NAME, draw_bar, draw_texts, rows};
use super::number;
use super::scale::{Extent, is_drawable};
use super::scene::{Align, Scene, TextStyle, text_extent};
use super::theme::{INK, LABEL_SIZE, MARGIN, MUTED, WIDTH};
use super::{Chart, Figure, Plot};
use crate::files::file_stem;

const ROW_HEIGHT: f64 = 30.0;
/// Bars longer than this many times the median value are cut, so that the others can be compared.
const LONGEST_BAR_MEDIANS: f64 = 6.0;

/// Draws up to twenty bars in the given order, which should be from best to worst: baselines in grey, models
/// in colour and the best entry in full colour, each with its value at its end. `reference` is the name and
/// the value of a dashed vertical line, such as the best baseline. A bar that is many times as long as most
/// others is cut, which a gap in it and the caption show. Entries without a finite value are left out.
///
/// # Errors
/// If no bar has a finite value.
pub fn leaderboard_bars(metric: &str, bars: &[Bar], reference: Option<(String, f64)>) -> Result<Plot> {
    figure(metric, bars, reference)?.render()
}

fn figure(metric: &str, bars: &[Bar], reference: Option<(String, f64)>) -> Result<Figure> {
    let finite: Vec<&Bar> = bars.iter().filter(|bar| is_drawable(bar.value)).collect();
    ensure!(!finite.is_empty(), "no entry has a finite {metric} to draw");
    let rows = rows(&finite);
    let reference = reference.filter(|(_, value)| is_drawable(*value));
    let (span, cut) = value_span(&rows, reference.as_ref().map(|(_, value)| *value));
    let title = format!("Leaderboard by {metric}");

    let mut scene = Scene::default();
    let start = frame::header(&mut scene, &title, &legend(&rows));
    let top = start + if reference.is_some() { 30.0 } else { 8.0 };
    let (panel, names_end) = layout(&rows, span, top);
    let axis = PlotAxis::linear(metric, span, 7);
    let scale = axis.scale(panel.left, panel.right);
    frame::x_grid(&mut scene, &panel, &axis);
    for (index, row) in rows.iter().enumerate() {
        draw_bar(&mut scene, row.bar, row_middle(&panel, index), &scale, span);
    }
    if span.lo < 0.0 {
        scene.line((scale.at(0.0), panel.top), (scale.at(0.0), panel.bottom), 1.0, MUTED);
    }
    if let Some((name, value)) = &reference {
        draw_reference(&mut scene, &panel, name, *value, scale.at(*value));
    }
    for (index, row) in rows.iter().enumerate() {
        let y = row_middle(&panel, index);
        draw_texts(&mut scene, row, y, names_end, &scale);
        scene.tip((scale.at(row.bar.value), y), format!("{}\n{metric} {}", row.bar.label, row.text));
    }
    frame::x_axis(&mut scene, &panel, &axis);
    let caption = caption(finite.len() - rows.len(), bars.len() - finite.len(), cut);
    frame::finish(&mut scene, panel.bottom + frame::X_AXIS_HEIGHT - 8.0, &caption);
    Ok(Figure {
        name: file_stem(&["leaderboard", metric]),
        title,
        alt: description(metric, &rows, reference.as_ref()),
        scene,
        chart: Chart::default(),
    })
}

/// The range of the value axis, which always contains zero, and whether something reaches beyond it. Where no value is
/// negative, the axis starts at zero, and it ends at the limit for long bars.
fn value_span(rows: &[BarRow<'_>], reference: Option<f64>) -> (Extent, bool) {
    let ends = rows.iter().flat_map(|row| row.bar.ends());
    let all = Extent::of(ends.chain(reference).chain([0.0])).unwrap_or(Extent { lo: 0.0, hi: 0.0 });
    let mut values: Vec<f64> = rows.iter().map(|row| row.bar.value).collect();
    values.sort_by(f64::total_cmp);
    let median = values[(values.len() - 1) / 2];
    let limit = reference.unwrap_or(0.0).max(median * LONGEST_BAR_MEDIANS);
    let lowest = reference.map_or(values[0], |value| value.min(values[0]));
    let span = match (lowest >= 0.0, limit > 0.0) {
        (true, true) => Extent { lo: 0.0, hi: all.hi.min(limit) },
        (true, false) => Extent { lo: 0.0, hi: all.hi },
        (false, _) => all,
    };
    // Zeros alone have no extent, so that any axis will do.
    let span = if span.width() > 1e-290 { span } else { Extent { lo: 0.0, hi: 1.0 } };
    (span, span.hi < all.hi)
}

/// The panel, with room for the names on the left and for the values at the ends of the bars, and the
/// position at which the names end.
fn layout(rows: &[BarRow<'_>], span: Extent, top: f64) -> (Panel, f64) {
    let width = |row: &BarRow<'_>, text: &str| font::width(text, LABEL_SIZE, row.bar.weight());
    let names = rows.iter().map(|row| width(row, &row.bar.label)).fold(0.0, f64::max);
    let names_end = MARGIN + names.min(WIDEST_NAME);
    let negative = rows.iter().filter(|row| row.bar.value < 0.0).map(|row| width(row, &row.text) + VALUE_GAP);
    let left = names_end + 12.0 + negative.fold(0.0, f64::max);
    // Each value starts where its bar or whisker ends, and has to fit between there and the margin.
    let room = WIDTH - MARGIN - VALUE_GAP - left;
    let positive = rows.iter().filter(|row| row.bar.value >= 0.0).map(|row| {
        let share = (row.bar.ends()[1].min(span.hi) - span.lo) / span.width();
        left + (room - width(row, &row.text)) / share.max(1e-9)
    });
    let right = positive.fold(WIDTH - MARGIN, f64::min);
    (Panel { left, top, right, bottom: top + ROW_HEIGHT * rows.len() as f64 + 6.0 }, names_end)
}

fn row_middle(panel: &Panel, index: usize) -> f64 {
    panel.top + 3.0 + ROW_HEIGHT * (index as f64 + 0.5)
}

fn legend(rows: &[BarRow<'_>]) -> Vec<LegendEntry> {
    let kinds = [
        (false, true, "best model"),
        (false, false, "model"),
        (true, true, "best, a baseline"),
        (true, false, "baseline"),
    ];
    let entry = |(baseline, highlight, label)| {
        let mut bars = rows.iter().map(|row| row.bar);
        let bar = bars.find(|bar| bar.baseline == baseline && bar.highlight == highlight)?;
        Some(LegendEntry::new(LegendKey::Swatch(bar.colour()), label))
    };
    kinds.into_iter().filter_map(entry).collect()
}

fn draw_reference(scene: &mut Scene, panel: &Panel, name: &str, value: f64, x: f64) {
    scene.dashed(&[(x, panel.top - 8.0), (x, panel.bottom)], (5.0, 4.0), 1.4, INK);
    let label = format!("{name}: {}", number::significant(value, 4));
    let label = font::fit(&label, LABEL_SIZE, Weight::Regular, WIDTH - 2.0 * MARGIN);
    let mut style = TextStyle { align: Align::Center, ..TextStyle::default() };
    let (left, right) = text_extent(x, &label, &style);
    let mut at = x;
    if left < MARGIN {
        (style.align, at) = (Align::Left, MARGIN);
    } else if right > WIDTH - MARGIN {
        (style.align, at) = (Align::Right, WIDTH - MARGIN);
    }
    scene.text((at, panel.top - 18.0), &label, style);
}

fn caption(more: usize, without_value: usize, cut: bool) -> Vec<String> {
    let mut sentences = Vec::new();
    if cut {
        sentences.push(
            "Bars with a gap, and whiskers that reach the end of the axis, extend beyond it.".to_owned(),
        );
    }
    if more > 0 {
        sentences.push(format!("Not shown: {more} more."));
    }
    if without_value > 0 {
        sentences.push(format!("{without_value} without a finite value are left out."));
    }
    sentences
}

fn description(metric: &str, rows: &[BarRow<'_>], reference: Option<&(String, f64)>) -> String {
    let bars: Vec<String> = rows.iter().map(|row| format!("{} {}", row.bar.label, row.text)).collect();
    let reference = reference.map_or_else(String::new, |(name, value)| {
        format!(" A dashed line marks {name} at {}.", number::significant(*value, 4))
    });
    format!("Bar chart of {metric}: {}.{reference}", bars.join(", "))
}

#[cfg(test)]
mod tests {
    use plotters::style::RGBColor;

    use super::*;
    use crate::report::plot::check;
    use crate::report::plot::scene::Mark;

    fn bar(label: &str, value: f64) -> Bar {
        Bar { label: label.to_owned(), value, spread: None, highlight: false, baseline: false }
    }

    fn colours(scene: &Scene) -> Vec<RGBColor> {
        let colour = |mark: &Mark| {
            if let Mark::Polygon { colour, .. } = mark { Some(*colour) } else { None }
        };
        scene.marks.iter().filter_map(colour).collect()
    }

    #[test]
    fn the_plot_holds_its_labels_and_nothing_overlaps() {
        let bars = [
            Bar { spread: Some(0.01), highlight: true, ..bar("PatchTST", 0.412) },
            bar("TSMixer", 0.43),
            Bar { baseline: true, ..bar("seasonal naive", 0.6) },
        ];
        let reference = ("best baseline".to_owned(), 0.6);
        let figure = figure("MASE", &bars, Some(reference)).unwrap();
        check::texts_are_apart_and_inside(&figure.scene);
        let plot = figure.render().unwrap();
        let labels =
            ["PatchTST", "0.4120 ± 0.0100", "TSMixer", "seasonal naive", "best baseline: 0.6000", "MASE"];
        check::is_sound(&plot, &labels);
        assert_eq!(plot.name, "leaderboard-mase");
    }

    #[test]
    fn the_winner_models_and_baselines_differ_in_colour() {
        let bars = [
            Bar { highlight: true, ..bar("a", 1.0) },
            bar("b", 2.0),
            Bar { baseline: true, ..bar("c", 3.0) },
            Bar { baseline: true, highlight: true, ..bar("d", 4.0) },
        ];
        let drawn = colours(&figure("MAE", &bars, None).unwrap().scene);
        assert!(bars.iter().all(|bar| drawn.contains(&bar.colour())));
        let mut unique: Vec<_> =
            bars.iter().map(|bar| (bar.colour().0, bar.colour().1, bar.colour().2)).collect();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), 4);
    }

    #[test]
    fn the_plot_grows_with_its_bars_up_to_twenty() {
        let height = |count: usize| {
            let bars: Vec<Bar> =
                (0..count).map(|index| bar(&format!("m{index}"), 1.0 + index as f64)).collect();
            let figure = figure("MAE", &bars, None).unwrap();
            check::texts_are_apart_and_inside(&figure.scene);
            (figure.scene.height, figure.render().unwrap().svg)
        };
        assert!((height(9).0 - height(4).0 - 5.0 * ROW_HEIGHT).abs() < 1e-9);
        let (_, svg) = height(25);
        assert!(svg.contains(">m19</text>") || svg.contains("m19"));
        assert!(!svg.contains("\nm20<") && svg.contains("Not shown: 5 more."));
    }

    #[test]
    fn a_bar_many_times_longer_than_most_is_cut() {
        let bars = [bar("a", 1.0), bar("b", 1.2), bar("diverged", 1e12)];
        let (span, cut) = value_span(&rows(&bars.iter().collect::<Vec<_>>()), None);
        assert!(cut && span.hi < 10.0);
        let plot = leaderboard_bars("MAE", &bars, None).unwrap();
        assert!(plot.svg.contains("1.000T") && plot.svg.contains("Bars with a gap"));
    }

    #[test]
    fn a_spread_that_exceeds_its_value_neither_bends_the_axis_below_zero_nor_stretches_it() {
        let bars = [bar("a", 1.0), bar("b", 1.2), Bar { spread: Some(1e9), ..bar("unstable", 1.4) }];
        let (span, cut) = value_span(&rows(&bars.iter().collect::<Vec<_>>()), None);
        assert!(cut && span.lo == 0.0 && span.hi < 10.0, "{span:?}");
    }

    #[test]
    fn odd_values_are_drawn() {
        for values in
            [&[0.0][..], &[0.0, 0.0], &[-1.0, -5.0], &[-1.0, 2.0], &[1e12], &[1e-12, 2e-12], &[1.0, f64::NAN]]
        {
            let bars: Vec<Bar> =
                values.iter().map(|value| Bar { spread: Some(0.1), ..bar("odd", *value) }).collect();
            let figure = figure("bias", &bars, Some(("reference".to_owned(), 0.5))).unwrap();
            check::texts_are_apart_and_inside(&figure.scene);
            check::is_sound(&figure.render().unwrap(), &["odd", "bias"]);
        }
    }

    #[test]
    fn bars_without_a_finite_value_are_an_error() {
        assert!(leaderboard_bars("MAE", &[], None).is_err());
        assert!(leaderboard_bars("MAE", &[bar("a", f64::NAN), bar("b", f64::INFINITY)], None).is_err());
    }
}
