//! The plot of the first screen: how much better each model is than the best naive baseline.

use super::board_figures::{BoardFigures, FigureSection};
use super::cells::{mean_spread, p_value_text};
use super::labels::ModelLabels;
use super::plot::{SkillEvidence, SkillKind, SkillRow, skill_plot};
use crate::compare::{Board, BoardRow, Comparison, Difference, FEWEST_BLOCKS, Significance};
use crate::text::{number, with_decimals};

/// What the models are compared with: the best naive baseline, or without one the best model.
struct Reference<'a> {
    row: &'a BoardRow,
    label: String,
    is_baseline: bool,
}

impl Reference<'_> {
    /// The difference of a model to it.
    fn difference<'r>(&self, row: &'r BoardRow) -> Option<&'r Difference> {
        if self.is_baseline { row.against_baseline.as_ref() } else { row.against_best.as_ref() }
    }
}

/// Adds the plot of skills. A board of one model has none.
pub fn draw_skill(comparison: &Comparison, board: &Board, labels: &ModelLabels, figures: &mut BoardFigures) {
    let baseline = board.best_baseline();
    let Some(row) = baseline.or(board.rows.first()).filter(|_| board.rows.len() > 1) else { return };
    let reference = Reference { row, label: labels.short(row), is_baseline: baseline.is_some() };
    let metric = comparison.objective.metric.as_str();
    let error = row.test.mean;
    if !(error > 0.0 && error.is_finite()) {
        figures.missing.push(format!(
            "The skill of the models is not drawn: the {metric} of {} is {}, which nothing can be compared with.",
            reference.label,
            number(error)
        ));
        return;
    }
    let mut rows: Vec<SkillRow> =
        board.rows.iter().map(|row| skill_row(row, &reference, labels.short(row), metric)).collect();
    // The rows of a board are in the order of their errors, baselines among them.
    rows[0].is_best = true;
    if reference.is_baseline && reference.row.run_ids == board.rows[0].run_ids {
        rows[0].value = "best of all".to_string();
    }
    let title = if reference.is_baseline {
        "Skill against the best naive baseline".to_string()
    } else {
        "Error against that of the best model".to_string()
    };
    let quantity = format!("reduction of the test {metric}, %");
    let zero = format!("{}: {metric} {}", reference.label, number(error));
    let caption = format!(
        "By how much the {} on the test part is below that of {}; right of the line is better.{}{}",
        comparison.objective_title(),
        reference.label,
        intervals(board, &reference, metric),
        labels.note()
    );
    let drawn = skill_plot(&title, &quantity, &zero, &rows);
    figures.add(FigureSection::Skill, "skill of the models", "leaderboard".to_string(), drawn, caption);
}

fn skill_row(row: &BoardRow, reference: &Reference<'_>, label: String, metric: &str) -> SkillRow {
    let error = reference.row.test.mean;
    let is_reference = row.run_ids == reference.row.run_ids;
    let skill = if is_reference { 0.0 } else { 100.0 * (1.0 - row.test.mean / error) };
    let difference = reference.difference(row).filter(|_| !is_reference);
    // The difference is of the mean loss of each window, which is the metric only where both have one name.
    let of_metric = difference.filter(|difference| difference.loss == metric);
    let interval =
        of_metric.filter(|difference| is_of_same_windows(difference, row, error)).map(|difference| {
            // A lower error is a higher skill. The error of the reference is taken as fixed.
            (-100.0 * difference.upper / error, -100.0 * difference.lower / error)
        });
    let p_value =
        difference.map_or(String::new(), |difference| format!(", {}", p_value_text(difference.holm_p_value)));
    let value = match (is_reference, reference.is_baseline) {
        (true, true) => "best baseline".to_string(),
        (true, false) => "best".to_string(),
        (false, _) => format!("{}{p_value}", percent(skill)),
    };
    SkillRow {
        label,
        skill,
        interval,
        kind: if row.baseline { SkillKind::Baseline } else { SkillKind::Model },
        is_best: false,
        standing: match Significance::of(difference) {
            _ if is_reference => SkillEvidence::Reference,
            Significance::Significant { .. } => SkillEvidence::Significant,
            _ => SkillEvidence::NotSignificant,
        },
        value,
        details: format!("{metric} {}", mean_spread(row.test)),
    }
}

/// Whether a difference was measured over the windows that the errors are of: of long test parts only some windows are kept,
/// and folds may differ in length.
fn is_of_same_windows(difference: &Difference, row: &BoardRow, error: f64) -> bool {
    let apart = (difference.mean - (row.test.mean - error)).abs();
    apart <= 0.1 * (difference.upper - difference.lower) + 1e-9 * error
}

