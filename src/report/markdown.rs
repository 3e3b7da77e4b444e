//! The report as Markdown, for pasting.

use super::comparison::Comparison;

/// Renders the report.
pub fn render(_comparison: &Comparison) -> String {
    String::new()
}
