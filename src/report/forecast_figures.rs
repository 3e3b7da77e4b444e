//! The plots of forecasts beside the observed values, for each target and for several steps ahead.

use std::ops::Range;

use super::board_figures::{BoardFigures, DRAWN_TARGETS, FigureSection, PlotChoice, which_run};
use super::plot::{Along, Band, ForecastPlot, ForecastTrack, TimeOrigin, actual_and_forecast};
use super::shown_models::ShownModel;
use super::tables;
use crate::compare::{Board, Comparison, Target};
use crate::dataset::Frequency;
use crate::files::file_stem;
use crate::store::{RunRow, SavedRun};
use crate::text::{capitalised, counted, grouped};

/// Steps of one picture; more cannot be told apart.
const MOST_STEPS: usize = 168;
/// Steps of one chart that a reader can zoom.
const MOST_CHART_STEPS: usize = 2_000;
/// Points of all charts of a board, for each of their lines.
const MOST_CHART_POINTS: usize = 16_000;
/// Steps ahead that are drawn where there are more.
const DRAWN_STEPS: usize = 4;
/// Positions of the ends of the interval at 80 % among the quantiles.
const LOWER_80: usize = 1;
const UPPER_80: usize = 5;

/// What the times of a run's steps count from.
pub fn origin_of(saved: &SavedRun) -> TimeOrigin {
    let counts_rows = saved.clock.as_ref().is_some_and(|clock| clock.frequency == Some(Frequency::Rows));
    match saved.starts_at_s {
        Some(start_s) => TimeOrigin::Date(start_s),
        None if counts_rows => TimeOrigin::FirstRow,
        None => TimeOrigin::TraceStart,
    }
}

/// Which run of each model is shown, in brackets; empty where there is no choice.
pub fn which_runs(comparison: &Comparison, models: &[ShownModel<'_>]) -> String {
    let several_folds = comparison.scored.iter().any(|run| run.fold > 0);
    let runs: Vec<&RunRow> = models.iter().map(|model| model.run).collect();
    let which = which_run(&runs, several_folds);
    if which.is_empty() { which } else { format!(" ({which})") }
}

/// The steps ahead that are drawn of a horizon: all of a few, else the first, the last and some in between.
fn drawn_steps(horizon: usize) -> Vec<usize> {
    if horizon <= DRAWN_STEPS {
        return (1..=horizon).collect();
    }
    vec![1, (horizon / 4).max(2), (horizon / 2).max(3), horizon]
}

/// Adds a plot for each of the first targets of a board and for each of several steps ahead.
pub fn draw_forecasts(
    comparison: &Comparison,
    board: &Board,
    models: &[ShownModel<'_>],
    figures: &mut BoardFigures,
) {
    let Some(first) = models.first() else { return };
    let targets = tables::targets(board);
    let (drawn, rest) = targets.split_at(targets.len().min(DRAWN_TARGETS));
    let horizon = first.predictions.ahead.iter().max().map_or(1, |ahead| *ahead as usize);
    let steps = drawn_steps(horizon);
    let which = which_runs(comparison, models);
    let plots = drawn.len() * steps.len();
    let chart_steps = (MOST_CHART_POINTS / plots.max(1)).clamp(MOST_STEPS, MOST_CHART_STEPS);
    let drawing = Drawing { saved: board.saved_run.as_ref(), models, horizon, which, chart_steps };
    let not_drawn = not_drawn(&steps, horizon, rest);
    for target in drawn {
        for &ahead in &steps {
            let mut picks = Vec::new();
            if drawn.len() > 1 {
                picks.push(("target", target.name.clone()));
            }
            if steps.len() > 1 {
                picks.push(("step ahead", ahead.to_string()));
            }
            let choice = (!picks.is_empty()).then(|| PlotChoice { group: "forecast".to_string(), picks });
            drawing.add(target, ahead, choice, &not_drawn, figures);
        }
    }
}

/// A sentence about the steps and the targets that are not drawn; empty where all are.
fn not_drawn(steps: &[usize], horizon: usize, rest: &[Target]) -> String {
    let mut sentence = String::new();
    if steps.len() < horizon {
        let steps: Vec<String> = steps.iter().map(|step| grouped(*step)).collect();
        sentence = format!(" Of {} steps ahead, {} are drawn.", grouped(horizon), steps.join(", "));
    }
    if !rest.is_empty() {
        let names: Vec<&str> = rest.iter().map(|target| target.name.as_str()).collect();
        let further = counted(rest.len(), "further target");
        sentence = format!("{sentence} Not drawn: {further} ({}).", names.join(", "));
    }
    sentence
}

/// The models that are drawn, and what their captions share.
struct Drawing<'a> {
    saved: Option<&'a SavedRun>,
    /// At least one.
    models: &'a [ShownModel<'a>],
    horizon: usize,
    /// Which run of each model is shown, in brackets; empty where there is no choice.
    which: String,
    /// Steps of one chart.
    chart_steps: usize,
}

