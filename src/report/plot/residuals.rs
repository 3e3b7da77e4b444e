//! Histograms of each model's residuals.

use anyhow::{Context, Result};

use super::axis::PlotAxis;
use super::chart::shortened;
use super::font::{self, Weight};
use super::frame::{self, Panel};
use super::number;
use super::scale::{Extent, PanelScales, is_drawable};
use super::scene::{Align, Scene, TextStyle};
use super::theme::{CAPTION_SIZE, GREY_LINE, INK, LABEL_SIZE, MARGIN, MUTED, WIDTH, lighter, series_colour};
use super::{AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries, Figure, Plot, with_unit};
use crate::files::file_stem;

/// More panels than this would make the plot taller than a page.
const MOST_MODELS: usize = 4;
const ROW_HEIGHT: f64 = 92.0;
const ROW_GAP: f64 = 40.0;
const FEWEST_BINS: f64 = 11.0;
const MOST_BINS: f64 = 61.0;
/// Share of all residuals that lies beyond each end of the axis.
const TAIL: f64 = 0.025;
/// Bins of an axis that reaches over to a zero far from all residuals.
const MOST_BINS_TO_ZERO: f64 = 200.0;
const STATISTICS_HEIGHT: f64 = 18.0;

/// The residuals of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Residuals {
    /// Name of the model, shown above its histogram.
    pub label: String,
    /// Residuals in the unit of the target, in any order.
    pub values: Vec<f64>,
}

/// Draws one histogram to a model, of up to four, below each other on shared axes and with shared bins, which fit the bulk
/// of the residuals. The axis always holds zero. What lies beyond it is counted in a grey bar at either edge. Values that
/// are not finite are left out.
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
    /// Shares to the left and to the right of all bins.
    beyond: [f64; 2],
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
    let of_all = rows.iter().flat_map(|row| row.shares.iter().chain(&row.beyond).copied());
    let highest = of_all.fold(0.0, f64::max);
    let title = format!("{target}: distribution of residuals");

    let mut scene = Scene::default();
    let header_end = frame::header(&mut scene, &title, &[]);
    let y_axis = PlotAxis::linear("share in a bin, %", Extent { lo: 0.0, hi: highest * 110.0 }, 3);
    let x_axis = PlotAxis::linear(with_unit("forecast minus observed", unit), bins.axis(), 10);
    frame::y_title(&mut scene, header_end, &y_axis);
    let left = MARGIN + frame::label_width(&y_axis);
    let end = header_end + 18.0;
    let mut panel = Panel { left, top: end, right: WIDTH - MARGIN, bottom: end };
    for (index, row) in rows.iter().enumerate() {
        panel.top = panel.bottom + ROW_GAP + if title_fits(row, &panel) { 0.0 } else { STATISTICS_HEIGHT };
        panel.bottom = panel.top + ROW_HEIGHT;
        frame::x_grid(&mut scene, &panel, &x_axis);
        frame::y_grid(&mut scene, &panel, &y_axis);
        draw_row(&mut scene, &panel, panel.scales(&x_axis, &y_axis), row, &bins, index);
    }
    frame::x_axis(&mut scene, &panel, &x_axis);
    let caption = caption(&rows, residuals.len() - rows.len());
    let chart = chart(&rows, &bins, &x_axis.title, &y_axis.title);
    frame::finish(&mut scene, panel.bottom + frame::X_AXIS_HEIGHT - 4.0, &caption);
    Ok(Figure {
        name: file_stem(&["residuals", target]),
        title,
        alt: description(target, unit, &rows),
        scene,
        chart,
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
    /// Bins for the middle of all residuals, as many as the square root of the largest sample, within limits; bins of the
    /// same width reach on to zero.
    fn new(pooled: &[f64], largest_sample: usize) -> Self {
        let bulk = Extent { lo: quantile(pooled, TAIL), hi: quantile(pooled, 1.0 - TAIL) }.widened(0.0);
        let with_zero = bulk.including(0.0);
        let wanted = (largest_sample as f64).sqrt().clamp(FEWEST_BINS, MOST_BINS);
        let width = (bulk.width() / wanted).max(with_zero.width() / MOST_BINS_TO_ZERO);
        // The outermost bin on either side still holds the quantile.
        let below = (with_zero.lo / width + 0.5).floor() - 0.5;
        let above = (with_zero.hi / width - 0.5).ceil() + 0.5;
        Self {
            span: Extent { lo: below * width, hi: above * width },
            width,
            count: (above - below).round() as usize,
        }
    }

    /// The range of the axis: the bins, with room for a bar of what lies beyond them on either side.
    fn axis(&self) -> Extent {
        let room = self.edge_bar() * 1.5;
        Extent { lo: self.span.lo - room, hi: self.span.hi + room }
    }

    /// The width of the bars at the edges.
    fn edge_bar(&self) -> f64 {
        self.width.max(self.span.width() / 80.0)
    }

    fn edge(&self, index: usize) -> f64 {
        self.span.lo + self.width * index as f64
    }
}

/// Summary and histogram of one model's sorted residuals.
fn row<'a>(label: &'a str, values: &[f64], bins: &Bins) -> HistogramRow<'a> {
    let total = values.len() as f64;
    let mut counts = vec![0_usize; bins.count];
    let mut beyond = [0_usize; 2];
    for value in values {
        if bins.span.contains(*value) {
            let bin = ((value - bins.span.lo) / bins.width) as usize;
            counts[bin.min(bins.count - 1)] += 1;
        } else {
            beyond[usize::from(*value > bins.span.hi)] += 1;
        }
    }
    let absolute = sorted(values.iter().map(|value| value.abs()));
    HistogramRow {
        label,
        shares: counts.into_iter().map(|count| count as f64 / total).collect(),
        beyond: beyond.map(|count| count as f64 / total),
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
    let (first, last) = (x.at(bins.edge(0)), x.at(bins.edge(bins.count)));
    let floor = [(last, panel.bottom), (first, panel.bottom)];
    scene.polygon(outline.iter().copied().chain(floor).collect(), lighter(colour, 0.75));
    scene.path(outline, 1.6, colour);
    let bar = x.at(bins.span.lo) - x.at(bins.span.lo - bins.edge_bar());
    for (share, left) in row.beyond.iter().zip([panel.left, panel.right - bar]) {
        if *share > 0.0 {
            scene.rect((left, y.at(share * 100.0)), (left + bar, panel.bottom), GREY_LINE);
        }
    }
    scene.line((panel.left, panel.bottom), (panel.right, panel.bottom), 1.0, MUTED);
    scene.line((x.at(0.0), panel.top - 4.0), (x.at(0.0), panel.bottom), 1.4, INK);

    let statistics = statistics(row);
    let title_y = panel.top - 14.0;
    let fits = title_fits(row, panel);
    let style = TextStyle { size: CAPTION_SIZE, colour: MUTED, align: Align::Right, ..TextStyle::default() };
    scene.text((panel.right, title_y), &statistics, style);
    let label_y = if fits { title_y } else { title_y - STATISTICS_HEIGHT };
    scene.rect((panel.left, label_y - 6.0), (panel.left + 12.0, label_y + 6.0), colour);
    frame::panel_title(scene, (panel.left + 20.0, label_y), row.label, panel.right - panel.left - 20.0);
}

