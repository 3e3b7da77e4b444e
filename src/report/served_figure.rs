//! A plot on a page of the dashboard: its picture, which the page's script replaces with a chart of the same data.

use maud::{Markup, html};

use super::picture::picture;
use super::plot::Plot;

/// A plot with a caption, which may be empty.
pub fn served_figure(plot: &Plot, caption: &str) -> Markup {
    // Numbers and strings in maps with text keys: there is nothing that JSON cannot hold.
    let chart = (!plot.chart.is_empty()).then(|| serde_json::to_string(&plot.chart).ok()).flatten();
    html! {
        figure id={ "plot-" (plot.name) } data-chart=[chart] {
            (picture(plot))
            @if !caption.is_empty() { figcaption { (caption) } }
        }
    }
}
