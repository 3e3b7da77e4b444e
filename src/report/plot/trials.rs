//! The trials of a search as plots show them: what all plots of a search share.

use plotters::style::RGBColor;

use super::chart::{ChartMarks, ChartSeries};
use super::frame::{LegendEntry, LegendKey, Panel};
use super::hyperparameter_axis::HyperparameterAxis;
use super::objective_scale::ObjectiveScale;
use super::plotted_trial::{PlottedState, PlottedTrial};
use super::scale::PixelScale;
use super::scene::{Scene, ScenePoint};
use super::theme::{GREY_LINE, series_colour};

/// Trials in a picture; of more, the best and others of every rank are drawn.
const MOST_DRAWN: usize = 2000;
/// Best trials that are always drawn.
const BEST_DRAWN: usize = 500;
/// Tooltips in a picture; of more trials, the best have one.
const MOST_TIPS: usize = 600;
const DOT_RADIUS: f64 = 3.0;
/// More trials have smaller dots.
const MANY_DOTS: usize = 400;
const SMALL_DOT_RADIUS: f64 = 2.0;

/// The search of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchPicture {
    /// The model.
    pub model: String,
    /// The objective, lower is better.
    pub metric: String,
    /// How the trials were chosen, such as `tpe`; of an unknown way `trial`.
    pub strategy: String,
    /// The hyperparameters.
    pub axes: Vec<HyperparameterAxis>,
    /// The trials in the order of the search.
    pub trials: Vec<PlottedTrial>,
}

impl SearchPicture {
    /// The trials that a picture shows, those to be drawn first at the front: failed, then pruned, then finished from the
    /// poorest to the best, which nothing covers.
    pub(super) fn drawn(&self) -> Vec<&PlottedTrial> {
        let mut trials: Vec<&PlottedTrial> = self.trials.iter().collect();
        let order = |trial: &PlottedTrial| match trial.state {
            PlottedState::Failed => 0,
            PlottedState::Pruned(_) => 1,
            PlottedState::Done => 2,
        };
        let value = |trial: &PlottedTrial| trial.height().unwrap_or(f64::INFINITY);
        trials.sort_by(|a, b| order(a).cmp(&order(b)).then(value(b).total_cmp(&value(a))));
        if trials.len() > MOST_DRAWN {
            let best = trials.split_off(trials.len() - BEST_DRAWN);
            let stride = trials.len().div_ceil(MOST_DRAWN - BEST_DRAWN);
            trials = trials.into_iter().step_by(stride).chain(best).collect();
        }
        trials
    }

    /// The radius of its dots.
    pub(super) fn dot_radius(&self) -> f64 {
        if self.trials.len() > MANY_DOTS { SMALL_DOT_RADIUS } else { DOT_RADIUS }
    }

    /// The first of so many drawn trials that has a tooltip, in a picture that shows each of them in so many panels.
    pub(super) fn first_tip(drawn: usize, panels: usize) -> usize {
        drawn.saturating_sub(MOST_TIPS / panels.max(1))
    }

    /// What a picture says about trials that it does not show.
    pub(super) fn sentence_about_those_left_out(&self) -> Option<String> {
        let (all, drawn) = (self.trials.len(), self.drawn().len());
        (drawn < all).then(|| {
            format!("Of {all} trials, {drawn} are drawn: the best {BEST_DRAWN}, and others of every rank.")
        })
    }

    /// The entries of a legend for pruned and failed trials, where there are any.
    pub(super) fn other_entries(&self, keys: [LegendKey; 2]) -> Vec<LegendEntry> {
        let count = |name: &str| self.trials.iter().filter(|trial| trial.state.name() == name).count();
        let entry = |(key, name): (LegendKey, &str)| {
            let count = count(name);
            (count > 0).then(|| LegendEntry::new(key, format!("{name} ({count})")))
        };
        keys.into_iter().zip(["pruned", "failed"]).filter_map(entry).collect()
    }
}

/// The colour of a trial's mark: a finished one has that of its objective.
pub(super) fn state_colour(trial: &PlottedTrial, scale: &ObjectiveScale) -> RGBColor {
    match trial.state {
        PlottedState::Done => scale.colour(trial.objective.unwrap_or(f64::INFINITY)),
        PlottedState::Pruned(_) => GREY_LINE,
        PlottedState::Failed => failed_colour(),
    }
}

/// The colour of failed trials.
pub(super) fn failed_colour() -> RGBColor {
    series_colour(1)
}

