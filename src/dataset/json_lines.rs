//! A trace file with one JSON object on each line, as Mooncake publishes them, or with an array of objects; strict about
//! every line.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::clock::parse_nanoseconds;
use super::columns::{Column, TraceTable};
use super::locate::{Expect, shortened};
use super::trace::TraceError;
use super::zone::Zone;

/// Whether a text begins as JSON lines do, or as an array of objects.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    text.starts_with(b"{") || is_array(text)
}

/// Whether a text begins as a JSON array of objects.
pub(super) fn is_array(bytes: &[u8]) -> bool {
    let inside = bytes.trim_ascii_start().strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
    inside.is_some_and(|inside| inside.starts_with(b"{") || inside == b"]")
}

/// A file of JSON objects whose text and first line are sound.
pub struct JsonLines<'a> {
    name: &'a str,
    text: &'a str,
    first_line: usize,
    /// The keys of the first object, which every other must have as well.
    pub keys: Vec<String>,
}

impl<'a> JsonLines<'a> {
    /// Refuses what is no text, and a first line that is no object.
    ///
    /// # Errors
    /// Those.
    pub fn new(name: &'a str, bytes: &'a [u8]) -> Result<Self, TraceError> {
        let mut file = Self { name, text: "", first_line: 1, keys: Vec::new() };
        file.text = std::str::from_utf8(bytes).map_err(|error| {
            let line = 1 + memchr::memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count();
            file.at_line(line, None, "a byte that is not UTF-8; save the file as UTF-8")
        })?;
        if is_array(bytes) && !file.text.trim_ascii_end().ends_with(']') {
            let line = 1 + memchr::memchr_iter(b'\n', bytes.trim_ascii_end()).count();
            return Err(file.at_line(line, None, "the array is not closed; the file is damaged or was cut"));
        }
        let Some((line, text)) = file.lines().next() else {
            return Err(file.at_line(1, None, "the file is empty; a trace has rows"));
        };
        file.first_line = line;
        file.keys = object_keys(text).map_err(|message| file.at_line(line, None, &message))?;
        Ok(file)
    }

    /// The values of the wanted keys, given by their positions among the first object's.
    ///
    /// # Errors
    /// A line that is no object, or one whose value is missing, there twice or not what is expected.
    pub fn read(&self, wanted: &[(usize, Expect)]) -> Result<TraceTable, TraceError> {
        let mut columns: Vec<Column> = wanted.iter().map(|(_, expect)| Column::new(*expect)).collect();
        for (line, text) in self.lines() {
            let values = self.values(line, text, wanted.iter().map(|(key, _)| *key))?;
            for ((column, (key, expect)), value) in columns.iter_mut().zip(wanted).zip(values) {
                let sound = match (value.as_ref(), expect) {
                    (Some(Value::String(text)), Expect::Name | Expect::DateTime(_)) => column.push_text(text),
                    // Some writers put numbers of 64 bits in quotes, since not every reader keeps them otherwise.
                    (Some(Value::String(text)), Expect::Stamp(_) | Expect::Epoch(_)) => {
                        text.trim_ascii().parse().is_ok_and(|number| column.push_number(number))
                    }
                    (Some(Value::Number(number)), _) => {
                        number.as_f64().is_some_and(|number| column.push_number(number))
                    }
                    _ => false,
                };
                if !sound {
                    return Err(self.at_line(line, Some(*key), &complaint(*expect, value.as_ref())));
                }
            }
        }
        Ok(TraceTable::of(columns))
    }

    /// An error about the first object.
    pub fn at_first(&self, message: &str) -> TraceError {
        self.at_line(self.first_line, None, message)
    }

    /// An error about a value in a line, by its path from the line's object.
    pub fn fault(&self, line: usize, path: Option<&str>, message: String) -> TraceError {
        let (file, column) = (self.name.to_string(), path.map(str::to_string));
        TraceError { file, line: Some(line), column, message }
    }

    /// An error about a timestamp that is earlier than that of the row before, `row - 1`.
    pub fn backwards(&self, row: usize, key: usize) -> TraceError {
        let mut stamps = self.lines().skip(row - 1).map(|(line, text)| {
            let value = self.values(line, text, std::iter::once(key)).ok();
            (line, value.and_then(|mut values| values.pop().flatten()).unwrap_or_default())
        });
        match (stamps.next(), stamps.next()) {
            (Some((_, before)), Some((line, stamp))) => {
                let message =
                    format!("the timestamp goes back from `{before}` to `{stamp}`; sort the rows by it");
                self.at_line(line, Some(key), &message)
            }
            _ => self.at_first("a timestamp goes back in time; sort the rows by it"),
        }
    }

    /// The first object's value of a key.
    pub fn first_value(&self, key: usize) -> Option<Value> {
        let (line, text) = self.lines().next()?;
        self.values(line, text, std::iter::once(key)).ok()?.pop()?
    }

