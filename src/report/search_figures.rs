//! The plots of the searches of a board: their history, what they say about the hyperparameters, and every trial.

use super::board_figures::{BoardFigures, FigureSection, PlotChoice};
use super::hyperparameters::{MOST_AXES, picture};
use super::plot::{
    ImportanceBars, PlottedState, SearchPicture, importance_and_effects, parallel_coordinates, search_history,
};
use crate::compare::{Comparison, ModelImportance, ModelSearch};
use crate::files::file_stem;
use crate::spec::Strategy;
use crate::text::{capitalised, counted};

/// Models whose searches are drawn, the best on the test part first.
const MOST_MODELS: usize = 8;
/// With fewer trials there is nothing to see.
const FEWEST_TRIALS: usize = 3;

/// Adds the plots of one board.
pub fn draw_searches(comparison: &Comparison, board: usize, figures: &mut BoardFigures) {
    let rows = &comparison.boards[board].rows;
    let rank =
        |search: &ModelSearch| rows.iter().position(|row| row.kind == search.model).unwrap_or(usize::MAX);
    let mut searches: Vec<&ModelSearch> =
        comparison.searches.iter().filter(|search| search.board == board).collect();
    searches.sort_by_key(|search| rank(search));
    let metric = comparison.objective.in_words();
    let mut drawn: Vec<DrawnSearch> =
        searches.into_iter().filter_map(|search| DrawnSearch::of(search, &metric)).collect();
    if drawn.len() > MOST_MODELS {
        let rest: Vec<String> =
            drawn.split_off(MOST_MODELS).into_iter().map(|own| own.picture.model).collect();
        figures.missing.push(format!(
            "The searches of {} are not drawn, but those of the {MOST_MODELS} models before them.",
            rest.join(", ")
        ));
    }
    let choice = |group: &str, search: &DrawnSearch| {
        let picks = vec![("model", search.picture.model.clone())];
        (drawn.len() > 1).then(|| PlotChoice { group: group.to_string(), picks })
    };
    for search in &drawn {
        let (model, choice) = (&search.picture.model, choice("search history", search));
        figures.add_choice(
            FigureSection::Search,
            choice,
            &format!("search history of {model}"),
            file_stem(&["search-history", model]),
            search_history(&search.picture),
            search.about_history(),
        );
    }
    for search in &drawn {
        let (model, choice) = (&search.picture.model, choice("hyperparameters", search));
        figures.add_choice(
            FigureSection::Search,
            choice,
            &format!("effects of the hyperparameters of {model}"),
            file_stem(&["hyperparameters", model]),
            importance_and_effects(&search.picture, search.bars.as_ref().map_err(String::as_str)),
            search.about_effects(),
        );
    }
    for search in drawn.iter().filter(|search| search.picture.axes.len() > 1) {
        let (model, choice) = (&search.picture.model, choice("parallel coordinates", search));
        figures.add_choice(
            FigureSection::Search,
            choice,
            &format!("parallel coordinates of {model}"),
            file_stem(&["parallel", model]),
            parallel_coordinates(&search.picture),
            search.about_parallel(),
        );
    }
}

/// The search of one model, ready to be drawn.
struct DrawnSearch<'a> {
    search: &'a ModelSearch,
    picture: SearchPicture,
    importance: ModelImportance,
    bars: Result<ImportanceBars, String>,
}

impl<'a> DrawnSearch<'a> {
    /// `None` where there is too little to see.
    fn of(search: &'a ModelSearch, metric: &str) -> Option<Self> {
        let importance = search.importance();
        let picture = picture(search, &importance, metric);
        let known = picture.trials.iter().filter(|trial| {
            trial.state != PlottedState::Failed && trial.objective.is_some_and(f64::is_finite)
        });
        if picture.axes.is_empty() || picture.trials.len() < FEWEST_TRIALS || known.count() == 0 {
            return None;
        }
        let bars = match &importance.importance {
            Ok(found) => Ok(ImportanceBars {
                shares: importance.names.iter().cloned().zip(found.shares.iter().copied()).collect(),
                explained: found.explained,
            }),
            Err(reason) => Err(reason.clone()),
        };
        Some(Self { search, picture, importance, bars })
    }

    fn about_history(&self) -> String {
        let SearchPicture { metric, trials, .. } = &self.picture;
        let mut sentences = vec![format!(
            "{} of each trial, the mean over its seeds and folds, in the order of the search. The line is the best \
             finished trial so far.",
            capitalised(metric)
        )];
        if self.search.strategy() == Some(Strategy::Tpe) {
            sentences.push(format!(
                "The first {} are points of a Sobol sequence; tpe proposes the others from what came before them.",
                counted(self.search.startup_trials().min(self.search.trials.len()), "trial")
            ));
        }
        sentences.extend(self.about_others());
        let open = self.search.trials.len() - trials.len();
        if open > 0 {
            sentences.push(format!("Not shown: {} that are yet to end.", counted(open, "trial")));
        }
        sentences.join(" ")
    }

