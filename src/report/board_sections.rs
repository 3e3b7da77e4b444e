//! The sections of a board that only some experiments have: intervals, folds, and breakdowns of the errors.

use super::board_figures::MOST_TARGETS;
use super::capacity_section;
use super::cells::{number_like, or_dash};
use super::section::Section;
use super::tables::{ReportTable, TableCell, TableRow, skill, skill_column, targets};
use crate::compare::{Board, BoardRow, Target};
use crate::model::intervals::LEVELS;
use crate::stats::POINT_WITHIN;
use crate::store::BreakdownRow;
use crate::text::{grouped, number, unit_beside};

/// The sections of a board that have something to show.
pub fn sections(board: &Board) -> Vec<Section> {
    [capacity_section::section(board), intervals(board), folds(board), breakdowns(board)]
        .into_iter()
        .flatten()
        .collect()
}

/// How well each model's intervals hold, target by target.
fn intervals(board: &Board) -> Option<Section> {
    let metrics = || {
        let agreement = std::iter::once((POINT_WITHIN.to_string(), ColumnKind::Share));
        let coverages = LEVELS.iter().map(|level| (format!("coverage_{level}"), ColumnKind::Share));
        let others = [
            ("width_80", ColumnKind::Neutral),
            ("winkler_80", ColumnKind::LowestIsBest),
            ("crps", ColumnKind::LowestIsBest),
        ];
        coverages.chain(others.map(|(name, kind)| (name.to_string(), kind))).chain(agreement)
    };
    let mut tables = Vec::new();
    for Target { name: target, unit } in targets(board).iter().take(MOST_TARGETS) {
        if board.rows.iter().all(|row| row.original(target, "crps").is_none()) {
            continue;
        }
        let columns: Vec<Vec<TableCell>> = metrics()
            .map(|(name, kind)| {
                let values: Vec<Option<f64>> =
                    board.rows.iter().map(|row| row.original(target, &name)).collect();
                value_column(kind, &values)
            })
            .chain([skill_column(board, target, "crps")])
            .collect();
        let levels = LEVELS.iter().map(|level| format!("within {level} %"));
        let headers = std::iter::once("model".to_string()).chain(levels).chain(
            ["width of 80 %", "Winkler of 80 %", "CRPS", "point in 50 %", "skill (CRPS)"].map(String::from),
        );
        let unit = match unit_beside(target, unit) {
            "" => String::new(),
            unit => format!(" in {unit}"),
        };
        tables.push((format!("`{target}`{unit}"), ReportTable::by_model(board, headers.collect(), &columns)));
    }
    (!tables.is_empty()).then(|| Section {
        title: "Interval scores",
        note: "Share of the test values within their interval, mean width, Winkler score and CRPS (lower is better) in \
               original units, averaged over runs. The intervals are conformal: they are calibrated on the second half \
               of the validation part, which is used for nothing else, and `adaptive` adjusts them after each error \
               that is known when the next forecast is made. Good intervals contain a share near their level and have \
               a low Winkler score. Skill is relative to the naive baseline with the lowest CRPS of the target. The point \
               is in its own 50 % interval where the model's errors are as often positive as negative; a point that is a \
               mean of skewed values, or of a model that errs to one side, may lie outside, since the interval follows \
               the errors and the point does not."
            .to_string(),
        tables,
    })
}

/// How the values of a column are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ColumnKind {
    /// In percent.
    Share,
    /// No value is marked as the best.
    Neutral,
    /// The lowest value is marked as the best.
    LowestIsBest,
}

/// Cells of one column.
fn value_column(kind: ColumnKind, values: &[Option<f64>]) -> Vec<TableCell> {
    let mut sizes: Vec<f64> = values.iter().flatten().copied().collect();
    sizes.sort_by(f64::total_cmp);
    let middle = sizes.get(sizes.len() / 2).copied().unwrap_or(0.0);
    let best = sizes.first().copied().filter(|_| kind == ColumnKind::LowestIsBest);
    let text = |value: f64| match kind {
        ColumnKind::Share => format!("{:.1} %", 100.0 * value),
        _ => number_like(value, middle),
    };
    values
        .iter()
        .map(|value| {
            value.map_or(TableCell::from("-"), |value| TableCell {
                text: text(value),
                best: best == Some(value),
                ..TableCell::default()
            })
        })
        .collect()
}

