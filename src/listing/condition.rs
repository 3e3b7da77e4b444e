//! Which runs a list picks: conditions on parameters, as labels print them, and a stretch of time.

use serde_json::Value;

use super::refusal;
use crate::spec::lookup;
use crate::store::{Moment, RunFilter, RunRow, Store};
use crate::text::nearest;

/// More names than these are not listed in a message.
const MOST_NAMES: usize = 8;
/// Significant digits to which labels round a number that is long.
const LABEL_DIGITS: usize = 4;
/// What a condition may be about beside the parameters.
pub const CONDITION_COLUMNS: [&str; 6] = ["experiment", "model", "seed", "fold", "status", "device"];

/// Conditions that runs must meet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunConditions {
    /// On parameters and columns.
    pub conditions: Vec<Condition>,
    /// Only runs that ended since then.
    pub since: Option<Moment>,
    /// Only runs that ended until then.
    pub until: Option<Moment>,
    /// Only runs with this tag, or of a revision with it.
    pub tag: Option<String>,
}

impl RunConditions {
    /// Whether every run is picked.
    pub fn pick_all(&self) -> bool {
        self.conditions.is_empty() && self.since.is_none() && self.until.is_none() && self.tag.is_none()
    }

    /// The runs of a store that pass another filter and meet the conditions.
    ///
    /// # Errors
    /// A store that cannot be read, or a parameter that no run has.
    pub fn runs(&self, store: &mut Store, filter: &RunFilter) -> anyhow::Result<Vec<RunRow>> {
        let mut conditions = self.conditions.clone();
        let filter = &RunFilter { tag: self.tag.clone(), ..filter.clone() };
        let mut runs = store.runs(filter)?;
        for condition in &mut conditions {
            if let Some(path) = known_path(&condition.path, &runs)? {
                condition.path = path;
            } else if !runs.is_empty()
                && known_path(
                    &condition.path,
                    &store.runs(&RunFilter { archived: true, ..RunFilter::default() })?,
                )?
                .is_none()
            {
                return Err(unknown(&condition.path, &known_paths(&runs)));
            }
        }
        runs.retain(|run| {
            self.is_in_time(run.finished_at.as_deref().or(run.started_at.as_deref()))
                && conditions.iter().all(|condition| condition.holds(run))
        });
        Ok(runs)
    }

    /// Whether a run that ended then, or began then and goes on, is in the stretch of time.
    pub fn is_in_time(&self, ended: Option<&str>) -> bool {
        let is_in_time = ended.is_some_and(|ended| {
            self.since.as_ref().is_none_or(|since| since.is_reached_at(ended))
                && self.until.as_ref().is_none_or(|until| until.is_not_over_at(ended))
        });
        is_in_time || (self.since.is_none() && self.until.is_none())
    }
}

/// Reads a point in time; `what` names where it was given.
///
/// # Errors
/// A text that is no time.
pub fn parse_moment(what: &str, text: &str) -> anyhow::Result<Moment> {
    Moment::parse(text).ok_or_else(|| {
        refusal(format!(
            "{what} {text}: this is neither an age nor a date; give for example 7d, 12h, 2026-11-01 or \
             2026-11-01T08:30 (UTC)"
        ))
    })
}

/// A condition on one parameter of a run, or on one of its [`CONDITION_COLUMNS`].
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The parameter's path, or an end of it.
    pub path: String,
    operator: Operator,
    /// One value, or those of `in`.
    wanted: Vec<String>,
}

/// How a condition compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// The operators as they are written; the longer ones come first.
const OPERATORS: [(&str, Operator); 7] = [
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("!=", Operator::Unequal),
    ("==", Operator::Equal),
    ("=", Operator::Equal),
    ("<", Operator::Below),
    (">", Operator::Above),
];

