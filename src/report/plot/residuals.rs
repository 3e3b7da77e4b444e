//! Histograms of each model's residuals.

use anyhow::{Context, Result};

use super::axis::PlotAxis;
use super::font::{self, Weight};
use super::frame::{self, Panel};
use super::number;
use super::scale::{Extent, PanelScales, is_drawable};
use super::scene::{Align, Scene, TextStyle};
use super::theme::{CAPTION_SIZE, INK, MARGIN, MUTED, WIDTH, lighter, series_colour};
use super::{Chart, Figure, Plot, with_unit};
use crate::files::file_stem;

/// More panels than this would make the plot taller than a page.
const MOST_MODELS: usize = 4;
const ROW_HEIGHT: f64 = 92.0;
const ROW_GAP: f64 = 40.0;
const FEWEST_BINS: f64 = 11.0;
const MOST_BINS: f64 = 61.0;
/// Share of all residuals that lies beyond each end of the axis.
const TAIL: f64 = 0.01;

/// The residuals of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Residuals {
    /// Name of the model, shown above its histogram.
    pub label: String,
    /// Residuals in the unit of the target, in any order.
    pub values: Vec<f64>,
}

/// Draws one histogram to a model, of up to four, below each other on shared axes and with shared bins. The
/// axis runs from the 1st to the 99th percentile of all their residuals and always holds zero; the share of
/// each model beyond it is stated beside its mean and its median absolute residual. Values that are not
/// finite are left out.
///
/// # Errors
/// If no model has a finite residual.
pub fn residual_histogram(target: &str, unit: &str, residuals: &[Residuals]) -> Result<Plot> {
    figure(target, unit, residuals)?.render()
}

/// The histogram of one model and the statistics beside it.
struct HistogramRow<'a> {
    label: &'a str,
    /// Share of the model's residuals in each bin.
    shares: Vec<f64>,
    beyond: f64,
    mean: f64,
    median_absolute: f64,
}

fn figure(target: &str, unit: &str, residuals: &[Residuals]) -> Result<Figure> {
    let samples: Vec<(&str, Vec<f64>)> = residuals
        .iter()
        .map(|model| (model.label.as_str(), sorted(model.values.iter().copied().filter(|v| is_drawable(*v)))))
        .filter(|(_, values)| !values.is_empty())
        .take(MOST_MODELS)
        .collect();
    let pooled = sorted(samples.iter().flat_map(|(_, values)| values.iter().copied()));
    let largest_sample = samples.iter().map(|(_, values)| values.len()).max();
    let largest_sample = largest_sample.with_context(|| format!("no residual of {target} is finite"))?;
    let bins = Bins::new(&pooled, largest_sample);
    let rows: Vec<HistogramRow> = samples.iter().map(|(label, values)| row(label, values, &bins)).collect();
    let highest = rows.iter().flat_map(|row| row.shares.iter().copied()).fold(0.0, f64::max);
    let title = format!("{target}: distribution of residuals");

    let mut scene = Scene::default();
    let header_end = frame::header(&mut scene, &title, &[]);
    let y_axis =
        PlotAxis::linear("share of residuals in a bin, %", Extent { lo: 0.0, hi: highest * 110.0 }, 3);
    let x_axis = PlotAxis::linear(with_unit("residual", unit), bins.span, 10);
    frame::y_title(&mut scene, header_end, &y_axis);
    let left = MARGIN + frame::label_width(&y_axis);
    let end = header_end + 18.0;
    let mut panel = Panel { left, top: end, right: WIDTH - MARGIN, bottom: end };
    for (index, row) in rows.iter().enumerate() {
        panel.top = panel.bottom + ROW_GAP;
        panel.bottom = panel.top + ROW_HEIGHT;
        frame::x_grid(&mut scene, &panel, &x_axis);
        frame::y_grid(&mut scene, &panel, &y_axis);
        draw_row(&mut scene, &panel, panel.scales(&x_axis, &y_axis), row, &bins, index);
    }
    frame::x_axis(&mut scene, &panel, &x_axis);
    let caption = caption(&bins, &pooled, residuals.len() - rows.len());
    frame::finish(&mut scene, panel.bottom + frame::X_AXIS_HEIGHT - 4.0, &caption);
    Ok(Figure {
        name: file_stem(&["residuals", target]),
        title,
        alt: description(target, unit, &rows),
        scene,
        chart: Chart::default(),
    })
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Quantile of sorted values, interpolated linearly between neighbours.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * sorted.len().saturating_sub(1) as f64;
    let below = position.floor() as usize;
    let at = |index: usize| sorted.get(index).or(sorted.last()).copied().unwrap_or(f64::NAN);
    at(below) + (at(below + 1) - at(below)) * position.fract()
}

