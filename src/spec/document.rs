//! The experiment file as a tree that remembers where every value stands.
//!
//! An axis (`{ grid = [...] }`) may stand wherever a value may, so the typed file is read once for each choice of
//! values: the axes are replaced in this tree, and errors still point at the place in the file.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{ExperimentError, Problem, Source};
use crate::text::nearest;

/// A value of the tree with its place.
pub type Node<'t> = Spanned<DeValue<'t>>;
/// The keys from the root to a value; entries of an array are numbered.
pub type Path = Vec<String>;

/// Keys of the longest path that an override may have.
const DEEPEST_OVERRIDE: usize = 16;

/// A parsed experiment file.
#[derive(Debug, Clone)]
pub struct Document<'t> {
    /// The text the tree was read from.
    pub source: &'t Source,
    root: Node<'t>,
}

impl<'t> Document<'t> {
    /// Parses the text and applies its `PATH=VALUE` overrides in order.
    ///
    /// # Errors
    /// A syntax error in either, with its place.
    pub fn parse(source: &'t Source) -> Result<Self, ExperimentError> {
        let table = DeTable::parse(&source.text).map_err(|error| syntax_problem(&error, 0).within(source))?;
        let root = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
        let mut document = Self { source, root };
        for index in 0..source.overrides.len() {
            document.apply_override(index).map_err(|problem| problem.within(source))?;
        }
        Ok(document)
    }

    fn apply_override(&mut self, index: usize) -> Result<(), Problem> {
        let offset = self.source.override_offset(index);
        let text = self.source.overrides[index].as_str();
        let whole = Some(offset..offset + text.len());
        let Some((path, value)) = text.split_once('=') else {
            return Err(Problem::at(whole, "an override is written PATH=VALUE")
                .help("for example --set training.epochs=3"));
        };
        let value_offset = offset + path.len() + 1;
        let keys: Vec<&str> = path.trim().split('.').collect();
        let key_span = offset..offset + path.len();
        if keys.len() > DEEPEST_OVERRIDE {
            return Err(
                Problem::at(Some(key_span), "this path is too deep").help("for example training.epochs")
            );
        }
        let node = match DeValue::parse(value) {
            Ok(node) => shifted(node.span(), node.into_inner(), value_offset),
            // A bare word is taken as a string, since quoting inside a shell is a nuisance.
            Err(_)
                if value.chars().all(|c| c.is_alphanumeric() || "-_./:".contains(c)) && !value.is_empty() =>
            {
                let string = DeValue::String(Cow::Borrowed(value));
                Spanned::new(value_offset..value_offset + value.len(), string)
            }
            Err(error) => return Err(syntax_problem(&error, value_offset)),
        };
        let mut targets = vec![&mut self.root];
        for key in &keys[..keys.len() - 1] {
            targets = descend(targets, key, &key_span);
            if targets.is_empty() {
                return Err(Problem::at(
                    Some(key_span),
                    format!("`{key}` of this override is not in the file"),
                )
                .help("name a table of the file, and a model as models.lstm.hidden"));
            }
        }
        let last = keys[keys.len() - 1];
        let last_span = key_span.end - last.len()..key_span.end;
        for target in targets {
            let DeValue::Table(table) = target.get_mut() else {
                return Err(Problem::at(Some(key_span), format!("nothing can be set inside `{path}`")));
            };
            // A key of the file keeps its place, so that errors about it point there only if the value is the file's.
            table.remove(last);
            table.insert(Spanned::new(last_span.clone(), Cow::Borrowed(last)), node.clone());
        }
        Ok(())
    }

    /// The root of the tree.
    pub fn root(&self) -> &Node<'t> {
        &self.root
    }

    /// The value at a path.
    pub fn get(&self, path: &[&str]) -> Option<&Node<'t>> {
        path.iter().try_fold(&self.root, |node, key| child(node, key))
    }

    /// Place of the value at a path, or of its nearest ancestor that is in the file.
    pub fn span_of(&self, path: &[String]) -> Option<Range<usize>> {
        let mut node = &self.root;
        let mut span = None;
        for key in path {
            let Some(next) = child(node, key) else { break };
            node = next;
            span = Some(node.span());
        }
        span
    }

    /// Place of the key at a path; `None` if it is not in the file.
    pub fn key_span_of(&self, path: &[String]) -> Option<Range<usize>> {
        let (last, parents) = path.split_last()?;
        let parent = parents.iter().try_fold(&self.root, |node, key| child(node, key))?;
        let DeValue::Table(table) = parent.get_ref() else { return None };
        table.get_key_value(last.as_str()).map(|(key, _)| key.span())
    }

    /// The tree with some of its values replaced.
    pub fn with<'s>(&self, replacements: &[(&Path, &Node<'s>)]) -> Document<'s>
    where
        't: 's,
    {
        let mut changed: Document<'s> = self.clone();
        for (path, value) in replacements {
            let target = path.iter().try_fold(&mut changed.root, |node, key| child_mut(node, key));
            if let Some(target) = target {
                *target = (*value).clone();
            }
        }
        changed
    }

    /// Reads the tree as a type.
    ///
    /// # Errors
    /// An unknown key, a wrong type or a missing key, with its place.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let DeValue::Table(table) = self.root.get_ref().clone() else {
            return Err(Problem::at(None, "an experiment file is a TOML table"));
        };
        T::deserialize(toml::Deserializer::from(Spanned::new(self.root.span(), table)))
            .map_err(|error| typed_problem(&error))
    }
}

