//! The texts that an experiment is read from, in one space of places: the file, its bases, and every `--set`.

use std::ops::Range;
use std::path::Path;

/// The name that an override has in place of a file's.
pub(super) const OVERRIDE: &str = "--set";

/// The texts that an experiment was read from.
///
/// A place (`Range<usize>`) counts bytes through all of them in this order: the file, its bases, the overrides, with one
/// byte between two. So a value keeps its place wherever it ends up in the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentText {
    /// The file's path as the user wrote it.
    pub path: String,
    /// The file's text.
    pub text: String,
    /// The files that it derives from: its base, the base of that one, and so on.
    pub bases: Vec<BaseText>,
    /// The `--set` overrides, in order.
    pub overrides: Vec<String>,
}

/// A file that another one derives from.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseText {
    /// Its path: that of the deriving file's folder, and `base`.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl ExperimentText {
    /// A file that is not read yet: its path is all that an error can show.
    pub(super) fn unread(path: &Path) -> Self {
        Self {
            path: path.display().to_string(),
            text: String::new(),
            bases: Vec::new(),
            overrides: Vec::new(),
        }
    }

    /// The path and the text of each file, the experiment's own first.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = (self.path.as_str(), self.text.as_str());
        std::iter::once(own).chain(self.bases.iter().map(|base| (base.path.as_str(), base.text.as_str())))
    }

    /// Where file number `index` starts; 0 is the experiment's own.
    pub(super) fn file_offset(&self, index: usize) -> usize {
        self.files().take(index).map(|(_, text)| text.len() + 1).sum()
    }

    /// Where override number `index` starts.
    pub(super) fn override_offset(&self, index: usize) -> usize {
        let files = self.file_offset(1 + self.bases.len());
        files + self.overrides[..index].iter().map(|text| text.len() + 1).sum::<usize>()
    }

    /// The name and the text that a place points into, and the place within that text.
    pub(super) fn locate(&self, place: &Range<usize>) -> (&str, &str, Range<usize>) {
        let overrides = self.overrides.iter().map(|text| (OVERRIDE, text.as_str()));
        let mut offset = 0;
        for (name, text) in self.files().chain(overrides) {
            if place.start <= offset + text.len() {
                let end = (place.end - offset).min(text.len());
                return (name, text, place.start - offset..end);
            }
            offset += text.len() + 1;
        }
        // No value stands behind the last text.
        (&self.path, &self.text, 0..0)
    }

    /// The text at a place.
    pub(super) fn slice(&self, place: &Range<usize>) -> &str {
        let (_, text, local) = self.locate(place);
        text.get(local).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_belongs_to_the_text_that_it_points_into() {
        let base = |path: &str, text: &str| BaseText { path: path.into(), text: text.into() };
        let source = ExperimentText {
            path: "a.toml".into(),
            text: "name = 1".into(),
            bases: vec![base("b.toml", "x = 2"), base("c.toml", "y = 3")],
            overrides: vec!["x.y=2".into(), "task.lookbak=3".into()],
        };
        assert_eq!(source.locate(&(7..8)), ("a.toml", "name = 1", 7..8));
        assert_eq!(source.locate(&(8..8)), ("a.toml", "name = 1", 8..8));
        for (index, (path, text)) in [("b.toml", "x = 2"), ("c.toml", "y = 3")].into_iter().enumerate() {
            let at = source.file_offset(index + 1);
            assert_eq!(source.locate(&(at + 4..at + 5)), (path, text, 4..5));
            assert_eq!(source.slice(&(at..at + 1)), &text[..1]);
        }
        let start = source.override_offset(1) + 5;
        assert_eq!(source.locate(&(start..start + 7)), ("--set", "task.lookbak=3", 5..12));
    }
}
