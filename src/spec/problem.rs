//! What is wrong in an experiment file, shown as the compiler would: file, line, caret and remedy.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, renderer::DecorStyle};

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// What is wrong, in one line.
    pub message: String,
    /// Byte range in the [`Source`]; `None` when the problem has no single place.
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
    pub fn within(self, source: &Source) -> ExperimentError {
        ExperimentError(Box::new(Located { source: source.clone(), problem: self }))
    }
}

/// The text that an experiment was read from: the file, then one line for each `--set` of the command line.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The file's path as the user wrote it.
    pub path: String,
    /// The file's text.
    pub text: String,
    /// The overrides, in order.
    pub overrides: Vec<String>,
}

impl Source {
    /// Offset of override number `index` in the span space that file and overrides share.
    pub fn override_offset(&self, index: usize) -> usize {
        self.text.len() + 1 + self.overrides[..index].iter().map(|text| text.len() + 1).sum::<usize>()
    }

    /// The text, name and local span that a span points into.
    fn locate(&self, span: &Range<usize>) -> (&str, String, Range<usize>) {
        for (index, text) in self.overrides.iter().enumerate() {
            let offset = self.override_offset(index);
            if span.start >= offset && span.start <= offset + text.len() {
                let end = (span.end - offset).min(text.len());
                return (text, "--set".to_string(), span.start - offset..end);
            }
        }
        let end = span.end.min(self.text.len());
        (&self.text, self.path.clone(), span.start.min(end)..end)
    }
}

/// An invalid experiment, with the text it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentError(Box<Located>);

#[derive(Debug, Clone, PartialEq)]
struct Located {
    source: Source,
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
        let (text, path, local) = self.0.source.locate(span);
        let local = one_line(text, local);
        let mut annotation = AnnotationKind::Primary.span(local);
        if !self.0.problem.label.is_empty() {
            annotation = annotation.label(&self.0.problem.label);
        }
        let mut group = title.element(Snippet::source(text).path(path).annotation(annotation));
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
        let source = Source {
            path: "a.toml".into(),
            text: "name = 1".into(),
            overrides: vec!["x.y=2".into(), "task.lookbak=3".into()],
        };
        let start = source.override_offset(1) + 5;
        let error = Problem::at(Some(start..start + 7), "unknown key `lookbak`").within(&source);
        let shown = error.render(false);
        assert!(shown.contains("--set:1:6") && shown.contains("task.lookbak=3"), "{shown}");
    }
}