/// The test error in each fold, with the skill against the best baseline in the same fold.
fn folds(board: &Board) -> Option<Section> {
    let mut numbers: Vec<i64> =
        board.rows.iter().flat_map(|row| row.folds.iter().map(|own| own.fold)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() < 2 {
        return None;
    }
    let of = |row: &BoardRow, fold: i64| row.folds.iter().find(|own| own.fold == fold).map(|own| own.error);
    let baseline = board.best_baseline();
    let mut headers = vec!["model".to_string()];
    let mut columns = Vec::new();
    for &fold in &numbers {
        headers.extend([format!("fold {fold}"), "skill".to_string()]);
        let values: Vec<Option<f64>> = board.rows.iter().map(|row| of(row, fold)).collect();
        columns.push(value_column(ColumnKind::LowestIsBest, &values));
        let skills = board.rows.iter().map(|row| match baseline {
            Some(baseline) if baseline.model != row.model => skill(of(row, fold), of(baseline, fold)),
            _ => "-".to_string(),
        });
        columns.push(skills.map(TableCell::from).collect());
    }
    Some(Section {
        title: "Errors by fold",
        note: "Test error of each rolling origin, averaged over seeds. The origins follow one another in time, and no \
               step is tested twice. Skill is relative to the board's best naive baseline in the same fold."
            .to_string(),
        tables: vec![("Test error by fold".to_string(), ReportTable::by_model(board, headers, &columns))],
    })
}

/// The errors of the best model by hour, burst state and size, beside those of the best baseline.
fn breakdowns(board: &Board) -> Option<Section> {
    let of = |baseline| board.rows.iter().find(|row| row.baseline == baseline && !row.breakdowns.is_empty());
    let own = of(false).or(of(true))?;
    let reference = board.best_baseline().filter(|row| row.model != own.model);
    let mut tables = Vec::new();
    for (dimension, title) in [
        ("hour", "By hour of the day"),
        ("burst_state", "By the gap before the forecast (burst: below 10 ms, sparse: above 10 s)"),
        ("size", "By request tokens, in quartiles of the training part"),
    ] {
        let rows: Vec<TableRow> = own
            .breakdowns
            .iter()
            .filter(|row| row.dimension == dimension && row.name == "mae")
            .map(|row| breakdown_row(row, own, reference))
            .collect();
        // A single bucket repeats the errors by target.
        if rows.iter().any(|row| row.cells[0] != rows[0].cells[0]) {
            let mut headers = vec!["bucket".to_string(), "target".to_string(), "forecasts".to_string()];
            headers.push(format!("MAE of {}", own.model));
            headers.extend(reference.map(|reference| format!("MAE of {}", reference.model)));
            headers.extend(["skill (MAE)", "bias", "within 80 %"].map(String::from));
            tables.push((title.to_string(), ReportTable { headers, text_columns: 2, rows }));
        }
    }
    (!tables.is_empty()).then(|| Section {
        title: "Breakdowns",
        note: format!(
            "Test errors of {} in original units, averaged over its runs{}. Size is that of the forecast request or \
             window: grouped by the observed value, every forecaster looks worst at both ends.",
            own.label,
            reference.map_or(String::new(), |row| format!(", beside the best naive baseline, {}", row.label))
        ),
        tables,
    })
}

fn breakdown_row(row: &BreakdownRow, own: &BoardRow, reference: Option<&BoardRow>) -> TableRow {
    let find = |from: &BoardRow, name: &str| {
        let same = |other: &&BreakdownRow| {
            (&other.dimension, &other.bucket, &other.target) == (&row.dimension, &row.bucket, &row.target)
                && other.unit == "original"
                && other.name == name
        };
        from.breakdowns.iter().find(same).map(|other| other.value)
    };
    let other = reference.map(|reference| find(reference, "mae"));
    let text = |value: Option<f64>| or_dash(value, |value| number_like(value, row.value));
    let mut cells = vec![row.bucket.clone(), row.target.clone(), grouped(row.forecasts.cast_unsigned())];
    cells.push(number(row.value));
    cells.extend(other.map(text));
    cells.push(skill(Some(row.value), other.flatten()));
    cells.push(text(find(own, "bias")));
    cells.push(or_dash(find(own, "coverage_80"), |share| format!("{:.1} %", 100.0 * share)));
    TableRow { cells: cells.into_iter().map(TableCell::from).collect(), ..TableRow::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::test_fixtures;

    #[test]
    fn every_section_has_whole_tables() {
        let board = &test_fixtures::comparison().boards[0];
        let sections = sections(board);
        assert_eq!(
            sections.iter().map(|section| section.title).collect::<Vec<_>>(),
            ["Interval scores", "Errors by fold", "Breakdowns"]
        );
        for (_, table) in sections.iter().flat_map(|section| &section.tables) {
            assert!(!table.rows.is_empty());
            assert!(table.rows.iter().all(|row| row.cells.len() == table.headers.len()), "{table:?}");
        }
    }

    #[test]
    fn a_single_fold_and_runs_without_intervals_have_no_section() {
        let mut board = test_fixtures::comparison().boards[0].clone();
        for row in &mut board.rows {
            row.folds.truncate(1);
            row.breakdowns.clear();
            row.metrics.retain(|key, _| key.name == "mae");
        }
        assert_eq!(sections(&board), []);
    }

    #[test]
    fn skill_is_measured_in_the_same_bucket() {
        let board = &test_fixtures::comparison().boards[0];
        let sections = sections(board);
        let (_, table) = &sections[2].tables[0];
        let texts: Vec<&str> = table.rows[0].cells.iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(texts, ["18", "gap_s", "100", "0.7000", "1.0000", "+30.0 %", "0.1000", "79.0 %"]);
    }
}