/// Marks a trial above `x`: a dot of a radius, a ring if it was pruned, a triangle at the upper edge if its objective lies
/// above the `highest` that has a place, and a tick there if it has none. Returns where the mark stands.
pub(super) fn mark(
    scene: &mut Scene,
    panel: &Panel,
    (x, y): (f64, PixelScale),
    (highest, radius): (f64, f64),
    trial: &PlottedTrial,
    colour: RGBColor,
) -> ScenePoint {
    let top = panel.top;
    match trial.height() {
        None => {
            scene.line((x, top), (x, top + 8.0), 1.4, colour);
            (x, top + 4.0)
        }
        Some(objective) if objective > highest => {
            scene.polygon(vec![(x, top), (x + 4.0, top + 7.0), (x - 4.0, top + 7.0)], colour);
            (x, top + 4.0)
        }
        Some(objective) => {
            let at = (x, y.at(objective));
            if trial.state == PlottedState::Done {
                scene.disc(at, radius, colour);
            } else {
                scene.ring(at, radius, colour);
            }
            at
        }
    }
}

/// Dots of a chart that stand where [`mark`] puts them: what has no place on the axis stands at its upper end.
pub(super) fn chart_dots(
    name: &str,
    colour: RGBColor,
    trials: &[(f64, &PlottedTrial)],
    highest: f64,
    label: impl Fn(&PlottedTrial) -> String,
) -> Option<ChartSeries> {
    let points: Vec<[f64; 2]> = trials
        .iter()
        .map(|(x, trial)| [*x, trial.height().map_or(highest, |objective| objective.min(highest))])
        .collect();
    let labels = trials.iter().map(|(_, trial)| label(trial)).collect();
    (!points.is_empty()).then(|| ChartSeries::new(name, colour, ChartMarks::Dots { points, labels }))
}

#[cfg(test)]
pub(super) mod fixtures {
    use super::*;
    use crate::report::plot::hyperparameter_axis::HyperparameterScale;

    /// A search over a rate by its logarithm, a width and a name; every fifth trial was pruned and every seventh failed.
    pub(in crate::report::plot) fn picture(count: usize) -> SearchPicture {
        let axes = vec![
            HyperparameterAxis {
                name: "learning_rate".to_owned(),
                scale: HyperparameterScale::Range { low: 1e-4, high: 1e-1, log: true, whole: false },
            },
            HyperparameterAxis {
                name: "hidden".to_owned(),
                scale: HyperparameterScale::Numbers { values: vec![16.0, 32.0, 64.0], log: true },
            },
            HyperparameterAxis {
                name: "optimizer".to_owned(),
                scale: HyperparameterScale::Names(vec!["adam".to_owned(), "adamw".to_owned()]),
            },
        ];
        let trials = (0..count).map(|at| {
            let share = (at * 37 % 100) as f64 / 100.0;
            let state = match at {
                _ if at % 7 == 6 => PlottedState::Failed,
                _ if at % 5 == 4 => PlottedState::Pruned(if at % 2 == 0 { 1 } else { 3 }),
                _ => PlottedState::Done,
            };
            PlottedTrial {
                number: at + 1,
                label: format!("trial {}", at + 1),
                state,
                is_start: at < 8,
                objective: (state != PlottedState::Failed).then_some(0.5 + (share - 0.4).powi(2)),
                values: vec![
                    Some(1e-4 * 1000_f64.powf(share)),
                    Some([16.0, 32.0, 64.0][at % 3]),
                    Some((at % 2) as f64),
                ],
            }
        });
        SearchPicture {
            model: "lstm".to_owned(),
            metric: "validation mse".to_owned(),
            strategy: "tpe".to_owned(),
            axes,
            trials: trials.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_trial_is_drawn_last_and_every_trial_is_drawn() {
        let picture = fixtures::picture(60);
        let drawn = picture.drawn();
        let lowest = drawn.iter().filter_map(|trial| trial.height()).fold(f64::INFINITY, f64::min);
        assert_eq!((drawn.len(), drawn[59].height()), (60, Some(lowest)));
        assert_eq!(drawn[0].state, PlottedState::Failed);
        assert_eq!(picture.sentence_about_those_left_out(), None);
    }

    #[test]
    fn a_picture_of_thousands_of_trials_says_which_it_shows() {
        let picture = fixtures::picture(9000);
        assert!(picture.drawn().len() <= MOST_DRAWN);
        let sentence = picture.sentence_about_those_left_out().unwrap();
        assert!(sentence.starts_with("Of 9000 trials,"), "{sentence}");
    }
}
