//! The plots of a comparison, with their captions and with what could not be drawn.

use std::path::Path;

use super::plot::{
    Bar, Curve, ForecastTrack, Plot, Residuals, actual_and_forecast, actual_and_forecast_by_request,
    leaderboard_bars, learning_curves, residual_histogram,
};
use super::{PlotSet, hyperparameters, tables};
use crate::compare::{Board, BoardRow, Comparison};
use crate::dataset::read_predictions;
use crate::store::{RunRow, SavedRun, run_folder};
use crate::text::{counted, distinct, grouped};

/// Forecasts of more targets would be too many plots to look at.
pub const MOST_TARGETS: usize = 3;
/// More steps than these cannot be told apart in one plot.
const MOST_STEPS: usize = 300;

/// Indices of the ends of the interval at 80 % among the quantiles.
const LOWER_80: usize = 1;
const UPPER_80: usize = 5;

/// A plot with what a reader must know to read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Captioned {
    /// The plot; its name is that of its files.
    pub plot: Plot,
    /// Sentences below it.
    pub caption: String,
}

/// The plots of one board.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BoardFigures {
    /// The plots that could be drawn.
    pub plots: Vec<Captioned>,
    /// Sentences on what could not.
    pub missing: Vec<String>,
}

impl BoardFigures {
    /// Adds a plot that was drawn, or a sentence on why it was not.
    pub fn add(&mut self, what: &str, name: String, drawn: anyhow::Result<Plot>, caption: String) {
        match drawn {
            Ok(mut plot) => {
                plot.name = name;
                self.plots.push(Captioned { plot, caption });
            }
            Err(error) => self.missing.push(format!("The {what} could not be drawn: {error:#}.")),
        }
    }
}

/// Draws the plots of every board, from the comparison and from the predictions below `results`.
pub fn draw(comparison: &Comparison, results: &Path, plots: PlotSet) -> Vec<BoardFigures> {
    let mut all: Vec<BoardFigures> =
        (0..comparison.boards.len()).map(|index| draw_board(comparison, index, results, plots)).collect();
    name_apart(comparison, &mut all);
    all
}

/// Several boards prefix their files with their setting; whatever still has one name is numbered.
fn name_apart(comparison: &Comparison, all: &mut [BoardFigures]) {
    let mut taken: Vec<String> = Vec::new();
    for (board, figures) in comparison.boards.iter().zip(all) {
        for Captioned { plot, .. } in &mut figures.plots {
            if comparison.boards.len() > 1 {
                plot.name = stem(&[&board.title, &plot.name]);
            }
            let mut name = plot.name.clone();
            let mut count = 1;
            while taken.contains(&name) {
                count += 1;
                name = format!("{}-{count}", plot.name);
            }
            taken.push(name.clone());
            plot.name = name;
        }
    }
}

/// A file stem of lower-case letters, digits and hyphens.
fn stem(parts: &[&str]) -> String {
    let words = parts
        .iter()
        .flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric()))
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

fn draw_board(comparison: &Comparison, index: usize, results: &Path, plots: PlotSet) -> BoardFigures {
    let board = &comparison.boards[index];
    let mut figures = BoardFigures::default();
    if board.rows.is_empty() {
        return figures;
    }
    draw_leaderboard(comparison, board, &mut figures);
    if plots == PlotSet::Simple {
        draw_forecasts(comparison, board, results, &mut figures);
        return figures;
    }
    draw_curves(comparison, board, &mut figures);
    draw_forecasts(comparison, board, results, &mut figures);
    super::uncertainty::draw(comparison, board, results, &mut figures);
    for drawn in hyperparameters::draw(comparison, index) {
        figures.add(&drawn.what, stem(&[&drawn.name]), drawn.plot, drawn.caption);
    }
    figures
}

fn draw_leaderboard(comparison: &Comparison, board: &Board, figures: &mut BoardFigures) {
    let bars: Vec<Bar> = board
        .rows
        .iter()
        .enumerate()
        .map(|(index, row)| Bar {
            label: row.label.clone(),
            value: row.test.mean,
            spread: row.test.spread,
            highlight: index == 0,
            baseline: row.baseline,
        })
        .collect();
    let reference = board.best_baseline().map(|row| (row.label.clone(), row.test.mean));
    let metric = format!("test {}", comparison.objective_title());
    let caption = "Error on the test part, lower is better. Whiskers are the standard deviation over seeds; \
                   the dashed line is the best naive baseline."
        .to_string();
    figures.add(
        "leaderboard",
        "leaderboard".to_string(),
        leaderboard_bars(&metric, &bars, reference),
        caption,
    );
}

