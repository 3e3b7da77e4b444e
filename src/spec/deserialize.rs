//! The tree as a source of typed values: serde's errors become problems with a place and a remedy.

use std::fmt;
use std::ops::Range;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, Error, Expected, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};

use super::problem::Problem;
use super::tree::{TomlEntry, TomlNode, TomlValue};
use crate::text::nearest;

/// Reads a value as a type.
///
/// # Errors
/// An unknown key, a wrong type or a missing key, with its place.
pub fn typed<'a, T: Deserialize<'a>>(node: &'a TomlNode) -> Result<T, Problem> {
    T::deserialize(NodeDeserializer(node)).map_err(|problem| problem.or_at(&node.span))
}

impl Problem {
    /// The innermost place is the one to show. An empty table at the root has none.
    fn or_at(mut self, span: &Range<usize>) -> Self {
        if self.span.is_none() && span.start < span.end {
            self.span = Some(span.clone());
        }
        self
    }

    /// A word that is not one of those known.
    fn unknown(what: &str, wrong: &str, known: &'static [&'static str]) -> Self {
        let mut problem = Problem::at(None, format!("unknown {what} `{wrong}`"));
        if let Some(near) = nearest(wrong, known.iter().copied()) {
            problem = problem.label(format!("did you mean `{near}`?"));
        }
        if known.is_empty() {
            problem.help("this table takes no keys")
        } else {
            problem.help(format!("known here: {}", known.join(", ")))
        }
    }
}

impl Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Problem::at(None, message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let wanted = words_for(expected);
        let problem = Problem::at(None, format!("expected {wanted}, got {}", shown(found)));
        match found {
            Unexpected::Float(number)
                if wanted == INTEGER && number.fract() == 0.0 && number.abs() < GREATEST_EXACT =>
            {
                problem.help(format!("write {number}"))
            }
            _ => problem,
        }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Problem::at(None, format!("expected {}, got {length}", words_for(expected)))
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Problem::unknown("value", variant, known)
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Problem::unknown("key", field, known)
    }

    fn missing_field(field: &'static str) -> Self {
        Problem::at(None, format!("the key `{field}` is missing")).label("in this table")
    }
}

/// What a key of whole numbers takes.
const INTEGER: &str = "a non-negative integer";

/// Up to here a real number shows all of its digits.
const GREATEST_EXACT: f64 = 1e15;

/// What serde expects, for readers who do not know Rust.
fn words_for(expected: &dyn Expected) -> String {
    match expected.to_string().as_str() {
        "usize" | "u64" | "u32" => INTEGER.to_string(),
        "f64" | "f32" => "a number".to_string(),
        "a boolean" => "true or false".to_string(),
        "a sequence" => "a list".to_string(),
        "a map" => "a table".to_string(),
        text if text.starts_with("struct ") => "a table".to_string(),
        text => text.replace("an array of length", "a list of length"),
    }
}

fn shown(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        // With its point: `3.0` is not an integer.
        Unexpected::Float(number) => format!("{number:?}"),
        Unexpected::Str(text) => format!("the string {text:?}"),
        Unexpected::Map => "a table".to_string(),
        Unexpected::Seq => "a list".to_string(),
        other => other.to_string(),
    }
}

/// A value as serde reads it.
struct NodeDeserializer<'a>(&'a TomlNode);

impl<'de> Deserializer<'de> for NodeDeserializer<'de> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let value = match &self.0.value {
            TomlValue::String(text) => visitor.visit_borrowed_str(text),
            TomlValue::Integer(number) => match (i64::try_from(*number), u64::try_from(*number)) {
                (Ok(number), _) => visitor.visit_i64(number),
                (_, Ok(number)) => visitor.visit_u64(number),
                _ => visitor.visit_i128(*number),
            },
            TomlValue::Float(number) => visitor.visit_f64(*number),
            TomlValue::Boolean(value) => visitor.visit_bool(*value),
            TomlValue::Datetime => Err(Problem::invalid_type(Unexpected::Other("a date"), &visitor)),
            TomlValue::Array(items) => visitor.visit_seq(Items(items.iter())),
            TomlValue::Table(table) => {
                visitor.visit_map(Entries { entries: table.entries.iter(), value: None })
            }
        };
        value.map_err(|problem| problem.or_at(&self.0.span))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let span = &self.0.span;
        let value = match &self.0.value {
            TomlValue::String(name) => {
                visitor.visit_enum(NamedVariant { name, name_span: span.clone(), content: None })
            }
            TomlValue::Table(table) => match table.entries.as_slice() {
                [TomlEntry { key, key_span, node }] => visitor.visit_enum(NamedVariant {
                    name: key,
                    name_span: key_span.clone(),
                    content: Some(node),
                }),
                [] => Err(Problem::at(None, format!("expected one of: {}", variants.join(", ")))),
                [first, second, ..] => {
                    let message = format!("only one of `{}` and `{}` can be given", first.key, second.key);
                    Err(Problem::at(Some(second.key_span.clone()), message).label("one too many"))
                }
            },
            _ => Err(Problem::at(None, format!("expected one of: {}", variants.join(", ")))),
        };
        value.map_err(|problem| problem.or_at(span))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// The items of a list.
struct Items<'a>(std::slice::Iter<'a, TomlNode>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        let Some(node) = self.0.next() else { return Ok(None) };
        seed.deserialize(NodeDeserializer(node)).map(Some).map_err(|problem| problem.or_at(&node.span))
    }
}

/// The entries of a table.
struct Entries<'a> {
    entries: std::slice::Iter<'a, TomlEntry>,
    /// The value of the key that was read last.
    value: Option<&'a TomlNode>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        let Some(entry) = self.entries.next() else { return Ok(None) };
        self.value = Some(&entry.node);
        let key = seed.deserialize(StrDeserializer::<Problem>::new(&entry.key));
        key.map(Some).map_err(|problem| problem.or_at(&entry.key_span))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let node = self.value.take().ok_or_else(|| Problem::custom("a value was read before its key"))?;
        seed.deserialize(NodeDeserializer(node)).map_err(|problem| problem.or_at(&node.span))
    }
}

/// One of several names, with the table that belongs to it.
struct NamedVariant<'a> {
    name: &'a str,
    name_span: Range<usize>,
    content: Option<&'a TomlNode>,
}

impl<'de> EnumAccess<'de> for NamedVariant<'de> {
    type Error = Problem;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Problem> {
        let name = seed.deserialize(StrDeserializer::<Problem>::new(self.name));
        Ok((name.map_err(|problem| problem.or_at(&self.name_span))?, self))
    }
}

impl<'a> NamedVariant<'a> {
    fn content(&self) -> Result<&'a TomlNode, Problem> {
        self.content.ok_or_else(|| {
            let name = self.name;
            Problem::at(Some(self.name_span.clone()), format!("`{name}` is a table of its own"))
                .help(format!("write {{ {name} = {{ ... }} }}"))
        })
    }
}

impl<'de> VariantAccess<'de> for NamedVariant<'de> {
    type Error = Problem;

    fn unit_variant(self) -> Result<(), Problem> {
        let keys = |node: &&TomlNode| node.table().is_none_or(|table| !table.entries.is_empty());
        match self.content.filter(keys) {
            None => Ok(()),
            Some(node) => Err(Problem::at(Some(node.span.clone()), format!("`{}` takes no keys", self.name))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Problem> {
        let node = self.content()?;
        seed.deserialize(NodeDeserializer(node)).map_err(|problem| problem.or_at(&node.span))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Problem> {
        NodeDeserializer(self.content()?).deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        NodeDeserializer(self.content()?).deserialize_any(visitor)
    }
}