    /// Where pruned and failed trials stand.
    fn about_others(&self) -> Vec<String> {
        let trials = &self.picture.trials;
        let mut pruned = trials.iter().filter(|trial| matches!(trial.state, PlottedState::Pruned(_)));
        let mut sentences = Vec::new();
        if let Some(first) = pruned.next() {
            let is_known = first.objective.is_some() || pruned.any(|trial| trial.objective.is_some());
            sentences.push(
                if is_known {
                    "Pruned trials stand at the lowest validation loss that they had reached."
                } else {
                    "Pruned trials stand at the upper edge, since training minimises another loss than the objective."
                }
                .to_string(),
            );
        }
        if trials.iter().any(|trial| trial.state == PlottedState::Failed) {
            sentences.push("Failed trials are marked at the upper edge.".to_string());
        }
        sentences
    }

    fn about_effects(&self) -> String {
        let mut sentences = vec![
            "Importance: the share of each hyperparameter in the variance of the objective over the searched space that \
             single hyperparameters explain (fANOVA)."
                .to_string(),
        ];
        if self.bars.is_ok() && self.importance.is_rough() {
            sentences.push(format!(
                "From {} it is a rough guess.",
                counted(self.importance.trials, "finished trial")
            ));
        }
        sentences.push(format!(
            "Panels: {} of every trial against one hyperparameter at a time. The others vary freely, so a flat line \
             does not prove that a hyperparameter has no effect.",
            self.picture.metric
        ));
        sentences.extend(self.about_axes());
        sentences.join(" ")
    }

    fn about_parallel(&self) -> String {
        let mut sentences = vec![format!(
            "Each line is a trial: from the values of its hyperparameters to its {}. The best are darkest and lie on top.",
            self.picture.metric
        )];
        if self.picture.trials.iter().any(|trial| trial.state == PlottedState::Failed) {
            sentences.push("Failed trials end before the last axis.".to_string());
        }
        sentences.extend(self.about_axes());
        sentences.join(" ")
    }

    fn about_axes(&self) -> Option<String> {
        let all = self.search.hyperparameters.len();
        (all > MOST_AXES).then(|| format!("Of {all} hyperparameters, {MOST_AXES} are drawn."))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::compare::{SearchTrial, SearchedHyperparameter, TrialState, test_fixtures};
    use crate::search::Dimension;
    use crate::spec::SearchOutline;

    fn search(model: &str, states: &[TrialState]) -> ModelSearch {
        let text = "[[models]]\n[models.lstm]\n[search]\nstrategy = \"tpe\"\nbatch = 4\n";
        let trial = |(at, state): (usize, &TrialState)| SearchTrial {
            number: at + 1,
            params: json!({ "model": { "rate": 1e-3 * (at + 1) as f64, "cell": (["a", "b"][at % 2]) } })
                .into(),
            label: format!("rate={at}"),
            state: *state,
            objective: (*state == TrialState::Done).then_some(1.0 / (at + 1) as f64),
        };
        let hyperparameter = |name: &str, ranges: Vec<Dimension>| SearchedHyperparameter {
            path: format!("model.{name}"),
            name: name.to_string(),
            ranges,
        };
        ModelSearch {
            board: 0,
            model: model.to_string(),
            hyperparameters: vec![
                hyperparameter("rate", vec![Dimension::LogUniform(1e-4, 1.0)]),
                hyperparameter("cell", Vec::new()),
            ],
            trials: states.iter().enumerate().map(trial).collect(),
            outline: Arc::new(
                SearchOutline::parse("e.toml", text.to_string(), &[]).map_err(|_| String::new()),
            ),
        }
    }

    fn drawn(searches: Vec<ModelSearch>) -> BoardFigures {
        let mut comparison = test_fixtures::comparison();
        comparison.searches = searches;
        let mut figures = BoardFigures::default();
        draw_searches(&comparison, 0, &mut figures);
        figures
    }

    #[test]
    fn a_search_has_a_history_effects_and_parallel_coordinates() {
        let pruned = TrialState::Pruned { epoch: 1 };
        let states = [TrialState::Done, pruned, TrialState::Done, TrialState::Failed, TrialState::Open];
        let figures = drawn(vec![search("lstm", &states)]);
        let names: Vec<&str> = figures.plots.iter().map(|figure| figure.plot.name.as_str()).collect();
        assert_eq!(names, ["search-history-lstm", "hyperparameters-lstm", "parallel-lstm"]);
        assert!(figures.plots.iter().all(|figure| figure.choice.is_none() && !figure.plot.chart.is_empty()));
        let about = &figures.plots[0].caption;
        let told =
            ["The first 5 trials are points of a Sobol", "upper edge, since training", "Not shown: 1 trial"];
        assert!(told.iter().all(|sentence| about.contains(sentence)), "{about}");
        assert!(figures.plots[1].plot.svg.contains("It is unknown"), "two finished trials are too few");
    }

    #[test]
    fn of_several_models_the_page_shows_one_and_the_best_comes_first() {
        let done = [TrialState::Done; 4];
        let figures = drawn(vec![search("gru", &done), search("lstm", &done), search("tcn", &done[..2])]);
        let picked: Vec<(&str, &str)> = figures
            .plots
            .iter()
            .filter_map(|figure| figure.choice.as_ref())
            .map(|choice| (choice.group.as_str(), choice.picks[0].1.as_str()))
            .collect();
        let groups = ["search history", "hyperparameters", "parallel coordinates"];
        assert_eq!(picked, groups.map(|group| [(group, "lstm"), (group, "gru")]).concat());
    }
}
