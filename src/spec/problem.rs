//! What is wrong in an experiment file, shown as the compiler would: file, line, caret and remedy.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, renderer::DecorStyle};

use super::source::ExperimentText;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// What is wrong, in one line.
    pub message: String,
    /// Byte range in the [`ExperimentText`]; `None` when the problem has no single place.
    pub span: Option<Range<usize>>,
    /// Short text beside the caret.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    /// A problem at a place in the file.
    pub fn at(span: Option<Range<usize>>, message: impl Into<String>) -> Self {
        Self { message: message.into(), span, label: String::new(), help: None }
    }

    /// Adds the short text beside the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds the remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Binds the problem to its source, so that it can be shown.
    pub fn within(self, source: &Arc<ExperimentText>) -> ExperimentError {
        ExperimentError(Box::new(Located { source: Arc::clone(source), problem: self }))
    }
}

/// A value that is well-typed but impossible, by its path instead of its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// Keys from the root, as in the file; within a model, from its table.
    pub path: Vec<String>,
    /// What is wrong with it.
    pub message: String,
    /// The remedy.
    pub help: String,
}

impl Violation {
    /// A violation at a dotted path.
    pub fn new(path: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        let path = path.split('.').map(str::to_string).collect();
        Self { path, message: message.into(), help: help.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// An invalid experiment, with the text it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentError(Box<Located>);

#[derive(Debug, Clone, PartialEq)]
struct Located {
    source: Arc<ExperimentText>,
    problem: Problem,
}

impl ExperimentError {
    /// The message with the place in the file, in colour if asked for.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let title = Level::ERROR.primary_title(&self.0.problem.message);
        let Some(span) = &self.0.problem.span else {
            let path = &self.0.source.path;
            let help =
                self.0.problem.help.as_deref().map(|help| format!("\n  = help: {help}")).unwrap_or_default();
            return format!("error: {}\n --> {path}{help}", self.0.problem.message);
        };
        let (path, text, local) = self.0.source.locate(span);
        let local = one_line(text, local);
        let mut annotation = AnnotationKind::Primary.span(local);
        if !self.0.problem.label.is_empty() {
            annotation = annotation.label(&self.0.problem.label);
        }
        let mut group = title.element(Snippet::source(text).path(path).annotation(annotation));
        if self.0.source.bases.iter().any(|base| base.path == path) {
            // What the base says may be impossible only beside what the deriving file says.
            let note = format!("{} derives from this file", self.0.source.path);
            group = group.element(Level::NOTE.message(note));
        }
        if let Some(help) = &self.0.problem.help {
            group = group.element(Level::HELP.message(help));
        }
        renderer.render(&[group])
    }
}

/// A caret reads best on one line: a span over several (a table, say) is cut at the end of its first.
fn one_line(text: &str, span: Range<usize>) -> Range<usize> {
    let end = text.get(span.clone()).and_then(|part| part.find('\n')).map_or(span.end, |at| span.start + at);
    span.start..end.max(span.start)
}

impl fmt::Display for ExperimentError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for ExperimentError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_beyond_the_file_points_into_its_override() {
        let source = ExperimentText {
            path: "a.toml".into(),
            text: "name = 1".into(),
            bases: Vec::new(),
            overrides: vec!["x.y=2".into(), "task.lookbak=3".into()],
        };
        let start = source.override_offset(1) + 5;
        let problem = Problem::at(Some(start..start + 7), "unknown key `lookbak`");
        let shown = problem.within(&Arc::new(source)).render(false);
        assert!(shown.contains("--set:1:6") && shown.contains("task.lookbak=3"), "{shown}");
    }
}