    /// The lines that are not blank, or the items of an array, with the numbers of their first lines counted from 1.
    pub fn lines(&self) -> Box<dyn Iterator<Item = (usize, &'a str)> + 'a> {
        if is_array(self.text.as_bytes()) {
            return Box::new(ArrayItems::of(self.text));
        }
        let lines = self.text.lines().enumerate().map(|(index, text)| (index + 1, text.trim_ascii()));
        Box::new(lines.filter(|(_, text)| !text.is_empty()))
    }

    /// The values of some keys in one line; `None` where one is missing.
    fn values(
        &self,
        line: usize,
        text: &str,
        keys: impl Iterator<Item = usize>,
    ) -> Result<Vec<Option<Value>>, TraceError> {
        let keys = keys.map(|key| self.keys[key].as_str()).collect();
        values_of(text, keys).map_err(|message| self.at_line(line, None, &message))
    }

    fn at_line(&self, line: usize, key: Option<usize>, message: &str) -> TraceError {
        TraceError {
            file: self.name.to_string(),
            line: Some(line),
            column: key.and_then(|key| self.keys.get(key).cloned()),
            message: message.to_string(),
        }
    }
}

/// The texts between the commas of a JSON array, with the numbers of their first lines. What is wrong with a text is found
/// when it is parsed.
struct ArrayItems<'a> {
    /// From the text of the next item on; `None` behind the array.
    rest: Option<&'a str>,
    line: usize,
}

impl<'a> ArrayItems<'a> {
    fn of(text: &'a str) -> Self {
        let start = text.find('[').map_or(text.len(), |at| at + 1);
        let mut items = Self { rest: Some(""), line: 1 };
        items.pass(&text[..start]);
        items.rest = Some(&text[start..]).filter(|rest| rest.trim_ascii() != "]");
        items
    }

    fn pass(&mut self, text: &str) {
        self.line += memchr::memchr_iter(b'\n', text.as_bytes()).count();
    }
}

impl<'a> Iterator for ArrayItems<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let text = rest.trim_ascii_start();
        self.pass(&rest[..rest.len() - text.len()]);
        let line = self.line;
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => depth += 1,
                b',' if depth == 0 => {
                    self.pass(&text[..at]);
                    self.rest = Some(&text[at + 1..]);
                    return Some((line, text[..at].trim_ascii_end()));
                }
                // Text behind the array belongs to the last item, where it is a mistake.
                b']' if depth == 0 && text[at + 1..].trim_ascii().is_empty() => {
                    return Some((line, text[..at].trim_ascii_end()));
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        Some((line, text.trim_ascii_end()))
    }
}

/// The values of some keys in a line that holds one object; `None` where one is missing.
///
/// # Errors
/// What is wrong with the line as a whole.
pub(super) fn values_of(text: &str, keys: Vec<&str>) -> Result<Vec<Option<Value>>, String> {
    parse(text, Picked { keys })
}

/// The number that a value says, where a number must stand.
///
/// # Errors
/// What is wrong with the value.
pub(super) fn number_of(value: Option<&Value>, expect: Expect) -> Result<f64, String> {
    let number = match (value, expect) {
        (Some(Value::String(text)), Expect::Stamp(_)) => text.trim_ascii().parse().ok(),
        (value, _) => value.and_then(Value::as_f64),
    };
    let number = number.filter(|&number| expect.holds(number));
    number.ok_or_else(|| complaint(expect, value))
}

/// The nanoseconds of the clock that a value says, where a date must stand.
///
/// # Errors
/// What is wrong with the value.
pub(super) fn nanoseconds_of(value: Option<&Value>, zone: Zone) -> Result<i64, String> {
    let stamp = value.and_then(Value::as_str).and_then(|text| parse_nanoseconds(text, zone));
    stamp.ok_or_else(|| complaint(Expect::DateTime(zone), value))
}

/// What is wrong with a value that is not accepted.
fn complaint(expect: Expect, value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => expect.complaint(""),
        Some(Value::String(text)) if !matches!(expect, Expect::Number | Expect::Count) => {
            expect.complaint(text)
        }
        Some(Value::Number(number)) if !matches!(expect, Expect::Name | Expect::DateTime(_)) => {
            expect.complaint(&number.to_string())
        }
        Some(value) => {
            let wanted = if matches!(expect, Expect::Name | Expect::DateTime(_)) { "text" } else { "number" };
            format!("`{}` is no JSON {wanted}", shortened(&value.to_string()))
        }
    }
}

/// The keys of a line that holds one object.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn object_keys(text: &str) -> Result<Vec<String>, String> {
    parse(text, Keys)
}

/// A line that holds one object of a known form.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn object_of<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| not_an_object(&error))
}

/// Parses one line as an object; whatever follows it is a mistake.
fn parse<'de, V: Visitor<'de>>(text: &'de str, visitor: V) -> Result<V::Value, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let parsed = reader.deserialize_map(visitor).and_then(|value| reader.end().map(|()| value));
    parsed.map_err(|error| not_an_object(&error))
}

/// What is said of a line of a file of lines: serde's own line number would mislead.
fn not_an_object(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    format!("this line is not one JSON object: {message} (character {})", error.column())
}

/// Collects the keys of an object.
struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Vec<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
            keys.push(key);
        }
        Ok(keys)
    }
}

/// Collects the values of some keys and passes over all others.
struct Picked<'k> {
    keys: Vec<&'k str>,
}

impl<'de> Visitor<'de> for Picked<'_> {
    type Value = Vec<Option<Value>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = vec![None; self.keys.len()];
        while let Some(Key(key)) = map.next_key()? {
            match self.keys.iter().position(|wanted| *wanted == key) {
                Some(at) if values[at].is_some() => {
                    let message = format!("the key \"{}\" is there twice", shortened(&key));
                    return Err(serde::de::Error::custom(message));
                }
                Some(at) => values[at] = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(values)
    }
}

/// A key that is copied only where it holds escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;
        impl<'de> Visitor<'de> for Borrowed {
            type Value = Key<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_string())))
            }
        }
        deserializer.deserialize_str(Borrowed)
    }
}