fn statistics(row: &HistogramRow<'_>) -> String {
    format!(
        "mean {} · median absolute {} · {} beyond the bins",
        number::significant(row.mean, 3),
        number::significant(row.median_absolute, 3),
        number::percent(row.beyond.iter().sum())
    )
}

/// Whether the name of a model and its statistics stand beside each other.
fn title_fits(row: &HistogramRow<'_>, panel: &Panel) -> bool {
    let label = font::width(row.label, LABEL_SIZE, Weight::SemiBold);
    label + font::width(&statistics(row), CAPTION_SIZE, Weight::Regular) + 44.0 < panel.right - panel.left
}

fn caption(rows: &[HistogramRow<'_>], left_out: usize) -> Vec<String> {
    let mut sentences = Vec::new();
    if rows.iter().any(|row| row.beyond.iter().sum::<f64>() > 0.0) {
        sentences.push("The grey bars at the edges count everything beyond the bins.".to_owned());
    }
    if left_out > 0 {
        sentences.push(format!("Not shown: {left_out} more."));
    }
    sentences
}

/// The histograms as data, a panel for each model.
fn chart(rows: &[HistogramRow<'_>], bins: &Bins, x_title: &str, y_title: &str) -> Chart {
    let panel = |(index, row): (usize, &HistogramRow<'_>)| {
        let bars = row
            .shares
            .iter()
            .enumerate()
            .map(|(bin, share)| [shortened(bins.edge(bin) + bins.width / 2.0), shortened(100.0 * share)]);
        let beyond = [bins.span.lo - bins.width, bins.span.hi + bins.width];
        let beyond =
            beyond.into_iter().zip(row.beyond).map(|(at, share)| [shortened(at), shortened(100.0 * share)]);
        let (bars, beyond): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (bars.collect(), beyond.collect());
        let marks = |points| ChartMarks::Bars { points, width: shortened(bins.width) };
        ChartPanel {
            title: row.label.to_owned(),
            x: ChartAxis::new(x_title, AxisKind::Value),
            y: ChartAxis::new(y_title, AxisKind::Value),
            series: vec![
                ChartSeries::new(row.label, series_colour(index), marks(bars)),
                ChartSeries::new("beyond the bins", GREY_LINE, marks(beyond)),
                ChartSeries::new("zero", INK, ChartMarks::Rule { x: Some(0.0), y: None }),
            ],
        }
    };
    Chart::of(rows.iter().enumerate().map(panel).collect())
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
            &["PatchTST", "seasonal naive", "minus observed, tokens/s", "at the edges", "mean 0.500"],
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
            assert!(
                bins.span.contains(quantile(&ends, TAIL)) && bins.span.contains(quantile(&ends, 1.0 - TAIL))
            );
            assert!(bins.span.contains(0.0) && bins.count <= 203, "{}", bins.count);
        }
    }

    #[test]
    fn what_lies_beyond_the_bins_is_counted_at_the_edges() {
        let mut values = ramp(995, -1.0, 1.0);
        values.extend([1e6; 5]);
        let bins = Bins::new(&values, values.len());
        let row = row("a", &values, &bins);
        assert!(bins.span.hi < 2.0);
        assert!(row.beyond[1] > 0.004 && row.beyond[1] < 0.04, "{:?}", row.beyond);
        let all = row.shares.iter().chain(&row.beyond).sum::<f64>();
        assert!((all - 1.0).abs() < 1e-9);
    }

    #[test]
    fn residuals_far_from_zero_keep_their_shape_and_zero_stays_in_view() {
        let bins = Bins::new(&ramp(1000, 95.0, 105.0), 1000);
        assert!(bins.span.contains(0.0) && bins.count > 100, "{}", bins.count);
        assert!(bins.width < 1.0, "{}", bins.width);
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