/// The run that a model is shown by: of the lowest seed in the last fold.
pub fn shown_run<'a>(comparison: &'a Comparison, row: &BoardRow) -> Option<&'a RunRow> {
    comparison
        .runs
        .iter()
        .filter(|run| row.run_ids.contains(&run.run_id))
        .min_by_key(|run| (-run.fold, run.seed))
}

/// `seed 1, fold 2`, as far as there are several.
fn which_run(runs: &[&RunRow], folds: bool) -> String {
    let seeds = distinct(runs.iter().filter_map(|run| run.seed));
    let seed = match seeds.as_slice() {
        [] => None,
        [seed] => Some(format!("seed {seed}")),
        _ => Some("the lowest seed of each".to_string()),
    };
    let fold = runs.first().filter(|_| folds).map(|run| format!("fold {}", run.fold));
    seed.into_iter().chain(fold).collect::<Vec<_>>().join(", ")
}

fn draw_curves(comparison: &Comparison, board: &Board, figures: &mut BoardFigures) {
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
            label: row.label.clone(),
            train: points(|epoch| epoch.train_loss),
            valid: points(|epoch| epoch.valid_loss),
        });
        runs.push(run);
    }
    if curves.is_empty() {
        return;
    }
    let several_folds = comparison.scored.iter().any(|run| run.fold > 0);
    let which = which_run(&runs, several_folds);
    let caption = format!(
        "Loss of each model's chosen trial by epoch ({which}, since early stopping ends seeds at different epochs). The \
         weights of the epoch with the dot are the ones that were tested."
    );
    figures.add("learning curves", "learning-curves".to_string(), learning_curves(&curves), caption);
}

/// Forecasts one step ahead of one model on the test part.
struct Track<'a> {
    label: &'a str,
    run: &'a RunRow,
    time_s: Vec<f64>,
    /// For each target of the board: what came and what was forecast.
    values: Vec<(Vec<f64>, Vec<f64>)>,
    /// For each target the ends of the interval at 80 %; empty where the run has none.
    bands: Vec<(Vec<f64>, Vec<f64>)>,
}

/// The best model, the runner-up and the best baseline.
pub fn shown_rows(board: &Board) -> Vec<&BoardRow> {
    let models = board.rows.iter().filter(|row| !row.baseline).take(2);
    models.chain(board.best_baseline()).collect()
}

fn read_track<'a>(
    comparison: &'a Comparison,
    row: &'a BoardRow,
    targets: &[String],
    results: &Path,
) -> anyhow::Result<Track<'a>> {
    let run =
        shown_run(comparison, row).ok_or_else(|| anyhow::anyhow!("its run is not in the store any more"))?;
    let table = read_predictions(&run_folder(results, &run.run_id).join("predictions.parquet"))?;
    let rows: Vec<usize> =
        (0..table.part.len()).filter(|&row| table.part[row] == "test" && table.ahead[row] == 1).collect();
    let pick = |values: &[f64]| -> Vec<f64> { rows.iter().map(|&row| values[row]).collect() };
    let values = targets
        .iter()
        .map(|target| {
            let index = table.targets.iter().position(|name| name == target)?;
            Some((pick(&table.actual[index]), pick(&table.forecast[index])))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| anyhow::anyhow!("its predictions have other targets"))?;
    let bands = targets.iter().filter_map(|target| {
        let quantiles = table.quantiles.get(table.targets.iter().position(|name| name == target)?)?;
        Some((pick(&quantiles[LOWER_80]), pick(&quantiles[UPPER_80])))
    });
    Ok(Track { label: &row.label, run, time_s: pick(&table.time_s), bands: bands.collect(), values })
}