/// A signed percentage with the decimals that its size is worth.
fn percent(skill: f64) -> String {
    let decimals = match skill.abs() {
        size if size < 0.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    let size = with_decimals(skill.abs(), decimals);
    let sign = match skill {
        _ if size.bytes().all(|byte| matches!(byte, b'0' | b'.')) => "",
        skill if skill < 0.0 => "\u{2212}",
        _ => "+",
    };
    format!("{sign}{size} %")
}

/// Sentences about the intervals and about why some are missing.
fn intervals(board: &Board, reference: &Reference<'_>, metric: &str) -> String {
    let others = || board.rows.iter().filter(|row| row.run_ids != reference.row.run_ids);
    let losses: Vec<&str> = others().filter_map(|row| Some(reference.difference(row)?.loss)).collect();
    let untested = others().filter(|row| reference.difference(row).is_none()).count();
    let mut sentences = Vec::new();
    if losses.contains(&metric) {
        sentences.push(
            "Lines are 95 % intervals of the difference over the test windows; filled dots are significant at 5 % after \
             Holm's correction."
                .to_string(),
        );
    }
    if let Some(loss) = losses.iter().find(|loss| **loss != metric) {
        sentences.push(format!(
            "The differences were tested in the {loss} of each window, whose interval is not one of the {metric}, so that \
             none is drawn; filled dots are significant at 5 %."
        ));
    }
    let error = reference.row.test.mean;
    let is_apart = |row: &BoardRow| {
        let difference = reference.difference(row).filter(|difference| difference.loss == metric);
        difference.is_some_and(|difference| !is_of_same_windows(difference, row, error))
    };
    if others().any(is_apart) {
        sentences.push(
            "A dot without a line was tested on other windows than its error is of, since not all windows are kept.".to_string(),
        );
    }
    let few = |row: &&BoardRow| {
        matches!(Significance::of(reference.difference(row)), Significance::TooFewBlocks { .. })
    };
    if others().any(|row| few(&row)) {
        sentences.push(format!(
            "The test part has fewer than {FEWEST_BLOCKS} blocks of windows, so that no small p-value makes a dot a filled one."
        ));
    }
    if untested > 0 && board.completion.is_partial() {
        sentences.push("Nothing is tested as long as runs are to come.".to_string());
    } else if untested > 0 {
        sentences.push("A dot without a p-value could not be compared window by window.".to_string());
    }
    let sentences = sentences.join(" ");
    if sentences.is_empty() { sentences } else { format!(" {sentences}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::test_fixtures;
    use crate::report::plot::ChartMarks;
    use crate::spec::Metric;

    fn drawn(comparison: &Comparison) -> BoardFigures {
        let mut figures = BoardFigures::default();
        let board = &comparison.boards[0];
        draw_skill(comparison, board, &ModelLabels::of(board), &mut figures);
        figures
    }

    /// The dot and the ends of the interval of the model.
    fn interval(figures: &BoardFigures) -> [f64; 3] {
        let series = &figures.plots[0].plot.chart.panels[0].series;
        let of_model = series.iter().find(|series| series.name.starts_with("best")).unwrap();
        let ChartMarks::Intervals { points, .. } = &of_model.marks else { panic!() };
        [points[0][0], points[0][1], points[0][2]]
    }

    #[test]
    fn the_interval_of_the_difference_becomes_one_of_the_skill() {
        let figures = drawn(&test_fixtures::comparison());
        let (found, expected) = (interval(&figures), [30.0, 20.0, 40.0]);
        assert!(
            found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6),
            "{found:?}"
        );
        let svg = &figures.plots[0].plot.svg;
        assert!(svg.contains("+30.0 %, p = 0.002") && svg.contains("best baseline"), "{svg}");
        assert!(figures.plots[0].caption.contains("95 % intervals"));
    }

    #[test]
    fn a_baseline_that_wins_is_the_best_of_all_and_no_model_is() {
        let mut comparison = test_fixtures::comparison();
        comparison.boards[0].rows.reverse();
        let figures = drawn(&comparison);
        let svg = &figures.plots[0].plot.svg;
        assert!(svg.contains("best of all") && !svg.contains("best model"), "{svg}");
    }

    #[test]
    fn a_difference_in_another_loss_has_no_interval_and_the_caption_says_why() {
        let mut comparison = test_fixtures::comparison();
        comparison.objective.metric = Metric::Rmse;
        let figures = drawn(&comparison);
        let [skill, lower, upper] = interval(&figures);
        assert!(skill == lower && skill == upper);
        assert!(figures.plots[0].caption.contains("tested in the mse"), "{}", figures.plots[0].caption);
    }

    #[test]
    fn without_a_baseline_models_are_compared_with_the_best() {
        let mut comparison = test_fixtures::comparison();
        for row in &mut comparison.boards[0].rows {
            row.baseline = false;
        }
        let figures = drawn(&comparison);
        assert_eq!(figures.plots[0].plot.title, "Error against that of the best model");
        assert!(figures.plots[0].plot.svg.contains("\u{2212}42.9 %"));
    }

    #[test]
    fn an_error_of_zero_is_told_and_a_lone_model_has_no_plot() {
        let mut comparison = test_fixtures::comparison();
        comparison.boards[0].rows[1].test.mean = 0.0;
        assert!(drawn(&comparison).missing[0].contains("nothing can be compared with"));
        comparison.boards[0].rows.truncate(1);
        assert_eq!(drawn(&comparison), BoardFigures::default());
    }

    #[test]
    fn percentages_are_signed_and_grouped() {
        let texts = [10.72, 0.034, -0.001, -5_001.2, 0.0].map(percent);
        assert_eq!(texts, ["+10.7 %", "+0.03 %", "0.00 %", "\u{2212}5,001 %", "0.00 %"]);
    }
}
