//! The plots of a board as a report shows them: where each belongs, its caption, and which runs it shows.

use super::plot::Plot;
use crate::compare::{Board, BoardRow, Comparison, distinct};
use crate::store::RunRow;
use crate::text::causes;

/// Targets that have tables of their own; more would be too many to look at.
pub const MOST_TARGETS: usize = 3;
/// Targets that are drawn.
pub const DRAWN_TARGETS: usize = 6;

/// The part of a report that a plot belongs to, in the order of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FigureSection {
    /// How much better each model is than the best naive baseline: the plot of the first screen.
    Skill,
    /// What acting on the forecasts costs.
    Capacity,
    /// Forecasts beside the observed values.
    Forecasts,
    /// How the errors are distributed, and how they grow with the step ahead.
    Errors,
    /// How well the intervals hold.
    Intervals,
    /// What the search tried, and what that says about the hyperparameters.
    Search,
    /// The losses while training.
    Training,
    /// The traffic, and what serving it takes.
    Traffic,
}

impl FigureSection {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 8] = [
        Self::Skill,
        Self::Capacity,
        Self::Forecasts,
        Self::Errors,
        Self::Intervals,
        Self::Search,
        Self::Training,
        Self::Traffic,
    ];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Skill => "Skill",
            Self::Capacity => "Acting on forecasts",
            Self::Forecasts => "Forecasts",
            Self::Errors => "Errors",
            Self::Intervals => "Intervals",
            Self::Search => "Search",
            Self::Training => "Training",
            Self::Traffic => "Traffic",
        }
    }
}

/// What tells a plot from the others of a group, of which the page shows the one that the reader chooses: a target, a step
/// ahead, a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlotChoice {
    /// The group, such as `forecast`.
    pub group: String,
    /// What is chosen and the value that this plot stands for, such as `target` and `gap_s`. All plots of a group have the
    /// same names in the same order.
    pub picks: Vec<(&'static str, String)>,
}

/// A plot with its caption.
#[derive(Debug, Clone, PartialEq)]
pub struct Captioned {
    /// The part of the report that it belongs to.
    pub section: FigureSection,
    /// The plot; its name is that of its files.
    pub plot: Plot,
    /// Sentences below it.
    pub caption: String,
    /// `None` for a plot that is always shown.
    pub choice: Option<PlotChoice>,
}

/// The plots of one board.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BoardFigures {
    /// The plots that could be drawn.
    pub plots: Vec<Captioned>,
    /// Sentences about the plots that could not be drawn.
    pub missing: Vec<String>,
}

impl BoardFigures {
    /// Adds a plot that is always shown, or a sentence about why it could not be drawn.
    pub fn add(
        &mut self,
        section: FigureSection,
        what: &str,
        name: String,
        drawn: anyhow::Result<Plot>,
        caption: String,
    ) {
        self.add_choice(section, None, what, name, drawn, caption);
    }

    /// Adds one plot of a group, or a sentence about why it could not be drawn.
    pub fn add_choice(
        &mut self,
        section: FigureSection,
        choice: Option<PlotChoice>,
        what: &str,
        name: String,
        drawn: anyhow::Result<Plot>,
        caption: String,
    ) {
        match drawn {
            Ok(mut plot) => {
                plot.name = name;
                self.plots.push(Captioned { section, plot, caption, choice });
            }
            Err(error) => self.missing.push(format!("The {what} could not be drawn: {}.", causes(&error))),
        }
    }
}

/// The run whose forecasts are shown for a model: the lowest seed in the last fold.
pub fn shown_run<'a>(comparison: &'a Comparison, row: &BoardRow) -> Option<&'a RunRow> {
    comparison
        .runs
        .iter()
        .filter(|run| row.run_ids.contains(&run.run_id))
        .min_by_key(|run| (-run.fold, run.seed))
}

/// Which run is shown, such as `seed 1, fold 2`; empty where there is no choice.
pub fn which_run(runs: &[&RunRow], folds: bool) -> String {
    let seeds = distinct(runs.iter().filter_map(|run| run.seed));
    let seed = match seeds.as_slice() {
        [] => None,
        [seed] => Some(format!("seed {seed}")),
        _ => Some("the lowest seed of each".to_string()),
    };
    let fold = runs.first().filter(|_| folds).map(|run| format!("fold {}", run.fold));
    seed.into_iter().chain(fold).collect::<Vec<_>>().join(", ")
}

/// The best model, the runner-up and the best baseline.
pub fn shown_rows(board: &Board) -> Vec<&BoardRow> {
    let models = board.rows.iter().filter(|row| !row.baseline).take(2);
    models.chain(board.best_baseline()).collect()
}
