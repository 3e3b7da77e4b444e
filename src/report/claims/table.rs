//! The judged claims as a table that every format can render.

use crate::compare::claims::{ClaimVerdict, Judgement};
use crate::report::cells::{number_like, or_dash};
use crate::report::tables::{ReportTable, TableCell, TableRow};
use crate::text::{number, percent};

/// One row for each claim: reported, accepted, reproduced, difference, runs, verdict.
pub fn table(judgements: &[Judgement]) -> ReportTable {
    let headers = ["claim", "verdict", "reported", "accepted", "reproduced", "difference", "runs"];
    ReportTable {
        headers: headers.map(String::from).to_vec(),
        text_columns: 2,
        rows: judgements.iter().map(row).collect(),
    }
}

fn row(judgement: &Judgement) -> TableRow {
    let claim = &judgement.claim;
    let mut verdict = TableCell::from(judgement.verdict.title());
    if judgement.is_known_miss() {
        verdict.marks.push("expected");
    } else if judgement.is_better_than_expected() {
        verdict.marks.push("a miss was expected");
    }
    let runs = if judgement.runs == judgement.planned {
        judgement.runs.to_string()
    } else {
        format!("{} of {}", judgement.runs, judgement.planned)
    };
    let cells = [
        TableCell::from(claim.name.clone()),
        verdict,
        or_dash(claim.reported, |value| value.to_string()).into(),
        accepted(judgement).into(),
        reproduced(judgement).into(),
        difference(judgement).into(),
        runs.into(),
    ];
    TableRow { cells: cells.to_vec(), winner: false, baseline: judgement.verdict == ClaimVerdict::NotRun }
}

/// `± 4%`, `≤ 0.5`, `0.1 to 0.2`.
fn accepted(judgement: &Judgement) -> String {
    let claim = &judgement.claim;
    match (claim.tolerance, claim.at_least, claim.at_most) {
        (Some(tolerance), _, _) => format!("± {tolerance}"),
        (None, Some(least), Some(most)) => format!("{least} to {most}"),
        (None, Some(least), None) => format!("≥ {least}"),
        (None, None, Some(most)) => format!("≤ {most}"),
        (None, None, None) => "-".to_string(),
    }
}

fn reproduced(judgement: &Judgement) -> String {
    match (judgement.value, judgement.spread) {
        (None, _) => "-".to_string(),
        (Some(value), None) => number(value),
        (Some(value), Some(spread)) => format!("{} ± {}", number(value), number_like(spread, value)),
    }
}

/// Relative to the reported value or the bound, where that is not zero.
fn difference(judgement: &Judgement) -> String {
    let (Some(difference), Some(value)) = (judgement.difference(), judgement.value) else {
        return "-".to_string();
    };
    let reference = value - difference;
    if reference == 0.0 { number(difference) } else { percent(difference / reference.abs()) }
}

/// A sentence for each reason why claims were expected to fail or were not judged, with the names of the claims.
pub fn reasons(judgements: &[Judgement]) -> Vec<String> {
    let mut sentences: Vec<(String, Vec<&str>)> = Vec::new();
    for judgement in judgements {
        let sentence = match (judgement.verdict, &judgement.claim.reason, &judgement.note) {
            (ClaimVerdict::NotRun, _, Some(note)) => format!("Not run: {note}"),
            (ClaimVerdict::Refuted, Some(reason), _) => format!("Expected miss: {reason}"),
            (ClaimVerdict::Reproduced, Some(_), _) => {
                "Reproduced although a miss was expected, so `expect` is out of date".to_string()
            }
            _ => continue,
        };
        match sentences.iter_mut().find(|(known, _)| *known == sentence) {
            Some((_, names)) => names.push(&judgement.claim.name),
            None => sentences.push((sentence, vec![&judgement.claim.name])),
        }
    }
    sentences
        .into_iter()
        .map(|(sentence, names)| format!("{}: {}.", sentence.trim_end_matches('.'), named(&names)))
        .collect()
}

/// The first few names.
fn named(names: &[&str]) -> String {
    const FEW: usize = 3;
    let shown = names.iter().take(FEW).copied().collect::<Vec<_>>().join("; ");
    let more = names.len().saturating_sub(FEW);
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
