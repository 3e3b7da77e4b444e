//! Reports: one comparison, computed once from the store, written as text, Markdown, HTML and plots.

mod comparison;
mod html;
mod markdown;
pub mod plot;
mod significance;
mod text;

use std::path::{Path, PathBuf};

use anyhow::Context;

pub use comparison::{Board, BoardRow, Comparison, MeanSpread};

/// The files of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The self-contained page.
    pub html: PathBuf,
    /// The Markdown text.
    pub markdown: PathBuf,
    /// The plots, as SVG and PNG.
    pub plots: Vec<PathBuf>,
}

impl Written {
    /// Every file, the page first.
    pub fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.html, &self.markdown].into_iter().chain(&self.plots)
    }
}

/// Writes the report of an experiment below `results/<experiment>/`.
///
/// # Errors
/// A folder that cannot be written.
pub fn write(comparison: &Comparison, results: &Path) -> anyhow::Result<Written> {
    let folder = results.join(&comparison.experiment.name);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let html = folder.join("report.html");
    let markdown = folder.join("report.md");
    write_whole(&markdown, markdown::render(comparison).as_bytes())?;
    write_whole(&html, html::render(comparison).as_bytes())?;
    Ok(Written {
        html,
        markdown,
        plots: Vec::new(),
    })
}

/// Writes a file under a temporary name and renames it: whoever opens it sees it whole.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let folder = path.parent().with_context(failed)?;
    let mut draft = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    std::io::Write::write_all(&mut draft, bytes).with_context(failed)?;
    draft
        .persist(path)
        .map_err(|error| error.error)
        .with_context(failed)?;
    Ok(())
}
