//! The judged claims as text for the terminal.

use super::{reasons, table};
use crate::compare::claims::{Judgement, tally};

/// A table of the claims, of at most `width` characters a line, the reasons for their verdicts, and how many have which verdict.
pub fn claims_text(judgements: &[Judgement], width: usize) -> String {
    let mut lines = vec![table(judgements).to_text(width)];
    lines.extend(reasons(judgements));
    lines.push(tally(judgements));
    lines.join("\n")
}