impl Condition {
    /// Reads a condition such as `hidden=64`, `learning_rate<0.01` or `lookback in 20,50`.
    ///
    /// # Errors
    /// A text that is no condition.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let malformed = || {
            refusal(format!(
                "`{text}` is not a condition; write a parameter, an operator (= != < <= > >= in) and a value, e.g. \
                 --where hidden=64 or --where \"lookback in 20,50\""
            ))
        };
        let sign = text.find(['<', '>', '=', '!']).unwrap_or(text.len());
        let (path, operator, wanted) = if let Some(word) = text.find(" in ").filter(|word| *word < sign) {
            let list = text[word + " in ".len()..].trim().trim_matches(['(', ')', '[', ']']);
            (&text[..word], Operator::Equal, list.split(',').map(unquoted).collect())
        } else {
            let rest = &text[sign..];
            let found = OPERATORS.iter().find(|(written, _)| rest.starts_with(written));
            let (written, operator) = found.ok_or_else(malformed)?;
            (&text[..sign], *operator, vec![unquoted(&rest[written.len()..])])
        };
        let ordered = !matches!(operator, Operator::Equal | Operator::Unequal);
        if path.trim().is_empty() || wanted.iter().any(String::is_empty) {
            return Err(malformed());
        }
        if let Some(word) = wanted.iter().find(|word| ordered && amount(word).is_none()) {
            return Err(refusal(format!(
                "`{word}` is neither a number nor a length of time, so no value is below or above it; use = or !="
            )));
        }
        Ok(Self { path: path.trim().to_string(), operator, wanted })
    }

    /// Whether a run meets the condition; one without the parameter does not.
    pub fn holds(&self, run: &RunRow) -> bool {
        let column = match self.path.as_str() {
            "experiment" => Some(Value::from(run.experiment.as_str())),
            "model" => Some(Value::from(run.model.as_str())),
            "seed" => Some(Value::from(run.seed)),
            "fold" => Some(Value::from(run.fold)),
            "status" => Some(Value::from(run.status.as_str())),
            "device" => Some(Value::from(run.device.as_str())),
            _ => None,
        };
        column.as_ref().or_else(|| lookup(&run.params, &self.path)).is_some_and(|found| self.is_met_by(found))
    }

    /// Whether a value meets the condition.
    pub fn is_met_by(&self, found: &Value) -> bool {
        let equal = self.wanted.iter().any(|wanted| shows(wanted, found));
        let compared = || {
            let found = found.as_f64().or_else(|| amount(found.as_str()?))?;
            found.partial_cmp(&amount(&self.wanted[0])?)
        };
        match self.operator {
            Operator::Equal => equal,
            Operator::Unequal => !equal,
            Operator::AtMost => equal || compared().is_some_and(std::cmp::Ordering::is_lt),
            Operator::AtLeast => equal || compared().is_some_and(std::cmp::Ordering::is_gt),
            Operator::Below => !equal && compared().is_some_and(std::cmp::Ordering::is_lt),
            Operator::Above => !equal && compared().is_some_and(std::cmp::Ordering::is_gt),
        }
    }
}

