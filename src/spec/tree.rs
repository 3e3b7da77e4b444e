//! A TOML file as a tree of values that know where they stand, whatever tree they are moved to.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// The forms of an axis: the only key of a table that stands for several values.
const DOMAINS: [&str; 4] = ["grid", "uniform", "log_uniform", "int"];

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct TomlNode {
    /// The value.
    pub value: TomlValue,
    /// Where it stands in the experiment's texts.
    pub span: Range<usize>,
}

/// A value of a TOML file.
#[derive(Debug, Clone, PartialEq)]
pub enum TomlValue {
    /// A string.
    String(String),
    /// An integer; those of 64 bits with or without a sign fit.
    Integer(i128),
    /// A number with a fraction or an exponent, or a whole one beyond 64 bits.
    Float(f64),
    /// A boolean.
    Boolean(bool),
    /// A date, a time or both.
    Datetime,
    /// A list.
    Array(Vec<TomlNode>),
    /// A table.
    Table(TomlTable),
}

/// A table, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TomlTable {
    /// Its keys and values.
    pub entries: Vec<TomlEntry>,
    /// Whether it is written in braces, not under a header.
    pub inline: bool,
}

/// A key of a table with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct TomlEntry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Range<usize>,
    /// The value.
    pub node: TomlNode,
}

impl TomlNode {
    /// The table that this is.
    pub fn table(&self) -> Option<&TomlTable> {
        if let TomlValue::Table(table) = &self.value { Some(table) } else { None }
    }

    /// The items of the list that this is.
    pub fn array(&self) -> Option<&[TomlNode]> {
        if let TomlValue::Array(items) = &self.value { Some(items) } else { None }
    }

    /// The string that this is.
    pub fn string(&self) -> Option<&str> {
        if let TomlValue::String(text) = &self.value { Some(text) } else { None }
    }

    /// The keys from here to the value, or to the key, that stands at a place.
    pub fn path_to(&self, place: &Range<usize>) -> Option<Vec<String>> {
        if self.span == *place {
            return Some(Vec::new());
        }
        let below = |key: &str, node: &Self| {
            let path = node.path_to(place)?;
            Some([vec![key.to_string()], path].concat())
        };
        match &self.value {
            TomlValue::Table(table) => table.entries.iter().find_map(|entry| {
                let key = || (entry.key_span == *place).then(|| vec![entry.key.clone()]);
                key().or_else(|| below(&entry.key, &entry.node))
            }),
            TomlValue::Array(items) => {
                items.iter().enumerate().find_map(|(index, item)| below(&index.to_string(), item))
            }
            _ => None,
        }
    }

    /// One level down: the value of a key, or the item of an index.
    pub fn child(&self, key: &str) -> Option<&TomlNode> {
        match &self.value {
            TomlValue::Table(table) => table.get(key),
            TomlValue::Array(items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        }
    }

    /// As [`Self::child`].
    pub fn child_mut(&mut self, key: &str) -> Option<&mut TomlNode> {
        match &mut self.value {
            TomlValue::Table(table) => table.get_mut(key),
            TomlValue::Array(items) => key.parse::<usize>().ok().and_then(|index| items.get_mut(index)),
            _ => None,
        }
    }
}

impl TomlTable {
    /// Whether it stands for several values.
    pub fn is_axis(&self) -> bool {
        matches!(self.entries.as_slice(), [only] if DOMAINS.contains(&only.key.as_str()))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&TomlNode> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// A key with its value.
    pub fn entry(&self, key: &str) -> Option<&TomlEntry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut TomlNode> {
        self.entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) -> Option<TomlEntry> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(index))
    }

    /// Sets a key; it becomes the last one, with its new place.
    pub fn set(&mut self, entry: TomlEntry) {
        self.remove(&entry.key);
        self.entries.push(entry);
    }
}

/// Parses a file whose text starts at `offset` of the experiment's texts.
///
/// # Errors
/// A syntax error, or a number that no key could take, with its place.
pub fn parse_file(text: &str, offset: usize) -> Result<TomlNode, Problem> {
    let table = DeTable::parse(text).map_err(|error| syntax_problem(&error, offset))?;
    let span = table.span();
    Reader { text, offset }.node(Spanned::new(span, DeValue::Table(table.into_inner())))
}

/// Parses a single value whose text starts at `offset` of the experiment's texts.
///
/// # Errors
/// As [`parse_file`].
pub fn parse_value(text: &str, offset: usize) -> Result<TomlNode, Problem> {
    let value = DeValue::parse(text).map_err(|error| syntax_problem(&error, offset))?;
    Reader { text, offset }.node(value)
}

fn syntax_problem(error: &toml::de::Error, offset: usize) -> Problem {
    let span = error.span().map(|span| span.start + offset..span.end + offset);
    Problem::at(span, format!("invalid TOML: {}", error.message().trim()))
}

/// Takes a parsed text over into the tree.
struct Reader<'a> {
    text: &'a str,
    offset: usize,
}

impl Reader<'_> {
    fn place(&self, span: &Range<usize>) -> Range<usize> {
        span.start + self.offset..span.end + self.offset
    }

    fn node(&self, node: Spanned<DeValue<'_>>) -> Result<TomlNode, Problem> {
        let local = node.span();
        let span = self.place(&local);
        let out_of_range = || {
            Problem::at(Some(span.clone()), "this number is out of range")
                .help("real numbers go up to 1.8e308, whole ones have at most 64 bits")
        };
        let value = match node.into_inner() {
            DeValue::String(text) => TomlValue::String(text.into_owned()),
            DeValue::Integer(number) => {
                let parsed = i128::from_str_radix(number.as_str(), number.radix()).ok();
                let fits = |number: &i128| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(number);
                match parsed.filter(fits) {
                    Some(number) => TomlValue::Integer(number),
                    // A real number may be written so. A key of whole numbers says what it takes.
                    None if number.radix() == 10 => {
                        TomlValue::Float(number.as_str().parse().map_err(|_| out_of_range())?)
                    }
                    None => return Err(out_of_range()),
                }
            }
            DeValue::Float(number) => {
                let parsed: f64 = number.as_str().parse().map_err(|_| out_of_range())?;
                // A number that rounds to infinity is a typo; `inf` itself is TOML.
                if parsed.is_infinite() && !number.as_str().contains("inf") {
                    return Err(out_of_range());
                }
                TomlValue::Float(parsed)
            }
            DeValue::Boolean(value) => TomlValue::Boolean(value),
            DeValue::Datetime(_) => TomlValue::Datetime,
            DeValue::Array(items) => {
                TomlValue::Array(items.into_iter().map(|item| self.node(item)).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => TomlValue::Table(self.table(table, &local)?),
        };
        Ok(TomlNode { value, span })
    }

    fn table(&self, table: DeTable<'_>, local: &Range<usize>) -> Result<TomlTable, Problem> {
        let entries = table.into_iter().map(|(key, item)| {
            let key_span = self.place(&key.span());
            Ok(TomlEntry { key: key.into_inner().into_owned(), key_span, node: self.node(item)? })
        });
        let inline = self.text.get(local.start..).is_some_and(|text| text.starts_with('{'));
        Ok(TomlTable { entries: entries.collect::<Result<_, Problem>>()?, inline })
    }
}
