//! The records of a CSV text with their line numbers: RFC 4180, strict about quotes.

use std::borrow::Cow;

/// One record: usually one line, more where a quoted field holds line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The line it starts on, counted from 1.
    pub line: usize,
    /// Its text, without its line end.
    pub text: &'a str,
    /// Number of fields.
    pub fields: usize,
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

/// Walks over the records of a text; blank lines are passed over.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a str,
    line: usize,
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

impl<'a> Records<'a> {
    /// The records of a whole text.
    pub fn of(text: &'a str) -> Self {
        Self { rest: text, line: 1 }
    }

    /// What is not yet walked over.
    pub fn rest(&self) -> &'a str {
        self.rest
    }

    /// The next line or quoted lines, blank or not.
    fn scan(&mut self) -> Result<Record<'a>, Malformed> {
        let bytes = self.rest.as_bytes();
        let (first_line, mut line) = (self.line, self.line);
        let (mut field, mut state) = (0, State::Start);
        let (mut end, mut next) = (bytes.len(), bytes.len());
        let malformed = |line, field, message| Malformed { line, field, message };
        for (at, &byte) in bytes.iter().enumerate() {
            state = match (state, byte) {
                (State::Quoted, b'"') => State::Closed,
                (State::Quoted, _) => {
                    line += usize::from(byte == b'\n');
                    State::Quoted
                }
                (State::Start | State::Closed, b'"') => State::Quoted,
                (_, b',') => {
                    field += 1;
                    State::Start
                }
                (_, b'\r') if at + 1 == bytes.len() || bytes[at + 1] == b'\n' => {
                    (end, next) = (at, at + 2);
                    break;
                }
                (_, b'\n') => {
                    (end, next) = (at, at + 1);
                    break;
                }
                (_, b'\r') => {
                    let message = "a carriage return that no line feed follows; end lines with LF or CRLF";
                    return Err(malformed(line, field, message));
                }
                (State::Bare, b'"') => {
                    let message = "a quote inside a field; put the field in quotes and double this one";
                    return Err(malformed(line, field, message));
                }
                (State::Closed, _) => {
                    let message = "text behind a closing quote; double a quote that belongs to the field";
                    return Err(malformed(line, field, message));
                }
                (State::Start | State::Bare, _) => State::Bare,
            };
        }
        if state == State::Quoted {
            let message = "a quote that is opened in this record is never closed";
            return Err(malformed(first_line, field, message));
        }
        let text = &self.rest[..end];
        self.rest = self.rest.get(next..).unwrap_or_default();
        self.line = line + 1;
        Ok(Record { line: first_line, text, fields: field + 1 })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            match self.scan() {
                Ok(record) if record.text.trim_ascii().is_empty() => {}
                Ok(record) => return Some(Ok(record)),
                Err(malformed) => {
                    self.rest = "";
                    return Some(Err(malformed));
                }
            }
        }
        None
    }
}

/// The fields of a record: quotes are taken off, spaces around a field without quotes too.
pub fn fields<'a>(record: &Record<'a>) -> Vec<Cow<'a, str>> {
    let mut fields = Vec::with_capacity(record.fields);
    let (mut start, mut quoted) = (0, false);
    for (at, byte) in record.text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                fields.push(field(&record.text[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.push(field(&record.text[start..]));
    fields
}

fn field(text: &str) -> Cow<'_, str> {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inside) if inside.contains('"') => Cow::Owned(inside.replace("\"\"", "\"")),
        Some(inside) => Cow::Borrowed(inside),
        None => Cow::Borrowed(text.trim_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(usize, usize)> {
        Records::of(text).map(|record| record.map(|record| (record.line, record.fields)).unwrap()).collect()
    }

    fn malformed(text: &str) -> (usize, usize) {
        let malformed = Records::of(text).find_map(Result::err).unwrap();
        (malformed.line, malformed.field)
    }

    #[test]
    fn blank_lines_and_quoted_line_ends_count_as_lines() {
        let text = "a,b\n\n  \r\n\"x\ny\",1\r\nc,d";
        assert_eq!(lines(text), [(1, 2), (4, 2), (6, 2)]);
    }

    #[test]
    fn a_record_that_breaks_the_rules_is_named_by_line_and_field() {
        assert_eq!(malformed("a,b\n1,\"2"), (2, 1));
        assert_eq!(malformed("a,b\n\"x\ny\" z,2"), (3, 0));
        assert_eq!(malformed("a,b\n1,2\"3\""), (2, 1));
        assert_eq!(malformed("a,b\r1,2\r"), (1, 1));
        assert_eq!(malformed("a\n \"b\""), (2, 0));
    }

    #[test]
    fn fields_lose_their_quotes_and_the_spaces_around_them() {
        let text = "\"a\"\"b\",\"c,d\", e ,\"\",\" f \"";
        let record = Records::of(text).next().unwrap().unwrap();
        assert_eq!(fields(&record), ["a\"b", "c,d", "e", "", " f "]);
    }
}