impl Drawing<'_> {
    fn add(
        &self,
        target: &Target,
        ahead: usize,
        choice: Option<PlotChoice>,
        not_drawn: &str,
        figures: &mut BoardFigures,
    ) {
        let Target { name, unit } = target;
        let table = &self.models[0].predictions;
        let Some(index) = self.models[0].target(name) else { return };
        let rows: Vec<usize> = table.test_rows().filter(|&row| table.ahead[row] as usize == ahead).collect();
        // The middle of the test part is as far from the training steps as from the end of the data.
        let kept = middle(rows.len(), self.chart_steps);
        let rows = &rows[kept.clone()];
        let shown = middle(rows.len(), MOST_STEPS);
        let pick = |values: &[f64]| -> Vec<f64> { rows.iter().map(|&row| values[row]).collect() };
        let tracks = self.models.iter().map(|model| {
            let table = &model.predictions;
            let band = table.quantiles.get(index).map(|quantiles| Band {
                lower: pick(&quantiles[LOWER_80]),
                upper: pick(&quantiles[UPPER_80]),
            });
            ForecastTrack { label: model.label.clone(), forecast: pick(&table.forecast[index]), band }
        });
        let origin = self.saved.map_or(TimeOrigin::TraceStart, origin_of);
        let time_s = pick(&table.time_s);
        let dates = match (time_s.get(shown.start), time_s.get(shown.end.saturating_sub(1))) {
            (Some(&from_s), Some(&to_s)) => origin.stretch(from_s, to_s),
            _ => String::new(),
        };
        let total = table.test_rows().filter(|&row| table.ahead[row] as usize == ahead).count();
        let window = kept.start + shown.start..kept.start + shown.end;
        let caption = format!(
            "{}{}, {}{}.{not_drawn}",
            capitalised(&super::plot::steps_ahead(ahead)),
            self.which,
            excerpt(&window, total, self.saved),
            if dates.is_empty() { dates } else { format!(", {dates}") }
        );
        let per_request = self.saved.map(|saved| saved.spec.task.kind()) == Some("next_request");
        let along = if per_request { Along::Requests(kept.start + 1) } else { Along::Time(origin, time_s) };
        let plot = ForecastPlot {
            target: name.clone(),
            unit: unit.clone(),
            ahead: (self.horizon > 1).then_some(ahead),
            along,
            actual: pick(&table.actual[index]),
            tracks: tracks.collect(),
            shown,
        };
        let what = format!("forecast of {name} {}", super::plot::steps_ahead(ahead));
        let stem = if ahead == 1 {
            file_stem(&["forecast", name])
        } else {
            file_stem(&["forecast", name, &format!("step-{ahead}")])
        };
        figures.add_choice(
            FigureSection::Forecasts,
            choice,
            &what,
            stem,
            actual_and_forecast(&plot),
            caption,
        );
    }
}

/// The middle of so many steps, at most `most` of them.
pub fn middle(count: usize, most: usize) -> Range<usize> {
    let start = count.saturating_sub(most) / 2;
    start..(start + most).min(count)
}

/// The stretch of the test part that a plot shows, as part of a sentence.
fn excerpt(window: &Range<usize>, total: usize, saved: Option<&SavedRun>) -> String {
    let step = match saved.map(|saved| saved.spec.task.kind()) {
        Some("next_request") => "request",
        Some("window_load") => "time window",
        _ => "step",
    };
    let stride = saved.map_or(1, |saved| saved.predictions_stride);
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

    #[test]
    fn the_first_and_the_last_step_are_always_drawn() {
        assert_eq!(drawn_steps(1), [1]);
        assert_eq!(drawn_steps(4), [1, 2, 3, 4]);
        assert_eq!(drawn_steps(5), [1, 2, 3, 5]);
        assert_eq!(drawn_steps(12), [1, 3, 6, 12]);
        assert_eq!(drawn_steps(720), [1, 180, 360, 720]);
    }

    #[test]
    fn what_is_not_drawn_is_told() {
        let target = |name: &str| Target { name: name.to_string(), unit: String::new() };
        assert_eq!(not_drawn(&[1, 2], 2, &[]), "");
        assert_eq!(
            not_drawn(&[1, 3, 6, 12], 12, &[target("OT")]),
            " Of 12 steps ahead, 1, 3, 6, 12 are drawn. Not drawn: 1 further target (OT)."
        );
    }

    #[test]
    fn the_middle_is_as_far_from_either_end() {
        assert_eq!(middle(1_000, 200), 400..600);
        assert_eq!(middle(150, 200), 0..150);
    }
}
