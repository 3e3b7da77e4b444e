//! The judged claims as a JUnit XML file, which CI systems show beside their tests.

use std::fmt::Write;

use crate::compare::claims::{ClaimVerdict, Judgement};
use crate::text::number;

/// One suite for each experiment. An unexpected refutation is a failure, a claim that was not judged is skipped, and an
/// expected miss passes with its reason.
pub fn junit(experiments: &[(String, Vec<Judgement>)]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let all = || experiments.iter().flat_map(|(_, judgements)| judgements);
    // Writing into a string cannot fail.
    let _ = writeln!(text, "<testsuites name=\"burstlab claims\" {}>", counts(all()));
    for (experiment, judgements) in experiments {
        let name = escaped(experiment);
        let _ = writeln!(text, "  <testsuite name=\"{name}\" {}>", counts(judgements.iter()));
        for judgement in judgements {
            case(&mut text, &name, judgement);
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn counts<'a>(judgements: impl Iterator<Item = &'a Judgement> + Clone) -> String {
    let failures = judgements.clone().filter(|judgement| judgement.is_surprise()).count();
    let skipped = judgements.clone().filter(|judgement| judgement.verdict == ClaimVerdict::NotRun).count();
    let tests = judgements.count();
    format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\"")
}

fn case(text: &mut String, experiment: &str, judgement: &Judgement) {
    let name = escaped(&judgement.claim.name);
    let _ = write!(text, "    <testcase classname=\"{experiment}\" name=\"{name}\"");
    let found = found(judgement);
    let _ = match judgement.verdict {
        ClaimVerdict::NotRun => {
            let note = judgement.note.as_deref().unwrap_or("not run");
            writeln!(text, "><skipped message=\"{}\"/></testcase>", escaped(note))
        }
        ClaimVerdict::Refuted if judgement.is_surprise() => writeln!(
            text,
            "><failure type=\"refuted\" message=\"{}\">{}</failure></testcase>",
            escaped(&found),
            escaped(judgement.claim.source.as_deref().unwrap_or_default())
        ),
        _ => {
            let reason = judgement.claim.reason.as_deref().filter(|_| judgement.is_known_miss());
            let reason = reason.map_or(String::new(), |reason| format!("; refuted as expected: {reason}"));
            writeln!(text, "><system-out>{}</system-out></testcase>", escaped(&format!("{found}{reason}")))
        }
    };
}

/// `0.4584 (± 0.0031 over 5 runs), from 0.402 to 0.434 accepted`.
fn found(judgement: &Judgement) -> String {
    let value = judgement.value.map_or("without a value".to_string(), number);
    let spread = judgement.spread.map_or(String::new(), |spread| format!("± {} ", number(spread)));
    let (lowest, highest) = judgement.claim.accepted();
    let accepted = match (lowest.is_finite(), highest.is_finite()) {
        (true, true) => format!("from {} to {} accepted", number(lowest), number(highest)),
        (true, false) => format!("at least {} accepted", number(lowest)),
        _ => format!("at most {} accepted", number(highest)),
    };
    let metric = &judgement.claim.metric;
    format!("{metric} {value} ({spread}over {} runs), {accepted}", judgement.runs)
}

/// Text escaped for XML; characters that XML 1.0 forbids are left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' | '\r' => out.push(' '),
            '\u{fffe}' | '\u{ffff}' => {}
            other if other.is_control() => {}
            other => out.push(other),
        }
    }
    out
}
