//! Finds the line and the column that make a trace file unreadable.

use super::clock::parse_nanoseconds;
use super::trace::TraceError;

/// What a field must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything, also nothing.
    Text,
    /// A finite number.
    Number,
    /// A whole number that is not negative.
    Count,
    /// A date with or without a time.
    DateTime,
}

impl Expect {
    fn accepts(self, text: &str) -> bool {
        let number = text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
        match self {
            Expect::Text => true,
            Expect::Number => number.is_some(),
            Expect::Count => number.is_some_and(|value| value >= 0.0 && value.fract() == 0.0),
            Expect::DateTime => parse_nanoseconds(text).is_some(),
        }
    }

    /// What is wrong with a text that is not accepted.
    pub fn complaint(self, text: &str) -> String {
        let expected = match self {
            Expect::Text => "a text",
            Expect::Number => "a number",
            Expect::Count => "a number of tokens",
            Expect::DateTime => "a date and time such as 2023-11-16 18:15:46.6805900",
        };
        if text.trim().is_empty() {
            format!("the value is missing; {expected} is expected here")
        } else {
            format!(
                "`{}` is not {expected}",
                text.chars().take(60).collect::<String>()
            )
        }
    }
}

/// A trace file as lines, for error messages only: the fast path never looks at it line by line.
pub struct Locator<'a> {
    file: &'a str,
    bytes: &'a [u8],
}

impl<'a> Locator<'a> {
    /// Refuses what is no text at all: an empty file, a NUL byte.
    pub fn new(file: &'a str, bytes: &'a [u8]) -> Result<Self, TraceError> {
        let locator = Self { file, bytes };
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(locator.whole("the file is empty; a trace has a header and rows"));
        }
        if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
            let line = 1 + bytes[..at].iter().filter(|&&byte| byte == b'\n').count();
            let start = bytes[..at]
                .iter()
                .rposition(|&byte| byte == b'\n')
                .map_or(0, |newline| newline + 1);
            let field = bytes[start..at].iter().filter(|&&byte| byte == b',').count();
            let column = if line == 1 {
                None
            } else {
                locator.header()?.get(field).cloned()
            };
            let message = "a NUL byte; the file is damaged or was cut while it was written".to_string();
            return Err(TraceError {
                file: file.to_string(),
                line: Some(line),
                column,
                message,
            });
        }
        Ok(locator)
    }

    /// An error about the file as a whole.
    pub fn whole(&self, message: &str) -> TraceError {
        TraceError {
            file: self.file.to_string(),
            line: None,
            column: None,
            message: message.to_string(),
        }
    }

    /// The names in the header, without a byte-order mark.
    pub fn header(&self) -> Result<Vec<String>, TraceError> {
        let (_, line) = self
            .lines()
            .next()
            .ok_or_else(|| self.whole("the file is empty"))?;
        let text =
            std::str::from_utf8(line).map_err(|_| self.at_line(1, None, "the header is not UTF-8 text"))?;
        Ok(fields(text.trim_start_matches('\u{feff}')))
    }

    /// Refuses a header without rows.
    pub fn require_rows(&self) -> Result<(), TraceError> {
        match self.lines().nth(1) {
            Some(_) => Ok(()),
            None => Err(self.at_line(1, None, "there is a header but no row below it")),
        }
    }

    /// An error in data row `row`, counted from 0.
    pub fn at_row(&self, row: usize, column: &str, message: &str) -> TraceError {
        let line = self.lines().nth(row + 1).map(|(number, _)| number);
        TraceError {
            file: self.file.to_string(),
            line,
            column: Some(column.to_string()),
            message: message.to_string(),
        }
    }

    /// The first line that does not hold what its columns must; `fallback` is what polars said.
    pub fn first_bad(&self, expectations: &[(&str, Expect)], fallback: &str) -> TraceError {
        let Ok(header) = self.header() else {
            return self.whole(fallback);
        };
        for (number, line) in self.lines().skip(1) {
            let Ok(text) = std::str::from_utf8(line) else {
                return self.at_line(number, None, "the line is not UTF-8 text");
            };
            let values = fields(text);
            if values.len() != header.len() {
                let message = format!("{} fields, but the header has {}", values.len(), header.len());
                let missing = header.get(values.len()).cloned();
                return self.at_line(number, missing, &message);
            }
            for (name, expect) in expectations {
                let Some(at) = header.iter().position(|column| column == name) else {
                    continue;
                };
                if !expect.accepts(&values[at]) {
                    return self.at_line(number, Some((*name).to_string()), &expect.complaint(&values[at]));
                }
            }
        }
        self.whole(fallback)
    }

    fn at_line(&self, line: usize, column: Option<String>, message: &str) -> TraceError {
        TraceError {
            file: self.file.to_string(),
            line: Some(line),
            column,
            message: message.to_string(),
        }
    }

    /// Lines that are not blank, with their numbers from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &'a [u8])> {
        self.bytes
            .split(|&byte| byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.is_empty())
    }
}

/// The fields of one line: commas separate, double quotes protect.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                if let Some(field) = fields.last_mut() {
                    field.push('"');
                }
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => {
                if let Some(field) = fields.last_mut() {
                    field.push(character);
                }
            }
        }
    }
    fields
}