/// Bins of equal width, one of them centred on zero.
struct Bins {
    span: Extent,
    width: f64,
    count: usize,
}

impl Bins {
    /// Bins for the middle of all residuals; as many as the square root of the largest sample, within limits.
    fn new(pooled: &[f64], largest_sample: usize) -> Self {
        let middle = Extent { lo: quantile(pooled, TAIL), hi: quantile(pooled, 1.0 - TAIL) };
        let middle = middle.including(0.0).widened(0.0);
        let wanted = (largest_sample as f64).sqrt().clamp(FEWEST_BINS, MOST_BINS);
        let width = middle.width() / wanted;
        // The outermost bin on either side still holds the percentile.
        let first = (middle.lo / width - 0.5).ceil() - 0.5;
        let (below, above) =
            ((middle.lo / width + 0.5).floor() - 0.5, (middle.hi / width - 0.5).ceil() + 0.5);
        let first = first.min(below);
        Self {
            span: Extent { lo: first * width, hi: above * width },
            width,
            count: (above - first).round() as usize,
        }
    }

    fn edge(&self, index: usize) -> f64 {
        self.span.lo + self.width * index as f64
    }
}

/// Summary and histogram of one model's sorted residuals.
fn row<'a>(label: &'a str, values: &[f64], bins: &Bins) -> HistogramRow<'a> {
    let total = values.len() as f64;
    let mut counts = vec![0_usize; bins.count];
    let mut beyond = 0_usize;
    for value in values {
        if bins.span.contains(*value) {
            let bin = ((value - bins.span.lo) / bins.width) as usize;
            counts[bin.min(bins.count - 1)] += 1;
        } else {
            beyond += 1;
        }
    }
    let absolute = sorted(values.iter().map(|value| value.abs()));
    HistogramRow {
        label,
        shares: counts.into_iter().map(|count| count as f64 / total).collect(),
        beyond: beyond as f64 / total,
        mean: values.iter().map(|value| value / total).sum(),
        median_absolute: quantile(&absolute, 0.5),
    }
}

fn draw_row(
    scene: &mut Scene,
    panel: &Panel,
    scales: PanelScales,
    row: &HistogramRow<'_>,
    bins: &Bins,
    index: usize,
) {
    let PanelScales { x, y } = scales;
    let colour = series_colour(index);
    let outline: Vec<(f64, f64)> = row
        .shares
        .iter()
        .enumerate()
        .flat_map(|(bin, share)| {
            let height = y.at(share * 100.0);
            [(x.at(bins.edge(bin)), height), (x.at(bins.edge(bin + 1)), height)]
        })
        .collect();
    let floor = [(panel.right, panel.bottom), (panel.left, panel.bottom)];
    scene.polygon(outline.iter().copied().chain(floor).collect(), lighter(colour, 0.75));
    scene.path(outline, 1.6, colour);
    scene.line((panel.left, panel.bottom), (panel.right, panel.bottom), 1.0, MUTED);
    scene.dashed(&[(x.at(0.0), panel.top - 4.0), (x.at(0.0), panel.bottom)], (4.0, 3.0), 1.2, INK);

    let statistics = format!(
        "mean {} · median absolute {} · {} beyond the axis",
        number::significant(row.mean, 3),
        number::significant(row.median_absolute, 3),
        number::percent(row.beyond)
    );
    let title_y = panel.top - 14.0;
    let style = TextStyle { size: CAPTION_SIZE, colour: MUTED, align: Align::Right, ..TextStyle::default() };
    scene.text((panel.right, title_y), &statistics, style);
    scene.rect((panel.left, title_y - 6.0), (panel.left + 12.0, title_y + 6.0), colour);
    let room = panel.right - panel.left - 44.0 - font::width(&statistics, CAPTION_SIZE, Weight::Regular);
    frame::panel_title(scene, (panel.left + 20.0, title_y), row.label, room);
}

fn caption(bins: &Bins, pooled: &[f64], left_out: usize) -> Vec<String> {
    let beyond = pooled.iter().filter(|value| !bins.span.contains(**value)).count();
    let share = beyond as f64 / pooled.len() as f64;
    let mut sentences = vec![format!(
        "The axis runs from the 1st to the 99th percentile of all residuals; {} of them lie beyond it.",
        number::percent(share)
    )];
    if left_out > 0 {
        sentences.push(format!("Not shown: {left_out} more."));
    }
    sentences
}