/// A word without spaces and quotes around it.
fn unquoted(word: &str) -> String {
    let word = word.trim();
    let inner = ['"', '\''].iter().find_map(|quote| word.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.unwrap_or(word).to_string()
}

/// A number, or the seconds of a length of time such as `5min`.
fn amount(text: &str) -> Option<f64> {
    let seconds = || humantime::parse_duration(text).ok().map(|length| length.as_secs_f64());
    text.parse().ok().or_else(seconds)
}

/// Whether a value is the one that a text shows. Labels round long numbers, so a number counts as equal if it is once it has
/// as many significant digits as the text, and at least as many as a label.
fn shows(text: &str, value: &Value) -> bool {
    match value {
        Value::String(found) => {
            found == text || amount(found).is_some_and(|found| amount(text) == Some(found))
        }
        Value::Number(found) => text.parse::<f64>().is_ok_and(|wanted| {
            let exact = found.as_f64().unwrap_or(f64::NAN);
            let digits = significant_digits(text).max(LABEL_DIGITS);
            exact == wanted || (found.is_f64() && format!("{exact:.*e}", digits - 1).parse() == Ok(wanted))
        }),
        other => {
            let written = other.to_string();
            written == text.replace(' ', "")
        }
    }
}

/// The significant digits that a number is written with, but for zeros at its end.
fn significant_digits(text: &str) -> usize {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len()
}

/// The path that runs have and that is, or alone ends as, what was typed; `None` if no path does.
pub(super) fn known_path(typed: &str, runs: &[RunRow]) -> anyhow::Result<Option<String>> {
    path_among(typed, &known_paths(runs))
}

/// The path among these that is, or alone ends as, what was typed; `None` if none does.
///
/// # Errors
/// The end of several paths.
pub fn path_among(typed: &str, known: &[String]) -> anyhow::Result<Option<String>> {
    if CONDITION_COLUMNS.contains(&typed) || known.iter().any(|path| path == typed) {
        return Ok(Some(typed.to_string()));
    }
    let ends = |path: &&String| path.strip_suffix(typed).is_some_and(|before| before.ends_with('.'));
    match known.iter().filter(ends).collect::<Vec<_>>().as_slice() {
        [] => Ok(None),
        [only] => Ok(Some((*only).clone())),
        several => {
            let names: Vec<&str> = several.iter().take(MOST_NAMES).map(|path| path.as_str()).collect();
            Err(refusal(format!(
                "`{typed}` is the end of several parameters: {}; give more of its path",
                names.join(", ")
            )))
        }
    }
}

fn known_paths(runs: &[RunRow]) -> Vec<String> {
    let mut known: Vec<String> = runs.iter().flat_map(|run| paths(&run.params)).collect();
    known.sort();
    known.dedup();
    known
}

/// Refuses a parameter that no run has: it is a typo, and must not look like an empty answer.
pub fn unknown(typed: &str, known: &[String]) -> anyhow::Error {
    // A typo of the whole path, or of its end.
    let end = |path: &String| path.rsplit('.').next().unwrap_or_default().to_string();
    let ends: Vec<String> = known.iter().map(end).collect();
    let near = nearest(typed, known.iter().chain(&ends).map(String::as_str).chain(CONDITION_COLUMNS));
    let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    refusal(format!("no run has a parameter `{typed}`{hint}"))
}

/// Every dotted path of a run's parameters.
pub fn paths(params: &Value) -> Vec<String> {
    let Value::Object(fields) = params else { return Vec::new() };
    let below = |(key, value): (&String, &Value)| match value {
        Value::Object(_) => paths(value).into_iter().map(|path| format!("{key}.{path}")).collect(),
        _ => vec![key.clone()],
    };
    fields.iter().flat_map(below).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parsed(text: &str) -> (String, Operator, Vec<String>) {
        let condition = Condition::parse(text).unwrap();
        (condition.path, condition.operator, condition.wanted)
    }

    #[test]
    fn conditions_are_a_path_an_operator_and_values() {
        let of = |path: &str, operator, wanted: &[&str]| {
            (path.to_string(), operator, wanted.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(parsed("model.hidden=64"), of("model.hidden", Operator::Equal, &["64"]));
        assert_eq!(parsed("hidden == 64"), of("hidden", Operator::Equal, &["64"]));
        assert_eq!(parsed("hidden>=64"), of("hidden", Operator::AtLeast, &["64"]));
        assert_eq!(parsed("rate < 1e-2"), of("rate", Operator::Below, &["1e-2"]));
        assert_eq!(parsed("kind != \"lstm\""), of("kind", Operator::Unequal, &["lstm"]));
        assert_eq!(parsed("lookback in 20, 50"), of("lookback", Operator::Equal, &["20", "50"]));
        assert_eq!(parsed("kind in ['lstm', gru]"), of("kind", Operator::Equal, &["lstm", "gru"]));
        assert_eq!(
            parsed("source=/x/year=2019/a in b"),
            of("source", Operator::Equal, &["/x/year=2019/a in b"])
        );
        for malformed in ["hidden", "=64", "hidden=", "hidden!64", "lookback in 20,,50", "kind<lstm", ""] {
            assert!(Condition::parse(malformed).is_err(), "{malformed}");
        }
    }

    #[test]
    fn a_number_equals_what_a_label_shows_of_it_and_no_other() {
        let shown = |text: &str, value: Value| shows(text, &value);
        assert!(shown("0.007196", json!(0.007_196_341)) && shown("7.196e-3", json!(0.007_196_341)));
        assert!(shown("123500.0", json!(123_456.789)) && shown("0.3", json!(0.1 + 0.2)));
        assert!(shown("64", json!(64)) && shown("64.0", json!(64)) && shown("1m", json!("60s")));
        assert!(!shown("0.007197", json!(0.007_196_341)) && !shown("0.01", json!(0.012)));
        assert!(!shown("0.0071964", json!(0.007_196_341)) && !shown("65540", json!(65_536)));
        assert!(shown("true", json!(true)) && !shown("1", json!(true)) && !shown("64", json!("64 runs")));
    }

    proptest! {
        #[test]
        fn whatever_a_label_prints_finds_its_number(number in any::<f64>().prop_filter("finite", |x| x.is_finite())) {
            let params = json!({ "model": { "kind": "lstm", "x": number } });
            let label = crate::spec::run_label(&params, [&"model.x".to_string()]);
            let printed = label.split('=').nth(1).unwrap();
            prop_assert!(shows(printed, &json!(number)), "{} for {}", printed, number);
        }
    }
}
