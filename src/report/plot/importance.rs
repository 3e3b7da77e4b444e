//! How much of the variance of the objective each hyperparameter explains, as bars in one cell of a plot.

use super::chart::{AxisKind, ChartAxis, ChartMarks, ChartPanel, ChartSeries};
use super::font::{self, Weight};
use super::frame::{self, Panel};
use super::scene::{Align, Scene, TextStyle};
use super::theme::{CAPTION_SIZE, GREY_FILL, LABEL_SIZE, MUTED, series_colour};

/// Bars that have room in a cell; what is left is summed up.
const MOST_BARS: usize = 7;
const TITLE: &str = "importance";
const BAR_HEIGHT: f64 = 8.0;

/// The importance of the hyperparameters of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportanceBars {
    /// The share of each hyperparameter, in any order; together 1.
    pub shares: Vec<(String, f64)>,
    /// The part of the variance that they explain together, each alone.
    pub explained: f64,
}

impl ImportanceBars {
    /// The bars that are drawn, the longest first; the last one may stand for several hyperparameters.
    fn bars(&self) -> Vec<(String, f64)> {
        let mut bars = self.shares.clone();
        bars.sort_by(|a, b| b.1.total_cmp(&a.1));
        if bars.len() > MOST_BARS {
            let others = bars.split_off(MOST_BARS - 1);
            bars.push((format!("{} others", others.len()), others.iter().map(|bar| bar.1).sum()));
        }
        bars
    }
}

/// Draws the bars, or why there are none, in a cell of the size of a panel whose title stands above it.
pub(super) fn draw_importance(scene: &mut Scene, cell: &Panel, importance: Result<&ImportanceBars, &str>) {
    let width = cell.right - cell.left;
    let muted = TextStyle { size: CAPTION_SIZE, colour: MUTED, ..TextStyle::default() };
    frame::panel_title(scene, (cell.left, cell.top - 16.0), TITLE, width);
    let importance = match importance {
        Ok(importance) => importance,
        Err(reason) => {
            let lines =
                frame::wrapped(&format!("It is unknown: {reason}."), CAPTION_SIZE, Weight::Regular, width);
            for (index, line) in lines.iter().enumerate() {
                scene.text((cell.left, cell.top + 14.0 + 18.0 * index as f64), line, muted);
            }
            return;
        }
    };
    let bars = importance.bars();
    let step = ((cell.bottom - cell.top) / bars.len().max(1) as f64).min(40.0);
    let right = TextStyle { align: Align::Right, ..TextStyle::default() };
    for (index, (name, share)) in bars.iter().enumerate() {
        let top = cell.top + step * index as f64;
        let percent = percent(*share);
        let room = width - font::width(&percent, LABEL_SIZE, Weight::Regular) - 8.0;
        let name = font::fit(name, LABEL_SIZE, Weight::Regular, room);
        scene.text((cell.left, top + 6.0), &name, TextStyle::default());
        scene.text((cell.right, top + 6.0), &percent, right);
        let bar = (top + 16.0, (top + 16.0 + BAR_HEIGHT).min(top + step - 1.0));
        scene.rect((cell.left, bar.0), (cell.right, bar.1), GREY_FILL);
        let end = cell.left + (width * share.clamp(0.0, 1.0)).max(1.0);
        scene.rect((cell.left, bar.0), (end, bar.1), series_colour(0));
    }
    let together = format!("together {} of the variance", percent(importance.explained.min(1.0)));
    scene.text(
        (cell.left, cell.bottom + 16.0),
        &font::fit(&together, CAPTION_SIZE, Weight::Regular, width),
        muted,
    );
}

fn percent(share: f64) -> String {
    match 100.0 * share {
        percent if percent > 0.0 && percent < 1.0 => "< 1 %".to_owned(),
        percent => format!("{percent:.0} %"),
    }
}

/// The panel of an interactive chart: a bar from zero to each share.
pub(super) fn chart_panel(importance: &ImportanceBars) -> ChartPanel {
    let bars = importance.bars();
    let points = bars
        .iter()
        .enumerate()
        .map(|(at, (_, share))| [100.0 * share, 0.0, 100.0 * share, at as f64])
        .collect();
    let labels = bars.iter().map(|(name, share)| format!("{name}: {}", percent(*share))).collect();
    let names = bars.into_iter().map(|(name, _)| name).collect();
    ChartPanel {
        title: TITLE.to_owned(),
        x: ChartAxis::new("share of the variance, %", AxisKind::Value),
        y: ChartAxis::of_categories("", names),
        series: vec![ChartSeries::new(TITLE, series_colour(0), ChartMarks::Intervals { points, labels })],
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::texts_are_apart_and_inside;
    use super::super::scene::Mark;
    use super::*;

    fn scene(importance: Result<&ImportanceBars, &str>) -> Scene {
        let mut scene = Scene { height: 260.0, ..Scene::default() };
        let cell = Panel { left: 24.0, top: 40.0, right: 280.0, bottom: 210.0 };
        draw_importance(&mut scene, &cell, importance);
        texts_are_apart_and_inside(&scene);
        scene
    }

    fn texts(scene: &Scene) -> Vec<&str> {
        let mut texts = Vec::new();
        for mark in &scene.marks {
            if let Mark::Text { content, .. } = mark {
                texts.push(content.as_str());
            }
        }
        texts
    }

    #[test]
    fn the_most_important_comes_first_and_many_are_summed_up() {
        let shares: Vec<(String, f64)> =
            (0..9).map(|at| (format!("a_rather_long_name_{at}"), f64::from(at) / 36.0)).collect();
        let importance = ImportanceBars { shares, explained: 0.8 };
        let scene = scene(Ok(&importance));
        assert_eq!(texts(&scene)[1..3], ["a_rather_long_name_8", "22 %"]);
        assert!(
            texts(&scene).contains(&"3 others") && texts(&scene).contains(&"together 80 % of the variance")
        );
        let panel = chart_panel(&importance);
        assert_eq!((panel.y.categories.len(), panel.y.categories[0].as_str()), (7, "a_rather_long_name_8"));
    }

    #[test]
    fn too_few_trials_are_told() {
        let scene = scene(Err("it takes 10 finished trials, and 7 finished"));
        assert!(texts(&scene)[1].starts_with("It is unknown: it takes 10"));
    }
}
