//! What an experiment file says about its search, read without making the trials.

use super::axis::{Axis, find_axes};
use super::document::ExperimentDocument;
use super::file::SearchSpec;
use super::problem::{ExperimentError, Problem};
use super::tree::TomlNode;
use crate::search::Dimension;

/// The search of an experiment file: how trials are chosen, and from which values. A file of many thousand trials is read as
/// fast as any other.
#[derive(Debug, Clone)]
pub struct SearchOutline {
    /// How the axes are searched.
    pub search: SearchSpec,
    /// The axes, in file order.
    pub axes: Vec<SearchAxis>,
    /// Kinds of the `[[models]]` entries, in file order.
    pub models: Vec<String>,
}

/// An axis of the file, for whoever analyses what came of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchAxis {
    /// Its name in plans and queries, such as `model.hidden`.
    pub name: String,
    /// Kind of the model that it belongs to; `None` for an axis that all models share.
    pub model: Option<String>,
    /// The values that it may take.
    pub dimension: Dimension,
}

impl SearchOutline {
    /// Reads the text of an experiment file with its overrides. Its path is shown in errors, and `base` is relative to it.
    ///
    /// # Errors
    /// A text that is not TOML, or whose axes or `[search]` are not valid, with the place.
    pub fn parse(path: &str, text: String, overrides: &[String]) -> Result<Self, ExperimentError> {
        let document = ExperimentDocument::read(path, text, overrides)?.with_overrides()?;
        Self::of(&document).map_err(|problem| problem.within(&document.source))
    }

    fn of(document: &ExperimentDocument) -> Result<Self, Problem> {
        let axes = find_axes(document)?.into_iter().map(|axis| SearchAxis::of(&axis)).collect();
        let entries = document.get(&["models"]).and_then(TomlNode::array).unwrap_or_default();
        let kind = |entry: &TomlNode| Some(entry.table()?.entries.first()?.key.clone());
        let models = entries.iter().filter_map(kind).collect();
        Ok(Self { search: document.typed_key("search")?.unwrap_or_default(), axes, models })
    }

    /// The ranges that values of an axis were drawn from for a model; several where entries of one kind differ, and none
    /// where the file lists the values.
    pub fn ranges(&self, axis: &str, model: &str) -> Vec<Dimension> {
        let of_model = self
            .axes
            .iter()
            .filter(|own| own.name == axis && own.model.as_deref().is_none_or(|owner| owner == model));
        let dimensions = of_model.map(|own| own.dimension);
        dimensions.filter(|dimension| !matches!(dimension, Dimension::Choice(_))).collect()
    }
}

impl SearchAxis {
    fn of(axis: &Axis) -> Self {
        // Of `models.<n>.<kind>.x`, the third part is the kind.
        let model = axis.entry.and_then(|_| axis.path.get(2)).cloned();
        Self { name: axis.name.clone(), model, dimension: axis.domain.dimension() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Strategy;

    #[test]
    fn an_axis_keeps_its_range_and_the_model_that_it_belongs_to() {
        let text = "[training]\nlearning_rate = { log_uniform = [1e-4, 1e-2] }\n[[models]]\n[models.lstm]\n\
                    hidden = { int = [4, 24] }\n[[models]]\n[models.gru]\nhidden = { grid = [4, 8] }\n\
                    [search]\nstrategy = \"random\"\n";
        let outline = SearchOutline::parse("e.toml", text.to_string(), &[]).unwrap();
        assert_eq!(outline.search.strategy, Strategy::Random);
        assert_eq!(outline.ranges("training.learning_rate", "gru"), [Dimension::LogUniform(1e-4, 1e-2)]);
        assert_eq!(outline.ranges("model.hidden", "lstm"), [Dimension::Int(4, 24)]);
        assert_eq!(outline.ranges("model.hidden", "gru"), []);
        assert_eq!(outline.models, ["lstm", "gru"]);
        let overridden =
            SearchOutline::parse("e.toml", text.to_string(), &["search.strategy=\"tpe\"".to_string()])
                .unwrap();
        assert_eq!(overridden.search.strategy, Strategy::Tpe);
    }

    #[test]
    fn a_damaged_search_is_an_error_with_its_place() {
        let text = "[search]\nstrategy = \"best\"\n";
        let error = SearchOutline::parse("e.toml", text.to_string(), &[]).unwrap_err();
        assert!(error.to_string().contains("e.toml:2"), "{error}");
    }
}
