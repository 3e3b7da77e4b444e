//! The files of a report's plots. A plot that cannot be painted or written costs the report a sentence, and nothing else.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rayon::prelude::*;

use super::board_figures::{BoardFigures, Captioned};
use crate::files::replace_folder_with;
use crate::text::causes;

/// Writes every plot as SVG and PNG into the place of the older ones. Those that cannot be written are taken out of the
/// figures, and a sentence says why.
pub fn write_plots(figures: &mut [BoardFigures], place: &Path) -> Vec<PathBuf> {
    let plots: Vec<&Captioned> = figures.iter().flat_map(|board| &board.plots).collect();
    // Painting the pixels takes longer than the rest of the report.
    let pixels: Vec<anyhow::Result<Vec<u8>>> = plots.par_iter().map(|figure| figure.plot.png()).collect();
    let mut pixels = pixels.into_iter();
    let mut written = Vec::new();
    let replaced = replace_folder_with(place, |folder| {
        for BoardFigures { plots, missing } in figures.iter_mut() {
            for (figure, png) in std::mem::take(plots).into_iter().zip(&mut pixels) {
                match png.and_then(|png| write_plot(folder, &figure, &png)) {
                    Ok(names) => {
                        written.extend(names.map(|name| place.join(name)));
                        plots.push(figure);
                    }
                    Err(error) => missing.push(unwritten(&figure, &error)),
                }
            }
        }
        Ok(())
    });
    if let Err(error) = replaced {
        written.clear();
        for BoardFigures { plots, missing } in figures {
            missing.extend(plots.drain(..).map(|figure| unwritten(&figure, &error)));
        }
    }
    written
}

/// Writes the two files of a plot and returns their names.
fn write_plot(folder: &Path, figure: &Captioned, png: &[u8]) -> anyhow::Result<[String; 2]> {
    let plot = &figure.plot;
    let names = [format!("{}.svg", plot.name), format!("{}.png", plot.name)];
    for (name, bytes) in names.iter().zip([plot.svg.as_bytes(), png]) {
        std::fs::write(folder.join(name), bytes).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(names)
}

fn unwritten(figure: &Captioned, error: &anyhow::Error) -> String {
    format!("The plot \"{}\" could not be written: {}.", figure.plot.title, causes(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::test_fixtures;
    use crate::report::PlotSet;
    use crate::report::figures::draw;

    #[test]
    fn a_plot_that_cannot_be_written_leaves_the_others_and_a_sentence() {
        let results = tempfile::tempdir().unwrap();
        let place = results.path().join("plots");
        let mut figures = draw(&test_fixtures::comparison(), Path::new("no/such/folder"), PlotSet::Full);
        let all = figures.iter().map(|board| board.plots.len()).sum::<usize>();
        // Longer than any file system allows.
        figures[0].plots[0].plot.name = "x".repeat(300);
        let written = write_plots(&mut figures, &place);
        assert_eq!(written.len(), 2 * (all - 1));
        assert!(written.iter().all(|path| path.is_file()));
        let told = figures[0].missing.last().unwrap();
        assert!(
            told.starts_with("The plot \"") && told.contains("could not be written: cannot write xxx"),
            "{told}"
        );
        std::fs::remove_dir_all(&place).unwrap();
        std::fs::write(&place, "in the way").unwrap();
        assert_eq!(write_plots(&mut figures, &place), Vec::<PathBuf>::new());
        assert!(figures.iter().all(|board| board.plots.is_empty()));
        assert_eq!(std::fs::read(&place).unwrap(), b"in the way");
    }
}
