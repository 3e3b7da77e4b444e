//! The plots of a comparison, with their captions and with what could not be drawn.

use std::path::Path;

use super::PlotSet;
use super::board_figures::{BoardFigures, Captioned, FigureSection, shown_run, which_run};
use super::capacity_figures::draw_capacity;
use super::error_figures::{draw_qq, draw_residuals, draw_step_errors};
use super::forecast_figures::draw_forecasts;
use super::labels::ModelLabels;
use super::plot::{Curve, learning_curves};
use super::search_figures::draw_searches;
use super::shown_models::shown_models;
use super::skill_figures::draw_skill;
use super::traffic_figures::{draw_gaps, draw_load};
use super::uncertainty::draw_calibration;
use crate::compare::{Board, Comparison};
use crate::files::{TakenNames, file_stem};

/// Draws the plots of every board, from the comparison and from the predictions below `results`.
pub fn draw(comparison: &Comparison, results: &Path, plots: PlotSet) -> Vec<BoardFigures> {
    let mut all: Vec<BoardFigures> =
        (0..comparison.boards.len()).map(|index| draw_board(comparison, index, results, plots)).collect();
    name_apart(comparison, &mut all);
    all
}

/// Gives every plot a file name of its own: with several boards, the setting comes first, and repeated names are numbered.
fn name_apart(comparison: &Comparison, all: &mut [BoardFigures]) {
    let mut taken = TakenNames::default();
    for (board, figures) in comparison.boards.iter().zip(all) {
        for Captioned { plot, .. } in &mut figures.plots {
            if comparison.boards.len() > 1 {
                plot.name = file_stem(&[&board.title, &plot.name]);
            }
            plot.name = taken.take(&plot.name);
        }
    }
}

fn draw_board(comparison: &Comparison, index: usize, results: &Path, plots: PlotSet) -> BoardFigures {
    let board = &comparison.boards[index];
    let mut figures = BoardFigures::default();
    if board.rows.is_empty() {
        return figures;
    }
    let labels = ModelLabels::of(board);
    draw_skill(comparison, board, &labels, &mut figures);
    draw_capacity(comparison, board, results, &mut figures);
    let shown = shown_models(comparison, board, &labels, results, &mut figures);
    draw_forecasts(comparison, board, &shown, &mut figures);
    draw_residuals(comparison, board, &shown, &mut figures);
    if plots == PlotSet::Simple {
        return figures;
    }
    draw_step_errors(comparison, board, &labels, results, &shown, &mut figures);
    draw_qq(board, &shown, &mut figures);
    draw_calibration(board, &shown, &mut figures);
    draw_curves(comparison, board, &labels, &mut figures);
    draw_gaps(board, &mut figures);
    if let Some(best) = shown.first() {
        draw_load(board, &best.label, &best.predictions, &mut figures);
    }
    draw_searches(comparison, index, &mut figures);
    figures
}

fn draw_curves(comparison: &Comparison, board: &Board, labels: &ModelLabels, figures: &mut BoardFigures) {
    let mut curves = Vec::new();
    let mut runs = Vec::new();
    for row in &board.rows {
        let Some(run) = shown_run(comparison, row) else {
            continue;
        };
        let epochs: Vec<_> = comparison.epochs.iter().filter(|epoch| epoch.run_id == run.run_id).collect();
        if epochs.is_empty() {
            continue;
        }
        let points = |loss: fn(&crate::store::EpochRow) -> f64| {
            epochs.iter().map(|epoch| (epoch.epoch as f64, loss(epoch))).collect()
        };
        curves.push(Curve {
            label: labels.short(row),
            train: points(|epoch| epoch.train_loss),
            valid: points(|epoch| epoch.valid_loss),
        });
        runs.push(run);
    }
    // A curve of one epoch is a point, which says nothing about the training.
    if curves.iter().all(|curve| curve.train.len() < 2) {
        return;
    }
    let several_folds = comparison.scored.iter().any(|run| run.fold > 0);
    let which = which_run(&runs, several_folds);
    let caption = format!(
        "Loss of each model's chosen trial by epoch ({which}, since early stopping ends seeds at different epochs). The \
         dot marks the epoch whose weights were tested."
    );
    figures.add(
        FigureSection::Training,
        "learning curves",
        "learning-curves".to_string(),
        learning_curves(&curves),
        caption,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::test_fixtures;

    #[test]
    fn boards_name_their_plots_apart_and_say_what_is_gone() {
        let comparison = test_fixtures::comparison();
        let figures = draw(&comparison, Path::new("no/such/folder"), PlotSet::Full);
        let names: Vec<&str> =
            figures.iter().flat_map(|board| &board.plots).map(|figure| figure.plot.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "horizon-1-leaderboard",
                "horizon-1-learning-curves",
                "horizon-12-leaderboard",
                "horizon-12-learning-curves"
            ]
        );
        assert!(figures[0].missing[0].contains("predictions are gone"));
    }

    #[test]
    fn settings_with_one_name_still_get_files_of_their_own() {
        let mut comparison = test_fixtures::comparison();
        comparison.boards[1].title = "Horizon: 1".to_string();
        let figures = draw(&comparison, Path::new("no/such/folder"), PlotSet::Full);
        assert_eq!(figures[1].plots[0].plot.name, "horizon-1-leaderboard-2");
    }
}
