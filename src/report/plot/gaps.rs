//! The burst pattern of a trace: the distribution of the gaps between requests, and the shares that are bursts, steady
//! and sparse.

use anyhow::{Result, ensure};

use super::axis::PlotAxis;
use super::chart::shortened;
use super::font::{self, Weight};
use super::frame::{self, LegendEntry, LegendKey, Panel};
use super::number;
use super::scale::{Extent, PanelScales};
use super::scene::{Align, Scene, TextStyle};
use super::theme::{CAPTION_SIZE, INK, LABEL_SIZE, MARGIN, MUTED, WIDTH, lighter, series_colour};
use super::{AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries, Figure, Plot};

const PANEL_HEIGHT: f64 = 220.0;
const BAR_HEIGHT: f64 = 26.0;

/// The gaps of a slice.
#[derive(Debug, Clone, PartialEq)]
pub struct Gaps {
    /// Edges of the histogram's bins in seconds, one more than there are counts, increasing.
    pub edges_s: Vec<f64>,
    /// Gaps in each bin.
    pub counts: Vec<usize>,
    /// Name and share of each state, from the densest on.
    pub shares: Vec<(String, f64)>,
    /// Where one state ends and the next begins, in seconds.
    pub borders_s: Vec<f64>,
    /// A sentence about them.
    pub note: String,
}

/// Draws the histogram on a logarithmic axis, coloured by state, under a bar of the shares.
///
/// # Errors
/// If there is no gap, or if the edges do not fit the counts.
pub fn gap_pattern(gaps: &Gaps) -> Result<Plot> {
    figure(gaps)?.render()
}

fn figure(gaps: &Gaps) -> Result<Figure> {
    let total: usize = gaps.counts.iter().sum();
    ensure!(total > 0, "there is no gap to draw");
    ensure!(gaps.edges_s.len() == gaps.counts.len() + 1, "the edges do not fit the counts");
    let title = "Burst pattern: the gaps between requests";
    let mut scene = Scene::default();
    let legend: Vec<LegendEntry> = gaps
        .shares
        .iter()
        .enumerate()
        .map(|(state, (name, share))| {
            let text = format!("{name}: {}", number::percent(*share));
            LegendEntry::new(LegendKey::Swatch(lighter(series_colour(state), 0.35)), text)
        })
        .collect();
    let header_end = frame::header(&mut scene, title, &legend);
    let bar_end = shares_bar(&mut scene, header_end + 6.0, &gaps.shares);
    // Empty bins at both ends would only squeeze the others.
    let first = gaps.counts.iter().position(|count| *count > 0).unwrap_or(0);
    let last = gaps.counts.iter().rposition(|count| *count > 0).unwrap_or(0);
    let span = Extent { lo: gaps.edges_s[first], hi: gaps.edges_s[last + 1] };
    let share = |bin: usize| 100.0 * gaps.counts[bin] as f64 / total as f64;
    let highest = (first..=last).map(share).fold(0.0, f64::max);
    let y_axis = PlotAxis::linear("share of gaps in a bin, %", Extent { lo: 0.0, hi: highest * 1.1 }, 5);
    let x_axis = PlotAxis::log("gap to the previous request, s (log scale)", span);
    let panel = Panel::below(&mut scene, bar_end, &y_axis, PANEL_HEIGHT, 0.0);
    frame::x_grid(&mut scene, &panel, &x_axis);
    frame::y_grid(&mut scene, &panel, &y_axis);
    let PanelScales { x, y } = panel.scales(&x_axis, &y_axis);
    for bin in (first..=last).filter(|bin| gaps.counts[*bin] > 0) {
        let state = state(gaps, bin);
        let corner = (x.at(gaps.edges_s[bin]) + 0.5, y.at(share(bin)));
        let other = (x.at(gaps.edges_s[bin + 1]) - 0.5, panel.bottom);
        scene.rect(corner, other, lighter(series_colour(state), 0.35));
    }
    for border in gaps.borders_s.iter().filter(|border| span.lo < **border && **border < span.hi) {
        scene.dashed(&[(x.at(*border), panel.top), (x.at(*border), panel.bottom)], (4.0, 3.0), 1.2, INK);
    }
    frame::x_axis(&mut scene, &panel, &x_axis);
    frame::finish(&mut scene, panel.bottom + frame::X_AXIS_HEIGHT - 4.0, std::slice::from_ref(&gaps.note));
    let shares: Vec<String> =
        gaps.shares.iter().map(|(name, share)| format!("{} {name}", number::percent(*share))).collect();
    let alt = format!("Histogram of the gaps between {} requests: {}.", total + 1, shares.join(", "));
    Ok(Figure {
        name: "burst-pattern".to_owned(),
        title: title.to_owned(),
        alt,
        scene,
        chart: chart(gaps, total),
    })
}

