//! Reports: one comparison, computed once from the store, written as text, Markdown, HTML and plots.

pub mod claims;
mod data_card;
mod figures;
mod html;
mod hyperparameters;
mod inspection;
mod markdown;
mod notes;
mod page;
pub mod plot;
mod sections;
mod tables;
mod text;
mod text_report;
mod traffic;
mod uncertainty;

use std::path::{Path, PathBuf};

use anyhow::Context;
use rayon::prelude::*;

use plot::Plot;

use crate::compare::Comparison;

pub use inspection::inspection_page;
pub use tables::{Cell, ReportTable, Row};

/// Which plots a report has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum PlotSet {
    /// The leaderboard, forecasts beside what came, and their residuals.
    Simple,
    /// All of them.
    #[default]
    Full,
}

/// The files of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The self-contained page.
    pub html: PathBuf,
    /// The Markdown text.
    pub markdown: PathBuf,
    /// The plain text.
    pub text: PathBuf,
    /// The plots, as SVG and PNG.
    pub plots: Vec<PathBuf>,
}

impl Written {
    /// Every file, the page first.
    pub fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.html, &self.markdown, &self.text].into_iter().chain(&self.plots)
    }
}

/// Writes the report of an experiment below `results/<experiment>/`.
///
/// # Errors
/// A folder that cannot be written.
pub fn write(comparison: &Comparison, results: &Path, plots: PlotSet) -> anyhow::Result<Written> {
    let folder = results.join(&comparison.experiment.name);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let figures = figures::draw(comparison, results, plots);
    let plots: Vec<&Plot> =
        figures.iter().flat_map(|board| &board.plots).map(|figure| &figure.plot).collect();
    // Painting pixels takes longer than all the rest of a report.
    let pixels = plots.par_iter().map(|plot| plot.png()).collect::<anyhow::Result<Vec<_>>>()?;
    let drawn: Vec<(String, &[u8])> = plots
        .iter()
        .zip(&pixels)
        .flat_map(|(plot, png)| {
            [(format!("{}.svg", plot.name), plot.svg.as_bytes()), (format!("{}.png", plot.name), png)]
        })
        .collect();
    let written = Written {
        html: folder.join("report.html"),
        markdown: folder.join("report.md"),
        text: folder.join("report.txt"),
        plots: crate::files::replace_folder(&folder.join("plots"), &drawn)?,
    };
    crate::files::write_whole(&written.markdown, markdown::render(comparison, &figures).as_bytes())?;
    crate::files::write_whole(&written.text, text_report::render(comparison, results).as_bytes())?;
    crate::files::write_whole(&written.html, html::render(comparison, &figures).as_bytes())?;
    Ok(written)
}
