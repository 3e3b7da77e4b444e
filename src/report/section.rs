//! A part of a report that consists of tables.

use super::tables::ReportTable;

/// A heading, a note on how to read the tables, and the tables with their captions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// Sentences below it.
    pub note: String,
    /// The tables.
    pub tables: Vec<(String, ReportTable)>,
}