fn draw_forecasts(comparison: &Comparison, board: &Board, results: &Path, figures: &mut BoardFigures) {
    let targets: Vec<(String, String)> = tables::targets(board);
    let names: Vec<String> = targets.iter().take(MOST_TARGETS).map(|(name, _)| name.clone()).collect();
    let mut tracks: Vec<Track> = Vec::new();
    for row in shown_rows(board) {
        match read_track(comparison, row, &names, results) {
            Ok(track) if tracks.first().is_none_or(|first| first.time_s == track.time_s) => {
                tracks.push(track);
            }
            Ok(_) => figures
                .missing
                .push(format!("The forecasts of {} are of other windows and are not drawn.", row.label)),
            Err(_) => figures.missing.push(format!(
                "The forecasts of {} are not drawn, since its predictions are gone.",
                row.label
            )),
        }
    }
    if tracks.is_empty() {
        return;
    }
    let rest: Vec<&str> = targets.iter().skip(MOST_TARGETS).map(|(name, _)| name.as_str()).collect();
    for (index, (name, unit)) in targets.iter().take(MOST_TARGETS).enumerate() {
        let last = index + 1 == names.len();
        let rest = if last { rest.as_slice() } else { &[] };
        draw_target(comparison, board, (index, name, unit), &tracks, rest, figures);
    }
}

fn draw_target(
    comparison: &Comparison,
    board: &Board,
    (index, name, unit): (usize, &str, &str),
    tracks: &[Track<'_>],
    rest: &[&str],
    figures: &mut BoardFigures,
) {
    let total = tracks[0].time_s.len();
    let per_request = board.card.as_ref().map(|card| card.spec.task.kind()) == Some("next_request");
    // The middle of the test part is as far from the training steps as from the end of the data.
    let first = total.saturating_sub(MOST_STEPS) / 2;
    let window = first..(first + MOST_STEPS).min(total);
    let lines: Vec<ForecastTrack> = tracks
        .iter()
        .map(|track| ForecastTrack {
            label: track.label.to_string(),
            forecast: track.values[index].1[window.clone()].to_vec(),
            band: track
                .bands
                .get(index)
                .map(|(lower, upper)| (lower[window.clone()].to_vec(), upper[window.clone()].to_vec())),
        })
        .collect();
    let actual = &tracks[0].values[index].0[window.clone()];
    let drawn = if per_request {
        actual_and_forecast_by_request(name, unit, window.start + 1, actual, &lines)
    } else {
        actual_and_forecast(name, unit, &tracks[0].time_s[window.clone()], actual, &lines)
    };
    let folds = comparison.scored.iter().any(|run| run.fold > 0);
    let runs: Vec<&RunRow> = tracks.iter().map(|track| track.run).collect();
    let which = Some(which_run(&runs, folds)).filter(|which| !which.is_empty());
    let which = which.map_or(String::new(), |which| format!(" ({which})"));
    let mut caption = format!("One step ahead{which}, {}.", excerpt(&window, total, board.card.as_ref()));
    if !rest.is_empty() {
        let further = counted(rest.len(), "further target");
        caption = format!("{caption} Not drawn: {further} ({}).", rest.join(", "));
    }
    let stem_of = |kind: &str| stem(&[kind, name]);
    figures.add(&format!("forecast of {name}"), stem_of("forecast"), drawn, caption);
    let residuals: Vec<Residuals> = tracks
        .iter()
        .map(|track| {
            let (actual, forecast) = &track.values[index];
            Residuals {
                label: track.label.to_string(),
                values: forecast.iter().zip(actual).map(|(f, a)| f - a).collect(),
            }
        })
        .collect();
    let caption = format!(
        "Residual is forecast minus observed: right of zero the forecast was too high. One step ahead{which}, all {} \
         of the test part.",
        counted(total, "window")
    );
    figures.add(
        &format!("residuals of {name}"),
        stem_of("residuals"),
        residual_histogram(name, unit, &residuals),
        caption,
    );
}

/// Which stretch of the test part a plot shows.
fn excerpt(window: &std::ops::Range<usize>, total: usize, card: Option<&SavedRun>) -> String {
    let step = match card.map(|card| card.spec.task.kind()) {
        Some("next_request") => "request",
        Some("window_load") => "time window",
        _ => "step",
    };
    let stride = card.map_or(1, |card| card.predictions_stride);
    let kept = if stride > 1 { format!(", of which one in {stride} is kept") } else { String::new() };
    if window.len() == total {
        return format!("the whole test part: {}{kept}", counted(total, step));
    }
    format!(
        "an excerpt from the middle of the test part: {step}s {} to {} of {}{kept}",
        grouped(window.start + 1),
        grouped(window.end),
        grouped(total)
    )
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
