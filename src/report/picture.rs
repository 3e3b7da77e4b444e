//! The picture of a plot on a page.

use maud::{Markup, PreEscaped, html};

use super::plot::Plot;

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