/// The middle of a bin on a logarithmic axis.
fn middle(gaps: &Gaps, bin: usize) -> f64 {
    (gaps.edges_s[bin] * gaps.edges_s[bin + 1]).sqrt()
}

/// The state of a bin: that of its middle.
fn state(gaps: &Gaps, bin: usize) -> usize {
    gaps.borders_s.iter().filter(|border| middle(gaps, bin) > **border).count()
}

/// The histogram as data, a series for each state: columns would have another width in each place of a logarithmic axis, so
/// each bin is a category.
fn chart(gaps: &Gaps, total: usize) -> Chart {
    let kept: Vec<usize> = (0..gaps.counts.len()).filter(|bin| gaps.counts[*bin] > 0).collect();
    let (first, last) = (kept.first().copied().unwrap_or(0), kept.last().copied().unwrap_or(0));
    let names = (first..=last).map(|bin| crate::text::duration(middle(gaps, bin))).collect();
    let of_state = |(index, (name, _)): (usize, &(String, f64))| {
        let own = kept.iter().filter(|bin| state(gaps, **bin) == index);
        let share = |bin: &usize| 100.0 * gaps.counts[*bin] as f64 / total as f64;
        let points = own.map(|bin| [(bin - first) as f64, shortened(share(bin))]).collect();
        let marks = ChartMarks::Bars { points, width: 1.0 };
        ChartSeries::new(name.clone(), lighter(series_colour(index), 0.35), marks)
    };
    Chart::of(vec![ChartPanel {
        title: String::new(),
        x: ChartAxis::of_categories("gap to the previous request", names),
        y: ChartAxis::new("share of gaps in a bin, %", AxisKind::Value),
        series: gaps.shares.iter().enumerate().map(of_state).collect(),
    }])
}

/// One bar of the whole width, divided by the shares; a share with room for it carries its number.
fn shares_bar(scene: &mut Scene, top: f64, shares: &[(String, f64)]) -> f64 {
    let width = WIDTH - 2.0 * MARGIN;
    let mut left = MARGIN;
    for (state, (_, share)) in shares.iter().enumerate() {
        let right = left + share * width;
        scene.rect((left, top), (right, top + BAR_HEIGHT), lighter(series_colour(state), 0.35));
        let text = number::percent(*share);
        if font::width(&text, CAPTION_SIZE, Weight::Regular) + 8.0 < right - left {
            let style = TextStyle { align: Align::Center, size: LABEL_SIZE, ..TextStyle::default() };
            scene.text((f64::midpoint(left, right), top + BAR_HEIGHT / 2.0), &text, style);
        }
        left = right;
    }
    scene.line((MARGIN, top + BAR_HEIGHT), (WIDTH - MARGIN, top + BAR_HEIGHT), 1.0, MUTED);
    top + BAR_HEIGHT + 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;

    fn gaps(counts: Vec<usize>) -> Gaps {
        Gaps {
            edges_s: (0..=counts.len()).map(|edge| 1e-4 * 10f64.powf(edge as f64 / 2.0)).collect(),
            counts,
            shares: [("burst", 0.12), ("steady", 0.8799), ("sparse", 0.0001)]
                .map(|(name, share)| (name.to_owned(), share))
                .to_vec(),
            borders_s: vec![0.01, 10.0],
            note: "Arrivals at random would have a coefficient of variation of 1.".to_owned(),
        }
    }

    #[test]
    fn the_plot_holds_its_labels_and_nothing_overlaps() {
        let figure = figure(&gaps(vec![0, 0, 3, 5, 9, 40, 12, 7, 1, 1, 1, 0])).unwrap();
        check::texts_are_apart_and_inside(&figure.scene);
        check::is_sound(
            &figure.render().unwrap(),
            &["burst: 12.0 %", "sparse: &lt; 0.1 %", "88.0 %", "log scale"],
        );
    }

    #[test]
    fn one_bin_is_drawn_and_no_gap_is_an_error() {
        check::is_sound(&gap_pattern(&gaps(vec![0, 0, 7, 0])).unwrap(), &["steady"]);
        assert!(gap_pattern(&gaps(vec![0, 0])).is_err());
    }
}
