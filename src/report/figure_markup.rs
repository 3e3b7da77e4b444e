//! The plots of a page: figures with their captions, in sections, with a choice where there are several of a kind.

use maud::{Markup, html};

use super::board_figures::{BoardFigures, Captioned, FigureSection, PlotChoice};
use super::chooser::{ChooserItem, chooser};
use super::page::{PageHost, PageSection};
use super::picture::picture;
use super::served_figure::served_figure;
use crate::compare::{Board, group_by};
use crate::files::file_stem;

/// The sections of plots that have something to show, in the order of the page. The plot of the first screen is not among
/// them.
pub fn figure_sections(boards: &[Board], figures: &[BoardFigures], host: PageHost) -> Vec<PageSection> {
    let several = boards.len() > 1;
    let mut sections: Vec<PageSection> = FigureSection::ALL
        .into_iter()
        .filter(|section| *section != FigureSection::Skill)
        .filter_map(|section| {
            let plots = boards.iter().zip(figures).flat_map(|(board, own)| {
                own.plots.iter().filter(move |plot| plot.section == section).map(move |plot| (board, plot))
            });
            let groups = group_by(plots, |(_, plot)| group_of(plot, several));
            let body = html! { @for (_, plots) in groups { (group(plots, several, host)) } };
            let title = section.title();
            (!body.0.is_empty()).then(|| PageSection {
                id: file_stem(&[title]),
                title: title.to_string(),
                body,
            })
        })
        .collect();
    let missing: Vec<&String> = figures.iter().flat_map(|own| &own.missing).collect();
    if !missing.is_empty() {
        sections.push(PageSection {
            id: "not-drawn".to_string(),
            title: "Not drawn".to_string(),
            body: html! { @for sentence in missing { p.caution { (sentence) } } },
        });
    }
    sections
}

/// What plots of one group have in common. Of several settings, the same plot of each is one group.
fn group_of(plot: &Captioned, several: bool) -> String {
    match &plot.choice {
        Some(PlotChoice { group, .. }) => group.clone(),
        // The title, since the name begins with the setting.
        None if several => plot.plot.title.clone(),
        None => plot.plot.name.clone(),
    }
}

fn group(plots: Vec<(&Board, &Captioned)>, several: bool, host: PageHost) -> Markup {
    let picks_of = |plot: &Captioned| plot.choice.as_ref().map_or(&[][..], |choice| &choice.picks).to_vec();
    // A setting with a single step ahead has no choice of steps, where another one has.
    let mut known: Vec<(&'static str, String)> = Vec::new();
    for (name, value) in plots.iter().flat_map(|(_, plot)| picks_of(plot)) {
        if known.iter().all(|(other, _)| *other != name) {
            known.push((name, value));
        }
    }
    let items = plots.into_iter().map(|(board, plot)| {
        let setting = several.then(|| ("setting".to_string(), board.title.clone()));
        let own = picks_of(plot);
        let own = known.iter().map(|(name, first)| {
            let value = own.iter().find(|(other, _)| other == name).map_or(first, |(_, value)| value);
            ((*name).to_string(), value.clone())
        });
        ChooserItem { picks: setting.into_iter().chain(own).collect(), content: figure(plot, host) }
    });
    chooser(&items.collect::<Vec<_>>())
}

/// One plot with its caption.
pub fn figure(captioned: &Captioned, host: PageHost) -> Markup {
    let Captioned { plot, caption, .. } = captioned;
    if host == PageHost::Server {
        return served_figure(plot, caption);
    }
    html! {
        figure {
            (picture(plot))
            figcaption {
                (caption) " "
                span.files {
                    a href={ "plots/" (plot.name) ".png" } { "PNG" } " "
                    a href={ "plots/" (plot.name) ".svg" } { "SVG" }
                }
            }
        }
    }
}