fn description(target: &str, unit: &str, rows: &[HistogramRow<'_>]) -> String {
    let models = rows.iter().map(|row| {
        let (mean, median) = (number::significant(row.mean, 3), number::significant(row.median_absolute, 3));
        format!("{} has a mean of {mean} and a median absolute residual of {median}", row.label)
    });
    let models: Vec<String> = models.collect();
    format!("Histograms of the residuals of {}: {}.", with_unit(target, unit), models.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;

    fn residuals(label: &str, values: &[f64]) -> Residuals {
        Residuals { label: label.to_owned(), values: values.to_vec() }
    }

    fn ramp(count: usize, lo: f64, hi: f64) -> Vec<f64> {
        (0..count).map(|index| lo + (hi - lo) * index as f64 / (count - 1) as f64).collect()
    }

    #[test]
    fn the_plot_holds_its_labels_and_nothing_overlaps() {
        let models = [
            residuals("PatchTST", &ramp(1000, -4.0, 5.0)),
            residuals("seasonal naive", &ramp(900, -9.0, 9.0)),
        ];
        let figure = figure("input tokens", "tokens/s", &models).unwrap();
        check::texts_are_apart_and_inside(&figure.scene);
        let plot = figure.render().unwrap();
        check::is_sound(
            &plot,
            &["PatchTST", "seasonal naive", "residual, tokens/s", "99th percentile", "mean 0.500"],
        );
        assert_eq!(plot.name, "residuals-input-tokens");
    }

    #[test]
    fn one_bin_is_centred_on_zero_and_the_percentiles_are_within() {
        for (lo, hi) in [(-3.0, 7.0), (2.0, 9.0), (-9.0, -2.0), (0.0, 1e12), (-1e-9, 1e-9)] {
            let bins = Bins::new(&ramp(5000, lo, hi), 5000);
            let center =
                (0..bins.count).map(|bin| (bins.edge(bin) + bins.width / 2.0).abs()).fold(f64::MAX, f64::min);
            assert!(center < bins.width * 1e-6, "{lo} {hi}");
            let ends = ramp(5000, lo, hi);
            assert!(bins.span.contains(quantile(&ends, 0.01)) && bins.span.contains(quantile(&ends, 0.99)));
            assert!(bins.count <= 63, "{}", bins.count);
        }
    }

    #[test]
    fn what_lies_beyond_the_axis_is_counted_and_not_drawn() {
        let mut values = ramp(995, -1.0, 1.0);
        values.extend([1e6; 5]);
        let bins = Bins::new(&values, values.len());
        let row = row("a", &values, &bins);
        assert!(bins.span.hi < 2.0);
        assert!((row.beyond - 0.005).abs() < 0.02 && row.beyond > 0.004);
        assert!((row.shares.iter().sum::<f64>() + row.beyond - 1.0).abs() < 1e-9);
    }

    #[test]
    fn quantiles_interpolate_between_neighbours() {
        for (values, share, expected) in
            [(&[1.0, 2.0, 4.0][..], 0.5, 2.0), (&[1.0, 2.0, 4.0], 0.75, 3.0), (&[7.0], 0.99, 7.0)]
        {
            assert!((quantile(values, share) - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn odd_residuals_are_drawn() {
        for values in [
            &[1.0][..],
            &[0.0, 0.0],
            &[-2.0, -2.0, -2.0],
            &[1e12, -1e12, f64::NAN],
            &[1e-12],
            &[f64::INFINITY, 3.0],
        ] {
            let figure = figure("odd", "", &[residuals("one", values)]).unwrap();
            check::texts_are_apart_and_inside(&figure.scene);
            check::is_sound(&figure.render().unwrap(), &["odd", "one"]);
        }
    }

    #[test]
    fn residuals_without_a_finite_value_are_an_error() {
        assert!(residual_histogram("load", "", &[]).is_err());
        assert!(residual_histogram("load", "", &[residuals("a", &[f64::NAN]), residuals("b", &[])]).is_err());
    }

    #[test]
    fn a_fifth_model_is_counted_but_not_drawn() {
        let models: Vec<Residuals> =
            ["a", "b", "c", "d", "left out"].map(|label| residuals(label, &[1.0, 2.0])).to_vec();
        let plot = residual_histogram("load", "", &models).unwrap();
        assert!(plot.svg.contains("Not shown: 1 more.") && !plot.svg.contains("left out"));
    }
}
