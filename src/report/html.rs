//! The report as one self-contained page.

use super::comparison::Comparison;

/// Renders the page.
pub fn render(_comparison: &Comparison) -> String {
    String::new()
}
