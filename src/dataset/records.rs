//! The records of a CSV text with their line numbers. The `csv` crate splits them into fields; it accepts quotes and
//! carriage returns anywhere, so each record is first checked against RFC 4180.

use std::collections::VecDeque;

use csv::{ReaderBuilder, StringRecord};

/// One record: usually one line, more where a quoted field holds line ends.
#[derive(Debug, Clone)]
pub struct CsvRecord {
    /// The line it starts on, counted from 1.
    pub line: usize,
    fields: StringRecord,
    shape: RecordShape,
}

impl CsvRecord {
    /// Number of fields.
    pub fn len(&self) -> usize {
        self.shape.fields
    }

    /// A field without its quotes, or without the spaces around it where it has none.
    pub fn field(&self, at: usize) -> &str {
        let field = self.fields.get(at).unwrap_or_default();
        if self.shape.quoted.contains(&at) { field } else { field.trim_ascii() }
    }

    /// All fields.
    pub fn to_vec(&self) -> Vec<String> {
        (0..self.len()).map(|at| self.field(at).to_string()).collect()
    }
}

/// A record that breaks the rules of CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The line, counted from 1.
    pub line: usize,
    /// The field, counted from 0.
    pub field: usize,
    /// What is wrong and what to do about it.
    pub message: &'static str,
}

/// How a sound record is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordShape {
    /// Number of fields.
    pub fields: usize,
    /// Those in quotes.
    quoted: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first character of a field.
    Start,
    /// Inside a field without quotes.
    Bare,
    /// Between quotes.
    Quoted,
    /// Behind a quote that closes the field, or that another quote makes part of it.
    Closed,
}

impl RecordShape {
    /// Checks a record without its line end, which starts on a line of the file.
    ///
    /// # Errors
    /// A quote or a carriage return that must not stand where it stands.
    pub fn of(text: &str, separator: u8, first_line: usize) -> Result<Self, Malformed> {
        if memchr::memchr2(b'"', b'\r', text.as_bytes()).is_none() {
            let separators = text.bytes().filter(|&byte| byte == separator).count();
            return Ok(Self { fields: separators + 1, quoted: Vec::new() });
        }
        let mut shape = Self { fields: 1, quoted: Vec::new() };
        let (mut line, mut state) = (first_line, State::Start);
        let malformed =
            |line, shape: &Self, message| Err(Malformed { line, field: shape.fields - 1, message });
        for byte in text.bytes() {
            state = match (state, byte) {
                (State::Quoted, b'"') => State::Closed,
                (State::Quoted, _) => {
                    line += usize::from(byte == b'\n');
                    State::Quoted
                }
                (State::Start, b'"') => {
                    shape.quoted.push(shape.fields - 1);
                    State::Quoted
                }
                (State::Closed, b'"') => State::Quoted,
                (_, byte) if byte == separator => {
                    shape.fields += 1;
                    State::Start
                }
                (_, b'\r') => {
                    let message = "a carriage return that no line feed follows; end lines with LF or CRLF";
                    return malformed(line, &shape, message);
                }
                (State::Bare, b'"') => {
                    let message = "a quote inside a field; put the field in quotes and double this one";
                    return malformed(line, &shape, message);
                }
                (State::Closed, _) => {
                    let message = "text behind a closing quote; double a quote that belongs to the field";
                    return malformed(line, &shape, message);
                }
                (State::Start | State::Bare, _) => State::Bare,
            };
        }
        if state == State::Quoted {
            let message = "a quote that is opened in this record is never closed";
            return malformed(first_line, &shape, message);
        }
        Ok(shape)
    }
}

/// Splits one record after the other.
#[derive(Debug)]
pub struct Splitter {
    separator: u8,
    reader: csv::Reader<VecDeque<u8>>,
}

/// What splits at the same separator; between two records nothing else is kept.
impl Clone for Splitter {
    fn clone(&self) -> Self {
        Self::new(self.separator)
    }
}

impl Splitter {
    /// Splits at a separator.
    pub fn new(separator: u8) -> Self {
        let mut builder = ReaderBuilder::new();
        let reader =
            builder.has_headers(false).flexible(true).delimiter(separator).from_reader(VecDeque::new());
        Self { separator, reader }
    }

    /// Whether a line, without its line end, is blank.
    pub fn is_blank(&self, text: &str) -> bool {
        text.bytes().all(|byte| byte.is_ascii_whitespace() && byte != self.separator)
    }