/// Turns serde's message into one with a caret and, for a typo, the nearest key.
fn typed_problem(error: &toml::de::Error) -> Problem {
    let message = error.message().trim().to_string();
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let span = error.span();
    let in_text = span.clone().filter(|span| span.start < span.end);
    match (message.split(' ').next(), quoted.as_slice()) {
        (Some("unknown"), [wrong, known @ ..]) => {
            let what = if message.starts_with("unknown field") { "key" } else { "value" };
            let mut problem = Problem::at(in_text, format!("unknown {what} `{wrong}`"));
            if let Some(key) = nearest(wrong, known.iter().copied()) {
                problem = problem.label(format!("did you mean `{key}`?"));
            }
            if known.is_empty() {
                problem.help("nothing can be set here")
            } else {
                problem.help(format!("known here: {}", known.join(", ")))
            }
        }
        (Some("missing"), [key, ..]) => {
            Problem::at(in_text, format!("the key `{key}` is missing")).label("in this table")
        }
        (Some("invalid"), _) => Problem::at(in_text, expectation(&message)),
        _ => Problem::at(in_text, message.clone()),
    }
}

/// `invalid type: string "a", expected usize` in words that do not need Rust.
fn expectation(message: &str) -> String {
    let Some((found, expected)) = message.split_once(", expected ") else { return message.to_string() };
    let found =
        found.split_once(": ").map_or(found, |(_, found)| found).replace("floating point", "the number");
    let expected = match expected {
        "usize" | "u64" | "u32" => "a whole number that is not negative",
        "f64" | "f32" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        other => other,
    };
    format!(
        "{expected} is expected here, not {}",
        found.replace("integer ", "the integer ").replace("string ", "the string ")
    )
}

fn syntax_problem(error: &toml::de::Error, offset: usize) -> Problem {
    let span = error.span().map(|span| span.start + offset..span.end + offset);
    Problem::at(span, format!("this is not TOML: {}", error.message().trim()))
}

/// A number as a value of the tree; sampled axes write theirs this way.
pub fn number(text: &str) -> DeValue<'_> {
    DeValue::parse(text).map_or(DeValue::String(Cow::Borrowed(text)), Spanned::into_inner)
}

/// Moves every place of a parsed override to where the override stands in the common span space.
fn shifted(span: Range<usize>, value: DeValue<'_>, offset: usize) -> Node<'_> {
    let value = match value {
        DeValue::Array(array) => DeValue::Array(
            array.into_iter().map(|item| shifted(item.span(), item.into_inner(), offset)).collect(),
        ),
        DeValue::Table(table) => DeValue::Table(
            table
                .into_iter()
                .map(|(key, item)| {
                    let key_span = key.span().start + offset..key.span().end + offset;
                    let item = shifted(item.span(), item.into_inner(), offset);
                    (Spanned::new(key_span, key.into_inner()), item)
                })
                .collect(),
        ),
        other => other,
    };
    Spanned::new(span.start + offset..span.end + offset, value)
}

fn child<'a, 't>(node: &'a Node<'t>, key: &str) -> Option<&'a Node<'t>> {
    match node.get_ref() {
        DeValue::Table(table) => table.get(key),
        DeValue::Array(array) => key.parse::<usize>().ok().and_then(|index| array.get(index)),
        _ => None,
    }
}

fn child_mut<'a, 't>(node: &'a mut Node<'t>, key: &str) -> Option<&'a mut Node<'t>> {
    match node.get_mut() {
        DeValue::Table(table) => table.get_mut(key),
        DeValue::Array(array) => key.parse::<usize>().ok().and_then(|index| array.get_mut(index)),
        _ => None,
    }
}

/// One level down for an override: a missing table is made; in `[[models]]` a key names the entries of its kind.
fn descend<'a, 't>(nodes: Vec<&'a mut Node<'t>>, key: &'t str, span: &Range<usize>) -> Vec<&'a mut Node<'t>> {
    let mut found = Vec::new();
    for node in nodes {
        match node.get_mut() {
            DeValue::Table(table) => {
                if table.get(key).is_none() {
                    let empty = Spanned::new(span.clone(), DeValue::Table(DeTable::new()));
                    table.insert(Spanned::new(span.clone(), Cow::Borrowed(key)), empty);
                }
                found.extend(table.get_mut(key));
            }
            DeValue::Array(array) => {
                for entry in array.iter_mut() {
                    if let DeValue::Table(table) = entry.get_mut() {
                        found.extend(table.get_mut(key));
                    }
                }
            }
            _ => {}
        }
    }
    found
}
