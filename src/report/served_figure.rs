//! A plot on a page of the dashboard: its picture, which the page's script replaces with a chart of the same data.

use maud::{Markup, PreEscaped, html};

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

/// The picture of a plot, in its narrow form on narrow screens if it has one.
pub fn picture(plot: &Plot) -> Markup {
    let wide = html! {
        div.scroll tabindex="0" role="group" aria-label=(plot.title) { (PreEscaped(&plot.svg)) }
    };
    match &plot.narrow_svg {
        Some(narrow) => html! { div.pictures { (wide) div.narrow { (PreEscaped(narrow)) } } },
        None => wide,
    }
}
