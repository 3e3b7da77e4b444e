//! A few lines at the bottom of a terminal that are drawn again and again, and leave nothing behind.
//!
//! A terminal that becomes narrower breaks the lines that it shows, so that they take more rows than were drawn. How many
//! follows from how wide each line was. Lines are drawn without automatic wrapping: what is drawn between the change and the
//! moment it is noticed takes no row more than was there, and the first row stays where it is computed to be.

use std::collections::VecDeque;
use std::fmt::Write;

/// Moves to the first column of the row so many rows up.
const UP: &str = "A\r";
/// Erases everything from here on.
const ERASE_BELOW: &str = "\u{1b}[J";
/// Erases the rest of the row.
const ERASE_LINE: &str = "\u{1b}[K";
const WRAP_OFF: &str = "\u{1b}[?7l";
const WRAP_ON: &str = "\u{1b}[?7h";
/// Drawings whose widths are remembered: a terminal may have changed its size a moment before it says so.
const REMEMBERED: usize = 4;

/// Size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// A line with how many columns it takes.
#[derive(Debug, Clone)]
pub(super) struct DrawnLine {
    pub(super) text: String,
    pub(super) columns: usize,
}

/// What is drawn at the moment.
#[derive(Debug, Default)]
pub(super) struct LiveLines {
    /// Columns of the lines of the last drawings, the latest last.
    drawings: VecDeque<Vec<usize>>,
    /// The size that they were drawn at.
    size: Option<Size>,
}

impl LiveLines {
    pub(super) const fn new() -> Self {
        Self { drawings: VecDeque::new(), size: None }
    }

    /// What draws these lines in the place of those before.
    pub(super) fn draw(&mut self, lines: &[DrawnLine], size: Size) -> String {
        let mut output = String::from(WRAP_OFF);
        if self.size.is_some_and(|before| before.columns == size.columns) {
            output.push_str(&self.back(size));
        } else {
            // Rows that the terminal has broken must not be joined again when it becomes wider.
            output.push_str(&self.erase(size));
        }
        for line in lines {
            // Behind a line that ends in the last column the cursor stands on its last letter.
            let rest = if line.columns < size.columns { ERASE_LINE } else { "" };
            output.extend([line.text.as_str(), rest, "\n"]);
        }
        output.extend([ERASE_BELOW, WRAP_ON]);
        self.size = Some(size);
        self.drawings.push_back(lines.iter().map(|line| line.columns).collect());
        if self.drawings.len() > REMEMBERED {
            self.drawings.pop_front();
        }
        output
    }

    /// What erases the lines; empty if there are none.
    pub(super) fn erase(&mut self, size: Size) -> String {
        if self.drawings.is_empty() {
            return String::new();
        }
        let output = format!("{}{ERASE_BELOW}", self.back(size));
        self.forget();
        output
    }

    /// The lines stay where they are, and what follows comes below them.
    pub(super) fn forget(&mut self) {
        self.drawings.clear();
        self.size = None;
    }

    /// Moves to the first of the lines.
    fn back(&self, size: Size) -> String {
        let is_same = self.size.is_none_or(|before| before.columns <= size.columns);
        let height = |columns: &Vec<usize>| -> usize {
            if is_same {
                return columns.len();
            }
            columns.iter().map(|columns| columns.div_ceil(size.columns.max(1)).max(1)).sum()
        };
        let last = self.drawings.back().map_or(0, height);
        let highest = self.drawings.iter().map(height).max().unwrap_or(0);
        let rows = if is_same { last } else { highest };
        // What has left the screen cannot be reached.
        let rows = rows.min(size.rows.saturating_sub(1));
        let mut output = String::from("\r");
        if rows > 0 {
            // Writing to a string cannot fail.
            let _ = write!(output, "\u{1b}[{rows}{UP}");
        }
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(columns: &[usize]) -> Vec<DrawnLine> {
        columns.iter().map(|&columns| DrawnLine { text: "x".repeat(columns), columns }).collect()
    }

    fn size(columns: usize) -> Size {
        Size { rows: 24, columns }
    }

    #[test]
    fn lines_are_drawn_over_those_before() {
        let mut live = LiveLines::new();
        assert_eq!(
            live.draw(&lines(&[2, 3]), size(80)),
            format!("{WRAP_OFF}xx{ERASE_LINE}\nxxx{ERASE_LINE}\n{ERASE_BELOW}{WRAP_ON}")
        );
        assert_eq!(
            live.draw(&lines(&[1]), size(80)),
            format!("{WRAP_OFF}\r\u{1b}[2A\rx{ERASE_LINE}\n{ERASE_BELOW}{WRAP_ON}")
        );
        assert_eq!(live.erase(size(80)), format!("\r\u{1b}[1A\r{ERASE_BELOW}"));
        assert_eq!(live.erase(size(80)), "");
    }

    #[test]
    fn the_last_letter_of_a_line_as_wide_as_the_terminal_is_not_erased() {
        let drawn = LiveLines::new().draw(&lines(&[4, 3]), size(4));
        assert_eq!(drawn, format!("{WRAP_OFF}xxxx\nxxx{ERASE_LINE}\n{ERASE_BELOW}{WRAP_ON}"));
    }

    #[test]
    fn rows_that_a_narrower_terminal_has_broken_are_counted() {
        let mut live = LiveLines::new();
        live.draw(&lines(&[200, 90, 0, 60]), size(200));
        // 4 + 2 + 1 + 1 rows of 60 columns.
        assert!(
            live.draw(&lines(&[60]), size(60)).starts_with(&format!("{WRAP_OFF}\r\u{1b}[8A\r{ERASE_BELOW}"))
        );
        // Nothing was broken since.
        assert_eq!(live.erase(size(60)), format!("\r\u{1b}[1A\r{ERASE_BELOW}"));
    }

    #[test]
    fn a_wider_terminal_breaks_nothing_and_what_left_the_screen_is_not_reached() {
        let mut live = LiveLines::new();
        live.draw(&lines(&[60, 60]), size(60));
        assert!(live.draw(&lines(&[1]), size(100)).starts_with(&format!("{WRAP_OFF}\r\u{1b}[2A\r")));
        live.draw(&lines(&[100; 20]), size(100));
        assert_eq!(live.erase(size(50)), format!("\r\u{1b}[23A\r{ERASE_BELOW}"));
    }
}
