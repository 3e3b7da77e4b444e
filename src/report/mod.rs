//! Reports: one comparison, computed once from the store, written as text, Markdown, HTML and plots.

mod board_figures;
mod board_sections;
mod capacity_figures;
mod capacity_section;
mod cells;
mod chooser;
pub mod claims;
mod data_card;
mod error_figures;
mod figure_markup;
mod figures;
mod first_screen;
mod forecast_figures;
mod headline;
mod html;
mod hyperparameters;
mod inspection_page;
mod inspection_summary;
mod inspection_text;
mod labels;
mod markdown;
mod markup;
mod notes;
mod page;
mod picture;
pub mod plot;
mod plot_files;
mod reproduction;
mod run_figures;
mod search_figures;
mod section;
mod served_figure;
mod shown_models;
mod side_by_side;
mod skill_figures;
mod table_sections;
mod tables;
mod terminal;
mod text_report;
mod token_load;
mod traffic_figures;
mod uncertainty;
mod verdict;
mod verdict_fact;

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::compare::Comparison;
use crate::store::report_folder;

pub use capacity_section::{sentence_of as capacity_sentence, to_text as capacity_text};
pub use headline::headline;
pub use html::ReportBody;
pub use inspection_page::{inspection_body, inspection_page};
pub use inspection_text::inspection_text;
pub use markup::table as folded_table;
pub use page::{PageHost, PageSection};
pub use run_figures::{RunFigures, run_figures};
pub use served_figure::served_figure;
pub use side_by_side::ComparisonSheet;
pub use tables::{ReportTable, TableCell, TableRow};
pub use terminal::terminal_text;

/// The style of every page.
pub const STYLE: &str = include_str!("report.css");
/// The behaviour of a report: choosers, tables that sort and filter, tooltips in plots, light and dark.
pub const SCRIPT: &str = include_str!("report.js");

/// Which plots a report has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PlotSet {
    /// The skill of the models, the forecasts beside the observed values, and their residuals.
    Simple,
    /// All plots.
    #[default]
    Full,
}

/// The files of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportFiles {
    /// The self-contained page.
    pub html: PathBuf,
    /// The Markdown text.
    pub markdown: PathBuf,
    /// The plain text.
    pub text: PathBuf,
    /// The plots, as SVG and PNG.
    pub plots: Vec<PathBuf>,
}

impl ReportFiles {
    /// Every file, the page first.
    pub fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.html, &self.markdown, &self.text].into_iter().chain(&self.plots)
    }
}

/// The parts of an experiment's page for the dashboard, with the data of each plot beside its picture.
pub fn served_body(comparison: &Comparison, results: &Path) -> ReportBody {
    ReportBody::of(comparison, &figures::draw(comparison, results, PlotSet::Full), PageHost::Server)
}

/// Writes the report of a revision below `results/<experiment>/`; of one that did not run last, in a folder of its own there.
///
/// # Errors
/// A folder or a text that cannot be written. A plot that cannot be written is left out, and the report says so.
pub fn write(comparison: &Comparison, results: &Path, plots: PlotSet) -> anyhow::Result<ReportFiles> {
    let folder = report_folder(results, &comparison.experiment);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let mut figures = figures::draw(comparison, results, plots);
    let written = ReportFiles {
        html: folder.join("report.html"),
        markdown: folder.join("report.md"),
        text: folder.join("report.txt"),
        plots: plot_files::write_plots(&mut figures, &folder.join("plots")),
    };
    crate::files::write_whole(&written.markdown, markdown::render(comparison, &figures).as_bytes())?;
    crate::files::write_whole(&written.text, text_report::render(comparison, results).as_bytes())?;
    crate::files::write_whole(&written.html, html::render(comparison, &figures).as_bytes())?;
    Ok(written)
}
