//! Tables for a terminal.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

/// Stands for the spaces behind a number until the table is laid out, which trims its cells. No cell has one of its own.
const PAD: char = '\u{f8ff}';

/// A table as text, of at most `width` characters a line where its columns can be divided so. The columns at the positions
/// in `numeric` are aligned on the decimal point.
///
/// A table that is wider is folded into parts. Each begins with the columns of text that name a row, or with the first of
/// them where they would take half the width.
pub fn table(headers: &[&str], rows: &[Vec<String>], numeric: &[usize], width: usize) -> String {
    let mut rows = rows.to_vec();
    for &column in numeric {
        align(&mut rows, column);
    }
    let mut parts = Vec::new();
    let is_wider = |part: &str, width| part.lines().any(|line| line.chars().count() > width);
    let naming: Vec<usize> = (0..headers.len()).take_while(|column| !numeric.contains(column)).collect();
    let is_short = !is_wider(&of_columns(headers, &rows, numeric, &naming), width / 2);
    let named_by = if is_short { naming.len().max(1) } else { 1 };
    let mut start = named_by;
    loop {
        let mut end = headers.len();
        let part = loop {
            let columns: Vec<usize> = (0..named_by).chain(start..end).collect();
            let part = of_columns(headers, &rows, numeric, &columns);
            if end <= start + 1 || !is_wider(&part, width) {
                break part;
            }
            end -= 1;
        };
        parts.push(part);
        start = end;
        if start >= headers.len() {
            return parts.join("\n\n");
        }
    }
}

/// The table of some columns.
fn of_columns(headers: &[&str], rows: &[Vec<String>], numeric: &[usize], columns: &[usize]) -> String {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table
        .load_style(TableStyle::new().header_separator(rule))
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().filter_map(|&column| headers.get(column)));
    for row in rows {
        table.add_row(columns.iter().filter_map(|&column| row.get(column)));
    }
    for (index, column) in columns.iter().enumerate() {
        if numeric.contains(column)
            && let Some(column) = table.column_mut(index)
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.trim_fmt().replace(PAD, " ");
    lines.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Pads the numbers of a column on the right, so that their decimal points stand below each other.
fn align(rows: &mut [Vec<String>], column: usize) {
    // How many characters a number has behind its whole part; `None` for what is no number.
    let tail = |cell: &str| {
        let number = cell.trim_start_matches(['+', '-', '<', ' ']);
        let whole = number.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b',').count();
        (whole > 0).then(|| number[whole..].chars().count())
    };
    let tails: Vec<Option<usize>> = rows.iter().map(|row| tail(row.get(column)?)).collect();
    let longest = tails.iter().flatten().max().copied().unwrap_or(0);
    for (row, tail) in rows.iter_mut().zip(tails) {
        if let (Some(cell), Some(tail)) = (row.get_mut(column), tail) {
            cell.extend(std::iter::repeat_n(PAD, longest - tail));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(cells: &[[&str; 4]]) -> Vec<Vec<String>> {
        cells.iter().map(|row| row.map(String::from).to_vec()).collect()
    }

    #[test]
    fn numbers_stand_on_their_decimal_points() {
        let rows = rows(&[
            ["a", "1.25", "14", "-0.5 ± 0.1"],
            ["b", "-", "1,404", "12.25"],
            ["c", "3", "7", "< 0.001"],
        ]);
        let text = table(&["", "x", "n", "y"], &rows, &[1, 2, 3], usize::MAX);
        let column =
            |line: usize, wanted: char| text.lines().nth(line).unwrap().chars().position(|c| c == wanted);
        assert_eq!(
            column(2, '.'),
            Some(text.lines().nth(4).unwrap().chars().position(|c| c == '3').unwrap() + 1),
            "{text}"
        );
    }

    #[test]
    fn a_table_that_is_too_wide_is_folded_behind_its_first_column() {
        let rows = rows(&[["lstm", "1", "2", "3"], ["gru", "4", "5", "6"]]);
        let text = table(&["model", "first", "second", "third"], &rows, &[1, 2, 3], 24);
        assert!(text.lines().all(|line| line.chars().count() <= 24), "{text}");
        assert_eq!(text.matches("lstm").count(), 2, "{text}");
        for cell in ["first", "second", "third", "1", "2", "3", "4", "5", "6"] {
            assert_eq!(text.matches(cell).count(), 1, "{cell}\n{text}");
        }
        let whole = table(&["model", "first", "second", "third"], &rows, &[1, 2, 3], usize::MAX);
        assert_eq!(whole.lines().count(), 4, "{whole}");
    }
}