    /// The fields of a record that is not blank, without its line end.
    ///
    /// # Errors
    /// A quote or a carriage return that must not stand where it stands.
    pub fn split(&mut self, text: &str, line: usize) -> Result<CsvRecord, Malformed> {
        // The reader consumes a checked record whole and asks for no further line.
        let shape = RecordShape::of(text, self.separator, line)?;
        self.reader.get_mut().extend(text.bytes().chain([b'\n']));
        let mut fields = StringRecord::new();
        match self.reader.read_record(&mut fields) {
            Ok(true) => Ok(CsvRecord { line, fields, shape }),
            _ => Err(Malformed { line, field: 0, message: "this record cannot be read" }),
        }
    }
}

/// Walks over the records of a text; blank lines are passed over. Ends behind the first malformed record.
pub struct Records<'a> {
    rest: &'a str,
    line: usize,
    splitter: Splitter,
}

impl<'a> Records<'a> {
    /// The records of a whole text.
    pub fn of(text: &'a str, separator: u8) -> Self {
        Self { rest: text, line: 1, splitter: Splitter::new(separator) }
    }

    /// The text below the last record.
    pub fn rest(&self) -> &'a str {
        self.rest
    }

    /// The next line, or the next lines up to one that ends outside of quotes.
    fn take_lines(&mut self) -> &'a str {
        let (mut end, mut quotes) = (0, 0);
        for line in self.rest.split_inclusive('\n') {
            end += line.len();
            self.line += usize::from(line.ends_with('\n'));
            quotes += memchr::memchr_iter(b'"', line.as_bytes()).count();
            if quotes % 2 == 0 {
                break;
            }
        }
        let (lines, rest) = self.rest.split_at(end);
        self.rest = rest;
        without_line_end(lines)
    }
}

/// A line without its LF or CRLF.
pub fn without_line_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

impl Iterator for Records<'_> {
    type Item = Result<CsvRecord, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let line = self.line;
            let text = self.take_lines();
            if !self.splitter.is_blank(text) {
                let record = self.splitter.split(text, line);
                if record.is_err() {
                    self.rest = "";
                }
                return Some(record);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(usize, usize)> {
        let records = Records::of(text, b',');
        records.map(|record| record.map(|record| (record.line, record.len())).unwrap()).collect()
    }

    fn malformed(text: &str) -> (usize, usize) {
        let malformed = Records::of(text, b',').find_map(Result::err).unwrap();
        (malformed.line, malformed.field)
    }

    #[test]
    fn blank_lines_and_quoted_line_ends_count_as_lines() {
        let text = "a,b\n\n  \r\n\"x\ny\",1\r\nc,d";
        assert_eq!(lines(text), [(1, 2), (4, 2), (6, 2)]);
        assert_eq!(lines("\r\n\na,b\r\n\r\nc,d\r\n"), [(3, 2), (5, 2)]);
    }

    #[test]
    fn a_record_that_breaks_the_rules_is_named_by_line_and_field() {
        assert_eq!(malformed("a,b\n1,\"2"), (2, 1));
        assert_eq!(malformed("a,b\n\"x\ny\" z,2"), (3, 0));
        assert_eq!(malformed("a,b\n1,2\"3\""), (2, 1));
        assert_eq!(malformed("a,b\r1,2\r"), (1, 1));
        assert_eq!(malformed("a\n \"b\""), (2, 0));
        assert_eq!(malformed("\ra,b"), (1, 0));
    }

    #[test]
    fn fields_lose_their_quotes_and_the_spaces_around_them() {
        let text = "\"a\"\"b\",\"c,d\", e ,\"\",\" f \"";
        let record = Records::of(text, b',').next().unwrap().unwrap();
        assert_eq!(record.to_vec(), ["a\"b", "c,d", "e", "", " f "]);
        let record = Records::of("\t \" \t", b'\t').next().unwrap();
        assert!(record.is_err());
        let record = Records::of("\t\t", b'\t').next().unwrap().unwrap();
        assert_eq!(record.to_vec(), ["", "", ""]);
    }

    #[test]
    fn what_lies_below_a_record_begins_with_the_next_line() {
        for text in ["a,b\r\nc", "a,b\nc", "\r\n\na,b\r\nc"] {
            let mut records = Records::of(text, b',');
            records.next();
            assert_eq!(records.rest(), "c", "{text:?}");
        }
    }
}
