//! The experiment file as a tree that remembers where every value stands.
//!
//! An axis (`{ grid = [...] }`) may stand wherever a value may, so the typed file is read once for each choice of
//! values: the axes are replaced in this tree, and errors still point at the place in the file.

use std::ops::Range;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::base;
use super::deserialize::typed;
use super::overrides::apply_override;
use super::problem::{ExperimentError, Problem};
use super::resolved::resolved_text;
use super::source::ExperimentText;
use super::tree::{TomlNode, TomlValue};

/// The keys from the root to a value; entries of a list are numbered.
pub type KeyPath = Vec<String>;

/// A parsed experiment file, with what it takes from its bases.
#[derive(Debug, Clone)]
pub struct ExperimentDocument {
    /// The texts that the tree was read from.
    pub source: Arc<ExperimentText>,
    root: TomlNode,
}

impl ExperimentDocument {
    /// Parses the text of a file and reads the bases that it derives from. Its overrides are not applied yet.
    ///
    /// # Errors
    /// A syntax error, or a base that cannot be read, with its place.
    pub fn read(path: &str, text: String, overrides: &[String]) -> Result<Self, ExperimentError> {
        let (source, root) = base::read(path, text, overrides)?;
        Ok(Self { source, root })
    }

    /// The document with the `PATH=VALUE` overrides of its source, applied in order.
    ///
    /// # Errors
    /// A syntax error in one of them, with its place.
    pub fn with_overrides(&self) -> Result<Self, ExperimentError> {
        let mut changed = self.clone();
        for index in 0..self.source.overrides.len() {
            apply_override(&mut changed.root, &self.source, index)
                .map_err(|problem| problem.within(&self.source))?;
        }
        Ok(changed)
    }

    /// The document without one key of its root.
    #[must_use]
    pub fn without(&self, key: &str) -> Self {
        let mut changed = self.clone();
        if let TomlValue::Table(table) = &mut changed.root.value {
            table.remove(key);
        }
        changed
    }

    /// The tree with some of its values replaced.
    #[must_use]
    pub fn with<'a>(&self, replacements: impl IntoIterator<Item = (&'a KeyPath, TomlNode)>) -> Self {
        let mut changed = self.clone();
        for (path, value) in replacements {
            let target = path.iter().try_fold(&mut changed.root, |node, key| node.child_mut(key));
            if let Some(target) = target {
                *target = value;
            }
        }
        changed
    }

    /// The document with `capacity.plan_for = { grid = [...] }` as the list in it: plans are replayed side by side within a
    /// run, and are no axis.
    #[must_use]
    pub(super) fn with_list_of_plans(self) -> Self {
        let path = ["capacity", "plan_for"].map(str::to_string).to_vec();
        let list = match self.get(&path).and_then(TomlNode::table).map(|table| table.entries.as_slice()) {
            Some([only]) if only.key == "grid" => only.node.clone(),
            _ => return self,
        };
        self.with([(&path, list)])
    }

    /// Gives the value at a path, if it is there, another text.
    pub(super) fn set_string(&mut self, path: &[&str], text: &str) {
        if let Some(node) = path.iter().try_fold(&mut self.root, |node, key| node.child_mut(key)) {
            node.value = TomlValue::String(text.to_string());
        }
    }

    /// The text of the whole experiment as one file without a base.
    pub fn text(&self) -> String {
        resolved_text(&self.source, &self.root)
    }

    /// The root of the tree.
    pub fn root(&self) -> &TomlNode {
        &self.root
    }

    /// The value at a path.
    pub fn get<K: AsRef<str>>(&self, path: &[K]) -> Option<&TomlNode> {
        path.iter().try_fold(&self.root, |node, key| node.child(key.as_ref()))
    }

    /// Place of the value at a path, or of its nearest ancestor that is in the file.
    pub fn span_of<K: AsRef<str>>(&self, path: &[K]) -> Option<Range<usize>> {
        let mut node = &self.root;
        let mut span = None;
        for key in path {
            let Some(next) = node.child(key.as_ref()) else { break };
            node = next;
            span = Some(node.span.clone());
        }
        span
    }

    /// Place of the key at a path; `None` if it is not in the file.
    pub fn key_span_of<K: AsRef<str>>(&self, path: &[K]) -> Option<Range<usize>> {
        let (last, parents) = path.split_last()?;
        let table = self.get(parents)?.table()?;
        table.entry(last.as_ref()).map(|entry| entry.key_span.clone())
    }

    /// Reads the tree as a type.
    ///
    /// # Errors
    /// An unknown key, a wrong type or a missing key, with its place.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        typed(&self.root)
    }

    /// Reads the value of one key of the root as a type; `None` if there is no such key.
    ///
    /// # Errors
    /// As [`Self::typed`].
    pub fn typed_key<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Problem> {
        self.get(&[key]).map(typed).transpose()
    }
}
