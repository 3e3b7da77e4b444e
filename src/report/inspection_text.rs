//! The inspection of a trace as text for the terminal.

use super::inspection_summary::{QuantityTable, extent, findings, quantities};
use crate::dataset::Inspection;
use crate::text::table;

/// The inspection as text with tables of at most `width` characters a line; `file` is named in the first line.
pub fn inspection_text(file: &str, inspection: &Inspection, width: usize) -> String {
    let QuantityTable { headers, rows } = quantities(inspection);
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let numeric: Vec<usize> = (1..headers.len()).collect();
    let mut lines = vec![
        format!("{file}: {}", extent(inspection)),
        String::new(),
        table(&headers, &rows, &numeric, width),
        String::new(),
    ];
    lines.extend(
        findings(inspection).iter().map(|finding| format!("{:<10} {}", finding.subject, finding.text)),
    );
    lines.join("\n").trim_end().to_string()
}
